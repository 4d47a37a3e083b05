"""Put a measured table between its marks in a page of docs/."""

import os
import platform
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"


def put(page, name, header, rows, note=""):
    """Write a table between the marks of `name` in docs/<page>, with the machine below it.

    header: column names; rows: lists of text of the same length. Rows of an earlier run with the
    same header stay where their first cell is not among the new ones.
    """
    path = DOCS / page
    marks = f"<!-- {name}: made by benchmarks -->", f"<!-- {name}: end -->"
    before, begin, rest = path.read_text(encoding="utf-8").partition(marks[0])
    old, end, after = rest.partition(marks[1])
    if not begin or not end:
        raise SystemExit(f"{path}: no place for the table; add {marks[0]} and {marks[1]}")
    earlier = [line.strip("| ").split(" | ") for line in old.splitlines() if line.startswith("|")]
    rows = [[str(cell) for cell in row] for row in rows]
    if earlier and earlier[0] == list(header):
        rows = _merged(earlier[2:], rows)
    lines = [header, ["---"] * len(header), *rows]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    text = f"{table}\n\nMeasured on {machine()}.{f' {note}' if note else ''}"
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
    print(table)


def _merged(earlier, rows):
    names = dict.fromkeys(row[0] for row in [*earlier, *rows])
    new = {row[0] for row in rows}
    return [row for name in names for row in (rows if name in new else earlier) if row[0] == name]


def machine():
    """Cores and memory, and the versions that matter."""
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {gigabytes:.0f} GB of memory, Python {platform.python_version()}"

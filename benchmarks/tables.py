"""Put a measured table between its marks in a page of docs/."""

import os
import platform
import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"


def put(page, name, header, rows, note=""):
    """Replace what stands between the marks of `name` in docs/<page> by a table and its machine.

    header: column names; rows: lists of text of the same length.
    """
    path = DOCS / page
    lines = [header, ["---"] * len(header), *rows]
    table = "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
    text = f"{table}\n\nMeasured on {machine()}.{f' {note}' if note else ''}"
    marks = f"<!-- {name}: made by benchmarks -->", f"<!-- {name}: end -->"
    old = path.read_text(encoding="utf-8")
    pattern = re.escape(marks[0]) + ".*?" + re.escape(marks[1])
    new, found = re.subn(
        pattern, lambda _: f"{marks[0]}\n{text}\n{marks[1]}", old, count=1, flags=re.S
    )
    if not found:
        raise SystemExit(f"{path}: no place for the table; add {marks[0]} and {marks[1]}")
    path.write_text(new, encoding="utf-8")
    print(table)


def machine():
    """Cores and memory, and the versions that matter."""
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {gigabytes:.0f} GB of memory, Python {platform.python_version()}"

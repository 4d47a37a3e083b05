"""What a run says on the console, at its start and at its end."""

from collections import Counter
from pathlib import Path

from ..files import read_json, read_rows
from ..verdict import VERDICTS
from .formats import counted


def opening(studies):
    """What will be run, in one line."""
    contrasts = sum(len(study["record"]["contrasts"]) for study in studies.values())
    names = ", ".join(studies)
    return f"{counted(len(studies), 'study')} ({names}), {counted(contrasts, 'comparison')}"


def is_new(path, started):
    """Whether the file was written after a time (seconds since 1970)."""
    path = Path(path)
    return path.exists() and path.stat().st_mtime >= started


def closing(verdicts, designs, checks, report):
    """Studies, verdicts, warnings, and where to look; several lines.

    verdicts: path of the verdicts table; designs, checks: paths of the design reports and of the
    sample checks; report: path of the first page.
    """
    rows = read_rows(verdicts)
    found = Counter(row["verdict"] for row in rows)
    warned = [text for path in designs for design in read_json(path) for text in design["warnings"]]
    confounded = sum(bool(d["confounders"]) for path in designs for d in read_json(path))
    flags = sum(row["flag"] == "yes" for path in checks for row in read_rows(path))
    simulated = {row["study"] for row in rows if row["simulated"] == "yes"}
    studies = dict.fromkeys(row["study"] for row in rows)
    lines = ["", f"{counted(len(studies), 'study')}, {counted(len(rows), 'verdict')}:"]
    lines += [f"  {found[verdict]:>6,} {verdict}" for verdict in VERDICTS]
    warnings = [counted(len(warned), "design warning")]
    warnings.append(counted(confounded, "confounded comparison"))
    warnings.append(counted(flags, "flagged sample check"))
    lines.append(", ".join(warnings))
    if simulated:
        lines.append(f"SIMULATED DATA: {', '.join(sorted(simulated))}")
    lines.append(f"Open {report}")
    return "\n".join(lines)

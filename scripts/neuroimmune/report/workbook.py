"""The result tables of all studies as one workbook (XLSX), the same bytes for the same tables."""

import datetime
import math
from pathlib import Path

from ..files import atomic, read_table
from .tables import (
    CLAIM_TEXT,
    CONTRAST_TABLES,
    CONTROL_TEXT,
    COUPLING_TEXT,
    META_TEXT,
    VERDICT_TEXT,
    with_numbers,
)

# Excel stores a date in the file; a fixed one keeps the bytes the same.
WHEN = datetime.datetime(2000, 1, 1)
# Sheet -> its columns of text; of the sheets that are not named here, all but left_out.
TEXT = {
    **{name: CONTRAST_TABLES[name] for name in ("adjusted", "leave_one_out", "concordance")},
    "scorers": {"study", "contrast", "stratum", "set_id", "method", "direction", "status"},
    "verdicts": VERDICT_TEXT,
    "evidence": CLAIM_TEXT,
    "evidence_sets": CLAIM_TEXT,
    "meta": META_TEXT,
    "controls": CONTROL_TEXT,
    "coupling": COUPLING_TEXT,
}
# Sheet -> what it holds; columns are described in docs/outputs.md of the workflow.
SHEETS = {
    "evidence": "the claims on the neuroimmune axis, and what the data say of each",
    "evidence_sets": "the same, set by set",
    "meta": "effects pooled over studies",
    "controls": "the workflow's own controls",
    "verdicts": "every set in every comparison: effect, interval, tests, verdict and reason",
    "adjusted": "effects beside and after adjustment for red-cell RNA, cell mix and steroids",
    "scorers": "the same comparisons by other scores and set tests",
    "leave_one_out": "effects of the sets without each of their genes",
    "concordance": "how far the methods agree, and whether one gene carries a set",
    "samples": "every sample of every series, those left out with the reason",
    "attrition": "rows, probes and columns left out or merged on the way to expression profiles",
    "checks": "sample checks: sex, duplicates, odd profiles, libraries, globins",
    "coupling": "rank correlations of neuroimmune with effector scores within each study",
}
# Below the header of a sheet; the rest of a table goes on in the next sheet.
MOST_ROWS = 1_048_575
WIDTHS = {"set_id": 30, "reason": 60, "sentence": 60, "title": 40, "measurable_genes": 40}


def read_sheets(inputs):
    """(name, what it holds, DataFrame) of every sheet.

    inputs: has a list of paths for every name in `SHEETS`.
    """
    sheets = []
    for name, what in SHEETS.items():
        table = _joined(getattr(inputs, name))
        text = TEXT.get(name, set(table.columns) - {"left_out"})
        sheets.append((name, what, with_numbers(table, text)))
    return sheets


def _joined(paths):
    """The tables below one another; those of studies get their folder as the study."""
    import pandas as pd

    tables = []
    for path in paths:
        table = read_table(path)
        folder = Path(path).parent.name
        if "study" not in table and folder != "synthesis":
            table.insert(0, "study", folder)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def write_workbook(path, sheets):
    """Write the tables as sheets, after a sheet that says what each holds.

    sheets: list of (name, what it holds, DataFrame). Text stays text, also where it begins with
    an equals sign; missing numbers are empty cells.
    """
    from xlsxwriter import Workbook

    about = [[name, len(table), what] for name, what, table in sheets]
    with atomic(path) as part, Workbook(part, {"constant_memory": True}) as book:
        book.set_properties({"created": WHEN})
        bold = book.add_format({"bold": True})
        sheet = book.add_worksheet("about")
        _fill(sheet, bold, ["sheet", "rows", "what it holds"], about, {"what it holds": 90})
        for name, _, table in sheets:
            rows = list(table.itertuples(index=False, name=None))
            for number, start in enumerate(range(0, max(len(rows), 1), MOST_ROWS), start=1):
                sheet = book.add_worksheet(name if number == 1 else f"{name} {number}")
                part_of = rows[start : start + MOST_ROWS]
                _fill(sheet, bold, list(table.columns), part_of, WIDTHS)


def _fill(sheet, bold, header, rows, widths):
    sheet.freeze_panes(1, 1)
    sheet.autofilter(0, 0, len(rows), len(header) - 1)
    for place, column in enumerate(header):
        sheet.set_column(place, place, widths.get(column, max(12, len(column) + 2)))
        sheet.write_string(0, place, column, bold)
    for number, row in enumerate(rows, start=1):
        for place, value in enumerate(row):
            if isinstance(value, str):
                sheet.write_string(number, place, value)
            elif math.isinf(value):
                sheet.write_string(number, place, str(value))
            elif not math.isnan(value):
                sheet.write_number(number, place, value)

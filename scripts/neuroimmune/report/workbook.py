"""The result tables of all studies as one workbook (XLSX), the same bytes for the same tables."""

import datetime
import io
import math
import re
import zipfile
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
    an equals sign; missing numbers are empty cells; characters that XLSX cannot hold are left out.
    """
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    about = [[name, len(table), what] for name, what, table in sheets]
    _fill(book, "about", ["sheet", "rows", "what it holds"], about, {"what it holds": 90})
    for name, _, table in sheets:
        rows = table.itertuples(index=False, name=None)
        _fill(book, name, list(table.columns), rows, WIDTHS)
    packed = io.BytesIO()
    book.save(packed)
    with atomic(path) as part:
        part.write_bytes(_dateless(packed))


def _fill(book, name, header, rows, widths):
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    sheet = book.create_sheet(name)
    sheet.freeze_panes = "B2"
    for number, column in enumerate(header, start=1):
        width = widths.get(column, max(12, len(column) + 2))
        sheet.column_dimensions[get_column_letter(number)].width = width
    heads = [WriteOnlyCell(sheet, value=text) for text in header]
    for head in heads:
        head.font = Font(bold=True)
    sheet.append(heads)
    for row in rows:
        sheet.append([_cell(sheet, value) for value in row])
    last = get_column_letter(len(header))
    sheet.auto_filter.ref = f"A1:{last}{sheet._max_row}"


def _cell(sheet, value):
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    if not isinstance(value, str):
        return None if isinstance(value, float) and math.isnan(value) else value
    cell = WriteOnlyCell(sheet, value=ILLEGAL_CHARACTERS_RE.sub("", value))
    cell.data_type = "s"
    return cell


def _dateless(packed):
    """The bytes of the workbook with every date set to `WHEN`."""
    stamp = WHEN.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    out = io.BytesIO()
    with zipfile.ZipFile(packed) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for item in old.infolist():
            content = old.read(item)
            if item.filename == "docProps/core.xml":
                content = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", stamp, content)
            place = zipfile.ZipInfo(item.filename, WHEN.timetuple()[:6])
            new.writestr(place, content, zipfile.ZIP_DEFLATED)
    return out.getvalue()

"""Turn the bytes of a table file into a grid of text cells, whatever its dialect."""

import csv
import datetime
import io
import re
from collections import Counter, defaultdict, namedtuple
from itertools import count, islice

from ..errors import UserError, some
from .archives import ZIP
from .matrix import MISSING

# `words` are the distinct cells, `codes` (rows x columns) says which stands where: counts repeat,
# so this is small, and each text is looked at once. `lines` is each row's place in the file. Rows
# and columns without any text are left out.
Grid = namedtuple("Grid", "codes words lines")

BLANK, NO_VALUE, NUMBER, TEXT = range(4)
MISSING_WORDS = {word.lower() for word in MISSING} | {"#n/a", "-", "."}
NUMBERLIKE = re.compile(r"[+-]?([0-9][0-9.,]*|[.,][0-9]+)([eE][+-]?[0-9]+)?")
MAX_CELLS = 400_000_000
MAX_ROWS = 1_048_576  # what a worksheet can hold
BINARY = {
    b"\xd0\xcf\x11\xe0": "an old Excel file (.xls): open it and save it as .xlsx",
    b"BZh": "packed with bzip2: unpack it",
    b"\xfd7zXZ": "packed with xz: unpack it",
    b"7z\xbc\xaf": "a 7z archive: unpack it",
    b"Rar!": "a rar archive: unpack it",
    b"%PDF": "a PDF",
    b"\x89HDF": "an HDF5 file",
    b"%%MatrixMarket": "a sparse matrix of single cells",
}


class NoTable(UserError):
    """Nothing looks like a table of numbers, as opposed to a table with a fault."""


def read_grid(raw, where, sheet=None):
    """(Grid, notes, texts of cells that were dates) of delimited text or of an Excel workbook.

    raw: bytes; where: the file, for messages; sheet: a sheet's name, for workbooks only.
    Raises NoTable where there are no numbers in columns, UserError where a sheet must be chosen
    or the text is not to be split into cells.
    """
    if raw.startswith(ZIP):
        return _workbook(raw, where, sheet)
    if sheet is not None:
        raise UserError(f"{where}: source.sheet is set, but this is no Excel workbook (.xlsx)")
    return _text_grid(raw, where), [], set()


def kinds_of(grid):
    """Array like grid.codes: BLANK, NO_VALUE (NA and the like), NUMBER or TEXT."""
    import numpy as np

    return np.array([_kind(word) for word in grid.words], np.int8)[grid.codes]


def _kind(word):
    if not word:
        return BLANK
    if NUMBERLIKE.fullmatch(word):
        return NUMBER
    return NO_VALUE if word.lower() in MISSING_WORDS else TEXT


def has_numbers(kinds):
    """Whether a number stands right of another cell."""
    return bool(((kinds != BLANK).cumsum(axis=1)[kinds == NUMBER] > 1).any())


def _text_grid(raw, where):
    text = decode(raw, where).replace("\r\n", "\n").replace("\r", "\n")
    skipped = _comment_lines(text)
    separator = _separator(text, skipped, where)
    if separator is None:
        first = next((line.strip() for line in io.StringIO(text) if line.strip()), "")
        raise NoTable(
            f"{where}: no table of counts; expected genes in rows and samples in columns, with "
            f"tab, comma, semicolon or blanks between them; found {first[:60]!r}"
        )
    try:
        grid, _ = _split(text, separator, csv.QUOTE_MINIMAL, skipped, where)
        swallowed = '"' in text and _swallowed(grid, separator)
    except csv.Error:
        swallowed = True
    if swallowed:
        # A quotation mark may be a plain character where the writer does not quote.
        try:
            grid, lengths = _split(text, separator, csv.QUOTE_NONE, skipped, where)
        except csv.Error as error:
            raise UserError(f"{where}: cannot be split into cells ({error})") from None
        if lengths.total() - max(lengths.values()) > 1:  # a header may be one name short
            raise UserError(
                f"{where}: a quotation mark opens a cell that runs over several lines; delete "
                "stray quotation marks from the file"
            )
    return grid


def decode(raw, where):
    for start, kind in BINARY.items():
        if raw.startswith(start):
            raise NoTable(f"{where}: {kind}; expected a table of counts")
    try:
        utf16 = raw[:2] in (b"\xff\xfe", b"\xfe\xff")
        text = raw.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", errors="replace")
    if "\0" in text:
        raise NoTable(f"{where}: binary data; expected a table of counts")
    return text


def _comment_lines(text):
    """How many lines at the start are blank or comments ('#').

    The last comment counts as the header where it has as many separators as the next line.
    """
    last = None
    for number, line in enumerate(io.StringIO(text)):
        if line.startswith("#"):
            last = number, line
        elif line.strip():
            break
    else:
        return 0
    if last and any(line.count(mark) == last[1].count(mark) > 0 for mark in "\t;,"):
        return last[0]
    return number


def _separator(text, skipped, where):
    """What finds numbers in the first 1,000 lines; None if nothing finds any."""
    start = islice(io.StringIO(text), skipped, skipped + 3000)
    lines = [line for line in start if line.strip()][:1000]
    found = {}
    for mark in "\t;, ":
        # Line by line, so that a stray quotation mark spoils nothing.
        rows = [
            row
            for line in lines
            for row in _rows_of([line], mark, csv.QUOTE_NONE if line.count('"') % 2 else 0)
        ]
        found[mark] = sum(
            bool(NUMBERLIKE.fullmatch(cell.strip())) for row in rows for cell in row[1:]
        )
        if mark == " " and not _even(rows):
            found[mark] = 0
    # Tabs come first: blanks and commas inside cells find numbers too, but fewer a line.
    best = next((mark for mark in found if found[mark] > 0.6 * max(found.values())), None)
    if best == "," and found[" "] == found[","]:
        raise UserError(
            f"{where}: {lines[-1].strip()[:60]!r}: the comma may stand between columns or before "
            "decimals; save the table with tabs between its columns"
        )
    return best


def _even(rows):
    """Whether nearly all rows are equally long, as in a table but not in prose."""
    lengths = Counter(len(row) for row in rows if len(row) > 1)
    if not lengths:
        return False
    usual = max(lengths, key=lambda length: (lengths[length], length))
    r_header = len(rows[0]) == usual - 1  # has no name for the ids
    return len(rows) > 1 and lengths[usual] + r_header >= 0.8 * len(rows)


def _rows_of(lines, separator, quoting=csv.QUOTE_MINIMAL):
    if separator == " ":
        lines = (line.strip().replace("\t", " ") for line in lines)
    return csv.reader(
        lines, delimiter=separator, quoting=quoting, skipinitialspace=separator == " "
    )


def _split(text, separator, quoting, skipped, where):
    """(Grid, Counter of row lengths)."""
    reader = _rows_of(islice(io.StringIO(text), skipped, None), separator, quoting)
    lengths = Counter()

    def numbered():
        for row in reader:
            if row:
                lengths[len(row)] += 1
                yield skipped + reader.line_num, row

    return _grid(numbered(), where), lengths


def _grid(rows, where):
    """Grid of (line number, list of text cells) pairs."""
    import numpy as np

    index = defaultdict(count().__next__)
    blank = index[""]
    coded, lines, width = [], [], 0
    for line, row in rows:
        coded.append(np.fromiter(map(index.__getitem__, row), np.int32, len(row)))
        lines.append(line)
        width = max(width, len(row))
        if len(coded) * width > MAX_CELLS:
            raise UserError(f"{where}: more than {MAX_CELLS:,} cells: no table of bulk samples")
    codes = np.full((len(coded), width), blank, np.int32)
    for number, row in enumerate(coded):
        codes[number, : len(row)] = row
    words = [word.strip() for word in index]
    filled = np.array([bool(word) for word in words])[codes]
    rows, columns = filled.any(axis=1), filled.any(axis=0)
    return Grid(codes[rows][:, columns], words, np.array(lines, int)[rows])


def _swallowed(grid, separator):
    """Whether a quoted cell holds ends and starts of rows: its quotation mark is a stray one."""
    row = max(grid.codes.shape[1] - 1, 1)
    return any(
        "\n" in word and word.count(separator) >= row * word.count("\n") for word in grid.words
    )


def _workbook(raw, where, sheet):
    import openpyxl

    dates = set()
    try:
        book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=True)
        names = [page.title for page in book.worksheets]
        grids = {
            page.title: _grid(_sheet_rows(page, where, dates), where)
            for page in book.worksheets
            if sheet in (None, page.title)
        }
    except UserError:
        raise
    except Exception as error:  # a damaged workbook makes openpyxl raise almost anything
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:80]}"
        raise NoTable(
            f"{where}: cannot be read as an Excel workbook ({reason}); save it again as .xlsx or "
            "as text"
        ) from None
    if sheet is not None and sheet not in grids:
        raise UserError(f"{where}: no sheet {sheet!r}; sheets: {some(map(repr, names))}")
    shapes = some(
        (
            f"{name!r} ({grid.codes.shape[0]} rows x {grid.codes.shape[1]} columns)"
            for name, grid in grids.items()
        ),
        20,
    )
    tables = [name for name, grid in grids.items() if has_numbers(kinds_of(grid))]
    if not tables:
        raise NoTable(f"{where}: no sheet holds a table of counts; sheets: {shapes or 'none'}")
    if len(tables) > 1:
        raise UserError(
            f"{where}: {len(tables)} sheets hold numbers; name one in source.sheet: {shapes}"
        )
    used, notes = tables[0], []
    if len(names) > 1:
        others = [name for name in names if name != used]
        notes = [note("other sheets", "sheet", others, f"the sheet {used!r} holds the counts")]
    return grids[used], notes, dates


def _sheet_rows(page, where, dates):
    page.reset_dimensions()  # some programs write a wrong size
    for number, row in enumerate(page.iter_rows(values_only=True), start=1):
        if number > MAX_ROWS:
            raise UserError(f"{where}: sheet {page.title!r} has more than {MAX_ROWS:,} rows")
        if any(cell is not None for cell in row):
            yield number, [_cell_text(cell, dates) for cell in row]


def _cell_text(cell, dates):
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, datetime.date):  # datetimes are dates too
        text = cell.strftime("%Y-%m-%d")
        dates.add(text)
        return text
    return str(cell)


def note(step, unit, items, reason):
    """What was left out, as a row of the attrition table."""
    items = [" ".join(item.split())[:60] for item in items]
    return {
        "step": step,
        "unit": unit,
        "left_out": len(items),
        "reason": reason,
        "examples": some(items, 5),
    }

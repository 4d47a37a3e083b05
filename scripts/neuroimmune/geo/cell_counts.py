"""Read a text table of counts of cells, either way round, line by line into a sparse matrix."""

import csv
import io
from itertools import islice

from ..errors import UserError, some
from ..genes import PATTERNS
from .grid import NUMBERLIKE, note
from .tenx import Counts, is_barcode, looks_like_genes, mostly, to_numbers

PREVIEW = 20  # lines from which columns of text are told from columns of numbers
MOST_TEXT = 8  # columns of text left of the counts
LONGEST = 2**28  # characters of a line


def read_table(open_stream, where, choose):
    """Counts of a text table (tabs, commas, semicolons or blanks) of cells and genes.

    open_stream: function that opens the table as a binary stream; it is read twice, first for the
    names. choose: as in `tenx.read_triplet`. Whether the genes stand in rows or in columns is
    decided by the names: barcodes, or gene identifiers.
    Raises UserError where they do not say it, for a cell that is no number, and for rows of
    another length than the header.
    """
    import numpy as np
    from scipy.sparse import csc_matrix, csr_matrix

    with open_stream() as stream:
        mark, header, left, skipped = _layout(stream, where)
    with open_stream() as stream:
        beside = [row[:left] for row in _rows(stream, mark, skipped, where, left)]
    columns, notes = header[left:], []
    genes_in_rows = _genes_in_rows(columns, beside, where)
    beside, left_out = _row_names(beside, header)
    if genes_in_rows:
        barcodes, features = columns, [(*names, "") for names in beside]
    else:
        barcodes, features = [names[0] for names in beside], [(name, "", "") for name in columns]
    if left_out:
        reason = "text left of the counts"
        notes.append(note("columns that are no counts", "column", left_out, reason))
    positions, obs, chosen = choose(barcodes)
    wanted = np.zeros(len(barcodes), bool)
    wanted[positions] = True
    data, places, ends = [], [], [0]
    with open_stream() as stream:
        for number, row in enumerate(_rows(stream, mark, skipped, where, left)):
            if not genes_in_rows and not wanted[number]:
                continue
            values = _values(row[left], mark, header[left:], beside[number][0], where)
            if genes_in_rows:
                values = values[positions]
            filled = values.nonzero()[0]
            data.append(values[filled])
            places.append(filled.astype(np.int32))
            ends.append(ends[-1] + len(filled))
    values = np.concatenate(data) if data else np.zeros(0)
    indices = np.concatenate(places) if places else np.zeros(0, np.int32)
    if genes_in_rows:
        shape = len(positions), len(features)
        matrix = csc_matrix((values, indices, ends), shape=shape).tocsr()
    else:
        matrix = csr_matrix((values, indices, ends), shape=(len(positions), len(features)))
    return Counts(matrix, obs, features, where, notes + chosen)


def _text(stream, where):
    """Lines of a binary stream, without their ends and the blank ones, with their numbers."""
    lines = io.TextIOWrapper(stream, "utf-8-sig", newline=None)
    number = 0
    try:
        while line := lines.readline(LONGEST):
            number += 1
            if len(line) == LONGEST:
                raise UserError(f"{where}:{number}: a line of more than {LONGEST:,} characters")
            if "\0" in line:
                raise UserError(f"{where}:{number}: binary data; expected a table of counts")
            if line.strip():
                yield number, line.rstrip("\r\n")
    except UnicodeDecodeError:
        raise UserError(f"{where}: after line {number:,}: not UTF-8 text") from None
    finally:
        lines.detach()


def _layout(stream, where):
    """(separator, header, columns of names left of the counts, lines up to the header)."""
    lines = list(islice(_text(stream, where), 2 * PREVIEW))
    while lines and lines[0][1].startswith("#"):
        del lines[0]
    if len(lines) < 2:
        raise UserError(f"{where}: expected a header and lines of counts below, found {len(lines)}")
    body = [line for _, line in lines[1:]]
    mark = next((m for m in "\t,; " if all(m in line for line in body)), None)
    if mark is None:
        raise UserError(
            f"{where}: expected a table of counts with tabs, commas, semicolons or blanks between "
            f"its columns, found {body[0][:60]!r}"
        )
    header, *rows = (_cells(line, mark, where) for _, line in lines)
    width = len(rows[0])
    if len(header) == width - 1:
        header = ["", *header]  # as R writes it
    if len(header) != width:
        raise UserError(
            f"{where}:{lines[0][0]}: {len(header)} names in the header, but {width} columns below"
        )
    numbers = [
        sum(len(row) > place and bool(NUMBERLIKE.fullmatch(row[place])) for row in rows)
        for place in range(min(width, MOST_TEXT + 1))
    ]
    left = 1 + next(
        (place for place in range(len(numbers) - 1, 0, -1) if 2 * numbers[place] < len(rows)), 0
    )
    if left > MOST_TEXT or left >= width:
        raise UserError(f"{where}: no table of counts; found {some(map(repr, rows[0]))}")
    return mark, header, left, lines[0][0]


def _cells(line, mark, where):
    if mark == " ":
        line = " ".join(line.split())
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=mark))]
    except csv.Error as error:
        raise UserError(f"{where}: cannot be split into columns ({error})") from None


def _rows(stream, mark, skipped, where, left):
    """Each row below the header: its names, and the rest as one text, numbers between `mark`s."""
    for number, line in _text(stream, where):
        if number <= skipped:
            continue
        if mark == " ":
            line = " ".join(line.split())
        if '"' in line:
            cells = _cells(line, mark, where)
            row = [*cells[:left], mark.join(cells[left:])]
        else:
            row = line.split(mark, left)
        if len(row) != left + 1:
            raise UserError(f"{where}:{number}: {len(row)} columns, fewer than above")
        yield row


def _values(text, mark, columns, name, where):
    """Array of the numbers of a row. Raises UserError with the place of what is none."""
    numbers = to_numbers(text, mark)
    if numbers is not None and len(numbers) == len(columns) == text.count(mark) + 1:
        return numbers
    cells = text.split(mark)
    if len(cells) != len(columns):
        raise UserError(
            f"{where}: row {name!r} has {len(cells):,} counts, but the header has {len(columns):,} "
            "names"
        )
    for cell, column in zip(cells, columns, strict=True):
        if to_numbers(cell) is None or len(to_numbers(cell)) != 1:
            raise UserError(
                f"{where}: row {name!r}, column {column!r}: found {cell.strip()[:60]!r}, expected "
                "a count"
            )
    return to_numbers(" ".join(cells))


def _genes_in_rows(columns, beside, where):
    rows = list(zip(*beside, strict=True))
    cells_above, cells_left = mostly(is_barcode, columns), any(mostly(is_barcode, c) for c in rows)
    if cells_above != cells_left:
        return cells_above
    genes_above, genes_left = looks_like_genes(columns), any(map(looks_like_genes, rows))
    if genes_above != genes_left:
        return genes_left
    raise UserError(
        f"{where}: cannot tell whether genes stand in rows ({some(map(repr, rows[0]), 3)}) or in "
        f"columns ({some(map(repr, columns), 3)}): neither are barcodes or known genes"
    )


def _row_names(beside, header):
    """((identifier, other name) of each row, headings of the columns that are neither)."""
    columns = list(zip(*beside, strict=True))
    places = list(range(len(columns)))
    if len(places) > 1 and columns[0] == tuple(str(n) for n in range(1, len(beside) + 1)):
        del places[0]  # row numbers
    best = next(
        (
            place
            for place in places
            if mostly(PATTERNS["Ensembl"].search, columns[place], 0.5)
            or mostly(is_barcode, columns[place])
        ),
        places[0],
    )
    label = next((place for place in places if place != best), None)
    labels = columns[label] if label is not None else [""] * len(beside)
    rest = [header[place] or "(no name)" for place in range(len(columns))]
    rest = [name for place, name in enumerate(rest) if place not in (best, label)]
    return list(zip(columns[best], labels, strict=True)), rest

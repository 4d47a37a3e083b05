"""Read a table of gene counts from a GEO supplementary file, in whatever dialect it comes."""

import math
import re
from collections import Counter
from pathlib import Path, PurePosixPath

from ..errors import UserError, some
from .archives import unpack
from .grid import NoTable, note, read_grid
from .layout import find_layout

STAR_COLUMNS = ("unstranded", "forward", "reverse")  # in the order of ReadsPerGene.out.tab
PLAIN = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+(\.[0-9]*)?")
DECIMAL_COMMA = re.compile(r"[+-]?([0-9]*|[1-9][0-9]{0,2}(\.[0-9]{3})+),[0-9]+([eE][+-]?[0-9]+)?")
# Members of archives that are not worth unpacking.
NOT_TABLES = re.compile(
    r"\.(cel|chp|idat|gpr|pdf|png|jpe?g|tiff?|svg|docx?|pptx?|bed|bedgraph|bedpe|bg|wig|bw|bigwig|"
    r"bb|bigbed|narrowpeak|broadpeak|gappedpeak|gtf|gff3?|vcf|bam|bai|sam|cram|fa|fasta|fq|fastq|"
    r"html?|xml|json|mtx|loom|h5|h5ad|hdf5|rds|rda|rdata|robj|hic|cool|mcool|tdf|soft|md|xls|xlsb)"
    r"(\.(gz|bz2|xz))?$",
    re.IGNORECASE,
)


def read_counts(path, column=None, sheet=None):
    """(counts, notes) from a file of gene counts: text, .gz, .xlsx, or a .tar or .zip of these.

    counts: float DataFrame, genes x columns, both labelled by the file's own text. Of an archive
    of several tables each is one column, named by its file. notes: dicts of step, unit, left_out,
    reason and examples for whatever of the file is not in `counts`.

    column: which column of a one-sample file to take, by its heading, or 'unstranded', 'forward'
    or 'reverse' of STAR's ReadsPerGene. sheet: which sheet of a workbook to take.

    Raises UserError where there is no table or a choice would be a guess; where a cell is not a
    number, is missing or negative; where a column name stands twice; where the members of an
    archive differ in their genes; and where an archive is damaged or unsafe.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: {'not a file' if path.exists() else 'no such file'}")
    tables, notes, others = {}, [], []
    for name, raw in unpack(path, lambda name: not NOT_TABLES.search(name)):
        where = f"{path}: member {name!r}" if name else str(path)
        if raw is None:
            others.append(name)
            continue
        if name in tables:
            raise UserError(f"{where}: stands twice in the archive")
        file_name = PurePosixPath(name or path.name).name
        try:
            tables[name], found = _read_table(raw, where, file_name, column, sheet)
        except NoTable:
            if not name:
                raise
            others.append(name)
        else:
            notes += found
    if not tables:
        raise UserError(f"{path}: no table of counts in it; found {some(others) or 'no files'}")
    counts = _join(tables, path) if len(tables) > 1 else next(iter(tables.values()))
    if others:
        notes.append(note("files that are no tables", "file", others, "no table of numbers"))
    return counts, _summed(notes)


def _read_table(raw, where, file_name, column, sheet):
    import pandas as pd

    grid, notes, dates = read_grid(raw, where, sheet)
    layout = find_layout(grid, where)
    if layout.star:
        values, names = _star_column(grid, layout, where, column), [file_name]
    elif column is not None:
        values, names = _named_column(layout, where, column), [file_name]
    elif layout.headings is None:
        values, names = layout.values, [file_name]
    else:
        values, names = layout.values, [layout.headings[place] for place in layout.values]
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise UserError(f"{where}: the column {twice[0]!r} stands twice")
    rows = slice(layout.rows.start, layout.rows.stop)
    genes = [grid.words[code] for code in grid.codes[rows, layout.ids]]
    cells = _to_numbers(grid, grid.codes[rows, values], where)
    _check(cells, grid, grid.codes[rows, values], genes, names, where)
    counts = pd.DataFrame(cells, pd.Index(genes, dtype=str, name="gene"))
    counts.columns = pd.Index(names, dtype=str)
    notes += layout.notes
    lost = [gene for gene in genes if gene in dates]
    if lost:
        reason = f"{len(lost)} genes are dates: the spreadsheet has overwritten their names"
        notes.append(note("gene names", "gene", lost, reason) | {"left_out": 0})
    return counts, notes


def _star_column(grid, layout, where, column):
    if column in STAR_COLUMNS:
        return [layout.values[STAR_COLUMNS.index(column)]]
    rows = [row for row in layout.rows if not grid.words[grid.codes[row, 0]].startswith("N_")]
    sums = _to_numbers(grid, grid.codes[rows][:, layout.values], where).sum(axis=0)
    shown = ", ".join(
        f"{name} {value:,.0f}" for name, value in zip(STAR_COLUMNS, sums, strict=True)
    )
    wrong = "" if column is None else f"source.column is {column!r}; "
    raise UserError(
        f"{where}: {wrong}STAR counts a library in three ways; set source.column to unstranded, "
        f"forward or reverse, as the library is stranded; reads in genes: {shown}"
    )


def _named_column(layout, where, column):
    headings = layout.headings or []
    found = [
        place for place, heading in enumerate(headings) if heading == column and place != layout.ids
    ]
    if len(found) != 1:
        counts = [headings[place] for place in layout.values] if headings else []
        raise UserError(
            f"{where}: source.column is {column!r}, but {len(found) or 'no'} columns have this "
            f"name; columns of numbers: {some(map(repr, counts)) or 'one, without a header'}"
        )
    return found


def _to_numbers(grid, codes, where):
    """Array of floats for an array of codes; NaN where a cell is no number."""
    import numpy as np

    used = np.flatnonzero(np.bincount(codes.ravel(), minlength=len(grid.words)))
    words = [grid.words[code] for code in used]
    comma = _comma(words, where)
    numbers = np.full(len(grid.words), np.nan)
    numbers[used] = [_number(word, comma) for word in words]
    return numbers[codes]


def _number(word, comma):
    if "," in word:
        if comma == "thousands" and THOUSANDS.fullmatch(word):
            word = word.replace(",", "")
        elif comma == "decimal" and DECIMAL_COMMA.fullmatch(word):
            word = word.replace(".", "").replace(",", ".")
    if not PLAIN.fullmatch(word):
        return math.nan
    number = float(word)
    return number if math.isfinite(number) else math.nan


def _comma(words, where):
    """'thousands' or 'decimal': what a comma in these cells means. None without commas."""
    either, thousands, decimal = [], [], []
    for word in words:
        if "," in word:
            fits = bool(THOUSANDS.fullmatch(word)), bool(DECIMAL_COMMA.fullmatch(word))
            kind = {(True, True): either, (True, False): thousands, (False, True): decimal}
            kind.get(fits, []).append(word)
    if not (either or thousands or decimal):
        return None
    plain = [word for word in words if PLAIN.fullmatch(word)]
    thousands += [word for word in plain if "." in word]
    if not thousands and not decimal:
        # Decimals do not end in 0, unless all cells have as many of them; and where commas
        # separate thousands, no number above 999 goes without.
        whole = [float(word) for word in plain]
        if whole and max(whole) < 1000 and any(word.endswith("0") for word in either):
            return "thousands"
    if bool(thousands) == bool(decimal):
        raise UserError(
            f"{where}: {(either + decimal + thousands)[0]!r} may have a decimal comma or a "
            "thousands separator; save the table with decimal points and no thousands separators"
        )
    return "thousands" if thousands else "decimal"


def _check(cells, grid, codes, genes, names, where):
    bad = ~(cells >= 0)
    if bad.any():
        row, column = (int(place[0]) for place in bad.nonzero())
        raise UserError(
            f"{where}: row {genes[row]!r}, column {names[column]!r}: found "
            f"{grid.words[codes[row, column]]!r}, expected a count (a number of at least 0); "
            f"{int(bad.sum())} such cells"
        )


def _join(tables, path):
    """One table with a column for each member of an archive, genes in the order of the first."""
    import pandas as pd

    names = _member_names(list(tables))
    first_name, first = next(iter(tables.items()))
    columns = {}
    for name, table in tables.items():
        if table.shape[1] > 1:
            raise UserError(
                f"{path}: member {name!r} has {table.shape[1]} columns of counts "
                f"({some(map(repr, table.columns))}), but each of the {len(tables)} members must "
                "be one sample; choose the column in source.column"
            )
        values = table.iloc[:, 0]
        if not values.index.equals(first.index):
            differ = sorted(set(values.index) ^ set(first.index))
            if differ or len(values) != len(first):
                raise UserError(
                    f"{path}: the genes of member {name!r} ({len(values):,}) are not those of "
                    f"{first_name!r} ({len(first):,}): {len(differ):,} are in only one of the two "
                    f"({some(map(repr, differ), 3) or 'some stand several times'})"
                )
            if not values.index.is_unique:
                twice = values.index[values.index.duplicated()][0]
                raise UserError(
                    f"{path}: member {name!r} has the genes in another order than {first_name!r}, "
                    f"and cannot be joined to it, because {twice!r} stands twice"
                )
            values = values.reindex(first.index)
        columns[names[name]] = values.to_numpy()
    counts = pd.DataFrame(columns, first.index)
    counts.columns = pd.Index(list(columns), dtype=str)
    return counts


def _member_names(paths):
    """Path in the archive -> name of its column: the file's own name.

    It is the whole path where files share a name, or only a folder around bears the GSM.
    """
    names = {path: PurePosixPath(path).name for path in paths}
    times = Counter(names.values())
    gsm = re.compile("GSM[0-9]+", re.IGNORECASE)
    return {
        path: name if times[name] == 1 and (gsm.search(name) or not gsm.search(path)) else path
        for path, name in names.items()
    }


def _summed(notes):
    """The notes of all members, equal ones as one."""
    merged = {}
    for entry in notes:
        key = entry["step"], entry["unit"], entry["reason"]
        so_far = merged[key]["left_out"] if key in merged else 0
        merged[key] = merged.get(key, entry) | {"left_out": so_far + entry["left_out"]}
    return list(merged.values())

"""Tables with a row a cell: which cells are a sample's, and whose they are."""

import csv
import re
from collections import Counter

from ..errors import UserError, some
from ..samples import BLANKS
from .archives import unpack
from .grid import decode, note
from .tenx import SEQUENCE


def read_cell_table(path):
    """DataFrame of text, a row a cell, from a table with tabs, commas or semicolons.

    Headings are the file's; a header that lacks one name is R's, its first column is called ''.
    Raises UserError for rows of another length than the header.
    """
    import pandas as pd

    files = [(name, raw) for name, raw in unpack(path)]
    if len(files) != 1:
        raise UserError(f"{path}: expected one table of cells, found {len(files)} files")
    text = decode(files[0][1], str(path)).replace("\r\n", "\n").replace("\r", "\n")
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) < 2:
        raise UserError(f"{path}: expected a header and a line a cell, found {len(lines)} lines")
    mark = max("\t,;", key=lambda mark: lines[0].count(mark))
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=mark)]
    except csv.Error as error:
        raise UserError(f"{path}: cannot be split into columns ({error})") from None
    header, *rows = rows
    if len(header) == len(rows[0]) - 1:
        header = ["", *header]
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise UserError(f"{path}:{number}: {len(row)} cells, the header has {len(header)}")
    repeated = [name for name in header if header.count(name) > 1]
    if repeated:
        raise UserError(f"{path}:1: the column {repeated[0]!r} stands twice")
    return pd.DataFrame(rows, columns=pd.Index(header, dtype=str), dtype=str)


def choose_cells(barcodes, table, cells, sample, settings, where):
    """(positions among the barcodes, DataFrame of the fields, notes) for the cells of one sample.

    table: DataFrame of text, which may hold cells of other samples; cells: the barcode of each of
    its rows, or None where it has a row for each of the barcodes; settings: source.cells.
    Raises UserError where a column is missing, no cell is the sample's, or the barcodes of the
    table are not those of the counts.
    """
    import numpy as np
    import pandas as pd

    own = cells is None
    table = table.reset_index(drop=True)
    cells = pd.Series(barcodes if own else cells, dtype=object)
    if "barcode" not in table:
        table = table.assign(barcode=cells)
    notes, kept = [], np.ones(len(table), bool)
    if "sample" in settings:
        names = _values(table, settings["sample"], "sample", where)
        wanted = {sample["sample"], sample.get("files") or sample["sample"]}
        kept = names.isin(wanted).to_numpy()
        if not kept.any():
            raise UserError(
                f"{where}: no cell of sample {' or '.join(sorted(wanted))} by source.cells.sample; "
                f"found {some(repr(name) for name in sorted(set(names.dropna())))}"
            )
    positions = np.arange(len(table))
    if not own:
        positions = np.full(len(table), -1)
        positions[kept], notes = _join(barcodes, cells[kept].to_list(), sample["sample"], where)
        kept &= positions >= 0

    def leave_out(chosen, reason):
        nonlocal kept
        if (kept & chosen).any():
            notes.append(note("cells", "cell", cells[kept & chosen], reason))
        kept &= ~chosen

    for name, values in settings.get("keep", {}).items():
        found = column(table, name, "keep", where)
        for value in sorted(set(found) - set(values)):
            chosen = (found == value).to_numpy()
            leave_out(chosen, f"{name} is {value!r}, source.cells.keep has {some(values)}")
    fields = {}
    for name, field in settings.get("fields", {}).items():
        fields[name] = _values(table[kept], field, name, where).reindex(table.index).fillna("")
        if name in ("subject", "group"):
            blank = fields[name].str.lower().isin(BLANKS).to_numpy(bool)
            leave_out(blank, f"the table of cells says no {name}")
    if not kept.any():
        went = "; ".join(f"{n['left_out']:,} {n['step']}: {n['reason']}" for n in notes)
        raise UserError(f"{where}: no cell of {sample['sample']} is left; {went}")
    chosen = kept.nonzero()[0]
    chosen = chosen[positions[chosen].argsort(kind="stable")]
    obs = pd.DataFrame(fields, index=table.index, dtype=str).iloc[chosen]
    return positions[chosen], obs, notes


def _join(barcodes, cells, sample, where):
    """(position of each cell of the table among the barcodes, -1 where none; notes)."""
    positions, how = _match(barcodes, cells, sample, where)
    notes = [note("barcodes", "cell", [], how)] if how else []
    lost = [cell for cell, at in zip(cells, positions, strict=True) if at < 0]
    if lost:
        notes.append(note("cells of the table", "cell", lost, "the counts lack their barcode"))
    found = set(positions)
    rest = [name for place, name in enumerate(barcodes) if place not in found]
    if rest:
        notes.append(note("cells", "cell", rest, "they have no row in the table of cells"))
    return positions, notes


def column(table, name, key, where):
    """A column of the table; UserError, with those it has, where it is missing."""
    if name not in table:
        raise UserError(
            f"{where}: source.cells.{key}: no column {name!r}; found "
            f"{some(map(repr, table.columns), 20)}"
        )
    return table[name]


def _values(table, field, key, where):
    """Series of text for a field: a column, cut by `pattern`, translated by `map` (None: none)."""
    import pandas as pd

    if "value" in field:
        return pd.Series(field["value"], index=table.index, dtype=object)
    values = column(table, field["from"], f"{key}.from", where)
    if "pattern" in field:
        form = re.compile(field["pattern"])
        found = {text: form.search(text) for text in values.unique()}
        unfit = [text for text, match in found.items() if not match]
        if unfit:
            raise UserError(
                f"{where}: source.cells.{key}.pattern fits none of {some(map(repr, unfit))} "
                f"({values.isin(unfit).sum():,} cells)"
            )
        values = values.map({text: match[1 if form.groups else 0] for text, match in found.items()})
    if "map" in field:
        unknown = sorted(set(values) - set(field["map"]))
        if unknown:
            raise UserError(
                f"{where}: source.cells.{key}.map does not cover {some(map(repr, unknown))} "
                f"({values.isin(unknown).sum():,} cells); add a line for each (null for none)"
            )
        values = values.map(field["map"])
    return values.astype(object)


def _match(barcodes, wanted, sample, where):
    """(position of each wanted cell, -1 where none; how, where not by the whole text).

    By the whole text, and the rest by the sequence in it, where one barcode alone has it.
    """
    found = _places(barcodes, wanted)
    used = set(found)
    rest = [place for place in range(len(barcodes)) if place not in used]
    lost = [place for place, at in enumerate(found) if at < 0]
    by_sequence = _places(
        [_sequence(barcodes[place]) for place in rest], [_sequence(wanted[place]) for place in lost]
    )
    pairs = [(place, rest[at]) for place, at in zip(lost, by_sequence, strict=True) if at >= 0]
    for place, at in pairs:
        found[place] = at
    hits = sum(at >= 0 for at in found)
    if 2 * hits < len(wanted):
        raise UserError(
            f"{where}: of the {len(wanted):,} cells of {sample} in the table of cells only "
            f"{hits:,} are among the {len(barcodes):,} barcodes of the counts "
            f"({some(map(repr, wanted[:3]))} against {some(map(repr, barcodes[:3]))}); see whether "
            "source.cells.sample names the right cells"
        )
    if not pairs:
        return found, ""
    first, at = pairs[0]
    return found, (
        f"{len(pairs):,} cells of the table were found by the sequence in their barcode "
        f"({wanted[first]!r} is {barcodes[at]!r})"
    )


def _places(names, wanted):
    """Position of each wanted name, -1 where it is blank, absent, or not the only one."""
    often, asked = Counter(names), Counter(wanted)
    places = {name: place for place, name in enumerate(names) if name and often[name] == 1}
    return [places.get(name, -1) if asked[name] == 1 else -1 for name in wanted]


def _sequence(text):
    return "".join(SEQUENCE.findall(text))

"""Read which gene each probe of a platform measures: GEO's annotation, or any other table."""

import csv
import re
from itertools import chain

from ..errors import UserError, some
from .matrix import MISSING, open_text

BEGIN, END = "!platform_table_begin", "!platform_table_end"
SEPARATOR = "///"

# Headings that are tried in this order where the study names none; case, spaces and underscores
# do not matter.
HEADINGS = {
    "probe": ("ID", "ID_REF", "Probe ID", "Probe Set ID", "Probe", "Transcript Cluster ID"),
    "symbol": (
        "Gene symbol",
        "Symbol",
        "Gene Symbols",
        "HGNC symbol",
        "MGI symbol",
        "Gene_Sym",
        "ILMN_Gene",
        "gene_assignment",
    ),
    "entrez": (
        "Gene ID",
        "Entrez Gene ID",
        "Entrez Gene",
        "Entrez ID",
        "Entrez",
        "Locuslink ID",
        "Gene",
        "gene_assignment",
    ),
}
# A field of Affymetrix's: "NM_1 // SYMBOL // name // location // Entrez /// NM_2 // ...".
ASSIGNMENT = "geneassignment"
PART = {"symbol": 1, "entrez": 4}

NO_GENE = {text.casefold() for text in MISSING}


def read_annotation(path, columns=None):
    """DataFrame of text indexed by probe: 'symbol' and 'entrez' ('' where the file has none).

    Reads GEO's GPLnnn.annot.gz, a platform in GEO's SOFT format, or a tab- or comma-separated
    table with a heading, plain or gzip. columns: dict of 'probe', 'symbol', 'entrez' -> heading;
    what it does not name is looked for under the headings in HEADINGS, and the Entrez column may
    be missing. A probe of several genes keeps them all, each once, separated by '///'.

    Raises UserError where the table or its end is missing, no column holds probes or symbols, a
    row has another number of cells than the heading, an Entrez column that `columns` names holds
    other text than numbers, or a probe stands twice with different genes.
    """
    import pandas as pd

    with open_text(path) as stream:
        rows = _rows(stream, path)
        number, heading = next(rows)
        places = _places(heading, columns or {}, f"{path}:{number}")
        genes = {name: {} for name in ("symbol", "entrez")}
        for number, cells in rows:
            if len(cells) != len(heading):
                raise UserError(
                    f"{path}:{number}: {len(cells)} cells, but the heading has {len(heading)}"
                )
            probe = cells[places["probe"]]
            if not probe:
                raise UserError(f"{path}:{number}: the row names no probe")
            for name, found in genes.items():
                place = places[name]
                text = "" if place is None else _genes(cells[place], heading[place], name)
                if found.setdefault(probe, text) != text:
                    raise UserError(
                        f"{path}:{number}: the probe {probe!r} stands twice, with {name} "
                        f"{found[probe]!r} and {text!r}"
                    )
    table = pd.DataFrame(
        {name: list(found.values()) for name, found in genes.items()},
        index=pd.Index(list(genes["symbol"]), dtype=str, name="probe"),
        dtype=str,
    )
    if not (table["symbol"] != "").any():
        raise UserError(
            f"{path}: no probe has a symbol in column {heading[places['symbol']]!r}; "
            f"{_what_to_set(heading)}"
        )
    odd = table.index[~table["entrez"].str.fullmatch(r"([0-9]+(///[0-9]+)*)?")]
    if len(odd) and (columns or {}).get("entrez"):
        raise UserError(
            f"{path}: column {heading[places['entrez']]!r}, probe {odd[0]!r}: found "
            f"{table['entrez'][odd[0]]!r}, expected an Entrez gene (a number)"
        )
    if len(odd):  # headings such as 'Gene' hold Entrez genes on some platforms only
        table["entrez"] = ""
    return table


def _rows(stream, path):
    """(line number, cells) of the heading and of each row of the table."""
    lines = enumerate(stream, start=1)
    tagged, number, line = _heading(lines, path)
    separator = "\t" if tagged or "\t" in line else ","
    if separator not in line:
        raise UserError(
            f"{path}:{number}: found {line.strip()[:60]!r}, expected a heading with tab or comma "
            "between columns"
        )
    if tagged:
        lines = _until_end(lines, path)
    # In GEO's own tables, and in most others with tabs, a quote is part of a name.
    if not tagged and (separator == "," or '"' in line):
        reader = csv.reader(
            chain([line], (text for _, text in lines)), delimiter=separator, strict=True
        )
        rows = ((number + reader.line_num - 1, cells) for cells in reader)
    else:
        rows = (
            (n, text.removesuffix("\n").split(separator))
            for n, text in chain([(number, line)], lines)
            if text.strip()
        )
    try:
        yield from ((n, [cell.strip() for cell in cells]) for n, cells in rows if cells)
    except csv.Error as error:
        raise UserError(f"{path}:{number + reader.line_num - 1}: {error}") from None


def _heading(lines, path):
    """(whether GEO's tags enclose the table, line number, text) of the heading."""
    records = False
    for number, line in lines:
        if line.startswith(BEGIN):
            return True, *next(lines, (number, ""))
        if line.startswith(("^", "!")):
            records = True
        elif not records and line.strip() and not line.startswith("#"):
            return False, number, line
    raise UserError(f"{path}: no line {BEGIN}: not a platform annotation")


def _until_end(lines, path):
    for number, line in lines:
        if line.startswith(END):
            break
        yield number, line
    else:
        raise UserError(
            f"{path}: the line {END} is missing: the file is cut off; delete it and rerun"
        )
    for number, line in lines:
        if line.startswith(BEGIN):
            raise UserError(
                f"{path}:{number}: a second platform table; expected a file of one platform"
            )


def _places(heading, columns, place):
    """Name -> position of its column (None where there is no Entrez column)."""
    plain = [_plain(name) for name in heading]
    places = {}
    for name, known in HEADINGS.items():
        if wanted := columns.get(name):
            found = [i for i, text in enumerate(heading) if text == wanted.strip()]
            if not found:
                raise UserError(f"{place}: no column {wanted!r} ({name}); {_what_to_set(heading)}")
        else:
            tried = ([i for i, text in enumerate(plain) if text == _plain(k)] for k in known)
            found = next(filter(None, tried), [])
        if len(found) > 1:
            names = " and ".join(repr(heading[i]) for i in found)
            raise UserError(
                f"{place}: which column holds {name}? Found {names}; {_what_to_set(heading)}"
            )
        if not found and name != "entrez":
            raise UserError(f"{place}: no heading for {name} is known; {_what_to_set(heading)}")
        places[name] = found[0] if found else None
    return places


def _what_to_set(heading):
    names = some([name[:40] for name in heading], most=50)
    return (
        f"set source.annotation_columns (probe, symbol, entrez) to headings of the table: {names}"
    )


def _plain(heading):
    return re.sub(r"[\W_]", "", heading).lower()


def _genes(cell, heading, name):
    """The distinct genes of a cell, in order, joined by '///'."""
    if _plain(heading) == ASSIGNMENT:
        parts = (entry.split(" // ") for entry in cell.split(SEPARATOR))
        genes = [part[PART[name]] for part in parts if len(part) > PART[name]]
    else:
        genes = re.split(r"//+|[;|,]", cell)
    genes = (re.sub(r"^[\s/]+|[\s/]+$", "", gene) for gene in genes)
    return SEPARATOR.join(dict.fromkeys(g for g in genes if g.casefold() not in NO_GENE))

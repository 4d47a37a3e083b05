"""Read gene identifiers as data sets write them, and map the panel genes into them."""

import re
from collections import Counter
from datetime import date, timedelta

from .errors import UserError, some
from .files import read_rows

PATTERNS = {
    "Ensembl": re.compile(r"ENS([A-Z]{3})?G\d{11}(\.\d+)?(_PAR_Y)?"),
    "Entrez": re.compile(r"\d+(\.0)?"),
    "HGNC": re.compile(r"HGNC:\d+"),
}
MAPPING_COLUMNS = ("hgnc_id", "symbol", "data_id", "matched_by", "reason")
ORGANISMS = ("Homo sapiens", "Mus musculus")

# Blanks and quotes around a name; the same around a part of a composite name.
QUOTES = " \t\r\n\xa0\ufeff\"'`"
EDGES = QUOTES + "|_:;,/()[]"
ENSEMBL_INSIDE = re.compile(r"(?<![A-Za-z0-9])(ENS(?:[A-Z]{3})?G\d{11})(?:\.\d+)?(_PAR_Y)?(?!\d)")
# Words that annotation files and count programs put before an identifier; '_at' ends the probe
# sets of custom CDF files, which are named by a gene.
PREFIX = re.compile(r"^(gene[:-]|gene_?id:|entrez:|ensembl:|symbol:)", re.IGNORECASE)
TRANSCRIPT = re.compile(r"(ENS[A-Z]*T\d{11}|[NX][MR]_\d+)(\.\d+)?")
PAR_Y = "_PAR_Y"

MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_MONTH = "(?P<month>" + "|".join(MONTHS) + ")"
DATES = (
    re.compile(rf"(?P<day>\d\d?)[-. /]{_MONTH}([-. /]\d{{2,4}})?", re.IGNORECASE),
    re.compile(rf"{_MONTH}[-. /](?P<day>\d\d)", re.IGNORECASE),
    re.compile(r"\d{4}[-/](?P<number>\d\d)[-/](?P<day>\d\d)( 00:00(:00)?)?"),
    re.compile(r"\d\d?/\d\d?/\d{2,4}"),  # day or month first: not clear
)
# The days on which a spreadsheet stores these names as a number: 2000 to 2049.
SERIALS = range(36526, 54789)
# Names that a spreadsheet takes for a date.
DATE_LIKE = re.compile(rf"({'|'.join(MONTHS)}|MARCH|MARC|SEPT)-?\d\d?", re.IGNORECASE)
# The gene behind a date, where symbols in use when such files were made leave one only. MARCH1
# and MARC1, MARCH2 and MARC2 share a date; DEC1 has named DELEC1 and BHLHE40.
GENE_OF_DATE = {
    **{("Sep", day): f"SEPTIN{day}" for day in (*range(1, 13), 14)},
    ("Sep", 13): "SEPTIN7P2",
    ("Sep", 15): "SELENOF",
    **{("Mar", day): f"MARCHF{day}" for day in range(3, 12)},
}
# Numbers that a spreadsheet or R has shortened: the digits left out are gone.
SHORTENED = re.compile(r"\d(?P<digits>\.\d+)?[eE]\+(?P<power>\d+)")


def identifier_kind(ids):
    """'Ensembl', 'Entrez', 'HGNC' or 'symbol': what most of the identifiers are."""
    counts = Counter(
        next((kind for kind, form in PATTERNS.items() if form.fullmatch(name)), "symbol")
        for name in ids
    )
    return counts.most_common(1)[0][0] if counts else "symbol"


def read_name(name):
    """(identifier, name beside it) of a row name; the second is '' for a plain name.

    Takes off quotes, blanks, prefixes, Ensembl versions (not _PAR_Y, which is a copy of its own)
    and the '.0' that spreadsheets add to Entrez. Of a composite name the Ensembl id stays, else
    the Entrez id, else the HGNC id; a name with two different ids stays as it is.
    """
    name = name.strip(QUOTES)
    inside = list(ENSEMBL_INSIDE.finditer(name))
    if inside:
        found = {match[1] + (match[2] or "") for match in inside}
        if len(found) > 1:
            return name, ""
        return found.pop(), _beside([name[: inside[0].start()], name[inside[-1].end() :]])
    parts = [_bare(part) for part in name.split("|")]
    for kind in ("Entrez", "HGNC"):
        found = {part for part in parts if PATTERNS[kind].fullmatch(part)}
        if len(found) > 1:
            return name, ""
        if found:
            best = found.pop()
            others = [part for part in parts if part != best]
            return best.split(".")[0], _beside(others)
    return (parts[0], "") if len(parts) == 1 else (name, "")


def _bare(part):
    part = part.strip(QUOTES)
    part = PREFIX.sub("", part, count=1)
    number = part.removesuffix("_at")
    return number if PATTERNS["Entrez"].fullmatch(number) else part


def _beside(pieces):
    for piece in "|".join(pieces).split("|"):
        piece = _bare(piece.strip(EDGES))
        if piece and piece not in ("?", "at", "NA", "gene", "gene_id") and not piece.isdigit():
            return piece
    return ""


def names_beside(names):
    """Series identifier -> the name that stands beside it in the first such row of the data."""
    import pandas as pd

    pairs = dict(read_name(name) for name in reversed(list(names)))
    return pd.Series({key: label for key, label in pairs.items() if label}, dtype=str)


def spreadsheet_date(name, kind="symbol"):
    """('Sep', 9) for '9-Sep' and its like, ('', 0) for a date that is not clear, else None.

    A plain number is a date only in a table whose identifiers are symbols.
    """
    if kind == "symbol" and name.isdecimal() and int(name) in SERIALS:
        day = date(1899, 12, 30) + timedelta(days=int(name))
        return MONTHS[day.month - 1], day.day
    for form in DATES:
        match = form.fullmatch(name)
        if match:
            found = match.groupdict()
            if "number" in found and 1 <= int(found["number"]) <= 12:
                return MONTHS[int(found["number"]) - 1], int(found["day"])
            return (found.get("month") or "").capitalize(), int(found.get("day") or 0)
    return None


def undo_spreadsheet(names):
    """({name: symbol} that can be repaired, set of names that cannot) among the names.

    A date is repaired where one gene alone can be meant, its date stands once among the names,
    and the gene has no row of its own. A shortened number is lost unless all digits are there.
    """
    names = list(names)
    kind = identifier_kind(names)
    dates = {name: spreadsheet_date(name, kind) for name in set(names)}
    dates = {name: day for name, day in dates.items() if day}
    often = Counter(dates[name] for name in names if name in dates)
    present = {name.upper() for name in names}
    mouse = _looks_like_mouse(names)
    repaired, lost = {}, set()
    for name, day in dates.items():
        gene = GENE_OF_DATE.get(day, "")
        old = gene.replace("SEPTIN", "SEPT").replace("MARCHF", "MARCH")
        if gene and often[day] == 1 and not {gene, old} & present:
            repaired[name] = gene.capitalize() if mouse else gene
        else:
            lost.add(name)
    for name in set(names):
        match = SHORTENED.fullmatch(name)
        if match:
            digits = len(match["digits"] or ".") - 1
            if kind == "Entrez" and digits >= int(match["power"]):
                repaired[name] = str(int(float(name)))
            else:
                lost.add(name)
    return repaired, lost


def _looks_like_mouse(names):
    words = [name for name in names if name[:1].isalpha() and not name.startswith("ENS")]
    return sum(name != name.upper() for name in words) > len(words) / 2


def map_panel(genes, ambiguous, organism, var, former=()):
    """One row a panel gene: the data's identifier for it, or why there is none.

    genes: the panel's gene table; ambiguous: set of (synonym, hgnc_id) that must not be used;
    organism: 'Homo sapiens' or 'Mus musculus'; var: the data's genes, a DataFrame indexed by
    identifier (unique text), with a column 'entrez' where the data carry both (arrays) and a
    column 'label' where a name stands beside the identifier ('' where none); former: tuples
    (former id, organism, hgnc_id).

    Order: the data's kind of id, then approved symbol, then a previous or alias symbol that no
    other gene shares, then the same among the labels. Mouse goes by one-to-one orthologue
    (CHRNA7 by hand, see `_mouse`). Case counts: Adrb2 is not ADRB2. Two panel genes never share
    one row of the data: the later, weaker match is dropped. 'reason' also names a label that
    belongs to another panel gene.
    Raises UserError when no panel gene is found, or far more of them under the identifiers of
    the other organism.
    """
    import pandas as pd

    ids = list(var.index)
    kind = identifier_kind(ids)
    records = _records(genes, ambiguous, former)
    search = _search(var)
    found, reasons = _find(records, organism, kind, search)
    _check_organism(records, organism, kind, search, found)
    if not found:
        hint = ""
        if sum(bool(TRANSCRIPT.fullmatch(name)) for name in ids) > len(ids) / 2:
            hint = "these are transcripts, name a file with one row a gene; or "
        raise UserError(
            f"none of the {len(genes)} panel genes is among the {len(ids)} gene identifiers "
            f"of the data (taken for {kind}; for example {some(ids, 5)}); {hint}check organism "
            f"({organism}) in study.yaml and which file source.file names"
        )
    rows = []
    for gene in records:
        how, name = found.get(gene["hgnc_id"], ("", ""))
        reason = reasons.get(gene["hgnc_id"], "")
        rows.append((gene["hgnc_id"], gene["symbol"], name, how, reason))
    table = _one_gene_a_row(pd.DataFrame(rows, columns=list(MAPPING_COLUMNS), dtype=str))
    return _compare_labels(table, records, organism, search)


def _records(genes, ambiguous, former):
    """The gene table as dicts, with 'synonyms' [(how, name)] that may be used, 'shared' names

    that may not, and 'former' {organism: [ids]}.
    """
    former_of = {}
    for name, organism, hgnc_id in former:
        former_of.setdefault((organism, hgnc_id), []).append(name)
    records = genes.to_dict("records")
    for gene in records:
        names = [
            (f"{label} symbol", name)
            for label, column in (("previous", "previous_symbols"), ("alias", "alias_symbols"))
            for name in gene[column].split("|")
            if name
        ]
        gene["shared"] = [name for _, name in names if (name, gene["hgnc_id"]) in ambiguous]
        gene["synonyms"] = [pair for pair in names if pair[1] not in gene["shared"]]
        gene["former"] = {o: sorted(former_of.get((o, gene["hgnc_id"]), [])) for o in ORGANISMS}
    return records


def _search(var):
    """The data's rows: as a set, by Entrez id, label by row, row by label, row by small letters."""
    by_label = _unique(var, "label")
    return {
        "ids": set(var.index),
        "entrez": _unique(var, "entrez"),
        "label_of": dict(var["label"].astype(str)) if "label" in var else {},
        "label": by_label,
        "small": {name.lower(): name for name in [*by_label, *var.index]},
    }


def _unique(var, column):
    """Value of the column -> data identifier, for values that stand on one row only."""
    if column not in var:
        return {}
    values = var[column].astype(str)
    values = values[(values != "") & ~values.duplicated(keep=False)]
    return {value: name for name, value in values.items()}


def _find(records, organism, kind, search):
    """({hgnc_id: (how, data identifier)}, {hgnc_id: why not}) of the panel genes."""
    found, reasons = {}, {}
    for gene in records:
        ids, number, symbols, reason = _names(gene, organism)
        hits = [(how, name) for how, name in ids if name in search["ids"]]
        # Among symbols a row named by a number is no Entrez id: it may be a date.
        if kind == "Entrez" and number in search["ids"]:
            hits.append(("Entrez id", number))
        if number in search["entrez"]:
            hits.append(("Entrez id", search["entrez"][number]))
        hits += [(how, name) for how, name in symbols if name in search["ids"]]
        hits += [
            (f"{how} beside the id", search["label"][name])
            for how, name in symbols
            if name in search["label"]
        ]
        best = sorted({name for how, name in hits if how == hits[0][0]})
        if len(best) == 1:
            found[gene["hgnc_id"]] = hits[0]
        elif best:
            reasons[gene["hgnc_id"]] = f"several rows could be meant: {', '.join(best)}"
        else:
            reasons[gene["hgnc_id"]] = reason or _why_not(gene, symbols[0][1], kind, search)
    return found, reasons


def _names(gene, organism):
    """Names under which data may hold the gene: [(how, id)], Entrez id, [(how, symbol)], and why

    there are none.
    """
    old = gene["former"].get(organism, [])
    if organism == "Mus musculus":
        mouse, reason = _mouse(gene)
        if mouse is None:
            return [], "", [], reason
        ensembl, number, symbol = mouse
        ids = [("Ensembl id", ensembl)]
        symbols = [("mouse orthologue symbol", symbol)]
        symbols += [("former mouse symbol", name) for name in old]
    else:
        number = gene["entrez_id"]
        # A former Ensembl id goes first: where annotations of GRCh37 have both, the present id
        # stands for a patch of the assembly, to which hardly a read maps.
        ids = [("former Ensembl id", name) for name in old]
        ids += [("Ensembl id", gene["ensembl_gene_id"]), ("HGNC id", gene["hgnc_id"])]
        symbols = [("approved symbol", gene["symbol"]), *gene["synonyms"]]
    if number:  # NCBI's name for a gene that has no symbol yet
        symbols.append(("LOC symbol", f"LOC{number}"))
    return ids, number, symbols, ""


def _why_not(gene, symbol, kind, search):
    names = "symbol or its synonyms" if kind == "symbol" else f"{kind} id or symbols"
    reason = f"no row under its {names}"
    shared = [name for name in gene["shared"] if name in search["ids"]]
    if shared:
        return f"{reason}; {some(shared)} may mean another gene and is not used"
    if symbol.lower() in search["small"]:
        return f"{reason}; {search['small'][symbol.lower()]} differs in case and is not used"
    names = [gene["symbol"], *gene["shared"], *(name for _, name in gene["synonyms"])]
    dates = [name for name in names if DATE_LIKE.fullmatch(name)]
    if dates and kind == "symbol":
        return f"{reason}; a spreadsheet turns its name {some(dates)} into a date"
    return reason


def _check_organism(records, organism, kind, search, found):
    other = next(name for name in ORGANISMS if name != organism)
    elsewhere, _ = _find(records, other, kind, search)
    if len(elsewhere) > 2 * len(found):
        examples = some([name for _, name in elsewhere.values()][:3])
        raise UserError(
            f"the gene identifiers look like {other}, but organism in study.yaml is {organism}: "
            f"{len(elsewhere)} of {len(records)} panel genes stand under their {other} names (for "
            f"example {examples}), {len(found)} under those of {organism}; correct organism, or "
            "name a file with the identifiers of this organism (names that differ in case only "
            "are never matched)"
        )


def _mouse(gene):
    """(Ensembl id, Entrez id, symbol) of the orthologue, or (None, reason)."""
    if not gene["mouse_symbol"]:
        return None, "no mouse orthologue"
    # CHRFAM7A is a human fusion gene that the orthologue tables pair with Chrna7; only CHRNA7
    # itself may stand for it, otherwise its -1 would cancel the +1 (see the panels' notes).
    by_hand = gene["symbol"] == "CHRNA7"
    if gene["ortholog_cardinality"] != "one2one" and not by_hand:
        return None, f"no one-to-one mouse orthologue ({gene['mouse_symbol'].replace('|', ', ')})"
    columns = ("mouse_ensembl_gene_id", "mouse_entrez_id", "mouse_symbol")
    return tuple(gene[column] for column in columns), ""


_STRENGTH = (
    "former Ensembl id",
    "Ensembl id",
    "Entrez id",
    "HGNC id",
    "approved symbol",
    "mouse orthologue symbol",
)


def _one_gene_a_row(table):
    rank = table["matched_by"].map(
        lambda how: _STRENGTH.index(how) if how in _STRENGTH else len(_STRENGTH)
    )
    order = rank.sort_values(kind="stable").index
    taken = {}
    for index in order:
        name = table.at[index, "data_id"]
        if not name:
            continue
        if name in taken:
            table.loc[index, ["data_id", "matched_by"]] = ""
            table.at[index, "reason"] = f"its row {name} belongs to {taken[name]}"
        else:
            taken[name] = table.at[index, "symbol"]
    return table


def _compare_labels(table, records, organism, search):
    """Say in 'reason' where the name beside a gene's id is that of another panel gene."""
    owner = {}
    for gene in records:
        for _, name in _names(gene, organism)[2]:
            owner.setdefault(name, gene["symbol"])
    owner |= {gene["symbol"]: gene["symbol"] for gene in records}
    for index, row in table[table["data_id"] != ""].iterrows():
        label = search["label_of"].get(row["data_id"], "")
        if row["matched_by"] == "Entrez id" and not label:
            label = row["data_id"]  # on arrays the row itself is a symbol
        if owner.get(label, row["symbol"]) != row["symbol"]:
            table.at[index, "reason"] = (
                f"the symbol beside the id disagrees: {label} is {owner[label]}"
            )
    return table


def globin_ids(members, genes, organism, ids):
    """Identifiers of the data's globin genes (conf_globins), to be kept out of library sizes."""
    return set_ids("conf_globins", members, genes, organism, ids)


def set_ids(set_id, members, genes, organism, ids):
    """Identifiers of the data's genes of a panel set that need no mapping rules, in their order.

    Takes every listed mouse orthologue, one-to-one or not: where genes are only set aside, a gene
    too many does no harm.
    """
    wanted = set(members.loc[members["set_id"] == set_id, "hgnc_id"])
    columns = ("entrez_id", "ensembl_gene_id", "symbol", "hgnc_id")
    if organism == "Mus musculus":
        columns = ("mouse_entrez_id", "mouse_ensembl_gene_id", "mouse_symbol")
    rows = genes[genes["hgnc_id"].isin(wanted)]
    names = {name for column in columns for cell in rows[column] for name in cell.split("|")}
    return [name for name in ids if name in names]


def read_synonyms(ambiguous_file, former_file):
    """(ambiguous, former) as `map_panel` takes them, from the panel's two tables."""
    ambiguous = {(row["synonym"], row["hgnc_id"]) for row in read_rows(ambiguous_file)}
    former = {(row["former_id"], row["organism"], row["hgnc_id"]) for row in read_rows(former_file)}
    return ambiguous, former

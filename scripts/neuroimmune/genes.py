"""Map the panel genes into the identifiers that a data set uses; the data keep their own."""

import re
from collections import Counter

from .errors import UserError

PATTERNS = {
    "Ensembl": re.compile(r"ENS(MUS)?G\d{11}(\.\d+)?"),
    "Entrez": re.compile(r"\d+(\.0)?"),
}
MAPPING_COLUMNS = ("hgnc_id", "symbol", "data_id", "matched_by", "reason")


def identifier_kind(ids):
    """'Ensembl', 'Entrez' or 'symbol': what most of the identifiers are."""
    counts = Counter(
        next((kind for kind, form in PATTERNS.items() if form.fullmatch(name)), "symbol")
        for name in ids
    )
    return counts.most_common(1)[0][0] if counts else "symbol"


def plain_id(name):
    """The identifier without an Ensembl version or the '.0' that spreadsheets add to Entrez."""
    if PATTERNS["Ensembl"].fullmatch(name) or PATTERNS["Entrez"].fullmatch(name):
        return name.split(".")[0]
    return name


def map_panel(genes, ambiguous, organism, var):
    """One row a panel gene: the data's identifier for it, or why there is none.

    genes: the panel's gene table; ambiguous: set of (synonym, hgnc_id) that must not be used;
    organism: 'Homo sapiens' or 'Mus musculus'; var: the data's genes, a DataFrame indexed by
    identifier (unique text), with a column 'entrez' where the data carry both (arrays).

    Order: the data's kind of id, then approved symbol, then a previous or alias symbol that no
    other gene shares. Mouse goes by one-to-one orthologue (CHRNA7 by hand, see `_mouse`).
    Two panel genes never share one row of the data: the later, weaker match is dropped.
    Raises UserError when no panel gene is found at all.
    """
    import pandas as pd

    ids = list(var.index)
    present = set(ids)
    entrez = _by_entrez(var)
    kind = identifier_kind(ids)
    records = []
    for gene in genes.to_dict("records"):
        candidates, reason = _candidates(gene, kind, organism, ambiguous, entrez)
        hits = [(how, name) for how, name in candidates if name in present]
        best = hits[0] if hits else ("", "")
        if len({name for how, name in hits if how == best[0]}) > 1:
            names = ", ".join(sorted({name for how, name in hits if how == best[0]}))
            best, reason = ("", ""), f"several rows could be meant: {names}"
        records.append(
            {
                "hgnc_id": gene["hgnc_id"],
                "symbol": gene["symbol"],
                "data_id": best[1],
                "matched_by": best[0],
                "reason": "" if best[1] else reason or f"no row under its {kind} id or symbols",
            }
        )
    table = pd.DataFrame(records, columns=list(MAPPING_COLUMNS), dtype=str)
    if not (table["data_id"] != "").any():
        shown = ", ".join(ids[:5])
        raise UserError(
            f"none of the {len(table)} panel genes is among the {len(present)} gene identifiers "
            f"of the data (taken for {kind}; for example {shown}); check organism "
            f"({organism}) in study.yaml and which file source.file names"
        )
    return _one_gene_a_row(table)


def _by_entrez(var):
    """Entrez id -> data identifier, for ids that stand on one row only."""
    if "entrez" not in var:
        return {}
    column = var["entrez"].astype(str)
    column = column[~column.duplicated(keep=False)]
    return {number: name for name, number in column.items()}


def _candidates(gene, kind, organism, ambiguous, entrez):
    if organism == "Mus musculus":
        mouse, reason = _mouse(gene)
        if mouse is None:
            return [], reason
        ensembl, number, symbol = mouse
        synonyms = []
        how = "mouse orthologue"
    else:
        reason = ""
        ensembl, number, symbol = gene["ensembl_gene_id"], gene["entrez_id"], gene["symbol"]
        synonyms = [
            (label, name)
            for label, column in (("previous", "previous_symbols"), ("alias", "alias_symbols"))
            for name in gene[column].split("|")
            if name and (name, gene["hgnc_id"]) not in ambiguous
        ]
        how = "approved"
    found = []
    if kind == "Ensembl":
        found.append(("Ensembl id", ensembl))
    if kind == "Entrez":
        found.append(("Entrez id", number))
    if number in entrez:
        found.append(("Entrez id", entrez[number]))
    found.append((f"{how} symbol", symbol))
    found += [(f"{label} symbol", name) for label, name in synonyms]
    return [(label, name) for label, name in found if name], reason


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


_STRENGTH = ("Ensembl id", "Entrez id", "approved symbol", "mouse orthologue symbol")


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


def globin_ids(members, genes, organism, ids):
    """Identifiers of the data's globin genes (set conf_globins), to be kept out of library sizes.

    Takes every listed mouse orthologue, one-to-one or not: here a gene too many does no harm.
    """
    wanted = set(members.loc[members["set_id"] == "conf_globins", "hgnc_id"])
    columns = ("entrez_id", "ensembl_gene_id", "symbol")
    if organism == "Mus musculus":
        columns = tuple(f"mouse_{column}" for column in columns)
    rows = genes[genes["hgnc_id"].isin(wanted)]
    names = {name for column in columns for cell in rows[column] for name in cell.split("|")}
    return [name for name in ids if name in names]

"""The neuroimmune gene-set panels: read, check, join."""

from pathlib import Path

from .errors import UserError
from .files import read_rows
from .validation import check_rows


def read_panels(sets_file, members_file, genes_file, families, schemas):
    """Read and check the three panel tables against their schemas and each other.

    Returns (sets, members, genes) as DataFrames of text; `sets` carries 'family', `members` an
    integer 'direction' of 1 or -1. `families` maps a family name to its axes.
    Raises UserError with file and line for every problem: a row against its schema, a set or
    gene that another table lacks, a gene twice in a set, a size that does not match, an axis
    without a family, a family's axis without a set.
    """
    import pandas as pd

    schemas = Path(schemas)
    sets, members, genes = (read_rows(path) for path in (sets_file, members_file, genes_file))
    problems = check_rows(sets, schemas / "panel_sets.schema.yaml", sets_file)
    problems += check_rows(members, schemas / "panel_members.schema.yaml", members_file)
    problems += check_rows(genes, schemas / "panel_genes.schema.yaml", genes_file)
    if problems:
        raise UserError(*problems)
    problems += _repeats(sets, ("set_id",), sets_file)
    problems += _repeats(members, ("set_id", "hgnc_id"), members_file)
    problems += _repeats(genes, ("hgnc_id",), genes_file)
    problems += _references(sets, members, genes, sets_file, members_file)
    problems += _families(sets, families, sets_file)
    if problems:
        raise UserError(*problems)
    family_of = {axis: family for family, axes in families.items() for axis in axes}
    sets, members, genes = (pd.DataFrame(rows, dtype=str) for rows in (sets, members, genes))
    sets["family"] = sets["axis"].map(family_of)
    members["direction"] = members["direction"].astype(int)
    return sets, members, genes


def _repeats(rows, columns, path):
    first, problems = {}, []
    for number, row in enumerate(rows, start=2):
        key = tuple(row[column] for column in columns)
        if key in first:
            problems.append(
                f"{path}:{number}: {' '.join(key)} stands already in line {first[key]}; keep one"
            )
        first.setdefault(key, number)
    return problems


def _references(sets, members, genes, sets_file, members_file):
    by_set = {row["set_id"]: row for row in sets}
    by_gene = {row["hgnc_id"]: row for row in genes}
    problems, size = [], dict.fromkeys(by_set, 0)
    for number, row in enumerate(members, start=2):
        if row["set_id"] not in by_set:
            problems.append(f"{members_file}:{number}: set {row['set_id']} is not in {sets_file}")
            continue
        size[row["set_id"]] += 1
        if row["axis"] != by_set[row["set_id"]]["axis"]:
            problems.append(
                f"{members_file}:{number}: axis {row['axis']!r}, but {sets_file} puts "
                f"{row['set_id']} under {by_set[row['set_id']]['axis']!r}"
            )
        gene = by_gene.get(row["hgnc_id"])
        if gene is None or gene["symbol"] != row["gene_symbol"]:
            problems.append(
                f"{members_file}:{number}: {row['gene_symbol']} ({row['hgnc_id']}) is not in the "
                "gene table under that id and symbol"
            )
    for number, row in enumerate(sets, start=2):
        if size[row["set_id"]] != int(row["n_genes"]):
            problems.append(
                f"{sets_file}:{number}: n_genes is {row['n_genes']}, but {members_file} has "
                f"{size[row['set_id']]} rows of {row['set_id']}"
            )
    return problems


def _families(sets, families, path):
    axes = {row["axis"]: number for number, row in reversed(list(enumerate(sets, start=2)))}
    listed = [axis for members in families.values() for axis in members]
    problems = [
        f"{path}:{number}: axis {axis!r} is in no family; add it to panels.families in the config"
        for axis, number in sorted(axes.items())
        if axis not in listed
    ]
    for axis in sorted(set(listed)):
        if axis not in axes:
            problems.append(f"config: panels.families: no set in {path} has the axis {axis!r}")
        elif listed.count(axis) > 1:
            problems.append(f"config: panels.families: the axis {axis!r} stands in two families")
    return problems


def members_in_data(members, mapping):
    """The set members that the data hold, with 'data_id', the data's identifier of the gene.

    members: the panel's members; mapping: as from `genes.map_panel`.
    """
    data_id = mapping.set_index("hgnc_id")["data_id"]
    members = members.assign(data_id=members["hgnc_id"].map(data_id))
    return members[members["data_id"] != ""]

"""Reading the result tables that the report shows."""

from pathlib import Path

from ..contrast import SET_TEXT
from ..files import read_json, read_table
from ..validation import read_yaml

VERDICT_TEXT = {*SET_TEXT, "gate", "verdict", "detail", "reason"}
CONCORDANCE_TEXT = {
    "study",
    "contrast",
    "stratum",
    "set_id",
    "depends_on_scorer",
    "leading_gene",
    "carried_by_one_gene",
}
META_TEXT = {
    *("comparison", "tissue_class", "stratum", "organism", "simulated", "adjustment", "set_id"),
    *("axis", "family", "studies", "pooled", "ci_method", "finding", "sentence"),
}
CLAIM_TEXT = {
    *("claim_id", "axis", "claim", "source", "questions", "tissue_classes", "simulated", "set_id"),
    *("expected", "studies", "pooled", "finding", "sentence", "settle", "untreated"),
}
CONTROL_TEXT = {
    *("control", "study", "contrast", "stratum", "tissue_class", "sets", "outcome", "sentence"),
}
COUPLING_TEXT = {
    *("study", "stratum", "label", "kind", "x", "y", "adjustment", "given", "status", "exact"),
}
MIX_TEXT = {"study", "contrast", "fraction", "cell_type", "status"}
# Tables of a study with single cells: name -> (file, columns of text).
CELL_TABLES = {
    "steps": ("cell_steps.tsv", {"sample", "step", "unit", "reason", "examples"}),
    "umap": (
        "cells_umap.tsv.gz",
        {"cell", "sample", "subject", "group", "cell_type", "cluster"},
    ),
    "map": ("receptor_map.tsv", {"set_id", "hgnc_id", "symbol", "data_id", "cell_type"}),
}
# Tables of one contrast: name -> the columns that hold text.
CONTRAST_TABLES = {
    "genes": {"stratum", "data_id", "symbol"},
    "adjusted": {"study", "contrast", "stratum", "set_id", "adjustment", "status", "covariate"},
    "concordance": CONCORDANCE_TEXT,
    "leave_one_out": {"study", "contrast", "stratum", "set_id", "data_id"},
    "subjects": {"stratum", "symbol", "subject", "group"},
}


def read_shared(inputs):
    """What every page needs: verdicts, panels, config, manifests, and the synthesis."""
    config = read_yaml(inputs.run_config)
    return {
        "verdicts": with_numbers(read_table(inputs.verdicts), VERDICT_TEXT),
        "sets": read_table(inputs.sets).to_dict("records"),
        "families": list(config["panels"]["families"]),
        "members": rows_by_set(
            read_table(inputs.members, ["direction"]).sort_values(["set_id", "gene_symbol"])
        ),
        "shared": read_table(find(inputs.tables, "synthesis", "shared_samples.tsv")),
        "controls": with_numbers(
            read_table(find(inputs.tables, "synthesis", "controls.tsv")),
            CONTROL_TEXT,
        ),
        "evidence": with_numbers(
            read_table(find(inputs.tables, "synthesis", "evidence.tsv")), CLAIM_TEXT
        ),
        "evidence_sets": with_numbers(
            read_table(find(inputs.tables, "synthesis", "evidence_sets.tsv")), CLAIM_TEXT
        ),
        "meta": rows_by_set(
            with_numbers(read_table(find(inputs.tables, "synthesis", "meta.tsv")), META_TEXT)
        ),
        "config": config,
        "manifests": {
            (Path(path).parent.name, Path(path).name.removesuffix(".json")): read_json(path)
            for path in inputs.manifests
        },
    }


def read_study(paths, name, record):
    """The tables of one study: dict of DataFrames, 'profiles' (dict), 'cells' (see `read_cells`;

    None for bulk data), and 'contrasts', a list of dicts with 'designs' (list) and the DataFrames
    of `CONTRAST_TABLES`.
    """
    return {
        "samples": read_table(find(paths, name, "samples.tsv")),
        "attrition": read_table(find(paths, name, "attrition.tsv"), ["left_out"]),
        "profiles": read_json(find(paths, name, "profiles.json")),
        "mapping": read_table(find(paths, name, "panel_mapping.tsv")),
        "detectability": with_numbers(
            read_table(find(paths, name, "detectability.tsv")),
            {"stratum", "hgnc_id", "symbol", "data_id", "measurable", "group"},
        ),
        "rules": read_table(find(paths, name, "detection_rules.tsv"), ["measurable_controls"]),
        "scores": read_table(find(paths, name, "scores.tsv"), ["score"]),
        "checks": read_table(find(paths, name, "checks.tsv")),
        "pca": read_table(find(paths, name, "checks_pca.tsv"), ["pc1", "pc2", "share1", "share2"]),
        "coupling": with_numbers(read_table(find(paths, name, "coupling.tsv")), COUPLING_TEXT),
        "cells": read_cells(paths, name, record["contrasts"])
        if record["assay"] == "scrnaseq"
        else None,
        "contrasts": [
            {
                "designs": read_json(find(paths, name, "contrasts", f"{contrast}.design.json")),
                **{
                    table: with_numbers(
                        read_table(find(paths, name, "contrasts", f"{contrast}.{table}.tsv")), text
                    )
                    for table, text in CONTRAST_TABLES.items()
                },
            }
            for contrast in record["contrasts"]
        ],
    }


def read_cells(paths, name, contrasts):
    """DataFrames 'steps', 'umap' and 'map' of a study with single cells, and 'mix': the

    differences in cell mix, of all its contrasts.
    """
    import pandas as pd

    tables = {
        table: with_numbers(read_table(find(paths, name, file)), text)
        for table, (file, text) in CELL_TABLES.items()
    }
    mixes = [
        with_numbers(
            read_table(find(paths, name, "contrasts", f"{contrast}.cell_mix.tsv")), MIX_TEXT
        )
        for contrast in contrasts
    ]
    return {**tables, "mix": pd.concat(mixes, ignore_index=True)}


def find(paths, *ending):
    """The path that ends in these parts."""
    return next(path for path in paths if Path(path).parts[-len(ending) :] == ending)


def with_numbers(table, text):
    """The table with every column but the text ones as floats."""
    for column in table.columns:
        if column not in text:
            table[column] = table[column].where(table[column] != "").astype(float)
    return table


def rows_by_set(table):
    """Set id -> the table's rows as dicts."""
    found = {}
    for row in records(table):
        found.setdefault(row["set_id"], []).append(row)
    return found


def records(table):
    return table.to_dict("records")

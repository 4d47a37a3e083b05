"""Pseudobulk against a plain loop; fractions, pools and small profiles; the form of profiles."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from neuroimmune.errors import UserError
from neuroimmune.expression import cells, profiles, pseudobulk

NAMES = [f"G{n}" for n in range(120)] + ["HBB"]
SETTINGS = {"min_cells": 5, "min_subjects": 2}
CONTRASTS = {"c": {"case": "aiha", "reference": "healthy"}}
SAMPLES = pd.DataFrame(
    {
        "sample": ["S1", "S2", "S3", "S4", "S5"],
        "title": [f"title {n}" for n in range(5)],
        "include": "yes",
        "subject": ["P1", "P2", "H1", "H2", "H2"],
        "group": ["aiha", "aiha", "healthy", "healthy", "healthy"],
        "phase": "",
        "treatment": ["glucocorticoid", "none", "none", "none", "none"],
        "dose": [""] * 5,
        "tissue": "marrow",
        "batch": "",
        "sex": "female",
        "age": "",
        "fraction": ["whole", "whole", "whole", "pos", "neg"],
        "files": "",
        "geo_description": "",
        "geo_supplementary": "",
    }
)
# Cells of each type in each sample.
NUMBERS = {
    "S1": {"A": 9, "B": 7, "unassigned": 2},
    "S2": {"A": 8, "B": 6},
    "S3": {"A": 10, "B": 3},
    "S4": {"A": 6, "B": 2},
    "S5": {"A": 4, "B": 9},
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cells")
    rng = np.random.default_rng(2)
    rate = rng.lognormal(1, 1, len(NAMES))
    files, parts, dense = {}, [], []
    for sample, numbers in NUMBERS.items():
        kinds = rng.permutation([kind for kind, n in numbers.items() for _ in range(n)])
        counts = rng.poisson(rate, (len(kinds), len(NAMES)))
        order = rng.permutation(len(NAMES))
        names = pd.Index([f"{sample}:C{n}" for n in range(len(kinds))])
        var = pd.DataFrame({"label": "", "mean": 1.0}, index=np.array(NAMES)[order])
        data = anndata.AnnData(
            sparse.csr_matrix(counts[:, order]), obs=pd.DataFrame(index=names), var=var
        )
        data.uns["only_detected"] = False
        files[sample] = folder / f"{sample}.h5ad"
        cells.write_cells(files[sample], data)
        parts.append(pd.DataFrame({"sample": sample, "cell_type": kinds}, index=names))
        dense.append(counts)
    return files, pd.concat(parts), np.vstack(dense)


def build(study, obs=None, apart=False, **changes):
    files, own, _ = study
    return pseudobulk.from_cells(
        own if obs is None else obs,
        files,
        [],
        SAMPLES,
        CONTRASTS,
        SETTINGS | changes,
        lambda ids: [name for name in ids if name == "HBB"],
        apart,
    )


def test_sums_equal_a_plain_loop(study, monkeypatch):
    _, obs, counts = study
    monkeypatch.setattr(pseudobulk, "blocks", lambda path: cells.blocks(path, rows=4))
    data, _, _, _ = build(study)
    own = dict(zip(SAMPLES["sample"], SAMPLES["subject"], strict=True))
    subjects = obs["sample"].map(own).to_numpy()
    for name, row in data.obs.iterrows():
        chosen = subjects == row["subject"]
        if row["stratum"] != "all":
            chosen &= (obs["cell_type"] == row["stratum"]).to_numpy()
        wanted = np.zeros(len(NAMES))
        for cell in np.flatnonzero(chosen):
            wanted += counts[cell]
        found = data[name, NAMES].layers["counts"].ravel()
        np.testing.assert_array_equal(found, wanted)
        assert row["n_cells"] == chosen.sum() and row["library_size"] == wanted.sum()
        assert row["globin_fraction"] == pytest.approx(wanted[-1] / wanted.sum())


def test_fractions_of_a_donor_are_merged(study):
    data, attrition, summary, mix = build(study, min_subjects=1)
    assert data.obs["stratum"].to_list() == ["all"] * 4 + ["A"] * 4 + ["B"] * 3
    assert list(data.obs_names[:4]) == ["S1", "S2", "S3", "S4+S5"]
    row = data.obs.loc["S4+S5:B"]
    assert (row["subject"], row["fraction"], row["samples"]) == ("H2", "neg+pos", "S4+S5")
    # H1 has three B cells only.
    [few] = attrition[attrition["step"] == "profiles of few cells"].to_dict("records")
    assert few["left_out"] == 1 and few["examples"] == "S3"
    assert few["reason"] == "B: fewer than 5 cells (together 3)"
    assert summary["counts"].startswith("pseudobulk of 66 cells, integer counts")
    both = mix[(mix["profile"] == "S4+S5") & (mix["cell_type"] == "B")].iloc[0]
    assert both["n_cells"] == 11 and both["share"] == pytest.approx(11 / 21)
    assert mix.groupby("profile")["share"].sum().to_numpy() == pytest.approx(1)


def test_a_type_in_too_few_subjects_is_left_out_and_counted(study):
    data, attrition, _, _ = build(study, min_cells=7)
    assert set(data.obs["stratum"]) == {"all", "A"}
    row = attrition[attrition["step"] == "cell types in few subjects"].iloc[0]
    assert row["left_out"] == 2
    assert row["reason"] == (
        "B: no contrast has 2 subjects with 7 cells in each group (1 in aiha, 1 in healthy)"
    )


def test_fractions_apart_are_strata_of_their_own(study):
    data, _, _, _ = build(study, apart=True, min_subjects=1, min_cells=3)
    strata = set(data.obs["stratum"])
    assert {"all in whole", "all in pos", "all in neg", "A in whole", "B in whole"} <= strata
    assert data.obs.loc["S5", "stratum"] == "all in neg"
    assert data.obs.loc["S5", "n_cells"] == 13


def test_the_form_is_that_of_bulk_counts(study):
    """The same counts as a bulk table give the same profiles."""
    data, _, summary, _ = build(study)
    whole = data[(data.obs["stratum"] == "all").to_numpy()]
    table = pd.DataFrame(
        whole.layers["counts"].T, index=whole.var_names, columns=["S1", "S2", "S3", "S4"]
    )
    samples = SAMPLES[SAMPLES["sample"] != "S5"]
    bulk, _, bulk_summary = profiles.from_counts(
        samples, table, [], "counts.tsv", lambda ids: ["HBB"]
    )
    np.testing.assert_allclose(whole.X, bulk.X)
    for column in ("library_size", "effective_library_size", "globin_fraction"):
        np.testing.assert_allclose(whole.obs[column], bulk.obs[column])
    assert set(bulk.obs) <= set(data.obs) and set(bulk_summary) == set(summary)
    assert list(bulk.var) == list(data.var) and set(bulk.uns) == set(data.uns)
    assert list(whole.obsm["cell_numbers"].sum(axis=1)) == list(whole.obs["n_cells"])
    for kind in set(data.obs["cell_type"]) - {"all"}:
        rows = data[(data.obs["cell_type"] == kind).to_numpy()]
        assert list(rows.obsm["cell_numbers"][kind]) == list(rows.obs["n_cells"])


def test_pools_are_taken_apart_by_the_table_of_cells(study):
    files, own, counts = study
    obs = own.assign(subject=["X" if n % 2 else "Y" for n in range(len(own))])
    data, _, _, mix = build(study, obs, min_subjects=1)
    assert {"S1:X", "S1:Y", "S1+S2:X", "S3+S4+S5:Y"} & set(data.obs["samples"]) == set()
    assert {"S1+S2:X", "S1+S2:Y", "S3+S4+S5:X", "S3+S4+S5:Y"} <= set(data.obs_names)
    chosen = ((obs["subject"] == "X") & obs["sample"].isin(["S1", "S2"])).to_numpy()
    np.testing.assert_array_equal(
        data["S1+S2:X", NAMES].layers["counts"].ravel(), counts[chosen].sum(axis=0)
    )


def test_other_cells_than_those_merged_stop_the_run(study):
    _, own, _ = study
    with pytest.raises(UserError, match="holds other cells"):
        build(study, own.iloc[::-1])
    with pytest.raises(UserError, match="no subject has 500 cells; the most is 2"):
        build(study, min_cells=500)


def test_lost_cells_are_one_row_a_step():
    steps = pd.DataFrame(
        {
            "sample": ["S1", "S1", "S2", "S2", ""],
            "step": ["read", "empty", "read", "empty", "types"],
            "unit": ["cell", "cell", "cell", "cell", "cell type"],
            "left_out": [0, 3, 0, 4, 1],
            "reason": ["", "few", "", "few", "none"],
            "examples": ["", "", "", "", "progenitor"],
        }
    )
    assert pseudobulk.cells_lost(steps) == [
        {"step": "empty", "unit": "cell", "left_out": 7, "reason": "few", "examples": "S1 3, S2 4"},
        {"step": "types", "unit": "cell type", "left_out": 1, "reason": "none",
         "examples": "progenitor"},
    ]  # fmt: skip

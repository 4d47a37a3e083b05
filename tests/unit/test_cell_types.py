"""One map of the cells of a study: joined genes, embedding, cell types by markers."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from neuroimmune.errors import UserError
from neuroimmune.expression import cell_types, cells

SETTINGS = {
    "seed": 3,
    "variable_genes": 60,
    "components": 5,
    "neighbours": 10,
    "resolution": 1.0,
    "types": {"A": ["set_a"], "B": ["B0", "B1", "B2", "B3"], "C": ["nowhere"]},
    "min_type_score": 0.1,
    "min_type_margin": 0.1,
    "shown_cells": 100,
}
MEMBERS = pd.DataFrame(
    {
        "set_id": ["set_a"] * 5,
        "hgnc_id": [f"H{n}" for n in range(5)],
        "gene_symbol": [f"A{n}" for n in range(5)],
        "direction": [1, 1, 1, 1, -1],
    }
)
MAPPING = pd.DataFrame(
    {
        "hgnc_id": [f"H{n}" for n in range(5)],
        "symbol": [f"A{n}" for n in range(5)],
        "data_id": ["E0", "E1", "E2", "E3", ""],
    }
)


def table(names, means, n_cells=2, only_detected=False, dispersion=None):
    obs = pd.DataFrame({"n_counts": np.ones(n_cells)}, index=[f"c{n}" for n in range(n_cells)])
    var = pd.DataFrame({"label": "", "mean": means}, index=names)
    var["dispersion"] = means if dispersion is None else dispersion
    return obs, var, {"only_detected": only_detected}


def test_a_gene_that_a_full_list_lacks_was_not_measured():
    genes, steps = cell_types.join_genes(
        {"S1": table(["a", "b", "c"], [1.0, 2.0, 3.0]), "S2": table(["a", "b"], [3.0, 2.0], 6)}
    )
    assert list(genes.index) == ["a", "b"]
    assert genes["mean"].to_list() == [2.5, 2.0]
    assert [step["left_out"] for step in steps] == [1]
    assert "S2" in steps[0]["reason"] and steps[0]["examples"] == "c"


def test_a_gene_that_a_list_of_detected_genes_lacks_is_zero():
    genes, steps = cell_types.join_genes(
        {"S1": table(["a", "b"], [1.0, 2.0]), "S2": table(["c", "a"], [4.0, 3.0], 2, True)}
    )
    assert list(genes.index) == ["a", "b"]  # S1 lists all its genes, and has no c
    genes, steps = cell_types.join_genes(
        {
            "S1": table(["a", "b"], [1.0, 2.0], 2, True),
            "S2": table(["c", "a"], [4.0, 3.0], 2, True),
        }
    )
    assert list(genes.index) == ["a", "b", "c"] and steps == []
    assert genes["mean"].to_list() == [2.0, 1.0, 2.0]


def test_samples_without_a_common_gene_are_refused():
    with pytest.raises(UserError, match="share no gene identifier"):
        cell_types.join_genes({"S1": table(["a"], [1.0]), "S2": table(["b"], [1.0])})


def test_variable_genes_count_by_samples_then_rank():
    tables = {
        "S1": table(list("abcd"), [1.0] * 4, dispersion=[4.0, 3.0, 2.0, np.nan]),
        "S2": table(list("abcd"), [1.0] * 4, dispersion=[1.0, 3.0, 4.0, 2.0]),
    }
    genes, _ = cell_types.join_genes(tables)
    # Two a sample: a, b and c, b; b stands twice, a and c once with the same rank.
    assert cell_types.choose_variable(tables, genes, (), 2) == ["a", "b"]
    assert cell_types.choose_variable(tables, genes, {"b"}, 2) == ["a", "c"]


def test_markers_are_found_by_panel_then_label_then_name():
    genes = pd.DataFrame(
        {"label": ["", "", "", "", "B0", "", ""], "mean": [1.0, 1, 1, 0, 1, 1, 1]},
        index=["E0", "E1", "E2", "E3", "X9", "B1", "B2"],
    )
    found = cell_types.find_markers(SETTINGS["types"], MEMBERS, MAPPING, genes)
    # E3 has no count, A4 counts against the set; C has no marker in the data.
    assert found == {"A": ["E0", "E1", "E2"], "B": ["X9", "B1", "B2"]}


def test_types_need_a_score_and_a_margin():
    scores = np.array([[0.5, 0.1], [0.5, 0.45], [0.05, -0.2], [-1, 2]])
    types, best, margin = cell_types.assign_types(scores, ["A", "B"], 0.1, 0.1)
    assert list(types) == ["A", "unassigned", "unassigned", "B"]
    assert best.tolist() == [0.5, 0.5, 0.05, 2]
    assert margin == pytest.approx([0.4, 0.05, 0.25, 3])


def test_scores_are_averaged_with_the_neighbours():
    distances = sparse.csr_matrix([[0, 0.5, 0.1], [0.5, 0, 0], [0, 0, 0]])
    smoothed = cell_types.smooth(np.array([[1.0], [4.0], [10.0]]), distances)
    assert smoothed.ravel() == pytest.approx([5.0, 2.5, 10.0])


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two samples of two cell types, 70 cells each; the files list their genes in other orders."""
    folder = tmp_path_factory.mktemp("cells")
    rng = np.random.default_rng(5)
    names = ["E0", "E1", "E2", "E3", "B0", "B1", "B2", "B3"] + [f"G{n}" for n in range(192)]
    files, truth, dense = {}, [], []
    for sample in ("S1", "S2"):
        kind = rng.permutation(np.repeat(["A", "B"], 35))
        rate = np.tile(rng.uniform(1, 4, 200), (70, 1))
        rate[:, :4] = np.where(kind == "A", 12, 0.3)[:, None]
        rate[:, 4:8] = np.where(kind == "B", 12, 0.3)[:, None]
        rate[:, 8:40] *= np.where(kind == "A", 2.5, 0.6)[:, None]
        counts = rng.poisson(rate)
        order = np.arange(200) if sample == "S1" else rng.permutation(200)
        var = pd.DataFrame({"label": np.array(names)[order]}, index=np.array(names)[order])
        obs = pd.DataFrame(index=[f"C{n}" for n in range(70)])
        data = anndata.AnnData(sparse.csr_matrix(counts[:, order]), obs=obs, var=var)
        kept, _ = cells.filter_cells(
            data,
            [],
            sample,
            [],
            [],
            {"seed": 1, "min_counts": 1, "min_genes": 1, "mads": 50, "mito_floor": 1,
             "globin_floor": 1, "doublet_rate": 0.008},
        )  # fmt: skip
        files[sample] = folder / f"{sample}.h5ad"
        cells.write_cells(files[sample], kept)
        truth += list(kind)
        dense.append(counts)
    return files, np.array(truth), np.vstack(dense), names


def test_expression_is_exact_whatever_the_blocks(study, monkeypatch):
    files, _, counts, names = study
    tables = {sample: cells.read_tables(path) for sample, path in files.items()}
    genes, _ = cell_types.join_genes(tables)
    weights = cell_types.marker_weights({"A": names[:4]}, genes, names[:8])
    expression, scores = cell_types.read_expression(files, tables, genes, names[8:20], weights)
    wanted = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4)
    np.testing.assert_allclose(expression.toarray(), wanted[:, 8:20], rtol=1e-5)
    np.testing.assert_allclose(scores, wanted @ weights.toarray(), rtol=1e-4, atol=1e-4)
    assert list(genes.index) == names
    assert genes["mean"].to_numpy() == pytest.approx(wanted.mean(axis=0), rel=1e-5)
    monkeypatch.setattr(cell_types, "blocks", lambda path: cells.blocks(path, rows=17))
    again = cell_types.read_expression(files, tables, genes, names[8:20], weights)
    np.testing.assert_array_equal(again[0].toarray(), expression.toarray())
    np.testing.assert_array_equal(again[1], scores)


def test_a_study_is_merged_and_twice_the_same(study):
    files, truth, _, _ = study
    panel = {"members": MEMBERS, "mapping_of": lambda genes: MAPPING}
    merged, steps = cell_types.merge_cells(files, panel, SETTINGS)
    assert list(merged.obs["sample"]) == ["S1"] * 70 + ["S2"] * 70
    found = merged.obs["cell_type"].to_numpy()
    assert (found == truth).mean() > 0.95
    assert set(found) <= {"A", "B", "unassigned"}
    shown = ~np.isnan(merged.obsm["X_umap"][:, 0])
    assert shown.sum() == 100
    assert steps[0]["step"] == "cell types without markers" and steps[0]["examples"] == "C"
    again, _ = cell_types.merge_cells(files, panel, SETTINGS)
    pd.testing.assert_frame_equal(merged.obs, again.obs)
    for name in ("X_harmony", "X_umap"):
        np.testing.assert_array_equal(merged.obsm[name], again.obsm[name])


def test_many_cells_are_searched_approximately(monkeypatch):
    rng = np.random.default_rng(0)
    components = rng.normal(size=(600, 8)).astype(np.float32)
    exact = cell_types.find_neighbours(components, SETTINGS).obsp["distances"] > 0
    monkeypatch.setattr(cell_types, "NEAR_ALL", 100)
    found = [cell_types.find_neighbours(components, SETTINGS).obsp["distances"] for _ in range(2)]
    assert exact.multiply(found[0] > 0).nnz > 0.95 * exact.nnz
    assert (found[0] != found[1]).nnz == 0

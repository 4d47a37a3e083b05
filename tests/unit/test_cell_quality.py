"""Quality control of the cells of one sample."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from neuroimmune.errors import UserError
from neuroimmune.expression import cells

SETTINGS = {
    "seed": 1,
    "min_counts": 50,
    "min_genes": 10,
    "mads": 5,
    "mito_floor": 0.1,
    "globin_floor": 0.5,
    "doublet_rate": 0.008,
}
MITO, GLOBIN = ["MT-1", "MT-2"], ["HBB"]


def made(counts):
    """AnnData of counts, cells x genes; the last three genes are mitochondrial and globin."""
    n_genes = counts.shape[1]
    names = [f"G{n}" for n in range(n_genes - 3)] + [*MITO, *GLOBIN]
    obs = pd.DataFrame(index=[f"B{n}" for n in range(len(counts))])
    var = pd.DataFrame({"label": names}, index=names)
    return anndata.AnnData(sparse.csr_matrix(counts.astype(np.int32)), obs=obs, var=var)


def plain(n_cells=60, seed=0):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(3 * rng.uniform(0.6, 1.6, (n_cells, 1)), (n_cells, 43))
    counts[:, :10] += 1
    counts[:, -3:] = 1
    return counts


def run(counts, notes=(), **changes):
    return cells.filter_cells(made(counts), list(notes), "S", MITO, GLOBIN, SETTINGS | changes)


def lost(steps):
    return {step["step"]: (step["left_out"], step["left"]) for step in steps}


def test_measures_by_hand():
    table = cells.measure(
        sparse.csr_matrix([[1, 0, 3, 0], [0, 0, 0, 0], [0, 2, 0, 2]]),
        np.array([False, False, True, False]),
        np.array([False, False, False, True]),
    )
    assert table["n_counts"].to_list() == [4, 0, 4]
    assert table["n_genes"].to_list() == [2, 0, 2]
    assert table["mito_fraction"].to_list() == [0.75, 0, 0]
    assert table["globin_fraction"].to_list() == [0, 0, 0.5]


def test_limits_by_hand():
    low, high = cells.limits(np.array([1.0, 2, 3, 4, 100]), 2)
    assert (low, high) == pytest.approx((3 - 2 * 1.4826, 3 + 2 * 1.4826))


def test_each_step_takes_what_it_should_and_counts_it():
    counts = plain()
    counts[0] = 0
    counts[0, 5] = 40  # empty: too few counts
    counts[1] = 0
    counts[1, :5] = 100  # empty: too few genes
    counts[2] *= 30  # far too many counts
    counts[3, -3:-1] = 20  # dying
    counts[4, :-3] = np.minimum(counts[4, :-3], 1)
    counts[4, -1] = 100  # a red cell
    note = {"step": "rows", "unit": "gene", "left_out": 2, "reason": "r", "examples": "x"}
    kept, steps = run(counts, [note])
    assert steps[0] == note | {"sample": "S", "left": None}
    found = lost(steps)
    assert found["read"] == (0, 60)
    assert found["empty"] == (2, 58)
    assert found["number of counts"] == (1, 57)
    assert found["number of genes"] == (0, 57)
    assert found["mitochondrial share"] == (1, 56)
    assert found["globin share"] == (1, 55)
    assert found["doublets"] == (0, 55)
    assert list(kept.obs_names) == [f"S:B{n}" for n in range(5, 60)]
    np.testing.assert_array_equal(kept.X.toarray(), counts[5:])
    assert kept.obs["n_counts"].to_list() == counts[5:].sum(axis=1).tolist()
    assert kept.obs["doublet_score"].isna().all()
    ambient = next(step for step in steps if step["step"] == "ambient RNA")
    assert ambient["examples"].startswith("G0 18.5 %")  # 100 of 540


def test_a_file_of_called_cells_says_that_ambient_rna_is_not_known():
    _, steps = run(plain())
    ambient = next(step for step in steps if step["step"] == "ambient RNA")
    assert "cannot be measured" in ambient["reason"]


def test_a_gene_list_of_detected_genes_only_is_recognised():
    counts = plain()
    assert run(counts)[0].uns["only_detected"]
    counts[:, 7] = 0
    assert not run(counts)[0].uns["only_detected"]


def test_nothing_left_says_what_the_deepest_cell_has():
    with pytest.raises(
        UserError, match="none of its 60 cells has 5000 counts .* deepest has [0-9]+ counts"
    ):
        run(plain(), min_counts=5000)


def test_memory_goes_by_the_samples_own_share_of_an_archive():
    assert cells.memory_of_sample(31, 1, archive=False) > 3100  # as measured
    assert cells.memory_of_sample(2400, 200, archive=True) == 2500 + 60 * 12
    # A file of eight donors is read whole by each of their jobs.
    assert cells.memory_of_sample(400, 8, archive=False) == 2500 + 60 * 50 + 4000


def with_doublets(n_cells, n_doublets):
    """Cells of three types, and below them sums of two cells of different types."""
    rng = np.random.default_rng(1)
    levels = rng.lognormal(-1, 1, (3, 300))
    singlets = rng.poisson(levels[np.arange(n_cells) % 3])
    doublets = singlets[0 : 3 * n_doublets : 3] + singlets[1 : 3 * n_doublets : 3]
    return sparse.csr_matrix(np.vstack([singlets, doublets]))


def test_scrublet_finds_cells_of_two_types_in_a_sample_of_usual_size():
    """More cells than those for which scanpy looks at all neighbours by itself (2,730)."""
    counts = with_doublets(3000, 100)
    scores, called, reason = cells.call_doublets(counts, {"doublet_rate": 0.01, "seed": 1})
    assert np.median(scores[3000:]) > np.quantile(scores[:3000], 0.99)
    assert called[3000:].mean() > 0.8 and called[:3000].mean() < 0.01
    assert reason.startswith("Scrublet score above")


@pytest.mark.parametrize(
    ("n_above", "words"),
    [
        (None, "none called: Scrublet found no clear threshold"),
        # Many cells have the same score.
        (301, "none called: Scrublet's threshold would call 61 %, where 0.5 % are expected"),
        (4, "Scrublet score above "),
    ],
)
def test_scrublet_is_believed_only_where_it_can_be(monkeypatch, n_above, words):
    counts = with_doublets(597, 5)
    scores, _, _ = cells.call_doublets(counts, SETTINGS)
    limit = np.sort(scores)[-n_above] - 1e-9 if n_above else None

    def threshold(simulated):
        if limit is None:
            raise RuntimeError("Unable to find two maxima in histogram")
        return limit

    monkeypatch.setattr("skimage.filters.threshold_minimum", threshold)
    again, called, reason = cells.call_doublets(counts, SETTINGS)
    np.testing.assert_array_equal(again, scores)
    assert reason.startswith(words)
    np.testing.assert_array_equal(
        called, scores > limit if reason.startswith("Scrublet") else np.zeros(602, bool)
    )
    assert called.any() == (n_above == 4)


def test_files_are_read_in_blocks(tmp_path):
    kept, _ = run(plain())
    path = tmp_path / "S.h5ad"
    cells.write_cells(path, kept)
    assert cells.sample_of(path) == "S"
    obs, var, uns = cells.read_tables(path)
    assert list(obs.index) == list(kept.obs_names) and uns["only_detected"]
    parts = list(cells.blocks(path, rows=13))
    assert [start for start, _ in parts] == [0, 13, 26, 39, 52]
    np.testing.assert_array_equal(
        sparse.vstack([block for _, block in parts]).toarray(), kept.X.toarray()
    )

"""Detection, matched controls and scores, against plain loops."""

import anndata
import numpy as np
import pandas as pd
import pytest

from neuroimmune import scoring
from neuroimmune.errors import UserError

SETTINGS = {
    "min_count": 10,
    "background_quantile": 0.9,
    "background_sets": ["silent"],
    "min_background_genes": 5,
    "fallback_quantile": 0.4,
    "min_fraction": 0.5,
    "controls_per_gene": 5,
    "min_control_genes": 60,
}


def test_detection_in_counts_is_relative_to_the_library():
    counts = np.array([[10, 9, 100], [20, 19, 0], [15, 14, 30]])
    found = scoring.detected_counts(counts, [1e6, 2e6, 1e6], 10)
    np.testing.assert_array_equal(found, [[1, 0, 1], [1, 0, 0], [1, 1, 1]])


def test_stray_reads_of_a_shallow_library_are_no_genes():
    found = scoring.detected_counts(np.array([[2, 9, 10], [20, 90, 100]]), [1e5, 1e6], 10)
    np.testing.assert_array_equal(found, [[0, 0, 1], [1, 1, 1]])


def test_detection_on_arrays_is_above_background_of_the_same_array():
    values = np.array([[1.0, 2, 3, 10, 2.5], [11, 12, 13, 10, 14]])
    found, how = scoring.detected_intensities(values, [0, 1, 2], 0.5, 0.4, 3)
    np.testing.assert_array_equal(found, [[0, 0, 1, 1, 1], [0, 0, 1, 0, 1]])
    assert how == "detected: above the 50 % quantile of 3 background genes of the same array"
    found, how = scoring.detected_intensities(values, [0, 1], 0.5, 0.5, 3)
    np.testing.assert_array_equal(found, [[0, 0, 1, 1, 0], [0, 0, 1, 0, 1]])
    assert "(only 2 background genes are on the array)" in how


def test_measurable_in_half_of_one_group_is_enough():
    detected = np.array([[1, 0, 1], [0, 0, 1], [0, 0, 1], [0, 1, 1]], dtype=bool)
    counts = scoring.detection_by_group(detected, ["a", "a", "b", "b"])
    assert counts.to_dict("list") == {"a": [1, 0, 2], "b": [0, 1, 2]}
    sizes = pd.Series({"a": 2, "b": 2})
    np.testing.assert_array_equal(scoring.measurable(counts, sizes, 0.5), [1, 1, 1])
    np.testing.assert_array_equal(scoring.measurable(counts, sizes, 0.75), [0, 0, 1])


def test_controls_are_the_nearest_genes_outside_the_panel():
    rng = np.random.default_rng(3)
    mean = rng.normal(size=400)
    mean[50:60] = mean[70:80]
    pool = np.sort(rng.permutation(400)[:300])
    genes = np.setdiff1d(np.arange(400), pool)
    found = scoring.match_controls(mean, genes, pool, 20)
    for gene, row in zip(genes, found, strict=True):
        distance = np.abs(mean[pool] - mean[gene])
        assert np.abs(mean[row] - mean[gene]).max() == pytest.approx(np.sort(distance)[19])
        assert len(set(row)) == 20 and not set(row) & set(genes)
    again = scoring.match_controls(mean, genes[::-1], pool[::-1], 20)[::-1]
    np.testing.assert_array_equal(found, again)
    with pytest.raises(UserError):
        scoring.match_controls(mean, genes, pool[:19], 20)


def test_controls_that_tie_but_for_rounding_go_by_number():
    low, high = 0.3, 0.1 + 0.2  # the second is larger by its last bit
    assert low < high
    mean = np.array([0.0, high, low, 5.0])
    assert scoring.match_controls(mean, [0], [1, 2, 3], 1).tolist() == [[1]]


def study(n=6, genes=200, seed=0):
    """Counts: gene g0-g9 expressed in the set 'on', g10-g19 silent, the rest controls."""
    rng = np.random.default_rng(seed)
    level = rng.uniform(50, 3000, genes)
    level[10:20] = 0.2
    counts = rng.poisson(level, (n, genes)).astype(float)
    names = [f"g{i}" for i in range(genes)]
    obs = pd.DataFrame(
        {
            "stratum": "all",
            "group": ["case", "control"] * (n // 2),
            "subject": [f"s{i}" for i in range(n)],
            "effective_library_size": counts.sum(axis=1),
        },
        index=[f"GSM{i}" for i in range(n)],
    )
    values = np.log2((counts + 2) / counts.sum(axis=1, keepdims=True) * 1e6)
    return anndata.AnnData(values, obs, pd.DataFrame(index=names), layers={"counts": counts})


def panel():
    members = [("on", f"H{i}", 1 if i < 7 else -1) for i in range(10)]
    members += [("silent", f"H{i}", 1) for i in range(10, 20)]
    members += [("half", f"H{i}", 1) for i in (0, 1, 10, 11, 20)]
    mapping = [(f"H{i}", f"S{i}", f"g{i}" if i < 20 else "") for i in range(21)]
    return (
        pd.DataFrame(members, columns=["set_id", "hgnc_id", "direction"]),
        pd.DataFrame(mapping, columns=["hgnc_id", "symbol", "data_id"]),
    )


def test_scores_equal_a_plain_loop():
    profiles = study()
    members, mapping = panel()
    result = scoring.score_sets(profiles, members, mapping, SETTINGS)
    scores = result["scores"].pivot(index="profile", columns="set_id", values="score")
    assert list(scores.columns) == ["half", "on"]  # 'silent' has no measurable gene
    controls = result["controls"].set_index("data_id")["controls"].str.split(";")
    values = pd.DataFrame(profiles.X, index=profiles.obs_names, columns=profiles.var_names)
    for name, chosen in (("on", range(10)), ("half", (0, 1))):
        signs = {i: -1 if name == "on" and i >= 7 else 1 for i in chosen}
        expected = sum(
            sign * (values[f"g{i}"] - values[controls[f"g{i}"]].mean(axis=1))
            for i, sign in signs.items()
        ) / len(signs)
        np.testing.assert_allclose(scores[name], expected, rtol=1e-12)
    assert dict(result["scores"][["set_id", "n_genes"]].to_numpy()) == {"half": 2, "on": 10}
    z = result["scores"].pivot(index="profile", columns="set_id", values="z")
    np.testing.assert_allclose(z.mean(), 0, atol=1e-12)
    np.testing.assert_allclose(z.std(), 1)
    table = result["detectability"].drop_duplicates("symbol").set_index("symbol")
    assert table["measurable"].to_dict() == {f"S{i}": "yes" if i < 10 else "no" for i in range(20)}
    with_scores = scoring.add_scores(profiles, result)
    np.testing.assert_allclose(
        with_scores.obsm["scores"]["on"], scores.loc[profiles.obs_names, "on"]
    )
    silent = with_scores.var_names[~with_scores.var["measurable_all"]]
    assert list(silent) == [f"g{i}" for i in range(10, 20)]


def test_a_global_shift_leaves_scores_alone():
    profiles = study()
    members, mapping = panel()
    before = scoring.score_sets(profiles, members, mapping, SETTINGS)["scores"]
    profiles.X = profiles.X + np.arange(profiles.n_obs)[:, None]
    after = scoring.score_sets(profiles, members, mapping, SETTINGS)["scores"]
    np.testing.assert_allclose(before["score"], after["score"], atol=1e-10)


def test_too_few_controls_is_an_error():
    members, mapping = panel()
    with pytest.raises(UserError, match="only 60 measurable genes outside the panels can serve"):
        scoring.score_sets(study(genes=80), members, mapping, SETTINGS | {"min_control_genes": 61})

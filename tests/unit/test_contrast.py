"""Who is compared, what confounds it, and the numbers of a contrast."""

import anndata
import numpy as np
import pandas as pd
import pytest

from neuroimmune import contrast as contrasts
from neuroimmune import scoring
from neuroimmune.stats import effect, linear, nulls, settest

PLAIN = {"question": "aiha_vs_healthy", "case": "aiha", "reference": "healthy"}
DETECT = {
    "background_sets": [],
    "background_quantile": 0.5,
    "fallback_quantile": 0.001,
    "min_background_genes": 5,
    "min_fraction": 0.5,
    "controls_per_gene": 20,
    "min_control_genes": 50,
}
LABELS = {"tissue": "blood", "simulated": "no"}
SETTINGS = {
    "margin_fold": 1.5,
    "max_permutations": 20000,
    "random_sets": 200,
    "seed": 1,
    "min_fraction": 0.5,
    "min_count": 10,
    "min_subjects": 3,
    "adjust": {
        "erythroid_genes": ["S0"],
        "composition_sets": ["moved", "null"],
        "composition_components": 1,
        "exposure_sets": ["null"],
        "exposure_never": {},
        "min_genes": 3,
        "max_vif": 5,
    },
}


def samples(n=4, **columns):
    obs = pd.DataFrame(
        {
            "subject": [f"s{i}" for i in range(2 * n)],
            "group": ["aiha"] * n + ["healthy"] * n,
            "treatment": "none",
            "tissue": "blood",
            "batch": "",
            "fraction": "",
            "sex": ["female", "male"] * n,
            "age": "40",
        },
        index=[f"GSM{i}" for i in range(2 * n)],
    )
    return obs.assign(**columns)


def test_pairs_keep_complete_subjects_and_say_who_went():
    obs = samples(subject=["a", "b", "c", "x", "c", "b", "a", "y"])
    kept, left_out = contrasts.choose_subjects(obs, PLAIN | {"paired": True})
    assert list(kept["subject"]) == list("aabbcc")
    assert list(kept["arm"]) == [0, 1] * 3
    assert left_out == [
        {"profile": "GSM3", "reason": "subject x has no sample in the other group"},
        {"profile": "GSM7", "reason": "subject y has no sample in the other group"},
    ]


def test_other_groups_stay_out_and_unknown_covariates_are_counted():
    obs = samples(group=["aiha", "aiha", "aiha", "itp"] + ["healthy"] * 4, age=["", *["1"] * 7])
    kept, left_out = contrasts.choose_subjects(obs, PLAIN | {"covariates": ["age"]})
    assert len(kept) == 6
    assert left_out == [{"profile": "GSM0", "reason": "age is not known"}]


@pytest.mark.parametrize("factor", contrasts.FACTORS)
def test_a_factor_that_separates_the_groups_confounds(factor):
    split = samples(**{factor: ["x"] * 4 + ["y"] * 4}).assign(arm=[1] * 4 + [0] * 4)
    assert contrasts.confounders(split, "aiha_vs_healthy") == [
        {"factor": factor, "case": "x", "reference": "y"}
    ]
    mixed = samples(**{factor: ["x"] * 5 + ["y"] * 3}).assign(arm=[1] * 4 + [0] * 4)
    assert contrasts.confounders(mixed, "aiha_vs_healthy") == []
    unknown = samples(**{factor: ["unknown"] * 4 + ["y"] * 4}).assign(arm=[1] * 4 + [0] * 4)
    assert contrasts.confounders(unknown, "aiha_vs_healthy") == []


def test_the_factor_that_is_asked_about_is_no_confounder():
    obs = samples(treatment=["glucocorticoid"] * 4 + ["none"] * 4).assign(arm=[1] * 4 + [0] * 4)
    assert contrasts.confounders(obs, "glucocorticoid_vs_vehicle") == []
    assert contrasts.confounders(obs, "relapse_vs_remission")[0]["factor"] == "treatment"


def test_design_report_leads_with_the_confounder():
    obs = samples(treatment=["glucocorticoid"] * 4 + ["none"] * 4)
    _, design, report = contrasts.design_of(obs, PLAIN, SETTINGS)
    assert list(design.columns) == ["intercept", "case"]
    assert report["warnings"][0] == (
        "Confounded by treatment: aiha is glucocorticoid, healthy is none. Any difference may be "
        "that of treatment."
    )
    assert (report["n_case"], report["n_reference"], report["problem"]) == (4, 4, "")


def test_imbalance_and_unknown_treatment_are_said():
    obs = samples(sex=["female"] * 3 + ["male"] * 5, treatment=["unknown"] * 2 + ["none"] * 6)
    _, _, report = contrasts.design_of(obs, PLAIN, SETTINGS)
    assert report["treatment_unknown"]
    assert report["warnings"] == [
        "Treatment is not recorded for 2 of 8 samples: a difference may be that of "
        "glucocorticoids.",
        "Sex is unevenly spread (female: 3 of aiha, 0 of healthy; male: 1 of aiha, 4 of healthy).",
    ]


def test_designs_that_cannot_be_judged():
    obs = samples(n=2)
    _, design, report = contrasts.design_of(obs, PLAIN, SETTINGS)
    assert report["problem"] == (
        "2 aiha and 2 healthy subjects (GSM0, GSM1, GSM2, GSM3); at least 3 a group are needed"
    )
    assert design is not None  # the numbers are still computed
    obs = samples(batch=["x"] * 4 + ["y"] * 4)
    _, design, report = contrasts.design_of(obs, PLAIN | {"covariates": ["batch"]}, SETTINGS)
    assert report["problem"] == (
        "the design is not of full rank: case (GSM0, GSM1, GSM2, GSM3) follows from intercept, "
        "batch=y"
    )
    assert design is None
    obs = samples(n=3, age=list("194283"), sex=["female", "male"] * 3, batch=list("abcabc"))
    _, design, report = contrasts.design_of(
        obs, PLAIN | {"covariates": ["age", "sex", "batch"]}, SETTINGS
    )
    assert design is None and report["problem"] == (
        "6 samples for 6 coefficients (intercept, age, sex=male, batch=b, batch=c, case): no "
        "degree of freedom is left for the residual"
    )
    obs = samples(group=["aiha"] + ["healthy"] * 7)
    _, design, report = contrasts.design_of(obs, PLAIN, SETTINGS)
    assert design is not None and report["problem"] == (
        "1 aiha and 7 healthy subjects (GSM0); at least 3 a group are needed"
    )


def test_a_covariate_that_is_not_known_for_all_is_a_problem_of_design():
    obs = samples(age=["", *"12345", "unknown", "7"])
    _, design, report = contrasts.design_of(obs, PLAIN | {"covariates": ["age"]}, SETTINGS)
    assert len(design) == 6  # the numbers are those of the samples that are known
    assert report["problem"] == (
        "the covariate age is not known for GSM0, GSM6: add it to samples.tsv, leave the samples "
        "out under exclude:, or take it from the covariates"
    )


def test_design_columns():
    obs = samples(n=3, age=list("123456"), batch=list("112121")).assign(arm=[1] * 3 + [0] * 3)
    design = linear.design_matrix(obs, False, ["age", "batch"])
    assert list(design.columns) == ["intercept", "age", "batch=2", "case"]
    np.testing.assert_allclose(design["age"], [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])
    np.testing.assert_array_equal(design["batch=2"], [0, 0, 1, 0, 1, 0])


def study(n=5, shift=1.5, seed=2):
    """Arrays: 300 genes, genes g0-g9 (set 'moved') higher in AIHA, g10-g19 (set 'null') not."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(6, 12, 300) + rng.normal(0, 0.3, (2 * n, 300))
    values[:n, :10] += shift
    obs = samples(n).assign(stratum="all")
    profiles = anndata.AnnData(values, obs, pd.DataFrame(index=[f"g{i}" for i in range(300)]))
    rows = [("moved", i) for i in range(10)] + [("null", i) for i in range(10, 20)]
    members = pd.DataFrame(
        [(name, f"H{i}", f"S{i}", 1) for name, i in rows],
        columns=["set_id", "hgnc_id", "gene_symbol", "direction"],
    )
    mapping = pd.DataFrame(
        [(f"H{i}", f"S{i}", f"g{i}") for i in range(20)], columns=["hgnc_id", "symbol", "data_id"]
    )
    sets = pd.DataFrame({"set_id": ["moved", "null"], "axis": "hpa", "family": "neuroimmune"})
    scored = scoring.score_sets(
        profiles,
        members,
        mapping,
        DETECT,
    )
    return {
        "profiles": scoring.add_scores(profiles, scored),
        "sets": sets,
        "members": members,
        "mapping": mapping,
        "detectability": scored["detectability"],
        "controls": scored["controls"],
    }


def run(tables, contrast=PLAIN):
    return contrasts.run_contrast("GSE1", "c", contrast, LABELS, tables, SETTINGS)


def test_a_moved_set_and_a_null_set():
    result = run(study())
    moved, null = result["sets"].set_index("set_id").loc[["moved", "null"]].to_dict("records")
    assert moved["log2_fold_change"] == pytest.approx(1.5, abs=0.2)
    assert moved["ci_low"] < 1.5 < moved["ci_high"]
    assert moved["p"] < 1e-6 and moved["permutation_p"] == pytest.approx(2 / 252)
    assert moved["permutation_floor"] == pytest.approx(2 / 252)
    assert moved["random_set_percentile"] == 100
    assert moved["hedges_g"] > 5 and moved["g_kind"] == "SMD"
    assert moved["n_measurable"] == 10 and moved["measurable_genes"].startswith("S0;S1;S2")
    assert abs(null["log2_fold_change"]) < 0.2 and null["p"] > 0.05
    assert null["achieved_margin"] == max(abs(null["ci90_low"]), abs(null["ci90_high"]))
    genes = result["genes"].set_index("data_id")
    assert (genes["q"].iloc[:10] < 0.01).all() and genes.loc["g0", "symbol"] == "S0"
    assert result["designs"][0]["genes_left_out"] == 0
    assert len(result["subjects"]) == 20 * 10


def test_direction_comes_from_case_and_reference():
    forward = run(study())["sets"].set_index("set_id")
    flipped = run(study(), PLAIN | {"case": "healthy", "reference": "aiha"})["sets"].set_index(
        "set_id"
    )
    for column in ("log2_fold_change", "t", "hedges_g"):
        np.testing.assert_allclose(forward[column], -flipped[column])
    np.testing.assert_allclose(forward["p"], flipped["p"])


def test_results_do_not_depend_on_the_order_of_samples_or_runs():
    tables = study()
    first = run(tables)["sets"]
    order = np.random.default_rng(0).permutation(10)
    shuffled = tables | {"profiles": tables["profiles"][order].copy()}
    pd.testing.assert_frame_equal(first, run(shuffled)["sets"], rtol=1e-9)
    pd.testing.assert_frame_equal(first, run(tables)["sets"], check_exact=True)


def test_covariates_switch_the_permutation_off():
    sets = run(study(), PLAIN | {"covariates": ["sex"]})["sets"]
    assert sets["permutation_p"].isna().all() and sets["p"].notna().all()


def test_a_gene_that_is_silent_in_both_groups_does_not_count():
    tables = study()
    silent = tables["detectability"]["symbol"].isin([f"S{i}" for i in range(8)])
    tables["detectability"].loc[silent, "n_detected"] = 0
    moved = run(tables)["sets"].set_index("set_id").loc["moved"]
    assert (moved["n_measurable"], moved["measurable_genes"]) == (2, "S8;S9")


def test_paired_subject_changes():
    tables = study()
    obs = tables["profiles"].obs
    obs["subject"] = [f"d{i}" for i in range(5)] * 2
    result = run(tables, PLAIN | {"paired": True})
    changes = result["subjects"].query("symbol == 'S3'").set_index("subject")["log2_change"]
    values = tables["profiles"].X[:, 3]
    np.testing.assert_allclose(changes.sort_index(), values[:5] - values[5:])
    assert result["sets"]["g_kind"].eq("SMCC").all()
    assert result["sets"]["permutation_floor"].eq(2 / 32).all()


@pytest.mark.parametrize(
    ("n_case", "factor", "warned"), [(4, 2.0, True), (4, 1.0, False), (12, 2.0, False)]
)
def test_a_small_noisy_group_is_warned_of(n_case, factor, warned):
    rng = np.random.default_rng(3)
    obs = samples(12).iloc[12 - n_case :].assign(arm=[1] * n_case + [0] * 12)
    scores = pd.DataFrame(rng.normal(size=(n_case + 12, 50)), index=obs.index)
    scores.iloc[:n_case] *= factor
    said = contrasts.uneven_spread(scores, obs, PLAIN)
    assert bool(said) == warned
    if warned:
        assert said.startswith("aiha (4 subjects) varies ") and "healthy (12;" in said
        assert contrasts.uneven_spread(scores, obs, PLAIN | {"paired": True}) == ""


def test_a_third_group_changes_nothing():
    tables = study()
    alone = run(tables)["sets"]
    third = tables["profiles"][:3].copy()
    third.obs_names = ["GSM90", "GSM91", "GSM92"]
    third.obs["group"] = "itp"
    both = anndata.concat([tables["profiles"], third], merge="same", uns_merge="same")
    pd.testing.assert_frame_equal(run(tables | {"profiles": both})["sets"], alone)


def blocked_study(shared=3, correlation=0.8):
    """As `study`, but subjects s0, s1, ... give a sample to both groups."""
    tables = study()
    obs = tables["profiles"].obs
    subjects = [f"s{i}" for i in range(5)] + [f"s{i}" for i in range(shared)]
    obs["subject"] = subjects + [f"h{i}" for i in range(5 - shared)]
    shift = np.random.default_rng(5).normal(size=10)[pd.Categorical(obs["subject"]).codes]
    tables["profiles"].obsm["scores"] += correlation * shift[:, None]
    return tables


def test_a_blocked_contrast_keeps_all_samples_of_all_subjects():
    tables = blocked_study()
    result = run(tables, PLAIN | {"blocked": True})
    sets, design = result["sets"].set_index("set_id"), result["designs"][0]
    assert 0.7 < design["correlation"] < 1 and len(design["profiles"]) == 10
    shown = f"~ group, blocked by subject (correlation {design['correlation']:.2f})"
    assert design["formula"] == shown
    # Without the block, what subjects share counts as noise.
    plain = run(tables)["sets"].set_index("set_id")
    assert (sets["standard_error"] < 0.8 * plain["standard_error"]).all()
    assert sets.loc["moved", "p"] < plain.loc["moved", "p"]
    # Neither permutations nor Hedges g know of the block.
    assert sets[["permutation_p", "hedges_g"]].isna().all(axis=None)
    adjusted = result["adjusted"].query("adjustment == 'none'").set_index("set_id")
    for column in ("log2_fold_change", "standard_error", "p"):
        np.testing.assert_allclose(adjusted[column], sets[column], rtol=1e-6)


def test_whitening_is_what_limma_does_with_a_block():
    tables = blocked_study()
    kept, design, _ = contrasts.design_of(tables["profiles"].obs, PLAIN, SETTINGS)
    values = pd.DataFrame(tables["profiles"][kept.index].X)
    whiten = linear.whitening(kept["subject"], 0.6)
    own = linear.fit((whiten @ values).T, whiten @ design)
    limma = linear.fit(values.T, design, block=kept["subject"], correlation=0.6)
    pd.testing.assert_frame_equal(own, limma, rtol=1e-9)
    with pytest.raises(AssertionError):
        pd.testing.assert_frame_equal(linear.fit(values.T, design), limma, rtol=1e-2)


def test_with_complete_pairs_the_block_gives_the_mean_difference():
    tables = blocked_study(shared=5)
    paired = run(tables, PLAIN | {"paired": True})["sets"]
    blocked = run(tables, PLAIN | {"blocked": True})["sets"]
    np.testing.assert_allclose(blocked["log2_fold_change"], paired["log2_fold_change"])


def test_permutation_switches_to_draws_above_the_limit():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(20, 3))
    found = settest.permutation_test(scores, [1] * 10 + [0] * 10, False, 5000, rng)
    assert not found["exact"] and found["labelings"] == 5001
    assert found["floor"] == pytest.approx(1 / 5001) and (found["p"] >= 1 / 5001).all()


@pytest.mark.parametrize("df", [1, 2, 3, 6, 20, 120])
@pytest.mark.parametrize("t", [0.0, 0.1, -3.0, 20.0, 60.0, -300.0])
def test_noncentral_interval_holds_far_out(t, df):
    low, high = effect.noncentral_interval(t, df)
    mirrored = effect.noncentral_interval(-t, df)
    assert low[0] < t < high[0] or abs(t) > 100
    np.testing.assert_allclose([low[0], high[0]], [-mirrored[1][0], -mirrored[0][0]], atol=1e-6)


def test_random_set_percentile_is_of_matched_genes():
    rng = np.random.default_rng(0)
    coefficients = rng.normal(size=500)
    controls = np.arange(500).reshape(10, 50)
    shares = [
        nulls.random_set_percentile(x, coefficients, controls, np.ones(10), 2000, rng)
        for x in (0.0, 0.3, 3.0)
    ]
    assert shares[0] == 0 and 55 < shares[1] < 75 and shares[2] == 100

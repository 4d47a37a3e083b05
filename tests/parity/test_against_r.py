"""Our statistics against R (limma, edgeR, metafor); tables made by make_reference.R."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from neuroimmune import sensitivity
from neuroimmune.contrast import adjust
from neuroimmune.expression.counts import log_cpm
from neuroimmune.stats import adjust as adjustment
from neuroimmune.stats import correlation, effect, linear, meta, power, settest

REFERENCE = Path(__file__).parent / "reference"


def table(name, index=None):
    frame = pd.read_csv(REFERENCE / f"{name}.tsv", sep="\t", float_precision="round_trip")
    return frame.set_index(index) if index else frame


def close(found, wanted, tolerance=1e-8):
    np.testing.assert_allclose(np.asarray(found), np.asarray(wanted), rtol=tolerance, atol=1e-12)


@pytest.mark.parametrize("name", ["two_group", "paired", "covariate"])
def test_set_scores_follow_limma(name):
    design = table(f"design_{name}", "sample").rename(columns={"group": "case"})
    wanted = table(f"limma_scores_{name}", "set")
    found = linear.fit(table("scores", "set"), design)
    for ours, theirs in (
        ("coefficient", "coef"),
        ("standard_error", "se"),
        ("t", "t"),
        ("p", "p"),
        ("df", "df_total"),
        ("ci_low", "ci_low"),
        ("ci_high", "ci_high"),
    ):
        close(found[ours], wanted[theirs])


def test_array_genes_follow_limma_with_trend_and_robust():
    design = table("design_two_group", "sample").rename(columns={"group": "case"})
    genes = table("genes", "gene")
    profiles = anndata.AnnData(genes.T)
    found, left_out = linear.fit_genes(profiles, design, min_count=10)
    wanted = table("limma_genes_trend_robust", "gene")
    assert left_out == {"filterByExpr": 0}
    close(found["coefficient"], wanted["logFC"])
    close(found["t"], wanted["t"])
    close(found["p"], wanted["p"])
    close(found["df"], wanted["df_total"])


def test_the_trend_needs_no_genes_by_genes_matrix():
    """9,000 genes: such a matrix would take 650 MB."""
    import tracemalloc

    rng = np.random.default_rng(0)
    genes = pd.DataFrame(rng.normal(size=(9000, 8)) + rng.uniform(3, 12, (9000, 1)))
    design = table("design_two_group", "sample").rename(columns={"group": "case"})
    linear.fit(genes.iloc[:50], design, trend=True, robust=True)
    tracemalloc.start()
    linear.fit(genes, design, trend=True, robust=True)
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()


def test_counts_follow_filter_tmm_and_voom():
    design = table("design_two_group", "sample").rename(columns={"group": "case"})
    counts = table("counts", "gene")
    profiles = anndata.AnnData(counts.T.astype(float), layers={"counts": counts.T.astype(float)})
    found, left_out = linear.fit_genes(profiles, design, min_count=10)
    kept = table("counts_kept", "gene")["kept"].astype(bool)
    assert list(found.index) == list(kept.index[kept])
    assert left_out == {"filterByExpr": int((~kept).sum())}
    wanted = table("limma_voom", "gene")
    close(found["coefficient"], wanted["logFC"], 1e-6)
    close(found["t"], wanted["t"], 1e-6)
    close(found["p"], wanted["p"], 1e-6)


def test_log_cpm_follows_edger():
    kept = table("counts_kept", "gene")["kept"].astype(bool)
    counts = table("counts", "gene")[kept].astype(float)
    values, effective = log_cpm(counts, [])
    tmm = table("counts_tmm")
    close(effective, tmm["lib_size"] * tmm["norm_factor"])
    close(values, table("counts_logcpm", "gene"))


def test_globins_do_not_enter_library_sizes():
    counts = table("counts", "gene").astype(float)
    alone, _ = log_cpm(counts.drop(index="gene400"), [])
    without, effective = log_cpm(counts, ["gene400"])
    close(without.drop(index="gene400"), alone)
    assert (effective < 0.9 * counts.sum()).all()


@pytest.mark.parametrize("case", table("hedges")["case"])
def test_hedges_g_follows_metafor(case):
    wanted = table("hedges", "case").loc[case]
    values = table("hedges_values").query("case == @case")
    arms = [values.loc[values["group"] == arm, ["value"]].to_numpy() for arm in (1, 2)]
    found = effect.hedges(*arms, paired=False)
    assert found["kind"] == "SMD"
    close(found["g"], [wanted["yi"]])
    close(found["variance"], [wanted["vi_ub"]])
    close([found["low"][0], found["high"][0]], wanted[["d_low", "d_high"]].to_numpy(float), 1e-7)


@pytest.mark.parametrize("case", table("hedges_paired")["case"])
def test_paired_hedges_g_follows_metafor(case):
    wanted = table("hedges_paired", "case").loc[case]
    values = table("hedges_paired_values").query("case == @case")
    found = effect.hedges(values[["value1"]], values[["value2"]], paired=True)
    assert found["kind"] == "SMCC"
    close(found["g"], [wanted["yi"]])
    close(found["variance"], [wanted["vi"]])
    close([found["low"][0], found["high"][0]], wanted[["d_low", "d_high"]].to_numpy(float), 1e-7)


@pytest.mark.parametrize(
    "row", list(table("noncentral").itertuples()), ids=lambda row: f"{row.t:.0f}"
)
def test_interval_of_a_very_large_t(row):
    """scipy's distribution function has no value far from the centre: the search must pass it."""
    low, high = effect.noncentral_interval(row.t, row.df)
    assert low[0] < row.t < high[0]
    close(min(low, high, key=lambda limit: abs(limit[0])), [row.nearer], 1e-7)


@pytest.mark.parametrize("case", table("permutation")["case"])
def test_permutation_follows_full_enumeration(case):
    wanted = table("permutation", "case").loc[case]
    values = table("permutation_values").query("case == @case")
    paired = wanted["design"] == "paired"
    values = values.assign(arm=(values["group"] == 1).astype(int))
    if paired:
        values = values.sort_values(["subject", "arm"])
    found = settest.permutation_test(
        values[["value"]], values["arm"], paired, 20000, np.random.default_rng(0)
    )
    close(found["p"], [wanted["p"]])
    assert found["exact"] and found["labelings"] == wanted["labelings"]
    close(found["floor"], wanted["smallest_p"])


def test_detectable_effect_follows_the_noncentral_t():
    wanted = table("power")
    close(power.detectable_effect(np.ones(len(wanted)), wanted["df"]), wanted["ncp"], 1e-8)


def test_equivalence_follows_two_one_sided_tests():
    wanted = table("tost")
    found = power.equivalence_p(*(wanted[name] for name in ("estimate", "se", "df", "margin")))
    close(found, wanted["p"])


def test_benjamini_hochberg_leaves_missing_values_out():
    wanted = table("bh")
    close(adjust(wanted["p"]), wanted["p_bh"])


def sets_of_genes():
    members = table("sets")
    return {
        name: (rows["gene"].to_list(), [1] * len(rows)) for name, rows in members.groupby("set")
    }


def test_set_tests_follow_fry_and_camera():
    values = table("genes", "gene").T
    design = table("design_two_group", "sample").rename(columns={"group": "case"})
    rows = pd.DataFrame(sensitivity.set_tests(values, sets_of_genes(), design, seed=1))
    wanted = table("set_tests", "set")
    for method in ("fry", "camera"):
        found = rows[rows["method"] == method].set_index("set_id").loc[wanted.index]
        close(found["p"], wanted[f"{method}_p"])
        assert list(found["direction"]) == list(wanted[f"{method}_direction"].str.lower())


def test_turned_genes_turn_fry_and_camera():
    values = table("genes", "gene").T
    design = table("design_two_group", "sample").rename(columns={"group": "case"})
    turned = {name: (genes, [-1] * len(genes)) for name, (genes, _) in sets_of_genes().items()}
    rows = pd.DataFrame(sensitivity.set_tests(values, turned, design, seed=1))
    wanted = table("set_tests", "set")
    found = rows[rows["method"] == "fry"].set_index("set_id").loc[wanted.index]
    close(found["p"], wanted["fry_p"])
    other = {"Up": "down", "Down": "up"}
    assert list(found["direction"]) == [other[word] for word in wanted["fry_direction"]]


@pytest.mark.parametrize("method", ["GSVA", "ssGSEA", "singscore"])
def test_single_sample_scores_follow_their_packages(method):
    values = table("genes", "gene").T
    if method == "singscore":
        found = sensitivity.rank_mean(values, sets_of_genes())
    else:
        found = sensitivity.enrichment_scores(values, sets_of_genes(), method, seed=1)
    wanted = table(f"scores_{method.lower()}", "set").T
    # ssGSEA breaks ties by row order, each package in its own way: samples without ties only.
    untied = [sample for sample in values.index if values.loc[sample].is_unique]
    assert len(untied) >= 4
    rows = untied if method == "ssGSEA" else list(wanted.index)
    close(found.loc[rows, wanted.columns], wanted.loc[rows], 1e-6)


def blocked_inputs(name):
    """(values, design, block, weights or None) of one of the two blocked references."""
    if name == "scores_blocked":
        samples = table("design_blocked", "sample")
        design = samples[["intercept", "group"]].rename(columns={"group": linear.CASE})
        return table("scores_blocked", "set"), design, samples["subject"], None
    design = table("design_two_group", "sample")
    design.columns = [*design.columns[:-1], linear.CASE]
    block = pd.Series(["p1", "p2", "p3", "p4", "p1", "p2", "p5", "p6"])
    return table("voom_E", "gene"), design, block, table("voom_weights", "gene").to_numpy()


def test_the_correlation_within_subjects_follows_limma():
    """The consensus agrees to 3e-4: the REML iteration of statmod takes 21 steps at most, that of
    pylimma 20, and the few sets that have not converged by then differ in the second digit."""
    values, design, block, _ = blocked_inputs("scores_blocked")
    wanted = table("duplicate_correlation", "input").at["scores_blocked", "consensus"]
    found = linear.subject_correlation(values.T, design, block)
    assert found == pytest.approx(wanted, abs=3e-4)


@pytest.mark.parametrize(
    ("name", "reference", "tolerance"),
    [("scores_blocked", "limma_scores_blocked", 1e-8), ("counts", "limma_voom_blocked", 1e-6)],
)
def test_blocked_fit_follows_limma(name, reference, tolerance):
    """At the consensus that R has found."""
    values, design, block, weights = blocked_inputs(name)
    consensus = table("duplicate_correlation", "input").at[name, "consensus"]
    wanted = table(reference).set_index(values.index)
    found = linear.fit(values, design, weights, block=block, correlation=consensus)
    close(found["t"], wanted["t"], tolerance)
    close(found["p"], wanted["p"], tolerance)
    if weights is None:
        close(found["coefficient"], wanted["coef"])
        close(found["standard_error"], wanted["se"])
        close(found["df"], wanted["df_total"])
        whiten = linear.whitening(block, consensus)
        again = linear.fit((whiten @ values.T).T, whiten @ design)
        close(again["p"], wanted["p"], tolerance)


def test_adjusted_effects_follow_lm_and_squeeze_var():
    """Every set has a covariate of its own."""
    scores, covariates = table("scores", "set"), table("covariates", "set")
    design = table("design_two_group", "sample").to_numpy(float)
    designs = [
        np.column_stack([design[:, :1], covariate, design[:, 1:]])
        for covariate in covariates.to_numpy()
    ]
    found = adjustment.fit_each(scores, designs)
    wanted = table("adjusted", "set")
    for ours, theirs in (
        ("log2_fold_change", "effect"),
        ("standard_error", "se"),
        ("df", "df"),
        ("p", "p"),
        ("ci_low", "ci_low"),
        ("ci_high", "ci_high"),
        ("vif", "vif"),
    ):
        close(found[ours], wanted[theirs])


def test_composition_follows_prcomp():
    scores = table("scores", "set").iloc[10:17].T
    cells = {name: {name: 1} for name in scores}
    found, n_genes, names = adjustment.composition(scores, cells, set(), 1, 3)
    wanted = table("composition", "sample").to_numpy()
    signs = np.sign((found * wanted).sum(axis=0))  # a component has no sign of its own
    close(found * signs, wanted)
    assert n_genes == 7 and names == list(cells)


@pytest.mark.parametrize("name", ["paired", "covariate"])
def test_counts_and_set_tests_follow_limma_with(name):
    design = table(f"design_{name}", "sample").rename(columns={"group": "case"})
    counts = table("counts", "gene")
    profiles = anndata.AnnData(counts.T.astype(float), layers={"counts": counts.T.astype(float)})
    found, _ = linear.fit_genes(profiles, design, min_count=10)
    wanted = table(f"limma_voom_{name}", "gene")
    assert list(found.index) == list(wanted.index)
    close(found["coefficient"], wanted["logFC"], 1e-6)
    close(found["t"], wanted["t"], 1e-6)
    close(found["p"], wanted["p"], 1e-6)
    values = table("genes", "gene").T
    rows = pd.DataFrame(sensitivity.set_tests(values, sets_of_genes(), design, seed=1))
    wanted = table(f"set_tests_{name}", "set")
    for method in ("fry", "camera"):
        p = rows[rows["method"] == method].set_index("set_id")["p"].loc[wanted.index]
        close(p, wanted[f"{method}_p"])


def test_gene_effects_agree_with_deseq2():
    """Another model (negative binomial, median of ratios): the same genes, direction and size."""
    design = table("design_two_group", "sample").rename(columns={"group": "case"})
    counts = table("counts", "gene")
    profiles = anndata.AnnData(counts.T.astype(float), layers={"counts": counts.T.astype(float)})
    found, _ = linear.fit_genes(profiles, design, min_count=10)
    wanted = table("deseq2", "gene")
    assert list(found.index) == list(wanted.index)
    ours, theirs = found["coefficient"], wanted["logFC"]
    assert np.corrcoef(ours, theirs)[0, 1] > 0.96
    assert (np.sign(ours) == np.sign(theirs))[wanted["p"] < 0.05].all()
    assert np.median(np.abs(ours - theirs)) < 0.1
    tested = wanted["p"].notna()  # DESeq2 gives no p where one count stands out
    assert tested.mean() > 0.95
    assert np.corrcoef(found["t"][tested], (theirs / wanted["se"])[tested])[0, 1] > 0.9


META = (
    ("log2_fold_change", "estimate"),
    ("standard_error", "se"),
    ("p", "p"),
    ("ci_low", "ci_low"),
    ("ci_high", "ci_high"),
    ("prediction_low", "prediction_low"),
    ("prediction_high", "prediction_high"),
    ("tau2", "tau2"),
    ("i2", "i2"),
    ("heterogeneity_q", "heterogeneity_q"),
    ("heterogeneity_p", "heterogeneity_p"),
)


@pytest.mark.parametrize("case", table("meta")["case"])
def test_pooling_follows_metafor(case):
    """Paule-Mandel, Hartung-Knapp with its ad hoc form; asked for: 1e-4."""
    values = table("meta_values").query("case == @case")
    wanted = table("meta", "case").loc[case]
    found, weights = meta.pool(values["effect"], values["standard_error"])
    assert found["k"] == wanted["k"] and found["df"] == wanted["k"] - 1
    for ours, theirs in META:
        close(found[ours], wanted[theirs], 1e-6)
    assert (found["ci_method"] == meta.AD_HOC) == (wanted["q"] < 1 - 1e-6)
    plain = [found["plain_low"], found["plain_high"]]
    close(plain, wanted[["knha_low", "knha_high"]].astype(float), 1e-6)
    if found["ci_method"] == meta.HARTUNG_KNAPP:
        close([found["ci_low"], found["ci_high"]], plain)
    np.testing.assert_allclose(weights.sum(), 1)


@pytest.mark.parametrize("case", table("meta_leave_one_out")["case"].unique())
def test_leaving_a_study_out_follows_metafor(case):
    values = table("meta_values").query("case == @case")
    wanted = table("meta_leave_one_out").query("case == @case")
    found = meta.leave_one_out(values["effect"], values["standard_error"])
    assert len(found) == len(wanted)
    for ours, theirs in META:
        close([fit[ours] for fit in found], wanted[theirs], 1e-6)


@pytest.mark.parametrize("given", table("partial")["given"])
def test_partial_rank_correlation_follows_lm(given):
    values = table("partial_values")
    design = [np.ones(len(values))]
    design += [values["group"] == "a"] * ("group" in given) + [values["z"]] * ("z" in given)
    found = correlation.partial_rank(
        values[["x"]],
        values[["y"]],
        np.column_stack(design).astype(float),
        values["group"],
        most=100,
        rng=np.random.default_rng(0),
    )
    close(found["rho"][0, 0], table("partial", "given").loc[given, "rho"])


def test_shares_of_cell_types_follow_propeller():
    numbers = table("cell_numbers", "type")
    design = table("design_two_group", "sample").rename(columns={"group": "case"})
    wanted = table("cell_shares", "type")
    found = linear.fit(adjustment.log2_odds(numbers.T).T, design, robust=True)
    close(found["coefficient"] * np.log(2), wanted["coef"])
    for name in ("t", "p"):
        close(found[name], wanted[name], 1e-6)

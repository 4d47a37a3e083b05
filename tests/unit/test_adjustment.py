"""Adjusted effects: what a covariate is made of, and what it does to known truths."""

import anndata
import numpy as np
import pandas as pd
import pytest

from neuroimmune import scoring
from neuroimmune.adjustment import adjusted_effects, relative_expression
from neuroimmune.contrast import design_of, whitening_of
from neuroimmune.stats import adjust, linear
from test_contrast import DETECT

CONTRAST = {"question": "aiha_vs_healthy", "case": "aiha", "reference": "healthy"}
SETTINGS = {
    "erythroid_genes": [f"E{i}" for i in range(7)],
    "composition_sets": ["t_cells", "b_cells", "monocytes"],
    "composition_components": 4,
    "exposure_sets": ["sentinel", "exposed"],
    "exposure_never": {"hpa": ["X0", "X1"]},
    "min_genes": 3,
    "max_vif": 5,
}
SETS = {
    "true": [f"T{i}" for i in range(8)],
    "erythroid_driven": [f"D{i}" for i in range(8)],
    "t_driven": [f"C{i}" for i in range(8)],
    "steroid_driven": [f"S{i}" for i in range(8)],
    "null": [f"N{i}" for i in range(8)],
    "overlapping": ["E0", "E1", "E2", "E3", "E4"],
    "hpa_set": ["X0", "X1", "N0"],
    "sentinel": [f"X{i}" for i in range(6)],
    "exposed": [f"Y{i}" for i in range(6)],
    "t_cells": [f"MT{i}" for i in range(5)],
    "b_cells": [f"MB{i}" for i in range(5)],
    "monocytes": [f"MM{i}" for i in range(5)],
    "erythroid": [f"E{i}" for i in range(7)],
}
LOADS = {"E": "red", "D": "red", "MT": "t", "C": "t", "MB": "b", "MM": "m", "S": "steroid",
         "X": "steroid", "Y": "steroid"}  # fmt: skip


def study(n=8, seed=0, treatment=None, paired=False):
    """Arrays, n cases and n controls: cases have more reticulocytes and fewer T cells."""
    rng = np.random.default_rng(seed)
    case = np.repeat([1, 0], n)
    if treatment is None:
        treatment = ["glucocorticoid"] * (n // 2) + ["none"] * (n - n // 2) + ["none"] * n
    factors = {
        "red": rng.normal(0, 0.6, 2 * n) + 0.9 * case,
        "t": rng.normal(0, 0.5, 2 * n) - 0.7 * case,
        "b": rng.normal(0, 0.5, 2 * n),
        "m": rng.normal(0, 0.5, 2 * n),
        "steroid": np.array([1.5 * (word == "glucocorticoid") for word in treatment]),
    }
    panel = sorted({gene for genes in SETS.values() for gene in genes})
    genes = panel + [f"SIM{i}" for i in range(400)]
    values = rng.uniform(6, 12, len(genes)) + rng.normal(0, 0.2, (2 * n, len(genes)))
    for column, gene in enumerate(genes):
        factor = LOADS.get(gene.rstrip("0123456789"))
        if factor:
            values[:, column] += factors[factor]
        if gene in SETS["true"]:
            values[:, column] += 0.8 * case
    obs = pd.DataFrame(
        {
            "stratum": "all",
            "group": np.where(case == 1, "aiha", "healthy"),
            "subject": [f"s{i % n if paired else i}" for i in range(2 * n)],
            "treatment": treatment,
            "tissue": "blood",
            "batch": "",
            "fraction": "",
            "sex": "",
        },
        index=[f"GSM{i}" for i in range(2 * n)],
    )
    profiles = anndata.AnnData(values, obs, pd.DataFrame(index=genes))
    members = pd.DataFrame(
        [(name, f"H-{gene}", gene, 1) for name, listed in SETS.items() for gene in listed],
        columns=["set_id", "hgnc_id", "gene_symbol", "direction"],
    )
    mapping = pd.DataFrame(
        {"hgnc_id": [f"H-{gene}" for gene in panel], "symbol": panel, "data_id": panel}
    )
    scored = scoring.score_sets(profiles, members, mapping, DETECT)
    axis = {name: "hpa" if name == "hpa_set" else "other" for name in SETS}
    return {
        "profiles": scoring.add_scores(profiles, scored),
        "sets": pd.DataFrame({"set_id": list(SETS), "axis": [axis[name] for name in SETS]}),
        "members": members,
        "mapping": mapping,
        "controls": scored["controls"],
    }


def ladder(tables, contrast=CONTRAST, settings=SETTINGS):
    obs = tables["profiles"].obs.astype({"subject": str, "group": str})
    kept, design, report = design_of(obs, contrast, {"min_subjects": 3})
    whiten, _ = whitening_of(tables["profiles"].obsm["scores"], kept, design, contrast)
    return adjusted_effects(tables, kept, design, whiten, report, settings).set_index(
        ["set_id", "adjustment"]
    )


def test_a_stratum_without_controls_has_no_relative_expression():
    tables = study(n=3)
    table = relative_expression(tables["profiles"], tables["controls"].iloc[:0])
    assert table.shape == (6, 0) and list(table.index) == list(tables["profiles"].obs_names)


def counted(tables, cell_type="all"):
    """The same study from single cells: cases have three times as many B cells."""
    profiles = tables["profiles"]
    profiles.obs["cell_type"] = cell_type
    b_cells = np.where(profiles.obs["group"] == "aiha", 300, 100) + np.arange(len(profiles.obs))
    numbers = pd.DataFrame({"B cell": b_cells, "T cell": 500, "monocyte": 400})
    profiles.obsm["cell_numbers"] = numbers.set_index(profiles.obs_names)
    return tables


def test_counted_shares_stand_in_for_marker_scores():
    table = ladder(counted(study(n=12)))
    rows = table.xs("composition", level="adjustment")
    words = "2 components of the counted shares of B cell, T cell, monocyte"
    assert rows["covariate"].str.replace(r"^\d", "2", regex=True).eq(words).all()
    # The shares separate the groups here, and nothing can be told from them.
    assert rows["status"].str.startswith("not separable").all()
    assert (table.xs("none", level="adjustment")["status"] == "").all()


def test_one_cell_type_is_not_adjusted_for_the_mix():
    rows = ladder(counted(study(n=12), "B cell")).xs("composition", level="adjustment")
    assert rows["status"].eq("not adjusted: the stratum is one cell type").all()
    assert rows["log2_fold_change"].isna().all()


@pytest.fixture(scope="module")
def found():
    return ladder(study(n=12))


def test_the_right_covariate_takes_each_confounded_effect_away(found):
    for name, adjustment in (
        ("erythroid_driven", "erythroid"),
        ("t_driven", "composition"),
        ("steroid_driven", "treatment"),
    ):
        before, after = found.loc[(name, "none")], found.loc[(name, adjustment)]
        assert before["p"] < 0.05
        assert after["status"] == "" and after["p"] > 0.05 and after["attenuation"] > 0.7, name
        assert after["attenuation"] == pytest.approx(
            1 - after["log2_fold_change"] / before["log2_fold_change"]
        )


def test_a_true_effect_survives_all_of_them(found):
    rows = found.loc["true"]
    assert (rows["p"] < 0.01).all()
    assert rows["log2_fold_change"].between(0.55, 1.05).all()
    assert (rows.loc["none", "ci_low"] < 0.8) and (rows.loc["none", "ci_high"] > 0.8)


def test_a_covariate_never_holds_a_gene_of_the_set(found):
    assert found.loc[("true", "erythroid"), "n_covariate_genes"] == 7
    row = found.loc[("overlapping", "erythroid")]
    assert row["status"] == "not available: fewer than 3 marker genes are measurable"
    assert row["n_covariate_genes"] == 2 and np.isnan(row["p"])
    assert found.loc[("null", "treatment"), "covariate"] == "sentinel"
    assert found.loc[("null", "treatment"), "n_covariate_genes"] == 6
    # HPA sets: X0 and X1 are kept out of exposure whether they are in the set or not.
    assert found.loc[("hpa_set", "treatment"), "n_covariate_genes"] == 4
    # The sentinel itself is adjusted by the next exposure set.
    assert found.loc[("sentinel", "treatment"), "covariate"] == "exposed"


def test_without_adjustment_the_numbers_are_limmas(found):
    tables = study(n=12)
    scores = tables["profiles"].obsm["scores"]
    samples = pd.DataFrame({"arm": np.repeat([1, 0], 12), "subject": "x"}, index=scores.index)
    wanted = linear.fit(scores.T, linear.design_matrix(samples, False))
    base = found.xs("none", level="adjustment").loc[wanted.index]
    for ours, theirs in (
        ("log2_fold_change", "coefficient"),
        ("standard_error", "standard_error"),
        ("df", "df"),
        ("p", "p"),
        ("ci_low", "ci_low"),
    ):
        np.testing.assert_allclose(base[ours].astype(float), wanted[theirs], rtol=1e-9)


def test_adjusted_numbers_are_limmas_where_all_sets_share_the_covariate():
    rng = np.random.default_rng(1)
    scores = pd.DataFrame(rng.normal(size=(30, 10)) * rng.uniform(0.3, 2, (30, 1)))
    arm, covariate = np.repeat([1.0, 0.0], 5), rng.normal(size=10)
    design = pd.DataFrame({"intercept": 1.0, "x": covariate, "case": arm})
    ours = adjust.fit_each(scores, [design.to_numpy()] * 30)
    theirs = linear.fit(scores, design)
    np.testing.assert_allclose(ours["log2_fold_change"], theirs["coefficient"], rtol=1e-9)
    np.testing.assert_allclose(ours["p"], theirs["p"], rtol=1e-9)


@pytest.mark.parametrize(
    ("treatment", "status"),
    [
        (["none"] * 16, "not adjusted: every subject is untreated"),
        (["glucocorticoid"] * 16, "not adjusted: treatment does not differ"),
        (["glucocorticoid"] * 8 + ["none"] * 8, "not separable: treatment separates the groups"),
        (["glucocorticoid"] * 4 + ["unknown"] * 12, "shown only: treatment is not recorded"),
    ],
)
def test_when_exposure_may_be_adjusted_for(treatment, status):
    rows = ladder(study(treatment=treatment)).xs("treatment", level="adjustment")
    assert rows["status"].str.startswith(status).all()
    assert rows["p"].notna().all() == status.startswith("shown only")


def test_the_question_of_treatment_shows_its_ladder():
    tables = study(treatment=["glucocorticoid"] * 8 + ["none"] * 8)
    contrast = CONTRAST | {"question": "glucocorticoid_vs_vehicle"}
    row = ladder(tables, contrast).loc[("steroid_driven", "treatment")]
    assert row["status"].startswith("not separable: variance inflation")
    assert row["vif"] > 5


def test_few_subjects_limit_the_components():
    for n, components in ((3, 1), (6, 2), (12, 3)):
        rows = ladder(study(n=n)).xs("composition", level="adjustment")
        wanted = f"{components} components of t_cells, b_cells, monocytes"
        assert rows.loc["true", "covariate"] == wanted
    rows = ladder(study(n=4, paired=True), CONTRAST | {"paired": True})
    assert rows.loc[("true", "composition"), "covariate"].startswith("1 components of")
    rows = ladder(study(n=3, paired=True), CONTRAST | {"paired": True})
    assert rows.loc[("true", "composition"), "status"].startswith("not available: too few subjects")


def test_relative_expression_is_the_score_gene_by_gene():
    tables = study()
    relative = relative_expression(tables["profiles"], tables["controls"])
    for name in ("true", "overlapping"):
        np.testing.assert_allclose(
            relative[SETS[name]].mean(axis=1), tables["profiles"].obsm["scores"][name]
        )


def test_inflation():
    case = np.repeat([1.0, 0.0], 4)
    ones = np.ones(8)
    assert adjust.inflation(np.column_stack([ones, case])) == pytest.approx(1)
    other = np.array([1, 1, 1, 0, 0, 0, 0, 1.0])
    # Correlation 0.5 between the two indicators: 1 / (1 - 0.25).
    assert adjust.inflation(np.column_stack([ones, other, case])) == pytest.approx(4 / 3)
    assert adjust.inflation(np.column_stack([ones, case, case])) == np.inf

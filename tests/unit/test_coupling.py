"""Coupling within a study: known associations, who enters, what is given, what is refused."""

from itertools import permutations

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from neuroimmune.coupling import FULL, WITHIN, one_a_subject, run_coupling
from neuroimmune.stats.correlation import partial_rank, relabelings

CONTRASTS = {"c": {"case": "aiha", "reference": "healthy"}}
SETTINGS = {
    "effector_sets": ["imm_a"],
    "permutations": 2000,
    "min_df": 3,
    "seed": 1,
    "min_genes": 2,
    "min_gene_fraction": 0.3,
    "adjust": {
        "composition_sets": ["conf_a", "conf_b"],
        "composition_components": 4,
        "min_genes": 3,
        "exposure_sets": ["neuro_b"],
        "erythroid_genes": ["E1", "E2"],
    },
}
SETS = {
    "neuro_a": ["A1", "A2", "S1"],
    "neuro_b": ["B1", "B2"],
    "imm_a": ["I1", "I2", "S1"],
    "conf_a": ["C1", "C2", "C3"],
    "conf_b": ["D1", "D2", "D3"],
    "eryth": ["E1", "E2"],
}
FAMILY = {"neuro_a": "neuroimmune", "neuro_b": "neuroimmune", "imm_a": "immune_effector"}


def study(n=20, seed=0, linked=3.0, treatment=None, **obs):
    """Profiles of n subjects in two groups: A1, A2 follow I1, I2 by one hidden factor."""
    rng = np.random.default_rng(seed)
    genes = sorted({gene for members in SETS.values() for gene in members})
    controls = [f"K{i}" for i in range(5)]
    values = pd.DataFrame(rng.normal(8, 1, (n, len(genes) + 5)), columns=[*genes, *controls])
    values[controls] = 8.0
    factor = rng.normal(size=n)
    for gene in ("A1", "A2", "I1", "I2"):
        values[gene] += linked * factor
    table = pd.DataFrame(
        {
            "subject": [f"s{i}" for i in range(n)],
            "group": ["healthy", "aiha"] * (n // 2),
            "treatment": ["none"] * n if treatment is None else treatment,
            "stratum": "all",
            **obs,
        },
        index=[f"p{i}" for i in range(n)],
    )
    values.index = table.index
    members = pd.DataFrame(
        [
            {"set_id": name, "gene_symbol": gene, "hgnc_id": gene, "direction": 1}
            for name, own in SETS.items()
            for gene in own
        ]
    )
    return {
        "profiles": anndata.AnnData(values, obs=table),
        "sets": pd.DataFrame(
            {"set_id": list(SETS), "family": [FAMILY.get(name, "confounder") for name in SETS]}
        ),
        "members": members,
        "mapping": pd.DataFrame({"hgnc_id": genes, "data_id": genes}),
        "controls": pd.DataFrame(
            {"stratum": "all", "data_id": genes, "controls": ";".join(controls)}
        ),
    }


def run(tables, **changes):
    table = run_coupling("GSE1", tables, CONTRASTS, SETTINGS | changes)
    return table.set_index(["x", "y", "adjustment"])


def test_a_planted_association_is_found_and_the_other_is_not():
    table = run(study())
    for adjustment in (WITHIN, FULL):
        row = table.loc[("neuro_a", "imm_a", adjustment)]
        assert row["rho"] > 0.7 and row["q"] < 0.01 and row["n"] == 20
        assert table.loc[("neuro_b", "imm_a", adjustment), "p"] > 0.05
    assert set(table["label"]) == {"exploratory"}
    assert table.loc[("neuro_a", "imm_a", WITHIN), "given"] == "group"
    assert table.loc[("neuro_a", "imm_a", FULL), "given"] == (
        "group, 2 components of conf_a, conf_b"
    )


def test_a_gene_of_both_sets_couples_nothing():
    tables = study(linked=0)
    values = tables["profiles"].to_df()
    values["S1"] = 8 + 10 * np.linspace(-1, 1, len(values))
    tables["profiles"] = anndata.AnnData(values, obs=tables["profiles"].obs)
    assert abs(run(tables).loc[("neuro_a", "imm_a", WITHIN), "rho"]) < 0.4


def test_a_difference_between_the_groups_is_no_coupling():
    tables = study(linked=0)
    values = tables["profiles"].to_df()
    case = (tables["profiles"].obs["group"] == "aiha").to_numpy()
    values.loc[case, ["A1", "A2", "I1", "I2"]] += 10
    tables["profiles"] = anndata.AnnData(values, obs=tables["profiles"].obs)
    assert run(tables).loc[("neuro_a", "imm_a", WITHIN), "p"] > 0.05


def test_treatment_is_held_fixed_where_it_is_recorded():
    treatment = (["none"] * 3 + ["glucocorticoid"] * 2) * 4
    tables = study(treatment=treatment, linked=0)
    values = tables["profiles"].to_df()
    treated = np.array(treatment) == "glucocorticoid"
    values.loc[treated, ["A1", "A2", "I1", "I2"]] += 10
    tables["profiles"] = anndata.AnnData(values, obs=tables["profiles"].obs)
    table = run(tables)
    assert table.loc[("neuro_a", "imm_a", WITHIN), "p"] < 0.01
    row = table.loc[("neuro_a", "imm_a", FULL)]
    assert row["p"] > 0.05 and row["given"].startswith("group, treatment, ")
    unknown = run(study(treatment=["unknown"] * 20)).loc[("neuro_a", "imm_a", FULL)]
    assert unknown["status"] == "treatment is not recorded for 20 of 20 subjects"
    assert unknown["given"].startswith("group, 2 components") and unknown["rho"] > 0.7


def test_too_few_subjects_are_refused_in_words():
    table = run(study(n=6))
    assert table.loc[("neuro_a", "imm_a", WITHIN), "df"] == 3
    assert table.loc[("neuro_a", "imm_a", FULL), "status"] == (
        "not available: too few subjects for composition"
    )
    assert np.isnan(table.loc[("neuro_a", "imm_a", FULL), "rho"])
    table = run(study(n=4))
    assert table.loc[("neuro_a", "imm_a", WITHIN), "status"] == (
        "not available: 1 degrees of freedom are left"
    )


def test_a_set_that_is_not_measurable_keeps_its_rows():
    tables = study()
    tables["controls"] = tables["controls"][~tables["controls"]["data_id"].isin(["B1", "B2"])]
    row = run(tables).loc[("neuro_b", "imm_a", WITHIN)]
    assert row["status"] == "not measurable: neuro_b" and np.isnan(row["rho"])
    tables["controls"] = tables["controls"][~tables["controls"]["data_id"].isin(["I1", "I2"])]
    assert set(run(tables)["status"]) == {"not measurable: imm_a"}


def test_a_subject_enters_once_with_the_reference_first():
    obs = pd.DataFrame(
        {
            "subject": ["1", "1", "2", "2", "3"],
            "group": ["aiha", "healthy", "other", "aiha", "other"],
        },
        index=list("abcde"),
    )
    assert one_a_subject(obs, CONTRASTS) == ["b", "d", "e"]


def test_dose_is_compared_with_exposure_erythroid_scores_and_genes():
    dose = [str(5 * (i % 5)) for i in range(20)]
    tables = study(linked=0, dose=dose)
    values = tables["profiles"].to_df()
    values["E1"] += np.array(dose, dtype=float)
    tables["profiles"] = anndata.AnnData(values, obs=tables["profiles"].obs)
    table = run(tables)
    rows = table[table["kind"] == "dose"].reset_index().set_index("y")
    assert set(rows.index) == {"neuro_b", "B1", "B2", "E1", "E2", "erythroid marker genes"}
    assert rows.loc["E1", "rho"] > 0.9 and rows.loc["erythroid marker genes", "q"] < 0.01
    assert abs(rows.loc["E2", "rho"]) < 0.5 and (rows["n"] == 20).all()
    blank = run(study(dose=["", *dose[1:]]))
    assert set(blank[blank["kind"] == "dose"]["n"]) == {19}
    assert "dose" not in set(run(study(dose=["5"] * 20))["kind"])


def test_the_table_does_not_depend_on_chance():
    pd.testing.assert_frame_equal(run(study()), run(study()))


def test_relabelings_stay_within_cells_and_are_all_where_few():
    rows, exact = relabelings(list("aabbb"), 100, np.random.default_rng(0))
    assert exact and len(rows) == 12 and len({tuple(row) for row in rows}) == 12
    assert list(rows[0]) == [0, 1, 2, 3, 4]
    assert all(set(row[:2]) == {0, 1} for row in rows)
    rows, exact = relabelings(["a"] * 8, 100, np.random.default_rng(0))
    assert not exact and len(rows) == 101 and list(rows[0]) == list(range(8))


def test_the_exact_p_is_that_of_all_exchanges():
    x, y = np.array([3.0, 1.0, 4.0, 1.5, 9.0]), np.array([2.0, 7.0, 1.0, 8.0, 3.0])
    found = partial_rank(
        x[:, None], y[:, None], np.ones((5, 1)), ["a"] * 5, 200, np.random.default_rng(0)
    )
    observed = stats.spearmanr(x, y).statistic
    every = [abs(stats.spearmanr(x[list(order)], y).statistic) for order in permutations(range(5))]
    assert found["rho"][0, 0] == pytest.approx(observed)
    assert found["p"][0, 0] == pytest.approx(np.mean(np.array(every) >= abs(observed) - 1e-9))
    assert found["exact"] and found["relabelings"] == 120 and found["df"] == 3


def test_a_variable_that_does_not_vary_has_no_correlation():
    x = np.column_stack([np.ones(6), np.arange(6.0)])
    found = partial_rank(x, x[:, [1]], np.ones((6, 1)), ["a"] * 6, 1000, np.random.default_rng(0))
    assert np.isnan(found["rho"][0, 0]) and np.isnan(found["p"][0, 0])
    assert found["rho"][1, 0] == pytest.approx(1)

"""Other scorers, leave-one-gene-out, and what the comparison says."""

import numpy as np
import pandas as pd
import pytest

from neuroimmune import sensitivity
from test_contrast import PLAIN, SETTINGS, blocked_study, run, study


@pytest.fixture(scope="module")
def result():
    return sensitivity.run_sensitivity("GSE1", "c", PLAIN, study(), SETTINGS)


def test_all_methods_find_a_moved_set_and_not_a_null_set(result):
    table = result["scorers"].set_index(["set_id", "method"])
    assert list(table.loc["moved"].index) == list(sensitivity.METHODS)
    assert set(table.loc["moved", "direction"]) == {"up"}
    assert (table.loc["moved", "p"].astype(float) < 0.05).all()
    # The null set must not be called by the scorers that test subjects.
    assert (table.loc["null"].loc[list(sensitivity.SCORERS), "p"].astype(float) > 0.01).all()


def test_a_blocked_contrast_is_blocked_for_all_scorers():
    tables, contrast = blocked_study(), PLAIN | {"blocked": True}
    found = sensitivity.run_sensitivity("GSE1", "c", contrast, tables, SETTINGS)["scorers"]
    headline = found[found["method"] == "matched controls"].set_index("set_id")
    sets = run(tables, contrast)["sets"].set_index("set_id")
    np.testing.assert_allclose(headline["p"].astype(float), sets["p"])
    np.testing.assert_allclose(headline["log2_fold_change"].astype(float), sets["log2_fold_change"])


def test_shares_of_genes_add_up_to_the_effect(result):
    genes = result["leave_one_out"].query("set_id == 'moved'")
    effect = result["scorers"].query("set_id == 'moved' and method == 'matched controls'")
    assert genes["share"].sum() == pytest.approx(1)
    assert genes["log2_fold_change"].mean() == pytest.approx(effect["log2_fold_change"].iloc[0])
    first = genes.iloc[0]
    rest = genes["log2_fold_change"].iloc[1:].mean()
    assert first["log2_fold_change_without"] == pytest.approx(rest)


def test_no_gene_carries_a_set_that_moves_as_one(result):
    row = result["concordance"].set_index("set_id").loc["moved"]
    assert row["n_methods"] == row["n_same_direction"] == row["n_p_05"] == 7
    assert row["depends_on_scorer"] == "no" and row["carried_by_one_gene"] == "no"


def rows(**p):
    """Scorer rows of one set; a negative p means that the method points down."""
    return pd.DataFrame(
        {
            "set_id": "s",
            "method": list(sensitivity.SCORERS),
            "direction": ["down" if value < 0 else "up" for value in p.values()],
            "p": [abs(value) for value in p.values()],
            "log2_fold_change": [1.0, None, None, None],
        }
    )


@pytest.mark.parametrize(
    ("p", "depends"),
    [
        ((0.01, 0.01, 0.01, 0.2), "no"),
        ((0.01, 0.01, 0.2, 0.2), "yes"),
        ((0.01, 0.01, 0.01, -0.01), "yes"),
        ((0.2, 0.2, 0.2, 0.2), "no"),
        ((0.2, -0.01, 0.2, 0.2), "yes"),
    ],
)
def test_when_the_conclusion_depends_on_the_scorer(p, depends):
    genes = pd.DataFrame(
        {
            "set_id": "s",
            "data_id": ["A", "B"],
            "share": [0.9, 0.1],
            "log2_fold_change_without": [0.2, 1.8],
        }
    )
    found = sensitivity.concordance(rows(**dict(zip("abcd", p, strict=True))), genes).iloc[0]
    assert found["depends_on_scorer"] == depends
    assert (found["leading_gene"], found["carried_by_one_gene"]) == ("A", "yes")


def test_turned_genes_turn_every_score():
    rng = np.random.default_rng(0)
    values = pd.DataFrame(rng.normal(8, 2, (6, 200)), columns=[f"g{i}" for i in range(200)])
    values.index = [f"s{i}" for i in range(6)]
    genes = ["g3", "g50", "g120"]
    plain, turned = {"a": (genes, [1, 1, 1])}, {"a": (genes, [-1, -1, -1])}
    for method in ("ssGSEA", "GSVA"):
        up, down = (sensitivity.enrichment_scores(values, s, method, 1) for s in (plain, turned))
        np.testing.assert_allclose(up["a"], -down["a"])
    up, down = (sensitivity.rank_mean(values, s) for s in (plain, turned))
    np.testing.assert_allclose(up["a"], -down["a"], atol=1e-12)
    assert up["a"].abs().max() <= 0.5


def test_identifiers_that_are_digits_are_found():
    """Entrez ids: gseapy by itself takes them for numbers."""
    rng = np.random.default_rng(0)
    values = pd.DataFrame(rng.normal(8, 2, (6, 200)), columns=[str(i) for i in range(200)])
    values.index = [f"s{i}" for i in range(6)]
    named = values.rename(columns=lambda name: f"g{name}")
    for method in ("ssGSEA", "GSVA"):
        digits = sensitivity.enrichment_scores(values, {"a": (["3", "50"], [1, 1])}, method, 1)
        names = sensitivity.enrichment_scores(named, {"a": (["g3", "g50"], [1, 1])}, method, 1)
        np.testing.assert_allclose(digits["a"], names["a"])

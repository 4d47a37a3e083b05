"""The verdict rule: every branch, and the order in which they match."""

import numpy as np
import pandas as pd
import pytest

from neuroimmune.verdict import add_q, fold_words, give_verdicts, judge

SETTINGS = {
    "max_q": 0.05,
    "max_permutation_p": 0.05,
    "min_genes": 2,
    "min_gene_fraction": 0.3,
    "min_set_count": 2,
    "min_subjects": 3,
    "margin_fold": 1.5,
}
DESIGN = {
    "study": "GSE1",
    "contrast": "c",
    "stratum": "all",
    "problem": "",
    "confounders": [],
    "treatment_unknown": False,
}
ROW = {
    "study": "GSE1",
    "contrast": "c",
    "stratum": "all",
    "set_id": "s",
    "family": "neuroimmune",
    "n_genes": 10,
    "n_measurable": 8,
    "fraction_measurable": 0.8,
    "set_count": 500,
    "log2_fold_change": 1.0,
    "ci90_low": 0.5,
    "ci90_high": 1.5,
    "p": 0.001,
    "permutation_p": 0.01,
    "permutation_floor": 0.002,
    "detectable_effect": 0.8,
}
WIDE = {"p": 0.4, "log2_fold_change": 0.2, "ci90_low": -0.7, "ci90_high": 1.1}
TIGHT = {"p": 0.4, "log2_fold_change": 0.1, "ci90_low": -0.2, "ci90_high": 0.4}


def verdict(row=None, design=None):
    table = pd.DataFrame([ROW | (row or {})])
    found = give_verdicts(table, [DESIGN | (design or {})], SETTINGS).iloc[0]
    return found["verdict"], found["detail"], found["reason"], found["q"]


CONFOUNDED = {"confounders": [{"factor": "treatment", "case": "x", "reference": "y"}]}


@pytest.mark.parametrize(
    ("row", "design", "wanted", "detail"),
    [
        ({}, {}, "higher", ""),
        ({"log2_fold_change": -1.0}, {}, "lower", ""),
        ({"n_measurable": 1, "fraction_measurable": 0.5}, {}, "not measurable", "detection"),
        ({"fraction_measurable": 0.29}, {}, "not measurable", "detection"),
        ({"fraction_measurable": 0.3}, {}, "higher", ""),
        ({"set_count": 1.9}, {}, "not measurable", "detection"),
        ({"set_count": np.nan}, {}, "higher", ""),
        ({}, {"problem": "2 and 2 subjects"}, "not measurable", "design"),
        ({}, CONFOUNDED, "not measurable", "confounded by treatment"),
        ({"fraction_measurable": 0.1}, CONFOUNDED, "not measurable", "detection"),
        ({}, CONFOUNDED | {"problem": "2 and 2 subjects"}, "not measurable", "design"),
        ({"p": 0.051}, {}, "inconclusive", ""),
        ({"permutation_p": 0.06}, {}, "inconclusive", ""),
        ({"permutation_p": 0.125, "permutation_floor": 0.125}, {}, "higher", ""),
        ({"permutation_p": np.nan, "permutation_floor": np.nan}, {}, "higher", ""),
        (TIGHT, {}, "no difference", ""),
        (WIDE, {}, "inconclusive", ""),
        ({}, {"treatment_unknown": True}, "higher", "treatment unknown"),
        (WIDE, {"treatment_unknown": True}, "inconclusive", "treatment unknown"),
    ],
)
def test_every_branch(row, design, wanted, detail):
    assert verdict(row, design)[:2] == (wanted, detail)


def test_reasons_are_in_words():
    assert verdict({})[2] == "2.00-fold up relative to matched genes, q 0.001"
    assert verdict({"n_measurable": 1})[2] == (
        "1 of 10 genes are detected; at least 2 and 30 % are needed"
    )
    assert verdict({"set_count": 1.9})[2] == (
        "1.9 counts of the whole set in a sample; at least 2 are needed"
    )
    assert verdict({}, CONFOUNDED)[2] == "treatment separates the groups"
    assert verdict(TIGHT)[2] == (
        "the 90 % interval (1.15-fold down to 1.32-fold up) lies within 1.5-fold"
    )
    assert verdict(WIDE)[2] == (
        "the 90 % interval (1.62-fold down to 2.14-fold up) reaches beyond 1.5-fold; this cohort "
        "finds 1.74-fold up or more"
    )


def test_confounded_sets_keep_their_numbers_but_no_q():
    assert np.isnan(verdict({}, CONFOUNDED)[3])
    assert verdict({})[3] == 0.001


def test_q_counts_measurable_sets_of_one_family_contrast_and_stratum():
    rows = pd.DataFrame(
        {
            "study": ["A", "A", "A", "A", "B"],
            "contrast": "c",
            "stratum": "all",
            "family": ["n", "n", "n", "control", "n"],
            "gate": ["", "", "detection", "", ""],
            "p": [0.01, 0.04, 0.0001, 0.04, 0.04],
        }
    )
    np.testing.assert_allclose(add_q(rows)["q"], [0.02, 0.04, np.nan, 0.04, 0.04])


def test_fold_words():
    assert [fold_words(x) for x in (1, -1, 0)] == ["2.00-fold up", "2.00-fold down", "1.00-fold up"]


def test_judge_needs_no_table():
    assert judge(ROW | {"gate": "", "q": 0.2}, DESIGN, SETTINGS)[0] == "inconclusive"

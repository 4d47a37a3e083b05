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
    "min_attenuation": 0.5,
    "max_p": 0.05,
}
DESIGN = {
    "question": "aiha_vs_healthy",
    "study": "GSE1",
    "contrast": "c",
    "stratum": "all",
    "problem": "",
    "confounders": [],
    "treatment_unknown": False,
    "noisy_few": False,
}
ROW = {
    "study": "GSE1",
    "contrast": "c",
    "stratum": "all",
    "set_id": "s",
    "family": "neuroimmune",
    "n_case": 5,
    "n_reference": 5,
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


def rung(adjustment, effect=0.9, p=0.001, status=""):
    """One row of the adjusted table; the unadjusted effect is 1."""
    return {
        "study": "GSE1",
        "contrast": "c",
        "stratum": "all",
        "set_id": "s",
        "adjustment": adjustment,
        "status": status,
        "log2_fold_change": effect,
        "attenuation": 1 - effect,
        "p": p,
    }


LADDER = [rung("none", 1.0), rung("erythroid"), rung("composition"), rung("treatment")]

WIDE = {"p": 0.4, "log2_fold_change": 0.2, "ci90_low": -0.7, "ci90_high": 1.1}
TIGHT = {"p": 0.4, "log2_fold_change": 0.1, "ci90_low": -0.2, "ci90_high": 0.4}


def verdict(row=None, design=None, ladder=LADDER):
    table = pd.DataFrame([ROW | (row or {})])
    rungs = pd.DataFrame(ladder)
    found = give_verdicts(table, rungs, [DESIGN | (design or {})], SETTINGS).iloc[0]
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
        # A cell type that one group lacks, and one without genes that could be controls.
        ({"n_case": 0, "n_measurable": 0}, {"problem": "0 and 5"}, "not measurable", "design"),
        ({"log2_fold_change": np.nan}, {}, "not measurable", "detection"),
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
        ({}, {"noisy_few": True}, "higher", "the smaller group varies more"),
    ],
)
def test_every_branch(row, design, wanted, detail):
    assert verdict(row, design)[:2] == (wanted, detail)


def gone(adjustment, **changes):
    """The ladder with one rung on which the effect goes away."""
    changed = rung(adjustment, 0.2, 0.4) | changes
    return [changed if row["adjustment"] == adjustment else row for row in LADDER]


@pytest.mark.parametrize(
    ("ladder", "row", "design", "wanted"),
    [
        (gone("treatment"), {}, {}, "explained by treatment"),
        (gone("erythroid"), {}, {}, "explained by composition"),
        (gone("composition"), {}, {}, "explained by composition"),
        # Half of the effect gone, and p above 0.05: both are needed.
        (gone("treatment", attenuation=0.5), {}, {}, "explained by treatment"),
        (gone("treatment", attenuation=0.49), {}, {}, "higher"),
        (gone("treatment", p=0.05), {}, {}, "higher"),
        (
            gone("treatment", log2_fold_change=-0.6, attenuation=1.6),
            {},
            {},
            "explained by treatment",
        ),
        # Adjusted numbers that decide nothing.
        (gone("treatment", status="not separable: variance inflation 9.0"), {}, {}, "higher"),
        (gone("treatment", status="shown only: treatment is not recorded"), {}, {}, "higher"),
        # The question's own factor explains nothing away.
        (gone("treatment"), {}, {"question": "glucocorticoid_vs_vehicle"}, "higher"),
        (
            gone("erythroid"),
            {},
            {"question": "glucocorticoid_vs_vehicle"},
            "explained by composition",
        ),
        # Confounders and controls are shown as they are.
        (gone("erythroid"), {"family": "confounder"}, {}, "higher"),
        (gone("erythroid"), {"family": "negative_control"}, {}, "higher"),
        # Only what moves can be explained.
        (gone("treatment"), WIDE, {}, "inconclusive"),
        (gone("treatment"), TIGHT, {}, "no difference"),
        (gone("treatment"), {"n_measurable": 1}, {}, "not measurable"),
    ],
)
def test_what_explains_a_move(ladder, row, design, wanted):
    assert verdict(row, design, ladder)[0] == wanted


def test_treatment_comes_before_composition_and_what_is_left_is_said():
    ladder = [rung("none", 1.0), rung("erythroid", 0.1, 0.5), rung("treatment", -0.2, 0.5)]
    assert verdict({}, {}, ladder)[0] == "explained by treatment"
    assert verdict({}, {}, ladder)[2] == (
        "2.00-fold up relative to matched genes, q 0.001; 1.15-fold down once glucocorticoid "
        "exposure is adjusted for"
    )
    assert verdict({}, {}, gone("composition"))[2].endswith(
        "; 1.15-fold up once erythroid RNA or cell mix is adjusted for"
    )


def test_a_significant_rest_of_a_halved_effect_is_said():
    ladder = gone("erythroid", log2_fold_change=0.4, attenuation=0.6, p=0.01)
    assert verdict({}, {}, ladder)[:2] == ("higher", "in part explained by erythroid RNA")
    assert verdict({"family": "confounder"}, {}, ladder)[:2] == ("higher", "")
    assert verdict(TIGHT, {}, ladder)[:2] == ("no difference", "")


def test_what_cannot_be_separated_is_said():
    ladder = gone("treatment", status="not separable: variance inflation 9.0")
    assert verdict({}, {}, ladder)[1] == "not separable from glucocorticoid exposure"
    assert verdict({}, {"question": "glucocorticoid_vs_vehicle"}, ladder)[1] == ""
    assert verdict({}, {"treatment_unknown": True}, ladder)[1] == (
        "treatment unknown; not separable from glucocorticoid exposure"
    )


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


def test_a_move_within_the_margin_is_called_small():
    row = ROW | {"gate": "", "q": 0.01, "log2_fold_change": 0.1, "ci90_low": 0.05}
    verdict, detail, reason = judge(row | {"ci90_high": 0.15}, {}, DESIGN, SETTINGS)
    assert (verdict, detail) == ("higher", "smaller than the margin")
    assert reason.endswith("q 0.01; smaller than the margin")
    assert judge(row | {"ci90_high": 0.6}, {}, DESIGN, SETTINGS)[:2] == ("higher", "")


def test_judge_needs_no_table():
    assert judge(ROW | {"gate": "", "q": 0.2}, {}, DESIGN, SETTINGS)[0] == "inconclusive"

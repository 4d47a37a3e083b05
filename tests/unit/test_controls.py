"""The workflow's own controls: every outcome and its sentence."""

import pandas as pd
import pytest

from neuroimmune.controls import NEGATIVE_SETS, check_controls

STUDIES = {"GSE1": {"tissue": "PBMC"}, "GSE2": {"tissue": "airway"}}
CLASSES = {"pbmc": "PBMC"}


def verdict(set_id, verdict="no difference", question="glucocorticoid_vs_vehicle", **more):
    row = {
        "study": "GSE1",
        "contrast": "c",
        "stratum": "all",
        "question": question,
        "set_id": set_id,
        "family": "glucocorticoid_response",
        "gate": "",
        "verdict": verdict,
        "detail": "",
        "reason": "why",
        "log2_fold_change": 1.0,
    }
    return row | more


def check(*rows, control):
    table = check_controls(pd.DataFrame(list(rows)), STUDIES, CLASSES)
    return table[table["control"] == control].to_dict("records")


@pytest.mark.parametrize(
    ("found", "more", "outcome", "words"),
    [
        ("higher", {}, "pass", "and is higher (2.00-fold up)"),
        ("higher", {"study": "GSE2"}, "pass", "and is higher (2.00-fold up)"),
        ("lower", {}, "fail", "the verdict is lower (why)"),
        ("inconclusive", {}, "fail", "the verdict is inconclusive (why)"),
        ("no difference", {"study": "GSE2"}, "not run", "airway is of no tissue class"),
        ("not measurable", {"gate": "detection"}, "not run", "it is not measurable (why)"),
    ],
)
def test_glucocorticoids_must_raise_their_targets(found, more, outcome, words):
    (row,) = check(verdict("gr_response_up", found, **more), control="glucocorticoid")
    assert row["outcome"] == outcome and words in row["sentence"]
    assert row["sentence"].startswith(f"{row['study']}, c: gr_response_up must be higher")


def epo(set_id, found, **more):
    return verdict(set_id, found, "erythropoiesis_vs_baseline", family="neuroimmune", **more)


ERYTHROID = epo("conf_erythroid_reticulocyte", "higher") | {"family": "confounder"}


@pytest.mark.parametrize(
    ("rows", "outcome", "words"),
    [
        ([epo("a", "no difference")], "pass", "none of 1 does (0 explained by composition)"),
        (
            [epo("a", "explained by composition"), epo("b", "inconclusive")],
            "pass",
            "none of 2 does (1 explained by composition)",
        ),
        ([epo("a", "higher"), epo("b", "inconclusive")], "fail", "1 of 2 do (a)"),
        (
            [epo("a", "higher", detail="not separable from erythroid")],
            "not run",
            "1 of 1 move and cannot be told from them",
        ),
        ([epo("a", "not measurable", gate="detection")], "not run", "none can be tested here"),
    ],
)
def test_erythropoiesis_must_move_erythroid_and_nothing_neuroimmune(rows, outcome, words):
    found = check(ERYTHROID, *rows, control="erythropoiesis")
    target = next(row for row in found if row["sets"] == "conf_erythroid_reticulocyte")
    other = next(row for row in found if row is not target)
    assert target["outcome"] == "pass"
    assert other["outcome"] == outcome and words in other["sentence"]


def test_negative_sets_must_stay():
    stay = verdict(NEGATIVE_SETS[0])
    absent = verdict(NEGATIVE_SETS[1], "not measurable", gate="detection")
    moved = verdict(NEGATIVE_SETS[2], "higher")
    (row,) = check(stay, absent, control="negative sets")
    assert (row["outcome"], row["n_tested"], row["n_moved"]) == ("pass", 1, 0)
    (row,) = check(stay, absent, moved, control="negative sets")
    assert (row["outcome"], row["n_tested"], row["n_moved"]) == ("fail", 2, 1)
    assert row["sentence"].endswith(": neg_lens_retina in GSE1, c")
    (row,) = check(absent, control="negative sets")
    assert row["outcome"] == "pass"
    confounded = verdict(NEGATIVE_SETS[0], "not measurable", gate="confounded")
    (row,) = check(confounded, control="negative sets")
    assert row["outcome"] == "not run"


def test_what_no_contrast_asks_is_not_run_and_failures_come_first():
    rows = [verdict("gr_response_up", "lower"), verdict(NEGATIVE_SETS[0])]
    table = check_controls(pd.DataFrame(rows), STUDIES, CLASSES)
    assert list(table["outcome"]) == ["fail", "not run", "pass"]
    assert table["sentence"][1] == "no contrast of this run asks erythropoiesis_vs_baseline"

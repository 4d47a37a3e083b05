"""Evidence on claims: the finding never exceeds the verdicts; every branch of the wording."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neuroimmune.claims import COUNTS, in_words, read_claims, stand, weigh, weigh_claims
from neuroimmune.errors import UserError
from neuroimmune.stats.power import detectable_effect
from neuroimmune.studies import QUESTION_FACTOR
from neuroimmune.synthesis import META_COLUMNS

CLASSES = {"whole blood": "whole blood", "treg": "sorted lymphocytes"}
CLAIM = {
    "claim_id": "brake",
    "axis": "hpa",
    "claim": "It is weak.",
    "source": "review",
    "questions": "aiha_vs_healthy",
    "tissue_classes": "",
    "untreated": "",
    "sets": {"a": "lower", "b": "either"},
    "asked": ["aiha_vs_healthy"],
    "classes": [],
}


def test_treated_subjects_say_nothing_on_the_bodys_own_glucocorticoids():
    claim = {"sets": {"a": "lower"}, "untreated": "yes"}
    found = {"set_id": "a", "verdict": "higher", "detail": "", "untreated": False}
    assert stand(found, claim) == "doubtful"
    assert stand(found | {"untreated": True}, claim) == "against"
    assert stand(found | {"verdict": "no difference"}, claim) == "no_difference"


def counts(**given):
    return dict.fromkeys(COUNTS, 0) | {f"n_{name}": n for name, n in given.items()}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, "not asked"),
        ({"not_measurable": 3}, "not measurable"),
        ({"for": 1, "inconclusive": 1}, "speaks for"),
        ({"for": 1, "inconclusive": 2}, "speaks for in part"),
        ({"for": 1, "not_measurable": 9}, "speaks for"),
        ({"for": 3, "against": 1}, "contradictory"),
        ({"against": 2, "no_difference": 1}, "speaks against"),
        ({"against": 1, "no_difference": 2}, "speaks against in part"),
        ({"doubtful": 5}, "moves, cause open"),
        ({"doubtful": 1, "explained": 3}, "moves, cause open"),
        ({"explained": 2, "no_difference": 5}, "explained"),
        ({"no_difference": 4, "not_measurable": 2}, "no difference"),
        ({"no_difference": 4, "inconclusive": 1}, "open"),
    ],
)
def test_the_finding_is_never_stronger_than_the_verdicts(given, wanted):
    assert weigh(counts(**given)) == wanted


@pytest.mark.parametrize(
    ("verdict", "detail", "expected", "wanted"),
    [
        ("lower", "", "lower", "for"),
        ("higher", "", "lower", "against"),
        ("higher", "", "either", "for"),
        ("higher", "treatment unknown", "higher", "doubtful"),
        ("higher", "treatment unknown", "lower", "doubtful"),
        ("higher", "smaller than the margin", "higher", "for"),
        ("lower", "treatment unknown; smaller than the margin", "higher", "doubtful"),
        ("explained by treatment", "", "lower", "explained"),
        ("explained by composition", "", "lower", "explained"),
        ("no difference", "", "either", "no_difference"),
        ("inconclusive", "", "lower", "inconclusive"),
        ("not measurable", "detection", "lower", "not_measurable"),
    ],
)
def test_what_a_verdict_is_to_a_claim(verdict, detail, expected, wanted):
    found = {"set_id": "a", "verdict": verdict, "detail": detail, "untreated": False}
    assert stand(found, {"sets": {"a": expected}, "untreated": ""}) == wanted
    assert f"n_{wanted}" in COUNTS


WORDS = {
    "contradictory": ({"for": 1, "against": 1}, "The data contradict each other: "),
    "speaks for": ({"for": 1}, "In line with the claim: of 1 verdict from 1 study, 1 in the "),
    "speaks for in part": ({"for": 1, "no_difference": 2}, "In part in line with the claim: "),
    "speaks against": ({"against": 1}, "Against the claim: "),
    "speaks against in part": ({"against": 1, "inconclusive": 2}, "In part against the claim: "),
    "moves, cause open": ({"doubtful": 1}, "Sets move, but it is open by what: "),
    "explained": ({"explained": 1}, "What moves is explained by treatment or composition: "),
    "no difference": ({"no_difference": 2}, "No difference beyond the margin in any measurable "),
    "open": ({"inconclusive": 2}, "Undecided: of 2 verdicts from 1 study, 2 inconclusive."),
    "not asked": ({}, "No study of this run asks this."),
}


@pytest.mark.parametrize("finding", WORDS)
def test_every_finding_has_its_words(finding):
    given, start = WORDS[finding]
    found = counts(**given)
    assert weigh(found) == finding
    assert in_words(finding, found, pd.DataFrame({"study": ["GSE1"]})).startswith(start)


def row(set_id, verdict="inconclusive", **more):
    base = {
        "study": "GSE1",
        "contrast": "c",
        "stratum": "all",
        "question": "aiha_vs_healthy",
        "simulated": "no",
        "set_id": set_id,
        "gate": "",
        "verdict": verdict,
        "detail": "",
        "n_case": 4,
        "n_reference": 4,
        "standard_error": 0.5,
    }
    return base | more


def weighed(*rows, claim=CLAIM, paired="", pooled=(), tissue="treg", organism="Homo sapiens"):
    designs = [
        {
            "study": r["study"],
            "contrast": r["contrast"],
            "stratum": "all",
            "paired": paired == "paired",
            "blocked": paired == "blocked",
            "untreated": True,
        }
        for r in rows
    ]
    result = weigh_claims(
        [claim],
        pd.DataFrame(list(rows)),
        pd.DataFrame(list(pooled), columns=list(META_COLUMNS)),
        designs,
        {r["study"]: {"tissue": tissue, "organism": organism} for r in rows},
        CLASSES,
        {"margin_fold": 1.5},
    )
    return result["claims"].iloc[0], result["sets"].set_index("set_id")


def test_a_claim_counts_its_sets_and_says_how_many_subjects_are_needed():
    claim, sets = weighed(row("a", "lower"), row("b", standard_error=0.3))
    assert claim["finding"] == "speaks for" and claim["studies"] == "GSE1"
    assert (claim["n_for"], claim["n_inconclusive"]) == (1, 1)
    assert sets.loc["a", "sentence"] == "GSE1 (c): lower"
    # Median standard error 0.4 with 4 against 4: a spread of 0.4 / sqrt(1/2).
    n = claim["n_per_group"]
    spread = 0.4 / np.sqrt(0.5)
    reach = [detectable_effect(spread * np.sqrt(2 / m), 2 * m - 2) for m in (n - 1, n)]
    assert reach[1] <= np.log2(1.5) < reach[0]
    assert claim["settle"] == (
        f"Untreated patients with AIHA and healthy donors, sorted lymphocytes: n >= {n} a group "
        "(median set, 1.5-fold, by the spread in GSE1); from a centre of its own, to repeat the "
        "finding."
    )


def test_verdicts_of_other_questions_and_tissues_do_not_speak():
    other = row("a", "lower", question="relapse_vs_remission")
    claim, sets = weighed(other)
    assert claim["finding"] == "not asked" and sets.loc["a", "finding"] == "not asked"
    assert "by the spread in GSE1, which ask something else" in claim["settle"]
    claim, _ = weighed(row("a", "lower"), claim=CLAIM | {"classes": ["marrow"]})
    assert claim["finding"] == "not asked"


def test_what_would_settle_it():
    hidden = row("a", "not measurable", gate="detection", detail="detection")
    claim, _ = weighed(hidden)
    assert claim["finding"] == "not measurable"
    assert claim["settle"].startswith("Not RNA of these cells")
    assert claim["sentence"] == "Asked in 1 study, but measurable in none (detection)."
    confounded = row("a", "not measurable", gate="confounded", detail="confounded by treatment")
    claim, _ = weighed(confounded)
    assert "treatment must not separate the groups" in claim["settle"]
    claim, _ = weighed(row("a", "no difference"), row("b", "no difference"))
    assert claim["settle"].startswith("Nothing further within 1.5-fold")
    claim, _ = weighed(row("a", "explained by composition"))
    assert "sorted cells or counted cell fractions" in claim["settle"]
    claim, _ = weighed(row("a", "lower", detail="treatment unknown"))
    assert claim["settle"].endswith("; with treatment recorded.")
    claim, _ = weighed(row("a", standard_error=9.0))
    assert "n > 1000 a group" in claim["settle"]


@pytest.mark.parametrize(
    "more",
    [
        {"paired": "paired"},
        {"paired": "blocked"},
        {"organism": "Mus musculus"},
        {"tissue": "airway"},
    ],
)
def test_the_spread_comes_from_unpaired_human_blood_only(more):
    claim, _ = weighed(row("a"), **more)
    assert claim["n_per_group"] is None or np.isnan(claim["n_per_group"])
    assert "the number cannot be computed" in claim["settle"]


def test_a_pooled_estimate_is_quoted_and_changes_no_finding():
    pooled = dict.fromkeys(META_COLUMNS, "") | {
        "set_id": "a",
        "comparison": "aiha_vs_healthy",
        "tissue_class": "sorted lymphocytes",
        "adjustment": "none",
        "pooled": "yes",
        "finding": "lower",
        "sentence": "3 studies",
    }
    claim, sets = weighed(row("a"), pooled=[pooled])
    assert claim["finding"] == "open" and sets.loc["a", "finding"] == "open"
    assert sets.loc["a", "pooled"] == "aiha_vs_healthy, 3 studies"
    assert sets.loc["a", "sentence"].endswith("Pooled: aiha_vs_healthy, 3 studies")


def test_simulated_data_say_so():
    claim, _ = weighed(row("a", "lower", simulated="yes"))
    assert claim["simulated"] == "yes" and claim["sentence"].startswith("Simulated data: ")


SCHEMA = "config/schemas/claims.schema.yaml"


def panel():
    sets = pd.read_csv("config/panels/neuroimmune_panel_sets.tsv", sep="\t")
    return set(sets["set_id"])


def test_the_claims_of_the_config_are_sound():
    claims = read_claims("config/claims.tsv", SCHEMA, panel(), list(QUESTION_FACTOR))
    axes = {claim["axis"] for claim in claims}
    assert {"hpa", "adrenergic", "vagal_reflex", "neuropeptide", "relapse"} <= axes
    classes = set(pd.read_csv("config/tissue_classes.tsv", sep="\t")["tissue_class"])
    assert all(set(claim["classes"]) <= classes for claim in claims)
    # Every neuroimmune set bears on a claim, but the stand-in for exposure, which is a covariate.
    effector = {"immune_effector", "confounder", "negative_control"}
    sets = pd.read_csv("config/panels/neuroimmune_panel_sets.tsv", sep="\t")
    wanted = set(sets.loc[~sets["axis"].isin(effector), "set_id"]) - {"gr_exposure_sentinel"}
    assert wanted - {name for claim in claims for name in claim["sets"]} == set()
    words = Path("config/claims.tsv").read_text().lower()
    assert "doi" not in words and "page" not in words


def test_faults_in_the_claims_are_named_with_their_line(tmp_path):
    header = Path("config/claims.tsv").read_text().splitlines()[0]
    path = tmp_path / "claims.tsv"
    rows = [
        "one\thpa\tIt is.\treview\thpa_core; hpa_cora\thpa_core\t\taiha_vs_healty\t\t",
        "one\thpa\tIt is.\treview\t\t\t\taiha_vs_healthy\t\t",
    ]
    path.write_text("\n".join([header, *rows]) + "\n")
    with pytest.raises(UserError) as error:
        read_claims(path, SCHEMA, panel(), list(QUESTION_FACTOR))
    assert [problem.split(": ", 1)[1][:40] for problem in error.value.problems] == [
        "column sets_higher: the panel has no set",
        "the set hpa_core stands twice; keep one ",
        "column questions: found 'aiha_vs_healty'",
        "claim one stands already in line 2",
        "no set tests the claim; fill one of sets",
    ]

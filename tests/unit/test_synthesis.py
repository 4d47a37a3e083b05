"""Pooling: which studies enter, which do not and why, and the numbers of hand-made pools."""

import numpy as np
import pandas as pd
import pytest

from neuroimmune.errors import UserError
from neuroimmune.stats import meta
from neuroimmune.synthesis import (
    comparison,
    finding,
    pool_studies,
    read_tissue_classes,
    tissue_class,
)

CLASSES = {"whole blood": "whole blood", "pbmc": "PBMC"}
SETTINGS = {"max_q": 0.05, "margin_fold": 1.5}
EFFECTS = {"A": (1.0, 0.1), "B": (1.2, 0.1), "C": (1.1, 0.2)}


def design(study, contrast="aiha_vs_healthy", **changes):
    subjects = [f"{study}_{i}" for i in range(6)]
    entry = {
        "study": study,
        "contrast": contrast,
        "stratum": "all",
        "question": "aiha_vs_healthy",
        "problem": "",
        "confounders": [],
        "n_subjects": 6,
        "profiles": [{"profile": f"GSM_{name}", "subject": name} for name in subjects],
    }
    return entry | changes


def inputs(effects=EFFECTS, **changes):
    """Arguments of `pool_studies`: one set in one contrast a study, three studies of one kind."""
    rows = [
        {
            "study": study,
            "contrast": "aiha_vs_healthy",
            "stratum": "all",
            "question": "aiha_vs_healthy",
            "simulated": "no",
            "set_id": "s",
            "axis": "hpa",
            "family": "neuroimmune",
            "gate": "",
            "n_case": 3,
            "n_reference": 3,
            "log2_fold_change": effect,
            "standard_error": error,
            "ci_low": effect - 2 * error,
            "ci_high": effect + 2 * error,
        }
        for study, (effect, error) in effects.items()
    ]
    verdicts = pd.DataFrame(rows)
    columns = ["study", "contrast", "stratum", "set_id", "log2_fold_change", "standard_error"]
    adjusted = verdicts[[*columns, "ci_low", "ci_high"]].assign(adjustment="erythroid", status="")
    adjusted["log2_fold_change"] /= 2
    base = {
        "verdicts": verdicts,
        "adjusted": adjusted,
        "designs": [design(study) for study in effects],
        "shared": pd.DataFrame(columns=["study_a", "sample_a", "study_b", "sample_b"]),
        "studies": {
            study: {
                "organism": "Homo sapiens",
                "tissue": "whole blood",
                "simulated": "no",
                "warnings": [],
            }
            for study in effects
        },
        "classes": CLASSES,
        "settings": SETTINGS,
    }
    return base | changes


def row_of(result, adjustment="none"):
    table = result["meta"]
    return table[table["adjustment"] == adjustment].iloc[0]


def test_three_studies_are_pooled_unadjusted_and_adjusted_apart():
    result = pool_studies(**inputs())
    row, half = row_of(result), row_of(result, "erythroid")
    # tau2 is 0: inverse variance weights 100, 100, 25 and a standard error of 1/15.
    assert row["k"] == 3 and row["pooled"] == "yes"
    assert row["log2_fold_change"] == pytest.approx((100 * 1.0 + 100 * 1.2 + 25 * 1.1) / 225)
    # q = (100 * .1^2 + 100 * .1^2) / 2 = 1: neither wider nor narrower than the classic interval.
    assert row["standard_error"] == pytest.approx(1 / 15)
    assert row["ci_high"] - row["log2_fold_change"] == pytest.approx(4.302653 / 15, rel=1e-6)
    assert row["prediction_df"] == 1
    assert row["prediction_high"] - 1.1 == pytest.approx(12.706205 / 15, rel=1e-6)
    assert (row["n_case"], row["n_reference"], row["n_higher"], row["n_lower"]) == (9, 9, 3, 0)
    assert row["finding"] == "higher" and row["studies"] == "A;B;C"
    assert row["sentence"] == (
        "3 studies of whole blood: 2.14-fold up (95 % interval: between 1.76-fold up and 2.62-fold "
        "up), q 0.0037; in a further study between 1.19-fold up and 3.86-fold up (prediction "
        "interval, t with 1 df); I2 0 %"
    )
    assert half["log2_fold_change"] == pytest.approx(0.55)
    left = result["studies"].query("adjustment == 'none' and study == 'A'").iloc[0]
    assert left["weight"] == pytest.approx(100 / 225)
    assert left["k_without"] == 2
    assert left["log2_fold_change_without"] == pytest.approx((100 * 1.2 + 25 * 1.1) / 125)
    assert result["excluded"].empty


def test_two_studies_are_shown_and_not_pooled():
    result = pool_studies(**inputs({"A": (1.0, 0.1), "B": (1.2, 0.1)}))
    row = row_of(result)
    assert (row["k"], row["pooled"], row["finding"]) == (2, "no", "not pooled")
    assert np.isnan(row["log2_fold_change"]) and np.isnan(row["q"])
    assert row["sentence"] == "2 studies of whole blood: shown, not pooled (fewer than 3)"
    shown = result["studies"].query("adjustment == 'none'")
    assert list(shown["log2_fold_change"]) == [1.0, 1.2]
    assert shown["weight"].isna().all() and shown["log2_fold_change_without"].isna().all()


def excluded(result):
    table = result["excluded"]
    return dict(zip(table["study"], table["reason"], strict=True))


CONFOUNDED = [{"factor": "treatment", "case": "x", "reference": "y"}]


@pytest.mark.parametrize(
    ("study", "design_changes", "reason"),
    [
        ({"tissue": "airway"}, {}, "other tissue: airway is of no tissue class"),
        ({}, {"problem": "too few"}, "design: too few"),
        (
            {},
            {"confounders": CONFOUNDED},
            "confounded by design: treatment separates the groups",
        ),
        ({"organism": "Mus musculus"}, {}, "other organism: Mus musculus"),
        (
            {
                "warnings": [
                    "the values are taken as log2, but look like values centred for each gene (x)"
                ]
            },
            {},
            "gene-centred values: they look like values centred for each gene",
        ),
    ],
)
def test_a_study_that_cannot_be_pooled_is_listed_with_the_reason(study, design_changes, reason):
    more = inputs()
    more["studies"]["C"] |= study
    more["designs"][2] |= design_changes
    result = pool_studies(**more)
    assert excluded(result) == {"C": reason}
    assert list(result["excluded"]["adjustment"]) == ["all"]
    assert list(result["excluded"]["sets"]) == ["all"]
    pooled = result["meta"].query("tissue_class == 'whole blood'")
    assert set(pooled["studies"]) == {"A;B"}


def test_mice_alone_are_pooled_with_mice():
    more = inputs()
    for study in more["studies"].values():
        study["organism"] = "Mus musculus"
    row = row_of(pool_studies(**more))
    assert (row["organism"], row["pooled"]) == ("Mus musculus", "yes")


@pytest.mark.parametrize(
    ("sample_a", "sample_b"),
    [("GSM_A_1", "GSM_B_1"), ("GSM_A_1+GSM_x", "GSM_B_2"), ("GSM_A_1", "GSM_y+GSM_B_3")],
)
def test_samples_in_two_studies_count_once(sample_a, sample_b):
    shared = pd.DataFrame(
        [{"study_a": "A", "sample_a": sample_a, "study_b": "B", "sample_b": sample_b}]
    )
    more = inputs(shared=shared)
    more["designs"][1]["n_subjects"] = 7
    result = pool_studies(**more)
    assert excluded(result) == {"A": "samples counted already: 1 in B"}
    assert row_of(result)["studies"] == "B;C"
    # Of studies of one size the first of the config stays.
    result = pool_studies(**inputs(shared=shared))
    assert excluded(result) == {"B": "samples counted already: 1 in A"}


def test_samples_in_profiles_of_one_cell_type_are_found():
    shared = pd.DataFrame(
        [{"study_a": "A", "sample_a": "GSM11", "study_b": "B", "sample_b": "GSM21+GSM22:P1"}]
    )
    more = inputs(shared=shared)
    more["designs"][0]["profiles"][0]["profile"] = "GSM11+GSM12:P7:T cell"
    more["designs"][1]["profiles"][0]["profile"] = "GSM22"
    assert excluded(pool_studies(**more)) == {"B": "samples counted already: 1 in A"}


def test_shared_samples_outside_the_contrast_do_not_matter():
    shared = pd.DataFrame(
        [{"study_a": "A", "sample_a": "GSM_other", "study_b": "B", "sample_b": "GSM_B_1"}]
    )
    assert pool_studies(**inputs(shared=shared))["excluded"].empty


def test_two_contrasts_of_one_study_with_common_controls_count_once():
    more = inputs()
    second = more["verdicts"].iloc[[0]].assign(contrast="severe_vs_healthy")
    more["verdicts"] = pd.concat([more["verdicts"], second], ignore_index=True)
    more["designs"].append(design("A", "severe_vs_healthy"))
    result = pool_studies(**more)
    assert excluded(result) == {
        "A": "subjects counted already: 6 in aiha_vs_healthy of the same study"
    }
    assert row_of(result)["studies"] == "A;B;C"


def test_a_set_that_is_not_measurable_in_a_study_is_left_out_there():
    more = inputs()
    more["verdicts"].loc[1, "gate"] = "detection"
    result = pool_studies(**more)
    assert excluded(result) == {"B": "not measurable: too few of its genes are detected"}
    assert list(result["excluded"]["sets"]) == ["s"]
    assert row_of(result)["studies"] == "A;C"


def test_an_adjusted_effect_that_decides_nothing_is_left_out_of_its_own_pool_only():
    more = inputs()
    more["adjusted"].loc[2, "status"] = "not separable: variance inflation 7.3"
    result = pool_studies(**more)
    assert row_of(result)["k"] == 3 and row_of(result, "erythroid")["k"] == 2
    entry = result["excluded"].iloc[0]
    assert (entry["adjustment"], entry["reason"]) == ("erythroid", "not separable from the groups")


def test_simulated_studies_are_never_pooled_with_real_ones():
    more = inputs()
    more["studies"]["C"]["simulated"] = "yes"
    more["verdicts"].loc[2, "simulated"] = "yes"
    table = pool_studies(**more)["meta"].query("adjustment == 'none'")
    assert dict(zip(table["simulated"], table["studies"], strict=True)) == {"no": "A;B", "yes": "C"}


def test_contrasts_of_question_other_line_up_by_name():
    assert comparison("other", "lupus_vs_healthy") == "lupus_vs_healthy"
    assert comparison("aiha_vs_healthy", "mine") == "aiha_vs_healthy"


def test_nothing_to_pool_gives_empty_tables():
    more = inputs()
    for entry in more["designs"]:
        entry["problem"] = "too few"
    result = pool_studies(**more)
    assert result["meta"].empty and result["studies"].empty
    assert len(result["excluded"]) == 3


def test_close_agreement_does_not_narrow_the_interval():
    """The case of methods.md: plain Hartung-Knapp would say 0.47 to 0.56."""
    fit, _ = meta.pool([0.50, 0.55, 0.48, 0.52], [0.55, 0.52, 0.58, 0.50])
    assert fit["ci_method"] == meta.AD_HOC
    assert fit["ci_high"] - fit["ci_low"] > 1.5
    fit, _ = meta.pool([0.0, 0.9, 1.6], [0.2, 0.2, 0.2])
    assert fit["ci_method"] == meta.HARTUNG_KNAPP and fit["tau2"] > 0


def test_two_studies_have_no_prediction_interval_and_leave_none_out():
    fit, weights = meta.pool([0.2, 0.6], [0.1, 0.2])
    assert np.isnan(fit["prediction_low"]) and np.isnan(fit["prediction_df"])
    assert weights.sum() == pytest.approx(1)
    assert meta.leave_one_out([0.2, 0.6], [0.1, 0.2]) == [None, None]


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ({"pooled": "no"}, "not pooled"),
        ({"pooled": "yes", "q": 0.01, "log2_fold_change": -1}, "lower"),
        ({"pooled": "yes", "q": 0.01, "log2_fold_change": 1}, "higher"),
        ({"pooled": "yes", "q": 0.2, "ci90_low": -0.5, "ci90_high": 0.5}, "no difference"),
        ({"pooled": "yes", "q": 0.2, "ci90_low": -0.5, "ci90_high": 0.7}, "inconclusive"),
    ],
)
def test_the_finding_of_a_pool(row, wanted):
    assert finding(row, 0.05, np.log2(1.5)) == wanted


def test_tissue_classes_are_read_and_checked(tmp_path):
    schema = "config/schemas/tissue_classes.schema.yaml"
    classes = read_tissue_classes("config/tissue_classes.tsv", schema)
    assert tissue_class("Whole Blood", classes) == "whole blood"
    assert tissue_class("regulatory T cells", classes) == "sorted lymphocytes"
    assert tissue_class("airway smooth muscle", classes) == "other"
    path = tmp_path / "classes.tsv"
    path.write_text("tissue\ttissue_class\nblood\tother\nBlood\tx\n")
    with pytest.raises(UserError) as error:
        read_tissue_classes(path, schema)
    assert any(f"{path}:2:" in problem for problem in error.value.problems)
    assert any(f"{path}:3: the tissue blood stands twice" in p for p in error.value.problems)

"""The first studies of the simulations in docs/validation.md again: errors, coverage, verdicts.

The same functions, scenarios and seeds as benchmarks/validate.py, fewer studies. Every rate has to
agree with the stored one (a changed method needs a new page) and to lie within bounds of its own.
"""

import numpy as np
import pandas as pd
import pytest
import simulation
import validate

STORED = validate.read()


def again(table, scenario, studies):
    """Rates (Series by quantity) of the scenario's first studies, compared with the stored ones."""
    study, _, listed = validate.scenarios()[table]
    options = next(item for item in listed if item["name"] == scenario)
    found = simulation.tally(study, options, studies)
    stored = STORED[table][STORED[table]["scenario"] == scenario].set_index("quantity")
    for quantity, row in found.iterrows():
        # 3.3 half widths of the short run's interval are more than six standard errors.
        width = 1.7 * (row["high"] - row["low"]) + 0.005
        assert abs(row["rate"] - stored.at[quantity, "rate"]) < width, (scenario, quantity)
    return found["rate"]


def test_the_page_is_what_the_tables_say():
    assert validate.PAGE_PATH.read_text(encoding="utf-8") == validate.render(STORED)


@pytest.mark.parametrize("name", list(STORED))
def test_the_tables_hold_the_scenarios_of_the_script(name):
    study, studies, listed = validate.scenarios()[name]
    assert list(dict.fromkeys(STORED[name]["scenario"])) == [item["name"] for item in listed]
    assert set(STORED[name]["studies"]) == {studies}


@pytest.mark.parametrize(
    "scenario",
    [
        "3 against 3, correlation 0.1",
        "4 against 4, correlation 0",
        "4 against 4, correlation 0.3",
        "6 against 6, correlation 0.1",
        "8 against 8, correlation 0.1",
        "4 against 4, all genes shifted by 0.8 SD in cases",
        "4 cases with twice the SD against 4",
        "3 pairs",
        "6 pairs",
    ],
)
def test_headline_and_permutation_keep_their_level(scenario):
    rate = again("null", scenario, 60)
    assert 0.035 <= rate["p <= 0.05"] <= 0.065
    assert rate["p <= 0.005"] <= 0.012
    assert rate["permutation p <= 0.05"] <= 0.065
    # Where the smallest p is 0.1 or 0.25 it can never be 0.05.
    assert (rate["permutation p <= 0.05"] > 0) == (not scenario.startswith("3 "))


@pytest.mark.parametrize(
    "scenario",
    ["4 cases with twice the SD against 12", "12 cases with twice the SD against 4"],
)
def test_uneven_groups_are_as_far_off_as_the_page_says(scenario):
    again("null", scenario, 40)


def test_sets_of_different_size_are_as_far_off_as_the_page_says():
    rate = again("null_by_size", "4 against 4, genes of different SD", 60)
    assert rate.max() < 0.12


@pytest.mark.parametrize("depth", ["1", "0.25"])
def test_counts_keep_the_level_whatever_the_depth(depth):
    rate = again("null_counts", f"counts, 4 against 4, cases {depth} times as deep", 40)
    assert 0.03 <= rate["p <= 0.05"] <= 0.07
    assert rate["permutation p <= 0.05"] <= 0.065


@pytest.mark.parametrize(
    ("scenario", "most"),
    [
        ("erythroid, 6 against 6, 0.8 SD", 0.10),
        ("erythroid, 12 against 12, 2 SD", 0.13),
        ("treatment, 8 against 8, 1.5 SD", 0.12),
        ("composition, 8 against 8, 0.8 SD", 0.15),
    ],
)
def test_adjustment_takes_most_of_a_confounded_effect(scenario, most):
    rate = again("confounded", scenario, 60)
    assert rate["driven, unadjusted"] > 0.2  # called different though the disease does nothing
    assert rate["driven, adjusted"] < most
    assert 0.01 < rate["clean, adjusted"] < 0.07


@pytest.mark.parametrize(
    "scenario", ["3 against 3, effect 1.5", "4 against 4, effect 0.5", "3 pairs, effect 0.5"]
)
def test_intervals_hold_the_truth(scenario):
    rate = again("effects", scenario, 20)
    assert 0.92 < rate["95 % interval"] < 0.98
    assert 0.86 < rate["90 % interval"] < 0.94
    assert 0.92 < rate["95 % interval of g"] < 0.98


@pytest.mark.parametrize("scenario", ["4 against 4, score SD 0.2", "8 against 8, score SD 0.4"])
def test_an_effect_at_the_margin_is_seldom_called_none(scenario):
    assert again("margin", scenario, 30)["equivalent"] < 0.075


def test_power_is_what_was_forecast_and_grows():
    found = [again("power", f"{n} against {n}, score SD 0.4, effect 0.75", 10) for n in (4, 6, 12)]
    assert found[0]["found"] < found[1]["found"] < found[2]["found"]
    assert all(abs(rate["found"] - rate["forecast"]) < 0.1 for rate in found)


def test_verdicts_of_planted_truths():
    rate = again("verdicts", "arrays, 8 against 8", 4)
    assert rate["moved by 1: higher"] > 0.9
    assert rate["unmoved: no difference"] > 0.8
    assert rate["not expressed: not measurable (detection)"] > 0.9
    for truth in simulation.TRUTHS:
        assert rate[f"{truth}: lower"] < 0.15
    assert rate["unmoved: higher"] + rate["unmoved: lower"] < 0.1
    assert rate["moved by treatment: explained by treatment"] > 0.3
    assert rate["moved by composition: explained by composition"] > 0.2
    assert rate["moved by 1: explained by treatment"] < 0.1


def test_a_confounded_design_has_no_verdict():
    rate = again("verdicts", "arrays, 8 against 8, treatment separates the groups", 1)
    for truth in simulation.TRUTHS:
        measured = rate[f"{truth}: not measurable (confounded)"]
        assert measured + rate[f"{truth}: not measurable (detection)"] == 1


def test_the_interval_widens_where_sets_of_a_study_agree():
    """All hits in one of ten studies: the tests are not independent."""
    tests = np.full(10, 40)
    together = simulation.interval(np.array([20] + [0] * 9), tests)
    apart = simulation.interval(np.full(10, 2), tests)
    assert together["rate"] == apart["rate"] == pytest.approx(0.05)
    assert together["high"] - together["low"] > 3 * (apart["high"] - apart["low"])
    # Wilson's interval of 20 in 400, from R's prop.test(20, 400, correct = FALSE).
    assert apart["low"] == pytest.approx(0.03259743, abs=1e-7)
    assert apart["high"] == pytest.approx(0.07596364, abs=1e-7)


def test_cells_say_where_a_rate_is_off():
    row = pd.Series({"rate": 0.07, "low": 0.06, "high": 0.08})
    assert validate.cell(row, 0.05) == "7.0 (6.0 to 8.0) high"
    assert validate.cell(row, 0.09) == "7.0 (6.0 to 8.0) low"
    assert validate.cell(row, 0.07) == validate.cell(row) == "7.0 (6.0 to 8.0)"

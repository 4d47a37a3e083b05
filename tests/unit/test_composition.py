"""Shares of cell types: the transformation by hand, a planted shift, and what cannot be tested."""

import numpy as np
import pandas as pd
import pytest

from neuroimmune.composition import COLUMNS, compare_composition
from neuroimmune.stats.adjust import log2_odds

SETTINGS = {"min_subjects": 3, "min_cells": 20}
CONTRAST = {"question": "aiha_vs_healthy", "case": "aiha", "reference": "healthy"}


def study(n=6, treated=False):
    """Profiles of n subjects a group: B three times as frequent in AIHA, C in hardly any cell."""
    rng = np.random.default_rng(4)
    obs, rows = [], []
    for place in range(2 * n):
        case = place < n
        name = f"S{place}"
        obs.append(
            {
                "subject": f"P{place}",
                "group": "aiha" if case else "healthy",
                "stratum": "all",
                "cell_type": "all",
                "treatment": "glucocorticoid" if case and treated else "none",
                "sex": "female",
            }
        )
        share = np.array([0.4, 0.3 if case else 0.1, 0.002, 0])
        share[3] = 1 - share.sum()
        for kind, number in zip("ABCD", rng.multinomial(500, share), strict=True):
            rows.append({"profile": name, "cell_type": kind, "n_cells": number})
    return pd.DataFrame(rows), pd.DataFrame(obs, index=[f"S{n}" for n in range(2 * n)])


def test_log2_odds_by_hand():
    numbers = pd.DataFrame({"A": [10, 0], "B": [30, 5]})
    found = log2_odds(numbers)
    assert found["A"].to_list() == pytest.approx([np.log2(10.5 / 30.5), np.log2(0.5 / 5.5)])
    assert (found["A"] + found["B"]).to_numpy() == pytest.approx([0, 0])


def test_a_planted_shift_is_found():
    composition, obs = study()
    table = compare_composition("GSE1", "c", CONTRAST, composition, obs, SETTINGS)
    assert list(table) == list(COLUMNS)
    table = table.set_index("cell_type")
    planted = np.log2((0.3 / 0.7) / (0.1 / 0.9))
    assert table.at["B", "log2_odds_ratio"] == pytest.approx(planted, abs=0.35)
    assert table.at["B", "q"] < 1e-4 and table.at["B", "ci_low"] > 1
    assert table.at["A", "q"] > 0.05
    assert (table["n_case"] == 6).all() and table["share_case"].sum() == pytest.approx(1)
    assert table.at["C", "status"] == "too few cells" and np.isnan(table.at["C", "p"])


def test_what_decides_nothing_says_so():
    composition, obs = study(treated=True)
    table = compare_composition("GSE1", "c", CONTRAST, composition, obs, SETTINGS)
    tested = table[table["p"].notna()]
    assert set(tested["status"]) == {"confounded by treatment"}
    composition, obs = study(n=2)
    table = compare_composition("GSE1", "c", CONTRAST, composition, obs, SETTINGS)
    assert table["p"].isna().all()
    assert table["status"].str.contains("at least 3 a group are needed").any()


def test_pairs_are_compared_within_subjects():
    composition, obs = study()
    obs["subject"] = [f"P{n % 6}" for n in range(12)]
    contrast = CONTRAST | {"paired": True}
    paired = compare_composition("GSE1", "c", contrast, composition, obs, SETTINGS)
    row = paired.set_index("cell_type").loc["B"]
    odds = log2_odds(composition.pivot(index="profile", columns="cell_type", values="n_cells"))
    change = [odds.at[f"S{n}", "B"] - odds.at[f"S{n + 6}", "B"] for n in range(6)]
    assert row["log2_odds_ratio"] == pytest.approx(np.mean(change))

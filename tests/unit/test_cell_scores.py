"""Scores of cells against a dense loop, and their independence of depth; the receptor map."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from neuroimmune.expression import cell_scores

RNG = np.random.default_rng(11)
N_GENES = 300
OWN = RNG.choice(N_GENES, 30, replace=False)
MEMBERS = pd.DataFrame(
    {
        "set_id": [f"s{n % 4}" for n in range(40)],
        "hgnc_id": [f"H{OWN[n % 30]}" for n in range(40)],
        "gene_symbol": [f"H{OWN[n % 30]}" for n in range(40)],
        "direction": [-1 if n % 7 == 0 else 1 for n in range(40)],
    }
).drop_duplicates(["set_id", "hgnc_id"])
MAPPING = pd.DataFrame(
    {
        "hgnc_id": [f"H{n}" for n in OWN],
        "symbol": [f"H{n}" for n in OWN],
        "data_id": [f"g{n}" for n in OWN],
    }
)
RATES = RNG.lognormal(-1, 1.2, N_GENES)
RATES[OWN[:2]] = 0
NAMES = [f"g{n}" for n in range(N_GENES)]


def drawn(n_cells, depth=1.0):
    return RNG.poisson(RATES * depth, (n_cells, N_GENES))


def genes_of(counts):
    return pd.DataFrame({"label": "", "mean": counts.mean(axis=0)}, index=NAMES)


def test_scores_equal_a_dense_loop():
    counts = drawn(60)
    plan = cell_scores.score_plan(genes_of(counts), MEMBERS, MAPPING, 20)
    total = counts.sum(axis=1)
    scores, detected = cell_scores.score_block(sparse.csr_matrix(counts), total, plan)
    row = {gene: at for at, gene in enumerate(plan["own"])}
    wanted, seen = np.zeros(scores.shape), np.zeros(scores.shape)
    for member in MEMBERS.itertuples():
        gene, column = int(member.hgnc_id[1:]), plan["sets"].index(member.set_id)
        if gene in row:
            controls = plan["controls"][row[gene]]
            assert len(set(controls)) == 20 and not set(controls) & set(OWN)
            for cell in range(60):
                excess = counts[cell, gene] - counts[cell, controls].mean()
                wanted[cell, column] += member.direction * excess * 1e4 / total[cell]
                seen[cell, column] += counts[cell, gene] > 0
    np.testing.assert_allclose(scores, wanted, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(detected, seen)
    assert len(plan["own"]) == 28  # two genes have no count


def test_controls_are_the_nearest_in_mean():
    genes = genes_of(drawn(50))
    plan = cell_scores.score_plan(genes, MEMBERS, MAPPING, 10)
    mean = genes["mean"].to_numpy()
    pool = np.array([n for n in range(N_GENES) if n not in OWN and mean[n] > 0])
    for gene, controls in zip(plan["own"], plan["controls"], strict=True):
        worst = np.abs(mean[controls] - mean[gene]).max()
        rest = np.setdiff1d(pool, controls)
        assert worst <= np.abs(mean[rest] - mean[gene]).min() + 1e-12


def test_a_file_with_other_genes_scores_the_same():
    counts = drawn(20)
    plan = cell_scores.score_plan(genes_of(counts), MEMBERS, MAPPING, 20)
    total = counts.sum(axis=1)
    wanted = cell_scores.score_block(sparse.csr_matrix(counts), total, plan)
    order = RNG.permutation(N_GENES)
    more = np.column_stack([counts[:, order], np.full(20, 5)])  # the last gene is of this file only
    place = np.append(order, -1)
    found = cell_scores.score_block(sparse.csr_matrix(more), total, plan, place)
    for one, other in zip(wanted, found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_thinning_does_not_move_the_score():
    """At half and a fifth of the depth the mean stays; that of log-normalised counts does not."""
    deep = drawn(4000, depth=4)
    plan = cell_scores.score_plan(genes_of(deep), MEMBERS, MAPPING, 20)

    def scored(counts):
        found, _ = cell_scores.score_block(sparse.csr_matrix(counts), counts.sum(axis=1), plan)
        return found

    wanted = scored(deep)
    for share in (0.5, 0.2):
        thin = RNG.binomial(deep, share)
        found = scored(thin)
        spread = np.sqrt((wanted.var(axis=0) + found.var(axis=0)) / 2)
        shift = np.abs(found.mean(axis=0) - wanted.mean(axis=0)) / spread
        assert shift.max() < 0.05
        logs = [np.log1p(x / x.sum(axis=1, keepdims=True) * 1e4)[:, OWN] for x in (deep, thin)]
        moved = np.abs(logs[1].mean() - logs[0].mean()) / logs[0].mean(axis=1).std()
        assert moved > 0.5


def test_the_receptor_map_by_hand():
    members = pd.DataFrame(
        {"set_id": "s", "hgnc_id": ["H0", "H1"], "gene_symbol": ["R", "Q"], "direction": 1}
    )
    mapping = pd.DataFrame({"hgnc_id": ["H0", "H1"], "symbol": ["R", "Q"], "data_id": ["r", ""]})
    counts = np.array(
        # r, two genes of the same mean, one far away
        [[1, 0, 1, 9], [2, 1, 0, 9], [0, 1, 0, 9], [0, 1, 1, 9], [0, 0, 1, 9], [0, 0, 0, 9]]
    )
    genes = pd.DataFrame({"label": "", "mean": counts.mean(axis=0)}, index=["r", "a", "b", "far"])
    plan = cell_scores.score_plan(genes, members, mapping, 2)
    assert plan["controls"].tolist() == [[1, 2]]
    groups = pd.DataFrame(
        {
            "subject": ["P1", "P1", "P2", "P2"],
            "cell_type": ["B", "T", "B", "unassigned"],
            "n_cells": [2, 1, 2, 1],
        }
    )
    detecting = cell_scores.count_detecting(
        sparse.csr_matrix(counts), np.array([0, 0, 1, 2, 2, 3]), 4
    )
    assert detecting[0].tolist() == [2, 1, 1, 2]
    table = cell_scores.receptor_map(detecting, groups, genes, members, mapping, plan, 2)
    table = table.set_index("cell_type")
    assert list(table.index) == ["all", "B", "T"]
    assert table["n_cells"].to_list() == [6, 4, 1]
    assert table["n_cells_detecting"].to_list() == [2, 2, 0]
    assert table["share_cells"].to_list() == pytest.approx([2 / 6, 0.5, 0])
    assert table["expected_share_cells"].to_list() == pytest.approx([3 / 6, 2.5 / 4, 0.5])
    # P2 has no T cell, and P1 too few.
    assert table["n_donors"].to_list() == [2, 2, 0]
    assert table["share_donors"].to_list()[:2] == [0.5, 0.5]
    assert np.isnan(table.at["T", "share_donors"])
    assert table.at["B", "expected_share_donors"] == 1.0

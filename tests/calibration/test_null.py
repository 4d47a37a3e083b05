"""Type I error of the headline p and of the permutation p on simulated null data.

2,000 genes, of which 400 form 40 sets of 10; genes of a set share a factor that gives them the
stated correlation; no set differs between the groups. 100 simulated studies a case, so 4,000
tests: one standard error of a rate of 5 % is 0.35 % where tests are independent.
"""

import numpy as np
import pandas as pd
import pytest

from neuroimmune.scoring import match_controls, set_weights
from neuroimmune.stats import linear, settest

GENES, SETS, SIZE, STUDIES = 2000, 40, 10, 100


def simulate(rng, n, correlation, shift):
    """Log2 expression (2n samples x genes): sets in the first columns, cases in the first rows."""
    samples = 2 * n
    factor = rng.normal(size=(samples, SETS)).repeat(SIZE, axis=1)
    values = rng.normal(size=(samples, GENES))
    values[:, : SETS * SIZE] *= np.sqrt(1 - correlation)
    values[:, : SETS * SIZE] += np.sqrt(correlation) * factor
    values += rng.uniform(3, 12, size=GENES)
    values[:n] += shift
    return values


def p_values(seed, n, correlation, shift):
    rng = np.random.default_rng(seed)
    arm = np.repeat([1, 0], n)
    samples = pd.DataFrame({"arm": arm, "subject": [f"s{i}" for i in range(2 * n)]})
    design = linear.design_matrix(samples, paired=False)
    genes = np.arange(SETS * SIZE)
    headline, permuted = [], []
    for _ in range(STUDIES):
        values = simulate(rng, n, correlation, shift)
        nearest = match_controls(values.mean(axis=0), genes, np.arange(len(genes), GENES), 50)
        controls = dict(zip(genes, nearest, strict=True))
        sets = [(block, np.ones(SIZE)) for block in genes.reshape(SETS, SIZE)]
        scores = pd.DataFrame(values @ set_weights(GENES, sets, controls))
        headline.append(linear.fit(scores.T, design)["p"].to_numpy())
        permuted.append(settest.permutation_test(scores, arm, False, 20000, rng)["p"])
    return np.concatenate(headline), np.concatenate(permuted)


@pytest.mark.parametrize(
    ("n", "correlation", "shift"),
    [(4, 0.0, 0.0), (4, 0.1, 0.0), (4, 0.1, 0.8), (6, 0.1, 0.0), (3, 0.1, 0.0)],
)
def test_type_one_error(n, correlation, shift):
    headline, permuted = p_values(20250601 + n, n, correlation, shift)
    rate = (headline <= 0.05).mean()
    assert 0.035 <= rate <= 0.065, f"headline p <= 0.05 in {rate:.3f} of null sets"
    assert (headline <= 0.005).mean() <= 0.012
    # Exact: the rate is at most nominal, and for n = 3 the smallest p is 0.1.
    assert (permuted <= 0.05).mean() <= 0.06
    assert (permuted <= 0.05).any() == (n > 3)


def test_effects_are_found():
    """The same data with a true shift of one set give small p-values: the check above can fail."""
    rng = np.random.default_rng(1)
    arm = np.repeat([1, 0], 6)
    design = linear.design_matrix(pd.DataFrame({"arm": arm, "subject": "x"}), paired=False)
    values = simulate(rng, 6, 0.1, 0.0)
    values[:6, :SIZE] += 1.5
    genes = np.arange(SETS * SIZE)
    nearest = match_controls(values.mean(axis=0), genes, np.arange(len(genes), GENES), 50)
    controls = dict(zip(genes, nearest, strict=True))
    sets = [(block, np.ones(SIZE)) for block in genes.reshape(SETS, SIZE)]
    found = linear.fit(pd.DataFrame(values @ set_weights(GENES, sets, controls)).T, design)
    assert found["p"][0] < 0.001
    assert found["coefficient"][0] == pytest.approx(1.5, abs=0.5)

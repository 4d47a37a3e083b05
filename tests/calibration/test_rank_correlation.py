"""Type I error of the coupling tests, with a confounder that both scores follow."""

import numpy as np
import pytest

from neuroimmune.stats.correlation import partial_rank


@pytest.mark.parametrize(("n", "components", "strength"), [(8, 1, 1.0), (16, 2, 1.0), (30, 3, 2.0)])
def test_error_rates_with_a_shared_covariate(n, components, strength):
    """4,000 tests a case: standard error 0.35 % at 5 %, and pairs of one run share scores."""
    rng = np.random.default_rng(11)
    group = np.repeat([0, 1], n // 2)
    inside, given = [], []
    for _ in range(200):
        covariate = rng.normal(size=(n, components))
        x = rng.normal(size=(n, 5)) + 1.5 * group[:, None]
        y = rng.normal(size=(n, 4)) + 1.5 * group[:, None]
        design = np.column_stack([group == 0, group == 1]) * 1.0
        follow = strength * covariate[:, :1]
        inside.append(partial_rank(x, y, design, group, 400, rng)["p"])
        design = np.hstack([design, covariate])
        given.append(partial_rank(x + follow, y + follow, design, group, 400, rng)["p"])
    for p in (np.ravel(inside), np.ravel(given)):
        assert 0.03 < (p <= 0.05).mean() < 0.065

"""Partial rank correlation with a permutation p, for many pairs of variables at once."""

from itertools import permutations, product
from math import factorial, prod

# Relabelings worked on at a time: bounds the memory.
CHUNK = 500


def relabelings(cells, most, rng):
    """(rows of sample numbers, exact): exchanges of samples within their cells, as given first.

    cells: one label a sample. All of them where there are at most `most`, else `most` random
    ones beside the first.
    """
    import numpy as np

    cells = np.asarray(cells)
    places = [np.flatnonzero(cells == cell) for cell in sorted(set(cells.tolist()))]
    total = prod(factorial(len(place)) for place in places)
    given = np.arange(len(cells))
    if total <= most:
        rows = []
        for orders in product(*(permutations(place) for place in places)):
            row = given.copy()
            for place, order in zip(places, orders, strict=True):
                row[place] = order
            rows.append(row)
        return np.array(rows), True
    rows = np.tile(given, (most + 1, 1))
    for place in places:
        rows[1:, place] = rng.permuted(rows[1:, place], axis=1)
    return rows, False


def partial_rank(x, y, given, cells, most, rng):
    """Rank correlation of every column of x with every column of y given a design, and its p.

    x: n x a, y: n x b; given: n x p design with an intercept, held fixed; cells: a label a
    sample. What the design leaves of x and y is ranked, and the ranks freed of the design once
    more: Spearman's correlation where nothing but the intercept is given. (Ranking first leaves
    a part of a strong covariate in: docs/methods.md.) Two-sided p by exchanging the x residuals
    within cells (Freedman and Lane): exact where the design holds nothing but the cells and all
    exchanges are done, else approximate. Returns a dict: 'rho', 'p' (a x b, NaN where a variable
    does not vary), 'df', 'floor' (smallest p that the relabelings allow), 'relabelings', 'exact'.
    """
    import numpy as np
    import pandas as pd

    basis, size, _ = np.linalg.svd(np.asarray(given, dtype=float), full_matrices=False)
    basis = basis[:, size > 1e-10 * size[0]]

    def left(values):
        return values - basis @ (basis.T @ values)

    # Rounded, so that ties stay ties.
    x, y = (left(np.asarray(values, dtype=float)).round(9) for values in (x, y))
    x, y = (_unit(left(pd.DataFrame(values).rank().to_numpy())) for values in (x, y))
    orders, every = relabelings(cells, most, rng)
    rho = x.T @ y
    reached = np.zeros(rho.shape)
    for start in range(0, len(orders), CHUNK):
        moved = x[orders[start : start + CHUNK]]
        inside = np.einsum("np,mna->mpa", basis, moved)
        length = np.sqrt(np.maximum(1 - (inside**2).sum(axis=1), 1e-12))
        r = np.einsum("mna,nb->mab", moved, y) / length[:, :, None]
        reached += (np.abs(r) >= np.abs(rho) - 1e-9).sum(axis=0)
    only_cells = basis.shape[1] == len(set(np.asarray(cells).tolist()))
    return {
        "rho": rho,
        "p": np.where(np.isnan(rho), np.nan, reached / len(orders)),
        "df": len(x) - basis.shape[1] - 1,
        "floor": 1 / len(orders),
        "relabelings": len(orders),
        "exact": every and only_cells,
    }


def _unit(residuals):
    """Columns scaled to length 1; NaN where nothing is left."""
    import numpy as np

    length = np.sqrt((residuals**2).sum(axis=0))
    return residuals / np.where(length > 1e-9 * len(residuals), length, np.nan)

"""Exact permutation of subject labels, the model-free companion of the headline p."""

from itertools import chain, combinations, product
from math import comb


def relabelings(arm, paired, most, rng):
    """(rows of +-weights, exact): weights @ scores = difference of group means per labeling.

    arm: 1 case, 0 reference, one a subject and arm; paired: rows come as reference, case of
    each subject in turn, and labels are swapped within subjects. Row 0 is the observed labeling.
    All labelings where there are at most `most`, else `most` random ones.
    """
    import numpy as np

    arm = np.asarray(arm, dtype=int)
    n, n_case = len(arm), int(arm.sum())
    if paired:
        pairs = n // 2
        total = 2**pairs
        if total <= most:
            signs = np.array(list(product((1, -1), repeat=pairs)))
        else:
            signs = np.vstack([np.ones(pairs, int), rng.choice((1, -1), size=(most, pairs))])
        return np.repeat(signs, 2, axis=1) * np.where(arm == 1, 1, -1) / pairs, total <= most
    total = comb(n, n_case)
    labels = [arm]
    if total <= most:
        chosen = chain.from_iterable(combinations(range(n), n_case))
        chosen = np.fromiter(chosen, dtype=int, count=total * n_case).reshape(-1, n_case)
        chosen = chosen[(chosen != np.flatnonzero(arm)).any(axis=1)]
        rest = np.zeros((len(chosen), n), dtype=int)
        np.put_along_axis(rest, chosen, 1, axis=1)
    else:
        rest = rng.permuted(np.tile(arm, (most, 1)), axis=1)
    labels = np.vstack([labels, rest])
    return np.where(labels == 1, 1 / n_case, -1 / (n - n_case)), total <= most


def permutation_test(scores, arm, paired, most, rng):
    """Two-sided permutation p of the difference in group means of every column of `scores`.

    scores: array samples x sets. Returns a dict: 'p' (array; share of labelings with a
    difference at least as large as observed, the observed one included), 'floor' (the smallest
    p that these labelings allow), 'labelings' (how many were used), 'exact' (all of them).
    """
    import numpy as np

    weights, exact = relabelings(arm, paired, most, rng)
    differences = np.abs(weights @ np.asarray(scores, dtype=float))
    observed = differences[0]
    slack = 1e-9 * np.maximum(observed, 1e-300)
    p = (differences >= observed - slack).mean(axis=0)
    # The complement of a balanced labeling has the same absolute difference.
    balanced = paired or 2 * sum(arm) == len(arm)
    floor = (2 if balanced and exact else 1) / len(weights)
    return {"p": p, "floor": floor, "labelings": len(weights), "exact": exact}

"""Matched random sets: a yardstick for the size of an effect, never a p-value.

As a p-value the percentile rejects about 15 % of true nulls at an inter-gene correlation of
0.1, because it treats genes, not subjects, as the replicates (docs/methods.md).
"""


def random_set_percentile(effect, coefficients, controls, directions, n_sets, rng):
    """Percentage of matched random sets whose absolute effect is smaller than the set's.

    effect: the set's own coefficient; coefficients: case coefficient of every gene; controls:
    matrix set genes x k of control gene numbers; directions: +-1 for each set gene. A random
    set takes one control for each gene, scored against the same controls.
    """
    import numpy as np

    levels = coefficients[controls]
    centred = (levels - levels.mean(axis=1, keepdims=True)) * np.asarray(directions)[:, None]
    drawn = rng.integers(0, levels.shape[1], size=(n_sets, len(levels)))
    effects = centred[np.arange(len(levels)), drawn].mean(axis=1)
    return 100 * float(np.mean(np.abs(effects) < abs(effect)))

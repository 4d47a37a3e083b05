"""Standardised effects: Hedges g with its unbiased variance and an exact interval."""


def hedges(case, reference, paired, level=0.95):
    """Hedges g of every column, its sampling variance, and its confidence interval.

    case, reference: arrays subjects x sets (rows matched where paired). Unpaired: difference
    over the pooled SD, variance by the unbiased estimator (metafor SMD, vtype UB). Paired: mean
    change over the SD of changes (metafor SMCC); the two kinds cannot be pooled together.
    The interval is that of the population's value: it inverts the noncentral t distribution and
    needs no correction (with it, three pairs cover 68 % of true values instead of 95 %).
    Returns a dict of arrays: g, variance, low, high, and the text 'kind'.
    """
    import numpy as np

    case, reference = np.asarray(case, dtype=float), np.asarray(reference, dtype=float)
    if paired:
        change = case - reference
        n = len(change)
        df, scale, kind = n - 1, np.sqrt(1 / n), "SMCC"
        d = change.mean(axis=0) / change.std(axis=0, ddof=1)
    else:
        n1, n2 = len(case), len(reference)
        df, scale, kind = n1 + n2 - 2, np.sqrt(1 / n1 + 1 / n2), "SMD"
        squares = ((case - case.mean(axis=0)) ** 2).sum(axis=0)
        squares = squares + ((reference - reference.mean(axis=0)) ** 2).sum(axis=0)
        d = (case.mean(axis=0) - reference.mean(axis=0)) / np.sqrt(squares / df)
    j = correction(df)
    g = j * d
    if paired:
        variance = 1 / n + g**2 / (2 * n)
    else:
        variance = scale**2 + (1 - (df - 2) / (df * j**2)) * g**2
    low, high = noncentral_interval(d / scale, df, level)
    return {
        "g": g,
        "variance": variance,
        "low": low * scale,
        "high": high * scale,
        "kind": kind,
    }


def correction(df):
    """Exact small-sample factor J of Hedges (1981), with gamma functions."""
    from math import exp, lgamma, log

    return exp(lgamma(df / 2) - log(df / 2) / 2 - lgamma((df - 1) / 2))


def noncentral_interval(t, df, level=0.95):
    """(low, high): noncentralities at which the observed t is at the interval's two tails."""
    import numpy as np

    tail = (1 - level) / 2
    bounds = [(_ncp(value, df, 1 - tail), _ncp(value, df, tail)) for value in np.atleast_1d(t)]
    low, high = np.array(bounds).T
    return low, high


def _ncp(t, df, probability):
    """Noncentrality at which P(T <= t) is `probability`."""
    import numpy as np
    from scipy import optimize, special

    if not np.isfinite(t):
        return np.nan

    # The distribution function falls with the noncentrality. scipy's nctdtr turns to NaN far from
    # the centre, where it is nearly 0 or 1, so the bracket grows from t outwards.
    def excess(ncp):
        value = special.nctdtr(df, ncp, t)
        if np.isnan(value):
            value = 0.0 if ncp > t else 1.0
        return value - probability

    step = 1.0
    if excess(t) > 0:
        low, high = t, t + step
        while excess(high) > 0:
            low, high, step = high, high + 1.5 * step, 1.5 * step
    else:
        low, high = t - step, t
        while excess(low) < 0:
            low, high, step = low - 1.5 * step, low, 1.5 * step
    return optimize.brentq(excess, low, high, xtol=1e-10)

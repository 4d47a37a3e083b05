"""What a cohort can show: minimal detectable effect and equivalence."""

from functools import cache


def detectable_effect(standard_error, df, alpha=0.05, power=0.8):
    """Smallest true effect (same unit as the standard error) found with the given power.

    Two-sided t test at level alpha, exact by the noncentral t distribution.
    """
    import numpy as np

    error, df = np.broadcast_arrays(np.asarray(standard_error, float), np.asarray(df, float))
    factor = {value: _noncentrality(value, alpha, power) for value in set(df.ravel())}
    return error * np.vectorize(factor.get, otypes=[float])(df)


@cache
def _noncentrality(df, alpha, power):
    import numpy as np
    from scipy import optimize, special

    if not np.isfinite(df):
        df = 1e6
    critical = special.stdtrit(df, 1 - alpha / 2)

    def shortfall(ncp):
        upper = 1 - special.nctdtr(df, ncp, critical)
        # Below about 1e-16 the lower tail is nothing, and scipy gives NaN for it.
        lower = np.nan_to_num(special.nctdtr(df, ncp, -critical))
        return upper + lower - power

    high = critical + special.stdtrit(df, power) + 1
    return optimize.brentq(shortfall, 0, high, xtol=1e-12)


def equivalence_p(estimate, standard_error, df, margin):
    """TOST: the larger of the two one-sided p against an effect beyond +-margin."""
    import numpy as np
    from scipy import special

    upper = special.stdtr(df, (estimate - margin) / standard_error)
    lower = special.stdtr(df, -(estimate + margin) / standard_error)
    return np.maximum(upper, lower)


def achieved_margin(ci90_low, ci90_high):
    """Smallest margin at which TOST would call the effect equivalent to none at 5 %."""
    import numpy as np

    return np.maximum(np.abs(ci90_low), np.abs(ci90_high))

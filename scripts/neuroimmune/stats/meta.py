"""Random-effects meta-analysis of one effect over a few studies (docs/methods.md, Synthesis).

The fit is PyMetaAnalysis's (imports as meta_analyze); tests/parity compares it with metafor.
"""

import warnings

COLUMNS = (
    "k",
    "log2_fold_change",
    "standard_error",
    "df",
    "p",
    "ci_low",
    "ci_high",
    "ci90_low",
    "ci90_high",
    "ci_method",
    "plain_low",
    "plain_high",
    "prediction_low",
    "prediction_high",
    "prediction_df",
    "tau2",
    "i2",
    "heterogeneity_q",
    "heterogeneity_p",
)
HARTUNG_KNAPP = "Hartung-Knapp"
AD_HOC = "Hartung-Knapp, ad hoc: the studies agree more closely than their errors let expect"


def pool(effect, standard_error):
    """(dict of `COLUMNS`, weights): Paule-Mandel tau2, Hartung-Knapp interval, t with k - 1 df.

    effect, standard_error: one entry a study (at least two), in one unit. Where q, the scale of
    Hartung and Knapp, is below 1, the interval is not made narrower than the classic one (ad hoc
    correction; with Paule-Mandel that is where tau2 is 0); plain_low and plain_high are the 95 %
    limits without the correction. The prediction interval, for the true effect in a further study,
    is by t with k - 2 df and missing for two studies. i2 is the share (0 to 1) of tau2 in the
    variance of a typical study. weights: shares that add up to 1.
    """
    import numpy as np
    from scipy import stats

    effect = np.asarray(effect, dtype=float)
    error = np.asarray(standard_error, dtype=float)
    k = len(effect)
    with warnings.catch_warnings():
        # What it warns of (few studies, q below 1) stands in the result.
        warnings.simplefilter("ignore")
        # Imported here: it takes a second.
        from meta_analyze import meta_analysis

        fit = meta_analysis(
            effect=effect,
            standard_error=error,
            tau2_method="PM",
            ci_method="hartung_knapp_adhoc",
        )
    weight = 1 / (error**2 + fit.tau2)
    scale = float((weight * (effect - fit.estimate) ** 2).sum()) / (k - 1)
    plain = stats.t.ppf(0.975, k - 1) * np.sqrt(scale / weight.sum())
    half90 = stats.t.ppf(0.95, k - 1) * fit.standard_error
    prediction = fit.prediction_interval or (np.nan, np.nan)
    values = (
        k,
        fit.estimate,
        fit.standard_error,
        k - 1,
        2 * stats.t.sf(abs(fit.estimate) / fit.standard_error, k - 1),
        fit.ci_low,
        fit.ci_high,
        fit.estimate - half90,
        fit.estimate + half90,
        # Above 0, tau2 makes the scale 1 but for rounding.
        AD_HOC if fit.tau2 == 0 and scale < 1 - 1e-9 else HARTUNG_KNAPP,
        fit.estimate - plain,
        fit.estimate + plain,
        *prediction,
        k - 2 if k > 2 else np.nan,
        fit.tau2,
        fit.heterogeneity.i2,
        fit.q,
        fit.q_pvalue,
    )
    return dict(zip(COLUMNS, values, strict=True)), weight / weight.sum()


def leave_one_out(effect, standard_error):
    """`pool` without each study in turn: list of dicts, or of None where one study would be left.

    Two studies left are pooled too: their interval (1 df) is wide, as it should be.
    """
    import numpy as np

    effect, error = np.asarray(effect, dtype=float), np.asarray(standard_error, dtype=float)
    if len(effect) < 3:
        return [None] * len(effect)
    return [pool(np.delete(effect, left), np.delete(error, left))[0] for left in range(len(effect))]

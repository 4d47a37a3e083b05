"""Linear models of one contrast: design matrix, limma on set scores, limma on genes.

limma (Ritchie 2015, doi:10.1093/nar/gkv007) by pylimma; its numbers are tested against R.
"""

from contextlib import contextmanager
from importlib import import_module

CASE = "case"
CONTINUOUS = ("age",)


def design_matrix(samples, paired, covariates=()):
    """Design of a contrast as a DataFrame, rows as `samples`, the column 'case' last.

    samples: DataFrame with 'arm' (1 case, 0 reference), 'subject' and the covariates as text.
    Age is continuous and centred, every other covariate a factor.
    Columns: intercept, one indicator a further subject (paired), covariates, case.
    """
    import pandas as pd

    design = pd.DataFrame({"intercept": 1.0}, index=samples.index)
    if paired:
        design = design.join(_indicators(samples["subject"], "subject"))
    for name in covariates:
        if name in CONTINUOUS:
            numbers = samples[name].astype(float)
            design[name] = numbers - numbers.mean()
        else:
            design = design.join(_indicators(samples[name], name))
    design[CASE] = samples["arm"].astype(float)
    return design


def _indicators(values, name):
    import pandas as pd

    levels = sorted(set(values))[1:]
    return pd.DataFrame(
        {f"{name}={level}": (values == level).astype(float) for level in levels}, index=values.index
    )


def aliased_columns(design):
    """Names of design columns that the columns before them already determine."""
    import numpy as np

    values, found = design.to_numpy(), []
    for column in range(values.shape[1]):
        if np.linalg.matrix_rank(values[:, : column + 1]) < column + 1 - len(found):
            found.append(design.columns[column])
    return found


def subject_correlation(scores, design, subjects):
    """Correlation between samples of one subject, over all sets (limma's duplicateCorrelation).

    scores: samples x sets; subjects: one label a sample, at least one of them twice.
    """
    import pylimma

    found = pylimma.duplicate_correlation(
        scores.to_numpy().T, design.to_numpy(), block=subjects.to_numpy()
    )
    return float(found["consensus_correlation"])


def whitening(subjects, correlation):
    """Matrix W (samples x samples) that makes the samples of a subject independent.

    Values and design are multiplied by W; least squares then are the generalised ones that
    limma's lmFit takes for a block. The unit matrix where no subject stands twice.
    """
    import numpy as np

    labels = subjects.to_numpy()
    together = labels[:, None] == labels[None, :]
    covariance = np.where(together, correlation, 0.0)
    np.fill_diagonal(covariance, 1.0)
    return np.linalg.inv(np.linalg.cholesky(covariance))


def fit(expression, design, weights=None, trend=False, robust=False, block=None, correlation=None):
    """limma (lmFit, eBayes) for the coefficient 'case', one row a row of `expression`.

    expression: DataFrame features x samples, log2 units; design: as from `design_matrix`;
    weights: features x samples (voom) or None; block, correlation: subject labels and the
    correlation between samples of one, or None for independent samples.
    Returns a DataFrame: coefficient, standard_error (moderated), df, t, p, ci_low, ci_high
    (95 %), ci90_low, ci90_high. df is the total (residual + prior) degrees of freedom.
    """
    import numpy as np
    import pandas as pd
    import pylimma
    from scipy import stats

    options = {} if weights is None else {"weights": weights}
    if block is not None:
        options |= {"block": block.to_numpy(), "correlation": correlation}
    model = pylimma.lm_fit(expression.to_numpy(), design=design.to_numpy(), **options)
    with _thin_spline_fit():
        model = pylimma.e_bayes(model, trend=trend, robust=robust)
    column = list(design.columns).index(CASE)
    coefficient = np.asarray(model["coefficients"])[:, column]
    error = np.asarray(model["stdev_unscaled"])[:, column] * np.sqrt(np.asarray(model["s2_post"]))
    df = np.broadcast_to(np.asarray(model["df_total"], dtype=float), coefficient.shape)
    table = pd.DataFrame(
        {
            "coefficient": coefficient,
            "standard_error": error,
            "df": df,
            "t": np.asarray(model["t"])[:, column],
            "p": np.asarray(model["p_value"])[:, column],
        },
        index=expression.index,
    )
    for name, level in (("ci", 0.95), ("ci90", 0.90)):
        half = stats.t.ppf((1 + level) / 2, df) * error
        table[f"{name}_low"], table[f"{name}_high"] = coefficient - half, coefficient + half
    return table


@contextmanager
def _thin_spline_fit():
    """Let pylimma fit the mean-variance trend without a genes x genes matrix.

    pylimma 0.2.0 takes the full QR decomposition of the spline basis: 9 GB and 28 s for 20,000
    genes. Least squares on the same basis gives the same numbers (tests/parity).
    """
    import numpy as np

    module = import_module("pylimma.squeeze_var")

    def fit_spline_trend(e, covariate, splinedf):
        basis, knots = module._natural_spline_basis(
            covariate, df=splinedf, intercept=True, return_knots=True
        )
        coefficient, _, rank, _ = np.linalg.lstsq(basis, e, rcond=None)
        fitted = basis @ coefficient
        variance = np.sum((e - fitted) ** 2) / (len(e) - rank)
        return fitted, variance, coefficient, basis, knots

    original = module._fit_spline_trend
    module._fit_spline_trend = fit_spline_trend
    try:
        yield
    finally:
        module._fit_spline_trend = original


def fit_genes(profiles, design, min_count, globins=(), block=None, correlation=None):
    """(gene table, counts of genes left out): limma for every gene that passes the filter.

    profiles: AnnData rows of the contrast; block, correlation: as in `fit`. Counts: filterByExpr on
    the design, TMM and library sizes without globins, voom with a fixed span, eBayes. Arrays:
    eBayes with trend and robust. Gene table: `fit`'s columns and 'mean_expression', indexed by the
    data's gene id.
    """
    import numpy as np
    import pandas as pd

    if "counts" not in profiles.layers:
        values = pd.DataFrame(np.asarray(profiles.X).T, index=profiles.var_names)
        table = fit(values, design, None, True, True, block, correlation)
        table.insert(0, "mean_expression", values.mean(axis=1))
        return table, {"filterByExpr": 0}
    import edgepython
    import pylimma

    counts = pd.DataFrame(np.asarray(profiles.layers["counts"]).T, index=profiles.var_names)
    keep = np.asarray(
        edgepython.filter_by_expr(counts.to_numpy(), design=design.to_numpy(), min_count=min_count)
    )
    kept = counts[keep]
    normal = kept.drop(index=[name for name in globins if name in kept.index])
    sizes = normal.sum().to_numpy()
    sizes = sizes * np.asarray(edgepython.calc_norm_factors(normal.to_numpy(), lib_size=sizes))
    voom = pylimma.voom(
        kept.to_numpy(), design=design.to_numpy(), lib_size=sizes, adaptive_span=False
    )
    values = pd.DataFrame(np.asarray(voom["E"]), index=kept.index)
    weights = np.asarray(voom["weights"])
    table = fit(values, design, weights, block=block, correlation=correlation)
    table.insert(0, "mean_expression", values.mean(axis=1))
    return table, {"filterByExpr": int((~keep).sum())}


def coefficients(values, design):
    """Ordinary least squares coefficient 'case' of every column of `values` (samples x genes)."""
    import numpy as np

    solution, *_ = np.linalg.lstsq(design.to_numpy(), np.asarray(values, dtype=float), rcond=None)
    return solution[list(design.columns).index(CASE)]

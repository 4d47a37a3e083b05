"""A set's effect beside and after adjustment for erythroid RNA, cell mix and steroid exposure.

A covariate is a marker score of the same kind as the set scores (log2 relative to matched
controls), made anew for each set without any gene of that set. Plain marker scores restore the
error rate under confounding; surrogate variables of the residuals do not (docs/methods.md).
"""

ADJUSTMENTS = ("none", "erythroid", "composition", "treatment")
PSEUDOCOUNT = 0.5  # cells


def marker_score(relative, genes, left_out, min_genes):
    """(score per sample, number of genes) of markers without those of the set.

    relative: DataFrame samples x gene ids, log2 minus matched controls; genes: dict gene id ->
    direction; left_out: gene ids never to use. (None, n) with fewer than `min_genes` left.
    """
    chosen = [gene for gene in genes if gene in relative and gene not in left_out]
    if len(chosen) < min_genes:
        return None, len(chosen)
    return signed_mean(relative, {gene: genes[gene] for gene in chosen}), len(chosen)


def signed_mean(relative, genes):
    """Mean over genes of their value times direction: an array, one number a sample.

    relative: DataFrame samples x gene ids; genes: dict gene id -> direction.
    """
    import numpy as np

    values = relative.to_numpy()[:, relative.columns.get_indexer(list(genes))]
    return (values * np.array(list(genes.values()))).mean(axis=1)


def composition(relative, cell_types, left_out, min_genes, components):
    """(samples x k matrix, gene count, cell types): leading components of cell-type scores.

    cell_types: dict cell type -> (dict gene id -> direction). Each cell type's score is scaled
    to unit variance first. (None, n, names) with fewer than two cell types.
    """
    import numpy as np

    scores, names, n_genes = [], [], 0
    for name, genes in cell_types.items():
        score, count = marker_score(relative, genes, left_out, min_genes)
        spread = 0 if score is None else score.std(ddof=1)
        if spread > 0:
            scores.append((score - score.mean()) / spread)
            names.append(name)
            n_genes += count
    if len(scores) < 2 or components < 1:
        return None, n_genes, names
    left, size, _ = np.linalg.svd(np.column_stack(scores), full_matrices=False)
    k = min(components, len(scores))
    return left[:, :k] * size[:k], n_genes, names


def log2_odds(numbers):
    """log2 odds of each cell type in each profile, with 0.5 added to every number of cells.

    numbers: DataFrame profiles x cell types.
    """
    import numpy as np

    shares = (numbers + PSEUDOCOUNT).div((numbers + PSEUDOCOUNT).sum(axis=1), axis=0)
    return np.log2(shares / (1 - shares))


def inflation(design):
    """Variance inflation of the last design column by the others: 1 / (1 - R squared).

    The first column is the intercept.
    """
    import numpy as np

    def left(others, case):
        return ((case - others @ np.linalg.lstsq(others, case, rcond=None)[0]) ** 2).sum()

    residual = left(design[:, :-1], design[:, -1])
    return left(design[:, :1], design[:, -1]) / residual if residual > 1e-12 else np.inf


def fit_each(scores, designs):
    """Moderated fits where every row has a design of its own, all of the same size.

    scores: sets x samples; designs: list of samples x p arrays, the coefficient of interest
    last. Variances are squeezed across sets as limma does. Returns a DataFrame with
    log2_fold_change, standard_error, df, p, ci_low, ci_high, vif.
    """
    import numpy as np
    import pandas as pd
    import pylimma
    from scipy import stats

    n, p = designs[0].shape
    rows = []
    for score, design in zip(scores.to_numpy(), designs, strict=True):
        inverse = np.linalg.inv(design.T @ design)
        solution = inverse @ design.T @ score
        residual = score - design @ solution
        rows.append(
            (solution[-1], inverse[-1, -1], residual @ residual / (n - p), inflation(design))
        )
    effect, unscaled, variance, vif = np.array(rows).T
    squeezed = pylimma.squeeze_var(variance, np.full(len(variance), float(n - p)))
    df = np.minimum(n - p + squeezed["df_prior"], len(variance) * (n - p))
    df = np.broadcast_to(df, effect.shape)
    error = np.sqrt(unscaled * squeezed["var_post"])
    half = stats.t.ppf(0.975, df) * error
    return pd.DataFrame(
        {
            "log2_fold_change": effect,
            "standard_error": error,
            "df": df,
            "p": 2 * stats.t.sf(np.abs(effect / error), df),
            "ci_low": effect - half,
            "ci_high": effect + half,
            "vif": vif,
        },
        index=scores.index,
    )

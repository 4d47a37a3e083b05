"""Bulk RNA-seq: clean gene rows, check the values, log counts per million."""

import re

from ..errors import UserError, some
from ..genes import identifier_kind, plain_id

# Rows that aligners and counters append below the genes.
SUMMARY_ROW = re.compile(r"__\w+|N_(unmapped|multimapping|noFeature|ambiguous)")
PRIOR_COUNT = 2.0


def clean_genes(counts):
    """(counts, attrition rows): summary rows out, identifier versions off, equal genes summed."""
    import numpy as np

    steps = []
    summary = np.array([bool(SUMMARY_ROW.fullmatch(name)) for name in counts.index])
    if summary.any():
        steps.append(
            {
                "step": "summary rows",
                "unit": "gene",
                "left_out": int(summary.sum()),
                "reason": "rows of the counting program, not genes",
                "examples": some(counts.index[summary]),
            }
        )
        counts = counts[~summary]
    blank = counts.index == ""
    if blank.any():
        steps.append(
            {
                "step": "rows without a gene",
                "unit": "gene",
                "left_out": int(blank.sum()),
                "reason": "no identifier in the first column",
                "examples": "",
            }
        )
        counts = counts[~blank]
    ids = counts.index.map(plain_id)
    repeated = ids[ids.duplicated()]
    if len(repeated):
        steps.append(
            {
                "step": "rows of one gene",
                "unit": "gene",
                "left_out": len(repeated),
                "reason": "counts of rows with the same identifier are summed",
                "examples": some(sorted(set(repeated))),
            }
        )
        counts = counts.groupby(ids, sort=False).sum()
    counts.index = counts.index.map(plain_id)
    return counts, steps


def check_counts(counts, path):
    """Say 'integer' or 'fractional' counts; raise UserError for values that are no counts."""
    import numpy as np

    values = counts.to_numpy()
    sums = values.sum(axis=0)
    if (sums == 0).any():
        empty = list(counts.columns[sums == 0])
        raise UserError(f"{path}: column {some(empty)} holds zeros only; leave the sample out")
    integer = bool(np.all(values == np.round(values)))
    if integer:
        return "integer"
    if counts.shape[1] > 1 and sums.std() < 1e-3 * sums.mean():
        raise UserError(
            f"{path}: all columns sum to about {sums.mean():,.0f}: these are normalised values "
            "(CPM or TPM), not counts; name a file of raw counts in source.file"
        )
    if values.max() < 50:
        raise UserError(
            f"{path}: the largest value is {values.max():.3g} and values are not whole numbers: "
            "these look like log or normalised values, not counts; name a file of raw counts"
        )
    return "fractional"


def merge_replicates(counts, profiles):
    """Sum the columns of replicates. profiles: Series sample -> profile, in column order."""
    order = list(dict.fromkeys(profiles))
    return counts.T.groupby(profiles.reindex(counts.columns).to_numpy(), sort=False).sum().T[order]


def log_cpm(counts, globins):
    """(log2 counts per million, effective library sizes) of a genes x profiles count table.

    TMM on the genes that are not globins; library sizes are theirs too, since globins can be
    most of a blood library and say nothing about the others. The prior count is scaled with
    the library size (edgeR's cpm, prior.count 2), so that a zero means the same in every
    library. Effective library size = sum of non-globin counts x TMM factor.
    """
    import edgepython
    import numpy as np
    import pandas as pd

    kept = counts.drop(index=list(globins))
    sizes = kept.sum().to_numpy()
    factors = edgepython.calc_norm_factors(kept.to_numpy(), lib_size=sizes)
    effective = sizes * np.asarray(factors, dtype=float)
    prior = PRIOR_COUNT * effective / effective.mean()
    values = np.log2((counts.to_numpy() + prior) / (effective + 2 * prior) * 1e6)
    return (
        pd.DataFrame(values, index=counts.index, columns=counts.columns),
        pd.Series(effective, index=counts.columns),
    )


def describe(kind, counts):
    """Sentence for the report: what the counts are."""
    ids = identifier_kind(counts.index)
    return f"{kind} counts, {ids} identifiers, {counts.shape[0]} genes"

"""Bulk RNA-seq: clean gene rows, check the values, log counts per million."""

import re
from pathlib import Path

from ..errors import UserError, some
from ..genes import PAR_Y, identifier_kind, read_name, undo_spreadsheet

# Rows that aligners and counters append below the genes.
SUMMARY_ROW = re.compile(
    r"__\w+|N_(unmapped|multimapping|noFeature|ambiguous)|Unassigned_\w+|"
    r"no_feature|ambiguous|too_low_aQual|not_aligned|alignment_not_unique"
)
SPIKE_IN = re.compile(r"ERCC-\d{5}")
NORMALISED_NAME = re.compile(
    r"(?<!un)(?<!non)(?<!non[-_ ])norm(?!al(?!i[sz]))|(?<![a-z])(fpkm|rpkm|tpm|cpm)s?(?![a-z])",
    re.IGNORECASE,
)
EXACT = 2.0**53  # whole numbers above are not exact in 64-bit floats
PRIOR_COUNT = 2.0


def clean_genes(counts):
    """(counts, attrition rows): one row a gene, under a plain identifier.

    Rows that are no gene are left out, and so are those whose name a spreadsheet has destroyed.
    Composite names become their identifier (`genes.read_name`; `genes.names_beside` gives the
    rest). Rows of one gene are summed; the copy of a gene on the Y chromosome (_PAR_Y) is added
    to that on X, because the two have one sequence and some programs share the reads out.
    """
    steps = []

    def note(step, left_out, reason, examples=()):
        steps.append(
            {
                "step": step,
                "unit": "gene",
                "left_out": left_out,
                "reason": reason,
                "examples": some(examples),
            }
        )

    def leave_out(chosen, step, reason):
        nonlocal counts
        chosen = [name in chosen for name in counts.index]
        if any(chosen):
            names = counts.index[chosen]
            note(step, len(names), reason, [name for name in dict.fromkeys(names) if name])
            counts = counts[[not out for out in chosen]]

    # 64-bit floats: sums stay exact up to 2^53, in 32 bits only up to 2^24.
    counts = counts.astype("float64")
    read = [read_name(name) for name in counts.index]
    stripped = [name for name in counts.index if name != name.strip(" \t\"'`")]
    if stripped:
        reason = f"{len(stripped)} names stood in them, which were removed"
        note("quotes and blanks", 0, reason, stripped)
    composite = [name for name, (_, label) in zip(counts.index, read, strict=True) if label]
    if composite:
        note(
            "composite names",
            0,
            f"{len(composite)} names hold an identifier and another name; the identifier counts",
            composite,
        )
    counts.index = counts.index.__class__([name for name, _ in read], name=counts.index.name)
    leave_out(
        {name for name in counts.index if SUMMARY_ROW.fullmatch(name)},
        "summary rows",
        "rows of the counting program, not genes",
    )
    leave_out(
        {name for name in counts.index if SPIKE_IN.fullmatch(name)},
        "spike-in rows",
        "ERCC controls, not genes",
    )
    leave_out({"", "?"}, "rows without a gene", "no identifier in the first column")
    repaired, lost = undo_spreadsheet(counts.index)
    if repaired:
        note(
            "names repaired",
            0,
            f"{len(repaired)} names that a spreadsheet changed, where one gene alone is meant",
            [f"{name} is {gene}" for name, gene in sorted(repaired.items())],
        )
    leave_out(
        lost,
        "names lost",
        "a spreadsheet made a date or a shortened number of them; the gene is not certain",
    )
    names = [repaired.get(name, name) for name in counts.index]
    copies = [name for name in names if name.endswith(PAR_Y)]
    both = [name for name in copies if name.removesuffix(PAR_Y) in set(names)]
    if copies:
        note(
            "copies on the Y chromosome",
            len(both),
            "rows _PAR_Y of the pseudoautosomal regions are added to the gene's row of X",
            copies,
        )
    ids = [name.removesuffix(PAR_Y) for name in names]
    plain = [name for name in names if not name.endswith(PAR_Y)]
    repeated = len(plain) - len(set(plain))
    if repeated:
        seen = set()
        note(
            "rows of one gene",
            repeated,
            "counts of rows with the same identifier are summed",
            sorted({name for name in plain if name in seen or seen.add(name)}),
        )
    if len(set(ids)) < len(ids):
        return counts.groupby(ids, sort=False).sum(), steps
    counts.index = ids
    return counts, steps


def check_counts(counts, path):
    """('integer' or 'fractional', warnings) for a table of counts, genes x columns.

    Fractional counts (RSEM, salmon) are not rounded: log-CPM, voom and filterByExpr take them
    as they are. Raises UserError for values that are no counts: logarithms, TPM, CPM, FPKM,
    columns of zeros, numbers too large to be exact. Warns of what may be normalised values and
    of columns that do not fit to the others.
    """
    import numpy as np

    values = counts.to_numpy(dtype=float)
    columns = counts.columns
    if not np.isfinite(values).all():
        bad = columns[~np.isfinite(values).all(axis=0)]
        raise UserError(f"{path}: column {some(bad)} holds values that are not finite numbers")
    sums = values.sum(axis=0)
    if (sums == 0).any():
        empty = list(columns[sums == 0])
        raise UserError(f"{path}: column {some(empty)} holds zeros only; leave the sample out")
    if sums.max() >= EXACT:
        large = list(columns[sums >= EXACT])
        raise UserError(
            f"{path}: column {some(large)} sums to {sums.max():.3g}: no sequencing run has so "
            "many reads; name a file of raw counts"
        )
    spread = (sums.max() - sums.min()) / sums.mean()
    if len(sums) > 1 and spread < 1e-3:
        raise UserError(
            f"{path}: all columns sum to about {sums.mean():,.0f}: these are normalised values "
            "(CPM or TPM), not counts; name a file of raw counts in source.file"
        )
    whole = np.abs(values - np.round(values)) < 1e-6
    fractional = ~whole.all(axis=0)
    small = fractional & (values.max(axis=0) < 50)
    if small.any():
        raise UserError(
            f"{path}: column {some(columns[small])}: the largest value is "
            f"{values[:, small].max():.3g} and values are not whole numbers: "
            "these look like log or normalised values, not counts; name a file of raw counts"
        )
    present = values > 0
    share_whole = float(whole[present].mean())
    share_small = float((values[present] < 1).mean())
    if share_whole < 0.05 and share_small > 0.25:
        raise UserError(
            f"{path}: {100 * share_small:.0f} % of the values above zero are below 1, hardly any "
            "is a whole number, and the columns have different sums: these look like FPKM or "
            "RPKM, not counts; name a file of raw counts in source.file"
        )
    warnings = []
    if len(sums) > 1 and spread < 0.05:
        warnings.append(
            f"all columns sum to {sums.min():,.0f} to {sums.max():,.0f}, within "
            f"{100 * spread:.1f} %: raw counts differ more, so these may be normalised values; "
            "voom weights and detection limits then do not hold"
        )
    if NORMALISED_NAME.search(Path(path).name):
        warnings.append(
            f"the file name {Path(path).name} says normalised values; raw counts are expected: "
            "voom weights and detection limits do not hold for others"
        )
    if fractional.any() and not fractional.all():
        warnings.append(
            f"column {some(columns[fractional])} holds fractions, the others whole numbers: are "
            "they of one kind?"
        )
    ratio = sums / np.median(sums)
    odd = (ratio > 20) | (ratio < 1 / 20)
    if odd.any():
        shown = [
            f"{name} {total:,.0f}" for name, total in zip(columns[odd], sums[odd], strict=True)
        ]
        warnings.append(
            f"column sums far from the median of {np.median(sums):,.0f}: {some(shown)}; other "
            "units, or a failed library?"
        )
    if fractional.any():
        warnings.append("the counts are not whole numbers; they are used as they are, not rounded")
        return "fractional", warnings
    return "integer", warnings


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

"""Microarrays: decide the scale, pick one probe a gene, log2 intensities."""

import re

from ..errors import UserError, some
from ..genes import QUOTES, undo_spreadsheet
from ..geo.platform import SEPARATOR

# No array measures 2^40: such a number is a fault in a table of log2 values.
IMPOSSIBLE = 40
# What submitters write in !Sample_data_processing, and the scale that it speaks for.
OTHER_LOGARITHM = re.compile(r"(?i:\blog[\s_-]*\(?10\b|\bnatural log|\bbase[\s-]*10\b)|\bln\b")
CLAIMS = (
    ("ratios", re.compile(r"\blog[\s_-]*(2|10)?[\s_-]*ratios?\b", re.I)),
    ("z-scores", re.compile(r"z[\s-]?scores?\b|z[\s-]?transform", re.I)),
    ("centred values", re.compile(r"(mean|median)[\s-]cent(er|re)", re.I)),
    ("log2", re.compile(r"\blog[\s_-]*\(?2\b|\blog[\s_-]*base[\s_-]*2\b|\bg?c?rma\b", re.I)),
    ("linear", re.compile(r"\bmas[\s_-]*5|\bgcos\b", re.I)),
)
WHAT_NOW = (
    "such values cannot be compared between genes; set source.scale to log2 or linear in "
    "study.yaml if you know better"
)


def decide_scale(table, path, wanted="auto", processing=""):
    """('log2' or 'linear', the evidence in words) for a probes x samples table of intensities.

    Robust quantiles of each sample decide, so that neither a few odd values nor one odd sample
    do: log2 intensities of any array lie within about -8 and 25, linear ones reach thousands.
    wanted: source.scale of the study, which overrules; processing: the submitter's text.

    Raises UserError for values that are neither, in words for what they look like (ratios,
    centred values, z-scores, ranks, other logarithms), and where samples differ in scale.
    `scale_doubts` says what else speaks against the decision.
    """
    look, evidence, odd = _look(table, path)
    if wanted != "auto":
        return wanted, f"set in study.yaml ({evidence})"
    other = OTHER_LOGARITHM.search(processing)
    if look == "log2" and other:
        raise UserError(
            f"{path}: the values look like logarithms ({evidence}), and the submitter's text says "
            f"{other.group()!r}: to another base than 2, fold changes would be wrong by a factor; "
            "set source.scale to log2 in study.yaml if the values are to base 2 after all"
        )
    if {"log2", "linear"} <= {look, *odd.values()}:
        raise UserError(
            f"{path}: samples {some(odd)} look like {some(sorted(set(odd.values())))}, the others "
            f"like {look}: leave them out, or give all samples on one scale"
        )
    if look not in ("log2", "linear"):
        raise UserError(f"{path}: the values look like {look} ({evidence}): {WHAT_NOW}")
    return look, evidence


def scale_doubts(table, path, scale, processing=""):
    """Warnings: what in the values or in the submitter's text speaks against the scale."""
    import numpy as np

    look, evidence, odd = _look(table, path)
    doubts = []
    if look != scale:
        doubts.append(f"the values are taken as {scale}, but look like {look} ({evidence})")
    elif odd:
        doubts.append(f"samples {some(odd)} differ from the others in the scale of their values")
    claims = [(name, form.search(processing)) for name, form in CLAIMS]
    claims = [(name, found.group()) for name, found in claims if found]
    if claims and scale not in {name for name, _ in claims}:
        said = some([f"{text!r} ({name})" for name, text in claims])
        doubts.append(f"the values are taken as {scale}, but the submitter's text says {said}")
    if scale == "log2" and look == "log2":
        top = float(np.nanquantile(table.to_numpy(), 0.999))
        if top < 11:
            doubts.append(
                f"the largest values reach {top:.1f} only, where log2 intensities reach 13 to 16: "
                "are they natural logarithms, or a part of the array?"
            )
    return doubts


def _look(table, path):
    """(what the values look like, quantiles in words, {sample that looks else: like what})."""
    import numpy as np

    values = table.to_numpy(dtype=float)
    values = np.where(np.isfinite(values), values, np.nan)
    empty = np.isnan(values).all(axis=0)
    if empty.any():
        raise UserError(f"{path}: sample {some(table.columns[empty])} has no value")
    low, middle, high = np.nanquantile(values, [0.01, 0.5, 0.99])
    negative = float(np.nanmean(values < 0))
    evidence = (
        f"1 % quantile {low:.4g}, median {middle:.4g}, 99 % quantile {high:.4g}, "
        f"maximum {np.nanmax(values):.6g}, {100 * negative:.2g} % negative"
    )
    columns = np.nanquantile(values, [0.01, 0.5, 0.99], axis=0)
    looks = [_of_quantiles(*column) for column in columns.T]
    most = max(sorted(set(looks)), key=looks.count)
    odd = {name: look for name, look in zip(table.columns, looks, strict=True) if look != most}
    return _not_intensities(values) or most, evidence, odd


def _of_quantiles(low, middle, high):
    if high > 100 and middle > 0:
        return "linear"
    if low > -8 and 1 < middle < high < 25:
        return "log2"
    return "neither log2 nor linear intensities"


def _not_intensities(values):
    """What the values are if not intensities, else None."""
    import numpy as np

    # Some thousand rows show the pattern; a row without two values shows none.
    rows = values[:: max(1, len(values) // 5000)]
    rows = rows[np.isfinite(rows).sum(axis=1) > 1]
    low, bottom, quarter, middle, three, top, high = np.nanquantile(
        values, [0.001, 0.01, 0.25, 0.5, 0.75, 0.99, 0.999]
    )
    spread = three - quarter
    if len(rows) < 20 or spread == 0:
        return None
    even = np.nanquantile(values, np.linspace(0.1, 0.9, 9)) / high
    is_even = low >= 0 and np.abs(even - np.linspace(0.1, 0.9, 9)).max() < 0.05
    if low >= 0 and high <= 1:
        return "shares between 0 and 1 (percentiles, detection p-values or methylation)"
    if is_even and (high <= 101 or high > 500):
        return "ranks or percentiles"
    if top < 8 and middle > 1 and low >= 0 and rows.shape[1] > 1:
        medians = np.nanmedian(rows, axis=1)
        if np.quantile(np.abs(medians - 1), 0.9) > 0.2:
            return "logarithms to base 10, or a small part of an array"
    if low < 0 and top < 50 and abs(middle) < 0.25 * spread:
        mean, sd = np.nanmean(rows, axis=1), np.nanstd(rows, axis=1)
        by_gene = np.quantile(np.abs(mean), 0.9) < 0.1 and np.quantile(np.abs(sd - 1), 0.9) < 0.2
        if by_gene:
            return "z-scores of each gene"
        if rows.shape[1] > 1:
            center = np.nanmedian(np.abs(np.nanmedian(rows, axis=1)))
            if center < 0.3 * np.nanmedian(sd):
                return "values centred for each gene"
        if (np.abs(np.nanmean(values, axis=0)) < 0.05).all() and (
            np.abs(np.nanstd(values, axis=0) - 1) < 0.05
        ).all():
            return "z-scores of each sample"
        return "log ratios (two channels, or a common reference)"
    if low >= 0 and 0.8 < middle < 1.25 and rows.shape[1] > 1:
        if np.quantile(np.abs(np.nanmedian(rows, axis=1) - 1), 0.9) < 0.2:
            return "ratios to the median of each gene"
    return None


def to_log2(table, scale):
    """(log2 table, notes on values that were changed).

    Values that no array can reach (log2 above 40) become missing. Linear with at most 1 % of
    values at or below 0: values below the 1 % quantile of the positive ones are raised to it.
    With more, background has been subtracted, and differences of small values are noise: the
    generalised logarithm log2((x + sqrt(x^2 + c^2)) / 2) is taken, which equals log2(x) well
    above c; c is four times the noise's standard deviation, as the values on the wrong side of
    zero show it (where zero stands for them, as many of the smallest positive ones).
    """
    import numpy as np

    values = table.to_numpy(dtype=float)
    limit = IMPOSSIBLE if scale == "log2" else 2.0**IMPOSSIBLE
    notes = []
    if (values > limit).any():
        notes.append(
            f"{int((values > limit).sum())} values above {limit:.4g} cannot be {scale} intensities "
            "and count as missing"
        )
        table = table.where(table <= limit)
        values = table.to_numpy(dtype=float)
    if scale == "log2":
        return table, notes
    known = values[np.isfinite(values)]
    positive, below = known[known > 0], known[known < 0]
    n_below = len(known) - len(positive)
    if n_below <= 0.01 * len(known):
        floor = float(np.quantile(positive, 0.01))
        raised = int((known < floor).sum())
        if raised:
            notes.append(
                f"{raised} linear values below {floor:.4g} (the 1 % quantile) were raised to it"
            )
        return np.log2(table.clip(lower=floor)), notes
    noise = below if len(below) else np.sort(positive)[:n_below]
    c = 4 * float(np.sqrt(np.mean(noise**2)))
    notes.append(
        f"{n_below} of {len(known)} linear values are not above 0 (background was subtracted): a "
        f"generalised logarithm with c = {c:.4g} was taken; fold changes of genes below about "
        f"{c:.2g} are shrunken"
    )
    # For large negative x the sum loses all digits; this form does not.
    root = np.hypot(values, c)
    direct = np.where(values > 0, values + root, c**2 / (root - np.minimum(values, 0)))
    return table.__class__(np.log2(direct / 2), table.index, table.columns), notes


def collapse_probes(table, annotation):
    """(genes x samples table, var table, attrition rows): one probe a gene.

    A probe that hits several genes is dropped, as is one with a missing value or without a
    gene; of several probes of a gene the one with the highest mean over all samples stays, the
    same for every sample (ties: the first in the file). A symbol that a spreadsheet made a date is
    repaired or its probes are left out (`genes.undo_spreadsheet`). var: 'probe', 'entrez',
    'n_probes'.
    """
    import pandas as pd

    steps = []

    def leave_out(mask, step, reason):
        nonlocal table
        if mask.any():
            examples = ", ".join(map(str, table.index[mask][:5]))
            steps.append(
                {
                    "step": step,
                    "unit": "probe",
                    "left_out": int(mask.sum()),
                    "reason": reason,
                    "examples": examples,
                }
            )
            table = table[~mask]

    leave_out(
        table.isna().any(axis=1).to_numpy(), "missing values", "no value in at least one sample"
    )
    known = table.index.isin(annotation.index)
    if not known.any():
        raise UserError(
            f"no probe of the series matrix (for example {table.index[0]!r}) is in the platform "
            f"annotation (for example {annotation.index[0]!r}); check source.platform"
        )
    annotated = annotation["symbol"].str.strip(QUOTES)
    repaired, lost = undo_spreadsheet(annotated[annotated != ""].unique())
    symbol = annotated.replace(repaired).reindex(table.index).fillna("")
    leave_out((symbol == "").to_numpy(), "probes without a gene", "none in the platform annotation")
    symbol = symbol.reindex(table.index)
    leave_out(
        symbol.isin(lost).to_numpy(),
        "names lost",
        "a spreadsheet made a date or a shortened number of the symbol; the gene is not certain",
    )
    symbol = symbol.reindex(table.index)
    leave_out(
        symbol.str.contains(SEPARATOR, regex=False).to_numpy(),
        "probes of several genes",
        "the probe cannot tell the genes apart",
    )
    symbol = symbol.reindex(table.index)
    # Means that differ by rounding only are ties, whatever the machine sums in which order.
    order = table.mean(axis=1).round(9).sort_values(ascending=False, kind="stable").index
    best = symbol.reindex(order).drop_duplicates()
    probe_of = pd.Series(best.index, index=best.to_numpy()).sort_index()
    leave_out(
        ~table.index.isin(probe_of),
        "further probes of a gene",
        "the probe with the highest mean stays",
    )
    var = pd.DataFrame(
        {
            "probe": probe_of,
            "entrez": annotation["entrez"].reindex(probe_of.to_numpy()).to_numpy(),
            "n_probes": symbol.value_counts().reindex(probe_of.index).to_numpy(),
        },
        index=pd.Index(probe_of.index, name="gene"),
    )
    collapsed = table.loc[probe_of.to_numpy()].copy()
    collapsed.index = var.index
    return collapsed, var, steps


def merge_replicates(table, profiles):
    """Average the log2 columns of replicates. profiles: Series sample -> profile."""
    order = list(dict.fromkeys(profiles))
    return table.T.groupby(profiles.reindex(table.columns).to_numpy(), sort=False).mean().T[order]

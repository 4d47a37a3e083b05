"""Microarrays: decide the scale, pick one probe a gene, log2 intensities."""

from ..errors import UserError
from ..geo.platform import SEPARATOR


def decide_scale(table, path, wanted="auto"):
    """('log2' or 'linear', the evidence in words) for a probes x samples table of intensities.

    Robust quantiles decide: log2 intensities of any array lie within about -5 and 25, linear
    ones reach thousands. Everything between, and centred values (ratios, z-scores), is
    refused: raises UserError that shows the quantiles and says to set source.scale.
    """
    import numpy as np

    values = table.to_numpy()
    values = values[np.isfinite(values)]
    low, middle, high, top = np.quantile(values, [0.01, 0.5, 0.99, 0.9999])
    negative = float(np.mean(values < 0))
    evidence = (
        f"1 % quantile {low:.4g}, median {middle:.4g}, 99 % quantile {high:.4g}, "
        f"maximum {values.max():.6g}, {100 * negative:.2g} % negative"
    )
    if wanted != "auto":
        return wanted, f"set in study.yaml ({evidence})"
    if high > 100 and middle > 0:
        return "linear", evidence
    if top < 25 and low > -8 and middle > 1 and negative < 0.25:
        return "log2", evidence
    raise UserError(
        f"{path}: the scale of the values is not clear ({evidence}): it may hold ratios, z-scores "
        "or centred values, which cannot be compared between genes; set source.scale to log2 or "
        "linear in study.yaml if you know better"
    )


def to_log2(table, scale):
    """(log2 table, number of values raised to the floor). Linear values below 1 count as 1."""
    import numpy as np

    if scale == "log2":
        return table, 0
    below = int((table < 1).to_numpy().sum())
    return np.log2(table.clip(lower=1)), below


def collapse_probes(table, annotation):
    """(genes x samples table, var table, attrition rows): one probe a gene.

    A probe that hits several genes is dropped, as is one with a missing value or without a
    gene; of several probes of a gene the one with the highest mean over all samples stays, the
    same for every sample (ties: the first in the file). var: 'probe', 'entrez', 'n_probes'.
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
    symbol = annotation["symbol"].reindex(table.index).fillna("")
    leave_out((symbol == "").to_numpy(), "probes without a gene", "none in the platform annotation")
    symbol = symbol.reindex(table.index)
    leave_out(
        symbol.str.contains(SEPARATOR, regex=False).to_numpy(),
        "probes of several genes",
        "the probe cannot tell the genes apart",
    )
    symbol = symbol.reindex(table.index).str.strip()
    order = table.mean(axis=1).sort_values(ascending=False, kind="stable").index
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

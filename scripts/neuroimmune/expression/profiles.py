"""Assemble profiles.h5ad: one row a biological sample (replicates merged), log2 expression."""

from functools import partial

from ..errors import UserError
from ..genes import names_beside
from ..studies import SAMPLE_FIELDS
from . import counts as bulk_counts
from . import microarray
from .columns import match_columns

STRATUM = "all"


def profile_names(samples):
    """Series sample -> profile. Included samples of one subject and group are one profile,

    named by its GSMs joined with '+'.
    """
    groups = samples.groupby(["subject", "group"], sort=False)["sample"]
    return (
        samples.set_index("sample")
        .index.to_series()
        .map({name: "+".join(members) for _, members in groups for name in members})
    )


def _merged(names):
    """Attrition rows for samples that share a profile: replicates of one subject and group."""
    shared = names[names.str.contains("+", regex=False)]
    if shared.empty:
        return []
    return [
        {
            "step": "replicates",
            "unit": "sample",
            "left_out": len(shared) - shared.nunique(),
            "reason": f"{len(shared)} samples of one subject and group each were merged into "
            f"{shared.nunique()} profiles",
            "examples": ", ".join(shared.unique()[:5]),
        }
    ]


def from_arrays(samples, series, table, annotation, scale, path, processing=""):
    """(AnnData, attrition table, summary dict) from a series matrix and its platform annotation.

    samples: the curated table; table: probes x all samples of the series; annotation: as from
    `geo.platform.read_annotation`; scale: auto, log2 or linear; path: the file, for messages.
    Raises UserError for a matrix without values (naming the supplementary files) or without a
    clear scale.
    """
    if table.empty:
        files = [name for name in series.get("supplementary_file", []) if name != "NONE"]
        raise UserError(
            f"{path}: the series matrix holds no values, as is usual for sequencing; the values "
            f"are in the supplementary files ({', '.join(files) or 'GEO lists none'}): set "
            "source.kind to counts_table and source.file to one of them, or source.kind to "
            "ncbi_counts"
        )
    samples = samples[samples["include"] == "yes"]
    table = table[samples["sample"].to_list()]
    decided, evidence = microarray.decide_scale(table, path, scale, processing)
    warnings = microarray.scale_doubts(table, path, decided, processing)
    n_probes = len(table)
    values, changed = microarray.to_log2(table, decided)
    warnings += changed
    values, var, steps = microarray.collapse_probes(values, annotation)
    names = profile_names(samples)
    steps += _merged(names)
    values = microarray.merge_replicates(values, names)
    medians = values.median()
    if medians.max() - medians.min() > 1:
        warnings.append(
            f"array medians differ by {medians.max() - medians.min():.1f} log2 units: the series "
            "may not be normalised between arrays"
        )
    summary = {
        "values": "log2 intensity",
        "scale_submitted": decided,
        "scale_evidence": evidence,
        "rows_read": n_probes,
        "genes": len(values),
        "warnings": warnings,
    }
    return _assemble(values, samples, names, var, summary), attrition_table(steps), summary


def from_counts(samples, counts, notes, path, globins_of, missing="stop"):
    """(AnnData, attrition table, summary dict) from a table of counts, genes x columns.

    samples: the curated table; notes: what the reader left out, rows of the attrition table;
    path: the file, for messages; globins_of: function from gene identifiers to those of globins;
    missing: what to do about samples without a column, as in `columns.match_columns`. Layer
    'counts' holds the merged counts, obs 'library_size' their sum, 'effective_library_size' what
    log-CPM divides by, 'globin_fraction' the share of globins.
    """
    import pandas as pd

    column_of, absent = match_columns(list(counts.columns), samples, path, missing)
    samples = samples[samples["sample"].isin(list(column_of))]
    unused = [name for name in counts.columns if name not in column_of.values()]
    rows_read = len(counts)
    counts = counts[list(column_of.values())]
    counts.columns = list(column_of)
    kind, warnings = bulk_counts.check_counts(counts, path)
    labels = names_beside(counts.index)
    counts, steps = bulk_counts.clean_genes(counts)
    if unused:
        steps.insert(
            0,
            {
                "step": "columns of no included sample",
                "unit": "column",
                "left_out": len(unused),
                "reason": "belong to samples that are left out, or to none",
                "examples": ", ".join(unused[:5]),
            },
        )
    if absent:
        steps.insert(
            0,
            {
                "step": "samples without a column",
                "unit": "sample",
                "left_out": len(absent),
                "reason": absent[0]["reason"],
                "examples": ", ".join(item["sample"] for item in absent[:5]),
            },
        )
    names = profile_names(samples)
    steps += _merged(names)
    counts = bulk_counts.merge_replicates(counts, names)
    globins = globins_of(counts.index)
    values, effective = bulk_counts.log_cpm(counts, globins)
    library = counts.sum()
    var = pd.DataFrame({"label": labels.reindex(counts.index).fillna("")}, index=counts.index)
    summary = {
        "values": "log2 counts per million (TMM, without globins)",
        "counts": bulk_counts.describe(kind, counts),
        "columns": {sample: column for sample, column in column_of.items() if sample != column},
        "rows_read": rows_read,
        "genes": len(counts),
        "globin_genes": list(globins),
        "warnings": [*warnings, *library_warnings(library)],
    }
    profiles = _assemble(values, samples, names, var, summary)
    profiles.layers["counts"] = counts.T.to_numpy()
    profiles.obs["library_size"] = library.to_numpy()
    profiles.obs["effective_library_size"] = effective.to_numpy()
    profiles.obs["globin_fraction"] = (counts.loc[globins].sum() / library).to_numpy()
    profiles.uns["globins"] = list(globins)
    return profiles, attrition_table([*notes, *steps]), summary


def library_warnings(library):
    ratio = library.max() / library.min()
    if ratio > 5:
        return [
            f"library sizes differ {ratio:.0f}-fold ({library.min():,.0f} to {library.max():,.0f})"
        ]
    return []


def attrition_table(steps):
    import pandas as pd

    return pd.DataFrame(steps, columns=["step", "unit", "left_out", "reason", "examples"])


def joined(field, values):
    """What merged samples have in a field, joined by + where they differ ('' for a number)."""
    known = sorted(set(values) - {""})
    return "" if len(known) > 1 and field in ("age", "dose") else "+".join(known)


def _assemble(values, samples, names, var, summary):
    import anndata
    import pandas as pd

    merged = samples.groupby(names.to_numpy(), sort=False)
    fields = {field: merged[field].agg(partial(joined, field)) for field in SAMPLE_FIELDS[:-1]}
    obs = pd.DataFrame({**fields, "title": merged["title"].first()}).loc[list(values.columns)]
    obs["samples"] = obs.index.to_numpy()
    obs["stratum"] = STRATUM
    obs.index = obs.index.astype(str)
    obs.index.name = None
    var = var.copy()
    var.index = var.index.astype(str)
    var.index.name = None
    profiles = anndata.AnnData(X=values.T.to_numpy(), obs=obs, var=var)
    profiles.uns["values"] = summary["values"]
    return profiles


def write_profiles(path, profiles):
    from ..files import atomic

    with atomic(path) as part:
        profiles.write_h5ad(part)


def read_profiles(path):
    import anndata

    return anndata.read_h5ad(path)

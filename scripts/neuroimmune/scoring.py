"""Score gene sets: which genes are measurable, their matched controls, one score a profile.

A score is the mean log2 expression of the measurable genes of the set, signed by direction,
minus the mean of controls matched to each gene on expression (docs/methods.md, Score).
"""

from .errors import UserError


def detected_counts(counts, effective_library_size, min_count):
    """Boolean profiles x genes: at least `min_count` counts, and that in a library of median size.

    Both, so that a deep library detects no more than the others, and a stray read in a shallow one
    is not scaled up to a gene.
    """
    import numpy as np

    sizes = np.asarray(effective_library_size, dtype=float)
    scaled = counts / sizes[:, None] * np.median(sizes)
    return (scaled >= min_count) & (counts >= min_count)


def detected_intensities(values, background, quantile, fallback_quantile, min_background):
    """(boolean profiles x genes, sentence): above the background of the same array.

    values: log2 intensities, profiles x genes; background: column numbers of genes that the
    tissue never expresses. Their `quantile` in each array is its threshold; with fewer than
    `min_background` of them the `fallback_quantile` of all genes of the array is.
    """
    import numpy as np

    if len(background) >= min_background:
        threshold = np.quantile(values[:, background], quantile, axis=1)
        how = f"above the {100 * quantile:g} % quantile of {len(background)} background genes"
    else:
        threshold = np.quantile(values, fallback_quantile, axis=1)
        how = (
            f"above the {100 * fallback_quantile:g} % quantile of all genes (only "
            f"{len(background)} background genes are on the array)"
        )
    return values > threshold[:, None], f"detected: {how} of the same array"


def detection_by_group(detected, groups):
    """Detected profiles of each gene, a DataFrame genes x groups of counts (groups sorted)."""
    import numpy as np
    import pandas as pd

    groups = np.asarray(groups)
    names = sorted(set(groups))
    return pd.DataFrame({name: detected[groups == name].sum(axis=0) for name in names})


def measurable(n_detected, group_sizes, min_fraction):
    """Boolean per gene: detected in at least `min_fraction` of the samples of some group."""
    return (n_detected / group_sizes >= min_fraction).any(axis=1).to_numpy()


def match_controls(mean, genes, pool, k):
    """Row numbers of the `k` pool genes nearest in mean expression to each gene.

    mean: mean log2 expression of all genes (length G); genes, pool: gene numbers, disjoint.
    Returns len(genes) x k, nearest first; ties go to the lower mean, then the lower number, so
    the result depends on nothing but the input. No seed is involved.
    Raises UserError when the pool has fewer than k genes.
    """
    import numpy as np

    genes, pool = np.asarray(genes), np.asarray(pool)
    if len(pool) < k:
        raise UserError(f"{len(pool)} control genes are fewer than score.controls_per_gene ({k})")
    pool = pool[np.lexsort((pool, mean[pool]))]
    level = mean[pool]
    start = np.searchsorted(level, mean[genes])
    first = np.clip(start - k, 0, max(len(pool) - 2 * k, 0))
    window = first[:, None] + np.arange(min(2 * k, len(pool)))
    distance = np.abs(level[window] - mean[genes][:, None])
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :k]
    return pool[np.take_along_axis(window, nearest, axis=1)]


def set_weights(n_genes, sets, controls):
    """Sparse genes x sets matrix W with score = expression @ W.

    sets: list of (gene numbers, directions of +-1); controls: dict gene number -> its controls.
    """
    import numpy as np
    from scipy import sparse

    rows, columns, weights = [], [], []
    for column, (genes, directions) in enumerate(sets):
        for gene, direction in zip(genes, directions, strict=True):
            matched = controls[gene]
            rows += [gene, *matched]
            columns += [column] * (1 + len(matched))
            share = direction / len(genes)
            weights += [share, *np.full(len(matched), -share / len(matched))]
    return sparse.csc_matrix((weights, (rows, columns)), shape=(n_genes, len(sets)))


def is_whole(obs):
    """Which profiles stand for a whole sample (boolean Series): all of bulk, and not cell types."""
    import pandas as pd

    return obs["cell_type"] == "all" if "cell_type" in obs else pd.Series(True, index=obs.index)


def score_sets(profiles, members, mapping, settings):
    """Detectability and scores of every set in every stratum of a study.

    profiles: AnnData as in profiles.h5ad (log2 expression, obs 'stratum' and 'group', layer
    'counts' for sequencing); members: the panel's set members with 'direction'; mapping: as
    from `genes.map_panel`; settings: the config's `detect` and `score` blocks in one dict.

    Returns a dict of DataFrames: 'detectability' (stratum x panel gene x group), 'scores'
    (stratum x profile x set), 'controls' (stratum x set gene), 'rules' (stratum, how detection
    was decided), 'measurable' (stratum, data_id: every measurable gene, of the panel or not).
    A set without a measurable gene has no score; the detectability table shows why. Nor has any
    set in a cell type with too few genes that could be controls, which 'rules' says.
    Raises UserError where that is so of the whole study (stratum 'all').
    """
    import pandas as pd

    parts = {"detectability": [], "scores": [], "controls": [], "rules": [], "measurable": []}
    for stratum in sorted(set(profiles.obs["stratum"])):
        part = profiles[(profiles.obs["stratum"] == stratum).to_numpy()]
        result = _score_stratum(part, members, mapping, settings)
        for name, table in result.items():
            table.insert(0, "stratum", stratum)
            parts[name].append(table)
    return {name: pd.concat(tables, ignore_index=True) for name, tables in parts.items()}


def _score_stratum(profiles, members, mapping, settings):
    import numpy as np
    import pandas as pd

    values = np.asarray(profiles.X, dtype=float)
    number = {name: index for index, name in enumerate(profiles.var_names)}
    row_of = {
        gene: number[name]
        for gene, name in zip(mapping["hgnc_id"], mapping["data_id"], strict=True)
        if name
    }
    detected, how = _detected(profiles, values, members, row_of, settings)
    groups = profiles.obs["group"].astype(str).to_numpy()
    sizes = pd.Series(groups).value_counts().sort_index()
    n_detected = detection_by_group(detected, groups)
    passes = measurable(n_detected, sizes, settings["min_fraction"])
    mean = values.mean(axis=0)

    in_panel = np.zeros(len(mean), dtype=bool)
    in_panel[list(row_of.values())] = True
    pool = np.flatnonzero(passes & ~in_panel)
    scored = len(pool) >= settings["min_control_genes"]
    if not scored and is_whole(profiles.obs).all():
        raise UserError(
            f"only {len(pool)} measurable genes outside the panels can serve as controls; "
            f"score.min_control_genes asks for {settings['min_control_genes']}. A targeted or "
            "filtered table cannot be scored"
        )
    if not scored:
        how += f"; not scored: {settings['min_control_genes']} genes are needed as controls"
    genes = sorted(row for row in row_of.values() if passes[row] and scored)
    nearest = match_controls(mean, genes, pool, settings["controls_per_gene"]) if genes else []
    controls = dict(zip(genes, nearest, strict=True))

    names, sets = [], []
    for name, rows in members.groupby("set_id", sort=True):
        known = rows[rows["hgnc_id"].isin(row_of)]
        chosen = [(row_of[g], d) for g, d in zip(known["hgnc_id"], known["direction"], strict=True)]
        chosen = [(row, direction) for row, direction in chosen if row in controls]
        if chosen:
            names.append(name)
            sets.append(tuple(zip(*chosen, strict=True)))
    weights = set_weights(len(mean), sets, controls)
    scores = pd.DataFrame(values @ weights, index=profiles.obs_names, columns=names)
    return {
        "rules": pd.DataFrame({"rule": [how], "measurable_controls": [len(pool)]}),
        "measurable": pd.DataFrame({"data_id": profiles.var_names[passes]}),
        "detectability": _detectability(profiles, mapping, row_of, mean, n_detected, sizes, passes),
        "scores": _long_scores(
            scores, profiles, {n: len(s[0]) for n, s in zip(names, sets, strict=True)}
        ),
        "controls": pd.DataFrame(
            {
                "data_id": profiles.var_names[genes],
                "controls": [";".join(profiles.var_names[row]) for row in nearest],
            }
        ),
    }


def _detected(profiles, values, members, row_of, settings):
    if "counts" in profiles.layers:
        sizes = profiles.obs["effective_library_size"].to_numpy()
        how = (
            f"detected: at least {settings['min_count']:g} counts, also when scaled to the median "
            "library"
        )
        return detected_counts(profiles.layers["counts"], sizes, settings["min_count"]), how
    background = members.loc[members["set_id"].isin(settings["background_sets"]), "hgnc_id"]
    rows = sorted({row_of[gene] for gene in background if gene in row_of})
    return detected_intensities(
        values,
        rows,
        settings["background_quantile"],
        settings["fallback_quantile"],
        settings["min_background_genes"],
    )


def _detectability(profiles, mapping, row_of, mean, n_detected, sizes, passes):
    import numpy as np
    import pandas as pd

    found = mapping[mapping["data_id"] != ""]
    rows = [row_of[gene] for gene in found["hgnc_id"]]
    if "counts" in profiles.layers:
        mean_count = np.asarray(profiles.layers["counts"][:, rows]).mean(axis=0)
    else:
        mean_count = np.nan
    base = pd.DataFrame(
        {
            "hgnc_id": found["hgnc_id"].to_numpy(),
            "symbol": found["symbol"].to_numpy(),
            "data_id": found["data_id"].to_numpy(),
            "mean_expression": mean[rows],
            "mean_count": mean_count,
            "measurable": np.where(passes[rows], "yes", "no"),
        }
    )
    parts = [
        base.assign(group=group, n_profiles=size, n_detected=n_detected[group].to_numpy()[rows])
        for group, size in sizes.items()
    ]
    table = pd.concat(parts).sort_values(["symbol", "group"], kind="stable")
    return table.reset_index(drop=True)


def _long_scores(scores, profiles, n_genes):
    import numpy as np

    spread = scores.std(ddof=1)
    z = (scores - scores.mean()) / spread.where(spread > 0, np.nan)
    long = scores.rename_axis(index="profile").reset_index()
    long = long.melt("profile", var_name="set_id", value_name="score")
    long["z"] = z.melt(value_name="z")["z"]
    long["n_genes"] = long["set_id"].map(n_genes)
    for column in ("group", "subject"):
        long.insert(1, column, long["profile"].map(profiles.obs[column].astype(str)))
    return long


def add_scores(profiles, result):
    """The profiles with what `score_sets` found.

    obsm['scores']: profiles x sets DataFrame (NaN: no measurable gene);
    var['measurable_<stratum>']: whether the gene is measurable there.
    """
    wide = result["scores"].pivot(index="profile", columns="set_id", values="score")
    wide.columns.name = wide.index.name = None
    profiles.obsm["scores"] = wide.reindex(profiles.obs_names)
    for stratum, rows in result["measurable"].groupby("stratum"):
        profiles.var[f"measurable_{stratum}"] = profiles.var_names.isin(rows["data_id"])
    return profiles


def control_numbers(var_names, controls):
    """Dict gene -> numbers of its matched controls among `var_names`.

    controls: DataFrame with 'data_id' and 'controls' (separated by semicolons), as `score_sets`
    makes it.
    """
    number = {name: index for index, name in enumerate(var_names)}
    return {
        gene: [number[name] for name in names.split(";")]
        for gene, names in zip(controls["data_id"], controls["controls"], strict=True)
    }

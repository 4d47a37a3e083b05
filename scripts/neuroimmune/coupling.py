"""Association of neuroimmune with effector scores across the subjects of a study: exploratory."""

from zlib import crc32

from .adjustment import relative_expression
from .contrast import adjust, of_stratum
from .panels import members_in_data
from .stats import correlation
from .stats.adjust import composition, signed_mean

LABEL = "exploratory"
COLUMNS = (
    "study",
    "stratum",
    "label",
    "kind",
    "x",
    "y",
    "adjustment",
    "given",
    "status",
    "n",
    "df",
    "rho",
    "p",
    "permutation_floor",
    "relabelings",
    "exact",
    "q",
)
WITHIN, FULL, NOTHING = "groups", "groups, treatment, composition", "nothing"
UNKNOWN = ("", "unknown")


def run_coupling(study, tables, contrasts, settings):
    """One row a pair of variables and adjustment (DataFrame with `COLUMNS`), over the strata.

    tables: dict with 'profiles' (AnnData), 'sets', 'members', 'mapping', 'controls'; contrasts:
    of the study; settings: the config's `coupling` block with 'seed', 'min_genes',
    'min_gene_fraction' and the `adjust` block as 'adjust'. Rows: every neuroimmune set with every
    effector set, and the recorded glucocorticoid dose with exposure and erythroid scores and
    their genes. q: BH within study, stratum, kind and adjustment.
    """
    import numpy as np
    import pandas as pd

    parts = []
    for stratum in sorted(set(tables["profiles"].obs["stratum"])):
        part = {key: of_stratum(table, stratum) for key, table in tables.items()}
        rng = np.random.default_rng([settings["seed"], crc32(f"{study}/{stratum}".encode())])
        found = [_sets(part, contrasts, settings, rng), _dose(part, contrasts, settings, rng)]
        table = pd.concat([rows for rows in found if len(rows)], ignore_index=True)
        table["q"] = np.nan
        for _, rows in table.groupby(["kind", "adjustment"]):
            table.loc[rows.index, "q"] = adjust(rows["p"])
        parts.append(table.assign(study=study, stratum=stratum, label=LABEL))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def one_a_subject(obs, contrasts):
    """Names of the profiles to use: one of each subject, the reference of a contrast first.

    obs: of one stratum. Groups count in the order in which the contrasts name them, first all
    references, then all cases; those that no contrast names come last, by name.
    """
    named = [c[arm] for arm in ("reference", "case") for c in contrasts.values()]
    groups = list(dict.fromkeys([*named, *sorted(set(obs["group"].astype(str)))]))
    rank = obs["group"].astype(str).map(groups.index)
    order = rank.sort_values(kind="stable").index
    first = obs.loc[order].drop_duplicates("subject").index
    return [name for name in obs.index if name in set(first)]


def _indicators(values):
    import numpy as np

    return np.column_stack([np.asarray(values) == level for level in sorted(set(values))]) * 1.0


def _genes(part, relative):
    """Dict of set_id -> dict of measurable data_id -> direction; genes of the panel by symbol."""
    members = members_in_data(part["members"], part["mapping"])
    symbols = dict(zip(members["gene_symbol"], members["data_id"], strict=True))
    members = members[members["data_id"].isin(relative.columns)]
    genes = {
        name: dict(zip(rows["data_id"], rows["direction"], strict=True))
        for name, rows in members.groupby("set_id")
    }
    return genes, {name: gene for name, gene in symbols.items() if gene in relative.columns}


def _sets(part, contrasts, settings, rng):
    """Neuroimmune with effector sets, within groups, and given treatment and composition too."""
    import numpy as np
    import pandas as pd

    names = one_a_subject(part["profiles"].obs, contrasts)
    profiles = part["profiles"][names]
    obs = profiles.obs.astype({"group": str, "treatment": str})
    relative = relative_expression(profiles, part["controls"])
    genes, _ = _genes(part, relative)
    families = part["sets"].set_index("set_id")["family"]
    sizes = part["members"].groupby("set_id").size()
    measured = [
        name
        for name, own in genes.items()
        if len(own) >= settings["min_genes"]
        and len(own) / sizes[name] >= settings["min_gene_fraction"]
    ]
    neuro = sorted(families.index[families == "neuroimmune"])
    never = {gene for name in neuro for gene in genes.get(name, {})}
    rows = []
    for effector in settings["effector_sets"]:
        frame = pd.DataFrame({"kind": "neuroimmune with effector", "x": neuro, "y": effector})
        if effector not in measured:
            rows += [
                _without(frame, name, len(obs), f"not measurable: {effector}")
                for name in (WITHIN, FULL)
            ]
            continue
        # A gene of both sets would tie their scores by construction.
        own = {
            name: {gene: sign for gene, sign in genes[name].items() if gene not in genes[effector]}
            for name in neuro
            if name in measured
        }
        shown = [name for name in own if len(own[name]) >= settings["min_genes"]]
        hidden = frame[~frame["x"].isin(shown)]
        why = [
            "not measurable: too few genes outside the effector set"
            if name in measured
            else f"not measurable: {name}"
            for name in hidden["x"]
        ]
        x = np.column_stack([signed_mean(relative, own[name]) for name in shown]) if shown else None
        y = signed_mean(relative, genes[effector])[:, None]
        markers = {name: genes.get(name, {}) for name in settings["adjust"]["composition_sets"]}
        for name in (WITHIN, FULL):
            given, cells, words, status = _given(
                name, obs, relative, markers, never | set(genes[effector]), settings
            )
            rows.append(_without(hidden, name, len(obs), why))
            if given is None or x is None:
                rows.append(_without(frame[frame["x"].isin(shown)], name, len(obs), status))
                continue
            test = correlation.partial_rank(x, y, given, cells, settings["permutations"], rng)
            rows.append(_filled(frame[frame["x"].isin(shown)], test, name, words, status, len(obs)))
    return pd.concat(rows, ignore_index=True)


def _given(name, obs, relative, markers, left_out, settings):
    """(design or None, cells, words, status) that a correlation is given."""
    import numpy as np

    cells = obs["group"].to_numpy()
    design, words, status = _indicators(cells), ["group"], ""
    fewest = settings["min_df"]
    if name == FULL:
        unknown = int(obs["treatment"].isin(UNKNOWN).sum())
        if unknown:
            status = f"treatment is not recorded for {unknown} of {len(obs)} subjects"
        else:
            both = (obs["group"] + " / " + obs["treatment"]).to_numpy()
            if len(set(both)) > len(set(cells)):
                cells, design, words = both, _indicators(both), ["group", "treatment"]
    free = len(obs) - np.linalg.matrix_rank(design) - 1
    if free < fewest:
        return None, cells, "", f"not available: {max(free, 0)} degrees of freedom are left"
    if name == FULL:
        most = min(settings["adjust"]["composition_components"], max(1, free // 5), free - fewest)
        matrix, _, types = composition(
            relative, markers, left_out, settings["adjust"]["min_genes"], most
        )
        if matrix is None:
            what = "too few subjects" if most < 1 else "too few cell types with marker genes"
            return None, cells, "", f"not available: {what} for composition"
        design = np.hstack([design, matrix])
        words.append(f"{matrix.shape[1]} components of {', '.join(types)}")
    return design, cells, ", ".join(words), status


def _without(frame, adjustment, n, status):
    return frame.assign(adjustment=adjustment, given="", status=status, n=n).reindex(
        columns=list(COLUMNS)
    )


def _filled(frame, test, adjustment, words, status, n):
    return frame.assign(
        adjustment=adjustment,
        given=words,
        status=status,
        n=n,
        df=test["df"],
        rho=test["rho"].ravel(),
        p=test["p"].ravel(),
        permutation_floor=test["floor"],
        relabelings=test["relabelings"],
        exact="yes" if test["exact"] else "no",
    ).reindex(columns=list(COLUMNS))


def _dose(part, contrasts, settings, rng):
    """The recorded dose with exposure and erythroid scores, and with each of their genes.

    A gene is its log2 expression, a score relative to matched controls.
    """
    import numpy as np
    import pandas as pd

    obs = part["profiles"].obs
    dose = pd.to_numeric(obs["dose"], errors="coerce") if "dose" in obs else pd.Series(dtype=float)
    dose = dose.dropna()
    if dose.nunique() < 3:
        return pd.DataFrame(columns=list(COLUMNS))
    names = one_a_subject(obs.loc[dose.index], contrasts)
    profiles = part["profiles"][names]
    relative = relative_expression(profiles, part["controls"])
    genes, symbols = _genes(part, relative)
    exposure = [name for name in settings["adjust"]["exposure_sets"] if name in genes]
    erythroid = [name for name in settings["adjust"]["erythroid_genes"] if name in symbols]
    y = {name: signed_mean(relative, genes[name]) for name in exposure}
    if erythroid:
        markers = relative[[symbols[name] for name in erythroid]]
        y["erythroid marker genes"] = markers.mean(axis=1).to_numpy()
    first = genes[exposure[0]] if exposure else {}
    for name in sorted({*erythroid, *(name for name, gene in symbols.items() if gene in first)}):
        y[name] = np.asarray(profiles[:, symbols[name]].X, dtype=float).ravel()
    frame = pd.DataFrame({"kind": "dose", "x": "dose", "y": list(y)})
    if len(names) - 2 < settings["min_df"] or not y:
        status = f"not available: dose is recorded for {len(names)} subjects"
        return _without(frame, NOTHING, len(names), status)
    test = correlation.partial_rank(
        dose.loc[names].to_numpy()[:, None],
        np.column_stack(list(y.values())),
        np.ones((len(names), 1)),
        ["all"] * len(names),
        settings["permutations"],
        rng,
    )
    return _filled(frame, test, NOTHING, "nothing", "", len(names))

"""The same contrast by other scorers and set tests: does the conclusion depend on the method?

None of these gives a verdict. Scorers are tested like the headline score, by limma with subjects
as replicates; fry and camera are set tests on genes; prerank ranks genes and takes them for
replicates, so it calls about 15 % of null sets at a correlation of 0.1 (docs/methods.md).
"""

from .adjustment import relative_expression
from .contrast import design_of, of_stratum, whitening_of
from .panels import members_in_data
from .stats import linear

SCORERS = ("matched controls", "rank mean", "ssGSEA", "GSVA")
PERMUTATIONS = 1000
# gseapy takes identifiers that are digits (Entrez) for numbers and then finds none of them.
GENE = "gene "
METHODS = (*SCORERS, "fry", "camera", "prerank")
COLUMNS = ("set_id", "method", "direction", "p", "log2_fold_change", "status")
GENE_COLUMNS = (
    "set_id",
    "data_id",
    "direction",
    "log2_fold_change",
    "share",
    "log2_fold_change_without",
)
CONCORDANCE = (
    "set_id",
    "n_methods",
    "n_same_direction",
    "n_p_05",
    "depends_on_scorer",
    "leading_gene",
    "leading_share",
    "carried_by_one_gene",
)


def run_sensitivity(study, name, contrast, tables, settings):
    """Dict of DataFrames 'scorers', 'leave_one_out' and 'concordance' over the strata.

    tables: as in `contrast.run_contrast`; settings: 'seed' and 'min_subjects'. Sets without a
    score, and contrasts without a design, have no rows.
    """
    import numpy as np
    import pandas as pd

    parts = {"scorers": [], "leave_one_out": [], "concordance": []}
    for stratum in sorted(set(tables["profiles"].obs["stratum"])):
        part = {key: of_stratum(table, stratum) for key, table in tables.items()}
        obs = part["profiles"].obs.astype({"subject": str, "group": str})
        kept, design, _ = design_of(obs, contrast, settings)
        found = {
            "scorers": pd.DataFrame(columns=list(COLUMNS)),
            "leave_one_out": pd.DataFrame(columns=list(GENE_COLUMNS)),
            "concordance": pd.DataFrame(columns=list(CONCORDANCE)),
        }
        if design is not None and len(part["controls"]):
            profiles = part["profiles"][kept.index]
            relative = relative_expression(profiles, part["controls"])
            sets = _sets(part, relative.columns)
            measurable = profiles.var[f"measurable_{stratum}"].to_numpy()
            values = pd.DataFrame(
                np.asarray(profiles.X)[:, measurable],
                index=profiles.obs_names,
                columns=profiles.var_names[measurable],
            )
            scores = profiles.obsm["scores"]
            whiten, _ = whitening_of(scores, kept, design, contrast)
            design = whiten @ design
            found["scorers"] = compare(scores, values, sets, design, whiten, settings["seed"])
            found["leave_one_out"] = leave_one_out(whiten @ relative, sets, design)
            found["concordance"] = concordance(found["scorers"], found["leave_one_out"])
        key = {"study": study, "contrast": name, "stratum": stratum}
        for part_name, table in found.items():
            parts[part_name].append(table.assign(**key)[[*key, *table.columns]])
    return {part_name: pd.concat(frames) for part_name, frames in parts.items()}


def _sets(tables, genes):
    """Set -> (measurable genes under the data's ids, directions), sets and genes sorted."""
    members = members_in_data(tables["members"], tables["mapping"])
    members = members[members["data_id"].isin(genes)].sort_values(["set_id", "data_id"])
    return {
        name: (rows["data_id"].to_list(), rows["direction"].to_list())
        for name, rows in members.groupby("set_id", sort=True)
    }


def rank_mean(values, sets):
    """singscore of every sample and set: DataFrame samples x sets.

    values: samples x measurable genes; sets: dict name -> (genes, directions). Centred mean of
    within-sample ranks between the smallest and largest possible; genes of direction -1 are
    ranked from the other end (Foroutan 2018, doi:10.1186/s12859-018-2435-4).
    """
    import numpy as np
    import pandas as pd
    from scipy.stats import rankdata

    total = values.shape[1]
    ranks = pd.DataFrame(rankdata(values, axis=1), index=values.index, columns=values.columns)
    found = {}
    for name, (genes, directions) in sets.items():
        directions, parts = np.asarray(directions), []
        for sign in (1, -1):
            chosen = [gene for gene, d in zip(genes, directions, strict=True) if d == sign]
            if not chosen:
                continue
            mean = ranks[chosen].mean(axis=1)
            mean = mean if sign == 1 else total + 1 - mean
            low, high = (len(chosen) + 1) / 2, (2 * total - len(chosen) + 1) / 2
            parts.append((mean - low) / (high - low) - 0.5)
        found[name] = sum(parts)
    return pd.DataFrame(found)


def enrichment_scores(values, sets, method, seed):
    """ssGSEA or GSVA by gseapy: DataFrame samples x sets of enrichment scores (not normalised).

    Genes of direction -1 form a set of their own whose score is subtracted. gseapy drops sets
    below its `min_size` without a word, so sets asked and returned are compared.
    Raises RuntimeError when one is missing.
    """
    import gseapy

    asked = {}
    for name, (genes, directions) in sets.items():
        for sign in (1, -1):
            chosen = [gene for gene, d in zip(genes, directions, strict=True) if d == sign]
            if chosen:
                asked[f"{name}|{sign}"] = [GENE + gene for gene in chosen]
    values = values.rename(columns=GENE.__add__)
    options = {"outdir": None, "min_size": 1, "max_size": values.shape[1], "threads": 1}
    options |= {"seed": seed, "verbose": False}
    if method == "ssGSEA":
        result = gseapy.ssgsea(values.T, asked, sample_norm_method="rank", no_plot=True, **options)
    else:
        result = gseapy.gsva(values.T, asked, **options)
    table = result.res2d.pivot(index="Name", columns="Term", values="ES").astype(float)
    missing = set(asked) - set(table.columns)
    if missing:
        raise RuntimeError(f"{method} did not return {sorted(missing)}")
    table = table.loc[values.index]
    return _signed(table, sets)


def _signed(table, sets):
    import pandas as pd

    zero = pd.Series(0.0, index=table.index)
    return pd.DataFrame(
        {name: table.get(f"{name}|1", zero) - table.get(f"{name}|-1", zero) for name in sets}
    )


def set_tests(values, sets, design, seed):
    """fry, camera (estimated correlation) and prerank of every set: rows as in `COLUMNS`.

    values: samples x genes, log2. For fry and camera a gene of direction -1 enters with its
    sign turned.
    """
    import numpy as np
    import pylimma

    genes, number = values.to_numpy().T, {name: i for i, name in enumerate(values.columns)}
    matrix, contrast = design.to_numpy(), list(design.columns).index(linear.CASE)
    t = linear.fit(values.T, design, trend=True, robust=True)["t"]
    rows = []
    for together in _by_turned_genes(sets):
        index = {name: np.array([number[gene] for gene in sets[name][0]]) for name in together}
        turned = index[together[0]][np.asarray(sets[together[0]][1]) == -1]
        sign = np.ones(len(genes))
        sign[turned] = -1
        y = genes * sign[:, None]
        common = {"index": index, "design": matrix, "contrast": contrast}
        tests = {
            "fry": pylimma.fry(y, **common),
            "camera": pylimma.camera(y, inter_gene_cor=None, **common),
        }
        for method, found in tests.items():
            for name, row in found.iterrows():
                rows.append(_row(name, method, row["direction"], row["p_value"]))
    return rows + _prerank(sets, t, seed)


def _by_turned_genes(sets):
    """Names of sets that can be tested in one call: all without a turned gene, else alone."""
    plain = [name for name, (_, directions) in sets.items() if min(directions) == 1]
    return ([plain] if plain else []) + [[name] for name in sets if name not in plain]


def _row(name, method, direction, p, effect=None, status=""):
    return {
        "set_id": name,
        "method": method,
        "direction": direction.lower() if direction else "",
        "p": p,
        "log2_fold_change": effect,
        "status": status,
    }


def _prerank(sets, ranking, seed):
    """prerank of the sets whose genes all have one direction, in one call.

    By gene permutation: the multilevel method of gseapy 1.3.1 can crash its process.
    """
    import gseapy

    one_way = {
        name: genes for name, (genes, directions) in sets.items() if len(set(directions)) == 1
    }
    found = gseapy.prerank(
        ranking.rename(GENE.__add__).sort_values(ascending=False, kind="stable"),
        {name: [GENE + gene for gene in genes] for name, genes in one_way.items()},
        outdir=None,
        min_size=1,
        max_size=len(ranking),
        permutation_num=PERMUTATIONS,
        threads=1,
        seed=seed,
        no_plot=True,
        verbose=False,
    ).res2d.set_index("Term")
    missing = set(one_way) - set(found.index)
    if missing:
        raise RuntimeError(f"prerank did not return {sorted(missing)}")
    rows = []
    for name, (_, directions) in sets.items():
        if name not in one_way:
            rows.append(_row(name, "prerank", "", None, status="genes of both directions"))
            continue
        up = float(found.at[name, "ES"]) * directions[0] > 0
        # A p of 0 out of N permutations is at most 1 in N + 1.
        p = (float(found.at[name, "NOM p-val"]) * PERMUTATIONS + 1) / (PERMUTATIONS + 1)
        rows.append(_row(name, "prerank", "up" if up else "down", p))
    return rows


def compare(scores, values, sets, design, whiten, seed):
    """Rows (DataFrame with `COLUMNS`) of all methods for the sets of one stratum and contrast.

    scores: samples x sets, the headline scores; values: samples x measurable genes, log2; sets:
    dict name -> (measurable genes, directions); design: as from `stats.linear.design_matrix`,
    multiplied by `whiten` (see `contrast.whitening_of`).
    """
    import pandas as pd

    by_scorer = {
        "matched controls": scores[list(sets)],
        "rank mean": rank_mean(values, sets),
        "ssGSEA": enrichment_scores(values, sets, "ssGSEA", seed),
        "GSVA": enrichment_scores(values, sets, "GSVA", seed),
    }
    rows = []
    for method, table in by_scorer.items():
        fitted = linear.fit((whiten @ table).T, design)
        for name, row in fitted.iterrows():
            direction = "up" if row["coefficient"] > 0 else "down"
            effect = row["coefficient"] if method == "matched controls" else None
            rows.append(_row(name, method, direction, row["p"], effect))
    rows += set_tests(whiten @ values, sets, design, seed)
    order = {method: place for place, method in enumerate(METHODS)}
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.sort_values(
        ["set_id", "method"], key=lambda c: c.map(order) if c.name == "method" else c, kind="stable"
    ).reset_index(drop=True)


def leave_one_out(relative, sets, design):
    """One row a set and gene: how much of the set's effect one gene makes.

    relative: samples x genes, log2 minus matched controls. Columns: set_id, data_id, direction,
    log2_fold_change (of the gene, signed by direction), share (of the set's effect),
    log2_fold_change_without (effect of the set without the gene; missing for a single gene).
    """
    import numpy as np
    import pandas as pd

    beta = pd.Series(linear.coefficients(relative, design), index=relative.columns)
    rows = []
    for name, (genes, directions) in sets.items():
        effects = beta[list(genes)].to_numpy() * np.asarray(directions)
        total, n = effects.sum(), len(effects)
        without = (total - effects) / (n - 1) if n > 1 else np.full(n, np.nan)
        for gene, direction, effect, rest in zip(genes, directions, effects, without, strict=True):
            rows.append((name, gene, direction, effect, effect / total, rest))
    return pd.DataFrame(rows, columns=list(GENE_COLUMNS))


def concordance(methods, genes, alpha=0.05):
    """One row a set (DataFrame with `CONCORDANCE`): do the methods agree, does one gene carry it?

    depends_on_scorer: 'yes' where a scorer with p <= alpha disagrees in direction with the
    headline score, or where the headline score has p <= alpha and fewer than half of the other
    scorers do. carried_by_one_gene: 'yes' where the effect without the leading gene is less than
    half of the effect, or turns round.
    """
    import numpy as np
    import pandas as pd

    by_set, members = {}, {}
    for row in methods.to_dict("records"):
        by_set.setdefault(row["set_id"], {})[row["method"]] = row
    for row in genes.to_dict("records"):
        members.setdefault(row["set_id"], []).append(row)
    rows = []
    for name, part in sorted(by_set.items()):
        headline = part["matched controls"]
        same = {m: row["direction"] == headline["direction"] for m, row in part.items()}
        found = {m: row["p"] <= alpha for m, row in part.items()}
        others = [m for m in SCORERS[1:] if m in part]
        against = any(found[m] and not same[m] for m in others)
        agree = sum(found[m] and same[m] for m in others)
        depends = against or (headline["p"] <= alpha and 2 * agree < len(others))
        leading = max(members[name], key=lambda row: abs(row["share"]))
        left = np.divide(leading["log2_fold_change_without"], headline["log2_fold_change"])
        rows.append(
            (
                name,
                len(part),
                sum(same.values()),
                sum(found.values()),
                "yes" if depends else "no",
                leading["data_id"],
                leading["share"],
                "yes" if not left >= 0.5 else "no",
            )
        )
    return pd.DataFrame(rows, columns=list(CONCORDANCE))

"""One contrast of one study: who is compared, what confounds it, and every set's numbers."""

from zlib import crc32

from .adjustment import adjusted_effects
from .errors import some
from .panels import members_in_data
from .scoring import control_numbers
from .stats import effect, linear, nulls, power, settest
from .studies import QUESTION_FACTOR

# Factors whose complete separation between the groups makes a contrast confounded.
FACTORS = ("treatment", "batch", "tissue", "fraction", "sex")
# From here on, a model with one spread for both groups calls too much: how many times as many
# subjects the larger group has, and how many times the SD of the other.
FEW, NOISY = 1.5, 1.4
# Words of the sample table for a value that nobody recorded.
UNKNOWN = ("", "unknown")
NOT_KNOWN = "{} is not known"

SET_COLUMNS = (
    "study",
    "contrast",
    "question",
    "tissue",
    "simulated",
    "stratum",
    "set_id",
    "axis",
    "family",
    "n_genes",
    "n_mapped",
    "n_measurable",
    "fraction_measurable",
    "set_count",
    "measurable_genes",
    "n_case",
    "n_reference",
    "log2_fold_change",
    "ci_low",
    "ci_high",
    "ci90_low",
    "ci90_high",
    "standard_error",
    "df",
    "t",
    "p",
    "permutation_p",
    "permutation_floor",
    "permutation_labelings",
    "hedges_g",
    "g_ci_low",
    "g_ci_high",
    "g_variance",
    "g_kind",
    "equivalence_p",
    "achieved_margin",
    "detectable_effect",
    "random_set_percentile",
)


# Those that hold text; the others hold numbers.
SET_TEXT = (*SET_COLUMNS[: SET_COLUMNS.index("n_genes")], "measurable_genes", "g_kind")


def run_contrast(study, name, contrast, labels, tables, settings):
    """All results of one contrast, over its strata.

    labels: the study's 'tissue' and 'simulated' (yes or no), carried by the sets table; tables:
    dict with 'profiles' (AnnData with obsm 'scores'), 'sets', 'members', 'mapping',
    'detectability', 'controls'; settings: the config's `contrast` block with min_fraction,
    min_count, min_subjects, and the `adjust` block as 'adjust'.

    Returns a dict of DataFrames 'sets', 'adjusted', 'genes' and 'subjects', and the list
    'designs' (one report a stratum, see `design_of`).
    """
    import pandas as pd

    parts = {"sets": [], "adjusted": [], "genes": [], "subjects": []}
    designs = []
    profiles = tables["profiles"]
    for stratum in sorted(set(profiles.obs["stratum"])):
        part = {key: of_stratum(table, stratum) for key, table in tables.items()}
        obs = part["profiles"].obs.astype({"subject": str, "group": str})
        kept, design, report = design_of(obs, contrast, settings)
        key = {"study": study, "contrast": name, "stratum": stratum}
        scores = part["profiles"].obsm["scores"]
        whiten, report["correlation"] = whitening_of(scores, kept, design, contrast)
        spread = uneven_spread(scores, kept, contrast)
        report["noisy_few"] = bool(spread)
        report["warnings"] += [spread] if spread else []
        if report["correlation"] is not None:
            report["formula"] += f" (correlation {report['correlation']:.2f})"
        sets = compare_sets(part, kept, design, whiten, contrast, settings, "/".join(key.values()))
        sets = sets.assign(**key, question=contrast["question"], **labels)
        parts["sets"].append(sets.reindex(columns=list(SET_COLUMNS)))
        adjusted = adjusted_effects(part, kept, design, whiten, report, settings["adjust"])
        parts["adjusted"].append(adjusted.assign(**key)[[*key, *adjusted.columns]])
        mapping = tables["mapping"]
        genes, report["genes_left_out"] = pd.DataFrame(columns=["symbol"]), None
        if design is not None:
            globins = part["profiles"].uns.get("globins", [])
            chosen = part["profiles"][kept.index]
            block = None if report["correlation"] is None else kept["subject"]
            genes, report["genes_left_out"] = gene_table(
                chosen,
                mapping,
                design,
                settings["min_count"],
                globins,
                block,
                report["correlation"],
            )
        genes = genes.rename_axis("data_id").reset_index()
        genes.insert(0, "stratum", stratum)
        parts["genes"].append(genes)
        subjects = subject_table(part["profiles"], kept, mapping, report["paired"])
        subjects.insert(0, "stratum", stratum)
        parts["subjects"].append(subjects)
        designs.append({**key, **contrast, **report})
    results = {part: pd.concat(frames, ignore_index=True) for part, frames in parts.items()}
    return results | {"designs": designs}


def of_stratum(table, stratum):
    """The part of an AnnData or DataFrame that belongs to a stratum; other tables as they are."""
    if hasattr(table, "obs"):
        return table[(table.obs["stratum"] == stratum).to_numpy()]
    return table[table["stratum"] == stratum] if "stratum" in table else table


def choose_subjects(obs, contrast):
    """(kept, left_out): the profiles of a contrast, and those of its groups that cannot be used.

    obs: profiles of one stratum (index profile; columns subject, group and the covariates).
    kept: DataFrame sorted by subject, then reference before case, with 'arm' (1 case, 0
    reference). left_out: list of {profile, reason}. Paired: subjects with both samples only.
    """
    arms = {contrast["reference"]: 0, contrast["case"]: 1}
    kept = obs[obs["group"].isin(list(arms))].copy()
    kept["arm"] = kept["group"].map(arms).astype(int)
    left_out = []

    def drop(mask, reason):
        nonlocal kept
        left_out.extend({"profile": name, "reason": reason(name)} for name in kept.index[mask])
        kept = kept[~mask]

    if contrast.get("paired"):
        complete = kept.groupby("subject")["arm"].transform("nunique") == 2
        drop(
            (~complete).to_numpy(),
            lambda name: f"subject {obs.at[name, 'subject']} has no sample in the other group",
        )
    for covariate in contrast.get("covariates", []):
        blank = kept[covariate].isin(UNKNOWN).to_numpy()
        drop(blank, lambda name, what=covariate: NOT_KNOWN.format(what))
    return kept.sort_values(["subject", "arm"], kind="stable"), left_out


def confounders(kept, question):
    """Factors that separate the two groups completely, each with its levels in words.

    The factor that the question itself asks about is no confounder. 'unknown' and blanks are
    not a level: where nothing is recorded nothing is known to be separated.
    """
    found = []
    for factor in FACTORS:
        if factor == QUESTION_FACTOR[question] or factor not in kept:
            continue
        known = kept[~kept[factor].isin(UNKNOWN)]
        levels = [set(known.loc[known["arm"] == arm, factor]) for arm in (1, 0)]
        if all(levels) and not levels[0] & levels[1]:
            case, reference = (", ".join(sorted(level)) for level in levels)
            found.append({"factor": factor, "case": case, "reference": reference})
    return found


def design_of(obs, contrast, settings):
    """Everything about a contrast that can be said before any expression is looked at.

    Returns (kept, design matrix or None, report): `report` has formula, n_case, n_reference,
    n_subjects, left_out, confounders, warnings (sentences for the reader), problem ('' or why
    the design cannot be fitted), untreated (every subject), treatment_unknown.
    """
    kept, left_out = choose_subjects(obs, contrast)
    paired, covariates = contrast.get("paired", False), contrast.get("covariates", [])
    n_case, n_reference = int((kept["arm"] == 1).sum()), int((kept["arm"] == 0).sum())
    confounded = confounders(kept, contrast["question"])
    warnings = [
        f"Confounded by {item['factor']}: {contrast['case']} is {item['case']}, "
        f"{contrast['reference']} is {item['reference']}. Any difference may be that of "
        f"{item['factor']}."
        for item in confounded
    ]
    unknown = kept["treatment"].isin(UNKNOWN)
    asks_treatment = QUESTION_FACTOR[contrast["question"]] == "treatment"
    if unknown.any() and not asks_treatment:
        warnings.append(
            f"Treatment is not recorded for {int(unknown.sum())} of {len(kept)} samples: a "
            "difference may be that of glucocorticoids."
        )
    warnings += _imbalances(kept, contrast, confounded)
    if left_out:
        reasons = sorted({item["reason"] for item in left_out})
        warnings.append(f"{len(left_out)} samples left out: {'; '.join(reasons)}.")
    design, problems = None, _unknown_covariates(left_out, covariates)
    smallest = min(n_case, n_reference)
    if smallest < settings["min_subjects"]:
        few = [
            contrast[arm]
            for arm, n in (("case", n_case), ("reference", n_reference))
            if n < settings["min_subjects"]
        ]
        names = some(kept.index[kept["group"].isin(few)])
        problems.append(
            f"{n_case} {contrast['case']} and {n_reference} {contrast['reference']} subjects"
            f"{f' ({names})' if names else ''}; at least {settings['min_subjects']} a group are "
            "needed"
        )
    if smallest:
        design = linear.design_matrix(kept, paired, covariates)
        aliased = linear.aliased_columns(design)
        if aliased:
            problems.append(_aliased_in_words(design, aliased))
        elif len(design) <= design.shape[1]:
            problems.append(
                f"{len(design)} samples for {design.shape[1]} coefficients "
                f"({', '.join(design.columns)}): no degree of freedom is left for the residual"
            )
        if aliased or len(design) <= design.shape[1]:
            design = None
    if problems:
        warnings.insert(len(confounded), f"Design: {'; '.join(problems)}.")
    terms = (["subject"] if paired else []) + list(covariates) + ["group"]
    blocked = contrast.get("blocked", False)
    return (
        kept,
        design,
        {
            "formula": "~ " + " + ".join(terms) + (", blocked by subject" if blocked else ""),
            "paired": paired,
            "blocked": blocked,
            "n_case": n_case,
            "n_reference": n_reference,
            "n_subjects": int(kept["subject"].nunique()),
            "profiles": [
                {"profile": name, "subject": row["subject"], "group": row["group"]}
                for name, row in kept.iterrows()
            ],
            "left_out": left_out,
            "confounders": confounded,
            "untreated": bool((kept["treatment"] == "none").all()),
            "treatment_unknown": bool(unknown.any() and not asks_treatment),
            "problem": "; ".join(problems),
            "warnings": warnings,
        },
    )


def _unknown_covariates(left_out, covariates):
    """A sentence a covariate that is not recorded for some samples, with these."""
    said = []
    for covariate in covariates:
        names = [
            item["profile"] for item in left_out if item["reason"] == NOT_KNOWN.format(covariate)
        ]
        if names:
            said.append(
                f"the covariate {covariate} is not known for {some(names)}: add it to samples.tsv, "
                "leave the samples out under exclude:, or take it from the covariates"
            )
    return said


def _aliased_in_words(design, aliased):
    """Which design columns the others determine, and the samples they stand for."""
    words = []
    for name in aliased:
        column = design[name]
        marked = design.index[(column != 0).to_numpy()] if set(column) <= {0.0, 1.0} else []
        words.append(f"{name} ({some(marked)})" if len(marked) else name)
    return (
        f"the design is not of full rank: {', '.join(words)} follows from "
        f"{', '.join(c for c in design.columns if c not in aliased)}"
    )


def _imbalances(kept, contrast, confounded):
    """Sentences on treatment and sex that differ between the groups without separating them."""
    skip = {item["factor"] for item in confounded} | {QUESTION_FACTOR[contrast["question"]]}
    said = []
    for factor in ("treatment", "sex"):
        if factor in skip or factor in contrast.get("covariates", []):
            continue
        known = kept[~kept[factor].isin(UNKNOWN)]
        table = known.groupby("arm")[factor].value_counts().unstack("arm", fill_value=0)
        if len(table) < 2 or table.shape[1] < 2:
            continue
        share = table / table.sum()
        if (share[1] - share[0]).abs().max() >= 0.25:
            words = "; ".join(
                f"{level}: {table.at[level, 1]} of {contrast['case']}, "
                f"{table.at[level, 0]} of {contrast['reference']}"
                for level in table.index
            )
            said.append(f"{factor.capitalize()} is unevenly spread ({words}).")
    return said


def uneven_spread(scores, kept, contrast):
    """Warning where the smaller group of an unpaired contrast varies more, else ''."""
    sizes = kept["arm"].value_counts()
    if contrast.get("paired") or len(sizes) < 2 or sizes.min() < 2:
        return ""
    if sizes.max() < FEW * sizes.min():
        return ""
    few, many = int(sizes.idxmin()), int(sizes.idxmax())
    spread = [scores.loc[kept.index[kept["arm"] == arm]].std() for arm in (few, many)]
    times = (spread[0] / spread[1]).median()
    if not times >= NOISY:
        return ""
    name = {1: contrast["case"], 0: contrast["reference"]}
    return (
        f"{name[few]} ({sizes[few]} subjects) varies {times:.1f} times as much as {name[many]} "
        f"({sizes[many]}; standard deviation of the median set): the p-values, which take one "
        "spread for both, are too small."
    )


def whitening_of(scores, kept, design, contrast):
    """(matrix that makes the samples of a contrast independent, correlation within a subject).

    The unit matrix and None unless the contrast is blocked, see `linear.whitening`; also where a
    cell type has no score, or no subject twice. scores: profiles x sets.
    """
    scores = scores.loc[kept.index]
    scores = scores.loc[:, scores.notna().all()]
    repeated = kept["subject"].duplicated().any()
    if design is None or not contrast.get("blocked") or not repeated or scores.empty:
        return linear.whitening(kept.index, 0.0), None
    correlation = linear.subject_correlation(scores, design, kept["subject"])
    return linear.whitening(kept["subject"], correlation), correlation


def compare_sets(tables, kept, design, whiten, contrast, settings, rng_key):
    """Numbers of every set of the panel in one stratum and contrast: DataFrame, row a set.

    tables: as in `run_contrast`, of one stratum.
    design: None where nothing can be fitted; the numbers are then missing. whiten: as from
    `whitening_of`; a blocked contrast has no permutation and no Hedges g. settings: config
    `contrast` and `detect` blocks. rng_key: text that makes this contrast's random numbers its
    own, whatever runs beside it.
    """
    table = _measurability(tables, contrast, settings)
    table["n_case"] = int((kept["arm"] == 1).sum())
    table["n_reference"] = int((kept["arm"] == 0).sum())
    scores = tables["profiles"].obsm["scores"]
    scored = [name for name in table.index if name in scores and scores[name].notna().all()]
    if design is None or not scored:
        return table.reset_index()
    rng = rng_of(settings["seed"], rng_key)
    scores = scores.loc[kept.index, scored]
    table = fit_scores(table, scores, kept, design, whiten, contrast, settings, rng)
    beta = linear.coefficients(whiten @ tables["profiles"][kept.index].X, whiten @ design)
    _add_percentiles(table, scored, tables, beta, settings, rng)
    return table.reset_index()


def rng_of(seed, key):
    """Random numbers of a contrast's own: the same whatever runs beside it."""
    import numpy as np

    return np.random.default_rng([seed, crc32(key.encode())])


def fit_scores(table, scores, kept, design, whiten, contrast, settings, rng):
    """`table` (indexed by set) with what the model and the tests say of the sets in `scores`.

    scores: profiles x sets, rows as `kept`; the others as in `compare_sets`. The variances are
    moderated over the sets in `scores`, so a set's numbers depend on which others are in it.
    """
    import numpy as np

    scored, paired = list(scores), contrast.get("paired", False)
    independent = whiten @ design
    model = linear.fit((whiten @ scores).T, independent)
    renamed = model.rename(columns={"coefficient": "log2_fold_change"})
    table = table.join(renamed)
    margin = np.log2(settings["margin_fold"])
    table.loc[scored, "equivalence_p"] = power.equivalence_p(
        model["coefficient"], model["standard_error"], model["df"], margin
    )
    table["achieved_margin"] = power.achieved_margin(table["ci90_low"], table["ci90_high"])
    table.loc[scored, "detectable_effect"] = power.detectable_effect(
        model["standard_error"], model["df"]
    )
    if not contrast.get("covariates") and not contrast.get("blocked"):
        arm = kept["arm"].to_numpy()
        test = settest.permutation_test(
            scores.to_numpy(), arm, paired, settings["max_permutations"], rng
        )
        table.loc[scored, "permutation_p"] = test["p"]
        table.loc[scored, "permutation_floor"] = test["floor"]
        table.loc[scored, "permutation_labelings"] = test["labelings"]
    replicated = min(table["n_case"].iloc[0], table["n_reference"].iloc[0]) > 1
    if replicated and not contrast.get("blocked"):
        in_arm = [scores[(kept["arm"] == arm).to_numpy()].to_numpy() for arm in (1, 0)]
        g = effect.hedges(*in_arm, paired)
        for column, key in (
            ("hedges_g", "g"),
            ("g_ci_low", "low"),
            ("g_ci_high", "high"),
            ("g_variance", "variance"),
            ("g_kind", "kind"),
        ):
            table.loc[scored, column] = g[key]
    return table


def _measurability(tables, contrast, settings):
    """Panel sets with their mapped and measurable genes, counted in the two groups compared."""
    import pandas as pd

    members = tables["members"]
    mapped = set(tables["mapping"].loc[tables["mapping"]["data_id"] != "", "hgnc_id"])
    detected = tables["detectability"]
    detected = detected[detected["group"].isin([contrast["case"], contrast["reference"]])]
    passes = detected["n_detected"] / detected["n_profiles"] >= settings["min_fraction"]
    measurable = set(detected.loc[passes, "hgnc_id"])
    count_of = detected.drop_duplicates("hgnc_id").set_index("hgnc_id")["mean_count"]
    rows = []
    for name, genes in members.groupby("set_id", sort=True):
        usable = genes[genes["hgnc_id"].isin(measurable)]
        rows.append(
            {
                "set_id": name,
                "n_genes": len(genes),
                "n_mapped": int(genes["hgnc_id"].isin(mapped).sum()),
                "n_measurable": len(usable),
                "fraction_measurable": len(usable) / len(genes),
                "set_count": count_of.reindex(usable["hgnc_id"]).sum(min_count=1),
                "measurable_genes": ";".join(sorted(usable["gene_symbol"])),
            }
        )
    table = pd.DataFrame(rows).set_index("set_id")
    return table.join(tables["sets"].set_index("set_id")[["axis", "family"]])


def _add_percentiles(table, scored, tables, beta, settings, rng):
    controls = control_numbers(tables["profiles"].var_names, tables["controls"])
    members = members_in_data(tables["members"], tables["mapping"])
    members = members[members["data_id"].isin(list(controls))]
    for name in scored:
        rows = members[members["set_id"] == name]
        table.loc[name, "random_set_percentile"] = nulls.random_set_percentile(
            table.at[name, "log2_fold_change"],
            beta,
            [controls[gene] for gene in rows["data_id"]],
            rows["direction"],
            settings["random_sets"],
            rng,
        )


def gene_table(profiles, mapping, design, min_count, globins, block=None, correlation=None):
    """(limma table of all genes with their panel symbol, number left out by the filter)."""
    table, left_out = linear.fit_genes(profiles, design, min_count, globins, block, correlation)
    symbol = mapping[mapping["data_id"] != ""].set_index("data_id")["symbol"]
    table.insert(0, "symbol", symbol.reindex(table.index).fillna("").to_numpy())
    table["q"] = adjust(table["p"])
    return table.rename(columns={"coefficient": "log2_fold_change"}), left_out["filterByExpr"]


def adjust(p):
    """Benjamini-Hochberg q-values; missing p-values stay missing and do not count."""
    import numpy as np
    from scipy.stats import false_discovery_control

    p = np.asarray(p, dtype=float)
    q = np.full(len(p), np.nan)
    known = ~np.isnan(p)
    if known.any():
        q[known] = false_discovery_control(p[known])
    return q


def subject_table(profiles, kept, mapping, paired):
    """Panel genes by subject, for looking at: row a gene and subject.

    paired: 'log2_change' (case minus reference of the subject); else 'log2_expression'.
    """
    import numpy as np
    import pandas as pd

    found = mapping[mapping["data_id"] != ""]
    values = pd.DataFrame(
        np.asarray(profiles[kept.index, found["data_id"].to_list()].X),
        index=kept.index,
        columns=found["symbol"].to_list(),
    )
    if paired:
        case, reference = (kept.index[kept["arm"] == arm] for arm in (1, 0))
        values = values.loc[case] - values.loc[reference].to_numpy()
    values.insert(0, "subject", kept["subject"].reindex(values.index))
    values.insert(1, "group", kept["group"].reindex(values.index))
    name = "log2_change" if paired else "log2_expression"
    long = values.melt(["subject", "group"], var_name="symbol", value_name=name)
    return long[["symbol", "subject", "group", name]]

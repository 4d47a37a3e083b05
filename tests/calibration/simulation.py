"""Simulated studies with known truth, and how often the library is wrong about them.

Each `*_study` function makes one study, puts it through the library and returns a dict quantity
-> array with one value a set: booleans (was p at most 0.05, did the interval hold the truth, ...)
or numbers. `tally` runs many of them and gives the rate of every quantity with its Monte Carlo
interval. A study's random numbers depend on the scenario's name and its own number only: the first
studies of a long run are those of a short one. Used by the tests here and by
benchmarks/validate.py.
"""

from zlib import crc32

import anndata
import numpy as np
import pandas as pd

from neuroimmune.contrast import run_contrast
from neuroimmune.expression.counts import log_cpm
from neuroimmune.scoring import (
    add_scores,
    detected_counts,
    detection_by_group,
    match_controls,
    measurable,
    score_sets,
    set_weights,
)
from neuroimmune.stats import adjust, effect, linear, power, settest
from neuroimmune.verdict import give_verdicts

SEED = 20250601
GENES, CONTROLS, MOST = 2000, 50, 20000
SIZES = (10,) * 40


def tally(study, scenario, studies, first=0, report=None):
    """DataFrame indexed by quantity: hits, tests, studies, rate, low, high (95 % interval).

    study: one of the functions below; scenario: dict with 'name' and its arguments. The
    interval is Wilson's, with the number of tests divided by their design effect: sets of one
    study share controls and a prior, so they are not independent.
    """
    found = {}
    for number in range(first, first + studies):
        rng = np.random.default_rng([SEED, crc32(scenario["name"].encode()), number])
        options = {key: value for key, value in scenario.items() if key != "name"}
        for quantity, values in study(rng, **options).items():
            known = np.asarray(values, dtype=float)
            known = known[~np.isnan(known)]
            found.setdefault(quantity, []).append((known.sum(), len(known)))
        if report:
            report(number)
    rows = {name: interval(*np.array(counts).T) for name, counts in found.items()}
    return pd.DataFrame(rows).T.rename_axis("quantity")


def interval(hits, tests):
    """Rate over studies with its interval; hits, tests: one number a study."""
    total, n = hits.sum(), tests.sum()
    if not n:
        return {"hits": 0, "tests": 0, "studies": len(tests), "rate": np.nan}
    rate = total / n
    # Variance of a ratio of sums over studies, against that of independent tests.
    clustered = ((hits - rate * tests) ** 2).sum() / n**2
    independent = rate * (1 - rate) / n
    inflation = max(1.0, clustered / independent) if independent > 0 else 1.0
    n_effective, z = n / inflation, 1.959964
    middle = (rate + z**2 / (2 * n_effective)) / (1 + z**2 / n_effective)
    half = z / (1 + z**2 / n_effective)
    half *= np.sqrt(max(rate * (1 - rate), 0) / n_effective + z**2 / (4 * n_effective**2))
    return {
        "hits": total,
        "tests": n,
        "studies": len(tests),
        "rate": rate,
        "low": max(middle - half, 0.0),
        "high": min(middle + half, 1.0),
    }


def blocks(sizes):
    """Numbers of the genes of every set: consecutive, from 0."""
    return np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])


def layout(n_case, n_reference, paired):
    """(arm of every sample, samples table): cases first, or reference and case of each subject."""
    if paired:
        arm, subject = np.tile([0, 1], n_case), np.repeat(np.arange(n_case), 2)
    else:
        arm, subject = np.repeat([1, 0], [n_case, n_reference]), np.arange(n_case + n_reference)
    return arm, pd.DataFrame({"arm": arm, "subject": [f"s{i:02d}" for i in subject]})


def noise(rng, samples, sizes, correlation, spread=0.0):
    """Samples x genes, SD 1 or, of each gene, e^(spread times normal); a set's genes correlate."""
    factor = np.repeat(rng.normal(size=(samples, len(sizes))), sizes, axis=1)
    values = rng.normal(size=(samples, GENES))
    inside = sum(sizes)
    values[:, :inside] *= np.sqrt(1 - correlation)
    values[:, :inside] += np.sqrt(correlation) * factor
    return values * np.exp(spread * rng.normal(size=GENES)) if spread else values


def scored(values, sizes):
    """(scores samples x sets, weights genes x sets) of arrays: all genes are measurable."""
    sets = blocks(sizes)
    genes = np.concatenate(sets)
    nearest = match_controls(values.mean(axis=0), genes, np.arange(len(genes), GENES), CONTROLS)
    controls = dict(zip(genes, nearest, strict=True))
    weights = set_weights(GENES, [(rows, np.ones(len(rows))) for rows in sets], controls)
    return pd.DataFrame(values @ weights), weights


def null_study(
    rng,
    n_case,
    n_reference,
    correlation=0.1,
    shift=0.0,
    case_sd=1.0,
    paired=False,
    sizes=SIZES,
    spread=0.0,
    by_size=False,
):
    """No set differs. shift: of all genes of the cases, in SD; case_sd: SD of the cases.

    Paired subjects have a level of their own in every gene (SD 1). by_size: rates a set size.
    """
    arm, samples = layout(n_case, n_reference, paired)
    values = noise(rng, len(arm), sizes, correlation, spread)
    values *= np.where(arm == 1, case_sd, 1.0)[:, None]
    if paired:
        values += np.repeat(noise(rng, n_case, sizes, correlation, spread), 2, axis=0)
    values += rng.uniform(3, 12, size=GENES) + shift * arm[:, None]
    scores, _ = scored(values, sizes)
    p = linear.fit(scores.T, linear.design_matrix(samples, paired))["p"].to_numpy()
    if by_size:
        return {
            f"p <= 0.05, sets of {size} genes": p[np.array(sizes) == size] <= 0.05
            for size in sorted(set(sizes))
        }
    permuted = settest.permutation_test(scores.to_numpy(), arm, paired, MOST, rng)
    return {
        "p <= 0.05": p <= 0.05,
        "p <= 0.005": p <= 0.005,
        "permutation p <= 0.05": permuted["p"] <= 0.05,
    }


def blocked_study(rng, both, cases, references, share=0.5):
    """No set differs; subjects in both groups, and some in one only, as in a blocked contrast.

    share: of the variance of every gene, what its subjects differ by.
    """
    arm = np.repeat([1, 0], [both + cases, both + references])
    subject = np.concatenate(
        [np.arange(both + cases), np.arange(both), both + cases + np.arange(references)]
    )
    own = noise(rng, both + cases + references, SIZES, 0.1)[subject]
    values = np.sqrt(share) * own + np.sqrt(1 - share) * noise(rng, len(arm), SIZES, 0.1)
    scores, _ = scored(values + rng.uniform(3, 12, size=GENES), SIZES)
    samples = pd.DataFrame({"arm": arm, "subject": [f"s{i:02d}" for i in subject]})
    design = linear.design_matrix(samples, False)
    correlation = linear.subject_correlation(scores, design, samples["subject"])
    table = linear.fit(scores.T, design, block=samples["subject"], correlation=correlation)
    return {"p <= 0.05": table["p"] <= 0.05, "p <= 0.005": table["p"] <= 0.005}


def count_study(rng, n, depth=1.0, dispersion=0.1, low=5.0):
    """Counts, no set differs; libraries of the cases are `depth` times as deep.

    Negative binomial, expected counts of set genes from `low` to 200 at depth 1; only measurable
    genes are scored (10 counts in half of a group).
    """
    arm, samples = layout(n, n, False)
    inside = sum(SIZES)
    expected = np.exp(rng.uniform(np.log(low), np.log(3000), GENES))
    expected[:inside] = np.exp(rng.uniform(np.log(low), np.log(200), inside))
    factor = np.repeat(rng.normal(size=(2 * n, len(SIZES))), SIZES, axis=1)
    each = rng.uniform(0.7, 1.4, 2 * n) * np.where(arm == 1, depth, 1.0)
    mu = expected * each[:, None]
    mu[:, :inside] *= np.exp(0.1 * factor)
    counts = rng.poisson(mu * rng.gamma(1 / dispersion, dispersion, mu.shape))
    values, sizes = log_cpm(pd.DataFrame(counts.T.astype(float)), [])
    values = values.to_numpy().T
    detected = detected_counts(counts, sizes, 10)
    passes = measurable(detection_by_group(detected, arm), pd.Series({0: n, 1: n}), 0.5)
    genes, pool = np.flatnonzero(passes[:inside]), inside + np.flatnonzero(passes[inside:])
    nearest = match_controls(values.mean(axis=0), genes, pool, CONTROLS)
    controls = dict(zip(genes, nearest, strict=True))
    sets = [rows[passes[rows]] for rows in blocks(SIZES)]
    sets = [(rows, np.ones(len(rows))) for rows in sets if len(rows) > 1]
    scores = pd.DataFrame(values @ set_weights(GENES, sets, controls))
    p = linear.fit(scores.T, linear.design_matrix(samples, False))["p"].to_numpy()
    permuted = settest.permutation_test(scores.to_numpy(), arm, False, MOST, rng)
    return {
        "p <= 0.05": p <= 0.05,
        "p <= 0.005": p <= 0.005,
        "permutation p <= 0.05": permuted["p"] <= 0.05,
    }


def confounded_study(rng, n, kind="erythroid", shift=0.8, marker_load=1.5):
    """No set differs by disease; 20 sets follow a nuisance factor, 20 do not.

    The factor has SD 1 within a group and is `shift` higher in cases; markers have noise of SD 1.
    kind: erythroid (7 markers); treatment (8 markers; the shift is in about 60 % of the cases, the
    rest of the factor has SD 0.5); composition (seven cell types of 8 markers that move along one
    axis, some up, some down, with an own part of SD 0.5); independent types (each with a factor of
    its own; the sets follow the first, which alone differs). The last two are adjusted for by
    leading components.
    """
    arm = np.repeat([1, 0], n)
    types = 7 if kind in ("composition", "independent types") else 1
    factors = rng.normal(size=(2 * n, types))
    if kind == "treatment":
        treated = np.zeros(2 * n)
        treated[: round(0.6 * n)] = 1
        factors = 0.5 * factors + shift * treated[:, None]
    elif kind == "composition":
        axis = rng.normal(size=2 * n) + shift * arm
        factors = 0.5 * factors + axis[:, None] * np.array([1, 1, 1, -1, -1, -1, -1])
    else:
        factors[:, 0] += shift * arm
    followed = factors[:, 0]
    load = np.repeat([0.7, 0.0], 20 * 10)
    genes = rng.normal(size=(2 * n, 400)) + followed[:, None] * load
    scores = pd.DataFrame(genes.reshape(2 * n, 40, 10).mean(axis=2)).T
    each = 7 if kind == "erythroid" else 8
    markers = np.repeat(factors, each, axis=1) * marker_load
    markers = pd.DataFrame(rng.normal(size=markers.shape) + markers)
    plain = np.column_stack([np.ones(2 * n), arm])
    if types > 1:
        free = 2 * n - 2
        cells = {t: dict.fromkeys(range(t * each, (t + 1) * each), 1) for t in range(types)}
        most = min(4, max(1, free // 5), free - 2)
        covariate, _, _ = adjust.composition(markers, cells, set(), 3, most)
    else:
        covariate, _ = adjust.marker_score(markers, dict.fromkeys(range(each), 1), set(), 3)
    adjusted = np.column_stack([plain[:, :1], covariate, plain[:, 1:]])
    before, after = (adjust.fit_each(scores, [d] * 40)["p"].to_numpy() for d in (plain, adjusted))
    return {
        "driven, unadjusted": before[:20] <= 0.05,
        "driven, adjusted": after[:20] <= 0.05,
        "clean, unadjusted": before[20:] <= 0.05,
        "clean, adjusted": after[20:] <= 0.05,
    }


def effect_study(
    rng, n, change, gene_sd=0.5, correlation=0.1, paired=False, case_sd=1.0, margin=None, g=True
):
    """Every set is `change` log2 higher in cases (in every second study lower).

    Was the truth in the 95 % and 90 % intervals, was the effect found (p <= 0.05), how often was
    that forecast from the printed standard error, was it called equivalent.
    """
    change = change * rng.choice([-1, 1])
    arm, samples = layout(n, n, paired)
    values = gene_sd * noise(rng, len(arm), SIZES, correlation)
    values *= np.where(arm == 1, case_sd, 1.0)[:, None]
    if paired:
        values += np.repeat(gene_sd * noise(rng, n, SIZES, correlation), 2, axis=0)
    values += rng.uniform(3, 12, size=GENES)
    values[:, : sum(SIZES)] += change * arm[:, None]
    scores, weights = scored(values, SIZES)
    table = linear.fit(scores.T, linear.design_matrix(samples, paired))
    found = {
        "95 % interval": (table["ci_low"] <= change) & (change <= table["ci_high"]),
        "90 % interval": (table["ci90_low"] <= change) & (change <= table["ci90_high"]),
        "found": table["p"] <= 0.05,
        "forecast": forecast(change, table["standard_error"], table["df"]),
    }
    if margin is not None:
        p = power.equivalence_p(table["coefficient"], table["standard_error"], table["df"], margin)
        found["equivalent"] = p <= 0.05
    if g:
        # Variance of a score: that of the mean of the set, and of its controls.
        controls = np.asarray(weights[sum(SIZES) :].power(2).sum(axis=0)).ravel()
        variance = correlation + (1 - correlation) / np.array(SIZES) + controls
        sd = gene_sd * np.sqrt(variance * (2 if paired else (1 + case_sd**2) / 2))
        arms = [scores[arm == label].to_numpy() for label in (1, 0)]
        measured = effect.hedges(*arms, paired)
        truth = change / sd
        found["95 % interval of g"] = (measured["low"] <= truth) & (truth <= measured["high"])
    return found


def forecast(change, standard_error, df):
    """Power of a two-sided t test at 5 % for a true effect, from what a study prints."""
    from scipy import stats

    critical = stats.t.ppf(0.975, df)
    ncp = np.abs(change) / standard_error
    return 1 - stats.nct.cdf(critical, df, ncp)


# ---- verdicts, through the library as a run goes through it ----

# Truth -> how its sets are planted. 'change' in log2; 'follows' a nuisance factor.
TRUTHS = {
    "moved by 1": {"change": 1.0},
    "moved by 0.4": {"change": 0.4},
    "moved by treatment": {"follows": "steroid", "load": 1.0},
    "moved by composition": {"follows": "red", "load": 0.8},
    "unmoved": {},
    "unmoved, noisy": {"noise": 3.0},
    "not expressed": {"level": "background"},
}
SETS_A_TRUTH, GENES_A_SET, POOL, BACKGROUND = 6, 8, 600, 40
OUTCOMES = (
    "higher",
    "lower",
    "moved, not separable",
    "explained by treatment",
    "explained by composition",
    "no difference",
    "inconclusive",
    "not measurable (detection)",
    "not measurable (confounded)",
)


def panel(settings):
    """(members, sets, mapping) of a panel: the sets of `TRUTHS`, and those that covariates need."""
    names = {
        f"{truth} {i}": [f"{truth} {i} gene {j}" for j in range(GENES_A_SET)]
        for truth in TRUTHS
        for i in range(SETS_A_TRUTH)
    }
    axis = dict.fromkeys(names, "adrenergic")
    helpers = {name: 8 for name in settings["adjust"]["composition_sets"]}
    helpers |= {name: 8 for name in settings["adjust"]["exposure_sets"]}
    for name, size in helpers.items():
        names[name], axis[name] = [f"{name} gene {j}" for j in range(size)], "confounder"
    names["erythroid"] = list(settings["adjust"]["erythroid_genes"])
    names["background"] = [f"background gene {j}" for j in range(BACKGROUND)]
    axis |= {"erythroid": "confounder", "background": "negative_control"}
    members = pd.DataFrame(
        [(name, gene, gene, 1) for name, genes in names.items() for gene in genes],
        columns=["set_id", "hgnc_id", "gene_symbol", "direction"],
    )
    sets = pd.DataFrame({"set_id": list(names), "axis": list(axis.values())}, index=list(axis))
    sets = sets.loc[list(names)].assign(set_id=list(names), axis=[axis[name] for name in names])
    sets["family"] = sets["axis"].replace("adrenergic", "neuroimmune")
    genes = members["hgnc_id"].to_list()
    mapping = pd.DataFrame({"hgnc_id": genes, "symbol": genes, "data_id": genes})
    return members, sets.reset_index(drop=True), mapping


def truth_of(set_id):
    return set_id.rsplit(" ", 1)[0]


def simulated_profiles(rng, n, members, settings, design, planted, counts):
    """AnnData of n cases and n controls with the truths planted.

    design: 'mixed' (60 % of the cases are treated) or 'confounded' (all cases are, no control);
    planted: False leaves every truth out. Reticulocytes ('red') are higher in cases.
    """
    case = np.repeat([1, 0], n)
    treated = np.zeros(2 * n)
    treated[: n if design == "confounded" else round(0.6 * n)] = 1
    factors = {
        "red": rng.normal(0, 0.5, 2 * n) + 1.0 * case * planted,
        "steroid": rng.normal(0, 0.2, 2 * n) + 1.2 * treated * planted,
    }
    names = [*members["hgnc_id"], *(f"pool gene {i}" for i in range(POOL))]
    level = rng.uniform(7, 12, len(names))
    values = 0.6 * rng.normal(size=(2 * n, len(names)))
    position = {name: i for i, name in enumerate(names)}
    for set_id, rows in members.groupby("set_id"):
        columns = [position[gene] for gene in rows["hgnc_id"]]
        how = TRUTHS.get(truth_of(set_id), {})
        if set_id == "background" or how.get("level") == "background":
            level[columns] = rng.uniform(3.5, 4.5, len(columns))
            continue
        if set_id == "erythroid":
            how = {"follows": "red", "load": 1.0}
        elif set_id in settings["adjust"]["exposure_sets"]:
            how = {"follows": "steroid", "load": 1.0}
        elif set_id in settings["adjust"]["composition_sets"]:
            values[:, columns] += 0.5 * rng.normal(size=(2 * n, 1))
        values[:, columns] += 0.2 * rng.normal(size=(2 * n, 1))
        values[:, columns] *= how.get("noise", 1.0)
        values[:, columns] += how.get("change", 0.0) * planted * case[:, None]
        if "follows" in how:
            values[:, columns] += how["load"] * factors[how["follows"]][:, None]
    values += level
    obs = pd.DataFrame(
        {
            "subject": [f"s{i:02d}" for i in range(2 * n)],
            "group": np.where(case, "aiha", "healthy"),
            "treatment": np.where(treated == 1, "glucocorticoid", "none"),
            "stratum": "all",
            "sex": np.where(rng.permutation(2 * n) % 2, "female", "male"),
            "tissue": "blood",
            **dict.fromkeys(("batch", "fraction", "age", "phase"), ""),
        },
        index=[f"profile{i:02d}" for i in range(2 * n)],
    )
    if not counts:
        return anndata.AnnData(values, obs=obs, var=pd.DataFrame(index=names))
    # Log2 level 4 is about half a count and level 12 about 130, in libraries that differ.
    mu = 2.0 ** (values - 5.0) * rng.uniform(0.6, 1.6, (2 * n, 1))
    table = pd.DataFrame(rng.poisson(mu).T.astype(float), index=names, columns=obs.index)
    logs, sizes = log_cpm(table, [])
    obs["effective_library_size"] = np.asarray(sizes)
    profiles = anndata.AnnData(logs.to_numpy().T, obs=obs, var=pd.DataFrame(index=names))
    profiles.layers["counts"] = table.to_numpy().T
    return profiles


def verdict_study(rng, n, config, design="mixed", planted=True, counts=False):
    """Verdicts of one simulated study: quantity 'truth: outcome', a boolean a set of that truth.

    config: the workflow's configuration (config/config.yaml); all thresholds are its own.
    """
    config = config | {"detect": config["detect"] | {"background_sets": ["background"]}}
    members, sets, mapping = panel(config)
    profiles = simulated_profiles(rng, n, members, config, design, planted, counts)
    result = score_sets(profiles, members, mapping, config["detect"] | config["score"])
    tables = {
        "profiles": add_scores(profiles, result),
        "sets": sets,
        "members": members,
        "mapping": mapping,
        "detectability": result["detectability"],
        "controls": result["controls"],
    }
    contrast = {"question": "aiha_vs_healthy", "case": "aiha", "reference": "healthy"}
    settings = config["contrast"] | {
        "min_fraction": config["detect"]["min_fraction"],
        "min_count": config["detect"]["min_count"],
        "min_subjects": config["verdict"]["min_subjects"],
        "adjust": config["adjust"],
        "seed": int(rng.integers(2**31)),
        "random_sets": 10,
    }
    labels = {"tissue": "blood", "simulated": "yes"}
    found = run_contrast("S", "c", contrast, labels, tables, settings)
    rules = config["verdict"] | {"margin_fold": config["contrast"]["margin_fold"]}
    rules |= {key: config["adjust"][key] for key in ("min_attenuation", "max_p")}
    judged = give_verdicts(found["sets"], found["adjusted"], found["designs"], rules)
    return outcomes(judged)


def outcomes(judged):
    """Quantity 'truth: outcome' -> booleans, from a table of verdicts."""
    detail = judged["detail"].str.split(" by ").str[0]
    outcome = judged["verdict"].where(
        judged["verdict"] != "not measurable", judged["verdict"] + " (" + detail + ")"
    )
    moved = judged["verdict"].isin(["higher", "lower"])
    unseparated = moved & judged["detail"].str.contains("not separable")
    outcome = outcome.mask(unseparated, "moved, not separable")
    unknown = set(outcome) - set(OUTCOMES)
    assert not unknown, unknown
    truth = judged["set_id"].map(truth_of)
    return {
        f"{name}: {word}": (outcome[truth == name] == word).to_numpy()
        for name in TRUTHS
        for word in OUTCOMES
    }

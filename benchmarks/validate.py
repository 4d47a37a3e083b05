"""How often the workflow's numbers are wrong, on simulated studies with known truth.

    python benchmarks/validate.py [--only TABLE ...] [--studies FACTOR] [--tables FOLDER]

Run by hand (about half an hour on one core). Writes docs/validation/<table>.tsv and, from these
tables, docs/validation.md; `--only` alone renders the page from the tables that are there. For a
look: --studies 0.1 --tables /tmp/look. The simulations are in tests/calibration/simulation.py.
"""

import argparse
import sys
import time
from math import log2
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests" / "calibration")]

import simulation  # noqa: E402
import yaml  # noqa: E402

from neuroimmune.files import write_table, write_text  # noqa: E402

TABLES = ROOT / "docs" / "validation"
PAGE_PATH = ROOT / "docs" / "validation.md"
CONFIG = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
MARGIN = log2(CONFIG["contrast"]["margin_fold"])
# A score of 10 genes that correlate at 0.1 has this SD when its genes have SD 1 (controls aside).
SCORE_SD = (0.1 + 0.9 / 10) ** 0.5
MIXED = (2,) * 16 + (5,) * 12 + (10,) * 8 + (40,) * 8
COLUMNS = ("scenario", "quantity", "hits", "tests", "studies", "rate", "low", "high")


def scenarios():
    """Table -> (study function, studies a scenario, list of scenarios)."""
    null = [
        {"name": f"{n} against {n}, correlation {c:g}", "n_case": n, "n_reference": n}
        | {"correlation": c}
        for n in (3, 4, 6, 8)
        for c in (0.0, 0.1, 0.3)
    ]
    null += [
        {"name": f"{n} against {n}, all genes shifted by 0.8 SD in cases", "n_case": n}
        | {"n_reference": n, "shift": 0.8}
        for n in (3, 4, 6, 8)
    ]
    null += [
        {"name": f"{a} cases with twice the SD against {b}", "n_case": a, "n_reference": b}
        | {"case_sd": 2.0}
        for a, b in ((3, 3), (4, 4), (8, 8), (4, 12), (12, 4))
    ]
    null += [
        {"name": f"{n} pairs", "n_case": n, "n_reference": n, "paired": True} for n in (3, 4, 6, 8)
    ]
    sizes = [
        {"name": f"{n} against {n}, genes of different SD", "n_case": n, "n_reference": n}
        | {"correlation": 0.2, "sizes": MIXED, "spread": 0.5, "by_size": True}
        for n in (3, 4, 6, 8)
    ]
    blocked = [
        {"name": f"{both} subjects in both groups, {a} cases and {b} references more, {share:g}"}
        | {"both": both, "cases": a, "references": b, "share": share}
        for both, a, b in ((3, 2, 0), (4, 2, 2), (4, 8, 8), (8, 4, 4))
        for share in (0.0, 0.5)
    ]
    counts = [
        {"name": f"counts, {n} against {n}, cases {depth:g} times as deep", "n": n, "depth": depth}
        for n in (3, 4, 6, 8)
        for depth in (1.0, 0.5, 0.25)
    ]
    confounded = [
        {"name": f"erythroid, {n} against {n}, {shift:g} SD", "n": n, "shift": shift}
        for shift in (0.8, 2.0)
        for n in (4, 6, 8, 12, 20)
    ]
    confounded += [
        {"name": f"erythroid, {n} against {n}, 2 SD, poor markers", "n": n, "shift": 2.0}
        | {"marker_load": 0.7}
        for n in (8, 20)
    ]
    confounded += [
        {"name": f"{kind}, {n} against {n}, {shift:g} SD", "n": n, "shift": shift, "kind": kind}
        for kind, shift in (("treatment", 1.5), ("composition", 0.8), ("independent types", 0.8))
        for n in (4, 6, 8, 12, 20)
    ]
    effects = [
        {"name": f"{n} against {n}, effect {change:g}", "n": n, "change": change}
        for n in (3, 4, 6, 8)
        for change in (0.0, 0.5, 1.5)
    ]
    effects += [
        {"name": f"{n} pairs, effect 0.5", "n": n, "change": 0.5, "paired": True}
        for n in (3, 4, 6, 8)
    ]
    effects += [
        {"name": f"{n} cases with twice the SD against {n}, effect 0.5", "n": n, "change": 0.5}
        | {"case_sd": 2.0}
        for n in (3, 4, 8)
    ]
    margin = [
        {"name": f"{n} against {n}, score SD {sd:g}", "n": n, "change": MARGIN, "margin": MARGIN}
        | {"gene_sd": sd / SCORE_SD, "g": False}
        for n in (3, 4, 6, 8, 12)
        for sd in (0.1, 0.2, 0.4)
    ]
    power = [
        {"name": f"{n} against {n}, score SD {sd:g}, effect {change:g}", "n": n, "change": change}
        | {"gene_sd": sd / SCORE_SD, "g": False, "margin": MARGIN}
        for sd in (0.2, 0.4, 0.8)
        for n in (3, 4, 6, 8, 12, 20)
        for change in (0.0, 0.25, 0.5, 0.75, 1.0, 1.5)
    ]
    verdicts = [{"name": f"arrays, {n} against {n}", "n": n, "config": CONFIG} for n in (4, 8, 20)]
    usual = {"n": 8, "config": CONFIG}
    verdicts += [
        {"name": "counts, 8 against 8", "counts": True} | usual,
        {"name": "arrays, 8 against 8, nothing planted", "planted": False} | usual,
        {"name": "arrays, 8 against 8, treatment separates the groups", "design": "confounded"}
        | usual,
    ]
    return {
        "null": (simulation.null_study, 400, null),
        "null_blocked": (simulation.blocked_study, 80, blocked),
        "null_by_size": (simulation.null_study, 400, sizes),
        "null_counts": (simulation.count_study, 150, counts),
        "confounded": (simulation.confounded_study, 300, confounded),
        "effects": (simulation.effect_study, 60, effects),
        "margin": (simulation.effect_study, 150, margin),
        "power": (simulation.effect_study, 20, power),
        "verdicts": (simulation.verdict_study, 20, verdicts),
    }


def run(name, factor=1.0):
    """The table of all scenarios of `name`, one row a scenario and quantity."""
    study, studies, listed = scenarios()[name]
    parts = []
    for number, scenario in enumerate(listed, start=1):
        start = time.perf_counter()
        found = simulation.tally(study, scenario, max(2, round(studies * factor)))
        found = found.reset_index().assign(scenario=scenario["name"])
        parts.append(found[list(COLUMNS)])
        seconds = time.perf_counter() - start
        print(f"{name} {number}/{len(listed)}: {scenario['name']} ({seconds:.0f} s)", flush=True)
    table = pd.concat(parts, ignore_index=True)
    table[["tests", "studies"]] = table[["tests", "studies"]].astype(int)
    return table.round(6)


def read(folder=TABLES):
    return {name: pd.read_csv(folder / f"{name}.tsv", sep="\t") for name in scenarios()}


# ---- the page ----


def percent(value):
    return f"{100 * value:.1f}"


def cell(row, nominal=None):
    """A rate in percent with its interval; 'high' or 'low' where that leaves the nominal rate."""
    if row is None or pd.isna(row["rate"]):
        return "-"
    text = f"{percent(row['rate'])} ({percent(row['low'])} to {percent(row['high'])})"
    if nominal is None:
        return text
    if row["low"] > nominal:
        return f"{text} high"
    return f"{text} low" if row["high"] < nominal else text


def rows_of(table):
    """(scenario, quantity) -> row of a table."""
    return {(row["scenario"], row["quantity"]): row for row in table.to_dict("records")}


def markdown(heading, columns, rows):
    """Markdown table: heading of the first column, other columns, {row name: cells}."""
    lines = [f"| {heading} | {' | '.join(columns)} |", "| --- |" + " --- |" * len(columns)]
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()]
    return "\n".join(lines)


def grid(table, nominal):
    """A row a scenario, a column a quantity; nominal: quantity -> rate that is wanted, or None."""
    found = rows_of(table)
    rows = {
        name: [cell(found.get((name, quantity)), wanted) for quantity, wanted in nominal.items()]
        for name in dict.fromkeys(table["scenario"])
    }
    return markdown("simulated", list(nominal), rows)


def extremes(table, quantity, chosen=None):
    """'a to b' percent: the smallest and largest rate of a quantity over the chosen scenarios."""
    part = table[table["quantity"] == quantity]
    if chosen is not None:
        part = part[part["scenario"].map(chosen)]
    return f"{percent(part['rate'].min())} to {percent(part['rate'].max())} %"


def one(table, scenario, quantity):
    return f"{percent(rows_of(table)[scenario, quantity]['rate'])} %"


def power_grid(table, sd):
    """Found (interval) / forecast, in percent, by subjects a group and effect, for one SD."""
    found = rows_of(table[table["scenario"].str.contains(f"score SD {sd:g},")])
    sizes = list(dict.fromkeys(name.split(",")[0] for name, _ in found))
    effects = list(dict.fromkeys(name.split(" effect ")[1] for name, _ in found))
    rows = {}
    for size in sizes:
        names = [f"{size}, score SD {sd:g}, effect {change}" for change in effects]
        rows[size] = [
            f"{cell(found[name, 'found'])} / {percent(found[name, 'forecast']['rate'])}"
            for name in names
        ]
    return markdown(f"score SD {sd:g}", [f"effect {change}" for change in effects], rows)


def equivalence_grid(table):
    """How often 'no effect' is shown to lie within the margin, by subjects and SD."""
    found = rows_of(table[table["scenario"].str.endswith("effect 0")])
    deviations = list(dict.fromkeys(name.split(", ")[1] for name, _ in found))
    rows = {
        size: [cell(found[f"{size}, {sd}, effect 0", "equivalent"]) for sd in deviations]
        for size in dict.fromkeys(name.split(",")[0] for name, _ in found)
    }
    return markdown("no effect", deviations, rows)


def confusion(table, scenario):
    """Truths by outcomes of one scenario; outcomes that never occur are left out."""
    found = rows_of(table[table["scenario"] == scenario])
    outcomes = [
        word
        for word in simulation.OUTCOMES
        if any(found[scenario, f"{truth}: {word}"]["hits"] for truth in simulation.TRUTHS)
    ]
    rows = {}
    for truth in simulation.TRUTHS:
        cells = [found[scenario, f"{truth}: {word}"] for word in outcomes]
        rows[truth] = [cell(row) if row["hits"] else "0" for row in cells]
    tests = found[scenario, f"{truth}: {outcomes[0]}"]["tests"]
    studies = found[scenario, f"{truth}: {outcomes[0]}"]["studies"]
    title = f"**{scenario}** ({studies} studies, {tests} sets of each kind)"
    return f"{title}\n\n{markdown('truth', outcomes, rows)}"


def render(tables):
    """docs/validation.md from the tables (name -> DataFrame)."""
    null, sizes, counts = tables["null"], tables["null_by_size"], tables["null_counts"]
    confounded, effects = tables["confounded"], tables["effects"]
    margin, power, verdicts = tables["margin"], tables["power"], tables["verdicts"]
    level = {"p <= 0.05": 0.05, "p <= 0.005": 0.005, "permutation p <= 0.05": 0.05}
    coverage = {"95 % interval": 0.95, "90 % interval": 0.90, "95 % interval of g": 0.95}
    uneven = ("4 cases with twice the SD against 12", "12 cases with twice the SD against 4")
    adjusted = {"driven, unadjusted": None, "driven, adjusted": 0.05}
    adjusted |= {"clean, unadjusted": 0.05, "clean, adjusted": 0.05}
    matrices = "\n\n".join(confusion(verdicts, name) for name in verdicts["scenario"].unique())
    powers = "\n\n".join(power_grid(power, sd) for sd in (0.2, 0.4, 0.8))
    return PAGE.format(
        studies=", ".join(
            f"{name} {table['studies'].iloc[0]}" for name, table in sorted(tables.items())
        ),
        seed=simulation.SEED,
        even=extremes(null, "p <= 0.05", lambda name: name not in uneven),
        even_strict=extremes(null, "p <= 0.005", lambda name: name not in uneven),
        uneven=one(null, uneven[0], "p <= 0.05"),
        uneven_strict=one(null, uneven[0], "p <= 0.005"),
        uneven_permuted=one(null, uneven[0], "permutation p <= 0.05"),
        reverse=one(null, uneven[1], "p <= 0.05"),
        null=grid(null, level),
        pairs_of_genes=extremes(sizes, "p <= 0.05, sets of 2 genes"),
        large_sets=extremes(sizes, "p <= 0.05, sets of 40 genes"),
        sizes=grid(
            sizes, {f"p <= 0.05, sets of {size} genes": 0.05 for size in sorted(set(MIXED))}
        ),
        blocked_rate=extremes(tables["null_blocked"], "p <= 0.05"),
        blocked=grid(tables["null_blocked"], {"p <= 0.05": 0.05, "p <= 0.005": 0.005}),
        counts_rate=extremes(counts, "p <= 0.05"),
        counts=grid(counts, level),
        good=extremes(
            confounded, "driven, adjusted", lambda n: n.startswith("ery") and "poor" not in n
        ),
        poor=extremes(confounded, "driven, adjusted", lambda n: "poor" in n),
        treated=extremes(confounded, "driven, adjusted", lambda n: n.startswith("treatment")),
        axis=extremes(confounded, "driven, adjusted", lambda n: n.startswith("composition")),
        separate=extremes(confounded, "driven, adjusted", lambda n: n.startswith("independent")),
        clean=extremes(confounded, "clean, adjusted"),
        confounded=grid(confounded, adjusted),
        covered=extremes(effects, "95 % interval"),
        covered_g=extremes(effects, "95 % interval of g"),
        effects=grid(effects, coverage),
        wrongly=extremes(margin, "equivalent"),
        margin=grid(margin, {"equivalent": 0.05}),
        powers=powers,
        equivalence=equivalence_grid(power),
        matrices=matrices,
        **verdict_rates(verdicts),
    )


def verdict_rates(verdicts):
    """The rates of the verdict matrices that the text names."""
    found = rows_of(verdicts)

    def share(truth, words, scenarios):
        hits = sum(found[s, f"{truth}: {word}"]["hits"] for s in scenarios for word in words)
        return f"{percent(hits / sum(found[s, f'{truth}: higher']['tests'] for s in scenarios))} %"

    planted = [f"arrays, {n} against {n}" for n in (4, 8, 20)]
    moved = ("higher", "lower", "moved, not separable")
    explained = ("explained by treatment", "explained by composition")
    return {
        "false_moves": share("unmoved", moved, planted),
        "false_noisy": share("unmoved, noisy", moved, planted),
        "lost": share("moved by 1", explained, planted),
        "steroid_small": share("moved by treatment", moved, planted[1:2]),
        "steroid_large": share("moved by treatment", moved, planted[2:]),
        "red_small": share("moved by composition", moved, planted[1:2]),
        "red_large": share("moved by composition", moved, planted[2:]),
        "silent": share("not expressed", moved, planted),
        "wrong_none": share("moved by 1", ("no difference",), planted),
    }


PAGE = """\
# Validation

How often the numbers of this workflow are right, measured on **simulated** studies whose truth is
known. Made by `python benchmarks/validate.py` (seed {seed}; the tables are in `docs/validation/`);
a test compares this page with the tables, and the first studies of many scenarios are simulated
again in every test run. What the numbers themselves were checked against in R is in
[methods.md](methods.md).

Each cell is a rate in percent with its 95 % Monte Carlo interval (Wilson's, widened where sets of
one study are not independent). "high" and "low" mark intervals that do not hold the nominal rate;
of twenty such intervals one misses by chance. Simulated data are normal (or negative binomial) with
one block of correlation a set; real data are less kind. Studies a scenario:
{studies}.

## False positives

Nothing differs. 2,000 genes, 40 sets of 10 with 50 matched controls a gene, correlation 0.1 within
sets unless stated. Nominal: 5 %, 0.5 %, at most 5 %.

With groups of equal size or equal spread the headline p rejects {even} at 5 % and {even_strict}
at 0.5 %, with three subjects a group as with eight, whatever the correlation, with or without a
shift of all genes, and in pairs. The permutation p is exact, so it is low where few labelings
exist: with 3 against 3, 3 pairs or 4 pairs it never reaches 5 %, and "low" there is no fault.

**Off:** groups of unequal size *and* unequal spread. Where the smaller group is the noisier one (4
cases with twice the SD of 12 controls) the headline p rejects {uneven} at 5 % and {uneven_strict}
at 0.5 %, and the permutation p {uneven_permuted}: both assume one spread. The other way round they
reject {reverse}.

{null}

**Off:** sets of two genes, beside larger ones. The model assumes that the variances of all sets
come from one distribution, but a mean of few genes varies more. Here genes differ in SD
(log-normal, 0.5), correlate at 0.2, and sets of 2, 5, 10 and 40 genes stand in one table. Sets of
two genes are called in {pairs_of_genes}, sets of 40 in {large_sets}; the mean over all sets is
right.

{sizes}

Blocked contrasts (some subjects in both groups, some in one): one correlation is estimated from all
sets, and taken for known. The last number is the share of the variance of every gene that lies
between subjects. Rejected at 5 %: {blocked_rate}.

{blocked}

Counts: negative binomial (dispersion 0.1), library sizes between 0.7 and 1.4, set genes of 5 to 200
expected counts; only measurable genes are scored. A difference in depth between the groups does no
harm: {counts_rate} at 5 %.

{counts}

## Confounding

No set is changed by the disease; 20 sets follow a nuisance factor that differs between the groups
("driven"), 20 do not ("clean"). Share of p <= 0.05. The unadjusted rate of driven sets is the
problem, not an error of the test.

Adjustment takes most of a confounded effect away, never all of it: marker scores are noisy. What is
left becomes significant as studies grow. Driven sets after adjustment: {good} with seven erythroid
markers that follow the factor well (slope 1.5 against noise of SD 1), {poor} with poor markers
(0.7), {treated} for treatment, {axis} for cell mix along one axis, and {separate} where cell types
change independently and only one of them matters: leading components are the wrong summary for
that. Clean sets stay at {clean}.

{confounded}

## Intervals

Does the interval hold the true effect? Nominal: 95 %, 90 %, 95 %. Genes have SD 0.5. Over all rows
the 95 % interval of the effect holds it in {covered}, that of Hedges g in {covered_g}. ("g" assumes
one spread in both groups; with two it stands for the pooled one.)

{effects}

Equivalence at its limit: the true effect is exactly the margin (1.5-fold), so "no difference" is
wrong. Nominal: at most 5 %. Found: {wrongly}.

{margin}

## Power

Share of sets found at p <= 0.05 / the forecast from the printed standard error and degrees of
freedom. Effects in log2, by the SD of a set's score within a group. (0 is no effect; the forecast
then is half of 5 %, because it counts the right direction only.)

{powers}

How often a set without any effect is shown to be within 1.5-fold ("no difference"):

{equivalence}

## Verdicts

Studies with planted truths go through `score_sets`, `run_contrast` and `give_verdicts` with the
thresholds of `config/config.yaml`; 6 sets of 8 genes of each kind, gene SD 0.6 and a common part
of 0.2. 60 % of the cases are on glucocorticoids, no control is; cases have more reticulocytes (1
log2 unit at an SD of 0.5). "Moved by treatment" and "by composition" follow these factors and
nothing else; "unmoved, noisy" has three times the noise; "moved by 0.4" lies within the margin, so
both "higher" and "no difference" are right. A 0 is none at all.

- Beside sets that do move, unmoved sets are called moved in {false_moves} and noisy ones in
  {false_noisy}; sets that are not expressed in {silent}.
- A true move by 1 is explained away in {lost} and called "no difference" in {wrong_none}.
- **Off:** of sets that only follow the treatment {steroid_small} are still called moved with 8
  against 8, and {steroid_large} with 20 against 20; of sets that only follow reticulocytes
  {red_small} and {red_large}. Noisy marker scores leave a part of the effect, and more subjects do
  not cure that. Where groups differ in treatment or cell mix, read the adjusted effect and its
  attenuation beside the verdict.
- Where nothing is planted, the rows keep the names of their kinds; none of their sets moves.

{matrices}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    names = list(scenarios())
    parser.add_argument("--only", nargs="*", choices=names, default=names, metavar="TABLE")
    parser.add_argument("--studies", type=float, default=1.0, help="factor on the studies")
    parser.add_argument("--tables", type=Path, default=TABLES, help="folder for the tables")
    options = parser.parse_args()
    for name in options.only:
        write_table(options.tables / f"{name}.tsv", run(name, options.studies))
    if options.tables == TABLES:
        write_text(PAGE_PATH, render(read()))


if __name__ == "__main__":
    main()

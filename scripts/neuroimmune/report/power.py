"""Why is nothing significant here? What each cohort could have shown, from its own numbers."""

import math

from ..stats.power import detectable_effect
from . import figures, formats
from .formats import missing
from .sets import labels

MOST_SUBJECTS = 1000


def power_view(shared, columns):
    """Everything that the page on what the data can show shows."""
    config = shared["config"]
    main = shared["families"][0]
    limits = [limits_of(column, main, config) for column in columns]
    margin = config["contrast"]["margin_fold"]
    title = "Smallest fold change that each comparison could have found"
    note = (
        f"Over the {formats.words(main)} sets that can be judged: line, range; box, middle half; "
        "bar, median. Found with a power of 80 % by one test at 5 %; the correction for multiple "
        f"testing asks for more. The dashed line is the equivalence margin ({margin:g}-fold)."
    )
    entries = [
        {
            **labels(item["column"]),
            "values": item["detectable"],
            "text": formats.counted(len(item["detectable"]), "set"),
        }
        for item in limits
    ]
    axis = "smallest detectable change of a set (fold, up or down)"
    return {
        "limits": limits,
        "main": main,
        "margin": margin,
        "config": config,
        "detectable": figures.spread("detectable", title, note, entries, margin, axis),
    }


def limits_of(column, family, config):
    """What one column can show: sample numbers, floors, capped sets, detectable effects."""
    rows = [row for row in column["rows"].values() if row["family"] == family]
    judged = [row for row in rows if row["gate"] == ""]
    detectable = [
        2 ** row["detectable_effect"] for row in judged if not missing(row["detectable_effect"])
    ]
    genes = column["genes"].values()
    floors = [row["permutation_floor"] for row in rows if not missing(row["permutation_floor"])]
    floor = floors[0] if floors else None
    margin = math.log2(config["contrast"]["margin_fold"])
    needed = subjects_needed(column, judged, margin, config["verdict"]["min_subjects"])
    found = {
        "column": column,
        "n_case": column["n_case"],
        "n_reference": column["n_reference"],
        "floor": floor,
        "n_sets": len(rows),
        "n_judged": len(judged),
        "undetected": sum(row["gate"] == "detection" for row in rows),
        "capped": capped(rows, column, config),
        "genes_found": sum(bool(gene["data_id"]) for gene in genes),
        "genes_detected": sum(is_detected(gene, config) for gene in genes),
        "genes_total": len(column["genes"]),
        "detectable": detectable,
        "median": figures.quartiles(detectable)[2] if detectable else None,
        "needed": needed,
        "lost": sum(row["p"] <= config["verdict"]["max_q"] < row["q"] for row in judged),
        "inconclusive": sum(row["verdict"] == "inconclusive" for row in judged),
        "equivalent": sum(row["verdict"] == "no difference" for row in judged),
        "moved": sum(row["verdict"] in ("higher", "lower") for row in judged),
        "explained": sum(row["verdict"].startswith("explained") for row in judged),
    }
    return {**found, "reasons": reasons(found, config)}


def is_detected(gene, config):
    """Whether the gene is detected in enough profiles of one of the two groups."""
    least = config["detect"]["min_fraction"]
    return any(seen is not None and seen[0] >= least * seen[1] for seen in gene["detected"])


def capped(rows, column, config):
    """The rules that make sets not measurable: how many fail each, and how many fail it alone."""
    rules = config["verdict"]
    least = f"at least {rules['min_gene_fraction']:.0%} of the genes of the set detected"
    tests = [
        (f"at least {rules['min_genes']} genes of the set detected",
         lambda row: row["n_measurable"] < rules["min_genes"]),
        (least.replace("%", " %"),
         lambda row: row["fraction_measurable"] < rules["min_gene_fraction"]),
        (f"at least {rules['min_set_count']:g} counts of the set in a sample",
         lambda row: row["set_count"] < rules["min_set_count"]),
        (f"a design that can be tested, with {rules['min_subjects']} subjects a group",
         lambda row: bool(column["problem"])),
        ("nothing that separates the groups completely (treatment, batch, tissue, fraction, sex)",
         lambda row: bool(column["confounders"])),
    ]  # fmt: skip
    failed = [[number for number, (_, test) in enumerate(tests) if test(row)] for row in rows]
    return [
        {
            "rule": rule,
            "any": sum(number in numbers for numbers in failed),
            "only": sum(numbers == [number] for numbers in failed),
        }
        for number, (rule, _) in enumerate(tests)
    ]


def subjects_needed(column, judged, margin, least):
    """Subjects a group with which half of the judged sets would show a change of the margin.

    The spread between subjects is taken from the data; the standard error falls with the square
    root of the number of subjects, and the degrees of freedom grow by one a subject (one a pair).
    Never fewer than `least`, without which nothing is judged.
    None where there is nothing to judge, or more than `MOST_SUBJECTS` would be needed.
    """
    rows = [row for row in judged if not missing(row["standard_error"])]
    if not rows:
        return None
    ordered = sorted(rows, key=lambda row: row["detectable_effect"])
    row = ordered[len(ordered) // 2]
    size = 2 / (1 / column["n_case"] + 1 / column["n_reference"])
    step = 1 if column["paired"] else 2

    def finds(number):
        df = max(row["df"] + step * (number - size), 1)
        error = row["standard_error"] * math.sqrt(size / number)
        return float(detectable_effect(error, df)) <= margin

    low, high = least, MOST_SUBJECTS
    if not finds(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if finds(middle) else (middle + 1, high)
    return low


def reasons(found, config):
    """Why sets of this column are not significant, as sentences with its own numbers."""
    column, sentences = found["column"], []
    if column["confounders"]:
        factors = ", ".join(item["factor"] for item in column["confounders"])
        sentences.append(
            f"{formats.name(factors)} separates the two groups completely, so no number of "
            "subjects would let this comparison tell its effect from that of the disease."
        )
    if column["problem"]:
        sentences.append(f"The design cannot be tested: {column['problem']}.")
    if found["undetected"]:
        sentences.append(
            f"{formats.counted(found['undetected'], 'set')} of {found['n_sets']} cannot be "
            "measured, because too few of their genes are expressed here: more subjects would not "
            "change that, deeper sequencing or another cell type might."
        )
    if found["floor"] is not None and found["floor"] > config["verdict"]["max_permutation_p"]:
        sentences.append(
            f"With so few subjects the smallest possible permutation p is "
            f"{formats.probability(found['floor'], 3)}; only sets that reach it can count as moved."
        )
    if found["lost"]:
        sentences.append(
            f"{formats.counted(found['lost'], 'set')} with p at most {config['verdict']['max_q']} "
            f"did not stand the correction for {found['n_judged']} tests."
        )
    if found["explained"]:
        sentences.append(
            f"{formats.counted(found['explained'], 'set')} moved, and the move went away with "
            "steroid exposure, red-cell RNA or cell mix."
        )
    if found["equivalent"]:
        sentences.append(
            f"{formats.counted(found['equivalent'], 'set')} with the 90 % interval within "
            f"{config['contrast']['margin_fold']:g}-fold: real negatives."
        )
    if found["inconclusive"]:
        text = f"{formats.counted(found['inconclusive'], 'set')} could not be told either way."
        if found["needed"]:
            unit = "pairs" if column["paired"] else "subjects a group"
            text += (
                f" For half of the sets a change of {config['contrast']['margin_fold']:g}-fold is "
                f"found from {found['needed']} {unit} on."
            )
        sentences.append(text)
    return sentences

"""The verdict on every set, study, stratum and contrast (docs/methods.md, Verdicts)."""

from .contrast import SET_COLUMNS, SET_TEXT, adjust
from .files import read_table

VERDICTS = ("higher", "lower", "no difference", "inconclusive", "not measurable")


def read_sets(paths):
    """The sets tables of all contrasts in one DataFrame, numbers as floats."""
    import pandas as pd

    numeric = [column for column in SET_COLUMNS if column not in SET_TEXT]
    return pd.concat([read_table(path, numeric) for path in paths], ignore_index=True)


def add_q(table):
    """Column 'q': BH over the measurable sets of a family, per study, contrast and stratum.

    `table` needs 'gate' ('' for measurable sets): a set that cannot be measured is not tested
    and does not count among the tests.
    """
    table = table.copy()
    table["q"] = float("nan")
    tested = table[table["gate"] == ""]
    for _, rows in tested.groupby(["study", "contrast", "stratum", "family"]):
        table.loc[rows.index, "q"] = adjust(rows["p"])
    return table


def gate(row, design, settings):
    """Why a set cannot be judged: 'detection', 'design', 'confounded', or '' where it can."""
    if row["n_measurable"] < settings["min_genes"]:
        return "detection"
    if row["fraction_measurable"] < settings["min_gene_fraction"]:
        return "detection"
    if row["set_count"] < settings["min_set_count"]:
        return "detection"
    if design["problem"]:
        return "design"
    if design["confounders"]:
        return "confounded"
    return ""


def judge(row, design, settings):
    """(verdict, detail, reason in words) of one set; the first rule that matches decides.

    row: one row of a contrast's sets table with 'gate' and 'q'; design: the contrast's design
    report; settings: the config's `verdict` block plus 'margin_fold' of `contrast`.
    """
    fold = settings["margin_fold"]
    if row["gate"] == "detection":
        return "not measurable", "detection", _detection_in_words(row, settings)
    if row["gate"] == "design":
        return "not measurable", "design", design["problem"]
    if row["gate"] == "confounded":
        factors = ", ".join(item["factor"] for item in design["confounders"])
        return "not measurable", f"confounded by {factors}", f"{factors} separates the groups"
    effect, low, high = row["log2_fold_change"], row["ci90_low"], row["ci90_high"]
    unknown = "; treatment unknown" if design["treatment_unknown"] else ""
    at_floor = row["permutation_p"] <= row["permutation_floor"] * (1 + 1e-9)
    permuted = (
        row["permutation_p"] <= settings["max_permutation_p"]
        or at_floor
        or row["permutation_p"] != row["permutation_p"]  # covariates: there is no permutation
    )
    if row["q"] <= settings["max_q"] and permuted:
        return (
            "higher" if effect > 0 else "lower",
            unknown.removeprefix("; "),
            f"{fold_words(effect)} relative to matched genes, q {row['q']:.2g}{unknown}",
        )
    import math

    margin = math.log2(fold)
    if -margin < low and high < margin:
        return (
            "no difference",
            unknown.removeprefix("; "),
            f"the 90 % interval ({fold_words(low)} to {fold_words(high)}) lies within "
            f"{fold:g}-fold{unknown}",
        )
    return (
        "inconclusive",
        unknown.removeprefix("; "),
        f"the 90 % interval ({fold_words(low)} to {fold_words(high)}) reaches beyond "
        f"{fold:g}-fold; this cohort finds {fold_words(row['detectable_effect'])} or more{unknown}",
    )


def _detection_in_words(row, settings):
    if row["set_count"] < settings["min_set_count"]:
        return (
            f"{row['set_count']:.2g} counts of the whole set in a sample; at least "
            f"{settings['min_set_count']:g} are needed"
        )
    return (
        f"{row['n_measurable']:.0f} of {row['n_genes']:.0f} genes are detected; at least "
        f"{settings['min_genes']} and {100 * settings['min_gene_fraction']:g} % are needed"
    )


def fold_words(log2):
    """A log2 fold change in words, for example '1.50-fold up'."""
    direction = "up" if log2 >= 0 else "down"
    return f"{2 ** abs(log2):.2f}-fold {direction}"


def give_verdicts(table, designs, settings):
    """The sets tables of all contrasts with gate, q, verdict, detail and reason.

    designs: the design reports of all contrasts.
    """
    designs = {(entry["study"], entry["contrast"], entry["stratum"]): entry for entry in designs}
    keys = list(zip(table["study"], table["contrast"], table["stratum"], strict=True))
    records = table.to_dict("records")
    table = table.copy()
    table["gate"] = [
        gate(row, designs[key], settings) for row, key in zip(records, keys, strict=True)
    ]
    table = add_q(table)
    judged = [
        judge(row, designs[key], settings)
        for row, key in zip(table.to_dict("records"), keys, strict=True)
    ]
    for position, column in enumerate(("verdict", "detail", "reason")):
        table[column] = [entry[position] for entry in judged]
    return table

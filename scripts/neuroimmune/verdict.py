"""The verdict on every set, study, stratum and contrast (docs/methods.md, Verdicts)."""

import math

from .adjustment import COLUMNS as ADJUSTED_COLUMNS
from .adjustment import explained_by, in_part_explained_by, not_separable
from .contrast import SET_COLUMNS, SET_TEXT, adjust
from .files import read_table

VERDICTS = (
    "higher",
    "lower",
    "explained by treatment",
    "explained by composition",
    "no difference",
    "inconclusive",
    "not measurable",
)
# What is adjusted for is not itself explained away, and the controls are shown as they are.
UNEXPLAINED = ("confounder", "negative_control")
# Detail of a set that moves, but by less than the equivalence margin.
SMALL = "smaller than the margin"
CAUSES = {"treatment": "glucocorticoid exposure", "composition": "erythroid RNA or cell mix"}
NUISANCES = {
    "treatment": "glucocorticoid exposure",
    "erythroid": "erythroid RNA",
    "composition": "cell mix",
}


def read_sets(paths):
    """The sets tables of all contrasts in one DataFrame, numbers as floats."""
    import pandas as pd

    numeric = [column for column in SET_COLUMNS if column not in SET_TEXT]
    return pd.concat([read_table(path, numeric) for path in paths], ignore_index=True)


def read_verdicts(path):
    """The verdicts table, numbers as floats."""
    numeric = [column for column in (*SET_COLUMNS, "q") if column not in SET_TEXT]
    return read_table(path, numeric)


def read_adjusted(paths):
    """The adjusted tables of all contrasts in one DataFrame, numbers as floats."""
    import pandas as pd

    text = ("set_id", "adjustment", "status", "covariate")
    numeric = [column for column in ADJUSTED_COLUMNS if column not in text]
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
    if min(row["n_case"], row["n_reference"]) == 0:
        return "design"
    if row["n_measurable"] < settings["min_genes"]:
        return "detection"
    if row["fraction_measurable"] < settings["min_gene_fraction"]:
        return "detection"
    if row["set_count"] < settings["min_set_count"]:
        return "detection"
    if design["problem"]:
        return "design"
    if math.isnan(row["log2_fold_change"]):
        return "detection"  # too few genes of the cell type can be controls
    if design["confounders"]:
        return "confounded"
    return ""


def judge(row, adjusted, design, settings):
    """(verdict, detail, reason in words) of one set; the first rule that matches decides.

    row: one row of a contrast's sets table with 'gate' and 'q'; adjusted: its rows of the
    adjusted table by adjustment; design: the contrast's design report; settings: the config's
    `verdict` block plus 'margin_fold' of `contrast`, 'min_attenuation' and 'max_p' of `adjust`.
    """
    if row["gate"] == "detection":
        return "not measurable", "detection", _detection_in_words(row, settings)
    if row["gate"] == "design":
        return "not measurable", "design", design["problem"]
    if row["gate"] == "confounded":
        factors = ", ".join(item["factor"] for item in design["confounders"])
        return "not measurable", f"confounded by {factors}", f"{factors} separates the groups"
    notes = ["treatment unknown"] if design["treatment_unknown"] else []
    if design["noisy_few"]:
        notes.append("the smaller group varies more")
    margin = math.log2(settings["margin_fold"])
    small = -margin < row["ci90_low"] and row["ci90_high"] < margin
    if _moves(row, settings):
        if small:
            notes.append(SMALL)
        effect = row["log2_fold_change"]
        words = f"{fold_words(effect)} relative to matched genes, q {row['q']:.2g}"
        if row["family"] not in UNEXPLAINED:
            cause = explained_by(adjusted, design["question"], settings)
            if cause:
                left = _left(adjusted, cause)
                words += f"; {fold_words(left)} once {CAUSES[cause]} is adjusted for"
                return f"explained by {cause}", "; ".join(notes), "; ".join([words, *notes])
            notes += [
                f"not separable from {NUISANCES[name]}"
                for name in not_separable(adjusted, design["question"])
            ]
            notes += [
                f"in part explained by {NUISANCES[name]}"
                for name in in_part_explained_by(adjusted, design["question"], settings)
            ]
        return "higher" if effect > 0 else "lower", "; ".join(notes), "; ".join([words, *notes])
    low, high = row["ci90_low"], row["ci90_high"]
    words = f"the 90 % interval ({fold_words(low)} to {fold_words(high)})"
    if small:
        words += f" lies within {settings['margin_fold']:g}-fold"
        return "no difference", "; ".join(notes), "; ".join([words, *notes])
    words += (
        f" reaches beyond {settings['margin_fold']:g}-fold; this cohort finds "
        f"{fold_words(row['detectable_effect'])} or more"
    )
    return "inconclusive", "; ".join(notes), "; ".join([words, *notes])


def _moves(row, settings):
    """Whether q and, where there is one, the permutation p allow for a move."""
    p = row["permutation_p"]
    permuted = (
        math.isnan(p)  # with covariates there is no permutation
        or p <= settings["max_permutation_p"]
        or p <= row["permutation_floor"] * (1 + 1e-9)
    )
    return row["q"] <= settings["max_q"] and permuted


def _left(adjusted, cause):
    """The smallest effect that the adjustments behind a cause leave."""
    names = ("treatment",) if cause == "treatment" else ("erythroid", "composition")
    effects = [adjusted[name]["log2_fold_change"] for name in names if not adjusted[name]["status"]]
    return min(effects, key=abs)


def _detection_in_words(row, settings):
    if (
        row["n_measurable"] >= settings["min_genes"]
        and row["fraction_measurable"] >= settings["min_gene_fraction"]
        and not row["set_count"] < settings["min_set_count"]
    ):
        return "too few genes outside the panels are detected to serve as controls"
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


def give_verdicts(table, adjusted, designs, settings):
    """The sets tables of all contrasts with gate, q, verdict, detail and reason.

    adjusted: the adjusted tables, designs: the design reports, of all contrasts.
    """
    ladders = {
        key: {row["adjustment"]: row for row in rows.to_dict("records")}
        for key, rows in adjusted.groupby(["study", "contrast", "stratum", "set_id"])
    }
    designs = {(entry["study"], entry["contrast"], entry["stratum"]): entry for entry in designs}
    keys = list(zip(table["study"], table["contrast"], table["stratum"], strict=True))
    records = table.to_dict("records")
    table = table.copy()
    table["gate"] = [
        gate(row, designs[key], settings) for row, key in zip(records, keys, strict=True)
    ]
    table = add_q(table)
    judged = [
        judge(row, ladders.get((*key, row["set_id"]), {}), designs[key], settings)
        for row, key in zip(table.to_dict("records"), keys, strict=True)
    ]
    for position, column in enumerate(("verdict", "detail", "reason")):
        table[column] = [entry[position] for entry in judged]
    return table

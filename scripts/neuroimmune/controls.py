"""The workflow's own controls: what has to move, and what must not (docs/methods.md, Controls)."""

from .synthesis import OTHER, tissue_class
from .verdict import fold_words

GLUCOCORTICOID = ("glucocorticoid_vs_vehicle", "gr_response_up")
ERYTHROPOIESIS = ("erythropoiesis_vs_baseline", "conf_erythroid_reticulocyte")
# Genes that blood never expresses.
NEGATIVE_SETS = ("neg_olfactory", "neg_testis", "neg_lens_retina")
MOVED = ("higher", "lower")
COLUMNS = (
    "control",
    "study",
    "contrast",
    "stratum",
    "tissue_class",
    "sets",
    "outcome",
    "n_tested",
    "n_moved",
    "sentence",
)


def check_controls(verdicts, studies, classes):
    """One row a control (DataFrame with `COLUMNS`); failures first, then what was not run.

    verdicts: as from `verdict.give_verdicts`; studies: dict of study -> {'tissue'}; classes: as
    from `synthesis.read_tissue_classes`. outcome: pass, fail or not run.
    """
    import pandas as pd

    rows = []
    for name, (question, target) in (
        ("glucocorticoid", GLUCOCORTICOID),
        ("erythropoiesis", ERYTHROPOIESIS),
    ):
        asked = verdicts[verdicts["question"] == question]
        if asked.empty:
            words = f"no contrast of this run asks {question}"
            rows.append(_row(name, sets=target, outcome="not run", sentence=words))
        for key, part in asked.groupby(["study", "contrast", "stratum"], sort=False):
            place = dict(zip(("study", "contrast", "stratum"), key, strict=True))
            tissue = studies[key[0]]["tissue"]
            place["tissue_class"] = tissue_class(tissue, classes)
            where = f"{key[0]}, {key[1]}" + ("" if key[2] == "all" else f", {key[2]}")
            unlisted = tissue if place["tissue_class"] == OTHER else ""
            rows.append(_row(name, **place, **_target(part, target, where, unlisted)))
            if name == "erythropoiesis":
                rows.append(_row(name, **place, **_nothing_neuroimmune(part, where)))
    rows.append(_row("negative sets", **_negative(verdicts)))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    rank = table["outcome"].map({"fail": 0, "not run": 1, "pass": 2})
    return table.loc[rank.sort_values(kind="stable").index].reset_index(drop=True)


def _row(control, **values):
    blank = dict.fromkeys(COLUMNS, "") | {"n_tested": 0, "n_moved": 0}
    return blank | {"control": control} | values


def _target(part, target, where, unlisted):
    """Whether the set that the treatment is known to raise came out higher.

    unlisted: the tissue where it is of no class; there the set may fail to respond.
    """
    words = f"{where}: {target} must be higher"
    result = {"sets": target, "n_tested": 0, "n_moved": 0}
    rows = part[part["set_id"] == target].to_dict("records")
    if not rows:
        return result | {"outcome": "not run", "sentence": f"{words}; the panel has no such set"}
    row = rows[0]
    if row["verdict"] == "not measurable":
        return result | {
            "outcome": "not run",
            "sentence": f"{words}; it is not measurable ({row['reason']})",
        }
    moved = row["verdict"] in MOVED
    said = f"{words} and is {row['verdict']} ({fold_words(row['log2_fold_change'])})"
    if row["verdict"] != "higher":
        said = f"{words}; the verdict is {row['verdict']} ({row['reason']})"
    outcome = "pass" if row["verdict"] == "higher" else "fail"
    if outcome == "fail" and unlisted:
        outcome = "not run"
        said += f"; the set was made for blood, and {unlisted} is of no tissue class"
    return result | {
        "outcome": outcome,
        "n_tested": 1,
        "n_moved": int(moved),
        "sentence": said,
    }


def _nothing_neuroimmune(part, where):
    """Whether a neuroimmune set moves that erythroid RNA and cell mix do not explain."""
    family = part[(part["family"] == "neuroimmune") & (part["gate"] == "")]
    moved = family[family["verdict"].isin(MOVED)]
    # These verdicts say themselves that they may be erythroid RNA.
    doubtful = moved["detail"].str.contains("not separable from")
    explained = int((family["verdict"] == "explained by composition").sum())
    words = (
        f"{where}: no neuroimmune set may move once erythroid RNA and cell mix are adjusted for; "
    )
    result = {
        "sets": ";".join(moved["set_id"]),
        "n_tested": len(family),
        "n_moved": len(moved),
    }
    if family.empty:
        return result | {"outcome": "not run", "sentence": words + "none can be tested here"}
    if len(moved) > doubtful.sum():
        outcome = "fail"
        words += f"{len(moved)} of {len(family)} do ({', '.join(moved['set_id'])})"
    elif len(moved):
        outcome = "not run"
        words += f"{len(moved)} of {len(family)} move and cannot be told from them"
    else:
        outcome = "pass"
        words += f"none of {len(family)} does"
    return result | {
        "outcome": outcome,
        "sentence": f"{words} ({explained} explained by composition)",
    }


def _negative(verdicts):
    rows = verdicts[verdicts["set_id"].isin(NEGATIVE_SETS)]
    tested = rows[rows["verdict"] != "not measurable"]
    absent = int((rows["gate"] == "detection").sum())
    moved = rows[rows["verdict"].isin(MOVED)]
    words = (
        "genes of smell receptors, testis, and lens or retina must not move in blood: "
        f"{len(moved)} of {len(tested)} tests came out higher or lower, and {absent} found too few "
        "of the genes detected, as expected"
    )
    places = [f"{row['set_id']} in {row['study']}, {row['contrast']}" for row in _records(moved)]
    # That blood does not show these genes is what must come out, too.
    outcome = "fail" if len(moved) else "pass" if len(tested) + absent else "not run"
    return {
        "sets": ";".join(NEGATIVE_SETS),
        "outcome": outcome,
        "n_tested": len(tested),
        "n_moved": len(moved),
        "sentence": words + (": " + "; ".join(places) if places else ""),
    }


def _records(table):
    return table.to_dict("records")

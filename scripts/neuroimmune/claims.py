"""What the data say on each claim about the neuroimmune axis, and what would settle it."""

from .errors import UserError
from .files import read_rows
from .stats.power import detectable_effect
from .synthesis import OTHER, tissue_class
from .validation import check_rows
from .verdict import SMALL

CLAIM_COLUMNS = (
    "claim_id",
    "axis",
    "claim",
    "source",
    "questions",
    "tissue_classes",
    "untreated",
)
EXPECTED = {"sets_higher": "higher", "sets_lower": "lower", "sets_either": "either"}
COUNTS = (
    "n_for",
    "n_against",
    "n_doubtful",
    "n_explained",
    "n_no_difference",
    "n_inconclusive",
    "n_not_measurable",
)
SET_COLUMNS = (
    "claim_id",
    "set_id",
    "expected",
    "studies",
    *COUNTS,
    "pooled",
    "finding",
    "sentence",
)
EVIDENCE_COLUMNS = (
    *CLAIM_COLUMNS,
    "simulated",
    "n_sets",
    "studies",
    *COUNTS,
    "finding",
    "sentence",
    "n_per_group",
    "settle",
)
ASKED = {
    "aiha_vs_healthy": "patients with AIHA and healthy donors",
    "diagnosis_vs_remission": "patients at diagnosis and in remission",
    "relapse_vs_remission": "patients in relapse and in remission",
    "relapse_vs_diagnosis": "patients in relapse and at diagnosis",
    "model_vs_wildtype": "model and wild-type mice",
}
MOST = 1000


def read_claims(path, schema, sets, questions):
    """The claims as a list of dicts; the set columns as 'sets': dict of set_id -> expected.

    sets: the set_ids of the panel; questions: those that contrasts can ask. Lists are separated
    by semicolons. Raises UserError with file and line for every problem.
    """
    rows = read_rows(path)
    problems, first, claims = check_rows(rows, schema, path), {}, []
    if problems:
        raise UserError(*problems)
    for number, row in enumerate(rows, start=2):
        at = f"{path}:{number}"
        if row["claim_id"] in first:
            problems.append(
                f"{at}: claim {row['claim_id']} stands already in line {first[row['claim_id']]}"
            )
        first.setdefault(row["claim_id"], number)
        expected = {}
        for column, direction in EXPECTED.items():
            for name in _listed(row[column]):
                if name not in sets:
                    problems.append(f"{at}: column {column}: the panel has no set {name}")
                elif name in expected:
                    problems.append(f"{at}: the set {name} stands twice; keep one direction")
                expected[name] = direction
        if not expected:
            problems.append(f"{at}: no set tests the claim; fill one of {', '.join(EXPECTED)}")
        for name in _listed(row["questions"]):
            if name not in questions:
                problems.append(
                    f"{at}: column questions: found {name!r}; allowed: {', '.join(questions)}"
                )
        claims.append(
            {column: row[column] for column in CLAIM_COLUMNS}
            | {"sets": expected, "asked": _listed(row["questions"])}
            | {"classes": _listed(row["tissue_classes"])}
        )
    if problems:
        raise UserError(*problems)
    return claims


def _listed(text):
    return [part.strip() for part in text.split(";") if part.strip()]


def weigh_claims(claims, verdicts, pooled, designs, studies, classes, settings):
    """Dict of DataFrames 'claims' (a row a claim) and 'sets' (a row a claim and set).

    claims: as from `read_claims`; verdicts, pooled: the tables of `verdict.give_verdicts` and
    `synthesis.pool_studies` ('meta'); designs: of all contrasts; studies: dict of study ->
    {'tissue', 'organism'}; classes: as from `synthesis.read_tissue_classes`; settings:
    'margin_fold'.
    """
    import pandas as pd

    known = {(d["study"], d["contrast"], d["stratum"]): d for d in designs}
    keys = list(zip(verdicts["study"], verdicts["contrast"], verdicts["stratum"], strict=True))
    table = verdicts.assign(
        tissue_class=[tissue_class(studies[name]["tissue"], classes) for name in verdicts["study"]],
        organism=[studies[name]["organism"] for name in verdicts["study"]],
        **{name: [known[key][name] for key in keys] for name in ("paired", "blocked", "untreated")},
    )
    set_rows, claim_rows = [], []
    for claim in claims:
        rows = table[table["question"].isin(claim["asked"])]
        if claim["classes"]:
            rows = rows[rows["tissue_class"].isin(claim["classes"])]
        rows = rows[rows["set_id"].isin(list(claim["sets"]))]
        rows = rows.assign(stand=[stand(row, claim) for row in rows.to_dict("records")])
        for name, expected in claim["sets"].items():
            set_rows.append(_set_row(claim, name, expected, rows[rows["set_id"] == name], pooled))
        claim_rows.append(_claim_row(claim, rows, table, settings))
    return {
        "claims": pd.DataFrame(claim_rows, columns=list(EVIDENCE_COLUMNS)),
        "sets": pd.DataFrame(set_rows, columns=list(SET_COLUMNS)),
    }


def stand(row, claim):
    """What one verdict is to a claim: the name of one of `COUNTS` without 'n_'."""
    verdict, expected = row["verdict"], claim["sets"][row["set_id"]]
    if verdict in ("higher", "lower"):
        # Where something else may be the cause, a move says little either way. One that is small
        # counts; its size stands beside it.
        if row["detail"] not in ("", SMALL) or (claim["untreated"] and not row["untreated"]):
            return "doubtful"
        return "for" if expected in ("either", verdict) else "against"
    return "explained" if verdict.startswith("explained") else verdict.replace(" ", "_")


def weigh(counts):
    """The finding that the counts of verdicts allow (docs/methods.md, Evidence).

    counts: dict with `COUNTS`. Never stronger than the verdicts behind it: 'speaks for' needs
    half of those that could be judged.
    """
    judged = sum(counts.values()) - counts["n_not_measurable"]
    if not sum(counts.values()):
        return "not asked"
    if not judged:
        return "not measurable"
    if counts["n_for"] and counts["n_against"]:
        return "contradictory"
    if counts["n_for"]:
        return "speaks for" if 2 * counts["n_for"] >= judged else "speaks for in part"
    if counts["n_against"]:
        return "speaks against" if 2 * counts["n_against"] >= judged else "speaks against in part"
    if counts["n_doubtful"]:
        return "moves, cause open"
    if counts["n_explained"]:
        return "explained"
    return "no difference" if counts["n_no_difference"] == judged else "open"


def _counts(rows):
    found = rows["stand"].value_counts()
    return {name: int(found.get(name.removeprefix("n_"), 0)) for name in COUNTS}


def _set_row(claim, name, expected, rows, pooled):
    counts = _counts(rows)
    found = weigh(counts)
    meta = pooled[
        (pooled["set_id"] == name)
        & (pooled["adjustment"] == "none")
        & pooled["comparison"].isin(claim["asked"])
        & (pooled["pooled"] == "yes")
    ]
    if claim["classes"]:
        meta = meta[meta["tissue_class"].isin(claim["classes"])]
    places = [
        f"{row['study']} ({row['contrast']}{_stratum(row)}): {row['verdict']}{_detail(row)}"
        for row in rows.to_dict("records")
    ]
    said = "; ".join(places) or "no contrast of this run asks"
    together = " | ".join(f"{row['comparison']}, {row['sentence']}" for row in _records(meta))
    return {
        "claim_id": claim["claim_id"],
        "set_id": name,
        "expected": expected,
        "studies": ";".join(dict.fromkeys(rows["study"])),
        **counts,
        "pooled": together,
        "finding": found,
        "sentence": said + (f". Pooled: {together}" if together else ""),
    }


def _stratum(row):
    return "" if row["stratum"] == "all" else f", {row['stratum']}"


def _detail(row):
    return f", {row['detail']}" if row["detail"] else ""


def _records(table):
    return table.to_dict("records")


def _claim_row(claim, rows, table, settings):
    counts = _counts(rows)
    found = weigh(counts)
    n, tissue, spread = needed(claim, rows, table, settings["margin_fold"])
    words = in_words(found, counts, rows)
    simulated = "yes" if (rows["simulated"] == "yes").any() else "no"
    if simulated == "yes":
        words = f"Simulated data: {words}"
    return {
        **{column: claim[column] for column in CLAIM_COLUMNS},
        "simulated": simulated,
        "n_sets": len(claim["sets"]),
        "studies": ";".join(dict.fromkeys(rows["study"])),
        **counts,
        "finding": found,
        "sentence": words,
        "n_per_group": n,
        "settle": settle(claim, found, rows, (n, tissue, spread), settings["margin_fold"]),
    }


def in_words(found, counts, rows):
    """The finding on a claim in one sentence, with the counts that it rests on."""
    judged = sum(counts.values()) - counts["n_not_measurable"]
    studies = _many(rows["study"].nunique(), "study", "studies")
    if found == "not asked":
        return "No study of this run asks this."
    unseen = counts["n_not_measurable"]
    unseen = f"; {_many(unseen, 'more is', 'more are')} not measurable" if unseen else ""
    if found == "not measurable":
        why = "; ".join(dict.fromkeys(rows["detail"]))
        return f"Asked in {studies}, but measurable in none ({why})."
    words = (
        ("n_for", "in the direction of the claim"),
        ("n_against", "in the other direction"),
        ("n_doubtful", "moved where treatment or cell mix may be the cause"),
        ("n_explained", "explained by treatment or composition"),
        ("n_no_difference", "no difference"),
        ("n_inconclusive", "inconclusive"),
    )
    parts = [f"{counts[name]} {text}" for name, text in words if counts[name]]
    moved = f"of {_many(judged, 'verdict', 'verdicts')} from {studies}, {', '.join(parts)}{unseen}"
    return {
        "contradictory": f"The data contradict each other: {moved}.",
        "speaks for": f"In line with the claim: {moved}.",
        "speaks for in part": f"In part in line with the claim: {moved}.",
        "speaks against": f"Against the claim: {moved}.",
        "speaks against in part": f"In part against the claim: {moved}.",
        "moves, cause open": f"Sets move, but it is open by what: {moved}.",
        "explained": f"What moves is explained by treatment or composition: {moved}.",
        "no difference": f"No difference beyond the margin in any measurable set: {moved}.",
        "open": f"Undecided: {moved}.",
    }[found]


def _many(n, one, more):
    return f"{n} {one if n == 1 else more}"


def needed(claim, rows, table, margin_fold):
    """(subjects a group, tissue class, where the spread comes from): what the sets need.

    The number at which the median set's minimal detectable effect (80 % power, two-sided 5 %)
    reaches the margin, in two independent groups, by the spread of scores between subjects in
    the human contrasts that ask; where none is measured, in those that ask something else. Of
    several tissue classes the one with most numbers. None where these sets are measured nowhere;
    more than `MOST` count as `MOST`.
    """
    import numpy as np

    own, others = (
        _unpaired(source) for source in (rows, table[table["set_id"].isin(list(claim["sets"]))])
    )
    usable = others if own.empty else own
    if usable.empty:
        return None, (claim["classes"] or ["whole blood"])[0], ""
    tissue = usable["tissue_class"].value_counts(sort=True).sort_index(kind="stable").idxmax()
    usable = usable[usable["tissue_class"] == tissue]
    spread = usable["standard_error"] / np.sqrt(1 / usable["n_case"] + 1 / usable["n_reference"])
    n = np.arange(3, MOST + 1)
    effect = detectable_effect(float(spread.median()) * np.sqrt(2 / n), 2 * n - 2)
    reached = n[effect <= np.log2(margin_fold)]
    studies = ", ".join(dict.fromkeys(usable["study"]))
    words = f"by the spread in {studies}" + (", which ask something else" if own.empty else "")
    return (int(reached[0]) if len(reached) else MOST), tissue, words


def _unpaired(rows):
    """Those from which the spread between human subjects in blood or marrow can be told."""
    return rows[
        (rows["gate"] != "detection")
        & rows["standard_error"].notna()
        & ~rows["paired"].astype(bool)
        & ~rows["blocked"].astype(bool)
        & (rows["organism"] == "Homo sapiens")
        & (rows["tissue_class"] != OTHER)
    ]


def settle(claim, found, rows, need, margin_fold):
    """What data would settle a claim, in words; need: as from `needed`."""
    n, tissue, spread = need
    if found == "no difference":
        return (
            f"Nothing further within {margin_fold:g}-fold in the tissues asked; other tissues were "
            "not asked."
        )
    hidden = rows[rows["stand"] == "not_measurable"]
    if found == "not measurable" and (hidden["gate"] == "detection").all():
        return (
            "Not RNA of these cells, which hardly holds these genes: protein or receptor binding, "
            "or the tissue that the nerves reach."
        )
    human = [name for name in claim["asked"] if name != "model_vs_wildtype"]
    who = ASKED.get((human or claim["asked"])[0], (human or claim["asked"])[0])
    size = "the number cannot be computed, because these sets are measured in no study of this run"
    if n is not None:
        size = f"n >= {n} a group" if n < MOST else f"n > {MOST} a group"
        size += f" (median set, {margin_fold:g}-fold, {spread})"
    said = f"Untreated {who}, {tissue}: {size}"
    explained = set(rows.loc[rows["stand"] == "explained", "verdict"])
    if "explained by composition" in explained:
        said += "; sorted cells or counted cell fractions, because composition explains a part"
    if (rows["gate"] == "confounded").any():
        said += "; treatment must not separate the groups, as it does in the studies at hand"
    if rows["detail"].str.contains("treatment unknown").any():
        said += "; with treatment recorded"
    if found.startswith(("speaks for", "contradictory")):
        said += "; from a centre of its own, to repeat the finding"
    return said + "."

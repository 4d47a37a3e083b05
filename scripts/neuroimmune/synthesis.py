"""Pool one contrast over studies of one tissue class; list what is not pooled, and why."""

import re

from .contrast import adjust
from .errors import UserError
from .files import read_rows
from .stats import adjust as adjustments
from .stats import meta
from .validation import check_rows
from .verdict import fold_words

OTHER = "other"
# Fewer studies are shown and not pooled: with two, the interval is that of one degree of freedom.
MIN_STUDIES = 3
# What `expression.microarray` says of values that source.scale forced through.
CENTRED = re.compile(r"look like ((?:values centred|z-scores|log ratios|ratios)[^(]*)")

POOL = ("comparison", "tissue_class", "stratum", "organism", "simulated", "adjustment")
META_COLUMNS = (
    *POOL,
    "set_id",
    "axis",
    "family",
    "studies",
    "n_case",
    "n_reference",
    "n_higher",
    "n_lower",
    "pooled",
    *meta.COLUMNS,
    "q",
    "finding",
    "sentence",
)
STUDY_COLUMNS = (
    *POOL,
    "set_id",
    "study",
    "contrast",
    "n_case",
    "n_reference",
    "log2_fold_change",
    "standard_error",
    "ci_low",
    "ci_high",
    "weight",
    "k_without",
    "log2_fold_change_without",
    "ci_low_without",
    "ci_high_without",
    "tau2_without",
)
EXCLUDED_COLUMNS = (
    "comparison",
    "tissue_class",
    "stratum",
    "study",
    "contrast",
    "adjustment",
    "reason",
    "n_sets",
    "sets",
)


def read_tissue_classes(path, schema):
    """Dict of tissue (lower case) -> tissue class. Raises UserError with file and line."""
    rows = read_rows(path)
    problems, classes = check_rows(rows, schema, path), {}
    for number, row in enumerate(rows, start=2):
        tissue = row.get("tissue", "").lower()
        if tissue in classes:
            problems.append(f"{path}:{number}: the tissue {tissue} stands twice; keep one")
        classes[tissue] = row.get("tissue_class")
    if problems:
        raise UserError(*problems)
    return classes


def tissue_class(tissue, classes):
    """The class of a study's tissue; 'other' where the table does not list it."""
    return classes.get(tissue.lower(), OTHER)


def comparison(question, contrast):
    """What contrasts are pooled by: the question, or for question 'other' the contrast's name."""
    return contrast if question == OTHER else question


def pool_studies(verdicts, adjusted, designs, shared, studies, classes, settings):
    """Dict of DataFrames: 'meta', 'studies' (with leave-one-out) and 'excluded'.

    verdicts, adjusted, designs: of all contrasts, as `verdict.give_verdicts` makes and takes
    them; shared: as from `checks.shared_samples`; studies: dict of study -> {'organism',
    'tissue', 'simulated' (yes, no), 'warnings' (of its profiles)}, in the order of the config;
    classes: as from `read_tissue_classes`; settings: 'max_q' and 'margin_fold'.
    """
    import pandas as pd

    entries = [_entry(design, studies, classes) for design in designs]
    reasons = _whole_contrasts(entries, shared, studies)
    effects, excluded = _effects(verdicts, adjusted, entries, reasons)
    rows, parts = [], []
    for key, group in effects.groupby([*POOL, "set_id"], sort=True):
        row, part = _pool(group)
        named = dict(zip([*POOL, "set_id"], key, strict=True))
        rows.append({**named, **row})
        parts.append(part.assign(**named))
    table = pd.DataFrame(rows, columns=list(META_COLUMNS))
    table = _judged(table, settings)
    return {
        "meta": table[list(META_COLUMNS)],
        "studies": pd.concat(parts, ignore_index=True)[list(STUDY_COLUMNS)]
        if parts
        else pd.DataFrame(columns=list(STUDY_COLUMNS)),
        "excluded": excluded,
    }


def _entry(design, studies, classes):
    study = studies[design["study"]]
    return {
        **design,
        "comparison": comparison(design["question"], design["contrast"]),
        "tissue_class": tissue_class(study["tissue"], classes),
        "organism": study["organism"],
        "simulated": study["simulated"],
        "key": (design["study"], design["contrast"], design["stratum"]),
    }


def _whole_contrasts(entries, shared, studies):
    """Dict of (study, contrast, stratum) -> why none of its sets is pooled."""
    reasons = {}
    for entry in entries:
        reason = _own_reason(entry, studies[entry["study"]])
        if reason:
            reasons[entry["key"]] = reason
    pools = {}
    for entry in entries:
        if entry["key"] not in reasons:
            key = tuple(entry[part] for part in ("comparison", "tissue_class", "stratum"))
            pools.setdefault((*key, entry["simulated"]), []).append(entry)
    order = list(studies)
    for pool in pools.values():
        if len({entry["organism"] for entry in pool}) > 1:
            for entry in pool:
                if entry["organism"] != "Homo sapiens":
                    reasons[entry["key"]] = f"other organism: {entry['organism']}"
            pool = [entry for entry in pool if entry["key"] not in reasons]
        # The larger study stays; of equal ones the one that the config names first.
        pool = sorted(pool, key=lambda e: (-e["n_subjects"], order.index(e["study"])))
        kept = []
        for entry in pool:
            for other in kept:
                reason = _overlap(entry, other, shared)
                if reason:
                    reasons[entry["key"]] = reason
                    break
            else:
                kept.append(entry)
    return reasons


def _own_reason(entry, study):
    if entry["tissue_class"] == OTHER:
        return f"other tissue: {study['tissue']} is of no tissue class"
    if entry["problem"]:
        return f"design: {entry['problem']}"
    if entry["confounders"]:
        factors = ", ".join(item["factor"] for item in entry["confounders"])
        return f"confounded by design: {factors} separates the groups"
    for warning in study["warnings"]:
        found = CENTRED.search(warning)
        if found:
            return f"gene-centred values: they look like {found.group(1).strip()}"
    return ""


def _overlap(entry, other, shared):
    """Why an entry cannot stand beside a kept one: subjects or samples in common; or ''."""
    if entry["study"] == other["study"]:
        subjects = [{item["subject"] for item in one["profiles"]} for one in (entry, other)]
        both = subjects[0] & subjects[1]
        if both:
            return f"subjects counted already: {len(both)} in {other['contrast']} of the same study"
        return ""
    mine, theirs = (
        {sample for item in one["profiles"] for sample in _samples(item["profile"])}
        for one in (entry, other)
    )
    pairs = _pairs(shared, entry["study"], other["study"])
    both = {a for a, b in pairs if a in mine and b in theirs}
    if both:
        return f"samples counted already: {len(both)} in {other['study']}"
    return ""


def _pairs(shared, study, other):
    """(sample of study, sample of other) that are one; merged profiles split into samples."""
    for row in shared.to_dict("records"):
        sides = {row["study_a"]: row["sample_a"], row["study_b"]: row["sample_b"]}
        if set(sides) == {study, other}:
            for a in _samples(sides[study]):
                for b in _samples(sides[other]):
                    yield a, b


def _samples(profile):
    """The samples in a profile's name: its GSMs, else what '+' joins."""
    return re.findall(r"GSM\d+", profile) or profile.split("+")


def _effects(verdicts, adjusted, entries, reasons):
    """(effects to pool, excluded): a row a study, contrast, stratum, adjustment and set."""
    import pandas as pd

    keys = ["study", "contrast", "stratum"]
    own = pd.DataFrame(
        [{name: entry[name] for name in (*keys, *POOL[:2], "organism")} for entry in entries]
    )
    columns = ["log2_fold_change", "standard_error", "ci_low", "ci_high"]
    sets = verdicts[[*keys, "simulated", "set_id", "axis", "family", "gate", "n_case"]]
    sets = sets.assign(n_reference=verdicts["n_reference"])
    plain = sets.assign(adjustment=adjustments.ADJUSTMENTS[0], status="")
    plain[columns] = verdicts[columns]
    more = adjusted[adjusted["adjustment"] != adjustments.ADJUSTMENTS[0]]
    more = sets.merge(more[[*keys, "set_id", "adjustment", "status", *columns]])
    table = pd.concat([plain, more], ignore_index=True).merge(own, on=keys)
    index = list(zip(*(table[key] for key in keys), strict=True))
    whole = pd.Series([reasons.get(key, "") for key in index], index=table.index)
    detection = (table["gate"] == "detection").map(
        {True: "not measurable: too few of its genes are detected", False: ""}
    )
    missing = table["standard_error"].isna().map({True: "no standard error", False: ""})
    reason = whole.where(whole != "", detection)
    # The inflation itself is another for every set.
    status = table["status"].str.replace(r": variance inflation.*", " from the groups", regex=True)
    reason = reason.where(reason != "", status)
    table["reason"] = reason.where(reason != "", missing)
    out = table[table["reason"] != ""]
    # A reason that holds for the whole contrast is said once, not once an adjustment.
    everywhere = whole.loc[out.index] != ""
    everywhere |= out["reason"] == detection.loc[out.index]
    out = out.assign(adjustment=out["adjustment"].where(~everywhere, "all"))
    out = out.drop_duplicates([*keys, "adjustment", "reason", "set_id"])
    rows = [
        {
            **dict(zip([*EXCLUDED_COLUMNS[:7]], key, strict=True)),
            "n_sets": len(part),
            "sets": "all" if key[6] in reasons.values() else ";".join(part["set_id"]),
        }
        for key, part in out.groupby(list(EXCLUDED_COLUMNS[:7]), sort=True)
    ]
    excluded = pd.DataFrame(rows, columns=list(EXCLUDED_COLUMNS))
    return table[table["reason"] == ""], excluded


def _pool(group):
    """(row of the meta table, rows of its studies) of one set, comparison and adjustment."""
    import numpy as np

    effect = group["log2_fold_change"].to_numpy()
    error = group["standard_error"].to_numpy()
    row = {
        "axis": group["axis"].iloc[0],
        "family": group["family"].iloc[0],
        "studies": ";".join(group["study"]),
        "n_case": int(group["n_case"].sum()),
        "n_reference": int(group["n_reference"].sum()),
        "n_higher": int((effect > 0).sum()),
        "n_lower": int((effect < 0).sum()),
        "pooled": "yes" if len(group) >= MIN_STUDIES else "no",
        "k": len(group),
    }
    part = group.assign(
        weight=np.nan,
        k_without=len(group) - 1,
        **{name: np.nan for name in STUDY_COLUMNS[STUDY_COLUMNS.index("k_without") + 1 :]},
    )
    if len(group) < MIN_STUDIES:
        return row, part
    fit, weights = meta.pool(effect, error)
    part["weight"] = weights
    without = meta.leave_one_out(effect, error)
    for name in ("log2_fold_change", "ci_low", "ci_high", "tau2"):
        part[f"{name}_without"] = [other[name] for other in without]
    return {**row, **fit}, part


def _judged(table, settings):
    """The meta table with q (BH within family and pool), finding and sentence."""
    import numpy as np

    table["q"] = np.nan
    for _, rows in table[table["pooled"] == "yes"].groupby([*POOL, "family"]):
        table.loc[rows.index, "q"] = adjust(rows["p"])
    margin = np.log2(settings["margin_fold"])
    found = [finding(row, settings["max_q"], margin) for row in table.to_dict("records")]
    table["finding"] = found
    table["sentence"] = [sentence(row) for row in table.to_dict("records")]
    return table


def finding(row, max_q, margin):
    """'higher', 'lower', 'no difference', 'inconclusive', or 'not pooled' for one row."""
    if row["pooled"] == "no":
        return "not pooled"
    if row["q"] <= max_q:
        return "higher" if row["log2_fold_change"] > 0 else "lower"
    if -margin < row["ci90_low"] and row["ci90_high"] < margin:
        return "no difference"
    return "inconclusive"


def sentence(row):
    """One row of the meta table in words."""
    k = row["k"]
    if row["pooled"] == "no":
        verb = "one study" if k == 1 else "2 studies"
        return f"{verb} of {row['tissue_class']}: shown, not pooled (fewer than {MIN_STUDIES})"
    said = (
        f"{k} studies of {row['tissue_class']}: {fold_words(row['log2_fold_change'])} "
        f"(95 % interval: between {fold_words(row['ci_low'])} and {fold_words(row['ci_high'])}), "
        f"q {row['q']:.2g}; in a further study between {fold_words(row['prediction_low'])} and "
        f"{fold_words(row['prediction_high'])} (prediction interval, t with "
        f"{row['prediction_df']:.0f} df); I2 {100 * row['i2']:.0f} %"
    )
    return said + ("" if row["ci_method"] == meta.HARTUNG_KNAPP else "; interval ad hoc (q < 1)")

"""Curate a study's samples: GEO's record, the study's rules and its samples.tsv in one table."""

import re
from collections import Counter
from pathlib import Path

from .errors import UserError, some
from .studies import SAMPLE_FIELDS
from .validation import where

COLUMNS = (
    "sample",
    "title",
    "include",
    "reason",
    *SAMPLE_FIELDS,
    "note",
    "geo_platform",
    "geo_source_name",
    "geo_characteristics",
    "geo_description",
    "geo_biosample",
    "geo_supplementary",
)


def curate(study, series, geo_samples):
    """One row a sample of the series (DataFrame of text with `COLUMNS`), nothing dropped.

    study: as from `studies.read_study`; series, geo_samples: as from `geo.matrix.read_header`,
    or (None, None) for a study whose samples.tsv is the only record.
    'include' is yes or no, and 'reason' says why not. Samples of one subject and group are
    replicates, which the expression stage merges.

    Raises UserError with every problem found: a sample that GEO does not have, a field that GEO
    does not have (with those it has), a value that no map covers, a group without samples, one
    subject in both groups of an unpaired contrast.
    """
    import pandas as pd

    yaml_file = Path(study["folder"]) / "study.yaml"
    if geo_samples is None:
        geo_samples = [{"geo_accession": row["sample"]} for row in study["rows"]]
        series = {}
    problems = _check_platform(study, series, yaml_file)
    problems += _unknown_samples(study, geo_samples, yaml_file)
    rows = {row["sample"]: row for row in study["rows"] or []}
    fields, field_problems = _read_fields(study, geo_samples, rows, yaml_file)
    problems += field_problems
    excluded = {item["sample"]: item["reason"] for item in study.get("exclude", [])}
    records = []
    for position, geo in enumerate(geo_samples):
        name = geo["geo_accession"]
        given = rows.get(name, {})
        record = {field: values[position] for field, values in fields.items()}
        record |= {key: value for key, value in given.items() if key in SAMPLE_FIELDS}
        reason = ""
        if name in excluded:
            reason = excluded[name]
        elif study["rows"] is not None and name not in rows:
            reason = "not listed in samples.tsv"
        elif given.get("include") == "no":
            reason = given.get("note") or "include is 'no' in samples.tsv"
        elif record.get("group") is None:
            reason = "its group is mapped to nothing in study.yaml"
        record |= {
            "sample": name,
            "title": geo.get("title", ""),
            "include": "no" if reason else "yes",
            "reason": reason,
            "note": given.get("note", ""),
            "geo_platform": geo.get("platform_id", ""),
            "geo_source_name": geo.get("source_name_ch1", ""),
            "geo_characteristics": "; ".join(
                f"{key}: {value}" for key, value in geo.get("characteristics", {}).items()
            ),
            "geo_description": geo.get("description", ""),
            "geo_biosample": "".join(re.findall(r"SAM[A-Z]+\d+", geo.get("relation", ""))[:1]),
            "geo_supplementary": " | ".join(
                value for key, value in geo.items() if key.startswith("supplementary_file")
            ),
        }
        record["subject"] = record.get("subject") or name
        record["treatment"] = record.get("treatment") or "unknown"
        records.append({column: record.get(column) or "" for column in COLUMNS})
    table = pd.DataFrame(records, columns=list(COLUMNS), dtype=str)
    if not problems:
        problems = _check_groups(study, table, yaml_file)
    if problems:
        raise UserError(*problems)
    return table


def _check_platform(study, series, yaml_file):
    wanted, found = study["source"].get("platform"), series.get("platform_id", [])
    if wanted and found and wanted not in found:
        return [
            f"{where([yaml_file], ['source', 'platform'])}: source.platform is {wanted}, but "
            f"{study['accession']} was measured on {', '.join(found)}"
        ]
    return []


def _unknown_samples(study, geo_samples, yaml_file):
    known = [geo["geo_accession"] for geo in geo_samples]
    span = f"{study['accession']} has {len(known)}: {some(known)}"
    problems = []
    for number, row in enumerate(study["rows"] or [], start=2):
        if row["sample"] not in known:
            path = Path(study["folder"]) / "samples.tsv"
            problems.append(f"{path}:{number}: sample {row['sample']} is not in the series; {span}")
    for index, item in enumerate(study.get("exclude", [])):
        if item["sample"] not in known:
            at = where([yaml_file], ["exclude", index, "sample"])
            problems.append(f"{at}: exclude: {item['sample']} is not in the series; {span}")
    return problems


def _read_fields(study, geo_samples, rows, yaml_file):
    """Column values in sample order for every field that study.yaml takes from GEO."""
    columns, problems = {}, []
    # A value matters only for samples that stay in; a map need not cover the others.
    used = {geo["geo_accession"] for geo in geo_samples} - {
        item["sample"] for item in study.get("exclude", [])
    }
    if study["rows"] is not None:
        used &= {name for name, row in rows.items() if row.get("include") != "no"}
    for name, field in study["samples"].items():
        if "value" in field:
            columns[name] = [field["value"]] * len(geo_samples)
            continue
        raw = [_raw(geo, field["from"]) for geo in geo_samples]
        if not any(raw):
            at = where([yaml_file], ["samples", name, "from"])
            problems.append(
                f"{at}: samples.{name}.from: GEO has no {field['from']!r} for "
                f"{study['accession']}; it has {_available(geo_samples)}"
            )
            continue
        values, uncovered = [], Counter()
        for geo, text in zip(geo_samples, raw, strict=True):
            value, covered = _apply(field, text)
            if not covered or (name == "group" and value == ""):
                if geo["geo_accession"] in used:
                    uncovered[text] += 1
                value = None
            values.append(value)
        if uncovered:
            key = "map" if "map" in field else "pattern" if "pattern" in field else "from"
            at = where([yaml_file], ["samples", name, key])
            counts = ", ".join(f"{text!r} ({n} samples)" for text, n in uncovered.most_common(8))
            covers = (
                f"; the map covers {', '.join(map(repr, field['map']))}" if "map" in field else ""
            )
            problems.append(
                f"{at}: samples.{name}.{key} does not cover what GEO says in {field['from']}: "
                f"{counts}{covers}. Add a line for each (null leaves the samples out)"
            )
        columns[name] = values
    return columns, problems


def _raw(geo, source):
    if source.startswith("characteristics."):
        key = source.removeprefix("characteristics.").strip().lower()
        return geo.get("characteristics", {}).get(key, "")
    return geo.get(
        {"source_name": "source_name_ch1", "sample": "geo_accession"}.get(source, source), ""
    )


def _apply(field, text):
    """(value, whether pattern and map cover the text). A blank stays blank unless mapped."""
    value = text
    if "pattern" in field and text:
        match = re.search(field["pattern"], text)
        if not match:
            return "", False
        value = match.group(1) if match.groups() else match.group(0)
    if "map" in field:
        if value in field["map"]:
            return field["map"][value], True
        return "", value == ""
    return value, True


def _available(geo_samples):
    counts = Counter()
    for geo in geo_samples:
        counts.update(f"characteristics.{key}" for key in geo.get("characteristics", {}))
        counts.update(
            name
            for name, key in (
                ("title", "title"),
                ("source_name", "source_name_ch1"),
                ("description", "description"),
            )
            if geo.get(key)
        )
    return ", ".join(f"{key} ({n} samples)" for key, n in sorted(counts.items()))


def _check_groups(study, table, yaml_file):
    kept = table[table["include"] == "yes"]
    groups = Counter(kept["group"])
    problems = []
    for name, contrast in study["contrasts"].items():
        for arm in ("case", "reference"):
            if contrast[arm] not in groups:
                at = where([yaml_file], ["contrasts", name, arm])
                found = ", ".join(f"{g!r} ({n} samples)" for g, n in sorted(groups.items()))
                problems.append(
                    f"{at}: contrasts.{name}.{arm}: no sample is in group {contrast[arm]!r}; "
                    f"groups: {found or 'none, every sample is left out'}"
                )
        subjects = [
            set(kept.loc[kept["group"] == contrast[arm], "subject"])
            for arm in ("case", "reference")
        ]
        both = sorted(subjects[0] & subjects[1])
        if both and not contrast.get("paired"):
            at = where([yaml_file], ["contrasts", name])
            problems.append(
                f"{at}: contrasts.{name}: subject {some(both)} is in both groups, so the samples "
                "are not independent; set 'paired: true', or leave samples out under exclude:"
            )
        if contrast.get("paired") and not both:
            at = where([yaml_file], ["contrasts", name, "paired"])
            problems.append(
                f"{at}: contrasts.{name}.paired: no subject has a sample in both groups; check "
                f"samples.subject (found {some(sorted(set(kept['subject'])))})"
            )
    return problems

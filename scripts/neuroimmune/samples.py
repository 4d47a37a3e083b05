"""Curate a study's samples: GEO's record, the study's rules and its samples.tsv in one table."""

import re
from collections import Counter, defaultdict
from pathlib import Path

from .errors import UserError, some
from .studies import SAMPLE_FIELDS, cell_fields, matrix_files
from .validation import where

COLUMNS = (
    "sample",
    "title",
    "include",
    "reason",
    *SAMPLE_FIELDS,
    "note",
    "corrected",
    "geo_platform",
    "geo_source_name",
    "geo_characteristics",
    "geo_description",
    "geo_biosample",
    "geo_supplementary",
)


# How GEO's records say that nothing is known; the same for many samples, so no name of a subject.
BLANKS = (
    *("", "-", "--", ".", "?", "na", "n/a", "nan", "none", "null", "unknown", "missing"),
    *("not applicable", "not available", "data not available", "not provided", "not collected"),
)
# More samples of one group than anyone would take as replicates of one subject without saying so.
MOST_REPLICATES = 3


def curate(study, series, geo_samples):
    """One row a sample of the series (DataFrame of text with `COLUMNS`), nothing dropped.

    study: as from `studies.read_study`; series, geo_samples: as from `geo.matrix.read_records`,
    or (None, None) for a study whose samples.tsv is the only record.
    'include' is yes or no, and 'reason' says why not. Samples of one subject and group are
    replicates, which the expression stage merges. The study's fields and 'title' are read from
    the corrected record, 'corrected' says what was corrected, and the columns geo_... keep GEO's
    own words.

    Raises UserError with every problem found: a SuperSeries, a sample that GEO does not have, a
    correction of what GEO does not say, a field that GEO does not have (with those it has), a value
    that no map covers, samples of several platforms or without a subject, a group without samples,
    one subject that takes a whole group, or both groups of an unpaired contrast, an age that is
    no number.
    """
    import pandas as pd

    yaml_file = Path(study["folder"]) / "study.yaml"
    if geo_samples is None:
        geo_samples = [{"geo_accession": row["sample"]} for row in study["rows"]]
        series = {}
    problems = _check_series(study, series, yaml_file)
    problems += _unknown_samples(study, geo_samples, yaml_file)
    corrected, notes, correction_problems = _correct(study, geo_samples)
    problems += correction_problems
    rows = {row["sample"]: row for row in study["rows"] or []}
    fields, field_problems = _read_fields(study, corrected, rows, yaml_file)
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
        elif record.get("group") is None and "group" not in cell_fields(study):
            reason = "its group is mapped to nothing in study.yaml"
        record |= {
            "sample": name,
            "title": corrected[position].get("title", ""),
            "include": "no" if reason else "yes",
            "reason": reason,
            "note": given.get("note", ""),
            "corrected": "; ".join(notes[name]),
            "geo_platform": geo.get("platform_id", ""),
            "geo_source_name": geo.get("source_name_ch1", ""),
            "geo_characteristics": "; ".join(
                f"{key}: {value}" for key, value in geo.get("characteristics", {}).items()
            ),
            "geo_description": geo.get("description", ""),
            "geo_biosample": "".join(re.findall(r"SAM[A-Z]+\d+", geo.get("relation", ""))[:1]),
            "geo_supplementary": " | ".join(
                value
                for key, value in geo.items()
                if key.startswith("supplementary_file") and value not in ("", "NONE")
            ),
        }
        record["treatment"] = record.get("treatment") or "unknown"
        # A line break or tab, possible in study.yaml, would break the table's row.
        records.append(
            {column: re.sub(r"[\t\r\n]+", " ", record.get(column) or "") for column in COLUMNS}
        )
    table = pd.DataFrame(records, columns=list(COLUMNS), dtype=str)
    if not problems:
        problems += _check_platforms(study, table, yaml_file)
        problems += _check_subjects(study, table, corrected, yaml_file)
    if "subject" not in cell_fields(study):
        blank = table["subject"] == ""
        table["subject"] = table["subject"].mask(blank, table["sample"])
    if not problems:
        problems += _check_groups(study, table, yaml_file)
        problems += _check_ages(study, table, corrected, yaml_file)
    if problems:
        raise UserError(*problems)
    return table


def _check_series(study, series, yaml_file):
    parts = re.findall(r"SuperSeries of:\s*(GSE\d+)", " | ".join(series.get("relation", [])))
    if parts and not study["source"].get("superseries"):
        return [
            f"{where([yaml_file], ['accession'])}: {study['accession']} is a SuperSeries of "
            f"{', '.join(parts)}, which may differ in assay, platform and tissue: set accession to "
            "one of them, or source.superseries: true to take the SuperSeries' own matrix"
        ]
    record = series.get("geo_accession", [])
    if record and study["accession"] not in record:
        return [
            f"{where([yaml_file], ['accession'])}: accession is {study['accession']}, but "
            f"{some(matrix_files(study))} is the record of {', '.join(record)}"
        ]
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


def _correct(study, geo_samples):
    """(samples as corrections.tsv wants them, GSM -> what was corrected, problems)."""
    path = Path(study["folder"]) / "corrections.tsv"
    samples = {
        geo["geo_accession"]: {**geo, "characteristics": {**geo.get("characteristics", {})}}
        for geo in geo_samples
    }
    notes, problems = defaultdict(list), []
    for number, row in enumerate(study["corrections"], start=2):
        name, field = row["sample"], row["field"]
        if name not in samples:
            problems.append(
                f"{path}:{number}: sample {name} is not in the series; {study['accession']} has "
                f"{len(samples)}: {some(samples)}"
            )
        elif not any(_raw(geo, field) for geo in geo_samples):
            problems.append(
                f"{path}:{number}: GEO has no {field!r} for {study['accession']}; it has "
                f"{_available(geo_samples)}"
            )
        elif (found := _raw(samples[name], field)) != row["from"]:
            problems.append(
                f"{path}:{number}: {field} of {name}: GEO says {found!r}, not {row['from']!r}; see "
                "whether the correction is still needed, then change 'from' or delete the line"
            )
        else:
            place, key = _place(samples[name], field)
            place[key] = row["to"]
            notes[name].append(f"{field}: {row['from']} -> {row['to']} ({row['reason']})")
    return list(samples.values()), notes, problems


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
    place, key = _place(geo, source)
    return place.get(key, "")


def _place(geo, source):
    """(dict, key) where a sample's record keeps what study.yaml calls `source`."""
    if source.startswith("characteristics."):
        key = source.removeprefix("characteristics.").strip().lower()
        return geo.get("characteristics", {}), key
    return geo, {"source_name": "source_name_ch1", "sample": "geo_accession"}.get(source, source)


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


def _check_platforms(study, table, yaml_file):
    if study["source"]["kind"] != "series_matrix":
        return []
    wanted = study["source"]["platform"]
    kept = table[(table["include"] == "yes") & (table["geo_platform"] != "")]
    found = kept.groupby("geo_platform")["sample"].agg(list)
    if set(found.index) <= {wanted}:
        return []
    shown = "; ".join(f"{name}: {some(members)}" for name, members in found.items())
    if len(found) > 1:
        return [
            f"{where([yaml_file], ['source', 'platform'])}: the samples were measured on "
            f"{len(found)} platforms ({shown}); set source.platform and source.matrix "
            f"({study['accession']}-{min(found.index)}_series_matrix.txt.gz, for example) to one "
            "of them, or leave the other samples out under exclude:"
        ]
    return [
        f"{where([yaml_file], ['source', 'platform'])}: source.platform is {wanted}, but the "
        f"samples in {some(matrix_files(study))} were measured on {shown}; set source.platform to "
        "that, or source.matrix to the other file"
    ]


def _check_subjects(study, table, geo_samples, yaml_file):
    kept = table[table["include"] == "yes"]
    field = study["samples"].get("subject", {})
    if "subject" in cell_fields(study):
        return []  # the table of cells says it
    if any("subject" in row for row in study["rows"] or []):
        at = Path(study["folder"]) / "samples.tsv"
    elif field:
        at = where([yaml_file], ["samples", "subject"])
    else:
        return []  # every sample is its own
    problems = []
    blank = kept[kept["subject"].str.lower().isin(BLANKS)]
    if len(blank):
        shown = [
            f"{row.sample} ({row.subject or row.title})" if row.subject or row.title else row.sample
            for row in blank.itertuples()
        ]
        problems.append(
            f"{at}: samples.subject: no subject for {len(blank)} of {len(kept)} samples: "
            f"{some(shown)}. They are not taken for subjects of their own: name them in "
            "corrections.tsv or samples.tsv, or leave them out under exclude:"
        )
    if "pattern" not in field:
        return problems
    at = where([yaml_file], ["samples", "subject", "pattern"])
    subjects = some(sorted(set(kept["subject"])))
    for group, members in kept.groupby("group", sort=True):
        if len(members) > MOST_REPLICATES and members["subject"].nunique() == 1:
            problems.append(
                f"{at}: samples.subject.pattern takes all {len(members)} samples of group "
                f"{group!r} for replicates of one subject, {min(members['subject'])!r}; subjects "
                f"found: {subjects}. Change the pattern, or, if it is one subject indeed, name it "
                "in samples.tsv"
            )
    return problems + _cut_numbers(field, kept, geo_samples, at)


def _cut_numbers(field, kept, geo_samples, at):
    """Problems where the pattern takes a part of a number, so that P1 and P12 are one subject."""
    whole = defaultdict(set)
    names = set(kept["sample"])
    for geo in geo_samples:
        text = _raw(geo, field["from"])
        match = re.search(field["pattern"], text)
        if geo["geo_accession"] not in names or not match:
            continue
        start, end = match.span(1 if match.groups() else 0)
        subject = text[start:end]
        while start > 0 and text[start - 1 : start + 1].isdigit():
            start -= 1
        while end < len(text) and text[end - 1 : end + 1].isdigit():
            end += 1
        whole[subject].add(text[start:end])
    return [
        f"{at}: samples.subject.pattern cuts numbers in two: {some(map(repr, sorted(uncut)))} all "
        f"become subject {subject!r}; let it take the whole number"
        for subject, uncut in sorted(whole.items())
        if len(uncut) > 1
    ]


def _check_ages(study, table, geo_samples, yaml_file):
    source = study["samples"].get("age", {}).get("from")
    said = {geo["geo_accession"]: _raw(geo, source) if source else "" for geo in geo_samples}
    for name, contrast in study["contrasts"].items():
        if "age" not in contrast.get("covariates", []):
            continue
        at = f"{where([yaml_file], ['contrasts', name, 'covariates'])}: contrasts.{name}.covariates"
        kept = table[
            (table["include"] == "yes")
            & table["group"].isin([contrast["case"], contrast["reference"]])
            & ~table["age"].isin(["", "unknown"])
        ]
        bad = kept[~kept["age"].str.fullmatch(r"\d+(\.\d+)?")]
        if len(bad):
            shown = [f"{row.sample} ({row.age!r})" for row in bad.itertuples()]
            yield (
                f"{at}: age is no number for {len(bad)} of {len(kept)} samples: {some(shown)}. "
                "Take the number out with samples.age.pattern; blank or 'unknown' leaves a sample "
                "out of the contrast"
            )
        units = {}
        for sample in kept["sample"]:
            for unit in re.findall(r"day|week|month|year", said[sample].lower()):
                units.setdefault(f"{unit}s", f"{sample} ({said[sample]!r})")
        if len(units) > 1:
            yield (
                f"{at}: ages are given in {' and '.join(sorted(units))}: "
                f"{some(units[unit] for unit in sorted(units))}. Write them in one unit, in "
                "corrections.tsv or samples.tsv"
            )


def _check_groups(study, table, yaml_file):
    if "group" in cell_fields(study):
        return []
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
        if "subject" in cell_fields(study):
            continue
        subjects = [
            set(kept.loc[kept["group"] == contrast[arm], "subject"])
            for arm in ("case", "reference")
        ]
        both = sorted(subjects[0] & subjects[1])
        if both and not (contrast.get("paired") or contrast.get("blocked")):
            at = where([yaml_file], ["contrasts", name])
            problems.append(
                f"{at}: contrasts.{name}: subject {some(both)} is in both groups, so the samples "
                "are not independent; set 'paired: true' (complete pairs only), 'blocked: true' "
                "(all samples), or leave samples out under exclude:"
            )
        how = "paired" if contrast.get("paired") else "blocked"
        if contrast.get(how) and not both:
            at = where([yaml_file], ["contrasts", name, how])
            problems.append(
                f"{at}: contrasts.{name}.{how}: no subject has a sample in both groups; check "
                f"samples.subject (found {some(sorted(set(kept['subject'])))})"
            )
    return problems

"""Draft a study from GEO's record of a series: guesses, each with its reason, for a human to judge.

A guess that would be wrong in silence is not made: titles pair samples only where they name a
person, and persons are never shared by patients and healthy controls.
"""

import re
from collections import Counter, defaultdict

from .studies import TREATMENTS

# Levels that a difference is taken against, the likeliest first.
REFERENCES = (
    r"healthy|normal|\bhcs?\b|\bhds?\b|\bhv\b|volunteer|non[- ]?(disease|diseased)",
    r"wild[- ]?type|\bwt\b|littermate",
    r"vehicle|untreated|un-?stimulated|\bdmso\b|mock|placebo|\bpbs\b|saline",
    r"baseline|\bbase\b|pre-?treatment|\bpre\b|before|\bday ?0\b|\b0 ?h(r|rs|ours?)?\b",
    r"remission|\bcalm\b|quiescent|inactive",
    r"controls?|\bctrl?s?\b|\bctl\b|non[- ]?tumou?r|\bwithout\b|\bnone\b|\bno\b|negative",
)
# Names of fields that define groups; a disease before the drug that is given for it.
GOOD_KEY = re.compile(
    r"disease|diagnos|status|condition|group|phenotype|genotype|class|phase|stage|infection|cohort"
    r"|response"
)
DRUG_KEY = re.compile(r"treat|agent|drug|stimul|compound|exposure")
WEAK_KEY = re.compile(r"time|day|visit|tissue|cell|source|strain|title")
# Keys that describe a sample, and never the question.
NEVER_KEY = re.compile(
    r"\b(sex|gender|age|race|ethnic\w*|batch|plate|run|lane|country|bmi|smok\w*|index|rin|weight"
    r"|date|ercc\w*|site|cent(er|re)|id|number|barcode|library|count|replicate|set)\b|mg/"
)
SUBJECT_KEY = re.compile(
    r"\b(subject|patient|donor|individual|participant|volunteer|animal|mouse|person)s?"
    r"([ _]?(id|no|nr|number|code|name|identifier))?$"
)
SUBJECT_WORDS = "subject patient donor individual participant volunteer animal mouse pair".split()
BATCH_KEY = re.compile(r"^(\w+ )?(batch|plate|run|lane)( ?id)?$")
TISSUE_KEY = re.compile(r"^(tissue|cell ?type|cell[ _]population|tissue type|organ|source)$")
SEX_KEY = re.compile(r"^(sex|gender)$")
AGE_KEY = re.compile(r"^age\b")
TREATMENT_KEY = re.compile(r"treat|drug|agent|therap|medicat|steroid|predniso|compound|\bcs\b")
TREATED_KEY = re.compile(r"steroid|predniso|glucocort|\bcs\b|dexameth")

AIHA = re.compile(r"(?i)\bw?aiha\b|autoimmune ha?emolytic|cold agglutinin|\bevans\b")
PHASE = re.compile(r"(?i)relapse|remission|diagnosis")
SINGLE_CELL = re.compile(
    r"single[- ](cell|nucle)|\b(sc|sn)RNA|\b10x\b|chromium|drop-?seq|CITE-?seq", re.I
)
MODEL = re.compile(r"(?i)\bnzb\b|new zealand black|il-?2[ -]?(ko|knock|defici|/-)|\baiha\b")
STEROID = re.compile(
    r"(?i)predniso|\bdexa?\b|dexameth|hydrocort|cortisol|glucocort|steroid|budesonid|betameth"
)
RITUXIMAB = re.compile(r"(?i)rituximab|anti-?cd20")
UNTREATED = re.compile(
    r"(?i)^(none|no|n|untreated|un-?stimulated|vehicle.*|control|ctrl|naive|baseline|dmso|mock"
    r"|placebo|no treatment|not treated|treatment[- ]naive)$"
)
BLANK = re.compile(
    r"(?i)^(|-+|\.|\?|na|n/a|nan|not (applicable|available|provided|collected)"
    r"|data not available|unknown|missing)$"
)
NUMBER = re.compile(r"\d+(\.\d+)?")

MOST_LEVELS = 8


def draft_study(accession, series, samples, files, annotated, ncbi_counts, min_subjects=3):
    """What a study of the series would look like; a dict.

    series, samples: as from `geo.matrix.read_records`; files: as from `geo.listing.files_of`;
    annotated: the platforms (GPL) with GEO's annotation file; ncbi_counts: whether NCBI has
    computed counts. The result holds 'study' (the content of study.yaml), 'rows' (of samples.tsv,
    as dicts), 'reasons' (key of study.yaml -> list of sentences; those that begin with TODO ask
    for a decision).
    """
    reasons = defaultdict(list)
    fields, rows = {}, [{"sample": s["geo_accession"]} for s in samples]
    about = " ".join(series.get("title", []) + series.get("summary", []))
    organism = _organism(samples, reasons)
    kept = _keep_one_kind(samples, rows, organism, reasons)
    tissue = _tissue(kept, fields, reasons)
    factor = choose_factor(kept)
    study = {
        "accession": accession,
        "title": " ".join(series.get("title", [])) or accession,
        "organism": organism,
        "tissue": tissue,
        "assay": "",
        "role": "comparator",
    }
    pmid = (series.get("pubmed_id") or [""])[0]
    if pmid.isdigit():
        study["citation"] = {"pmid": pmid}
    if "simulated" in study["title"].lower():
        study["simulated"] = True
    study["assay"], study["source"] = _source(series, kept, files, annotated, ncbi_counts, reasons)
    contrasts = {}
    if factor is None:
        reasons["samples"].append(
            "TODO: no field tells groups apart. Give samples.group here, or a column 'group' in "
            "samples.tsv, and name two of its values under contrasts"
        )
    else:
        groups = _groups(factor, kept, min_subjects, fields, reasons)
        contrasts = _contrasts(groups, about, organism, min_subjects, reasons)
        _subjects(kept, groups, contrasts, fields, rows, reasons)
        _treatment(kept, factor, fields, rows, reasons)
        study["role"] = _role(contrasts, about, reasons)
    _simple_fields(kept, fields, reasons)
    _covariates(kept, fields, factor, contrasts, reasons)
    study["samples"] = fields
    study["contrasts"] = contrasts
    return {"study": study, "rows": rows, "reasons": dict(reasons)}


# The record's fields


def values_of(samples, source):
    """The samples' values of a field as study.yaml names it, as a list of text."""
    if source.startswith("characteristics."):
        key = source.removeprefix("characteristics.")
        return [s["characteristics"].get(key, "") for s in samples]
    return [s.get({"source_name": "source_name_ch1"}.get(source, source), "") for s in samples]


def sources_of(samples):
    """Names of the fields that the samples have: characteristics in their order, source_name."""
    keys = dict.fromkeys(key for s in samples for key in s["characteristics"])
    names = [f"characteristics.{key}" for key in keys]
    return names + ["source_name"] * any(values_of(samples, "source_name"))


def varying(samples):
    """Fields of which the samples have at least two values, and not one each."""
    found = []
    for source in sources_of(samples):
        levels = Counter(value for value in values_of(samples, source) if not BLANK.match(value))
        if 1 < len(levels) < len(samples):
            found.append(source)
    return found


def _key(source):
    return source.removeprefix("characteristics.").replace("_", " ")


def _words(level):
    return re.sub(r"[_\s]+", " ", level.replace("\u2019", "'")).strip()


def _rank(level):
    """How likely a level is the reference: 0 is the likeliest; None where nothing says so."""
    for rank, pattern in enumerate(REFERENCES):
        if re.search(pattern, _words(level), re.I) and not re.search(r"abnormal", level, re.I):
            return rank
    return None


# Groups


def title_stems(samples):
    """Titles without what numbers the sample, and without the words that all of them share."""
    words = []
    for sample in samples:
        title = _words(sample.get("title", "")).lower()
        parts = re.findall(r"[^\s,;:()\[\]/|]+", title.replace("_", " "))
        parts = [p for word in parts for p in re.split(r"(?<=\w)-(?=\w)", word)]
        skip = re.compile(r".*\d.*|rep|replicate|sample|biological|[#-]+")
        words.append([p for p in parts if not skip.fullmatch(p)])
    shared = set.intersection(*map(set, words)) if words else set()
    return [" ".join(p for p in parts if p not in shared) for parts in words]


def choose_factor(samples):
    """The field that most likely defines the groups: {source, values, score, why}, or None."""
    found = []
    for source in sources_of(samples):
        if not NEVER_KEY.search(_key(source)) and not SUBJECT_KEY.search(_key(source)):
            found.append((source, values_of(samples, source)))
    found.append(("title", title_stems(samples)))
    rated = [rate_factor(source, values) for source, values in found]
    rated = [entry for entry in rated if entry]
    titles = found[-1][1]
    for entry in rated:
        values = entry["values"]
        pairs = set(zip(values, titles, strict=True))
        if entry["source"] != "title" and len(pairs) == len(set(titles)) == len(set(values)):
            entry["score"] += 1.5
            entry["why"] += "; the titles follow it"
    return max(rated, key=lambda entry: entry["score"], default=None)


def rate_factor(source, values):
    """A field as a candidate for the groups: {source, values, score, why}; None if it is none."""
    levels = Counter(value for value in values if not BLANK.match(value))
    replicated = [level for level, n in levels.items() if n > 1]
    if not 2 <= len(levels) <= MOST_LEVELS or len(replicated) < 2:
        return None
    score, why = 0.0, [f"{len(levels)} values"]
    if GOOD_KEY.search(_key(source)):
        score, why = score + 3, why + ["its name is that of a group"]
    elif DRUG_KEY.search(_key(source)):
        score, why = score + 2.5, why + ["its name is that of a treatment"]
    elif source == "title" and len(levels) == len(replicated) <= 4:
        score += 0.5
    elif WEAK_KEY.search(_key(source)):
        score -= 0.5
    ranks = [_rank(level) for level in levels]
    if any(rank is not None for rank in ranks) and any(rank is None for rank in ranks):
        score, why = score + 3, why + ["one of them reads like a reference"]
    elif any(rank is not None for rank in ranks):
        score += 2
    if any(pattern.search(level) for level in levels for pattern in (AIHA, PHASE, STEROID)):
        score += 1
    if all(NUMBER.fullmatch(level) or level.lower() in ("y", "n", "yes", "no") for level in levels):
        score -= 4
    blank = 1 - sum(levels.values()) / len(values)
    score -= 3 * blank + 0.1 * (len(levels) - 2)
    if score <= 0:
        return None
    return {"source": source, "values": values, "score": score, "why": "; ".join(why)}


def _slug(text, taken):
    plain = _words(text).lower().replace("'s ", " ")
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:40].strip("_") or "group"
    base, number = name, 2
    while name in taken:
        name, number = f"{base}_{number}", number + 1
    return name


def _groups(factor, samples, min_subjects, fields, reasons):
    """Names of the samples' groups ('' where left out); puts the rule into `fields`."""
    values = factor["values"]
    levels = Counter(value for value in values if not BLANK.match(value))
    names = {}
    for level, n in levels.items():
        names[level] = None if n < 2 else _slug(level, names.values())
    source = factor["source"]
    key = "samples.group"
    reasons[key].append(f"guessed: {source} has {factor['why']}")
    small = [level for level, n in levels.items() if 2 <= n < min_subjects]
    if small:
        reasons[key].append(f"fewer than {min_subjects} samples: {', '.join(small)}")
    single = [level for level, name in names.items() if name is None]
    if single:
        reasons[key].append(f"TODO: one sample only, left out: {', '.join(single)}")
    others = [s for s in varying(samples) if rate_factor(s, values_of(samples, s))]
    others = [s for s in others if s != source and not NEVER_KEY.search(_key(s))]
    if others:
        reasons[key].append(f"TODO: groups could also be {', '.join(others[:6])}")
    if source == "title":
        title = values_of(samples, "title")
        rule = {t: names.get(v) for t, v in zip(title, values, strict=True)}
        reasons[key].append("the titles, without what numbers the samples")
    else:
        rule = dict(names)
        if any(BLANK.match(value) for value in values):
            rule |= {value: None for value in values if BLANK.match(value)}
            reasons[key].append("TODO: samples without a value are left out")
    fields["group"] = {"from": source, "map": rule}
    return [names.get(value) or "" for value in values]


# Contrasts


def _contrasts(groups, about, organism, min_subjects, reasons):
    sizes = Counter(group for group in groups if group)
    ranked = sorted(
        sizes, key=lambda g: (99 if _rank(g) is None else _rank(g), list(sizes).index(g))
    )
    if len(ranked) < 2:
        reasons["contrasts"].append("TODO: only one group has samples enough")
        return {}
    reference = ranked[0]
    if _rank(reference) is None:
        reasons["contrasts"].append(
            f"TODO: nothing says which group is the reference; {reference} is the first"
        )
    else:
        reasons["contrasts"].append(f"guessed: {reference} reads like the reference")
    found = {}
    for case in sizes:
        if case != reference:
            question = guess_question(case, reference, about, organism)
            found[f"{case}_vs_{reference}"] = {
                "question": question,
                "case": case,
                "reference": reference,
            }
            small = min(sizes[case], sizes[reference])
            if small < min_subjects:
                reasons[f"contrasts.{case}_vs_{reference}"].append(
                    f"TODO: no verdict below {min_subjects} samples a group; here {small}"
                )
    if any(entry["question"] == "other" for entry in found.values()):
        reasons["contrasts"].append(
            "TODO: where question is 'other', a standard question lines the study up with others"
        )
    return found


def guess_question(case, reference, about, organism):
    """The standard question of a contrast, by the words of its groups and of the series."""
    case, reference = _words(case), _words(reference)
    disease = AIHA.search(about) or AIHA.search(case)
    healthy = re.search(REFERENCES[0] + r"|control", reference, re.I)
    if re.search("relapse", case, re.I):
        if re.search("remission", reference, re.I):
            return "relapse_vs_remission"
        if re.search("diagnosis|onset", reference, re.I):
            return "relapse_vs_diagnosis"
    if re.search("diagnosis|onset", case, re.I) and re.search("remission", reference, re.I):
        return "diagnosis_vs_remission"
    if organism == "Mus musculus" and MODEL.search(f"{about} {case}") and _rank(reference) == 1:
        return "model_vs_wildtype"
    untreated = _rank(reference) in (2, 3) or re.search("control|none", reference, re.I)
    besides = re.sub(rf"(?i)\w*({STEROID.pattern[4:]})\w*|treat(ed|ment)|with|\d\w*", "", case)
    if STEROID.search(case) and untreated and not re.search("[a-z]{3}", besides, re.I):
        return "glucocorticoid_vs_vehicle"
    if re.search(r"\bepo\b|erythropoietin", case, re.I) and _rank(reference) in (2, 3):
        return "erythropoiesis_vs_baseline"
    if re.search("stress", case, re.I) and _rank(reference) is not None:
        return "stress_vs_calm"
    if disease and healthy and organism == "Homo sapiens" and AIHA.search(case):
        return "aiha_vs_healthy"
    return "other"


def _role(contrasts, about, reasons):
    questions = {entry["question"] for entry in contrasts.values()}
    role = "comparator"
    if questions & {"aiha_vs_healthy", "diagnosis_vs_remission", "relapse_vs_remission"}:
        role = "primary"
    elif "model_vs_wildtype" in questions:
        role = "primary"
    elif "glucocorticoid_vs_vehicle" in questions:
        role = "positive control"
    elif "erythropoiesis_vs_baseline" in questions:
        role = "confounder control"
    words = "the series speaks of AIHA" if AIHA.search(about) else "by the questions below"
    reasons["role"].append(f"guessed: {words}")
    return role


# Subjects


def _subjects(samples, groups, contrasts, fields, rows, reasons):
    """Who the samples are from, and which contrasts are paired."""
    source, subjects = _subject_field(samples, groups, reasons)
    if not subjects:
        reasons["samples.subject"].append(
            "TODO: no field names the persons or animals; every sample counts as one of its own"
        )
        return
    in_group = defaultdict(set)
    for subject, group in zip(subjects, groups, strict=True):
        if subject and group:
            in_group[group].add(subject)
    named = False
    for name, contrast in contrasts.items():
        case, reference = in_group[contrast["case"]], in_group[contrast["reference"]]
        both = case & reference
        if not both:
            continue
        if _rank(contrast["reference"]) == 0:  # nobody is both a patient and a healthy control
            named = True
            continue
        contrast["paired"] = True
        reasons[f"contrasts.{name}"].append(
            f"guessed: {len(both)} subjects have samples in both groups; "
            f"TODO: the other {len(case | reference) - len(both)} are left out by paired: true"
            if len(case | reference) > len(both)
            else f"guessed: all {len(both)} subjects have samples in both groups"
        )
    place = {row["sample"]: row for row in rows}
    blank = [s["geo_accession"] for s, v in zip(samples, subjects, strict=True) if not v]
    again = Counter(pair for pair in zip(subjects, groups, strict=True) if all(pair))
    repeated = sum(n > 1 for n in again.values())
    if repeated:
        reasons["samples.subject"].append(
            f"TODO: subjects with several samples in a group, which are merged: {repeated}. If "
            "these differ in time, dose or tissue, leave all but one kind out"
        )
    if named or blank or source is None:
        for sample, subject, group in zip(samples, subjects, groups, strict=True):
            name = subject or sample["geo_accession"]
            place[sample["geo_accession"]]["subject"] = f"{group} {name}" if named else name
        for row in rows:
            row.setdefault("subject", row["sample"])
        if named:
            reasons["samples.subject"].append(
                "TODO: the same subject stands under patients and healthy controls, so the names "
                "were taken to begin anew in each group: column 'subject' of samples.tsv"
            )
        if blank:
            reasons["samples.subject"].append(
                f"TODO: samples without a subject, each its own in samples.tsv: {len(blank)}"
            )
    else:
        fields["subject"] = source


def _subject_field(samples, groups, reasons):
    """(rule or None, the samples' subjects); ([]) where nothing names them."""
    for source in sources_of(samples):
        key = _key(source)
        values = ["" if BLANK.match(v) else v for v in values_of(samples, source)]
        n = len({v for v in values if v})
        if SUBJECT_KEY.search(key) and n > 1:
            reasons["samples.subject"].append(f"guessed: {source} names {n}")
            cut = [re.sub(r"(?<=\d)[ _-]?[A-Za-z]$", "", v) for v in values]
            if n == sum(map(bool, values)) and _pairs_up(cut, groups):
                reasons["samples.subject"].append(
                    "TODO: without the last letter they pair the groups up; is that so?"
                )
                rule = {"from": source, "pattern": r"^(.*\d)[ _-]?[A-Za-z]$"}
                complete = all(re.search(rule["pattern"], v) for v in values if v)
                return (rule if complete else None), cut
            return {"from": source}, values
    for source in sources_of(samples):
        values = values_of(samples, source)
        n = len(set(values))
        if _key(source) == "cell line" and 2 < n < len(values) and all(values):
            crossed = len(set(zip(values, groups, strict=True))) > n
            if crossed:
                reasons["samples.subject"].append(
                    f"guessed: {source} names {n}, each in several groups, so primary lines of "
                    f"{n} donors; TODO: are they?"
                )
                return {"from": source}, values
    titles = [s.get("title", "") for s in samples]
    words = [w for w in SUBJECT_WORDS if any(re.search(rf"(?i)\b{w}\b", t) for t in titles)]
    pattern = rf"(?i)\b(?:{'|'.join(words)})[ _#-]*[A-Z]{{0,4}}\d+"
    found = [re.search(pattern, title) for title in titles]
    if words and all(found) and len({m[0] for m in found}) > 1:
        reasons["samples.subject"].append("guessed: the titles name them")
        return {"from": "title", "pattern": pattern}, [m[0] for m in found]
    return None, []


def _pairs_up(subjects, groups):
    """Whether at least three subjects stand once in each of two groups, and none twice in one."""
    seen = Counter(zip(subjects, groups, strict=True))
    groups_of = defaultdict(set)
    for (subject, group), n in seen.items():
        if n > 1 and subject and group:
            return False
        groups_of[subject].add(group)
    return sum(len(found - {""}) == 2 for found in groups_of.values()) >= 3


# Further columns


def _organism(samples, reasons):
    found = Counter(s.get("organism_ch1", "") for s in samples)
    known = [name for name in found if name in ("Homo sapiens", "Mus musculus")]
    if not known:
        reasons["organism"].append(
            f"TODO: GEO says {', '.join(filter(None, found)) or 'nothing'}; only Homo sapiens and "
            "Mus musculus can be scored"
        )
        return "Homo sapiens"
    if len(found) > 1:
        reasons["organism"].append(
            f"TODO: samples of {', '.join(found)}; those of other organisms are left out"
        )
    return max(known, key=found.get)


def _leave_out(rows, name, reason):
    row = next(row for row in rows if row["sample"] == name)
    row |= {"include": "no", "note": reason}


def _keep_one_kind(samples, rows, organism, reasons):
    """The samples of one organism, platform and tissue; the others are left out, and why."""
    kept = []
    for sample in samples:
        name = sample.get("organism_ch1", organism)
        if name not in (organism, ""):
            _leave_out(rows, sample["geo_accession"], f"organism: {name}")
        else:
            kept.append(sample)
    platforms = Counter(s.get("platform_id", "") for s in kept)
    if len(platforms) > 1 and all(s.get("type", "") != "SRA" for s in kept):
        chosen = max(platforms, key=platforms.get)
        reasons["source"].append(
            f"TODO: platforms {', '.join(platforms)}; {chosen} has most samples, the others are "
            "left out: a study each"
        )
        for sample in kept:
            if sample["platform_id"] != chosen:
                _leave_out(rows, sample["geo_accession"], f"platform: {sample['platform_id']}")
        kept = [s for s in kept if s["platform_id"] == chosen]
    for source in sources_of(kept):
        if not TISSUE_KEY.match(_key(source)):
            continue
        values = values_of(kept, source)
        if not _crossed(kept, values):
            continue
        levels = Counter(values)
        chosen = next((v for v in levels if re.search(r"(?i)blood|pbmc", v)), None)
        chosen = chosen or max(levels, key=levels.get)
        reasons["tissue"].append(
            f"TODO: {source} has {len(levels)} values ({', '.join(levels)}) for the same subjects; "
            f"the draft keeps {chosen}. A study each"
        )
        for sample, value in zip(kept, values, strict=True):
            if value != chosen:
                _leave_out(rows, sample["geo_accession"], f"{source}: {value}")
        kept = [s for s, value in zip(kept, values, strict=True) if value == chosen]
    return kept


def _crossed(samples, tissues):
    """Whether the subjects that a characteristic names have samples of several tissues each."""
    for source in sources_of(samples):
        if SUBJECT_KEY.search(_key(source)):
            pairs = set(zip(values_of(samples, source), tissues, strict=True))
            several = Counter(subject for subject, _ in pairs if not BLANK.match(subject))
            return bool(several) and sum(n > 2 for n in several.values()) * 2 > len(several)
    return False


def _tissue(samples, fields, reasons):
    for source in [*sources_of(samples), "source_name"]:
        if not TISSUE_KEY.match(_key(source)) and source != "source_name":
            continue
        levels = Counter(v for v in values_of(samples, source) if not BLANK.match(v))
        if len(levels) == 1:
            reasons["tissue"].append(f"from {source}; studies of one tissue are compared")
            return next(iter(levels))
    for source in sources_of(samples):
        levels = Counter(v for v in values_of(samples, source) if not BLANK.match(v))
        if TISSUE_KEY.match(_key(source)) and len(levels) > 1:
            fields["tissue"] = {"from": source}
            reasons["tissue"].append(
                f"TODO: several ({', '.join(list(levels)[:6])}); where they separate the groups no "
                "verdict is given"
            )
            return max(levels, key=levels.get)
    reasons["tissue"].append("TODO: GEO does not say")
    return "unknown"


def _treatment(samples, factor, fields, rows, reasons):
    """Which glucocorticoids the samples have seen, where fields say so."""
    key = "samples.treatment"
    sources = [s for s in sources_of(samples) if TREATMENT_KEY.search(_key(s))]
    steroids = [s for s in sources if TREATED_KEY.search(_key(s)) and _doses(samples, s)]
    if steroids:
        given = zip(*(_doses(samples, source) for source in steroids), strict=True)
        words = {True: "glucocorticoid", False: "none", None: "unknown"}
        place = {row["sample"]: row for row in rows}
        for row in rows:
            row["treatment"] = "unknown"
        for sample, doses in zip(samples, given, strict=True):
            some_dose = True if True in doses else None if None in doses else False
            place[sample["geo_accession"]]["treatment"] = words[some_dose]
        reasons[key].append(
            f"guessed, in samples.tsv: glucocorticoid where one of {', '.join(steroids)} says so, "
            "none where all say no; TODO: blanks count as unknown, other drugs are not looked at"
        )
        return
    if factor["source"] not in sources and factor["source"] != "title":
        sources.append(factor["source"])
    for source in sources:
        values = values_of(samples, source)
        levels = list(dict.fromkeys(v for v in values if not BLANK.match(v)))
        rule = {level: guess_treatment(level) for level in levels}
        said = set(rule.values()) - {"unknown", "other"}
        if not said or (source == factor["source"] and said == {"none"}):
            continue
        fields["treatment"] = {
            "from": source,
            "map": rule | {v: "unknown" for v in values if v and BLANK.match(v)},
        }
        reasons[key].append(f"guessed: the words of {source}")
        odd = [level for level, value in rule.items() if value in ("other", "unknown")]
        if odd:
            reasons[key].append(f"TODO: is there a glucocorticoid in {', '.join(odd[:6])}?")
        blank = sum(1 for v in values if BLANK.match(v))
        if blank:
            reasons[key].append(f"TODO: samples without a value, which count as unknown: {blank}")
        more = [s for s in sources if s != source and s != factor["source"]]
        if more:
            reasons[key].append(f"TODO: also see {', '.join(more[:6])}")
        return
    reasons[key].append(
        "TODO: no field tells of treatment; without it every verdict says 'treatment unknown'. "
        f"One of {', '.join(TREATMENTS)}"
    )


def _doses(samples, source):
    """Whether each sample had the drug of a field with yes, no or doses; [] for another field."""
    found = []
    for value in values_of(samples, source):
        word = value.lower()
        if BLANK.match(value):
            found.append(None)
        elif word in ("y", "yes", "true", "n", "no", "false"):
            found.append(word in ("y", "yes", "true"))
        elif NUMBER.fullmatch(word):
            found.append(float(word) > 0)
        else:
            return []
    return found if {True, False} & set(found) else []


def guess_treatment(level):
    """The word of the study schema for what a sample was treated with."""
    words = _words(level)
    steroid, rituximab = STEROID.search(words), RITUXIMAB.search(words)
    negated = re.search(r"(?i)^(no|without|non|off)\b|-?(free|naive)$", words)
    if UNTREATED.match(words) or negated:
        return "none"
    if steroid and rituximab:
        return "glucocorticoid+rituximab"
    if steroid or rituximab:
        return "glucocorticoid" if steroid else "rituximab"
    return "other" if re.search("[a-z]{3}", words, re.I) else "unknown"


def _simple_fields(samples, fields, reasons):
    for source in sources_of(samples):
        values = values_of(samples, source)
        known = [v for v in values if not BLANK.match(v)]
        if not known:
            continue
        if SEX_KEY.match(_key(source)) and "sex" not in fields:
            words = {v: guess_sex(v) for v in dict.fromkeys(values) if v}
            if set(words.values()) != {"unknown"}:
                same = all(name == word for name, word in words.items())
                fields["sex"] = {"from": source} | ({} if same else {"map": words})
                reasons["samples.sex"].append(f"from {source}")
        elif AGE_KEY.match(_key(source)) and "age" not in fields:
            units = {u for v in known for u in re.findall("day|week|month|year", v.lower())}
            fields["age"] = {"from": source}
            reasons["samples.age"].append(f"from {source}")
            if not all(NUMBER.search(v) for v in values) or len(units) > 1:
                reasons["samples.age"].append("TODO: no plain number in one unit everywhere")
            elif not all(NUMBER.fullmatch(v) for v in known):
                fields["age"]["pattern"] = r"[0-9]+(?:\.[0-9]+)?"
        elif BATCH_KEY.match(_key(source)) and len(set(known)) > 1 and "batch" not in fields:
            fields["batch"] = {"from": source}
            reasons["samples.batch"].append(f"from {source}")
        elif _key(source) == "fraction":
            fields["fraction"] = {"from": source}
            reasons["samples.fraction"].append(f"from {source}")


def guess_sex(text):
    """female, male or unknown."""
    word = text.strip().lower()
    if re.fullmatch(r"f|females?|wom[ae]n|girls?", word):
        return "female"
    return "male" if re.fullmatch(r"m|males?|m[ae]n|boys?", word) else "unknown"


def _covariates(samples, fields, factor, contrasts, reasons):
    """Sex as a covariate where it is known for all and spread unevenly over the groups."""
    if "sex" not in fields or factor is None:
        return
    sex = [guess_sex(v) for v in values_of(samples, fields["sex"]["from"])]
    rule = fields["group"]["map"]
    groups = [rule.get(v) for v in values_of(samples, fields["group"]["from"])]
    for name, contrast in contrasts.items():
        if contrast.get("paired"):
            continue
        share = {}
        for arm in ("case", "reference"):
            found = [s for s, g in zip(sex, groups, strict=True) if g == contrast[arm]]
            share[arm] = sum(s == "female" for s in found) / len(found)
            if "unknown" in found:
                return
        if abs(share["case"] - share["reference"]) >= 0.25:
            reasons[f"contrasts.{name}"].append(
                f"TODO: {share['case']:.0%} of {contrast['case']} and {share['reference']:.0%} of "
                f"{contrast['reference']} are female; covariates: [sex] would adjust for that"
            )


# Where the values are


def kind_of_file(name):
    """What a supplementary file probably holds, in words, by its name."""
    plain = name.lower()
    table = re.search(r"\.(txt|tsv|csv|tab|xlsx?|counts?)(\.gz)?$", plain)
    if re.search(r"_raw\.tar$", plain):
        return "archive, a file a sample"
    if re.search(r"\.(mtx|h5|h5ad|loom|rds|rdata)(\.gz)?$|barcodes|features\.tsv", plain):
        return "single cells"
    if re.search(r"\.(bw|bigwig|bed|narrowpeak|cel|idat|fcs)(\.gz)?$", plain):
        return "tracks or raw intensities"
    if re.search(r"fpkm|rpkm|\btpm|[_.-]tpm|\bcpm|norm|rlog|vst|scaled", plain) and table:
        return "normalised values"
    if re.search(r"diff|deg|padj|fold|results?|meta|sample|runinfo|readme|genes\.tsv", plain):
        return "results or descriptions"
    if "count" in plain and table:
        return "counts"
    return "table" if table else "other"


def _source(series, samples, files, annotated, ncbi_counts, reasons):
    """(assay, source) for study.yaml."""
    kinds = " | ".join(series.get("type", []))
    matrix = [n for n in files["matrix"] if n.endswith("_series_matrix.txt.gz")]
    sequenced = "high throughput sequencing" in kinds or any(
        s.get("library_strategy") or s.get("type") == "SRA" for s in samples
    )
    if not sequenced:
        platform = next(iter(Counter(s.get("platform_id", "") for s in samples)), "")
        source = {"kind": "series_matrix", "platform": platform}
        named = [n for n in matrix if f"-{platform}_" in n]
        if named:
            source["matrix"] = named[0]
        if platform not in annotated and re.fullmatch(r"GPL\d+", platform):
            source["annotation"] = f"{platform}.txt"
            reasons["source"].append(
                f"TODO: GEO has no {platform}.annot.gz; the submitter's table is taken"
            )
        elif not re.fullmatch(r"GPL\d+", platform):
            source["platform"] = "GPL0"
            reasons["source"].append(f"TODO: the platform is {platform!r}; name the GPL")
        reasons["source"].append("GEO says: expression profiling by array")
        return "microarray", source
    several = {"matrix": matrix} if len(matrix) > 1 else {}
    tables = {name: kind_of_file(name) for name in files["suppl"]}
    about = [
        *series.get("title", []),
        *series.get("summary", []),
        *series.get("overall_design", []),
    ]
    about += [s.get("extract_protocol_ch1", "") for s in samples[:1]]
    if "single cells" in tables.values() or SINGLE_CELL.search(" ".join(about)):
        return "scrnaseq", {**_cells_source(files["suppl"], reasons), **several}
    counts = [name for name, kind in tables.items() if kind == "counts"]
    if ncbi_counts:
        reasons["source"].append(
            "NCBI has computed counts, the same way for all series"
            + (f"; the submitter's own: {', '.join(counts)}" if counts else "")
        )
        return "rnaseq", {"kind": "ncbi_counts", "build": ncbi_counts, **several}
    rest = [name for name, kind in tables.items() if kind in ("table", "archive, a file a sample")]
    chosen = (counts or rest or [""])[0]
    if not chosen:
        found = ", ".join(f"{name} ({kind})" for name, kind in tables.items()) or "none"
        reasons["source"].append(
            f"TODO: no file looks like raw counts. Supplementary files: {found}"
        )
        chosen = "TODO.txt.gz"
    elif chosen in counts:
        reasons["source"].append("guessed: its name says counts")
    else:
        reasons["source"].append("TODO: does this file hold raw counts?")
    if len(counts) > 1:
        reasons["source"].append(f"TODO: or {', '.join(counts[1:])}")
    return "rnaseq", {"kind": "counts_table", "file": chosen, **several}


def _cells_source(names, reasons):
    """`source` of single cells, by the names of the supplementary files."""
    whole = [name for name in names if re.search(r"\.h5ad(\.gz)?$", name)]
    reasons["source"].append(
        "guessed: single cells, by the words of the record or the names of its files; TODO: see in "
        "docs/adding-a-study.md, Single cells, how these files are named to the workflow"
    )
    if whole:
        return {"kind": "h5ad", "file": whole[0]}
    archive = [name for name in names if name.endswith("_RAW.tar")]
    if not archive:
        reasons["source"].append(f"TODO: no archive of all samples; files: {', '.join(names[:6])}")
    return {"kind": "tenx"}

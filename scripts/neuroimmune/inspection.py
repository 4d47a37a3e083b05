"""Write what a draft says: study.yaml and samples.tsv with their reasons, and a summary to read."""

import html
import tempfile
import textwrap
from collections import Counter
from pathlib import Path

import yaml

from .draft import BLANK, draft_study, kind_of_file, sources_of, values_of, varying
from .errors import UserError, some
from .files import read_table, write_table, write_text
from .samples import curate
from .studies import read_study

WIDTH = 96


def write_draft(folder, accession, record, schemas, min_subjects):
    """Draft a study into `folder` (study.yaml, samples.tsv), with summary.txt and summary.html.

    record: as from `geo.listing.look_up`; schemas: the folder of the JSON schemas; min_subjects:
    subjects that a group needs for a verdict. Returns the summary as text.
    """
    series, samples, files, annotated, build = record
    draft = draft_study(accession, series, samples, files, annotated, build, min_subjects)
    folder = Path(folder)
    study_text, rows = study_yaml(draft), sample_rows(draft, samples)
    curated, problems = try_draft(study_text, rows, series, samples, schemas)
    sections = summarise(draft, record, curated, problems, min_subjects)
    text = as_text(accession, sections)
    write_text(folder / "study.yaml", study_text)
    write_table(folder / "samples.tsv", rows)
    write_text(folder / "summary.txt", text)
    write_text(folder / "summary.html", as_html(accession, sections))
    return text


def study_yaml(draft):
    """The text of study.yaml, with each guess's reason above it."""
    study, reasons = draft["study"], {key: list(said) for key, said in draft["reasons"].items()}
    lines = _comment(
        f"Drafted from GEO's record of {study['accession']}. Nothing here was decided by a person: "
        "read every line, decide where it says TODO, and delete these comments."
    )

    def add(key, value, path, indent=""):
        for sentence in reasons.get(path, []):
            lines.extend(_comment(sentence, indent))
        if isinstance(value, dict) and value:
            lines.append(f"{indent}{_scalar(key)}:")
            for name, inner in value.items():
                add(name, inner, f"{path}.{name}", indent + "  ")
        else:
            lines.append(f"{indent}{_scalar(key)}: {_scalar(value)}")

    order = ("accession", "title", "citation", "organism", "tissue", "assay", "role", "simulated")
    for key in (*order, "source"):
        if key in study:
            add(key, study[key], key)
    for key in ("samples", "contrasts"):
        absent = [
            f"{name.split('.', 1)[1]}: {sentence}"
            for name, sentences in reasons.items()
            if name.startswith(f"{key}.") and name.split(".", 1)[1] not in study[key]
            for sentence in sentences
        ]
        reasons[key] = reasons.get(key, []) + absent
        add(key, study[key], key)
    return "\n".join(lines) + "\n"


def _comment(sentence, indent=""):
    return textwrap.wrap(
        sentence,
        WIDTH,
        initial_indent=f"{indent}# ",
        subsequent_indent=f"{indent}#   ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _scalar(value):
    """One YAML value in one line, quoted where it would else not be the text it is."""
    text = yaml.safe_dump(
        value, default_flow_style=True, width=float("inf"), allow_unicode=True
    ).strip()
    return text.removesuffix("\n...").removesuffix("...").strip()


def sample_rows(draft, samples):
    """samples.tsv as a DataFrame: sample, include, note (the title), and subject where drafted."""
    import pandas as pd

    titles = {s["geo_accession"]: s.get("title", "") for s in samples}
    columns = ["sample", "subject", "treatment", "include", "note"]
    rows = [{"include": "yes", "note": titles[row["sample"]], **row} for row in draft["rows"]]
    rows = [{key: " ".join(text.split()) for key, text in row.items()} for row in rows]
    used = [column for column in columns if column in rows[0]]
    return pd.DataFrame(rows, columns=used, dtype=str)


def try_draft(study_text, rows, series, samples, schemas):
    """(curated samples or None, problems): what the workflow itself says of the draft."""
    with tempfile.TemporaryDirectory() as folder:
        write_text(Path(folder) / "study.yaml", study_text)
        write_table(Path(folder) / "samples.tsv", rows)
        try:
            curated = curate(read_study(folder, schemas), series, samples)
        except UserError as error:
            return None, [problem.replace(f"{folder}/", "") for problem in error.problems]
        write_table(Path(folder) / "curated.tsv", curated)
        return read_table(Path(folder) / "curated.tsv"), []


def summarise(draft, record, curated, problems, min_subjects):
    """Sections of the summary: list of (title, sentences, header, rows)."""
    series, samples, files, annotated, build = record
    study = draft["study"]
    facts = [
        ["title", study["title"]],
        ["type", "; ".join(series.get("type", []))],
        ["organism", ", ".join(dict.fromkeys(s.get("organism_ch1", "") for s in samples))],
        ["samples", str(len(samples))],
        ["platforms", ", ".join(series.get("platform_id", []))],
        ["publications", ", ".join(series.get("pubmed_id", [])) or "none given"],
        ["relations", "; ".join(series.get("relation", [])) or "none given"],
    ]
    sections = [("Series", [], ["", "GEO says"], facts)]
    sections.append(_todo(draft, problems))
    sections.append(_contrast_section(study, curated, min_subjects))
    sections.append(_field_section(samples, curated))
    sections.append(_crossing_section(samples, curated))
    rows = [[name, "series matrix"] for name in files["matrix"]]
    rows += [[name, kind_of_file(name)] for name in files["suppl"]]
    if build:
        rows.append([f"{study['accession']}_raw_counts_{build}_NCBI.tsv.gz", "NCBI's counts"])
    rows += [[f"{platform}.annot.gz", "annotation of the array"] for platform in annotated]
    sections.append(("Files", ["by their names, not by what is in them"], ["file", "kind"], rows))
    return sections


def _todo(draft, problems):
    rows = [
        [key, sentence.split("TODO: ", 1)[1]]
        for key, sentences in draft["reasons"].items()
        for sentence in sentences
        if "TODO: " in sentence
    ]
    said = (
        ["The draft does not run yet:", *problems]
        if problems
        else ["The samples can be curated as drafted. Whether the draft is right is yours to say."]
    )
    return "To decide", said, ["where", "what"], rows


def _contrast_section(study, curated, min_subjects):
    from .contrast import choose_subjects, confounders

    header = ["contrast", "question", "case", "reference", "remark"]
    if curated is None:
        return "What can be run", ["nothing before the problems above are solved"], header, []
    kept = curated[curated["include"] == "yes"].drop_duplicates(["subject", "group"])
    rows = []
    for name, contrast in study["contrasts"].items():
        subjects, _ = choose_subjects(kept, contrast)
        sizes = [int((subjects["arm"] == arm).sum()) for arm in (1, 0)]
        remarks = ["paired"] if contrast.get("paired") else []
        if min(sizes) < min_subjects:
            remarks.append(f"no verdict: fewer than {min_subjects} subjects in a group")
        remarks += [
            f"no verdict: confounded by {item['factor']} ({item['case']} against "
            f"{item['reference']})"
            for item in confounders(subjects, contrast["question"])
        ]
        if subjects["treatment"].isin(["", "unknown"]).any():
            remarks.append("treatment unknown")
        arms = [
            f"{contrast[arm]} ({size} subjects)"
            for arm, size in zip(("case", "reference"), sizes, strict=True)
        ]
        rows.append([name, contrast["question"], *arms, "; ".join(remarks) or "can be run"])
    return "What can be run", [], header, rows


def _groups_by_sample(curated):
    kept = curated[curated["include"] == "yes"]
    return dict(zip(kept["sample"], kept["group"], strict=True))


def _field_section(samples, curated):
    groups = _groups_by_sample(curated) if curated is not None else {}
    rows = []
    for source in sources_of(samples):
        values = values_of(samples, source)
        levels = Counter(v or "(blank)" for v in values)
        shown = some((f"{level} ({n})" for level, n in levels.most_common(6)), 6)
        rows.append([source, str(len(levels)), shown, _separation(samples, values, groups)])
    header = ["field", "values", "the most frequent", "and the groups"]
    return "Fields of the samples", [], header, rows


def _separation(samples, values, groups):
    """Whether a field's values tell the drafted groups apart, in words."""
    seen = {}
    for sample, value in zip(samples, values, strict=True):
        group = groups.get(sample["geo_accession"])
        if group and not BLANK.match(value):
            seen.setdefault(value, set()).add(group)
    if len(set(groups.values())) > 1 and len(set().union(*seen.values())) == 1:
        return "known in one group only"
    if len(seen) < 2:
        return "does not vary" if len(set(values)) < 2 else ""
    if len(seen) >= sum(value != "" for value in values):
        return "one value a sample"
    if all(len(found) == 1 for found in seen.values()):
        return "separates the groups"
    return "varies within groups"


def _crossing_section(samples, curated):
    if curated is None:
        return "Fields by group", ["no groups yet"], [], []
    groups = _groups_by_sample(curated)
    names = list(dict.fromkeys(groups.values()))
    rows = []
    for source in varying(samples):
        values = dict(
            zip((s["geo_accession"] for s in samples), values_of(samples, source), strict=True)
        )
        levels = Counter(values[name] or "(blank)" for name in groups)
        if not 1 < len(levels) <= 8:
            continue
        for level in levels:
            counts = Counter(g for n, g in groups.items() if (values[n] or "(blank)") == level)
            rows.append([source, level, *(str(counts[name]) for name in names)])
    return (
        "Fields by group",
        ["numbers of samples; a field whose values each stand in one group is confounded with it"],
        ["field", "value", *names],
        rows,
    )


def as_text(accession, sections):
    """The summary for a terminal."""
    lines = [f"{accession}: draft of a study", ""]
    for title, sentences, header, rows in sections:
        lines += [title, "-" * len(title)]
        lines += [line for sentence in sentences for line in textwrap.wrap(sentence, WIDTH)]
        if rows:
            lines += _text_table([header, *rows])
        lines.append("")
    return "\n".join(line.rstrip() for line in lines).rstrip() + "\n"


def _text_table(table):
    """Lines of a table: columns of equal width, cut where long; the last one is wrapped."""
    widths = [min(34, max(map(len, column))) for column in zip(*table, strict=True)][:-1]
    for *cells, last in table:
        pairs = zip(cells, widths, strict=True)
        start = "".join(f"{c if len(c) <= w else c[: w - 3] + '...':{w}}  " for c, w in pairs)
        width = max(WIDTH + 20, len(start) + 30)
        yield from textwrap.wrap(
            last or "-", width, initial_indent=start, subsequent_indent=" " * len(start)
        )


def as_html(accession, sections):
    """The summary as a page that is complete in itself."""
    title = html.escape(f"{accession}: draft of a study")
    parts = [
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<style>body{font:15px/1.45 system-ui,sans-serif;max-width:70rem;margin:2rem auto;"
        "padding:0 1rem}table{border-collapse:collapse;width:100%}.scroll{overflow-x:auto}th,td"
        "{text-align:left;vertical-align:top;border-bottom:1px solid #bbb;padding:.25rem .6rem}"
        "</style></head>",
        f"<body><main><h1>{title}</h1>",
    ]
    for heading, sentences, header, rows in sections:
        parts.append(f"<h2>{html.escape(heading)}</h2>")
        parts += [f"<p>{html.escape(sentence)}</p>" for sentence in sentences]
        if rows:
            cells = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in header)
            parts.append(
                f'<div class="scroll" tabindex="0"><table><thead><tr>{cells}</tr></thead><tbody>'
            )
            for row in rows:
                cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in row)
                parts.append(f"<tr>{cells}</tr>")
            parts.append("</tbody></table></div>")
    return "\n".join([*parts, "</main></body></html>"]) + "\n"

"""Build the report: result tables in, one overview page and one page a study out."""

from collections import Counter
from functools import cache
from pathlib import Path
from urllib.parse import quote

from ..contrast import FACTORS, SET_TEXT
from ..files import read_json, read_table, write_text
from ..studies import SAMPLE_FIELDS, geo_files
from ..validation import read_yaml
from ..verdict import VERDICTS
from . import formats
from .formats import anchor, missing

TEMPLATES = Path(__file__).parent / "templates"

MARKS = {
    "higher": "▲",
    "lower": "▼",
    "explained by treatment": "Rx",
    "explained by composition": "◐",
    "no difference": "=",
    "inconclusive": "?",
    "not measurable": "–",
}
QUESTIONS = {
    "aiha_vs_healthy": "AIHA against healthy",
    "diagnosis_vs_remission": "AIHA at diagnosis against remission",
    "relapse_vs_remission": "AIHA in relapse against remission",
    "relapse_vs_diagnosis": "AIHA in relapse against diagnosis",
    "model_vs_wildtype": "AIHA model against wild type",
    "glucocorticoid_vs_vehicle": "glucocorticoid against vehicle (control)",
    "erythropoiesis_vs_baseline": "stimulated erythropoiesis against baseline (control)",
    "stress_vs_calm": "stress against calm (control)",
    "other": "other",
}
# What has to come out where a study is a positive control, and what never should.
POSITIVE_QUESTION, POSITIVE_SET = "glucocorticoid_vs_vehicle", "gr_response_up"
NEGATIVE_SETS = ("neg_olfactory", "neg_testis", "neg_lens_retina")
GEO_COLUMNS = (
    "geo_source_name",
    "geo_characteristics",
    "geo_description",
    "geo_platform",
    "geo_biosample",
)
PACKAGES = (
    "snakemake",
    "pylimma",
    "edgepython",
    "anndata",
    "scipy",
    "statsmodels",
    "numpy",
    "pandas",
    "jinja2",
)
TOP_GENES = 20
# Of more flags of one kind than this, the warnings give the number only.
MANY_FLAGS = 3
CONCORDANCE_TEXT = {
    "study",
    "contrast",
    "stratum",
    "set_id",
    "depends_on_scorer",
    "leading_gene",
    "carried_by_one_gene",
}
VERDICT_TEXT = {*SET_TEXT, "gate", "verdict", "detail", "reason"}


def write_report(inputs, studies, outputs):
    """Write the overview and a page a study, each one HTML file that needs no other file.

    inputs: has verdicts, run_config, sets, members (paths), tables and manifests (lists of
    paths, as in rules/report.smk); studies: dict of study name -> its record; outputs: has
    index (path) and studies (paths, in the order of `studies`).
    """
    shared = read_shared(inputs, studies)
    overviews = []
    for (name, record), page in zip(studies.items(), outputs.studies, strict=True):
        tables = read_study(inputs.tables, name, record)
        write_text(page, render("study.html", study_view(name, record, tables, shared)))
        overviews.append(overview(name, record, tables))
    write_text(outputs.index, render("index.html", index_view(overviews, shared, versions())))


def render(template, view):
    return _environment().get_template(template).render(view)


@cache
def _environment():
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in (
        *("anchor", "count", "fold", "interval", "interval_plot", "level", "missing", "name"),
        *("number", "probability", "shown", "signed", "size", "verdict_words", "words"),
    ):
        environment.filters[name] = getattr(formats, name)
    environment.globals["MARKS"] = MARKS
    return environment


def versions():
    """(package, version or None) of the packages that made the numbers and the pages."""
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for package in PACKAGES:
        try:
            found.append((package, version(package)))
        except PackageNotFoundError:
            found.append((package, None))
    return found


def read_shared(inputs, studies):
    """What every page needs: verdicts, panels, config, manifests, and which studies there are."""
    sets = read_table(inputs.sets)
    config = read_yaml(inputs.run_config)
    return {
        "verdicts": _numbers(read_table(inputs.verdicts), VERDICT_TEXT),
        "sets": sets.to_dict("records"),
        "families": list(config["panels"]["families"]),
        "members": _by_set(read_table(inputs.members, ["direction"])),
        "shared": read_table(
            next(path for path in inputs.tables if Path(path).name == "shared_samples.tsv")
        ),
        "config": config,
        "manifests": {
            (Path(path).parent.name, Path(path).name.removesuffix(".json")): read_json(path)
            for path in inputs.manifests
        },
        "pages": [
            {
                "name": name,
                "href": f"{quote(name)}.html",
                "simulated": record.get("simulated", False),
            }
            for name, record in studies.items()
        ],
    }


def read_study(paths, name, record):
    """The tables of one study: dict of DataFrames, 'profiles' (dict), and 'contrasts', a list

    of dicts with 'designs' (list), 'genes', 'adjusted', 'concordance' and 'subjects' (DataFrames).
    """

    def find(*parts):
        ending = (name, *parts)
        return next(path for path in paths if Path(path).parts[-len(ending) :] == ending)

    detectability = read_table(find("detectability.tsv"))
    return {
        "samples": read_table(find("samples.tsv")),
        "attrition": read_table(find("attrition.tsv"), ["left_out"]),
        "profiles": read_json(find("profiles.json")),
        "mapping": read_table(find("panel_mapping.tsv")),
        "detectability": _numbers(
            detectability, {"stratum", "hgnc_id", "symbol", "data_id", "measurable", "group"}
        ),
        "rules": read_table(find("detection_rules.tsv"), ["measurable_controls"]),
        "checks": read_table(find("checks.tsv")),
        "pca": read_table(find("checks_pca.tsv"), ["pc1", "pc2", "share1", "share2"]),
        "contrasts": [
            {
                "designs": read_json(find("contrasts", f"{contrast}.design.json")),
                "genes": _numbers(
                    read_table(find("contrasts", f"{contrast}.genes.tsv")),
                    {"stratum", "data_id", "symbol"},
                ),
                "adjusted": _numbers(
                    read_table(find("contrasts", f"{contrast}.adjusted.tsv")),
                    {"study", "contrast", "stratum", "set_id", "adjustment", "status", "covariate"},
                ),
                "concordance": _numbers(
                    read_table(find("contrasts", f"{contrast}.concordance.tsv")),
                    CONCORDANCE_TEXT,
                ),
                "subjects": _numbers(
                    read_table(find("contrasts", f"{contrast}.subjects.tsv")),
                    {"stratum", "symbol", "subject", "group"},
                ),
            }
            for contrast in record["contrasts"]
        ],
    }


def _numbers(table, text):
    """The table with every column but the text ones as floats."""
    for column in table.columns:
        if column not in text:
            table[column] = table[column].where(table[column] != "").astype(float)
    return table


def _by_set(members):
    members = members.sort_values(["set_id", "gene_symbol"], kind="stable")
    return {name: rows.to_dict("records") for name, rows in members.groupby("set_id", sort=True)}


# The overview.


def overview(name, record, tables):
    """What the overview page says of a study: its record, sample numbers and designs."""
    return {
        "name": name,
        "record": record,
        "href": f"{quote(name)}.html",
        "samples": samples_view(tables["samples"]),
        "checks": check_warnings(_records(tables["checks"])),
        "designs": [design for part in tables["contrasts"] for design in part["designs"]],
    }


def index_view(overviews, shared, packages):
    """Everything that index.html shows."""
    verdicts = shared["verdicts"]
    columns = [column_of(study, design) for study in overviews for design in study["designs"]]
    cells = {}
    for row in verdicts.to_dict("records"):
        cells[row["set_id"], row["study"], row["contrast"], row["stratum"]] = row
    main = shared["families"][0]
    for column in columns:
        key = (column["study"], column["contrast"], column["stratum"])
        column["cells"] = {
            entry["set_id"]: cells.get((entry["set_id"], *key)) for entry in shared["sets"]
        }
        found = [row for row in column["cells"].values() if row and row["family"] == main]
        column["counts"] = count_verdicts(found)
    subjects = {
        (column["study"], item["subject"]) for column in columns for item in column["profiles"]
    }
    simulated = [page["name"] for page in shared["pages"] if page["simulated"]]
    return {
        "pages": shared["pages"],
        "page": None,
        "simulated": simulated,
        "studies": overviews,
        "columns": columns,
        "n_samples": sum(study["samples"]["n_included"] for study in overviews),
        "n_left_out": sum(study["samples"]["n_left_out"] for study in overviews),
        "n_subjects": len(subjects),
        "n_verdicts": len(verdicts),
        "counts": count_verdicts(verdicts.to_dict("records")),
        "main": main,
        "positive": positive_controls(overviews, verdicts),
        "negative": negative_controls(verdicts),
        "warnings": sorted_warnings(columns),
        "shared": shared_view(shared["shared"]),
        "without_warnings": [column for column in columns if not column["warnings"]],
        "families": [family_view(family, shared["sets"]) for family in shared["families"]],
        "questions": QUESTIONS,
        "genes_of": {
            name: " ".join(member["gene_symbol"] for member in members)
            for name, members in shared["members"].items()
        },
        "levels": formats.LEVELS,
        "config": shared["config"],
        "packages": packages,
    }


def column_of(study, design):
    """One column of the matrix: a study, contrast and stratum, and what its reader must know."""
    flags = [f"confounded by {item['factor']}" for item in design["confounders"]]
    if design["problem"]:
        flags.append("design cannot be tested")
    if design["treatment_unknown"]:
        flags.append("treatment unknown")
    return {
        **design,
        "record": study["record"],
        "href": study["href"],
        "anchor": anchor(design["contrast"], design["stratum"]),
        "label": label_of(design),
        "simulated": study["record"].get("simulated", False),
        "flags": flags,
        "warnings": warnings_of(design),
    }


def label_of(design):
    """The contrast in words, with the stratum where there is more than one kind of profile."""
    label = formats.words(design["contrast"])
    return label if design["stratum"] == "all" else f"{label}, {design['stratum']}"


def warnings_of(design):
    """The design's warnings as dicts of kind ('confounded', 'design', 'note') and text."""
    kinds = ["confounded"] * len(design["confounders"])
    kinds += ["design"] * bool(design["problem"]) + ["note"]
    return [
        {
            "kind": kinds[min(position, len(kinds) - 1)],
            "text": text,
        }
        for position, text in enumerate(design["warnings"])
    ]


def sorted_warnings(columns):
    """All warnings with their column: confounded contrasts first, then untestable designs."""
    rank = {"confounded": 0, "design": 1, "note": 2}
    found = [{**item, "column": column} for column in columns for item in column["warnings"]]
    return sorted(found, key=lambda item: rank[item["kind"]])


def family_view(family, sets):
    """A family's axes in the panel's order, each with its sets."""
    own = [entry for entry in sets if entry["family"] == family]
    axes = {}
    for entry in own:
        axes.setdefault(entry["axis"], []).append(entry)
    return {
        "name": family,
        "n_sets": len(own),
        "axes": [{"name": axis, "sets": entries} for axis, entries in axes.items()],
    }


def count_verdicts(rows):
    """{verdict: number of rows}, every verdict named."""
    found = Counter(row["verdict"] for row in rows)
    return {verdict: found[verdict] for verdict in VERDICTS}


def positive_controls(overviews, verdicts):
    """For every positive control study: did its glucocorticoid contrasts show the GR set higher?"""
    results = []
    for study in overviews:
        if study["record"]["role"] != "positive control":
            continue
        rows = verdicts[
            (verdicts["study"] == study["name"])
            & (verdicts["question"] == POSITIVE_QUESTION)
            & (verdicts["set_id"] == POSITIVE_SET)
        ]
        results.append({"study": study, "rows": [with_label(row) for row in _records(rows)]})
    return results


def negative_controls(verdicts):
    """Sets that blood never expresses: how many were judged, and those that came out moved."""
    rows = verdicts[verdicts["set_id"].isin(NEGATIVE_SETS)]
    moved = rows[rows["verdict"].isin(["higher", "lower"])]
    return {
        "sets": NEGATIVE_SETS,
        "total": len(rows),
        "not_measurable": int((rows["verdict"] == "not measurable").sum()),
        "moved": [with_label(row) for row in _records(moved)],
    }


def with_label(row):
    place = anchor(row["contrast"], row["stratum"], row["set_id"])
    return {**row, "label": label_of(row), "href": f"{quote(row['study'])}.html#{place}"}


def _records(table):
    return table.to_dict("records")


# The page of a study.


def study_view(name, record, tables, shared):
    """Everything that the page of one study shows."""
    verdicts = shared["verdicts"]
    own = verdicts[verdicts["study"] == name]
    contrasts = [
        contrast_view(design, part, own, tables, shared)
        for part in tables["contrasts"]
        for design in part["designs"]
    ]
    simulated = [page["name"] for page in shared["pages"] if page["simulated"]]
    return {
        "pages": shared["pages"],
        "page": name,
        "simulated": simulated,
        "record": record,
        "files": files_of(record, shared["manifests"]),
        "warnings": sorted_warnings(contrasts),
        "samples": samples_view(tables["samples"]),
        "checks": checks_view(tables["checks"], tables["pca"]),
        "profiles": tables["profiles"],
        "attrition": _records(tables["attrition"]),
        "rules": _records(tables["rules"]),
        "mapping": mapping_view(tables["mapping"], shared["members"]),
        "contrasts": contrasts,
        "config": shared["config"],
        "questions": QUESTIONS,
    }


def files_of(record, manifests):
    """The study's GEO files with what their manifests say (empty where there is none)."""
    pinned = record["source"].get("sha256", {})
    return [
        {
            "accession": accession,
            "file": file,
            "pinned": file in pinned,
            "manifest": manifests.get((accession, file), {}),
        }
        for accession, file in geo_files(record)
    ]


def samples_view(samples):
    """The samples of a series: rows, the columns that hold anything, and counts per group."""
    rows = _records(samples)
    included = [row for row in rows if row["include"] == "yes"]
    groups = {}
    for row in included:
        groups.setdefault(row["group"], []).append(row)
    reasons = Counter(row["reason"] for row in rows if row["include"] != "yes")

    def used(columns):
        return [column for column in columns if any(row[column] for row in rows)]

    curated = used([*SAMPLE_FIELDS, "note", "corrected"])
    return {
        "rows": rows,
        "curated": curated,
        "blank": [field for field in SAMPLE_FIELDS if field not in curated],
        "geo": used(GEO_COLUMNS),
        "n_included": len(included),
        "n_left_out": len(rows) - len(included),
        "groups": [
            {
                "name": group,
                "n_samples": len(members),
                "n_subjects": len({row["subject"] for row in members}),
            }
            for group, members in sorted(groups.items())
        ],
        "left_out": sorted(reasons.items()),
    }


def check_warnings(rows):
    """Flagged checks as sentences; more than `MANY_FLAGS` of a kind become one."""
    flagged = {}
    for row in rows:
        if row["flag"] == "yes":
            flagged.setdefault(row["check"], []).append(row["sentence"])
    return [
        sentence
        for check, sentences in flagged.items()
        for sentence in (
            sentences
            if len(sentences) <= MANY_FLAGS
            else [f"{len(sentences)} flags on {check}; for example: {sentences[0]}"]
        )
    ]


def checks_view(checks, pca):
    """The sample checks of a study: warnings, a row a profile with a cell a check, the rest.

    Cells are None or have 'value' and 'flag'; 'others' are the rows on pairs, subjects and
    contrasts; 'pictures' are scatter plots, one a stratum.
    """
    rows = _records(checks)
    group = dict(zip(pca["profile"], pca["group"], strict=True))
    single = [row for row in rows if row["profile"] in group]
    kinds = list(dict.fromkeys(row["check"] for row in single))
    cells = {(row["profile"], row["check"]): row for row in single}
    return {
        "warnings": check_warnings(rows),
        "kinds": kinds,
        "profiles": [
            {
                "profile": profile,
                "group": group[profile],
                "cells": [_check_cell(cells.get((profile, kind))) for kind in kinds],
            }
            for profile in dict.fromkeys(row["profile"] for row in single)
        ],
        "others": [row for row in rows if row["profile"] not in group],
        "pictures": [
            {"stratum": stratum, **scatter(_records(part))}
            for stratum, part in pca.groupby("stratum", sort=True)
        ],
    }


def _check_cell(row):
    if row is None:
        return None
    value, flag = row["value"], row["flag"] == "yes"
    if row["check"] == "sex":
        recorded = row["limit"]
        value += f" (recorded: {recorded})" if recorded and recorded != value else ""
    elif row["check"] == "globin share":
        value = f"{100 * float(value):.1f} %"
    else:
        value = formats.number(float(value), 1) if "." in value else formats.count(float(value))
    return {"value": value, "flag": flag}


def scatter(rows, width=420, height=300, margin=12):
    """Points of a plot of the two principal components, in units of an SVG picture.

    One scale serves both axes; 'groups' are numbered in alphabetical order.
    """
    reach = max([abs(row[axis]) for row in rows for axis in ("pc1", "pc2")] + [1e-9])
    unit = (min(width, height) / 2 - margin) / reach
    groups = sorted({row["group"] for row in rows})
    return {
        "width": width,
        "height": height,
        "groups": groups,
        "shares": [rows[0]["share1"], rows[0]["share2"]],
        "points": [
            {
                "x": round(width / 2 + unit * row["pc1"], 1),
                "y": round(height / 2 - unit * row["pc2"], 1),
                "group": groups.index(row["group"]),
                "text": f"{row['profile']} ({row['group']})",
            }
            for row in rows
        ],
    }


def factor_view(design, samples, checks):
    """How the recorded factors, and the sex by expression, spread over the two groups compared.

    List of {name, levels}; a level is (what is recorded, profiles of the case, of the reference).
    """
    recorded = {row["sample"]: row for row in _records(samples)}
    called = {row["profile"]: row["value"] for row in _records(checks) if row["check"] == "sex"}
    found = []
    for name in (*FACTORS, "sex by expression"):
        counts = {}
        for item in design["profiles"]:
            row = recorded.get(item["profile"].split("+")[0], {})
            level = called.get(item["profile"], "") if name not in FACTORS else row.get(name, "")
            pair = counts.setdefault(level or "not recorded", [0, 0])
            pair[item["group"] == design["reference"]] += 1
        if set(counts) - {"not recorded", "unknown"}:
            found.append({"name": name, "levels": [(k, *v) for k, v in sorted(counts.items())]})
    return found


def shared_view(shared):
    """One line for every two studies that share samples, and the first of these."""
    lines = []
    for (a, b), rows in shared.groupby(["study_a", "study_b"], sort=False):
        ways = Counter(rows["found_by"])
        lines.append(
            {
                "a": a,
                "b": b,
                "n": len(rows),
                "ways": ", ".join(f"{n} by {way}" for way, n in sorted(ways.items())),
                "example": rows["sentence"].iloc[0],
            }
        )
    return lines


def mapping_view(mapping, members):
    """How the panel's genes were found in the data, and those that were not."""
    rows = _records(mapping)
    sets_of = {}
    for name, genes in members.items():
        for gene in genes:
            sets_of.setdefault(gene["hgnc_id"], []).append(name)
    ways = Counter(row["matched_by"] for row in rows if row["data_id"])
    return {
        "total": len(rows),
        "found": sum(ways.values()),
        "ways": sorted(ways.items(), key=lambda item: (-item[1], item[0])),
        "unmatched": sorted(
            (
                {**row, "sets": sets_of.get(row["hgnc_id"], [])}
                for row in rows
                if not row["data_id"]
            ),
            key=lambda row: row["symbol"],
        ),
    }


def contrast_view(design, part, verdicts, tables, shared):
    """One contrast in one stratum: its design, its sets with their genes, its top genes."""
    import math

    stratum = design["stratum"]
    rows = verdicts[(verdicts["contrast"] == design["contrast"]) & (verdicts["stratum"] == stratum)]
    rows = {row["set_id"]: row for row in _records(rows)}
    effects = [abs(row["log2_fold_change"]) for row in rows.values()]
    effects = [value for value in effects if not missing(value)]
    limit = min(max(math.ceil(max(effects, default=1)), 1), 4)
    genes = gene_views(design, part, tables, stratum)
    values = subject_values(design, part["subjects"], stratum)
    adjusted = part["adjusted"][part["adjusted"]["stratum"] == stratum]
    ladders = {name: _records(table) for name, table in adjusted.groupby("set_id")}
    agreement = part["concordance"][part["concordance"]["stratum"] == stratum]
    symbol = dict(zip(tables["mapping"]["data_id"], tables["mapping"]["symbol"], strict=True))
    agreement = {
        row["set_id"]: {**row, "leading_gene": symbol[row["leading_gene"]]}
        for row in _records(agreement)
    }

    def sets_of(family):
        return [
            {
                **entry,
                **rows[entry["set_id"]],
                "anchor": anchor(design["contrast"], stratum, entry["set_id"]),
                "agreement": agreement.get(entry["set_id"]),
                "ladder": ladders.get(entry["set_id"], []),
                "signs": {member["direction"] for member in shared["members"][entry["set_id"]]},
                "genes": [
                    gene_of_set(member, rows[entry["set_id"]], genes, values)
                    for member in shared["members"][entry["set_id"]]
                ],
            }
            for entry in shared["sets"]
            if entry["family"] == family and entry["set_id"] in rows
        ]

    return {
        **design,
        "label": label_of(design),
        "factors": factor_view(design, tables["samples"], tables["checks"]),
        "anchor": anchor(design["contrast"], stratum),
        "warnings": warnings_of(design),
        "limit": limit,
        "margin": math.log2(shared["config"]["contrast"]["margin_fold"]),
        "value_columns": values["columns"],
        "families": [
            {"name": family, "sets": sets, "counts": count_verdicts(sets)}
            for family, sets in ((name, sets_of(name)) for name in shared["families"])
        ],
        "top_genes": top_genes(part["genes"], stratum),
    }


def gene_views(design, part, tables, stratum):
    """Panel gene (HGNC id) -> its identifier, detection in both groups and test of the gene."""
    detected = tables["detectability"]
    detected = detected[detected["stratum"] == stratum]
    seen = {
        (row["hgnc_id"], row["group"]): (row["n_detected"], row["n_profiles"])
        for row in _records(detected)
    }
    table = part["genes"]
    table = table[(table["stratum"] == stratum) & (table["symbol"] != "")]
    tests = {row["data_id"]: row for row in _records(table)}
    return {
        row["hgnc_id"]: {
            "data_id": row["data_id"],
            "reason": row["reason"],
            "detected": [seen.get((row["hgnc_id"], design[arm])) for arm in ("case", "reference")],
            "test": tests.get(row["data_id"]) if row["data_id"] else None,
        }
        for row in _records(tables["mapping"])
    }


def gene_of_set(member, row, genes, values):
    symbol = member["gene_symbol"]
    return {
        "symbol": symbol,
        "direction": member["direction"],
        "role": member["role"],
        "measurable": symbol in row["measurable_genes"].split(";"),
        "values": values["rows"].get(symbol),
        **genes[member["hgnc_id"]],
    }


def subject_values(design, subjects, stratum):
    """'columns' (headings) and 'rows' (panel symbol -> one value a column), log2.

    Paired: every subject's change, case minus reference. Otherwise the mean of each group.
    """
    own = subjects[subjects["stratum"] == stratum]
    if design["paired"]:
        wide = own.pivot(index="symbol", columns="subject", values="log2_change")
        columns = sorted(wide.columns)
        headings = columns
    else:
        wide = own.groupby(["symbol", "group"])["log2_expression"].mean().unstack("group")
        columns = [group for group in (design["case"], design["reference"]) if group in wide]
        headings = [f"mean in {group}" for group in columns]
    wide = wide[columns]
    return {
        "columns": headings,
        "rows": dict(zip(wide.index, wide.to_numpy().tolist(), strict=True)),
    }


def top_genes(genes, stratum):
    """The genes with the smallest q-values, whether in the panel or not."""
    order = ["q", "p", "data_id"]
    columns = ["symbol", "mean_expression", "log2_fold_change", "ci_low", "ci_high", *order]
    own = genes[genes["stratum"] == stratum].reindex(columns=columns)
    return _records(own[own["q"].notna()].sort_values(order, kind="stable").head(TOP_GENES))

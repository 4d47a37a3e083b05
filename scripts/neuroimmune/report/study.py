"""The page of a study: where its data come from, what was left out, and its contrasts."""

import math
from collections import Counter

from ..coupling import FULL
from ..studies import SAMPLE_FIELDS, geo_files
from . import figures, formats
from .cells import cells_view
from .columns import sorted_warnings
from .formats import anchor, missing
from .power import capped
from .sets import axis_href
from .tables import records

GEO_COLUMNS = (
    "geo_source_name",
    "geo_characteristics",
    "geo_description",
    "geo_platform",
    "geo_biosample",
)
# Of more flags of one kind than this, the warnings give the number only.
MANY_FLAGS = 3
TOP_PAIRS = 10


def study_view(name, record, tables, shared, columns):
    """Everything that the page of one study shows; `columns` are those of this study."""
    return {
        "record": record,
        "files": files_of(record, shared["manifests"]),
        "warnings": sorted_warnings(columns),
        "samples": samples_view(tables["samples"]),
        "checks": checks_view(tables["checks"], tables["pca"]),
        "profiles": tables["profiles"],
        "attrition": records(tables["attrition"]),
        "rules": records(tables["rules"]),
        "mapping": mapping_view(tables["mapping"], shared["members"]),
        "cells": cells_view(tables["cells"]) if tables["cells"] else None,
        "coupling": coupling_view(tables["coupling"]),
        "contrasts": [contrast_view(column, shared) for column in columns],
        "config": shared["config"],
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
    rows = records(samples)
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
    rows = records(checks)
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
            components(stratum, records(part))
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


def components(stratum, rows):
    """The plot of the first two principal components of one stratum's profiles."""
    points = [
        {"x": row["pc1"], "y": row["pc2"], "group": row["group"]}
        | {"text": f"{row['profile']} ({row['group']})"}
        for row in rows
    ]
    shares = [formats.number(100 * rows[0][key], 0) for key in ("share1", "share2")]
    axes = [f"component {n + 1} ({share} % of the variance)" for n, share in enumerate(shares)]
    title = f"Principal components of {formats.counted(len(rows), 'profile')}"
    title += "" if stratum == "all" else f", {stratum}"
    note = "Of the 1,000 most variable genes (log2); point at a profile for its name."
    return figures.scatter(f"{anchor('pca', stratum)}", title, note, points, axes)


def mapping_view(mapping, members):
    """How the panel's genes were found in the data, and those that were not."""
    rows = records(mapping)
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


def coupling_view(coupling):
    """The pairs with the smallest p under the fullest adjustment, a table a stratum and kind."""
    told = coupling[coupling["p"].notna()]
    found = []
    for (stratum, kind), rows in told.groupby(["stratum", "kind"], sort=True):
        fullest = rows[rows["adjustment"] == FULL]
        fullest = fullest if len(fullest) else rows
        found.append(
            {
                "stratum": stratum,
                "kind": kind,
                "adjustment": fullest["adjustment"].iloc[0],
                "n_tested": len(fullest),
                "n_found": int((fullest["q"] <= 0.05).sum()),
                "rows": records(
                    fullest.sort_values(["p", "x", "y"], kind="stable").head(TOP_PAIRS)
                ),
            }
        )
    return found


def contrast_view(column, shared):
    """One column with its sets by family, the scale of their plots, and what capped them."""
    rows = column["rows"]
    effects = [abs(row["log2_fold_change"]) for row in rows.values()]
    effects = [value for value in effects if not missing(value)]
    families = []
    for family in shared["families"]:
        sets = [
            {
                **entry,
                **rows[entry["set_id"]],
                "anchor": anchor(column["contrast"], column["stratum"], entry["set_id"]),
                "href": f"{axis_href(entry['axis'])}#"
                + anchor(entry["set_id"], column["study"], column["contrast"], column["stratum"]),
                "agreement": column["agreement"].get(entry["set_id"]),
            }
            for entry in shared["sets"]
            if entry["family"] == family and entry["set_id"] in rows
        ]
        families.append(
            {"name": family, "sets": sets, "counts": Counter(row["verdict"] for row in sets)}
        )
    return {
        **column,
        "limit": min(max(math.ceil(max(effects, default=1)), 1), 4),
        "margin": math.log2(shared["config"]["contrast"]["margin_fold"]),
        "families": families,
        "capped": capped(list(rows.values()), column, shared["config"]),
    }

"""Everything that the report says of one study, contrast and stratum: a column of the matrix."""

from urllib.parse import quote

from ..contrast import FACTORS
from . import formats
from .formats import anchor
from .tables import records, rows_by_set

TOP_GENES = 20


def columns_of(name, record, tables, shared):
    """The columns of one study, one a contrast and stratum, in the order of its contrasts."""
    verdicts = shared["verdicts"]
    verdicts = verdicts[verdicts["study"] == name]
    return [
        column_of(record, design, part, verdicts, tables)
        for part in tables["contrasts"]
        for design in part["designs"]
    ]


def column_of(record, design, part, verdicts, tables):
    """The design, with names and links, and what was found, by set or gene.

    'rows', 'ladders', 'agreement', 'left_out_genes' and 'scores' are dicts of set id; 'genes' of
    HGNC id; 'values' of symbol (see `subject_values`).
    """
    contrast, stratum = design["contrast"], design["stratum"]

    def own(table):
        return table[table["stratum"] == stratum]

    rows = own(verdicts[verdicts["contrast"] == contrast])
    symbol = dict(zip(tables["mapping"]["data_id"], tables["mapping"]["symbol"], strict=True))

    def named(row, key):
        return {**row, key: symbol[row[key]]}

    return {
        **design,
        "record": record,
        "href": f"{quote(design['study'])}.html",
        "anchor": anchor(contrast, stratum),
        "id": anchor(design["study"], contrast, stratum),
        "label": label_of(design),
        "simulated": record.get("simulated", False),
        "flags": flags_of(design),
        "warnings": warnings_of(design),
        "factors": factors_of(design, tables["samples"], tables["checks"]),
        "rows": {row["set_id"]: row for row in records(rows)},
        "ladders": rows_by_set(own(part["adjusted"])),
        "agreement": {
            row["set_id"]: named(row, "leading_gene") for row in records(own(part["concordance"]))
        },
        "left_out_genes": {
            name: [named(row, "data_id") for row in found]
            for name, found in rows_by_set(own(part["leave_one_out"])).items()
        },
        "scores": scores_of(design, own(tables["scores"])),
        "genes": genes_of(design, own(part["genes"]), own(tables["detectability"]), tables),
        "values": subject_values(design, own(part["subjects"])),
        "top_genes": top_genes(own(part["genes"])),
    }


def label_of(design):
    """The contrast in words, with the stratum where there is more than one kind of profile."""
    label = formats.words(design["contrast"])
    return label if design["stratum"] == "all" else f"{label}, {design['stratum']}"


def flags_of(design):
    """What a reader must know of a column before any number in it."""
    flags = [f"confounded by {item['factor']}" for item in design["confounders"]]
    if design["problem"]:
        flags.append("design cannot be tested")
    if design["treatment_unknown"]:
        flags.append("treatment unknown")
    return flags


def warnings_of(design):
    """The design's warnings as dicts of kind ('confounded', 'design', 'note') and text."""
    kinds = ["confounded"] * len(design["confounders"])
    kinds += ["design"] * bool(design["problem"]) + ["note"]
    return [
        {"kind": kinds[min(position, len(kinds) - 1)], "text": text}
        for position, text in enumerate(design["warnings"])
    ]


def sorted_warnings(columns):
    """All warnings with their column: confounded contrasts first, then untestable designs."""
    rank = {"confounded": 0, "design": 1, "note": 2}
    found = [{**item, "column": column} for column in columns for item in column["warnings"]]
    return sorted(found, key=lambda item: rank[item["kind"]])


def factors_of(design, samples, checks):
    """How the recorded factors, and the sex by expression, spread over the two groups compared.

    List of {name, levels}; a level is (what is recorded, profiles of the case, of the reference).
    """
    ending = f":{design['stratum']}"
    recorded = {row["sample"]: row for row in records(samples)}
    called = {row["profile"]: row["value"] for row in records(checks) if row["check"] == "sex"}
    found = []
    for name in (*FACTORS, "sex by expression"):
        counts = {}
        for item in design["profiles"]:
            profile = item["profile"].removesuffix(ending)
            row = recorded.get(profile.split("+")[0], {})
            level = called.get(profile, "") if name not in FACTORS else row.get(name, "")
            pair = counts.setdefault(level or "not recorded", [0, 0])
            pair[item["group"] == design["reference"]] += 1
        if set(counts) - {"not recorded", "unknown"}:
            found.append({"name": name, "levels": [(k, *v) for k, v in sorted(counts.items())]})
    return found


def scores_of(design, scores):
    """Set id -> the scores of the profiles compared, as dicts of profile, subject, group, score."""
    places = {item["profile"]: item for item in design["profiles"]}
    found = {}
    for row in records(scores[scores["profile"].isin(places)]):
        found.setdefault(row["set_id"], []).append(
            {**places[row["profile"]], "score": row["score"]}
        )
    return found


def genes_of(design, genes, detectability, tables):
    """Panel gene (HGNC id) -> its identifier, detection in both groups and test of the gene."""
    seen = {
        (row["hgnc_id"], row["group"]): (row["n_detected"], row["n_profiles"])
        for row in records(detectability)
    }
    tests = {row["data_id"]: row for row in records(genes[genes["symbol"] != ""])}
    return {
        row["hgnc_id"]: {
            "data_id": row["data_id"],
            "reason": row["reason"],
            "detected": [seen.get((row["hgnc_id"], design[arm])) for arm in ("case", "reference")],
            "test": tests.get(row["data_id"]) if row["data_id"] else None,
        }
        for row in records(tables["mapping"])
    }


def subject_values(design, subjects):
    """'columns' (headings) and 'rows' (panel symbol -> one value a column), log2.

    Paired: every subject's change, case minus reference. Otherwise the mean of each group.
    """
    if design["paired"]:
        wide = subjects.pivot(index="symbol", columns="subject", values="log2_change")
        columns = sorted(wide.columns)
        headings = columns
    else:
        wide = subjects.groupby(["symbol", "group"])["log2_expression"].mean().unstack("group")
        columns = [group for group in (design["case"], design["reference"]) if group in wide]
        headings = [f"mean in {group}" for group in columns]
    wide = wide[columns]
    return {
        "columns": headings,
        "rows": dict(zip(wide.index, wide.to_numpy().tolist(), strict=True)),
    }


def top_genes(genes):
    """The genes with the smallest q-values, whether in the panel or not."""
    order = ["q", "p", "data_id"]
    names = ["symbol", "mean_expression", "log2_fold_change", "ci_low", "ci_high", *order]
    own = genes.reindex(columns=names)
    return records(own[own["q"].notna()].sort_values(order, kind="stable").head(TOP_GENES))

"""The pages of the gene sets, one an axis: what every study says of each set, and why."""

import math
from collections import Counter
from urllib.parse import quote

from ..synthesis import comparison
from ..verdict import VERDICTS
from . import figures, formats
from .cells import receptor_map
from .formats import anchor, missing

SUPPORTED = ("higher", "lower")


def axis_view(axis, shared, columns, maps):
    """Everything that the page of one axis shows; see `set_view` for its sets.

    maps: dict of study -> its receptor map by set id, of the studies with single cells.
    """
    sets = [entry for entry in shared["sets"] if entry["axis"] == axis]
    return {
        "axis": axis,
        "axes": axes_of(shared),
        "sets": [set_view(entry, shared, columns, maps) for entry in sets],
        "config": shared["config"],
    }


def axes_of(shared):
    """All axes in the panel's order, with their family and page."""
    family = {entry["axis"]: entry["family"] for entry in shared["sets"]}
    return [{"name": axis, "family": family[axis], "href": axis_href(axis)} for axis in family]


def axis_href(axis):
    """The axis' page, from the report's folder."""
    return f"sets/{quote(axis)}.html"


def set_view(entry, shared, columns, maps):
    """One set: its verdicts in words, its figures, and a part a column with its genes."""
    name, members = entry["set_id"], shared["members"][entry["set_id"]]
    own = [column for column in columns if name in column["rows"]]
    # Where too few genes are detected there is no score to look into.
    scored = [column for column in own if column["rows"][name]["gate"] != "detection"]
    margin = math.log2(shared["config"]["contrast"]["margin_fold"])
    key = anchor(name)
    title = entry["set_name"]
    return {
        **entry,
        "id": key,
        "summary": summary_of([column["rows"][name] for column in own]),
        "signs": {member["direction"] for member in members},
        "members": members,
        "figures": {
            "forest": figures.forest(
                f"{key}.forest", f"Effects on {title} in every comparison",
                by_question(own, name, pooled_of(shared["meta"].get(name, []))), margin,
            ),
            "ladder": figures.ladder(
                f"{key}.ladder", f"Effects on {title}, unadjusted and adjusted",
                [
                    {**labels(c), "rungs": c["ladders"][name]}
                    for c in scored
                    if name in c["ladders"]
                ],
                margin,
            ),
            "subjects": figures.subjects(
                f"{key}.subjects", f"Scores of {title} by subject",
                [panel_of(c, name) for c in scored if name in c["scores"]],
            ),
            "genes": gene_map(f"{key}.genes", title, members, own),
            "left_out": figures.left_out(
                f"{key}.left_out", f"Effects on {title} without one gene",
                [
                    {**labels(c), "effect": c["rows"][name]["log2_fold_change"]}
                    | {"genes": c["left_out_genes"][name]}
                    for c in scored if name in c["left_out_genes"]
                ],
                margin,
            ),
        },
        "maps": [
            receptor_map(f"{key}.{anchor('map', study)}", title, study, rows.get(name, []))
            for study, rows in maps.items()
        ],
        "parts": [part_of(column, entry, members) for column in own],
    }  # fmt: skip


def labels(column):
    """The name of a column in a figure, with its n; simulated data are called so."""
    simulated = " (simulated)" if column["simulated"] else ""
    sublabel = f"{column['label']}, n {column['n_case']} v {column['n_reference']}"
    return {"label": f"{column['study']}{simulated}", "sublabel": sublabel}


def by_question(columns, name, pooled):
    """The set's rows by question (other questions: by contrast), in the order of the columns.

    pooled: as from `pooled_of`.
    """
    groups = {}
    for column in columns:
        entry = {**labels(column), "row": column["rows"][name]}
        key = comparison(column["question"], column["contrast"])
        groups.setdefault(key, []).append(entry)
    return [
        {
            "heading": formats.name(formats.question(key)),
            "rows": rows,
            "pooled": pooled.get(key, []),
        }
        for key, rows in groups.items()
    ]


def pooled_of(meta):
    """Comparison -> its pooled, unadjusted estimates of one set, as `figures.forest` takes them.

    meta: the set's rows of the synthesis.
    """
    found = {}
    for row in meta:
        if row["pooled"] != "yes" or row["adjustment"] != "none":
            continue
        stratum = "" if row["stratum"] == "all" else f", {row['stratum']}"
        inner = f"I² {formats.percent(round(row['i2'], 2))}, {row['organism']}"
        found.setdefault(row["comparison"], []).append(
            {
                "label": f"pooled, {formats.counted(row['k'], 'study')}",
                "sublabel": f"{row['tissue_class']}{stratum}, {inner}, "
                f"n {row['n_case']:.0f} v {row['n_reference']:.0f}",
                "verdict": row["finding"],
                "n_case": row["n_case"],
                "n_reference": row["n_reference"],
                **{key: row[key] for key in ("log2_fold_change", "ci_low", "ci_high", "q")},
                **{key: row[key] for key in ("prediction_low", "prediction_high")},
            }
        )
    return found


def summary_of(rows):
    """The verdicts of one set over all columns, in one sentence."""
    found = Counter(row["verdict"] for row in rows)
    parts = [f"{verdict} in {found[verdict]}" for verdict in VERDICTS if found[verdict]]
    return f"Of {formats.counted(len(rows), 'comparison')}: {', '.join(parts)}."


def panel_of(column, name):
    return {
        **labels(column),
        "sublabel": column["label"],
        "case": column["case"],
        "reference": column["reference"],
        "paired": column["paired"] or column["blocked"],
        "scores": column["scores"][name],
    }


def gene_map(key, title, members, columns):
    cells = {}
    for number, column in enumerate(columns):
        for member in members:
            test = column["genes"][member["hgnc_id"]]["test"]
            if test and not missing(test["log2_fold_change"]):
                cells[member["gene_symbol"], number] = test
    genes = [(member["gene_symbol"], member["direction"]) for member in members]
    return figures.heat_map(key, f"Genes of {title}", genes, [labels(c) for c in columns], cells)


def part_of(column, entry, members):
    """One set in one column: the verdict and why, other methods, and its genes."""
    row = column["rows"][entry["set_id"]]
    measurable = set(row["measurable_genes"].split(";")) - {""}
    genes = [gene_of(member, column, measurable) for member in members]
    return {
        "column": column,
        "id": anchor(entry["set_id"], column["study"], column["contrast"], column["stratum"]),
        "row": row,
        "why": why(row, column, column["ladders"].get(entry["set_id"], [])),
        "agreement": column["agreement"].get(entry["set_id"]),
        "genes": [gene for gene in genes if is_seen(gene)],
        "silent": [gene["symbol"] for gene in genes if gene["data_id"] and not is_seen(gene)],
        "absent": [gene for gene in genes if not gene["data_id"]],
    }


def is_seen(gene):
    """Whether the gene is detected in any sample of the two groups."""
    return any(seen and seen[0] for seen in gene["detected"])


def gene_of(member, column, measurable):
    """A gene of the set in one column; values of single subjects only where it is measurable."""
    symbol = member["gene_symbol"]
    return {
        "symbol": symbol,
        "direction": member["direction"],
        "measurable": symbol in measurable,
        "values": column["values"]["rows"].get(symbol) if symbol in measurable else None,
        **column["genes"][member["hgnc_id"]],
    }


def why(row, column, rungs):
    """The reason of a verdict, as sentences for a reader who does not program."""
    sentences = [f"{formats.verdict_words(row)}: {row['reason']}."]
    floor = row["permutation_floor"]
    if row["verdict"] in SUPPORTED and not missing(floor) and floor > 0.05:
        sentences.append(
            f"With {row['n_case']:.0f} against {row['n_reference']:.0f} subjects no exchange of "
            f"group labels can give a p below {formats.probability(floor, 3)}; this one gives "
            f"{formats.probability(row['permutation_p'], 3)}."
        )
    if row["gate"] == "confounded" and not missing(row["log2_fold_change"]):
        sentences.append(
            f"The numbers (log2 fold change {formats.signed(row['log2_fold_change'])}) cannot be "
            "laid to the disease and are shown for completeness."
        )
    sentences += [
        f"{formats.name(figures.RUNGS[rung['adjustment']])}: {rung['status']}."
        for rung in rungs
        if rung["status"] and row["gate"] != "detection"
    ]
    if column["treatment_unknown"]:
        sentences.append("Treatment is not recorded: a difference may be that of the drugs given.")
    return sentences

"""The first page: what was asked and run, whether the controls held, and the verdict matrix."""

from collections import Counter
from urllib.parse import quote

from ..verdict import VERDICTS
from . import formats
from .columns import label_of, sorted_warnings
from .formats import anchor
from .sets import axis_href
from .study import check_warnings, samples_view
from .tables import records

# What has to come out where a study is a positive control, and what never should.
POSITIVE_QUESTION, POSITIVE_SET = "glucocorticoid_vs_vehicle", "gr_response_up"
NEGATIVE_SETS = ("neg_olfactory", "neg_testis", "neg_lens_retina")


def index_view(studies, tables, shared, columns):
    """Everything that index.html shows."""
    verdicts = shared["verdicts"]
    main = shared["families"][0]
    samples = {name: samples_view(tables[name]["samples"]) for name in studies}
    subjects = {
        (column["study"], item["subject"]) for column in columns for item in column["profiles"]
    }
    controls = [*positive_controls(studies, verdicts), negative_control(verdicts)]
    return {
        "studies": studies,
        "columns": [
            {**column, "counts": count_verdicts(of_family(column, main))} for column in columns
        ],
        "n_samples": sum(item["n_included"] for item in samples.values()),
        "n_left_out": sum(item["n_left_out"] for item in samples.values()),
        "n_subjects": len(subjects),
        "n_verdicts": len(verdicts),
        "counts": count_verdicts(records(verdicts)),
        "main": main,
        "controls": controls,
        "control_counts": Counter(item["state"] for item in controls),
        "warnings": sorted_warnings(columns),
        "shared": shared_view(shared["shared"]),
        "checks": [
            {"study": name, "href": f"{quote(name)}.html", "texts": texts}
            for name in studies
            if (texts := check_warnings(records(tables[name]["checks"])))
        ],
        "without_warnings": [column for column in columns if not column["warnings"]],
        "families": [family_view(family, shared["sets"]) for family in shared["families"]],
        "genes_of": {
            name: " ".join(member["gene_symbol"] for member in members)
            for name, members in shared["members"].items()
        },
        "levels": formats.LEVELS,
        "config": shared["config"],
    }


def of_family(column, family):
    return [row for row in column["rows"].values() if row["family"] == family]


def family_view(family, sets):
    """A family's axes in the panel's order, each with its sets and the address of its page."""
    own = [entry for entry in sets if entry["family"] == family]
    axes = {}
    for entry in own:
        axes.setdefault(entry["axis"], []).append({**entry, "id": anchor(entry["set_id"])})
    return {
        "name": family,
        "n_sets": len(own),
        "axes": [
            {"name": axis, "href": axis_href(axis), "sets": entries}
            for axis, entries in axes.items()
        ],
    }


def count_verdicts(rows):
    """{verdict: number of rows}, every verdict named."""
    found = Counter(row["verdict"] for row in rows)
    return {verdict: found[verdict] for verdict in VERDICTS}


def positive_controls(studies, verdicts):
    """For every positive control study: did its glucocorticoid contrasts show the GR set higher?

    List of {state: passed, failed or not checked, study, href, row}; row is None where the study
    has no such contrast. One entry without a study where no study has the role.
    """
    found = []
    for name, record in studies.items():
        if record["role"] != "positive control":
            continue
        rows = verdicts[
            (verdicts["study"] == name)
            & (verdicts["question"] == POSITIVE_QUESTION)
            & (verdicts["set_id"] == POSITIVE_SET)
        ]
        place = {"kind": "positive", "study": name, "href": f"{quote(name)}.html"}
        for row in records(rows):
            state = "passed" if row["verdict"] == "higher" else "failed"
            found.append({**place, "state": state, "row": with_label(row)})
        if rows.empty:
            found.append({**place, "state": "not checked", "row": None})
    return found or [{"kind": "positive", "study": None, "state": "not checked", "row": None}]


def negative_control(verdicts):
    """Sets that blood never expresses: how many were judged, and those that came out moved."""
    rows = verdicts[verdicts["set_id"].isin(NEGATIVE_SETS)]
    moved = rows[rows["verdict"].isin(["higher", "lower"])]
    return {
        "kind": "negative",
        "state": "failed" if len(moved) else "passed",
        "sets": NEGATIVE_SETS,
        "total": len(rows),
        "not_measurable": int((rows["verdict"] == "not measurable").sum()),
        "moved": [with_label(row) for row in records(moved)],
    }


def with_label(row):
    place = anchor(row["set_id"], row["study"], row["contrast"], row["stratum"])
    return {**row, "label": label_of(row), "href": f"{axis_href(row['axis'])}#{place}"}


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

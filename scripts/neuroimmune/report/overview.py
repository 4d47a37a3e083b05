"""The first page: what was asked and run, whether the controls held, and the verdict matrix."""

from collections import Counter
from urllib.parse import quote

from ..verdict import VERDICTS
from . import formats
from .columns import sorted_warnings
from .formats import anchor
from .sets import axis_href
from .study import check_warnings, samples_view
from .tables import records


def index_view(studies, tables, shared, columns):
    """Everything that index.html shows."""
    verdicts = shared["verdicts"]
    main = shared["families"][0]
    samples = {name: samples_view(tables[name]["samples"]) for name in studies}
    subjects = {
        (column["study"], item["subject"]) for column in columns for item in column["profiles"]
    }
    controls = controls_view(shared["controls"])
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
        "control_counts": Counter(item["outcome"] for item in controls),
        "evidence": evidence_view(shared),
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


def controls_view(controls):
    """The workflow's own controls, as their table tells them, with the page of their study."""
    return [
        {**row, "href": f"{quote(row['study'])}.html" if row["study"] else None}
        for row in records(controls)
    ]


def evidence_view(shared):
    """The claims with what the data say of each, and of each set that stands for it."""
    axis = {entry["set_id"]: entry["axis"] for entry in shared["sets"]}
    name = {entry["set_id"]: entry["set_name"] for entry in shared["sets"]}
    found = {}
    for row in records(shared["evidence_sets"]):
        place = f"{axis_href(axis[row['set_id']])}#{anchor(row['set_id'])}"
        found.setdefault(row["claim_id"], []).append(
            {**row, "href": place, "name": name[row["set_id"]]}
        )
    claims = [
        {**row, "sets": found.get(row["claim_id"], []), "tone": tone_of(row["finding"])}
        for row in records(shared["evidence"])
    ]
    return sorted(claims, key=lambda claim: claim["tone"] == "unasked")


def tone_of(finding):
    """How a finding looks: 'for', 'against', 'unasked' or 'open'."""
    for start, tone in (("speaks for", "for"), ("speaks against", "against")):
        if finding.startswith(start):
            return tone
    return {"no difference": "against", "not asked": "unasked"}.get(finding, "open")


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

"""What goes with the report: the workbook, the crate, what could be found, console lines."""

import json
import math
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from neuroimmune.files import write_json, write_table
from neuroimmune.report import console, power, workbook
from neuroimmune.report.crate import run_crate
from neuroimmune.report.methods import citation, flat, numbered
from neuroimmune.report.workbook import write_workbook
from neuroimmune.stats.power import detectable_effect

MARGIN = math.log2(1.5)


def test_the_workbook_keeps_text_and_numbers(tmp_path):
    table = pd.DataFrame(
        {
            "title": ['=HYPERLINK("http://x")', "None", "bad\x07 bell", "-1+1"],
            "q": [0.5, float("nan"), 1e-300, 3.0],
        }
    )
    write_workbook(tmp_path / "a.xlsx", [("verdicts", "what it holds", table)])
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    assert book.sheetnames == ["about", "verdicts"]
    assert [cell.value for cell in book["about"][2]] == ["verdicts", 4, "what it holds"]
    rows = list(book["verdicts"].iter_rows(values_only=True))
    assert rows[0] == ("title", "q")
    # The bell is escaped as XLSX has it.
    texts = ['=HYPERLINK("http://x")', "None", "bad_x0007_ bell", "-1+1"]
    assert [row[0] for row in rows[1:]] == texts
    assert {cell.data_type for cell in book["verdicts"]["A"]} == {"s"}  # no formula
    assert [row[1] for row in rows[1:]] == [0.5, None, 1e-300, 3]
    write_workbook(tmp_path / "b.xlsx", [("verdicts", "what it holds", table)])
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


def test_a_table_longer_than_a_sheet_goes_on_in_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(workbook, "MOST_ROWS", 2)
    table = pd.DataFrame({"a": ["x", "y", "z"], "df": [1.0, math.inf, 3.0]})
    write_workbook(tmp_path / "a.xlsx", [("long", "", table), ("none", "", table[:0])])
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    assert book.sheetnames == ["about", "long", "long 2", "none"]
    rows = [list(book[name].iter_rows(values_only=True)) for name in book.sheetnames[1:]]
    head = ("a", "df")
    assert rows == [[head, ("x", 1), ("y", "inf")], [head, ("z", 3)], [head]]


@pytest.fixture
def crate(tmp_path):
    folder = tmp_path / "results"
    paths = {}
    for name in ("workflow/Snakefile", "workflow/rules/a.smk", "run_config.yaml", "verdicts.tsv"):
        paths[name] = folder / name
        paths[name].parent.mkdir(parents=True, exist_ok=True)
        paths[name].write_text(name)
    manifests = []
    for number, url in enumerate(["https://ftp.ncbi.nlm.nih.gov/geo/a.gz", "file:/home/me/b.gz"]):
        manifest = {"url": url, "file": Path(url).name, "bytes": 5, "sha256": "ab" * 32}
        manifest |= {"downloaded": f"2025-01-0{number + 1}T00:00:00Z"}
        manifests.append(tmp_path / "resources" / "GSE1" / f"{number}.json")
        write_json(manifests[-1], manifest)
    studies = {"GSE1": {"simulated": True}}
    found = run_crate(
        studies,
        manifests,
        paths["run_config.yaml"],
        [paths["workflow/Snakefile"], paths["workflow/rules/a.smk"]],
        [paths["verdicts.tsv"]],
        folder,
    )
    return {entity["@id"]: entity for entity in found["@graph"]}, json.dumps(found)


def test_the_crate_is_a_workflow_run_crate(crate):
    entities, text = crate
    root, run = entities["./"], entities["#run"]
    assert {"@id": "https://w3id.org/ro/wfrun/workflow/0.6"} in root["conformsTo"]
    assert root["mainEntity"] == {"@id": "workflow/Snakefile"}
    assert root["mentions"] == [{"@id": "#run"}] or root["mentions"] == {"@id": "#run"}
    assert root["datePublished"].startswith("2025-01-02")
    assert "ComputationalWorkflow" in entities["workflow/Snakefile"]["@type"]
    assert run["@type"] == "CreateAction" and run["instrument"] == {"@id": "workflow/Snakefile"}
    inputs = [item["@id"] for item in run["object"]]
    assert inputs == ["run_config.yaml", "https://ftp.ncbi.nlm.nih.gov/geo/a.gz", "#geo/GSE1/b.gz"]
    assert entities["#geo/GSE1/b.gz"]["sha256"] == "ab" * 32
    assert len(entities["verdicts.tsv"]["sha256"]) == 64
    assert "/home/me" not in text and "SIMULATED" in root["description"]
    # Nothing points at what is not described.
    named = {item["@id"] for item in root["hasPart"]}
    assert named <= set(entities)


def row(**given):
    numbers = {"standard_error": 0.3, "df": 8.0, "p": 0.5, "q": 0.9, "gate": "", "family": "main"}
    numbers |= {"detectable_effect": float(detectable_effect(0.3, 8.0)), "permutation_floor": 0.1}
    numbers |= {"n_measurable": 5, "fraction_measurable": 1.0, "set_count": math.nan}
    return {**numbers, "verdict": "inconclusive", **given}


def column(rows, **given):
    gene = {"data_id": "x", "detected": [(2, 4), (1, 4)]}
    silent = {"data_id": "y", "detected": [(1, 4), None]}
    return {
        **{"study": "GSE1", "label": "a vs b", "n_case": 5, "n_reference": 5, "paired": False},
        **{"problem": "", "confounders": [], "simulated": False},
        "genes": {"1": gene, "2": silent},
        "rows": {str(number): entry for number, entry in enumerate(rows)},
        **given,
    }


CONFIG = {
    "contrast": {"margin_fold": 1.5},
    "detect": {"min_fraction": 0.5},
    "verdict": {"max_q": 0.05, "max_permutation_p": 0.05, "min_genes": 2}
    | {"min_gene_fraction": 0.3, "min_set_count": 2, "min_subjects": 3},
}


def test_what_a_cohort_can_show():
    rows = [row(), row(p=0.03), row(gate="detection", n_measurable=1, fraction_measurable=0.2)]
    rows += [row(gate="detection", fraction_measurable=0.25, verdict="not measurable")]
    rows += [row(verdict="no difference"), row(family="other")]
    found = power.limits_of(column(rows), "main", CONFIG)
    assert (found["n_sets"], found["n_judged"], found["lost"]) == (5, 3, 1)
    assert (found["genes_detected"], found["genes_found"], found["floor"]) == (1, 2, 0.1)
    assert found["median"] == pytest.approx(2 ** detectable_effect(0.3, 8.0))
    assert [(r["any"], r["only"]) for r in found["capped"]] == [
        (1, 0),
        (2, 1),
        (0, 0),
        (0, 0),
        (0, 0),
    ]
    text = " ".join(found["reasons"])
    assert "2 sets of 5 cannot be measured" in text
    assert "smallest possible permutation p is 0.1" in text
    assert "1 set with p at most 0.05 did not stand the correction for 3 tests" in text


def test_the_subjects_needed_find_the_margin():
    entry = column([row()])
    needed = power.subjects_needed(entry, [row()], MARGIN, 3)

    def effect(n):
        return detectable_effect(0.3 * math.sqrt(5 / n), 8 + 2 * (n - 5))

    assert effect(needed) <= MARGIN < effect(needed - 1)
    assert power.subjects_needed(entry, [row(standard_error=9.0)], MARGIN, 3) is None
    assert power.subjects_needed(entry, [row(standard_error=0.001)], MARGIN, 3) == 3
    assert power.subjects_needed(entry, [], MARGIN, 3) is None


def test_a_confounded_comparison_needs_no_more_subjects():
    entry = column([row(gate="confounded")], confounders=[{"factor": "sex"}])
    found = power.limits_of(entry, "main", CONFIG)
    assert found["needed"] is None
    assert found["reasons"][0].startswith("Sex separates the two groups completely")


def test_references_are_numbered_in_order_of_use():
    text, used = numbered("# One\nby a [limma] and [bh],\nagain [limma].\n# Two\nnothing\n")
    assert text == [("One", ["by a ", 1, " and ", 2, ", again ", 1, "."]), ("Two", ["nothing"])]
    assert used == ["limma", "bh"]
    assert flat({"a": {"b": [1, 2], "c": {"d": "x"}}}) == [("a.b", "1, 2"), ("a.c.d", "x")]
    assert citation()["version"]


def test_the_last_lines_say_what_came_out(tmp_path):
    table = pd.DataFrame(
        [
            {"study": s, "verdict": v, "simulated": "no"}
            for s, v in (("A", "higher"), ("B", "lower"))
        ]
    )
    write_table(tmp_path / "verdicts.tsv", table)
    write_json(tmp_path / "d.json", [{"warnings": ["one", "two"], "confounders": ["sex"]}])
    write_table(tmp_path / "checks.tsv", pd.DataFrame({"flag": ["yes", "no", "yes"]}))
    text = console.closing(
        tmp_path / "verdicts.tsv", [tmp_path / "d.json"], [tmp_path / "checks.tsv"], "index.html"
    )
    assert (
        "2 studies, 2 verdicts:" in text
        and "     1 higher" in text
        and "     0 inconclusive" in text
    )
    assert "2 design warnings, 1 confounded comparison, 2 flagged sample checks" in text
    assert "SIMULATED" not in text and text.endswith("Open index.html")
    assert console.is_new(tmp_path / "d.json", 0)
    assert not console.is_new(tmp_path / "none", 0)
    studies = {"A": {"record": {"contrasts": {"x": 1, "y": 2}}}}
    assert console.opening(studies) == "1 study (A), 2 comparisons"

"""Guesses about a series from its record alone, and where no guess may be made."""

import gzip
import random
import re
from pathlib import Path

import pytest
import yaml

from geo_server import PRIVATE, serve
from neuroimmune import draft as module
from neuroimmune.draft import draft_study, guess_question, guess_sex, guess_treatment, kind_of_file
from neuroimmune.errors import UserError
from neuroimmune.geo import download
from neuroimmune.geo.listing import fetch_header, look_up
from neuroimmune.geo.matrix import read_header
from neuroimmune.inspection import write_draft

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "config" / "schemas"
ARRAY = {"type": ["Expression profiling by array"], "platform_id": ["GPL570"]}
SEQUENCED = {"type": ["Expression profiling by high throughput sequencing"]}


def sample(number, title="", organism="Homo sapiens", platform="GPL570", **characteristics):
    return {
        "geo_accession": f"GSM{number}",
        "title": title or f"sample {number}",
        "organism_ch1": organism,
        "platform_id": platform,
        "source_name_ch1": "whole blood",
        "characteristics": {key.replace("_", " "): text for key, text in characteristics.items()},
    }


def drafted(samples, series=ARRAY, suppl=(), annotated=("GPL570",), build=""):
    files = {"matrix": ["GSE5_series_matrix.txt.gz"], "suppl": list(suppl)}
    return draft_study("GSE5", series, samples, files, annotated, build)


def patients(n=3, **more):
    values = ["wAIHA"] * n + ["healthy"] * n
    return [sample(i, diagnosis=value, **more) for i, value in enumerate(values)]


def todo(draft, key):
    return " ".join(s for s in draft["reasons"].get(key, []) if "TODO" in s)


def test_patients_and_controls():
    draft = drafted(patients(), ARRAY | {"pubmed_id": ["123"], "title": ["T"]})
    study = draft["study"]
    assert study["samples"]["group"] == {
        "from": "characteristics.diagnosis",
        "map": {"wAIHA": "waiha", "healthy": "healthy"},
    }
    assert study["contrasts"] == {
        "waiha_vs_healthy": {
            "question": "aiha_vs_healthy",
            "case": "waiha",
            "reference": "healthy",
        }
    }
    assert study["role"] == "primary" and study["citation"] == {"pmid": "123"}
    assert study["source"] == {"kind": "series_matrix", "platform": "GPL570"}
    assert study["tissue"] == "whole blood"
    assert "treatment" not in study["samples"] and "unknown" in todo(draft, "samples.treatment")
    assert "every sample counts as one of its own" in todo(draft, "samples.subject")


def test_nothing_tells_groups_apart():
    draft = drafted([sample(i, age=str(30 + i)) for i in range(6)])
    assert draft["study"]["contrasts"] == {} and "group" not in draft["study"]["samples"]
    assert "no field tells groups apart" in todo(draft, "samples")


def test_a_disease_goes_before_the_drug_that_follows_it():
    values = [("relapse", "prednisolone and rituximab")] * 3 + [("remission", "none")] * 3
    samples = [sample(i, disease_phase=p, treatment=t) for i, (p, t) in enumerate(values)]
    study = drafted(samples)["study"]
    assert study["samples"]["group"]["from"] == "characteristics.disease phase"
    assert study["samples"]["treatment"]["map"] == {
        "prednisolone and rituximab": "glucocorticoid+rituximab",
        "none": "none",
    }
    assert study["contrasts"]["relapse_vs_remission"]["question"] == "relapse_vs_remission"


def test_pairs_by_a_donor():
    values = [(d, a) for d in "ABC" for a in ("vehicle", "dexamethasone")]
    study = drafted([sample(i, donor=d, agent=a) for i, (d, a) in enumerate(values)])["study"]
    assert study["samples"]["subject"] == {"from": "characteristics.donor"}
    assert study["contrasts"]["dexamethasone_vs_vehicle"] == {
        "question": "glucocorticoid_vs_vehicle",
        "case": "dexamethasone",
        "reference": "vehicle",
        "paired": True,
    }


def test_numbers_of_replicates_in_titles_are_no_pairs():
    titles = [f"{g} {i}" for g in ("Control", "Dex") for i in (1, 2, 3)]
    draft = drafted([sample(i, title=title) for i, title in enumerate(titles)])
    assert draft["study"]["samples"]["group"]["from"] == "title"
    assert "subject" not in draft["study"]["samples"]
    assert "paired" not in draft["study"]["contrasts"]["dex_vs_control"]


def test_the_same_numbers_for_patients_and_healthy_donors_are_different_persons():
    samples = patients()
    for i, entry in enumerate(samples):
        entry["characteristics"]["subject id"] = str(i % 3 + 1)
    draft = drafted(samples)
    assert "paired" not in draft["study"]["contrasts"]["waiha_vs_healthy"]
    assert [row["subject"] for row in draft["rows"]][::3] == ["waiha 1", "healthy 1"]
    assert "begin anew in each group" in todo(draft, "samples.subject")


def test_a_sample_without_a_subject_is_one_of_its_own_and_said():
    samples = patients()
    for i, entry in enumerate(samples):
        entry["characteristics"]["patient"] = "--" if i == 0 else f"P{i}"
    draft = drafted(samples)
    assert draft["rows"][0]["subject"] == "GSM0" and draft["rows"][1]["subject"] == "P1"
    assert "samples without a subject, each its own in samples.tsv: 1" in todo(
        draft, "samples.subject"
    )


def test_tissues_of_the_same_donors_are_not_merged():
    samples = []
    for donor in range(6):
        for tissue in ("Neutrophils", "Whole blood", "CD4"):
            status = "healthy" if donor < 3 else "AIHA"
            samples.append(sample(len(samples), celltype=tissue, donorid=str(donor), status=status))
    draft = drafted(samples)
    kept = [row for row in draft["rows"] if row.get("include") != "no"]
    assert len(kept) == 6 and draft["study"]["tissue"] == "Whole blood"
    left_out = next(row for row in draft["rows"] if row.get("include") == "no")
    assert left_out["note"] == "characteristics.celltype: Neutrophils"


def test_other_organisms_and_platforms_are_left_out():
    samples = patients() + [
        sample(8, organism="Canis lupus familiaris"),
        sample(9, platform="GPL9"),
    ]
    draft = drafted(samples)
    notes = {row["sample"]: row["note"] for row in draft["rows"] if row.get("include") == "no"}
    assert notes == {"GSM8": "organism: Canis lupus familiaris", "GSM9": "platform: GPL9"}


def test_several_steroid_fields_are_read_together():
    given = [
        ("N", "Y", "10"),
        ("Y", "N", "0"),
        ("N", "N", "0"),
        ("", "", ""),
        ("N", "N", "0"),
        ("N", "", ""),
    ]
    samples = patients()
    for entry, (iv, oral, dose) in zip(samples, given, strict=True):
        entry["characteristics"] |= {"iv cs": iv, "oral cs": oral, "cs mg/d": dose}
    draft = drafted(samples)
    assert [row["treatment"] for row in draft["rows"]] == [
        "glucocorticoid",
        "glucocorticoid",
        "none",
        "unknown",
        "none",
        "unknown",
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("prednisolone 20 mg", "glucocorticoid"),
        ("Dex", "glucocorticoid"),
        ("rituximab", "rituximab"),
        ("steroids + rituximab", "glucocorticoid+rituximab"),
        ("no steroids", "none"),
        ("steroid-naive", "none"),
        ("Untreated", "none"),
        ("vehicle (0.1% DMSO)", "none"),
        ("albuterol", "other"),
        ("Albuterol_Dexamethasone", "glucocorticoid"),
        ("20", "unknown"),
    ],
)
def test_treatments(text, wanted):
    assert guess_treatment(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("F", "female"), ("Male", "male"), ("man", "male"), ("woman", "female"), ("NA", "unknown")],
)
def test_sexes(text, wanted):
    assert guess_sex(text) == wanted


@pytest.mark.parametrize(
    ("case", "reference", "about", "organism", "wanted"),
    [
        ("cold agglutinin disease", "healthy donors", "", "Homo sapiens", "aiha_vs_healthy"),
        ("lupus", "healthy", "AIHA in lupus", "Homo sapiens", "other"),
        ("diagnosis", "remission", "", "Homo sapiens", "diagnosis_vs_remission"),
        ("relapse", "diagnosis", "", "Homo sapiens", "relapse_vs_diagnosis"),
        ("il2_ko", "wild_type", "IL-2 KO mice", "Mus musculus", "model_vs_wildtype"),
        ("epo", "baseline", "", "Homo sapiens", "erythropoiesis_vs_baseline"),
        ("dex", "control", "", "Homo sapiens", "glucocorticoid_vs_vehicle"),
        ("albuterol_dexamethasone", "untreated", "", "Homo sapiens", "other"),
        ("dexamethasone", "ifn", "", "Homo sapiens", "other"),
        ("stressed", "calm", "", "Homo sapiens", "stress_vs_calm"),
        ("tumor", "normal", "", "Homo sapiens", "other"),
    ],
)
def test_questions(case, reference, about, organism, wanted):
    assert guess_question(case, reference, about, organism) == wanted


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("GSE5_RAW.tar", "archive, a file a sample"),
        ("GSE5_raw_counts.txt.gz", "counts"),
        ("GSE5_normalized_counts.txt.gz", "normalised values"),
        ("GSE5_fpkm_table.txt.gz", "normalised values"),
        ("GSE5_matrix.mtx.gz", "single cells"),
        ("GSE5_deg_results.xlsx", "results or descriptions"),
        ("GSE5_expression.csv.gz", "table"),
        ("GSE5_signal.bw", "tracks or raw intensities"),
        ("GSE5_something.pdf", "other"),
    ],
)
def test_kinds_of_files(name, wanted):
    assert kind_of_file(name) == wanted


@pytest.mark.parametrize(
    ("suppl", "build", "wanted"),
    [
        (["GSE5_counts.txt.gz"], "GRCh38.p13", {"kind": "ncbi_counts", "build": "GRCh38.p13"}),
        (
            ["GSE5_fpkm.txt.gz", "GSE5_counts.txt.gz"],
            "",
            {"kind": "counts_table", "file": "GSE5_counts.txt.gz"},
        ),
        (["GSE5_RAW.tar"], "", {"kind": "counts_table", "file": "GSE5_RAW.tar"}),
        ([], "", {"kind": "counts_table", "file": "TODO.txt.gz"}),
    ],
)
def test_where_the_counts_are(suppl, build, wanted):
    draft = drafted(patients(), SEQUENCED, suppl, build=build)
    assert draft["study"]["assay"] == "rnaseq" and draft["study"]["source"] == wanted


def test_an_array_without_geos_annotation():
    draft = drafted(patients(), annotated=())
    assert draft["study"]["source"]["annotation"] == "GPL570.txt"


def test_reasons_stand_in_the_file_and_odd_texts_stay_text(tmp_path):
    samples = patients(group="x")
    for i, entry in enumerate(samples):
        entry["characteristics"]["diagnosis"] = "yes: 1" if i < 3 else "no"
        entry["title"] = "a\tb"
    files = {"matrix": [], "suppl": ["<b>.txt.gz"]}
    series = ARRAY | {"title": ["A: 'b' # c"]}
    text = write_draft(tmp_path, "GSE5", (series, samples, files, ["GPL570"], ""), SCHEMAS, 3)
    study = (tmp_path / "study.yaml").read_text()
    loaded = yaml.safe_load(study)
    assert loaded["title"] == "A: 'b' # c"
    assert loaded["samples"]["group"]["map"] == {"yes: 1": "yes_1", "no": "no"}
    assert "# guessed: characteristics.diagnosis has 2 values" in study
    assert max(map(len, study.splitlines())) < 110
    assert (tmp_path / "samples.tsv").read_text().splitlines()[1] == "GSM0\tyes\ta b"
    page = (tmp_path / "summary.html").read_text()
    assert "&lt;b&gt;.txt.gz" in page and "http" not in page
    assert "can be run" in text or "treatment unknown" in text


def test_a_draft_that_cannot_run_says_so(tmp_path):
    record = (ARRAY, [sample(i) for i in range(4)], {"matrix": [], "suppl": []}, [], "")
    text = write_draft(tmp_path, "GSE5", record, SCHEMAS, 3)
    assert "The draft does not run yet:" in text
    assert re.search(r"study.yaml:\d+: contrasts: found {}; at least one entry is needed", text)


# What is fetched

MATRIX = (
    '!Series_title\t"simulated"\n!Series_geo_accession\t"GSE5"\n!Series_platform_id\t"GPL570"\n'
    '!Series_type\t"Expression profiling by array"\n'
    '!Sample_geo_accession\t"GSM1"\t"GSM2"\n!Sample_title\t"a"\t"b"\n'
    '!series_matrix_table_begin\n"ID_REF"\t"GSM1"\t"GSM2"\n'
) + random.Random(1).randbytes(3 << 20).hex()  # packs to 3 MiB


@pytest.fixture
def geo(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "BACKOFF", 0.001)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = tmp_path / "geo" / "series" / "GSEnnn" / "GSE5"
    (folder / "matrix").mkdir(parents=True)
    (folder / "suppl").mkdir()
    (folder / "matrix" / "GSE5_series_matrix.txt.gz").write_bytes(
        gzip.compress(MATRIX.encode(), 1, mtime=0)
    )
    (folder / "suppl" / "GSE5_counts.txt.gz").write_bytes(gzip.compress(b"x"))
    with serve(tmp_path / "geo") as server:
        yield server


def settings(base_url):
    return {
        "base_url": base_url,
        "ncbi_counts_url": "{base_url}/series/{stub}/{accession}/rnaseq_counts/{file}",
        "platform_table_url": "{base_url}/x/{file}",
    }


PATH = "/series/GSEnnn/GSE5/matrix/GSE5_series_matrix.txt.gz"


@pytest.mark.parametrize("kind", ["http", "file"])
def test_the_record_is_looked_up(geo, kind):
    base = geo.url if kind == "http" else f"file:{geo.folder}"
    series, samples, files, annotated, build = look_up(settings(base), "GSE5")
    assert series["title"] == ["simulated"] and len(samples) == 2
    assert files == {"matrix": ["GSE5_series_matrix.txt.gz"], "suppl": ["GSE5_counts.txt.gz"]}
    assert annotated == [] and build == ""


def test_only_the_head_of_a_matrix_is_fetched(geo, tmp_path):
    geo.misbehave(PATH, "drop", at=1 << 20)
    target = tmp_path / "header"
    fetch_header(geo.url + PATH, target)
    assert len(geo.requests) == 1 and target.stat().st_size < 500
    assert read_header(target)[0]["title"] == ["simulated"]


def test_a_record_is_asked_for_again(geo, tmp_path):
    geo.misbehave(PATH, "status", times=1, code=429, headers={"Retry-After": "0"})
    geo.misbehave(PATH, "drop", times=1, at=40)
    geo.misbehave(PATH, "page", times=1, body=b"<html><title>Busy</title></html>")
    fetch_header(geo.url + PATH, tmp_path / "header")
    assert len(geo.requests) == 4


def test_no_record(geo, tmp_path):
    with pytest.raises(UserError, match="404 Not Found.*mistyped, private or withdrawn"):
        look_up(settings(geo.url), "GSE6")
    with pytest.raises(UserError, match="no such file"):
        look_up(settings(f"file:{geo.folder}"), "GSE6")
    geo.misbehave(PATH, "page", body=PRIVATE)
    with pytest.raises(UserError, match="is private"):
        look_up(settings(geo.url), "GSE5")
    with pytest.raises(UserError, match="expected a series, such as GSE301528"):
        look_up(settings(geo.url), "GPL570")


def test_reference_words_do_not_match_within_words():
    assert module._rank("insensitive") is None and module._rank("abnormal") is None
    assert module._rank("HC") == 0 and module._rank("SCA without IS") is not None


@pytest.mark.parametrize(
    ("title", "suppl", "wanted"),
    [
        ("10x of marrow", ["GSE5_RAW.tar"], {"kind": "tenx"}),
        ("Marrow", ["GSE5_matrix.mtx.gz"], {"kind": "tenx"}),
        ("scRNA-seq", ["GSE5_all.h5ad"], {"kind": "h5ad", "file": "GSE5_all.h5ad"}),
    ],
)
def test_single_cells(title, suppl, wanted):
    draft = drafted(patients(), SEQUENCED | {"title": [title]}, suppl, build="GRCh38.p13")
    assert draft["study"]["assay"] == "scrnaseq" and draft["study"]["source"] == wanted

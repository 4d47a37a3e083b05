"""Curation: GEO's record and the study's rules in one table, nothing dropped silently."""

import pytest

from neuroimmune.errors import UserError
from neuroimmune.samples import curate


def geo(number, title, **characteristics):
    return {
        "geo_accession": f"GSM{number}",
        "title": title,
        "source_name_ch1": "Whole Blood",
        "platform_id": "GPL1",
        "relation": f"BioSample: https://www.ncbi.nlm.nih.gov/biosample/SAMN{number} | SRA: x",
        "supplementary_file_1": f"ftp://x/GSM{number}.txt.gz",
        "characteristics": characteristics,
    }


GEO = [
    geo(1, "P1 a", group="AIHA", donor="P1", drug="pred"),
    geo(2, "P1 b", group="AIHA", donor="P1", drug="pred"),
    geo(3, "P2", group="AIHA", donor="P2"),
    geo(4, "H1", group="healthy", donor="H1"),
    geo(5, "H2", group="Healthy ", donor="None"),
    geo(6, "blank", group="water"),
]


def study(tmp_path, **changes):
    record = {
        "accession": "GSE1",
        "folder": str(tmp_path),
        "rows": None,
        "source": {"kind": "series_matrix", "platform": "GPL1"},
        "samples": {
            "subject": {"from": "characteristics.donor"},
            "group": {
                "from": "characteristics.Group",
                "map": {"AIHA": "aiha", "healthy": "control", "Healthy ": "control", "water": None},
            },
            "treatment": {
                "from": "characteristics.drug",
                "map": {"": "none", "pred": "glucocorticoid"},
            },
        },
        "contrasts": {"c": {"question": "aiha_vs_healthy", "case": "aiha", "reference": "control"}},
    } | changes
    lines = ["accession: GSE1", "source: {platform: GPL1}", "samples:"]
    lines += [
        "  subject: {from: x}",
        "  group:",
        "    from: y",
        "    map: {}",
        "  treatment: {from: z}",
    ]
    lines += ["contrasts:", "  c:", "    case: aiha", "    reference: control", "    paired: true"]
    lines += ["exclude:", "  - {sample: GSM3}"]
    (tmp_path / "study.yaml").write_text("\n".join(lines))
    return record


SERIES = {"platform_id": ["GPL1"]}


def problems(record, samples=GEO, series=SERIES):
    with pytest.raises(UserError) as error:
        curate(record, series, samples)
    return [text.replace(f"{record['folder']}/", "") for text in error.value.problems]


def test_curated_table(tmp_path):
    table = curate(study(tmp_path, exclude=[{"sample": "GSM3", "reason": "outlier"}]), SERIES, GEO)
    assert list(table["sample"]) == [f"GSM{i}" for i in range(1, 7)]
    assert list(table["group"]) == ["aiha", "aiha", "aiha", "control", "control", ""]
    assert list(table["subject"]) == ["P1", "P1", "P2", "H1", "None", "GSM6"]
    assert list(table["treatment"]) == ["glucocorticoid"] * 2 + ["none"] * 4
    assert list(table["include"]) == ["yes", "yes", "no", "yes", "yes", "no"]
    assert table.at[2, "reason"] == "outlier"
    assert table.at[5, "reason"] == "its group is mapped to nothing in study.yaml"
    assert table.at[0, "geo_characteristics"] == "group: AIHA; donor: P1; drug: pred"
    assert table.at[0, "geo_biosample"] == "SAMN1"
    assert table.at[0, "geo_supplementary"] == "ftp://x/GSM1.txt.gz"


def test_samples_tsv_wins_and_leaves_out_what_it_does_not_list(tmp_path):
    rows = [
        {"sample": "GSM1", "subject": "A"},
        {"sample": "GSM3", "subject": "B", "include": "no", "note": "swapped tube"},
        {"sample": "GSM4", "subject": "C"},
    ]
    record = study(tmp_path, rows=rows)
    del record["samples"]["subject"]
    table = curate(record, SERIES, GEO).set_index("sample")
    assert table.loc["GSM1", "subject"] == "A"
    assert table.loc["GSM3", "reason"] == "swapped tube"
    assert table.loc["GSM2", "reason"] == "not listed in samples.tsv"
    assert list(table.index[table["include"] == "yes"]) == ["GSM1", "GSM4"]


def test_a_table_without_geo(tmp_path):
    rows = [
        {"sample": "m1", "group": "aiha", "files": "col 1"},
        {"sample": "m2", "group": "control", "files": "col 2"},
    ]
    record = study(tmp_path, rows=rows, samples={}, source={"kind": "counts_table"})
    table = curate(record, None, None)
    assert list(table["files"]) == ["col 1", "col 2"]
    assert list(table["treatment"]) == ["unknown", "unknown"]


def test_unknown_samples_and_platform(tmp_path):
    record = study(
        tmp_path,
        exclude=[{"sample": "GSM99", "reason": "x"}],
        rows=[{"sample": "GSM1"}, {"sample": "GSM4"}, {"sample": "GSM77"}],
        source={"kind": "series_matrix", "platform": "GPL570"},
    )
    assert problems(record) == [
        "study.yaml:2: source.platform is GPL570, but GSE1 was measured on GPL1",
        "samples.tsv:4: sample GSM77 is not in the series; GSE1 has 6: GSM1, GSM2, GSM3, GSM4, "
        "GSM5, GSM6",
        "study.yaml:15: exclude: GSM99 is not in the series; GSE1 has 6: GSM1, GSM2, GSM3, GSM4, "
        "GSM5, GSM6",
    ]


def test_value_that_no_map_covers_and_field_that_geo_lacks(tmp_path):
    record = study(tmp_path)
    record["samples"]["group"]["map"] = {"AIHA": "aiha", "healthy": "control"}
    record["samples"]["subject"] = {"from": "characteristics.patient"}
    assert problems(record) == [
        "study.yaml:4: samples.subject.from: GEO has no 'characteristics.patient' for GSE1; it has "
        "characteristics.donor (5 samples), characteristics.drug (2 samples), "
        "characteristics.group (6 samples), source_name (6 samples), title (6 samples)",
        "study.yaml:7: samples.group.map does not cover what GEO says in characteristics.Group: "
        "'Healthy ' (1 samples), 'water' (1 samples); the map covers 'AIHA', 'healthy'. Add a line "
        "for each (null leaves the samples out)",
    ]


def test_a_map_need_not_cover_excluded_samples(tmp_path):
    record = study(tmp_path, exclude=[{"sample": "GSM6", "reason": "water"}])
    del record["samples"]["group"]["map"]["water"]
    assert curate(record, SERIES, GEO)["reason"].iloc[-1] == "water"


def test_pattern(tmp_path):
    record = study(tmp_path)
    record["samples"]["subject"] = {"from": "title", "pattern": r"^([PH]\d)"}
    assert problems(record)[0].startswith(
        "study.yaml:4: samples.subject.pattern does not cover what GEO says in title: 'blank' (1 s"
    )
    record["exclude"] = [{"sample": "GSM6", "reason": "water"}]
    table = curate(record, SERIES, GEO)
    assert list(table["subject"]) == ["P1", "P1", "P2", "H1", "H2", "GSM6"]


def test_group_without_samples(tmp_path):
    record = study(tmp_path)
    record["contrasts"]["c"]["case"] = "relapse"
    assert problems(record) == [
        "study.yaml:11: contrasts.c.case: no sample is in group 'relapse'; groups: 'aiha' (3 "
        "samples), 'control' (2 samples)"
    ]


def test_one_subject_in_both_groups_needs_pairs(tmp_path):
    record = study(tmp_path)
    record["samples"]["subject"] = {"value": "me"}
    assert problems(record) == [
        "study.yaml:10: contrasts.c: subject me is in both groups, so the samples are not "
        "independent; set 'paired: true', or leave samples out under exclude:"
    ]
    record["contrasts"]["c"]["paired"] = True
    assert len(curate(record, SERIES, GEO)) == 6
    record["samples"]["subject"] = {"from": "sample"}
    assert problems(record)[0].startswith(
        "study.yaml:13: contrasts.c.paired: no subject has a sample in both groups; check"
    )

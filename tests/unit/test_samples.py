"""Curation: GEO's record and the study's rules in one table, nothing dropped silently."""

import pytest

from neuroimmune.errors import UserError
from neuroimmune.files import read_table, write_table
from neuroimmune.samples import COLUMNS, curate


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
    geo(5, "H2", group="Healthy ", donor="H/2"),
    geo(6, "blank", group="water"),
]


def study(tmp_path, **changes):
    record = {
        "accession": "GSE1",
        "folder": str(tmp_path),
        "rows": None,
        "corrections": [],
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
    assert list(table["subject"]) == ["P1", "P1", "P2", "H1", "H/2", "GSM6"]
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
        "independent; set 'paired: true' (complete pairs only), 'blocked: true' (all samples), or "
        "leave samples out under exclude:"
    ]
    record["contrasts"]["c"]["paired"] = True
    assert len(curate(record, SERIES, GEO)) == 6
    record["samples"]["subject"] = {"from": "sample"}
    assert problems(record)[0].startswith(
        "study.yaml:13: contrasts.c.paired: no subject has a sample in both groups; check"
    )


def correction(sample, field, old, new):
    return {
        "sample": sample,
        "field": field,
        "from": old,
        "to": new,
        "reason": "see table S1",
        "source": "doi:10/x",
    }


def test_corrections_are_read_in_place_of_what_geo_says_which_stays_visible(tmp_path):
    record = study(
        tmp_path,
        corrections=[
            correction("GSM3", "characteristics.Group", "AIHA", "healthy"),
            correction("GSM3", "title", "P2", "H0"),
            correction("GSM6", "characteristics.donor", "", "H6"),
            correction("GSM2", "characteristics.drug", "pred", ""),
        ],
    )
    table = curate(record, SERIES, GEO).set_index("sample")
    assert list(table["group"]) == ["aiha", "aiha", "control", "control", "control", ""]
    assert list(table["treatment"]) == ["glucocorticoid"] + ["none"] * 5
    assert table.at["GSM6", "subject"] == "H6"
    assert table.at["GSM3", "title"] == "H0"
    assert table.at["GSM3", "geo_characteristics"] == "group: AIHA; donor: P2"
    assert table.at["GSM3", "corrected"] == (
        "characteristics.Group: AIHA -> healthy (see table S1); title: P2 -> H0 (see table S1)"
    )
    assert table.at["GSM2", "corrected"] == "characteristics.drug: pred ->  (see table S1)"
    assert list(table["corrected"] == "") == [True, False, False, True, True, False]
    assert GEO[2]["characteristics"]["group"] == "AIHA"


def test_corrections_of_what_geo_does_not_say(tmp_path):
    record = study(
        tmp_path,
        corrections=[
            correction("GSM3", "characteristics.group", "aiha", "healthy"),
            correction("GSM9", "title", "a", "b"),
            correction("GSM3", "characteristics.sex", "", "female"),
            correction("GSM1", "title", "P1 a", "P1"),
        ],
    )
    assert problems(record) == [
        "corrections.tsv:2: characteristics.group of GSM3: GEO says 'AIHA', not 'aiha'; see "
        "whether the correction is still needed, then change 'from' or delete the line",
        "corrections.tsv:3: sample GSM9 is not in the series; GSE1 has 6: GSM1, GSM2, GSM3, GSM4, "
        "GSM5, GSM6",
        "corrections.tsv:4: GEO has no 'characteristics.sex' for GSE1; it has "
        "characteristics.donor (5 samples), characteristics.drug (2 samples), "
        "characteristics.group (6 samples), source_name (6 samples), title (6 samples)",
    ]


def test_a_superseries_names_its_parts(tmp_path):
    series = SERIES | {
        "relation": ["BioProject: x", "SuperSeries of: GSE2", "SuperSeries of: GSE3"]
    }
    record = study(tmp_path)
    assert problems(record, series=series) == [
        "study.yaml:1: GSE1 is a SuperSeries of GSE2, GSE3, which may differ in assay, platform "
        "and tissue: set accession to one of them, or source.superseries: true to take the "
        "SuperSeries' own matrix"
    ]
    record["source"]["superseries"] = True
    assert len(curate(record, series, GEO)) == 6
    part = SERIES | {"relation": ["SubSeries of: GSE9"], "geo_accession": ["GSE1"]}
    assert len(curate(study(tmp_path), part, GEO)) == 6
    assert problems(study(tmp_path), series=SERIES | {"geo_accession": ["GSE9"]}) == [
        "study.yaml:1: accession is GSE1, but GSE1_series_matrix.txt.gz is the record of GSE9"
    ]


def test_samples_of_several_platforms(tmp_path):
    mixed = [{**row, "platform_id": f"GPL{1 + index // 4}"} for index, row in enumerate(GEO)]
    series = {"platform_id": ["GPL1", "GPL2"]}
    assert problems(study(tmp_path), mixed, series) == [
        "study.yaml:2: the samples were measured on 2 platforms (GPL1: GSM1, GSM2, GSM3, GSM4; "
        "GPL2: GSM5); set source.platform and source.matrix "
        "(GSE1-GPL1_series_matrix.txt.gz, for example) to one of them, or leave the other samples "
        "out under exclude:"
    ]
    one = study(tmp_path, exclude=[{"sample": "GSM5", "reason": "other platform"}])
    assert list(curate(one, series, mixed)["geo_platform"]) == ["GPL1"] * 4 + ["GPL2"] * 2
    # Counts do not depend on the sequencer.
    counts = study(tmp_path, source={"kind": "counts_table", "file": "x"})
    assert len(curate(counts, series, mixed)) == 6
    # The series lists both platforms, the file is that of the other one.
    source = {"kind": "series_matrix", "platform": "GPL2", "matrix": "GSE1-GPL1_x"}
    assert problems(study(tmp_path, source=source), GEO, series) == [
        "study.yaml:2: source.platform is GPL2, but the samples in GSE1-GPL1_x were measured on "
        "GPL1: GSM1, GSM2, GSM3, GSM4, GSM5; set source.platform to that, or source.matrix to the "
        "other file"
    ]


def test_none_is_no_supplementary_file(tmp_path):
    samples = [{**row, "supplementary_file_1": "NONE"} for row in GEO]
    samples[0]["supplementary_file_2"] = "ftp://x/GSM1.bed.gz"
    table = curate(study(tmp_path), SERIES, samples)
    assert list(table["geo_supplementary"]) == ["ftp://x/GSM1.bed.gz"] + [""] * 5


@pytest.mark.parametrize("blank", ["", "None", "n/a", "--", "Not Applicable"])
def test_samples_without_a_subject_are_not_taken_for_subjects(tmp_path, blank):
    samples = [geo(1, "P1", group="AIHA", donor="P1"), geo(2, "P2", group="AIHA", donor="P2")]
    samples += [geo(n, f"H{n}", group="healthy", donor=blank) for n in (3, 4)]
    samples += [geo(5, "water", group="water")]
    record = study(tmp_path)
    del record["samples"]["treatment"]
    shown = [f"GSM{n} ({blank or f'H{n}'})" for n in (3, 4)]
    assert problems(record, samples) == [
        f"study.yaml:4: samples.subject: no subject for 2 of 4 samples: {shown[0]}, {shown[1]}. "
        "They are not taken for subjects of their own: name them in corrections.tsv or "
        "samples.tsv, or leave them out under exclude:"
    ]
    record["corrections"] = [
        correction(f"GSM{n}", "characteristics.donor", blank, f"H{n}") for n in (3, 4)
    ]
    table = curate(record, SERIES, samples)
    assert list(table["subject"]) == ["P1", "P2", "H3", "H4", "GSM5"]


def test_a_placeholder_in_samples_tsv_is_no_subject(tmp_path):
    rows = [{"sample": f"GSM{n}", "subject": "NA" if n > 3 else f"P{n}"} for n in range(1, 6)]
    record = study(tmp_path, rows=rows)
    del record["samples"]["subject"]
    assert problems(record) == [
        "samples.tsv: samples.subject: no subject for 2 of 5 samples: GSM4 (NA), GSM5 (NA). They "
        "are not taken for subjects of their own: name them in corrections.tsv or samples.tsv, or "
        "leave them out under exclude:"
    ]
    # Without any word about subjects, every sample is its own.
    for row in rows:
        del row["subject"]
    assert list(curate(record, SERIES, GEO)["subject"]) == [f"GSM{n}" for n in range(1, 7)]


def titled(tmp_path, pattern, *titles):
    """A study whose subjects come from the titles: all AIHA but the last, which is healthy."""
    record = study(tmp_path)
    record["samples"]["subject"] = {"from": "title", "pattern": pattern}
    del record["samples"]["treatment"]
    groups = ["AIHA"] * (len(titles) - 1) + ["healthy"]
    pairs = zip(titles, groups, strict=True)
    return record, [geo(n, title, group=group) for n, (title, group) in enumerate(pairs, 1)]


def test_a_pattern_that_makes_one_subject_of_a_group(tmp_path):
    record, samples = titled(tmp_path, "^(.+?) ", "P a", "P b", "P c", "P d", "H e")
    assert problems(record, samples) == [
        "study.yaml:4: samples.subject.pattern takes all 4 samples of group 'aiha' for replicates "
        "of one subject, 'P'; subjects found: H, P. Change the pattern, or, if it is one subject "
        "indeed, name it in samples.tsv"
    ]
    record, samples = titled(tmp_path, "^(.+?) ", "P a", "P b", "P c", "H e")
    assert list(curate(record, SERIES, samples)["subject"]) == ["P", "P", "P", "H"]


def test_a_pattern_that_cuts_numbers(tmp_path):
    record, samples = titled(tmp_path, "^([PH].)", "P1", "P10", "P11", "P2", "H12")
    assert problems(record, samples) == [
        "study.yaml:4: samples.subject.pattern cuts numbers in two: 'P1', 'P10', 'P11' all become "
        "subject 'P1'; let it take the whole number"
    ]
    record, samples = titled(tmp_path, "^([PH]\\d+)", "P1 x", "P1 y", "P11", "P2", "H12")
    assert list(curate(record, SERIES, samples)["subject"]) == ["P1", "P1", "P11", "P2", "H12"]


def test_one_title_twice_is_kept(tmp_path):
    samples = [{**row, "title": "blood"} for row in GEO]
    table = curate(study(tmp_path), SERIES, samples)
    assert list(table["title"]) == ["blood"] * 6
    assert list(table["sample"]) == [f"GSM{i}" for i in range(1, 7)]


def test_ages_that_are_no_numbers(tmp_path):
    def aged(*ages):
        record = study(tmp_path)
        record["samples"]["age"] = {"from": "characteristics.age", "pattern": "^[^ ]+"}
        record["contrasts"]["c"]["covariates"] = ["age"]
        pairs = zip(GEO, ages, strict=True)
        return record, [
            {**row, "characteristics": {**row["characteristics"], "age": age}} for row, age in pairs
        ]

    record, samples = aged("61", "N/A", "61-65", "40.5 years", "", "old")
    assert problems(record, samples) == [
        "study.yaml:10: contrasts.c.covariates: age is no number for 2 of 4 samples: GSM2 "
        "('N/A'), GSM3 ('61-65'). Take the number out with samples.age.pattern; blank or "
        "'unknown' leaves a sample out of the contrast"
    ]
    record["contrasts"]["c"]["covariates"] = []
    assert list(curate(record, SERIES, samples)["age"])[:4] == ["61", "N/A", "61-65", "40.5"]
    record, samples = aged("8 weeks", "8 weeks", "3 months", "unknown", "", "")
    assert problems(record, samples) == [
        "study.yaml:10: contrasts.c.covariates: ages are given in months and weeks: GSM3 "
        "('3 months'), GSM1 ('8 weeks'). Write them in one unit, in corrections.tsv or samples.tsv"
    ]
    record, samples = aged("61 years", "61", "40.5", "unknown", "", "a year")
    assert list(curate(record, SERIES, samples)["age"])[:3] == ["61", "61", "40.5"]


def test_values_stay_text_through_the_table(tmp_path):
    odd = ["007", "01/02/2011", "1e5", '5\' "q"', "<b>x</b> & 'y'", "NA"]
    samples = [
        {**row, "title": value, "characteristics": {**row["characteristics"], "day": value}}
        for row, value in zip(GEO, odd, strict=True)
    ]
    record = study(tmp_path, exclude=[{"sample": "GSM5", "reason": "two\nlines and a\ttab"}])
    record["samples"] |= {
        "age": {"from": "characteristics.day"},
        "batch": {"from": "characteristics.day"},
    }
    write_table(tmp_path / "samples.tsv", curate(record, SERIES, samples))
    table = read_table(tmp_path / "samples.tsv")
    assert list(table.columns) == list(COLUMNS)
    for column in ("title", "age", "batch"):
        assert list(table[column]) == odd
    assert table.at[4, "reason"] == "two lines and a tab"
    assert table.at[4, "geo_characteristics"].endswith("day: <b>x</b> & 'y'")

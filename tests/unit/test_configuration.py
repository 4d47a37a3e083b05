"""Config and study validation: every error at once, with file, line and what to do."""

from pathlib import Path

import pytest
import yaml

from neuroimmune import settings
from neuroimmune.errors import UserError
from neuroimmune.studies import (
    expression_files,
    geo_files,
    matrix_files,
    owner,
    read_studies,
    read_study,
)
from neuroimmune.validation import check_yaml, read_yaml

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "config" / "schemas"

STUDY = """\
accession: GSE1000
title: A study
organism: Homo sapiens
tissue: PBMC
assay: rnaseq
role: primary
source: {kind: counts_table, file: counts.txt.gz}
samples:
  group: {from: title, map: {a: case, b: control}}
contrasts:
  c: {question: aiha_vs_healthy, case: case, reference: control}
"""


def write_study(folder, text=STUDY, rows=None, corrections=None):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.yaml").write_text(text)
    if rows:
        (folder / "samples.tsv").write_text(rows)
    if corrections:
        (folder / "corrections.tsv").write_text(corrections)
    return folder


def problems(folder):
    with pytest.raises(UserError) as error:
        read_study(folder, SCHEMAS)
    return [text.replace(f"{folder}/", "") for text in error.value.problems]


def test_default_config_and_studies_are_valid():
    config = read_yaml(ROOT / "config" / "config.yaml")
    assert (
        check_yaml(config, SCHEMAS / "config.schema.yaml", [ROOT / "config" / "config.yaml"]) == []
    )
    studies = read_studies(config["studies"], "config/studies", [ROOT], SCHEMAS)
    assert list(studies) == [
        "GSE301528",
        "GSE195791",
        "GSE112540",
        "GSE67255",
        "GSE159094",
        "GSE186294",
    ]


def test_config_typo_names_file_line_and_the_keys_there_are(tmp_path):
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    config["verdict"]["max_Q"] = config["verdict"].pop("max_q")
    config["geo"]["deadline_minutes"] = "many"
    config["score"]["controls_per_gene"] = 1
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    line = {t.split(":")[0].strip(): i for i, t in enumerate(path.read_text().splitlines(), 1)}
    found = check_yaml(config, SCHEMAS / "config.schema.yaml", [path])
    assert found == [
        f"{path}:{line['deadline_minutes']}: geo.deadline_minutes: found 'many'; expected a whole "
        "number",
        f"{path}:{line['controls_per_gene']}: score.controls_per_gene: found 1; expected at least "
        "5",
        f"{path}:{line['verdict']}: verdict: 'max_q' is missing; add it here",
        f"{path}:{line['max_Q']}: verdict.max_Q: unknown key; allowed here: max_permutation_p, "
        "max_q, min_gene_fraction, min_genes, min_set_count, min_subjects",
    ]


def test_repeated_keys_wrong_yaml_and_keys_that_are_no_text(tmp_path):
    path = tmp_path / "study.yaml"
    for text, wanted in (
        ("a: 1\nb: 2\na: 3\n", f"{path}:3: the key 'a' stands twice (first in line 1); keep one"),
        ("a: [1\nb: 2\n", f"{path}:2: not valid YAML: did not find expected ',' or ']'"),
        (
            "m:\n  0: none\n",
            f'{path}:2: the key 0 is read as int, not as text; write "0" in quotes',
        ),
    ):
        path.write_text(text)
        with pytest.raises(UserError) as error:
            read_yaml(path)
        assert str(error.value) == wanted
    with pytest.raises(UserError, match="nothing.yaml: no such file"):
        read_yaml(tmp_path / "nothing.yaml")


def test_a_study_says_which_files_it_needs(tmp_path):
    study = read_study(write_study(tmp_path / "s"), SCHEMAS)
    assert matrix_files(study) == ["GSE1000_series_matrix.txt.gz"]
    assert geo_files(study) == [
        ("GSE1000", "GSE1000_series_matrix.txt.gz"),
        ("GSE1000", "counts.txt.gz"),
    ]
    study["source"] = {"kind": "series_matrix", "platform": "GPL570"}
    assert geo_files(study)[1] == ("GPL570", "GPL570.annot.gz")
    study["source"] = {"kind": "ncbi_counts", "build": "GRCh38.p13"}
    assert expression_files(study) == {"counts": "GSE1000_raw_counts_GRCh38.p13_NCBI.tsv.gz"}


def test_several_matrix_files_are_for_counts(tmp_path):
    names = [f"GSE1000-GPL{n}_series_matrix.txt.gz" for n in (16791, 24676)]
    text = STUDY.replace(
        "file: counts.txt.gz", f"file: counts.txt.gz, matrix: [{', '.join(names)}]"
    )
    study = read_study(write_study(tmp_path / "s", text), SCHEMAS)
    assert [name for _, name in geo_files(study)] == [*names, "counts.txt.gz"]
    paths = settings.paths_of(study)
    assert paths["records"] == [f"resources/geo/GSE1000/{name}" for name in names]
    assert (paths["matrix"], paths["counts"]) == ([], "resources/geo/GSE1000/counts.txt.gz")
    arrays = text.replace("kind: counts_table", "kind: series_matrix, platform: GPL570")
    arrays = arrays.replace("file: counts.txt.gz, ", "").replace("rnaseq", "microarray")
    with pytest.raises(UserError, match="several platforms cannot be put together"):
        read_study(write_study(tmp_path / "s", arrays), SCHEMAS)


def test_an_annotation_of_the_platform_or_of_the_series(tmp_path):
    study = read_study(write_study(tmp_path / "s"), SCHEMAS)
    study["source"] = {"kind": "series_matrix", "platform": "GPL6480"}
    for file, accession in (
        ("GPL6480-9577.txt", "GPL6480"),
        ("GPL6480_family.soft.gz", "GPL6480"),
        ("GPL6480.annot.gz", "GPL6480"),
        ("GSE1000_probes.txt.gz", "GSE1000"),
        ("probes.tsv", "GSE1000"),
    ):
        study["source"]["annotation"] = file
        assert expression_files(study)["annotation"] == file
        assert owner(file, study) == accession
        assert geo_files(study)[1] == (accession, file)


def test_optional_keys_of_source(tmp_path):
    text = STUDY.replace("file: counts.txt.gz", "file: counts.xlsx, sheet: Raw counts, column: n")
    text = text.replace("column: n", "column: n, missing_samples: leave_out, superseries: true")
    source = read_study(write_study(tmp_path / "s", text), SCHEMAS)["source"]
    assert source["sheet"] == "Raw counts" and source["column"] == "n"
    assert source["missing_samples"] == "leave_out" and source["superseries"] is True
    array = STUDY.replace("assay: rnaseq", "assay: microarray").replace(
        "kind: counts_table, file: counts.txt.gz",
        "kind: series_matrix, platform: GPL1, annotation: x.txt, annotation_columns: "
        "{probe: ID, symbol: GENE, entrez: LOCUS}",
    )
    source = read_study(write_study(tmp_path / "a", array), SCHEMAS)["source"]
    assert source["annotation_columns"] == {"probe": "ID", "symbol": "GENE", "entrez": "LOCUS"}
    wrong = array.replace("annotation: x.txt, ", "").replace("GPL1, ", "GPL1, sheet: a, ")
    wrong = wrong.replace("sheet: a", "sheet: a, missing_samples: leave_out")
    kind = "has no meaning for kind 'series_matrix', only for counts_table"
    assert problems(write_study(tmp_path / "w", wrong)) == [
        f"study.yaml:7: source.sheet: {kind}",
        f"study.yaml:7: source.missing_samples: {kind} and ncbi_counts",
        "study.yaml:7: source.annotation_columns: names the columns of source.annotation, which is "
        "missing",
    ]
    wrong = STUDY.replace("file: counts.txt.gz", "file: c, annotation: x, missing_samples: drop")
    assert problems(write_study(tmp_path / "v", wrong)) == [
        "study.yaml:7: source.missing_samples: found 'drop'; allowed: stop, leave_out"
    ]
    wrong = wrong.replace("drop", "stop")
    assert problems(write_study(tmp_path / "v", wrong)) == [
        "study.yaml:7: source.annotation: has no meaning for kind 'counts_table', only for "
        "series_matrix"
    ]


CELLS = STUDY.replace("assay: rnaseq", "assay: scrnaseq").replace(
    "{kind: counts_table, file: counts.txt.gz}", "{kind: tenx}"
)
CELL_ROWS = (
    "sample\tsubject\tfiles\tinclude\tnote\n"
    "GSM1001\tP1\ta\t\t\nGSM1002\tP2\tb\tyes\t\nGSM1003\tP3\t\tno\tmatrix and lists differ\n"
)


def cells(**keys):
    source = yaml.safe_dump({"kind": "tenx"} | keys, default_flow_style=True, width=999).strip()
    return CELLS.replace("{kind: tenx}", source)


def test_files_of_single_cells(tmp_path):
    study = read_study(write_study(tmp_path / "s", CELLS, CELL_ROWS), SCHEMAS)
    matrix = ("GSE1000", "GSE1000_series_matrix.txt.gz")
    assert expression_files(study) == {}
    assert geo_files(study) == [matrix, ("GSE1000", "GSE1000_RAW.tar")]
    raw = ["resources/geo/GSE1000/GSE1000_RAW.tar"]
    paths = settings.paths_of(study)
    assert paths["cells"] == {"GSM1001": raw, "GSM1002": raw}
    assert (paths["counts"], paths["matrix"], paths["annotation"]) == ([], [], [])
    table = {"file": "cells.tsv", "sample": {"from": "stim"}}
    text = cells(sample_files=["{sample}_{files}.mtx.gz"], features="genes.tsv", cells=table)
    study = read_study(write_study(tmp_path / "s", text, CELL_ROWS), SCHEMAS)
    study["exclude"] = [{"sample": "GSM1002", "reason": "few cells"}]
    assert geo_files(study) == [
        matrix,
        ("GSM1001", "GSM1001_a.mtx.gz"),
        ("GSE1000", "genes.tsv"),
        ("GSE1000", "cells.tsv"),
    ]
    assert settings.paths_of(study)["cells"] == {
        "GSM1001": [
            "resources/geo/GSM1001/GSM1001_a.mtx.gz",
            "resources/geo/GSE1000/genes.tsv",
            "resources/geo/GSE1000/cells.tsv",
        ]
    }
    bulk = read_study(write_study(tmp_path / "b"), SCHEMAS)
    assert settings.paths_of(bulk)["cells"] == {}


def test_what_the_cells_say_need_not_stand_in_samples(tmp_path):
    fields = {"subject": {"from": "ind"}, "group": {"from": "disease"}}
    table = {"file": "cells.tsv", "sample": {"from": "stim"}, "fields": fields}
    text = cells(cells=table).replace("  group: {from: title, map: {a: case, b: control}}", "")
    text = text.replace("samples:", "samples: {}").replace("control}", "control, paired: true}")
    rows = "sample\nGSM1001\n"
    study = read_study(write_study(tmp_path / "s", text, rows), SCHEMAS)
    assert study["source"]["cells"]["fields"] == fields


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ({"file": "a.tar", "sample_files": ["b"]}, "sample_files: stands beside source.file; keep"),
        ({"sample_files": ["{title}.h5"]}, "sample_files: '{title}.h5': the names in braces may"),
        ({"layer": "X"}, "layer: has no meaning for kind 'tenx', only for h5ad"),
        ({"cells": {"file": "c"}}, "cells: no 'sample'; say which rows of the table are"),
        (
            {"cells": {"sample": {"from": "a"}, "barcode": "b"}},
            "cells.barcode: names a column of source.cells.file, which is missing",
        ),
        (
            {"cells": {"fields": {"subject": {"from": "ind"}}}},
            "cells.fields.subject: the samples have it too; keep one of them",
        ),
        ({"cells": {"sample": {"from": "a", "pattern": "("}}}, "cells.sample.pattern: missing )"),
        ({"cells": {"sample": {}}}, "cells.sample: found {}; give either 'from'"),
        ({"cells": {"fields": {"age": {"from": "a"}}}}, "cells.fields.age: unknown key"),
        ({"features": "a/b"}, "features: found 'a/b'; expected text that matches"),
    ],
)  # fmt: skip
def test_wrong_keys_of_single_cells(tmp_path, keys, wanted):
    found = problems(write_study(tmp_path / "s", cells(**keys), CELL_ROWS))
    assert len(found) == 1 and f": source.{wanted}" in found[0], found


def test_single_cells_need_their_samples(tmp_path):
    assert problems(write_study(tmp_path / "a", CELLS)) == [
        "study.yaml:5: assay: 'scrnaseq' needs samples.tsv, which does not exist: the samples of "
        "single cells must be known before GEO's files are read"
    ]
    text = cells(sample_files=["{files}.h5"])
    rows = CELL_ROWS.replace("P2\tb", "P2\t")
    assert problems(write_study(tmp_path / "b", text, rows)) == [
        "study.yaml:7: source.sample_files: '{files}.h5': the column 'files' of samples.tsv is "
        "blank for GSM1002"
    ]
    text = CELLS.replace("scrnaseq", "rnaseq")
    assert "found 'tenx' with assay 'rnaseq'" in problems(write_study(tmp_path / "c", text))[0]


CORRECTIONS = "sample\tfield\tfrom\tto\treason\tsource\n"


def test_corrections_come_with_the_study(tmp_path):
    assert read_study(write_study(tmp_path / "s"), SCHEMAS)["corrections"] == []
    rows = "GSM1\ttitle\tKO\tWT\tswapped\tauthors\nGSM1\tcharacteristics.age\t\t61\tT1\tdoi\n"
    study = read_study(write_study(tmp_path / "c", corrections=CORRECTIONS + rows), SCHEMAS)
    assert study["corrections"][1] == {
        "sample": "GSM1",
        "field": "characteristics.age",
        "from": "",
        "to": "61",
        "reason": "T1",
        "source": "doi",
    }


def test_wrong_corrections(tmp_path):
    rows = (
        "GSM1\tcharacteristics.Sex\tF\tM\tr\ts\n"
        "GSM2\torganism\ta\tb\tr\ts\n"
        "GSM1\tcharacteristics.sex\tF\tM\tr\ts\n"
        "GSM1\ttitle\ta\ta\tr\t\n"
    )
    assert problems(write_study(tmp_path / "a", corrections=CORRECTIONS + rows)) == [
        "corrections.tsv:3: column field: found 'organism'; expected text that matches "
        "^(title|source_name|description|characteristics\\.\\S.*)$",
        "corrections.tsv:5: column source: found ''; at least one entry is needed",
    ]
    rows = rows.replace("organism", "description").replace("r\t\n", "r\ts\n")
    assert problems(write_study(tmp_path / "d", corrections=CORRECTIONS + rows)) == [
        "corrections.tsv:4: characteristics.sex of GSM1 is corrected already in line 2",
        "corrections.tsv:5: from and to are the same ('a')",
    ]
    short = "sample\tfield\tfrom\tto\nGSM1\ttitle\ta\tb\n"
    assert problems(write_study(tmp_path / "b", corrections=short)) == [
        "corrections.tsv:2: column ?: 'reason' is missing; add it here",
        "corrections.tsv:2: column ?: 'source' is missing; add it here",
    ]
    rows = "GSM1\ttitle\ta\tb\tr\ts\n"
    text = STUDY.replace("file:", "metadata: samples_table, file:").replace(
        "  group: {from: title, map: {a: case, b: control}}", "  sex: {value: male}"
    )
    folder = write_study(tmp_path / "c", text, "sample\tgroup\nGSM1\tcase\n", CORRECTIONS + rows)
    assert problems(folder) == [
        "corrections.tsv:1: corrects GEO's record, which this study goes without "
        "(source.metadata is samples_table); change samples.tsv instead"
    ]


def test_all_problems_of_a_study_come_at_once(tmp_path):
    text = STUDY.replace("organism: Homo sapiens", "organism: human").replace(
        "role: primary", "role: main\ntypo: 1"
    )
    rows = "sample\ttreatment\nGSM1\tprednisolone\nGSM1\tnone\n"
    assert problems(write_study(tmp_path / "s", text, rows)) == [
        "study.yaml:3: organism: found 'human'; allowed: Homo sapiens, Mus musculus",
        "study.yaml:6: role: found 'main'; allowed: primary, positive control, confounder control, "
        "comparator, method check",
        "study.yaml:7: typo: unknown key; allowed here: accession, assay, cells, citation, "
        "contrasts, exclude, notes, organism, role, samples, simulated, source, tissue, title",
        "samples.tsv:2: column treatment: found 'prednisolone'; allowed: none, glucocorticoid, "
        "glucocorticoid+rituximab, rituximab, other, unknown",
        "samples.tsv:3: sample GSM1 stands already in line 2",
    ]


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (
            "assay: rnaseq",
            "assay: microarray",
            "study.yaml:7: source.kind: found 'counts_table' with assay 'microarray'; these go "
            "together: microarray with series_matrix, rnaseq with counts_table or ncbi_counts, "
            "scrnaseq with tenx or h5ad or cell_counts",
        ),
        (
            "reference: control",
            "reference: case",
            "study.yaml:11: contrasts.c: case and reference are the same group",
        ),
        (
            "reference: control",
            "reference: control, covariates: [age]",
            "study.yaml:11: contrasts.c.covariates: 'age' is given neither under samples: nor in "
            "samples.tsv",
        ),
        (
            "reference: control",
            "reference: control, paired: true",
            "study.yaml:11: contrasts.c.paired: needs 'subject' under samples: or in samples.tsv",
        ),
        (
            "reference: control",
            "reference: control, paired: true, blocked: true",
            "study.yaml:11: contrasts.c.paired: needs 'subject' under samples: or in samples.tsv\n"
            "study.yaml:11: contrasts.c.blocked: needs 'subject' under samples: or in samples.tsv\n"
            "study.yaml:11: contrasts.c: paired and blocked exclude each other",
        ),
        (
            "  group: {from: title, map: {a: case, b: control}}",
            "  treatment: {from: title, map: {a: prednisone}}",
            "study.yaml:8: samples: no 'group'; add samples.group here or a column 'group' in "
            "samples.tsv\nstudy.yaml:9: samples.treatment: found 'prednisone'; allowed: none, "
            "glucocorticoid, glucocorticoid+rituximab, rituximab, other, unknown",
        ),
        (
            "counts_table, file: counts.txt.gz",
            "counts_table",
            "study.yaml:7: source: 'file' is missing; add it here",
        ),
        (
            "file: counts.txt.gz}",
            "file: counts.txt.gz, sha256: {other.gz: " + 64 * "a" + "}}",
            "study.yaml:7: source.sha256: other.gz is not used by this study; used: "
            "GSE1000_series_matrix.txt.gz, counts.txt.gz",
        ),
    ],
)
def test_cross_checks(tmp_path, old, new, wanted):
    assert old in STUDY
    folder = write_study(tmp_path / "s", STUDY.replace(old, new))
    assert "\n".join(problems(folder)) == wanted


def test_unknown_study_names_the_places(tmp_path):
    with pytest.raises(UserError) as error:
        read_studies(["GSE5"], "config/studies", [tmp_path], SCHEMAS)
    assert (
        str(error.value)
        == f"config/studies/GSE5 not found; looked for {tmp_path}/config/studies/GSE5"
    )

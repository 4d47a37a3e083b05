"""Bad input ends in one clear line and exit code 1, and leaves no output of the stage."""

import gzip
import shutil

import pytest
from conftest import ROOT, snakemake

ARRAY, COUNTS, CONFOUNDED = "GSE9000001", "GSE9000002", "GSE9000003"


@pytest.fixture
def place(tmp_path):
    """A copy of the demo's tree and studies to break, and a config that points at them."""
    shutil.copytree(ROOT / "demo" / "geo", tmp_path / "geo")
    shutil.copytree(ROOT / "demo" / "studies", tmp_path / "studies")
    return tmp_path


def failure(place, study, target="build_profiles"):
    """The console line that starts with ERROR, with the place's own path taken out."""
    config = place / "config.yaml"
    config.write_text(
        f"studies_dir: {place}/studies\nstudies: [{study}]\ngeo:\n  base_url: file:{place}/geo\n"
        "  ncbi_counts_url: '{base_url}/series/{stub}/{accession}/rnaseq_counts/{file}'\n"
        "  platform_table_url: '{base_url}/platforms/{stub}/{accession}/soft/{file}'\n"
    )
    run = place / "run"
    process = snakemake(run, "--until", target, config=config)
    assert process.returncode == 1
    lines = process.stdout.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("ERROR"))
    assert not (run / "results" / study / "profiles.h5ad").exists()
    assert "Traceback" not in process.stdout
    return "\n".join(lines[start : start + 4]).replace(f"{place}/", "")


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def repack(path, change):
    text = gzip.decompress(path.read_bytes()).decode()
    path.write_bytes(gzip.compress(change(text).encode()))


def matrix(place, study):
    return place / "geo/series/GSE9000nnn" / study / "matrix" / f"{study}_series_matrix.txt.gz"


def test_unknown_series(place):
    edit(place / "studies" / ARRAY / "study.yaml", f"accession: {ARRAY}", "accession: GSE123456789")
    text = failure(place, ARRAY)
    assert text.startswith("ERROR in download_file:")
    assert "GSE123456789_series_matrix.txt.gz" in text


def test_missing_supplementary_file(place):
    edit(place / "studies" / COUNTS / "study.yaml", "GSE9000002_counts.txt.gz", "other.txt.gz")
    text = failure(place, COUNTS)
    assert text.startswith("ERROR in download_file:") and "other.txt.gz" in text


def test_truncated_file(place):
    path = matrix(place, ARRAY)
    path.write_bytes(path.read_bytes()[:-2000])
    assert "cut off" in failure(place, ARRAY)
    assert not list((place / "run/resources/geo").rglob("*.gz"))[1:]


def test_html_page_instead_of_a_file(place):
    path = place / "geo/series/GSE9000nnn" / COUNTS / "suppl" / "GSE9000002_counts.txt.gz"
    path.write_text("<!DOCTYPE html><html><head><title>503 Busy</title></head></html>")
    text = failure(place, COUNTS)
    assert "503 Busy" in text and "web page" in text


def test_sample_that_is_not_in_the_series(place):
    edit(place / "studies" / COUNTS / "samples.tsv", "GSM99000201", "GSM1")
    assert failure(place, COUNTS).startswith(
        "ERROR in curate_samples: studies/GSE9000002/samples.tsv:2: sample GSM1 is not in the "
        "series; GSE9000002 has 12: GSM99000201, GSM99000202"
    )


def test_group_without_samples(place):
    edit(place / "studies" / ARRAY / "study.yaml", "case: AIHA", "case: Evans syndrome")
    text = failure(place, ARRAY)
    assert "contrasts.aiha_vs_healthy.case: no sample is in group 'Evans syndrome'; groups:" in text
    assert "'AIHA' (8 samples), 'healthy' (8 samples)" in text


def test_value_that_no_map_covers(place):
    edit(place / "studies" / ARRAY / "study.yaml", "      prednisolone: glucocorticoid\n", "")
    assert (
        "samples.treatment.map does not cover what GEO says in characteristics.treatment: "
        "'prednisolone' (6 samples); the map covers 'none'. Add a line for each"
    ) in failure(place, ARRAY)


def test_matrix_without_values_says_where_they_are(place):
    study = place / "studies" / ARRAY / "study.yaml"
    path = matrix(place, ARRAY)

    def empty(text):
        head, table = text.split("!series_matrix_table_begin\n")
        extra = '!Series_supplementary_file\t"ftp://x/GSE9000001_RAW.tar"\n\n!Sample_title'
        head = head.replace("\n!Sample_title", extra, 1) + "!series_matrix_table_begin\n"
        return f"{head}{table.splitlines()[0]}\n!series_matrix_table_end\n"

    repack(path, empty)
    assert study.exists()
    text = failure(place, ARRAY)
    assert "the series matrix holds no values" in text and "GSE9000001_RAW.tar" in text


def test_count_columns_that_match_no_sample(place):
    path = place / "geo/series/GSE9000nnn" / COUNTS / "suppl" / "GSE9000002_counts.txt.gz"
    repack(path, lambda text: text.replace("GSM990002", "run", 12))
    text = failure(place, COUNTS)
    assert "GSE9000002_counts.txt.gz: no column matches any sample; columns: run" in text
    assert "Name each sample's column in a column 'files' of samples.tsv" in text


def test_a_file_that_geo_changed_stops_the_run(place):
    study = place / "studies" / COUNTS / "study.yaml"
    edit(
        study,
        "  file: GSE9000002_counts.txt.gz\n",
        "  file: GSE9000002_counts.txt.gz\n  sha256:\n    GSE9000002_counts.txt.gz: "
        + 64 * "a"
        + "\n",
    )
    text = failure(place, COUNTS)
    assert "changed" in text and 64 * "a" in text


def test_all_problems_of_the_study_files_before_any_job(place):
    edit(place / "studies" / ARRAY / "study.yaml", "assay: microarray", "assay: mass spectrometry")
    edit(place / "studies" / ARRAY / "study.yaml", "role: primary", "role: main")
    assert failure(place, ARRAY).splitlines()[:3] == [
        "ERROR in the configuration: 2 problems:",
        "studies/GSE9000001/study.yaml:14: assay: found 'mass spectrometry'; allowed: microarray, "
        "rnaseq, scrnaseq",
        "studies/GSE9000001/study.yaml:15: role: found 'main'; allowed: primary, positive control, "
        "confounder control, comparator, method check",
    ]

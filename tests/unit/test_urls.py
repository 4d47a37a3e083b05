from pathlib import Path

import pytest

from neuroimmune.errors import UserError
from neuroimmune.geo.urls import file_url, local_path, stub_folder

GEO = "https://ftp.ncbi.nlm.nih.gov/geo"
COUNTS = (
    "https://www.ncbi.nlm.nih.gov/geo/download/?type=rnaseq_counts&acc={accession}"
    "&format=file&file={file}"
)
LOCAL_COUNTS = "{base_url}/series/{stub}/{accession}/rnaseq_counts/{file}"
TABLES = "https://www.ncbi.nlm.nih.gov/geo/query/acc.cgi?acc={accession}&targ=self"


def geo(base=GEO, counts=COUNTS, tables=TABLES):
    return {"base_url": base, "ncbi_counts_url": counts, "platform_table_url": tables}


@pytest.mark.parametrize(
    ("accession", "stub"),
    [
        ("GSE7", "GSEnnn"),
        ("GSE999", "GSEnnn"),
        ("GSE1000", "GSE1nnn"),
        ("GSE301528", "GSE301nnn"),
        ("GPL570", "GPLnnn"),
        ("GPL10558", "GPL10nnn"),
        ("GSM9084840", "GSM9084nnn"),
    ],
)
def test_stub_folder(accession, stub):
    assert stub_folder(accession) == stub


@pytest.mark.parametrize(
    "accession",
    ["gse1", "GDS1", "GSE", "GSE0", "GSE01", "GSE1 ", "GSE1\n", "GSE1/..", "", "GSE\u0661"],
)
def test_other_accessions_are_refused(accession):
    with pytest.raises(UserError, match="expected GSE, GPL or GSM and a number"):
        stub_folder(accession)


@pytest.mark.parametrize(
    ("accession", "file", "place"),
    [
        ("GSE7", "GSE7_series_matrix.txt.gz", "series/GSEnnn/GSE7/matrix"),
        (
            "GSE14520",
            "GSE14520-GPL571_series_matrix.txt.gz",
            "series/GSE14nnn/GSE14520/matrix",
        ),
        ("GSE96583", "GSE96583_RAW.tar", "series/GSE96nnn/GSE96583/suppl"),
        ("GSE1000", "GSE1000_counts.tsv.gz", "series/GSE1nnn/GSE1000/suppl"),
        ("GSE1000", "GSE1000_raw_counts.tsv.gz", "series/GSE1nnn/GSE1000/suppl"),
        ("GSE1000", "GSE1000_family.soft.gz", "series/GSE1nnn/GSE1000/soft"),
        ("GPL570", "GPL570.annot.gz", "platforms/GPLnnn/GPL570/annot"),
        ("GPL6480", "GPL6480-9577.txt", "platforms/GPL6nnn/GPL6480/suppl"),
        ("GPL10558", "GPL10558_family.soft.gz", "platforms/GPL10nnn/GPL10558/soft"),
        ("GSM9084840", "GSM9084840_P1_matrix.mtx.gz", "samples/GSM9084nnn/GSM9084840/suppl"),
    ],
)
@pytest.mark.parametrize("base", [GEO, "file:///data/geo", "file:data/geo"])
def test_place_in_the_tree(base, accession, file, place):
    assert file_url(geo(base), accession, file) == f"{base}/{place}/{file}"
    assert file_url(geo(f"{base}/"), accession, file) == f"{base}/{place}/{file}"


@pytest.mark.parametrize(
    "file",
    [
        "GSE201926_raw_counts_GRCh38.p13_NCBI.tsv.gz",
        "GSE201926_norm_counts_TPM_GRCh38.p13_NCBI.tsv.gz",
    ],
)
def test_ncbi_counts(file):
    assert file_url(geo(), "GSE201926", file) == (
        "https://www.ncbi.nlm.nih.gov/geo/download/?type=rnaseq_counts&acc=GSE201926"
        f"&format=file&file={file}"
    )
    assert file_url(geo("file:geo/", LOCAL_COUNTS), "GSE201926", file) == (
        f"file:geo/series/GSE201nnn/GSE201926/rnaseq_counts/{file}"
    )


def test_table_of_a_platform():
    assert file_url(geo(), "GPL4133", "GPL4133.txt").endswith("acc.cgi?acc=GPL4133&targ=self")
    local = geo("file:geo", tables="{base_url}/platforms/{stub}/{accession}/soft/{file}")
    url = file_url(local, "GPL4133", "GPL4133.txt")
    assert url == "file:geo/platforms/GPL4nnn/GPL4133/soft/GPL4133.txt"


def test_names_are_quoted():
    url = file_url(geo(), "GSE1", "GSE1_T cells+B#1%?é.txt")
    assert url == f"{GEO}/series/GSEnnn/GSE1/suppl/GSE1_T%20cells%2BB%231%25%3F%C3%A9.txt"
    url = file_url(geo(), "GSE1", "GSE1_raw_counts_a&b_NCBI.tsv.gz")
    assert url.endswith("&file=GSE1_raw_counts_a%26b_NCBI.tsv.gz")
    url = file_url(geo("file:geo"), "GSE1", "GSE1_T cells.txt")
    assert local_path(url) == Path("geo/series/GSEnnn/GSE1/suppl/GSE1_T cells.txt")


@pytest.mark.parametrize("file", ["", "a/b", "a\\b", "..", "../x", "a..b", "a\0b", "a\nb"])
def test_names_with_folders_are_refused(file):
    with pytest.raises(UserError, match="expected a file name, without a folder"):
        file_url(geo(), "GSE1", file)


@pytest.mark.parametrize(
    ("accession", "file", "kind"),
    [
        ("GPL570", "data.csv", "GSE"),
        ("GPL570", "GSE1_series_matrix.txt.gz", "GSE"),
        ("GSE1", "GPL570.annot.gz", "GPL"),
        ("GSE1", "GSM1_matrix.mtx.gz", "GSM"),
        ("GSM1", "GSE1_RAW.tar", "GSE"),
    ],
)
def test_series_and_platform_files_are_kept_apart(accession, file, kind):
    with pytest.raises(UserError, match=f"{accession}: .* is a file of a {kind} accession"):
        file_url(geo(), accession, file)


@pytest.mark.parametrize("base", ["", "ftp://x", "/data/geo", "file:", "https://", "data"])
def test_other_base_urls_are_refused(base):
    with pytest.raises(UserError, match="geo.base_url"):
        file_url(geo(base), "GSE1", "GSE1_RAW.tar")


@pytest.mark.parametrize("template", ["{base}/{file}", "{}/{file}", "{file", "{file.name}"])
def test_unknown_names_in_the_counts_template_are_refused(template):
    with pytest.raises(UserError, match="geo.ncbi_counts_url .*{base_url}, {stub}"):
        file_url(geo(counts=template), "GSE1", "GSE1_raw_counts_GRCh38_NCBI.tsv.gz")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///data/a%20b", "/data/a b"),
        ("file://localhost/data/a", "/data/a"),
        ("file:/data/a", "/data/a"),
        ("file:data/a b", "data/a b"),
        ("file:../data/%C3%A9", "../data/é"),
    ],
)
def test_local_path(url, path):
    assert local_path(url) == Path(path)


def test_files_of_another_computer_are_refused():
    with pytest.raises(UserError, match="'data' stands where a computer is named"):
        local_path("file://data/geo/x")

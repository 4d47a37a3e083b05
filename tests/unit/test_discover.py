"""The search for series, against a local server that answers as the E-utilities do."""

import logging
from pathlib import Path

import pytest
import yaml

from entrez_server import Entrez, series, serve_entrez
from neuroimmune.discover import CANDIDATE_COLUMNS, SEARCH_COLUMNS, assay_of, discover
from neuroimmune.errors import UserError
from neuroimmune.geo import download, entrez

ROOT = Path(__file__).parents[2]
KEY = "0123456789abcdef"
SETTINGS = {"terms": ["AIHA", '"Evans syndrome"'], "free_terms": [], "max_series": 500}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(download, "BACKOFF", 0.001)
    monkeypatch.setattr(entrez, "RATE", 1000)
    monkeypatch.setattr(entrez, "RATE_WITH_KEY", 1000)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def ncbi():
    with serve_entrez() as server:
        yield server


def look(ncbi, settings=SETTINGS, configured=(), **options):
    ask = entrez.connect(ncbi.url, **options)
    return discover(ask, settings, dict(configured), 3)


def error_of(ncbi, **options):
    with pytest.raises(UserError) as caught:
        look(ncbi, attempts=2, **options)
    assert KEY not in str(caught.value)
    return str(caught.value).replace(ncbi.url, "NCBI")


def test_a_row_a_series(ncbi):
    ncbi.add("AIHA", series(5), series(301528, title="10x 5' scRNA-seq of marrow"))
    ncbi.add("Evans", series(5), series(70, gpl="570;96", suppfile="CEL, TAR", pubmedids=[]))
    ncbi.records["200000070"]["gdstype"] = "Expression profiling by array"
    ncbi.counted = {5}
    table, searches = look(ncbi, configured={"GSE70": ["old", "older"]})
    assert list(table.columns) == list(CANDIDATE_COLUMNS)
    assert list(table["accession"]) == ["GSE301528", "GSE70", "GSE5"]
    row = table.iloc[2]
    assert dict(row) == {
        "accession": "GSE5",
        "title": "Whole blood in AIHA",
        "organism": "Homo sapiens",
        "assay": "rnaseq",
        "samples": 12,
        "platform": "GPL24676",
        "pmid": "39743589",
        "supplementary": "TXT",
        "ncbi_counts": "yes",
        "configured": "",
        "suggested_use": "bulk: source.kind ncbi_counts",
        "found_by": 'AIHA; "Evans syndrome"',
        "released": "2024-10-04",
    }
    assert list(table["assay"]) == ["single-cell rnaseq", "microarray", "rnaseq"]
    assert table.at[1, "platform"] == "GPL570;GPL96" and table.at[1, "supplementary"] == "CEL;TAR"
    assert table.at[1, "suggested_use"] == "configured as old;older"
    assert list(table["ncbi_counts"]) == ["no", "no", "yes"]
    assert list(searches.columns) == list(SEARCH_COLUMNS)
    assert searches.to_numpy().tolist() == [
        ["AIHA", 2, ""],
        ['"Evans syndrome"', 2, ""],
        ['"rnaseq counts"[Filter]', 1, ""],
    ]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"taxon": "Canis lupus familiaris"}, "none: Canis lupus familiaris; human and mouse"),
        ({"taxon": "Homo sapiens; Mus musculus"}, "look at it: several organisms"),
        ({"summary": "This SuperSeries is composed of the SubSeries listed below."}, "none by it"),
        ({"gdstype": "Methylation profiling by array"}, "none: not a gene expression series"),
        ({"n_samples": 5}, "none: 5 samples, 6 are the fewest for a verdict"),
        ({"suppfile": "TAR"}, "bulk: source.kind counts_table, if the archive holds a count"),
        ({"suppfile": "BW"}, "none: no table of counts"),
        ({"suppfile": "", "n_samples": "12"}, "none: no table of counts"),
        ({"suppfile": "XLSX"}, "bulk: source.kind counts_table, if a table holds raw counts"),
        (
            {"gdstype": "Expression profiling by array", "gpl": "570;96"},
            "bulk: source.kind series_matrix, one study a platform (2)",
        ),
    ],
)
def test_what_a_series_can_be_used_for(ncbi, changes, wanted):
    ncbi.add("AIHA", series(5, **changes))
    assert look(ncbi)[0].at[0, "suggested_use"].startswith(wanted)


def test_the_assay_in_geos_words():
    assert assay_of({"gdstype": "Methylation profiling by array"}).startswith("Methylation")
    assert assay_of({}) == "not stated"


def test_several_pages_and_batches(ncbi, monkeypatch):
    monkeypatch.setattr(entrez, "PAGE", 10)
    monkeypatch.setattr(entrez, "BATCH", 7)
    ncbi.add("AIHA", *(series(n) for n in range(1, 36)))
    table, searches = look(ncbi)
    assert list(table["accession"]) == [f"GSE{n}" for n in range(35, 0, -1)]
    assert searches.at[0, "series"] == 35
    starts = [
        a["retstart"] for p, a, *_ in ncbi.asked if p == "esearch" and "(AIHA) AND gse" in a["term"]
    ]
    assert starts[:4] == ["0", "10", "20", "30"]
    assert [len(a["id"].split(",")) for p, a, *_ in ncbi.asked if p == "esummary"] == [7] * 5


def test_a_list_that_ends_early_is_said(ncbi, monkeypatch):
    ncbi.add("AIHA", series(1), series(2))
    short = ncbi.esearch

    def esearch(asked):
        answer = short(asked)
        answer["esearchresult"]["count"] = str(int(answer["esearchresult"]["count"]) * 2)
        return answer

    ncbi.esearch = esearch
    table, searches = look(ncbi)
    assert len(table) == 2
    assert searches.at[0, "note"] == "2 of 4 were not listed by NCBI"


def test_nothing_found(ncbi):
    table, searches = look(ncbi)
    assert table.empty and list(table.columns) == list(CANDIDATE_COLUMNS)
    assert list(searches["series"]) == [0, 0, 0]
    assert "esummary" not in [program for program, *_ in ncbi.asked]


def test_a_phrase_that_ncbi_leaves_out_finds_nothing(ncbi):
    """NCBI then searches for the rest of the query, which is every series."""
    ncbi.add("AIHA", series(1))
    ncbi.hits["gse[ETYP]"] = range(1, 400)
    ncbi.unknown = ['"Evans syndrome"']
    settings = SETTINGS | {"terms": ['"Evans syndrome"']}
    table, searches = look(ncbi, settings)
    assert table.empty
    assert searches.at[0, "note"] == "NCBI does not know '\"Evans syndrome\"'; nothing is taken"


def test_without_the_filter_counts_are_unknown(ncbi):
    ncbi.add("AIHA", series(1))
    ncbi.unknown = ['"rnaseq counts"[Filter]']
    assert list(look(ncbi)[0]["ncbi_counts"]) == ["unknown"]


def test_a_series_without_a_record_is_said(ncbi):
    ncbi.add("AIHA", series(1), series(2))
    del ncbi.records["200000002"]
    table, searches = look(ncbi)
    assert list(table["accession"]) == ["GSE1"]
    assert searches.iloc[-1].to_list() == ["esummary", 1, "no record of 200000002"]


def test_a_term_that_is_too_wide(ncbi):
    ncbi.add("AIHA", *(series(n) for n in range(1, 12)))
    text = error_of(ncbi, settings=SETTINGS | {"max_series": 10})
    assert text == (
        "discover: '(AIHA) AND gse[ETYP]' finds 11 series; discover.max_series is 10. Make the "
        "term narrower, or raise the limit"
    )


LIMITED = {"error": "API rate limit exceeded", "api-key": KEY, "count": "4", "limit": "3"}
BACKEND = {"header": {}, "esearchresult": {"ERROR": "Search Backend failed: busy"}}


@pytest.mark.parametrize(
    "fault",
    [
        (429, {"Retry-After": "0"}, LIMITED),
        (200, {}, LIMITED),
        (500, {}, b"<html>oops</html>"),
        (200, {}, BACKEND),
        (200, {}, b"<html><title>Maintenance</title></html>"),
        (200, {}, b'{"esearchresult": {"cou'),
        (200, {"Content-Length": "90"}, b'{"esear'),
    ],
)
def test_what_passes_is_asked_again(ncbi, fault, caplog):
    caplog.set_level(logging.INFO)
    ncbi.add("AIHA", series(1))
    ncbi.faults = [fault]
    ask = entrez.connect(ncbi.url, key=KEY, timeout=(1, 0.3))
    assert len(discover(ask, SETTINGS, {}, 3)[0]) == 1
    assert KEY not in caplog.text
    first, second = ncbi.asked[:2]
    assert first[:2] == second[:2]


def test_the_rate_limit_waits_as_long_as_asked(ncbi, monkeypatch):
    waits = []
    monkeypatch.setattr(download.time, "sleep", waits.append)
    ncbi.add("AIHA", series(1))
    ncbi.faults = [(429, {"Retry-After": "2"}, LIMITED)]
    look(ncbi)
    assert 2 in waits


@pytest.mark.parametrize(
    ("fault", "wanted"),
    [
        (
            (429, {}, LIMITED),
            "NCBI esearch: the server answered 429 Too Many Requests; 2 attempts "
            "(NCBI/esearch.fcgi)",
        ),
        (
            (200, {}, LIMITED),
            "NCBI esearch: NCBI says 'API rate limit exceeded'; 2 attempts (NCBI/esearch.fcgi)",
        ),
        (
            (400, {}, {"error": "API key invalid", "api-key": KEY}),
            "NCBI refused the API key: API key invalid; correct NCBI_API_KEY or unset it",
        ),
        ((404, {}, b"no"), "NCBI answered 404 Not Found (NCBI/esearch.fcgi)"),
        (
            (200, {}, b"[1]"),
            "NCBI esearch: the answer is no JSON; it starts with '[1]'; 2 attempts "
            "(NCBI/esearch.fcgi)",
        ),
        (
            (200, {}, {"esearchresult": {"idlist": []}}),
            "NCBI esearch: the answer for '(AIHA) AND gse[ETYP]' has no count or no idlist",
        ),
        (
            (200, {}, {"esummaryresult": ["Invalid uid 0 at position 0"]}),
            "NCBI esearch: NCBI says 'Invalid uid 0 at position 0'; 2 attempts (NCBI/esearch.fcgi)",
        ),
    ],
)
def test_what_does_not_pass_is_one_message(ncbi, fault, wanted):
    ncbi.faults = [fault] * 2
    assert error_of(ncbi, key=KEY) == wanted


def test_no_result_of_esummary(ncbi):
    ncbi.add("AIHA", series(1))
    ncbi.esummary = lambda asked: {"header": {}}
    assert error_of(ncbi) == "NCBI esummary: the answer has no 'result'"


def test_no_server():
    closed = Entrez()
    closed.server_close()
    with pytest.raises(UserError, match="no answer from 127.0.0.1"):
        entrez.connect(closed.url, attempts=1)("esearch", term="x")


def test_who_asks_is_in_the_body_and_the_key_in_no_address(ncbi):
    look(ncbi, email="me@example.org", key=KEY)
    for _, asked, _, path in ncbi.asked:
        assert "?" not in path
        assert asked["tool"] == "aiha-neuroimmune" and asked["email"] == "me@example.org"
        assert asked["api_key"] == KEY and asked["db"] == "gds" and asked["retmode"] == "json"
    ncbi.asked.clear()
    look(ncbi)
    assert all(not {"email", "api_key"} & set(asked) for _, asked, *_ in ncbi.asked)


@pytest.mark.parametrize(("key", "rate"), [("", 3), (KEY, 10)])
def test_requests_keep_their_distance(ncbi, monkeypatch, key, rate):
    monkeypatch.undo()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    ask = entrez.connect(ncbi.url, key=key)
    for _ in range(3):
        ask("esearch", term="x", retstart=0, retmax=1)
    times = [when for *_, when, _ in ncbi.asked]
    assert times[1] - times[0] > 0.95 / rate and times[2] - times[1] > 0.95 / rate


def test_the_terms_of_the_issue_are_the_defaults():
    terms = yaml.safe_load((ROOT / "config/config.yaml").read_text())["discover"]["terms"]
    text = " ".join(terms).lower()
    for words in ("mesh terms", "warm", "cold agglutinin", "evans syndrome", "nzb"):
        assert words in text
    assert "immune-mediated hemolytic anemia" in text

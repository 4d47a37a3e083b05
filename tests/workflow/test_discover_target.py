"""The target `discover` as a user calls it, against a local server."""

import pandas as pd
from conftest import ROOT, snakemake

from entrez_server import series, serve_entrez


def test_discover_lists_series_and_hides_the_key(tmp_path, monkeypatch):
    monkeypatch.setenv("NCBI_API_KEY", "secret0123")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    more = tmp_path / "more.yaml"
    with serve_entrez() as ncbi:
        ncbi.add("AIHA", series(5), series(9000001, title="SIMULATED"))
        more.write_text(f"discover:\n  base_url: {ncbi.url}\n  free_terms: [hemolysis]\n")
        process = snakemake(tmp_path, str(more), "--", "discover")
        assert process.returncode == 0, process.stdout
        assert all(asked["api_key"] == "secret0123" for _, asked, *_ in ncbi.asked)
    table = pd.read_csv(tmp_path / "results/discover/candidates.tsv", sep="\t")
    assert list(table["accession"]) == ["GSE9000001", "GSE5"]
    assert table.at[0, "configured"] == "GSE9000001"
    searches = pd.read_csv(tmp_path / "results/discover/searches.tsv", sep="\t")
    assert "hemolysis" in list(searches["term"])
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"secret0123" not in path.read_bytes(), path
    assert "secret0123" not in process.stdout
    documented = (ROOT / "docs" / "outputs.md").read_text()
    for name in (*table.columns, *searches.columns):
        assert name in documented.split("## results/discover/")[1]


def test_no_answer_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    more = tmp_path / "more.yaml"
    with serve_entrez() as ncbi:
        ncbi.faults = [(400, {}, {"error": "API key invalid", "api-key": "x"})]
        more.write_text(f"discover: {{base_url: '{ncbi.url}'}}\n")
        process = snakemake(tmp_path, str(more), "--", "discover")
    assert process.returncode == 1
    assert (
        "ERROR in discover_series: NCBI refused the API key: API key invalid; correct NCBI_API_KEY "
        "or unset it (log: results/logs/discover_series.log)"
    ) in process.stdout
    assert not list((tmp_path / "results").rglob("*.tsv"))

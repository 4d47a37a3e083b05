"""The target `inspect`, and drafts that run as they are."""

import pandas as pd
import pytest
from conftest import snakemake, succeed

SERIES = ("GSE9000001", "GSE9000002", "GSE9000003")
# Single cells; the files of one sample do not fit together, so its draft cannot run as it is.
CELLS = "GSE9000004"


@pytest.fixture(scope="module")
def drafts(tmp_path_factory):
    """Folder with a draft of every series of the demo, made by the workflow in one call."""
    folder = tmp_path_factory.mktemp("drafts")
    pages = [f"results/inspect/{name}/summary.html" for name in (*SERIES, CELLS)]
    succeed(folder, "--", *pages)
    return folder


def test_a_summary_on_the_terminal(tmp_path):
    process = snakemake(tmp_path, "--config", "inspect=GSE9000002", "--", "inspect")
    assert process.returncode == 0, process.stdout
    assert "dexamethasone (6 subjects)  vehicle (6 subjects)  paired" in process.stdout
    assert "inspect:" not in (tmp_path / "results/run_config.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ([], "say which: --config inspect=GSE159094"),
        (["--config", "inspect=gse1"], "inspect: found 'gse1'; expected text that matches"),
        (["--config", "inspect=GSE9009999"], "GSE9009999_series_matrix.txt.gz: no such file"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, arguments, wanted):
    process = snakemake(tmp_path, *arguments, "--", "inspect")
    assert process.returncode == 1 and wanted in process.stdout
    assert not list((tmp_path / "results").rglob("study.yaml"))


def test_unedited_drafts_run_to_the_verdicts(drafts, demo, tmp_path):
    more = tmp_path / "more.yaml"
    more.write_text(f"studies_dir: {drafts}/results/inspect\nstudies: [{', '.join(SERIES)}]\n")
    succeed(tmp_path, str(more), "--until", "give_verdicts")
    columns = ["study", "set_id", "n_case", "n_reference", "log2_fold_change", "p", "verdict"]

    def read(folder):
        table = pd.read_csv(folder / "results/synthesis/verdicts.tsv", sep="\t")
        return table[columns].set_index(["study", "set_id"])

    found, wanted = read(tmp_path), read(demo)
    # The draft of the first keeps the failed array, which only its description tells of.
    for name in SERIES[1:]:
        pd.testing.assert_frame_equal(found.loc[name], wanted.loc[name], rtol=1e-6)
    assert set(found.loc[SERIES[0], "n_reference"]) == {9}


def test_drafted_groups_are_those_of_the_studies(drafts, demo, tmp_path):
    more = tmp_path / "more.yaml"
    more.write_text(f"studies_dir: {drafts}/results/inspect\n")
    succeed(tmp_path, str(more), "--until", "curate_samples")
    for name in (*SERIES, CELLS):
        pair = [
            pd.read_csv(folder / f"results/{name}/samples.tsv", sep="\t", dtype=str)
            for folder in (tmp_path, demo)
        ]
        used = pair[1]["include"] == "yes"
        groups = [table.loc[used, "group"] for table in pair]
        assert len(set(zip(*groups, strict=True))) == groups[0].nunique() == groups[1].nunique()
        assert (pair[0].loc[used, "include"] == "yes").all()
        if name != CELLS:  # GEO's record does not tell of its treatment
            assert (pair[0].loc[used, "treatment"] == pair[1].loc[used, "treatment"]).all()

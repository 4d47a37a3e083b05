"""Single cells: the workflow on a subset of GSE96583 (two pools of eight donors)."""

import sys

import pandas as pd
import pytest
from test_real import ROOT, TREE

FILES = TREE / "series" / "GSE96nnn" / "GSE96583" / "suppl"
LABELS = FILES / "GSE96583_batch2.total.tsne.df.tsv.gz"

pytestmark = pytest.mark.skipif(not LABELS.exists(), reason=f"no GSE96583 in {TREE}")

sys.path.insert(0, str(ROOT / "tests" / "workflow"))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    from conftest import succeed

    folder = tmp_path_factory.mktemp("real")
    more = folder / "more.yaml"
    more.write_text(
        f"studies: [GSE96583]\ngeo: {{base_url: 'file:{TREE.resolve()}'}}\n"
        "cells: {min_cells: 10}\n"
    )
    succeed(folder, str(more), config="tests/real/config.yaml")
    return folder / "results"


@pytest.fixture(scope="module")
def verdicts(results):
    table = pd.read_csv(results / "synthesis" / "verdicts.tsv", sep="\t")
    return table.set_index(["set_id", "stratum"])


def test_isg15_rises_in_all_donors(results):
    path = results / "GSE96583" / "contrasts" / "interferon_vs_control.subjects.tsv"
    table = pd.read_csv(path, sep="\t", dtype={"subject": str})
    rows = table[(table["symbol"] == "ISG15") & (table["stratum"] == "all")]
    assert len(rows) == 8 and rows["log2_change"].between(4.4, 8.1).all()


def test_interferon_moves_its_set_in_every_cell_type_and_no_neuronal_set(verdicts):
    own = verdicts.loc["imm_interferon_type1"]
    assert {"all", "B cell", "CD4 T cell", "NK cell", "classical monocyte"} <= set(own.index)
    assert (own.loc[own["verdict"] != "not measurable", "verdict"] == "higher").all()
    assert own.loc["all", "verdict"] == "higher" and own.loc["all", "n_case"] == 8
    neurons = verdicts.loc["neg_neuron_glia_structural"]
    assert not neurons["verdict"].isin(["higher", "lower"]).any()


def test_cell_types_agree_with_the_labels_of_the_authors(results):
    from sklearn.metrics import adjusted_rand_score

    ours = pd.read_csv(results / "GSE96583" / "cells_umap.tsv.gz", sep="\t").set_index("cell")
    theirs = pd.read_csv(LABELS, sep="\t", keep_default_na=False)
    samples = theirs["stim"].map({"ctrl": "GSM2560248", "stim": "GSM2560249"})
    theirs.index = samples + ":" + theirs["barcode"]
    both = ours.join(theirs.loc[theirs["cell"] != "NA", "cell"], how="inner")
    assert len(both) > 100
    assigned = both[both["cell_type"] != "unassigned"]
    assert len(assigned) > 0.85 * len(both)
    assert adjusted_rand_score(assigned["cell"], assigned["cell_type"]) > 0.8


def test_cells_are_accounted_for(results):
    steps = pd.read_csv(results / "GSE96583" / "cell_steps.tsv", sep="\t", keep_default_na=False)
    of_cells = steps[(steps["unit"] == "cell") & (steps["sample"] != "")]
    assert (
        of_cells.loc[of_cells["reason"].str.contains("multiplets is 'NA'"), "left_out"].sum() == 26
    )
    for _, rows in of_cells.groupby("sample"):
        done = rows[rows["left"] != ""]
        first, last = int(done["left"].iloc[0]), int(done["left"].iloc[-1])
        assert first - done["left_out"].astype(int).sum() == last

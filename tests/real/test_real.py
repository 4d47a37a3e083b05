"""The whole workflow on real public series, from a local copy of GEO's tree.

The tree lies in ../shared/data/real/geo beside the repository, or where the environment variable
GEO_TREE says. Its README tells which files are GEO's own and which were rebuilt.
"""

import base64
import gzip
import os
import re
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
TREE = Path(os.environ.get("GEO_TREE", ROOT.parent / "shared" / "data" / "real" / "geo"))

pytestmark = pytest.mark.skipif(
    not TREE.is_dir(), reason=f"no copy of GEO's tree at {TREE} (set GEO_TREE)"
)

sys.path.insert(0, str(ROOT / "tests" / "workflow"))
MOVED = ["higher", "lower"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    from conftest import succeed

    folder = tmp_path_factory.mktemp("real")
    more = folder / "tree.yaml"
    more.write_text(f"geo:\n  base_url: file:{TREE.resolve()}\n")
    succeed(folder, str(more), config="tests/real/config.yaml")
    return folder / "results"


@pytest.fixture(scope="module")
def verdicts(results):
    table = pd.read_csv(results / "synthesis" / "verdicts.tsv", sep="\t")
    return table.set_index(["study", "set_id"])


def read(results, *parts):
    return pd.read_csv(results.joinpath(*parts), sep="\t", keep_default_na=False)


def test_dexamethasone_in_pbmc(verdicts, results):
    row = verdicts.loc[("GSE159094", "gr_response_up")]
    assert row["verdict"] == "higher" and 2.0 < row["log2_fold_change"] < 2.6
    assert (row["n_case"], row["n_reference"]) == (4, 4)
    changes = read(results, "GSE159094", "contrasts", "dexamethasone_vs_vehicle.subjects.tsv")
    fkbp5 = changes.loc[changes["symbol"] == "FKBP5", "log2_change"]
    adrb2 = changes.loc[changes["symbol"] == "ADRB2", "log2_change"]
    assert len(fkbp5) == 4 and fkbp5.between(2.0, 4.0).all()
    assert len(adrb2) == 4 and adrb2.between(0.6, 1.0).all()


def unpacked(page):
    """The markup of a page with what it carries compressed."""
    pattern = r'<script type="application/gzip">(.*?)</script>'
    return re.sub(pattern, lambda hit: gzip.decompress(base64.b64decode(hit[1])).decode(), page)


def test_the_report_shows_adrb2_of_every_donor(results):
    page = unpacked((results / "report" / "sets" / "adrenergic.html").read_text())
    changes = read(results, "GSE159094", "contrasts", "dexamethasone_vs_vehicle.subjects.tsv")
    rows = changes[changes["symbol"] == "ADRB2"].sort_values("subject")
    assert list(rows["subject"]) == list("ABCD")
    part = 'id="adr_beta_camp_signalling.GSE159094.dexamethasone_vs_vehicle.all"'
    shown = re.search(r">ADRB2</th>.*?</tr>", page[page.index(part) :], re.S)[0]
    assert re.findall(r">([+\u2212][\d.]+)</td>", shown)[-4:] == [
        f"{change:+.2f}" for change in rows["log2_change"]
    ]


def test_the_report_is_small_enough_to_send(results):
    pages = list((results / "report").rglob("*.html"))
    assert sum(path.stat().st_size for path in pages) < 8e6


def test_dexamethasone_in_airway_cells(verdicts):
    """Columns of the table are run accessions, assigned in samples.tsv."""
    assert verdicts.loc[("GSE52778", "gr_response_up"), "verdict"] == "higher"
    for name in ("neg_neuron_glia_structural", "chol_nicotinic_receptors"):
        assert verdicts.loc[("GSE52778", name), "verdict"] in ("not measurable", "no difference")


def test_mouse_model_through_orthologues(verdicts, results):
    table = read(results, "GSE112540", "detectability.tsv")
    silent = table[table["symbol"].isin(["ADRB1", "ADRB3", "CHRNA7", "CHAT", "TH"])]
    assert set(silent["data_id"]) == {"Adrb1", "Adrb3", "Chrna7", "Chat", "Th"}
    assert set(silent["measurable"]) == {"no"} and (silent["n_detected"] == 0).all()
    for name in ("adr_receptors_beta", "chol_nicotinic_receptors"):
        measurable = str(verdicts.loc[("GSE112540", name), "measurable_genes"]).split(";")
        assert not {"ADRB1", "ADRB3", "CHRNA7"} & set(measurable)
    mapping = read(results, "GSE112540", "panel_mapping.tsv")
    assert (mapping["matched_by"] == "mouse orthologue symbol").sum() > 1000
    import json

    summary = json.loads((results / "GSE112540" / "profiles.json").read_text())
    assert summary["counts"].startswith("fractional counts, symbol identifiers")


def test_scales_of_arrays(results):
    import json

    scales = {}
    for name in ("GSE42872", "GSE4107", "GSE49454"):
        scales[name] = json.loads((results / name / "profiles.json").read_text())["scale_submitted"]
    assert scales == {"GSE42872": "log2", "GSE4107": "linear", "GSE49454": "log2"}


def test_two_spellings_of_a_key(results):
    samples = read(results, "GSE4107", "samples.tsv")
    assert samples["sex"].value_counts().to_dict() == {"female": 12, "male": 10}


def test_visits_of_a_patient_are_one_subject(results, verdicts):
    samples = read(results, "GSE49454", "samples.tsv")
    attrition = read(results, "GSE49454", "attrition.tsv").set_index("step")
    merged = len(samples) - len(samples[["subject", "group"]].drop_duplicates())
    assert merged > 0 and attrition.loc["replicates", "left_out"] == merged
    row = verdicts.loc[("GSE49454", "imm_interferon_type1")]
    assert row["verdict"] == "higher"
    assert row["n_case"] + row["n_reference"] == len(samples) - merged


def test_counts_of_ncbi_by_entrez_id(results, verdicts):
    mapping = read(results, "GSE201926", "panel_mapping.tsv")
    assert mapping["matched_by"].value_counts().to_dict() == {"Entrez id": 1262}
    assert (verdicts.loc["GSE201926", "n_case"] == 6).all()


def test_every_panel_set_has_a_row_in_every_study(verdicts):
    assert (verdicts.groupby("study").size() == 114).all()


def test_control_sets_do_not_move(verdicts):
    """21 tests of sets that these tissues do not express: at most 5 % may come out."""
    names = ["neg_olfactory", "neg_testis", "neg_lens_retina"]
    rows = verdicts[verdicts.index.get_level_values("set_id").isin(names)]
    assert len(rows) == 21
    assert rows["verdict"].isin(MOVED).mean() <= 0.05
    assert rows["verdict"].value_counts()["not measurable"] >= 15

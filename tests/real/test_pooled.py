"""Several real series to a question: pooling, what is left out, and what steroid dose tracks."""

import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "real"))

from test_real import TREE  # noqa: E402

pytestmark = pytest.mark.skipif(
    not TREE.is_dir(), reason=f"no copy of GEO's tree at {TREE} (set GEO_TREE)"
)
LUPUS = ["GSE49454_first_visits", "GSE65391"]
INTERFERON = "imm_interferon_type1"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    from conftest import succeed

    folder = tmp_path_factory.mktemp("pooled")
    more = folder / "tree.yaml"
    more.write_text(f"geo:\n  base_url: file:{TREE.resolve()}\n")
    succeed(folder, str(more), config="tests/real/pooled.yaml")
    return folder / "results"


def read(results, name):
    return pd.read_csv(results / name, sep="\t", keep_default_na=False, na_values=[""])


def test_the_interferon_set_is_higher_in_lupus_in_both_series(results):
    table = read(results, "synthesis/verdicts.tsv")
    rows = table[(table["contrast"] == "lupus_vs_healthy") & (table["set_id"] == INTERFERON)]
    assert list(rows["study"]) == LUPUS and set(rows["verdict"]) == {"higher"}
    assert rows["log2_fold_change"].between(2.0, 2.8).all()
    # Three children were measured twice, and of two fields of GEO's record one says who is treated.
    assert list(rows["n_case"]) == [11, 13] and list(rows["n_reference"]) == [20, 17]


def test_two_series_are_shown_and_not_pooled(results):
    table = read(results, "synthesis/meta.tsv")
    rows = table[(table["comparison"] == "lupus_vs_healthy") & (table["set_id"] == INTERFERON)]
    assert set(rows["adjustment"]) == {"none", "erythroid", "composition"}
    assert set(rows["k"]) == {2} and set(rows["pooled"]) == {"no"}
    assert rows["log2_fold_change"].isna().all() and set(rows["n_higher"]) == {2}
    shown = read(results, "synthesis/meta_leave_one_out.tsv")
    shown = shown[(shown["set_id"] == INTERFERON) & (shown["adjustment"] == "erythroid")]
    shown = shown[shown["comparison"] == "lupus_vs_healthy"]
    assert list(shown["study"]) == LUPUS and (shown["ci_low"] > 1.5).all()


def test_what_is_left_out_and_why(results):
    table = read(results, "synthesis/meta_excluded.tsv")
    whole = table[table["sets"] == "all"].set_index(["study", "contrast"])["reason"]
    assert whole.to_dict() == {
        ("GSE49454_first_visits", "lupus_on_steroid_vs_healthy"): (
            "confounded by design: treatment separates the groups"
        ),
        ("GSE65391", "lupus_on_steroid_vs_healthy"): (
            "confounded by design: treatment separates the groups"
        ),
        ("GSE52778", "dexamethasone_vs_vehicle"): (
            "other tissue: airway smooth muscle is of no tissue class"
        ),
    }


def test_both_dexamethasone_series_pass_as_controls(results):
    table = read(results, "synthesis/controls.tsv")
    rows = table[table["control"] == "glucocorticoid"]
    assert dict(zip(rows["study"], rows["outcome"], strict=True)) == {
        "GSE159094": "pass",
        "GSE52778": "pass",
    }
    assert "fail" not in set(table["outcome"])


def test_steroid_dose_tracks_erythroid_genes_and_not_fkbp5(results):
    table = read(results, "GSE49454_first_visits/coupling.tsv")
    dose = table[table["kind"] == "dose"].set_index("y")
    assert (dose["n"] == 33).all() and set(dose["label"]) == {"exploratory"}
    assert abs(dose.loc["FKBP5", "rho"]) < 0.1 and dose.loc["FKBP5", "p"] > 0.5
    assert abs(dose.loc["gr_exposure_sentinel", "rho"]) < 0.2
    for name, least in (("AHSP", 0.5), ("ALAS2", 0.4), ("erythroid marker genes", 0.45)):
        assert dose.loc[name, "rho"] > least and dose.loc[name, "q"] < 0.05


def test_pairs_of_four_donors_allow_no_coupling(results):
    table = read(results, "GSE159094/coupling.tsv")
    assert table["rho"].isna().all()
    assert set(table["n"]) == {4}

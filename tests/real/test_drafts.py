"""Drafts of real series: how often the guess of the groups is that of a study written by hand.

The tree lies in ../shared/data/real/geo beside the repository, or where GEO_TREE says.
"""

import os
import re
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from neuroimmune.geo.listing import look_up
from neuroimmune.inspection import write_draft
from neuroimmune.samples import curate
from neuroimmune.studies import read_study

ROOT = Path(__file__).parents[2]
TREE = Path(os.environ.get("GEO_TREE", ROOT.parent / "shared" / "data" / "real" / "geo"))
SCHEMAS = ROOT / "config" / "schemas"

pytestmark = pytest.mark.skipif(
    not TREE.is_dir(), reason=f"no copy of GEO's tree at {TREE} (set GEO_TREE)"
)

# A series whose header was rebuilt names no platform; what it lacks is said.
INCOMPLETE = {"GSE17156": "source.platform is GPL0"}
# In GSE49454 the visits of a patient are coded in the titles, which no draft can know.
SAME_GROUPS = ["GSE159094", "GSE201926", "GSE4107", "GSE42872", "GSE49454", "GSE52778", "GSE78193"]
SAME_SUBJECTS = [*SAME_GROUPS[:4], "GSE52778", "GSE65391", "GSE78193"]


@pytest.fixture(scope="module")
def drafts(tmp_path_factory):
    """Accession -> (folder of its draft, curated samples or None)."""
    geo = yaml.safe_load((ROOT / "tests/real/config.yaml").read_text())["geo"]
    geo["base_url"] = f"file:{TREE.resolve()}"
    folder, found = tmp_path_factory.mktemp("drafts"), {}
    for path in sorted(TREE.glob("series/*/*/matrix")):
        name = path.parent.name
        record = look_up(geo, name)
        text = write_draft(folder / name, name, record, SCHEMAS, 3)
        if name in INCOMPLETE:
            assert INCOMPLETE[name] in text
            continue
        assert "does not run yet" not in text, name
        found[name] = curate(read_study(folder / name, SCHEMAS), *record[:2])
    return folder, found


def by_hand(name, record):
    return curate(read_study(ROOT / "tests/real/studies" / name, SCHEMAS), *record)


def same_parts(one, other):
    return len(set(zip(one, other, strict=True))) == one.nunique() == other.nunique()


def test_every_series_gets_a_draft(drafts):
    assert len(drafts[1]) >= 15


def test_how_often_the_groups_are_those_of_a_hand_written_study(drafts):
    from neuroimmune.geo.matrix import read_records

    groups, subjects = [], []
    for name, drafted in drafts[1].items():
        if not (ROOT / "tests/real/studies" / name).is_dir():
            continue
        record = read_records(sorted(TREE.glob(f"series/*/{name}/matrix/*.gz")))
        table = by_hand(name, record).merge(drafted, on="sample", suffixes=("", "_drafted"))
        used = table[table["include"] == "yes"]
        assert (used["include_drafted"] == "yes").all()
        if same_parts(used["group"], used["group_drafted"]):
            groups.append(name)
        if same_parts(used["subject"], used["subject_drafted"]):
            subjects.append(name)
    assert sorted(groups) == SAME_GROUPS
    assert sorted(subjects) == SAME_SUBJECTS


def test_unedited_drafts_run(drafts, tmp_path):
    sys.path.insert(0, str(ROOT / "tests" / "workflow"))
    from conftest import succeed

    more = tmp_path / "tree.yaml"
    more.write_text(
        f"studies_dir: {drafts[0]}\nstudies: [GSE159094, GSE42872]\n"
        f"geo:\n  base_url: file:{TREE.resolve()}\n"
    )
    succeed(
        tmp_path / "run", str(more), "--until", "give_verdicts", config="tests/real/config.yaml"
    )
    table = pd.read_csv(tmp_path / "run/results/synthesis/verdicts.tsv", sep="\t")
    row = table.set_index(["study", "set_id"]).loc[("GSE159094", "gr_response_up")]
    assert row["verdict"] == "higher" and 2.0 < row["log2_fold_change"] < 2.6


def test_no_draft_takes_patients_and_healthy_persons_for_one(drafts):
    for name, table in drafts[1].items():
        kept = table[table["include"] == "yes"]
        for _, rows in kept.groupby("subject"):
            healthy = rows["group"].str.contains("healthy|normal")
            assert healthy.all() or not healthy.any(), name
    study = (drafts[0] / "GSE49454" / "study.yaml").read_text()
    assert re.search(r"TODO: no field names the persons", study)

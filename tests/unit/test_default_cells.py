"""The single-cell series configured by default, with records as GEO may hold them."""

from pathlib import Path

import pytest

from neuroimmune.contrast import design_of
from neuroimmune.errors import UserError
from neuroimmune.samples import curate
from neuroimmune.studies import read_study

ROOT = Path(__file__).parents[2]
SETTINGS = {"min_subjects": 3}
TITLES = {
    **{n: f"RR{n - 4835}" for n in range(4836, 4840)},
    **{n: f"P{n - 4839}" for n in range(4840, 4845)},
    **dict(zip(range(4845, 4848), ("P2r", "P1r", "P4r"), strict=True)),
    **dict(
        zip(
            range(4848, 4854),
            ("hdmi", "hdmi pos", "hd44", "hd44 pos", "hd45", "hd45 pos"),
            strict=True,
        )
    ),
}


def record(number, title):
    return {"geo_accession": f"GSM908{number}", "title": title, "platform_id": "GPL24676"}


@pytest.fixture(scope="module")
def study():
    return read_study(ROOT / "config/studies/GSE301528", ROOT / "config/schemas")


def test_treatment_leads_the_warnings_of_every_contrast(study):
    table = curate(study, {}, [record(*item) for item in TITLES.items()])
    assert set(table["include"]) == {"yes"} and len(table) == 18
    assert table.loc[table["group"] == "healthy", "subject"].nunique() == 3
    # One profile a subject and group, as pseudobulk makes them.
    obs = table.drop_duplicates(["subject", "group"]).set_index("sample")
    for name, contrast in study["contrasts"].items():
        _, _, report = design_of(obs, contrast, SETTINGS)
        assert report["confounders"][0]["factor"] == "treatment", name
        assert report["warnings"][0].startswith("Confounded by treatment"), name
    kept, _, report = design_of(obs, study["contrasts"]["diagnosis_vs_remission"], SETTINGS)
    assert (report["n_case"], report["n_reference"], report["n_subjects"]) == (5, 3, 5)


def test_titles_that_name_no_patient_are_shown(study):
    with pytest.raises(UserError) as error:
        curate(study, {}, [record(number, f"library {number}") for number in TITLES])
    text = str(error.value)
    assert "study.yaml:24: samples.subject.pattern does not cover what GEO says in title" in text
    assert "'library 4836'" in text


def test_the_comparator_is_valid():
    study = read_study(ROOT / "config/studies/GSE196676", ROOT / "config/schemas")
    table = curate(study, None, None)
    assert table["group"].value_counts().to_dict() == {"ITP": 4, "healthy": 4}

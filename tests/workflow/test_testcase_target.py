"""Bundles of one number: made by the workflow, recomputed in a fresh folder."""

import os
import subprocess
import sys
import zipfile

import pytest
from conftest import ROOT, snakemake, succeed

CASES = {
    "paired counts": ("GSE9000002", "dexamethasone_vs_vehicle", "gr_response_up"),
    "both directions": ("GSE9000002", "dexamethasone_vs_vehicle", "gr_exposure_sentinel"),
    "array": ("GSE9000001", "aiha_vs_healthy", "adr_beta_camp_signalling"),
}


def place(case):
    return "results/testcase/{}/{}/{}/all.zip".format(*case)


@pytest.fixture(scope="module")
def bundles(demo):
    succeed(demo, "--", *(place(case) for case in CASES.values()))
    return demo


def reproduce(folder):
    """Finished process of the command that the bundle's README gives."""
    return subprocess.run(
        [sys.executable, "-m", "neuroimmune.testcase", str(folder)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "scripts")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("name", CASES)
def test_the_number_comes_out_in_a_fresh_folder(bundles, tmp_path, name):
    with zipfile.ZipFile(bundles / place(CASES[name])) as archive:
        archive.extractall(tmp_path)
    process = reproduce(tmp_path)
    assert process.returncode == 0, process.stdout
    assert "Reproduced: the largest difference is" in process.stdout
    assert float(process.stdout.split()[-1]) < 1e-9
    text = (tmp_path / "README.md").read_text()
    assert "SIMULATED" in text and "Not reproduced" in text
    assert "discover" not in (tmp_path / "config.yaml").read_text()
    assert (bundles / place(CASES[name])).stat().st_size < 400_000


def test_a_changed_bundle_is_noticed(bundles, tmp_path):
    with zipfile.ZipFile(bundles / place(CASES["array"])) as archive:
        archive.extractall(tmp_path)
    expected = tmp_path / "expected.tsv"
    expected.write_text(expected.read_text().replace("\t0.6", "\t0.5", 1))
    process = reproduce(tmp_path)
    assert process.returncode == 1 and "NOT reproduced: log2_fold_change" in process.stdout
    header, first, *rest = (tmp_path / "expression.tsv").read_text().splitlines()
    gene, value, *others = first.split("\t")
    changed = [header, "\t".join([gene, str(float(value) + 1), *others]), *rest]
    (tmp_path / "expression.tsv").write_text("\n".join(changed) + "\n")
    process = reproduce(tmp_path)
    assert (
        process.returncode == 1 and "differ from those of expression.tsv by up to" in process.stdout
    )
    assert "no case.yaml" in reproduce(tmp_path / "..").stdout


def test_the_target_and_what_it_refuses(bundles):
    contrast = "GSE9000002/dexamethasone_vs_vehicle"
    process = snakemake(
        bundles, "--config", f"testcase={contrast}/gr_response_up", "--", "testcase"
    )
    assert process.returncode == 0 and "Nothing to be done" in process.stdout
    process = snakemake(bundles, "--config", f"testcase={contrast}/neg_testis", "--", "testcase")
    assert process.returncode == 1
    assert (
        "ERROR in bundle_testcase: testcase: neg_testis has no number in dexamethasone_vs_vehicle "
        "of GSE9000002 (all): 0 measurable genes, 6 and 6 subjects"
    ) in process.stdout
    process = snakemake(bundles, "--config", f"testcase={contrast}/nosuch", "--", "testcase")
    assert "testcase: no set_id 'nosuch'; there are adr_" in process.stdout

"""A real Slurm: the workflow gives the bytes of a local run, and survives what clusters do.

As root, with Debian's slurm-wlm and munge. SLURM_FAULTS=all does every fault (20 minutes);
benchmarks/slurm_faults.py does the same and writes the table of docs/reliability.md.
"""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import faults
import machine

REASON = machine.why_not()
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)
STUDIES = ["GSE9000002"]
IN_CI = ("Snakemake killed",)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return machine.write_config(tmp_path_factory.mktemp("config") / "config.yaml", STUDIES)


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("local") / "run"
    machine.locally(config, folder)
    return folder


@pytest.fixture(scope="module")
def inner(tmp_path_factory):
    with machine.cluster(tmp_path_factory.mktemp("slurm") / "cluster") as pid:
        yield pid


def test_the_same_bytes_as_a_local_run_although_a_job_was_killed_for_memory(
    inner, config, finished, tmp_path
):
    folder, fault = tmp_path / "run", faults.FAULTS["killed for memory, once"]
    process = machine.through_slurm(inner, config, folder, *fault.options, deadline=500)
    code, console = process.wait(), Path(f"{folder}.log").read_text()
    assert code == 0, console[-3000:]
    assert "has been submitted with SLURM jobid" in console and faults.RETRIED in console
    logs = folder.glob(".snakemake/slurm_logs/**/*.log")
    assert any(fault.evidence in path.read_text() for path in logs)
    assert machine.digests(folder) == machine.digests(finished)


@pytest.mark.parametrize("name", faults.FAULTS)
def test_fault(name, inner, config, finished, tmp_path):
    if name not in IN_CI and os.environ.get("SLURM_FAULTS") != "all":
        pytest.skip("one of the longer faults: SLURM_FAULTS=all, or benchmarks/slurm_faults.py")
    faults.endure(inner, config, finished, tmp_path / "run", faults.FAULTS[name])

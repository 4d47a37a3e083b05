"""What is said before the first job where Slurm could not work."""

import pytest

from neuroimmune.errors import UserError
from neuroimmune.slurm import check_slurm


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Put a program that runs the given shell line onto an otherwise empty PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def add(name, line):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)

    return add


def settings(accounting="accounting_storage/slurmdbd", remembered="300 sec"):
    return (
        "echo 'Configuration data as of 2024-01-01T00:00:00'\n"
        f"echo 'AccountingStorageType   = {accounting}'\n"
        f"echo 'MinJobAge               = {remembered}'"
    )


def test_without_sbatch(programs):
    with pytest.raises(UserError, match="sbatch is not on this machine's PATH.*login node"):
        check_slurm("squeue", 20)


def test_without_an_answer(programs):
    programs("sbatch", "exit 0")
    with pytest.raises(UserError, match="Slurm does not answer: .*scontrol"):
        check_slurm("squeue", 20)
    programs("scontrol", "echo 'Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(UserError, match="not answer: Unable to contact slurm controller"):
        check_slurm("squeue", 20)


@pytest.mark.parametrize("status_command", ["squeue", "sacct"])
def test_with_accounting_all_is_well(programs, status_command):
    programs("sbatch", "exit 0")
    programs("scontrol", settings(remembered="5 sec"))
    check_slurm(status_command, 20)


def test_without_accounting_only_squeue_tells_that_a_job_ended(programs):
    programs("sbatch", "exit 0")
    programs("scontrol", settings("accounting_storage/none"))
    check_slurm("squeue", 20)
    with pytest.raises(UserError, match="no job accounting.*slurm-status-command: squeue"):
        check_slurm("sacct", 20)


def test_no_accounting_may_be_shown_as_null(programs):
    programs("sbatch", "exit 0")
    programs("scontrol", settings("(null)"))
    with pytest.raises(UserError, match="no job accounting"):
        check_slurm("sacct", 20)


def test_jobs_that_are_forgotten_before_the_first_look(programs):
    programs("sbatch", "exit 0")
    programs("scontrol", settings("accounting_storage/none", "30 sec"))
    with pytest.raises(UserError, match="after 30 sec .*status-checks: 10"):
        check_slurm("squeue", 20)
    check_slurm("squeue", 10)

"""Run the workflow as a user does, in a folder of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def snakemake(directory, *arguments, repository=ROOT, config="demo/config.yaml", cores=2):
    """Finished process of one Snakemake call; its console output is in stdout."""
    directory.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(repository / "Snakefile")]
    command += ["--cores", str(cores), "--directory", str(directory), "--nocolor"]
    command += ["--configfile", str(repository / config)] if config else []
    return subprocess.run(
        [*command, *arguments],
        cwd=repository,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )


def succeed(*arguments, **options):
    process = snakemake(*arguments, **options)
    assert process.returncode == 0, process.stdout[-5000:]
    return process.stdout


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """Folder of one finished run of the demo, from a path with a space, on two cores."""
    folder = tmp_path_factory.mktemp("demo") / "a run"
    succeed(folder)
    return folder

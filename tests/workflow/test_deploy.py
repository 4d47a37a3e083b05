"""The workflow as a module from GitHub, as snakedeploy sets it up; github.com is a folder here."""

import os
import shutil
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT

IGNORED = shutil.ignore_patterns(
    ".git", ".venv", ".*cache", ".snakemake", "run", "resources", "__*"
)

# The Snakefile that snakedeploy 0.17 writes.
SNAKEFILE = """
configfile: "config/config.yaml"


module aiha_neuroimmune:
    snakefile:
        github("owner/aiha-neuroimmune", path="workflow/Snakefile", tag="v0")
    config:
        config


use rule * from aiha_neuroimmune
"""


def git(folder, *arguments):
    names = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", *names, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_deployed_from_github(tmp_path, monkeypatch):
    repository = tmp_path / "hub" / "owner" / "aiha-neuroimmune"
    shutil.copytree(ROOT, repository, ignore=IGNORED)
    git(repository, "init", "--quiet")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "test")
    git(repository, "tag", "v0")
    run = tmp_path / "a run"
    (run / "workflow").mkdir(parents=True)
    shutil.copytree(ROOT / "config", run / "config")
    shutil.copytree(ROOT / "profiles", run / "profiles")
    (run / "workflow" / "Snakefile").write_text(SNAKEFILE)
    demo = yaml.safe_load((ROOT / "demo" / "config.yaml").read_text())
    (run / "demo.yaml").write_text(yaml.safe_dump(demo))
    settings = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{tmp_path}/hub/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    targets = ["results/panels/sets.tsv", "results/GSE9000002/samples.tsv"]
    process = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "demo.yaml", "--"]
        + targets,
        cwd=run,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.returncode == 0, process.stdout[-3000:]
    assert all((run / target).exists() for target in targets)


def test_the_catalogue_entry_names_what_is_there():
    entry = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())
    assert set(entry["usage"]) == {"mandatory-flags", "software-stack-deployment", "report"}
    assert entry["usage"]["report"] is True
    assert entry["usage"]["software-stack-deployment"]["conda"] is True
    assert (ROOT / "workflow" / "Snakefile").read_text().endswith('include: "../Snakefile"\n')

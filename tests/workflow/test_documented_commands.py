"""Every command block of README.md and the documentation, as it stands, against the demo.

A block of commands is a fenced one without a language. `<!-- not run: reason -->` on the line above
leaves it out. In a copy of the repository, `.venv` is the environment that runs this test, and
`snakemake` takes the demo's studies, so that accessions of real series stand for those of the demo
(`STAND_IN`). NCBI is a local server.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

from entrez_server import series, serve_entrez

PAGES = ["README.md", "CONTRIBUTING.md", "demo/README.md", "config/README.md"]
PAGES += sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/*.md"))
STAND_IN = {"GSE159094": "GSE9000002", "<ID>": "GSE9000002", "path/to/aiha-neuroimmune/": ""}
BLOCK = re.compile(r"^(?:<!-- not run: (.*?) -->\n)?```\n(.*?)^```$", re.M | re.S)
IGNORED = shutil.ignore_patterns(
    ".git", ".venv", ".*cache", ".snakemake", "run", "resources", "__*"
)


def blocks():
    for page in PAGES:
        text = (ROOT / page).read_text()
        # Blocks with a language are taken out first: their end would look like a start.
        text = re.sub(
            r"^```\w+\n.*?^```$", lambda m: "\n" * m[0].count("\n"), text, flags=re.M | re.S
        )
        for found in BLOCK.finditer(text):
            line = text[: found.start(2)].count("\n") + 1
            yield pytest.param(found[1], found[2], id=f"{page}:{line}")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """(copy of the repository, environment) with an environment in place of an installed one."""
    copy = tmp_path_factory.mktemp("checkout") / "aiha-neuroimmune"
    shutil.copytree(ROOT, copy, ignore=IGNORED)
    venv = copy / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "ready").touch()
    if sys.prefix != sys.base_prefix:
        for name in ("pyvenv.cfg", "lib"):
            (venv / name).symlink_to(Path(sys.prefix) / name)
    for program in Path(sys.executable).parent.iterdir():
        if program.name != "snakemake":
            (venv / "bin" / program.name).symlink_to(program)
    snakemake = venv / "bin" / "snakemake"
    settings = copy.parent / "demo.yaml"
    snakemake.write_text(
        f"#!/bin/sh\nexec {sys.executable} -m snakemake --configfile={settings} "
        '--directory demo/run "$@"\n'
    )
    snakemake.chmod(0o755)
    # What commands without --directory write into results/ lies in the demo's run.
    shutil.rmtree(copy / "results")
    (copy / "results").symlink_to("demo/run/results")
    with serve_entrez() as ncbi:
        ncbi.add("AIHA", series(5))
        demo = yaml.safe_load((ROOT / "demo" / "config.yaml").read_text())
        settings.write_text(yaml.safe_dump(demo | {"discover": {"base_url": ncbi.url}}))
        path = f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "NO_PROXY": "127.0.0.1"}
        run("make demo", copy, environment)
        yield copy, environment


def run(commands, copy, environment):
    process = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=copy,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert process.returncode == 0, process.stdout[-3000:]


@pytest.mark.parametrize(("reason", "commands"), list(blocks()))
def test_commands(reason, commands, request):
    if reason:
        pytest.skip(f"not run: {reason}")
    for real, demo in STAND_IN.items():
        commands = commands.replace(real, demo)
    run(commands, *request.getfixturevalue("checkout"))


def test_commands_are_found():
    found = [entry.values for entry in blocks()]
    assert len(found) > 10
    assert sum(reason is None for reason, _ in found) > 8

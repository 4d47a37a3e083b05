"""The conda environments carry the versions of the lock, and the lock names no host."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text()
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))


def locked():
    """Package -> version in the lock for Python 3.12 and later."""
    found = {}
    for name, version, marker in re.findall(r"^([\w.-]+)==([^ ;\\]+)(?: ; (.*?))? \\$", LOCK, re.M):
        if "python_full_version < '3.12'" not in marker:
            found[name] = version
    return found


def pins(path):
    for entry in yaml.safe_load(path.read_text())["dependencies"]:
        if isinstance(entry, dict):
            yield from (tuple(item.split("==")) for item in entry["pip"])
        elif entry not in ("pip", "python=3.12"):
            yield tuple(entry.split("="))


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.name)
def test_versions_equal_the_lock(path):
    wanted = locked()
    found = dict(pins(path))
    assert found == {name: wanted[name] for name in found}
    assert {"anndata", "pandas"} <= set(found) or path.name == "download.yaml"


def test_every_rule_has_an_environment_that_exists():
    for rules in (ROOT / "rules").glob("*.smk"):
        text = rules.read_text()
        named = re.findall(r'conda:\n\s+"\.\./(envs/\w+\.yaml)"', text)
        assert len(named) == len(re.findall(r"^    script:", text, re.M)), rules.name
        assert all((ROOT / name).exists() for name in named)


def test_the_lock_has_hashes_and_no_host():
    assert "://" not in LOCK
    packages = re.findall(r"^[\w.-]+==", LOCK, re.M)
    assert len(packages) > 100
    assert LOCK.count("--hash=sha256:") > len(packages)


def test_the_lock_serves_python_3_11_to_3_13():
    assert re.search(r"^pandas==2\.\S+ ; python_full_version < '3.12'", LOCK, re.M)
    assert re.search(r"^pandas==3\.\S+ ; python_full_version >= '3.12'", LOCK, re.M)


def test_the_profile_names_no_rule_that_is_not_there():
    rules = set()
    for path in (ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")):
        rules |= set(re.findall(r"^rule (\w+):", path.read_text(), re.M))
    for path in (ROOT / "profiles").glob("*/config.yaml"):
        profile = yaml.safe_load(path.read_text())
        for key in ("set-resources", "set-threads", "groups"):
            named = {str(item).split("=")[0].split(":")[0] for item in profile.get(key, [])}
            assert named <= rules, (path, key)


def test_the_snakefile_is_short_and_in_the_order_of_the_data_flow():
    text = (ROOT / "Snakefile").read_text()
    assert len(text.splitlines()) < 60
    assert re.findall(r'include: "rules/(\w+)\.smk"', text) == [
        "common",
        "geo",
        "curate",
        "bulk",
        "singlecell",
        "score",
        "check",
        "contrast",
        "synthesis",
        "report",
        "discover",
    ]
    for path in (ROOT / "rules").glob("*.smk"):
        opening = path.read_text().split('"""')[1]
        assert "needs:" in opening and "makes:" in opening, path.name


def test_every_rule_with_a_script_asks_for_memory_and_time():
    for path in (ROOT / "rules").glob("*.smk"):
        for block in re.split(r"^(?=rule \w+:)", path.read_text(), flags=re.M)[1:]:
            if "script:" in block:
                name = block.split(":")[0]
                assert "mem_mb=" in block and "runtime=" in block, name


@pytest.mark.parametrize("path", sorted((ROOT / "profiles").glob("*/config.yaml")), ids=str)
def test_profiles_explain_every_setting_and_name_no_site(path):
    text = path.read_text()
    settings = yaml.safe_load(text)
    assert not {"default-resources", "slurm-qos", "slurm-reservation"} & set(settings)
    for key in settings:
        before = text[: text.index(f"\n{key}:")].splitlines()[-1]
        # Settings that belong together may share a comment.
        assert before.startswith("#") or before.split(":")[0] in settings, key

"""The documentation is in step with what it is made from, builds offline, and its links hold."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted(ROOT.glob("docs/*.md")),
    ROOT / "config" / "README.md",
    ROOT / "demo" / "README.md",
]

sys.path.insert(0, str(ROOT / "docs"))


def test_generated_pages_are_in_step():
    process = subprocess.run(
        [sys.executable, "docs/make_docs.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr


def test_a_page_that_is_out_of_step_is_named(tmp_path, monkeypatch):
    import make_docs

    monkeypatch.setattr(make_docs, "settings_page", lambda: "other")
    with pytest.raises(SystemExit, match=r"not in step: config/README.md; run python"):
        make_docs.main(["--check"])


def test_every_setting_has_a_meaning():
    rows = re.findall(r"^\| `(\S+)` \|.*\| (.*) \|$", (ROOT / "config/README.md").read_text(), re.M)
    assert len(rows) > 40
    assert [key for key, meaning in rows if not meaning.strip()] == []


def test_every_set_stands_on_the_page_of_panels():
    import make_docs

    page = (ROOT / "docs" / "panels.md").read_text()
    sets = make_docs.read_tsv(ROOT / "config/panels/neuroimmune_panel_sets.tsv")
    assert re.findall(r"^### (\S+)$", page, re.M) == [row["set_id"] for row in sets]
    for row in sets:
        assert f"- Caution: {row['caution'] or 'none recorded'}." in page
    assert "- Genes: ADRA1A, ADRA1B, ADRA1D." in page


def anchors(path):
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_within_the_repository_hold(page):
    for target in re.findall(r"\]\((?!https?://|mailto:)([^)\s]+)\)", page.read_text()):
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), f"{page}: {target}"
        assert not anchor or anchor in anchors(path), f"{page}: {target}"


def test_the_site_builds_and_fetches_nothing(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 5
    for page in pages:
        loaded = re.findall(
            r'<(?:link|script|img)[^>]*(?:src|href)="(https?:)?//', page.read_text()
        )
        assert not loaded, page
    assert "fonts.googleapis" not in "".join(p.read_text() for p in tmp_path.rglob("*.css"))


def test_the_picture_is_small():
    assert (ROOT / "docs" / "report-simulated.png").stat().st_size < 300_000


def test_continuous_integration_runs_what_a_checkout_runs():
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    steps = jobs["checks"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [".ci/run"]
    assert jobs["checks"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]


def test_forms_for_issues():
    for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"):
        form = yaml.safe_load(path.read_text())
        if path.name == "config.yml":
            continue
        assert form["name"] and form["description"]
        ids = [entry["id"] for entry in form["body"] if entry["type"] != "markdown"]
        assert len(set(ids)) == len(ids) > 1


def test_the_container_takes_the_lock():
    text = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^FROM python:3\.12-slim$", text, re.M)
    assert "--require-hashes --requirement requirements.lock" in text
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert not {"scripts", "config", "rules", "demo", "profiles"} & set(ignored)

"""The job context and the digest of the code behind a stage."""

import logging
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from neuroimmune import workflow
from neuroimmune.errors import UserError
from neuroimmune.files import atomic, read_rows, read_table, write_json, write_table

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "scripts"


def snakemake(tmp_path):
    return SimpleNamespace(log=[tmp_path / "logs" / "rule.log"], rule="score_sets")


def test_a_users_mistake_is_one_console_line_and_exit_1(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        with workflow.job(snakemake(tmp_path)):
            print("printed")
            logging.getLogger("x").info("logged")
            raise UserError("samples.tsv:3: unknown sample")
    assert stop.value.code == 1
    log = tmp_path / "logs" / "rule.log"
    output = capsys.readouterr()
    assert output.err == (f"ERROR in score_sets: samples.tsv:3: unknown sample (log: {log})\n")
    assert output.out == ""
    text = log.read_text()
    assert "printed" in text and "INFO logged" in text
    assert "ERROR: samples.tsv:3: unknown sample" in text


def test_an_internal_error_leaves_its_traceback_in_the_log(tmp_path, capsys):
    with pytest.raises(ZeroDivisionError):
        with workflow.job(snakemake(tmp_path)):
            1 / 0  # noqa: B018
    assert "an internal error, see the log" in capsys.readouterr().err
    assert "ZeroDivisionError" in (tmp_path / "logs" / "rule.log").read_text()


def modules(script):
    return {
        path.relative_to(SCRIPTS).as_posix() for path in workflow.import_closure(SCRIPTS / script)
    }


def test_the_closure_of_a_stage_is_what_it_runs():
    score = modules("score_sets.py")
    assert {"score_sets.py", "neuroimmune/scoring.py", "neuroimmune/genes.py"} <= score
    assert not {"neuroimmune/stats/linear.py", "neuroimmune/verdict.py"} & score
    assert "neuroimmune/stats/linear.py" in modules("test_contrast.py")


@pytest.mark.parametrize("script", sorted(path.name for path in SCRIPTS.glob("*.py")))
def test_the_closure_covers_every_module_that_python_loads(script):
    """Import all modules named in a script, at any depth, and compare with the closure."""
    code = (
        "import sys, importlib; sys.path.insert(0, sys.argv[1])\n"
        "from neuroimmune import workflow\n"
        "from pathlib import Path\n"
        "for p in workflow.import_closure(Path(sys.argv[1]) / sys.argv[2]):\n"
        "    if 'neuroimmune' in p.parts:\n"
        "        m = p.relative_to(sys.argv[1]).with_suffix('').parts\n"
        "        importlib.import_module('.'.join(m).removesuffix('.__init__'))\n"
        "loaded = [m for n, m in sys.modules.items() if n.startswith('neuroimmune')]\n"
        "print(*{m.__file__ for m in loaded}, sep='\\n')"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(SCRIPTS), script],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {Path(line).relative_to(SCRIPTS).as_posix() for line in found.stdout.split()}
    # workflow itself is imported by this test's own code; every script has it anyway.
    assert loaded <= modules(script) | {"neuroimmune/__init__.py"}


def test_comments_do_not_change_the_digest_but_code_does(tmp_path, monkeypatch):
    (tmp_path / "neuroimmune").mkdir()
    (tmp_path / "s.py").write_text("from neuroimmune.a import f\n")
    (tmp_path / "neuroimmune" / "__init__.py").write_text("")
    (tmp_path / "neuroimmune" / "a.py").write_text("from .b import g\nf = g\n")
    deep = tmp_path / "neuroimmune" / "b.py"
    monkeypatch.setattr(workflow, "PACKAGE", tmp_path / "neuroimmune")

    def digest(text):
        for cached in (workflow._meaning, workflow._imports):
            cached.cache_clear()
        deep.write_text(text)
        return workflow.code_of("s.py")

    first = digest("def g():\n    return 1\n")
    assert digest("# why\ndef g():\n\n    return 1\n") == first
    assert digest("def g():\n    return 2\n") != first


def test_scripts_do_not_read_the_global_config():
    for path in SCRIPTS.glob("*.py"):
        assert "snakemake.config" not in path.read_text(), path


def test_a_killed_write_leaves_nothing(tmp_path):
    target = tmp_path / "table.tsv"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        with atomic(target) as part:
            part.write_text("half")
            raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["table.tsv"]
    assert target.read_text() == "old"


def test_tables_keep_text_as_text(tmp_path):
    import pandas as pd

    path = tmp_path / "t.tsv"
    table = pd.DataFrame(
        {"a": ["None", "NA", "001", 'say "x"'], "x": [1 / 3, float("nan"), 1e-300, 5]}
    )
    write_table(path, table)
    assert path.read_text() == ('a\tx\nNone\t0.3333333333\nNA\t\n001\t1e-300\nsay "x"\t5\n')
    back = read_table(path, numeric=["x"])
    assert list(back["a"]) == ["None", "NA", "001", 'say "x"']
    assert back["x"].isna().to_list() == [False, True, False, False]
    assert read_rows(path)[3] == {"a": 'say "x"', "x": "5"}


def test_ragged_rows_are_named(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("a\tb\n1\t2\n1\n\n1\t2\t3\n")
    with pytest.raises(UserError) as error:
        read_rows(path)
    assert error.value.problems == (
        f"{path}:3: 1 cells, but the header has 2 columns; separate cells with one tab each",
        f"{path}:4: the line is blank; delete it",
        f"{path}:5: 3 cells, but the header has 2 columns; separate cells with one tab each",
    )


def test_json_refuses_nan(tmp_path):
    with pytest.raises(ValueError):
        write_json(tmp_path / "x.json", {"p": float("nan")})
    assert list(tmp_path.iterdir()) == []

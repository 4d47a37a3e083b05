"""What every Snakemake script shares: the job context, and a digest of the code it runs."""

import ast
import contextlib
import hashlib
import logging
import os
import sys
import traceback
from functools import cache
from pathlib import Path

from .errors import UserError

PACKAGE = Path(__file__).parent
# Set by the Snakefile under --quiet all: scripts then say nothing but errors.
QUIET = "NEUROIMMUNE_QUIET"


@contextlib.contextmanager
def job(snakemake):
    """Run a script's body with its log open; a user's mistake becomes one console message.

    Yields a function that says one line on the console, after the study's name. Everything printed
    or logged goes to the rule's log. A UserError is shown on the console (rule, message, log) and
    ends the script with exit code 1; any other exception leaves its traceback in the log and is
    re-raised as it is.
    """
    console = sys.stderr
    log = Path(snakemake.log[0])
    log.parent.mkdir(parents=True, exist_ok=True)

    def say(text):
        logging.info(text)
        if QUIET not in os.environ:
            print(f"{snakemake.wildcards.study}: {text}", file=console, flush=True)

    with log.open("w", encoding="utf-8", buffering=1) as stream:
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
        root = logging.getLogger()
        root.addHandler(handler)
        root.setLevel(logging.INFO)
        try:
            with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
                yield say
        except UserError as error:
            print(f"ERROR in {snakemake.rule}: {error} (log: {log})", file=console, flush=True)
            # The disk may be full.
            with contextlib.suppress(OSError):
                stream.write(f"ERROR: {error}\n")
            raise SystemExit(1) from None
        except BaseException:
            traceback.print_exc(file=stream)
            print(
                f"ERROR in {snakemake.rule}: an internal error, see the log {log}",
                file=console,
                flush=True,
            )
            raise
        finally:
            root.removeHandler(handler)


def let_jobs_import(scripts):
    """Have the scripts of all jobs find this package in the folder `scripts`."""
    found = filter(None, (str(scripts), os.environ.get("PYTHONPATH")))
    os.environ["PYTHONPATH"] = os.pathsep.join(found)


def code_of(script):
    """Digest of a script and of all modules of this package that it imports, directly or not.

    Comments and layout do not count. As a rule's parameter it reruns the stage whose method
    was edited, and no other.
    """
    digest = hashlib.sha256()
    for path in sorted(import_closure(PACKAGE.parent / script)):
        digest.update(path.name.encode())
        digest.update(_syntax(path).encode())
    return digest.hexdigest()[:16]


def import_closure(script):
    """The script and every module file of this package that it can import."""
    todo, seen = [Path(script)], set()
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        todo.extend(_imports(path))
    return seen


@cache
def _tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _syntax(path):
    return ast.dump(_tree(path))


def _statements(node):
    """All statements below the node; ast.walk would visit every expression too, at every start."""
    for part in ("body", "orelse", "handlers", "finalbody", "cases"):
        for statement in getattr(node, part, ()):
            yield statement
            yield from _statements(statement)


@cache
def _imports(path):
    found = []
    for node in _statements(_tree(path)):
        if isinstance(node, ast.ImportFrom):
            if node.level:
                base = path.parents[node.level - 1]
            elif node.module and node.module.split(".")[0] == PACKAGE.name:
                base = PACKAGE.parent
            else:
                continue
            base = base.joinpath(*(node.module or "").split("."))
            found += [base / alias.name for alias in node.names] + [base]
        elif isinstance(node, ast.Import):
            found += [
                PACKAGE.parent.joinpath(*alias.name.split("."))
                for alias in node.names
                if alias.name.split(".")[0] == PACKAGE.name
            ]
    files = []
    for module in found:
        packages = [parent for parent in module.parents if parent.is_relative_to(PACKAGE)]
        files += [module.with_suffix(".py")]
        files += [package / "__init__.py" for package in (module, *packages)]
    return [file for file in files if file.is_file()]

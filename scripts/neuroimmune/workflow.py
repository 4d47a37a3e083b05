"""What every Snakemake script shares: the job context, and a digest of the code it runs."""

import contextlib
import hashlib
import logging
import os
import re
import sys
import traceback
from functools import cache
from pathlib import Path
from types import CodeType

from .errors import UserError

PACKAGE = Path(__file__).parent
IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(\.*)([\w.]*)[ \t]+import[ \t]+(\([^)]*\)|.*)|import[ \t]+(.*))", re.M
)
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
        digest.update(_meaning(path))
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


# Every start of Snakemake takes these digests, in every job on a cluster too, so they are made from
# what the compiler gives and not from Python's syntax tree, which takes twice as long.
@cache
def _meaning(path):
    code = compile(path.read_bytes(), path.name, "exec", optimize=0)
    return hashlib.sha256(repr(_plain(code)).encode()).digest()


def _plain(value):
    """What a code object does: all but lines, columns and file names."""
    if isinstance(value, CodeType):
        names = value.co_names, value.co_varnames, value.co_cellvars, value.co_freevars
        kinds = value.co_argcount, value.co_posonlyargcount, value.co_kwonlyargcount, value.co_flags
        consts = [_plain(each) for each in value.co_consts]
        return value.co_name, value.co_code, value.co_exceptiontable, names, kinds, consts
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    # The order of a set differs from process to process.
    return sorted(map(repr, value)) if isinstance(value, frozenset) else value


@cache
def _imports(path):
    found = []
    for dots, module, names, modules in IMPORT.findall(path.read_text(encoding="utf-8")):
        if dots or module.split(".")[0] == PACKAGE.name:
            base = path.parents[len(dots) - 1] if dots else PACKAGE.parent
            base = base.joinpath(*module.split("."))
            found += [base, *(base / name for name in _first_words(names))]
        found += [
            PACKAGE.parent.joinpath(*name.split("."))
            for name in _first_words(modules)
            if name.split(".")[0] == PACKAGE.name
        ]
    files = []
    for module in dict.fromkeys(found):
        packages = [parent for parent in module.parents if parent.is_relative_to(PACKAGE)]
        files += [module.with_suffix(".py")]
        files += [package / "__init__.py" for package in (module, *packages)]
    return [file for file in dict.fromkeys(files) if file.is_file()]


def _first_words(names):
    """The names in the rest of an import statement, without 'as' and comments."""
    plain = re.sub("#.*", "", names).strip("()")
    return [part.split()[0] for part in plain.split(",") if part.strip()]

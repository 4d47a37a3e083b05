"""Reading and writing the small text files of the workflow: as text, atomically."""

import contextlib
import csv
import errno
import glob
import gzip
import io
import json
import os
import tempfile
import time
from pathlib import Path

from .errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT)
STALE = 24 * 3600  # seconds after which the temporary file of a killed process is removed


@contextlib.contextmanager
def atomic(path):
    """A temporary path beside `path` that replaces it when the block ends without an error.

    The bytes are on the disk before the name is: a crash of the machine leaves the old file or
    the new one. Raises UserError where the disk is full or may not be written.
    """
    path = Path(path)
    name = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        yield Path(name)
        os.chmod(name, 0o644)
        with open(name, "rb") as part:
            os.fsync(part.fileno())
        os.replace(name, path)
    except BaseException as error:
        if name is not None:
            Path(name).unlink(missing_ok=True)
        # HDF5 hides the number in its message.
        if _number(error) in FULL or "No space left on device" in str(error):
            raise UserError(
                f"{path}: disk full: no space left in {path.parent}; free some and rerun"
            ) from error
        if _number(error) == errno.EROFS or (name is None and isinstance(error, OSError)):
            raise UserError(f"{path}: cannot be written: {error.strerror or error}") from error
        raise


def _number(error):
    return error.errno if isinstance(error, OSError) else None


def _remove_abandoned(path):
    # A killed process cannot remove its temporary file, maybe gigabytes. A young one may be in use
    # by a job that a killed Snakemake left behind on a cluster.
    for old in path.parent.glob(f".{glob.escape(path.name)}.????????"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - old.stat().st_mtime > STALE:
                old.unlink()


def write_text(path, text):
    with atomic(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path, value):
    """Write JSON with a stable layout (NaN is refused, so that any reader can parse it)."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_table(path, table):
    """Write a DataFrame as TSV: no index, 10 significant digits, missing as empty.

    Packed where the name ends in .gz, without a time or name, so that the bytes stay the same.
    """
    with atomic(path) as part, open(part, "wb") as raw, contextlib.ExitStack() as stack:
        if Path(path).suffix == ".gz":
            raw = stack.enter_context(gzip.GzipFile("", "wb", 6, raw, mtime=0))
        text = stack.enter_context(io.TextIOWrapper(raw, encoding="utf-8", newline=""))
        table.to_csv(
            text,
            sep="\t",
            index=False,
            float_format="%.10g",
            lineterminator="\n",
            quoting=csv.QUOTE_NONE,
        )


def read_rows(path):
    """Rows of a TSV as dicts of text, '' where blank.

    Raises UserError on a missing file, a repeated or empty column name, or a row of another
    length than the header.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start})") from None
    lines = list(csv.reader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    if not lines:
        raise UserError(f"{path}: the file is empty; expected a header line")
    header = [name.strip() for name in lines[0]]
    repeated = {name for name in header if header.count(name) > 1}
    if repeated or "" in header:
        raise UserError(f"{path}:1: column names must be given, and once each; found {header}")
    rows, problems = [], []
    for number, cells in enumerate(lines[1:], start=2):
        if not any(cell.strip() for cell in cells):
            problems.append(f"{path}:{number}: the line is blank; delete it")
        elif len(cells) != len(header):
            problems.append(
                f"{path}:{number}: {len(cells)} cells, but the header has {len(header)} columns; "
                "separate cells with one tab each"
            )
        else:
            rows.append(dict(zip(header, (cell.strip() for cell in cells), strict=True)))
    if problems:
        raise UserError(*problems)
    return rows


def read_table(path, numeric=()):
    """A TSV of this workflow as a DataFrame of text, with the named columns as floats."""
    import pandas as pd

    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, quoting=csv.QUOTE_NONE)
    for column in numeric:
        table[column] = table[column].where(table[column] != "").astype(float)
    return table

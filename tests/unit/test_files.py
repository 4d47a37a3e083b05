"""Files are written whole or not at all, and a full or read-only disk is said in plain words."""

import errno
import os

import pandas as pd
import pytest

from neuroimmune import files
from neuroimmune.errors import UserError

TABLE = pd.DataFrame({"sample": ["GSM1", "GSM2"], "value": [1.0, None]})


def test_the_old_file_stays_when_the_writing_fails(tmp_path):
    path = tmp_path / "table.tsv"
    files.write_table(path, TABLE)
    with pytest.raises(RuntimeError), files.atomic(path) as part:
        part.write_text("half")
        raise RuntimeError
    assert path.read_text() == "sample\tvalue\nGSM1\t1\nGSM2\t\n"
    assert os.listdir(tmp_path) == ["table.tsv"]


def test_the_bytes_are_on_the_disk_before_the_name(tmp_path, monkeypatch):
    path, order = tmp_path / "table.tsv", []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("fsync"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda *names: (order.append("name"), replace(*names)))
    files.write_table(path, TABLE)
    assert order == ["fsync", "name"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        # As h5py words it.
        OSError("Can't synchronously write data (errno = 28, 'No space left on device')"),
    ],
)
def test_a_full_disk(tmp_path, error):
    path = tmp_path / "profiles.h5ad"
    with pytest.raises(UserError) as caught, files.atomic(path):
        raise error
    assert str(caught.value) == (
        f"{path}: disk full: no space left in {tmp_path}; free some and rerun"
    )
    assert os.listdir(tmp_path) == []


def test_a_folder_that_may_not_be_written(tmp_path, monkeypatch):
    def refuse(**_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(files.tempfile, "mkstemp", refuse)
    with pytest.raises(UserError, match="table.tsv: cannot be written: Permission denied"):
        files.write_table(tmp_path / "table.tsv", TABLE)


def test_an_unreadable_input_is_not_called_unwritable(tmp_path):
    with pytest.raises(PermissionError), files.atomic(tmp_path / "table.tsv"):
        raise PermissionError(errno.EACCES, "Permission denied", "input.tsv")


def test_what_a_killed_process_left_is_removed_a_day_later(tmp_path):
    old, young, other = (
        tmp_path / f".{name}" for name in ("t.tsv.abcd1234", "t.tsv.abcd5678", "x")
    )
    for path in (old, young, other):
        path.write_text("half")
    for path in (old, other):
        os.utime(path, (1, 1))
    files.write_table(tmp_path / "t.tsv", TABLE)
    assert sorted(os.listdir(tmp_path)) == [".t.tsv.abcd5678", ".x", "t.tsv"]

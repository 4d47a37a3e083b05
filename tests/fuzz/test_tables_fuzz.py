"""Damaged count tables: the reader returns a table of numbers or raises UserError.

FUZZ_INPUTS sets how many damaged files are tried (3,000 without it).
"""

import gzip
import io
import os
import random
import tarfile
import time
import zipfile

import openpyxl
import pytest

from damage import damaged
from neuroimmune.errors import UserError
from neuroimmune.geo.tables import read_counts

INPUTS = int(os.environ.get("FUZZ_INPUTS", 3000))
SECONDS = 10  # far above what a file of 10 kB takes

TABLE = 'Gene\tdescription\tA\tB\nENSG1\ta, "b"\t5\t0\n007\tc\t1.5\t2e3\nNA\td\t7\t8\n'
STAR = "N_unmapped\t9\t9\t9\nENSG1\t10\t1\t9\nENSG2\t2000\t0\t2000\n"


def workbook():
    stream = io.BytesIO()
    book = openpyxl.Workbook()
    for row in (["Gene", "A", "B"], ["X", 1, 2.5], ["Y", 3, 4]):
        book.active.append(row)
    book.save(stream)
    return stream.getvalue()


def tar():
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name in ("GSM1.txt.gz", "GSM2.txt.gz"):
            raw = gzip.compress(b"ENSG1\t5\nENSG2\t0\n")
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            archive.addfile(info, io.BytesIO(raw))
    return stream.getvalue()


def zipped():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("GSM1.csv", "GSM2.csv"):
            archive.writestr(name, "gene,x\nENSG1,5\nENSG2,0\n")
    return stream.getvalue()


KINDS = {
    "tab": TABLE.encode(),
    "comma": b'"","info","A","B"\n"X","a,\nb","1,234,567",5\n"Y","c",6,7\n',
    "semicolon": "Gène;A;B\r\nX;1,5;2\r\nY;0,25;3\r\n".encode("cp1252"),
    "blanks": b'"A" "B"\n"X" 1 2\n"Y" 3 4\n',
    "UTF-16": TABLE.encode("utf-16"),
    "featureCounts": b"# Program:x\nGeneid\tChr\tStart\tLength\tA.bam\nX\t1;1\t5;9\t12\t7\n",
    "STAR": STAR.encode(),
    "HTSeq": b"ENSG1\t5\nENSG2\t0\n__no_feature\t7\n",
    "gzip": gzip.compress(TABLE.encode()),
    "workbook": workbook(),
    "tar": tar(),
    "zip": zipped(),
}
TEXT = [*b'\t,;" \n\r#0159.-eN', 0, 255]


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files(tmp_path, kind):
    chance = random.Random(f"tables {kind}")
    path = tmp_path / "c"
    column = "reverse" if kind == "STAR" else None
    path.write_bytes(KINDS[kind])
    read_counts(path, column=column)
    for number in range(INPUTS // len(KINDS)):
        raw = damaged(KINDS[kind], chance, TEXT)
        path.write_bytes(raw)
        start = time.monotonic()
        try:
            counts, notes = read_counts(path, column=column)
        except UserError as error:
            text = str(error)
            assert text.startswith(str(path)) and "\n" not in text, (number, raw)
        else:
            assert all(dtype.kind == "f" for dtype in counts.dtypes), (number, raw)
            assert (counts.to_numpy() >= 0).all() and counts.size, (number, raw)
            assert counts.columns.is_unique and "" not in counts.columns, (number, raw)
            labels = [*counts.index, *counts.columns]
            assert all(isinstance(label, str) for label in labels), (number, raw)
            assert all(note["left_out"] >= 0 and note["reason"] for note in notes)
        assert time.monotonic() - start < SECONDS, (number, raw)

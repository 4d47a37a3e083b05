"""Damaged and random GEO files: the readers return what they promise or raise UserError.

FUZZ_INPUTS sets how many damaged files are tried (3,000 without it).
"""

import gzip
import os
import random

import numpy as np
import pandas as pd
import pytest

from neuroimmune.errors import UserError
from neuroimmune.geo.matrix import read_header, read_matrix
from neuroimmune.geo.platform import read_annotation

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies

INPUTS = int(os.environ.get("FUZZ_INPUTS", 3000))

MATRIX = '''\
!Series_title\t"A ""title"""
!Series_relation\t"SubSeries of: GSE2"
!Series_platform_id\t"GPL1"

!Sample_title\t"one"\t"two\u201d"\t"three
lines"
!Sample_geo_accession\t"GSM1"\t"GSM2"\t"GSM3"
!Sample_characteristics_ch1\t"Gender:F"\t"gender: M"\t""
!Sample_characteristics_ch1\t"url: http://x: y"\t""\t"class: II"
!Sample_characteristics_ch2\t"Gender: F"\t"none"\t"a: b"
!series_matrix_table_begin
"ID_REF"\t"GSM1"\t"GSM2"\t"GSM3"
"p1"\t1.5\t2e3\t-7
"007"\t\tnull\t0.25
"NA"\t"3"\tInf\t 8
!series_matrix_table_end
'''
ANNOTATION = """\
^PLATFORM = GPL1
#ID = ID
!platform_table_begin
ID\tGene title\tGene symbol\tGene ID\tgene_assignment
p1\ta "quoted title\tABC\t12\tNM // ABC // x // 1p // 12
p2\t\tABC /// DEF\t12 /// 34\t---
007\t\t\t\t
!platform_table_end
"""
COMMA = 'ID,Symbol,Entrez ID\n"p1","A, B",5\np2,"C ""d""",\n'

# What submitters and broken programs put into such files.
PIECES = [
    *(bytes([byte]) for byte in b'\t\n\r"\0,;:/!#^-+.eE 0'),
    *(b"\x93", b"\xe9", b"\xff\xfe", b"\xef\xbb\xbf", b"\xe2\x80", b"\xc2\x85", b"\xe2\x80\xa8"),
    *(b"\t\t", b"\n\n", b"\r\n", b'""', b'"\t"', b"//", b"///", b" // ", b"://"),
    *(b"NA", b"null", b"nan", b"-inf", b"1e999", b"1,5", b"1_0", b"0x1", b"9" * 400, b"True"),
    *(b"!Sample_", b"!Series_", b"!Sample_title\t", b"GSM1", b"ID_REF", b"Gene symbol", b"ID"),
    *(b"!series_matrix_table_begin\n", b"!series_matrix_table_end\n"),
    *(b"!platform_table_begin\n", b"!platform_table_end\n", b"characteristics_ch9"),
]


def damage(raw, rng):
    """The bytes with one to six changes: pieces put in, cut out, moved, or bits turned."""
    raw = bytearray(raw)
    for _ in range(rng.randint(1, 6)):
        start = rng.randrange(len(raw) + 1)
        stop = min(len(raw), start + rng.choice([0, 1, 1, 2, 5, 20, 80]))
        kind = rng.randrange(6)
        if kind == 0:
            raw[start:stop] = rng.choice(PIECES)
        elif kind == 1:
            raw[start:start] = rng.choice(PIECES)
        elif kind == 2:
            del raw[start:stop]
        elif kind == 3:
            raw[start:start] = raw[stop : stop + rng.choice([1, 10, 100])]
        elif kind == 4 and start < len(raw):
            raw[start] ^= 1 << rng.randrange(8)
        elif kind == 5:
            lines = bytes(raw).split(b"\n")
            a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
            lines[a], lines[b] = lines[b], lines[a]
            raw = bytearray(b"\n".join(lines))
    return bytes(raw)


def check_header(series, samples):
    assert isinstance(series, dict) and isinstance(samples, list) and samples
    for values in series.values():
        assert isinstance(values, list) and all(isinstance(value, str) for value in values)
    for sample in samples:
        assert sample["geo_accession"]
        for field, value in sample.items():
            assert isinstance(field, str)
            if field == "characteristics":
                assert all(isinstance(t, str) for pair in value.items() for t in pair)
                assert all(key == key.lower() and key for key in value)
            else:
                assert isinstance(value, str)


def check_matrix(result):
    series, samples, table = result
    check_header(series, samples)
    assert isinstance(table, pd.DataFrame) and set(table.dtypes) == {np.dtype(float)}
    assert list(table.columns) == [sample["geo_accession"] for sample in samples]
    assert table.index.is_unique and all(isinstance(name, str) and name for name in table.index)
    assert not np.isinf(table.to_numpy()).any()


def check_annotation(table):
    assert list(table.columns) == ["symbol", "entrez"] and table.index.is_unique
    assert all(isinstance(name, str) and name for name in table.index)
    for column in table:
        assert all(isinstance(value, str) for value in table[column])
    genes = [gene for text in table["symbol"] if text for gene in text.split("///")]
    assert genes and all(gene == gene.strip() != "" for gene in genes)
    assert all(gene.isdigit() for text in table["entrez"] if text for gene in text.split("///"))


READERS = {
    "header": (lambda path: read_header(path), lambda found: check_header(*found), MATRIX),
    "matrix": (read_matrix, check_matrix, MATRIX),
    "annotation": (read_annotation, check_annotation, ANNOTATION),
    "named columns": (
        lambda path: read_annotation(path, {"symbol": "Gene title", "entrez": "Gene ID"}),
        check_annotation,
        ANNOTATION,
    ),
    "comma": (read_annotation, check_annotation, COMMA),
}


@pytest.mark.parametrize("name", READERS)
def test_damaged_files(tmp_path, name):
    read, check, text = READERS[name]
    path = tmp_path / "file"
    rng = random.Random(f"seed {name}")
    outcomes = {"read": 0, "refused": 0}
    for _ in range(INPUTS // len(READERS)):
        raw = damage(text.encode(), rng)
        if rng.random() < 0.3:
            raw = gzip.compress(raw, 1)
            if rng.random() < 0.7:
                raw = damage(raw, rng)
        path.write_bytes(raw)
        try:
            found = read(path)
        except UserError as error:
            assert str(error).startswith(str(path))
            outcomes["refused"] += 1
        else:
            check(found)
            outcomes["read"] += 1
    assert min(outcomes.values()) > INPUTS // len(READERS) // 20, outcomes


# ---- what is written comes back ----

# GEO's cells are printed text; a reader cannot keep its outer and repeated white space.
words = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Z"]), min_size=1, max_size=8
)
cell = st.lists(words, max_size=4).map(" ".join).map(lambda text: " ".join(text.split()))
key = words.map(lambda text: text.replace(":", "").lower()).filter(
    lambda text: text and text == text.lower()
)
number = st.floats(allow_nan=True, allow_infinity=False, width=64)
identifier = words.filter(lambda text: not text.startswith(("!", '"')) and text.strip())


@st.composite
def contents(draw):
    n = draw(st.integers(1, 4))
    samples = []
    for i in range(n):
        characteristics = draw(
            st.dictionaries(key, cell.filter(lambda text: not text.startswith("//")), max_size=4)
        )
        samples.append({"geo_accession": f"GSM{i}", "characteristics": characteristics})
    for field in draw(st.sets(st.sampled_from(["title", "description", "source_name_ch1"]))):
        for sample in samples:
            sample[field] = draw(cell)
    series = draw(
        st.dictionaries(st.sampled_from(["title", "relation"]), st.lists(cell, min_size=1))
    )
    rows = draw(st.lists(st.tuples(identifier, st.lists(number, min_size=n, max_size=n))))
    rows = list(dict(rows).items())
    return series, samples, rows


def write(series, samples, rows, end, blank, seed):
    """The file GEO would write; characteristics go to the rows in any order."""
    rng = random.Random(seed)

    def line(name, cells):
        return "\t".join([name, *('"' + text.replace('"', '""') + '"' for text in cells)])

    lines = [line(f"!Series_{field}", [v]) for field, values in series.items() for v in values]
    lines.append(line("!Sample_geo_accession", [sample["geo_accession"] for sample in samples]))
    for field in set(samples[0]) - {"geo_accession", "characteristics"}:
        lines.append(line(f"!Sample_{field}", [sample[field] for sample in samples]))
    height = max(len(sample["characteristics"]) for sample in samples)
    columns = []
    for sample in samples:
        column = [f"{k}: {v}" for k, v in sample["characteristics"].items()]
        column += [""] * (height - len(column))
        rng.shuffle(column)
        columns.append(column)
    lines += [line("!Sample_characteristics_ch1", row) for row in zip(*columns, strict=True)]
    lines.append("!series_matrix_table_begin")
    lines.append(line('"ID_REF"', [sample["geo_accession"] for sample in samples]))
    for name, values in rows:
        quoted = '"' + name.replace('"', '""') + '"'
        lines.append("\t".join([quoted, *(blank if v != v else repr(v) for v in values)]))
    return end.join([*lines, "!series_matrix_table_end", ""])


@hypothesis.settings(max_examples=200, deadline=None, derandomize=True)
@hypothesis.given(
    contents(), st.sampled_from(["\n", "\r", "\r\n"]), st.sampled_from(["", "null", "NA", '""'])
)
def test_what_is_written_is_read(tmp_path_factory, content, end, blank):
    series, samples, rows = content
    path = tmp_path_factory.getbasetemp() / "written.txt"
    path.write_bytes(write(series, samples, rows, end, blank, seed=len(rows)).encode())
    found_series, found_samples, table = read_matrix(path)
    assert found_series == series
    assert found_samples == samples
    assert list(table.index) == [name for name, _ in rows]
    wanted = np.array([values for _, values in rows]).reshape(len(rows), len(samples))
    np.testing.assert_allclose(table.to_numpy(), wanted, rtol=1e-15, atol=1e-320)

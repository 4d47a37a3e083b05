"""Reading GEO's series matrix, platform annotation and count tables."""

import gzip

import numpy as np
import pytest

from neuroimmune.errors import UserError
from neuroimmune.geo.matrix import read_header, read_matrix
from neuroimmune.geo.platform import read_annotation
from neuroimmune.geo.tables import read_counts

MATRIX = '''\
!Series_title\t"A title with ""quotes"""
!Series_geo_accession\t"GSE1"
!Series_platform_id\t"GPL1"
!Series_platform_id\t"GPL2"

!Sample_title\t"one"\t"two"
!Sample_geo_accession\t"GSM1"\t"GSM2"
!Sample_characteristics_ch1\t"Gender:F"\t"gender: M"
!Sample_characteristics_ch1\t"time: 2: late"\t""
!Sample_characteristics_ch1\t"class: I"\t"gender: M"
!Sample_characteristics_ch1\t"class: II"\t"no colon"
!Sample_data_processing\t"RMA"\t"RMA"
!Sample_data_processing\t"log2"\t""
!series_matrix_table_begin
"ID_REF"\t"GSM1"\t"GSM2"
"p1"\t1.5\t2e3
"007"\t\tnull
!series_matrix_table_end
'''


def gz(path, text, encoding="utf-8"):
    with gzip.open(path, "wb") as stream:
        stream.write(text.encode(encoding))
    return path


def error_of(function, path):
    with pytest.raises(UserError) as error:
        function(path)
    return str(error.value).replace(f"{path.parent}/", "")


def test_series_matrix(tmp_path):
    series, samples, table = read_matrix(gz(tmp_path / "m.gz", MATRIX))
    assert series["title"] == ['A title with "quotes"']
    assert series["platform_id"] == ["GPL1", "GPL2"]
    assert [sample["title"] for sample in samples] == ["one", "two"]
    assert samples[0]["characteristics"] == {"gender": "F", "time": "2: late", "class": "I | II"}
    assert samples[1]["characteristics"] == {"gender": "M", "unnamed": "no colon"}
    assert [sample["data_processing"] for sample in samples] == ["RMA | log2", "RMA"]
    assert list(table.index) == ["p1", "007"] and list(table.columns) == ["GSM1", "GSM2"]
    np.testing.assert_array_equal(table.to_numpy(), [[1.5, 2000], [np.nan, np.nan]])


def test_series_matrix_of_sequencing_has_no_rows(tmp_path):
    text = MATRIX.replace('"p1"\t1.5\t2e3\n"007"\t\tnull\n', "")
    _, samples, table = read_matrix(gz(tmp_path / "m.gz", text))
    assert table.shape == (0, 2) and len(samples) == 2


def test_header_alone_does_not_need_the_table(tmp_path):
    path = gz(tmp_path / "m.gz", MATRIX.replace("!series_matrix_table_end\n", ""))
    assert len(read_header(path)[1]) == 2


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (
            "!series_matrix_table_end\n",
            "",
            "m.gz: the line !series_matrix_table_end is missing: the file is cut off; delete it "
            "and rerun",
        ),
        (
            "!series_matrix_table_begin\n",
            "",
            "m.gz: no line !series_matrix_table_begin: not a series matrix, or cut off in its "
            "header",
        ),
        ("1.5\t", "high\t", "m.gz: sample GSM1, row p1: found 'high', expected a number"),
        ('"007"', '"p1"', "m.gz: the row 'p1' stands twice in the table"),
        (
            '"ID_REF"\t"GSM1"\t"GSM2"',
            '"ID_REF"\t"GSM1"\t"GSM3"',
            "m.gz: the table's columns and the sample record differ: ['GSM2', 'GSM3']",
        ),
        (
            '!Sample_title\t"one"\t"two"',
            '!Sample_title\t"one"',
            "m.gz: !Sample_title has 1 values for 2 samples",
        ),
    ],
)
def test_faulty_series_matrix(tmp_path, old, new, wanted):
    assert old in MATRIX
    assert error_of(read_matrix, gz(tmp_path / "m.gz", MATRIX.replace(old, new))) == wanted


ANNOTATION = """\
^Annotation
!Annotation_platform = GPL1
#ID = ID
!platform_table_begin
ID\tGene title\tGene symbol\tGene ID\tGO
p1\ta "quoted title\tABC\t12\tx
p2\t\tABC///DEF\t12///34\t
007\t\t\t\t
!platform_table_end
"""


def test_platform_annotation(tmp_path):
    table = read_annotation(gz(tmp_path / "a.gz", ANNOTATION))
    assert table.loc["p1"].to_list() == ["ABC", "12"]
    assert table.loc["p2"].to_list() == ["ABC///DEF", "12///34"]
    assert table.loc["007"].to_list() == ["", ""]
    cut = gz(tmp_path / "cut.gz", ANNOTATION.replace("!platform_table_end\n", ""))
    assert error_of(read_annotation, cut).startswith("cut.gz: the line !platform_table_end is miss")
    other = gz(tmp_path / "other.gz", ANNOTATION.replace("Gene symbol", "Symbol"))
    assert error_of(read_annotation, other).startswith("other.gz: no column 'Gene symbol'; found")


def test_counts_tab_comma_plain_and_packed(tmp_path):
    plain = tmp_path / "c.txt"
    plain.write_text("\ufeffGene\tGSM1\tS-2\nENSG1\t5\t0\n007\t1.5\t2e3\n")
    comma = gz(tmp_path / "c.csv.gz", '"","GSM1","S-2"\n"ENSG1",5,0\n"007",1.5,2e3\n')
    for path in (plain, comma):
        table = read_counts(path)
        assert list(table.index) == ["ENSG1", "007"] and list(table.columns) == ["GSM1", "S-2"]
        np.testing.assert_array_equal(table.to_numpy(), [[5, 0], [1.5, 2000]])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "Gene\tA\nX\tNA\nY\t1\n",
            "c.txt: row 'X', column 'A': found 'NA', expected a count (a number of at least 0); "
            "1 such cells",
        ),
        (
            "Gene\tA\nX\t-1\nY\t-2\n",
            "c.txt: row 'X', column 'A': found '-1', expected a count (a number of at least 0); "
            "2 such cells",
        ),
        ("Gene\tA\tA\nX\t1\t1\n", "c.txt:1: the column 'A' stands twice"),
        (
            "just text\n",
            "c.txt:1: found 'just text', expected a header with tab or comma between columns",
        ),
    ],
)
def test_faulty_counts(tmp_path, text, wanted):
    path = tmp_path / "c.txt"
    path.write_text(text)
    assert error_of(read_counts, path) == wanted

"""Reading GEO's series matrix and platform annotation."""

import gzip

import numpy as np
import pytest

from neuroimmune.errors import UserError
from neuroimmune.geo.matrix import read_header, read_matrix, read_records
from neuroimmune.geo.platform import read_annotation

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
    assert set(table.dtypes) == {np.dtype(float)}
    np.testing.assert_array_equal(table.to_numpy(), [[1.5, 2000], [np.nan, np.nan]])


def test_a_series_on_two_platforms_has_two_files(tmp_path):
    other = MATRIX.replace("GSM1", "GSM3").replace("GSM2", "GSM4").replace('"GPL2"', '"GPL3"')
    first, second = gz(tmp_path / "a.gz", MATRIX), gz(tmp_path / "b.gz", other)
    series, samples = read_records([first, second])
    assert series["platform_id"] == ["GPL1", "GPL2", "GPL3"]
    assert series["title"] == ['A title with "quotes"']
    assert [sample["geo_accession"] for sample in samples] == ["GSM1", "GSM2", "GSM3", "GSM4"]
    assert read_records([]) == (None, None)
    text = error_of(lambda path: read_records([first, path]), gz(tmp_path / "c.gz", MATRIX))
    assert text == "c.gz: sample GSM1 stands also in a.gz"
    alien = gz(tmp_path / "d.gz", other.replace('"GSE1"', '"GSE2"'))
    assert "different series: GSE1, GSE2" in error_of(lambda p: read_records([first, p]), alien)


def changed(path, old, new, encoding="utf-8"):
    assert old in MATRIX
    return gz(path / "m.gz", MATRIX.replace(old, new), encoding)


def with_rows(path, rows):
    """The series matrix with other table rows (text, a list of cells a row)."""
    text = "".join("\t".join(row) + "\n" for row in rows)
    return changed(path, '"p1"\t1.5\t2e3\n"007"\t\tnull\n', text)


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n", "\r\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_byte_order_mark_do_not_matter(tmp_path, end, mark):
    packed = gz(tmp_path / "m.gz", mark + MATRIX.replace("\n", end))
    plain = tmp_path / "m.txt"
    plain.write_bytes((mark + MATRIX.replace("\n", end)).encode())
    wanted = read_matrix(gz(tmp_path / "wanted.gz", MATRIX))
    for path in (packed, plain):
        series, samples, table = read_matrix(path)
        assert (series, samples) == wanted[:2]
        assert read_header(path) == wanted[:2]
        assert table.equals(wanted[2])


def test_bytes_of_windows_1252_among_utf_8(tmp_path):
    text = MATRIX.replace('"one"\t"two"', '"na\xefve \u201cT\u201d"\t"5 \u03bcg"')
    raw = text.encode().replace("\xef".encode(), b"\xef").replace("\u201c".encode(), b"\x93")
    path = tmp_path / "m.txt"
    path.write_bytes(raw)
    assert [s["title"] for s in read_header(path)[1]] == ["na\xefve \u201cT\u201d", "5 \u03bcg"]
    path.write_bytes(MATRIX.replace("one", "caf\xe9 \u2019").encode("cp1252"))
    assert read_header(path)[1][0]["title"] == "caf\xe9 \u2019"
    path.write_bytes(MATRIX.encode().replace(b"one", b"a\x81b"))  # in no encoding at all
    assert read_header(path)[1][0]["title"] == "a\ufffdb"
    path.write_bytes(MATRIX.encode().replace(b'"p1"', b'"\xb5-p"'))
    assert list(read_matrix(path)[2].index) == ["\xb5-p", "007"]


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        ('"a\nb"\t"c\n\nd\n"', ["a b", "c d"]),
        ('"a\tb"\t"c\rd"', ["a b", "c d"]),
        ('"a ""b"" c"\t""', ['a "b" c', ""]),
        ('"a "b" c"\t"5" tall"', ['a "b" c', '5" tall']),
        ('"5""\t"6"', ['5"', "6"]),
        ('"""5"""\t"""\t"""', ['"5"', '" "']),
        ("one\ttwo", ["one", "two"]),
        ('"NA"\t"null"', ["NA", "null"]),
        ('"nan"\t"007"', ["nan", "007"]),
        ('"!Series_title: no record"\t"#"', ["!Series_title: no record", "#"]),
        ('" padded  "\t"\xa0"', ["padded", ""]),
    ],
)
def test_cells_of_the_header(tmp_path, cells, wanted):
    path = changed(tmp_path, '!Sample_title\t"one"\t"two"', f"!Sample_title\t{cells}")
    series, samples, table = read_matrix(path)
    assert [sample["title"] for sample in samples] == wanted
    assert series["title"] == ['A title with "quotes"'] and table.shape == (2, 2)
    assert samples[0]["characteristics"]["gender"] == "F"


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (["Cell Type: B", "cell  type : T"], {"cell type": "B | T"}),
        (["sex: F", "SEX:F", "sex: "], {"sex": "F"}),
        (["a: x", "a: y", "a: x"], {"a": "x | y"}),
        (["http://x: y"], {"http://x": "y"}),
        (["see http://x.org/a:b"], {"see http://x.org/a": "b"}),
        (["http://x.org/a"], {"unnamed": "http://x.org/a"}),
        (["link: http://x.org:80/"], {"link": "http://x.org:80/"}),
        (["untreated", "2nd text"], {"unnamed": "untreated | 2nd text"}),
        ([": no key"], {"unnamed": ": no key"}),
        (["dose:"], {"dose": ""}),
        (["dose:", "dose: 5"], {"dose": "5"}),
        (["group: NA", "x: null"], {"group": "NA", "x": "null"}),
        (["", ""], {}),
    ],
)
def test_characteristics(tmp_path, texts, wanted):
    """Each is read by itself: the same key may stand in any row of any sample."""
    kept = "".join(f'!Sample_characteristics_ch1\t"{t}"\t"other: {t}"\n' for t in texts)
    old = MATRIX[MATRIX.index("!Sample_characteristics") : MATRIX.index("!Sample_data_proc")]
    samples = read_header(changed(tmp_path, old, kept))[1]
    assert samples[0]["characteristics"] == wanted
    assert list(samples[1]["characteristics"]) == ["other"]


def test_a_key_that_moves_between_rows_stays_with_its_sample(tmp_path):
    rows = [('"sex: F"', '"age: 5"'), ('"age: 7"', '""'), ('""', '"sex: M"')]
    kept = "".join(f"!Sample_characteristics_ch1\t{a}\t{b}\n" for a, b in rows)
    old = MATRIX[MATRIX.index("!Sample_characteristics") : MATRIX.index("!Sample_data_proc")]
    samples = read_header(changed(tmp_path, old, kept))[1]
    assert samples[0]["characteristics"] == {"sex": "F", "age": "7"}
    assert samples[1]["characteristics"] == {"age": "5", "sex": "M"}


def test_two_channels_are_kept_apart(tmp_path):
    more = (
        '!Sample_source_name_ch1\t"blood"\t"blood"\n'
        '!Sample_source_name_ch2\t"pool"\t"pool"\n'
        '!Sample_characteristics_ch2\t"Gender: mixed"\t""\n'
        '!Sample_characteristics_ch2\t"reference"\t""\n'
        '!Sample_characteristics\t"old: style"\t""\n'
    )
    samples = read_header(changed(tmp_path, "!series_matrix", more + "!series_matrix"))[1]
    assert samples[0]["source_name_ch1"] == "blood" and samples[0]["source_name_ch2"] == "pool"
    found = samples[0]["characteristics"]
    assert found["gender"] == "F" and found["ch2 gender"] == "mixed"
    assert found["ch2 unnamed"] == "reference" and found["old"] == "style"
    assert samples[1]["characteristics"] == {"gender": "M", "unnamed": "no colon"}


def test_relations_platforms_and_missing_fields(tmp_path):
    text = MATRIX.replace('!Sample_title\t"one"\t"two"\n', "").replace(
        "!series_matrix_table_begin",
        '!Sample_platform_id\t"GPL1"\t"GPL2"\n'
        '!Sample_relation\t"BioSample: https://x/SAMN1"\t""\n'
        '!Sample_relation\t"SRA: https://x/SRX1"\t"SRA: https://x/SRX2"\n'
        '!Series_relation\t"SuperSeries of: GSE2"\n'
        '!Series_relation\t"SubSeries of: GSE3"\n'
        "!series_matrix_table_begin",
    )
    series, samples = read_header(gz(tmp_path / "m.gz", text))
    assert series["relation"] == ["SuperSeries of: GSE2", "SubSeries of: GSE3"]
    assert [sample["platform_id"] for sample in samples] == ["GPL1", "GPL2"]
    assert samples[0]["relation"] == "BioSample: https://x/SAMN1 | SRA: https://x/SRX1"
    assert samples[1]["relation"] == "SRA: https://x/SRX2"
    assert "title" not in samples[0]


def test_identifiers_stay_text(tmp_path):
    names = ["001", "1", "NA", "1e5", "100000", "null", "1.0", '5"x', " padded ", "nan", "TRUE"]
    rows = [[f'"{name}"'.replace('5"x', '5""x'), "1", "2"] for name in names]
    table = read_matrix(with_rows(tmp_path, rows))[2]
    assert list(table.index) == [name.strip() for name in names]
    assert all(isinstance(name, str) for name in table.index)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1.5", 1.5),
        ('"1.5"', 1.5),
        (" 2 ", 2),
        ("-3", -3),
        ("+.5", 0.5),
        ("5.", 5),
        ("1E-05", 1e-05),
        ("1.25e+03", 1250),
        ("123456789.125", 123456789.125),
        ("0.1", 0.1),
        ("12.3456", 12.3456),
        *((text, np.nan) for text in ("", '""', "  ", "NA", "n/a", "NaN", "null", "NULL", "Null")),
        *((text, np.nan) for text in ("none", "--", '"null"', "Data Not Available", "#N/A")),
        *((text, np.nan) for text in ("Inf", "-Inf", "inf", "-Infinity")),
    ],
)
def test_cells_of_the_table(tmp_path, cell, value):
    rows = [["p1", "7", "8"], ["p2", cell, "0.3"], ["p3", "0.7", cell]]
    table = read_matrix(with_rows(tmp_path, rows))[2]
    np.testing.assert_array_equal(table.to_numpy(), [[7, 8], [value, 0.3], [0.7, value]])


def test_values_after_thousands_of_blank_rows(tmp_path):
    rows = [[f"p{i}", "", "null"] for i in range(4500)] + [["x", "1e3", "-0.5"], ["y", "", ""]]
    table = read_matrix(with_rows(tmp_path, rows))[2]
    assert table.shape == (4502, 2) and set(table.dtypes) == {np.dtype(float)}
    assert table.loc["x"].to_list() == [1000, -0.5]
    assert int(table.isna().to_numpy().sum()) == 9002
    rows[4400][1] = "1,5"
    assert error_of(read_matrix, with_rows(tmp_path, rows)).startswith(
        "m.gz:4416: sample GSM1, row p4400: "
    )


def test_series_matrix_of_sequencing_has_no_rows(tmp_path):
    text = MATRIX.replace('"p1"\t1.5\t2e3\n"007"\t\tnull\n', "")
    for body in (text, text.replace('"ID_REF"\t"GSM1"\t"GSM2"\n', "")):
        _, samples, table = read_matrix(gz(tmp_path / "m.gz", body))
        assert table.shape == (0, 2) and len(samples) == 2
        assert list(table.columns) == ["GSM1", "GSM2"] and set(table.dtypes) == {np.dtype(float)}


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
            MATRIX[MATRIX.index("!series_matrix_table_begin") :],
            "",
            "m.gz: no line !series_matrix_table_begin: not a series matrix, or cut off in its "
            "header",
        ),
        (
            "!series_matrix_table_begin\n",
            "",
            'm.gz:14: found \'"ID_REF"\\t"GSM1"\\t"GSM2"\', expected a line that begins with '
            "!Series_ or !Sample_: not a series matrix, or a line broken in two",
        ),
        ("1.5\t", "high\t", "m.gz:16: sample GSM1, row p1: found 'high', expected a number"),
        ("2e3", "1_000", "m.gz:16: sample GSM2, row p1: found '1_000', expected a number"),
        ("2e3", "1e999", "m.gz:16: sample GSM2, row p1: found '1e999', expected a number"),
        ("2e3", "2\0", "m.gz:16: sample GSM2, row p1: found '2\\x00', expected a number"),
        (
            "\tnull",
            "\t1,5",
            "m.gz:17: sample GSM2, row 007: found '1,5', expected a number with a decimal point, "
            "not a comma",
        ),
        ('"007"', '"p1"', "m.gz: the row 'p1' stands twice in the table"),
        ('"007"\t', '""\t1', "m.gz:17: the row has values, but no identifier"),
        ("\t2e3", "", "m.gz:16: the row 'p1' has 1 values for 2 samples"),
        ("\t2e3", "\t2e3\t", "m.gz:16: the row 'p1' has 3 values for 2 samples"),
        ('"p1"\t1.5\t2e3', '"p1', "m.gz:16: the row '\"p1' has 0 values for 2 samples"),
        (
            '"ID_REF"\t"GSM1"\t"GSM2"',
            '"ID_REF"\t"GSM1"\t"GSM3"',
            "m.gz:15: the table's columns and the sample record differ: GSM2, GSM3",
        ),
        (
            '"ID_REF"\t"GSM1"\t"GSM2"',
            '"ID_REF"\t"GSM2"\t"GSM1"',
            "m.gz:15: the table's columns and the sample record differ: another order or number",
        ),
        (
            '!Sample_title\t"one"\t"two"',
            '!Sample_title\t"one"',
            "m.gz:6: !Sample_title has 1 values for 2 samples",
        ),
        (
            '\t"class: II"\t"no colon"',
            '\t"class: II"',
            "m.gz:11: !Sample_characteristics_ch1 has 1 values for 2 samples",
        ),
        (
            '!Sample_geo_accession\t"GSM1"\t"GSM2"',
            '!Sample_geo_accession\t"GSM1"\t"GSM1"',
            "m.gz:7: the sample GSM1 stands twice",
        ),
        (
            '!Sample_geo_accession\t"GSM1"\t"GSM2"',
            '!Sample_geo_accession\t"GSM1"\t""',
            "m.gz:7: !Sample_geo_accession has a blank cell",
        ),
        (
            "!Sample_geo_accession",
            "!Sample_accession",
            "m.gz: no !Sample_geo_accession line: the sample record is missing",
        ),
        (
            "!Sample_title",
            "!Sample_geo_accession",
            "m.gz:7: a second !Sample_geo_accession line",
        ),
        (
            "_table_end\n",
            "_table_end\np9\t1\t2\n",
            "m.gz:19: found 'p9\\t1\\t2' after !series_matrix_table_end",
        ),
    ],
)
def test_faulty_series_matrix(tmp_path, old, new, wanted):
    assert error_of(read_matrix, changed(tmp_path, old, new)) == wanted


@pytest.mark.parametrize("reader", [read_matrix, read_annotation])
def test_damaged_files_are_one_clear_line(tmp_path, reader):
    text = MATRIX if reader is read_matrix else ANNOTATION
    whole = gz(tmp_path / "w.gz", text).read_bytes()
    path = tmp_path / "m.gz"
    damaged = bytearray(whole)
    damaged[-5] ^= 1  # the check sum
    for content in (whole[:60], whole[:-8], whole[:-1], bytes(damaged), whole + b"more"):
        path.write_bytes(content)
        assert error_of(reader, path) == (
            "m.gz: the gzip stream is cut off or damaged; delete the file and rerun"
        )
    assert error_of(reader, tmp_path / "none.gz") == "none.gz: no such file"
    assert error_of(reader, tmp_path / "").endswith(": cannot be read: Is a directory")
    path.write_bytes(b"")
    assert "m.gz: no line !" in error_of(reader, path)


ANNOTATION = """\
^Annotation
!Annotation_platform = GPL1
#ID = ID
!platform_table_begin
ID\tGene title\tGene symbol\tGene ID\tGO
p1\ta "quoted title\tABC\t12\tx
p2\t\tABC /// DEF\t12 /// 34\t
007\t\t\t\t
NA\tx\tABC///ABC\t12///12\t
!platform_table_end
"""


def test_platform_annotation(tmp_path):
    table = read_annotation(gz(tmp_path / "a.gz", ANNOTATION))
    assert list(table.columns) == ["symbol", "entrez"]
    assert list(table.index) == ["p1", "p2", "007", "NA"]
    assert table.to_numpy().tolist() == [
        ["ABC", "12"],
        ["ABC///DEF", "12///34"],
        ["", ""],
        ["ABC", "12"],
    ]
    plain = tmp_path / "GPL1.txt"
    plain.write_bytes(b"\xef\xbb\xbf" + ANNOTATION.replace("\n", "\r\n").encode())
    assert read_annotation(plain).equals(table)


SOFT = """\
^DATABASE = GeoMiame
^PLATFORM = GPL2
!Platform_title = a "quote, comma
#ID =
!platform_table_begin
{}
!platform_table_end
^SAMPLE = GSM1
!sample_table_begin
ID_REF\tVALUE
1\t2
!sample_table_end
"""
ST = "ID\tgene_assignment\tmrna_assignment\n"
NM = "NM_1 // SAMD11 // sterile alpha // 1p36.33 // 148398"
XM = "XM_2 // SAMD11 // sterile // 1p36 // 148398 /// NM_9 // OR4F5 // x // 1p36.33 // 79501"


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ("ID\tGENE\tGENE_SYMBOL\n12\t9582\tAPOBEC3B", ["APOBEC3B", "9582"]),
        ("ID\tGENE\tGENE_SYMBOL\n12\tENSG1\tAPOBEC3B", ["APOBEC3B", ""]),
        ("ID\tGene Symbol\tENTREZ_GENE_ID\n12\tDDR1 /// M\t780 /// 1", ["DDR1///M", "780///1"]),
        (
            "ID\tSearch_Key\tILMN_Gene\tEntrez_Gene_ID\tSymbol\n12\tx\tOLD\t7\tNEW",
            ["NEW", "7"],
        ),
        ("ID\tILMN_Gene\n12\tONLY", ["ONLY", ""]),
        ("ID\tGene_Sym\tSPOT_ID\tSPOT_ID\n12\tNfatc2\ta\tb", ["Nfatc2", ""]),
        (f"{ST}12\t{NM} /// {XM}\tx", ["SAMD11///OR4F5", "148398///79501"]),
        (f"{ST}12\tAK1 // --- // --- // --- // --- /// {NM}\t", ["SAMD11", "148398"]),
        ("ID\tSymbol\n12\tA;B, C|D//E", ["A///B///C///D///E", ""]),
        ("ID\tSymbol\tEntrez ID\n12\t---\tNA\n1\tX\t", ["", ""]),
        ("ID\tSymbol\n12\tX\n12\t X ", ["X", ""]),
    ],
)
def test_platform_in_soft_format(tmp_path, rows, wanted):
    for path in (gz(tmp_path / "GPL2_family.soft.gz", SOFT.format(rows)), tmp_path / "GPL2.txt"):
        if not path.exists():
            path.write_text(SOFT.format(rows))
        assert read_annotation(path).loc["12"].to_list() == wanted


@pytest.mark.parametrize(
    ("text", "columns", "wanted"),
    [
        ("#note\nprobe\tsymbol\np1\tABC\n", None, ["ABC", ""]),
        ('"ID","Symbol","Name"\n"p1","ABC","a, b\nc"\n', None, ["ABC", ""]),
        ('#%x\n"Probe Set ID","Gene Symbol"\n"p1","A /// B"\n', None, ["A///B", ""]),
        ('ID,Symbol,Name\np1,"A,B",x\n\n', None, ["A///B", ""]),
        ('"ID"\t"Symbol"\n"p1"\t"ABC"\n', None, ["ABC", ""]),
        ('ID\tSymbol\tName\np1\tABC\t5" nick\n', None, ["ABC", ""]),
        (
            "n\tarray, address\tgene\tEG\n1\tp1\tABC\t5\n",
            {"probe": "array, address", "symbol": "gene", "entrez": "EG"},
            ["ABC", "5"],
        ),
        ("ID\tSymbol\tHUGO\np1\told\tNEW\n", {"symbol": "HUGO"}, ["NEW", ""]),
    ],
)
def test_table_that_a_study_names(tmp_path, text, columns, wanted):
    path = tmp_path / "a.txt"
    path.write_text(text)
    table = read_annotation(path, columns)
    assert list(table.index) == ["p1"] and table.loc["p1"].to_list() == wanted


SET = "set source.annotation_columns (probe, symbol, entrez) to headings of the table: "


@pytest.mark.parametrize(
    ("text", "columns", "wanted"),
    [
        (
            ANNOTATION.replace("!platform_table_end\n", ""),
            None,
            "a.gz: the line !platform_table_end is missing: the file is cut off; delete it and "
            "rerun",
        ),
        (
            ANNOTATION.replace("!platform_table_begin\n", ""),
            None,
            "a.gz: no line !platform_table_begin: not a platform annotation",
        ),
        (
            ANNOTATION.replace("Gene symbol", "Nomen"),
            None,
            f"a.gz:5: no heading for symbol is known; {SET}ID, Gene title, Nomen, Gene ID, GO",
        ),
        (
            ANNOTATION.replace("ID\tGene title", "Spot\tGene title"),
            None,
            f"a.gz:5: no heading for probe is known; {SET}Spot, Gene title, Gene symbol, Gene ID, "
            "GO",
        ),
        (
            ANNOTATION,
            {"symbol": "HUGO"},
            f"a.gz:5: no column 'HUGO' (symbol); {SET}ID, Gene title, Gene symbol, Gene ID, GO",
        ),
        (
            ANNOTATION.replace("GO", "GENE_SYMBOL"),
            None,
            "a.gz:5: which column holds symbol? Found 'Gene symbol' and 'GENE_SYMBOL'; "
            f"{SET}ID, Gene title, Gene symbol, Gene ID, GENE_SYMBOL",
        ),
        (
            ANNOTATION,
            {"symbol": "GO", "entrez": "Gene title"},
            "a.gz: column 'Gene title', probe 'p1': found 'a \"quoted title', expected an Entrez "
            "gene (a number)",
        ),
        (
            ANNOTATION.replace("\tx\n", "\t\n"),
            {"symbol": "GO"},
            f"a.gz: no probe has a symbol in column 'GO'; {SET}ID, Gene title, Gene symbol, "
            "Gene ID, GO",
        ),
        (
            ANNOTATION.replace("\n007", "\np1"),
            None,
            "a.gz:8: the probe 'p1' stands twice, with symbol 'ABC' and ''",
        ),
        (ANNOTATION.replace("\n007\t", "\n\tx"), None, "a.gz:8: the row names no probe"),
        (ANNOTATION.replace("007\t", "007"), None, "a.gz:8: 4 cells, but the heading has 5"),
        (
            SOFT.format("ID\tSymbol\n1\tA") + SOFT.format("ID\tSymbol\n1\tB"),
            None,
            "a.gz:18: a second platform table; expected a file of one platform",
        ),
        ('ID,Symbol\n"a"b,c\n', None, "a.gz:2: ',' expected after '\"'"),
        ("hello\n", None, "a.gz:1: found 'hello', expected a heading with tab or comma between"),
    ],
)
def test_faulty_annotation(tmp_path, text, columns, wanted):
    path = gz(tmp_path / "a.gz", text)
    found = error_of(lambda path: read_annotation(path, columns), path)
    assert found.startswith(wanted) if wanted.endswith("between") else found == wanted

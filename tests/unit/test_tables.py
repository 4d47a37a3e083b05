"""Count tables in the dialects in which GEO's supplementary files come."""

import datetime
import gzip
import io
import tarfile
import zipfile

import numpy as np
import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neuroimmune.errors import UserError
from neuroimmune.geo import archives, grid
from neuroimmune.geo.tables import read_counts

SIMPLE = "Gene\tA\tB\nENSG1\t5\t0\n007\t1.5\t2e3\n"


def save(path, content):
    """Write text or bytes; .gz is packed."""
    raw = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return path


def read(tmp_path, content, name="c.txt", **choice):
    return read_counts(save(tmp_path / name, content), **choice)


def error_of(path, **choice):
    with pytest.raises(UserError) as error:
        read_counts(path, **choice)
    return str(error.value).replace(f"{path.parent}/", "")


def fault(tmp_path, content, name="c.txt", **choice):
    return error_of(save(tmp_path / name, content), **choice)


def check(counts, genes, columns, values):
    assert list(counts.index) == genes and list(counts.columns) == columns
    assert all(isinstance(label, str) for label in [*counts.index, *counts.columns])
    assert all(dtype.kind == "f" for dtype in counts.dtypes)
    np.testing.assert_array_equal(counts.to_numpy(), np.array(values, float))


def left_out(notes):
    return [
        (note["step"], note["unit"], note["left_out"], note["reason"], note["examples"])
        for note in notes
    ]


ANNOTATION = ("columns that are no counts", "column")


# Bytes, line ends, separators


@pytest.mark.parametrize(
    "raw",
    [
        SIMPLE.encode(),
        SIMPLE.encode("utf-8-sig"),
        SIMPLE.encode("utf-16"),
        b"\xfe\xff" + SIMPLE.encode("utf-16-be"),
        SIMPLE.replace("\n", "\r\n").encode(),
        SIMPLE.replace("\n", "\r").encode(),
        SIMPLE.rstrip("\n").encode(),
        SIMPLE.replace("\t", ",").encode(),
        SIMPLE.replace("\t", ";").encode(),
        SIMPLE.replace("\t", "   ").encode(),
        SIMPLE.replace("\t", " \t ").encode(),
        SIMPLE.replace("Gene", '"Gene"').replace("007", '"007"').replace("\t", ",").encode(),
        SIMPLE.replace("\n", "\t\t\n").encode(),
        b"\n" * 1000 + SIMPLE.encode(),
        b"\t\t\n,\n \n" + SIMPLE.encode(),
        gzip.compress(SIMPLE.encode()),
        gzip.compress(gzip.compress(SIMPLE.encode())),
    ],
)
@pytest.mark.parametrize("name", ["c.txt", "c.csv.gz", "c.xlsx"])
def test_bytes_say_what_a_file_is(tmp_path, raw, name):
    path = tmp_path / name
    path.write_bytes(raw)
    counts, notes = read_counts(path)
    check(counts, ["ENSG1", "007"], ["A", "B"], [[5, 0], [1.5, 2000]])
    assert [note for note in notes if note["examples"] != ","] == []


def test_windows_1252(tmp_path):
    counts, _ = read(tmp_path, "Gène\tµg\nX\t1\n".encode("cp1252"))
    check(counts, ["X"], ["µg"], [[1]])


def test_quoted_cells_may_hold_separators_and_line_breaks(tmp_path):
    text = 'Gene,description,"A,1","B"\nX,"a ""b"",\nc",5,"6"\nY,"d, e",7,8\n'
    counts, notes = read(tmp_path, text)
    check(counts, ["X", "Y"], ["A,1", "B"], [[5, 6], [7, 8]])
    assert left_out(notes) == [(*ANNOTATION, 1, "annotation of the genes", "description")]


def test_stray_quotation_marks_swallow_no_genes(tmp_path):
    rows = [f'G{number}\t"5 end of {number}\t{number}\t1\n' for number in range(9)]
    counts, _ = read(tmp_path, "Gene\tinfo\tA\tB\n" + "".join(rows))
    check(counts, [f"G{n}" for n in range(9)], ["A", "B"], [[n, 1] for n in range(9)])
    ragged = 'Gene,A,B\nX,"1,2\nY,3"\nZ,5\n'
    assert fault(tmp_path, ragged) == (
        "c.txt: a quotation mark opens a cell that runs over several lines; delete stray "
        "quotation marks from the file"
    )


# Numbers


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1234,5", "2"], [1234.5, 2]),
        (["1,5E+03", ",5"], [1500, 0.5]),
        (["1.234,5", "0"], [1234.5, 0]),
        (["1,234,567", "1,234"], [1234567, 1234]),
        (["1,234", "12.5"], [1234, 12.5]),
        (["1,234.5", "7"], [1234.5, 7]),
        (["1,230", "12"], [1230, 12]),  # a decimal would not be written with its last 0
        (["1e+05", "2.5e-3"], [1e5, 2.5e-3]),
        (["4294967297", "9007199254740991"], [2**32 + 1, 2**53 - 1]),
        (["0.1", "74.35"], [0.1, 74.35]),
        (["+5", "5."], [5, 5]),
    ],
)
@pytest.mark.parametrize("separator", ["\t", ";"])
def test_numbers(tmp_path, cells, values, separator):
    text = "\n".join(separator.join(row) for row in (["Gene", "A", "B"], ["X", *cells]))
    counts, _ = read(tmp_path, text)
    check(counts, ["X"], ["A", "B"], [values])


@pytest.mark.parametrize("cells", ["1,234\t2,345", "1,234\t12", "1,234\t5670", "1,234.5\t1234,56"])
def test_unclear_commas(tmp_path, cells):
    assert fault(tmp_path, f"Gene\tA\tB\nX\t{cells}\n").endswith(
        "may have a decimal comma or a thousands separator; save the table with decimal points "
        "and no thousands separators"
    )


def test_comma_or_blank_between_columns(tmp_path):
    assert fault(tmp_path, "Gene A\nX 1,5\nY 2,5\n") == (
        "c.txt: 'Y 2,5': the comma may stand between columns or before decimals; save the table "
        "with tabs between its columns"
    )


@pytest.mark.parametrize(
    "word", ["", "NA", "n/a", "NaN", "null", "-", "#N/A", "Data Not Available", "high", "1_000"]
)
def test_a_cell_without_a_count_is_not_zero(tmp_path, word):
    assert fault(tmp_path, f"Gene\tA\tB\nX\t1\t{word}\nY\t1\t2\n") == (
        f"c.txt: row 'X', column 'B': found {word!r}, expected a count (a number of at least 0); "
        "1 such cells"
    )


def test_negative_infinite_and_cut_off(tmp_path):
    wanted = "expected a count (a number of at least 0); {} such cells"
    assert fault(tmp_path, "Gene\tA\nX\t-1\nY\t-2\n") == (
        "c.txt: row 'X', column 'A': found '-1', " + wanted.format(2)
    )
    assert fault(tmp_path, "Gene\tA\nX\t1e999\n") == (
        "c.txt: row 'X', column 'A': found '1e999', " + wanted.format(1)
    )
    assert fault(tmp_path, "Gene\tA\nX\t1\nENSG0") == (
        "c.txt: row 'ENSG0', column 'A': found '', " + wanted.format(1)
    )
    assert fault(tmp_path, "Gene\tA\tB\nX\t\t\nY\t1\t2\n") == (
        "c.txt: row 'X', column 'A': found '', " + wanted.format(2)
    )


# Headers and labels


def test_labels_that_look_missing_or_like_numbers(tmp_path):
    names = ["None", "NA", "nan", "001", "1e5", "null"]
    rows = ["\t".join([name, *"123456"]) for name in [*names, "", "TRUE"]]
    counts, notes = read(tmp_path, "\n".join(["\t".join(["Gene", *names]), *rows]))
    check(counts, [*names, "", "TRUE"], names, [[1, 2, 3, 4, 5, 6]] * 8)
    assert notes == []


@pytest.mark.parametrize("first", ["Gene", '""', "ID_REF", "#gene_id"])
def test_header_of_numbers(tmp_path, first):
    counts, _ = read(tmp_path, f"{first}\t001\t1e5\nX\t1\t2\nY\t3\t4\n")
    check(counts, ["X", "Y"], ["001", "1e5"], [[1, 2], [3, 4]])


@pytest.mark.parametrize("text", ["A B\nX 1 2\nY 3 4\n", '"A" "B"\n"X" 1 2\n"Y" 3 4\n'])
def test_header_of_r_is_one_name_short(tmp_path, text):
    for separated in (text, text.replace(" ", "\t")):
        counts, _ = read(tmp_path, separated)
        check(counts, ["X", "Y"], ["A", "B"], [[1, 2], [3, 4]])


def test_comments_titles_and_legends(tmp_path):
    text = (
        "# Program:x v1, y; Command:a\t-b\n# more\n"
        "Supplementary Table 3. Counts\t\t\n\n\t\t\n"
        "Gene\tA\tB\nX\t1\t2\nY\t3\t4\n"
        "\nA: patients with disease\t\t\n* see methods\t\t\n"
    )
    counts, notes = read(tmp_path, text)
    check(counts, ["X", "Y"], ["A", "B"], [[1, 2], [3, 4]])
    assert left_out(notes) == [
        (
            "rows above the genes",
            "row",
            1,
            "titles or second headings",
            "Supplementary Table 3. Counts",
        ),
        (
            "rows below the genes",
            "row",
            2,
            "no numbers in them",
            "A: patients with disease, * see methods",
        ),
    ]


def test_second_header_rows(tmp_path):
    below = "NAME\tS_1\tS_2\tS_3\nCLASS:DOSE\tIS\tIS\tC\nX\t1\t2\t3\nY\t1\t2\t3\n"
    above = "\tIS\tIS\tC\n\tS_1\tS_2\tS_3\nX\t1\t2\t3\nY\t1\t2\t3\n"
    for text, words in ((below, "CLASS:DOSE IS IS C"), (above, "IS IS C")):
        counts, notes = read(tmp_path, text)
        check(counts, ["X", "Y"], ["S_1", "S_2", "S_3"], [[1, 2, 3]] * 2)
        assert left_out(notes) == [
            ("rows above the genes", "row", 1, "titles or second headings", words)
        ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Gene\tA\tB\tA\nX\t1\t1\t1\n", "c.txt: the column 'A' stands twice"),
        (
            "X\t1\t2\nY\t3\t4\n",
            "c.txt:1: no header above the first row of numbers ('X', '1', '2'); write the "
            "columns' names there",
        ),
        ("Gene\tA\nX\t1\t2\nY\t3\t4\n", "c.txt:1: 2 names for 3 columns"),
        (
            "foo\tA\t\tB\nX\t1\t2\t3\nY\t1\t2\t3\n",
            "c.txt:1: column 3 holds numbers, but has no name",
        ),
        ("foo\tA\tB\nX\t1\t2\nY\t1\t2\t3\n", "c.txt:1: column 4 holds numbers, but has no name"),
        (
            "just text\n",
            "c.txt: no table of counts; expected genes in rows and samples in columns, with tab, "
            "comma, semicolon or blanks between them; found 'just text'",
        ),
        (
            "",
            "c.txt: no table of counts; expected genes in rows and samples in columns, with tab, "
            "comma, semicolon or blanks between them; found ''",
        ),
        (
            "ID\tA_TPM\tB_TPM\nX\t1\t2\n",
            "c.txt: no column of counts; 'ID', 'A_TPM', 'B_TPM' are annotation, statistics or "
            "normalised values; name a file of raw counts in source.file",
        ),
        (
            "Chr\tStart\tA\nchrX\t1\t2\nchrY\t1\t3\n",
            "c.txt: no column of gene ids among 'Chr', 'Start', 'A'; give it the heading 'gene_id'",
        ),
        (
            "%%MatrixMarket matrix coordinate\n3 3 1\n1 1 5\n",
            "c.txt: a sparse matrix of single cells; expected a table of counts",
        ),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
            "c.txt: an old Excel file (.xls): open it and save it as .xlsx; expected a table of "
            "counts",
        ),
        (b"\x01\x00\x02\t5", "c.txt: binary data; expected a table of counts"),
    ],
)
def test_faulty_tables(tmp_path, text, wanted):
    assert fault(tmp_path, text) == wanted


def test_no_file(tmp_path):
    assert error_of(tmp_path / "none.txt") == "none.txt: no such file"
    assert error_of(tmp_path).endswith(": not a file")


# Columns that are no samples


@pytest.mark.parametrize(
    ("header", "row", "columns", "values", "notes"),
    [
        (  # featureCounts
            "Geneid Chr Start End Strand Length a/S1.bam a/S2.bam",
            "X chr1;chr1 11;20 15;30 +;+ 1500 7 8",
            ["a/S1.bam", "a/S2.bam"],
            [7, 8],
            [(*ANNOTATION, 5, "annotation of the genes", "Chr, Start, End, Strand, Length")],
        ),
        (
            "Gene_ID Chr Start End Length A B",
            "X 1 11 15 1500 7 8",
            ["A", "B"],
            [7, 8],
            [(*ANNOTATION, 4, "annotation of the genes", "Chr, Start, End, Length")],
        ),
        (
            "symbol Entrez.ID description gene_biotype A B",
            "X 1234 text coding 7 8",
            ["A", "B"],
            [7, 8],
            [
                (
                    *ANNOTATION,
                    3,
                    "annotation of the genes",
                    "Entrez.ID, description, gene_biotype",
                )
            ],
        ),
        (
            "id A B baseMean log2FoldChange lfcSE stat P.Value adj.P.Val",
            "X 7 8 7.5 -0.1 2 -3.5 0.1 NA",
            ["A", "B"],
            [7, 8],
            [
                (
                    *ANNOTATION,
                    6,
                    "statistics",
                    "baseMean, log2FoldChange, lfcSE, stat, P.Value and 1 more",
                )
            ],
        ),
        (
            "id A B A_FPKM FPKM.B padj_A_vs_B",
            "X 7 8 0.5 0.6 NA",
            ["A", "B"],
            [7, 8],
            [(*ANNOTATION, 3, "statistics", "A_FPKM, FPKM.B, padj_A_vs_B")],
        ),
        (
            "ID_REF A Detection_Pval B Detection_Pval",
            "X 7 0.01 8 0.02",
            ["A", "B"],
            [7, 8],
            [(*ANNOTATION, 2, "statistics", "Detection_Pval, Detection_Pval")],
        ),
        (  # RSEM
            "gene_id transcript_id(s) length effective_length expected_count TPM FPKM",
            "X T1,T2 100.5 90 7 1 2",
            ["expected_count"],
            [7],
            None,
        ),
        (  # salmon
            "Name Length EffectiveLength TPM NumReads",
            "X 100 90 1.5 7",
            ["NumReads"],
            [7],
            None,
        ),
        ("Gene T B stat A", "X 1 2 3 4", ["T", "B", "stat", "A"], [1, 2, 3, 4], []),
        ("Gene start end A", "X 1 2 3", ["start", "end", "A"], [1, 2, 3], []),
    ],
)
def test_columns_that_are_no_samples(tmp_path, header, row, columns, values, notes):
    lines = [header, row, row.replace("X", "Y", 1)]
    counts, found = read(tmp_path, "\n".join(lines).replace(" ", "\t"))
    check(counts, ["X", "Y"], columns, [values] * 2)
    if notes is not None:
        assert left_out(found) == notes


@pytest.mark.parametrize(
    ("header", "rows", "reason", "names"),
    [
        (",Gene,A,B", ["0,X,1,2", "1,Y,3,4"], "row numbers", "(no name)"),
        ("No.,name,A,B", ["1,X,1,2", "2,Y,3,4"], "row numbers", "No."),
        ("Chr,gene_name,A,B", ["1,X,1,2", "2,Y,3,4"], "annotation of the genes", "Chr"),
        (
            "transcript_id,gene_id,A,B",
            ["T1,X,1,2", "T2,Y,3,4"],
            "annotation of the genes",
            "transcript_id",
        ),
    ],
)
def test_ids_beside_the_first_column(tmp_path, header, rows, reason, names):
    counts, notes = read(tmp_path, "\n".join([header, *rows]))
    check(counts, ["X", "Y"], ["A", "B"], [[1, 2], [3, 4]])
    assert left_out(notes) == [(*ANNOTATION, 1, reason, names)]


def test_numeric_ids_in_the_first_column(tmp_path):
    text = "GeneID\tSymbol\tA\n1\tA1BG\t5\n2\tA2M\t6\n"
    counts, notes = read(tmp_path, text)
    check(counts, ["1", "2"], ["A"], [[5], [6]])
    counts, _ = read(tmp_path, "\tA\tB\n0\t5\t6\n1\t7\t8\n")
    check(counts, ["0", "1"], ["A", "B"], [[5, 6], [7, 8]])


def test_a_sum_below_the_genes_is_no_gene(tmp_path):
    counts, notes = read(tmp_path, "Gene\tA\tB\nX\t1\t2\nY\t3\t4\nTotal\t4\t6\n")
    check(counts, ["X", "Y"], ["A", "B"], [[1, 2], [3, 4]])
    assert left_out(notes) == [("rows of sums", "row", 1, "the last row is no gene", "Total")]


# Files of one sample


def test_htseq(tmp_path):
    counts, _ = read(tmp_path, "ENSG1\t5\nENSG2\t0\n__no_feature\t7\n", "GSM1_a.txt.gz")
    check(counts, ["ENSG1", "ENSG2", "__no_feature"], ["GSM1_a.txt.gz"], [[5], [0], [7]])
    counts, _ = read(tmp_path, "ENSG1\tTSPAN6\t5\nENSG2\tTNMD\t0\n", "GSM1_b.txt")
    check(counts, ["ENSG1", "ENSG2"], ["GSM1_b.txt"], [[5], [0]])


STAR = "N_unmapped\t9\t9\t9\nN_multimapping\t8\t8\t8\nENSG1\t10\t1\t9\nENSG2\t2000\t0\t2000\n"


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("unstranded", [9, 8, 10, 2000]),
        ("forward", [9, 8, 1, 0]),
        ("reverse", [9, 8, 9, 2000]),
    ],
)
def test_star_with_a_choice(tmp_path, column, values):
    counts, _ = read(tmp_path, STAR, "GSM1.tab", column=column)
    genes = ["N_unmapped", "N_multimapping", "ENSG1", "ENSG2"]
    check(counts, genes, ["GSM1.tab"], [[value] for value in values])


def test_star_without_a_choice(tmp_path):
    wanted = (
        "STAR counts a library in three ways; set source.column to unstranded, forward or "
        "reverse, as the library is stranded; reads in genes: unstranded 2,010, forward 1, "
        "reverse 2,009"
    )
    assert fault(tmp_path, STAR) == f"c.txt: {wanted}"
    assert fault(tmp_path, STAR, column="yes") == f"c.txt: source.column is 'yes'; {wanted}"


def test_column_by_heading(tmp_path):
    text = "gene_id\tlength\texpected_count\tunique\nX\t100\t7\t5\n"
    counts, _ = read(tmp_path, text, "GSM1.txt", column="unique")
    check(counts, ["X"], ["GSM1.txt"], [[5]])
    assert fault(tmp_path, text, column="reads") == (
        "c.txt: source.column is 'reads', but no columns have this name; columns of numbers: "
        "'expected_count', 'unique'"
    )


# Excel


def workbook(path, sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        page = book.create_sheet(name)
        for row in rows:
            page.append(row)
    book.save(path)
    return path


ROWS = [["Gene", "A", "B"], ["X", 1, 2.5], ["007", 3.0, 2**40]]
VALUES = [[1, 2.5], [3, 2**40]]


def test_excel(tmp_path):
    rows = [["Table 1"], [], *ROWS, [], ["A: a legend"]]
    sheets = {"READ ME": [["what this is"], ["by", "us"]], "counts": rows, "empty": []}
    counts, notes = read_counts(workbook(tmp_path / "c.xlsx", sheets))
    check(counts, ["X", "007"], ["A", "B"], VALUES)
    assert left_out(notes) == [
        ("other sheets", "sheet", 2, "the sheet 'counts' holds the counts", "READ ME, empty"),
        ("rows above the genes", "row", 1, "titles or second headings", "Table 1"),
        ("rows below the genes", "row", 1, "no numbers in them", "A: a legend"),
    ]


def test_excel_with_several_tables(tmp_path):
    path = workbook(tmp_path / "c.xlsx", {"raw": ROWS, "TPM": [*ROWS, ["Z", 1, 2]]})
    assert error_of(path) == (
        "c.xlsx: 2 sheets hold numbers; name one in source.sheet: 'raw' (3 rows x 3 columns), "
        "'TPM' (4 rows x 3 columns)"
    )
    counts, _ = read_counts(path, sheet="raw")
    check(counts, ["X", "007"], ["A", "B"], VALUES)
    assert error_of(path, sheet="cpm") == "c.xlsx: no sheet 'cpm'; sheets: 'raw', 'TPM'"
    plain = save(tmp_path / "c.txt", SIMPLE)
    assert error_of(plain, sheet="raw") == (
        "c.txt: source.sheet is set, but this is no Excel workbook (.xlsx)"
    )


def test_dates_among_gene_names(tmp_path):
    rows = [["Gene", "A"], [datetime.datetime(2021, 3, 1), 5], ["X", 6]]
    counts, notes = read_counts(workbook(tmp_path / "c.xlsx", {"s": rows}))
    check(counts, ["2021-03-01", "X"], ["A"], [[5], [6]])
    assert left_out(notes) == [
        (
            "gene names",
            "gene",
            0,
            "1 genes are dates: the spreadsheet has overwritten their names",
            "2021-03-01",
        )
    ]


def test_excel_cells_without_a_count(tmp_path):
    rows = [*ROWS, ["Y", None, "#N/A"]]
    assert error_of(workbook(tmp_path / "c.xlsx", {"s": rows})) == (
        "c.xlsx: row 'Y', column 'A': found '', expected a count (a number of at least 0); 2 such "
        "cells"
    )


def test_damaged_workbook(tmp_path):
    raw = workbook(tmp_path / "c.xlsx", {"s": ROWS}).read_bytes()
    text = fault(tmp_path, raw.replace(b"xl/workbook.xml", b"xl/workbook.xmx"), "d.xlsx")
    assert text.startswith("d.xlsx: cannot be read as an Excel workbook (") and "\n" not in text


# Archives


def tar(path, members, mode="w"):
    """A tar of {name: bytes or text}, or of TarInfo keys as they are."""
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            if isinstance(name, tarfile.TarInfo):
                archive.addfile(name)
                continue
            info = tarfile.TarInfo(name)
            raw = content.encode() if isinstance(content, str) else content
            info.size = len(raw)
            archive.addfile(info, io.BytesIO(raw))
    return path


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def packed(text):
    return gzip.compress(text.encode())


def in_zip(members):
    stream = io.BytesIO()
    zipped(stream, members)
    return stream.getvalue()


def in_tar_gz(members):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, text in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return stream.getvalue()


ONE, TWO = "ENSG1\t5\nENSG2\t0\n", "gene,x\nENSG2,7\nENSG1,6\n"


@pytest.mark.parametrize("kind", ["raw.tar", "raw.tar.gz", "raw.tgz", "raw.zip", "raw"])
def test_archive_of_samples(tmp_path, kind):
    members = {
        "sub/GSM1_a.txt.gz": packed(ONE),
        "GSM2_b.csv": TWO,
        "GSM3.zip": in_zip({"GSM3_c.tsv": ONE}),
        "GSM4.tar.gz": in_tar_gz({"d/counts.txt": ONE}),
        "GSM1_a.bed.gz": packed("chr1\t5\t9\n"),
        "README": "Counts of 4 samples.\nSee GEO.\n",
        "GSM1.dat": b"\x00\x01",
    }
    path = tmp_path / kind
    if kind.endswith("zip"):
        zipped(path, members)
    else:
        tar(path, members, "w:gz" if "gz" in kind else "w")
    counts, notes = read_counts(path)
    check(
        counts,
        ["ENSG1", "ENSG2"],
        ["GSM1_a.txt.gz", "GSM2_b.csv", "GSM3_c.tsv", "GSM4.tar.gz/d/counts.txt"],
        [[5, 6, 5, 5], [0, 7, 0, 0]],
    )
    assert left_out(notes) == [
        (
            "files that are no tables",
            "file",
            3,
            "no table of numbers",
            "GSM1_a.bed.gz, README, GSM1.dat",
        )
    ]


def test_archive_of_one_table(tmp_path):
    path = zipped(tmp_path / "c.zip", {"counts.txt": SIMPLE, "notes.pdf": b"%PDF"})
    counts, _ = read_counts(path)
    check(counts, ["ENSG1", "007"], ["A", "B"], [[5, 0], [1.5, 2000]])


def test_archive_of_star_files(tmp_path):
    members = {"GSM1.tab": STAR, "GSM2.tab": STAR.replace("2000", "3000")}
    path = tar(tmp_path / "r.tar", members)
    assert error_of(path).startswith("r.tar: member 'GSM1.tab': STAR counts a library in three")
    counts, _ = read_counts(path, column="reverse")
    assert list(counts.loc["ENSG2"]) == [2000, 3000]


def test_notes_of_members_are_summed(tmp_path):
    text = "gene_id\tlength\tcount\nX\t100\t7\n"
    _, notes = read_counts(tar(tmp_path / "r.tar", {"GSM1": text, "GSM2": text}))
    assert left_out(notes) == [(*ANNOTATION, 2, "annotation of the genes", "length")]


def test_names_that_members_share(tmp_path):
    path = tar(tmp_path / "r.tar", {"a/counts": ONE, "b/counts": ONE})
    assert list(read_counts(path)[0].columns) == ["a/counts", "b/counts"]
    path = tar(tmp_path / "s.tar", {"a/GSM1": ONE, "a//GSM1": ONE})
    assert error_of(path) == "s.tar: member 'a/GSM1': stands twice in the archive"


@pytest.mark.parametrize(
    ("second", "wanted"),
    [
        (
            "ENSG1\t5\nENSG3\t0\n",
            "r.tar: the genes of member 'GSM2' (2) are not those of 'GSM1' (2): 2 are in only one "
            "of the two ('ENSG2', 'ENSG3')",
        ),
        (
            "ENSG1\t5\nENSG2\t0\nENSG2\t0\n",
            "r.tar: the genes of member 'GSM2' (3) are not those of 'GSM1' (2): 0 are in only one "
            "of the two (some stand several times)",
        ),
        (
            "gene\tA\tB\nENSG1\t5\t6\nENSG2\t0\t0\n",
            "r.tar: member 'GSM2' has 2 columns of counts ('A', 'B'), but each of the 2 members "
            "must be one sample; choose the column in source.column",
        ),
        (
            "ENSG1\tNA\nENSG2\t0\n",
            "r.tar: member 'GSM2': row 'ENSG1', column 'GSM2': found 'NA', expected a count (a "
            "number of at least 0); 1 such cells",
        ),
    ],
)
def test_members_that_do_not_fit(tmp_path, second, wanted):
    assert error_of(tar(tmp_path / "r.tar", {"GSM1": ONE, "GSM2": second})) == wanted


def test_members_with_genes_in_another_order_and_twice(tmp_path):
    members = {"GSM1": "X\t1\nX\t2\nY\t3\n", "GSM2": "Y\t1\nX\t2\nX\t3\n"}
    assert error_of(tar(tmp_path / "r.tar", members)) == (
        "r.tar: member 'GSM2' has the genes in another order than 'GSM1', and cannot be joined to "
        "it, because 'X' stands twice"
    )


def test_archive_without_a_table(tmp_path):
    path = tar(tmp_path / "r.tar", {"GSM1.CEL.gz": packed("x"), "a.mtx": "", "list.txt": "a\tb\n"})
    assert error_of(path) == "r.tar: no table of counts in it; found GSM1.CEL.gz, a.mtx, list.txt"
    assert error_of(zipped(tmp_path / "e.zip", {"a/": ""})) == (
        "e.zip: no table of counts in it; found no files"
    )


def special(kind, target=""):
    info = tarfile.TarInfo("GSM1.txt")
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    ("member", "wanted"),
    [
        ("../GSM1.txt", "'../GSM1.txt': points outside the archive; the archive is not read"),
        ("a/../../b", "'a/../../b': points outside the archive; the archive is not read"),
        ("/etc/GSM1", "'/etc/GSM1': points outside the archive; the archive is not read"),
        ("..\\GSM1", "'..\\\\GSM1': points outside the archive; the archive is not read"),
        ("C:\\GSM1", "'C:\\\\GSM1': points outside the archive; the archive is not read"),
        (special(tarfile.SYMTYPE, "/etc/passwd"), "'GSM1.txt': a link; the archive is not read"),
        (special(tarfile.LNKTYPE, "GSM0.txt"), "'GSM1.txt': a link; the archive is not read"),
        (special(tarfile.FIFOTYPE), "'GSM1.txt': a special file; the archive is not read"),
        (special(tarfile.CHRTYPE), "'GSM1.txt': a special file; the archive is not read"),
        (special(tarfile.BLKTYPE), "'GSM1.txt': a special file; the archive is not read"),
    ],
)
def test_unsafe_members(tmp_path, member, wanted):
    path = tar(tmp_path / "r.tar", {"GSM0.txt": ONE, member: ONE})
    before = sorted(tmp_path.rglob("*"))
    assert error_of(path) == f"r.tar: member {wanted}"
    assert sorted(tmp_path.rglob("*")) == before
    if isinstance(member, str):
        path = zipped(tmp_path / "r.zip", {"GSM0.txt": ONE, member: ONE})
        assert error_of(path) == f"r.zip: member {wanted}"


def test_links_and_locks_in_zip(tmp_path):
    link = zipfile.ZipInfo("GSM1.txt")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    assert error_of(zipped(tmp_path / "l.zip", {link: "/etc/passwd"})) == (
        "l.zip: member 'GSM1.txt': a link or special file; the archive is not read"
    )
    raw = bytearray(zipped(tmp_path / "e.zip", {"GSM1.txt": ONE}).read_bytes())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    assert fault(tmp_path, bytes(raw), "e.zip") == (
        "e.zip: member 'GSM1.txt': encrypted; unpack it by hand"
    )


def test_bombs(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "RATIO_FREE", 10_000)
    monkeypatch.setattr(archives, "MAX_RATIO", 20)
    bomb = "ENSG1\t0\n" * 100_000
    inner = in_zip({"GSM1.txt": bomb})
    for path in (
        save(tmp_path / "b.txt.gz", bomb),
        zipped(tmp_path / "b.zip", {"GSM1.txt": bomb}),
        tar(tmp_path / "b.tar", {"GSM1.txt.gz": packed(bomb)}),
        tar(tmp_path / "c.tar.gz", {"GSM1.txt": bomb}, "w:gz"),
        tar(tmp_path / "d.tar", {"GSM1.zip": inner}),
    ):
        text = error_of(path)
        assert "bytes unpack to more than" in text and "\n" not in text
    monkeypatch.setattr(archives, "MAX_RATIO", 10**6)
    monkeypatch.setattr(archives, "MAX_UNPACKED", 1_000_000)
    twice = zipped(tmp_path / "t.zip", {"GSM1.txt": bomb, "GSM2.txt": bomb})
    assert "bytes unpack to more than" in error_of(twice)


def test_limits_of_number_and_depth(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    path = tar(tmp_path / "r.tar", {f"GSM{n}": ONE for n in range(4)})
    assert error_of(path) == "r.tar: more than 3 members; not read"
    raw = packed(ONE)
    for _ in range(archives.MAX_DEPTH):
        raw = gzip.compress(raw)
    path = tmp_path / "n.gz"
    path.write_bytes(raw)
    assert error_of(path) == "n.gz: more than 4 archives inside one another; not read"


def test_limit_of_cells(tmp_path, monkeypatch):
    monkeypatch.setattr(grid, "MAX_CELLS", 5)
    assert fault(tmp_path, SIMPLE) == "c.txt: more than 5 cells: no table of bulk samples"


def test_cut_off_archives(tmp_path):
    whole = tar(tmp_path / "r.tar", {"GSM1": ONE, "GSM2": ONE}).read_bytes()
    for end in (1024, 1030, 1536, 2048):  # before, in and after the second member
        text = fault(tmp_path, whole[:end], "cut.tar")
        assert text.startswith("cut.tar: the archive is damaged or cut off ("), end
    raw = zipped(tmp_path / "r.zip", {"GSM1": ONE, "GSM2": ONE}).read_bytes()
    assert fault(tmp_path, raw[:-30], "cut.zip").startswith("cut.zip: the archive is damaged or c")
    raw = packed(ONE * 100)
    path = tmp_path / "cut.txt.gz"
    path.write_bytes(raw[:-9])
    assert error_of(path).startswith("cut.txt.gz: the gzip data are damaged or cut off (")


# Any table in any dialect

label = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P", "S"], exclude_characters='"#*=\ufeff'),
    min_size=1,
    max_size=8,
) | st.sampled_from(["None", "NA", "nan", "001", "1e5", "1,234", "-", "TRUE", "2021-03-01"])
number = st.integers(0, 2**53) | st.floats(0, 1e12).map(lambda value: round(value, 3))


@st.composite
def tables(draw):
    columns = draw(st.lists(label.map("S {}".format), min_size=1, max_size=5, unique=True))
    genes = draw(st.lists(label, min_size=1, max_size=8))
    values = [draw(st.lists(number, min_size=len(columns), max_size=len(columns))) for _ in genes]
    return columns, genes, values


def quoted(text):
    return f'"{text}"'


def lines(rows, separator="\t", end="\n"):
    return end.join(map(separator.join, rows))


def all_quoted(rows):
    return [list(map(quoted, row)) for row in rows]


def with_comma(rows):
    return [[gene, *(cell.replace(".", ",") for cell in cells)] for gene, *cells in rows]


WRITERS = {
    "tab": lambda head, rows: lines([head, *rows]),
    "tab, old Mac": lambda head, rows: lines([head, *rows], end="\r"),
    "UTF-16": lambda head, rows: lines([head, *rows]).encode("utf-16"),
    "comma": lambda head, rows: lines(all_quoted([head, *rows]), ",", "\r\n"),
    "semicolon": lambda head, rows: lines(all_quoted([head, *with_comma(rows)]), ";"),
    "decimal comma": lambda head, rows: lines([head, *with_comma(rows)]),
    "R": lambda head, rows: lines(
        [map(quoted, head[1:]), *([quoted(gene), *cells] for gene, *cells in rows)], " "
    ),
}


@pytest.mark.parametrize("dialect", [*WRITERS, "Excel"])
@settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(table=tables())
def test_any_table_comes_back(tmp_path, dialect, table):
    columns, genes, values = table
    genes, values = [*genes, "last"], [*values, [0.5] * len(columns)]  # shows what a comma means
    head, path = ["Gene", *columns], tmp_path / "c.txt"
    if dialect == "Excel":
        rows = [[gene, *row] for gene, row in zip(genes, values, strict=True)]
        workbook(path, {"s": [head, *rows]})
    else:
        rows = [[gene, *map(repr, row)] for gene, row in zip(genes, values, strict=True)]
        save(path, WRITERS[dialect](head, rows))
    counts, notes = read_counts(path)
    check(counts, genes, columns, values)
    assert notes == []

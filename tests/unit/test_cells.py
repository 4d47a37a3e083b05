"""Counts of single cells in the forms in which GEO holds them."""

import gzip
import tarfile

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.sparse import csc_matrix, csr_matrix

from neuroimmune.errors import UserError
from neuroimmune.geo import h5ad, tenx
from neuroimmune.geo.cells import read_sample
from tenx_files import (
    barcodes_of,
    genes_of,
    matrix_text,
    text_table,
    triplet,
    write_h5,
    write_tar,
)

COUNTS = np.array([[5, 0, 1, 0], [0, 2, 0, 300], [7, 0, 0, 0]])
IDS = [row[0] for row in genes_of(3)]
CELLS = barcodes_of(4)
TENX = {"kind": "tenx"}
HEAD = "%%MatrixMarket matrix coordinate integer general\n"
RAW = "GSE1_RAW.tar"


def sample(name="GSM1", files=""):
    return {"sample": name, "files": files, "title": ""}


def check(data, counts=COUNTS, genes=IDS, barcodes=None):
    barcodes = barcodes_of(len(counts[0])) if barcodes is None else barcodes
    assert list(data.var_names) == genes and list(data.obs_names) == barcodes
    assert data.X.format == "csr" and data.X.dtype == np.int32
    assert data.X.has_sorted_indices and (data.X.data != 0).all()
    np.testing.assert_array_equal(data.X.toarray().T, counts)


def read(path, row=None, source=TENX):
    paths = path if isinstance(path, list) else [path]
    return read_sample([str(name) for name in paths], row or sample(), source)


def error_of(path, row=None, source=TENX):
    with pytest.raises(UserError) as error:
        read(path, row, source)
    folder = (path[0] if isinstance(path, list) else path).parent
    assert "\n" not in str(error.value)
    return str(error.value).replace(f"{folder}/", "")


def steps(notes):
    return [(n["step"], n["left_out"], n["reason"].split("/")[-1], n["examples"]) for n in notes]


def save(folder, files):
    for name, raw in files.items():
        (folder / name).write_bytes(raw)
    return [folder / name for name in files]


def archive(folder, **choice):
    counts = choice.pop("counts", COUNTS)
    return write_tar(folder / RAW, triplet(counts, prefix="GSM1_", **choice))


def with_list(folder, name, text, counts=COUNTS):
    """RAW.tar with one of the three files of GSM1 replaced."""
    files = triplet(counts, prefix="GSM1_") | {f"GSM1_{name}.gz": gzip.compress(text.encode())}
    return write_tar(folder / RAW, files)


# Which files are the sample's


@pytest.mark.parametrize("version", [2, 3])
def test_triplets_in_an_archive(tmp_path, version):
    other = triplet(COUNTS[:, :3] + 1, prefix="GSM10_P2_", version=version)
    files = other | triplet(COUNTS, prefix="GSM1_P1_", version=version)
    data, notes = read(write_tar(tmp_path / RAW, files))
    check(data)
    assert list(data.var["label"]) == ["GENE1", "GENE2", "GENE3"]
    assert notes == []


def test_members_that_are_not_packed(tmp_path):
    files = {name[:-3]: gzip.decompress(raw) for name, raw in triplet(COUNTS).items()}
    check(read(write_tar(tmp_path / RAW, {f"GSM1/{name}": files[name] for name in files}))[0])


def test_an_archive_of_archives(tmp_path):
    inner = write_tar(tmp_path / "inner.tar", triplet(COUNTS, prefix="outs/"))
    packed = gzip.compress(inner.read_bytes())
    files = {"GSM2_P2.tar.gz": b"\x1f\x8b broken", "GSM1_P1.tar.gz": packed}
    data, notes = read(write_tar(tmp_path / RAW, files))
    check(data)
    assert notes == []


def test_files_of_their_own(tmp_path):
    source = TENX | {"sample_files": ["{sample}_{files}_matrix.mtx.gz", "..."]}
    paths = save(tmp_path, triplet(COUNTS, prefix="GSM1_P1_"))
    check(read(paths, sample(files="P1"), source)[0])
    names = ["GSM1_P1_matrix.mtx.gz", "GSM1_features.tsv.gz", "shared_GSM1.tsv.gz"]
    for path, name in zip(sorted(paths, reverse=True), names, strict=True):
        path.rename(tmp_path / name)
    names = [name.replace("P1", "{files}").replace("GSM1", "{sample}") for name in names]
    paths = [path for path in tmp_path.iterdir()]
    check(read(paths, sample(files="P1"), TENX | {"sample_files": names})[0])


@pytest.mark.parametrize("files", ["GSM1_P1", "P1", "P1_", "GSM1_P1_", ""])
def test_names_begin_with_what_samples_tsv_says(tmp_path, files):
    members = triplet(COUNTS[:, :2], prefix="GSM2_P10_") | triplet(COUNTS, prefix="GSM1_P1_")
    check(read(write_tar(tmp_path / RAW, members), sample(files=files))[0])


def test_names_without_a_gsm(tmp_path):
    members = triplet(COUNTS[:, :2], prefix="run/P10/") | triplet(COUNTS, prefix="run/P1/")
    path = write_tar(tmp_path / RAW, members)
    check(read(path, sample(files="P1"))[0])
    assert error_of(path) == (
        "GSE1_RAW.tar: no file of GSM1; found run/P10/barcodes.tsv.gz, run/P10/features.tsv.gz, "
        "run/P10/matrix.mtx.gz, run/P1/barcodes.tsv.gz, run/P1/features.tsv.gz, "
        "run/P1/matrix.mtx.gz. Write what its files' names begin with into the column 'files' of "
        "samples.tsv, or, where one file has the cells of several samples, say in "
        "source.cells.sample which are whose"
    )


def test_a_file_of_another_sample_is_not_taken_for_one_of_all(tmp_path):
    path = write_tar(tmp_path / RAW, triplet(COUNTS, prefix="GSM2_"))
    source = TENX | {"cells": {"sample": {"value": "GSM1"}}}
    assert error_of(path, source=source).startswith("GSE1_RAW.tar: no file of GSM1; found GSM2_")


def test_one_of_several_matrices_must_be_named(tmp_path):
    members = triplet(COUNTS[:, :2], prefix="GSM1_raw_") | triplet(COUNTS, prefix="GSM1_filtered_")
    path = write_tar(tmp_path / RAW, members)
    assert error_of(path) == (
        "GSE1_RAW.tar: 2 files with counts of GSM1 (GSM1_raw_matrix.mtx.gz, "
        "GSM1_filtered_matrix.mtx.gz); name one, or what its files' names begin with, in the "
        "column 'files' of samples.tsv"
    )
    check(read(path, sample(files="GSM1_filtered"))[0])


def test_other_files_of_the_sample_are_counted(tmp_path):
    more = {"GSM1_contig_annotations.csv.gz": gzip.compress(b"barcode,chain\nA,TRA\n")}
    more |= {"GSM1_web_summary.html": b"<html>", "GSM1_notes.txt": b"a\nb\n"}
    data, notes = read(write_tar(tmp_path / RAW, more | triplet(COUNTS, prefix="GSM1_")))
    check(data)
    names = "GSM1_contig_annotations.csv.gz, GSM1_web_summary.html, GSM1_notes.txt"
    assert steps(notes) == [("other files of the sample", 3, "not needed for the counts", names)]
    path = write_tar(tmp_path / "r.tar", more)
    assert error_of(path).startswith(f"r.tar: no files with counts of GSM1 ({names}); name one")


def test_other_samples_are_not_unpacked(tmp_path):
    members = {"GSM2_matrix.mtx.gz": b"\x1f\x8b broken"} | triplet(COUNTS, prefix="GSM1_")
    check(read(write_tar(tmp_path / RAW, members))[0])
    members["GSM1_matrix.mtx.gz"] = members["GSM1_matrix.mtx.gz"][:-9]
    assert error_of(write_tar(tmp_path / RAW, members)).startswith(
        "GSE1_RAW.tar: member 'GSM1_matrix.mtx.gz': the gzip data are damaged or cut off"
    )


def test_hostile_archives(tmp_path):
    path = write_tar(tmp_path / RAW, triplet(COUNTS, prefix="GSM1_../../"))
    assert "points outside the archive" in error_of(path)
    with tarfile.open(tmp_path / "l.tar", "w") as out:
        link = tarfile.TarInfo("GSM1_matrix.mtx")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        out.addfile(link)
    assert "a link; the archive is not read" in error_of(tmp_path / "l.tar")
    path = write_tar(tmp_path / RAW, triplet(COUNTS, prefix="GSM1_"))
    path.write_bytes(path.read_bytes()[:3000])
    assert "damaged or cut off" in error_of(path)
    assert error_of(tmp_path / "none.tar") == "none.tar: no such file"


# Lists of genes and barcodes


def test_lists_that_do_not_fit(tmp_path):
    assert error_of(archive(tmp_path, barcodes=barcodes_of(3))) == (
        "GSE1_RAW.tar: member 'GSM1_matrix.mtx.gz': the matrix has 3 rows and 4 columns, but "
        "GSE1_RAW.tar: member 'GSM1_features.tsv.gz' lists 3 genes and GSE1_RAW.tar: member "
        "'GSM1_barcodes.tsv.gz' 3 barcodes; these files do not belong together: leave the sample "
        "out with include 'no' and a note in samples.tsv, or name the right files"
    )


def test_lists_of_the_series(tmp_path):
    features, barcodes = tmp_path / "GSE1_genes.tsv.gz", tmp_path / "GSE1_barcodes.tsv"
    files = triplet(COUNTS, prefix="GSM1_")
    features.write_bytes(files.pop("GSM1_features.tsv.gz"))
    barcodes.write_bytes(gzip.decompress(files["GSM1_barcodes.tsv.gz"]))
    path = write_tar(tmp_path / RAW, files)
    source = TENX | {"features": features.name}
    check(read([path, features], source=source)[0])
    assert "expected one list of barcodes and one of genes beside the matrix, found 1" in error_of(
        path
    )
    assert error_of(path, source=source) == (
        "GSE1_genes.tsv.gz: named in study.yaml, but not among the files of the sample"
    )
    path = write_tar(tmp_path / RAW, {"GSM1_m.mtx.gz": files["GSM1_matrix.mtx.gz"]})
    check(read([features, path, barcodes], source=source | {"barcodes": barcodes.name})[0])


@pytest.mark.parametrize(
    ("text", "ids", "labels"),
    [
        ("ACTB\nGAPDH\nENO1\n", ["ACTB", "GAPDH", "ENO1"], ["ACTB", "GAPDH", "ENO1"]),
        ("\n".join(IDS), IDS, ["", "", ""]),
        ("A\tENSG1\nB\tENSG2\nNA\tx\n", ["A", "B", "NA"], ["ENSG1", "ENSG2", "x"]),
        (f"A\t{IDS[0]}\nB\t{IDS[1]}\nC\t{IDS[2]}\n", IDS, ["A", "B", "C"]),
        (f"gene_id\tsymbol\n{IDS[0]}\tA\n{IDS[1]}\tB\n{IDS[2]}\tC\n", IDS, ["A", "B", "C"]),
        (f'"","x"\n"1","{IDS[0]}"\n"2","{IDS[1]}"\n"3","{IDS[2]}"\n', IDS, ["", "", ""]),
        (f"{IDS[0]}.7\tA\r\n{IDS[1]}.1\tB\r\n{IDS[2]}\tC\r\n", IDS, ["A", "B", "C"]),
        (f"{IDS[0]}_A\n{IDS[1]}_B\n{IDS[2]}_C\n", IDS, ["A", "B", "C"]),
        ("60\n2597\n567\n", ["60", "2597", "567"], ["", "", ""]),
    ],
)
def test_lists_of_genes(tmp_path, text, ids, labels):
    data, notes = read(with_list(tmp_path, "features.tsv", text))
    check(data, genes=ids)
    assert list(data.var["label"]) == labels
    header = "symbol" in text or '"x"' in text
    assert [n["step"] for n in notes] == ["header lines"] * header


def test_lists_of_barcodes(tmp_path):
    rows = "".join(f'"{n}","{name}"\n' for n, name in enumerate(CELLS, start=1))
    data, notes = read(with_list(tmp_path, "barcodes.tsv", f'"","x"\n{rows}'))
    check(data)
    assert [n["step"] for n in notes] == ["header lines"]
    twice = [*CELLS[:3], CELLS[0]]
    assert error_of(archive(tmp_path, barcodes=twice)) == (
        f"GSE1_RAW.tar: member 'GSM1_matrix.mtx.gz': the barcode {CELLS[0]!r} stands twice (1 "
        "such); the cells of several libraries cannot be told apart"
    )
    ragged = "A\tB\nC\n"
    assert "GSM1_barcodes.tsv.gz':2: 1 columns, but the first line has 2" in error_of(
        with_list(tmp_path, "barcodes.tsv", ragged)
    )
    assert "the list is empty" in error_of(with_list(tmp_path, "barcodes.tsv", "\n"))


def test_lists_are_told_apart_by_what_they_hold(tmp_path):
    files = triplet(COUNTS, prefix="GSM1_")
    names = "GSM1_barcodes.tsv.gz", "GSM1_features.tsv.gz"
    files[names[0]], files[names[1]] = files[names[1]], files[names[0]]
    data, notes = read(write_tar(tmp_path / RAW, files))
    check(data)
    reason = "RAW.tar: member 'GSM1_barcodes.tsv.gz' holds the genes and "
    assert notes[0]["step"] == "lists swapped" and reason in notes[0]["reason"]


def test_names_of_cells_that_are_no_barcodes(tmp_path):
    cells = ["c1", "c2", "c3", "c4"]
    check(read(archive(tmp_path, barcodes=cells))[0], barcodes=cells)
    symbols = [("ACTBL2", "", ""), ("X", "", ""), ("Y", "", "")]
    data, _ = read(archive(tmp_path, barcodes=cells, features=symbols))
    check(data, genes=["ACTBL2", "X", "Y"], barcodes=cells)
    # Then the matrix cannot be turned: the names of the files may be wrong instead.
    turned = archive(tmp_path, counts=COUNTS.T, barcodes=cells, features=symbols)
    assert "the matrix has 4 rows and 3 columns" in error_of(turned)
    both = archive(tmp_path, features=[(name, "", "") for name in barcodes_of(3, seed=1)])
    assert "cannot tell which of GSE1_RAW.tar: member 'GSM1_barcodes.tsv.gz' ('TGGC" in (
        error_of(both)
    )


def test_a_matrix_of_cells_x_genes_is_turned(tmp_path):
    files = triplet(COUNTS, prefix="GSM1_")
    files["GSM1_matrix.mtx.gz"] = gzip.compress(matrix_text(COUNTS.T).encode())
    data, notes = read(write_tar(tmp_path / RAW, files))
    check(data)
    assert steps(notes) == [
        ("orientation", 0, "GSE1_RAW.tar: member 'GSM1_matrix.mtx.gz' is cells x genes and was "
         "turned", "")
    ]  # fmt: skip


def test_a_square_matrix_is_taken_as_10x_writes_it(tmp_path):
    data, notes = read(archive(tmp_path, counts=COUNTS[:, :3]))
    check(data, COUNTS[:, :3])
    assert "as many rows as columns" in notes[0]["reason"]


# Genes


def test_features_that_are_no_genes_are_set_apart(tmp_path):
    features = genes_of(3)
    features[1] = ("CD3_ADT", "CD3", "Antibody Capture")
    data, notes = read(archive(tmp_path, features=features))
    check(data, COUNTS[[0, 2]], [IDS[0], IDS[2]])
    assert steps(notes) == [("features that are no genes", 1, "Antibody Capture", "CD3_ADT")]
    features = [(name, label, "Multiplexing Capture") for name, label, _ in features]
    assert "no feature is a gene: Multiplexing Capture" in error_of(
        archive(tmp_path, features=features)
    )
    features = [(IDS[0], "A"), ("HTO_1", "HTO_1"), (IDS[2], "C")]
    data, notes = read(archive(tmp_path, features=features, version=2))
    check(data, COUNTS[[0, 2]], [IDS[0], IDS[2]])
    assert steps(notes) == [("features that are no genes", 1, "tags of antibodies", "HTO_1")]


def test_genes_are_joined_by_id_alone(tmp_path):
    features = [(IDS[0], "A", ""), (IDS[1], "B", ""), (IDS[0], "A", ""), (IDS[2], "B", "")]
    counts = np.array([[5, 0, 1], [0, 2, 0], [7, 0, 2**30], [1, 1, 1]])
    data, notes = read(archive(tmp_path, counts=counts, features=features, version=2))
    check(data, [[12, 0, 2**30 + 1], [0, 2, 0], [1, 1, 1]])
    assert list(data.var["label"]) == ["A", "B", "B"]
    reason = "counts of rows with the same identifier are summed"
    assert steps(notes) == [("rows of one gene", 1, reason, IDS[0])]
    counts[[0, 2]] = 2**30
    assert "a sum of 2.14748e+09" in error_of(
        archive(tmp_path, counts=counts, features=features, version=2)
    )
    data, notes = read(with_list(tmp_path, "features.tsv", "NA\tx\n\tB\n\t\n"))
    check(data, COUNTS[:2], ["NA", "B"])
    assert steps(notes)[0][:2] == ("rows without a gene", 1)


# Values


def matrix_of(folder, body, head=HEAD, sizes="3 4 2\n"):
    return with_list(folder, "matrix.mtx", head + sizes + body)


@pytest.mark.parametrize(
    "body",
    [
        "1 1 5\n2 2 7\n",
        "1 1 5\r\n2 2 7",
        "1\t1\t5\n\n  2 2 7  \n\n",
        "\n1 1 5.0\n2 2 0.7e1\n",
        "1 1 5.000000000006\n2 2 6.9999999\n",
    ],
)
def test_entries(tmp_path, body):
    expected = np.zeros((3, 4), int)
    expected[0, 0], expected[1, 1] = 5, 7
    check(read(matrix_of(tmp_path, body))[0], expected)


def test_entries_that_stand_twice_are_summed(tmp_path):
    expected = np.zeros((3, 4), int)
    expected[0, 0] = 12
    check(read(matrix_of(tmp_path, "1 1 5\n1 1 7\n"))[0], expected)


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("1 1 5\n2 2 7.5\n", "no raw counts: the values look logged: 50.0% of 2"),
        ("1 1 5\n2 2 -7\n", "no raw counts: the values look scaled: 0.0% of 2"),
        ("1 1 50\n2 2 7.5\n", "no raw counts: the values look normalised or corrected: 50.0%"),
        ("1 1 5\n2 2 nan\n", "no raw counts: 1 of 2 values are no numbers"),
        ("1 1 5\n2 2 3000000000\n", "no raw counts: a count of 3e+09, more than 2,147,483,647"),
        (
            "1 1 5\n2 2 99999999999999999999\n",
            "no raw counts: a count of 9.22337e+18, more than 2,147,483,647",
        ),
        ("1 1 5\n2 2 7x\n", "expected row, column and count in a line, found '2 2 7x'"),
        ("1 1 5\n2 2 -\n", "expected row, column and count in a line, found '2 2 -'"),
        ("1 1 5\n2 2\n", "expected row, column and count in a line, found '2 2'"),
        ("1 1 5 6\n2 2 7\n", "expected row, column and count in a line, found '1 1 5 6'"),
        ("1 1 5\n2 2 7 3 3 8\n", "expected row, column and count in a line, found '2 2 7 3 3 8'"),
        ("1 1 5\n", "2 entries are announced, but the file has 1"),
        ("1 1 5\n2 2 7\n3 3 1\n", "2 entries are announced, but the file has 3"),
        ("1 1 5\n0 2 7\n", "row 0 of an entry, but the matrix has 3 rows"),
        ("1 1 5\n4 2 7\n", "row 4 of an entry, but the matrix has 3 rows"),
        ("1 1 5\n3 5 7\n", "column 5 of an entry, but the matrix has 4 columns"),
        ("1 1 5\n1.5 2 7\n", "row 1.5 of an entry"),
    ],
)
def test_faulty_entries(tmp_path, body, wanted):
    assert f"member 'GSM1_matrix.mtx.gz': {wanted}" in error_of(matrix_of(tmp_path, body))


@pytest.mark.parametrize(
    ("head", "sizes", "wanted"),
    [
        (HEAD.replace("integer", "pattern"), "3 4 0\n", "a matrix of kind 'pattern general'"),
        (HEAD.replace("general", "symmetric"), "4 4 0\n", "a matrix of kind 'integer symmetric'"),
        (HEAD.replace("coordinate", "array"), "3 4\n", "expected a sparse matrix"),
        (HEAD, "3 4\n", "expected the numbers of rows, columns and entries, found '3 4'"),
        (HEAD, "-3 4 1\n", "expected the numbers of rows, columns and entries"),
        (HEAD, "% only\n", "ends before the line with the matrix's size"),
        (HEAD, f"3 {10**14} 0\n", "the matrix has 3 rows and 100,000,000,000,000 columns"),
    ],
)
def test_faulty_headers(tmp_path, head, sizes, wanted):
    assert wanted in error_of(matrix_of(tmp_path, "", head, sizes))


def test_a_matrix_is_read_in_blocks(tmp_path, monkeypatch):
    counts = np.random.default_rng(1).poisson(1, (40, 50))
    path = archive(tmp_path, counts=counts)
    for size in (17, 64, 1000):
        monkeypatch.setattr(tenx, "BLOCK", size)
        check(read(path)[0], counts, [row[0] for row in genes_of(40)])
    assert "no line ends" in error_of(matrix_of(tmp_path, "1" * 5000))


def test_a_matrix_without_entries(tmp_path):
    check(read(archive(tmp_path, counts=COUNTS * 0))[0], COUNTS * 0)


def test_cells_of_equal_sums_are_normalised(tmp_path):
    counts = np.random.default_rng(2).poisson(50, (40, 20))
    counts[0] += 10_000 - counts.sum(axis=0)
    path = archive(tmp_path, counts=counts)
    assert "no raw counts: every cell has the same sum (10,000), so they are normalised." in (
        error_of(path)
    )
    counts[0, 0] += 11
    check(read(archive(tmp_path, counts=counts))[0], counts, [row[0] for row in genes_of(40)])


# HDF5


@pytest.mark.parametrize("version", [2, 3])
def test_hdf5(tmp_path, version):
    path = write_h5(tmp_path / "GSM1_filtered.h5", COUNTS, version=version)
    data, notes = read(path)
    check(data)
    assert list(data.var["label"]) == ["GENE1", "GENE2", "GENE3"] and notes == []
    packed = {"GSM1_f.h5.gz": gzip.compress(path.read_bytes()), "GSM2_f.h5": b"x"}
    check(read(write_tar(tmp_path / RAW, packed))[0])


def test_several_genomes(tmp_path):
    path = write_h5(tmp_path / "GSM1.h5", COUNTS, version=2, genomes=("hg19", "mm10"))
    said = "GSM1.h5: counts on hg19, mm10: name one in source.genome"
    assert error_of(path) == said
    check(read(path, source=TENX | {"genome": "hg19"})[0])
    said = "GSM1.h5: counts on hg19, mm10: there is no 'x'; name one of them in source.genome"
    assert error_of(path, source=TENX | {"genome": "x"}) == said
    path = write_h5(tmp_path / "GSM1.h5", COUNTS, genomes=("GRCh38", "GRCm39"))
    assert error_of(path).startswith("GSM1.h5: counts on GRCh38, GRCm39: name one")
    data, notes = read(path, source=TENX | {"genome": "GRCm39"})
    check(data, COUNTS[2:], IDS[2:])
    assert steps(notes)[0][:2] == ("other genomes", 2)


def test_a_list_of_genes_of_two_species(tmp_path):
    human = [("GRCh38_" + name, "GRCh38_" + label, kind) for name, label, kind in genes_of(3)]
    mouse = [(f"mm10___ENSMUSG{n:011d}", f"mm10___Gene{n}", "Gene Expression") for n in (1, 2)]
    both = np.vstack([COUNTS, [[0, 9, 0, 0], [0, 0, 8, 0]]])
    path = archive(tmp_path, counts=both, features=human + mouse)
    said = "counts on GRCh38, mm10: name one in source.genome"
    assert error_of(path).endswith(said)
    data, notes = read(path, source=TENX | {"genome": "GRCh38"})
    check(data)
    assert steps(notes)[0][:2] == ("other genomes", 2)
    # One genome, and symbols before the identifiers, need no choice.
    check(read(archive(tmp_path, features=human))[0])
    named = [(f"{label}_{name}", label, kind) for name, label, kind in genes_of(3)]
    check(read(archive(tmp_path, features=named))[0])


def test_hdf5_of_other_programs(tmp_path):
    path = write_h5(tmp_path / "GSM1.h5", COUNTS)
    with h5py.File(path, "a") as h5:
        for name in ("id", "feature_type", "genome"):
            del h5[f"matrix/features/{name}"]
    check(read(path)[0], genes=["GENE1", "GENE2", "GENE3"])
    anndata.AnnData(csr_matrix(COUNTS.T)).write_h5ad(path)
    assert error_of(path).endswith("it is an h5ad file: set source.kind to h5ad")
    path.write_bytes(path.read_bytes()[:700])
    assert "GSM1.h5: damaged, cut off, or no file of this kind" in error_of(path)


@pytest.mark.parametrize(
    ("name", "values", "wanted"),
    [
        ("shape", [3, 5], "the matrix has 3 x 5 features x cells, but 3 features and 4 barcodes"),
        ("indices", [0, 2, 1, 0, 9], "the sparse matrix contradicts itself"),
        ("indptr", [0, 2, 1, 4, 5], "the sparse matrix contradicts itself"),
        ("indptr", [0, 5], "the sparse matrix contradicts itself"),
        ("data", [1.5, 2, 3, 4, 5], "no raw counts: the values look logged: 20.0% of 5"),
        ("features/name", [b"x"], "3 ids, 1 names and 3 types of features"),
    ],
)
def test_hdf5_that_contradicts_itself(tmp_path, name, values, wanted):
    path = write_h5(tmp_path / "GSM1.h5", COUNTS)
    with h5py.File(path, "a") as h5:
        del h5[f"matrix/{name}"]
        h5[f"matrix/{name}"] = values
    assert f"GSM1.h5: {wanted}" in error_of(path)


def test_hdf5_that_points_elsewhere(tmp_path):
    path = write_h5(tmp_path / "GSM1.h5", COUNTS)
    with h5py.File(path, "a") as h5:
        del h5["matrix/data"]
        outside = [("/etc/passwd", 0, 20)]
        h5.create_dataset("matrix/data", (5,), "i4", external=outside)
    assert error_of(path) == "GSM1.h5: /matrix/data lies in another file; not read"


def test_hdf5_that_claims_to_be_huge(tmp_path):
    path = write_h5(tmp_path / "GSM1.h5", COUNTS)
    with h5py.File(path, "a") as h5:
        del h5["matrix/data"]
        h5.create_dataset("matrix/data", (2**40,), "f8", chunks=(2**16,), compression="gzip")
    assert "/matrix/data: 0 bytes unpack to 8,796,093,022,208; not read" in error_of(path)


# h5ad

H5AD = {"kind": "h5ad"}
VAR = pd.DataFrame({"symbol": ["A", "B", "C"]}, index=IDS)
OBS = pd.DataFrame({"donor": pd.Categorical(["P1", "P2", "P1", "P2"])}, index=CELLS)
SPLIT = H5AD | {"cells": {"sample": {"from": "donor", "map": {"P1": "GSM1", "P2": "GSM2"}}}}


def write_h5ad(path, x=None, raw=None, layers=None, obs=OBS, var=VAR):
    data = anndata.AnnData(csr_matrix(COUNTS.T) if x is None else x, obs.copy(), var.copy())
    for name, layer in (layers or {}).items():
        data.layers[name] = layer
    if raw is not None:
        data.raw = raw
    data.write_h5ad(path)
    return path


@pytest.mark.parametrize("kind", [csr_matrix, csc_matrix, np.array])
@pytest.mark.parametrize("block", [2, 5, 2**24])
def test_h5ad(tmp_path, monkeypatch, kind, block):
    monkeypatch.setattr(h5ad, "BLOCK", block)
    path = write_h5ad(tmp_path / "GSM1.h5ad", kind(COUNTS.T.astype("float32")))
    data, notes = read(path, source=H5AD)
    check(data)
    assert list(data.var["label"]) == ["A", "B", "C"] and notes == []
    data, notes = read(path, sample("GSM2"), SPLIT | {"sample_files": ["GSM1.h5ad"]})
    check(data, COUNTS[:, [1, 3]], barcodes=[CELLS[1], CELLS[3]])
    assert notes == []
    data, _ = read(path.rename(tmp_path / "all.h5ad"), sample("GSM2"), SPLIT)
    check(data, COUNTS[:, [1, 3]], barcodes=[CELLS[1], CELLS[3]])


def test_h5ad_in_an_archive(tmp_path):
    raw = gzip.compress(write_h5ad(tmp_path / "a.h5ad").read_bytes())
    check(read(write_tar(tmp_path / RAW, {"GSM1_a.h5ad.gz": raw}), source=H5AD)[0])


LOGGED = np.log1p(COUNTS.T)


def test_counts_in_raw_or_in_a_layer(tmp_path):
    path = tmp_path / "GSM1.h5ad"
    raw = anndata.AnnData(csr_matrix(COUNTS.T), OBS, VAR)
    data, notes = read(write_h5ad(path, LOGGED, raw), source=H5AD)
    check(data)
    assert steps(notes) == [
        ("matrices of the file", 0, "raw holds the counts; X: the values look logged: 100.0% of 5 "
         "are not whole numbers, they run from 0.693147 to 5.70711", "")
    ]  # fmt: skip
    layers = {"b": csr_matrix(COUNTS.T), "a": LOGGED - 1}
    data, notes = read(write_h5ad(path, LOGGED, layers=layers), source=H5AD)
    check(data)
    assert notes[0]["reason"].startswith("b holds the counts; X: the values look logged")
    check(read(path, source=H5AD | {"layer": "b"})[0])
    assert error_of(path, source=H5AD | {"layer": "X"}).startswith(
        "GSM1.h5ad: no raw counts in it; X: the values look logged"
    )
    assert error_of(path, source=H5AD | {"layer": "c"}) == (
        "GSM1.h5ad: source.layer is 'c', but the file has X, a, b"
    )
    path = write_h5ad(path, LOGGED, layers={"a": LOGGED - 1})
    assert "; a: the values look scaled: 41.7% of 12" in error_of(path, source=H5AD)


def test_raw_counts_of_more_genes_come_first(tmp_path):
    raw = anndata.AnnData(csr_matrix(COUNTS.T), OBS, VAR)
    few = csr_matrix(COUNTS.T[:, :2])
    path = write_h5ad(tmp_path / "GSM1.h5ad", few, raw, var=VAR[:2])
    check(read(path, source=H5AD)[0])
    raw.X = csr_matrix(LOGGED)
    path = write_h5ad(tmp_path / "GSM1.h5ad", few, raw, var=VAR[:2])
    data, notes = read(path, source=H5AD)
    check(data, COUNTS[:2], IDS[:2])
    reason = "only raw.X has them, and that holds no counts; X does"
    assert steps(notes)[1] == ("genes without counts", 1, reason, IDS[2])


def test_ids_of_genes_in_a_column(tmp_path):
    var = pd.DataFrame({"n": [1, 2, 3], "gene_ids": IDS}, index=["A", "B", "C"])
    var["feature_types"] = pd.Categorical(["Gene Expression"] * 2 + ["Antibody Capture"])
    data, notes = read(write_h5ad(tmp_path / "GSM1.h5ad", var=var), source=H5AD)
    check(data, COUNTS[:2], IDS[:2])
    assert list(data.var["label"]) == ["A", "B"]
    assert steps(notes) == [("features that are no genes", 1, "Antibody Capture", IDS[2])]


FIELDS = SPLIT["cells"] | {"fields": {"subject": {"from": "s"}, "cell_type": {"from": "t"}}}


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (["001", "x", "NK", "y"], ["001", "NK"]),
        (pd.Categorical(["a", "x", "b", "y"]), ["a", "b"]),
        (pd.Categorical([7, 8, 9, 9]), ["7", "9"]),
        ([101, 1, 102, 1], ["101", "102"]),
        ([101.0, 1, 102.5, 1], ["101", "102.5"]),
        (pd.array([101, 1, 102, None], "Int64"), ["101", "102"]),
        (pd.array(["a", None, "b", "c"], "string"), ["a", "b"]),
        ([True, False, False, True], ["True", "False"]),
    ],
)
def test_columns_of_obs(tmp_path, values, wanted):
    obs = OBS.assign(s=values, t=["T", "B", "", "B"])
    with anndata.settings.override(allow_write_nullable_strings=True):
        path = write_h5ad(tmp_path / "all.h5ad", obs=obs)
    data, notes = read(path, source=H5AD | {"cells": FIELDS})
    check(data, COUNTS[:, [0, 2]], barcodes=[CELLS[0], CELLS[2]])
    assert list(data.obs["subject"]) == wanted and list(data.obs["cell_type"]) == ["T", ""]
    assert notes == []


def test_cells_without_a_subject_are_left_out(tmp_path):
    obs = OBS.assign(s=[np.nan, 1, 2, 3], t="")
    path = write_h5ad(tmp_path / "all.h5ad", obs=obs)
    data, notes = read(path, source=H5AD | {"cells": FIELDS})
    check(data, COUNTS[:, [2]], barcodes=[CELLS[2]])
    assert steps(notes) == [("cells", 1, "the table of cells says no subject", CELLS[0])]


def test_h5ad_of_other_versions(tmp_path):
    path = write_h5ad(tmp_path / "all.h5ad", obs=OBS.assign(s=["a"] * 4, t="T"))
    with h5py.File(path, "a") as h5:
        for name in ("t", "donor"):  # as anndata 0.7 wrote it
            words = h5[f"obs/{name}/categories"][()] if name == "donor" else [b"T"]
            h5.require_group("obs/__categories")[name] = words
            del h5[f"obs/{name}"]
            h5[f"obs/{name}"] = np.array([0, 1, 0, 1] if name == "donor" else [0] * 4, "int8")
            h5[f"obs/{name}"].attrs["categories"] = h5[f"obs/__categories/{name}"].ref
        h5.create_group("obs/new").attrs["encoding-type"] = "of-the-future"
    data, _ = read(path, source=H5AD | {"cells": FIELDS})
    assert list(data.obs["subject"]) == ["a", "a"] and list(data.obs["cell_type"]) == ["T", "T"]
    with h5py.File(path, "a") as h5:
        del h5["obs/s"]
        h5.move("obs/new", "obs/s")
    assert error_of(path, source=H5AD | {"cells": FIELDS}) == (
        "all.h5ad: /obs/s is of kind 'of-the-future', which is not known here; write the file "
        "again with a plain column"
    )


def test_h5ad_before_version_0_7(tmp_path):
    path, old = tmp_path / "all.h5ad", csr_matrix(COUNTS.T.astype("float32"))
    with h5py.File(path, "w") as h5:
        h5["obs"] = np.array(
            [(name, code, b"s") for name, code in zip(CELLS, [0, 1, 0, -1], strict=True)],
            [("index", "S18"), ("donor", "i1"), ("s", "S1")],
        )
        h5["uns/donor_categories"] = [b"P1", b"P2"]
        h5["var"] = np.array([(name,) for name in IDS], [("index", "S15")])
        for name, part in (("data", old.data), ("indices", old.indices), ("indptr", old.indptr)):
            h5[f"X/{name}"] = part
        h5["X"].attrs["h5sparse_format"] = b"csr"
    source = H5AD | {
        "cells": {"sample": {"from": "donor", "map": {"P1": "GSM1", "P2": None, "": None}}}
    }
    check(read(path, source=source)[0], COUNTS[:, [0, 2]], barcodes=[CELLS[0], CELLS[2]])


def test_faulty_h5ad(tmp_path):
    path = write_h5ad(tmp_path / "all.h5ad")
    source = H5AD | {"cells": {"sample": {"from": "patient"}}}
    assert error_of(path, source=source) == "all.h5ad: no column 'patient' in obs: donor"
    source = H5AD | {"cells": {"sample": {"from": "donor"}}}
    assert error_of(path, source=source) == (
        "all.h5ad: no cell of sample GSM1 by source.cells.sample; found 'P1', 'P2'"
    )
    check(read(path, sample(files="P2"), source)[0], COUNTS[:, [1, 3]], barcodes=CELLS[1::2])
    assert error_of(path, source=H5AD).startswith("all.h5ad: no file of GSM1; found all.h5ad.")
    turned = anndata.AnnData(csr_matrix(COUNTS), VAR, OBS)
    turned.write_h5ad(tmp_path / "GSM1.h5ad")
    assert "GSM1.h5ad: its rows are genes" in error_of(tmp_path / "GSM1.h5ad", source=H5AD)
    path = write_h5(tmp_path / "GSM1.h5", COUNTS)
    assert error_of(path, source=H5AD).endswith("it looks like 10x's: set source.kind to tenx")


# Tables of text

TABLE = {"kind": "cell_counts"}


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("mark", ["\t", ",", ";", " "])
@pytest.mark.parametrize("corner", ["gene", "", None])
def test_tables(tmp_path, turned, mark, corner):
    if mark == " " and corner == "":
        corner = '""'
    text = text_table(COUNTS, mark=mark, corner=corner, turned=turned)
    path = tmp_path / "GSM1_counts.txt.gz"
    path.write_bytes(gzip.compress(text.encode()))
    data, notes = read(path, source=TABLE)
    check(data)
    assert list(data.var["label"]) == ["", "", ""] and notes == []


def table(folder, text):
    path = folder / "GSM1_counts.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_dialects_of_tables(tmp_path):
    plain = text_table(COUNTS, mark=",")
    for text in (
        "# a comment\n\n" + plain,
        plain.replace("\n", "\r\n"),
        plain.replace("\n", "\r"),
        plain.encode("utf-8-sig"),
        plain.rstrip("\n"),
        plain.replace("300", "300.0").replace(",7,", ",7e0,"),
        "".join(f'"{line}"\n'.replace(",", '","') for line in plain.splitlines()),
    ):
        data, notes = read(table(tmp_path, text), source=TABLE)
        check(data)
        assert notes == []


def test_names_beside_the_counts(tmp_path):
    head, *rows = text_table(COUNTS).splitlines()
    names = [("1", "A", "protein, coding"), ("2", "B", "x"), ("3", "C", "y")]
    rows = ["\t".join([n, symbol, row.split("\t")[0], kind, row.split("\t", 1)[1]])
            for (n, symbol, kind), row in zip(names, rows, strict=True)]  # fmt: skip
    head = head.replace("gene", "\tsymbol\tgene\tkind")
    data, notes = read(table(tmp_path, "\n".join([head, *rows])), source=TABLE)
    check(data)
    assert list(data.var["label"]) == ["A", "B", "C"]
    reason = "text left of the counts"
    assert steps(notes) == [("columns that are no counts", 2, reason, "(no name), kind")]


def test_tables_of_symbols_and_other_names_of_cells(tmp_path):
    genes = ["ACTB", "GAPDH", "B2M"]
    for turned in (False, True):
        text = text_table(COUNTS, genes, ["a", "b", "c", "d"], turned=turned)
        data, _ = read(table(tmp_path, text), source=TABLE)
        check(data, genes=genes, barcodes=["a", "b", "c", "d"])
    text = text_table(COUNTS, ["X", "Y", "Z"], ["a", "b", "c", "d"])
    assert error_of(table(tmp_path, text), source=TABLE) == (
        "GSM1_counts.csv: cannot tell whether genes stand in rows ('X', 'Y', 'Z') or in columns "
        "('a', 'b', 'c' and 1 more): neither are barcodes or known genes"
    )


def test_the_sample_stands_in_the_barcode(tmp_path):
    cells = [f"P{n % 2 + 1}_{name}" for n, name in enumerate(CELLS)]
    field = {"from": "barcode", "pattern": "^(P[0-9]+)_"}
    source = TABLE | {"cells": {"sample": field, "fields": {"subject": field}}}
    for turned in (False, True):
        (tmp_path / "all.csv").write_text(text_table(COUNTS, barcodes=cells, turned=turned))
        data, notes = read(tmp_path / "all.csv", sample(files="P2"), source)
        check(data, COUNTS[:, [1, 3]], barcodes=[cells[1], cells[3]])
        assert list(data.obs["subject"]) == ["P2", "P2"] and notes == []
    source["cells"]["sample"] = {"from": "donor"}
    assert error_of(tmp_path / "all.csv", sample(files="P2"), source) == (
        "all.csv: source.cells: the file says nothing of its cells but their barcode; name a table "
        "with donor in source.cells.file"
    )


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("300", "", "row 'ENSG00000000002', column {last!r}: found '', expected a count"),
        ("300", "-", "row 'ENSG00000000002', column {last!r}: found '-', expected a count"),
        ("300", " ", "row 'ENSG00000000002', column {last!r}: found '', expected a count"),
        ("2\t0\t300", "2 0\t\t300", "found '2 0', expected a count"),
        ("300", "NA", "row 'ENSG00000000002', column {last!r}: found 'NA', expected a count"),
        ("300", "3 0", "row 'ENSG00000000002', column {last!r}: found '3 0', expected a count"),
        ("\t300", "", "row 'ENSG00000000002' has 3 counts, but the header has 4 names"),
        ("\t300", "\t300\t1", "row 'ENSG00000000002' has 5 counts, but the header has 4 names"),
        ("300", "0.5", "no raw counts: the values look logged: 20.0% of 5"),
        ("300", "3\x000", "3: binary data; expected a table of counts"),
        ("gene\t", "gene\tx\t", "1: 6 names in the header, but 5 columns below"),
        ("\t", "|", "expected a table of counts with tabs, commas, semicolons or blanks"),
    ],
)
def test_faulty_tables(tmp_path, old, new, wanted):
    path = table(tmp_path, text_table(COUNTS).replace(old, new))
    assert wanted.format(last=CELLS[3]) in error_of(path, source=TABLE)


# Tables of cells

DONORS = (
    "cell\tind\tstim\tcall\ttype\n"
    f"{CELLS[0]}\t101\tctrl\tsinglet\tB cells\n"
    f"{CELLS[3]}\t102\tctrl\tsinglet\tNA\n"
    f"{CELLS[1]}\tNA\tctrl\tsinglet\tNK\n"
    f"{CELLS[2]}\t101\tctrl\tdoublet\tNK\n"
    f"{CELLS[0]}\t103\tstim\tsinglet\tNK\n"
)


def pooled(folder, text=DONORS, **keys):
    path = folder / "GSE1_cells.tsv"
    path.write_text(text)
    cells = {
        "file": path.name,
        "sample": {"from": "stim", "map": {"ctrl": "GSM1", "stim": "GSM2"}},
        "fields": {"subject": {"from": "ind"}, "cell_type": {"from": "type"}},
        "keep": {"call": ["singlet"]},
    }
    return path, TENX | {"cells": cells | keys}


def test_subjects_from_a_table_of_cells(tmp_path):
    path, source = pooled(tmp_path)
    data, notes = read([archive(tmp_path), path], source=source)
    check(data, COUNTS[:, [0, 3]], barcodes=[CELLS[0], CELLS[3]])
    assert list(data.obs["subject"]) == ["101", "102"]
    assert list(data.obs["cell_type"]) == ["B cells", "NA"]
    assert steps(notes) == [
        ("cells", 1, "call is 'doublet', source.cells.keep has singlet", CELLS[2]),
        ("cells", 1, "the table of cells says no subject", CELLS[1]),
    ]


def test_cells_without_a_row_and_rows_without_a_cell(tmp_path):
    more = f"{barcodes_of(1, seed=5)[0]}\t101\tctrl\tsinglet\tNK\n"
    lines = DONORS.splitlines(keepends=True)
    path, source = pooled(tmp_path, "".join([*lines[:3], more]))
    data, notes = read([archive(tmp_path), path], source=source)
    check(data, COUNTS[:, [0, 3]], barcodes=[CELLS[0], CELLS[3]])
    assert [n[:3] for n in steps(notes)] == [
        ("cells of the table", 1, "the counts lack their barcode"),
        ("cells", 2, "they have no row in the table of cells"),
    ]


def test_barcodes_that_a_table_writes_otherwise(tmp_path):
    text = DONORS.replace(CELLS[0], f"ctrl_{CELLS[0][:-2]}.1").replace(CELLS[3], f"{CELLS[3]}1")
    path, source = pooled(tmp_path, text.replace("cell\tind", "ind"))  # R's header
    data, notes = read([archive(tmp_path), path], source=source)
    check(data, COUNTS[:, [0, 3]], barcodes=[CELLS[0], CELLS[3]])
    assert list(data.obs["subject"]) == ["101", "102"]
    assert notes[0]["reason"] == (
        "2 cells of the table were found by the sequence in their barcode "
        f"('ctrl_{CELLS[0][:-2]}.1' is {CELLS[0]!r})"
    )


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("ctrl", "stim", "no cell of sample GSM1 by source.cells.sample; found 'GSM2'"),
        ("stim\tsi", "x\tsi", "source.cells.sample.map does not cover 'x' (1 cells); add a line"),
        ("\tind", "\tdonor", "source.cells.subject.from: no column 'ind'; found 'cell', 'donor'"),
        ("\tcall", "\tc", "source.cells.keep: no column 'call'; found"),
        ("singlet", "droplet", "no cell of GSM1 is left; 1 cells: call is 'doublet', source"),
        ("\tNK\n", "\n", "4: 4 cells, the header has 5"),
        ("\tind", "\tcall", "1: the column 'call' stands twice"),
        ("A", "", "of the 4 cells of GSM1 in the table of cells only 1 are among the 4 barcodes"),
    ],
)
def test_faulty_tables_of_cells(tmp_path, old, new, wanted):
    path, source = pooled(tmp_path, DONORS.replace(old, new))
    sep = "" if wanted[0].isdigit() else " "
    assert f"GSE1_cells.tsv:{sep}{wanted}" in error_of([archive(tmp_path), path], source=source)


def test_samples_that_are_swapped_do_not_match(tmp_path):
    rows = [f"{name}\t1\tctrl\tsinglet\tB\n" for name in barcodes_of(9, seed=7)]
    path, source = pooled(tmp_path, DONORS.splitlines()[0] + "\n" + "".join(rows) + DONORS[-40:])
    assert "of the 9 cells of GSM1 in the table of cells only 0 are" in error_of(
        [archive(tmp_path), path], source=source
    )


def test_a_triplet_of_the_whole_series(tmp_path):
    paths = save(tmp_path, triplet(COUNTS, prefix="GSE1_"))
    path, source = pooled(tmp_path)
    data, notes = read([*paths, path], source=source)
    check(data, COUNTS[:, [0, 3]], barcodes=[CELLS[0], CELLS[3]])


# Any counts in any form


SOME_COUNTS = st.sampled_from([0, 0, 0, 1, 2, 65536, 2**31 - 1])


@pytest.mark.parametrize("form", ["v2", "v3", "h5 v2", "h5 v3", "h5ad", "rows", "columns"])
@settings(
    max_examples=20,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    counts=st.integers(1, 6).flatmap(
        lambda cells: st.lists(
            st.lists(SOME_COUNTS, min_size=cells, max_size=cells),
            min_size=1,
            max_size=6,
        )
    )
)  # fmt: skip
def test_any_counts_come_back(tmp_path, form, counts):
    counts, source = np.array(counts), TENX
    path = tmp_path / "GSM1_x"
    if form in ("v2", "v3"):
        path = write_tar(path, triplet(counts, prefix="GSM1_", version=int(form[1])))
    elif form.startswith("h5 "):
        write_h5(path, counts, version=int(form[-1]))
    elif form == "h5ad":
        names = pd.DataFrame(index=[row[0] for row in genes_of(len(counts))])
        cells = pd.DataFrame(index=barcodes_of(counts.shape[1]))
        source = H5AD
        path = write_h5ad(tmp_path / "GSM1.h5ad", csr_matrix(counts.T), obs=cells, var=names)
    else:
        source = TABLE
        path.write_text(text_table(counts, turned=form == "columns"))
    data, _ = read(path, source=source)
    check(data, counts, [row[0] for row in genes_of(len(counts))])

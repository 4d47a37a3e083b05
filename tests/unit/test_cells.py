"""Counts of single cells in the forms in which GEO holds them."""

import gzip

import numpy as np
import pytest

from neuroimmune.errors import UserError
from neuroimmune.geo.cells import read_sample
from tenx_files import barcodes_of, genes_of, triplet, write_h5, write_tar

COUNTS = np.array([[5, 0, 1, 0], [0, 2, 0, 300], [7, 0, 0, 0]])
TENX = {"kind": "tenx"}


def sample(name="GSM1", files=""):
    return {"sample": name, "files": files, "title": ""}


def check(data, counts=COUNTS, genes=None, barcodes=None):
    genes = [row[0] for row in genes_of(len(counts))] if genes is None else genes
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
    return str(error.value).replace(f"{folder}/", "")


@pytest.mark.parametrize("version", [2, 3])
def test_triplets_in_an_archive(tmp_path, version):
    other = triplet(COUNTS[:, :3] + 1, prefix="GSM10_P2_", version=version)
    files = other | triplet(COUNTS, prefix="GSM1_P1_", version=version)
    data, notes = read(write_tar(tmp_path / "GSE1_RAW.tar", files))
    check(data)
    assert list(data.var["label"]) == ["GENE1", "GENE2", "GENE3"]
    assert notes == []


@pytest.mark.parametrize("version", [2, 3])
def test_hdf5(tmp_path, version):
    data, notes = read(write_h5(tmp_path / "GSM1_filtered.h5", COUNTS, version=version))
    check(data)
    assert notes == []


def test_lists_that_do_not_fit(tmp_path):
    files = triplet(COUNTS, prefix="GSM1_", barcodes=barcodes_of(3))
    path = write_tar(tmp_path / "GSE1_RAW.tar", files)
    assert error_of(path) == (
        "GSE1_RAW.tar: member 'GSM1_matrix.mtx.gz': the matrix has 3 rows and 4 columns, but "
        "GSE1_RAW.tar: member 'GSM1_features.tsv.gz' lists 3 genes and GSE1_RAW.tar: member "
        "'GSM1_barcodes.tsv.gz' 3 barcodes; these files do not belong together: leave the sample "
        "out with include 'no' and a note in samples.tsv, or name the right files"
    )


def test_normalised_values_are_no_counts(tmp_path):
    files = triplet(np.log1p(COUNTS), prefix="GSM1_", kind="real")
    assert error_of(write_tar(tmp_path / "GSE1_RAW.tar", files)) == (
        "GSE1_RAW.tar: member 'GSM1_matrix.mtx.gz': no raw counts: the values look logged: 100.0% "
        "of 5 are not whole numbers, they run from 0.693147 to 5.70711. Only raw counts can be "
        "summed to pseudobulk; name a file that holds them"
    )
    files = triplet(COUNTS, prefix="GSM1_")
    files["GSM1_matrix.mtx.gz"] = gzip.compress(
        gzip.decompress(files["GSM1_matrix.mtx.gz"]).replace(b"1 1 5\n", b"1 1 5.000000000006\n")
    )
    check(read(write_tar(tmp_path / "GSE1_RAW.tar", files))[0])

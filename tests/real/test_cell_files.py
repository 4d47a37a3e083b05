"""Single cells of real series against a plain loop over their lines, and against one another.

GEO's tree lies in ../shared/data/real/geo beside the repository, or where GEO_TREE says; single
files lie beside the tree.
"""

import gzip
import os
import tarfile
from collections import Counter, defaultdict
from pathlib import Path

import h5py
import numpy as np
import pytest

from neuroimmune.errors import UserError
from neuroimmune.geo.cells import read_sample

ROOT = Path(__file__).parents[2]
TREE = Path(os.environ.get("GEO_TREE", ROOT.parent / "shared" / "data" / "real" / "geo"))
SUPPL = TREE / "series/GSE96nnn/GSE96583/suppl"
SINGLE = TREE.parent / "singlecell"
GENES, TABLE = "GSE96583_batch2.genes.tsv.gz", "GSE96583_batch2.total.tsne.df.tsv.gz"

pytestmark = pytest.mark.skipif(
    not SINGLE.is_dir(), reason=f"no real single cells beside GEO's tree at {TREE} (set GEO_TREE)"
)


def read(*paths, sample="GSM1", files="", kind="tenx", **keys):
    for path in paths:
        if not path.exists():
            pytest.skip(f"{path.name} is not in this copy of the data")
    row = {"sample": sample, "files": files, "title": ""}
    return read_sample([str(path) for path in paths], row, {"kind": kind} | keys)


def error_of(*paths, **keys):
    with pytest.raises(UserError) as error:
        read(*paths, **keys)
    return str(error.value).replace(f"{SINGLE}/", "")


def lines_of(raw):
    return gzip.decompress(raw).decode().splitlines()


CELLS = {
    "file": TABLE,
    "sample": {"from": "stim", "map": {"ctrl": "GSM2560248", "stim": "GSM2560249"}},
    "fields": {"subject": {"from": "ind"}, "cell_type": {"from": "cell"}},
    "keep": {"multiplets": ["singlet"]},
}


@pytest.mark.parametrize(
    ("sample", "matrix", "stim"), [("GSM2560248", "2.1", "ctrl"), ("GSM2560249", "2.2", "stim")]
)
def test_a_pooled_sample(sample, matrix, stim):
    """Sums by donor and gene, from the lines of the files."""
    data, notes = read(
        SUPPL / "GSE96583_RAW.tar", SUPPL / GENES, SUPPL / TABLE,
        sample=sample, features=GENES, cells=CELLS,
    )  # fmt: skip
    with tarfile.open(SUPPL / "GSE96583_RAW.tar") as tar:
        entries = lines_of(tar.extractfile(f"{sample}_{matrix}.mtx.gz").read())
        barcodes = lines_of(tar.extractfile(f"{sample}_barcodes.tsv.gz").read())
    genes = [line.split("\t")[0] for line in lines_of((SUPPL / GENES).read_bytes())]
    donors, left = {}, Counter()
    for line in lines_of((SUPPL / TABLE).read_bytes())[1:]:
        barcode, donor, group, _, call = line.split("\t")
        if group == stim:
            if call == "singlet" and donor != "NA":
                donors[barcode] = donor
            else:
                left[call] += 1
    sums = defaultdict(int)
    head = next(number for number, line in enumerate(entries) if not line.startswith("%"))
    for line in entries[head + 1 :]:
        gene, cell, value = line.split()
        donor = donors.get(barcodes[int(cell) - 1])
        if donor:
            sums[donor, genes[int(gene) - 1]] += int(value)
    assert list(data.obs_names) == [name for name in barcodes if name in donors]
    assert list(data.obs["subject"]) == [donors[name] for name in data.obs_names]
    assert data.obs["subject"].nunique() == 8
    assert sum(note["left_out"] for note in notes) == sum(left.values())
    for donor in set(donors.values()):
        found = np.asarray(data[data.obs["subject"] == donor].X.sum(axis=0)).ravel()
        expected = [sums[donor, gene] for gene in genes]
        np.testing.assert_array_equal(found, expected)


def test_the_same_cells_as_h5ad():
    data, notes = read(
        SINGLE / "GSE96583_batch2_subset.h5ad",
        sample="GSM2560249",
        kind="h5ad",
        cells={key: CELLS[key] for key in ("sample", "fields", "keep")},
    )
    other, _ = read(
        SUPPL / "GSE96583_RAW.tar", SUPPL / GENES, SUPPL / TABLE,
        sample="GSM2560249", features=GENES, cells=CELLS,
    )  # fmt: skip
    assert list(data.obs_names) == [f"stim_{name}" for name in other.obs_names]
    assert (data.X != other.X).nnz == 0 and list(data.var_names) == list(other.var_names)
    assert list(data.obs["subject"]) == list(other.obs["subject"])
    assert [note["left_out"] for note in notes] == [26, 3]


def test_swapped_samples_are_noticed():
    swapped = {"from": "stim", "map": {"stim": "GSM2560248", "ctrl": "GSM2560249"}}
    with pytest.raises(UserError, match="of the 1,000 cells of GSM2560249 .* only 2 are among"):
        read(
            SUPPL / "GSE96583_RAW.tar", SUPPL / GENES, SUPPL / TABLE,
            sample="GSM2560249", features=GENES, cells=CELLS | {"sample": swapped},
        )  # fmt: skip


def test_10x_version_3_as_triplet_and_hdf5(tmp_path):
    folder = SINGLE / "10x_v3_chr21"
    hdf5, notes = read(folder / "filtered_feature_bc_matrix.h5", files="filtered")
    assert hdf5.shape == (1107, 507) and hdf5.X.sum() == 41549 and notes == []
    parts = folder / "filtered_feature_bc_matrix"
    for name in ("barcodes.tsv.gz", "features.tsv.gz", "matrix.mtx.gz"):
        (tmp_path / f"GSM1_{name}").write_bytes((parts / name).read_bytes())
    triplet, notes = read(*tmp_path.iterdir())
    assert (triplet.X != hdf5.X).nnz == 0 and notes == []
    assert triplet.obs.equals(hdf5.obs) and triplet.var.equals(hdf5.var)
    assert triplet.var.loc["ENSG00000142192", "label"] == "APP"


def test_the_two_odd_hdf5_files():
    path = SINGLE / "10x_v1_multiple_genomes" / "multiple_genomes.h5"
    assert error_of(path, files="multiple") == (
        "10x_v1_multiple_genomes/multiple_genomes.h5: counts on another_genome, hg19_chr21: name "
        "one in source.genome"
    )
    data, _ = read(path, files="multiple", genome="hg19_chr21")
    assert data.shape == (12, 343) and data.var_names[0] == "DSCAM"
    path = SINGLE / "GSE96583_liger" / "stim.h5"
    data, _ = read(path, files="stim")
    with h5py.File(path) as h5:
        assert data.X.sum() == h5["matrix/data"][()].sum()
    assert data.shape == (300, 262) and data.var_names[0] == "ISG15"


def test_h5ad_files():
    data, notes = read(SINGLE / "GSE164378_subset.h5ad", files="GSE164378", kind="h5ad")
    assert data.shape == (700, 33538) and notes == []
    cells = {gene: (data[:, gene].X > 0).sum() for gene in ("CHRNA7", "CHAT", "ADRB2")}
    assert cells == {"CHRNA7": 1, "CHAT": 0, "ADRB2": 49}
    data, _ = read(SINGLE / "GSE96583_muscat_example.h5ad", files="GSE96583", kind="h5ad")
    assert data.shape == (1556, 1267)
    assert data.var.loc["ENSG00000187608", "label"] == "ISG15"
    path = SINGLE / "celltypist_sample_cell_by_gene.h5ad"
    data, notes = read(path, files="celltypist", kind="h5ad")
    with h5py.File(path) as h5:
        values = h5["X/data"][()]
    assert 0.4 < (values != np.rint(values)).mean() < 0.42
    assert data.X.sum() == np.rint(values).sum()


def test_values_that_are_no_counts():
    path = SINGLE / "10x_pbmc68k_reduced.h5ad"
    assert error_of(path, files="10x", kind="h5ad") == (
        "10x_pbmc68k_reduced.h5ad: no raw counts in it; X: the values look scaled: 100.0% of "
        "535,433 are not whole numbers, they run from -2.032 to 28.408; raw: the values look "
        "logged: 99.9% of 174,400 are not whole numbers, they run from 0.719 to 6.489"
    )

"""Write small 10x files as GEO keeps them: triplets in RAW.tar or singly, HDF5 of both layouts."""

import gzip
import io
import tarfile

import h5py
import numpy as np
from scipy.sparse import csc_matrix


def barcodes_of(count, seed=0, suffix="-1"):
    letters = np.random.default_rng(seed).choice(list("ACGT"), (count, 16))
    return ["".join(row) + suffix for row in letters]


def genes_of(count):
    """Rows (Ensembl id, symbol, type) of a list of features."""
    return [(f"ENSG{n:011d}", f"GENE{n}", "Gene Expression") for n in range(1, count + 1)]


def matrix_text(counts, kind="integer"):
    """MatrixMarket text of a dense array, genes x cells."""
    rows, columns = np.nonzero(np.asarray(counts).T)[::-1]
    lines = [f"{r + 1} {c + 1} {counts[r][c]:.17g}\n" for r, c in zip(rows, columns, strict=True)]
    head = f"%%MatrixMarket matrix coordinate {kind} general\n"
    head += '%metadata_json: {"format_version": 2}\n'
    return head + f"{len(counts)} {len(counts[0])} {len(lines)}\n" + "".join(lines)


def triplet(counts, features=None, barcodes=None, prefix="", version=3, kind="integer"):
    """Name -> bytes of the three files of a sample; counts: dense, genes x cells."""
    features = genes_of(len(counts)) if features is None else features
    barcodes = barcodes_of(len(counts[0])) if barcodes is None else barcodes
    if version == 2:
        features = [row[:2] for row in features]
    rows = ["\t".join(row) for row in features]
    files = {
        "barcodes.tsv": "".join(f"{name}\n" for name in barcodes),
        "genes.tsv" if version == 2 else "features.tsv": "".join(f"{row}\n" for row in rows),
        "matrix.mtx": matrix_text(counts, kind),
    }
    return {f"{prefix}{name}.gz": gzip.compress(text.encode()) for name, text in files.items()}


def write_tar(path, files):
    """A tar, as RAW.tar, of name -> bytes."""
    with tarfile.open(path, "w") as archive:
        for name, raw in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
    return path


def write_h5(path, counts, features=None, barcodes=None, version=3, genomes=("GRCh38",)):
    """Cell Ranger's HDF5; counts: dense, genes x cells. Version 2 has a group for each genome."""
    counts = np.asarray(counts)
    features = genes_of(len(counts)) if features is None else features
    barcodes = barcodes_of(counts.shape[1]) if barcodes is None else barcodes
    sparse = csc_matrix(counts)
    ids, names, types = (np.array(column, "S") for column in zip(*features, strict=True))
    with h5py.File(path, "w") as h5:
        for genome in genomes if version == 2 else genomes[:1]:
            group = h5.create_group(genome if version == 2 else "matrix")
            group["barcodes"] = np.array(barcodes, "S")
            group["data"], group["indices"] = sparse.data, sparse.indices.astype(np.int64)
            group["indptr"] = sparse.indptr.astype(np.int64)
            group["shape"] = np.array(counts.shape, np.int32)
            if version == 2:
                group["genes"], group["gene_names"] = ids, names
            else:
                lists = group.create_group("features")
                lists["id"], lists["name"], lists["feature_type"] = ids, names, types
                spread = [genomes[n * len(genomes) // len(ids)] for n in range(len(ids))]
                lists["genome"] = np.array(spread, "S")
    return path


def text_table(counts, names=None, barcodes=None, mark="\t", corner="gene", turned=False):
    """Text of a table of counts, genes x cells, or cells x genes if turned."""
    names = [row[0] for row in genes_of(len(counts))] if names is None else names
    barcodes = barcodes_of(len(counts[0])) if barcodes is None else barcodes
    rows, columns, counts = names, barcodes, np.asarray(counts)
    if turned:
        rows, columns, counts = barcodes, names, counts.T
    lines = [[*([] if corner is None else [corner]), *columns]]
    for row, line in zip(rows, counts, strict=True):
        lines.append([row, *(f"{x:.17g}" for x in line)])
    return "".join(mark.join(line) + "\n" for line in lines)

"""Damaged files of single cells: the reader returns whole counts or raises UserError.

FUZZ_INPUTS sets how many damaged files are tried (3,000 without it).
"""

import gzip
import os
import random
import time
import warnings

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from damage import damaged
from neuroimmune.errors import UserError
from neuroimmune.geo.cells import read_sample
from tenx_files import barcodes_of, genes_of, text_table, triplet, write_h5, write_tar

INPUTS = int(os.environ.get("FUZZ_INPUTS", 3000))
SECONDS = 10  # far above what a file of 10 kB takes
COUNTS = np.random.default_rng(3).poisson(0.7, (12, 9))
TEXT = [*b'\t,;" \n\r#0159.-eNACGT%', 0, 255]
CELLS = {"sample": {"from": "stim"}, "fields": {"subject": {"from": "ind"}}}
ROWS = "".join(f"{name}\tP{n % 3}\tGSM1\n" for n, name in enumerate(barcodes_of(9)))


def h5ad(path):
    obs = pd.DataFrame({"stim": pd.Categorical(["GSM1", "x", "y"] * 3)}, barcodes_of(9))
    obs["ind"] = ["P1", "P2", "P3"] * 3
    var = pd.DataFrame({"symbol": [row[1] for row in genes_of(12)]}, [r[0] for r in genes_of(12)])
    anndata.AnnData(csr_matrix(COUNTS.T), obs, var).write_h5ad(path)
    return path.read_bytes()


# Kind -> (name of the file to damage, its bytes, the other files, source).
def files_of(kind, folder):
    parts = triplet(COUNTS, prefix="GSM1_")
    plain = {name.removesuffix(".gz"): gzip.decompress(raw) for name, raw in parts.items()}
    if kind in ("matrix.mtx", "features.tsv", "barcodes.tsv"):
        name = f"GSM1_{kind}"
        return name, plain.pop(name), plain, {"kind": "tenx"}
    if kind == "tar":
        write_tar(folder / "x", parts)
        return "GSE1_RAW.tar", (folder / "x").read_bytes(), {}, {"kind": "tenx"}
    if kind in ("v2", "v3"):
        raw = write_h5(folder / "x", COUNTS, version=int(kind[1])).read_bytes()
        return "GSM1.h5", raw, {}, {"kind": "tenx"}
    if kind == "h5ad":
        return "a.h5ad", h5ad(folder / "x"), {}, {"kind": "h5ad", "cells": CELLS}
    if kind == "cells":
        raw = b"barcode\tind\tstim\n" + ROWS.encode()
        return "c.tsv", raw, plain, {"kind": "tenx", "cells": CELLS | {"file": "c.tsv"}}
    turned = kind == "cells x genes"
    mark = "," if turned else "\t"
    return "GSM1.txt", text_table(COUNTS, mark=mark, turned=turned).encode(), {}, {
        "kind": "cell_counts"
    }  # fmt: skip


KINDS = ["matrix.mtx", "features.tsv", "barcodes.tsv", "tar", "v2", "v3", "h5ad", "cells",
         "genes x cells", "cells x genes"]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files(tmp_path, kind):
    chance = random.Random(f"cells {kind}")
    name, original, others, source = files_of(kind, tmp_path)
    for other, raw in others.items():
        (tmp_path / other).write_bytes(raw)
    path = tmp_path / name
    paths = [path, *(tmp_path / other for other in others)]
    row = {"sample": "GSM1", "files": "", "title": ""}
    path.write_bytes(original)
    whole, notes = read_sample(paths, row, source)
    assert notes == [] and whole.X.sum() in (COUNTS.sum(), COUNTS[:, ::3].sum())
    for number in range(INPUTS // len(KINDS)):
        raw = damaged(original, chance, TEXT)
        path.write_bytes(raw)
        start = time.monotonic()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                data, notes = read_sample(paths, row, source)
        except UserError as error:
            text = str(error)
            assert text.startswith(str(tmp_path)) and "\n" not in text, (number, text, raw)
        else:
            assert data.X.dtype == np.int32 and data.X.format == "csr", (number, raw)
            assert (data.X.data > 0).all() and data.n_vars and data.n_obs, (number, raw)
            assert data.X.has_canonical_format and data.X.shape == data.shape, (number, raw)
            assert data.obs_names.is_unique and data.var_names.is_unique, (number, raw)
            labels = [*data.obs_names, *data.var_names, *data.var["label"]]
            assert all(isinstance(label, str) for label in labels), (number, raw)
            assert all(note["left_out"] >= 0 and note["reason"] for note in notes)
            if kind == "tar":  # its members have checksums
                assert (data.X != whole.X).nnz == 0 and notes == [], (number, raw)
            elif kind in ("features.tsv", "barcodes.tsv"):
                assert notes or data.X.sum() == COUNTS.sum(), (number, raw)
        assert time.monotonic() - start < SECONDS, (number, raw)

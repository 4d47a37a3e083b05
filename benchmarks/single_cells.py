"""Time and memory of the single-cell stages on simulated cells, each in a process of its own.

    python benchmarks/single_cells.py 100000 [--genes 20000] [--filled 0.07] [--folder DIR]

Run by hand. The cells are those of samples of 10,000, of four cell types; the samples share their
counts, which makes them quick to make and changes nothing in size. Shown are the seconds and the
peak memory of each stage. Then the scores of 30 sets by the workflow and by other libraries, all
cells in memory: seconds, also as a multiple of one read (sum) of the counts, and the memory that is
taken beside the input. The others (pip install pyucell decoupler; scanpy and gseapy are there) get
fewer cells where all would not end. --table puts the results into docs/performance.md.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from tables import put

ROOT = Path(__file__).resolve().parents[1]
A_SAMPLE = 10_000
N_SETS = 30
# As the rules run their jobs.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
ONE_THREAD = os.environ | dict.fromkeys(THREADS, "1")

STAGE = """
import sys, time
sys.path[:0] = [sys.argv[1] + "/scripts", sys.argv[1] + "/benchmarks"]
import single_cells
import numba, scanpy, sklearn.neighbors
start = time.perf_counter()
single_cells.STAGES[sys.argv[2]](sys.argv[3])
seconds = time.perf_counter() - start
print("RESULT", f"{seconds:.0f} s", f"{single_cells.memory('VmHWM'):.2f} GB", sep="\\t")
"""
SCORER = """
import sys
sys.path[:0] = [sys.argv[1] + "/scripts", sys.argv[1] + "/benchmarks"]
import single_cells
print("RESULT", *single_cells.compare(sys.argv[3], sys.argv[2]), sep="\\t")
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cells", type=int)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--filled", type=float, default=0.07)
    parser.add_argument("--folder", type=Path, help="keep the files here")
    parser.add_argument("--stages", nargs="*", default=list(STAGES), choices=list(STAGES))
    parser.add_argument("--scorers", nargs="*", default=list(SCORERS), choices=list(SCORERS))
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp())
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        if not (folder / "made").exists():
            make_samples(folder, options.cells, options.genes, options.filled)
        tables = [
            ("cells", ["stage", "time", "peak memory"], STAGE, options.stages),
            (
                "cell-scores",
                ["scores of 30 sets", "cells", "time", "a 10,000 cells", "reads", "memory"],
                SCORER,
                options.scorers,
            ),
        ]
        for name, header, code, chosen in tables:
            rows = [[part, *measured(code, part, folder)] for part in chosen]
            if options.table and rows:
                note = f"{options.cells:,} cells x {options.genes:,} genes, one thread."
                put("performance.md", name, header, rows, note)
    finally:
        if options.folder is None:
            shutil.rmtree(folder)


def measured(code, part, folder):
    command = [sys.executable, "-c", code, str(ROOT), part, str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, env=ONE_THREAD)
    found = re.findall(r"^RESULT\t(.*)$", run.stdout, re.M)
    words = found[0].split("\t") if found else [run.stderr.strip().splitlines()[-1]]
    print(part, *words, flush=True)
    return words


def panel(folder):
    """(members, mapping): 30 sets of 20 genes."""
    import pandas as pd

    genes = np.random.default_rng(1).choice(2000, (N_SETS, 20))
    rows = [
        (f"set{n:02d}", f"H{gene}", f"G{gene}", 1) for n in range(N_SETS) for gene in set(genes[n])
    ]
    members = pd.DataFrame(rows, columns=["set_id", "hgnc_id", "gene_symbol", "direction"])
    own = members.drop_duplicates("hgnc_id")
    mapping = pd.DataFrame(
        {"hgnc_id": own["hgnc_id"], "symbol": own["gene_symbol"], "data_id": own["gene_symbol"]}
    )
    return members, mapping


def make_samples(folder, n_cells, n_genes, filled):
    import anndata
    import h5py
    import pandas as pd
    from scipy import sparse

    from neuroimmune.expression import cells

    rng = np.random.default_rng(0)
    level = rng.lognormal(0, 1.6, n_genes)
    kinds = np.repeat(np.arange(4), A_SAMPLE // 4)
    blocks = []
    for kind in range(4):
        rate = level.copy()
        rate[2000 + 50 * kind : 2050 + 50 * kind] = 20
        scale = 1.0
        for _ in range(30):  # so that the wanted share of the counts is not zero
            scale *= filled / (1 - np.exp(-rate * scale)).mean()
        for _ in range(A_SAMPLE // 400):
            blocks.append(sparse.csr_matrix(rng.poisson(rate * scale, (100, n_genes)), dtype="i4"))
    counts = sparse.vstack(blocks, format="csr")
    names = [f"G{n}" for n in range(n_genes)]
    data = anndata.AnnData(
        counts,
        obs=pd.DataFrame(index=[f"C{n}" for n in range(A_SAMPLE)]),
        var=pd.DataFrame({"label": ""}, index=names),
    )
    data.obs["n_counts"] = np.asarray(counts.sum(axis=1)).ravel()
    data.var["mean"], data.var["dispersion"] = cells.variable_genes(counts)
    data.uns["only_detected"] = False
    folder.mkdir(parents=True, exist_ok=True)
    first = folder / "S000.h5ad"
    cells.write_cells(first, data)
    for sample in range(n_cells // A_SAMPLE):
        path = folder / f"S{sample:03d}.h5ad"
        if sample:
            shutil.copyfile(first, path)
    for sample in range(n_cells // A_SAMPLE):
        with h5py.File(folder / f"S{sample:03d}.h5ad", "a") as file:
            del file["obs"]
            obs = data.obs.set_axis([f"S{sample:03d}:C{n}" for n in range(A_SAMPLE)])
            anndata.io.write_elem(file, "obs", obs)
            # Libraries of one size would be taken for normalised values.
            file["X/data"][: 1000 * sample] += 100
    np.save(folder / "kinds.npy", kinds)
    (folder / "made").touch()


def files_of(folder):
    return {path.stem: path for path in sorted(Path(folder).glob("S*.h5ad"))}


def labels(folder, files):
    import pandas as pd

    from neuroimmune.expression import cells

    kinds = np.load(Path(folder) / "kinds.npy")
    parts = []
    for sample, path in files.items():
        obs = cells.read_tables(path)[0]
        parts.append(pd.DataFrame({"sample": sample, "cell_type": kinds.astype(str)}, obs.index))
    return pd.concat(parts)


def samples_of(files):
    import pandas as pd

    from neuroimmune.studies import SAMPLE_FIELDS

    table = pd.DataFrame("", index=range(len(files)), columns=[*SAMPLE_FIELDS, "title"])
    table["sample"] = table["subject"] = list(files)
    table["group"] = np.where(np.arange(len(files)) % 2, "case", "reference")
    table["include"] = "yes"
    return table


def doublets(folder):
    """filter_cells of one sample, with Scrublet."""
    import anndata

    from neuroimmune.expression import cells

    data = anndata.read_h5ad(next(iter(files_of(folder).values())))
    settings = {"min_counts": 1, "min_genes": 1, "mads": 5, "mito_floor": 1, "globin_floor": 1}
    cells.filter_cells(data, [], "S", [], [], settings | {"doublet_rate": 0.008, "seed": 1})
    return f"{data.n_obs:,} cells"


def merge(folder):
    """merge_cells, with marker types."""
    from neuroimmune.expression import cell_types

    members, mapping = panel(folder)
    types = {
        f"type{kind}": [f"G{n}" for n in range(2000 + 50 * kind, 2010 + 50 * kind)]
        for kind in range(4)
    }
    settings = {
        "seed": 1, "variable_genes": 2000, "components": 30, "neighbours": 15, "resolution": 1.0,
        "types": types, "min_type_score": 0.1, "min_type_margin": 0.1, "shown_cells": 20000,
    }  # fmt: skip
    found, _ = cell_types.merge_cells(
        files_of(folder), {"members": members, "mapping_of": lambda genes: mapping}, settings
    )
    kinds = np.tile(np.load(Path(folder) / "kinds.npy"), len(files_of(folder)))
    right = found.obs["cell_type"].to_numpy() == np.char.add("type", kinds.astype(str))
    return f"{100 * right.mean():.1f} % of the types are right"


def pseudobulk(folder):
    """sum_pseudobulk."""
    from neuroimmune.expression import pseudobulk

    files = files_of(folder)
    data, _, _, _ = pseudobulk.from_cells(
        labels(folder, files),
        files,
        [],
        samples_of(files),
        {"c": {"case": "case", "reference": "reference"}},
        {"min_cells": 20, "min_subjects": 3},
        lambda ids: [],
    )
    return f"{data.n_obs} profiles"


def scores(folder):
    """score_cells."""
    from neuroimmune.expression import cell_scores, cell_types, cells
    from neuroimmune.expression.pseudobulk import label_cells

    files = files_of(folder)
    tables = {sample: cells.read_tables(path) for sample, path in files.items()}
    genes, _ = cell_types.join_genes(tables)
    members, mapping = panel(folder)
    plan = cell_scores.score_plan(genes, members, mapping, 50)
    table = label_cells(labels(folder, files), samples_of(files))
    found, detecting, groups = cell_scores.score_study(files, tables, genes, table, plan)
    cell_scores.receptor_map(detecting, groups, genes, members, mapping, plan, 20)
    return f"{found.n_obs:,} cells x {found.n_vars} sets"


# Scorers: functions of cells (AnnData of counts; log1p counts per 10,000 for the others), members
# and mapping of the sets.


def ours(cells, members, mapping):
    from neuroimmune.expression import cell_scores

    plan = cell_scores.score_plan(cells.var[["label", "mean"]], members, mapping, 50)
    cell_scores.score_block(cells.X, cells.obs["n_counts"].to_numpy(), plan)


def score_genes(cells, members, mapping):
    import scanpy

    for name, rows in members.groupby("set_id"):
        scanpy.tl.score_genes(cells, list(rows["gene_symbol"]), score_name=name)


def ucell(cells, members, mapping):
    import pyucell

    sets = {name: list(rows) for name, rows in members.groupby("set_id")["gene_symbol"]}
    pyucell.compute_ucell_scores(cells, sets, n_jobs=1)


def aucell(cells, members, mapping):
    import decoupler

    net = members.rename(columns={"set_id": "source", "gene_symbol": "target"})
    decoupler.mt.aucell(cells, net[["source", "target"]], tmin=1)


def ssgsea(cells, members, mapping):
    import gseapy

    sets = {name: list(rows) for name, rows in members.groupby("set_id")["gene_symbol"]}
    table = cells.to_df().T
    gseapy.ssgsea(table, sets, outdir=None, min_size=1, threads=1, no_plot=True)


def compare(folder, name):
    """One scorer, all cells in memory: what is shown of it."""
    import time

    import anndata
    import scanpy

    run, most = SCORERS[name]
    parts = []
    for path in files_of(folder).values():
        parts.append(anndata.read_h5ad(path))
        if most and sum(part.n_obs for part in parts) >= most:
            break
    cells = anndata.concat(parts)
    cells.var = parts[0].var
    del parts
    cells = cells[:most].copy() if most else cells
    members, mapping = panel(folder)
    start = time.perf_counter()
    cells.X.data.sum()
    read = time.perf_counter() - start
    if name != "ours":
        cells.X = cells.X.astype("float32")
        scanpy.pp.normalize_total(cells, target_sum=1e4)
        scanpy.pp.log1p(cells)
    run(cells[:100].copy(), members, mapping)  # compiles
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = memory("VmRSS")
    start = time.perf_counter()
    run(cells, members, mapping)
    seconds = time.perf_counter() - start
    return (
        f"{cells.n_obs:,}",
        f"{seconds:.1f} s",
        f"{1e4 * seconds / cells.n_obs:.2f} s",
        f"{seconds / read:,.0f}",
        f"{memory('VmHWM') - before:.2f} GB",
    )


def memory(kind):
    """GB that this process uses (VmRSS), or has used at most (VmHWM)."""
    return int(re.search(rf"{kind}:\s+([0-9]+)", Path("/proc/self/status").read_text())[1]) / 2**20


# Name -> (function, most cells it is given).
SCORERS = {
    "ours": (ours, None),
    "scanpy score_genes": (score_genes, None),
    "pyucell": (ucell, None),
    "decoupler aucell": (aucell, None),
    "gseapy ssgsea": (ssgsea, 1_000),
}
STAGES = {
    "doublets": doublets,
    "merge": merge,
    "pseudobulk": pseudobulk,
    "scores": scores,
}

if __name__ == "__main__":
    main()

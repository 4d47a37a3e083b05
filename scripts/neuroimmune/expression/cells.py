"""Single cells of one sample: quality control, and the file of raw counts that the study reads."""

from pathlib import Path

from ..errors import UserError

STEPS = ("sample", "step", "unit", "left_out", "left", "reason", "examples")
# Fewer cells say nothing about doublets or variable genes.
MIN_DOUBLET_CELLS = 200
MIN_VARIABLE_CELLS = 20
# Scrublet's histogram split is not believed where it calls more than this times what is expected.
MOST_DOUBLETS = 3
# Scrublet centres a dense matrix of three times the cells; above this many it is left sparse.
MAX_CENTRED_CELLS = 30_000
ROWS = 20_000
MAD_TO_SD = 1.4826


def memory_of_sample(megabytes, sharing, archive):
    """Memory (MB) that the quality control of one sample needs, by the size of its files.

    sharing: number of samples in these files; archive: whether only the sample's own members are
    read. Measured: 3.1 GB for 10,000 cells x 20,000 genes in 31 MB, most of it for Scrublet.
    """
    return int(2500 + 60 * megabytes / sharing + (0 if archive else 10 * megabytes))


def measure(counts, mitochondrial, globins):
    """Counts, genes and shares of every cell: a DataFrame in the order of the rows.

    counts: CSR, cells x genes; mitochondrial, globins: boolean masks of the genes. Columns:
    n_counts, n_genes, mito_fraction and globin_fraction (0 to 1; 0 for a cell without counts).
    """
    import numpy as np
    import pandas as pd

    total = np.asarray(counts.sum(axis=1)).ravel()
    shares = {}
    for name, mask in (("mito_fraction", mitochondrial), ("globin_fraction", globins)):
        part = np.asarray(counts @ mask.astype(np.int64)).ravel()
        shares[name] = part / np.maximum(total, 1)
    return pd.DataFrame({"n_counts": total, "n_genes": np.diff(counts.indptr), **shares})


def limits(values, mads):
    """(low, high): the median minus and plus `mads` median absolute deviations (as SD)."""
    import numpy as np

    middle = np.median(values)
    spread = mads * MAD_TO_SD * np.median(np.abs(values - middle))
    return middle - spread, middle + spread


def filter_cells(cells, notes, sample, mitochondrial, globins, settings):
    """(the cells kept, steps): quality control of one sample.

    cells: AnnData of raw counts (CSR), cells x genes; notes: what the reader left out; sample: its
    name, which goes before every barcode; mitochondrial, globins: identifiers of these genes;
    settings: the config's `cells` block. Cut-offs of a step are taken from the cells that the
    steps before have left. Adds to obs what `measure` finds and 'doublet_score' (NaN where not
    computed), to var 'mean' and 'dispersion' (see `variable_genes`), to uns 'only_detected':
    whether the file lists only genes with a count, so that an absent gene means zero.
    steps: list of dicts with `STEPS`, in order; 'left' is what is there after the step.
    Raises UserError where no cell is left.
    """
    import numpy as np

    n_genes = cells.n_vars
    steps = [
        {**note, "sample": sample, "left": None, "examples": note.get("examples", "")}
        for note in notes
    ]
    masks = [cells.var_names.isin(list(names)) for names in (mitochondrial, globins)]
    table = measure(cells.X, *masks)
    totals = np.asarray(cells.X.sum(axis=0)).ravel()
    kept = np.ones(len(table), dtype=bool)
    deepest = table["n_counts"].max() if len(table) else 0

    def drop(out, step, reason, examples=""):
        nonlocal kept
        out = kept & out
        kept = kept & ~out
        steps.append(_step(sample, step, int(out.sum()), int(kept.sum()), reason, examples))

    steps.append(_step(sample, "read", 0, len(table), f"barcodes of the file, {n_genes} genes"))
    empty = (table["n_counts"] < settings["min_counts"]) | (
        table["n_genes"] < settings["min_genes"]
    )
    drop(
        empty.to_numpy(),
        "empty",
        f"fewer than {settings['min_counts']} counts or {settings['min_genes']} genes",
    )
    if not kept.any():
        raise UserError(
            f"{sample}: none of its {len(table)} cells has {settings['min_counts']} counts and "
            f"{settings['min_genes']} genes (the deepest has {deepest} counts); lower "
            "cells.min_counts and cells.min_genes in the config, or leave the sample out under "
            "exclude: in study.yaml"
        )
    steps.append(_ambient(sample, cells, totals, ~kept))
    for column, word in (("n_counts", "counts"), ("n_genes", "genes")):
        values = np.log1p(table[column].to_numpy())
        low, high = limits(values[kept], settings["mads"])
        drop(
            (values < low) | (values > high),
            f"number of {word}",
            f"beyond {settings['mads']:g} median absolute deviations: below {np.expm1(low):,.0f} "
            f"or above {np.expm1(high):,.0f} {word}",
        )
    for column, floor, word in (
        ("mito_fraction", settings["mito_floor"], "mitochondrial"),
        ("globin_fraction", settings["globin_floor"], "globin"),
    ):
        values = table[column].to_numpy()
        high = max(limits(values[kept], settings["mads"])[1], floor)
        drop(values > high, f"{word} share", f"more than {100 * high:.1f} % {word} counts")
    scores, called, reason = call_doublets(cells.X[kept], settings)
    out = np.zeros(len(table), dtype=bool)
    out[np.flatnonzero(kept)[called]] = True
    table["doublet_score"] = np.nan
    table.loc[kept, "doublet_score"] = scores
    drop(out, "doublets", reason)
    if not kept.any():
        raise UserError(f"{sample}: no cell is left after quality control; see its steps")

    result = cells[kept].copy()
    for column in table:
        result.obs[column] = table.loc[kept, column].to_numpy()
    result.obs_names = [f"{sample}:{barcode}" for barcode in result.obs_names]
    result.var["mean"], result.var["dispersion"] = variable_genes(result.X)
    result.uns["only_detected"] = bool((totals > 0).all())
    for table in (result.obs, result.var):
        table.index = table.index.astype(str)
        table.index.name = None
    return result, steps


def _step(sample, step, left_out, left, reason, examples=""):
    return {
        "sample": sample,
        "step": step,
        "unit": "cell",
        "left_out": left_out,
        "left": left,
        "reason": reason,
        "examples": examples,
    }


def _ambient(sample, cells, totals, empty):
    """What the barcodes without a cell hold: the RNA that floats among the cells."""
    import numpy as np

    step = {**_step(sample, "ambient RNA", 0, int((~empty).sum()), "")}
    ambient = np.asarray(cells.X[empty].sum(axis=0)).ravel()
    if not ambient.sum():
        step["reason"] = "the file holds called cells only: ambient RNA cannot be measured"
        return step
    names = cells.var["label"].where(cells.var["label"] != "", cells.var_names)
    top = np.argsort(-ambient, kind="stable")[:5]
    step["reason"] = (
        f"barcodes without a cell hold {100 * ambient.sum() / totals.sum():.1f} % of all counts; "
        "nothing is subtracted"
    )
    step["examples"] = ", ".join(
        f"{names.iloc[gene]} {100 * ambient[gene] / ambient.sum():.1f} %" for gene in top
    )
    return step


def call_doublets(counts, settings):
    """(scores, boolean calls, reason in words) of the cells of one sample, by Scrublet.

    counts: CSR, cells x genes; settings: `doublet_rate` (share expected per 1,000 cells) and
    `seed`. Scores are NaN, and nothing is called, with fewer than `MIN_DOUBLET_CELLS` cells.
    Nothing is called where Scrublet finds no threshold between its two kinds of cells, or one
    that calls more than `MOST_DOUBLETS` times the expected share.
    """
    import numpy as np

    n_cells = counts.shape[0]
    nothing = np.zeros(n_cells, dtype=bool)
    if n_cells < MIN_DOUBLET_CELLS:
        reason = f"not looked for: fewer than {MIN_DOUBLET_CELLS} cells"
        return np.full(n_cells, np.nan), nothing, reason
    import anndata
    import scanpy

    expected = min(settings["doublet_rate"] * n_cells / 1000, 0.4)
    data = anndata.AnnData(counts.astype("float32"))
    scanpy.pp.scrublet(
        data,
        expected_doublet_rate=expected,
        mean_center=n_cells <= MAX_CENTRED_CELLS,
        # The approximate search fails with scanpy up to 1.12 and pynndescent 0.7, and is no faster.
        use_approx_neighbors=False,
        random_state=settings["seed"],
        verbose=False,
    )
    scores = data.obs["doublet_score"].to_numpy(dtype=float)
    threshold = data.uns["scrublet"].get("threshold")
    if threshold is None:
        return scores, nothing, "none called: Scrublet found no clear threshold"
    called = data.obs["predicted_doublet"].to_numpy(dtype=bool)
    if called.mean() > MOST_DOUBLETS * expected:
        reason = (
            f"none called: Scrublet's threshold would call {100 * called.mean():.0f} %, where "
            f"{100 * expected:.1f} % are expected"
        )
        return scores, nothing, reason
    return scores, called, f"Scrublet score above {threshold:.2f}"


def variable_genes(counts):
    """(mean, dispersion) of every gene over the cells of one sample.

    mean: of log1p counts per 10,000. dispersion: normalised within bins of the mean (scanpy,
    flavor seurat); NaN where it is not defined, and for all genes with fewer than
    `MIN_VARIABLE_CELLS` cells.
    """
    import anndata
    import numpy as np
    import scanpy

    data = anndata.AnnData(counts.astype("float32"))
    scanpy.pp.normalize_total(data, target_sum=1e4)
    scanpy.pp.log1p(data)
    mean = np.asarray(data.X.mean(axis=0), dtype=float).ravel()
    if counts.shape[0] < MIN_VARIABLE_CELLS:
        return mean, np.full(counts.shape[1], np.nan)
    found = scanpy.pp.highly_variable_genes(data, inplace=False)
    return mean, found["dispersions_norm"].to_numpy(dtype=float)


def write_cells(path, cells):
    """Write the cells of a sample (h5ad, light compression: every later stage reads it whole)."""
    from ..files import atomic

    with atomic(path) as part:
        cells.write_h5ad(part, compression="gzip", compression_opts=1)


def sample_of(path):
    """The sample whose cells `write_cells` put into a file."""
    return Path(path).name.removesuffix(".h5ad")


def read_tables(path, *more):
    """(obs, var, uns) of an h5ad file, without its matrix, and the parts named by `more`."""
    import anndata
    import h5py

    with h5py.File(path) as file:
        return tuple(anndata.io.read_elem(file[name]) for name in ("obs", "var", "uns", *more))


def blocks(path, rows=ROWS):
    """(first row, CSR block) of the counts of an h5ad file, `rows` cells at a time, in order."""
    import anndata
    import h5py

    with h5py.File(path) as file:
        matrix = anndata.io.sparse_dataset(file["X"])
        for start in range(0, matrix.shape[0], rows):
            yield start, matrix[start : start + rows]

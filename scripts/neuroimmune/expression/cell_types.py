"""One map of a study's cells: embedding across samples, clusters, cell types by marker genes."""

import random
from contextlib import contextmanager

from ..errors import UserError, some
from ..scoring import match_controls
from .cells import blocks, read_tables

UNASSIGNED = "unassigned"
NEAR_ALL = 30_000  # up to here nearest neighbours are searched exactly
CONTROLS = 50
MIN_MARKERS = 3
EPOCHS = 200


def join_genes(tables):
    """(genes, steps): one table of genes for all samples, and what it leaves out.

    tables: dict of sample -> (obs, var, uns) as from `cells.read_tables`. genes: DataFrame
    indexed by identifier in order of first appearance, with 'label' and 'mean' (over all cells,
    log1p counts per 10,000). A gene that a sample's file lacks counts as zero there when the file
    lists only genes with a count; else it was not measured, and the gene is left out of the study.
    """
    import numpy as np
    import pandas as pd

    labels, weighted, total = {}, {}, 0
    for obs, var, _ in tables.values():
        total += len(obs)
        for name, label, mean in zip(var.index, var["label"], var["mean"], strict=True):
            labels[name] = labels.get(name) or label
            weighted[name] = weighted.get(name, 0.0) + mean * len(obs)
    genes = pd.DataFrame({"label": pd.Series(labels, dtype=str)})
    genes["mean"] = np.array(list(weighted.values())) / total
    absent = {}
    for sample, (_, var, uns) in tables.items():
        if not uns["only_detected"]:
            for name in genes.index.difference(var.index, sort=False):
                absent.setdefault(name, []).append(sample)
    steps = []
    if absent:
        samples = dict.fromkeys(sample for names in absent.values() for sample in names)
        steps.append(
            {
                "step": "genes not in every sample",
                "unit": "gene",
                "left_out": len(absent),
                "reason": f"the gene lists of {some(samples)} lack them: not measured there",
                "examples": some(absent, 5),
            }
        )
    if len(absent) == len(genes):
        raise UserError(
            f"the samples share no gene identifier; samples: {some(tables)}. Their files name "
            "genes in different ways: leave out those of one kind, under exclude: in study.yaml"
        )
    return genes.drop(index=list(absent)), steps


def choose_variable(tables, genes, excluded, n_genes):
    """Identifiers of the genes most variable within samples, in the order of `genes`.

    A gene counts by the number of samples in which it is among the `n_genes` most variable, then
    by its median rank there (as scanpy does with a batch key). excluded: never chosen.
    """
    import numpy as np
    import pandas as pd

    usable = genes.index[~genes.index.isin(list(excluded))]
    ranks = []
    for _, var, _ in tables.values():
        dispersion = var["dispersion"].reindex(usable)
        rank = dispersion.rank(ascending=False, method="first")
        ranks.append(rank.where((rank <= n_genes) & (var["mean"].reindex(usable) > 0)))
    ranks = pd.concat(ranks, axis=1)
    often = ranks.notna().sum(axis=1).to_numpy()
    order = np.lexsort((np.arange(len(usable)), ranks.median(axis=1).fillna(np.inf), -often))
    chosen = order[: min(n_genes, int((often > 0).sum()))]
    return list(usable[np.sort(chosen)])


def find_markers(types, members, mapping, genes):
    """Dict of cell type -> identifiers of its marker genes in the data; short types are left out.

    types: the config's `cells.types`, type -> names of panel sets or gene symbols; members,
    mapping: the panel's; genes: as from `join_genes`. Genes outside the panel are looked up by
    label, then identifier. Types with fewer than `MIN_MARKERS` markers in the data are left out.
    """
    data_id = mapping.set_index("hgnc_id")["data_id"]
    of_symbol = dict(zip(mapping["symbol"], mapping["data_id"], strict=True))
    by_label = {label: name for name, label in reversed(list(genes["label"].items())) if label}
    sets = {name: rows for name, rows in members.groupby("set_id")}
    found = {}
    for cell_type, names in types.items():
        markers = []
        for name in names:
            if name in sets:
                rows = sets[name]
                markers += data_id.reindex(rows.loc[rows["direction"] > 0, "hgnc_id"]).to_list()
            else:
                markers.append(of_symbol.get(name) or by_label.get(name, name))
        markers = [m for m in dict.fromkeys(markers) if m in genes.index and genes.at[m, "mean"]]
        if len(markers) >= MIN_MARKERS:
            found[cell_type] = markers
    return found


def marker_weights(markers, genes, never):
    """Sparse genes x types matrix: log expression @ W is the mean of a type's markers minus

    the mean of controls matched to each on mean expression. never: genes that are no controls.
    """
    import numpy as np
    from scipy import sparse

    number = {name: place for place, name in enumerate(genes.index)}
    mean = genes["mean"].to_numpy()
    pool = np.flatnonzero((mean > 0) & ~genes.index.isin([*never, *sum(markers.values(), [])]))
    weights = sparse.lil_matrix((len(genes), len(markers)))
    for column, own in enumerate(markers.values()):
        rows = [number[name] for name in own]
        controls = match_controls(mean, rows, pool, min(CONTROLS, len(pool)))
        for row, matched in zip(rows, controls, strict=True):
            weights[row, column] += 1 / len(rows)
            for control in matched:
                weights[control, column] -= 1 / len(rows) / len(matched)
    return weights.tocsr()


def read_expression(files, tables, genes, variable, weights):
    """(log expression of the variable genes, CSR float32; type scores, cells x types), one pass.

    files: dict of sample -> h5ad; cells in the order of the files. Counts are scaled to 10,000 a
    cell and log1p is taken. No more than one block of rows is in memory beside the results.
    """
    import numpy as np
    from scipy import sparse

    chosen, scores = [], []
    for sample, path in files.items():
        obs, var, _ = tables[sample]
        place = var.index.get_indexer(genes.index)
        has = place >= 0
        own = sparse.csr_matrix((len(var), weights.shape[1]))
        if weights.shape[1]:
            rows = sparse.csr_matrix(
                (np.ones(has.sum()), (place[has], np.flatnonzero(has))), (len(var), len(genes))
            )
            own = (rows @ weights).tocsr()
        columns = var.index.get_indexer(variable)
        select = sparse.csr_matrix(
            (
                np.ones((columns >= 0).sum(), dtype=np.float32),
                (columns[columns >= 0], np.flatnonzero(columns >= 0)),
            ),
            (len(var), len(variable)),
        )
        total = obs["n_counts"].to_numpy(dtype=float)
        for start, block in blocks(path):
            scale = 1e4 / np.maximum(total[start : start + block.shape[0]], 1)
            block = block.astype(np.float32)
            block.data = np.log1p(block.data * np.repeat(scale, np.diff(block.indptr))).astype(
                np.float32
            )
            chosen.append((block @ select).tocsr())
            scores.append((block @ own).toarray())
    return sparse.vstack(chosen, format="csr"), np.vstack(scores)


def embed(expression, samples, settings):
    """Principal components of log expression, aligned across samples by Harmony: float32 array.

    expression: CSR, cells x variable genes; samples: the sample of each cell. One sample alone is
    not aligned.
    """
    import anndata
    import numpy as np
    import pandas as pd
    import scanpy

    n_components = min(settings["components"], *(side - 1 for side in expression.shape))
    data = anndata.AnnData(expression)
    scanpy.pp.pca(data, n_comps=n_components, svd_solver="arpack", random_state=settings["seed"])
    components = np.asarray(data.obsm["X_pca"], dtype=float)
    if len(set(samples)) > 1:
        import harmonypy

        components = harmonypy.run_harmony(
            components,
            pd.DataFrame({"sample": np.asarray(samples)}),
            ["sample"],
            random_state=settings["seed"],
            ncores=1,
            verbose=False,
        ).Z_corr
    return np.asarray(components, dtype=np.float32)


def find_neighbours(components, settings):
    """AnnData without genes that holds the nearest neighbours of every cell (scanpy)."""
    import anndata
    import numpy as np
    import scanpy

    data = anndata.AnnData(np.zeros((len(components), 0), dtype=np.float32))
    data.obsm["X_harmony"] = components
    nearest = min(settings["neighbours"], len(components) - 1)
    exact = len(components) <= NEAR_ALL
    scanpy.pp.neighbors(
        data,
        n_neighbors=nearest,
        use_rep="X_harmony",
        method="gauss",
        transformer="sklearn" if exact else _approximate(nearest, settings["seed"]),
        random_state=settings["seed"],
    )
    return data


def _approximate(nearest, seed):
    """Search of nearest neighbours that takes time in proportion to the cells (pynndescent)."""
    from pynndescent import PyNNDescentTransformer
    from scipy import sparse

    class Transformer(PyNNDescentTransformer):
        # pynndescent 0.7 gives a csr_array, which scanpy 1.11 does not take.
        def fit_transform(self, X, y=None):
            return sparse.csr_matrix(super().fit_transform(X, y))

    return Transformer(n_neighbors=nearest, random_state=seed, n_jobs=1)


def find_clusters(neighbours, settings):
    """Leiden clusters (igraph) as text, '0' the largest.

    What scanpy.tl.leiden does, without its list of edges: 3 GB for a million cells.
    """
    import igraph
    import numpy as np
    from scipy import sparse

    edges = sparse.triu(neighbours.obsp["connectivities"], k=1, format="coo")
    graph = igraph.Graph(n=neighbours.n_obs, edges=np.column_stack([edges.row, edges.col]))
    with _seeded(settings["seed"]):
        found = graph.community_leiden(
            objective_function="modularity",
            weights=edges.data,
            resolution=settings["resolution"],
            n_iterations=2,
        )
    sizes = np.bincount(found.membership)
    rank = np.argsort(np.argsort(-sizes, kind="stable"), kind="stable")
    return rank[found.membership].astype(str)


@contextmanager
def _seeded(seed):
    """Let igraph draw its random numbers from a generator of its own."""
    import igraph

    igraph.set_random_number_generator(random.Random(seed))
    try:
        yield
    finally:
        igraph.set_random_number_generator(random)


def smooth(scores, distances):
    """Mean of each cell's scores and those of its nearest neighbours (rows of `distances`)."""
    import numpy as np
    from scipy import sparse

    near = sparse.csr_matrix(
        (np.ones(len(distances.data)), distances.indices, distances.indptr), distances.shape
    )
    counted = 1 + np.diff(near.indptr)
    return (scores + near @ scores) / counted[:, None]


def assign_types(scores, names, min_score, min_margin):
    """(type, score, margin) of each cell: the best type, or 'unassigned'.

    scores: cells x types; names: the types. A cell is assigned where its best score is at least
    `min_score` and exceeds the second by at least `min_margin` (both in log units).
    """
    import numpy as np

    if not names:
        blank = np.full(len(scores), np.nan)
        return np.full(len(scores), UNASSIGNED, dtype=object), blank, blank
    order = np.sort(scores, axis=1)
    best = order[:, -1]
    margin = best - (order[:, -2] if len(names) > 1 else 0)
    types = np.array(names, dtype=object)[scores.argmax(axis=1)]
    types[(best < min_score) | (margin < min_margin)] = UNASSIGNED
    return types, best, margin


def draw_umap(components, settings):
    """(rows, coordinates): a UMAP of at most `shown_cells` cells, drawn at random (for pictures).

    rows: sorted numbers of the cells shown; coordinates: their places, rows x 2. The layout is
    igraph's, of the cells' neighbour graph among themselves.
    """

    import igraph
    import numpy as np

    n_cells = len(components)
    rows = np.arange(n_cells)
    if n_cells > settings["shown_cells"]:
        rng = np.random.default_rng(settings["seed"])
        rows = np.sort(rng.choice(n_cells, settings["shown_cells"], replace=False))
    data = find_neighbours(components[rows], settings)
    distances = data.obsp["distances"].tocoo()
    edges = np.column_stack([distances.row, distances.col])
    graph = igraph.Graph(n=len(rows), edges=edges, directed=True)
    spread = components[rows, :2] / max(float(components[rows, :2].std()), 1e-12)
    with _seeded(settings["seed"]):
        weights = igraph.umap_compute_weights(graph, distances.data.tolist())
        layout = graph.layout_umap(
            weights=weights, seed=spread.astype(float).tolist(), epochs=EPOCHS, min_dist=0.3
        )
    return rows, np.array(layout.coords)


def merge_cells(files, panel, settings, own_types=False):
    """(AnnData without genes, steps): all cells of a study with embedding, cluster and cell type.

    files: dict of sample -> h5ad of `cells.filter_cells`; panel: dict with 'members', and
    'mapping_of', a function from a table of genes to the panel's mapping; settings: the config's
    `cells` block; own_types: take the cell types of the study's cell table instead of markers.
    obs: what the files hold, 'sample', 'cluster', 'cell_type', and with markers 'type_score' and
    'type_margin'; obsm: 'X_harmony', and 'X_umap' (NaN for cells that are not shown).
    """
    import anndata
    import numpy as np
    import pandas as pd

    tables = {sample: read_tables(path) for sample, path in files.items()}
    genes, steps = join_genes(tables)
    mapping = panel["mapping_of"](genes)
    members = panel["members"]
    obs = pd.concat([obs.assign(sample=sample) for sample, (obs, _, _) in tables.items()])
    ids = mapping.set_index("hgnc_id")["data_id"]

    def of_sets(*names):
        return set(ids.reindex(members.loc[members["set_id"].isin(names), "hgnc_id"])) - {""}

    variable = choose_variable(
        tables,
        genes,
        of_sets("conf_globins", "conf_mitochondrial", "conf_sex"),
        settings["variable_genes"],
    )
    markers = {} if own_types else find_markers(settings["types"], members, mapping, genes)
    weights = marker_weights(markers, genes, of_sets(*set(members["set_id"])))
    expression, scores = read_expression(files, tables, genes, variable, weights)
    components = embed(expression, obs["sample"].to_numpy(), settings)
    del expression  # a gigabyte for a million cells
    neighbours = find_neighbours(components, settings)
    obs["cluster"] = find_clusters(neighbours, settings)
    if own_types:
        given = obs["cell_type"].astype(str).str.strip()
        obs["cell_type"] = given.where(given != "", UNASSIGNED)
    else:
        smoothed = smooth(scores, neighbours.obsp["distances"])
        types, best, margin = assign_types(
            smoothed, list(markers), settings["min_type_score"], settings["min_type_margin"]
        )
        obs["cell_type"], obs["type_score"], obs["type_margin"] = types, best, margin
        few = [name for name in settings["types"] if name not in markers]
        if few:
            steps.append(
                {
                    "step": "cell types without markers",
                    "unit": "cell type",
                    "left_out": len(few),
                    "reason": f"fewer than {MIN_MARKERS} of their markers have a count in the data",
                    "examples": some(few),
                }
            )
    # A slash would make a path of the name in h5ad files.
    obs["cell_type"] = obs["cell_type"].str.replace("/", "-")
    left = int((obs["cell_type"] == UNASSIGNED).sum())
    steps.append(
        {
            "step": "cell type",
            "unit": "cell",
            "left_out": 0,
            "reason": f"{left} of {len(obs)} cells are unassigned: they count in 'all' only",
        }
    )
    for column in ("sample", "cluster", "cell_type"):
        obs[column] = obs[column].astype(str)
    cells = anndata.AnnData(np.zeros((len(obs), 0), dtype=np.float32), obs=obs)
    cells.obsm["X_harmony"] = components
    rows, places = draw_umap(components, settings)
    cells.obsm["X_umap"] = np.full((len(obs), 2), np.nan)
    cells.obsm["X_umap"][rows] = places
    return cells, steps

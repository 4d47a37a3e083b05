"""Scores of single cells, for pictures, and the map of who expresses which receptor.

Nothing here is tested: cells are no replicates. All evidence comes from pseudobulk profiles.
"""

from functools import cache

from ..panels import members_in_data
from ..scoring import match_controls
from .cell_types import UNASSIGNED
from .cells import blocks

MAP_COLUMNS = (
    "set_id",
    "hgnc_id",
    "symbol",
    "data_id",
    "cell_type",
    "n_cells",
    "n_cells_detecting",
    "share_cells",
    "expected_share_cells",
    "n_donors",
    "n_donors_detecting",
    "share_donors",
    "expected_share_donors",
)


def score_plan(genes, members, mapping, per_gene):
    """What to score cells with: dict of arrays, and 'sets', the names of the sets.

    genes: DataFrame of the data's genes with 'mean' (over all cells); members, mapping: the
    panel's; per_gene: controls a gene. The controls of a gene are `per_gene` genes outside the
    panel, consecutive in the order of their mean, that are nearest to it
    (`scoring.match_controls`). Genes without a count take no part.

    'own', 'controls': numbers of the panel's genes, and one row of numbers for each. 'slot': where
    the counts of a gene are added up: in a stretch of the ordered controls (no gene's controls
    begin or end within a stretch), after these in a slot of its own for a gene of the panel, else
    in the last, which is not read. 'low', 'high': first stretch, and the one after the last, of
    each gene's controls. 'start', 'set', 'direction': the sets of each gene, as in a CSR matrix.
    """
    import numpy as np

    number = {name: place for place, name in enumerate(genes.index)}
    mean = genes["mean"].to_numpy()
    known = members_in_data(members, mapping)
    known = known[known["data_id"].isin(number)]
    known = known.assign(gene=known["data_id"].map(number))
    known = known[mean[known["gene"]] > 0].sort_values(["gene", "set_id"], kind="stable")
    own = known["gene"].unique()
    in_panel = np.zeros(len(mean), dtype=bool)
    in_panel[[number[name] for name in mapping["data_id"] if name in number]] = True
    pool = np.flatnonzero((mean > 0) & ~in_panel)
    pool = pool[np.lexsort((pool, mean[pool]))]
    k = min(per_gene, len(pool))
    place = np.full(len(mean), -1)
    place[pool] = np.arange(len(pool))
    end = place[match_controls(mean, own, pool, k)].max(axis=1) + 1
    edges = np.unique(np.concatenate([[0], end - k, end, [len(pool)]]))
    slot = np.full(len(mean), len(edges) - 1 + len(own), dtype=np.int32)
    slot[pool] = np.searchsorted(edges, np.arange(len(pool)), side="right") - 1
    slot[own] = len(edges) - 1 + np.arange(len(own))
    names = sorted(set(members["set_id"]))
    sizes = known.groupby("gene").size().reindex(own)
    return {
        "sets": names,
        "own": own,
        "controls": pool[(end - k)[:, None] + np.arange(k)],
        "n_controls": k,
        "slot": slot,
        "low": np.searchsorted(edges, end - k),
        "high": np.searchsorted(edges, end),
        "n_stretches": len(edges) - 1,
        "start": np.concatenate([[0], sizes.cumsum()]).astype(int),
        "set": known["set_id"].map({n: i for i, n in enumerate(names)}).to_numpy(dtype=int),
        "direction": known["direction"].to_numpy(dtype=float),
    }


def score_block(block, total, plan, place=None):
    """(scores, detected) of the cells of a CSR block: float32 and uint16, cells x sets.

    total: counts of each cell over all genes; plan: as from `score_plan`; place: number of each of
    the block's genes among those of the plan (-1 for none), where they differ. scores: UMIs of the
    set, signed by direction, minus the mean of each gene's controls, per 10,000 UMIs of the cell.
    detected: genes of the set with a count. One pass over the stored counts; the sums do not
    depend on the number of threads.
    """
    import numpy as np

    slot, nowhere = plan["slot"], plan["n_stretches"] + len(plan["own"])
    if place is not None:
        slot = np.where(place >= 0, slot[place], nowhere).astype(np.int32)
    shape = (block.shape[0], len(plan["sets"]))
    scores, detected = np.zeros(shape), np.zeros(shape, dtype=np.uint16)
    _kernel()(
        *(block.indptr, block.indices, block.data, slot),
        *(plan["n_stretches"], plan["low"], plan["high"], plan["n_controls"]),
        *(plan["start"], plan["set"], plan["direction"], scores, detected),
    )
    scores *= (1e4 / np.maximum(np.asarray(total, dtype=float), 1))[:, None]
    return scores.astype(np.float32), detected


@cache
def _kernel():
    import numba
    import numpy as np

    @numba.njit(parallel=True)
    def score_cells(
        indptr, indices, data, slot, n_stretches, low, high, k, start, sets, direction, scores,
        detected,
    ):  # fmt: skip
        for cell in numba.prange(len(indptr) - 1):
            added = np.zeros(n_stretches + len(low) + 1)
            for at in range(indptr[cell], indptr[cell + 1]):
                added[slot[indices[at]]] += data[at]
            # before[s]: counts of all controls in stretches before s.
            before = np.zeros(n_stretches + 1)
            for s in range(n_stretches):
                before[s + 1] = before[s] + added[s]
            for gene in range(len(low)):
                own = added[n_stretches + gene]
                excess = own - (before[high[gene]] - before[low[gene]]) / k
                for at in range(start[gene], start[gene + 1]):
                    scores[cell, sets[at]] += direction[at] * excess
                    if own > 0:
                        detected[cell, sets[at]] += 1

    return score_cells


def count_detecting(block, codes, n_groups):
    """Cells of each group in which each gene has a count: n_groups x genes.

    block: CSR; codes: group of each row.
    """
    import numpy as np
    from scipy import sparse

    n_cells = block.shape[0]
    member = sparse.csr_matrix((np.ones(n_cells), (codes, np.arange(n_cells))), (n_groups, n_cells))
    present = sparse.csr_matrix(
        ((block.data > 0).astype(float), block.indices, block.indptr), block.shape
    )
    return (member @ present).toarray()


def score_study(files, tables, genes, table, plan):
    """(AnnData cells x sets, cells detecting, groups): one pass over all cells of a study.

    files: dict of sample -> h5ad, tables: their (obs, var, uns); genes: the joined genes; table:
    one row a cell in the order of the files, with 'subject' and 'cell_type'; plan: of `genes`.
    X and layer 'detected' of the AnnData are as from `score_block`. cells detecting: groups x
    genes; groups: DataFrame with subject, cell_type and n_cells.
    """
    import anndata
    import numpy as np
    import pandas as pd

    by = table.groupby(["subject", "cell_type"], sort=True)
    groups, codes = by.size().rename("n_cells").reset_index(), by.ngroup().to_numpy()
    scores, detected = [], []
    detecting = np.zeros((len(groups), len(genes)))
    first = 0
    for sample, path in files.items():
        obs, var, _ = tables[sample]
        place = genes.index.get_indexer(var.index)
        total = obs["n_counts"].to_numpy()
        for start, block in blocks(path):
            stop = start + block.shape[0]
            found = score_block(block, total[start:stop], plan, place)
            scores.append(found[0])
            detected.append(found[1])
            part = count_detecting(block, codes[first + start : first + stop], len(groups))
            detecting[:, place[place >= 0]] += part[:, place >= 0]
        first += len(obs)
    result = anndata.AnnData(
        np.vstack(scores),
        obs=pd.DataFrame(index=table.index.rename(None)),
        var=pd.DataFrame(index=plan["sets"]),
        layers={"detected": np.vstack(detected)},
    )
    return result, detecting, groups


def receptor_map(detecting, groups, genes, members, mapping, plan, min_cells):
    """Who expresses which gene: one row a set, gene and cell type (DataFrame with `MAP_COLUMNS`).

    detecting, groups: as from `score_study`. A donor counts for a cell type with `min_cells` cells
    of it, and detects a gene when one of them has a count. expected_...: mean of the gene's
    controls, which have the same mean over all cells: what a gene of this abundance would show if
    it did not prefer any type.
    """
    import numpy as np
    import pandas as pd

    known = members_in_data(members, mapping)
    place = {gene: at for at, gene in enumerate(genes.index[plan["own"]])}
    parts = []
    types = [name for name in sorted(set(groups["cell_type"])) if name != UNASSIGNED]
    for cell_type in ["all", *types]:
        own = groups if cell_type == "all" else groups[groups["cell_type"] == cell_type]
        numbers = detecting[own.index.to_numpy()]
        by_donor = own.groupby("subject")["n_cells"].sum()
        donors = by_donor.index[by_donor >= min_cells]
        cells = numbers.sum(axis=0)
        donor = np.zeros(len(genes))
        for subject in donors:
            donor += numbers[(own["subject"] == subject).to_numpy()].sum(axis=0) > 0
        at = known["data_id"].map(place)
        rows = genes.index.get_indexer(known["data_id"])
        has = at.notna().to_numpy()
        controls = plan["controls"][at[has].astype(int)]
        n_cells, n_donors = int(own["n_cells"].sum()), len(donors)
        part = pd.DataFrame(
            {
                "set_id": known["set_id"].to_numpy(),
                "hgnc_id": known["hgnc_id"].to_numpy(),
                "symbol": known["gene_symbol"].to_numpy(),
                "data_id": known["data_id"].to_numpy(),
                "cell_type": cell_type,
                "n_cells": n_cells,
                "n_cells_detecting": np.where(rows >= 0, cells[rows], 0).astype(int),
                "n_donors": n_donors,
                "n_donors_detecting": np.where(rows >= 0, donor[rows], 0).astype(int),
            }
        )
        for name, found, n in (("cells", cells, n_cells), ("donors", donor, n_donors)):
            part[f"share_{name}"] = part[f"n_{name}_detecting"] / n if n else np.nan
            part[f"expected_share_{name}"] = np.nan
            if n:
                part.loc[has, f"expected_share_{name}"] = found[controls].mean(axis=1) / n
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    return table.sort_values(["set_id", "symbol"], kind="stable")[list(MAP_COLUMNS)]

"""Size factors of whole blood in which globins are a percent of the reads, or most of them."""

import os
from pathlib import Path

import numpy as np
import pytest

from neuroimmune.expression.counts import check_counts, clean_genes, log_cpm
from neuroimmune.files import read_table
from neuroimmune.genes import globin_ids
from neuroimmune.geo.tables import read_counts

ROOT = Path(__file__).parents[2]
REAL = Path(os.environ.get("GEO_TREE", ROOT.parent / "shared" / "data" / "real" / "geo")).parent
COUNTS = REAL / "other" / "TB_hiv_counts.tsv.gz"

pytestmark = pytest.mark.skipif(not COUNTS.exists(), reason=f"no counts at {COUNTS}")


def test_globins_do_not_move_the_other_genes():
    counts, notes = read_counts(COUNTS)
    assert notes == [] and check_counts(counts, COUNTS) == ("integer", [])
    counts, _ = clean_genes(counts)
    panels = ROOT / "config" / "panels"
    globins = globin_ids(
        read_table(panels / "neuroimmune_panels.tsv"),
        read_table(panels / "panel_genes.tsv"),
        "Homo sapiens",
        counts.index,
    )
    assert {"HBB", "HBA1", "HBA2"} <= set(globins)
    share = counts.loc["HBB"] / counts.sum()
    assert share.min() < 0.01 and share.max() > 0.8
    values, effective = log_cpm(counts, globins)
    others = counts.sum() - counts.loc[globins].sum()
    assert (effective / others).between(0.6, 1.4).all()

    expressed = (values > 3).all(axis=1)

    def spread(table):
        """Range over the samples of the median expressed gene, log2."""
        return np.ptp(table[expressed].drop(index=globins, errors="ignore").median())

    plain = np.log2(counts / counts.sum() * 1e6 + 0.1)
    assert spread(values) < 0.35 < 1.5 < spread(plain)
    assert spread(values) < spread(log_cpm(counts, [])[0])

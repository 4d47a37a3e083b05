"""Our series matrix reader against R's GEOquery; tables made by compare_geoquery.R.

Needs the series matrix files themselves: GEO_TREE names their folder (laid out in any way).
"""

import hashlib
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neuroimmune.geo.matrix import read_matrix

REFERENCE = Path(__file__).parent / "geoquery"
BESIDE = Path(__file__).parents[3] / "shared/data/real/geo"
TREE = Path(os.environ.get("GEO_TREE", BESIDE))
FILES = {path.name: path for path in sorted(TREE.rglob("*_series_matrix.txt.gz"))}

pytestmark = pytest.mark.skipif(
    not FILES, reason="no series matrix files; set GEO_TREE to a folder that has them"
)

# Where the two differ on purpose: (series, key) -> why.
DIFFERENT = {
    ("GSE65391", "nephritis_class:ch1"): "the key stands twice in each sample: GEOquery joins both "
    "('Not Applicable;Not Applicable'), we keep the distinct values",
}


def reference(name):
    table = pd.read_csv(REFERENCE / f"{name}.tsv", sep="\t", dtype=str, keep_default_na=False)
    return table[table["file"].isin(FILES)]


@pytest.fixture(scope="module")
def ours():
    return {name: read_matrix(FILES[name]) for name in reference("files")["file"]}


def test_tables(ours):
    for row in reference("files").itertuples():
        table = ours[row.file][2]
        assert table.shape == (int(row.rows), int(row.samples)), row.file
        assert int(table.isna().to_numpy().sum()) == int(row.missing), row.file
        assert [*table.index[:1], *table.index[-1:]] == list(filter(None, (row.first, row.last)))
        np.testing.assert_allclose(np.nansum(table.to_numpy()), float(row.sum), rtol=1e-12)


def test_samples(ours):
    for file, rows in reference("samples").groupby("file"):
        _, samples, table = ours[file]
        assert list(table.columns) == rows["sample"].to_list(), file
        assert [sample.get("title", "") for sample in samples] == rows["title"].to_list(), file
        np.testing.assert_allclose(table.sum(), rows["sum"].astype(float), rtol=1e-12)


def test_characteristics(ours):
    different = set()
    for file, rows in reference("characteristics").groupby("file"):
        wanted = rows.set_index("key")["md5"].to_dict()
        found = fingerprints(ours[file][1])
        accession = file.split("_")[0]
        different |= {(accession, key) for key, _ in wanted.items() ^ found.items()}
    here = {file.split("_")[0] for file in ours}
    assert different == {(file, key) for file, key in DIFFERENT if file in here}


def fingerprints(samples):
    """GEOquery's name of each characteristic -> MD5 sum of its values, one line a sample."""
    found = {}
    for key in {key for sample in samples for key in sample["characteristics"]}:
        values = [sample["characteristics"].get(key, "") for sample in samples]
        theirs = f"{key.removeprefix('ch2 ')}:{'ch2' if key.startswith('ch2 ') else 'ch1'}"
        found[theirs] = hashlib.md5("\n".join(values).encode()).hexdigest()
    return found

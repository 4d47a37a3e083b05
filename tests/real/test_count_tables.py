"""Count tables of real series against a plain loop over their lines.

The tree lies in ../shared/data/real/geo beside the repository, or where GEO_TREE says.
"""

import csv
import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from neuroimmune.errors import UserError
from neuroimmune.geo.tables import read_counts

ROOT = Path(__file__).parents[2]
TREE = Path(os.environ.get("GEO_TREE", ROOT.parent / "shared" / "data" / "real" / "geo"))

pytestmark = pytest.mark.skipif(
    not TREE.is_dir(), reason=f"no copy of GEO's tree at {TREE} (set GEO_TREE)"
)

SERIES = TREE / "series"
# File, lines before the first gene, columns before the first count, what is noted.
TABLES = [
    ("GSE52nnn/GSE52778/suppl/GSE52778_airway_raw_counts.csv.gz", 1, 1, []),
    ("GSE60nnn/GSE60424/suppl/GSE60424_GEOSubmit_FC1to11_normalized_counts.txt.gz", 1, 1, []),
    ("GSE79nnn/GSE79027/suppl/GSE79027_counts.tsv.gz", 1, 2, ["Symbol"]),
    ("GSE112nnn/GSE112540/suppl/GSE112540_reanalysis_counts.csv.gz", 1, 1, []),
    ("GSE159nnn/GSE159094/suppl/GSE159094_counts.txt.gz", 1, 1, []),
    (
        "GSE201nnn/GSE201926/rnaseq_counts/GSE201926_raw_counts_GRCh38.p13_NCBI.tsv.gz",
        1,
        1,
        [],
    ),
    (
        "GSE248nnn/GSE248760/suppl/GSE248760_raw_counts.txt.gz",
        2,
        1,
        ["CLASS:DOSE IS IS IS IS C C C C"],
    ),
    ("../../other/TB_hiv_counts.tsv.gz", 1, 1, []),
]


@pytest.mark.parametrize(("name", "above", "left", "noted"), TABLES)
def test_every_value(name, above, left, noted):
    path = SERIES / name
    if not path.exists():
        pytest.skip(f"{path.name} is not in this copy of the tree")
    counts, notes = read_counts(path)
    text = gzip.decompress(path.read_bytes()).decode()
    separator = "," if ".csv" in path.name else "\t"
    lines = list(csv.reader(text.splitlines(), delimiter=separator))
    assert list(counts.columns) == lines[0][left:]
    assert list(counts.index) == [line[0] for line in lines[above:]]
    values = [[float(cell) for cell in line[left:]] for line in lines[above:]]
    np.testing.assert_array_equal(counts.to_numpy(), values)
    assert [note["examples"] for note in notes] == noted


def test_an_archive_of_single_cells_is_no_count_table():
    path = SERIES / "GSE96nnn/GSE96583/suppl/GSE96583_RAW.tar"
    if not path.exists():
        pytest.skip(f"{path.name} is not in this copy of the tree")
    with pytest.raises(UserError) as error:
        read_counts(path)
    assert str(error.value) == (
        f"{path}: no table of counts in it; found GSM2560248_2.1.mtx.gz, "
        "GSM2560248_barcodes.tsv.gz, GSM2560249_2.2.mtx.gz, GSM2560249_barcodes.tsv.gz"
    )

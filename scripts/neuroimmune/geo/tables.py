"""Read a table of gene counts from a GEO supplementary file."""

import gzip
import io
from pathlib import Path

from ..errors import UserError
from .matrix import MISSING


def read_counts(path):
    """DataFrame of floats, genes (text index, as in the file) x columns (text, as in the file).

    The first column holds the gene identifiers; tab or comma separates, .gz is unpacked.
    Raises UserError where the file is no such table, a cell is not a number, is missing, or is
    negative, or a column name stands twice.
    """
    import pandas as pd

    path = Path(path)
    if not path.exists():
        raise UserError(f"{path}: no such file")
    raw = path.read_bytes()
    if raw[:2] == b"\x1f\x8b":
        raw = gzip.decompress(raw)
    text = raw.decode("utf-8-sig", errors="replace")
    first = text.split("\n", 1)[0]
    separator = "\t" if first.count("\t") >= first.count(",") else ","
    if separator not in first:
        raise UserError(
            f"{path}:1: found {first[:60]!r}, expected a header with tab or comma between columns"
        )
    table = pd.read_csv(
        io.StringIO(text),
        sep=separator,
        dtype=str,
        keep_default_na=False,
        na_filter=False,
        header=None,
        low_memory=False,
    )
    header = [str(cell).strip() for cell in table.iloc[0]]
    repeated = {name for name in header[1:] if header[1:].count(name) > 1}
    if repeated:
        raise UserError(f"{path}:1: the column {sorted(repeated)[0]!r} stands twice")
    table = table.iloc[1:]
    genes = table[0].str.strip().to_numpy()
    values = table.iloc[:, 1:].replace(MISSING, "nan")
    counts = values.apply(pd.to_numeric, errors="coerce")
    bad = (counts.isna() | (counts < 0)).to_numpy()
    if bad.any():
        row, column = (int(place[0]) for place in bad.nonzero())
        raise UserError(
            f"{path}: row {genes[row]!r}, column {header[column + 1]!r}: found "
            f"{table.iat[row, column + 1]!r}, expected a count (a number of at least 0); "
            f"{int(bad.sum())} such cells"
        )
    counts.index = pd.Index(genes, dtype=str, name="gene")
    counts.columns = header[1:]
    return counts.astype(float)

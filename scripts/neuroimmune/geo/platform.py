"""Read a GEO platform annotation (GPLnnn.annot.gz): which gene each probe measures."""

import csv
import gzip
import io
from pathlib import Path

from ..errors import UserError

BEGIN, END = "!platform_table_begin", "!platform_table_end"
SEPARATOR = "///"


def read_annotation(path):
    """DataFrame of text indexed by probe: 'symbol' and 'entrez' ('' where the file has none).

    A probe that GEO assigns to several genes keeps them all, separated by '///'.
    Raises UserError when the table, its end, or the columns ID and 'Gene symbol' are missing.
    """
    import pandas as pd

    if not Path(path).exists():
        raise UserError(f"{path}: no such file")
    with io.TextIOWrapper(gzip.open(path), encoding="utf-8", errors="replace") as stream:
        for line in stream:
            if line.startswith(BEGIN):
                break
        else:
            raise UserError(f"{path}: no line {BEGIN}: not a platform annotation")
        body = stream.read()
    if END not in body:
        raise UserError(
            f"{path}: the line {END} is missing: the file is cut off; delete it and rerun"
        )
    table = pd.read_csv(
        io.StringIO(body[: body.index(END)]),
        sep="\t",
        dtype=str,
        keep_default_na=False,
        quoting=csv.QUOTE_NONE,
        usecols=lambda name: name in ("ID", "Gene symbol", "Gene ID"),
    )
    for needed in ("ID", "Gene symbol"):
        if needed not in table.columns:
            raise UserError(
                f"{path}: no column {needed!r}; found {list(table.columns)}. GEO's .annot files "
                "have it: check source.platform"
            )
    if "Gene ID" not in table.columns:
        table["Gene ID"] = ""
    table = table.rename(columns={"ID": "probe", "Gene symbol": "symbol", "Gene ID": "entrez"})
    table = table.set_index("probe")[["symbol", "entrez"]]
    repeated = table.index[table.index.duplicated()]
    if len(repeated):
        raise UserError(f"{path}: the probe {repeated[0]!r} stands twice")
    return table

"""Read a GEO series matrix file: the series record, the sample record and the value table."""

import csv
import gzip
import io
import re
from pathlib import Path

from ..errors import UserError

BEGIN, END = "!series_matrix_table_begin", "!series_matrix_table_end"


def read_header(path):
    """The record part of a series matrix.

    Returns (series, samples): `series` maps a field name ('title', 'platform_id', ...) to its
    list of values; `samples` is a list of dicts, one a sample in file order, with single fields
    as text, repeated ones ('data_processing', ...) joined by ' | ', and 'characteristics' as a
    dict of lower-case key -> value (a key given twice has its values joined by ' | ').

    Raises UserError for a file without a sample record.
    """
    with _open(path) as stream:
        return _header(stream, path)


def read_matrix(path):
    """(series, samples, table) of a series matrix; `table` is a float DataFrame, probes x GSM.

    Blank, NA, null and similar cells are NaN; a series of sequencing data has no rows. Raises
    UserError where a cell is other text, an identifier or a sample stands twice, or the end tag
    is missing.
    """
    import pandas as pd

    with _open(path) as stream:
        series, samples = _header(stream, path)
        body = stream.read()
    if END not in body:
        raise UserError(
            f"{path}: the line {END} is missing: the file is cut off; delete it and rerun"
        )
    body = body[: body.index(END)]
    table = pd.read_csv(
        io.StringIO(body),
        sep="\t",
        index_col=0,
        dtype={0: str},
        keep_default_na=False,
        na_values=MISSING,
        low_memory=False,
    )
    table.index = table.index.astype(str)
    table.columns = [str(name).strip() for name in table.columns]
    if table.empty:  # as usual for sequencing; pandas has no types for no rows
        table = table.astype(float)
    text = [name for name in table.columns if not pd.api.types.is_numeric_dtype(table[name])]
    if text:
        column = table[text[0]]
        bad = column[pd.to_numeric(column, errors="coerce").isna() & column.notna()]
        raise UserError(
            f"{path}: sample {text[0]}, row {bad.index[0]}: found {bad.iloc[0]!r}, expected a "
            "number"
        )
    names = [sample["geo_accession"] for sample in samples]
    if list(table.columns) != names:
        odd = sorted(set(table.columns) ^ set(names)) or "another order"
        raise UserError(f"{path}: the table's columns and the sample record differ: {odd}")
    repeated = table.index[table.index.duplicated()]
    if len(repeated):
        raise UserError(f"{path}: the row {repeated[0]!r} stands twice in the table")
    return series, samples, table.astype(float)


# Ways in which submitters write "no value" into a cell of numbers.
MISSING = [
    "",
    "NA",
    "N/A",
    "NaN",
    "nan",
    "null",
    "NULL",
    "none",
    "None",
    "--",
    "Data Not Available",
]


def _open(path):
    if not Path(path).exists():
        raise UserError(f"{path}: no such file")
    # GEO writes UTF-8, old records Windows-1252: a wrong accent is better than no data.
    return io.TextIOWrapper(gzip.open(path), encoding="utf-8", errors="replace", newline=None)


def _header(stream, path):
    series, columns, characteristics = {}, [], []
    for line in stream:
        if line.startswith(BEGIN):
            break
        if not line.startswith(("!Series_", "!Sample_")):
            continue
        cells = next(csv.reader([line.rstrip("\n")], delimiter="\t"))
        field, values = cells[0][8:], [_clean(cell) for cell in cells[1:]]
        if line.startswith("!Series_"):
            series.setdefault(field, []).extend(values)
        elif field.startswith("characteristics_ch"):
            characteristics.append(values)
        else:
            columns.append((field, values))
    else:
        raise UserError(f"{path}: no line {BEGIN}: not a series matrix, or cut off in its header")
    accessions = dict(columns).get("geo_accession")
    if not accessions:
        raise UserError(f"{path}: no !Sample_geo_accession line: the sample record is missing")
    samples = [{"characteristics": {}} for _ in accessions]
    for field, values in columns:
        _per_sample(samples, values, field, path)
        for sample, value in zip(samples, values, strict=True):
            if value:
                sample[field] = f"{sample[field]} | {value}" if sample.get(field) else value
            sample.setdefault(field, "")
    for values in characteristics:
        _per_sample(samples, values, "characteristics", path)
        for sample, value in zip(samples, values, strict=True):
            if value:
                _add_characteristic(sample["characteristics"], value)
    return series, samples


def _per_sample(samples, values, field, path):
    if len(values) != len(samples):
        raise UserError(
            f"{path}: !Sample_{field} has {len(values)} values for {len(samples)} samples"
        )


def _add_characteristic(found, text):
    # Keys move between columns and vary in case and spacing ("Gender:F", "Gender: F"), so each
    # cell is read by itself. A cell without a colon keeps its text under 'unnamed'.
    key, colon, value = text.partition(":")
    key, value = (key.strip().lower(), value.strip()) if colon else ("unnamed", text)
    found[key] = f"{found[key]} | {value}" if key in found and found[key] != value else value


def _clean(text):
    return re.sub(r"\s+", " ", text).strip()

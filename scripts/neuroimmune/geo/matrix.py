"""Read a GEO series matrix file: the series record, the sample record and the value table."""

import codecs
import csv
import gzip
import io
import re
import zlib
from contextlib import contextmanager
from itertools import chain, islice

from ..errors import UserError, some

BEGIN, END = "!series_matrix_table_begin", "!series_matrix_table_end"
RECORDS = ("!Series_", "!Sample_")

# Ways in which submitters write "no value" into a cell of numbers.
MISSING = [
    "",
    "NA",
    "N/A",
    "n/a",
    "#N/A",
    "NaN",
    "nan",
    "NAN",
    "null",
    "NULL",
    "Null",
    "none",
    "None",
    "-",
    "--",
    "---",
    "Data Not Available",
    "Not Available",
]
# The logarithm of zero is no value either.
NO_VALUE = {text.casefold() for text in MISSING} | {
    sign + word for sign in ("", "+", "-") for word in ("inf", "infinity")
}
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)

ROWS_AT_ONCE = 2000  # keeps the text in memory small beside the numbers


def read_header(path):
    """The record part of a series matrix.

    Returns (series, samples): `series` maps a field name ('title', 'platform_id', 'relation',
    ...) to its list of values; `samples` is a list of dicts, one a sample in file order, with
    single fields as text, repeated ones ('data_processing', ...) joined by ' | ', and
    'characteristics' as a dict of lower-case key -> value (a key given twice has its different
    values joined by ' | '; text without a key stands under 'unnamed'; keys of the second
    channel begin with 'ch2 '). A field that the file does not have is in no dict.

    Raises UserError for a file without a sample record, or with a line that has another number
    of values than there are samples.
    """
    with open_text(path) as stream:
        return _header(enumerate(stream, start=1), path)


def read_records(paths):
    """(series, samples) as from `read_header`, of all series matrix files of a series together.

    GEO writes one file a platform. (None, None) for no file. Raises UserError where the files
    are of different series or name a sample twice.
    """
    if not paths:
        return None, None
    series, samples = {}, []
    file_of = {}
    for path in paths:
        one, more = read_header(path)
        for field, values in one.items():
            kept = series.setdefault(field, [])
            kept += [value for value in values if value not in kept]
        for sample in more:
            name = sample["geo_accession"]
            if name in file_of:
                raise UserError(f"{path}: sample {name} stands also in {file_of[name]}")
            file_of[name] = path
        samples += more
    if len(series.get("geo_accession", [])) > 1:
        raise UserError(
            f"{some(map(str, paths))} are of different series: {', '.join(series['geo_accession'])}"
        )
    return series, samples


def read_matrix(path):
    """(series, samples, table) of a series matrix; `table` is a float DataFrame, probes x GSM.

    The index is the text of ID_REF as it stands. Blank, NA, null and similar cells are NaN, as
    are infinite ones; a series of sequencing data has no rows. Raises UserError where a cell is
    other text, a row has another number of cells than the heading, an identifier or a sample
    stands twice, the columns are not the samples of the record in their order, the end tag is
    missing, or the gzip stream is damaged.
    """
    with open_text(path) as stream:
        lines = enumerate(stream, start=1)
        series, samples = _header(lines, path)
        table = _table(lines, [sample["geo_accession"] for sample in samples], path)
    return series, samples, table


@contextmanager
def open_text(path):
    """The text of a plain or gzip file, with '\\n' for any kind of line end and no BOM.

    Bytes that are not UTF-8 are read as Windows-1252, which old records mix in.
    Raises UserError, also from within the block, where the file is missing or damaged.
    """
    try:
        with open(path, "rb") as raw:
            packed = raw.peek(2)[:2] == b"\x1f\x8b"
            binary = io.BufferedReader(gzip.open(raw), 1 << 20) if packed else raw
            yield io.TextIOWrapper(binary, "utf-8-sig", errors="windows-1252", newline=None)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise UserError(
            f"{path}: the gzip stream is cut off or damaged; delete the file and rerun"
        ) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None


def _windows_1252(error):
    odd = error.object[error.start : error.end]
    return odd.decode("cp1252", errors="replace"), error.end


codecs.register_error("windows-1252", _windows_1252)


def _header(lines, path):
    series, fields, characteristics = {}, [], []
    for number, text in _records(lines, path):
        name, *values = (re.sub(r"\s+", " ", cell).strip() for cell in _cells(text))
        field = name[len(RECORDS[0]) :]
        if name.startswith("!Series_"):
            series.setdefault(field, []).extend(values)
        elif channel := re.fullmatch(r"characteristics(?:_ch(\d+))?", field):
            prefix = "" if channel[1] in (None, "1") else f"ch{channel[1]} "
            characteristics.append((number, field, prefix, values))
        else:
            fields.append((number, field, values))
    samples = [{"geo_accession": name, "characteristics": {}} for name in _accessions(fields, path)]
    for number, field, values in fields:
        for sample, value in _per_sample(samples, values, f"{path}:{number}", field):
            if field != "geo_accession":
                sample[field] = " | ".join(filter(None, (sample.get(field), value)))
    for number, field, prefix, values in characteristics:
        for sample, value in _per_sample(samples, values, f"{path}:{number}", field):
            if value:
                key, value = _key_and_value(value)
                sample["characteristics"].setdefault(prefix + key, []).append(value)
    for sample in samples:
        sample["characteristics"] = {
            key: " | ".join(filter(None, dict.fromkeys(values)))
            for key, values in sample["characteristics"].items()
        }
    return series, samples


def _records(lines, path):
    """(line number, text) of the header's records; a line break within quotes ends none."""
    first, parts, within_quotes = 0, [], False
    for number, line in lines:
        if within_quotes and not line.startswith((*RECORDS, BEGIN)):
            parts.append(line)
            within_quotes ^= line.count('"') % 2 == 1
            continue
        if parts:
            yield first, "".join(parts).removesuffix("\n")
        first, parts, within_quotes = number, [], False
        if line.startswith(BEGIN):
            return
        if line.startswith(RECORDS):
            parts, within_quotes = [line], line.count('"') % 2 == 1
        elif line.strip() and not line.startswith(("!", "^", "#")):
            raise UserError(
                f"{path}:{number}: found {line.strip()[:60]!r}, expected a line that begins with "
                "!Series_ or !Sample_: not a series matrix, or a line broken in two"
            )
    raise UserError(f"{path}: no line {BEGIN}: not a series matrix, or cut off in its header")


def _cells(record):
    try:
        return next(csv.reader([record], delimiter="\t", strict=True))
    except csv.Error:  # quotes within a cell that are not doubled: only '"<tab>' ends a cell
        found = re.finditer(r'(?:\A|\t)(?:"(.*?)"(?=\t|\Z)|([^\t]*))', record, re.DOTALL)
        return [cell[2] if cell[1] is None else cell[1].replace('""', '"') for cell in found]


def _accessions(fields, path):
    rows = [(number, values) for number, field, values in fields if field == "geo_accession"]
    if not rows:
        raise UserError(f"{path}: no !Sample_geo_accession line: the sample record is missing")
    if len(rows) > 1:
        raise UserError(f"{path}:{rows[1][0]}: a second !Sample_geo_accession line")
    number, names = rows[0]
    if not names or "" in names:
        raise UserError(f"{path}:{number}: !Sample_geo_accession has a blank cell")
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise UserError(f"{path}:{number}: the sample {repeated[0]} stands twice")
    return names


def _per_sample(samples, values, place, field):
    if len(values) != len(samples):
        raise UserError(
            f"{place}: !Sample_{field} has {len(values)} values for {len(samples)} samples"
        )
    return zip(samples, values, strict=True)


def _key_and_value(text):
    # Keys move between rows and vary in case and spacing ("Gender:F", "Gender: F"), so each cell
    # is read by itself. The colon of "http://" ends no key.
    key, colon, value = re.fullmatch(r"(.*?)(:(?!//)|\Z)(.*)", text).groups()
    key = key.strip().lower()
    return (key, value.strip()) if colon and key else ("unnamed", text)


def _table(lines, names, path):
    import numpy as np
    import pandas as pd

    heading = next(((n, text) for n, text in lines if text.strip()), (0, END))
    rest = chain([heading], lines)
    if not heading[1].startswith(END):
        columns = [_unquoted(cell) for cell in heading[1].split("\t")][1:]
        if columns != names:
            odd = set(columns) ^ set(names)
            raise UserError(
                f"{path}:{heading[0]}: the table's columns and the sample record differ: "
                f"{some(sorted(odd)) if odd else 'another order or number'}"
            )
        rest = lines
    identifiers, parts, ended = [], [np.empty((0, len(names)))], False
    while not ended and (block := list(islice(rest, ROWS_AT_ONCE))):
        end = next((i for i, (_, text) in enumerate(block) if text.startswith(END)), None)
        if end is not None:
            rest, ended, block = chain(block[end + 1 :], rest), True, block[:end]
        block = [(number, text) for number, text in block if not text.isspace()]
        if block:
            identifiers += [_identifier(number, text, names, path) for number, text in block]
            parts.append(_values(block, names, path))
    if not ended:
        raise UserError(
            f"{path}: the line {END} is missing: the file is cut off; delete it and rerun"
        )
    for number, text in rest:  # to the end: only there does gzip check the whole
        if text.strip():
            raise UserError(f"{path}:{number}: found {text.strip()[:60]!r} after {END}")
    index = pd.Index(identifiers, dtype=str, name="ID_REF")
    repeated = index[index.duplicated()]
    if len(repeated):
        raise UserError(f"{path}: the row {repeated[0]!r} stands twice in the table")
    return pd.DataFrame(np.concatenate(parts), index=index, columns=names, copy=False)


def _identifier(number, text, names, path):
    identifier, values = _unquoted(text.partition("\t")[0]), text.count("\t")
    if values != len(names):
        raise UserError(
            f"{path}:{number}: the row {identifier[:60]!r} has {values} values for {len(names)} "
            "samples"
        )
    if not identifier:
        raise UserError(f"{path}:{number}: the row has values, but no identifier")
    return identifier


def _values(block, names, path):
    """Floats, rows x samples."""
    import numpy as np
    import pandas as pd

    text = "".join(text for _, text in block)
    try:
        values = pd.read_csv(
            io.StringIO(text),
            sep="\t",
            header=None,
            usecols=range(1, len(names) + 1),
            dtype=float,
            keep_default_na=False,
            na_values=MISSING,
            quoting=csv.QUOTE_NONE,
            low_memory=False,
        ).to_numpy()
        if not np.isinf(values).any() and "\0" not in text:
            return values
    except ValueError:
        pass
    # A cell that the quick parser does not take (quoted, padded, infinite) or nobody should.
    return np.array([_row(number, text, names, path) for number, text in block])


def _row(number, text, names, path):
    identifier, *cells = (_unquoted(cell) for cell in text.split("\t"))
    values = []
    for name, cell in zip(names, cells, strict=True):
        value = float(cell) if NUMBER.fullmatch(cell) else None
        if value is None and cell.casefold() in NO_VALUE:
            value = float("nan")
        if value is None or abs(value) == float("inf"):
            comma = " with a decimal point, not a comma" if DECIMAL_COMMA.fullmatch(cell) else ""
            raise UserError(
                f"{path}:{number}: sample {name}, row {identifier}: found {cell[:60]!r}, expected "
                f"a number{comma}"
            )
        values.append(value)
    return values


def _unquoted(cell):
    cell = cell.strip()
    if len(cell) > 1 and cell[0] == cell[-1] == '"':
        cell = cell[1:-1].replace('""', '"').strip()
    return cell

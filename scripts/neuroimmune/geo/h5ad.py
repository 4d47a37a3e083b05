"""Read the counts of chosen cells from an h5ad file, wherever in it they are."""

from ..errors import UserError, some
from ..genes import PATTERNS
from .grid import note
from .hdf5 import as_text, opened, read_array
from .tenx import FEATURE_TYPES, Counts, check_sparse, looks_like_genes, mostly

# Columns of `var` that hold the symbol, or the kind of feature, where the index does not.
SYMBOLS = ("gene_symbols", "gene_symbol", "feature_name", "gene_name", "gene_short_name", "symbol")
BLOCK = 2**24  # values that are read at a time


def read_h5ad(file, where, choose, is_count, layer=None):
    """Counts of an h5ad file: of the first of X, raw.X and the layers that holds counts.

    file: path or stream; choose: function of (barcodes, function of a column's name), see
    `cells.read_sample`; is_count: function of an array of values, '' or what is wrong with them;
    layer: 'X', 'raw' or a layer's name, where it is to be that one. raw.X comes first where it has
    more genes than X.
    Raises UserError where none of them holds counts, saying what each holds.
    """
    with opened(file, where) as h5:
        if not {"obs", "var"} <= set(h5):
            hint = "; it looks like 10x's: set source.kind to tenx" if "matrix" in h5 else ""
            raise UserError(f"{where}: not an h5ad file (found {some(h5) or 'nothing'}){hint}")
        barcodes = _index(h5, "obs", where)
        var, size = _index(h5, "var", where), len(barcodes)
        if looks_like_genes(barcodes) and not looks_like_genes(var):
            raise UserError(
                f"{where}: its rows are genes ({some(map(repr, barcodes), 3)}) and its columns "
                "cells; it must be turned"
            )
        positions, obs, notes = choose(barcodes, lambda name: _column(h5, "obs", name, where))
        found = _candidates(h5, layer, len(var), where)
        problems = []
        for name, (path, names) in found.items():
            genes = var if names == "var" else _index(h5, names, where)
            matrix, problem = _rows(h5[path], positions, (size, len(genes)), is_count, where)
            if not problem:
                break
            problems.append(f"{name}: {problem}")
        else:
            raise UserError(f"{where}: no raw counts in it; {'; '.join(problems)}")
        features = _features(h5, names, genes, where)
        if problems or name != "X":
            reason = f"{name} holds the counts" + "".join(f"; {text}" for text in problems)
            notes = [*notes, note("matrices of the file", "matrix", [], reason)]
        if "raw" in h5 and names == "var":
            kept = set(genes)
            rest = [gene for gene in _index(h5, "raw/var", where) if gene not in kept]
            if rest:
                reason = f"only raw.X has them, and that holds no counts; {name} does"
                notes = [*notes, note("genes without counts", "gene", rest, reason)]
    return Counts(matrix, obs, features, where, notes)


def _candidates(h5, layer, size, where):
    """Name -> (path, path of its genes) of the matrices that may hold counts, in order."""
    found = {"X": ("X", "var")} if "X" in h5 else {}
    raw, names = ("raw/X", "raw/var") if "raw" in h5 else ("raw.X", "raw.var")
    if raw in h5:
        more = len(_index(h5, names, where)) > size
        found = {"raw": (raw, names), **found} if more else {**found, "raw": (raw, names)}
    layers = h5.get("layers", {})
    found |= {name: (f"layers/{name}", "var") for name in sorted(layers) if name not in found}
    if layer is not None:
        if layer not in found:
            raise UserError(
                f"{where}: source.layer is {layer!r}, but the file has {some(found) or 'no matrix'}"
            )
        return {layer: found[layer]}
    return found


def _index(h5, path, where):
    """Names of the rows (obs) or columns (var) of the file."""
    frame = h5[path]
    if hasattr(frame, "keys"):
        name = frame.attrs.get("_index", "_index" if "_index" in frame else "index")
        return _text(frame[name.decode() if isinstance(name, bytes) else name], h5, where)
    fields = frame.dtype.names
    return _strings(read_array(frame, where)["index" if "index" in fields else fields[0]])


def _column(h5, path, name, where):
    """Text of a column of obs or var, '' where it has no value. Raises UserError without it."""
    frame = h5[path]
    if not hasattr(frame, "keys"):  # written before anndata 0.7
        if name not in frame.dtype.names:
            raise UserError(f"{where}: no column {name!r} in {path}: {some(frame.dtype.names, 20)}")
        values = read_array(frame, where)[name]
        codes = h5.get(f"uns/{name}_categories")
        return _strings(values if codes is None else _coded(values, as_text(codes, where)))
    if name not in frame:
        columns = [key for key in frame if key not in ("_index", "__categories")]
        raise UserError(f"{where}: no column {name!r} in {path}: {some(columns, 20)}")
    return _text(frame[name], h5, where)


def _text(element, h5, where):
    if "categories" in element.attrs:  # written by anndata 0.7
        words = as_text(h5[element.attrs["categories"]], where)
        return _strings(_coded(read_array(element, where), words))
    if not hasattr(element, "keys"):
        return _strings(read_array(element, where))
    if {"codes", "categories"} <= set(element):
        words = _text(element["categories"], h5, where)
        return _strings(_coded(read_array(element["codes"], where), words))
    if {"values", "mask"} <= set(element):
        values, mask = (read_array(element[name], where) for name in ("values", "mask"))
        return ["" if no else text for text, no in zip(_strings(values), mask, strict=True)]
    kind = element.attrs.get("encoding-type", "")
    raise UserError(
        f"{where}: {element.name} is of kind {kind!r}, which is not known here; write the file "
        "again with a plain column"
    )


def _coded(codes, words):
    return [words[code] if code >= 0 else "" for code in codes.tolist()]


def _strings(values):
    """List of str of an array; '' for what is missing, whole numbers without decimals."""
    texts = []
    for value in values if isinstance(values, list) else values.tolist():
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        elif isinstance(value, float):
            value = "" if value != value else f"{value:.15g}"
        texts.append(str(value))
    return texts


def _features(h5, path, index, where):
    """(id, symbol, type) of every gene: the id is Ensembl's where a column has it."""
    frame = h5[path]
    names = list(frame) if hasattr(frame, "keys") else list(frame.dtype.names)
    columns = {}
    for name in names:
        try:
            column = _column(h5, path, name, where)
        except (UserError, TypeError):
            continue  # of a kind that holds no names
        if len(column) == len(index):
            columns[name] = column
    ids = index
    if not mostly(PATTERNS["Ensembl"].search, index, 0.5):
        ids = next((c for c in columns.values() if mostly(PATTERNS["Ensembl"].search, c)), index)
    labels = index
    if ids is index:
        labels = next((columns[name] for name in SYMBOLS if name in columns), [""] * len(ids))
    types = next((c for c in columns.values() if mostly(FEATURE_TYPES.fullmatch, c)), None)
    return list(zip(ids, labels, types or [""] * len(ids), strict=True))


def _rows(element, positions, shape, is_count, where):
    """(CSR of the rows at these positions, ''), or (None, what is wrong with the values).

    positions: sorted. Reads some rows (or, of a matrix compressed by columns, some columns) at a
    time, and stops where values are no counts.
    """
    import numpy as np
    from scipy.sparse import csc_matrix, csr_matrix, hstack, vstack

    positions = np.asarray(positions)
    where, parts = f"{where}: {element.name}", []
    if not hasattr(element, "keys"):
        if tuple(element.shape) != shape:
            raise UserError(
                f"{where}: {element.shape}, but {shape[0]:,} cells x {shape[1]:,} genes"
            )
        step = max(1, BLOCK // max(1, shape[1]))
        for start in range(0, len(positions), step):
            part = csr_matrix(_some_rows(element, positions[start : start + step], step, where))
            if problem := is_count(part.data):
                return None, problem
            parts.append(part)
        return vstack(parts, "csr") if parts else csr_matrix((0, shape[1])), ""
    by_row = _is_csr(element, where)
    indptr = read_array(element["indptr"], where).astype(np.int64)
    long, short = shape if by_row else shape[::-1]
    if len(indptr) != long + 1 or (np.diff(indptr) < 0).any() or indptr[0] != 0:
        raise UserError(f"{where}: the sparse matrix does not fit its {shape[0]:,} x {shape[1]:,}")
    start = 0
    while start < long:
        end = max(start + 1, int(np.searchsorted(indptr, indptr[start] + BLOCK, "right")) - 1)
        inside = (
            positions[(positions >= start) & (positions < end)] - start if by_row else positions
        )
        if len(inside):
            values = slice(int(indptr[start]), int(indptr[end]))
            data = read_array(element["data"], where, values)
            places = read_array(element["indices"], where, values).astype(np.int64)
            ends = indptr[start : end + 1] - indptr[start]
            check_sparse(data, places, ends, (end - start, short), where)
            if by_row:
                part = csr_matrix((data, places, ends), shape=(end - start, short))[inside]
            else:
                part = csc_matrix((data, places, ends), shape=(short, end - start))[inside]
            if problem := is_count(part.data):
                return None, problem
            parts.append(part)
        start = end
    if not parts:
        return csr_matrix((len(positions), shape[1])), ""
    return (vstack(parts, "csr") if by_row else hstack(parts, "csr")), ""


def _some_rows(dataset, positions, step, where):
    """Rows of a dense dataset; they are read in one go where they lie close together."""
    first, last = int(positions[0]), int(positions[-1]) + 1
    if last - first <= 4 * step:
        return read_array(dataset, where, slice(first, last))[positions - first]
    return read_array(dataset, where, positions)


def _is_csr(element, where):
    kind = element.attrs.get("encoding-type", element.attrs.get("h5sparse_format", ""))
    kind = (kind.decode() if isinstance(kind, bytes) else str(kind)).removesuffix("_matrix")
    if kind not in ("csr", "csc") or not {"data", "indices", "indptr"} <= set(element):
        raise UserError(f"{where}: of kind {kind!r}; expected a sparse matrix or an array")
    return kind == "csr"

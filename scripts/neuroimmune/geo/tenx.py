"""Read 10x counts: a matrix with its two lists (MatrixMarket), or an HDF5 file."""

import csv
import re
import warnings
from collections import namedtuple

from ..errors import UserError, some
from ..genes import PATTERNS
from .cell_names import FEATURE_TYPES, is_barcode, looks_like_genes, mostly
from .grid import decode, note
from .hdf5 import as_text, check_sparse, opened, read_array

# matrix: scipy CSR, the chosen cells x features; obs: DataFrame of these cells, named by barcode;
# features: list of (id, name, type), as in the file.
Counts = namedtuple("Counts", "matrix obs features where notes")
# columns: equally long lists of text; barcodes: which of them has barcodes, or None; genes: whether
# one has gene identifiers.
Names = namedtuple("Names", "where columns barcodes genes")

HEADINGS = re.compile(
    r"|x|v[123]|(gene|feature|cell|ensembl)?[ _.-]?(ids?|names?|symbols?|types?)|genes?|features?|"
    r"(cell[ _.-]?)?barcodes?|cells?",
    re.IGNORECASE,
)
# An Ensembl gene with the genome before it, as in references of two species.
PREFIXED = re.compile(rf"(\w*?[A-Za-z0-9])_+(?:{PATTERNS['Ensembl'].pattern})")
LONGEST = 2**20  # bytes of a line above the entries
BLOCK = 2**24  # bytes of text that are turned into numbers at a time


def read_list(raw, where):
    """Names of a list of barcodes or features: text in one to three columns, no header needed.

    Raises UserError where lines differ in their number of columns or the list is empty.
    """
    text = decode(raw, where).replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    while lines and not lines[-1].strip(" "):
        lines.pop()
    if not lines:
        raise UserError(f"{where}: the list is empty")
    first = lines[:1000]
    mark = next((m for m in ",;" if all(m in line for line in first)), None)
    mark = "\t" if any("\t" in line for line in first) else mark
    if mark is None and '"' not in text:
        columns = [[line.strip() for line in lines]]
    else:
        columns = _columns(lines, mark or "\t", where)
    below = [names[1:] or names for names in columns]  # the first line may be a header
    barcodes = next((place for place, names in enumerate(below) if mostly(is_barcode, names)), None)
    return Names(where, columns, barcodes, any(map(looks_like_genes, below)))


def _columns(lines, mark, where):
    try:
        rows = [row for row in csv.reader(lines, delimiter=mark) if row]
    except csv.Error as error:
        raise UserError(f"{where}: cannot be split into columns ({error})") from None
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            raise UserError(
                f"{where}:{number}: {len(row)} columns, but the first line has {len(rows[0])}"
            )
    return [[cell.strip() for cell in column] for column in zip(*rows, strict=True)]


def read_triplet(stream, where, lists, choose, genome=None):
    """Counts of a MatrixMarket file (binary stream) and its two lists (`Names`).

    choose: function of the barcodes, that gives the positions of the wanted ones, their obs, and
    notes; genome: whose counts to take, where the identifiers are of several and have its name
    before them (GRCh38_ENSG...). Which list is which, and whether the matrix is genes x cells or
    cells x genes, is decided by what the lists hold and by their lengths.
    Raises UserError where this leaves a doubt, where the lengths do not fit, and for a damaged
    matrix.
    """
    import numpy as np
    from scipy.sparse import coo_matrix

    shape, entries = _matrix_header(stream, where)
    barcodes, features, sure, notes = _tell_apart(lists, where)
    barcodes, features, turned, more = _fit(shape, barcodes, features, sure, where)
    names = barcodes.columns[barcodes.barcodes or 0]
    positions, obs, chosen = choose(names)
    wanted = np.full(len(names), -1, np.int32)
    wanted[positions] = np.arange(len(positions))
    genes, cells, values = _entries(stream, shape, entries, wanted, turned, where)
    counts = coo_matrix((values, (cells, genes)), shape=(len(positions), len(features.columns[0])))
    features = _features(features)
    genomes = _prefixes([name for name, _, _ in features])
    counts, features, others = _of_genome(counts.tocsr(), features, genomes, genome, where)
    return Counts(counts, obs, features, where, [*notes, *more, *others, *chosen])


def _tell_apart(lists, where):
    """(list of barcodes, list of features, whether what they hold says so, notes)."""
    if len(lists) != 2:
        raise UserError(
            f"{where}: expected one list of barcodes and one of genes beside the matrix, found "
            f"{len(lists)}: {some(names.where for names in lists) or 'none'}; name a list that the "
            "samples share in source.features or source.barcodes, or the sample's files in the "
            "column 'files' of samples.tsv"
        )
    named = [names for names in lists if _named_barcodes(names.where)]
    with_barcodes = [names for names in lists if names.barcodes is not None and not names.genes]
    with_genes = [names for names in lists if names.genes]
    if len(with_barcodes) == 1:
        barcodes = with_barcodes[0]
    elif len(with_genes) == 1:
        barcodes = next(names for names in lists if not names.genes)
    elif not with_barcodes and not with_genes and len(named) == 1:
        barcodes = named[0]
    else:
        first, second = (f"{names.where} ({names.columns[0][0]!r}, ...)" for names in lists)
        raise UserError(
            f"{where}: cannot tell which of {first} and {second} lists the barcodes and which the "
            "genes"
        )
    features = next(names for names in lists if names is not barcodes)
    notes = []
    if named == [features]:
        reason = f"{features.where} holds the genes and {barcodes.where} the barcodes"
        notes.append(note("lists swapped", "file", [], reason))
    return barcodes, features, bool(with_barcodes or with_genes), notes


def _named_barcodes(where):
    name = re.split(r"[/'\\]", where.rstrip("'"))[-1]
    return bool(re.search(r"barcode|cell", name, re.IGNORECASE))


def _fit(shape, barcodes, features, sure, where):
    """(lists without their header lines, whether the matrix is cells x genes, notes)."""
    for sizes in (shape, shape[::-1]) if sure else (shape,):
        cut = []
        for names, wanted in zip((features, barcodes), sizes, strict=True):
            extra = len(names.columns[0]) - wanted
            if extra == 0 or (extra == 1 and _is_header(names)):
                cut.append(extra)
        if len(cut) == 2:
            break
    else:
        raise UserError(
            f"{where}: the matrix has {shape[0]:,} rows and {shape[1]:,} columns, but "
            f"{features.where} lists {len(features.columns[0]):,} genes and {barcodes.where} "
            f"{len(barcodes.columns[0]):,} barcodes; these files do not belong together: leave the "
            "sample out with include 'no' and a note in samples.tsv, or name the right files"
        )
    notes, turned = [], sizes != shape
    for names, extra in ((features, cut[0]), (barcodes, cut[1])):
        if extra:
            reason = f"the first line of {names.where} is a header"
            line = " ".join(column[0] for column in names.columns)
            notes.append(note("header lines", "row", [line], reason))
    if turned:
        reason = f"{where} is cells x genes and was turned"
        notes.append(note("orientation", "matrix", [], reason))
    elif shape[0] == shape[1]:
        reason = f"{where} has as many rows as columns; read as genes x cells, as 10x writes it"
        notes.append(note("orientation", "matrix", [], reason))
    features, barcodes = (
        names._replace(columns=[column[extra:] for column in names.columns])
        for names, extra in zip((features, barcodes), cut, strict=True)
    )
    return barcodes, features, turned, notes


def _is_header(names):
    return all(HEADINGS.fullmatch(column[0]) for column in names.columns)


def _features(names):
    """(id, name, type) of every row of a list of features."""
    columns = names.columns
    if len(columns) > 1 and columns[0] == [str(n) for n in range(1, len(columns[0]) + 1)]:
        columns = columns[1:]  # without the row numbers of R's write.csv
    types = next((c for c in columns[1:] if mostly(FEATURE_TYPES.fullmatch, c)), None)
    columns = [column for column in columns if column is not types]
    ids = next(
        (c for c in columns if mostly(PATTERNS["Ensembl"].search, c, 0.5)),
        columns[0],
    )
    others = [column for column in columns if column is not ids]
    labels = others[0] if others else [""] * len(ids)
    return list(zip(ids, labels, types or [""] * len(ids), strict=True))


def _matrix_header(stream, where):
    """((rows, columns), entries) of a MatrixMarket file; the stream then stands at the entries."""
    words = stream.readline(LONGEST).decode("ascii", "replace").lower().split()
    if words[:3] != ["%%matrixmarket", "matrix", "coordinate"]:
        raise UserError(
            f"{where}: expected a sparse matrix (%%MatrixMarket matrix coordinate ...), found "
            f"{' '.join(words)[:60]!r}"
        )
    if len(words) != 5 or words[3] not in ("integer", "real") or words[4] != "general":
        raise UserError(
            f"{where}: a matrix of kind {' '.join(words[3:])[:60]!r}; expected 'integer general' "
            "or 'real general'"
        )
    for line in iter(lambda: stream.readline(LONGEST), b""):
        if line.strip() and not line.startswith(b"%"):
            break
    else:
        raise UserError(f"{where}: ends before the line with the matrix's size")
    sizes = line.split()
    if len(sizes) != 3 or not all(re.fullmatch(rb"[0-9]{1,15}", size) for size in sizes):
        raise UserError(
            f"{where}: expected the numbers of rows, columns and entries, found "
            f"{line.decode('ascii', 'replace').strip()[:60]!r}"
        )
    rows, columns, entries = map(int, sizes)
    return (rows, columns), entries


def _entries(stream, shape, entries, wanted, turned, where):
    """Arrays of gene (from 0), cell (its place among the wanted) and value of the entries.

    wanted: the new place of each cell, or -1.
    """
    import numpy as np

    found, parts = 0, [[], [], []]
    gene, cell = (1, 0) if turned else (0, 1)
    for text in _blocks(stream, where):
        numbers = to_numbers(text)
        if numbers is None or numbers.size != 3 * _lines(text):
            raise UserError(f"{where}: {_faulty(text)}")
        triples = numbers.reshape(-1, 3)
        found += len(triples)
        for column, size, name in ((0, shape[0], "row"), (1, shape[1], "column")):
            places = triples[:, column]
            bad = ~((places >= 1) & (places <= size) & (places == np.floor(places)))
            if bad.any():
                raise UserError(
                    f"{where}: {name} {places[bad][0]:g} of an entry, but the matrix has {size:,} "
                    f"{name}s"
                )
        places = wanted[triples[:, cell].astype(np.int64) - 1]
        triples = triples[places >= 0]
        parts[0].append((triples[:, gene] - 1).astype(np.int32))
        parts[1].append(places[places >= 0])
        parts[2].append(triples[:, 2].copy())
    if found != entries:
        raise UserError(
            f"{where}: {entries:,} entries are announced, but the file has {found:,}; it is cut "
            "off or damaged"
        )
    if not found:
        return np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.int64)
    return tuple(np.concatenate(part) for part in parts)


def _blocks(stream, where):
    """The rest of a stream in blocks of whole lines."""
    rest = b""
    while raw := stream.read(BLOCK):
        end = raw.rfind(b"\n") + 1
        if not end and len(rest) + len(raw) > 2 * BLOCK:
            raise UserError(f"{where}: no line ends for {BLOCK:,} bytes; the file is damaged")
        if end:
            yield rest + raw[:end]
            rest = b""
        rest += raw[end:]
    if rest.strip():
        yield rest


def _lines(text):
    """How many lines have something in them."""
    if b"\n\n" in text or b"\r" in text or text[:1] == b"\n":
        return sum(bool(line.strip()) for line in text.splitlines())
    return text.count(b"\n") + (not text.endswith(b"\n"))


def to_numbers(text, separator=" "):
    """Array of the numbers of a text (bytes or str), or None where something is no number."""
    import numpy as np

    if not text.strip():
        return np.zeros(0)  # NumPy finds a number in blanks
    signs = (b"-", b"+") if isinstance(text, bytes) else "-+"
    signed = any(sign in text for sign in signs)  # and takes a mere sign for 0 when reading ints
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        # Whole numbers are read eight times as fast.
        for kind in (np.float64,) if signed else (np.int64, np.float64):
            try:
                return np.fromstring(text, dtype=kind, sep=separator)
            except (ValueError, DeprecationWarning):
                pass
    return None


def _faulty(text):
    for line in text.splitlines():
        numbers = to_numbers(line)
        if line.strip() and (numbers is None or len(numbers) != 3):
            shown = line.decode("ascii", "replace").strip()[:60]
            return f"expected row, column and count in a line, found {shown!r}"
    return "expected row, column and count in each line"


def read_h5(file, where, choose, genome=None):
    """Counts of an HDF5 file of Cell Ranger 2 (a group a genome) or of Cell Ranger 3 and later.

    file: path or stream; choose: as in `read_triplet`; genome: whose counts to take, where there
    are several.
    Raises UserError for other HDF5 files, and where the genome must be chosen.
    """
    with opened(file, where) as h5:
        if "matrix" in h5 and "features" in h5["matrix"]:
            group = h5["matrix"]
            lists = group["features"]
            keys = ("id", "name", "feature_type", "genome")
        else:
            found = [name for name in h5 if hasattr(h5[name], "keys") and "genes" in h5[name]]
            if not found:
                hint = "; it is an h5ad file: set source.kind to h5ad" if "obs" in h5 else ""
                raise UserError(
                    f"{where}: no 10x counts in it (found {some(h5) or 'nothing'}){hint}"
                )
            group = lists = h5[_choose_genome(found, genome, where)]
            keys = ("genes", "gene_names")
        read = [as_text(lists[key], where) if key in lists else [] for key in keys]
        ids, names, types, genomes = (*read, [], [])[:4]
        ids = ids or names  # written by other programs
        names, types, genomes = (part or [""] * len(ids) for part in (names, types, genomes))
        barcodes = as_text(group["barcodes"], where)
        counts = _h5_matrix(group, len(barcodes), len(ids), where)
    if not len(ids) == len(names) == len(types) == len(genomes):
        raise UserError(
            f"{where}: {len(ids):,} ids, {len(names):,} names and {len(types):,} types of features"
        )
    features = list(zip(ids, names, types, strict=True))
    counts, features, notes = _of_genome(counts, features, genomes, genome, where)
    positions, obs, chosen = choose(barcodes)
    return Counts(counts[positions], obs, features, where, notes + chosen)


def _prefixes(ids):
    """The genome before each identifier, or ''. What differs from gene to gene is a symbol."""
    found = [match[1] if (match := PREFIXED.match(name)) else "" for name in ids]
    return found if len(set(found) - {""}) <= len(ids) / 2 else [""] * len(ids)


def _of_genome(counts, features, genomes, genome, where):
    """(counts, features, notes) of one genome; genomes: of each feature, '' where not said."""
    several = [name for name in dict.fromkeys(genomes) if name]
    if len(several) < 2 and not (genome and several):
        return counts, features, []
    chosen = _choose_genome(several, genome, where)
    kept = [place for place, name in enumerate(genomes) if name in ("", chosen)]
    left = [
        name
        for (name, _, _), other in zip(features, genomes, strict=True)
        if other not in ("", chosen)
    ]
    notes = [note("other genomes", "gene", left, f"source.genome is {chosen}")] if left else []
    return counts[:, kept], [features[place] for place in kept], notes


def _choose_genome(found, genome, where):
    if genome is None and len(found) == 1:
        return found[0]
    if genome not in found:
        said = "name one" if genome is None else f"there is no {genome!r}; name one of them"
        raise UserError(f"{where}: counts on {some(found)}: {said} in source.genome")
    return genome


def _h5_matrix(group, n_cells, n_features, where):
    """CSR, cells x features, of Cell Ranger's compressed columns."""
    import numpy as np
    from scipy.sparse import csr_matrix

    data, indices, indptr, shape = (
        read_array(group[name], where) for name in ("data", "indices", "indptr", "shape")
    )
    if tuple(shape.tolist()) != (n_features, n_cells):
        found = " x ".join(f"{size:,}" for size in shape.tolist())
        raise UserError(
            f"{where}: the matrix has {found} features x cells, but {n_features:,} features and "
            f"{n_cells:,} barcodes are listed"
        )
    indices, indptr = indices.astype(np.int64), indptr.astype(np.int64)
    check_sparse(data, indices, indptr, (n_cells, n_features), where)
    return csr_matrix((data, indices, indptr), shape=(n_cells, n_features))

"""Read the raw counts of one sample of single cells, in whatever form GEO holds them."""

import io
import re
from contextlib import closing, contextmanager
from pathlib import Path

from ..errors import UserError, some
from ..genes import PATTERNS, identifier_kind, read_name
from ..studies import file_name
from .archives import open_files, unpack
from .cell_counts import read_table
from .cell_table import choose_cells, column, read_cell_table
from .grid import note
from .h5ad import read_h5ad
from .hdf5 import HDF5
from .tenx import read_h5, read_list, read_triplet

# Members that hold no counts and no lists.
OTHERS = re.compile(
    r"(contig|clonotype|fragments|metrics|web_summary|cloupe|tissue_positions|scalefactors)|"
    r"\.(png|jpe?g|tiff?|svg|pdf|html?|json|bam|bai|bed|tbi|fa|fasta|fastq|gtf|rds|rda|rdata|"
    r"robj|loom|cloupe|xlsx?|docx?)(\.gz)?$",
    re.IGNORECASE,
)
LISTS = re.compile("barcode|cell|gene|feature", re.IGNORECASE)
GSM = re.compile(r"(?<![A-Za-z0-9])GSM\d+", re.IGNORECASE)
TAGS = re.compile(r"(adt|hto|hashtag)[-_: ].*|.*[-_](totalseq[-_]?[abc]?|adt|hto)", re.IGNORECASE)
NEAR = 1e-6  # how far from a whole number a count may be
MOST = 2**31 - 1
SAME = 1e-3  # cells whose sums differ by less, relatively, are normalised (rounded, perhaps),
SOME_CELLS = 20  # where there are as many of them


def read_sample(paths, sample, source):
    """(AnnData, notes) with the raw counts of one sample.

    paths: the study's files that hold the sample: its own, or those of the series, and the lists
    and the table of cells that source names. sample: its row of samples.tsv ('sample', 'files').
    source: the block of study.yaml.

    AnnData: X int32 CSR, cells x genes; obs named by barcode as in the file, with the fields of
    source.cells (text); var named by gene identifier (Ensembl where the file has it), with
    'label', the symbol ('' where the file has none). notes: dicts of step, unit, left_out, reason
    and examples for whatever of the file is not in X, or was changed.

    Raises UserError where a file is missing or damaged, where lists and matrix do not fit, where
    a choice would be a guess, and for values that are no counts.
    """
    import anndata

    shared = _named_files(paths, source)
    own = [path for path in paths if path not in shared.values()]
    files, whole = _find_files(own, sample, source)
    wanted = {"tenx": ("HDF5", "matrix"), "h5ad": ("HDF5",), "cell_counts": ("text",)}
    found = [file for file, kind in files.items() if kind in wanted[source["kind"]]]
    if len(found) != 1:
        raise UserError(
            f"{some(map(str, own))}: {len(found) or 'no'} files with counts of {sample['sample']} "
            f"({some(map(_name, found or files)) or 'none is its own'}); name one, or what its "
            "files' names begin with, in the column 'files' of samples.tsv"
        )
    file, where = found[0], _where(*found[0])

    columns = [] if "cells" in shared else _columns(source.get("cells", {}))
    if columns and source["kind"] != "h5ad":
        raise UserError(
            f"{where}: source.cells: the file says nothing of its cells but their barcode; name a "
            f"table with {some(columns)} in source.cells.file"
        )

    def choose(barcodes, table=None):
        return _choose(barcodes, table, sample, source, shared, where)

    if source["kind"] == "cell_counts":
        counts, used = read_table(lambda: _opened(*file), where, choose), [file]
    elif files[file] == "matrix":
        counts, used = _read_triplet(files, file, shared, choose, source.get("genome"))
    else:
        with _opened(*file) as stream:
            path = file[0] if not file[1] and stream.seekable() else io.BytesIO(stream.read())
            if source["kind"] == "tenx":
                counts, used = read_h5(path, where, choose, source.get("genome")), [file]
            else:
                layer = source.get("layer")
                counts = read_h5ad(path, where, columns, choose, what_is_wrong, layer)
                used = [file]
    notes = list(counts.notes)
    rest = [_name(other) for other in files if other not in used]
    if rest and not whole:
        notes.append(note("other files of the sample", "file", rest, "not needed for the counts"))
    matrix = _whole_numbers(counts.matrix, where)
    matrix, genes, more = _join_genes(matrix, counts.features, where)
    return anndata.AnnData(matrix, counts.obs, genes), notes + more


def _named_files(paths, source):
    """Key (features, barcodes, cells) -> path of what study.yaml names for all samples."""
    named = {key: source[key] for key in ("features", "barcodes") if key in source}
    if "file" in source.get("cells", {}):
        named["cells"] = source["cells"]["file"]
    found = {}
    for key, name in named.items():
        found[key] = next((path for path in paths if Path(path).name == name), None)
        if found[key] is None:
            raise UserError(f"{name}: named in study.yaml, but not among the files of the sample")
    return found


def _find_files(paths, sample, source):
    """((path, name inside) -> 'HDF5', 'matrix', 'text' or 'other'; whether others share them)."""
    given = source.get("sample_files", [])
    own = {file_name(name, sample) for name in given if "{" in name}
    files, others = _kinds(paths, lambda name: name in own or _belongs(name, sample))
    if files:
        return files, False
    if "sample" in source.get("cells", {}):
        files, _ = _kinds(paths, lambda name: name in given or not GSM.search(name))
        if files:
            return files, True
    by = f" by {sample['files']!r} (files in samples.tsv)" if sample.get("files") else ""
    raise UserError(
        f"{some(map(str, paths))}: no file of {sample['sample']}{by}; found {some(others)}. Write "
        "what its files' names begin with into the column 'files' of samples.tsv, or, where one "
        "file has the cells of several samples, say in source.cells.sample which are whose"
    )


def _kinds(paths, wanted):
    """(file -> kind, as in `_find_files`, of the wanted files; names of the others)."""
    files, others = {}, []
    for path in map(Path, paths):
        if not path.is_file():
            raise UserError(f"{path}: no such file")
        for name, stream in open_files(path, wanted):
            if not wanted(name or path.name):
                others.append(name or path.name)
                continue
            if (path, name) in files:
                raise UserError(f"{_where(path, name)}: stands twice in the archive")
            start = stream.read(64)
            kind = "text"
            if start.startswith(HDF5):
                kind = "HDF5"
            elif start[:14].lower() == b"%%matrixmarket":
                kind = "matrix"
            elif b"\0" in start or OTHERS.search(name or path.name):
                kind = "other"
            files[path, name] = kind
    return files, others


def _name(file):
    path, name = file
    return name or path.name


def _where(path, name):
    return f"{path}: member {name!r}" if name else str(path)


@contextmanager
def _opened(path, name):
    """The stream of one file that `_kinds` has found."""
    files = open_files(path, lambda other: name == other or name.startswith(f"{other}/"))
    with closing(files):
        yield next(stream for other, stream in files if other == name)


def _read_triplet(files, matrix, shared, choose, genome):
    """(Counts, the files used) of a MatrixMarket file and the two lists beside it."""
    lists = [file for file, kind in files.items() if kind == "text"]
    given = [key for key in ("features", "barcodes") if key in shared]
    if len(lists) + len(given) > 2:
        lists = [file for file in lists if LISTS.search(_name(file))]
    names = []
    for file in lists:
        with _opened(*file) as stream:
            names.append(read_list(stream.read(), _where(*file)))
    for key in given:
        [(_, raw)] = unpack(shared[key])
        names.append(read_list(raw, str(shared[key])))
    with _opened(*matrix) as stream:
        return read_triplet(stream, _where(*matrix), names, choose, genome), [matrix, *lists]


def _columns(settings):
    """The columns that source.cells names, but for the barcodes themselves."""
    fields = [settings.get("sample", {}), *settings.get("fields", {}).values()]
    names = [field["from"] for field in fields if "from" in field] + [*settings.get("keep", {})]
    return [name for name in dict.fromkeys(names) if name != "barcode"]


def _choose(barcodes, table, sample, source, shared, where):
    """(positions of the sample's cells among the barcodes, their obs, notes)."""
    import numpy as np
    import pandas as pd

    settings, notes = source.get("cells", {}), []
    if "cells" in shared:
        at = str(shared["cells"])
        table = read_cell_table(shared["cells"])
        cells = column(table, settings.get("barcode", table.columns[0]), "barcode", at)
        positions, obs, notes = choose_cells(barcodes, table, cells, sample, settings, at)
    elif settings:
        table = pd.DataFrame(index=range(len(barcodes))) if table is None else table
        positions, obs, notes = choose_cells(barcodes, table, None, sample, settings, where)
    else:
        positions, obs = np.arange(len(barcodes)), pd.DataFrame(index=range(len(barcodes)))
    obs.index = pd.Index([barcodes[place] for place in positions], dtype=str, name="barcode")
    twice = obs.index[obs.index.duplicated()]
    if len(twice):
        raise UserError(
            f"{where}: the barcode {twice[0]!r} stands twice ({len(twice):,} such); the cells of "
            "several libraries cannot be told apart"
        )
    return positions, obs, notes


def _belongs(name, sample):
    """Whether a file is the sample's: by its GSM, or by what samples.tsv says in 'files'."""
    numbers = {match.upper() for match in GSM.findall(name)}
    if numbers and sample["sample"].upper() not in numbers:
        return False
    key = sample.get("files")
    if not key:
        return bool(numbers)
    end = "(?![A-Za-z0-9])" if key[-1].isalnum() else ""
    return bool(re.search(rf"(^|/)(GSM\d+_)?{re.escape(key)}{end}", name))


def what_is_wrong(values):
    """'' for an array of raw counts, else what speaks against it."""
    import numpy as np

    if not len(values):
        return ""
    if not np.isfinite(values).all():
        return f"{(~np.isfinite(values)).sum():,} of {len(values):,} values are no numbers"
    low, high = values.min(), values.max()
    broken = (np.abs(values - np.rint(values)) > NEAR).mean() if values.dtype.kind == "f" else 0
    if low >= 0 and not broken:
        return f"a count of {high:g}, more than {MOST:,}" if high > MOST else ""
    kind = "scaled" if low < 0 else "logged" if high < 30 else "normalised or corrected"
    return (
        f"the values look {kind}: {broken:.1%} of {len(values):,} are not whole numbers, they run "
        f"from {low:g} to {high:g}"
    )


def _whole_numbers(matrix, where):
    """The matrix as int32. Raises UserError, with what was found, where it holds no counts."""
    import numpy as np

    matrix.sum_duplicates()
    problem = what_is_wrong(matrix.data)
    totals = np.asarray(matrix.sum(axis=1, dtype=np.float64)).ravel()
    if not problem and len(totals) >= SOME_CELLS and np.ptp(totals) <= SAME * totals.max() > 0:
        problem = f"every cell has the same sum ({totals.max():,.0f}), so they are normalised"
    if problem:
        raise UserError(
            f"{where}: no raw counts: {problem}. Only raw counts can be summed to pseudobulk; name "
            "a file that holds them"
        )
    matrix.data = np.rint(matrix.data).astype(np.int32)
    matrix.eliminate_zeros()
    matrix.sort_indices()
    return matrix


def _join_genes(matrix, features, where):
    """(counts with one column a gene, DataFrame of the genes with 'label', notes)."""
    import numpy as np
    import pandas as pd
    from scipy.sparse import csr_matrix

    notes = []
    types = [kind for _, _, kind in features]
    kept = np.ones(len(features), bool)
    for kind in dict.fromkeys(filter(None, types)):
        if kind.lower() != "gene expression":
            chosen = np.array([other == kind for other in types])
            names = [features[place][0] for place in chosen.nonzero()[0]]
            notes.append(note("features that are no genes", "gene", names, kind))
            kept &= ~chosen
    tags = np.array([not kind and bool(TAGS.fullmatch(name)) for name, _, kind in features], bool)
    if tags.any():
        names = [features[place][0] for place in tags.nonzero()[0]]
        notes.append(note("features that are no genes", "gene", names, "tags of antibodies"))
        kept &= ~tags
    read = [_gene(*feature[:2]) for feature in features]
    blank = np.array([not name for name, _ in read], bool) & kept
    if blank.any():
        reason = "no identifier and no symbol"
        notes.append(note("rows without a gene", "gene", [""] * int(blank.sum()), reason))
        kept &= ~blank
    if not kept.any():
        raise UserError(f"{where}: no feature is a gene: {some(dict.fromkeys(types)) or 'none'}")
    ids = pd.Index([read[place][0] for place in kept.nonzero()[0]], dtype=str)
    labels = [read[place][1] for place in kept.nonzero()[0]]
    if identifier_kind(ids) == "symbol":
        symbols = [not any(form.fullmatch(name) for form in PATTERNS.values()) for name in ids]
        labels = [
            label or (name if symbol else "")
            for name, label, symbol in zip(ids, labels, symbols, strict=True)
        ]
    matrix = matrix[:, kept.nonzero()[0]] if not kept.all() else matrix
    if not ids.is_unique:
        codes, first = pd.factorize(ids)
        repeated = ids[ids.duplicated()]
        reason = "counts of rows with the same identifier are summed"
        notes.append(note("rows of one gene", "gene", repeated, reason))
        joined = csr_matrix(
            (np.ones(len(ids), np.int64), (np.arange(len(ids)), codes)), (len(ids), len(first))
        )
        labels = [labels[place] for place in np.flatnonzero(~ids.duplicated())]
        matrix, ids = matrix.astype(np.int64) @ joined, pd.Index(first, dtype=str)
        if matrix.nnz and matrix.max() > MOST:
            raise UserError(f"{where}: a sum of {matrix.max():g}; expected at most {MOST:,}")
        matrix = matrix.astype(np.int32)
        matrix.sort_indices()
    genes = pd.DataFrame({"label": labels}, index=ids.rename("gene"), dtype=str)
    return matrix, genes, notes


def _gene(name, label):
    identifier, beside = read_name(name or label)
    return identifier, (label.strip() if label != name else "") or beside

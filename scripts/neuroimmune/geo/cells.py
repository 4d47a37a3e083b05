"""Read the raw counts of one sample of single cells, in whatever form GEO holds them."""

import io
import re
from pathlib import Path

from ..errors import UserError, some
from ..genes import PATTERNS, identifier_kind, read_name
from . import celltable, tenx
from .archives import unpack
from .grid import note
from .hdf5 import HDF5

# Members that hold no counts and no lists.
OTHERS = re.compile(
    r"(contig|clonotype|fragments|metrics|web_summary|cloupe|tissue_positions|scalefactors)|"
    r"\.(png|jpe?g|tiff?|svg|pdf|html?|json|bam|bai|bed|tbi|fa|fasta|fastq|gtf|rds|rda|rdata|"
    r"robj|loom|cloupe|xlsx?|docx?)(\.gz)?$",
    re.IGNORECASE,
)
TAGS = re.compile(r"(adt|hto|hashtag)[-_: ].*|.*[-_](totalseq[-_]?[abc]?|adt|hto)", re.IGNORECASE)
NEAR = 1e-6  # how far from a whole number a count may be
MOST = 2**31 - 1


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
    import numpy as np
    import pandas as pd

    settings = source.get("cells", {})
    named = {key: source[key] for key in ("features", "barcodes") if key in source}
    if "file" in settings:
        named["cells"] = settings["file"]
    shared = {}
    for key, name in named.items():
        shared[key] = next((path for path in paths if Path(path).name == name), None)
        if shared[key] is None:
            raise UserError(f"{name}: named in study.yaml, but not among the files of the sample")
    own = [path for path in paths if path not in shared.values()]
    counts = _read_tenx(own, sample, source, shared)
    obs = pd.DataFrame(index=range(len(counts.barcodes)))
    barcodes, notes, matrix = counts.barcodes, list(counts.notes), counts.matrix
    if settings:
        where = str(shared.get("cells", counts.where))
        if "cells" in shared:
            table = celltable.read_cell_table(shared["cells"])
            column = settings.get("barcode", table.columns[0])
            table["barcode"] = celltable.column(table, column, "barcode", where)
        else:
            table = pd.DataFrame({"barcode": barcodes}, dtype=str)
        chosen, obs, more = celltable.choose_cells(barcodes, table, sample, settings, where)
        matrix, barcodes = matrix[chosen], [barcodes[place] for place in chosen]
        notes += more
    twice = pd.Index(barcodes)[pd.Index(barcodes).duplicated()]
    if len(twice):
        raise UserError(
            f"{counts.where}: the barcode {twice[0]!r} stands twice ({len(twice):,} such); cells "
            "of several libraries cannot be told apart"
        )
    matrix = _whole_numbers(matrix, counts.where)
    matrix, genes, more = _join_genes(matrix, counts.features, counts.where)
    obs.index = pd.Index(barcodes, dtype=str, name="barcode")
    data = anndata.AnnData(matrix, obs.astype(str), genes)
    assert data.X.dtype == np.int32
    return data, notes + more


def _read_tenx(paths, sample, source, shared):
    lists, matrices, others = [], [], []
    for name, where, content in _own_files(paths, sample, source):
        if content is None:
            others.append(name)
        elif isinstance(content, Path) or content.startswith(HDF5):
            matrices.append((name, where, content))
        elif content[:14].lower() == b"%%matrixmarket":
            matrices.append((name, where, content))
        else:
            lists.append((name, where, content))
    if len(matrices) != 1:
        raise UserError(
            f"{some(paths)}: {sample['sample']} has {len(matrices) or 'no'} matrices of counts "
            f"({some([m[0] for m in matrices] or others) or 'no file is its own'}); name one, or "
            "what its files begin with, in the column 'files' of samples.tsv"
        )
    name, where, content = matrices[0]
    if isinstance(content, Path) or content.startswith(HDF5):
        file = content if isinstance(content, Path) else io.BytesIO(content)
        counts = tenx.read_h5(file, where, source.get("genome"))
        others += [name for name, _, _ in lists]
    else:
        for key in ("features", "barcodes"):
            if key in shared:
                [(_, raw)] = unpack(shared[key])
                lists.append((Path(shared[key]).name, str(shared[key]), raw))
        if len(lists) > 2:
            likely = [x for x in lists if re.search("barcode|cell|gene|feature", x[0], re.I)]
            others += [x[0] for x in lists if x not in likely]
            lists = likely
        counts = tenx.read_triplet(
            content, where, [tenx.read_list(raw, at) for _, at, raw in lists]
        )
    if others:
        reason = "neither the matrix nor its lists"
        counts.notes.append(note("other files of the sample", "file", others, reason))
    return counts


def _own_files(paths, sample, source):
    """(name, where, bytes or path or None) of every file that is the sample's own."""
    found, seen = [], []
    single = "sample_files" in source
    for path in map(Path, paths):
        if not path.is_file():
            raise UserError(f"{path}: no such file")

        def wanted(name):
            return _belongs(name, sample) and not OTHERS.search(name)

        with open(path, "rb") as stream:
            if stream.read(8) == HDF5:
                seen.append(path.name)
                if single or _belongs(path.name, sample):
                    found.append((path.name, str(path), path))
                continue
        for inner, raw in unpack(path, wanted):
            name = inner or path.name
            seen.append(name)
            if (single and not inner) or _belongs(name, sample):
                found.append((name, f"{path}: member {inner!r}" if inner else str(path), raw))
    if not found:
        raise UserError(
            f"{some(map(str, paths))}: no file of {sample['sample']}"
            + (f" by {sample['files']!r} (files in samples.tsv)" if sample.get("files") else "")
            + f"; found {some(seen) or 'nothing'}. Write what its files' names begin with into the "
            "column 'files' of samples.tsv"
        )
    return found


def _belongs(name, sample):
    """Whether a file is the sample's: by its GSM, or by what samples.tsv says in 'files'."""
    numbers = {match.upper() for match in re.findall(r"(?<![A-Za-z0-9])GSM\d+", name, re.I)}
    if numbers and sample["sample"].upper() not in numbers:
        return False
    key = sample.get("files")
    if not key:
        return bool(numbers)
    end = "(?![A-Za-z0-9])" if key[-1].isalnum() else ""
    return bool(re.search(rf"(^|/)(GSM\d+_)?{re.escape(key)}{end}", name))


def _whole_numbers(matrix, where):
    """The matrix as int32. Raises UserError, with what was found, where it holds no counts."""
    import numpy as np

    matrix = matrix.tocsr()
    matrix.sum_duplicates()
    values = matrix.data
    if not np.isfinite(values).all():
        raise UserError(f"{where}: {(~np.isfinite(values)).sum():,} values are no numbers (NaN)")
    rounded = np.rint(values)
    broken = np.abs(values - rounded) > NEAR
    if broken.any() or (len(values) and values.min() < 0):
        low, high = values.min(), values.max()
        kind = "scaled" if low < 0 else "logged" if high < 30 else "normalised or corrected"
        raise UserError(
            f"{where}: the values are no raw counts but look {kind}: {broken.mean():.1%} of the "
            f"{len(values):,} values are not whole numbers, the range is {low:g} to {high:g}; "
            "cells can only be summed to pseudobulk from raw counts: name a file that holds them"
        )
    if len(values) and values.max() > MOST:
        raise UserError(f"{where}: a count of {values.max():g}; expected at most {MOST:,}")
    matrix.data = rounded.astype(np.int32)
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
    genes = pd.DataFrame({"label": pd.array(labels, dtype=str)}, index=ids.rename("gene"))
    return matrix, genes, notes


def _gene(name, label):
    identifier, beside = read_name(name or label)
    return identifier, (label.strip() if label != name else "") or beside

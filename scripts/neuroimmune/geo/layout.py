"""Find the parts of a count table: its header, its gene rows, its ids and its count columns."""

import re
from collections import namedtuple
from itertools import pairwise

from ..errors import UserError, some
from .grid import BLANK, NO_VALUE, NUMBER, TEXT, NoTable, kinds_of, note

# Positions in a grid: `rows` of genes, the column of `ids`, the columns of counts (`values`).
# `headings` names every column, or is None without a header; `star` marks STAR's ReadsPerGene.
Layout = namedtuple("Layout", "rows ids values headings star notes")

# Headings, in lower case and without blanks and punctuation.
ID_HEADINGS = set(
    "gene genes geneid geneids genename genenames genesymbol genesymbols symbol symbols id ids "
    "idref name ensembl ensemblid ensemblids ensemblgene ensemblgeneid ensemblgeneids ensemblname "
    "ensg ensgid ensid ensgene geneensembl geneensemblid entrez entrezid entrezids entrezgene "
    "entrezgeneid entrezgeneids ncbigeneid ncbiid hgnc hgncsymbol mgisymbol externalgenename "
    "externalgeneid identifier identifiers feature featureid target targetid probe probeid "
    "trackingid rownames".split()
)
TRANSCRIPT_HEADINGS = set(
    "transcript transcriptid transcriptids transcriptname enst ensembltranscriptid txid txname "
    "exonid isoform isoformid".split()
)
ANNOTATION_HEADINGS = TRANSCRIPT_HEADINGS | set(
    "description genedescription genetitle definition biotype genebiotype genetype length "
    "genelength effectivelength efflength transcriptlength txlength exonlength mergedlength "
    "genestart geneend startbp endbp chr chrom chromosome chromosomename seqname seqnames seqid "
    "exoncount exons nexons numexons gccontent percentgc percentagegccontent "
    "percentagegenegccontent hgncid mgiid taxid".split()
)
PLACE_HEADINGS = set("start end stop width strand position".split())  # annotation beside a "chr"
CHROMOSOME_HEADINGS = set("chr chrom chromosome chromosomename seqname seqnames seqid".split())
ROW_NUMBER_HEADINGS = {"", "unnamed0", "index", "x", "no", "nr", "row", "rownumber", "number"}
TEST_STATISTICS = set(
    "log2foldchange logfoldchange foldchange log2fc logfc lfcse padj pvalue pvalues pval pvals "
    "qvalue qval fdr adjpval adjpvalue".split()
)
STATISTICS = TEST_STATISTICS | set(
    "basemean logcpm aveexpr detectionpval detectionp zscore fpkm fpkms rpkm rpkms tpm tpms cpm "
    "rpm coverage mean average avg median stdev".split()
)
# A sample may be called so; a statistic where a test's stand beside and numbers are not whole.
BESIDE_TESTS = set("t b f p lr fc stat sd se".split())
TOTAL_ROWS = set("total totals sum sums totalreads totalcounts librarysize grandtotal".split())


def find_layout(grid, where):
    """The Layout of a grid. Raises NoTable, or UserError where a choice would be a guess."""
    kinds = kinds_of(grid)
    rows, headings, star, line, notes = _find_rows(grid, kinds, where)
    ids, values, more = _find_columns(grid, kinds, rows, headings, where, line)
    total = _words(grid, rows[-1])[ids]
    if len(rows) > 1 and _plain(total) in TOTAL_ROWS:
        more.append(note("rows of sums", "row", [total], "the last row is no gene"))
        rows = rows[:-1]
    return Layout(rows, ids, values, headings, star, notes + more)


def _plain(heading):
    return re.sub(r"[\W_]+", "", heading.lower())


def _words(grid, row):
    return [grid.words[code] for code in grid.codes[row]]


def _find_rows(grid, kinds, where):
    """(rows of genes, headings or None, whether it is STAR's, line of the header, notes)."""
    import numpy as np

    table = np.flatnonzero((kinds != BLANK).sum(axis=1) > 1)
    numbers = (kinds[table] == NUMBER).sum(axis=0)
    numeric = (numbers > 0) & (numbers >= (kinds[table] == TEXT).sum(axis=0))
    numeric[:1] = False  # mostly the ids, which may be numbers
    cells = kinds[:, numeric]
    pure = np.isin(cells, (NUMBER, NO_VALUE)).any(axis=1) & (cells != TEXT).all(axis=1)
    if not numeric.any() or not pure[table].any():
        raise NoTable(
            f"{where}: no table of counts; expected columns of numbers right of the gene ids"
        )
    start = int(table[pure[table]][0])
    heads = [int(row) for row in table if row < start]
    first_words = _words(grid, start)
    star = not heads and first_words[0] == "N_unmapped" and cells.shape[1] == 3
    named = [word for word, number in zip(first_words, numeric, strict=True) if not number]
    if any(_plain(word) in ID_HEADINGS for word in named):
        heads.append(start)  # columns whose names are numbers
    elif not heads and not star and (first_words[0] == "" or _short(grid, kinds, start)):
        heads.append(start)
    elif not heads and start and _short(grid, kinds, start - 1):
        heads.append(start - 1)  # R's header of one column
    header = max(heads, key=lambda row: _rank(grid, kinds, row, numeric)) if heads else None
    if header is None:
        if cells.shape[1] > 1 and not star:
            raise UserError(
                f"{where}:{grid.lines[start]}: no header above the first row of numbers "
                f"({some(map(repr, first_words), 4)}); write the columns' names there"
            )
        headings, line, first = None, None, start
    else:
        headings, line = _words(grid, header), grid.lines[header]
        if _short(grid, kinds, header):
            if _plain(headings[0]) in ID_HEADINGS:
                raise UserError(
                    f"{where}:{line}: {len(headings) - 1} names for {len(headings)} columns"
                )
            headings = ["", *headings[:-1]]  # as R writes it
        first = header + 1
        # A row of words below is a second heading, but in one column a faulty cell.
        words = (cells == TEXT).any(axis=1) & np.isin(cells, (TEXT, BLANK)).all(axis=1)
        while first < start and cells.shape[1] > 1 and words[first]:
            first += 1
    last = _last_gene(grid, kinds, cells)
    if first > last:
        raise NoTable(f"{where}: no table of counts; nothing stands below the header")
    notes = []
    for step, left_out, reason in (
        ("rows above the genes", range(first), "titles or second headings"),
        ("rows below the genes", range(last + 1, len(kinds)), "no numbers in them"),
    ):
        texts = [" ".join(filter(None, _words(grid, row))) for row in left_out if row != header]
        if texts:
            notes.append(note(step, "row", texts, reason))
    return range(first, last + 1), headings, star, line, notes


def _short(grid, kinds, row):
    """Whether only the row's last cell is blank: R's header has no name for the ids."""
    return (
        grid.lines[-1] > grid.lines[row]
        and kinds[row, -1] == BLANK
        and bool((kinds[row, :-1] != BLANK).all())
        and row + 1 < len(kinds)
        and kinds[row + 1, -1] != BLANK
    )


def _rank(grid, kinds, row, numeric):
    """How much a row looks like the header; the first of the best is it."""
    words = _words(grid, row)
    names = [
        word
        for word, number in zip(words, numeric, strict=True)
        if number and not _is_statistic(word)
    ]
    return (
        any(_plain(word) in ID_HEADINGS for word in words),
        not (kinds[row][numeric] == NUMBER).any(),
        all(names) or _short(grid, kinds, row),
        len(set(names)) == len(names),
    )


def _last_gene(grid, kinds, cells):
    """The last row with a number, or the last that looks like a gene without one."""
    last = int((cells == NUMBER).any(axis=1).nonzero()[0][-1])
    while last + 1 < len(kinds):
        row = last + 1
        # A cut-off file ends in a bare id right below; a legend has words or a gap before it.
        bare = re.fullmatch(r"[^\s*#]\S*(?<!:)", _words(grid, row)[0])
        near = grid.lines[row] - grid.lines[last] == 1
        if not (bare and near) and not (cells[row] == NO_VALUE).any():
            break
        last = row
    return last


def _find_columns(grid, kinds, rows, headings, where, line):
    """(column of ids, columns of counts, notes)."""
    body = kinds[rows.start : rows.stop]
    numbers, texts = (body == NUMBER).sum(axis=0), (body == TEXT).sum(axis=0)
    is_text = [bool(word) for word in (texts > numbers) | (numbers == 0)]
    if headings is None:
        return 0, [place for place in range(1, len(is_text)) if not is_text[place]], []
    plain = [_plain(heading) for heading in headings]
    ids, numbered = _find_ids(grid, rows, headings, plain, is_text, where)
    placed = any(name in CHROMOSOME_HEADINGS for name in plain)
    tested = any(_is_statistic(heading, TEST_STATISTICS) for heading in headings)
    left_out = {"row numbers": [], "annotation of the genes": [], "statistics": []}
    values = []
    for place, (heading, name) in enumerate(zip(headings, plain, strict=True)):
        if place == ids:
            continue
        if place == 0 and numbered:
            left_out["row numbers"].append(heading or "(no name)")
        elif _is_statistic(heading) or (
            tested and name in BESIDE_TESTS and not _whole(grid, rows, place)
        ):
            left_out["statistics"].append(heading)
        elif (
            is_text[place]
            or name in ID_HEADINGS | ANNOTATION_HEADINGS
            or (placed and name in PLACE_HEADINGS)
        ):
            left_out["annotation of the genes"].append(heading or "(no name)")
        else:
            values.append(place)
    unnamed = [place + 1 for place in values if not headings[place]]
    if unnamed:
        raise UserError(f"{where}:{line}: column {unnamed[0]} holds numbers, but has no name")
    if not values:
        raise UserError(
            f"{where}: no column of counts; {some(map(repr, headings))} are annotation, statistics "
            "or normalised values; name a file of raw counts in source.file"
        )
    step = "columns that are no counts"
    notes = [note(step, "column", names, reason) for reason, names in left_out.items() if names]
    return ids, values, notes


def _find_ids(grid, rows, headings, plain, is_text, where):
    """(column of gene ids, whether the first column is row numbers)."""
    named = [place for place, name in enumerate(plain) if name in ID_HEADINGS]
    if 0 in named:
        return 0, False
    if not is_text[0]:
        unknown = [
            place
            for place, name in enumerate(plain)
            if is_text[place] and name not in ANNOTATION_HEADINGS
        ]
        if plain[0] in ROW_NUMBER_HEADINGS and _counts_up(grid, rows) and (named or unknown):
            return (named or unknown)[0], True
        texts = [place for place in named if is_text[place]]
        if plain[0] and texts:
            return texts[0], False  # the ids stand right of a column of numbers
    elif plain[0] in ANNOTATION_HEADINGS:
        if named:
            return named[0], False
        if plain[0] not in TRANSCRIPT_HEADINGS:
            raise UserError(
                f"{where}: no column of gene ids among {some(map(repr, headings))}; give it the "
                "heading 'gene_id'"
            )
    return 0, False


def _whole(grid, rows, place):
    codes = set(grid.codes[rows.start : rows.stop, place].tolist())
    return all(re.fullmatch("[0-9]{1,18}", grid.words[code]) for code in codes)


def _counts_up(grid, rows):
    words = [grid.words[code] for code in grid.codes[rows.start : rows.stop, 0]]
    return _whole(grid, rows, 0) and all(int(a) < int(b) for a, b in pairwise(words))


def _is_statistic(heading, statistics=STATISTICS):
    """Whether a heading has a word (or words side by side) for a statistic: 'A_log2 FC'."""
    words = re.findall(r"[a-z0-9]+", heading.lower())
    return any(
        "".join(words[start:end]) in statistics
        for start in range(len(words))
        for end in range(start + 1, min(start + 3, len(words)) + 1)
    )

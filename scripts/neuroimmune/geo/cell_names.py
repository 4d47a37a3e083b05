"""Tell barcodes from genes by what names look like."""

import re

from ..genes import PATTERNS

SEQUENCE = re.compile(r"(?<![A-Za-z])[ACGTN]{8,}(?![A-Za-z])")
# Genes that every study of human or mouse cells has, whatever the annotation.
EVERYWHERE = {"ACTB", "GAPDH", "B2M", "EEF1A1", "TMSB4X", "UBC", "RPL13", "RPS6", "CD74"}
FEATURE_TYPES = re.compile(
    r"gene expression|antibody capture|crispr guide capture|multiplexing capture|custom|peaks|"
    r"antigen capture|.* capture|vdj-.",
    re.IGNORECASE,
)


def is_barcode(name):
    return bool(SEQUENCE.search(name))


def mostly(test, names, share=0.9):
    """Whether at least this share of the names pass, of 2,000 spread over the list."""
    chosen = names[:: max(1, len(names) // 2000)]
    return bool(chosen) and sum(bool(test(name)) for name in chosen) >= share * len(chosen)


def looks_like_genes(names):
    """Whether a column of names holds gene identifiers: Ensembl ids, or genes found everywhere."""
    return mostly(PATTERNS["Ensembl"].search, names, 0.5) or (
        len(EVERYWHERE & {name.upper() for name in names}) >= 3
    )

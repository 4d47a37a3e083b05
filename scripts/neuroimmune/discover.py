"""Which GEO series may be worth adding: NCBI's hits for the terms of the config, in one table."""

import re

from .draft import SINGLE_CELL
from .errors import some
from .geo.entrez import search, summaries

CANDIDATE_COLUMNS = (
    "accession",
    "title",
    "organism",
    "assay",
    "samples",
    "platform",
    "pmid",
    "supplementary",
    "ncbi_counts",
    "configured",
    "suggested_use",
    "found_by",
    "released",
)
SEARCH_COLUMNS = ("term", "series", "note")

ORGANISMS = ("Homo sapiens", "Mus musculus")
SERIES, COUNTS = "gse[ETYP]", '"rnaseq counts"[Filter]'
TABLES = {"TXT", "TSV", "CSV", "XLSX", "XLS", "TAB", "COUNTS", "COUNT"}


def discover(ask, settings, configured, min_subjects):
    """(candidates, searches): the series found, newest first, and what each term found.

    ask: as from `entrez.connect`; settings: the config's `discover` block; configured: accession
    -> names of the studies of this run; min_subjects: subjects that a group needs. DataFrames with
    `CANDIDATE_COLUMNS` and `SEARCH_COLUMNS`, numbers as integers. A series that cannot be used is
    listed, and `suggested_use` says why. Raises UserError as `entrez.search` and `summaries` do.
    """
    import pandas as pd

    terms = [*settings["terms"], *settings["free_terms"]]
    found_by, searches = {}, []
    for term in terms:
        uids, note = search(ask, f"({term}) AND {SERIES}", settings["max_series"])
        searches.append({"term": term, "series": len(uids), "note": note})
        for uid in uids:
            found_by.setdefault(uid, []).append(term)
    counted = set()
    counts_note = "no series to ask about"
    useful = [row["term"] for row in searches if row["series"]]
    if useful:
        any_term = " OR ".join(f"({term})" for term in useful)
        most = settings["max_series"] * len(terms)
        uids, counts_note = search(ask, f"({any_term}) AND {SERIES} AND {COUNTS}", most)
        counted = set(uids)
    searches.append({"term": COUNTS, "series": len(counted), "note": counts_note})
    records, missing = summaries(ask, list(found_by))
    if missing:
        searches.append(
            {"term": "esummary", "series": len(records), "note": f"no record of {some(missing)}"}
        )
    rows = []
    for uid, record in records.items():
        counts = "yes" if uid in counted else "unknown" if counts_note else "no"
        rows.append(_candidate(record, counts, found_by[uid], configured, min_subjects))
    rows.sort(key=lambda row: -int(re.sub(r"\D", "", row["accession"]) or 0))
    return (
        pd.DataFrame(rows, columns=list(CANDIDATE_COLUMNS)),
        pd.DataFrame(searches, columns=list(SEARCH_COLUMNS)),
    )


def _candidate(record, counts, terms, configured, min_subjects):
    """One row of the table for one record of esummary."""
    kinds = [kind for kind in re.split(r"[,;\s]+", _text(record, "suppfile").upper()) if kind]
    row = {
        "accession": _text(record, "accession"),
        "title": _text(record, "title"),
        "organism": _text(record, "taxon"),
        "assay": assay_of(record),
        "samples": int(record.get("n_samples") or 0),
        "platform": ";".join(f"GPL{n}" for n in re.findall(r"\d+", _text(record, "gpl"))),
        "pmid": ";".join(str(pmid) for pmid in record.get("pubmedids") or []),
        "supplementary": ";".join(kinds),
        "ncbi_counts": counts,
        "configured": ";".join(configured.get(_text(record, "accession"), [])),
        "found_by": "; ".join(terms),
        "released": _text(record, "pdat").replace("/", "-"),
    }
    return row | {"suggested_use": suggest(row, record, kinds, min_subjects)}


def _text(record, key):
    return re.sub(r"\s+", " ", str(record.get(key) or "")).strip()


def assay_of(record):
    """microarray, rnaseq, single-cell rnaseq, or GEO's own words for other data."""
    kind = _text(record, "gdstype")
    about = f"{_text(record, 'title')} {_text(record, 'summary')}"
    if "Expression profiling by high throughput sequencing" in kind:
        return "single-cell rnaseq" if SINGLE_CELL.search(about) else "rnaseq"
    if "Expression profiling by array" in kind:
        return "microarray"
    return kind or "not stated"


def suggest(row, record, kinds, min_subjects):
    """What the series can be used for, in words that begin with 'none' where it cannot."""
    organisms = [name.strip() for name in row["organism"].split(";")]
    if row["configured"]:
        return f"configured as {row['configured']}"
    if "this superseries is composed of" in _text(record, "summary").lower():
        return "none by itself: a SuperSeries; use its SubSeries"
    if not set(organisms) & set(ORGANISMS):
        return f"none: {row['organism'] or 'no organism stated'}; human and mouse are supported"
    if len(organisms) > 1:
        return "look at it: several organisms; the samples of one can be used"
    if row["assay"] not in ("microarray", "rnaseq", "single-cell rnaseq"):
        return "none: not a gene expression series"
    if row["samples"] < 2 * min_subjects:
        return f"none: {row['samples']} samples, {2 * min_subjects} are the fewest for a verdict"
    if row["assay"] == "microarray":
        platforms = row["platform"].split(";")
        several = f", one study a platform ({len(platforms)})" if len(platforms) > 1 else ""
        return f"bulk: source.kind series_matrix{several}"
    if row["assay"] == "single-cell rnaseq":
        return "single cells: source.kind tenx, h5ad or cell_counts, as its files are"
    if row["ncbi_counts"] == "yes":
        return "bulk: source.kind ncbi_counts"
    if set(kinds) & TABLES:
        return "bulk: source.kind counts_table, if a table holds raw counts"
    if "TAR" in kinds:
        return "bulk: source.kind counts_table, if the archive holds a count file a sample"
    return "none: no table of counts"

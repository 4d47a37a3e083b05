"""The page on how the numbers were made: text from the settings, references, versions, reruns."""

import platform
import re
from pathlib import Path

from ..validation import read_yaml

ROOT = Path(__file__).parents[3]
TEMPLATES = Path(__file__).parent / "templates"
# Packages that make numbers or pages; the lock file of the checkout holds all of them.
PACKAGES = (
    "snakemake",
    "anndata",
    "edgepython",
    "gseapy",
    "harmonypy",
    "igraph",
    "jinja2",
    "numpy",
    "openpyxl",
    "pandas",
    "pylimma",
    "pymetaanalysis",
    "rocrate",
    "scanpy",
    "scikit-image",
    "scipy",
    "xlsxwriter",
)
# Parts of the configuration that the methods quote.
BLOCKS = ("detect", "cells", "score", "contrast", "adjust", "verdict", "coupling")


def text_view(studies, shared, columns):
    """What the methods in words (templates/methods.txt) are filled with."""
    config, members = shared["config"], shared["members"]
    families = [entry["family"] for entry in shared["sets"]]
    assays = {record["assay"] for record in studies.values()}
    return {
        **{block: config[block] for block in BLOCKS},
        "studies": studies,
        "columns": columns,
        "software": citation(),
        "versions": versions(),
        "arrays": "microarray" in assays,
        "counts": "rnaseq" in assays,
        "single": "scrnaseq" in assays,
        "n_sets": len(families),
        "n_genes": len({row["hgnc_id"] for rows in members.values() for row in rows}),
        "families": [(family, families.count(family)) for family in shared["families"]],
    }


def methods_view(text, studies, shared, columns):
    """Everything that the page on methods shows; text: methods.txt, filled."""
    paragraphs, used = numbered(text)
    references = read_yaml(TEMPLATES / "references.yaml")
    return {
        "text": paragraphs,
        "references": [references[key] for key in used],
        "settings": flat(shared["config"]),
        "versions": versions(),
        "software": citation(),
        "data": [data_citation(record) for record in studies.values()],
        "contrasts": list(dict.fromkeys((c["study"], c["contrast"]) for c in columns)),
        "config": shared["config"],
    }


def numbered(text):
    """([(heading, pieces)], keys in order of first use); a piece is text or a reference number.

    A line '# ...' is a heading; [key] stands for a reference.
    """
    used, paragraphs = [], []
    for block in re.split(r"^# ", text, flags=re.M)[1:]:
        heading, _, words = block.partition("\n")
        pieces = re.split(r"\[([a-z]+)\]", " ".join(words.split()))
        for number in range(1, len(pieces), 2):
            if pieces[number] not in used:
                used.append(pieces[number])
            pieces[number] = used.index(pieces[number]) + 1
        paragraphs.append((heading, pieces))
    return paragraphs, used


def flat(config, above=""):
    """Settings as (dotted name, value in words), in the order of the file."""
    found = []
    for key, value in config.items():
        name = f"{above}{key}"
        if isinstance(value, dict):
            found += flat(value, f"{name}.")
        else:
            found.append((name, ", ".join(map(str, value)) if isinstance(value, list) else value))
    return found


def versions():
    """Version (None where not installed) of Python and of the packages that made the numbers."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def citation():
    """The software's own record (CITATION.cff)."""
    return read_yaml(ROOT / "CITATION.cff")


def data_citation(record):
    cited = record.get("citation", {})
    return {
        "accession": record["accession"],
        "title": record["title"],
        "pmid": cited.get("pmid"),
        "doi": cited.get("doi"),
        "simulated": record.get("simulated", False),
    }

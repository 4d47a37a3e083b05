"""The page on how the numbers were made: text from the settings, references, versions, reruns."""

import platform
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]
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
    "statsmodels",
)
# Parts of the configuration that the methods quote.
BLOCKS = ("detect", "cells", "score", "contrast", "adjust", "verdict", "coupling")
REFERENCES = {
    "geo": ("Barrett T et al. (2013) NCBI GEO: archive for functional genomics data sets, update. "
            "Nucleic Acids Res 41:D991", "10.1093/nar/gks1193"),
    "snakemake": ("Mölder F et al. (2021) Sustainable data analysis with Snakemake. "
                  "F1000Research 10:33", "10.12688/f1000research.29032.2"),
    "tmm": ("Robinson MD, Oshlack A (2010) A scaling normalization method for differential "
            "expression analysis of RNA-seq data. Genome Biol 11:R25", "10.1186/gb-2010-11-3-r25"),
    "edger": ("Robinson MD, McCarthy DJ, Smyth GK (2010) edgeR: a Bioconductor package for "
              "differential expression analysis of digital gene expression data. Bioinformatics "
              "26:139", "10.1093/bioinformatics/btp616"),
    "limma": ("Ritchie ME et al. (2015) limma powers differential expression analyses for "
              "RNA-sequencing and microarray studies. Nucleic Acids Res 43:e47",
              "10.1093/nar/gkv007"),
    "voom": ("Law CW et al. (2014) voom: precision weights unlock linear model analysis tools for "
             "RNA-seq read counts. Genome Biol 15:R29", "10.1186/gb-2014-15-2-r29"),
    "controls": ("Tirosh I et al. (2016) Dissecting the multicellular ecosystem of metastatic "
                 "melanoma by single-cell RNA-seq. Science 352:189", "10.1126/science.aad0501"),
    "permutation": ("Phipson B, Smyth GK (2010) Permutation p-values should never be zero. Stat "
                    "Appl Genet Mol Biol 9:39", "10.2202/1544-6115.1585"),
    "bh": ("Benjamini Y, Hochberg Y (1995) Controlling the false discovery rate. J R Stat Soc B "
           "57:289", "10.1111/j.2517-6161.1995.tb02031.x"),
    "hedges": ("Hedges LV (1981) Distribution theory for Glass's estimator of effect size and "
               "related estimators. J Educ Stat 6:107", "10.3102/10769986006002107"),
    "tost": ("Schuirmann DJ (1987) A comparison of the two one-sided tests procedure and the power "
             "approach. J Pharmacokinet Biopharm 15:657", "10.1007/BF01068419"),
    "singscore": ("Foroutan M et al. (2018) Single sample scoring of molecular phenotypes. BMC "
                  "Bioinformatics 19:404", "10.1186/s12859-018-2435-4"),
    "ssgsea": ("Barbie DA et al. (2009) Systematic RNA interference reveals that oncogenic "
               "KRAS-driven cancers require TBK1. Nature 462:108", "10.1038/nature08460"),
    "gsva": ("Hänzelmann S, Castelo R, Guinney J (2013) GSVA: gene set variation analysis for "
             "microarray and RNA-seq data. BMC Bioinformatics 14:7", "10.1186/1471-2105-14-7"),
    "roast": ("Wu D et al. (2010) ROAST: rotation gene set tests for complex microarray "
              "experiments. Bioinformatics 26:2176", "10.1093/bioinformatics/btq401"),
    "camera": ("Wu D, Smyth GK (2012) Camera: a competitive gene set test accounting for "
               "inter-gene correlation. Nucleic Acids Res 40:e133", "10.1093/nar/gks461"),
    "gsea": ("Subramanian A et al. (2005) Gene set enrichment analysis. Proc Natl Acad Sci USA "
             "102:15545", "10.1073/pnas.0506580102"),
    "gseapy": ("Fang Z, Liu X, Peltz G (2023) GSEApy: a comprehensive package for performing gene "
               "set enrichment analysis in Python. Bioinformatics 39:btac757",
               "10.1093/bioinformatics/btac757"),
    "scrublet": ("Wolock SL, Lopez R, Klein AM (2019) Scrublet: computational identification of cell "
                 "doublets in single-cell transcriptomic data. Cell Syst 8:281",
                 "10.1016/j.cels.2018.11.005"),
    "harmony": ("Korsunsky I et al. (2019) Fast, sensitive and accurate integration of single-cell "
                "data with Harmony. Nat Methods 16:1289", "10.1038/s41592-019-0619-0"),
    "leiden": ("Traag VA, Waltman L, van Eck NJ (2019) From Louvain to Leiden: guaranteeing "
               "well-connected communities. Sci Rep 9:5233", "10.1038/s41598-019-41695-z"),
    "umap": ("McInnes L et al. (2018) UMAP: uniform manifold approximation and projection. J Open "
             "Source Softw 3:861", "10.21105/joss.00861"),
    "scanpy": ("Wolf FA, Angerer P, Theis FJ (2018) SCANPY: large-scale single-cell gene expression "
               "data analysis. Genome Biol 19:15", "10.1186/s13059-017-1382-0"),
    "paule": ("Paule RC, Mandel J (1982) Consensus values and weighting factors. J Res Natl Bur "
              "Stand 87:377", "10.6028/jres.087.022"),
    "hartung": ("Hartung J, Knapp G (2001) On tests of the overall treatment effect in "
                "meta-analysis with normally distributed responses. Stat Med 20:1771",
                "10.1002/sim.791"),
    "crate": ("Leo S et al. (2024) Recording provenance of workflow runs with RO-Crate. PLoS ONE "
              "19:e0309210", "10.1371/journal.pone.0309210"),
}  # fmt: skip


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
    return {
        "text": paragraphs,
        "references": [REFERENCES[key] for key in used],
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
    return yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def data_citation(record):
    cited = record.get("citation", {})
    return {
        "accession": record["accession"],
        "title": record["title"],
        "pmid": cited.get("pmid"),
        "doi": cited.get("doi"),
        "simulated": record.get("simulated", False),
    }

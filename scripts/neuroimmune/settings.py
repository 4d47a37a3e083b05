"""The merged configuration, checked, with everything that the rules need derived from it."""

import re
from pathlib import Path

import yaml

from .files import write_text
from .studies import (
    check_config,
    expression_files,
    find,
    geo_files,
    matrix_files,
    owner,
    read_studies,
    sample_files,
)

RUN_CONFIG = Path("results/run_config.yaml")
# What a single call asks for; no setting of the results, so not written to RUN_CONFIG.
EXAMPLES = {
    "inspect": "--config inspect=GSE159094",
    "testcase": "--config testcase=GSE159094/dexamethasone_vs_vehicle/gr_response_up",
}
CELL_TABLES = ("cell_steps.tsv", "composition.tsv", "cells_umap.tsv.gz", "receptor_map.tsv")
PANEL_TABLES = ("sets", "members", "genes", "ambiguous", "former_ids")


def load(config, base, config_files):
    """Check the configuration and the studies; dict of what the rules refer to.

    config: the merged configuration; base: folder of the Snakefile; config_files: the YAML
    files it was merged from, for messages. Writes results/run_config.yaml, so that a message
    can always point at a line. Raises UserError with every problem.
    """
    text = "# The merged configuration of the last run; written by the workflow, do not edit.\n"
    kept = {key: value for key, value in config.items() if key not in EXAMPLES}
    text += yaml.safe_dump(kept, sort_keys=False, allow_unicode=True)
    if not RUN_CONFIG.exists() or RUN_CONFIG.read_text(encoding="utf-8") != text:
        write_text(RUN_CONFIG, text)
    schemas = base / "config" / "schemas"
    check_config(config, schemas / "config.schema.yaml", [RUN_CONFIG, *config_files])
    places = [Path("."), base]
    panels = {key: _relative(find(config["panels"][key], places)) for key in PANEL_TABLES}
    classes, claims = (
        _relative(find(config["synthesis"][key], places)) for key in ("tissue_classes", "claims")
    )
    records = read_studies(config["studies"], config["studies_dir"], places, schemas)
    studies = {
        name: {
            "record": {**record, "folder": _relative(record["folder"])},
            "paths": paths_of(record),
            "labels": {
                "tissue": record["tissue"],
                "simulated": "yes" if record.get("simulated") else "no",
            },
            "cell_samples": {
                row["sample"]: {"sample": row["sample"], "files": row.get("files", "")}
                for row in record["rows"] or []
            },
        }
        for name, record in records.items()
    }
    downloads = [geo_path(*item) for record in records.values() for item in geo_files(record)]
    cells = {name for name, record in records.items() if record["assay"] == "scrnaseq"}
    contrasts = [(name, c) for name, record in records.items() for c in record["contrasts"]]

    def results(pattern):
        return [f"results/{study}/contrasts/{name}.{pattern}" for study, name in contrasts]

    configured = {}
    for name, record in records.items():
        configured.setdefault(record["accession"], []).append(name)
    axes = [axis for family in config["panels"]["families"].values() for axis in family]
    report = base / "scripts" / "neuroimmune" / "report"
    base_url = config["geo"]["base_url"]
    folder = base_url.removeprefix("file:")
    if folder != base_url and not folder.startswith("/"):
        base_url = f"file:{find(folder, places).absolute()}"
    return {
        "base_url": base_url,
        "studies": studies,
        "configured": configured,
        "panels": panels,
        "tissue_classes": classes,
        "claims": claims,
        "schemas": _relative(schemas),
        "study_labels": {
            name: {"organism": studies[name]["record"]["organism"], **studies[name]["labels"]}
            for name in studies
        },
        "downloads": list(dict.fromkeys(downloads)),
        "manifests": [f"{path}.json" for path in dict.fromkeys(downloads)],
        "sha256": {
            file: value
            for record in records.values()
            for file, value in record["source"].get("sha256", {}).items()
        },
        "study_pattern": _pattern(records),
        "bulk_pattern": _pattern(set(records) - cells),
        "cells_pattern": _pattern(cells),
        "sample_pattern": _pattern(
            s for study in studies.values() for s in study["paths"]["cells"]
        ),
        "contrast_pattern": _pattern({name for _, name in contrasts}),
        "cell_files": {
            name: [f"results/{name}/cells/{s}.h5ad" for s in study["paths"]["cells"]]
            for name, study in studies.items()
        },
        # How many samples read the same files.
        "sharing": {
            name: {s: list(cells.values()).count(files) for s, files in cells.items()}
            for name, cells in ((name, study["paths"]["cells"]) for name, study in studies.items())
        },
        "cell_step_files": {
            name: [f"results/{name}/cells/{s}.json" for s in study["paths"]["cells"]]
            for name, study in studies.items()
        },
        "sets_tables": results("sets.tsv"),
        "adjusted_tables": results("adjusted.tsv"),
        "scorer_tables": results("scorers.tsv"),
        "leave_one_out_tables": results("leave_one_out.tsv"),
        "concordance_tables": results("concordance.tsv"),
        "designs": results("design.json"),
        "contrast_settings": {
            **config["contrast"],
            "min_fraction": config["detect"]["min_fraction"],
            "min_count": config["detect"]["min_count"],
            "min_subjects": config["verdict"]["min_subjects"],
            "adjust": config["adjust"],
        },
        "report_tables": [
            *(
                f"results/{name}/{file}"
                for name in records
                for file in (
                    "samples.tsv",
                    "attrition.tsv",
                    "profiles.json",
                    "panel_mapping.tsv",
                    "detectability.tsv",
                    "detection_rules.tsv",
                    "scores.tsv",
                    "checks.tsv",
                    "checks_pca.tsv",
                    "coupling.tsv",
                )
            ),
            *(
                f"results/synthesis/{name}.tsv"
                for name in ("shared_samples", "controls", "evidence", "evidence_sets", "meta")
            ),
            *results("design.json"),
            *results("adjusted.tsv"),
            *results("concordance.tsv"),
            *results("leave_one_out.tsv"),
            *results("genes.tsv"),
            *results("subjects.tsv"),
            *(f"results/{name}/{file}" for name in sorted(cells) for file in CELL_TABLES),
            *(path for path in results("cell_mix.tsv") if path.split("/")[1] in cells),
        ],
        "templates": [_relative(path) for path in sorted(report.glob("templates/*"))],
        "study_pages": [f"results/report/{name}.html" for name in records],
        "axes": axes,
        "workflow": {
            path.relative_to(base).as_posix(): _relative(path)
            for path in (base / "Snakefile", *sorted(base.glob("rules/*.smk")))
        },
        "axis_pages": [f"results/report/sets/{axis}.html" for axis in axes],
    }


def chosen(config, key, path):
    """The output that a target makes for the value of a config key.

    Raises WorkflowError, which Snakemake shows as it is, where the value is blank.
    """
    from snakemake.exceptions import WorkflowError

    if not config[key]:
        raise WorkflowError(f"say which: {EXAMPLES[key]}")
    value = config[key]
    if key == "testcase" and value.count("/") == 2:
        value += "/all"
    return path.format(value)


def _pattern(names):
    """Regular expression for a wildcard: one of the names, or nothing where there are none."""
    return "|".join(sorted(map(re.escape, set(names)))) or "(?!)"


def geo_path(accession, file):
    return f"resources/geo/{accession}/{file}"


def paths_of(record):
    """Role -> local files: 'records' (list), matrix, annotation and counts ([] where none), and

    'cells', a dict of sample -> list ({} where the study has no single cells).
    """
    files = {"records": matrix_files(record), **expression_files(record)}

    def local(found):
        if isinstance(found, list):
            return [local(file) for file in found]
        return geo_path(owner(found, record), found)

    paths = {
        role: local(files.get(role, [])) for role in (*files, "matrix", "annotation", "counts")
    }
    return {**paths, "cells": {name: local(own) for name, own in sample_files(record).items()}}


def _relative(path):
    """The path as text, relative to the current folder where it lies below it."""
    path = Path(path).absolute()
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)

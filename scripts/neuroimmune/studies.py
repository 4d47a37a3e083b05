"""The configuration and the study folders: find, read, check, and say what a study needs."""

import re
from pathlib import Path

from .errors import UserError, some
from .files import read_rows
from .validation import check_rows, check_yaml, complain, read_yaml, where

SAMPLE_FIELDS = (
    "subject",
    "group",
    "phase",
    "treatment",
    "dose",
    "tissue",
    "batch",
    "sex",
    "age",
    "fraction",
    "files",
)
TREATMENTS = (
    "none",
    "glucocorticoid",
    "glucocorticoid+rituximab",
    "rituximab",
    "other",
    "unknown",
)

KINDS_OF_ASSAY = {
    "microarray": ("series_matrix",),
    "rnaseq": ("counts_table", "ncbi_counts"),
    "scrnaseq": ("tenx", "h5ad", "cell_counts"),
}
# Keys of source that only some kinds of source have a use for.
KINDS_OF_KEY = {
    "sheet": ("counts_table",),
    "column": ("counts_table",),
    "missing_samples": ("counts_table", "ncbi_counts"),
    "annotation": ("series_matrix",),
    "annotation_columns": ("series_matrix",),
    "sample_files": KINDS_OF_ASSAY["scrnaseq"],
    "features": ("tenx",),
    "barcodes": ("tenx",),
    "genome": ("tenx",),
    "layer": ("h5ad",),
    "cells": KINDS_OF_ASSAY["scrnaseq"],
}

# The factor that a question asks about. It defines the groups, so it can never be their
# confounder (design, section 7).
QUESTION_FACTOR = {
    "aiha_vs_healthy": None,
    "diagnosis_vs_remission": "phase",
    "relapse_vs_remission": "phase",
    "relapse_vs_diagnosis": "phase",
    "model_vs_wildtype": None,
    "glucocorticoid_vs_vehicle": "treatment",
    "erythropoiesis_vs_baseline": "treatment",
    "stress_vs_calm": None,
    "other": None,
}


def check_config(config, schema, sources):
    """Raise UserError listing every violation in the merged configuration.

    `sources` are the YAML files that may hold the offending line, the merged file first.
    """
    complain(check_yaml(config, schema, sources))


def find(path, folders):
    """First of folders/path that exists; UserError naming all places looked at otherwise."""
    tried = [Path(folder) / path for folder in folders]
    for candidate in tried:
        if candidate.exists():
            return candidate
    raise UserError(f"{path} not found; looked for {', '.join(map(str, tried))}")


def read_studies(names, studies_dir, folders, schemas):
    """Read and check the study folders; dict of study name -> study (see `read_study`).

    Raises one UserError with the problems of all studies.
    """
    studies, problems = {}, []
    for name in names:
        try:
            studies[name] = read_study(find(Path(studies_dir) / name, folders), schemas)
        except UserError as error:
            problems += error.problems
    complain(problems)
    return studies


def read_study(folder, schemas):
    """One study folder as a dict: the content of study.yaml, plus

    'folder' (path), 'rows' (samples.tsv as a list of dicts of text, or None) and 'corrections'
    (corrections.tsv likewise, or an empty list).
    Raises UserError with every problem of these files, each with its file and line.
    """
    folder, schemas = Path(folder), Path(schemas)
    yaml_file, rows_file = folder / "study.yaml", folder / "samples.tsv"
    corrections_file = folder / "corrections.tsv"
    study = read_yaml(yaml_file)
    if not isinstance(study, dict):
        raise UserError(f"{yaml_file}:1: expected a block of keys (accession, title, ...)")
    messages = check_yaml(study, schemas / "study.schema.yaml", [yaml_file])
    rows = read_rows(rows_file) if rows_file.exists() else None
    if rows is not None:
        messages += check_rows(rows, schemas / "samples.schema.yaml", rows_file)
        messages += _repeated_samples(rows, rows_file)
    corrections = read_rows(corrections_file) if corrections_file.exists() else []
    if corrections:
        found = check_rows(corrections, schemas / "corrections.schema.yaml", corrections_file)
        messages += found or _check_corrections(corrections, corrections_file)
    if not messages:
        messages += _cross_checks(study, rows, yaml_file, rows_file)
        if corrections and study["source"].get("metadata") == "samples_table":
            messages.append(
                f"{corrections_file}:1: corrects GEO's record, which this study goes without "
                f"(source.metadata is samples_table); change {rows_file} instead"
            )
    complain(messages)
    return {**study, "folder": str(folder), "rows": rows, "corrections": corrections}


def _repeated_samples(rows, path):
    first = {}
    for number, row in enumerate(rows, start=2):
        name = row.get("sample", "")
        if name in first:
            yield f"{path}:{number}: sample {name} stands already in line {first[name]}"
        first.setdefault(name, number)


def _check_corrections(rows, path):
    first = {}
    for number, row in enumerate(rows, start=2):
        place = row["sample"], row["field"].lower()
        if place in first:
            yield (
                f"{path}:{number}: {row['field']} of {row['sample']} is corrected already in line "
                f"{first[place]}"
            )
        first.setdefault(place, number)
        if row["from"] == row["to"]:
            yield f"{path}:{number}: from and to are the same ({row['to']!r})"


def _cross_checks(study, rows, yaml_file, rows_file):
    source, fields = study["source"], study["samples"]

    def at(*keys):
        return where([yaml_file], list(keys))

    single_cell = study["assay"] == "scrnaseq"
    if source["kind"] not in KINDS_OF_ASSAY[study["assay"]]:
        goes = (f"{assay} with {' or '.join(kinds)}" for assay, kinds in KINDS_OF_ASSAY.items())
        yield (
            f"{at('source', 'kind')}: source.kind: found {source['kind']!r} with assay "
            f"{study['assay']!r}; these go together: {', '.join(goes)}"
        )
    elif single_cell:
        yield from _check_cells(study, rows, at, rows_file)
    if "cells" in study and not single_cell:
        yield f"{at('cells')}: cells: has a meaning for assay scrnaseq only"
    if study.get("cells", {}).get("cell_types") == "table" and "cell_type" not in cell_fields(
        study
    ):
        yield (
            f"{at('cells', 'cell_types')}: cells.cell_types: 'table' needs "
            "source.cells.fields.cell_type, which says where the cell types stand"
        )
    if source.get("metadata") == "samples_table" and rows is None:
        yield (
            f"{at('source', 'metadata')}: source.metadata: 'samples_table' needs {rows_file}, "
            "which does not exist"
        )
    if source.get("metadata") == "samples_table" and source["kind"] in (
        "series_matrix",
        "ncbi_counts",
    ):
        yield (
            f"{at('source', 'metadata')}: source.metadata: a {source['kind']} cannot do without GEO"
        )
    for key, kinds in KINDS_OF_KEY.items():
        if key in source and source["kind"] not in kinds:
            yield (
                f"{at('source', key)}: source.{key}: has no meaning for kind {source['kind']!r}, "
                f"only for {' and '.join(kinds)}"
            )
    if source["kind"] == "series_matrix" and len(matrix_files(study)) > 1:
        yield (
            f"{at('source', 'matrix')}: source.matrix: intensities of several platforms cannot be "
            "put together; make a study of each"
        )
    if "annotation_columns" in source and "annotation" not in source:
        yield (
            f"{at('source', 'annotation_columns')}: source.annotation_columns: names the columns "
            "of source.annotation, which is missing"
        )
    in_rows = set(rows[0]) if rows else set()
    of_cells = set(cell_fields(study))
    if "group" not in {*fields, *in_rows, *of_cells}:
        yield (
            f"{at('samples')}: samples: no 'group'; add samples.group here or a column 'group' "
            f"in {rows_file}"
        )
    for name, field in fields.items():
        if name in in_rows:
            yield (
                f"{at('samples', name)}: samples.{name}: is also a column of {rows_file}; "
                "keep one of them"
            )
        if name == "treatment":
            values = [field["value"]] if "value" in field else field.get("map", {}).values()
            for value in values:
                if value not in (*TREATMENTS, None):
                    yield (
                        f"{at('samples', name)}: samples.treatment: found {value!r}; "
                        f"allowed: {', '.join(TREATMENTS)}"
                    )
        if "pattern" in field:
            try:
                re.compile(field["pattern"])
            except re.error as error:
                yield f"{at('samples', name, 'pattern')}: samples.{name}.pattern: {error}"
    for name, contrast in study["contrasts"].items():
        if contrast["case"] == contrast["reference"]:
            yield (
                f"{at('contrasts', name)}: contrasts.{name}: case and reference are the same group"
            )
        known = set(fields) | in_rows | of_cells
        for covariate in contrast.get("covariates", []):
            if covariate not in known:
                yield (
                    f"{at('contrasts', name, 'covariates')}: contrasts.{name}.covariates: "
                    f"{covariate!r} is given neither under samples: nor in samples.tsv"
                )
        for how in ("paired", "blocked"):
            if contrast.get(how) and "subject" not in known:
                yield (
                    f"{at('contrasts', name, how)}: contrasts.{name}.{how}: needs 'subject' under "
                    "samples: or in samples.tsv"
                )
        if contrast.get("paired") and contrast.get("blocked"):
            yield (
                f"{at('contrasts', name, 'blocked')}: contrasts.{name}: paired and blocked exclude "
                "each other"
            )
    used = [name for _, name in geo_files({**study, "rows": rows})]
    for name in source.get("sha256", {}):
        if name not in used:
            yield (
                f"{at('source', 'sha256')}: source.sha256: {name} is not used by this study; "
                f"used: {some(used)}"
            )


def _check_cells(study, rows, at, rows_file):
    source, fields = study["source"], cell_fields(study)
    if rows is None:
        yield (
            f"{at('assay')}: assay: 'scrnaseq' needs {rows_file}, which does not exist: the "
            "samples of single cells must be known before GEO's files are read"
        )
    if {"file", "sample_files"} <= set(source):
        yield (
            f"{at('source', 'sample_files')}: source.sample_files: stands beside source.file; keep "
            "the one that holds the counts"
        )
    for template in source.get("sample_files", []):
        unknown = set(re.findall(r"\{(.*?)\}", template)) - {"sample", "files"}
        if unknown:
            yield (
                f"{at('source', 'sample_files')}: source.sample_files: {template!r}: the names in "
                "braces may be {sample} and {files}"
            )
        blank = [row["sample"] for row in used_rows(study, rows) if not row.get("files")]
        if "{files}" in template and blank:
            yield (
                f"{at('source', 'sample_files')}: source.sample_files: {template!r}: the column "
                f"'files' of {rows_file} is blank for {some(blank)}"
            )
    cells = source.get("cells", {})
    if "file" in cells and "sample" not in cells:
        yield (
            f"{at('source', 'cells')}: source.cells: no 'sample'; say which rows of the table are "
            "a sample's: sample: {from: <heading>, map: {<value>: <GSM>}}"
        )
    if "barcode" in cells and "file" not in cells:
        yield (
            f"{at('source', 'cells', 'barcode')}: source.cells.barcode: names a column of "
            "source.cells.file, which is missing"
        )
    for name in ("subject", "group"):
        if name in fields and (name in study["samples"] or (rows and name in rows[0])):
            yield (
                f"{at('source', 'cells', 'fields', name)}: source.cells.fields.{name}: the samples "
                "have it too; keep one of them"
            )
    places = {"sample": cells.get("sample", {})}
    places |= {f"fields.{name}": field for name, field in fields.items()}
    for place, field in places.items():
        try:
            re.compile(field.get("pattern", ""))
        except re.error as error:
            keys = ["source", "cells", *place.split("."), "pattern"]
            yield f"{at(*keys)}: {'.'.join(keys)}: {error}"


def matrix_files(study):
    """Names of the series matrix files with the sample record: one, or one a platform, or none."""
    if study["source"].get("metadata") == "samples_table":
        return []
    given = study["source"].get("matrix", f"{study['accession']}_series_matrix.txt.gz")
    return [given] if isinstance(given, str) else given


def expression_files(study):
    """Role (matrix and annotation, or counts) -> name of a file that profiles are made from."""
    source = study["source"]
    if source["kind"] == "series_matrix":
        return {
            "matrix": matrix_files(study)[0],
            "annotation": source.get("annotation", f"{source['platform']}.annot.gz"),
        }
    if source["kind"] == "ncbi_counts":
        return {"counts": f"{study['accession']}_raw_counts_{source['build']}_NCBI.tsv.gz"}
    return {"counts": source["file"]} if source["kind"] == "counts_table" else {}


def cell_fields(study):
    """What the cells themselves say (subject, group, cell_type): name -> field of source.cells."""
    return study["source"].get("cells", {}).get("fields", {})


def used_rows(study, rows):
    """The rows of samples.tsv that neither it nor study.yaml leaves out."""
    out = {item["sample"] for item in study.get("exclude", [])}
    return [row for row in rows or [] if row["sample"] not in out and row.get("include") != "no"]


def sample_files(study):
    """Sample -> names of the files with its cells, for single cells; {} for other assays.

    Samples that samples.tsv or `exclude` leaves out are missing: their files are not needed.
    """
    source = study["source"]
    if source["kind"] not in KINDS_OF_ASSAY["scrnaseq"]:
        return {}
    templates = source.get("sample_files", [source.get("file", f"{study['accession']}_RAW.tar")])
    shared = [source.get("features"), source.get("barcodes"), source.get("cells", {}).get("file")]
    files = {}
    for row in used_rows(study, study["rows"]):
        own = [
            name.replace("{sample}", row["sample"]).replace("{files}", row.get("files", ""))
            for name in templates
        ]
        files[row["sample"]] = list(dict.fromkeys([*own, *filter(None, shared)]))
    return files


def owner(file, study):
    """Accession under which GEO keeps a file of the study: that of the platform or sample

    that its name begins with (GPL6480-9577.txt, GSM2560248_barcodes.tsv.gz), else the series'.
    """
    other = re.match(r"(GPL|GSM)\d+", file)
    return other.group() if other else study["accession"]


def geo_files(study):
    """All (accession, file) that the study downloads."""
    of_samples = [name for names in sample_files(study).values() for name in names]
    names = dict.fromkeys([*matrix_files(study), *expression_files(study).values(), *of_samples])
    return [(owner(name, study), name) for name in names]

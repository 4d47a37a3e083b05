"""Describe the run as an RO-Crate, with a copy of the workflow's files."""

from pathlib import Path

from neuroimmune.workflow import job

with job(snakemake):
    from neuroimmune.files import write_json, write_text
    from neuroimmune.report.crate import run_crate

    for source, copy in zip(snakemake.input.workflow, snakemake.output.workflow, strict=True):
        write_text(copy, Path(source).read_text(encoding="utf-8"))
    crate = run_crate(
        snakemake.params.studies,
        snakemake.input.manifests,
        snakemake.input.run_config,
        snakemake.output.workflow,
        snakemake.input.results,
        Path(snakemake.output.crate).parent,
    )
    write_json(snakemake.output.crate, crate)

"""Bring GEO's sample record and the study's own rules into one table of samples."""

from neuroimmune.workflow import job

with job(snakemake):
    from neuroimmune.files import write_table
    from neuroimmune.geo.matrix import read_header
    from neuroimmune.samples import curate

    record = read_header(snakemake.input.matrix) if snakemake.input.matrix else (None, None)
    write_table(snakemake.output.samples, curate(snakemake.params.study, *record))

"""Bring GEO's sample record and the study's own rules into one table of samples."""

from neuroimmune.workflow import job

with job(snakemake):
    from neuroimmune.files import write_table
    from neuroimmune.geo.matrix import read_records
    from neuroimmune.samples import curate

    series, geo_samples = read_records(snakemake.input.records)
    write_table(snakemake.output.samples, curate(snakemake.params.study, series, geo_samples))

"""Bring GEO's sample record and the study's own rules into one table of samples."""

from neuroimmune.workflow import job

with job(snakemake) as say:
    from neuroimmune.files import write_table
    from neuroimmune.geo.matrix import read_records
    from neuroimmune.samples import curate

    series, geo_samples = read_records(snakemake.input.records)
    samples = curate(snakemake.params.study, series, geo_samples)
    write_table(snakemake.output.samples, samples)
    say(f"{(samples['include'] == 'yes').sum()} of {len(samples)} samples are used")

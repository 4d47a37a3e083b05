"""Look for samples that stand in two studies of the run."""

from neuroimmune.workflow import job

with job(snakemake):
    from neuroimmune.checks import shared_samples
    from neuroimmune.files import read_json, read_table, write_table

    organisms = snakemake.params.organisms
    fingerprints = map(read_json, snakemake.input.fingerprints)
    samples = map(read_table, snakemake.input.samples)
    table = shared_samples(
        dict(zip(organisms, fingerprints, strict=True)),
        dict(zip(organisms, samples, strict=True)),
        organisms,
    )
    write_table(snakemake.output.shared, table)

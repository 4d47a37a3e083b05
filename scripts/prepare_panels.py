"""Check the gene-set panels and join them to their families."""

from neuroimmune.workflow import job

with job(snakemake):
    from neuroimmune.files import write_table
    from neuroimmune.panels import read_panels

    tables = read_panels(*snakemake.input, snakemake.params.families, snakemake.params.schemas)
    for path, table in zip(snakemake.output, tables, strict=True):
        write_table(path, table)

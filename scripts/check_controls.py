"""Say whether the workflow's own controls came out as they must."""

from neuroimmune.workflow import job

with job(snakemake):
    from neuroimmune.controls import check_controls
    from neuroimmune.files import write_table
    from neuroimmune.synthesis import read_tissue_classes
    from neuroimmune.verdict import read_verdicts

    schemas = snakemake.params.schemas
    table = check_controls(
        read_verdicts(snakemake.input.verdicts),
        snakemake.params.studies,
        read_tissue_classes(snakemake.input.classes, f"{schemas}/tissue_classes.schema.yaml"),
    )
    write_table(snakemake.output.controls, table)

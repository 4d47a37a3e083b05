"""Pool every set over the studies that ask one question in one tissue class."""

from neuroimmune.workflow import job

with job(snakemake):
    from neuroimmune.files import read_json, read_table, write_table
    from neuroimmune.synthesis import pool_studies, read_tissue_classes
    from neuroimmune.verdict import read_adjusted, read_verdicts

    studies = {
        name: {**labels, "warnings": read_json(path)["warnings"]}
        for (name, labels), path in zip(
            snakemake.params.studies.items(), snakemake.input.summaries, strict=True
        )
    }
    schemas = snakemake.params.schemas
    result = pool_studies(
        read_verdicts(snakemake.input.verdicts),
        read_adjusted(snakemake.input.adjusted),
        [entry for path in snakemake.input.designs for entry in read_json(path)],
        read_table(snakemake.input.shared),
        studies,
        read_tissue_classes(snakemake.input.classes, f"{schemas}/tissue_classes.schema.yaml"),
        snakemake.params.settings,
    )
    for name in ("meta", "studies", "excluded"):
        write_table(snakemake.output[name], result[name])

"""Weigh the verdicts on every claim about the neuroimmune axis."""

from neuroimmune.workflow import job

with job(snakemake):
    from neuroimmune.claims import read_claims, weigh_claims
    from neuroimmune.files import read_json, read_table, write_table
    from neuroimmune.studies import QUESTION_FACTOR
    from neuroimmune.synthesis import read_tissue_classes
    from neuroimmune.verdict import read_verdicts

    schemas = snakemake.params.schemas
    claims = read_claims(
        snakemake.input.claims,
        f"{schemas}/claims.schema.yaml",
        set(read_table(snakemake.input.sets)["set_id"]),
        list(QUESTION_FACTOR),
    )
    result = weigh_claims(
        claims,
        read_verdicts(snakemake.input.verdicts),
        read_table(snakemake.input.meta),
        [entry for path in snakemake.input.designs for entry in read_json(path)],
        snakemake.params.studies,
        read_tissue_classes(snakemake.input.classes, f"{schemas}/tissue_classes.schema.yaml"),
        snakemake.params.settings,
    )
    write_table(snakemake.output.evidence, result["claims"])
    write_table(snakemake.output.sets, result["sets"])

"""Draft a study from GEO's record of one series, and show what the record holds."""

from neuroimmune.workflow import job

with job(snakemake):
    from pathlib import Path

    from neuroimmune.geo.listing import look_up
    from neuroimmune.inspection import write_draft

    accession = snakemake.wildcards.accession
    record = look_up(snakemake.params.geo, accession)
    summary = write_draft(
        Path(snakemake.output.study).parent,
        accession,
        record,
        snakemake.params.schemas,
        snakemake.params.min_subjects,
    )

print(summary)

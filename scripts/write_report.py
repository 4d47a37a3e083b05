"""Write the pages of the report."""

from neuroimmune.workflow import job

with job(snakemake):
    from neuroimmune.report.build import write_report

    write_report(snakemake.input, snakemake.params.studies, snakemake.params.axes, snakemake.output)

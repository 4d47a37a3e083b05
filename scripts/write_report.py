"""Write the overview page and a page a study."""

from neuroimmune.workflow import job

with job(snakemake):
    from neuroimmune.report.build import write_report

    write_report(snakemake.input, snakemake.params.studies, snakemake.output)

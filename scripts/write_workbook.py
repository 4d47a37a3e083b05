"""Write the result tables of all studies as one workbook."""

from neuroimmune.workflow import job

with job(snakemake):
    from neuroimmune.report.workbook import read_sheets, write_workbook

    write_workbook(snakemake.output.workbook, read_sheets(snakemake.input))

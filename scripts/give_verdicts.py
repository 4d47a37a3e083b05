"""Correct for multiple testing and give every set its verdict."""

from neuroimmune.workflow import job

with job(snakemake):
    from neuroimmune.files import read_json, write_table
    from neuroimmune.verdict import give_verdicts, read_adjusted, read_sets

    designs = [entry for path in snakemake.input.designs for entry in read_json(path)]
    adjusted = read_adjusted(snakemake.input.adjusted)
    sets = read_sets(snakemake.input.sets)
    table = give_verdicts(sets, adjusted, designs, snakemake.params.settings)
    write_table(snakemake.output.verdicts, table)

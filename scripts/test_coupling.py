"""Correlate neuroimmune with effector scores across the subjects of one study."""

from neuroimmune.workflow import job

with job(snakemake):
    from neuroimmune.coupling import run_coupling
    from neuroimmune.expression.profiles import read_profiles
    from neuroimmune.files import read_table, write_table

    tables = {
        "profiles": read_profiles(snakemake.input.profiles),
        "sets": read_table(snakemake.input.sets),
        "members": read_table(snakemake.input.members, numeric=["direction"]),
        "mapping": read_table(snakemake.input.mapping),
        "controls": read_table(snakemake.input.controls),
    }
    table = run_coupling(
        snakemake.wildcards.study, tables, snakemake.params.contrasts, snakemake.params.settings
    )
    write_table(snakemake.output.coupling, table)

"""Repeat one contrast with other scorers and set tests, and leave out one gene at a time."""

from neuroimmune.workflow import job

with job(snakemake):
    from neuroimmune.expression.profiles import read_profiles
    from neuroimmune.files import read_table, write_table
    from neuroimmune.sensitivity import run_sensitivity

    tables = {
        "profiles": read_profiles(snakemake.input.profiles),
        "members": read_table(snakemake.input.members, numeric=["direction"]),
        "mapping": read_table(snakemake.input.mapping),
        "controls": read_table(snakemake.input.controls),
    }
    result = run_sensitivity(
        snakemake.wildcards.study,
        snakemake.wildcards.contrast,
        snakemake.params.contrast,
        tables,
        snakemake.params.settings,
    )
    for name in ("scorers", "leave_one_out", "concordance"):
        write_table(snakemake.output[name], result[name])

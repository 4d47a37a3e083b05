"""Compare the shares of cell types between two groups of one study."""

from neuroimmune.workflow import job

with job(snakemake):
    from neuroimmune.composition import compare_composition
    from neuroimmune.expression.cells import read_tables
    from neuroimmune.files import read_table, write_table

    table = compare_composition(
        snakemake.wildcards.study,
        snakemake.wildcards.contrast,
        snakemake.params.contrast,
        read_table(snakemake.input.composition, numeric=["n_cells"]),
        read_tables(snakemake.input.profiles)[0],
        snakemake.params.settings,
    )
    write_table(snakemake.output.composition, table)

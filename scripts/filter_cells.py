"""Read the cells of one sample and leave out what is no single, whole cell."""

import os

from neuroimmune.workflow import job

# Snakemake limits the threads of linear algebra, but not those of numba.
os.environ["NUMBA_NUM_THREADS"] = str(snakemake.threads)

with job(snakemake):
    from neuroimmune.expression import cells
    from neuroimmune.files import read_table, write_json
    from neuroimmune.genes import globin_ids, set_ids
    from neuroimmune.geo.cells import read_sample

    data, notes = read_sample(
        snakemake.input.cells, snakemake.params.sample, snakemake.params.source
    )
    members, genes = read_table(snakemake.input.members), read_table(snakemake.input.genes)
    panel = (members, genes, snakemake.params.organism, list(data.var_names))
    kept, steps = cells.filter_cells(
        data,
        notes,
        snakemake.wildcards.sample,
        set_ids("conf_mitochondrial", *panel),
        globin_ids(*panel),
        snakemake.params.settings,
    )
    cells.write_cells(snakemake.output.cells, kept)
    write_json(snakemake.output.steps, steps)

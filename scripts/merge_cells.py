"""Bring the cells of all samples of a study together: embedding, clusters, cell types."""

import os

from neuroimmune.workflow import job

# Snakemake limits the threads of linear algebra, but not those of numba.
os.environ["NUMBA_NUM_THREADS"] = str(snakemake.threads)

with job(snakemake):
    import pandas as pd

    from neuroimmune.expression.cell_types import merge_cells
    from neuroimmune.expression.cells import STEPS, sample_of, write_cells
    from neuroimmune.files import read_json, read_table, write_table
    from neuroimmune.genes import map_panel, read_synonyms

    ambiguous, former = read_synonyms(snakemake.input.ambiguous, snakemake.input.former_ids)
    genes = read_table(snakemake.input.genes)
    panel = {
        "members": read_table(snakemake.input.members, numeric=["direction"]),
        "mapping_of": lambda var: map_panel(
            genes, ambiguous, snakemake.params.organism, var, former
        ),
    }
    steps = [step for path in snakemake.input.steps for step in read_json(path)]
    cells, more = merge_cells(
        {sample_of(path): path for path in snakemake.input.cells},
        panel,
        snakemake.params.settings,
        own_types=snakemake.params.cell_types == "table",
    )
    write_cells(snakemake.output.cells, cells)
    table = pd.DataFrame([*steps, *more], columns=list(STEPS))
    write_table(snakemake.output.steps, table.astype({"left": "Int64"}))

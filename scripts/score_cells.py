"""Score every cell for pictures, and map who expresses which gene of the panels."""

import os

from neuroimmune.workflow import job

# Snakemake limits the threads of linear algebra, but not those of numba.
os.environ["NUMBA_NUM_THREADS"] = str(snakemake.threads)

with job(snakemake):
    from neuroimmune.expression import cell_scores
    from neuroimmune.expression.cell_types import join_genes
    from neuroimmune.expression.cells import read_tables, sample_of, write_cells
    from neuroimmune.expression.pseudobulk import label_cells
    from neuroimmune.files import read_table, write_table
    from neuroimmune.genes import map_panel, read_synonyms

    files = {sample_of(path): path for path in snakemake.input.files}
    tables = {sample: read_tables(path) for sample, path in files.items()}
    genes, _ = join_genes(tables)
    ambiguous, former = read_synonyms(snakemake.input.ambiguous, snakemake.input.former_ids)
    mapping = map_panel(
        read_table(snakemake.input.genes), ambiguous, snakemake.params.organism, genes, former
    )
    members = read_table(snakemake.input.members, numeric=["direction"])
    settings = snakemake.params.settings
    plan = cell_scores.score_plan(genes, members, mapping, settings["controls_per_gene"])
    table = label_cells(read_tables(snakemake.input.cells)[0], read_table(snakemake.input.samples))
    scores, detecting, groups = cell_scores.score_study(files, tables, genes, table, plan)
    write_cells(snakemake.output.scores, scores)
    found = cell_scores.receptor_map(
        detecting, groups, genes, members, mapping, plan, settings["min_cells"]
    )
    write_table(snakemake.output.map, found)

"""Sum the cells of a study to one profile a subject, group and cell type."""

from neuroimmune.workflow import job

with job(snakemake):
    from neuroimmune.expression import pseudobulk
    from neuroimmune.expression.cells import read_tables, sample_of
    from neuroimmune.expression.profiles import write_profiles
    from neuroimmune.files import read_table, write_json, write_table
    from neuroimmune.genes import globin_ids

    members, genes = read_table(snakemake.input.members), read_table(snakemake.input.genes)
    obs, _, _, places = read_tables(snakemake.input.cells, "obsm")
    samples = read_table(snakemake.input.samples)
    data, attrition, summary, mix = pseudobulk.from_cells(
        obs,
        {sample_of(path): path for path in snakemake.input.files},
        pseudobulk.cells_lost(read_table(snakemake.input.steps, ["left_out"])),
        samples,
        snakemake.params.contrasts,
        snakemake.params.settings,
        lambda ids: globin_ids(members, genes, snakemake.params.organism, ids),
        apart=snakemake.params.fractions == "apart",
    )
    data.uns |= snakemake.params.labels
    summary |= snakemake.params.labels
    write_profiles(snakemake.output.profiles, data)
    write_table(snakemake.output.attrition, attrition)
    write_json(snakemake.output.summary, summary)
    write_table(snakemake.output.composition, mix)
    write_table(snakemake.output.umap, pseudobulk.umap_table(obs, places["X_umap"], samples))

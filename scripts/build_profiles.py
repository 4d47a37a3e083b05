"""Turn a study's intensities or counts into log2 expression profiles."""

from neuroimmune.workflow import job

with job(snakemake) as say:
    from neuroimmune.expression import profiles
    from neuroimmune.files import read_table, write_json, write_table
    from neuroimmune.genes import globin_ids
    from neuroimmune.geo.matrix import read_matrix
    from neuroimmune.geo.platform import read_annotation
    from neuroimmune.geo.tables import read_counts

    samples = read_table(snakemake.input.samples)
    source = snakemake.params.source
    if source["kind"] == "series_matrix":
        series, records, table = read_matrix(snakemake.input.matrix)
        annotation = read_annotation(snakemake.input.annotation, source.get("annotation_columns"))
        built = profiles.from_arrays(
            samples,
            series,
            table,
            annotation,
            source.get("scale", "auto"),
            snakemake.input.matrix,
            " | ".join(dict.fromkeys(r.get("data_processing", "") for r in records)),
        )
    else:
        members = read_table(snakemake.input.members)
        genes = read_table(snakemake.input.genes)
        counts, notes = read_counts(
            snakemake.input.counts, source.get("column"), source.get("sheet")
        )
        built = profiles.from_counts(
            samples,
            counts,
            notes,
            snakemake.input.counts,
            lambda ids: globin_ids(members, genes, snakemake.params.organism, ids),
            source.get("missing_samples", "stop"),
        )
    data, attrition, summary = built
    data.uns |= snakemake.params.labels
    summary |= snakemake.params.labels
    profiles.write_profiles(snakemake.output.profiles, data)
    write_table(snakemake.output.attrition, attrition)
    write_json(snakemake.output.summary, summary)
    say(f"{data.n_vars:,} genes in {data.n_obs} profiles")

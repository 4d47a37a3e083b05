"""Map the panels into a study's genes and score every set in every profile."""

from neuroimmune.workflow import job

with job(snakemake):
    from neuroimmune.expression.profiles import read_profiles, write_profiles
    from neuroimmune.files import read_table, write_table
    from neuroimmune.genes import map_panel, read_synonyms
    from neuroimmune.scoring import add_scores, score_sets

    profiles = read_profiles(snakemake.input.profiles)
    ambiguous, former = read_synonyms(snakemake.input.ambiguous, snakemake.input.former_ids)
    mapping = map_panel(
        read_table(snakemake.input.genes),
        ambiguous,
        snakemake.params.organism,
        profiles.var,
        former,
    )
    members = read_table(snakemake.input.members, numeric=["direction"])
    result = score_sets(profiles, members, mapping, snakemake.params.settings)
    write_table(snakemake.output.mapping, mapping)
    for name in ("detectability", "scores", "controls", "rules"):
        write_table(snakemake.output[name], result[name])
    write_profiles(snakemake.output.profiles, add_scores(profiles, result))

"""Look for mistakes in the samples of one study."""

from neuroimmune.workflow import job

with job(snakemake):
    from neuroimmune.checks import check_study, fingerprint
    from neuroimmune.expression.profiles import read_profiles
    from neuroimmune.files import read_table, write_json, write_table

    profiles = read_profiles(snakemake.input.profiles)
    mapping = read_table(snakemake.input.mapping)
    members = read_table(snakemake.input.members)
    checks, picture = check_study(
        snakemake.wildcards.study,
        profiles,
        mapping,
        members,
        read_table(snakemake.input.genes),
        snakemake.params.contrasts,
        snakemake.params.settings,
    )
    write_table(snakemake.output.checks, checks)
    write_table(snakemake.output.pca, picture)
    write_json(snakemake.output.fingerprint, fingerprint(profiles, mapping, members))

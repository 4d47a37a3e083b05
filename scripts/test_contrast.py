"""Compare two groups of one study: every set and every gene."""

from neuroimmune.workflow import job

with job(snakemake) as say:
    from neuroimmune.contrast import run_contrast
    from neuroimmune.expression.profiles import read_profiles
    from neuroimmune.files import read_table, write_json, write_table

    tables = {
        "profiles": read_profiles(snakemake.input.profiles),
        "sets": read_table(snakemake.input.sets),
        "members": read_table(snakemake.input.members, numeric=["direction"]),
        "mapping": read_table(snakemake.input.mapping),
        "detectability": read_table(
            snakemake.input.detectability, numeric=["n_profiles", "n_detected", "mean_count"]
        ),
        "controls": read_table(snakemake.input.controls),
    }
    result = run_contrast(
        snakemake.wildcards.study,
        snakemake.wildcards.contrast,
        snakemake.params.contrast,
        snakemake.params.labels,
        tables,
        snakemake.params.settings,
    )
    for name in ("sets", "adjusted", "genes", "subjects"):
        write_table(snakemake.output[name], result[name])
    write_json(snakemake.output.design, result["designs"])
    for design in result["designs"]:
        own = result["sets"][result["sets"]["stratum"] == design["stratum"]]
        found = own["log2_fold_change"].count()
        say(
            f"{design['contrast']} ({design['stratum']}): {design['n_case']} against "
            f"{design['n_reference']} subjects, {found} sets with an effect"
            + (f"; {design['problem']}" if design["problem"] else "")
        )

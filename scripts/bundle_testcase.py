"""Bundle what one number of the sets table is made from."""

from neuroimmune.workflow import job

with job(snakemake):
    from pathlib import Path

    from neuroimmune.errors import UserError, some
    from neuroimmune.expression.profiles import read_profiles
    from neuroimmune.files import read_table
    from neuroimmune.testcase import write_case

    key = {name: snakemake.wildcards[name] for name in ("study", "contrast", "set_id", "stratum")}
    sets = read_table(snakemake.input.sets)
    for column in ("stratum", "set_id"):
        if key[column] not in set(sets[column]):
            known = some(sorted(set(sets[column])), 200)
            raise UserError(f"testcase: no {column} {key[column]!r}; there are {known}")
        sets = sets[sets[column] == key[column]]
    tables = {
        "profiles": read_profiles(snakemake.input.profiles),
        "members": read_table(snakemake.input.members, numeric=["direction"]),
        "mapping": read_table(snakemake.input.mapping),
        "controls": read_table(snakemake.input.controls),
    }
    write_case(
        snakemake.output.bundle,
        key,
        snakemake.params.contrast,
        tables,
        sets,
        snakemake.params.settings,
        Path(snakemake.input.run_config).read_text(encoding="utf-8"),
        "/".join((key["study"], key["contrast"], key["stratum"])),
    )

print(f"Unpack {snakemake.output.bundle} into an empty folder; its README.md says how to go on.")

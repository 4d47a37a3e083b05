"""A bundle that reproduces one number: one set in one contrast of one study, for bug reports.

    PYTHONPATH=scripts python -m neuroimmune.testcase FOLDER

recomputes it in the unpacked bundle, with the code of the checkout it is run from.
"""

import io
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import yaml

from .contrast import (
    SET_COLUMNS,
    SET_TEXT,
    design_of,
    fit_scores,
    of_stratum,
    rng_of,
    whitening_of,
)
from .errors import UserError, some
from .files import atomic, read_table
from .panels import members_in_data
from .scoring import control_numbers
from .studies import SAMPLE_FIELDS

# What is recomputed. The rest of the sets table rests on all genes (random_set_percentile), and
# q, verdict and adjusted effects on other sets and covariates.
_FIRST, _LAST = map(SET_COLUMNS.index, ("log2_fold_change", "detectable_effect"))
REPRODUCED = tuple(name for name in SET_COLUMNS[_FIRST : _LAST + 1] if name not in SET_TEXT)
TOLERANCE = 1e-9
PACKAGES = (
    *("anndata", "edgepython", "gseapy", "numpy", "pandas", "pylimma", "scanpy", "scipy"),
    "snakemake",
)
TEXT = """# {study}, {contrast}, {set_id}, {stratum}

Made by `snakemake testcase` of aiha-neuroimmune. It reproduces the numbers of one row of
results/{study}/contrasts/{contrast}.sets.tsv from the tables here. In a checkout of the workflow:

    PYTHONPATH=scripts python -m neuroimmune.testcase path/to/this/folder

- expression.tsv: log2 expression of the measurable genes of the set, and of their controls, in
  the profiles that are compared. The score of the set is made from it anew.
- genes.tsv: the genes with direction and controls. Which genes are measurable, and which controls
  are nearest, was decided on the whole matrix and is taken as it was.
- scores.tsv: scores of all sets that the contrast has: the variances are moderated over them.
- profiles.tsv: who is compared. case.yaml: contrast, settings, versions. config.yaml: the run's.
- expected.tsv: the row of the sets table.

Not reproduced: q and verdict (they need all sets and contrasts), adjusted effects (they need marker
genes outside the set), random_set_percentile (it needs all genes).{simulated}
"""


def write_case(path, key, contrast, tables, row, settings, run_config, seed_key):
    """Write the bundle (a zip file) of one row of the sets table.

    key: dict with study, contrast, set_id, stratum; contrast, settings: as in `run_contrast`;
    tables: 'profiles', 'members', 'mapping', 'controls'; row: DataFrame of one row of the sets
    table, as text; run_config: text of the merged configuration; seed_key: text that seeds the
    contrast's random numbers. Raises UserError where the set has no score there.
    """
    profiles = of_stratum(tables["profiles"], key["stratum"])
    scores = profiles.obsm["scores"]
    if key["set_id"] not in scores or row["log2_fold_change"].iloc[0] == "":
        raise UserError(
            f"testcase: {key['set_id']} has no number in {key['contrast']} of {key['study']} "
            f"({key['stratum']}): {row['n_measurable'].iloc[0]} measurable genes, "
            f"{row['n_case'].iloc[0]} and {row['n_reference'].iloc[0]} subjects"
        )
    obs = profiles.obs.astype({"subject": str, "group": str})
    kept, _, _ = design_of(obs, contrast, settings)
    controls = of_stratum(tables["controls"], key["stratum"])
    genes = members_in_data(tables["members"], tables["mapping"])
    genes = genes[(genes["set_id"] == key["set_id"])].merge(controls, on="data_id")
    genes = genes[["gene_symbol", "hgnc_id", "direction", "data_id", "controls"]]
    names = [*genes["data_id"], *";".join(genes["controls"]).split(";")]
    names = [name for name in profiles.var_names if name in set(names)]
    chosen = profiles[kept.index, names]
    complete = scores.loc[kept.index, scores.notna().all()]
    columns = [c for c in (*SAMPLE_FIELDS, "arm") if c in kept]
    simulated = "\n\nThe data are SIMULATED." if row["simulated"].iloc[0] == "yes" else ""
    case = key | {
        "question": contrast["question"],
        "rule": contrast,
        "seed_key": seed_key,
        "settings": {k: v for k, v in settings.items() if k != "adjust"},
        "versions": versions(),
    }
    # What is asked of NCBI decides no number, and may name a person.
    config = {
        name: value for name, value in yaml.safe_load(run_config).items() if name != "discover"
    }
    _write_zip(
        path,
        {
            "README.md": TEXT.format(**key, simulated=simulated),
            "case.yaml": yaml.safe_dump(case, sort_keys=False, allow_unicode=True),
            "config.yaml": yaml.safe_dump(config, sort_keys=False, allow_unicode=True),
            "profiles.tsv": _text(kept[columns].rename_axis("profile").reset_index()),
            "genes.tsv": _text(genes),
            "expression.tsv": _text(_wide(chosen.X, chosen.obs_names, names, "data_id")),
            "scores.tsv": _text(_wide(complete, kept.index, list(complete), "set_id")),
            "expected.tsv": _text(row),
        },
    )


def versions():
    """Versions of Python and of the packages that numbers depend on."""
    found = {"python": sys.version.split()[0]}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _wide(values, profiles, names, index):
    import numpy as np
    import pandas as pd

    table = pd.DataFrame(np.asarray(values).T, index=names, columns=list(profiles))
    return table.rename_axis(index).reset_index()


def _text(table):
    # No float_format: the shortest text that reads back as the same number.
    return table.to_csv(sep="\t", index=False, lineterminator="\n")


def _write_zip(path, files):
    with atomic(path) as part, zipfile.ZipFile(part, "w") as archive:
        for name, text in files.items():
            # A fixed date, so that the same run gives the same bytes.
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, text, zipfile.ZIP_DEFLATED)


def reproduce(folder):
    """DataFrame of the numbers of an unpacked bundle: expected, found, difference.

    difference is relative to the larger of the two, or to 1e-6. Raises UserError where the folder
    is none, or the score in scores.tsv is not that of the expression table.
    """
    import numpy as np
    import pandas as pd

    from .stats.linear import design_matrix

    folder = Path(folder)
    if not (folder / "case.yaml").is_file():
        raise UserError(f"{folder}: no case.yaml; expected the folder of an unpacked test case")
    case = yaml.safe_load((folder / "case.yaml").read_text(encoding="utf-8"))
    kept = read_table(folder / "profiles.tsv").set_index("profile")
    kept["arm"] = kept["arm"].astype(int)
    numbers = {
        name: _numbers(folder / f"{name}.tsv", list(kept.index))
        for name in ("expression", "scores")
    }
    genes = read_table(folder / "genes.tsv", numeric=["direction"])
    values = numbers["expression"]
    matched = control_numbers(values.columns, genes)
    relative = [
        direction * (values[gene] - values.iloc[:, matched[gene]].mean(axis=1))
        for gene, direction in zip(genes["data_id"], genes["direction"], strict=True)
    ]
    score = sum(relative) / len(relative)
    scores = numbers["scores"]
    given = scores[case["set_id"]]
    if not np.allclose(score, given, rtol=0, atol=TOLERANCE):
        raise UserError(
            f"{folder}: the scores of {case['set_id']} in scores.tsv differ from those of "
            f"expression.tsv by up to {np.abs(score - given).max():.3g}"
        )
    scores = scores.assign(**{case["set_id"]: score})
    rule = case["rule"]
    design = design_matrix(kept, rule.get("paired", False), rule.get("covariates", []))
    expected = read_table(folder / "expected.tsv")
    table = pd.DataFrame(index=list(scores))
    table["n_case"] = int((kept["arm"] == 1).sum())
    table["n_reference"] = int((kept["arm"] == 0).sum())
    rng = rng_of(case["settings"]["seed"], case["seed_key"])
    whiten, _ = whitening_of(scores, kept, design, rule)
    table = fit_scores(table, scores, kept, design, whiten, rule, case["settings"], rng)
    found = table.loc[case["set_id"]].reindex(list(REPRODUCED)).astype(float)
    wanted = expected.iloc[0].reindex(list(REPRODUCED)).replace("", "nan").astype(float)
    result = pd.DataFrame({"expected": wanted, "found": found})
    scale = result.abs().max(axis=1).clip(lower=1e-6)
    result["difference"] = (result["found"] - result["expected"]).abs() / scale
    both_missing = result[["expected", "found"]].isna().all(axis=1)
    result["difference"] = result["difference"].fillna(np.inf).mask(both_missing, 0.0)
    return result


def _numbers(path, profiles):
    table = read_table(path, numeric=profiles)
    return table.set_index(table.columns[0])[profiles].T


def main(folder):
    try:
        result = reproduce(folder)
    except UserError as error:
        sys.exit(f"ERROR: {error}")
    out = io.StringIO()
    result.to_string(out)
    print(out.getvalue())
    worst = result["difference"].max()
    if worst > TOLERANCE:
        off = some(result.index[result["difference"] > TOLERANCE])
        sys.exit(f"NOT reproduced: {off}; the largest difference is {worst:.3g}")
    print(f"Reproduced: the largest difference is {worst:.1g}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m neuroimmune.testcase FOLDER")
    main(sys.argv[1])

"""Sum the counts of a study's cells to profiles: one a subject, group and cell type."""

from functools import partial

from ..errors import UserError, some
from ..genes import names_beside
from ..studies import SAMPLE_FIELDS
from . import counts as bulk_counts
from .cell_types import UNASSIGNED, join_genes
from .cells import blocks, read_tables
from .profiles import STRATUM, attrition_table, joined, library_warnings

COMPOSITION = ("profile", "subject", "group", "fraction", "cell_type", "n_cells", "share")


def label_cells(obs, samples, apart=False):
    """Who every cell is of: DataFrame with sample, cell_type, subject, group, fraction, part and

    profile, in the order of `obs`.

    obs: the study's cells ('sample', 'cell_type'; 'subject' and 'group' where a table of cells
    gives them); samples: the curated table; apart: keep fractions of a subject apart. 'part' is
    then the fraction, else ''. 'profile' names the samples, joined with '+', and the subject where
    samples are pools of several.
    Raises UserError for cells of a sample that is not included.
    """
    known = samples[samples["include"] == "yes"].set_index("sample")
    missing = sorted(set(obs["sample"]) - set(known.index))
    if missing:
        raise UserError(
            f"the record leaves out {some(missing)} (see results/<study>/samples.tsv), whose cells "
            "were read: name such samples under exclude: in study.yaml, with the reason"
        )
    table = obs[["sample", "cell_type"]].astype(str)
    for field in ("subject", "group"):
        source = obs[field] if field in obs else table["sample"].map(known[field])
        table[field] = source.astype(str)
    table["fraction"] = table["sample"].map(known["fraction"]).astype(str)
    table["part"] = table["fraction"] if apart else ""
    keys = ["subject", "group", "part"]
    place = {name: number for number, name in enumerate(known.index)}
    units = table.drop_duplicates([*keys, "sample"])
    units = units.iloc[units["sample"].map(place).argsort(kind="stable")]
    names = units.groupby(keys, sort=False)["sample"].agg("+".join).rename("profile").reset_index()
    if "subject" in obs:
        names["profile"] += ":" + names["subject"]
    merged = table.reset_index(names="cell").merge(names, on=keys, how="left", sort=False)
    return merged.set_index("cell")


def _step(step, unit, left_out, reason, examples=()):
    return {
        "step": step,
        "unit": unit,
        "left_out": left_out,
        "reason": reason,
        "examples": some(examples, 5),
    }


def composition(table):
    """Cells and share of every cell type in every profile (DataFrame with `COMPOSITION`).

    table: as from `label_cells`. Types that a profile lacks have 0 cells. Shares are of all its
    cells, unassigned ones included.
    """
    import pandas as pd

    numbers = pd.crosstab(table["profile"], table["cell_type"])
    share = numbers.div(numbers.sum(axis=1), axis=0)
    long = numbers.stack().rename("n_cells").reset_index()
    long["share"] = share.stack().to_numpy()
    about = table.groupby("profile")[["subject", "group"]].first()
    about["fraction"] = table.groupby("profile")["fraction"].agg(partial(joined, "fraction"))
    return long.join(about, on="profile")[list(COMPOSITION)]


def choose_strata(table, contrasts, min_cells, min_subjects):
    """(profiles, steps): the profiles to sum, and those left out with the reason.

    table: as from `label_cells`; contrasts: the study's. profiles: DataFrame indexed by profile
    name, with 'base' (the name without cell type), 'cell_type' ('all' for all cells), 'stratum',
    'n_cells'. A profile needs `min_cells` cells. A cell type needs, in one contrast, `min_subjects`
    profiles in each group ('all' stays in any case).
    """
    import pandas as pd

    typed = table[table["cell_type"] != UNASSIGNED]
    sizes = pd.concat(
        [
            table.groupby(["profile", "part", "group"]).size().rename("n_cells").reset_index(),
            typed.groupby(["profile", "part", "group", "cell_type"])
            .size()
            .rename("n_cells")
            .reset_index(),
        ],
        ignore_index=True,
    )
    sizes["cell_type"] = sizes["cell_type"].fillna(STRATUM)
    sizes["stratum"] = [
        f"{cell_type} in {part}" if part else cell_type
        for cell_type, part in zip(sizes["cell_type"], sizes["part"], strict=True)
    ]
    steps = []
    few = sizes["n_cells"] < min_cells
    for stratum, rows in sizes[few].groupby("stratum", sort=True):
        steps.append(
            _step(
                "profiles of few cells",
                "profile",
                len(rows),
                f"{stratum}: fewer than {min_cells} cells (together {rows['n_cells'].sum()})",
                rows["profile"],
            )
        )
    kept = sizes[~few]
    for stratum, rows in kept.groupby("stratum", sort=True):
        numbers = rows["group"].value_counts()
        enough = any(
            min(numbers.get(contrast[arm], 0) for arm in ("case", "reference")) >= min_subjects
            for contrast in contrasts.values()
        )
        if not enough and rows["cell_type"].iloc[0] != STRATUM:
            found = ", ".join(f"{n} in {group}" for group, n in sorted(numbers.items()))
            steps.append(
                _step(
                    "cell types in few subjects",
                    "profile",
                    len(rows),
                    f"{stratum}: no contrast has {min_subjects} subjects with {min_cells} cells in "
                    f"each group ({found})",
                    rows["profile"],
                )
            )
            kept = kept[kept["stratum"] != stratum]
    kept = kept.rename(columns={"profile": "base"})
    kept["typed"] = kept["cell_type"] != STRATUM
    kept = kept.sort_values(["typed", "stratum"], kind="stable")
    kept.index = kept["base"].where(~kept["typed"], kept["base"] + ":" + kept["cell_type"])
    return kept[["base", "cell_type", "stratum", "n_cells"]], steps


def sum_counts(files, table, profiles):
    """(counts, DataFrame genes x profiles; genes' labels; steps): sums of raw counts.

    files: dict of sample -> h5ad; table: as from `label_cells`, indexed by the cells' names in
    the order of the files; profiles: as from `choose_strata`. Blocks of rows are read one at a
    time. Genes are joined as in `cell_types.join_genes`.
    Raises UserError where the files hold other cells than the table.
    """
    import numpy as np
    import pandas as pd

    tables = {sample: read_tables(path) for sample, path in files.items()}
    genes, steps = join_genes(tables)
    groups = list(zip(profiles["base"], profiles["cell_type"], strict=True))
    of_all = {base: place for place, (base, kind) in enumerate(groups) if kind == STRATUM}
    of_type = {key: place for place, key in enumerate(groups) if key[1] != STRATUM}
    codes = np.array(
        [
            (of_all.get(base, -1), of_type.get((base, kind), -1))
            for base, kind in zip(table["profile"], table["cell_type"], strict=True)
        ]
    ).reshape(-1, 2)
    sums = np.zeros((len(groups), len(genes)))
    first = 0
    for sample, path in files.items():
        obs, var, _ = tables[sample]
        own = codes[first : first + len(obs)]
        if list(table.index[first : first + len(obs)]) != list(obs.index):
            raise UserError(f"{path}: holds other cells than the study's cells.h5ad; run again")
        first += len(obs)
        place = genes.index.get_indexer(var.index)
        for start, block in blocks(path):
            part = add_up(block, own[start : start + block.shape[0]], len(groups))
            sums[:, place[place >= 0]] += part[:, place >= 0]
    counts = pd.DataFrame(sums.T, index=genes.index, columns=profiles.index)
    return counts, genes["label"], steps


def add_up(block, codes, n_groups):
    """Sum the rows of a CSR block by group: dense n_groups x genes, exact for whole numbers.

    codes: rows x k group numbers, -1 for none; a row may count in several groups.
    """
    import numpy as np
    from scipy import sparse

    rows, which = np.nonzero(codes >= 0)
    member = sparse.csr_matrix(
        (np.ones(len(rows)), (codes[rows, which], rows)), (n_groups, block.shape[0])
    )
    return (member @ block).toarray()


def cells_lost(steps):
    """Rows of the attrition table for what happened to cells and genes before they were summed.

    steps: cell_steps.tsv. One row a step, with what each sample lost as examples.
    """
    rows = []
    lost = steps[steps["left_out"] > 0]
    for (step, unit), part in lost.groupby(["step", "unit"], sort=False):
        reasons = part["reason"].unique()
        rows.append(
            {
                "step": step,
                "unit": unit,
                "left_out": int(part["left_out"].sum()),
                "reason": reasons[0] if len(reasons) == 1 else "by sample, see cell_steps.tsv",
                "examples": some(
                    f"{row.sample} {row.left_out:.0f}" if row.sample else row.examples
                    for row in part.itertuples()
                ),
            }
        )
    return rows


def umap_table(obs, places, samples):
    """The cells that are shown in pictures: DataFrame, a row a cell.

    obs, places: obs and obsm X_umap of cells.h5ad; samples: the curated table.
    """
    import numpy as np

    shown = ~np.isnan(places[:, 0])
    table = label_cells(obs[shown], samples)[["sample", "subject", "group", "cell_type"]]
    table.insert(0, "cell", table.index)
    table["cluster"] = obs["cluster"].astype(str)[shown].to_numpy()
    table["umap1"], table["umap2"] = places[shown].round(3).T
    return table.reset_index(drop=True)


def from_cells(obs, files, notes, samples, contrasts, settings, globins_of, apart=False):
    """(AnnData, attrition table, summary, composition table): pseudobulk profiles of a study.

    obs: cells of cells.h5ad; files: dict of sample -> h5ad; notes: as from `cells_lost`; samples:
    the curated table; settings: 'min_cells' and 'min_subjects'; globins_of: function from gene
    identifiers to those of globins; apart: keep a subject's fractions apart. The AnnData has the
    form of `profiles.from_counts`, a stratum a cell type and 'all', obs also 'cell_type' and
    'n_cells', and obsm 'cell_numbers' (cells of each type of the subject). Log-CPM and TMM are made
    within each stratum.
    Raises UserError where no subject has enough cells.
    """
    import pandas as pd

    table = label_cells(obs, samples, apart)
    mix = composition(table)
    profiles, left_out = choose_strata(
        table, contrasts, settings["min_cells"], settings["min_subjects"]
    )
    if not (profiles["cell_type"] == STRATUM).any():
        raise UserError(
            f"no subject has {settings['min_cells']} cells; the most is "
            f"{mix.groupby('profile')['n_cells'].sum().max()}: see cells_lost in attrition, or "
            "lower cells.min_cells"
        )
    counts, labels, gene_steps = sum_counts(files, table, profiles)
    whole = counts.loc[:, (profiles["cell_type"] == STRATUM).to_numpy()]
    kind, warnings = bulk_counts.check_counts(whole, "pseudobulk of all cells")
    labels = names_beside(counts.index).combine_first(labels[labels != ""])
    n_read = len(counts)
    counts, clean_steps = bulk_counts.clean_genes(counts)
    globins = globins_of(counts.index)
    parts, effective = [], []
    for _, rows in profiles.groupby("stratum", sort=False):
        values, sizes = bulk_counts.log_cpm(counts[rows.index], globins)
        parts.append(values)
        effective.append(sizes)
    values = pd.concat(parts, axis=1)[list(counts.columns)]
    library = counts.sum()
    summary = {
        "values": "log2 counts per million (TMM within each stratum, without globins)",
        "counts": f"pseudobulk of {len(obs)} cells, {bulk_counts.describe(kind, counts)}",
        "columns": {},
        "rows_read": n_read,
        "genes": len(counts),
        "globin_genes": list(globins),
        "warnings": [*warnings, *library_warnings(library[whole.columns])],
    }
    var = pd.DataFrame({"label": labels.reindex(counts.index).fillna("")}, index=counts.index)
    data = _assemble(values, profiles, table, samples, var, summary)
    numbers = mix.pivot(index="profile", columns="cell_type", values="n_cells").fillna(0)
    data.obsm["cell_numbers"] = numbers.loc[profiles["base"]].set_axis(data.obs_names)
    data.layers["counts"] = counts.T.to_numpy()
    data.obs["library_size"] = library.to_numpy()
    data.obs["effective_library_size"] = pd.concat(effective)[list(counts.columns)].to_numpy()
    data.obs["globin_fraction"] = (counts.loc[globins].sum() / library).to_numpy()
    data.uns["globins"] = list(globins)
    attrition = attrition_table([*notes, *left_out, *gene_steps, *clean_steps])
    return data, attrition, summary, mix


def _assemble(values, profiles, table, samples, var, summary):
    """profiles.h5ad without its counts. A field in which merged samples differ is joined by +."""
    import anndata
    import pandas as pd

    known = samples.set_index("sample")
    used = table.drop_duplicates(["profile", "sample"])
    rows = []
    for profile in profiles.to_dict("records"):
        cells = used[used["profile"] == profile["base"]]
        own = known.loc[[s for s in known.index if s in set(cells["sample"])]]
        row = {field: joined(field, own[field]) for field in SAMPLE_FIELDS[:-1]}
        row |= {"subject": cells["subject"].iloc[0], "group": cells["group"].iloc[0]}
        row |= {"title": own["title"].iloc[0], "samples": "+".join(own.index)}
        row |= {key: profile[key] for key in ("stratum", "cell_type", "n_cells")}
        rows.append(row)
    obs = pd.DataFrame(rows, index=list(profiles.index))
    var.index = var.index.astype(str)
    var.index.name = None
    data = anndata.AnnData(X=values.T.to_numpy(), obs=obs, var=var)
    data.uns["values"] = summary["values"]
    return data

"""Shares of cell types between the groups of a contrast, subjects as replicates.

As propeller does (Phipson 2022, doi:10.1093/bioinformatics/btac582): limma with robust moderated
variances on the logit of the shares.
"""

from .contrast import adjust, design_of, whitening_of
from .stats import linear
from .stats.adjust import log2_odds

COLUMNS = (
    "study",
    "contrast",
    "fraction",
    "cell_type",
    "n_case",
    "n_reference",
    "n_cells",
    "share_case",
    "share_reference",
    "log2_odds_ratio",
    "ci_low",
    "ci_high",
    "standard_error",
    "df",
    "t",
    "p",
    "q",
    "status",
)


def compare_composition(study, name, contrast, composition, obs, settings):
    """One row a cell type (DataFrame with `COLUMNS`): does its share differ between the groups?

    composition: as from `pseudobulk.composition`; obs: of profiles.h5ad; settings: 'min_subjects'
    and 'min_cells'. Types with fewer than `min_cells` cells in all profiles of the contrast are
    shown without a test. Where fractions are kept apart each is tested by itself. 'status' says
    why there are no numbers, or why they decide nothing (confounded). log2_odds_ratio: case -
    reference. q: BH over the types of a contrast and fraction.
    """
    import pandas as pd

    parts = []
    whole = obs[obs["cell_type"] == "all"].astype({"subject": str, "group": str})
    for stratum, rows in whole.groupby("stratum", sort=True):
        kept, design, report = design_of(rows, contrast, settings)
        wide = composition[composition["profile"].isin(kept.index)].pivot(
            index="profile", columns="cell_type", values="n_cells"
        )
        numbers = wide.reindex(kept.index).fillna(0)
        share = numbers.div(numbers.sum(axis=1), axis=0)
        case = (kept["arm"] == 1).to_numpy()
        table = pd.DataFrame(
            {
                "fraction": "" if stratum == "all" else stratum.removeprefix("all in "),
                "cell_type": list(numbers.columns),
                "n_case": int(case.sum()),
                "n_reference": int((~case).sum()),
                "n_cells": numbers.sum().to_numpy(dtype=int),
                "share_case": share[case].mean().to_numpy(),
                "share_reference": share[~case].mean().to_numpy(),
                "status": _status(report),
            }
        ).set_index("cell_type", drop=False)
        tested = [kind for kind in numbers if table.at[kind, "n_cells"] >= settings["min_cells"]]
        table.loc[~table.index.isin(tested), "status"] = "too few cells"
        if design is not None and not report["problem"] and len(tested) > 1:
            odds = log2_odds(numbers)[tested]
            whiten, _ = whitening_of(odds, kept, design, contrast)
            model = linear.fit((whiten @ odds).T, whiten @ design, robust=len(tested) > 2)
            model["q"] = adjust(model["p"])
            table = table.join(model.rename(columns={"coefficient": "log2_odds_ratio"}))
        parts.append(table.reindex(columns=[c for c in COLUMNS if c not in ("study", "contrast")]))
    table = pd.concat(parts, ignore_index=True).assign(study=study, contrast=name)
    return table[list(COLUMNS)]


def _status(report):
    if report["problem"]:
        return report["problem"]
    if report["confounders"]:
        return "confounded by " + ", ".join(item["factor"] for item in report["confounders"])
    return ""

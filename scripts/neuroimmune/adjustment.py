"""Adjusted effects of one contrast, side by side with the unadjusted one."""

from functools import cache

from .panels import members_in_data
from .scoring import control_numbers
from .stats import adjust
from .studies import QUESTION_FACTOR

COLUMNS = (
    "set_id",
    "adjustment",
    "status",
    "covariate",
    "n_covariate_genes",
    "log2_fold_change",
    "ci_low",
    "ci_high",
    "standard_error",
    "df",
    "p",
    "vif",
    "attenuation",
)
WHOLE = "all"  # the cell type of a profile that all cells are summed in
SHOWN_ONLY = "shown only: treatment is not recorded for every subject"
ONE_TYPE = "not adjusted: the stratum is one cell type"
UNTREATED = "every subject is untreated: the score is what the HPA question asks, not a nuisance"


def relative_expression(profiles, controls):
    """Measurable panel genes of each profile minus the mean of their controls (log2).

    profiles: AnnData; controls: the score stage's table (data_id, controls).
    """
    import numpy as np
    import pandas as pd

    values = np.asarray(profiles.X, dtype=float)
    matched = control_numbers(profiles.var_names, controls)
    if not matched:  # a stratum in which too few genes are measurable
        return pd.DataFrame(index=profiles.obs_names)
    own = profiles.var_names.get_indexer(list(matched))
    controlled = values[:, np.array(list(matched.values()), dtype=int)].mean(axis=2)
    relative = values[:, own] - controlled
    return pd.DataFrame(relative, index=profiles.obs_names, columns=controls["data_id"])


def adjusted_effects(tables, kept, design, whiten, report, settings):
    """One row a scored set and adjustment (DataFrame with `COLUMNS`).

    tables: as in `contrast.run_contrast`, of one stratum; kept, design, report: as from
    `contrast.design_of`; whiten: as from `contrast.whitening_of`; settings: the config's `adjust`
    block. 'status' is blank where the adjusted numbers can be read, else it says why there are none
    ('not available: ...', 'not adjusted: ...') or why they decide nothing ('not separable: ...',
    'shown only: ...').
    """
    import pandas as pd

    if design is None or tables["controls"].empty:
        return pd.DataFrame(columns=list(COLUMNS))
    controls = tables["controls"]
    relative = relative_expression(tables["profiles"][kept.index], controls)
    scores = tables["profiles"].obsm["scores"].loc[kept.index]
    scores = scores.loc[:, scores.notna().all()].T
    profiles = tables["profiles"][kept.index]
    panel = _panel(tables, relative, settings) | {"cells": profiles.obsm.get("cell_numbers")}
    free = len(design) - design.shape[1]
    design = whiten @ design
    scores = scores @ whiten.T
    base = adjust.fit_each(scores, [design.to_numpy()] * len(scores))
    parts = [_rows(base, "none", "", "", 0, base)]

    @cache  # most sets share no gene with a covariate, and then share the covariate
    def covariate(name, left_out):
        matrix, count, words = _covariate(panel, name, left_out, free, settings)
        return None if matrix is None else whiten @ matrix, count, words

    refused = {"treatment": _treatment_refused(kept, report)}
    if "cell_type" in kept and (kept["cell_type"] != WHOLE).any():
        refused["composition"] = ONE_TYPE
    for name in adjust.ADJUSTMENTS[1:]:
        if refused.get(name):
            empty = base[[]].reindex(columns=base.columns)
            parts.append(_rows(empty, name, refused[name], "", 0, base))
            continue
        chosen = {
            row: covariate(name, _left_out(panel, name, row, settings)) for row in scores.index
        }
        note = SHOWN_ONLY if name == "treatment" and report["treatment_unknown"] else ""
        parts.append(_adjusted(name, chosen, scores, design, base, note, settings))
    table = pd.concat(parts, ignore_index=True)
    return table[list(COLUMNS)]


def _panel(tables, relative, settings):
    """What covariates are built from: set members under the data's identifiers.

    'markers': the genes that any covariate may use.
    """
    members = members_in_data(tables["members"], tables["mapping"])
    genes = {
        name: dict(zip(rows["data_id"], rows["direction"], strict=True))
        for name, rows in members.groupby("set_id")
    }
    id_of = dict(zip(members["gene_symbol"], members["data_id"], strict=True))
    markers = {id_of[name] for name in settings["erythroid_genes"] if name in id_of}
    for name in (*settings["composition_sets"], *settings["exposure_sets"]):
        markers |= set(genes.get(name, {}))
    return {
        "relative": relative,
        "axis": tables["sets"].set_index("set_id")["axis"].to_dict(),
        "id_of": id_of,
        "genes": genes,
        "markers": markers,
    }


def _left_out(panel, adjustment, set_id, settings):
    """Marker genes that may not adjust the set: its own, and those its axis asks about."""
    own, id_of = set(panel["genes"][set_id]), panel["id_of"]
    if adjustment == "treatment":
        never = settings["exposure_never"].get(panel["axis"][set_id], [])
        own |= {id_of[name] for name in never if name in id_of}
    return frozenset(own & panel["markers"])


def _covariate(panel, adjustment, left_out, free, settings):
    """(matrix samples x k or None, number of genes, words) that adjusts a set.

    left_out: as from `_left_out`; free: residual degrees of freedom of the unadjusted design; two
    must be left.
    """

    def column(score):
        return None if score is None else score[:, None]

    genes, id_of, relative = panel["genes"], panel["id_of"], panel["relative"]
    fewest = settings["min_genes"]
    if adjustment == "erythroid":
        markers = {id_of[name]: 1 for name in settings["erythroid_genes"] if name in id_of}
        score, count = adjust.marker_score(relative, markers, left_out, fewest)
        return column(score), count, "erythroid marker genes"
    if adjustment == "composition":
        types = {name: genes.get(name, {}) for name in settings["composition_sets"]}
        # One component for every five degrees of freedom, and never fewer than two left.
        most = min(settings["composition_components"], max(1, free // 5), free - 2)
        if panel["cells"] is None:
            matrix, count, names = adjust.composition(relative, types, left_out, fewest, most)
            words = "components of"
        else:
            odds = adjust.log2_odds(panel["cells"])
            matrix, _, names = adjust.composition(odds, {n: {n: 1} for n in odds}, set(), 1, most)
            count, words = 0, "components of the counted shares of"
        k = 0 if matrix is None else matrix.shape[1]
        return matrix, count, f"{k} {words} {', '.join(names) or 'no cell type'}"
    for source in settings["exposure_sets"]:
        score, count = adjust.marker_score(relative, genes.get(source, {}), left_out, fewest)
        if score is not None:
            return column(score), count, source
    return None, 0, "no exposure gene outside the set"


def _treatment_refused(kept, report):
    if any(item["factor"] == "treatment" for item in report["confounders"]):
        return "not separable: treatment separates the groups"
    levels = set(kept["treatment"]) - {"", "unknown"}
    if report["treatment_unknown"]:
        return ""
    if levels == {"none"}:
        return f"not adjusted: {UNTREATED}"
    if len(levels) < 2:
        return "not adjusted: treatment does not differ between the subjects"
    return ""


def _adjusted(name, chosen, scores, design, base, note, settings):
    import numpy as np
    import pandas as pd

    fixed, case = design.to_numpy()[:, :-1], design.to_numpy()[:, -1:]
    parts = []
    sizes = {s: 0 if matrix is None else matrix.shape[1] for s, (matrix, _, _) in chosen.items()}
    for size in sorted(set(sizes.values())):
        names = [s for s in scores.index if sizes[s] == size]
        counts, words = ([chosen[s][i] for s in names] for i in (1, 2))
        designs = [np.hstack([fixed, chosen[s][0], case]) for s in names] if size else []
        free = len(case) - fixed.shape[1] - 1 - size
        if not size or free < 1:
            if size:
                reason = "too few subjects for a covariate"
            elif name == "composition":
                reason = "too few subjects or cell types with measurable markers"
            else:
                reason = f"fewer than {settings['min_genes']} marker genes are measurable"
            reason = f"not available: {reason}"
            empty = base.loc[names, []].reindex(columns=base.columns)
            parts.append(_rows(empty, name, reason, words, counts, base))
            continue
        fitted = adjust.fit_each(scores.loc[names], designs)
        status = np.where(
            fitted["vif"] > settings["max_vif"],
            [f"not separable: variance inflation {vif:.1f}" for vif in fitted["vif"]],
            note,
        )
        parts.append(_rows(fitted, name, status, words, counts, base))
    table = pd.concat(parts).set_index("set_id").loc[scores.index]
    return table.rename_axis("set_id").reset_index()


def _rows(fitted, name, status, words, counts, base):
    table = fitted.copy()
    table["adjustment"], table["status"] = name, status
    table["covariate"], table["n_covariate_genes"] = words, counts
    table["attenuation"] = 1 - table["log2_fold_change"] / base["log2_fold_change"]
    return table.rename_axis("set_id").reset_index()


def explained_by(rows, question, settings):
    """'treatment', 'composition' or '' for one set that moves.

    rows: dict adjustment -> row (dict). An adjustment explains the effect when it takes away at
    least `min_attenuation` of it and its p is above `max_p`, provided the two can be separated.
    The factor that the question asks about explains nothing away.
    """
    for adjustment in _taking(rows, question, settings):
        if rows[adjustment]["p"] > settings["max_p"]:
            return "treatment" if adjustment == "treatment" else "composition"
    return ""


def in_part_explained_by(rows, question, settings):
    """Adjustments that take most of an effect away and leave a significant rest.

    Marker scores are noisy, so the rest of a confounded effect becomes significant as cohorts
    grow: the verdict's detail says so (docs/validation.md).
    """
    return [a for a in _taking(rows, question, settings) if rows[a]["p"] <= settings["max_p"]]


def _taking(rows, question, settings):
    """Adjustments that can be separated and take `min_attenuation` of the effect away."""
    found = []
    for adjustment in ("treatment", "erythroid", "composition"):
        row = rows.get(adjustment)
        if row is None or row["status"] or adjustment == QUESTION_FACTOR[question]:
            continue
        if row["attenuation"] >= settings["min_attenuation"]:
            found.append(adjustment)
    return found


def not_separable(rows, question):
    """Adjustments that cannot be told from the groups, for the verdict's detail."""
    return [
        adjustment
        for adjustment, row in rows.items()
        if row["status"].startswith("not separable") and adjustment != QUESTION_FACTOR[question]
    ]

"""Look for mistakes in a study's samples: sex, duplicates, odd profiles, globins.

Nothing is corrected or left out here. Every finding is a row with a sentence for the reader; the
reader decides, and writes `exclude:` in study.yaml.
"""

from .errors import some
from .scoring import detected_counts, detected_intensities, is_whole

COLUMNS = ("study", "check", "profile", "value", "limit", "flag", "sentence")
PCA_COLUMNS = ("stratum", "profile", "group", "pc1", "pc2", "share1", "share2")
SHARED_COLUMNS = ("study_a", "sample_a", "study_b", "sample_b", "found_by", "value", "sentence")

# Log2 units above the array's background (counts: above 1 count per million).
Y_PRESENT, Y_ABSENT = 2.0, 1.0
XIST_PRESENT, XIST_ABSENT = 5.0, 1.0
Y_GENES = 3
# Where XIST lies between the medians of profiles without (1) and with (0) Y genes.
XIST_LIKE_FEMALE, XIST_LIKE_MALE = 0.75, 0.25
VARIABLE_GENES, EXPRESSED_GENES = 1000, 5000
DISTANCE_RATIO = 3.0
DUPLICATE_SPEARMAN, DUPLICATE_CENTRED = 0.985, 0.93
LIBRARY_FOLD, LIBRARY_MADS = 4.0, 5.0
DETECTED_SHARE, DETECTED_MADS = 0.75, 5.0
GLOBIN_SHARE, GLOBIN_GROUP_SHARE, GLOBIN_ODDS, GLOBIN_P = 0.5, 0.01, 2.0, 0.01
SHARED_CORRELATION, SHARED_GENES = 0.9, 200
ACCESSIONS = (("GSM", "sample", r"GSM\d+"), ("BioSample", "geo_biosample", r"SAM[A-Z]+\d+"))
SHARED_BEST, SHARED_LEAD = 0.8, 0.15


def check_study(study, profiles, mapping, members, genes, contrasts, settings):
    """(checks, pca): DataFrames with `COLUMNS` and `PCA_COLUMNS`, all strata of a study.

    profiles: AnnData as in profiles.h5ad; mapping: as from `genes.map_panel`; members, genes:
    panel tables; contrasts: dict of the study's contrasts; settings: the config's `detect` block.
    Profiles of single cell types are not looked at: a mistake is one of the whole sample.
    """
    import pandas as pd

    rows, pictures = [], []
    profiles = profiles[is_whole(profiles.obs).to_numpy()]
    for stratum in sorted(set(profiles.obs["stratum"])):
        part = profiles[(profiles.obs["stratum"] == stratum).to_numpy()]
        data = _prepare(part, mapping, members, genes, settings)
        sexes = call_sex(data["xist"], data["y_genes"], data["background"])
        rows += sex_rows(sexes, data["obs"])
        rows += subject_sex_rows(sexes, data["obs"])
        rows += duplicate_rows(duplicates(data["values"], data["group"]), data["obs"])
        rows += distance_rows(group_distances(data["values"], data["group"]), data["obs"])
        rows += detected_rows(data["n_detected"], data["obs"])
        if "globin_fraction" in data["obs"]:
            rows += library_rows(data["obs"])
            rows += globin_rows(data["obs"])
        for name, contrast in contrasts.items():
            rows += group_sex_rows(name, contrast, sexes, data["obs"])
            if "globin_fraction" in data["obs"]:
                rows += group_globin_rows(name, contrast, data["obs"])
        pictures.append(pca(data["values"], data["obs"]))
    checks = pd.DataFrame(rows, columns=list(COLUMNS)).assign(study=study)
    return checks, pd.concat(pictures, ignore_index=True)


def _prepare(profiles, mapping, members, genes, settings):
    import numpy as np

    values = np.asarray(profiles.X, dtype=float)
    number = {name: index for index, name in enumerate(profiles.var_names)}
    row_of = {
        gene: number[name]
        for gene, name in zip(mapping["hgnc_id"], mapping["data_id"], strict=True)
        if name
    }
    on_y = set(genes.loc[genes["location"].str.match(r"Y[pq]"), "hgnc_id"])
    # Not PRKY: reads of PRKX, its X-chromosome homologue, are assigned to it.
    on_y -= set(genes.loc[genes["symbol"] == "PRKY", "hgnc_id"])
    of_sex = members.loc[members["set_id"] == "conf_sex", "hgnc_id"]
    y_genes = [row_of[gene] for gene in of_sex if gene in on_y and gene in row_of]
    xist = genes.loc[genes["symbol"] == "XIST", "hgnc_id"]
    xist = [row_of[gene] for gene in xist if gene in row_of]
    silent = members.loc[members["set_id"].isin(settings["background_sets"]), "hgnc_id"]
    silent = sorted({row_of[gene] for gene in silent if gene in row_of})
    enough = len(silent) >= settings["min_background_genes"]
    if enough:
        background = np.quantile(values[:, silent], settings["background_quantile"], axis=1)
    else:
        background = np.quantile(values, settings["fallback_quantile"], axis=1)
    if "counts" in profiles.layers:
        # One count per million: what is below is stray reads, however deep the library.
        background = np.maximum(background, 0)
        detected = detected_counts(
            profiles.layers["counts"],
            profiles.obs["effective_library_size"].to_numpy(),
            settings["min_count"],
        )
    else:
        detected, _ = detected_intensities(
            values,
            silent,
            settings["background_quantile"],
            settings["fallback_quantile"],
            settings["min_background_genes"],
        )
    return {
        "values": values,
        "obs": profiles.obs,
        "group": profiles.obs["group"].astype(str).to_numpy(),
        "xist": values[:, xist[0]] if xist else None,
        "y_genes": values[:, y_genes],
        "background": background,
        "n_detected": detected.sum(axis=1),
    }


def _row(check, profile, value, limit, flag, sentence):
    return {
        "check": check,
        "profile": profile,
        "value": value if isinstance(value, str) else f"{value:.4g}",
        "limit": limit if isinstance(limit, str) else f"{limit:.4g}",
        "flag": "yes" if flag else "no",
        "sentence": sentence,
    }


# Sex.


def call_sex(xist, y_genes, background):
    """List of 'female', 'male', 'both', 'neither', 'unclear' or '', one a profile.

    xist: log2 expression of XIST (length n), or None where it was not measured; y_genes: log2
    expression of Y-chromosome genes, profiles x genes; background: log2 level of each profile
    above which a gene counts as expressed.

    The Y genes decide: the mean of the three highest, above background. Each profile is judged
    against its own background, so a study of one sex is not split in two. XIST then tells
    'both' (Y genes and as much XIST as in women) and 'neither' from the rest; its own background
    differs between platforms, so it is judged against the study's profiles with and without Y
    genes where there are two of each. '' where fewer than two Y genes were measured.
    """
    import numpy as np

    n = len(background)
    if y_genes.shape[1] < 2:
        return [""] * n
    y = np.sort(y_genes, axis=1)[:, -Y_GENES:].mean(axis=1) - background
    present, absent = y >= Y_PRESENT, y <= Y_ABSENT
    high, low = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    if xist is not None:
        high, low = xist - background >= XIST_PRESENT, xist - background <= XIST_ABSENT
        if min(present.sum(), absent.sum()) >= 2:
            male, female = np.median(xist[present]), np.median(xist[absent])
            if female - male >= 1:
                place = (xist - male) / (female - male)
                high, low = place >= XIST_LIKE_FEMALE, place <= XIST_LIKE_MALE
    calls = np.full(n, "unclear", dtype=object)
    calls[absent] = "female"
    calls[absent & low] = "neither"
    calls[present] = "male"
    calls[present & high] = "both"
    return list(calls)


def _recorded(sex):
    """'female', 'male' or '' from what is recorded."""
    word = str(sex).strip().lower()
    return {"f": "female", "m": "male"}.get(word, word if word in ("female", "male") else "")


def sex_rows(calls, obs):
    """One row a profile: the sex by expression against the recorded one."""
    rows = []
    if not any(calls):
        sentence = "Not checked: fewer than two genes of the Y chromosome were measured."
        return [_row("sex", "", "", "", False, sentence)]
    for profile, sex, call in zip(obs.index, obs["sex"], calls, strict=True):
        recorded = _recorded(sex)
        flag, sentence = _sex_sentence(profile, recorded, call)
        rows.append(_row("sex", profile, call, recorded, flag, sentence))
    return rows


def _sex_sentence(profile, recorded, call):
    mixed = (
        "RNA of two individuals, a transplant from a donor of the other sex, or an XXY karyotype "
        "could do this"
    )
    if "+" in profile:
        mixed = f"the profile merges several samples, one may be of another subject; {mixed}"
    if call == "both":
        known = f" (recorded as {recorded})" if recorded else ""
        return True, (
            f"{profile}{known} expresses genes of the Y chromosome and also XIST, which only "
            f"females express: {mixed}."
        )
    if recorded == "female" and call == "male":
        return True, (
            f"{profile} is recorded as female, but expresses genes of the Y chromosome and "
            "little XIST, as males do: the sample or its record may be swapped."
        )
    if recorded == "male" and call == "female":
        return True, (
            f"{profile} is recorded as male, but expresses no gene of the Y chromosome: the "
            "sample or its record may be swapped."
        )
    if recorded == "male" and call == "neither":
        return True, (
            f"{profile} is recorded as male, but expresses neither genes of the Y chromosome nor "
            "XIST: a swapped sample, or blood cells that lost the Y chromosome, as in older men."
        )
    words = {
        "female": "no gene of the Y chromosome is expressed",
        "male": "genes of the Y chromosome are expressed",
        "neither": "neither XIST nor genes of the Y chromosome are expressed",
        "unclear": "genes of the Y chromosome are near the background",
    }
    return False, f"{profile}: {words[call]}."


def subject_sex_rows(calls, obs):
    """A row for every subject whose profiles are of both sexes."""
    found = {}
    for subject, profile, call in zip(obs["subject"], obs.index, calls, strict=True):
        if call in ("female", "male"):
            found.setdefault(str(subject), {}).setdefault(call, []).append(profile)
    return [
        _row(
            "sex within subject",
            "",
            subject,
            "one sex",
            True,
            f"The profiles of subject {subject} are of both sexes by expression (female: "
            f"{some(by_call['female'])}; male: {some(by_call['male'])}): they cannot be of one "
            "individual.",
        )
        for subject, by_call in sorted(found.items())
        if len(by_call) == 2
    ]


def group_sex_rows(name, contrast, calls, obs):
    """A row where expression shows that sex separates the groups and the record does not."""
    import pandas as pd

    table = pd.DataFrame(
        {
            "group": obs["group"].astype(str).to_numpy(),
            "call": calls,
            "recorded": [_recorded(sex) for sex in obs["sex"]],
        }
    )
    sexes = table[table["call"].isin(["female", "male"])]
    arms = [
        set(sexes.loc[sexes["group"] == contrast[arm], "call"]) for arm in ("case", "reference")
    ]
    sizes = [(sexes["group"] == contrast[arm]).sum() for arm in ("case", "reference")]
    if min(sizes) < 2 or arms[0] & arms[1]:
        return []
    known = table[table["recorded"] != ""]
    told = [
        set(known.loc[known["group"] == contrast[arm], "recorded"]) for arm in ("case", "reference")
    ]
    if all(told) and not told[0] & told[1]:
        return []
    return [
        _row(
            "sex by group",
            "",
            name,
            "both sexes in a group",
            True,
            f"{name}: by expression all of {contrast['case']} are {arms[0].pop()} and all of "
            f"{contrast['reference']} are {arms[1].pop()}, which the record does not say: any "
            "difference may be that of sex.",
        )
    ]


# Duplicates.


def duplicates(values, groups):
    """Pairs of profiles that are one and the same RNA: list of (i, j, Spearman, centred).

    values: log2 expression, profiles x genes; groups: their groups. Any two blood samples
    resemble each other, so a pair must also agree in how it differs from the other profiles of
    its groups (Pearson correlation of the `EXPRESSED_GENES` most expressed genes, minus the mean
    of those others). Groups without another profile are compared with all others; with fewer
    than three profiles nothing is found.
    """
    import numpy as np

    n = len(values)
    if n < 3:
        return []
    top = np.sort(np.argsort(-values.mean(axis=0), kind="stable")[:EXPRESSED_GENES])
    values, groups = values[:, top], np.asarray(groups)
    spearman = np.corrcoef(_ranks(values))
    found = []
    for i, j in np.argwhere(np.triu(spearman >= DUPLICATE_SPEARMAN, 1)):
        others = np.isin(groups, [groups[i], groups[j]])
        others[[i, j]] = False
        if not others.any():
            others = np.ones(n, dtype=bool)
            others[[i, j]] = False
        middle = values[others].mean(axis=0)
        centred = np.corrcoef(values[i] - middle, values[j] - middle)[0, 1]
        if centred >= DUPLICATE_CENTRED:
            found.append((int(i), int(j), float(spearman[i, j]), float(centred)))
    return found


def _ranks(values):
    """Ranks within each row, ties averaged."""
    import pandas as pd

    return pd.DataFrame(values).rank(axis=1).to_numpy()


def duplicate_rows(pairs, obs):
    """A row a pair as from `duplicates`, or one row that says there is none."""
    if len(obs) < 3:
        return [_row("duplicate", "", "", "", False, "Not checked: fewer than three profiles.")]
    rows = []
    for i, j, spearman, centred in pairs:
        first, second = obs.index[i], obs.index[j]
        one = str(obs["subject"].iloc[i]) == str(obs["subject"].iloc[j])
        what = (
            "they belong to one subject, but are counted as two groups"
            if one
            else "they are counted as two subjects, but may be one sample under two names, one RNA "
            "measured twice, or cells of one donor"
        )
        rows.append(
            _row(
                "duplicate",
                f"{first} {second}",
                centred,
                DUPLICATE_CENTRED,
                True,
                f"{first} and {second} are nearly identical (correlation {spearman:.3f}, "
                f"{centred:.2f} after taking off what their groups share): {what}.",
            )
        )
    if not rows:
        rows.append(
            _row(
                "duplicate", "", "none", DUPLICATE_CENTRED, False, "No two profiles are identical."
            )
        )
    return rows


# Odd profiles.


def group_distances(values, groups):
    """How far each profile lies from its group, as a multiple of the median profile's distance.

    Distance: lower median over the other profiles of the group (of the study, where the group has
    fewer than two others) of the root mean square difference on the `VARIABLE_GENES` most
    variable genes. It stays stable with three profiles a group, where the spread along principal
    components does not; lower, so that one bad profile in three does not make the two good ones
    look far. NaN with fewer than four profiles.
    """
    import numpy as np

    n = len(values)
    if n < 4:
        return np.full(n, np.nan)
    values = _most_variable(values)
    square = (values**2).sum(axis=1)
    apart = square[:, None] + square[None, :] - 2 * values @ values.T
    apart = np.sqrt(np.maximum(apart, 0) / values.shape[1])
    groups = np.asarray(groups)
    distances = np.empty(n)
    for i in range(n):
        others = groups == groups[i]
        others[i] = False
        if others.sum() < 2:
            others = np.arange(n) != i
        near = np.sort(apart[i, others])
        distances[i] = near[(len(near) - 1) // 2]
    middle = np.median(distances)
    return distances / middle if middle > 0 else np.ones(n)


def _most_variable(values):
    import numpy as np

    order = np.argsort(-values.var(axis=0), kind="stable")[:VARIABLE_GENES]
    return values[:, np.sort(order)]


def distance_rows(ratios, obs):
    """A row a profile with its distance as from `group_distances`."""
    if len(obs) < 4:
        sentence = "Not checked: fewer than four profiles."
        return [_row("distance from its group", "", "", "", False, sentence)]
    return [
        _row(
            "distance from its group",
            profile,
            ratio,
            DISTANCE_RATIO,
            ratio > DISTANCE_RATIO,
            f"{profile} lies {ratio:.1f} times as far from its group as the typical profile"
            + (": its RNA or its cells differ grossly." if ratio > DISTANCE_RATIO else "."),
        )
        for profile, ratio in zip(obs.index, ratios, strict=True)
    ]


def mads(away):
    """Deviations from a median in robust standard deviations (1.4826 times their median size)."""
    import numpy as np

    away = np.asarray(away, dtype=float)
    spread = 1.4826 * np.median(np.abs(away))
    return away / spread if spread > 0 else np.where(away == 0, 0.0, np.copysign(np.inf, away))


def detected_rows(n_detected, obs):
    """Number of detected genes; flagged where far fewer than in the other profiles of the group.

    Cell types differ in it; a group of fewer than four profiles is compared with the study.
    """
    import numpy as np

    n_detected = np.asarray(n_detected)
    groups = obs["group"].astype(str).to_numpy()
    middle = np.array(
        [
            np.median(n_detected[groups == group] if (groups == group).sum() > 3 else n_detected)
            for group in groups
        ]
    )
    away = mads(n_detected - middle)
    rows = []
    for profile, n, usual, z in zip(obs.index, n_detected, middle, away, strict=True):
        flag = n < DETECTED_SHARE * usual and z < -DETECTED_MADS
        sentence = f"{profile} has {n:,} detected genes, its group typically {usual:,.0f}"
        sentence += ": poor RNA or a failed library." if flag else "."
        limit = f"{DETECTED_SHARE * usual:.0f}"
        rows.append(_row("detected genes", profile, str(n), limit, flag, sentence))
    return rows


def library_rows(obs):
    """Library size; flagged where it differs at least `LIBRARY_FOLD` and `LIBRARY_MADS`."""
    import numpy as np

    sizes = obs["library_size"].to_numpy(dtype=float)
    middle = np.median(sizes)
    away = mads(np.log2(sizes / middle))
    rows = []
    for profile, size, z in zip(obs.index, sizes, away, strict=True):
        fold = max(size / middle, middle / size)
        flag = fold >= LIBRARY_FOLD and abs(z) > LIBRARY_MADS
        sentence = f"{profile} has {size / 1e6:.1f} million counts, the typical profile "
        sentence += f"{middle / 1e6:.1f} million"
        if flag and size < middle:
            sentence += ": its rare genes are not seen."
        elif flag:
            sentence += ": it may hold several libraries."
        else:
            sentence += "."
        limit = middle / LIBRARY_FOLD if size < middle else middle * LIBRARY_FOLD
        rows.append(_row("library size", profile, f"{size:.0f}", f"{limit:.0f}", flag, sentence))
    return rows


def globin_rows(obs):
    """Share of globin counts; flagged where globins are more than half of a library."""
    return [
        _row(
            "globin share",
            profile,
            share,
            GLOBIN_SHARE,
            share > GLOBIN_SHARE,
            f"{100 * share:.0f} % of the counts of {profile} are of haemoglobin"
            + (": few are left for all other genes." if share > GLOBIN_SHARE else "."),
        )
        for profile, share in zip(obs.index, obs["globin_fraction"], strict=True)
    ]


def group_globin_rows(name, contrast, obs):
    """Whether the share of globins differs between the two groups of a contrast.

    t test on the logit of the share (within subjects where paired); flagged at p below
    `GLOBIN_P` with odds that differ `GLOBIN_ODDS`-fold.
    """
    import numpy as np
    from scipy import special, stats

    groups = obs["group"].astype(str).to_numpy()
    share = obs["globin_fraction"].to_numpy(dtype=float)
    logit = special.logit(np.clip(share, 1e-6, 1 - 1e-6))
    masks = [groups == contrast[arm] for arm in ("case", "reference")]
    case, reference = (logit[mask] for mask in masks)
    means = [float(np.mean(share[mask])) if mask.any() else 0.0 for mask in masks]
    if min(len(case), len(reference)) < 2 or max(means) < GLOBIN_GROUP_SHARE:
        return []
    if contrast.get("paired"):
        subjects = obs["subject"].astype(str).to_numpy()
        by_subject = [dict(zip(subjects[mask], logit[mask], strict=True)) for mask in masks]
        both = sorted(set(by_subject[0]) & set(by_subject[1]))
        change = np.array([by_subject[0][s] - by_subject[1][s] for s in both])
        if len(change) < 2:
            return []
        effect, spread = change.mean(), change.std()
        p = stats.ttest_1samp(change, 0).pvalue if spread > 0 else np.nan
    else:
        effect = case.mean() - reference.mean()
        spread = case.std() + reference.std()
        p = stats.ttest_ind(case, reference, equal_var=False).pvalue if spread > 0 else np.nan
    flag = bool(p < GLOBIN_P and abs(effect) >= np.log(GLOBIN_ODDS))
    sentence = (
        f"{name}: haemoglobin makes {100 * means[0]:.0f} % of the counts in {contrast['case']} "
        f"and {100 * means[1]:.0f} % in {contrast['reference']}"
    )
    sentence += (
        ": the groups differ in red-cell RNA or in globin removal, and erythroid genes with it."
        if flag
        else "."
    )
    return [_row("globin by group", "", p, GLOBIN_P, flag, sentence)]


def pca(values, obs):
    """First two principal components of the most variable genes, `PCA_COLUMNS`, a row a profile.

    share1, share2: share of the variance. The sign of a component is such that its largest
    coordinate is positive.
    """
    import numpy as np
    import pandas as pd

    values = _most_variable(values)
    left, singular, _ = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    scores = np.zeros((len(values), 2))
    shares = np.zeros(2)
    total = (singular**2).sum()
    for k in range(min(2, len(singular))):
        axis = left[:, k] * singular[k]
        scores[:, k] = axis * np.sign(axis[np.argmax(np.abs(axis))] or 1)
        shares[k] = singular[k] ** 2 / total if total > 0 else 0
    return pd.DataFrame(
        {
            "stratum": obs["stratum"].astype(str).to_numpy(),
            "profile": obs.index,
            "group": obs["group"].astype(str).to_numpy(),
            "pc1": scores[:, 0].round(4) + 0.0,
            "pc2": scores[:, 1].round(4) + 0.0,
            "share1": shares[0].round(4),
            "share2": shares[1].round(4),
        },
        columns=list(PCA_COLUMNS),
    )


# Samples in two studies.


def fingerprint(profiles, mapping, members):
    """Ranks of the panel's genes that blood expresses in each whole profile, for `alike`.

    Dict with 'hgnc_id' (list of the genes that the study measured) and 'ranks': dict of profile
    -> list of whole numbers in the order of the genes, 1 the lowest.
    """
    import numpy as np

    profiles = profiles[is_whole(profiles.obs).to_numpy()]
    wanted = set(members.loc[members["expected_in_blood"].isin(["yes", "low"]), "hgnc_id"])
    found = mapping[(mapping["data_id"] != "") & mapping["hgnc_id"].isin(wanted)]
    found = found.sort_values("hgnc_id", kind="stable")
    values = np.asarray(profiles[:, found["data_id"].to_list()].X, dtype=float)
    ranks = np.argsort(np.argsort(values, axis=1, kind="stable"), axis=1, kind="stable") + 1
    return {
        "hgnc_id": found["hgnc_id"].to_list(),
        "ranks": dict(zip(profiles.obs_names, ranks.tolist(), strict=True)),
    }


def shared_samples(fingerprints, samples, organisms):
    """Samples that stand in two studies of the run: DataFrame with `SHARED_COLUMNS`.

    fingerprints: dict of study -> dict as from `fingerprint`; samples: dict of study -> its
    curated samples; organisms: dict of study -> organism. Found by one GSM, by one BioSample, or
    by expression (see `alike`).
    """
    import pandas as pd

    rows = []
    names = list(fingerprints)
    for position, a in enumerate(names):
        for b in names[position + 1 :]:
            known = set()
            for how, column, form in ACCESSIONS:
                for one, other in _same(samples[a], samples[b], column, form):
                    if (one, other) not in known:
                        known.add((one, other))
                        rows.append(_shared(a, one, b, other, how, ""))
            if organisms[a] == organisms[b]:
                for one, other, r in alike(fingerprints[a], fingerprints[b]):
                    pairs = {(x, y) for x in one.split("+") for y in other.split("+")}
                    if not pairs & known:
                        rows.append(_shared(a, one, b, other, "expression", f"{r:.2f}"))
    return pd.DataFrame(rows, columns=list(SHARED_COLUMNS))


def _same(one, other, column, form):
    """(sample, sample) of the included rows that agree in an accession of the given form."""
    found = []
    for table in (one, other):
        kept = table[(table["include"] == "yes") & table[column].str.fullmatch(form)]
        found.append(dict(zip(kept["sample"], kept[column], strict=True)))
    first, second = found
    samples_of = {}
    for sample, key in second.items():
        samples_of.setdefault(key, []).append(sample)
    return [(sample, twin) for sample, key in first.items() for twin in samples_of.get(key, [])]


def alike(one, other):
    """(profile, profile, correlation) that two studies' fingerprints show to be one sample.

    Pearson correlation of ranks, minus each study's mean rank, over the better expressed half of
    the genes that both measured: at least `SHARED_CORRELATION`; or at least `SHARED_BEST` where
    both are each other's best and lead their second best by `SHARED_LEAD`, which finds samples
    that were processed in another way. Nothing is found with fewer than three profiles in a study
    or `SHARED_GENES` genes.
    """
    import numpy as np

    genes = sorted(set(one["hgnc_id"]) & set(other["hgnc_id"]))
    if len(genes) < SHARED_GENES or min(len(one["ranks"]), len(other["ranks"])) < 3:
        return []
    ranks = []
    for study in (one, other):
        place = {gene: index for index, gene in enumerate(study["hgnc_id"])}
        table = np.array(list(study["ranks"].values()), dtype=float)
        ranks.append(_ranks(table[:, [place[gene] for gene in genes]]))
    low = np.minimum(*(table.mean(axis=0) for table in ranks))
    parts = []
    for table in ranks:
        part = table[:, low >= np.median(low)]
        part = part - part.mean(axis=0)
        part -= part.mean(axis=1, keepdims=True)
        length = np.sqrt((part**2).sum(axis=1, keepdims=True))
        parts.append(part / np.where(length > 0, length, 1))
    r = parts[0] @ parts[1].T
    rivals = np.maximum(_second(r), _second(r.T).T)
    same = (r >= SHARED_CORRELATION) | ((r >= SHARED_BEST) & (r - rivals >= SHARED_LEAD))
    first, second = list(one["ranks"]), list(other["ranks"])
    return [(first[i], second[j], float(r[i, j])) for i, j in np.argwhere(same)]


def _second(r):
    """For each cell the highest value elsewhere in its row."""
    import numpy as np

    best = r.max(axis=1, keepdims=True)
    next_best = np.sort(r, axis=1)[:, -2][:, None]
    return np.where(r == best, next_best, best)


def _shared(study_a, sample_a, study_b, sample_b, how, value):
    if how == "expression":
        sentence = (
            f"{sample_a} of {study_a} and {sample_b} of {study_b} are nearly identical in "
            "expression: they may be one sample, and the studies are then not independent."
        )
    else:
        sentence = (
            f"{sample_a} of {study_a} and {sample_b} of {study_b} are one {how}: the studies are "
            "not independent."
        )
    return dict(
        zip(
            SHARED_COLUMNS,
            (study_a, sample_a, study_b, sample_b, how, value, sentence),
            strict=True,
        )
    )

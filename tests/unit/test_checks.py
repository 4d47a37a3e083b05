"""Sample checks on simulated studies: what is planted is found, and nothing else."""

import anndata
import numpy as np
import pandas as pd
import pytest

from neuroimmune import checks
from neuroimmune.checks import check_study, fingerprint, shared_samples

Y = ["RPS4Y1", "KDM5D", "DDX3Y", "EIF1AY", "UTY", "PRKY"]
SILENT = [f"OR{i}" for i in range(30)]
BLOOD = [f"B{i}" for i in range(400)]
PANEL = ["XIST", *Y, *SILENT, *BLOOD]
GLOBINS = ["HBA1", "HBB"]
N_GENES = 3000
SETTINGS = {
    "min_count": 10,
    "background_quantile": 0.95,
    "background_sets": ["neg_olfactory"],
    "min_background_genes": 20,
    "fallback_quantile": 0.4,
}
GENES = pd.DataFrame(
    {
        "hgnc_id": [f"HGNC:{g}" for g in PANEL],
        "symbol": PANEL,
        "location": ["Xq13.2", *["Yq11.2"] * len(Y), *["1p1"] * (len(SILENT) + len(BLOOD))],
    }
)
MEMBERS = pd.DataFrame(
    {
        "set_id": ["conf_sex"] * (1 + len(Y)) + ["neg_olfactory"] * 30 + ["imm"] * len(BLOOD),
        "hgnc_id": GENES["hgnc_id"],
        "expected_in_blood": ["yes"] * (1 + len(Y)) + ["no"] * 30 + ["yes"] * len(BLOOD),
    }
)
MAPPING = GENES.assign(data_id=GENES["symbol"], matched_by="approved symbol", reason="")
CONTRASTS = {"case_vs_reference": {"case": "case", "reference": "reference"}}


def means_of(rng, sexes, effect=0.3):
    """Expected log2 expression, profiles x genes: cell mix, a group effect and sex."""
    n = len(sexes)
    names = [*PANEL, *GLOBINS, *(f"G{i}" for i in range(N_GENES - len(PANEL) - 2))]
    level = np.clip(np.random.default_rng(1).normal(6.5, 2, N_GENES), 2, None)
    loadings = np.random.default_rng(2).normal(0, 0.5, (3, N_GENES))
    loadings *= np.random.default_rng(3).random((3, N_GENES)) < 0.3
    means = level + rng.normal(size=(n, 3)) @ loadings + rng.normal(0, 0.25, (n, N_GENES))
    means[: n // 2] += rng.normal(0, effect, N_GENES)
    at = {name: index for index, name in enumerate(names)}
    means[:, [at[gene] for gene in SILENT]] = -5
    female = np.array([sex == "female" for sex in sexes])
    means[:, at["XIST"]] = np.where(female, 8, -5)
    on_y = [at[gene] for gene in Y]
    means[:, on_y] = np.where(female[:, None], -5, rng.normal(7, 0.7, (n, len(Y))))
    means[:, at["PRKY"]] = rng.normal(4, 0.5, n)  # reads of PRKX
    return means, names


def study(seed, kind="counts", n=6, sexes=None, change=None, globin=None, library=None):
    """A simulated study of n profiles, the first half cases; everything recorded correctly.

    change: function of the expected log2 expression (in place) and the gene numbers.
    """
    rng = np.random.default_rng(seed)
    sexes = list(rng.permutation(["female", "male"] * n)[:n]) if sexes is None else sexes
    means, names = means_of(rng, sexes)
    if change:
        change(means, {name: index for index, name in enumerate(names)})
    obs = pd.DataFrame(
        {
            "subject": [f"S{i}" for i in range(n)],
            "group": ["case"] * (n // 2) + ["reference"] * (n - n // 2),
            "sex": sexes,
            "stratum": "all",
        },
        index=[f"GSM{seed}{i:02}" for i in range(n)],
    )
    if kind == "array":
        noise = rng.normal(0, 0.3, means.shape)
        values = np.log2(2**means + 2 ** rng.normal(3.5, 0.25, means.shape)) + noise
        return anndata.AnnData(values, obs=obs, var=pd.DataFrame(index=names))
    hb = [names.index(gene) for gene in GLOBINS]
    share = 2.0**means
    share[:, hb] = 0
    share /= share.sum(axis=1, keepdims=True)
    odds = np.exp(rng.normal(-2, 0.5, n)) if globin is None else globin / (1 - globin)
    share[:, hb] = odds[:, None] / 2
    share /= share.sum(axis=1, keepdims=True)
    library = rng.lognormal(np.log(15e6), 0.35, n) if library is None else library
    counts = rng.poisson(share * library[:, None]).astype(float)
    rest = np.delete(counts, hb, axis=1).sum(axis=1)
    prior = 2 * rest / rest.mean()
    values = np.log2((counts + prior[:, None]) / (rest + 2 * prior)[:, None] * 1e6)
    profiles = anndata.AnnData(values, obs=obs, var=pd.DataFrame(index=names))
    profiles.layers["counts"] = counts
    profiles.obs["library_size"] = counts.sum(axis=1)
    profiles.obs["effective_library_size"] = rest
    profiles.obs["globin_fraction"] = counts[:, hb].sum(axis=1) / counts.sum(axis=1)
    return profiles


def check(profiles, contrasts=CONTRASTS):
    table, _ = check_study("GSE1", profiles, MAPPING, MEMBERS, GENES, contrasts, SETTINGS)
    return table


def flagged(profiles, contrasts=CONTRASTS):
    """{check: list of profiles} of what is flagged."""
    table = check(profiles, contrasts)
    rows = table[table["flag"] == "yes"]
    return {name: list(part["profile"]) for name, part in rows.groupby("check")}


@pytest.mark.parametrize("kind", ["counts", "array"])
@pytest.mark.parametrize("n", [6, 12])
def test_studies_without_a_fault_are_not_flagged(kind, n):
    """At most 1 of 50 studies for any check; more seeds give less than 2 % (docs/methods.md)."""
    alarms = pd.Series([name for seed in range(50) for name in flagged(study(seed, kind, n))])
    assert alarms.value_counts().max() <= 1 if len(alarms) else True


@pytest.mark.parametrize("kind", ["counts", "array"])
@pytest.mark.parametrize("sex", ["female", "male"])
def test_a_study_of_one_sex_is_not_split(kind, sex):
    for seed in range(20):
        table = check(study(seed, kind, sexes=[sex] * 6))
        calls = table.loc[table["check"] == "sex", "value"]
        assert set(calls) == {sex}
        assert not (table["flag"] == "yes").any()


@pytest.mark.parametrize("kind", ["counts", "array"])
@pytest.mark.parametrize("recorded", ["female", "male"])
def test_a_swapped_sex_names_the_sample(kind, recorded):
    other = {"female": "male", "male": "female"}[recorded]
    for sexes in ([other, *[recorded] * 5], [other, "female", "male", "female", "male", "male"]):
        profiles = study(3, kind, sexes=sexes)
        profiles.obs["sex"] = [recorded, *sexes[1:]]
        name = profiles.obs_names[0]
        assert flagged(profiles) == {"sex": [name]}
        table = check(profiles).set_index("profile")
        assert table.loc[name].query("check == 'sex'")[["value", "limit"]].values.tolist() == [
            [other, recorded]
        ]
        sentence = table.loc[name].query("check == 'sex'")["sentence"].item()
        assert sentence.startswith(f"{name} is recorded as {recorded}, but expresses ")


def test_rna_of_a_man_and_a_woman_is_neither():
    def mix(means, at):
        means[0, at["XIST"]] = 7.5
        means[0, [at[gene] for gene in Y]] = 6

    profiles = study(4, sexes=["female", "female", "female", "male", "male", "male"], change=mix)
    assert flagged(profiles)["sex"] == [profiles.obs_names[0]]
    sentence = check(profiles).query("check == 'sex' and flag == 'yes'")["sentence"].item()
    assert "transplant" in sentence and "(recorded as female)" in sentence
    # Without women to compare with, XIST must be high outright.
    profiles = study(4, sexes=["male"] * 6, change=mix)
    assert flagged(profiles)["sex"] == [profiles.obs_names[0]]


def test_a_man_without_y_is_told_from_a_swap():
    def lose(means, at):
        means[0, [at[gene] for gene in Y]] = -5

    profiles = study(5, sexes=["male", "female", "male", "female", "male", "female"], change=lose)
    rows = check(profiles).query("check == 'sex' and flag == 'yes'")
    assert rows["value"].to_list() == ["neither"]
    assert "lost the Y chromosome" in rows["sentence"].item()


def test_sex_is_called_against_the_background_of_each_profile():
    background = np.array([5.0, 3.0, 4.0])
    y = np.array([[10.0, 8, 6, 5], [3.2, 3.0, 3.5, 3.4], [6.2, 5.4, 4.9, 4]])
    assert checks.call_sex(None, y, background) == ["male", "female", "unclear"]
    assert checks.call_sex(None, y[:, :1], background) == ["", "", ""]
    xist = np.array([5.5, 9.0, 4.0])
    assert checks.call_sex(xist, y, background) == ["male", "female", "unclear"]


def test_profiles_of_one_subject_must_be_of_one_sex():
    profiles = study(6, sexes=["female", "male", "male", "male", "male", "male"])
    profiles.obs["sex"] = ""
    profiles.obs["subject"] = ["A", "B", "C", "A", "B", "C"]
    rows = check(profiles).query("check == 'sex within subject'")
    assert rows["value"].to_list() == ["A"] and rows["flag"].to_list() == ["yes"]


def test_sex_that_separates_the_groups_is_told_where_the_record_is_silent():
    sexes = ["female"] * 3 + ["male"] * 3
    profiles = study(7, sexes=sexes)
    assert "sex by group" not in flagged(profiles)  # design_of says it
    profiles.obs["sex"] = ""
    rows = check(profiles).query("check == 'sex by group'")
    assert "all of case are female and all of reference are male" in rows["sentence"].item()
    profiles = study(7, sexes=["female", "male", "female", "male", "male", "male"])
    profiles.obs["sex"] = ""
    assert "sex by group" not in flagged(profiles)


@pytest.mark.parametrize("kind", ["counts", "array"])
@pytest.mark.parametrize("n", [6, 20])
def test_a_planted_duplicate_is_found(kind, n):
    """The same RNA measured again, in the same and in the other group."""
    for target in (1, n - 1):

        def copy(means, at, target=target):
            means[target] = means[0]

        sexes = ["male", "female"] * (n // 2)
        sexes[target] = sexes[0]
        profiles = study(8, kind, n, sexes=sexes, change=copy)
        if kind == "array":  # an array repeats itself better than the noise of `study`
            noise = np.random.default_rng(0).normal(0, 0.08, profiles.n_vars)
            profiles.X[target] = 0.97 * profiles.X[0] + 0.2 + noise
        pair = f"{profiles.obs_names[0]} {profiles.obs_names[target]}"
        assert flagged(profiles) == {"duplicate": [pair]}


def test_a_failed_profile_is_found():
    def fail(means, at):
        rest = np.arange(500, means.shape[1])
        means[1, rest] += np.random.default_rng(0).normal(0, 4, len(rest))

    for kind in ("counts", "array"):
        profiles = study(9, kind, change=fail)
        assert flagged(profiles).pop("distance from its group") == [profiles.obs_names[1]]


def test_a_tiny_library_is_found_and_has_few_genes():
    library = np.array([15e6, 12e6, 18e6, 0.2e6, 14e6, 16e6, 13e6, 17e6, 15e6, 14e6, 12e6, 16e6])
    found = flagged(study(10, n=12, library=library))
    assert found["library size"] == ["GSM1003"]


def test_few_detected_genes_are_found():
    def degrade(means, at):
        lost = np.random.default_rng(0).random(means.shape[1]) < 0.4
        lost[: len(PANEL)] = False
        means[2, lost] = -8

    found = flagged(study(11, n=12, change=degrade))
    assert found["detected genes"] == ["GSM1102"]


def test_globins_that_differ_between_the_groups_are_told():
    globin = np.array([0.6, 0.4, 0.45, 0.1, 0.08, 0.12])
    profiles = study(12, globin=globin)
    found = flagged(profiles)
    assert found == {"globin share": ["GSM1200"], "globin by group": [""]}
    sentence = check(profiles).query("check == 'globin by group'")["sentence"].item()
    assert "48 % of the counts in case and 10 % in reference" in sentence
    assert flagged(profiles, {}) == {"globin share": ["GSM1200"]}
    arrays = set(check(study(12, "array"))["check"])
    assert not arrays & {"globin share", "globin by group", "library size"}


def test_globins_are_compared_within_subjects_where_paired():
    globin = np.array([0.05, 0.2, 0.45, 0.02, 0.09, 0.26])
    profiles = study(13, globin=globin)
    profiles.obs["subject"] = ["A", "B", "C"] * 2
    paired = {"c": {"case": "case", "reference": "reference", "paired": True}}
    assert "globin by group" in flagged(profiles, paired)
    assert "globin by group" not in flagged(profiles)


def test_the_table_and_the_picture_depend_on_nothing_but_the_input():
    first, second = (
        check_study("GSE1", study(14), MAPPING, MEMBERS, GENES, CONTRASTS, SETTINGS)
        for _ in range(2)
    )
    for one, other in zip(first, second, strict=True):
        pd.testing.assert_frame_equal(one, other)
    table, picture = first
    assert list(table.columns) == list(checks.COLUMNS)
    assert list(picture.columns) == list(checks.PCA_COLUMNS)
    assert picture[["pc1", "pc2"]].abs().max().min() > 0
    assert picture["pc1"].var() >= picture["pc2"].var()
    assert set(table["flag"]) <= {"yes", "no"}
    assert not table.isna().any().any()


def test_two_profiles_and_one_do_not_break_anything():
    for n in (1, 2, 3):
        table = check(study(15, n=6)[:n].copy())
        assert set(table["flag"]) == {"no"}
        assert table["sentence"].str.startswith("Not checked").sum() == (1 if n == 3 else 2)
    without = MAPPING.assign(data_id=[s if s not in Y else "" for s in MAPPING["symbol"]])
    table, _ = check_study("GSE1", study(15), without, MEMBERS, GENES, {}, SETTINGS)
    sentences = table.loc[table["check"] == "sex", "sentence"].to_list()
    assert sentences == ["Not checked: fewer than two genes of the Y chromosome were measured."]


def samples_of(names, biosample=""):
    return pd.DataFrame({"sample": names, "include": "yes", "geo_biosample": biosample})


def shared(one, other, samples=None, organisms=("Homo sapiens", "Homo sapiens")):
    prints = {
        name: fingerprint(profiles, MAPPING, MEMBERS)
        for name, profiles in (("GSE1", one), ("GSE2", other))
    }
    samples = samples or {
        "GSE1": samples_of([f"x{i}" for i in range(one.n_obs)]),
        "GSE2": samples_of([f"y{i}" for i in range(other.n_obs)]),
    }
    return shared_samples(prints, samples, dict(zip(prints, organisms, strict=True)))


def test_samples_of_two_studies_are_found_by_expression():
    """Two samples of an RNA-seq study stand in an array study under other names."""
    one = study(16, n=8)
    other = study(17, "array", n=8)
    rng = np.random.default_rng(0)
    for source, target in ((1, 5), (6, 2)):
        again = np.log2(2 ** one.X[source] + 2**4) + rng.normal(0, 0.1, one.n_vars)
        other.X[target] = again
    table = shared(one, other)
    found = list(zip(table["sample_a"], table["sample_b"], strict=True))
    assert found == [("GSM1601", "GSM1705"), ("GSM1606", "GSM1702")]
    assert set(table["found_by"]) == {"expression"}
    assert shared(one, other, organisms=("Homo sapiens", "Mus musculus")).empty


def test_studies_of_different_samples_share_none():
    for seed in range(20):
        assert shared(study(seed, n=6), study(100 + seed, "array", n=12)).empty


def test_samples_are_found_by_their_accessions_first():
    one = study(18, n=6)
    samples = {
        "GSE1": samples_of(list(one.obs_names), ["SAMN1", "SAMN2", "", "", "", ""]),
        "GSE2": samples_of(
            [one.obs_names[0], "GSM9", *one.obs_names[2:]], ["SAMN1", "SAMN2", "", "", "", ""]
        ),
    }
    samples["GSE2"].loc[5, "include"] = "no"
    table = shared(one, one, samples)
    rows = table[["sample_a", "sample_b", "found_by"]].values.tolist()
    assert rows[:6] == [
        *([name, name, "GSM"] for name in [one.obs_names[0], *one.obs_names[2:5]]),
        [one.obs_names[1], "GSM9", "BioSample"],
        [one.obs_names[1], one.obs_names[1], "expression"],
    ]
    assert len(table) == 7  # the last one was left out of GSE2, but its profile is the same


def test_merged_profiles_are_matched_by_any_of_their_samples():
    one = study(19, n=6)
    other = one.copy()
    other.obs_names = [f"{name}+GSM7" for name in one.obs_names]
    names = list(one.obs_names)
    table = shared(one, other, {"GSE1": samples_of(names), "GSE2": samples_of(names)})
    assert set(table["found_by"]) == {"GSM"} and len(table) == 6

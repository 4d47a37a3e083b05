"""The demo: planted truths, the same bytes on any core count, reruns that do what they must."""

import hashlib
import re
import shutil

import pandas as pd
import pytest
from conftest import ROOT, snakemake, succeed


@pytest.fixture(scope="module")
def verdicts(demo):
    table = pd.read_csv(demo / "results" / "synthesis" / "verdicts.tsv", sep="\t")
    return table[table["stratum"] == "all"].set_index(["study", "set_id"])


def one(verdicts, study, name):
    row = verdicts.loc[(study, name)]
    return row["verdict"], row["log2_fold_change"], row["q"]


def test_the_real_adrenergic_effect_is_found(verdicts):
    verdict, effect, q = one(verdicts, "GSE9000001", "adr_beta_camp_signalling")
    assert verdict == "higher" and 0.55 < effect < 0.9 and q < 1e-4


def test_the_erythroid_shift_is_composition(verdicts):
    for name in ("conf_erythroid_reticulocyte", "conf_globins"):
        assert one(verdicts, "GSE9000001", name)[0] == "higher"
    verdict, effect, q = one(verdicts, "GSE9000001", "np_neuromedin_bombesin")
    assert verdict == "explained by composition" and effect > 0.4 and q < 0.05


def test_the_steroid_response_of_treated_patients_is_treatment(verdicts):
    for name in ("gr_response_up", "gr_exposure_sentinel"):
        verdict, effect, q = one(verdicts, "GSE9000001", name)
        assert verdict == "explained by treatment" and effect > 0.4 and q < 0.05
    # In the control study treatment is the question, and explains nothing away.
    assert not verdicts.loc["GSE9000002", "verdict"].str.startswith("explained").any()


def test_glucocorticoid_control_is_found(verdicts):
    for name in ("gr_response_up", "gr_response_down", "gr_exposure_sentinel"):
        verdict, effect, q = one(verdicts, "GSE9000002", name)
        assert verdict == "higher" and 0.8 < effect < 1.3 and q < 1e-4
    assert one(verdicts, "GSE9000002", "hpa_gr_machinery")[0] == "no difference"


def test_undetected_sets_are_not_measurable(verdicts):
    for study in ("GSE9000001", "GSE9000002"):
        for name in ("chol_nicotinic_receptors", "neg_olfactory", "neg_testis", "neg_lens_retina"):
            row = verdicts.loc[(study, name)]
            assert row["verdict"] == "not measurable" and row["detail"] == "detection"


def test_the_confounded_contrast_keeps_its_numbers_without_a_verdict(verdicts):
    rows = verdicts.loc["GSE9000003"]
    assert set(rows["verdict"]) == {"not measurable"}
    moved = rows.loc["gr_response_up"]
    assert moved["detail"] == "confounded by treatment"
    assert moved["log2_fold_change"] > 0.8 and moved["p"] < 0.001 and pd.isna(moved["q"])


def test_the_effect_in_monocytes_is_found_in_monocytes_only(demo):
    table = pd.read_csv(demo / "results" / "synthesis" / "verdicts.tsv", sep="\t")
    cells = table[table["study"] == "GSE9000004"].set_index(["set_id", "stratum"])
    found = cells.loc["adr_beta_camp_signalling"]
    assert set(found.index) == {"all", "B cell", "CD4 T cell", "classical monocyte"}
    row = found.loc["classical monocyte"]
    assert row["verdict"] == "higher" and 0.8 < row["log2_fold_change"] < 1.5 and row["q"] < 0.01
    assert (row["n_case"], row["n_reference"]) == (3, 3)
    for stratum in ("B cell", "CD4 T cell"):
        assert found.at[stratum, "verdict"] == "no difference"
        assert abs(found.at[stratum, "log2_fold_change"]) < 0.3
    members = pd.read_csv(ROOT / "config" / "panels" / "neuroimmune_panels.tsv", sep="\t")
    planted = members.loc[members["set_id"] == "adr_beta_camp_signalling", "gene_symbol"]
    touched = set(members.loc[members["gene_symbol"].isin(planted), "set_id"])
    rest = cells[~cells.index.isin(touched, level="set_id")]
    assert rest["verdict"].isin(["higher", "lower"]).mean() <= 0.05


def test_every_cell_is_accounted_for(demo):
    folder = demo / "results" / "GSE9000004"
    samples = pd.read_csv(folder / "samples.tsv", sep="\t").set_index("sample")
    assert samples.at["GSM99000408", "include"] == "no"
    page = (demo / "results/report/GSE9000004.html").read_text()
    reason = "its matrix has 7 more cells than its list of barcodes"
    assert samples.at["GSM99000408", "reason"] == reason and reason in page
    steps = pd.read_csv(folder / "cell_steps.tsv", sep="\t", keep_default_na=False)
    kept = 0
    for sample, rows in steps[steps["sample"] != ""].groupby("sample"):
        of_cells = rows[rows["unit"] == "cell"]
        left = of_cells["left"].astype(int).to_list()
        assert left[0] - of_cells["left_out"].sum() == left[-1]
        # Planted: 12 droplets without a cell, 4 dying cells.
        lost = of_cells.set_index("step")["left_out"]
        assert 12 <= lost["empty"] <= 20 and lost["mitochondrial share"] == 4, sample
        kept += left[-1]
    mix = pd.read_csv(folder / "composition.tsv", sep="\t")
    assert mix["n_cells"].sum() == kept
    # One donor stands in two fractions, and is one subject.
    assert mix["profile"].nunique() == 6 and "GSM99000406+GSM99000407" in set(mix["profile"])
    umap = pd.read_csv(folder / "cells_umap.tsv.gz", sep="\t")
    assert len(umap) == kept and umap["umap1"].notna().all()
    assert "empty" in page and "mitochondrial share" in page


def test_who_expresses_the_receptors(demo):
    table = pd.read_csv(demo / "results/GSE9000004/receptor_map.tsv", sep="\t")
    row = table[(table["symbol"] == "CD19") & (table["set_id"] == "conf_bcell")]
    row = row.set_index("cell_type")
    assert row.at["B cell", "share_cells"] > 0.5 > row.at["B cell", "expected_share_cells"]
    assert row.at["CD4 T cell", "share_cells"] < 0.05
    assert row.at["B cell", "n_donors"] == row.at["B cell", "n_donors_detecting"] == 6


def test_null_sets_stay_null(verdicts):
    """Sets that share no gene with a planted one: at most 5 % move."""
    members = pd.read_csv(ROOT / "config" / "panels" / "neuroimmune_panels.tsv", sep="\t")
    planted = {
        "GSE9000001": ["adr_beta_camp_signalling", "np_neuromedin_bombesin", "gr_response_up",
                       "gr_response_down", "conf_erythroid_reticulocyte", "conf_globins"],
        "GSE9000002": ["gr_response_up", "gr_response_down", "adr_receptors_beta"],
    }  # fmt: skip
    for study, sets in planted.items():
        genes = set(members.loc[members["set_id"].isin(sets), "gene_symbol"])
        touched = set(members.loc[members["gene_symbol"].isin(genes), "set_id"])
        rows = verdicts.loc[study]
        rest = rows[~rows.index.isin(touched) & (rows["verdict"] != "not measurable")]
        assert len(rest) > 40
        assert rest["verdict"].isin(["higher", "lower"]).mean() <= 0.05


def test_every_sample_is_accounted_for(demo):
    samples = pd.read_csv(demo / "results/GSE9000001/samples.tsv", sep="\t", keep_default_na=False)
    left_out = samples[samples["include"] == "no"]
    assert len(samples) == 17
    assert left_out[["sample", "reason"]].to_numpy().tolist() == [
        ["GSM99000117", "failed hybridisation, flat profile"]
    ]
    third = pd.read_csv(demo / "results/GSE9000003/samples.tsv", sep="\t", keep_default_na=False)
    assert list(third.loc[third["include"] == "no", "reason"]) == [
        "its group is mapped to nothing in study.yaml"
    ]


def test_every_download_has_its_manifest(demo):
    import json

    files = [p for p in (demo / "resources/geo").rglob("*.gz")]
    assert len(files) == 7
    files.append(demo / "resources/geo/GSE9000004/GSE9000004_RAW.tar")
    for path in files:
        manifest = json.loads(path.with_name(path.name + ".json").read_text())
        assert manifest["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert manifest["bytes"] == path.stat().st_size


def test_every_page_says_simulated(demo):
    pages = {path.stem: path for path in (demo / "results/report").rglob("*.html")}
    wanted = {f"GSE900000{number}" for number in (1, 2, 3, 4)}
    assert wanted | {"index", "power", "methods", "adrenergic", "confounder"} <= set(pages)
    for path in pages.values():
        assert "SIMULATED DATA" in path.read_text(), path
    assert "SIMULATED" in (demo / "results/ro-crate-metadata.json").read_text()


def test_every_result_says_simulated(demo, verdicts):
    import json

    import anndata

    assert set(verdicts["simulated"]) == {"yes"}
    for study in ("GSE9000001", "GSE9000002", "GSE9000003", "GSE9000004"):
        folder = demo / "results" / study
        assert json.loads((folder / "profiles.json").read_text())["simulated"] == "yes"
        assert anndata.read_h5ad(folder / "scored_profiles.h5ad").uns["simulated"] == "yes"
        titles = pd.read_csv(folder / "samples.tsv", sep="\t")["title"]
        assert titles.str.upper().str.contains("SIMULATED").all()


def digests(folder):
    results = folder / "results"
    return {
        path.relative_to(results).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in results.rglob("*")
        if path.suffix in (".tsv", ".json", ".xlsx", ".gz")
        and not {"logs", "benchmarks"} & set(path.parts)
        and path.name != "ro-crate-metadata.json"  # has the dates of the downloads
    }


def test_one_core_gives_the_same_bytes(demo, tmp_path):
    succeed(tmp_path, cores=1)
    found, wanted = digests(tmp_path), digests(demo)
    assert len(wanted) > 25
    assert found == wanted
    # The pages differ in the dates of the downloads only.
    dates = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(Z|\+00:00)?")
    for page in (demo / "results/report").rglob("*.html"):
        other = tmp_path / page.relative_to(demo)
        assert dates.sub("", page.read_text()) == dates.sub("", other.read_text())


def test_a_second_run_does_nothing(demo):
    assert "Nothing to be done" in succeed(demo)


@pytest.fixture(scope="module")
def copy(demo, tmp_path_factory):
    """A copy of the repository with a finished run, to edit."""
    place = tmp_path_factory.mktemp("copy")
    repository = place / "repository"
    names = shutil.ignore_patterns(".*", "run", "results", "resources", "__pycache__")
    shutil.copytree(ROOT, repository, ignore=names)
    shutil.copytree(demo, place / "run")
    succeed(place / "run", repository=repository)
    return repository, place / "run"


def planned(run, repository):
    """Rule -> number of jobs that a dry run would do."""
    output = succeed(run, "--dry-run", repository=repository)
    if "Nothing to be done" in output:
        return {}
    table = output[output.index("Job stats:") :]
    return {rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", table, re.M)}


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_an_edited_method_reruns_its_stage_and_what_follows(copy):
    repository, run = copy
    library = repository / "scripts" / "neuroimmune"
    assert planned(run, repository) == {}
    first = "def fold_words(log2):\n"
    edit(library / "verdict.py", first, f"# why\n{first}")
    assert planned(run, repository) == {}
    edit(library / "stats" / "power.py", "alpha=0.05, power=0.8", "alpha=0.05, power=0.9")
    assert planned(run, repository) == {
        "test_contrast": 4,
        "compare_scorers": 4,
        "test_composition": 1,
        "test_coupling": 4,
        "give_verdicts": 1,
        "pool_studies": 1,
        "check_controls": 1,
        "weigh_claims": 1,
        "write_report": 1,
        "write_workbook": 1,
        "write_crate": 1,
        "all": 1,
        "total": 21,
    }


def test_an_edited_setting_reruns_its_stage_and_what_follows(demo, tmp_path):
    more = tmp_path / "more.yaml"
    more.write_text("verdict: {max_q: 0.1}\n")
    output = succeed(demo, str(more), "--dry-run")
    table = output[output.index("Job stats:") :]
    assert dict(re.findall(r"^(\w+) +(\d+)$", table, re.M)) == {
        "give_verdicts": "1",
        "pool_studies": "1",
        "check_controls": "1",
        "weigh_claims": "1",
        "write_report": "1",
        "write_workbook": "1",
        "write_crate": "1",
        "all": "1",
        "total": "8",
    }


def test_a_typo_in_the_config_is_one_line_with_its_file_and_line(tmp_path):
    more = tmp_path / "more.yaml"
    more.write_text("# mine\ndetect:\n  min_cuont: 5\n")
    process = snakemake(tmp_path, str(more))
    assert process.returncode == 1
    assert process.stdout.splitlines()[-1] == (
        f"ERROR in the configuration: {more}:3: detect.min_cuont: unknown key; allowed here: "
        "background_quantile, background_sets, fallback_quantile, min_background_genes, min_count, "
        "min_fraction"
    )
    assert not (tmp_path / "resources").exists()


def test_lint_is_clean():
    process = snakemake(ROOT / "results", "--lint")
    assert process.returncode == 0, process.stdout


def test_report_archive_builds(demo):
    succeed(demo, "--report", "report.zip")
    assert (demo / "report.zip").stat().st_size > 100_000


def test_as_a_module(tmp_path):
    (tmp_path / "Snakefile").write_text(
        f"""
module neuroimmune:
    snakefile:
        "{ROOT}/Snakefile"
    config:
        config


use rule * from neuroimmune
"""
    )
    process = snakemake(tmp_path, "--dry-run", repository=tmp_path, config=None)
    assert process.returncode == 0, process.stdout
    assert "write_report" in process.stdout


def synthesis(demo, name):
    path = demo / "results" / "synthesis" / f"{name}.tsv"
    return pd.read_csv(path, sep="\t", keep_default_na=False)


def test_the_demos_own_controls(demo):
    table = synthesis(demo, "controls").set_index("control")
    assert table["outcome"].to_dict() == {
        "erythropoiesis": "not run",
        "glucocorticoid": "pass",
        "negative sets": "pass",
    }


def test_what_the_demo_cannot_pool_and_cannot_say(demo):
    excluded = synthesis(demo, "meta_excluded").set_index("study")
    reason = excluded.loc["GSE9000003", "reason"]
    assert reason == "confounded by design: treatment separates the groups"
    assert set(synthesis(demo, "meta")["finding"]) == {"not pooled"}
    claims = synthesis(demo, "evidence").set_index("claim_id")
    assert claims.loc["relapse", "finding"] == "not measurable"
    assert claims.loc["persistence", "finding"] == "not asked"
    # Planted: beta-adrenergic signalling is higher in AIHA, in whole blood (GSE9000001), in
    # monocytes, and with them in all cells (GSE9000004).
    assert claims.loc["sympathetic_signalling", "n_for"] == 3
    # What steroids leave of gr_response_down is no evidence.
    assert claims.loc["hpa_brake", ["n_for", "n_against", "n_doubtful"]].to_list() == [0, 0, 1]
    assert claims.loc["sympathetic_signalling", "sentence"].startswith("Simulated data: ")


def test_numbers_are_those_that_r_finds_from_the_same_files(demo, verdicts):
    """R with limma starts from GEO's files and shares no code (tests/parity/recompute_demo.R)."""
    wanted = pd.read_csv(ROOT / "tests/parity/reference/demo_sets.tsv", sep="\t")
    wanted = wanted.set_index("set_id")
    found = verdicts.loc["GSE9000001"].loc[wanted.index]
    ladder = pd.read_csv(
        demo / "results/GSE9000001/contrasts/aiha_vs_healthy.adjusted.tsv", sep="\t"
    )
    ladder = ladder[ladder["adjustment"] == "erythroid"].set_index("set_id").loc[wanted.index]
    found["erythroid_effect"], found["erythroid_p"] = ladder["log2_fold_change"], ladder["p"]
    for column in wanted:
        found_values, wanted_values = found[column].astype(float), wanted[column].astype(float)
        pd.testing.assert_series_equal(found_values, wanted_values, rtol=1e-8)


def test_every_column_is_documented(demo):
    sections = re.split(r"^## ", (ROOT / "docs" / "outputs.md").read_text(), flags=re.M)[1:]
    for path in sorted((demo / "results").rglob("*.tsv")):
        if {"benchmarks", "panels"} & set(path.parts):
            continue
        name = path.name.split(".", 1)[-1] if path.parent.name == "contrasts" else path.name
        heads = {part: part.splitlines()[0] for part in sections}
        # A study has a controls.tsv of its own.
        kind = path.parent.name == "synthesis"
        text = [part for part, head in heads.items() if ("/synthesis/" in head) == kind]
        text = [part for part in text if re.search(rf"[/. ]{name}", heads[part])]
        assert len(text) == 1, name
        body = text[0]
        if name == "verdicts.tsv":
            body += next(part for part in sections if "sets.tsv" in part.splitlines()[0])
        words = set(re.findall(r"\w+", body))
        columns = path.read_text().splitlines()[0].split("\t")
        assert set(columns) <= words, (name, set(columns) - words)

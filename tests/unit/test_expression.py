"""Arrays and counts become log2 profiles; everything left out is counted."""

import numpy as np
import pandas as pd
import pytest

from neuroimmune.errors import UserError
from neuroimmune.expression import counts, microarray, profiles


def samples(n=4, **columns):
    base = {
        "sample": [f"GSM{i}" for i in range(1, n + 1)],
        "title": [f"title {i}" for i in range(1, n + 1)],
        "include": ["yes"] * n,
        "subject": [f"s{i}" for i in range(1, n + 1)],
        "group": ["case", "control"] * (n // 2),
    }
    empty = ("phase", "treatment", "tissue", "batch", "sex", "age", "fraction", "files")
    more = ("geo_description", "geo_supplementary")
    base |= {name: [""] * n for name in empty + more} | columns
    return pd.DataFrame(base)


def message(function, *arguments):
    with pytest.raises(UserError) as error:
        function(*arguments)
    return str(error.value)


def test_scale_is_decided_by_quantiles():
    rng = np.random.default_rng(0)
    log2 = pd.DataFrame(rng.uniform(3, 14, (2000, 4)))
    assert microarray.decide_scale(log2, "m")[0] == "log2"
    assert microarray.decide_scale(2**log2, "m")[0] == "linear"
    assert microarray.decide_scale(2**log2, "m", "log2")[0] == "log2"
    ratios = pd.DataFrame(rng.normal(0, 1, (2000, 4)))
    assert "m: the scale of the values is not clear (1 % quantile -2.3" in message(
        microarray.decide_scale, ratios, "m"
    )
    narrow = pd.DataFrame(rng.uniform(0, 60, (2000, 4)))
    assert "set source.scale" in message(microarray.decide_scale, narrow, "m")


def test_linear_values_below_one_are_counted():
    values, raised = microarray.to_log2(pd.DataFrame({"a": [0.5, 8.0], "b": [-3.0, 1.0]}), "linear")
    assert raised == 2
    np.testing.assert_array_equal(values.to_numpy(), [[0, 0], [3, 0]])


def test_one_probe_a_gene_and_every_loss_counted():
    table = pd.DataFrame(
        {"GSM1": [1, 5, 9, 7, 2, 3.0], "GSM2": [3, 5, 9, np.nan, 2, 3.0]},
        index=["p1", "p2", "multi", "gap", "nogene", "unknown"],
    )
    annotation = pd.DataFrame(
        {
            "symbol": ["ABC", "ABC", "ABC///DEF", "XYZ", ""],
            "entrez": ["12", "12", "12///34", "9", ""],
        },
        index=["p1", "p2", "multi", "gap", "nogene"],
    )
    values, var, steps = microarray.collapse_probes(table, annotation)
    assert list(values.index) == ["ABC"]
    assert values.loc["ABC"].to_list() == [5, 5]
    assert var.loc["ABC"].to_list() == ["p2", "12", 2]
    assert [(step["step"], step["left_out"]) for step in steps] == [
        ("missing values", 1),
        ("probes without a gene", 2),
        ("probes of several genes", 1),
        ("further probes of a gene", 1),
    ]
    assert "no probe of the series matrix (for example 'p1')" in message(
        microarray.collapse_probes, table, annotation.rename(index=lambda name: f"x{name}")
    )


def test_matrix_without_values_says_where_they_are():
    empty = pd.DataFrame(index=pd.Index([], dtype=str), columns=["GSM1"], dtype=float)
    text = message(
        profiles.from_arrays,
        samples(),
        {"supplementary_file": ["ftp://x/GSE1_counts.txt.gz"]},
        empty,
        None,
        "auto",
        "GSE1_series_matrix.txt.gz",
    )
    assert text == (
        "GSE1_series_matrix.txt.gz: the series matrix holds no values, as is usual for "
        "sequencing; the values are in the supplementary files (ftp://x/GSE1_counts.txt.gz): set "
        "source.kind to counts_table and source.file to one of them, or source.kind to ncbi_counts"
    )


def test_gene_rows_are_cleaned_and_summed():
    table = pd.DataFrame(
        {"a": [1.0, 2, 3, 4, 9]},
        index=["ENSG00000000001.1", "ENSG00000000001.2", "ENSG00000000002.1", "", "__no_feature"],
    )
    cleaned, steps = counts.clean_genes(table)
    assert cleaned["a"].to_dict() == {"ENSG00000000001": 3, "ENSG00000000002": 3}
    assert [(step["step"], step["left_out"]) for step in steps] == [
        ("summary rows", 1),
        ("rows without a gene", 1),
        ("rows of one gene", 1),
    ]


def test_values_that_are_no_counts_are_refused():
    rng = np.random.default_rng(0)
    raw = pd.DataFrame(rng.poisson(50, (300, 4)).astype(float), columns=list("abcd"))
    assert counts.check_counts(raw, "f") == "integer"
    assert counts.check_counts(raw + 0.25, "f") == "fractional"
    assert "normalised values (CPM or TPM), not counts" in message(
        counts.check_counts, raw / raw.sum() * 1e6, "f"
    )
    assert "these look like log or normalised values" in message(
        counts.check_counts, np.log2(raw + 1), "f"
    )
    assert message(counts.check_counts, raw.assign(b=0.0), "f") == (
        "f: column b holds zeros only; leave the sample out"
    )


def test_replicates_of_a_subject_are_merged_before_anything_else():
    table = samples(subject=["s1", "s2", "s1", "s4"], group=["case", "control", "case", "control"])
    rng = np.random.default_rng(1)
    raw = pd.DataFrame(
        rng.poisson(100, (50, 4)).astype(float),
        index=[f"g{i}" for i in range(50)],
        columns=["GSM1", "GSM2", "GSM3", "GSM4"],
    )
    data, attrition, summary = profiles.from_counts(table, raw, "f", lambda ids: ["g0"])
    assert list(data.obs_names) == ["GSM1+GSM3", "GSM2", "GSM4"]
    np.testing.assert_array_equal(data.layers["counts"][0], raw["GSM1"] + raw["GSM3"])
    assert data.obs.loc["GSM1+GSM3", "library_size"] == raw[["GSM1", "GSM3"]].sum().sum()
    assert data.obs["effective_library_size"].max() < data.obs["library_size"].max()
    assert summary["genes"] == 50
    assert attrition[["step", "left_out", "reason"]].to_numpy().tolist() == [
        ["replicates", 1, "2 samples of one subject and group each were merged into 1 profiles"]
    ]
    assert list(data.uns["globins"]) == ["g0"]


def test_left_out_samples_leave_their_columns_counted():
    table = samples(include=["yes", "yes", "yes", "no"])
    raw = pd.DataFrame(
        np.arange(1, 21.0).reshape(5, 4),
        index=list("vwxyz"),
        columns=["GSM4", "GSM1", "GSM2", "GSM3"],
    )
    data, attrition, _ = profiles.from_counts(table, raw, "f", lambda ids: [])
    assert list(data.obs_names) == ["GSM1", "GSM2", "GSM3"]
    assert attrition.iloc[0][["step", "left_out", "examples"]].to_list() == [
        "columns of no included sample",
        1,
        "GSM4",
    ]
    np.testing.assert_array_equal(data.layers["counts"][0], raw["GSM1"])


def test_profiles_round_trip(tmp_path):
    raw = pd.DataFrame(
        np.arange(1, 21.0).reshape(5, 4),
        index=list("vwxyz"),
        columns=[f"GSM{i}" for i in range(1, 5)],
    )
    data, *_ = profiles.from_counts(samples(), raw, "f", lambda ids: [])
    profiles.write_profiles(tmp_path / "p.h5ad", data)
    back = profiles.read_profiles(tmp_path / "p.h5ad")
    np.testing.assert_array_equal(back.X, data.X)
    assert list(back.obs["subject"]) == ["s1", "s2", "s3", "s4"]
    assert list(back.obs["treatment"]) == [""] * 4
    assert [path.name for path in tmp_path.iterdir()] == ["p.h5ad"]

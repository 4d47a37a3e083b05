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
    empty = ("phase", "treatment", "dose", "tissue", "batch", "sex", "age", "fraction", "files")
    more = ("geo_description", "geo_supplementary")
    base |= {name: [""] * n for name in empty + more} | columns
    return pd.DataFrame(base)


def message(function, *arguments):
    with pytest.raises(UserError) as error:
        function(*arguments)
    return str(error.value)


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


def test_probes_that_tie_but_for_rounding_keep_the_order_of_the_file():
    """0.1 + 0.2 + 0.3 is not 0.6: the second probe must not win by its last bit."""
    table = pd.DataFrame([[0.3, 0.3, 0.0], [0.1, 0.2, 0.3]], index=["first", "second"])
    assert table.loc["second"].mean() > table.loc["first"].mean()
    annotation = pd.DataFrame({"symbol": "ABC", "entrez": "12"}, index=["first", "second"])
    _, var, _ = microarray.collapse_probes(table, annotation)
    assert var["probe"].to_list() == ["first"]


def test_symbols_of_the_annotation_are_cleaned():
    table = pd.DataFrame({"GSM1": [1.0, 2, 3], "GSM2": [1.0, 2, 3]}, index=["p1", "p2", "p3"])
    annotation = pd.DataFrame(
        {"symbol": [' "TP53" ', "9-Sep", "1-Mar"], "entrez": ["7157", "10801", "55016"]},
        index=["p1", "p2", "p3"],
    )
    values, var, steps = microarray.collapse_probes(table, annotation)
    assert list(values.index) == ["SEPTIN9", "TP53"]
    assert var["entrez"].to_list() == ["10801", "7157"]
    assert [(step["step"], step["left_out"], step["examples"]) for step in steps] == [
        ("names lost", 1, "p3")
    ]


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


def cleaned(**rows):
    table = pd.DataFrame({"a": list(map(float, rows.values()))}, index=list(rows))
    result, steps = counts.clean_genes(table)
    return result["a"].to_dict(), {step["step"]: step for step in steps}


def test_gene_rows_are_cleaned_and_summed():
    table = pd.DataFrame(
        {"a": [1.0, 2, 3, 4, 9, 7]},
        index=[
            "ENSG00000000001.1",
            "ENSG00000000001.2",
            "ENSG00000000002.1",
            "",
            "__no_feature",
            "ERCC-00002",
        ],
    )
    result, steps = counts.clean_genes(table)
    assert result["a"].to_dict() == {"ENSG00000000001": 3, "ENSG00000000002": 3}
    assert [(step["step"], step["left_out"], step["examples"]) for step in steps] == [
        ("summary rows", 1, "__no_feature"),
        ("spike-in rows", 1, "ERCC-00002"),
        ("rows without a gene", 1, ""),
        ("rows of one gene", 1, "ENSG00000000001"),
    ]


@pytest.mark.parametrize(
    "name", ["N_unmapped", "no_feature", "__alignment_not_unique", "Unassigned_Ambiguity"]
)
def test_rows_of_counting_programs(name):
    assert cleaned(**{name: 5, "ERCC1": 1})[0] == {"ERCC1": 1}


def test_copy_on_the_y_chromosome_is_added_and_said():
    values, steps = cleaned(
        **{"ENSG00000002586.20": 10, "ENSG00000002586.20_PAR_Y": 10, "ENSG00000000003.1": 1}
    )
    assert values == {"ENSG00000002586": 20, "ENSG00000000003": 1}
    assert steps["copies on the Y chromosome"] == {
        "step": "copies on the Y chromosome",
        "unit": "gene",
        "left_out": 1,
        "reason": "rows _PAR_Y of the pseudoautosomal regions are added to the gene's row of X",
        "examples": "ENSG00000002586_PAR_Y",
    }
    assert "rows of one gene" not in steps


def test_composite_and_quoted_names_are_said():
    values, steps = cleaned(**{"ENSG00000000003|TSPAN6": 1, '"ENSG00000000005"': 2})
    assert values == {"ENSG00000000003": 1, "ENSG00000000005": 2}
    assert steps["composite names"]["reason"] == (
        "1 names hold an identifier and another name; the identifier counts"
    )
    assert steps["quotes and blanks"]["reason"] == "1 names stood in them, which were removed"
    assert {step["left_out"] for step in steps.values()} == {0}


def test_names_that_a_spreadsheet_changed_are_repaired_or_lost():
    table = pd.DataFrame(
        {"a": [1.0, 2, 4, 8, 16]}, index=["ACTB", "9-Sep", "1-Mar", "1-Mar", "2.31E+19"]
    )
    result, steps = counts.clean_genes(table)
    assert result["a"].to_dict() == {"ACTB": 1, "SEPTIN9": 2}
    assert [(step["step"], step["left_out"], step["examples"]) for step in steps] == [
        ("names repaired", 0, "9-Sep is SEPTIN9"),
        ("names lost", 3, "1-Mar, 2.31E+19"),
    ]


def test_sums_are_exact_beyond_32_bits():
    # 2^24 + 1 is lost in 32-bit floats, 2^31 in 32-bit integers; 2^53 is the limit of 64 bits.
    table = pd.DataFrame({"a": np.array([2**24, 1], dtype="float32")}, index=["g.1", "g.1"])
    assert counts.clean_genes(table)[0].at["g.1", "a"] == 2**24 + 1
    table = pd.DataFrame({"a": [2.0**52, 2.0**52 - 2, 1]}, index=["g", "g", "g"])
    assert counts.clean_genes(table)[0].at["g", "a"] == 2**53 - 1
    assert counts.check_counts(table, "f") == ("integer", [])
    assert message(counts.check_counts, table + 1, "f") == (
        "f: column a sums to 9.01e+15: no sequencing run has so many reads; name a file of raw "
        "counts"
    )


def test_replicates_of_a_subject_are_merged_before_anything_else():
    table = samples(subject=["s1", "s2", "s1", "s4"], group=["case", "control", "case", "control"])
    rng = np.random.default_rng(1)
    raw = pd.DataFrame(
        rng.poisson(100, (50, 4)).astype(float),
        index=[f"g{i}" for i in range(50)],
        columns=["GSM1", "GSM2", "GSM3", "GSM4"],
    )
    data, attrition, summary = profiles.from_counts(table, raw, [], "f", lambda ids: ["g0"])
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
    data, attrition, _ = profiles.from_counts(table, raw, [], "f", lambda ids: [])
    assert list(data.obs_names) == ["GSM1", "GSM2", "GSM3"]
    assert attrition.iloc[0][["step", "left_out", "examples"]].to_list() == [
        "columns of no included sample",
        1,
        "GSM4",
    ]
    np.testing.assert_array_equal(data.layers["counts"][0], raw["GSM1"])


def test_what_merged_samples_differ_in_is_joined_or_blank():
    table = samples(
        subject=["a", "a", "b", "b"],
        group=["case", "case", "control", "control"],
        batch=["2", "1", "1", "1"],
        sex=["female", "", "male", "male"],
        age=["40", "41", "50", "50"],
        dose=["5", "10", "", ""],
    )
    raw = pd.DataFrame(
        np.arange(1, 21.0).reshape(5, 4), list("vwxyz"), [f"GSM{i}" for i in range(1, 5)]
    )
    data, *_ = profiles.from_counts(table, raw, [], "f", lambda ids: [])
    fields = data.obs.loc["GSM1+GSM2", ["batch", "sex", "age", "dose"]]
    assert fields.to_list() == ["1+2", "female", "", ""]
    assert data.obs.loc["GSM3+GSM4", ["batch", "age"]].to_list() == ["1", "50"]
    assert data.obs["samples"].to_list() == ["GSM1+GSM2", "GSM3+GSM4"]


def test_profiles_round_trip(tmp_path):
    raw = pd.DataFrame(
        np.arange(1, 21.0).reshape(5, 4),
        index=list("vwxyz"),
        columns=[f"GSM{i}" for i in range(1, 5)],
    )
    data, *_ = profiles.from_counts(samples(), raw, [], "f", lambda ids: [])
    profiles.write_profiles(tmp_path / "p.h5ad", data)
    back = profiles.read_profiles(tmp_path / "p.h5ad")
    np.testing.assert_array_equal(back.X, data.X)
    assert list(back.obs["subject"]) == ["s1", "s2", "s3", "s4"]
    assert list(back.obs["treatment"]) == [""] * 4
    assert [path.name for path in tmp_path.iterdir()] == ["p.h5ad"]

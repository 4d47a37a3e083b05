"""What the numbers of a file are: log2, linear, counts, or nothing that can be compared."""

import numpy as np
import pandas as pd
import pytest

from neuroimmune.errors import UserError
from neuroimmune.expression.counts import check_counts
from neuroimmune.expression.microarray import decide_scale, scale_doubts, to_log2


def log2(n=3000, samples=6, seed=0):
    """Log2 intensities as an array has them: many near background, few above 12."""
    rng = np.random.default_rng(seed)
    level = np.minimum(rng.gamma(2, 1.6, (n, 1)) + 4, 15)
    values = level + rng.normal(0, 0.3, (n, samples))
    return pd.DataFrame(values, columns=[f"GSM{i}" for i in range(1, samples + 1)])


def refusal(table, processing=""):
    with pytest.raises(UserError) as error:
        decide_scale(table, "m", "auto", processing)
    return str(error.value)


def test_log2_and_linear_are_told_apart():
    table = log2()
    assert decide_scale(table, "m")[0] == "log2"
    assert decide_scale(2**table, "m")[0] == "linear"
    assert decide_scale(2**table, "m", "log2")[0] == "log2"
    scale, evidence = decide_scale(table, "m")
    assert evidence.startswith("1 % quantile 4.")
    assert scale_doubts(table, "m", "log2") == scale_doubts(2**table, "m", "linear") == []


def test_a_few_odd_values_do_not_decide():
    table = log2()
    table.iloc[0, 0], table.iloc[5, 3], table.iloc[7, :] = 1e6, 1e6, -3.0
    assert decide_scale(table, "m")[0] == "log2"
    values, notes = to_log2(table, "log2")
    assert notes == ["2 values above 40 cannot be log2 intensities and count as missing"]
    assert values.isna().to_numpy().sum() == 2
    assert np.isnan(values.iloc[0, 0]) and values.iloc[7, 0] == -3
    linear = 2 ** log2()
    linear.iloc[:3, 0] = -5.0
    assert decide_scale(linear, "m")[0] == "linear"


def test_a_sample_on_another_scale_is_named():
    table = log2()
    table["GSM2"] = 2 ** table["GSM2"]
    assert refusal(table) == (
        "m: samples GSM2 look like linear, the others like log2: leave them out, or give all "
        "samples on one scale"
    )
    table = log2()
    table["GSM3"] -= table["GSM3"].median()
    assert decide_scale(table, "m")[0] == "log2"
    assert scale_doubts(table, "m", "log2") == [
        "samples GSM3 differ from the others in the scale of their values"
    ]
    table["GSM4"] = np.nan
    assert refusal(table) == "m: sample GSM4 has no value"


def z(table, axis):
    values = table.to_numpy()
    return pd.DataFrame(
        (values - values.mean(axis, keepdims=True)) / values.std(axis, ddof=1, keepdims=True)
    )


def reference(n=3000):
    """Log ratios to a common reference: centred over genes, not for each gene."""
    rng = np.random.default_rng(1)
    return pd.DataFrame(rng.normal(0, 1.5, (n, 1)) + rng.normal(0, 0.3, (n, 6)))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (log2().sub(log2().median(axis=1), axis=0), "values centred for each gene"),
        (z(log2(), 1), "z-scores of each gene"),
        (z(log2() + 0, 0), "z-scores of each sample"),
        (reference(), "log ratios (two channels, or a common reference)"),
        (log2().rank(pct=True), "shares between 0 and 1"),
        (100 * log2().rank(pct=True), "ranks or percentiles"),
        (log2().rank(), "ranks or percentiles"),
        (np.log10(2 ** log2()), "logarithms to base 10, or a small part of an array"),
        (2 ** log2().sub(log2().median(axis=1), axis=0), "ratios to the median of each gene"),
        (log2() * 4, "neither log2 nor linear intensities"),
    ],
)
def test_what_cannot_be_compared_between_genes_is_named(table, words):
    text = refusal(table)
    assert text.startswith(f"m: the values look like {words}")
    assert text.endswith(
        "such values cannot be compared between genes; set source.scale to log2 or linear in "
        "study.yaml if you know better"
    )
    assert decide_scale(table, "m", "log2")[0] == "log2"
    assert scale_doubts(table, "m", "log2")[0].startswith(
        f"the values are taken as log2, but look like {words}"
    )


def test_the_submitters_text_must_agree():
    table = log2()
    for text in ("values are log10 transformed", "natural logarithm of signal", "ln(signal)"):
        assert "fold changes would be wrong by a factor; set source.scale" in refusal(table, text)
    assert decide_scale(table, "m", "log2", "log10 ratios")[0] == "log2"
    # Values that are clearly linear are so whatever a logarithm in the text was used for.
    assert decide_scale(2**table, "m", "auto", "log10 ratio and p-value computed")[0] == "linear"
    assert scale_doubts(2**table, "m", "linear", "RMA, quantile normalised") == [
        "the values are taken as linear, but the submitter's text says 'RMA' (log2)"
    ]
    assert scale_doubts(table, "m", "log2", "RMA") == []
    assert scale_doubts(table, "m", "log2", "GCOS software, MAS5, scaled to 500") == [
        "the values are taken as log2, but the submitter's text says 'GCOS' (linear)"
    ]
    assert scale_doubts(table, "m", "log2", "VALUE is the log ratio Cy5/Cy3") == [
        "the values are taken as log2, but the submitter's text says 'log ratio' (ratios)"
    ]
    # A lymph node is no logarithm, an alternative of which the text names one is no doubt.
    assert decide_scale(table, "m", "auto", "the LN was cut; log2 of RMA")[0] == "log2"


def test_natural_logarithms_without_a_word_raise_a_doubt():
    table = log2() * np.log(2)
    (doubt,) = scale_doubts(table, "m", "log2")
    assert doubt.endswith("are they natural logarithms, or a part of the array?")


def test_few_small_linear_values_are_raised_to_a_quantile():
    values = pd.DataFrame({"a": [0.0, *range(1, 1000)], "b": np.arange(1.0, 1001)})
    result, notes = to_log2(values, "linear")
    floor = np.quantile([*range(1, 1000), *range(1, 1001)], 0.01)
    assert result.iloc[0, 0] == np.log2(floor)
    assert result.iloc[999, 1] == np.log2(1000)
    assert notes == [f"21 linear values below {floor:.4g} (the 1 % quantile) were raised to it"]


def background_subtracted():
    rng = np.random.default_rng(2)
    signal = np.where(rng.random((4000, 1)) < 0.6, 0, 2 ** rng.uniform(6, 14, (4000, 1)))
    return pd.DataFrame(signal * 2 ** rng.normal(0, 0.1, (4000, 4)) + rng.normal(0, 5, (4000, 4)))


@pytest.mark.parametrize("cut", [False, True])
def test_background_subtracted_values_keep_their_order_and_their_calm(cut):
    table = background_subtracted()
    table = table.clip(lower=0) if cut else table
    assert decide_scale(table, "m")[0] == "linear"
    result, notes = to_log2(table, "linear")
    assert "(background was subtracted): a generalised logarithm with c = " in notes[0]
    order = table[0].sort_values().index
    assert (result[0][order].diff().dropna() >= 0).all()
    # Well above c it is log2; at zero the noise of 5 is a quarter of a log2 unit, where log2 of
    # values raised to 1 varies by more than one.
    bright = table[0] > 1000
    np.testing.assert_allclose(result[0][bright], np.log2(table[0][bright]), atol=4e-4)
    silent = (table.abs() < 15).all(axis=1)
    assert result[silent].std(axis=1).median() < 0.4
    assert np.log2(table[silent].clip(lower=1)).std(axis=1).median() > 0.9


def test_generalised_logarithm_is_exact_far_below_zero():
    table = pd.DataFrame({"a": [-1e6, *np.linspace(-10, 1000, 50)]})
    result, _ = to_log2(table, "linear")
    c = 4 * np.sqrt(np.mean(table["a"][table["a"] < 0] ** 2))
    assert result.iloc[0, 0] == pytest.approx(np.log2(c**2 / (1e6 + np.hypot(1e6, c)) / 2))
    assert np.isfinite(result.to_numpy()).all()


def raw(samples=4, seed=0):
    rng = np.random.default_rng(seed)
    depth = np.linspace(1, 1.6, samples)
    values = rng.poisson(rng.gamma(0.3, 600, (2000, 1)) * depth).astype(float)
    return pd.DataFrame(values, columns=list("abcd")[:samples])


def no_counts(table, path="f"):
    with pytest.raises(UserError) as error:
        check_counts(table, path)
    return str(error.value)


def test_counts_pass_and_fractions_are_said():
    assert check_counts(raw(), "GSE1_raw_counts.txt.gz") == ("integer", [])
    assert check_counts(raw() + 6e-12, "f") == ("integer", [])
    rsem = raw()
    rsem.iloc[::5] += 0.37
    assert check_counts(rsem, "f") == (
        "fractional",
        ["the counts are not whole numbers; they are used as they are, not rounded"],
    )


def test_normalised_values_are_refused():
    tpm = raw() / raw().sum() * 1e6
    for table, total in ((tpm, "1,000,000"), (tpm.round(), f"{tpm.round().sum().mean():,.0f}")):
        assert no_counts(table) == (
            f"f: all columns sum to about {total}: these are normalised values (CPM or TPM), not "
            "counts; name a file of raw counts in source.file"
        )
    fpkm = raw().div([0.9, 1.1, 1.2, 1.4]) * 0.05
    text = no_counts(fpkm)
    assert " % of the values above zero are below 1, hardly any is a whole number, and the" in text
    assert text.endswith(
        "these look like FPKM or RPKM, not counts; name a file of raw counts in source.file"
    )
    logs = np.log2(raw() + 1)
    assert no_counts(logs) == (
        f"f: column a, b, c, d: the largest value is {logs.max().max():.3g} and values are not "
        "whole numbers: these look like log or normalised values, not counts; name a file of raw "
        "counts"
    )
    assert no_counts(raw().assign(b=np.log2(raw()["b"] + 1))).startswith("f: column b: the largest")
    assert no_counts(raw().assign(b=0.0)) == "f: column b holds zeros only; leave the sample out"
    assert no_counts(raw().assign(b=np.inf)) == (
        "f: column b holds values that are not finite numbers"
    )


def test_what_may_be_normalised_is_a_warning():
    table = (raw() / raw().sum() * [1.00e6, 1.01e6, 1.02e6, 1.03e6]).round()
    kind, (warning,) = check_counts(table, "f")
    assert kind == "integer"
    assert warning.startswith("all columns sum to 1,000,0")
    assert ", within 3.0 %: raw counts differ more, so these may be normalised values" in warning


@pytest.mark.parametrize(
    ("name", "warned"),
    [
        ("GSE60424_GEOSubmit_FC1to11_normalized_counts.txt.gz", True),
        ("GSE1_norm_counts.txt", True),
        ("GSE1_FPKM.txt", True),
        ("GSE1_gene_tpms.csv", True),
        ("GSE1.rpkm.txt", True),
        ("GSE1_normal_and_tumour_counts.txt", False),
        ("GSE1_unnormalized_counts.txt", False),
        ("GSE1_non-normalized_counts.txt", False),
        ("GSE1_raw_counts.txt", False),
    ],
)
def test_the_file_name_can_say_normalised(name, warned):
    warnings = check_counts(raw(), f"norm/tpm/{name}")[1]
    assert bool(warnings) == warned
    if warned:
        assert warnings == [
            f"the file name {name} says normalised values; raw counts are expected: voom weights "
            "and detection limits do not hold for others"
        ]


def test_columns_that_do_not_fit_are_named():
    table = raw()
    table["c"] *= 1000
    (warning,) = check_counts(table, "f")[1]
    assert warning.startswith("column sums far from the median of ")
    assert f": c {table['c'].sum():,.0f}; other units, or a failed library?" in warning
    assert (
        "column b holds fractions, the others whole numbers: are they of one kind?"
        in (check_counts(raw().assign(b=raw()["b"] + 0.5), "f")[1])
    )

"""Count columns are assigned to samples by name, never by position."""

import pandas as pd
import pytest

from neuroimmune.errors import UserError
from neuroimmune.expression.columns import make_names, match_columns


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


def test_columns_match_by_gsm_then_title_then_description_or_file():
    table = samples(
        title=["liver", "x", "same", "same"],
        geo_description=["", "", "run_3", ""],
        geo_supplementary=["", "", "", "ftp://x/GSM4_four.txt.gz"],
    )
    columns = ["GSM2_rep", "LIVER ", "run_3", "GSM4_four.txt.gz", "same"]
    assert match_columns(columns, table, "f")[0] == {
        "GSM1": "LIVER ",
        "GSM2": "GSM2_rep",
        "GSM3": "run_3",
        "GSM4": "GSM4_four.txt.gz",
    }


ADVICE = (
    "Name each sample's column in a column 'files' of samples.tsv, leave samples out under "
    "exclude:, or, where the table lacks samples, set source.missing_samples: leave_out"
)


def matched(columns, *titles, **more):
    """The columns in the order of the samples, which have these titles."""
    table = samples(len(titles), title=list(titles), **more)
    found, left_out = match_columns(columns, table, "f")
    assert left_out == []
    return [found[name] for name in table["sample"]]


def test_columns_that_match_nothing_are_an_error_never_taken_by_position():
    assert message(match_columns, ["a", "b", "c", "d"], samples(), "f.gz") == (
        "f.gz: no column matches any sample; columns: a, b, c, d; samples: GSM1 (title 1), GSM2 "
        f"(title 2), GSM3 (title 3), GSM4 (title 4). {ADVICE}"
    )
    assert message(match_columns, ["GSM1", "GSM2", "GSM3", "run4"], samples(), "f.gz") == (
        "f.gz: no column matches 1 of 4 samples: GSM4 (title 4); columns without a sample: run4. "
        + ADVICE
    )
    assert message(match_columns, ["GSM1", "GSM2", "GSM3"], samples(), "f.gz") == (
        f"f.gz: no column matches 1 of 4 samples: GSM4 (title 4); columns without a sample: none. "
        f"{ADVICE}"
    )


def test_the_word_of_samples_tsv():
    named = samples(files=["a", "a", "b", "nothing"])
    assert message(match_columns, ["a", "b"], named, "f.gz") == (
        "2 problems:\n"
        "f.gz: sample GSM4: 'files' says 'nothing', which is no column; columns: a, b\n"
        "f.gz: the column 'a' is claimed by GSM1, GSM2"
    )
    # It comes before what the other names say.
    given = samples(2, title=["a", "b"], files=["b", "a"])
    assert match_columns(["a", "b"], given, "f")[0] == {"GSM1": "b", "GSM2": "a"}


def test_a_name_of_two_samples_is_none():
    twice = samples(title=["t", "t", "u", "v"])
    # What make.unique or a reader makes of a name that stands twice tells no more than the order.
    for second in ("t.1", "t2"):
        assert message(match_columns, ["t", second, "u", "v"], twice, "f.gz") == (
            "f.gz: no column matches 2 of 4 samples: GSM1 (t; fits 't'), GSM2 (t; fits 't'); "
            f"columns without a sample: t, {second}. {ADVICE}"
        )
    # Nor is a third sample's name, where it could be the second 't'.
    third = samples(title=["t", "t", "t.1", "v"])
    assert "GSM3 (t.1; fits 't.1')" in message(match_columns, ["t", "t.1", "v"], third, "f.gz")
    # The title of one sample and the description of another.
    crossed = samples(2, title=["a", "b"], geo_description=["b", ""])
    assert "1 of 2 samples: GSM2 (b; fits 'b'); columns without a sample: b" in message(
        match_columns, ["a", "b"], crossed, "f.gz"
    )


def test_a_column_of_a_sample_that_is_left_out_is_not_free():
    table = samples(title=["a", "a", "b", "c"], include=["yes", "no", "yes", "yes"])
    assert "1 of 3 samples: GSM1 (a; fits 'a'); columns without a sample: a, a.1" in message(
        match_columns, ["a", "a.1", "b", "c"], table, "f.gz"
    )
    table = samples(title=["KO", "treated KO", "b", "c"], include=["yes", "no", "yes", "yes"])
    columns = ["x.KO", "x.treated.KO", "x.b", "x.c"]
    found = match_columns(columns, table, "f")[0]
    assert found == {"GSM1": "x.KO", "GSM3": "x.b", "GSM4": "x.c"}
    table["include"] = ["yes", "no", "yes", "no"]
    assert "GSM1 (KO)" in message(match_columns, ["treated.KO", "b"], table, "f.gz")


def test_names_as_r_writes_them():
    assert make_names("1 day") == "X1.day"
    assert make_names("Control A") == "Control.A"
    assert make_names("_a-b+") == "X_a.b."
    assert make_names(".5") == "X.5" and make_names(".a") == ".a"
    assert matched(["Control.A", "X1.day"], "Control A", "1 day") == ["Control.A", "X1.day"]
    assert matched(["CD4..x", "CD8"], "CD4+ x", "CD8") == ["CD4..x", "CD8"]
    assert matched(["Control A", "1 day"], "Control.A", "X1.day") == ["Control A", "1 day"]
    assert matched(["control_a", "1_day"], "Control A", "1 day") == ["control_a", "1_day"]
    # Both names as written are fine, R's one name for both is not.
    assert matched(["A.1", "A-1"], "A-1", "A.1") == ["A-1", "A.1"]
    for columns in (["A.1", "A.1.1"], ["A.1", "x"]):
        assert "GSM1 (A-1; fits 'A.1'), GSM2 (A.1; fits 'A.1')" in message(
            match_columns, columns + ["b"], samples(4, title=["A-1", "A.1", "b", "c"]), "f"
        )
    # R writes CD4+ and CD4- alike, but it has written neither of these.
    text = message(match_columns, ["CD4+", "b"], samples(2, title=["CD4-", "b"]), "f")
    assert text.startswith("f: no column matches 1 of 2 samples: GSM1 (CD4-); columns without a")


def test_file_names_and_paths():
    assert matched(["/home/x/GSM2.bam", "GSM1_a.txt"], "a", "b") == [
        "GSM1_a.txt",
        "/home/x/GSM2.bam",
    ]
    assert matched(["/home/x/KO 1.sorted.bam", "/home/x/WT.sorted.bam"], "KO 1", "WT") == [
        "/home/x/KO 1.sorted.bam",
        "/home/x/WT.sorted.bam",
    ]
    assert matched(["C:\\x\\KO.counts.txt", "C:\\y\\WT.BAM"], "KO", "WT") == [
        "C:\\x\\KO.counts.txt",
        "C:\\y\\WT.BAM",
    ]
    assert matched(["aligned.sample1.bam", "aligned.sample2.bam"], "sample2", "sample1") == [
        "aligned.sample2.bam",
        "aligned.sample1.bam",
    ]
    # R's name of a path; the samples share a word with each other.
    assert matched(["X.d.patient.1.bam", "X.d.patient.2.bam"], "patient 1", "patient 2") == [
        "X.d.patient.1.bam",
        "X.d.patient.2.bam",
    ]
    files = ["ftp://x/S7_KO.counts.txt.gz | ftp://x/KO.bed.gz", "ftp://x/S8_WT.counts.txt.gz"]
    assert matched(["S8_WT", "S7_KO"], "a", "b", geo_supplementary=files) == ["S7_KO", "S8_WT"]
    # One word that the columns do not share is one too many.
    columns = ["KO.lane1", "WT.lane2"]
    assert "no column matches any sample" in message(
        match_columns, columns, samples(2, title=["KO", "WT"]), "f"
    )


def test_a_sample_of_two_columns_and_a_column_of_two_samples():
    assert "GSM1 (title 1; fits 'GSM1_a', 'GSM1_b')" in message(
        match_columns, ["GSM1_a", "GSM1_b", "GSM2"], samples(2), "f"
    )
    assert "GSM1 (title 1; fits 'GSM1_GSM2'), GSM2 (title 2; fits 'GSM1_GSM2')" in message(
        match_columns, ["GSM1_GSM2", "GSM3", "GSM4"], samples(), "f"
    )
    assert "GSM1 (KO; fits 'KO.bam', 'KO.counts')" in message(
        match_columns, ["KO.bam", "KO.counts", "b"], samples(2, title=["KO", "b"]), "f"
    )


def test_missing_samples():
    columns = ["GSM4", "GSM1", "GSM2", "other"]
    found, left_out = match_columns(columns, samples(), "f", "leave_out")
    assert found == {"GSM1": "GSM1", "GSM2": "GSM2", "GSM4": "GSM4"}
    assert list(found) == ["GSM1", "GSM2", "GSM4"]
    assert left_out == [{"sample": "GSM3", "reason": "the count table has no column for it"}]
    # A column that may be the sample's is no missing sample.
    twice = samples(title=["t", "t", "u", "v"])
    assert "GSM1 (t; fits 't'), GSM2 (t; fits 't')" in message(
        match_columns, ["t", "u", "v"], twice, "f", "leave_out"
    )
    assert message(match_columns, ["GSM1", "GSM3"], samples(), "f.gz", "leave_out") == (
        "f.gz: no column for any sample of group 'control' (GSM2, GSM4), and "
        "source.missing_samples is leave_out: the group would be empty. Check the file, or take "
        "the group's contrasts out of study.yaml"
    )
    assert message(match_columns, ["a"], samples(), "f.gz", "leave_out").startswith(
        "f.gz: no column matches any sample; columns: a; samples: GSM1 (title 1), GSM2"
    )

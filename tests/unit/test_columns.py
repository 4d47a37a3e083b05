"""Count columns are assigned to samples by name, never by position."""

import pandas as pd
import pytest

from neuroimmune.errors import UserError
from neuroimmune.expression.columns import match_columns


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
    assert match_columns(columns, table, "f") == {
        "GSM1": "LIVER ",
        "GSM2": "GSM2_rep",
        "GSM3": "run_3",
        "GSM4": "GSM4_four.txt.gz",
    }


def test_columns_that_match_nothing_are_an_error_never_taken_by_position():
    assert message(match_columns, ["a", "b", "c", "d"], samples(), "f.gz") == (
        "f.gz: no column matches any sample; columns: a, b, c, d. Name each sample's column in a "
        "column 'files' of samples.tsv, or leave samples out under exclude:"
    )
    some = message(match_columns, ["GSM1", "GSM2", "GSM3"], samples(), "f.gz")
    assert some.startswith("f.gz: no column matches 1 of 4 samples: GSM4 (title 4); columns: GSM1")
    # A title that occurs twice is no name.
    twice = samples(title=["t", "t", "u", "v"])
    assert "2 of 4 samples: GSM1 (t), GSM2 (t)" in message(
        match_columns, ["t", "t2", "u", "v"], twice, "f.gz"
    )
    named = samples(files=["a", "a", "b", "nothing"])
    found = message(match_columns, ["a", "b"], named, "f.gz")
    assert "f.gz: sample GSM4: 'files' says 'nothing', which is no column; columns: a, b" in found
    assert "f.gz: the column 'a' is claimed by GSM1, GSM2" in found

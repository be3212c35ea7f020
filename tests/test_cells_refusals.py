"""Tests of collapse: roles, names and numbers that make no cells are refused."""

import numpy as np
import pandas as pd
import pytest

from tests.engines import BY, people, refusal

BAD_CALLS = {
    "unknown column": (
        dict(by=["Region ", "year"]),
        "Column 'Region ' is not in the table, which has 'pay', 'region', 'year', "
        "'working', 'age', 'score': correct the name (did you mean 'region'?).",
    ),
    "outcome among by": (
        dict(by=["year", "pay"]),
        "Column 'pay' is the outcome and also in by or continuous: a column cannot "
        "explain itself; name another column for one of the roles.",
    ),
    "twice": (
        dict(by=["year", "year"]),
        "Column 'year' is named 2 times in by and continuous: name it once.",
    ),
    "label and slope": (
        dict(by=["year"], continuous=["year"]),
        "Column 'year' is named 2 times in by and continuous: name it once.",
    ),
    "no name": (
        dict(by=[None]),
        "None cannot name a column here: use text as names of columns.",
    ),
    "text as slope": (
        dict(by=["year"], continuous="region"),
        "Column 'region' holds text where numbers are needed: make them "
        "numbers, or name the column in by.",
    ),
    "binary with slope": (
        dict(outcome="working", by=["year"], continuous=["age"]),
        "Column 'age' is a number, and cells of a binary outcome hold none: put a few "
        "bands of it in by, for example from pandas.cut, or fit the rows.",
    ),
    "0 and 1 with slope": (
        dict(by=["year"], continuous="age", binary=True),
        "Column 'age' is a number, and cells of a binary outcome hold none: put a few "
        "bands of it in by, for example from pandas.cut, or fit the rows.",
    ),
    "missing": (
        dict(missing="ignore"),
        "missing is 'ignore': give 'refuse', or 'drop' to drop and count the rows.",
    ),
}


@pytest.mark.parametrize(("roles", "sentence"), BAD_CALLS.values(), ids=BAD_CALLS)
def test_bad_calls(give, roles, sentence):
    roles = {"outcome": "pay", "by": BY} | roles
    assert refusal(give(people(20)), **roles) == sentence


def test_infinite_numbers(give):
    table = people(20)
    table.loc[[3, 4], "pay"] = [np.inf, -np.inf]
    expected = (
        "Column 'pay' is infinite in 2 of 20 rows: it often comes from the log of 0 or "
        "a division by 0; correct or drop them."
    )
    assert refusal(give(table), "pay", "year") == expected
    assert refusal(give(table), "pay", "year", missing="drop") == expected
    table = people(20)
    table.loc[7, "age"] = np.inf
    assert refusal(give(table), "pay", "year", continuous="age") == (
        "Column 'age' is infinite in 1 of 20 rows: it often comes from the log of 0 or "
        "a division by 0; correct or drop it."
    )


def test_numbers_too_large():
    table = pd.DataFrame({"pay": [1e200, 3e200], "year": 1})
    assert refusal(table, "pay", "year") == (
        "Column 'pay' holds numbers too large for their squares to be held: divide "
        "them by a power of ten."
    )


def test_no_rows(give):
    table = people(20)
    for by in ("year", []):
        assert refusal(give(table[:0]), "pay", by) == (
            "The table has 0 rows, so column 'pay' holds nothing to learn from: check "
            "the filter or the file it came from."
        )
    table["pay"] = np.nan
    assert refusal(give(table), "pay", "year", missing="drop") == (
        "No row is left of 20: in each, column 'pay' is suppressed or some column is "
        "missing; choose other columns."
    )


def test_binary_outcome_with_other_numbers(give):
    table = people(20).assign(working=lambda table: 1.0 + table["working"])
    working = int((table["working"] == 2).sum())
    assert refusal(give(table), "working", "year", binary=True) == (
        f"Column 'working' holds numbers such as 2 in {working} rows where 0 and 1 are "
        "needed: recode it, or leave binary=True out."
    )


@pytest.mark.parametrize("value", [None, np.nan])
def test_binary_outcome_with_missing_values(give, value):
    table = people(20).astype({"working": float})
    table.loc[3, "working"] = value
    sentence = refusal(give(table), "working", "year", binary=True)
    assert sentence.startswith("Column 'working' is missing in 1 of 20 rows: ")


@pytest.mark.parametrize("name", ["n", "mean", "ss", "mean_age", "sp_age"])
def test_names_that_clash_with_those_of_the_result(name):
    table = people(20).rename(columns={"year": name})
    assert refusal(table, "pay", name, continuous="age") == (
        f"Column {name!r} in by has the name of a column of the result: rename it "
        "first."
    )
    renamed = table.rename(columns={name: "trials"})
    assert "'trials' in by has the name" in refusal(renamed, "working", "trials")


def test_names_of_slopes_that_clash():
    table = people(20).assign(age_score=1.0)
    sentence = refusal(table, "pay", "year", continuous=["age", "score", "age_score"])
    assert sentence == (
        "The names in continuous would give two columns 'sp_age_score': rename one of "
        "them first."
    )

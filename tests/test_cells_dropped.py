"""Tests of collapse: rows that lack a value, or hold a marker, are counted out."""

import re

import pandas as pd
import polars as pl
import pytest
from pandas.testing import assert_frame_equal

from partialpool.cells import RowsDropped, collapse
from tests.engines import people, refusal


def gaps():
    table = people(200).astype({"year": "Int64"})
    table.loc[[0, 1, 2], "pay"] = None
    table.loc[[2, 3], "region"] = None
    table.loc[[4], "year"] = None
    table.loc[[2, 5, 6], "age"] = None
    return table


def test_missing_values_are_refused(give):
    sentence = refusal(give(gaps()), "pay", ["region", "year"], continuous="age")
    assert sentence == (
        "Column 'region' is missing in 2 of 200 rows: drop and count them with "
        "missing='drop', or fill them in.\n"
        "Column 'year' is missing in 1 of 200 rows: drop and count it with "
        "missing='drop', or fill it in.\n"
        "Column 'pay' is missing in 3 of 200 rows: drop and count them with "
        "missing='drop', or fill them in.\n"
        "Column 'age' is missing in 3 of 200 rows: drop and count them with "
        "missing='drop', or fill them in."
    )


@pytest.mark.parametrize("column", ["pay", "region", "year", "age"])
def test_a_missing_value_in_one_column_is_refused(give, column):
    table = gaps()
    others = ["pay", "region", "year", "age"]
    others.remove(column)
    table = table.dropna(subset=others)
    sentence = refusal(give(table), "pay", ["region", "year"], continuous="age")
    assert "\n" not in sentence
    assert re.match(f"Column {column!r} is missing in [12] of 19[45] rows: ", sentence)


def test_missing_values_are_dropped_and_counted(give):
    table = gaps()
    by = ["region", "year"]
    with pytest.warns(RowsDropped) as caught:
        cells = collapse(give(table), "pay", by, continuous="age", missing="drop")
    (warning,) = caught
    assert str(warning.message) == (
        "Dropped 7 of 200 rows: 'region' is missing in 2, 'year' is missing in 1, "
        "'pay' is missing in 3, 'age' is missing in 3."
    )
    assert warning.filename == __file__
    kept = table.dropna(subset=[*by, "pay", "age"])
    expected = collapse(kept, "pay", by, continuous="age")
    assert_frame_equal(cells[expected.columns[:7]], expected.iloc[:, :7], rtol=1e-12)
    assert cells.attrs["rows"] == 193
    assert cells.attrs["dropped"] == {
        "rows": 7,
        "missing": {"region": 2, "year": 1, "pay": 3, "age": 3},
        "suppressed": {},
    }


def test_nan_is_missing_on_engines_that_tell_it_from_null():
    table = pl.DataFrame({"pay": [1.0, float("nan"), None, 4.0], "state": list("AABB")})
    sentence = refusal(table, "pay", "state")
    assert sentence.startswith("Column 'pay' is missing in 2 of 4 rows: ")
    with pytest.warns(RowsDropped, match=r"^Dropped 2 of 4 rows: 'pay' is missing in"):
        assert list(collapse(table, "pay", "state", missing="drop")["n"]) == [1, 1]


def marked():
    pay = ["c", "21000", " c ", "low", "22000.5", None, "z", "-1e3", "20000", "c"]
    return pd.DataFrame({"pay": pay, "state": list("AABBBBAAAB")})


def test_text_is_refused_with_the_markers_found(give):
    assert refusal(give(marked()), "pay", "state") == (
        "Column 'pay' holds text in 5 rows where numbers are needed ('c' in 3, 'low' "
        "in 1, 'z' in 1): correct them, or, if they mark values held back, drop and "
        "count them with suppressed=['c', 'low', 'z']."
    )
    assert refusal(give(marked()), "pay", "state", suppressed=("c", "z", "x")) == (
        "Column 'pay' holds text in 1 row where numbers are needed ('low' in 1): "
        "correct it, or, if they mark values held back, drop and count it with "
        "suppressed=['c', 'z', 'x', 'low']."
    )


def test_numbers_with_signs_are_no_markers(give):
    price = ["£154,241", "£99,950", "£nan", "£154,241", "£1.2m", None, "£80,000", "95"]
    table = pd.DataFrame({"price": price, "town": list("AABBBBAA")})
    expected = (
        "Column 'price' holds text such as '£154,241' in 6 rows where numbers are "
        "needed: make numbers of it first, for example with str.replace and "
        "pd.to_numeric of pandas."
    )
    assert refusal(give(table), "price", "town") == expected
    assert refusal(give(table), "price", "town", suppressed="£nan") == (
        expected.replace("6 rows", "5 rows")
    )


def test_many_numbers_with_signs_among_more_without_are_no_markers():
    plain = [str(number) for number in range(900, 930)]
    signed = [f"1,{number}" for number in range(200, 207)]
    table = pd.DataFrame({"price": plain + signed, "town": "A"})
    assert "make numbers of it first" in refusal(table, "price", "town")


def test_a_few_markers_with_digits_are_markers():
    table = pd.DataFrame({"pay": ["21000", "22000", "23000", "<10", "5-9"], "at": "A"})
    assert refusal(table, "pay", "at").endswith("with suppressed=['5-9', '<10'].")


def test_suppressed_rows_are_dropped_and_counted(give):
    markers = ("c", "z", "low", "x")
    sentence = refusal(give(marked()), "pay", "state", suppressed=markers)
    assert sentence.startswith("Column 'pay' is missing in 1 of 5 rows: ")
    with pytest.warns(RowsDropped) as caught:
        cells = collapse(
            give(marked()), "pay", "state", suppressed=markers, missing="drop"
        )
    assert str(caught[0].message) == (
        "Dropped 6 of 10 rows: 'pay' is 'c' in 3, 'pay' is 'z' in 1, 'pay' is 'low' in "
        "1, 'pay' is missing in 1."
    )
    assert list(cells["n"]) == [3, 1]
    assert list(cells["mean"]) == [40000 / 3, 22000.5]
    assert cells.attrs["dropped"] == {
        "rows": 6,
        "missing": {"pay": 1},
        "suppressed": {"c": 3, "z": 1, "low": 1},
    }


def test_blanks_numbers_and_mixtures_as_markers(give):
    table = marked().dropna().replace({"c": "", " c ": "  ", "low": "-10000"})
    with pytest.warns(RowsDropped, match=r"'pay' is '' in 3, .*'-10000' in 1\.$"):
        cells = collapse(give(table), "pay", "state", suppressed=["", "z", -10000])
    assert list(cells["n"]) == [3, 1]
    numbers = pd.DataFrame({"pay": [1.0, -10000, 3, -10000], "state": list("AABB")})
    with pytest.warns(RowsDropped, match=r"'pay' is -10000.0 in 2\.$"):
        cells = collapse(give(numbers), "pay", "state", suppressed=-10000)
    assert list(cells["mean"]) == [1, 3]


def test_numbers_and_markers_mixed_in_a_column_of_objects():
    pay = pd.Series([1, "c", 2.5, None], dtype=object)
    table = pd.DataFrame({"pay": pay, "state": list("AABB")})
    assert "('c' in 1)" in refusal(table, "pay", "state")
    with pytest.warns(RowsDropped):
        cells = collapse(table, "pay", "state", suppressed="c", missing="drop")
    assert list(cells["mean"]) == [1, 2.5]


def test_markers_that_are_not_there_drop_nothing(give):
    table = people(20)
    cells = collapse(give(table), "pay", "year", suppressed=["c", -1], missing="drop")
    assert cells.attrs["dropped"] == {"rows": 0, "missing": {}, "suppressed": {}}

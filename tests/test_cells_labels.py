"""Tests of collapse: a label comes back whole, or is refused in one sentence."""

import datetime
from decimal import Decimal

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal

from partialpool.cells import RowsDropped, collapse
from tests.engines import refusal

PAY = [1.0, 2.0, 3.0, 4.0]


def objects(*values):
    return pd.Series(values, dtype=object)


def in_pandas(labels):
    return pd.DataFrame({"pay": PAY, "at": labels})


def in_arrow(labels):
    return pa.table({"pay": PAY, "at": labels})


def in_duckdb(label):
    """Return four rows, numbered i, whose label is written in SQL."""
    return duckdb.connect().sql(
        f"select 1.0 + i as pay, {label} as at from range(4) r(i)"
    )


def in_polars(labels):
    return pl.DataFrame({"pay": PAY, "at": labels})


def coded(labels):
    return pa.array(labels).dictionary_encode()


LARGE = np.array([2**63, 2**63 + 1, 7, 7], dtype="uint64")
LONG = [
    Decimal("12345678901234567.1"),
    Decimal("12345678901234567.2"),
    *[Decimal(1)] * 2,
]
FINE = [1_001, 1_002, 2_000, 2_000]
FAR = np.array([10**14, -(10**14), 0, 0], dtype="datetime64[s]")
FAR_DAYS = pa.array([2**31 - 1, 1 - 2**31, 0, 0], pa.int32()).cast(pa.date32())


def first_two(label, others):
    return in_duckdb(f"case when i < 2 then {label} else {others} end")


# Two of four rows hold what int64, float64 or datetime64[us] cannot.
TOO_LARGE = {
    "numpy": in_pandas(LARGE),
    "nullable": in_pandas(pd.array(LARGE, "UInt64")),
    "arrow in pandas": in_pandas(pd.array(LARGE, "uint64[pyarrow]")),
    "objects": in_pandas(objects(*LARGE.tolist())),
    "larger objects": in_pandas(objects(2**64, -(2**80), 7, 7)),
    "category": in_pandas(pd.Categorical(LARGE)),
    "arrow": in_arrow(LARGE),
    "arrow dictionary": in_arrow(coded(LARGE)),
    "polars": in_polars(LARGE),
    "polars, 128 bits": in_polars(pl.Series([2**63, -(2**99), 7, 7], dtype=pl.Int128)),
    "duckdb": first_two("18446744073709551615::ubigint", "7"),
    "duckdb, above": first_two("9223372036854775808::hugeint", "7"),
    "duckdb, below": first_two("-9223372036854775809::hugeint", "7"),
    "duckdb, unsigned": first_two("12345678901234567890::uhugeint", "7"),
}
TOO_LONG = {
    "objects": in_pandas(objects(*LONG)),
    "arrow in pandas": in_pandas(pd.array(LONG, pd.ArrowDtype(pa.decimal128(20, 1)))),
    "arrow": in_arrow(pa.array(LONG, pa.decimal128(20, 1))),
    "polars": in_polars(pl.Series(LONG, dtype=pl.Decimal(20, 1))),
    "duckdb": first_two("12345678901234567.1::decimal(20, 1)", "1::decimal(20, 1)"),
}
TOO_FINE = {
    "numpy": in_pandas(np.array(FINE, "datetime64[ns]")),
    "arrow": in_arrow(pa.array(FINE, pa.timestamp("ns"))),
    "polars": in_polars(pl.Series(FINE, dtype=pl.Datetime("ns"))),
    "duckdb": first_two(
        "timestamp_ns '2020-01-01 00:00:00.000000001'", "timestamp_ns '2020-01-01'"
    ),
}
TOO_FAR = {
    "numpy": in_pandas(FAR),
    "arrow": in_arrow(pa.array(FAR, pa.timestamp("s"))),
    "arrow, days": in_arrow(FAR_DAYS),
    "duckdb, no end": first_two("timestamp 'infinity'", "timestamp '2020-01-01'"),
    "duckdb, no start": first_two("timestamp '-infinity'", "timestamp '2020-01-01'"),
    "duckdb, days": first_two("date 'infinity'", "date '2020-01-01'"),
}
LOST = {
    "large": (TOO_LARGE, "are beyond the whole numbers of pandas: make text of them"),
    "long": (TOO_LONG, "have more digits than a float holds: round them, or make text"),
    "fine": (TOO_FINE, "are finer than a millionth of a second: round them first"),
    "far": (TOO_FAR, "are too far away for the dates of pandas: correct or drop them"),
}


@pytest.mark.parametrize(
    ("table", "because"),
    [
        pytest.param(table, because, id=f"too {too}, {name}")
        for too, (tables, because) in LOST.items()
        for name, table in tables.items()
    ],
)
def test_labels_that_would_change_are_refused(table, because):
    sentence = refusal(table, "pay", "at")
    assert sentence.startswith("Column 'at' holds labels such as ")
    assert f" in 2 of 4 rows, which {because}" in sentence


def test_the_label_that_would_change_is_shown():
    assert "such as 9223372036854775808 in" in refusal(in_arrow(LARGE), "pay", "at")
    assert f"such as {LONG[0]} in" in refusal(TOO_LONG["arrow"], "pay", "at")
    assert "00:00:00.000001001 in" in refusal(TOO_FINE["numpy"], "pay", "at")


def test_rows_are_counted_though_they_share_a_cell():
    table = in_pandas(np.array([2**63, 2**63, 2**63, 7], dtype="uint64"))
    assert "in 3 of 4 rows" in refusal(table, "pay", "at")


# Two labels, a and b, by turns, and how they come back.
TENTHS = [Decimal("0.1"), Decimal("2.5")] * 2
DAYS = [datetime.date(2020, 1, 1), datetime.date(2021, 1, 1)]
KEPT = {
    "the largest": (
        in_arrow(np.array([7, 2**63 - 1] * 2, "uint64")),
        "int64",
        [7, 2**63 - 1],
    ),
    "the smallest": (
        in_polars(pl.Series([-(2**63), 7] * 2, dtype=pl.Int128)),
        "int64",
        [-(2**63), 7],
    ),
    "wide": (in_duckdb("(i % 2)::uhugeint"), "int64", [0, 1]),
    "decimal objects": (in_pandas(objects(*TENTHS)), "float64", [0.1, 2.5]),
    "decimals of arrow": (in_arrow(TENTHS), "float64", [0.1, 2.5]),
    "whole floats": (in_pandas([1.0, 2.0] * 2), "float64", [1, 2]),
    "whole floats as objects": (
        in_pandas(objects(1.0, 2.0, 1.0, 2.0)),
        "float64",
        [1, 2],
    ),
    "whole floats as categories": (
        in_pandas(pd.Categorical([1.0, 2.0] * 2)),
        "category",
        [1, 2],
    ),
    "single precision": (
        in_arrow(np.array([0.1, 0.2] * 2, "float32")),
        "float64",
        [np.float32(0.1), np.float32(0.2)],
    ),
    "half precision": (
        in_arrow(np.array([0.5, 1.5] * 2, "float16")),
        "float64",
        [0.5, 1.5],
    ),
    "dictionary of arrow": (in_arrow(coded([3, 5] * 2)), "int64", [3, 5]),
    "dictionary of arrow in pandas": (
        in_pandas(pd.array(coded([3, 5] * 2), pd.ArrowDtype(coded([3]).type))),
        "int64",
        [3, 5],
    ),
    "date objects": (in_pandas(objects(*DAYS, *DAYS)), "datetime64[us]", DAYS),
    "dates as categories": (
        in_pandas(pd.Categorical(pd.to_datetime(DAYS * 2))),
        "category",
        DAYS,
    ),
    "true and false as categories": (
        in_pandas(pd.Categorical([False, True] * 2)),
        "category",
        [False, True],
    ),
    "nullable truth": (
        in_pandas(pd.array([False, True] * 2, "boolean")),
        "bool",
        [False, True],
    ),
    "truth of arrow": (
        in_pandas(pd.array([False, True] * 2, "bool[pyarrow]")),
        "bool",
        [False, True],
    ),
    "sparse": (in_pandas(pd.arrays.SparseArray([0, 1] * 2)), "int64", [0, 1]),
    "intervals": (
        in_pandas(pd.arrays.IntervalArray.from_tuples([(2, 10), (10, 20)] * 2)),
        "category",
        ["(2, 10]", "(10, 20]"],
    ),
    "intervals as objects": (
        in_pandas(objects(*[pd.Interval(2, 10), pd.Interval(10, 20)] * 2)),
        "category",
        ["(2, 10]", "(10, 20]"],
    ),
    "intervals out of order": (
        in_pandas(pd.Categorical(pd.cut([9, 19] * 2, [2, 10, 20]), ordered=False)),
        "category",
        ["(2, 10]", "(10, 20]"],
    ),
}


@pytest.mark.parametrize(("table", "kind", "labels"), KEPT.values(), ids=KEPT)
def test_labels_come_back_as_they_were(table, kind, labels):
    cells = collapse(table, "pay", "at")
    assert str(cells["at"].dtype) == kind
    expected = pd.to_datetime(labels) if labels is DAYS else labels
    assert list(cells["at"]) == list(expected)
    assert list(cells["n"]) == [2, 2]
    assert list(cells["mean"]) == [2, 3]


@pytest.mark.parametrize(
    "give",
    [
        in_pandas,
        in_arrow,
        in_polars,
        lambda labels: in_pandas(pd.array(labels, "double[pyarrow]")),
        lambda labels: in_arrow(coded(labels)),
    ],
)
def test_zero_has_no_sign(give):
    cells = collapse(give([0.0, -0.0, -0.0, 1.0]), "pay", "at")
    assert list(cells["n"]) == [3, 1]
    assert not np.signbit(cells["at"]).any()


def test_intervals_keep_their_order():
    cells = collapse(KEPT["intervals"][0], "pay", "at")
    assert cells["at"].cat.ordered


GAPS = {
    "whole numbers": objects(1, None, 1, 1),
    "categories of numbers": pd.Categorical([1, None, 1, 1]),
    "nullable": pd.array([1, None, 1, 1], "Int64"),
    "truth": pd.array([True, None, True, True], "boolean"),
    "truth as objects": objects(True, None, True, True),
    "text": pd.array(["1", None, "1", "1"], "string"),
    "arrow": pd.array([1, None, 1, 1], "int64[pyarrow]"),
    "bands": pd.cut([1, 99, 1, 1], [0, 2]),
}


@pytest.mark.parametrize("labels", GAPS.values(), ids=GAPS)
def test_missing_labels_are_refused_or_dropped_and_change_no_other(labels):
    table = in_pandas(labels)
    assert refusal(table, "pay", "at").startswith(
        "Column 'at' is missing in 1 of 4 rows"
    )
    with pytest.warns(RowsDropped, match="'at' is missing in 1"):
        cells = collapse(table, "pay", "at", missing="drop")
    assert_frame_equal(cells, collapse(table.dropna(), "pay", "at"))


NOTHING = {
    "NaN": in_pandas(np.nan),
    "NaT": in_pandas(pd.NaT),
    "objects": in_pandas(objects(None, None, None, None)),
    "nullable": in_pandas(pd.array([None] * 4, "Int64")),
    "polars": in_polars([None] * 4),
    "arrow": in_arrow(pa.nulls(4)),
    "duckdb": in_duckdb("null"),
}


@pytest.mark.parametrize("table", NOTHING.values(), ids=NOTHING)
def test_a_column_without_a_value_is_missing_and_of_no_kind(table):
    assert refusal(table, "pay", "at").startswith(
        "Column 'at' is missing in all 4 rows"
    )
    if table is NOTHING["NaT"]:
        return
    for roles in ({"continuous": "at"}, {"outcome": "at"}):
        sentence = refusal(table, **{"outcome": "pay", "by": []} | roles)
        assert sentence.startswith("Column 'at' is missing in all 4 rows")


MIXED = {
    "truth and numbers": (objects(True, 1, 0, 0), "whole numbers with true and false"),
    "truth and text": (objects(True, "a", "b", "b"), "text with true and false"),
    "numbers and text": (objects(1, "1", "2", "2"), "text with whole numbers"),
    "dates and text": (objects(DAYS[0], "a", "b", "b"), "text with date"),
    "categories that read alike": (
        pd.Categorical(["1", 1, "1", "1"], ["1", 1], ordered=True),
        "text with whole numbers",
    ),
}


@pytest.mark.parametrize(("labels", "kinds"), MIXED.values(), ids=MIXED)
def test_labels_of_mixed_kinds(labels, kinds):
    assert f"Column 'at' mixes {kinds}, the latter in 1 of 4 rows" in refusal(
        in_pandas(labels), "pay", "at"
    )


def test_labels_of_a_kind_that_is_none():
    assert refusal(in_pandas(objects(*[b"a"] * 4)), "pay", "at") == (
        "Column 'at' holds values of the kind bytes, which cannot serve as labels: "
        "make text, whole numbers or dates of them."
    )
    periods = pd.period_range("2020", periods=4, freq="Y")
    for table in (in_pandas(periods), in_pandas([1j] * 4), in_duckdb("uuid()")):
        assert "of a kind that not every engine has, which" in refusal(
            table, "pay", "at"
        )
    lists = refusal(in_pandas(objects(["a"], "b", "b", "b")), "pay", "at")
    assert "holds a list in 1 of 4 rows (row 0) where a label is needed" in lists


# Outcomes and slopes ----------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["int64", "uint64", "int64[pyarrow]", "arrow", "object"]
)
def test_large_whole_numbers_may_be_added_up(kind):
    numbers = [2**60 + 1, 2**60 + 3, 2**60 + 5, 2**60 + 7]
    if kind == "arrow":
        table = pa.table({"pay": numbers, "age": numbers})
    else:
        table = pd.DataFrame({"pay": numbers, "age": numbers}, dtype=kind)
    cells = collapse(table, "pay", [], continuous="age")
    assert cells["mean"][0] == cells["mean_age"][0] == 2**60


def test_decimals_may_be_added_up():
    table = pd.DataFrame({"pay": objects(*TENTHS), "age": objects(*TENTHS)})
    cells = collapse(table, "pay", [], continuous="age")
    np.testing.assert_allclose(cells[["mean", "mean_age"]], 1.3)


def test_true_among_numbers_is_no_number():
    table = in_pandas("a").assign(pay=objects(True, 2, 3, 4))
    sentence = refusal(table, "pay", "at")
    assert "Column 'pay' holds values such as 'True' in 1 of 4 rows (row 0)" in sentence
    table = in_pandas(objects(1, "x", 2, 2))
    sentence = refusal(table, "pay", [], continuous="at")
    assert "Column 'at' holds text such as 'x' in 1 of 4 rows (row 1) where" in sentence

"""Tests of labels: one value is one label, whatever type of column it comes in."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pytest

import partialpool as pool
from partialpool.exact.labels import kind_of, settle, text_of
from tests.dense_models import fit, refusal_of

K = np.repeat(np.arange(6), 8)
THREE = np.array([0, 1, 2])
DAYS = [
    datetime.date(2024, 2, 28 + i) if i < 2 else datetime.date(2024, 3, i) for i in K
]
DAY = pd.Series(DAYS[::8])[:3]


def grouped(labels):
    rng = np.random.default_rng(1)
    y = rng.normal(0, 5, 6)[K] + rng.normal(size=len(K))
    return pd.DataFrame({"k": labels, "y": y})


def assert_known(seen, new):
    """Three groups, written in another way, have the effects of the fit."""
    rows = grouped(seen)
    found = fit("y ~ 1 + (1|k)", rows)
    known, mine = (
        pool.predict(found, r, seed=1)["mean"].to_numpy()
        for r in (rows.iloc[[0, 8, 16]], pd.DataFrame({"k": new}))
    )
    np.testing.assert_allclose(mine, known)


@pytest.mark.parametrize(
    ("seen", "new"),
    [
        (K, [0.0, 1.0, 2.0]),
        (K.astype(float), [0, 1, 2]),
        (K, pd.array([0, 1, 2], "Int64")),
        (K, pd.array([0, 1, 2], "int64[pyarrow]")),
        (K, np.array([0, 1, 2], "uint8")),
        (K, np.array([-0.0, 1, 2])),
        (np.where(K == 0, -0.0, K), [0.0, 1.0, 2.0]),
        (np.where(K == 0, -0.0, K).astype(object), [0, 1, 2]),
        (K, [decimal.Decimal(0), decimal.Decimal("1.0"), decimal.Decimal(2)]),
        ([decimal.Decimal(int(k)) / 4 for k in K], [0, 0.25, 0.5]),
        ((K / 4).astype("float32"), [0, 0.25, 0.5]),
        (K / 4, np.array([0, 0.25, 0.5], "float32")),
        (K / 10, [0 / 10, 1 / 10, 2 / 10]),
        (pd.Categorical(K), [0.0, 1.0, 2.0]),
        (pd.Categorical(K / 2), [0, 0.5, 1]),
        (K, pd.Categorical([0, 1, 2], [5, 4, 2, 1, 0])),
        (np.array([1, 2.5, 3, 4, 5, 6], object)[K], [1.0, 2.5, 3.0]),
    ],
)
def test_a_number_is_one_label_in_every_type(seen, new):
    assert_known(seen, new)


@pytest.mark.parametrize("base", [2**53, 2**60, -(2**62)])
@pytest.mark.parametrize("kind", ["int64", object, "Int64", "int64[pyarrow]"])
def test_large_whole_numbers_keep_every_digit(base, kind):
    seen = pd.Series([base + int(k) for k in K], dtype=kind)
    assert_known(seen, np.array([base, base + 1, base + 2]))


@pytest.mark.parametrize(
    ("seen", "new"),
    [
        ([np.str_(f"s{k}") for k in K], ["s0", "s1", "s2"]),
        ([f"s{k}" for k in K], [np.str_(f"s{k}") for k in THREE]),
        ([f"s{k}" for k in K], pd.array(["s0", "s1", "s2"], "string[pyarrow]")),
        ([f"s{k}" for k in K], pd.Categorical(["s0", "s1", "s2"])),
        (pd.Categorical([f"s{k}" for k in K]), ["s0", "s1", "s2"]),
        ([["", "nan", "None", "NA", "é", "1"][k] for k in K], ["", "nan", "None"]),
        ([["a", " a", "A", "1", "01", "1.0"][k] for k in K], ["a", " a", "A"]),
    ],
)
def test_text_is_one_label_in_every_type(seen, new):
    assert_known(seen, new)


@pytest.mark.parametrize(
    "new",
    [
        DAY,
        pd.to_datetime(DAY),
        DAY.astype(str),
        pd.to_datetime(DAY).dt.to_period("D"),
        pd.to_datetime(DAY).astype("datetime64[s]"),
        DAY.astype("date32[pyarrow]"),
        pd.to_datetime(DAY).astype(object),
        pd.to_datetime(DAY).astype("category"),
    ],
    ids=lambda new: str(new.dtype),
)
@pytest.mark.parametrize("kind", ["date", "time", "text", "period"])
def test_a_date_is_one_label_in_every_type(kind, new):
    times = pd.to_datetime(pd.Series(DAYS))
    kinds = {
        "date": pd.Series(DAYS),
        "time": times,
        "text": pd.Series(DAYS).astype(str),
    }
    assert_known((kinds | {"period": times.dt.to_period("D")})[kind], new.to_numpy())


def test_a_time_of_day_in_one_row_does_not_rename_the_days_of_others():
    times = pd.to_datetime(pd.Series(DAYS))
    found = fit("y ~ 1 + (1|k)", grouped(times))
    new = [*pd.to_datetime(DAY), pd.Timestamp("2024-03-01 12:00")]
    drawn = pool.predict(found, pd.DataFrame({"k": new}), unseen="draw", seed=1)
    known = pool.predict(found, pd.DataFrame({"k": new[:3]}), seed=1)
    np.testing.assert_allclose(drawn["mean"][..., :3], known["mean"])


@pytest.mark.parametrize("bad", [0.5, 2.5])
def test_a_decimal_among_whole_numbers_does_not_rename_them(bad):
    found = fit("y ~ 1 + (1|k)", grouped(K))
    drawn = pool.predict(found, pd.DataFrame({"k": [0, 1, bad]}), unseen="draw", seed=1)
    known = pool.predict(found, pd.DataFrame({"k": [0, 1]}), seed=1)
    np.testing.assert_allclose(drawn["mean"][..., :2], known["mean"])


@pytest.mark.parametrize(
    ("seen", "new", "says"),
    [
        (K, ["0", "1"], "'k' holds text where the fit had whole numbers: write the"),
        (K / 2, ["0.0", "1.0"], "'k' holds text where the fit had numbers"),
        ([str(k) for k in K], [0, 1], "'k' holds whole numbers where the fit had text"),
        ([str(k) for k in K], [0.0, 1.0], "'k' holds numbers where the fit had text"),
        (K, [False, True], "'k' holds true and false where the fit had whole numbers"),
        (K % 2 == 0, [0, 1], "'k' holds whole numbers where the fit had true and f"),
        (K % 2 == 0, ["True", "False"], "'k' holds text where the fit had true and"),
        (
            2**60 + K,
            [float(2**60)],
            "'k' holds labels such as 1.152921504606847e+18 in",
        ),
        (K, [0, np.inf], "'k' is infinite in 1 of 2 rows (row 1)"),
        (K, [0, np.nan], "'k' is missing in 1 of 2 rows (row 1): drop it"),
        (K, pd.array([0, None], "Int64"), "'k' is missing in 1 of 2 rows"),
        ([str(k) for k in K], ["0", None], "'k' is missing in 1 of 2 rows"),
        (K, [0, "1"], "'k' holds values of several kinds (int, str) where one kind"),
        (K, [[0], [1]], "'k' holds values of the type list where one kind is needed"),
    ],
)
def test_labels_of_another_kind_are_refused_and_not_taken_for_new(seen, new, says):
    found = fit("y ~ 1 + (1|k)", grouped(seen))
    said = refusal_of(pool.predict, found, pd.DataFrame({"k": new}), unseen="draw")
    assert said.startswith(f"Column {says}")


def test_a_slope_that_groups_as_well_keeps_its_kind():
    found = fit("y ~ k + (1|k)", grouped(K % 2 == 0))
    said = refusal_of(pool.predict, found, pd.DataFrame({"k": [0, 1]}), unseen="draw")
    assert said.startswith("Column 'k' holds numbers where the fit had true and false")


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (np.array([1, "1", 1.0, True, 2, "2"], object)[K], "values of several kinds"),
        (np.array([True, 1, 0, False, 1, 0], object)[K], "values of several kinds"),
        (np.array([DAYS[0], "a", "b", "c", "d", "e"], object)[K], "values of several"),
        (
            np.array([2**63 + int(k) for k in K], "uint64"),
            "whole numbers above 9,223,3",
        ),
        ([2**70 + int(k) for k in K], "whole numbers above 9,223,372,036,854,775,807"),
        ([(0, int(k)) for k in K], "values of the type tuple"),
        ([{"a": int(k)} for k in K], "values of the type dict"),
        ([b"abcdef"[k : k + 1] for k in K], "values of the type bytes"),
        (K + 1j, "values of the type complex"),
    ],
)
def test_what_is_no_label_is_refused_by_the_fit(labels, says):
    rows = grouped(K).assign(k=pd.Series(list(labels), dtype=object))
    if getattr(labels, "dtype", None) == np.uint64:
        rows["k"] = labels
    said = refusal_of(fit, "y ~ 1 + (1|k)", rows)
    assert said.startswith(f"Column 'k' holds {says}")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2], "whole"),
        ([1.0, 2.5], "number"),
        ([decimal.Decimal("1.5")], "number"),
        ([True, False], "truth"),
        (["a"], "text"),
        ([datetime.date(2024, 1, 1)], "text"),
        ([datetime.time(12)], "text"),
        (pd.period_range("2024", periods=2, freq="Q"), "text"),
        (pd.interval_range(0, 2), "text"),
        (pd.Categorical([1, 2]), "whole"),
        (pd.Categorical([True, False]), "truth"),
        (pd.Categorical(["a", "b"]), "text"),
        (pd.array([True, False], "boolean"), "truth"),
        (pd.array([1, 2], "UInt8"), "whole"),
        (pd.array([1, 2.5], "Float32"), "number"),
    ],
)
def test_each_column_is_of_one_of_four_kinds(values, kind):
    settled = settle(pd.Series(values))
    assert kind_of(settled) == kind
    # Settled once is settled for good.
    pd.testing.assert_series_equal(settle(settled), settled)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (pd.Timestamp("2024-01-01"), "2024-01-01"),
        (np.datetime64("2024-01-01T00:00"), "2024-01-01"),
        (datetime.datetime(2024, 1, 1), "2024-01-01"),
        (pd.Timestamp("2024-01-01 06:30"), "2024-01-01 06:30:00"),
        (pd.Timestamp("2024-01-01", tz="UTC"), "2024-01-01 00:00:00+00:00"),
        (pd.Interval(0, 1), "(0, 1]"),
        (pd.Period("2024Q1"), "2024Q1"),
    ],
)
def test_times_are_written_by_value(value, text):
    assert text_of(value) == text

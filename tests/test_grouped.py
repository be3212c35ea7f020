"""Grouped tables: the rule, and scores out of sample."""

import numpy as np
import pandas as pd
import pytest

from partialpool.chapters.grouped import (
    GroupedTable,
    choose_columns,
    hold_out,
    load_grouped_tables,
)


@pytest.fixture(scope="module")
def tables():
    return load_grouped_tables()


def test_every_table_keeps_the_rule(tables):
    assert len(tables) >= 12
    assert len({table.name for table in tables}) == len(tables)
    for table in tables:
        sizes = table.rows.groupby("group").size()
        assert 60 <= len(table.rows) <= 20_000, table.name
        assert 5 <= len(sizes) <= 200 and sizes.min() >= 3, table.name
        assert table.rows["y"].nunique() >= 20, table.name
        assert table.rows["y"].notna().all(), table.name


def shops(**columns):
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"year": range(80), "age": rng.integers(20, 30, 80)})
    return table.assign(sales=rng.normal(size=80), **columns)


def test_text_comes_before_units_and_these_before_classes():
    shop, unit = list("abcdefgh") * 10, [1, 2, 3, 4, 5, 6, 7, 8] * 10
    assert choose_columns(shops(shop=shop, id=unit), "a").group == "shop"
    assert choose_columns(shops(id=unit), "a").group == "id"
    assert choose_columns(shops(), "a").group == "age"
    assert choose_columns(shops(), "a").outcome == "sales"


def test_what_measures_nothing_is_no_outcome():
    table = shops(shop=list("abcdefgh") * 10).drop(columns="sales")
    assert choose_columns(table, "a") is None
    assert choose_columns(table.assign(t=table["year"] / 3), "a") is None


def test_logs_are_taken_where_they_are_less_skewed():
    table = shops(shop=list("abcdefgh") * 10)
    assert not choose_columns(table, "a").logged
    found = choose_columns(table.assign(sales=np.exp(table["sales"])), "a")
    assert found.logged
    np.testing.assert_allclose(found.rows["y"], table["sales"])


@pytest.fixture
def drawn():
    rng = np.random.default_rng(3)
    code = np.repeat(np.arange(40), 30)
    y = rng.normal(0, 0.4, 40)[code] + rng.normal(size=len(code))
    rows = pd.DataFrame({"group": code.astype(str), "y": y})
    return GroupedTable("drawn", "y", "g", False, rows)


def test_errors_out_of_sample_are_those_of_theory(drawn):
    scores = hold_out(drawn, learn=5, splits=60, seed=1)
    sd = drawn.rows["y"].std()
    noise = 1 / 25  # of the mean of the rows held out
    assert scores.loc["none", "seen"] * sd == pytest.approx(
        np.sqrt(1 / 5 + noise), rel=0.05
    )
    for method in ("reml", "bayes"):
        best = np.sqrt(1 / (1 / 0.4**2 + 5) + noise)
        assert scores.loc[method, "seen"] * sd == pytest.approx(best, rel=0.12)
        # A hidden group is given the mean of all; its own lies tau away.
        apart = drawn.rows.groupby("group")["y"].mean().std()
        assert scores.loc[method, "hidden"] * sd == pytest.approx(apart, rel=0.12)
    assert np.isnan(scores.loc["none", "hidden"])


def test_rows_that_are_forecast_are_not_learnt_from(drawn):
    shuffled = drawn.rows.assign(
        y=np.random.default_rng(1).permutation(drawn.rows["y"])
    )
    table = GroupedTable("noise", "y", "g", False, shuffled)
    scores = hold_out(table, learn=0.5, splits=40, seed=1)
    assert scores["seen"].idxmin() == "complete"
    assert scores.loc["none", "gap"] > 5 * scores.loc["none", "gap_error"]

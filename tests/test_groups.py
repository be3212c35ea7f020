"""Tests of reading a table by group: three kinds, many faults, one sentence each."""

import warnings

import numpy as np
import pandas as pd
import pytest

import partialpool as pool
from partialpool.groups import read_groups


@pytest.fixture
def table():
    rng = np.random.default_rng(1)
    table, _ = pool.simulate_groups(9, sizes=(2, 30), seed=1)
    table["size"] = rng.normal(50, 9, len(table))
    table["age"] = rng.normal(30, 4, len(table)) + 0.1 * table["size"]
    kinds = pd.Categorical(rng.choice(["b", "a"], len(table)), ["b", "a", "never"])
    return table.assign(kind=kinds, north=rng.random(len(table)) < 0.5)


PREDICTORS = ["size", "kind", "age", "north"]


def test_sums_are_those_of_the_rows(table):
    found = read_groups(table, outcome="y", group="group", predictors=PREDICTORS)
    numbers = ["size", "age"]
    x = (table[numbers] - table[numbers].mean()) / table[numbers].std(ddof=0)
    x = x.assign(kind=(table["kind"] == "b") * 1.0, north=table["north"] * 1.0)
    for name in ("kind", "north"):
        x[name] = (x[name] - x[name].mean()) / x[name].std(ddof=0)
    columns = x.assign(y=table["y"] - table["y"].mean())
    about = columns - columns.groupby(table["group"]).transform("mean")
    np.testing.assert_allclose(found.sums.within[0, 1:, 1:], about.T @ about, atol=1e-8)
    means = columns.groupby(table["group"]).mean().loc[found.labels]
    np.testing.assert_allclose(found.sums.x[0, :, 1:], means.iloc[:, :-1], atol=1e-9)
    assert (np.diff(found.size) >= 0).all()
    assert found.outcome_sd == pytest.approx(table["y"].std(ddof=0))


def test_cells_give_what_rows_give(table):
    rows = read_groups(table, outcome="y", group="group", predictors=PREDICTORS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pool.CellsSaveNothing)
        by = ["group", "kind", "north"]
        cells = pool.collapse(table, "y", by, continuous=["age", "size"])
    found = read_groups(cells, outcome="y", group="group", predictors=PREDICTORS)
    np.testing.assert_allclose(found.sums.within, rows.sums.within, atol=1e-8)
    np.testing.assert_allclose(found.sums.x, rows.sums.x, atol=1e-9)


def test_several_columns_make_one_group(table):
    found = read_groups(table, outcome="y", group=["group", "north"])
    assert found.labels.name == "group, north"
    assert len(found.labels) == len(table[["group", "north"]].drop_duplicates())


def estimates(se=(0.1, 0.2, 0.3), value=(1.0, 2.0, 4.0), place="ABC"):
    return pd.DataFrame({"place": list(place), "value": value, "se": se})


def test_a_standard_error_is_a_share_of_its_estimate_in_logs():
    found = read_groups(estimates(), outcome="value", group="place", se="se", log=True)
    # The largest error, and so the least information, comes first.
    np.testing.assert_allclose(found.size, [0.1, 0.1, 0.075])
    assert not found.counted


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (estimates(se=(0.1, -0.2, 0.3)), "'se' is not above 0 in 1 of 3 rows"),
        (estimates(se=(0.1, np.nan, 0.3)), "'se' is missing in 1 of 3 rows"),
        (estimates(se=("x", "y", "z")), "'se' holds text"),
        (estimates(place="AAB"), "'place' holds 'A' in several rows"),
        (estimates().drop(columns="se"), "'se' is not in the table"),
        (estimates(place="AAA"), "one group only"),
    ],
)
def test_says_what_is_wrong_with_estimates(given, said):
    with pytest.raises(pool.TableError, match=said) as caught:
        read_groups(given, outcome="value", group="place", se="se")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        ({}, {"outcome": "yy"}, "'yy' is not in the table"),
        ({"group": "A"}, {}, "one group only"),
        ({"y": -1.5}, {"log": True}, "'y' is -1.5 in all"),
        ({"size": np.inf}, {"predictors": "size"}, "'size' is infinite in all"),
    ],
)
def test_says_what_is_wrong_with_rows(table, change, options, said):
    with pytest.raises(pool.TableError, match=said):
        asked = {"outcome": "y", "group": "group"} | options
        read_groups(table.assign(**change), **asked)


def test_refuses_the_log_of_what_is_not_positive(table):
    table["y"] -= table["y"].mean()
    with pytest.raises(pool.TableError, match="is not above 0 in"):
        read_groups(table, outcome="y", group="group", log=True)


def test_refuses_yes_or_no(table):
    with pytest.raises(pool.TableError, match='family="bernoulli"'):
        read_groups(table.assign(y=table["north"] * 1), outcome="y", group="group")


def test_refuses_groups_of_one_row_only(table):
    single = table.drop_duplicates("group")
    with pytest.raises(pool.TableError, match="cannot be told: choose a coarser"):
        read_groups(single, outcome="y", group="group")


def test_refuses_to_log_cells_and_cells_without_a_column(table):
    cells = pool.collapse(table, "y", "group")
    with pytest.raises(pool.TableError, match="collapse the table again with the log"):
        read_groups(cells, outcome="y", group="group", log=True)
    with pytest.raises(pool.TableError, match="add it to by="):
        read_groups(cells, outcome="y", group="group", predictors="size")
    with pytest.raises(pool.TableError, match="impossible n, mean or ss in 1 of 9"):
        read_groups(cells.assign(ss=[-1.0] + [1.0] * 8), outcome="y", group="group")


def test_refuses_a_level_that_it_has_not_seen(table):
    found = read_groups(table, outcome="y", group="group", predictors=PREDICTORS)
    with pytest.raises(pool.TableError, match="'kind' holds label 'c'"):
        found.coding.check(table.assign(kind="c"))
    with pytest.raises(pool.TableError, match="'age' is not in the table of new rows"):
        found.coding.check(table.drop(columns="age"))
    with pytest.raises(pool.TableError, match="'age' is missing in 1"):
        found.coding.check(table.assign(age=[np.nan] + [1.0] * (len(table) - 1)))

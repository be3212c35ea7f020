"""Tests of collapse: the same cells from every engine, exact, and what they say."""

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal

from partialpool.cells import CellsSaveNothing, collapse
from tests.engines import BY, ENGINES, people

SLOPES = ["age", "score"]


def rows_of(table, cells, by, i):
    """Return the rows of the i-th cell."""
    inside = pd.Series(True, index=table.index)
    for name in by:
        inside &= table[name] == cells[name][i]
    return table[inside]


# The cells --------------------------------------------------------------------


def test_cells_are_what_numpy_says():
    table = people()
    cells = collapse(table, "pay", BY, continuous=SLOPES)
    assert len(cells) == len(table.drop_duplicates(BY)) == 48
    assert list(cells.columns) == [
        *BY,
        *["n", "mean", "ss"],
        *["mean_age", "ss_age", "sp_age"],
        *["mean_score", "ss_score", "sp_score"],
        "sp_age_score",
    ]
    for i, cell in cells.iterrows():
        rows = rows_of(table, cells, BY, i)
        columns = rows[["pay", *SLOPES]].to_numpy(np.longdouble)
        means = columns.mean(axis=0)
        squares = (columns - means).T @ (columns - means)
        expected = [
            *[len(rows), means[0], squares[0, 0]],
            *[means[1], squares[1, 1], squares[0, 1]],
            *[means[2], squares[2, 2], squares[0, 2]],
            squares[1, 2],
        ]
        # A sum of products may be near 0 while its terms are not.
        sizes = np.sqrt(np.diag(squares))
        atol = 1e-12 * np.max(np.outer(sizes, sizes))
        found = cell[cells.columns[len(BY) :]].to_numpy(float)
        np.testing.assert_allclose(found, np.array(expected, float), 1e-12, atol)


def test_every_engine_gives_the_same_cells(give):
    table = people()
    cells = collapse(give(table), "pay", BY, continuous=SLOPES)
    expected = collapse(table, "pay", BY, continuous=SLOPES)
    products = [name for name in cells if name.startswith("sp_")]
    assert_frame_equal(
        cells.drop(columns=products), expected.drop(columns=products), rtol=1e-12
    )
    size = (expected["ss"] * expected["ss_age"]) ** 0.5
    for name in products:
        assert ((cells[name] - expected[name]).abs() <= 1e-12 * size).all()
    assert cells.attrs == expected.attrs
    plain = collapse(give(table), "pay", BY)
    assert_frame_equal(plain, expected[plain.columns], rtol=1e-12, atol=0)


def test_kinds_and_order_of_labels(give):
    table = people().assign(day=pd.to_datetime("2014-01-01"), size=0.5)
    cells = collapse(give(table), "pay", [*BY, "day", "size"])
    kinds = ["category", "int64", "bool", "datetime64[us]", "float64"]
    assert [str(kind) for kind in cells.dtypes[:5]] == kinds
    assert cells["region"].cat.categories.dtype == "str"
    assert list(cells["region"].cat.categories) == sorted(set(table["region"]))
    assert not cells["region"].cat.ordered
    assert_frame_equal(cells, cells.sort_values(BY, ignore_index=True))


@pytest.mark.parametrize("kind", ["str", object, "string", "category"])
def test_text_of_every_kind_in_pandas_gives_the_same(kind):
    table = people()
    changed = table.astype({"region": kind})
    assert_frame_equal(collapse(changed, "pay", BY), collapse(table, "pay", BY))


def test_order_of_unordered_categories_does_not_matter():
    table = people()
    labels = table["region"].astype("category")
    backwards = ["unused", *labels.cat.categories[::-1]]
    changed = table.assign(region=labels.cat.set_categories(backwards))
    assert_frame_equal(collapse(changed, "pay", BY), collapse(table, "pay", BY))


@pytest.mark.parametrize("kind", ["int8", "uint32", "Int64", "int64[pyarrow]", object])
def test_whole_numbers_of_every_kind_in_pandas_give_the_same(kind):
    table = people().assign(year=lambda table: table["year"] - 2000)
    changed = table.astype({"year": kind})
    assert_frame_equal(collapse(changed, "pay", BY), collapse(table, "pay", BY))


@pytest.mark.parametrize("kind", ["int32", "float32", "Int64", "int64[pyarrow]"])
def test_outcomes_and_slopes_of_every_kind_of_number_give_the_same(kind):
    table = people().round({"pay": 0, "age": 0})
    changed = table.astype({"pay": kind, "age": kind})
    assert_frame_equal(
        collapse(changed, "pay", BY, continuous="age"),
        collapse(table, "pay", BY, continuous="age"),
    )


def test_decimals_wide_numbers_and_dates():
    table = duckdb.connect().sql(
        "select (i / 4)::decimal(9, 2) pay, (i % 2)::decimal(3, 1) size, "
        "(i % 3)::hugeint as year, date '2014-01-01' + (i % 2)::int as day "
        "from range(12) t(i)"
    )
    expected = pd.DataFrame({"pay": np.arange(12.0) / 4})
    expected["size"] = np.arange(12) % 2.0
    expected["year"] = np.arange(12) % 3
    expected["day"] = pd.Timestamp(2014, 1, 1) + pd.to_timedelta(expected["size"], "D")
    by = ["size", "year", "day"]
    expected = collapse(expected, "pay", by)
    assert expected["day"].dtype == "datetime64[us]"
    in_polars = table.pl().cast({"year": pl.Int64})
    for given in (table, in_polars, in_polars.to_arrow()):
        assert_frame_equal(collapse(given, "pay", by), expected)


def test_text_categories_of_arrow_and_polars():
    table = people()
    parts = [
        pa.Table.from_pandas(part.astype({"region": "category"}), preserve_index=False)
        for part in (table[:9], table[9:])
    ]
    expected = collapse(table, "pay", BY)
    as_categories = pl.from_pandas(table).with_columns(
        pl.col("region").cast(pl.Categorical)
    )
    for given in (pa.concat_tables(parts), as_categories):
        assert_frame_equal(collapse(given, "pay", BY), expected, rtol=1e-12)


def test_ordered_categories_keep_their_order():
    sizes = ["small", "middle", "large", "huge"]
    table = pd.DataFrame({"pay": [1.0, 2, 3, 4], "size": [*sizes[:3], "small"]})
    kind = pd.CategoricalDtype(sizes, ordered=True)
    ordered = table.astype({"size": kind})
    given = [
        ordered,
        pl.from_pandas(table).with_columns(pl.col("size").cast(pl.Enum(sizes))),
        duckdb.connect().from_df(ordered),
    ]
    for one in given:
        cells = collapse(one, "pay", "size")
        assert list(cells["size"]) == ["small", "middle", "large"]
        assert cells["size"].cat.ordered
        assert list(cells["n"]) == [2, 1, 1]
        assert_frame_equal(cells, collapse(ordered, "pay", "size"))


def test_bands_and_numbers_as_categories():
    table = pd.DataFrame({"pay": np.arange(6.0), "age": [9, 10, 21, 30, 35, 100]})
    table["band"] = pd.cut(table["age"], [0, 20, 30, 100])
    table["age"] = table["age"].astype("category")
    cells = collapse(table, "pay", "band")
    assert list(cells["band"]) == ["(0, 20]", "(20, 30]", "(30, 100]"]
    assert list(collapse(table, "pay", "age")["age"]) == [9, 10, 21, 30, 35, 100]


def test_no_label_makes_one_cell(give):
    table = people()
    (cell,) = collapse(give(table), "pay", []).itertuples(index=False)
    assert cell.n == len(table)
    np.testing.assert_allclose(cell.mean, table["pay"].mean(), rtol=1e-13)
    np.testing.assert_allclose(cell.ss, len(table) * table["pay"].var(ddof=0), 1e-12)


def test_names_of_columns_may_be_odd_and_the_table_stays_as_it_is(give):
    odd = {"pay": "y", "region": "select", "year": "key0", "working": 'is "it"'}
    table = people(50).rename(columns=odd | {"age": "x0"})
    before = table.copy()
    by = [odd[name] for name in BY]
    cells = collapse(give(table), "y", by, continuous="x0")
    assert list(cells.columns[:4]) == [*by, "n"]
    assert_frame_equal(table, before)


def test_index_of_pandas_does_not_matter():
    table = people()
    indexed = table.set_index(pd.Index([0] * len(table), name="region"))
    assert_frame_equal(collapse(indexed, "pay", BY), collapse(table, "pay", BY))


def test_attrs_say_what_was_done():
    table = people()
    cells = collapse(table, "pay", ["region", "year"], continuous="age")
    assert cells.attrs == {
        "outcome": "pay",
        "by": ["region", "year"],
        "continuous": ["age"],
        "binary": False,
        "rows": 3000,
        "rows_per_cell": 3000 / 24,
        "dropped": {"rows": 0, "missing": {}, "suppressed": {}},
    }


def test_binary_outcome(give):
    table = people()
    expected = (
        table.groupby(["region", "year"], as_index=False)
        .agg(trials=("working", "size"), successes=("working", "sum"))
        .astype({"region": "category"})
    )
    cells = collapse(give(table), "working", ["region", "year"])
    assert_frame_equal(cells, expected)
    for kind in (int, float):
        numbers = table.astype({"working": kind})
        assert_frame_equal(
            collapse(give(numbers), "working", ["region", "year"], binary=True), cells
        )


# Exactness --------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["pandas", "polars", "arrow", "parquet"])
def test_no_digits_are_lost_when_the_spread_is_small(engine, tmp_path):
    rng = np.random.default_rng(5)
    group = rng.integers(0, 20, 1_000_000)
    table = pd.DataFrame({"group": group})
    for name in ("pay", "rent"):
        table[name] = rng.normal(30_000 + group, 15)
    given = ENGINES[engine](table, tmp_path)
    cells = collapse(given, "pay", "group", continuous="rent")
    plain = collapse(given, "pay", "group")
    for i in range(20):
        # Two passes, with digits to spare.
        rows = table.loc[group == i, ["pay", "rent"]].to_numpy(np.longdouble)
        means = rows.mean(axis=0)
        pay, rent = (rows - means).T
        assert plain["mean"][i] == pytest.approx(float(means[0]), rel=1e-13)
        assert plain["ss"][i] == pytest.approx(float(pay @ pay), rel=1e-12)
        assert cells["ss"][i] == pytest.approx(float(pay @ pay), rel=1e-12)
        assert cells["ss_rent"][i] == pytest.approx(float(rent @ rent), rel=1e-12)
        assert cells["sp_rent"][i] == pytest.approx(
            float(pay @ rent), rel=0, abs=1e-12 * float(pay @ pay)
        )


def test_centre_may_be_far_from_most_rows():
    # The centre comes from the first rows; here they are unlike the rest.
    table = pd.DataFrame({"x": np.arange(10_000.0), "group": np.arange(10_000) // 100})
    table["y"] = 30_000 + 2 * table["x"]
    cells = collapse(table, "y", "group", continuous="x")
    np.testing.assert_allclose(cells["sp_x"], 2 * cells["ss_x"], rtol=1e-10)


def test_cells_give_the_least_squares_fit_of_the_rows():
    table = people()
    by = ["region", "year"]
    cells = collapse(table, "pay", by, continuous=SLOPES)

    def dummies(frame):
        labels = frame[by].astype("str")
        return pd.get_dummies(labels, drop_first=True, dtype=float).assign(one=1.0)

    rows = np.column_stack([dummies(table), table[SLOPES]])
    slopes, (rss,), *_ = np.linalg.lstsq(rows, table["pay"])

    n = cells["n"].to_numpy()
    means = np.column_stack([dummies(cells), cells[["mean_age", "mean_score"]]])
    gram = means.T @ (means * n[:, None])
    gram[-2:, -2:] += [
        [cells["ss_age"].sum(), cells["sp_age_score"].sum()],
        [cells["sp_age_score"].sum(), cells["ss_score"].sum()],
    ]
    right = means.T @ (n * cells["mean"])
    right[-2:] += cells[["sp_age", "sp_score"]].sum()
    from_cells = np.linalg.solve(gram, right)
    np.testing.assert_allclose(from_cells, slopes, rtol=1e-8)
    total = cells["ss"].sum() + n @ cells["mean"] ** 2
    assert total - from_cells @ right == pytest.approx(rss, rel=1e-8)


# Cells that save nothing ------------------------------------------------------


def nearly_one_each(rows, spare):
    """Return rows of which `spare` share the cell of another row."""
    number = np.arange(rows) % (rows - spare)
    return pd.DataFrame({"pay": 1.0 * number, "area": number, "at": number % 3})


def test_cells_that_save_nothing_are_said(give):
    with pytest.warns(CellsSaveNothing) as caught:
        cells = collapse(give(nearly_one_each(1_000, 50)), "pay", ["at", "area"])
    (warning,) = caught
    assert str(warning.message) == (
        "Nothing is gained from 950 cells of 1,000 rows: if column 'area', with 950 "
        "different values, is a number, name it in continuous=, and if it is an "
        "identifier, leave it out."
    )
    assert warning.filename == __file__
    assert len(cells) == 950


def test_a_binary_outcome_is_sent_to_bands():
    table = nearly_one_each(1_000, 0).assign(pay=lambda table: table["pay"] > 500)
    said = "is a number, put a few bands of it in by=, and if it is an identifier, le"
    with pytest.warns(CellsSaveNothing, match=said):
        collapse(table, "pay", ["area", "at"])


@pytest.mark.parametrize(("rows", "spare"), [(999, 0), (1_000, 91), (1_100, 100)])
def test_few_rows_or_enough_in_a_cell_need_no_word(rows, spare):
    # Any warning here would be an error.
    collapse(nearly_one_each(rows, spare), "pay", ["area", "at"])

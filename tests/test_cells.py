"""Tests of collapse: the same cells from every engine, exact, and plain refusals."""

import importlib.util
import itertools
import json
import re
import shutil
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal

from partialpool.cells import CellsSaveNothing, RowsDropped, collapse
from partialpool.faults import TableError

BY = ["region", "year", "working"]
SLOPES = ["age", "score"]


def people(rows=3000, seed=1):
    """Return a table of every kind of label, whose means differ from cell to cell."""
    rng = np.random.default_rng(seed)
    region = rng.integers(0, 6, rows)
    age = rng.normal(40 + 3 * region, 4)
    return pd.DataFrame(
        {
            "pay": rng.normal(30_000 + 900 * region + 20 * age, 4_000).round(2),
            "region": np.array(["Żary", "north", "South", "é", "a b", "10"])[region],
            "year": rng.integers(2012, 2016, rows),
            "working": rng.random(rows) < 0.7,
            "age": age,
            "score": rng.normal(500 + region, 20),
        }
    )


# One way in for each engine: from a pandas table and a folder to what it holds.
def to_parquet_folder(table, folder):
    # A name that reads as a pattern, and a folder in the folder.
    parts = folder / "parts [1]"
    (parts / "second").mkdir(parents=True)
    half = len(table) // 2
    table[:half].to_parquet(parts / "one.parquet", index=False)
    table[half:].to_parquet(parts / "second" / "two.parquet", index=False)
    return str(parts)


def to_parquet(table, folder):
    path = folder / "table [1].parquet"
    table.to_parquet(path, index=False)
    return path


ENGINES = {
    "pandas": lambda table, folder: table,
    "polars": lambda table, folder: pl.from_pandas(table),
    "polars lazy": lambda table, folder: pl.from_pandas(table).lazy(),
    "arrow": lambda table, folder: pa.Table.from_pandas(table, preserve_index=False),
    "duckdb": lambda table, folder: duckdb.connect().from_df(table),
    "parquet": to_parquet,
    "parquet folder": to_parquet_folder,
}


def has_spark():
    return bool(shutil.which("java") and importlib.util.find_spec("pyspark"))


needs_spark = pytest.mark.skipif(
    not has_spark(), reason="Spark needs Java 17 and pip install 'partialpool[spark]'."
)


@pytest.fixture(scope="module")
def spark(tmp_path_factory):
    """Start Spark on this machine alone; its files go where the tests' files go."""
    from pyspark.sql import SparkSession

    folder = tmp_path_factory.mktemp("spark")
    settings = {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": f"-Dderby.system.home={folder}",
        "spark.driver.host": "127.0.0.1",
        "spark.local.dir": str(folder),
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.timestampType": "TIMESTAMP_NTZ",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    builder = SparkSession.builder.master("local[2]").config(map=settings)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


@pytest.fixture(params=[*ENGINES, pytest.param("spark", marks=needs_spark)])
def give(request, tmp_path):
    """Return a function that hands a pandas table to the engine."""
    if request.param == "spark":
        session = request.getfixturevalue("spark")
        return lambda table: session.createDataFrame(
            pa.Table.from_pandas(table, preserve_index=False)
        )
    folders = map(str, itertools.count())

    def give(table):
        folder = tmp_path / next(folders)
        folder.mkdir()
        return ENGINES[request.param](table, folder)

    return give


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


# Rows that are dropped --------------------------------------------------------


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


# Refusals ---------------------------------------------------------------------


def refusal(*arguments, **options):
    """Return the sentence of the error, which comes from no other error."""
    with pytest.raises(TableError) as caught:
        collapse(*arguments, **options)
    error = caught.value
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None
    assert str(error).endswith(".")
    assert "np." not in str(error)
    return str(error)


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
        "A binary outcome has no exact cells with the number 'age': put a few bands of "
        "it in by, for example from pandas.cut, or fit the rows.",
    ),
    "0 and 1 with slope": (
        dict(by=["year"], continuous="age", binary=True),
        "A binary outcome has no exact cells with the number 'age': put a few bands of "
        "it in by, for example from pandas.cut, or fit the rows.",
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


def test_dates_and_other_kinds():
    table = people(20).assign(day=pd.to_datetime("2014-01-01"))
    assert refusal(table, "day", "year") == (
        "Column 'day' holds dates where numbers are needed: make numbers of them, such "
        "as years."
    )
    table["moment"] = table["day"].dt.tz_localize("UTC")
    assert refusal(table, "pay", "moment") == (
        "Column 'moment' holds times of a time zone, which cannot serve as "
        "labels: make text, whole numbers or dates of them."
    )
    table["lasted"] = table["day"] - table["day"]
    assert "holds values of the kind Duration" in refusal(table, "pay", "lasted")


def test_labels_of_several_kinds():
    labels = pd.Series([1, "A", None], dtype=object)
    table = pd.DataFrame({"pay": [1.0, 2, 3], "state": labels})
    assert refusal(table, "pay", "state") == (
        "Column 'state' mixes whole numbers with text, the latter in 1 of 3 rows (row "
        "1): make them one kind with table['state'] = table['state'].astype(str)."
    )
    table["state"] = pd.Series([None] * 3, dtype=object)
    assert "Column 'state' is missing in all 3 rows" in refusal(table, "pay", "state")


def test_numbers_stored_as_text(give):
    table = people(20).astype({"pay": "str"})
    assert refusal(give(table), "pay", "year") == (
        "Column 'pay' holds numbers stored as text or objects: make numbers of them "
        "first."
    )


def test_a_column_there_twice():
    table = people(20)
    table = pd.concat([table, table[["year"]]], axis=1)
    assert refusal(table, "pay", "year") == (
        "Column 'year' is in the table 2 times: rename or drop all but one."
    )
    assert len(collapse(table, "pay", "working")) == 2


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"pay": [1.0]}, "a dict"),
        ([1.0], "a list"),
        (np.ones(3), "a numpy ndarray"),
        (pd.Series([1.0], name="pay"), "a pandas Series"),
        (None, "None"),
    ],
)
def test_no_table(given, kind):
    assert refusal(given, "pay", "state") == (
        f"A table is needed and this is {kind}: give a DataFrame of pandas, polars "
        "or Spark, a pyarrow Table, a DuckDB relation or the path of a Parquet file."
    )


def test_the_nearest_name_is_offered_for_a_path_that_is_not_there(tmp_path):
    for name in ("graduates", "schools", "homes.parquet"):
        (tmp_path / name).mkdir()
    near = {
        "gradutes": "graduates",
        "homes.parqet": "homes.parquet",
        "graduates/*.parquet": "graduates",
        "zzz": None,
        "nowhere/graduates": None,
    }
    for wrong, right in near.items():
        hint = f" (did you mean {str(tmp_path / right)!r}?)" if right else ""
        assert refusal(tmp_path / wrong, "pay", "state") == (
            f"There is no file or folder {str(tmp_path / wrong)!r}: correct it{hint}."
        )


def test_paths_that_hold_no_parquet(tmp_path):
    nowhere = tmp_path / "nowhere.parquet"
    assert refusal(nowhere, "pay", "state") == (
        f"There is no file or folder {str(nowhere)!r}: correct it."
    )
    text = tmp_path / "table.csv"
    text.write_text("pay,state\n1,A\n")
    assert refusal(str(text), "pay", "state") == (
        f"{str(text)!r} cannot be read as Parquet: read it yourself, for example with "
        "pandas.read_csv, and give the table."
    )
    assert refusal(tmp_path, "pay", "state") == (
        f"Folder {str(tmp_path)!r} holds no file whose name ends in .parquet: give the "
        "folder that does."
    )


@needs_spark
def test_names_that_spark_reads_in_its_own_way(spark):
    table = spark.createDataFrame(pa.table({"pay.1": [1.0], "year": [1], "Year": [1]}))
    assert refusal(table, "pay.1", []) == (
        "Column 'pay.1' has a dot in its name, which Spark reads as a field: rename it "
        "first, with withColumnRenamed."
    )
    assert refusal(table, "year", []) == (
        "Column 'year' has a namesake in other capitals, and Spark does not tell them "
        "apart: rename or drop one of them first."
    )


@needs_spark
def test_the_lines_that_a_chapter_shows_run_on_spark(spark, tmp_path):
    from pyspark.sql import functions

    import partialpool as pool

    chapter = Path(__file__).parents[1] / "notebooks" / "millions.ipynb"
    cells = json.loads(chapter.read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells)
    (lines,) = re.findall(r"```python\n(with_pay = spark.*?)```", text, re.DOTALL)
    folder = tmp_path / "graduates"
    pool.write_graduates(folder, 4_000, seed=1, progress=False)
    names = {"pool": pool, "spark": spark, "functions": functions, "FOLDER": folder}
    names |= {"BY": ["sex", "subject", "provider"], "SEED": 1}
    names |= {"MODEL": "log_earnings ~ sex + (1|subject) + (1|provider)"}
    exec(lines, names)
    relation = duckdb.connect().sql(
        f"SELECT *, ln(earnings) AS log_earnings FROM '{folder}/*.parquet' "
        "WHERE earnings IS NOT NULL"
    )
    expected = collapse(relation, "log_earnings", names["BY"])
    assert_frame_equal(names["cells"], expected, check_exact=False, rtol=1e-10)
    same = pool.fit(names["MODEL"], expected, seed=1)["posterior"]["sigma"]
    np.testing.assert_allclose(names["fit"]["posterior"]["sigma"], same, rtol=1e-6)

"""Tests of collapse: what is a table, where it lies, and columns it may not have."""

import json
import re
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal

from partialpool.cells import collapse
from tests.engines import needs_spark, people, refusal


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


# Names, and errors from inside an engine --------------------------------------


def test_two_columns_of_one_name_on_every_engine_that_may_have_them():
    twice = {
        "pandas": pd.DataFrame([[1.0, 2, 3]], columns=["pay", "at", "at"]),
        "arrow": pa.table([[1.0], [2], [3]], names=["pay", "at", "at"]),
        "duckdb": duckdb.connect().sql("select 1.0 as pay, 2 as at, 3 as at"),
    }
    for table in twice.values():
        assert refusal(table, "pay", "at") == (
            "Column 'at' is in the table 2 times: rename or drop all but one."
        )
        assert list(collapse(table, "pay", [])["n"]) == [1]


def test_names_in_levels_and_names_that_are_no_text():
    table = pd.DataFrame({("2014", "pay"): [1.0], ("2014", "at"): [1]})
    assert refusal(table, "pay", "at").startswith(
        "The columns of this table have 2 levels, such as ('2014', 'pay'): give each"
    )
    numbered = pd.DataFrame({0: [1.0], 1: [1]})
    assert refusal(numbered, 0, []) == (
        "0 cannot name a column here: use text as names of columns."
    )
    other = numbered.assign(pay=2.0)
    assert list(collapse(other, "pay", [])["mean"]) == [2]


@pytest.mark.parametrize("name", ["n", "mean", "ss", "successes", "mean_age", "sp_age"])
def test_an_outcome_may_have_the_name_of_a_result(name):
    table = people(20)
    cells = collapse(
        table.rename(columns={"pay": name}), name, "year", continuous="age"
    )
    assert_frame_equal(cells, collapse(table, "pay", "year", continuous="age"))
    assert cells.attrs["outcome"] == name


def test_cells_say_whether_the_outcome_was_binary():
    table = people(20)
    assert collapse(table, "working", "year").attrs["binary"] is True
    assert collapse(table, "working", "year", binary=True).attrs["binary"] is True
    trials = table.assign(trials=1, successes=0)
    cells = collapse(trials, "pay", ["trials", "successes"])
    assert cells.attrs["binary"] is False


BROKEN = {
    "duckdb, cast": (
        lambda: duckdb.connect().sql("select 'a'::varchar::double as pay, 1 as at"),
        "duckdb could not work out the table and says 'Conversion Error: ",
    ),
    "duckdb, overflow": (
        lambda: duckdb.connect().sql(
            "select 1.0 as pay, 9223372036854775807 + i as at from range(2) r(i)"
        ),
        "duckdb could not work out the table and says 'Out of Range Error: ",
    ),
    "polars, cast": (
        lambda: pl.LazyFrame({"pay": ["a"], "at": [1]}).with_columns(
            pl.col("pay").cast(pl.Float64)
        ),
        "polars could not work out the table and says 'conversion from `str` to ",
    ),
    "polars, column": (
        lambda: pl.LazyFrame({"pay": [1.0], "at": [1]}).with_columns(pl.col("nowhere")),
        "polars could not work out the table and says 'unable to find column ",
    ),
    "polars, file": (
        lambda: pl.scan_parquet("nowhere.parquet"),
        "polars could not work out the table and says 'No such file or directory",
    ),
}


@pytest.mark.parametrize(("give", "words"), BROKEN.values(), ids=BROKEN)
def test_errors_of_an_engine_come_as_one_sentence(give, words):
    sentence = refusal(give(), "pay", "at")
    assert sentence.replace('"', "'").startswith(words)
    assert "\n" not in sentence
    assert sentence.endswith(": mend the column, query or file that this names.")


def test_a_broken_parquet_file_comes_as_one_sentence(tmp_path):
    path = tmp_path / "table.parquet"
    pd.DataFrame({"pay": range(99), "at": 1}).to_parquet(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + bytes(60) + whole[64:])
    sentence = refusal(path, "pay", "at")
    assert sentence.startswith("duckdb could not work out the table and says ")
    assert "\n" not in sentence


def test_markers_are_text_or_numbers():
    assert refusal(people(20), "pay", "year", suppressed=[None]) == (
        "None cannot mark a suppressed value: give text or a number."
    )

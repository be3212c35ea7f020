"""A table of people, the engines that can hold it, and the words of a refusal."""

import importlib.util
import shutil

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from partialpool.cells import collapse
from partialpool.faults import TableError

BY = ["region", "year", "working"]


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

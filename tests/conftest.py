"""What many tests look at: a cohort of synthetic graduates, and tables on engines."""

import itertools

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import partialpool as pool
from tests.engines import ENGINES, needs_spark


@pytest.fixture(scope="session")
def cohort():
    return pool.simulate_graduates(300_000, seed=1)


@pytest.fixture(scope="session")
def table(cohort):
    return cohort[0]


@pytest.fixture(scope="session")
def truth(cohort):
    return cohort[1]


@pytest.fixture(scope="session")
def paid(table):
    rows = table[table["earnings"].notna()].copy()
    rows["log_earnings"] = np.log(rows["earnings"].astype(float))
    return rows


@pytest.fixture(scope="session")
def small_truth():
    return pool.simulate_graduates(10, n_providers=20, n_cohorts=2, seed=5)[1]


@pytest.fixture(scope="session")
def published():
    return pool.load_published_earnings()


@pytest.fixture(scope="session")
def assert_share():
    """A check of shares, for tests that ask for it by its name."""
    return _assert_share


def _assert_share(hits, share, by=None):
    """Shares are as expected, up to four and a half Monte Carlo errors."""
    rows = pd.DataFrame({"hit": hits.astype(float), "share": share})
    rows["variance"] = rows["share"] * (1 - rows["share"])
    by = np.zeros(len(rows)) if by is None else by
    total = rows.groupby(by, observed=True).sum()
    total = total[total["variance"] > 10]
    assert len(total)
    z = (total["hit"] - total["share"]) / np.sqrt(total["variance"])
    assert z.abs().max() < 4.5, z.abs().idxmax()


@pytest.fixture(scope="session")
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

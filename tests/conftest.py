"""One cohort of synthetic graduates, drawn once for all tests that look at it."""

import numpy as np
import pandas as pd
import pytest

import partialpool as pool


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

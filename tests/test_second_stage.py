"""Shrunken values in a second model: slopes against what theory says."""

import numpy as np
import pytest
import statsmodels.api as sm

from partialpool.chapters import second_stage


@pytest.fixture(scope="module")
def slopes():
    return second_stage.use_in_second_model(100, seed=1)


def test_alone_a_shrunken_mean_is_consistent_and_a_raw_mean_attenuated(slopes):
    assert slopes.loc["shrunk to one mean", "alone"] == pytest.approx(1, abs=0.04)
    assert slopes.loc["raw means", "alone"] < 0.6
    assert slopes.loc["truth", "alone"] == pytest.approx(1, abs=0.01)


def test_beside_a_covariate_it_is_not(slopes):
    row = slopes.loc["shrunk to one mean"]
    assert row["with covariate"] < 0.8
    assert row["the covariate's"] > 1.3
    mended = slopes.loc["shrunk to a line on the covariate"]
    assert mended["with covariate"] == pytest.approx(1, abs=0.05)
    assert mended["the covariate's"] == pytest.approx(1, abs=0.06)


def test_as_an_outcome_it_attenuates_and_a_raw_mean_does_not(slopes):
    assert slopes.loc["raw means", "as outcome"] == pytest.approx(1, abs=0.04)
    assert slopes.loc["shrunk to one mean", "as outcome"] < 0.7


def test_size_that_informs_breaks_the_first(slopes):
    bent = second_stage.use_in_second_model(100, size_effect=0.15, seed=1)
    row = bent.loc["shrunk to one mean"]
    assert row["alone"] > 1 + 4 * row["alone error"]


def test_slopes_are_those_of_least_squares():
    rng = np.random.default_rng(1)
    y, a, b = rng.normal(size=(3, 2, 40))
    found = np.array(second_stage._slopes(y, a, b))
    for d in range(2):
        fit = sm.OLS(y[d], sm.add_constant(np.column_stack([a[d], b[d]]))).fit()
        assert found[:, d] == pytest.approx(fit.params[1:])

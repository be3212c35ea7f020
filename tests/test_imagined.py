"""Tests of the check that a prior lives on the scale of the data."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import partialpool as pool


@pytest.fixture
def observed():
    return np.random.default_rng(1).normal(10, 0.5, 300)


def draws(mean, sd):
    return np.random.default_rng(2).normal(mean, sd, (4, 250, 3))


@pytest.mark.parametrize(("mean", "sd"), [(10, 0.5), (10.3, 5), (9, 1.5)])
def test_lets_a_prior_on_the_right_scale_pass(observed, mean, sd):
    table = pool.check_prior(draws(mean, sd), observed)
    assert table.index.tolist() == ["prior", "data"]
    assert table.loc["data", "width"] == pytest.approx(3.29 * 0.5, rel=0.15)


@pytest.mark.parametrize(
    ("mean", "sd", "said"),
    [
        (0, 1, "100% of the data lie outside"),
        (10, 500, "times as wide"),
        (10, 0.01, "lie outside"),
    ],
)
def test_refuses_a_prior_on_another_scale(observed, mean, sd, said):
    with pytest.raises(pool.PriorError, match=said) as caught:
        pool.check_prior(draws(mean, sd), observed, name="pay")
    assert "\n" not in str(caught.value)
    assert "the data run from 9." in str(caught.value)
    assert "give the priors the centre and the spread of pay" in str(caught.value)


def test_refuses_a_prior_far_narrower_than_data_it_holds():
    # The tails of the prior reach the data, and its bulk is a point.
    imagined = np.r_[np.full(980, 10.0), np.linspace(8, 12, 20)]
    imagined = imagined + 1e-6 * np.arange(1000)
    with pytest.raises(pool.PriorError, match="times as wide"):
        pool.check_prior(imagined, np.random.default_rng(1).normal(10, 0.5, 300))


def test_takes_what_sample_prior_predictive_returns(observed):
    data = xr.Dataset({"y": (("chain", "draw", "row"), draws(10, 1))})
    tree = xr.DataTree.from_dict({"prior_predictive": data})
    pool.check_prior(tree, pd.Series(observed))
    more = xr.DataTree.from_dict({"prior_predictive": data.assign(z=data["y"] * 0)})
    pool.check_prior(more, observed, name="y")
    with pytest.raises(ValueError, match="give name= one of these"):
        pool.check_prior(more, observed)


def test_yes_or_no_outcomes_pass():
    rng = np.random.default_rng(1)
    pool.check_prior(rng.random(4000) < 0.5, rng.random(500) < 0.02)


def test_refuses_what_cannot_be_compared(observed):
    with pytest.raises(ValueError, match="imagined must hold finite numbers"):
        pool.check_prior([1.0, np.nan], observed)
    with pytest.raises(ValueError, match="observed must hold finite numbers"):
        pool.check_prior(draws(1, 1), [2.0, 2.0])

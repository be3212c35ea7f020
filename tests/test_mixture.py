"""Tests of the quantiles of mixtures."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtr

from partialpool.mixture import quantile, weighted_quantiles


@pytest.mark.parametrize("prob", [0.001, 0.05, 0.5, 0.97])
def test_finds_where_the_mixture_holds_the_share(prob):
    rng = np.random.default_rng(1)
    weight = rng.dirichlet(np.ones(7), 3)
    centre, scale = rng.normal(size=(3, 7, 5)) * 3, rng.exponential(size=(3, 7, 5))
    x = quantile(prob, weight, centre, scale)
    below = (weight[..., None] * ndtr((x[:, None] - centre) / scale)).sum(1)
    np.testing.assert_allclose(below, prob, atol=1e-6)


@pytest.mark.parametrize("df", [4.0, 12.0, 1e6])
def test_one_student_curve_has_its_own_quantiles(df):
    one = np.ones((1, 1, 1))
    found = quantile(0.95, one[..., 0], 2 * one, 3 * one, df * one[..., 0])
    assert found[0, 0] == pytest.approx(2 + 3 * stats.t(df).ppf(0.95), abs=0.02)


def test_weights_may_differ_from_group_to_group():
    weight = np.array([[[1.0, 0.0], [0.0, 1.0]]])
    centre = np.array([[[1.0, 1.0], [5.0, 5.0]]])
    found = quantile(0.5, weight, centre, np.full((1, 2, 2), 0.1))
    np.testing.assert_allclose(found, [[1.0, 5.0]], atol=1e-6)


def test_weighted_points_give_the_quantiles_of_a_fine_grid():
    x = np.linspace(-5, 5, 400)[None]
    found = weighted_quantiles([0.05, 0.5], x, np.exp(-0.5 * x**2))
    np.testing.assert_allclose(np.ravel(found), stats.norm.ppf([0.05, 0.5]), atol=1e-3)

"""Tests of the residual distribution: its functions fit together."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr, ndtri
from scipy.stats import norm

from partialpool.graduates import residual_distribution


@pytest.mark.parametrize("probability", [0.001, 0.3, 0.5, 0.8, 0.999])
def test_the_cdf_is_the_inverse_of_quantile(probability):
    scales = np.array([0.3, 0.4]), np.array([0.5, 0.2])
    at = residual_distribution.quantile(probability, *scales, 2.5)
    np.testing.assert_allclose(residual_distribution.cdf(at, *scales, 2.5), probability)


def test_each_half_has_its_own_scale():
    assert residual_distribution.quantile(0.5, 0.3, 0.5, 2.5) == 0
    z = ndtri(0.9)
    assert residual_distribution.quantile(
        0.9, 0.3, 0.5, 2.5
    ) == 0.5 * residual_distribution.stretch(z, 2.5)
    lower = residual_distribution.quantile(0.1, 0.3, 0.5, 2.5)
    assert lower == pytest.approx(-0.3 * residual_distribution.stretch(z, 2.5))


def test_a_stretch_keeps_the_middle_and_widens_the_tails():
    z = np.array([0.01, 1, 4])
    widened = residual_distribution.stretch(z, 2.5) / z
    assert widened[0] == pytest.approx(1, abs=1e-4)
    assert (np.diff(widened) > 0).all()
    np.testing.assert_allclose(
        residual_distribution.stretch(-z, 2.5), -residual_distribution.stretch(z, 2.5)
    )


def test_with_no_tail_a_residual_is_normal():
    gap = np.array([-1.0, -0.2, 0.0, 0.7])
    below = residual_distribution.cdf(gap, 0.4, 0.4, 1e4)
    np.testing.assert_allclose(below, ndtr(gap / 0.4), atol=1e-6)


@pytest.mark.parametrize(("lower", "upper"), [(0.4, 0.4), (0.3, 0.5), (0.6, 0.2)])
def test_mean_is_the_integral_over_the_normal(lower, upper):
    def density(z):
        return norm.pdf(z) * residual_distribution.stretch(z, 2.5)

    expected = lower * quad(density, -12, 0)[0] + upper * quad(density, 0, 12)[0]
    found = residual_distribution.mean(lower, upper, 2.5)
    assert found == pytest.approx(expected, abs=1e-9)

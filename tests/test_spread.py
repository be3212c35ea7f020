"""Tests of the quadrature over both standard deviations."""

import numpy as np
import pytest

import partialpool as pool
from partialpool.spread import interpolate


def test_interpolation_is_exact_for_polynomials():
    nodes = np.polynomial.legendre.leggauss(6)[0]
    place = np.linspace(-1, 1, 9)
    found = interpolate(nodes, place) @ (3 * nodes**5 - nodes)
    np.testing.assert_allclose(found, 3 * place**5 - place, atol=1e-12)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_units_do_not_matter(scale):
    means, se = np.array([1.0, 2.0, 4.0, 2.5]), np.array([0.5, 0.4, 0.6, 0.9])
    ours, plain = pool.one_way(scale * means, scale * se), pool.one_way(means, se)
    np.testing.assert_allclose(ours.mean / scale, plain.mean, rtol=1e-6)
    assert ours.between_sd.median / scale == pytest.approx(plain.between_sd.median)


def test_a_narrow_posterior_of_many_groups_is_found():
    rng = np.random.default_rng(1)
    means = rng.normal(0, 1, 20_000)
    found = pool.one_way(means, se=0.1).between_sd
    assert found.median == pytest.approx(np.sqrt(means.var() - 0.01), rel=1e-3)
    assert found.sd == pytest.approx(1 / np.sqrt(2 * 20_000), rel=0.05)


def test_the_prior_bounds_the_spread_of_two_groups():
    found = pool.one_way([0.0, 1.0], se=0.01, tau_prior=0.2).between_sd
    assert 0.2 < found.median < 0.6
    assert found.high < 1.0

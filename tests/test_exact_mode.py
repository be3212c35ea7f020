"""Tests of the climb to a mode: from afar, on ridges and at any scale."""

import numpy as np
import pytest

from partialpool.exact.mode import ModeError, find_mode

COVARIANCE = np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.3], [0.0, 0.3, 0.5]])
PRECISION = np.linalg.inv(COVARIANCE)


def normal(centre, precision):
    def log_density(x):
        return -0.5 * np.einsum("mi,ij,mj->m", x - centre, precision, x - centre)

    return log_density


@pytest.mark.parametrize("start", [0.0, 3.0, -50.0, 40.0])
def test_the_mode_of_a_normal_density_is_its_centre(start):
    mode, precision = find_mode(normal(3.0, PRECISION), np.full(3, start))
    np.testing.assert_allclose(mode, 3, atol=0.02)
    np.testing.assert_allclose(precision, PRECISION, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("scale", [1e-5, 1e-3, 1, 100])
def test_a_mode_is_found_however_narrow_it_is(scale):
    mode, precision = find_mode(normal(1.0, np.eye(2) / scale**2), np.zeros(2))
    np.testing.assert_allclose(mode, 1, atol=0.05 * scale)
    np.testing.assert_allclose(np.diag(precision), scale**-2.0, rtol=0.01)


@pytest.mark.parametrize("scale", [1e-4, 1e-3, 0.1])
def test_differences_are_as_small_as_the_mode_is_narrow(scale):
    def heavy(x):
        return -2.5 * np.log1p(((x - 1) / scale) ** 2 / 4).sum(1)

    mode, precision = find_mode(heavy, np.full(2, 1 - 1.5 * scale))
    np.testing.assert_allclose(mode, 1, atol=0.05 * scale)
    np.testing.assert_allclose(np.diag(precision), 1.25 / scale**2, rtol=0.1)


def test_axes_of_very_different_widths_are_told_apart():
    widths = np.array([1e-3, 1.0, 30.0])
    mode, precision = find_mode(normal(2.0, np.diag(widths**-2.0)), np.zeros(3))
    assert (np.abs(mode - 2) < 0.05 * widths).all()
    np.testing.assert_allclose(np.diag(precision), widths**-2.0, rtol=0.02)


def test_a_curved_ridge_is_followed_to_its_end():
    def bent(x):
        return -0.5 * x[:, 0] ** 2 - 50 * (x[:, 1] - x[:, 0] ** 2) ** 2

    mode, _ = find_mode(bent, np.array([4.0, 16.0]))
    np.testing.assert_allclose(mode, 0, atol=0.05)


def test_curvature_that_points_up_is_climbed_all_the_same():
    def heavy(x):
        # Far out a Student-t bends upwards, as do the sds of few groups.
        return -2.5 * np.log1p(x**2 / 4).sum(1)

    mode, precision = find_mode(heavy, np.array([30.0, -15.0]))
    np.testing.assert_allclose(mode, 0, atol=0.05)
    assert (np.diag(precision) > 0).all()


def test_a_constant_changes_nothing():
    density = normal(3.0, PRECISION)
    a, _ = find_mode(density, np.zeros(3))
    b, _ = find_mode(lambda x: density(x) - 54_321.0, np.zeros(3))
    np.testing.assert_allclose(a, b, atol=1e-3)


def test_the_density_is_asked_in_batches_and_not_without_end():
    asked = []

    def counted(x):
        asked.append(len(x))
        return normal(3.0, PRECISION)(x)

    find_mode(counted, np.zeros(3))
    assert len(asked) < 40
    assert sum(asked) < 400


@pytest.mark.parametrize(
    ("log_density", "says"),
    [
        (lambda x: np.full(len(x), -np.inf), "The density is zero where the search"),
        (lambda x: np.full(len(x), np.nan), "The density is zero where the search"),
        (lambda x: np.where((x == 0).all(1), 0.0, np.nan), "left the range of numbers"),
        (lambda x: x[:, 0], "did not end"),
        (lambda x: np.exp(x[:, 0] / 20), "did not end|left the range"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.filterwarnings("ignore:invalid value")
def test_no_mode_is_an_error(log_density, says):
    with pytest.raises(ModeError, match=says):
        find_mode(log_density, np.zeros(2))


def test_a_slope_without_end_is_given_up_after_the_steps_allowed():
    with pytest.raises(ModeError, match="did not end"):
        find_mode(lambda x: x[:, 0], np.zeros(1), steps=3)

"""Tests of numbers far from zero: years, times and identifiers keep their digits."""

import numpy as np
import pytest

import partialpool as pool
from partialpool.exact.gram import gram
from tests.dense_models import design_of, fit, means_of, posterior_of, refusal_of, table

# A year, a time in seconds or in nanoseconds, an identifier.
FAR = [2024, -1e6, 1e8, 1.7e9, 1e12]


def halves(count=120):
    """Rows whose numbers a shift leaves as they are, to the last digit."""
    return table(count).assign(x=lambda rows: (rows["x"] * 4).round() / 4)


def sums_of(formula, rows):
    sums = gram(design_of(formula, rows))
    return sums.dense, sums.cross, sums.within


def rounding(far):
    """A mean has sixteen digits, and no more: what is left of it in a hundred rows."""
    return 2e-14 * abs(far)


def moved(rows, far, name="x"):
    return rows.assign(**{name: rows[name] + far})


def assert_same_sums(formula, near, far, tolerance):
    for a, b in zip(sums_of(formula, near), sums_of(formula, far), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-9, atol=tolerance)


@pytest.mark.parametrize("far", FAR)
@pytest.mark.parametrize(
    "formula",
    [
        "y ~ x + (1|g)",
        "y ~ x + sex + prior:sex + (1|g) + (1|h)",
        "y ~ scale(x) + (scale(x)|g)",
        "y ~ center(x) * sex + (center(x)|g)",
        "weighted(y, w) ~ x + (1|g)",
        "weighted(y, w) ~ scale(x) + (center(x)|g)",
        "y ~ I(3 * x) + (1|g)",
    ],
)
def test_predictors_lose_no_digits(formula, far):
    assert_same_sums(formula, halves(), moved(halves(), far), 1e-7 + rounding(far))


@pytest.mark.parametrize("far", FAR)
@pytest.mark.parametrize("formula", ["y ~ x + (1|g)", "y ~ scale(x) + (center(x)|g)"])
def test_numbers_that_vary_within_cells_lose_no_digits(formula, far):
    near, there = (
        pool.collapse(rows, "y", ["g", "sex"], continuous=["x"])
        for rows in (halves(400), moved(halves(400), far))
    )
    assert_same_sums(formula, near, there, 1e-6 + 10 * rounding(far))


@pytest.mark.parametrize("far", FAR)
@pytest.mark.parametrize("formula", ["y ~ x + (1|g)", "weighted(y, w) ~ x + (x|g)"])
def test_an_outcome_loses_no_digits(formula, far):
    rows = table().assign(y=lambda rows: (rows["y"] * 4).round() / 4)
    assert_same_sums(formula, rows, moved(rows, far, "y"), 1e-6)


@pytest.mark.parametrize(("far", "spread"), [(1e8, 1e-3), (1.7e9, 30.0), (2e5, 1e-6)])
def test_slopes_are_those_of_the_same_numbers_near_zero(far, spread):
    rows = table()
    steps = np.random.default_rng(1).integers(-4, 5, len(rows))
    rows["y"] += steps
    # What a computer holds of the numbers far away, and the same near zero.
    rows["far"] = far + spread * steps
    rows["near"] = rows["far"] - far
    prior = pool.Prior("Normal", mu=0, sigma=2 / spread)
    flat = {"Intercept": pool.Prior("Flat"), "1|g": effects_of(2)}
    a, b = (
        posterior_of(f"y ~ {name} + (1|g)", rows, flat | {name: prior})[name]
        for name in ("near", "far")
    )
    np.testing.assert_allclose(b, a, rtol=1e-5)
    assert float(a.mean()) * spread == pytest.approx(1, rel=0.1)


def effects_of(size):
    return pool.Prior("Normal", sigma=pool.Prior("HalfNormal", sigma=size))


@pytest.mark.parametrize("term", ["x", "scale(x)", "bs(x, df=4)", "poly(x, 2)"])
def test_a_time_predicts_as_the_days_since_a_date_do(term):
    rows = halves()
    priors = {"Intercept": pool.Prior("Flat"), "1|g": effects_of(2)}
    means = [
        means_of(fit(f"y ~ {term} + (1|g)", t, priors), t)
        for t in (rows, moved(rows, 1.7e9))
    ]
    np.testing.assert_allclose(*means, atol=1e-4)


@pytest.mark.parametrize(
    ("formula", "name"),
    [
        ("y ~ x * sex", "x:sex"),
        ("y ~ 0 + x + (1|g)", "x"),
        ("y ~ z + (x|g)", "x"),
        ("weighted(y, w) ~ z + (0 + x|g:h)", "x"),
    ],
)
def test_products_that_would_lose_their_digits_are_refused(formula, name):
    said = refusal_of(design_of, formula, moved(table(), 1e8))
    assert said.startswith(f"{name} lies ")
    assert said.endswith("lose their digits: take a number near 1e+08 from it first.")


@pytest.mark.parametrize(
    "formula", ["y ~ center(x) * sex", "y ~ 0 + center(x) + (center(x)|g)"]
)
def test_centring_is_a_way_out(formula):
    assert_same_sums(formula, halves(), moved(halves(), 1e8), 10 * rounding(1e8))


def test_an_outcome_far_from_zero_needs_an_intercept():
    said = refusal_of(design_of, "y ~ 0 + x + (1|g)", moved(table(), 1e8, "y"))
    assert said.startswith("y lies ")
    assert "the formula has no intercept to take that up: add one" in said


def test_a_column_that_is_constant_far_from_zero_is_constant():
    rows = table().assign(x=1.7e9 + 0.1)
    said = refusal_of(fit, "y ~ x + (1|g)", rows)
    assert said.startswith("The term x is constant in this table")


@pytest.mark.parametrize("name", ["before", "far"])
def test_an_offset_far_from_zero_leaves_the_difference(name):
    """As the difference as an outcome: same default priors, same draws."""
    rows = table()
    rows["before"] = 2**11 + (rows["w"] * 4).round()
    rows["far"] = 2.0**31
    rows["change"] = (rows["y"] * 4).round() / 4
    rows["after"] = rows["change"] + rows[name]
    a = posterior_of("change ~ x + (1|g)", rows)
    b = posterior_of(f"after ~ x + offset({name}) + (1|g)", rows)
    for variable in a.data_vars:
        np.testing.assert_allclose(b[variable], a[variable], atol=1e-5)

"""Tests of parameters and outcomes drawn from the priors of a model."""

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

import partialpool as pool
from partialpool.exact.fit import marginal
from partialpool.exact.gram import log_likelihood
from partialpool.exact.importance import Sample
from partialpool.exact.posterior import make_tree
from partialpool.exact.priors import SD_DENSITIES
from partialpool.exact.simulated import (
    SD_DRAWS,
    Simulated,
    draw_parameters,
    expected,
)
from tests.dense_models import design_of, table

ARGS = {
    "HalfNormal": {"sigma": 2.0},
    "HalfStudentT": {"nu": 4.0, "sigma": 2.0},
    "HalfCauchy": {"beta": 0.5},
    "Exponential": {"lam": 3.0},
    "Gamma": {"alpha": 2.5, "beta": 1.5},
    "InverseGamma": {"alpha": 3.0, "beta": 2.0},
    "LogNormal": {"mu": 0.3, "sigma": 0.6},
}


@pytest.mark.parametrize("name", SD_DENSITIES)
def test_draws_of_a_prior_follow_its_density(name):
    rng, args = np.random.default_rng(1), ARGS[name]
    draws = np.array([SD_DRAWS[name](rng, **args) for _ in range(2000)])

    def density(s):
        return np.exp(SD_DENSITIES[name](s, **args))

    total = integrate.quad(density, 0, np.inf)[0]
    places = np.quantile(draws, np.linspace(0.02, 0.98, 25))
    share = [integrate.quad(density, 0, end)[0] / total for end in places]
    error = np.sqrt(0.25 / len(draws))
    np.testing.assert_allclose(share, np.linspace(0.02, 0.98, 25), atol=4 * error)


FORMULAS = [
    "y ~ x + sex + (1|g)",
    "y ~ x * sex + (x|g) + (1|h)",
    "y ~ 0 + sex + x + (1|g)",
    "y ~ x + offset(z) + (0 + sex|g) + (1|g:h)",
    "y ~ scale(x) + bs(w, df=4) + (x|g)",
    "y ~ x",
]


def drawn(formula, count=4, correlated=False, **options):
    rows = table(80)
    model = design_of(formula, rows)
    density = marginal(model, None, correlated, 2.0)
    rng = np.random.default_rng(3)
    parts = [draw_parameters(density, rng) for _ in range(count)]
    return rows, model, density, parts


@pytest.mark.parametrize("formula", FORMULAS)
def test_expectations_are_those_of_predict(formula):
    rows, model, density, parts = drawn(formula)
    joined = [np.concatenate(part) for part in zip(*parts, strict=True)]
    sample = Sample(joined[0], 4, 0.0, "importance")
    tree = make_tree(model, density.gram, density, sample, *joined[1:])
    predicted = pool.predict(tree, rows)["mean"].to_numpy().reshape(4, -1)
    offset = rows["z"] if "offset" in formula else 0
    for (_, *effects), mean in zip(parts, predicted, strict=True):
        found = expected(model, density.gram, *effects) + model.shift + offset
        np.testing.assert_allclose(found, mean, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("formula", FORMULAS)
def test_the_log_likelihood_from_sums_is_that_of_the_rows(formula):
    _, model, density, parts = drawn(formula)
    for theta, *effects in parts:
        sigma = np.exp(theta[:, 0])
        found = log_likelihood(density.gram, *effects, sigma)
        mean = expected(model, density.gram, *effects)
        by_rows = stats.norm.logpdf(model.y.value, mean, sigma[0]).sum()
        assert found[0] == pytest.approx(by_rows, rel=1e-8)


def test_correlations_follow_their_prior():
    rng = np.random.default_rng(2)
    model = design_of("y ~ x + z + (x + z|g)", table(80))
    density = marginal(model, None, True, 1.5)
    scale = density.scales[0]
    theta = np.concatenate([draw_parameters(density, rng)[0] for _ in range(6000)])
    lower = density.covariance_factor(theta, scale)
    lower = lower / np.linalg.norm(lower, axis=2, keepdims=True)
    pairs = (lower @ lower.transpose(0, 2, 1))[:, *np.tril_indices(3, -1)]
    # Each of an LKJ matrix of size d is a beta of 1.5 - 1 + d / 2 on both sides.
    law = stats.beta(2, 2, loc=-1, scale=2)
    for pair in pairs.T:
        assert stats.kstest(pair, law.cdf).pvalue > 0.001
    # And what is drawn has the density that the fit takes for the prior.
    grid = np.linspace(-8, 8, 4001)
    for k in range(3):
        z = np.zeros((len(grid), 3))
        z[:, k] = grid
        height = np.exp(density._log_correlation_prior(z, scale))
        share = integrate.cumulative_simpson(height, x=grid, initial=0)
        places = np.interp(theta[:, scale.correlations][:, k], grid, share / share[-1])
        assert stats.kstest(places, "uniform").pvalue > 0.001


def test_another_outcome_changes_nothing_else():
    rows, model, density, _ = drawn("y ~ x + offset(z) + (1|g)")
    before = Simulated(model, density)
    y = rows["y"].to_numpy()
    same = before.with_outcome(y)
    np.testing.assert_allclose(same.density.gram.dense, density.gram.dense)
    theta = density.start()[None]
    assert same.density.log_density(theta) == pytest.approx(density.log_density(theta))
    moved = before.with_outcome(y[::-1])
    assert moved.density.priors is density.priors
    assert not np.allclose(moved.density.gram.cross, density.gram.cross)


def test_numbers_are_named_as_in_the_posterior():
    _, model, density, parts = drawn("y ~ x + sex + (x|g)", 8)
    joined = [np.concatenate(part) for part in zip(*parts, strict=True)]
    found = Simulated(model, density).numbers(*joined)
    assert all(len(values) == 8 for values in found.values())
    names = ["Intercept", "x", "sex[male]", "1|g[a]", "x|g[a]", "sigma", "1|g_sigma"]
    assert set(names) <= set(found)
    one = Simulated(model, density).numbers(*parts[0])
    for name, values in one.items():
        assert len(values) == 1 and values[0] == pytest.approx(found[name][0]), name
    assert isinstance(pd.Series(one), pd.Series)

"""Tests of the draws from a density: known ones, and the fall-back."""

import arviz as az
import numpy as np
import pytest
from scipy import stats

from partialpool.exact import importance
from partialpool.exact.importance import pareto_k, sample
from partialpool.exact.mode import ModeError

COVARIANCE = np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.3], [0.0, 0.3, 0.5]])


def log_gamma(x):
    # The logarithm of a gamma variable with shape 0.8: a long tail to the left.
    return (0.8 * x - np.exp(x)).sum(1)


def correlated(x):
    return -0.5 * np.einsum("mi,ij,mj->m", x - 3, np.linalg.inv(COVARIANCE), x - 3)


def heavy(x):
    return stats.t.logpdf(x, 4).sum(1)


def bent(x):
    # A banana: x1 is normal around x0 squared.
    return -0.5 * x[:, 0] ** 2 - 0.5 * ((x[:, 1] - 0.5 * x[:, 0] ** 2) / 0.7) ** 2


def two_hills(x):
    left, right = stats.norm.logpdf(x[:, 0], -1, 0.7), stats.norm.logpdf(x[:, 0], 1, 1)
    return np.logaddexp(left + np.log(0.4), right + np.log(0.6))


DENSITIES = {
    "log gamma": (log_gamma, 2),
    "correlated": (correlated, 3),
    "heavy": (heavy, 2),
    "bent": (bent, 2),
    "two hills": (two_hills, 1),
}

QUANTILES = np.array([0.05, 0.25, 0.5, 0.75, 0.95])


def truth(name, rng):
    """Draw from each density in its own way."""
    count = 1_000_000
    if name == "log gamma":
        return np.log(rng.gamma(0.8, size=(count, 2)))
    if name == "correlated":
        return rng.multivariate_normal(np.full(3, 3.0), COVARIANCE, count)
    if name == "heavy":
        return rng.standard_t(4, (count, 2))
    if name == "bent":
        first = rng.standard_normal(count)
        return np.stack([first, rng.normal(0.5 * first**2, 0.7)], axis=1)
    right = rng.random(count) < 0.6
    drawn = np.where(right, rng.normal(1, 1, count), rng.normal(-1, 0.7, count))
    return drawn[:, None]


def assert_same_quantiles(draws, known, width=4.5):
    """Compare the share of draws below known quantiles, in standard errors."""
    for mine, theirs in zip(draws.T, known.T, strict=True):
        below = (mine[:, None] < np.quantile(theirs, QUANTILES)).mean(0)
        variance = QUANTILES * (1 - QUANTILES)
        error = np.sqrt(variance * (1 / len(draws) + 1 / len(known)))
        assert (np.abs(below - QUANTILES) < width * error).all(), below


@pytest.mark.parametrize("name", DENSITIES)
def test_known_densities_come_back(name):
    density, size = DENSITIES[name]
    rng = np.random.default_rng(1)
    found = sample(density, np.full(size, 0.5), 200_000, rng)
    assert found.method == "importance"
    assert found.draws.shape == (200_000, size)
    assert found.pareto_k < 0.7
    assert_same_quantiles(found.draws, truth(name, rng))


def test_dependence_comes_back():
    found = sample(correlated, np.zeros(3), 20_000, np.random.default_rng(2))
    np.testing.assert_allclose(np.cov(found.draws.T), COVARIANCE, atol=0.05)


def test_a_constant_added_to_the_density_changes_nothing():
    def shifted(x):
        return correlated(x) - 12_345.0

    same = [sample(d, np.zeros(3), 400, rng_of(3)).draws for d in (correlated, shifted)]
    np.testing.assert_allclose(*same, atol=1e-4)


def rng_of(seed):
    return np.random.default_rng(seed)


def test_draws_are_worth_as_many_independent_ones():
    # The spread of means over repeated samples tells what one sample is worth.
    means = [
        sample(log_gamma, np.zeros(2), 400, rng_of(seed)).draws.mean(0)
        for seed in range(150)
    ]
    known = np.var(np.log(rng_of(0).gamma(0.8, size=100_000)))
    worth = known / np.var(means)
    assert 400 * 0.75 < worth < 400 * 1.5


def test_arviz_finds_no_more_independent_draws_than_there_are():
    found = sample(log_gamma, np.zeros(2), 4000, rng_of(4))
    chains = found.draws[:, 0].reshape(4, -1)
    distinct = len(np.unique(chains))
    assert distinct < 4000
    ess = float(az.ess(chains))
    assert 2000 < ess < 4400


def test_copies_of_a_draw_lie_next_to_each_other():
    draws = sample(log_gamma, np.zeros(2), 4000, rng_of(5)).draws[:, 0]
    changes = 1 + (np.diff(draws) != 0).sum()
    assert changes == len(np.unique(draws))


def test_no_mode_is_an_error():
    with pytest.raises(ModeError, match="zero where the search"):
        sample(lambda x: np.full(len(x), -np.inf), np.zeros(1), 4, rng_of(1))
    with pytest.raises(ModeError):
        sample(lambda x: x[:, 0], np.zeros(1), 4, rng_of(1))


# The fall-back -----------------------------------------------------------------


def test_uneven_weights_lead_to_metropolis_chains(monkeypatch):
    monkeypatch.setattr(importance, "pareto_k", lambda log_weights: 1.0)
    rng = rng_of(6)
    found = sample(bent, np.zeros(2), 1000, rng)
    assert found.method == "metropolis"
    assert found.pareto_k == 1.0
    assert found.effective == 1000
    assert_same_quantiles(found.draws, truth("bent", rng), width=5)


def test_a_density_that_overflows_somewhere_is_drawn_where_it_does_not():
    def broken(x):
        density = correlated(x)
        density[x[:, 0] > 7] = np.nan
        density[x[:, 1] > 7] = np.inf
        return density

    found = sample(broken, np.full(3, 2.0), 4000, rng_of(7))
    assert np.isfinite(found.pareto_k)
    assert (found.draws[:, :2] < 7).all()
    assert_same_quantiles(found.draws, truth("correlated", rng_of(8)))


# The tail of the weights -------------------------------------------------------


@pytest.mark.parametrize("shape", [0.2, 0.5, 0.8, 1.2])
def test_the_shape_of_a_pareto_tail_is_found(shape):
    weights = stats.genpareto.rvs(shape, size=50_000, random_state=1)
    assert pareto_k(np.log(weights)) == pytest.approx(shape, abs=0.12)


def test_the_shape_agrees_with_arviz():
    from arviz_stats.base import array_stats

    for seed in range(5):
        log_weights = 1.5 * rng_of(seed).standard_normal(4000)
        _, k = array_stats.psislw(-log_weights)
        assert pareto_k(log_weights) == pytest.approx(float(k), abs=1e-6)


def test_even_weights_have_no_tail():
    assert pareto_k(np.zeros(1000)) == -np.inf
    assert importance.effective(np.zeros(1000)) == pytest.approx(1000)
    assert importance.effective(np.array([0.0, -np.inf])) == 1

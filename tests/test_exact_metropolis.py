"""Tests of the slower method: an ensemble of Metropolis chains on known densities."""

import numpy as np
import pytest

from partialpool.exact import metropolis
from partialpool.exact.metropolis import Ensemble
from partialpool.exact.mode import ModeError
from tests.test_exact_importance import (
    COVARIANCE,
    DENSITIES,
    assert_same_quantiles,
    bent,
    correlated,
    rng_of,
    truth,
)


def ensemble_of(density, size, rng, *, centre=0.5, walkers=64):
    return Ensemble(density, rng.normal(centre, 0.5, (walkers, size)), rng)


def settle(density, size, rng, count=1000, wanted=1000, steps=300):
    ensemble = ensemble_of(density, size, rng)
    ensemble.run(steps)
    return ensemble.settle(count, wanted, rng)


@pytest.mark.parametrize("name", ["log gamma", "correlated", "bent"])
def test_chains_draw_known_densities(name):
    density, size = DENSITIES[name]
    rng = rng_of(10)
    draws, effective = settle(density, size, rng)
    assert draws.shape == (1000, size)
    assert effective == 1000
    assert_same_quantiles(draws, truth(name, rng), width=5)


def test_dependence_comes_back():
    draws, _ = settle(correlated, 3, rng_of(2), count=4000)
    np.testing.assert_allclose(np.cov(draws.T), COVARIANCE, atol=0.12)


def test_no_more_draws_are_promised_than_are_returned():
    draws, effective = settle(correlated, 3, rng_of(3), count=40, wanted=40)
    assert draws.shape == (40, 3)
    assert effective == 40


def test_fewer_effective_draws_than_wanted_will_do_at_the_end(monkeypatch):
    monkeypatch.setattr(metropolis, "LONGEST", 300)
    draws, effective = settle(correlated, 3, rng_of(4), count=50_000, wanted=50_000)
    assert draws.shape == (50_000, 3)
    assert metropolis.LEAST < effective < 50_000


def test_no_more_steps_are_taken_than_allowed(monkeypatch):
    monkeypatch.setattr(metropolis, "LONGEST", 500)
    rng = rng_of(5)
    ensemble = ensemble_of(bent, 2, rng)
    ensemble.run(300)
    with pytest.raises(ModeError, match=r"did not settle in 500 steps \(R-hat 1\."):
        monkeypatch.setattr(metropolis, "SETTLED", -1.0)
        ensemble.settle(100, 100, rng)
    assert ensemble.sampler.iteration == 500


def has_settled(chains, wanted=metropolis.LEAST):
    effective, rhat = metropolis._judge(chains)
    return rhat < metropolis.SETTLED and effective > wanted


@pytest.mark.parametrize(
    ("apart", "settled"), [(0.0, True), (1.0, False), (5.0, False)]
)
@pytest.mark.parametrize("which", ["every other", "one in eight", "the first half"])
def test_chains_that_lie_apart_have_not_settled(which, apart, settled):
    # By themselves the draws of each chain are independent, 25,600 of them.
    chains = rng_of(6).standard_normal((400, 64, 2))
    slices = {"every other": np.s_[::2], "one in eight": np.s_[::8]}
    chains[:, slices.get(which, np.s_[:32]), 1] += apart
    assert has_settled(chains, 4000) == settled


def test_chains_that_drift_together_have_not_settled():
    chains = rng_of(6).standard_normal((400, 64, 1))
    assert has_settled(chains)
    chains += np.linspace(-0.5, 0.5, 400)[:, None, None]
    assert not has_settled(chains)


def test_a_slow_ensemble_that_mixes_has_settled():
    # Each chain by itself is worth some ten draws: their R-hat is 1.1 by chance alone.
    steps = rng_of(7).standard_normal((400, 64, 1))
    chains = np.empty_like(steps)
    chains[0] = steps[0]
    for i in range(1, 400):
        chains[i] = 0.95 * chains[i - 1] + np.sqrt(1 - 0.95**2) * steps[i]
    assert 400 < metropolis._judge(chains)[0] < 1000
    assert has_settled(chains)


def test_copies_of_one_point_part():
    rng = rng_of(7)
    walkers = np.repeat(rng.normal(3, 1, (8, 3)), 8, axis=0)
    ensemble = Ensemble(correlated, walkers, rng)
    assert len(np.unique(ensemble.state.coords, axis=0)) == 64
    ensemble.run(300)
    draws, _ = ensemble.settle(1000, 1000, rng)
    assert_same_quantiles(draws, truth("correlated", rng), width=5)


def test_a_seed_settles_every_step():
    a, b = (settle(bent, 2, rng_of(8), count=40, wanted=40)[0] for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, settle(bent, 2, rng_of(9), count=40, wanted=40)[0])


def test_points_where_there_is_no_density_are_not_kept():
    def cut(x):
        return np.where(x[:, 0] > 3, -np.inf, correlated(x))

    draws, _ = settle(cut, 3, rng_of(12))
    assert (draws[:, 0] <= 3).all()

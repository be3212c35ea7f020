"""Tests of Student-t groups: a dense grid, the normal limit, an outlier."""

import numpy as np
import pytest
from scipy import stats

import partialpool as pool

Y = np.array([-4, 0.1, 0.3, -0.2, 0.4, 0.0, 0.7, -0.5, 0.2, 0.6])
SE = np.array([0.3, 0.2, 0.4, 0.5, 0.3, 0.2, 0.6, 0.7, 0.4, 0.5])


def test_matches_a_dense_grid():
    theta = np.linspace(-7, 4, 551)
    taus, mus = np.linspace(0.02, 3, 60), np.linspace(-1.5, 1.5, 41)
    like = stats.norm.pdf(Y[:, None], theta, SE[:, None])
    log, kept = [], []
    for tau in taus:
        shape = stats.t.pdf((theta[:, None] - mus) / tau, 4) / tau
        evidence = like @ shape
        log.append(np.log(evidence).sum(0) - 0.5 * (tau / (2.5 * Y.std())) ** 2)
        kept.append((shape, evidence))
    weight = np.exp(np.array(log) - np.max(log))
    post = sum(
        like * ((w / evidence) @ shape.T)
        for w, (shape, evidence) in zip(weight, kept, strict=True)
    )
    post /= post.sum(1, keepdims=True)
    mean = post @ theta
    sd = np.sqrt(post @ theta**2 - mean**2)
    found = pool.one_way(Y, SE, tail=4, ci_prob=0.9)
    np.testing.assert_allclose(found.mean, mean, atol=0.005 * sd.min())
    np.testing.assert_allclose(found.sd, sd, rtol=0.01)
    below = post.cumsum(1)
    low = [np.interp(0.05, b, theta + 0.01) for b in below]
    np.testing.assert_allclose(found.low, low, atol=0.01 * sd.min())
    share = weight.sum(1) / weight.sum()
    expected = np.interp([0.05, 0.5, 0.95], share.cumsum() - share / 2, taus)
    tau = found.between_sd
    np.testing.assert_allclose([tau.low, tau.median, tau.high], expected, rtol=0.02)


def test_many_degrees_of_freedom_are_normal():
    n = np.array([3, 5, 8, 20, 40, 6.0])
    y, ss = np.array([1.0, 1.4, 0.2, 0.8, 1.1, 0.5]), 0.5 * n
    found = pool.one_way(y, n=n, ss=ss, tail=1e4)
    normal = pool.one_way(y, n=n, ss=ss)
    np.testing.assert_allclose(found.mean, normal.mean, atol=0.005)
    np.testing.assert_allclose(found.low, normal.low, atol=0.02)
    for name in ("between_sd", "within_sd", "overall", "new_group", "new_member"):
        ours, theirs = getattr(found, name), getattr(normal, name)
        assert ours.median == pytest.approx(theirs.median, rel=0.03)
        assert ours.sd == pytest.approx(theirs.sd, rel=0.1)


def test_an_outlier_is_left_alone():
    heavy, normal = pool.one_way(Y, SE, tail=3), pool.one_way(Y, SE)
    assert abs(heavy.mean[0] - Y[0]) < 0.6 * abs(normal.mean[0] - Y[0])
    assert heavy.sd[1:].mean() < normal.sd[1:].mean()


def test_a_known_tau_and_unseen_groups_serve_as_well():
    y = np.append(Y, np.nan)
    found = pool.one_way(y, np.append(SE, 1.0), tail=4, tau=0.3)
    np.testing.assert_allclose(
        found.mean[:-1], pool.one_way(Y, SE, tail=4, tau=0.3).mean, atol=1e-6
    )
    assert found.sd[-1] == pytest.approx(found.new_group.sd)
    # A t of 4 degrees of freedom has a standard deviation of sqrt(2) times its scale.
    expected = np.hypot(0.3 * 2**0.5, found.overall.sd)
    assert found.new_group.sd == pytest.approx(expected, rel=0.01)

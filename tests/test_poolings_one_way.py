"""Tests of the one-way posterior: formula, dense grid, many data sets at once."""

import numpy as np
import pytest
from scipy.special import ndtr

import partialpool as pool


def test_balanced_groups_have_the_closed_form():
    rng = np.random.default_rng(1)
    means, n, tau, sigma = rng.normal(10, 0.3, 12), 8, 0.3, 0.7
    found = pool.one_way(means, n=n, ss=n - 1, tau=tau, sigma=sigma, ci_prob=0.9)
    weight = tau**2 / (tau**2 + sigma**2 / n)
    middle = means.mean()
    np.testing.assert_allclose(
        found.mean, weight * means + (1 - weight) * middle, rtol=0, atol=1e-12
    )
    variance = weight * sigma**2 / n + (1 - weight) ** 2 * tau**2 / weight / 12
    np.testing.assert_allclose(found.sd, np.sqrt(variance), rtol=1e-12)
    half = 1.6448536269514722 * np.sqrt(variance)
    np.testing.assert_allclose(found.high - found.mean, half, rtol=1e-6)
    assert found.new_group.sd == pytest.approx(np.sqrt(tau**2 + tau**2 / weight / 12))
    assert found.new_member.sd == pytest.approx(
        np.sqrt(tau**2 + sigma**2 + tau**2 / weight / 12)
    )


def dense(y, n, ss, sd, prob):
    """Mean, sd and lower end of each group on a fine grid of both sds."""
    tau = (np.arange(600) + 0.5)[:, None, None] / 600 * 1.5
    sigma = np.linspace(0.25, 0.8, 120)[None, :, None]
    p = 1 / (tau**2 + sigma**2 / n)
    total = p.sum(-1)
    mu = (p * y).sum(-1) / total
    tau2, s = tau[..., 0], sigma[..., 0]
    log = 0.5 * np.log(p).sum(-1) - 0.5 * np.log(total)
    log = log - 0.5 * (p * (y - mu[..., None]) ** 2).sum(-1)
    log = log - (n.sum() - len(n)) * np.log(s) - 0.5 * ss / s**2
    log = log - 0.5 * (tau2 / (2.5 * sd)) ** 2 - 2.5 * np.log1p((s / sd) ** 2 / 4)
    post = np.exp(log - log.max())
    post /= post.sum()
    weight = tau**2 * p
    centre = weight * y + (1 - weight) * mu[..., None]
    variance = tau**2 * (1 - weight) + (1 - weight) ** 2 / total[..., None]
    mean = np.einsum("ts,tsj->j", post, centre)
    square = np.einsum("ts,tsj->j", post, variance + (centre - mean) ** 2)
    low = []
    for j in range(2):
        x = np.linspace(mean[j] - 3 * np.sqrt(square[j]), mean[j], 300)
        sd_j = np.sqrt(variance[..., j])
        below = [(post * ndtr((v - centre[..., j]) / sd_j)).sum() for v in x]
        low.append(np.interp(prob, below, x))
    ends = np.interp([0.05, 0.5, 0.95], post.sum(1).cumsum(), tau[:, 0, 0])
    return mean, np.sqrt(square), low, ends


def test_few_groups_that_hardly_differ_match_a_dense_grid():
    table, _ = pool.simulate_groups(7, sizes=(3, 20), seed=1)
    y = table.groupby("group")["y"]
    n, means = y.size().to_numpy(), y.mean().to_numpy()
    ss = (y.var(ddof=0) * y.size()).to_numpy()
    found = pool.one_way(means, n=n, ss=ss, ci_prob=0.9)
    mean, sd, low, ends = dense(means, n, ss.sum(), table["y"].std(ddof=0), 0.05)
    np.testing.assert_allclose(found.mean, mean, atol=0.002 * sd.min())
    np.testing.assert_allclose(found.sd, sd, rtol=0.003)
    np.testing.assert_allclose(found.low[:2], low, atol=0.01 * sd.min())
    tau = found.between_sd
    np.testing.assert_allclose([tau.low, tau.median, tau.high], ends, atol=0.004)


def test_many_data_sets_at_once_are_each_alone():
    rng = np.random.default_rng(2)
    means, se = rng.normal(size=(300, 15)), rng.uniform(0.2, 2, (300, 15))
    means[7, 11:] = np.nan
    together = pool.one_way(means, se)
    for i in (0, 7, 299):
        alone = pool.one_way(means[i], se[i])
        np.testing.assert_allclose(together.low[i], alone.low, rtol=1e-3, atol=1e-4)
        assert together.between_sd.mean[i] == pytest.approx(alone.between_sd.mean)
    assert together.mean[7, 12] == pytest.approx(together.new_group.mean[7])
    fewer = pool.one_way(means[7, :11], se[7, :11])
    np.testing.assert_allclose(together.mean[7, :11], fewer.mean, atol=1e-6)


def test_intervals_hold_the_truth_as_often_as_they_promise():
    rng = np.random.default_rng(3)
    n = np.exp(rng.uniform(1, 4, (400, 20))).round()
    truth = rng.normal(10, 0.2, n.shape)
    means = rng.normal(truth, 0.5 / np.sqrt(n))
    ss = 0.25 * rng.chisquare(n - 1)
    found = pool.one_way(means, n=n, ss=ss, ci_prob=0.8)
    held = np.mean((found.low < truth) & (truth < found.high))
    assert held == pytest.approx(0.8, abs=0.015)
    within = np.mean((found.within_sd.low < 0.5) & (0.5 < found.within_sd.high))
    between = np.mean((found.between_sd.low < 0.2) & (0.2 < found.between_sd.high))
    assert within == pytest.approx(0.8, abs=0.08)
    assert between == pytest.approx(0.8, abs=0.08)
    error = found.mean - truth
    assert np.mean(error**2) == pytest.approx(np.mean(found.sd**2), rel=0.05)


def test_equal_means_pull_nothing_apart():
    np.testing.assert_allclose(pool.one_way([5.0, 5.0, 5.0], se=1.0).mean, 5.0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "Give standard errors as se"),
        ({"se": 1.0, "n": 3, "ss": 1.0}, "one of the two"),
        ({"n": 3}, "both parts"),
        ({"se": [1.0, 0.0, 1.0]}, "not above 0"),
        ({"se": [1.0, 2.0]}, "one value for each mean"),
        ({"n": 1, "ss": 0.0}, "one row"),
        ({"se": 1.0, "ci_prob": 1.0}, "ci_prob is 1.0"),
        ({"se": 1.0, "sigma": 1.0}, "sigma is known"),
        ({"n": 3, "ss": 1.0, "tau": 1.0}, "give both"),
        ({"se": 1.0, "tau": -1.0}, "above 0"),
        ({"se": 1.0, "tail": 0.5}, "tail is 0.5"),
    ],
)
def test_says_what_is_wrong(arguments, said):
    with pytest.raises(ValueError, match=said):
        pool.one_way([1.0, 2.0, 3.0], **arguments)


def test_one_group_cannot_be_pooled():
    with pytest.raises(ValueError, match="fewer than two groups"):
        pool.one_way([[1.0, np.nan], [1.0, 2.0]], se=1.0)


def test_squares_may_be_those_of_all_groups_together():
    rng = np.random.default_rng(3)
    mean, n = rng.normal(10, 0.2, (4, 6)), rng.integers(2, 30, (4, 6))
    ss = rng.chisquare(n - 1) * 0.09
    each = pool.one_way(mean, n=n, ss=ss)
    together = pool.one_way(mean, n=n, ss=ss.sum(1, keepdims=True))
    np.testing.assert_allclose(together.within_sd.mean, each.within_sd.mean, rtol=1e-12)
    alone = pool.one_way(mean[0], n=n[0], ss=ss[0].sum())
    np.testing.assert_allclose(
        alone.within_sd.mean, each.within_sd.mean[:1], rtol=1e-12
    )

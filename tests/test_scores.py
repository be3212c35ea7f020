"""Tests of the scores against closed forms, and of what they refuse."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import partialpool as pool

RNG_SEED = 20


def test_rmse_by_hand():
    assert pool.rmse([1, 2, 3], [1, 2, 3]) == 0
    assert pool.rmse([0, 0], [3, 4]) == pytest.approx(np.sqrt(12.5))
    assert pool.rmse([[1, 2], [3, 4]], [[2, 3], [4, 5]]) == 1


def test_rmse_is_bias_and_spread_together():
    rng = np.random.default_rng(RNG_SEED)
    error = rng.normal(0.3, 0.4, 40_000)
    # Expected 0.5; standard error of the mean square over twice its root.
    tolerance = 4 * np.std(error**2) / np.sqrt(len(error)) / (2 * 0.5)
    assert abs(pool.rmse(5 + error, np.full(len(error), 5)) - 0.5) < tolerance


def test_rmse_has_the_units_of_the_outcome():
    estimate, truth = [1.0, 4.0, 2.0], [2.0, 2.0, 2.0]
    once = pool.rmse(estimate, truth)
    thousand = pool.rmse(np.multiply(1000, estimate), np.multiply(1000, truth))
    assert thousand == pytest.approx(1000 * once)


def test_coverage_by_hand_both_ends_count_as_inside():
    lower, upper = [0, 0, 0, 0], [1, 1, 1, 1]
    assert pool.coverage(lower, upper, [0, 1, 1.01, -0.01]) == 0.5


def test_coverage_of_intervals_that_promise_90_per_cent():
    rng = np.random.default_rng(RNG_SEED)
    truth = rng.normal(size=20_000)
    estimate = truth + rng.normal(size=20_000)
    z = stats.norm.ppf(0.95)
    found = pool.coverage(estimate - z, estimate + z, truth)
    assert abs(found - 0.9) < 4 * np.sqrt(0.9 * 0.1 / 20_000)


def test_interval_score_by_hand():
    # Width 2; a miss of 0.5 costs 2 / 0.1 times 0.5.
    assert pool.interval_score([0], [2], [1], prob=0.9) == pytest.approx(2)
    assert pool.interval_score([0], [2], [2.5], prob=0.9) == pytest.approx(2 + 10)
    assert pool.interval_score([0], [2], [-0.5], prob=0.9) == pytest.approx(2 + 10)
    assert pool.interval_score([0], [2], [2.5], prob=0.5) == pytest.approx(2 + 2)
    both = pool.interval_score([0, 0], [2, 2], [1, 2.5], prob=0.9)
    assert both == pytest.approx((2 + 12) / 2)


@pytest.mark.parametrize("prob", [0.5, 0.9])
def test_interval_score_of_a_normal_agrees_with_its_closed_form(prob):
    # At the true quantiles the expected score is 2 phi(z) / (alpha / 2), alpha the
    # probability left outside and z the normal's upper quantile.
    alpha = 1 - prob
    z = stats.norm.ppf(1 - alpha / 2)
    expected = 4 * stats.norm.pdf(z) / alpha
    truth = np.random.default_rng(RNG_SEED).normal(size=50_000)
    ends = np.full(truth.size, z)
    score = pool.interval_score(-ends, ends, truth, prob=prob)
    each = 2 * z + 2 / alpha * np.maximum(np.abs(truth) - z, 0)
    assert abs(score - expected) < 4 * each.std() / np.sqrt(truth.size)


@pytest.mark.parametrize("draw", ["normal", "exponential"])
@pytest.mark.parametrize("prob", [0.5, 0.9])
def test_interval_score_is_smallest_at_the_true_quantiles(draw, prob):
    truth = getattr(np.random.default_rng(RNG_SEED), draw)(size=200_000)
    law = {"normal": stats.norm, "exponential": stats.expon}[draw]
    lower, upper = law.ppf([(1 - prob) / 2, (1 + prob) / 2])

    def score(low, high):
        ends = (np.full(truth.size, end) for end in (low, high))
        return pool.interval_score(*ends, truth, prob=prob)

    best = score(lower, upper)
    for change in [0.15, 0.3]:
        assert best < score(lower - change, upper + change)
        assert best < score(lower + change, upper - change)
        assert best < score(lower + change, upper + change)
        assert best < score(lower - change, upper - change)
        assert best < score(lower, upper + change)
        assert best < score(lower + change, upper)


@pytest.mark.parametrize("prob", [0, 1, -0.1, 1.5, 90, np.nan])
def test_a_probability_is_between_0_and_1(prob):
    with pytest.raises(ValueError, match="give a probability between 0 and 1"):
        pool.interval_score([0], [1], [0.5], prob=prob)


def interval_score(lower, upper, truth):
    return pool.interval_score(lower, upper, truth, prob=0.9)


SCORES = pytest.mark.parametrize(
    ("score", "count"), [(pool.rmse, 2), (pool.coverage, 3), (interval_score, 3)]
)


@SCORES
def test_missing_values_are_refused(score, count):
    for position in range(count):
        arrays = [[1.0, 1.0, 1.0] for _ in range(count)]
        arrays[position] = [1.0, np.nan, np.nan]
        with pytest.raises(ValueError, match="has 2 missing values: drop these groups"):
            score(*arrays)
    with pytest.raises(ValueError, match="has 1 missing value: drop"):
        score(*[pd.array([1.0, None], "Float64")] * count)


@SCORES
def test_shapes_that_differ_are_refused(score, count):
    for wrong in ([1.0], [[1.0], [1.0]], 1.0, [1.0, 1.0, 1.0]):
        with pytest.raises(ValueError, match="Shapes differ"):
            score(*[[1.0, 1.0]] * (count - 1), wrong)


@SCORES
def test_nothing_to_score_is_refused(score, count):
    with pytest.raises(ValueError, match="is empty: there is nothing to score"):
        score(*[[]] * count)


@SCORES
def test_scores_are_plain_floats_and_leave_their_input_alone(score, count):
    arrays = [np.array([1.0, 2.0]) for _ in range(count)]
    assert type(score(*arrays)) is float
    assert all((each == [1.0, 2.0]).all() for each in arrays)
    as_series = [pd.Series([1.0, 2.0], index=["a", "b"]) for _ in range(count)]
    assert score(*as_series) == score(*arrays)


@pytest.mark.parametrize("score", [pool.coverage, interval_score])
def test_an_interval_upside_down_is_refused(score):
    with pytest.raises(ValueError, match="upper is below lower at position 1"):
        score([0.0, 2.0], [1.0, 1.0], [0.5, 1.5])


# Densities and whole distributions ----------------------------------------------


def by_integral(law, truth):
    """CRPS by its definition: the squared distance of two distribution functions."""
    grid = np.linspace(-60, 60, 600_001)
    step = (grid >= truth).astype(float)
    return np.trapezoid((law.cdf(grid) - step) ** 2, grid)


@pytest.mark.parametrize("truth", [-3.0, 0.2, 5.0])
@pytest.mark.parametrize("df", [None, 4.0, 30.0])
def test_crps_is_the_integral_that_defines_it(truth, df):
    law = stats.norm(1, 2) if df is None else stats.t(df, 1, 2)
    found = pool.crps([truth], mean=[1.0], sd=[2.0], df=df)
    assert found == pytest.approx(by_integral(law, truth), abs=2e-4)


def test_crps_of_draws_agrees_with_the_closed_form():
    rng = np.random.default_rng(RNG_SEED)
    truth, mean = rng.normal(size=300), rng.normal(size=300)
    draws = rng.normal(mean, 0.7, (2000, 300))
    closed = pool.crps(truth, mean=mean, sd=np.full(300, 0.7))
    assert pool.crps(truth, draws=draws) == pytest.approx(closed, abs=0.003)
    # The mean over many sets of few draws is the same.
    few = [pool.crps(truth, draws=draws[i : i + 4]) for i in range(0, 2000, 4)]
    error = np.std(few) / np.sqrt(len(few))
    assert abs(np.mean(few) - closed) < 4 * error + 0.003


def test_crps_of_a_point_is_the_absolute_error():
    draws = np.full((5, 2), 1.0)
    assert pool.crps([3.0, 0.0], draws=draws) == pytest.approx(1.5)
    assert pool.crps([3.0], mean=[1.0], sd=[1e-9]) == pytest.approx(2.0)


def test_log_score_by_hand_and_for_a_mixture():
    found = pool.log_score([1.0, 2.0], [2.0, 1.0], [0.0, 2.0])
    by_hand = stats.norm.logpdf([0, 2], [1, 2], [2, 1]).mean()
    assert found == pytest.approx(by_hand)
    heavy = pool.log_score([1.0], [2.0], [0.0], df=5)
    assert heavy == pytest.approx(stats.t.logpdf(0, 5, 1, 2))
    mean, sd = np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([[1.0, 1.0], [2.0, 2.0]])
    density = stats.norm.pdf([0.5, 1.5], mean, sd).mean(0)
    found = pool.log_score(mean, sd, [0.5, 1.5])
    assert found == pytest.approx(np.log(density).mean())
    assert pool.log_score(mean, 1.0, [0.5, 1.5]) < 0


def test_the_true_distribution_scores_best():
    truth = np.random.default_rng(RNG_SEED).normal(2, 3, 50_000)

    def scored(shift, stretch):
        mean, sd = np.full(truth.size, 2.0 + shift), np.full(truth.size, 3.0 * stretch)
        return pool.log_score(mean, sd, truth), -pool.crps(truth, mean=mean, sd=sd)

    best = scored(0, 1)
    for wrong in [(0.5, 1), (-0.5, 1), (0, 0.8), (0, 1.25)]:
        assert all(b > w for b, w in zip(best, scored(*wrong), strict=True))


def test_predictions_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="sd holds values that are not above 0"):
        pool.log_score([0.0], [0.0], [0.0])
    with pytest.raises(ValueError, match="df holds values that are not above 1"):
        pool.crps([0.0], mean=[0.0], sd=[1.0], df=1)
    with pytest.raises(ValueError, match="Shapes differ"):
        pool.crps([0.0, 1.0], mean=[0.0], sd=[1.0])
    with pytest.raises(ValueError, match="give two or more draws"):
        pool.crps([0.0, 1.0], draws=[0.0, 1.0])
    with pytest.raises(ValueError, match="one of the two"):
        pool.crps([0.0], mean=[0.0])
    with pytest.raises(ValueError, match="draws has 1 missing value"):
        pool.crps([0.0], draws=[[np.nan], [1.0]])

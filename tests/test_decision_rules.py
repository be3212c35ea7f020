"""Rules that turn draws into decisions: by hand, and by brute force."""

from itertools import combinations

import numpy as np
import pytest

from partialpool.chapters import decision_rules as rules


@pytest.fixture
def draws():
    rng = np.random.default_rng(1)
    return rng.normal(np.linspace(0, 3, 8), 0.6, (2, 500, 8))


def test_intervals_of_ranks_hold_the_middle_of_the_draws(draws):
    ranks = rules.rank(draws)
    low, high = rules.rank_intervals(ranks, prob=0.9)
    inside = ((ranks >= low[:, None]) & (ranks <= high[:, None])).mean(1)
    assert (inside >= 0.9).all()
    narrower = ((ranks > low[:, None]) & (ranks < high[:, None])).mean(1)
    assert (narrower < 0.9).all()


def test_no_other_choice_has_more_of_the_top_right(draws):
    ranks = rules.rank(draws[0])
    named = rules.name_top(ranks, 3)
    best = max((ranks[:, list(some)] <= 3).sum() for some in combinations(range(8), 3))
    assert named.sum() == 3
    assert (ranks[:, named] <= 3).sum() == best


def _gain(grades, chance, wrong):
    total = 0
    for i, j in combinations(range(len(grades)), 2):
        if grades[i] != grades[j]:
            right = chance[i, j] if grades[i] < grades[j] else chance[j, i]
            total += right - wrong * (1 - right)
    return total


def test_grades_have_the_largest_gain_of_all_cuts(draws):
    ranks = rules.rank(draws)
    for d, grades in enumerate(rules.grade(ranks, wrong=4)):
        chance = rules.above(ranks[d])
        order = np.argsort(ranks[d].mean(0), kind="stable")
        best = -np.inf
        for number in range(8):
            for cuts in combinations(range(1, 8), number):
                other = np.empty(8, int)
                other[order] = np.searchsorted(cuts, np.arange(8), side="right")
                best = max(best, _gain(other, chance, 4))
        assert _gain(grades, chance, 4) == pytest.approx(best)
        assert 1 < grades.max() < 8


def test_a_pair_is_told_apart_above_the_cost_ratio():
    for right, number in ((79, 1), (81, 2)):
        ranks = np.array([[1, 2]] * right + [[2, 1]] * (100 - right))
        assert rules.grade(ranks, wrong=4).max() == number


def test_the_gain_of_grades_by_hand():
    grades = np.array([[1, 1, 2, 3]])
    truth = np.array([[2.0, 5.0, 1.0, 4.0]])
    gain, wrong, told = rules.gain_of_grades(grades, truth, wrong=4)
    # Told apart: 5 of 6 pairs; wrong: the first and the third below the last.
    assert told[0] == pytest.approx(5 / 6)
    assert wrong[0] == pytest.approx(2 / 5)
    assert gain[0] == pytest.approx((3 - 4 * 2) / 6)


def test_sets_from_tests_hold_the_rank_of_groups_alike():
    rng = np.random.default_rng(1)
    n, truth = np.full((200, 12), 20.0), np.linspace(0, 0.4, 12)
    point = rng.normal(truth, 1 / np.sqrt(n))
    sd = np.ones((200, 1))
    low, high = rules.rank_by_tests(point, n, sd, prob=0.9, seed=1)
    true = rules.rank(truth)
    assert (((low <= true) & (true <= high)).mean(0) > 0.9).all()
    far = rules.rank_by_tests(100 * truth[None], n[:1], sd[:1], prob=0.9, seed=1)
    assert (far[0] == true).all()
    assert (far[1] == true).all()


def test_the_critical_value_is_that_of_the_largest_difference():
    n = np.full((1, 2), 4.0)
    se = np.sqrt(2 / 4)
    for z, apart in ((1.55, False), (1.75, True)):  # two groups: 1.645
        point = np.array([[0.0, z * se]])
        low, _ = rules.rank_by_tests(
            point, n, np.ones((1, 1)), prob=0.9, draws=20_000, seed=1
        )
        assert (low[0, 0] == 2) == apart


def test_costs_by_hand():
    called = np.array([[True, True, False, False]])
    below = np.array([[True, False, True, False]])
    assert rules.cost_of_calls(called, below, false=4) == pytest.approx((4 + 1) / 4)
    truth = np.zeros((1, 3))
    point = np.array([[0.05, 0.2, 0.2]])
    published = np.array([[True, True, False]])
    cost = rules.cost_of_publishing(published, point, truth, wrong=5)
    assert cost == pytest.approx((0 + 5 + 1) / 3)


def test_a_risk_is_a_share_of_the_truth():
    draws = np.log(np.array([[100.0], [109.0], [112.0], [80.0]]))
    assert rules.risk(np.log([100.0]), draws) == pytest.approx(0.5)


def test_the_largest_p_below_the_line_refuses_all_smaller():
    p = np.array([[0.01, 0.06, 0.07, 0.9], [0.5, 0.6, 0.7, 0.9]])
    refused = rules.benjamini_hochberg(p, 0.1)
    assert refused.tolist() == [[True, True, True, False], [False] * 4]


def test_triple_goal_values_have_spread_and_order(draws):
    ranks = rules.rank(draws)
    values = rules.triple_goal(draws, ranks)
    expected = draws.std(-1, ddof=1).mean(-1)
    assert values.std(-1, ddof=1) == pytest.approx(expected, rel=0.05)
    assert (np.argsort(-values) == np.argsort(ranks.mean(1))).all()


def test_stretched_means_have_the_expected_variance(draws):
    point = draws.mean(1)
    stretched = rules.stretch(point, draws)
    wanted = draws.var(-1, ddof=1).mean(-1)
    assert stretched.var(-1, ddof=1) == pytest.approx(wanted)
    assert stretched.mean(-1) == pytest.approx(point.mean(-1))
    assert (wanted > point.var(-1, ddof=1)).all()


def test_shrunk_alike_the_variance_has_no_noise():
    rng = np.random.default_rng(1)
    truth = rng.normal(0, 0.3, (1, 20_000))
    point = rng.normal(truth, 0.4)
    shrunk = rules.shrink_alike(point, np.full(point.shape, 0.4))
    assert shrunk.std() == pytest.approx(0.3, rel=0.02)
    # Noise larger than all the variance: nothing is left.
    assert rules.shrink_alike(point, np.full(point.shape, 2.0)).std() == 0


def test_the_distance_of_spreads_knows_no_order():
    truth = np.array([[1.0, 2.0, 3.0]])
    assert rules.distance_of_spreads(truth[:, ::-1], truth) == 0
    assert rules.distance_of_spreads(truth * 2, truth) == pytest.approx(2)

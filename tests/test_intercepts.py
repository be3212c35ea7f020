"""Tests of random intercepts given the ratio: dense linear algebra is the judge."""

import numpy as np
import pytest

from partialpool.intercepts import GroupSums, at_ratio


@pytest.fixture
def rows():
    rng = np.random.default_rng(1)
    group = rng.integers(0, 6, 60)
    x = np.column_stack([np.ones(60), rng.normal(size=(60, 2))])
    y = x @ [1.0, 0.5, -0.3] + rng.normal(size=6)[group] + rng.normal(size=60)
    return group, x, y


@pytest.fixture
def sums(rows):
    group, x, y = rows
    n = np.bincount(group).astype(float)
    columns = np.column_stack([x, y])
    means = np.stack([np.bincount(group, c) for c in columns.T], 1) / n[:, None]
    about = columns - means[group]
    within = about.T @ about
    parts = (n, means[:, :-1], means[:, -1], within, np.array(60.0))
    return GroupSums(*(part[None] for part in parts))


@pytest.mark.parametrize("ratio", [0.1, 0.7, 3.0])
def test_solves_the_mixed_model_equations(rows, sums, ratio):
    group, x, y = rows
    dummies = np.eye(6)[group]
    design = np.column_stack([x, dummies])
    penalty = np.diag([0.0] * 3 + [ratio**-2] * 6)
    inverse = np.linalg.inv(design.T @ design + penalty)
    solution = inverse @ design.T @ y
    given = at_ratio(sums, [[ratio]])
    np.testing.assert_allclose(given.slopes[0, 0], solution[:3], rtol=1e-9)
    means = np.column_stack([sums.x[0], np.eye(6)])
    centre, variance = given.estimate()
    np.testing.assert_allclose(centre[0, 0], means @ solution, rtol=1e-9)
    expected = np.einsum("jp,pq,jq->j", means, inverse, means)
    np.testing.assert_allclose(variance[0, 0], expected, rtol=1e-9)


def test_likelihood_terms_are_those_of_the_marginal_covariance(rows, sums):
    group, x, y = rows
    covariance = np.eye(60) + 0.7**2 * (group[:, None] == group)
    inverse = np.linalg.inv(covariance)
    information = x.T @ inverse @ x
    slopes = np.linalg.solve(information, x.T @ inverse @ y)
    left = y - x @ slopes
    given = at_ratio(sums, [[0.7]])
    assert given.squares[0, 0] == pytest.approx(left @ inverse @ left)
    log_det = np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(information)[1]
    assert given.log_det[0, 0] == pytest.approx(log_det)


def test_zero_is_complete_and_infinity_is_no_pooling(rows, sums):
    group, x, y = rows
    given = at_ratio(sums, [[0.0, np.inf]])
    plain = np.linalg.lstsq(x, y, rcond=None)[0]
    np.testing.assert_allclose(given.slopes[0, 0], plain)
    dummies = np.column_stack([np.eye(6)[group], x[:, 1:]])
    within = np.linalg.lstsq(dummies, y, rcond=None)[0]
    np.testing.assert_allclose(given.slopes[0, 1, 1:], within[6:])
    np.testing.assert_allclose(given.estimate()[0][0, 1], sums.y[0])
    assert given.rank.tolist() == [[3, 2]]


def test_a_group_without_rows_has_the_line_and_the_whole_spread(sums):
    grown = GroupSums(
        np.append(sums.n, [[0.0]], 1),
        np.concatenate([sums.x, np.zeros((1, 1, 3))], 1),
        np.append(sums.y, [[0.0]], 1),
        sums.within,
        sums.rows,
    )
    given, before = at_ratio(grown, [[0.5]]), at_ratio(sums, [[0.5]])
    np.testing.assert_allclose(given.slopes, before.slopes)
    x = np.ones((1, 7, 3))
    centre, variance = (part[0, 0, -1] for part in given.estimate(x))
    assert centre == pytest.approx(given.slopes[0, 0].sum())
    assert variance == pytest.approx(0.25 + given.inverse[0, 0].sum())
    assert given.weight[0, 0, -1] == 0


def test_columns_that_say_the_same_are_counted_once(sums):
    twice = [0, 1, 2, 1, 3]
    doubled = GroupSums(
        sums.n,
        sums.x[..., [0, 1, 2, 1]],
        sums.y,
        sums.within[:, twice][:, :, twice],
        sums.rows,
    )
    ours, once = at_ratio(doubled, [[0.5]]), at_ratio(sums, [[0.5]])
    assert ours.rank[0, 0] == 3
    np.testing.assert_allclose(ours.estimate()[0], once.estimate()[0])

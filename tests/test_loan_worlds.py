"""Worlds with a loan book of known cost: what is drawn, and what careers cost."""

import numpy as np
import pytest

from partialpool.chapters import loan_worlds as worlds


@pytest.fixture(scope="module")
def curve():
    return worlds.CostCurve(60_000, seed=1)


@pytest.fixture(scope="module")
def world():
    return worlds.draw_world(seed=2)


@pytest.mark.parametrize("level", [9.8, 10.15, 10.6])
def test_the_curve_is_what_careers_cost(curve, level):
    ones = np.ones(10_000)
    rng = np.random.default_rng(3)
    cost = worlds.costs_of(worlds.live(level * ones, 0.03 * ones, 0.42 * ones, rng))
    mean, sd = curve(np.array(level), np.array(0.03), np.array(0.42))
    assert mean == pytest.approx(cost.mean(), abs=0.015)
    assert sd == pytest.approx(cost.std(), rel=0.1)


@pytest.mark.parametrize("df", [np.inf, 3])
def test_log_pay_has_the_spread_asked_for(df):
    ones = np.ones(40_000)
    pay = worlds.live(10 * ones, 0 * ones, 0.4 * ones, np.random.default_rng(1), df=df)
    first = np.log(pay[pay[:, 0] > 0, 0])
    assert first.mean() == pytest.approx(10, abs=0.01)
    assert first.std() == pytest.approx(0.4, rel=0.03)


def test_a_book_costs_what_its_courses_do(world):
    size = world.courses["borrowers"]
    assert world.cost == pytest.approx(
        (world.courses["cost"] * size).sum() / size.sum()
    )
    assert (world.table.groupby("course").size() * 10).equals(size)

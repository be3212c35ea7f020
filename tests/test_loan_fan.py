"""Yearly repayments of a book: the truth, and forecasts as a fan."""

import numpy as np
import pytest

from partialpool.chapters import loan_worlds as worlds
from partialpool.chapters.loan_fan import draw_years


@pytest.fixture(scope="module")
def world():
    return worlds.draw_world(8, seed=2)


def test_the_years_add_up_to_what_does_not_cost(world):
    assert world.yearly.shape == (worlds.YEARS,)
    assert 1 - world.yearly.sum() == pytest.approx(world.cost)


def test_forecasts_by_the_truth_lie_around_it():
    steady, truth = worlds.draw_world(8, more=3, seed=2), worlds.TRUTH
    level = truth["level"] + truth["tariff"] * steady.courses["tariff"]
    ones = np.ones(60)
    beliefs = worlds.Beliefs(
        np.tile(level, (60, 1)), truth["growth"] * ones, truth["sigma"] * ones
    )
    years = draw_years(beliefs, steady, draws=60, seed=1)
    assert years.shape == (60, worlds.YEARS)
    curve = worlds.CostCurve(60_000, seed=1)
    mean = curve(level, truth["growth"], truth["sigma"])[0]
    size = steady.courses["borrowers"].to_numpy()
    expected = 1 - mean @ size / size.sum()
    assert years.sum(1).mean() == pytest.approx(expected, abs=0.01)


def test_a_seed_gives_the_same_fan(world):
    ones = np.ones(4)
    level = 10.1 * np.ones((4, len(world.courses)))
    beliefs = worlds.Beliefs(level, 0.03 * ones, 0.4 * ones)
    one, two = (draw_years(beliefs, world, draws=4, seed=1) for _ in range(2))
    assert (one == two).all()
    assert not (one[0] == one[1]).all()


def test_each_draw_of_the_beliefs_gives_its_own_forecast(world):
    level = np.array([[9.6], [10.6]]) * np.ones(len(world.courses))
    beliefs = worlds.Beliefs(level, np.full(2, 0.03), np.full(2, 0.4))
    low, high = draw_years(beliefs, world, draws=2, seed=1).sum(1)
    assert high > low + 0.2

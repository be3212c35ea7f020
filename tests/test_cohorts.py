"""Cohorts year after year: the forecasts of the next, and what they are worth."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import partialpool as pool
from partialpool.chapters import beliefs, cohorts
from partialpool.faults import TableError


@pytest.fixture(scope="module")
def worlds():
    return cohorts.simulate_cohorts(3, groups=12, years=4, drift=0.1, seed=1)


@pytest.fixture(scope="module")
def found(worlds):
    return cohorts.forecast(worlds, seed=2)


def test_worlds_are_as_asked():
    many = cohorts.simulate_cohorts(400, years=3, drift=0.2, seed=3)
    assert many.truth.var() == pytest.approx(0.15**2 + 3 * 0.2**2, rel=0.05)
    known = many.n > 1
    within = many.ss[known].sum() / (many.n[known] - 1).sum()
    assert within == pytest.approx(0.45**2, rel=0.01)
    first = many.mean[:, 0].var()
    assert first == pytest.approx(0.15**2 + (0.45**2 / many.n[:, 0]).mean(), rel=0.05)


def test_arrays_add_up_as_cells_do(worlds):
    cells = [beliefs._cells(worlds, 1, year) for year in range(worlds.years)]
    for keep in (1.0, 0.5):
        added = pool.add_cells(*cells, keep=keep)
        n, mean, ss = (part[1] for part in worlds.add(keep))
        assert added["n"].to_numpy() == pytest.approx(n)
        assert added["mean"].to_numpy() == pytest.approx(mean)
        assert added["ss"].to_numpy() == pytest.approx(ss)


def test_nothing_kept_is_the_last_year(worlds):
    n, mean, ss = worlds.add(0.0)
    np.testing.assert_array_equal(n, worlds.n[:, -1])
    np.testing.assert_allclose(mean, worlds.mean[:, -1])
    np.testing.assert_allclose(ss, worlds.ss[:, -1])


def test_no_method_sees_the_year_that_it_forecasts(worlds, found):
    again = cohorts.forecast(replace(worlds, truth=worlds.truth + 1), seed=2)
    for name, parts in found.items():
        for one, two in zip(parts, again[name], strict=True):
            np.testing.assert_array_equal(one, two)


def test_every_method_answers_for_every_group(worlds, found):
    assert set(found) == {*cohorts.UPDATES, *cohorts.OPPONENTS}
    for estimate, _, _ in found.values():
        assert estimate.shape == worlds.truth.shape
        assert np.isfinite(estimate).all()


def test_without_years_between_carrying_is_the_first_fit(worlds):
    one = worlds.first(1)
    fitted = beliefs._first_fit(one, 0, 4000, 1)
    belief = pool.Belief.from_posterior(fitted)
    carried = beliefs._answer(beliefs._carry(belief, []), one.n.shape[2], 0.9)[0]
    pooled = pool.one_way(one.mean[0, 0], n=one.n[0, 0], ss=one.ss[0, 0])
    assert carried == pytest.approx(pooled.mean, abs=0.01)


def test_drifting_groups_are_smoothed_less_than_still_ones():
    still = cohorts.simulate_cohorts(20, drift=0.0, seed=4)
    moving = cohorts.simulate_cohorts(20, drift=0.5, seed=4)

    def moved(world):
        mean = world.add()[1]
        level = cohorts._smooth(world)[0]
        return np.abs(level - mean).mean() / np.abs(world.mean[:, -1] - mean).mean()

    assert moved(still) < 0.6 < moved(moving)


def test_a_walk_chooses_a_step_where_groups_drift():
    def widths(drift):
        world = cohorts.simulate_cohorts(1, drift=drift, seed=5)
        fitted = beliefs._first_fit(world, 0, 4000, 1)
        belief = pool.Belief.from_posterior(fitted)
        years = [beliefs._cells(world, 0, year) for year in range(1, world.years)]
        walked, carried = (
            way(belief, years).group_means(ci_prob=0.9)
            for way in (beliefs._walk, beliefs._carry)
        )
        return (walked["sd"] / carried["sd"]).mean()

    assert widths(0.3) > 2
    assert widths(0.0) < 1.5


def test_samples_of_the_scorecard_are_followed_or_drawn_anew():
    same = cohorts.sample_cohorts(2, share=0.2, same=True, seed=1)
    anew = cohorts.sample_cohorts(2, share=0.2, same=False, seed=1)

    def change(sample):
        both = (sample.n[:, 1:] > 0) & (sample.n[:, :-1] > 0)
        return np.nanstd(np.diff(sample.mean, axis=1)[both])

    assert change(same) < 0.5 * change(anew)
    assert np.nanmean(same.truth) == pytest.approx(10.3, abs=0.2)
    seen = ~np.isnan(same.truth)
    assert (same.n > 0).all(1)[seen].all()


def test_all_together_step_without_disturbing_the_rest():
    given = {"years": 3, "drift": 0.1, "seed": 6}
    alone = cohorts.simulate_cohorts(300, **given)
    together = cohorts.simulate_cohorts(300, common=0.2, **given)
    moved = together.truth - alone.truth
    assert np.ptp(moved, axis=1) == pytest.approx(0, abs=1e-12)
    assert moved.std() == pytest.approx(0.2 * np.sqrt(3), rel=0.1)
    np.testing.assert_array_equal(together.ss, alone.ss)


def test_a_table_is_read_year_by_year():
    table, _ = pool.simulate_groups(5, sizes=(2, 9), seed=7)
    later = table[table["group"] != table["group"].iloc[0]]
    both = pd.concat([table.assign(year="2024"), later.assign(year="2025")])
    read = cohorts.read_cohorts(both, outcome="y", group="group", year="year")
    cells = pool.collapse(table, "y", "group")
    assert read.n[0, 0] == pytest.approx(cells["n"])
    assert read.mean[0, 0] == pytest.approx(cells["mean"])
    assert read.ss[0, 0] == pytest.approx(cells["ss"])
    assert read.n[0, 1, 0] == 0
    assert np.isnan(read.mean[0, 1, 0])


def test_one_row_a_year_says_nothing_of_the_spread():
    table = pd.DataFrame({"wait": [3.0, 4.0], "clinic": ["A", "B"], "month": 1})
    with pytest.raises(TableError, match=r"one row for each value of 'month'"):
        cohorts.read_cohorts(table, outcome="wait", group="clinic", year="month")


def test_institutions_that_stay_resemble_themselves():
    same = cohorts.sample_cohorts(2, share=0.2, same=True, seed=1)
    anew = cohorts.sample_cohorts(2, share=0.2, same=False, seed=1)
    assert (same.shared > 0.7).all()
    assert (anew.shared < 0.3).all()


def test_a_window_holds_the_newest_years(worlds):
    n, mean, _ = cohorts._window(worlds, 1)
    np.testing.assert_array_equal(n, worlds.n[:, -1])
    np.testing.assert_allclose(mean, worlds.mean[:, -1])
    assert (cohorts._window(worlds, 9)[0] == worlds.n.sum(1)).all()


def test_last_year_forecasts_what_it_determines():
    worlds = cohorts.simulate_cohorts(1, groups=80, sizes=(500, 900), years=5, seed=8)
    exact = 2 + 0.5 ** np.arange(6)[:, None] * np.linspace(-3, 3, 80)
    given = replace(worlds, mean=exact[None, :5], truth=exact[None, 5])
    estimate, low, high = cohorts._lag(given, 0.9)
    assert estimate == pytest.approx(given.truth, abs=1e-6)
    assert (low < estimate).all()
    assert (estimate < high).all()


def test_drifting_groups_get_a_short_window():
    moving = cohorts.simulate_cohorts(20, drift=0.5, seed=4)
    last = cohorts.forecast(moving.first(3), draws=400, seed=1)
    gap = np.abs(last["rolling REML"][0] - last["last REML"][0]).mean()
    assert gap < 0.1 * np.abs(last["all REML"][0] - last["last REML"][0]).mean()

"""The chapter on published tables: its worlds, its ways, its rule, its pictures."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import partialpool as pool
from partialpool.chapters import published_plots, published_ways, published_worlds


@pytest.fixture(scope="module")
def setting():
    return published_worlds.make_setting(seed=3)


@pytest.fixture(scope="module")
def world(setting):
    return published_worlds.draw_world(setting, seed=4)


def test_a_world_is_drawn_again_from_its_seed(setting, world):
    again = published_worlds.draw_world(setting, seed=4)
    pd.testing.assert_series_equal(again.truth, world.truth)
    pd.testing.assert_frame_equal(again.tables["both"], world.tables["both"])


def test_large_published_cells_lie_near_the_truth(world):
    table = world.tables["both"].set_index(published_worlds.CELL)
    gap = (table["log_median"] - world.truth.reindex(table.index)) / table["se"]
    assert gap.abs().mean() == pytest.approx(0.8, abs=0.12)


@pytest.mark.parametrize("name", [n for n in published_ways.WAYS if n != "raw medians"])
def test_every_way_estimates_every_cell(world, name):
    found = published_ways.WAYS[name](world)
    assert found["log_mean"].between(9, 12).all()


def make_scores(rival=0.1, slope=1.0):
    ways = ["raw medians", "GLM", published_ways.MODEL]
    index = pd.MultiIndex.from_product([["small", "suppressed"], ways])
    scores = pd.DataFrame({"rmse": [0.12, rival, 0.08] * 2}, index)
    scores["coverage"], scores["coverage_error"] = 0.9, 0.002
    scores["slope"], scores["slope_error"] = [0.6, 0.9, slope] * 2, 0.005
    return scores


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({}, "holds"),
        ({"rival": 0.081}, "holds with conditions"),
        ({"slope": 0.8}, "does not hold"),
    ],
)
def test_the_rule_decides_as_it_is_written(change, outcome):
    scores = dict.fromkeys(published_worlds.KINDS, make_scores(**change))
    assert published_ways.decide(scores)[1] == outcome


def test_pictures_show_gaps_and_ways(setting, world):
    table = world.tables["both"]
    filled = pool.fill(table, scale="sd", points=32).table
    subject = table["subject"].iloc[0]
    axes = published_plots.plot_gaps(table, filled, world.truth, subject=subject)
    hidden = table[table["subject"] == subject]["log_median"].isna().sum()
    assert [text.get_text() for text in axes[0].texts] == ["c"] * hidden
    found = published_ways.compete(setting, 2, seed=5)
    ax = published_plots.plot_ways(published_ways.judge(found))
    assert len(ax.get_yticklabels()) == len(published_ways.WAYS)


def test_small_official_cells_cannot_tell_pooled_from_raw():
    """Three years on, of another cohort, predicts five years on; five is held out.

    We expected the pooled predictions to win. On the official files they do not: their
    error is a little higher, by less than a standard error. The same came out with the
    spread of pay by subject, and with a hierarchy for each subject alone. The cells
    are few, their counts are those of five years on, and the outcome is noisy too.
    """
    folder = os.environ.get("LEO_DIR")
    if not folder:
        pytest.skip("LEO_DIR does not name a folder with the official files")
    name = "leo_provider_subject_2022_23_five_subjects.csv"
    table = pool.read_leo(Path(folder) / name)
    keys = ["subject", "provider"]
    five, three = (table[table["yag"] == k].set_index(keys) for k in (5, 3))
    three = three.assign(in_earnings=five["in_earnings"].reindex(three.index))
    three = three[three["median"].notna() & (three["in_earnings"] > 0)].reset_index()
    measured = pool.measure(three, sd=0.36)
    index = pd.MultiIndex.from_frame(measured[keys])
    later = np.log(five["median"]).reindex(index).to_numpy()
    pooled = pool.fill(measured, points=32).table["log_mean"]
    large = measured["n"] >= 60
    small = (measured["n"] <= 30) & np.isfinite(later)
    squares = {}
    for way, x in {"raw": measured["log_median"], "pooled": pooled}.items():
        gap = later - x
        rise = gap[large].groupby(measured["subject"]).mean()
        squares[way] = (gap - measured["subject"].map(rise))[small] ** 2
    errors = {way: each.mean() ** 0.5 for way, each in squares.items()}
    more = squares["pooled"] - squares["raw"]
    print(f"{small.sum()} small cells, errors {errors}; ", end="")
    print(f"squared errors differ by {more.mean():.4f}, give or take {more.sem():.4f}")
    assert small.sum() > 40
    assert abs(more.mean()) < 2 * more.sem()

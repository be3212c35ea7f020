"""Broken assumptions: each world breaks what it says, and nothing else."""

import numpy as np
import pytest

from partialpool.chapters.broken import (
    BETWEEN_SD,
    WORLDS,
    contest_world,
    draw_world,
)
from partialpool.chapters.sets import score_many


@pytest.fixture(scope="module")
def worlds():
    return {name: draw_world(name, sets=400, seed=2) for name in WORLDS}


def within_variance(rows):
    return rows.ss.sum() / (rows.n - 1).sum()


@pytest.mark.parametrize("name", WORLDS)
def test_the_two_standard_deviations_are_those_of_all_worlds(worlds, name):
    rows = worlds[name]
    if name != "one outlier":
        spread = rows.truth.std()
        extra = (1 / rows.n).mean() / 2 if name == "half seen" else 0
        assert spread == pytest.approx(np.sqrt(BETWEEN_SD**2 + extra), rel=0.08)
    assert within_variance(rows) == pytest.approx(1, rel=0.1)


def test_size_goes_with_the_mean_in_one_world_alone(worlds):
    for name in ("as assumed", "tied to size"):
        rows = worlds[name]
        found = np.corrcoef(np.log(rows.n).ravel(), rows.truth.ravel())[0, 1]
        assert found == pytest.approx(0.7 * (name == "tied to size"), abs=0.05)


def test_one_group_lies_far_out(worlds):
    truth = worlds["one outlier"].truth
    assert np.allclose(truth.max(1), 5 * BETWEEN_SD)
    assert (truth > 4.5 * BETWEEN_SD).sum() <= 1.02 * len(truth)


def test_standard_deviations_differ_where_they_should(worlds):
    large = worlds["unequal σ"].n[0] > 20
    for name, unequal in (("as assumed", False), ("unequal σ", True)):
        rows = worlds[name]
        sd = np.sqrt(rows.ss / (rows.n - 1))[:, large]
        assert (sd.std() > 0.3) == unequal


def test_half_of_the_table_is_seen(worlds):
    rows = worlds["half seen"]
    away = np.sqrt(((rows.mean - rows.truth) ** 2 * rows.n).mean())
    # The mean of as many unseen rows differs by 1/sqrt(n); the half of it counts.
    assert away == pytest.approx(np.sqrt(0.5), rel=0.05)


def test_counting_what_is_seen_as_known_keeps_the_promise(worlds):
    rows = worlds["half seen"]
    scores = score_many(contest_world(rows), rows.truth, prob=0.9)
    assert scores.loc["seen known", "coverage"] == pytest.approx(0.9, abs=0.015)
    assert scores["rmse"].idxmin() == "seen known"


def test_the_log_of_size_mends_what_size_broke(worlds):
    rows = worlds["tied to size"]
    scores = score_many(contest_world(rows), rows.truth, prob=0.9)
    assert scores.loc["bayes + log n", "rmse"] < 0.95 * scores.loc["bayes", "rmse"]

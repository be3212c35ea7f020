"""Scores over many data sets."""

import numpy as np
import pandas as pd
import pytest

import partialpool as pool
from partialpool.chapters.sets import (
    lead_over,
    score_many,
    score_selections,
    score_sets,
)


@pytest.fixture
def judged():
    rng = np.random.default_rng(5)
    keys = [(s, m, g) for s in range(6) for m in ("late", "early") for g in range(4)]
    table = pd.DataFrame(keys, columns=["set", "method", "group"])
    table["truth"] = rng.normal(size=len(table))
    table["estimate"] = table["truth"] + rng.normal(size=len(table))
    return table.assign(low=table["estimate"] - 1, high=table["estimate"] + 1)


def test_scores_are_means_over_sets_with_their_standard_errors(judged):
    scores = score_sets(judged, prob=0.9)
    rows = judged[judged["method"] == "early"]
    by_set = [pool.rmse(t["estimate"], t["truth"]) for _, t in rows.groupby("set")]
    assert scores.loc["early", "rmse"] == pytest.approx(np.mean(by_set))
    assert scores.loc["early", "rmse_error"] == pytest.approx(
        np.std(by_set, ddof=1) / np.sqrt(6)
    )
    ends = rows["low"], rows["high"], rows["truth"]
    assert scores.loc["early", "coverage"] == pytest.approx(pool.coverage(*ends))
    assert scores.loc["early", "interval_score"] == pytest.approx(
        pool.interval_score(*ends, prob=0.9)
    )


def test_a_lead_is_paired_set_by_set(judged):
    scores = score_sets(judged, against="late")
    squared = (judged["estimate"] - judged["truth"]) ** 2
    rmse = np.sqrt(squared.groupby([judged["method"], judged["set"]]).mean())
    lead = rmse["late"] - rmse["early"]
    assert scores.loc["early", "lead"] == pytest.approx(lead.mean())
    assert scores.loc["early", "lead_error"] == pytest.approx(lead.sem())
    assert (scores.loc["late", ["lead", "lead_error"]] == 0).all()


def test_methods_stand_in_the_order_of_the_table(judged):
    assert list(score_sets(judged).index) == ["late", "early"]


def test_a_selection_is_scored_by_its_own_rows():
    groups = pd.DataFrame(
        {
            "set": [0, 0, 1, 1],
            "error": [1.0, -1.0, 3.0, -1.0],
            "covered": [True, False, False, False],
        }
    )
    scores = score_selections(groups, {"top": groups["error"] > 0})
    assert scores.loc["top", "mean_error"] == 2
    assert scores.loc["top", "mean_error_error"] == pytest.approx(1)
    assert scores.loc["top", "coverage"] == 0.5
    assert not scores.columns.duplicated().any()


@pytest.fixture
def arrays():
    rng = np.random.default_rng(8)
    truth = rng.normal(size=(300, 20))
    noise = rng.normal(size=truth.shape)
    near, far = truth + 0.5 * noise, truth + 0.6 * noise
    nothing = np.full(truth.shape, np.nan)
    half = 1.645 * 0.5
    return truth, {
        "far": (far, nothing, nothing),
        "near": (near, near - half, near + half),
        "mean": (0 * truth, -1.645 + 0 * truth, 1.645 + 0 * truth),
    }


def test_many_sets_are_scored_as_one(arrays):
    truth, found = arrays
    scores = score_many(found, truth, prob=0.9)
    for name, (centre, *_) in found.items():
        assert scores.loc[name, "rmse"] == pytest.approx(pool.rmse(centre, truth))
    assert scores["gap"].idxmin() == "near"
    assert scores.loc["near", "gap"] == scores.loc["near", "gap_error"] == 0
    ends = *found["near"][1:], truth
    assert scores.loc["near", "coverage"] == pytest.approx(pool.coverage(*ends))
    assert scores.loc["near", "interval_score"] == pytest.approx(
        pool.interval_score(*ends, prob=0.9)
    )
    assert np.isnan(scores.loc["far", "coverage"])


def test_pairs_make_a_difference_surer_than_its_parts(arrays):
    scores = score_many(arrays[1], arrays[0], prob=0.9)
    assert scores.loc["far", "gap"] == pytest.approx(0.1, abs=0.005)
    # Both errors come from the same noise: they move together.
    assert scores.loc["far", "gap_error"] < 0.4 * scores.loc["far", "rmse_error"]


def test_the_slope_says_what_varies_too_much(arrays):
    scores = score_many(arrays[1], arrays[0], prob=0.9)
    assert scores.loc["near", "slope"] == pytest.approx(1 / 1.25, abs=0.02)
    assert np.isnan(scores.loc["mean", "slope"])
    # The farthest group of each set is where an interval about the mean fails.
    assert scores.loc["mean", "extreme"] < 0.2 < scores.loc["mean", "coverage"]


def test_a_lead_is_judged_by_differences_within_sets():
    rng = np.random.default_rng(4)
    hard = np.repeat(rng.uniform(1, 9, 200), 3)
    judged = pd.DataFrame(
        {"set": np.repeat(np.arange(200), 3), "method": ["a", "b", "far"] * 200}
    ).assign(truth=0.0, estimate=hard * np.tile([0.9, 1.0, 3.0], 200))
    found = lead_over(judged, "a", ["b", "far"])
    assert found["rival"] == "b"
    assert found["lead"] == pytest.approx(0.1)
    # Sets differ ninefold; the lead hardly does.
    assert 0.09 < found["low"] < found["lead"] < found["high"] < 0.11

"""Scores of forecasts of the next year, and the rule on them."""

import numpy as np
import pandas as pd
import pytest

from partialpool.chapters import cohort_scores, cohorts


@pytest.fixture(scope="module")
def worlds():
    return cohorts.simulate_cohorts(3, groups=12, years=4, drift=0.1, seed=1)


@pytest.fixture(scope="module")
def found(worlds):
    return cohorts.forecast(worlds, seed=2)


def test_the_truth_scores_best(worlds, found):
    given = found | {"truth": tuple([worlds.truth] * 3)}
    scored = cohort_scores.score_forecasts(worlds, given)
    assert scored.loc["truth", "rmse"] == 0
    assert scored.loc["truth", "coverage"] == 1
    assert scored.loc["sums", "from_refit"] == 0
    assert np.isnan(scored.loc["smoothing", "coverage"])


def test_what_is_saved_is_counted_against_the_best_opponent(worlds, found):
    given = found | {"better": tuple([worlds.truth + 0.5] * 3)}
    given |= {"best": tuple([worlds.truth + 0.2] * 3)}
    given |= {"update": tuple([worlds.truth + 0.1] * 3)}
    saved = cohort_scores.compare_with_best(worlds, given, "update", ("better", "best"))
    assert saved["best"] == "best"
    assert [saved[k] for k in ("saved", "low", "high")] == pytest.approx([0.5] * 3)


def test_the_rule_reads_the_figures():
    def decide(*figures):
        return cohort_scores.decide(cohort_scores.check_rule(*figures))

    static = pd.DataFrame(
        {"from_refit": [0.05], "coverage": [0.89]}, index=["joint prior"]
    )
    names = list(cohorts.WALKS)
    scores = pd.DataFrame({"coverage": [0.9, 0.5, 0.5], "rmse": [1, 2, 3]}, index=names)
    ahead, level = (scores, {"low": 0.01}), (scores, {"low": -0.01})
    assert decide(static, [ahead, ahead], scores) == "holds"
    assert decide(static, [ahead, level], scores) == "holds with conditions"
    assert decide(static + 0.1, [ahead], scores) == "holds with conditions"
    assert decide(static, [ahead], scores - 0.1) == "holds with conditions"
    assert decide(static + 0.1, [level], scores - 0.1) == "does not hold"
    far = static.assign(from_refit=0.2)
    assert decide(far, [ahead], scores) == "holds with conditions"
    assert cohort_scores.check_rule(far, [ahead], scores) == {
        "carrying": False,
        "forecasting": True,
        "real data": True,
    }


def test_the_walk_with_the_smallest_error_speaks_for_the_claim():
    scores = pd.DataFrame(
        {"rmse": [3.0, 1.0, 2.0, 0.5]}, index=[*cohorts.WALKS, "sums"]
    )
    assert cohort_scores.best_walk(scores) == cohorts.WALKS[1]


def test_no_opponent_is_an_update():
    assert not set(cohorts.OPPONENTS) & set(cohorts.UPDATES)
    assert {"walk REML", "common-step REML"} <= set(cohorts.OPPONENTS)

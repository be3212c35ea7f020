"""Scores over many data sets."""

import numpy as np
import pandas as pd
import pytest

import partialpool as pool
from partialpool.chapters.sets import lead_over, score_selections, score_sets


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

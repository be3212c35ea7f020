"""Scores over many data sets."""

import numpy as np
import pandas as pd
import pytest

import partialpool as pool
from partialpool.chapters.sets import score_selections, score_sets


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

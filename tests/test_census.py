"""A sample of a census, judged by the census."""

import numpy as np
import pandas as pd
import pytest

from partialpool.chapters.census import judge_sample


@pytest.fixture
def census():
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"state": rng.choice(list("ABCD"), 200)})
    table["degree"] = rng.choice(["two years", "four years"], 200)
    table["log_earnings"] = rng.normal(10.3, 0.4, 200)
    table.loc[200] = ["E", "two years", 11.0]
    return table


def test_sample_and_census_are_told_apart(census):
    sample = census.iloc[:50]
    judged = judge_sample(sample, census)
    for state in judged.index:
        seen = sample.loc[sample["state"] == state, "log_earnings"]
        all_there = census.loc[census["state"] == state, "log_earnings"]
        row = judged.loc[state]
        assert (row["n"], row["N"]) == (len(seen), len(all_there))
        assert row["none"] == pytest.approx(seen.mean())
        assert row["truth"] == pytest.approx(all_there.mean())
    assert (judged["complete"] == sample["log_earnings"].mean()).all()


def test_groups_outside_the_sample_are_not_scored(census):
    assert "E" in census["state"].to_numpy()
    assert list(judge_sample(census.iloc[:50], census).index) == list("ABCD")


def test_counts_stay_whole_numbers(census):
    judged = judge_sample(census.iloc[:50], census)
    assert pd.api.types.is_integer_dtype(judged["n"])
    assert pd.api.types.is_integer_dtype(judged["N"])


def test_a_census_in_hand_is_its_own_judge(census):
    judged = judge_sample(census, census, by="degree")
    assert (judged["none"] == judged["truth"]).all()
    assert (judged["n"] == judged["N"]).all()


def test_another_outcome_can_be_judged(census):
    census = census.assign(earnings=np.exp(census["log_earnings"]))
    judged = judge_sample(census.iloc[:50], census, outcome="earnings")
    assert (judged["truth"] > 10_000).all()

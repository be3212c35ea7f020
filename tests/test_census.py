"""A sample of a census, judged by the census."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from partialpool.chapters.census import (
    DIVISIONS,
    judge_sample,
    judge_samples,
    least_squares,
    load_census,
    mean_of_sample,
)


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


# Many samples ------------------------------------------------------------------

FORMULAS = {"complete": "log_earnings ~ 1", "none": "log_earnings ~ 0 + state"}


def oracle(census):
    """Answer with the truth about what is asked."""

    def answer(sample, asked):
        means = asked.groupby("state")["log_earnings"].mean()
        means = means.rename_axis("group").rename("estimate").reset_index()
        return means.assign(method="oracle")

    return answer


@pytest.mark.parametrize("count_observed", [True, False])
def test_who_answers_with_the_truth_has_no_error(census, count_observed):
    judged = judge_samples(
        census,
        0.3,
        oracle(census),
        repeats=3,
        count_observed=count_observed,
        seed=1,
    )
    assert judged["estimate"].to_numpy() == pytest.approx(judged["truth"].to_numpy())
    assert set(judged["set"]) == {0, 1, 2}


def test_observed_institutions_count_at_their_known_values(census):
    answer = mean_of_sample()
    options = {"repeats": 2, "seed": 1}
    counted = judge_samples(census, 0.3, answer, **options)
    asked_all = judge_samples(census, 0.3, answer, count_observed=False, **options)
    own = asked_all[asked_all["method"] == "none"].reset_index(drop=True)
    for method in ("none", "complete"):
        one, other = (
            table[table["method"] == method].reset_index(drop=True)
            for table in (counted, asked_all)
        )
        share = one["n"] / one["N"]
        expected = share * own["estimate"] + (1 - share) * other["estimate"]
        assert one["estimate"].to_numpy() == pytest.approx(expected.to_numpy())


def test_a_group_observed_in_full_has_its_truth_and_no_interval(census):
    answer = least_squares(FORMULAS, census)
    judged = judge_samples(census, 0.95, answer, repeats=5, seed=1)
    full = judged[judged["n"] == judged["N"]]
    assert len(full)
    for column in ("estimate", "low", "high"):
        assert full[column].to_numpy() == pytest.approx(full["truth"].to_numpy())


def test_samples_of_one_seed_are_the_same_for_every_answer(census):
    one = judge_samples(census, 0.3, mean_of_sample(), repeats=2, seed=1)
    other = judge_samples(
        census, 0.3, least_squares(FORMULAS, census), repeats=2, seed=1
    )
    keys = ["set", "group", "method"]
    both = one.merge(other, on=keys, suffixes=("", "_other"), validate="1:1")
    assert len(both) == len(one) == len(other)
    assert both["estimate"].to_numpy() == pytest.approx(
        both["estimate_other"].to_numpy()
    )


def test_least_squares_predicts_as_statsmodels_does(census):
    sample, asked = census.iloc[:150], census.iloc[150:200]
    formula = "log_earnings ~ degree + state"
    groups = asked["state"].isin(sample["state"])
    found = least_squares({"ols": formula}, census.drop(index=200))(sample, asked)
    fit = smf.ols(formula, sample).fit()
    expected = fit.predict(asked[groups]).groupby(asked["state"]).mean()
    found = found.set_index("group").loc[expected.index]
    assert found["estimate"].to_numpy() == pytest.approx(expected.to_numpy())
    # For a single row the interval is the prediction interval of the textbook.
    one = asked.iloc[[0]]
    answer = least_squares({"ols": formula}, census.drop(index=200))(sample, one)
    low, high = fit.get_prediction(one).conf_int(obs=True, alpha=0.1)[0]
    assert answer[["low", "high"]].to_numpy()[0] == pytest.approx([low, high])


def test_clustered_standard_errors_are_those_of_statsmodels(census):
    sample, asked = census.iloc[:150], census.iloc[150:200]
    formula = {"ols": "log_earnings ~ degree"}
    answer = least_squares(formula, census, clustered=["ols"])(sample, asked)
    fit = smf.ols(formula["ols"], sample).fit(
        cov_type="cluster", cov_kwds={"groups": sample["state"]}, use_t=True
    )
    degree = pd.get_dummies(asked["degree"])["two years"].astype(float)
    at = degree.groupby(asked["state"]).agg(["mean", "size"])
    x = np.c_[np.ones(len(at)), at["mean"]]
    covariance = fit.cov_params().to_numpy()
    spread = (x @ covariance * x).sum(axis=1) + fit.scale / at["size"]
    groups = sample["state"].nunique()
    half = stats.t.ppf(0.95, groups - 1) * np.sqrt(spread)
    found = answer.set_index("group").loc[at.index]
    found_half = (found["high"] - found["estimate"]).to_numpy()
    assert found_half == pytest.approx(half.to_numpy())


def test_every_state_lies_in_one_division_of_one_region():
    states = [state for all_of in DIVISIONS.values() for state in all_of.split()]
    assert len(states) == len(set(states)) == 51  # with the District of Columbia
    census = load_census()
    assert (census.groupby("division")["region"].nunique() == 1).all()
    territories = census.loc[census["region"] == "territory", "state"]
    assert set(territories) <= {"AS", "FM", "GU", "MH", "MP", "PR", "PW", "VI"}


def test_prediction_intervals_keep_their_promise_where_groups_do_not_differ(census):
    answer = least_squares({"complete": "log_earnings ~ 1"}, census)
    held = []
    for k in range(60):
        rng = np.random.default_rng(k)
        table = census.assign(log_earnings=rng.normal(10, 0.3, len(census)))
        answer = least_squares({"complete": "log_earnings ~ 1"}, table)
        judged = judge_samples(table, 0.3, answer, repeats=3, seed=k)
        held.append(judged["truth"].between(judged["low"], judged["high"]).mean())
    assert abs(np.mean(held) - 0.9) < 4 * np.std(held) / np.sqrt(len(held))


def test_a_variance_that_depends_on_size_is_found():
    rng = np.random.default_rng(4)
    table = pd.DataFrame({"state": rng.choice(list("AB"), 4000)})
    table["n"] = rng.choice([10, 1000], 4000)
    sd = np.sqrt(0.01 + 1 / table["n"])
    table["log_earnings"] = rng.normal(10, sd)
    formula = {"complete": "log_earnings ~ 1"}
    few = table[(table["n"] == 10) & (table["state"] == "A")].iloc[[0]]
    found = least_squares(formula, table, size="n")(table, few).iloc[0]
    width = 2 * 1.645 * np.sqrt(0.11)
    assert found["high"] - found["low"] == pytest.approx(width, rel=0.1)


def test_the_census_is_one_row_a_report():
    census = load_census(2007)
    assert (census["year"] == 2007).all()
    assert not census["report"].duplicated().any()
    assert (census["states_in_report"] == 1).all()
    assert census["log_n"].to_numpy() == pytest.approx(np.log(census["n"]).to_numpy())

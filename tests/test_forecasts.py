"""Forecasts by every method, and what they save."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from partialpool.chapters import forecasts


@pytest.fixture
def pairs():
    rng = np.random.default_rng(6)
    table = pd.DataFrame({"earlier": rng.normal(size=120)})
    table["state"] = rng.choice(list("ABCDEF"), 120)
    own = dict(zip("ABCDEF", rng.normal(0, 0.5, 6), strict=True))
    noise = rng.normal(0, 0.3, 120)
    table["later"] = 0.7 * table["earlier"] + table["state"].map(own) + noise
    return table


def test_no_method_sees_what_it_forecasts(pairs):
    def method(known, asked):
        assert "later" not in asked
        assert not set(known.index) & set(asked.index)
        return asked["earlier"]

    found = forecasts.cross_fit(pairs, {"method": method}, splits=3, seed=1)
    assert found["method"].to_numpy() == pytest.approx(pairs["earlier"].to_numpy())


def test_a_regression_forecasts_as_statsmodels_does(pairs):
    known, asked = pairs[:80], pairs[80:].drop(columns="later")
    found = forecasts.regression("earlier + state")(known, asked)
    expected = smf.ols("later ~ earlier + state", known).fit().predict(asked)
    assert found == pytest.approx(expected.to_numpy())


def test_a_ridge_lies_between_no_dummies_and_dummies(pairs):
    known, asked = pairs[:80], pairs[80:].drop(columns="later")
    later = pairs["later"][80:].to_numpy()
    errors = {
        name: np.mean((method(known, asked) - later) ** 2)
        for name, method in {
            "none": forecasts.regression("earlier"),
            "ridge": forecasts.regression("earlier", ridge="state"),
        }.items()
    }
    assert errors["ridge"] < 0.6 * errors["none"]


def test_a_hierarchical_model_finds_the_states(pairs):
    known, asked = pairs[:80], pairs[80:].drop(columns="later")
    ridge = forecasts.regression("earlier", ridge="state")(known, asked)
    full = forecasts.hierarchical("earlier + (1|state)", seed=1)(known, asked)
    assert np.abs(full - ridge).max() < 0.1


def test_what_is_saved_has_an_interval_and_none_against_itself(pairs):
    both = pd.DataFrame({"as it was": pairs["earlier"], "best": pairs["later"]})
    scores = forecasts.score_forecasts(pairs["later"], both, repeats=50, seed=1)
    assert (scores.loc["as it was", ["saved", "low", "high"]] == 0).all()
    assert (scores.loc["best", ["saved", "low", "high"]] == 1).all()


def test_several_periods_are_averaged_and_share_their_groups(pairs):
    both = pd.DataFrame({"as it was": pairs["earlier"]})
    both["half"] = pairs["earlier"] / 2
    one = forecasts.score_forecasts(pairs["later"], both, seed=1)
    same = {"first": pairs["later"], "again": pairs["later"]}
    twice = forecasts.score_together(same, dict.fromkeys(same, both), seed=1)
    alone = forecasts.score_together({"first": pairs["later"]}, {"first": both}, seed=1)
    # The same groups twice say no more than once: the average is as uncertain.
    for period in ("first", "again", "average"):
        assert twice.loc[period].to_numpy() == pytest.approx(
            alone.loc["average"].to_numpy()
        )
    ends = one[["saved", "low", "high"]].to_numpy()
    assert alone.loc["first"].to_numpy() == pytest.approx(ends, abs=0.02)


def test_a_group_is_known_by_its_name_in_every_period(pairs):
    both = pd.DataFrame({"as it was": pairs["earlier"], "half": pairs["earlier"] / 2})
    order = np.random.default_rng(2).permutation(len(pairs))
    later = {"one": pairs["later"], "two": pairs["later"].iloc[order]}
    rows = {"one": both, "two": both.iloc[order]}
    scores = forecasts.score_together(later, rows, seed=1)
    assert scores.loc["one"].to_numpy() == pytest.approx(scores.loc["two"].to_numpy())


def test_the_mean_of_everybody_is_learned_from_the_known(pairs):
    known, asked = pairs[:80], pairs[80:].drop(columns="later")
    found = forecasts.everybody(known, asked)
    assert found == pytest.approx(np.full(40, known["later"].mean()))


def test_reml_forecasts_as_the_posterior_does():
    rng = np.random.default_rng(3)
    effect = pd.Series(rng.normal(0, 0.5, 30), [f"s{k:02}" for k in range(30)])
    pairs = pd.DataFrame({"state": rng.choice(effect.index, 600)})
    pairs["earlier"] = rng.normal(size=600)
    pairs["later"] = 0.7 * pairs["earlier"] + pairs["state"].map(effect)
    pairs["later"] += rng.normal(0, 0.3, 600)
    asked = pd.concat([pairs.head(50), pd.DataFrame({"state": ["new"], "earlier": 1})])
    reml = forecasts.hierarchical_by_reml("earlier", group="state")(pairs, asked)
    bayes = forecasts.hierarchical("earlier + (1|state)", seed=1)(pairs, asked)
    np.testing.assert_allclose(reml, bayes, atol=0.05)
    assert reml.iloc[-1] == pytest.approx(0.7, abs=0.25)


# Directions -----------------------------------------------------------------------


def test_noise_falls_back_alike_in_both_directions_and_change_does_not():
    rng = np.random.default_rng(5)
    true = rng.normal(0, 0.15, (2, 4000))
    noisy = true[0] + rng.normal(0, 0.1, (2, 4000))
    tables = {
        "noise": pd.DataFrame({"earlier": noisy[0], "later": noisy[1]}),
        "grows": pd.DataFrame({"earlier": noisy[0], "later": 2 * noisy[1]}),
    }
    pairs = pd.concat(tables, names=["kind"]).reset_index("kind")
    found = forecasts.look_both_ways(pairs, "kind")
    expected = 0.15**2 / (0.15**2 + 0.1**2)
    assert found.loc["noise"].to_numpy() == pytest.approx(expected, abs=0.03)
    assert found.loc["grows", "forwards"] == pytest.approx(2 * expected, abs=0.06)
    assert found.loc["grows", "backwards"] == pytest.approx(expected / 2, abs=0.02)
    assert found.loc["grows", "correlation"] == pytest.approx(expected, abs=0.03)


def test_the_gap_of_correlations_holds_its_truth_as_often_as_promised():
    rng, held = np.random.default_rng(6), 0
    for k in range(100):
        ones, others = (
            pd.DataFrame(
                rng.multivariate_normal([0, 0], [[1, r], [r, 1]], size=150),
                columns=["earlier", "later"],
            )
            for r in (0.5, 0.8)
        )
        _, low, high = forecasts.correlation_gap(ones, others, seed=k)
        held += low < 0.3 < high
    assert 82 <= held <= 97

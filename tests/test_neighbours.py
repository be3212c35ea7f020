"""What the neighbours of a group say, and what mixing with them saves."""

import numpy as np
import pandas as pd
import pytest

from partialpool.chapters.census import judge_samples, load_census
from partialpool.chapters.neighbours import (
    best_mixture,
    neighbours,
    resample_savings,
    shrink,
)


def test_large_groups_are_hardly_shrunk_and_equal_ones_wholly():
    rng = np.random.default_rng(7)
    group = pd.Series(np.repeat(np.arange(40), 400))
    far = pd.Series(rng.normal(np.repeat(rng.normal(0, 1, 40), 400), 1))
    means = far.groupby(group).mean()
    assert shrink(far, group).to_numpy() == pytest.approx(means.to_numpy(), rel=0.01)
    alike = far - far.groupby(group).transform("mean")
    assert np.abs(shrink(alike, group)).max() == 0


def test_shrinkage_comes_near_the_weight_of_the_truth():
    rng = np.random.default_rng(8)
    sizes = rng.integers(2, 30, 4000)
    group = pd.Series(np.repeat(np.arange(4000), sizes))
    y = pd.Series(rng.normal(np.repeat(rng.normal(0, 0.5, 4000), sizes), 1))
    weight = shrink(y, group) / y.groupby(group).mean()
    expected = 0.25 / (0.25 + 1 / sizes)
    assert np.abs(weight - expected).max() < 0.03


def test_the_best_mixture_is_the_one_of_the_formula():
    rng = np.random.default_rng(9)
    truth = rng.normal(0, 0.15, 200_000)
    groups = pd.DataFrame({"truth": truth, "everybody": 0.0})
    groups["none"] = truth + rng.normal(0, 0.15, 200_000)
    found = best_mixture(groups)
    assert found["own"] == 0.5
    assert found["wasted"] == pytest.approx(1 - np.sqrt(0.5), abs=0.01)


def test_neighbours_are_closer_one_by_one():
    census = load_census()
    judged = judge_samples(
        census, 0.2, neighbours("cell"), by="cell", repeats=4, seed=1
    )
    squared = (judged["estimate"] - judged["truth"]) ** 2
    errors = squared.groupby(judged["method"], sort=False).mean()
    assert list(errors.index) == [
        "everybody",
        "degree",
        "degree + state",
        "degree + state + size",
    ]
    assert errors.is_monotonic_decreasing


def test_neighbours_are_what_was_said_of_them():
    census = load_census()
    sample = census.sample(frac=0.2, random_state=1)
    asked = census.drop(index=sample.index)
    asked = asked[asked["state"].isin(sample["state"])]
    found = neighbours("cell")(sample, asked).pivot(
        index="group", columns="method", values="estimate"
    )
    degree = sample["degree"].astype(str)
    means = sample["log_earnings"].groupby(degree).mean()
    assert found["everybody"].to_numpy() == pytest.approx(sample["log_earnings"].mean())
    kind = found.index.to_series().str.split(", ").str[1]
    assert found["degree"].to_numpy() == pytest.approx(kind.map(means).to_numpy())
    states = shrink(sample["log_earnings"] - degree.map(means), sample["state"])
    state = found.index.to_series().str.split(", ").str[0].map(states)
    away = found["degree + state"] - found["degree"]
    assert away.to_numpy() == pytest.approx(state.to_numpy())


def two_tables(states=12, seed=3):
    rng = np.random.default_rng(seed)
    state = np.repeat(np.arange(states), 5)
    truth = rng.normal(0, 0.3, len(state))
    table = pd.DataFrame({"state": state, "truth": truth, "everybody": 0.0})
    table["none"] = truth + rng.normal(0, 0.3, len(state))
    return {"all": table, "first": table[table["state"] < states // 2]}


def test_states_are_resampled_whole_and_jointly():
    tables = two_tables()
    found = resample_savings(tables, "everybody", repeats=20, seed=1)
    times = np.random.default_rng(1).multinomial(12, np.full(12, 1 / 12), size=20)
    for k, count in enumerate(times):
        for name, table in tables.items():
            drawn = table.loc[table.index.repeat(count[table["state"]])]
            expected = best_mixture(drawn)["wasted"]
            assert found.loc[k, name] == pytest.approx(expected)


def test_a_table_less_itself_is_always_nothing():
    whole = two_tables()["all"]
    found = resample_savings({"a": whole, "b": whole}, "everybody", seed=2)
    assert len(found) == 1000
    assert (found["a"] == found["b"]).all()
    assert found["a"].std() > 0.01

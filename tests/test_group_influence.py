"""Tests of group influence against fits without the group."""

import numpy as np
import pytest

import partialpool as pool
from tests.dense_models import refusal_of
from tests.test_held_out import PRIORS_OF_ALL, make_rows, no_closed_form  # noqa: F401

KEY = ["group", "parameter"]
LABELS = ["a", "d"]


@pytest.fixture(scope="module")
def rows():
    rows = make_rows([4, 6, 8, 8, 10, 12], seed=3)
    return rows.assign(x=rows["x"] - rows["x"].mean())


@pytest.fixture(scope="module")
def moves(rows):
    return pool.group_influence(
        "y ~ x + (1|g)", rows, watch=LABELS, priors=PRIORS_OF_ALL, seed=1
    )


def test_the_largest_move_comes_first(moves):
    assert moves["moved"].abs().is_monotonic_decreasing
    assert len(moves) == 6 * 6
    by_hand = (moves["mean_without"] - moves["mean"]) / moves["sd"]
    np.testing.assert_allclose(moves["moved"], by_hand)
    assert moves.groupby("parameter")["mean"].nunique().eq(1).all()


def moments_of(rows):
    fit = pool.fit("y ~ x + (1|g)", rows, PRIORS_OF_ALL, draws=20_000, seed=1)
    posterior = fit["posterior"].to_dataset()
    found = {name: posterior[name] for name in ["Intercept", "x", "sigma"]}
    found["1|g_sigma"] = posterior["1|g_sigma"]
    for label in LABELS:
        if label in set(rows["g"]):
            found[f"1|g[{label}]"] = posterior["1|g"].sel(g__factor_dim=label)
    return {k: (float(v.mean()), float(v.std())) for k, v in found.items()}


@pytest.mark.parametrize("gone", [None, "b", "d"])
def test_moments_are_those_of_a_fit_without_the_group(moves, rows, gone):
    kept = rows if gone is None else rows[rows["g"] != gone]
    mine = moves[moves["group"] == (gone or "a")].set_index("parameter")
    ending = "" if gone is None else "_without"
    for name, (mean, sd) in moments_of(kept).items():
        # The intercept is where x is 0 in both; its prior is wide.
        assert abs(mine.loc[name, f"mean{ending}"] - mean) < 0.04 * sd, name
        assert mine.loc[name, f"sd{ending}"] == pytest.approx(sd, rel=0.05), name


def test_a_group_left_out_is_one_more_of_the_population(moves):
    row = moves.set_index(KEY).loc[("d", "1|g[d]")]
    assert row["mean_without"] == pytest.approx(0, abs=1e-9)
    between = moves.set_index(KEY).loc[("d", "1|g_sigma"), "mean_without"]
    assert row["sd_without"] > between


def test_refits_on_sums_agree_with_the_closed_form(moves, rows, no_closed_form):  # noqa: F811
    found = pool.group_influence(
        "y ~ x + (1|g)", rows, watch=LABELS, priors=PRIORS_OF_ALL, draws=8000, seed=2
    )
    assert found.attrs["method"] == "sums"
    pair = [table.set_index(KEY).sort_index() for table in (moves, found)]
    assert pair[0].index.equals(pair[1].index)
    assert (pair[0]["moved"] - pair[1]["moved"]).abs().max() < 0.15


def test_an_outlier_moves_the_spread():
    rows = make_rows([20] * 8, seed=5)
    rows.loc[rows["g"] == "c", "y"] += 6
    moves = pool.group_influence("y ~ 1 + (1|g)", rows, seed=1)
    spread = moves[moves["parameter"] == "1|g_sigma"].iloc[0]
    assert spread["group"] == "c" and spread["moved"] < -1


def test_correlations_are_followed(rows):
    moves = pool.group_influence("y ~ x + (x|g)", rows, correlated=True, seed=1)
    wanted = {"Intercept", "x", "sigma", "1|g_sigma", "x|g_sigma", "g_correlation"}
    assert set(moves["parameter"]) == wanted


def test_what_cannot_be_watched_is_refused(rows):
    work = pool.group_influence
    assert "as ['a']" in refusal_of(work, "y ~ x + (1|g)", rows, watch="a")
    assert "no group of g" in refusal_of(work, "y ~ x + (1|g)", rows, watch=["k"])
    assert "no group term" in refusal_of(work, "y ~ x", rows, "g", watch=["a"])

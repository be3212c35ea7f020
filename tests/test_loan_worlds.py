"""Worlds with a loan book of known cost: what is drawn, believed and judged."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from partialpool.chapters import loan_worlds as worlds


@pytest.fixture(scope="module")
def curve():
    return worlds.CostCurve(60_000, seed=1)


@pytest.fixture(scope="module")
def world():
    return worlds.draw_world(seed=2)


@pytest.mark.parametrize("level", [9.8, 10.15, 10.6])
def test_the_curve_is_what_careers_cost(curve, level):
    ones = np.ones(10_000)
    rng = np.random.default_rng(3)
    cost = worlds.costs_of(worlds.live(level * ones, 0.03 * ones, 0.42 * ones, rng))
    mean, sd = curve(np.array(level), np.array(0.03), np.array(0.42))
    assert mean == pytest.approx(cost.mean(), abs=0.015)
    assert sd == pytest.approx(cost.std(), rel=0.1)


@pytest.mark.parametrize("df", [np.inf, 3])
def test_log_pay_has_the_spread_asked_for(df):
    ones = np.ones(40_000)
    pay = worlds.live(10 * ones, 0 * ones, 0.4 * ones, np.random.default_rng(1), df=df)
    first = np.log(pay[pay[:, 0] > 0, 0])
    assert first.mean() == pytest.approx(10, abs=0.01)
    assert first.std() == pytest.approx(0.4, rel=0.03)


def test_a_book_costs_what_its_courses_do(world):
    size = world.courses["borrowers"]
    assert world.cost == pytest.approx(
        (world.courses["cost"] * size).sum() / size.sum()
    )
    assert (world.table.groupby("course").size() * 10).equals(size)


def test_reml_is_that_of_statsmodels(world):
    X, y = worlds._design(world), world.table["log_pay"].to_numpy()
    code = world.table["course"].factorize()[0]
    b, tau, sigma = worlds._reml(X, y[:, None], code, np.bincount(code))
    fit = smf.mixedlm("log_pay ~ years + tariff", world.table, groups="course").fit()
    assert b[:, 0] == pytest.approx(fit.fe_params.to_numpy(), abs=1e-3)
    assert tau[0] == pytest.approx(np.sqrt(fit.cov_re.iloc[0, 0]), rel=0.03)
    assert sigma[0] == pytest.approx(np.sqrt(fit.scale), rel=0.005)


def test_dummies_are_those_of_statsmodels(world):
    draws = worlds.no_pooling(world, 4_000, np.random.default_rng(1))
    fit = smf.ols("log_pay ~ years + 0 + course", world.table).fit()
    expected = fit.params.drop("years").to_numpy()
    error = fit.bse.drop("years").to_numpy()
    assert draws.level.mean(0) == pytest.approx(expected, abs=0.02)
    assert draws.level.std(0) == pytest.approx(error, rel=0.07)
    s = np.sqrt(fit.scale)
    assert draws.sigma.mean() == pytest.approx(s, rel=0.005)
    assert draws.sigma.std() == pytest.approx(s / np.sqrt(2 * fit.df_resid), rel=0.05)


@pytest.mark.parametrize("way", worlds.WAYS)
def test_every_way_has_a_draw_for_every_course(world, way):
    found = worlds.WAYS[way](world, 40, np.random.default_rng(1))
    assert found.level.shape == (40, len(world.courses))
    assert found.growth.shape == found.sigma.shape == (40,)
    assert found.level.mean() == pytest.approx(worlds.TRUTH["level"], abs=0.25)


def test_a_seed_gives_the_same_forecasts(world, curve):
    one, two = (worlds.compete([world], curve, draws=40, seed=[4, 5]) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)
    assert (one["low"] <= one["high"]).all()


def test_coverage_width_and_score_by_hand():
    found = pd.DataFrame(
        {
            "world": [0, 0, 1, 1],
            "way": "x",
            "part": ["c00", "c01", "c00", "book"],
            "low": [0.1, 0.3, 0.1, 0.1],
            "middle": [0.2, 0.4, 0.2, 0.2],
            "high": [0.3, 0.5, 0.3, 0.3],
            "truth": [0.2, 0.2, 0.25, 0.31],
        }
    )
    judged = worlds.judge(found)
    course, book = judged.loc[("course", "x")], judged.loc[("book", "x")]
    # Worlds count alike: half of the courses of one, all of the other.
    assert course["coverage"] == pytest.approx(0.75)
    assert course["width"] == pytest.approx(0.2)
    assert course["score"] == pytest.approx(((0.2 + 0.2 + 20 * 0.1) / 2 + 0.2) / 2)
    assert book["coverage"] == 0
    assert book["score"] == pytest.approx(0.2 + 20 * 0.01)


def _scores(model, other, score=1.0):
    """Scores of two ways: their coverage everywhere, and the other's score."""
    index = pd.MultiIndex.from_product(
        [["course", "book"], ["hierarchical", "other"]], names=["part", "way"]
    )
    columns = {"coverage": [model, other] * 2, "error": 0.01, "score": [1, score] * 2}
    return pd.DataFrame(columns, index)


@pytest.mark.parametrize(
    ("plain", "broken", "lines", "outcome"),
    [
        ((0.9, 0.5), (0.9, 0.5), 9, "holds"),
        ((0.9, 0.5), (0.7, 0.5), 9, "holds with conditions"),
        ((0.9, 0.9), (0.9, 0.5), 9, "holds with conditions"),
        ((0.9, 0.9), (0.7, 0.5), 9, "does not hold"),
        ((0.9, 0.9), (0.7, 0.5), 20, "holds with conditions"),
        ((0.9, 0.9, 1.2), (0.7, 0.5), 9, "holds with conditions"),
        ((0.8, 0.5), (0.9, 0.5), 20, "does not hold"),
    ],
)
def test_the_rule(plain, broken, lines, outcome):
    scores = {"as assumed": _scores(*plain), "drift": _scores(*broken)}
    assert worlds.decide(scores, {"hierarchical": 10, "other": lines})[1] == outcome


@pytest.mark.parametrize(("coverage", "fine"), [(0.831, True), (0.829, False)])
def test_a_way_may_miss_the_band_by_two_errors(coverage, fine):
    assert worlds.accurate(_scores(coverage, 0.9))["hierarchical"] == fine

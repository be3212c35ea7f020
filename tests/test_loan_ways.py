"""Ways to believe what a table says of courses: estimators, and their draws."""

import numpy as np
import pytest
import statsmodels.formula.api as smf

from partialpool.chapters import loan_ways as ways
from partialpool.chapters.loan_worlds import TRUTH, draw_world


@pytest.fixture(scope="module")
def world():
    return draw_world(seed=2)


def test_reml_is_that_of_statsmodels(world):
    X, y = ways._design(world), world.table["log_pay"].to_numpy()
    code = world.table["course"].factorize()[0]
    b, tau, sigma = ways._reml(X, y[:, None], code, np.bincount(code))
    fit = smf.mixedlm("log_pay ~ years + tariff", world.table, groups="course").fit()
    assert b[:, 0] == pytest.approx(fit.fe_params.to_numpy(), abs=1e-3)
    assert tau[0] == pytest.approx(np.sqrt(fit.cov_re.iloc[0, 0]), rel=0.03)
    assert sigma[0] == pytest.approx(np.sqrt(fit.scale), rel=0.005)


def test_dummies_are_those_of_statsmodels(world):
    draws = ways.no_pooling(world, 4_000, np.random.default_rng(1))
    fit = smf.ols("log_pay ~ years + 0 + course", world.table).fit()
    expected = fit.params.drop("years").to_numpy()
    error = fit.bse.drop("years").to_numpy()
    assert draws.level.mean(0) == pytest.approx(expected, abs=0.02)
    assert draws.level.std(0) == pytest.approx(error, rel=0.07)
    s = np.sqrt(fit.scale)
    assert draws.sigma.mean() == pytest.approx(s, rel=0.005)
    assert draws.sigma.std() == pytest.approx(s / np.sqrt(2 * fit.df_resid), rel=0.05)


@pytest.mark.parametrize("way", ways.WAYS)
def test_every_way_has_a_draw_for_every_course(world, way):
    found = ways.WAYS[way](world, 40, np.random.default_rng(1))
    assert found.level.shape == (40, len(world.courses))
    assert found.growth.shape == found.sigma.shape == (40,)
    assert found.level.mean() == pytest.approx(TRUTH["level"], abs=0.25)


def test_moments_find_what_reml_finds(world):
    X, y, code, n = ways.grouped(draw_world(300, seed=4))
    b, tau, sigma = ways._moments(X, y[:, None], code, n)
    again = ways._reml(X, y[:, None], code, n)
    assert b == pytest.approx(again[0], abs=0.005)
    assert tau == pytest.approx(again[1], rel=0.1)
    assert sigma == pytest.approx(again[2], rel=0.01)


def test_a_bootstrap_of_courses_splits_the_variance():
    large = draw_world(300, seed=4)
    b, tau, sigma = ways._fit_to_drawn_courses(large, 200, np.random.default_rng(1))
    assert b.mean(1) == pytest.approx(
        [TRUTH["level"], TRUTH["growth"], TRUTH["tariff"]], abs=0.02
    )
    assert tau.mean() == pytest.approx(TRUTH["tau"], rel=0.15)
    assert sigma.mean() == pytest.approx(TRUTH["sigma"], rel=0.03)
    spread = ways.bootstrap_with_spread(large, 200, np.random.default_rng(1))
    assert spread.level.std(0).mean() == pytest.approx(tau.mean(), rel=0.1)


def test_effects_are_those_of_the_posterior(world):
    X, y, code, n = ways.grouped(world)
    b, tau, sigma = ways._reml(X, y[:, None], code, n)
    centre, sd = ways.effects(X, y, code, n, b, tau, sigma)
    # The normal posterior by its definition, for the first course.
    left = (y - X @ b[:, 0])[code == 0]
    weight = tau**2 / (tau**2 + sigma**2 / len(left))
    assert centre[0] == pytest.approx(weight * left.mean())
    assert sd[0] == pytest.approx(np.sqrt(weight * sigma**2 / len(left)))

"""Random walks by restricted likelihood and by Bayes, against what they must equal."""

from dataclasses import replace

import numpy as np
import pytest

from partialpool.chapters import cohorts, walks


@pytest.fixture(scope="module")
def worlds():
    return cohorts.simulate_cohorts(4, groups=12, years=4, drift=0.1, seed=1)


def density_of_everything(data, world, start, step, together):
    """Restricted likelihood and forecast by one large normal, without any shortcut."""
    y = data.y[world].T  # groups, years
    groups, years = y.shape
    lags = np.minimum.outer(np.arange(years + 1), np.arange(years + 1))
    level = walks.FLAT + together**2 * lags
    each = start**2 + step**2 * lags
    size = groups * (years + 1)
    full = np.tile(level, (groups, groups)) + np.kron(np.eye(groups), each)
    seen = np.arange(size) % (years + 1) < years
    noise = np.zeros((size, size))
    for j in range(groups):
        at = slice(j * (years + 1), j * (years + 1) + years)
        noise[at, at] = data.noise[world, j]
    known = (full + noise)[np.ix_(seen, seen)]
    cross = full[np.ix_(~seen, seen)]
    flat = y.ravel()
    log_density = -0.5 * (
        np.linalg.slogdet(known)[1] + flat @ np.linalg.solve(known, flat)
    )
    mean = cross @ np.linalg.solve(known, flat)
    variance = full[np.ix_(~seen, ~seen)] - cross @ np.linalg.solve(known, cross.T)
    return log_density, mean, np.sqrt(np.diag(variance))


@pytest.mark.parametrize("shared", [0.0, 0.6])
def test_a_fit_is_that_of_one_large_normal(worlds, shared):
    data = walks._standardise(replace(worlds, shared=shared))
    log_density, mean, sd = walks._fit_once(data, 0.5, 0.3)
    for place in (0, 6):
        wanted = density_of_everything(data, 1, 0.5, 0.3, walks.COMMON[place])
        other = density_of_everything(data, 2, 0.5, 0.3, walks.COMMON[place])
        assert mean[place, 1] == pytest.approx(wanted[1], abs=1e-6)
        assert sd[place, 1] == pytest.approx(wanted[2], abs=1e-6)
        ours = log_density[place, 1] - log_density[place, 2]
        assert ours == pytest.approx(wanted[0] - other[0], abs=1e-6)


def test_still_groups_without_steps_are_pooled_as_by_reml():
    still = cohorts.simulate_cohorts(3, groups=60, years=3, seed=2)
    n, mean, ss = still.add()
    given = {"n": n, "ss": ss, "methods": ["reml"], "ci_prob": 0.9}
    reml = cohorts.contest_many(mean, **given)["reml"][0]
    data = walks._standardise(still)
    for d in range(3):
        gaps = []
        for start in np.linspace(0.2, 1.2, 101):
            _, centre, _ = walks._fit_once(data, start, 0.0)
            ours = data.centre[d] + data.unit[d] * centre[0, d]
            gaps.append(np.abs(ours - reml[d]).max())
        assert min(gaps) < 0.01


def test_units_and_level_do_not_matter(worlds):
    moved = replace(worlds, mean=30_000 + 1000 * worlds.mean, ss=1e6 * worlds.ss)
    ours, theirs = walks.walk(worlds), walks.walk(moved)
    for name, parts in ours.items():
        for one, two in zip(parts, theirs[name], strict=True):
            assert two == pytest.approx(30_000 + 1000 * one)


def test_a_year_without_rows_is_no_year_of_zeros(worlds):
    n, mean = worlds.n.copy(), worlds.mean.copy()
    n[:, -1, 0], mean[:, -1, 0] = 0, np.nan
    absent = walks.walk(replace(worlds, n=n, mean=mean))["walk REML"]
    present = walks.walk(worlds)["walk REML"]
    width = [(parts[2] - parts[1])[:, 0] for parts in (absent, present)]
    assert width[0].mean() > width[1].mean()
    assert np.abs(absent[0][:, 1:] - present[0][:, 1:]).max() < 0.1


def test_told_of_shared_rows_a_walk_is_less_sure():
    still = cohorts.simulate_cohorts(4, groups=12, years=4, seed=3)
    told = walks.walk(replace(still, shared=0.9))["walk Bayes"]
    untold = walks.walk(still)["walk Bayes"]
    assert (told[2] - told[1]).mean() > 1.2 * (untold[2] - untold[1]).mean()


def test_a_common_step_is_found_and_allowed_for():
    many = cohorts.simulate_cohorts(40, years=6, common=0.2, drift=0.02, seed=4)
    found = walks.walk(many)
    held = {
        name: ((low <= many.truth) & (many.truth <= high)).mean()
        for name, (_, low, high) in found.items()
    }
    assert held["walk REML"] < held["common-step REML"] <= held["common-step Bayes"]
    narrow = walks.walk(many.first(2), width=0.05)["common-step Bayes"]
    wide = walks.walk(many.first(2))["common-step Bayes"]
    assert (narrow[2] - narrow[1]).mean() < (wide[2] - wide[1]).mean()


def test_a_mixture_of_one_normal_is_that_normal():
    one = np.zeros((1, 1)), np.ones(1), np.full((1, 1, 1), 2.0), np.full((1, 1, 1), 3.0)
    centre, low, high = walks._average(*one, ci_prob=0.9)
    assert centre.item() == 2
    assert [low.item(), high.item()] == pytest.approx(
        [2 - 4.9346, 2 + 4.9346], abs=1e-3
    )


def test_the_grid_does_not_hold_reml_back(monkeypatch):
    many = cohorts.simulate_cohorts(4, years=6, drift=0.05, seed=202617)
    ours = walks.walk(many)["walk REML"]
    monkeypatch.setattr(walks, "COMMON", np.zeros(1))
    monkeypatch.setattr(walks, "STARTS", np.r_[0, np.geomspace(0.05, 2, 40)])
    monkeypatch.setattr(walks, "STEPS", np.r_[0, np.geomspace(0.02, 1.5, 40)])
    finer = walks.walk(many)["walk REML"]
    widths = [low_high[2] - low_high[1] for low_high in (ours, finer)]
    np.testing.assert_allclose(*widths, rtol=0.03)
    assert np.abs(ours[0] - finer[0]).max() < 0.003

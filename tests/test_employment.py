"""Employment: models of counts, against statsmodels and against truth."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy.special import expit
from scipy.stats import beta

from partialpool.chapters import employment
from partialpool.chapters.mixed import FREE


def draw_cells(spread, seed=1, most=40):
    """Cells of eight subjects at ten providers, whose courses vary by `spread`."""
    rng = np.random.default_rng(seed)
    cells = pd.MultiIndex.from_product(
        [[f"s{k}" for k in range(8)], [f"p{k}" for k in range(10)], [0.0, 1.0]],
        names=["subject", "provider", "male"],
    ).to_frame(index=False)
    code = {n: pd.factorize(cells[n])[0] for n in ("subject", "provider")}
    course = code["subject"] * 10 + code["provider"]
    eta = 1 + rng.normal(0, 0.4, 8)[code["subject"]]
    eta += rng.normal(0, 0.3, 10)[code["provider"]] + rng.normal(0, spread, 80)[course]
    cells["course"] = cells["subject"] + ", " + cells["provider"]
    trials = rng.integers(3, most, len(cells))
    truth = expit(eta)
    successes = rng.binomial(trials, truth)
    return cells.assign(trials=trials, successes=successes, truth=truth)


@pytest.fixture(scope="module")
def cells():
    return draw_cells(0.2)


@pytest.mark.parametrize(
    ("way", "terms"),
    [
        (employment.main_effects, "male + subject + provider"),
        (employment.sex_by_subject, "male * subject + provider"),
    ],
)
def test_a_glm_is_that_of_statsmodels(cells, way, terms):
    import statsmodels.api as sm

    rows = cells.assign(share=cells["successes"] / cells["trials"])
    fit = smf.glm(
        f"share ~ {terms}",
        rows,
        family=sm.families.Binomial(),
        var_weights=rows["trials"].to_numpy(),
    ).fit()
    said = fit.get_prediction(which="linear").summary_frame(alpha=0.1)
    found = way(cells)
    assert found.mean == pytest.approx(fit.fittedvalues, abs=1e-3)
    ends = expit(said.filter(like="ci").to_numpy().T)
    assert np.array([found.low, found.high]) == pytest.approx(ends, abs=2e-3)


def test_separate_shares_have_jeffreys_intervals(cells):
    found = employment.separate_shares(cells)
    one = cells.loc[5]
    a, b = one["successes"] + 0.5, one["trials"] - one["successes"] + 0.5
    assert found.mean[5] == one["successes"] / one["trials"]
    assert (found.low[5], found.high[5]) == pytest.approx(beta(a, b).interval(0.9))


def test_ridge_has_no_intervals_and_is_drawn_in(cells):
    found = employment.ridge(cells)
    assert np.isnan(found.low).all()
    assert found.mean.std() < employment.all_interactions(cells).mean.std()


def test_the_multilevel_model_is_closest_and_honest():
    square, held = {}, []
    for seed in range(4):
        cells = draw_cells(0.2, seed=seed)
        for name in ("multilevel", "separate shares", "GLM, all interactions"):
            found = employment.WAYS[name](cells)
            error = np.mean((found.mean - cells["truth"]) ** 2)
            square[name] = square.get(name, 0) + error
            if name == "multilevel":
                held.append(
                    (found.low <= cells["truth"]) & (cells["truth"] <= found.high)
                )
    assert min(square, key=square.get) == "multilevel"
    assert np.mean(held) == pytest.approx(0.9, abs=0.06)


def test_without_courses_a_course_is_its_subject_and_provider(cells):
    found = employment.multilevel(cells.assign(male=0.0), courses=False).mean
    log_odds = np.log(found / (1 - found)).reshape(8, 10, 2)[..., 0]
    gaps = log_odds - log_odds.mean(0) - log_odds.mean(1)[:, None] + log_odds.mean()
    # Averages over spreads are taken on log odds, so that sums stay sums.
    assert np.abs(gaps).max() < 1e-4
    free = employment.multilevel(cells.assign(male=0.0)).mean
    assert np.abs(free - found).max() > 0.01


def test_a_fit_has_no_slope_left(cells):
    counts = employment.Counts(cells)
    solved = counts.solve(2.0)
    left = counts.successes - counts.trials * expit(counts.eta)
    pull = counts.design.last.T @ left - np.exp(2.0) * solved.u
    assert pull == pytest.approx(np.zeros(80), abs=1e-3)


def test_cells_of_all_or_none_stay_finite():
    cells = draw_cells(0.2, most=4)
    cells["successes"] = cells["trials"]
    cells.loc[0, "successes"] = 0
    for way in employment.WAYS.values():
        assert np.isfinite(way(cells).mean).all()
    assert np.isfinite(employment.Counts(cells).solve(FREE).b).all()

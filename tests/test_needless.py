"""Factors that mean nothing, and the methods that are given them."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from partialpool.chapters import needless
from partialpool.chapters.needless import Task, judge_needless, score_needless


@pytest.fixture
def table():
    rng = np.random.default_rng(4)
    people = pd.DataFrame({"x": rng.normal(size=240)})
    people["a"] = rng.integers(12, size=240).astype(str)
    effect = rng.normal(0, 0.5, 12)[people["a"].astype(int)]
    people["y"] = 1 + 0.5 * people["x"] + effect + rng.normal(size=240)
    return people


@pytest.fixture
def task(table):
    return Task(table, np.arange(240) < 180, "y", ["x"], ["a"])


def test_reml_is_that_of_mixedlm(task):
    fit = smf.mixedlm("y ~ x", task.train, groups="a").fit()
    ratio = needless.reml_ratios(task)
    assert ratio == pytest.approx(fit.cov_re.iloc[0, 0] / fit.scale, rel=1e-3)
    effects = {level: each.iloc[0] for level, each in fit.random_effects.items()}
    wanted = fit.predict(task.test) + task.test["a"].map(effects)
    estimate, low, high = needless.reml(task, 0.9)
    assert estimate == pytest.approx(wanted.to_numpy(), abs=1e-3)
    # Wider than the noise alone, and not by much.
    noise = 2 * stats.norm.ppf(0.95) * np.sqrt(fit.scale)
    assert ((high - low > noise) & (high - low < 1.2 * noise)).all()


def test_reml_leaves_out_a_factor_without_spread(task):
    task.y = task.y - task.w @ np.linalg.lstsq(task.w, task.y)[0]
    assert needless.reml_ratios(task) == pytest.approx(0, abs=1e-6)
    assert np.isfinite(needless.reml(task, 0.9)).all()


def test_dummies_are_least_squares_with_its_prediction_intervals(task):
    fit = smf.ols("y ~ x + a", task.train).fit()
    frame = fit.get_prediction(task.test).summary_frame(alpha=0.1)
    found = needless.least_squares(task, ["a"], 0.9)
    for ours, name in zip(found, ("mean", "obs_ci_lower", "obs_ci_upper"), strict=True):
        assert ours == pytest.approx(frame[name].to_numpy())


@pytest.mark.parametrize("criterion", ["aic", "bic"])
def test_a_criterion_keeps_what_it_prefers(table, criterion):
    table["noise"] = np.random.default_rng(1).integers(12, size=240).astype(str)
    task = Task(table, np.arange(240) < 180, "y", ["x"], ["a", "noise"])
    formulas = {"y ~ x": [], "y ~ x + a": ["a"], "y ~ x + noise": ["noise"]}
    formulas["y ~ x + a + noise"] = ["a", "noise"]
    best = min(formulas, key=lambda f: getattr(smf.ols(f, task.train).fit(), criterion))
    price = 2 if criterion == "aic" else np.log(len(task.y))
    assert needless.best_subset(task, price) == formulas[best]
    assert criterion == "bic" or formulas[best] == ["a"]


def test_ridge_chooses_its_penalty_by_leaving_one_out(task, monkeypatch):
    def errors(penalty):
        found = []
        for k in range(len(task.y)):
            kept = np.arange(len(task.y)) != k
            w, y = task.w[kept], task.y[kept]
            square = w.T @ w + np.diag(penalty * (task.owner >= 0))
            found.append(task.y[k] - task.w[k] @ np.linalg.solve(square, w.T @ y))
        return np.sqrt(np.mean(np.square(found)))

    few = np.array([0.1, 4.0, 1000.0])
    monkeypatch.setattr(needless, "PENALTIES", few)
    estimate, low, high = needless.ridge(task, 0.9)
    best = min(few, key=errors)
    square = task.w.T @ task.w + np.diag(best * (task.owner >= 0))
    beta = np.linalg.solve(square, task.w.T @ task.y)
    assert estimate == pytest.approx(task.w_test @ beta)
    half = stats.norm.ppf(0.95) * errors(best)
    assert high - low == pytest.approx(2 * half)


def test_one_spread_is_bayes_where_there_is_one_factor(task):
    rng = np.random.default_rng(2)
    shared, low, high = needless.one_spread(task, 0.9, 0.5, rng, draws=1000)
    own, own_low, own_high = needless.bayes(task, 0.9, 0.5, rng)
    assert shared == pytest.approx(own, abs=0.08)
    assert (high - low).mean() == pytest.approx((own_high - own_low).mean(), rel=0.04)


def test_everybody_held_out_is_predicted_by_every_method(table):
    options = {"outcome": "y", "predictors": ["x"], "levels": 4, "train": 200}
    rows = judge_needless(table, counts=(0, 2), repeats=2, seed=3, **options)
    each = rows.groupby(["set", "factors", "method"]).size()
    assert (each == 40).all() and len(each) == 2 * 2 * 7
    assert (rows["low"] < rows["high"]).all()
    # Without factors all but the penalties' own intervals are least squares.
    plain = rows[rows["factors"] == 0].pivot_table("estimate", "truth", "method")
    assert np.ptp(plain.to_numpy(), axis=1).max() < 1e-8
    # The same seed deals the same labels.
    again = judge_needless(table, counts=(0, 2), repeats=2, seed=3, **options)
    pd.testing.assert_frame_equal(rows, again)


@pytest.mark.parametrize(
    ("rises", "missed", "said"),
    [
        ([0.01, 0.012], 0, "yes"),
        ([0.04, 0.042], 0, "no"),
        ([0.0, 0.05], 0, "on the line"),
        ([0.01, 0.012], 5, "no"),  # its intervals hold nothing
    ],
)
def test_a_method_stays_put_within_the_limit_and_its_promise(rises, missed, said):
    rows = [
        {"set": k, "factors": f, "method": "a", "estimate": 0.0, "truth": 1 + f * rise}
        for k, rise in enumerate(rises)
        for f in (0, 1)
    ]
    rows = pd.DataFrame(rows)
    rows["low"], rows["high"] = (rows["truth"] + missed + d for d in (-1, 1))
    found = score_needless(rows, limit=0.02, held=(0.9, 1)).loc["a"]
    assert found["rise"] == pytest.approx(np.mean(rises))
    assert found["se"] == pytest.approx(np.ptp(rises) / 2)
    assert found["stays put"] == said

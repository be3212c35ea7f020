"""Tests of the contest: each opponent against an implementation of somebody else."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

import partialpool as pool
from partialpool.poolings.contest import USUAL

ASKED = {"outcome": "y", "group": "group", "predictors": ["x", "kind"]}


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(5)
    table, _ = pool.simulate_groups(25, sizes=(2, 40), seed=5)
    table["x"] = rng.normal(3, 2, len(table))
    table["kind"] = rng.choice(["a", "b", "c"], len(table))
    return table.assign(y=table["y"] + 0.2 * table["x"] - 0.3 * (table["kind"] == "b"))


@pytest.fixture(scope="module")
def estimates(table):
    return pool.contest(table, **ASKED).set_index(["method", "group"])


def averaged(predictions, table, like):
    return predictions.groupby(table["group"]).mean().loc[like.index]


def test_holds_every_opponent_for_every_group(table, estimates):
    assert list(estimates.index.unique("method")) == list(USUAL)
    assert len(estimates) == len(USUAL) * table["group"].nunique()
    ridge = estimates.loc["ridge"]
    assert ridge["low"].isna().all()
    assert estimates["low"].isna().sum() == len(ridge)


@pytest.mark.parametrize("method", ["reml", "ml"])
def test_a_mixed_model_is_that_of_mixedlm(table, method):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = smf.mixedlm("y ~ x + kind", table, groups=table["group"])
        # Its default optimiser stops short of the largest likelihood here.
        fit = model.fit(reml=method == "reml", method="powell", xtol=1e-8, ftol=1e-12)
    effects = {name: e.iloc[0] for name, e in fit.random_effects.items()}
    ours = pool.contest(table, **ASKED, methods=[method]).set_index("group")["estimate"]
    theirs = averaged(fit.predict(table) + table["group"].map(effects), table, ours)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_glm_and_dummies_are_those_of_ols(table, estimates):
    for name, formula in (
        ("glm", "y ~ x + kind"),
        ("none", "y ~ 0 + group + x + kind"),
    ):
        fit = smf.ols(formula, table).fit()
        ours = estimates.loc[name]
        theirs = averaged(fit.predict(table), table, ours)
        np.testing.assert_allclose(ours["estimate"], theirs)
    mean = smf.ols("y ~ 1", table).fit().get_prediction().summary_frame(alpha=0.1)
    found = estimates.loc["complete"].iloc[0]
    np.testing.assert_allclose(
        found, mean[["mean", "mean_ci_lower", "mean_ci_upper"]].iloc[0]
    )


def test_intervals_of_dummies_at_other_rows_are_those_of_ols(table):
    at = pd.DataFrame({"group": ["g03", "g11"], "x": [1.0, 6.0], "kind": ["b", "c"]})
    ours = pool.contest(table, **ASKED, methods=["none", "glm"], at=at, ci_prob=0.8)
    for name, formula in (
        ("none", "y ~ 0 + group + x + kind"),
        ("glm", "y ~ x + kind"),
    ):
        theirs = smf.ols(formula, table).fit().get_prediction(at)
        theirs = theirs.summary_frame(alpha=0.2)
        found = ours[ours["method"] == name][["estimate", "low", "high"]]
        np.testing.assert_allclose(
            found, theirs[["mean", "mean_ci_lower", "mean_ci_upper"]]
        )


def test_ridge_has_the_best_generalised_cross_validation(table, estimates):
    design = np.column_stack(
        [np.ones(len(table)), table["x"], pd.get_dummies(table["kind"]).iloc[:, 1:]]
    ).astype(float)
    dummies = pd.get_dummies(table["group"]).to_numpy(float)
    full, y = np.column_stack([design, dummies]), table["y"].to_numpy()
    best = np.inf
    for penalty in np.exp(np.linspace(0, 5, 60)):
        keep = np.diag([0.0] * design.shape[1] + [penalty] * dummies.shape[1])
        hat = full @ np.linalg.solve(full.T @ full + keep, full.T)
        left = y - hat @ y
        score = left @ left / (len(y) - np.trace(hat)) ** 2
        if score < best:
            best, fitted = score, pd.Series(hat @ y, table.index)
    ours = estimates.loc["ridge", "estimate"]
    np.testing.assert_allclose(ours, averaged(fitted, table, ours), atol=5e-3)


def test_bayes_is_the_partial_pooling_of_compare(table, estimates):
    compared = pool.compare(table, **ASKED, ci_prob=0.9).table
    ours = estimates.loc["bayes"].loc[compared.index]
    np.testing.assert_allclose(ours["estimate"], compared["partial"])
    np.testing.assert_allclose(ours["low"], compared["partial_low"])


def test_morris_allows_for_the_error_of_the_spread():
    held = {"reml": [], "empirical_bayes": [], "bayes": []}
    for seed in range(60):
        table, truth = pool.simulate_groups(
            10, sizes=(3, 12), between_sd=0.1, seed=seed
        )
        estimates = pool.contest(table, outcome="y", group="group", methods=list(held))
        scored = pool.score(estimates, truth["mean"])["coverage"]
        for name in held:
            held[name].append(scored[name])
    held = {name: np.mean(shares) for name, shares in held.items()}
    assert held["reml"] < 0.85
    assert held["empirical_bayes"] > held["reml"] + 0.04
    assert held["bayes"] == pytest.approx(0.9, abs=0.06)


def test_morris_with_equal_standard_errors_is_james_and_stein():
    rng = np.random.default_rng(1)
    y = rng.normal(0, 4, 20)
    table = pd.DataFrame({"y": y, "group": np.arange(20), "se": 1.0})
    found = pool.contest(
        table, outcome="y", group="group", se="se", methods="empirical_bayes"
    ).set_index("group")
    # Morris's factor: (k - 3) V / S, with S the sum of squares about the mean.
    shrink = 17 / ((y - y.mean()) ** 2).sum()
    expected = y.mean() + (1 - shrink) * (y - y.mean())
    np.testing.assert_allclose(
        found["estimate"].loc[np.arange(20)], expected, atol=1e-6
    )


def test_a_group_that_the_table_lacks_has_no_dummy(table):
    at = pd.DataFrame({"group": ["g03", "new"], "x": [1.0, 1.0], "kind": ["a", "a"]})
    found = pool.contest(table, **ASKED, at=at).set_index(["method", "group"])
    assert np.isnan(found.loc[("none", "new"), "estimate"])
    line, old, new = (
        found.loc[("glm", "new")],
        found.loc[("bayes", "g03")],
        found.loc[("bayes", "new")],
    )
    assert new["estimate"] == pytest.approx(line["estimate"], abs=0.05)
    assert new["high"] - new["low"] > old["high"] - old["low"]


def test_a_predictor_of_the_groups_takes_nothing_from_the_spread_within(table):
    table = table.assign(size=np.log(table.groupby("group")["y"].transform("size")))
    asked = ASKED | {"predictors": ["size"]}
    dummies = smf.ols("y ~ 0 + group", table).fit()
    found = pool.contest(table, **asked, methods=["none", "empirical_bayes"])
    assert found[["estimate", "low", "high"]].notna().all(axis=None)
    ours = found[found["method"] == "none"].set_index("group")
    means = table.groupby("group")["y"].mean()
    np.testing.assert_allclose(ours["estimate"], means[ours.index])
    half = dummies.conf_int(alpha=0.1).diff(axis=1)[1].to_numpy() / 2
    labels = dummies.params.index.str[6:-1]
    theirs = pd.Series(half, labels)[ours.index]
    np.testing.assert_allclose((ours["high"] - ours["low"]) / 2, theirs)


def test_the_score_is_over_the_same_groups_for_all(table):
    at = pd.DataFrame({"group": ["g03", "g04", "new"], "x": 1.0, "kind": "a"})
    found = pool.contest(table, **ASKED, at=at, ci_prob=0.8)
    truth = pd.Series({"g03": 10.0, "g04": 10.5, "new": 10.2})
    scored = pool.score(found, truth, ci_prob=0.8)
    assert (scored["groups"] == 2).all()
    rows = found[(found["method"] == "bayes") & (found["group"] != "new")]
    error = rows["estimate"].to_numpy() - [10.0, 10.5]
    assert scored.loc["bayes", "rmse"] == pytest.approx(np.sqrt((error**2).mean()))
    assert scored.loc["bayes", "worst"] == pytest.approx(np.abs(error).max())
    assert np.isnan(scored.loc["ridge", "coverage"])


def test_says_what_is_wrong(table):
    with pytest.raises(ValueError, match="methods holds 'lasso': choose from complete"):
        pool.contest(table, **ASKED, methods=["lasso"])
    with pytest.raises(pool.TableError, match="'group' is not in the table of at="):
        pool.contest(table, **ASKED, at=table[["x", "kind"]])
    with pytest.raises(pool.TableError, match="'kind' holds label 'z'"):
        pool.contest(table, **ASKED, at=table.assign(kind="z"))
    with pytest.raises(ValueError, match="No group of the contest has a truth"):
        pool.score(pool.contest(table, **ASKED), pd.Series({"elsewhere": 1.0}))


def test_curves_are_scored_by_what_their_intervals_stand_for():
    table, truth = pool.simulate_groups(30, seed=4)
    estimates = pool.contest(table, outcome="y", group="group", ci_prob=0.8)
    scored = pool.score(estimates, truth["mean"], ci_prob=0.8, curves=True)
    plain = pool.score(estimates, truth["mean"], ci_prob=0.8)
    pd.testing.assert_frame_equal(scored[plain.columns], plain)
    assert scored.loc["ridge", ["crps", "log_score"]].isna().all()
    reml = estimates[estimates["method"] == "reml"].set_index("group")
    sd = (reml["high"] - reml["low"]) / 2 / 1.2815515655
    right = truth["mean"].reindex(reml.index)
    crps = pool.crps(right, mean=reml["estimate"], sd=sd)
    assert scored.loc["reml", "crps"] == pytest.approx(crps)
    log_score = pool.log_score(reml["estimate"], sd, right)
    assert scored.loc["reml", "log_score"] == pytest.approx(log_score)
    assert scored["crps"].idxmin() != "complete"


def test_curves_of_a_logged_contest_are_taken_of_logs():
    table, truth = pool.simulate_groups(30, seed=4)
    options = {"group": "group", "outcome": "y", "methods": ["bayes", "none"]}
    logs = pool.score(pool.contest(table, **options), truth["mean"], curves=True)
    raised = table.assign(y=np.exp(table["y"]))
    found = pool.score(
        pool.contest(raised, log=True, **options),
        np.exp(truth["mean"]),
        curves=True,
        log=True,
    )
    same = ["crps", "log_score"]
    pd.testing.assert_frame_equal(found[same], logs[same])

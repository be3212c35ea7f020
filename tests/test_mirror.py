"""Many data sets at once: each inference against the one that does a single table."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from statsmodels.regression.mixed_linear_model import MixedLMParams

import partialpool as pool
from partialpool.chapters import mirror
from partialpool.poolings.methods import full_likelihood

PAIRS = {"reml": "reml", "morris": "empirical_bayes", "bayes": "bayes"}


@pytest.fixture(scope="module")
def table():
    return pool.simulate_groups(12, sizes=(2, 30), mean=0, seed=4)[0]


@pytest.fixture(scope="module")
def sets(table):
    by = table.groupby("group")["y"]
    n, mean = by.size(), by.mean()
    ss = ((table["y"] - by.transform("mean")) ** 2).sum()
    shape = (2, len(n))
    return mirror.Sets(
        np.broadcast_to(n.to_numpy(float), shape),
        np.broadcast_to(mean, shape),
        np.zeros(shape),
        np.full((2, 1), ss),
        np.zeros((2, 1)),
    )


@pytest.fixture(scope="module")
def found(sets):
    return mirror.infer(sets, seed=1)


@pytest.fixture(scope="module")
def mixed(table):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = smf.mixedlm("y ~ 1", table, groups="group")
        return {True: model.fit(reml=True), False: model.fit(reml=False)}


@pytest.mark.parametrize("name", PAIRS)
def test_each_says_what_the_contest_says_of_one_table(name, table, found):
    one = pool.contest(table, outcome="y", group="group", methods=[PAIRS[name]])
    one = one.set_index("group").sort_index()
    for column in ("estimate", "low", "high"):
        assert getattr(found[name], column)[1] == pytest.approx(one[column], abs=2e-5)


@pytest.mark.parametrize("restricted", [True, False])
def test_the_spread_between_groups_is_that_of_mixedlm(restricted, found, mixed):
    name = "reml" if restricted else "ml"
    expected = np.sqrt(mixed[restricted].cov_re.iloc[0, 0])
    assert found[name].between_sd[0] == pytest.approx(expected, abs=1e-4)


def test_a_new_group_is_as_far_off_as_the_mean_and_the_spread(found, mixed):
    fit = mixed[True]
    sd = np.sqrt(fit.bse_fe["Intercept"] ** 2 + fit.cov_re.iloc[0, 0])
    width = found["reml"].new_high[0] - found["reml"].new_low[0]
    # MixedLM has its standard error from a numerical curvature.
    assert width == pytest.approx(2 * 1.6449 * sd, rel=5e-3)
    wider = found["reml, t"].new_high[0] - found["reml, t"].new_low[0]
    assert wider / width == pytest.approx(1.8125 / 1.6449, rel=1e-3)


def test_bambis_new_group_is_drawn_from_those_seen(table, found):
    posterior = pool.fit("y ~ 1 + (1|group)", table, draws=20_000, seed=1)["posterior"]
    effects = posterior["Intercept"] + posterior["1|group"]
    ends = np.quantile(effects, [0.05, 0.95])
    seen = found["bayes, seen"]
    assert [seen.new_low[0], seen.new_high[0]] == pytest.approx(ends, abs=0.01)
    assert seen.low == pytest.approx(found["bayes"].low)


def test_the_bootstrap_averages_over_refits(sets, found):
    """A new group of one data set, drawn and refitted the long way."""
    reml, n, draws = found["reml"], sets.n[0], 1_500
    boot = mirror.bootstrap(sets.take(slice(1)), draws=draws, seed=2)
    assert boot.estimate[0] == pytest.approx(reml.estimate[0], abs=1e-6)
    rng = np.random.default_rng(3)
    middle, tau = (reml.new_low[0] + reml.new_high[0]) / 2, reml.between_sd[0]
    task = mirror.Task(sets.sums(), np.ones(2), True, (0.05, 0.95))
    sigma = tau / mirror.best_ratio(task, mirror.restricted_likelihood)[0]
    shape = (draws, len(n))
    y = middle + rng.normal(0, tau, shape) + rng.normal(0, sigma, shape) / np.sqrt(n)
    ss = sigma**2 * rng.chisquare(n.sum() - len(n), (draws, 1))
    again = mirror.Sets(np.broadcast_to(n, shape), y, y, ss, y)
    refit = mirror.infer(again, draws=2, seed=1)["reml"]
    new = (refit.new_low + refit.new_high) / 2 + rng.normal(0, refit.between_sd)
    ends = boot.new_low[0], boot.new_high[0]
    assert ends == pytest.approx(np.quantile(new, [0.05, 0.95]), abs=0.03)


def test_the_bootstrap_widens_intervals_where_groups_are_few():
    sets = mirror.draw_sets(200, 5, seed=3)
    found = mirror.infer(sets, seed=1)
    scores = mirror.score_inferences(found, sets)
    error = scores.loc["reml", "coverage_error"]
    assert (
        scores.loc["reml, bootstrap", "coverage"]
        > 4 * error + scores.loc["reml", "coverage"]
    )


def test_maximum_likelihood_takes_the_mean_as_known(table, sets, mixed):
    # Twice the gap between two ratios is what MixedLM's own likelihood says.
    ratio = np.array([[0.1, 0.6]])
    ours = full_likelihood(sets.sums().take(slice(1)), ratio)[0]
    model = smf.mixedlm("y ~ 1", table, groups="group")
    params = [MixedLMParams.from_components(None, np.array([[r**2]])) for r in ratio[0]]
    model.reml, model.cov_pen, model.fe_pen = False, None, None
    theirs = [model.loglike(one, profile_fe=True) for one in params]
    assert ours[1] - ours[0] == pytest.approx(theirs[1] - theirs[0], rel=1e-6)


def test_with_many_groups_all_keep_their_promise():
    sets = mirror.draw_sets(150, 150, seed=3)
    scores = mirror.score_inferences(mirror.infer(sets, seed=1), sets)
    assert scores["coverage"].to_numpy() == pytest.approx(0.9, abs=0.02)
    assert scores["between_sd"].to_numpy() == pytest.approx(0.15, abs=0.02)


def test_with_few_groups_the_posterior_keeps_it_and_reml_does_not():
    sets = mirror.draw_sets(400, 5, seed=3)
    scores = mirror.score_inferences(mirror.infer(sets, seed=1), sets)
    coverage, error = scores["coverage"], scores["coverage_error"]
    assert abs(coverage["bayes"] - 0.9) < 4 * error["bayes"]
    assert coverage["reml"] < 0.9 - 4 * error["reml"]


def test_scores_are_of_the_chosen_data_sets():
    sets = mirror.draw_sets(40, 6, seed=5)
    found = {"reml": mirror.infer(sets, seed=1)["reml"]}
    zero = found["reml"].between_sd < mirror.ZERO
    scores = mirror.score_inferences(found, sets, chosen=zero).loc["reml"]
    assert scores["zero"] == 1
    one = found["reml"]
    inside = (one.low <= sets.truth) & (sets.truth <= one.high)
    assert scores["coverage"] == pytest.approx(inside[zero].mean())
    new = sets.new[zero]
    inside = (one.new_low[zero, None] <= new) & (new <= one.new_high[zero, None])
    assert scores["new_coverage"] == pytest.approx(inside.mean())
    expected = pool.rmse(one.estimate[zero], sets.truth[zero])
    assert scores["rmse"] == pytest.approx(expected)


def test_draws_have_the_spread_that_was_asked_for():
    sets = mirror.draw_sets(4_000, 10, between_sd=0.3, within_sd=0.6, seed=6)
    assert sets.truth.std() == pytest.approx(0.3, rel=0.02)
    assert sets.new.std() == pytest.approx(0.3, rel=0.05)
    noise = (sets.mean - sets.truth) * np.sqrt(sets.n)
    assert noise.std() == pytest.approx(0.6, rel=0.02)
    free = sets.n.sum(1, keepdims=True) - 10
    assert (sets.ss / free).mean() == pytest.approx(0.36, rel=0.02)
    assert pd.Series(sets.n.ravel()).between(2, 30).all()

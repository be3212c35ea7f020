"""Worlds of providers, and what each way believes: against other code, and by hand."""

import numpy as np
import pandas as pd
import pytest

import partialpool as pool
from partialpool.chapters import decision_worlds as dw
from partialpool.poolings import contest_many

NAMES = {
    "none": "none",
    "GLM": "glm",
    "REML": "reml",
    "Bayes": "bayes",
    "empirical Bayes": "empirical_bayes",
}


@pytest.fixture(scope="module")
def worlds():
    return dw.draw_worlds(4, groups=30, seed=1)


@pytest.fixture(scope="module")
def answers(worlds):
    return dw.believe(worlds, draws=4000, seed=2)


@pytest.fixture(scope="module")
def known(worlds):
    return contest_many(worlds.mean, n=worlds.n, ss=worlds.ss, x=worlds.x)


@pytest.mark.parametrize("way", NAMES)
def test_points_and_draws_are_those_of_the_contest(answers, known, way):
    estimate, low, high = known[NAMES[way]]
    assert answers[way].point == pytest.approx(estimate, abs=2e-3)
    ends = np.quantile(answers[way].draws, [0.05, 0.95], axis=1)
    width = (high - low).mean()
    assert ends[0] == pytest.approx(low, abs=0.08 * width)
    assert ends[1] == pytest.approx(high, abs=0.08 * width)
    assert (ends[1] - ends[0]).mean() == pytest.approx(width, rel=0.02)


def test_joint_draws_are_those_of_the_exact_posterior(worlds):
    one = worlds.take(slice(0, 1))
    rows = dw.draw_rows(one)
    draws = dw.believe(one, draws=20_000, seed=3)["Bayes"].draws[0]
    fit = pool.fit("log_pay ~ 1 + tariff + (1|provider)", rows, draws=4000, seed=3)
    cells = rows.groupby("provider", as_index=False)["tariff"].first()
    exact = pool.predict(fit, cells, seed=3)["mean"].to_numpy()
    exact = exact.reshape(-1, len(cells))
    assert draws.mean(0) == pytest.approx(exact.mean(0), abs=0.006)
    gaps = [d.T[:, None] - d.T for d in (draws, exact)]
    sds = [g.std(-1)[np.triu_indices(len(cells), 1)] for g in gaps]
    assert sds[0] == pytest.approx(sds[1], rel=0.1)
    assert sds[0].mean() == pytest.approx(sds[1].mean(), rel=0.03)
    means = [d.mean(1).std() for d in (draws, exact)]  # joint: of their average
    assert means[0] == pytest.approx(means[1], rel=0.06)


def test_rows_have_the_sums_of_the_world(worlds):
    one = worlds.take(slice(2, 3))
    cells = (
        dw.draw_rows(one).groupby("provider")["log_pay"].agg(["size", "mean", "var"])
    )
    assert cells["size"].to_numpy() == pytest.approx(one.n[0])
    assert cells["mean"].to_numpy() == pytest.approx(one.mean[0])
    squares = (cells["var"] * (cells["size"] - 1)).sum()
    assert squares == pytest.approx(one.ss[0, 0])


def test_worlds_are_what_they_say():
    worlds = dw.draw_worlds(300, seed=1)
    rest = worlds.truth - dw.TRUTH["mean"] - dw.TRUTH["slope"] * worlds.x
    assert rest.std() == pytest.approx(dw.TRUTH["between_sd"], rel=0.03)
    z = (worlds.mean - worlds.truth) * np.sqrt(worlds.n) / dw.TRUTH["within_sd"]
    assert z.std() == pytest.approx(1, rel=0.02)
    assert (
        np.corrcoef(np.log(worlds.n / worlds.population).ravel(), worlds.x.ravel())[
            0, 1
        ]
        > 0.8
    )
    bent = dw.draw_worlds(300, size_effect=0.06, seed=1)
    size = np.log(bent.population)
    assert np.polyfit(size.ravel(), bent.truth.ravel(), 1)[0] == pytest.approx(
        0.06, abs=0.01
    )


def test_weights_are_shares_of_a_domain(worlds):
    weights = worlds.weights()
    assert weights.shape == (4, 6, 30)
    assert weights.sum(2) == pytest.approx(1)
    assert (weights[:, 0, 5:] == 0).all()
    ratio = worlds.population[:, 0] / worlds.population[:, 1]
    assert weights[:, 0, 0] / weights[:, 0, 1] == pytest.approx(ratio)


def test_complete_pooling_of_a_domain_is_the_mean_of_its_rows(worlds, answers):
    one = worlds.take(slice(0, 1))
    rows = dw.draw_rows(one)
    mean = answers["complete"].domains[0][0, 0]
    first = rows[rows["provider"].isin([f"P{j:02d}" for j in range(1, 6)])]
    assert mean == pytest.approx(first["log_pay"].mean())
    assert answers["complete"].point[0] == pytest.approx(rows["log_pay"].mean())


def test_a_bootstrap_of_ridge_fits_ridge_again(worlds):
    answers = dw.believe(worlds, draws=3000, seed=5)
    point, draws = answers["ridge"].point, answers["ridge, bootstrap"].draws
    # Linear in the means: drawn around the estimates, so it shrinks these once more.
    sd = np.sqrt(worlds.ss / (worlds.n.sum(1, keepdims=True) - 30))
    assert (draws.std(1) < sd / np.sqrt(worlds.n)).all()
    middle = draws.mean(1)
    assert (np.abs(middle - point) < 0.12).all()
    assert middle.std() < point.std()


def test_knowing_both_sds_is_a_weighted_mean():
    n, mean = np.full((1, 10), 9.0), np.arange(10.0)[None] / 10
    x = np.tile([[-1.0, 1.0]], (1, 5))
    domain = np.arange(10) // 5
    world = dw.Worlds(n, mean, np.ones((1, 1)), x, mean, n, domain, 0.5)
    answer = dw.believe_knowing(world, 0.1, 0.3, draws=20_000, seed=1)
    line = np.polyval(np.polyfit(x[0], mean[0], 1), x[0])
    assert answer.point[0] == pytest.approx(0.5 * mean[0] + 0.5 * line)
    sd = np.sqrt(0.5 * 0.3**2 / 9 + 0.25 * 2 * (0.1**2 + 0.3**2 / 9) / 10)
    assert answer.draws[0].std(0) == pytest.approx(sd, rel=0.03)


def test_states_are_judged_by_the_full_table():
    states = dw.sample_states(2, seed=1)
    assert (states.truth[0] == states.truth[1]).all()
    assert (states.n >= 2).all()
    assert (states.population >= dw.SMALLEST_STATE).all()
    assert states.mean.std(0).min() > 0
    everything = dw.sample_states(1, share=1.0, seed=1)
    assert everything.mean == pytest.approx(everything.truth)
    assert pd.Series(states.domain).nunique() == 9


def test_ridge_with_intervals_is_a_posterior_with_its_spread_known(worlds):
    """Mean and variance from the matrices, at the ratio that ridge's estimates show."""
    answer = dw.believe(worlds, draws=20_000, seed=5)["ridge, Wahba"]
    task, _ = dw._task(worlds)
    ratios = dw.best_ratio(task, dw.cross_validation)
    for d, ratio in enumerate(ratios):
        n, x = worlds.n[d], np.column_stack([np.ones(30), worlds.x[d]])
        sigma2 = worlds.ss[d, 0] / (n.sum() - 30)
        between, noise = ratio**2 * sigma2 * np.eye(30), np.diag(sigma2 / n)
        precision = np.linalg.inv(between + noise)
        line = x @ np.linalg.inv(x.T @ precision @ x) @ x.T @ precision
        smoother = line + between @ precision @ (np.eye(30) - line)
        assert answer.point[d] == pytest.approx(smoother @ worlds.mean[d], abs=2e-3)
        draws = answer.draws[d]
        assert draws.mean(0) == pytest.approx(answer.point[d], abs=4e-3)
        sd = np.sqrt(np.diag(smoother @ noise))
        assert draws.std(0) == pytest.approx(sd, rel=0.04)


def test_ridge_with_intervals_is_wider_than_its_bootstrap(answers):
    sds = [answers[f"ridge, {way}"].draws.std(1) for way in ("Wahba", "bootstrap")]
    assert (sds[0] > 0.95 * sds[1]).all()  # alike where ridge shrinks nearly nothing
    assert sds[0].mean() > 1.15 * sds[1].mean()


def test_states_know_that_nobody_is_drawn_twice():
    states = dw.sample_states(200, seed=1)
    people, size = states.people(), states.population
    assert (people == np.rint(people)).all()
    assert states.n == pytest.approx(people / (1 - people / size))
    assert (states.take([0]).people() == people[0]).all()
    # What the sums say of the error of a mean is its error over the samples.
    sigma2 = (states.ss[:, 0] / (states.n.sum(1) - states.n.shape[1])).mean()
    errors = ((states.mean - states.truth) ** 2 * states.n).mean(0)
    assert np.average(errors, weights=people[0] - 1) == pytest.approx(sigma2, rel=0.05)

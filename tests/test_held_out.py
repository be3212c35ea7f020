"""Tests of groups left out, against refits and integrals made the long way."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import logsumexp

import partialpool as pool
from partialpool.held_out.setting import Setting
from tests.dense_models import refusal_of

SD, TAU, WIDE = 1.5, 0.8, 3.0
PRIORS = {
    "Intercept": pool.Prior("Normal", mu=9.5, sigma=WIDE),
    "x": pool.Prior("Normal", mu=0, sigma=WIDE),
    "group_specific": pool.Prior(
        "Normal", mu=0, sigma=pool.Prior("HalfNormal", sigma=TAU)
    ),
    "sigma": pool.Prior("HalfNormal", sigma=SD),
}
ONE = "y ~ x + (1|g)"


def make_rows(sizes=(1, 2, 3, 5, 8), seed=1):
    rng = np.random.default_rng(seed)
    g = np.repeat(list("abcdefghijkl")[: len(sizes)], sizes)
    effects = dict(zip(np.unique(g), rng.normal(0, 0.7, len(sizes)), strict=True))
    x = rng.normal(2, 1, len(g))
    mean = 10 + 0.3 * x + np.array([effects[label] for label in g])
    rows = pd.DataFrame({"y": rng.normal(mean, 0.9), "x": x, "g": g})
    return rows.assign(h=np.resize(["u", "v", "w", "z"], len(g)))


@pytest.fixture(scope="module")
def rows():
    return make_rows()


@pytest.fixture(scope="module")
def left(rows):
    return pool.leave_one_group_out(ONE, rows, priors=PRIORS, seed=1)


@pytest.fixture
def no_closed_form(monkeypatch):
    monkeypatch.setattr(Setting, "is_closed", property(lambda setting: False))


# The long way: every matrix in full, on a fine grid of the standard deviations --------

LOG_SIGMA = np.linspace(np.log(0.1), np.log(15), 101)
TAUS = np.linspace(0, 6, 161)


def log_joint(rows, centre, own=None):
    """Log density of outcomes and sds on the grid: (sigmas, taus).

    With `own`, of the rows and of the mean of one group more.
    """
    columns = np.column_stack([np.ones(len(rows)), rows["x"] - centre])
    same = (rows["g"].to_numpy()[:, None] == rows["g"].to_numpy()).astype(float)
    noise, y = np.eye(len(rows)), rows["y"].to_numpy()
    if own is not None:
        average = np.vstack([noise, own / own.sum()])
        average = average[np.r_[np.flatnonzero(own == 0), len(rows)]]
        columns, y = average @ columns, average @ y
        same, noise = average @ same @ average.T, average @ average.T
    base = WIDE**2 * columns @ columns.T
    away = y - 9.5 * columns[:, 0]
    found = np.empty((len(LOG_SIGMA), len(TAUS)))
    for i, sigma in enumerate(np.exp(LOG_SIGMA)):
        covariance = base + sigma**2 * noise + TAUS[:, None, None] ** 2 * same
        far = (np.linalg.solve(covariance, away[:, None])[..., 0] * away).sum(-1)
        log_det = np.linalg.slogdet(covariance)[1]
        found[i] = -0.5 * (far + log_det + len(y) * np.log(2 * np.pi)) + np.log(sigma)
    found += stats.halfnorm.logpdf(np.exp(LOG_SIGMA), scale=SD)[:, None]
    return found + stats.halfnorm.logpdf(TAUS, scale=TAU)


def log_integral(log_values):
    """Integrate by Simpson's rule along both axes."""
    weights = [np.ones(len(axis)) for axis in (LOG_SIGMA, TAUS)]
    for weight in weights:
        weight[1:-1:2], weight[2:-1:2] = 4, 2
    share = np.outer(*weights)
    step = (LOG_SIGMA[1] - LOG_SIGMA[0]) * (TAUS[2] - TAUS[1]) / 9
    return logsumexp(log_values, b=share) + np.log(step)


@pytest.fixture(scope="module")
def by_hand(rows):
    centre = rows["x"].mean()
    everything = log_integral(log_joint(rows, centre))
    found = {}
    for label in ("a", "e"):
        own = (rows["g"] == label).to_numpy(float)
        rest = log_integral(log_joint(rows[own == 0], centre))
        with_mean = log_integral(log_joint(rows, centre, own))
        found[label] = everything - rest, with_mean - rest
    return pd.DataFrame(found, ["log_score", "mean_log_score"]).T


def test_the_closed_form_is_the_integral_done_by_hand(left, by_hand):
    assert left.attrs["method"] == "closed"
    found = left.loc[by_hand.index, by_hand.columns]
    np.testing.assert_allclose(found, by_hand, rtol=0, atol=1e-6)


def test_a_group_left_out_is_a_refit_without_it(left, rows):
    for label in ("c", "e"):
        gone = rows["g"] == label
        # The same prior, of the mean at the average of all rows.
        centred = rows.assign(x=rows["x"] - rows["x"].mean())
        kept = centred[~gone]
        priors = PRIORS | {"x": pool.Prior("Normal", mu=0, sigma=WIDE)}
        fit = pool.fit("y ~ x + (1|g)", kept, priors, draws=20_000, seed=1)
        mean = pool.predict(fit, centred[gone], unseen="draw", seed=1)["mean"]
        mean = mean.to_numpy().reshape(20_000, -1)
        sigma = fit["posterior"]["sigma"].to_numpy().ravel()[:, None]
        y = rows.loc[gone, "y"].to_numpy()
        joint = stats.norm.logpdf(y, mean, sigma).sum(1)
        log_score = logsumexp(joint) - np.log(len(joint))
        relative = np.exp(joint - joint.max())
        error = relative.std() / relative.mean() / np.sqrt(len(joint))
        assert abs(log_score - left.loc[label, "log_score"]) < 4 * error + 0.01
        noise = np.random.default_rng(1).normal(0, 1 / np.sqrt(len(y)), len(mean))
        seen = mean.mean(1) + sigma[:, 0] * noise
        sd = seen.std()
        assert abs(seen.mean() - left.loc[label, "mean"]) < 0.05 * sd
        ends = np.quantile(seen, [0.05, 0.95])
        np.testing.assert_allclose(
            left.loc[label, ["low", "high"]], ends, atol=0.06 * sd
        )


def test_what_was_seen_is_the_tables_own(left, rows):
    own = rows.groupby("g")["y"].agg(["size", "mean"])
    np.testing.assert_array_equal(left["rows"], own["size"])
    np.testing.assert_allclose(left["seen"], own["mean"])
    assert left.index.tolist() == own.index.tolist() and left.index.name == "g"
    assert (left["low"] < left["mean"]).all() and (left["mean"] < left["high"]).all()


def test_refits_on_sums_agree_with_the_closed_form(left, rows, no_closed_form):
    found = pool.leave_one_group_out(ONE, rows, priors=PRIORS, draws=8000, seed=2)
    assert found.attrs["method"] == "sums"
    apart = (found - left).abs()
    assert (found["log_score_error"] < 0.05).all()
    assert (apart["log_score"] < 4 * found["log_score_error"] + 0.005).all()
    assert apart["mean_log_score"].max() < 0.1
    assert apart[["mean", "low", "high"]].max(axis=None) < 0.08


def test_cells_say_what_their_rows_say(rows):
    by_sex = rows.assign(sex=np.resize(["female", "male"], len(rows)))
    cells = pool.collapse(by_sex, "y", ["g", "sex"])
    for formula in ("y ~ sex + (1|g)", "y ~ sex + (sex|g)"):
        from_rows = pool.leave_one_group_out(formula, by_sex, seed=1)
        from_cells = pool.leave_one_group_out(formula, cells, seed=1)
        np.testing.assert_allclose(from_cells, from_rows, rtol=1e-5, atol=1e-6)


SEVERAL = {
    "crossed": ("y ~ x + (1|g) + (1|h)", "g", False),
    "the smaller factor": ("y ~ x + (1|g) + (1|h)", "h", False),
    "slopes": ("y ~ x + (x|g)", None, False),
    "correlated slopes": ("y ~ x + (x|g)", None, True),
    "nested": ("y ~ x + (1|g) + (1|g:h)", "g", False),
    "no group term": ("y ~ x", "g", False),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_any_model_agrees_with_refits_without_the_group(name):
    formula, group, correlated = SEVERAL[name]
    rows = make_rows([4, 6, 8, 8, 10, 12, 9, 5, 3, 6, 7, 8], seed=3)
    options = {"correlated": correlated, "seed": 1}
    centred = rows.assign(x=rows["x"] - rows["x"].mean())
    found = pool.leave_one_group_out(
        formula, centred, group, priors=PRIORS_OF_ALL, draws=4000, **options
    )
    assert found.attrs["method"] == "sums"
    column = group or "g"
    label = sorted(rows[column].unique())[1]
    gone = centred[column] == label
    # So that the intercept of the refit is where it is with all rows.
    fit = pool.fit(formula, centred[~gone], PRIORS_OF_ALL, draws=20_000, **options)
    mean = pool.predict(fit, centred[gone], unseen="draw", seed=1)["mean"]
    mean = mean.to_numpy().reshape(20_000, -1)
    sigma = fit["posterior"]["sigma"].to_numpy().ravel()[:, None]
    joint = stats.norm.logpdf(centred.loc[gone, "y"].to_numpy(), mean, sigma).sum(1)
    log_score = logsumexp(joint) - np.log(len(joint))
    relative = np.exp(joint - joint.max())
    error = relative.std() / relative.mean() / np.sqrt(len(joint))
    error = np.hypot(error, found.loc[label, "log_score_error"])
    assert abs(log_score - found.loc[label, "log_score"]) < 4 * error + 0.01
    noise = np.random.default_rng(1).normal(0, gone.sum() ** -0.5, len(mean))
    seen = mean.mean(1) + sigma[:, 0] * noise
    assert abs(seen.mean() - found.loc[label, "mean"]) < 0.1 * seen.std()
    ends = np.quantile(seen, [0.05, 0.95])
    low_high = found.loc[label, ["low", "high"]]
    np.testing.assert_allclose(low_high, ends, atol=0.12 * seen.std())
    density = stats.gaussian_kde(seen)(found.loc[label, "seen"])
    assert abs(np.log(density) - found.loc[label, "mean_log_score"]) < 0.1


# Wide, so that it does not matter where the predictor is centred.
PRIORS_OF_ALL = {
    "Intercept": pool.Prior("Normal", mu=10, sigma=20),
    "x": pool.Prior("Normal", mu=0, sigma=5),
    "group_specific": pool.Prior(
        "Normal", mu=0, sigma=pool.Prior("HalfNormal", sigma=TAU)
    ),
    "sigma": pool.Prior("HalfNormal", sigma=SD),
}


def test_a_group_that_decides_the_spread_is_drawn_anew():
    rows = make_rows([30] * 6, seed=4)
    rows.loc[rows["g"] == "a", "y"] += 40
    options = {"priors": None, "seed": 1}
    closed = pool.leave_one_group_out("y ~ 1 + (1|g)", rows, **options)
    crossed = pool.leave_one_group_out("y ~ 1 + (1|g) + (1|h)", rows, "g", **options)
    assert crossed.attrs["refits"] >= 1
    assert closed.loc["a", "log_score"] < closed["log_score"].drop("a").min() - 5
    assert closed.loc["a", "seen"] > closed.loc["a", "high"]


def test_folds_leave_out_several_groups_together(rows):
    options = {"priors": PRIORS, "seed": 1}
    alone = pool.leave_one_group_out(ONE, rows, folds=5, **options)
    exact = pool.leave_one_group_out(ONE, rows, **options)
    assert alone.attrs["method"] == "sums" and alone.attrs["folds"] == 5
    apart = (alone["log_score"] - exact["log_score"]).abs()
    assert (apart < 4 * alone["log_score_error"] + 0.005).all()
    pairs = pool.leave_one_group_out(ONE, rows, folds=2, **options)
    assert pairs.attrs["method"] == "folds"
    assert (pairs["high"] - pairs["low"]).mean() > (exact["high"] - exact["low"]).mean()


def test_importance_sampling_over_groups_says_that_it_fails():
    table, _ = pool.simulate_groups(30, sizes=(40, 200), seed=2)
    left = pool.leave_one_group_out("y ~ 1 + (1|group)", table, seed=1)
    assert (left["pareto_k"] > 0.7).mean() > 0.5
    # What it fails at: its errors are those of a group already seen.
    assert (left["psis_log_score"] - left["log_score"]).mean() > 0.1


def test_intervals_hold_as_many_groups_as_they_promise():
    table, _ = pool.simulate_groups(400, sizes=(2, 60), seed=3)
    left = pool.leave_one_group_out("y ~ 1 + (1|group)", table, ci_prob=0.8, seed=1)
    inside = (left["low"] < left["seen"]) & (left["seen"] < left["high"])
    assert abs(inside.mean() - 0.8) < 4 * np.sqrt(0.8 * 0.2 / 400)


def test_weights_and_offsets_come_through(rows):
    weighted = rows.assign(w=2.0, o=rows["x"] * 0.5)
    doubled = pd.concat([rows, rows], ignore_index=True)
    one = pool.leave_one_group_out(
        "weighted(y, w) ~ x + (1|g)", weighted, priors=PRIORS
    )
    two = pool.leave_one_group_out(ONE, doubled, priors=PRIORS)
    same = ["seen", "mean", "low", "high", "log_score", "mean_log_score"]
    np.testing.assert_allclose(one[same], two[same], rtol=1e-7)
    moved = weighted.assign(y=weighted["y"] + weighted["o"])
    for group in ("g", "h"):
        formula = "y ~ x + (1|g)" if group == "g" else "y ~ x + (1|g) + (1|h)"
        plain = pool.leave_one_group_out(formula, rows, group, priors=PRIORS, seed=1)
        offset = formula.replace("x +", "x + offset(o) +")
        found = pool.leave_one_group_out(offset, moved, group, priors=PRIORS, seed=1)
        added = weighted.groupby(group)["o"].mean()
        np.testing.assert_allclose(found["seen"] - added, plain["seen"])
        np.testing.assert_allclose(found["mean"] - added, plain["mean"], atol=1e-6)
        np.testing.assert_allclose(found["log_score"], plain["log_score"], atol=1e-6)


def test_the_answer_does_not_depend_on_units(rows):
    priors = None
    once = pool.leave_one_group_out(ONE, rows, priors=priors, seed=1)
    thousand = rows.assign(y=1000 * rows["y"])
    found = pool.leave_one_group_out(ONE, thousand, priors=priors, seed=1)
    np.testing.assert_allclose(found["mean"], 1000 * once["mean"], rtol=1e-6)
    shift = once["log_score"] - found["log_score"]
    np.testing.assert_allclose(shift, once["rows"] * np.log(1000), rtol=1e-6)


def test_a_seed_settles_the_answer(rows):
    options = {"priors": PRIORS, "seed": 3}
    for formula, group in [(ONE, None), ("y ~ x + (1|g) + (1|h)", "g")]:
        pair = [
            pool.leave_one_group_out(formula, rows, group, **options) for _ in range(2)
        ]
        pd.testing.assert_frame_equal(*pair)


def test_what_cannot_be_left_out_is_refused(rows):
    work = pool.leave_one_group_out
    assert "has the factors g, h: say which" in refusal_of(
        work, "y ~ x + (1|g) + (1|h)", rows
    )
    assert "The formula has no factor" in refusal_of(work, "y ~ x", rows)
    assert "did you mean 'g'?" in refusal_of(work, ONE, rows, "G")
    assert "three are the fewest" in refusal_of(work, ONE, rows[rows["g"] > "c"])
    assert "from 2 to 5" in refusal_of(work, ONE, rows, folds=1)
    assert "ci_prob is 90" in refusal_of(work, ONE, rows, ci_prob=90)
    assert "Column 'h' is missing" in refusal_of(
        work, ONE, rows.assign(h=rows["h"].where(rows["h"] != "u")), "h"
    )


def test_a_flat_prior_needs_rows_that_tell(rows):
    only = rows.assign(special=np.where(rows["g"] == "c", "yes", "no"))
    flat = {"special": pool.Prior("Flat")}
    said = refusal_of(
        pool.leave_one_group_out, "y ~ special + (1|g)", only, priors=flat
    )
    assert said.startswith("Without c of g no row tells some coefficient")
    # With a proper prior it is as uncertain as that.
    found = pool.leave_one_group_out("y ~ special + (1|g)", only, seed=1)
    width = found["high"] - found["low"]
    assert width["c"] > 2 * width.drop("c").max()
    flat = {"x": pool.Prior("Flat"), "Intercept": pool.Prior("Flat")}
    found = pool.leave_one_group_out(ONE, rows, priors=flat, seed=1)
    assert np.isfinite(found.to_numpy()).all()


def test_what_takes_long_is_done_in_folds(rows, monkeypatch, no_closed_form):
    monkeypatch.setattr("partialpool.held_out.groups.DEAREST", 1)
    monkeypatch.setattr("partialpool.held_out.groups.FOLDS", 3)
    found = pool.leave_one_group_out(ONE, rows, seed=1)
    assert found.attrs == {
        "method": "folds",
        "folds": 3,
        "refits": found.attrs["refits"],
    }


def test_a_million_rows_are_as_easy_as_a_thousand():
    rng = np.random.default_rng(3)
    n = rng.integers(1, 13_000, 150)
    effects = rng.normal(0, 0.2, 150)
    cells = pd.DataFrame({"g": [f"g{i:03}" for i in range(150)], "n": n})
    cells["mean"] = 10 + effects + rng.normal(0, 0.4 / np.sqrt(n))
    cells["ss"] = 0.4**2 * rng.chisquare(np.maximum(n - 1, 1)) * (n > 1)
    left = pool.leave_one_group_out("y ~ 1 + (1|g)", cells, seed=1)
    assert left["rows"].sum() == n.sum()
    inside = (left["low"] < left["seen"]) & (left["seen"] < left["high"])
    assert abs(inside.mean() - 0.9) < 4 * np.sqrt(0.9 * 0.1 / 150)
    # The rest of 150 groups says nearly the same whichever is left out.
    width = (left["high"] - left["low"])[n > 1000]
    assert width.max() < 1.1 * width.min()

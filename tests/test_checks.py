"""Tests of the sampling checks: good fits pass, bad ones are refused by name."""

import arviz as az
import numpy as np
import pandas as pd
import pytest

import partialpool as pool
from partialpool.checks import _refuse

DRAWS = (4, 1000)


def good_draws(*more, seed=1):
    return np.random.default_rng(seed).normal(size=(*DRAWS, *more))


def fit_of(*, diverging=None, coords=None, dims=None, **posterior):
    groups = {"posterior": posterior}
    if diverging is not None:
        groups["sample_stats"] = {"diverging": diverging}
    return az.from_dict(groups, coords=coords, dims=dims)


def refusal(fit, *args, **options):
    with pytest.raises(pool.SamplingError) as caught:
        pool.check_sampling(fit, *args, **options)
    return str(caught.value)


def test_good_draws_pass_and_are_shown():
    fit = fit_of(
        mean=good_draws(seed=1),
        group_mean=good_draws(3, seed=2),
        diverging=np.zeros(DRAWS, bool),
    )
    table = pool.check_sampling(fit)
    columns = ["values", "r_hat", "ess_bulk", "ess_tail", "divergences"]
    assert list(table.columns) == columns
    assert table["values"].to_dict() == {"mean": 1, "group_mean": 3}
    assert (table["r_hat"] < 1.01).all()
    assert (table[["ess_bulk", "ess_tail"]] > 3000).all(axis=None)
    assert (table["divergences"] == 0).all()


def test_the_table_shows_the_worst_of_each_variable():
    sticky = good_draws(3, seed=2)
    sticky[:, ::2, 1] = sticky[:, 1::2, 1]
    each = az.summary(fit_of(x=sticky), kind="diagnostics", round_to="none")
    table = pool.check_sampling(fit_of(x=sticky))
    assert table.loc["x", "ess_bulk"] == round(float(each["ess_bulk"].min()))
    assert table.loc["x", "ess_tail"] == round(float(each["ess_tail"].min()))
    assert table.loc["x", "r_hat"] == round(float(each["r_hat"].max()), 3)


def test_labels_with_brackets_stay_with_their_variable():
    fit = fit_of(
        x=good_draws(2), coords={"group": ["a [1]", "b"]}, dims={"x": ["group"]}
    )
    assert pool.check_sampling(fit)["values"].to_dict() == {"x": 2}


def test_chains_that_disagree_are_refused():
    apart = good_draws(seed=2) + np.arange(4)[:, np.newaxis]
    said = refusal(fit_of(fine=good_draws(), apart=apart))
    assert "did not converge: 1 of 2 values break a limit" in said
    assert "\n  apart: R-hat 1." in said
    assert "\n  fine" not in said


def test_too_few_effective_draws_are_refused():
    said = refusal(fit_of(x=good_draws()[:, :60]), max_rhat=1.5)
    assert "\n  x: R-hat" in said
    assert "bulk ESS 2" in said


def test_a_bad_tail_alone_is_refused():
    # The same sizes of tail in runs, signs mixed anew: bulk fine, tails sticky.
    rng = np.random.default_rng(3)
    size = np.repeat(np.abs(rng.normal(size=(4, 40))), 25, axis=1)
    fit = fit_of(x=size * rng.choice([-1, 1], size=DRAWS))
    bulk = float(az.ess(fit["posterior"], method="bulk")["x"])
    assert bulk > 400
    said = refusal(fit, max_rhat=np.inf)
    assert "tail ESS" in said


def test_divergences_are_refused_even_if_all_else_is_well():
    diverging = np.zeros(DRAWS, bool)
    diverging[2, 10:17] = True
    said = refusal(fit_of(x=good_draws(), diverging=diverging))
    assert "0 of 1 values break a limit" in said
    assert "7 divergences (none allowed)" in said


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_draws_that_are_no_numbers_are_refused(wrong):
    draws = good_draws(2)
    draws[0, 5, 1] = wrong
    said = refusal(fit_of(fine=good_draws(seed=2), slope=draws))
    assert said.startswith("1 of 8,000 draws of slope are not finite numbers")


def test_draws_that_never_move_are_refused():
    stuck = good_draws(2)
    stuck[:, :, 0] = 3.0
    said = refusal(fit_of(x=stuck))
    assert "\n  x[0]: never moves" in said
    assert "1 of 2 values" in said


def test_one_stuck_chain_is_refused():
    draws = good_draws()
    draws[1] = 0.1
    assert "R-hat" in refusal(fit_of(x=draws))


def test_one_chain_is_refused():
    assert "one chain" in refusal(fit_of(x=good_draws()[:1]))


def test_too_few_draws_for_r_hat_are_refused():
    assert "3 draws in each chain" in refusal(fit_of(x=good_draws()[:2, :3]))


def test_the_worst_are_named_first_and_the_others_counted():
    draws = good_draws(20)[:, :90]
    draws[..., 7] = np.repeat(draws[:, :9, 7], 10, axis=1)
    draws[..., 3] = 1.0
    lines = refusal(fit_of(x=draws)).split("\n")
    assert lines[1].startswith("  x[3]: never moves")
    assert lines[2].startswith("  x[7]:")
    assert len(lines) == 11
    bad = int(lines[0].split(": ")[1].split(" of ")[0])
    assert bad > 8
    assert lines[9] == f"  … and {bad - 8} more"


def test_only_the_named_variables_are_checked():
    fit = fit_of(x=good_draws(), stuck=np.ones(DRAWS), never=np.full(DRAWS, np.nan))
    assert list(pool.check_sampling(fit, ["x"]).index) == ["x"]
    assert list(pool.check_sampling(fit, var_names="x").index) == ["x"]
    assert "stuck" in refusal(fit, ["x", "stuck"])
    assert "never" in refusal(fit)


def test_the_limits_can_be_set():
    fit = fit_of(x=good_draws())
    pool.check_sampling(fit, min_ess=3000)
    refusal(fit, min_ess=5000)
    refusal(fit, max_rhat=1.0)


def test_a_value_on_the_limit_is_refused():
    each = az.summary(fit_of(x=good_draws()), kind="diagnostics", round_to="none")
    on_limit = each.assign(r_hat=1.01)
    with pytest.raises(pool.SamplingError):
        _refuse(on_limit, 0, 1.01, 400)
    _refuse(each.assign(r_hat=1.0099), 0, 1.01, 400)


@pytest.mark.parametrize(
    ("column", "value"),
    [("r_hat", 1.02), ("ess_bulk", 399), ("ess_tail", 399), ("r_hat", np.nan)],
)
def test_one_broken_limit_is_enough(column, value):
    fine = pd.DataFrame({"r_hat": [1.0], "ess_bulk": 2000.0, "ess_tail": 2000.0})
    _refuse(fine, 0, 1.01, 400)
    with pytest.raises(pool.SamplingError, match="1 of 1 values break a limit"):
        _refuse(fine.assign(**{column: value}), 0, 1.01, 400)


def test_a_fit_without_sampler_statistics_has_no_divergences_to_count():
    assert (pool.check_sampling(fit_of(x=good_draws()))["divergences"] == 0).all()


def test_reproducible_sampling_sets_the_flag():
    import pytensor

    before = pytensor.config.numba__fastmath
    try:
        pytensor.config.numba__fastmath = True
        pool.use_reproducible_sampling()
        assert pytensor.config.numba__fastmath is False
    finally:
        pytensor.config.numba__fastmath = before


# Real fits --------------------------------------------------------------------


def sample(model, **options):
    import pymc as pm

    with model:
        return pm.sample(
            chains=4, cores=1, progressbar=False, random_seed=1, quiet=True, **options
        )


@pytest.fixture(scope="module")
def pymc():
    pool.use_reproducible_sampling()
    return pytest.importorskip("pymc")


def test_a_real_fit_passes(pymc):
    table, _ = pool.simulate_groups(1, sizes=30, within_sd=0.5, seed=1)
    with pymc.Model() as model:
        mean = pymc.Normal("mean", 10, 1)
        within_sd = pymc.HalfNormal("within_sd", 1)
        pymc.Normal("y", mean, within_sd, observed=table["y"].to_numpy())
    table = pool.check_sampling(sample(model, draws=500, tune=500))
    assert list(table.index) == ["mean", "within_sd"]


def test_a_real_fit_with_divergences_is_refused(pymc):
    with pymc.Model() as funnel:
        log_sd = pymc.Normal("log_sd", 0, 3)
        pymc.Normal("group_mean", 0, pymc.math.exp(log_sd), shape=9)
    said = refusal(sample(funnel, draws=300, tune=300))
    count = int(said.split(" divergences")[0].split(", ")[-1])
    assert count > 0
    assert "\n  log_sd: R-hat" in said

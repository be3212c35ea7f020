"""Tests of what each row says of a fit: the log likelihood and predictive draws."""

import arviz as az
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.stats import norm

import partialpool as pool
from partialpool.exact import names
from tests.dense_models import table

FORMULA = "y ~ x + sex + (1|g) + (x|h)"


@pytest.fixture(scope="module")
def rows():
    return table(60)


@pytest.fixture(scope="module")
def judged(rows):
    posterior = pool.fit(FORMULA, rows, draws=2000, seed=1)
    return pool.compute_log_likelihood(posterior, rows, seed=2)


def test_each_row_has_its_density_in_each_draw(judged, rows):
    mean = pool.predict(judged, rows)["mean"]
    sigma = judged["posterior"]["sigma"].to_numpy()[..., None]
    density = norm.logpdf(rows["y"].to_numpy(), mean, sigma)
    np.testing.assert_allclose(judged["log_likelihood"]["y"], density, rtol=1e-12)
    np.testing.assert_array_equal(judged["observed_data"]["y"], rows["y"])


def test_outcomes_are_drawn_as_the_model_says(judged, rows):
    mean = pool.predict(judged, rows)["mean"].to_numpy()
    sigma = judged["posterior"]["sigma"].to_numpy()[..., None]
    standard = (judged["posterior_predictive"]["y"].to_numpy() - mean) / sigma
    assert abs(standard.mean()) < 4 / np.sqrt(standard.size)
    assert abs(standard.std() - 1) < 4 / np.sqrt(2 * standard.size)


def test_loo_is_what_refits_without_each_row_say():
    rows, _ = pool.simulate_groups(n_groups=12, seed=3)
    rows = rows.groupby("group").head(8).reset_index(drop=True)
    formula = "y ~ 1 + (1|group)"
    fit = pool.fit(formula, rows, draws=4000, seed=1)
    judged = pool.compute_log_likelihood(fit, rows, seed=1)
    loo = az.loo(judged, pointwise=True)
    assert float(loo.pareto_k.max()) < 0.5
    left_out = list(range(0, len(rows), 7))
    exact = []
    for i in left_out:
        without = pool.fit(formula, rows.drop(index=i), draws=4000, seed=1)
        mean = pool.predict(without, rows.loc[[i]])["mean"].to_numpy()[..., 0]
        sigma = without["posterior"]["sigma"].to_numpy()
        density = norm.pdf(rows.loc[i, "y"], mean, sigma)
        exact.append(np.log(density.mean()))
    np.testing.assert_allclose(loo.elpd_i.to_numpy()[left_out], exact, atol=0.03)


def test_a_weight_counts_a_row_so_many_times(rows):
    weights = np.arange(len(rows)) % 3 + 1.0
    weighted = rows.assign(w=weights)
    fit = pool.fit("weighted(y, w) ~ x + (1|g)", weighted, draws=400, seed=1)
    judged = pool.compute_log_likelihood(fit, weighted, seed=1)
    mean = pool.predict(fit, rows)["mean"]
    sigma = fit["posterior"]["sigma"].to_numpy()[..., None]
    density = weights * norm.logpdf(rows["y"].to_numpy(), mean, sigma)
    np.testing.assert_allclose(judged["log_likelihood"]["y"], density, rtol=1e-12)


def test_the_fit_is_left_as_it_was(rows):
    fit = pool.fit(FORMULA, rows, draws=40, seed=1)
    pool.compute_log_likelihood(fit, rows, seed=1)
    assert list(fit.children) == ["posterior"]


def test_a_seed_settles_the_draws(judged, rows):
    again = pool.compute_log_likelihood(judged, rows, seed=2)
    assert again["posterior_predictive"].equals(judged["posterior_predictive"])


def refusal(fit, rows):
    with pytest.raises(pool.TableError) as caught:
        pool.compute_log_likelihood(fit, rows)
    return str(caught.value)


def test_cells_are_refused(rows):
    cells = pool.collapse(rows, "y", ["sex", "g"])
    fit = pool.fit("y ~ sex + (1|g)", cells, draws=40, seed=1)
    assert "needs the rows themselves, and these are cells" in refusal(fit, cells)


def test_rows_must_fit(judged, rows):
    assert "'y' is not in the table" in refusal(judged, rows.drop(columns="y"))
    strange = rows.assign(g="new")
    assert "g holds new, which the fit has not seen" in refusal(judged, strange)
    assert "pandas DataFrame is needed" in refusal(judged, None)
    assert refusal(judged, rows.assign(y=np.nan)).startswith("Column 'y' is missing in")


@pytest.mark.parametrize("name", names.STEPS)
def test_an_outcome_called_like_a_dimension_is_refused(rows, name):
    rows = pd.DataFrame(rows).rename(columns={"y": name})
    fit = pool.fit(f"{name} ~ x + (1|g)", rows, draws=40, seed=1)
    assert f"The outcome is called {name}, as a dimension" in refusal(fit, rows)


# The log prior ------------------------------------------------------------------------

PRIORS = {
    "Intercept": pool.Prior("Normal", mu=9, sigma=2),
    "x": pool.Prior("Normal", mu=0.5, sigma=0.3),
    "sex": pool.Prior("Flat"),
    "1|g": pool.Prior("Normal", mu=0, sigma=pool.Prior("Exponential", lam=2)),
    "x|g": pool.Prior("Normal", mu=0, sigma=pool.Prior("HalfNormal", sigma=0.4)),
    "sigma": pool.Prior("HalfStudentT", nu=4, sigma=2),
}


@pytest.fixture(scope="module")
def with_prior():
    rows = table(200)
    rows = rows.assign(g=np.resize(list("abcdefghijkl"), 200))
    fit = pool.fit("y ~ x + sex + (x|g)", rows, PRIORS, 400, correlated=True, seed=1)
    return pool.compute_log_prior(fit), rows


def test_each_parameter_has_its_log_prior(with_prior):
    judged, rows = with_prior
    posterior, found = judged["posterior"], judged["log_prior"]
    centred = posterior["Intercept"] + rows["x"].mean() * posterior["x"]
    male = (rows["sex"] == "male").mean()
    centred = centred + male * posterior["sex"].isel(sex_dim=0)
    by_hand = {
        "Intercept": stats.norm.logpdf(centred, 9, 2),
        "x": stats.norm.logpdf(posterior["x"], 0.5, 0.3),
        "1|g_sigma": stats.expon.logpdf(posterior["1|g_sigma"], scale=0.5),
        "x|g_sigma": stats.halfnorm.logpdf(posterior["x|g_sigma"], scale=0.4),
        "sigma": stats.t.logpdf(posterior["sigma"], 4, scale=2),
        "g_correlation": np.log(1 - posterior["g_correlation"].to_numpy() ** 2),
    }
    assert set(by_hand) | {"sex"} == set(found.data_vars)
    for name, values in by_hand.items():
        assert np.ptp(found[name].to_numpy() - values) < 1e-9, name
        assert np.ptp(values) > 1e-3, name
    assert (found["sex"] == 0).all() and found["sex"].dims[-1] == "sex_dim"


def test_power_scaling_sees_a_prior_that_decides():
    rows, _ = pool.simulate_groups(n_groups=8, seed=3)
    rows = rows.groupby("group").head(6)
    formula = "y ~ 1 + (1|group)"

    def sensitivity(priors):
        fit = pool.fit(formula, rows, priors, 4000, seed=1)
        judged = pool.compute_log_likelihood(fit, rows, seed=1)
        names = ["Intercept", "sigma"]
        return az.psense_summary(pool.compute_log_prior(judged), var_names=names)

    assert (sensitivity(None)["prior"] < 0.05).all()
    far = {"Intercept": pool.Prior("Normal", mu=12, sigma=0.3)}
    found = sensitivity(far)
    assert found.loc["Intercept", "prior"] > 0.1
    assert found.loc["Intercept", "diagnosis"].startswith("potential")


def test_power_scaling_is_what_a_refit_says():
    # A normal prior to the power a has its variance divided by a.
    rows, _ = pool.simulate_groups(n_groups=8, seed=3)
    rows = rows.groupby("group").head(6)

    def fit(sd):
        priors = {"Intercept": pool.Prior("Normal", mu=11, sigma=sd)}
        return pool.fit("y ~ 1 + (1|group)", rows, priors, 20_000, seed=1)

    judged = pool.compute_log_prior(fit(0.3))
    log = judged["log_prior"]["Intercept"].to_numpy()
    weight = np.exp(0.25 * (log - log.max()))
    reweighed = np.average(judged["posterior"]["Intercept"], weights=weight)
    again = fit(0.3 / np.sqrt(1.25))["posterior"]["Intercept"]
    assert reweighed == pytest.approx(
        float(again.mean()), abs=0.05 * float(again.std())
    )


def test_cells_have_a_log_prior_too(rows):
    cells = pool.collapse(rows, "y", ["sex", "g"])
    fit = pool.fit("y ~ sex + (1|g)", cells, draws=40, seed=1)
    assert "sigma" in pool.compute_log_prior(fit)["log_prior"]


def test_a_fit_of_another_package_has_none():
    strange = az.from_dict({"posterior": {"a": np.zeros((4, 10))}})
    with pytest.raises(ValueError, match=r"does not come from pool\.fit"):
        pool.compute_log_prior(strange)

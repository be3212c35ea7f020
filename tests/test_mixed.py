"""Mixed: penalised least squares, against dense algebra, MixedLM and the posterior."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

import partialpool as pool
from partialpool.chapters.mixed import FREE, OUT, Solved, add_up, choose, make_design


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(1)
    rows = pd.DataFrame({"a": rng.integers(0, 12, 600), "b": rng.integers(0, 40, 600)})
    rows["x"] = rng.normal(size=600)
    effect = rng.normal(0, 0.5, 12)[rows["a"]] + rng.normal(0, 0.3, 40)[rows["b"]]
    rows["y"] = 2 + 0.4 * rows["x"] + effect + rng.normal(0, 0.6, 600)
    return rows.assign(a="a" + rows["a"].astype(str), b="b" + rows["b"].astype(str))


@pytest.fixture(scope="module")
def design(table):
    return make_design(table, ["x"], ["a", "b"])


@pytest.fixture(scope="module")
def sums(design, table):
    return add_up(design, table["y"].to_numpy())


def hat(design, logs):
    """The matrix that turns outcomes into fitted values, the long way."""
    z = np.hstack([design.x, design.last.toarray()])
    family = np.append(design.family, np.full(design.last.shape[1], 2))
    penalty = np.append(0, np.exp(logs))[family]
    inverse = np.linalg.inv(z.T @ z + np.diag(penalty))
    return z, inverse


def test_a_free_fit_is_that_of_statsmodels(table, design, sums):
    solved = Solved(sums, FREE)
    dense = smf.ols("y ~ x + a + b", table).fit()
    mean, relative = solved.expect(design)
    said = dense.get_prediction()
    assert mean == pytest.approx(said.predicted_mean, abs=1e-3)
    sd = solved.sigma(penalised=False) * np.sqrt(relative)
    assert sd == pytest.approx(said.se_mean, rel=1e-3)
    assert solved.edf == pytest.approx(dense.df_model + 1, abs=0.01)


def test_a_family_left_out_has_no_effect(table, design, sums):
    solved = Solved(sums, [FREE, OUT])
    dense = smf.ols("y ~ x + a", table).fit()
    assert solved.fitted(design) == pytest.approx(dense.fittedvalues, abs=1e-3)
    gap = Solved(sums, [FREE, FREE]).aic() - solved.aic()
    both = smf.ols("y ~ x + a + b", table).fit()
    assert gap == pytest.approx(both.aic - dense.aic, abs=0.05)


def test_ridge_is_that_of_dense_algebra(table, design, sums):
    logs = np.array([1.0, 3.0])
    solved = Solved(sums, logs)
    z, inverse = hat(design, logs)
    y = table["y"].to_numpy()
    middle = y.mean()
    fitted = z @ inverse @ z.T @ (y - middle) + middle
    assert solved.fitted(design) == pytest.approx(fitted, abs=1e-6)
    trace = np.trace(inverse @ z.T @ z)
    assert solved.edf == pytest.approx(trace, abs=1e-5)
    assert solved.rss == pytest.approx(np.sum((y - fitted) ** 2), rel=1e-8)
    score = solved.rss / (600 - trace) ** 2
    assert solved.cross_validated() == pytest.approx(600 * np.log(score), rel=1e-8)


def test_an_average_is_expected_as_its_rows_are(design, sums):
    solved = Solved(sums, [1.0, 3.0])
    over = np.zeros((2, 600))
    over[0, [3, 5, 8]], over[1, :50] = 1 / 3, 1 / 50
    from scipy import sparse

    mean, relative = solved.expect(design, sparse.csr_array(over))
    z, inverse = hat(design, solved.logs)
    assert mean == pytest.approx(over @ solved.fitted(design))
    w = over @ z
    assert relative == pytest.approx(np.sum((w @ inverse) * w, 1), rel=1e-5)


def test_a_weight_of_two_is_a_row_twice(table, design):
    y, twice = table["y"].to_numpy(), np.r_[np.arange(600), np.arange(100)]
    weight = np.where(np.arange(600) < 100, 2.0, 1.0)
    one = Solved(add_up(design, y, weight), 2.0)
    two = Solved(add_up(design.take(twice), y[twice]), 2.0)
    assert one.fitted(design) == pytest.approx(two.fitted(design))


def test_slopes_are_those_of_the_restricted_likelihood(sums):
    at, step = np.array([0.5, 2.5]), 1e-5
    rise = [
        Solved(sums, at + e).restricted() - Solved(sums, at - e).restricted()
        for e in step * np.eye(2)
    ]
    assert Solved(sums, at).slopes() == pytest.approx(np.array(rise) / (2 * step))


def test_reml_is_that_of_statsmodels(table, design, sums):
    solved = choose(sums, Solved.restricted, 2)
    crossed = {"a": "0 + C(a)", "b": "0 + C(b)"}
    dense = sm.MixedLM.from_formula(
        "y ~ x", table, groups=np.ones(600), vc_formula=crossed
    ).fit(method=["powell", "lbfgs"])
    sigma = solved.sigma(penalised=True)
    spreads = sigma * np.exp(-solved.logs / 2)
    assert sigma == pytest.approx(np.sqrt(dense.scale), rel=0.002)
    assert spreads == pytest.approx(np.sqrt(dense.vcomp), rel=0.01)
    assert solved.b[1] == pytest.approx(dense.fe_params["x"], abs=1e-4)
    error = sigma * np.sqrt(solved.inverse[1, 1])
    assert error == pytest.approx(dense.bse_fe["x"], rel=0.005)
    assert solved.fitted(design) == pytest.approx(dense.fittedvalues, abs=0.003)


def test_reml_agrees_with_the_posterior(table, design, sums):
    solved = choose(sums, Solved.restricted, 2)
    posterior = pool.fit("y ~ x + (1|a) + (1|b)", table, draws=1000, seed=1)
    mean = pool.predict(posterior, table, seed=1)["mean"]
    apart = mean.mean(["chain", "draw"]).to_numpy() - solved.fitted(design)
    assert np.sqrt(np.mean(apart**2)) < 0.01
    sd = solved.sigma(penalised=True) * np.sqrt(solved.expect(design)[1])
    assert sd == pytest.approx(mean.std(["chain", "draw"]).to_numpy(), rel=0.12)

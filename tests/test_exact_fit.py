"""Tests of fit: the posterior that NUTS, a grid and lme4 find, and refusals."""

import json
from functools import cache
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_allclose
from scipy import stats

import partialpool as pool
from benchmarks.agreement import REFERENCES, compare, read_reference
from benchmarks.shapes import SHAPES
from partialpool.exact import importance
from tests.dense_models import (
    GROUPS,
    cells_of,
    dense_model,
    effects,
    fit,
    half,
    posterior_of,
    table,
)


@pytest.fixture(autouse=True)
def no_clock(monkeypatch):
    """However slow the machine, make each draw by itself."""
    monkeypatch.setattr(import_module("partialpool.exact.fit"), "DEAR", np.inf)


# The same posterior as others find ---------------------------------------------


@cache
def errors_of(name):
    """Compare a fit with its reference: differences in standard errors."""
    shape, reference = SHAPES[name], read_reference(name)
    assert reference["formula"] == shape.formula
    posterior = posterior_of(
        shape.formula,
        shape.make(),
        shape.priors and shape.priors(),
        draws=20_000,
        correlated=shape.correlated,
    )
    names = set(reference["parameters"]["variable"])
    assert names == set(posterior.data_vars)
    z = compare(posterior, reference["parameters"])
    assert len(z) == sum(posterior[name][0, 0].size for name in names)
    return z


# The numbers of one fit move together, so that the errors of some shapes are large
# or small as a whole; of some 5,000 errors the largest is usually near 4.
@pytest.mark.parametrize("name", SHAPES)
def test_the_posterior_is_that_of_row_level_nuts(name):
    errors = errors_of(name).abs().stack()
    assert errors.max() < 5.2, f"{errors.idxmax()}: {errors.max():.1f} standard errors"
    assert np.sqrt((errors**2).mean()) < 1.9


def test_all_posteriors_together_are_as_near_to_nuts_as_chance_allows():
    squares = {name: (errors_of(name) ** 2).mean().mean() for name in SHAPES}
    assert 0.7 < np.mean(list(squares.values())) < 1.35, squares


def by_grid(grids, density):
    """Mean, sd, 5% and 95% quantile of each axis of a grid, by its sums."""
    mesh = np.meshgrid(*grids, indexing="ij")
    points = np.stack([axis.ravel() for axis in mesh], axis=1)
    log_density = np.array([density(point) for point in points])
    mass = np.exp(log_density - log_density.max()).reshape(mesh[0].shape)
    found = []
    for i, grid in enumerate(grids):
        margin = mass.sum(tuple(j for j in range(len(grids)) if j != i))
        margin /= margin.sum()
        assert margin[-1] < 1e-4, "the grid ends too early"
        mean = grid @ margin
        sd = np.sqrt((grid - mean) ** 2 @ margin)
        step = grid[1] - grid[0]
        edges = np.append(0, np.cumsum(margin))
        ends = np.append(grid[0] - step / 2, grid + step / 2)
        quantiles = np.interp([0.05, 0.95], edges, ends)
        found.append([mean, sd, *quantiles])
    return np.array(found)


def dense_density(rows, formula, common, scales):
    """Density of sigma and the sds given tiny data, with the covariance in full."""
    dense = dense_model(formula, rows)
    y = dense.y - rows["y"].mean()
    known = dense.common @ np.diag(np.square(common)) @ dense.common.T
    parts = [z[:, :, 0] @ z[:, :, 0].T for z in dense.factors]

    def density(sds):
        covariance = known + sds[0] ** 2 * np.eye(len(y))
        for part, sd in zip(parts, sds[1:], strict=True):
            covariance = covariance + sd**2 * part
        factor = np.linalg.cholesky(covariance)
        residual = np.linalg.solve(factor, y)
        prior = -0.5 * ((np.array(sds) / scales) ** 2).sum()
        return prior - np.log(np.diag(factor)).sum() - 0.5 * residual @ residual

    return density


@pytest.mark.parametrize(
    ("formula", "names", "points"),
    [
        ("y ~ x + (1|g)", ["sigma", "1|g_sigma"], 90),
        ("y ~ x + (1|g) + (1|h)", ["sigma", "1|g_sigma", "1|h_sigma"], 28),
    ],
)
def test_the_sds_are_those_of_a_dense_grid(formula, names, points):
    rows = table(24)
    scales = np.array([3.0, 2.0, 1.5])[: len(names)]
    priors = {
        "Intercept": pool.Prior("Normal", mu=rows["y"].mean(), sigma=5),
        "x": pool.Prior("Normal", mu=0, sigma=1),
        "sigma": half(3),
        "1|g": effects(2),
    }
    priors |= {"1|h": effects(1.5)} if "1|h_sigma" in names else {}
    posterior = posterior_of(formula, rows, priors, draws=40_000)
    # Midpoints, so that sums are integrals; sigma is far from 0.
    ends = [(0.9, 5.5), (0, 8), (0, 6.5)][: len(names)]
    grids = [
        low + (np.arange(points) + 0.5) * (high - low) / points for low, high in ends
    ]
    known = by_grid(grids, dense_density(rows, formula, [5, 1], scales))
    for name, (mean, sd, low, high) in zip(names, known, strict=True):
        draws = posterior[name].to_numpy().ravel()
        error = sd / np.sqrt(len(draws))
        assert draws.mean() == pytest.approx(mean, abs=5 * error + 0.002)
        assert draws.std() == pytest.approx(sd, rel=0.03)
        assert_allclose(
            [(draws < low).mean(), (draws < high).mean()], [0.05, 0.95], atol=0.008
        )


LME4 = json.loads((REFERENCES / "lme4.json").read_text(encoding="utf-8"))["fits"]


@pytest.mark.parametrize("name", LME4)
def test_reml_estimates_lie_in_the_middle_of_the_posterior(name):
    known, shape = LME4[name], SHAPES[name]
    rows = shape.make()
    posterior = posterior_of(
        shape.formula, rows, draws=4000, correlated=shape.correlated
    )
    for term, fixed in known["fixed"].items():
        draws = common_draws(posterior, term)
        assert draws.mean() == pytest.approx(fixed["estimate"], abs=0.12 * fixed["se"])
        assert draws.std() == pytest.approx(fixed["se"], rel=0.15)
    for variable, estimate in (known["sds"] | {"sigma": known["sigma"]}).items():
        draws = posterior[variable].to_numpy().ravel()
        # A mode is left of the middle where the posterior is skewed, not far.
        assert abs(np.median(draws) - estimate) < 0.6 * draws.std(), variable
    for variable, estimate in known["correlations"].items():
        # Drawn to 0 by their prior.
        low, high = posterior[variable].quantile([0.5, 0.95])
        assert low < estimate < high, variable


def common_draws(posterior, term):
    """Draws of a coefficient by the name that R gives it."""
    if term == "(Intercept)":
        return posterior["Intercept"].to_numpy()
    name = next(n for n in ("sex", "prior", "x") if term.startswith(n))
    draws = posterior[name]
    if level := term.removeprefix(name):
        draws = draws.sel({f"{name}_dim": level})
    return draws.to_numpy()


def test_a_model_without_groups_is_the_conjugate_regression():
    rows = table()
    priors = {"common": pool.Prior("Flat"), "sigma": half(1e6)}
    posterior = posterior_of("y ~ x + sex", rows, priors, draws=20_000)
    ols = np.linalg.lstsq(dense_model("y ~ x + sex", rows).common, rows["y"])
    assert posterior["x"].mean() == pytest.approx(ols[0][1], abs=0.01)
    # With a flat prior of sigma, its square is scaled inverse chi-square.
    degrees = len(rows) - 3 - 1
    known = np.sqrt(ols[1][0] / stats.chi2(degrees).ppf([0.95, 0.5, 0.05]))
    found = posterior["sigma"].quantile([0.05, 0.5, 0.95])
    assert_allclose(found, known, rtol=0.005)


# Rows and cells ------------------------------------------------------------------


def test_cells_and_rows_give_the_same_draws():
    rows = table(400)
    formula = "y ~ x * sex + (x|g) + (1|h)"
    cells = cells_of(rows, ["sex", "g", "h"], ["x"])
    a, b = fit(formula, rows), fit(formula, cells)
    # The same but for rounding, which must not sway the copies of a draw.
    for name in a["posterior"].data_vars:
        assert_allclose(a["posterior"][name], b["posterior"][name], atol=1e-4)
    assert a.attrs["rows"] == b.attrs["rows"] == 400


def test_a_row_that_counts_twice_is_two_rows():
    rows = table()
    priors = {
        "common": pool.Prior("Normal", mu=3, sigma=5),
        "group_specific": effects(2),
        "sigma": half(2),
    }
    rows["w"] = np.random.default_rng(1).integers(1, 4, len(rows))
    many = rows.loc[rows.index.repeat(rows["w"])]
    weighted = posterior_of("weighted(y, w) ~ 0 + x + (1|g)", rows, priors)
    repeated = posterior_of("y ~ 0 + x + (1|g)", many, priors)
    for name in repeated.data_vars:
        assert_allclose(weighted[name], repeated[name], atol=1e-4)


# What does not matter ---------------------------------------------------------


def test_a_seed_settles_every_draw():
    a, b, c = (fit(seed=seed) for seed in (1, 1, 2))
    assert a.identical(b)
    assert not a["posterior"].equals(c["posterior"])
    first = fit(seed=np.random.default_rng(1))
    assert first.identical(a)


def test_the_table_is_left_as_it_was():
    rows = table()
    before = rows.copy(deep=True)
    fit("weighted(y, w) ~ scale(x) + offset(z) + C(year) + (1|g)", rows)
    pd.testing.assert_frame_equal(rows, before)


def test_the_index_and_order_of_columns_do_not_matter():
    rows = table()
    other = rows.reset_index(drop=True)[rows.columns[::-1]]
    assert fit(rows=rows).identical(fit(rows=other))
    assert fit(rows=rows).identical(fit(rows=rows.set_index("w", drop=False)))


def test_levels_that_do_not_occur_do_not_matter():
    rows = table()
    wide = rows.assign(
        g=pd.Categorical(rows["g"], [*"zfedcba"]),
        sex=pd.Categorical(rows["sex"], ["other", "male", "female"]),
    )
    formula = "y ~ sex + (1|g)"
    a, b = posterior_of(formula, rows), posterior_of(formula, wide)
    xr.testing.assert_identical(a, b)


def test_the_functions_of_the_caller_are_found():
    def double(values):
        return 2 * values

    a, b = posterior_of("y ~ x"), pool.fit("y ~ double(x)", table(), draws=400, seed=1)
    assert_allclose(a["x"], 2 * b["posterior"]["double(x)"], rtol=1e-6)
    new = pool.predict(b, table(), seed=1)
    known = pool.predict(fit("y ~ x"), table(), seed=1)
    assert_allclose(new["mean"], known["mean"], rtol=1e-6)


@pytest.mark.filterwarnings("ignore:.*LKJ prior:partialpool.StructureWarning")
def test_more_concentration_draws_correlations_to_zero():
    rows = table(60)
    loose, tight = (
        posterior_of("y ~ (x|g)", rows, correlated=True, lkj=eta, draws=2000)
        for eta in (0.7, 30.0)
    )
    assert tight["g_correlation"].std() < 0.3 < loose["g_correlation"].std()


def test_a_scale_of_the_outcome_scales_the_posterior():
    # Earnings in pounds, as well as in thousands.
    rows = table()
    a = posterior_of("y ~ x + (1|g)", rows)
    b = posterior_of("y ~ x + (1|g)", rows.assign(y=1000 * rows["y"]))
    for name in a.data_vars:
        assert_allclose(1000 * a[name], b[name], rtol=2e-3, atol=2)


# Where importance sampling does not suit -----------------------------------------


def test_uneven_weights_are_said_and_the_slower_method_agrees(monkeypatch):
    priors = {"1|g": effects(1)}
    quick = posterior_of(GROUPS, priors=priors, draws=2000)
    monkeypatch.setattr(importance, "pareto_k", lambda log_weights: 0.9)
    with pytest.warns(pool.SlowerMethodWarning, match="uneven.*Metropolis"):
        slow = fit(GROUPS, priors=priors, draws=2000)
    assert slow.attrs["method"] == "metropolis"
    for name in ("sigma", "1|g_sigma", "Intercept", "x"):
        a, b = quick[name].to_numpy().ravel(), slow["posterior"][name].values.ravel()
        assert stats.ks_2samp(a, b).pvalue > 1e-4, name


def test_the_way_of_drawing_is_said():
    attrs = fit().attrs
    assert attrs["method"] == "importance"
    assert attrs["effective_draws"] == 400
    assert attrs["pareto_k"] < 0.7
    assert attrs["formula"] == GROUPS
    assert attrs["rows"] == 120


# Refusals --------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["bernoulli", "t", "poisson"])
def test_families_without_a_closed_form_are_refused(family):
    with pytest.raises(pool.FormulaError, match=f"The family {family} has no closed"):
        fit(family=family)


def test_the_gaussian_family_goes_by_two_names():
    assert fit(family="Gaussian").identical(fit(family="normal"))


@pytest.mark.parametrize(
    "draws", [0, 2, 6, 4001, 4.5, -4, "1000", None, True, [400], np.nan, np.inf]
)
def test_draws_that_do_not_fill_four_chains_are_refused(draws):
    with pytest.raises(ValueError) as caught:
        fit(draws=draws)
    assert str(caught.value) == (
        f"draws is {draws!r}: give a multiple of 4 above 0, since they come in 4 "
        "chains."
    )


@pytest.mark.parametrize("lkj", [0, -1.0, np.nan, "2"])
def test_an_impossible_concentration_is_refused(lkj):
    with pytest.raises(ValueError, match="give a number above 0"):
        fit(lkj=lkj)


def test_a_posterior_that_does_not_exist_is_refused():
    flat = {"common": pool.Prior("Flat")}
    with pytest.raises(ValueError, match=r"could not be drawn.*every prior proper\?"):
        fit("y ~ 0 + x", table().assign(x=0.0), flat)


@pytest.mark.filterwarnings("ignore::partialpool.exact.SlowerMethodWarning")
@pytest.mark.parametrize("formula", ["y ~ x", "y ~ x + (1|g)"])
def test_an_outcome_that_leaves_no_remainder_is_refused(formula):
    rows = table().assign(y=lambda rows: 1 + 2 * rows["x"])
    said = r"y without remainder|of y remain that it does not explain"
    with pytest.raises(ValueError, match=said):
        fit(formula, rows)


def test_two_groups_of_one_name_are_refused():
    rows = pd.DataFrame({"a": ["p:q", "p"] * 9, "b": ["r", "q:r"] * 9, "y": range(18)})
    with pytest.raises(ValueError, match="a:b would both be called p:q:r"):
        fit("y ~ 1 + (1|a:b)", rows)


def test_a_model_of_one_factor_alone_keeps_quiet(capfd):
    posterior = posterior_of("y ~ 0 + (1|g)")
    assert set(posterior) == {"1|g", "1|g_sigma", "sigma"}
    # LAPACK complains past Python.
    assert capfd.readouterr() == ("", "")

"""Tests of fit and predict: the posterior that NUTS, a grid and lme4 find."""

import json
from functools import cache

import arviz as az
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_allclose
from scipy import stats

import partialpool as pool
from benchmarks import calibration
from benchmarks.agreement import REFERENCES, compare, read_reference
from benchmarks.shapes import SHAPES
from partialpool.exact import importance
from tests.dense_models import cells_of, dense_model, table

GROUPS = "y ~ x + (1|g)"


def fit(formula=GROUPS, rows=None, priors=None, draws=400, *, seed=1, **options):
    rows = table() if rows is None else rows
    return pool.fit(formula, rows, priors, draws, seed=seed, **options)


def posterior_of(*args, **options):
    return fit(*args, **options)["posterior"].to_dataset()


def half(size):
    return pool.Prior("HalfNormal", sigma=size)


def effects(size):
    return pool.Prior("Normal", mu=0, sigma=half(size))


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


# What comes back -----------------------------------------------------------------


def test_arviz_takes_what_comes_back():
    found = fit("y ~ x + sex + (x|g) + (1|h)", draws=4000)
    summary = az.summary(found, kind="all", ci_prob=0.9, ci_kind="eti")
    assert (summary["r_hat"].astype(float) < 1.01).all()
    assert float(az.rhat(found)["sigma"]) < 1.01
    assert float(az.ess(found)["sigma"]) > 2000
    checked = pool.check_sampling(found, min_ess=1000)
    assert list(checked.index) == list(found["posterior"].data_vars)


def test_variables_have_the_names_and_dimensions_of_bambi():
    found = fit("y ~ x + prior + (prior|g) + (1|g:h)", draws=40)
    dims = {name: values.dims[2:] for name, values in found["posterior"].items()}
    assert dims == {
        "Intercept": (),
        "x": (),
        "prior": ("prior_dim",),
        "sigma": (),
        "1|g": ("g__factor_dim",),
        "prior|g": ("g__factor_dim", "prior__expr_dim"),
        "1|g:h": ("g:h__factor_dim",),
        "1|g_sigma": (),
        "prior|g_sigma": ("prior__expr_dim",),
        "1|g:h_sigma": (),
    }
    coords = found["posterior"].coords
    assert coords["prior_dim"].to_numpy().tolist() == ["q2", "q3"]
    assert coords["g__factor_dim"].to_numpy().tolist() == list("abcdef")
    pairs = table()[["g", "h"]].astype(str).agg(":".join, axis=1)
    assert set(coords["g:h__factor_dim"].to_numpy()) == set(pairs)


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ x + prior + (prior|g) + (1|g:h)",
        "y ~ 0 + sex + (0 + sex|g)",
        "y ~ sex:prior + (x|g) + (1|h)",
        "y ~ flag + band + C(year) + (1|year)",
        "y ~ scale(x):sex + x:z + (scale(x)|g)",
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_bambi_has_the_same_variables_dimensions_and_labels(formula):
    import bambi

    model = bambi.Model(formula, table())
    model.build()
    theirs = model.backend.model
    found = posterior_of(formula, draws=4)
    names = {v.name for v in theirs.free_RVs + theirs.deterministics}
    names = {n for n in names if not n.endswith("_offset")} - {"mu"}
    assert set(found.data_vars) == names
    for name in names:
        dims = theirs.named_vars_to_dims.get(name) or ()
        assert set(found[name].dims[2:]) == set(dims), name
        for dim in dims:
            labels = [str(label) for label in theirs.coords[dim]]
            assert set(found[dim].to_numpy().astype(str)) <= set(labels)
            if ":" not in dim:
                assert found[dim].to_numpy().astype(str).tolist() == labels


def test_a_fit_can_be_stored_and_read_again(tmp_path):
    pytest.importorskip("h5netcdf", reason="needed to store a fit")
    found = fit("y ~ x + (x|g) + (1|year)", correlated=True)
    found.to_netcdf(tmp_path / "fit.nc")
    with xr.open_datatree(tmp_path / "fit.nc") as again:
        assert again.attrs == found.attrs
        xr.testing.assert_equal(
            again["posterior"].to_dataset(), found["posterior"].to_dataset()
        )
        rows = table()[:5].drop(columns="y")
        a, b = (pool.predict(f, rows, seed=2) for f in (again, found))
        xr.testing.assert_equal(a, b)


def test_what_is_said_of_a_fit_is_plain_text_and_numbers():
    attrs = fit("y ~ scale(x) + (x|g) + (1|year)").attrs
    assert json.loads(json.dumps(attrs)) == attrs
    assert {type(value) for value in attrs.values()} == {str, float, int}


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


def test_an_ordered_category_keeps_its_order():
    found = posterior_of("y ~ band + (1|g)")
    assert found["band_dim"].to_numpy().tolist() == ["mid", "high"]


@pytest.mark.parametrize(
    "formula",
    ["y ~ 1", "y ~ x", "y ~ 0 + x", "y ~ 0 + (1|g)", "y ~ (1|g)", "y ~ 0 + (x|g)"],
)
def test_small_formulas_have_their_variables_only(formula):
    found = posterior_of(formula, draws=8)
    parts = formula.split("~")[1].replace("(", "").replace(")", "")
    assert ("Intercept" in found) == ("0 +" not in formula)
    assert ("x" in found) == ("x" in parts.split("|")[0] and "|" not in parts)
    assert ("1|g_sigma" in found) == ("|g" in parts)


def test_groups_of_one_row_each_are_drawn():
    rows = table(12).assign(g=[f"g{i}" for i in range(12)])
    found = posterior_of("y ~ (1|g)", rows)
    assert found["1|g"].shape == (4, 100, 12)
    assert np.isfinite(found["1|g"]).all()


def test_there_are_as_many_draws_as_asked_for():
    found = posterior_of(draws=12)
    assert (found.sizes["chain"], found.sizes["draw"]) == (4, 3)


def test_the_functions_of_the_caller_are_found():
    def double(values):
        return 2 * values

    a, b = posterior_of("y ~ x"), pool.fit("y ~ double(x)", table(), draws=400, seed=1)
    assert_allclose(a["x"], 2 * b["posterior"]["double(x)"], rtol=1e-6)
    new = pool.predict(b, table(), seed=1)
    known = pool.predict(fit("y ~ x"), table(), seed=1)
    assert_allclose(new["mean"], known["mean"], rtol=1e-6)


def test_correlations_are_drawn_where_asked_for():
    rows = table(400)
    assert "g_correlation" not in posterior_of("y ~ (x|g)", rows)
    two = posterior_of("y ~ (x|g)", rows, correlated=True)
    assert two["g_correlation"].dims == ("chain", "draw")
    three = posterior_of("y ~ (prior|h) + (1|g)", rows, correlated=True)
    assert three["h_correlation"].shape == (4, 100, 3)
    assert (np.abs(three["h_correlation"]) < 1).all()
    assert "g_correlation" not in three


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
    quick = posterior_of(GROUPS, priors=priors, draws=8000)
    monkeypatch.setattr(importance, "pareto_k", lambda log_weights: 0.9)
    with pytest.warns(pool.SlowerMethodWarning, match="uneven.*Metropolis"):
        slow = fit(GROUPS, priors=priors, draws=8000)
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


# Predictions ------------------------------------------------------------------------


def by_hand(posterior, rows):
    """Mean of each row for the model of `wide_fit`, term by term."""
    male = (rows["sex"] == "male").to_numpy()
    x = rows["x"].to_numpy()
    common = (
        posterior["Intercept"].to_numpy()[..., None]
        + posterior["x"].to_numpy()[..., None] * x
        + posterior["sex"].to_numpy() * male
        + rows["z"].to_numpy()
    )
    group = posterior.sel(g__factor_dim=rows["g"].tolist())
    pair = (rows["g"] + ":" + rows["h"].astype(str)).tolist()
    mean = common + group["1|g"].to_numpy() + group["x|g"].to_numpy() * x
    return common, mean + posterior["1|g:h"].sel({"g:h__factor_dim": pair}).to_numpy()


@pytest.fixture(scope="module")
def wide_fit():
    return fit("y ~ x + sex + offset(z) + (x|g) + (1|g:h)", draws=4000)


def test_seen_groups_have_their_posterior(wide_fit):
    rows = table()[:9]
    found = pool.predict(wide_fit, rows, seed=1)
    common, mean = by_hand(wide_fit["posterior"].to_dataset(), rows)
    assert_allclose(found["population"], common)
    assert_allclose(found["mean"], mean)
    assert found["row"].to_numpy().tolist() == rows.index.tolist()
    assert found["mean"].dims == ("chain", "draw", "row")


def test_individuals_vary_by_sigma_around_their_mean(wide_fit):
    found = pool.predict(wide_fit, table()[:9], seed=1)
    sigma = wide_fit["posterior"]["sigma"].to_numpy()[..., None]
    noise = ((found["outcome"] - found["mean"]).to_numpy() / sigma).ravel()
    assert stats.kstest(noise, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(noise.reshape(-1, 9).T)[0, 1]) < 0.1


def test_new_rows_need_no_outcome_and_no_more_columns_than_named(wide_fit):
    rows = table()[["h", "g", "z", "sex", "x"]][:3]
    assert pool.predict(wide_fit, rows, seed=1).sizes["row"] == 3


@pytest.mark.parametrize("kinds", [(int, float), (float, int), ("int8", "int64")])
def test_whole_numbers_of_every_kind_name_the_same_groups(kinds):
    seen, new = kinds
    rows = table().assign(g=lambda rows: pd.factorize(rows["g"])[0].astype(seen))
    again = rows[:9].astype({"g": new})
    found = fit("y ~ 1 + (1|g) + (1|g:h)", rows)
    means = [pool.predict(found, one, seed=1)["mean"] for one in (rows[:9], again)]
    assert_allclose(*means)


def test_unseen_groups_are_refused(wide_fit):
    rows = table()[:3].assign(g=["new", "a", "new"])
    with pytest.raises(ValueError, match="g holds new, which the fit has not seen: "):
        pool.predict(wide_fit, rows)
    with pytest.raises(ValueError, match="choose 'refuse' or 'draw'"):
        pool.predict(wide_fit, rows, unseen="guess")


def test_rows_of_one_new_group_share_its_effect():
    found = fit("y ~ (1|g)", draws=4000)
    rows = pd.DataFrame({"g": ["newer", "new", "new", "a", "newer"]})
    new = pool.predict(found, rows, unseen="draw", seed=1)
    shared = (new["mean"] - new["population"]).to_numpy()
    assert_allclose(shared[..., 0], shared[..., 4])
    assert_allclose(shared[..., 1], shared[..., 2])
    sds = found["posterior"]["1|g_sigma"].to_numpy()
    scaled = (shared[..., :2] / sds[..., None]).reshape(-1, 2)
    assert stats.kstest(scaled[:, 0], "norm").pvalue > 1e-3
    assert abs(np.corrcoef(scaled.T)[0, 1]) < 0.06
    assert_allclose(shared[..., 3], found["posterior"]["1|g"][..., 0], atol=1e-10)


def test_slopes_of_a_new_group_correlate_as_the_fit_says():
    rows = table(400)
    tilt = rows["g"].map(dict(zip("abcdef", (-3, -2, -1, 1, 2, 3), strict=True)))
    rows["y"] += tilt * (1 + rows["x"])
    found = fit("y ~ x + (x|g)", rows, draws=4000, correlated=True)
    new = pd.DataFrame({"g": ["new"] * 2, "x": [0.0, 1.0]})
    mean = pool.predict(found, new, unseen="draw", seed=1)
    ends = (mean["mean"] - mean["population"]).to_numpy()
    posterior = found["posterior"].to_dataset()
    base = ends[..., 0] / posterior["1|g_sigma"].to_numpy()
    slope = (ends[..., 1] - ends[..., 0]) / posterior["x|g_sigma"].to_numpy()
    rho = posterior["g_correlation"].to_numpy()
    assert rho.mean() > 0.4
    assert (base * slope).mean() == pytest.approx(rho.mean(), abs=0.08)
    left = (slope - rho * base) / np.sqrt(1 - rho**2)
    assert stats.kstest(left.ravel(), "norm").pvalue > 1e-3


def test_a_new_pair_of_known_groups_is_new():
    rows = table()
    rows = rows[~((rows["g"] == "a") & (rows["h"] == 20))]
    found = fit("y ~ (1|g) + (1|g:h)", rows)
    new = pd.DataFrame({"g": ["a"], "h": [20]})
    with pytest.raises(ValueError, match="g:h holds a:20, which"):
        pool.predict(found, new)
    drawn = pool.predict(found, new, unseen="draw", seed=1)
    assert drawn["mean"].std() > drawn["population"].std()


def test_levels_of_a_category_must_have_been_seen(wide_fit):
    rows = table()[:3].assign(sex="other")
    with pytest.raises(ValueError, match="sex holds other, which the fit has not se"):
        pool.predict(wide_fit, rows, unseen="draw")


def test_columns_must_be_there_and_complete(wide_fit):
    rows = table()[:3]
    with pytest.raises(ValueError, match="The new rows have no column z, which"):
        pool.predict(wide_fit, rows.drop(columns="z"))
    with pytest.raises(ValueError, match="x is missing in 1 of the new rows"):
        pool.predict(wide_fit, rows.assign(x=[1.0, np.nan, 2.0]))
    with pytest.raises(ValueError, match="a table of 0 rows: give at least one row"):
        pool.predict(wide_fit, rows[:0])


@pytest.mark.parametrize("rows", ["/homes/somewhere/new.parquet", {"x": 1}, None, 3])
def test_new_rows_are_a_table(wide_fit, rows):
    with pytest.raises(ValueError) as caught:
        pool.predict(wide_fit, rows)
    assert str(caught.value) == (
        f"The new rows are a {type(rows).__name__}: give a pandas table with the "
        "columns that the formula names, but for the outcome."
    )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            [1.0, "a", 2.0],
            "text such as 'a' where the fit had numbers (row r1): correct",
        ),
        (
            ["1.5", "b", "c"],
            "text such as '1.5' where the fit had numbers (rows r0, r1, r2)",
        ),
        ([1.0, 2.0, pd.Timestamp(2020, 1, 1)], "values such as '2020-01-01 00:00:00' "),
    ],
)
@pytest.mark.parametrize("column", ["x", "z"])
def test_what_were_numbers_must_be_numbers(wide_fit, column, values, said):
    rows = table()[:3].assign(**{column: pd.Series(values, table().index[:3], object)})
    rows.index = ["r0", "r1", "r2"]
    with pytest.raises(ValueError) as caught:
        pool.predict(wide_fit, rows)
    assert str(caught.value).startswith(f"{column} holds {said}")
    assert str(caught.value).endswith(
        ", then make numbers of the column, for example with pandas.to_numeric."
    )


def test_the_first_rows_of_text_are_named(wide_fit):
    rows = table()[:9].reset_index(drop=True)
    rows["x"] = ["a"] * 8 + [1.0]
    with pytest.raises(ValueError) as caught:
        pool.predict(wide_fit, rows)
    assert str(caught.value) == (
        "x holds text such as 'a' where the fit had numbers (rows 0, 1, 2, 3, 4 and "
        "3 more): correct or drop such rows, then make numbers of the column, for "
        "example with pandas.to_numeric."
    )


@pytest.mark.parametrize("kind", [object, "category", "Float64", "float32"])
def test_numbers_of_every_kind_are_numbers(wide_fit, kind):
    rows = table()[:9].assign(x=lambda rows: rows["x"].round())
    same = rows.astype({"x": kind})
    means = [pool.predict(wide_fit, one, seed=1)["mean"] for one in (rows, same)]
    assert_allclose(*means)


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ scale(x) + (scale(x)|g)",
        "y ~ center(x):sex + C(year) + band + (1|g)",
        "y ~ scale(np.log(w)) + flag + (1|year)",
        "y ~ 0 + sex + x + offset(np.log(w)) + (1|g)",
        "y ~ S(prior) + x:prior + (prior|g)",
        "y ~ year + (1|year)",
    ],
)
def test_new_rows_are_coded_as_the_old_ones_were(formula):
    rows = table()
    found = fit(formula)
    whole = pool.predict(found, rows, seed=1)
    alone = pool.predict(found, rows[7:8], seed=1)
    assert_allclose(alone["mean"][..., 0], whole["mean"][..., 7])
    # The columns of formulae, common and group, give the same means.
    posterior = found["posterior"].to_dataset()
    dense = dense_model(formula, rows)
    offset = rows["y"].to_numpy() - dense.y
    known = (
        stacked(posterior, dense.names, "common") @ (dense.common + dense.means).T
    ) + offset
    assert_allclose(whole["population"], known, atol=1e-8)
    for name, columns in zip(dense.names, dense.factors, strict=True):
        values = stacked(posterior, dense.names, name)
        known = known + np.einsum("cdge,nge->cdn", values, columns)
    assert_allclose(whole["mean"], known, atol=1e-8)


def stacked(posterior, factors, which):
    """Put the draws of all common terms, or of a factor's, side by side."""
    groups = [f"|{name}" for name in factors]
    parts = []
    for name, values in posterior.items():
        if name.endswith("sigma"):
            continue
        if which == "common" and not name.endswith(tuple(groups)):
            parts.append(values.to_numpy().reshape(*values.shape[:2], -1))
        if which != "common" and name.endswith(f"|{which}"):
            parts.append(values.to_numpy().reshape(*values.shape[:3], -1))
    return np.concatenate(parts, axis=-1)


def test_a_fit_of_bambi_is_refused():
    theirs = az.from_dict({"posterior": {"Intercept": np.zeros((4, 10))}})
    with pytest.raises(ValueError, match="does not come from pool"):
        pool.predict(theirs, table())


def test_predictions_from_cells_are_those_from_rows():
    rows = table(400)
    cells = cells_of(rows, ["sex", "g"], ["x"])
    formula = "y ~ scale(x) * sex + (1|g)"
    a, b = (pool.predict(fit(formula, t), rows[:5], seed=1) for t in (rows, cells))
    assert_allclose(a["mean"], b["mean"], atol=1e-3)


# Calibration --------------------------------------------------------------------------


def test_true_values_have_uniform_ranks():
    found = calibration.calibrate("crossed", data_sets=80, draws=200)
    for name, tests in found["parameters"].items():
        assert min(tests["p_chi2"], tests["p_ks"]) > 1e-4, (name, tests)


def test_ranks_that_are_not_uniform_are_found():
    rng = np.random.default_rng(1)
    narrow = rng.binomial(calibration.DRAWS, rng.beta(1.6, 1.6, 500))
    shifted = rng.binomial(calibration.DRAWS, rng.beta(1, 1.4, 500))
    for ranks in (narrow, shifted):
        assert calibration.judge(ranks)["p_chi2"] < 0.001
    even = rng.integers(0, calibration.DRAWS + 1, 500)
    assert calibration.judge(even)["p_chi2"] > 0.01


@pytest.fixture(scope="module")
def calibrated():
    return json.loads(calibration.REFERENCE.read_text(encoding="utf-8"))["shapes"]


def test_the_stored_calibration_is_of_the_shapes_as_they_are(calibrated):
    assert set(calibrated) == set(calibration.SHAPES)
    for name, shape in calibration.SHAPES.items():
        stored = calibrated[name]
        assert stored["formula"] == shape.formula
        assert (stored["rows"], stored["correlated"]) == (shape.rows, shape.correlated)
        assert stored["data_sets"] >= 500


@pytest.mark.parametrize("test", ["p_chi2", "p_ks"])
def test_the_stored_ranks_are_uniform(calibrated, test):
    values = {
        (name, parameter): tests[test]
        for name, stored in calibrated.items()
        for parameter, tests in stored["parameters"].items()
    }
    worst = min(values, key=values.get)
    assert values[worst] > 0.05 / len(values), (worst, values[worst])
    # And the p-values themselves are as even as those of a right posterior.
    assert stats.kstest(list(values.values()), "uniform").pvalue > 0.01


def test_a_thousand_million_rows_are_as_easy_as_a_thousand():
    rng = np.random.default_rng(3)
    groups = 40
    n = rng.integers(10_000_000, 40_000_000, groups)
    effects = rng.normal(0, 0.2, groups)
    mean = 10 + effects + rng.normal(0, 0.4 / np.sqrt(n))
    ss = 0.4**2 * rng.chisquare(n - 1)
    labels = [f"g{i:02}" for i in range(groups)]
    cells = pd.DataFrame({"g": labels, "n": n, "mean": mean, "ss": ss})
    posterior = pool.fit("y ~ 1 + (1|g)", cells, draws=4_000, seed=1)["posterior"]
    expected = 0.4 / np.sqrt(2 * n.sum())
    assert float(posterior["sigma"].std()) == pytest.approx(expected, rel=0.1)
    assert float(posterior["1|g_sigma"].mean()) == pytest.approx(0.2, rel=0.3)

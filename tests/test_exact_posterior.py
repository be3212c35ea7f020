"""Tests of what a fit gives back: Bambi's names and dimensions, kept in a file."""

import json

import arviz as az
import numpy as np
import pytest
import xarray as xr

import partialpool as pool
from tests.dense_models import fit, posterior_of, table


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
        "prior|g": ("prior__expr_dim", "g__factor_dim"),
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
        "y ~ (prior:x|g) + (band|h)",
        "y ~ bs(x, df=4) + poly(z, 2) + (poly(x, 2)|g)",
        "y ~ log(w) + exp2(x) + (abs(z)|g)",
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
        # Where it has drawn, Bambi puts the groups after all others.
        dims = sorted(dims, key=lambda dim: dim.endswith("__factor_dim"))
        assert found[name].dims[2:] == tuple(dims), name
        for dim in dims:
            labels = [str(label) for label in theirs.coords[dim]]
            assert set(found[dim].to_numpy().astype(str)) <= set(labels)
            if ":" not in dim:
                assert found[dim].to_numpy().astype(str).tolist() == labels


@pytest.mark.filterwarnings("ignore:.*LKJ prior:partialpool.StructureWarning")
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
    with pytest.warns(pool.StructureWarning, match="g has one row in each group"):
        found = posterior_of("y ~ (1|g)", rows)
    assert found["1|g"].shape == (4, 100, 12)
    assert np.isfinite(found["1|g"]).all()


def test_there_are_as_many_draws_as_asked_for():
    found = posterior_of(draws=12)
    assert (found.sizes["chain"], found.sizes["draw"]) == (4, 3)


@pytest.mark.filterwarnings("ignore:.*LKJ prior:partialpool.StructureWarning")
def test_correlations_are_drawn_where_asked_for():
    rows = table(400)
    assert "g_correlation" not in posterior_of("y ~ (x|g)", rows)
    two = posterior_of("y ~ (x|g)", rows, correlated=True)
    assert two["g_correlation"].dims == ("chain", "draw")
    three = posterior_of("y ~ (prior|h) + (1|g)", rows, correlated=True)
    assert three["h_correlation"].shape == (4, 100, 3)
    assert (np.abs(three["h_correlation"]) < 1).all()
    assert "g_correlation" not in three

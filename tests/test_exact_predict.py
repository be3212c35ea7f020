"""Tests of predictions: three kinds of uncertainty, for rows seen and unseen."""

from importlib import import_module

import arviz as az
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import partialpool as pool
from tests.dense_models import cells_of, dense_model, fit, refusal_of, table


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


@pytest.mark.filterwarnings("ignore:.*LKJ prior:partialpool.StructureWarning")
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
    with pytest.raises(
        ValueError, match="Column 'z' is not in the table of new rows, wh"
    ):
        pool.predict(wide_fit, rows.drop(columns="z"))
    with pytest.raises(ValueError, match="Column 'x' is missing in 1 of 3 rows"):
        pool.predict(wide_fit, rows.assign(x=[1.0, np.nan, 2.0]))
    with pytest.raises(
        ValueError, match="The table of new rows has 0 rows, so it hold"
    ):
        pool.predict(wide_fit, rows[:0])


@pytest.mark.parametrize("rows", ["/homes/somewhere/new.parquet", {"x": 1}, None, 3])
def test_new_rows_are_a_table(wide_fit, rows):
    with pytest.raises(ValueError) as caught:
        pool.predict(wide_fit, rows)
    kind = "None" if rows is None else f"a {type(rows).__name__}"
    assert str(caught.value) == (
        f"A pandas DataFrame is needed and this is {kind}: give a pandas DataFrame "
        "with the columns of the formula, but for the outcome."
    )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            [1.0, "a", 2.0],
            "text such as 'a' in 1 of 3 rows (row r1) where the fit had numbers: corr",
        ),
        (
            ["1.5", "b", "c"],
            "text such as 'b', 'c' in 2 of 3 rows (rows r1, r2) where the fit had num",
        ),
        (
            [1.0, 2.0, pd.Timestamp(2020, 1, 1)],
            "values such as '2020-01-01 00:00:00' in 1 of 3 rows (row r2) where the ",
        ),
    ],
)
@pytest.mark.parametrize("column", ["x", "z"])
def test_what_were_numbers_must_be_numbers(wide_fit, column, values, said):
    rows = table()[:3].assign(**{column: pd.Series(values, table().index[:3], object)})
    rows.index = ["r0", "r1", "r2"]
    with pytest.raises(ValueError) as caught:
        pool.predict(wide_fit, rows)
    assert str(caught.value).startswith(f"Column {column!r} holds {said}")
    assert str(caught.value).endswith(
        f", then use table[{column!r}] = table[{column!r}].astype(float)."
    )


def test_the_first_rows_of_text_are_named(wide_fit):
    rows = table()[:9].reset_index(drop=True)
    rows["x"] = ["a"] * 8 + [1.0]
    with pytest.raises(ValueError) as caught:
        pool.predict(wide_fit, rows)
    assert str(caught.value) == (
        "Column 'x' holds text such as 'a' in 8 of 9 rows (rows 0, 1, 2, 3, 4 and 3 "
        "more) where the fit had numbers: correct or drop them, then use table['x'] = "
        "table['x'].astype(float)."
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
        "y ~ bs(x, df=5) + (poly(z, 2)|g)",
        "y ~ poly(x, 2):sex + (1|g)",
        "y ~ B(sex, 'male') + (B(prior)|g)",
        "y ~ T(prior, ref='q2') + S(band) + (1|g)",
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
            # A group term of several columns has the groups last.
            several = values.to_numpy().swapaxes(2, -1)
            parts.append(several.reshape(*several.shape[:3], -1))
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


# Numbers that are none ---------------------------------------------------------------


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ x + (1|g)",
        "y ~ z + (x|g)",
        "y ~ z + offset(x) + (1|g)",
        "y ~ scale(x) + (scale(x)|g)",
        "y ~ x:sex + (1|g)",
        "y ~ bs(x, df=4) + (1|g)",
        "y ~ poly(x, 2) + (1|g)",
        "y ~ np.tanh(x) + (1|g)",
        "y ~ np.minimum(x, 3) + (1|g)",
        "y ~ I(x > 2) + (1|g)",
        "y ~ I(1 / x) + (1|g)",
        "y ~ z + (1|x)",
    ],
)
@pytest.mark.parametrize("kind", [float, object, "Float64"])
def test_infinite_numbers_are_refused_in_every_role(formula, kind):
    found = fit(formula, draws=8)
    rows = table()[:4].reset_index(drop=True)
    rows["x"] = pd.Series([1.0, np.inf, 2.0, -np.inf]).astype(kind)
    said = refusal_of(pool.predict, found, rows, unseen="draw")
    assert said.startswith(
        "Column 'x' is infinite in 2 of 4 rows (rows 1, 3): it often"
    )


@pytest.mark.parametrize(
    ("formula", "name"),
    [
        ("y ~ np.log(w) + (1|g)", "np.log(w)"),
        ("y ~ log(w) + (1|g)", "log(w)"),
        ("y ~ x + (np.log(w)|g)", "np.log(w)"),
        ("y ~ x + offset(np.log(w)) + (1|g)", "offset(np.log(w))"),
        ("y ~ scale(np.log(w)) + (1|g)", "scale(np.log(w))"),
        ("y ~ np.log(w):sex + (1|g)", "np.log(w)"),
        ("y ~ bs(np.log(w), df=4) + (1|g)", "bs(np.log(w), df=4)"),
        ("y ~ I(x / w) + (1|g)", "I(x / w)"),
        ("y ~ x + offset(I(x / w)) + (1|g)", "offset(I(x / w))"),
        ("y ~ x + (I(x / w)|g)", "I(x / w)"),
    ],
)
def test_terms_that_are_no_finite_numbers_are_refused(formula, name):
    found = fit(formula, draws=8)
    rows = table()[:5].reset_index(drop=True).assign(w=[0.0, 1, 2, 0.0, 3])
    said = refusal_of(pool.predict, found, rows)
    assert said == (
        f"{name} is not a finite number in 2 of 5 rows (rows 0, 3): look for a log or "
        "a division of 0."
    )


@pytest.mark.parametrize("value", [np.nan, None, pd.NA, pd.NaT])
@pytest.mark.parametrize("column", ["x", "z", "sex", "g", "h"])
def test_missing_values_are_refused_in_every_role(wide_fit, column, value):
    rows = table()[:3].reset_index(drop=True)
    rows[column] = rows[column].astype(object)
    rows.loc[1, column] = value
    said = refusal_of(pool.predict, wide_fit, rows, unseen="draw")
    assert said == (
        f"Column {column!r} is missing in 1 of 3 rows (row 1): drop it, or fill it in."
    )


@pytest.mark.parametrize("column", ["x", "z", "sex", "g", "h"])
def test_columns_that_are_there_twice_are_refused(wide_fit, column):
    rows = pd.concat([table()[:3], table()[[column]][:3]], axis=1)
    said = refusal_of(pool.predict, wide_fit, rows)
    assert (
        said
        == f"Column {column!r} is in the table 2 times: rename or drop all but one."
    )


# What else is asked for -----------------------------------------------------------


def test_each_new_group_has_a_stream_of_its_own(wide_fit):
    rows = table()[:4].assign(g=["new", "a", "newer", "other"])
    whole = pool.predict(wide_fit, rows, unseen="draw", seed=3)
    for place in ([0], [2, 1], [3, 2, 0]):
        part = pool.predict(wide_fit, rows.iloc[place], unseen="draw", seed=3)
        assert_allclose(part["mean"], whole["mean"][..., place])
    other = pool.predict(wide_fit, rows, unseen="draw", seed=4)
    assert not np.allclose(other["mean"][..., 0], whole["mean"][..., 0])
    assert_allclose(other["mean"][..., 1], whole["mean"][..., 1])


def test_new_groups_of_two_factors_are_drawn_apart():
    found = fit(
        "y ~ (1|g) + (1|k)", table().assign(k=lambda rows: rows["prior"]), draws=4000
    )
    rows = pd.DataFrame({"g": ["new", "new", "a"], "k": ["new", "q1", "new"]})
    mean = pool.predict(found, rows, unseen="draw", seed=1)["mean"].to_numpy()
    posterior = found["posterior"].to_dataset()
    own = mean - posterior["Intercept"].to_numpy()[..., None]
    g = own[..., 1] - posterior["1|k"].sel(k__factor_dim="q1").to_numpy()
    k = own[..., 2] - posterior["1|g"].sel(g__factor_dim="a").to_numpy()
    assert_allclose(own[..., 0], g + k)
    scaled = [
        (effect / posterior[f"1|{name}_sigma"].to_numpy()).ravel()
        for name, effect in (("g", g), ("k", k))
    ]
    assert abs(np.corrcoef(scaled)[0, 1]) < 0.08


def test_more_rows_than_memory_holds_are_refused(wide_fit, monkeypatch):
    monkeypatch.setattr(import_module("partialpool.exact.predict"), "MOST", 12_000)
    pool.predict(wide_fit, table()[:3])
    said = refusal_of(pool.predict, wide_fit, table()[:4])
    assert said.startswith("4,000 draws for 4 rows would take 0 GB: predict fewer rows")


@pytest.mark.parametrize("seed", [1.5, "1", -1])
def test_what_is_no_seed_is_refused(wide_fit, seed):
    said = refusal_of(pool.predict, wide_fit, table()[:1], seed=seed)
    assert said == (
        f"seed is {seed!r}: give a whole number of 0 or more, or a NumPy generator."
    )


def test_draws_without_their_recipe_are_refused(wide_fit):
    said = refusal_of(pool.predict, wide_fit["posterior"], table()[:1])
    assert said.startswith("These are draws without what the fit knows of its table")


@pytest.mark.parametrize("index", ["chain", "draw", "row", "x", None])
def test_the_index_may_have_any_name_and_repeat(wide_fit, index):
    rows = pd.concat([table()[:3]] * 2).rename_axis(index)
    mean = pool.predict(wide_fit, rows, seed=1)["mean"]
    assert_allclose(mean[..., :3], mean[..., 3:])


@pytest.mark.parametrize(
    "formula",
    ["y ~ x + offset(z) + offset(np.log(w)) + (1|g)", "y ~ x + offset(12) + (1|g)"],
)
def test_offsets_are_added_to_what_the_same_fit_without_them_says(formula):
    rows = table()
    taken = 12.0 if "12" in formula else rows["z"] + np.log(rows["w"])
    rows["left"] = rows["y"] - taken
    with_them = fit(formula, rows, draws=4000)
    without = fit("left ~ x + (1|g)", rows, draws=4000)
    new = rows[:9].assign(z=7, w=2.0)
    more = 12.0 if "12" in formula else 7 + np.log(2.0)
    a, b = (pool.predict(f, new, seed=1)["mean"] for f in (with_them, without))
    assert_allclose(a, b + more, atol=1e-6)

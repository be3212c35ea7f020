"""Tests of names: no variable or dimension of a posterior hides another."""

import numpy as np
import pytest

from tests.dense_models import fit, means_of, posterior_of, refusal_of, table


def with_columns(*names, of="w"):
    rows = table()
    return rows.assign(**{name: rows[of] for name in names})


@pytest.mark.parametrize(
    ("formula", "column", "of", "options"),
    [
        ("y ~ chain + (1|g)", "chain", "w", {}),
        ("y ~ x + draw", "draw", "w", {}),
        ("y ~ sigma + (1|g)", "sigma", "sex", {}),
        ("y ~ 1 + (1|g) + `1|g`", "1|g", "w", {}),
        ("y ~ x + (1|g) + `1|g_sigma`", "1|g_sigma", "w", {}),
        ("y ~ (1|g) + (1|g_sigma)", "1|g_sigma", "h", {}),
        ("y ~ (x|g) + (x|g_sigma)", "1|g_sigma", "h", {}),
        ("y ~ sex + sex_dim", "sex_dim", "w", {}),
        ("y ~ C(year) + `C(year)_dim`", "C(year)_dim", "w", {}),
        ("y ~ g__factor_dim + (1|g)", "g__factor_dim", "w", {}),
        ("y ~ `g:h__factor_dim` + (1|g:h)", "g:h__factor_dim", "w", {}),
        ("y ~ (sex|g) + sex__expr_dim", "sex__expr_dim", "w", {}),
        # The columns of a category, and those that vary by group.
        ("y ~ (sex|g) + sex__expr", "sex__expr_dim", "prior", {}),
        ("y ~ g_correlation + (x|g)", "g_correlation", "w", {"correlated": True}),
        ("y ~ g__pair_dim + (prior|g)", "g__pair_dim", "w", {"correlated": True}),
        ("y ~ `a/b` + `a÷b`", "a÷b", "w", {}),
        ("y ~ (1|`a/b`) + (1|`a÷b`)", "a÷b", "h", {}),
        ("y ~ (`a/b`|g) + (`a÷b`|h)", "a÷b", "sex", {}),
    ],
)
def test_two_things_of_one_name_are_refused(formula, column, of, options):
    rows = with_columns(column, "g_sigma", "sex__expr", "a/b", "a÷b", of=of)
    said = refusal_of(fit, formula, rows, **options)
    assert f"would both be called {column}" in said
    assert "rename(columns=" in said


@pytest.mark.parametrize(
    ("formula", "name", "column"),
    [
        # formulae would keep the last of them only, and fit a smaller model.
        ("y ~ Intercept + (1|g)", "Intercept", "Intercept"),
        ("y ~ x + Intercept", "Intercept", "Intercept"),
        ("y ~ x:z + `x:z` + (1|g)", "x:z", "x:z"),
        ("y ~ (1|g:h) + (1|`g:h`)", "1|g:h", "g:h"),
        # Two terms, but the groups of one would be taken for those of the other.
        ("y ~ (1|g:h) + (0 + x|`g:h`)", "g:h", "g:h"),
        ("y ~ np.log(w) + `np.log(w)`", "np.log(w)", "np.log(w)"),
    ],
)
def test_two_parts_of_a_formula_that_read_alike_are_refused(formula, name, column):
    said = refusal_of(fit, formula, with_columns(column, of="h"))
    assert f"would both be called {name}: rename the column" in said


@pytest.mark.parametrize(
    ("formula", "column"),
    [
        ("y ~ x + x_dim + (1|g)", "x_dim"),
        ("y ~ x + (1|chain)", "chain"),
        ("y ~ x + (draw|g)", "draw"),
        ("y ~ x + (1|Intercept)", "Intercept"),
        ("y ~ x + (1|sigma)", "sigma"),
        ("y ~ x + (sigma|g)", "sigma"),
        ("y ~ row + (1|g)", "row"),
        ("y ~ common + (1|group_specific)", "common"),
        ("y ~ x + (1|g) + (1|g__factor_dim)", "g__factor_dim"),
        ("y ~ x + (1|`1|g`)", "1|g"),
        ("y ~ g_correlation + (1|g)", "g_correlation"),
        ("Intercept ~ x + (1|g)", "Intercept"),
        ("sigma ~ x + (1|g)", "sigma"),
    ],
)
def test_a_column_of_such_a_name_that_hides_nothing_is_a_column(formula, column):
    """As good as the same model of a column with a name of its own."""
    outcome = formula.startswith(column)
    rows = with_columns(column, "group_specific", of="y" if outcome else "z")
    plain = formula.replace(f"`{column}`", "plain").replace(column, "plain")
    known = rows.rename(columns={column: "plain"})
    found = fit(formula, rows)
    a, b = (means_of(f, r) for f, r in ((found, rows), (fit(plain, known), known)))
    np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_predictor_is_not_taken_for_the_correlations_of_its_name():
    rows = with_columns("g_correlation", of="w")
    same = rows.rename(columns={"g_correlation": "plain"})
    new = rows[:4].assign(g="new")
    a = means_of(fit("y ~ g_correlation + (x|g)", rows), new, unseen="draw")
    b = means_of(
        fit("y ~ plain + (x|g)", same),
        new.rename(columns={"g_correlation": "plain"}),
        unseen="draw",
    )
    np.testing.assert_allclose(a, b)


@pytest.mark.parametrize(
    ("formula", "variables"),
    [
        ("y ~ I(x / 2) + (1|g)", {"I(x ÷ 2)"}),
        ("y ~ np.log(w / 3) + (I(z / 2)|g)", {"np.log(w ÷ 3)", "I(z ÷ 2)|g"}),
        ("y ~ `a/b` + (`a/b`|g)", {"a÷b", "a÷b|g_sigma"}),
        ("y ~ x + (1|`a/b`)", {"1|a÷b", "1|a÷b_sigma"}),
        ("y ~ x + (1|g:`a/b`)", {"1|g:a÷b"}),
        ("y ~ C(`a/b`) + (x|`a/b`)", {"C(a÷b)", "x|a÷b"}),
    ],
)
def test_a_slash_in_a_name_is_written_as_a_division_sign(formula, variables, tmp_path):
    pytest.importorskip("h5netcdf", reason="needed to store a fit")
    rows = with_columns("a/b", of="h")
    found = fit(formula, rows)
    assert variables <= set(found["posterior"].data_vars)
    plain = rows.rename(columns={"a/b": "ab"})
    same = fit(formula.replace("`a/b`", "ab"), plain)
    np.testing.assert_allclose(means_of(found, rows[:9]), means_of(same, plain[:9]))
    found.to_netcdf(tmp_path / "fit.nc")


def test_one_expression_may_vary_by_several_factors():
    found = posterior_of("y ~ sex + (sex|g) + (sex|h) + (1|g:h)")
    assert found["sex|g"].dims[2:] == ("sex__expr_dim", "g__factor_dim")
    assert found["sex|h"].dims[2:] == ("sex__expr_dim", "h__factor_dim")


def test_an_expression_with_more_columns_in_one_factor_than_another_is_refused():
    said = refusal_of(fit, "y ~ sex + (sex|g) + (0 + sex|h)")
    assert said.startswith("sex|h and sex|g have different columns, both called sex__e")


def test_names_are_looked_at_before_the_work(monkeypatch):
    def work(*args, **options):
        raise AssertionError("the draws began")

    monkeypatch.setattr("partialpool.exact.density.Marginal.log_density", work)
    refusal_of(fit, "y ~ sigma + (1|g)", with_columns("sigma"))


def test_no_draw_of_one_variable_overwrites_another():
    rows = table().assign(sigma=lambda rows: rows["sex"])
    found = posterior_of("y ~ x + (1|sigma)", rows)
    assert found["sigma"].dims == ("chain", "draw")
    assert (found["sigma"] > 0).all()
    assert found["1|sigma"].dims == ("chain", "draw", "sigma__factor_dim")

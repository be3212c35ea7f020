"""Tests of functions in formulas: those with a memory, and those of a whole column."""

import numpy as np
import pandas as pd
import pytest
from formulae import design_matrices
from numpy.testing import assert_allclose

import partialpool as pool
from tests.dense_models import cells_of, design_of, fit, means_of, refusal_of, table

# Whole columns -------------------------------------------------------------------


def rank(x):
    return pd.Series(np.asarray(x)).rank().to_numpy()


def shift(x):
    return pd.Series(np.asarray(x)).shift(1).fillna(0).to_numpy()


def share(x):
    return x / x.max()


def standardise(x):
    return (x - x.mean()) / x.std()


def mark_extremes(x):
    return 1.0 * ((x == x.min()) | (x == x.max()))


def mark_second(x):
    return 1.0 * (x >= np.sort(x)[-2])


def shake(x):
    return x + np.random.default_rng().normal(size=len(x))


def from_first(x):
    return x - np.asarray(x)[0]


def sort(x):
    return np.sort(x)


def count(x):
    return 1.0 * pd.Series(np.asarray(x)).groupby(np.asarray(x)).transform("size")


def demean(x, g):
    return x - x.groupby(np.asarray(g)).transform("mean")


def above_median(x):
    return 1.0 * (x > np.median(x))


def trim(x):
    return np.clip(x, *np.quantile(x, [0.05, 0.95]))


WHOLE = [
    "rank(x)",
    "np.cumsum(x)",
    "shift(x)",
    "share(x)",
    "standardise(x)",
    "mark_extremes(x)",
    "mark_second(x)",
    "shake(x)",
    "from_first(x)",
    "sort(x)",
    "sort(sorted)",
    "count(z)",
    "demean(x, g)",
    "above_median(x)",
    "trim(x)",
    "I(x - np.mean(x))",
    "I(x / np.max(x))",
    "np.flip(x)",
]
PLACES = [
    "y ~ {} + (1|g)",
    "y ~ x + ({}|g)",
    "y ~ x + offset(I({})) + (1|g)",
    "y ~ scale({}) + (1|g)",
    "y ~ {}:sex + (1|g)",
    "y ~ bs({}, df=4) + (1|g)",
    "y ~ C({} > 1.5) + (1|g)",
]


def in_order():
    """Rows by group, and with a column that is sorted already."""
    rows = table(90).sort_values(["g", "x"]).reset_index(drop=True)
    return rows.assign(sorted=np.sort(rows["w"]))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("function", WHOLE)
def test_a_function_of_the_whole_column_is_refused(function, place):
    formula = place.format(function)
    if formula == "y ~ C(trim(x) > 1.5) + (1|g)":
        pytest.skip("whether it is above is the same for each row by itself")
    with pytest.raises(pool.FormulaError) as caught:
        pool.fit(formula, in_order(), draws=8, seed=1)
    said = str(caught.value)
    assert function.split("(")[0] in said
    assert caught.value.__cause__ is None
    assert said.endswith(".")
    whole = ["depends on the whole column", "cannot be worked out", "is the same in"]
    assert any(words in said for words in whole)


@pytest.mark.parametrize("rows", [1, 2, 3, 120])
def test_predictions_of_any_number_of_rows_agree(rows):
    formula = "y ~ np.sqrt(w) + scale(I(x * z)) + (np.exp(x)|g) + offset(np.log(w))"
    found = fit(formula)
    whole = means_of(found, table())
    assert_allclose(means_of(found, table()[-rows:]), whole[-rows:])


def test_a_function_of_each_row_may_look_at_several_columns():
    def blend(x, z, g):
        return np.where(np.asarray(g) == "a", x, z)

    found = pool.fit("y ~ blend(x, z, g) + (1|g)", in_order(), draws=8, seed=1)
    whole = pool.predict(found, in_order(), seed=1)["mean"]
    one = pool.predict(found, in_order()[50:51], seed=1)["mean"]
    assert_allclose(one[..., 0], whole[..., 50])


# Splines and polynomials ---------------------------------------------------------

BASES = [
    "bs(x, df=4)",
    "bs(x, df=6, degree=2)",
    "bs(x, df=5, intercept=True)",
    "bs(x, df=3, degree=3)",
    "bs(x, knots=KNOTS)",
    "bs(x, knots=KNOTS, degree=1, lower_bound=-5, upper_bound=20)",
    "bs(np.log(w), df=4)",
    "poly(x, 1)",
    "poly(x, 3)",
    "poly(w, 2, raw=True)",
    "poly(np.log(w), 2)",
]
KNOTS = np.array([2.0, 3.5])


@pytest.mark.parametrize("basis", BASES)
def test_new_rows_have_the_basis_that_formulae_remembers(basis):
    from formulae.environment import Environment

    rows = table()
    theirs = design_matrices(f"y ~ 0 + {basis}", rows, env=Environment.capture(0))
    design = pool.fit(f"y ~ 0 + {basis} + (1|g)", rows, draws=8, seed=1)
    values = design["posterior"][basis].to_numpy()
    values = values.reshape(*values.shape[:2], -1)
    new = rows[10:20].assign(x=lambda part: part["x"] + 0.05)
    new["x"] = new["x"].clip(rows["x"].min(), rows["x"].max())
    known = theirs.common.evaluate_new_data(new).design_matrix
    found = pool.predict(design, new, seed=1)["population"]
    assert_allclose(found, values @ np.asarray(known).reshape(len(new), -1).T)


@pytest.mark.parametrize(
    "basis", ["bs(z, df=4)", "poly(z, 2)", "bs(z, df=3, degree=1)"]
)
def test_cells_have_the_knots_and_norms_of_their_rows(basis):
    rows = table(400)
    cells = cells_of(rows, ["g", "h", "z"], ["x"])
    formula = f"y ~ {basis} + x + (1|g)"
    a, b = (design_of(formula, t).recipe for t in (rows, cells))
    flat = [
        np.concatenate(
            [
                np.ravel(list(v.values()) if isinstance(v, dict) else v)
                for v in state.values()
            ]
        )
        for recipe in (a, b)
        for state in recipe.states
    ]
    assert_allclose(flat[0], flat[1])
    assert_allclose(
        means_of(fit(formula, rows), rows[:9]),
        means_of(fit(formula, cells), rows[:9]),
        atol=1e-3,
    )


def test_levels_of_the_caller_set_their_order():
    order = ["q3", "q1", "q2"]
    found = pool.fit("y ~ C(prior, levels=order) + (1|g)", table(), draws=8, seed=1)
    (dim,) = (d for d in found["posterior"].dims if d.startswith("C("))
    assert found["posterior"][dim].to_numpy().tolist() == order[1:]
    whole = pool.predict(found, table(), seed=1)["mean"]
    one = pool.predict(found, table()[5:6], seed=1)["mean"]
    assert_allclose(one[..., 0], whole[..., 5])


@pytest.mark.parametrize("name", ["bs(far, df=5)", "poly(far, 3)", "scale(far)"])
@pytest.mark.parametrize("centre", [2000, 1.7e9, 1e8])
def test_a_basis_far_from_zero_keeps_its_digits(name, centre):
    rows = table()
    near, far = rows.assign(far=rows["x"]), rows.assign(far=rows["x"] + centre)
    a, b = (design_of(f"y ~ {name} + (1|g)", t) for t in (near, far))
    sds = [np.concatenate([t.sd for t in d.common]) for d in (a, b)]
    assert_allclose(*sds, rtol=1e-5)
    found = fit(f"y ~ {name} + ({name}|g)", far)
    known = fit(f"y ~ {name} + ({name}|g)", near)
    assert_allclose(means_of(found, far), means_of(known, near), atol=1e-3)


def test_the_functions_that_bambi_knows_are_known():
    rows = table().assign(x=lambda rows: rows["x"].abs() + 0.1)
    formula = "y ~ {}log(x) + {}log2(w) + {}exp({}abs(z) / 9) + ({}log10(x)|g)"
    theirs = formula.replace("{}", "np.")
    a, b = fit(formula.replace("{}", ""), rows), fit(theirs, rows)
    assert_allclose(means_of(a, rows), means_of(b, rows))


def test_a_function_of_the_caller_comes_before_the_one_that_bambi_knows():
    log = np.square
    a = pool.fit("y ~ log(x) + (1|g)", table(), draws=8, seed=1)
    b = pool.fit("y ~ I(x**2) + (1|g)", table(), draws=8, seed=1)
    assert_allclose(a["posterior"]["log(x)"], b["posterior"]["I(x ** 2)"])
    assert log(3) == 9


@pytest.mark.parametrize(
    ("term", "says"),
    [
        ("factor(x)", "The formula uses factor, which is not known: C(x) makes categ"),
        ("as.factor(x)", "The formula uses as.factor, which is not known: C(x) makes"),
        ("ns(x, 4)", "The formula uses ns, which is not known: bs(x, df=4) makes a"),
        ("s(x)", "The formula uses s, which is not known: bs(x, df=4) makes a spline"),
        ("sqrt(x)", "The formula uses sqrt, which is not known: np.sqrt(x) takes the"),
        ("scal(x)", "The formula uses scal, which is not known: define or import it"),
        ("log1p(x)", "The formula uses log1p, which is not known: define or import"),
        ("center(unheard(x))", "The formula uses unheard, which is not known: define"),
        ("(lg(x)|g)", "The formula uses lg, which is not known: define or import it"),
        ("bs(x, df=2)", "The formula 'y ~ bs(x, df=2)' cannot be worked out: "),
        ("bs(sex, df=4)", "The formula 'y ~ bs(sex, df=4)' cannot be worked out: "),
        ("poly(sex, 2)", "The formula 'y ~ poly(sex, 2)' cannot be worked out: "),
        ("scale(sex)", "The formula 'y ~ scale(sex)' cannot be worked out: "),
        ("bs(x)", "The formula 'y ~ bs(x)' cannot be worked out: "),
    ],
)
def test_functions_that_cannot_be_used_are_named(term, says):
    assert refusal_of(fit, f"y ~ {term}").startswith(says)

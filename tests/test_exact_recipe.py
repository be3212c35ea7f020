"""Tests of what is remembered of a table: predictions are coded as the fit was."""

import datetime
import decimal
import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

import partialpool as pool
from partialpool.exact.recipe import Recipe
from tests.dense_models import cells_of, design_of, fit, means_of, refusal_of, table


def rows_of_every_kind():
    """Rows in which each column tells, so that no slip in its coding is small."""
    size = 120
    rng = np.random.default_rng(1)
    rows = pd.DataFrame(
        {
            "g": np.resize(list("abcdef"), size),
            "s": np.tile(["no", "yes", "maybe"], size // 3),
            "k": rng.permutation(np.tile([1, 3, 7, 3], size // 4)),
            "year": rng.permutation(np.tile([2001, 2003, 2002], size // 3)),
            "age": rng.uniform(20, 60, size),
            "flag": np.tile([True, False], size // 2),
            "day": [datetime.date(2024, 1, 1 + i % 4) for i in range(size)],
        }
    )
    told = 10 * (rows["k"] == 3) + 5 * (rows["s"] == "yes") + 3 * (rows["year"] - 2001)
    rows["y"] = told + 7 * rows["flag"] + rows["age"] / 9 + rng.normal(0, 0.1, size)
    return rows


ROWS = rows_of_every_kind()
FEW = {
    "one row": ROWS.iloc[[2]],
    "three rows": ROWS.iloc[[7, 1, 3]],
    "one level": ROWS[ROWS["s"] == "yes"].iloc[:2],
    "one number": ROWS[ROWS["k"] == 3].iloc[:2],
    "floats": ROWS.iloc[[7, 1]].astype({"year": float, "k": "float32"}),
    "nullable": ROWS.iloc[[7, 1]].astype({"year": "Int64", "flag": "boolean"}),
    "categories": ROWS.iloc[[7, 1]].astype({"year": "category", "k": "category"}),
    "arrow": ROWS.iloc[[7, 1]].astype(
        {"year": "int16[pyarrow]", "s": "string[pyarrow]", "flag": "bool[pyarrow]"}
    ),
}


@pytest.mark.parametrize(
    "term",
    [
        "B(k, 3)",
        "B(k)",
        "B(flag, True)",
        "B(s, 'maybe')",
        "binary(s, success='yes')",
        "T(s, ref='maybe')",
        "T(k, ref=3)",
        "S(s)",
        "S(s, omit='no')",
        "S(k):age",
        "C(year)",
        "C(year, Sum)",
        "C(flag)",
        "C(k > 2)",
        "C(age > 40)",
        "year:s",
        "(C(year)|g)",
        "(S(s)|g)",
        "(B(k, 3) + T(s, ref='no')|g)",
        "scale(age):s",
        "center(age) + C(k)",
        "(1|year:flag)",
    ],
)
def test_few_new_rows_are_coded_as_the_rows_of_the_fit(term):
    found = fit(f"y ~ {term} + (1|g)", ROWS)
    known = pd.Series(means_of(found, ROWS), ROWS.index)
    for name, rows in FEW.items():
        np.testing.assert_allclose(
            means_of(found, rows), known[rows.index], err_msg=name
        )


AGES = [20, 35, 50, 65]
COLUMNS = {
    "bands": pd.cut(ROWS["age"], AGES),
    "bands closed on the left": pd.cut(ROWS["age"], AGES, right=False),
    "quarters": pd.qcut(ROWS["age"], 4),
    "bands with a repeated edge": pd.cut(
        ROWS["age"], [20, 20, 40, 60], duplicates="drop"
    ),
    "bands with labels": pd.cut(ROWS["age"], AGES, labels=["young", "middle", "old"]),
    "ordered dates": pd.Categorical(
        ROWS["day"], sorted(ROWS["day"].unique()), ordered=True
    ),
    "times": pd.to_datetime(ROWS["day"]).astype("category"),
    "periods": pd.to_datetime(ROWS["day"]).dt.to_period("D").astype("category"),
    "truths": ROWS["flag"].astype("category"),
    "ordered truths": pd.Categorical(ROWS["flag"], [True, False], ordered=True),
    "whole numbers": ROWS["k"].astype("category"),
    "decimals": (ROWS["k"] / 2).astype("category"),
    "whole numbers, backwards": pd.Categorical(ROWS["k"], [7, 3, 1], ordered=True),
    "nullable whole numbers": pd.Series(ROWS["k"], dtype="Int64").astype("category"),
    "Arrow's text": ROWS["s"].astype("large_string[pyarrow]"),
    "Decimal": pd.Series([decimal.Decimal(int(k)) / 10 for k in ROWS["k"]]),
    "truth as objects": ROWS["flag"].astype(object),
}


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("formula", ["y ~ new + (1|g)", "y ~ (new|g)", "y ~ (1|new)"])
def test_a_column_of_any_type_can_be_predicted_from(formula, name):
    rows = ROWS.assign(new=COLUMNS[name])
    found = fit(formula, rows)
    known = means_of(found, rows)
    np.testing.assert_allclose(means_of(found, rows.iloc[[5, 1]]), known[[5, 1]])
    # Also if the type got lost on the way, as in a file of text.
    values = rows["new"].iloc[[5, 1]].to_numpy(object)
    lost = pd.Series(values, index=[5, 1]).infer_objects()
    np.testing.assert_allclose(
        means_of(found, rows.iloc[[5, 1]].assign(new=lost)), known[[5, 1]]
    )


@pytest.mark.parametrize(
    ("term", "columns", "says"),
    [
        (
            "B(s, 'yes')",
            {"s": "perhaps"},
            "s holds perhaps, which the fit has not seen",
        ),
        ("C(year)", {"year": 2004}, "year holds 2004, which the fit has not seen; it"),
        ("C(year)", {"year": 2001.5}, "year holds 2001.5, which the fit has not seen"),
        ("C(year)", {"year": "2001"}, "Column 'year' holds text where the fit had wh"),
        ("T(k, ref=3)", {"k": 4}, "k holds 4, which the fit has not seen; it knows"),
        ("S(s)", {"s": 1}, "Column 's' holds whole numbers where the fit had text"),
        ("flag", {"flag": "True"}, "Column 'flag' holds text such as 'True' in all"),
        ("s", {"s": True}, "Column 's' holds true and false where the fit had text"),
        ("age", {"age": datetime.date(2024, 1, 1)}, "Column 'age' holds dates in all"),
    ],
)
def test_values_that_the_fit_has_not_seen_are_refused(term, columns, says):
    found = fit(f"y ~ {term} + (1|g)", ROWS)
    said = refusal_of(pool.predict, found, ROWS[:2].assign(**columns))
    assert said.startswith(says)


def test_a_success_that_no_row_holds_is_refused():
    said = refusal_of(fit, "y ~ B(k, 4) + (1|g)", ROWS)
    assert said.startswith("No row holds 4, which the formula calls the success: it ho")


@pytest.mark.parametrize("engine", ["duckdb", "polars", "pyarrow", "pandas"])
def test_cells_of_any_engine_predict_rows_of_pandas(engine):
    import duckdb
    import pyarrow as pa

    plain = ROWS[["y", "g", "s", "k", "flag", "day", "age"]]
    made = {
        "duckdb": duckdb.from_df,
        "polars": pl.from_pandas,
        "pyarrow": pa.Table.from_pandas,
        "pandas": pd.DataFrame,
    }[engine]
    by = ["g", "s", "k", "flag", "day"]
    cells = pool.collapse(made(plain), "y", by, continuous=["age"])
    formula = "y ~ B(s, 'yes') + C(k) + flag + scale(age) + (age|g) + (1|day)"
    a, b = fit(formula, plain), fit(formula, cells)
    for rows in (ROWS[:6], ROWS.iloc[[3]]):
        np.testing.assert_allclose(means_of(a, rows), means_of(b, rows), atol=1e-3)


# What the caller's code says ------------------------------------------------------


def test_a_function_that_has_changed_since_the_fit_is_noticed():
    bend = np.square
    found = pool.fit("y ~ bend(age) + (1|g)", ROWS, draws=8, seed=1)
    pool.predict(found, ROWS[:1])
    bend = np.cbrt
    with pytest.raises(pool.FormulaError, match=r"A function .* fit: set it back, or"):
        pool.predict(found, ROWS[:1])
    assert bend(8) == 2


@pytest.mark.parametrize(
    "term", ["I(age / unit)", "(I(age * unit)|g)", "np.log(age + unit)", "I(k > unit)"]
)
def test_a_number_that_has_changed_since_the_fit_is_noticed(term):
    unit = 1
    found = pool.fit(f"y ~ {term} + (1|g)", ROWS, draws=8, seed=1)
    pool.predict(found, ROWS[:1])
    unit = 2
    with pytest.raises(pool.FormulaError, match=r"A function .* fit: set it back, or"):
        pool.predict(found, ROWS[:1])
    assert unit == 2


def test_a_function_that_is_gone_is_named():
    bend = np.square
    found = pool.fit("y ~ bend(age) + (1|g)", ROWS, draws=8, seed=1)
    del bend
    said = refusal_of(pool.predict, found, ROWS[:1])
    assert said.startswith(
        "The formula uses bend, which is not known: define or import"
    )


# The recipe itself ----------------------------------------------------------------


def test_moments_are_those_of_all_rows():
    rows = table()
    recipe = design_of("y ~ scale(np.log(w)) + center(x) + (1|g)", rows).recipe
    log = np.log(rows["w"])
    assert recipe.states == [
        {"mean": pytest.approx(log.mean()), "std": pytest.approx(log.std(ddof=0))},
        {"mean": pytest.approx(rows["x"].mean())},
    ]
    known = rows["x"].mean(), rows["x"].std(ddof=0)
    assert recipe.columns["x"].moments == pytest.approx(known)


def test_moments_of_cells_count_each_row():
    rows = table(400)
    formula = "y ~ scale(x) + scale(center(year)) + scale(np.sqrt(year)) + (1|g)"
    cells = cells_of(rows, ["year", "g"], ["x"])
    a, b = (design_of(formula, t).recipe.states for t in (rows, cells))
    assert len(a) == 4
    for mine, theirs in zip(a, b, strict=True):
        assert mine == pytest.approx(theirs, abs=1e-12)


def test_a_recipe_is_plain_text():
    formula = "y ~ scale(x) + C(year) + band + flag + offset(z) + bs(w, df=4) + (x|g:h)"
    recipe = design_of(formula, table()).recipe
    again = Recipe.from_json(recipe.to_json())
    stored = json.loads(recipe.to_json())
    assert json.loads(again.to_json()) == stored
    assert again.formula == formula
    assert again.columns["year"].levels == [1999, 2003, 2012]
    assert again.columns["band"].levels == ["low", "mid", "high"]
    kinds = {name: column.kind for name, column in again.columns.items()}
    assert kinds == {
        "band": "text",
        "flag": "truth",
        "g": "text",
        "h": "whole",
        "w": "number",
        "x": "number",
        "year": "whole",
        "z": "whole",
    }
    assert [n for n, column in again.columns.items() if column.ordered] == ["band"]


def test_groups_leave_no_list_of_levels_behind():
    # There may be many, and they are in the posterior.
    columns = design_of("y ~ x + (x|g) + (1|year)", table()).recipe.columns
    assert columns["g"].levels is columns["year"].levels is None

"""Tests of rows and cells as numbers: sums alike, and plain refusals of bad tables."""

import numpy as np
import pandas as pd
import pytest

from partialpool.exact.formula import FormulaError, parse
from partialpool.exact.rows import Multiplier
from partialpool.exact.table import read_rows
from tests.dense_models import cells_of, design_of, table


def refusal(formula="y ~ x + (1|g)", rows=..., **columns):
    rows = table() if rows is ... else rows
    if columns:
        rows = rows.assign(**columns)
    with pytest.raises(ValueError) as caught:
        design_of(formula, rows)
    assert caught.value.__cause__ is None
    said = str(caught.value)
    assert said.endswith(".")
    assert "\n" not in said
    return said


def rows_of(formula, rows):
    return read_rows(parse(formula), rows)


def with_gap(column, gap):
    values = table()[column].astype(object if gap is None else float).to_numpy().copy()
    values[[3, 7]] = gap
    return values


@pytest.mark.parametrize(
    ("formula", "columns", "says"),
    [
        (
            "y ~ agge + (1|g)",
            {"age": 1.0},
            "is not in the table, which has 'y', 'x', 'z', 'w', ",
        ),
        ("y ~ agge + (1|g)", {"age": 1.0}, "correct the name (did you mean 'age'?)."),
        ("y ~ q", {}, "Column 'q' is not in the table, which has 'y', 'x', 'z', 'w', "),
        ("y ~ np.log(q)", {}, "Column 'q' is not in the table, which has"),
        ("y ~ (1|q)", {}, "Column 'q' is not in the table, which has"),
        ("pay ~ x", {}, "Column 'pay' is not in the table, which has"),
        ("weighted(y, q) ~ x", {}, "Column 'q' is not in the table, which has"),
        ("y ~ x", {"x": with_gap("x", np.nan)}, "'x' is missing in 2 of 120 rows (row"),
        (
            "y ~ x",
            {"x": with_gap("x", np.nan)},
            "(rows 51, 23): drop and count them with missing",
        ),
        ("y ~ x", {"y": with_gap("y", np.nan)}, "'y' is missing in 2 of 120 rows"),
        ("y ~ (1|g)", {"g": with_gap("g", None)}, "'g' is missing in 2 of 120 rows"),
        ("y ~ sex", {"sex": with_gap("sex", None)}, "'sex' is missing in 2 of"),
        ("weighted(y, w) ~ x", {"w": with_gap("w", np.nan)}, "'w' is missing in 2"),
        ("y ~ offset(z)", {"z": with_gap("z", np.nan)}, "'z' is missing in 2 of 120"),
        (
            "y ~ x",
            {"x": with_gap("x", np.inf)},
            "'x' is infinite in 2 of 120 rows (row",
        ),
        ("y ~ x", {"y": with_gap("y", -np.inf)}, "'y' is infinite in 2 of 120 rows"),
        ("sex ~ x", {}, "'sex' holds text such as 'male', 'female' in all 120 rows"),
        ("sex ~ x", {}, "['sex']), or use Bambi for an outcome of categories."),
        ("band ~ x", {}, "'band' holds text such as 'low', 'mid', 'high' in all 120"),
        ("weighted(y, sex) ~ x", {}, "then use table['sex'] = table['sex'].astype(flo"),
        ("y ~ x", {"y": 3.0}, "Every value of y is the same: there is nothing to m"),
        ("weighted(y, z) ~ x", {}, "The weights in z hold negative numbers, or only"),
        ("weighted(y, w) ~ x", {"w": 0.0}, "The weights in w hold negative numbers"),
    ],
)
def test_tables_that_do_not_fit_are_refused(formula, columns, says):
    assert says in refusal(formula, **columns)


@pytest.mark.parametrize("kind", [bool, "boolean", "bool[pyarrow]"])
def test_an_outcome_of_true_and_false_is_refused(kind):
    rows = table().astype({"flag": kind})
    expected = (
        "flag holds true and false, and only a Gaussian outcome has a closed form: use "
        'bambi.Model(formula, data, family="bernoulli"), or make numbers of it with '
        ".astype(float) if you want a linear probability model."
    )
    assert refusal("flag ~ x + (1|g)", rows) == expected
    assert refusal("weighted(flag, w) ~ x", rows) == expected
    # As a predictor or a weight, and as numbers made on purpose, it may stay.
    design_of("y ~ flag + (1|g)", table())
    design_of("weighted(y, flag) ~ x", table())
    design_of("flag ~ x + (1|g)", rows.astype({"flag": float}))


def test_columns_that_the_formula_does_not_name_may_be_bad():
    design_of("y ~ x + (1|g)", table().assign(w=np.nan, sex=None))


@pytest.mark.parametrize("data", [{"y": [1.0]}, [1, 2], None, pd.Series([1.0])])
def test_what_is_no_table_is_refused(data):
    said = refusal(rows=data)
    assert said.startswith("A pandas DataFrame is needed and this is ")
    assert "give a pandas DataFrame of rows, or of cells" in said


def test_an_empty_table_is_refused():
    assert refusal(rows=table()[:0]).startswith("The table has 0 rows, so it holds")


# One name for one column ---------------------------------------------------------


@pytest.mark.parametrize("name", ["y", "w", "x", "z", "g", "h"])
def test_a_column_that_is_there_twice_is_refused(name):
    rows = table()
    twice = pd.concat([rows, rows[[name]]], axis=1)
    said = f"Column {name!r} is in the table 2 times: rename or drop all but one."
    formula = "weighted(y, w) ~ np.log(x) + offset(z) + (1|g:h)"
    assert refusal(formula, twice.assign(v=1)) == said
    design_of("v ~ year", twice.assign(v=rows["y"]))


def test_names_of_columns_that_no_formula_can_write_are_refused():
    said = refusal("y ~ `3` + (1|g)", table().rename(columns={"x": 3}))
    assert said.startswith(
        "Column 3 has a name that is no text, which a formula cannot"
    )
    said = refusal(rows=pd.concat({"a": table()}, axis=1))
    assert said.startswith(
        "The columns of this table have 2 levels, such as ('a', 'y')"
    )


def test_rows_of_one_index_are_rows():
    rows = table()
    assert design_of("y ~ x + (1|g)", pd.concat([rows, rows])).rows.count == 240


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (
            pd.Timestamp("2024-01-01"),
            "dates in all 120 rows where numbers or text are needed: make num",
        ),
        (pd.Period("2024"), "dates in all 120 rows where numbers or text are needed"),
        (
            pd.Timedelta(1, "h"),
            "durations in all 120 rows where numbers or text are needed",
        ),
    ],
)
@pytest.mark.parametrize("kind", ["own", object])
def test_times_are_no_predictors(kind, column, says):
    values = pd.Series([column] * 120, index=table().index)
    rows = table().assign(t=values if kind == "own" else values.astype(object))
    for formula in ("y ~ t + (1|g)", "y ~ (t|g)", "y ~ x:t"):
        assert refusal(formula, rows).startswith(f"Column 't' holds {says}")
    assert refusal("t ~ x", rows).startswith("Column 't' holds d")


@pytest.mark.parametrize(
    "formula", ["y ~ k + (1|g)", "y ~ x:k", "y ~ (k|g)", "y ~ C(k)"]
)
def test_a_category_of_one_level_is_refused(formula):
    said = (
        "Column 'k' is 'all' in every row, and a predictor has to differ: take it out"
    )
    assert refusal(formula, k="all").startswith(said)
    design_of("y ~ x + (1|k)", table().assign(k="all"))


# Numbers ------------------------------------------------------------------------


def test_codes_number_the_combinations_that_occur_in_order():
    rows = table()
    rows = rows[~((rows["g"] == "b") & (rows["h"] == 3))]
    seen = rows_of("y ~ (1|g:h)", rows)
    codes, combinations = seen.codes(["g", "h"])
    pairs = sorted(set(zip(rows["g"], rows["h"], strict=True)))
    assert list(combinations.itertuples(index=False, name=None)) == pairs
    assert [pairs[c] for c in codes] == list(zip(rows["g"], rows["h"], strict=True))


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        (["b", "a", "b"], ["a", "b"]),
        ([10, 9, 10], [9, 10]),
        ([True, False, True], [False, True]),
        (pd.Categorical(["b", "a", "b"], ["c", "b", "a"]), ["a", "b"]),
        (pd.Categorical(["b", "a", "b"], ["c", "b", "a"], ordered=True), ["b", "a"]),
        (pd.Categorical([10, 9, 10], [10, 9, 8]), [9, 10]),
    ],
)
def test_levels_are_those_that_occur_in_order(values, levels):
    rows = pd.DataFrame({"y": [1.0, 2, 3], "k": values})
    codes, combinations = rows_of("y ~ k", rows).codes(["k"])
    assert combinations["k"].tolist() == levels
    assert [levels[c] for c in codes] == list(values)


def test_sums_of_products_of_cells_are_those_of_their_rows():
    rows = table(300)
    seen = rows_of("y ~ x + z", rows)
    cells = rows_of("y ~ x + z", cells_of(rows, ["g"], ["x", "z"]))
    assert cells.varying == {"x", "z"}
    assert seen.varying == set()
    for a, b in [("x", "x"), ("x", "z"), ("z", "x"), ("x", "y"), ("y", "z")]:
        parts = [cells.y if n == "y" else varying(cells, n) for n in (a, b)]
        known = (rows[a] * rows[b]).groupby(rows["g"]).sum()
        np.testing.assert_allclose(cells.products(*parts), known)
        mine = [
            seen.y if n == "y" else Multiplier(rows[n].to_numpy(float)) for n in (a, b)
        ]
        np.testing.assert_allclose(seen.products(*mine), rows[a] * rows[b])
    for some in (seen, cells):
        assert some.products(None, None).sum() == some.count == some.total_weight == 300


def varying(cells, name):
    return Multiplier(cells.table[name].to_numpy(float), {name: 1.0})


def test_moments_of_cells_are_those_of_their_rows():
    rows = table(300)
    cells = rows_of("y ~ x + h", cells_of(rows, ["g", "h"], ["x"]))
    for name in ("x", "h"):
        known = rows[name].mean(), rows[name].std(ddof=0)
        assert cells.moments(name) == pytest.approx(known)
        assert rows_of("y ~ x + h", rows).moments(name) == pytest.approx(known)


def test_weights_count_in_sums_but_not_in_moments():
    rows = table()
    seen = rows_of("weighted(y, w) ~ x", rows)
    x = Multiplier(rows["x"].to_numpy())
    np.testing.assert_allclose(seen.products(x, None), rows["x"] * rows["w"])
    np.testing.assert_allclose(seen.products(x, None, weighted=False), rows["x"])
    assert seen.total_weight == pytest.approx(rows["w"].sum())
    assert seen.moments("x")[0] == pytest.approx(rows["x"].mean())


def test_a_multiplier_may_vary_on_one_side_only():
    x, z = Multiplier(np.array([2.0]), {"x": 3.0}), Multiplier(np.array([5.0]))
    assert (x * z).slopes["x"] == (z * x).slopes["x"] == 15
    with pytest.raises(FormulaError, match="A term multiplies x, and"):
        x * x

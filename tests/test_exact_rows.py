"""Tests of rows and cells as numbers: sums alike, and plain refusals of bad tables."""

import numpy as np
import pandas as pd
import pytest

import partialpool as pool
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
            "(rows 51, 23): drop them with missing",
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
        ("sex ~ x", {}, "'sex' holds text where numbers are needed: make numbers of"),
        ("band ~ x", {}, "'band' holds categories where numbers are needed: make numb"),
        ("weighted(y, sex) ~ x", {}, "'sex' holds text where numbers are needed"),
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
    assert said.startswith("A table is needed and this is ")
    assert "give a pandas DataFrame of rows, or of cells" in said


def test_an_empty_table_is_refused():
    assert refusal(rows=table()[:0]).startswith("The table has 0 rows, so it holds")


# Cells ------------------------------------------------------------------------


def test_weights_need_rows():
    cells = cells_of(table(), ["g", "w"])
    assert "weighted() needs the rows themselves" in refusal(
        "weighted(y, w) ~ (1|g)", cells
    )


def test_cells_of_another_outcome_are_refused():
    cells = cells_of(table(), ["g"])
    said = refusal("pay ~ (1|g)", cells)
    assert said == "The cells were collapsed from y, but the formula models pay."


def test_cells_lack_the_columns_they_were_not_collapsed_by():
    assert refusal("y ~ sex + (1|g)", cells_of(table(), ["g"])) == (
        "Column 'sex' is not in the cells, which has 'g': correct the name or add it "
        "to by= (a category) or to continuous= (a number) when you collapse the table."
    )


@pytest.mark.parametrize(
    ("name", "near"),
    [("priors", "prior"), ("xx", "x"), ("nn", None), ("sss", None), ("means", None)],
)
def test_near_names_among_cells_are_those_that_a_formula_may_use(name, near):
    hint = f" (did you mean {near!r}?)" if near else ""
    cells = cells_of(table(), ["g", "prior"], ["x", "z"])
    assert refusal(f"y ~ {name} + (1|g)", cells) == (
        f"Column {name!r} is not in the cells, which has 'g', 'prior', 'x', 'z': "
        f"correct the name{hint} or add it to by= (a category) or to continuous= (a "
        "number) when you collapse the table."
    )


def test_cells_of_a_yes_or_no_outcome_are_refused():
    cells = pool.collapse(table(), "flag", ["sex", "g"])
    expected = (
        "The cells hold a yes-or-no outcome, flag, which has no closed form: use "
        'bambi.Model("p(successes, trials) ~ …", cells, family="binomial").'
    )
    assert refusal("flag ~ sex + (1|g)", cells) == expected
    # Also where the label of the cells got lost, or a column is missing too.
    assert refusal("flag ~ unheard", pd.DataFrame(cells.to_dict())) == expected


@pytest.mark.parametrize("column", ["n", "mean", "ss"])
def test_cells_must_be_complete(column):
    cells = cells_of(table(), ["g"])
    attrs = cells.attrs
    cells[column] = cells[column].astype(float)
    cells.loc[2, column] = np.nan
    cells.attrs = attrs
    assert refusal("y ~ (1|g)", cells) == (
        f"Column {column!r} is missing in 1 of 6 rows (row 2): collapse them again, or "
        "fill it in."
    )


def test_products_of_two_numbers_that_vary_within_cells_are_refused():
    cells = cells_of(table(), ["g"], ["x", "z"])
    said = refusal("y ~ x:z + (1|g)", cells)
    assert said.startswith("A term multiplies x and z, and cells hold no sums for th")


@pytest.mark.parametrize(
    ("formula", "says"),
    [
        ("y ~ np.exp(x)", "np.exp(x) bends x, and cells hold sums of x itself: "),
        ("y ~ I(x**2)", "I(x ** 2) bends x, and cells hold sums of x itself: "),
        ("y ~ I(x * h)", "I(x * h) bends x, and cells hold sums of x itself: "),
        ("y ~ g + offset(x)", "offset(x) varies within the cells: take it from the"),
        ("y ~ scale(np.exp(x))", "scale(np.exp(x)) needs np.exp(x) in each row, and"),
        ("y ~ bs(x, df=4)", "bs(x, df=4) needs x in each row, and cells hold sums of"),
        ("y ~ poly(x, 2):g", "poly(x, 2) needs x in each row, and cells hold sums of"),
        ("y ~ B(x, 3)", "B(x, 3) needs x in each row, and cells hold sums of x"),
        ("y ~ I(h - np.mean(h))", "I(h - np.mean(h)) depends on the whole column"),
    ],
)
def test_what_cells_cannot_tell_is_refused(formula, says):
    cells = cells_of(table(), ["g", "h"], ["x"])
    assert refusal(formula, cells).startswith(says)


def test_an_outcome_constant_in_each_cell_but_not_across_them_is_fine():
    rows = table()
    rows["y"] = rows["h"].astype(float)
    design_of("y ~ (1|g)", cells_of(rows, ["g", "h"]))
    rows["y"] = 1.0
    assert "Every value of y is the same" in refusal(
        "y ~ (1|g)", cells_of(rows, ["g", "h"])
    )


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

"""Tests of cells in place of rows: what they can tell, and what is refused."""

import numpy as np
import pandas as pd
import pytest

import partialpool as pool
from tests.dense_models import cells_of, design_of, refusal_of, table


def refusal(formula, cells):
    return refusal_of(design_of, formula, cells)


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


# Columns that the cells keep their sums in --------------------------------------

SUMS = ["n", "mean", "ss", "mean_x", "ss_x", "sp_x", "sp_z", "sp_x_z"]
PLACES = ["y ~ {} + (1|g)", "y ~ h + (1|{})", "y ~ h + ({}|g)", "y ~ scale({}):h"]
PLACES += ["y ~ h + offset({})", "y ~ C({}) + (1|g)", "y ~ h + (1|g:{})"]


def two_numbers():
    return cells_of(table(), ["g", "h"], ["x", "z"])


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", SUMS)
def test_sums_of_cells_are_no_predictors(name, place):
    cells = two_numbers()
    for lost in (cells, pd.DataFrame(cells.to_dict())):
        assert refusal(place.format(name), lost) == (
            f"Column {name!r} of the cells holds their sums, and is no predictor: "
            "leave it out of the formula; a number to use as a slope goes into "
            "continuous= when you collapse the table, and then by its own name."
        )


@pytest.mark.parametrize("outcome", SUMS)
def test_sums_of_cells_are_no_outcome(outcome):
    said = refusal(f"{outcome} ~ h + (1|g)", two_numbers())
    assert said == f"The cells were collapsed from y, but the formula models {outcome}."


def test_sums_of_cells_are_no_weights():
    assert "weighted() needs the rows" in refusal("weighted(y, n) ~ h", two_numbers())


@pytest.mark.parametrize("outcome", ["n", "mean", "ss"])
def test_an_outcome_called_as_a_sum_of_cells_is_no_riddle(outcome):
    rows = table().rename(columns={"y": outcome})
    plain = design_of(f"{outcome} ~ x + (1|g)", rows)
    assert plain.rows.count == 120
    cells = pool.collapse(rows, outcome, ["g", "sex"])
    assert design_of(f"{outcome} ~ sex + (1|g)", cells).rows.count == 120
    # With all three columns, and nothing that says whether these are cells.
    both = rows.assign(**{n: rows["w"] for n in {"n", "mean", "ss"} - {outcome}})
    assert "if these are cells, name the outcome" in refusal(f"{outcome} ~ x", both)


def test_rows_may_have_columns_that_are_called_as_sums():
    names = {"x": "n", "z": "mean", "w": "ss", "h": "trials", "year": "successes"}
    rows = table().rename(columns=names)
    design = design_of("y ~ n + mean + ss + trials + (1|successes)", rows)
    assert design.rows.count == 120
    assert [t.name for t in design.common][1:] == ["n", "mean", "ss", "trials"]


@pytest.mark.parametrize("formula", ["y ~ trials", "successes ~ sex", "y ~ (1|trials)"])
def test_counts_of_yes_or_no_cells_are_no_numbers(formula):
    cells = pool.collapse(table(), "flag", ["sex", "g"])
    assert refusal(formula, cells).startswith("The cells hold a yes-or-no outcome, ")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("n", 0, "an impossible n, below 1 or no whole number, in 1 row: collapse"),
        ("n", -4, "an impossible n, below 1 or no whole number, in 1 row"),
        ("n", 2.5, "an impossible n, below 1 or no whole number, in 1 row"),
        ("ss", -0.1, "an impossible ss, a sum of squares below 0, in 1 row"),
        ("ss_x", -0.1, "an impossible ss_x, a sum of squares below 0, in 1 row"),
        ("sp_x", 1e6, "an impossible sp_x, larger than the squares allow, in 1 row"),
        ("sp_x", -1e6, "an impossible sp_x, larger than the squares allow, in 1 row"),
        ("n", 1, "an impossible ss, above 0 in a cell of one row, in 1 row"),
        ("n", np.inf, "Column 'n' is infinite in 1 of 17 rows (row 2)"),
        ("mean", -np.inf, "Column 'mean' is infinite in 1 of 17 rows (row 2)"),
        ("mean_x", np.nan, "Column 'mean_x' is missing in 1 of 17 rows (row 2)"),
        ("ss_x", np.nan, "Column 'ss_x' is missing in 1 of 17 rows (row 2)"),
        ("sp_x", np.inf, "Column 'sp_x' is infinite in 1 of 17 rows (row 2)"),
        ("sp_x_z", np.nan, "Column 'sp_x_z' is missing in 1 of 17 rows (row 2)"),
        ("g", None, "Column 'g' is missing in 1 of 17 rows (row 2)"),
    ],
)
def test_impossible_cells_are_refused(name, value, says):
    cells = two_numbers()
    kept = cells.attrs
    cells[name] = cells[name].astype(object if value is None else float)
    cells.loc[2, name] = value
    cells.attrs = kept
    assert says in refusal("y ~ x + z + (1|g)", cells)
    if name.endswith(("x", "z")):
        # What the formula does not name may be anything.
        design_of("y ~ h + (1|g)", cells)


def test_cells_that_lack_a_sum_are_refused():
    cells = two_numbers()
    said = refusal("y ~ x + z", cells.drop(columns="sp_x_z"))
    assert said.startswith("Column 'sp_z_x' is not in the table")
    assert "Column 'x' is not in the cells" in refusal(
        "y ~ x", cells.drop(columns="ss_x")
    )
    design_of("y ~ x + (1|g)", cells.drop(columns="sp_x_z"))


@pytest.mark.parametrize("name", ["g", "n", "ss", "mean_x", "sp_x"])
def test_a_column_of_cells_that_is_there_twice_is_refused(name):
    cells = two_numbers()
    twice = pd.concat([cells, cells[[name]]], axis=1)
    twice.attrs = cells.attrs
    said = f"Column {name!r} is in the table 2 times: rename or drop all but one."
    assert refusal("y ~ x + (1|g)", twice) == said

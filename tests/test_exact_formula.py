"""Tests of what a formula says, and of the sentence that refuses one."""

import pytest

from partialpool.exact.formula import FormulaError, factor_columns, parse
from tests.dense_models import design_of, table


def refusal(formula, rows=None):
    """Return the sentence of the error, which must be ours and come from no other."""
    with pytest.raises(ValueError) as caught:
        design_of(formula, table() if rows is None else rows)
    assert caught.value.__cause__ is None
    said = str(caught.value)
    assert said.endswith(".")
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    ("formula", "says"),
    [
        ("y ~ hsgp(x, m=10, c=2) + (1|g)", "hsgp() is a Gaussian process, which has"),
        ("p(z, w) ~ x", "p(z, w) is a binomial outcome, and only a Gaussian one"),
        ("prop(z, 10) ~ x", "prop(z, 10) is a binomial outcome, and only"),
        ("proportion(z, w) ~ x", "proportion(z, w) is a binomial outcome, and"),
        ("censored(y, sex) ~ x", "censored(y, sex) is a censored outcome, and only"),
        ("truncated(y, 0) ~ x", "truncated(y, 0) is a truncated outcome, and only"),
        ("constrained(y, 0) ~ x", "constrained(y, 0) is a truncated outcome, and"),
        ("c(y, x) ~ z", "c(y, x) is an outcome of several columns, and only a"),
        ("sex['male'] ~ x", "The outcome sex[male] is a category, and only a Gauss"),
        ("np.log(y) ~ x", "The outcome is written as np.log(y): make it a column of"),
        ("y ~ x +", "The formula 'y ~ x +' cannot be read: "),
        ("y ~ x ~ z", "The formula 'y ~ x ~ z' cannot be read: "),
        ("", "The formula '' "),
        ("x + (1|g)", "The formula 'x + (1|g)' has no outcome: write it to the left"),
        (
            "y ~ unheard(x)",
            "The formula uses unheard, which is not known: define or import it",
        ),
        (
            "y ~ np.unheard(x)",
            "The formula 'y ~ np.unheard(x)' cannot be worked out: modu",
        ),
        (
            "y ~ scale(unheard(x))",
            "The formula uses unheard, which is not known: define or import it",
        ),
        ("y ~ np.sqrt(sex)", "The formula 'y ~ np.sqrt(sex)' cannot be worked out: "),
        (
            "y ~ C(x > 3, Unheard)",
            "Column 'Unheard' is not in the table, which has 'y', 'x', ",
        ),
        ("y ~ (1|np.round(x))", "The formula groups by np.round(x): make it a"),
        ("y ~ np.where(x > 3, 'a', 'b')", "np.where(x > 3, 'a', 'b') makes categ"),
        ("y ~ C(pd.qcut(x, 4))", "C(pd.qcut(x, 4)) depends on the whole column, not"),
        ("y ~ I(x - np.mean(x))", "I(x - np.mean(x)) depends on the whole column,"),
        (
            "y ~ np.log(x - 3)",
            "np.log(x - 3) is not a finite number in 66 of 120 rows (rows ",
        ),
        ("y ~ I(1 / (z - z))", "I(1 / z - z) is not a finite number in all 120 rows ("),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_what_cannot_be_fitted_exactly_is_refused_by_name(formula, says):
    said = refusal(formula)
    assert said.startswith(says)
    assert "Traceback" not in said


# Without the refusal formulae would read the last of them as y ~ x.
@pytest.mark.parametrize("formula", ["y ~ (x||g)", "y ~ (1|h) + (x || g)", "y ~ x||g"])
def test_two_bars_are_refused_with_the_one_that_does_the_same(formula):
    assert refusal(formula) == (
        f"The formula '{formula}' has ||, lme4's way to keep effects uncorrelated: "
        "write a single |, as in (x|g), which already does so here (correlated=True "
        "correlates them)."
    )


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("y ~ (1|estate agent)", "estate agent"),
        ("y ~ estate agent + x", "estate agent"),
        ("sale price in £ ~ x", "sale price in"),
        ("y ~ x + C(home town, Sum)", "home town"),
        ("y ~ (1|`a b`) + c.1 2", "c.1 2"),
    ],
)
def test_names_with_blanks_are_refused_with_the_backticks(formula, words):
    # formulae would read some of these only as far as the blank.
    assert refusal(formula) == (
        f"The formula '{formula}' has {words} with no sign between the words: if that "
        f"is one name, put it between backticks, as in `{words}`, and if not, put a "
        "sign such as + between them."
    )


@pytest.mark.parametrize(
    ("formula", "sign"),
    [
        ("y ~ (1|g) x", "x"),
        ("y ~ x, z", ","),
        ("y ~ x) + z", ")"),
        ("y ~ x | g", "|"),
    ],
)
def test_what_formulae_would_leave_out_is_refused(formula, sign):
    assert f"cannot be read from {sign} on" in refusal(formula)


def test_blanks_and_bars_between_quotes_are_let_be():
    names = {"x": "the x", "g": "g||g", "sex": "a 'sex' b"}
    rows = table().rename(columns=names)
    design = design_of("y ~ `the x`\n + (1 | `g||g`) + `a 'sex' b`", rows)
    assert set(design.recipe.columns) == set(names.values())
    parse("y ~ binary(sex, 'fe male') + binary(sex, \"a || b\")")


@pytest.mark.parametrize("formula", [None, 3, ["y ~ x"], {"y": "x"}])
def test_a_formula_is_a_line_of_text(formula):
    with pytest.raises(FormulaError, match=r"The formula is a .*: give one line of"):
        parse(formula)


def test_a_formula_of_bambi_with_several_parts_is_refused():
    import bambi

    with pytest.raises(FormulaError, match=r"is a Formula: .* need Bambi\."):
        parse(bambi.Formula("y ~ x", "sigma ~ x"))


def test_the_outcome_and_its_weights_are_named():
    plain, weighted = parse("y ~ x"), parse("weighted(y, w) ~ x")
    assert (plain.outcome, plain.weight) == ("y", None)
    assert (weighted.outcome, weighted.weight) == ("y", "w")


def test_the_columns_of_a_factor_are_named():
    (term,) = parse("y ~ (1|C(year):g)").describe().group_terms
    assert factor_columns(term.factor) == ["year", "g"]


def test_values_of_the_caller_are_no_columns():
    # What `design_of` sees of a caller are the names of its own module.
    design = design_of("y ~ C(year, Sum) + I(x**2) + {x + 1}", table())
    assert set(design.recipe.columns) == {"x", "year"}
    rows = table().rename(columns={"w": "np"})
    assert set(design_of("y ~ I(np + 1)", rows).recipe.columns) == {"np"}


def test_a_list_of_the_caller_does_not_stand_in_for_a_column():
    # A column left out of the table must not be found by accident elsewhere.
    assert refusal("y ~ np.log(FORMULAS)").startswith("Column 'FORMULAS' is not in")


# Roles ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "where"),
    [
        ("y ~ np.log(y) + (1|g)", "np.log(y)"),
        ("y ~ x + scale(y):sex", "scale(y):sex"),
        ("y ~ x + bs(y, df=4)", "bs(y, df=4)"),
        ("y ~ x + offset(np.log(y))", "offset(np.log(y))"),
        ("y ~ {x + y}", "I(x + y)"),
        ("y ~ x + (np.abs(y)|g)", "np.abs(y)|g"),
        ("y ~ x + (1|g:y)", "1|g:y"),
        ("y ~ x + (1|C(y))", "1|C(y)"),
        ("weighted(y, y) ~ x", "weighted(y, y)"),
    ],
)
def test_the_outcome_has_no_other_role(formula, where):
    said = refusal(formula)
    assert said.startswith(f"y is the outcome and stands in {where} as well: a column")


@pytest.mark.parametrize(
    "formula",
    ["weighted(y, w) ~ w + (w|g)", "y ~ x + (x|g) + (1|x)", "y ~ g + (1|g)"],
)
def test_other_columns_may_have_several_roles(formula):
    design_of(formula, table())


@pytest.mark.parametrize(
    ("formula", "within"),
    [
        ("y ~ offset(z) * x", "offset(z):x"),
        ("y ~ x:offset(z)", "x:offset(z)"),
        ("y ~ (offset(z)|g)", "offset(z)|g"),
        ("y ~ (0 + offset(np.log(w))|g)", "offset(np.log(w))|g"),
    ],
)
def test_an_offset_stands_by_itself(formula, within):
    assert f"stands inside {within}: an offset has no coeff" in refusal(formula)


# Numbers and powers -----------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "number"),
    [
        ("y ~ x*3 + (1|g)", "3"),
        ("y ~ 10 + x", "10"),
        ("y ~ x - 4", "4"),
        ("y ~ 0.5", "0.5"),
        ("y ~ x:2", "2"),
        ("y ~ x/3 + (1|g)", "3"),
        ("y ~ x + (5 + x|g)", "5"),
        ("y ~ (1 + 2*x|g)", "2"),
        ("y ~ (1|g/7)", "7"),
        ("y ~ x + (1|3)", "3"),
        ("y ~ 'x' + (1|g)", "'x'"),
        ("y ~ None", "None"),
    ],
)
def test_a_number_as_a_term_is_refused_with_the_way_to_write_arithmetic(
    formula, number
):
    assert refusal(formula) == (
        f"The formula '{formula}' has {number} as a term, where only 0 and 1 may "
        "stand, for no intercept and for one: put arithmetic in I(), as in I(2 * x)."
    )


@pytest.mark.parametrize("formula", ["y ~ x + -x", "y ~ x + (0|g)", "y ~ x + 1e3"])
def test_other_numbers_are_refused_in_one_sentence(formula):
    assert refusal(formula).startswith(f"The formula '{formula}' cannot be read")


@pytest.mark.parametrize(
    ("formula", "names"),
    [
        ("y ~ -1 + x", ["x"]),
        ("y ~ 1 + 0 + x", ["x"]),
        ("y ~ x - 1 + (1|g)", ["x"]),
        ("y ~ +1 + x", ["Intercept", "x"]),
        ("y ~ I(2 * x) + I(x - 3)", ["Intercept", "I(2 * x)", "I(x - 3)"]),
        ("y ~ (x + z)**2", ["Intercept", "x", "z", "x:z"]),
        ("y ~ ((x + z + w))**3", "Intercept x z w x:z x:w z:w x:z:w".split()),
        ("y ~ (sex + prior)**2", ["Intercept", "sex", "prior", "sex:prior"]),
        ("y ~ {x**2} + I(x**3)", ["Intercept", "I(x ** 2)", "I(x ** 3)"]),
    ],
)
def test_zero_one_and_arithmetic_are_what_they_were(formula, names):
    assert [term.name for term in design_of(formula, table()).common] == names


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ z + x**3",
        "y ~ (x)**2 + (1|g)",
        "y ~ x*z**2",
        "y ~ np.log(w)**2",
        "y ~ sex**2",
        "y ~ (x**2|g)",
        "y ~ x:z**2",
        "y ~ x**1",
    ],
)
def test_a_power_of_one_column_is_refused_and_not_dropped(formula):
    assert refusal(formula) == (
        f"The formula '{formula}' has a power of one column, which here would be the "
        "column itself: put arithmetic in I(), as in I(x**2)."
    )


@pytest.mark.parametrize("power", ["0", "1", "-1", "2.5", "w", "'2'", "(1 + 1)"])
def test_a_power_of_several_columns_is_a_whole_number(power):
    said = refusal(f"y ~ (x + z)**{power} + (1|g)")
    assert "has a power that is no whole number above 1: (a + b)**2 stands for" in said

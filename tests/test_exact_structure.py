"""Tests of what a table says about a model before any draw: warnings and refusals."""

import warnings

import numpy as np
import pandas as pd
import pytest

import partialpool as pool
from tests.dense_models import cells_of, fit, refusal_of, table


def warnings_of(*args, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(*args, draws=8, **options)
    assert {w.category for w in caught} <= {pool.StructureWarning}
    # The warning points at the call of fit, not at our insides.
    assert all("partialpool/exact" not in w.filename for w in caught)
    said = [str(w.message) for w in caught]
    assert all(text.endswith(".") and "\n" not in text for text in said)
    return said


def in_groups(count, rows=120):
    labels = np.resize([f"g{i:03}" for i in range(count)], rows)
    return table(rows).assign(k=labels)


@pytest.mark.parametrize("formula", ["y ~ x + (1|k)", "y ~ (x|k)", "y ~ (1|k) + (1|g)"])
def test_one_group_is_warned_of(formula):
    (said,) = warnings_of(formula, in_groups(1))
    assert said.startswith("k has one group only, g000: ")


@pytest.mark.parametrize("formula", ["y ~ x + (1|k)", "y ~ (1|g) + (1|g:k)"])
def test_one_row_in_each_group_is_warned_of(formula):
    (said,) = warnings_of(formula, in_groups(120))
    assert "has one row in each group" in said
    assert said.startswith("k " if "g:k" not in formula else "g:k ")


def test_one_cell_in_each_group_is_no_fault():
    cells = cells_of(table(), ["g"])
    assert warnings_of("y ~ (1|g)", cells) == []
    cells = cells_of(in_groups(120), ["k"])
    (said,) = warnings_of("y ~ (1|k)", cells)
    assert "k has one row in each group" in said


@pytest.mark.parametrize(
    ("groups", "correlated", "warned"),
    [(6, True, True), (9, True, True), (10, True, False), (6, False, False)],
)
def test_few_groups_are_warned_of_where_correlations_are_drawn(
    groups, correlated, warned
):
    said = warnings_of("y ~ x + (x|k)", in_groups(groups), correlated=correlated)
    assert len(said) == warned
    if warned:
        assert said[0].startswith(
            f"k has {groups} groups: the LKJ prior then draws the"
        )
        assert "see what lkj=1 gives" in said[0]


def test_a_factor_of_one_effect_has_no_correlations_to_warn_of():
    assert warnings_of("y ~ x + (1|k)", in_groups(4), correlated=True) == []


@pytest.mark.parametrize(
    ("formula", "columns", "terms"),
    [
        ("y ~ x + v + (1|g)", {"v": lambda t: 3 - 2 * t["x"]}, "x and v"),
        ("y ~ x + z + v", {"v": lambda t: t["x"] + t["z"]}, "x and z and v"),
        (
            "y ~ sex + v + (1|g)",
            {"v": lambda t: 1.0 * (t["sex"] == "male")},
            "sex and v",
        ),
        ("y ~ prior + v", {"v": lambda t: t["prior"].str.upper()}, "prior and v"),
        ("y ~ x + I(2 * x) + (1|g)", {}, "x and I(2 * x)"),
        ("y ~ x + scale(x)", {}, "x and scale(x)"),
        ("y ~ x + poly(x, 2)", {}, "x and poly(x, 2)"),
        ("y ~ x:z + z:x", {}, "x:z and z:x"),
        ("y ~ z + C(z)", {}, "z and C(z)"),
        ("y ~ v + u", {"v": lambda t: t["x"] + 1e6, "u": lambda t: t["x"]}, "v and u"),
    ],
)
def test_columns_that_say_the_same_are_named(formula, columns, terms):
    rows = table().assign(**columns)
    (said,) = warnings_of(formula, rows)
    assert said.startswith(f"The terms {terms} say the same thing in other words: ")
    (again,) = warnings_of(formula, rows.sample(frac=1, random_state=1))
    assert again == said


@pytest.mark.parametrize(
    ("formula", "columns"),
    [
        ("y ~ x + v", {"v": lambda t: t["x"] + np.linspace(0, 0.01, len(t))}),
        ("y ~ x + I(x**2) + I(x**3)", {}),
        ("y ~ bs(x, df=6)", {}),
        ("y ~ poly(x, 4)", {}),
        ("y ~ sex * prior + (sex|g)", {}),
        ("y ~ g + (1|g)", {}),
        ("y ~ x + (x|g) + (1|x)", {}),
        ("y ~ 0 + sex + prior", {}),
    ],
)
def test_columns_that_are_only_alike_are_let_be(formula, columns):
    assert warnings_of(formula, table().assign(**columns)) == []


def test_weights_and_cells_say_the_same_of_dependent_columns():
    rows = table(400).assign(v=lambda t: 2 * t["h"])
    cells = cells_of(rows, ["g", "h", "v"], ["x"])
    for formula, t in [("y ~ h + v + x", cells), ("weighted(y, w) ~ h + v + x", rows)]:
        (said,) = warnings_of(formula, t)
        assert said.startswith("The terms h and v say the same")


@pytest.mark.parametrize("formula", ["y ~ x", "y ~ x + z", "y ~ x + (1|g)"])
def test_an_outcome_explained_to_the_last_digit_is_refused(formula):
    rows = table().assign(y=lambda t: 2 - 3 * t["x"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pool.SlowerMethodWarning)
        with pytest.raises(ValueError, match="remain"):
            fit(formula, rows)


@pytest.mark.parametrize("centre", [0, 1e3])
def test_a_tiny_remainder_is_a_remainder(centre):
    rng = np.random.default_rng(1)
    rows = table().assign(y=lambda t: centre + t["x"] + 1e-4 * rng.normal(size=len(t)))
    found = fit("y ~ x + (1|g)", rows)["posterior"]
    assert float(found["sigma"].mean()) == pytest.approx(1e-4, rel=0.2)
    assert float(found["x"].mean()) == pytest.approx(1, rel=1e-4)


def test_a_table_that_deserves_none_has_no_warning():
    assert warnings_of("y ~ x * sex + (x|g) + (1|h) + offset(z)", table()) == []


def test_groups_are_refused_in_one_sentence_where_names_collide():
    rows = pd.DataFrame({"a": ["p:q", "p"] * 9, "b": ["r", "q:r"] * 9, "y": range(18)})
    said = refusal_of(fit, "y ~ 1 + (1|a:b)", rows)
    assert said.startswith("Two groups of a:b would both be called p:q:r: take the col")

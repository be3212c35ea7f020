"""Tests of the Gram matrix: the products of columns that formulae makes in full."""

import numpy as np
import pytest
from scipy import sparse

import partialpool as pool
from partialpool.exact import gram as grams
from partialpool.exact.gram import gram
from tests.dense_models import FORMULAS, cells_of, dense_model, design_of, table

LABELS = ["sex", "prior", "flag", "band", "year", "g", "h"]


def assert_products(sums, dense, weights=None, shift=0.0):
    """Hold each part of a Gram matrix to the products of full columns."""
    rows = len(dense.y)
    weights = np.ones(rows) if weights is None else weights
    kept = [
        columns.reshape(rows, -1)
        for i, columns in enumerate(dense.factors)
        if i != sums.largest
    ]
    left = np.hstack([dense.common, *kept, (dense.y - shift)[:, None]])
    weighted = left * weights[:, None]
    assert sums.common == dense.common.shape[1]
    np.testing.assert_allclose(sums.dense, weighted.T @ left, atol=1e-8)
    assert sums.total_weight == pytest.approx(weights.sum())
    if sums.largest is None:
        return
    largest = dense.factors[sums.largest]
    cross = np.einsum("nr,nge->rge", weighted, largest)
    within = np.einsum("n,nge,ngf->gef", weights, largest, largest)
    np.testing.assert_allclose(sums.cross, cross, atol=1e-8)
    np.testing.assert_allclose(sums.within, within, atol=1e-8)


@pytest.mark.parametrize("formula", FORMULAS)
def test_the_products_are_those_of_the_full_columns(formula):
    rows = table()
    design, dense = design_of(formula, rows), dense_model(formula, rows)
    if "Intercept" in [term.name for term in design.common]:
        assert design.shift == pytest.approx(dense.y.mean())
    else:
        assert design.shift == 0
    np.testing.assert_allclose(design.means, dense.means, atol=1e-12)
    assert_products(gram(design), dense, shift=design.shift)


@pytest.fixture(scope="module")
def many_rows():
    return table(600)


@pytest.fixture(scope="module")
def cells(many_rows):
    return cells_of(many_rows, LABELS)


@pytest.mark.parametrize("formula", [f for f in FORMULAS if not set(f) & set("xzw")])
def test_cells_have_the_products_of_their_rows(many_rows, cells, formula):
    rows = many_rows
    design = design_of(formula, cells)
    assert len(design.rows.table) == len(cells) < design.rows.count
    assert_products(gram(design), dense_model(formula, rows), shift=design.shift)


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ x",
        "y ~ 0 + x",
        "y ~ x + z + (1|g)",
        "y ~ x * sex + (x|g)",
        "y ~ x + z + (x + z|g) + (1|h)",
        "y ~ scale(x) + center(z) + (scale(z)|g)",
        "y ~ I(2 * x - 3):sex + (x|g:h)",
        "y ~ {x + z} + (x|g) + (z|h)",
        "y ~ x + offset(np.log(h)) + (1|g)",
    ],
)
def test_cells_hold_numbers_that_vary_within_them(formula):
    rows = table(400)
    cells = cells_of(rows, ["sex", "g", "h"], ["x", "z"])
    assert len(cells) < 40
    design = design_of(formula, cells)
    assert_products(gram(design), dense_model(formula, rows), shift=design.shift)


def test_cells_of_collapse_have_the_products_of_their_rows():
    rows = table(400)
    cells = pool.collapse(rows, "y", ["sex", "g", "h"], continuous=["x", "z"])
    for formula in ("y ~ x * sex + (x|g)", "y ~ x + z + (1|g:h)"):
        design = design_of(formula, cells)
        assert_products(gram(design), dense_model(formula, rows), shift=design.shift)


@pytest.mark.parametrize("formula", ["x + (1|g)", "0 + sex + (x|g) + (1|h)"])
def test_a_weight_counts_a_row_that_often(formula):
    rows = table()
    design = design_of(f"weighted(y, w) ~ {formula}", rows)
    dense = dense_model(f"y ~ {formula}", rows)
    assert_products(gram(design), dense, rows["w"].to_numpy(), design.shift)


def test_the_factor_with_most_effects_is_kept_apart():
    rows = table()
    assert gram(design_of("y ~ x", rows)).largest is None
    assert gram(design_of("y ~ (1|h) + (1|g)", rows)).largest == 1
    # Three groups of three effects are more than six of one.
    assert gram(design_of("y ~ (prior|h) + (1|g)", rows)).largest == 0


def test_predictors_far_from_zero_lose_few_digits():
    rows = table()
    near = gram(design_of("y ~ x + (1|g)", rows))
    far = gram(design_of("y ~ x + (1|g)", rows.assign(x=rows["x"] + 2000)))
    np.testing.assert_allclose(far.dense, near.dense, atol=1e-8)


def test_an_outcome_far_from_zero_loses_no_digits():
    rows = table()
    near = gram(design_of("y ~ x + (1|g)", rows))
    far = gram(design_of("y ~ x + (1|g)", rows.assign(y=rows["y"] + 1e6)))
    np.testing.assert_allclose(far.dense[-1], near.dense[-1], atol=1e-6)


def in_full(array):
    return array.toarray() if sparse.issparse(array) else array


@pytest.mark.parametrize("side", [0, 3000])
@pytest.mark.parametrize(
    "formula",
    [*(f for f in FORMULAS if "|" in f), "y ~ (0 + prior|g) + (0 + band|g:h) + (1|h)"],
)
def test_products_of_the_pairs_that_occur_are_those_in_full(monkeypatch, formula, side):
    rows = table()
    full = gram(design_of(formula, rows))
    monkeypatch.setattr(grams, "LARGEST_TABLE", 1)
    monkeypatch.setattr(grams, "LARGEST_SIDE", side)
    pairs = gram(design_of(formula, rows))
    assert sparse.issparse(pairs.dense) == (side == 0)
    assert sparse.issparse(pairs.cross) == (len(full.places) > 1)
    np.testing.assert_allclose(in_full(pairs.dense), full.dense, atol=1e-9)
    cross = in_full(pairs.cross).reshape(full.cross.shape)
    np.testing.assert_allclose(cross, full.cross, atol=1e-9)
    np.testing.assert_allclose(pairs.within, full.within, atol=1e-12)


def test_the_factor_kept_apart_is_one_that_others_are_not_nested_in():
    # Six groups of eight effects are more than seventeen of one, which lie within them.
    design = design_of("y ~ (x * z * year|g) + (1|g:h)", table())
    assert [groups * effects for groups, effects in design.sizes] == [48, 17]
    assert gram(design).largest == 1

"""Tests of the columns that a formula asks for: names, labels, means and sds."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tests.dense_models import FORMULAS, cells_of, dense_model, design_of, table


@pytest.mark.parametrize("formula", FORMULAS)
def test_means_and_sds_of_the_columns_are_those_of_formulae(formula):
    rows = table()
    design, dense = design_of(formula, rows), dense_model(formula, rows)
    columns = dense.common + dense.means
    if design.common:
        means = np.concatenate([term.mean for term in design.common])
        sds = np.concatenate([term.sd for term in design.common])
        assert_allclose(means, columns.mean(0), atol=1e-12)
        assert_allclose(sds, columns.std(0), atol=1e-7)
    assert [factor.name for factor in design.factors] == dense.names
    for factor, effects in zip(design.factors, dense.factors, strict=True):
        assert (len(factor.levels), factor.columns) == effects.shape[1:]
        # Of one group's effects, what each multiplies: summed over the groups.
        sds = np.concatenate([term.sd for term in factor.terms])
        assert_allclose(sds, effects.sum(1).std(0), atol=1e-7)


def test_cells_have_the_moments_of_their_rows():
    rows = table(400)
    cells = cells_of(rows, ["sex", "g"], ["x"])
    formula = "y ~ scale(x) + x * sex + (x|g)"
    a, b = design_of(formula, rows), design_of(formula, cells)
    assert b.outcome_mean == pytest.approx(a.outcome_mean)
    assert b.outcome_sd == pytest.approx(a.outcome_sd)
    for mine, theirs in zip(a.common, b.common, strict=True):
        assert_allclose(mine.mean, theirs.mean, atol=1e-12)
        assert_allclose(mine.sd, theirs.sd, atol=1e-12)
    assert a.rows.count == b.rows.count == 400


def test_a_constant_column_has_no_sd_whatever_rounding_leaves():
    rows = table().assign(x=0.1 + 0.2)
    (_, x) = design_of("y ~ x", rows).common
    assert x.sd.tolist() == [0]


def test_outcome_and_shift():
    rows = table()
    plain, bare, moved = (
        design_of(f, rows) for f in ("y ~ x", "y ~ 0 + x", "y ~ x + offset(z)")
    )
    assert plain.shift == pytest.approx(rows["y"].mean())
    assert bare.shift == 0
    assert moved.shift == pytest.approx((rows["y"] - rows["z"]).mean())
    # Priors are scaled by what the terms have to explain.
    assert plain.outcome_sd == pytest.approx(rows["y"].std(ddof=0))
    assert moved.outcome_sd == pytest.approx((rows["y"] - rows["z"]).std(ddof=0))
    assert moved.outcome_mean == pytest.approx((rows["y"] - rows["z"]).mean())
    for design in (plain, moved):
        assert abs(design.y.value.mean()) < 1e-12


@pytest.mark.parametrize(
    ("formula", "labels"),
    [
        ("y ~ sex", {"sex": ["male"]}),
        ("y ~ 0 + sex", {"sex": ["female", "male"]}),
        ("y ~ prior:sex", {"prior:sex": 4}),
        ("y ~ x:sex", {"x:sex": ["female", "male"]}),
        ("y ~ C(year)", {"C(year)": ["2003", "2012"]}),
        ("y ~ x", {"x": None}),
        ("y ~ flag", {"flag": None}),
    ],
)
def test_columns_of_categories_have_labels(formula, labels):
    terms = {t.name: t.levels for t in design_of(formula, table()).common}
    for name, expected in labels.items():
        if isinstance(expected, int):
            assert len(terms[name]) == expected
        else:
            found = terms[name] and [str(level) for level in terms[name]]
            assert found == expected


def test_groups_are_named_by_their_labels():
    rows = table()
    design = design_of("y ~ (1|h) + (1|g:h) + (1|flag)", rows)
    levels = {factor.name: factor.levels for factor in design.factors}
    assert levels["h"] == ["1", "3", "20"]
    assert levels["flag"] == ["False", "True"]
    assert levels["g:h"][:2] == ["a:1", "a:3"]
    assert len(levels["g:h"]) == rows.groupby(["g", "h"]).ngroups


def test_terms_of_one_factor_are_kept_together():
    design = design_of("y ~ (1|g) + (1|h) + (0 + x|g)", table())
    assert [[t.name for t in f.terms] for f in design.factors] == [
        ["1|g", "x|g"],
        ["1|h"],
    ]

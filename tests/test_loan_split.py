"""The variance of a cost by its sources."""

import numpy as np
import pytest

from partialpool.chapters import loan_split
from partialpool.chapters.loan_ways import hierarchical
from partialpool.chapters.loan_worlds import CostCurve, draw_world, forecast


@pytest.fixture(scope="module")
def curves():
    return [CostCurve(40_000, persistence=p, seed=1) for p in (0.95, 0.999)]


@pytest.fixture(scope="module")
def world():
    return draw_world(seed=2)


def test_the_parts_add_up_to_the_variance_of_the_forecast(world, curves):
    beliefs = hierarchical(world, 4_000, np.random.default_rng(1))
    costs = forecast(beliefs, world, curves[0], seed=2)
    parts = loan_split.split(world, curves[:1], draws=1_000, seed=3)
    total = parts.sum(axis="columns")
    assert (parts["persistence"] == 0).all()
    assert total["a course"] == pytest.approx(costs[:, :-1].var(0).mean(), rel=0.06)
    assert total["the book"] == pytest.approx(costs[:, -1].var(), rel=0.12)


def test_components_by_hand():
    # Parameters move the mean by 0 or 2, courses by -1 or 1, persistence by 0 or 4.
    inner = np.tile([-1.0, 1.0], 500)
    mean = np.array([0.0, 2.0, 0.0, 2.0])[:, None] + inner
    found = loan_split._components(np.stack([mean, mean + 4]), 0.5)
    assert found == pytest.approx([4, 4 / 3, 1, 0.5], rel=0.01)


def test_inner_draws_do_not_pass_for_parameters():
    rng = np.random.default_rng(1)
    found = loan_split._components(rng.standard_normal((1, 4_000, 4)), 0.0)
    assert found[1] < 0.02
    assert found[2] == pytest.approx(1, rel=0.05)


def test_only_what_more_data_can_tell_shrinks(curves):
    designs = {"now": {}, "more": {"more": 9}}
    means, errors = loan_split.compare_designs(
        curves, worlds=3, designs=designs, seed=4
    )
    course = means.loc["a course"]
    assert course.loc["more", "parameters"] < 0.6 * course.loc["now", "parameters"]
    assert course.loc["more", "groups"] < 0.8 * course.loc["now", "groups"]
    assert course.loc["more", "individuals"] == pytest.approx(
        course.loc["now", "individuals"], rel=0.05
    )
    assert course.loc["more", "persistence"] > 0.7 * course.loc["now", "persistence"]
    assert errors.shape == means.shape

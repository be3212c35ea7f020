"""Interactions: what is drawn, and what every method says of it."""

import numpy as np
import pytest

from partialpool.chapters.interactions import PENALISED, compete, draw_interactions


@pytest.fixture(scope="module")
def drawn():
    return draw_interactions(1_500, judges=60_000, seed=3)


@pytest.fixture(scope="module")
def said(drawn):
    return compete(drawn, seed=1)


def test_cells_have_their_rows_and_a_truth(drawn):
    size = drawn.rows.groupby("cell").size()
    assert drawn.cells["n"].to_dict() == size.to_dict()
    assert drawn.cells["truth"].notna().all()
    # Rows scatter around the truth of their cell.
    left = drawn.rows["log_earnings"] - drawn.rows["cell"].map(drawn.cells["truth"])
    assert abs(left.mean()) < 4 * left.sem()
    assert left.std() < drawn.rows["log_earnings"].std()


def test_every_method_answers_for_every_cell(drawn, said):
    methods = {"dummies", "main effects", *PENALISED, "bayes"}
    assert set(said["method"]) == methods
    assert len(said) == len(methods) * len(drawn.cells)
    assert said[["estimate", "truth"]].notna().all(axis=None)
    bounded = said["low"].notna()
    assert set(said.loc[bounded, "method"]) == {"reml", "bayes"}
    inside = said[bounded]
    assert (inside["low"] < inside["estimate"]).all()
    assert (inside["estimate"] < inside["high"]).all()


def test_without_a_penalty_they_are_least_squares(drawn, said):
    wide = said.pivot(index="group", columns="method", values="estimate")
    own = drawn.cells["mean"].reindex(wide.index)
    assert wide["dummies"].to_numpy() == pytest.approx(own.to_numpy())
    # The normal equations: what is left sums to zero by subject and by provider.
    rows = drawn.rows.assign(fit=drawn.rows["cell"].map(wide["main effects"]))
    rows["left"] = rows["log_earnings"] - rows["fit"]
    for name in ("subject", "provider"):
        assert np.abs(rows.groupby(name)["left"].sum()).max() < 1e-8


def test_pooling_partially_is_nearer_to_the_truth(said):
    error = (said["estimate"] - said["truth"]) ** 2
    error = error.groupby(said["method"]).mean()
    assert error["bayes"] < 0.5 * error["dummies"]
    assert error["reml"] < 0.5 * error["dummies"]

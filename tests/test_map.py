"""The map against risks in closed form and other people's implementations."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

import partialpool as pool
from partialpool.chapters.map import (
    draw_cell,
    draw_map,
    name_regions,
    rows_of,
    score_cell,
    sizes_of,
    ties,
)
from partialpool.poolings import contest_many

TAU, SIZE, GROUPS = 0.5, (2, 30), 20


@pytest.fixture(scope="module")
def cell():
    return score_cell(GROUPS, SIZE, TAU, sets=600, seed=3)


def close(scores, method, risk):
    """Say whether an error is within three Monte Carlo errors of its true size."""
    error = scores.loc[method, "rmse"] - np.sqrt(risk)
    return abs(error) < 3 * scores.loc[method, "rmse_error"]


def test_no_pooling_has_its_risk(cell):
    assert close(cell, "none", (1 / sizes_of(GROUPS, *SIZE)).mean())
    assert cell.loc["none", "coverage"] == pytest.approx(0.9, abs=0.01)


def test_complete_pooling_has_its_risk(cell):
    share = sizes_of(GROUPS, *SIZE)
    share = share / share.sum()
    # The mean of all rows less the truth of group j: var(theta) and the rows' noise.
    own = (np.eye(GROUPS) - share) ** 2
    noise = 1 / sizes_of(GROUPS, *SIZE).sum()
    assert close(cell, "complete", TAU**2 * own.sum(1).mean() + noise)


def test_partial_pooling_is_little_above_the_best_there_is(cell):
    # With tau, sigma and the mean known: harmonic sum of the two variances.
    best = np.sqrt((1 / (1 / TAU**2 + sizes_of(GROUPS, *SIZE))).mean())
    for method in ("ridge", "reml", "empirical_bayes", "bayes"):
        assert best < cell.loc[method, "rmse"] < 1.1 * best


def test_a_predictor_that_explains_all_makes_the_glm_best():
    cell = score_cell(GROUPS, SIZE, TAU, explained=1.0, sets=100, seed=3)
    assert cell["rmse"].idxmin() == "glm"
    half = score_cell(GROUPS, SIZE, TAU, explained=0.5, sets=300, seed=3)
    left = np.sqrt(0.5) * TAU
    assert half.loc["glm", "rmse"] == pytest.approx(left, rel=0.07)


@pytest.mark.parametrize("explained", [None, 0.5])
def test_a_cell_is_the_contest_of_each_of_its_tables(explained):
    drawn = draw_cell(12, (2, 20), 0.7, explained=explained, sets=3, seed=5)
    exact = {"n": drawn.n, "ss": drawn.ss, "x": drawn.x, "search": (60, 6)}
    many = contest_many(drawn.mean, **exact)
    quick = contest_many(drawn.mean, n=drawn.n, ss=drawn.ss, x=drawn.x)
    labels = [str(j) for j in range(12)]
    for i in range(3):
        one = pool.contest(
            rows_of(drawn, i, seed=1),
            outcome="y",
            group="group",
            predictors=[] if explained is None else ["x"],
        )
        for method, part in one.groupby("method"):
            part = part.set_index("group").loc[labels, ["estimate", "low", "high"]]
            there = np.transpose([parts[i] for parts in many[method]])
            # The quantiles of a mixture are found to 1e-4 of its sd and stop together.
            atol = 1e-5 if method == "bayes" else 1e-6
            np.testing.assert_allclose(there, part, atol=atol, err_msg=method)
            near = np.transpose([parts[i] for parts in quick[method]])
            np.testing.assert_allclose(near, part, atol=3e-3, err_msg=method)


def test_reml_of_a_cell_is_that_of_mixedlm():
    drawn = draw_cell(15, (2, 30), 0.6, sets=5, seed=7)
    ours = contest_many(drawn.mean, n=drawn.n, ss=drawn.ss, methods=["reml"])
    for i in range(5):
        table = rows_of(drawn, i, seed=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Its default optimiser stops too early on one of these tables.
            fit = smf.mixedlm("y ~ 1", table, groups="group").fit(
                method=["powell", "bfgs"]
            )
        effects = [fit.random_effects[str(j)].iloc[0] for j in range(15)]
        theirs = fit.params["Intercept"] + effects
        np.testing.assert_allclose(ours["reml"][0][i], theirs, atol=2e-3)


def test_the_posterior_covers_groups_drawn_from_its_own_model(cell):
    for method in ("bayes", "empirical_bayes"):
        assert cell.loc[method, "coverage"] == pytest.approx(0.9, abs=0.015)
    assert cell.loc["reml", "coverage"] < cell.loc["bayes", "coverage"]


def test_a_cell_is_the_same_in_a_part_of_the_map_as_in_the_whole():
    known = {"sizes": {"5": (5, 5), "1 to 25": (1, 25)}, "sets": 20, "seed": 1}
    whole = draw_map(groups=[3, 10], ratios=[0.0, 0.5], **known)
    part = draw_map(groups=[10], ratios=[0.5], **known)
    pd.testing.assert_frame_equal(part, whole.loc[part.index])


def test_regions_are_named_by_the_rule():
    methods = ["bayes", "complete", "empirical_bayes", "none", "reml", "ridge"]
    errors = {
        "complete": [1.3, 1.0, 1.2, 2.0, 1.2, 1.2],
        "none": [1.0, 2.0, 1.0, 1.005, 1.0, 1.0],
        "near": [1.2, 2.0, 1.2, 1.5, 1.0, 1.2],
    }
    rows = [
        {"cell": cell, "method": m, "rmse": e, "gap": e - 1.0, "gap_error": 0.004}
        for cell, values in errors.items()
        for m, e in zip(methods, values, strict=True)
    ]
    cells = pd.DataFrame(rows).set_index(["cell", "method"])
    found = name_regions(cells)
    assert found["region"].to_dict() == {
        "complete": "complete",
        "none": "none",
        "near": "partial",
    }
    assert found["mark"].tolist() == ["C", "N", "R"]
    assert found.loc["near", "lead"] == pytest.approx(0.2)
    assert ties(cells).loc["none", "none"]


def test_sums_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="give one value of each predictor"):
        contest_many([[1.0, 2.0, 4.0]], n=[[3, 3, 3]], ss=[[1.0]], x=[[1.0, 2.0]])

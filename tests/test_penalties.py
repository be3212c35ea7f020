"""Penalties: against the contest, lme4, and the formulas written out in full."""

import json
from pathlib import Path

import numpy as np
import pytest

import partialpool as pool
from partialpool.chapters.interactions import FAMILIES, draw_interactions
from partialpool.chapters.penalties import (
    add_up,
    choose,
    cross_validation,
    restricted_likelihood,
    solve,
    spreads,
)

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def table():
    return pool.simulate_groups(20, sizes=(2, 30), seed=8)[0]


@pytest.fixture(scope="module")
def dummies(table):
    return add_up(table, "y", ["group"])


@pytest.mark.parametrize(
    ("criterion", "method"),
    [(cross_validation, "ridge"), (restricted_likelihood, "reml")],
)
def test_one_family_gives_what_the_contest_gives(criterion, method, table, dummies):
    log = choose(criterion, dummies, 1)
    fitted = dummies.x @ solve(dummies, log)[2] + dummies.middle
    one = pool.contest(table, outcome="y", group="group", methods=[method])
    expected = table["group"].map(one.set_index("group")["estimate"])
    assert fitted == pytest.approx(expected.to_numpy(), abs=1e-4)


def test_cross_validation_uses_the_trace_of_the_hat_matrix(table, dummies):
    x = dummies.x
    penalty = np.diag([0, *[5.0] * (x.shape[1] - 1)])
    hat = x @ np.linalg.solve(x.T @ x + penalty, x.T)
    y = (table["y"] - dummies.middle).to_numpy()
    squares = ((y - hat @ y) ** 2).sum()
    expected = np.log(squares) - 2 * np.log(len(y) - np.trace(hat))
    assert cross_validation(dummies, [np.log(5)]) == pytest.approx(expected)


def test_the_restricted_likelihood_is_that_of_the_marginal_model(table, dummies):
    def direct(penalty):
        z, y = dummies.x[:, 1:], (table["y"] - dummies.middle).to_numpy()
        v = np.eye(len(y)) + z @ z.T / penalty
        ones, inverse = np.ones(len(y)), np.linalg.inv(v)
        information = ones @ inverse @ ones
        squares = y @ inverse @ y - (ones @ inverse @ y) ** 2 / information
        free = len(y) - 1
        log_det = np.linalg.slogdet(v)[1] + np.log(information)
        return log_det + free * np.log(squares)

    ours = [restricted_likelihood(dummies, [np.log(p)]) for p in (3, 30)]
    assert ours[1] - ours[0] == pytest.approx(direct(30) - direct(3))


def test_crossed_families_give_what_lme4_gives():
    path = ROOT / "benchmarks" / "results" / "lme4_mirror.json"
    lme4 = json.loads(path.read_text(encoding="utf-8"))["crossed"]
    drawn = draw_interactions(seed=[202613, 0])
    dummies = add_up(drawn.rows, "log_earnings", FAMILIES)
    logs = choose(restricted_likelihood, dummies, 3)
    stored = [lme4["sds"][name] for name in [*FAMILIES, "Residual"]]
    assert spreads(dummies, logs) == pytest.approx(stored, abs=5e-4)
    fitted = dummies.x @ solve(dummies, logs)[2] + dummies.middle
    expected = drawn.rows["cell"].map(lme4["cells"]).to_numpy()
    assert fitted == pytest.approx(expected, abs=2e-3)


def test_a_penalty_at_its_bound_is_a_spread_of_zero(dummies):
    assert spreads(dummies, np.array([9.0]))[0] == 0
    assert spreads(dummies, np.array([2.0]))[0] > 0

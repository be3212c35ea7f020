"""The contest of decisions: its losses by hand, and the best of several cut-offs."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from partialpool.chapters import decision_contest as contest
from partialpool.chapters import decision_rules as rules
from partialpool.chapters import decision_worlds as dw
from partialpool.chapters.decision_verdict import DECISIONS, compare_losses


@pytest.fixture(scope="module")
def worlds():
    return dw.draw_worlds(30, groups=30, seed=1)


@pytest.fixture(scope="module")
def found(worlds):
    return contest.compete(worlds, draws=200, seed=3)


def mean(found, decision, way):
    rows = found[(found["decision"] == decision) & (found["way"] == way)]
    return rows["loss"].mean()


def test_every_decision_has_the_model_and_a_plain_way(found, worlds):
    assert set(compare_losses(found).index) == set(DECISIONS)
    counts = found.groupby(["decision", "way"]).size()
    assert (counts == len(worlds.n)).all()
    assert not found["loss"].isna().any()


def test_a_cut_off_is_the_best_for_all_worlds_together(found, worlds):
    raw = worlds.mean
    costs = [
        rules.cost_of_publishing(worlds.n >= m, raw, worlds.truth).mean()
        for m in contest.SIZES
    ]
    assert mean(found, "publish", "none, best size") == pytest.approx(min(costs))
    eleven = rules.cost_of_publishing(worlds.n >= 11, raw, worlds.truth).mean()
    assert mean(found, "publish", "11-person rule") == pytest.approx(eleven)
    assert min(costs) <= eleven


def test_hindsight_does_no_worse_than_the_rule_it_contains(found):
    best = mean(found, "below benchmark", "z-test, best cut-off")
    assert best <= mean(found, "below benchmark", "z-test at 5%") + 1e-3


def test_losses_of_plain_estimates_by_hand(found, worlds):
    weights = worlds.weights()
    point = (weights @ worlds.mean[..., None])[..., 0]
    truth = (weights @ worlds.truth[..., None])[..., 0]
    by_hand = np.sqrt(((point - truth) ** 2).mean(1)).mean()
    assert mean(found, "domain means", "none") == pytest.approx(by_hand)
    named = np.argsort(-worlds.mean)[:, :10]
    best = np.argsort(-worlds.truth)[:, :10]
    right = [len(set(a) & set(b)) for a, b in zip(named, best, strict=True)]
    by_hand = 1 - np.mean(right) / 10
    assert mean(found, "top ten", "none, by means") == pytest.approx(by_hand)


def test_calls_are_false_or_missed(found):
    cost = mean(found, "below benchmark", "Bayes")
    false = mean(found, "false calls", "Bayes")
    missed = mean(found, "missed calls", "Bayes")
    assert cost == pytest.approx(rules.FALSE_CALL * false + missed)


def test_other_costs_and_another_top_change_what_they_should(worlds, found):
    costs = rules.Costs(false_call=20, wrong_grade=1, wrong_figure=2, top=5)
    other = contest.compete(worlds, draws=200, costs=costs, tests=False, seed=3)
    for way in ("Bayes", "z-test at 5%"):
        false, missed = (
            mean(other, f"{kind} calls", way) for kind in ("false", "missed")
        )
        cost = mean(other, "below benchmark", way)
        assert cost == pytest.approx(20 * false + missed)
    assert mean(other, "told apart", "Bayes") > mean(found, "told apart", "Bayes")
    published = [mean(part, "published", "Bayes") for part in (found, other)]
    assert published[1] > published[0]
    fifths = 5 * other.query("decision == 'top ten'")["loss"]
    assert fifths.to_numpy() == pytest.approx(fifths.round().to_numpy())
    for decision in ("domain means", "spread", "differences"):
        assert mean(other, decision, "Bayes") == mean(found, decision, "Bayes")
    assert mean(other, "rank intervals", "Bayes") == mean(
        found, "rank intervals", "Bayes"
    )
    ranked = other.query("decision == 'rank intervals'")["way"]
    assert "pairwise tests" not in set(ranked)


def test_a_rule_about_people_counts_people(worlds):
    few = worlds.take(slice(2))
    inflated = dataclasses.replace(few, n=2 * few.n, counted=few.n)
    published = [
        contest.compete(some, draws=50, seed=1)
        .query("decision == 'published' and way == '11-person rule'")["loss"]
        .to_numpy()
        for some in (few, inflated)
    ]
    assert published[0] == pytest.approx(published[1])
    assert published[0] == pytest.approx((few.n >= 11).mean(1))


def test_intervals_hold_fewer_of_those_far_from_the_line():
    worlds = dw.draw_worlds(60, seed=2)
    draws = dw.believe(worlds, draws=200, seed=2)["Bayes"].draws
    held, held_far, far = contest.share_held_far(worlds, draws)
    assert held == pytest.approx(0.9, abs=0.03)
    assert far == pytest.approx(0.0455, abs=0.015)
    assert held_far < 0.75
    wide = np.stack([worlds.truth - 9, worlds.truth + 9], 1)
    assert contest.share_held_far(worlds, wide)[:2] == (1, 1)


def test_intervals_hold_what_they_promise(found):
    held = contest.share_held(found)
    assert set(held) == {"domain means", "rank intervals", "differences"}
    assert held["differences"] == pytest.approx(0.9, abs=0.04)
    assert mean(found, "held: differences", "GLM") < 0.5


def test_a_seed_gives_the_same_losses(worlds):
    few = worlds.take(slice(3))
    one, two = (contest.compete(few, draws=50, seed=[4, 5]) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)


def test_a_table_has_errors_and_no_holes():
    rows = [
        ("publish", "a", 0, 1.0),
        ("publish", "a", 1, 2.0),
        ("publish", "b", 0, 0.5),
        ("publish", "b", 1, 0.5),
        ("off", "a", 0, 0.25),
        ("off", "a", 1, 0.25),
    ]
    found = pd.DataFrame(rows, columns=["decision", "way", "world", "loss"])
    table = contest.tabulate(found, "publish", "off")
    assert table.loc["b"].tolist() == ["0.500", "0.000", "–"]
    assert table.loc["a"].tolist() == ["1.500", "0.500", "0.25"]
    assert list(table.index) == ["b", "a"]

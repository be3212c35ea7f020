"""Plots of the mirror draw what they are given."""

import numpy as np
import pandas as pd
import pytest

import partialpool as pool
from partialpool.chapters import mirror, mirror_plots


@pytest.fixture
def says():
    lines = [
        ("one", "a", 0.0, 1.0, False),
        ("one", "b", 0.0, 2.0, True),
        ("two", "a", -1.0, 1.0, False),
    ]
    return pd.DataFrame(lines, columns=["kind", "package", "low", "high", "by_hand"])


def test_every_inference_stands_in_the_slot_of_its_group():
    table, _ = pool.simulate_groups(12, seed=4)
    found = pool.contest(table, outcome="y", group="group")
    sizes = table.groupby("group").size().sort_values(kind="stable")
    ax = mirror_plots.plot_inferences(found, sizes)
    drawn = {line.get_label(): line.get_ydata() for line in ax.lines}
    wide = found.pivot(index="group", columns="method", values="estimate")
    for label, method in {"reml": "reml", "ridge": "ridge"}.items():
        assert drawn[label] == pytest.approx(wide[method].reindex(sizes.index))
    assert drawn["partial pooling"] == pytest.approx(wide["bayes"].reindex(sizes.index))


def test_predictions_stand_in_blocks_and_what_is_by_hand_is_dotted(says):
    ax = mirror_plots.plot_predictions(says)
    styles = [line.get_linestyle() for line in ax.lines[::2]]
    assert styles == ["-", ":", "-"]
    places = ax.get_yticks()
    assert places[1] - places[0] == 1
    assert places[2] - places[1] == 2
    assert [t.get_text() for t in ax.get_yticklabels()] == [
        "one, a",
        "one, b",
        "two, a",
    ]


def test_coverage_is_drawn_for_both_questions():
    scores = {}
    for j in (4, 9):
        sets = mirror.draw_sets(20, j, seed=1)
        scores[j] = mirror.score_inferences(mirror.infer(sets, draws=3, seed=1), sets)
    scores = pd.concat(scores, names=["groups"])
    axes = mirror_plots.plot_coverage(scores, prob=0.9)
    for ax, column in zip(axes, ["coverage", "new_coverage"], strict=True):
        drawn = {line.get_label(): line.get_ydata() for line in ax.lines[1:]}
        expected = scores[column].xs("bayes", level="method")
        assert drawn["bayes"] == pytest.approx(expected.to_numpy())


def test_the_likelihood_is_drawn_relative_to_its_top():
    tau = np.linspace(0, 1, 50)
    ax = mirror_plots.plot_likelihood(tau, -tau - 7, tau, truth=0.2)
    curve = next(x for x in ax.lines if x.get_label() == "restricted likelihood")
    assert curve.get_ydata()[0] == 1
    assert curve.get_ydata()[-1] == pytest.approx(np.exp(-1))

"""Pictures of sub-groups: what is drawn is what was scored."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from partialpool.chapters import subgroup_plots as plots
from partialpool.chapters.subgroup_scores import ONE, SPREADS
from partialpool.chapters.subgroups import STEPS
from partialpool.plots import LOOKS


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_errors_are_drawn_in_the_looks_of_the_poolings():
    ways = [*plots.POOLINGS, *plots.NEUTRAL]
    index = pd.MultiIndex.from_product([ways, STEPS], names=["way", "part"])
    scores = pd.DataFrame({"rmse": [0.01 * k for k in range(len(index))]}, index)
    axes = plots.plot_errors(scores)
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert set(lines) == set(ways)
    for way, line in lines.items():
        assert line.get_ydata() == pytest.approx(scores.loc[way, "rmse"].to_numpy())
    assert lines[ONE].get_color() == LOOKS["partial"]["color"]
    assert lines["GLM, main effects"].get_linestyle() == "--"
    assert [t.get_text() for t in axes.get_xticklabels()] == list(STEPS)


def test_subjects_are_sorted_by_how_often_they_hold():
    subjects = ["Law", "Physics", "English"]
    index = pd.MultiIndex.from_product([[ONE, SPREADS], subjects])
    held = pd.DataFrame(
        {"coverage": [0.9, 0.7, 0.95, 0.91, 0.88, 0.92]},
        index.set_names(["way", "part"]),
    )
    axes = plots.plot_subjects(held, subjects)
    names = [t.get_text() for t in axes.get_yticklabels()]
    assert names == ["Physics", "Law", "English"]
    first, second = (line.get_xdata() for line in axes.get_lines()[1:])
    assert list(first) == [0.7, 0.9, 0.95]
    assert list(second) == [0.88, 0.91, 0.92]

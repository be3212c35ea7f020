"""Pictures of decisions: what stands where."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from partialpool.chapters import decision_plots


@pytest.fixture(autouse=True)
def close_all():
    yield
    plt.close("all")


def test_the_best_group_is_in_the_first_row_with_its_chance():
    rng = np.random.default_rng(1)
    draws = rng.normal([0.0, 4.0, 2.0], 0.1, (100, 3))
    axes = decision_plots.plot_league(
        draws, names=["a", "b", "c"], truth=[0, 4, 2], top=1
    )
    labels = [label.get_text() for label in axes[0].get_yticklabels()]
    assert labels == ["b", "c", "a"]
    assert axes[0].get_ylim()[0] > axes[0].get_ylim()[1]
    widths = [bar.get_width() for bar in axes[1].patches]
    assert widths == [1.0, 0.0, 0.0]
    crosses = axes[0].lines[1]
    assert crosses.get_marker() == "x"
    assert crosses.get_xdata().tolist() == [1, 2, 3]


def test_savings_are_shares_with_their_intervals():
    row = {"theirs": 2.0, "saved": 0.5, "high": 0.7, "low": 0.3, "share": 0.25}
    table = pd.DataFrame([row, row | {"share": -0.1}], ["publish", "grades"])
    ax = decision_plots.plot_savings({"best plain way": table, "REML": table})
    assert [t.get_text() for t in ax.get_yticklabels()] == ["publish", "grades"]
    first = ax.containers[0]
    assert first.lines[0].get_xdata().tolist() == [0.25, -0.1]
    ends = first.lines[2][0].get_segments()[0][:, 0]
    assert ends.tolist() == pytest.approx([0.15, 0.35])
    assert len(ax.get_legend().get_texts()) == 2

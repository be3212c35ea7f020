"""Pictures of loan books: what they draw, and on which axes."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from partialpool.chapters import loan_plots


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_a_fan_has_its_bands_and_the_truth():
    draws = np.random.default_rng(1).normal(0.02, 0.001, (200, 40))
    truth = np.full(40, 0.02)
    axes = loan_plots.plot_fan({"a": draws, "b": 2 * draws}, truth)
    titles = [ax.get_title(loc) for loc in ("left", "center") for ax in axes]
    assert [title for title in titles if title] == ["a", "b"]
    line = axes[0].lines[0]
    assert line.get_ydata() == pytest.approx(2)  # per cent
    assert list(line.get_xdata()[[0, -1]]) == [2026, 2065]
    band = axes[0].collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() > 1.7
    assert band.max() < 2.3


def test_a_split_has_a_mark_for_every_table_and_source():
    sources = ["persistence", "parameters", "groups", "individuals"]
    index = pd.MultiIndex.from_product(
        [["a course", "the book"], ["now", "more", "most"]], names=["part", "table"]
    )
    means = pd.DataFrame(0.02, index, sources)
    axes = loan_plots.plot_split(means, means / 10)
    marks = axes[0].containers
    assert len(marks) == 3
    assert marks[0].lines[0].get_xdata() == pytest.approx([2] * 4)
    names = [label.get_text() for label in axes[0].get_yticklabels()]
    assert names == sources[::-1]

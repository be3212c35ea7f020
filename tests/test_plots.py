"""Tests of the plots: looks, axes, repeatable files, and an import that is quick."""

import io
import json
import subprocess
import sys

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb

import partialpool as pool

ALL_PLOTS = ["plot_poolings", "plot_shrinkage", "plot_extremes"]
# Imports that take seconds, or change Matplotlib's state.
HEAVY = ["matplotlib", "pymc", "arviz", "bambi", "pytensor", "numba", "linearmodels"]
HEAVY += ["scipy.stats", "scipy.optimize"]  # as long as all the rest together


@pytest.fixture(autouse=True)
def closed_figures():
    with mpl.rc_context():
        mpl.use("agg")
        yield
        plt.close("all")


@pytest.fixture
def groups():
    return pd.DataFrame(
        {
            "n": [3, 30, 300],
            "none": [9.5, 10.1, 10.4],
            "partial": [10.0, 10.1, 10.4],
            "truth": [10.1, 10.2, 10.4],
            "complete": 10.3,
        }
    )


@pytest.fixture
def extremes():
    rng = np.random.default_rng(1)
    n = rng.integers(3, 300, 200)
    return pd.DataFrame({"n": n, "deviation": rng.normal(size=200) / np.sqrt(n)})


def line(ax, label):
    (found,) = (each for each in ax.lines if each.get_label() == label)
    return found


# What happens at import ---------------------------------------------------------


def test_importing_the_package_imports_nothing_heavy_and_is_quick():
    code = (
        "import json, sys, time; start = time.perf_counter(); import partialpool; "
        "print(json.dumps([time.perf_counter() - start, sorted(sys.modules)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    seconds, modules = json.loads(done.stdout)
    assert not set(HEAVY) & set(modules)
    # pandas and NumPy are nearly all of it: under 1 s on an idle machine.
    assert seconds < 20


def test_importing_changes_no_setting_of_matplotlib():
    code = (
        "import matplotlib as mpl; before = dict(mpl.rcParams); "
        "import partialpool; assert dict(mpl.rcParams) == before"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_every_public_name_is_there():
    assert sorted(pool.__all__, key=str.casefold) == sorted(
        set(pool.__all__), key=str.casefold
    )
    for name in pool.__all__:
        assert getattr(pool, name).__class__.__name__ != "module"


# The looks ----------------------------------------------------------------------


def test_complete_pooling_is_a_grey_dashed_line(groups):
    drawn = line(pool.plot_poolings(groups), "complete pooling")
    red, green, blue = to_rgb(drawn.get_color())
    assert red == green == blue
    assert drawn.get_linestyle() == "--"
    assert drawn.get_marker() == "None"
    assert (np.asarray(drawn.get_ydata()) == 10.3).all()


@pytest.mark.parametrize(
    ("label", "column", "marker", "edge", "face"),
    [
        ("no pooling", "none", "o", "#d55e00", "#ffffff"),
        ("partial pooling", "partial", "o", "#0173b2", "#0173b2"),
        ("truth", "truth", "x", "#000000", None),
    ],
)
def test_estimates_and_truth_have_their_look(groups, label, column, marker, edge, face):
    drawn = line(pool.plot_poolings(groups), label)
    assert drawn.get_marker() == marker
    assert drawn.get_linestyle() == "None"
    assert to_hex(drawn.get_markeredgecolor()) == edge
    assert face is None or to_hex(drawn.get_markerfacecolor()) == face
    assert list(drawn.get_xdata()) == [3, 30, 300]
    assert list(drawn.get_ydata()) == list(groups[column])


def test_no_two_looks_differ_by_colour_alone():
    def shape(look):
        filled = look.get("markerfacecolor") != "white"
        return look.get("marker"), look["linestyle"], filled

    shapes = [shape(look) for look in pool.LOOKS.values()]
    assert len(set(shapes)) == len(shapes) == 4


@pytest.mark.parametrize("name", pool.LOOKS)
def test_every_look_stands_out_from_white(name):
    def light(channel):
        return (
            channel / 12.92 if channel <= 0.04 else ((channel + 0.055) / 1.055) ** 2.4
        )

    channels = [light(each) for each in to_rgb(pool.LOOKS[name]["color"])]
    luminance = np.dot([0.2126, 0.7152, 0.0722], channels)
    assert 1.05 / (luminance + 0.05) >= 3


# The pictures -------------------------------------------------------------------


def test_poolings_are_joined_and_intervals_drawn(groups):
    bare = pool.plot_poolings(groups)
    assert len(bare.collections) == 1
    ends = groups["partial"] - 0.1, groups["partial"] + 0.1
    ax = pool.plot_poolings(groups, intervals={"partial": ends})
    assert len(ax.collections) == 2
    (first, *_) = ax.collections[1].get_segments()
    assert first.tolist() == [[3, pytest.approx(9.9)], [3, pytest.approx(10.1)]]
    assert to_hex(ax.collections[1].get_color()) == pool.LOOKS["partial"]["color"]


@pytest.mark.parametrize("column", ["none", "partial", "truth", "complete"])
def test_one_pooling_may_be_drawn_alone(groups, column):
    ax = pool.plot_poolings(groups[["n", column]])
    assert [each.get_label() for each in ax.lines] == [pool.LOOKS[column]["label"]]
    assert not ax.collections


@pytest.mark.parametrize("name", ["plot_poolings", "plot_shrinkage"])
@pytest.mark.parametrize("columns", [["n"], ["none", "partial"], []])
def test_columns_that_are_not_there_are_named(groups, columns, name):
    with pytest.raises(ValueError, match="needs the column 'n' and at least one of"):
        getattr(pool, name)(groups[columns])


def test_each_group_has_a_slot_of_its_own_in_order_of_size(groups):
    shuffled = groups.iloc[[2, 0, 1]]
    ax = pool.plot_shrinkage(shuffled)
    for label, column in [("no pooling", "none"), ("truth", "truth")]:
        drawn = line(ax, label)
        assert list(drawn.get_xdata()) == [0, 1, 2]
        assert list(drawn.get_ydata()) == list(groups[column])
    joined = [segment[:, 1].tolist() for segment in ax.collections[0].get_segments()]
    assert joined == groups[["none", "partial"]].to_numpy().tolist()
    assert [each.get_text() for each in ax.get_xticklabels()] == [
        "0\n3",
        "1\n30",
        "2\n300",
    ]


def test_many_slots_say_their_sizes_only():
    groups = pd.DataFrame({"n": range(2, 102), "none": 0.0})
    labels = pool.plot_shrinkage(groups).get_xticklabels()
    assert [each.get_text() for each in labels][:: len(labels) - 1] == ["2", "101"]
    assert len(labels) == 8


def test_bands_say_where_own_and_pooled_means_are_expected(groups):
    ax = pool.plot_shrinkage(groups, mean=10, between_sd=0.3, within_sd=0.4)
    lower, upper, inner = (each.get_paths()[0].vertices for each in ax.collections[:3])
    own = 1.645 * np.hypot(0.3, 0.4 / np.sqrt(3))
    pooled = 1.645 * 0.09 / np.hypot(0.3, 0.4 / np.sqrt(3))
    assert lower[:, 1].min() == pytest.approx(10 - own)
    assert upper[:, 1].max() == pytest.approx(10 + own)
    left = inner[inner[:, 0] == 0, 1]
    assert [left.min(), left.max()] == pytest.approx([10 - pooled, 10 + pooled])
    with pytest.raises(ValueError, match="together, or none"):
        pool.plot_shrinkage(groups, mean=10)


def test_intervals_of_the_shrinkage_picture_come_from_their_columns(groups):
    ends = groups.assign(
        partial_low=groups["partial"] - 0.1, partial_high=groups["partial"] + 0.1
    )
    ax = pool.plot_shrinkage(ends, intervals=["partial"])
    (first, *_) = ax.collections[1].get_segments()
    assert first.tolist() == [[0, pytest.approx(9.9)], [0, pytest.approx(10.1)]]


def test_extremes_mark_the_top_and_the_bottom(extremes):
    ax = pool.plot_extremes(extremes, share=0.1)
    middle, top, bottom = (each.get_offsets() for each in ax.collections)
    assert [len(middle), len(top), len(bottom)] == [160, 20, 20]
    assert top[:, 1].min() > middle[:, 1].max()
    assert bottom[:, 1].max() < middle[:, 1].min()
    labels = ax.get_legend_handles_labels()[1]
    assert labels == ["top", "bottom"]
    up, down = (each.get_paths()[0].vertices for each in ax.collections[1:])
    assert not np.array_equal(up, down)


@pytest.mark.parametrize("name", ["plot_poolings", "plot_extremes"])
def test_plots_return_axes_on_a_log_scale_with_plain_numbers(
    groups, extremes, name, monkeypatch
):
    monkeypatch.setattr(plt, "show", lambda: pytest.fail("a plot called show()"))
    table = groups if name == "plot_poolings" else extremes
    ax = getattr(pool, name)(table)
    assert isinstance(ax, Axes)
    assert ax.get_xscale() == "log"
    assert ax.get_xlabel() == "group size (log scale)"
    ax.set_xlim(2, 2000)
    ax.figure.canvas.draw()
    labels = [each.get_text() for each in ax.get_xticklabels()]
    assert {"3", "30", "1,000"} <= set(labels)
    assert not any("$" in each for each in labels)


@pytest.mark.parametrize("name", ALL_PLOTS)
def test_plots_draw_where_they_are_told(groups, extremes, name):
    table = extremes if name == "plot_extremes" else groups
    before = table.copy()
    _, (left, right) = plt.subplots(1, 2)
    assert getattr(pool, name)(table, ax=right) is right
    assert right.has_data()
    assert not left.has_data()
    assert len(plt.get_fignums()) == 1
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize("name", ALL_PLOTS)
def test_drawing_twice_gives_the_same_file(groups, extremes, name):
    pool.use_style()
    table = extremes if name == "plot_extremes" else groups

    def drawn():
        file = io.BytesIO()
        ax = pool.show_legend(getattr(pool, name)(table))
        ax.figure.savefig(file, format="svg", metadata={"Date": None})
        return file.getvalue()

    first, second = drawn(), drawn()
    assert b"<svg" in first
    assert first == second


def test_the_legend_lists_each_label_once_and_takes_options(groups):
    ax = pool.plot_poolings(groups)
    pool.plot_poolings(groups, ax=ax)
    assert pool.show_legend(ax) is ax
    texts = [each.get_text() for each in ax.get_legend().get_texts()]
    assert texts == ["complete pooling", "no pooling", "partial pooling", "truth"]
    pool.show_legend(ax, ncols=1, title="poolings")
    assert ax.get_legend().get_title().get_text() == "poolings"


def test_a_legend_of_nothing_is_no_error():
    assert pool.show_legend(plt.subplots()[1]).get_legend().get_texts() == []


# The style ----------------------------------------------------------------------


def test_the_style_is_the_books():
    pool.use_style()
    assert not mpl.rcParams["axes.spines.top"]
    assert mpl.rcParams["figure.constrained_layout.use"]
    assert mpl.rcParams["svg.hashsalt"] == "borrowing-strength"
    assert mpl.rcParams["font.family"] == ["DejaVu Sans"]


def test_in_a_notebook_figures_are_svg_without_a_date(monkeypatch):
    import IPython
    from matplotlib_inline import backend_inline

    asked = {}
    monkeypatch.setattr(IPython, "get_ipython", lambda: object())
    monkeypatch.setattr(
        backend_inline,
        "set_matplotlib_formats",
        lambda kind, **options: asked.update(kind=kind, **options),
    )
    pool.use_style()
    assert asked["kind"] == "svg"
    assert asked["metadata"] == {"Date": None}


def test_groups_with_standard_errors_stand_in_order_of_them():
    groups = pd.DataFrame({"se": [0.1, 0.5], "none": [10.2, 9.9]}, index=["A", "B"])
    ax = pool.plot_shrinkage(groups)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["B\n0.5", "A\n0.1"]
    assert ax.get_xlabel().endswith("standard error")


def test_a_mean_of_its_own_for_each_group_is_a_dash_in_its_slot():
    groups = pd.DataFrame({"n": [3, 9], "complete": [10.0, 11.0], "none": [9.0, 11.5]})
    assert pool.plot_shrinkage(groups).lines[0].get_marker() == "_"
    one = pool.plot_shrinkage(groups.assign(complete=10.0))
    assert one.lines[0].get_linestyle() == "--"

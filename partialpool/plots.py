"""Plots: the pictures used in more than one chapter, with one look each."""

from importlib.resources import as_file, files

import numpy as np

# One look for each pooling in every figure of the book: marker, colour and line
# differ, so that nothing is told by colour alone.
LOOKS = {
    "complete": {"color": "#767676", "linestyle": "--", "label": "complete pooling"},
    "none": {
        "color": "#d55e00",
        "marker": "o",
        "markerfacecolor": "white",
        "linestyle": "none",
        "label": "no pooling",
    },
    "partial": {
        "color": "#0173b2",
        "marker": "o",
        "linestyle": "none",
        "label": "partial pooling",
    },
    "truth": {"color": "black", "marker": "x", "linestyle": "none", "label": "truth"},
}


def use_style():
    """Give Matplotlib the book's style, and notebooks sharp, repeatable figures.

    Examples
    --------
    >>> use_style()
    """
    import matplotlib.pyplot as plt

    with as_file(files("partialpool") / "book.mplstyle") as path:
        plt.style.use(path)
    # In a notebook, draw SVG without a date, so that builds can be compared.
    try:
        from IPython import get_ipython
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:
        return
    if get_ipython() is not None:
        set_matplotlib_formats("svg", metadata={"Date": None}, bbox_inches="tight")


def plot_poolings(groups, *, intervals=None, ax=None):
    """Draw a mean per group against group size, in the book's looks.

    Parameters
    ----------
    groups : pandas.DataFrame
        One row per group: ``n`` (its size) and any of the columns ``none``,
        ``partial``, ``truth`` and ``complete`` (units of the outcome).
        Complete pooling is drawn as a line, so it should be one value.
    intervals : dict of str to (lower, upper), optional
        For the columns named, the ends of an interval per group.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        With a logarithmic horizontal axis.

    Raises
    ------
    ValueError
        If ``n`` or every one of the four columns is not there.

    Examples
    --------
    >>> import pandas as pd
    >>> groups = pd.DataFrame({"n": [3, 30], "none": [9.9, 10.2]})
    >>> plot_poolings(groups).get_xscale()
    'log'
    """
    import matplotlib.pyplot as plt

    drawn = _poolings_in(groups)
    ax = ax or plt.subplots()[1]
    if "complete" in groups:
        ax.axhline(groups["complete"].iloc[0], **LOOKS["complete"])
    if {"none", "partial"} <= set(groups):
        ax.vlines(groups["n"], groups["none"], groups["partial"], color="#bbbbbb", lw=1)
    for name, (lower, upper) in (intervals or {}).items():
        ax.vlines(groups["n"], lower, upper, color=LOOKS[name]["color"], lw=1)
    for name in drawn:
        ax.plot(groups["n"], groups[name], markersize=5, **LOOKS[name])
    return _on_log_scale(ax)


def plot_shrinkage(
    groups, *, mean=None, between_sd=None, within_sd=None, intervals=(), ax=None
):
    r"""Draw each group in a slot of its own, the smallest on the left.

    One slot a group lets every truth be matched to its estimates. A line joins
    a group's own mean to its partially pooled mean. With `mean`, `between_sd`
    and `within_sd`, two bands are drawn behind: where nine own means in ten are
    expected for a group of that size (orange), and nine partially pooled means
    in ten (blue). The first narrows and the second widens as groups grow.

    Parameters
    ----------
    groups : pandas.DataFrame
        One row per group: ``n`` (its size), or ``se`` (the standard error of its
        own estimate), and any of the columns ``none``, ``partial``, ``truth`` and
        ``complete`` (units of the outcome).
    mean, between_sd, within_sd : float, optional
        Mean of the group means, their standard deviation, and that of members
        within a group. Give all three or none.
    intervals : sequence of str
        Names of poolings, such as ``["partial"]``, whose columns
        ``<name>_low`` and ``<name>_high`` hold intervals to draw.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        The k-th smallest group is drawn at horizontal position k, from 0. The
        horizontal axis says sizes, and with up to 16 groups names as well.

    Raises
    ------
    ValueError
        If a column that is needed is not there, or only some of the three
        numbers are given.

    Examples
    --------
    >>> import pandas as pd
    >>> groups = pd.DataFrame({"n": [30, 3], "none": [10.2, 9.9]}, index=["A", "B"])
    >>> ax = plot_shrinkage(groups)
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['B\n3', 'A\n30']
    """
    import matplotlib.pyplot as plt

    size = "se" if "se" in groups and "n" not in groups else "n"
    drawn = _poolings_in(groups, size)
    given = [number is not None for number in (mean, between_sd, within_sd)]
    if any(given) and not all(given):
        raise ValueError("give mean, between_sd and within_sd together, or none.")
    ax = ax or plt.subplots(figsize=(7.6, 4.6))[1]
    groups = groups.sort_values(size, kind="stable", ascending=size == "n")
    slots = range(len(groups))
    if all(given):
        _draw_expected(ax, groups["n"], mean, between_sd, within_sd)
    if "complete" in groups:
        values, look = groups["complete"], LOOKS["complete"]
        if np.allclose(values, values.iloc[0]):
            ax.axhline(values.iloc[0], **look)
        else:
            # Predictors tell groups apart: a dash in each slot.
            dash = {"marker": "_", "markersize": 9, "linestyle": "none"}
            ax.plot(slots, values, **look | dash)
    if {"none", "partial"} <= set(groups):
        ax.vlines(slots, groups["none"], groups["partial"], color="#999999", lw=1)
    for name in intervals:
        ends = groups[f"{name}_low"], groups[f"{name}_high"]
        ax.vlines(slots, *ends, color=LOOKS[name]["color"], lw=1.2)
    marker_size = 6 if len(groups) <= 80 else 3  # where slots are narrow
    for name in drawn:
        ax.plot(slots, groups[name], markersize=marker_size, **LOOKS[name])
    _label_slots(ax, groups, size)
    return ax


def _poolings_in(groups, size="n"):
    """Name the poolings to draw as points; refuse a table that has nothing to draw."""
    drawn = [name for name in ("none", "partial", "truth") if name in groups]
    if size not in groups or not (drawn or "complete" in groups):
        raise ValueError(
            "groups needs the column 'n' and at least one of 'complete', 'none', "
            f"'partial' and 'truth'; it has {', '.join(map(repr, groups.columns))}."
        )
    return drawn


def _draw_expected(ax, n, mean, between_sd, within_sd):
    """Shade where nine own means, and nine pooled means, in ten are expected."""
    slots, variance = range(len(n)), between_sd**2 + within_sd**2 / n.to_numpy(float)
    outer, inner = 1.645 * variance**0.5, 1.645 * between_sd**2 / variance**0.5
    style = {"alpha": 0.16, "lw": 0}
    for side in (-1, 1):
        ends = mean + side * inner, mean + side * outer
        ax.fill_between(slots, *ends, color=LOOKS["none"]["color"], **style)
    ends = mean - inner, mean + inner
    ax.fill_between(slots, *ends, color=LOOKS["partial"]["color"], **style)


def _label_slots(ax, groups, size):
    """Write sizes below the slots: all with names if few, else about eight."""
    few, last = len(groups) <= 16, len(groups) - 1
    number = len(groups) if few else 8
    places = sorted({round(k * last / max(number - 1, 1)) for k in range(number)})
    form = ",.0f" if size == "n" else ".2g"
    sizes = [format(groups[size].iloc[place], form) for place in places]
    names = [str(groups.index[place]) for place in places]
    both = [f"{name}\n{size}" for name, size in zip(names, sizes, strict=True)]
    ax.set_xticks(places, both if few else sizes)
    ax.set_xlim(-0.8, last + 0.8)
    below = "members" if size == "n" else "standard error"
    ax.set_xlabel(f"groups in order of size; below each: {below}")


def plot_extremes(groups, *, share=0.05, ax=None):
    """Draw deviations against group size, and mark the top and the bottom.

    Parameters
    ----------
    groups : pandas.DataFrame
        One row per group: ``n`` (its size) and ``deviation`` (distance of its
        mean from what was expected, units of the outcome).
    share : float
        Share of the groups to mark at each end.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        With a logarithmic horizontal axis.

    Examples
    --------
    >>> import pandas as pd
    >>> groups = pd.DataFrame({"n": [3, 9, 30], "deviation": [-0.3, 0.0, 0.2]})
    >>> len(plot_extremes(groups, share=0.3).collections)
    3
    """
    import matplotlib.pyplot as plt

    ax = ax or plt.subplots()[1]
    low, high = groups["deviation"].quantile([share, 1 - share])
    top, bottom = groups["deviation"] >= high, groups["deviation"] <= low
    for rows, style in [
        (~top & ~bottom, {"color": "#999999", "s": 6, "alpha": 0.6}),
        (top, {"color": "#029e73", "marker": "^", "s": 22, "label": "top"}),
        (bottom, {"color": "#a94f98", "marker": "v", "s": 22, "label": "bottom"}),
    ]:
        ax.scatter(groups["n"][rows], groups["deviation"][rows], lw=0, **style)
    ax.axhline(0, color="#767676", lw=1)
    return _on_log_scale(ax)


def _on_log_scale(ax):
    """Put sizes on a log axis, with 30 and 1,000 below it, not powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.set(xscale="log", xlabel="group size (log scale)")
    smallest, largest = ax.get_xlim()
    subs = (1, 3) if largest < 500 * smallest else (1,)
    ax.xaxis.set_major_locator(LogLocator(subs=subs))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:,.0f}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    return ax


def show_legend(ax, **options):
    """Put one legend above the axes, each label once.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Axes whose labelled artists to list.
    **options
        Passed on to ``ax.legend``.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> _, ax = plt.subplots()
    >>> _ = ax.plot([0, 1], label="truth"), ax.plot([1, 0], label="truth")
    >>> len(show_legend(ax).get_legend().get_texts())
    1
    """
    handles, labels = ax.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    place = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": max(len(once), 1)}
    ax.legend(once.values(), once.keys(), **(place | options))
    return ax

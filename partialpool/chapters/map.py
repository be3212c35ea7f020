"""The map: who comes closest, over number, size and spread of groups."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from partialpool.chapters.sets import score_many
from partialpool.poolings import contest_many

GROUPS = (3, 5, 10, 30, 200)
# Smallest and largest size; sizes between are even on the log scale.
SIZES = {
    "1 or 2": (1, 2),
    "5": (5, 5),
    "20": (20, 20),
    "100": (100, 100),
    "500": (500, 500),
    "1 to 25": (1, 25),
    "1 to 500": (1, 500),
}
RATIOS = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0)
# A cell has at least so many data sets, and so many groups in all of them together.
SETS, GROUPS_IN_ALL = 200, 3000


@dataclass(frozen=True)
class Drawn:
    """D data sets of J groups, added up by group, and their truth.

    Attributes
    ----------
    n, mean, truth : numpy.ndarray
        Rows of each group, their mean and the true mean, shape (D, J).
    ss : numpy.ndarray
        Sum of squares within groups, over all groups; shape (D, 1).
    x : numpy.ndarray or None
        What an analyst knows of each group; shape (D, J).
    """

    n: np.ndarray
    mean: np.ndarray
    truth: np.ndarray
    ss: np.ndarray
    x: np.ndarray | None = None


def sizes_of(groups, smallest, largest):
    """Sizes of groups, even on the log scale from the smallest to the largest.

    Examples
    --------
    >>> sizes_of(3, 1, 25).tolist()
    [1.0, 5.0, 25.0]
    """
    return np.rint(np.geomspace(smallest, largest, groups))


def draw_cell(groups, sizes, ratio, *, explained=None, sets, seed):
    """Draw the data sets of one cell of the map; the sd within groups is 1.

    Parameters
    ----------
    groups : int
        Number of groups, J.
    sizes : (int, int)
        Smallest and largest.
    ratio : float
        Standard deviation between groups.
    explained : float, optional
        Share of the variance between groups that a predictor explains, 0 to 1. None:
        there is no predictor.
    sets : int
        Number of data sets, D.
    seed : int or sequence of int

    Returns
    -------
    Drawn

    Examples
    --------
    >>> drawn = draw_cell(3, (1, 25), 0.5, sets=2, seed=1)
    >>> drawn.n.tolist()
    [[1.0, 5.0, 25.0], [1.0, 5.0, 25.0]]
    """
    rng = np.random.default_rng(seed)
    n = np.tile(sizes_of(groups, *sizes), (sets, 1))
    truth, x = ratio * rng.normal(size=n.shape), None
    if explained is not None:
        x = rng.normal(size=n.shape)
        truth = np.sqrt(1 - explained) * truth + ratio * np.sqrt(explained) * x
    mean = rng.normal(truth, 1 / np.sqrt(n))
    ss = rng.chisquare(n.sum(1, keepdims=True) - groups)
    return Drawn(n, mean, truth, ss, x)


def score_cell(
    groups, sizes, ratio, *, explained=None, sets=None, methods=None, prob=0.9, seed
):
    """Draw one cell of the map and score every method on it.

    Parameters
    ----------
    groups, sizes, ratio, explained, seed
        As for :func:`draw_cell`.
    sets : int, optional
        By default 200, or as many as hold 3,000 groups.
    methods : sequence of str, optional
        As for :func:`partialpool.poolings.contest`; all by default.
    prob : float
        Probability that the intervals promise.

    Returns
    -------
    pandas.DataFrame
        As :func:`~partialpool.chapters.sets.score_many`, in units of the standard
        deviation within groups.

    Examples
    --------
    >>> cell = score_cell(30, (5, 5), 0.5, sets=50, seed=1)
    >>> bool(cell.loc["bayes", "rmse"] < cell.loc["none", "rmse"])
    True
    """
    if sets is None:
        sets = max(SETS, GROUPS_IN_ALL // groups)
    drawn = draw_cell(groups, sizes, ratio, explained=explained, sets=sets, seed=seed)
    found = contest_many(
        drawn.mean, n=drawn.n, ss=drawn.ss, x=drawn.x, methods=methods, ci_prob=prob
    )
    return score_many(found, drawn.truth, prob=prob)


def draw_map(
    *,
    groups=GROUPS,
    sizes=SIZES,
    ratios=RATIOS,
    explained=None,
    sets=None,
    methods=None,
    prob=0.9,
    seed,
):
    """Draw the whole map, or a part of it.

    Parameters
    ----------
    groups, ratios : sequence
        Numbers of groups, and standard deviations between over within them.
    sizes : dict of str to (int, int)
        Smallest and largest size, by label.
    explained, sets, methods, prob
        As for :func:`score_cell`.
    seed : int
        Source of all randomness. A cell is the same in a part of the map as in the
        whole.

    Returns
    -------
    pandas.DataFrame
        One row a cell and method, indexed by ``groups``, ``size``, ``ratio`` and
        ``method``; columns as :func:`~partialpool.chapters.sets.score_many`.

    Examples
    --------
    >>> cells = draw_map(groups=[3], sizes={"5": (5, 5)}, ratios=[0, 1], seed=1)
    >>> cells.loc[(3, "5", 0), "rmse"].idxmin()
    'complete'
    """
    share = round(1000 * (explained or 0))
    cells = {
        (count, label, ratio): score_cell(
            count,
            sizes[label],
            ratio,
            explained=explained,
            sets=sets,
            methods=methods,
            prob=prob,
            seed=[seed, count, *sizes[label], round(1000 * ratio), share],
        )
        for count, label, ratio in product(groups, sizes, ratios)
    }
    return pd.concat(cells, names=["groups", "size", "ratio"])


def rows_of(drawn, i=0, *, seed):
    """Make rows with the sums of one data set of a cell.

    Parameters
    ----------
    drawn : Drawn
    i : int
        Which data set.
    seed : int
        Of the rows about their group's mean; the sums are those of the data set.

    Returns
    -------
    pandas.DataFrame
        Columns ``group`` (text), ``y`` and, if there is a predictor, ``x``.

    Examples
    --------
    >>> rows = rows_of(draw_cell(3, (1, 25), 0.5, sets=1, seed=1), seed=1)
    >>> rows.groupby("group").size().tolist()
    [1, 5, 25]
    """
    n = drawn.n[i].astype(int)
    group = np.repeat(np.arange(len(n)), n)
    noise = np.random.default_rng(seed).normal(size=len(group))
    noise -= (np.bincount(group, noise) / n)[group]
    noise *= np.sqrt(drawn.ss[i, 0] / (noise**2).sum())
    rows = pd.DataFrame({"group": group.astype(str), "y": drawn.mean[i][group] + noise})
    return rows if drawn.x is None else rows.assign(x=drawn.x[i][group])


# Who wins ---------------------------------------------------------------------

# An error no larger than the best by so much ties with it, however well it is known.
TOLERANCE = 0.01
PARTIAL = {"bayes": "B", "reml": "R", "empirical_bayes": "E", "ridge": "G"}


def ties(scores):
    """Say which methods tie with the best of their cell.

    Parameters
    ----------
    scores : pandas.DataFrame
        Indexed by the cell and, last, ``method``, with columns ``rmse``, ``gap`` and
        ``gap_error``.

    Returns
    -------
    pandas.DataFrame
        One row a cell, a column of bool a method: whether its error lies above the
        best by at most two Monte Carlo errors of their difference, or by at most 1%.

    Examples
    --------
    >>> index = pd.MultiIndex.from_product([["cell"], ["a", "b"]])
    >>> columns = {"rmse": [1.0, 1.1], "gap": [0.0, 0.1], "gap_error": [0.0, 0.02]}
    >>> ties(pd.DataFrame(columns, index)).loc["cell"].tolist()
    [True, False]
    """
    cell = list(range(scores.index.nlevels - 1))
    least = scores.groupby(level=cell, sort=False)["rmse"].transform("min")
    near = np.maximum(2 * scores["gap_error"], TOLERANCE * least)
    return (scores["gap"] <= near).unstack(-1, sort=False)


def name_regions(cells):
    """Name the region of every cell of the map.

    Parameters
    ----------
    cells : pandas.DataFrame
        What :func:`draw_map` returns.

    Returns
    -------
    pandas.DataFrame
        One row a cell: ``region`` (``complete`` where complete pooling ties with the
        best, else ``none`` where no pooling does, else ``partial``); ``lead`` (how
        much smaller the error of ``bayes`` is than that of the better of complete and
        no pooling, as a share of it); and ``mark``: C, N, or the letter of the first
        tied method of `PARTIAL`.
    """
    tied = ties(cells)
    errors = cells["rmse"].unstack(-1, sort=False)
    regions = [tied["complete"], tied["none"]]
    first = tied[list(PARTIAL)].idxmax(axis=1).map(PARTIAL)
    return pd.DataFrame(
        {
            "region": np.select(regions, ["complete", "none"], "partial"),
            "lead": 1 - errors["bayes"] / errors[["complete", "none"]].min(axis=1),
            "mark": np.select(regions, ["C", "N"], first),
        },
        errors.index,
    )


# The picture -------------------------------------------------------------------

PALE = {"complete": "#d4d4d4", "none": "#f7cfa6", "partial": "#a6cdea"}


def plot_map(tiles, fig):
    """Draw a panel for each number of groups, a tile for each cell.

    Parameters
    ----------
    tiles : pandas.DataFrame
        What :func:`name_regions` returns.
    fig : matplotlib.figure.Figure
        Empty; six panels are made, the last holds the legend.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.patches import Patch

    axes = fig.subplots(2, 3, sharex=True, sharey=True).ravel()
    for ax, (groups, panel) in zip(
        axes, tiles.groupby("groups", sort=False), strict=False
    ):
        sizes = list(dict.fromkeys(panel.index.get_level_values("size")))
        ratios = sorted(set(panel.index.get_level_values("ratio")))
        for (_, size, ratio), tile in panel.iterrows():
            at = sizes.index(size), ratios.index(ratio)
            ax.bar(at[0], 1, 1, at[1] - 0.5, color=PALE[tile["region"]], ec="white")
            ax.text(
                *at,
                f"{tile['mark']}\n{round(100 * tile['lead'])}",
                fontsize=6,
                **_MIDDLE,
            )
        ax.set(title=f"{groups} groups", xlim=(-0.5, len(sizes) - 0.5))
        ax.set(ylim=(-0.5, len(ratios) - 0.5), yticks=range(len(ratios)))
        ax.set(xticks=range(len(sizes)), xticklabels=sizes, yticklabels=ratios)
        ax.tick_params(axis="x", rotation=60, labelsize=7, labelbottom=True, length=0)
        ax.tick_params(axis="y", labelsize=7, length=0)
        ax.spines[["left", "bottom"]].set_visible(False)
    axes[0].set_ylabel("τ/σ")
    axes[3].set_ylabel("τ/σ")
    fig.supxlabel("rows in a group", fontsize=9)
    axes[-1].axis("off")
    names = {"complete": "complete pooling is as good", "none": "no pooling is as good"}
    names["partial"] = "partial pooling alone"
    patches = [Patch(color=PALE[kind], label=name) for kind, name in names.items()]
    axes[-1].legend(handles=patches, loc="center", frameon=False, fontsize=8)
    return fig


_MIDDLE = {"ha": "center", "va": "center", "linespacing": 0.9, "color": "black"}

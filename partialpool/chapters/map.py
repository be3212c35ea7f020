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
        As for :func:`partialpool.contest`; all by default.
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

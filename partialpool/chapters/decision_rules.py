"""Rules that turn draws of groups into decisions: rank, grade, call, publish.

Draws have the shape (..., S, J): S joint draws of J groups, in one world or in many.
High values are good, and rank 1 is the highest.
"""

from dataclasses import dataclass

import numpy as np

# What a wrong act costs, when a missed or withheld one costs 1.
WRONG_GRADE, FALSE_CALL, WRONG_FIGURE = 4.0, 4.0, 5.0
TOLERANCE = 0.1  # a published figure may be off by 10%


@dataclass(frozen=True)
class Costs:
    """What wrong acts cost, and how many groups are the top."""

    false_call: float = FALSE_CALL
    wrong_grade: float = WRONG_GRADE
    wrong_figure: float = WRONG_FIGURE
    top: int = 10


COSTS = Costs()


# Ranks -----------------------------------------------------------------------------


def rank(values):
    """Rank along the last axis, the highest first.

    Examples
    --------
    >>> rank(np.array([0.2, 0.9, 0.5])).tolist()
    [3, 1, 2]
    """
    order = np.argsort(-values, axis=-1)
    ranks = np.empty(order.shape, np.int16)  # small, as there are millions
    places = np.arange(1, values.shape[-1] + 1, dtype=np.int16)
    np.put_along_axis(ranks, order, places, -1)
    return ranks


def rank_intervals(ranks, *, prob=0.9):
    """Ends of the intervals of ranks: the middle `prob` of the draws, (..., J)."""
    ends = [(1 - prob) / 2, (1 + prob) / 2]
    ordered = np.sort(ranks, axis=-2, kind="stable")
    count = ranks.shape[-2]
    at = [int(np.floor(ends[0] * count)), int(np.ceil(ends[1] * count)) - 1]
    return ordered[..., at[0], :], ordered[..., at[1], :]


def name_top(ranks, k):
    """Name the k groups that most draws put among the first k: True or False, (..., J).

    No other choice has as many right on average.

    Examples
    --------
    >>> name_top(np.array([[1, 2, 3], [1, 3, 2], [2, 3, 1]]), 1).tolist()
    [True, False, False]
    """
    chance = (ranks <= k).mean(-2)
    return rank(chance - 1e-6 * ranks.mean(-2)) <= k  # expected ranks part ties


def rank_by_tests(point, n, sd, *, prob=0.9, draws=400, seed):
    """Confidence sets for ranks from tests of all differences with other groups.

    Of each group, those significantly above it and below it are counted; the critical
    value is that of the largest difference not yet found, so that each set holds the
    true rank with the probability `prob` or more (Mogstad, Romano, Shaikh and Wilhelm
    2024, with their steps).

    Parameters
    ----------
    point, n : numpy.ndarray
        Mean and rows of each group, (D, J).
    sd : numpy.ndarray
        Standard deviation within groups, (D, 1).
    prob : float
    draws : int
        Draws of the largest difference.
    seed : int or sequence of int

    Returns
    -------
    low, high : numpy.ndarray
        Shape (D, J).
    """
    rng = np.random.default_rng(seed)
    low, high = np.empty(point.shape, int), np.empty(point.shape, int)
    for d in range(len(point)):
        se = sd[d] / np.sqrt(n[d])
        apart = np.hypot(se[:, None], se)
        noise = (se * rng.standard_normal((draws, len(se)))).T.astype(np.float32, "C")
        z = (point[d] - point[d][:, None]) / apart
        for j in range(len(se)):
            scale = apart[j][:, None].astype(np.float32)
            found = _refuse(z[j], np.abs(noise - noise[j]) / scale, prob)
            low[d, j] = 1 + (found & (z[j] > 0)).sum()
            high[d, j] = len(se) - (found & (z[j] < 0)).sum()
    return low, high


def _refuse(z, noise, prob):
    """Which differences are no noise; those found take no part in the next step."""
    found = np.zeros(len(z), bool)
    while True:
        critical = np.quantile(noise[~found].max(0), prob)
        new = ~found & (np.abs(z) > critical)
        if not new.any():
            return found
        found |= new


# Grades ----------------------------------------------------------------------------


def above(ranks):
    """Share of draws in which one group is above another: (..., J, J), row over column.

    Examples
    --------
    >>> above(np.array([[2, 1], [1, 2], [1, 2], [1, 2]])).tolist()
    [[0.0, 0.75], [0.25, 0.0]]
    """
    groups = range(ranks.shape[-1])
    columns = [np.count_nonzero(ranks[..., [k]] < ranks, axis=-2) for k in groups]
    return np.stack(columns, axis=-2) / ranks.shape[-2]


def grade(ranks, *, wrong=WRONG_GRADE):
    """Give grades, 1 the best, with as many of them as the draws can tell apart.

    Two groups with different grades earn 1 if they stand in the right order, and cost
    `wrong` if not. Groups are put in order of their expected rank, and cut where the
    expected gain is largest; so two groups are told apart, alone, if the probability of
    their order is above ``wrong / (1 + wrong)``. A simple form of Kline, Rose and
    Walters (2024).

    Parameters
    ----------
    ranks : numpy.ndarray
        Of draws, (D, S, J) or (S, J).
    wrong : float

    Returns
    -------
    numpy.ndarray
        Shape (D, J) or (J,), whole numbers from 1.
    """
    if ranks.ndim == 2:
        return grade(ranks[None], wrong=wrong)[0]
    order = np.argsort(ranks.mean(-2), axis=-1, kind="stable")
    chance = above(np.take_along_axis(ranks, order[:, None], -1))
    gain = np.triu(chance - wrong * (1 - chance), 1)
    sums = np.zeros((len(gain), *(np.array(gain.shape[1:]) + 1)))
    sums[:, 1:, 1:] = gain.cumsum(1).cumsum(2)
    grades = np.empty(order.shape, int)
    np.put_along_axis(grades, order, _cut(sums), -1)
    return grades


def _cut(sums):
    """Cut an order into grades with the least gain left within them: (D, J)."""
    count, size = sums.shape[0], sums.shape[1] - 1
    least, last = np.zeros((count, size + 1)), np.zeros((count, size + 1), int)
    each = np.arange(count)
    for j in range(1, size + 1):
        i = np.arange(j)
        within = sums[:, j, j, None] - sums[:, i, j] - sums[:, j, i] + sums[:, i, i]
        total = least[:, :j] + within
        last[:, j] = total.argmin(1)
        least[:, j] = total[each, last[:, j]]
    starts = np.zeros((count, size + 1), int)
    at = np.full(count, size)
    while (at > 0).any():
        at = np.where(at > 0, last[each, at], 0)
        starts[each, at] = 1
    return starts[:, :size].cumsum(1)


def gain_of_grades(grades, truth, *, wrong=WRONG_GRADE):
    """Gain over all pairs with different grades, and the share of these in wrong order.

    Returns
    -------
    gain : numpy.ndarray
        A pair, (D,): 1 for a right order, less `wrong` for a wrong one.
    wrong_share : numpy.ndarray
        Of the pairs told apart, (D,); 0 where there are none.
    told : numpy.ndarray
        Share of all pairs that are told apart, (D,).
    """
    better = grades[:, :, None] < grades[:, None]
    right = truth[:, :, None] > truth[:, None]
    good, bad = (better & right).sum((1, 2)), (better & ~right).sum((1, 2))
    pairs = grades.shape[1] * (grades.shape[1] - 1) / 2
    share = bad / np.maximum(good + bad, 1)
    return (good - wrong * bad) / pairs, share, (good + bad) / pairs


# Calls and publication -------------------------------------------------------------


def benjamini_hochberg(p, rate):
    """Tests whose null is refused at a false discovery rate: True or False, (D, J).

    Examples
    --------
    >>> benjamini_hochberg(np.array([[0.01, 0.04, 0.9]]), 0.1).tolist()
    [[True, True, False]]
    """
    count = p.shape[-1]
    ordered = np.sort(p, axis=-1)
    fine = ordered <= rate * np.arange(1, count + 1) / count
    most = np.where(fine, ordered, -1).max(-1, keepdims=True)
    return p <= most


def cost_of_calls(called, below, *, false=FALSE_CALL):
    """Mean cost a group: `false` for a false call, 1 for a missed one."""
    return (false * (called & ~below) + (~called & below)).mean(-1)


def risk(point, draws, *, tolerance=TOLERANCE):
    """Chance that a figure is off by more than a share of the truth: (..., J)."""
    return (np.abs(np.expm1(point[..., None, :] - draws)) > tolerance).mean(-2)


def cost_of_publishing(published, point, truth, *, wrong=WRONG_FIGURE):
    """Mean cost: `wrong` for a published figure that is off, 1 for one withheld."""
    off = np.abs(np.expm1(point - truth)) > TOLERANCE
    return np.where(published, wrong * off, 1.0).mean(-1)


# What to publish of the spread -----------------------------------------------------


def triple_goal(draws, ranks):
    """Values with the spread of the groups, in the order of their expected ranks.

    The middle of the J steps of the expected distribution of all group means; the
    third of the three goals of Shen and Louis (1998).

    Parameters
    ----------
    draws, ranks : numpy.ndarray
        Shape (..., S, J).

    Returns
    -------
    numpy.ndarray
        Shape (..., J).
    """
    size = draws.shape[-1]
    pool = draws.reshape(*draws.shape[:-2], -1)
    steps = np.quantile(pool, (2 * np.arange(1, size + 1) - 1) / (2 * size), axis=-1)
    place = rank(-ranks.mean(-2))
    return np.take_along_axis(np.moveaxis(steps, 0, -1), size - place, -1)


def stretch(point, draws):
    """Stretch estimates until their variance is what the draws expect (Louis 1984)."""
    middle = point.mean(-1, keepdims=True)
    wanted = draws.var(-1, ddof=1).mean(-1)[..., None]
    return middle + (point - middle) * np.sqrt(wanted / _variance(point))


def shrink_alike(point, error):
    """Shrink all estimates alike, so that their variance has no noise in it.

    The plain way: the mean squared standard error is taken from the variance.
    """
    middle, variance = point.mean(-1, keepdims=True), _variance(point)
    noise = (error**2).mean(-1, keepdims=True)
    return middle + (point - middle) * np.sqrt(np.maximum(1 - noise / variance, 0))


def _variance(point):
    return np.maximum(point.var(-1, ddof=1, keepdims=True), 1e-300)


def distance_of_spreads(values, truth):
    """Mean distance of values and truth, both in order: (D,)."""
    return np.abs(np.sort(values, -1) - np.sort(truth, -1)).mean(-1)

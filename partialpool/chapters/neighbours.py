"""Neighbours: what other groups say of a group, and what mixing with them saves."""

import numpy as np
import pandas as pd

WEIGHTS = np.linspace(0, 1, 41)


def neighbours(by):
    """Make an answer for ``judge_samples``: a group by its neighbours alone.

    Parameters
    ----------
    by : str
        The column that names the group: ``"state"`` or ``"cell"``.

    Returns
    -------
    callable
        Its methods, each closer to the group than the one before:

        ``everybody``
            The mean of the sample.
        ``degree``
            The mean of the same kind of degree.
        ``degree + state``
            And the deviation of the state from what its degrees suggest, drawn
            towards zero by :func:`shrink`.
        ``degree + state + size``
            And a slope for log size.

    Notes
    -----
    The sums need the columns ``degree``, ``state``, ``log_n`` and
    ``log_earnings`` of :func:`partialpool.chapters.census.load_census`.
    """

    def answer(sample, asked):
        y, degree = sample["log_earnings"], sample["degree"].astype(str)
        size = sample["log_n"] - sample["log_n"].mean()
        means = y.groupby(degree).mean()
        left = y - degree.map(means)
        within = size - size.groupby(degree).transform("mean")
        slope = (within * left).sum() / (within**2).sum()
        state = shrink(left, sample["state"])
        beside = shrink(left - slope * within, sample["state"])
        size_of_degree = size.groupby(degree).mean()

        kind = asked["degree"].astype(str)
        at = asked["log_n"] - sample["log_n"].mean() - kind.map(size_of_degree)
        rows = pd.DataFrame({"group": asked[by], "everybody": y.mean()})
        rows["degree"] = kind.map(means)
        rows["degree + state"] = rows["degree"] + asked["state"].map(state)
        rows["degree + state + size"] = (
            rows["degree"] + slope * at + asked["state"].map(beside)
        )
        long = rows.melt("group", var_name="method", value_name="estimate")
        return long.groupby(["method", "group"], sort=False, as_index=False).mean()

    return answer


def shrink(deviation, group):
    """Draw the mean deviation of each group towards zero, by its size.

    Parameters
    ----------
    deviation : pandas.Series
        One value a row, with a mean of about zero.
    group : pandas.Series
        Its group.

    Returns
    -------
    pandas.Series
        A value for each group: its mean times n / (n + break-even size).

    Notes
    -----
    The variances within and between groups are the unbiased estimates of the
    analysis of variance, that between cut off at zero: Searle, Casella and
    McCulloch (1992), Variance Components, section 3.6.

    Examples
    --------
    >>> deviation = pd.Series([1.0, 1.2, -1.0, -1.2])
    >>> shrink(deviation, pd.Series(list("AABB"))).round(3)
    A    1.095
    B   -1.095
    dtype: float64
    """
    grouped = deviation.groupby(group.to_numpy())
    n, means = grouped.size(), grouped.mean()
    rest = ((deviation - grouped.transform("mean")) ** 2).sum()
    within = rest / (n.sum() - len(n))
    typical = (n.sum() - (n**2).sum() / n.sum()) / (len(n) - 1)
    among = (n * (means - deviation.mean()) ** 2).sum() / (len(n) - 1)
    between = max((among - within) / typical, 0)
    return means * n * between / (n * between + within)


def best_mixture(groups, neighbour="everybody"):
    """Find the share of the group's own mean with which a mixture errs least.

    The truth picks the share, so this is not a method: it measures what there
    is to gain.

    Parameters
    ----------
    groups : pandas.DataFrame
        One row per ``set`` and group, with ``none`` (its own mean), ``truth``
        and the column `neighbour`.
    neighbour : str
        What to mix with.

    Returns
    -------
    pandas.Series
        ``neighbour``, ``none`` and ``mixture``: the root mean squared error of
        the neighbour alone, the own mean alone and the best mixture; ``own``:
        the share of the own mean in it; ``wasted``: the part of the error of
        the own mean that the mixture saves.

    Examples
    --------
    >>> groups = pd.DataFrame(
    ...     {"none": [2.0, -2.0], "everybody": 0.0, "truth": [1.0, -1.0]}
    ... )
    >>> best_mixture(groups).to_dict()
    {'neighbour': 1.0, 'none': 1.0, 'mixture': 0.0, 'own': 0.5, 'wasted': 1.0}
    """
    rmse = np.sqrt(_squared_errors(groups, neighbour).mean(axis=0))
    best = int(rmse.argmin())
    return pd.Series(
        {
            "neighbour": float(rmse[0]),
            "none": float(rmse[-1]),
            "mixture": float(rmse[best]),
            "own": float(WEIGHTS[best]),
            "wasted": float(1 - rmse[best] / rmse[-1]),
        }
    )


def resample_savings(tables, neighbour, *, repeats=1000, seed):
    """Draw other states of the same kind, and measure again what mixing saves.

    All tables are resampled jointly: a state is drawn with its rows in every
    table, since groups of one state are alike and tables may share rows.

    Parameters
    ----------
    tables : dict of str to pandas.DataFrame
        As for :func:`best_mixture`, with a column ``state`` too.
    neighbour : str
        What to mix with.
    repeats : int
        Bootstrap samples.
    seed : int
        Source of all randomness.

    Returns
    -------
    pandas.DataFrame
        One row a bootstrap sample, one column a table: the ``wasted`` of
        :func:`best_mixture`, with the best share found anew.

    Examples
    --------
    >>> groups = pd.DataFrame(
    ...     {"none": [2.0, -2.0], "everybody": 0.0, "truth": [1.0, -1.0]}
    ... )
    >>> tables = {"all": groups.assign(state=["A", "B"])}
    >>> resample_savings(tables, "everybody", repeats=3, seed=1)["all"].tolist()
    [1.0, 1.0, 1.0]
    """
    sums = {
        name: pd.DataFrame(_squared_errors(groups, neighbour))
        .groupby(groups["state"].to_numpy())
        .sum()
        for name, groups in tables.items()
    }
    states = pd.Index(sorted(set().union(*(part.index for part in sums.values()))))
    rng = np.random.default_rng(seed)
    equal = np.full(len(states), 1 / len(states))
    times = rng.multinomial(len(states), equal, size=repeats)
    wasted = {}
    for name, part in sums.items():
        total = times @ part.reindex(states, fill_value=0).to_numpy()
        wasted[name] = 1 - np.sqrt(total.min(axis=1) / total[:, -1])
    return pd.DataFrame(wasted)


def _squared_errors(groups, neighbour):
    """Squared errors of the mixtures: one row a group, one column a weight."""
    own, other, truth = (
        groups[name].to_numpy(float)[:, None] for name in ("none", neighbour, "truth")
    )
    return (WEIGHTS * own + (1 - WEIGHTS) * other - truth) ** 2

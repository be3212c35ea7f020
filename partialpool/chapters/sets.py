"""Sets: scores over many data sets, each with its resampling error."""

import numpy as np
import pandas as pd
from scipy.stats import norm

from partialpool.scores import interval_score


def score_sets(judged, *, prob=None):
    """Score methods over many data sets.

    Parameters
    ----------
    judged : pandas.DataFrame
        One row per ``set``, ``method`` and group, with ``estimate`` and
        ``truth``, and ``low`` and ``high`` if `prob` is given: what
        :func:`partialpool.chapters.census.judge_samples` returns.
    prob : float, optional
        Probability that the intervals promise: score them too.

    Returns
    -------
    pandas.DataFrame
        One row a method, in the order of `judged`, with columns

        ``rmse`` : float
            Mean over the sets of the root mean squared error over groups.
        ``rmse_error`` : float
            Its standard error over the sets.
        ``coverage``, ``coverage_error``, ``interval_score`` : float
            Share of groups whose interval holds the truth, its standard error
            over the sets, and the mean interval score.

    Notes
    -----
    The standard errors say how much another draw of the same number of sets
    would differ. For samples of one census they say nothing about another
    census or another year.

    Examples
    --------
    >>> judged = pd.DataFrame(
    ...     {"set": [0, 0, 1, 1], "method": "none", "estimate": [1.0, 3.0, 1.0, 5.0]}
    ... ).assign(truth=1.0)
    >>> score_sets(judged).round(3)
             rmse  rmse_error
    method
    none    2.121       0.707
    """
    order = pd.Index(judged["method"].unique(), name="method")
    rmse = _rmse_by_set(judged)
    scores = {"rmse": rmse.mean(), "rmse_error": rmse.sem()}
    if prob is not None:
        inside = judged["truth"].between(judged["low"], judged["high"])
        held = inside.groupby([judged["set"], judged["method"]]).mean().unstack()
        scores |= {"coverage": held.mean(), "coverage_error": held.sem()}
        scores["interval_score"] = pd.Series(
            {
                method: interval_score(
                    rows["low"], rows["high"], rows["truth"], prob=prob
                )
                for method, rows in judged.groupby("method")
            }
        )
    return pd.DataFrame(scores).reindex(order)


def lead_over(judged, method, rivals, *, prob=0.9):
    """Compare a method with the best of its rivals on the same data sets.

    Parameters
    ----------
    judged : pandas.DataFrame
        As for :func:`score_sets`.
    method : str
        The method.
    rivals : list of str
        The others; the one with the smallest mean error is the best.
    prob : float
        Probability of the interval.

    Returns
    -------
    pandas.Series
        ``rival``, and ``lead``, the part of its error that the method saves,
        with the ends ``low`` and ``high`` of a normal interval from the
        differences within data sets.

    Examples
    --------
    >>> judged = pd.DataFrame(
    ...     {"set": [0, 0, 1, 1], "method": ["a", "b"] * 2, "truth": 0.0}
    ... ).assign(estimate=[1.0, 2.0, 1.0, 2.0])
    >>> lead_over(judged, "a", ["b"]).to_dict()
    {'rival': 'b', 'lead': 0.5, 'low': 0.5, 'high': 0.5}
    """
    rmse = _rmse_by_set(judged)
    rival = rmse[rivals].mean().idxmin()
    saved = (rmse[rival] - rmse[method]) / rmse[rival].mean()
    lead, half = float(saved.mean()), float(norm.ppf((1 + prob) / 2) * saved.sem())
    ends = {"low": lead - half, "high": lead + half}
    return pd.Series({"rival": rival, "lead": lead} | ends)


def _rmse_by_set(judged):
    """Root mean squared error over groups: one row a set, one column a method."""
    squared = (judged["estimate"] - judged["truth"]) ** 2
    by_set = squared.groupby([judged["set"], judged["method"]]).mean()
    return np.sqrt(by_set).unstack()


def score_selections(groups, selections):
    """Score the groups that somebody looks at, over many data sets.

    Parameters
    ----------
    groups : pandas.DataFrame
        One row per ``set`` and group, with ``error`` (estimate less truth) and
        ``covered`` (whether its interval holds the truth).
    selections : dict of str to pandas.Series of bool
        Which rows are looked at, by name.

    Returns
    -------
    pandas.DataFrame
        One row a selection, with columns ``mean_error``, ``mean_error_error``,
        ``coverage`` and ``coverage_error``: means over the sets, and their
        standard errors.

    Examples
    --------
    >>> groups = pd.DataFrame(
    ...     {"set": [0, 0, 1, 1], "error": [0.0, 2.0, 0.0, 1.0], "covered": True}
    ... )
    >>> score_selections(groups, {"all": groups["error"] >= 0})
         mean_error  mean_error_error  coverage  coverage_error
    all        0.75              0.25       1.0             0.0
    """
    rows = {}
    for name, chosen in selections.items():
        by_set = groups[chosen].groupby("set")[["error", "covered"]].mean()
        mean, error = by_set.mean(), by_set.sem()
        rows[name] = {
            "mean_error": mean["error"],
            "mean_error_error": error["error"],
            "coverage": mean["covered"],
            "coverage_error": error["covered"],
        }
    return pd.DataFrame(rows).T

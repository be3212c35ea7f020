"""Sets: scores over many data sets, each with its resampling error."""

import numpy as np
import pandas as pd

from partialpool.scores import interval_score


def score_sets(judged, *, prob=None, against=None):
    """Score methods over many data sets.

    Parameters
    ----------
    judged : pandas.DataFrame
        One row per ``set``, ``method`` and group, with ``estimate`` and
        ``truth``, and ``low`` and ``high`` if `prob` is given: what
        :func:`partialpool.chapters.census.judge_samples` returns.
    prob : float, optional
        Probability that the intervals promise: score them too.
    against : str, optional
        A method to compare the others with, set by set.

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
        ``lead``, ``lead_error`` : float
            By how much the RMSE is smaller than that of `against`, and the
            standard error of this: methods that share their sets differ by
            less chance than their own standard errors say.

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
    squared = (judged["estimate"] - judged["truth"]) ** 2
    by_set = squared.groupby([judged["set"], judged["method"]]).mean()
    rmse = np.sqrt(by_set).unstack()
    scores = {"rmse": rmse.mean(), "rmse_error": rmse.sem()}
    if against is not None:
        lead = -rmse.sub(rmse[against], axis=0)
        scores |= {"lead": lead.mean(), "lead_error": lead.sem()}
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

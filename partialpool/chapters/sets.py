"""Sets: scores over many data sets, each with its resampling error."""

import numpy as np
import pandas as pd
from scipy.stats import norm

from partialpool.scores import interval_score, interval_scores


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
    rmse = _rmse_by_set(judged)
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


def score_many(found, truth, *, prob):
    """Score methods that estimated many data sets at once.

    Parameters
    ----------
    found : dict of str to tuple of numpy.ndarray
        Estimate, low and high of each method, shape (D, J): what
        :func:`partialpool.poolings.contest_many` returns.
    truth : numpy.ndarray
        True mean of each group, shape (D, J).
    prob : float
        Probability that the intervals promise.

    Returns
    -------
    pandas.DataFrame
        One row a method, with columns

        ``rmse`` : float
            Root mean squared error over all groups of all sets.
        ``gap`` : float
            How far it lies above the smallest of all methods.
        ``worst`` : float
            Mean over the sets of the largest error of a group.
        ``coverage``, ``extreme`` : float
            Share of all groups whose interval holds the truth, and of those whose
            truth lies farthest from the mean truth of their set; missing for a
            method without intervals.
        ``interval_score`` : float
            As :func:`partialpool.scores.interval_score`.
        ``slope`` : float
            Slope of the truth on the estimate about the set's mean: below 1 for
            estimates that vary too much, above 1 for those that vary too little.

        and for each but the last ``…_error``, its Monte Carlo error over the sets. That
        of ``gap`` is from paired differences, to first order.

    Examples
    --------
    >>> truth = np.array([[0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 2.0]])
    >>> ends = np.zeros((2, 4)), 1.5 + np.zeros((2, 4))
    >>> found = {"exact": (truth, *ends), "off": (truth + 1, *ends)}
    >>> scores = score_many(found, truth, prob=0.9)
    >>> scores.loc["off", ["rmse", "gap", "coverage", "extreme"]].tolist()
    [1.0, 1.0, 0.875, 0.5]
    """
    away = np.abs(truth - truth.mean(1, keepdims=True))
    farthest = np.arange(len(truth)), away.argmax(1)
    squares = {m: ((e - truth) ** 2).mean(1) for m, (e, _, _) in found.items()}
    best = min(squares, key=lambda m: squares[m].mean())
    least = np.sqrt(squares[best].mean())
    rows = {}
    for method, (centre, low, high) in found.items():
        rmse = np.sqrt(squares[method].mean())
        own, its = (
            squares[m] / max(2 * size, 1e-300)
            for m, size in ((method, rmse), (best, least))
        )
        missed = np.maximum(low - truth, 0) + np.maximum(truth - high, 0)
        held = np.where(np.isnan(missed), np.nan, missed == 0)
        by_set = {
            "gap": own - its,
            "worst": np.abs(centre - truth).max(1),
            "coverage": held.mean(1),
            "extreme": held[farthest],
            "interval_score": interval_scores(low, high, truth, prob=prob).mean(1),
        }
        means = {name: values.mean() for name, values in by_set.items()}
        errors = {f"{name}_error": _sem(values) for name, values in by_set.items()}
        rows[method] = (
            {"rmse": rmse, "rmse_error": _sem(own)}
            | means
            | errors
            | {"gap": rmse - least, "slope": _slope(truth, centre)}
        )
    return pd.DataFrame(rows).T.rename_axis("method")


def _sem(values):
    return values.std(ddof=1) / np.sqrt(len(values))


def _slope(truth, estimate):
    about = estimate - estimate.mean(1, keepdims=True)
    square = (about**2).sum()
    # All groups alike: nothing for a slope to be on.
    if square <= 1e-16 * (estimate**2).sum():
        return np.nan
    return (about * truth).sum() / square


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

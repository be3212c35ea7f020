"""Contests: every opponent a good analyst would bring, each at its best setting."""

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.special import ndtri

from partialpool import faults
from partialpool.columns import as_list, check_names
from partialpool.faults import refuse
from partialpool.poolings.groups import labels_of, read_groups
from partialpool.poolings.intercepts import GroupSums
from partialpool.poolings.methods import METHODS, USUAL, Task, estimate
from partialpool.poolings.one_way import check_prob, read_means, tails_of
from partialpool.scores import coverage, crps, interval_score, log_score, rmse

# Points and rounds of the search for a ratio in many data sets at once.
SEARCH = (16, 4)


def contest(
    table,
    *,
    outcome,
    group,
    predictors=(),
    se=None,
    methods=None,
    at=None,
    log=False,
    ci_prob=0.9,
    tau_prior=None,
    seed=None,
):
    r"""Estimate the mean of every group by every method a good analyst would bring.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows, cells or estimates with `se`, as for :func:`compare`.
    outcome, group, predictors, se, log, tau_prior
        As for :func:`compare`.
    methods : sequence of str, optional
        Some of those below; all but ``ml`` by default.
    at : pandas.DataFrame, optional
        Rows with the group and the predictors: a group's estimate is the mean of its
        predictions for these rows, and it has one even if the table does not hold it.
        By default the table's own rows.
    ci_prob : float
        Probability of the equal-tailed intervals.
    seed : optional
        Not used, as nothing here is random; taken so that every call may give one.

    Returns
    -------
    pandas.DataFrame
        Columns ``method``, ``group``, ``estimate``, ``low``, ``high``; estimates in
        units of the outcome. Methods:

        ``complete``
            The mean of all rows.
        ``none``
            A dummy for each group, with the predictors; missing for a group that the
            table does not hold.
        ``glm``
            The predictors and no groups; the same as ``complete`` without any.
        ``ridge``
            Dummies with a squared penalty, chosen by generalised cross-validation
            (Golub, Heath and Wahba 1979, Technometrics 21). It offers no interval.
        ``reml``
            Group effects from a normal distribution, the standard deviations by
            restricted maximum likelihood, as lme4 and MixedLM do; intervals as if
            these were known.
        ``empirical_bayes``
            The same with the moment estimate of the spread and the intervals of
            Morris (1983), Journal of the American Statistical Association 78, which
            allow for its being estimated.
        ``bayes``
            The posterior of the hierarchical model, as in :func:`compare`.
        ``ml``
            As ``reml``, by maximum likelihood, which counts the coefficients as
            known: a smaller spread between groups, most where groups are few.

    Raises
    ------
    TableError
        With one sentence for each fault of a table.

    Examples
    --------
    >>> import partialpool as pool
    >>> table, truth = pool.simulate_groups(30, sizes=(2, 40), seed=1)
    >>> estimates = contest(table, outcome="y", group="group")
    >>> scored = score(estimates, truth["mean"])
    >>> bool(scored.loc["bayes", "rmse"] < scored.loc["none", "rmse"])
    True
    """
    check_prob(ci_prob)
    methods = _choose(methods)
    predictors = as_list(predictors)
    groups = read_groups(
        table, outcome=outcome, group=group, predictors=predictors, se=se, log=log
    )
    labels = groups.labels
    if at is None:
        x, order = groups.sums.x, slice(None)
    else:
        labels, x = _average_rows(at, groups, as_list(group))
        groups, x = _extend(groups, labels, x)
        order = groups.labels.get_indexer(labels)
    task = groups.task(tails_of(ci_prob), tau_prior, x)
    found = estimate(task, methods)
    ends = groups.outcome([[part[0] for part in parts] for parts in found.values()])
    estimates = np.swapaxes(ends[..., order], 0, 1).reshape(3, -1)
    columns = dict(zip(("estimate", "low", "high"), estimates, strict=True))
    who = {
        "method": np.repeat(list(found), len(labels)),
        "group": labels[np.tile(np.arange(len(labels)), len(found))],
    }
    return pd.DataFrame(who | columns)


def contest_many(
    mean, *, n, ss, x=None, methods=None, ci_prob=0.9, tau_prior=None, search=SEARCH
):
    """Hold a contest on each of many data sets at once, from sums by group.

    Parameters
    ----------
    mean : array_like
        Mean of each group, shape (D, J) for D data sets of J groups; NaN marks a group
        without rows.
    n, ss : array_like
        Rows of each group, same shape, and their sum of squares about its mean, of the
        same shape or, summed over groups, of shape (D, 1).
    x : array_like, optional
        A predictor of each group, shape (D, J), or several, shape (D, J, q).
    methods, ci_prob, tau_prior
        As for :func:`contest`.
    search : (int, int)
        Points and rounds of the search for the penalty of ridge and the ratio of REML.
        The default finds the ratio to about 0.002 of its unit, ``1 / sqrt(n)``.

    Returns
    -------
    dict of str to tuple of numpy.ndarray
        For each method the estimates and the ends of their intervals, each of shape
        (D, J); NaN where a method has none.

    Raises
    ------
    ValueError
        If shapes do not match, or the spread within groups cannot be told.

    Examples
    --------
    >>> found = contest_many([[9.0, 10.0, 11.0]], n=[[4, 4, 4]], ss=[[3.0, 3.0, 3.0]])
    >>> found["complete"][0].tolist(), found["none"][0].tolist()
    ([[10.0, 10.0, 10.0]], [[9.0, 10.0, 11.0]])
    """
    check_prob(ci_prob)
    sums, middle, outcome_sd = read_means(mean, n=n, ss=ss)
    if x is not None:
        sums = _with_predictors(sums, np.asarray(x, float))
    probs = tails_of(ci_prob)
    task = Task(sums, outcome_sd, True, probs, tau_prior=tau_prior, search=search)
    found = estimate(task, _choose(methods))
    return {
        name: tuple(part + middle[:, None] for part in parts)
        for name, parts in found.items()
    }


def _with_predictors(sums, x):
    """Add predictors of the groups, centred and scaled, to the intercept."""
    x = x if x.ndim == 3 else x[..., None]
    if x.shape[:2] != sums.n.shape:
        raise ValueError(
            f"x has shape {x.shape[:2]} and the means {sums.n.shape}: give one value "
            "of each predictor for each mean."
        )
    x = x - x.mean(1, keepdims=True)
    sd = x.std(1, keepdims=True)
    x = np.concatenate([sums.x, x / np.where(sd > 0, sd, 1)], axis=2)
    within = np.zeros((len(x), x.shape[2] + 1, x.shape[2] + 1))
    within[:, -1, -1] = sums.within[:, -1, -1]
    return GroupSums(sums.n, x, sums.y, within, sums.rows)


def score(estimates, truth, *, ci_prob=0.9, curves=False, log=False):
    """Score every method of a contest against the truth.

    Parameters
    ----------
    estimates : pandas.DataFrame
        What :func:`contest` returned.
    truth : pandas.Series
        True mean of each group, by label. Groups that it does not hold, or for which
        some method has no estimate, are left out for all methods alike.
    ci_prob : float
        Probability of the intervals, as given to :func:`contest`.
    curves : bool
        Score the normal curve that each interval stands for, too: around its middle,
        as wide as its ends say.
    log : bool
        Take these curves on the log scale, if the contest did.

    Returns
    -------
    pandas.DataFrame
        One row a method: ``groups`` (how many were scored), ``rmse``, ``worst`` (the
        largest error of a group), ``coverage`` and ``interval_score`` (missing for a
        method without intervals); with `curves` also ``crps`` and ``log_score``, of
        logs with `log`.

    Examples
    --------
    >>> pair = {"method": "none", "group": ["a", "b"], "estimate": [1.0, 2.0]}
    >>> estimates = pd.DataFrame(pair | {"low": [0.0, 1.0], "high": [2.0, 3.0]})
    >>> score(estimates, pd.Series({"a": 1.0, "b": 4.0})).loc["none", "worst"].item()
    2.0
    """
    rows = estimates.assign(truth=estimates["group"].map(truth))
    lacking = rows[["estimate", "truth"]].isna().any(axis=1)
    rows = rows[~rows["group"].isin(rows.loc[lacking, "group"])]
    if rows.empty:
        raise ValueError(
            "No group of the contest has a truth: give a Series indexed by the groups' "
            "labels."
        )
    by = {}
    for method, part in rows.groupby("method", sort=False):
        error = (part["estimate"] - part["truth"]).abs()
        ends = part["low"], part["high"], part["truth"]
        bounded = part[["low", "high"]].notna().all(axis=None)
        by[method] = {
            "groups": len(part),
            "rmse": rmse(part["estimate"], part["truth"]),
            "worst": error.max(),
            "coverage": coverage(*ends) if bounded else np.nan,
            "interval_score": interval_score(*ends, prob=ci_prob)
            if bounded
            else np.nan,
        }
        if curves:
            by[method] |= _score_curves(*ends, ci_prob, log, bounded)
    return pd.DataFrame(by).T.astype({"groups": int}).rename_axis("method")


def _score_curves(low, high, truth, ci_prob, log, bounded):
    """Score the normal curves with these intervals: CRPS and log score."""
    if not bounded:
        return {"crps": np.nan, "log_score": np.nan}
    if log:
        low, high, truth = np.log(low), np.log(high), np.log(truth)
    mean, sd = (low + high) / 2, (high - low) / (2 * ndtri((1 + ci_prob) / 2))
    return {
        "crps": crps(truth, mean=mean, sd=sd),
        "log_score": log_score(mean, sd, truth),
    }


def _choose(methods):
    chosen = USUAL if methods is None else as_list(methods)
    for name in chosen:
        if name not in METHODS:
            raise ValueError(
                f"methods holds {name!r}: choose from {', '.join(METHODS)}."
            )
    return chosen


# Where to estimate ------------------------------------------------------------


def _average_rows(at, groups, columns):
    """Labels of the groups in some rows, and the means of their predictors."""
    groups.coding.check(at, called="table of at=")
    check_names(list(at.columns), columns, called="table of at=")
    refuse(
        *(
            faults.missing(name, int(at[name].isna().sum()), len(at))
            for name in columns
            if at[name].isna().any()
        )
    )
    code, labels = pd.factorize(labels_of(at, columns))
    each = groups.coding.columns(at)
    count = np.bincount(code)
    x = np.stack([np.bincount(code, column) / count for column in each.T], axis=1)
    return pd.Index(np.asarray(labels)), x


def _extend(groups, labels, x):
    """Add groups that have no rows, and put the predictors in the groups' order."""
    new = labels.difference(groups.labels, sort=False)
    everything = groups.labels.append(new)
    sums, zeros = groups.sums, np.zeros((1, len(new)))
    own = np.concatenate([sums.x, np.zeros((1, len(new), x.shape[1]))], axis=1)
    grown = GroupSums(
        np.concatenate([sums.n, zeros], axis=1),
        own,
        np.concatenate([sums.y, zeros], axis=1),
        sums.within,
        sums.rows,
    )
    at = own.copy()
    at[0, everything.get_indexer(labels)] = x
    return replace(groups, labels=everything, sums=grown), at

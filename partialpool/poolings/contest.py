"""Contests: every opponent a good analyst would bring, each at its best setting."""

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.special import ndtri

from partialpool import faults
from partialpool.columns import as_list, check_names
from partialpool.faults import refuse
from partialpool.poolings.compare import integrate_groups, least_squares
from partialpool.poolings.groups import labels_of, read_groups
from partialpool.poolings.intercepts import GroupSums, at_ratio
from partialpool.poolings.one_way import check_prob, tails_of
from partialpool.scores import coverage, crps, interval_score, log_score, rmse

# The search for the best ratio of standard deviations: points, rounds, and how far.
POINTS, ROUNDS, FARTHEST = 60, 6, 1e3


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
        Some of those below; all by default.
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
        x, order = groups.sums.x, None
    else:
        labels, x = _average_rows(at, groups, as_list(group))
        groups, x = _extend(groups, labels, x)
        order = groups.labels.get_indexer(labels)
    parts = []
    for method in methods:
        found = METHODS[method](groups, x, tails_of(ci_prob), tau_prior)
        columns = dict(zip(("estimate", "low", "high"), found, strict=True))
        part = pd.DataFrame(
            {"method": method, "group": groups.labels}
            | {name: groups.outcome(values) for name, values in columns.items()}
        )
        parts.append(part if order is None else part.iloc[order])
    return pd.concat(parts, ignore_index=True)


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
    chosen = list(METHODS) if methods is None else as_list(methods)
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


# Methods ----------------------------------------------------------------------
# Each takes the groups, the predictors to estimate at, the probabilities at the ends
# of an interval and the prior that was given, and returns estimate, low and high.


def _complete(groups, x, probs, _):
    return least_squares(_without_predictors(groups), 0.0, probs)


def _glm(groups, x, probs, _):
    return least_squares(groups, 0.0, probs, x)


def _none(groups, x, probs, _):
    unseen = groups.sums.n[0] == 0
    found = least_squares(groups, np.inf, probs, x)
    return [np.where(unseen, np.nan, part) for part in found]


def _ridge(groups, x, probs, _):
    best = _best_ratio(groups.sums, _cross_validation, groups.counted)
    centre = at_ratio(groups.sums, [[best]]).estimate(x)[0][0, 0]
    nothing = np.full(len(centre), np.nan)
    return centre, nothing, nothing


def _reml(groups, x, probs, _):
    ratio = _best_ratio(groups.sums, restricted_likelihood, groups.counted)
    given = at_ratio(groups.sums, [[ratio]])
    centre, variance = (part[0, 0] for part in given.estimate(x))
    sigma2 = _residual_variance(given, groups.counted)
    half = ndtri(probs[1]) * np.sqrt(sigma2 * variance)
    return centre, centre - half, centre + half


def _bayes(groups, x, probs, tau_prior):
    spread = integrate_groups(groups, tau_prior)
    mean, _, low, high = spread.describe(*spread.given.estimate(x), probs)
    return mean[0], low[0], high[0]


def _empirical_bayes(groups, x, probs, _):
    return morris(groups, x, probs)


METHODS = {
    "complete": _complete,
    "none": _none,
    "glm": _glm,
    "ridge": _ridge,
    "reml": _reml,
    "empirical_bayes": _empirical_bayes,
    "bayes": _bayes,
}


def _without_predictors(groups):
    sums, kept = groups.sums, [0, -1]
    ones, within = np.ones((1, len(groups.labels), 1)), sums.within[:, kept][:, :, kept]
    return replace(groups, sums=GroupSums(sums.n, ones, sums.y, within, sums.rows))


def _residual_variance(given, counted):
    if not counted:
        return 1.0
    return given.squares[0, 0] / (given.sums.rows[0] - given.rank[0, 0])


def restricted_likelihood(sums, ratio, counted):
    """Log restricted likelihood at each ratio, shape (K,), up to a constant."""
    given = at_ratio(sums, ratio[None])
    squares = given.squares[0]
    if not counted:
        return -0.5 * (given.log_det[0] + squares)
    free = sums.rows[0] - given.rank[0]
    return -0.5 * (given.log_det[0] + free * np.log(squares))


def _cross_validation(sums, ratio, counted):
    """Minus the log of the generalised cross-validation score at each ratio: (K,)."""
    given = at_ratio(sums, ratio[None])
    n, x = sums.n[0], sums.x[0]
    own = given.weight[0]
    # The trace of the hat matrix: the penalty is one over the squared ratio.
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(n > 0, (1 - own) * n, 0)
    lever = np.einsum("jp,kpq,jq->kj", x, given.inverse[0], x)
    used = given.rank[0] + own.sum(1) - (left * own * lever).sum(1)
    residual = given.residuals()[0]
    inner = given.squares[0] - (left * residual**2).sum(1)
    squares = inner + (left**2 * residual**2 / np.where(n > 0, n, 1)).sum(1)
    return -np.log(squares) + 2 * np.log(sums.rows[0] - used)


def _best_ratio(sums, criterion, counted):
    """Find the ratio, 0 included, at which a criterion is largest."""
    unit = 1 / np.sqrt(np.median(sums.n[sums.n > 0]))
    low, high = 0.0, np.arcsinh(FARTHEST)
    for _ in range(ROUNDS):
        t = np.linspace(low, high, POINTS)
        values = criterion(sums, unit * np.sinh(t), counted)
        best = int(np.argmax(values))
        step = t[1] - t[0]
        low, high = max(t[best] - step, 0.0), t[best] + step
    return unit * np.sinh(t[best])


def morris(groups, x, probs):
    """Empirical Bayes estimates with Morris's intervals: estimate, low, high: (J,).

    Parameters
    ----------
    groups : partialpool.poolings.groups.Groups
    x : numpy.ndarray
        Predictors to estimate at, shape (1, J, p).
    probs : (float, float)

    Notes
    -----
    Morris (1983), Journal of the American Statistical Association 78, section 5: the
    iterated moment estimate of the variance between groups, a shrinkage factor less by
    (k - p - 2) / (k - p) for k groups and p coefficients, and a variance with a term
    for the error of that factor. The within-group variance is the pooled one.
    """
    sums = groups.sums
    seen, k = sums.n[0] > 0, int(sums.groups[0])
    dummies = at_ratio(sums, [[np.inf]])
    sigma2 = 1.0
    if groups.counted:
        sigma2 = dummies.squares[0, 0] / (sums.rows[0] - k - dummies.rank[0, 0])
    variance = sigma2 / np.where(seen, sums.n[0], 1)
    p = min(sums.x.shape[2], k - 3)
    tau2 = _moment_estimate(sums, sigma2, variance, seen, p)
    given = at_ratio(sums, [[np.sqrt(tau2 / sigma2)]])
    residual, slopes = given.residuals()[0, 0], given.slopes[0, 0]
    weight = seen / (variance + tau2)
    shrink = max(k - p - 2, 0) / max(k - p, 1) * variance / (variance + tau2)
    shrink = np.where(seen, shrink, 1)
    line = x[0] @ slopes
    centre = line + np.where(seen, (1 - shrink) * residual, 0)
    own = sums.x[0]
    inverse = given.inverse[0, 0] * sigma2
    lever = weight * np.einsum("jp,pq,jq->j", own, inverse, own)
    average = (weight * variance).sum() / weight.sum()
    doubt = 2 / max(k - p - 2, 1) * shrink**2
    doubt = doubt * (average + tau2) / (variance + tau2) * residual**2
    square = variance * (1 - (1 - lever) * shrink) + doubt
    away = np.einsum("jp,pq,jq->j", x[0] - own, inverse, x[0] - own)
    unseen = tau2 + np.einsum("jp,pq,jq->j", x[0], inverse, x[0])
    half = ndtri(probs[1]) * np.sqrt(np.where(seen, square + away, unseen))
    return centre, centre - half, centre + half


def _moment_estimate(sums, sigma2, variance, seen, p):
    k, tau2 = seen.sum(), 0.0
    for _ in range(200):
        given = at_ratio(sums, [[np.sqrt(tau2 / sigma2)]])
        weight = seen / (variance + tau2)
        excess = k / (k - p) * given.residuals()[0, 0] ** 2 - variance
        new = max((weight * excess).sum() / weight.sum(), 0.0)
        if abs(new - tau2) < 1e-10 * (new + sigma2):
            break
        tau2 = new
    return tau2

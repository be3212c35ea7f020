"""Fill: every cell of a published table, suppressed ones too, from a hierarchy."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from partialpool import faults
from partialpool.columns import as_list
from partialpool.faults import TableError, refuse
from partialpool.scores import check_prob

SMALLEST = 1e-3  # standard deviation of log pay that counts as none
WIDER = 1.2  # points are spread so much wider than the posterior looks at its mode


@dataclass(frozen=True)
class Filled:
    """The cells of a published table, estimated.

    Attributes
    ----------
    table : pandas.DataFrame
        On the index of the measurements: ``median``, ``low`` and ``high`` (pounds),
        ``log_mean`` and ``log_sd`` of the cell's log median, and ``weight`` of its own
        measurement, 0 where it has none.
    spread : pandas.DataFrame
        Standard deviations of log medians: a row for each grouping, and ``cell`` for
        what is a cell's own: ``estimate``, ``low``, ``high``. By REML the last two
        are missing.
    effects : pandas.DataFrame
        ``mean`` and ``sd`` of the intercept, the predictors and every group.
    """

    table: pd.DataFrame
    spread: pd.DataFrame
    effects: pd.DataFrame


def fill(
    measured,
    *,
    groups=("subject", "provider"),
    predictors=(),
    scale=None,
    method="bayes",
    prior_sd=None,
    points=256,
    ci_prob=0.9,
):
    r"""Estimate all cells of a published table from those with a measurement.

    The model: a cell's log median is an intercept, the effect of each of its groups
    (its subject, its provider) and one of its own, all partially pooled, and the
    published median measures it with a known standard error. A cell without a
    measurement gets the prediction for a new cell of its groups.

    Parameters
    ----------
    measured : pandas.DataFrame
        One row per cell, with ``log_median`` and ``se``, both missing where nothing
        was published: what :func:`~partialpool.leo.measure` returns.
    groups : str or list of str
        Columns of labels, partially pooled.
    predictors : str or list of str
        Columns of numbers, known for every cell, that help to predict.
    scale : str, optional
        Column of numbers above 0: how far apart cells lie, relative to others, such as
        the standard deviation of pay within their subject. Effects of groups and of
        cells are multiplied by it, after its average is set to 1.
    method : {"bayes", "reml"}
        Whether the standard deviations are integrated over, or set to their best
        (restricted likelihood) and taken as known.
    prior_sd : float, optional
        Standard deviation of the half-normal priors of all standard deviations. By
        default that of the measurements.
    points : int
        Number of points of the integral, a power of 2.
    ci_prob : float
        Probability of the equal-tailed intervals.

    Returns
    -------
    Filled

    Raises
    ------
    TableError
        If a column is missing, a predictor has gaps, or too few cells are measured.
    ValueError
        If `method` is neither of the two.

    Notes
    -----
    Fay and Herriot (1979), *Journal of the American Statistical Association* 74, with
    crossed effects. Given the standard deviations everything is normal and has a
    closed form; these are integrated over by importance sampling from the normal
    distribution at the mode of their logs, at the points of a fixed Sobol sequence, so
    that a call is repeatable. Intervals are those of a normal distribution with the
    mean and variance of the mixture.

    Examples
    --------
    >>> import partialpool as pool
    >>> graduates, _ = pool.simulate_graduates(9_000, years=5, n_providers=20, seed=1)
    >>> filled = fill(pool.measure(pool.publish(graduates)))
    >>> bool(filled.table["median"].isna().any())
    False
    """
    from scipy.special import ndtri

    check_prob(ci_prob)
    if method not in ("bayes", "reml"):
        raise ValueError(f"method is {method!r}: give 'bayes' or 'reml'.")
    model = _Crossed(measured, as_list(groups), as_list(predictors), scale)
    if method == "reml":
        sds, weights = np.exp(model.mode())[None], np.ones(1)
        solved = [model.solve(sds[0])[:2]]
    else:
        sds, weights, solved = model.integrate(prior_sd or model.y.std(), points)
    cells = [model.cells(each, *found) for each, found in zip(sds, solved, strict=True)]
    mean, variance, own = (np.array(part) for part in zip(*cells, strict=True))
    centre, sd = _mix(mean, variance, weights)
    half = ndtri((1 + ci_prob) / 2) * sd
    ends = {"low": np.exp(centre - half), "high": np.exp(centre + half)}
    columns = {"median": np.exp(centre), **ends, "log_mean": centre, "log_sd": sd}
    table = pd.DataFrame({**columns, "weight": weights @ own}, measured.index)
    probs = (1 - ci_prob) / 2, 0.5, (1 + ci_prob) / 2
    low, middle, high = np.array([_quantiles(x, weights, probs) for x in sds.T]).T
    if method == "reml":
        low, high = np.full((2, len(middle)), np.nan)
    spread = {"estimate": middle, "low": low, "high": high}
    spread = pd.DataFrame(spread, [*as_list(groups), "cell"])
    return Filled(table, spread, model.effects(solved, weights))


class _Crossed:
    """A table of cells as a matrix, and its posterior given the standard deviations."""

    def __init__(self, measured, groups, predictors, scale):
        _check(measured, groups, [*predictors, *([scale] if scale else [])])
        x = measured[predictors].to_numpy(float)
        parts, names = [np.ones((len(x), 1)), x - x.mean(0)], ["intercept", *predictors]
        self.first, owner = len(names), []
        wide = measured[scale].to_numpy(float) if scale else np.ones(len(x))
        wide = wide / wide.mean()
        for k, name in enumerate(groups):
            code, labels = pd.factorize(measured[name], sort=True)
            parts.append(np.eye(len(labels))[code] * wide[:, None])
            names += list(labels)
            owner += [k] * len(labels)
        self.design, self.names = np.hstack(parts), names
        self.owner = np.array(owner)
        self.sizes = np.bincount(self.owner)
        self.seen = measured[["log_median", "se"]].notna().all(axis=1).to_numpy()
        if self.seen.sum() < self.first + len(groups) + 3:
            raise TableError(
                f"Only {self.seen.sum()} cells are measured, too few for "
                f"{len(groups) + 1} standard deviations: use coarser cells."
            )
        y = measured["log_median"].to_numpy(float)[self.seen]
        self.middle = y.mean()
        self.y, self.known = y - self.middle, self.design[self.seen]
        self.error = measured["se"].to_numpy(float)[self.seen] ** 2
        self.wide = wide**2

    def solve(self, sds):
        """Return the effects, their covariance, and the log restricted likelihood."""
        precision = 1 / (self.error + sds[-1] ** 2 * self.wide[self.seen])
        weighted = self.known * precision[:, None]
        A = weighted.T @ self.known
        at = np.arange(self.first, len(A))
        A[at, at] += sds[self.owner] ** -2
        inverse = np.linalg.inv(np.linalg.cholesky(A))
        cov = inverse.T @ inverse
        right = weighted.T @ self.y
        b = cov @ right
        log = 0.5 * np.log(precision).sum() - self.sizes @ np.log(sds[:-1])
        log += np.log(np.diag(inverse)).sum()
        log -= 0.5 * (precision @ self.y**2 - right @ b)
        return b, cov, log

    def density(self, logs, prior_sd=None):
        """Return effects, covariance, and the log density of the sds' logs.

        Without a prior the density is the restricted likelihood.
        """
        sds = np.exp(np.clip(logs, np.log(SMALLEST), 3))
        b, cov, log = self.solve(sds)
        if prior_sd:
            log -= (sds**2).sum() / (2 * prior_sd**2) - np.sum(logs)
        return b, cov, log

    def mode(self, prior_sd=None):
        """Return the logs of the standard deviations where the density is highest."""
        from scipy.optimize import minimize

        def loss(logs):
            return -self.density(logs, prior_sd)[2]

        start = np.full(
            len(self.sizes) + 1, np.log(max(self.y.std() / 3, 2 * SMALLEST))
        )
        bounds = [(np.log(SMALLEST), 3)] * len(start)
        return minimize(loss, start, method="L-BFGS-B", bounds=bounds).x

    def integrate(self, prior_sd, points):
        """Points of the standard deviations, their weights, effects and covariances."""
        from scipy.special import ndtri
        from scipy.stats import qmc

        best = self.mode(prior_sd)
        spread = _covariance(lambda logs: -self.density(logs, prior_sd)[2], best)
        root = WIDER * np.linalg.cholesky(spread)
        sobol = qmc.Sobol(len(best), rng=np.random.default_rng(0)).random(points)
        z = ndtri(np.clip(sobol, 1e-9, 1 - 1e-9))
        logs = np.maximum(best + z @ root.T, np.log(SMALLEST))
        found = [self.density(each, prior_sd) for each in logs]
        weights = np.array([log for *_, log in found]) + 0.5 * (z**2).sum(1)
        weights = np.exp(weights - weights.max())
        solved = [(b, cov) for b, cov, _ in found]
        return np.exp(logs), weights / weights.sum(), solved

    def cells(self, sds, b, cov):
        """Mean, variance and own weight of every cell."""
        mean, cell = self.design @ b, sds[-1] ** 2 * self.wide
        about = ((self.design @ cov) * self.design).sum(1)
        own, left = np.zeros((2, len(mean)))
        own[self.seen] = cell[self.seen] / (cell[self.seen] + self.error)
        left[self.seen] = self.y - mean[self.seen]
        variance = cell * (1 - own) + (1 - own) ** 2 * about
        return mean + own * left + self.middle, variance, own

    def effects(self, solved, weights):
        """Mean and standard deviation of every effect."""
        mean, cov = (np.array(part) for part in zip(*solved, strict=True))
        variance = np.diagonal(cov, axis1=1, axis2=2)
        centre, sd = _mix(mean, variance, weights)
        centre[0] += self.middle
        return pd.DataFrame({"mean": centre, "sd": sd}, self.names)


def _mix(mean, variance, weights):
    """Mean and standard deviation of a mixture: one row a part."""
    centre = weights @ mean
    return centre, np.sqrt(weights @ (variance + (mean - centre) ** 2))


def _covariance(loss, best, step=0.15):
    """Invert the curvature at the mode, by differences; flat directions are held in."""
    move, here = step * np.eye(len(best)), loss(best)
    curve = np.empty((len(best), len(best)))
    for i, a in enumerate(move):
        for j, b in enumerate(move[: i + 1]):
            bend = loss(best + a + b) - loss(best + a) - loss(best + b) + here
            if i == j:
                bend = loss(best + a) + loss(best - a) - 2 * here
            curve[i, j] = curve[j, i] = bend / step**2
    value, vector = np.linalg.eigh(curve)
    return (vector / np.maximum(value, 0.5)) @ vector.T


def _quantiles(values, weights, probs):
    order = np.argsort(values)
    total = np.cumsum(weights[order]) - weights[order] / 2
    return np.interp(probs, total, values[order])


def _check(measured, groups, predictors):
    if not isinstance(measured, pd.DataFrame):
        refuse(faults.no_table(measured, "give what measure() returns"))
    needed, there = ["log_median", "se", *groups, *predictors], measured.columns
    refuse(*(faults.absent(name, there) for name in needed if name not in measured))
    gaps = {name: int(measured[name].isna().sum()) for name in [*groups, *predictors]}
    refuse(*(faults.missing(n, k, len(measured)) for n, k in gaps.items() if k))

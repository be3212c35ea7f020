"""Fill: every cell of a published table, suppressed ones too, from a hierarchy."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from partialpool import faults
from partialpool.columns import as_list
from partialpool.faults import TableError, refuse
from partialpool.scores import check_prob

STEPS = np.linspace(-3.5, 3.5, 9)  # of each log standard deviation, in its own errors
SMALLEST = 1e-3  # standard deviation of log pay that counts as none


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
        Standard deviation of log medians between groups (row ``group``) and of cells
        about what their row and column say (``cell``): ``estimate``, ``low``,
        ``high``. Without Bayes the last two are missing.
    effects : pandas.DataFrame
        ``mean`` and ``sd`` of every common effect, of groups first those of `pooled`.
    """

    table: pd.DataFrame
    spread: pd.DataFrame
    effects: pd.DataFrame


def fill(
    measured,
    *,
    common="subject",
    pooled="provider",
    predictors=(),
    method="bayes",
    prior_sd=None,
    ci_prob=0.9,
):
    r"""Estimate all cells of a published table from those with a measurement.

    The model: a cell's log median is the effect of its row (such as a subject), of its
    column (a provider, partially pooled) and of its own (partially pooled too), and
    the published median measures it with a known standard error. Cells without a
    measurement get the prediction for a new cell of that row and column.

    Parameters
    ----------
    measured : pandas.DataFrame
        One row per cell, with ``log_median`` and ``se``, both missing where nothing
        was published: what :func:`~partialpool.leo.measure` returns.
    common : str
        Column whose labels each have an effect of their own, not pooled.
    pooled : str
        Column whose labels are partially pooled.
    predictors : str or list of str
        Columns of numbers, known for every cell, that help to predict.
    method : {"bayes", "reml"}
        Whether the two standard deviations are integrated over, or set to their best
        (restricted likelihood) and taken as known.
    prior_sd : float, optional
        Standard deviation of the half-normal priors of both. By default that of the
        measurements.
    ci_prob : float
        Probability of the equal-tailed intervals.

    Returns
    -------
    Filled

    Raises
    ------
    TableError
        If a column is missing, a label of `common` has no measured cell, or there are
        too few.
    ValueError
        If `method` is neither of the two.

    Notes
    -----
    Fay and Herriot (1979), *Journal of the American Statistical Association* 74, with
    crossed effects. Given the two standard deviations everything is normal and has a
    closed form; these are integrated over a grid of nine by nine about the mode.
    Intervals are those of a normal distribution with the mean and variance of the
    mixture.

    Examples
    --------
    >>> import partialpool as pool
    >>> graduates, _ = pool.simulate_graduates(9_000, years=5, n_providers=20, seed=1)
    >>> filled = fill(pool.measure(pool.publish(graduates)))
    >>> bool(filled.table["median"].isna().any())
    False
    """
    check_prob(ci_prob)
    if method not in ("bayes", "reml"):
        raise ValueError(f"method is {method!r}: give 'bayes' or 'reml'.")
    model = _Crossed(measured, common, pooled, as_list(predictors))
    points, weights, spread = model.spreads(method, prior_sd, ci_prob)
    parts = [model.cells(*point) for point in points]
    mean, variance, own = (np.array([part[i] for part in parts]) for i in range(3))
    centre = weights @ mean
    sd = np.sqrt(weights @ (variance + (mean - centre) ** 2))
    z = _normal_quantile((1 + ci_prob) / 2)
    table = pd.DataFrame(
        {
            "median": np.exp(centre),
            "low": np.exp(centre - z * sd),
            "high": np.exp(centre + z * sd),
            "log_mean": centre,
            "log_sd": sd,
            "weight": weights @ own,
        },
        measured.index,
    )
    return Filled(table, spread, model.effects(points, weights))


class _Crossed:
    """Sums of a table of cells, and its posterior given the standard deviations."""

    def __init__(self, measured, common, pooled, predictors):
        _check(measured, common, pooled, predictors)
        rows, self.labels = pd.factorize(measured[common], sort=True)
        columns, groups = pd.factorize(measured[pooled], sort=True)
        x = measured[predictors].to_numpy(float)
        x = x - x.mean(0)
        self.first, self.count = len(self.labels) + len(predictors), len(groups)
        design = np.zeros((len(measured), self.first + self.count))
        every = np.arange(len(measured))
        design[every, rows] = 1
        design[:, len(self.labels) : self.first] = x
        design[every, self.first + columns] = 1
        self.names = [*self.labels, *predictors, *groups]
        self.design = design
        measures = measured[["log_median", "se"]].notna()
        self.seen = measures.all(axis=1).to_numpy()
        lost = set(range(len(self.labels))) - set(rows[self.seen])
        if lost:
            named = faults.some([self.labels[i] for i in sorted(lost)], "label")
            raise TableError(
                f"Column {faults.quote(common)} has {named} without a measured cell, "
                "of which nothing can be said: drop them, or use a coarser column."
            )
        if self.seen.sum() < self.first + 3:
            raise TableError(
                f"Only {self.seen.sum()} cells are measured, too few for {self.first} "
                "common effects and two standard deviations: use a coarser column."
            )
        self.y = measured["log_median"].to_numpy(float)[self.seen]
        self.middle = self.y.mean()
        self.y = self.y - self.middle
        self.error = measured["se"].to_numpy(float)[self.seen] ** 2
        self.known = design[self.seen]

    def solve(self, group, cell):
        """Return the effects, their covariance, and the log restricted likelihood."""
        precision = 1 / (self.error + cell**2)
        weighted = self.known * precision[:, None]
        A = weighted.T @ self.known
        A[np.arange(self.first, len(A)), np.arange(self.first, len(A))] += group**-2
        root = np.linalg.cholesky(A)
        inverse = np.linalg.inv(root)
        cov = inverse.T @ inverse
        b = cov @ (weighted.T @ self.y)
        log = 0.5 * (np.log(precision).sum() - 2 * self.count * np.log(group))
        log -= np.log(np.diag(root)).sum()
        log -= 0.5 * (precision @ self.y**2 - (weighted.T @ self.y) @ b)
        return b, cov, log

    def spreads(self, method, prior_sd, ci_prob):
        """Points of both standard deviations, their weights, and a summary."""
        from scipy.optimize import minimize

        scale = prior_sd or self.y.std()
        bayes = method == "bayes"

        def loss(logs):
            group, cell = np.exp(np.maximum(logs, np.log(SMALLEST)))
            prior = -((group**2 + cell**2) / (2 * scale**2)) + np.sum(logs)
            return -self.solve(group, cell)[2] - bayes * prior

        start = np.log(np.maximum([self.y.std() / 3] * 2, 2 * SMALLEST))
        options = {"xatol": 1e-3, "fatol": 1e-4}
        best = minimize(loss, start, method="Nelder-Mead", options=options).x
        best = np.maximum(best, np.log(SMALLEST))
        if not bayes:
            none = np.full(2, np.nan)
            return [np.exp(best)], np.ones(1), _summary(np.exp(best), none, none)
        step = _errors(loss, best)
        sides = [best[i] + step[i] * STEPS for i in range(2)]
        grid = np.array([(a, b) for a in sides[0] for b in sides[1]])
        log = -np.array([loss(point) for point in grid])
        weights = np.exp(log - log.max())
        weights /= weights.sum()
        points = np.exp(np.maximum(grid, np.log(SMALLEST)))
        ends = (1 - ci_prob) / 2, 0.5, (1 + ci_prob) / 2
        found = [_quantiles(points[:, i], weights, ends) for i in range(2)]
        low, middle, high = np.array(found).T
        return points, weights, _summary(middle, low, high)

    def cells(self, group, cell):
        """Mean, variance and own weight of every cell, given both."""
        b, cov, _ = self.solve(group, cell)
        mean = self.design @ b
        about = np.einsum("ij,ij->i", self.design @ cov, self.design)
        own = np.zeros(len(mean))
        own[self.seen] = cell**2 / (cell**2 + self.error)
        left = np.zeros(len(mean))
        left[self.seen] = self.y - mean[self.seen]
        variance = cell**2 * (1 - own) + (1 - own) ** 2 * about
        return mean + own * left + self.middle, variance, own

    def effects(self, points, weights):
        """Mean and standard deviation of common effects and groups."""
        solved = [self.solve(*point)[:2] for point in points]
        mean = np.array([b for b, _ in solved])
        centre = weights @ mean
        variance = np.array([np.diag(cov) for _, cov in solved])
        sd = np.sqrt(weights @ (variance + (mean - centre) ** 2))
        centre = centre + self.middle * (np.arange(len(centre)) < len(self.labels))
        return pd.DataFrame({"mean": centre, "sd": sd}, self.names)


def _errors(loss, best, step=0.1):
    """How far each coordinate may be off, from the curvature at the best."""
    here = loss(best)
    curve = []
    for move in np.eye(2) * step:
        bend = loss(best + move) - 2 * here + loss(best - move)
        curve.append(max(bend / step**2, 1.0))
    return 1 / np.sqrt(curve)


def _quantiles(values, weights, ends):
    marginal = pd.Series(weights).groupby(values.round(12)).sum()
    total = marginal.cumsum() - marginal / 2
    return np.exp(np.interp(ends, total, np.log(marginal.index)))


def _summary(estimate, low, high):
    columns = {"estimate": estimate, "low": low, "high": high}
    return pd.DataFrame(columns, ["group", "cell"])


def _normal_quantile(prob):
    from scipy.special import ndtri

    return float(ndtri(prob))


def _check(measured, common, pooled, predictors):
    if not isinstance(measured, pd.DataFrame):
        refuse(faults.no_table(measured, "give what measure() returns"))
    needed = ["log_median", "se", common, pooled, *predictors]
    there = measured.columns
    refuse(*(faults.absent(name, there) for name in needed if name not in measured))
    gaps = [(n, int(measured[n].isna().sum())) for n in predictors]
    refuse(*(faults.missing(n, k, len(measured)) for n, k in gaps if k))

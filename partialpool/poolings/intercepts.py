"""Random intercepts: what grouped data say once one ratio is known.

Every pooling of a Gaussian outcome is one model, ``y = x b + u[group] + noise``, at
another ratio of the standard deviation between groups to that within: 0 is complete
pooling, infinity a dummy for each group, and all between is partial pooling. Given the
ratio, all the rest is least squares on sums of products, for many data sets and
ratios at once.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

# Share of the largest eigenvalue below which a direction of the predictors counts as
# told by no row.
RANK = 1e-10


@dataclass(frozen=True)
class GroupSums:
    """Sums of D data sets of J groups with p predictors, the intercept first.

    Attributes
    ----------
    n : numpy.ndarray
        Rows in each group, shape (D, J); with known standard errors one over their
        squares. A group of 0 rows has not been seen.
    x : numpy.ndarray
        Mean of each predictor in each group; shape (D, J, p).
    y : numpy.ndarray
        Mean outcome of each group; shape (D, J).
    within : numpy.ndarray
        Products of predictors and outcome about their group's means, over all groups;
        shape (D, p + 1, p + 1), the outcome last.
    rows : numpy.ndarray
        Rows of each data set, shape (D,).
    """

    n: np.ndarray
    x: np.ndarray
    y: np.ndarray
    within: np.ndarray
    rows: np.ndarray

    @property
    def groups(self):
        """Groups seen in each data set; shape (D,)."""
        return (self.n > 0).sum(1)

    def take(self, chosen):
        """Return some of the data sets."""
        parts = (self.n, self.x, self.y, self.within, self.rows)
        return GroupSums(*(part[chosen] for part in parts))

    def scaled(self, sd):
        """Return the sums for outcomes with a known within-group sd: shape (D,)."""
        variance = sd[:, None] ** 2
        within = self.within / variance[..., None]
        return GroupSums(self.n / variance, self.x, self.y, within, self.rows)


@dataclass(frozen=True)
class Given:
    """The fit of D data sets at K ratios each.

    Attributes
    ----------
    ratio : numpy.ndarray
        Between-group over within-group standard deviation; shape (D, K).
    grown : numpy.ndarray
        Variance of each group's mean over what it would be without a spread between
        groups; shape (D, K, J).
    slopes : numpy.ndarray
        Coefficients, shape (D, K, p).
    inverse : numpy.ndarray
        Their covariance over the within-group variance, shape (D, K, p, p).
    rank : numpy.ndarray
        Coefficients that the rows can tell, shape (D, K).
    squares : numpy.ndarray
        Generalised residual sum of squares, shape (D, K).
    slopes_log_det : numpy.ndarray
        Log determinant of the products that gave the coefficients, shape (D, K).
    """

    sums: GroupSums
    ratio: np.ndarray
    grown: np.ndarray
    slopes: np.ndarray
    inverse: np.ndarray
    rank: np.ndarray
    squares: np.ndarray
    slopes_log_det: np.ndarray

    # Some methods need the one, some the other, and each costs as much as the fit.
    @cached_property
    def weight(self):
        """Weight of each group's own rows; shape (D, K, J)."""
        return 1 - 1 / self.grown

    @cached_property
    def log_det(self):
        """Log determinant in the restricted likelihood, shape (D, K)."""
        return self.slopes_log_det + np.log(self.grown).sum(-1)

    def estimate(self, x=None):
        """Estimate the mean of each group at some values of the predictors.

        Parameters
        ----------
        x : numpy.ndarray, optional
            Shape (D, J, p); the group's own means by default.

        Returns
        -------
        centre, variance : numpy.ndarray
            Shape (D, K, J). The variance is over the within-group variance.
        """
        own = self.sums.x[:, None]
        at = own if x is None else x[:, None]
        centre = along(at, self.slopes[:, :, None]) + self.weight * self.residuals()
        rest = at - self.weight[..., None] * own
        variance = along(rest @ self.inverse, rest)
        # Rounding can take a variance of nothing below zero.
        return centre, np.maximum(variance, 0) + self._left()

    def _left(self):
        """Variance of a group's deviation that its own rows leave."""
        n = self.sums.n[:, None]
        seen = n > 0
        left = self.weight / np.where(seen, n, 1)
        return np.where(seen, left, self.ratio[..., None] ** 2)

    def residuals(self):
        """Distance of each group's mean from the line; shape (D, K, J)."""
        line = along(self.sums.x[:, None], self.slopes[:, :, None])
        return self.sums.y[:, None] - line


def along(one, two):
    """Sum products along the last axis, of predictors: few, and slow to sum as one."""
    return sum(one[..., p] * two[..., p] for p in range(one.shape[-1]))


def at_ratio(sums, ratio):
    """Fit random intercepts at given ratios of the two standard deviations.

    Parameters
    ----------
    sums : GroupSums
    ratio : array_like
        Shape (D, K) or broadcast to it; 0 and infinity are allowed.

    Returns
    -------
    Given

    Notes
    -----
    Henderson's mixed-model equations with the group effects eliminated; see Searle,
    Casella and McCulloch (1992), *Variance Components*, chapter 7.
    """
    ratio = np.broadcast_to(ratio, (len(sums.n), np.shape(ratio)[-1]))
    n = sums.n[:, None]
    with np.errstate(invalid="ignore"):
        grown = np.where(n > 0, 1 + n * ratio[..., None] ** 2, 1.0)
    columns = np.concatenate([sums.x, sums.y[..., None]], axis=2)
    size = columns.shape[2]
    outer = (columns[..., None] * columns[..., None, :]).reshape(*sums.n.shape, -1)
    products = ((n / grown) @ outer).reshape(*ratio.shape, size, size)
    products = products + sums.within[:, None]
    inverse, rank, log_det = _invert(products[..., :-1, :-1])
    right = products[..., :-1, -1]
    slopes = (inverse @ right[..., None])[..., 0]
    squares = products[..., -1, -1] - (slopes * right).sum(-1)
    return Given(
        sums,
        ratio,
        grown,
        slopes,
        inverse,
        rank,
        np.maximum(squares, 0),
        log_det,
    )


def _invert(matrices):
    """Invert, and leave out the directions that no row tells."""
    if matrices.shape[-1] == 1:
        told = matrices > 0
        safe = np.where(told, matrices, 1)
        log_det = np.log(safe)[..., 0, 0]
        return np.where(told, 1 / safe, 0), told[..., 0, 0].astype(int), log_det
    values, vectors = np.linalg.eigh(matrices)
    told = values > RANK * values[..., -1:]
    safe = np.where(told, values, 1)
    inverse = (vectors * (told / safe)[..., None, :]) @ vectors.swapaxes(-1, -2)
    return inverse, told.sum(-1), np.log(safe).sum(-1)

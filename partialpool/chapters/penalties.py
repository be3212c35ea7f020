"""Penalties: least squares with a squared penalty for each family of dummies.

Ridge regression and restricted maximum likelihood (REML) are this one computation:
a penalty is the variance within groups over that between the groups of its family.
They differ in the criterion that chooses it.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize

# Where to look for the log of a penalty, and where to begin.
BOUNDS, START = (-3, 9), 2


@dataclass(frozen=True)
class Dummies:
    """Dummies of several families, the intercept first: p columns for m rows.

    Attributes
    ----------
    x : numpy.ndarray
        Shape (m, p).
    xx, xy, yy : numpy.ndarray, numpy.ndarray, float
        Sums of products with the outcome, which is centred.
    family : numpy.ndarray
        0 for the intercept, then 1 to K by family; shape (p,).
    middle : float
        What was taken from the outcome.
    """

    x: np.ndarray
    xx: np.ndarray
    xy: np.ndarray
    yy: float
    family: np.ndarray
    middle: float


def add_up(rows, outcome, families):
    """Make dummies of some columns, and sum their products: `Dummies`."""
    parts = [pd.get_dummies(rows[name], dtype=float) for name in families]
    x = np.column_stack([np.ones(len(rows)), *parts])
    middle = rows[outcome].mean()
    y = (rows[outcome] - middle).to_numpy()
    sizes = [1, *[part.shape[1] for part in parts]]
    family = np.repeat(range(len(sizes)), sizes)
    return Dummies(x, x.T @ x, x.T @ y, y @ y, family, middle)


def solve(dummies, logs):
    """Solve for the coefficients: each column's penalty, the inverse, coefficients.

    Parameters
    ----------
    dummies : Dummies
    logs : array_like
        Log of the penalty of each family, or one for all.
    """
    logs = np.broadcast_to(logs, dummies.family.max())
    penalty = np.append(0, np.exp(logs))[dummies.family]
    inverse = np.linalg.inv(dummies.xx + np.diag(penalty))
    return penalty, inverse, inverse @ dummies.xy


def cross_validation(dummies, logs):
    """Log of the generalised cross-validation score: the smaller, the better."""
    penalty, inverse, b = solve(dummies, logs)
    used = len(b) - penalty @ np.diag(inverse)
    squares = dummies.yy - 2 * b @ dummies.xy + b @ dummies.xx @ b
    return np.log(squares) - 2 * np.log(len(dummies.x) - used)


def restricted_likelihood(dummies, logs):
    """Minus twice the log restricted likelihood, up to a constant."""
    penalty, inverse, b = solve(dummies, logs)
    squares = dummies.yy - b @ dummies.xy
    log_det = np.linalg.slogdet(inverse)[1] + np.log(penalty[1:]).sum()
    return (len(dummies.x) - 1) * np.log(squares) - log_det


def choose(criterion, dummies, penalties):
    """Choose penalties by a criterion, one for all families or one for each.

    Returns
    -------
    numpy.ndarray
        Log of the penalty of each family, shape (K,).

    Examples
    --------
    >>> import partialpool as pool
    >>> table, _ = pool.simulate_groups(20, seed=1)
    >>> dummies = add_up(table, "y", ["group"])
    >>> log = choose(restricted_likelihood, dummies, 1)
    >>> bool(0 < spreads(dummies, log)[0] < 0.3)
    True
    """
    best = minimize(
        lambda logs: criterion(dummies, logs),
        [START] * penalties,
        method="L-BFGS-B",
        bounds=[BOUNDS] * penalties,
    )
    return np.broadcast_to(best.x, dummies.family.max())


def spreads(dummies, logs):
    """Standard deviations that penalties imply: of each family, then within; (K + 1,).

    A penalty at its upper bound stands for a standard deviation of zero.
    """
    b = solve(dummies, logs)[2]
    sigma = np.sqrt((dummies.yy - b @ dummies.xy) / (len(dummies.x) - 1))
    between = np.where(np.asarray(logs) < BOUNDS[1], sigma / np.exp(logs / 2), 0)
    return np.append(between, sigma)

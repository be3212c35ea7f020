"""Mixed: least squares with a penalty for each family of dummies.

Plain least squares, ridge regression and REML are this one computation, and differ in
the penalties: none, those that predict held-out rows best, or the ones that the
restricted likelihood chooses. The last family may be large: its block of the normal
equations is diagonal, and is eliminated first.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

# Logs of penalties that leave a family free, and that leave it out.
FREE, OUT = -9.0, 27.0
# Of fixed columns, so that two that say the same do no harm.
FLOOR = 1e-7
# Where to look for the log of a penalty, and where to begin.
BOUNDS, START = (-3.0, 11.0), 3.0


@dataclass(frozen=True)
class Design:
    """Columns of N rows, of which a fit may use some.

    Attributes
    ----------
    x : numpy.ndarray
        The fixed columns, then all families but the last; shape (N, p).
    family : numpy.ndarray
        0 for the fixed columns, then 1 to K - 1; shape (p,).
    last : scipy.sparse.csr_array
        Dummies of the last family, which is number K; shape (N, L).
    """

    x: np.ndarray
    family: np.ndarray
    last: sparse.csr_array

    def take(self, rows):
        """Return the columns of some of the rows."""
        return Design(self.x[rows], self.family, self.last[rows])


def make_design(rows, fixed, families):
    """Make the columns of a model.

    Parameters
    ----------
    rows : pandas.DataFrame
    fixed : list of str
        Columns without a penalty: numbers as they are, labels as dummies against the
        first of them. An intercept is added.
    families : list of str or (str, str)
        Columns of labels, a dummy for each; with a second name, times that column.

    Returns
    -------
    Design

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"x": [0.0, 1, 2], "a": list("ppq"), "b": list("uvw")})
    >>> make_design(rows, ["x"], ["a", ("a", "x"), "b"]).family.tolist()
    [0, 0, 1, 1, 2, 2]
    """
    parts = [np.ones((len(rows), 1))]
    parts += [_fixed(rows[name]) for name in fixed]
    sizes = [sum(part.shape[1] for part in parts)]
    for name in families[:-1]:
        label, by = (name, None) if isinstance(name, str) else name
        part = _dummies(rows[label])
        parts.append(part if by is None else part * rows[[by]].to_numpy(float))
        sizes.append(part.shape[1])
    code, labels = pd.factorize(rows[families[-1]].to_numpy(), sort=True)
    at = (np.arange(len(rows)), code)
    last = sparse.csr_array((np.ones(len(rows)), at), (len(rows), len(labels)))
    return Design(np.hstack(parts), np.repeat(np.arange(len(sizes)), sizes), last)


def _fixed(values):
    if pd.api.types.is_numeric_dtype(values):
        return values.to_numpy(float)[:, None]
    return _dummies(values)[:, 1:]


def _dummies(values):
    code, labels = pd.factorize(values.to_numpy(), sort=True)
    return np.eye(len(labels))[code]


@dataclass(frozen=True)
class Sums:
    """Sums of products over the rows of a fit, weighted, with their outcome.

    Attributes
    ----------
    xx, xc, cc : numpy.ndarray
        Of the columns, shape (p, p); with the last family, (p, L); of that, (L,).
    xy, cy, yy : numpy.ndarray, numpy.ndarray, float
        With the outcome, from which `middle` was taken.
    rows : int
    family : numpy.ndarray
        As in :class:`Design`.
    """

    xx: np.ndarray
    xc: np.ndarray
    cc: np.ndarray
    xy: np.ndarray
    cy: np.ndarray
    yy: float
    rows: int
    middle: float
    family: np.ndarray

    @property
    def families(self):
        """How many families there are, the last included."""
        return int(self.family.max()) + 1


def add_up(design, y, weight=None):
    """Sum products over all rows, each as often as its weight says."""
    x, last = design.x, design.last
    w = np.ones(len(x)) if weight is None else np.asarray(weight)
    middle = float(np.average(y, weights=w))
    y, wx = y - middle, x * w[:, None]
    return Sums(
        xx=wx.T @ x,
        xc=(last.T @ wx).T,
        cc=last.T @ w,
        xy=wx.T @ y,
        cy=last.T @ (w * y),
        yy=float(w @ y**2),
        rows=len(x),
        middle=middle,
        family=design.family,
    )


class Solved:
    """Penalised least squares: coefficients, their inverse matrix, and criteria.

    Parameters
    ----------
    sums : Sums
    logs : array_like
        Log of the penalty of each family, shape (K,), or one for all.

    Attributes
    ----------
    b, u : numpy.ndarray
        Coefficients: of the columns, and of the last family.
    edf : float
        Effective number of coefficients.
    rss, squares : float
        Residual squares, and with what the penalties add to them.
    """

    def __init__(self, sums, logs):
        self.sums = sums
        self.logs = np.broadcast_to(np.asarray(logs, float), sums.families)
        penalty = np.exp(self.logs)
        self.d = sums.cc + penalty[-1]
        self.penalty = np.append(FLOOR, penalty[:-1])[sums.family]
        self.share = sums.xc / self.d
        self.schur = sums.xx - self.share @ sums.xc.T + np.diag(self.penalty)
        self.inverse = np.linalg.inv(self.schur)
        self.b = self.inverse @ (sums.xy - self.share @ sums.cy)
        self.u = (sums.cy - sums.xc.T @ self.b) / self.d
        explained = self.b @ sums.xy + self.u @ sums.cy
        self.squares = sums.yy - explained
        fines = self.penalty @ self.b**2 + penalty[-1] * (self.u @ self.u)
        self.rss = sums.yy - explained - fines

    @property
    def edf(self):
        """Trace of the matrix that turns outcomes into fitted values."""
        lost = self.penalty @ np.diag(self.inverse)
        lost += np.exp(self.logs[-1]) * self._last_diagonal().sum()
        return len(self.b) + len(self.u) - lost

    def _last_diagonal(self):
        """Of the inverse matrix, the diagonal of the last family."""
        return 1 / self.d + np.sum(self.share * (self.inverse @ self.share), 0)

    def restricted(self):
        """Minus twice the log restricted likelihood, up to a constant."""
        log_det = np.linalg.slogdet(self.schur)[1] + np.log(self.d).sum()
        return self._free() * np.log(self.squares) + log_det - self.log_penalties()

    def slopes(self):
        """Derivatives of :meth:`restricted` by the log of each penalty."""
        family, penalty = self.sums.family[:, None], np.exp(self.logs)
        mine = family == np.arange(1, len(penalty))
        traces = np.append(np.diag(self.inverse) @ mine, self._last_diagonal().sum())
        squares = np.append(self.b**2 @ mine, self.u @ self.u)
        sizes = np.append(mine.sum(0), len(self.u))
        return penalty * (self._free() * squares / self.squares + traces) - sizes

    def cross_validated(self):
        """Rows times the log of the generalised cross-validation score."""
        rows = self.sums.rows
        return rows * (np.log(self.rss) - 2 * np.log(rows - self.edf))

    def aic(self):
        """Akaike's criterion, for penalties that leave families free or out."""
        rows = self.sums.rows
        return rows * np.log(self.rss / rows) + 2 * self.edf

    def log_penalties(self):
        """Sum of the logs of the penalties, over all columns that have one."""
        sizes = np.bincount(self.sums.family)[1:]
        return np.append(sizes, len(self.u)) @ self.logs

    def _free(self):
        return self.sums.rows - np.sum(self.sums.family == 0)

    def sigma(self, *, penalised):
        """Standard deviation of rows: by REML, or from residuals and `edf`."""
        if penalised:
            return np.sqrt(self.squares / self._free())
        return np.sqrt(self.rss / max(self.sums.rows - self.edf, 1))

    def fitted(self, design):
        """Expectation of each row."""
        return design.x @ self.b + design.last @ self.u + self.sums.middle

    def expect(self, design, over=None):
        """Expectation of averages of rows, and its variance relative to sigma squared.

        Parameters
        ----------
        design : Design
        over : sparse array, optional
            Weights of the rows in each average, shape (m, N); each row without it.
        """
        x = design.x if over is None else over @ design.x
        last = design.last if over is None else sparse.csr_array(over @ design.last)
        apart = x - last @ self.share.T
        variance = np.sum((apart @ self.inverse) * apart, 1)
        variance += last.multiply(last) @ (1 / self.d)
        return x @ self.b + last @ self.u + self.sums.middle, variance


def choose(sums, criterion, penalties):
    """Choose penalties by a criterion: one for all families, or one for each.

    Parameters
    ----------
    sums : Sums
    criterion : callable
        Of a :class:`Solved`; the smaller, the better.
    penalties : int
        1, or the number of families.

    Returns
    -------
    Solved

    Examples
    --------
    >>> import partialpool as pool
    >>> table, _ = pool.simulate_groups(30, seed=1)
    >>> design = make_design(table, [], ["group"])
    >>> sums = add_up(design, table["y"].to_numpy())
    >>> solved = choose(sums, Solved.restricted, 1)
    >>> bool(0.05 < np.exp(-solved.logs[0] / 2) * solved.sigma(penalised=True) < 0.3)
    True
    """
    from scipy.optimize import minimize

    exact = criterion is Solved.restricted and penalties == sums.families

    def value(logs):
        solved = Solved(sums, logs)
        return (criterion(solved), solved.slopes()) if exact else criterion(solved)

    best = minimize(
        value,
        [START] * penalties,
        method="L-BFGS-B",
        jac=exact,
        bounds=[BOUNDS] * penalties,
        options={"ftol": 1e-7} if exact else {"eps": 1e-4, "ftol": 1e-7},
    )
    return Solved(sums, best.x)

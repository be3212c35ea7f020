"""What remains of a model's columns, factorised sparsely."""

import itertools

import numpy as np
from scipy import sparse

# What a multiplication costs within a sparse factorisation, a dense one being 1.
SPARSE_COST = 20
# Multiplications in a sparse factorisation beyond which it is given up: half a minute.
LARGEST_WORK = 2e10


class SparseRemainder:
    """One sparse factorisation, in an order that keeps it sparse.

    `columns` counts those of the Gram matrix, the outcome included; `pattern` (columns,
    columns) says which products are not 0.
    """

    is_sparse = True

    def __init__(self, columns, pattern):
        # No dense matrix is made.
        self.columns, self.side = columns - 1, 0
        lower = sparse.tril(pattern[:-1, :-1] + sparse.eye_array(columns - 1)).tocoo()
        self._keys = np.sort(lower.row.astype(np.int64) * columns + lower.col)
        self.size = len(self._keys) + columns
        self._order(np.arange(columns - 1))
        self._analyse()

    def _order(self, order):
        """Lay the columns out so that a factorisation can take them as they come."""
        self._new = order
        i, j = np.divmod(self._keys, self.columns + 1)
        at, off = np.arange(len(i)), i != j
        rows, columns = np.r_[order[i], order[j[off]]], np.r_[order[j], order[i[off]]]
        places = np.r_[at, at[off]]
        sort = np.lexsort((rows, columns))
        self._source, self._rows = places[sort], rows[sort].astype(np.int32)
        counts = np.bincount(columns, minlength=self.columns)
        self._starts = np.r_[0, np.cumsum(counts)].astype(np.int32)

    def _analyse(self):
        """Choose the order, and count what a factorisation in it will cost."""
        numbers = np.ones(self.size)
        i, j = np.divmod(self._keys, self.columns + 1)
        numbers[: len(i)][i == j] = 2.0 * self.columns
        # An incomplete factorisation of the same pattern, made for its order alone.
        how = {"drop_tol": 1.0, "fill_factor": 1, "permc_spec": "MMD_AT_PLUS_A"}
        self._order(sparse.linalg.spilu(self._matrix(numbers), **how).perm_c)
        counts = count_filled(self._starts, self._rows, LARGEST_WORK)
        self.work = SPARSE_COST * ((counts**2).sum() / 2 + 10 * counts.sum())

    def _matrix(self, numbers):
        shape = (self.columns, self.columns)
        data = numbers[self._source]
        return sparse.csc_array((data, self._rows, self._starts), shape=shape)

    def positions(self, i, j):
        """Where the products of columns i and j lie; i does not come before j."""
        i, j = np.broadcast_arrays(i, j)
        at = np.searchsorted(self._keys, i.astype(np.int64) * (self.columns + 1) + j)
        return np.where(i == self.columns, len(self._keys) + j, at)

    def factorise(self, numbers):
        """Factorise some matrices: (m, size)."""
        # Positive definite, so that the diagonal serves as pivots as it stands.
        how = {"diag_pivot_thresh": 0.0, "options": {"SymmetricMode": True}}
        matrices = [self._matrix(row) for row in numbers]
        try:
            factors = [sparse.linalg.splu(m, "NATURAL", **how) for m in matrices]
        except RuntimeError as error:  # singular
            raise np.linalg.LinAlgError(str(error)) from None
        right = numbers[:, len(self._keys) :]
        return SparseFactor(factors, right, self._new)


def count_filled(starts, rows, most):
    """Count the numbers in each column of a sparse Cholesky factor.

    The pattern of the matrix comes column by column. Beyond `most` multiplications the
    counts are infinite.

    Notes
    -----
    A column passes its rows on to the first of them (George and Liu 1981,
    *Computer Solution of Large Sparse Positive Definite Systems*).
    """
    counts = np.zeros(len(starts) - 1)
    handed = {}
    for j in range(len(counts)):
        own = rows[starts[j] : starts[j + 1]]
        filled = np.unique(np.concatenate([own, *handed.pop(j, [])]))
        below = filled[filled > j]
        counts[j] = len(below) + 1
        most -= counts[j] ** 2 / 2
        if most < 0:
            return np.full(len(counts), np.inf)
        if len(below):
            handed.setdefault(below[0], []).append(below)
    return counts


class SparseFactor:
    """Sparse factors of some matrices: L D L' with D on the diagonal of U."""

    def __init__(self, factors, right, new):
        self.factors, self.right, self.new = factors, right, new
        pivots = np.stack([factor.U.diagonal() for factor in factors])
        kept = all((factor.perm_r == factor.perm_c).all() for factor in factors)
        if not kept or not (pivots > 0).all():
            raise np.linalg.LinAlgError("A matrix is not positive definite.")
        self.pivots = pivots
        self.log_det = np.log(pivots).sum(1)
        ordered = right[:, :-1][:, new.argsort()]
        solved = [f.solve(b) for f, b in zip(factors, ordered, strict=True)]
        self.mean = np.stack(solved)[:, new]
        self.residual = right[:, -1] - (self.mean * right[:, :-1]).sum(1)

    def draw(self, which, noise):
        """Draw the columns, `noise` (n, columns) being standard."""
        drawn = np.empty_like(noise)
        for k, rows in runs(which):
            factor = self.factors[k]
            right = np.sqrt(self.pivots[k])[:, None] * noise[rows].T
            upper = factor.U.tocsr()
            solved = sparse.linalg.spsolve_triangular(upper, right, lower=False)
            drawn[rows] = self.mean[k] + solved[factor.perm_c][self.new].T
        return drawn


def runs(which):
    """Each number, and the slice in which it stands."""
    ends = np.r_[0, np.flatnonzero(np.diff(which)) + 1, len(which)]
    places = itertools.starmap(slice, itertools.pairwise(ends.tolist()))
    return list(zip(which[ends[:-1]].tolist(), places, strict=True))

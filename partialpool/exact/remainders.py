"""What remains of a model's columns once its largest factor has been eliminated."""

from dataclasses import dataclass

import numpy as np
import scipy
from scipy import sparse

from partialpool.exact.nesting import by_group, find_stages

# Up to so many columns a sparse factorisation is not tried.
SMALL = 300
# Numbers that the dense form may have (800 MB), and numbers that may be other than 0
# for a sparse factorisation to be tried.
LARGEST_DENSE, LARGEST_SPARSE = 100_000_000, 20_000_000
# What a multiplication costs within a sparse factorisation, a dense one being 1.
SPARSE_COST = 20
# A larger share of numbers other than 0 is taken for dense.
SPARSE_SHARE = 0.15


@dataclass
class Stage:
    """A factor eliminated after the largest: its groups touch none of each other.

    Attributes
    ----------
    columns : numpy.ndarray
        Its columns in the Gram matrix; shape (groups, effects).
    parents : dict
        Of each later stage that it has products with, the number: the group that
        each of its groups belongs to.
    within, cross : slice
        Where its products with itself, and with the columns that are never
        eliminated, lie among the numbers that remain.
    links : dict
        Where its products with each later stage lie.
    """

    columns: np.ndarray
    parents: dict
    within: slice
    cross: slice
    links: dict


class DenseRemainder:
    """Factors eliminated one after the other, then a dense Cholesky factor.

    Parameters
    ----------
    columns : int
        Columns of the Gram matrix, the outcome included.
    stages : list of (numpy.ndarray, dict)
        Columns and parents of each stage.
    """

    is_sparse = False

    def __init__(self, columns, stages=()):
        gone = [c.ravel() for c, _ in stages]
        self.core = np.setdiff1d(np.arange(columns), np.concatenate([[-1], *gone]))
        self.side, self.columns = len(self.core), columns - 1
        # Where each number of the matrix lies, in its lower triangle.
        i, j = np.indices((self.side, self.side))
        self._square = (np.maximum(i, j) * (np.maximum(i, j) + 1)) // 2
        self._square += np.minimum(i, j)
        self._stage_of = np.full(columns, len(stages))
        self._local = np.zeros(columns, dtype=np.int64)
        self._local[self.core] = np.arange(self.side)
        self.size = self.side * (self.side + 1) // 2
        self.stages = [self._place(s, *stage, stages) for s, stage in enumerate(stages)]

    def _place(self, number, columns, parents, stages):
        self._stage_of[columns] = number
        self._local[columns.ravel()] = np.arange(columns.size)
        effects = columns.shape[1]
        within = self._take(columns.size * effects)
        cross = self._take(columns.size * self.side)
        links = {t: self._take(columns.size * stages[t][0].shape[1]) for t in parents}
        return Stage(columns, parents, within, cross, links)

    def _take(self, count):
        self.size += count
        return slice(self.size - count, self.size)

    @property
    def work(self):
        """Multiplications of one factorisation."""
        crosses = [stage.columns.size * self.side**2 / 2 for stage in self.stages]
        return self.side**3 / 6 + sum(crosses)

    def positions(self, i, j):
        """Where the products of columns i and j lie; i does not come before j."""
        swap = self._stage_of[i] > self._stage_of[j]
        i, j = np.where(swap, j, i), np.where(swap, i, j)
        first, second = self._stage_of[i], self._stage_of[j]
        i, j = self._local[i], self._local[j]
        core = len(self.stages)
        at = i * (i + 1) // 2 + j
        for s, stage in enumerate(self.stages):
            effects = stage.columns.shape[1]
            mine = first == s
            same, crossed = mine & (second == s), mine & (second == core)
            at[same] = stage.within.start + i[same] * effects + j[same] % effects
            at[crossed] = (
                stage.cross.start + j[crossed] * stage.columns.size + i[crossed]
            )
            for t, link in stage.links.items():
                to = mine & (second == t)
                width = self.stages[t].columns.shape[1]
                at[to] = link.start + i[to] * width + j[to] % width
        return at

    def factorise(self, numbers):
        """Factorise some matrices; `numbers` (m, size) are used up.

        Returns
        -------
        DenseFactor
        """
        eliminated = [self._eliminate(s, numbers) for s in range(len(self.stages))]
        matrix = np.take(numbers, self._square, axis=1)
        for gone in eliminated:
            half = gone.cross.reshape(len(numbers), self.side, -1)
            matrix -= half @ half.transpose(0, 2, 1)
        log_det = sum(gone.log_det for gone in eliminated)
        return DenseFactor(self, np.linalg.cholesky(matrix), eliminated, log_det)

    def _eliminate(self, s, numbers):
        stage, m = self.stages[s], len(numbers)
        groups, effects = stage.columns.shape
        within = numbers[:, stage.within].reshape(m, groups, effects, effects)
        inverse, log_det = _invert_roots(within)
        cross = numbers[:, stage.cross].reshape(m, self.side, groups, effects)
        if effects == 1:
            cross = cross * inverse[:, None, :, :, 0]
        else:
            cross = np.einsum("msgf,mgef->msge", cross, inverse)
        links = {
            t: inverse @ numbers[:, at].reshape(m, groups, effects, -1)
            for t, at in stage.links.items()
        }
        for t in links:
            self._pass_on(stage, t, cross, links, numbers)
        return Eliminated(inverse, cross, links, log_det)

    def _pass_on(self, stage, t, cross, links, numbers):
        """Take from a later stage what an earlier one takes of it."""
        later, m = self.stages[t], len(numbers)
        groups = len(later.columns)
        link, count = links[t], len(stage.columns)
        member = np.arange(count)
        member = sparse.csr_array(
            (np.ones(count), (stage.parents[t], member)), shape=(groups, count)
        )

        def add_up(product):
            # (m, groups of the earlier stage, ...) to the groups that they lie in.
            flat = product.swapaxes(0, 1).reshape(count, -1)
            total = (member @ flat).reshape(groups, m, *product.shape[2:])
            return total.swapaxes(0, 1)

        numbers[:, later.within] -= add_up(link.swapaxes(-1, -2) @ link).reshape(m, -1)
        crossed = np.einsum("msge,mgef->mgsf", cross, link, optimize=True)
        crossed = add_up(crossed).swapaxes(1, 2)
        numbers[:, later.cross] -= crossed.reshape(m, -1)
        for u, at in later.links.items():
            if u in links:
                shared = add_up(link.swapaxes(-1, -2) @ links[u])
                numbers[:, at] -= shared.reshape(m, -1)


@dataclass
class Eliminated:
    """What one stage leaves behind, to find its effects again.

    Attributes
    ----------
    inverse : numpy.ndarray
        Of the Cholesky factor of each group; shape (m, groups, effects, effects).
    cross : numpy.ndarray
        That times its products with what is never eliminated; shape
        (m, side, groups, effects).
    links : dict
        That times its products with the parents in later stages; each of shape
        (m, groups, effects, effects of the parent).
    log_det : numpy.ndarray
    """

    inverse: np.ndarray
    cross: np.ndarray
    links: dict
    log_det: np.ndarray


class DenseFactor:
    """Cholesky factors of some matrices, the outcome their last column."""

    def __init__(self, remainder, lower, eliminated, log_det):
        self.remainder, self.lower, self.eliminated = remainder, lower, eliminated
        diagonal = np.diagonal(lower, axis1=1, axis2=2)
        self.log_det = log_det + 2 * np.log(diagonal[:, :-1]).sum(1)
        self.residual = diagonal[:, -1] ** 2

    def draw(self, which, noise):
        """Solve for the columns, `noise` (n, columns) added to the standardised ones.

        Parameters
        ----------
        which : numpy.ndarray
            Matrix of each draw; copies stand next to each other.
        noise : numpy.ndarray
        """
        remainder = self.remainder
        drawn = np.empty_like(noise)
        core = remainder.core[:-1]
        ends = np.flatnonzero(np.r_[np.diff(which), 1]) + 1
        starts = np.r_[0, ends[:-1]]
        for start, end in zip(starts, ends, strict=True):
            lower, rows = self.lower[which[start]], slice(start, end)
            right = lower[-1, :-1] + noise[rows][:, core]
            # LAPACK reads by columns, so that a lower factor looks like an upper one.
            if len(core):
                right, _ = scipy.linalg.lapack.dtrtrs(lower[:-1, :-1].T, right.T)
                right = right.T
            drawn[rows, core] = right
        for s in reversed(range(len(self.eliminated))):
            self._draw_stage(s, which, noise, drawn)
        return drawn

    def _draw_stage(self, s, which, noise, drawn):
        stage, gone = self.remainder.stages[s], self.eliminated[s]
        columns = stage.columns
        for k in np.unique(which):
            rows = which == k
            cross = gone.cross[k].reshape(self.remainder.side, -1)
            known = drawn[rows][:, self.remainder.core[:-1]]
            right = cross[-1] - known @ cross[:-1]
            right = right.reshape(-1, *columns.shape) + noise[rows][:, columns]
            for t, link in gone.links.items():
                parent = self.remainder.stages[t].columns[stage.parents[t]]
                right -= np.einsum("gef,ngf->nge", link[k], drawn[rows][:, parent])
            effects = np.einsum("gef,nge->ngf", gone.inverse[k], right)
            drawn[np.ix_(rows, columns.ravel())] = effects.reshape(len(effects), -1)


class SparseRemainder:
    """One sparse factorisation, in an order that keeps it sparse.

    Parameters
    ----------
    columns : int
        Columns of the Gram matrix, the outcome included.
    pattern : scipy.sparse.csr_array
        Which products are not 0; shape (columns, columns).
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
        """Choose the order, from a positive definite matrix of the same pattern."""
        numbers = np.ones(self.size)
        i, j = np.divmod(self._keys, self.columns + 1)
        numbers[: len(i)][i == j] = 2.0 * self.columns
        solved = self._factorise(numbers, "MMD_AT_PLUS_A")
        counts = np.diff(solved.L.indptr).astype(float)
        self.work = SPARSE_COST * ((counts**2).sum() / 2 + 10 * counts.sum())
        self._order(solved.perm_c)

    def _factorise(self, numbers, order="NATURAL"):
        shape = (self.columns, self.columns)
        data = numbers[self._source]
        matrix = sparse.csc_array((data, self._rows, self._starts), shape=shape)
        # Positive definite, so that the diagonal serves as pivots as it stands.
        return sparse.linalg.splu(
            matrix,
            permc_spec=order,
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )

    def positions(self, i, j):
        """Where the products of columns i and j lie; i does not come before j."""
        i, j = np.broadcast_arrays(i, j)
        at = np.searchsorted(self._keys, i.astype(np.int64) * (self.columns + 1) + j)
        return np.where(i == self.columns, len(self._keys) + j, at)

    def factorise(self, numbers):
        """Factorise some matrices: (m, size)."""
        try:
            factors = [self._factorise(row) for row in numbers]
        except RuntimeError as error:  # singular
            raise np.linalg.LinAlgError(str(error)) from None
        right = numbers[:, len(self._keys) :]
        return SparseFactor(factors, right, self._new)


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
        self.mean = np.stack(
            [
                f.solve(b[new.argsort()])
                for f, b in zip(factors, right[:, :-1], strict=True)
            ]
        )[:, new]
        self.residual = right[:, -1] - (self.mean * right[:, :-1]).sum(1)

    def draw(self, which, noise):
        """Draw the columns, `noise` (n, columns) being standard."""
        drawn = np.empty_like(noise)
        for k in np.unique(which):
            rows = which == k
            factor = self.factors[k]
            right = np.sqrt(self.pivots[k])[:, None] * noise[rows].T
            solved = sparse.linalg.spsolve_triangular(
                factor.U.tocsr(), right, lower=False
            )
            drawn[rows] = self.mean[k] + solved[factor.perm_c][self.new].T
        return drawn


def _invert_roots(matrices):
    """Inverses of the Cholesky factors of small matrices, and their determinants."""
    if matrices.shape[2] == 1:
        if not (matrices > 0).all():
            raise np.linalg.LinAlgError("A matrix is not positive definite.")
        return 1 / np.sqrt(matrices), np.log(matrices).sum((1, 2, 3))
    lower = np.linalg.cholesky(matrices)
    diagonal = np.diagonal(lower, axis1=2, axis2=3)
    return np.linalg.inv(lower), 2 * np.log(diagonal).sum((1, 2))


def plan(gram, factors):
    """Choose how to hold what remains after the largest factor.

    Parameters
    ----------
    gram : partialpool.exact.gram.Gram
    factors : list of (int, int)
        Groups and effects of each grouping factor.

    Returns
    -------
    DenseRemainder or SparseRemainder

    Raises
    ------
    ValueError
        If memory can hold neither.
    """
    columns = gram.dense.shape[0]
    stages = find_stages(gram, factors)
    gone = sum(place.size for place, _ in stages)
    side = columns - gone
    small = side * (side + gone) < LARGEST_DENSE
    if small and side <= SMALL:
        return DenseRemainder(columns, stages)
    pattern = _pattern(gram)
    other = None
    if pattern.nnz < min(LARGEST_SPARSE, SPARSE_SHARE * columns**2):
        other = SparseRemainder(columns, pattern)
    if not small and other is None:
        raise ValueError(
            f"{columns - 1:,} coefficients and effects remain after the largest "
            "grouping factor, and most have to do with each other: that is more than "
            "memory can hold in closed form: use Bambi for this model."
        )
    if small:
        dense = DenseRemainder(columns, stages)
        if other is None or dense.work < other.work:
            return dense
    return other


def _pattern(gram):
    """Which products of remaining columns are not 0, once the largest is gone."""
    found = sparse.csr_array(gram.dense != 0, dtype=float)
    if gram.largest is not None:
        support = by_group(gram.cross, gram.within.shape[:2])
        found = found + support @ support.T
    return found

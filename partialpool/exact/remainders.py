"""What remains of a model's columns once its largest factor has been eliminated."""

from dataclasses import dataclass

import numpy as np
import scipy
from scipy import sparse

from partialpool.exact.nesting import by_group, find_stages, membership
from partialpool.exact.sparse_remainders import SparseRemainder, runs

# Up to so many columns a sparse factorisation is not tried.
SMALL = 300
# Numbers that the dense form may have (800 MB), and numbers that may be other than 0
# for a sparse factorisation to be tried.
LARGEST_DENSE, LARGEST_SPARSE = 100_000_000, 20_000_000
# A larger share of numbers other than 0 is taken for dense.
SPARSE_SHARE = 0.15


@dataclass
class Stage:
    """A factor eliminated after the largest: its groups touch none of each other."""

    columns: np.ndarray  # in the Gram matrix: (groups, effects)
    parents: dict  # of each later stage, by number: the group that each group lies in
    within: slice  # where its products with itself lie among the remaining numbers
    cross: slice  # where those with the columns that are never eliminated lie
    links: dict  # where those with each later stage lie


class DenseRemainder:
    """Factors eliminated one after the other, then a dense Cholesky factor.

    `columns` counts those of the Gram matrix, the outcome included; `stages` are those
    of :func:`~partialpool.exact.nesting.find_stages`.
    """

    is_sparse = False

    def __init__(self, columns, stages):
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
            effects, size = stage.columns.shape[1], stage.columns.size
            mine = first == s
            same, crossed = mine & (second == s), mine & (second == core)
            at[same] = stage.within.start + i[same] * effects + j[same] % effects
            at[crossed] = stage.cross.start + j[crossed] * size + i[crossed]
            for t, link in stage.links.items():
                to = mine & (second == t)
                width = self.stages[t].columns.shape[1]
                at[to] = link.start + i[to] * width + j[to] % width
        return at

    def factorise(self, numbers):
        """Factorise some matrices; their `numbers` (m, size) are used up."""
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
        shape = (m, groups, effects, -1)
        links = stage.links.items()
        links = {t: inverse @ numbers[:, at].reshape(shape) for t, at in links}
        for t in links:
            self._pass_on(stage, t, cross, links, numbers)
        return Eliminated(inverse, cross, links, log_det)

    def _pass_on(self, stage, t, cross, links, numbers):
        """Take from a later stage what an earlier one takes of it."""
        later, m = self.stages[t], len(numbers)
        link, groups = links[t], len(later.columns)
        member = membership(stage.parents[t], groups).T.tocsr()

        def add_up(product):
            # (m, groups of the earlier stage, ...) to the groups that they lie in.
            flat = product.swapaxes(0, 1).reshape(product.shape[1], -1)
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
    """What one stage leaves behind, to find its effects again."""

    # Of the Cholesky factor of each group: (m, groups, effects, effects).
    inverse: np.ndarray
    # That times its products with what is never eliminated: (m, side, groups, effects).
    cross: np.ndarray
    # That times its products with the parents in later stages: each (m, groups,
    # effects, effects of the parent).
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

        `which` is the matrix of each draw; copies stand next to each other.
        """
        remainder = self.remainder
        drawn = np.empty_like(noise)
        core = remainder.core[:-1]
        right = self.lower[which, -1, :-1] + noise[:, core]
        # Where every effect has been eliminated, LAPACK would have nothing to solve.
        for k, rows in runs(which) if len(core) else ():
            # LAPACK reads by columns, so that a lower factor looks like an upper one.
            upper = self.lower[k, :-1, :-1].T
            right[rows] = scipy.linalg.lapack.dtrtrs(upper, right[rows].T)[0].T
        drawn[:, core] = right
        for s in reversed(range(len(self.eliminated))):
            self._draw_stage(s, which, noise, drawn)
        return drawn

    def _draw_stage(self, s, which, noise, drawn):
        stage, gone = self.remainder.stages[s], self.eliminated[s]
        columns = stage.columns
        for k, rows in runs(which):
            cross = gone.cross[k].reshape(self.remainder.side, -1)
            known = drawn[rows][:, self.remainder.core[:-1]]
            right = cross[-1] - known @ cross[:-1]
            right = right.reshape(-1, *columns.shape) + noise[rows][:, columns]
            for t, link in gone.links.items():
                parent = self.remainder.stages[t].columns[stage.parents[t]]
                right -= np.einsum("gef,ngf->nge", link[k], drawn[rows][:, parent])
            effects = np.einsum("gef,nge->ngf", gone.inverse[k], right)
            drawn[rows, columns.ravel()] = effects.reshape(len(effects), -1)


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
    """Choose how to hold what remains after the largest factor, dense or sparse.

    `factors` are groups and effects of each grouping factor. Raises `ValueError` if
    memory can hold neither.
    """
    columns = gram.dense.shape[0]
    stages = find_stages(gram, factors)
    gone = sum(place.size for place, _ in stages)
    side = columns - gone
    small = side * (side + gone) < LARGEST_DENSE
    if small and side <= SMALL:
        return DenseRemainder(columns, stages)
    # Which products are not 0, once the largest factor is gone.
    pattern, ways = sparse.csr_array(gram.dense != 0, dtype=float), []
    if gram.largest is not None:
        support = by_group(gram.flat_cross, gram.within.shape[:2])
        pattern = pattern + support @ support.T
    if pattern.nnz < min(LARGEST_SPARSE, SPARSE_SHARE * columns**2):
        ways.append(SparseRemainder(columns, pattern))
    if small:
        ways.append(DenseRemainder(columns, stages))
    ways = [way for way in ways if np.isfinite(way.work)]
    if not ways:
        raise ValueError(
            f"{columns - 1:,} coefficients and effects remain after the largest "
            "grouping factor, and most have to do with each other: that is more than "
            "memory can hold in closed form: use Bambi for this model."
        )
    return min(ways, key=lambda way: way.work)

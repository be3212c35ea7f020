"""The largest grouping factor of a Gaussian model, eliminated by a Schur complement."""

import itertools

import numpy as np
from scipy import sparse

from partialpool.exact.gram import plain

# Products of pairs of columns are kept up to this many numbers (300 MB); beyond it
# they are made anew. With a smaller share than SPARSE of them not 0 they are kept as
# a sparse matrix; they are made in chunks.
LARGEST_PAIRS = 25_000_000
SPARSE = 0.2
CHUNK = 4_000_000
# Interpolation in the logarithm of the precision: nodes in each stretch of the given
# width, numbers in all tables (400 MB), and the largest relative error.
NODES, WIDTH = 14, 1.0
LARGEST_TABLES = 50_000_000
ROUNDING = 1e-13
# What a multiplication costs with a sparse matrix, a dense one being 1.
SPARSE_COST = 4
# Fewer distinct groups than this are summed as fast as they are interpolated.
FEW = 200
# How many times the work interpolation must save.
WORTH = 2


class LargestFactor:
    r"""What eliminating the largest factor takes from the numbers that remain.

    `remainder` knows the ``positions(i, j)`` of the products of two remaining columns.

    Notes
    -----
    Eliminating groups with products :math:`C_g` and precisions :math:`N_g + P`
    takes :math:`\sum_g C_g (N_g + P)^{-1} C_g'`, which is linear in the
    inverses. Groups of the same :math:`N_g` share theirs. With one effect a
    group the sum is a function of the one number :math:`\log P`, whose poles
    lie :math:`\pi` from the real line whatever the data: a polynomial in
    Chebyshev's nodes has it to rounding (Trefethen 2013, *Approximation Theory
    and Approximation Practice*, theorem 8.2).
    """

    def __init__(self, gram, remainder):
        self.gram, self.remainder = gram, remainder
        self.groups, self.effects = gram.within.shape[:2]
        self._upper = np.triu_indices(self.effects)
        cross = gram.flat_cross
        if not sparse.issparse(cross):
            few = np.count_nonzero(cross) < SPARSE * cross.size
            cross = sparse.csr_array(cross) if few else cross
        # Transposed, so that a sparse one is multiplied row by row.
        self._cross, self._right = cross[:-1].T, plain(gram.flat_cross[[-1]])
        self._share()
        self._pairs, self._tables = self._pair_products(), None
        interpolated = WORTH * NODES * remainder.size < self.work
        if self.effects == 1 and len(self._unique) >= FEW and interpolated:
            self._tables = Tables(self._unique[:, 0, 0])

    def _share(self):
        flat = self.gram.within[:, *self._upper]
        found = np.unique(flat, axis=0, return_inverse=True, return_counts=True)
        unique, place, counts = found
        self._place = place.ravel()
        self._counts = counts.astype(float)
        self._unique = np.zeros((len(unique), self.effects, self.effects))
        self._unique[:, *self._upper] = unique
        self._unique[:, *self._upper[::-1]] = unique

    @property
    def work(self):
        """Multiplications of one elimination."""
        if self.uses_tables:
            return NODES * self.remainder.size
        if self._pairs is None:
            return self.groups * self.effects * self.gram.dense.shape[0] ** 2
        return self._pairs.size * (SPARSE_COST if sparse.issparse(self._pairs) else 1)

    def _pair_products(self):
        # One row for each number of the inverses, one column for each product.
        support = Support(self.gram)
        kinds, pairs = len(self._counts), len(self._upper[0])
        total = sparse.csr_array((pairs * kinds, self.remainder.size))
        for groups in support.chunks(CHUNK):
            owner, i, j, products = support.products(groups, self._upper)
            at = self.remainder.positions(i, j)
            rows = self._place[owner] + kinds * np.arange(pairs)[:, None]
            at = np.broadcast_to(at, rows.shape)
            part = products.ravel(), (rows.ravel(), at.ravel())
            total = total + sparse.coo_array(part, shape=total.shape).tocsr()
            if total.nnz > LARGEST_PAIRS and not self.remainder.is_sparse:
                return None
        dense = total.nnz > SPARSE * total.shape[0] * total.shape[1]
        return total.toarray() if dense else total

    @property
    def uses_tables(self):
        """Whether sums are interpolated where many points lie."""
        return self._tables is not None

    def prepare(self, precision):
        """Make tables where many points lie: before the work is cut into batches."""
        room = max(1, LARGEST_TABLES // (NODES * self.remainder.size))
        self._tables.prepare(precision[:, 0, 0], self._sums_at, room)

    def _sums_at(self, precision):
        inverse, log_det = self._inverses(precision[:, None, None])
        return np.column_stack([self._sum(inverse), log_det])

    def eliminate(self, precision):
        """Sum what is taken, for some precisions (m, effects, effects).

        Returns that, (m, size), and the log of the eliminated determinant, (m,).
        """
        if self._tables is not None:
            both = self._tables.look_up(precision[:, 0, 0], self._sums_at)
            return both[:, :-1], both[:, -1]
        inverse, log_det = self._inverses(precision)
        return self._sum(inverse), log_det

    def _inverses(self, precision):
        """Inverses for each distinct group: (m, distinct, effects, effects)."""
        if self.effects == 1:
            total = self._unique[:, 0, 0] + precision[:, :, 0]
            return (1 / total)[:, :, None, None], np.log(total) @ self._counts
        total = self._unique + precision[:, None]
        log_det = np.linalg.slogdet(total)[1] @ self._counts
        return np.linalg.inv(total), log_det

    def _sum(self, inverse):
        if self._pairs is not None:
            upper = inverse[:, :, *self._upper].transpose(0, 2, 1)
            return upper.reshape(len(inverse), -1) @ self._pairs
        return np.stack([self._sum_anew(one[self._place]) for one in inverse])

    def _sum_anew(self, inverse):
        i, j = np.tril_indices(self.gram.dense.shape[0])
        cross, side = self.gram.cross, self.gram.dense.shape[0]
        if sparse.issparse(cross):
            place = np.arange(self.groups + 1)
            blocks = sparse.bsr_array((inverse, place[:-1], place))
            product = (cross @ blocks @ cross.T).toarray()
        else:
            weighted = np.einsum("sge,gef->sgf", cross, inverse)
            product = weighted.reshape(side, -1) @ cross.reshape(side, -1).T
        # Groups that never meet have no place among the numbers.
        some = product[i, j] != 0
        i, j = i[some], j[some]
        taken = np.zeros(self.remainder.size)
        taken[self.remainder.positions(i, j)] = product[i, j]
        return taken

    def draw(self, precision, rest, sigma, rng):
        """Draw the factor's effects given all others, `rest`: (m, groups, effects)."""
        is_sparse = sparse.issparse(self._cross)
        known = (self._cross @ rest.T).T if is_sparse else rest @ self._cross.T
        mean = (self._right - known).reshape(-1, self.groups, self.effects)
        noise = rng.standard_normal(mean.shape) * sigma[:, None, None]
        if self.effects == 1:
            total = self.gram.within[:, :, 0] + precision
            return mean / total + noise / np.sqrt(total)
        inverse = np.linalg.inv(np.linalg.cholesky(self._unique + precision[:, None]))
        inverse = inverse[:, self._place]
        half = np.einsum("mgef,mgf->mge", inverse, mean) + noise
        return np.einsum("mgef,mge->mgf", inverse, half)


class Support:
    """The columns that each group of the largest factor has a product with.

    `columns` of the first group, then of the second, sorted in each; `values`, their
    products, (effects, len(columns)).
    """

    def __init__(self, gram):
        (groups, effects), side = gram.within.shape[:2], gram.dense.shape[0]
        # A column belongs to a group if it has a product with any of its effects.
        found = sparse.csr_array(gram.flat_cross).tocoo()
        keys = (found.col // effects).astype(np.int64) * side + found.row
        support, place = np.unique(keys, return_inverse=True)
        self.columns = support % side
        self.values = np.zeros((effects, len(support)))
        self.values[found.col % effects, place] = found.data
        counts = np.bincount(support // side, minlength=groups)
        self._starts = np.r_[0, np.cumsum(counts)]

    def chunks(self, size):
        """Cut the groups into slices with about `size` pairs of columns each."""
        counts = np.diff(self._starts)
        pairs = np.cumsum(counts * (counts + 1) // 2)
        cuts = np.searchsorted(pairs, np.arange(size, pairs[-1], size))
        cuts = np.unique(np.r_[0, cuts, len(counts)])
        return [slice(a, b) for a, b in itertools.pairwise(cuts)]

    def products(self, groups, effects):
        """Products of the columns of each group of a slice, in pairs.

        `effects` are the first and second effect of each number in an inverse. Returns
        the group and the columns i and j of each pair, i not before j, and the
        products, (numbers in an inverse, pairs).
        """
        starts = self._starts[groups.start : groups.stop + 1]
        counts = np.diff(starts)
        # Each column stands with those of its group up to itself.
        first = np.arange(starts[0], starts[-1])
        partners = first - np.repeat(starts[:-1], counts) + 1
        i = np.repeat(first, partners)
        ends = np.cumsum(partners)
        j = np.arange(len(i)) - np.repeat(ends - partners, partners)
        j += np.repeat(np.repeat(starts[:-1], counts), partners)
        owner = np.repeat(np.arange(groups.start, groups.stop), counts)
        products = []
        for a, b in zip(*effects, strict=True):
            products.append(self.values[a, i] * self.values[b, j])
            if a != b:
                products[-1] += self.values[a, j] * self.values[b, i]
        at = np.repeat(owner, partners), self.columns[i], self.columns[j]
        return *at, np.stack(products)


class Tables:
    """Sums over groups as polynomials in the logarithm of their precision.

    `totals` are what each distinct group adds to the precision.
    """

    def __init__(self, totals):
        self.totals = totals
        self._asked, self._rows = {}, {}
        self._nodes = np.cos(np.pi * (np.arange(NODES) + 0.5) / NODES)
        signs = (-1.0) ** np.arange(NODES)
        self._weights = signs * np.sqrt(1 - self._nodes**2)

    def prepare(self, precision, sums_at, room):
        """Make a table for each stretch that has been asked for often enough."""
        cells, counts = np.unique(_cells(precision), return_counts=True)
        for cell, count in zip(cells, counts, strict=True):
            self._asked[cell] = self._asked.get(cell, 0) + count
            enough = self._asked[cell] > NODES and len(self._rows) < room
            if cell not in self._rows and np.isfinite(cell) and enough:
                at = np.exp((cell + 0.5 + 0.5 * self._nodes) * WIDTH)
                if self._holds(cell, at):
                    self._rows[cell] = sums_at(at)

    def _holds(self, cell, nodes):
        """Check that the polynomial has the inverse of each group to rounding."""
        test = np.exp((cell + np.array([0.0, 0.03, 0.31, 0.55, 1.0])) * WIDTH)
        exact = 1 / (self.totals + test[:, None])
        made = self._basis(test, cell) @ (1 / (self.totals + nodes[:, None]))
        return np.abs(made / exact - 1).max() < ROUNDING

    def look_up(self, precision, sums_at):
        """Sums at some precisions, from a table or where there is none directly."""
        cells = _cells(precision)
        parts, order = [], []
        for cell in np.unique(cells):
            rows = np.flatnonzero((cells == cell) | np.isnan(cells) & np.isnan(cell))
            at = precision[rows]
            table = self._rows.get(cell)
            known = table is not None
            parts.append(self._basis(at, cell) @ table if known else sums_at(at))
            order.append(rows)
        return np.concatenate(parts)[np.argsort(np.concatenate(order))]

    def _basis(self, precision, cell):
        """Barycentric weights of the nodes: (points, nodes)."""
        x = 2 * (np.log(precision) / WIDTH - cell) - 1
        away = x[:, None] - self._nodes
        at_node = away == 0
        away[at_node] = 1
        basis = self._weights / away
        hit = at_node.any(1)
        basis[hit] = at_node[hit]
        return basis / basis.sum(1, keepdims=True)


def _cells(precision):
    with np.errstate(divide="ignore"):
        return np.floor(np.log(precision) / WIDTH)

"""The Gram matrix of a design: all that a Gaussian model needs of the rows."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from partialpool.exact.design import Block

# Tables of one factor by another up to this many numbers (16 MB) are made in full,
# larger ones of the pairs of groups that occur.
LARGEST_TABLE = 2_000_000
# Columns up to which the products of all but the largest factor are made in full.
LARGEST_SIDE = 3_000


@dataclass
class Gram:
    """Sums of products of all columns, the largest grouping factor kept apart.

    Columns of the dense part: intercept and common columns, then the effects of every
    factor but the largest, then the outcome. All are centred where the model has an
    intercept, as Bambi centres its predictors.
    """

    dense: np.ndarray  # (r + 1, r + 1), the outcome last; sparse where r is large
    common: int  # how many of the columns are common
    # Columns of each factor, None for the largest: (groups, effects), in their order.
    places: list
    largest: int | None  # which factor is kept apart
    # Products of the dense columns and the largest factor's effects: (r + 1, groups,
    # effects), or sparse, where few groups of two factors occur together, (r + 1,
    # groups * effects).
    cross: np.ndarray
    within: np.ndarray  # of its effects with each other: (groups, effects, effects)
    total_weight: float  # number of rows, or the sum of their weights

    @property
    def flat_cross(self):
        """The same as `cross`, dense or sparse: (r + 1, groups * effects)."""
        cross = self.cross
        return cross if sparse.issparse(cross) else cross.reshape(len(cross), -1)


def gram(design, like=None):
    """Sum the products of all columns of a design, in one pass for each pair.

    Where the rows are some of those of another design, the sums may come in the order
    of its own, `like`, to be added or taken away.
    """
    largest = _choose_largest(design.factors) if like is None else like.largest
    kept = [i for i in range(len(design.factors)) if i != largest]
    parts = [_Part(term.blocks) for term in design.common]
    parts += [part for i in kept for part in _parts_of(design.factors[i])]
    parts.append(_Part([Block(None, np.ones((1, 1)), design.y)]))
    dense = _assemble_dense(parts, design.rows)
    order, places, common = _order(design, kept)
    dense = dense[np.ix_(order, order)]
    cross, within = _largest_products(parts, order, design, largest)
    dense, cross = _centre(dense, cross, design)
    return Gram(dense, common, places, largest, cross, within, design.rows.total_weight)


@dataclass
class _Part:
    """A term's blocks, and the groups that its columns are repeated for."""

    blocks: list
    groups: int = 1
    codes: np.ndarray | None = None

    @property
    def columns(self):
        return self.groups * self.blocks[0].matrix.shape[1]


def _parts_of(factor):
    return [_Part(t.blocks, len(factor.levels), factor.codes) for t in factor.terms]


def _choose_largest(factors):
    """The factor with most effects, or one that is nested in it: it can follow."""
    if not factors:
        return None
    sizes = [len(factor.levels) * factor.columns for factor in factors]
    largest = int(np.argmax(sizes))
    outer = factors[largest]
    inside = [i for i, factor in enumerate(factors) if _is_nested(factor, outer)]
    return max(inside, key=lambda i: len(factors[i].levels))


def _is_nested(inner, outer):
    """Whether each group of one factor lies in one group of another."""
    if len(inner.levels) < len(outer.levels):
        return False
    parent = np.empty(len(inner.levels), dtype=outer.codes.dtype)
    parent[inner.codes] = outer.codes
    return (parent[inner.codes] == outer.codes).all()


def _assemble_dense(parts, rows):
    blocks = [[None] * len(parts) for _ in parts]
    for i, a in enumerate(parts):
        for j, b in enumerate(parts[: i + 1]):
            if a.codes is not None and a.codes is b.codes:
                blocks[i][j] = _block_diagonal(_same_groups(a, b, rows))
            else:
                blocks[i][j] = _product(a, b, rows)
            blocks[j][i] = blocks[i][j].T
    return _join(blocks, sum(part.columns for part in parts) > LARGEST_SIDE)


def _join(blocks, as_sparse):
    """Put blocks side by side, as one sparse matrix or in full."""
    if as_sparse:
        rows = [[sparse.csr_array(block) for block in row] for row in blocks]
        return sparse.block_array(rows, format="csr")
    return np.block([[plain(block) for block in row] for row in blocks])


def _codes(part, block, inner=None, inner_size=1):
    """Code of a row: its group, its combination, and an `inner` code, fastest last."""
    codes = part.codes
    for finer, size in [(block.codes, len(block.matrix)), (inner, inner_size)]:
        if finer is not None:
            codes = finer if codes is None else codes * size + finer
    return codes


def _product(a, b, rows):
    if a.groups * b.groups > LARGEST_TABLE and min(a.groups, b.groups) > 1:
        return _sparse_product(a, b, rows)
    total = np.zeros((a.columns, b.columns))
    for x in a.blocks:
        for z in b.blocks:
            shape = (a.groups, len(x.matrix), b.groups, len(z.matrix))
            inner = _codes(b, z)
            codes = _codes(a, x, inner, shape[2] * shape[3])
            weights = rows.products(x.multiplier, z.multiplier)
            table = rows.sum_by(codes, weights, np.prod(shape)).reshape(shape)
            sizes = "aubv,uk,vl->akbl"
            product = np.einsum(sizes, table, x.matrix, z.matrix, optimize=True)
            total += product.reshape(total.shape)
    return total


def _sparse_product(a, b, rows):
    """Products of two terms of different factors, for the pairs that occur."""
    joint = a.codes.astype(np.int64) * b.groups + b.codes
    pairs, codes = np.unique(joint, return_inverse=True)
    together = [_Part(part.blocks, len(pairs), codes) for part in (a, b)]
    blocks = _same_groups(*together, rows)
    rows = np.bincount(pairs // b.groups, minlength=a.groups)
    starts = np.r_[0, np.cumsum(rows)]
    shape = (a.columns, b.columns)
    return sparse.bsr_array((blocks, pairs % b.groups, starts), shape=shape).tocsr()


def _same_groups(a, b, rows):
    """Products of two terms of one factor: shape (groups, columns, columns)."""
    own = _Part(b.blocks)
    return _product(a, own, rows).reshape(a.groups, -1, own.columns)


def _all_same_groups(parts, rows):
    return np.block([[_same_groups(a, b, rows) for b in parts] for a in parts])


def products_by_group(columns, codes, groups, rows):
    """Sum the products of columns group by group: shape (groups, columns, columns).

    `columns` holds the blocks of one term after the other; `codes` are those of rows.
    """
    return _all_same_groups([_Part(blocks, groups, codes) for blocks in columns], rows)


def _block_diagonal(product):
    groups, rows, columns = product.shape
    if groups**2 > LARGEST_TABLE:
        place = np.arange(groups + 1)
        return sparse.bsr_array((product, place[:-1], place)).tocsr()
    full = np.zeros((groups, rows, groups, columns))
    full[np.arange(groups), :, np.arange(groups), :] = product
    return full.reshape(groups * rows, groups * columns)


def _order(design, kept):
    """Bring a factor's columns from term by term into group by group."""
    common = sum(term.columns for term in design.common)
    order, places, start = list(range(common)), [None] * len(design.factors), common
    for i in kept:
        columns = start + _by_group(design.factors[i])
        order.extend(columns)
        places[i] = np.sort(columns).reshape(-1, design.factors[i].columns)
        start += columns.size
    order.append(start)
    return np.array(order), places, common


def _by_group(factor):
    """Where each column of a factor comes from, if they lie term by term."""
    groups = len(factor.levels)
    ends = groups * np.cumsum([term.columns for term in factor.terms])
    by_term = np.split(np.arange(ends[-1]), ends[:-1])
    by_term = [place.reshape(groups, -1) for place in by_term]
    return np.concatenate(by_term, axis=1).ravel()


def _largest_products(parts, order, design, largest):
    if largest is None:
        return np.zeros((len(order), 0, 0)), np.zeros((0, 0, 0))
    factor, rows = design.factors[largest], design.rows
    mine = _parts_of(factor)
    blocks = [[_product(part, own, rows) for own in mine] for part in parts]
    is_sparse = any(sparse.issparse(block) for row in blocks for block in row)
    # A group's effects next to each other.
    cross = _join(blocks, is_sparse)[np.ix_(order, _by_group(factor))]
    if not is_sparse:
        cross = cross.reshape(len(order), -1, factor.columns)
    return cross, _all_same_groups(mine, rows)


def _centre(dense, cross, design):
    """Take the mean from each common column by the sums of the intercept's."""
    owner = [term for term in design.common for _ in range(term.columns)]
    place = next((i for i, term in enumerate(owner) if term.is_intercept), None)
    if place is None:
        return dense, cross
    centres = np.zeros(dense.shape[0])
    # Its blocks may have taken some of it already.
    left = design.means - np.concatenate([term.centre for term in design.common])
    centres[: len(left)] = left
    dense = _take(dense, centres, dense[[place]])
    dense = _take(dense.T, centres, dense.T[[place]]).T
    flat = cross.reshape(len(centres), -1)
    return dense, _take(flat, centres, flat[[place]]).reshape(cross.shape)


def _take(matrix, centres, row):
    if not sparse.issparse(matrix):
        return matrix - centres[:, None] * row
    return sparse.csr_array(matrix - sparse.csr_array(centres[:, None]) @ row)


def log_likelihood(sums, dense, eliminated, sigma):
    """Log density of the rows behind some sums in draws of all parameters: (S,).

    Parameters
    ----------
    sums : Gram
    dense : numpy.ndarray
        Dense coefficients, shape (S, r).
    eliminated : numpy.ndarray
        Effects of the largest factor, shape (S, groups, effects).
    sigma : numpy.ndarray
        Shape (S,).
    """
    ends = np.column_stack([-dense, np.ones(len(dense))])
    squares = (plain(sums.dense @ ends.T) * ends.T).sum(0)
    there = np.flatnonzero(np.abs(sums.within).sum((1, 2)))
    if len(there):
        mine = eliminated[:, there]
        flat = mine.reshape(len(mine), -1)
        size = sums.within.shape[1]
        columns = (there[:, None] * size + np.arange(size)).ravel()
        cross = sums.flat_cross[:, columns]
        squares -= 2 * (plain(cross.T @ ends.T) * flat.T).sum(0)
        squares += np.einsum("sge,gef,sgf->s", mine, sums.within[there], mine)
    constant = sums.total_weight * (np.log(sigma) + 0.5 * np.log(2 * np.pi))
    return -constant - 0.5 * squares / sigma**2


def plain(matrix):
    """Write a matrix in full, if it is sparse."""
    return matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)

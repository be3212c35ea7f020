"""The Gram matrix of a design: all that a Gaussian model needs of the rows."""

from dataclasses import dataclass

import numpy as np

from partialpool.exact.design import Block

# Cross-tables up to this many numbers (400 MB) are made in full.
LARGEST_TABLE = 50_000_000


@dataclass
class Gram:
    """Sums of products of all columns, the largest grouping factor kept apart.

    Columns of the dense part: intercept and common columns, then the effects
    of every factor but the largest, then the outcome. All are centred where the
    model has an intercept, as Bambi centres its predictors.

    Attributes
    ----------
    dense : numpy.ndarray
        Shape (r + 1, r + 1); the outcome comes last.
    common : int
        How many of the columns are common.
    slices : list of slice or None
        Columns of each factor, in the order of the design; None for the
        largest. A factor's columns run through its groups, effects fastest.
    largest : int or None
        Which factor is kept apart.
    cross : numpy.ndarray
        Products of the dense columns and the effects of the largest factor;
        shape (r + 1, groups, effects).
    within : numpy.ndarray
        Products of the largest factor's effects with each other, group by
        group; shape (groups, effects, effects).
    total_weight : float
        Number of rows, or the sum of their weights.
    """

    dense: np.ndarray
    common: int
    slices: list
    largest: int | None
    cross: np.ndarray
    within: np.ndarray
    total_weight: float


def gram(design):
    """Sum the products of all columns of a design, in one pass for each pair.

    Parameters
    ----------
    design : partialpool.exact.design.Design

    Returns
    -------
    Gram

    Raises
    ------
    ValueError
        If two grouping factors are both too large for a table of the one by the
        other.
    """
    sizes = [len(f.levels) * f.columns for f in design.factors]
    largest = int(np.argmax(sizes)) if sizes else None
    kept = [i for i in range(len(sizes)) if i != largest]
    parts = [_Part(t.blocks, 1, None) for t in design.common]
    parts += [
        _Part(t.blocks, len(design.factors[i].levels), design.factors[i])
        for i in kept
        for t in design.factors[i].terms
    ]
    parts.append(_outcome_part(design))
    _refuse_too_large(design, kept, largest, sizes)
    dense = _assemble_dense(parts, design)
    order, slices, common = _order(design, kept)
    dense = dense[np.ix_(order, order)]
    cross, within = _largest_products(parts, order, design, largest)
    centres = _centres(design, len(order))
    _centre(dense, cross, centres, design)
    return Gram(
        dense,
        common,
        slices,
        largest,
        cross,
        within,
        design.rows.total_weight,
    )


@dataclass
class _Part:
    """A term's blocks, and the groups that its columns are repeated for."""

    blocks: list
    groups: int
    factor: object

    @property
    def columns(self):
        return self.groups * self.blocks[0].matrix.shape[1]


def _outcome_part(design):
    return _Part([Block(None, np.ones((1, 1)), design.y)], 1, None)


def _refuse_too_large(design, kept, largest, sizes):
    for i in kept:
        if sizes[i] * (sizes[largest] + sizes[i]) > LARGEST_TABLE:
            raise ValueError(
                f"{design.factors[i].name} ({sizes[i]:,} effects) crossed with "
                f"{design.factors[largest].name} ({sizes[largest]:,}) is more than "
                "memory can hold in closed form: use Bambi for this model."
            )


def _assemble_dense(parts, design):
    ends = np.cumsum([part.columns for part in parts])
    dense = np.zeros((ends[-1], ends[-1]))
    for i, a in enumerate(parts):
        rows = slice(ends[i] - a.columns, ends[i])
        for j, b in enumerate(parts[: i + 1]):
            columns = slice(ends[j] - b.columns, ends[j])
            if a.factor is not None and a.factor is b.factor:
                product = _same_groups(a, b, design.rows)
                product = _block_diagonal(product)
            else:
                product = _product(a, b, design.rows)
            dense[rows, columns] = product
            dense[columns, rows] = product.T
    return dense


def _codes(part, block, inner=None, inner_size=1):
    """Code of a row: its group, its combination, and an `inner` code, fastest last."""
    codes = None if part.factor is None else part.factor.codes
    if block.codes is not None:
        codes = (
            block.codes if codes is None else codes * len(block.matrix) + block.codes
        )
    if inner is not None:
        codes = inner if codes is None else codes * inner_size + inner
    return codes


def _product(a, b, rows):
    total = np.zeros((a.columns, b.columns))
    for x in a.blocks:
        for z in b.blocks:
            shape = (a.groups, len(x.matrix), b.groups, len(z.matrix))
            inner = _codes(b, z)
            codes = _codes(a, x, inner, shape[2] * shape[3])
            weights = rows.products(x.multiplier, z.multiplier)
            table = rows.sum_by(codes, weights, np.prod(shape)).reshape(shape)
            product = np.einsum(
                "aubv,uk,vl->akbl", table, x.matrix, z.matrix, optimize=True
            )
            total += product.reshape(total.shape)
    return total


def _same_groups(a, b, rows):
    """Products of two terms of one factor: shape (groups, columns, columns)."""
    total = 0
    for x in a.blocks:
        for z in b.blocks:
            shape = (a.groups, len(x.matrix), len(z.matrix))
            codes = _codes(a, x, z.codes, shape[2])
            weights = rows.products(x.multiplier, z.multiplier)
            table = rows.sum_by(codes, weights, np.prod(shape)).reshape(shape)
            total = total + np.einsum(
                "auv,uk,vl->akl", table, x.matrix, z.matrix, optimize=True
            )
    return total


def _block_diagonal(product):
    groups, rows, columns = product.shape
    full = np.zeros((groups, rows, groups, columns))
    full[np.arange(groups), :, np.arange(groups), :] = product
    return full.reshape(groups * rows, groups * columns)


def _order(design, kept):
    """Bring a factor's columns from term by term into group by group."""
    common = sum(term.columns for term in design.common)
    order, slices, start = list(range(common)), [None] * len(design.factors), common
    for i in kept:
        factor = design.factors[i]
        groups, first = len(factor.levels), start
        by_term = []
        for term in factor.terms:
            size = groups * term.columns
            by_term.append(np.arange(start, start + size).reshape(groups, term.columns))
            start += size
        order.extend(np.concatenate(by_term, axis=1).ravel())
        slices[i] = slice(first, start)
    order.append(start)
    return np.array(order), slices, common


def _largest_products(parts, order, design, largest):
    if largest is None:
        return np.zeros((len(order), 0, 0)), np.zeros((0, 0, 0))
    factor = design.factors[largest]
    groups = len(factor.levels)
    mine = [_Part(term.blocks, groups, factor) for term in factor.terms]
    cross = np.concatenate(
        [
            np.concatenate(
                [_product(part, own, design.rows) for part in parts]
            ).reshape(len(order), groups, -1)
            for own in mine
        ],
        axis=2,
    )[order]
    within = np.concatenate(
        [
            np.concatenate([_same_groups(a, b, design.rows) for b in mine], axis=2)
            for a in mine
        ],
        axis=1,
    )
    return cross, within


def _centres(design, columns):
    """What is still to be taken from each column: its blocks may have done so."""
    centres = np.zeros(columns)
    done = [np.zeros(0), *(term.centre for term in design.common)]
    left = design.means - np.concatenate(done)
    centres[: len(left)] = left
    return centres


def _centre(dense, cross, centres, design):
    """Take the mean from each common column, in place, by the intercept's sums."""
    place = next((i for i, t in enumerate(design.common) if t.is_intercept), None)
    if place is None:
        return
    place = sum(term.columns for term in design.common[:place])
    dense -= np.outer(centres, dense[place])
    dense -= np.outer(dense[:, place], centres)
    cross -= centres[:, None, None] * cross[place]

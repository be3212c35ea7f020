"""Parts: the rows of some groups by themselves, and the sums of all without them."""

from dataclasses import dataclass, replace

import numpy as np

from partialpool.exact.gram import Gram, gram, plain
from partialpool.exact.rows import Multiplier


@dataclass(frozen=True)
class Part:
    """The rows of one group: what a model needs of them.

    Attributes
    ----------
    rows : float
        How many they are.
    seen : float
        Their mean outcome.
    shift : float
        What their mean is above that of the design's outcome: offsets, say.
    sums : partialpool.exact.gram.Gram
        Products of their columns, in the order of those of all rows.
    dense, largest : numpy.ndarray
        Mean of each column: of the dense ones, (r,), and of the effects of the largest
        factor, (groups, effects).
    """

    rows: float
    seen: float
    shift: float
    sums: Gram
    dense: np.ndarray
    largest: np.ndarray

    @property
    def weight(self):
        """Sum of their weights, or their number."""
        return self.sums.total_weight


def part_of(design, chosen, whole):
    """Sum some rows of a design, `chosen` by their place: a `Part`."""
    mine = take_rows(design, chosen)
    rows = mine.rows
    share = rows.n if rows.weights is None else rows.weights
    seen = np.average(rows.y.value, weights=share)
    ones = replace(mine, y=Multiplier(np.ones(len(chosen))))
    means = gram(ones, like=whole)
    weight, groups = rows.total_weight, whole.within.shape[:2]
    return Part(
        rows.count,
        seen,
        seen - np.average(mine.y.value, weights=share),
        gram(mine, like=whole),
        plain(means.dense[[-1]])[0, :-1] / weight,
        plain(means.flat_cross[[-1]]).reshape(groups) / weight,
    )


def take_rows(design, chosen):
    """Keep some rows of a design; its columns stay what they are."""

    def take(values):
        return values[chosen] if np.ndim(values) else values

    def multiplier(number):
        if number is None:
            return None
        slopes = {name: take(slope) for name, slope in number.slopes.items()}
        return Multiplier(take(number.value), slopes)

    def block(old):
        codes = None if old.codes is None else old.codes[chosen]
        return replace(old, codes=codes, multiplier=multiplier(old.multiplier))

    def term(old):
        return replace(old, blocks=[block(b) for b in old.blocks])

    rows = design.rows
    rows = replace(
        rows,
        table=rows.table.iloc[chosen],
        y=multiplier(rows.y),
        n=rows.n[chosen],
        within={name: sums[chosen] for name, sums in rows.within.items()},
        weights=None if rows.weights is None else rows.weights[chosen],
        _codes={},
    )
    factors = [
        replace(f, codes=f.codes[chosen], terms=[term(t) for t in f.terms])
        for f in design.factors
    ]
    common = [term(t) for t in design.common]
    return replace(
        design, rows=rows, y=multiplier(design.y), common=common, factors=factors
    )


def without(whole, *parts):
    """Take the sums of some parts away from those of all rows: a `Gram`."""
    left = whole
    for part in parts:
        left = _add(left, part, -1)
    return left


def together(sums, part):
    """Add the sums of a part to those of other rows: a `Gram`."""
    return _add(sums, part, 1)


def _add(a, b, sign):
    return replace(
        a,
        dense=a.dense + sign * b.dense,
        cross=a.cross + sign * b.cross,
        within=a.within + sign * b.within,
        total_weight=a.total_weight + sign * b.total_weight,
    )

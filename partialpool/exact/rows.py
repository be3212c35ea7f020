"""The rows of a table as numbers to sum: a row is a cell of one."""

import itertools
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from partialpool.exact.formula import FormulaError


@dataclass(frozen=True)
class Multiplier:
    """A number for each cell, which may vary within it."""

    value: np.ndarray  # its mean in each cell
    # How it moves with each column whose sums of products within the cell are known.
    slopes: dict = field(default_factory=dict)

    def __mul__(self, other):
        """Multiply cell by cell; within cells only one side may vary."""
        if self.slopes and other.slopes:
            raise FormulaError(
                f"A term multiplies {' and '.join({**self.slopes, **other.slopes})}, "
                "and cells hold no sums for that: make the product a column of its "
                "own before you collapse the table."
            )
        slopes = {name: s * other.value for name, s in self.slopes.items()}
        slopes |= {name: s * self.value for name, s in other.slopes.items()}
        return Multiplier(self.value * other.value, slopes)

    def __sub__(self, other):
        """Take away a number, or one for each cell."""
        return Multiplier(self.value - other, self.slopes)


@dataclass(frozen=True)
class Rows:
    """The rows of a table, or cells that stand for several rows each."""

    # The predictors and groups that a formula names, settled (see `labels`); of a
    # number that varies within cells, the mean there.
    table: pd.DataFrame
    outcome: str
    y: Multiplier  # the outcome
    n: np.ndarray  # rows in each cell: 1 for a row by itself
    within: dict  # sums of products about the means of each cell, by the two names
    weights: np.ndarray | None = None  # of each row, as ``weighted(y, w)`` gives them
    # Rows left out for a missing value, by column.
    dropped: dict = field(default_factory=dict)
    lost: int = 0  # all rows left out
    _codes: dict = field(default_factory=dict, repr=False, compare=False)

    @property
    def count(self):
        """Number of rows, those of the cells included."""
        return int(self.n.sum())

    @property
    def total_weight(self):
        """Sum of the weights, or the number of rows."""
        return float(self.count if self.weights is None else self.weights.sum())

    @property
    def varying(self):
        """Columns that vary within cells: set of str."""
        return set().union(*self.within) - {self.outcome}

    def codes(self, names):
        """Number the combinations of some columns: codes, and the sorted values."""
        key = tuple(names)
        if key not in self._codes:
            self._codes[key] = self._number(*key)
        return self._codes[key]

    def _number(self, *names):
        if len(names) == 1:
            codes, levels = _factorise(self.table[names[0]])
            return codes, pd.DataFrame({names[0]: levels})
        numbered = [self.codes([name]) for name in names]
        sizes = [len(levels) for _, levels in numbered]
        if np.prod(sizes, dtype=float) > 2**62:
            raise ValueError(
                f"The combinations of {' and '.join(names)} are too many to be "
                "numbered: make them one column of labels, and group by that."
            )
        joint = np.ravel_multi_index([codes for codes, _ in numbered], sizes)
        present, place = _present(joint, int(np.prod(sizes)))
        split = np.unravel_index(present, sizes)
        each = zip(names, numbered, split, strict=True)
        labels = {name: levels[name].take(at).array for name, (_, levels), at in each}
        return place, pd.DataFrame(labels)

    def moments(self, name):
        """Mean and standard deviation of a column over all rows."""
        x = self.table[name].to_numpy(float)
        return self.moments_of(x, self.within_of(name).sum())

    def moments_of(self, x, within=0.0):
        """Mean and standard deviation, over all rows, of a number of each cell.

        Of a number that varies within cells `x` is the mean there, and `within` the sum
        of its squares about those means.
        """
        mean = np.average(x, weights=self.n)
        variance = np.average((x - mean) ** 2, weights=self.n)
        return float(mean), float(np.sqrt(variance + within / self.count))

    def sum_by(self, codes, numbers, size):
        """Sum a number of each cell by code: (size,). No codes: all together."""
        if codes is None:
            return np.array([numbers.sum()])
        if numbers is self.n and self._all_single:
            # Counting is quicker than adding up ones, and most sums are counts.
            return np.bincount(codes, minlength=size).astype(float)
        return np.bincount(codes, numbers, minlength=size)

    @cached_property
    def _all_single(self):
        return bool((self.n == 1).all())

    def products(self, a, b, *, weighted=True):
        """Sum the product of two multipliers over the rows of each cell.

        None stands for 1. Only where `weighted` do the weights of the rows count.
        """
        total = self.n
        if weighted and self.weights is not None:
            total = self.weights
        for factor in (a, b):
            if factor is not None:
                total = total * factor.value
        if a is not None and b is not None:
            pairs = itertools.product(a.slopes.items(), b.slopes.items())
            for (x, slope_x), (z, slope_z) in pairs:
                total = total + slope_x * slope_z * self.within_of(x, z)
        return total

    def within_of(self, x, z=None):
        """Sums of products about the cells' means: nothing where all is one value."""
        return self.within.get(frozenset([x, z or x]), np.zeros(1))


def _present(codes, size):
    """Codes that occur, and for each row its place among them."""
    if size > 4 * len(codes) + 1_000_000:
        return np.unique(codes, return_inverse=True)
    present = np.flatnonzero(np.bincount(codes, minlength=1))
    place = np.empty(present[-1] + 1, dtype=np.intp)
    place[present] = np.arange(len(present))
    return present, place[codes]


def _factorise(column):
    # Levels that occur: an ordered category keeps its order, anything else is sorted.
    if not isinstance(column.dtype, pd.CategoricalDtype):
        codes, levels = pd.factorize(column, sort=True)
        return codes.astype(np.intp), np.asarray(levels)
    codes, levels = column.cat.codes.to_numpy(), column.cat.categories
    present = np.flatnonzero(np.bincount(codes, minlength=len(levels)))
    if not column.cat.ordered:
        present = present[np.argsort(levels[present].to_numpy(object), kind="stable")]
    place = np.full(len(levels), -1, dtype=np.intp)
    place[present] = np.arange(len(present))
    found = levels[present]
    if column.cat.ordered:
        return place[codes], pd.Categorical(found, found, ordered=True)
    return place[codes], found.to_numpy()

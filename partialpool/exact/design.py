"""The columns that a formula asks for, found from rows or from cells."""

import itertools
import operator
from collections import Counter
from dataclasses import dataclass
from functools import partial, reduce

import numpy as np

from partialpool import faults
from partialpool.exact.formula import FormulaError, factor_columns, parse
from partialpool.exact.labels import kind_of, labels_as
from partialpool.exact.recipe import Recipe, make_recipe
from partialpool.exact.rows import Multiplier, Rows
from partialpool.exact.table import read_rows
from partialpool.exact.terms import by_row, numbers_by_row, offset_of

# Of a column that varies less than this share of its size, rounding leaves nothing.
CONSTANT = 1e-12
# A number this many standard deviations from zero loses too many digits in a product.
FARTHEST = 1e5


@dataclass(frozen=True)
class Block:
    """Columns of one term: a row of `matrix` chosen by `codes`, times a multiplier."""

    # Row of `matrix` for each row of the table; None: there is one.
    codes: np.ndarray | None
    matrix: np.ndarray  # (combinations of levels, columns)
    multiplier: Multiplier | None  # None stands for 1


@dataclass(frozen=True)
class Term:
    """A common term, or the expression of a group term, with its statistics."""

    name: str  # Bambi's name of the variable
    blocks: list
    # Labels of its columns, where the variable has a dimension for them.
    levels: list | None
    mean: np.ndarray  # of each column over all rows: (columns,)
    sd: np.ndarray
    # What the blocks have already taken from each column: (columns,).
    centre: np.ndarray
    is_intercept: bool = False

    @property
    def columns(self):
        """Number of columns."""
        return len(self.mean)


@dataclass(frozen=True)
class Factor:
    """A grouping factor and the terms that vary by it."""

    name: str
    codes: np.ndarray  # group of each row
    levels: list  # name of each group
    terms: list

    @property
    def columns(self):
        """Effects of one group."""
        return sum(term.columns for term in self.terms)


@dataclass(frozen=True)
class Design:
    """A formula brought together with a table."""

    rows: Rows
    recipe: Recipe
    y: Multiplier  # the outcome, its offset and shift taken away
    outcome_mean: float  # over all rows, less the offset: it scales the default priors
    outcome_sd: float  # likewise; it divides by the number of rows
    # What was taken from the outcome, besides its offset: its mean where there is an
    # intercept.
    shift: float
    common: list
    factors: list

    @property
    def means(self):
        """What centring takes from each common column: shape (columns,)."""
        if not any(term.is_intercept for term in self.common):
            return np.zeros(sum(term.columns for term in self.common))
        means = [0 * t.mean if t.is_intercept else t.mean for t in self.common]
        return np.concatenate(means)

    @property
    def sizes(self):
        """Groups and effects of each grouping factor: list of (int, int)."""
        return [(len(factor.levels), factor.columns) for factor in self.factors]


def read_design(formula, table, environment, *, missing="refuse"):
    """Walk from a formula and a table to the columns: `parse`, rows, recipe, design.

    Functions and numbers that the formula names live in `environment`, which is
    formulae's. Raises `FormulaError` for what has no closed form or needs more than
    sums, and `TableError` for a column that does not fit its role.
    """
    parsed = parse(formula, environment)
    rows = read_rows(parsed, table, missing=missing)
    return make_design(rows, *make_recipe(parsed, rows))


def make_design(rows, recipe, evaluated):
    """Find the columns of terms that :func:`make_recipe` has evaluated: a `Design`."""
    (terms, groups), y = evaluated, rows.y
    for term in terms:
        if term.kind == "offset":
            y = y - _offset(term, rows)
    mean, sd = rows.moments_of(y.value, rows.within_of(rows.outcome).sum())
    with_intercept = any(term.kind == "intercept" for term in terms)
    _refuse_outcome(rows, mean, sd, with_intercept)
    terms = [term for term in terms if term.kind != "offset"]
    common = [_term(t.name, t, rows, centred=with_intercept) for t in terms]
    # The grand mean carries no information on the groups, only digits to lose; an
    # intercept takes it up.
    shift = float(np.average(y.value, weights=rows.n)) if with_intercept else 0.0
    by_factor = {}
    for term in groups:
        by_factor.setdefault(term.factor.name, []).append(term)
    factors = [_factor(name, terms, rows) for name, terms in by_factor.items()]
    return Design(rows, recipe, y - shift, mean, sd, shift, common, factors)


def _refuse_outcome(rows, mean, sd, with_intercept):
    if not sd > CONSTANT * abs(mean):
        raise faults.TableError(
            f"Every value of {rows.outcome} is the same: there is nothing to model."
        )
    if not with_intercept and abs(mean) > FARTHEST * sd:
        raise faults.TableError(
            f"{rows.outcome} lies {abs(mean) / sd:,.0f} standard deviations from zero, "
            "and the formula has no intercept to take that up: add one, or take a "
            f"number near {mean:.6g} from {rows.outcome} first."
        )


def _factor(name, terms, rows):
    variables = factor_columns(terms[0].factor)
    codes, combinations = rows.codes(list(dict.fromkeys(variables)))
    kinds = [kind_of(rows.table[name]) for name in variables]
    levels = group_labels(combinations, variables, kinds)
    if len(set(levels)) < len(levels):
        twice = next(level for level, n in Counter(levels).items() if n > 1)
        raise faults.TableError(
            f"Two groups of {name} would both be called {twice}: take the colons out "
            f"of the labels of {' and '.join(variables)}."
        )
    parts = [_term(term.name, term.expr, rows) for term in terms]
    return Factor(name, codes, levels, parts)


def group_labels(table, variables, kinds):
    """Names of the groups of each row, as labels of those kinds are written."""
    columns = [labels_as(table[v], k) for v, k in zip(variables, kinds, strict=True)]
    return reduce(lambda a, b: a + ":" + b, columns).tolist()


def _term(name, term, rows, *, centred=False):
    blocks, centre = blocks_of(term, rows, centred=centred)
    columns = blocks[0].matrix.shape[1]
    mean, square = np.zeros(columns), np.zeros(columns)
    for block in blocks:
        ones = rows.products(block.multiplier, None, weighted=False)
        sums = partial(rows.sum_by, block.codes, size=len(block.matrix))
        mean += sums(ones) @ block.matrix
        squares = rows.products(block.multiplier, block.multiplier, weighted=False)
        square += sums(squares) @ block.matrix**2
    mean /= rows.count
    variance = square / rows.count - mean**2
    # What rounding leaves of a constant column counts as nothing.
    variance[variance < CONSTANT * (square / rows.count)] = 0
    variance[variance < (1e-15 * centre) ** 2] = 0
    is_intercept, mean = term.kind == "intercept", mean + centre
    # Bambi gives a dimension to categories, and to numbers of several columns.
    levels = None if columns == 1 else [str(i) for i in range(columns)]
    if not is_intercept and any(c.kind == "categoric" for c in term.components):
        levels = list(term.levels)
    return Term(name, blocks, levels, mean, np.sqrt(variance), centre, is_intercept)


def blocks_of(term, rows, *, centred=False):
    """Write the columns of an evaluated term as choices from small matrices.

    Returns the blocks, and what was taken from each column: where `centred`, the mean
    of a term that is a number and nothing else. It goes before any product is made:
    sums of raw products lose the digits of a number far from zero.
    """
    if term.kind == "intercept":
        return [Block(None, np.ones((1, 1)), None)], np.zeros(1)
    encoded = [c for c in term.components if c.kind == "categoric"]
    codes, choices = None, {}
    if encoded:
        named = set().union(*(c.var_names for c in encoded))
        codes, combinations = rows.codes(sorted(named & set(rows.table.columns)))
        choices = {c.name: by_row(c, combinations) for c in encoded}
    numeric = [c for c in term.components if c.kind == "numeric"]
    numbers = {c.name: _multipliers(c, rows) for c in numeric}
    blocks = _blocks(term, codes, choices, numbers)
    centre = np.zeros(blocks[0].matrix.shape[1])
    if not numbers:
        return blocks, centre
    if centred and not choices:
        return _centre(blocks, centre, rows)
    for block in blocks:
        _refuse_far_from_zero(term, block.multiplier, rows)
    return blocks, centre


def _centre(blocks, centre, rows):
    moved = []
    for block in blocks:
        mean = float(np.average(block.multiplier.value, weights=rows.n))
        moved.append(Block(block.codes, block.matrix, block.multiplier - mean))
        centre = centre + mean * block.matrix[0]
    return moved, centre


def _refuse_far_from_zero(term, multiplier, rows):
    moving = Multiplier(np.zeros(1), multiplier.slopes)
    within = rows.products(moving, moving, weighted=False)
    mean, sd = rows.moments_of(multiplier.value, float(np.sum(within)))
    if 0 < FARTHEST * sd < abs(mean):
        raise faults.TableError(
            f"{term.name} lies {abs(mean) / sd:,.0f} standard deviations from zero, "
            "and products with it would lose their digits: take a number near "
            f"{mean:.6g} from it first."
        )


def _blocks(term, codes, choices, numbers):
    # Columns run through the columns of the components, the last one fastest.
    sizes = [
        choices[c.name].shape[1] if c.name in choices else len(numbers[c.name])
        for c in term.components
    ]
    grid = np.indices(sizes).reshape(len(sizes), -1)
    column_of = dict(zip([c.name for c in term.components], grid, strict=True))
    combinations = len(next(iter(choices.values()))) if choices else 1
    matrix = np.ones((combinations, grid.shape[1]))
    for name, choice in choices.items():
        matrix = matrix * choice[:, column_of[name]]
    if not numbers:
        return [Block(codes, matrix, None)]
    blocks = []
    for pick in itertools.product(*map(enumerate, numbers.values())):
        places, parts = zip(*pick, strict=True)
        mine = [column_of[n] == k for n, k in zip(numbers, places, strict=True)]
        multiplier = reduce(operator.mul, parts)
        blocks.append(Block(codes, matrix * np.all(mine, axis=0), multiplier))
    return blocks


def _multipliers(component, rows):
    value = numbers_by_row(component, rows.table)
    varying = sorted(component.var_names & rows.varying)
    slopes = {name: _slope(component, rows.table, name) for name in varying}
    each = [{name: s[k] for name, s in slopes.items()} for k in range(value.shape[1])]
    return list(map(Multiplier, value.T, each))


def _offset(term, rows):
    if set(term.components[0].var_names) & rows.varying:
        raise FormulaError(
            f"{term.name} varies within the cells: take it from the outcome before you "
            "collapse the table."
        )
    return offset_of(term, rows.table)


def _slope(component, table, name):
    """How a number moves with a column that varies within cells."""
    step = max(float(np.abs(table[name]).max()), 1.0)
    moved = [table.assign(**{name: table[name] + k * step}) for k in range(3)]
    at = [numbers_by_row(component, each) for each in moved]
    slope = (at[1] - at[0]) / step
    straight = np.allclose(at[2] - at[1], at[1] - at[0], rtol=1e-9, atol=1e-12)
    if not (straight and np.allclose(slope, slope[:1], rtol=1e-9, atol=1e-12)):
        raise FormulaError(
            f"{component.name} bends {name}, and cells hold sums of {name} itself: "
            f"make {component.name} a column of its own before you collapse the table."
        )
    return slope[0]

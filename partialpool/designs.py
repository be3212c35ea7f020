"""The columns that a formula asks for, found from rows or from cells."""

import itertools
from dataclasses import dataclass
from functools import partial, reduce

import numpy as np

from partialpool.formulas import (
    FormulaError,
    columns_of,
    evaluate,
    factor_columns,
    parse,
    recipe_for,
    response,
)
from partialpool.observations import (
    Multiplier,
    Observations,
    observe,
    refuse_no_table,
)


@dataclass
class Block:
    """Columns of one term: a row of `matrix` chosen by `codes`, times a multiplier.

    Attributes
    ----------
    codes : numpy.ndarray or None
        Row of `matrix` for each row of the table; None where there is one only.
    matrix : numpy.ndarray
        Shape (combinations of levels, columns).
    multiplier : Multiplier or None
        None stands for 1.
    """

    codes: np.ndarray | None
    matrix: np.ndarray
    multiplier: Multiplier | None


@dataclass
class Term:
    """A common term, or the expression of a group term, with its statistics.

    Attributes
    ----------
    name : str
        Bambi's name of the variable.
    blocks : list of Block
    levels : list of str or None
        Labels of its columns, where the variable has a dimension of its own.
    mean, sd : numpy.ndarray
        Of each column over all rows; shape (columns,).
    is_intercept : bool
    """

    name: str
    blocks: list
    levels: list | None
    mean: np.ndarray
    sd: np.ndarray
    is_intercept: bool = False

    @property
    def columns(self):
        """Number of columns."""
        return len(self.mean)


@dataclass
class Factor:
    """A grouping factor and the terms that vary by it.

    Attributes
    ----------
    name : str
    codes : numpy.ndarray
        Group of each row.
    levels : list of str
        Name of each group.
    terms : list of Term
    """

    name: str
    codes: np.ndarray
    levels: list
    terms: list

    @property
    def columns(self):
        """Effects of one group."""
        return sum(term.columns for term in self.terms)


@dataclass
class Design:
    """A formula brought together with a table.

    Attributes
    ----------
    formula : str
    observations : Observations
    outcome_mean, outcome_sd : float
        Over all rows, as Bambi scales its priors by them; the standard deviation
        divides by their number.
    shift : float
        What was taken from the outcome, besides its offset: its mean where there is
        an intercept.
    common : list of Term
    factors : list of Factor
    recipe : dict
        What is needed to find the same columns in another table: levels and
        moments. Plain values, so that it can be stored.
    """

    formula: str
    observations: Observations
    outcome_mean: float
    outcome_sd: float
    shift: float
    common: list
    factors: list
    recipe: dict

    @property
    def sizes(self):
        """Groups and effects of each grouping factor: list of (int, int)."""
        return [(len(factor.levels), factor.columns) for factor in self.factors]


def read_design(formula, table, environment):
    """Find the columns that a formula asks for.

    Parameters
    ----------
    formula : str
        In Bambi's language.
    table : pandas.DataFrame
        Rows or cells.
    environment : formulae.environment.Environment
        Where functions named in the formula live.

    Returns
    -------
    Design

    Raises
    ------
    FormulaError
        If the formula cannot be read or goes beyond a Gaussian linear model.
    ValueError
        If a column is missing, holds missing values or is of the wrong kind.
    """
    description = parse(formula)
    outcome, weight = response(description)
    refuse_no_table(table)
    held = {str(name).removeprefix("mean_") for name in table.columns}
    columns = columns_of(description, held | set(table.columns), environment)
    observations = observe(table, outcome, weight, columns)
    recipe = recipe_for(description, observations, columns, environment)
    built = evaluate(description, recipe, environment)
    terms = list(built.common.terms.values()) if built.common else []
    scale = _outcome_moments(observations)
    if weight is not None:
        # Bambi 0.21 scales its priors by outcomes and weights thrown together.
        scale = _moments_with_weights(observations)
    for term in terms:
        if term.kind == "offset":
            observations.y.value = observations.y.value - _offset(term, observations)
    common = [_term(t.name, t, observations) for t in terms if t.kind != "offset"]
    factors = _factors(built.group, observations)
    # The grand mean carries no information on the groups, only digits to lose; an
    # intercept takes it up.
    y, shift = observations.y.value, 0.0
    if any(term.is_intercept for term in common):
        shift = float(np.average(y, weights=observations.count))
    observations.y.value = y - shift
    return Design(formula, observations, *scale, shift, common, factors, recipe)


def _outcome_moments(observations):
    mean, sd = observations.outcome_moments()
    if not sd > 0:
        raise ValueError(
            f"Every value of {observations.outcome} is the same: there is nothing to "
            "model."
        )
    return mean, sd


def _moments_with_weights(observations):
    both = np.concatenate([observations.y.value, observations.weights])
    return float(both.mean()), float(both.std())


def _factors(group, observations):
    if group is None:
        return []
    by_factor = {}
    for term in group.terms.values():
        by_factor.setdefault(term.factor.name, []).append(term)
    return [_factor(name, terms, observations) for name, terms in by_factor.items()]


def _factor(name, terms, observations):
    variables = factor_columns(terms[0].factor)
    codes, combinations = observations.codes(variables)
    columns = [combinations[variable].astype(str) for variable in variables]
    levels = reduce(lambda a, b: a + ":" + b, columns)
    if (twice := levels.duplicated()).any():
        raise ValueError(
            f"Two groups of {name} would both be called {levels[twice].iloc[0]}: take "
            f"the colons out of the labels of {' and '.join(variables)}."
        )
    parts = [_term(term.name, term.expr, observations) for term in terms]
    return Factor(name, codes, levels.tolist(), parts)


def _term(name, term, observations):
    blocks = blocks_of(term, observations)
    columns = blocks[0].matrix.shape[1]
    mean, square = np.zeros(columns), np.zeros(columns)
    for block in blocks:
        ones = observations.products(block.multiplier, None, weighted=False)
        sums = partial(observations.sum_by, block.codes, size=len(block.matrix))
        mean += sums(ones) @ block.matrix
        squares = observations.products(
            block.multiplier, block.multiplier, weighted=False
        )
        square += sums(squares) @ block.matrix**2
    mean /= observations.rows
    variance = square / observations.rows - mean**2
    # What rounding leaves of a constant column counts as nothing.
    variance[variance < 1e-12 * (square / observations.rows)] = 0
    is_intercept = term.kind == "intercept"
    levels = None if is_intercept else _labels(term, columns)
    return Term(name, blocks, levels, mean, np.sqrt(variance), is_intercept)


def _labels(term, columns):
    # Bambi gives a dimension to categories, and to numbers of several columns.
    parts = term.components
    if any(part.kind == "categoric" for part in parts):
        return list(term.levels)
    return None if columns == 1 else [str(i) for i in range(columns)]


def blocks_of(term, observations):
    """Write the columns of a term as choices from small matrices.

    Parameters
    ----------
    term : formulae term
        Evaluated by :func:`evaluate`.
    observations : Observations

    Returns
    -------
    list of Block
    """
    if term.kind == "intercept":
        return [Block(None, np.ones((1, 1)), None)]
    encoded = [c for c in term.components if c.kind == "categoric"]
    codes, choices = None, {}
    if encoded:
        named = set().union(*(c.var_names for c in encoded))
        variables = sorted(named & set(observations.table.columns))
        codes, combinations = observations.codes(variables)
        choices = {c.name: _row_by_row(c, combinations) for c in encoded}
    numbers = {
        c.name: _multipliers(c, observations)
        for c in term.components
        if c.kind == "numeric"
    }
    return _blocks(term, codes, choices, numbers)


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
    for pick in itertools.product(*(range(len(m)) for m in numbers.values())):
        mine = np.all(
            [column_of[name] == k for name, k in zip(numbers, pick, strict=True)],
            axis=0,
        )
        parts = [m[k] for m, k in zip(numbers.values(), pick, strict=True)]
        multiplier = reduce(lambda a, b: a * b, parts)
        blocks.append(Block(codes, matrix * mine, multiplier))
    return blocks


def _multipliers(component, observations):
    table = observations.table
    value = _evaluate_numbers(component, table)
    covariates = sorted(component.var_names & set(observations.covariates))
    slopes = {name: _slope(component, table, name) for name in covariates}
    return [
        Multiplier(value[:, k], {name: slope[k] for name, slope in slopes.items()})
        for k in range(value.shape[1])
    ]


def _evaluate(component, table):
    value = np.asarray(component.eval_new_data(table), dtype=float)
    if value.ndim == 0:
        value = np.broadcast_to(value, len(table))
    return value.reshape(len(table), -1)


def _row_by_row(component, table):
    """Evaluate, and refuse what depends on more than the row that it stands in."""
    part = table.iloc[: min((len(table) + 1) // 2, 1000)]
    try:
        value = _evaluate(component, table)
        alone = _evaluate(component, part)
    except ValueError:
        alone = None
    same = alone is not None and np.allclose(
        alone, value[: len(part)], rtol=1e-12, atol=0, equal_nan=True
    )
    if not same:
        raise FormulaError(
            f"{component.name} depends on the whole column, not on each row by itself: "
            "make it a column of its own and name that column."
        )
    return value


def _evaluate_numbers(component, table):
    value = _row_by_row(component, table)
    if not np.isfinite(value).all():
        raise ValueError(
            f"{component.name} is not a finite number in every row: look for a log or "
            "a division of 0."
        )
    return value


def _slope(component, table, name):
    """How a number moves with a column that varies within cells."""
    step = max(float(np.abs(table[name]).max()), 1.0)
    at = [
        _evaluate_numbers(component, table.assign(**{name: table[name] + k * step}))
        for k in range(3)
    ]
    slope = (at[1] - at[0]) / step
    straight = np.allclose(at[2] - at[1], at[1] - at[0], rtol=1e-9, atol=1e-12)
    if not (straight and np.allclose(slope, slope[:1], rtol=1e-9, atol=1e-12)):
        raise FormulaError(
            f"{component.name} bends {name}, and cells hold sums of {name} itself: "
            f"make {component.name} a column of its own before you collapse the table."
        )
    return slope[0]


def _offset(term, observations):
    component = term.components[0]
    inner = component.call.args[0]
    value = np.asarray(inner.eval(observations.table, component.env), dtype=float)
    if set(component.var_names) & set(observations.covariates):
        raise FormulaError(
            f"{term.name} varies within the cells: take it from the outcome before you "
            "collapse the table."
        )
    return value

"""The columns that a formula asks for, found from rows or from cells."""

import itertools
from dataclasses import dataclass, field
from functools import reduce

import numpy as np
import pandas as pd

CELL_COLUMNS = ["n", "mean", "ss"]
# Transformations of formulae that remember the table they were made on. These two
# remember only its mean and standard deviation, which is as much as cells can tell.
REMEMBER_MOMENTS = {"center", "scale", "standardize"}
REMEMBER_MORE = {"bs", "poly"}
NOT_GAUSSIAN = {
    "p": "a binomial outcome",
    "prop": "a binomial outcome",
    "proportion": "a binomial outcome",
    "censored": "a censored outcome",
    "truncated": "a truncated outcome",
    "constrained": "a truncated outcome",
    "c": "an outcome of several columns",
}


class FormulaError(ValueError):
    """A model that cannot be fitted exactly: the message says which part and why."""


@dataclass
class Multiplier:
    """A number for each row, which may vary within a cell.

    Attributes
    ----------
    value : numpy.ndarray
        One number a row; of a cell, the mean.
    slopes : dict
        For a cell: how the number moves with each column whose sums of
        products the cell holds.
    """

    value: np.ndarray
    slopes: dict = field(default_factory=dict)

    def __mul__(self, other):
        """Multiply row by row; within cells only one side may vary."""
        if self.slopes and other.slopes:
            raise FormulaError(
                f"A term multiplies {' and '.join({**self.slopes, **other.slopes})}, "
                "and cells hold no sums for that: make the product a column of its "
                "own before you collapse the table."
            )
        slopes = {name: s * other.value for name, s in self.slopes.items()}
        slopes |= {name: s * self.value for name, s in other.slopes.items()}
        return Multiplier(self.value * other.value, slopes)


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
    variables : list of str
        Columns of the table whose combinations are the groups.
    codes : numpy.ndarray
        Group of each row.
    levels : list of str
        Name of each group.
    terms : list of Term
    """

    name: str
    variables: list
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
        Over all rows; the standard deviation divides by their number.
    shift : float
        What was taken from the outcome: its mean where there is an intercept.
    common : list of Term
    factors : list of Factor
    recipe : dict
        What is needed to find the same columns in another table: levels and
        moments. Plain values, so that it can be stored.
    """

    formula: str
    observations: object
    outcome_mean: float
    outcome_sd: float
    shift: float
    common: list
    factors: list
    recipe: dict


class Observations:
    """The rows of a table, or cells that stand for many rows each.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows with the outcome; or cells with ``n``, ``mean`` and ``ss`` in its
        place, as :func:`partialpool.collapse` makes them.
    outcome : str
    weights : numpy.ndarray, optional
        A weight for each row.
    """

    def __init__(self, table, outcome, weights=None):
        self.is_cells = outcome not in table.columns
        self.outcome = outcome
        self.table = table
        self.weights = weights
        self._codes = {}
        if self.is_cells:
            self.count = table["n"].to_numpy(float)
            y = table["mean"].to_numpy(float)
            self.ss = table["ss"].to_numpy(float)
            self.covariates = [
                name.removeprefix("mean_")
                for name in table.columns
                if name.startswith("mean_")
                and f"ss_{name.removeprefix('mean_')}" in table
            ]
            self.table = table.rename(
                columns={f"mean_{name}": name for name in self.covariates}
            )
        else:
            self.count = None
            y = table[outcome].to_numpy(float)
            self.covariates = []
        self.rows = len(table) if self.count is None else int(self.count.sum())
        self.total_weight = float(self.rows if weights is None else weights.sum())
        self.y = Multiplier(y, {outcome: 1.0} if self.is_cells else {})

    def codes(self, variables):
        """Number the combinations of some columns that occur.

        Returns
        -------
        codes : numpy.ndarray
            One for each row.
        combinations : pandas.DataFrame
            The values behind each code, sorted.
        """
        key = tuple(variables)
        if key not in self._codes:
            self._codes[key] = self._number(list(variables))
        return self._codes[key]

    def _number(self, variables):
        if len(variables) == 1:
            codes, levels = _factorise(self.table[variables[0]])
            return codes, pd.DataFrame({variables[0]: levels})
        numbered = [self.codes([name]) for name in variables]
        sizes = [len(levels) for _, levels in numbered]
        joint = np.ravel_multi_index([codes for codes, _ in numbered], sizes)
        present = np.flatnonzero(np.bincount(joint, minlength=1))
        place = np.empty(present[-1] + 1, dtype=np.intp)
        place[present] = np.arange(len(present))
        split = np.unravel_index(present, sizes)
        combinations = {
            name: levels[name].to_numpy()[index]
            if levels[name].dtype != "category"
            else levels[name].array[index]
            for name, (_, levels), index in zip(variables, numbered, split, strict=True)
        }
        return place[joint], pd.DataFrame(combinations)

    def moments(self, name):
        """Mean and standard deviation of a column over all rows."""
        x = self.table[name].to_numpy(float)
        mean = np.average(x, weights=self.count)
        variance = np.average((x - mean) ** 2, weights=self.count)
        if name in self.covariates:
            variance += self.table[f"ss_{name}"].sum() / self.rows
        return float(mean), float(np.sqrt(variance))

    def products(self, a, b, *, weighted=True):
        """Sum over the rows of each cell of two multipliers' product.

        Parameters
        ----------
        a, b : Multiplier or None
        weighted : bool
            Whether the weights of the rows count.

        Returns
        -------
        numpy.ndarray or None
            One number a cell; None stands for 1 in each row.
        """
        total = self.count
        if weighted and self.weights is not None:
            total = self.weights
        for factor in (a, b):
            if factor is not None:
                total = factor.value if total is None else total * factor.value
        if a is not None and b is not None:
            for (x, slope_x), (z, slope_z) in itertools.product(
                a.slopes.items(), b.slopes.items()
            ):
                total = total + slope_x * slope_z * self._within(x, z)
        return total

    def _within(self, x, z):
        if x == z:
            return self.ss if x == self.outcome else self.table[f"ss_{x}"].to_numpy()
        if self.outcome in (x, z):
            return self.table[f"sp_{z if x == self.outcome else x}"].to_numpy()
        name = f"sp_{x}_{z}" if f"sp_{x}_{z}" in self.table else f"sp_{z}_{x}"
        return self.table[name].to_numpy()


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
    outcome, weight = _response(description)
    observations = _observe(table, description, outcome, weight)
    recipe = _recipe(description, observations)
    built = evaluate(description, recipe, environment)
    terms = list(built.common.terms.values()) if built.common else []
    offsets = [term for term in terms if term.kind == "offset"]
    for term in offsets:
        observations.y.value = observations.y.value - _offset(term, observations)
    y = observations.y.value
    mean = float(np.average(y, weights=observations.count))
    variance = np.average((y - mean) ** 2, weights=observations.count)
    if observations.is_cells:
        variance += observations.ss.sum() / observations.rows
    if not variance > 0:
        raise ValueError(
            f"Every value of {outcome} is the same: there is nothing to model."
        )
    common = [_term(t.name, t, observations) for t in terms if t.kind != "offset"]
    factors = _factors(built.group, observations)
    # The grand mean carries no information on the groups, only digits to lose; an
    # intercept takes it up.
    shift = mean if any(term.is_intercept for term in common) else 0.0
    observations.y.value = y - shift
    sd = float(np.sqrt(variance))
    return Design(formula, observations, mean, sd, shift, common, factors, recipe)


def parse(formula):
    """Read a formula into formulae's description of a model."""
    from formulae import model_description

    if not isinstance(formula, str):
        raise FormulaError(
            f"The formula is a {type(formula).__name__}: give one line of text such as "
            "'y ~ x + (1|group)'. Models with a formula for each parameter need Bambi."
        )
    try:
        description = model_description(formula)
    except Exception as error:
        raise FormulaError(
            f"The formula '{formula}' cannot be read: {error}. It should look like "
            "'y ~ x + (1|group)'."
        ) from None
    if description.response is None:
        raise FormulaError(
            f"The formula '{formula}' has no outcome: write it to the left of a ~, as "
            "in 'y ~ x + (1|group)'."
        )
    for component in _components(description):
        called = _callee(component)
        if called == "hsgp":
            raise FormulaError(
                "hsgp() is a Gaussian process, which has no closed form here: use "
                "Bambi for this model."
            )
        if called in REMEMBER_MORE:
            raise FormulaError(
                f"{called}() makes columns from the whole table, which cells do not "
                "hold: make those columns first and name them in the formula."
            )
    return description


def _components(description):
    for term in [*description.common_terms, *description.group_terms]:
        for part in (getattr(term, "expr", term), getattr(term, "factor", None)):
            yield from getattr(part, "components", [])


def _callee(component):
    call = getattr(component, "call", None)
    return None if call is None else str(call.callee)


def _response(description):
    component = description.response.term.components[0]
    called = _callee(component)
    if called in NOT_GAUSSIAN:
        raise FormulaError(
            f"{component.name} is {NOT_GAUSSIAN[called]}, and only a Gaussian one has "
            "a closed form: use Bambi for this model."
        )
    if called == "weighted":
        outcome, weight = (str(argument) for argument in component.call.args[:2])
        return outcome, weight
    if called is not None:
        raise FormulaError(
            f"The outcome is written as {component.name}: make it a column of the "
            "table and name that column."
        )
    if component.reference is not None:
        raise FormulaError(
            f"The outcome {component.name}[{component.reference}] is a category, and "
            "only a Gaussian one has a closed form: use Bambi for this model."
        )
    return component.name, None


def _observe(table, description, outcome, weight):
    if not isinstance(table, pd.DataFrame):
        raise ValueError(
            f"The data are a {type(table).__name__}: give a pandas table of rows, or "
            "of cells as collapse() makes them from any engine."
        )
    if len(table) == 0:
        raise ValueError("The table has no rows.")
    cells = outcome not in table.columns and set(CELL_COLUMNS) <= set(table.columns)
    if cells and table.attrs.get("outcome", outcome) != outcome:
        raise ValueError(
            f"The cells were collapsed from {table.attrs['outcome']}, but the formula "
            f"models {outcome}."
        )
    if cells and weight is not None:
        raise ValueError(
            "weighted() needs the rows themselves: cells hold counts, not weights."
        )
    used = sorted(description.var_names - {outcome})
    used += CELL_COLUMNS if cells else [outcome]
    names = {c.removeprefix("mean_"): c for c in table.columns if cells}
    for name in used:
        if name not in table.columns and name not in names:
            _refuse_absent(name, table, outcome)
    used = [name if name in table.columns else names[name] for name in used]
    numeric = CELL_COLUMNS if cells else [outcome] + ([weight] if weight else [])
    for name in used:
        _refuse_bad_values(table[name], must_be_numeric=name in numeric)
    weights = None
    if weight is not None:
        weights = table[weight].to_numpy(float)
        if (weights < 0).any() or not weights.sum() > 0:
            raise ValueError(
                f"The weights in {weight} hold negative numbers, or only zeros: a "
                "weight says how often a row counts."
            )
    return Observations(table, outcome, weights)


def _refuse_absent(name, table, outcome):
    import difflib

    columns = [str(column) for column in table.columns]
    near = difflib.get_close_matches(name, columns, n=1)
    hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(columns)}."
    part = "outcome" if name == outcome else "column"
    raise ValueError(f"The table has no {part} {name}: {hint}")


def _refuse_bad_values(column, must_be_numeric):
    name = column.name
    if must_be_numeric and not pd.api.types.is_numeric_dtype(column):
        raise ValueError(
            f"{name} is not a column of numbers (its type is {column.dtype}): only a "
            "Gaussian outcome has a closed form; use Bambi for categories."
        )
    missing = int(column.isna().sum())
    if missing:
        raise ValueError(
            f"{name} is missing in {missing:,} of {len(column):,} rows (the first is "
            f"row {column.isna().to_numpy().argmax()}): drop those rows or fill them "
            "in before the fit."
        )
    if column.dtype.kind == "f" and not np.isfinite(column.to_numpy()).all():
        raise ValueError(
            f"{name} holds infinite values: look for a log or a division of 0."
        )


def _factorise(column):
    # The rule of formulae: an ordered category keeps all its levels, anything else
    # has those that occur, sorted.
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes = column.cat.codes.to_numpy()
        levels = column.cat.categories
        if column.cat.ordered:
            return codes.astype(np.intp), pd.Categorical(levels, levels, ordered=True)
        present = np.flatnonzero(np.bincount(codes, minlength=len(levels)))
        present = present[np.argsort(levels[present].to_numpy(object), kind="stable")]
        place = np.full(len(levels), -1, dtype=np.intp)
        place[present] = np.arange(len(present))
        return place[codes], levels[present].to_numpy()
    codes, levels = pd.factorize(column, sort=True)
    return codes.astype(np.intp), np.asarray(levels)


def _recipe(description, observations):
    factors = _factor_variables(description)
    recipe = {"levels": {}, "ordered": [], "moments": {}}
    for name in sorted(description.var_names - {observations.outcome}):
        if name not in observations.table:
            continue
        column = observations.table[name]
        # The levels of a column that only groups rows stay out: there may be many.
        if name in factors:
            recipe["levels"][name] = ["a", "b"]
        elif pd.api.types.is_numeric_dtype(column):
            recipe["moments"][name] = observations.moments(name)
            if name in _encoded_variables(description):
                levels = observations.codes([name])[1][name]
                recipe["levels"][name] = levels.tolist()
        else:
            levels = observations.codes([name])[1][name]
            recipe["levels"][name] = levels.tolist()
            if isinstance(levels.dtype, pd.CategoricalDtype) and levels.cat.ordered:
                recipe["ordered"].append(name)
    return recipe


def _factor_variables(description):
    """Columns that group rows and do nothing else in the model."""
    groups, others = set(), set()
    for term in description.group_terms:
        groups |= term.factor.var_names
        others |= term.expr.var_names
    for term in description.common_terms:
        others |= term.var_names
    return groups - others


def _encoded_variables(description):
    names = set()
    for component in _components(description):
        if _callee(component) in ("C", "S", "T"):
            names |= component.var_names
    for term in description.group_terms:
        names |= term.factor.var_names
    return names


def evaluate(description, recipe, environment):
    """Let formulae settle the encoding of each term on a small table.

    The table holds each level and, for each number, values with the mean and
    standard deviation of the real ones. That is all that encodings and the
    transformations ``scale`` and ``center`` remember.
    """
    from formulae.matrices import DesignMatrices
    from formulae.terms.call import Call

    levels, moments = recipe["levels"], recipe["moments"]
    rows = max([2, *(len(values) for values in levels.values())])
    rows += rows % 2
    signs = np.resize([-1.0, 1.0], rows)
    response = description.response.var_names
    numbers = {name: mean + sd * signs for name, (mean, sd) in moments.items()}
    numbers |= {name: signs for name in response if name not in moments}
    categories = {}
    for name, values in levels.items():
        column = np.resize(np.array(values, dtype=object), rows).tolist()
        if name in recipe["ordered"]:
            column = pd.Categorical(column, values, ordered=True)
        categories[name] = column
    table = pd.DataFrame({**numbers, **categories})
    for component in _components(description):
        # Transformations remember the first table they see.
        if isinstance(component, Call) and _callee(component) in REMEMBER_MOMENTS:
            component.set_type(pd.DataFrame(numbers), environment)
    # The response is found by ourselves; formulae would ask for its functions.
    answer, description.response = description.response, None
    try:
        return DesignMatrices(description, table, environment)
    except KeyError as error:
        raise FormulaError(f"The formula uses {error}, which is not known.") from None
    finally:
        description.response = answer


def _factors(group, observations):
    if group is None:
        return []
    by_factor = {}
    for term in group.terms.values():
        by_factor.setdefault(term.factor.name, []).append(term)
    return [_factor(name, terms, observations) for name, terms in by_factor.items()]


def _factor(name, terms, observations):
    variables = [
        variable
        for component in terms[0].factor.components
        for variable in sorted(component.var_names)
    ]
    codes, combinations = observations.codes(variables)
    columns = [combinations[variable].astype(str) for variable in variables]
    levels = reduce(lambda a, b: a + ":" + b, columns).tolist()
    parts = [_term(term.name, term.expr, observations) for term in terms]
    return Factor(name, variables, codes, levels, parts)


def _term(name, term, observations):
    blocks = blocks_of(term, observations)
    columns = blocks[0].matrix.shape[1]
    mean, square = np.zeros(columns), np.zeros(columns)
    for block in blocks:
        ones = observations.products(block.multiplier, None, weighted=False)
        mean += _sum_by_code(block, ones, observations) @ block.matrix
        squares = observations.products(
            block.multiplier, block.multiplier, weighted=False
        )
        square += _sum_by_code(block, squares, observations) @ block.matrix**2
    mean /= observations.rows
    variance = square / observations.rows - mean**2
    # What rounding leaves of a constant column counts as nothing.
    variance[variance < 1e-12 * (square / observations.rows)] = 0
    is_intercept = term.kind == "intercept"
    levels = None if is_intercept else _labels(term, columns)
    return Term(name, blocks, levels, mean, np.sqrt(variance), is_intercept)


def _sum_by_code(block, weights, observations):
    if block.codes is None:
        size = len(observations.table)
        return np.array([size if weights is None else weights.sum()], dtype=float)
    return np.bincount(block.codes, weights, minlength=len(block.matrix))


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
        variables = sorted(set().union(*(c.var_names for c in encoded)))
        codes, combinations = observations.codes(variables)
        choices = {c.name: _encode(c, combinations) for c in encoded}
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


def _encode(component, combinations):
    values = np.asarray(component.eval_new_data(combinations), dtype=float)
    return values.reshape(len(combinations), -1)


def _multipliers(component, observations):
    table = observations.table
    value = _evaluate_numbers(component, table)
    covariates = sorted(component.var_names & set(observations.covariates))
    slopes = {name: _slope(component, table, name) for name in covariates}
    return [
        Multiplier(value[:, k], {name: slope[k] for name, slope in slopes.items()})
        for k in range(value.shape[1])
    ]


def _evaluate_numbers(component, table):
    value = np.asarray(component.eval_new_data(table), dtype=float)
    if value.ndim == 0:
        value = np.broadcast_to(value, len(table))
    value = value.reshape(len(table), -1)
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

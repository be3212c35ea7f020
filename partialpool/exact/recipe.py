"""What must be remembered of a table to find the same columns in another one."""

import json
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import pandas as pd

from partialpool import faults
from partialpool.columns import (
    check_names,
    check_shape,
    infinite_fault,
    missing_fault,
    number_fault,
)
from partialpool.exact import transforms
from partialpool.exact.calls import callee, predictors
from partialpool.exact.formula import FormulaError, plain_errors
from partialpool.exact.labels import is_category, kind_of, refuse_other_kind, settle
from partialpool.exact.namespace import with_functions
from partialpool.exact.table import settle_or_refuse
from partialpool.faults import refuse

ADVICE = "give a pandas DataFrame with the columns of the formula, but for the outcome"
NEW = "table of new rows"
# Whole numbers up to this one are decimals, too.
LARGEST_EXACT = 2**53


@dataclass(frozen=True)
class Column:
    """What a fit remembers of one column."""

    kind: str  # a key of `labels.KINDS`
    # Of a category, in the order of the fit. None for a number, and for a column that
    # only groups rows: the posterior has its labels.
    levels: list | None = None
    ordered: bool = False
    # Mean and standard deviation, over all rows, of a number.
    moments: tuple | None = None

    @property
    def is_number(self):
        """Whether it enters as a number, and not level by level."""
        return self.moments is not None and self.levels is None


@dataclass(frozen=True)
class Recipe:
    """All that predictions need of the table behind a fit, as plain values."""

    formula: str
    columns: dict  # `Column` of each predictor and group, by name
    # What each transformation with a memory, such as ``scale(x)``, remembers.
    states: list = field(default_factory=list)
    # What the terms come to at the levels and moments of the columns: other values mean
    # that a function or number named in the formula has changed.
    values: list = field(default_factory=list)

    def to_json(self):
        """Write the recipe as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text):
        """Read what :meth:`to_json` wrote."""
        stored = json.loads(text)
        columns = {name: Column(**kept) for name, kept in stored["columns"].items()}
        return cls(**stored | {"columns": columns})

    def read(self, table):
        """Bring new rows to the kinds of columns, and the levels, that the fit had.

        Raises `TableError` if a column is absent, incomplete, of another kind, or holds
        a level that the fit has not seen.
        """
        check_shape(table, mend=ADVICE, called=NEW)
        check_names(list(table.columns), self.columns, called=NEW)
        read = {}
        for name, known in self.columns.items():
            refuse(missing_fault(table[name], "drop {it}"))
            read[name] = _as_known(table[name], known)
        return pd.DataFrame(read, index=table.index)


def _as_known(column, known):
    settled = (_as_numbers if known.is_number else settle_or_refuse)(column)
    refuse(infinite_fault(settled))
    if known.is_number:
        return settled
    refuse_other_kind(settled, known.kind)
    if kind_of(settled) == "number" and known.kind == "whole":
        _refuse_rounded(settled)
    if known.levels is None:
        return settled
    levels = set(known.levels)
    strange = [value for value in pd.unique(settled) if value not in levels]
    if strange:
        raise faults.TableError(
            f"{column.name} holds {', '.join(map(str, strange[:5]))}, which the fit "
            f"has not seen; it knows {', '.join(map(str, known.levels[:20]))}."
        )
    if known.moments is not None:
        return _out_of_categories(settled)
    categories = pd.Categorical(settled, known.levels, ordered=True)
    return pd.Series(categories, settled.index, name=column.name)


def _refuse_rounded(column):
    """Refuse decimals so large that each stands for several whole numbers."""
    large = column.to_numpy()[np.abs(column.to_numpy()) > LARGEST_EXACT]
    if len(large):
        found = faults.rows(len(large), len(column))
        because = "and decimals of that size stand for several whole numbers"
        mend = "keep them as int64, as the table of the fit had them"
        refuse(faults.not_kept(column.name, f"{large[0]:.17g}", found, because, mend))


def _out_of_categories(column):
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.astype(column.cat.categories.dtype)
    return column


def _as_numbers(column):
    column = _out_of_categories(column)
    try:
        settled = settle(column)
    except TypeError:
        settled = None
    if settled is None or kind_of(settled) == "text":
        refuse(number_fault(column, where="the fit had numbers"))
    return settled if kind_of(settled) == "truth" else settled.astype(float)


def make_recipe(formula, rows):
    """Note what finds the same columns in another table: a `Recipe`, and its terms."""
    description = formula.describe()
    grouping = formula.grouping_columns()
    # Numbers that a term encodes level by level.
    encoded = [c for c in predictors(description) if callee(c) in ("C", "S", "T")]
    encoded = set().union(*(component.var_names for component in encoded))
    columns = {}
    for name, column in rows.table.items():
        levels, ordered, moments = None, False, None
        by_level = is_category(column)
        if name not in grouping and (by_level or name in encoded - rows.varying):
            levels = rows.codes([name])[1][name]
            ordered = isinstance(levels.dtype, pd.CategoricalDtype)
            levels = levels.tolist()
        if name not in grouping and not by_level:
            moments = rows.moments(name)
        columns[name] = Column(kind_of(column), levels, ordered, moments)
    _refuse_one_level(columns)
    with plain_errors(f"The formula '{formula.text}'"):
        states = transforms.learn(description, rows, formula.environment)
    recipe = Recipe(formula.text, columns, states)
    terms = evaluate(description, recipe, formula.environment)
    return replace(recipe, values=_values(*terms)), terms


def _refuse_one_level(columns):
    for name, known in columns.items():
        if len(known.levels or ()) == 1:
            raise faults.TableError(
                f"Column {faults.quote(name)} is {faults.quote(known.levels[0])} in "
                "every row, and a predictor has to differ: take it out of the formula."
            )


def evaluate(description, recipe, environment):
    """Let formulae settle the encoding of each term on a small table.

    Returns the common and the group terms. The table holds each level and two values of
    each number. With what its transformations remember, that is all that the terms
    depend on. The description is used up: it was made anew, and its transformations
    restored.
    """
    from formulae.matrices import DesignMatrices

    # The response is found by ourselves; formulae would ask for its functions.
    description.response = None
    # Two values of a number may be none for a logarithm.
    with plain_errors(f"The formula '{recipe.formula}'"):
        table = _small_table(recipe)
        built = DesignMatrices(description, table, with_functions(environment))
    _refuse_made_categories(description, recipe)
    parts = built.common, built.group
    common, groups = (list(part.terms.values()) if part else [] for part in parts)
    for term in [*common, *(term.expr for term in groups)]:
        if np.size(term.data) == 0:
            raise FormulaError(
                f"{term.name} is the same in every row, and a predictor has to "
                "differ: take it out of the formula."
            )
    return common, groups


def evaluate_again(recipe, formula):
    """Evaluate for a recipe that is there, and see that nothing has changed."""
    description = formula.describe()
    transforms.restore(description, recipe.states)
    terms = evaluate(description, recipe, formula.environment)
    if not np.allclose(_values(*terms), recipe.values, rtol=1e-9, equal_nan=True):
        raise FormulaError(
            f"A function or a number that the formula '{recipe.formula}' takes from "
            "your code gives other values than at the fit: set it back, or fit again."
        )
    return terms


def _values(common, groups):
    terms = [*common, *(term.expr for term in groups)]
    flat = [np.ravel(np.asarray(term.data, dtype=float)) for term in terms]
    return np.concatenate([np.zeros(0), *flat]).tolist()


def _small_table(recipe):
    columns = recipe.columns.items()
    size = max([2, *(len(known.levels or ()) for _, known in columns)])
    signs = np.resize([-1.0, 1.0], size)
    small = {}
    for name, known in columns:
        # Formulae wants to see groups; any two will do.
        levels = np.array(known.levels or ["a", "b"], dtype=object)
        small[name] = np.resize(levels, size).tolist()
        if known.is_number:
            small[name] = known.moments[0] + known.moments[1] * signs
        elif known.levels and known.moments is None:
            small[name] = pd.Categorical(small[name], known.levels, ordered=True)
    return pd.DataFrame(small, index=range(size))


def _refuse_made_categories(description, recipe):
    numbers = {name for name, known in recipe.columns.items() if known.is_number}
    for component in predictors(description):
        if component.kind == "categoric" and component.var_names & numbers:
            raise FormulaError(
                f"{component.name} makes categories of numbers: make it a column of "
                "its own and name that column."
            )

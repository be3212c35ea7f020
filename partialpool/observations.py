"""The rows of a table, or the cells that stand for them, as numbers to sum."""

import itertools
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from partialpool.formulas import FormulaError

CELL_COLUMNS = ["n", "mean", "ss"]
BINARY_COLUMNS = ["trials", "successes"]


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
        within = self._within(name, name).sum() if name in self.covariates else 0.0
        return self._moments(self.table[name].to_numpy(float), within)

    def outcome_moments(self):
        """Mean and standard deviation of the outcome over all rows."""
        return self._moments(self.y.value, self.ss.sum() if self.is_cells else 0.0)

    def _moments(self, x, within):
        mean = np.average(x, weights=self.count)
        variance = np.average((x - mean) ** 2, weights=self.count)
        return float(mean), float(np.sqrt(variance + within / self.rows))

    def sum_by(self, codes, weights, size):
        """Sum a number of each row or cell by code.

        Parameters
        ----------
        codes : numpy.ndarray or None
            From 0 to `size`; None puts all rows together.
        weights : numpy.ndarray or None
            The numbers; None stands for 1.
        size : int

        Returns
        -------
        numpy.ndarray
            Shape (size,).
        """
        if codes is None:
            total = len(self.table) if weights is None else weights.sum()
            return np.array([total], dtype=float)
        return np.bincount(codes, weights, minlength=size)

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


def observe(table, outcome, weight, names):
    """Check that a table holds what a formula names, and take hold of its numbers.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows or cells.
    outcome : str
    weight : str or None
        Column of the weights.
    names : set of str
        Every column that the formula names.

    Returns
    -------
    Observations

    Raises
    ------
    ValueError
        If a column is missing, holds missing values or is of the wrong kind.
    """
    _refuse_binary_cells(table, outcome)
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
    used = sorted(names - {outcome})
    used += CELL_COLUMNS if cells else [outcome]
    used += [weight] if weight else []
    means = {c.removeprefix("mean_"): c for c in table.columns if cells}
    for name in used:
        if name not in table.columns and name not in means:
            _refuse_absent(name, table, outcome, cells)
    used = [name if name in table.columns else means[name] for name in used]
    if not cells:
        _refuse_true_and_false(table[outcome])
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


def refuse_no_table(table):
    """Refuse what is no pandas table, or has no rows."""
    if not isinstance(table, pd.DataFrame):
        raise ValueError(
            f"The data are a {type(table).__name__}: give a pandas table of rows, or "
            "of cells as collapse() makes them from any engine."
        )
    if len(table) == 0:
        raise ValueError("The table has no rows.")


def _refuse_binary_cells(table, outcome):
    if outcome not in table.columns and set(BINARY_COLUMNS) <= set(table.columns):
        raise FormulaError(
            f"The cells hold a yes-or-no outcome, {outcome}, which has no closed form: "
            'use bambi.Model("p(successes, trials) ~ …", cells, family="binomial").'
        )


def _refuse_true_and_false(column):
    if pd.api.types.is_bool_dtype(column):
        raise FormulaError(
            f"{column.name} holds true and false, and only a Gaussian outcome has a "
            'closed form: use bambi.Model(formula, data, family="bernoulli"), or make '
            "numbers of it with .astype(float) if you want a linear probability model."
        )


def _refuse_absent(name, table, outcome, cells):
    import difflib

    columns = [str(column) for column in table.columns]
    if cells:
        columns = _predictors(columns)
    near = difflib.get_close_matches(name, columns, n=1)
    if cells:
        mend = f"correct the name (did you mean {near[0]}?), or " if near else ""
        raise ValueError(
            f"The cells have no column {name}: {mend}add it to by= (a category) or to "
            "continuous= (a number) when you collapse the table."
        )
    hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(columns)}."
    part = "outcome" if name == outcome else "column"
    raise ValueError(f"The table has no {part} {name}: {hint}")


def _predictors(columns):
    """Names that a formula may use, among the columns of cells."""
    sums = (*CELL_COLUMNS, *(c for c in columns if c.startswith(("ss_", "sp_"))))
    return [c.removeprefix("mean_") for c in columns if c not in sums]


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

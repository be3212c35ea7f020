"""From a table of rows or cells to numbers: does each column fit its role?"""

import itertools

import numpy as np
import pandas as pd

from partialpool import columns, faults
from partialpool.exact.formula import FormulaError
from partialpool.exact.labels import kind_of, settle
from partialpool.exact.rows import Multiplier, Rows
from partialpool.faults import refuse

CELL_COLUMNS = ["n", "mean", "ss"]
BINARY_COLUMNS = ["trials", "successes"]
# Share of a sum of products that rounding may have made.
ROUNDING = 1e-9
ADVICE = (
    "give a pandas DataFrame of rows, or of cells as collapse() makes them from any "
    "engine"
)


def read_rows(formula, table, *, missing="refuse"):
    """Check that a table holds what a formula names, and take hold of its numbers.

    The table has rows with the outcome; or cells with ``n``, ``mean`` and ``ss`` in its
    place, as :func:`partialpool.cells.collapse` makes them.
    """
    columns.check_shape(table, mend=ADVICE)
    if hold_cells(table, formula.outcome):
        return _read_cells(formula, table)
    names = formula.columns({str(name) for name in table.columns})
    numbers = [formula.outcome, *([formula.weight] if formula.weight else [])]
    used = list(dict.fromkeys([*numbers, *sorted(names)]))
    _check_names(table, used)
    rows, dropped, groups = table[used], {}, formula.grouping_columns()
    if missing == "drop":
        rows, dropped = _drop_missing(rows)
    settled = _settle_all(rows, numbers, groups, outcome=formula.outcome)
    weights = settled[formula.weight].to_numpy(float) if formula.weight else None
    if weights is not None and ((weights < 0).any() or not weights.sum() > 0):
        raise faults.TableError(
            f"The weights in {formula.weight} hold negative numbers, or only zeros: a "
            "weight says how often a row counts."
        )
    y = Multiplier(settled[formula.outcome].to_numpy(float))
    n, lost = np.ones(len(settled)), len(table) - len(settled)
    predictors = settled[sorted(names)]
    return Rows(predictors, formula.outcome, y, n, {}, weights, dropped, lost)


def hold_cells(table, outcome):
    """Tell whether a table holds cells; refuse cells of another outcome."""
    there = set(table.columns)
    collapsed = table.attrs.get("outcome")
    if collapsed is not None and set(BINARY_COLUMNS) <= there:
        binary = table.attrs.get("binary", not set(CELL_COLUMNS) <= there)
    else:
        binary = outcome not in there and set(BINARY_COLUMNS) <= there
    if binary:
        raise FormulaError(
            f"The cells hold a yes-or-no outcome, {outcome}, which has no closed form: "
            'use bambi.Model("p(successes, trials) ~ …", cells, family="binomial").'
        )
    if not set(CELL_COLUMNS) <= there:
        return False
    if collapsed is not None and collapsed != outcome:
        raise faults.TableError(
            f"The cells were collapsed from {collapsed}, but the formula models "
            f"{outcome}."
        )
    if collapsed is None and outcome in CELL_COLUMNS:
        raise faults.TableError(
            f"The table has the columns n, mean and ss, as cells do, and the formula "
            f"models {outcome}: if these are cells, name the outcome that was "
            "collapsed, and if not, rename or drop one of the three."
        )
    return collapsed == outcome or outcome not in there


def _read_cells(formula, cells):
    if formula.weight is not None:
        raise faults.TableError(
            "weighted() needs the rows themselves: cells hold counts, not weights."
        )
    varying = _varying(cells)
    # Columns that are sums, and no predictors.
    sums = [f"{what}_{x}" for x in varying for what in ("mean", "ss", "sp")]
    sums += [f"sp_{x}_{z}" for x, z in itertools.permutations(varying, 2)]
    held = cells.columns.difference([*CELL_COLUMNS, *sums])
    names = formula.columns({*held, *varying})
    for name in sorted(names):
        if name not in varying and name not in held:
            _refuse_absent_from_cells(name, cells, held, varying)
    sources = {name: f"mean_{name}" if name in varying else name for name in names}
    products = _products_within(cells, formula.outcome, sorted(names & set(varying)))
    numbers = ["n", "mean", *products.values()]
    numbers += [f"mean_{name}" for name in names & set(varying)]
    used = list(dict.fromkeys([*numbers, *sources.values()]))
    _check_names(cells, used)
    groups, mend = formula.grouping_columns(), "collapse them again"
    settled = _settle_all(cells[used], numbers, groups, mend=mend)
    _refuse_impossible_sums(settled, numbers, products, formula.outcome)
    within = {key: settled[name].to_numpy(float) for key, name in products.items()}
    n = settled["n"].to_numpy(float)
    y = Multiplier(settled["mean"].to_numpy(float), {formula.outcome: 1.0})
    predictors = settled[[sources[name] for name in sorted(names)]]
    predictors = predictors.set_axis(sorted(names), axis=1)
    return Rows(predictors, formula.outcome, y, n, within)


def _varying(cells):
    """Columns of which the cells hold means, squares and products with the outcome."""
    there = set(cells.columns)
    names = cells.attrs.get("continuous")
    if names is None:
        names = [str(c).removeprefix("mean_") for c in there if str(c) != "mean"]
    return sorted(x for x in names if {f"mean_{x}", f"ss_{x}", f"sp_{x}"} <= there)


def _products_within(cells, outcome, varying):
    """Columns with sums of products about the cells' means, by the two names."""
    found = {frozenset([outcome]): "ss"}
    for x in varying:
        found[frozenset([x])] = f"ss_{x}"
        found[frozenset([x, outcome])] = f"sp_{x}"
    for x, z in itertools.combinations(varying, 2):
        name = f"sp_{x}_{z}"
        found[frozenset([x, z])] = name if name in cells else f"sp_{z}_{x}"
    return found


def _refuse_absent_from_cells(name, cells, held, varying):
    if name in cells.columns:
        raise faults.TableError(
            f"Column {name!r} of the cells holds their sums, and is no predictor: "
            "leave it out of the formula; a number to use as a slope goes into "
            "continuous= when you collapse the table, and then by its own name."
        )
    hint = "add it to by= (a category) or to continuous= (a number) when you collapse"
    there = [*held, *varying]
    refuse(faults.absent(name, there, hint=f"{hint} the table", table="cells"))


def _refuse_impossible_sums(cells, numbers, products, outcome):
    cells = {name: cells[name].to_numpy(float) for name in cells if name in numbers}
    n = cells["n"]
    wrong = {"n, below 1 or no whole number,": (n < 1) | (n % 1 != 0)}
    squares, sizes = {}, {}
    for (x,), name in ((key, name) for key, name in products.items() if len(key) == 1):
        ss, mean = cells[name], cells["mean" if x == outcome else f"mean_{x}"]
        squares[x], sizes[x] = np.maximum(ss, 0), np.abs(mean).max()
        wrong[f"{name}, a sum of squares below 0,"] = ss < 0
        alone = (n == 1) & (ss > ROUNDING * sizes[x] ** 2)
        wrong[f"{name}, above 0 in a cell of one row,"] = alone
    for (x, z), name in ((key, name) for key, name in products.items() if len(key) > 1):
        most = (1 + 1e-6) * np.sqrt(squares[x] * squares[z])
        most += ROUNDING * n * sizes[x] * sizes[z]
        wrong[f"{name}, larger than the squares allow,"] = np.abs(cells[name]) > most
    for what, where in wrong.items():
        if where.any():
            raise faults.TableError(
                f"The cells hold an impossible {what} in "
                f"{faults.rows(int(where.sum()))}: "
                "collapse the table again, and leave these columns as they are."
            )


def _check_names(table, used):
    there = list(table.columns)
    for name in used:
        if name not in there and name in map(str, there):
            raise faults.TableError(
                f"Column {name} has a name that is no text, which a formula cannot "
                "write: use table = table.rename(columns=str)."
            )
    columns.check_names(there, used)


def _drop_missing(rows):
    lacking = rows.isna()
    counts = {name: int(count) for name, count in lacking.sum().items() if count}
    kept = rows[~lacking.any(axis=1)] if counts else rows
    if len(kept) == 0:
        raise faults.TableError(
            f"No row is left of {len(rows):,}: each lacks one of "
            f"{', '.join(counts)}; leave such a column out of the formula."
        )
    return kept, counts


def _settle_all(rows, numbers, groups, outcome=None, mend=faults.DROP):
    """Bring each column to one kind, and refuse what does not fit its role."""
    settled = {}
    rows = rows.copy(deep=False)
    # pandas copies them with every column.
    rows.attrs = {}
    for name, column in rows.items():
        refuse(columns.missing_fault(column, mend))
        if name not in groups:
            kinds = "numbers" if name in numbers else "numbers or text"
            refuse(columns.time_fault(column, f"{kinds} are needed"))
        settled[name] = settle_or_refuse(column)
        if name in numbers:
            _refuse_no_numbers(settled[name], name == outcome)
        refuse(columns.infinite_fault(settled[name]))
    return pd.DataFrame(settled, index=rows.index)


def settle_or_refuse(column):
    """Settle a column, or say what it holds."""
    try:
        return settle(column)
    except TypeError as error:
        mend = "make them one kind, numbers or text, for example with astype"
        fault = faults.wrong_kind(column.name, error, mend, where="one kind is needed")
        raise faults.TableError(fault) from None


def _refuse_no_numbers(column, is_outcome):
    name, mend = column.name, None
    if kind_of(column) == "truth" and not is_outcome:
        return
    if kind_of(column) == "truth":
        raise FormulaError(
            f"{name} holds true and false, and only a Gaussian outcome has a closed "
            'form: use bambi.Model(formula, data, family="bernoulli"), or make numbers '
            "of it with .astype(float) if you want a linear probability model."
        )
    if is_outcome:
        mend = f"make numbers of them with pd.to_numeric(table[{name!r}]), or use Bambi"
        mend += " for an outcome of categories"
    refuse(columns.number_fault(column, mend))

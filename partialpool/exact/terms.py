"""Terms worked out on a table, each row by itself."""

import numpy as np
import pandas as pd

from partialpool import faults
from partialpool.exact.formula import FormulaError, plain_errors

# Rows on which a function is tried one by one.
ALONE = 12


def columns_of(term, table):
    """Columns of a term for settled rows, as `blocks_of` has them: (rows, columns)."""
    columns = np.ones((len(table), 1))
    for component in () if term.kind == "intercept" else term.components:
        evaluate = numbers_by_row if component.kind == "numeric" else by_row
        values = evaluate(component, table)
        columns = (columns[:, :, None] * values[:, None, :]).reshape(len(table), -1)
    return columns


def offset_of(term, table):
    """Offset of each row of a table: shape (rows,)."""
    component = term.components[0]
    argument = component.call.args[0]

    def work_out(part):
        value = np.asarray(argument.eval(part, component.env), dtype=float)
        return np.broadcast_to(value, len(part)).reshape(-1, 1)

    values = _row_by_row(component.name, work_out, table)
    _refuse_not_finite(component, values, table)
    return values[:, 0]


def by_row(component, table):
    """Evaluate a component, and refuse what depends on more than its own row."""
    if not hasattr(component, "call"):
        value = np.asarray(component.eval_new_data(table), dtype=float)
        return value.reshape(len(table), -1)
    levels = _all_levels(table) if component.kind == "categoric" else table[:0]

    def work_out(part):
        # C() and its like want to see every level in the column.
        whole = pd.concat([levels, part]) if len(levels) else part
        value = np.asarray(component.eval_new_data(whole), dtype=float)
        return value.reshape(len(whole), -1)[len(levels) :]

    return _row_by_row(component.name, work_out, table)


def _all_levels(table):
    """Rows that go through the levels of each category of a table."""
    levels = {
        name: pd.Series(pd.unique(column) if known is None else known)
        for name, column in table.items()
        if (known := getattr(column.dtype, "categories", None)) is not None
        or not pd.api.types.is_numeric_dtype(column)
    }
    size = max(map(len, levels.values()), default=0)
    rows = table.iloc[np.zeros(size, dtype=int)]
    for name, known in levels.items():
        values = known.take(np.arange(size) % len(known)).array
        rows = rows.assign(**{name: pd.Series(values, rows.index, table[name].dtype)})
    return rows


def _row_by_row(name, work_out, table):
    with plain_errors():
        value = work_out(table)
    try:
        with plain_errors():
            same = all(
                np.allclose(
                    work_out(table.iloc[place]), value[place], 1e-12, 0, equal_nan=True
                )
                for place in _samples(value)
            )
    except FormulaError:
        same = False
    if not same:
        raise FormulaError(
            f"{name} depends on the whole column, not on each row by itself: make it a "
            "column of its own and name that column."
        )
    return value


def _samples(value):
    """Rows to look at by themselves: singly, and some of them in another order."""
    count = len(value)
    rng = np.random.default_rng(0)
    ends = {0, count - 1, *value.argmin(0)[:2], *value.argmax(0)[:2]}
    singles = [*ends, *rng.integers(0, count, min(ALONE, count))]
    shuffled = rng.permutation(count)[: min(max(count // 2, 1), 1000)]
    return [*(np.array([place]) for place in singles), shuffled]


def numbers_by_row(component, table):
    """Evaluate a component that must be a finite number in every row."""
    value = by_row(component, table)
    _refuse_not_finite(component, value, table)
    return value


def _refuse_not_finite(component, value, table):
    wrong = ~np.isfinite(value).all(axis=1)
    if wrong.any():
        labels = table.index[wrong][:5].tolist()
        where = faults.rows(int(wrong.sum()), len(table), labels)
        raise faults.TableError(
            f"{component.name} is not a finite number in {where}: look for a log or a "
            "division of 0."
        )

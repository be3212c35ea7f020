"""Benchmark: estimates that add up to a published total."""

import numpy as np
import pandas as pd

from partialpool import faults
from partialpool.faults import TableError, quote, refuse


def benchmark(table, column, totals, *, by, weight=None, se=None, where=None):
    r"""Move estimates so that they add up to published totals.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per cell.
    column : str
        The estimates.
    totals : pandas.Series
        The published total of each group, indexed by its label.
    by : str
        Column of the groups that have a total.
    weight : str, optional
        Column of what each cell counts, such as graduates: the total is that of
        weight times estimate. By default 1.
    se : str, optional
        Column of standard errors. Without it all estimates of a group are multiplied
        by one factor (ratio benchmarking). With it each is moved in proportion to
        its weight times its squared standard error, so that what is known well stays.
    where : array_like of bool, optional
        The rows that may move, such as suppressed cells; the others count as they are.

    Returns
    -------
    pandas.Series
        The benchmarked estimates, on the index of `table`.

    Raises
    ------
    TableError
        If a column is missing, a group has no total, or no row of it may move while
        its sum is off.

    Notes
    -----
    Counts and sums add up; medians do not. With `se` the result is the closest to the
    estimates in the sense of squared errors over variances: Datta, Ghosh, Steorts and
    Maples (2011), *Test* 20.

    Examples
    --------
    >>> cells = pd.DataFrame({"subject": ["Law"] * 3, "n": [40, 5, 5], "c": [0, 1, 1]})
    >>> total = pd.Series({"Law": 46})
    >>> benchmark(cells, "n", total, by="subject", where=cells["c"] == 1).tolist()
    [40.0, 3.0, 3.0]
    """
    needed = [column, by, *(name for name in (weight, se) if name)]
    refuse(*(faults.absent(n, table.columns) for n in needed if n not in table))
    absent = [label for label in table[by].unique() if label not in totals.index]
    if absent:
        raise TableError(
            f"totals has no entry for {faults.some(absent, 'label')} of column "
            f"{quote(by)}: add it, or drop these rows."
        )
    value = table[column].astype(float)
    weights = table[weight].astype(float) if weight else pd.Series(1.0, table.index)
    free = pd.Series(True if where is None else np.asarray(where, bool), table.index)
    label = table[by].astype(object)
    groups = (value * weights).where(free, 0.0).groupby(label)
    moving = groups.transform("sum")
    short = label.map(totals.astype(float)) - (value * weights).groupby(
        label
    ).transform("sum")
    if se is None:
        stuck = (moving == 0) & (short.abs() > 1e-9)
        moved = value * (1 + short / moving.where(moving != 0))
    else:
        variance = (table[se].astype(float) ** 2).where(free, 0.0)
        scale = (weights**2 * variance).groupby(label).transform("sum")
        stuck = (scale == 0) & (short.abs() > 1e-9)
        moved = value + short * weights * variance / scale.where(scale != 0)
    if stuck.any():
        named = faults.some(list(label[stuck].unique()), "group")
        raise TableError(
            f"The total of {named} cannot be met, since no row that may move has a "
            "value or an error above 0: let other rows move, or correct the total."
        )
    return moved.where(free & moved.notna(), value)

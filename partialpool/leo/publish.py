"""Publish: a table of graduates as an official file would show it."""

import numpy as np
import pandas as pd

from partialpool import faults
from partialpool.columns import as_list
from partialpool.faults import refuse
from partialpool.leo.tidy import COUNTS, OFFICIAL, QUARTILES, VALUES, WRITTEN

PROBABILITIES = np.array([*QUARTILES.values()])


def publish(
    table,
    *,
    by=("subject", "provider"),
    earnings="earnings",
    cells=None,
    fpe=None,
    cutoff=11,
    count_to=5,
    pounds_to=100,
    hide_counts=False,
    path=None,
):
    """Make of graduates what an official file shows of them.

    Counts are rounded to 5, quartiles to £100; cells with too few graduates in the
    earnings base are suppressed.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per graduate, such as
        :func:`~partialpool.graduates.simulate_graduates` makes.
    by : str or list of str
        Columns whose combinations are the cells.
    earnings : str
        Column of pounds a year; missing for those outside the earnings base.
    cells : pandas.DataFrame, optional
        Cells to show, one row each, with the columns `by`: those without a graduate
        are shown too. By default the cells in `table`.
    fpe : str, optional
        Column with the share of a person that each row counts for, such as 0.5 for
        each subject of a joint degree (full-person equivalents). Quartiles count rows.
    cutoff : float
        Smallest count in the earnings base, before rounding, that is published.
    count_to, pounds_to : int
        What counts and pounds are rounded to, halves up.
    hide_counts : bool
        Suppress the count with the earnings: all that is left is that the count is
        from 1 to below `cutoff`.
    path : str or pathlib.Path, optional
        Write the table there as CSV too, under official names and with ``c`` and
        ``z``, as :func:`~partialpool.leo.read_leo` reads it.

    Returns
    -------
    pandas.DataFrame
        One row per cell, sorted by `by`: ``graduates``, ``in_earnings``,
        ``lower_quartile``, ``median``, ``upper_quartile`` (missing where not shown);
        ``status`` of the earnings and ``count_status`` of ``in_earnings``:
        ``published``, ``suppressed``, or ``none`` where nobody is in the base.

    Raises
    ------
    TableError
        If a column is missing, earnings are no numbers or not above 0, or nothing
        would be left.

    Notes
    -----
    Conventions: Department for Education, LEO data guidance, 2018-19 and 2022-23.
    The cut-off of 11 is what published files agree with; its official wording was not
    found. Quartiles are interpolated linearly; how the files do it is not documented.

    Examples
    --------
    >>> import pandas as pd
    >>> pay = [21_040, 25_060, 30_020] * 4
    >>> table = pd.DataFrame({"subject": ["Law"] * 12 + ["Art"], "earnings": [*pay, 1]})
    >>> shown = ["in_earnings", "median", "status"]
    >>> publish(table, by="subject")[shown].values.tolist()
    [[0.0, nan, 'suppressed'], [10.0, 25100.0, 'published']]
    """
    by = as_list(by)
    _check(table, by, earnings, fpe, cells)
    cell = table.groupby(by, observed=True).ngroup().to_numpy()
    first = np.unique(cell, return_index=True)
    keep = first[0] >= 0
    names = table[by].iloc[first[1][keep]]
    index = pd.MultiIndex.from_frame(names) if len(by) > 1 else pd.Index(names[by[0]])
    share = table[fpe].to_numpy(float) if fpe else np.ones(len(table))
    pay = table[earnings].to_numpy(float)
    counts, quartiles = _add_up(cell, share, pay, keep.sum())
    counts = pd.DataFrame(counts, index, COUNTS)
    quartiles = pd.DataFrame(quartiles, index, [*QUARTILES])
    if cells is not None:
        index = pd.MultiIndex.from_frame(cells[by].drop_duplicates())
        index = index.get_level_values(0) if len(by) == 1 else index
        counts = counts.reindex(index, fill_value=0.0)
        quartiles = quartiles.reindex(index)
    paid = counts["in_earnings"].to_numpy()
    status = np.select([paid >= cutoff, paid > 0], ["published", "suppressed"], "none")
    hidden = hide_counts & (status == "suppressed")
    shown, quartiles = (
        round_half_up(counts, count_to),
        round_half_up(quartiles, pounds_to),
    )
    quartiles[status != "published"] = np.nan
    shown.loc[hidden, "in_earnings"] = np.nan
    published = pd.concat([shown, quartiles], axis=1)
    published["status"] = status
    published["count_status"] = np.where(hidden, "suppressed", "published")
    published = published.sort_index().reset_index()
    for name in by:
        if isinstance(published[name].dtype, pd.CategoricalDtype):
            plain = published[name].cat.categories.dtype
            published[name] = published[name].astype(plain)
    if path is not None:
        _official(published).to_csv(path, index=False)
    return published


def _add_up(cell, share, pay, cells):
    """Counts of all and of those with pay, and quartiles of pay, by cell."""
    paid = ~np.isnan(pay) & (cell >= 0)
    known = cell >= 0
    counts = [np.bincount(cell[known], share[known], cells)]
    counts.append(np.bincount(cell[paid], share[paid], cells))
    order = np.lexsort((pay[paid], cell[paid]))
    ordered = np.append(pay[paid][order], np.nan)
    rows = np.bincount(cell[paid], minlength=cells)
    start = np.cumsum(rows) - rows
    at = np.maximum(rows - 1, 0)[:, None] * PROBABILITIES
    low = start[:, None] + np.floor(at).astype(int)
    high = np.minimum(low + 1, start[:, None] + np.maximum(rows - 1, 0)[:, None])
    part = at - np.floor(at)
    quartiles = (1 - part) * ordered[low] + part * ordered[high]
    quartiles[rows == 0] = np.nan
    return np.column_stack(counts), quartiles


def round_half_up(values, to):
    """Round to the nearest multiple, halves up, as a reader would by hand."""
    return np.floor(values / to + 0.5) * to


def _check(table, by, earnings, fpe, cells):
    if not isinstance(table, pd.DataFrame):
        mend = "give a pandas DataFrame with one row per graduate"
        refuse(faults.no_table(table, mend))
    needed = [*by, earnings, *([fpe] if fpe else [])]
    refuse(
        *(faults.absent(name, table.columns) for name in needed if name not in table)
    )
    if cells is not None:
        there = list(cells.columns)
        missing = [name for name in by if name not in there]
        refuse(*(faults.absent(n, there, table="table of cells") for n in missing))
    if not len(table):
        refuse(faults.no_rows())
    pay = table[earnings]
    if pay.dtype.kind not in "iuf":
        found = table.index[pay.notna()][:5]
        refuse(
            faults.no_numbers(earnings, "text", int(pay.notna().sum()), labels=found)
        )
    bad = pay.notna() & ~(pay > 0)
    if bad.any():
        count, labels = int(bad.sum()), table.index[bad][:5]
        mend = "set earnings to missing for those outside the earnings base"
        refuse(
            faults.not_positive(
                earnings, count, len(table), labels, because="", mend=mend
            )
        )


def _official(published):
    """Write numbers as text, and symbols where there are none."""
    table = published.copy()
    for name in VALUES:
        status = table["count_status" if name in COUNTS else "status"]
        number = table[name].map("{:.0f}".format)
        table[name] = number.where(table[name].notna(), status.map(WRITTEN))
    if "yag" in table:
        table["yag"] = table["yag"].astype(str) + " YAG"
    if "sex" in table:
        table["sex"] = table["sex"].astype(str).str.capitalize().replace("All", "Total")
    return table.drop(columns=["status", "count_status"]).rename(columns=OFFICIAL)

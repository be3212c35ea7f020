"""Groups: rows, cells or estimates of one table, added up group by group."""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api import types

from partialpool import faults
from partialpool.cells import CellsSaveNothing, collapse
from partialpool.columns import (
    as_list,
    check_columns,
    check_names,
    check_shape,
    missing_fault,
    number_fault,
    positive_fault,
    predictor_faults,
)
from partialpool.exact.table import hold_cells
from partialpool.faults import quote, refuse
from partialpool.poolings.intercepts import GroupSums
from partialpool.poolings.methods import Task

ADVICE = (
    "give a pandas DataFrame of rows, of cells as collapse() makes them, or of one "
    "estimate and its standard error a group"
)
# Share of the sum of squares of a predictor below which it is constant within groups.
ROUNDING = 1e-20


@dataclass(frozen=True)
class Groups:
    """A table added up by group, in order of size, the smallest first.

    Attributes
    ----------
    labels : pandas.Index
        Of the J groups.
    size : numpy.ndarray
        Rows in each group, or with standard errors the errors; shape (J,).
    sums : partialpool.poolings.intercepts.GroupSums
        Of one data set; the outcome is centred, predictors are centred and scaled.
    middle : float
        What was taken from the outcome.
    outcome_sd : float
        Standard deviation of the outcome over all rows.
    counted : bool
        Whether there are rows behind the groups, and not standard errors.
    coding : Coding
        How predictors became columns.
    log : bool
        Whether the outcome was logged.
    """

    labels: pd.Index
    size: np.ndarray
    sums: GroupSums
    middle: float
    outcome_sd: float
    counted: bool
    coding: object
    log: bool

    def outcome(self, values):
        """Take values from the model's scale back to the outcome's own."""
        values = np.asarray(values) + self.middle
        return np.exp(values) if self.log else values

    def task(self, probs, tau_prior=None, x=None):
        """Return what is asked of a method, of one data set: a `Task`."""
        sd = np.array([self.outcome_sd])
        return Task(self.sums, sd, self.counted, probs, x, tau_prior)


class Coding:
    """Predictors as columns: numbers scaled, labels as 0 and 1 for all but the first.

    Parameters
    ----------
    cells : pandas.DataFrame
        Holds the predictors, and the means of those that vary within a cell.
    n : numpy.ndarray
        Rows of each cell.
    predictors : list of str
    """

    def __init__(self, cells, n, predictors):
        self.numbers = [p for p in predictors if _is_number(cells, p)]
        self.labels = {
            p: _levels(cells[p]) for p in predictors if p not in self.numbers
        }
        self.predictors = predictors
        raw = self._raw(cells.rename(columns={f"mean_{p}": p for p in self.numbers}))
        self.mean = np.average(raw, axis=0, weights=n)
        sd = np.sqrt(np.average((raw - self.mean) ** 2, axis=0, weights=n))
        for i, p in enumerate(self.numbers):
            if f"ss_{p}" in cells:
                sd[i] = np.sqrt(sd[i] ** 2 + cells[f"ss_{p}"].sum() / n.sum())
        self.sd = np.where(sd > 0, sd, 1.0)

    def _raw(self, rows):
        parts = [rows[p].to_numpy(float)[:, None] for p in self.numbers]
        for p, levels in self.labels.items():
            column = rows[p].to_numpy(object)
            parts += [(column == level).astype(float)[:, None] for level in levels[1:]]
        return np.concatenate([np.empty((len(rows), 0)), *parts], axis=1)

    def columns(self, rows):
        """Turn rows into columns, the intercept first: shape (m, p)."""
        raw = (self._raw(rows) - self.mean) / self.sd
        return np.concatenate([np.ones((len(rows), 1)), raw], axis=1)

    def check(self, rows, called="table of new rows"):
        """Refuse new rows that lack a predictor or hold a level not seen before."""
        check_shape(rows, self.predictors, called=called)
        for name in self.predictors:
            refuse(*predictor_faults(rows[name]))
        for name in self.numbers:
            refuse(number_fault(rows[name]))
        for name, levels in self.labels.items():
            new = [v for v in pd.unique(rows[name]) if v not in levels]
            if new:
                refuse(
                    f"Column {quote(name)} holds {faults.some(new, 'label')} that the "
                    f"table did not have: drop these rows of the {called}."
                )


def _is_number(cells, name):
    if f"mean_{name}" in cells:
        return True
    return types.is_numeric_dtype(cells[name]) and not types.is_bool_dtype(cells[name])


def _levels(values):
    if isinstance(values.dtype, pd.CategoricalDtype):
        there = set(values)
        return [level for level in values.cat.categories if level in there]
    return sorted(values.unique())


# Reading ----------------------------------------------------------------------


def read_groups(table, *, outcome, group, predictors=(), se=None, log=False):
    """Check a table and add it up by group.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows; cells of :func:`~partialpool.cells.collapse`; or, with `se`, one row a
        group.
    outcome, group, predictors, se, log
        As for :func:`~partialpool.poolings.compare`.

    Returns
    -------
    Groups

    Raises
    ------
    TableError
        With one sentence for each fault.
    """
    groups, predictors = as_list(group), as_list(predictors)
    check_shape(table, mend=ADVICE)
    if se is not None:
        cells = _read_estimates(table, outcome, groups, predictors, se, log)
    elif hold_cells(table, outcome):
        cells = _read_cells(table, outcome, groups, predictors, log)
    else:
        cells = _read_rows(table, outcome, groups, predictors, log)
    return _add_up(cells, groups, predictors, counted=se is None, log=log)


def _read_rows(table, outcome, groups, predictors, log):
    rows = check_columns(
        table,
        outcome=outcome,
        group=groups,
        predictors=predictors,
        smallest_group=1,
        most_groups=len(table),
    )
    _refuse_yes_or_no(rows[outcome], groups[0])
    if log:
        rows = rows.assign(**{outcome: _logs(rows[outcome])})
    numbers = [name for name in predictors if _is_number(rows, name)]
    by = list(dict.fromkeys([*groups, *predictors]))
    by = [name for name in by if name not in numbers or name in groups]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CellsSaveNothing)
        return collapse(rows, outcome, by, continuous=numbers)


def _refuse_yes_or_no(values, group):
    if values.isin([0, 1]).all():
        model = f'bambi.Model("{values.name} ~ 1 + (1|{group})", table, '
        refuse(
            f"Column {quote(values.name)} holds only 0 and 1, and these poolings are "
            f'for numbers on a scale: use {model}family="bernoulli").'
        )


def _read_cells(cells, outcome, groups, predictors, log):
    if log:
        refuse(
            "Cells hold the mean of the outcome, and a mean cannot be logged "
            f"afterwards: collapse the table again with the log of {quote(outcome)}, "
            "and leave log=True out."
        )
    moving = [name for name in predictors if f"mean_{name}" in cells]
    needed = [*groups, *(name for name in predictors if name not in moving)]
    hint = "add it to by=, or a number to continuous=, when you collapse"
    check_names(list(cells.columns), needed, hint=hint, called="cells")
    refuse(*(missing_fault(cells[name]) for name in needed))
    wrong = (
        (cells["n"] < 1) | (cells["ss"] < 0) | cells[["mean", "ss"]].isna().any(axis=1)
    )
    if wrong.any():
        refuse(
            f"The cells hold an impossible n, mean or ss in "
            f"{faults.rows(int(wrong.sum()), len(cells))}: collapse the table again."
        )
    if len(cells[groups].drop_duplicates()) < 2:
        refuse(faults.one_group(groups[0], cells[groups[0]].iloc[0], len(cells)))
    return cells


def _read_estimates(table, outcome, groups, predictors, se, log):
    columns = list(dict.fromkeys([outcome, *groups, *predictors]))
    check_names(list(table.columns), [*columns, se])
    rows = check_columns(
        table[[*columns, se]],
        outcome=outcome,
        group=groups,
        predictors=[*predictors, se],
        smallest_group=1,
        most_groups=len(table),
    )
    refuse(number_fault(rows[se]))
    mend = "a standard error is; correct or drop these rows"
    refuse(positive_fault(rows[se], "", mend))
    if rows.duplicated(groups).any():
        label = rows[groups][rows.duplicated(groups)].iloc[0, 0]
        refuse(
            f"Column {quote(groups[0])} holds {quote(label)} in several rows, and with "
            "standard errors each group has one: give one estimate a group, or the "
            "rows without se=."
        )
    mean, error = rows[outcome], rows[se]
    if log:
        mean, error = _logs(mean), error / mean
    return rows.assign(mean=mean.astype(float), n=1 / error**2, ss=0.0, error=error)


def _logs(values):
    mend = "correct or drop these rows, or leave log=True out"
    refuse(positive_fault(values, ", and has no log there", mend))
    return np.log(values.astype(float))


# Adding up --------------------------------------------------------------------


def _add_up(cells, groups, predictors, *, counted, log):
    n = cells["n"].to_numpy(float)
    code, labels = pd.factorize(labels_of(cells, groups), sort=True)
    labels = pd.Index(np.asarray(labels), name=", ".join(groups))
    coding = Coding(cells, n, predictors)
    moving = {f"mean_{p}": p for p in coding.numbers if f"mean_{p}" in cells}
    named = cells.drop(columns=list(moving.values()), errors="ignore")
    x = coding.columns(named.rename(columns=moving))
    share = n if counted else np.ones(len(n))
    y = cells["mean"].to_numpy(float)
    middle = np.average(y, weights=share)
    columns = np.column_stack([x, y - middle])
    total = np.bincount(code, n)
    means = np.stack([np.bincount(code, n * c) for c in columns.T], 1) / total[:, None]
    about = columns - means[code]
    within = (n[:, None] * about).T @ about + _inside(cells, coding, moving)
    # A predictor of the groups does not vary within them: rounding would tell a slope.
    level = np.diag(within)[:-1] < ROUNDING * n.sum()
    within[:-1][level] = within[:, :-1][:, level] = 0
    outcome_sd = np.sqrt(
        (share @ columns[:, -1] ** 2 + cells["ss"].sum()) / share.sum()
    )
    size = total if counted else np.bincount(code, cells.get("error"))
    order = np.argsort(size if counted else -size, kind="stable")
    sums = GroupSums(
        total[None, order],
        means[None, order, :-1],
        means[None, order, -1],
        within[None],
        np.array([share.sum()]),
    )
    if counted and not (share.sum() > len(labels) and within[-1, -1] > 0):
        refuse(
            f"Column {quote(groups[0])} has groups of one row only, or rows that do "
            "not differ, so the spread within groups cannot be told: choose a coarser "
            "group, or give standard errors with se=."
        )
    return Groups(
        labels[order],
        size[order].astype(int) if counted else size[order],
        sums,
        float(middle),
        float(outcome_sd),
        counted,
        coding,
        log,
    )


def labels_of(rows, columns):
    """Label the group of each row: of several columns the combination, as text."""
    if len(columns) == 1:
        return rows[columns[0]]
    return rows[columns].astype(str).agg(", ".join, axis=1)


def _inside(cells, coding, moving):
    """Products about the means of cells: of numbers and the outcome, scaled."""
    names = list(coding.numbers)
    size = len(coding.mean) + 2
    inside = np.zeros((size, size))
    inside[-1, -1] = cells["ss"].sum()
    sd = dict(zip(names, coding.sd, strict=False))
    for i, a in enumerate(names, start=1):
        if a not in moving.values():
            continue
        inside[i, i] = cells[f"ss_{a}"].sum() / sd[a] ** 2
        inside[i, -1] = inside[-1, i] = cells[f"sp_{a}"].sum() / sd[a]
        for j, b in enumerate(names[: i - 1], start=1):
            pair = f"sp_{b}_{a}" if f"sp_{b}_{a}" in cells else f"sp_{a}_{b}"
            if pair in cells:
                inside[i, j] = inside[j, i] = cells[pair].sum() / (sd[a] * sd[b])
    return inside

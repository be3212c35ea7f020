"""Columns: does a table fit the roles its columns are given?"""

from collections.abc import Hashable
from difflib import get_close_matches
from numbers import Number

import numpy as np
import pandas as pd
from pandas.api import types


class ColumnsError(ValueError):
    """A table that does not fit its roles: one plain sentence for each fault."""


def check_columns(
    table, *, outcome, group, predictors=(), smallest_group=2, most_groups=5000
):
    """Check a table before a model meets it, and say plainly what is wrong.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per observation.
    outcome : str
        Column of finite numbers.
    group : str or list of str
        Column or columns of labels, with no label missing.
    predictors : str or list of str
        Further columns that a model will use: numbers must be finite, nothing
        may be missing.
    smallest_group : int
        Fewest rows a group may have. Partial pooling copes with groups of one
        row: pass 1 when you want them.
    most_groups : int
        More groups than this suggest that an identifier or a number was
        passed as the group.

    Returns
    -------
    pandas.DataFrame
        The named columns of `table`, in the order outcome, groups, predictors.

    Raises
    ------
    ColumnsError
        With one sentence for each fault: the column, the rows, the mend.

    Examples
    --------
    >>> table = pd.DataFrame({"pay": [10.1, None, 9.8, 10.3], "state": list("AABB")})
    >>> check_columns(table, outcome="pay", group="state")
    Traceback (most recent call last):
        ...
    partialpool.columns.ColumnsError: Column 'pay' is missing in 1 row (row 1): \
drop it with table.dropna(subset=['pay']) or fill it in.
    """
    groups, predictors = _as_list(group), _as_list(predictors)
    _check_roles(outcome, groups, predictors)
    columns = list(dict.fromkeys([outcome, *groups, *predictors]))
    _check_shape(table, columns)
    faults = [_index_fault(table, outcome), *_outcome_faults(table, outcome)]
    for name in predictors:
        faults += _predictor_faults(table, name)
    for name in groups:
        faults += _group_faults(table, name, smallest_group, most_groups)
    # A column in two roles may have the same fault in both: say it once.
    faults = list(dict.fromkeys(fault for fault in faults if fault))
    if faults:
        raise ColumnsError("\n".join(faults))
    return table[columns]


def _as_list(names):
    return list(names) if isinstance(names, list | tuple | pd.Index) else [names]


def _check_roles(outcome, groups, predictors):
    names = [outcome, *groups, *predictors]
    for name in names:
        if name is None or not isinstance(name, Hashable) or isinstance(name, tuple):
            raise ColumnsError(
                f"{name!r} cannot name a column: give one name as the outcome, and a "
                "name or a list of names as group and as predictors."
            )
    if not groups:
        raise ColumnsError("No group column is named: give one, such as group='state'.")
    if outcome in names[1:]:
        raise ColumnsError(
            f"Column {outcome!r} is the outcome and also a group or a predictor: a "
            "column cannot explain itself; name another column for one of the roles."
        )


def _check_shape(table, columns):
    if not isinstance(table, pd.DataFrame):
        kind = type(table).__name__
        raise ColumnsError(
            f"A pandas DataFrame is needed and this is a {kind}: pd.DataFrame(…) makes "
            "one from a dictionary or an array, pd.read_csv(…) from a file."
        )
    there = list(table.columns)
    if table.columns.nlevels > 1:
        raise ColumnsError(
            f"The columns of this table have {table.columns.nlevels} levels, such as "
            f"{there[0]!r}: give each column one name, for example with "
            "table.columns = ['_'.join(map(str, name)) for name in table.columns]."
        )
    rename = " or rename the column with table.rename(columns={…})"
    faults = [
        absent_fault(there, name, rename) for name in columns if name not in there
    ]
    faults += [
        f"Column {name!r} is in the table {there.count(name)} times: rename or drop "
        "all but one."
        for name in columns
        if there.count(name) > 1
    ]
    if not faults and len(table) == 0:
        faults = [
            f"The table has 0 rows, so column {columns[0]!r} holds nothing to learn "
            "from: check the filter or the file it came from."
        ]
    if faults:
        raise ColumnsError("\n".join(faults))


def absent_fault(there, name, or_else=""):
    """Say that a column is not there, with the likeliest name and another way out."""
    alike = {str(column).strip().casefold(): column for column in there}
    close = get_close_matches(str(name).strip().casefold(), alike, n=1)
    guess = f" (did you mean {alike[close[0]]!r}?)" if close else ""
    listed = ", ".join(map(repr, there[:12])) or "no columns"
    more = f" and {len(there) - 12:,} more" if len(there) > 12 else ""
    return (
        f"Column {name!r} is not in the table, which has {listed}{more}: correct the "
        f"name{guess}{or_else}."
    )


def _index_fault(table, outcome):
    if not table.index.has_duplicates:
        return None
    repeated = table.index[table.index.duplicated()].unique()
    return (
        f"The index repeats {_some(repeated, 'label')}, so rows of column {outcome!r} "
        "cannot be told apart: use table = table.reset_index(drop=True)."
    )


def _outcome_faults(table, name):
    values = table[name]
    fault = _kind_fault(values, name) or _infinite_fault(values, name)
    return [_missing_fault(values, name), fault or _constant_fault(values, name)]


def _kind_fault(values, name):
    """Say what the column holds if its numbers are not stored as real numbers."""
    column = f"table[{name!r}]"
    if types.is_bool_dtype(values):
        return (
            f"Column {name!r} holds true and false where numbers are needed: "
            f"use {column} = {column}.astype(int), which makes them 1 and 0."
        )
    if _is_time(values):
        return _time_fault(values, name)
    if types.is_numeric_dtype(values) and not types.is_complex_dtype(values):
        return None
    mend = f"{column} = {column}.astype(float)"
    as_text = values.astype(str)
    wrong = pd.to_numeric(as_text, errors="coerce").isna() & values.notna()
    if wrong.any():
        text = "text" if values[wrong].map(type).eq(str).all() else "values"
        found = ", ".join(map(repr, as_text[wrong].unique()[:3]))
        return (
            f"Column {name!r} holds {text} such as {found} in {_rows(values, wrong)} "
            f"where numbers are needed: correct or drop {_them(wrong.sum())}, then use "
            f"{mend}."
        )
    if values.isna().all():
        return None
    return f"Column {name!r} holds numbers stored as {_stored(values)}: use {mend}."


def _stored(values):
    if isinstance(values.dtype, pd.CategoricalDtype):
        return "a category"
    return "text" if types.is_string_dtype(values) else "objects"


def _is_time(values):
    return values.dtype.kind in "mM" or isinstance(values.dtype, pd.PeriodDtype)


def _time_fault(values, name):
    return (
        f"Column {name!r} holds {'durations' if values.dtype.kind == 'm' else 'dates'} "
        f"in all {len(values):,} rows where numbers are needed: make numbers of them, "
        "such as years."
    )


def _predictor_faults(table, name):
    values = table[name]
    faults = [_missing_fault(values, name)]
    if _is_time(values):
        return [*faults, _time_fault(values, name)]
    if types.is_complex_dtype(values) or _holds_number_objects(values):
        return [*faults, _kind_fault(values, name)]
    if types.is_numeric_dtype(values):
        return [*faults, _infinite_fault(values, name)]
    return [*faults, _label_fault(values, name)]


def _group_faults(table, name, smallest_group, most_groups):
    labels = table[name]
    faults = [_missing_fault(labels, name), _label_fault(labels, name)]
    if any(faults):
        return faults
    sizes = labels.value_counts()
    sizes = sizes[sizes > 0]
    if fault := _spelling_fault(sizes.index, name):
        return [fault]
    if len(sizes) == 1:
        return [
            f"Column {name!r} has one group only ({_some(sizes.index, 'label')}, rows: "
            f"{len(labels):,}), and pooling needs several: choose another column."
        ]
    if len(sizes) > most_groups:
        return [
            f"Column {name!r} has {len(sizes):,} groups in {len(labels):,} rows, more "
            f"than {most_groups:,}: it looks like an identifier or a number; choose a "
            f"coarser column, or pass most_groups={len(sizes)} if it is right."
        ]
    return [_small_fault(labels, sizes[sizes < smallest_group], name, smallest_group)]


def _spelling_fault(labels, name):
    """Say which labels differ in nothing but blanks and capitals."""
    spellings = {}
    for label in labels:
        if isinstance(label, str):
            spellings.setdefault(" ".join(label.split()).casefold(), []).append(label)
    alike = [label for same in spellings.values() if len(same) > 1 for label in same]
    if not alike:
        return None
    return (
        f"Column {name!r} spells one group in several ways ({_some(alike, 'label')}): "
        f"make them one, for example with table[{name!r}] = "
        f"table[{name!r}].str.strip().str.casefold()."
    )


def _small_fault(labels, small, name, smallest_group):
    if small.empty:
        return None
    number = "1 row" if smallest_group == 2 else f"fewer than {smallest_group} rows"
    return (
        f"Column {name!r} has {_some(small.index, 'group')} of {number} "
        f"({_row_labels(labels, labels.isin(small.index))}): merge or drop "
        f"{_them(len(small))}, or pass smallest_group=1, since partial pooling can "
        "use a group of one."
    )


def _missing_fault(values, name):
    missing = values.isna()
    if not missing.any():
        return None
    them = _them(missing.sum())
    return (
        f"Column {name!r} is missing in {_rows(values, missing)}: drop {them} with "
        f"table.dropna(subset=[{name!r}]) or fill {them} in."
    )


def _infinite_fault(values, name):
    infinite = np.isinf(values.to_numpy(float, na_value=np.nan))
    if not infinite.any():
        return None
    return (
        f"Column {name!r} is infinite in {_rows(values, infinite)}: it often comes "
        "from the log of 0 or a division by 0; correct or drop "
        f"{_them(infinite.sum())}."
    )


def _constant_fault(values, name):
    there = values.dropna().to_numpy()
    if len(there) < 2 or (there != there[0]).any():
        return None
    return (
        f"Column {name!r} is {there[0]} in all {len(there):,} rows, and a model "
        "explains differences: choose another column."
    )


def _label_fault(values, name):
    """Say what is wrong if the labels are of several kinds or no labels at all."""
    if not types.is_object_dtype(values):
        return None
    there = values.dropna()
    no_label = ~there.map(lambda value: isinstance(value, Hashable)).astype(bool)
    if no_label.any():
        kind = type(there[no_label].iloc[0]).__name__
        return (
            f"Column {name!r} holds a {kind} in {_rows(there, no_label)} where a label "
            "is needed: write one label in each row."
        )
    kinds = there.map(_kind)
    if kinds.nunique() < 2:
        return None
    common, rare = kinds.value_counts().index[[0, -1]]
    to = "float" if _holds_number_objects(values) else "str"
    return (
        f"Column {name!r} mixes {common} with {rare}, the latter in "
        f"{_rows(there, kinds == rare)}: make them one kind with "
        f"table[{name!r}] = table[{name!r}].astype({to})."
    )


def _kind(value):
    if isinstance(value, bool | np.bool):
        return "true and false"
    if isinstance(value, str):
        return "text"
    if isinstance(value, Number):
        return "whole numbers" if isinstance(value, int | np.integer) else "decimals"
    return type(value).__name__


def _holds_number_objects(values):
    there = values.dropna()
    if not types.is_object_dtype(values) or there.empty:
        return False
    return not set(there.map(_kind)) - {"whole numbers", "decimals"}


def _them(count):
    return "it" if count == 1 else "them"


def _rows(values, where):
    count = int(np.sum(where))
    return f"{count:,} row{'s' * (count > 1)} ({_row_labels(values, where)})"


def _row_labels(values, where):
    labels = list(values.index[np.asarray(where)][:5])
    more = int(np.sum(where)) - len(labels)
    listed = ", ".join(map(str, labels)) + (f" and {more:,} more" if more else "")
    return f"row{'s' * (len(labels) > 1)} {listed}"


def _some(labels, noun):
    shown = [
        repr(label) if isinstance(label, str) else str(label) for label in labels[:3]
    ]
    listed = ", ".join(shown)
    more = f" and {len(labels) - 3:,} more" if len(labels) > 3 else ""
    return f"{noun}{'s' * (len(labels) > 1)} {listed}{more}"

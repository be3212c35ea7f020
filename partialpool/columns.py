"""Columns: does a table fit the roles its columns are given?"""

import numpy as np
import pandas as pd


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
    predictors : sequence of str
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
    groups = [group] if isinstance(group, str) else list(group)
    columns = list(dict.fromkeys([outcome, *groups, *predictors]))
    _check_shape(table, columns)
    faults = [_outcome_fault(table, outcome)]
    faults += [_predictor_fault(table, name) for name in predictors]
    for name in groups:
        faults.append(_group_fault(table, name, smallest_group, most_groups))
    faults = [fault for fault in faults if fault]
    if faults:
        raise ColumnsError("\n".join(faults))
    return table[columns]


def _check_shape(table, columns):
    if not isinstance(table, pd.DataFrame):
        kind = type(table).__name__
        raise ColumnsError(f"A pandas DataFrame is needed and this is a {kind}.")
    for name in columns:
        count = int((table.columns == name).sum())
        if count == 0:
            there = ", ".join(map(repr, table.columns[:12]))
            raise ColumnsError(
                f"Column {name!r} is not in the table, which has {there}: correct the "
                "name or rename the column with table.rename(columns={…})."
            )
        if count > 1:
            raise ColumnsError(
                f"Column {name!r} is in the table {count} times: rename or drop one."
            )
    if len(table) == 0:
        raise ColumnsError(
            f"The table has 0 rows, so column {columns[0]!r} holds nothing to learn "
            "from: check the filter or the file it came from."
        )
    if table.index.has_duplicates:
        repeated = table.index[table.index.duplicated()].unique()
        raise ColumnsError(
            f"The index repeats {_some(repeated, 'label')}, so rows of column "
            f"{columns[0]!r} cannot be told apart: use table.reset_index(drop=True)."
        )


def _outcome_fault(table, name):
    values = table[name]
    if pd.api.types.is_bool_dtype(values):
        return (
            f"Column {name!r} holds true and false where numbers are needed: "
            f"turn it into 0 and 1 with table[{name!r}].astype(int)."
        )
    if not pd.api.types.is_numeric_dtype(values):
        return _text_fault(values, name)
    return _missing_fault(values, name) or _infinite_fault(values, name)


def _text_fault(values, name):
    text = values.notna() & pd.to_numeric(values, errors="coerce").isna()
    if pd.api.types.is_datetime64_any_dtype(values):
        return f"Column {name!r} holds dates: turn them into numbers, such as years."
    mend = f"table[{name!r}] = pd.to_numeric(table[{name!r}])"
    if not text.any():
        return f"Column {name!r} holds numbers stored as text: use {mend}."
    found = ", ".join(map(repr, values[text].unique()[:3]))
    return (
        f"Column {name!r} holds text in {_rows(values, text)}, such as {found}: "
        f"correct or drop it, then use {mend}."
    )


def _predictor_fault(table, name):
    values = table[name]
    fault = _missing_fault(values, name)
    if fault is None and pd.api.types.is_float_dtype(values):
        fault = _infinite_fault(values, name)
    return fault or _mixed_fault(values, name)


def _group_fault(table, name, smallest_group, most_groups):
    labels = table[name]
    fault = _missing_fault(labels, name) or _mixed_fault(labels, name)
    if fault:
        return fault
    sizes = labels.value_counts()
    sizes = sizes[sizes > 0]
    if len(sizes) == 1:
        return (
            f"Column {name!r} has one group only ({sizes.index[0]!r}, in all "
            f"{len(labels)} rows), and pooling needs several: choose another column."
        )
    if len(sizes) > most_groups:
        return (
            f"Column {name!r} has {len(sizes):,} groups in {len(labels):,} rows, more "
            f"than {most_groups:,}: it looks like an identifier or a number; choose a "
            f"coarser column, or pass most_groups={len(sizes)} if it is right."
        )
    return _small_fault(labels, sizes[sizes < smallest_group], name, smallest_group)


def _small_fault(labels, small, name, smallest_group):
    if small.empty:
        return None
    number = "1 row" if smallest_group == 2 else f"fewer than {smallest_group} rows"
    return (
        f"Column {name!r} has {_some(small.index, 'group')} of {number} "
        f"({_row_labels(labels, labels.isin(small.index))}): merge or drop them, or "
        "pass smallest_group=1, since partial pooling can use a group of one."
    )


def _missing_fault(values, name):
    missing = values.isna()
    if not missing.any():
        return None
    them = "it" if missing.sum() == 1 else "them"
    return (
        f"Column {name!r} is missing in {_rows(values, missing)}: drop {them} with "
        f"table.dropna(subset=[{name!r}]) or fill {them} in."
    )


def _infinite_fault(values, name):
    infinite = np.isinf(values.to_numpy(float))
    if not infinite.any():
        return None
    return (
        f"Column {name!r} is infinite in {_rows(values, infinite)}: it often comes "
        "from the log of 0 or a division by 0; correct or drop it."
    )


def _mixed_fault(values, name):
    if not pd.api.types.is_object_dtype(values):
        return None
    kinds = values.map(type)
    if kinds.nunique() < 2:
        return None
    common, rare = kinds.value_counts().index[[0, -1]]
    return (
        f"Column {name!r} mixes {common.__name__} with {rare.__name__}, the latter in "
        f"{_rows(values, kinds == rare)}: make it one kind with "
        f"table[{name!r}].astype(str)."
    )


def _rows(values, where):
    count = int(np.sum(where))
    return f"{count:,} row{'s' * (count > 1)} ({_row_labels(values, where)})"


def _row_labels(values, where):
    labels = list(values.index[np.asarray(where)][:5])
    more = int(np.sum(where)) - len(labels)
    listed = ", ".join(map(str, labels)) + (f" and {more:,} more" if more else "")
    return f"row{'s' * (len(labels) > 1)} {listed}"


def _some(labels, noun):
    listed = ", ".join(repr(label) for label in labels[:3])
    more = f" and {len(labels) - 3:,} more" if len(labels) > 3 else ""
    return f"{noun}{'s' * (len(labels) > 1)} {listed}{more}"

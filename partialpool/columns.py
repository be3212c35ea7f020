"""Columns: does a table fit the roles its columns are given?"""

from collections.abc import Hashable
from numbers import Number

import numpy as np
import pandas as pd
from pandas.api import types

from partialpool import faults
from partialpool.faults import refuse

PANDAS = (
    "pd.DataFrame(…) makes one from a dictionary or an array, pd.read_csv(…) from a "
    "file"
)


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
    TableError
        With one sentence for each fault: the column, the rows, the mend.

    Examples
    --------
    >>> table = pd.DataFrame({"pay": [10.1, None, 9.8, 10.3], "state": list("AABB")})
    >>> check_columns(table, outcome="pay", group="state")
    Traceback (most recent call last):
        ...
    partialpool.faults.TableError: Column 'pay' is missing in 1 of 4 rows (row 1): \
drop it with table.dropna(subset=['pay']), or fill it in.
    """
    groups, predictors = as_list(group), as_list(predictors)
    _check_roles(outcome, groups, predictors)
    columns = list(dict.fromkeys([outcome, *groups, *predictors]))
    check_shape(table, columns, hint="rename the column with table.rename(columns={…})")
    repeats = table.index[table.index.duplicated()].unique()
    values = table[outcome]
    refuse(
        faults.index_repeats(repeats) if len(repeats) else None,
        missing_fault(values),
        number_fault(values) or infinite_fault(values) or _constant_fault(values),
        *(fault for name in predictors for fault in predictor_faults(table[name])),
        *(
            fault
            for name in groups
            for fault in _group_faults(table[name], smallest_group, most_groups)
        ),
    )
    return table[columns]


def as_list(names):
    """Return one name, or a list of names, as a list."""
    return list(names) if isinstance(names, list | tuple | pd.Index) else [names]


def _check_roles(outcome, groups, predictors):
    names = [outcome, *groups, *predictors]
    for name in names:
        if name is None or not isinstance(name, Hashable) or isinstance(name, tuple):
            mend = (
                "give one name as the outcome, and a name or a list of names as group "
                "and as predictors"
            )
            refuse(faults.no_name(name, mend))
    if not groups:
        refuse("No group column is named: give one, such as group='state'.")
    if outcome in names[1:]:
        refuse(faults.two_roles(outcome))


# The table --------------------------------------------------------------------


def check_shape(table, columns=(), *, hint="", mend=PANDAS, called="table"):
    """Refuse what is no pandas table, has no rows, or lacks one of some columns.

    `hint` says what else to do about a column that is not there, `mend` what to give in
    place of no table, `called` what kind of table it is, such as "table of new rows".
    """
    if not isinstance(table, pd.DataFrame):
        refuse(faults.no_table(table, mend, needed="pandas DataFrame"))
    there = list(table.columns)
    if table.columns.nlevels > 1:
        refuse(faults.names_in_levels(table.columns.nlevels, there[0]))
    check_names(there, columns, hint, called)
    if len(table) == 0:
        refuse(faults.no_rows(*columns[:1], table=called))


def check_names(there, wanted, hint="", called="table"):
    """Refuse the names that a table's list of names lacks, or has several times."""
    absent = [name for name in wanted if name not in there]
    repeated = [name for name in wanted if there.count(name) > 1]
    refuse(
        *(faults.absent(name, there, hint=hint, table=called) for name in absent),
        *(faults.repeated(name, there.count(name)) for name in repeated),
    )


# Values -----------------------------------------------------------------------


def missing_fault(values, mend=None):
    """Say which rows of a column lack a value, or return None."""
    where = _where(values, values.isna())
    return where and faults.missing(values.name, *where, mend=mend)


def infinite_fault(values):
    """Say which rows of a column of numbers are infinite, or return None."""
    if not types.is_float_dtype(values):
        return None
    where = _where(values, np.isinf(values.to_numpy(float, na_value=np.nan)))
    return where and faults.infinite(values.name, *where)


def positive_fault(values, because, mend):
    """Say which rows of a column of numbers are not above 0, or return None."""
    wrong = ~(values > 0)
    if not wrong.any():
        return None
    where = _where(values, wrong)
    return faults.not_positive(values.name, *where, because=because, mend=mend)


def number_fault(values, mend=None, where=faults.NUMBERS):
    """Say what a column holds if not real numbers stored as such, or return None."""
    name = values.name
    if types.is_bool_dtype(values):
        return faults.true_and_false(name, mend, where)
    if fault := time_fault(values, where):
        return fault
    if types.is_numeric_dtype(values) and not types.is_complex_dtype(values):
        return None
    as_text = values.map(str)
    wrong = pd.to_numeric(as_text, errors="coerce").isna() & values.notna()
    if rows := _where(values, wrong):
        text = "text" if values[wrong].map(type).eq(str).all() else "values"
        more = {"examples": list(as_text[wrong].unique()), "mend": mend, "where": where}
        return faults.no_numbers(name, text, *rows, **more)
    if values.isna().all():
        return None
    stored = "text" if types.is_string_dtype(values) else "objects"
    if isinstance(values.dtype, pd.CategoricalDtype):
        stored = "a category"
    return faults.stored_as(name, stored, mend)


def time_fault(values, where=faults.NUMBERS):
    """Say that a column holds dates or durations, or return None."""
    kind = _time_kind(values)
    return kind and faults.times(values.name, kind, len(values), where)


def label_fault(values):
    """Say what is wrong with labels of several kinds, or return None."""
    if not types.is_object_dtype(values):
        return None
    no_label = ~values.map(lambda value: isinstance(value, Hashable)).astype(bool)
    if where := _where(values, no_label):
        kind = type(values[no_label.to_numpy()].iloc[0]).__name__
        return faults.no_label(values.name, kind, *where)
    kinds = values.map(_kind_of_value, na_action="ignore")
    if kinds.nunique() < 2:
        return None
    common, rare = kinds.value_counts().index[[0, -1]]
    return faults.mixed(values.name, (common, rare), *_where(values, kinds == rare))


def _kind_of_value(value):
    if isinstance(value, bool | np.bool):
        return "true and false"
    if isinstance(value, str):
        return "text"
    if isinstance(value, Number):
        return "whole numbers" if isinstance(value, int | np.integer) else "decimals"
    return type(value).__name__


def _where(values, wrong):
    """Count the faulty rows, all rows, and list the first labels, or return None."""
    wrong = np.asarray(wrong, dtype=bool)
    found = int(wrong.sum()), len(values), list(values.index[wrong][:5])
    return found if wrong.any() else None


def _time_kind(values):
    kind = {"m": "timedelta", "M": "date"}.get(values.dtype.kind, "")
    if isinstance(values.dtype, pd.PeriodDtype):
        kind = "period"
    elif types.is_object_dtype(values):
        kind = types.infer_dtype(values.head(1000))
    if kind == "timedelta":
        return "durations"
    return "dates" if kind in ("datetime", "datetime64", "date", "period") else None


# Roles ------------------------------------------------------------------------


def _constant_fault(values):
    there = values.dropna().to_numpy()
    if len(there) < 2 or (there != there[0]).any():
        return None
    return faults.constant(values.name, there[0], len(there))


def predictor_faults(values):
    """Say what is wrong with a predictor, of numbers or of labels: a list."""
    if types.is_numeric_dtype(values) and not types.is_complex_dtype(values):
        return [missing_fault(values), infinite_fault(values)]
    as_numbers = types.is_complex_dtype(values) or _time_kind(values)
    if not as_numbers and types.is_object_dtype(values):
        kinds = set(values.dropna().map(_kind_of_value))
        as_numbers = kinds and kinds <= {"whole numbers", "decimals"}
    fault = number_fault if as_numbers else label_fault
    return [missing_fault(values), fault(values)]


def _group_faults(labels, smallest_group, most_groups):
    found = [missing_fault(labels), label_fault(labels)]
    if any(found):
        return found
    sizes = labels.value_counts()
    sizes = sizes[sizes > 0]
    if alike := _spellings(sizes.index):
        return [faults.spellings(labels.name, alike)]
    if len(sizes) == 1:
        return [faults.one_group(labels.name, sizes.index[0], len(labels))]
    if len(sizes) > most_groups:
        return [faults.many_groups(labels.name, len(sizes), len(labels), most_groups)]
    small = sizes.index[sizes < smallest_group]
    if small.empty:
        return []
    count, _, rows = _where(labels, labels.isin(small))
    return [faults.small_groups(labels.name, small, smallest_group, count, rows)]


def _spellings(labels):
    """Return the labels that differ in nothing but blanks and capitals."""
    same = {}
    for label in labels:
        if isinstance(label, str):
            same.setdefault(" ".join(label.split()).casefold(), []).append(label)
    return [label for alike in same.values() if len(alike) > 1 for label in alike]

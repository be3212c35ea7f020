"""Labels: one value is one label, whatever type of column it comes in."""

import datetime

import numpy as np
import pandas as pd
from pandas.api import types

from partialpool import faults
from partialpool.faults import refuse

# What a settled column holds, and how a reader would call that.
KINDS = {"whole": "whole numbers", "number": "numbers"}
KINDS |= {"truth": "true and false", "text": "text"}
# The kinds of objects that pandas infers, and what each becomes.
NUMBERS = {"integer": "int64", "floating": float, "mixed-integer-float": float}
NUMBERS |= {"decimal": float, "boolean": bool}
TIMES = ("datetime", "datetime64", "date", "period", "time", "timedelta", "interval")
LARGEST_INTEGER = np.iinfo(np.int64).max


def settle(column):
    """Bring a column without missing values to int64, float64, bool or text.

    A category keeps its levels, of one of these kinds; dates, periods and intervals
    become text, value by value. Raises `TypeError` if the column mixes kinds, or holds
    what is no label: the argument is what it holds, in words.
    """
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        labels = settle(pd.Series(dtype.categories, dtype=dtype.categories.dtype))
        if labels.dtype == dtype.categories.dtype and labels.dtype.kind != "f":
            return column
        return column.cat.rename_categories(labels.to_numpy())
    if types.is_bool_dtype(dtype):
        return column.astype(bool)
    if types.is_integer_dtype(dtype):
        if column.max() > LARGEST_INTEGER:
            raise TypeError(f"whole numbers above {LARGEST_INTEGER:,}")
        return column.astype("int64")
    if types.is_float_dtype(dtype):
        # Zero has two signs in floating point, and is one label.
        return column.astype(float) + 0.0
    if dtype.kind in "mM" or isinstance(dtype, pd.PeriodDtype | pd.IntervalDtype):
        return _as_text(column)
    if types.is_object_dtype(dtype):
        return _settle_objects(column)
    if types.is_string_dtype(dtype):
        return column
    # Types of Arrow that NumPy lacks: their values say what they are.
    return _settle_objects(column.astype(object))


def _settle_objects(column):
    found = types.infer_dtype(column, skipna=False)
    if found in ("string", "empty"):
        return column.astype("str")
    if found in TIMES:
        return _as_text(column)
    if found in NUMBERS:
        try:
            numbers = column.astype(NUMBERS[found])
            return numbers + 0.0 if numbers.dtype == float else numbers
        except OverflowError:
            raise TypeError(f"whole numbers above {LARGEST_INTEGER:,}") from None
    kinds = list(dict.fromkeys(type(value).__name__ for value in column.head(10_000)))
    if len(kinds) > 1:
        raise TypeError(f"values of several kinds ({', '.join(kinds[:3])})")
    raise TypeError(f"values of the type {kinds[0]}")


def _as_text(column):
    codes, values = pd.factorize(column)
    texts = np.array([text_of(value) for value in values], dtype=object)
    return pd.Series(texts[codes], column.index, name=column.name).astype("str")


def text_of(value):
    """Write one value as the label that groups and levels carry."""
    if isinstance(value, np.datetime64):
        value = pd.Timestamp(value)
    if isinstance(value, datetime.datetime):
        # A date without a time of day is written as a date, whatever its neighbours.
        at_midnight = value.tzinfo is None and value.time() == datetime.time()
        return str(value.date() if at_midnight else value)
    return str(value)


def kind_of(column):
    """Name the kind of a settled column or of its categories: a key of `KINDS`."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        dtype = dtype.categories.dtype
    kinds = {"b": "truth", "i": "whole", "u": "whole", "f": "number"}
    return kinds.get(dtype.kind, "text")


def is_category(column):
    """Tell whether a settled column is encoded by levels, and not a number."""
    return isinstance(column.dtype, pd.CategoricalDtype) or kind_of(column) == "text"


def refuse_other_kind(column, kind):
    """Refuse a settled column if the fit had another kind; numbers may be decimals."""
    mine = kind_of(column)
    if mine != kind and {mine, kind} != {"whole", "number"}:
        mend = "write the labels as the table of the fit did"
        where = f"the fit had {KINDS[kind]}"
        refuse(faults.wrong_kind(column.name, KINDS[mine], mend, where=where))


def labels_as(column, kind):
    """Labels of the rows of a settled column, as those of `kind` are written."""
    refuse_other_kind(column, kind)
    codes, values = pd.factorize(column)
    values = np.asarray(values)
    mine = kind_of(column)
    if mine == "number" and kind == "whole":
        whole = np.mod(values, 1) == 0
        values = [int(v) if w else v for v, w in zip(values, whole, strict=True)]
    elif mine == "whole" and kind == "number":
        values = values.astype(float)
    return np.array([str(value) for value in values], dtype=object)[codes]

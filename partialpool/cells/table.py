"""Table: rows on any engine, opened under names of our own, and labels read back."""

import difflib
import glob
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from os import PathLike
from pathlib import Path

import narwhals as nw
import numpy as np
import pandas as pd
from pandas.api import types

from partialpool import faults
from partialpool.columns import check_names, label_fault, number_fault
from partialpool.faults import TableError, refuse

WIDE = (nw.Int128, nw.UInt128)
MOST = 2**63 - 1


@dataclass(frozen=True)
class Table:
    """A lazy frame of narwhals whose columns are called by their roles."""

    # Columns ``key0``, ``key1`` and so on, ``y``, ``x0``, ``x1`` and so on.
    frame: nw.LazyFrame
    keys: dict  # names of the labels in the user's table, by role
    outcome: str
    numbers: dict  # names of the slopes, by role
    kinds: dict  # the kind that each column has in the user's table, by role
    coded: set  # labels that are categories of numbers or dates, and stay categories

    @property
    def names(self):
        """Names of all columns, by role."""
        return self.keys | {"y": self.outcome} | self.numbers


def open_table(table, outcome, by, continuous):
    """Open a table of any engine, or the Parquet files of a path, as a `Table`.

    Text stays as it is, true and false become 1 and 0, other numbers floats.
    """
    wanted = [*by, outcome, *continuous]
    if isinstance(table, str | PathLike):
        table = _read_parquet(Path(table).expanduser())
    table, coded = _tidy_table(table, wanted, outcome, by)
    try:
        frame = nw.from_native(table).lazy()
    except TypeError:
        raise TableError(faults.no_table(table)) from None
    check_names(list(frame.columns), wanted)
    if frame.implementation.is_spark_like():
        _check_spark_names(frame.columns, wanted)
    frame = _fill_unknown(frame, wanted)
    schema = frame.collect_schema()
    _check_kinds(schema, outcome, by, continuous)
    keys = {f"key{i}": name for i, name in enumerate(by)}
    numbers = {f"x{i}": name for i, name in enumerate(continuous)}
    opened = Table(frame, keys, outcome, numbers, {}, coded)
    kinds = {role: schema[name] for role, name in opened.names.items()}
    columns = [_as_role(role, opened.names[role], kind) for role, kind in kinds.items()]
    return replace(opened, frame=frame.select(*columns), kinds=kinds)


def _as_role(role, name, kind):
    """Take a column as a kind that every engine can group by or add up."""
    column = nw.col(name)
    if role.startswith("key"):
        column = column.cast(nw.String) if kind in WIDE else column
    elif is_text(kind):
        column = column.cast(nw.String).str.strip_chars()
    else:
        column = column.cast(nw.Int64 if kind == nw.Boolean else nw.Float64)
    return column.alias(role)


def _fill_unknown(frame, wanted):
    """Let columns without a value be floats: an engine that saw none knows no kind."""
    schema = frame.collect_schema()
    for column in (nw.col(name) for name in wanted if schema[name] == nw.Unknown):
        if not collect(frame.select(column.count())).iat[0, 0]:
            frame = frame.with_columns(column.cast(nw.Float64))
    return frame


def collect(frame):
    """Run the query and return its few rows as a pandas frame."""
    import pyarrow as pa

    if frame.implementation.is_pandas_like():
        rows = frame.collect("pandas").to_native()
        for name, kind in rows.dtypes.items():
            if isinstance(kind, pd.ArrowDtype):
                rows[name] = pa.array(rows[name]).to_pandas(date_as_object=False)
        return rows
    rows = frame.collect("pyarrow").to_native()
    for i, kind in enumerate(rows.schema):
        if pa.types.is_string(kind.type) or pa.types.is_large_string(kind.type):
            # Labels as codes: text, made row by row, would cost more than the sums.
            rows = rows.set_column(i, kind.name, rows.column(i).dictionary_encode())
    return rows.to_pandas(date_as_object=False)


@contextmanager
def plain_errors(table):
    """Turn an error from inside an engine into one sentence."""
    try:
        yield
    except (TableError, MemoryError):
        raise
    except Exception as error:
        is_path = isinstance(table, str | PathLike)
        engine = (
            "duckdb" if is_path else type(table).__module__.split(".")[0].strip("_")
        )
        said = (str(error).strip() or type(error).__name__).split("\n")[0]
        raise TableError(faults.engine_stopped(engine, said)) from None


# Files ------------------------------------------------------------------------


def _read_parquet(path):
    import duckdb

    if not path.exists():
        near = _nearest(path)
        hint = f" (did you mean {str(near)!r}?)" if near else ""
        refuse(f"There is no file or folder {str(path)!r}: correct it{hint}.")
    pattern = glob.escape(str(path))
    if path.is_dir():
        if next(path.rglob("*.parquet"), None) is None:
            refuse(
                f"Folder {str(path)!r} holds no file whose name ends in .parquet: give "
                "the folder that does."
            )
        pattern += "/**/*.parquet"
    # A cursor of its own: no setting or table of the user's is touched, and limits on
    # memory or threads hold. The progress bar would end up in a notebook's output.
    connection = duckdb.default_connection().cursor()
    connection.execute("SET enable_progress_bar = false")
    try:
        return connection.read_parquet(pattern)
    except duckdb.Error:
        raise TableError(
            f"{str(path)!r} cannot be read as Parquet: read it yourself, for example "
            "with pandas.read_csv, and give the table."
        ) from None


def _nearest(path):
    """Return what is there under the most similar name, or None."""
    folder = path.parent
    if not folder.is_dir() or "*" in path.name:
        return folder if folder.is_dir() else None
    names = sorted(other.name for other in folder.iterdir())
    near = difflib.get_close_matches(path.name, names, n=1)
    return folder / near[0] if near else None


# Names and kinds --------------------------------------------------------------


def _check_spark_names(there, wanted):
    folded = [name.casefold() for name in there]
    for name in wanted:
        if "." in name:
            refuse(
                f"Column {name!r} has a dot in its name, which Spark reads as a field: "
                "rename it first, with withColumnRenamed."
            )
        if folded.count(name.casefold()) > 1:
            refuse(
                f"Column {name!r} has a namesake in other capitals, and Spark does not "
                "tell them apart: rename or drop one of them first."
            )


def _check_kinds(schema, outcome, by, continuous):
    kind = schema[outcome]
    if not (kind.is_numeric() or kind == nw.Boolean or is_text(kind)):
        refuse(faults.times(outcome, _kind_name(kind)))
    for name in continuous:
        if not schema[name].is_numeric():
            mend = "make them numbers, or name the column in by"
            refuse(faults.wrong_kind(name, _kind_name(schema[name]), mend))
    for name in by:
        kind = schema[name]
        known = kind.is_numeric() or is_text(kind) or _is_time(kind)
        if not (known or kind == nw.Boolean):
            refuse(faults.no_labels(name, _kind_name(kind)))


def is_text(kind):
    """Whether a column holds text or categories."""
    return kind in (nw.String, nw.Categorical, nw.Enum)


def _is_time(kind):
    return kind == nw.Date or (kind == nw.Datetime and kind.time_zone is None)


def _kind_name(kind):
    if is_text(kind):
        return "text"
    if _is_time(kind):
        return "dates"
    if kind == nw.Datetime:
        return "times of a time zone"
    if kind == nw.Boolean:
        return "true and false"
    if kind == nw.Unknown:
        return "values of a kind that not every engine has"
    return f"values of the kind {type(kind).__name__}"


# Columns of pandas and pyarrow ------------------------------------------------


def _tidy_table(table, wanted, outcome, by):
    """Look at the columns of those engines that narwhals would take as they are.

    Returns the labels that pandas keeps as categories of numbers or dates, too.
    """
    if nw.dependencies.is_pandas_dataframe(table):
        if table.columns.nlevels > 1:
            refuse(faults.names_in_levels(table.columns.nlevels, table.columns[0]))
        check_names(list(table.columns), wanted)
        coded = {name for name in by if _is_coded(table.dtypes[name])}
        columns = {n: _tidy(table[n], n in by, n == outcome) for n in wanted}
        return pd.DataFrame(columns, copy=False), coded
    if nw.dependencies.is_pyarrow_table(table):
        import pyarrow as pa

        check_names(table.column_names, wanted)
        columns = {name: _tidy_arrow(table[name], name in by) for name in wanted}
        table = pa.table(columns)
    return table, set()


def _is_coded(kind):
    known = isinstance(kind, pd.CategoricalDtype) and not kind.ordered
    return known and not types.is_string_dtype(kind.categories)


def _tidy_arrow(values, is_label):
    """Spell out numbers kept as a dictionary; let large ones, and -0.0, be floats."""
    import pyarrow as pa
    from pyarrow import compute

    if coded := _coded_kind(values.type):
        values = values.cast(coded)
    if is_label and pa.types.is_floating(values.type):
        # pyarrow tells -0.0 from 0.0 when it groups.
        return compute.add(values.cast(pa.float64()), 0.0)
    if not is_label and pa.types.is_integer(values.type):
        # Of a whole number above 2**53 the last digits do not matter in a sum.
        return values.cast(pa.float64(), safe=False)
    return values


def _coded_kind(kind):
    """Return the kind of values in a dictionary of pyarrow, if they are no text."""
    import pyarrow as pa

    is_coded = pa.types.is_dictionary(kind) and "string" not in str(kind.value_type)
    return kind.value_type if is_coded else None


def _tidy(values, is_label, is_outcome):
    """Give a column of objects, and each kind of category, one kind of value."""
    if isinstance(values.dtype, pd.SparseDtype):
        values = values.sparse.to_dense()
    if isinstance(values.dtype, pd.ArrowDtype):
        if coded := _coded_kind(values.dtype.pyarrow_dtype):
            values = values.astype(pd.ArrowDtype(coded))
        if (types.is_float_dtype if is_label else types.is_integer_dtype)(values):
            return pd.Series(values.to_numpy(float, na_value=np.nan), values.index)
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = _tidy_categories(values)
    if types.is_object_dtype(values):
        values = _tidy_objects(values, is_label, is_outcome)
    if isinstance(values.dtype, pd.IntervalDtype):
        values = _tidy_categories(values.astype(pd.CategoricalDtype(ordered=True)))
    return values


def _tidy_categories(values):
    levels = values.cat.categories
    if types.is_string_dtype(levels):
        return values
    if values.cat.ordered:
        # The bands of pandas.cut, say: their order is all that matters.
        texts = levels.map(str)
        if texts.has_duplicates:
            refuse(label_fault(values.astype(object)))
        return values.cat.rename_categories(texts)
    kind = {"i": "Int64", "u": "UInt64", "b": "boolean"}.get(levels.dtype.kind)
    taken = pd.array(levels, kind).take(values.cat.codes, allow_fill=True)
    return pd.Series(taken, values.index, name=values.name)


def _tidy_objects(values, is_label, is_outcome):
    kind = types.infer_dtype(values)
    if kind in ("empty", "floating", "decimal") or (kind == "integer" and not is_label):
        if kind == "decimal" and is_label:
            _refuse_lost_digits(values.dropna(), values.name)
        return values.where(values.notna(), np.nan).astype(float)
    if kind == "date":
        return pd.to_datetime(values)
    tidy = values.convert_dtypes()
    if not types.is_object_dtype(tidy):
        return tidy
    kinds = set(values.map(type, na_action="ignore").dropna())
    if is_outcome and str in kinds and not kinds & {bool, np.bool}:
        # Numbers among markers, as they come from a spreadsheet.
        return values.map(str, na_action="ignore").astype("str")
    if not is_label:
        refuse(number_fault(values))
    if kind == "integer":
        _refuse_large(values.dropna(), values.name)
    refuse(label_fault(values))
    kind = min(kind.__name__ for kind in kinds)
    return refuse(faults.no_labels(values.name, f"values of the kind {kind}"))


# Labels -----------------------------------------------------------------------


def read_labels(sums, table):
    """Give labels the same kind whichever engine they come from, by name of the column.

    Text becomes categories in alphabetical order, the rest int64, float64, bool or
    datetime64[us]. A label that cannot be held in that kind as it is, is refused.
    """
    counts = sums["n"]
    labels = {}
    for key, name in table.keys.items():
        labels[name] = _read(sums[key], table.kinds[key], name, counts)
        if name in table.coded:
            # A model is to take them for levels, as it does in the rows.
            labels[name] = labels[name].astype("category")
    return labels


def _read(values, kind, name, counts):
    if is_text(kind):
        return _as_categories(values, kind)
    if kind == nw.Boolean:
        return values.astype(bool)
    if _is_time(kind):
        return _as_times(values, name, counts)
    if kind in WIDE:
        values = values.astype(object).map(int)
    if kind in (*WIDE, nw.UInt64):
        _refuse_large(values, name, counts)
    if kind.is_decimal():
        _refuse_lost_digits(values, name, counts)
    return values.astype("int64" if kind.is_integer() else "float64")


def _as_categories(values, kind):
    labels = pd.Categorical(values)
    rows = np.bincount(labels.codes, minlength=len(labels.categories))
    levels = labels.categories[rows > 0]
    if ordered := kind == nw.Enum:
        there = set(levels)
        levels = [level for level in kind.categories if level in there]
    else:
        levels = sorted(levels)
    return labels.set_categories(pd.Index(levels, dtype="str"), ordered=ordered)


def _as_times(values, name, counts):
    # DuckDB's dates without an end are numbers at the edge of what it can hold.
    far = values.astype("datetime64[s]").astype("int64").abs() >= MOST // 10**6
    because = "which are too far away for the dates of pandas"
    _refuse_lost(values, far, name, counts, because, "correct or drop them")
    times = values.astype("datetime64[us]")
    mend = "round them first, in pandas with .dt.floor('us'), or name bands of them"
    because = "which are finer than a millionth of a second"
    _refuse_lost(values, times != values, name, counts, because, mend)
    return times


def _refuse_large(values, name, counts=None):
    large = (values > MOST) | (values < -MOST - 1)
    because = "which are beyond the whole numbers of pandas"
    mend = "make text of them first, in pandas with .astype(str)"
    _refuse_lost(values, large, name, counts, because, mend)


def _refuse_lost_digits(values, name, counts=None):
    lost = [one for one in values.unique() if Decimal(repr(float(one))) != one]
    because = "which have more digits than a float holds"
    mend = "round them, or make text of them, first"
    _refuse_lost(values, values.isin(lost), name, counts, because, mend)


def _refuse_lost(values, lost, name, counts, because, mend):
    """Refuse labels of which something would be lost; rows are counted by cell."""
    if not lost.any():
        return
    if counts is None:
        counts = pd.Series(1, index=values.index)
    found = faults.rows(int(counts[lost].sum()), int(counts.sum()))
    refuse(faults.not_kept(name, values[lost].iloc[0], found, because, mend))

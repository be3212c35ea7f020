"""Cells: any table, on any engine, as one row per combination of its predictors."""

import difflib
import glob
import re
import warnings
from itertools import combinations
from os import PathLike
from pathlib import Path

import narwhals as nw
import numpy as np
import pandas as pd
from pandas.api import types

from partialpool.faults import TableError, absent

# Plain decimal numbers: no blank, no thousands separator, no "nan" and no "inf",
# on which engines differ.
NUMBER = r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"


class RowsDropped(UserWarning):
    """Rows were dropped, as asked: how many, from which column, and why."""


class CellsSaveNothing(UserWarning):
    """There are nearly as many cells as rows: which column may be to blame."""


def collapse(
    table,
    outcome,
    by,
    *,
    continuous=(),
    binary=False,
    missing="refuse",
    suppressed=(),
):
    """Collapse rows to cells: counts, means and sums of squares, in one pass.

    A Gaussian model with predictors `by` and `continuous` learns from the cells
    exactly what it learns from the rows, as long as the numbers enter as they
    are, not bent and not multiplied with each other. A binomial model with
    predictors `by` does likewise. The engine that holds the table does the work,
    and only the cells come into memory.

    Parameters
    ----------
    table : DataFrame, Table, relation or path
        pandas or polars DataFrame, polars LazyFrame, pyarrow Table, DuckDB
        relation or Spark DataFrame; or the path of a Parquet file, or of a
        folder of Parquet files, which DuckDB reads.
    outcome : str
        Column of finite numbers, or of true and false.
    by : str or list of str
        Columns of labels: text, categories, whole numbers, true and false, or
        dates. With an empty list all rows make one cell.
    continuous : str or list of str
        Columns of finite numbers that a model will use as slopes.
    binary : bool
        Whether the numbers of `outcome` are 0 and 1. An outcome of true and
        false always is binary.
    missing : {"refuse", "drop"}
        What to do with rows that lack one of the columns (null or NaN).
    suppressed : sequence of str or number
        Markers that stand in `outcome` for a value held back, such as
        ``("c", "z", "low", "x")`` or ``(-10000,)``; ``""`` is a blank. Their
        rows are dropped. An outcome of text needs them, and its other values
        must be plain decimal numbers; blanks around it do not count.

    Returns
    -------
    pandas.DataFrame
        One row per combination of `by` that occurs, sorted by it, the same
        from every engine but for the rounding of sums. Columns `by`: text
        becomes categories in alphabetical order; ordered categories (of
        pandas, Enum of polars, ENUM of DuckDB) keep their order; other labels
        become int64, float64, bool or datetime64[us]. Then

        ``n`` : int
            Rows in the cell.
        ``mean`` : float
            Mean of the outcome, in its units.
        ``ss`` : float
            Sum of squares of the outcome about that mean, in its units squared.

        and for a binary outcome, in their place, ``trials`` and ``successes``,
        both int. With ``continuous=["x1", "x2"]`` also ``mean_x1``, ``ss_x1``
        and ``sp_x1`` (sum of products of x1 and the outcome, about their means
        in the cell), the same for x2, and ``sp_x1_x2`` for each pair.

        Its ``attrs`` say what was done: ``outcome``, ``by`` and ``continuous``;
        ``rows``, the number in the cells; ``rows_per_cell`` (near 1, a column
        of `by` is really a number or an identifier, and nothing was gained);
        ``dropped``: ``rows``, the number dropped, ``missing``, rows by column,
        and ``suppressed``, rows by marker.

    Raises
    ------
    TableError
        If the table or a column does not fit its role: one plain sentence with
        the column, the rows and the mend.

    Warns
    -----
    RowsDropped
        With the counts, if rows were dropped.
    CellsSaveNothing
        If 1,000 rows or more give fewer than 1.1 rows per cell.

    Notes
    -----
    The cells are the sufficient statistics of the normal and the binomial
    likelihood (Gelman and others, 2013, *Bayesian Data Analysis*, sections 2.4, 3.2
    and 14.2). The engine's own mean and population variance are used, as
    they lose no digits when the spread is small beside the mean: the relative
    error of ``ss`` is below 1e-12 for 30,000 ± 15. An engine that adds in
    several threads rounds the last digit differently from run to run.

    Examples
    --------
    >>> table = pd.DataFrame({"sex": list("FMFM"), "pay": [20.0, 24.0, 22.0, 24.0]})
    >>> collapse(table, "pay", "sex")
      sex  n  mean   ss
    0   F  2  21.0  2.0
    1   M  2  24.0  0.0
    >>> collapse(table, "pey", "sex")
    Traceback (most recent call last):
        ...
    partialpool.faults.TableError: Column 'pey' is not in the table, which has \
'sex', 'pay': correct the name (did you mean 'pay'?).
    """
    by, continuous, suppressed = map(_as_list, (by, continuous, suppressed))
    _check_options(by, continuous, binary, missing)
    _check_roles(outcome, by, continuous)
    frame, schema = _open(table, outcome, [*by, outcome, *continuous])
    _check_kinds(schema, outcome, by, continuous)
    binary = _is_binary(schema, outcome, continuous, binary)
    results = _name_results(by, continuous, binary)

    labels = {f"key{i}": name for i, name in enumerate(by)}
    numbers = {f"x{i}": name for i, name in enumerate(continuous)}
    names = labels | {"y": outcome} | numbers
    frame = _name_by_role(frame, schema, names)
    frame, held_back = _drop_suppressed(frame, schema, outcome, suppressed)
    dropped = {"rows": sum(held_back.values()), "missing": {}, "suppressed": held_back}
    if missing == "drop":
        frame = _drop_missing(frame, names, dropped)

    centres = _find_centres(frame, ["y", *numbers]) if continuous else {}
    sums = _sum(frame, list(labels), list(numbers), binary, centres)
    _check_sums(frame, sums, names, binary, dropped)
    cells = pd.DataFrame(
        {name: _as_labels(sums[key], schema[name]) for key, name in labels.items()}
        | dict(zip(results, _finish(sums, list(numbers), binary, centres), strict=True))
    )
    cells = cells.sort_values(by, ignore_index=True)
    rows = int(sums["n"].sum())
    cells.attrs = {
        "outcome": outcome,
        "by": by,
        "continuous": continuous,
        "rows": rows,
        "rows_per_cell": rows / len(cells),
        "dropped": dropped,
    }
    if dropped["rows"]:
        warnings.warn(_describe(dropped, rows, outcome), RowsDropped, stacklevel=2)
    if 1000 <= rows < 1.1 * len(cells):
        warnings.warn(_spared_nothing(cells, binary), CellsSaveNothing, stacklevel=2)
    return cells


# What is asked for ------------------------------------------------------------


def _as_list(names):
    return list(names) if isinstance(names, list | tuple | pd.Index) else [names]


def _check_options(by, continuous, binary, missing):
    if missing not in ("refuse", "drop"):
        raise TableError(
            f"missing is {missing!r}: give 'refuse', or 'drop' to drop and count the "
            "rows."
        )
    if binary and continuous:
        raise TableError(_slope_fault(continuous))


def _slope_fault(continuous):
    return (
        f"A binary outcome has no exact cells with the number {continuous[0]!r}: put "
        "a few bands of it in by, for example from pandas.cut, or fit the rows."
    )


def _check_roles(outcome, by, continuous):
    names = [*by, outcome, *continuous]
    for name in names:
        if not isinstance(name, str):
            raise TableError(
                f"{name!r} cannot name a column here: use text as names of columns."
            )
    if outcome in [*by, *continuous]:
        raise TableError(
            f"Column {outcome!r} is the outcome and also a predictor: a column cannot "
            "explain itself; name another column for one of the roles."
        )
    for name in names:
        if names.count(name) > 1:
            raise TableError(
                f"Column {name!r} is named {names.count(name)} times in by and "
                "continuous: name it once."
            )


def _name_results(by, continuous, binary):
    """Name the columns after `by`, and see that no name is used twice."""
    results = ["trials", "successes"] if binary else ["n", "mean", "ss"]
    for name in continuous:
        results += [f"mean_{name}", f"ss_{name}", f"sp_{name}"]
    results += [f"sp_{one}_{two}" for one, two in combinations(continuous, 2)]
    for name in results:
        if name in by:
            raise TableError(
                f"Column {name!r} in by has the name of a column of the result: rename "
                "it first."
            )
        if results.count(name) > 1:
            raise TableError(
                f"The names in continuous would give two columns {name!r}: rename one "
                "of them first."
            )
    return results


# The table --------------------------------------------------------------------


def _open(table, outcome, wanted):
    """Return the table as a lazy frame of narwhals, and its schema."""
    if isinstance(table, str | PathLike):
        table = _read_parquet(Path(table).expanduser())
    if isinstance(table, pd.DataFrame):
        _check_names(list(table.columns), wanted)
        table = _tidy(table[wanted], outcome)
    try:
        frame = nw.from_native(table).lazy()
    except TypeError:
        kind = type(table).__name__
        raise TableError(
            f"A table is needed and this is a {kind}: give a DataFrame of pandas, "
            "polars or Spark, a pyarrow Table, a DuckDB relation or the path of a "
            "Parquet file."
        ) from None
    schema = frame.collect_schema()
    _check_names(schema.names(), wanted)
    if frame.implementation.is_spark_like():
        _check_spark_names(schema.names(), wanted)
    return frame, schema


def _read_parquet(path):
    import duckdb

    if not path.exists():
        near = _nearest(path)
        hint = f" (did you mean {str(near)!r}?)" if near else ""
        raise TableError(f"There is no file or folder {str(path)!r}: correct it{hint}.")
    pattern = glob.escape(str(path))
    if path.is_dir():
        if next(path.rglob("*.parquet"), None) is None:
            raise TableError(
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
    if not folder.is_dir():
        return None
    if "*" in path.name:
        return folder
    names = sorted(other.name for other in folder.iterdir())
    near = difflib.get_close_matches(path.name, names, n=1)
    return folder / near[0] if near else None


def _check_names(there, wanted):
    for name in wanted:
        if name not in there:
            raise TableError(absent(name, there))
        if there.count(name) > 1:
            raise TableError(
                f"Column {name!r} is in the table {there.count(name)} times: rename or "
                "drop all but one."
            )


def _check_spark_names(there, wanted):
    folded = [name.casefold() for name in there]
    for name in wanted:
        if "." in name:
            raise TableError(
                f"Column {name!r} has a dot in its name, which Spark reads as a field: "
                "rename it first, with withColumnRenamed."
            )
        if folded.count(name.casefold()) > 1:
            raise TableError(
                f"Column {name!r} has a namesake in other capitals, and Spark does not "
                "tell them apart: rename or drop one of them first."
            )


def _tidy(table, outcome):
    """Give each column of objects, and each kind of category, one kind of value."""
    table = table.copy(deep=False)
    for name, values in table.items():
        if isinstance(values.dtype, pd.CategoricalDtype):
            values = _tidy_categories(values)
        if types.is_object_dtype(values):
            values = _tidy_objects(values.convert_dtypes(), name, outcome)
        table[name] = values
    return table


def _tidy_categories(values):
    if types.is_string_dtype(values.cat.categories):
        return values
    if values.cat.ordered:
        # The bands of pandas.cut, say: their order is all that matters.
        return values.cat.rename_categories(values.cat.categories.map(str))
    return values.astype(object)


def _tidy_objects(values, name, outcome):
    if not types.is_object_dtype(values):
        return values
    if values.isna().all():
        return values.astype(float)
    if name == outcome:
        # Numbers among markers, as they come from a spreadsheet.
        return values.map(str, na_action="ignore").astype("str")
    raise TableError(
        f"Column {name!r} holds values of several kinds, or no labels: make them one "
        f"kind, for example with table[{name!r}] = table[{name!r}].astype(str)."
    )


def _check_kinds(schema, outcome, by, continuous):
    kind = schema[outcome]
    if not (kind.is_numeric() or kind == nw.Boolean or _is_text(kind)):
        raise TableError(
            f"Column {outcome!r} holds {_kind_name(kind)} where numbers are needed: "
            "make numbers of them, such as years."
        )
    for name in continuous:
        if not schema[name].is_numeric():
            raise TableError(
                f"Column {name!r} in continuous holds {_kind_name(schema[name])} where "
                "numbers are needed: make them numbers, or name the column in by."
            )
    for name in by:
        kind = schema[name]
        if not (kind.is_numeric() or _is_text(kind) or _is_time(kind)) and (
            kind != nw.Boolean
        ):
            raise TableError(
                f"Column {name!r} in by holds {_kind_name(kind)}, which cannot serve "
                "as labels: make text, whole numbers or dates of them."
            )


def _is_text(kind):
    return kind in (nw.String, nw.Categorical, nw.Enum)


def _is_time(kind):
    return kind == nw.Date or (kind == nw.Datetime and kind.time_zone is None)


def _kind_name(kind):
    if _is_text(kind):
        return "text"
    if kind == nw.Boolean:
        return "true and false"
    if kind == nw.Datetime and kind.time_zone:
        return "times of a time zone"
    if _is_time(kind):
        return "dates"
    return f"values of the kind {str(kind).split('(')[0]}"


def _is_binary(schema, outcome, continuous, binary):
    if schema[outcome] == nw.Boolean and continuous:
        raise TableError(_slope_fault(continuous))
    return binary or schema[outcome] == nw.Boolean


def _name_by_role(frame, schema, names):
    """Select the columns under names of our own, as kinds every engine can add up."""
    columns = []
    for role, name in names.items():
        column, kind = nw.col(name), schema[name]
        if role.startswith("key"):
            column = _as_key(column, kind)
        elif _is_text(kind):
            column = column.cast(nw.String).str.strip_chars()
        else:
            column = column.cast(nw.Int64 if kind == nw.Boolean else nw.Float64)
        columns.append(column.alias(role))
    return frame.select(*columns)


def _as_key(column, kind):
    if kind in (nw.Int128, nw.UInt128):
        return column.cast(nw.Int64)
    return column.cast(nw.Float64) if kind.is_decimal() else column


def _collect(frame):
    """Run the query and return its few rows as a pandas frame."""
    if frame.implementation.is_pandas_like():
        return frame.collect("pandas").to_native()
    import pyarrow as pa

    rows = frame.collect("pyarrow").to_native()
    for i, kind in enumerate(rows.schema):
        if pa.types.is_string(kind.type) or pa.types.is_large_string(kind.type):
            # Labels as codes: text, made row by row, would cost more than the sums.
            rows = rows.set_column(i, kind.name, rows.column(i).dictionary_encode())
    return rows.to_pandas(date_as_object=False)


# Rows that are dropped --------------------------------------------------------


def _drop_suppressed(frame, schema, outcome, suppressed):
    """Drop the rows whose outcome is a marker; return them counted by marker."""
    y = nw.col("y")
    if _is_text(schema[outcome]):
        markers = [str(mark) for mark in suppressed]
        found = _count_values(frame)
        _check_text(found.drop(markers, errors="ignore"), outcome, markers)
        # Markers are null before the cast: an engine may try it on rows that the
        # filter drops.
        number = nw.when(~y.is_in(markers)).then(y).cast(nw.Float64)
    else:
        markers = [float(mark) for mark in suppressed if not isinstance(mark, str)]
        found = _count_values(frame.filter(y.is_in(markers))) if markers else {}
        number = y
    counts = {mark: int(found[mark]) for mark in markers if mark in found}
    if counts:
        frame = frame.filter(y.is_null() | ~y.is_in(markers))
    return frame.with_columns(number.alias("y")), counts


def _count_values(frame):
    """Count each value of the outcome, the most frequent first."""
    y = nw.col("y")
    found = frame.filter(~y.is_null()).group_by("y").agg(nw.len().alias("n"))
    found = _collect(found)
    found = pd.Series(found["n"].to_numpy(int), found["y"].to_numpy())
    return found.sort_index().sort_values(ascending=False, kind="stable")


def _check_text(found, outcome, markers):
    """Refuse text that is neither a number nor a marker."""
    texts = [text for text in found.index if not re.fullmatch(NUMBER, text)]
    if not texts and len(found) and not markers:
        raise TableError(
            f"Column {outcome!r} holds numbers stored as text or objects: make numbers "
            "of them first."
        )
    if not texts:
        return
    rows = int(found[texts].sum())
    if signed := _numbers_with_signs(texts, found):
        raise TableError(
            f"Column {outcome!r} holds text such as {signed[0]!r} in {_rows(rows)} "
            "where numbers are needed: make numbers of it first, for example with "
            "str.replace and pd.to_numeric of pandas."
        )
    shown = [f"{text!r} in {found[text]:,}" for text in texts[:6]]
    if len(texts) > 6:
        shown.append(f"{len(texts) - 6:,} more")
    listed = ", ".join(map(repr, [*markers, *texts[:6]]))
    raise TableError(
        f"Column {outcome!r} holds text in {_rows(rows)} where numbers are needed "
        f"({', '.join(shown)}): correct {_them(rows)}, or, if they mark values held "
        f"back, drop and count {_them(rows)} with suppressed=[{listed}]."
    )


def _numbers_with_signs(texts, found):
    """Return the texts that hold digits, if they are too many to be markers."""
    signed = [text for text in texts if re.search(r"\d", text)]
    # Markers such as "<10" are few; "£154,241" differs from row to row.
    return signed if len(signed) > min(6, len(found) / 2) else []


def _drop_missing(frame, names, dropped):
    """Drop the rows that lack a value, and add them, by column, to `dropped`."""
    kinds = frame.collect_schema()
    complete = nw.all_horizontal(
        *(~_is_missing(role, kinds[role]) for role in names), ignore_nulls=False
    )
    counts = _count(frame, names, complete=complete)
    dropped["rows"] += counts["rows"] - counts["complete"]
    dropped["missing"] = _pick_missing(counts, names)
    return frame.filter(complete)


def _is_missing(role, kind):
    column = nw.col(role)
    return column.is_null() | column.is_nan() if kind.is_float() else column.is_null()


def _count(frame, names, **conditions):
    """Count rows: all, those of each condition, and by role missing and infinite."""
    kinds = frame.collect_schema()
    for role in names:
        conditions[f"missing {role}"] = _is_missing(role, kinds[role])
        if kinds[role].is_float():
            conditions[f"infinite {role}"] = nw.col(role).abs() == np.inf
    counts = [
        condition.cast(nw.Int64).sum().alias(label)
        for label, condition in conditions.items()
    ]
    row = _collect(frame.select(nw.len().alias("rows"), *counts)).iloc[0]
    return {label: int(count) for label, count in row.items()}


def _pick_missing(counts, names):
    lacking = {name: counts[f"missing {role}"] for role, name in names.items()}
    return {name: rows for name, rows in lacking.items() if rows}


def _describe(dropped, rows, outcome):
    parts = [
        f"{outcome!r} is {marker!r} in {count:,}"
        for marker, count in dropped["suppressed"].items()
    ]
    parts += [
        f"{name!r} is missing in {count:,}"
        for name, count in dropped["missing"].items()
    ]
    return (
        f"Dropped {dropped['rows']:,} of {_rows(rows + dropped['rows'])}: "
        f"{', '.join(parts)}."
    )


# Sums -------------------------------------------------------------------------


def _find_centres(frame, roles):
    """Return a number near the values of each column: the mean of a first part."""
    means = _collect(frame.head(1000).select(*(nw.col(role).mean() for role in roles)))
    means = means.iloc[0].to_numpy(float, na_value=np.nan)
    return dict(zip(roles, np.where(np.isfinite(means), means, 0.0), strict=True))


def _sum(frame, keys, numbers, binary, centres):
    """Let the engine add up, in one pass; missing values are counted on the way."""
    y = nw.col("y")
    sums = [nw.len().alias("n"), y.count().alias("seen y")]
    if binary:
        wrong = ((y != 0) & (y != 1)).cast(nw.Int64)
        frame = frame.with_columns(wrong.alias("wrong"))
        sums += [y.sum().alias("successes"), nw.col("wrong").sum()]
    else:
        if numbers:
            frame = _multiply(frame, numbers, centres)
        for role in ["y", *numbers]:
            column = nw.col(role)
            sums += [
                column.mean().alias(f"mean {role}"),
                column.var(ddof=0).alias(f"var {role}"),
            ]
        sums += [nw.col(role).count().alias(f"seen {role}") for role in numbers]
        sums += [nw.col(pair).mean() for pair in _pairs(numbers)]
    if keys:
        return _collect(frame.group_by(keys).agg(*sums))
    return _collect(frame.select(*sums))


def _pairs(numbers):
    """Name the products: of each number with the outcome, then among themselves."""
    return {
        f"{one} {two}": (one, two)
        for one, two in [
            *((role, "y") for role in numbers),
            *combinations(numbers, 2),
        ]
    }


def _multiply(frame, numbers, centres):
    """Centre the columns roughly, then add the column of each product.

    The mean of a product less the product of the means is the covariance, but
    for 30,000 ± 15 it would be a small difference of two large numbers, and
    most digits would go. Any centre within the range of the data keeps them,
    and the formula is exact whatever the centre.
    """
    frame = frame.with_columns(
        *(nw.col(role) - float(centres[role]) for role in ["y", *numbers])
    )
    return frame.with_columns(
        *(
            (nw.col(one) * nw.col(two)).alias(pair)
            for pair, (one, two) in _pairs(numbers).items()
        )
    )


def _check_sums(frame, sums, names, binary, dropped):
    """Refuse what the cells show to be amiss; only then count it in the rows."""
    if not sums["n"].sum():
        raise TableError(_empty_fault(dropped["rows"], names["y"]))
    keys = [role for role in names if role.startswith("key")]
    seen = sums.filter(like="seen ")
    added_up = sums.drop(columns=[*keys, "n", *seen]).to_numpy(float, na_value=np.nan)
    if (
        sums[keys].isna().any(axis=None)
        or seen.lt(sums["n"], axis=0).any(axis=None)
        or not np.isfinite(added_up).all()
    ):
        raise TableError(_missing_fault(_count(frame, names), names))
    if binary and sums["wrong"].any():
        raise TableError(_binary_fault(frame, int(sums["wrong"].sum()), names["y"]))


def _empty_fault(dropped, outcome):
    if dropped:
        return (
            f"No row is left of {dropped:,}: in each, column {outcome!r} is suppressed "
            "or some column is missing; choose other columns."
        )
    return (
        f"The table has 0 rows, so column {outcome!r} holds nothing to learn from: "
        "check the filter or the file it came from."
    )


def _missing_fault(counts, names):
    if lacking := _pick_missing(counts, names):
        parts = [f"column {name!r} in {_rows(rows)}" for name, rows in lacking.items()]
        return (
            f"A value is missing in {' and in '.join(parts)} of {counts['rows']:,}: "
            "drop and count them with missing='drop', or fill them in."
        )
    for role, name in names.items():
        if rows := counts.get(f"infinite {role}"):
            return (
                f"Column {name!r} is infinite in {_rows(rows)} of {counts['rows']:,}: "
                "it often comes from the log of 0 or a division by 0; correct or drop "
                f"{_them(rows)}."
            )
    return (
        f"Column {names['y']!r} or a number in continuous is too large for its square "
        "to be held: divide it by a power of ten."
    )


def _binary_fault(frame, rows, outcome):
    y = nw.col("y")
    values = _collect(frame.filter((y != 0) & (y != 1)).head(1000))["y"].unique()
    shown = ", ".join(f"{value:g}" for value in sorted(values)[:3])
    return (
        f"Column {outcome!r} holds numbers such as {shown} in {_rows(rows)} where 0 "
        "and 1 are needed: recode it, or leave binary=True out."
    )


def _rows(count):
    return f"{count:,} row{'s' * (count != 1)}"


def _them(count):
    return "it" if count == 1 else "them"


# The result -------------------------------------------------------------------


def _finish(sums, numbers, binary, centres):
    """Turn means into the sums of the result, in the order of its names."""
    n = sums["n"].to_numpy("int64")
    if binary:
        return [n, sums["successes"].to_numpy("int64")]

    def of(name):
        return sums[name].to_numpy(float)

    def products(one, two):
        return n * (of(f"{one} {two}") - of(f"mean {one}") * of(f"mean {two}"))

    columns = [n, centres.get("y", 0.0) + of("mean y"), n * of("var y")]
    for x in numbers:
        columns += [centres[x] + of(f"mean {x}"), n * of(f"var {x}"), products(x, "y")]
    return columns + [products(one, two) for one, two in combinations(numbers, 2)]


def _spared_nothing(cells, binary):
    sizes = cells[cells.attrs["by"]].nunique()
    mend = "put a few bands of it in by=" if binary else "name it in continuous="
    return (
        f"Nothing is gained from {len(cells):,} cells of {cells.attrs['rows']:,} rows: "
        f"if column {sizes.idxmax()!r}, with {sizes.max():,} different values, is a "
        f"number, {mend}, and if it is an identifier, leave it out."
    )


def _as_labels(values, kind):
    """Give labels the same kind whichever engine they come from."""
    if _is_text(kind):
        return _as_categories(values, kind)
    if kind == nw.Boolean:
        return values.astype(bool)
    if _is_time(kind):
        return values.astype("datetime64[us]")
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

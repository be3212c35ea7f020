"""Dropped: rows that lack a value, or whose outcome is a marker, are counted out."""

import re
from dataclasses import replace

import narwhals as nw
import numpy as np
import pandas as pd

from partialpool import faults
from partialpool.cells.table import collect, is_text
from partialpool.faults import refuse

# Plain decimal numbers: no blank, no thousands separator, no "nan" and no "inf",
# on which engines differ.
NUMBER = r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"


class RowsDropped(UserWarning):
    """Rows were dropped, as asked: how many, from which column, and why."""


def drop_suppressed(table, suppressed):
    """Drop the rows whose outcome is a marker: make numbers of it, and count them.

    The counts are ``rows``, ``missing`` by column and ``suppressed`` by marker.
    """
    y, frame = nw.col("y"), table.frame
    if is_text(table.kinds["y"]):
        markers = [str(mark) for mark in suppressed]
        found = _count_values(frame)
        _check_text(found.drop(markers, errors="ignore"), table.outcome, markers)
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
    dropped = {"rows": sum(counts.values()), "missing": {}, "suppressed": counts}
    return replace(table, frame=frame.with_columns(number.alias("y"))), dropped


def _count_values(frame):
    """Count each value of the outcome, the most frequent first."""
    y = nw.col("y")
    found = frame.filter(~y.is_null()).group_by("y").agg(nw.len().alias("n"))
    found = collect(found)
    found = pd.Series(found["n"].to_numpy(int), found["y"].to_numpy())
    return found.sort_index().sort_values(ascending=False, kind="stable")


def _check_text(found, outcome, markers):
    """Refuse text that is neither a number nor a marker."""
    texts = [text for text in found.index if not re.fullmatch(NUMBER, text)]
    if not texts and len(found) and not markers:
        mend = "make numbers of them first"
        refuse(faults.stored_as(outcome, "text or objects", mend))
    if not texts:
        return
    rows = int(found[texts].sum())
    signed = [text for text in texts if re.search(r"\d", text)]
    # Markers such as "<10" are few; "£154,241" differs from row to row.
    if len(signed) > min(6, len(found) / 2):
        mend = "make numbers of it first, for example with str.replace and "
        more = {"examples": signed[:1], "mend": mend + "pd.to_numeric of pandas"}
        refuse(faults.no_numbers(outcome, "text", rows, **more))
    refuse(faults.unknown_markers(outcome, found[texts].to_dict(), markers))


def drop_missing(table, dropped):
    """Drop the rows that lack a value, and count them by column too."""
    kinds = table.frame.collect_schema()
    there = [~_is_missing(role, kinds[role]) for role in table.names]
    complete = nw.all_horizontal(*there, ignore_nulls=False)
    counts = count_rows(table, complete=complete)
    dropped = dropped | {
        "rows": dropped["rows"] + counts["rows"] - counts["complete"],
        "missing": pick(counts, "missing", table.names),
    }
    return replace(table, frame=table.frame.filter(complete)), dropped


def count_rows(table, **conditions):
    """Count rows: all, those of each condition, and by role missing and infinite."""
    kinds = table.frame.collect_schema()
    for role in table.names:
        conditions[f"missing {role}"] = _is_missing(role, kinds[role])
        if kinds[role].is_float() and role not in table.keys:
            conditions[f"infinite {role}"] = nw.col(role).abs() == np.inf
    counts = [one.cast(nw.Int64).sum().alias(name) for name, one in conditions.items()]
    row = collect(table.frame.select(nw.len().alias("rows"), *counts)).iloc[0]
    return {label: int(count) for label, count in row.items()}


def pick(counts, what, names):
    """Pick from the counts those of one condition that are not 0, by column."""
    found = {name: counts.get(f"{what} {role}", 0) for role, name in names.items()}
    return {name: count for name, count in found.items() if count}


def _is_missing(role, kind):
    column = nw.col(role)
    return column.is_null() | column.is_nan() if kind.is_float() else column.is_null()


def describe(dropped, rows, outcome):
    """Say how many rows were dropped, and why."""
    marked, missing = dropped["suppressed"].items(), dropped["missing"].items()
    parts = [f"{outcome!r} is {marker!r} in {count:,}" for marker, count in marked]
    parts += [f"{name!r} is missing in {count:,}" for name, count in missing]
    return (
        f"Dropped {dropped['rows']:,} of {faults.rows(rows + dropped['rows'])}: "
        f"{', '.join(parts)}."
    )

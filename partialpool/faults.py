"""Faults: what is wrong with a table, said once, in one sentence for each fault.

Every check of a table says what it found in the words of this module, whether
pandas counted the rows or another engine did. So the functions take names, counts
and a few labels, never a table, and return a sentence that names the column, the
rows and the mend.
"""

from difflib import get_close_matches

ANY_ENGINE = (
    "give a DataFrame of pandas, polars or Spark, a pyarrow Table, a DuckDB relation "
    "or the path of a Parquet file"
)
NUMBERS = "numbers are needed"
# Said of missing values: {it} stands for the rows.
DROP = "drop and count {it} with missing='drop'"


class TableError(ValueError):
    """A table that does not fit what is asked of it: one sentence for each fault."""


def refuse(*sentences):
    """Raise the faults, each once and one a line; those that are None are not there."""
    faults = list(dict.fromkeys(sentence for sentence in sentences if sentence))
    if faults:
        raise TableError("\n".join(faults))


# Words ------------------------------------------------------------------------


def quote(name):
    """Write a name, or a label, as a reader would type it: text in quotes."""
    return repr(str(name)) if isinstance(name, str) else str(name)


def rows(count, of=None, labels=()):
    """Count rows in words: "3 rows", "all 3 rows", "3 of 20 rows (rows 4, 7, 9)".

    `labels` are those of the first rows with the fault; five at most are shown.
    """
    text = f"{count:,} row{'s' * (count != 1)}"
    if of is not None and of > 1:
        text = f"all {text}" if count == of else f"{count:,} of {of:,} rows"
    return f"{text} ({row_labels(labels, count)})" if len(labels) else text


def row_labels(labels, count):
    """Name the first rows of `count`: "row 4", "rows 4, 7, 9, 12, 13 and 2 more"."""
    return f"row{'s' * (count != 1)} {_first(map(str, labels[:5]), count)}"


def some(labels, noun):
    """Name the first three of some labels: "labels 'A', 'B', 'C' and 1 more"."""
    shown = map(quote, labels[:3])
    return f"{noun}{'s' * (len(labels) != 1)} {_first(shown, len(labels))}"


def it(count):
    """Return the pronoun for so many rows: "it" or "them"."""
    return "it" if count == 1 else "them"


def _first(shown, count):
    shown = list(shown)
    more = f" and {count - len(shown):,} more" if count > len(shown) else ""
    return ", ".join(shown) + more


def _column(name, fault, mend):
    return f"Column {quote(name)} {fault}: {mend}."


def _cast(name, kind):
    return f"table[{quote(name)}] = table[{quote(name)}].astype({kind})"


# The table and its names ------------------------------------------------------


def no_table(value, mend=ANY_ENGINE, *, needed="table"):
    """Say that a value is no table, or not the kind of table that is needed."""
    package, kind = type(value).__module__.split(".")[0], type(value).__name__
    given = kind if package == "builtins" else f"{package} {kind}"
    given = "None" if value is None else f"a {given}"
    return f"A {needed} is needed and this is {given}: {mend}."


def no_rows(name=None, table="table"):
    """Say that a table is empty: give the outcome, where there is one."""
    holds = f"column {quote(name)} holds" if name is not None else "it holds"
    return (
        f"The {table} has 0 rows, so {holds} nothing to learn from: check the filter "
        "or the file it came from."
    )


def none_left(name, dropped):
    """Say that nothing is left of so many rows after some were dropped, as asked."""
    return (
        f"No row is left of {dropped:,}: in each, column {quote(name)} is suppressed "
        "or some column is missing; choose other columns."
    )


def engine_stopped(engine, said):
    """Say that an engine could not read or work out the table: give its own words."""
    return (
        f"{engine} could not work out the table and says {said.rstrip('.')!r}: mend "
        "the column, query or file that this names."
    )


def absent(name, there, *, hint="", table="table"):
    """Say that a column is not there, with the likeliest name.

    `hint` is another way out, `table` the kind of table, such as "table of new rows".
    """
    alike = {str(column).strip().casefold(): column for column in there}
    close = get_close_matches(str(name).strip().casefold(), alike, n=1)
    guess = f" (did you mean {quote(alike[close[0]])}?)" if close else ""
    listed = _first(map(quote, there[:12]), len(there)) or "no columns"
    mend = f"correct the name{guess}{f' or {hint}' if hint else ''}"
    return _column(name, f"is not in the {table}, which has {listed}", mend)


def repeated(name, count):
    """Say that several columns have one name."""
    return _column(name, f"is in the table {count} times", "rename or drop all but one")


def no_name(name, mend="give the name of one column, as text"):
    """Say that something cannot name a column."""
    text = quote(name)
    if "\n" in text or len(text) > 40:
        text = f"A {type(name).__name__}"
    return f"{text} cannot name a column here: {mend}."


def names_in_levels(levels, example):
    """Say that each column has several names, one above the other."""
    return (
        f"The columns of this table have {levels} levels, such as {example!r}: give "
        "each column one name, for example with "
        "table.columns = ['_'.join(map(str, name)) for name in table.columns]."
    )


def two_roles(name, other="a group or a predictor"):
    """Say that the outcome is also among what should explain it."""
    mend = "a column cannot explain itself; name another column for one of the roles"
    return _column(name, f"is the outcome and also {other}", mend)


def named_twice(name, count, where):
    """Say that one column is named several times in one role, or in two."""
    return _column(name, f"is named {count} times in {where}", "name it once")


def index_repeats(labels):
    """Say that the index does not tell rows apart: give the labels that repeat."""
    return (
        f"The index repeats {some(labels, 'label')}, so rows cannot be told apart: use "
        "table = table.reset_index(drop=True)."
    )


# Values -----------------------------------------------------------------------


def missing(name, count, of, labels=(), mend=None):
    """Say that values are missing; in a `mend`, ``{it}`` stands for the rows."""
    mend = mend or f"drop {{it}} with table.dropna(subset=[{quote(name)}])"
    mend = f"{mend.replace('{it}', it(count))}, or fill {it(count)} in"
    return _column(name, f"is missing in {rows(count, of, labels)}", mend)


def infinite(name, count, of, labels=()):
    """Say that numbers are infinite; the counts are those of :func:`missing`."""
    mend = "it often comes from the log of 0 or a division by 0; correct or drop "
    return _column(name, f"is infinite in {rows(count, of, labels)}", mend + it(count))


def not_positive(name, count, of, labels=(), *, because, mend):
    """Say that numbers are 0 or less where `because` needs them above."""
    fault = f"is not above 0 in {rows(count, of, labels)}{because}"
    return _column(name, fault, mend)


def no_numbers(
    name, kind, count, of=None, labels=(), *, examples=(), mend=None, where=NUMBERS
):
    """Say that text, or `kind` "values", stands where numbers are needed.

    Three `examples` at most are shown; `where` says what else is needed instead.
    """
    mend = mend or f"correct or drop {it(count)}, then use {_cast(name, 'float')}"
    shown = ", ".join(map(quote, examples[:3]))
    found = f"{kind} such as {shown} in {rows(count, of, labels)}"
    return wrong_kind(name, found, mend, where=where)


def unknown_markers(name, found, markers):
    """Say that text, `found` so often, stands among numbers, and how to drop it."""
    count = sum(found.values())
    shown = [f"{text!r} in {number:,}" for text, number in found.items()]
    listed = ", ".join(map(repr, [*markers, *list(found)[:6]]))
    where = f"{NUMBERS} ({_first(shown[:6], len(found))})"
    mend = (
        f"correct {it(count)}, or, if they mark values held back, drop and count "
        f"{it(count)} with suppressed=[{listed}]"
    )
    return wrong_kind(name, f"text in {rows(count)}", mend, where=where)


def stored_as(name, stored, mend=None):
    """Say that numbers are stored as text, objects or a category."""
    mend = mend or f"use {_cast(name, 'float')}"
    return _column(name, f"holds numbers stored as {stored}", mend)


def true_and_false(name, mend=None, where=NUMBERS):
    """Say that true and false stand where numbers are needed."""
    mend = mend or f"use {_cast(name, 'int')}, which makes them 1 and 0"
    return wrong_kind(name, "true and false", mend, where=where)


def wrong_kind(name, kind, mend, *, of=None, where=NUMBERS):
    """Say that a whole column, of so many rows, is of a kind that does not serve."""
    share = f" in {rows(of, of)}" if of else ""
    return _column(name, f"holds {kind}{share} where {where}", mend)


def times(name, kind, of=None, where=NUMBERS):
    """Say that a column, of so many rows, holds "dates", "durations" or the like."""
    example = ", for example with .dt.total_seconds()"
    example = example if kind == "durations" else ", such as years"
    return wrong_kind(name, kind, f"make numbers of them{example}", of=of, where=where)


def no_labels(name, kind):
    """Say that a whole column is of a kind that cannot name groups."""
    mend = "make text, whole numbers or dates of them"
    return _column(name, f"holds {kind}, which cannot serve as labels", mend)


def no_label(name, kind, count, of, labels=()):
    """Say that some rows hold a list, say, where a label is needed."""
    found = f"a {kind} in {rows(count, of, labels)}"
    mend = "write one label in each row"
    return wrong_kind(name, found, mend, where="a label is needed")


def mixed(name, kinds, count, of, labels=()):
    """Say that a column mixes two kinds of values, the commoner named first."""
    numbers = set(kinds) <= {"whole numbers", "decimals"}
    mend = f"make them one kind with {_cast(name, 'float' if numbers else 'str')}"
    found = f"{kinds[1]}, the latter in {rows(count, of, labels)}"
    return _column(name, f"mixes {kinds[0]} with {found}", mend)


def not_kept(name, example, found, because, mend):
    """Say that labels, in so many rows as `found` says, would not be kept whole."""
    return _column(name, f"holds labels such as {example} in {found}, {because}", mend)


def too_large(name):
    """Say that the square of a number overflows."""
    fault = "holds numbers too large for their squares to be held"
    return _column(name, fault, "divide them by a power of ten")


def not_binary(name, examples, count):
    """Say that other numbers stand where 0 and 1 are needed."""
    found = f"numbers such as {', '.join(examples)} in {rows(count)}"
    mend = "recode it, or leave binary=True out"
    return wrong_kind(name, found, mend, where="0 and 1 are needed")


def binary_with_number(name):
    """Say that a binary outcome and a number make no exact cells."""
    fault = "is a number, and cells of a binary outcome hold none"
    mend = "put a few bands of it in by, for example from pandas.cut, or fit the rows"
    return _column(name, fault, mend)


def constant(name, value, of):
    """Say that an outcome never differs."""
    fault = f"is {value} in all {of:,} rows, and a model explains differences"
    return _column(name, fault, "choose another column")


# Groups -----------------------------------------------------------------------


def one_group(name, label, of):
    """Say that there is nothing to pool."""
    group = f"label {quote(label)} in {rows(of, of)}"
    fault = f"has one group only ({group}), and pooling needs several"
    return _column(name, fault, "choose another column")


def many_groups(name, groups, of, most):
    """Say that there are so many groups that the column may be an identifier."""
    mend = (
        "it looks like an identifier or a number; choose a coarser column, or pass "
        f"most_groups={groups} if it is right"
    )
    fault = f"has {groups:,} groups in {of:,} rows, more than {most:,}"
    return _column(name, fault, mend)


def small_groups(name, groups, smallest, count, labels):
    """Say that some groups have fewer rows than `smallest`: all rows of these."""
    number = "1 row" if smallest == 2 else f"fewer than {smallest} rows"
    found = f"{some(groups, 'group')} of {number} ({row_labels(labels, count)})"
    mend = (
        f"merge or drop {it(len(groups))}, or pass smallest_group=1, since partial "
        "pooling can use a group of one"
    )
    return _column(name, f"has {found}", mend)


def spellings(name, labels):
    """Say that some labels differ in nothing but blanks and capitals."""
    column = f"table[{quote(name)}]"
    mend = f"make them one, for example with {column} = {column}"
    mend += ".str.strip().str.casefold()"
    fault = f"spells one group in several ways ({some(labels, 'label')})"
    return _column(name, fault, mend)

"""Sums: counts, means and sums of squares, as each engine adds them up."""

from itertools import combinations

import narwhals as nw
import numpy as np

from partialpool import faults
from partialpool.cells.dropped import count_rows, pick
from partialpool.cells.table import collect
from partialpool.faults import refuse


def add_up(table, binary, dropped):
    """Let the engine add up, in one pass; missing values are counted on the way.

    Returns the sums, one row a cell, every value there and finite, and the centres that
    were taken from the columns before they were multiplied. `dropped` counts rows.
    """
    centres = _find_centres(table) if table.numbers else {}
    sums = _sum(table, binary, centres)
    _check_sums(sums, table, binary, dropped)
    return sums, centres


def _find_centres(table):
    """Return a number near the values of each column: the mean of a first part."""
    roles = ["y", *table.numbers]
    means = table.frame.head(1000).select(*(nw.col(role).mean() for role in roles))
    means = collect(means).iloc[0].to_numpy(float, na_value=np.nan)
    return dict(zip(roles, np.where(np.isfinite(means), means, 0.0), strict=True))


def _sum(table, binary, centres):
    y, frame = nw.col("y"), table.frame
    sums = [nw.len().alias("n"), y.count().alias("seen y")]
    if binary:
        wrong = ((y != 0) & (y != 1)).cast(nw.Int64)
        frame = frame.with_columns(wrong.alias("wrong"))
        sums += [y.sum().alias("successes"), nw.col("wrong").sum()]
    else:
        if table.numbers:
            frame = _multiply(table, centres)
        for role in ["y", *table.numbers]:
            column = nw.col(role)
            mean, variance = column.mean(), column.var(ddof=0)
            sums += [mean.alias(f"mean {role}"), variance.alias(f"var {role}")]
        sums += [nw.col(role).count().alias(f"seen {role}") for role in table.numbers]
        sums += [nw.col(pair).mean() for pair in _pairs(table.numbers)]
    if table.keys:
        return collect(frame.group_by(*table.keys).agg(*sums))
    return collect(frame.select(*sums))


def _pairs(numbers):
    """Name the products: of each number with the outcome, then among themselves."""
    pairs = [*((role, "y") for role in numbers), *combinations(numbers, 2)]
    return {f"{one} {two}": (one, two) for one, two in pairs}


def _multiply(table, centres):
    """Centre the columns roughly, then add the column of each product.

    The mean of a product less the product of the means is the covariance, but
    for 30,000 ± 15 it would be a small difference of two large numbers, and
    most digits would go. Any centre within the range of the data keeps them,
    and the formula is exact whatever the centre.
    """
    centred = [nw.col(role) - float(centres[role]) for role in ["y", *table.numbers]]
    pairs = _pairs(table.numbers).items()
    products = [(nw.col(x) * nw.col(z)).alias(pair) for pair, (x, z) in pairs]
    return table.frame.with_columns(*centred).with_columns(*products)


def read_sums(sums, table, binary, centres):
    """Turn means into the sums of the result, in the order of its names."""
    n = sums["n"].to_numpy("int64")
    if binary:
        return [n, sums["successes"].to_numpy("int64")]

    def of(name):
        return sums[name].to_numpy(float)

    def products(one, two):
        return n * (of(f"{one} {two}") - of(f"mean {one}") * of(f"mean {two}"))

    columns = [n, centres.get("y", 0.0) + of("mean y"), n * of("var y")]
    for x in table.numbers:
        columns += [centres[x] + of(f"mean {x}"), n * of(f"var {x}"), products(x, "y")]
    return columns + [products(one, two) for one, two in combinations(table.numbers, 2)]


def _check_sums(sums, table, binary, dropped):
    """Refuse what the cells show to be amiss; only then count it in the rows."""
    if not sums["n"].sum():
        missing = faults.none_left(table.outcome, dropped) if dropped else None
        refuse(missing or faults.no_rows(table.outcome))
    keys, seen = sums[[*table.keys]], sums.filter(like="seen ")
    if keys.isna().any(axis=None) or seen.lt(sums["n"], axis=0).any(axis=None):
        _refuse_gaps(table)
    added_up = sums.drop(columns=[*keys, "n", *seen])
    finite = np.isfinite(added_up.to_numpy(float, na_value=np.nan)).all(axis=0)
    if not finite.all():
        _refuse_gaps(table)
        large = added_up.columns[~finite][0].split()[-1]
        refuse(faults.too_large(table.names[large]))
    if binary and sums["wrong"].any():
        y = nw.col("y")
        wrong = collect(table.frame.filter((y != 0) & (y != 1)).head(1000))["y"]
        examples = [f"{value:g}" for value in sorted(wrong.unique())[:3]]
        rows = int(sums["wrong"].sum())
        refuse(faults.not_binary(table.outcome, examples, rows))


def _refuse_gaps(table):
    """Refuse missing values, or else infinite ones: one sentence for each column."""
    counts = count_rows(table)
    rows = counts["rows"]
    missing = pick(counts, "missing", table.names).items()
    refuse(*(faults.missing(*found, rows, mend=faults.DROP) for found in missing))
    infinite = pick(counts, "infinite", table.names).items()
    refuse(*(faults.infinite(*found, rows) for found in infinite))

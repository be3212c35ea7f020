"""Grouped tables: the ones that the book's packages ship, chosen by a rule.

The rule was written before any table was scored, and leaves no choice to anybody.
"""

import importlib
import pkgutil
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api import types

from partialpool.poolings import contest_many

SOURCES = ("statsmodels.datasets", "linearmodels.datasets", "causaldata")
# The same data under another name, and tables that the book uses elsewhere.
REPEATED = ("nhefs_complete", "Mroz", "close_college", "scorecard", "wage_panel")
# Columns of whole numbers that name units or classes, by their names in these packages,
# and others that measure nothing: parts of a date, and sampling weights.
UNITS = ("fcode", "fip", "id", "individual", "nr", "seqn", "sid", "villnum", "district")
CLASSES = ("age", "birthplace", "educ", "education", "occupation")
NO_MEASURES = ("year", "yr", "date", "quarter", "t", "dadth", "yrdth", "weight")
# Without predictors a GLM is the mean of all rows, `complete`.
PLAIN = ["complete", "none", "ridge", "reml", "empirical_bayes", "bayes"]
WITH_PREDICTOR = ["glm", "ridge", "reml", "empirical_bayes", "bayes"]
ROWS, GROUPS, SMALLEST, VALUES = (60, 20_000), (5, 200), 3, 20


@dataclass(frozen=True)
class GroupedTable:
    """A table with its outcome and its groups, as the rule found them."""

    name: str
    outcome: str
    group: str
    logged: bool
    rows: pd.DataFrame  # columns `group` and `y`


def load_grouped_tables():
    """Load every table that the rule chooses, in order of package and name.

    Returns
    -------
    list of GroupedTable

    Notes
    -----
    Of the packages in `SOURCES`, every table that holds

    1. a *group*: the first column of text or categories that has 5 to 200 groups,
       counting only groups of three rows or more; if there is none, the first such
       column of whole numbers that names units (`UNITS`), else classes (`CLASSES`);
    2. an *outcome*: the first other column of numbers, with 20 different values or
       more, that differs within groups and is no unit, class, date or sampling weight;
    3. 60 to 20,000 rows with both.

    The log of the outcome is taken if all its values are above 0 and that makes it
    less skewed. Tables that repeat another one are left out, and so are the two that
    the book uses elsewhere.

    Examples
    --------
    >>> tables = load_grouped_tables()
    >>> len(tables) >= 12
    True
    """
    tables = []
    for source in SOURCES:
        package = importlib.import_module(source)
        for module in pkgutil.iter_modules(package.__path__):
            if module.ispkg and module.name not in (*REPEATED, "tests"):
                table = _load(f"{source}.{module.name}")
                found = table is not None and choose_columns(table, module.name)
                tables += [found] if found else []
    return tables


def _load(path):
    """Load a table, whichever way its package offers; None where there is none."""
    module = importlib.import_module(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if hasattr(module, "load_pandas"):
            return module.load_pandas().data
        return module.load() if hasattr(module, "load") else None


def choose_columns(table, name):
    """Apply the rule to one table.

    Parameters
    ----------
    table : pandas.DataFrame
    name : str

    Returns
    -------
    GroupedTable or None

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> table = pd.DataFrame({"year": range(72), "shop": list("abcdef") * 12})
    >>> chosen = choose_columns(table.assign(sales=rng.normal(size=72)), "shops")
    >>> chosen.group, chosen.outcome
    ('shop', 'sales')
    """
    if not isinstance(table, pd.DataFrame):
        return None
    for kind in (_is_text, _is_named(UNITS), _is_named(CLASSES)):
        for group in filter(kind, map(table.get, table.columns)):
            found = _with_outcome(table, group, name)
            if found is not None:
                return found
    return None


def _with_outcome(table, group, name):
    unmeasured = _is_named((*UNITS, *CLASSES, *NO_MEASURES))
    for outcome in table.columns.drop(group.name):
        values = table[outcome]
        if not types.is_numeric_dtype(values) or unmeasured(values):
            continue
        rows = pd.DataFrame({"group": group, "y": values}).dropna()
        rows = rows.astype({"group": str, "y": float})
        rows = rows[rows.groupby("group")["y"].transform("size") >= SMALLEST]
        by_group = rows.groupby("group")["y"].nunique()
        if (
            ROWS[0] <= len(rows) <= ROWS[1]
            and GROUPS[0] <= len(by_group) <= GROUPS[1]
            and rows["y"].nunique() >= VALUES
            and by_group.max() > 1
        ):
            logged, y = _log_if_less_skewed(rows["y"])
            return GroupedTable(name, outcome, group.name, logged, rows.assign(y=y))
    return None


def _is_text(values):
    return types.is_string_dtype(values) or isinstance(
        values.dtype, pd.CategoricalDtype
    )


def _is_named(names):
    return lambda values: str(values.name).lower() in names


def _log_if_less_skewed(y):
    if (y > 0).all():
        logs = np.log(y)
        if abs(logs.skew()) < abs(y.skew()):
            return True, logs
    return False, y


def group_table(table, outcome, group):
    """Make a :class:`GroupedTable` of one's own table, the outcome as it is.

    Parameters
    ----------
    table : pandas.DataFrame
    outcome, group : str

    Returns
    -------
    GroupedTable
        Groups of fewer than three rows are left out: they cannot be learnt from and
        forecast.

    Examples
    --------
    >>> table = pd.DataFrame({"shop": list("aaabbbc"), "sales": range(7)})
    >>> group_table(table, "sales", "shop").rows["group"].unique().tolist()
    ['a', 'b']
    """
    rows = pd.DataFrame({"group": table[group].astype(str), "y": table[outcome]})
    rows = rows.dropna()
    rows = rows[rows.groupby("group")["y"].transform("size") >= SMALLEST]
    return GroupedTable("yours", outcome, group, False, rows)


# Out of sample ----------------------------------------------------------------


def hold_out(table, *, learn, splits=20, hidden=0.2, seed):
    """Score every method on rows and groups that it has not seen.

    In every split a fifth of the groups is hidden whole. Of each other group some
    rows are learnt from, and the mean of the rest is forecast. For a hidden group the
    mean of all its rows is.

    Parameters
    ----------
    table : GroupedTable
    learn : int or float
        Rows of a group to learn from, or, below 1, the share of them. At least one
        row of each group is learnt from, and at least one held out.
    splits : int
    hidden : float
        Share of the groups that is hidden.
    seed : int or sequence of int

    Returns
    -------
    pandas.DataFrame
        One row a method, those of :func:`partialpool.poolings.contest` without
        predictors and ``… + x`` with one: the label of a class that is a number, such
        as an age, else the log of the group's size. Columns

        ``seen``, ``hidden`` : float
            Root mean squared error over the groups seen and hidden, in standard
            deviations of the outcome; missing where a method has no answer.
        ``gap``, ``gap_error`` : float
            How far ``seen`` lies above the smallest, and its resampling error over
            the splits.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> rows = pd.DataFrame({"group": np.repeat(list("abcdef"), 12)})
    >>> table = GroupedTable("a", "y", "g", False, rows.assign(y=rng.normal(size=72)))
    >>> scores = hold_out(table, learn=2, splits=5, seed=1)
    >>> bool(scores.loc["complete", "seen"] < scores.loc["none", "seen"])
    True
    """
    rng = np.random.default_rng(seed)
    code, labels = pd.factorize(table.rows["group"])
    y = table.rows["y"].to_numpy(float)
    size = np.bincount(code)
    own = np.bincount(code, y) / size
    known = np.ceil(learn * size) if learn < 1 else np.full(len(size), float(learn))
    known = np.clip(known, 1, size - 1)
    parts = [_split(code, y, known, rng) for _ in range(splits)]
    n, mean, ss, rest = (np.stack(part) for part in zip(*parts, strict=True))
    gone = rng.permuted(
        np.tile(np.arange(len(size)) < hidden * len(size), (splits, 1)), axis=1
    )
    sums = {"n": n, "ss": np.where(gone, 0, ss)}
    mean = np.where(gone, np.nan, mean)
    found = contest_many(mean, **sums, methods=PLAIN)
    x = np.tile(_predictor(table, labels, size), (splits, 1))
    told = contest_many(mean, **sums, x=x, methods=WITH_PREDICTOR)
    found |= {f"{m} + x": parts for m, parts in told.items()}
    errors = {
        m: (centre - np.where(gone, own, rest)) / y.std()
        for m, (centre, *_) in found.items()
    }
    seen = {m: np.nanmean(np.where(gone, np.nan, e**2), 1) for m, e in errors.items()}
    scores = pd.DataFrame(
        {
            "seen": {m: np.sqrt(by_split.mean()) for m, by_split in seen.items()},
            "hidden": {m: np.sqrt((e[gone] ** 2).mean()) for m, e in errors.items()},
        }
    )
    best = scores["seen"].idxmin()
    its = seen[best] / (2 * scores.loc[best, "seen"])
    scores["gap"] = scores["seen"] - scores["seen"].min()
    scores["gap_error"] = pd.Series(
        {
            m: (by_split / (2 * scores.loc[m, "seen"]) - its).std(ddof=1)
            / np.sqrt(splits)
            for m, by_split in seen.items()
        }
    )
    return scores.rename_axis("method")


def hold_out_all(tables, *, learn, splits=20, seed):
    """Hold out of many tables.

    Parameters
    ----------
    tables : list of GroupedTable
    learn : sequence
        As for :func:`hold_out`, one after the other.
    splits : int
    seed : int

    Returns
    -------
    pandas.DataFrame
        As :func:`hold_out`, indexed by ``learn``, ``table`` and ``method``.

    Examples
    --------
    >>> rows = pd.DataFrame({"group": list("abcdef") * 10, "y": np.arange(60.0) ** 0.5})
    >>> one = GroupedTable("roots", "y", "g", False, rows)
    >>> hold_out_all([one], learn=[2, 0.5], splits=2, seed=1).index.names
    FrozenList(['learn', 'table', 'method'])
    """
    scores = {
        (share, table.name): hold_out(table, learn=share, splits=splits, seed=[seed, i])
        for share in learn
        for i, table in enumerate(tables)
    }
    return pd.concat(scores, names=["learn", "table"])


def _predictor(table, labels, size):
    """What an analyst would give a GLM: the number of an ordered class, or log n."""
    numbers = pd.to_numeric(pd.Series(labels), errors="coerce").to_numpy(float)
    ordered = str(table.group).lower() in CLASSES and np.isfinite(numbers).all()
    return numbers if ordered else np.log(size)


def _split(code, y, known, rng):
    """Split the rows of each group: n, mean, sum of squares, mean of the others."""
    order = rng.permutation(len(y))
    order = order[np.argsort(code[order], kind="stable")]
    groups = code[order]
    place = np.arange(len(y)) - np.searchsorted(groups, groups)
    learnt = place < known[groups]
    count = np.bincount(groups[learnt], minlength=len(known)).astype(float)
    mean = np.bincount(groups[learnt], y[order][learnt], len(known)) / count
    about = (y[order] - mean[groups]) ** 2
    ss = np.bincount(groups[learnt], about[learnt], len(known))
    others = np.bincount(groups[~learnt], minlength=len(known))
    rest = np.bincount(groups[~learnt], y[order][~learnt], len(known)) / others
    return count, mean, ss, rest

"""Traps: small tables that put a method's intervals, and its words, to the test."""

import ast
import inspect
import textwrap
import warnings

import numpy as np
import pandas as pd

from partialpool.data import simulate_groups

BETWEEN_SD, WITHIN_SD, GROUPS, SIZES = 0.15, 0.45, 5, (2, 30)
ASKED = ["group", "between_sd", "new_group"]


def draw_traps(sets, *, seed):
    """Draw small tables of five groups, with their truth.

    Parameters
    ----------
    sets : int
        How many.
    seed : int
        Source of all randomness; set k is the same however many are drawn.

    Returns
    -------
    list of (pandas.DataFrame, dict)
        Rows with ``group`` and ``y``; and the truth: ``group`` (a Series of means),
        ``between_sd``, and ``new_group`` (the mean of one group more).

    Examples
    --------
    >>> table, truth = draw_traps(1, seed=1)[0]
    >>> table["group"].nunique(), sorted(truth)
    (5, ['between_sd', 'group', 'new_group'])
    """
    drawn = []
    for k in range(sets):
        rng = np.random.default_rng([seed, k])
        sds = {"between_sd": BETWEEN_SD, "within_sd": WITHIN_SD}
        table, truth = simulate_groups(GROUPS, sizes=SIZES, mean=10.0, **sds, seed=rng)
        new = 10.0 + rng.normal(0, BETWEEN_SD)
        known = {"group": truth["mean"], "between_sd": BETWEEN_SD, "new_group": new}
        drawn.append((table, known))
    return drawn


def draw_slopes(sets, *, groups=10, seed):
    """Draw tables whose intercepts and slopes vary by group, correlated 0.5.

    Parameters
    ----------
    sets, groups : int
    seed : int

    Returns
    -------
    list of pandas.DataFrame
        Rows with ``group``, ``x`` and ``y``, 2 to 30 a group.

    Examples
    --------
    >>> draw_slopes(1, seed=1)[0].columns.tolist()
    ['group', 'x', 'y']
    """
    drawn = []
    sd = BETWEEN_SD * np.array([[1, 0], [0.5, np.sqrt(0.75)]])
    for k in range(sets):
        rng = np.random.default_rng([seed, 1, k])
        n = np.rint(np.exp(rng.uniform(*np.log(SIZES), groups))).astype(int)
        effect = rng.normal(size=(groups, 2)) @ sd.T
        group = np.repeat(np.arange(groups), n)
        x = rng.normal(size=len(group))
        y = 10 + effect[group, 0] + effect[group, 1] * x
        y = rng.normal(y, WITHIN_SD)
        drawn.append(pd.DataFrame({"group": [f"g{g}" for g in group], "x": x, "y": y}))
    return drawn


def ask(method, traps):
    """Put the same questions to a method on every table, and note what it says.

    Parameters
    ----------
    method : callable
        Takes a table, and returns a dict of (low, high) by question: ``group`` (two
        Series by group), ``between_sd`` and ``new_group``. It leaves out what it
        cannot answer.
    traps : list
        What :func:`draw_traps` returned.

    Returns
    -------
    pandas.DataFrame
        One row a table: ``warned`` (whether a warning or an error came), ``refused``
        (an error), and by question the share of intervals that hold the truth; missing
        where there is no answer.
    """
    rows = []
    for table, truth in traps:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            try:
                answers, refused = method(table), False
            except Exception:  # whatever a library says in place of an answer
                answers, refused = {}, True
        spoke = {"warned": bool(said) or refused, "refused": refused}
        rows.append({**spoke, **judge(answers, truth)})
    return pd.DataFrame(rows)


def judge(answers, truth):
    """Say by question what share of the intervals holds the truth."""
    held = dict.fromkeys(ASKED, np.nan)
    for question, (low, high) in answers.items():
        true = truth[question]
        if question == "group":
            true = true.reindex(low.index)
        held[question] = float(np.mean((low <= true) & (true <= high)))
    return held


def count_silent(asked, *, least=0.8):
    """Count the questions that a method fails without a word.

    Parameters
    ----------
    asked : pandas.DataFrame
        What :func:`ask` returned.
    least : float
        An interval fails that holds the truth less often than this, over the tables
        on which no warning came.

    Returns
    -------
    pandas.DataFrame
        One row a question: ``answered`` (share of the tables), ``coverage`` and
        ``error`` over all tables, ``unwarned`` and ``unwarned_error`` over those
        without a warning, and
        ``silent`` (whether that is below `least`).

    Examples
    --------
    >>> quiet = pd.DataFrame({"warned": False, **dict.fromkeys(ASKED, [0.0, 1.0])})
    >>> int(count_silent(quiet)["silent"].sum())
    3
    """
    quiet = asked[~asked["warned"]]
    table = pd.DataFrame(
        {
            "answered": asked[ASKED].notna().mean(),
            "coverage": asked[ASKED].mean(),
            "error": asked[ASKED].sem(),
            "unwarned": quiet[ASKED].mean(),
            "unwarned_error": quiet[ASKED].sem(),
        }
    )
    return table.assign(silent=table["unwarned"] < least).rename_axis("question")


def count_lines(*functions):
    """Count the lines of code of some functions, blank ones and docstrings apart.

    Examples
    --------
    >>> count_lines(judge) < 12
    True
    """
    total = 0
    for function in functions:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        body = tree.body[0].body
        if ast.get_docstring(tree.body[0]) and len(body) > 1:
            tree.body[0].body = body[1:]
        used = {node.lineno for node in ast.walk(tree) if hasattr(node, "lineno")}
        total += len(used)
    return total

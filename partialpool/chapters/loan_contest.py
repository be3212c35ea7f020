"""The experiment behind C12: every way in every world, judged by one rule.

The rule stood before the first figures, and is the same still: ease is counted in
lines, those of each way alone. After the figures came three more opponents (a
bootstrapped GLM that adds the spread of courses, REML without a bootstrap, empirical
Bayes with one), shorter code for every way, and a second measure of ease: statements,
with those of helpers. A measure chosen after the figures does not decide; the chapter
shows what it would have said. The three further seeds of ``HOSTILE_SEEDS`` were fixed
before any figure of theirs was computed: a verdict stands if all seeds give it.
"""

import ast
import inspect
import os
import textwrap
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np
import pandas as pd

from partialpool.chapters import loan_ways
from partialpool.chapters.loan_ways import WAYS
from partialpool.chapters.loan_worlds import draw_world, forecast
from partialpool.scores import interval_scores

HOSTILE_SEEDS = [1, 2, 3]
FEW = 20  # worlds, for which it does not pay to start processes


def compete(kinds, number, curve, *, ways=WAYS, draws=1_000, prob=0.9, seed):
    """Forecast worlds of several kinds in every way; many in several processes.

    Parameters
    ----------
    kinds : dict of str to dict
        Arguments of :func:`~partialpool.chapters.loan_worlds.draw_world`, by kind.
    number : int
        Worlds of each kind.
    curve : partialpool.chapters.loan_worlds.CostCurve
    ways : dict of str to callable
    draws : int
    prob : float
        Probability of the intervals.
    seed : int or sequence of int

    Returns
    -------
    dict of str to pandas.DataFrame
        By kind, one row per ``world``, ``way`` and ``part``, each course or
        ``"book"``: ``low``, ``middle``, ``high`` and ``truth``.
    """
    once = partial(_forecast, curve=curve, ways=ways, draws=draws, prob=prob)
    options = [each for each in kinds.values() for _ in range(number)]
    numbers = [[i, k] for i in range(len(kinds)) for k in range(number)]
    seeds = [[*np.atleast_1d(seed), *each] for each in numbers]
    if len(seeds) < FEW:
        found = list(map(once, options, seeds))
    else:
        with ProcessPoolExecutor(os.process_cpu_count(), get_context("spawn")) as pool:
            found = list(pool.map(once, options, seeds, chunksize=5))
    starts = range(0, len(found), number)
    parts = (pd.concat(found[i : i + number], ignore_index=True) for i in starts)
    return dict(zip(kinds, parts, strict=True))


def _forecast(options, seed, *, curve, ways, draws, prob):
    """Draw a world and forecast it in every way, each with a seed of its own."""
    world = draw_world(**options, seed=seed)
    ends, found = [(1 - prob) / 2, 0.5, (1 + prob) / 2], []
    truth = [*world.courses["cost"], world.cost]
    for i, (name, way) in enumerate(ways.items()):
        rng = np.random.default_rng([*seed, i])
        costs = forecast(way(world, draws, rng), world, curve, seed=rng)
        low, middle, high = np.quantile(costs, ends, axis=0)
        rows = {"low": low, "middle": middle, "high": high, "truth": truth}
        parts = [*world.courses.index, "book"]
        found.append(pd.DataFrame(rows).assign(world=seed[-1], way=name, part=parts))
    return pd.concat(found, ignore_index=True)


def judge(found, *, prob=0.9):
    """Coverage, width and interval score of each way, for courses and for books.

    Returns
    -------
    pandas.DataFrame
        By ``part`` (``"course"``, ``"book"``) and ``way``: ``coverage`` and
        ``error``, its Monte Carlo error, of worlds and not of courses, which share
        a world; ``width``; ``score``, the interval score; and ``bias``, the mean of
        ``middle - truth``.
    """
    judged = found.assign(
        part=np.where(found["part"] == "book", "book", "course"),
        coverage=(found["low"] <= found["truth"]) & (found["truth"] <= found["high"]),
        width=found["high"] - found["low"],
        score=interval_scores(found["low"], found["high"], found["truth"], prob=prob),
        bias=found["middle"] - found["truth"],
    )
    columns = ["coverage", "width", "score", "bias"]
    by_world = judged.groupby(["part", "way", "world"], sort=False)[columns].mean()
    by_way = by_world.groupby(["part", "way"], sort=False)
    means = by_way.mean()
    means.insert(1, "error", by_way["coverage"].sem())
    return means


# The rule behind C12, written before the figures --------------------------------


def accurate(scores):
    """Whether coverage is from 85% to 95%, give or take two Monte Carlo errors.

    Takes what :func:`judge` returned for 90% intervals; a way is accurate if its
    intervals for courses and for books are. Returns a Series by way.
    """
    off = (scores["coverage"] - 0.9).abs()
    fine = off <= 0.05 + 2 * scores["error"]
    return fine.groupby("way", sort=False).all()


# What a library does: design matrices, and fits by least squares, moments or REML.
LIBRARY = "_design _dummies grouped common _least_squares _moments _reml _sums"


def count_statements(way):
    """Count the statements of a way and of the functions that it needs.

    Docstrings are not counted, nor is what a library does (``LIBRARY``, and
    everything outside the module of the ways).
    """
    found, waiting, total = set(), [way.__name__], 0
    while waiting:
        name = waiting.pop()
        function = getattr(loan_ways, name, None)
        mine = getattr(function, "__module__", None) == loan_ways.__name__
        if name in found or name in LIBRARY.split() or not mine:
            continue
        found.add(name)
        tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
        nodes = list(ast.walk(tree))
        waiting += [node.id for node in nodes if isinstance(node, ast.Name)]
        total += sum(isinstance(node, ast.stmt) for node in nodes) - 1
        total -= ast.get_docstring(tree) is not None
    return total


def decide(scores, lines):
    """Apply the rule of C12 to the scores of each kind of world.

    Parameters
    ----------
    scores : dict of str to pandas.DataFrame
        What :func:`judge` returned, by the names of ``KINDS``.
    lines : dict of str to int
        Lines of code of each way.

    Returns
    -------
    parts : dict of str to bool
        ``accurate``: the hierarchical model is so in worlds as it assumes them.
        ``needed``: no other way is accurate there with an interval score for courses
        at most 5% above. ``easy``: no other way that is accurate there takes fewer
        lines. ``robust``: the model is accurate with heavy tails and with drift.
    outcome : str
        Holds if all four are true, with conditions if the first and one more are.
    """
    first = accurate(scores["as assumed"])
    others = first.index[first].drop("hierarchical", errors="ignore")
    score = scores["as assumed"].loc["course", "score"]
    parts = {
        "accurate": bool(first["hierarchical"]),
        "needed": bool((score[others] > 1.05 * score["hierarchical"]).all()),
        "easy": all(lines[way] >= lines["hierarchical"] for way in others),
        "robust": all(
            bool(accurate(found)["hierarchical"])
            for kind, found in scores.items()
            if kind != "as assumed"
        ),
    }
    if not parts["accurate"] or sum(parts.values()) < 2:
        return parts, "does not hold"
    return parts, "holds" if all(parts.values()) else "holds with conditions"

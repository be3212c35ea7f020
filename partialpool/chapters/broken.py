"""Broken assumptions: data sets that are not what the model takes them for."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from partialpool.chapters.grouped import PLAIN, WITH_PREDICTOR
from partialpool.chapters.map import GROUPS_IN_ALL, SETS, sizes_of
from partialpool.chapters.sets import score_many
from partialpool.poolings import contest_many, one_way

# Thirty groups of 2 to 50 rows; the sd between them, in units of that within.
GROUPS, SIZES, BETWEEN_SD = 30, (2, 50), 0.5
# How far the one outlier lies from the mean, in units of the sd between the others.
AWAY = 5.0


def _normal(rng, shape, n):
    return rng.normal(size=shape)


def _tied_to_size(rng, shape, n):
    log_n = np.log(n)
    log_n = (log_n - log_n.mean(1, keepdims=True)) / log_n.std(1, keepdims=True)
    return 0.7 * log_n + np.sqrt(1 - 0.7**2) * rng.normal(size=shape)


def _one_outlier(rng, shape, n):
    effect = rng.normal(size=shape)
    effect[np.arange(shape[0]), rng.integers(shape[1], size=shape[0])] = AWAY
    return effect


def _two_clusters(rng, shape, n):
    side = rng.choice([-1.0, 1.0], size=shape)
    return 0.95 * side + np.sqrt(1 - 0.95**2) * rng.normal(size=shape)


def _heavy_tails(rng, shape, n):
    return rng.standard_t(3, size=shape) / np.sqrt(3)


def _even(rng, shape):
    return np.ones((*shape[:2], 1))


def _uneven(rng, shape):
    sd = np.exp(0.5 * rng.normal(size=(*shape[:2], 1)))
    return sd / np.sqrt(np.exp(2 * 0.5**2))


def _skewed(rng, shape):
    log = rng.normal(size=shape)
    return (np.exp(log) - np.exp(0.5)) / np.sqrt(np.exp(2) - np.exp(1))


@dataclass(frozen=True)
class World:
    """How to draw: effects in units of their sd, scale and noise of rows."""

    effect: object = _normal
    scale: object = _even
    noise: object = lambda rng, shape: rng.normal(size=shape)
    groups: int = GROUPS
    half_seen: bool = False


WORLDS = {
    "as assumed": World(),
    "tied to size": World(effect=_tied_to_size),
    "unequal σ": World(scale=_uneven),
    "skewed outcome": World(noise=_skewed),
    "one outlier": World(effect=_one_outlier),
    "two clusters": World(effect=_two_clusters),
    "heavy tails": World(effect=_heavy_tails),
    "three groups": World(groups=3),
    "half seen": World(half_seen=True),
}


@dataclass(frozen=True)
class Rows:
    """D data sets of J groups: sums of the rows seen, and the truth, shape (D, J)."""

    n: np.ndarray
    mean: np.ndarray
    ss: np.ndarray
    truth: np.ndarray


def draw_world(name, *, sets, seed):
    """Draw data sets that break one assumption; the sd within groups is 1.

    Parameters
    ----------
    name : str
        A key of `WORLDS`.
    sets : int
        Number of data sets, D.
    seed : int or sequence of int

    Returns
    -------
    Rows
        The truth of ``half seen`` is the mean of a group's table, of which the rows
        seen are half; of all others the mean of the source that rows come from.

    Examples
    --------
    >>> rows = draw_world("three groups", sets=4, seed=1)
    >>> rows.mean.shape
    (4, 3)
    """
    world = WORLDS[name]
    rng = np.random.default_rng([*np.atleast_1d(seed), list(WORLDS).index(name)])
    n = np.tile(sizes_of(world.groups, *SIZES), (sets, 1))
    truth = BETWEEN_SD * world.effect(rng, n.shape, n)
    mean, ss = _draw_rows(world, truth, n, rng)
    if world.half_seen:
        truth = (mean + _draw_rows(world, truth, n, rng)[0]) / 2
    return Rows(n, mean, ss, truth)


def _draw_rows(world, truth, n, rng):
    shape = (*n.shape, int(n.max()))
    seen = np.arange(shape[2]) < n[..., None]
    noise = np.where(seen, world.scale(rng, shape) * world.noise(rng, shape), 0)
    own = noise.sum(2) / n
    return truth + own, (noise**2).sum(2) - n * own**2


def contest_world(rows, *, prob=0.9):
    """Let every method estimate, and the remedies.

    Parameters
    ----------
    rows : Rows
    prob : float
        Probability that the intervals promise.

    Returns
    -------
    dict of str to tuple of numpy.ndarray
        Estimate, low and high of each method, shape (D, J): those of
        :func:`partialpool.poolings.contest` without predictors, then ``… + log n``
        with the log of the group's size; ``tails`` (groups from Student's t with 4
        degrees of freedom); and ``seen known``, the posterior with the rows seen, half
        of the table, counted at their known values.

    Examples
    --------
    >>> rows = draw_world("as assumed", sets=2, seed=1)
    >>> list(contest_world(rows))[-3:]
    ['bayes + log n', 'tails', 'seen known']
    """
    sums = {"n": rows.n, "ss": rows.ss.sum(1, keepdims=True)}
    found = contest_many(rows.mean, **sums, methods=PLAIN, ci_prob=prob)
    with_size = contest_many(
        rows.mean, **sums, x=np.log(rows.n), methods=WITH_PREDICTOR, ci_prob=prob
    )
    found |= {f"{name} + log n": parts for name, parts in with_size.items()}
    tails = one_way(rows.mean, **sums, tail=4, ci_prob=prob)
    found["tails"] = tails.mean, tails.low, tails.high
    found["seen known"] = _count_seen(rows, prob)
    return found


def _count_seen(rows, prob):
    """Half of the table is known; the posterior predicts the mean of the rest."""
    fit = one_way(rows.mean, n=rows.n, ss=rows.ss, ci_prob=prob)
    # As many rows again: the mean of new rows scatters by sigma / sqrt(n) about theta.
    z = (fit.high - fit.low) / (2 * fit.sd)
    sd = np.hypot(fit.sd, fit.within_sd.mean[:, None] / np.sqrt(rows.n))
    centre = (rows.mean + fit.mean) / 2
    half = z * sd / 2
    return centre, centre - half, centre + half


def score_worlds(*, sets=None, prob=0.9, seed):
    """Score every method and remedy in every world.

    Parameters
    ----------
    sets : int, optional
        Data sets of each world; by default 200, or as many as hold 3,000 groups.
    prob : float
        Probability that the intervals promise.
    seed : int

    Returns
    -------
    pandas.DataFrame
        One row a ``world`` and ``method``; columns as
        :func:`~partialpool.chapters.sets.score_many`.

    Examples
    --------
    >>> scores = score_worlds(sets=3, seed=1)
    >>> list(scores.index.names)
    ['world', 'method']
    """
    scores = {}
    for name in WORLDS:
        enough = max(SETS, GROUPS_IN_ALL // WORLDS[name].groups)
        rows = draw_world(name, sets=sets or enough, seed=seed)
        scores[name] = score_many(contest_world(rows, prob=prob), rows.truth, prob=prob)
    return pd.concat(scores, names=["world"])

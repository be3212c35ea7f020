"""The contest of C10: every way, for pay and for employment, in many worlds."""

from dataclasses import dataclass

import pandas as pd

from partialpool.chapters import employment
from partialpool.chapters.graduate_ways import answer_all
from partialpool.chapters.subgroup_scores import tally, tally_shares
from partialpool.chapters.subgroups import draw_world


@dataclass(frozen=True)
class Contest:
    """What :func:`hold` found.

    Attributes
    ----------
    pay, employment : list of pandas.DataFrame
        A tally for each world.
    costs : pandas.DataFrame
        By way: ``coefficients`` (effective ones, where penalised), ``models``,
        ``tuned`` (penalties and standard deviations), means over the worlds.
    seconds : pandas.Series
        By way, mean over the worlds.
    """

    pay: list
    employment: list
    costs: pd.DataFrame
    seconds: pd.Series


def hold(worlds, *, seed, **options):
    """Let every way answer in many worlds.

    Parameters
    ----------
    worlds : int
        How many; world k is the same however many there are.
    seed : int
    **options
        Of :func:`~partialpool.chapters.subgroups.draw_world`.

    Returns
    -------
    Contest

    Examples
    --------
    >>> contest = hold(1, seed=1, graduates=2_000)
    >>> len(contest.pay), "one model" in contest.costs.index
    (1, True)
    """
    pay, shares, costs, seconds = [], [], [], []
    for k in range(worlds):
        world = draw_world(seed=[seed, k], **options)
        answers, taken = answer_all(world)
        pay.append(tally(world, answers))
        found = {name: way(world.cells) for name, way in employment.WAYS.items()}
        shares.append(tally_shares(world.cells, found))
        names = ("coefficients", "models", "tuned")
        costs.append(
            pd.DataFrame(
                {n: {w: getattr(a, n) for w, a in answers.items()} for n in names}
            )
        )
        seconds.append(taken)
    costs = sum(costs) / worlds
    return Contest(pay, shares, costs, pd.concat(seconds, axis=1).mean(axis=1))

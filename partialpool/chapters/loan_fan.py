"""What a book repays year by year: forecasts as a fan."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from partialpool.chapters.loan_worlds import live, yearly


def draw_years(beliefs, world, *, draws=200, seed):
    """Let all borrowers of a book live and repay, once for each draw of beliefs.

    Parameters
    ----------
    beliefs : Beliefs
    world : World
        Whose courses have so many borrowers.
    draws : int
        How many of the beliefs to use, at equal distances.
    seed : int

    Returns
    -------
    numpy.ndarray, shape (draws, years)
        What the book repays each year, discounted, as a share of its outlay.
    """
    who = np.repeat(np.arange(len(world.courses)), world.courses["borrowers"])
    ones = np.ones(len(who))

    def once(k, rng):
        growth, sigma = beliefs.growth[k] * ones, beliefs.sigma[k] * ones
        return yearly(live(beliefs.level[k, who], growth, sigma, rng))

    some = np.linspace(0, len(beliefs.growth) - 1, draws).astype(int)
    streams = np.random.default_rng(seed).spawn(draws)
    with ThreadPoolExecutor(os.process_cpu_count()) as pool:
        return np.array(list(pool.map(once, some, streams)))

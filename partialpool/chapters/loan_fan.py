"""What a book repays year by year: forecasts as a fan."""

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
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(len(world.courses)), world.courses["borrowers"])
    ones, found = np.ones(len(who)), []
    for k in np.linspace(0, len(beliefs.growth) - 1, draws).astype(int):
        growth, sigma = beliefs.growth[k] * ones, beliefs.sigma[k] * ones
        found.append(yearly(live(beliefs.level[k, who], growth, sigma, rng)))
    return np.array(found)

"""Careers: earnings year by year, with shocks that last, others, and gaps."""

import numpy as np


def simulate_careers(
    level,
    *,
    years,
    growth,
    persistent_sd=0.35,
    persistence=0.95,
    transitory_sd=0.2,
    leave=0.05,
    back=0.4,
    seed,
):
    """Simulate earnings over careers: growth, shocks that last, and gaps.

    The log of a year's pay is the person's level, plus growth, plus a shock that
    lasts (a stationary first-order autoregression), plus one that does not. People
    leave work and come back by chance.

    Parameters
    ----------
    level : array_like, shape (n,)
        Each person's expected log pay in the first year.
    years : int
        Length of a career.
    growth : float or array_like, shape (years - 1,)
        Rise of log pay from each year to the next, inflation included.
    persistent_sd, transitory_sd : float
        Standard deviations of the two shocks.
    persistence : float
        Correlation of the lasting shock from one year to the next, from 0 to 1.
    leave, back : float
        Probabilities, in a year, of leaving work and of coming back. Careers start
        with the share of people in work that these two lead to.
    seed : int or numpy.random.Generator
        Source of all randomness.

    Returns
    -------
    numpy.ndarray, shape (n, years)
        Pounds a year; 0 out of work.

    Raises
    ------
    ValueError
        If a probability, the persistence or a standard deviation is out of range.

    Notes
    -----
    A deliberately plain process. Real careers have pay that depends on time out of
    work, and changes of log pay with heavy tails, more so in bad years.

    Examples
    --------
    >>> pay = simulate_careers(np.full(1000, 10.0), years=40, growth=0.03, seed=1)
    >>> pay.shape
    (1000, 40)
    >>> 0.85 < (pay > 0).mean() < 0.92
    np.True_
    """
    shares = {"persistence": persistence, "leave": leave, "back": back}
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise ValueError(f"{name} is {share}: give a number from 0 to 1.")
    sds = {"persistent_sd": persistent_sd, "transitory_sd": transitory_sd}
    for name, sd in sds.items():
        if not sd >= 0:
            raise ValueError(f"{name} is {sd}: give a standard deviation of 0 or more.")
    rng = np.random.default_rng(seed)
    level = np.asarray(level, float)
    growth = np.concatenate([[0], np.broadcast_to(growth, years - 1)]).cumsum()
    lasting = persistent_sd * rng.standard_normal(len(level))
    fresh_sd = persistent_sd * np.sqrt(1 - persistence**2)
    # Nobody leaves: nobody is out, however slow the way back.
    works = rng.random(len(level)) < (back / (leave + back) if leave else 1)
    pay = np.empty((years, len(level)))  # a year at a time is what all others read
    for k in range(years):
        if k:
            lasting = persistence * lasting + fresh_sd * rng.standard_normal(len(level))
            moved = rng.random(len(level))
            works = np.where(works, moved >= leave, moved < back)
        shock = lasting + transitory_sd * rng.standard_normal(len(level))
        pay[k] = np.where(works, np.exp(level + growth[k] + shock), 0)
    return pay.T

"""Where the uncertainty of a cost comes from: parameters, groups, individuals.

By the law of total variance, with nested draws. Given everything else, people differ
by chance; given the parameters and the table, the effects of courses are not known;
and the parameters are not known either. One of them, how long shocks of pay last, no
table of people seen once can tell: here it takes two values, each as likely.
"""

import numpy as np
import pandas as pd

from partialpool.chapters.loan_ways import FORMULA, common, effects, grouped
from partialpool.chapters.loan_worlds import draw_world
from partialpool.exact import fit

SHARES = ["persistence", "parameters", "groups", "individuals"]


def split(world, curves, *, draws=200, inner=20, seed):
    """Split the variance of a forecast cost into its four sources.

    Parameters
    ----------
    world : World
    curves : list of CostCurve
        One for each value that the persistence of shocks may have, all as likely.
    draws, inner : int
        Draws of the parameters, and of all courses given each of them.
    seed : int or sequence of int

    Returns
    -------
    pandas.DataFrame
        Variances of the cost as a share of the outlay. Columns ``persistence``,
        ``parameters`` (coefficients and standard deviations), ``groups`` and
        ``individuals``; rows ``"a course"``, the mean over courses, and
        ``"the book"``.
    """
    rng = np.random.default_rng(seed)
    b, tau, sigma = _parameters(world, draws, rng)
    X, y, code, n = grouped(world)
    centre, sd = effects(X, y, code, n, b, tau, sigma)
    u = centre + sd * rng.standard_normal((inner, *centre.shape))
    level = (common(world, b) + u).transpose(1, 2, 0)  # (courses, draws, inner)
    lived = [curve(level, b[1][:, None], sigma[:, None]) for curve in curves]
    mean, spread = (np.stack(each) for each in zip(*lived, strict=True))
    size = world.courses["borrowers"].to_numpy()[:, None, None]
    alone, weight = spread**2 / size, size / size.sum()
    courses = [
        _components(mean[:, j], alone[:, j].mean()) for j in range(mean.shape[1])
    ]
    book = _components(np.sum(weight * mean, 1), np.sum(weight**2 * alone, 1).mean())
    rows = {"a course": np.mean(courses, 0), "the book": book}
    return pd.DataFrame.from_dict(rows, orient="index", columns=SHARES)


def _parameters(world, draws, rng):
    """Posterior draws of coefficients, (3, draws), and of tau and sigma."""
    found = fit(FORMULA, world.table, draws=draws, seed=rng)["posterior"]
    years, tariff, sigma, tau = (
        found[name].to_numpy().ravel()
        for name in ("years", "tariff", "sigma", "1|course_sigma")
    )
    # Bambi's intercept belongs to the rows as they are; ours to year 0 and tariff 0.
    b = np.stack([found["Intercept"].to_numpy().ravel(), years, tariff])
    return b, tau, sigma


def _components(mean, individuals):
    """Variances from expected costs of shape (curves, draws, inner)."""
    inner = mean.shape[-1]
    groups = mean.var(-1, ddof=1).mean()
    expected = mean.mean(-1)
    persistence = expected.var(0).mean()
    # What is left of the inner draws in the outer means is taken off.
    noise = mean.mean(0).var(-1, ddof=1).mean() / inner
    parameters = max(expected.mean(0).var(ddof=1) - noise, 0.0)
    return [persistence, parameters, groups, individuals]


DESIGNS = {
    "as it is": {},
    "4 times the graduates": {"more": 4},
    "4 times the courses": {"courses": 160},
}


def compare_designs(curves, *, worlds=10, designs=DESIGNS, seed):
    """Split the variance under several designs, in several worlds each.

    Returns
    -------
    means, errors : pandas.DataFrame
        By part and design, the four standard deviations, as shares of the outlay, and
        their Monte Carlo errors, from one world to the next.
    """
    found = {
        (name, k): np.sqrt(
            split(draw_world(**design, seed=[seed, k]), curves, seed=[seed, k])
        )
        for name, design in designs.items()
        for k in range(worlds)
    }
    every = pd.concat(found, names=["table", "world", "part"])
    by_design = every.groupby(["part", "table"], sort=False)
    return by_design.mean(), by_design.sem()

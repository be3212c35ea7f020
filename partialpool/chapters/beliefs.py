"""Beliefs: a first year's posterior, carried through the years of many worlds."""

import numpy as np
import pandas as pd

from partialpool.exact import fit
from partialpool.poolings import one_way
from partialpool.update import Belief

FORMULA = "y ~ 1 + (1|group)"
# What the past years may choose from: steps a year, as parts of the standard deviation
# between groups.
STEPS = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0)


def carry(cohorts, *, ci_prob=0.9, draws=4000, seed, walk=False):
    """Carry a belief through the years, beside the refit from the sums of all.

    Parameters
    ----------
    cohorts : Cohorts
    ci_prob : float
        Probability of the equal-tailed intervals.
    draws : int
        Draws of the first year's posterior, which become the beliefs.
    seed : int
    walk : bool
        Whether the belief also takes a random walk.

    Returns
    -------
    dict of str to tuple of numpy.ndarray
        Estimate, low and high by way, each of shape (D, J).
    """
    ways = {"joint prior": _carry, "marginal priors": _carry_apart}
    ways |= {"random walk": _walk} if walk else {}
    worlds = range(len(cohorts.n))
    firsts = [_first_fit(cohorts, d, draws, [seed, d]) for d in worlds]
    beliefs = [Belief.from_posterior(first) for first in firsts]
    later = [
        [_cells(cohorts, d, year) for year in range(1, cohorts.years)] for d in worlds
    ]
    groups = cohorts.n.shape[2]
    n, mean, ss = cohorts.add()
    pooled = one_way(mean, n=n, ss=ss, ci_prob=ci_prob)
    found = {"sums": (pooled.mean, pooled.low, pooled.high)}
    for name, way in ways.items():
        carried = [way(*pair) for pair in zip(beliefs, later, strict=True)]
        parts = [_answer(belief, groups, ci_prob) for belief in carried]
        found[name] = tuple(np.array(part) for part in zip(*parts, strict=True))
    return found


def _cells(cohorts, world, year):
    n = cohorts.n[world, year]
    seen = n > 0
    cells = pd.DataFrame(
        {
            "group": np.arange(len(n))[seen],
            "n": n[seen].astype(int),
            "mean": cohorts.mean[world, year][seen],
            "ss": cohorts.ss[world, year][seen],
        }
    )
    cells.attrs = {
        "outcome": "y",
        "by": ["group"],
        "continuous": [],
        "binary": False,
        "rows": int(n.sum()),
        "rows_per_cell": n.sum() / seen.sum(),
        "dropped": {"rows": 0, "missing": {}, "suppressed": {}},
    }
    return cells


def _first_fit(cohorts, world, draws, seed):
    rng = np.random.default_rng(seed)
    cells = _cells(cohorts, world, 0)
    return fit(FORMULA, cells, draws=draws, seed=rng, progress=False)


def _answer(belief, groups, ci_prob):
    means = belief.group_means(ci_prob=ci_prob).reindex([str(j) for j in range(groups)])
    return tuple(means[column].to_numpy() for column in ("mean", "low", "high"))


def _carry(belief, years):
    for cells in years:
        belief = belief.update(cells)
    return belief


def _carry_apart(belief, years):
    for cells in years:
        belief = belief.without_correlations().update(cells)
    return belief


def _walk(belief, years):
    """Drift by the step whose forecasts of the past years had the best log score."""
    best = -np.inf, None
    between = np.sqrt(belief.between * belief.variance)
    columns = [
        (cells["group"].astype(str).tolist(), *cells[["n", "mean"]].to_numpy(float).T)
        for cells in years
    ]
    for step in STEPS:
        known, score = belief, 0.0
        for cells, (labels, n, mean) in zip(years, columns, strict=True):
            known = known.drift(step * between)
            score += _log_score(known, labels, n, mean)
            known = known.update(cells)
        if score > best[0]:
            best = score, known.drift(step * between)
    return best[1]


def _log_score(belief, labels, n, mean):
    """Log density of a year's group means, each for itself, before they are seen."""
    place = {label: i for i, label in enumerate(belief.groups, 1)}
    at = np.array([place.get(label, 0) for label in labels])
    seen, at = at > 0, at[at > 0]
    scale = belief.scale
    spread = scale[0, 0] + 2 * scale[0, at] + scale[at, at]
    variance = belief.variance * (spread * belief.df / (belief.df - 2) + 1 / n[seen])
    gap = mean[seen] - belief.mean[0] - belief.mean[at]
    return float(np.sum(-0.5 * (np.log(variance) + gap**2 / variance)))

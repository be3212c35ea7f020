r"""Random walks of groups and of all together: restricted likelihood, or Bayes.

Group :math:`j` has the level :math:`m_t + u_{jt}` in year :math:`t`. Levels start with
:math:`u_{j1} \sim N(0, \tau^2)` and take steps :math:`N(0, \omega^2)`; all take the
step :math:`m_{t+1} - m_t \sim N(0, \kappa^2)` together. This is the local level model
of Durbin and Koopman (2012), *Time Series Analysis by State Space Methods*, chapter 2,
for many groups at once; no filter is needed, as the years are few.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.special import ndtr, ndtri

# Candidates for the three standard deviations, as parts of the spread of the means.
STARTS = np.r_[0, np.geomspace(0.05, 2, 13)]
STEPS = np.r_[0, np.geomspace(0.02, 1.5, 13)]
COMMON = np.r_[0, np.geomspace(0.02, 2, 11)]
# By what part of the grid's widest gap (a factor) REML goes on looking, round by round.
GAP, ROUNDS = 1.6, (0.5, 0.25, 0.125, 0.0625)
FLAT = 1e4  # prior variance of the first year's common level, in squared spreads
UNSEEN = 1e8  # variance of a mean without rows, in the same


def walk(cohorts, *, width=1.0, ci_prob=0.9):
    """Forecast every group's next mean by random walks, fitted in two ways.

    Parameters
    ----------
    cohorts : Cohorts
    width : float
        Scale of the prior of the step in common, as a part of the spread of all means.
    ci_prob : float
        Probability of the equal-tailed intervals.

    Returns
    -------
    dict of str to tuple of numpy.ndarray
        Estimate, low and high, each of shape (D, J). In ``walk`` every group takes
        steps of its own; in ``common-step`` all also take a step together, whose size
        is estimated, too. ``REML`` takes the standard deviations with the largest
        restricted likelihood as if they were known; ``Bayes`` averages over their
        posterior, with half-normal priors as wide as the spread of all means.

    Notes
    -----
    The standard deviations are taken from a grid, which REML refines around its best
    point. That within groups is the pooled one, as if known: it rests on all rows.

    Examples
    --------
    >>> from partialpool.chapters.cohorts import simulate_cohorts
    >>> found = walk(simulate_cohorts(2, groups=5, drift=0.1, seed=1))
    >>> list(found)
    ['walk REML', 'walk Bayes', 'common-step REML', 'common-step Bayes']
    >>> estimate, low, high = found["walk Bayes"]
    >>> estimate.shape, bool((low < estimate).all() and (estimate < high).all())
    ((2, 5), True)
    """
    data = _standardise(cohorts)
    grid = [_fit_once(data, start, step) for start in STARTS for step in STEPS]
    # Start and step (S), common step (K), worlds (D), groups (J).
    parts = [np.stack(part) for part in zip(*grid, strict=True)]
    found = {}
    for name, count in {"walk": 1, "common-step": len(COMMON)}.items():
        log_weight, mean, sd = (
            part[:, :count].reshape(-1, *part.shape[2:]) for part in parts
        )
        answers = {
            "REML": _take_best(data, log_weight, count, ci_prob),
            "Bayes": _average(
                log_weight, _prior(COMMON[:count], width), mean, sd, ci_prob=ci_prob
            ),
        }
        for inference, answer in answers.items():
            found[f"{name} {inference}"] = tuple(
                data.centre + data.unit * part for part in answer
            )
    return found


def _take_best(data, log_weight, count, ci_prob):
    """Take each world's best candidate, and look in ever smaller steps around it."""
    shape = len(STARTS), len(STEPS), count
    places = np.unravel_index(log_weight.argmax(0), shape)
    grids = STARTS, STEPS, COMMON
    best = [grid[place] for grid, place in zip(grids, places, strict=True)]
    for part in ROUNDS:
        factors = GAP ** np.array([-part, 0, part])
        shared = factors if count > 1 else factors[1:2]  # of the step in common
        tried = np.array(list(product(factors, factors, shared)))
        together = [best[2] * c for c in shared]
        fits = [
            _fit_once(data, best[0] * a, best[1] * b, together)
            for a, b in product(factors, factors)
        ]
        log_likelihood, mean, sd = map(np.concatenate, zip(*fits, strict=True))
        top, worlds = log_likelihood.argmax(0), np.arange(len(data.y))
        best = [size * tried[top, i] for i, size in enumerate(best)]
    mean, sd = mean[top, worlds], sd[top, worlds]
    half = ndtri((1 + ci_prob) / 2) * sd
    return mean, mean - half, mean + half


@dataclass(frozen=True)
class _Data:
    """Means (D, T, J) in units of their spread, and the covariance of their noise."""

    y: np.ndarray
    noise: np.ndarray  # (D, J, T, T)
    centre: np.ndarray  # (D, 1)
    unit: np.ndarray


def _standardise(cohorts):
    n, seen = cohorts.n, cohorts.n > 0
    total = n.sum((1, 2))
    y = np.where(seen, cohorts.mean, 0)
    centre = (n * y).sum((1, 2)) / total
    apart = np.where(seen, y - centre[:, None, None], 0)
    unit = np.sqrt((apart**2).sum((1, 2)) / seen.sum((1, 2)))
    within = cohorts.ss.sum((1, 2)) / np.maximum(n - 1, 0).sum((1, 2))
    variance = (within / unit**2)[:, None, None]
    shared = np.reshape(cohorts.shared, (-1, 1, 1, 1))
    each = np.divide(variance, n, np.zeros_like(y), where=seen).transpose(0, 2, 1)
    # Rows that are the same people or institutions carry their luck through the years.
    noise = shared * np.minimum(each[..., None], each[..., None, :])
    alone = np.where(seen.transpose(0, 2, 1), (1 - shared[..., 0]) * each, UNSEEN)
    noise = noise + alone[..., None] * np.eye(n.shape[1])
    return _Data(apart / unit[:, None, None], noise, centre[:, None], unit[:, None])


def _fit_once(data, start, step, common=COMMON):
    """Restricted log likelihood, forecast and sd, for each size of the common step.

    Each size is one number, or one for each world: (D,).
    """
    worlds, years = data.y.shape[:2]
    ages = np.arange(years)
    lags = np.minimum.outer(ages, ages)
    start2, step2 = (np.broadcast_to(s, worlds)[:, None] ** 2 for s in (start, step))
    own = start2[..., None] + step2[..., None] * lags  # (D, T, T)
    inverse = np.linalg.inv(data.noise + own[:, None])
    y = data.y.transpose(0, 2, 1)
    solved = np.einsum("djst,djt->djs", inverse, y)
    precision, pull = inverse.sum(1), solved.sum(1)
    ahead = start2 + step2 * ages
    gain = np.einsum("djst,ds->djt", inverse, ahead)
    alone = start2 + step2 * years - np.einsum("djt,dt->dj", gain, ahead)
    likelihood = np.linalg.slogdet(inverse)[1].sum(1) - (y * solved).sum((1, 2))
    now = -gain
    now[..., -1] += 1  # the common level of the newest year, less what u takes of it
    log_likelihoods, means, sds = [], [], []
    for together in common:
        step2 = np.broadcast_to(together, worlds)[:, None] ** 2
        prior = FLAT + step2[..., None] * lags
        inner = np.eye(years) + prior @ precision
        spread = np.linalg.solve(inner, prior)
        level = np.einsum("dst,dt->ds", spread, pull)
        log_likelihoods.append(
            0.5 * (likelihood + (pull * level).sum(1) - np.linalg.slogdet(inner)[1])
        )
        means.append((gain * y).sum(2) + np.einsum("djt,dt->dj", now, level))
        from_level = np.einsum("djs,dst,djt->dj", now, spread, now)
        sds.append(np.sqrt(alone + from_level + step2))
    return np.array(log_likelihoods), np.array(means), np.array(sds)


def _prior(common, width):
    """Weights of the candidates: half-normal densities times the gaps of the grid."""
    parts = [
        np.exp(-0.5 * (grid / scale) ** 2) * (np.gradient(grid) if len(grid) > 1 else 1)
        for grid, scale in ((STARTS, 1), (STEPS, 1), (common, width))
    ]
    return np.einsum("i,j,k->ijk", *parts).ravel()


def _average(log_weight, prior, mean, sd, *, ci_prob):
    """Mean and equal-tailed interval of a mixture of normals, world by world."""
    weight = np.exp(log_weight - log_weight.max(0)) * prior[:, None]
    weight /= weight.sum(0)
    centre = np.einsum("gd,gdj->dj", weight, mean)
    ends = np.empty((2, *centre.shape))
    for d in range(len(centre)):
        kept = weight[:, d] > 1e-3 * weight[:, d].max()
        w, m, s = weight[kept, d], mean[kept, d], sd[kept, d]
        w = w / w.sum()
        for i, prob in enumerate(((1 - ci_prob) / 2, (1 + ci_prob) / 2)):
            low, high = (m - 8 * s).min(0), (m + 8 * s).max(0)
            for _ in range(25):
                middle = (low + high) / 2
                less = w @ ndtr((middle - m) / s) < prob
                low, high = np.where(less, middle, low), np.where(less, high, middle)
            ends[i, d] = (low + high) / 2
    return centre, *ends

"""The mirror: one way to pool, many ways to infer, over many data sets at once."""

from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtrit

from partialpool.poolings.intercepts import GroupSums, at_ratio
from partialpool.poolings.methods import (
    Task,
    best_ratio,
    full_likelihood,
    moment_estimate,
    morris,
    restricted_likelihood,
)
from partialpool.poolings.mixture import quantile
from partialpool.poolings.one_way import check_prob, one_way, tails_of
from partialpool.scores import interval_score

ENDS = ("estimate", "low", "high")
# Ratios of group means' spread to their noise below which an estimate counts as zero.
ZERO = 1e-4
# New groups that every data set is judged by.
NEW = 50
# Numbers in one batch of the bootstrap, and its search: points and rounds.
BATCH, COARSE = 200_000, (20, 4)


@dataclass(frozen=True)
class Sets:
    """D data sets of J groups, as counts, means and sums of squares, with their truth.

    Attributes
    ----------
    n, mean, truth : numpy.ndarray
        Rows of each group, their mean, and the group's true mean; shape (D, J).
    ss : numpy.ndarray
        Squares of the rows about their groups' means, summed over the groups; (D, 1).
    new : numpy.ndarray
        True means of K groups more, which no row shows; shape (D, K).
    """

    n: np.ndarray
    mean: np.ndarray
    truth: np.ndarray
    ss: np.ndarray
    new: np.ndarray

    def take(self, chosen):
        """Return some of the data sets."""
        return Sets(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def sums(self):
        """Return the sums that every fit starts from."""
        within = np.zeros((len(self.n), 2, 2))
        within[:, 1, 1] = self.ss[:, 0]
        ones = np.ones((*self.n.shape, 1))
        return GroupSums(self.n, ones, self.mean, within, self.n.sum(1))


def draw_sets(sets, groups, *, sizes=(2, 30), between_sd=0.15, within_sd=0.45, seed):
    """Draw many small data sets from one truth.

    Parameters
    ----------
    sets, groups : int
        How many data sets, D, and how many groups in each, J.
    sizes : (int, int)
        Fewest and most rows of a group; sizes are even on the log scale.
    between_sd, within_sd : float
        Standard deviations of group means (about zero), and of rows in a group.
    seed : int or sequence of int
        Source of all randomness.

    Returns
    -------
    Sets

    Examples
    --------
    >>> draw_sets(100, 5, seed=1).mean.shape
    (100, 5)
    """
    rng = np.random.default_rng(seed)
    n = np.rint(np.exp(rng.uniform(*np.log(sizes), (sets, groups))))
    truth = rng.normal(0, between_sd, (sets, groups))
    mean = rng.normal(truth, within_sd / np.sqrt(n))
    free = n.sum(1, keepdims=True) - groups
    ss = within_sd**2 * rng.chisquare(free)
    return Sets(n, mean, truth, ss, rng.normal(0, between_sd, (sets, NEW)))


# Inference --------------------------------------------------------------------


@dataclass(frozen=True)
class Inference:
    """What one method says of D data sets.

    Attributes
    ----------
    estimate, low, high : numpy.ndarray
        Of each group's mean, shape (D, J).
    between_sd : numpy.ndarray
        Its estimate of the standard deviation between groups, shape (D,); of the
        posterior the median.
    new_low, new_high : numpy.ndarray
        Interval for the mean of a group that has no rows, shape (D,).
    """

    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    between_sd: np.ndarray
    new_low: np.ndarray
    new_high: np.ndarray


def infer(sets, *, ci_prob=0.9, draws=30, seed):
    """Pool every data set partially, by each way to infer.

    Parameters
    ----------
    sets : Sets
    ci_prob : float
        Probability of the equal-tailed intervals.
    draws : int
        Of the bootstrap.
    seed : int or sequence of int
        Of the bootstrap: nothing else is random.

    Returns
    -------
    dict of str to Inference
        ``ml`` and ``reml`` take the standard deviations as known once they are
        estimated; ``reml, t`` is ``reml`` but for the new group, whose interval uses
        Student's t with two degrees of freedom fewer than groups (Higgins, Thompson
        and Spiegelhalter 2009); ``reml, bootstrap`` is :func:`bootstrap`;
        ``empirical_bayes`` takes its moment estimate as
        known; ``morris`` allows for its error (Morris 1983); ``bayes`` is the
        posterior with the priors of Bambi; ``bayes, seen`` is the same but for the
        new group, which in each draw takes the place of a group that was seen, as in
        Bambi 0.21.

    Examples
    --------
    >>> found = infer(draw_sets(50, 8, seed=1), seed=1)
    >>> [name for name in found if name.startswith("reml")]
    ['reml', 'reml, t', 'reml, bootstrap']
    """
    check_prob(ci_prob)
    probs = tails_of(ci_prob)
    task = Task(sets.sums(), np.ones(len(sets.n)), True, probs)
    ml, reml = (
        best_ratio(task, log) for log in (full_likelihood, restricted_likelihood)
    )
    z, t = ndtri(probs[1]), stdtrit(np.maximum(task.sums.groups - 2, 1), probs[1])
    pooled = one_way(sets.mean, n=sets.n, ss=sets.ss, ci_prob=ci_prob)
    spread, new = pooled.between_sd.median, pooled.new_group
    bayes = Inference(pooled.mean, pooled.low, pooled.high, spread, new.low, new.high)
    moments = _moments(task, z)
    return {
        "ml": _plug_in(task.sums, ml, z, task.sums.rows),
        "reml": _plug_in(task.sums, reml, z, task.sums.rows - 1),
        "reml, t": _plug_in(task.sums, reml, z, task.sums.rows - 1, t),
        "reml, bootstrap": bootstrap(sets, draws=draws, ci_prob=ci_prob, seed=seed),
        "empirical_bayes": moments,
        "morris": replace(moments, **dict(zip(ENDS, morris(task), strict=True))),
        "bayes": bayes,
        "bayes, seen": _resample(bayes, pooled, ci_prob),
    }


def _resample(bayes, pooled, ci_prob):
    """Predict a new group by drawing one of those that were seen."""
    share = np.full(pooled.mean.shape, 1 / pooled.mean.shape[1])
    curves = pooled.mean[..., None], pooled.sd[..., None]
    ends = [quantile(p, share, *curves)[:, 0] for p in tails_of(ci_prob)]
    return replace(bayes, new_low=ends[0], new_high=ends[1])


def bootstrap(sets, *, draws=30, ci_prob=0.9, seed):
    """Let REML allow for not knowing the standard deviations, by a bootstrap.

    Parameters
    ----------
    sets : Sets
    draws : int
        Data sets to draw from each fit, and to fit again.
    ci_prob : float
        Probability of the equal-tailed intervals.
    seed : int or sequence of int
        Source of all randomness.

    Returns
    -------
    Inference
        The estimates of REML. Intervals are quantiles of the normal curves that a
        group has at each draw's standard deviations and mean.

    Notes
    -----
    Laird and Louis (1987), Journal of the American Statistical Association 82: the
    type III parametric bootstrap.
    """
    rng = np.random.default_rng(seed)
    step = max(1, BATCH // (draws * sets.n.shape[1]))
    parts = [
        _bootstrap(sets.take(slice(i, i + step)), draws, tails_of(ci_prob), rng)
        for i in range(0, len(sets.n), step)
    ]
    names = [field.name for field in fields(Inference)]
    return Inference(
        **{k: np.concatenate([getattr(part, k) for part in parts]) for k in names}
    )


def _bootstrap(sets, draws, probs, rng):
    sums = sets.sums()
    ones = np.ones(len(sets.n))
    ratio = best_ratio(Task(sums, ones, True, probs), restricted_likelihood)
    found = _plug_in(sums, ratio, ndtri(probs[1]), sums.rows - 1)
    given = at_ratio(sums, ratio[:, None])
    sigma = np.sqrt(given.squares[:, 0] / (sums.rows - 1))[:, None, None]
    shape = (len(sets.n), draws, sets.n.shape[1])
    n = np.broadcast_to(sets.n[:, None], shape)
    true = (
        given.slopes[:, :, :1]
        + rng.normal(size=shape) * found.between_sd[:, None, None]
    )
    mean = true + rng.normal(size=shape) * sigma / np.sqrt(n)
    free = (sums.rows - shape[2])[:, None, None]
    ss = sigma**2 * rng.chisquare(free, (*shape[:2], 1))
    flat = [part.reshape(-1, part.shape[-1]) for part in (n, mean, true, ss)]
    again = Sets(*flat, new=flat[3]).sums()
    task = Task(again, np.ones(len(again.n)), True, probs, search=COARSE)
    ratio = best_ratio(task, restricted_likelihood)
    given = at_ratio(again, ratio[:, None])
    sd = np.sqrt(given.squares[:, 0] / (again.rows - 1))
    weight = given.weight[:, 0].reshape(shape)
    middle = given.slopes[:, 0].reshape(*shape[:2], 1)
    centre = weight * sets.mean[:, None] + (1 - weight) * middle
    scale = sd.reshape(*shape[:2], 1) * np.sqrt(weight / n)
    spread = (ratio * sd).reshape(*shape[:2], 1)
    share = np.full(shape[:2], 1 / draws)
    low, high = (quantile(p, share, centre, np.maximum(scale, ZERO)) for p in probs)
    new = [quantile(p, share, middle, np.maximum(spread, ZERO))[:, 0] for p in probs]
    return replace(found, low=low, high=high, new_low=new[0], new_high=new[1])


def _plug_in(sums, ratio, z, free, t=None):
    """Estimates and intervals that take both standard deviations as known."""
    given = at_ratio(sums, ratio[:, None])
    sigma = np.sqrt(given.squares[:, 0] / free)
    return _as_if_known(given, ratio, sigma, z, z if t is None else t)


def _as_if_known(given, ratio, sigma, z, z_new):
    centre, variance = (part[:, 0] for part in given.estimate())
    half = z * sigma[:, None] * np.sqrt(variance)
    new = z_new * sigma * np.sqrt(given.inverse[:, 0, 0, 0] + ratio**2)
    middle = given.slopes[:, 0, 0]
    return Inference(
        centre, centre - half, centre + half, ratio * sigma, middle - new, middle + new
    )


def _moments(task, z):
    """Empirical Bayes with the moment estimate taken as known."""
    sums, k = task.sums, task.sums.groups
    sigma2 = sums.within[:, -1, -1] / (sums.rows - k)
    noise = sigma2[:, None] / sums.n
    p = np.minimum(1, k - 3)
    tau2 = moment_estimate(sums, sigma2[:, None], noise, sums.n > 0, p)
    ratio = np.sqrt(tau2 / sigma2)
    given = at_ratio(sums, ratio[:, None])
    return _as_if_known(given, ratio, np.sqrt(sigma2), z, z)


# Scores -----------------------------------------------------------------------


def score_inferences(found, sets, *, chosen=None, prob=0.9):
    """Score each way to infer over data sets, with Monte Carlo errors.

    Parameters
    ----------
    found : dict of str to Inference
        What :func:`infer` returned, at ``ci_prob=prob``.
    sets : Sets
    chosen : numpy.ndarray of bool, optional
        The data sets to score, shape (D,); all by default.
    prob : float
        Probability that the intervals promise.

    Returns
    -------
    pandas.DataFrame
        One row a method: ``rmse`` over all groups, ``coverage`` with
        ``coverage_error``, ``interval_score``, the same for a new group
        (``new_coverage``, ``new_coverage_error``, ``new_score``), ``zero`` (share of
        data sets whose standard deviation between groups is estimated as 0),
        ``between_sd`` (its median) and ``narrowest`` (the tenth percentile of the
        intervals' widths).

    Notes
    -----
    Groups of one data set share their estimates, so errors are taken over data sets.
    """
    kept = np.ones(len(sets.n), bool) if chosen is None else chosen
    rows = {}
    for name, one in found.items():
        low, high, truth = one.low[kept], one.high[kept], sets.truth[kept]
        held = ((low <= truth) & (truth <= high)).mean(1)
        new = sets.new[kept]
        ends = (one.new_low[kept, None], one.new_high[kept, None], new)
        new_low, new_high, new = np.broadcast_arrays(*ends)
        new_held = ((new_low <= new) & (new <= new_high)).mean(1)
        rows[name] = {
            "rmse": np.sqrt(((one.estimate[kept] - truth) ** 2).mean()),
            "coverage": held.mean(),
            "coverage_error": _error(held),
            "interval_score": interval_score(low, high, truth, prob=prob),
            "new_coverage": new_held.mean(),
            "new_coverage_error": _error(new_held),
            "new_score": interval_score(new_low, new_high, new, prob=prob),
            "zero": (one.between_sd[kept] < ZERO).mean(),
            "between_sd": np.median(one.between_sd[kept]),
            "narrowest": np.quantile(high - low, 0.1),
        }
    return pd.DataFrame(rows).T.rename_axis("method")


def _error(held):
    return held.std(ddof=1) / np.sqrt(len(held))

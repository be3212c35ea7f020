"""Cohorts: the same groups year after year, and every way to forecast the next."""

from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.special import ndtri

from partialpool.chapters.beliefs import carry
from partialpool.chapters.census import load_census
from partialpool.chapters.walks import walk
from partialpool.faults import TableError, quote
from partialpool.poolings import contest_many, one_way

# What the past years may choose from: shares kept a year, and weights of the newest
# year in smoothing.
KEEPS = (1.0, 0.9, 0.75, 0.5, 0.25, 0.1)
ALPHAS = tuple(np.linspace(0.1, 1, 10))

# Who learns what, and who is an update in the sense of claim C8. WALKS are the updates
# that let groups drift, by a step of each group alone or also by one in common.
WALKS = ("random walk", "walk Bayes", "common-step Bayes")
UPDATES = ("sums", "joint prior", "marginal priors", "forgetting", *WALKS)
OPPONENTS = (
    "no updating",
    "last GLM",
    "lagged GLM",
    "last REML",
    "all GLM",
    "all REML",
    "rolling REML",
    "weighted REML",
    "smoothing",
    "walk REML",
    "common-step REML",
)


@dataclass(frozen=True)
class Cohorts:
    """Sums of D worlds, T years and J groups, and the means of the year after.

    Attributes
    ----------
    n, mean, ss : numpy.ndarray
        Rows of each group in each year, their mean, and their sum of squares about
        it: (D, T, J). A group without rows has n 0 and a mean of NaN.
    truth : numpy.ndarray
        Mean of each group in year T + 1: (D, J); NaN where it is not known.
    shared : float or numpy.ndarray
        Correlation of the rows' deviations from one year to the next, 0 where each
        year has rows of its own: one number, or (D,).
    """

    n: np.ndarray
    mean: np.ndarray
    ss: np.ndarray
    truth: np.ndarray
    shared: float | np.ndarray = 0.0

    @property
    def years(self):
        """How many years there are to learn from."""
        return self.n.shape[1]

    def first(self, years):
        """Return the cohorts as they were known after some years."""
        return self._cut(slice(years))

    def newest(self, years):
        """Return the newest years alone."""
        return self._cut(slice(-years, None))

    def _cut(self, cut):
        return replace(
            self, n=self.n[:, cut], mean=self.mean[:, cut], ss=self.ss[:, cut]
        )

    def add(self, keep=1.0):
        """Add the years, an older row counting `keep` to the power of its age.

        Returns n, mean and ss, each of shape (D, J).
        """
        weight = self.n * np.asarray(keep) ** np.arange(self.years)[::-1, None]
        n = weight.sum(1)
        y = np.where(self.n > 0, self.mean, 0)
        with np.errstate(invalid="ignore"):
            mean = (weight * y).sum(1) / n
        apart = np.where(self.n > 0, self.mean - mean[:, None], 0)
        share = np.divide(weight, self.n, np.zeros_like(weight), where=self.n > 0)
        ss = (share * self.ss + weight * apart**2).sum(1)
        return n, mean, ss


def simulate_cohorts(
    worlds,
    *,
    groups=40,
    years=6,
    sizes=(3, 100),
    between_sd=0.15,
    within_sd=0.45,
    drift=0.0,
    common=0.0,
    seed,
):
    """Draw worlds in which groups take normal steps from one year to the next.

    Parameters
    ----------
    worlds, groups, years : int
    sizes : (float, float)
        Smallest and largest group, drawn evenly on the log scale, the same each year.
    between_sd, within_sd, drift, common : float
        Standard deviations between groups in the first year, within them, of a group's
        own step from one year to the next, and of the step that all take together.
    seed : int

    Returns
    -------
    Cohorts

    Examples
    --------
    >>> cohorts = simulate_cohorts(2, groups=5, years=3, seed=1)
    >>> cohorts.n.shape, cohorts.truth.shape
    ((2, 3, 5), (2, 5))
    """
    rng = np.random.default_rng(seed)
    n = np.exp(rng.uniform(*np.log(sizes), (worlds, 1, groups))).round()
    n = np.broadcast_to(n, (worlds, years, groups))
    steps = rng.normal(0, drift, (worlds, years + 1, groups))
    steps[:, 0] = rng.normal(0, between_sd, (worlds, groups))
    if common:  # drawn from a stream of its own: the rest of the world stays
        steps[:, 1:] += rng.spawn(1)[0].normal(0, common, (worlds, years, 1))
    level = steps.cumsum(1)
    mean = rng.normal(level[:, :years], within_sd / np.sqrt(n))
    ss = within_sd**2 * rng.chisquare(np.maximum(n - 1, 1)) * (n > 1)
    return Cohorts(n, mean, ss, level[:, years])


def sample_cohorts(samples, *, share=0.1, same, seed):
    """Sample the institutions of the College Scorecard, 2011 to 2013, by state.

    Parameters
    ----------
    samples : int
    share : float
        Part of the institutions that is sampled each year.
    same : bool
        Whether one sample is followed through the years, or drawn anew each year.
    seed : int

    Returns
    -------
    Cohorts
        Log earnings; `truth` is the mean of all institutions of the state in 2014. A
        state without a sampled institution in some year has no truth, so that all
        methods are scored on the same states.
    """
    rng = np.random.default_rng(seed)
    tables = [load_census(year) for year in (2011, 2012, 2013)]
    judge = load_census(2014).groupby("state")["log_earnings"].mean()
    states = judge.index
    ids = pd.Index(np.unique(np.concatenate([t["institution"] for t in tables])))
    shape = (samples, len(tables), len(states))
    n, mean, ss = np.zeros(shape), np.full(shape, np.nan), np.zeros(shape)
    shared = np.zeros(samples)
    for d in range(samples):
        years = []
        drawn = rng.random(len(ids)) < share
        for t, table in enumerate(tables):
            if t and not same:
                drawn = rng.random(len(ids)) < share
            kept = table[drawn[ids.get_indexer(table["institution"])]]
            by_state = kept.groupby("state")["log_earnings"]
            apart = kept["log_earnings"] - by_state.transform("mean")
            years.append(pd.Series(apart.to_numpy(), kept["institution"]))
            found = by_state.agg(["size", "mean", "var"])
            found = found.reindex(states)
            n[d, t] = found["size"].fillna(0)
            mean[d, t] = found["mean"]
            ss[d, t] = (found["var"] * (found["size"] - 1)).fillna(0)
        shared[d] = _correlate(years)
    truth = np.where((n > 0).all(1), judge.to_numpy(), np.nan)
    return Cohorts(n, mean, ss, truth, shared)


def _correlate(years):
    """Correlation between neighbouring years, rows that are in one alone counting 0."""
    each = [
        one.mul(two).sum() / np.sqrt((one**2).sum() * (two**2).sum())
        for one, two in pairwise(years)
    ]
    return float(np.mean(each))


def read_cohorts(table, *, outcome, group, year):
    """Read one world from a table: a year for each value of its column, in order.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per member and year.
    outcome, group, year : str
        Its columns.

    Returns
    -------
    Cohorts
        The groups sorted by label; `truth` is not known.

    Raises
    ------
    TableError
        If no group has two rows in a year: the spread within groups is not known then.

    Examples
    --------
    >>> table = pd.DataFrame({"y": [1.0, 3.0, 4.0], "group": list("AAB"), "year": 1})
    >>> read_cohorts(table, outcome="y", group="group", year="year").mean
    array([[[2., 4.]]])
    """
    means = table.groupby([year, group], observed=True)[outcome].agg(
        ["size", "mean", "var"]
    )
    if (means["size"] < 2).all():
        raise TableError(
            f"Every group has one row for each value of {quote(year)}, so the spread "
            "within groups is not known: take longer periods."
        )
    n, mean, var = (means[c].unstack().to_numpy(float)[None] for c in means)
    n, ss = np.nan_to_num(n), np.nan_to_num(var * (n - 1))
    return Cohorts(n, mean, ss, np.full(n.shape[::2], np.nan))


# Ways to the next year --------------------------------------------------------


def forecast(cohorts, *, ci_prob=0.9, draws=4000, seed):
    """Forecast every group's next mean by every update and every opponent.

    What a method has to choose (how much to forget, how far groups drift, how much to
    smooth) it chooses for each world by its forecasts of the years that are there.

    Parameters
    ----------
    cohorts : Cohorts
    ci_prob : float
        Probability of the equal-tailed intervals.
    draws : int
        Draws of the first year's posterior, which become the beliefs.
    seed : int

    Returns
    -------
    dict of str to tuple of numpy.ndarray
        Estimate, low and high by method, each of shape (D, J); intervals are NaN for
        smoothing, which has none.
    """
    given = {"methods": ["none", "reml"], "ci_prob": ci_prob}
    n, mean, ss = cohorts.add()
    latest = cohorts.add(0.0)
    everything = contest_many(mean, n=n, ss=ss, **given)
    weights = [partial(Cohorts.add, keep=keep) for keep in KEEPS]
    windows = [partial(_window, years=k + 1) for k in range(cohorts.years)]
    last = contest_many(latest[1], n=latest[0], ss=latest[2], **given)
    found = {
        "no updating": _pooled(cohorts.first(1), 1.0, ci_prob),
        "last GLM": last["none"],
        "last REML": last["reml"],
        "all GLM": everything["none"],
        "all REML": everything["reml"],
        "lagged GLM": _lag(cohorts, ci_prob),
        "rolling REML": _choose(cohorts, windows, ci_prob),
        "weighted REML": _choose(cohorts, weights, ci_prob),
        "smoothing": _smooth(cohorts),
        "forgetting": _forget(cohorts, ci_prob),
    }
    found |= carry(cohorts, ci_prob=ci_prob, draws=draws, seed=seed, walk=True)
    return found | walk(cohorts, ci_prob=ci_prob)


def _pooled(cohorts, keep, ci_prob):
    n, mean, ss = cohorts.add(keep)
    pooled = one_way(mean, n=n, ss=ss, ci_prob=ci_prob)
    return pooled.mean, pooled.low, pooled.high


def _forget(cohorts, ci_prob):
    """Forget at the rate whose forecasts of the past years had the best log score."""
    scores = np.zeros((len(KEEPS), len(cohorts.n)))
    answers = []
    for i, keep in enumerate(KEEPS):
        for year in range(2, cohorts.years):
            n, mean, ss = cohorts.first(year).add(keep)
            pooled = one_way(mean, n=n, ss=ss)
            within = pooled.within_sd.mean[:, None] ** 2
            asked = cohorts.n[:, year]
            variance = pooled.sd**2 + within / np.maximum(asked, 1)
            gap = cohorts.mean[:, year] - pooled.mean
            each = -0.5 * (np.log(variance) + gap**2 / variance)
            scores[i] += np.where(asked > 0, each, 0).sum(1)
        answers.append(_pooled(cohorts, keep, ci_prob))
    return _take(answers, scores.argmax(0))


def _take(answers, best):
    """Take in each world the answer that is best there."""
    worlds = np.arange(len(best))
    return tuple(np.stack(part)[best, worlds] for part in zip(*answers, strict=True))


def _window(cohorts, years):
    return cohorts.newest(years).add()


def _choose(cohorts, ways, ci_prob):
    """Fit by REML, the years added in the way with the least squared errors so far."""
    given = {"methods": ["reml"], "ci_prob": ci_prob}
    losses, answers = [], []
    for add in ways:
        loss = 0.0
        for year in range(1, cohorts.years):
            n, mean, ss = add(cohorts.first(year))
            centre = contest_many(mean, n=n, ss=ss, **given)["reml"][0]
            asked = cohorts.n[:, year]
            gap = np.where(asked > 0, cohorts.mean[:, year] - centre, 0)
            loss = loss + (asked * gap**2).sum(1)
        n, mean, ss = add(cohorts)
        losses.append(loss)
        answers.append(contest_many(mean, n=n, ss=ss, **given)["reml"])
    return _take(answers, np.argmin(losses, axis=0))


def _lag(cohorts, ci_prob):
    """Regress a year's mean on last year's, the earlier years' and the log of size.

    Weighted least squares of all years after the first. What a residual has beyond the
    noise of its mean, the forecast's interval allows for.
    """
    parts = [
        _lag_once(*(part[d] for part in (cohorts.n, cohorts.mean, cohorts.ss)), ci_prob)
        for d in range(len(cohorts.n))
    ]
    return tuple(np.array(part) for part in zip(*parts, strict=True))


def _lag_once(n, mean, ss, ci_prob):
    seen = n > 0
    centre = (n * np.where(seen, mean, 0)).sum() / n.sum()
    y = np.where(seen, mean - centre, 0)
    rows = np.maximum(n, 0).cumsum(0)
    before = (n * y).cumsum(0) / np.maximum(rows, 1)
    x = [np.ones_like(y), y, before]
    x = np.stack([*x, *(part * np.log(np.maximum(rows, 1)) for part in x)], -1)
    known, w = x[:-1].reshape(-1, x.shape[-1]), n[1:].ravel()
    gram = np.linalg.pinv((known.T * w) @ known, hermitian=True)
    beta = gram @ (known.T @ (w * y[1:].ravel()))
    within = ss.sum() / np.maximum(n - 1, 0).sum()
    left = np.where(w > 0, (y[1:].ravel() - known @ beta) ** 2, 0)
    extra = max(0.0, (left.sum() - within * (1 / w[w > 0]).sum()) / (w > 0).sum())
    given = known[w > 0]
    meat = (given.T * (w[w > 0] ** 2 * (extra + within / w[w > 0]))) @ given
    variance = extra + np.einsum("ji,ik,jk->j", x[-1], gram @ meat @ gram, x[-1])
    estimate = centre + x[-1] @ beta
    half = ndtri((1 + ci_prob) / 2) * np.sqrt(variance)
    return estimate, estimate - half, estimate + half


def _smooth(cohorts):
    """Smooth exponentially, the weight by the squared errors of the past years."""
    levels, losses = [], []
    for alpha in ALPHAS:
        level, loss = cohorts.mean[:, 0].copy(), 0.0
        for year in range(1, cohorts.years):
            n, y = cohorts.n[:, year], cohorts.mean[:, year]
            gap = np.where(np.isnan(level) | (n == 0), 0, y - level)
            loss = loss + (n * gap**2).sum(1)
            level = np.where(np.isnan(level), y, level + alpha * gap)
        levels.append(level)
        losses.append(loss)
    best = np.argmin(losses, axis=0)
    level = np.stack(levels)[best, np.arange(len(best))]
    nothing = np.full(level.shape, np.nan)
    return level, nothing, nothing

"""Worlds of providers whose truth is known, and what each way believes of them.

A world holds sums by provider, so that hundreds of worlds are pooled at once. A way
answers with an estimate for every provider and, if it can, with joint draws, from which
every decision follows.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from partialpool.chapters.census import load_census
from partialpool.chapters.shocks import draw_standard
from partialpool.poolings import contest_many, spread
from partialpool.poolings.intercepts import GroupSums, at_ratio
from partialpool.poolings.methods import (
    Task,
    best_ratio,
    cross_validation,
    integrate_task,
    restricted_likelihood,
)
from partialpool.poolings.one_way import read_means

# Log pay: its centre, what the tariff explains and leaves between providers, and the
# spread of graduates within one.
TRUTH = {"mean": 10.25, "slope": 0.1, "between_sd": 0.1, "within_sd": 0.45}
DOMAIN_SIZE = 5  # providers in a domain, such as a region
KINDS = {
    "as assumed": {},
    "heavy tails": {"df": 3},
    "size informs": {"size_effect": 0.06},
    "groups alike": {"between_sd": 0.02, "slope": 0.02},
}
SMALLEST_STATE = 10  # institutions, for a state to be judged


@dataclass(frozen=True)
class Worlds:
    """Sums of D worlds of J providers, and their truth.

    Attributes
    ----------
    n, mean : numpy.ndarray
        Rows of each provider and their mean, (D, J); of a sample without replacement,
        as many rows as say as much of an endless population.
    ss : numpy.ndarray
        Sum of squares within providers, over all of them: (D, 1).
    x : numpy.ndarray
        A predictor of each provider, (D, J).
    truth : numpy.ndarray
        True mean of each provider, (D, J).
    population : numpy.ndarray
        Members of each provider in the population, (D, J).
    domain : numpy.ndarray
        Number of the domain of each provider, (J,).
    benchmark : float
        Below it a provider is called.
    counted : numpy.ndarray, optional
        Rows as a rule about people counts them, (D, J), where `n` says otherwise.
    """

    n: np.ndarray
    mean: np.ndarray
    ss: np.ndarray
    x: np.ndarray
    truth: np.ndarray
    population: np.ndarray
    domain: np.ndarray
    benchmark: float
    counted: np.ndarray | None = None

    def people(self):
        """Rows of each provider as a rule about people counts them: (D, J)."""
        return self.n if self.counted is None else self.counted

    def take(self, some):
        """Return some of the worlds."""
        parts = (self.n, self.mean, self.ss, self.x, self.truth, self.population)
        counted = self.counted if self.counted is None else self.counted[some]
        parts = (part[some] for part in parts)
        return Worlds(*parts, self.domain, self.benchmark, counted)

    def within_sd(self):
        """Standard deviation of rows within providers, by world: (D, 1)."""
        free = self.n.sum(1, keepdims=True) - self.n.shape[1]
        return np.sqrt(self.ss / free)

    def weights(self):
        """Share of each provider in its domain's population: (D, domains, J)."""
        own = self.domain == np.arange(self.domain.max() + 1)[:, None]
        each = own * self.population[:, None]
        return each / each.sum(-1, keepdims=True)


@dataclass(frozen=True)
class Answer:
    """What one way says: an estimate of each provider, and joint draws or None."""

    point: np.ndarray  # (D, J)
    draws: np.ndarray | None = None  # (D, S, J)
    domains: tuple | None = None  # estimate and interval, where it has its own


# Worlds ----------------------------------------------------------------------------


def draw_worlds(
    worlds,
    groups=60,
    *,
    between_sd=TRUTH["between_sd"],
    slope=TRUTH["slope"],
    df=np.inf,
    size_effect=0.0,
    seed,
):
    """Draw worlds in which who answers differs from who is there.

    Populations run from 40 to 1,000, evenly on the log scale. About a tenth answers,
    more where the tariff is high, so that the sample is the better paid part.

    Parameters
    ----------
    worlds, groups : int
    between_sd, slope : float
        Standard deviation between providers beside the tariff, and rise of log pay with
        one standard deviation of it.
    df : float
        Degrees of freedom of the providers' deviations, with the same variance.
    size_effect : float
        Rise of a provider's mean when its population grows e-fold.
    seed : int or sequence of int

    Returns
    -------
    Worlds

    Examples
    --------
    >>> worlds = draw_worlds(3, groups=10, seed=1)
    >>> worlds.mean.shape, worlds.weights().sum(-1).round(6).tolist()[0]
    ((3, 10), [1.0, 1.0])
    """
    rng, shape = np.random.default_rng(seed), (worlds, groups)
    within = TRUTH["within_sd"]
    x = rng.standard_normal(shape)
    population = np.rint(np.exp(rng.uniform(np.log(40), np.log(1000), shape)))
    n = np.maximum(np.rint(0.1 * population * np.exp(0.5 * x)), 2)
    shocks = rng.standard_normal(shape)
    if np.isfinite(df):
        shocks = draw_standard(rng, df, shape)
    log_size = np.log(population) - np.log(200)
    truth = TRUTH["mean"] + slope * x + between_sd * shocks + size_effect * log_size
    mean = rng.normal(truth, within / np.sqrt(n))
    ss = within**2 * rng.chisquare((n - 1).sum(1, keepdims=True))
    domain = np.arange(groups) // DOMAIN_SIZE
    return Worlds(n, mean, ss, x, truth, population, domain, np.log(25_000))


def draw_rows(world):
    """Draw rows with exactly the sums of the first of some worlds.

    Returns
    -------
    pandas.DataFrame
        Columns ``provider``, ``tariff`` and ``log_pay``.
    """
    n, rng = world.n[0].astype(int), np.random.default_rng(int(world.n[0].sum()))
    code = np.repeat(np.arange(len(n)), n)
    noise = rng.standard_normal(len(code))
    noise -= (np.bincount(code, noise) / n)[code]
    noise *= np.sqrt(world.ss[0, 0] / (noise**2).sum())
    labels = np.array([f"P{j:02d}" for j in range(1, len(n) + 1)])
    columns = {"provider": labels[code], "tariff": world.x[0][code]}
    return pd.DataFrame(columns).assign(log_pay=world.mean[0][code] + noise)


def sample_states(samples, *, share=0.1, year=2014, seed):
    """Sample the institutions of every state; the full table is the truth.

    A state needs ten institutions or more. Its predictor is the share of institutions
    that award four-year degrees, domains are the divisions of the Census Bureau, and
    a domain's mean is that of its institutions. The benchmark is a part of the true
    standard deviation below the true mean, the same part as in the other worlds.
    Institutions are drawn without replacement, so a state's sample says more of it than
    as many draws from an endless state would: its rows count as ``n / (1 - n / N)``.

    Parameters
    ----------
    samples : int
    share : float
        Part of a state's institutions in each sample, two at the least.
    year : int
    seed : int or sequence of int

    Returns
    -------
    Worlds
    """
    rng = np.random.default_rng(seed)
    census = load_census(year)
    census = census[census["division"] != "territory"]
    census = census[
        census.groupby("state")["state"].transform("size") >= SMALLEST_STATE
    ]
    by_state = census.groupby("state")
    y = [part.to_numpy() for _, part in by_state["log_earnings"]]
    size = np.array([len(part) for part in y])
    n = np.maximum(np.rint(share * size), 2).astype(int)
    mean, ss = np.empty((samples, len(y))), np.zeros((samples, 1))
    for d in range(samples):
        for j, values in enumerate(y):
            drawn = rng.choice(values, n[j], replace=False)
            mean[d, j] = drawn.mean()
            ss[d] += ((drawn - mean[d, j]) ** 2).sum()
    four = census["degree"] == "four years or more"
    x = four.groupby(census["state"]).mean().to_numpy()
    truth = np.array([values.mean() for values in y])
    domain = by_state["division"].first().factorize(sort=True)[0]
    spread_of = np.hypot(TRUTH["slope"], TRUTH["between_sd"])
    part = (TRUTH["mean"] - np.log(25_000)) / spread_of
    benchmark = truth.mean() - part * truth.std(ddof=1)
    worth = n / np.maximum(1 - n / size, 0.01)
    ss *= (worth.sum() - len(n)) / (n.sum() - len(n))
    same = [np.tile(values, (samples, 1)) for values in (worth, x, truth, size, n)]
    rows, *others, people = same
    return Worlds(rows, mean, ss, *others, domain, float(benchmark), people)


# What each way believes ------------------------------------------------------------


def believe(worlds, *, draws=400, prob=0.9, seed):
    """Let every way answer in every world.

    Parameters
    ----------
    worlds : Worlds
    draws : int
        Joint draws of all providers in each world.
    prob : float
        Probability of the intervals of complete pooling.
    seed : int or sequence of int

    Returns
    -------
    dict of str to Answer
        ``complete`` (all rows of a domain as one), ``none`` (each provider on its own),
        ``GLM`` (with the predictor), ``ridge`` (no draws) and ``ridge, bootstrap`` (a
        parametric one, the penalty kept), ``REML`` (estimates taken as known),
        ``empirical Bayes`` (Morris's intervals, each provider for itself), ``Bayes``
        and ``ridge, Wahba`` (the normal distribution whose mean is ridge's estimate,
        as Wahba 1983 and mgcv have it).

    Examples
    --------
    >>> answers = believe(draw_worlds(2, seed=1), draws=50, seed=1)
    >>> answers["Bayes"].draws.shape
    (2, 50, 60)
    """
    rng = np.random.default_rng(seed)
    task, middle = _task(worlds)
    dummies = at_ratio(task.sums, [[np.inf]])
    common = at_ratio(task.sums, [[0.0]])
    best = best_ratio(task, restricted_likelihood)
    reml = at_ratio(task.sums, best[:, None])
    free = task.sums.rows - reml.rank[:, 0]
    sigma = np.sqrt(reml.squares[:, 0] / free)
    whole = integrate_task(task)
    methods = ["ridge", "empirical_bayes"]
    given = {"n": worlds.n, "ss": worlds.ss, "x": worlds.x}
    found = contest_many(worlds.mean, **given, methods=methods, ci_prob=0.9)
    estimate, low, high = found["empirical_bayes"]
    noise = rng.standard_normal((len(estimate), draws, estimate.shape[1]))
    morris = estimate[:, None] + ((high - low) / 2 / 1.645)[:, None] * noise
    joint = {
        "none": _student(dummies, task.sums.groups, draws, rng),
        "GLM": _student(common, common.rank[:, 0], draws, rng),
        "REML": draw_jointly(spread.fix(task.sums, best * sigma, sigma), draws, rng),
        "Bayes": draw_jointly(whole, draws, rng),
    }
    points = {
        "none": dummies.estimate()[0][:, 0],
        "GLM": common.estimate()[0][:, 0],
        "REML": reml.estimate()[0][:, 0],
        "Bayes": (whole.weight[..., None] * whole.given.estimate()[0]).sum(1),
    }
    answers = {
        name: Answer(points[name] + middle, joint[name] + middle[:, None])
        for name in joint
    }
    ridge, kept = found["ridge"][0], best_ratio(task, cross_validation)
    within_sd = worlds.within_sd()[:, 0]
    again = _bootstrap(task, kept, within_sd, ridge - middle, draws, rng)
    answers["complete"] = _complete(worlds, prob)
    answers["ridge"] = Answer(ridge)
    answers["ridge, bootstrap"] = Answer(ridge, again + middle[:, None])
    answers["empirical Bayes"] = Answer(estimate, morris)
    own = _wahba(task, kept, within_sd, draws, rng)
    answers["ridge, Wahba"] = Answer(ridge, own + middle[:, None])
    return answers


def _task(worlds):
    """Sums with the predictor beside the intercept, and what was taken out: (D, 1)."""
    sums, middle, outcome_sd = read_means(worlds.mean, n=worlds.n, ss=worlds.ss)
    x = worlds.x - worlds.x.mean(1, keepdims=True)
    x = np.stack([np.ones_like(x), x / x.std(1, keepdims=True)], axis=-1)
    within = np.zeros((len(x), 3, 3))
    within[:, -1, -1] = sums.within[:, -1, -1]
    sums = GroupSums(sums.n, x, sums.y, within, sums.rows)
    return Task(sums, outcome_sd, True, (0.05, 0.95)), middle[:, None]


def _student(given, used, draws, rng):
    """Draw as a linear model does that has used so many degrees of freedom."""
    df = (given.sums.rows - used)[:, None]
    sigma = np.sqrt(given.squares / rng.chisquare(df, (len(df), draws)))
    return _effects(given, np.zeros(sigma.shape, int), sigma, rng)


def _wahba(task, best, sd, draws, rng):
    """Draws of ridge as a normal model, its ratio of standard deviations known."""
    known = spread.fix(task.sums, np.maximum(best, 1e-9) * sd, sd)
    return draw_jointly(known, draws, rng)


def _bootstrap(task, best, sd, ridge, draws, rng):
    """Ridge fitted again to means drawn around its own estimates: (D, S, J)."""
    sums = task.sums
    se = sd[:, None, None] / np.sqrt(sums.n[:, None])
    y = rng.normal(ridge[:, None], se, (len(ridge), draws, ridge.shape[1]))
    given = at_ratio(sums, best[:, None])
    weight = given.weight
    kept = (1 - weight[:, 0]) * sums.n  # weight of a group in the common line
    solve = given.inverse[:, 0] @ (sums.x * kept[..., None]).swapaxes(1, 2)
    line = (y @ solve.swapaxes(1, 2)) @ sums.x.swapaxes(1, 2)
    return line + weight * (y - line)


def believe_knowing(worlds, between_sd, within_sd, *, draws=400, seed):
    """Let the model answer where both standard deviations are known: an Answer."""
    rng = np.random.default_rng(seed)
    task, middle = _task(worlds)
    each = np.ones(len(worlds.n))
    known = spread.fix(task.sums, between_sd * each, within_sd * each)
    joint = draw_jointly(known, draws, rng) + middle[:, None]
    return Answer(known.given.estimate()[0][:, 0] + middle, joint)


def draw_jointly(known, draws, rng):
    """Draw the means of all groups from the posterior of random intercepts.

    Parameters
    ----------
    known : partialpool.poolings.spread.Spread
        Of D data sets.
    draws : int
    rng : numpy.random.Generator

    Returns
    -------
    numpy.ndarray
        Shape (D, draws, J), on the scale of the sums.
    """
    shape = len(known.weight), draws
    node = _choose(known.weight[:, None], rng.random(shape))
    share = np.take_along_axis(known.share, node[..., None], 1)
    at = _choose(share, rng.random(shape))
    log_sd = np.take_along_axis(known.log_sd, node[..., None], 1)
    log_sd = np.take_along_axis(log_sd, at[..., None], 2)[..., 0]
    return _effects(known.given, node, np.exp(log_sd), rng)


def _choose(weights, u):
    """Number of the weight in which each u of (0, 1) falls."""
    steps = weights.cumsum(-1)
    chosen = (u[..., None] > steps / steps[..., -1:]).sum(-1)
    return np.minimum(chosen, weights.shape[-1] - 1)


def _effects(given, node, sigma, rng):
    """Draw coefficients, then groups given them: (D, S, J)."""
    each = np.arange(len(node))[:, None]
    values, vectors = np.linalg.eigh(given.inverse)  # all 0 where groups are dummies
    root = (vectors * np.sqrt(np.maximum(values, 0))[..., None, :])[each, node]
    z = rng.standard_normal((*node.shape, root.shape[-1]))
    b = given.slopes[each, node] + sigma[..., None] * (root @ z[..., None])[..., 0]
    x, y, n = given.sums.x, given.sums.y, given.sums.n
    line = b @ x.swapaxes(1, 2)
    weight = given.weight[each, node]
    left = sigma[..., None] * np.sqrt(weight / n[:, None])
    noise = rng.standard_normal(line.shape)
    return line + weight * (y[:, None] - line) + left * noise


def _complete(worlds, prob):
    """One mean for all; for a domain, the mean of all its rows."""
    total = (worlds.n * worlds.mean).sum(1) / worlds.n.sum(1)
    point = np.repeat(total[:, None], worlds.n.shape[1], 1)
    own = worlds.domain == np.arange(worlds.domain.max() + 1)[:, None]
    rows = own * worlds.n[:, None]
    n = rows.sum(-1)
    mean = (rows * worlds.mean[:, None]).sum(-1) / n
    squares = worlds.ss[:, 0] + (worlds.n * (worlds.mean - total[:, None]) ** 2).sum(1)
    sd = np.sqrt(squares / (worlds.n.sum(1) - 1))[:, None]
    half = ndtri((1 + prob) / 2) * sd / np.sqrt(n)
    return Answer(point, None, (mean, mean - half, mean + half))

"""Worlds with a loan book of known cost, and six ways to forecast that cost.

A world is a table that an analyst has (a sample of graduates, each seen once in the
first ten years) and a book that nobody has seen yet: the next cohort of the same
courses, who live whole careers and repay. All ways are told the same of careers, and
have to find the same: the pay of each course, the growth of pay, its spread.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from partialpool.exact import fit, predict
from partialpool.graduates import simulate_careers
from partialpool.loans import repay

YEARS, INFLATION, BALANCE = 40, 0.03, 45_000.0
LATER = 0.005  # real growth of pay from the eleventh year on, taken as known
# Shares of the variance of log pay: for life, slowly changing, of one year.
SHARES = {"for life": 0.5, "lasting": 0.3, "one year": 0.2}
TRUTH = {"level": 10.15, "growth": 0.03, "tariff": 0.12, "tau": 0.12, "sigma": 0.42}
KINDS = {"as assumed": {}, "heavy tails": {"df": 3}, "drift": {"drift": 0.06}}


@dataclass(frozen=True)
class World:
    """What the analyst sees, and what becomes of the book."""

    table: pd.DataFrame  # course, years (since the first), tariff, log_pay
    courses: pd.DataFrame  # by course: tariff, borrowers, and the true cost
    cost: float  # of the whole book, as a share of the outlay


@dataclass(frozen=True)
class Beliefs:
    """Draws of what a way believes: one row a draw."""

    level: np.ndarray  # of log pay in the first year, (draws, courses)
    growth: np.ndarray  # a year, (draws,)
    sigma: np.ndarray  # of log pay within courses, (draws,)


def live(level, growth, sigma, rng, *, df=np.inf):
    """Careers of people: pay in pounds of the year, shape (people, 40).

    Each argument is one number a person. With finite `df` what is for life has the
    tails of Student's t, and the same variance.
    """
    life = _standard(rng, df, len(level))
    unit = simulate_careers(
        np.sqrt(SHARES["for life"]) * life,
        years=YEARS,
        growth=0.0,
        persistent_sd=np.sqrt(SHARES["lasting"]),
        transitory_sd=np.sqrt(SHARES["one year"]),
        seed=rng,
    )
    year = np.arange(YEARS)
    late = INFLATION * year + LATER * np.maximum(year - 9, 0)
    trend = late + np.multiply.outer(growth, np.minimum(year, 9))
    return unit ** np.asarray(sigma)[:, None] * np.exp(level[:, None] + trend)


def costs_of(pay):
    """Share of a Plan 5 loan that is not expected back, by person."""
    loans = repay(
        pay,
        "plan 5",
        BALANCE,
        first_year=2026,
        rpi=INFLATION,
        threshold_growth=INFLATION,
        discount=INFLATION,
    )
    return 1 - loans.value / BALANCE


def draw_world(courses=40, *, df=np.inf, drift=0.0, seed):
    """Draw a world: tails of courses and people, and drift from one cohort to the next.

    With `drift` the level of every course moves by its own normal step with that
    standard deviation, and all of them together by one of half of it.
    """
    rng, t = np.random.default_rng(seed), TRUTH
    n = np.rint(np.exp(rng.uniform(np.log(3), np.log(60), courses))).astype(int)
    tariff = rng.standard_normal(courses)
    level = t["level"] + t["tariff"] * tariff + t["tau"] * _standard(rng, df, courses)
    course = np.repeat(np.arange(courses), n)
    years = rng.integers(0, 10, len(course))
    parts = np.sqrt(SHARES["for life"]), np.sqrt(1 - SHARES["for life"])
    shock = parts[0] * _standard(rng, df, len(course))
    shock += parts[1] * rng.standard_normal(len(course))
    log_pay = level[course] + t["growth"] * years + t["sigma"] * shock
    level += rng.normal(0, drift, courses) + rng.normal(0, drift / 2)
    who = np.repeat(np.arange(courses), 10 * n)
    ones = np.ones(len(who))
    pay = live(level[who], t["growth"] * ones, t["sigma"] * ones, rng, df=df)
    cost = costs_of(pay)
    labels = pd.Index([f"c{j:02d}" for j in range(courses)], name="course")
    table = pd.DataFrame({"course": labels[course], "years": years})
    table = table.assign(tariff=tariff[course], log_pay=log_pay)
    about = pd.DataFrame({"tariff": tariff, "borrowers": 10 * n}, labels)
    about["cost"] = pd.Series(cost).groupby(who).mean().to_numpy()
    return World(table, about, float(cost.mean()))


def _standard(rng, df, n):
    """Numbers with standard deviation 1, normal or with the tails of a t."""
    if np.isinf(df):
        return rng.standard_normal(n)
    return rng.standard_t(df, n) * np.sqrt((df - 2) / df)


# From pay to cost ------------------------------------------------------------------


class CostCurve:
    """Mean and spread of what a person costs, given level, growth and sigma.

    Hundreds of careers for each of millions of draws would take hours. So people
    with all sorts of levels live once, and two polynomials are fitted: to their
    costs, and to the squares of what is left.
    """

    def __init__(self, people=400_000, *, seed):
        rng = np.random.default_rng(seed)
        self.low, self.high = np.array([[9.2, 0.0, 0.3], [11.1, 0.06, 0.56]])
        points = rng.uniform(self.low, self.high, (people, 3))
        cost = np.empty(people)
        for some in np.array_split(np.arange(people), max(people // 20_000, 1)):
            cost[some] = costs_of(live(*points[some].T, rng))
        level, others = self._scale(*points.T)
        powers = level[:, None] ** np.arange(8)
        basis = (powers[:, :, None] * others[:, None]).reshape(people, -1)
        mean = np.linalg.lstsq(basis, cost)[0]
        square = np.linalg.lstsq(basis, (cost - basis @ mean) ** 2)[0]
        self.mean, self.square = mean.reshape(8, 9), square.reshape(8, 9)

    def _scale(self, *values):
        """Put all on -1 to 1; the last two as the nine products of their powers."""
        x, y, z = (
            np.clip(2 * (np.asarray(v) - a) / (b - a) - 1, -1, 1)
            for v, a, b in zip(values, self.low, self.high, strict=True)
        )
        return x, np.stack([y**j * z**k for j in range(3) for k in range(3)], -1)

    def __call__(self, level, growth, sigma):
        """Mean and standard deviation of the cost of one person."""
        x, others = self._scale(level, growth, sigma)
        mean, square = (
            np.polynomial.polynomial.polyval(
                x, np.moveaxis(others @ c.T, -1, 0), tensor=False
            )
            for c in (self.mean, self.square)
        )
        return mean, np.sqrt(np.maximum(square, 1e-6))


def forecast(beliefs, world, curve, *, seed):
    """Draws of the cost of each course and, last, of the whole book."""
    rng, size = np.random.default_rng(seed), world.courses["borrowers"].to_numpy()
    growth, sigma = beliefs.growth[:, None], beliefs.sigma[:, None]
    mean, sd = curve(beliefs.level, growth, sigma)
    costs = mean + sd / np.sqrt(size) * rng.standard_normal(mean.shape)
    return np.column_stack([costs, costs @ size / size.sum()])


# Six ways to believe ---------------------------------------------------------------


def plug_in(world, draws, rng):
    """A GLM with the tariff: its estimates, as if they were the truth."""
    X, y = _design(world), world.table["log_pay"].to_numpy()
    b, s = _least_squares(X, y)
    return _repeat(_common(world, b), b[1], s, draws)


def bootstrap(world, draws, rng):
    """The same GLM, fitted again to courses drawn with replacement."""
    X, y = _design(world), world.table["log_pay"].to_numpy()
    rows = list(world.table.groupby("course", sort=False).indices.values())
    found = []
    for _ in range(draws):
        some = np.concatenate([rows[j] for j in rng.integers(0, len(rows), len(rows))])
        found.append(_least_squares(X[some], y[some]))
    b, s = (np.array(each) for each in zip(*found, strict=True))
    return Beliefs(_common(world, b.T).T, b[:, 1], s)


def plug_in_dummies(world, draws, rng):
    """A GLM with a dummy for each course: its estimates, as if they were the truth."""
    X, y = _dummies(world), world.table["log_pay"].to_numpy()
    b, s = _least_squares(X, y)
    return _repeat(b[1:], b[0], s, draws)


def no_pooling(world, draws, rng):
    """A GLM with a dummy for each course, and its standard errors."""
    X, y = _dummies(world), world.table["log_pay"].to_numpy()
    b, s = _least_squares(X, y)
    free = len(y) - X.shape[1]
    sigma = s * np.sqrt(free / rng.chisquare(free, draws))
    root = np.linalg.cholesky(np.linalg.inv(X.T @ X))
    found = b + sigma[:, None] * (rng.standard_normal((draws, len(b))) @ root.T)
    return Beliefs(found[:, 1:], found[:, 0], sigma)


def reml(world, draws, rng):
    """REML, fitted again to tables drawn from its own fit.

    The fits show how far its parameters may be off; given each, the courses have
    their normal distribution (Laird and Louis 1987).
    """
    X, y = _design(world), world.table["log_pay"].to_numpy()
    code, n = world.table["course"].factorize()[0], world.courses["borrowers"] // 10
    n = n.to_numpy()
    b, tau, sigma = _reml(X, y[:, None], code, n)
    u = tau * rng.standard_normal((len(n), draws))
    again = X @ b + u[code] + sigma * rng.standard_normal((len(y), draws))
    b, tau, sigma = _reml(X, again, code, n)
    left = _sums(y[:, None] - X @ b, code, len(n))
    precision = n[:, None] / sigma**2 + 1 / np.maximum(tau, 1e-9) ** 2
    effect = left / sigma**2 / precision
    effect += rng.standard_normal(effect.shape) / np.sqrt(precision)
    return Beliefs((_common(world, b) + effect).T, b[1], sigma)


def hierarchical(world, draws, rng):
    """The posterior of the hierarchical model."""
    posterior = fit(
        "log_pay ~ 1 + years + tariff + (1|course)",
        world.table,
        draws=draws,
        seed=rng,
    )
    rows = world.courses.reset_index().assign(years=0)
    level = predict(posterior, rows, seed=rng)["mean"].to_numpy()
    draws = posterior["posterior"]
    flat = draws["years"].to_numpy().ravel(), draws["sigma"].to_numpy().ravel()
    return Beliefs(level.reshape(-1, len(rows)), *flat)


WAYS = {
    "plug-in GLM": plug_in,
    "plug-in, dummies": plug_in_dummies,
    "GLM, bootstrap": bootstrap,
    "no pooling": no_pooling,
    "REML, bootstrap": reml,
    "hierarchical": hierarchical,
}


def _design(world):
    t = world.table
    return np.column_stack([np.ones(len(t)), t["years"], t["tariff"]])


def _dummies(world):
    code, labels = world.table["course"].factorize()
    return np.column_stack([world.table["years"], np.eye(len(labels))[code]])


def _common(world, b):
    """What the common terms say of each course in its first year."""
    about = np.column_stack([np.ones(len(world.courses)), world.courses["tariff"]])
    return about @ b[[0, 2]]


def _least_squares(X, y):
    b = np.linalg.lstsq(X, y)[0]
    return b, np.sqrt(np.sum((y - X @ b) ** 2) / (len(y) - X.shape[1]))


def _repeat(level, growth, sigma, draws):
    return Beliefs(
        np.tile(level, (draws, 1)), np.full(draws, growth), np.full(draws, sigma)
    )


RATIOS = np.concatenate([[0.0], np.geomspace(0.02, 2, 150)])  # of tau to sigma


def _reml(X, Y, code, n):
    """REML for many outcomes at once: the best of a fine grid of tau / sigma."""
    sums_x, sums_y = _sums(X, code, len(n)), _sums(Y, code, len(n))
    best, found = np.full(Y.shape[1], -np.inf), None
    free = len(Y) - X.shape[1]
    XX, XY, YY = X.T @ X, X.T @ Y, np.sum(Y**2, 0)
    for ratio in RATIOS:
        w = ratio**2 / (1 + n * ratio**2)
        A = XX - (sums_x * w[:, None]).T @ sums_x
        c = XY - (sums_x * w[:, None]).T @ sums_y
        b = np.linalg.solve(A, c)
        s2 = (YY - w @ sums_y**2 - np.sum(b * c, 0)) / free
        log = -0.5 * (
            np.log1p(n * ratio**2).sum() + np.linalg.slogdet(A)[1] + free * np.log(s2)
        )
        new = np.vstack([b, ratio * np.sqrt(s2), np.sqrt(s2)])
        found = new if found is None else np.where(log > best, new, found)
        best = np.maximum(log, best)
    return found[:-2], found[-2], found[-1]


def _sums(values, code, groups):
    """Sums by group of each column; rows come sorted by group."""
    return np.add.reduceat(values, np.searchsorted(code, np.arange(groups)))


# The experiment --------------------------------------------------------------------


def compete(worlds, curve, *, ways=WAYS, draws=1_000, prob=0.9, seed):
    """Forecast every world in every way.

    Returns
    -------
    pandas.DataFrame
        One row per ``world``, ``way`` and ``part``, each course or ``"book"``:
        ``low``, ``middle``, ``high`` and ``truth``.
    """
    ends, found = [(1 - prob) / 2, 0.5, (1 + prob) / 2], []
    for k, world in enumerate(worlds):
        truth = [*world.courses["cost"], world.cost]
        for i, (name, way) in enumerate(ways.items()):
            rng = np.random.default_rng([*np.atleast_1d(seed), k, i])
            costs = forecast(way(world, draws, rng), world, curve, seed=rng)
            low, middle, high = np.quantile(costs, ends, axis=0)
            rows = {"low": low, "middle": middle, "high": high, "truth": truth}
            parts = [*world.courses.index, "book"]
            found.append(pd.DataFrame(rows).assign(world=k, way=name, part=parts))
    return pd.concat(found, ignore_index=True)


def judge(found, *, prob=0.9):
    """Coverage, width and interval score of each way, for courses and for books.

    Returns
    -------
    pandas.DataFrame
        By ``part`` (``"course"``, ``"book"``) and ``way``: ``coverage`` and
        ``error``, its Monte Carlo error, of worlds and not of courses, which share
        a world; ``width``; ``score``, the interval score; and ``bias``, the mean of
        ``middle - truth``.
    """
    below = np.maximum(found["low"] - found["truth"], 0)
    above = np.maximum(found["truth"] - found["high"], 0)
    width = found["high"] - found["low"]
    judged = found.assign(
        part=np.where(found["part"] == "book", "book", "course"),
        coverage=(found["low"] <= found["truth"]) & (found["truth"] <= found["high"]),
        width=width,
        score=width + 2 / (1 - prob) * (below + above),
        bias=found["middle"] - found["truth"],
    )
    columns = ["coverage", "width", "score", "bias"]
    by_world = judged.groupby(["part", "way", "world"], sort=False)[columns].mean()
    by_way = by_world.groupby(["part", "way"], sort=False)
    means = by_way.mean()
    means.insert(1, "error", by_way["coverage"].sem())
    return means


# The rule behind C12, written before the figures --------------------------------


def accurate(scores):
    """Whether coverage is from 85% to 95%, give or take two Monte Carlo errors.

    Takes what :func:`judge` returned for 90% intervals; a way is accurate if its
    intervals for courses and for books are. Returns a Series by way.
    """
    off = (scores["coverage"] - 0.9).abs()
    fine = off <= 0.05 + 2 * scores["error"]
    return fine.groupby("way", sort=False).all()


def decide(scores, lines):
    """Apply the rule of C12 to the scores of each kind of world.

    Parameters
    ----------
    scores : dict of str to pandas.DataFrame
        What :func:`judge` returned, by the names of ``KINDS``.
    lines : dict of str to int
        Lines of code of each way.

    Returns
    -------
    parts : dict of str to bool
        ``accurate``: the hierarchical model is so in worlds as it assumes them.
        ``needed``: no other way is accurate there with an interval score for courses
        at most 5% above. ``easy``: no other way that is accurate there takes fewer
        lines. ``robust``: the model is accurate with heavy tails and with drift.
    outcome : str
        Holds if all four are true, with conditions if the first and one more are.
    """
    first = accurate(scores["as assumed"])
    others = first.index[first].drop("hierarchical", errors="ignore")
    score = scores["as assumed"].loc["course", "score"]
    parts = {
        "accurate": bool(first["hierarchical"]),
        "needed": bool((score[others] > 1.05 * score["hierarchical"]).all()),
        "easy": all(lines[way] >= lines["hierarchical"] for way in others),
        "robust": all(
            bool(accurate(found)["hierarchical"])
            for kind, found in scores.items()
            if kind != "as assumed"
        ),
    }
    if not parts["accurate"] or sum(parts.values()) < 2:
        return parts, "does not hold"
    return parts, "holds" if all(parts.values()) else "holds with conditions"

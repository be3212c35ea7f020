"""Worlds with a loan book of known cost.

A world is a table that an analyst has (a sample of graduates, each seen once in the
first ten years) and a book that nobody has seen yet: the next cohort of the same
courses, who live whole careers and repay. All ways to forecast are told the same of
careers, and have to find the same: the pay of each course, its growth, its spread.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd

from partialpool.chapters.shocks import draw_standard
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
    yearly: np.ndarray  # what is repaid each year, as a share of the outlay


@dataclass(frozen=True)
class Beliefs:
    """Draws of what a way believes: one row a draw."""

    level: np.ndarray  # of log pay in the first year, (draws, courses)
    growth: np.ndarray  # a year, (draws,)
    sigma: np.ndarray  # of log pay within courses, (draws,)


def live(level, growth, sigma, rng, *, df=np.inf, persistence=0.95):
    """Careers of people: pay in pounds of the year, shape (people, 40).

    Each argument is one number a person. With finite `df` what is for life has the
    tails of Student's t, and the same variance.
    """
    life = draw_standard(rng, df, len(level))
    unit = simulate_careers(
        np.sqrt(SHARES["for life"]) * life,
        years=YEARS,
        growth=0.0,
        persistent_sd=np.sqrt(SHARES["lasting"]),
        persistence=persistence,
        transitory_sd=np.sqrt(SHARES["one year"]),
        seed=rng,
    )
    year = np.arange(YEARS)
    late = INFLATION * year + LATER * np.maximum(year - 9, 0)
    trend = late + np.multiply.outer(growth, np.minimum(year, 9))
    return unit ** np.asarray(sigma)[:, None] * np.exp(level[:, None] + trend)


def costs_of(pay):
    """Share of a Plan 5 loan that is not expected back, by person."""
    return _costs(_repay(pay))


def yearly(pay):
    """What a book repays each year, discounted, as a share of its outlay: (40,)."""
    return _yearly(_repay(pay, by_year=True))


def _costs(loans):
    return 1 - loans.value / BALANCE


def _yearly(loans):
    paid = loans.by_year["paid"].mean(0) / BALANCE
    return paid / (1 + INFLATION) ** np.arange(1, YEARS + 1)


def _repay(pay, **options):
    return repay(
        pay,
        "plan 5",
        BALANCE,
        first_year=2026,
        rpi=INFLATION,
        threshold_growth=INFLATION,
        discount=INFLATION,
        **options,
    )


def draw_world(courses=40, *, more=1, df=np.inf, drift=0.0, seed):
    """Draw a world: tails of courses and people, and drift from one cohort to the next.

    The table has `more` times three to sixty graduates of each course; the book does
    not grow with it. With `drift` the level of every course moves by its own normal
    step with that standard deviation, and all of them together by one of half of it.
    """
    rng, t = np.random.default_rng(seed), TRUTH
    n = np.rint(np.exp(rng.uniform(np.log(3), np.log(60), courses))).astype(int)
    tariff = rng.standard_normal(courses)
    own = draw_standard(rng, df, courses)
    level = t["level"] + t["tariff"] * tariff + t["tau"] * own
    course = np.repeat(np.arange(courses), more * n)
    years = rng.integers(0, 10, len(course))
    parts = np.sqrt(SHARES["for life"]), np.sqrt(1 - SHARES["for life"])
    shock = parts[0] * draw_standard(rng, df, len(course))
    shock += parts[1] * rng.standard_normal(len(course))
    log_pay = level[course] + t["growth"] * years + t["sigma"] * shock
    level += rng.normal(0, drift, courses) + rng.normal(0, drift / 2)
    who = np.repeat(np.arange(courses), 10 * n)
    ones = np.ones(len(who))
    pay = live(level[who], t["growth"] * ones, t["sigma"] * ones, rng, df=df)
    loans = _repay(pay, by_year=True)
    cost = _costs(loans)
    labels = pd.Index([f"c{j:02d}" for j in range(courses)], name="course")
    table = pd.DataFrame({"course": labels[course], "years": years})
    table = table.assign(tariff=tariff[course], log_pay=log_pay)
    about = pd.DataFrame({"tariff": tariff, "borrowers": 10 * n}, labels)
    about["cost"] = pd.Series(cost).groupby(who).mean().to_numpy()
    return World(table, about, float(cost.mean()), _yearly(loans))


# From pay to cost ------------------------------------------------------------------


class CostCurve:
    """Mean and spread of what a person costs, given level, growth and sigma.

    Hundreds of careers for each of millions of draws would take hours. So people
    with all sorts of levels live once, and two polynomials are fitted: to their
    costs, and to the squares of what is left.
    """

    def __init__(self, people=400_000, *, persistence=0.95, seed):
        rng = np.random.default_rng(seed)
        self.low, self.high = np.array([[9.2, 0.0, 0.3], [11.1, 0.06, 0.56]])
        points = rng.uniform(self.low, self.high, (people, 3))

        def costs(some, rng):
            return costs_of(live(*some.T, rng, persistence=persistence))

        parts = np.array_split(points, max(people // 20_000, 1))
        with ThreadPoolExecutor(os.process_cpu_count()) as pool:
            cost = np.concatenate(list(pool.map(costs, parts, rng.spawn(len(parts)))))
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

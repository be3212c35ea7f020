"""Employment: multilevel, ridge and plain models of counts, by the same penalties.

Penalised likelihood of binomial counts. Ridge chooses its penalty by what it says of
held-out cells. The multilevel model integrates the effects out by Laplace's
approximation and averages over its spreads: a quick posterior, which a chapter checks
against a sampler.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv, expit, ndtri

from partialpool.chapters.mixed import (
    BOUNDS,
    FREE,
    OUT,
    START,
    Solved,
    add_up,
    make_design,
)

FIXED, FAMILIES = ["male"], ["subject", ("subject", "male"), "provider", "course"]
FOLDS = 5
# Log odds beyond these count as these: cells in which all or none are employed.
MOST = 8.0
# Scale of the half-normal priors of the spreads, in log odds.
PRIOR = 0.5
# Spreads that the posterior is averaged over.
SPREADS = 20


@dataclass(frozen=True)
class Shares:
    """Estimates and intervals of the share of each cell; without them, missing."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Counts:
    """Binomial counts of cells, with the columns of a model."""

    def __init__(self, cells, used=None):
        self.all = make_design(cells, FIXED, FAMILIES)
        used = np.arange(len(cells)) if used is None else used
        self.design = self.all.take(used)
        self.trials = cells["trials"].to_numpy(float)[used]
        self.successes = cells["successes"].to_numpy(float)[used]
        share = (self.successes.sum() + 0.5) / (self.trials.sum() + 1)
        self.eta = np.full(len(used), np.log(share / (1 - share)))

    def solve(self, logs, *, rounds=30):
        """Maximise the penalised likelihood: repeated weighted least squares."""
        for _ in range(rounds):
            p = expit(self.eta)
            weight = self.trials * p * (1 - p)
            working = self.eta + (self.successes - self.trials * p) / weight
            solved = Solved(add_up(self.design, working, weight), logs)
            new = np.clip(solved.fitted(self.design), -MOST, MOST)
            moved, self.eta = np.abs(new - self.eta).max(), new
            if moved < 1e-5:
                break
        return solved

    def log_posterior(self, logs):
        """Log density of the spreads, as logs of penalties, up to a constant."""
        solved = self.solve(logs)
        fines = solved.penalty @ solved.b**2
        fines += np.exp(solved.logs[-1]) * (solved.u @ solved.u)
        log_det = np.linalg.slogdet(solved.schur)[1] + np.log(solved.d).sum()
        terms = self.successes * self.eta - self.trials * np.logaddexp(0, self.eta)
        likelihood = terms.sum() - (fines + log_det - solved.log_penalties()) / 2
        return likelihood - np.sum(np.exp(-logs) / PRIOR**2 + logs) / 2


def separate_shares(cells):
    """The share of each cell, with Jeffreys' intervals."""
    trials, successes = (cells[name].to_numpy() for name in ("trials", "successes"))
    a, b = successes + 0.5, trials - successes + 0.5
    return Shares(successes / trials, betaincinv(a, b, 0.05), betaincinv(a, b, 0.95))


def main_effects(cells):
    """A logistic GLM of sex, subject and provider."""
    return _glm(cells, (FREE, OUT, FREE, OUT))


def sex_by_subject(cells):
    """A logistic GLM of sex by subject, and provider."""
    return _glm(cells, (FREE, FREE, FREE, OUT))


def all_interactions(cells):
    """A logistic GLM with a dummy for each course, and a sex gap for each subject."""
    return _glm(cells, (FREE, FREE, FREE, FREE))


def ridge(cells):
    """Logistic ridge over all interactions, its one penalty by cross-validation."""
    from scipy.optimize import minimize_scalar

    fold = np.random.default_rng(0).permutation(len(cells)) % FOLDS
    counts = [Counts(cells, np.flatnonzero(fold != k)) for k in range(FOLDS)]
    trials, successes = (cells[name].to_numpy() for name in ("trials", "successes"))

    def lost(log):
        total = 0.0
        for k, some in enumerate(counts):
            eta = np.clip(some.solve(log).fitted(some.all), -MOST, MOST)
            terms = successes * eta - trials * np.logaddexp(0, eta)
            total -= terms[fold == k].sum()
        return total

    best = minimize_scalar(lost, bounds=BOUNDS, options={"xatol": 0.3}).x
    mean = expit(_fit(cells, best)[0])
    none = np.full(len(mean), np.nan)
    return Shares(mean, none, none)


def multilevel(cells, *, courses=True):
    """A multilevel logistic model, averaged over what its spreads may be.

    Without `courses`, a course is what its subject and provider say.
    """
    from scipy.optimize import minimize

    counts = Counts(cells)
    fixed = [] if courses else [OUT]
    free = len(FAMILIES) - len(fixed)

    def density(logs):
        return counts.log_posterior(np.append(logs, fixed))

    best = minimize(
        lambda logs: -density(logs),
        [START] * free,
        method="L-BFGS-B",
        bounds=[BOUNDS] * free,
        options={"eps": 1e-2, "ftol": 1e-6},
    )
    points, proposal = _scatter(density, best.x)
    # At each point the density first: the expectation then takes one more round.
    found = [(density(p), *_linear(counts, np.append(p, fixed))) for p in points]
    logs, eta, variance = (np.array(each) for each in zip(*found, strict=True))
    weight = np.exp(logs - proposal - np.max(logs - proposal))
    weight /= weight.sum()
    mean = weight @ eta
    sd = np.sqrt(weight @ (variance + (eta - mean) ** 2))
    return _interval(mean, sd)


def _scatter(density, mode):
    """Draw spreads about their mode, with the log density of such a draw."""
    step, size = 0.5, len(mode)
    shift = step * np.eye(size)
    at = density(mode)
    sides = [[density(mode + s * e) for s in (-1, 1)] for e in shift]
    curve = np.array([(2 * at - low - high) / step**2 for low, high in sides])
    scale = 1 / np.sqrt(np.maximum(curve, 0.15))
    z = np.random.default_rng(0).standard_t(5, (SPREADS, size))
    return mode + scale * z, -3 * np.log1p(z**2 / 5).sum(1)


def _linear(counts, logs):
    solved = counts.solve(logs)
    return solved.expect(counts.all)


def _fit(cells, logs):
    counts = Counts(cells)
    return _linear(counts, logs)


def _glm(cells, logs):
    eta, variance = _fit(cells, logs)
    return _interval(eta, np.sqrt(variance))


def _interval(eta, sd):
    half = ndtri(0.95) * sd
    return Shares(expit(eta), expit(eta - half), expit(eta + half))


WAYS = {
    "separate shares": separate_shares,
    "GLM, main effects": main_effects,
    "GLM, sex by subject": sex_by_subject,
    "GLM, all interactions": all_interactions,
    "ridge, one penalty": ridge,
    "multilevel": multilevel,
}

"""The posterior of the standard deviations, all other parameters integrated out."""

import itertools
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from partialpool.exact.elimination import LargestFactor
from partialpool.exact.remainders import plan

# Numbers in one batch of matrices, chosen to stay in a processor's cache; larger
# matrices come in fours, for one look at the tables of the largest factor.
BATCH, LEAST = 100_000, 4
# Multiplications in one evaluation from which it is worth a thread of its own.
THREADED = 5_000_000


@dataclass
class GroupScale:
    """Where one factor's standard deviations and correlations lie in the vector."""

    sds: slice
    correlations: slice  # empty where effects are independent
    groups: int
    effects: int

    @property
    def is_correlated(self):
        """Whether there are correlations."""
        return self.correlations.stop > self.correlations.start


class Marginal:
    r"""Log density of the standard deviations of a Gaussian multilevel model.

    `factors` are groups and effects of each grouping factor; `correlation` is the
    concentration of an LKJ prior on the correlations of a factor's effects, None for
    independent effects.

    Notes
    -----
    The vector :math:`\theta` holds :math:`\log \sigma`, then for each factor
    the log standard deviations of its effects and the inverse hyperbolic
    tangents of their canonical partial correlations.
    Given :math:`\theta`, coefficients and effects are Gaussian with precision
    :math:`M = G/\sigma^2 + P`. The largest factor's part of :math:`M` falls
    into one small matrix per group, which a Schur complement eliminates
    (`elimination`), and so may those of the factors that it is
    nested in; a Cholesky factor of the rest (`remainders`), with
    the outcome as its last column, gives the determinant, the residual sum of
    squares and the conditional mean at once.
    """

    def __init__(self, gram, priors, factors, correlation=None):
        self.gram, self.priors, self.correlation = gram, priors, correlation
        self.scales, start = [], 1
        for groups, effects in factors:
            pairs = effects * (effects - 1) // 2 if correlation is not None else 0
            sds = slice(start, start + effects)
            start += effects + pairs
            self.scales.append(GroupScale(sds, slice(sds.stop, start), groups, effects))
        self.size = start
        self.columns = gram.dense.shape[0] - 1
        self._prepare(gram, factors)

    def _prepare(self, gram, factors):
        self._remainder = plan(gram, factors)
        self._numbers_of_one = max(self._remainder.size // 2, self._remainder.side**2)
        self._largest = None
        if gram.largest is not None:
            self._largest = LargestFactor(gram, self._remainder)
        self._base, at = np.zeros(self._remainder.size), self._remainder.positions
        i, j = (k.astype(np.int64) for k in gram.dense.nonzero())
        i, j = i[i >= j], j[i >= j]
        self._base[at(i, j)] = gram.dense[i, j]
        common, outcome = np.arange(gram.common), np.array([self.columns])
        self._at_common, self._at_right = at(common, common), at(outcome, common)
        self._at_outcome = at(outcome, outcome)
        # Where the precisions of each pair of a factor's effects go.
        self._at_effects = {
            i: [
                (a, b, at(place[:, a], place[:, b]))
                for a in range(place.shape[1])
                for b in range(a + 1)
            ]
            for i, place in enumerate(gram.places)
            if place is not None
        }

    @property
    def work(self):
        """Multiplications in one evaluation of the density, about."""
        largest = self._largest.work if self._largest else 0
        return int(largest + self._remainder.work + self._remainder.size)

    def seconds(self):
        """How long one evaluation of the density takes here, measured."""
        count = LEAST * os.process_cpu_count()
        theta = np.tile(self.start(), (count, 1))
        begin = time.perf_counter()
        self.log_density(theta)
        return (time.perf_counter() - begin) / count

    def start(self):
        """A point to look for the mode from: shape (size,)."""
        theta = np.zeros(self.size)
        gram = self.gram
        sd = np.sqrt(gram.dense[-1, -1] / gram.total_weight)
        theta[0] = np.log(0.8 * sd)
        for scale, place in zip(self.scales, gram.places, strict=True):
            if place is None:
                squares = np.einsum("gee->e", gram.within)
            else:
                squares = gram.dense.diagonal()[place].sum(0)
            # The root mean square of the column that an effect multiplies.
            size = np.sqrt(np.maximum(squares, 1e-300) / gram.total_weight)
            theta[scale.sds] = np.log(0.3 * sd / size)
        return theta

    def log_density(self, theta):
        """Log posterior density of vectors (m, size): -inf where it cannot be had."""
        if self._largest is not None and self._largest.uses_tables:
            near = theta[np.isfinite(self._log_prior(theta))]
            scale = self.scales[self.gram.largest]
            self._largest.prepare(self._scaled_precision(near, scale))
        step = max(LEAST, BATCH // self._numbers_of_one)
        batches = [theta[i : i + step] for i in range(0, len(theta), step)]
        return np.concatenate(self._map(self._log_density, batches))

    @property
    def _is_large(self):
        return self.work > THREADED

    def _map(self, function, *batches):
        """Work on batches in turn, or if they are large side by side in threads."""
        if not self._is_large:
            return list(map(function, *batches))
        with ThreadPoolExecutor(os.process_cpu_count()) as pool:
            return list(pool.map(function, *batches))

    def _log_density(self, theta):
        density = self._log_prior(theta)
        possible = np.isfinite(density)
        if possible.any():
            density[possible] += self._log_likelihood(theta[possible])
        return density

    def _log_prior(self, theta):
        with np.errstate(over="ignore", under="ignore"):
            total = self.priors.sigma(np.exp(theta[:, 0])) + theta[:, 0]
            each = zip(self.scales, self.priors.group_sds, strict=True)
            for scale, densities in each:
                log_sds = theta[:, scale.sds]
                total += log_sds.sum(1)
                for k, density in enumerate(densities):
                    total += density(np.exp(log_sds[:, k]))
                z = theta[:, scale.correlations]
                total += self._log_correlation_prior(z, scale)
        far = (np.abs(theta) > 300).any(1)
        for scale in self.scales:
            far |= (np.abs(theta[:, scale.correlations]) > 50).any(1)
        return np.where(far | np.isnan(total), -np.inf, total)

    def _log_correlation_prior(self, z, scale):
        # LKJ by canonical partial correlations (Lewandowski, Kurowicka and Joe 2009),
        # with the Jacobian of tanh.
        if not scale.is_correlated:
            return 0.0
        depth = depths(scale.effects)
        power = self.correlation + (scale.effects - 2 - depth) / 2
        return (power * -2 * _log_cosh(z)).sum(1)

    def covariance_factor(self, theta, scale):
        """Lower Cholesky factors of the effects' covariance: (m, effects, effects)."""
        sds = np.exp(theta[:, scale.sds])
        factor = np.zeros((len(theta), scale.effects, scale.effects))
        if not scale.is_correlated:
            factor[:, np.arange(scale.effects), np.arange(scale.effects)] = sds
            return factor
        z = theta[:, scale.correlations]
        k = 0
        for i in range(scale.effects):
            rest = np.ones(len(theta))
            for j in range(i):
                factor[:, i, j] = np.tanh(z[:, k]) * rest
                # The root of 1 - tanh², with all its digits where that is small.
                rest = rest / np.cosh(z[:, k])
                k += 1
            factor[:, i, i] = rest
        return factor * sds[:, :, None]

    def _log_likelihood(self, theta):
        sigma2 = np.exp(2 * theta[:, 0])
        try:
            factor, log_det_within = self._factorise(theta)
        except np.linalg.LinAlgError:
            if len(theta) == 1:
                return np.array([-np.inf])
            return np.concatenate([self._log_likelihood(row[None]) for row in theta])
        eliminated = self.gram.within.shape[0] * self.gram.within.shape[1]
        free = self.gram.total_weight - self.columns - eliminated
        log_det_priors = 0.0
        for scale in self.scales:
            roots = self.covariance_factor(theta, scale)
            diagonal = np.diagonal(roots, axis1=1, axis2=2)
            log_det_priors = log_det_priors - scale.groups * np.log(diagonal).sum(1)
        return (
            -free * theta[:, 0]
            - 0.5 * (factor.log_det + log_det_within)
            - 0.5 * factor.residual / sigma2
            + log_det_priors
        )

    def _factorise(self, theta):
        """Factorise sigma² M, and the determinant of what was eliminated before."""
        largest, log_det = self.gram.largest, 0.0
        if self._largest is None:
            numbers = np.tile(self._base, (len(theta), 1))
        else:
            precision = self._scaled_precision(theta, self.scales[largest])
            taken, log_det = self._largest.eliminate(precision)
            numbers = self._base - taken
        for i, places in self._at_effects.items():
            precision = self._scaled_precision(theta, self.scales[i])
            for a, b, at in places:
                numbers[:, at] += precision[:, a, b, None]
        sigma2 = np.exp(2 * theta[:, 0])
        precision, mean = self.priors.precision, self.priors.mean
        numbers[:, self._at_common] += sigma2[:, None] * precision
        numbers[:, self._at_right] += sigma2[:, None] * precision * mean
        numbers[:, self._at_outcome[0]] += sigma2 * (precision * mean**2).sum()
        return self._remainder.factorise(numbers), log_det

    def _scaled_precision(self, theta, scale):
        sigma2 = np.exp(2 * theta[:, 0])
        factor = self.covariance_factor(theta, scale)
        if not scale.is_correlated:
            precision = np.zeros_like(factor)
            i = np.arange(scale.effects)
            precision[:, i, i] = sigma2[:, None] / factor[:, i, i] ** 2
            return precision
        inverse = np.linalg.inv(factor)
        return sigma2[:, None, None] * (inverse.transpose(0, 2, 1) @ inverse)

    def draw(self, theta, rng):
        """Draw coefficients and effects given standard deviations `theta` (m, size).

        Returns
        -------
        dense : numpy.ndarray
            Common coefficients (of centred predictors), then the effects of all
            factors but the largest, in the Gram matrix's order; shape (m, r).
        eliminated : numpy.ndarray
            Effects of the largest factor; shape (m, groups, effects).
        """
        step = max(1, BATCH // self._numbers_of_one)
        ends = np.r_[np.arange(0, len(theta), step), len(theta)]
        if self._is_large:
            # A few large matrices at a time, for all the copies of their vectors.
            ends = np.r_[np.flatnonzero(_is_new(theta))[::LEAST], len(theta)]
        batches = [theta[a:b] for a, b in itertools.pairwise(ends)]
        sources = [rng] * len(batches)
        if self._is_large:
            # One for each batch: threads take them in no order.
            seeds = rng.integers(2**63, size=(len(batches), 4))
            sources = [np.random.default_rng(seed) for seed in seeds]
        dense, eliminated = zip(*self._map(self._draw, batches, sources), strict=True)
        return np.concatenate(dense), np.concatenate(eliminated)

    def _draw(self, theta, rng):
        sigma = np.exp(theta[:, 0])
        # Copies of one vector stand next to each other and share their factor.
        new = _is_new(theta)
        factor, _ = self._factorise(theta[new])
        noise = rng.standard_normal((len(theta), self.columns)) * sigma[:, None]
        dense = factor.draw(np.cumsum(new) - 1, noise)
        if self.gram.largest is None:
            return dense, np.zeros((len(theta), 0, 0))
        precision = self._scaled_precision(theta, self.scales[self.gram.largest])
        return dense, self._largest.draw(precision, dense, sigma, rng)


def _is_new(theta):
    return np.r_[True, (theta[1:] != theta[:-1]).any(1)]


def depths(effects):
    """How many partial correlations come before each one in its row's column order."""
    return np.array([j for i in range(effects) for j in range(i)], dtype=float)


def _log_cosh(z):
    z = np.abs(z)
    return z + np.log1p(np.exp(-2 * z)) - np.log(2)

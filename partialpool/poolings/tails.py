"""Tails: groups from a Student-t distribution, which lets an outlier be one.

Such a group is normal with a variance of its own, ``tau**2 / g`` with ``g`` from a
gamma distribution. Given ``tau``, ``sigma`` and the centre ``mu`` the groups know
nothing of each other, so all four are nodes of a quadrature.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import gammaincinv, logsumexp, ndtri

from partialpool.poolings.mixture import quantile, weighted_quantiles
from partialpool.poolings.spread import (
    hermite,
    legendre,
    log_sigma_prior,
    put_between,
    read_finely,
    span,
)

# Nodes for tau, mu, g and sigma. With many rows sigma is as good as known, and one
# node serves.
TAUS, MUS, GAMMAS, SIGMAS, MANY = 16, 10, 16, 3, 200
# The search for where to put those of tau and mu: points, rounds, and the fall of the
# log density at which it stops.
SEARCH, ROUNDS, DROP = 10, 3, 10.0
# Points of the table that the search uses: distances, and shares of the variance.
DISTANCES, SHARES, FARTHEST = 200, 60, 60.0


@dataclass(frozen=True)
class Tails:
    """The posterior of groups from a Student-t distribution, as weighted nodes.

    Attributes
    ----------
    weight : numpy.ndarray
        Of each pair of nodes of tau and g for each group, shape (D, K, J).
    centre, variance : numpy.ndarray
        Of the group's mean there, over the nodes of mu and sigma; shape (D, K, J).
    own : numpy.ndarray
        Weight of the group's own data, shape (D, J).
    tau, tau_weight : numpy.ndarray
        The scale between groups at many points, shape (D, m).
    log_sigma : tuple of numpy.ndarray
        Mean and standard deviation of the log of sigma, shape (D,).
    """

    weight: np.ndarray
    centre: np.ndarray
    variance: np.ndarray
    own: np.ndarray
    tau: np.ndarray
    tau_weight: np.ndarray
    log_sigma: tuple

    def describe(self, columns, probs):
        """Mean, standard deviation and quantiles of some groups: a list of (D, j)."""
        weight, centre = self.weight[..., columns], self.centre[..., columns]
        variance = self.variance[..., columns]
        mean = (weight * centre).sum(1)
        square = (weight * (variance + (centre - mean[:, None]) ** 2)).sum(1)
        scale = np.sqrt(variance)
        return [
            mean,
            np.sqrt(square),
            *(quantile(p, weight, centre, scale) for p in probs),
        ]

    def quantiles(self, probs, between):
        """Quantiles of tau or sigma: a list of (D,)."""
        if between:
            return weighted_quantiles(probs, self.tau, self.tau_weight)
        mean, sd = self.log_sigma
        return [np.exp(mean + ndtri(p) * sd) for p in probs]

    def moments(self, between):
        """Mean and standard deviation of tau or sigma: shapes (D,)."""
        if between:
            weight = self.tau_weight / self.tau_weight.sum(1, keepdims=True)
            mean = (weight * self.tau).sum(1)
            square = (weight * (self.tau - mean[:, None]) ** 2).sum(1)
            return mean, np.sqrt(square)
        mean, sd = self.log_sigma
        level = np.exp(mean + sd**2 / 2)
        return level, level * np.sqrt(np.expm1(sd**2))


def integrate_tails(sums, tau, sigma, tau_scale, sigma_scale, tail):
    """Integrate over all four nodes.

    Parameters
    ----------
    sums : partialpool.poolings.intercepts.GroupSums
        Of D data sets without predictors. Three columns are added: the centre of the
        population, a new group, and a new member of it.
    tau, sigma : numpy.ndarray or None
        Known values, shape (D,); None where they are to be integrated.
    tau_scale, sigma_scale : numpy.ndarray
        Scales of the priors, as for :func:`~partialpool.poolings.spread.integrate`.
    tail : float
        Degrees of freedom of the groups' distribution; tau is its scale.

    Returns
    -------
    Tails
    """
    nodes = _Nodes(sums, tau, sigma, tau_scale, sigma_scale, tail)
    log = nodes.density()
    posterior = np.exp(log - log.max((1, 2, 3), keepdims=True))
    posterior *= nodes.steps
    posterior /= posterior.sum((1, 2, 3), keepdims=True)
    return nodes.collapse(posterior)


class _Nodes:
    """Places of all nodes for D data sets; axes: data set, sigma, tau, mu, g, group."""

    def __init__(self, sums, tau, sigma, tau_scale, sigma_scale, tail):
        self.sums, self.tau_scale = sums, tau_scale
        self.seen = sums.n > 0
        self.g, self.g_weight = _gamma_nodes(tail)
        self.table = _curve_table(tail)
        self._place_sigma(sigma, sigma_scale)
        middle = self.sigma[:, [self.sigma.shape[1] // 2]]
        n = np.where(self.seen, sums.n, np.nan)
        self.unit = middle[:, 0] / np.sqrt(np.nanmedian(n, axis=1))
        self.fixed = tau
        self._place_others(middle**2 / np.where(self.seen, sums.n, 1))

    def _place_sigma(self, sigma, scale):
        self.sigma_df = None
        if sigma is not None:
            self.sigma, self.log_sigma_weight = (
                sigma[:, None],
                np.zeros((len(sigma), 1)),
            )
            return
        squares = self.sums.within[:, -1, -1]
        df = self.sums.rows - self.sums.groups
        self.sigma_df = df
        x, share = hermite(SIGMAS if df.min() < MANY else 1)
        middle, wide = 0.5 * np.log(squares / df), 1 / np.sqrt(2 * df)
        log_sd = middle[:, None] + np.sqrt(2) * wide[:, None] * x
        self.sigma = np.exp(log_sd)
        self.log_sigma_weight = (
            np.log(share)
            + x**2
            - (df[:, None] - 1) * log_sd
            - 0.5 * squares[:, None] / self.sigma**2
            + log_sigma_prior(self.sigma, scale[:, None])
        )

    def _place_others(self, own):
        """Find where the density of tau and mu is, and put the nodes there."""
        ends = [np.zeros(len(own)), np.arcsinh(8 * self.tau_scale / self.unit)]
        for _ in range(ROUNDS):
            t = put_between(*ends, np.linspace(-1, 1, SEARCH))
            log = self._search_mu(own, t)[0]
            kept = log > log.max(1, keepdims=True) - DROP
            ends = span(kept, t)
            ends[0] = np.maximum(ends[0], 0)
        x, tau_steps = legendre(TAUS)
        z, mu_steps = legendre(MUS)
        if self.fixed is not None:
            x, tau_steps = np.zeros(1), np.ones(1)
        self.ends, self.tau_steps = ends, tau_steps
        self.t = put_between(*ends, x)
        low, high = self._search_mu(own, self.t)[1]
        self.mu = put_between(low, high, z)
        wide = (high - low)[..., None]
        self.steps = (tau_steps[:, None] * wide * mu_steps)[:, None]

    def _search_mu(self, own, t):
        """Largest log density at each tau, and the range of mu around it."""
        y = np.where(self.seen, self.sums.y, np.nan)
        low, high = np.nanmin(y, 1), np.nanmax(y, 1)
        reach = 0.5 * (high - low) + 3 * self.unit
        low, high = (
            np.broadcast_to(end[:, None], t.shape)
            for end in (low - reach, high + reach)
        )
        for _ in range(ROUNDS):
            mu = put_between(low, high, np.linspace(-1, 1, SEARCH))
            log = self._roughly(own, t, mu)
            best = log.max(2)
            kept = log > best[..., None] - DROP
            low, high = span(kept, mu)
        return best, (low, high)

    def _roughly(self, own, t, mu):
        """Log density from the table, for the search alone: shape (D, T, M)."""
        tau = self._tau(t)
        total = own[:, None] + tau[..., None] ** 2
        share = tau[..., None] ** 2 / total * (SHARES - 1)
        apart = np.abs(self.sums.y[:, None, None] - mu[..., None])
        place = np.arcsinh(apart / np.sqrt(total)[:, :, None])
        place *= (DISTANCES - 1) / np.arcsinh(FARTHEST)
        place = np.minimum(place, DISTANCES - 1.001)
        row = np.minimum(share.astype(int), SHARES - 2)[:, :, None]
        column = place.astype(int)
        across, along = share[:, :, None] - row, place - column
        flat = row * DISTANCES + column
        table = self.table.ravel()
        below = table[flat] * (1 - along) + table[flat + 1] * along
        flat = flat + DISTANCES
        above = table[flat] * (1 - along) + table[flat + 1] * along
        log = below + across * (above - below) - 0.5 * np.log(total)[:, :, None]
        log = np.where(self.seen[:, None, None], log, 0).sum(3)
        return log + self._prior(t)[..., None]

    def _prior(self, t):
        """Log prior of tau, and of its change of scale."""
        if self.fixed is not None:
            return np.zeros(t.shape)
        scaled = self._tau(t) / self.tau_scale[:, None]
        return np.log(np.cosh(t)) - 0.5 * scaled**2

    def _tau(self, t):
        if self.fixed is not None:
            return np.broadcast_to(self.fixed[:, None], t.shape)
        return self.unit[:, None] * np.sinh(t)

    def density(self):
        """Log posterior density of sigma, tau and mu: (D, S, T, M)."""
        tau = self._tau(self.t)
        # Kept for the sums that follow: this is where the time goes.
        self.each = [
            self._each(self.sigma[:, [s]], tau, self.mu)
            for s in range(self.sigma.shape[1])
        ]
        parts = [np.log(each.sum(3)).sum(3) for each in self.each]
        log = np.stack(parts, 1) + self._prior(self.t)[:, None, :, None]
        return log + self.log_sigma_weight[:, :, None, None]

    def _variances(self, sigma, tau):
        """Variance between groups (D, T, G, 1), and of each mean (D, 1, 1, J)."""
        between = (tau[..., None] ** 2 / self.g)[..., None]
        own = (
            sigma[:, :, None, None] ** 2
            / np.where(self.seen, self.sums.n, 1)[:, None, None]
        )
        return between, own

    def _each(self, sigma, tau, mu):
        """Density of each mean for each g, weighted: shape (D, T, M, G, J)."""
        between, own = self._variances(sigma, tau)
        total = (between + own)[:, :, None]
        apart = (self.sums.y[:, None, None] - mu[..., None])[:, :, :, None]
        curve = np.exp(-0.5 * apart**2 / total) / np.sqrt(total)
        # A floor, so that a mean far from all nodes has a log.
        curve = np.where(self.seen[:, None, None, None], curve + 1e-290, 1.0)
        return curve * self.g_weight[:, None]

    def collapse(self, posterior):
        """Add up over mu and sigma: the posterior of each group by tau and g."""
        tau, mu = self._tau(self.t), self.mu
        sums = [0.0, 0.0, 0.0, 0.0]
        for s, each in enumerate(self.each):
            sigma = self.sigma[:, [s]]
            each = each / each.sum(3, keepdims=True)
            weight = posterior[:, s]
            moments = [
                np.einsum("dtm,dtmgj->dtgj", weight * mu**q, each) for q in range(3)
            ]
            between, own = self._variances(sigma, tau)
            share = np.where(self.seen[:, None, None], between / (between + own), 0.0)
            left = np.where(self.seen[:, None, None], share * own, between)
            parts = _mix(moments, share, left, self.sums.y[:, None, None])
            sums = [a + b for a, b in zip(sums, parts, strict=True)]
        weight, first, second, own = sums
        shape = (len(mu), -1, weight.shape[-1])
        weight, first, second = (p.reshape(shape) for p in (weight, first, second))
        more = self._population(posterior, tau)
        parts = [
            np.concatenate([a, b], axis=2)
            for a, b in zip((weight, first, second), more, strict=True)
        ]
        safe = np.where(parts[0] > 0, parts[0], 1)
        centre = parts[1] / safe
        variance = np.maximum(
            parts[2] / safe - centre**2, 1e-12 * self.unit[:, None, None] ** 2
        )
        own = own.sum((1, 2))
        return Tails(
            parts[0],
            centre,
            variance,
            own,
            *self._points(posterior),
            self._log_sigma(posterior),
        )

    def _population(self, posterior, tau):
        """Moments of the centre, a new group and a new member: lists of (D, K, 3)."""
        ones = np.ones(len(self.g))
        by_tau = [
            np.einsum("dstm,dtm->dt", posterior, self.mu**q)[..., None] * self.g_weight
            for q in range(3)
        ]
        inner = np.einsum("dstm,ds->dt", posterior, self.sigma**2)
        inner = inner[..., None] * self.g_weight
        between = by_tau[0] * (tau[..., None] ** 2 / self.g * ones)
        second = [by_tau[2], by_tau[2] + between, by_tau[2] + between + inner]
        parts = [by_tau[0]] * 3, [by_tau[1]] * 3, second
        return [np.stack(p, -1).reshape(len(tau), -1, 3) for p in parts]

    def _points(self, posterior):
        weight = posterior.sum((1, 3))
        if self.fixed is not None:
            return self._tau(self.t), weight
        place, smooth = read_finely(TAUS)
        finely = (weight / self.tau_steps) @ smooth.T
        return self._tau(put_between(*self.ends, place)), np.maximum(finely, 0)

    def _log_sigma(self, posterior):
        weight, log = posterior.sum((2, 3)), np.log(self.sigma)
        mean = (weight * log).sum(1)
        if self.sigma.shape[1] == 1 and self.sigma_df is not None:
            return mean, 1 / np.sqrt(2 * self.sigma_df)
        return mean, np.sqrt((weight * (log - mean[:, None]) ** 2).sum(1))


def _mix(moments, share, left, y):
    """Weight, first and second moment of a group's mean, and weight times share."""
    none, one, two = moments
    pull = 1 - share
    first = share * y * none + pull * one
    second = (
        (left + (share * y) ** 2) * none + 2 * share * y * pull * one + pull**2 * two
    )
    return none, first, second, share * none


@cache
def _gamma_nodes(tail):
    """Nodes and weights of a gamma distribution with mean 1, on a log scale."""
    half = tail / 2
    low, high = np.log(gammaincinv(half, [1e-7, 1 - 1e-7]) / half)
    x, steps = legendre(GAMMAS)
    log = low + (high - low) * (x + 1) / 2
    # The gamma density at its logs, over its largest value.
    weight = steps * np.exp(half * (log - np.expm1(log)))
    return np.exp(log), weight / weight.sum()


@cache
def _curve_table(tail):
    """Log density of a mean by its distance and the share of variance between groups.

    Shape (SHARES, DISTANCES), the distance in standard deviations, were the groups
    normal, and on a scale that is linear near 0 and logarithmic far away.
    """
    g, weight = _gamma_nodes(tail)
    distance = np.sinh(np.linspace(0, np.arcsinh(FARTHEST), DISTANCES))
    share = np.linspace(0, 1, SHARES)[:, None, None]
    variance = 1 - share + share / g
    with np.errstate(divide="ignore"):
        log = (
            np.log(weight / np.sqrt(variance)) - 0.5 * distance[:, None] ** 2 / variance
        )
    return logsumexp(log, axis=2)

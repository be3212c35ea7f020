"""Refits on sums: the posterior without some groups, for any model of `fit`.

The posterior of the standard deviations given all rows is a good proposal for the one
given all but a few: its draws are weighed by how much less, or more, they say of the
rest. Where these weights are too uneven, the standard deviations are drawn anew.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from partialpool.exact.density import Marginal
from partialpool.exact.importance import effective, pareto_k, sample
from partialpool.exact.mode import ModeError
from partialpool.held_out.parts import together, without

# Draws of the standard deviations, by the multiplications in one evaluation: more where
# it is cheap. Above this shape of the weights, or with a smaller share of effective
# draws, they are drawn anew.
DRAWS = {20_000: 4000, 300_000: 1000, np.inf: 400}
LARGEST_K, EFFECTIVE = 0.5, 0.3


@dataclass(frozen=True)
class Rest:
    """The posterior given all rows but those of some groups.

    Attributes
    ----------
    density : partialpool.exact.density.Marginal
        Log density of the standard deviations.
    theta : numpy.ndarray
        Draws of them, shape (S, size).
    log_weight : numpy.ndarray
        Of each draw, normalised; shape (S,).
    log_density : numpy.ndarray
        At each draw, up to a constant that all densities here share; (S,).
    anew : bool
        Whether they were drawn anew.
    """

    density: Marginal
    theta: np.ndarray
    log_weight: np.ndarray
    log_density: np.ndarray
    anew: bool

    def draw(self, rng):
        """Draw coefficients and effects, one for each draw of the sds."""
        return self.density.draw(self.theta, rng)


def draws_for(work):
    """How many draws of the standard deviations are affordable."""
    return next(count for most, count in DRAWS.items() if work <= most)


class Refits:
    """A model fitted to all rows, to be fitted to some of them.

    Parameters
    ----------
    density : partialpool.exact.density.Marginal
        Of all rows.
    sizes : list of (int, int)
        Groups and effects of each factor.
    theta : numpy.ndarray
        Posterior draws of the standard deviations.
    """

    def __init__(self, density, sizes, theta):
        self.density, self.sizes = density, sizes
        count = draws_for(density.work)
        # Copies of one draw stand together: take them from all over.
        places = np.linspace(0, len(theta) - 1, min(count, len(theta))).astype(int)
        self.theta = theta[places]
        self.log_density = density.log_density(self.theta)

    def on(self, sums):
        """Write the density of other sums, by the same priors: a `Marginal`."""
        old = self.density
        return Marginal(sums, old.priors, self.sizes, old.correlation)

    def everything(self):
        """Leave nothing out: a `Rest`."""
        even = np.full(len(self.theta), -np.log(len(self.theta)))
        return Rest(self.density, self.theta, even, self.log_density, False)

    def rest(self, parts, rng):
        """Fit without some parts: a `Rest`."""
        density = self.on(without(self.density.gram, *(part.sums for part in parts)))
        found = density.log_density(self.theta)
        log = found - self.log_density
        log = np.where(np.isfinite(log), log, -np.inf)
        if pareto_k(log) < LARGEST_K and effective(log) > EFFECTIVE * len(log):
            return Rest(density, self.theta, log - logsumexp(log), found, False)
        start = self.theta[np.argmax(found)]
        count = 4 * (len(self.theta) // 4)
        try:
            theta = sample(density.log_density, start, count, rng).draws
        except ModeError as error:
            raise ValueError(
                f"The posterior without some group could not be drawn: {error} Leave "
                "out the finest group term, or give the group terms priors of their "
                "own."
            ) from None
        even = np.full(len(theta), -np.log(len(theta)))
        return Rest(density, theta, even, density.log_density(theta), True)

    def joint(self, rest, part, alone):
        """Log density of a part's rows at each draw of the sds: shape (S,).

        All coefficients and effects are integrated out. `alone` says that nothing but
        this part was left out.
        """
        if alone and rest.theta is self.theta:
            both = self.log_density
        elif alone:
            both = self.density.log_density(rest.theta)
        else:
            sums = together(rest.density.gram, part.sums)
            both = self.on(sums).log_density(rest.theta)
        return both - rest.log_density - 0.5 * part.weight * np.log(2 * np.pi)


def find_unseen(factors, chosen):
    """Groups of each factor that have no row outside those chosen: a list of arrays."""
    unseen = []
    for factor in factors:
        outside = np.delete(factor.codes, chosen)
        rows = np.bincount(outside, minlength=len(factor.levels))
        unseen.append(np.flatnonzero(rows == 0))
    return unseen


def predict_mean(part, rest, unseen, rng):
    """Centre and variance of the normal that each draw predicts for a part's mean.

    `unseen` are the groups that the rest holds no row of. Returns two arrays, (S,).
    """
    density, sums = rest.density, rest.density.gram
    dense, eliminated = rest.draw(rng)
    columns, own = part.dense.copy(), part.largest.copy()
    sigma = np.exp(rest.theta[:, 0])
    variance = sigma**2 / part.weight
    for i, scale in enumerate(density.scales):
        levels, place = unseen[i], sums.places[i]
        mine = own[levels] if place is None else columns[place[levels]]
        if not np.any(mine):
            continue
        # Their effects are integrated out, for a smooth mixture of few draws.
        factor = density.covariance_factor(rest.theta, scale)
        variance = variance + ((mine @ factor) ** 2).sum((1, 2))
        if place is None:
            own[levels] = 0
        else:
            columns[place[levels]] = 0
    centre = dense @ columns
    if own.size:
        centre = centre + eliminated.reshape(len(centre), -1) @ own.ravel()
    return centre + part.shift, variance

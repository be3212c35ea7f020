"""One factor with one effect a group: all groups left out at once, in closed form.

Given the two standard deviations, what a group adds to the sums of products is known,
and to leave it out is to take that away. The two are integrated by quadrature, on one
grid for all groups.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logsumexp

from partialpool.exact.design import Block
from partialpool.exact.gram import products_by_group

# The search for where the posteriors lie: points along each axis, and rounds. The log
# density falls by DROP from its top to what is left out.
SEARCH, ROUNDS, DROP = 24, 6, 30.0
# Nodes along the axes, more until nothing changes by more than CLOSE.
NODES, MOST, CLOSE = 16, 128, 1e-9
# Numbers in one batch of nodes.
BATCH = 2_000_000
# Common columns up to which a small matrix for every node and group is affordable.
COLUMNS = 30


@dataclass(frozen=True)
class Grid:
    """Pairs of standard deviations, and the log posterior of each, up to a constant.

    Attributes
    ----------
    sigma, tau : numpy.ndarray
        Shape (K,).
    log_prior : numpy.ndarray
        Of each pair, with the weight that it has in the integral; shape (K,).
    log_all, log_without : numpy.ndarray
        Log likelihood of all rows, (K,), and of all but those of each group, (K, J).
    """

    sigma: np.ndarray
    tau: np.ndarray
    log_prior: np.ndarray
    log_all: np.ndarray
    log_without: np.ndarray

    @property
    def weights(self):
        """Posterior weights without each group, and with all in the end: (J + 1, K)."""
        log = self.log_posteriors
        return np.exp(log - logsumexp(log, axis=0)).T

    @property
    def log_posteriors(self):
        """The same as logs, up to a constant of each: (K, J + 1)."""
        log = np.column_stack([self.log_without, self.log_all])
        return log + self.log_prior[:, None]

    @property
    def log_scores(self):
        """Log density of each group's rows, given all others: shape (J,)."""
        log_all = logsumexp(self.log_all + self.log_prior)
        return log_all - logsumexp(self.log_without + self.log_prior[:, None], axis=0)


class OneFactor:
    """Sums by group for a model with one factor and one effect of each of its groups.

    Parameters
    ----------
    design : partialpool.exact.design.Design
    priors : partialpool.exact.priors.Priors
    """

    def __init__(self, design, priors):
        self.priors, factor = priors, design.factors[0]
        ones = Block(None, np.ones((1, 1)), None)
        outcome = replace(ones, multiplier=design.y)
        columns = [term.blocks for term in [*design.common, *factor.terms]]
        sums = products_by_group(
            [*columns, [outcome], [ones]], factor.codes, len(factor.levels), design.rows
        )
        left = design.means - np.concatenate(
            [np.zeros(0), *(term.centre for term in design.common)]
        )
        p = self.common = len(left)
        take = np.eye(sums.shape[1])
        take[:p, -1] = -left
        sums = take @ sums @ take.T
        kept = [*range(p), p + 1]
        # Products of the common columns and the outcome with each other, and with the
        # column that the effect multiplies; and the means of all of them.
        self.products = sums[:, kept][:, :, kept]
        self.cross, self.own = sums[:, kept, p], sums[:, p, p]
        # The part of the products that an effect takes up, and the rest.
        outer = self.cross[:, :, None] * self.cross[:, None, :]
        self._between = outer / np.where(self.own > 0, self.own, 1)[:, None, None]
        self._about = self.products - self._between
        self.weight = sums[:, -1, -1]
        self.means = sums[:, kept, -1] / self.weight[:, None]
        self.effect_mean = sums[:, p, -1] / self.weight
        self.outcome_sd = design.outcome_sd

    # Given the standard deviations ------------------------------------------------

    def _reduced(self, sigma, tau):
        """Products of each group with its effect integrated out: (K, J, q, q)."""
        grown = 1 + ((tau / sigma) ** 2)[:, None] * self.own
        # Two sums, and not a difference: where groups lie far apart it would be lost.
        return self._about + self._between / grown[..., None, None], np.log(grown)

    def _system(self, products, sigma):
        """Add the prior of the coefficients: the matrix and the right-hand side."""
        p, variance = self.common, sigma**2
        precision, mean = self.priors.precision, self.priors.mean
        matrix = products[..., :p, :p] + variance[..., None, None] * np.diag(precision)
        right = products[..., :p, p] + variance[..., None] * precision * mean
        return matrix, right

    def _log_likelihood(self, products, log_grown, weight, sigma):
        matrix, right = self._system(products, sigma)
        solution = _solve(matrix, right)
        prior = (self.priors.precision * self.priors.mean**2).sum()
        residual = products[..., -1, -1] + sigma**2 * prior - (right * solution).sum(-1)
        log_det = np.linalg.slogdet(matrix)[1]
        return -0.5 * (
            weight * np.log(2 * np.pi)
            + 2 * (weight - self.common) * np.log(sigma)
            + log_grown
            + log_det
            + residual / sigma**2
        )

    def _batches(self, count):
        size = self.products.size
        step = max(1, BATCH // size)
        return [slice(i, i + step) for i in range(0, count, step)]

    def likelihoods(self, sigma, tau, each=True):
        """Log likelihood of all rows, (K,), and without each group: (K, J)."""
        found = []
        for some in self._batches(len(sigma)):
            products, grown = self._reduced(sigma[some], tau[some])
            total, total_grown = products.sum(1), grown.sum(1)
            weight, sd = self.weight.sum(), sigma[some]
            log_all = self._log_likelihood(total, total_grown, weight, sd)
            without = np.zeros((len(sd), 0))
            if each:
                without = self._log_likelihood(
                    total[:, None] - products,
                    total_grown[:, None] - grown,
                    weight - self.weight,
                    np.broadcast_to(sd[:, None], grown.shape),
                )
            found.append((log_all, without))
        return [np.concatenate(part) for part in zip(*found, strict=True)]

    # Integrating them -------------------------------------------------------------

    def integrate(self):
        """Lay a grid over all posteriors, fine enough for each of them: a `Grid`."""
        unit = self.outcome_sd / np.sqrt(np.median(self.own[self.own > 0]))
        middle = np.log(self.outcome_sd)
        box = np.array([[middle - 12, middle + 4], [0, np.arcsinh(1e6)]])
        for i in range(2 * ROUNDS):
            # First all rows together, which is cheap; then every group left out.
            each = i >= ROUNDS
            if i == ROUNDS:
                box = _widen(box)
            places = [_midpoints(*ends) for ends in box]
            grid = self._grid(unit, *places, np.ones(SEARCH), np.ones(SEARCH), each)
            new = _narrow(box, grid, places)
            settled = np.allclose(np.diff(new), np.diff(box), rtol=0.3)
            box = new
            if each and settled:
                break
        count, scores = NODES, None
        while True:
            x, share = np.polynomial.legendre.leggauss(count)
            places = [low + (high - low) * (x + 1) / 2 for low, high in box]
            grid = self._grid(unit, *places, share, share, True)
            new = grid.log_scores
            close = scores is not None and np.abs(new - scores).max() < CLOSE
            if close or count >= MOST:
                return grid
            scores, count = new, 2 * count

    def _grid(self, unit, log_sigma, place, share, other_share, each):
        s, t = (part.ravel() for part in np.meshgrid(log_sigma, place, indexing="ij"))
        sigma, tau = np.exp(s), unit * np.sinh(t)
        with np.errstate(all="ignore"):
            log_prior = self.priors.sigma(sigma) + s + np.log(np.cosh(t))
            log_prior = log_prior + self.priors.group_sds[0][0](tau)
        log_prior = np.where(np.isnan(log_prior), -np.inf, log_prior)
        weights = (share[:, None] * other_share).ravel()
        parts = self.likelihoods(sigma, tau, each)
        return Grid(sigma, tau, log_prior + np.log(weights), *parts)

    # What they say ------------------------------------------------------------------

    def predict(self, grid):
        """Centre and variance of each left-out group's mean at each pair: (J, K)."""
        centre = np.empty((len(self.own), len(grid.sigma)))
        variance = np.empty_like(centre)
        x = self.means[:, : self.common]
        for some in self._batches(len(grid.sigma)):
            sigma, tau = grid.sigma[some], grid.tau[some]
            products, _ = self._reduced(sigma, tau)
            rest = products.sum(1)[:, None] - products
            sd = np.broadcast_to(sigma[:, None], rest.shape[:2])
            matrix, right = self._system(rest, sd)
            away = _solve(matrix, np.broadcast_to(x, right.shape))
            centre[:, some] = (away * right).sum(-1).T
            doubt = sd**2 * ((away * x).sum(-1) + 1 / self.weight)
            variance[:, some] = (doubt + (tau[:, None] * self.effect_mean) ** 2).T
        return centre, variance

    def coefficients(self, grid, combinations, watched):
        """Moments of coefficients, without each group and with all of them.

        Parameters
        ----------
        grid : Grid
        combinations : numpy.ndarray
            What each parameter takes of each coefficient, shape (f, p).
        watched : sequence of int
            Groups whose effects are parameters, too.

        Returns
        -------
        mean, sd : numpy.ndarray
            Shape (J + 1, f + len(watched)); all groups last.
        """
        groups, weights = len(self.own), grid.weights
        shape = (groups + 1, len(combinations) + len(watched))
        first, second = np.zeros(shape), np.zeros(shape)
        for some in self._batches(len(grid.sigma)):
            sigma, tau = grid.sigma[some], grid.tau[some]
            products, _ = self._reduced(sigma, tau)
            total = products.sum(1)[:, None]
            rest = np.concatenate([total - products, total], axis=1)
            sd = np.broadcast_to(sigma[:, None], rest.shape[:2])
            matrix, right = self._system(rest, sd)
            inverse = np.linalg.inv(matrix)
            covariance = sd[..., None, None] ** 2 * inverse
            slopes = (inverse @ right[..., None])[..., 0]
            which = np.broadcast_to(combinations, (*sd.shape, *combinations.shape))
            effects = [self._effect(h, sigma, tau, rest.shape[1]) for h in watched]
            ahead = np.zeros((*sd.shape, shape[1]))
            extra = np.zeros_like(ahead)
            for i, (constant, slope, own) in enumerate(effects, len(combinations)):
                ahead[..., i], extra[..., i] = constant, own
                which = np.concatenate([which, slope[..., None, :]], axis=2)
            mean = ahead + (which @ slopes[..., None])[..., 0]
            square = extra + ((which @ covariance) * which).sum(-1) + mean**2
            share = weights[:, some].T[..., None]
            first += (share * mean).sum(0)
            second += (share * square).sum(0)
        return first, np.sqrt(np.maximum(second - first**2, 0))

    def _effect(self, group, sigma, tau, count):
        """A group's effect given the coefficients: constant, slopes and variance."""
        with np.errstate(divide="ignore"):
            total = self.own[group] + (sigma / tau) ** 2
        share = np.broadcast_to((1 / total)[:, None], (len(sigma), count)).copy()
        variance = sigma[:, None] ** 2 * share
        # Left out, it is one more draw from the population.
        share[:, group], variance[:, group] = 0, tau**2
        slopes = -share[..., None] * self.cross[group, : self.common]
        return share * self.cross[group, -1], slopes, variance

    def sds(self, grid):
        """Moments of sigma and of the effects' sd: means and sds, each (J + 1, 2)."""
        values, weights = np.column_stack([grid.sigma, grid.tau]), grid.weights
        mean = weights @ values
        return mean, np.sqrt(np.maximum(weights @ values**2 - mean**2, 0))

    def log_densities(self, common, effects, sigma):
        """Log density of each group's rows in draws of all parameters: (J, S).

        `common` are coefficients, (S, p); `effects` (S, J); `sigma` (S,).
        """
        ends = np.column_stack([-common, np.ones(len(common))])
        squares = np.einsum("si,jik,sk->js", ends, self.products, ends, optimize=True)
        own = effects.T * self.own[:, None] - 2 * self.cross @ ends.T
        scale = self.weight[:, None] * (np.log(sigma) + 0.5 * np.log(2 * np.pi))
        return -scale - 0.5 * (squares + effects.T * own) / sigma**2


def _solve(matrix, right):
    return np.linalg.solve(matrix, right[..., None])[..., 0]


def _midpoints(low, high):
    return low + (high - low) * (np.arange(SEARCH) + 0.5) / SEARCH


def _widen(box):
    middle, half = box.mean(1, keepdims=True), np.diff(box)
    wider = middle + half * [-1, 1]
    wider[1] = np.maximum(wider[1], 0)
    return wider


def _narrow(box, grid, places):
    """Keep the part of a box where any of the posteriors is more than nothing."""
    log = np.where(np.isnan(grid.log_posteriors), -np.inf, grid.log_posteriors)
    kept = (log > log.max(0) - DROP).any(1).reshape(SEARCH, SEARCH)
    new = []
    for axis, place in enumerate(places):
        step = place[1] - place[0]
        there = place[np.flatnonzero(kept.any(1 - axis))]
        new.append([there[0] - 1.5 * step, there[-1] + 1.5 * step])
    new = np.array(new)
    new[1, 0] = max(new[1, 0], 0)
    return new

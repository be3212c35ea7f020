"""Draws from a density of a few variables by importance sampling."""

from dataclasses import dataclass

import numpy as np

from partialpool.exact.metropolis import Ensemble
from partialpool.exact.mode import find_mode

# Degrees of freedom of the proposal: tails heavier than any posterior here.
TAIL = 3
# Above this the weights are too uneven to be used (Vehtari and others 2024); below
# the other their variance is finite, which is worth a few more pilot rounds.
LARGEST_K, GOOD_K = 0.7, 0.5
# Pilot rounds: how many at most, how many draws in each, and the share of them that
# must be effective to need no more, to need no other proposal, and at the very end.
ROUNDS, PILOT, EVEN, FAIR, LEAST = 8, 400, 0.4, 0.15, 0.03
# Where those rounds do not do: the chains that look around, and their steps before
# each further round; proposals around so many of their points, each as wide as this
# share of the points near it, and by this much wider; their degrees of freedom.
WALKERS, SCOUTING = 64, (150, 250, 800)
KERNELS, NEAR, WIDER, KERNEL_TAIL = 100, 0.05, 4.0, 5


@dataclass(frozen=True)
class Sample:
    """Equally weighted draws."""

    # (draws, size): in random order, but copies of a proposal stand together.
    draws: np.ndarray
    effective: float  # number of independent draws behind them
    pareto_k: float  # shape of the tail of the importance weights
    method: str  # "importance" or "metropolis"


def sample(log_density, start, count, rng, *, distinct=None):
    """Draw from a smooth density of a few variables: a `Sample`.

    The `log_density` goes from (m, size) to (m,), up to a constant; the search for its
    mode begins at `start`, (size,). Where the density is dear, the draws need not be
    worth `count` independent ones, but only `distinct`. Raises `ModeError` if there is
    no mode to start from, or the slower method does not settle.

    Notes
    -----
    The density should have one mode: another, far from the one that is found,
    would go unnoticed.

    Importance sampling from a split Student-t around the mode, mixed with
    Student-t of the weighted moments where a pilot round finds it uneven. Where
    that does not do, a short ensemble of Metropolis chains finds out where the
    density lies, and the proposal is a Student-t around many of its points. Then
    systematic resampling. If the weights stay uneven all the same, the ensemble
    goes on until it has settled, and its draws are returned. The shape k of the
    weights' tail is that of Vehtari, Simpson, Gelman, Yao and Gabry (2024),
    Journal of Machine Learning Research 25(72).
    """
    distinct = min(count, distinct or count)
    mode, precision = find_mode(log_density, start)
    pilot = Pilot(log_density, SplitT.fitted(log_density, mode, precision))
    if (drawn := by_importance(pilot, count, distinct, rng)) is not None:
        return drawn
    draws, trusted = pilot.ensemble.settle(count, distinct, rng)
    return Sample(draws, trusted, pilot.k, "metropolis")


def by_importance(pilot, count, distinct, rng):
    """Draw by importance sampling: None where the weights stay uneven."""
    for bound in np.linspace(GOOD_K, LARGEST_K, ROUNDS):
        least = FAIR if bound == LARGEST_K else EVEN
        if pilot.serves(bound, least, distinct, rng):
            return pilot.sample(count, distinct, rng)
        # A part with the mean and covariance of the weighted points.
        pilot.proposal = pilot.proposal.widened(pilot.points, pilot.weights)
    for steps in SCOUTING:
        pilot.scout(steps, rng)
        least = LEAST if steps == SCOUTING[-1] else FAIR
        if pilot.serves(LARGEST_K, least, distinct, rng):
            return pilot.sample(count, distinct, rng)
    return None


class Pilot:
    """A proposal, and what the points drawn from it so far are worth."""

    def __init__(self, log_density, first):
        self.log_density = log_density
        self.proposal = Mixture([first])
        self.points = self.weights = self.ensemble = None

    @property
    def k(self):
        """Shape of the tail of the weights."""
        return pareto_k(self.weights)

    def serves(self, bound, least, wanted, rng):
        """Try the proposal out, and if it serves, gather points worth `wanted` draws.

        It serves where the shape of the weights stays below `bound` and the share of
        the first points that are effective is above `least`.
        """
        self.points, self.weights = self._weigh(PILOT, rng)
        if effective(self.weights) <= least * PILOT or not self.k < bound:
            return False
        while (worth := effective(self.weights)) < wanted:
            # A few heavy points that come late may undo what the first ones promised.
            if worth < least / 2 * len(self.weights):
                return False
            missing = wanted / worth - 1
            more = int(min(max(1.1 * missing, 0.1), 20) * len(self.weights))
            points, weights = self._weigh(more, rng)
            self.points = np.concatenate([self.points, points])
            self.weights = np.concatenate([self.weights, weights])
        return self.k < bound

    def sample(self, count, distinct, rng):
        """Resample the points by their weights."""
        draws = resample(self.points, self.weights, count, rng)
        return Sample(draws, distinct, self.k, "importance")

    def scout(self, steps, rng):
        """Let an ensemble of chains find where the density lies, and propose there."""
        if self.ensemble is None:
            walkers = resample(self.points, self.weights, WALKERS, rng)
            self.ensemble = Ensemble(self.log_density, walkers, rng)
        self.ensemble.run(steps)
        self.proposal = Kernels.around(self.ensemble.draws(), rng)

    def _weigh(self, count, rng):
        points = self.proposal.draw(count, rng)
        with np.errstate(invalid="ignore"):
            weights = self.log_density(points) - self.proposal.log_density(points)
        # A density that cannot be computed somewhere counts as none there.
        return points, np.where(np.isfinite(weights), weights, -np.inf)


@dataclass(frozen=True)
class SplitT:
    """A Student-t proposal with a width of its own on each side of each axis.

    It is the split-t importance density of Geweke (1989), Econometrica 57, 1317-1339.
    """

    centre: np.ndarray  # (size,)
    axes: np.ndarray  # columns one posterior standard deviation long: (size, size)
    widths: np.ndarray  # stretch of each axis below and above the centre: (2, size)

    @classmethod
    def fitted(cls, log_density, mode, precision):
        """Set the widths by how fast the density falls from its mode."""
        eigenvalues, vectors = np.linalg.eigh(precision)
        eigenvalues = np.maximum(eigenvalues, 1e-4)
        axes = vectors / np.sqrt(eigenvalues)
        reach = np.array([0.75, 1.5, 2.25, 3.0, 5.0])
        steps = np.concatenate([-reach, reach])
        points = mode + steps[:, None, None] * axes.T
        top = log_density(mode[None])[0]
        fall = top - log_density(points.reshape(-1, len(mode)))
        fall = np.maximum(fall.reshape(len(steps), -1), 1e-3)
        fall[~np.isfinite(fall)] = 1e6
        # A normal density falls by half the square of the distance.
        width = np.abs(steps)[:, None] / np.sqrt(2 * fall)
        below, above = width[: len(reach)], width[len(reach) :]
        widths = np.stack([below.mean(0), above.mean(0)])
        return cls(mode, axes, np.clip(widths, 0.2, 8.0))

    def draw(self, count, rng):
        """Draw `count` points: shape (count, size)."""
        size = len(self.centre)
        z = rng.standard_normal((count, size))
        z /= np.sqrt(rng.chisquare(TAIL, count) / TAIL)[:, None]
        below, above = self.widths
        left = rng.random((count, size)) < below / (below + above)
        z = np.where(left, -below, above) * np.abs(z)
        return self.centre + z @ self.axes.T

    def log_density(self, x):
        """Log density at some points, up to a constant that all of them share."""
        z = np.linalg.solve(self.axes, (x - self.centre).T).T
        below, above = self.widths
        z = z / np.where(z < 0, below, above)
        size = len(self.centre)
        distance = (z**2).sum(1) / TAIL
        volume = np.linalg.slogdet(self.axes)[1] + np.log((below + above) / 2).sum()
        return -0.5 * (TAIL + size) * np.log1p(distance) - volume


@dataclass(frozen=True)
class Mixture:
    """Proposals side by side, each point weighed against all of them."""

    parts: list  # of `SplitT`

    def draw(self, count, rng):
        """Draw `count` points, an equal share from each part."""
        shares = np.full(len(self.parts), count // len(self.parts))
        shares[: count % len(self.parts)] += 1
        drawn = [part.draw(n, rng) for part, n in zip(self.parts, shares, strict=True)]
        return rng.permutation(np.concatenate(drawn))

    def log_density(self, x):
        """Log density at some points."""
        each = [part.log_density(x) for part in self.parts]
        return np.logaddexp.reduce(each) - np.log(len(self.parts))

    def widened(self, points, log_weights):
        """Add a part with the mean and covariance of weighted points."""
        weights = np.exp(log_weights - log_weights.max())
        weights /= weights.sum()
        mean = weights @ points
        covariance = (points - mean).T @ (weights[:, None] * (points - mean))
        size = len(mean)
        # A little of the first part's shape, so that few points cannot flatten it.
        covariance += 0.01 * self.parts[0].axes @ self.parts[0].axes.T
        part = SplitT(mean, np.linalg.cholesky(covariance), np.ones((2, size)))
        return Mixture([*self.parts, part])


@dataclass(frozen=True)
class Kernels:
    """Student-t proposals of one size each, around many points of a sample.

    Each takes its shape from the points near its centre, so that together they follow
    a density that bends (West 1993, Journal of the Royal Statistical Society B 55,
    409-422).
    """

    centres: np.ndarray  # (parts, size)
    lowers: np.ndarray  # Cholesky factors of their scale matrices: (parts, size, size)

    @classmethod
    def around(cls, draws, rng):
        """Put them around some of the draws: shape (draws, size)."""
        centres = draws[rng.choice(len(draws), KERNELS)]
        scaled = draws / draws.std(0)
        near = int(NEAR * len(draws))
        floor = 1e-6 * np.diag(draws.var(0))
        lowers = []
        for centre in centres:
            distance = ((scaled - centre / draws.std(0)) ** 2).sum(1)
            closest = draws[np.argpartition(distance, near)[:near]]
            covariance = np.atleast_2d(np.cov(closest.T))
            lowers.append(np.linalg.cholesky(WIDER * covariance + floor))
        return cls(centres, np.array(lowers))

    def draw(self, count, rng):
        """Draw `count` points, each from a part chosen by chance."""
        part = rng.integers(0, len(self.centres), count)
        z = rng.standard_normal((count, self.centres.shape[1]))
        z /= np.sqrt(rng.chisquare(KERNEL_TAIL, count) / KERNEL_TAIL)[:, None]
        return self.centres[part] + np.einsum("mij,mj->mi", self.lowers[part], z)

    def log_density(self, x):
        """Log density at some points, up to a constant that all of them share."""
        size = x.shape[1]
        total = np.full(len(x), -np.inf)
        for centre, lower in zip(self.centres, self.lowers, strict=True):
            z = np.linalg.solve(lower, (x - centre).T)
            distance = (z**2).sum(0) / KERNEL_TAIL
            height = -0.5 * (KERNEL_TAIL + size) * np.log1p(distance)
            total = np.logaddexp(total, height - np.log(np.diag(lower)).sum())
        return total


def resample(points, log_weights, count, rng):
    """Systematic resampling: as many copies of a point as its weight, rounded."""
    weights = np.exp(log_weights - log_weights.max())
    ladder = np.cumsum(weights) / weights.sum()
    steps = (np.arange(count) + rng.random()) / count
    return points[np.minimum(np.searchsorted(ladder, steps), len(points) - 1)]


def effective(log_weights):
    """Effective number of draws behind importance weights (Kish)."""
    weights = np.exp(log_weights - log_weights.max())
    return weights.sum() ** 2 / (weights**2).sum()


def pareto_k(log_weights):
    """Shape of the generalised Pareto tail of importance weights.

    The estimate of Zhang and Stephens (2009), Technometrics 51, 316-325, with
    the weak prior of Vehtari and others (2024).
    """
    weights = np.exp(np.sort(log_weights) - log_weights.max())
    tail = int(min(0.2 * len(weights), 3 * np.sqrt(len(weights))))
    x = weights[-tail:] - weights[-tail - 1]
    if not x[-1] > 0:
        return -np.inf
    grid = 30 + int(np.sqrt(tail))
    quartile = x[max(0, int(tail / 4 + 0.5) - 1)]
    steps = 1 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))
    b = 1 / x[-1] + steps / (3 * max(quartile, 1e-300))
    k = np.log1p(-b[:, None] * x).mean(1)
    fit = tail * (np.log(-b / k) - k - 1)
    fit = np.exp(fit - fit.max())
    b = (b * fit).sum() / fit.sum()
    k = np.log1p(-b * x).mean()
    return (tail * k + 5) / (tail + 10)

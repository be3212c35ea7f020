"""Draws from a density of a few variables, and how far to trust them."""

from dataclasses import dataclass

import numpy as np

# Degrees of freedom of the proposal: tails heavier than any posterior here.
TAIL = 3
# Above this the weights are too uneven to be used (Vehtari and others 2024); below
# the other their variance is finite, which is worth a few more pilot rounds.
LARGEST_K, GOOD_K = 0.7, 0.5
# Pilot rounds: how many at most, how many draws in each, and the share of them that
# must be effective to need no more, and in the last round.
ROUNDS, PILOT, EVEN, LEAST = 8, 400, 0.4, 0.03
# Metropolis chains, and their largest R-hat. So many chains that mix have an R-hat of
# 1 + WALKERS / effective draws from chance alone.
WALKERS, SETTLED = 64, 1.05
# The longest step over which differences are taken for derivatives.
LONGEST_STEP = 0.01


class ModeError(RuntimeError):
    """No mode was found: the density may be improper or not smooth."""


@dataclass
class Sample:
    """Equally weighted draws.

    Attributes
    ----------
    draws : numpy.ndarray
        Shape (draws, size), in random order but for copies of one proposal,
        which stand next to each other.
    effective : float
        Effective number of independent draws behind them.
    pareto_k : float
        Shape of the tail of the importance weights; NaN where they were not
        used.
    method : str
        ``"importance"`` or ``"metropolis"``.
    evaluations : int
        How often the density was computed.
    """

    draws: np.ndarray
    effective: float
    pareto_k: float
    method: str
    evaluations: int


def find_mode(log_density, start, *, steps=100, tolerance=1e-4):
    """Climb to the mode by damped Newton steps on finite differences.

    Parameters
    ----------
    log_density : callable
        Takes (m, size) and returns (m,).
    start : numpy.ndarray
        Shape (size,).

    Returns
    -------
    mode : numpy.ndarray
        Shape (size,).
    precision : numpy.ndarray
        Minus the second derivatives at the mode; shape (size, size).

    Raises
    ------
    ModeError
        If the climb does not end, or only where the density is lost to rounding.
    """
    x, damping = np.asarray(start, dtype=float), 1.0
    value = log_density(x[None])[0]
    if not np.isfinite(value):
        raise ModeError("The density is zero where the search for its mode begins.")
    reach = np.full(len(x), LONGEST_STEP)
    for _ in range(steps):
        gradient, hessian = _derivatives(log_density, x, value, reach)
        # Differences over a third of a posterior standard deviation: with a hundred
        # million rows that is a hundredth of what suits a thousand.
        reach = 0.3 / np.sqrt(np.maximum(np.abs(np.diag(hessian)), 1e-300))
        reach = np.clip(reach, 1e-8, LONGEST_STEP)
        eigenvalues, vectors = np.linalg.eigh(-hessian)
        # Downhill directions of the curvature are taken as uphill of the same size.
        eigenvalues = np.maximum(np.abs(eigenvalues), 1e-3)
        slope = vectors.T @ gradient
        # Several step lengths at once: the density is cheaper in batches.
        trials = damping * 4.0 ** np.arange(1, -5, -1)
        moves = (slope / (eigenvalues + 1 / trials[:, None])) @ vectors.T
        moves = np.vstack([(slope / eigenvalues) @ vectors.T, moves])
        moves *= np.minimum(1, 3 / np.abs(moves).max(1, keepdims=True).clip(1e-12))
        values = log_density(x + moves)
        best = int(np.nanargmax(values))
        gain = values[best] - value
        decrement = slope**2 @ (1 / eigenvalues)
        if gain > 0:
            x, value = x + moves[best], values[best]
            damping = trials[min(best, len(trials) - 1)] * (4 if best <= 1 else 1)
        if decrement < tolerance or gain <= 0:
            if gain <= 0 and decrement > 0.1:
                damping /= 100
                if damping < 1e-10:
                    break
                continue
            return x, -_derivatives(log_density, x, value, reach)[1]
    raise ModeError("The search for the mode did not end.")


def _derivatives(log_density, x, value, reach):
    size = len(x)
    unit = np.diag(reach)
    i, j = np.triu_indices(size, 1)
    points = [x + unit, x - unit, x + unit[i] + unit[j], x - unit[i] - unit[j]]
    values = log_density(np.vstack(points))
    if not np.isfinite(values).all():
        raise ModeError("The search for the mode left the range of numbers.")
    up, down, both, neither = np.split(values, np.cumsum([size, size, len(i)]))
    gradient = (up - down) / (2 * reach)
    hessian = np.diag((up + down - 2 * value) / reach**2)
    mixed = both + neither - up[i] - down[i] - up[j] - down[j] + 2 * value
    hessian[i, j] = hessian[j, i] = mixed / (2 * reach[i] * reach[j])
    return gradient, hessian


class SplitT:
    """A Student-t proposal with a width of its own on each side of each axis.

    Parameters
    ----------
    centre : numpy.ndarray
        Shape (size,).
    axes : numpy.ndarray
        Columns of length one posterior standard deviation; shape (size, size).
    widths : numpy.ndarray
        Stretch of each axis below and above the centre; shape (2, size).

    Notes
    -----
    Geweke (1989), Econometrica 57, 1317-1339: the split-t importance density.
    """

    def __init__(self, centre, axes, widths):
        self.centre, self.axes, self.widths = centre, axes, widths

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


class Mixture:
    """Proposals side by side, each point weighed against all of them.

    Parameters
    ----------
    parts : list
        Each with ``draw`` and ``log_density``, to one constant.
    """

    def __init__(self, parts):
        self.parts = parts

    def draw(self, count, rng):
        """Draw `count` points, an equal share from each part."""
        shares = np.full(len(self.parts), count // len(self.parts))
        shares[: count % len(self.parts)] += 1
        drawn = [part.draw(n, rng) for part, n in zip(self.parts, shares, strict=True)]
        return rng.permutation(np.concatenate(drawn))

    def log_density(self, x):
        """Log density at some points."""
        return np.logaddexp.reduce(
            [part.log_density(x) for part in self.parts]
        ) - np.log(len(self.parts))

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


def sample(log_density, start, count, rng):
    """Draw from a smooth density of a few variables.

    Parameters
    ----------
    log_density : callable
        Takes (m, size) and returns (m,), up to a constant.
    start : numpy.ndarray
        Where to look for the mode; shape (size,).
    count : int
        Draws wanted.
    rng : numpy.random.Generator

    Returns
    -------
    Sample

    Raises
    ------
    ModeError
        If there is no mode to start from, or the slower method does not settle.

    Notes
    -----
    The density should have one mode: another, far from the one that is found,
    would go unnoticed.

    Importance sampling from a split Student-t around the mode, mixed with
    Student-t of the weighted moments where a pilot round finds it uneven;
    then systematic resampling. Where the weights stay uneven, an ensemble of
    Metropolis chains takes over. The shape k of the weights' tail is that of
    Vehtari, Simpson, Gelman, Yao and Gabry (2024), Journal of Machine Learning
    Research 25(72).
    """
    counted = _Counter(log_density)
    mode, precision = find_mode(counted, start)
    proposal = Mixture([SplitT.fitted(counted, mode, precision)])
    for bound in np.linspace(GOOD_K, LARGEST_K, ROUNDS):
        points, weights = _weigh(counted, proposal, PILOT, rng)
        least = LEAST if bound == LARGEST_K else EVEN
        if effective(weights) > least * PILOT and pareto_k(weights) < bound:
            points, weights = _gather(counted, proposal, points, weights, count, rng)
            k = pareto_k(weights)
            if k < bound:
                draws = _resample(points, weights, count, rng)
                return Sample(draws, count, k, "importance", counted.count)
        proposal = proposal.widened(points, weights)
    walkers = _resample(points, weights, WALKERS, rng)
    draws, trusted = metropolis(counted, walkers, count, rng)
    return Sample(draws, trusted, pareto_k(weights), "metropolis", counted.count)


class _Counter:
    def __init__(self, log_density):
        self.log_density, self.count = log_density, 0

    def __call__(self, x):
        self.count += len(x)
        return self.log_density(x)


def _weigh(log_density, proposal, count, rng):
    points = proposal.draw(count, rng)
    weights = log_density(points) - proposal.log_density(points)
    # A density that cannot be computed somewhere counts as none there.
    return points, np.where(np.isfinite(weights), weights, -np.inf)


def _gather(log_density, proposal, points, weights, count, rng):
    """Add proposals until they are worth `count` independent draws."""
    while effective(weights) < count:
        missing = count / effective(weights) - 1
        more = int(min(max(1.1 * missing, 0.1), 20) * len(weights))
        new_points, new_weights = _weigh(log_density, proposal, more, rng)
        points = np.concatenate([points, new_points])
        weights = np.concatenate([weights, new_weights])
    return points, weights


def _resample(points, log_weights, count, rng):
    """Systematic resampling: as many copies of a point as its weight, rounded."""
    weights = np.exp(log_weights - log_weights.max())
    ladder = np.cumsum(weights) / weights.sum()
    steps = (np.arange(count) + rng.random()) / count
    return points[np.minimum(np.searchsorted(ladder, steps), len(points) - 1)]


def metropolis(log_density, walkers, count, rng, *, longest=20_000):
    """Draw with an ensemble of Metropolis chains that learn from each other.

    Parameters
    ----------
    log_density : callable
    walkers : numpy.ndarray
        Where the chains start; shape (an even number, size).
    count : int
        Draws wanted.
    rng : numpy.random.Generator
    longest : int
        Steps of each chain after which to give up.

    Returns
    -------
    draws : numpy.ndarray
        Shape (count, size).
    effective : float
        Effective number of independent draws.

    Raises
    ------
    ModeError
        If the chains have not settled after `longest` steps.

    Notes
    -----
    Differential evolution, ter Braak (2006), Statistics and Computing 16,
    239-249: one half of the chains moves along the differences of the other.
    """
    x = walkers + 1e-3 * rng.standard_normal(walkers.shape) * np.ptp(walkers, axis=0)
    value = log_density(x)
    kept, length = [], 500
    while True:
        for _ in range(length):
            _move(x, value, log_density, rng)
            kept.append(x.copy())
        chains = np.array(kept)[len(kept) // 3 :]
        trusted, rhat = _judge(chains)
        if trusted > count and rhat < SETTLED:
            break
        if len(kept) >= longest:
            raise ModeError(
                f"The slower method did not settle in {len(kept):,} steps (R-hat "
                f"{rhat:.3f}, {trusted:.0f} effective draws)."
            )
        length = len(kept)
    flat = chains.reshape(-1, x.shape[1])
    return rng.choice(flat, count, replace=False), min(trusted, count)


def _move(x, value, log_density, rng):
    count, size = x.shape
    half = count // 2
    for mine, other in (
        (slice(half), slice(half, None)),
        (slice(half, None), slice(half)),
    ):
        a, b = rng.integers(0, half, (2, half))
        # Now and then a step as long as the difference itself, to change modes.
        scale = np.where(rng.random(half) < 0.1, 1.0, 2.38 / np.sqrt(2 * size))
        step = scale[:, None] * (x[other][a] - x[other][b])
        proposed = x[mine] + step + 1e-4 * rng.standard_normal((half, size))
        new = log_density(proposed)
        accepted = np.log(rng.random(half)) < new - value[mine]
        x[mine] = np.where(accepted[:, None], proposed, x[mine])
        value[mine] = np.where(accepted, new, value[mine])


def _judge(chains):
    """Effective draws and R-hat of the worst variable of (steps, chains, size)."""
    steps, count, _ = chains.shape
    centred = chains - chains.mean((0, 1))
    variance = centred.var((0, 1))
    half = steps // 2
    halves = np.concatenate([chains[:half], chains[half : 2 * half]], axis=1)
    within = halves.var(0, ddof=1).mean(0)
    rhat = np.sqrt(1 + halves.mean(0).var(0, ddof=1) / within).max()
    spectrum = np.fft.rfft(centred, 2 * steps, axis=0)
    lags = np.fft.irfft(np.abs(spectrum) ** 2, axis=0)[:steps].mean(1)
    lags /= np.arange(steps, 0, -1)[:, None] * variance
    time = 1 + 2 * np.cumsum(lags[1:], axis=0)
    # Sokal's window: far enough for the sum, not so far that noise takes over.
    window = np.arange(1, steps)[:, None] > 5 * time
    first = np.where(window.any(0), window.argmax(0), steps - 2)
    worst = max(1.0, time[first, np.arange(time.shape[1])].max())
    return steps * count / worst, rhat


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
    if tail < 5:
        return np.nan
    x = weights[-tail:] - weights[-tail - 1]
    if not x[-1] > 0:
        return -np.inf
    grid = 30 + int(np.sqrt(tail))
    quartile = x[max(0, int(tail / 4 + 0.5) - 1)]
    b = 1 / x[-1] + (1 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))) / (
        3 * max(quartile, 1e-300)
    )
    k = np.log1p(-b[:, None] * x).mean(1)
    fit = tail * (np.log(-b / k) - k - 1)
    fit = np.exp(fit - fit.max())
    b = (b * fit).sum() / fit.sum()
    k = np.log1p(-b * x).mean()
    return (tail * k + 5) / (tail + 10)

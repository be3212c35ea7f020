"""The mode of a smooth density of a few variables, by Newton's method."""

import numpy as np

# The longest step over which differences are taken for derivatives.
LONGEST_STEP = 0.01
# The climb is over where the density can rise by half of this, by its derivatives.
TOLERANCE = 1e-4


class ModeError(RuntimeError):
    """No mode was found: the density may be improper or not smooth."""


def find_mode(log_density, start, *, steps=100):
    """Climb to the mode by damped Newton steps on finite differences.

    `log_density` goes from (m, size) to (m,). Returns the mode, (size,), and minus the
    second derivatives there, (size, size). Raises `ModeError` if the climb does not
    end, or only where the density is lost to rounding.
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
        if decrement < TOLERANCE or gain <= 0:
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

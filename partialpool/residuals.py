"""Residuals of log earnings: a normal variable, stretched, its halves scaled apart.

A residual is ``upper * stretch(z, tail)`` where the standard normal ``z`` is
positive and ``lower * stretch(z, tail)`` where it is negative.
"""

import numpy as np
import scipy


def stretch(z, tail):
    """Make the tails of a standard normal variable heavier: more, the less `tail`."""
    return z * np.sqrt(1 + (z / tail) ** 2)


def quantile(probability, lower, upper, tail):
    """Quantile of a residual with the scales `lower` and `upper`."""
    z = scipy.special.ndtri(probability)
    return (lower if z < 0 else upper) * stretch(z, tail)


def share_below(log_gap, lower, upper, tail):
    """Probability that a residual is less than `log_gap`."""
    stretched = log_gap / np.where(log_gap < 0, lower, upper)
    # The inverse of stretch: a quadratic in z squared.
    root = np.sqrt(1 + (2 * stretched / tail) ** 2)
    return scipy.special.ndtr(np.sign(stretched) * tail * np.sqrt((root - 1) / 2))


def mean(lower, upper, tail):
    """Mean of a residual: not zero where the scales differ."""
    # Mean of stretch(z) over its upper half: an integral with a closed form.
    c = 2 / tail**2
    half = 1 + np.sqrt(c * np.pi) / 2 * scipy.special.erfcx(1 / np.sqrt(c))
    return (upper - lower) * half / np.sqrt(2 * np.pi)

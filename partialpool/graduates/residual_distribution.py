"""Residual distribution of log earnings: two-piece, with heavy tails.

A residual is ``stretch(z, tail)`` of a standard normal ``z``, times ``upper`` where
that is positive and ``lower`` where it is negative, as in a two-piece normal.
"""

import numpy as np
import scipy


def stretch(z, tail):
    """Transform a standard normal variable to one with heavier tails.

    Near the median it stays as it is; far out it grows like ``z**2 / tail``,
    which makes the tail of its exponential a Pareto tail.
    """
    return z * np.sqrt(1 + (z / tail) ** 2)


def quantile(probability, lower, upper, tail):
    """Quantile function, with the scales `lower` and `upper`."""
    z = scipy.special.ndtri(probability)
    return (lower if z < 0 else upper) * stretch(z, tail)


def cdf(residual, lower, upper, tail):
    """Cumulative distribution function."""
    stretched = residual / np.where(residual < 0, lower, upper)
    # The inverse of stretch: a quadratic in z squared.
    root = np.sqrt(1 + (2 * stretched / tail) ** 2)
    return scipy.special.ndtr(np.sign(stretched) * tail * np.sqrt((root - 1) / 2))


def mean(lower, upper, tail):
    """Mean: not zero where the scales differ."""
    # Mean of stretch(z) over its upper half: an integral with a closed form.
    c = 2 / tail**2
    half = 1 + np.sqrt(c * np.pi) / 2 * scipy.special.erfcx(1 / np.sqrt(c))
    return (upper - lower) * half / np.sqrt(2 * np.pi)

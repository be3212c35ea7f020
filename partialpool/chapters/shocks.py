"""Shocks: numbers with standard deviation 1, whose tails are light or heavy."""

import numpy as np


def draw_standard(rng, df, size):
    """Draw normal numbers, or with finite `df` those of a t, with variance 1.

    Examples
    --------
    >>> draws = draw_standard(np.random.default_rng(1), 5, 100_000)
    >>> bool(0.97 < draws.std() < 1.03)
    True
    """
    if np.isinf(df):
        return rng.standard_normal(size)
    return rng.standard_t(df, size) * np.sqrt((df - 2) / df)

"""Scores: how far an estimate is from the truth, how honest an interval."""

import numpy as np


def rmse(estimate, truth):
    """Root mean squared error, in the units of the outcome.

    Parameters
    ----------
    estimate, truth : array_like, same shape
        What was estimated and what is true. Labelled data (pandas) are
        matched by position: align them first.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the shapes differ or a value is missing.

    Examples
    --------
    >>> round(rmse([1.0, 2.0], [1.0, 4.0]), 3)
    1.414
    """
    estimate, truth = _same_shape(estimate=estimate, truth=truth)
    return float(np.sqrt(np.mean((estimate - truth) ** 2)))


def coverage(lower, upper, truth):
    """Share of intervals that hold the truth.

    Parameters
    ----------
    lower, upper, truth : array_like, same shape
        Ends of the intervals (both count as inside) and what is true.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If the shapes differ, a value is missing or an interval is upside down.

    Examples
    --------
    >>> coverage([0, 0], [1, 1], [0.5, 2])
    0.5
    """
    lower, upper, truth = _intervals(lower, upper, truth)
    return float(np.mean((lower <= truth) & (truth <= upper)))


def interval_score(lower, upper, truth, *, prob):
    """Mean interval score: width, plus a fine for each miss. Smaller is better.

    The score rewards narrow intervals and fines a miss by ``2 / (1 - prob)``
    times its distance, so that nobody gains by an interval too narrow or too
    wide.

    Parameters
    ----------
    lower, upper, truth : array_like, same shape
        Ends of the central intervals and what is true.
    prob : float
        Probability that the intervals promise, such as 0.9.

    Returns
    -------
    float
        In the units of the outcome.

    Raises
    ------
    ValueError
        As :func:`coverage`, or if `prob` is not between 0 and 1.

    Notes
    -----
    Gneiting and Raftery (2007), Journal of the American Statistical
    Association 102, section 6.2.

    Examples
    --------
    >>> round(interval_score([0, 0], [1, 1], [0.5, 2], prob=0.9), 6)
    11.0
    """
    if not 0 < prob < 1:
        raise ValueError(f"prob is {prob}: give a probability between 0 and 1.")
    lower, upper, truth = _intervals(lower, upper, truth)
    missed = np.maximum(lower - truth, 0) + np.maximum(truth - upper, 0)
    return float(np.mean(upper - lower + 2 / (1 - prob) * missed))


def log_score(mean, sd, truth, *, df=None):
    """Mean log score: the log density that a prediction gave to what came true.

    Larger is better, in contrast to the other scores here.

    Parameters
    ----------
    mean, sd : array_like
        Of a normal prediction for each true value, in the shape of `truth`. With one
        more axis in front, of draws, each draw is a normal prediction and all of them
        together are a mixture: what a Bayesian model predicts.
    truth : array_like
        What came true.
    df : float or array_like, optional
        Degrees of freedom, for Student-t predictions with that location and scale.

    Returns
    -------
    float
        In log units: a difference of 0.1 is a density 10% higher for each value.
    """
    raise NotImplementedError


def crps(truth, *, mean=None, sd=None, df=None, draws=None):
    """Mean continuous ranked probability score. Smaller is better.

    The distance between a predicted distribution and what came true, in the units of
    the outcome: for a prediction without spread the absolute error.

    Parameters
    ----------
    truth : array_like
        What came true.
    mean, sd : array_like, optional
        Of a normal prediction for each true value: the shape of `truth`.
    df : float or array_like, optional
        Degrees of freedom above 1, for Student-t predictions with that location and
        scale.
    draws : array_like, optional
        In place of `mean` and `sd`: draws of each prediction, shape ``(draws,
        *truth.shape)``.

    Returns
    -------
    float
        In the units of the outcome.
    """
    raise NotImplementedError


def _intervals(lower, upper, truth):
    lower, upper, truth = _same_shape(lower=lower, upper=upper, truth=truth)
    if (upper < lower).any():
        where = int(np.argmax(upper < lower))
        raise ValueError(f"upper is below lower at position {where}: swap the ends.")
    return lower, upper, truth


def _same_shape(**arrays):
    arrays = {name: np.asarray(values, float) for name, values in arrays.items()}
    shapes = {name: values.shape for name, values in arrays.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"Shapes differ: {shapes}. Give one value of each per group.")
    for name, values in arrays.items():
        if values.size == 0:
            raise ValueError(f"{name} is empty: there is nothing to score.")
        if np.isnan(values).any():
            count = int(np.isnan(values).sum())
            of = "value" if count == 1 else "values"
            raise ValueError(f"{name} has {count} missing {of}: drop these groups.")
    return arrays.values()

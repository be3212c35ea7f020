"""Scores: how far an estimate is from the truth, how honest an interval."""

import numpy as np
import scipy
from scipy.special import betaln, logsumexp


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
    check_prob(prob, "prob")
    lower, upper, truth = _intervals(lower, upper, truth)
    return float(np.mean(interval_scores(lower, upper, truth, prob=prob)))


def interval_scores(lower, upper, truth, *, prob):
    """Score each interval for itself, unchecked: see :func:`interval_score`.

    Missing ends give a missing score.
    """
    missed = np.maximum(lower - truth, 0) + np.maximum(truth - upper, 0)
    return upper - lower + 2 / (1 - prob) * missed


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
        A difference of 0.1 between two methods is a density 10% higher, on average.

    Raises
    ------
    ValueError
        If the shapes differ, a value is missing or `sd` or `df` is not above 0.

    Notes
    -----
    Gneiting and Raftery (2007), Journal of the American Statistical Association 102,
    section 4.1.

    Examples
    --------
    >>> round(log_score([0.0, 0.0], [1.0, 1.0], [0.0, 0.0]), 3)
    -0.919
    """
    truth = np.asarray(truth, float)
    shape = np.shape(mean) if np.ndim(mean) > truth.ndim else truth.shape
    mean, sd, _ = _predictions(shape, mean, sd, np.broadcast_to(truth, shape))
    z = (truth - mean) / sd
    density = _log_density(z, _above_zero(df, "df")) - np.log(sd)
    if mean.ndim > truth.ndim:
        density = logsumexp(density, axis=0) - np.log(len(density))
    return float(density.mean())


def crps(truth, *, mean=None, sd=None, df=None, draws=None):
    """Mean continuous ranked probability score. Smaller is better.

    The distance between a predicted distribution and what came true. A prediction
    without spread scores its absolute error; spread that is warranted improves on it.

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
        In place of `mean` and `sd`: two or more draws of each prediction, shape
        ``(draws, *truth.shape)``.

    Returns
    -------
    float
        In the units of the outcome.

    Raises
    ------
    ValueError
        If neither or both of `mean` with `sd` and `draws` are given, the shapes differ,
        a value is missing, `sd` is not above 0 or `df` not above 1.

    Notes
    -----
    Closed forms: Jordan, Krüger and Lerch (2019), Journal of Statistical Software
    90(12). From draws, the estimate whose mean does not depend on their number:
    Ferro (2014), Quarterly Journal of the Royal Meteorological Society 140.

    Examples
    --------
    >>> round(crps([0.0, 1.0], mean=[0.0, 0.0], sd=[1.0, 1.0]), 3)
    0.418
    """
    if (draws is None) == (mean is None or sd is None):
        raise ValueError("Give mean and sd, or draws: one of the two.")
    truth = np.asarray(truth, float)
    if draws is not None:
        return _crps_of_draws(truth, np.asarray(draws, float))
    mean, sd, truth = _predictions(truth.shape, mean, sd, truth)
    z = (truth - mean) / sd
    if df is None:
        inner = z * (2 * scipy.stats.norm.cdf(z) - 1) + 2 * scipy.stats.norm.pdf(z)
        return float((sd * (inner - np.pi**-0.5)).mean())
    df = _above_zero(df, "df", least=1)
    inner = z * (2 * scipy.stats.t.cdf(z, df) - 1)
    inner += 2 * scipy.stats.t.pdf(z, df) * (df + z**2) / (df - 1)
    betas = np.exp(betaln(0.5, df - 0.5) - 2 * betaln(0.5, df / 2))
    return float((sd * (inner - 2 * np.sqrt(df) / (df - 1) * betas)).mean())


def _crps_of_draws(truth, draws):
    if draws.ndim != truth.ndim + 1 or len(draws) < 2:
        raise ValueError(
            f"draws has shape {draws.shape} and truth {truth.shape}: give two or more "
            "draws, along a first axis, for each true value."
        )
    draws, truth = _same_shape(
        draws=draws, truth=np.broadcast_to(truth, (len(draws), *truth.shape))
    )
    count = len(draws)
    apart = np.abs(draws - truth).mean(0)
    # Half the mean distance of two draws, from their order.
    place = (2 * np.arange(1, count + 1) - count - 1) / (count * (count - 1))
    return float((apart - np.tensordot(place, np.sort(draws, axis=0), 1)).mean())


def _log_density(z, df):
    return scipy.stats.norm.logpdf(z) if df is None else scipy.stats.t.logpdf(z, df)


def _predictions(shape, mean, sd, truth):
    sd = np.broadcast_to(sd, shape) if np.ndim(sd) == 0 else sd
    mean, sd, truth = _same_shape(mean=mean, sd=sd, truth=truth)
    return mean, _above_zero(sd, "sd"), truth


def _above_zero(values, name, least=0):
    if values is None:
        return None
    values = np.asarray(values, float)
    if not (values > least).all():
        raise ValueError(f"{name} holds values that are not above {least}: correct it.")
    return values


def check_prob(prob, name="ci_prob"):
    """Refuse what is no probability: 0 and 1 are none here."""
    if not 0 < prob < 1:
        raise ValueError(f"{name} is {prob}: give a probability between 0 and 1.")


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

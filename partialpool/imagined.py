"""Imagined data: does a prior live on the scale of the outcome?"""

import numpy as np
import pandas as pd

from partialpool.advice import number

# The bulk of some outcomes, and what a prior allows, as quantiles. Refused: more than
# a tenth of the data outside what the prior allows; a bulk of the prior more than 100
# times as wide as that of the data, or less than a tenth as wide.
BULK, MOST = (0.05, 0.95), (0.005, 0.995)
LARGEST_OUTSIDE, WIDEST, NARROWEST = 0.1, 100.0, 0.1


class PriorError(ValueError):
    """A prior on another scale than the data: the message has the numbers."""


def check_prior(imagined, observed, *, name="outcome"):
    """Refuse a prior that lives on another scale than the data.

    Parameters
    ----------
    imagined : array_like or xarray.DataTree
        Outcomes drawn from the prior: an array of any shape, or what
        ``pm.sample_prior_predictive`` returned, with one variable in its group
        ``prior_predictive`` or one called `name`.
    observed : array_like
        The outcome in the data.
    name : str
        What to call the outcome in the message.

    Returns
    -------
    pandas.DataFrame
        Rows ``prior`` and ``data``; columns ``low`` and ``high`` (5% and 95%
        quantiles) and ``width``, the distance between them.

    Raises
    ------
    PriorError
        With one sentence that has the numbers and the mend: if more than a tenth of
        the data lie outside all that 99% of the imagined outcomes span, or the width
        of the prior is more than 100 times or less than a tenth of that of the data.

    Notes
    -----
    The limits are wide on purpose. A prior may be vague, or narrower than the data
    where it knows something; one that misses them altogether was meant for other
    units.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> check_prior(rng.normal(10, 1, 500), rng.normal(14_000, 3_000, 200), name="pay")
    Traceback (most recent call last):
        ...
    partialpool.imagined.PriorError: The prior imagines pay from 8.46 to 11.5 and the \
data run from 8,350 to 19,400 (5% to 95%), so 100% of the data lie outside what it \
allows: give the priors the centre and the spread of pay, or model its log or \
another unit.
    """
    imagined = _numbers(_take(imagined, name), "imagined")
    observed = _numbers(observed, "observed")
    prior, data = _bulk(imagined), _bulk(observed)
    low, high = np.quantile(imagined, MOST)
    outside = np.mean((observed < low) | (observed > high))
    ratio = (prior["width"] / data["width"]).item()
    fault = None
    if outside > LARGEST_OUTSIDE:
        fault = f"{outside:.0%} of the data lie outside what it allows"
    elif not NARROWEST <= ratio <= WIDEST:
        fault = f"its range is {number(ratio)} times as wide as that of the data"
    if fault:
        raise PriorError(
            f"The prior imagines {name} {_range(prior)} and the data run "
            f"{_range(data)} (5% to 95%), so {fault}: give the priors the centre and "
            f"the spread of {name}, or model its log or another unit."
        )
    return pd.DataFrame([prior, data], index=["prior", "data"])


def _bulk(values):
    """Ends of the middle nine tenths, and their distance, or a stand-in if it is 0."""
    low, high = np.quantile(values, BULK)
    # Of an outcome that is nearly always the same, as of yes or no.
    width = high - low if high > low else 3.3 * np.std(values)
    return {"low": low, "high": high, "width": width}


def _take(imagined, name):
    """Return the draws of the outcome from a tree, or what was given."""
    if not hasattr(imagined, "children") and not hasattr(imagined, "data_vars"):
        return imagined
    there = imagined["prior_predictive"] if "prior_predictive" in imagined else imagined
    names = list(there.data_vars)
    if name in names:
        return there[name]
    if len(names) == 1:
        return there[names[0]]
    raise ValueError(
        f"The draws hold {', '.join(names) or 'no variable'}: give name= one of these, "
        "or the draws of the outcome alone."
    )


def _numbers(values, what):
    values = np.asarray(values, float).ravel()
    if len(values) < 2 or not np.isfinite(values).all() or np.ptp(values) == 0:
        raise ValueError(
            f"{what} must hold finite numbers that differ: check what was given."
        )
    return values


def _range(row):
    return f"from {number(row['low'])} to {number(row['high'])}"

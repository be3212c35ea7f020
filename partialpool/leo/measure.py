"""Measure: what a published cell says of pay, as an estimate and its standard error."""

import numpy as np
import pandas as pd

from partialpool import faults
from partialpool.columns import as_list
from partialpool.faults import TableError, refuse

# For a normal outcome in large samples: standard error of the median, and of the log
# of the standard deviation that two quartiles give, in units of sd / sqrt(n).
MEDIAN_ERROR = np.sqrt(np.pi / 2)
QUARTILE_DISTANCE = 1.349
LOG_SD_ERROR = 1.166


def measure(published, *, cutoff=11, count_to=5, sd=None, sd_by=()):
    r"""Turn published medians and quartiles into measurements of log pay.

    Parameters
    ----------
    published : pandas.DataFrame
        One row per cell, with ``median``, ``in_earnings``, and, unless `sd` is given,
        ``lower_quartile`` and ``upper_quartile``: what
        :func:`~partialpool.leo.publish`, :func:`~partialpool.leo.read_leo` or
        :func:`~partialpool.graduates.load_published_earnings` return. Without
        ``status`` a cell counts as published where it has a median.
    cutoff : float
        Smallest count, before rounding, whose earnings are published.
    count_to : int
        What counts were rounded to.
    sd : float, optional
        Standard deviation of log pay within cells, for tables without quartiles.
    sd_by : str or list of str
        Columns within which the standard deviation is taken as one, such as
        ``"subject"``. By default one for the table.

    Returns
    -------
    pandas.DataFrame
        The columns of `published` and

        ``n_low``, ``n_high``, ``n`` : float
            What the count may be, and the middle of it. A suppressed cell has a
            count from 1 to below `cutoff`.
        ``log_median``, ``se`` : float
            The measurement of the log median; missing where nothing was published.
        ``sd`` : float
            Standard deviation of log pay behind `se`.
        ``log_sd``, ``log_sd_se`` : float
            What the cell's own quartiles say of the log of that standard deviation;
            only with quartiles.

    Raises
    ------
    TableError
        If a column is missing, or there are neither quartiles nor `sd`.

    Notes
    -----
    For pay that is roughly log-normal the median of n has the standard error
    :math:`\sqrt{\pi/2}\,\sigma/\sqrt n`, and :math:`\sigma` is the distance between the
    log quartiles over 1.349. Quartiles of small cells are noisy, so `sd` is pooled:
    the average over cells, weighted by count.

    Examples
    --------
    >>> from partialpool import load_published_earnings
    >>> law = load_published_earnings().query("subject == 'Law' and yag == 5")
    >>> measure(law)[["n", "se"]].round(4).values.tolist()[0]
    [8320.0, 0.0064]
    """
    by = as_list(sd_by)
    _check(published, by, sd)
    table = published.copy()
    seen = table["median"].notna()
    status = table.get("status", seen.map({True: "published", False: "blank"}))
    table["n_low"], table["n_high"] = _range(
        table["in_earnings"], status, cutoff, count_to
    )
    table["n"] = (table["n_low"] + table["n_high"]) / 2
    table["log_median"] = np.log(table["median"])
    if sd is None:
        with np.errstate(divide="ignore"):
            distance = np.log(table["upper_quartile"] / table["lower_quartile"])
            table["log_sd"] = np.log(distance / QUARTILE_DISTANCE).replace(
                -np.inf, np.nan
            )
        table["log_sd_se"] = (LOG_SD_ERROR / np.sqrt(table["n"])).where(
            table["log_sd"].notna()
        )
        sd = _pool_sd(table, by)
    table["sd"] = sd
    known = seen & table["n"].gt(0)
    table["se"] = (MEDIAN_ERROR * table["sd"] / np.sqrt(table["n"].where(known))).where(
        known
    )
    return table


def _range(count, status, cutoff, count_to):
    """Lowest and highest count behind a cell."""
    half = (count_to - 1) / 2
    shown, hidden = status.eq("published"), status.eq("suppressed")
    low, high = count - half, count + half
    least = np.select([shown, hidden], [cutoff, 1.0], 0.0)
    most = np.select([status.eq("none"), shown], [0.0, np.inf], cutoff - 1.0)
    most = pd.Series(most, count.index).mask(status.isin(["low", "range"]), np.inf)
    low = low.fillna(pd.Series(least, count.index)).clip(lower=least)
    high = high.fillna(most).clip(upper=most)
    unknown = shown & count.isna()
    return low.mask(unknown), np.maximum(high, low).mask(unknown)


def _pool_sd(table, by):
    sd, n = np.exp(table["log_sd"]), table["n"]
    use = sd.notna() & n.notna()
    parts = pd.DataFrame({"n": n.where(use), "nsd": (n * sd).where(use)})
    if by:
        sums = parts.groupby([table[name] for name in by], observed=True).transform(
            "sum"
        )
    else:
        sums = parts.sum()
    every = parts["nsd"].sum() / parts["n"].sum()
    pooled = sums["nsd"] / sums["n"]
    return pooled.fillna(every) if by else pooled


def _check(published, by, sd):
    if not isinstance(published, pd.DataFrame):
        refuse(faults.no_table(published, "give a DataFrame with one row per cell"))
    quartiles = [] if sd is not None else ["lower_quartile", "upper_quartile"]
    needed = ["in_earnings", "median", *by, *quartiles]
    there = published.columns
    refuse(*(faults.absent(name, there) for name in needed if name not in published))
    if not published["median"].notna().any():
        raise TableError(
            "Column 'median' is missing in all rows, so nothing is measured: check the "
            "filter or the file it came from."
        )
    if quartiles and published[quartiles].isna().all(axis=None):
        raise TableError(
            "The quartiles are missing in all rows, so the spread of pay within cells "
            "is not known: give sd, such as sd=0.4 for log pay."
        )


def measure_bands(table, edges, *, low=8.0, high=13.0):
    r"""Turn counts in pay bands into measurements of log pay.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per cell, one column per band: how many are paid so much. The first
        band starts at 0, the last has no end.
    edges : sequence of float
        Pounds at which one band ends and the next starts: one fewer than columns.
    low, high : float
        Log pay between which medians are looked for.

    Returns
    -------
    pandas.DataFrame
        By cell ``n``, ``log_median``, ``se`` and ``sd``, the last one for all.

    Raises
    ------
    ValueError
        If edges do not rise, or do not fit the columns.

    Notes
    -----
    The grouped likelihood of log-normal pay: a band counts with the probability that
    pay falls into it. Cells share one standard deviation, set by maximum likelihood;
    ``log_median`` and ``se`` are mean and standard deviation of the likelihood.

    Examples
    --------
    >>> bands = pd.DataFrame([[10, 30, 10]], columns=["to 20k", "to 40k", "above"])
    >>> found = measure_bands(bands, [20_000, 40_000])
    >>> float(np.exp(found["log_median"].iloc[0]).round(-2))
    28300.0
    """
    from scipy.special import ndtr

    cuts = np.log(np.asarray(edges, float))
    if len(cuts) != table.shape[1] - 1 or not (np.diff(cuts) > 0).all():
        raise ValueError(
            f"edges has {len(cuts)} numbers for {table.shape[1]} bands: give rising "
            "pounds, one fewer than there are bands."
        )
    counts, middle = table.to_numpy(float), np.linspace(low, high, 1001)

    def likelihood(sd):
        below = ndtr((cuts - middle[:, None]) / sd)
        ends = np.pad(below, ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1)))
        chance = np.log(np.maximum(np.diff(ends, axis=1), 1e-12))
        return counts @ chance.T

    tried = np.geomspace(0.05, 2, 120)
    best = tried[np.argmax([likelihood(sd).max(1).sum() for sd in tried])]
    weight = likelihood(best)
    weight = np.exp(weight - weight.max(1, keepdims=True))
    weight /= weight.sum(1, keepdims=True)
    mean = weight @ middle
    se = np.sqrt(np.maximum(weight @ middle**2 - mean**2, 0))
    columns = {"n": counts.sum(1), "log_median": mean, "se": se, "sd": best}
    return pd.DataFrame(columns, table.index)

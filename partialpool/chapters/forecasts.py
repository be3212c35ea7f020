"""Forecasts: a group's next figure from its last, by several methods, cross-fitted.

The table of `pairs` has one row a group: ``n`` (its size), ``earlier`` and ``later``
(its deviation in two periods), and the columns that the methods name. A method is
a function of the rows to learn from and the rows to forecast.
"""

import warnings

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

RIDGES = np.geomspace(0.1, 1000, 25)


def cross_fit(pairs, methods, *, splits=10, seed):
    """Forecast every group by methods that have not seen its later figure.

    Half of the groups, drawn at random, teach the forecasts of the other half;
    then the halves change places.

    Parameters
    ----------
    pairs : pandas.DataFrame
        One row a group, with a column ``later`` and what the methods need.
    methods : dict of str to callable
        ``method(known, asked)`` gives an array of forecasts of
        ``asked["later"]``.
    splits : int
        How often to split.
    seed : int
        Source of all randomness.

    Returns
    -------
    pandas.DataFrame
        The mean forecast over the splits: a row a group, a column a method.

    Examples
    --------
    >>> pairs = pd.DataFrame({"earlier": [1.0, 2.0, 4.0], "later": [1.0, 2.0, 3.0]})
    >>> cross_fit(pairs, {"as it was": as_it_was}, seed=1)["as it was"].tolist()
    [1.0, 2.0, 4.0]
    """
    rng = np.random.default_rng(seed)
    total = pd.DataFrame(0.0, index=pairs.index, columns=list(methods))
    for _ in range(splits):
        first = rng.permutation(len(pairs)) % 2 == 0
        for half in (first, ~first):
            known, asked = pairs[half], pairs[~half].drop(columns="later")
            for name, method in methods.items():
                with threadpool_limits(1, "blas"):  # so small a task is slower on two
                    total.loc[~half, name] += np.asarray(method(known, asked))
    return total / splits


def score_forecasts(later, forecasts, *, against="as it was", repeats=1000, seed):
    """Score forecasts, and what each saves against one of them.

    Parameters
    ----------
    later : pandas.Series
        What came.
    forecasts : pandas.DataFrame
        A column a method, the index of `later`.
    against : str
        The method to compare with.
    repeats : int
        Bootstrap samples of the groups, the forecasts as they are.
    seed : int
        Source of all randomness.

    Returns
    -------
    pandas.DataFrame
        One row a method: ``rmse``, and ``saved`` (the part of the error of
        `against` that it saves) with the ends of its 90% interval, ``low`` and
        ``high``.

    Examples
    --------
    >>> forecasts = pd.DataFrame({"as it was": [0.0, 2.0], "mean": [1.0, 1.0]})
    >>> score_forecasts(pd.Series([1.5, 0.5]), forecasts, seed=1)["saved"].round(3)
    as it was    0.000
    mean         0.667
    Name: saved, dtype: float64
    """
    squared = forecasts.sub(later, axis=0) ** 2
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(later), np.full(len(later), 1 / len(later)), repeats)
    resampled = np.sqrt(weights @ squared.to_numpy() / len(later))
    base = resampled[:, [list(forecasts).index(against)]]
    low, high = np.quantile(1 - resampled / base, [0.05, 0.95], axis=0)
    rmse = np.sqrt(squared.mean())
    saved = 1 - rmse / rmse[against]
    return pd.DataFrame({"rmse": rmse, "saved": saved, "low": low, "high": high})


def score_together(later, forecasts, *, against="as it was", repeats=1000, seed):
    """Score forecasts of several periods, and what they save on average.

    A group that is there in several periods brings the same luck to all, so it
    is drawn, or not, for all of them at once.

    Parameters
    ----------
    later : dict of hashable to pandas.Series
        What came, by period; the index names the groups.
    forecasts : dict of hashable to pandas.DataFrame
        The forecasts of the same periods: a column a method.
    against, repeats, seed
        As in :func:`score_forecasts`.

    Returns
    -------
    pandas.DataFrame
        One row per ``period`` and ``method``: ``saved`` with the ends of its
        90% interval, ``low`` and ``high``. The last period is ``"average"``,
        in which all periods count alike.

    Examples
    --------
    >>> forecast = pd.DataFrame({"as it was": [0.0, 2.0], "mean": [1.0, 1.0]})
    >>> later = {1: pd.Series([1.5, 0.5]), 2: pd.Series([1.0, 1.0])}
    >>> scores = score_together(later, {1: forecast, 2: forecast}, seed=1)
    >>> scores["saved"].unstack("method").round(3)
    method   as it was   mean
    period
    1              0.0  0.667
    2              0.0  1.000
    average        0.0  0.833
    """
    groups = pd.Index(sorted(set().union(*(came.index for came in later.values()))))
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(
        len(groups), np.full(len(groups), 1 / len(groups)), repeats
    )
    saved, resampled = {}, {}
    for period, came in later.items():
        squared = forecasts[period].sub(came, axis=0) ** 2
        rmse = np.sqrt(squared.mean())
        saved[period] = 1 - rmse / rmse[against]
        sums = weights[:, groups.get_indexer(came.index)] @ squared.to_numpy()
        base = sums[:, [list(squared).index(against)]]
        resampled[period] = 1 - np.sqrt(sums / base)
    saved["average"] = pd.DataFrame(saved).mean(axis=1)
    resampled["average"] = np.mean(list(resampled.values()), axis=0)
    rows = {}
    for period, draws in resampled.items():
        low, high = np.quantile(draws, [0.05, 0.95], axis=0)
        rows[period] = pd.DataFrame({"saved": saved[period], "low": low, "high": high})
    return pd.concat(rows, names=["period", "method"])


def look_both_ways(pairs, by):
    """Compare how much of a deviation is left, forwards and backwards in time.

    Noise has no direction in time: what falls back only forwards has changed.

    Parameters
    ----------
    pairs : pandas.DataFrame
        One row a group, with ``earlier`` and ``later``, its deviations.
    by : str
        The column that says which groups belong together.

    Returns
    -------
    pandas.DataFrame
        One row a class: ``forwards``, the slope through zero of later on
        earlier; ``backwards``, that of earlier on later; ``correlation``.

    Examples
    --------
    >>> pairs = pd.DataFrame({"earlier": [-2.0, 2.0], "later": [-1.0, 1.0]})
    >>> look_both_ways(pairs.assign(size="small"), "size")
           forwards  backwards  correlation
    size
    small       0.5        2.0          1.0
    """

    def measure(rows):
        earlier, later = rows["earlier"], rows["later"]
        slopes = earlier @ later / np.array([earlier @ earlier, later @ later])
        names = ["forwards", "backwards", "correlation"]
        return pd.Series([*slopes, earlier.corr(later)], names)

    return pairs.groupby(by, observed=True)[["earlier", "later"]].apply(measure)


def correlation_gap(ones, others, *, repeats=1000, prob=0.9, seed):
    """By how much others correlate more from one period to the next.

    Parameters
    ----------
    ones, others : pandas.DataFrame
        One row a group, with ``earlier`` and ``later``.
    repeats, seed : int
        How often groups are drawn anew, and the seed.
    prob : float
        Probability of the interval.

    Returns
    -------
    tuple of float
        The difference, others less ones, and the ends of its interval.

    Examples
    --------
    >>> steady = pd.DataFrame({"earlier": [1.0, 2.0, 3.0], "later": [1.0, 2.0, 3.0]})
    >>> correlation_gap(steady.assign(later=[3.0, 2.0, 1.0]), steady, seed=1)[0]
    2.0
    """
    rng = np.random.default_rng(seed)
    columns = [rows[["earlier", "later"]].to_numpy(float) for rows in (ones, others)]

    def drawn(rows):
        picked = rows[rng.integers(len(rows), size=(repeats, len(rows)))]
        away = picked - picked.mean(axis=1, keepdims=True)
        shared = (away[..., 0] * away[..., 1]).sum(axis=1)
        return shared / np.sqrt((away**2).sum(axis=1).prod(axis=1))

    less, more = (np.corrcoef(rows, rowvar=False)[0, 1] for rows in columns)
    with np.errstate(invalid="ignore"):  # a draw of one group over and over
        gaps = -np.subtract(*map(drawn, columns))
    low, high = np.nanquantile(gaps, [(1 - prob) / 2, (1 + prob) / 2])
    return float(more - less), float(low), float(high)


def as_it_was(known, asked):
    """Forecast what was: no pooling."""
    return asked["earlier"]


def everybody(known, asked):
    """Forecast the mean of everybody: complete pooling."""
    return np.full(len(asked), known["later"].mean())


def regression(formula, *, ridge=None):
    """Make a method: least squares.

    Parameters
    ----------
    formula : str
        Its right side, such as ``"0 + earlier"``.
    ridge : str, optional
        Further labels, each with a dummy whose coefficients are drawn towards
        zero, by as much as leave-one-out cross-validation likes best.

    Returns
    -------
    callable
        For :func:`cross_fit`.

    Examples
    --------
    >>> pairs = pd.DataFrame({"earlier": [1.0, 2.0], "later": [0.5, 1.0]})
    >>> regression("0 + earlier")(pairs, pairs).tolist()
    [0.5, 1.0]
    """
    from formulae import design_matrices

    def method(known, asked):
        both = pd.concat([known, asked])
        x = np.asarray(design_matrices("later ~ " + formula, both.fillna(0)).common)
        labels = None
        if ridge is not None:
            labels = pd.get_dummies(both[ridge], dtype=float).to_numpy()
        return _fit_by_ridge(x, labels, known["later"].to_numpy())

    return method


def _fit_by_ridge(x, labels, y):
    """Fit the first rows, forecast the others; leaving one out sets the penalty."""
    penalty = np.zeros(x.shape[1])
    if labels is not None:
        x = np.hstack([x, labels])
        penalty = np.r_[penalty, np.ones(labels.shape[1])]
    known, best, least = x[: len(y)], None, np.inf
    for strength in RIDGES if penalty.any() else [0]:
        penalised = known.T @ known + strength * np.diag(penalty)
        inverse = np.linalg.pinv(penalised, hermitian=True)
        beta = inverse @ (known.T @ y)
        leverage = ((known @ inverse) * known).sum(axis=1)
        left_out = (((y - known @ beta) / (1 - leverage).clip(1e-6)) ** 2).mean()
        if left_out < least:
            best, least = beta, left_out
    return x[len(y) :] @ best


def hierarchical(formula, *, seed):
    """Make a method: a hierarchical model, full Bayes, by the posterior mean.

    Parameters
    ----------
    formula : str
        Its right side, such as ``"earlier + (1|state)"``.
    seed : int
        Source of all randomness.

    Returns
    -------
    callable
        For :func:`cross_fit`.
    """
    import partialpool as pool

    def method(known, asked):
        posterior = pool.fit("later ~ " + formula, known, seed=seed)
        new = pool.predict(posterior, asked, unseen="draw", seed=seed)
        return new["mean"].mean(["chain", "draw"]).to_numpy()

    return method


def hierarchical_by_reml(formula, *, group):
    """Make a method: random intercepts by REML, of statsmodels.

    Parameters
    ----------
    formula : str
        Its right side without the groups, such as ``"earlier"``.
    group : str
        Column of the groups; one that was not learnt from has no effect.

    Returns
    -------
    callable
        For :func:`cross_fit`.
    """
    import statsmodels.formula.api as smf
    from statsmodels.tools.sm_exceptions import ConvergenceWarning

    def method(known, asked):
        model = smf.mixedlm("later ~ " + formula, known, groups=known[group])
        with warnings.catch_warnings():
            # A spread of zero between groups is an answer, not a failure.
            warnings.simplefilter("ignore", ConvergenceWarning)
            fit = model.fit()
        effects = {label: part.iloc[0] for label, part in fit.random_effects.items()}
        return fit.predict(asked) + asked[group].map(effects).fillna(0.0)

    return method

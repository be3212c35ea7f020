"""The census: real institutions as truth, samples of them, and what each tells."""

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from partialpool.data import distinct_reports, load_scorecard

# Regions and divisions of the US Census Bureau.
DIVISIONS = {
    ("Northeast", "New England"): "CT ME MA NH RI VT",
    ("Northeast", "Middle Atlantic"): "NJ NY PA",
    ("Midwest", "East North Central"): "IL IN MI OH WI",
    ("Midwest", "West North Central"): "IA KS MN MO NE ND SD",
    ("South", "South Atlantic"): "DE DC FL GA MD NC SC VA WV",
    ("South", "East South Central"): "AL KY MS TN",
    ("South", "West South Central"): "AR LA OK TX",
    ("West", "Mountain"): "AZ CO ID MT NV NM UT WY",
    ("West", "Pacific"): "AK CA HI OR WA",
}


def load_census(year=2014):
    """Load one year of the College Scorecard, ready to be sampled and to judge.

    Parameters
    ----------
    year : int
        2007, 2009 or 2011 to 2014.

    Returns
    -------
    pandas.DataFrame
        One row per distinct report whose campuses lie in one state, with the
        columns of :func:`~partialpool.data.load_scorecard` and

        ``log_earnings`` : float
            Natural log of the median earnings in US dollars.
        ``log_n`` : float
            Natural log of the number of students behind them.
        ``cell`` : str
            State and kind of degree, such as ``"AL, two years"``.
        ``region``, ``division`` : str
            Those of the US Census Bureau, such as ``"South"`` and
            ``"Mountain"``; ``"territory"`` for what lies in none.

    Examples
    --------
    >>> census = load_census()
    >>> len(census), census["state"].nunique(), census["cell"].nunique()
    (3431, 57, 156)
    >>> census["region"].nunique(), census["division"].nunique()
    (5, 10)
    """
    scorecard = load_scorecard()
    census = distinct_reports(scorecard[scorecard["year"] == year], one_state=True)
    lists = {place: states.split() for place, states in DIVISIONS.items()}
    region, division = (
        census["state"].map({s: place[k] for place in lists for s in lists[place]})
        for k in (0, 1)
    )
    return census.assign(
        log_earnings=np.log(census["earnings"]),
        log_n=np.log(census["n"]),
        cell=census["state"] + ", " + census["degree"].astype(str),
        region=region.fillna("territory"),
        division=division.fillna("territory"),
    )


def judge_sample(sample, census, by="state", outcome="log_earnings"):
    """Set the means of groups in a sample beside those in the full table.

    Parameters
    ----------
    sample : pandas.DataFrame
        Some rows of the census.
    census : pandas.DataFrame
        All rows, with the columns `by` and `outcome`.
    by : str
        The column that names the group.
    outcome : str
        The column to take means of.

    Returns
    -------
    pandas.DataFrame
        One row a group of the sample, with columns

        ``n``, ``N`` : int
            Its rows in the sample, and in the census.
        ``none`` : float
            Its mean in the sample: the estimate without pooling.
        ``complete`` : float
            The mean of the whole sample: the estimate with complete pooling.
        ``truth`` : float
            Its mean in the census.

        A group that is not in the sample is left out: no pooling has no answer.

    Examples
    --------
    >>> import pandas as pd
    >>> census = pd.DataFrame({"state": list("AAAB"), "log_earnings": [9, 10, 11, 7]})
    >>> judge_sample(census.iloc[[0, 1, 3]], census).round(2)
           n  none  truth  N  complete
    state
    A      2   9.5   10.0  3      8.67
    B      1   7.0    7.0  1      8.67
    """
    return _beside(sample, _means_of(census, by, outcome), by, outcome)


def _means_of(census, by, outcome):
    return census.groupby(by)[outcome].agg(truth="mean", N="size")


def _beside(sample, truth, by, outcome):
    groups = sample.groupby(by)[outcome].agg(n="size", none="mean")
    return groups.join(truth).assign(complete=sample[outcome].mean())


def judge_samples(
    census,
    share,
    answer,
    *,
    by="state",
    outcome="log_earnings",
    repeats=100,
    count_observed=True,
    seed,
):
    """Draw many samples of a census, let methods answer, and join the truth.

    A method is asked for the mean of each group. With `count_observed`, the
    institutions already observed count at their known values: the method
    predicts the mean of the others only, and the two are weighed by their
    numbers. Without it, the method predicts all of them.

    Parameters
    ----------
    census : pandas.DataFrame
        All rows, with the columns `by`, `outcome` and what `answer` needs.
    share : float
        Share of the rows in a sample, between 0 and 1.
    answer : callable
        ``answer(sample, asked)`` gives a data frame with the columns
        ``method``, ``group`` and ``estimate`` (mean of the group's rows in
        `asked`) and, if it has intervals, ``low`` and ``high``. `asked` is
        rows of the census: of the groups in the sample, those outside it
        (with `count_observed`) or all. :func:`mean_of_sample`,
        :func:`least_squares` and ``partialpool.contest`` give such answers.
    by, outcome : str
        As in :func:`judge_sample`.
    repeats : int
        Number of samples.
    count_observed : bool
        Whether the institutions observed count at their known values.
    seed : int or sequence of int
        Samples of the same seed and share are the same.

    Returns
    -------
    pandas.DataFrame
        One row per sample (``set``), ``group`` and ``method``, with ``n``,
        ``N``, ``truth`` as in :func:`judge_sample`, ``estimate`` and, where
        the methods give them, ``low`` and ``high``. A group observed in full
        has its truth as the estimate.

    Examples
    --------
    >>> census = load_census()
    >>> judged = judge_samples(census, 0.1, mean_of_sample(), repeats=2, seed=1)
    >>> list(judged.columns)
    ['set', 'group', 'n', 'N', 'truth', 'method', 'estimate']
    """
    rng = np.random.default_rng([*np.atleast_1d(seed), round(1000 * share)])
    truth = _means_of(census, by, outcome)
    samples, answers = [], []
    with threadpool_limits(1, "blas"):  # so small a task is slower on two
        for k in range(repeats):
            sample = census.sample(frac=share, random_state=rng)
            groups = _beside(sample, truth, by, outcome).rename_axis("group")
            asked = census[by].isin(groups.index)
            if count_observed:
                asked &= ~census.index.isin(sample.index)
            samples.append(groups.reset_index().assign(set=k))
            answers.append(answer(sample, census[asked]).assign(set=k))
    judged = _join(pd.concat(samples), pd.concat(answers), count_observed)
    first = ["set", "group", "n", "N", "truth", "method", "estimate"]
    return judged[first + [end for end in ("low", "high") if end in judged]]


def _join(samples, answers, count_observed):
    """Join groups and answers; weigh what is observed with what is predicted."""
    methods = answers[["set", "method"]].drop_duplicates()
    judged = samples.merge(methods, on="set")
    judged = judged.merge(answers, on=["set", "method", "group"], how="left")
    ends = [name for name in ("estimate", "low", "high") if name in judged]
    if count_observed:
        observed = judged["n"] / judged["N"]
        for name in ends:
            predicted = judged[name].where(observed < 1, 0)
            judged[name] = observed * judged["none"] + (1 - observed) * predicted
    return judged


def mean_of_sample(by="state", outcome="log_earnings"):
    """Make an answer for :func:`judge_samples`: the group's own mean, everybody's.

    Parameters
    ----------
    by, outcome : str
        As in :func:`judge_sample`.

    Returns
    -------
    callable
        Its methods are ``none`` and ``complete``, without intervals.

    Examples
    --------
    >>> sample = pd.DataFrame({"state": list("AAB"), "log_earnings": [9, 11, 7]})
    >>> mean_of_sample()(sample, sample)["estimate"].tolist()
    [10.0, 7.0, 9.0, 9.0]
    """

    def answer(sample, asked):
        own = sample.groupby(by)[outcome].mean().rename_axis("group")
        means = {"none": own, "complete": own * 0 + sample[outcome].mean()}
        answers = pd.concat(means, names=["method"]).rename("estimate").reset_index()
        return answers[answers["group"].isin(asked[by])]

    return answer


def least_squares(formulas, table, by="state", *, size=None, clustered=(), prob=0.9):
    """Make an answer for :func:`judge_samples`: least squares, with intervals.

    Parameters
    ----------
    formulas : dict of str to str
        A formula for each method, such as ``{"complete": "log_earnings ~ 1"}``.
    table : pandas.DataFrame
        The census, whose rows are sampled and asked for.
    by : str
        The column that names the group.
    size : str, optional
        The column with the number of people behind a row: the variance of a
        row is then a + b / size, with a and b estimated. Without it, all rows
        have one variance.
    clustered : collection of str
        Methods whose coefficients have standard errors clustered by `by`.
    prob : float
        Probability that the intervals promise.

    Returns
    -------
    callable
        Its intervals are prediction intervals of the mean of the group's rows
        in `asked`: they allow for the coefficients and for the scatter of
        those rows.

    Examples
    --------
    >>> sample = pd.DataFrame({"state": list("AAB"), "log_earnings": [9, 11, 7]})
    >>> answer = least_squares({"complete": "log_earnings ~ 1"}, sample)
    >>> answer(sample, sample)["estimate"].tolist()
    [9.0, 9.0]
    """
    from formulae import design_matrices

    designs = {}
    for method, formula in formulas.items():
        design = design_matrices(formula, table)
        columns = pd.DataFrame(np.asarray(design.common), table.index)
        outcome = pd.Series(np.asarray(design.response).ravel(), table.index)
        designs[method] = columns, outcome

    def answer(sample, asked):
        fits = []
        for method, design in designs.items():
            how = by, size, method in clustered, prob
            fits.append(_least_squares(*design, sample, asked, *how))
            fits[-1]["method"] = method
        return pd.concat(fits, ignore_index=True)

    return answer


def _least_squares(columns, outcome, sample, asked, by, size, clustered, prob):
    """Fit the sample; predict the mean of each group's rows in `asked`."""
    from scipy import stats

    x, y = columns.loc[sample.index].to_numpy(), outcome[sample.index].to_numpy()
    beta, inverse, variance, df = _weigh(x, y, np.ones(len(y)))
    new, scatter = np.full(len(asked), variance), np.ones(len(y))
    if size is not None:
        a, b = variance_by_size(y - x @ beta, sample[size].to_numpy())
        scatter = a + b / sample[size].to_numpy()
        beta, inverse, variance, df = _weigh(x, y, scatter)
        new = variance * (a + b / asked[size].to_numpy())
    rows = columns.loc[asked.index].assign(scatter=new).groupby(asked[by])
    means, count = rows.mean(), rows.size()
    at = means.drop(columns="scatter").to_numpy()
    covariance = variance * inverse
    if clustered:
        residual = (y - x @ beta) / scatter
        covariance, df = _cluster(x, residual, inverse, sample[by], df)
    uncertain = np.einsum("gi,ij,gj->g", at, covariance, at)
    spread = np.sqrt(uncertain + means["scatter"].to_numpy() / count.to_numpy())
    half = stats.t.ppf((1 + prob) / 2, df) * spread
    estimate = at @ beta
    ends = {"estimate": estimate, "low": estimate - half, "high": estimate + half}
    return pd.DataFrame({"group": count.index} | ends)


def _weigh(x, y, scatter):
    """Give coefficients, the factor of their covariance, residual variance and df."""
    weighted = x / scatter[:, None]
    inverse = np.linalg.pinv(x.T @ weighted, hermitian=True)
    beta = inverse @ (weighted.T @ y)
    df = len(y) - round(float((inverse * (x.T @ weighted)).sum()))
    return beta, inverse, ((y - x @ beta) ** 2 / scatter).sum() / df, df


def _cluster(x, residual, inverse, groups, df):
    """Give the clustered covariance of the coefficients, as Stata's, and its df."""
    scores = pd.DataFrame(x * residual[:, None]).groupby(groups.to_numpy()).sum()
    few = len(scores) / (len(scores) - 1) * (len(residual) - 1) / df
    meat = scores.to_numpy().T @ scores.to_numpy()
    return few * inverse @ meat @ inverse, len(scores) - 1


def variance_by_size(residual, size):
    """Estimate a and b of the variance a + b / size, by maximum likelihood.

    Parameters
    ----------
    residual, size : numpy.ndarray
        What a regression left of each row, and the people behind the row.

    Returns
    -------
    numpy.ndarray
        a and b.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> size = rng.integers(10, 1000, 20_000)
    >>> a, b = variance_by_size(rng.normal(0, np.sqrt(0.1 + 50 / size)), size)
    >>> round(float(a), 1), round(float(b), -1)
    (0.1, 50.0)
    """
    from scipy.optimize import minimize

    def loss(logs):
        variance = np.exp(logs[0]) + np.exp(logs[1]) / size
        return (np.log(variance) + residual**2 / variance).sum()

    half = np.log(residual.var() / 2)
    start = [half, half + np.log(size.mean())]
    return np.exp(minimize(loss, start, method="Nelder-Mead").x)

"""Data sets: simulated groups with their truth, and real earnings."""

import numpy as np
import pandas as pd

REPORTED = ["earnings", "working", "not_working"]

DEGREES = {
    "Less than two-year": "less than two years",
    "Two-year degree": "two years",
    "Four-year+ degree": "four years or more",
}


def simulate_groups(
    n_groups=40,
    *,
    sizes=(3, 200),
    mean=10.25,
    between_sd=0.15,
    within_sd=0.45,
    size_effect=0.0,
    truth=None,
    seed,
):
    """Draw outcomes in groups, and hand over the truth with them.

    Group means are ``mean + size_effect * (log n - average log n)`` plus a
    normal deviation of standard deviation `between_sd`; outcomes are normal
    around their group's mean with standard deviation `within_sd`.
    The defaults look like log graduate pay in pounds, by course.

    Parameters
    ----------
    n_groups : int
        Number of groups. Ignored when `truth` is given.
    sizes : int, (int, int) or sequence of int
        Rows per group: one size for all; the smallest and largest size, drawn
        evenly on the log scale; or one size for each group, which must then
        have three entries or more.
    mean : float
        Mean of the group means, in the units of the outcome.
    between_sd : float
        Standard deviation of the group means, in the same units.
    within_sd : float
        Standard deviation of outcomes within a group, in the same units.
    size_effect : float
        Rise of a group's mean when its size grows e-fold (2.7 times). Zero
        keeps size and mean unrelated.
    truth : pandas.DataFrame, optional
        The truth of an earlier call: new outcomes are drawn for the same
        groups, sizes and means, as when a new year's graduates arrive. Give
        `within_sd` again if it was not the default.
    seed : int or numpy.random.Generator
        Source of all randomness.

    Returns
    -------
    table : pandas.DataFrame
        One row per member: ``group`` (label) and ``y`` (outcome).
    truth : pandas.DataFrame
        One row per group, indexed by ``group``: ``n`` (rows in the group) and
        ``mean`` (its true mean, units of the outcome).

    Raises
    ------
    ValueError
        If a number makes no sense, or `truth` is not the truth of an earlier
        call.

    Examples
    --------
    >>> table, truth = simulate_groups(3, sizes=(5, 50), seed=1)
    >>> truth.shape, len(table) == int(truth["n"].sum())
    ((3, 2), True)
    >>> next_year, _ = simulate_groups(truth=truth, seed=2)
    >>> len(next_year) == len(table)
    True
    """
    for name, sd in {"between_sd": between_sd, "within_sd": within_sd}.items():
        if not (np.isfinite(sd) and sd >= 0):
            raise ValueError(f"{name} is {sd}: give a standard deviation of 0 or more.")
    for name, value in {"mean": mean, "size_effect": size_effect}.items():
        if not np.isfinite(value):
            raise ValueError(f"{name} is {value}: give a finite number.")
    if truth is not None and not {"n", "mean"} <= set(truth):
        raise ValueError(
            "truth needs the columns 'n' and 'mean', one row per group: give the "
            "second table that an earlier call returned."
        )
    rng = np.random.default_rng(seed)
    if truth is None:
        n = _draw_sizes(n_groups, sizes, rng)
        centred_log_n = np.log(n) - np.log(n).mean()
        means = mean + size_effect * centred_log_n + rng.normal(0, between_sd, len(n))
        width = len(str(len(n)))
        labels = [f"g{i:0{width}}" for i in range(1, len(n) + 1)]
        truth = pd.DataFrame({"n": n, "mean": means}, pd.Index(labels, name="group"))
    group = truth.index.repeat(truth["n"])
    y = rng.normal(truth["mean"].reindex(group), within_sd)
    return pd.DataFrame({"group": group, "y": y}), truth


def _draw_sizes(n_groups, sizes, rng):
    if n_groups < 1:
        raise ValueError(f"n_groups is {n_groups}: give one group or more.")
    sizes = np.atleast_1d(np.asarray(sizes))
    if sizes.dtype.kind not in "iuf" or (sizes != np.rint(sizes)).any():
        raise ValueError(f"sizes is {sizes.tolist()}: give whole numbers.")
    if (sizes < 1).any():
        raise ValueError(f"sizes holds {sizes.min()}: a group needs at least one row.")
    if len(sizes) == 2:
        sizes = np.sort(sizes)
        return np.rint(np.exp(rng.uniform(*np.log(sizes), n_groups))).astype(int)
    if len(sizes) not in (1, n_groups):
        raise ValueError(
            f"sizes has {len(sizes)} entries for {n_groups} groups: give one size, "
            "the smallest and largest, or one for each group."
        )
    return np.broadcast_to(sizes.astype(int), n_groups)


def load_scorecard():
    """Median earnings by US institution and year (College Scorecard), tidied.

    Real data. One row per institution and year, suppressed cells kept.
    Earnings are measured ten years after entry, among former students who had
    federal financial aid and were working.

    Returns
    -------
    pandas.DataFrame
        48,445 rows, sorted by institution and year, with columns

        ``institution`` : int
            The institution's identifier (``unitid``). Names are not published
            in this table.
        ``state`` : str
            Two-letter code of the state or territory: 59, of which 58 have
            earnings in some year and 57 in 2014.
        ``degree`` : category
            Degree most often awarded: ``less than two years``, ``two years``
            or ``four years or more`` (ordered).
        ``year`` : int
            Year of measurement: 2007, 2009, 2011 to 2016. No earnings are
            published for 2015 and 2016.
        ``earnings`` : float
            Median earnings, US dollars, rounded to $100. Missing where
            suppressed or not reported. The table does not say whether they are
            adjusted for inflation; in the same institutions they fall from
            2007 to 2012, which suggests that they are.
        ``working``, ``not_working`` : float
            Former students with and without earnings. Missing as above.
        ``n`` : float
            ``working + not_working``: the size behind the figure.
        ``published`` : bool
            Whether earnings and both counts are there.
        ``report`` : int
            Rows of one year that share earnings and both counts to the last
            digit carry one number: campuses of a system that reports one
            figure for all. -1 where not published.
        ``campuses`` : int
            How many rows share this row's report (1 for most).
        ``states_in_report`` : int
            How many states the report's campuses lie in.

    Notes
    -----
    Source: US Department of Education, College Scorecard (public domain), as
    packaged in ``causaldata`` (MIT licence) by Nick Huntington-Klein.
    The same report on many rows is one observation, not many: use
    :func:`distinct_reports` before you count, average or fit.
    Earnings of neighbouring years share students.

    Examples
    --------
    >>> scorecard = load_scorecard()
    >>> len(scorecard), int(scorecard["published"].sum())
    (48445, 31190)
    """
    from causaldata import scorecard

    table = scorecard.load_pandas().data.rename(
        columns={
            "unitid": "institution",
            "state_abbr": "state",
            "pred_degree_awarded_ipeds": "degree",
            "earnings_med": "earnings",
            "count_working": "working",
            "count_not_working": "not_working",
        }
    )
    table = table.sort_values(["institution", "year"], ignore_index=True)
    degree = table["degree"].map(DEGREES)
    table["degree"] = pd.Categorical(degree, list(DEGREES.values()), ordered=True)
    table["n"] = table["working"] + table["not_working"]
    table["published"] = table[REPORTED].notna().all(axis=1)
    report = table.groupby(["year", *REPORTED]).ngroup()
    table["report"] = report.where(table["published"], -1).astype(int)
    states = table.groupby("report")["state"]
    for column, how in {"campuses": "size", "states_in_report": "nunique"}.items():
        table[column] = states.transform(how).where(table["published"], 1)
    return table


def distinct_reports(scorecard, *, one_state=False):
    """Keep one row of each published report, so that nothing counts twice.

    Parameters
    ----------
    scorecard : pandas.DataFrame
        The table of :func:`load_scorecard`, or some rows of it.
    one_state : bool
        Leave out reports whose campuses lie in more than one state: they say
        little about any one of them.

    Returns
    -------
    pandas.DataFrame
        The published rows, one per year and report, in the same order and
        columns. The row kept is that of the lowest institution number.

    Examples
    --------
    >>> reports = distinct_reports(load_scorecard().query("year == 2014"))
    >>> len(reports)
    3614
    """
    kept = scorecard[scorecard["published"]]
    if one_state:
        kept = kept[kept["states_in_report"] == 1]
    return kept.drop_duplicates(["year", "report"], ignore_index=True)


def load_wage_panel():
    """Log hourly wages of 545 young men in the USA, 1980 to 1987.

    Real data: a balanced panel, eight years for each man.

    Returns
    -------
    pandas.DataFrame
        4,360 rows, sorted by man and year, with columns

        ``man`` : int
            Identifier of the person.
        ``year`` : int
            1980 to 1987.
        ``log_wage`` : float
            Natural log of the hourly wage in US dollars.
        ``experience`` : int
            Years of labour-market experience.
        ``education`` : int
            Years of schooling, fixed for each man.
        ``hours`` : int
            Hours worked in the year.
        ``occupation`` : int
            Occupation code, 1 to 9.
        ``union``, ``married``, ``black``, ``hispanic`` : bool
            Membership of a union and marriage in that year; ethnicity as coded
            by the source.

    Notes
    -----
    Source: F. Vella and M. Verbeek (1998), Journal of Applied Econometrics 13,
    163-183, from the US National Longitudinal Survey (Youth Sample), as
    packaged in ``linearmodels`` (NCSA licence).

    Examples
    --------
    >>> panel = load_wage_panel()
    >>> panel["man"].nunique(), len(panel)
    (545, 4360)
    """
    from linearmodels.datasets import wage_panel

    table = wage_panel.load().rename(
        columns={
            "nr": "man",
            "lwage": "log_wage",
            "exper": "experience",
            "educ": "education",
            "hisp": "hispanic",
        }
    )
    flags = ["union", "married", "black", "hispanic"]
    table[flags] = table[flags].astype(bool)
    columns = ["man", "year", "log_wage", "experience", "education", "hours"]
    columns += ["occupation", *flags]
    return table.sort_values(["man", "year"], ignore_index=True)[columns]

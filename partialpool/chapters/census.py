"""Census samples: what a sample says of each group, with the full table as judge."""


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
    groups = sample.groupby(by)[outcome].agg(n="size", none="mean")
    truth = census.groupby(by)[outcome].agg(truth="mean", N="size")
    return groups.join(truth).assign(complete=sample[outcome].mean())

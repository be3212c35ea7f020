"""Leave one group out: predict each group's rows from those of all the others."""


def leave_one_group_out(
    formula,
    data,
    group=None,
    *,
    priors=None,
    draws=4000,
    correlated=False,
    lkj=2.0,
    folds=None,
    ci_prob=0.9,
    seed=None,
    progress=True,
):
    r"""Predict each group from all other groups, and hold it against what was seen.

    Parameters
    ----------
    formula : str
        As for :func:`~partialpool.fit`.
    data : pandas.DataFrame
        One row per observation, or cells as :func:`~partialpool.cells.collapse` makes
        them.
    group : str, optional
        A grouping factor of the formula, as it is written there (``"g"`` or
        ``"g:h"``), or any column of the table. May be left out where the formula has
        one factor.
    priors, correlated, lkj
        As for :func:`~partialpool.fit`. Default priors are scaled on all of the data,
        and stay the same whichever group is left out: the model does.
    draws : int
        Draws from the posterior of all data, for importance sampling; and of each
        refit, where one is needed.
    folds : int, optional
        Leave out the groups in so many folds at random, in place of one by one. By
        default one by one, if that is affordable, and otherwise in 20 folds.
    ci_prob : float
        Probability of the equal-tailed intervals.
    seed : int or numpy.random.Generator, optional
        Source of all randomness.
    progress : bool
        Say on the standard error stream how far a long computation is.

    Returns
    -------
    pandas.DataFrame
        One row a group, in the order of the labels, which are the index:

        ``rows``
            How many rows it has.
        ``seen``
            Their mean.
        ``mean``, ``low``, ``high``
            What the others predict for that mean, with the interval in which it
            should lie: the doubt about parameters, the spread of groups and the noise
            of so many rows are all in it.
        ``log_score``
            Log density that the others gave to its rows, all together. Larger is
            better; the sum over groups compares models.
        ``mean_log_score``
            Log density of their mean alone.
        ``psis_log_score``, ``pareto_k``
            What importance sampling makes of ``log_score`` out of the draws of the
            fit to all data (PSIS), and the shape of its weights' tail. Above 0.7 the
            number is not to be trusted; with groups left out that is the rule, as the
            group's own effect was drawn in the knowledge of its rows.

        ``attrs`` holds ``method``: ``"closed"`` (quadrature, no draws), ``"sums"``
        (the sums of all rows less those of the group) or ``"folds"``; and ``refits``,
        how many groups needed a refit.

    Raises
    ------
    FormulaError, TableError, ValueError
        As :func:`~partialpool.fit`; or if `group` is not named where it must be.

    Examples
    --------
    >>> import partialpool as pool
    >>> table, truth = pool.simulate_groups(seed=1)
    >>> left = pool.leave_one_group_out("y ~ 1 + (1|group)", table, seed=1)
    >>> left.attrs["method"]
    'closed'
    """
    raise NotImplementedError

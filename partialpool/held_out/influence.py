"""Group influence: what changes if one group is left out."""


def group_influence(
    formula,
    data,
    group=None,
    *,
    watch=(),
    priors=None,
    draws=4000,
    correlated=False,
    lkj=2.0,
    seed=None,
    progress=True,
):
    r"""Say how far each parameter moves when one group is left out.

    Parameters
    ----------
    formula, data, group, priors, draws, correlated, lkj, seed, progress
        As for :func:`leave_one_group_out`.
    watch : sequence of str
        Labels of groups of the factor `group` whose effects are to be followed too.

    Returns
    -------
    pandas.DataFrame
        One row for each group and parameter, the largest move first: ``group`` (the
        one left out), ``parameter`` (named as in the posterior), ``mean`` and ``sd``
        with all groups, ``mean_without`` and ``sd_without``, and ``moved``, the
        difference of the means in posterior standard deviations of all data.

    Raises
    ------
    FormulaError, TableError, ValueError
        As :func:`leave_one_group_out`.

    Examples
    --------
    >>> import partialpool as pool
    >>> table, truth = pool.simulate_groups(seed=1)
    >>> moves = pool.group_influence("y ~ 1 + (1|group)", table, seed=1)
    >>> sorted(moves["parameter"].unique())
    ['1|group_sigma', 'Intercept', 'sigma']
    """
    raise NotImplementedError

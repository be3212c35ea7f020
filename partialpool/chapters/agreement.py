"""Agreement: what several tools say of one model and one table, side by side."""

import numpy as np

from partialpool.exact import fit
from partialpool.poolings import contest


def between_sds(rows, formula, group, stored, *, seed):
    """Estimate the standard deviation between groups by each tool.

    Parameters
    ----------
    rows : pandas.DataFrame
    formula : str
        Of the common terms, such as ``"y ~ x"``.
    group : str
    stored : dict
        What ``benchmarks/lme4_mirror.py`` stored of this table: ``reml`` and ``ml``,
        each with ``sds`` by group.
    seed : int
        Of the posterior draws.

    Returns
    -------
    dict of str to float
        ``lme4`` and ``MixedLM``, each by ML and REML, and the posterior's median and
        5% and 95% quantiles.
    """
    import statsmodels.formula.api as smf

    found = {f"lme4, {m}": stored[m.lower()]["sds"][group] for m in ("ML", "REML")}
    for m in ("ML", "REML"):
        model = smf.mixedlm(formula, rows, groups=group)
        found[f"MixedLM, {m}"] = np.sqrt(model.fit(reml=m == "REML").cov_re.iloc[0, 0])
    posterior = fit(f"{formula} + (1|{group})", rows, seed=seed)["posterior"]
    ends = posterior[f"1|{group}_sigma"].quantile([0.5, 0.05, 0.95]).to_numpy()
    names = ["posterior, median", "posterior, 5%", "posterior, 95%"]
    return found | dict(zip(names, ends.tolist(), strict=True))


def distances(rows, outcome, group, predictors=(), *, to="reml"):
    """Largest distance of any group's estimate from that of one method.

    Parameters
    ----------
    rows, outcome, group, predictors
        As for :func:`~partialpool.poolings.contest`.
    to : str
        The method to compare with.

    Returns
    -------
    pandas.Series
        By method, in units of the outcome.

    Examples
    --------
    >>> import partialpool as pool
    >>> table, _ = pool.simulate_groups(20, seed=1)
    >>> far = distances(table, "y", "group")
    >>> bool(far["bayes"] < far["none"])
    True
    """
    found = contest(rows, outcome=outcome, group=group, predictors=predictors)
    wide = found.pivot(index="group", columns="method", values="estimate")
    return wide.sub(wide[to], axis=0).abs().max().drop(to)

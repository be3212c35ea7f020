"""Checks on a fit: did the sampler converge, and will it give the same draws?"""

import numpy as np


class SamplingError(RuntimeError):
    """A fit that should not be read: the message lists what is wrong with it."""


def use_reproducible_sampling():
    """Make one seed give the same draws on every run on this machine.

    By default the compiled model may reorder floating-point sums, and then a
    first run and a run from the compiler's cache differ in the last digit,
    which the sampler soon makes visible. Call this before the first model of
    a session; it costs no time that we could measure.

    Examples
    --------
    >>> use_reproducible_sampling()
    """
    import pytensor

    pytensor.config.numba__fastmath = False


def check_sampling(fit, var_names=None, *, max_rhat=1.01, min_ess=400):
    """Refuse a fit that did not converge; otherwise show how well it did.

    Parameters
    ----------
    fit : xarray.DataTree
        What ``pm.sample`` or Bambi's ``Model.fit`` returned: group
        ``posterior`` and, for divergences, ``sample_stats``.
    var_names : list of str, optional
        Variables to check; all of them by default.
    max_rhat : float
        Largest R-hat allowed. R-hat compares the chains with each other: 1
        when all tell the same story.
    min_ess : int
        Fewest effective draws allowed, in the bulk and in the tails.

    Returns
    -------
    pandas.DataFrame
        One row per variable: ``values`` (how many numbers it holds), ``r_hat``
        (largest), ``ess_bulk`` and ``ess_tail`` (smallest); and in the last
        column the number of ``divergences`` of the whole fit.

    Raises
    ------
    SamplingError
        If any value breaks a limit, if a value is not a finite number, if
        there was a divergence, or if there is one chain only. The message
        lists the worst offenders.

    Notes
    -----
    R-hat and effective sample size are the rank-normalised ones of Vehtari,
    Gelman, Simpson, Carpenter and Bürkner (2021), Bayesian Analysis 16(2),
    as computed by ArviZ. A variable that never moves (such as the diagonal of
    a correlation matrix) has no R-hat: name the others in `var_names`.

    Examples
    --------
    >>> import arviz as az, numpy as np
    >>> draws = np.random.default_rng(1).normal(size=(4, 1000))
    >>> table = check_sampling(az.from_dict({"posterior": {"mean": draws}}))
    >>> list(table.columns)
    ['values', 'r_hat', 'ess_bulk', 'ess_tail', 'divergences']
    """
    if fit["posterior"].sizes["chain"] < 2:
        raise SamplingError(
            "The fit has one chain, and one chain cannot be compared with "
            "another: sample with chains=4."
        )
    if (draws := fit["posterior"].sizes["draw"]) < 4:
        raise SamplingError(
            f"The fit has {draws} draws in each chain, and R-hat needs at least 4: "
            "draw more, such as 1,000 in each chain."
        )
    _refuse_not_finite(fit, var_names)
    each = _diagnose(fit, var_names)
    divergences = _count_divergences(fit)
    _refuse(each, divergences, max_rhat, min_ess)
    table = each.groupby("variable", sort=False).agg(
        values=("r_hat", "size"),
        r_hat=("r_hat", "max"),
        ess_bulk=("ess_bulk", "min"),
        ess_tail=("ess_tail", "min"),
    )
    whole = ["ess_bulk", "ess_tail"]
    table[whole] = table[whole].round().astype(int)
    return table.round({"r_hat": 3}).assign(divergences=divergences)


def _refuse_not_finite(fit, var_names):
    # On its own, since R-hat and ESS go by ranks and see nothing odd in infinity.
    wanted = [var_names] if isinstance(var_names, str) else var_names
    for name, draws in fit["posterior"].data_vars.items():
        count = int((~np.isfinite(draws)).sum())
        if count and (wanted is None or name in wanted):
            raise SamplingError(
                f"{count:,} of {draws.size:,} draws of {name} are not finite numbers: "
                "do not read this fit; look for a log or a division of 0 in the model."
            )


def _diagnose(fit, var_names):
    import arviz as az

    # Draws that never move come back as NaN, which _refuse names: NumPy's warning on
    # the way would only hide that.
    with np.errstate(all="ignore"):
        table = az.summary(
            fit, var_names=var_names, kind="diagnostics", round_to="none"
        )
    table = table[["r_hat", "ess_bulk", "ess_tail"]].astype(float)
    return table.assign(variable=table.index.str.split("[").str[0])


def _count_divergences(fit):
    if "sample_stats" not in fit or "diverging" not in fit["sample_stats"]:
        return 0
    return int(fit["sample_stats"]["diverging"].sum())


def _refuse(each, divergences, max_rhat, min_ess):
    # Written so that a NaN counts as bad: it compares false with everything.
    good = (
        (each["r_hat"] < max_rhat)
        & (each["ess_bulk"] > min_ess)
        & (each["ess_tail"] > min_ess)
    )
    # A value that never moves has no R-hat, but an ESS as if all were well.
    each = each.assign(ess=each["ess_bulk"].where(each["r_hat"].notna(), 0))
    bad = each[~good].sort_values("ess", kind="stable")
    if bad.empty and divergences == 0:
        return
    headline = (
        f"This fit did not converge: {len(bad)} of {len(each)} values break a limit "
        f"(R-hat < {max_rhat}, effective draws > {min_ess}), "
        f"{divergences} divergences (none allowed)."
    )
    lines = [headline]
    lines += [f"  {name}: {_describe(row)}" for name, row in bad.head(8).iterrows()]
    if len(bad) > 8:
        lines.append(f"  … and {len(bad) - 8} more")
    lines.append(
        "Do not read it. More draws help a small ESS; divergences or a large R-hat "
        "ask for tighter priors or another parameterisation."
    )
    raise SamplingError("\n".join(lines))


def _describe(row):
    if np.isnan(row.r_hat):
        return "never moves, so it has no R-hat"
    return (
        f"R-hat {row.r_hat:.3f}, bulk ESS {row.ess_bulk:.0f}, "
        f"tail ESS {row.ess_tail:.0f}"
    )

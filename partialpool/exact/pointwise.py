"""What each row and each prior says of a fit: for the checks that ArviZ has."""

import json

import numpy as np

from partialpool import faults
from partialpool.columns import check_shape
from partialpool.exact import names
from partialpool.exact.formula import parse
from partialpool.exact.predict import (
    correlation_matrices,
    draw_outcome,
    expect,
    generator,
    read_recipe,
)
from partialpool.exact.priors import from_plain_values
from partialpool.exact.table import ADVICE, hold_cells, read_rows

ROW = "__obs__"


def compute_log_likelihood(fit, rows, *, seed=None):
    """Add to a fit the log likelihood of each row, and draws of its outcome.

    With them ArviZ compares models and checks fits: ``az.loo(…)``,
    ``az.compare(…)``, ``azp.plot_ppc_dist(…)``.

    Parameters
    ----------
    fit : xarray.DataTree
        What :func:`fit` returned.
    rows : pandas.DataFrame
        The rows that it was fitted to, outcome included: not cells, of which only
        sums are known.
    seed : int or numpy.random.Generator, optional
        Of the predictive draws.

    Returns
    -------
    xarray.DataTree
        The fit, and with the dimension ``__obs__`` for the rows the groups

        ``log_likelihood``
            Log density of each row's outcome; times its weight, if it has one.
        ``posterior_predictive``
            An outcome drawn for each row.
        ``observed_data``
            The outcomes.

    Raises
    ------
    TableError
        If the rows lack a column, or hold what the fit has not seen.
    ValueError
        If draws times rows are more than memory can hold.

    Examples
    --------
    >>> import arviz as az
    >>> import partialpool as pool
    >>> table, truth = pool.simulate_groups(seed=1)
    >>> posterior = pool.fit("y ~ 1 + (1|group)", table, draws=400, seed=1)
    >>> judged = pool.compute_log_likelihood(posterior, table, seed=1)
    >>> judged["log_likelihood"]["y"].shape == (4, 100, len(table))
    True
    >>> bool(az.loo(judged).n_data_points == len(table))
    True
    """
    import xarray as xr
    from formulae.environment import Environment

    environment = Environment.capture(1)
    formula = parse(read_recipe(fit).formula, environment)
    check_shape(rows, mend=ADVICE)
    if hold_cells(rows, formula.outcome):
        raise faults.TableError(
            "The log likelihood needs the rows themselves, and these are cells: give "
            "the table that they were collapsed from, or a sample of it."
        )
    if formula.outcome in (*names.STEPS, ROW):
        raise faults.TableError(
            f"The outcome is called {formula.outcome}, as a dimension of the draws is: "
            "rename the column, in the formula as well, and fit again."
        )
    seen = read_rows(formula, rows)
    rng = generator(seed)
    _, mean = expect(fit, rows, "refuse", rng, environment)
    y, posterior = seen.y.value, fit["posterior"]
    sigma = posterior[names.SIGMA].to_numpy()[..., None]
    density = -0.5 * ((y - mean) / sigma) ** 2 - np.log(sigma * np.sqrt(2 * np.pi))
    if seen.weights is not None:
        density = density * seen.weights
    coords = {step: posterior[step].to_numpy() for step in names.STEPS}
    coords[ROW] = np.arange(len(y))
    predicted = draw_outcome(posterior, mean, rng)
    judged = fit.copy()
    for name, values, dims in [
        ("log_likelihood", density, [*coords]),
        ("posterior_predictive", predicted, [*coords]),
        ("observed_data", y, [ROW]),
    ]:
        named = {formula.outcome: (dims, values)}
        data = xr.Dataset(named, {dim: coords[dim] for dim in dims})
        judged[name] = xr.DataTree(data)
    return judged


def compute_log_prior(fit):
    """Add to a fit the log prior density of its parameters, for power-scaling.

    With it, and the log likelihood, ArviZ says whether a prior or the data decide:
    ``az.psense_summary(…)``, ``azp.plot_psense_dist(…)``. They ask how the posterior
    would move if the prior counted a little more or less.

    Parameters
    ----------
    fit : xarray.DataTree
        What :func:`fit` returned, or :func:`compute_log_likelihood`; from rows or from
        cells.

    Returns
    -------
    xarray.DataTree
        The fit, and the group ``log_prior``, up to a constant, of the parameters at the
        top: intercept and coefficients, standard deviations and correlations. What the
        effects of groups have for a prior is part of the model: to scale it as well
        would ask another question.

    Raises
    ------
    ValueError
        If the fit is none of this package.

    Notes
    -----
    Kallioinen, Paananen, Bürkner and Vehtari (2024), Statistics and Computing 34, 57;
    the parameters at the top alone are scaled by the advice of its section 5.

    Examples
    --------
    >>> import arviz as az
    >>> import partialpool as pool
    >>> table, truth = pool.simulate_groups(seed=1)
    >>> fit = pool.fit("y ~ 1 + (1|group)", table, draws=400, seed=1)
    >>> with_prior = pool.compute_log_prior(fit)
    >>> sorted(with_prior["log_prior"].data_vars)
    ['1|group_sigma', 'Intercept', 'sigma']
    >>> bool(az.psense(with_prior, var_names="Intercept")["Intercept"] < 0.05)
    True
    """
    import xarray as xr

    read_recipe(fit)
    kept, posterior = json.loads(fit.attrs["priors"]), fit["posterior"]
    priors = from_plain_values(kept)
    found = _log_common_priors(posterior, kept, priors)
    found[names.SIGMA] = priors.sigma(posterior[names.SIGMA])
    for factor, densities in zip(kept["factors"], priors.group_sds, strict=True):
        each = iter(densities)
        for name in factor["sds"]:
            sds = posterior[name].to_numpy()
            columns = np.moveaxis(sds.reshape(*sds.shape[:2], -1), 2, 0)
            logs = np.stack([next(each)(column) for column in columns], axis=2)
            found[name] = posterior[name].copy(data=logs.reshape(sds.shape))
        name = factor["correlation"]
        if kept["lkj"] is not None and name in posterior:
            matrices = correlation_matrices(posterior[name].to_numpy())
            log_det = np.linalg.slogdet(matrices)[1]
            found[name] = names.STEPS, (kept["lkj"] - 1) * log_det
    judged = fit.copy()
    coords = {step: posterior[step] for step in names.STEPS}
    judged["log_prior"] = xr.DataTree(xr.Dataset(found, coords))
    return judged


def _log_common_priors(posterior, kept, priors):
    """Log prior of each common term, the intercept where the predictors are average."""
    if not kept["common"]:
        return {}
    terms = [posterior[name] for name, _ in kept["common"]]
    coefficients = [x.to_numpy().reshape(*x.shape[:2], -1) for x in terms]
    moved = np.concatenate(coefficients, axis=2) @ np.array(kept["centred"])
    moved -= kept["shift"]
    found, start = {}, 0
    for term, own in zip(terms, coefficients, strict=True):
        columns = slice(start, start := start + own.shape[2])
        if term.name == "Intercept":
            own = own + moved[..., None]
        away = own - priors.mean[columns]
        log = -0.5 * priors.precision[columns] * away**2
        found[term.name] = term.copy(data=log.reshape(term.shape))
    return found

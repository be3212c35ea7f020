"""What each row says of a fit: for leave-one-out and posterior predictive checks."""

import numpy as np

from partialpool import faults
from partialpool.columns import check_shape
from partialpool.exact import names
from partialpool.exact.formula import parse
from partialpool.exact.predict import draw_outcome, expect, generator, read_recipe
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
    steps = {step: posterior[step].to_numpy() for step in names.STEPS}
    labels = {ROW: np.arange(len(y))}

    def group(values, dims, coords):
        return xr.Dataset({formula.outcome: (dims, values)}, coords=coords)

    by_draw = (*names.STEPS, ROW)
    added = {
        "log_likelihood": group(density, by_draw, steps | labels),
        "posterior_predictive": group(
            draw_outcome(posterior, mean, rng), by_draw, steps | labels
        ),
        "observed_data": group(y, (ROW,), labels),
    }
    judged = fit.copy()
    for name, data in added.items():
        judged[name] = xr.DataTree(data)
    return judged

"""The exact posterior of a Gaussian multilevel model, from sums of products."""

import json
import warnings
from functools import cache
from numbers import Number, Real

import numpy as np
import pandas as pd

from partialpool import importance
from partialpool.designs import read_design
from partialpool.formulas import FormulaError, evaluate, factor_columns, parse
from partialpool.grams import gram
from partialpool.marginals import Marginal
from partialpool.priors import Prior, choose_priors

__all__ = ["FormulaError", "Prior", "SlowerMethodWarning", "fit", "predict"]

CHAINS = 4


class SlowerMethodWarning(UserWarning):
    """The fast method did not suit the model, and a slower one was used."""


def fit(
    formula,
    data,
    priors=None,
    draws=4000,
    *,
    family="gaussian",
    correlated=False,
    lkj=2.0,
    seed=None,
):
    r"""Draw from the exact posterior of a Gaussian multilevel model.

    The same model as ``bambi.Model(formula, data).fit()``: formula, default
    priors and names of the variables. Only the way to the draws differs. The
    coefficients and group effects are integrated out in closed form, the few
    standard deviations left are drawn by importance sampling, and the rest
    follows from its conditional normal distribution. The work after one pass
    over the rows or cells does not depend on how many there are.

    Parameters
    ----------
    formula : str
        Bambi's formula language: ``"y ~ x + (1|group) + (x|other)"``, with
        crossed, nested (``group:other``) and weighted (``weighted(y, w)``)
        forms.
    data : pandas.DataFrame
        One row per observation; or cells as :func:`~partialpool.cells.collapse` makes
        them from any engine.
    priors : dict, optional
        In place of Bambi's defaults: a term's name, ``"Intercept"``,
        ``"common"``, ``"group_specific"`` or ``"sigma"``, each with a
        :class:`Prior` or ``bambi.Prior``.
    draws : int
        Number of joint draws, a multiple of 4. They are one sample cut in four
        chains, as ArviZ expects. Draws are independent, but for standard
        deviations that occur more than once, next to each other.
    family : str
        ``"gaussian"``; any other is refused.
    correlated : bool
        Let the effects of one factor, as in ``(x|group)``, be correlated, as
        lme4 does. Bambi 0.21 keeps them independent.
    lkj : float
        Concentration of the LKJ prior on those correlations: 1 is uniform over
        correlation matrices, more draws them to 0.
    seed : int or numpy.random.Generator, optional
        Source of all randomness.

    Returns
    -------
    xarray.DataTree
        Group ``posterior`` with Bambi's variables and dimensions, in the units
        of the outcome, and with ``correlated`` also ``<factor>_correlation``.
        Of nested groups only those that occur are there.
        Attributes: ``formula``, ``method`` (``importance`` or
        ``metropolis``), ``effective_draws``, ``pareto_k`` (of the importance
        weights: below 0.7), ``rows``.

    Raises
    ------
    FormulaError
        If the model is not Gaussian and linear: the message says which part.
    ValueError
        If the table or a prior does not fit the formula.

    Warns
    -----
    SlowerMethodWarning
        If the importance weights were too uneven and Metropolis chains, as
        exact but slower, took over.

    Notes
    -----
    The posterior depends on the rows only through sums of products (their Gram
    matrix), long known; see Searle, Casella and McCulloch (1992), *Variance
    Components*, for the closed forms and the module ``marginals``
    for the way they are computed. "Exact" means that the only error is that of
    a finite number of draws, as in MCMC. The posterior of the standard
    deviations is taken to have one mode.

    Examples
    --------
    >>> import partialpool as pool
    >>> table, truth = pool.simulate_groups(seed=1)
    >>> posterior = pool.fit("y ~ 1 + (1|group)", table, seed=1)["posterior"]
    >>> sorted(posterior.data_vars)
    ['1|group', '1|group_sigma', 'Intercept', 'sigma']
    """
    from formulae.environment import Environment

    _check(family, draws, lkj)
    environment = Environment.capture(1)
    rng = np.random.default_rng(seed)
    # The matrices are small: threads would cost more than they bring.
    with _blas().limit(limits=1, user_api="blas"):
        design = read_design(formula, data, environment)
        sums = gram(design)
        chosen = choose_priors(design, priors)
        marginal = Marginal(sums, chosen, design.sizes, lkj if correlated else None)
        sample = _sample(marginal, draws, rng, design.observations.outcome)
        _refuse_no_remainder(sample, design)
        dense, eliminated = marginal.draw(sample.draws, rng)
    return _tree(design, sums, marginal, sample, dense, eliminated)


@cache
def _blas():
    """Find the BLAS libraries once: looking for them takes milliseconds."""
    import scipy.linalg  # noqa: F401  # it brings a library of its own
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _check(family, draws, lkj):
    if str(family).lower() not in ("gaussian", "normal"):
        raise FormulaError(
            f"The family {family} has no closed form, only the Gaussian one has: use "
            f'bambi.Model(formula, data, family="{family}") for this model.'
        )
    if not isinstance(draws, Real) or not draws > 0 or draws % CHAINS:
        raise ValueError(
            f"draws is {draws!r}: give a multiple of {CHAINS} above 0, since they come "
            f"in {CHAINS} chains."
        )
    if not isinstance(lkj, Real) or not lkj > 0:
        raise ValueError(f"lkj is {lkj!r}: give a number above 0.")


def _sample(marginal, draws, rng, outcome):
    try:
        sample = importance.sample(marginal.log_density, marginal.start(), draws, rng)
    except importance.ModeError as error:
        raise ValueError(
            f"The posterior could not be drawn: {error} Are there enough rows for this "
            f"formula, does something of {outcome} remain that it does not explain, "
            "and is every prior proper?"
        ) from None
    if sample.method != "importance":
        warnings.warn(
            "The importance weights were too uneven, as they can be with few groups "
            "and many standard deviations: the draws come from Metropolis chains, as "
            "exact but slower.",
            SlowerMethodWarning,
            stacklevel=3,
        )
    return sample


def _refuse_no_remainder(sample, design):
    # Above what rounding leaves, below what any measurement does.
    if np.median(np.exp(sample.draws[:, 0])) < 1e-6 * design.outcome_sd:
        raise ValueError(
            f"The formula explains {design.observations.outcome} without remainder, so "
            "that sigma is 0: leave out the column that the outcome was made from."
        )


def _tree(design, sums, marginal, sample, dense, eliminated):
    import xarray as xr

    variables, coords = {}, {}
    _add_common(variables, coords, design, sums, dense)
    for i, (factor, spread) in enumerate(
        zip(design.factors, marginal.spreads, strict=True)
    ):
        if i == sums.largest:
            effects = eliminated
        else:
            effects = dense[:, sums.slices[i]].reshape(len(dense), spread.groups, -1)
        _add_factor(variables, coords, factor, effects)
    _add_spreads(variables, coords, design, marginal, sample.draws)
    chains = {
        name: (("chain", "draw", *dims), _by_chain(values))
        for name, (dims, values) in variables.items()
    }
    steps = {
        "chain": np.arange(CHAINS),
        "draw": np.arange(len(dense) // CHAINS),
    }
    posterior = xr.Dataset(chains, coords={**steps, **coords})
    tree = xr.DataTree.from_dict({"posterior": posterior})
    tree.attrs = {
        "formula": design.formula,
        "method": sample.method,
        "effective_draws": float(sample.effective),
        "pareto_k": float(sample.pareto_k),
        "rows": design.observations.rows,
        "recipe": json.dumps(design.recipe, default=str),
    }
    return tree


def _by_chain(values):
    return values.reshape(CHAINS, -1, *values.shape[1:])


def _each_term(terms, values):
    """Give each term its columns of the last axis."""
    start = 0
    for term in terms:
        yield term, values[..., start : start + term.columns]
        start += term.columns


def _named(term, values, dim, coords):
    """Dimensions and values of a term: one more dimension if its columns have names."""
    if term.levels is None:
        return (), values[..., 0]
    coords[dim] = term.levels
    return (dim,), values


def _expression_dim(term):
    return f"{term.name.split('|')[0]}__expr_dim"


def _add_common(variables, coords, design, sums, dense):
    common = dense[:, : sums.common]
    for term, values in _each_term(design.common, common):
        if term.is_intercept:
            # From the mean of the predictors back to where they are zero.
            values = values + design.shift - (common @ sums.centres)[:, None]
        variables[term.name] = _named(term, values, f"{term.name}_dim", coords)


def _add_factor(variables, coords, factor, effects):
    groups = f"{factor.name}__factor_dim"
    coords[groups] = factor.levels
    for term, values in _each_term(factor.terms, effects):
        dims, values = _named(term, values, _expression_dim(term), coords)
        variables[term.name] = ((groups, *dims), values)


def _add_spreads(variables, coords, design, marginal, theta):
    variables["sigma"] = ((), np.exp(theta[:, 0]))
    for factor, spread in zip(design.factors, marginal.spreads, strict=True):
        for term, sds in _each_term(factor.terms, np.exp(theta[:, spread.sds])):
            named = _named(term, sds, _expression_dim(term), coords)
            variables[f"{term.name}_sigma"] = named
        if spread.correlations.start != spread.correlations.stop:
            _add_correlations(variables, factor, marginal, spread, theta)


def _add_correlations(variables, factor, marginal, spread, theta):
    lower = marginal.covariance_factor(theta, spread)
    lower = lower / np.linalg.norm(lower, axis=2, keepdims=True)
    correlation = lower @ lower.transpose(0, 2, 1)
    pairs = correlation[:, *np.tril_indices(spread.effects, -1)]
    name = f"{factor.name}_correlation"
    if pairs.shape[1] == 1:
        variables[name] = ((), pairs[:, 0])
    else:
        variables[name] = ((f"{factor.name}__pair_dim",), pairs)


def predict(fit, rows, *, unseen="refuse", seed=None):
    """Predict the outcome of new rows, three kinds of uncertainty kept apart.

    Parameters
    ----------
    fit : xarray.DataTree
        What :func:`fit` returned.
    rows : pandas.DataFrame
        The columns that the formula names, but for the outcome; m rows.
    unseen : str
        What to do with a group that the fit has not seen: ``"refuse"``, or
        ``"draw"`` its effect from the population of groups, anew in each draw.
    seed : int or numpy.random.Generator, optional
        Source of all randomness.

    Returns
    -------
    xarray.Dataset
        Dimensions ``chain``, ``draw`` and ``row`` (the index of `rows`), in the
        units of the outcome:

        ``population``
            What the common terms say: uncertain as the parameters are.
        ``mean``
            With the effects of the row's groups: uncertain as the parameters
            and the groups are.
        ``outcome``
            One new individual: as uncertain as individuals are, on top.

    Raises
    ------
    ValueError
        If a column is missing, or holds a level that the fit has not seen or text
        where the fit had numbers, or a group is new and `unseen` does not say what
        to do.

    Examples
    --------
    >>> import pandas as pd
    >>> import partialpool as pool
    >>> table, truth = pool.simulate_groups(seed=1)
    >>> posterior = pool.fit("y ~ 1 + (1|group)", table, seed=1)
    >>> rows = pd.DataFrame({"group": ["g01", "a new one"]})
    >>> new = pool.predict(posterior, rows, unseen="draw", seed=1)
    >>> list(new.data_vars)
    ['population', 'mean', 'outcome']
    >>> sd = new["mean"].std(["chain", "draw"])
    >>> bool(sd[0] < sd[1])
    True
    """
    import xarray as xr
    from formulae.environment import Environment

    if unseen not in ("refuse", "draw"):
        raise ValueError(f"unseen is {unseen!r}: choose 'refuse' or 'draw'.")
    rng = np.random.default_rng(seed)
    posterior = fit["posterior"].to_dataset()
    recipe = _read_recipe(fit)
    terms = _terms_for(fit, recipe, rows, Environment.capture(1))
    population = _population(posterior, terms, rows)
    mean = population.copy()
    groups = terms.group.terms.values() if terms.group else []
    rows = _number_as_fitted(recipe, rows)
    for name in dict.fromkeys(term.factor.name for term in groups):
        mine = [term for term in groups if term.factor.name == name]
        mean += _group_effects(posterior, mine, rows, unseen, rng)
    noise = rng.standard_normal(mean.shape)
    outcome = mean + noise * posterior["sigma"].to_numpy()[..., None]
    dims = ("chain", "draw", "row")
    return xr.Dataset(
        {
            "population": (dims, population),
            "mean": (dims, mean),
            "outcome": (dims, outcome),
        },
        coords={
            "chain": posterior["chain"],
            "draw": posterior["draw"],
            "row": rows.index.to_numpy(),
        },
    )


def _read_recipe(fit):
    if "recipe" not in fit.attrs:
        raise ValueError(
            "This fit does not come from pool.fit: for a model of Bambi use its own "
            "predict."
        )
    return json.loads(fit.attrs["recipe"])


def _terms_for(fit, recipe, rows, environment):
    _refuse_no_rows(rows)
    description = parse(fit.attrs["formula"])
    for name in recipe["columns"]:
        if name not in rows.columns:
            raise ValueError(
                f"The new rows have no column {name}, which the formula names."
            )
        if rows[name].isna().any():
            raise ValueError(
                f"{name} is missing in {int(rows[name].isna().sum())} of the new rows."
            )
        if name in recipe["moments"]:
            _refuse_no_numbers(rows[name])
        _refuse_new_levels(name, rows[name], recipe, description)
    return evaluate(description, recipe, environment)


def _refuse_no_rows(rows):
    if not isinstance(rows, pd.DataFrame):
        raise ValueError(
            f"The new rows are a {type(rows).__name__}: give a pandas table with the "
            "columns that the formula names, but for the outcome."
        )
    if len(rows) == 0:
        raise ValueError("The new rows are a table of 0 rows: give at least one row.")


def _refuse_no_numbers(column):
    if pd.api.types.is_numeric_dtype(column):
        return
    wrong = column[[not isinstance(value, Number | np.bool) for value in column]]
    if wrong.empty:
        return
    kind = "text" if isinstance(wrong.iloc[0], str) else "values"
    rows = ", ".join(map(str, wrong.index[:5]))
    if len(wrong) > 5:
        rows += f" and {len(wrong) - 5:,} more"
    raise ValueError(
        f"{column.name} holds {kind} such as {str(wrong.iloc[0])!r} where the fit had "
        f"numbers (row{'s' * (len(wrong) > 1)} {rows}): correct or drop such rows, "
        "then make numbers of the column, for example with pandas.to_numeric."
    )


def _refuse_new_levels(name, column, recipe, description):
    common = set().union(*(term.var_names for term in description.common_terms))
    common |= set().union(*(term.expr.var_names for term in description.group_terms))
    known = recipe["levels"].get(name)
    if known is None or name not in common:
        return
    new = sorted(set(column.astype(str)) - {str(level) for level in known})
    if new:
        raise ValueError(
            f"{name} holds {', '.join(new[:5])}, which the fit has not seen; it knows "
            f"{', '.join(str(level) for level in known[:20])}."
        )


def _number_as_fitted(recipe, rows):
    """Write 1 and 1.0, which are one group, as the fit did."""
    numbered = {}
    for name, kind in recipe["numbered"].items():
        column = rows[name]
        if column.dtype.kind in "iuf" and (column % 1 == 0).all():
            numbered[name] = column.astype(kind)
    return rows.assign(**numbered)


def _population(posterior, terms, rows):
    shape = posterior["sigma"].shape
    total = np.zeros((*shape, len(rows)))
    for name, term in (terms.common.terms if terms.common else {}).items():
        if term.kind == "offset":
            component = term.components[0]
            total += np.asarray(component.call.args[0].eval(rows, component.env))
            continue
        columns = _columns(term, rows)
        total += posterior[name].to_numpy().reshape(*shape, -1) @ columns.T
    return total


def _columns(term, rows):
    return np.asarray(term.eval_new_data(rows), dtype=float).reshape(len(rows), -1)


def _group_effects(posterior, terms, rows, unseen, rng):
    factor = terms[0].factor
    labels = rows[factor_columns(factor)].astype(str).agg(":".join, axis=1)
    known = posterior[f"{factor.name}__factor_dim"].to_index()
    place = known.get_indexer(labels)
    new = labels[place < 0].unique()
    if len(new) and unseen == "refuse":
        raise ValueError(
            f"{factor.name} holds {', '.join(new[:5])}, which the fit has not seen: "
            "say unseen='draw' to draw their effects from the population of groups."
        )
    place[place < 0] = len(known) + np.searchsorted(np.sort(new), labels[place < 0])
    columns = np.concatenate([_columns(term.expr, rows) for term in terms], axis=1)
    seen = _stack(posterior, terms, "")
    drawn = _draw_groups(posterior, terms, factor.name, len(new), rng)
    effects = np.concatenate([seen, drawn], axis=2)[:, :, place]
    return np.einsum("cdrk,rk->cdr", effects, columns)


def _stack(posterior, terms, suffix):
    """Effects of all terms of a factor, side by side on the last axis."""
    parts = []
    for term in terms:
        values = posterior[term.name + suffix]
        flat = values.ndim == (2 if suffix else 3)
        parts.append(values.to_numpy()[..., None] if flat else values.to_numpy())
    return np.concatenate(parts, axis=-1)


def _draw_groups(posterior, terms, factor, count, rng):
    sds = _stack(posterior, terms, "_sigma")
    size = sds.shape[-1]
    noise = rng.standard_normal((*sds.shape[:2], count, size))
    if f"{factor}_correlation" in posterior:
        correlation = np.broadcast_to(np.eye(size), (*sds.shape[:2], size, size)).copy()
        pairs = posterior[f"{factor}_correlation"].to_numpy()
        rows, columns = np.tril_indices(size, -1)
        pairs = pairs.reshape(*sds.shape[:2], -1)
        correlation[..., rows, columns] = correlation[..., columns, rows] = pairs
        noise = noise @ np.linalg.cholesky(correlation).swapaxes(-1, -2)
    return noise * sds[:, :, None]

"""Predictions for new rows, three kinds of uncertainty kept apart."""

import numpy as np

from partialpool.exact import names
from partialpool.exact.design import group_labels
from partialpool.exact.formula import factor_columns, parse
from partialpool.exact.recipe import Recipe, evaluate_again
from partialpool.exact.terms import columns_of, offset_of
from partialpool.faults import TableError

# Draws times rows that are predicted at once: 4 GB for each of the three results.
MOST = 500_000_000


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
    TableError
        If a column is missing, or holds a level that the fit has not seen, text
        where the fit had numbers or an infinite number, or a group is new and
        `unseen` does not say what to do.
    FormulaError
        If a function that the formula uses is not known here, or gives other
        values than it gave at the fit.

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
    rng = generator(seed)
    population, mean = expect(fit, rows, unseen, rng, Environment.capture(1))
    posterior, dims = fit["posterior"], (*names.STEPS, "row")
    outcome = draw_outcome(posterior, mean, rng)
    found = {"population": population, "mean": mean, "outcome": outcome}
    coords = {step: posterior[step] for step in names.STEPS}
    coords["row"] = rows.index.to_numpy()
    return xr.Dataset({name: (dims, x) for name, x in found.items()}, coords)


def expect(fit, rows, unseen, rng, environment):
    """Expectation of each row: from the common terms alone, and with its groups.

    Each has the shape (chains, draws, rows).
    """
    recipe = read_recipe(fit)
    formula = parse(recipe.formula, environment)
    posterior = fit["posterior"].to_dataset()
    table = recipe.read(rows)
    _refuse_too_many(posterior[names.SIGMA].size, len(table))
    common, groups = evaluate_again(recipe, formula)
    population = _population(posterior, common, table)
    mean = population.copy()
    # A predictor may have the name that correlations would have.
    common = [names.variable(term.name) for term in common]
    others = posterior.drop_vars(common, errors="ignore")
    for name in dict.fromkeys(term.factor.name for term in groups):
        mine = [term for term in groups if term.factor.name == name]
        mean += _group_effects(others, recipe, mine, table, unseen, rng)
    return population, mean


def draw_outcome(posterior, mean, rng):
    """Draw one individual for each expectation."""
    noise = rng.standard_normal(mean.shape)
    return mean + noise * posterior[names.SIGMA].to_numpy()[..., None]


def generator(seed):
    """Make a generator, or say in words that the seed is none."""
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError):
        raise ValueError(
            f"seed is {seed!r}: give a whole number of 0 or more, or a NumPy generator."
        ) from None


def read_recipe(fit):
    """Read the recipe that a fit carries, or refuse what is no fit of this package."""
    attrs = getattr(fit, "attrs", {})
    if "recipe" in attrs and "posterior" in fit:
        return Recipe.from_json(attrs["recipe"])
    if hasattr(fit, "data_vars") and names.SIGMA in fit:
        raise ValueError(
            "These are draws without what the fit knows of its table: give the whole "
            "of what pool.fit returned, and not one group of it."
        )
    raise ValueError(
        "This fit does not come from pool.fit: for a model of Bambi use its own "
        "predict."
    )


def _refuse_too_many(draws, rows):
    if draws * rows > MOST:
        raise ValueError(
            f"{draws:,} draws for {rows:,} rows would take "
            f"{3 * 8 * draws * rows / 1e9:,.0f} GB: predict fewer rows at a time, or "
            "fit with fewer draws."
        )


def _population(posterior, terms, table):
    shape = posterior[names.SIGMA].shape
    total = np.zeros((*shape, len(table)))
    for term in terms:
        if term.kind == "offset":
            total += offset_of(term, table)
            continue
        draws = posterior[names.variable(term.name)].to_numpy().reshape(*shape, -1)
        total += draws @ columns_of(term, table).T
    return total


def _group_effects(posterior, recipe, terms, table, unseen, rng):
    factor = terms[0].factor
    variables = factor_columns(factor)
    kinds = [recipe.columns[name].kind for name in variables]
    labels = np.array(group_labels(table, variables, kinds), dtype=object)
    known = posterior[names.group_dim(factor.name)].to_index()
    place = known.get_indexer(labels)
    new = np.unique(labels[place < 0].astype(str))
    if len(new) and unseen == "refuse":
        raise TableError(
            f"{factor.name} holds {', '.join(new[:5])}, which the fit has not seen: "
            "say unseen='draw' to draw their effects from the population of groups."
        )
    place[place < 0] = len(known) + np.searchsorted(new, labels[place < 0].astype(str))
    columns = np.concatenate([columns_of(term.expr, table) for term in terms], axis=1)
    used, place = np.unique(place, return_inverse=True)
    # A term of one effect has no dimension for it, others have it before the groups.
    shape = (*posterior[names.SIGMA].shape, -1, len(known))
    seen = [posterior[names.variable(t.name)].to_numpy().reshape(shape) for t in terms]
    seen = np.concatenate(seen, axis=2).swapaxes(2, 3)[:, :, used[used < len(known)]]
    drawn = _draw_groups(posterior, terms, new, rng)
    effects = np.concatenate([seen, drawn], axis=2)[:, :, place]
    return np.einsum("cdrk,rk->cdr", effects, columns)


def _draw_groups(posterior, terms, labels, rng):
    shape = (*posterior[names.SIGMA].shape, -1)
    sds = [posterior[names.group_sd(t.name)].to_numpy().reshape(shape) for t in terms]
    sds = np.concatenate(sds, axis=2)
    size = sds.shape[2]
    # Each group has a stream of its own, so that it does not matter which others
    # are asked for along with it.
    stem = int(rng.spawn(1)[0].integers(2**63))
    streams = [np.random.default_rng([stem, *label.encode()]) for label in labels]
    noise = np.empty((*sds.shape[:2], len(labels), size))
    for i, stream in enumerate(streams):
        noise[:, :, i] = stream.standard_normal((*sds.shape[:2], size))
    correlation = names.correlation(terms[0].factor.name)
    if correlation in posterior:
        matrix = correlation_matrices(posterior[correlation].to_numpy())
        noise = noise @ np.linalg.cholesky(matrix).swapaxes(-1, -2)
    return noise * sds[:, :, None]


def correlation_matrices(pairs):
    """Correlation matrices from their lower triangles: (chains, draws, size, size)."""
    pairs = pairs.reshape(*pairs.shape[:2], -1)
    size = int((1 + np.sqrt(1 + 8 * pairs.shape[2])) / 2)
    matrix = np.broadcast_to(np.eye(size), (*pairs.shape[:2], size, size)).copy()
    rows, columns = np.tril_indices(size, -1)
    matrix[..., rows, columns] = matrix[..., columns, rows] = pairs
    return matrix

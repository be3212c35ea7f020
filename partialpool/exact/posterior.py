"""The posterior as ArviZ expects it: Bambi's variables and dimensions."""

import json

import numpy as np

from partialpool.exact import names
from partialpool.exact.priors import as_plain_values

CHAINS = 4


def make_tree(design, gram, density, sample, dense, eliminated):
    """Give all draws their names: a DataTree."""
    import xarray as xr

    variables, coords = {}, {}
    _add_common(variables, coords, design, dense)
    for i, factor in enumerate(design.factors):
        place = gram.places[i]
        effects = eliminated if place is None else np.take(dense, place, axis=1)
        _add_effects(variables, coords, factor, effects)
    _add_sds(variables, coords, design, density, sample.draws)
    chains = {
        name: ((*names.STEPS, *dims), values.reshape(CHAINS, -1, *values.shape[1:]))
        for name, (dims, values) in variables.items()
    }
    steps = {"chain": np.arange(CHAINS), "draw": np.arange(len(dense) // CHAINS)}
    posterior = xr.Dataset(chains, coords={**steps, **coords})
    tree = xr.DataTree.from_dict({"posterior": posterior})
    tree.attrs = {
        "formula": design.recipe.formula,
        "method": sample.method,
        "effective_draws": float(sample.effective),
        "pareto_k": float(sample.pareto_k),
        "rows": design.rows.count,
        "recipe": design.recipe.to_json(),
        "priors": json.dumps(_keep_priors(design, density)),
    }
    return tree


def _keep_priors(design, density):
    """What is needed to find the log prior of the draws, as plain values."""
    return as_plain_values(density.priors) | {
        "common": [[names.variable(t.name), t.columns] for t in design.common],
        "centred": design.means.tolist(),
        "shift": design.shift,
        "factors": [
            {
                "sds": [names.group_sd(term.name) for term in factor.terms],
                "correlation": names.correlation(factor.name),
            }
            for factor in design.factors
        ],
        "lkj": density.correlation,
    }


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


def _add_common(variables, coords, design, dense):
    common = dense[:, : len(design.means)]
    for term, values in _each_term(design.common, common):
        if term.is_intercept:
            # From the mean of the predictors back to where they are zero.
            values = values + design.shift - (common @ design.means)[:, None]
        dim = names.level_dim(term.name)
        variables[names.variable(term.name)] = _named(term, values, dim, coords)


def _add_effects(variables, coords, factor, effects):
    groups = names.group_dim(factor.name)
    coords[groups] = factor.levels
    for term, values in _each_term(factor.terms, effects):
        dims, values = _named(term, values, names.expression_dim(term.name), coords)
        # Bambi puts the groups last.
        values = values.swapaxes(1, -1) if dims else values
        variables[names.variable(term.name)] = ((*dims, groups), values)


def _add_sds(variables, coords, design, density, theta):
    variables[names.SIGMA] = ((), np.exp(theta[:, 0]))
    for factor, scale in zip(design.factors, density.scales, strict=True):
        for term, sds in _each_term(factor.terms, np.exp(theta[:, scale.sds])):
            named = _named(term, sds, names.expression_dim(term.name), coords)
            variables[names.group_sd(term.name)] = named
        if scale.is_correlated:
            lower = density.covariance_factor(theta, scale)
            lower = lower / np.linalg.norm(lower, axis=2, keepdims=True)
            pairs = lower @ lower.transpose(0, 2, 1)
            pairs = pairs[:, *np.tril_indices(scale.effects, -1)]
            several = (names.pair_dim(factor.name),), pairs
            named = ((), pairs[:, 0]) if pairs.shape[1] == 1 else several
            variables[names.correlation(factor.name)] = named

"""Group influence: what changes if one group is left out."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd

from partialpool.exact import names
from partialpool.exact.fit import one_thread
from partialpool.exact.posterior import make_tree
from partialpool.held_out.one_factor import OneFactor
from partialpool.held_out.parts import part_of
from partialpool.held_out.refits import Refits
from partialpool.held_out.setting import read_setting
from partialpool.progress import Progress


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
        Labels of groups of the factor `group` whose effects are to be followed too. One
        that is itself left out is then like any group that nobody has seen.

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
    from formulae.environment import Environment

    environment = Environment.capture(1)
    options = {"priors": priors, "draws": draws, "correlated": correlated, "lkj": lkj}
    with one_thread():
        setting = read_setting(
            formula, data, group, environment, options, seed, progress
        )
        _check_watch(setting, watch)
        method = _in_closed_form if setting.is_closed else _by_refits
        parameters, mean, sd = method(setting, watch, progress)
    groups, size = len(setting.labels), len(parameters)
    with np.errstate(invalid="ignore", divide="ignore"):
        moved = (mean[:-1] - mean[-1]) / sd[-1]
    table = pd.DataFrame(
        {
            "group": np.repeat(np.array(setting.labels, dtype=object), size),
            "parameter": parameters * groups,
            "mean": np.tile(mean[-1], groups),
            "sd": np.tile(sd[-1], groups),
            "mean_without": mean[:-1].ravel(),
            "sd_without": sd[:-1].ravel(),
            "moved": moved.ravel(),
        }
    )
    table.attrs["method"] = "closed" if setting.is_closed else "sums"
    order = np.argsort(-table["moved"].abs(), kind="stable")
    return table.iloc[order].reset_index(drop=True)


def _check_watch(setting, watch):
    if isinstance(watch, str):
        raise ValueError(f"watch is {watch!r}: give a list of labels, as [{watch!r}].")
    if watch and setting.factor is None:
        raise ValueError(
            f"{setting.name} is no group term of the formula, so its groups have no "
            "effects to watch: leave watch out."
        )
    for label in watch:
        if label not in setting.labels:
            raise ValueError(
                f"watch names {label!r}, which is no group of {setting.name}: its "
                f"labels are {', '.join(map(str, setting.labels[:12]))}."
            )


def _in_closed_form(setting, watch, progress):
    design = setting.design
    one = OneFactor(design, setting.density.priors)
    grid = one.integrate()
    parameters, take, constant = _coefficients(design)
    places = [setting.labels.index(label) for label in watch]
    mean, sd = one.coefficients(grid, take, places)
    mean[:, : len(take)] += constant
    sds = one.sds(grid)
    term = design.factors[0].terms[0].name
    parameters += [f"{names.variable(term)}[{label}]" for label in watch]
    parameters += [names.SIGMA, names.group_sd(term)]
    mean, sd = (np.concatenate(pair, axis=1) for pair in ((mean, sds[0]), (sd, sds[1])))
    return parameters, mean, sd


def _coefficients(design):
    """Names of the coefficients, and each as a combination of those of the design."""
    parameters, size = [], len(design.means)
    take, constant = np.eye(size), np.zeros(size)
    for term in design.common:
        if term.is_intercept:
            take[len(parameters)] -= design.means
            constant[len(parameters)] = design.shift
        name = names.variable(term.name)
        labels = [name] if term.levels is None else term.levels
        parameters += [name if term.levels is None else f"{name}[{x}]" for x in labels]
    return parameters, take, constant


def _by_refits(setting, watch, progress):
    design, density = setting.design, setting.density
    refits = Refits(density, design.sizes, setting.drawn.draws)
    # Each fit draws with the same noise, so that their differences have less of it.
    seed = int(setting.rng.integers(2**63))
    counted = Progress("groups left out", wanted=progress)

    def moments(rest):
        drawn = replace(setting.drawn, draws=rest.theta)
        dense, effects = rest.draw(np.random.default_rng(seed))
        tree = make_tree(design, density.gram, rest.density, drawn, dense, effects)
        found = _scalars(tree["posterior"].to_dataset(), setting, watch)
        weight, draws = np.exp(rest.log_weight), np.array(list(found.values()))
        mean = draws @ weight
        return list(found), mean, np.sqrt((draws - mean[:, None]) ** 2 @ weight)

    each = []
    for chosen in setting.places():
        part = part_of(design, chosen, density.gram)
        each.append(moments(refits.rest([part], setting.rng))[1:])
        counted.advance(1)
    parameters, *everything = moments(refits.everything())
    means, sds = zip(*each, everything, strict=True)
    return parameters, np.array(means), np.array(sds)


def _scalars(posterior, setting, watch):
    """Draws of each number of a posterior that is to be followed: name to (S,)."""
    watched = None
    if setting.factor is not None:
        watched = names.group_dim(setting.name)
    found = {}
    for name, values in posterior.data_vars.items():
        dims = [dim for dim in values.dims if dim not in names.STEPS]
        if any(dim.endswith("__factor_dim") and dim != watched for dim in dims):
            continue
        draws = posterior.sizes["chain"] * posterior.sizes["draw"]
        flat = values.to_numpy().reshape(draws, -1)
        labels = itertools.product(*(values.indexes[dim] for dim in dims))
        for place, label in enumerate(labels):
            if watched in dims and label[dims.index(watched)] not in watch:
                continue
            inside = ", ".join(map(str, label))
            found[f"{name}[{inside}]" if dims else str(name)] = flat[:, place]
    return found

"""Priors of a multilevel model: Bambi's defaults, or what a user puts in place."""

import inspect
from dataclasses import dataclass
from functools import partial

import numpy as np

# Bambi's own multiplier of its weakly informative defaults.
WIDTH = 2.5


class Prior:
    """A prior distribution, by the name and arguments that Bambi and PyMC use.

    Stands in for ``bambi.Prior``, which serves as well, without the seconds
    that importing Bambi takes.

    Parameters
    ----------
    name : str
        ``"Normal"`` or ``"Flat"`` for the intercept and common terms; for a
        standard deviation one of ``"HalfNormal"``, ``"HalfStudentT"``,
        ``"HalfCauchy"``, ``"Exponential"``, ``"Gamma"``, ``"InverseGamma"`` or
        ``"LogNormal"``; for a group term ``"Normal"`` with a prior as `sigma`.
    **args
        Arguments of that distribution, in PyMC's names.

    Examples
    --------
    >>> Prior("Normal", sigma=Prior("HalfNormal", sigma=0.5))
    Prior('Normal', sigma=Prior('HalfNormal', sigma=0.5))
    """

    def __init__(self, name, **args):
        self.name = name
        self.args = args

    def __repr__(self):
        """Show the call that makes this prior."""
        args = "".join(f", {name}={value!r}" for name, value in self.args.items())
        return f"Prior({self.name!r}{args})"


# Log densities of a standard deviation s, up to a constant.
SD_DENSITIES = {
    "HalfNormal": lambda s, sigma=1: -0.5 * (s / sigma) ** 2,
    "HalfStudentT": lambda s, nu=1, sigma=1: (
        -0.5 * (nu + 1) * np.log1p((s / sigma) ** 2 / nu)
    ),
    "HalfCauchy": lambda s, beta=1: -np.log1p((s / beta) ** 2),
    "Exponential": lambda s, lam=1: -lam * s,
    "Gamma": lambda s, alpha=2, beta=0.1: (alpha - 1) * np.log(s) - beta * s,
    "InverseGamma": lambda s, alpha=3, beta=2: -(alpha + 1) * np.log(s) - beta / s,
    "LogNormal": lambda s, mu=0, sigma=1: (
        -np.log(s) - 0.5 * ((np.log(s) - mu) / sigma) ** 2
    ),
}


@dataclass
class Priors:
    """What the posterior needs of the priors, all standard deviations one by one.

    Predictors are centred, as in Bambi, and the outcome is measured from the design's
    shift.
    """

    mean: np.ndarray  # of the intercept and the common columns: (p,)
    precision: np.ndarray  # of the same
    sigma: object  # callable: log density of the residual sd, up to a constant
    # The same of each factor's standard deviations, in a list of its own.
    group_sds: list


def as_plain_values(priors):
    """Write priors as names and numbers, as they go into a file."""
    return {
        "mean": priors.mean.tolist(),
        "precision": priors.precision.tolist(),
        "sigma": _as_pair(priors.sigma),
        "group_sds": [[_as_pair(one) for one in each] for each in priors.group_sds],
    }


def from_plain_values(kept):
    """Read what :func:`as_plain_values` wrote: `Priors`."""
    mean, precision = np.array(kept["mean"]), np.array(kept["precision"])
    group_sds = [[_from_pair(one) for one in each] for each in kept["group_sds"]]
    return Priors(mean, precision, _from_pair(kept["sigma"]), group_sds)


def prior_name(density):
    """Name the prior that a log density of a standard deviation belongs to."""
    return next(n for n, known in SD_DENSITIES.items() if known is density.func)


def _as_pair(density):
    arguments = {key: float(value) for key, value in density.keywords.items()}
    return [prior_name(density), arguments]


def _from_pair(pair):
    name, arguments = pair
    return partial(SD_DENSITIES[name], **arguments)


def choose_priors(design, wanted):
    """Bambi's default priors for a design, with the user's in their place: `Priors`.

    Raises `ValueError` if a name is not in the model, or a prior has no closed form
    here.

    Notes
    -----
    The defaults are those of ``bambi.priors.scaler`` in Bambi 0.21: normal
    slopes 2.5 standard deviations of the outcome wide per standard deviation of
    the predictor, a half-normal standard deviation of that size for each group
    term, and a half-Student-t with 4 degrees of freedom for sigma. Two things
    differ from Bambi on purpose: the outcome is looked at without its offset, and
    without its weights, which Bambi throws together with it.
    """
    wanted = _as_dict(wanted)
    _refuse_unknown(design, wanted)
    mean, precision = _common_priors(design, wanted)
    default = Prior("HalfStudentT", nu=4, sigma=design.outcome_sd)
    sigma = _sd_density("sigma", wanted.get("sigma", default), 1)[0]
    group_sds = [
        [one for term in f.terms for one in _group_densities(design, term, wanted)]
        for f in design.factors
    ]
    return Priors(mean, precision, sigma, group_sds)


def _as_dict(wanted):
    if wanted is None:
        return {}
    if not isinstance(wanted, dict):
        raise ValueError(
            f"priors is {wanted!r}: give a dictionary from names of terms to priors, "
            'as in {"x": Prior("Normal", mu=0, sigma=1)}; the number of draws goes by '
            "name, as in draws=4000."
        )
    for name, prior in wanted.items():
        if not hasattr(prior, "args"):
            raise ValueError(
                f"The prior of {name} is {prior!r}, which is no prior: give a "
                'pool.Prior or a bambi.Prior, as in Prior("Normal", mu=0, sigma=1).'
            )
    return dict(wanted)


def _refuse_unknown(design, wanted):
    terms = [term.name for term in design.common]
    terms += [term.name for factor in design.factors for term in factor.terms]
    known = dict.fromkeys(["Intercept", "common", "group_specific", "sigma", *terms])
    for name in wanted:
        if name not in known:
            raise ValueError(
                f"priors names '{name}', which is no term of this model: choose from "
                f"{', '.join(known)}."
            )


def _slope_sigma(design, term):
    constant = np.flatnonzero(term.sd == 0)
    if len(constant) and term.columns == 1:
        raise ValueError(
            f"The term {term.name} is constant in this table: it cannot be told from "
            "the intercept; take it out of the formula, or give it a prior."
        )
    if len(constant):
        column, mend = constant[0], "drop the levels that no row has"
        if term.mean[column] != 0:
            mend = "it stands for the intercept that the formula leaves out; write the "
            mend += "formula with one"
        elif ":" in term.name:
            mend = "no row has that combination; leave the interaction out"
        raise ValueError(
            f"The term {term.name} has a column that is constant in this table, "
            f"{term.levels[column]}: {mend}, or give the term a prior."
        )
    return WIDTH * design.outcome_sd / term.sd


def _width(design, term, wanted):
    """Width of the default prior of a term, or of that of its standard deviation."""
    if not term.is_intercept:
        return _slope_sigma(design, term)
    # Room for the intercept of predictors that are not centred; only the terms
    # whose prior Bambi scales itself count.
    variance = (WIDTH * design.outcome_sd) ** 2
    for common in design.common:
        if common.name not in ("Intercept", *wanted) and "common" not in wanted:
            sigma = _slope_sigma(design, common)
            variance += float(((sigma * common.mean) ** 2).sum())
    return np.sqrt(variance)


def _common_priors(design, wanted):
    mean, precision = [], []
    for term in design.common:
        prior = wanted.get(term.name, wanted.get("common"))
        if prior is None:
            mu = design.outcome_mean if term.is_intercept else 0
            prior = Prior("Normal", mu=mu, sigma=_width(design, term, wanted))
        if getattr(prior, "name", None) not in ("Normal", "Flat"):
            raise ValueError(
                f"The prior of {term.name} is {getattr(prior, 'name', prior)}, and "
                "only a Normal or Flat one keeps the posterior in closed form: use "
                "Bambi for this model."
            )
        args = _arguments(term.name, prior, ["mu", "sigma"], term.columns)
        mu, sigma = args.get("mu", 0.0), args.get("sigma", 1.0)
        mu = mu - (design.shift if term.is_intercept else 0)
        flat = prior.name == "Flat"
        columns = np.ones(term.columns)
        mean.append(columns * (0 if flat else mu))
        precision.append(columns * (0 if flat else sigma**-2.0))
    if not mean:
        return np.zeros(0), np.zeros(0)
    return np.concatenate(mean), np.concatenate(precision)


def _arguments(name, prior, allowed, columns):
    args = {}
    for key, value in prior.args.items():
        if key not in allowed:
            raise ValueError(
                f"The prior of {name} has no argument {key}: choose from "
                f"{', '.join(allowed)}."
            )
        if hasattr(value, "args"):
            raise ValueError(
                f"The prior of {name} has a prior as its {key}: give it a number."
            )
        args[key] = _for_each_column(name, key, value, columns)
        if key != "mu" and not (args[key] > 0).all():
            raise ValueError(
                f"The prior of {name} is {prior!r}: its {key} must be above 0."
            )
    return args


def _for_each_column(name, key, value, columns):
    try:
        if isinstance(value, str):
            raise TypeError
        numbers = np.broadcast_to(np.asarray(value, dtype=float), columns)
        if key == "mu" and not np.isfinite(numbers).all():
            raise TypeError
    except (TypeError, ValueError):
        raise ValueError(
            f"The prior of {name} has {value!r} as its {key}: give a number"
            f"{f', or {columns} in a list' if columns > 1 else ''}."
        ) from None
    return numbers


def _group_densities(design, term, wanted):
    prior = wanted.get(term.name, wanted.get("group_specific"))
    if prior is None:
        sigma = _width(design, term, wanted)
        prior = Prior("Normal", mu=0, sigma=Prior("HalfNormal", sigma=sigma))
    family = getattr(prior, "name", prior)
    if family != "Normal" or np.any(prior.args.get("mu", 0)):
        raise ValueError(
            f"The prior of {term.name} is {family}"
            f"{' around a mean' if family == 'Normal' else ''}, and only Normal "
            "effects around 0 keep the posterior in closed form: use Bambi for this "
            "model."
        )
    sd = prior.args.get("sigma")
    if not hasattr(sd, "args"):
        raise ValueError(
            f"The prior of {term.name} fixes its standard deviation: give it one of "
            'its own, as in Prior("Normal", sigma=Prior("HalfNormal", sigma=1)).'
        )
    return _sd_density(f"{term.name}_sigma", sd, term.columns)


def _sd_density(name, prior, columns):
    if getattr(prior, "name", None) not in SD_DENSITIES:
        raise ValueError(
            f"The prior of {name} is {getattr(prior, 'name', prior)!r}: choose from "
            f"{', '.join(SD_DENSITIES)}."
        )
    allowed = list(inspect.signature(SD_DENSITIES[prior.name]).parameters)[1:]
    args = _arguments(name, prior, allowed, columns)
    each = [{key: value[i] for key, value in args.items()} for i in range(columns)]
    return [partial(SD_DENSITIES[prior.name], **one) for one in each]

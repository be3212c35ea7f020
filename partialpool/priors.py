"""Priors of a multilevel model: Bambi's defaults, or what a user puts in place."""

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
SPREADS = {
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

    Attributes
    ----------
    mean, precision : numpy.ndarray
        Of the intercept and the common columns, in the order of the design;
        shape (p,). Predictors are centred, as in Bambi, and the outcome is
        measured from the design's shift.
    sigma : callable
        Log density of the residual standard deviation, up to a constant.
    spreads : list of list of callable
        For each grouping factor, the log densities of its standard deviations.
    """

    mean: np.ndarray
    precision: np.ndarray
    sigma: object
    spreads: list


def choose_priors(design, wanted):
    """Bambi's default priors for a design, with the user's in their place.

    Parameters
    ----------
    design : partialpool.designs.Design
        Names, and the means and standard deviations of its columns.
    wanted : dict
        Term name, ``"Intercept"``, ``"common"``, ``"group_specific"`` or
        ``"sigma"`` to :class:`Prior` (or ``bambi.Prior``).

    Returns
    -------
    Priors

    Raises
    ------
    ValueError
        If a name is not in the model, or a prior has no closed form here.

    Notes
    -----
    The defaults are those of ``bambi.priors.scaler`` in Bambi 0.21: normal
    slopes 2.5 standard deviations of the outcome wide per standard deviation of
    the predictor, a half-normal spread of that size for each group term, and a
    half-Student-t with 4 degrees of freedom for sigma.
    """
    wanted = dict(wanted or {})
    _refuse_unknown(design, wanted)
    mean, precision = _common_priors(design, wanted)
    default = Prior("HalfStudentT", nu=4, sigma=design.outcome_sd)
    sigma = _spread_density("sigma", wanted.get("sigma", default), 1)[0]
    scale = _intercept_scale(design, wanted)
    spreads = [
        [
            density
            for term in factor.terms
            for density in _group_densities(design, term, wanted, scale)
        ]
        for factor in design.factors
    ]
    return Priors(mean, precision, sigma, spreads)


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


def _slope_sigma(design, sd, name):
    if np.any(sd == 0):
        raise ValueError(
            f"The term {name} is constant in this table: it cannot be told from the "
            "intercept; take it out of the formula."
        )
    return WIDTH * design.outcome_sd / sd


def _intercept_scale(design, wanted):
    # Room for the intercept of predictors that are not centred; only the terms
    # whose prior Bambi scales itself count.
    variance = (WIDTH * design.outcome_sd) ** 2
    for term in design.common:
        if term.name not in ("Intercept", *wanted) and "common" not in wanted:
            sigma = _slope_sigma(design, term.sd, term.name)
            variance += float(((sigma * term.mean) ** 2).sum())
    return np.sqrt(variance)


def _common_priors(design, wanted):
    mean, precision = [], []
    for term in design.common:
        if term.name == "Intercept":
            sigma = _intercept_scale(design, wanted)
            prior = Prior("Normal", mu=design.outcome_mean, sigma=sigma)
        else:
            sigma = _slope_sigma(design, term.sd, term.name)
            prior = wanted.get("common", Prior("Normal", mu=0, sigma=sigma))
        prior = wanted.get(term.name, prior)
        if prior.name not in ("Normal", "Flat"):
            raise ValueError(
                f"The prior of {term.name} is {prior.name}, and only a Normal or Flat "
                "one keeps the posterior in closed form: use Bambi for this model."
            )
        flat = prior.name == "Flat"
        columns = np.ones(len(term.mean))
        mu = prior.args.get("mu", 0) - (design.shift if term.is_intercept else 0)
        mean.append(columns * (0 if flat else mu))
        precision.append(columns * (0 if flat else prior.args.get("sigma", 1) ** -2.0))
    if not mean:
        return np.zeros(0), np.zeros(0)
    return np.concatenate(mean), np.concatenate(precision)


def _group_densities(design, term, wanted, intercept_scale):
    if term.is_intercept:
        scale = np.array([intercept_scale])
    else:
        scale = _slope_sigma(design, term.sd, term.name)
    default = Prior("Normal", mu=0, sigma=Prior("HalfNormal", sigma=scale))
    prior = wanted.get(term.name, wanted.get("group_specific", default))
    spread = prior.args.get("sigma")
    if prior.name != "Normal" or np.any(prior.args.get("mu", 0)):
        raise ValueError(
            f"The prior of {term.name} is {prior.name}"
            f"{' around a mean' if prior.name == 'Normal' else ''}, and only Normal "
            "effects around 0 keep the posterior in closed form: use Bambi for this "
            "model."
        )
    if not hasattr(spread, "args"):
        raise ValueError(
            f"The prior of {term.name} fixes its standard deviation: give it one of "
            'its own, as in Prior("Normal", sigma=Prior("HalfNormal", sigma=1)).'
        )
    return _spread_density(f"{term.name}_sigma", spread, len(scale))


def _spread_density(name, prior, columns):
    if getattr(prior, "name", None) not in SPREADS:
        raise ValueError(
            f"The prior of {name} is {getattr(prior, 'name', prior)!r}: choose from "
            f"{', '.join(SPREADS)}."
        )
    args = {key: np.broadcast_to(value, columns) for key, value in prior.args.items()}
    return [
        partial(SPREADS[prior.name], **{key: value[i] for key, value in args.items()})
        for i in range(columns)
    ]

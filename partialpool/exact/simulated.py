"""Parameters drawn from the priors of a model, and outcomes from the parameters."""

from dataclasses import dataclass, replace

import numpy as np

from partialpool.exact import names
from partialpool.exact.density import Marginal, depths
from partialpool.exact.design import Design
from partialpool.exact.gram import gram, log_likelihood
from partialpool.exact.importance import Sample
from partialpool.exact.posterior import CHAINS, make_tree
from partialpool.exact.priors import prior_name
from partialpool.exact.rows import Multiplier

# How each prior of a standard deviation is drawn from, by the arguments of its density.
SD_DRAWS = {
    "HalfNormal": lambda rng, sigma=1: abs(rng.normal(0, sigma)),
    "HalfStudentT": lambda rng, nu=1, sigma=1: sigma * abs(rng.standard_t(nu)),
    "HalfCauchy": lambda rng, beta=1: beta * abs(rng.standard_cauchy()),
    "Exponential": lambda rng, lam=1: rng.exponential(1 / lam),
    "Gamma": lambda rng, alpha=2, beta=0.1: rng.gamma(alpha, 1 / beta),
    "InverseGamma": lambda rng, alpha=3, beta=2: beta / rng.gamma(alpha),
    "LogNormal": lambda rng, mu=0, sigma=1: rng.lognormal(mu, sigma),
}
# The name of the one number of all parameters and data.
JOINT = "log_likelihood"


def draw_parameters(density, rng):
    """Draw all parameters from the priors of a :class:`Marginal`.

    Returns
    -------
    theta, dense, eliminated : numpy.ndarray
        As `Marginal.draw` has them, of one draw: shapes (1, size), (1, r) and (1,
        groups, effects).

    Raises
    ------
    ValueError
        If a prior is flat: nothing can be drawn from it.
    """
    priors, gram = density.priors, density.gram
    if not (priors.precision > 0).all():
        raise ValueError(
            "A prior is Flat, and nothing can be drawn from that: give the intercept "
            "and each term a Normal prior."
        )
    theta = np.zeros((1, density.size))
    theta[0, 0] = np.log(_draw_sd(priors.sigma, rng))
    for scale, densities in zip(density.scales, priors.group_sds, strict=True):
        theta[0, scale.sds] = np.log([_draw_sd(one, rng) for one in densities])
        if scale.is_correlated:
            # Canonical partial correlations of an LKJ prior, as in `density`.
            depth = depths(scale.effects)
            power = density.correlation + (scale.effects - 2 - depth) / 2
            theta[0, scale.correlations] = np.arctanh(2 * rng.beta(power, power) - 1)
    dense = np.zeros((1, density.columns))
    noise = rng.standard_normal(gram.common)
    dense[0, : gram.common] = priors.mean + noise / np.sqrt(priors.precision)
    eliminated = np.zeros((1, *gram.within.shape[:2]))
    for place, scale in zip(gram.places, density.scales, strict=True):
        lower = density.covariance_factor(theta, scale)[0]
        effects = rng.standard_normal((scale.groups, scale.effects)) @ lower.T
        if place is None:
            eliminated[0] = effects
        else:
            dense[0, place] = effects
    return theta, dense, eliminated


def _draw_sd(density, rng):
    return SD_DRAWS[prior_name(density)](rng, **density.keywords)


def expected(design, gram, dense, eliminated):
    """Expectation of each row from one draw of all parameters: shape (rows,).

    It is measured from the design's shift, as its outcome is.
    """
    mean = np.zeros(len(design.rows.n))
    ends = np.cumsum([term.columns for term in design.common])
    common = np.split(dense[0, : gram.common], ends)
    for term, values in zip(design.common, common, strict=False):
        columns = _columns(term, len(mean)) - term.mean * (not term.is_intercept)
        if not any(t.is_intercept for t in design.common):
            columns = columns + term.mean
        mean += columns @ values
    for factor, place in zip(design.factors, gram.places, strict=True):
        effects = eliminated[0] if place is None else dense[0, place]
        columns = [_columns(term, len(mean)) for term in factor.terms]
        mean += (np.concatenate(columns, axis=1) * effects[factor.codes]).sum(1)
    return mean


def _columns(term, rows):
    """Columns of a term, as they are in the table: (rows, columns)."""
    total = np.zeros((rows, term.columns)) + term.centre
    for block in term.blocks:
        matrix = block.matrix if block.codes is None else block.matrix[block.codes]
        number = 1 if block.multiplier is None else block.multiplier.value[:, None]
        total = total + matrix * number
    return total


@dataclass(frozen=True)
class Simulated:
    """A model and one outcome of its rows."""

    design: Design
    density: Marginal

    @property
    def offset(self):
        """What is to be added to the design's outcome for that of the table."""
        return self.design.rows.y.value - self.design.y.value

    def with_outcome(self, y):
        """Put another outcome in place, all else as it is."""
        design, old = replace(self.design, y=Multiplier(y - self.offset)), self.density
        density = Marginal(gram(design), old.priors, design.sizes, old.correlation)
        return Simulated(design, density)

    def numbers(self, theta, dense, eliminated):
        """Name the numbers to be ranked, in all draws: dict of (draws,)."""
        # A tree has four chains; one draw is made four.
        copies = CHAINS if len(theta) % CHAINS else 1
        parts = [np.repeat(part, copies, axis=0) for part in (theta, dense, eliminated)]
        drawn = Sample(parts[0], len(theta), 0.0, "importance")
        density = self.density
        tree = make_tree(self.design, density.gram, density, drawn, *parts[1:])
        found = _flatten(tree["posterior"].to_dataset())
        sigma = np.exp(parts[0][:, 0])
        found[JOINT] = log_likelihood(density.gram, *parts[1:], sigma)
        for i, factor in enumerate(self.design.factors):
            if factor.columns > 1 and len(factor.levels) > 2:
                place = density.gram.places[i]
                effects = parts[2] if place is None else parts[1][:, place]
                name = f"correlation of effects of {factor.name}"
                found[name] = _correlate(effects[:, :, 0], effects[:, :, 1])
        return {name: values[::copies] for name, values in found.items()}


def _correlate(a, b):
    a, b = (part - part.mean(1, keepdims=True) for part in (a, b))
    return (a * b).sum(1) / np.sqrt((a**2).sum(1) * (b**2).sum(1))


def _flatten(posterior):
    """Draws of each number of a posterior, of effects only the first group's."""
    found = {}
    for name, values in posterior.data_vars.items():
        dims = [dim for dim in values.dims if dim not in names.STEPS]
        draws = posterior.sizes["chain"] * posterior.sizes["draw"]
        for place in np.ndindex(*(values.sizes[dim] for dim in dims)):
            at = dict(zip(dims, place, strict=True))
            if any(d.endswith("__factor_dim") and at[d] for d in dims):
                continue
            label = ", ".join(str(values.indexes[d][i]) for d, i in at.items())
            key = f"{name}[{label}]" if dims else str(name)
            found[key] = values.isel(at).to_numpy().reshape(draws)
    return found

"""Spread: the posterior of the standard deviations of random intercepts."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from partialpool.exact.priors import SD_DENSITIES
from partialpool.poolings.intercepts import at_ratio
from partialpool.poolings.mixture import quantile, weighted_quantiles

# Nodes of the quadrature over the ratio of the two standard deviations and over the
# one within groups; the search for where to put the first stops where the density has
# fallen by e^-DROP.
NODES, SD_NODES, SEARCH, ZOOMS, DROP = 20, 11, 20, 3, 12.0
# Points at which quantiles of a standard deviation are read off.
FINE = 121
# Degrees of freedom of Bambi's prior for the standard deviation within groups.
PRIOR_DF = 4

# Kept, as for one small table finding the nodes is a third of the work.
legendre = cache(np.polynomial.legendre.leggauss)
hermite = cache(np.polynomial.hermite.hermgauss)


@dataclass(frozen=True)
class Spread:
    """The posterior of both standard deviations, as weighted nodes.

    Attributes
    ----------
    given : partialpool.poolings.intercepts.Given
        The fit at each ratio; D data sets, K nodes.
    weight : numpy.ndarray
        Posterior weight of each ratio, shape (D, K).
    log_sd, share : numpy.ndarray
        Log of the standard deviation within groups at each node, and its posterior
        weight there; shape (D, K, S).
    edges : numpy.ndarray or None
        Ends of the range of the ratio's inverse hyperbolic sine, shape (2, D).
    unit : numpy.ndarray
        Unit of the ratio on that scale; shape (D,).
    """

    given: object
    weight: np.ndarray
    log_sd: np.ndarray
    share: np.ndarray
    edges: np.ndarray | None
    unit: np.ndarray

    @property
    def known(self):
        """Whether the standard deviation within groups was given."""
        return self.log_sd.shape[2] == 1

    def power(self, exponent):
        """Mean of a power of the sd within groups at each ratio: shape (D, K)."""
        return (self.share * np.exp(exponent * self.log_sd)).sum(2)

    def student(self):
        """Scale and degrees of freedom of means, their variances integrated out.

        Returns
        -------
        scale : numpy.ndarray
            Shape (D, K), for a variance of 1 over that within groups.
        df : numpy.ndarray or None
            Shape (D, K); None where that variance is known.
        """
        if self.known:
            return self.power(1), None
        precision = self.power(-2)
        variance = self.power(-4) - precision**2
        return precision**-0.5, 2 * precision**2 / np.maximum(variance, 1e-300)

    def describe(self, centre, variance, probs):
        """Describe means that are normal given the two standard deviations.

        Parameters
        ----------
        centre, variance : numpy.ndarray
            Shape (D, K, J); the variance is over that within groups.
        probs : sequence of float

        Returns
        -------
        list of numpy.ndarray
            Mean, standard deviation and the quantiles, each of shape (D, J).
        """
        weight = self.weight[..., None]
        mean = (weight * centre).sum(1)
        about = (centre - mean[:, None]) ** 2
        square = (weight * (self.power(2)[..., None] * variance + about)).sum(1)
        scale, df = self.student()
        scale = scale[..., None] * np.sqrt(variance)
        ends = [quantile(p, self.weight, centre, scale, df) for p in probs]
        return [mean, np.sqrt(square), *ends]

    def moments(self, between):
        """Mean and sd of one of the standard deviations; shapes (D,)."""
        ratio = self.given.ratio if between else np.ones_like(self.given.ratio)
        mean = (self.weight * ratio * self.power(1)).sum(1)
        square = (self.weight * ratio**2 * self.power(2)).sum(1)
        return mean, np.sqrt(np.maximum(square - mean**2, 0))

    def quantiles(self, probs, between):
        """Quantiles of one of the standard deviations: a list of (D,)."""
        if self.edges is None or (self.known and not between):
            value = self.moments(between)[0]
            return [value for _ in probs]
        if not between:
            mean, sd = self._log_moments()
            logs = mean[..., None], sd[..., None]
            return [np.exp(quantile(p, self.weight, *logs)[:, 0]) for p in probs]
        values, weight = (part.reshape(len(part), -1) for part in self._finely())
        return weighted_quantiles(probs, values, weight)

    def _log_moments(self):
        mean = (self.share * self.log_sd).sum(2)
        variance = (self.share * (self.log_sd - mean[..., None]) ** 2).sum(2)
        return mean, np.sqrt(variance)

    def _finely(self):
        """Read the nodes' polynomial at many more points: sds between, and weights."""
        place, smooth = read_finely(NODES)
        weight = np.maximum((self.weight / legendre(NODES)[1]) @ smooth.T, 0)
        low, high = self.edges
        ratio = self.unit[:, None] * np.sinh(put_between(low, high, place))
        if self.known:
            return ratio * np.exp(self.log_sd[:, :1, 0]), weight
        z, share = np.polynomial.hermite_e.hermegauss(7)
        mean, sd = (part @ smooth.T for part in self._log_moments())
        inner = np.exp(mean[..., None] + sd[..., None] * z)
        return ratio[..., None] * inner, weight[..., None] * share


@cache
def read_finely(count):
    """Many places from -1 to 1, and the matrix that takes a polynomial there."""
    place = np.linspace(-1, 1, FINE)
    return place, interpolate(legendre(count)[0], place)


def interpolate(nodes, place):
    """Matrix that takes a polynomial from its nodes to other places."""
    degree = len(nodes) - 1
    vander = np.polynomial.legendre.legvander
    return vander(place, degree) @ np.linalg.inv(vander(nodes, degree))


def log_sigma_prior(sigma, scale):
    """Log density of Bambi's prior of the sd within groups, up to a constant."""
    return SD_DENSITIES["HalfStudentT"](sigma, PRIOR_DF, scale)


def put_between(low, high, places):
    """Put places between -1 and 1 between two ends, along a new last axis."""
    low, high = low[..., None], high[..., None]
    return low + (high - low) * (places + 1) / 2


def span(kept, places):
    """First and last place kept along the last axis, and a step more on each side."""
    step = places[..., 1] - places[..., 0]
    last = places.shape[-1] - 1 - kept[..., ::-1].argmax(-1)
    ends = [
        np.take_along_axis(places, at[..., None], -1)[..., 0]
        for at in (kept.argmax(-1), last)
    ]
    return [ends[0] - step, ends[1] + step]


def integrate(sums, tau_scale, sigma_scale=None):
    """Integrate the two standard deviations by quadrature.

    Parameters
    ----------
    sums : partialpool.poolings.intercepts.GroupSums
        Of D data sets.
    tau_scale : numpy.ndarray
        Standard deviation of the half-normal prior of the one between groups, (D,).
    sigma_scale : numpy.ndarray, optional
        Scale of a half-Student-t prior with 4 degrees of freedom of the one within
        groups, shape (D,). None if it is known to be 1.

    Returns
    -------
    Spread

    Notes
    -----
    Coefficients have a flat prior and are integrated out in closed form. The ratio of
    the two standard deviations runs over Gauss-Legendre nodes on a scale that is
    linear near zero and logarithmic far from it; given the ratio, the log of the
    standard deviation within groups over Gauss-Hermite nodes about its mode.
    """
    seen = np.where(sums.n > 0, sums.n, np.nan)
    unit = 1 / np.sqrt(np.nanmedian(seen, axis=1))
    within = np.ones(len(unit))
    if sigma_scale is not None:
        within = np.sqrt(
            sums.within[:, -1, -1] / np.maximum(sums.rows - sums.groups, 1)
        )
        within = np.maximum(within, 1e-3 * sigma_scale)
    low, high = np.zeros(len(unit)), np.arcsinh(20 * tau_scale / (within * unit))
    place = np.linspace(0, 1, SEARCH)
    for _ in range(ZOOMS):
        t = low[:, None] + (high - low)[:, None] * place
        log = _log_density(sums, unit, t, tau_scale, sigma_scale)[0]
        kept = log > log.max(1, keepdims=True) - DROP
        low, high = span(kept, t)
        low = np.maximum(low, 0)
    nodes, steps = legendre(NODES)
    t = put_between(low, high, nodes)
    log, given, log_sd, share = _log_density(sums, unit, t, tau_scale, sigma_scale)
    weight = np.exp(log - log.max(1, keepdims=True)) * steps
    weight /= weight.sum(1, keepdims=True)
    return Spread(given, weight, log_sd, share, np.array([low, high]), unit)


def fix(sums, tau, sigma):
    """Take both standard deviations as known: one node; arguments of shape (D,)."""
    given = at_ratio(sums, (tau / sigma)[:, None])
    one = np.ones((len(tau), 1))
    log_sd = np.log(sigma)[:, None, None]
    return Spread(given, one, log_sd, one[..., None], None, tau)


def _log_density(sums, unit, t, tau_scale, sigma_scale):
    ratio = unit[:, None] * np.sinh(t)
    given = at_ratio(sums, ratio)
    base = -0.5 * given.log_det + np.log(np.cosh(t))
    tau = tau_scale[:, None]
    if sigma_scale is None:
        base = base - 0.5 * given.squares - 0.5 * (ratio / tau) ** 2
        nothing = np.zeros((*t.shape, 1))
        return base, given, nothing, nothing + 1
    # The density of the log, so that one power of sigma comes from each of the two.
    free = sums.rows[:, None] - given.rank - 2
    powers = np.maximum(free, 1)
    # Where groups hold nothing but their means, the prior alone bounds sigma below.
    floor = (1e-3 * sigma_scale[:, None]) ** 2
    x, share = hermite(SD_NODES)
    middle = 0.5 * np.log(np.maximum(given.squares / powers, floor))
    wide = 1.2 / np.sqrt(2 * powers)
    log_sd = middle[..., None] + wide[..., None] * np.sqrt(2) * x
    sd = np.exp(log_sd)
    each = (
        np.log(share)
        + x**2
        - free[..., None] * log_sd
        - 0.5 * given.squares[..., None] / sd**2
        + log_sigma_prior(sd, sigma_scale[:, None, None])
        - 0.5 * (ratio[..., None] * sd / tau[..., None]) ** 2
    )
    top = each.max(2, keepdims=True)
    shares = np.exp(each - top)
    total = shares.sum(2, keepdims=True)
    log = base + (top + np.log(total))[..., 0] + np.log(wide)
    return log, given, log_sd, shares / total

"""Calibration: do true values rank evenly among the draws of a model's posterior?"""

import warnings
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
import scipy

from partialpool.exact.design import read_design
from partialpool.exact.fit import (
    SlowerMethodWarning,
    check_options,
    draw_sds,
    marginal,
    one_thread,
)
from partialpool.exact.predict import generator
from partialpool.exact.simulated import JOINT, Simulated, draw_parameters, expected
from partialpool.exact.table import hold_cells
from partialpool.faults import TableError
from partialpool.progress import Progress
from partialpool.scores import check_prob

# Points at which the distribution of ranks is looked at, and simulated data sets behind
# the band around it.
POINTS, SIMULATIONS = 100, 20_000
# Draws that are made for each one that is used.
MORE = 5


@dataclass(frozen=True)
class Calibration:
    """Ranks of true values among posterior draws, over many simulated data sets.

    Attributes
    ----------
    ranks : pandas.DataFrame
        One row a data set, one column a quantity: how many of the draws lie below the
        true value, from 0 to `draws`.
    draws : int
        Draws of each posterior.
    ci_prob : float
        Probability that a right model stays inside the bands with all quantities.
    """

    ranks: pd.DataFrame
    draws: int
    ci_prob: float

    @property
    def table(self):
        """One row a quantity, the worst first.

        Columns ``farthest`` (largest distance of the ranks' ECDF from the diagonal),
        ``p`` (how often ranks of a right model come out so far from it somewhere),
        ``inside`` (whether the ECDF stays in the band) and ``reading`` (in words, of a
        posterior outside it: too high, too low, too narrow, too wide).
        """
        at, chance = _points(self.draws)
        extreme = _simulate_extremes(len(self.ranks), self.draws)
        rows = {}
        for name, ranks in self.ranks.items():
            counts = (ranks.to_numpy()[:, None] <= at).sum(0)
            strange = _strangeness(counts, len(ranks), chance)
            p = (1 + (extreme <= strange * (1 + 1e-9)).sum()) / (1 + len(extreme))
            inside = p > self._tail
            rows[name] = {
                "farthest": np.abs(counts / len(ranks) - chance).max(),
                "p": p,
                "inside": inside,
                "reading": "as it should be" if inside else self._read(ranks),
            }
        table = pd.DataFrame.from_dict(rows, orient="index")
        return table.sort_values(["p", "farthest"], ascending=[True, False])

    @property
    def passed(self):
        """Whether every quantity stays inside its band."""
        return bool(self.table["inside"].all())

    @property
    def tree(self):
        """The ranks as ArviZ takes them, between 0 and 1, in the group ``prior_sbc``.

        For ``azp.plot_ecdf_pit(calibration.tree)`` and others of its kind.
        """
        import xarray as xr

        shares = (self.ranks + 0.5) / (self.draws + 1)
        dims = ("chain", "draw")
        data = {name: (dims, shares[[name]].to_numpy().T) for name in shares}
        coords = {"chain": [0], "draw": np.arange(len(shares))}
        return xr.DataTree.from_dict({"prior_sbc": xr.Dataset(data, coords)})

    def band(self):
        """The simultaneous band around the diagonal.

        Returns
        -------
        pandas.DataFrame
            Columns ``low`` and ``high``: how far the ECDF of the ranks may lie from the
            diagonal, by the share of draws, which is the index.
        """
        _, chance = _points(self.draws)
        count = len(self.ranks)
        tail = np.quantile(_simulate_extremes(count, self.draws), self._tail) / 2
        ends = {"low": tail, "high": 1 - tail}
        away = {
            k: scipy.stats.binom.ppf(q, count, chance) / count for k, q in ends.items()
        }
        index = pd.Index(chance, name="share of draws")
        return pd.DataFrame(away, index).sub(chance, axis=0)

    def plot(self, quantities=None, ax=None):
        """Draw the ECDF of the ranks less the diagonal, with the simultaneous band.

        Parameters
        ----------
        quantities : list of str, optional
            Which to name; all others are grey. By default those outside the band.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        matplotlib.axes.Axes
        """
        import matplotlib.pyplot as plt

        ax = plt.subplots()[1] if ax is None else ax
        table, band = self.table, self.band()
        if quantities is None:
            quantities = table.index[~table["inside"]]
        at, chance = _points(self.draws)
        ax.fill_between(
            band.index, band["low"], band["high"], color="0.9", label="band"
        )
        ax.axhline(0, color="0.6", lw=1)
        for name in [*self.ranks.columns.difference(quantities), *quantities]:
            away = (self.ranks[name].to_numpy()[:, None] <= at).mean(0) - chance
            named = {"label": name, "lw": 2} if name in quantities else {}
            plain = {} if named else {"color": "0.5", "lw": 0.8}
            ax.plot(chance, away, **named, **plain)
        ax.set(
            xlabel="Share of draws below the true value",
            ylabel="ECDF of the ranks less the diagonal",
        )
        return ax

    @property
    def _tail(self):
        # All quantities together: by Bonferroni.
        return (1 - self.ci_prob) / self.ranks.shape[1]

    def _read(self, ranks):
        u, count = (ranks.to_numpy() + 0.5) / (self.draws + 1), len(ranks)
        # In standard errors of the mean and the variance of a uniform sample.
        level = (u.mean() - 0.5) * np.sqrt(12 * count)
        spread = (u.var() - 1 / 12) * np.sqrt(180 * count)
        if abs(level) > abs(spread):
            return "too low" if level > 0 else "too high"
        return "too narrow" if spread > 0 else "too wide"


def _points(draws):
    """Ranks at which to look, and the chance of one as low or lower."""
    at = np.unique(np.linspace(0, draws - 1, POINTS).round().astype(int))
    return at, (at + 1) / (draws + 1)


def _strangeness(counts, total, chance):
    """The least of the two-sided tail probabilities of counts, along the last axis."""
    below = scipy.stats.binom.cdf(counts, total, chance)
    above = scipy.stats.binom.sf(counts - 1, total, chance)
    return 2 * np.minimum(below, above).min(-1)


@cache
def _simulate_extremes(total, draws):
    """The same for ranks that are uniform, many times over: (SIMULATIONS,).

    Säilynoja, Bürkner and Vehtari (2022): the band is pointwise, at the probability at
    which as many uniform samples leave it somewhere as is wanted.
    """
    rng, (_, chance) = np.random.default_rng(total), _points(draws)
    steps = np.diff(np.concatenate([[0], chance, [1]]))
    counts = rng.multinomial(total, steps, size=SIMULATIONS)[:, :-1].cumsum(1)
    # A count can only be one of a few: look its tails up.
    every = np.arange(total + 1)[:, None]
    tails = np.minimum(
        scipy.stats.binom.cdf(every, total, chance),
        scipy.stats.binom.sf(every - 1, total, chance),
    )
    return 2 * tails[counts, np.arange(len(chance))].min(1)


def rank_truths(simulate, fit, *, n=200, ci_prob=0.95, seed=None, progress=False):
    """Rank true values among posterior draws: simulation-based calibration.

    Parameters
    ----------
    simulate : callable
        Takes a random generator; draws parameters from their priors and data from the
        parameters; returns the data and a dictionary from names to true numbers.
    fit : callable
        Takes the data and a random generator; returns a dictionary from the same names
        to posterior draws, each of shape (draws,), as independent as can be: thin
        those of a sampler. Names that only one of the two gives are left out.
    n : int
        Number of data sets.
    ci_prob : float
        Probability that a right model stays inside the bands with all quantities.
    seed : int or numpy.random.Generator, optional
        Source of all randomness.
    progress : bool
        Say on the standard error stream how far it is, if it takes long.

    Returns
    -------
    Calibration

    Raises
    ------
    ValueError
        If `n` is below 20, no name is in both, or their draws differ in number.

    Notes
    -----
    If parameters come from the prior, they are draws from the posterior given the data
    made from them: Talts, Betancourt, Simpson, Vehtari and Gelman (2018), arXiv
    1804.06788.

    Examples
    --------
    A normal mean with a normal prior, and the posterior in closed form:

    >>> import numpy as np
    >>> def simulate(rng):
    ...     mean = rng.normal()
    ...     return rng.normal(mean, 1, 4), {"mean": mean}
    >>> def fit(y, rng):
    ...     return {"mean": rng.normal(y.sum() / 5, 5**-0.5, 400)}
    >>> rank_truths(simulate, fit, n=100, seed=1).passed
    True
    """
    check_prob(ci_prob)
    if not n >= 20:
        raise ValueError(f"n is {n!r}: ranks of 20 data sets are the fewest to judge.")
    counted = Progress("data sets", wanted=progress)
    ranks, sizes = [], set()
    for rng in generator(seed).spawn(int(n)):
        data, truth = simulate(rng)
        draws = fit(data, rng)
        shared = {k: np.ravel(draws[k]) for k in truth if k in draws}
        sizes |= {len(each) for each in shared.values()}
        ranks.append({k: int((each < truth[k]).sum()) for k, each in shared.items()})
        counted.advance(1)
    if len(sizes) != 1:
        raise ValueError(
            "simulate and fit name nothing in common: give both the same names."
            if not sizes
            else f"Quantities have {min(sizes)} to {max(sizes)} draws: give as many of "
            "each."
        )
    return Calibration(pd.DataFrame(ranks), sizes.pop(), ci_prob)


def calibrate(
    formula,
    data,
    priors=None,
    *,
    n=200,
    draws=400,
    correlated=False,
    lkj=2.0,
    residuals=None,
    fit_with=None,
    ci_prob=0.95,
    seed=None,
    progress=True,
):
    """Check a model of :func:`~partialpool.exact.fit` by simulation-based calibration.

    Parameters are drawn from their priors, outcomes from the parameters for the rows
    at hand, and the posterior from the outcomes, `n` times. If all is right, the rank
    of each true value among the draws is uniform.

    Parameters
    ----------
    formula : str
        As for :func:`~partialpool.exact.fit`.
    data : pandas.DataFrame
        The design: rows with the predictors and groups. Its outcome serves only to
        scale default priors, which are then held fixed.
    priors, correlated, lkj
        Of the simulation and of the fit, as for :func:`~partialpool.exact.fit`.
    n : int
        Number of data sets.
    draws : int
        Draws of each posterior.
    residuals : callable, optional
        Takes a random generator and a number of rows and returns residuals in units of
        sigma, to simulate another likelihood; standard normal by default.
    fit_with : dict, optional
        Arguments of :func:`~partialpool.exact.fit` that shall differ from those of the
        simulation, to plant a wrong model: ``{"correlated": False}``, ``{"priors":
        …}``, ``{"lkj": …}`` or ``{"formula": …}``.
    ci_prob : float
        Probability that a right model stays inside the bands with all quantities.
    seed : int or numpy.random.Generator, optional
        Source of all randomness.
    progress : bool
        Say on the standard error stream how far it is, if it takes long.

    Returns
    -------
    Calibration
        Its quantities are the numbers of the posterior, named as there; of effects
        those of the first group; ``correlation of effects``, the sample correlation of
        the first two effects over the groups of a factor; and ``log_likelihood``, a
        number of all parameters and data together (Modrák and others 2023), where the
        two models have one formula.

    Raises
    ------
    FormulaError, TableError, ValueError
        As :func:`~partialpool.exact.fit`; or if the data are cells, a row has a
        weight, a prior is flat, or `fit_with` names something else.

    Examples
    --------
    >>> import partialpool as pool
    >>> table, truth = pool.simulate_groups(8, sizes=(3, 9), seed=1)
    >>> found = pool.calibrate("y ~ 1 + (1|group)", table, n=40, draws=100, seed=1)
    >>> found.passed
    True
    """
    from formulae.environment import Environment

    environment = Environment.capture(1)
    check_options(draws, lkj)
    planted = _check_planted(fit_with)
    truth = {"formula": formula, "priors": priors, "correlated": correlated, "lkj": lkj}
    source = _read_model(data, environment, **truth)
    judged = _read_model(data, environment, **truth | planted)
    residuals = residuals or (lambda rng, size: rng.standard_normal(size))
    same = source.design.recipe.formula == judged.design.recipe.formula

    def simulate(rng):
        theta, *effects = draw_parameters(source.density, rng)
        mean = expected(source.design, source.density.gram, *effects)
        y = mean + np.exp(theta[0, 0]) * residuals(rng, len(mean))
        values = source.with_outcome(y + source.offset).numbers(theta, *effects)
        return y + source.offset, {k: v[0] for k, v in values.items()}

    def fit(y, rng):
        model = judged.with_outcome(y)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SlowerMethodWarning)
            many = MORE * draws
            drawn = draw_sds(model.density, many, rng, model.design, progress=False)
        # A few of many, since copies of one draw would make ranks uneven at the ends.
        theta = rng.permutation(drawn.draws)[:draws]
        values = model.numbers(theta, *model.density.draw(theta, rng))
        return values if same else {k: v for k, v in values.items() if k != JOINT}

    with one_thread():
        return rank_truths(
            simulate, fit, n=n, ci_prob=ci_prob, seed=seed, progress=progress
        )


def _check_planted(fit_with):
    known = ("formula", "priors", "correlated", "lkj")
    for name in fit_with or {}:
        if name not in known:
            raise ValueError(
                f"fit_with names {name!r}: choose from {', '.join(known)}."
            )
    return dict(fit_with or {})


def _read_model(data, environment, formula, priors, correlated, lkj):
    design = read_design(formula, data, environment)
    if hold_cells(data, design.rows.outcome):
        raise TableError(
            "Calibration simulates an outcome for each row, and these are cells: give "
            "the table that they were collapsed from, or a sample of it."
        )
    if design.rows.weights is not None:
        raise TableError(
            "weighted() says how often a row counts, not how an outcome comes about: "
            "leave it out to calibrate the model."
        )
    return Simulated(design, marginal(design, priors, correlated, lkj))

"""Calibration: do true values rank evenly among the draws of a model's posterior?"""

from dataclasses import dataclass

import pandas as pd


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
        ``p`` (probability that a right model strays so far from it somewhere, relative
        to the band), ``inside`` (whether it stays in the band) and ``reading`` (in
        words: too high, too low, too narrow, too wide).
        """
        raise NotImplementedError

    @property
    def passed(self):
        """Whether every quantity stays inside its band."""
        raise NotImplementedError

    @property
    def tree(self):
        """The ranks as ArviZ takes them: ``azp.plot_ecdf_pit(calibration.tree)``."""
        raise NotImplementedError

    def plot(self, quantities=None, ax=None):
        """Draw the ECDF of the ranks less the diagonal, with the simultaneous band.

        Parameters
        ----------
        quantities : list of str, optional
            Which to draw; all by default.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        matplotlib.axes.Axes
        """
        raise NotImplementedError


def rank_truths(simulate, fit, *, n=200, ci_prob=0.95, seed=None):
    """Rank true values among posterior draws: simulation-based calibration.

    Parameters
    ----------
    simulate : callable
        Takes a random generator; draws parameters from their priors and data from the
        parameters; returns the data and a dictionary from names to true numbers.
    fit : callable
        Takes the data and a random generator; returns a dictionary from the same names
        to posterior draws, each of shape (draws,), as independent as can be: thin
        those of a sampler. Names that `simulate` does not give are left out.
    n : int
        Number of data sets.
    ci_prob : float
        Probability that a right model stays inside the bands with all quantities.
    seed : int or numpy.random.Generator, optional
        Source of all randomness.

    Returns
    -------
    Calibration
    """
    raise NotImplementedError


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
    """Check a model of :func:`~partialpool.fit` by simulation-based calibration.

    Parameters are drawn from their priors, outcomes from the parameters for the rows
    at hand, and the posterior from the outcomes, `n` times. If all is right, the rank
    of each true value among the draws is uniform.

    Parameters
    ----------
    formula : str
        As for :func:`~partialpool.fit`.
    data : pandas.DataFrame
        The design: rows with the predictors and groups. Its outcome serves only to
        scale default priors, which are then held fixed.
    priors, correlated, lkj
        Of the simulation, as for :func:`~partialpool.fit`; and of the fit as well.
    n : int
        Number of data sets.
    draws : int
        Draws of each posterior.
    residuals : callable, optional
        Takes a random generator and a number of rows and returns residuals in units of
        sigma, to simulate another likelihood; standard normal by default.
    fit_with : dict, optional
        Arguments of :func:`~partialpool.fit` that shall differ from those of the
        simulation, to plant a wrong model: ``{"correlated": False}``, ``{"priors":
        …}`` or ``{"formula": …}``.
    ci_prob : float
        Probability that a right model stays inside the bands with all quantities.
    seed : int or numpy.random.Generator, optional
        Source of all randomness.
    progress : bool
        Say on the standard error stream how far it is, if it takes long.

    Returns
    -------
    Calibration
    """
    raise NotImplementedError

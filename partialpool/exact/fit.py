"""Fits: from a formula and a table to the exact posterior."""

import warnings
from functools import cache
from numbers import Real

import numpy as np

from partialpool.cells.dropped import RowsDropped, describe
from partialpool.exact import structure
from partialpool.exact.density import Marginal
from partialpool.exact.design import read_design
from partialpool.exact.formula import FormulaError
from partialpool.exact.gram import gram
from partialpool.exact.importance import sample
from partialpool.exact.mode import ModeError
from partialpool.exact.names import check_names
from partialpool.exact.posterior import CHAINS, make_tree
from partialpool.exact.predict import generator
from partialpool.exact.priors import choose_priors
from partialpool.progress import Progress

# Multiplications for all draws, above which a fit makes do with fewer distinct values
# of the standard deviations, each with several draws of the effects; and above which
# it may take seconds.
DEAR, FEWER, LONG = 2e10, 1000, 1e9


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
    missing="refuse",
    seed=None,
    progress=True,
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
    missing : {"refuse", "drop"}
        What to do with rows that lack a value of a column in the formula.
    seed : int or numpy.random.Generator, optional
        Source of all randomness.
    progress : bool
        Say on the standard error stream how long a fit will take and how far it is,
        if that is more than some seconds.

    Returns
    -------
    xarray.DataTree
        Group ``posterior`` with Bambi's variables and dimensions, in the units
        of the outcome, and with ``correlated`` also ``<factor>_correlation``.
        Of nested groups only those that occur are there. A slash in a name, as of
        ``I(pay / 1000)``, is written ``÷``, since a tree needs slashes for itself.
        Attributes: ``formula``, ``method`` (``importance`` or
        ``metropolis``), ``effective_draws``, ``pareto_k`` (of the importance
        weights: below 0.7), ``rows``. Where one evaluation of the density takes
        long, the standard deviations take some 1,000 distinct values, each with
        several draws of the effects: ``effective_draws`` says so.

    Raises
    ------
    FormulaError
        If the model is not Gaussian and linear: the message says which part.
    TableError
        If a column is absent or does not fit its role, or two variables of the
        posterior would have one name.
    ValueError
        If a prior does not fit the formula, or the posterior cannot be drawn.

    Warns
    -----
    RowsDropped
        With the counts, if rows were dropped.
    StructureWarning
        If the table tells little of some part of the model: a factor of one group,
        one row in each group, few groups for correlations, terms that say the same.
    SlowerMethodWarning
        If the importance weights were too uneven and Metropolis chains, as
        exact but slower, took over.

    Notes
    -----
    The posterior depends on the rows only through sums of products (their Gram
    matrix), long known; see Searle, Casella and McCulloch (1992), *Variance
    Components*, for the closed forms and the module ``density``
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

    _check(family, draws, lkj, missing)
    rng = generator(seed)
    design = read_design(formula, data, Environment.capture(1), missing=missing)
    if (rows := design.rows).dropped:
        dropped = {"rows": rows.lost, "missing": rows.dropped, "suppressed": {}}
        text = describe(dropped, rows.count, rows.outcome)
        warnings.warn(text, RowsDropped, stacklevel=2)
    with one_thread():
        density = marginal(design, priors, correlated, lkj)
        structure.warn_of_structure(design, density.gram, correlated)
        drawn = draw_sds(density, draws, rng, design, progress)
        dense, eliminated = density.draw(drawn.draws, rng)
    return make_tree(design, density.gram, density, drawn, dense, eliminated)


def marginal(design, priors, correlated, lkj):
    """Sum the columns of a design, and choose the priors: a `Marginal`."""
    check_names(design, correlated)
    chosen = choose_priors(design, priors)
    return Marginal(gram(design), chosen, design.sizes, lkj if correlated else None)


def one_thread():
    """Keep BLAS to one thread: for small matrices more cost more than they bring."""
    return _blas().limit(limits=1, user_api="blas")


@cache
def _blas():
    """Find the BLAS libraries once: looking for them takes milliseconds."""
    import scipy.linalg  # noqa: F401  # it brings a library of its own
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _check(family, draws, lkj, missing):
    if str(family).lower() not in ("gaussian", "normal"):
        raise FormulaError(
            f"The family {family} has no closed form, only the Gaussian one has: use "
            f'bambi.Model(formula, data, family="{family}") for this model.'
        )
    check_options(draws, lkj)
    if missing not in ("refuse", "drop"):
        raise ValueError(
            f"missing is {missing!r}: give 'refuse', or 'drop' to drop and count the "
            "rows."
        )


def check_options(draws, lkj):
    """Refuse a number of draws or a concentration that makes no sense."""
    if not isinstance(draws, Real) or not draws > 0 or draws % CHAINS:
        raise ValueError(
            f"draws is {draws!r}: give a multiple of {CHAINS} above 0, since they come "
            f"in {CHAINS} chains."
        )
    if not isinstance(lkj, Real) or not lkj > 0:
        raise ValueError(f"lkj is {lkj!r}: give a number above 0.")


def draw_sds(density, draws, rng, design, progress):
    """Draw the standard deviations of a fit, or say what stands in the way."""
    counted = Progress("evaluations of the density", wanted=progress)
    distinct = _afford(density, draws, counted)

    def log_density(theta):
        counted.advance(len(theta))
        return density.log_density(theta)

    try:
        drawn = sample(log_density, density.start(), draws, rng, distinct=distinct)
    except ModeError as error:
        raise ValueError(structure.explain_failure(error, design)) from None
    if drawn.method != "importance":
        warnings.warn(
            "The importance weights were too uneven, as they can be with few groups "
            "and many standard deviations: the draws come from Metropolis chains, as "
            f"exact but slower, and are worth {drawn.effective:,.0f} independent ones.",
            SlowerMethodWarning,
            stacklevel=3,
        )
    structure.refuse_no_remainder(np.exp(drawn.draws[:, 0]), design)
    return drawn


def _afford(density, draws, progress):
    """Say how many distinct draws are affordable, and before the work if it is long."""
    # By what there is to do, not by the clock: a seed must settle the draws.
    distinct = min(draws, FEWER) if density.work * draws > DEAR else draws
    # The search for the mode, pilot draws, weighted draws, and a matrix for each.
    evaluations = 20 * density.size**2 + 400 + 2.5 * distinct
    if density.work * evaluations > LONG:
        seconds = density.seconds()
        progress.expect(
            seconds * evaluations,
            f"some {evaluations:,.0f} evaluations with {density.size} standard "
            f"deviations, {1000 * seconds:,.1f} milliseconds each",
        )
    return distinct

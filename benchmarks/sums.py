"""Sums of products as the package makes them, for benchmarks with uses of their own.

They also give the point estimates that the exact posterior is to be measured against.

The only place here that looks inside the package. It imports late, so that the race
does not count the package into the memory of entrants that go without it.
"""


def read_sums(formula, cells):
    """Read a formula as the package does: the design, and its sums of products."""
    from formulae.environment import Environment

    from partialpool.exact.design import read_design
    from partialpool.exact.gram import gram

    design = read_design(formula, cells, Environment.capture(0))
    return design, gram(design)


def sum_up(formula, cells):
    """Sums of products of a model, and the density of its standard deviations."""
    from partialpool.exact.density import Marginal
    from partialpool.exact.priors import choose_priors

    design, sums = read_sums(formula, cells)
    return sums, Marginal(sums, choose_priors(design, None), design.sizes)


def solve_reml(formula, cells):
    """Fit a multilevel model by restricted maximum likelihood (REML), from sums.

    With flat priors on coefficients and standard deviations, the density of the
    standard deviations is the restricted likelihood: its mode is what lme4 finds.

    Returns
    -------
    estimates, errors : numpy.ndarray
        Of the common coefficients, and their standard errors; shape (p,).
    sds : numpy.ndarray
        Residual standard deviation, then those of the factors' effects.
    """
    import numpy as np

    from partialpool.exact.density import Marginal
    from partialpool.exact.mode import find_mode
    from partialpool.exact.priors import Priors

    design, sums = read_sums(formula, cells)
    zeros = np.zeros(sums.common)
    flat = [[_flat] * effects for _, effects in design.sizes]
    marginal = Marginal(sums, Priors(zeros, zeros, _flat, flat), design.sizes)
    theta, _ = find_mode(marginal.log_density, marginal.start())
    factor, _ = marginal._factorise(theta[None])
    # The mean alone, then moved by each column of the root of the covariance.
    size = marginal.columns
    noise = np.vstack([np.zeros(size), np.exp(theta[0]) * np.eye(size)])
    mean, *moved = factor.draw(np.zeros(size + 1, int), noise)[:, : sums.common]
    estimates, roots = mean.copy(), np.array(moved) - mean
    # Predictors are centred, which changes the intercept alone.
    roots[:, 0] -= roots @ design.means
    estimates[0] += design.shift - design.means @ mean
    return estimates, np.sqrt((roots**2).sum(0)), np.exp(theta)


def _flat(sd):
    """Log of a flat density, less what the density adds for working in logs."""
    import numpy as np

    return -np.log(sd)

"""Sums of products as the package makes them, for benchmarks with uses of their own.

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

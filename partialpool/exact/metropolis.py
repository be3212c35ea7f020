"""Draws from a density of a few variables by an ensemble of Metropolis chains."""

import numpy as np

from partialpool.exact.mode import ModeError

# Steps of each chain: at first, and at most.
FIRST, LONGEST = 500, 16_000
# Fewest effective draws to be content with, and how far R-hat may lie above what
# chance alone makes of so many chains.
LEAST, SETTLED = 400, 1.01


def by_metropolis(log_density, walkers, count, wanted, rng):
    """Draw with an ensemble of Metropolis chains that learn from each other.

    Parameters
    ----------
    log_density : callable
        Takes (m, size) and returns (m,), up to a constant.
    walkers : numpy.ndarray
        Where the chains start; shape (an even number, size).
    count : int
        Draws to return.
    wanted : int
        Effective draws wanted; fewer, `LEAST` at the least, where that would take
        too many steps.
    rng : numpy.random.Generator

    Returns
    -------
    draws : numpy.ndarray
        Shape (count, size).
    effective : float
        Effective number of independent draws.

    Raises
    ------
    ModeError
        If the chains have not settled after `LONGEST` steps.

    Notes
    -----
    Differential evolution, ter Braak (2006), Statistics and Computing 16,
    239-249, and its snooker update, ter Braak and Vrugt (2008), in the
    implementation of emcee (Foreman-Mackey and others, 2013).
    """
    import emcee

    moves = [(emcee.moves.DEMove(), 0.8), (emcee.moves.DESnookerMove(), 0.2)]
    sampler = emcee.EnsembleSampler(
        *walkers.shape, log_density, moves=moves, vectorize=True
    )
    legacy = np.random.RandomState(rng.integers(2**32))
    start = walkers + 1e-3 * rng.standard_normal(walkers.shape) * np.ptp(walkers, axis=0)
    state = emcee.State(start, random_state=legacy.get_state())
    steps = FIRST
    while True:
        state = sampler.run_mcmc(state, steps, skip_initial_state_check=True)
        chains = sampler.get_chain(discard=sampler.iteration // 3)
        trusted, excess = _judge(chains)
        last = sampler.iteration >= LONGEST
        if excess < SETTLED and trusted > (LEAST if last else wanted):
            flat = chains.reshape(-1, walkers.shape[1])
            draws = rng.choice(flat, count, replace=len(flat) < count)
            return draws, min(trusted, count)
        if last:
            raise ModeError(
                f"The slower method did not settle in {sampler.iteration:,} steps "
                f"(R-hat above chance {excess:.3f}, {trusted:.0f} effective draws)."
            )
        steps = sampler.iteration


def _judge(chains):
    """Effective draws, and R-hat less what chance makes it, of the worst variable.

    Parameters
    ----------
    chains : numpy.ndarray
        Shape (steps, chains, size).
    """
    from arviz_stats.base import array_stats

    axes = {"chain_axis": 1, "draw_axis": 0}
    effective = float(np.min(array_stats.ess(chains, **axes)))
    rhat = float(np.max(array_stats.rhat(chains, **axes)))
    # R-hat compares half chains: m of them that mix differ from 1 by m / 2 ESS.
    return effective, rhat - 2 * chains.shape[1] / (2 * effective)

"""An ensemble of Metropolis chains on a density of a few variables."""

import numpy as np

from partialpool.exact.mode import ModeError

# Steps of each chain, at most.
LONGEST = 12_000
# Fewest effective draws to be content with, and how far R-hat may lie above what
# chance alone makes of so many chains.
LEAST, SETTLED = 400, 1.01


class Ensemble:
    """Chains that learn from each other where to go.

    Parameters
    ----------
    log_density : callable
        Takes (m, size) and returns (m,), up to a constant.
    walkers : numpy.ndarray
        Where the chains start; shape (an even number, size).
    rng : numpy.random.Generator

    Notes
    -----
    Differential evolution, ter Braak (2006), Statistics and Computing 16,
    239-249, and its snooker update, ter Braak and Vrugt (2008), as emcee has them
    (Foreman-Mackey and others 2013).
    """

    def __init__(self, log_density, walkers, rng):
        import emcee

        moves = [(emcee.moves.DEMove(), 0.8), (emcee.moves.DESnookerMove(), 0.2)]
        self.sampler = emcee.EnsembleSampler(
            *walkers.shape, log_density, moves=moves, vectorize=True
        )
        # Copies of one point would never part.
        width = 1e-3 * np.ptp(walkers, axis=0)
        start = walkers + width * rng.standard_normal(walkers.shape)
        legacy = np.random.RandomState(rng.integers(2**32)).get_state()
        self.state = emcee.State(start, random_state=legacy)

    def run(self, steps):
        """Let each chain take so many more steps."""
        self.state = self.sampler.run_mcmc(
            self.state, steps, skip_initial_state_check=True
        )

    def chains(self):
        """All but the first third of the steps: shape (steps, chains, size)."""
        return self.sampler.get_chain(discard=self.sampler.iteration // 3)

    def draws(self):
        """Draw by draw, those of :meth:`chains`: shape (draws, size)."""
        chains = self.chains()
        return chains.reshape(-1, chains.shape[2])

    def settle(self, count, wanted, rng):
        """Run on until the chains agree.

        Parameters
        ----------
        count : int
            Draws to return.
        wanted : int
            Effective draws wanted; fewer, `LEAST` at the least, where that would
            take more than `LONGEST` steps.
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
        """
        while True:
            done = self.sampler.iteration
            trusted, excess = _judge(self.chains())
            last = done >= LONGEST
            if excess < SETTLED and trusted > (min(LEAST, count) if last else wanted):
                draws = self.draws()
                return draws[rng.choice(len(draws), count)], min(trusted, count)
            if last:
                raise ModeError(
                    f"The slower method did not settle in {done:,} steps (R-hat, less "
                    f"what chance makes it, {excess:.3f}, {trusted:.0f} effective "
                    "draws)."
                )
            self.run(min(done, LONGEST - done))


def _judge(chains):
    """Effective draws, and R-hat less what chance makes it, of the worst variable."""
    from arviz_stats.base import array_stats

    axes = {"chain_axis": 1, "draw_axis": 0}
    effective = float(np.min(array_stats.ess(chains, **axes)))
    rhat = float(np.max(array_stats.rhat(chains, **axes)))
    # R-hat compares half chains, and m of them that mix have 1 + m / (2 ESS).
    return effective, rhat - chains.shape[1] / effective

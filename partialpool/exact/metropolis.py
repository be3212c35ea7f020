"""An ensemble of Metropolis chains on a density of a few variables."""

import numpy as np

from partialpool.exact.mode import ModeError

# Steps of each chain, at most.
LONGEST = 12_000
# Fewest effective draws to be content with, and the largest R-hat of so many groups of
# chains: of so few draws chance alone makes 1.01.
LEAST, SETTLED, GROUPS = 400, 1.02, 4


class Ensemble:
    """Chains that learn from each other where to go: `walkers`, an even number.

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
        how = {"skip_initial_state_check": True}
        self.state = self.sampler.run_mcmc(self.state, steps, **how)

    def chains(self):
        """All but the first third of the steps: shape (steps, chains, size)."""
        return self.sampler.get_chain(discard=self.sampler.iteration // 3)

    def draws(self):
        """Draw by draw, those of :meth:`chains`: shape (draws, size)."""
        chains = self.chains()
        return chains.reshape(-1, chains.shape[2])

    def settle(self, count, wanted, rng):
        """Run on until the chains agree: draws (count, size), and what they are worth.

        Where as many as `wanted` would take more than `LONGEST` steps, `LEAST` will do;
        where even they do not come, `ModeError`.
        """
        while True:
            done = self.sampler.iteration
            trusted, rhat = _judge(self.chains())
            last = done >= LONGEST
            if rhat < SETTLED and trusted > (min(LEAST, count) if last else wanted):
                draws = self.draws()
                return draws[rng.choice(len(draws), count)], min(trusted, count)
            if last:
                raise ModeError(
                    f"The slower method did not settle in {done:,} steps (R-hat "
                    f"{rhat:.3f}, {trusted:.0f} effective draws)."
                )
            self.run(min(done, LONGEST - done))


def _judge(chains):
    """Effective draws, and R-hat of a few groups of chains, of the worst variable.

    Chains that each are worth a few draws have an R-hat above any limit by chance:
    so they are compared in groups (Margossian and others 2024, nested R-hat), early
    against late. Chains that disagree within a group leave few effective draws.
    """
    from arviz_stats.base import array_stats

    axes = {"chain_axis": 0, "draw_axis": 1}
    effective = array_stats.ess(chains.swapaxes(0, 1), **axes)
    groups = chains.reshape(len(chains), GROUPS, -1, chains.shape[2]).swapaxes(0, 1)
    rhat = array_stats.rhat(groups.reshape(GROUPS, -1, chains.shape[2]), **axes)
    return float(np.min(effective)), float(np.max(rhat))

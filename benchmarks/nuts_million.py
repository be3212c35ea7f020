"""Run row-level NUTS once on a million rows, to hold the exact posterior to.

With a million rows the posterior is a narrow ridge: the mean of all rows is known
to 0.0005, and how it divides between the intercept and the groups only to 0.03.
A sampler that must learn this shape takes hours. Here it is told: its metric is
the posterior covariance at the between and within sds that the rows were simulated
with, and its chains start within that covariance. Neither changes what NUTS
samples from, only how fast.

Run it as ``python -m benchmarks.nuts_million [--rows 1_000_000]``; with
``--gradient`` it only prints what one gradient costs at three sizes.
"""

import argparse
import time
import warnings

import bambi as bmb
import numpy as np
import pymc as pm
from scipy import sparse

from benchmarks.nuts_references import check, summarise, write
from benchmarks.shapes import Shape, crossed


def simulate(rows=1_000_000):
    """Make the rows: those of `crossed`, drawn anew."""
    return crossed(rows, seed=16)


MILLION = Shape(
    "million",
    "y ~ sex + (1|subject) + (1|provider)",
    simulate,
    "as many rows as a register has",
)
TRUTH = {"1|subject": 0.15, "1|provider": 0.10}
WITHIN_SD = 0.5
SETTINGS = {"tune": 400, "draws": 3_000, "target_accept": 0.8, "chains": 2, "cores": 2}
SEED = 20261


def build(table):
    """Build Bambi's model of the rows, centred, with its default priors."""
    model = bmb.Model(MILLION.formula, table, noncentered=False)
    model.build()
    return model


def time_gradient(model, repeats=20):
    """Measure the milliseconds of one log density with its gradient."""
    function = model.backend.model.logp_dlogp_function(ravel_inputs=True)
    function.set_extra_values({})
    point = np.full(_count(model), 0.1)
    function(point)
    start = time.perf_counter()
    for _ in range(repeats):
        function(point)
    return (time.perf_counter() - start) / repeats * 1_000


def _count(model):
    start = model.backend.model.initial_point()
    return sum(np.size(value) for value in start.values())


def guess(model, table):
    """Work out about where the posterior lies, and how wide it is.

    Returns
    -------
    centre : numpy.ndarray
        The posterior mean at the sds the rows were simulated with, in the order
        and on the scale in which PyMC samples: standard deviations as logs.
    covariance : numpy.ndarray
        The posterior covariance there. That of a log sd is about 1 / (2n), for
        n rows or groups.
    """
    sizes = {name: table[name[2:]].nunique() for name in TRUTH}
    X, prior_precision = _stack_columns(table, sizes)
    precision = (X.T @ X).toarray() / WITHIN_SD**2 + np.diag(prior_precision)
    effects_covariance = np.linalg.inv(precision)
    shift = table["y"].mean()
    effects = effects_covariance @ (X.T @ (table["y"] - shift)) / WITHIN_SD**2
    effects[0] += shift

    order = _order(model)
    places = np.flatnonzero(order == "effect")
    centre, covariance = np.zeros(len(order)), np.zeros((len(order), len(order)))
    centre[places], covariance[np.ix_(places, places)] = effects, effects_covariance
    logs = {"sigma_log__": (WITHIN_SD, len(table))}
    logs |= {f"{name}_sigma_log__": (TRUTH[name], sizes[name]) for name in TRUTH}
    for name, (sd, count) in logs.items():
        place = np.flatnonzero(order == name)
        centre[place], covariance[place, place] = np.log(sd), 0.5 / count
    return centre, covariance


def _stack_columns(table, sizes):
    """Stack intercept, centred sex and group dummies, as the model orders them."""
    male = (table["sex"] == "male").to_numpy(float)
    columns = [np.ones((len(table), 1)), (male - male.mean())[:, None]]
    precision = [1e-3, 1e-3]
    for name, size in sizes.items():
        codes = np.unique(table[name[2:]], return_inverse=True)[1]
        ones = (np.ones(len(table)), (np.arange(len(table)), codes))
        columns.append(sparse.csr_array(ones, shape=(len(table), size)))
        precision += [TRUTH[name] ** -2] * size
    return sparse.hstack(columns, format="csr"), precision


def _order(model):
    """Name the log sd at each place of the vector that is sampled, or 'effect'."""
    start = model.backend.model.initial_point()
    names = [
        [name if name.endswith("_log__") else "effect"] * np.size(value)
        for name, value in start.items()
    ]
    return np.concatenate(names)


def sample(model, table):
    """Run NUTS with the guess as its metric, from starts spread over the guess."""
    centre, covariance = guess(model, table)
    rng = np.random.default_rng(SEED)
    starts = rng.multivariate_normal(centre, 4 * covariance, SETTINGS["chains"])
    with model.backend.model:
        metric = pm.step_methods.hmc.quadpotential.QuadPotentialFull(covariance)
        step = pm.NUTS(potential=metric, target_accept=SETTINGS["target_accept"])
    rest = {key: value for key, value in SETTINGS.items() if key != "target_accept"}
    return model.fit(
        step=step,
        initvals=[_name(model, start) for start in starts],
        random_seed=SEED,
        progressbar=False,
        **rest,
    )


def _name(model, vector):
    """Cut a sampled vector into the named values that it holds."""
    start = model.backend.model.initial_point()
    ends = np.cumsum([np.size(value) for value in start.values()])
    parts = np.split(vector, ends[:-1])
    return {
        name.removesuffix("_log__"): np.exp(part[0])
        if name.endswith("_log__")
        else part.reshape(np.shape(value))
        for (name, value), part in zip(start.items(), parts, strict=True)
    }


def main():
    """Sample, or only time the gradient, as the command line asks."""
    parser = argparse.ArgumentParser(description="Run NUTS on a million rows.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--gradient", action="store_true", help="time it, no more")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    if chosen.gradient:
        for rows in (10_000, 100_000, 1_000_000):
            print(f"{rows:,} rows: {time_gradient(build(simulate(rows))):.2f} ms")
    else:
        table = simulate(chosen.rows)
        _sample_and_write(build(table), table)


def _sample_and_write(model, table):
    start = time.perf_counter()
    fit = sample(model, table)
    seconds = time.perf_counter() - start
    summary = summarise(fit["posterior"].to_dataset())
    stats = fit["sample_stats"]
    wrong = check(summary, int(stats["diverging"].sum()))
    print(
        f"{len(table):,} rows, {seconds:.0f} s, "
        f"{float(stats['n_steps'].mean()):.1f} steps a draw, "
        f"bulk ESS {summary['ess_bulk'].min():.0f}, "
        f"tail ESS {summary['ess_tail'].min():.0f}, "
        f"R-hat {summary['r_hat'].max():.4f}"
        + (f". NOT WRITTEN: {wrong}" if wrong else "")
    )
    if len(table) == 1_000_000 and not wrong:
        settings = {**SETTINGS, "noncentered": False, "random_seed": SEED}
        write(MILLION, len(table), summary, settings, seconds)


if __name__ == "__main__":
    main()

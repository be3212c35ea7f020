"""Run NUTS on a million rows in two forms, and see whether a failure shows.

The model is crossed, with few groups known very well: the mean of the rows is known
to three digits, how it divides between intercept, subjects and providers a hundred
times less well. NUTS works on the Gram matrix, so that a step is cheap and nothing
but the shape of the posterior is in its way. With centred effects it fails. With
effects that sum to zero, and their mean in the intercept, it is the same model, and
the mean of the rows stands by itself. Every seed that was run is kept, with the
warnings that PyMC gave.

Run it as ``python -m benchmarks.trap [seed …]``; it needs nutpie.
"""

import json
import sys
from pathlib import Path

import arviz as az
import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.stats.convergence import run_convergence_checks

import partialpool as pool
from benchmarks.shapes import crossed
from benchmarks.sums import read_sums

RESULTS = Path(__file__).parent / "results" / "trap.json"
FORMULA = "y ~ sex + (1|subject) + (1|provider)"
ROWS, SEEDS = 1_000_000, [1, 2, 3, 4, 5]
NAMES = {"sd_subject": "1|subject_sigma", "sd_provider": "1|provider_sigma"}


def sums_of_products(table):
    """Gram matrix of all columns, the outcome last, and how many are common."""
    sums = read_sums(FORMULA, table)[1]
    cross = sums.cross[:, :, 0]
    within = np.diag(sums.within[:, 0, 0])
    whole = np.block([[sums.dense, cross], [cross.T, within]])
    outcome = len(sums.dense) - 1
    order = [i for i in range(len(whole)) if i != outcome] + [outcome]
    return whole[np.ix_(order, order)], sums


def build(table, form):
    """Build the model on sums of products, its effects centred or zero-sum."""
    whole, sums = sums_of_products(table)
    counts = {
        "subject": len(sums.dense) - 1 - sums.common,
        "provider": len(sums.within),
    }
    square, product = whole[:-1, :-1], whole[:-1, -1]
    with pm.Model() as model:
        sigma = pm.HalfNormal("sigma", 1)
        sds = {name: pm.HalfNormal(f"sd_{name}", 0.5) for name in counts}
        b = pt.concatenate(FORMS[form](sums.common, counts, sds))
        squares = whole[-1, -1] - 2 * pt.dot(b, product) + pt.dot(b, pt.dot(square, b))
        pm.Potential("rows", -ROWS * pt.log(sigma) - squares / (2 * sigma**2))
    return model


def centred(columns, counts, sds):
    """Common coefficients, and effects around zero."""
    effects = [pm.Normal(k, 0, sds[k], shape=n) for k, n in counts.items()]
    return [pm.Normal("common", 0, 1, shape=columns), *effects]


def zero_sum(columns, counts, sds):
    """The same, but that the means of the effects are moved into the intercept."""
    moved = sum(sds[name] ** 2 / n for name, n in counts.items())
    intercept = pm.Normal("intercept", 0, pt.sqrt(1 + moved), shape=1)
    slopes = pm.Normal("common", 0, 1, shape=columns - 1)
    effects = [pm.ZeroSumNormal(k, sds[k], shape=n) for k, n in counts.items()]
    return [intercept, slopes, *effects]


FORMS = {"centred": centred, "zero-sum": zero_sum}


def run(model, seed):
    """Sample with one seed; say what the usual diagnostics say."""
    with model:
        fit = pm.sample(
            1_000,
            tune=1_000,
            chains=4,
            cores=2,
            random_seed=seed,
            nuts_sampler="nutpie",
            progressbar=False,
        )
    posterior = fit["posterior"].to_dataset()
    ess, r_hat = az.ess(posterior), az.rhat(posterior)
    means = posterior["sd_subject"].mean("draw").to_numpy()
    return {
        "seed": seed,
        "divergences": int(fit["sample_stats"]["diverging"].sum()),
        "fewest effective draws": round(min(float(ess[v].min()) for v in ess)),
        "largest R-hat": round(max(float(r_hat[v].max()) for v in r_hat), 3),
        "warnings": [each.message for each in run_convergence_checks(fit, model)],
        "sd_subject by chain": means.round(3).tolist(),
    }


def main(seeds):
    """Run all seeds in both forms, and the exact fit beside them; keep the results."""
    table = crossed(ROWS, seed=16)
    exact = pool.fit(FORMULA, table, seed=1)["posterior"]
    right = {name: float(exact[bambi].mean()) for name, bambi in NAMES.items()}
    results = {"rows": ROWS, "formula": FORMULA, "exact": right, "runs": []}
    for form in FORMS:
        model = build(table, form)
        for seed in seeds:
            results["runs"].append({"form": form} | run(model, seed))
            print(results["runs"][-1], flush=True)
            RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main([int(seed) for seed in sys.argv[1:]] or SEEDS)

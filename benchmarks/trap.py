"""Run centred NUTS on a million rows, and see whether its failure shows.

The model is crossed, with few groups known very well: the mean of the rows is known
to three digits, how it divides between intercept, subjects and providers a hundred
times less well. NUTS works on the Gram matrix, so that a step is cheap and nothing
but the shape of the posterior is in its way. Every seed that was run is kept.

Run it as ``python -m benchmarks.trap [seed …]``; it needs nutpie.
"""

import json
import sys
from pathlib import Path

import arviz as az
import numpy as np
import pymc as pm
import pytensor.tensor as pt

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


def build(table):
    """Build the model on sums of products, its effects centred."""
    whole, sums = sums_of_products(table)
    subjects = len(sums.dense) - 1 - sums.common
    providers = len(sums.within)
    square, product = whole[:-1, :-1], whole[:-1, -1]
    with pm.Model() as model:
        sigma = pm.HalfNormal("sigma", 1)
        sd_subject = pm.HalfNormal("sd_subject", 0.5)
        sd_provider = pm.HalfNormal("sd_provider", 0.5)
        common = pm.Normal("common", 0, 1, shape=sums.common)
        subject = pm.Normal("subject", 0, sd_subject, shape=subjects)
        provider = pm.Normal("provider", 0, sd_provider, shape=providers)
        b = pt.concatenate([common, subject, provider])
        squares = whole[-1, -1] - 2 * pt.dot(b, product) + pt.dot(b, pt.dot(square, b))
        pm.Potential("rows", -ROWS * pt.log(sigma) - squares / (2 * sigma**2))
    return model


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
    record = {
        "seed": seed,
        "divergences": int(fit["sample_stats"]["diverging"].sum()),
        "fewest effective draws": round(min(float(ess[v].min()) for v in ess)),
        "largest R-hat": round(max(float(r_hat[v].max()) for v in r_hat), 2),
    }
    means = posterior["sd_subject"].mean("draw").to_numpy()
    record["sd_subject by chain"] = means.round(3).tolist()
    return record


def main(seeds):
    """Run all seeds, and the exact fit beside them; keep the results."""
    table = crossed(ROWS, seed=16)
    exact = pool.fit(FORMULA, table, seed=1)["posterior"]
    right = {name: float(exact[bambi].mean()) for name, bambi in NAMES.items()}
    model = build(table)
    runs = []
    for seed in seeds:
        runs.append(run(model, seed))
        print(runs[-1], flush=True)
        results = {"rows": ROWS, "formula": FORMULA, "exact": right, "runs": runs}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main([int(seed) for seed in sys.argv[1:]] or SEEDS)

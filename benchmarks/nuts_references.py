"""Write what row-level NUTS says of each shape, to hold the exact posterior to.

Each reference holds, for every number in the posterior, its mean, standard
deviation and 5% and 95% quantiles with their Monte Carlo standard errors. A fit
is long enough when the worst R-hat is below 1.01 and every bulk and tail
effective sample size is above 1,500; one that is not is not written.

Run it as ``python -m benchmarks.nuts_references [--again] [shape …]``. Shapes
that have a reference are skipped without ``--again``.
"""

import argparse
import json
import time
import warnings
from importlib.metadata import version
from itertools import product
from pathlib import Path

import arviz as az
import bambi as bmb
import numpy as np
import pandas as pd
import pymc as pm

from benchmarks.shapes import SHAPES

REFERENCES = Path(__file__).parent / "references"
PACKAGES = ["bambi", "pymc", "nutpie", "arviz", "numpy", "pandas"]

USUAL = {
    "noncentered": False,
    "draws": 30_000,
    "tune": 1_000,
    "target_accept": 0.9,
    "chains": 4,
    "cores": 2,
    "random_seed": 20260,
}

# Centred effects mix well where groups have many rows; non-centred ones where the
# between sd may be 0. Many rows are slow, and make do with fewer draws.
SETTINGS = {
    "few_groups": {"target_accept": 0.99},
    "near_zero": {"noncentered": True, "target_accept": 0.95},
    "correlated_slopes": {"noncentered": True},
    "own_priors": {"noncentered": True, "target_accept": 0.95},
    "crossed": {"draws": 12_000},
    "unbalanced": {"draws": 15_000},
    "large": {"draws": 20_000},
}


def sample(shape, table):
    """Run NUTS on the rows of a shape, and return the fit and its settings."""
    settings = USUAL | SETTINGS.get(shape.name, {})
    draw = _sample_correlated if shape.correlated else _sample_bambi
    return draw(shape, table, settings), settings


def _sample_bambi(shape, table, settings):
    model = bmb.Model(
        shape.formula,
        table,
        priors=shape.priors and shape.priors(),
        noncentered=settings["noncentered"],
    )
    return model.fit(inference_method="nutpie", **_for_sampler(settings))


def _for_sampler(settings):
    rest = {key: settings[key] for key in settings if key != "noncentered"}
    nuts = {"target_accept": rest.pop("target_accept")}
    return {**rest, "nuts": nuts, "progressbar": False}


def _sample_correlated(shape, table, settings):
    """Fit `shape` with correlated effects, and the priors Bambi would give it."""
    priors = _read_priors(shape, table)
    levels, group = np.unique(table["g"], return_inverse=True)
    x, x_mean = table["x"].to_numpy(), table["x"].mean()
    with pm.Model(coords={"part": ["1", "x"], "g__factor_dim": levels}):
        sigma = pm.HalfStudentT("sigma", **priors["sigma"])
        centre = pm.Normal("centre", **priors["Intercept"])
        slope = pm.Normal("x", **priors["x"])
        pm.Deterministic("Intercept", centre - x_mean * slope)
        bases, slopes = _draw_correlated_effects(priors)
        mu = centre + bases[group] + slope * (x - x_mean) + slopes[group] * x
        pm.Normal("y", mu, sigma, observed=table["y"])
        fit = pm.sample(nuts_sampler="nutpie", **_for_sampler(settings))
    keep = [name for name in fit["posterior"] if name not in {"centre", "half", "z"}]
    fit["posterior"] = fit["posterior"].to_dataset()[keep]
    return fit


def _read_priors(shape, table):
    """Look up the arguments of Bambi's default priors in the model it builds."""
    model = bmb.Model(shape.formula, table)
    model.build()
    mean = model.parameters["mu"]
    priors = {name: term.prior.args for name, term in mean.common_terms.items()}
    for name, term in mean.group_specific_terms.items():
        priors[f"{name}_sigma"] = term.prior.args["sigma"].args
    priors["Intercept"] = mean.intercept_term.prior.args
    priors["sigma"] = model.parameters["sigma"].prior.args
    return priors


def _draw_correlated_effects(priors):
    """Draw intercepts and slopes of the groups, with an LKJ(2) correlation.

    Of a 2 x 2 matrix, LKJ(2) says that the density of the correlation is
    proportional to 1 - rho²: half of (rho + 1) is then Beta(2, 2).
    """
    base_sd = pm.HalfNormal("1|g_sigma", **priors["1|g_sigma"])
    slope_sd = pm.HalfNormal("x|g_sigma", **priors["x|g_sigma"])
    rho = pm.Deterministic("g_correlation", 2 * pm.Beta("half", 2, 2) - 1)
    z = pm.Normal("z", dims=("part", "g__factor_dim"))
    bases = pm.Deterministic("1|g", base_sd * z[0], dims="g__factor_dim")
    along = rho * z[0] + (1 - rho**2) ** 0.5 * z[1]
    return bases, pm.Deterministic("x|g", slope_sd * along, dims="g__factor_dim")


def summarise(posterior):
    """Sum up every number in a posterior, with Monte Carlo standard errors.

    Returns
    -------
    pandas.DataFrame
        A row per number: ``variable``, ``at`` (its coordinates, as strings),
        ``mean``, ``sd``, ``q05``, ``q95``, each of them again with ``mcse_``
        before it, ``ess_bulk``, ``ess_tail`` and ``r_hat``.
    """
    dims = ["chain", "draw"]
    parts = {
        "mean": posterior.mean(dims),
        "sd": posterior.std(dims, ddof=1),
        "q05": posterior.quantile(0.05, dims).drop_vars("quantile"),
        "q95": posterior.quantile(0.95, dims).drop_vars("quantile"),
        "mcse_mean": az.mcse(posterior, method="mean"),
        "mcse_sd": az.mcse(posterior, method="sd"),
        "mcse_q05": az.mcse(posterior, method="quantile", prob=0.05),
        "mcse_q95": az.mcse(posterior, method="quantile", prob=0.95),
        "ess_bulk": az.ess(posterior, method="bulk"),
        "ess_tail": az.ess(posterior, method="tail", prob=(0.05, 0.95)),
        "r_hat": az.rhat(posterior),
    }
    rows = [
        {"variable": name, "at": at}
        | {part: float(values[name].sel(at)) for part, values in parts.items()}
        for name in posterior
        for at in _coordinates(posterior[name])
    ]
    return pd.DataFrame(rows)


def _coordinates(draws):
    """List the coordinates of the numbers in a variable, one dict for each."""
    dims = [dim for dim in draws.dims if dim not in {"chain", "draw"}]
    places = product(*(draws[dim].values.astype(str).tolist() for dim in dims))
    return [dict(zip(dims, place, strict=True)) for place in places]


def check(summary, divergences):
    """Say what is wrong with a fit, in words; an empty text when nothing is."""
    ess = summary[["ess_bulk", "ess_tail"]].min(axis=1)
    wrong = []
    if not summary["r_hat"].max() < 1.01:
        wrong.append(f"R-hat is {summary['r_hat'].max():.4f}")
    if not ess.min() > 1_500:
        worst = summary.loc[ess.idxmin()]
        wrong.append(f"{worst['variable']} {worst['at']} has ESS {ess.min():.0f}")
    if divergences:
        wrong.append(f"{divergences} divergences")
    return "; ".join(wrong)


def write(shape, rows, summary, settings, seconds):
    """Store a reference: what was fitted and how, then a line per number."""
    head = {
        "formula": shape.formula,
        "correlated": shape.correlated,
        "rows": rows,
        "versions": {name: version(name) for name in PACKAGES},
        "sampler": {"name": "nutpie", **settings},
        "seconds": round(seconds, 1),
        "min_ess_bulk": round(summary["ess_bulk"].min()),
        "min_ess_tail": round(summary["ess_tail"].min()),
        "worst_r_hat": round(summary["r_hat"].max(), 4),
    }
    lines = [json.dumps(_round(row), ensure_ascii=False) for row in _records(summary)]
    text = json.dumps(head, indent=1)[:-2] + ',\n "parameters": [\n  '
    text += ",\n  ".join(lines) + "\n ]\n}\n"
    json.loads(text)
    (REFERENCES / f"{shape.name}.json").write_text(text, encoding="utf-8")


def _records(summary):
    whole = ["ess_bulk", "ess_tail"]
    return summary.astype(dict.fromkeys(whole, int)).to_dict("records")


def _round(row):
    """Keep seven digits of each number, and of its errors three."""
    digits = {key: 4 if key.startswith(("mcse", "r_hat")) else 7 for key in row}
    return {
        key: float(f"{value:.{digits[key]}g}") if isinstance(value, float) else value
        for key, value in row.items()
    }


def make_reference(shape):
    """Sample a shape, and write its reference unless the fit is too short."""
    table = shape.make()
    start = time.perf_counter()
    fit, settings = sample(shape, table)
    seconds = time.perf_counter() - start
    summary = summarise(fit["posterior"].to_dataset())
    divergences = int(fit["sample_stats"]["diverging"].sum())
    wrong = check(summary, divergences)
    print(
        f"{shape.name}: {len(table):,} rows, {seconds:.0f} s, "
        f"bulk ESS {summary['ess_bulk'].min():.0f}, "
        f"tail ESS {summary['ess_tail'].min():.0f}, "
        f"R-hat {summary['r_hat'].max():.4f}, "
        f"{int(fit['sample_stats']['n_steps'].mean())} steps a draw"
        + (f". NOT WRITTEN: {wrong}" if wrong else ""),
        flush=True,
    )
    if not wrong:
        write(shape, len(table), summary, settings, seconds)


def main():
    """Make the references asked for on the command line; all of them without."""
    parser = argparse.ArgumentParser(description="Make NUTS references.")
    parser.add_argument("shapes", nargs="*", metavar="shape")
    parser.add_argument("--again", action="store_true", help="remake those there")
    chosen = parser.parse_args()
    # Bambi warns of priors that it does not use, and the samplers of odds and ends.
    warnings.simplefilter("ignore")
    REFERENCES.mkdir(exist_ok=True)
    for name in chosen.shapes or SHAPES:
        if chosen.again or not (REFERENCES / f"{name}.json").exists():
            make_reference(SHAPES[name])


if __name__ == "__main__":
    main()

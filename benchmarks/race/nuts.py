"""The entrants that sample by NUTS; each runs alone, and turns data into a report."""

import time

from benchmarks.race.data import (
    COMMON,
    EMPLOYED,
    GROUPS,
    OUTCOME,
    PARTIAL,
    SEED,
    dummies,
)
from benchmarks.sums import sum_up

EFFECTIVE_DRAWS, LEAST_ESS, WORST_R_HAT = 400, 100, 1.05
TUNE, DRAWS, CHAINS = 1_000, 2_000, 2
FORMS = {True: "centred", False: "non-centred"}


def bambi_nuts(data, sampler):
    """Sample the model as Bambi writes it."""
    import bambi as bmb

    model = bmb.Model(PARTIAL, data.frame)
    model.build()
    start = time.perf_counter()
    fit = model.fit(
        inference_method=sampler,
        draws=1_000,
        tune=TUNE,
        chains=CHAINS,
        cores=CHAINS,
        random_seed=SEED,
        progressbar=False,
    )
    return _judge(fit, time.perf_counter() - start, "non-centred, Bambi's default")


def pymc_nuts(data, on, centred, sampler, **options):
    """Sample the model as written in PyMC, on rows or on cells."""
    model = _build(data, on, centred)
    return _run(sampler, model, FORMS[centred], **options)


def integrated_nuts(data, sampler):
    """Sample the standard deviations alone, the rest integrated out in closed form."""
    sums, marginal = sum_up(PARTIAL, data.cells())
    return _run(
        sampler,
        _build_integrated(sums, marginal.priors, _read_priors(PARTIAL, data.frame)),
        "coefficients integrated out",
        complete=lambda posterior: _add_drawn_effects(posterior, marginal),
    )


def binomial_nuts(data, on, form="centred", draws=600):
    """Sample the binomial model in PyMC, on rows or on cells."""
    priors = _read_priors(EMPLOYED, data.frame, family="bernoulli")
    start = time.perf_counter()
    table = data.cells() if on == "cells" else data.frame
    collapsing = time.perf_counter() - start
    model = _build_binomial(table, on, priors, form)
    result = _run_nutpie(model, form, draws=draws, tune=500)
    if on == "cells":
        result["parts"]["collapse"] = collapsing
    return result


def _run(sampler, *model_and_setting, **options):
    run = {"pymc": _run_pymc, "nutpie": _run_nutpie}[sampler]
    return run(*model_and_setting, **options)


def _run_pymc(model, setting, complete=None):
    import pymc as pm

    start = time.perf_counter()
    with model:
        # Named, because PyMC picks nutpie by itself where it is installed.
        fit = pm.sample(
            nuts_sampler="pymc",
            draws=DRAWS,
            tune=TUNE,
            chains=CHAINS,
            cores=CHAINS,
            random_seed=SEED,
            progressbar=False,
            compute_convergence_checks=False,
        )
    return _judge(fit, time.perf_counter() - start, setting, complete=complete)


def _run_nutpie(model, setting, draws=DRAWS, metric="diag", tune=TUNE, complete=None):
    import nutpie

    start = time.perf_counter()
    compiled = nutpie.compile_pymc_model(model)
    middle = time.perf_counter()
    fit = nutpie.sample(
        compiled,
        draws=draws,
        tune=tune,
        chains=CHAINS,
        cores=CHAINS,
        seed=SEED,
        progress_bar=False,
        adaptation=metric,
    )
    end = time.perf_counter()
    setting += ", low-rank metric" * (metric == "low_rank")
    return _judge(
        fit, end - start, setting, tune, sampling=end - middle, complete=complete
    )


def _build(data, on, centred):
    """Write the model in PyMC, on rows or on cells, with Bambi's default priors."""
    import numpy as np
    import pymc as pm

    frame = data.frame
    table = data.cells() if on == "cells" else frame
    priors = _read_priors(PARTIAL, frame)
    X = dummies(table, COMMON)[:, 1:]
    X -= np.average(X, axis=0, weights=table["n"] if on == "cells" else None)
    with pm.Model() as model:
        mean = _add_mean(table, X, priors, COMMON, FORMS[centred])
        sigma = pm.HalfStudentT("sigma", **priors["sigma"])
        if on == "cells":
            _observe_cells(table, mean, sigma)
        else:
            pm.Normal("y", mean, sigma, observed=table[OUTCOME].to_numpy())
    return model


def _build_integrated(sums, densities, priors):
    """Write the density of the standard deviations in PyMC, from sums of products.

    The closed form is that of `partialpool.exact.density`; the largest factor,
    provider, is eliminated first.
    """
    import numpy as np
    import pymc as pm
    import pytensor.tensor as pt

    cross, within = sums.cross[:, :, 0], sums.within[:, 0, 0]
    subjects, providers = len(sums.dense) - 1 - sums.common, len(within)
    place = np.arange(len(sums.dense))
    common, subject = place[: sums.common], place[sums.common : -1]
    precision, mean = densities.precision, densities.mean
    known = np.zeros_like(sums.dense)
    known[common, common] = precision
    known[-1, common] = known[common, -1] = precision * mean
    known[-1, -1] = (precision * mean**2).sum()
    of_subjects = np.zeros_like(sums.dense)
    of_subjects[subject, subject] = 1
    with pm.Model() as model:
        sigma = pm.HalfStudentT("sigma", **priors["sigma"])
        a, b = (
            pm.HalfNormal(f"1|{name}_sigma", **priors[f"1|{name}_sigma"])
            for name in GROUPS
        )
        total = within + (sigma / b) ** 2
        left = sums.dense - (cross / total) @ cross.T
        left += sigma**2 * known + (sigma / a) ** 2 * of_subjects
        diagonal = pt.diag(pt.linalg.cholesky(left))
        free = sums.total_weight - sums.common - subjects - providers
        density = (
            -free * pt.log(sigma)
            - pt.log(diagonal[:-1]).sum()
            - 0.5 * pt.log(total).sum()
            - 0.5 * (diagonal[-1] / sigma) ** 2
            - subjects * pt.log(a)
            - providers * pt.log(b)
        )
        pm.Potential("density", density)
    return model


def _add_drawn_effects(posterior, marginal):
    """Draw coefficients and effects given the standard deviations."""
    import numpy as np

    names = ["sigma", *(f"1|{name}_sigma" for name in GROUPS)]
    sds = np.stack([posterior[name].to_numpy() for name in names], axis=-1)
    theta = np.log(sds).reshape(-1, len(names))
    dense, eliminated = marginal.draw(theta, np.random.default_rng(SEED))
    common = marginal.gram.common
    drawn = {"b": dense[:, 1:common], "1|subject": dense[:, common:]}
    drawn["1|provider"] = eliminated[:, :, 0]
    return posterior.assign(
        {
            name: (("chain", "draw", f"{name} place"), x.reshape(*sds.shape[:2], -1))
            for name, x in drawn.items()
        }
    )


def _build_binomial(table, on, priors, form):
    """Write the binomial model in PyMC, on rows or on cells."""
    import numpy as np
    import pymc as pm

    male = (table["sex"] == "male").to_numpy(float)[:, None]
    male -= np.average(male, axis=0, weights=table["trials"] if on == "cells" else None)
    with pm.Model() as model:
        logit = _add_mean(table, male, priors, ["sex"], form)
        if on == "cells":
            trials, employed = table["trials"], table["successes"]
            pm.Binomial("y", trials, logit_p=logit, observed=employed)
        else:
            employed = table["employed"].to_numpy(int)
            pm.Bernoulli("y", logit_p=logit, observed=employed)
    return model


def _add_mean(table, X, priors, common, form):
    import pymc as pm

    slopes = pm.Normal("b", **_join(priors, common), shape=X.shape[1])
    names = {f"1|{group}": table[group].cat for group in GROUPS}
    sds = {
        name: pm.HalfNormal(f"{name}_sigma", **priors[f"{name}_sigma"])
        for name in names
    }
    centre = dict(priors["Intercept"])
    if form == "zero-sum":
        # The intercept takes over the mean of the effects, and its variance.
        moved = sum(sds[name] ** 2 / len(x.categories) for name, x in names.items())
        centre["sigma"] = (centre["sigma"] ** 2 + moved) ** 0.5
    mean = pm.Normal("centre", **centre) + X @ slopes
    for name, labels in names.items():
        effects = _add_effects(name, sds[name], len(labels.categories), form)
        mean = mean + effects[labels.codes.to_numpy()]
    return mean


def _join(priors, names):
    """Put the arguments of the priors of several terms into one array each."""
    import numpy as np

    each = [priors[name] for name in names]
    return {
        key: np.concatenate([np.atleast_1d(prior[key]) for prior in each])
        for key in each[0]
    }


def _add_effects(name, sd, size, form):
    import pymc as pm

    if form == "zero-sum":
        return pm.ZeroSumNormal(name, sd, shape=size)
    if form == "centred":
        return pm.Normal(name, 0, sd, shape=size)
    return pm.Deterministic(name, sd * pm.Normal(f"{name}_z", shape=size))


def _observe_cells(cells, mean, sigma):
    import numpy as np
    import pymc as pm

    n = cells["n"].to_numpy(float)
    sd = sigma / np.sqrt(n)
    pm.Normal("cell_mean", mean, sd, observed=cells["mean"].to_numpy())
    free = n.sum() - len(cells)
    # Squares about the cells' means, over sigma squared, are chi-square.
    if free:
        within = cells["ss"].sum()
        pm.Gamma("within_ss", free / 2, 1 / (2 * sigma**2), observed=within)


def _read_priors(formula, frame, **options):
    """Look up the arguments of Bambi's default priors in the model it builds."""
    import bambi as bmb

    model = bmb.Model(formula, frame, **options)
    model.build()
    mean = next(iter(model.parameters.values()))
    priors = {name: term.prior.args for name, term in mean.common_terms.items()}
    for name, term in mean.group_specific_terms.items():
        priors[f"{name}_sigma"] = term.prior.args["sigma"].args
    priors["Intercept"] = mean.intercept_term.prior.args
    if "sigma" in model.parameters:
        priors["sigma"] = model.parameters["sigma"].prior.args
    return priors


def _judge(fit, seconds, setting, tune=TUNE, sampling=None, complete=None):
    """Report the time to 400 effective draws, or why there is none."""
    posterior = fit["posterior"].to_dataset()
    if complete is not None:
        posterior = complete(posterior)
    if sampling is None:
        sampling = float(fit["posterior"].attrs["sampling_time"])
    least, worst = _diagnose(posterior)
    fault = _find_fault(least, worst)
    draws = posterior.sizes["draw"]
    slopes = posterior["b" if "b" in posterior else "sex"]
    return {
        "setting": f"{setting}, {CHAINS} chains of {tune:,} + "
        f"{draws:,} draws, one BLAS thread each",
        "repetitions": [] if fault else [_until_enough(sampling, tune, draws, least)],
        "parts": {"build and compile": seconds - sampling, "sample": sampling},
        "min_ess_bulk": round(least),
        "r_hat": round(worst, 3),
        "divergences": int(fit["sample_stats"]["diverging"].sum()),
        "male": float(slopes.mean(["chain", "draw"]).to_numpy().ravel()[0]),
        "failed": fault,
    }


def _until_enough(sampling, tune, draws, ess):
    """Seconds to 400 effective draws: the warm-up once, the draws as many as needed."""
    return sampling * (tune + draws * EFFECTIVE_DRAWS / ess) / (tune + draws)


def _diagnose(posterior):
    """Bulk ESS and R-hat of the worst group-level number."""
    import arviz as az

    names = [f"1|{name}" for name in GROUPS]
    names += [f"{name}_sigma" for name in names]
    names += ["sigma"] * ("sigma" in posterior)
    ess, r_hat = az.ess(posterior[names], method="bulk"), az.rhat(posterior[names])
    least = min(float(ess[name].min()) for name in names)
    return least, max(float(r_hat[name].max()) for name in names)


def _find_fault(ess, r_hat):
    if ess < LEAST_ESS or not r_hat < WORST_R_HAT:
        return f"it did not converge: bulk ESS {ess:.0f}, R-hat {r_hat:.2f}"
    return ""

"""The entrants of the race: what each is called, fits and needs, and how it runs."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

from benchmarks.race import fits, nuts
from benchmarks.race.data import (
    COMMON,
    COMPLETE,
    EMPLOYED_BY,
    FULLER,
    NONE,
    PARTIAL,
)

CELLS = "no model, cells"
COMPLETE_POINTS = "complete pooling, point estimates"
NO_POINTS = "no pooling, point estimates"
PARTIAL_POINTS = "partial pooling, point estimates"
PARTIAL_POSTERIOR = "partial pooling, posterior"
BINOMIAL = "binomial"


@dataclass(frozen=True)
class Entrant:
    """One way to fit the model, or a part of it."""

    name: str
    # In a few words.
    does: str
    # Which pooling, and what it gives.
    kind: str
    # For how many rows it is run, at most and at least.
    most: int
    # A function of fits or nuts; R's entrants are in fits.R.
    make: Callable | None
    least: int = 0
    # With others in one process ("turns"), "alone" or in "R".
    how: str = "turns"
    # A name for several entrants at once, on the command line.
    family: str = ""
    # A package without which it stays away.
    needs: str = ""
    # Turns the result of a fit into more to report.
    describe: Callable = fits.describe_points

    @property
    def employed(self):
        """Whether it models employment, and not earnings."""
        return self.kind == BINOMIAL


def _bambi(name, sampler):
    return _nuts(name, "Bambi", sampler, 10**4, nuts.bambi_nuts)


def _pymc(on, centred, sampler, most, **options):
    form = "low_rank" if options else f"{'' if centred else 'non'}centred"
    name = f"nuts_{on}_{form}{'_nutpie' * (sampler == 'nutpie')}"
    make = partial(nuts.pymc_nuts, on=on, centred=centred, **options)
    return _nuts(name, f"PyMC on {on}", sampler, most, make)


def _integrated(sampler):
    name = f"nuts_integrated{'_nutpie' * (sampler == 'nutpie')}"
    model = "integrated density from sums of products"
    return _nuts(name, model, sampler, 10**6, nuts.integrated_nuts)


def _nuts(name, model, sampler, most, make):
    return Entrant(
        name,
        f"{model}, NUTS of {'nutpie' if sampler == 'nutpie' else 'PyMC'}",
        PARTIAL_POSTERIOR,
        most,
        partial(make, sampler=sampler),
        how="alone",
        family="nuts",
        needs="nutpie" * (sampler == "nutpie"),
    )


def _binomial(name, does, make, **rest):
    most = least = 10**5
    return Entrant(name, does, BINOMIAL, most, make, least, family="binomial", **rest)


def _r(name, does, kind, most):
    return Entrant(name, does, kind, most, None, how="R", family="r")


# Results are written, and turns taken, in this order.
ENTRANTS = [
    Entrant(
        "exact",
        "exact posterior from Parquet, 1,000 draws",
        PARTIAL_POSTERIOR,
        10**9,
        partial(fits.exact, draws=1_000),
        describe=fits.describe_posterior,
    ),
    Entrant(
        "exact_4000",
        "exact posterior from Parquet, 4,000 draws",
        PARTIAL_POSTERIOR,
        10**7,
        partial(fits.exact, draws=4_000),
        describe=fits.describe_posterior,
    ),
    Entrant(
        "exact_fuller",
        "exact posterior from Parquet, fuller model, 1,000 draws",
        PARTIAL_POSTERIOR,
        10**8,
        partial(fits.exact, draws=1_000, formula=FULLER),
        describe=fits.describe_posterior,
    ),
    Entrant(
        "exact_rows",
        "exact posterior from a pandas frame, 1,000 draws",
        PARTIAL_POSTERIOR,
        10**6,
        fits.exact_rows,
        describe=fits.describe_posterior,
    ),
    Entrant(
        "group_by",
        "the engine's own group-by of the same file",
        CELLS,
        10**9,
        fits.group_by,
        describe=fits.describe_cells,
    ),
    Entrant(
        "gram_glm",
        "linear model from the same cells",
        COMPLETE_POINTS,
        10**9,
        partial(fits.gram_glm, formula=COMPLETE),
    ),
    Entrant(
        "gram_glm_no_pooling",
        "linear model from the same cells, 200 columns",
        NO_POINTS,
        10**8,
        partial(fits.gram_glm, formula=NONE),
    ),
    Entrant(
        "gram_glm_own_cells",
        "linear model from cells of its own predictors",
        COMPLETE_POINTS,
        10**9,
        partial(fits.gram_glm, formula=COMPLETE, by=COMMON),
    ),
    Entrant(
        "gram_reml",
        "REML from the same cells",
        PARTIAL_POINTS,
        10**9,
        partial(fits.gram_reml, formula=PARTIAL),
    ),
    Entrant(
        "gram_reml_fuller",
        "REML from the same cells, fuller model",
        PARTIAL_POINTS,
        10**8,
        partial(fits.gram_reml, formula=FULLER),
    ),
    Entrant(
        "numpy_ols",
        "normal equations in NumPy, arrays",
        COMPLETE_POINTS,
        10**6,
        fits.numpy_ols,
    ),
    Entrant("sm_ols", "statsmodels OLS, arrays", COMPLETE_POINTS, 10**6, fits.sm_ols),
    Entrant(
        "sm_ols_no_pooling",
        "statsmodels OLS, arrays of 200 columns",
        NO_POINTS,
        10**5,
        partial(fits.sm_ols, columns="no_pooling"),
    ),
    Entrant("sm_glm", "statsmodels GLM, arrays", COMPLETE_POINTS, 10**6, fits.sm_glm),
    Entrant(
        "smf_ols",
        "statsmodels OLS, formula",
        COMPLETE_POINTS,
        10**6,
        partial(fits.sm_formula, function="ols"),
    ),
    Entrant(
        "smf_glm",
        "statsmodels GLM, formula",
        COMPLETE_POINTS,
        10**6,
        partial(fits.sm_formula, function="glm"),
    ),
    Entrant(
        "glmm", "glmm (Rust), REML", PARTIAL_POINTS, 10**6, fits.rust_glmm, needs="glmm"
    ),
    Entrant(
        "mixedlm",
        "mixedlm (Rust), REML",
        PARTIAL_POINTS,
        10**6,
        fits.rust_mixedlm,
        needs="mixedlm",
    ),
    Entrant(
        "sm_mixedlm",
        "statsmodels MixedLM, REML",
        PARTIAL_POINTS,
        10**4,
        fits.sm_mixedlm,
        how="alone",
        family="slow",
    ),
    _bambi("nuts_bambi", "pymc"),
    _bambi("nuts_bambi_nutpie", "nutpie"),
    _pymc("rows", True, "pymc", 10**4),
    _pymc("rows", True, "nutpie", 10**4),
    _pymc("cells", True, "pymc", 10**3),
    _pymc("cells", True, "nutpie", 10**4),
    _pymc("rows", False, "pymc", 10**4),
    _pymc("rows", False, "nutpie", 10**4),
    _pymc("cells", False, "pymc", 10**3),
    _pymc("cells", False, "nutpie", 10**4),
    # This one copes best with many rows.
    _pymc("cells", True, "nutpie", 10**5, metric="low_rank", draws=1_000),
    _integrated("pymc"),
    _integrated("nutpie"),
    _binomial(
        "binomial_rows",
        "PyMC on rows, NUTS of nutpie",
        partial(nuts.binomial_nuts, on="rows"),
        how="alone",
        needs="nutpie",
    ),
    # Draws enough for R-hat below 1.01 and 400 effective draws, in either form.
    *(
        _binomial(
            name,
            f"PyMC on cells, {form}, NUTS of nutpie",
            partial(nuts.binomial_nuts, on="cells", form=form, draws=3_000),
            how="alone",
            needs="nutpie",
        )
        for name, form in (
            ("binomial_cells", "centred"),
            ("binomial_cells_zero_sum", "zero-sum"),
        )
    ),
    _binomial("binomial_glm_rows", "statsmodels GLM on rows", fits.binomial_glm_rows),
    _binomial(
        "binomial_glm",
        "statsmodels GLM on cells of its own predictor",
        partial(fits.binomial_glm, by=EMPLOYED_BY[:1]),
    ),
    _binomial(
        "binomial_glm_no_pooling",
        "statsmodels GLM on cells, a dummy for each group",
        partial(fits.binomial_glm, by=EMPLOYED_BY),
    ),
    _binomial(
        "binomial_glmm", "glmm on cells, Laplace", fits.binomial_glmm, needs="glmm"
    ),
    _binomial("binomial_glmer", "R's glmer on cells, Laplace", None, how="R"),
    _r("r_lm", "R's lm", COMPLETE_POINTS, 10**6),
    _r("r_glm", "R's glm", COMPLETE_POINTS, 10**6),
    _r("r_lme4", "R's lme4, REML, calc.derivs=FALSE", PARTIAL_POINTS, 10**6),
    _r("r_lme4_default", "R's lme4, REML", PARTIAL_POINTS, 10**5),
]


def choose(only, without):
    """Keep the entrants that are asked for, by name or family, and that can run."""
    known = {name for entrant in ENTRANTS for name in (entrant.name, entrant.family)}
    for name in [*only, *without]:
        if name not in known:
            raise SystemExit(f"There is no entrant {name}: see --list.")
    chosen = [
        entrant
        for entrant in ENTRANTS
        if (not only or {entrant.name, entrant.family} & set(only))
        and not {entrant.name, entrant.family} & set(without)
    ]
    absent = {e.needs for e in chosen if e.needs and not find_spec(e.needs)}
    absent |= {"R"} & {e.how for e in chosen if not shutil.which("Rscript")}
    for tool in sorted(absent):
        print(f"{tool} is not installed here: its entrants stay away.")
    return [e for e in chosen if e.needs not in absent and e.how not in absent]

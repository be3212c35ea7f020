"""The entrants without Markov chains: exact posteriors, cells and point estimates.

All but one take turns: they turn data into fits by setting, and a fit returns the
seconds of its parts, and its result. `sm_mixedlm` turns data into a report at once.
"""

import os
import time
from functools import cache, partial

from benchmarks.race.data import (
    BY,
    COMPLETE,
    EMPLOYED,
    GROUPS,
    OUTCOME,
    PARTIAL,
    SEED,
    connect,
    dummies,
)
from benchmarks.sums import read_sums, solve_reml


def describe_posterior(tree):
    """Report what an exact posterior says of itself."""
    import arviz as az

    posterior = tree["posterior"].to_dataset()
    ess = az.ess(posterior, method="bulk")
    return {
        "min_ess_bulk": round(min(float(ess[name].min()) for name in ess)),
        "pareto_k": round(tree.attrs["pareto_k"], 3),
        "method": tree.attrs["method"],
        "male": float(posterior["sex"].mean()),
    }


def describe_points(result):
    """Report the effect of being a man: the second column in all point estimates."""
    return {"male": float(result[0][1])}


def describe_cells(_):
    """Report nothing: there is no model."""
    return {}


def exact(data, draws, formula=PARTIAL):
    """Fit the exact posterior from Parquet."""
    import partialpool as pool

    def fit(cells):
        return pool.fit(formula, cells, draws=draws, seed=SEED)

    setting = "one BLAS thread in the fit, as the package chooses"
    return {setting: partial(_collapse_and, "fit", fit, data, BY)}


def exact_rows(data):
    """Fit the exact posterior from a pandas frame."""
    import partialpool as pool

    frame = data.frame

    def fit():
        return {}, pool.fit(PARTIAL, frame, draws=1_000, seed=SEED)

    return {"one BLAS thread, as the package chooses": fit}


def group_by(data):
    """Let the engine group the file by the same columns, and fit nothing."""
    connection = connect()
    names = ", ".join(BY)
    query = (
        f"CREATE OR REPLACE TEMP TABLE cells AS SELECT {names}, count(*) AS n, "
        f"avg({OUTCOME}) AS mean, var_pop({OUTCOME}) AS variance "
        f"FROM '{data.path}/*.parquet' GROUP BY {names}"
    )
    return {"DuckDB's defaults": lambda: ({}, connection.execute(query))}


def gram_glm(data, formula, by=BY):
    """Fit a linear model from cells."""
    solve = partial(_solve_gram, formula)
    setting = "one BLAS thread in the solution"
    return {setting: partial(_collapse_and, "solve", solve, data, by)}


def gram_reml(data, formula):
    """Fit a multilevel model by REML, from cells."""

    def solve(cells):
        with _blas().limit(limits=1, user_api="blas"):
            return solve_reml(formula, cells)

    setting = "Newton's method, one BLAS thread"
    return {setting: partial(_collapse_and, "solve", solve, data, BY)}


def _collapse_and(name, fit, data, by):
    """Collapse and fit, each with its seconds."""
    start = time.perf_counter()
    cells = data.cells(by)
    middle = time.perf_counter()
    result = fit(cells)
    end = time.perf_counter()
    return {"collapse": middle - start, name: end - middle}, result


def _solve_gram(formula, cells):
    """Coefficients and standard errors of a linear model, from its Gram matrix."""
    with _blas().limit(limits=1, user_api="blas"):
        design, sums = read_sums(formula, cells)
        products = sums.dense
        xx, xy, yy = products[:-1, :-1], products[:-1, -1], products[-1, -1]
        b, se = _solve(xx, xy, yy, sums.total_weight)
        b[0] += design.shift - design.means @ b
    return b, se


def _solve(xx, xy, yy, rows):
    """Solve normal equations."""
    import numpy as np
    from scipy import linalg

    try:
        inverse = linalg.cho_solve(linalg.cho_factor(xx), np.eye(len(xx)))
    except linalg.LinAlgError:
        # Few rows, and columns that cannot be told apart: as statsmodels has it.
        inverse = linalg.pinvh(xx)
    b = inverse @ xy
    variance = (yy - b @ xy) / (rows - len(b))
    return b, np.sqrt(variance * np.diag(inverse))


def numpy_ols(data):
    """Write the normal equations in NumPy, as any reader could."""
    import numpy as np
    from scipy import linalg

    y, X = data.y, data.complete

    def fit():
        xx, xy = X.T @ X, X.T @ y
        inverse = linalg.inv(xx, assume_a="pos")
        b = inverse @ xy
        variance = (y @ y - b @ xy) / (len(y) - len(b))
        return {}, (b, np.sqrt(variance * np.diag(inverse)))

    return _try_threads({"Cholesky": fit})


def sm_ols(data, columns="complete"):
    """Fit the OLS of statsmodels to arrays."""
    import statsmodels.api as sm

    y, X = data.y, getattr(data, columns)

    def fit(method):
        result = sm.OLS(y, X).fit(method=method)
        return {}, (result.params, result.bse)

    return _try_threads({method: partial(fit, method) for method in ["pinv", "qr"]})


def sm_glm(data):
    """Fit the GLM of statsmodels to arrays."""
    import statsmodels.api as sm

    y, X = data.y, data.complete

    def fit(method):
        result = sm.GLM(y, X).fit(wls_method=method)
        return {}, (result.params, result.bse)

    methods = ["pinv", "lstsq"]
    return _try_threads({f"IRLS, {m}": partial(fit, m) for m in methods})


def sm_formula(data, function):
    """Fit the OLS or GLM of statsmodels by a formula."""
    import statsmodels.formula.api as smf

    frame, model = data.frame, getattr(smf, function)
    return _try_threads({"defaults": lambda: _read(model(COMPLETE, frame).fit())})


def _read(result):
    """Take the estimates and standard errors that statsmodels names."""
    return {}, (result.params.to_numpy(), result.bse.to_numpy())


@cache
def _blas():
    """Find the BLAS libraries once: looking for them takes milliseconds."""
    # Not the package's own: importing it would count in the memory of other entrants.
    import scipy.linalg  # noqa: F401  # it brings a library of its own
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _try_threads(fits):
    """Offer each fit with one BLAS thread and with as many as there are cores."""

    def limited(fit, threads):
        with _blas().limit(limits=threads, user_api="blas"):
            return fit()

    return {
        f"{name}, {threads} BLAS thread{'s' * (threads > 1)}": partial(
            limited, fit, threads
        )
        for name, fit in fits.items()
        for threads in sorted({1, os.cpu_count()})
    }


def rust_glmm(data):
    """Fit glmm, with and without degrees of freedom."""
    import glmm

    frame = data.frame

    def fit(**options):
        result = glmm.fit(frame, PARTIAL, **options)
        return {}, (result.beta, result.se)

    return {"defaults": fit, "without Satterthwaite": partial(fit, satterthwaite=False)}


def rust_mixedlm(data):
    """Fit mixedlm, with and without the derivatives of its convergence check."""
    import mixedlm

    frame = data.frame

    def fit(**options):
        control = mixedlm.lmerControl(**options)
        result = mixedlm.lmer(PARTIAL, frame, control=control)
        return {}, (list(result.fixef().values()), None)

    return {"defaults": fit, "calc_derivs=False": partial(fit, calc_derivs=False)}


def sm_mixedlm(data):
    """Fit the MixedLM of statsmodels once, and report on it."""
    import numpy as np
    import statsmodels.formula.api as smf

    frame = data.frame
    start = time.perf_counter()
    result = smf.mixedlm(
        COMPLETE,
        frame,
        groups=np.ones(len(frame)),
        vc_formula={name: f"0 + C({name})" for name in GROUPS},
    ).fit()
    return {
        "setting": "crossed as variance components, one group",
        "repetitions": [time.perf_counter() - start],
        "male": float(result.params.iloc[1]),
        "note": "" if result.converged else "it says that it did not converge",
    }


def binomial_glm_rows(data):
    """Fit the binomial GLM of statsmodels on rows."""
    import statsmodels.api as sm
    import statsmodels.formula.api as smf

    family = sm.families.Binomial()
    rows = data.frame.assign(employed=lambda table: table["employed"].astype(int))

    def fit():
        return _read(smf.glm("employed ~ sex", rows, family=family).fit())

    return {"defaults": fit}


def binomial_glm(data, by):
    """Fit the binomial GLM of statsmodels on cells that are counted before."""
    import numpy as np
    import statsmodels.api as sm

    cells = data.cells(by)
    X = dummies(cells, by)
    y = np.c_[cells["successes"], cells["trials"] - cells["successes"]]

    def fit(**how):
        result = sm.GLM(y, X, family=sm.families.Binomial()).fit(**how)
        return {}, (result.params, result.bse)

    ways = {f"IRLS, {method}": {"wls_method": method} for method in ["pinv", "lstsq"]}
    ways["Newton"] = {"method": "newton", "disp": 0}
    return _try_threads({name: partial(fit, **how) for name, how in ways.items()})


def binomial_glmm(data):
    """Fit glmm to cells that are counted before, by Laplace's approximation."""
    import glmm

    cells = data.cells().eval("failures = trials - successes")
    formula = EMPLOYED.replace("employed", "cbind(successes, failures)")

    def fit(errors):
        result = glmm.fit(cells, formula, "binomial", wald_se=errors)
        return {}, (result.beta, result.se)

    return {f"errors by {name}": partial(fit, name) for name in ["hessian", "rx"]}

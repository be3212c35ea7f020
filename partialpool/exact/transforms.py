"""Transformations with a memory: what each remembers of the rows of a fit."""

import inspect

import numpy as np
import pandas as pd

from partialpool.exact.calls import all_calls, names_in
from partialpool.exact.formula import FormulaError
from partialpool.exact.namespace import known

MOMENTS = ("center", "scale", "standardize")
SUCCESS = ("B", "binary")
WITH_MEMORY = (*MOMENTS, *SUCCESS, "bs", "poly")


def _remembering(description):
    return [call for call in all_calls(description) if call.callee in WITH_MEMORY]


def learn(description, rows, environment):
    """Show each transformation all rows, and keep what it remembers.

    Returns plain values, a dictionary for each call, in their order.
    """
    states = []
    for call in _remembering(description):
        argument = [*call.args, *call.kwargs.values()][0]
        if call.callee in MOMENTS:
            state = _moments(call, argument, rows, environment)
        else:
            x = _whole(call, argument, rows, environment)
            learner = LEARNERS[call.callee]
            state = learner(x, rows.n, **_options(call, learner, environment))
        states.append(state)
        _restore_one(call, state)
    return states


def restore(description, states):
    """Give each transformation back what it remembered."""
    for call, state in zip(_remembering(description), states, strict=True):
        _restore_one(call, state)


def _restore_one(call, state):
    from formulae.transforms import TRANSFORMS

    if call.callee in SUCCESS:
        call.stateful_transform = _Binary(state["success"])
        return
    made = TRANSFORMS[call.callee]()
    for name, value in state.items():
        # JSON knows no numbers as keys.
        if isinstance(value, dict):
            value = {int(key): number for key, number in value.items()}
        setattr(made, name, np.array(value) if name == "_knots" else value)
    made.params_set = True
    call.stateful_transform = made


class _Binary:
    """1 where a value is the success that the fit chose, else 0."""

    def __init__(self, success):
        self.success = success

    def __call__(self, x, success=None):
        return np.where(np.asarray(x) == self.success, 1, 0)


def _options(call, learner, environment):
    """The arguments after the first, by the names that `learner` has for them."""
    names = list(inspect.signature(learner).parameters)[2:]
    nothing, elsewhere = pd.DataFrame(), known(environment)
    given = dict(zip(names, call.args[1:], strict=False))
    given |= {name: value for name, value in call.kwargs.items() if name != "x"}
    return {name: value.eval(nothing, elsewhere) for name, value in given.items()}


def _whole(call, argument, rows, environment):
    """Values of an argument, which may not vary within cells."""
    for name in sorted(rows.varying & names_in(argument)):
        raise FormulaError(
            f"{call} needs {argument} in each row, and cells hold sums of {name}: "
            f"make {argument} a column of its own, and name it in by= when you "
            "collapse the table."
        )
    return argument.eval(rows.table, known(environment))


def _moments(call, argument, rows, environment):
    name = getattr(argument, "name", None)
    if name in rows.table:
        mean, sd = rows.moments(name)
    else:
        x = np.asarray(_whole(call, argument, rows, environment), dtype=float)
        mean, sd = rows.moments_of(x)
    return {"mean": mean} | ({} if call.callee == "center" else {"std": sd})


def _success(x, n, success=None):
    levels = sorted(pd.unique(x).tolist())
    if success is None:
        success = levels[0]
    if success not in levels:
        raise FormulaError(
            f"No row holds {success!r}, which the formula calls the success: it holds "
            f"{', '.join(map(repr, levels[:5]))}."
        )
    return {"success": success}


def _knots(
    x,
    n,
    df=None,
    knots=None,
    degree=3,
    intercept=False,
    lower_bound=None,
    upper_bound=None,
):
    """Knots of a B-spline, at quantiles of all rows: as formulae places them."""
    from formulae.transforms import BSpline

    x = np.asarray(x, dtype=float)
    if knots is None and isinstance(df, int) and isinstance(degree, int):
        inner = df - degree - 1 + (not intercept)
        if inner >= 0:
            knots = _quantiles(x, n, np.linspace(0, 1, inner + 2)[1:-1])
    low = x.min() if lower_bound is None else lower_bound
    high = x.max() if upper_bound is None else upper_bound
    spline = BSpline()
    spline(x[:1], df, knots, degree, intercept, low, high)
    knots = spline._knots.tolist()
    return {"_intercept": bool(intercept), "_degree": degree, "_knots": knots}


def _quantiles(x, n, shares):
    """Quantiles of values that stand for `n` rows each, as NumPy's of all rows."""
    order = np.argsort(x, kind="stable")
    last = np.cumsum(n[order]) - 1
    place = shares * last[-1]
    low, part = np.floor(place), place % 1
    below = x[order][np.searchsorted(last, low)]
    above = x[order][np.searchsorted(last, np.minimum(low + 1, last[-1]))]
    return below + part * (above - below)


def _recurrence(x, n, degree=1, raw=False):
    """The three-term recurrence of polynomials that are orthogonal over all rows."""
    if raw:
        return {"degree": degree, "raw": True}
    x = np.asarray(x, dtype=float)
    before, now = np.zeros(len(x)), np.ones(len(x))
    alpha, norms = {}, {}
    for k in range(degree + 1):
        norms[k] = float(n @ now**2)
        alpha[k] = float(n @ (x * now**2)) / norms[k]
        beta = norms[k] / norms[k - 1] if k else 0.0
        before, now = now, (x - alpha[k]) * now - beta * before
    return {"degree": degree, "raw": False, "alpha": alpha, "norms2": norms}


# What each transformation but those of MOMENTS learns from its column, the rows that
# each value stands for, and its options.
LEARNERS = dict.fromkeys(SUCCESS, _success) | {"bs": _knots, "poly": _recurrence}

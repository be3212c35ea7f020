"""Small tables, and every matrix of a model in full: the long way, for the tests."""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from formulae import design_matrices
from formulae.environment import Environment

import partialpool as pool
from partialpool.exact.design import read_design

# What each test of the columns goes through: every kind of term there is.
FORMULAS = [
    "y ~ 1",
    "y ~ x",
    "y ~ 0 + x",
    "y ~ (1|g)",
    "y ~ 0 + (1|g)",
    "y ~ sex + (1|g)",
    "y ~ 0 + sex + x + (1|g)",
    "y ~ sex * prior + (1|g)",
    "y ~ sex:prior + (1|g)",
    "y ~ 0 + sex:prior",
    "y ~ x * sex + (x|g)",
    "y ~ x:sex + (sex|g)",
    "y ~ x:z + (x:z|g)",
    "y ~ x * z * sex",
    "y ~ sex + (0 + sex|g)",
    "y ~ x + (0 + x|g)",
    "y ~ prior + (prior|h) + (1|g)",
    "y ~ x + (x|g) + (x|h)",
    "y ~ x + (x * sex|g)",
    "y ~ (1|g) + (1|h) + (1|year)",
    "y ~ (1|g) + (1|g:h)",
    "y ~ (1|g/h)",
    "y ~ x + (0 + x|h:g) + (1|g)",
    "y ~ scale(x) + (scale(x)|g)",
    "y ~ center(x) + scale(z):sex + (1|g)",
    "y ~ standardize(x) + (1|g)",
    "y ~ C(year) + (1|g)",
    "y ~ C(year, Sum) + (1|g)",
    "y ~ T(sex, ref='male') + S(prior) + (1|g)",
    "y ~ year + (1|year)",
    "y ~ year + (year|g)",
    "y ~ np.log(w) + np.exp(x) + (1|g)",
    "y ~ I(x**2) + {x + z} + (1|g)",
    "y ~ np.log(w) + (np.log(w)|g)",
    "y ~ flag + (flag|g)",
    "y ~ C(flag) + (1|flag)",
    "y ~ band + (band|g)",
    "y ~ band + (1|band)",
    "y ~ C(np.floor(x)) + (1|g)",
    "y ~ scale(np.log(w)) + (scale(I(x + z))|g)",
    "y ~ I(scale(year) ** 2) + (1|year)",
    "y ~ x + (1|C(year)) + (x|C(h):g)",
    "y ~ x + offset(z) + (1|g)",
    "y ~ 0 + x + offset(np.log(w)) + (1|g)",
    "y ~ x + binary(sex, 'male') + (1|g)",
    "y ~ bs(x, df=4) + (1|g)",
    "y ~ bs(w, df=5, degree=2) + (bs(x, df=5)|g)",
    "y ~ poly(x, 2) + (poly(z, 2)|g)",
    "y ~ poly(x, 2, raw=True):sex + (1|g)",
]


def table(rows=120, seed=1):
    """Make a table with a column of every kind, none of its groups alike."""
    rng = np.random.default_rng(seed)
    g = rng.choice(list("abcdef"), rows, p=[0.3, 0.3, 0.15, 0.15, 0.05, 0.05])
    g[:6] = list("abcdef")
    bands = pd.Categorical(rng.choice(["low", "mid", "high"], rows), categories=BANDS)
    return pd.DataFrame(
        {
            "y": rng.normal(10, 2, rows),
            "x": rng.normal(3, 1, rows).round(1),
            "z": rng.integers(-2, 6, rows),
            "w": rng.gamma(3, 0.5, rows).round(2) + 0.01,
            "sex": rng.choice(["female", "male"], rows),
            "prior": rng.choice(["q1", "q2", "q3"], rows),
            "flag": rng.random(rows) < 0.4,
            "band": bands.as_ordered(),
            "year": rng.choice([2003, 1999, 2012], rows),
            "g": g,
            "h": rng.choice([3, 1, 20], rows),
        },
        index=rng.permutation(rows),
    )


BANDS = ["low", "mid", "high"]


def cells_of(rows, by, continuous=()):
    """Collapse a table by hand, group by group."""
    cells = []
    for labels, part in rows.groupby(by, observed=True, sort=True):
        means = part[["y", *continuous]].mean()
        around = part[["y", *continuous]] - means
        cell = dict(zip(by, labels, strict=True))
        cell |= {"n": len(part), "mean": means["y"], "ss": (around["y"] ** 2).sum()}
        for x in continuous:
            cell[f"mean_{x}"] = means[x]
            cell[f"ss_{x}"] = (around[x] ** 2).sum()
            cell[f"sp_{x}"] = (around[x] * around["y"]).sum()
        for i, x in enumerate(continuous):
            for z in continuous[i + 1 :]:
                cell[f"sp_{x}_{z}"] = (around[x] * around[z]).sum()
        cells.append(cell)
    frame = pd.DataFrame(cells)
    for name in by:
        frame[name] = frame[name].astype(rows[name].dtype)
    frame.attrs["outcome"] = "y"
    return frame


def design_of(formula, rows):
    """Read a formula as `fit` does, for functions of this module's names."""
    return read_design(formula, rows, Environment.capture(0))


def refusal_of(work, *args, **options):
    """Return the sentence of an error, which must be ours and come from no library."""
    with pytest.raises(ValueError) as caught:
        work(*args, **options)
    error, said = caught.value, str(caught.value)
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__
    assert said.endswith("."), said
    assert "\n" not in said
    return said


GROUPS = "y ~ x + (1|g)"


def fit(formula=GROUPS, rows=None, priors=None, draws=400, *, seed=1, **options):
    rows = table() if rows is None else rows
    return pool.fit(formula, rows, priors, draws, seed=seed, **options)


def posterior_of(*args, **options):
    return fit(*args, **options)["posterior"].to_dataset()


def means_of(found, rows, **options):
    """Expect each row of a table: shape (rows,)."""
    predicted = pool.predict(found, rows, seed=1, **options)
    return predicted["mean"].mean(["chain", "draw"]).to_numpy()


def half(size):
    return pool.Prior("HalfNormal", sigma=size)


def effects(size):
    return pool.Prior("Normal", mu=0, sigma=half(size))


@dataclass
class Dense:
    """The matrices of a model, one row for each row of the table.

    Parameters
    ----------
    y : numpy.ndarray
        Outcome, less its offset.
    common : numpy.ndarray
        Shape (n, p); centred where there is an intercept.
    means : numpy.ndarray
        What was taken from each column.
    factors : list of numpy.ndarray
        Shape (n, groups, effects).
    names : list of str
        Of the factors.
    """

    y: np.ndarray
    common: np.ndarray
    means: np.ndarray
    factors: list
    names: list


def dense_model(formula, rows):
    """Let formulae make every column, and centre the common ones as Bambi does."""
    made = design_matrices(formula, rows, env=Environment.capture(0))
    terms = made.common.terms if made.common else {}
    y = np.asarray(made.response.design_matrix, dtype=float)
    columns = [np.zeros((len(rows), 0))]
    for term in terms.values():
        data = np.asarray(term.data, dtype=float).reshape(len(rows), -1)
        if term.kind == "offset":
            y = y - data[:, 0]
        else:
            columns.append(data)
    common = np.hstack(columns)
    means = common.mean(0) if "Intercept" in terms else np.zeros(common.shape[1])
    if "Intercept" in terms:
        means[0] = 0
    groups = made.group.terms.values() if made.group else []
    names = list(dict.fromkeys(term.factor.name for term in groups))
    factors = [_effects_of(name, groups, rows) for name in names]
    return Dense(y, common - means, means, factors, names)


def _effects_of(name, terms, rows):
    parts = [
        term.data.toarray().reshape(len(rows), len(term.groups), -1)
        for term in terms
        if term.factor.name == name
    ]
    # formulae has a column for each combination, we for each one that occurs.
    joined = np.concatenate(parts, axis=2)
    variables = re.sub(r"C\((\w+)\)", r"\1", name).split(":")
    labels = set(rows[variables].astype(str).agg(":".join, axis=1))
    occur = next(t.groups for t in terms if t.factor.name == name)
    return joined[:, [label in labels for label in occur]]

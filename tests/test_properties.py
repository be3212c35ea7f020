"""Properties that hold for every table, formula and type of label."""

import os
import warnings

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
from formulae.environment import Environment
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import partialpool as pool
from partialpool.exact.density import Marginal
from partialpool.exact.design import read_design
from partialpool.exact.gram import gram
from partialpool.exact.priors import choose_priors

# `make test` tries the same few tables each time; PROPERTY_EXAMPLES=2000 makes a long
# run of it, on tables of its own.
LONG = os.environ.get("PROPERTY_EXAMPLES")
quickly = settings(
    max_examples=int(LONG or 25),
    derandomize=not LONG,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
pytestmark = pytest.mark.filterwarnings("ignore")

# Ways to write the same three to six labels.
SPELLINGS = {
    "text": lambda codes: np.array([f"label {c}" for c in codes], dtype=object),
    "str": lambda codes: pd.array([f"é{c}:" for c in codes], dtype="str"),
    "whole": lambda codes: np.asarray(codes) - 2,
    "large": lambda codes: 2**60 + np.asarray(codes),
    "int8": lambda codes: np.asarray(codes, dtype="int8"),
    "decimal": lambda codes: np.asarray(codes) / 4,
    "truth": lambda codes: np.asarray(codes) % 2 == 0,
    "nullable": lambda codes: pd.array(codes, dtype="Int64"),
    "category": lambda codes: pd.Categorical([f"c{c}" for c in codes]),
    "ordered": lambda codes: pd.Categorical(
        [f"o{c}" for c in codes], [f"o{c}" for c in range(9, -1, -1)], ordered=True
    ),
    "category of numbers": lambda codes: pd.Categorical(np.asarray(codes) * 10),
    "date": lambda codes: pd.Timestamp("2024-02-28") + pd.to_timedelta(codes, "D"),
    "bands": lambda codes: pd.cut(np.asarray(codes) + 0.5, range(11)),
    "arrow": lambda codes: pd.array([f"a{c}" for c in codes], "string[pyarrow]"),
}
# Kinds that may be predictors: dates name groups only.
PREDICTORS = sorted(set(SPELLINGS) - {"date"})
COMMON = ["", "x", "a", "x + a", "x * a", "scale(x)", "I(x**2)", "bs(x, df=4)"]
COMMON += ["poly(x, 2)", "C(a)", "center(x):a", "log(u)", "offset(u)", "0 + a"]
GROUPS = ["(1|g)", "(x|g)", "(1|g) + (1|h)", "(1|g/h)", "(1|g:h)", "(0 + a|g)"]


@st.composite
def tables(draw):
    """A table of 12 to 60 rows: numbers x and u, labels a, g and h of any type."""
    size = draw(st.integers(12, 60))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    counts = {"a": 3, "g": 5, "h": 3}
    codes = {name: rng.integers(0, count, size) for name, count in counts.items()}
    kinds = {
        "a": draw(st.sampled_from(PREDICTORS)),
        "g": draw(st.sampled_from(sorted(SPELLINGS))),
        "h": draw(st.sampled_from(sorted(SPELLINGS))),
    }
    table = pd.DataFrame({n: SPELLINGS[kinds[n]](codes[n]) for n in codes})
    shift = draw(st.sampled_from([0.0, 2000.0, -1e6, 1e8]))
    table["x"] = shift + rng.normal(size=size).round(2)
    table["u"] = rng.gamma(3, size=size).round(2) + 0.1
    table["y"] = draw(st.sampled_from([0.0, 1e5])) + rng.normal(size=size)
    table.index = rng.permutation(size)
    return table


@st.composite
def formulas(draw):
    """A formula of common and group terms."""
    common = draw(st.sampled_from(COMMON))
    group = draw(st.sampled_from(GROUPS))
    return "y ~ " + " + ".join(part for part in (common, group) if part)


def answer(work):
    """What a call returns, or None if it refuses in one sentence of our own."""
    try:
        return work()
    except ValueError as error:
        said = str(error)
        assert "\n" not in said and said.endswith("."), said
        assert error.__cause__ is None, said
        event(" ".join(said.split()[:6]))
        return None


def fit(formula, table):
    return answer(lambda: pool.fit(formula, table, draws=40, seed=1))


@quickly
@given(formulas(), tables())
def test_a_fit_is_right_or_refused_and_predicts_its_own_rows(formula, table):
    found = fit(formula, table)
    assume(found is not None)
    rows = table.drop(columns="y")
    whole = pool.predict(found, rows, seed=1)["mean"]
    assert np.isfinite(whole).all()
    order = np.random.default_rng(0).permutation(len(rows))
    shuffled = pool.predict(found, rows.iloc[order], seed=1)["mean"]
    scale = 1 + np.abs(whole.to_numpy()).max()
    assert_allclose(shuffled, whole[..., order], rtol=0, atol=1e-7 * scale)
    alone = pool.predict(found, rows.iloc[[3]], seed=1)["mean"]
    assert_allclose(alone, whole[..., [3]], rtol=0, atol=1e-7 * scale)


@quickly
@given(formulas(), tables(), st.sampled_from(sorted(SPELLINGS)))
def test_new_labels_of_any_type_are_drawn_or_refused(formula, table, kind):
    found = fit(formula, table)
    assume(found is not None)
    new = table.drop(columns="y").assign(g=SPELLINGS[kind](np.arange(len(table)) % 7))

    def predict():
        return pool.predict(found, new, unseen="draw", seed=1)["mean"]

    drawn = answer(predict)
    assume(drawn is not None)
    assert np.isfinite(drawn).all()
    scale = 1 + float(np.abs(drawn).max())
    some = pool.predict(found, new.iloc[:4], unseen="draw", seed=1)["mean"]
    assert_allclose(some, drawn[..., :4], rtol=0, atol=1e-7 * scale)


def density(formula, table):
    """The density that a fit draws from, and the names of its groups."""
    design = read_design(formula, table, Environment([]))
    return (
        Marginal(gram(design), choose_priors(design, None), design.sizes),
        [factor.levels for factor in design.factors],
    )


@quickly
@given(tables(), st.sampled_from(["(1|g)", "a + (1|g)", "a + (1|g) + (1|h)"]))
def test_rows_and_cells_have_the_same_density(table, terms):
    formula = f"y ~ {terms}"
    cells = answer(lambda: pool.collapse(table, "y", ["a", "g", "h"]))
    assume(cells is not None)
    rows, others = (answer(lambda t=t: density(formula, t)) for t in (table, cells))
    assert (rows is None) == (others is None)
    assume(rows is not None)
    assert rows[1] == others[1]
    theta = rows[0].start() + np.random.default_rng(1).normal(0, 0.5, (6, rows[0].size))
    mine, theirs = (d.log_density(theta) for d, _ in (rows, others))
    assert_allclose(mine - mine[0], theirs - theirs[0], rtol=1e-7, atol=1e-6)


@quickly
@given(tables(), st.sampled_from(["x", None]))
def test_every_engine_gives_the_same_cells(table, continuous):
    plain = table.drop(columns=["a"])
    plain = plain.assign(
        g=table["g"].astype(str).to_numpy(), h=table["h"].astype(str).to_numpy()
    ).reset_index(drop=True)
    slopes = [continuous] if continuous else []
    mine = pool.collapse(plain, "y", ["g", "h"], continuous=slopes)
    engines = {
        "polars": pl.from_pandas(plain),
        "arrow": pl.from_pandas(plain).to_arrow(),
        "duckdb": duckdb.from_df(plain),
    }
    for engine in engines.values():
        theirs = pool.collapse(engine, "y", ["g", "h"], continuous=slopes)
        assert list(theirs.columns) == list(mine.columns)
        assert (theirs["n"] == mine["n"]).all()
        for name in mine.columns[2:]:
            scale = 1 + np.abs(mine[name]).max()
            assert_allclose(theirs[name], mine[name], rtol=1e-9, atol=1e-8 * scale)
        assert (theirs["g"].astype(str) == mine["g"].astype(str)).all()


# What might come in a column, and none of it expected.
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.decimals(allow_nan=False),
    st.text(max_size=3),
    st.dates(),
    st.datetimes(),
    st.timedeltas(),
    st.binary(max_size=2),
    st.lists(st.integers(), max_size=2),
    st.complex_numbers(),
)


@quickly
@given(
    st.lists(ODD, min_size=8, max_size=8),
    st.sampled_from(["x", "g", "y"]),
    st.sampled_from(["y ~ x + (1|g)", "y ~ C(x) + (1|g)", "y ~ scale(x) + (x|g)"]),
)
def test_no_column_ends_in_a_traceback(values, where, formula):
    table = pd.DataFrame(
        {
            "y": np.arange(8.0) ** 2 % 5,
            "x": np.arange(8.0) % 3,
            "g": list("abcdabcd"),
        }
    )
    good = answer(lambda: pool.fit("y ~ x + (1|g)", table, draws=40, seed=1))
    bad = table.assign(**{where: pd.Series(values, dtype=object)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answer(lambda: pool.fit(formula, bad, draws=40, seed=1))
        answer(lambda: pool.fit(formula, bad, draws=40, missing="drop", seed=1))
        answer(lambda: pool.predict(good, bad, unseen="draw", seed=1))
        answer(lambda: pool.collapse(bad, "y", ["g", "x"], missing="drop"))
        # A check of columns may find several faults, one a line.
        try:
            pool.check_columns(bad, outcome="y", group="g", predictors=["x"])
        except pool.TableError:
            pass

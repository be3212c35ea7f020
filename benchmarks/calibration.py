"""Check `partialpool.fit` by simulation: are true values where it says they are?

For each shape, parameters are drawn from their priors, data from the parameters,
and the posterior from the data, 500 times. If the posterior is right, the rank of
each true value among its draws is uniform (Talts and others 2018, arXiv
1804.06788). Data are simulated here the long way, without the package; the ranks
are judged by :func:`partialpool.rank_truths`: how far their distribution function
strays from the diagonal, and how often those of a right posterior stray so far.

Run it as ``python -m benchmarks.calibration [shape …]``; it takes minutes.
"""

import argparse
import json
import os
import time
import warnings
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

import partialpool as pool

REFERENCE = Path(__file__).parent / "references" / "calibration.json"
PACKAGES = ["numpy", "pandas", "formulae"]
SEED = 20261
DATA_SETS, DRAWS = 500, 400

# All proper and none from the data, as the truth is drawn from them.
COMMON_SD, BETWEEN_SD, WITHIN_SD, LKJ = 1.0, 0.7, 1.0, 2.0
PRIORS = {
    "common": pool.Prior("Normal", mu=0, sigma=COMMON_SD),
    "group_specific": pool.Prior(
        "Normal", mu=0, sigma=pool.Prior("HalfNormal", sigma=BETWEEN_SD)
    ),
    "sigma": pool.Prior("HalfNormal", sigma=WITHIN_SD),
}


@dataclass(frozen=True)
class Shape:
    """A model and the size of its data.

    Parameters
    ----------
    rows : int
    levels : dict
        Grouping columns and their numbers of levels.
    factors : dict
        Grouping factors and what varies by each: ``"1"`` or a predictor.
    common : tuple of str
        Predictors: ``x`` is a number, ``sex`` a category.
    correlated : bool
    cells : bool
        Whether the fit sees cells in place of rows.
    """

    rows: int
    levels: dict
    factors: dict
    common: tuple = ()
    correlated: bool = False
    cells: bool = False

    @property
    def formula(self):
        """The model in Bambi's language."""
        groups = [f"({' + '.join(p)}|{f})" for f, p in self.factors.items()]
        return "y ~ " + " + ".join(["1", *self.common, *groups])


SHAPES = {
    "one_group": Shape(80, {"g": 8}, {"g": ["1"]}),
    "few_groups": Shape(40, {"g": 3}, {"g": ["1"]}, ("x",)),
    "crossed": Shape(150, {"a": 6, "b": 15}, {"a": ["1"], "b": ["1"]}, ("x", "sex")),
    "nested": Shape(150, {"a": 6, "b": 4}, {"a": ["1"], "a:b": ["1"]}, ("sex",)),
    "three_terms": Shape(
        150, {"a": 5, "b": 8, "c": 12}, {"a": ["1"], "b": ["1"], "c": ["1"]}
    ),
    "slopes": Shape(120, {"g": 10}, {"g": ["1", "x"]}, ("x",)),
    "correlated_slopes": Shape(
        120, {"g": 10}, {"g": ["1", "x"]}, ("x",), correlated=True
    ),
    "cells": Shape(
        300, {"a": 5, "b": 6}, {"a": ["1", "sex"], "b": ["1"]}, ("sex",), cells=True
    ),
}


@dataclass
class Simulated:
    """A data set and the parameters behind it, by variable and place."""

    table: pd.DataFrame
    truth: dict = field(default_factory=dict)


def make_predictors(shape, seed=1):
    """Make all columns but the outcome: the same for each data set of a shape."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "x": rng.normal(1, 1, shape.rows).round(2),
            "sex": rng.choice(["female", "male"], shape.rows),
        }
    )
    for name, count in shape.levels.items():
        labels = np.array([f"{name}{i:02}" for i in range(count)])
        share = rng.dirichlet(np.full(count, 3.0))
        rest = rng.choice(labels, shape.rows - count, p=share)
        table[name] = rng.permutation(np.concatenate([labels, rest]))
    return table


def simulate(shape, table, rng):
    """Draw parameters from their priors, and an outcome from the parameters."""
    truth = {"sigma": abs(rng.normal(0, WITHIN_SD))}
    truth["Intercept"] = rng.normal(0, COMMON_SD)
    mean = np.full(len(table), truth["Intercept"])
    for name in shape.common:
        # Bambi's prior of the intercept is on the mean of all predictors.
        column, slope = _numbers(table, name), rng.normal(0, COMMON_SD)
        mean += slope * (column - column.mean())
        truth["Intercept"] -= slope * column.mean()
        truth[name] = slope
    for factor, parts in shape.factors.items():
        mean += _add_effects(truth, shape, table, factor, parts, rng)
    y = rng.normal(mean, truth["sigma"])
    return Simulated(table.assign(y=y), truth)


def _add_effects(truth, shape, table, factor, parts, rng):
    labels = table[factor.split(":")].agg(":".join, axis=1)
    groups = np.unique(labels)
    effects = rng.standard_normal((len(groups), len(parts)))
    if shape.correlated:
        rho = 2 * rng.beta(LKJ, LKJ) - 1
        truth[f"{factor}_correlation"] = rho
        effects[:, 1] = rho * effects[:, 0] + np.sqrt(1 - rho**2) * effects[:, 1]
    total = 0
    for k, part in enumerate(parts):
        sd = abs(rng.normal(0, BETWEEN_SD))
        truth[f"{part}|{factor}_sigma"] = sd
        for g in (0, len(groups) - 1):
            truth[f"{part}|{factor}[{groups[g]}]"] = sd * effects[g, k]
        mine = sd * effects[np.searchsorted(groups, labels), k]
        total = total + mine * _numbers(table, part)
    return total


def _numbers(table, name):
    if name == "1":
        return np.ones(len(table))
    column = table[name]
    return (column == "male").to_numpy(float) if name == "sex" else column.to_numpy()


def draw(shape, table, seed, draws=DRAWS):
    """Fit one data set: the posterior, and how its draws were made."""
    if shape.cells:
        table = pool.collapse(table, "y", [*shape.levels, *shape.common])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pool.SlowerMethodWarning)
        fit = pool.fit(
            shape.formula,
            table,
            PRIORS,
            draws,
            correlated=shape.correlated,
            lkj=LKJ,
            seed=seed,
        )
    return fit["posterior"].to_dataset(), fit.attrs["method"]


def _draws_of(posterior, name):
    variable, _, level = name.partition("[")
    draws = posterior[variable]
    if level:
        factor = variable.split("|")[1]
        draws = draws.sel({f"{factor}__factor_dim": level[:-1]})
    return draws.to_numpy().ravel()


def calibrate(name, data_sets=DATA_SETS, draws=DRAWS, progress=lambda done: None):
    """Simulate, fit and rank a shape many times.

    Returns
    -------
    dict
        What was done, and for each parameter the columns ``farthest`` and ``p`` of
        :attr:`partialpool.Calibration.table`.
    """
    shape = SHAPES[name]
    predictors = make_predictors(shape)
    methods = []

    def make(rng):
        simulated = simulate(shape, predictors, rng)
        return simulated, simulated.truth

    def fit(simulated, rng):
        posterior, method = draw(shape, simulated.table, rng, draws)
        methods.append(method)
        progress(len(methods))
        return {name: _draws_of(posterior, name) for name in simulated.truth}

    start = time.perf_counter()
    seed = np.random.default_rng([SEED, list(SHAPES).index(name)])
    found = pool.rank_truths(make, fit, n=data_sets, seed=seed).table
    return {
        "formula": shape.formula,
        "correlated": shape.correlated,
        "cells": shape.cells,
        "rows": shape.rows,
        "data_sets": data_sets,
        "draws": draws,
        "metropolis": methods.count("metropolis"),
        "seconds": round(time.perf_counter() - start, 1),
        "parameters": found[["farthest", "p"]].sort_index().to_dict("index"),
    }


def _show(name):
    def progress(done):
        if done % 50 == 0:
            print(f"\r{name}: {done} of {DATA_SETS}", end="", flush=True)

    return progress


def main():
    """Calibrate the shapes asked for on the command line; all of them without."""
    parser = argparse.ArgumentParser(description="Calibrate fit by simulation.")
    parser.add_argument("shapes", nargs="*", metavar="shape")
    chosen = parser.parse_args().shapes or list(SHAPES)
    os.nice(10)
    stored = {"shapes": {}}
    if REFERENCE.exists():
        stored = json.loads(REFERENCE.read_text(encoding="utf-8"))
    stored["versions"] = {package: version(package) for package in PACKAGES}
    for name in chosen:
        result = calibrate(name, progress=_show(name))
        stored["shapes"][name] = result
        tests = pd.DataFrame(result["parameters"]).T
        print(
            f"\r{name}: {len(tests)} parameters, {result['seconds']:.0f} s, smallest "
            f"p {tests['p'].min():.4f}, largest distance "
            f"{tests['farthest'].max():.3f}, "
            f"{result['metropolis']} by Metropolis chains",
            flush=True,
        )
    text = json.dumps(stored, indent=1, ensure_ascii=False) + "\n"
    REFERENCE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

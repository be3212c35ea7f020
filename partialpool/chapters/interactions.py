"""Interactions: subjects by providers, hundreds of cells with few graduates in each."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from partialpool.chapters.penalties import (
    add_up,
    choose,
    cross_validation,
    restricted_likelihood,
    solve,
)
from partialpool.exact import fit, predict
from partialpool.graduates import simulate_graduates
from partialpool.poolings.one_way import tails_of

PAIR = ["subject", "provider"]
FAMILIES = [*PAIR, "cell"]
CROSSED = "log_earnings ~ 1 + (1|subject) + (1|provider) + (1|cell)"
# By name: the criterion, and how many penalties it chooses.
PENALISED = {
    "ridge, one penalty": (cross_validation, 1),
    "ridge, one a family": (cross_validation, 3),
    "reml": (restricted_likelihood, 3),
}


@dataclass(frozen=True)
class Interactions:
    """One draw of graduates, and what is true of the cells that it holds.

    Attributes
    ----------
    rows : pandas.DataFrame
        One row a graduate: ``subject``, ``provider``, ``cell`` (text) and
        ``log_earnings``.
    cells : pandas.DataFrame
        One row a cell of `rows`, by ``cell``: ``subject``, ``provider``, ``n``,
        ``mean`` (of the rows) and ``truth`` (the mean log earnings of such graduates).
    """

    rows: pd.DataFrame
    cells: pd.DataFrame


def draw_interactions(graduates=3_000, *, providers=24, judges=150_000, seed):
    """Draw graduates of many subjects at many providers, five years on.

    Parameters
    ----------
    graduates : int
        How many to draw; those without earnings are dropped.
    providers : int
    judges : int
        Further graduates from the same truth, whose true means are averaged by cell.
    seed : int or sequence of int
        Source of all randomness.

    Returns
    -------
    Interactions
        A cell that none of the judges falls into is left out.

    Examples
    --------
    >>> drawn = draw_interactions(2_000, judges=20_000, seed=1)
    >>> len(drawn.cells) > 300, bool(drawn.cells["n"].median() < 8)
    (True, True)
    """
    first, second = np.random.default_rng(seed).spawn(2)
    table, truth = simulate_graduates(
        graduates, years=5, n_providers=providers, seed=first
    )
    many, _ = simulate_graduates(judges, years=5, truth=truth, seed=second)
    true = truth.log_mean(many).groupby(_name(many)).mean()
    rows = table.dropna(subset="earnings")
    rows = (
        rows[PAIR]
        .astype(str)
        .assign(cell=_name(rows), log_earnings=np.log(rows["earnings"].astype(float)))
    )
    rows = rows[rows["cell"].isin(true.index)].reset_index(drop=True)
    by = rows.groupby("cell")
    cells = by[PAIR].first().assign(n=by.size(), mean=by["log_earnings"].mean())
    return Interactions(rows, cells.assign(truth=true))


def compete(drawn, *, ci_prob=0.9, draws=1_000, seed):
    """Estimate every cell by every method.

    Parameters
    ----------
    drawn : Interactions
    ci_prob : float
        Probability of the equal-tailed intervals.
    draws : int
        Of the posterior.
    seed : int
        Of the draws.

    Returns
    -------
    pandas.DataFrame
        Columns ``method``, ``group`` (the cell), ``estimate``, ``low``, ``high`` and
        ``truth``. Methods: least squares with a dummy for every cell (``dummies``) or
        with main effects only (``main effects``); ridge by generalised
        cross-validation, with one penalty for all dummies or one for each family;
        ``reml``, with intervals that take the standard deviations as known; and the
        posterior (``bayes``). What has no interval has none.
    """
    rows = drawn.rows
    first = ~rows["cell"].duplicated().to_numpy()
    cells, dummies = rows["cell"][first], add_up(rows, "log_earnings", FAMILIES)
    at = dummies.x[first]
    found = {
        "dummies": (drawn.cells["mean"].reindex(cells).to_numpy(),),
        "main effects": (_main_effects(rows, dummies, at),),
    }
    for name, (criterion, penalties) in PENALISED.items():
        logs = choose(criterion, dummies, penalties)
        found[name] = _penalised(dummies, logs, at, ci_prob, bounded=name == "reml")
    posterior = fit(CROSSED, rows, draws=draws, seed=seed, progress=False)
    mean = predict(posterior, rows[first], seed=seed)["mean"]
    ends = mean.quantile(list(tails_of(ci_prob)), ["chain", "draw"]).to_numpy()
    found["bayes"] = (mean.mean(["chain", "draw"]).to_numpy(), *ends)
    names = ("estimate", "low", "high")
    parts = [
        pd.DataFrame(
            {"method": method, "group": cells}
            | dict(zip(names, [*values, np.nan, np.nan], strict=False))
        )
        for method, values in found.items()
    ]
    table = pd.concat(parts, ignore_index=True)
    return table.assign(truth=table["group"].map(drawn.cells["truth"]))


def _main_effects(rows, dummies, at):
    main = dummies.family < len(FAMILIES)
    y = (rows["log_earnings"] - dummies.middle).to_numpy()
    return at[:, main] @ np.linalg.lstsq(dummies.x[:, main], y)[0] + dummies.middle


def _penalised(dummies, logs, at, ci_prob, *, bounded):
    _, inverse, b = solve(dummies, logs)
    centre = at @ b + dummies.middle
    if not bounded:
        return (centre,)
    sigma2 = (dummies.yy - b @ dummies.xy) / (len(dummies.x) - 1)
    half = np.sqrt(sigma2 * ((at @ inverse) * at).sum(1)) * ndtri(tails_of(ci_prob)[1])
    return centre, centre - half, centre + half


def _name(rows):
    """Label the cell of each row."""
    cell = rows["subject"].astype(str) + ", " + rows["provider"].astype(str)
    return cell.rename("cell")

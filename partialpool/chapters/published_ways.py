"""Ways to estimate every cell of a published table, their scores, and the rule of C11.

A way takes a :class:`~partialpool.chapters.published_worlds.World`, of which it sees
the tables, and returns ``log_mean``, ``low`` and ``high`` by cell, missing where it
has nothing to say.
"""

from functools import lru_cache
from itertools import product

import numpy as np
import pandas as pd

from partialpool.chapters.published_worlds import AREAS, CELL, draw_world
from partialpool.leo import fill

Z = 1.6449  # of a 90% interval
SMALL = 30  # largest count of a small published cell
FOLDS, PENALTIES = 5, np.geomspace(3, 3_000, 9)
CELL_SDS = (0.05, 0.1, 0.2)  # of cells about subject and provider, for ridge to try


def _estimates(table, mean, sd=np.nan):
    columns = {"log_mean": mean, "low": mean - Z * sd, "high": mean + Z * sd}
    index = pd.MultiIndex.from_frame(table[CELL])
    return pd.DataFrame({k: np.asarray(v, float) for k, v in columns.items()}, index)


def raw(world):
    """No pooling: the published median and its standard error."""
    table = world.tables["both"]
    return _estimates(table, table["log_median"], table["se"])


def subject_median(world):
    """Complete pooling: the subject's national median."""
    table = world.tables["both"]
    own = world.tables["subject"].set_index("subject")["se"].reindex(table["subject"])
    return _estimates(table, table["national"], own.to_numpy())


def threshold_rule(world):
    """Discover Uni's rule: the newest year, two years joined, then a broader subject.

    The first of the four that reaches the cut-off counts: the cell's newest cohort,
    its two cohorts, the provider's broad subject area, the subject nationally.
    """
    cells, areas = world.tables["both"][CELL], world.tables["area"]
    levels = [world.tables["newest"], world.tables["both"]]
    area = cells["subject"].map(lambda s: AREAS.get(s, s))
    levels.append(cells.assign(area=area).merge(areas, "left", ["area", "provider"]))
    levels.append(cells.merge(world.tables["subject"], "left", "subject"))
    mean, se = np.full(len(cells), np.nan), np.full(len(cells), np.nan)
    for level in levels:
        mean = np.where(np.isnan(mean), level["log_median"], mean)
        se = np.where(np.isnan(se), level["se"], se)
    return _estimates(cells, mean, se)


def _design(table):
    """Dummies of subjects and providers; which cells are measured, and their outcome.

    The outcome is the distance from the subject's national median, so that a subject
    of which no cell is published is put at its national median.
    """
    parts = [pd.get_dummies(table[name].astype(str), dtype=float) for name in CELL]
    subjects, providers = (part.to_numpy() for part in parts)
    seen = table["log_median"].notna().to_numpy()
    y = (table["log_median"] - table["national"]).to_numpy()[seen]
    return subjects, providers, seen, y


def glm(world):
    """A GLM with main effects of subject and provider, weighted by count."""
    table = world.tables["both"]
    subjects, providers, seen, y = _design(table)
    X, n = np.hstack([subjects, providers]), table["n"].to_numpy()[seen]
    weighted = X[seen] * np.sqrt(n)[:, None]
    inverse = np.linalg.pinv(weighted.T @ weighted, hermitian=True)
    b = inverse @ (weighted.T @ (y * np.sqrt(n)))
    free = seen.sum() - np.linalg.matrix_rank(weighted)
    scale = (n * (y - X[seen] @ b) ** 2).sum() / free
    sd = np.sqrt(scale * np.einsum("ij,ij->i", X @ inverse, X))
    return _estimates(table, table["national"] + X @ b, sd)


def _relative_sd(table):
    """How far apart cells of a subject lie, relative to others: as its pay does."""
    return (table["sd"] / table["sd"].mean()).to_numpy()


@lru_cache(maxsize=1)  # three ways start from it, one after the other
def _ridge(world):
    """Means of all cells by ridge, and the effective number of its coefficients.

    Only providers are held back. Cross-validation sets their penalty and the weights
    of cells: how far these lie from their subject and provider, beside their errors.
    """
    table = world.tables["both"]
    subjects, providers, seen, y = _design(table)
    wide = _relative_sd(table)
    X = np.hstack([subjects, wide[:, None] * providers])
    rows, held = X[seen], np.arange(X.shape[1]) >= subjects.shape[1]
    error = table["se"].to_numpy()[seen] ** 2
    weights = {c: 1 / (error + (c * wide[seen]) ** 2) for c in CELL_SDS}
    fold, judged = np.arange(len(y)) % FOLDS, weights[CELL_SDS[1]]

    def invert(some, c, penalty):
        A = (rows[some] * weights[c][some, None]).T @ rows[some]
        return np.linalg.inv(A + np.diag(np.where(held, penalty, 1e-3)))

    def solve(some, c, penalty):
        return invert(some, c, penalty) @ (rows[some].T @ (weights[c][some] * y[some]))

    def loss(choice):
        left = [y - rows @ solve(fold != k, *choice) for k in range(FOLDS)]
        return judged @ np.choose(fold, left) ** 2

    best, every = min(product(CELL_SDS, PENALTIES), key=loss), np.full(len(y), True)
    mean = table["national"].to_numpy() + X @ solve(every, *best)
    coefficients = len(held) - np.trace(invert(every, *best) * best[1] * held)
    return mean, coefficients


def ridge(world):
    """The same GLM, its providers held back by a penalty that cross-validation sets."""
    return _estimates(world.tables["both"], _ridge(world)[0])


def ridge_fall(world):
    """Ridge, and the fall to it by size, learned from two years.

    A cell of n keeps the share n / (n + k) of its distance from what ridge says, with
    the k that best tells the second cohort from the first. Suppressed cells get ridge.
    """
    expected = ridge(world)["log_mean"]
    pair = [world.tables[name].set_index(CELL) for name in ("first", "newest")]
    x, z = ((table["log_median"] - expected).to_numpy() for table in pair)
    both = np.isfinite(x) & np.isfinite(z)
    n, m = (table["n"].to_numpy()[both] for table in pair)
    ks = np.geomspace(0.5, 500, 200)[:, None]
    best = np.argmin((z[both] - n / (n + ks) * x[both]) ** 2 @ m)
    table = world.tables["both"].set_index(CELL)
    kept = table["n"] / (table["n"] + ks[best])
    distance = (kept * (table["log_median"] - expected)).fillna(0)
    return _estimates(world.tables["both"], expected + distance)


def empirical_bayes(world):
    """Ridge, and cells drawn to it by their errors; the spread of cells by moments."""
    table = world.tables["both"]
    mean, coefficients = _ridge(world)
    wide, se = _relative_sd(table), table["se"].fillna(np.inf).to_numpy()
    left = (table["log_median"].to_numpy() - mean) / wide
    seen = np.isfinite(left)
    taus = np.geomspace(0.005, 0.5, 400)[:, None]  # Paule and Mandel (1982)
    spent = (left[seen] ** 2 / (taus**2 + (se[seen] / wide[seen]) ** 2)).sum(1)
    tau = taus[np.argmin(np.abs(spent - (seen.sum() - coefficients))), 0]
    own = (wide * tau) ** 2
    weight = own / (own + se**2)
    drawn = mean + weight * np.where(seen, wide * left, 0)
    return _estimates(table, drawn, np.sqrt(own * (1 - weight)))


def _filled(world, method):
    table = world.tables["both"]
    found = fill(table, scale="sd", method=method, prior_sd=0.3, points=32).table
    return _estimates(table, found["log_mean"], found["log_sd"])


def reml(world):
    """Subjects, providers and cells in one hierarchy; its spreads set by REML."""
    return _filled(world, "reml")


def bayes(world):
    """The same hierarchy, its spreads integrated over."""
    return _filled(world, "bayes")


WAYS = {
    "raw medians": raw,
    "subject's median": subject_median,
    "threshold rule": threshold_rule,
    "GLM": glm,
    "ridge": ridge,
    "ridge, fall by size": ridge_fall,
    "hierarchy, moments": empirical_bayes,
    "hierarchy, REML": reml,
    "hierarchy, Bayes": bayes,
}
HIERARCHIES = [name for name in WAYS if name.startswith("hierarchy")]
MODEL = "hierarchy, Bayes"


# The experiment -------------------------------------------------------------------


def parts_of(world):
    """Say of every cell whether it is small, large or suppressed."""
    table = world.tables["both"].set_index(CELL)
    shown = table["status"] == "published"
    part = np.where(table["n"] <= SMALL, "small", "large")
    part = np.where(shown, part, np.where(table["n"] > 0, "suppressed", "none"))
    return pd.Series(part, table.index, name="part")


def suppressed_by_subject(world):
    """Say of every suppressed cell its subject, and of all others "none"."""
    part = parts_of(world)
    subject = part.index.get_level_values("subject").to_series(part.index)
    return subject.where(part == "suppressed", "none")


def compete(setting, worlds, *, ways=WAYS, parts=parts_of, seed, **options):
    """Estimate the cells of so many worlds in every way, and score them.

    `parts` says of each cell of a world which part it belongs to.

    Returns
    -------
    pandas.DataFrame
        By ``world``, ``part`` (``small`` and ``large`` published cells, ``suppressed``
        ones) and ``way``: ``mse`` (log points, against the truth), ``coverage`` and
        ``width`` of 90% intervals, ``sxy`` and ``sxx``: products of the estimates with
        what is published of a fresh sample, and with themselves, both as distances
        from the subject's median.
    """
    found = []
    for k in range(worlds):
        world = draw_world(setting, seed=[*np.atleast_1d(seed), k], **options)
        part = parts(world)
        for name, way in ways.items():
            scores = _score(way(world), world, part)
            found.append(scores.assign(world=k, way=name))
    return pd.concat(found).set_index(["world", "way"], append=True)


def _score(estimates, world, parts):
    truth = world.truth.reindex(estimates.index)
    centre = world.tables["both"]["national"].to_numpy()
    x = estimates["log_mean"] - centre
    y = world.later.reindex(estimates.index) - centre
    seen = y.notna() & x.notna()
    sure = estimates["low"].notna()
    inside = (estimates["low"] <= truth) & (truth <= estimates["high"])
    scores = pd.DataFrame(
        {
            "mse": (estimates["log_mean"] - truth) ** 2,
            "coverage": inside.astype(float).where(sure),
            "width": estimates["high"] - estimates["low"],
            "sxy": (x * y).where(seen),
            "sxx": (x**2).where(seen),
        }
    )
    by_part = scores.groupby(parts.to_numpy()).mean().rename_axis("part")
    return by_part.drop("none", errors="ignore")


def judge(found):
    """Add up worlds: each way's error, coverage and slope, with Monte Carlo errors.

    Returns
    -------
    pandas.DataFrame
        By ``part`` and ``way``: ``rmse``, ``coverage`` and ``slope`` (how much of a
        cell's estimated distance from its subject a fresh sample has: 1
        means no regression to the mean), each with ``_error``, and ``width``.
    """
    rows = {}
    for key, some in found.groupby(["part", "way"], sort=False):
        worlds = len(some)
        xx = some["sxx"].mean() or np.nan
        slope = some["sxy"].mean() / xx
        left = (some["sxy"] - slope * some["sxx"]).sem() / xx
        rmse = np.sqrt(some["mse"].mean())
        rows[key] = {
            "rmse": rmse,
            "rmse_error": some["mse"].sem() / (2 * rmse) if worlds > 1 else np.nan,
            "coverage": some["coverage"].mean(),
            "coverage_error": some["coverage"].sem(),
            "slope": slope,
            "slope_error": left,
            "width": some["width"].mean(),
        }
    return pd.DataFrame(rows).T.rename_axis(["part", "way"])


# The rule of C11, written before the figures ---------------------------------------


def holds_nominal(value, error, target, slack=0.05):
    """Whether a figure is within `slack` of its target, give or take two errors."""
    return abs(value - target) <= slack + 2 * error


def decide(scores):
    """Apply the rule of C11 to what :func:`judge` returned, by kind of world.

    The claim, for this chapter: regression to the mean and overfitting of small
    published cells are what a hierarchy cures.

    Parameters
    ----------
    scores : dict of str to pandas.DataFrame
        By the names of ``KINDS``.

    Returns
    -------
    parts : dict of str to bool
        ``cured``: small cells of the hierarchy keep all of their distance (slope 1,
        give or take 0.05 and two Monte Carlo errors), those of raw medians do not
        (below 0.9). ``accurate``: its error there is at most 0.9 of the raw medians'.
        ``honest``: its 90% intervals hold 85% to 95% of small and of suppressed cells,
        give or take two errors. ``needed``: no way without a hierarchy has an error
        at most 5% above, of small or of suppressed cells. ``robust``: cured, accurate
        and honest where size tells and where tails are heavy.
    outcome : str
        Holds if all five are true; with conditions if the first three are.
    """
    found = {kind: _parts(table) for kind, table in scores.items()}
    first = found.pop("as calibrated")
    parts = {name: first[name] for name in ("cured", "accurate", "honest")}
    cures = all(parts.values())
    parts["needed"] = first["needed"]
    parts["robust"] = all(
        its[name] for its in found.values() for name in ("cured", "accurate", "honest")
    )
    if not cures:
        return parts, "does not hold"
    return parts, "holds" if all(parts.values()) else "holds with conditions"


def _parts(table):
    small, gaps = table.loc["small"], table.loc["suppressed"]
    ours, none = small.loc[MODEL], small.loc["raw medians"]
    rivals = [name for name in small.index if name not in HIERARCHIES]
    nominal = [
        holds_nominal(
            part.loc[MODEL, "coverage"], part.loc[MODEL, "coverage_error"], 0.9
        )
        for part in (small, gaps)
    ]
    least = [
        (part.loc[rivals, "rmse"].min() / part.loc[MODEL, "rmse"])
        for part in (small, gaps)
    ]
    return {
        "cured": bool(
            holds_nominal(ours["slope"], ours["slope_error"], 1) and none["slope"] < 0.9
        ),
        "accurate": bool(ours["rmse"] <= 0.9 * none["rmse"]),
        "honest": all(nominal),
        "needed": bool(min(least) > 1.05),
    }

"""Ways to estimate every cell of a published table, their scores, and the rule of C11.

A way takes a :class:`~partialpool.chapters.published_worlds.World`, of which it sees
the tables, and returns ``log_mean``, ``low`` and ``high`` by cell, missing where it
has nothing to say.
"""

import numpy as np
import pandas as pd

from partialpool.chapters.published_worlds import AREAS, CELL, draw_world
from partialpool.leo import fill

Z = 1.6449  # of a 90% interval
SMALL = 30  # largest count of a small published cell
BANDS = [0, 20, 40, np.inf]  # of size, for the GLM whose fall depends on it
FOLDS, PENALTIES = 5, np.geomspace(1, 1e4, 9)


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


def _weighted(table):
    """Design of subjects and providers, and outcome and weights of measured cells.

    The outcome is the distance from the subject's national median, so that a subject
    of which no cell is published is put at its national median.
    """
    parts = [pd.get_dummies(table[name].astype(str), dtype=float) for name in CELL]
    subjects, providers = (part.to_numpy() for part in parts)
    seen = table["log_median"].notna().to_numpy()
    y = (table["log_median"] - table["national"]).to_numpy()[seen]
    n = table["n"].to_numpy()[seen]
    return np.hstack([subjects, providers]), subjects.shape[1], seen, y, n


def glm(world):
    """A GLM with main effects of subject and provider, weighted by count."""
    table = world.tables["both"]
    X, _, seen, y, n = _weighted(table)
    weighted = X[seen] * np.sqrt(n)[:, None]
    inverse = np.linalg.pinv(weighted.T @ weighted, hermitian=True)
    b = inverse @ (weighted.T @ (y * np.sqrt(n)))
    free = seen.sum() - np.linalg.matrix_rank(weighted)
    scale = (n * (y - X[seen] @ b) ** 2).sum() / free
    sd = np.sqrt(scale * np.einsum("ij,ij->i", X @ inverse, X))
    return _estimates(table, table["national"] + X @ b, sd)


def ridge(world):
    """The same GLM, its providers held back by a penalty that cross-validation sets."""
    table = world.tables["both"]
    X, subjects, seen, y, n = _weighted(table)
    rows = X[seen]
    fold = np.arange(len(y)) % FOLDS

    def solve(some, penalty):
        A = (rows[some] * n[some, None]).T @ rows[some]
        at = np.arange(len(A))
        A[at, at] += np.where(at < subjects, 1e-3, penalty)
        return np.linalg.solve(A, rows[some].T @ (n[some] * y[some]))

    losses = []
    for penalty in PENALTIES:
        loss = 0.0
        for k in range(FOLDS):
            left = y - rows @ solve(fold != k, penalty)
            loss += (n * left**2)[fold == k].sum()
        losses.append(loss)
    best = PENALTIES[int(np.argmin(losses))]
    return _estimates(table, table["national"] + X @ solve(slice(None), best))


def glm_fall(world):
    """A GLM whose fall to the main effects depends on size, learned from two years.

    How much of a cell's distance from what subject and provider say was still there
    one cohort on, by size: that share of the distance is kept. Suppressed cells get
    the main effects.
    """
    expected = glm(world)["log_mean"]
    first, newest = (world.tables[name].set_index(CELL) for name in ("first", "newest"))
    x, z = first["log_median"] - expected, newest["log_median"] - expected
    pair = (x.notna() & z.notna()).to_numpy()
    both = world.tables["both"].set_index(CELL)
    band_of = {
        name: pd.cut(t["n"], BANDS, labels=False)
        for name, t in {"first": first, "both": both}.items()
    }
    mean, distance = expected.copy(), both["log_median"] - expected
    for band in range(len(BANDS) - 1):
        some = pair & (band_of["first"] == band).to_numpy()
        slope = (x[some] @ z[some]) / (x[some] @ x[some]) if some.sum() > 2 else 1.0
        there = (band_of["both"] == band) & distance.notna()
        mean[there] += np.clip(slope, 0, 1) * distance[there]
    return _estimates(world.tables["both"], mean.to_numpy())


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
    "GLM, fall by size": glm_fall,
    "hierarchy, REML": reml,
    "hierarchy, Bayes": bayes,
}
HIERARCHIES = [name for name in WAYS if name.startswith("hierarchy")]
MODEL = "hierarchy, Bayes"


# The experiment -------------------------------------------------------------------


def compete(setting, worlds, *, ways=WAYS, seed, **options):
    """Estimate the cells of so many worlds in every way, and score them.

    Returns
    -------
    pandas.DataFrame
        By ``world``, ``part`` (``small`` and ``large`` published cells, ``suppressed``
        ones) and ``way``: ``mse`` (log points, against the truth), ``coverage`` and
        ``width`` of 90% intervals, ``sxy`` and ``sxx``: products of the estimates with
        what is published two cohorts on, and with themselves, both as distances from
        the subject's median.
    """
    found = []
    for k in range(worlds):
        world = draw_world(setting, seed=[*np.atleast_1d(seed), k], **options)
        parts = parts_of(world)
        for name, way in ways.items():
            scores = _score(way(world), world, parts)
            found.append(scores.assign(world=k, way=name))
    return pd.concat(found).set_index(["world", "way"], append=True)


def parts_of(world):
    """Say of every cell whether it is small, large or suppressed."""
    table = world.tables["both"].set_index(CELL)
    shown = table["status"] == "published"
    part = np.where(table["n"] <= SMALL, "small", "large")
    part = np.where(shown, part, np.where(table["n"] > 0, "suppressed", "none"))
    return pd.Series(part, table.index, name="part")


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
        cell's estimated distance from its subject is published two cohorts on: 1
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

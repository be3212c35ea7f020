"""Nine ways to believe what a table says of courses, and of all that they share.

Each takes a world, the number of draws and a random generator, and returns
:class:`~partialpool.chapters.loan_worlds.Beliefs`. Three pool completely, two not at
all, four partially; some take their estimates as the truth, and others do not.
"""

import numpy as np

from partialpool.chapters.loan_worlds import Beliefs
from partialpool.exact import fit, predict

FORMULA = "log_pay ~ 1 + years + tariff + (1|course)"

# Complete pooling: the tariff, and nothing else, tells courses apart ---------------


def plug_in(world, draws, rng):
    """A GLM with the tariff: its estimates, as if they were the truth."""
    X, y = _design(world), world.table["log_pay"].to_numpy()
    b, s = _least_squares(X, y)
    return _repeat(common(world, b), b[1], s, draws)


def bootstrap(world, draws, rng):
    """The same GLM, fitted again to courses drawn with replacement."""
    b, tau, sigma = _fit_to_drawn_courses(world, draws, rng)
    return Beliefs(common(world, b).T, b[1], np.hypot(tau, sigma))


def bootstrap_with_spread(world, draws, rng):
    """The same, and every course off its tariff by as much as courses are."""
    b, tau, sigma = _fit_to_drawn_courses(world, draws, rng)
    level = common(world, b) + tau * rng.standard_normal((len(world.courses), draws))
    return Beliefs(level.T, b[1], sigma)


# No pooling ------------------------------------------------------------------------


def plug_in_dummies(world, draws, rng):
    """A GLM with a dummy for each course: its estimates, as if they were the truth."""
    X, y = _dummies(world), world.table["log_pay"].to_numpy()
    b, s = _least_squares(X, y)
    return _repeat(b[1:], b[0], s, draws)


def no_pooling(world, draws, rng):
    """A GLM with a dummy for each course, and its standard errors."""
    X, y = _dummies(world), world.table["log_pay"].to_numpy()
    b, s = _least_squares(X, y)
    sigma = s / np.sqrt(rng.chisquare(len(y) - len(b), draws) / (len(y) - len(b)))
    root = np.linalg.cholesky(np.linalg.inv(X.T @ X))
    found = b + sigma[:, None] * (rng.standard_normal((draws, len(b))) @ root.T)
    return Beliefs(found[:, 1:], found[:, 0], sigma)


# Partial pooling -------------------------------------------------------------------


def reml_plug_in(world, draws, rng):
    """REML: courses are uncertain given its estimates, which count as the truth."""
    X, y, code, n = grouped(world)
    found = _reml(X, y[:, None], code, n)
    b, tau, sigma = (np.repeat(each, draws, -1) for each in found)
    return Beliefs(_levels(world, b, tau, sigma, rng), b[1], sigma)


def empirical_bayes(world, draws, rng):
    """Moments instead of REML, fitted again to tables drawn from their own fit."""
    X, y, code, n = grouped(world)
    again = _draw_again(X, code, *_moments(X, y[:, None], code, n), draws, rng)
    b, tau, sigma = _moments(X, again, code, n)
    return Beliefs(_levels(world, b, tau, sigma, rng), b[1], sigma)


def reml(world, draws, rng):
    """REML, fitted again to tables drawn from its own fit.

    The fits show how far its parameters may be off; given each, the courses have
    their normal distribution (Laird and Louis 1987).
    """
    X, y, code, n = grouped(world)
    again = _draw_again(X, code, *_reml(X, y[:, None], code, n), draws, rng)
    b, tau, sigma = _reml(X, again, code, n)
    return Beliefs(_levels(world, b, tau, sigma, rng), b[1], sigma)


def hierarchical(world, draws, rng):
    """The posterior of the hierarchical model."""
    posterior = fit(FORMULA, world.table, draws=draws, seed=rng)
    rows = world.courses.reset_index().assign(years=0)
    level = predict(posterior, rows, seed=rng)["mean"].to_numpy()
    draws = posterior["posterior"]
    flat = draws["years"].to_numpy().ravel(), draws["sigma"].to_numpy().ravel()
    return Beliefs(level.reshape(-1, len(rows)), *flat)


WAYS = {
    "plug-in GLM": plug_in,
    "GLM, bootstrap": bootstrap,
    "GLM, bootstrap and spread": bootstrap_with_spread,
    "plug-in, dummies": plug_in_dummies,
    "no pooling": no_pooling,
    "plug-in REML": reml_plug_in,
    "empirical Bayes, bootstrap": empirical_bayes,
    "REML, bootstrap": reml,
    "hierarchical": hierarchical,
}


# What they need --------------------------------------------------------------------


def _design(world):
    t = world.table
    return np.column_stack([np.ones(len(t)), t["years"], t["tariff"]])


def _dummies(world):
    code, labels = world.table["course"].factorize()
    return np.column_stack([world.table["years"], np.eye(len(labels))[code]])


def grouped(world):
    """Columns, outcome and course of each row of the table, and rows of each course."""
    code = world.table["course"].factorize()[0]
    y = world.table["log_pay"].to_numpy()
    return _design(world), y, code, np.bincount(code)


def common(world, b):
    """What the common terms say of each course in its first year."""
    about = np.column_stack([np.ones(len(world.courses)), world.courses["tariff"]])
    return about @ b[[0, 2]]


def _least_squares(X, y):
    b = np.linalg.solve(X.T @ X, X.T @ y)
    return b, np.sqrt(np.sum((y - X @ b) ** 2) / (len(y) - X.shape[1]))


def _repeat(level, growth, sigma, draws):
    return Beliefs(
        np.tile(level, (draws, 1)), np.full(draws, growth), np.full(draws, sigma)
    )


def _fit_to_drawn_courses(world, draws, rng):
    """Least squares on courses drawn with replacement: b, tau and sigma, by draw.

    Sums by course are all that is needed of the rows. The variance splits as in an
    analysis of variance.
    """
    X, y, code, n = grouped(world)
    Z = np.column_stack([X, y])
    products = _sums((Z[:, :, None] * Z[:, None]).reshape(len(y), -1), code, len(n))
    picked = rng.multinomial(len(n), np.full(len(n), 1 / len(n)), draws)
    S = (picked @ products).reshape(draws, Z.shape[1], -1)
    b = np.linalg.solve(S[:, :-1, :-1], S[:, :-1, -1:])[..., 0].T
    rss = S[:, -1, -1] - np.sum(b.T * S[:, :-1, -1], 1)
    left = _sums(y[:, None] - X @ b, code, len(n))
    between = np.sum(picked.T * left**2 / n[:, None], 0)
    rows = picked @ n
    sigma2 = (rss - between) / (rows - len(n))
    tau2 = (between - (len(n) - 2) * sigma2) / (rows * (1 - 2 / len(n)))
    return b, np.sqrt(np.maximum(tau2, 0)), np.sqrt(sigma2)


def _draw_again(X, code, b, tau, sigma, draws, rng):
    """Outcomes of as many new tables, from the one fit: one column a table."""
    u = tau * rng.standard_normal((code[-1] + 1, draws))
    return X @ b + u[code] + sigma * rng.standard_normal((len(X), draws))


def _levels(world, b, tau, sigma, rng):
    """Levels of the courses, drawn from their normal distribution given the rest."""
    X, y, code, n = grouped(world)
    centre, sd = effects(X, y, code, n, b, tau, sigma)
    u = centre + sd * rng.standard_normal(centre.shape)
    return (common(world, b) + u).T


def effects(X, y, code, n, b, tau, sigma):
    """Means and standard deviations of course effects given the rest, by draw."""
    left = _sums(y[:, None] - X @ b, code, len(n))
    precision = n[:, None] / sigma**2 + 1 / np.maximum(tau, 1e-9) ** 2
    return left / sigma**2 / precision, 1 / np.sqrt(precision)


def _moments(X, Y, code, n):
    """Moments for many outcomes at once: analysis of variance, then weighted fits."""
    sums_x, sums_y = _sums(X, code, len(n)), _sums(Y, code, len(n))
    outer = sums_x[:, :, None] * sums_x[:, None]
    XX, XY = X.T @ X, X.T @ Y
    b, free = np.linalg.solve(XX, XY), len(Y) - len(n)
    for _ in range(2):
        left = sums_y - sums_x @ b
        within = np.sum((Y - X @ b) ** 2, 0) - np.sum(left**2 / n[:, None], 0)
        sigma2 = within / free
        excess = np.sum(left**2 / n[:, None], 0) - (len(n) - 2) * sigma2
        tau2 = np.maximum(excess / (len(Y) * (1 - 2 / len(n))), 0)
        w = tau2 / (sigma2 + n[:, None] * tau2)  # (courses, draws)
        A = XX - np.einsum("jd,jpq->dpq", w, outer)
        c = XY - sums_x.T @ (w * sums_y)
        b = np.linalg.solve(A, c.T[..., None])[..., 0].T
    return b, np.sqrt(tau2), np.sqrt(sigma2)


RATIOS = np.concatenate([[0.0], np.geomspace(0.02, 2, 100)])  # of tau to sigma


def _reml(X, Y, code, n):
    """REML for many outcomes at once: the best of a fine grid of tau / sigma."""
    sums_x, sums_y = _sums(X, code, len(n)), _sums(Y, code, len(n))
    free = len(Y) - X.shape[1]
    precision = 1 + n * RATIOS[:, None] ** 2  # (ratios, courses)
    w = RATIOS[:, None] ** 2 / precision
    weighted = (w[:, :, None] * sums_x).swapaxes(1, 2)
    A = X.T @ X - weighted @ sums_x
    c = X.T @ Y - weighted @ sums_y
    b = np.linalg.solve(A, c)  # (ratios, columns, outcomes)
    s2 = (np.sum(Y**2, 0) - w @ sums_y**2 - np.sum(b * c, 1)) / free
    known = np.log(precision).sum(1) + np.linalg.slogdet(A)[1]
    best = np.argmin(known[:, None] + free * np.log(s2), 0)
    each = np.arange(Y.shape[1])
    sigma = np.sqrt(s2[best, each])
    return b[best, :, each].T, RATIOS[best] * sigma, sigma


def _sums(values, code, groups):
    """Sums by group of each column; rows come sorted by group."""
    return np.add.reduceat(values, np.searchsorted(code, np.arange(groups)))

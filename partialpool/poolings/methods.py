"""Methods: how each opponent of a contest estimates the means of groups.

All take the sums of D data sets at once: one table is a contest of one data set, the
map of *When to pool* one of hundreds.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from partialpool.exact.priors import WIDTH
from partialpool.poolings.intercepts import GroupSums, along, at_ratio
from partialpool.poolings.spread import integrate

# The search for the best ratio of standard deviations: points and rounds, and how far.
SEARCH, FARTHEST = (60, 6), 1e3
# Numbers in one batch of data sets, chosen to stay in a processor's cache.
BATCH = 200_000


@dataclass(frozen=True)
class Task:
    """What is asked of a method.

    Attributes
    ----------
    sums : partialpool.poolings.intercepts.GroupSums
        Of D data sets of J groups.
    outcome_sd : numpy.ndarray
        Standard deviation of the outcome over all rows, shape (D,).
    counted : bool
        Whether there are rows behind the groups, and not standard errors.
    x : numpy.ndarray or None
        Predictors to estimate at, shape (D, J, p); the groups' own means if None.
    probs : (float, float)
        Probabilities at the ends of the intervals.
    tau_prior : float or None
        Scale of the half-normal prior between groups; Bambi's if None.
    search : (int, int)
        Points and rounds of the search for the best ratio.
    """

    sums: GroupSums
    outcome_sd: np.ndarray
    counted: bool
    probs: tuple
    x: np.ndarray | None = None
    tau_prior: float | None = None
    search: tuple = SEARCH

    @property
    def at(self):
        """Predictors to estimate at, shape (D, J, p)."""
        return self.sums.x if self.x is None else self.x

    def take(self, chosen):
        """Return the task for some of the data sets."""
        x = None if self.x is None else self.x[chosen]
        parts = self.sums.take(chosen), self.outcome_sd[chosen], self.counted
        return Task(*parts, self.probs, x, self.tau_prior, self.search)

    def without_predictors(self):
        """Return the task with the intercept alone."""
        sums, kept = self.sums, [0, -1]
        ones = np.ones((*sums.n.shape, 1))
        within = sums.within[:, kept][:, :, kept]
        sums = GroupSums(sums.n, ones, sums.y, within, sums.rows)
        return Task(sums, self.outcome_sd, self.counted, self.probs)


def estimate(task, methods):
    """Estimate the means of the groups of many data sets by several methods.

    Parameters
    ----------
    task : Task
    methods : sequence of str
        Keys of `METHODS`.

    Returns
    -------
    dict of str to tuple of numpy.ndarray
        For each method estimate, low and high, each of shape (D, J); NaN where a
        method has no answer.

    Examples
    --------
    >>> sums = GroupSums(
    ...     n=np.array([[4.0, 4.0]]),
    ...     x=np.ones((1, 2, 1)),
    ...     y=np.array([[-1.0, 1.0]]),
    ...     within=np.array([[[0.0, 0.0], [0.0, 6.0]]]),
    ...     rows=np.array([8.0]),
    ... )
    >>> task = Task(sums, np.array([1.3]), True, (0.05, 0.95))
    >>> found = estimate(task, ["none", "complete"])
    >>> found["none"][0].tolist(), found["complete"][0].tolist()
    ([[-1.0, 1.0]], [[0.0, 0.0]])
    """
    sets, groups = task.sums.n.shape
    step = max(1, BATCH // (task.search[0] * groups))
    parts = [
        [METHODS[name](task.take(slice(i, i + step))) for name in methods]
        for i in range(0, sets, step)
    ]
    return {
        name: tuple(np.concatenate(part) for part in zip(*column, strict=True))
        for name, column in zip(methods, zip(*parts, strict=True), strict=True)
    }


# Without pooling, or with all of it -------------------------------------------


def least_squares(task, ratio):
    """Estimate group means without groups (ratio 0) or with dummies (infinity).

    Parameters
    ----------
    task : Task
    ratio : float
        0 or infinity.

    Returns
    -------
    estimate, low, high : numpy.ndarray
        Shape (D, J), centred and on the scale of the model.
    """
    given = at_ratio(task.sums, np.array([[ratio]]))
    centre, variance = (part[:, 0] for part in given.estimate(task.x))
    sigma, t = 1.0, [ndtri(prob) for prob in task.probs]
    if task.counted:
        used = given.rank[:, 0] + (task.sums.groups if ratio else 0)
        df = np.maximum(task.sums.rows - used, 1)[:, None]
        sigma = np.sqrt(given.squares / df)
        t = [stdtrit(df, prob) for prob in task.probs]
    half = sigma * np.sqrt(variance)
    return centre, centre + t[0] * half, centre + t[1] * half


def complete(task):
    """Give all groups the mean of all rows."""
    return least_squares(task.without_predictors(), 0.0)


def glm(task):
    """Give each group what the predictors say of it."""
    return least_squares(task, 0.0)


def none(task):
    """Give each group a dummy; none to a group without rows."""
    unseen = task.sums.n == 0
    return tuple(np.where(unseen, np.nan, part) for part in least_squares(task, np.inf))


# The ratio of standard deviations by a criterion ------------------------------


def ridge(task):
    """Penalise the dummies, the penalty by generalised cross-validation."""
    best = best_ratio(task, cross_validation)
    centre = at_ratio(task.sums, best[:, None]).estimate(task.x)[0][:, 0]
    nothing = np.full(centre.shape, np.nan)
    return centre, nothing, nothing


def reml(task):
    """Draw the effects from a normal distribution, its sd by restricted likelihood."""
    return _as_if_known(task, restricted_likelihood)


def ml(task):
    """Draw the effects from a normal distribution, its sd by maximum likelihood."""
    return _as_if_known(task, full_likelihood)


def _as_if_known(task, likelihood):
    """Estimates and intervals that take the best standard deviations as known."""
    best = best_ratio(task, likelihood)
    given = at_ratio(task.sums, best[:, None])
    centre, variance = (part[:, 0] for part in given.estimate(task.x))
    sigma2 = 1.0
    if task.counted:
        lost = given.rank if likelihood is restricted_likelihood else 0
        sigma2 = given.squares / (task.sums.rows[:, None] - lost)
    half = ndtri(task.probs[1]) * np.sqrt(sigma2 * variance)
    return centre, centre - half, centre + half


def full_likelihood(sums, ratio, counted=True):
    """Log likelihood at each ratio, up to a constant: shape (D, K)."""
    given = at_ratio(sums, ratio)
    grown = np.log1p(sums.n[:, None] * ratio[..., None] ** 2).sum(-1)
    if not counted:
        return -0.5 * (grown + given.squares)
    return -0.5 * (grown + sums.rows[:, None] * np.log(given.squares))


def restricted_likelihood(sums, ratio, counted):
    """Log restricted likelihood at each ratio, up to a constant: shape (D, K)."""
    given = at_ratio(sums, ratio)
    if not counted:
        return -0.5 * (given.log_det + given.squares)
    free = sums.rows[:, None] - given.rank
    return -0.5 * (given.log_det + free * np.log(given.squares))


def cross_validation(sums, ratio, counted):
    """Minus the log of the generalised cross-validation score at each ratio: (D, K)."""
    given = at_ratio(sums, ratio)
    n, x = sums.n[:, None], sums.x
    own = given.weight
    # The trace of the hat matrix: the penalty is one over the squared ratio.
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(n > 0, (1 - own) * n, 0)
    if x.shape[2] == 1:
        lever = x[:, None, :, 0] ** 2 * given.inverse[..., 0]
    else:
        lever = along(x[:, None] @ given.inverse, x[:, None])
    used = given.rank + own.sum(-1) - (left * own * lever).sum(-1)
    residual = given.residuals()
    inner = given.squares - (left * residual**2).sum(-1)
    squares = inner + (left**2 * residual**2 / np.where(n > 0, n, 1)).sum(-1)
    return -np.log(squares) + 2 * np.log(sums.rows[:, None] - used)


def best_ratio(task, criterion):
    """Find the ratio, 0 included, at which a criterion is largest: shape (D,)."""
    points, rounds = task.search
    sums = task.sums
    unit = 1 / np.sqrt(np.nanmedian(np.where(sums.n > 0, sums.n, np.nan), axis=1))
    low = np.zeros(len(unit))
    high = np.full(len(unit), np.arcsinh(FARTHEST))
    each = np.arange(len(unit))
    for _ in range(rounds):
        t = np.linspace(low, high, points, axis=1)
        values = criterion(sums, unit[:, None] * np.sinh(t), task.counted)
        best, step = np.argmax(values, axis=1), t[:, 1] - t[:, 0]
        top = t[each, best]
        low, high = np.maximum(top - step, 0.0), top + step
    return unit * np.sinh(top)


# Bayes, empirical and full ----------------------------------------------------


def integrate_task(task):
    """Integrate both standard deviations by Bambi's priors: a `Spread`."""
    scale = task.outcome_sd
    tau = WIDTH * scale if task.tau_prior is None else task.tau_prior + 0 * scale
    return integrate(task.sums, tau, scale if task.counted else None)


def bayes(task):
    """Average over the posterior of both standard deviations."""
    spread = integrate_task(task)
    mean, _, low, high = spread.describe(*spread.given.estimate(task.x), task.probs)
    return mean, low, high


def morris(task):
    """Estimate by empirical Bayes, with Morris's intervals.

    Parameters
    ----------
    task : Task

    Returns
    -------
    estimate, low, high : numpy.ndarray
        Shape (D, J).

    Notes
    -----
    Morris (1983), Journal of the American Statistical Association 78, section 5: the
    iterated moment estimate of the variance between groups, a shrinkage factor less by
    (k - p - 2) / (k - p) for k groups and p coefficients, and a variance with a term
    for the error of that factor. The within-group variance is the pooled one.
    """
    sums, x = task.sums, task.at
    seen, k = sums.n > 0, sums.groups
    dummies = at_ratio(sums, [[np.inf]])
    sigma2 = np.ones((len(k), 1))
    if task.counted:
        sigma2 = dummies.squares / (sums.rows - k - dummies.rank[:, 0])[:, None]
    variance = sigma2 / np.where(seen, sums.n, 1)
    p = np.minimum(sums.x.shape[2], k - 3)
    tau2 = moment_estimate(sums, sigma2, variance, seen, p)[:, None]
    given = at_ratio(sums, np.sqrt(tau2 / sigma2))
    residual, slopes = given.residuals()[:, 0], given.slopes[:, 0]
    weight = seen / (variance + tau2)
    factor = np.maximum(k - p - 2, 0) / np.maximum(k - p, 1)
    shrink = factor[:, None] * variance / (variance + tau2)
    shrink = np.where(seen, shrink, 1)
    line = (x @ slopes[..., None])[..., 0]
    centre = line + np.where(seen, (1 - shrink) * residual, 0)
    inverse = given.inverse[:, 0] * sigma2[..., None]
    lever = weight * _square(sums.x, inverse)
    average = (weight * variance).sum(1) / weight.sum(1)
    doubt = (2 / np.maximum(k - p - 2, 1))[:, None] * shrink**2
    doubt = doubt * (average[:, None] + tau2) / (variance + tau2) * residual**2
    square = variance * (1 - (1 - lever) * shrink) + doubt
    away, unseen = _square(x - sums.x, inverse), tau2 + _square(x, inverse)
    half = ndtri(task.probs[1]) * np.sqrt(np.where(seen, square + away, unseen))
    return centre, centre - half, centre + half


def _square(x, inverse):
    """Quadratic form of each group's predictors: shape (D, J)."""
    return np.einsum("djp,dpq,djq->dj", x, inverse, x)


def moment_estimate(sums, sigma2, variance, seen, p):
    """Iterate the moment estimate of the variance between groups: shape (D,)."""
    k = seen.sum(1)
    tau2 = np.zeros(len(k))
    moving = np.arange(len(k))
    for _ in range(200):
        some, now = sums.take(moving), tau2[moving, None]
        given = at_ratio(some, np.sqrt(now / sigma2[moving]))
        weight = seen[moving] / (variance[moving] + now)
        most = (k / (k - p))[moving, None]
        excess = most * given.residuals()[:, 0] ** 2 - variance[moving]
        new = np.maximum((weight * excess).sum(1) / weight.sum(1), 0.0)
        far = ~(np.abs(new - now[:, 0]) < 1e-10 * (new + sigma2[moving, 0]))
        moving = moving[far]
        if not len(moving):
            break
        tau2[moving] = new[far]
    return tau2


METHODS = {
    "complete": complete,
    "none": none,
    "glm": glm,
    "ridge": ridge,
    "reml": reml,
    "empirical_bayes": morris,
    "bayes": bayes,
    "ml": ml,
}
# Maximum likelihood only where it is asked for: it stands beside REML.
USUAL = [name for name in METHODS if name != "ml"]

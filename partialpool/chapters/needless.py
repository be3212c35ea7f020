"""Needless structure: what factors that mean nothing do to methods that use them."""

from itertools import combinations

import numpy as np
import pandas as pd
from scipy import optimize, stats

from partialpool.exact import Prior, fit, predict

PENALTIES = np.logspace(-3, 5, 60)  # that ridge chooses from


def judge_needless(
    people,
    *,
    outcome,
    predictors,
    counts=(0, 2, 4, 6),
    levels=12,
    train=150,
    repeats=20,
    apart=0.5,
    ci_prob=0.9,
    seed,
):
    """Add factors that mean nothing, and predict people who were held out.

    In each set `train` people are drawn to be fitted, all others are predicted, and
    everybody is dealt labels at random: as structure they mean nothing.

    Parameters
    ----------
    people : pandas.DataFrame
        One row a person, or whatever is to be predicted.
    outcome : str
        Column to predict.
    predictors : list of str
        Numeric columns that every method uses.
    counts : sequence of int
        How many needless factors to give to the methods, in turn.
    levels : int
        Levels of each factor.
    train, repeats : int
        People fitted in each set, and number of sets.
    apart : float
        Scale of the half-normal prior of every spread between levels, in units of the
        outcome.
    ci_prob : float
        Probability of the equal-tailed intervals.
    seed : int
        Source of all randomness.

    Returns
    -------
    pandas.DataFrame
        One row a set, count, method and person held out: ``set``, ``factors``,
        ``method``, ``estimate``, ``low``, ``high``, ``truth``. Methods:

        ``dummies``
            Least squares with a dummy for each level, and its prediction intervals.
        ``aic``
            The same with those factors alone that AIC prefers, among all subsets.
        ``bic``
            The same by BIC.
        ``ridge``
            Dummies with one squared penalty, chosen by leave-one-out
            cross-validation; intervals from the spread of its errors.
        ``reml``
            Each factor's effects from a normal distribution, all standard deviations
            by restricted maximum likelihood; intervals as if these were known.
        ``bayes``
            The posterior of the same model.
        ``one_spread``
            The posterior if all factors share one standard deviation, as they share
            one penalty in ridge.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> people = pd.DataFrame({"x": rng.normal(size=60), "y": rng.normal(size=60)})
    >>> asked = {"outcome": "y", "predictors": ["x"], "counts": [1], "levels": 3}
    >>> rows = judge_needless(people, train=40, repeats=1, seed=1, **asked)
    >>> rows.groupby("method", sort=False).size().to_dict()  # doctest: +ELLIPSIS
    {'dummies': 20, 'aic': 20, 'bic': 20, 'ridge': 20, 'reml': 20, 'bayes': 20, ...}
    """
    names = [f"label_{k}" for k in range(max(counts))]
    parts = []
    for number in range(repeats):
        rng = np.random.default_rng([seed, number])
        labels = rng.integers(levels, size=(len(people), len(names))).astype(str)
        table = pd.concat(
            [people[[outcome, *predictors]], pd.DataFrame(labels, people.index, names)],
            axis=1,
        )
        fitted = np.zeros(len(table), bool)
        fitted[rng.choice(len(table), train, replace=False)] = True
        for count in counts:
            task = Task(table, fitted, outcome, predictors, names[:count])
            for method, found in answers(task, ci_prob, apart, rng).items():
                columns = dict(zip(("estimate", "low", "high"), found, strict=True))
                where = {"set": number, "factors": count, "method": method}
                parts.append(pd.DataFrame(where | columns | {"truth": task.truth}))
    return pd.concat(parts, ignore_index=True)


def score_needless(rows, *, limit, held):
    """Say by how much the most needless factors raise each method's error.

    Parameters
    ----------
    rows : pandas.DataFrame
        What :func:`judge_needless` returned, count 0 among the counts.
    limit : float
        Rise of the error up to which a method stays put, as a share.
    held : (float, float)
        Share of the intervals that should hold the truth, at least and at most.

    Returns
    -------
    pandas.DataFrame
        One row a method: ``rise`` of the root mean squared error over that without
        factors, averaged over the sets, ``se`` over the sets, ``held``, and ``stays
        put``: ``yes`` or ``no`` if the rise lies two standard errors below or above
        the limit (or the intervals fail), otherwise ``on the line``.

    Examples
    --------
    >>> sets = {"set": [0, 1], "method": "a", "estimate": 1.0, "low": 0.0, "high": 3.0}
    >>> none = pd.DataFrame(sets | {"factors": 0, "truth": [2.0, 2.0]})
    >>> six = none.assign(factors=6, truth=[2.1, 2.1])
    >>> table = score_needless(pd.concat([none, six]), limit=0.02, held=(0.8, 1.0))
    >>> round(table.loc["a", "rise"].item(), 3), table.loc["a", "stays put"]
    (0.1, 'no')
    """
    rows = rows.assign(
        square=(rows["estimate"] - rows["truth"]) ** 2,
        held=rows["truth"].between(rows["low"], rows["high"]),
    )
    by = rows.groupby(["set", "method", "factors"], sort=False)[["square", "held"]]
    scores = by.mean().unstack("factors")
    most = scores["square"].columns.max()
    rise = np.sqrt(scores["square"][most] / scores["square"][0]) - 1
    table = rise.groupby("method", sort=False).agg(rise="mean", se="sem")
    table["held"] = scores["held"][most].groupby("method").mean()
    kept, margin = table["held"].between(*held), 2 * table["se"]
    put = (table["rise"] + margin < limit) & kept
    moved = (table["rise"] - margin > limit) | ~kept
    return table.assign(
        **{"stays put": np.select([put, moved], ["yes", "no"], "on the line")}
    )


class Task:
    """What there is to fit and to predict, as tables and as matrices."""

    def __init__(self, table, fitted, outcome, predictors, factors):
        self.train, self.test = table[fitted], table[~fitted]
        self.outcome, self.predictors, self.factors = outcome, predictors, factors
        self.y = self.train[outcome].to_numpy()
        self.truth = self.test[outcome].to_numpy()
        x = np.column_stack([np.ones(len(table)), table[predictors]]).astype(float)
        z = [np.asarray(pd.get_dummies(table[name]), float) for name in factors]
        whole = np.concatenate([x, *z], axis=1)
        self.w, self.w_test = whole[fitted], whole[~fitted]
        # Of each column: -1 for the predictors, or the number of its factor.
        self.owner = np.repeat(
            np.arange(-1, len(factors)), [x.shape[1], *(part.shape[1] for part in z)]
        )


def answers(task, ci_prob, apart, rng):
    """Give each method's estimates and intervals: three arrays a method."""
    return {
        "dummies": least_squares(task, task.factors, ci_prob),
        "aic": least_squares(task, best_subset(task, 2), ci_prob),
        "bic": least_squares(task, best_subset(task, np.log(len(task.y))), ci_prob),
        "ridge": ridge(task, ci_prob),
        "reml": reml(task, ci_prob),
        "bayes": bayes(task, ci_prob, apart, rng),
        "one_spread": one_spread(task, ci_prob, apart, rng),
    }


def least_squares(task, factors, ci_prob):
    """Dummies for some of the factors, with classical prediction intervals."""
    w, w_test = (_columns(task, whole, factors) for whole in (task.w, task.w_test))
    inverse = np.linalg.pinv(w.T @ w)
    free = len(w) - np.linalg.matrix_rank(w)
    beta = inverse @ w.T @ task.y
    sigma2 = ((task.y - w @ beta) ** 2).sum() / free
    # A level that nobody fitted has: what rounding leaves of no doubt at all.
    doubt = np.maximum(((w_test @ inverse) * w_test).sum(1), 0)
    variance = sigma2 * (1 + doubt)
    t = stats.t.ppf((1 + ci_prob) / 2, free)
    return _interval(w_test @ beta, t * np.sqrt(variance))


def best_subset(task, price):
    """Name the factors with the smallest AIC, or BIC: `price` is that of a column."""

    def criterion(factors):
        w = _columns(task, task.w, factors)
        beta, _, rank, _ = np.linalg.lstsq(w, task.y)
        squares = ((task.y - w @ beta) ** 2).sum()
        return len(w) * np.log(squares) + price * rank

    subsets = [
        list(some)
        for size in range(len(task.factors) + 1)
        for some in combinations(task.factors, size)
    ]
    return min(subsets, key=criterion)


def ridge(task, ci_prob):
    """Dummies with one penalty, chosen by leave-one-out cross-validation."""
    penalised = task.owner >= 0
    best = None
    for penalty in PENALTIES if penalised.any() else [0.0]:
        inverse = np.linalg.inv(task.w.T @ task.w + np.diag(penalty * penalised))
        hat = task.w @ inverse @ task.w.T
        left_out = (task.y - hat @ task.y) / (1 - np.diag(hat))
        error = np.sqrt((left_out**2).mean())
        if best is None or error < best[0]:
            best = error, inverse @ task.w.T @ task.y
    error, beta = best
    return _interval(task.w_test @ beta, stats.norm.ppf((1 + ci_prob) / 2) * error)


def reml(task, ci_prob):
    """Effects from normal distributions, their variances by restricted likelihood."""
    ratios = reml_ratios(task)
    of_column = np.where(task.owner < 0, np.inf, np.append(ratios, 0)[task.owner])
    kept = of_column > 0
    w, w_test = task.w[:, kept], task.w_test[:, kept]
    inverse = np.linalg.inv(w.T @ w + np.diag(1 / of_column[kept]))
    beta = inverse @ w.T @ task.y
    free = len(w) - (task.owner < 0).sum()
    sigma2 = task.y @ (task.y - w @ beta) / free
    variance = sigma2 * (1 + ((w_test @ inverse) * w_test).sum(1))
    half = stats.norm.ppf((1 + ci_prob) / 2) * np.sqrt(variance)
    return _interval(w_test @ beta, half)


def reml_ratios(task):
    """Variance of each factor's effects over the residual variance, 0 included."""
    x = task.w[:, task.owner < 0]
    products = [
        task.w[:, task.owner == k] @ task.w[:, task.owner == k].T
        for k in range(len(task.factors))
    ]
    if not products:
        return np.zeros(0)
    n, p = x.shape

    def minus_two_log(ratios):
        v = np.eye(n) + sum(r * zz for r, zz in zip(ratios, products, strict=True))
        inverse = np.linalg.inv(v)
        xvx = x.T @ inverse @ x
        project = inverse - inverse @ x @ np.linalg.solve(xvx, x.T @ inverse)
        py = project @ task.y
        squares = task.y @ py
        value = np.linalg.slogdet(v)[1] + np.linalg.slogdet(xvx)[1]
        value += (n - p) * np.log(squares)
        slope = [
            np.sum(project * zz) - (n - p) * (py @ zz @ py) / squares for zz in products
        ]
        return value, np.array(slope)

    # From a small and a middling start: the likelihood may have two peaks.
    found = [
        optimize.minimize(
            minus_two_log,
            np.full(len(products), start),
            jac=True,
            method="L-BFGS-B",
            bounds=[(0, None)] * len(products),
        )
        for start in (0.01, 0.2)
    ]
    return min(found, key=lambda each: each.fun).x


def bayes(task, ci_prob, apart, rng):
    """The posterior of the model whose variances REML estimates."""
    if not task.factors:
        return least_squares(task, [], ci_prob)
    terms = [*task.predictors, *(f"(1|{name})" for name in task.factors)]
    spread = Prior("Normal", sigma=Prior("HalfNormal", sigma=apart))
    posterior = fit(
        f"{task.outcome} ~ {' + '.join(terms)}",
        task.train,
        {"group_specific": spread},
        draws=400,
        seed=rng,
        progress=False,
    )
    drawn = predict(posterior, task.test, unseen="draw", seed=rng)
    low, high = drawn["outcome"].quantile(_tails(ci_prob), ["chain", "draw"]).values
    return drawn["mean"].mean(["chain", "draw"]).to_numpy(), low, high


def one_spread(task, ci_prob, apart, rng, draws=200):
    """The posterior of a model in which all factors share one standard deviation."""
    if not task.factors:
        return least_squares(task, [], ci_prob)
    dummies = task.owner >= 0
    spread, sigma = _draw_spreads(task, apart, draws, rng)
    means, outcomes = np.empty((2, draws, len(task.truth)))
    noise = rng.normal(size=outcomes.shape)
    square, cross = task.w.T @ task.w, task.w.T @ task.y
    for k in range(draws):
        inverse = np.linalg.inv(square + np.diag((sigma[k] / spread[k]) ** 2 * dummies))
        means[k] = task.w_test @ (inverse @ cross)
        doubt = ((task.w_test @ inverse) * task.w_test).sum(1)
        outcomes[k] = means[k] + sigma[k] * np.sqrt(1 + doubt) * noise[k]
    return means.mean(0), *np.quantile(outcomes, _tails(ci_prob), axis=0)


def _draw_spreads(task, apart, draws, rng, points=40):
    """Draw both standard deviations from a grid over their posterior density."""
    x, z = task.w[:, task.owner < 0], task.w[:, task.owner >= 0]
    values, vectors = np.linalg.eigh(z @ z.T)
    x, y = vectors.T @ x, vectors.T @ task.y
    scale = task.y.std()
    spread = np.repeat(apart * np.linspace(0.002, 2, 2 * points), points)
    sigma = np.tile(scale * np.geomspace(0.5, 1.5, points), 2 * points)
    variance = sigma[:, None] ** 2 + spread[:, None] ** 2 * values.clip(0)
    xvx = np.einsum("np,gn,nq->gpq", x, 1 / variance, x, optimize=True)
    xvy = np.einsum("np,gn,n->gp", x, 1 / variance, y, optimize=True)
    squares = (y**2 / variance).sum(1)
    squares -= (xvy * np.linalg.solve(xvx, xvy[..., None])[..., 0]).sum(1)
    log = -0.5 * (np.log(variance).sum(1) + np.linalg.slogdet(xvx)[1] + squares)
    log -= 0.5 * (spread / apart) ** 2
    weight = np.exp(log - log.max())
    chosen = rng.choice(len(log), draws, p=weight / weight.sum())
    return spread[chosen], sigma[chosen]


def _tails(ci_prob):
    return [(1 - ci_prob) / 2, (1 + ci_prob) / 2]


def _columns(task, whole, factors):
    kept = [-1, *(task.factors.index(name) for name in factors)]
    return whole[:, np.isin(task.owner, kept)]


def _interval(centre, half):
    return centre, centre - half, centre + half

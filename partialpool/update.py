"""Update: last year's posterior becomes this year's prior, exactly or nearly."""

from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import pandas as pd
import scipy

from partialpool.exact import names
from partialpool.exact.labels import text_of
from partialpool.faults import TableError, quote
from partialpool.scores import check_prob


def add_cells(*years, keep=1.0):
    r"""Add the cells of several years: fitting the result is the full refit.

    A Gaussian model learns from the rows through counts, means and sums of squares
    alone, and these add up. So the old rows need not be kept.

    Parameters
    ----------
    *years : pandas.DataFrame
        Cells as :func:`~partialpool.cells.collapse` makes them, the oldest first, all
        with the same columns. The columns `by` need not have the same labels.
    keep : float
        What a row still counts a year later, above 0 and at most 1: below 1, a row
        that is `k` years older than the newest counts ``keep**k`` of a row. This is
        the power prior, or forgetting.

    Returns
    -------
    pandas.DataFrame
        Cells of the same columns, sorted by the labels. With `keep` below 1 the counts
        are no whole numbers: :func:`one_way` takes them, :func:`fit` does not.

    Raises
    ------
    TableError
        If a table holds no cells, or its columns are not those of the first.
    ValueError
        If `keep` is out of range.

    Notes
    -----
    Sums about means are added by the formulas of Chan, Golub and LeVeque (1983),
    "Algorithms for computing the sample variance", *The American Statistician* 37,
    242-247, which lose no digits. The power prior is that of Ibrahim and Chen (2000),
    "Power prior distributions for regression models", *Statistical Science* 15, 46-60.

    Examples
    --------
    >>> import partialpool as pool
    >>> table = pd.DataFrame({"course": list("AAB"), "pay": [20.0, 22.0, 30.0]})
    >>> first = pool.collapse(table, "pay", "course")
    >>> second = pool.collapse(table.assign(pay=table["pay"] + 4), "pay", "course")
    >>> add_cells(first, second)
      course  n  mean    ss
    0      A  4  23.0  20.0
    1      B  2  32.0   8.0
    """
    if not 0 < keep <= 1:
        raise ValueError(f"keep is {keep!r}: give a number above 0 and at most 1.")
    _check_years(years)
    weighted = [
        _weigh(cells, keep**age) if keep < 1 else cells
        for age, cells in zip(range(len(years) - 1, -1, -1), years, strict=True)
    ]
    return reduce(_add_two, weighted)


def _check_years(years):
    if not years:
        raise TableError("There are no cells to add: give one table or more.")
    for place, cells in enumerate(years, 1):
        if not {"by", "continuous", "binary"} <= set(getattr(cells, "attrs", {})):
            raise TableError(
                f"Table {place} holds no cells: make them with pool.collapse."
            )
        if list(cells.columns) != list(years[0].columns):
            raise TableError(
                f"Table {place} has the columns {', '.join(cells.columns)}, and the "
                f"first has {', '.join(years[0].columns)}: collapse both alike."
            )


def _count_columns(cells):
    return ["trials", "successes"] if cells.attrs["binary"] else ["n"]


def _weigh(cells, weight):
    counted = _count_columns(cells)
    sums = [c for c in cells if str(c).startswith(("ss", "sp_"))]
    sums = [c for c in sums if c not in cells.attrs["by"]]
    columns = [*counted, *(() if cells.attrs["binary"] else sums)]
    return cells.assign(**{column: cells[column] * weight for column in columns})


def _add_two(old, new):
    attrs, by = old.attrs, list(old.attrs["by"])
    both = pd.concat([_plain(old, by), _plain(new, by)], ignore_index=True)
    if attrs["binary"]:
        added = (
            both.groupby(by, as_index=False).sum() if by else both.sum().to_frame().T
        )
    else:
        added = _add_moments(both, by, attrs["continuous"])
    added = _restore(added[list(old.columns)], old, new, by)
    rows = float(added[_count_columns(old)[0]].sum())
    added.attrs = {
        **attrs,
        "rows": int(rows) if rows.is_integer() else rows,
        "rows_per_cell": rows / len(added),
        "dropped": _add_dropped(attrs["dropped"], new.attrs["dropped"]),
    }
    return added


def _add_moments(both, by, continuous):
    """Add counts, means, and sums of products about the means, cell by cell."""
    keys = both[by].apply(tuple, axis=1) if by else pd.Series(0, both.index)
    code, _ = pd.factorize(keys)
    first = ~pd.Series(code).duplicated().to_numpy()
    n = both["n"].to_numpy(float)
    size = code.max() + 1
    total = np.bincount(code, n, size)
    added = both.loc[first, by].reset_index(drop=True)
    added["n"] = np.bincount(code, both["n"], size).astype(both["n"].dtype)
    roles = {"": ("mean", "ss")} | {x: (f"mean_{x}", f"ss_{x}") for x in continuous}
    apart = {}
    for role, (mean, _) in roles.items():
        # From the first cell's mean, so that 30,000 ± 15 keeps its digits.
        centre = both.loc[first, mean].to_numpy()
        values = both[mean].to_numpy() - centre[code]
        middle = np.bincount(code, n * values, size) / total
        added[mean], apart[role] = centre + middle, values - middle[code]
    products = {ss: (role, role) for role, (_, ss) in roles.items()}
    products |= {f"sp_{x}": (x, "") for x in continuous}
    products |= {
        f"sp_{x}_{z}": (x, z)
        for i, x in enumerate(continuous)
        for z in continuous[i + 1 :]
    }
    for name, (one, two) in products.items():
        between = np.bincount(code, n * apart[one] * apart[two], size)
        added[name] = np.bincount(code, both[name], size) + between
    return added.sort_values(by, ignore_index=True) if by else added


def _plain(cells, by):
    return pd.DataFrame(cells).assign(
        **{
            name: cells[name].astype(object)
            for name in by
            if isinstance(cells[name].dtype, pd.CategoricalDtype)
        }
    )


def _restore(added, old, new, by):
    """Give labels back their categories: those of both years, in order."""
    for name in by:
        kind = old[name].dtype
        if isinstance(kind, pd.CategoricalDtype):
            levels = list(kind.categories)
            more = [x for x in new[name].dtype.categories if x not in set(levels)]
            levels = levels + more if kind.ordered else sorted([*levels, *more])
            added[name] = pd.Categorical(added[name], levels, ordered=kind.ordered)
    return added.sort_values(by, ignore_index=True) if by else added


def _add_dropped(old, new):
    added = {"rows": old["rows"] + new["rows"]}
    for kind in ("missing", "suppressed"):
        keys = dict.fromkeys([*old[kind], *new[kind]])
        added[kind] = {k: old[kind].get(k, 0) + new[kind].get(k, 0) for k in keys}
    return added


@dataclass(frozen=True)
class Belief:
    r"""What is known of the groups, in a form that the next year's prior can take.

    An intercept and group effects :math:`b` are normal given the residual variance,
    :math:`b \mid \sigma^2 \sim N(\text{mean}, \sigma^2\,\text{scale})`, and
    :math:`\sigma^2` is scaled inverse chi-squared with `df` degrees of freedom. That
    family is conjugate: an update is one step of linear algebra, without the old rows.

    Attributes
    ----------
    groups : list
        Labels of the J groups, as text.
    mean : numpy.ndarray
        Intercept, then the group effects, in the units of the outcome: (1 + J,).
    scale : numpy.ndarray
        Their covariance divided by the residual variance: (1 + J, 1 + J).
    df, variance : float
        Degrees of freedom and scale of the residual variance.
    between : float
        Variance of the effect of a group not seen before, divided by the same.

    Notes
    -----
    Gelman and others (2013), *Bayesian Data Analysis*, section 14.8. With `drift`
    between years it is the Kalman filter of West and Harrison (1997), *Bayesian
    Forecasting and Dynamic Models*, chapter 4.

    Examples
    --------
    >>> import partialpool as pool
    >>> table, truth = pool.simulate_groups(12, seed=1)
    >>> this_year, _ = pool.simulate_groups(truth=truth, seed=2)
    >>> last = pool.fit("y ~ 1 + (1|group)", table, seed=1)
    >>> belief = Belief.from_posterior(last)
    >>> belief = belief.update(pool.collapse(this_year, "y", "group"))
    >>> belief.group_means(ci_prob=0.9).shape
    (12, 4)
    """

    groups: list
    mean: np.ndarray
    scale: np.ndarray
    df: float
    variance: float
    between: float

    @classmethod
    def from_posterior(cls, fitted):
        """Match the moments of a posterior of ``y ~ 1 + (1|group)``.

        Parameters
        ----------
        fitted : xarray.DataTree
            What :func:`~partialpool.exact.fit` returned.

        Returns
        -------
        Belief
            With the posterior's means, covariances and spread of the residual
            variance; what is lost is that a posterior is not quite normal, and what
            the next year could still have taught on the standard deviations.

        Raises
        ------
        ValueError
            If the fit has other terms.
        """
        posterior = fitted["posterior"]
        effects = [v for v in posterior.data_vars if v.startswith("1|")]
        effects = [v for v in effects if not v.endswith("_sigma")]
        expected = {
            names.SIGMA,
            "Intercept",
            *effects,
            *(f"{v}_sigma" for v in effects),
        }
        if len(effects) != 1 or set(posterior.data_vars) != expected:
            raise ValueError(
                "A Belief holds an intercept and the effects of one factor, as of "
                "'y ~ 1 + (1|group)': for other models add the cells and fit again."
            )
        factor = effects[0].removeprefix("1|")
        groups = posterior[names.group_dim(factor)].to_numpy().tolist()
        intercept = posterior["Intercept"].to_numpy().reshape(-1, 1)
        draws = posterior[effects[0]].to_numpy().reshape(len(intercept), -1)
        draws = np.hstack([intercept, draws])
        variance = posterior[names.SIGMA].to_numpy().ravel() ** 2
        between = posterior[f"{effects[0]}_sigma"].to_numpy().ravel() ** 2
        precision = 1 / variance
        return cls(
            groups,
            draws.mean(0),
            np.cov(draws.T) / variance.mean(),
            float(2 * precision.mean() ** 2 / precision.var()),
            float(1 / precision.mean()),
            float(between.mean() / variance.mean()),
        )

    def without_correlations(self):
        """Keep each parameter's own mean and sd alone: the recipe of marginal priors.

        An intercept and the effects that are counted from it are nearly opposite in
        a posterior. Priors given one by one leave that out: what is known of a group,
        the sum of the two, looks less certain than it is.
        """
        return replace(self, scale=np.diag(np.diag(self.scale)))

    def drift(self, groups, common=0.0):
        """Let a year pass: every group takes a random step, and so may all together.

        Parameters
        ----------
        groups, common : float
            Standard deviation of a group's own step, and of the step that all
            take, in the units of the outcome.
        """
        if not (np.isfinite([groups, common]).all() and min(groups, common) >= 0):
            raise ValueError(
                f"The steps are {groups!r} and {common!r}: give numbers of 0 or more."
            )
        steps = np.r_[common, np.full(len(self.groups), groups)] ** 2 / self.variance
        return replace(self, scale=self.scale + np.diag(steps))

    def update(self, cells):
        """Learn from the cells of a new year, groups not seen before included.

        Parameters
        ----------
        cells : pandas.DataFrame
            Of :func:`~partialpool.cells.collapse`, by one column of group labels.

        Returns
        -------
        Belief

        Raises
        ------
        TableError
            If the cells are by other than one column, or of a binary outcome, or hold
            no group that is known.
        """
        attrs = getattr(cells, "attrs", {})
        if len(attrs.get("by", ())) != 1 or attrs.get("binary"):
            raise TableError(
                "A Belief learns from cells by one column of groups, of an outcome of "
                "numbers: make them with pool.collapse(table, outcome, group)."
            )
        # As a fit writes its groups: whole numbers become text there, too.
        labels = [text_of(label) for label in cells[attrs["by"][0]]]
        self._refuse_strangers(labels, attrs["by"][0])
        known = self._with_groups(labels)
        place = {label: i for i, label in enumerate(known.groups, 1)}
        place = np.array([place[label] for label in labels])
        n, y = cells["n"].to_numpy(float), cells["mean"].to_numpy(float)
        design = np.zeros((len(cells), len(known.mean)))
        design[:, 0] = design[np.arange(len(cells)), place] = 1
        # The Kalman form: it needs no inverse of the prior, which may be singular.
        gap = y - design @ known.mean
        cross = known.scale @ design.T
        spread = design @ cross + np.diag(1 / n)
        solved = np.linalg.solve(spread, np.column_stack([gap, cross.T]))
        scale = known.scale - cross @ solved[:, 1:]
        squares = self.df * self.variance + cells["ss"].sum() + gap @ solved[:, 0]
        df = self.df + n.sum()
        return replace(
            known,
            mean=known.mean + cross @ solved[:, 0],
            scale=(scale + scale.T) / 2,
            df=float(df),
            variance=float(squares / df),
        )

    def _refuse_strangers(self, labels, column):
        if not set(labels) & set(self.groups):
            raise TableError(
                f"No label of {quote(column)} is known: it holds {labels[0]}, and "
                f"the belief {self.groups[0]}. Write them as the fit's table did."
            )

    def _with_groups(self, labels):
        new = [label for label in labels if label not in set(self.groups)]
        if not new:
            return self
        size = len(self.mean)
        scale = np.diag(np.r_[np.zeros(size), np.full(len(new), self.between)])
        scale[:size, :size] = self.scale
        mean = np.r_[self.mean, np.zeros(len(new))]
        return replace(self, groups=[*self.groups, *new], mean=mean, scale=scale)

    def group_means(self, *, ci_prob):
        """Mean of each group with its equal-tailed interval.

        Parameters
        ----------
        ci_prob : float
            Probability of the interval.

        Returns
        -------
        pandas.DataFrame
            One row per group, indexed by it: ``mean``, ``sd``, ``low``, ``high``, in
            the units of the outcome.
        """
        check_prob(ci_prob)
        design = np.column_stack([np.ones(len(self.groups)), np.eye(len(self.groups))])
        mean = design @ self.mean
        spread = np.sqrt(
            self.variance * np.einsum("ij,jk,ik->i", design, self.scale, design)
        )
        half = scipy.stats.t.ppf((1 + ci_prob) / 2, self.df) * spread
        sd = spread * np.sqrt(self.df / (self.df - 2)) if self.df > 2 else np.inf
        columns = {"mean": mean, "sd": sd, "low": mean - half, "high": mean + half}
        return pd.DataFrame(columns, index=pd.Index(self.groups, name="group"))

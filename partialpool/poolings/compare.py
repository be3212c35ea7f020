"""Poolings: complete, none and partial side by side for one's own table."""

from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd

from partialpool.plots import plot_shrinkage, show_legend
from partialpool.poolings.advice import advise
from partialpool.poolings.groups import Groups, read_groups
from partialpool.poolings.methods import integrate_task, least_squares
from partialpool.poolings.one_way import check_prob, tails_of
from partialpool.poolings.spread import Spread

POOLINGS = ("complete", "none", "partial")


def compare(
    table,
    *,
    outcome,
    group,
    predictors=(),
    se=None,
    log=False,
    ci_prob=0.9,
    tau_prior=None,
    seed=None,
):
    r"""Set complete, no and partial pooling of one table side by side.

    Without predictors these are the mean of all rows, the mean of each group and the
    posterior mean of a hierarchical model. With predictors: a linear model without
    groups, one with a dummy for each group, and one whose intercept varies by group.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per observation; or cells as :func:`~partialpool.cells.collapse`
        makes them; or, with `se`, one row per group.
    outcome : str
        Column of numbers: what is measured, or with `se` the group's estimate.
    group : str or list of str
        Column of labels; of several columns each combination is a group.
    predictors : str or list of str
        Columns of numbers or labels, such as you would give a GLM.
    se : str, optional
        Column with the standard error of each estimate, above 0.
    log : bool
        Model the log of the outcome, which must be positive. Estimates come back in
        the outcome's own units, as medians, and standard deviations are read aloud as
        ratios. A standard error is then taken as a share of its estimate.
    ci_prob : float
        Probability of the equal-tailed intervals.
    tau_prior : float, optional
        Standard deviation of the half-normal prior of the one between groups; 2.5
        standard deviations of the outcome by default, as in Bambi.
    seed : optional
        Not used, as nothing here is random; taken so that every call may give one.

    Returns
    -------
    Comparison

    Raises
    ------
    TableError
        With one sentence for each fault of the table: the column, the rows, the mend.

    Notes
    -----
    The model is that of ``fit("y ~ x + (1|group)", table)`` with flat priors on the
    coefficients, by quadrature in place of draws (modules `spread` and `intercepts`).
    A million rows take a second or two: only sums by group are needed.

    Examples
    --------
    >>> import partialpool as pool
    >>> table, truth = pool.simulate_groups(8, sizes=(3, 90), seed=1)
    >>> compared = compare(table, outcome="y", group="group")
    >>> compared.table.columns[:4].tolist()
    ['n', 'complete', 'none', 'partial']
    >>> compared.between_sd.low < 0.15 < compared.between_sd.high
    True
    """
    check_prob(ci_prob)
    groups = read_groups(
        table, outcome=outcome, group=group, predictors=predictors, se=se, log=log
    )
    task = groups.task(tails_of(ci_prob), tau_prior)
    names = {"outcome": outcome, "group": groups.labels.name}
    return _compare(groups, task, ci_prob, names)


@dataclass(frozen=True)
class SdSummary:
    """One standard deviation: `median`, and the ends `low` and `high`."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Complete, no and partial pooling of one table.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a group, the smallest first, in units of the outcome: ``n`` (or the
        standard error ``se``); ``complete``, ``none`` and ``partial``; each with
        ``_low`` and ``_high``, the ends of its interval (that of complete pooling is
        for the mean that all are given); ``weight``, the share of the group's own
        data in its partial estimate; ``distance``, how far the group lies from what
        is expected of it; ``moved``, partial less none. A group moves far if its
        weight is small *and* its distance large.
    between_sd, within_sd : SdSummary
        Of true group means, and within groups (None with standard errors); with
        ``log=True`` of the logs.
    gain : pandas.DataFrame
        One row a pooling: ``rmse``, the error that the fitted model expects of it, on
        the scale of the model; ``saved``, the share of it that partial pooling saves.
    sentences : list of str
        What the figures say, and whether partial pooling is worth it here.
    ci_prob : float
        Probability of the intervals.
    """

    table: pd.DataFrame
    between_sd: SdSummary
    within_sd: SdSummary | None
    gain: pd.DataFrame
    sentences: list
    ci_prob: float
    groups: Groups
    spread: Spread
    names: dict

    def new_group(self, at=None):
        """Predict a group that nobody has seen, and one member of it.

        Parameters
        ----------
        at : pandas.DataFrame, optional
            One row with the predictors of the new group; their averages by default.

        Returns
        -------
        pandas.DataFrame
            Rows ``group`` and ``member`` (no ``member`` with standard errors);
            columns ``estimate`` (the median), ``low`` and ``high``, in units of the
            outcome.

        Raises
        ------
        TableError
            If a predictor is missing or holds a level not seen before.
        """
        coding = self.groups.coding
        x = np.zeros((1, 1 + len(coding.mean)))
        x[0, 0] = 1
        if at is not None:
            coding.check(at)
            x = coding.columns(at)
        given = self.spread.given
        centre = (given.slopes[:, :, None] * x).sum(-1)
        line = ((x @ given.inverse) * x).sum(-1)
        low, high = tails_of(self.ci_prob)
        kinds = ["group", "member"] if self.groups.counted else ["group"]
        rows = {}
        for i, kind in enumerate(kinds):
            variance = line + given.ratio[..., None] ** 2 + i
            ends = self.spread.describe(centre, variance, [0.5, low, high])[2:]
            rows[kind] = [self.groups.outcome(end[0]) for end in ends]
        index = (
            list(rows) if len(x) == 1 else pd.MultiIndex.from_product([rows, at.index])
        )
        values = np.concatenate([np.transpose(ends) for ends in rows.values()])
        return pd.DataFrame(values, index, ["estimate", "low", "high"])

    def plot(self, ax=None):
        """Draw the shrinkage picture: a slot a group, in order of size.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        matplotlib.axes.Axes
        """
        ax = plot_shrinkage(self.table, intervals=["partial"], ax=ax)
        ax.set_ylabel(self.names["outcome"])
        if np.abs(ax.get_ylim()).max() >= 1000:
            ax.yaxis.set_major_formatter("{x:,.0f}")
        return show_legend(ax)

    def to_csv(self, path, **options):
        """Write the table to a CSV file; options are those of pandas."""
        return self.table.to_csv(path, **options)

    def __str__(self):
        """Show the sentences and the main columns, rounded."""
        table = self._rounded().to_string(max_rows=20)
        return "\n".join([*self.sentences, "", table])

    def _repr_html_(self):
        said = "".join(f"<p>{escape(sentence)}</p>" for sentence in self.sentences)
        return said + self._rounded().to_html(max_rows=20)

    def _rounded(self):
        """Return the main columns, with as many digits as groups differ by."""
        shown = ["complete", "none", "partial", "partial_low", "partial_high"]
        spread = max(self.table["none"].std(), 1e-12)
        digits = max(1 - int(np.floor(np.log10(spread))), 0)
        table = self.table[[self.table.columns[0], *shown, "weight", "moved"]]
        rounded = table.round({name: digits for name in [*shown, "moved"]})
        return rounded.round({"weight": 2})


def _compare(groups, task, ci_prob, names):
    sums, probs, spread = groups.sums, task.probs, integrate_task(task)
    complete, none = (
        [part[0] for part in least_squares(task, ratio)] for ratio in (0.0, np.inf)
    )
    mean, sd, *ends = (
        part[0] for part in spread.describe(*spread.given.estimate(), probs)
    )
    partial = (mean, *ends)
    weight = (spread.weight[..., None] * spread.given.weight).sum(1)[0]
    distance = (spread.weight[..., None] * spread.given.residuals()).sum(1)[0]
    columns = {"n" if groups.counted else "se": groups.size}
    estimates = dict(zip(POOLINGS, (complete, none, partial), strict=True))
    for name in POOLINGS:
        columns[name] = groups.outcome(estimates[name][0])
    for name in POOLINGS:
        for end, values in zip(("low", "high"), estimates[name][1:], strict=True):
            columns[f"{name}_{end}"] = groups.outcome(values)
    own = groups.outcome(sums.y[0])
    columns["weight"] = weight
    columns["distance"] = own - groups.outcome(sums.y[0] - distance)
    columns["moved"] = columns["partial"] - columns["none"]
    table = pd.DataFrame(columns, index=groups.labels)
    squares = {k: sd**2 + (mean - v[0]) ** 2 for k, v in estimates.items()}
    error = pd.Series({k: np.sqrt(v.mean()) for k, v in squares.items()})
    gain = pd.DataFrame({"rmse": error, "saved": 1 - error["partial"] / error})
    between = _summarise(spread, probs, between=True)
    within = _summarise(spread, probs, between=False) if groups.counted else None
    sentences = advise(
        table, between, within, gain, ci_prob=ci_prob, log=groups.log, **names
    )
    return Comparison(
        table, between, within, gain, sentences, ci_prob, groups, spread, names
    )


def _summarise(spread, probs, between):
    low, median, high = spread.quantiles([probs[0], 0.5, probs[1]], between)
    return SdSummary(float(median[0]), float(low[0]), float(high[0]))

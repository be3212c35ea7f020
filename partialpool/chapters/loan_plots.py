"""Pictures of forecasts of loan books, and of how often they hold the truth."""

import numpy as np

WIDE = "#0173b2"


def plot_fan(fans, truth, *, first_year=2026, axes=None):
    """Draw forecasts of yearly repayments as fans, beside each other, with the truth.

    Parameters
    ----------
    fans : dict of str to array, shape (draws, years)
        What a book repays each year, as a share of its outlay.
    truth : array, shape (years,)
    first_year : int
    axes : sequence of matplotlib.axes.Axes, optional
        One for each of `fans`.

    Returns
    -------
    sequence of matplotlib.axes.Axes
    """
    import matplotlib.pyplot as plt

    if axes is None:
        axes = plt.subplots(1, len(fans), figsize=(7.6, 3.4), sharey=True)[1]
    years = first_year + np.arange(len(truth))
    for ax, (name, draws) in zip(axes, fans.items(), strict=True):
        for prob, alpha in ((0.9, 0.3), (0.5, 0.5)):
            ends = 100 * np.quantile(draws, [(1 - prob) / 2, (1 + prob) / 2], axis=0)
            label = f"{prob:.0%} of forecasts"
            ax.fill_between(years, *ends, color=WIDE, alpha=alpha, lw=0, label=label)
        ax.plot(years, 100 * np.asarray(truth), color="black", lw=1.5, label="truth")
        ax.set_title(name)
        ax.set_xlabel("year")
    axes[0].set_ylabel("repaid, % of the outlay")
    axes[-1].legend(loc="upper right", fontsize="small")
    return axes


def plot_split(means, errors, axes=None):
    """Draw the standard deviations of each source, by table, with two errors.

    Takes what :func:`~partialpool.chapters.loan_split.compare_designs` returned;
    returns the axes, one for a course and one for the book.
    """
    import matplotlib.pyplot as plt

    if axes is None:
        axes = plt.subplots(1, 2, figsize=(7.6, 3.2), sharey=True)[1]
    sources = list(means.columns)[::-1]
    for ax, part in zip(axes, ["a course", "the book"], strict=True):
        tables = list(means.loc[part].index)
        for table, marker, shift in zip(tables, "osD", (0.2, 0, -0.2), strict=True):
            ax.errorbar(
                100 * means.loc[(part, table), sources],
                np.arange(len(sources)) + shift,
                xerr=200 * errors.loc[(part, table), sources],
                fmt=marker,
                ms=5,
                label=table,
            )
        ax.set_yticks(np.arange(len(sources)), sources)
        ax.set_xlim(left=0)
        ax.set_title(part)
        ax.set_xlabel("sd of the cost, % of the outlay")
    axes[1].legend(loc="best", fontsize="small")
    return axes


def plot_coverage(scores, *, prob, axes=None):
    """Draw coverage with two Monte Carlo errors, by kind of world and way.

    Takes what :func:`~partialpool.chapters.loan_contest.judge` returned for several
    kinds of world, one below the other; returns the two axes.
    """
    import matplotlib.pyplot as plt

    if axes is None:
        axes = plt.subplots(1, 2, figsize=(7.6, 5.2), sharey=True)[1]
    kinds = scores.index.unique(0)
    ways = scores.index.unique("way")
    for ax, part in zip(axes, ["course", "book"], strict=True):
        for kind, marker, shift in zip(kinds, "osD", (0.22, 0, -0.22), strict=True):
            rows = scores.loc[kind].loc[part].loc[ways]
            at = np.arange(len(ways))[::-1] + shift
            ax.errorbar(
                rows["coverage"],
                at,
                xerr=2 * rows["error"],
                fmt=marker,
                ms=5,
                label=kind,
            )
        ax.axvline(prob, color="grey", lw=1)
        ax.set_yticks(np.arange(len(ways))[::-1], ways)
        ax.set_xlim(-0.02, 1.08)
        ax.set_title(f"{part}s")
        ax.set_xlabel("intervals that hold the truth")
    axes[0].legend(loc="lower left", fontsize="small")
    return axes

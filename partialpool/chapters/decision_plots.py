"""Pictures of league tables with their uncertainty, and of what decisions save."""

import numpy as np

from partialpool.chapters.decision_rules import rank, rank_intervals
from partialpool.plots import LOOKS


def plot_league(draws, *, names, truth=None, top=10, prob=0.9, axes=None):
    """Draw a league table: ranks with intervals, and the chance to be in the top.

    Parameters
    ----------
    draws : numpy.ndarray
        Joint draws of the groups, (S, J).
    names : sequence of str
    truth : array_like, optional
        True values, marked with crosses.
    top : int
        How many groups are the top.
    prob : float
        Probability of the intervals.
    axes : sequence of matplotlib.axes.Axes, optional
        Two of them, for ranks and for chances.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes
        The group with the best expected rank is in the first row.
    """
    import matplotlib.pyplot as plt

    ranks = rank(draws)
    low, high = rank_intervals(ranks, prob=prob)
    order = np.argsort(ranks.mean(0), kind="stable")
    at = np.arange(len(order))
    if axes is None:
        sizes = {"figsize": (7.4, 1.2 + 0.125 * len(order)), "width_ratios": [3, 1]}
        axes = plt.subplots(1, 2, sharey=True, **sizes)[1]
    look = LOOKS["partial"]
    axes[0].hlines(at, low[order], high[order], color=look["color"], lw=1.5)
    label = f"expected rank, {prob:.0%} interval"
    axes[0].plot(ranks.mean(0)[order], at, markersize=4, **look | {"label": label})
    if truth is not None:
        true_rank = rank(np.asarray(truth))[order]
        axes[0].plot(true_rank, at, markersize=5, **LOOKS["truth"])
    axes[0].axvline(top + 0.5, color="0.5", lw=1, ls=":")
    axes[0].set_yticks(at, np.asarray(names)[order], fontsize=6)
    axes[0].set(xlabel="rank", xlim=(0, len(order) + 1))
    axes[0].set_ylim(len(order) - 0.3, -0.7)
    axes[0].legend(loc="lower left", fontsize="small")
    axes[1].barh(at, (ranks <= top).mean(0)[order], color=look["color"], height=0.6)
    axes[1].set(xlabel=f"chance of the top {top}", xlim=(0, 1))
    return axes


def plot_savings(compared, ax=None):
    """Draw the share of the rival's loss that the model saves, by decision.

    Parameters
    ----------
    compared : dict of str to pandas.DataFrame
        What :func:`~partialpool.chapters.decision_verdict.compare_losses` returned, by
        the name of the rival or of the world.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    import matplotlib.pyplot as plt

    ax = plt.subplots(figsize=(7.2, 4.4))[1] if ax is None else ax
    shifts = np.linspace(0.28, -0.28, len(compared)) if len(compared) > 1 else [0]
    for (name, table), marker, shift in zip(
        compared.items(), "osDv^P"[: len(compared)], shifts, strict=True
    ):
        at = np.arange(len(table))[::-1] + shift
        theirs = np.maximum(table["theirs"], 1e-12)
        half = (table["high"] - table["saved"]) / theirs
        shown = table["theirs"] > 0
        ax.errorbar(
            table["share"][shown],
            at[shown],
            xerr=half[shown],
            fmt=marker,
            ms=5,
            lw=1,
            label=name,
        )
    ax.axvline(0, color="grey", lw=1)
    ax.set_yticks(np.arange(len(table))[::-1], table.index)
    ax.set_xlabel("share of the rival's loss that the model saves")
    ax.xaxis.set_major_formatter("{x:.0%}")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize="small")
    return ax

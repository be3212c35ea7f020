"""Pictures of forecasts of loan books, and of how often they hold the truth."""

import numpy as np

WIDE = "#0173b2"


def plot_books(found, ax=None):
    """Draw each way's interval for the cost of one book, and the truth.

    Takes what :func:`~partialpool.chapters.loan_worlds.compete` returned for one
    world; returns the axes.
    """
    import matplotlib.pyplot as plt

    ax = plt.subplots(figsize=(6.4, 3.2))[1] if ax is None else ax
    books = found[found["part"] == "book"].iloc[::-1]
    at = np.arange(len(books))
    ax.hlines(at, books["low"], books["high"], color=WIDE, lw=4)
    ax.plot(books["middle"], at, "o", color="white", markeredgecolor=WIDE)
    ax.axvline(books["truth"].iloc[0], color="black", ls=":", label="truth")
    ax.set_yticks(at, books["way"])
    ax.set_xlabel("cost, share of the outlay")
    ax.legend(loc="upper left")
    return ax


def plot_coverage(scores, *, prob, axes=None):
    """Draw coverage with two Monte Carlo errors, by kind of world and way.

    Takes what :func:`~partialpool.chapters.loan_worlds.judge` returned for several
    kinds of world, one below the other; returns the two axes.
    """
    import matplotlib.pyplot as plt

    if axes is None:
        axes = plt.subplots(1, 2, figsize=(7.2, 4.2), sharey=True)[1]
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

"""Pictures of published tables: what is shown, what is filled in, how well."""

import numpy as np
import pandas as pd

from partialpool.plots import LOOKS


def plot_gaps(measured, filled, truth, *, subject, axes=None):
    """Draw one subject's providers as published, and filled.

    Parameters
    ----------
    measured, filled : pandas.DataFrame
        What :func:`~partialpool.leo.measure` returned, and the ``table`` of what
        :func:`~partialpool.leo.fill` made of it.
    truth : pandas.Series
        True log medians by subject and provider.
    subject : str
        The subject to draw.
    axes : sequence of two matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    sequence of two matplotlib.axes.Axes
    """
    import matplotlib.pyplot as plt

    if axes is None:
        axes = plt.subplots(1, 2, figsize=(7.6, 4.6), sharey=True, sharex=True)[1]
    rows = measured[measured["subject"] == subject]
    true = truth.loc[subject].reindex(rows["provider"]).to_numpy()
    rows, found = rows.iloc[np.argsort(true)], filled.loc[rows.index[np.argsort(true)]]
    true, at = np.sort(true), np.arange(len(rows))
    seen = rows["log_median"].notna().to_numpy()
    middle = np.exp(np.average(rows["log_median"][seen], weights=rows["n"][seen]))
    own = np.exp(rows["log_median"]), np.exp(1.645 * rows["se"])
    axes[0].hlines(at, own[0] / own[1], own[0] * own[1], color=LOOKS["none"]["color"])
    axes[0].plot(own[0], at, **LOOKS["none"])
    place = rows["median"].min() * 0.82
    for y in at[~seen]:
        axes[0].text(place, y, "c", ha="center", va="center", fontsize=8)
    blue = LOOKS["partial"]["color"]
    axes[1].hlines(at, found["low"], found["high"], color=blue)
    axes[1].plot(found["median"], at, **LOOKS["partial"])
    axes[1].plot(np.exp(true), at, **LOOKS["truth"], zorder=4)
    for ax, title in zip(axes, ["as published", "filled"], strict=True):
        ax.axvline(middle, **LOOKS["complete"])
        ax.set_title(title)
        ax.set_xlabel("median pay, pounds")
        ax.set_xscale("log")
        ax.set_xticks([20_000, 30_000, 40_000], ["20,000", "30,000", "40,000"])
        ax.minorticks_off()
        handles = ax.get_legend_handles_labels()
        ax.legend(*handles, loc="upper left", fontsize="small")
    axes[0].set_yticks([])
    axes[0].set_ylabel(f"providers of {subject}, by their true median")
    return axes


def plot_ways(scores, ax=None):
    """Draw each way's error, for small published cells and for suppressed ones.

    Takes what :func:`~partialpool.chapters.published_ways.judge` returned; returns
    the axes. Bars are two Monte Carlo errors.
    """
    import matplotlib.pyplot as plt

    ax = plt.subplots(figsize=(6.8, 3.6))[1] if ax is None else ax
    small = scores.loc["small"]
    gaps = scores.loc["suppressed"].reindex(small.index)
    at = np.arange(len(small))[::-1]
    looks = [("small published cells", small, "o", 0.12)]
    looks.append(("suppressed cells", gaps, "D", -0.12))
    for label, rows, marker, shift in looks:
        error = 2 * rows["rmse_error"]
        ax.errorbar(rows["rmse"], at + shift, xerr=error, fmt=marker, label=label)
    ax.set_yticks(at, pd.Index(small.index))
    ax.set_xlim(0, None)
    ax.set_xlabel("root mean squared error of the log median")
    ax.legend(loc="lower left", fontsize="small")
    return ax

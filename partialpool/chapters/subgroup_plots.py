"""Pictures of sub-groups: errors by size, and subjects whose spread is their own."""

import numpy as np

from partialpool.chapters.subgroup_scores import ONE, SPREADS
from partialpool.chapters.subgroups import HELD, PROB, STEPS
from partialpool.plots import LOOKS

# Ways with the looks of the three poolings, and others with neutral ones.
POOLINGS = {"separate means": "none", "GLM, main effects": "complete", ONE: "partial"}
NEUTRAL = {
    "GLM, all interactions": ("s", ":"),
    "GLM per subject": ("^", ":"),
    "multilevel per subject (REML)": ("v", "-."),
    "ridge, one penalty": ("x", "-"),
}


def plot_errors(scores, ax=None):
    """Draw the error of each way over the size of a sub-group; returns the axes.

    Takes what :func:`~partialpool.chapters.subgroup_scores.add_tallies` returned.
    """
    import matplotlib.pyplot as plt

    ax = plt.subplots(figsize=(7.2, 4.6))[1] if ax is None else ax
    rmse, at = scores["rmse"].unstack("part")[list(STEPS)], np.arange(len(STEPS))
    for way, (marker, line) in NEUTRAL.items():
        ax.plot(
            at, rmse.loc[way], ls=line, marker=marker, ms=4, color="0.45", label=way
        )
    for way, look in POOLINGS.items():
        line = "--" if look == "complete" else "-"
        style = {**LOOKS[look], "linestyle": line, "label": way}
        ax.plot(at, rmse.loc[way], **style)
    ax.set_xticks(at, list(STEPS))
    ax.set_xlabel("graduates in the sub-group")
    ax.set_ylabel("error (RMSE, log pay)")
    ax.set_ylim(bottom=0)
    ax.legend(fontsize="small")
    return ax


def plot_subjects(scores, subjects, ax=None):
    """Draw the coverage of single graduates by subject; returns the axes.

    One spread for all beside a spread for each subject; the band is what the rule
    allows.
    """
    import matplotlib.pyplot as plt

    ax = plt.subplots(figsize=(7.2, 6.4))[1] if ax is None else ax
    held = scores["coverage"].unstack("way").loc[subjects].sort_values(ONE)
    at = np.arange(len(held))
    ax.axvspan(*HELD, color="0.92", zorder=0)
    ax.axvline(PROB, color="grey", lw=1)
    ax.hlines(at, held[ONE], held[SPREADS], color="0.8", lw=1)
    ax.plot(held[ONE], at, "o", label="one spread for all")
    ax.plot(
        held[SPREADS],
        at,
        "D",
        color="0.3",
        markerfacecolor="none",
        label="a spread for each subject",
    )
    ax.set_yticks(at, held.index, fontsize="small")
    ax.set_xlabel("share of the next cohort's graduates inside")
    ax.legend(loc="upper left")
    return ax

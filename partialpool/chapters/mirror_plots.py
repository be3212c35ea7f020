"""Plots of the mirror: predictions side by side, and the promise of intervals."""

import numpy as np

from partialpool.plots import plot_shrinkage, show_legend

LINES = {
    "ml": "v:",
    "reml": "s-",
    "reml, t": "P--",
    "reml, bootstrap": "X-.",
    "morris": "D--",
    "bayes": "o-",
    "bayes, seen": "^:",
}


def plot_inferences(found, sizes, *, ax=None):
    """Draw the three poolings, and three more ways to infer partial pooling.

    Parameters
    ----------
    found : pandas.DataFrame
        What :func:`partialpool.poolings.contest` returned, of all methods.
    sizes : pandas.Series
        Rows of each group, by label, the smallest first.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        As of :func:`~partialpool.plots.plot_shrinkage`; partial pooling is the
        posterior.
    """
    wide = found.pivot(index="group", columns="method", values="estimate")
    wide = wide.reindex(sizes.index).assign(n=sizes)
    ax = plot_shrinkage(wide.assign(partial=wide["bayes"]), ax=ax)
    # Thin, and larger than the dot of the posterior, which must be seen beneath.
    for name, marker in {"reml": "+", "empirical_bayes": "2", "ridge": "D"}.items():
        look = {"marker": marker, "markerfacecolor": "none", "linestyle": "none"}
        look |= {"markersize": 9, "markeredgewidth": 0.8, "color": "black"}
        ax.plot(wide[name].to_numpy(), zorder=9, label=name, **look)
    return show_legend(ax, ncols=3)


def plot_predictions(says, *, ax=None):
    """Draw intervals in blocks, one line for each package.

    Parameters
    ----------
    says : pandas.DataFrame
        One row a line: ``kind`` (the block), ``package``, ``low``, ``high`` and
        ``by_hand`` (drawn dotted), in the order to be drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
    """
    import matplotlib.pyplot as plt

    ax = ax or plt.subplots(figsize=(7.2, 3.6))[1]
    block = says["kind"].ne(says["kind"].shift()).cumsum().to_numpy()
    y = np.arange(len(says)) + block
    for place, row in zip(y, says.itertuples(), strict=True):
        line = ":" if row.by_hand else "-"
        ax.plot([row.low, row.high], [place] * 2, line, color="#0173b2", lw=2)
        ax.plot((row.low + row.high) / 2, place, "o", color="#0173b2")
    ax.set_yticks(y, says["kind"] + ", " + says["package"])
    ax.invert_yaxis()
    return ax


def plot_coverage(scores, *, prob, axes=None):
    """Draw the share of intervals that hold the truth against the number of groups.

    Parameters
    ----------
    scores : pandas.DataFrame
        Of :func:`~partialpool.chapters.mirror.score_inferences`, indexed by number of
        groups and method.
    prob : float
        What the intervals promise.
    axes : sequence of matplotlib.axes.Axes, optional
        Two, for groups in the table and for a new one.

    Returns
    -------
    sequence of matplotlib.axes.Axes
    """
    import matplotlib.pyplot as plt

    if axes is None:
        axes = plt.subplots(1, 2, figsize=(7.6, 3.4), sharey=True)[1]
    shown = {
        "coverage": ["bayes", "morris", "reml, bootstrap", "reml", "ml"],
        "new_coverage": ["bayes", "bayes, seen", "reml, t", "reml, bootstrap", "reml"],
    }
    groups = scores.index.unique("groups")
    for ax, (column, methods) in zip(axes, shown.items(), strict=True):
        ax.axhline(prob, color="#999999", lw=1)
        for name in methods:
            color = "#0173b2" if name.startswith("bayes") else "#d55e00"
            values = scores[column].xs(name, level="method")
            ax.plot(values, LINES[name], color=color, label=name, markersize=5)
        ax.set(xscale="log", xlabel="number of groups")
        ax.set_xticks(groups, groups)
        ax.minorticks_off()
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)
    axes[0].set(title="a group in the table", ylabel="share that holds the truth")
    axes[1].set_title("a new group")
    return axes


def plot_likelihood(tau, log_likelihood, draws, *, truth, ax=None):
    """Draw the likelihood of a standard deviation over draws from its posterior.

    Parameters
    ----------
    tau, log_likelihood : numpy.ndarray
        Same shape; the likelihood is drawn relative to its top.
    draws : numpy.ndarray
    truth : float
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    import matplotlib.pyplot as plt

    ax = ax or plt.subplots(figsize=(6.4, 3))[1]
    bins = np.linspace(0, tau.max(), 31)
    height, _ = np.histogram(draws, bins)
    ax.stairs(
        height / height.max(),
        bins,
        fill=True,
        alpha=0.4,
        color="#0173b2",
        label="posterior draws",
    )
    relative = np.exp(log_likelihood - log_likelihood.max())
    ax.plot(tau, relative, color="black", label="restricted likelihood")
    ax.axvline(truth, color="black", ls=":", label="truth")
    ax.set(xlabel="standard deviation between groups, τ", ylabel="relative to its top")
    ax.set_ylim(0, 1.05)
    ax.legend()
    return ax

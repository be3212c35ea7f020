"""Advice: what a comparison of poolings says, in a few computed sentences."""

import numpy as np

# Shares of the expected error of complete and of no pooling below which a saving by
# partial pooling counts as none. The first is larger since groups that do not differ
# at all still seem to a little: of such tables, 19 in 20 with 40 groups stay below it.
LITTLE = {"complete": 0.10, "none": 0.05}
# A weight from which a group hardly needs the others, and groups below which the
# spread between them is poorly known.
SETTLED, FEW = 0.9, 8


def advise(table, between, within, gain, *, ci_prob, log, outcome, group):
    """Say how far groups differ, and whether partial pooling is worth it.

    Parameters
    ----------
    table, between, within, gain
        As in :class:`~partialpool.poolings.Comparison`.
    ci_prob : float
    log : bool
    outcome, group : str
        Names of columns.

    Returns
    -------
    list of str
    """
    sentences = [
        _spread(between, within, ci_prob, log, group),
        _worth(table, between, within),
        _verdict(gain, table, between, log),
        *_move(table),
    ]
    if len(table) < FEW:
        sentences.append(
            f"With only {len(table)} groups the standard deviation between them is "
            "poorly known and its prior matters: try tau_prior at half and at twice "
            "its default, and see whether the estimates move."
        )
    return sentences


def number(value):
    """Write a number with three digits: 0.0123, 12.3, 12,300."""
    if value == 0 or not np.isfinite(value):
        return f"{value:.3g}"
    digits = max(2 - int(np.floor(np.log10(abs(value)))), 0)
    return f"{round(value, 2 - int(np.floor(np.log10(abs(value))))):,.{digits}f}"


def ratio(sd):
    """Read a standard deviation of logs as a ratio: "+46% / −32%"."""
    return f"+{np.exp(sd) - 1:.0%} / −{1 - np.exp(-sd):.0%}"


def _spread(between, within, ci_prob, log, group):
    if log:
        return _spread_of_logs(between, within, ci_prob, group)
    ends = f"{number(between.low)} to {number(between.high)}"
    text = (
        f"The true means of the groups in {group!r} differ by a standard deviation of "
        f"{number(between.median)} ({ci_prob:.0%} interval {ends})"
    )
    if within is None:
        return f"{text}."
    return f"{text}; the rows of one group differ by {number(within.median)}."


def _spread_of_logs(between, within, ci_prob, group):
    ends = f"+{np.expm1(between.low):.0%} to +{np.expm1(between.high):.0%}"
    text = (
        f"One standard deviation between the true medians of the groups in {group!r} "
        f"is {ratio(between.median)} (the first has a {ci_prob:.0%} interval of {ends})"
    )
    if within is None:
        return f"{text}."
    return f"{text}; between the rows of one group it is {ratio(within.median)}."


def _worth(table, between, within):
    small, large = table["weight"].iloc[[0, -1]]
    weights = (
        f"A group's own data get a weight of {small:.0%} in the smallest group and "
        f"{large:.0%} in the largest."
    )
    if within is None:
        return weights
    worth = (within.median / between.median) ** 2
    shown = f"{worth:,.1f}" if worth < 10 else number(worth)
    return f"The other groups are worth {shown} rows of a group's own. {weights}"


def _verdict(gain, table, between, log):
    over_none, over_complete = gain["saved"][["none", "complete"]]
    if over_complete < LITTLE["complete"]:
        high = f"{np.expm1(between.high):+.0%}" if log else number(between.high)
        return (
            "Complete pooling is about as good here: the groups differ by hardly more "
            f"than chance explains, and partial pooling saves {_share(over_complete)} "
            "of its expected error. A standard deviation between groups near zero is "
            f"a finding and not a fault; these data allow values up to {high}."
        )
    if over_none < LITTLE["none"]:
        settled = table["weight"].min() > SETTLED
        why = (
            "every group has enough data of its own"
            if settled
            else "the groups are too few or too different to learn much from each other"
        )
        return (
            f"No pooling is about as good here: {why}, and partial pooling saves "
            f"{_share(over_none)} of the expected error of their own means. It still "
            "predicts a new group, which no pooling cannot."
        )
    return (
        f"Partial pooling is worth it here: it saves {_share(over_none)} of the "
        f"expected error of no pooling and {_share(over_complete)} of that of complete "
        f"pooling. {_leaning(table)}"
    )


def _share(value):
    return "less than 1%" if value < 0.01 else f"{value:.0%}"


def _leaning(table):
    leaning, groups = int((table["weight"] < 0.5).sum()), len(table)
    if leaning == 0:
        return "Every group's own data weigh more than the other groups do."
    which = "every group" if leaning == groups else f"{leaning} of {groups} groups"
    return f"In {which} the others weigh more than the group's own data."


def _move(table):
    place = table["moved"].abs().to_numpy().argmax()
    label, row = table.index[place], table.iloc[place]
    none, partial = number(row["none"]), number(row["partial"])
    if none == partial:
        return []
    side = "above" if row["distance"] > 0 else "below"
    return [
        f"Group {str(label)!r} moves most, from {none} to {partial}: its own data "
        f"weigh {row['weight']:.0%}, and it lies {number(abs(row['distance']))} {side} "
        "what the model expects of such a group."
    ]

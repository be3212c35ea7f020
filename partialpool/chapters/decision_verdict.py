"""The rule behind the second half of claim C10, and how losses become a verdict.

The rule was written, and committed, before any loss was computed.

The claim: *on graduate earnings, one single model can serve all and predict the
sub-groups of interest*. Another chapter asks how well it predicts. Here we ask whether
its posterior makes better decisions about sub-groups than plain methods do.

Eight decisions, each with a loss. *Plain* is every way without a hierarchical model:
complete pooling, no pooling, a GLM with the predictor, ridge, tests and official rules.
A plain way with a cut-off gets the one that is best in hindsight.

- *Better*: in worlds as the model assumes, its loss is below that of the best plain
  way in all eight decisions (the 95% interval of the difference, paired by world, lies
  above zero).
- *Honest*: in these worlds its 90% intervals for domain means and for differences hold
  85% to 95%, and those for ranks at least 85%.
- *Robust*: where groups have heavy tails, where size informs, where groups are alike,
  and on real states, it loses none of the eight to a plain way (no such interval lies
  below zero).

The claim's second half holds if all three are true. It holds with conditions if the
model is honest, better in five decisions or more, and loses none in worlds as assumed.
Otherwise it does not hold.
"""

import numpy as np
import pandas as pd

DECISIONS = (
    "domain means",
    "top ten",
    "rank intervals",
    "grades",
    "below benchmark",
    "spread",
    "publish",
    "differences",
)
MODEL, HIERARCHICAL = "Bayes", ("REML", "empirical Bayes", "Bayes")
BAND, RANKS_AT_LEAST, ENOUGH = (0.85, 0.95), 0.85, 5


def compare_losses(losses, rival=None, *, hindsight=True):
    """Compare the model's losses with those of the best plain way.

    Parameters
    ----------
    losses : pandas.DataFrame
        Columns ``decision``, ``way``, ``world`` and ``loss``.
    rival : str, optional
        Compare with this way; by default, for each decision, with the plain way whose
        mean loss is smallest.
    hindsight : bool
        Whether plain ways may have cut-offs chosen with the truth. The rule says that
        they may; False was added after the first figures.

    Returns
    -------
    pandas.DataFrame
        By decision: ``rival``, its mean loss ``theirs``, the model's loss ``ours``,
        the difference ``saved`` with its ends ``low`` and ``high`` (95%, paired by
        world), and ``share``, the difference over the rival's loss, missing where
        that is none.
    """
    wide = losses.pivot(index=["decision", "world"], columns="way", values="loss")
    rows = {}
    for decision in [d for d in DECISIONS if d in wide.index.unique("decision")]:
        part = wide.loc[decision].dropna(axis=1, how="all")
        if rival is not None and rival not in part:
            continue
        plain = part.drop(columns=[w for w in HIERARCHICAL if w in part])
        if not hindsight:
            plain = plain.loc[:, ~plain.columns.str.contains("best")]
        best = rival or plain.mean().idxmin()
        gap = part[best] - part[MODEL]
        half = 1.96 * gap.sem()
        rows[decision] = {
            "rival": best,
            "theirs": part[best].mean(),
            "ours": part[MODEL].mean(),
            "saved": gap.mean(),
            "low": gap.mean() - half,
            "high": gap.mean() + half,
            "share": gap.mean() / part[best].mean() if part[best].any() else np.nan,
        }
    return pd.DataFrame(rows).T.infer_objects().rename_axis("decision")


def show_shares(compared):
    """Show the share of the rival's loss that the model saves, with its 95% interval.

    Parameters
    ----------
    compared : dict of str to pandas.DataFrame
        What :func:`compare_losses` returned, by the name of the column.

    Returns
    -------
    pandas.DataFrame
        Of text, by decision; a dash where nothing is lost.
    """
    columns = {}
    for name, table in compared.items():
        half = (table["high"] - table["saved"]) / table["theirs"]
        pairs = zip(table["share"], half, strict=True)
        shown = ["–" if np.isnan(s) else f"{s:+.0%} ± {h:.0%}" for s, h in pairs]
        columns[name] = pd.Series(shown, table.index)
    return pd.DataFrame(columns).reindex(table.index)


def decide(assumed, others, held):
    """Apply the rule.

    Parameters
    ----------
    assumed : pandas.DataFrame
        What :func:`compare_losses` says of worlds as the model assumes.
    others : sequence of pandas.DataFrame
        The same of all other kinds of world.
    held : dict of str to float
        Share of the model's intervals that hold: ``domain means``, ``differences`` and
        ``rank intervals``.

    Returns
    -------
    parts : dict
        ``better`` (number of decisions won), ``lost`` (in worlds as assumed),
        ``honest`` and ``robust``.
    outcome : str
    """
    means = [held["domain means"], held["differences"]]
    parts = {
        "better": int((assumed["low"] > 0).sum()),
        "lost": int((assumed["high"] < 0).sum()),
        "honest": bool(
            np.all([BAND[0] <= m <= BAND[1] for m in means])
            and held["rank intervals"] >= RANKS_AT_LEAST
        ),
        "robust": not any(bool((o["high"] < 0).any()) for o in others),
    }
    if parts["better"] == len(DECISIONS) and parts["honest"] and parts["robust"]:
        return parts, "holds"
    enough = parts["better"] >= ENOUGH and parts["honest"] and not parts["lost"]
    return parts, "holds with conditions" if enough else "does not hold"

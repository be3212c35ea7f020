"""Scores of sub-groups: what every way gets right, over worlds, and the rule of C10.

A tally has one row for each way and part of the rule in one world: counts and sums, so
that tallies of many worlds add up. Monte Carlo errors leave one world out at a time.
"""

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from partialpool.chapters.subgroups import (
    BANDS,
    EQUAL,
    HELD,
    INTEREST,
    NEXT,
    PROB,
    STEPS,
)
from partialpool.scores import log_score

EVERYWHERE = [*BANDS, *INTEREST, *NEXT]
ONE, MIRROR, SPREADS = "one model", "one model (REML)", "one model, spread by subject"
PLAIN = [
    "separate means",
    "GLM, main effects",
    "GLM, all interactions",
    "GLM, chosen by AIC",
    "GLM per subject",
]
# A subject is judged by its single graduates if there are as many in all worlds.
FEWEST = 100


def tally(world, answers):
    """Count and sum, for one world, what each way gets right.

    Parameters
    ----------
    world : partialpool.chapters.subgroups.World
    answers : dict of str to partialpool.chapters.graduate_ways.Answer

    Returns
    -------
    pandas.DataFrame
        By ``way`` and ``part``: ``n``, and sums of ``square`` (squared error), ``held``
        (intervals that hold the truth), ``width`` (of intervals) and ``log`` (log
        score). Parts are those of the rule, for the mean of a sub-group; then
        ``graduates``, for the single graduates of the next cohort; and of the one model
        and its variant each subject.
    """
    m, found = len(world.groups), {}
    truth = world.groups["truth"].to_numpy()
    single = world.singles["log_pay"].to_numpy()
    subject = pd.get_dummies(world.singles["subject"])
    for way, answer in answers.items():
        mean = _Scored(answer.mean[:m], answer.sd[:m], answer.df[:m], truth)
        for part in (*EVERYWHERE, *STEPS):
            chosen = world.groups[part].to_numpy()
            found[way, part] = mean.add(chosen, logs=part in EVERYWHERE)
        sd = np.hypot(np.nan_to_num(answer.sd[m:]), answer.sigma[m:])
        one = _Scored(answer.mean[m:], sd, answer.df[m:], single)
        found[way, "graduates"] = one.add(np.full(len(single), True))
        for name in subject if way in (ONE, SPREADS) else ():
            found[way, name] = one.add(subject[name].to_numpy())
    return pd.DataFrame(found).T.rename_axis(["way", "part"])


class _Scored:
    """Student's predictions beside what came true."""

    def __init__(self, mean, sd, df, truth):
        self.df = np.minimum(df, 1e6)
        self.mean, self.sd, self.truth = mean, sd, truth
        self.half = sd * stdtrit(self.df, (1 + PROB) / 2)

    def add(self, chosen, *, logs=True):
        """Sum the scores of some of them, the log score if asked for."""
        error = (self.mean - self.truth)[chosen]
        half, count = self.half[chosen], len(error)
        sums = {"n": count, "square": error @ error}
        if not count or np.isnan(half).any():
            return sums | dict.fromkeys(["held", "width", "log"], 0.0)
        about = (self.mean, self.sd, self.truth)
        sums |= {"held": np.sum(np.abs(error) <= half), "width": 2 * half.sum()}
        if not logs:
            return sums | {"log": np.nan}
        log = log_score(*(each[chosen] for each in about), df=self.df[chosen])
        return sums | {"log": count * log}


def tally_shares(cells, shares):
    """Count and sum what each way gets right about employment.

    Parameters
    ----------
    cells : pandas.DataFrame
        ``trials`` and ``truth``, one row a cell.
    shares : dict of str to partialpool.chapters.employment.Shares

    Returns
    -------
    pandas.DataFrame
        As of :func:`tally`, without log scores; parts are the size bands.
    """
    truth, found = cells["truth"].to_numpy(), {}
    for way, share in shares.items():
        held = (share.low <= truth) & (truth <= share.high)
        score = pd.DataFrame(
            {
                "n": np.ones(len(truth)),
                "square": (share.mean - truth) ** 2,
                "held": np.where(np.isnan(share.low), np.nan, held),
                "width": share.high - share.low,
            }
        )
        for band, (least, most) in BANDS.items():
            some = cells["trials"].between(least, most or np.inf).to_numpy()
            found[way, band] = score[some].sum()
    return pd.DataFrame(found).T.rename_axis(["way", "part"])


def add_tallies(tallies):
    """Turn the tallies of many worlds into scores, with their Monte Carlo errors.

    Parameters
    ----------
    tallies : list of pandas.DataFrame

    Returns
    -------
    pandas.DataFrame
        By ``way`` and ``part``: ``n``, ``rmse``, ``coverage``, ``width`` and ``log
        score`` (means; missing where a way has no interval), and the errors of the
        first two, ``rmse_error`` and ``coverage_error``.
    """
    parts = _stack(tallies)
    total = sum(parts)
    scores = _means(total)
    left = [_means(total - part) for part in parts]
    for name in ("rmse", "coverage"):
        scores[f"{name}_error"] = _jackknife([each[name] for each in left])
    return scores


def compare_errors(tallies, way=ONE):
    """Error of each way over that of one of them, with its Monte Carlo error.

    Returns
    -------
    pandas.DataFrame
        By ``way`` and ``part``: ``ratio`` and ``error``.
    """
    parts = _stack(tallies)
    total = sum(parts)

    def ratio(sums):
        rmse = _means(sums)["rmse"].unstack("part")
        return (rmse / rmse.loc[way]).stack()

    left = [ratio(total - part) for part in parts]
    return pd.DataFrame({"ratio": ratio(total), "error": _jackknife(left)})


def _stack(tallies):
    index = tallies[0].index
    for each in tallies:
        index = index.union(each.index, sort=False)
    return [each.reindex(index, fill_value=0.0) for each in tallies]


def _means(total):
    n = total["n"].replace(0, np.nan)
    # A way without intervals has sums of zero: what it lacks is missing.
    bounded = total["width"] > 0
    means = {"n": total["n"], "rmse": np.sqrt(total["square"] / n)}
    for name, column in {"coverage": "held", "width": "width", "log": "log"}.items():
        if column in total:
            means[name] = (total[column] / n).where(bounded)
    return pd.DataFrame(means).rename(columns={"log": "log score"})


def _jackknife(left):
    table = pd.concat(left, axis=1)
    k = table.shape[1]
    return np.sqrt((k - 1) * table.var(axis=1, ddof=0))


def decide(scores, shares):
    """Apply the rule of C10.

    Parameters
    ----------
    scores : pandas.DataFrame
        Of pay: what :func:`add_tallies` returned.
    shares : pandas.DataFrame
        Of employment, likewise.

    Returns
    -------
    parts : dict of str to bool
        The five of the rule.
    failures : dict of str to list of str
        By part of the rule: where it is false.
    outcome : str
    """
    rmse = scores["rmse"].unstack("way").loc[EVERYWHERE]
    cover = scores["coverage"].unstack("way")
    others = rmse.drop(columns=[ONE, MIRROR, SPREADS])
    ahead = rmse[ONE] > EQUAL * others.min(axis=1)
    single = judged_subjects(scores)
    pay = shares["rmse"].unstack("way")
    best = pay.drop(columns="multilevel").min(axis=1)
    held = shares["coverage"].unstack("way")["multilevel"]
    failures = {
        "predicts": ahead.index[ahead].tolist(),
        "honest": _outside(cover.loc[EVERYWHERE, ONE]),
        "single": _outside(cover.loc[single, ONE]),
        "needed": [way for way in PLAIN if (rmse[way] <= EQUAL * rmse[ONE]).all()],
        "employment": sorted(
            {*pay.index[pay["multilevel"] > EQUAL * best], *_outside(held)}
        ),
    }
    parts = {name: not where for name, where in failures.items()}
    beaten = set(failures["predicts"]) & set(BANDS)
    if failures["needed"] or beaten:
        return parts, failures, "does not hold"
    outcome = "holds" if all(parts.values()) else "holds with conditions"
    return parts, failures, outcome


def judged_subjects(scores):
    """Subjects of which enough single graduates were seen."""
    n = scores.xs(ONE, level="way")["n"]
    n = n[~n.index.isin([*EVERYWHERE, *STEPS, "graduates"])]
    return n.index[n >= FEWEST].tolist()


def _outside(coverage):
    return coverage.index[~coverage.between(*HELD)].tolist()

"""Ways to estimate sub-groups: the department's, each at its best, and one model.

Each way takes a world and answers for its targets: every sub-group, then every single
graduate of the next cohort. What a plain way cannot answer, it takes from the GLM of
main effects.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from time import perf_counter

import numpy as np
import pandas as pd
from scipy import sparse

from partialpool.chapters.mixed import FREE, OUT, Solved, add_up, choose, make_design
from partialpool.exact import fit, predict

FORMULA = (
    "log_pay ~ 1 + sex + prior_attainment + region"
    " + (1 + sex|subject) + (1|provider) + (1|subject:provider)"
)
FIXED = ["male", "prior_attainment", "region"]
FAMILIES = ["subject", ("subject", "male"), "provider", "course"]
# Which of the four families a GLM has.
MAIN = (FREE, OUT, FREE, OUT)
ALL = (FREE, FREE, FREE, FREE)
GLMS = [MAIN, (FREE, FREE, FREE, OUT), (FREE, OUT, FREE, FREE), ALL]
FIXED_WITHIN = ["male"]
FAMILIES_WITHIN = ["prior_attainment", "region", "provider"]
# A subject's own spread counts as much as that of all at this many graduates.
WORTH = 20
DRAWS = 300


@dataclass(frozen=True)
class Answer:
    """What a way says of each target; m of them.

    Attributes
    ----------
    mean, sd : numpy.ndarray
        Of the expected log pay; `sd` is missing where a way has none.
    df : numpy.ndarray
        Degrees of freedom of the intervals; infinite for the normal distribution.
    sigma : numpy.ndarray
        Spread of single graduates about their expectation.
    coefficients, models, tuned : float
        How many coefficients are estimated (effectively, if penalised), in how many
        models, and how many penalties or standard deviations are chosen.
    """

    mean: np.ndarray
    sd: np.ndarray
    df: np.ndarray
    sigma: np.ndarray
    coefficients: float
    models: int = 1
    tuned: int = 0


class Task:
    """A world as all ways need it: outcome, columns, sums and targets."""

    def __init__(self, world):
        self.world, self.rows = world, world.rows
        self.seen = np.flatnonzero(world.rows["seen"])
        self.y = world.rows["log_pay"].to_numpy()[self.seen]
        self.design = make_design(world.rows, FIXED, FAMILIES)
        self.fitted = self.design.take(self.seen)
        self.sums = add_up(self.fitted, self.y)
        single = sparse.eye_array(len(world.rows), format="csr")
        single = single[~world.rows["seen"].to_numpy()]
        self.over = sparse.vstack([world.over, single], format="csr")
        # The seen rows that have a target's label: of singles, course and sex.
        small = world.rows["course"] + world.rows["sex"]
        code = pd.factorize(small)[0]
        alike = sparse.csr_array((np.ones(len(code)), (code, np.arange(len(code)))))
        alike = alike[:, self.seen]
        size = np.maximum(alike.sum(1), 1)
        alike = (sparse.diags_array(1 / size) @ alike)[code[~world.rows["seen"]]]
        own = sparse.csr_array(world.own[:, self.seen])
        self.own = sparse.vstack([own, alike], format="csr")
        first = self.over.argmax(1)
        self.subject = world.rows["subject"].to_numpy()[np.asarray(first).ravel()]
        known = np.asarray(self.design.last[self.seen].sum(0)).ravel() > 0
        course = np.asarray(self.design.last.argmax(1)).ravel()
        self.new = ~known[course[np.asarray(first).ravel()]]

    @cached_property
    def subjects(self):
        """The parts of each subject."""
        groups = self.rows.groupby("subject").indices
        design = make_design(self.rows, FIXED_WITHIN, FAMILIES_WITHIN)
        return [Subject(self, design, *group) for group in groups.items()]

    def answer(self, solved, *, penalised, bounded=True, **about):
        """Answer by a solution, with one spread for all."""
        mean, relative = solved.expect(self.design, self.over)
        sigma = np.full(len(mean), solved.sigma(penalised=penalised))
        sd = sigma * np.sqrt(relative) if bounded else np.full(len(mean), np.nan)
        df = np.full(len(mean), np.inf)
        return Answer(mean, sd, df, sigma, solved.edf, **about)

    def plain(self, logs):
        """Answer by a GLM; for new courses by that of main effects."""
        solved = Solved(self.sums, logs)
        found = self.answer(solved, penalised=False)
        if tuple(logs) == MAIN:
            return found
        return replace_where(self.new, found, self.plain(MAIN))


def replace_where(chosen, answer, other):
    """Take some targets from another answer."""
    parts = {
        name: np.where(chosen, getattr(other, name), getattr(answer, name))
        for name in ("mean", "sd", "df", "sigma")
    }
    return replace(answer, **parts)


def separate_means(task):
    """The mean of each sub-group's own graduates, with Student's intervals."""
    count = np.diff(task.own.indptr)
    mean = task.own @ task.y
    square = task.own @ task.y**2 - mean**2
    free = np.maximum(count - 1, 1)
    sd = np.sqrt(np.maximum(square, 1e-12) / free)
    sigma = np.full(len(mean), Solved(task.sums, ALL).sigma(penalised=False))
    single = np.arange(len(mean)) >= len(task.world.groups)
    sd = np.where(single, sigma / np.sqrt(np.maximum(count, 1)), sd)
    df = np.where(single, np.inf, free)
    found = Answer(mean, sd, df, sigma, int((count[~single] > 1).sum()))
    return replace_where(count < 2, found, task.plain(MAIN))


def main_effects(task):
    """A GLM with main effects."""
    return task.plain(MAIN)


def all_interactions(task):
    """A GLM with a dummy for each course, and a sex gap for each subject."""
    return task.plain(ALL)


def chosen_by_aic(task):
    """The GLM that has the best AIC of four."""
    return task.plain(min(GLMS, key=lambda logs: Solved(task.sums, logs).aic()))


def shrunk_by_hand(task):
    """Main effects, and of each course's mean residual the share n / (n + k).

    The variances within and between courses, and k from them, are those of an analysis
    of variance of the residuals.
    """
    solved = Solved(task.sums, MAIN)
    left, courses = task.y - solved.fitted(task.fitted), task.fitted.last
    n, total = np.asarray(courses.sum(0)).ravel(), courses.T @ left
    known = n > 0
    squares = total[known] @ (total[known] / n[known])
    within = (left @ left - squares) / (len(left) - known.sum())
    spare = len(left) - n @ n / len(left)
    between = max((squares - known.sum() * within) / spare, 1e-6)
    k = within / between
    found = task.answer(solved, penalised=False)
    share = task.over @ task.design.last
    variance = share.multiply(share) @ (within / (n + k))
    return replace(
        found,
        mean=found.mean + share @ (total / (n + k)),
        sd=np.sqrt(found.sd**2 + variance),
        sigma=np.full(len(found.mean), np.sqrt(within)),
        coefficients=solved.edf + (n / (n + k)).sum(),
        tuned=1,
    )


def ridge_one(task):
    """Ridge over all interactions, its one penalty by cross-validation."""
    solved = choose(task.sums, Solved.cross_validated, 1)
    return task.answer(solved, penalised=False, bounded=False, tuned=1)


def ridge_four(task):
    """Ridge with a penalty for each family, all four by cross-validation."""
    solved = choose(task.sums, Solved.cross_validated, 4)
    return task.answer(solved, penalised=False, bounded=False, tuned=4)


def reml(task):
    """The same model as ours, by REML; its intervals take the spreads as known."""
    solved = choose(task.sums, Solved.restricted, 4)
    return task.answer(solved, penalised=True, tuned=4)


def glm_each(task):
    """A GLM for each subject that has two graduates for each of its coefficients."""
    return _by_subject(task, penalised=False)


def model_each(task):
    """A multilevel model for each subject, by REML."""
    return _by_subject(task, penalised=True)


def _by_subject(task, *, penalised):
    base = task.plain(MAIN)
    parts = [base.mean.copy(), base.sd.copy(), base.df.copy(), base.sigma.copy()]
    coefficients = models = 0
    for one in task.subjects:
        if one.rows < (5 if penalised else 2 * one.columns):
            continue
        if penalised:
            solved = choose(one.sums, Solved.restricted, 3)
        else:
            solved = Solved(one.sums, FREE)
        mean, relative = solved.expect(one.design, one.over)
        sigma = solved.sigma(penalised=penalised)
        free = np.inf if penalised else one.rows - solved.edf
        found = (mean, sigma * np.sqrt(relative), free, sigma)
        take = np.full(len(mean), True) if penalised else one.known
        for part, value in zip(parts, found, strict=True):
            part[one.targets[take]] = np.broadcast_to(value, len(mean))[take]
        coefficients, models = coefficients + solved.edf, models + 1
    return Answer(*parts, coefficients, models, 3 * models if penalised else 0)


class Subject:
    """One subject's part of a task."""

    def __init__(self, task, design, subject, at):
        rows = task.rows.iloc[at]
        seen = rows["seen"].to_numpy()
        self.design = design.take(at)
        self.sums = add_up(self.design.take(seen), rows["log_pay"].to_numpy()[seen])
        self.rows = int(seen.sum())
        self.columns = 2 + sum(
            rows.loc[seen, name].nunique() - 1 for name in FAMILIES_WITHIN
        )
        self.targets = np.flatnonzero(task.subject == subject)
        self.over = task.over[self.targets][:, at]
        one = rows["provider"].to_numpy()[np.asarray(self.over.argmax(1)).ravel()]
        self.known = np.isin(one, rows["provider"].to_numpy()[seen])


def one_model(task, *, seed=0):
    """One multilevel model: its posterior."""
    posterior = fit(FORMULA, task.world.seen, draws=DRAWS, seed=seed, progress=False)
    mean = predict(posterior, task.rows, unseen="draw", seed=seed)["mean"].to_numpy()
    draws = task.over @ mean.reshape(-1, len(task.rows)).T
    sigma = np.sqrt((posterior["posterior"]["sigma"].to_numpy() ** 2).mean())
    m = len(draws)
    coefficients = Solved(task.sums, _penalties(posterior)).edf
    full = np.full(m, np.inf), np.full(m, sigma)
    return Answer(draws.mean(1), draws.std(1), *full, coefficients, tuned=4)


def _penalties(posterior):
    draws = posterior["posterior"]
    names = ["1|subject", "sex|subject", "1|provider", "1|subject:provider"]
    sigma = draws["sigma"].to_numpy().mean()
    spread = [draws[f"{name}_sigma"].to_numpy().mean() for name in names]
    return 2 * np.log(sigma / np.array(spread))


def spread_by_subject(task):
    """The one model with a spread of graduates for each subject, by REML.

    Rows are weighted by the spread of their subject, estimated from what the model
    leaves, and drawn towards the spread of all.
    """
    solved = choose(task.sums, Solved.restricted, 4)
    subject = task.rows["subject"].iloc[task.seen]
    for _ in range(2):
        left = task.y - solved.fitted(task.fitted)
        square = pd.Series(left**2 / (1 - solved.edf / len(left)), subject.index)
        whole, by = square.mean(), square.groupby(subject)
        spread = (by.sum() + WORTH * whole) / (by.size() + WORTH)
        spread = spread / whole
        weight = 1 / subject.map(spread).to_numpy()
        weight = weight / weight.mean()
        sums = add_up(task.fitted, task.y, weight)
        solved = choose(sums, Solved.restricted, 4)
    found = task.answer(solved, penalised=True, tuned=4 + len(spread))
    scale = np.sqrt(pd.Series(spread)[task.subject].to_numpy())
    middle = np.sqrt(np.average(1 / spread[subject].to_numpy()))
    return replace(found, sigma=found.sigma * scale * middle)


WAYS = {
    "separate means": separate_means,
    "GLM, main effects": main_effects,
    "GLM, all interactions": all_interactions,
    "GLM, chosen by AIC": chosen_by_aic,
    "GLM, shrunk by hand": shrunk_by_hand,
    "GLM per subject": glm_each,
    "ridge, one penalty": ridge_one,
    "ridge, four penalties": ridge_four,
    "multilevel per subject (REML)": model_each,
    "one model (REML)": reml,
    "one model": one_model,
    "one model, spread by subject": spread_by_subject,
}


# What it takes to build each way, and to explain it.
EFFORT = {
    "separate means": ("a group-by", "why small groups jump"),
    "GLM, main effects": ("a formula", "why no course stands out"),
    "GLM, all interactions": ("a formula", "hundreds of coefficients"),
    "GLM, chosen by AIC": ("four formulas", "the choice"),
    "GLM, shrunk by hand": ("a formula, then sums", "why courses are drawn in"),
    "GLM per subject": ("a loop", "which subjects are too small"),
    "ridge, one penalty": ("dummies and a search", "the penalty"),
    "ridge, four penalties": ("dummies and a search", "four penalties"),
    "multilevel per subject (REML)": ("a loop", "three spreads per subject"),
    "one model (REML)": ("a formula", "four spreads, taken as known"),
    "one model": ("the same formula", "four spreads, uncertain ones"),
    "one model, spread by subject": ("two formulas", "a spread for each subject"),
}


def answer_all(world):
    """Let every way answer for a world, and note its seconds.

    Parameters
    ----------
    world : partialpool.chapters.subgroups.World

    Returns
    -------
    dict of str to Answer, pandas.Series
        Answers and seconds, by way; all that ways share is not counted.
    """
    task, answers, seconds = Task(world), {}, {}
    for name, way in WAYS.items():
        start = perf_counter()
        answers[name] = way(task)
        seconds[name] = perf_counter() - start
    return answers, pd.Series(seconds)

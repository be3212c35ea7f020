"""Worlds behind published tables: the truth of every cell, and what a table shows.

A world has new effects of providers and courses each time. Its graduates of two
cohorts are published as official files are; the analyst has these tables only.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from partialpool.chapters.shocks import draw_standard
from partialpool.graduates import residual_distribution, simulate_graduates
from partialpool.graduates.calibration import joint_distribution
from partialpool.leo import measure, publish

CELL = ["subject", "provider"]
PROVIDERS, GRADUATES = 40, 20_000
SHARED = 0.5  # of a course's effect, as variance, is its provider's
UNSHARED = ["Medicine and dentistry", "Nursing and midwifery"]
TABLES = ("both", "first", "newest", "area", "subject")
KINDS = {
    "as calibrated": {},
    "size tells": {"size_effect": 0.06},
    "heavy tails": {"df": 3},
}
# Broad subject areas: the next level up of the official subject codes (CAH level 1).
AREAS = {
    "Medicine and dentistry": "medicine",
    "Allied health": "allied to medicine",
    "Medical sciences": "allied to medicine",
    "Nursing and midwifery": "allied to medicine",
    "Pharmacology, toxicology and pharmacy": "allied to medicine",
    "Biosciences": "biology and sport",
    "Sport and exercise sciences": "biology and sport",
    "Chemistry": "physical sciences",
    "General, applied and forensic sciences": "physical sciences",
    "Physics and astronomy": "physical sciences",
    "Engineering": "engineering",
    "Materials and technology": "engineering",
    "Economics": "social sciences",
    "Health and social care": "social sciences",
    "Politics": "social sciences",
    "Sociology, social policy and anthropology": "social sciences",
    "English studies": "languages",
    "Languages and area studies": "languages",
    "History and archaeology": "humanities",
    "Philosophy and religious studies": "humanities",
    "Creative arts and design": "arts",
    "Performing arts": "arts",
}


@dataclass(frozen=True)
class Setting:
    """What all worlds share."""

    truth: object  # GraduateTruth
    cells: pd.DataFrame  # by CELL: base (log median without effect), spread, size


@dataclass(frozen=True, eq=False)  # a world is itself, and equal to no other
class World:
    """What the analyst sees of one world, and what is true in it."""

    tables: dict  # measured: "both" cohorts, "first", "newest", "area", "subject"
    later: pd.Series  # by cell: log median published of a fresh sample
    truth: pd.Series  # by cell: true log median
    graduates: pd.DataFrame  # one row each; the analyst does not have them


def make_setting(*, seed):
    """Draw the providers, sizes and students that all worlds share."""
    truth = simulate_graduates(
        1, years=5, n_providers=PROVIDERS, n_cohorts=2, seed=seed
    )[1]
    courses = truth.provider_subject
    cells = pd.DataFrame({"base": log_medians(truth) - courses["effect"]})
    by_subject = courses.groupby("subject")
    cells["spread"] = by_subject["effect"].transform("std")
    log_share = np.log(courses["share"])
    centred = log_share - log_share.groupby("subject").transform("mean")
    cells["size"] = centred / centred.std()
    return Setting(truth, cells)


def log_medians(truth, yag=5):
    """True median of log pay of every course, over all who study there."""
    joint = joint_distribution(truth)
    subjects = truth.subjects.index[joint["subject"]]
    offset = joint["offset"] * truth.widening[yag] + truth.cohorts.to_numpy()
    flat = (len(subjects), -1)
    share = np.broadcast_to(joint["share"], offset.shape).reshape(flat)
    share = share / share.sum(1, keepdims=True)
    offset = offset.reshape(flat)
    parts = []
    for sex in ("female", "male"):
        its = truth.earnings.xs((sex, yag), level=("sex", "yag")).reindex(subjects)
        odds = its["employed_logit"].to_numpy()
        odds = odds + truth.providers["employment"].to_numpy()[joint["provider"]]
        female = truth.subjects["female"].reindex(subjects).to_numpy()
        weight = female if sex == "female" else 1 - female
        weight = weight * its["paid"].to_numpy() / (1 + np.exp(-odds))
        columns = ["location", "scale_lower", "scale_upper"]
        parts.append((weight, *(its[c].to_numpy()[:, None] for c in columns)))
    total = sum(part[0] for part in parts)
    low, high = np.full(len(subjects), 7.0), np.full(len(subjects), 14.0)
    for _ in range(36):
        middle = (low + high) / 2
        below = 0
        for weight, location, lower, upper in parts:
            gap = middle[:, None] - location - offset
            cdf = residual_distribution.cdf(gap, lower, upper, truth.tail)
            below = below + weight / total * (share * cdf).sum(1)
        low, high = (
            np.where(below < 0.5, middle, low),
            np.where(below < 0.5, high, middle),
        )
    return pd.Series((low + high) / 2, truth.provider_subject.index)


def draw_world(setting, *, df=np.inf, size_effect=0.0, cutoff=11, tables=TABLES, seed):
    """Draw new effects, graduates, and the tables published of them.

    Effects have the tails of Student's t with `df` degrees of freedom, and rise with
    the size of a course within its subject: by `size_effect` a standard deviation.
    Only the `tables` named are published; the world is the same whichever they are.
    """
    rng = np.random.default_rng(seed)
    cells = setting.cells
    effect = _draw_effects(cells, df, rng) + size_effect * cells["size"].to_numpy()
    courses = setting.truth.provider_subject.assign(effect=effect)
    truth = replace(setting.truth, provider_subject=courses)
    everybody, _ = simulate_graduates(2 * GRADUATES, years=5, truth=truth, seed=rng)
    now = rng.permutation(len(everybody)) < GRADUATES
    rows, later = everybody[now].copy(), everybody[~now]
    rows["area"] = rows["subject"].map(lambda s: AREAS.get(s, s)).astype("category")
    index = cells.index.to_frame(index=False)
    options = {"by": CELL, "cells": index, "cutoff": cutoff, "hide_counts": True}
    measured = {name: _measured(name, rows, options) for name in tables}
    national = measured["subject"].set_index("subject")["log_median"]
    measured["both"]["national"] = measured["both"]["subject"].map(national)
    after = publish(later, **options).set_index(CELL)["median"]
    true = (cells["base"] + effect).rename("truth").reorder_levels(CELL)
    return World(measured, np.log(after), true, rows)


def _measured(name, rows, options):
    """Publish one of the tables, and measure it."""
    cutoff = options["cutoff"]
    if name == "area":
        table = publish(rows, by=["area", "provider"], cutoff=cutoff)
        return measure(table, cutoff=cutoff)
    if name == "subject":
        table = publish(rows, by="subject", cutoff=cutoff)
    else:
        cohorts = {"both": [1, 2], "first": [1], "newest": [2]}[name]
        table = publish(rows[rows["cohort"].isin(cohorts)], **options)
    return measure(table, cutoff=cutoff, sd_by="subject")


def _draw_effects(cells, df, rng):
    subject, provider = (cells.index.get_level_values(c) for c in CELL)
    code, labels = pd.factorize(provider)
    shared = np.where(subject.isin(UNSHARED), 0, SHARED)
    group = draw_standard(rng, df, len(labels))[code]
    own = draw_standard(rng, df, len(cells))
    return cells["spread"].to_numpy() * (
        np.sqrt(shared) * group + np.sqrt(1 - shared) * own
    )

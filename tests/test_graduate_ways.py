"""Ways to estimate sub-groups: each is what it says, and none sees what comes."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

import partialpool as pool
from partialpool.chapters import graduate_ways as ways
from partialpool.chapters.mixed import Solved
from partialpool.chapters.subgroups import draw_world

MAIN = "log_pay ~ sex + prior_attainment + region + subject + provider"


@pytest.fixture(scope="module")
def world():
    return draw_world(3_000, seed=3)


@pytest.fixture(scope="module")
def task(world):
    return ways.Task(world)


@pytest.fixture(scope="module")
def answers(world):
    return ways.answer_all(world)[0]


def average(world, values):
    """Of rows: first the sub-groups', then those of the next cohort."""
    return np.append(world.over @ values, values[~world.rows["seen"]])


def test_main_effects_are_those_of_statsmodels(world, answers):
    dense = smf.ols(MAIN, world.seen).fit()
    said = average(world, dense.predict(world.rows).to_numpy())
    assert answers["GLM, main effects"].mean == pytest.approx(said, abs=1e-3)
    single = answers["GLM, main effects"].sigma
    assert single == pytest.approx(np.sqrt(dense.scale), rel=1e-3)


def test_all_interactions_are_dummies_of_everything(world, task, answers):
    seen, columns = world.seen, ["subject", "provider", "course", "sex"]
    columns += ["prior_attainment", "region"]
    gaps = pd.get_dummies(seen["subject"], dtype=float).mul(seen["male"], axis=0)
    dense = np.hstack([pd.get_dummies(seen[columns], dtype=float), gaps])
    y = seen["log_pay"].to_numpy()
    fitted = np.zeros(len(world.rows))
    fitted[task.seen] = dense @ np.linalg.lstsq(dense, y)[0]
    known = (world.groups["kind"] == "sub-group").to_numpy()
    found = answers["GLM, all interactions"].mean[: len(known)][known]
    assert found == pytest.approx((world.over @ fitted)[known], abs=2e-3)


def test_separate_means_are_those_of_the_table(world, answers):
    small = world.groups["kind"] == "sub-group"
    label = world.seen["course"] + ", " + world.seen["sex"]
    by = world.seen["log_pay"].groupby(label).agg(["mean", "sem", "size"])
    by = by.loc[world.groups.loc[small, "label"]]
    at = np.flatnonzero(small)
    found = answers["separate means"]
    assert found.mean[at] == pytest.approx(by["mean"].to_numpy())
    assert found.sd[at] == pytest.approx(by["sem"].to_numpy())
    assert (found.df[at] == by["size"].to_numpy() - 1).all()


def test_a_glm_of_one_subject_is_that_of_statsmodels(world, task, answers):
    subject = world.seen["subject"].value_counts().index[0]
    seen = world.seen[world.seen["subject"] == subject]
    dense = smf.ols("log_pay ~ sex + prior_attainment + region + provider", seen).fit()
    fitted = np.zeros(len(world.rows))
    fitted[np.flatnonzero(world.rows["seen"] & (world.rows["subject"] == subject))] = (
        dense.fittedvalues
    )
    groups = world.groups
    its = ((groups["kind"] == "sub-group") & (groups["subject"] == subject)).to_numpy()
    found = answers["GLM per subject"].mean[: len(groups)][its]
    assert found == pytest.approx((world.over @ fitted)[its], abs=2e-3)


def test_aic_takes_the_best_of_four(task, answers):
    scores = {logs: Solved(task.sums, logs).aic() for logs in ways.GLMS}
    best = task.plain(min(scores, key=scores.get))
    assert answers["GLM, chosen by AIC"].mean == pytest.approx(best.mean)


def test_ridge_predicts_held_out_rows_best_at_its_own_penalty(task):
    chosen = ways.choose(task.sums, Solved.cross_validated, 1)
    for shift in (-0.5, 0.5):
        other = Solved(task.sums, chosen.logs + shift)
        assert chosen.cross_validated() < other.cross_validated()
    assert np.isnan(ways.ridge_one(task).sd).all()


def test_the_one_model_is_what_fit_says(world, answers):
    posterior = pool.fit(ways.FORMULA, world.seen, draws=1000, seed=9)
    mean = pool.predict(posterior, world.rows, unseen="draw", seed=9)["mean"]
    flat = mean.to_numpy().reshape(-1, len(world.rows))
    said = average(world, flat.mean(0))
    assert answers["one model"].mean == pytest.approx(said, abs=0.04)
    sd = (world.over @ flat.T).std(1)
    found = answers["one model"].sd[: len(world.groups)]
    assert np.median(found / sd) == pytest.approx(1, abs=0.05)


def test_reml_and_the_posterior_are_one_model(answers):
    apart = answers["one model"].mean - answers["one model (REML)"].mean
    assert np.sqrt(np.mean(apart**2)) < 0.015


def test_a_subject_that_spreads_more_gets_wider_intervals(world):
    rows = world.rows.copy()
    name = rows.loc[rows["seen"], "subject"].value_counts().index[0]
    its = rows["subject"] == name
    middle = rows.loc[its, "log_pay"].mean()
    rows.loc[its, "log_pay"] = middle + 3 * (rows.loc[its, "log_pay"] - middle)
    task = ways.Task(replace(world, rows=rows))
    sigma = pd.Series(ways.spread_by_subject(task).sigma).groupby(task.subject).first()
    assert sigma.idxmax() == name
    left = np.std(rows.loc[its & rows["seen"], "log_pay"])
    assert 0.75 < sigma[name] / left < 1
    assert sigma.drop(name).median() < 0.6 * sigma[name]


def test_no_way_sees_the_next_cohort_or_the_truth(world, answers):
    rows = world.rows.copy()
    rows.loc[~rows["seen"], "log_pay"] += 1
    rows["expected"] += 1
    groups = world.groups.assign(truth=world.groups["truth"] + 1)
    again = ways.answer_all(replace(world, rows=rows, groups=groups))[0]
    assert set(again) == set(ways.WAYS)
    for name, answer in answers.items():
        for part in ("mean", "sd", "df", "sigma"):
            one, two = getattr(answer, part), getattr(again[name], part)
            np.testing.assert_allclose(one, two, err_msg=name)


def test_every_way_answers_for_every_target(task, answers):
    assert set(ways.EFFORT) == set(ways.WAYS) == set(answers)
    for name, answer in answers.items():
        assert np.isfinite(answer.mean).all(), name
        assert len(answer.mean) == task.over.shape[0]
        assert name.startswith("ridge") or (answer.sd > 0).all(), name


def test_courses_shrunk_by_hand_keep_a_share_of_their_mean_residual(task):
    solved = Solved(task.sums, ways.MAIN)
    rows = task.world.seen.assign(left=task.y - solved.fitted(task.fitted))
    by = rows.groupby("course")["left"].agg(["size", "mean", "var"])
    n, mean = by["size"], by["mean"]
    within = ((n - 1) * by["var"].fillna(0)).sum() / (n.sum() - len(n))
    spare = n.sum() - (n**2).sum() / n.sum()
    k = within / (((n * mean**2).sum() - len(n) * within) / spare)
    kept = (n / (n + k) * mean).reindex(task.world.groups["course"]).fillna(0)
    found, main = ways.shrunk_by_hand(task), ways.main_effects(task)
    some = (task.world.groups["kind"] == "sub-group").to_numpy()
    moved = (found.mean - main.mean)[: len(some)]
    assert moved[some] == pytest.approx(kept[some].to_numpy(), abs=1e-8)
    assert (found.sd >= main.sd).all()

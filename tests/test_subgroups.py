"""Sub-groups: who is in them, what is true of them, and what models may see."""

import numpy as np
import pytest

from partialpool.chapters import subgroups
from partialpool.chapters.subgroups import BANDS, INTEREST, NEXT, STEPS


@pytest.fixture(scope="module")
def world():
    return subgroups.draw_world(3_000, seed=1)


def test_models_see_all_cohorts_but_the_last(world):
    assert set(world.seen["cohort"]) == {1, 2, 3, 4}
    assert set(world.singles["cohort"]) == {5}


def test_a_subgroup_is_the_average_of_its_members(world):
    small = world.groups[world.groups["kind"] == "sub-group"]
    label = world.seen["course"] + ", " + world.seen["sex"]
    mean = world.seen["expected"].groupby(label).mean()
    count = label.value_counts()
    assert small["truth"].to_numpy() == pytest.approx(mean[small["label"]].to_numpy())
    assert (small["n"].to_numpy() == count[small["label"]].to_numpy()).all()
    assert set(small["label"]) == set(count.index[count >= 3])


def test_a_course_of_the_next_cohort_is_its_next_graduates(world):
    rows = np.flatnonzero(world.groups["kind"] == "next")
    members = world.over[rows].sum(0) > 0
    assert not world.rows["seen"][members].any()
    assert world.rows["seen"][world.own[rows].sum(0) > 0].all()
    courses = world.groups.loc[rows].set_index("label")
    seen = world.seen["course"].value_counts().reindex(courses.index).fillna(0)
    assert (courses["n"] == seen).all()
    assert (courses[NEXT[1]] == (seen == 0)).all()


def test_weights_add_up_to_one(world):
    assert world.over.sum(1) == pytest.approx(np.ones(len(world.groups)))
    own = world.own.sum(1)
    assert own[world.groups["n"] > 0] == pytest.approx(1)


@pytest.mark.parametrize("parts", [BANDS, STEPS])
def test_every_subgroup_is_in_one_band(world, parts):
    small = world.groups["kind"] == "sub-group"
    assert (world.groups[list(parts)].sum(axis=1) == small).all()


def test_groups_of_interest_are_what_they_say(world):
    groups, rows = world.groups, world.rows
    assert (groups.loc[groups[INTEREST[0]], "n"] == 3).all()
    for name, test in {
        INTEREST[1]: (rows["subject"] == "Engineering") & (rows["male"] == 0),
        INTEREST[2]: (rows["subject"] == "Nursing and midwifery") & (rows["male"] == 1),
        INTEREST[3]: rows["subject"] == "Medicine and dentistry",
        INTEREST[4]: rows["prior_attainment"] == "BTEC or other",
    }.items():
        members = world.over[np.flatnonzero(groups[name])].sum(0) > 0
        assert test[members].all(), name


def test_exceptional_courses_lie_far_from_their_subject():
    from partialpool.graduates import simulate_graduates

    world = subgroups.draw_world(3_000, seed=1)
    _, truth = simulate_graduates(
        3_000, years=5, n_providers=20, n_cohorts=5, seed=np.random.default_rng(1)
    )
    effect = truth.provider_subject["effect"].abs()
    sd = truth.subjects["between_sd"].reindex(effect.index.get_level_values("subject"))
    far = effect.to_numpy() > 2 * sd.to_numpy(float)
    far = {f"{s}, {p}" for p, s in effect.index[far]}
    small = world.groups[world.groups["kind"] == "sub-group"]
    marked = set(small.loc[small[INTEREST[5]], "course"])
    assert marked == far & set(small["course"])


def test_cells_count_those_in_work_of_the_cohorts_seen(world):
    cells = world.cells
    assert (cells["successes"] <= cells["trials"]).all()
    assert cells["successes"].sum() > len(world.seen) > 0
    assert cells["trials"].sum() == pytest.approx(3_000 * 4 / 5, rel=0.06)
    assert cells["truth"].between(0, 1, inclusive="neither").all()
    gap = cells["successes"] / cells["trials"] - cells["truth"]
    assert np.average(gap, weights=cells["trials"]) == pytest.approx(0, abs=0.03)


def test_a_seed_gives_one_world(world):
    again = subgroups.draw_world(3_000, seed=1)
    assert world.groups.equals(again.groups)
    other = subgroups.draw_world(3_000, seed=2)
    assert not world.groups["truth"].equals(other.groups["truth"])

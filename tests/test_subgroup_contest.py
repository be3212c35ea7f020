"""The contest of sub-groups: every way, in worlds that stay what they are."""

import pytest

from partialpool.chapters import employment, graduate_ways, subgroup_contest


@pytest.fixture(scope="module")
def contest():
    return subgroup_contest.hold(2, seed=4, graduates=2_000)


def test_every_way_is_scored_in_every_world(contest):
    assert len(contest.pay) == len(contest.employment) == 2
    for pay, work in zip(contest.pay, contest.employment, strict=True):
        assert set(pay.index.get_level_values("way")) == set(graduate_ways.WAYS)
        assert set(work.index.get_level_values("way")) == set(employment.WAYS)


def test_a_world_is_the_same_however_many_there_are(contest):
    alone = subgroup_contest.hold(1, seed=4, graduates=2_000)
    assert alone.pay[0].equals(contest.pay[0])
    assert alone.employment[0].equals(contest.employment[0])
    assert not contest.pay[0].equals(contest.pay[1])


def test_costs_are_counted(contest):
    costs = contest.costs
    assert (contest.seconds > 0).all()
    assert costs.loc["multilevel per subject (REML)", "models"] > 20
    assert costs.loc["one model", "tuned"] == 4
    dear, cheap = (
        costs.loc[way, "coefficients"]
        for way in ("GLM, all interactions", "GLM, main effects")
    )
    assert dear > costs.loc["one model", "coefficients"] > 30
    assert dear > 2 * cheap

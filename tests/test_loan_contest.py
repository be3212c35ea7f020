"""The experiment behind C12: scores by hand, and the rule."""

import pandas as pd
import pytest

from partialpool.chapters import loan_contest as contest
from partialpool.chapters.loan_worlds import KINDS, CostCurve, draw_world


@pytest.fixture(scope="module")
def curve():
    return CostCurve(60_000, seed=1)


def test_a_seed_gives_the_same_forecasts(curve):
    kinds = {"as assumed": {}}
    one, two = (
        contest.compete(kinds, 1, curve, draws=40, seed=[4, 5])["as assumed"]
        for _ in range(2)
    )
    pd.testing.assert_frame_equal(one, two)
    assert (one["low"] <= one["high"]).all()


def test_coverage_width_and_score_by_hand():
    found = pd.DataFrame(
        {
            "world": [0, 0, 1, 1],
            "way": "x",
            "part": ["c00", "c01", "c00", "book"],
            "low": [0.1, 0.3, 0.1, 0.1],
            "middle": [0.2, 0.4, 0.2, 0.2],
            "high": [0.3, 0.5, 0.3, 0.3],
            "truth": [0.2, 0.2, 0.25, 0.31],
        }
    )
    judged = contest.judge(found)
    course, book = judged.loc[("course", "x")], judged.loc[("book", "x")]
    # Worlds count alike: half of the courses of one, all of the other.
    assert course["coverage"] == pytest.approx(0.75)
    assert course["width"] == pytest.approx(0.2)
    assert course["score"] == pytest.approx(((0.2 + 0.2 + 20 * 0.1) / 2 + 0.2) / 2)
    assert book["coverage"] == 0
    assert book["score"] == pytest.approx(0.2 + 20 * 0.01)


def _scores(model, other, score=1.0):
    """Scores of two ways: their coverage everywhere, and the other's score."""
    index = pd.MultiIndex.from_product(
        [["course", "book"], ["hierarchical", "other"]], names=["part", "way"]
    )
    columns = {"coverage": [model, other] * 2, "error": 0.01, "score": [1, score] * 2}
    return pd.DataFrame(columns, index)


@pytest.mark.parametrize(
    ("plain", "broken", "lines", "outcome"),
    [
        ((0.9, 0.5), (0.9, 0.5), 9, "holds"),
        ((0.9, 0.5), (0.7, 0.5), 9, "holds with conditions"),
        ((0.9, 0.9), (0.9, 0.5), 9, "holds with conditions"),
        ((0.9, 0.9), (0.7, 0.5), 9, "does not hold"),
        ((0.9, 0.9), (0.7, 0.5), 20, "holds with conditions"),
        ((0.9, 0.9, 1.2), (0.7, 0.5), 9, "holds with conditions"),
        ((0.8, 0.5), (0.9, 0.5), 20, "does not hold"),
    ],
)
def test_the_rule(plain, broken, lines, outcome):
    scores = {"as assumed": _scores(*plain), "drift": _scores(*broken)}
    assert contest.decide(scores, {"hierarchical": 10, "other": lines})[1] == outcome


@pytest.mark.parametrize(("coverage", "fine"), [(0.831, True), (0.829, False)])
def test_a_way_may_miss_the_band_by_two_errors(coverage, fine):
    assert contest.accurate(_scores(coverage, 0.9))["hierarchical"] == fine


def test_statements_do_not_depend_on_line_breaks():
    statements = {n: contest.count_statements(w) for n, w in contest.WAYS.items()}
    # X and y; b and s; the answer; and the one of _repeat.
    assert statements["plug-in GLM"] == 4
    assert statements["hierarchical"] == 6
    assert statements["REML, bootstrap"] > statements["no pooling"]


def test_many_worlds_are_forecast_in_processes_with_the_same_result(curve, monkeypatch):
    ways = {"plug-in GLM": contest.WAYS["plug-in GLM"]}
    options = {"ways": ways, "draws": 20, "seed": 3}
    inline = contest.compete(KINDS, 2, curve, **options)
    monkeypatch.setattr(contest, "FEW", 2)
    apart = contest.compete(KINDS, 2, curve, **options)
    assert list(inline) == list(apart) == list(KINDS)
    for kind, found in inline.items():
        pd.testing.assert_frame_equal(found, apart[kind])


def test_every_kind_has_worlds_of_its_own(curve):
    ways = {"plug-in GLM": contest.WAYS["plug-in GLM"]}
    found = contest.compete(KINDS, 2, curve, ways=ways, draws=20, seed=3)
    for i, (kind, options) in enumerate(KINDS.items()):
        for k, part in found[kind].groupby("world"):
            world = draw_world(**options, seed=[3, i, k])
            truth = part.set_index("part")["truth"]
            assert truth["book"] == world.cost
            assert truth.drop("book").tolist() == world.courses["cost"].tolist()

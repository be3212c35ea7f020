"""Scores of sub-groups: counted by hand, added up over worlds, and judged."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from partialpool.chapters import subgroup_scores as scoring
from partialpool.chapters.subgroup_scores import EVERYWHERE, MIRROR, ONE, SPREADS
from partialpool.chapters.subgroups import BANDS, STEPS

OTHERS = [*scoring.PLAIN, "ridge, one penalty"]
WAYS = [ONE, MIRROR, SPREADS, *OTHERS]


def two_groups():
    """Two sub-groups of three graduates, and one single graduate of law."""
    groups = pd.DataFrame({"truth": [10.0, 10.4]})
    groups = groups.assign(**dict.fromkeys([*EVERYWHERE, *STEPS], False))
    groups["3 to 5"] = True
    singles = pd.DataFrame({"log_pay": [10.5], "subject": ["Law"]})
    return SimpleNamespace(groups=groups, singles=singles)


def answer(mean, sd, sigma=0.4, df=np.inf):
    full = [np.full(3, float(part)) for part in (sd, df, sigma)]
    return SimpleNamespace(mean=np.array(mean), sd=full[0], df=full[1], sigma=full[2])


@pytest.fixture(scope="module")
def counted():
    answers = {ONE: answer([10.1, 10.0, 10.0], 0.2), "bare": answer([10] * 3, np.nan)}
    return scoring.tally(two_groups(), answers)


def test_a_tally_counts_and_sums(counted):
    row = counted.loc[ONE, "3 to 5"]
    assert row["n"] == 2
    assert row["square"] == pytest.approx(0.1**2 + 0.4**2)
    assert row["held"] == 1  # 0.1 and 0.4 off, half a width of 0.33
    assert row["width"] == pytest.approx(4 * 1.6449 * 0.2, rel=1e-4)
    logs = -np.log(0.2 * np.sqrt(2 * np.pi)) * 2 - (0.5**2 + 2**2) / 2
    assert row["log"] == pytest.approx(logs, abs=1e-4)


def test_single_graduates_spread_about_the_mean_as_well(counted):
    row = counted.loc[ONE, "Law"]
    assert row["held"] == 1  # 0.5 off
    assert row["width"] == pytest.approx(2 * 1.6449 * np.hypot(0.2, 0.4), rel=1e-4)


def test_students_intervals_are_wider():
    narrow, wide = (
        scoring.tally(two_groups(), {"a": answer([10.0] * 3, 0.2, df=df)})
        for df in (np.inf, 2)
    )
    ratio = (wide / narrow).loc[("a", "3 to 5"), "width"]
    assert ratio == pytest.approx(2.91999 / 1.64485, rel=1e-4)


def test_what_a_way_lacks_stays_missing(counted):
    scores = scoring.add_tallies([counted, counted])
    assert np.isfinite(scores.loc[("bare", "3 to 5"), "rmse"])
    lacks = ["coverage", "width", "log score"]
    assert scores.loc[("bare", "3 to 5"), lacks].isna().all()


def made_up(squares, way=ONE):
    index = pd.MultiIndex.from_product([[way], ["3 to 5"]], names=["way", "part"])
    return [
        pd.DataFrame({"n": 10.0, "square": s, "held": 9.0, "width": 1.0}, index)
        for s in squares
    ]


def test_worlds_add_up_and_know_their_error():
    squares = [1.0, 2.0, 6.0, 3.0]
    scores = scoring.add_tallies(made_up(squares)).iloc[0]
    assert scores["rmse"] == pytest.approx(np.sqrt(12 / 40))
    assert scores["coverage"] == pytest.approx(0.9)
    left = np.sqrt((12 - np.array(squares)) / 30)
    error = np.sqrt(3 / 4 * np.sum((left - left.mean()) ** 2))
    assert scores["rmse_error"] == pytest.approx(error)
    assert scores["coverage_error"] == pytest.approx(0)


def test_an_error_that_both_share_leaves_their_ratio_sure():
    squares = np.array([1.0, 2.0, 6.0])
    worlds = [
        pd.concat(pair)
        for pair in zip(made_up(squares), made_up(4 * squares, "bare"), strict=True)
    ]
    against = scoring.compare_errors(worlds)
    assert against.loc[("bare", "3 to 5"), "ratio"] == pytest.approx(2)
    assert against.loc[("bare", "3 to 5"), "error"] == pytest.approx(0, abs=1e-9)


def test_employment_is_counted_in_its_band():
    cells = pd.DataFrame({"trials": [3, 5, 30, 2], "truth": [0.5, 0.9, 0.8, 0.1]})
    mean = np.array([0.6, 0.6, 0.8, 0.5])
    share = SimpleNamespace(mean=mean, low=mean - 0.2, high=mean + 0.2)
    found = scoring.tally_shares(cells, {"a": share}).loc["a"]
    assert found.loc["3 to 5", ["n", "held"]].tolist() == [2, 1]
    assert found.loc["3 to 5", "square"] == pytest.approx(0.1**2 + 0.3**2)
    assert found["n"].sum() == 3


def judge(change=None, work=None, subject=0.9):
    """Decide on scores that pass, with some of them changed."""
    parts = [*EVERYWHERE, "graduates", "Law", *STEPS]
    index = pd.MultiIndex.from_product([WAYS, parts], names=["way", "part"])
    scores = pd.DataFrame({"n": 500.0, "rmse": 0.2, "coverage": 0.9}, index)
    for part in parts:
        scores.loc[(ONE, part), "rmse"] = 0.1
    scores.loc[(ONE, "Law"), "coverage"] = subject
    index = pd.MultiIndex.from_product([["multilevel", "GLM"], BANDS])
    shares = pd.DataFrame(
        {"rmse": 0.1, "coverage": 0.9}, index.set_names(["way", "part"])
    )
    for at, column, value in change or ():
        scores.loc[at, column] = value
    for at, column, value in work or ():
        shares.loc[at, column] = value
    return scoring.decide(scores, shares)


def test_the_claim_holds_if_all_is_true():
    parts, failures, outcome = judge()
    assert all(parts.values()) and outcome == "holds"
    assert not any(failures.values())


RIDGE = "ridge, one penalty"


@pytest.mark.parametrize(
    ("options", "part", "outcome"),
    [
        ({"change": [((RIDGE, "3 to 5"), "rmse", 0.094)]}, "predicts", "does not hold"),
        (
            {"change": [((RIDGE, EVERYWHERE[6]), "rmse", 0.094)]},
            "predicts",
            "holds with conditions",
        ),
        (
            {"change": [((ONE, "21 on"), "coverage", 0.84)]},
            "honest",
            "holds with conditions",
        ),
        ({"subject": 0.96}, "single", "holds with conditions"),
        (
            {"change": [(("GLM per subject", p), "rmse", 0.105) for p in EVERYWHERE]},
            "needed",
            "does not hold",
        ),
        (
            {"work": [(("multilevel", "21 on"), "rmse", 0.106)]},
            "employment",
            "holds with conditions",
        ),
        (
            {"work": [(("multilevel", "3 to 5"), "coverage", 0.8)]},
            "employment",
            "holds with conditions",
        ),
    ],
)
def test_each_part_of_the_rule_can_fail(options, part, outcome):
    parts, _, said = judge(**options)
    assert [name for name, true in parts.items() if not true] == [part]
    assert said == outcome


@pytest.mark.parametrize("way", [MIRROR, SPREADS])
def test_the_same_model_fitted_otherwise_is_no_opponent(way):
    change = [((way, part), "rmse", 0.05) for part in EVERYWHERE]
    assert judge(change=change)[2] == "holds"


def test_a_subject_of_few_graduates_is_not_judged():
    few = [((ONE, "Law"), "n", 99.0), ((ONE, "Law"), "coverage", 0.5)]
    assert judge(change=few)[2] == "holds"

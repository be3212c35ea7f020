"""Agreement of tools, and the stored figures of lme4 with the tables they are of."""

import json
from pathlib import Path

import pytest

import partialpool as pool
from benchmarks.lme4_mirror import SEED, SETS, tables
from partialpool.chapters.agreement import between_sds, distances
from partialpool.chapters.traps import draw_traps

ROOT = Path(__file__).resolve().parents[1]
PATH = ROOT / "benchmarks" / "results" / "lme4_mirror.json"


@pytest.fixture(scope="module")
def lme4():
    return json.loads(PATH.read_text(encoding="utf-8"))


def test_lme4_was_asked_of_the_tables_of_the_chapter(lme4):
    for name, (table, _, outcome) in tables().items():
        assert lme4["fits"][name]["mean_outcome"] == pytest.approx(
            table[outcome].mean()
        )
    chapter = (ROOT / "notebooks" / "frequentist-mirror.ipynb").read_text("utf-8")
    assert f"SEED = {SEED}" in chapter
    assert len(lme4["traps"]["sd"]) == SETS


def test_lme4s_groups_are_judged_by_their_own_truth(lme4):
    # The posterior of the same table has its spread near lme4's where that is clear.
    table, _ = draw_traps(1, seed=SEED)[0]
    stored = lme4["traps"]["sd"][0]
    found = pool.compare(table, outcome="y", group="group").between_sd
    assert found.low - 0.05 <= stored <= found.high


@pytest.mark.filterwarnings("ignore")
def test_tools_agree_on_the_spread_between_groups(lme4):
    table, formula, _ = tables()["courses"]
    found = between_sds(table, "y ~ 1", "group", lme4["fits"]["courses"], seed=1)
    for m in ("ML", "REML"):
        assert found[f"MixedLM, {m}"] == pytest.approx(found[f"lme4, {m}"], abs=1e-3)
    assert found["lme4, ML"] < found["lme4, REML"]
    low, middle, high = (found[f"posterior, {k}"] for k in ("5%", "median", "95%"))
    assert low < found["lme4, REML"] < high
    assert middle == pytest.approx(found["lme4, REML"], abs=0.01)
    assert formula.startswith("y ~ 1")


def test_a_method_is_at_no_distance_from_itself():
    table, _ = pool.simulate_groups(15, seed=2)
    found = distances(table, "y", "group", to="none")
    assert "none" not in found
    wide = pool.contest(table, outcome="y", group="group")
    wide = wide.pivot(index="group", columns="method", values="estimate")
    expected = (wide["reml"] - wide["none"]).abs().max()
    assert found["reml"] == pytest.approx(expected)

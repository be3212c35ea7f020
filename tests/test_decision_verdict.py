"""The rule of decisions: what is compared, and what follows."""

import numpy as np
import pandas as pd
import pytest

from partialpool.chapters.decision_verdict import (
    DECISIONS,
    compare_losses,
    decide,
    show_shares,
)

HELD = {"domain means": 0.9, "differences": 0.88, "rank intervals": 0.97}


def losses(**ways):
    rng = np.random.default_rng(1)
    common = rng.normal(0, 0.5, 50)  # of the world, alike for all ways
    parts = [
        pd.DataFrame(
            {"world": range(50), "loss": level + common + rng.normal(0, 0.01, 50)}
        ).assign(way=way.replace("_", " "), decision="publish")
        for way, level in ways.items()
    ]
    return pd.concat(parts)


def test_the_rival_is_the_best_plain_way_and_worlds_are_paired():
    found = losses(Bayes=2.0, REML=1.0, none=2.4, ridge__best_size=2.1)
    row = compare_losses(found).loc["publish"]
    assert row["rival"] == "ridge  best size"
    assert row["saved"] == pytest.approx(0.1, abs=0.01)
    assert row["high"] - row["low"] < 0.02
    assert row["share"] == pytest.approx(row["saved"] / row["theirs"])
    assert compare_losses(found, hindsight=False).loc["publish", "rival"] == "none"
    assert compare_losses(found, "REML").loc["publish", "high"] < 0


def compared(won, lost=0):
    low = [1.0] * won + [-1.0] * (len(DECISIONS) - won)
    high = [-0.5] * lost + [2.0] * (len(DECISIONS) - lost)
    return pd.DataFrame({"low": low, "high": high[::-1]}, index=list(DECISIONS))


@pytest.mark.parametrize(
    ("won", "lost", "others", "held", "outcome"),
    [
        (8, 0, [0, 0], {}, "holds"),
        (8, 0, [0, 1], {}, "holds with conditions"),
        (7, 0, [0, 0], {}, "holds with conditions"),
        (5, 0, [3, 0], {}, "holds with conditions"),
        (4, 0, [0, 0], {}, "does not hold"),
        (6, 1, [0, 0], {}, "does not hold"),
        (8, 0, [0, 0], {"differences": 0.84}, "does not hold"),
        (8, 0, [0, 0], {"domain means": 0.96}, "does not hold"),
        (8, 0, [0, 0], {"rank intervals": 0.84}, "does not hold"),
    ],
)
def test_the_rule(won, lost, others, held, outcome):
    rest = [compared(0, each) for each in others]
    parts, found = decide(compared(won, lost), rest, HELD | held)
    assert found == outcome
    assert parts["better"] == won
    assert parts["lost"] == lost


def test_shares_are_shown_with_their_intervals_and_nothing_lost_as_a_dash():
    compared = compare_losses(losses(Bayes=0.8, ridge=1.0))
    none_lost = compared.assign(share=np.nan, theirs=0.0)
    shown = show_shares({"one": compared, "other": none_lost})
    share = compared.loc["publish", "share"]
    half = (compared["high"] - compared["saved"])["publish"]
    half /= compared.loc["publish", "theirs"]
    assert shown.loc["publish", "one"] == f"{share:+.0%} ± {half:.0%}"
    assert shown.loc["publish", "other"] == "–"

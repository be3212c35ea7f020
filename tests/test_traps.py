"""Traps: what is asked, what is heard, and what counts as silent."""

import warnings

import numpy as np
import pandas as pd
import pytest

from partialpool.chapters.traps import (
    ask,
    count_lines,
    count_silent,
    draw_slopes,
    draw_traps,
    judge,
)


def test_a_set_is_the_same_however_many_are_drawn():
    few, many = draw_traps(2, seed=1), draw_traps(4, seed=1)
    pd.testing.assert_frame_equal(few[1][0], many[1][0])
    assert few[1][1]["new_group"] == many[1][1]["new_group"]
    pd.testing.assert_frame_equal(draw_slopes(1, seed=1)[0], draw_slopes(2, seed=1)[0])


def test_slopes_vary_by_group_as_they_are_said_to():
    slopes = [
        np.polyfit(rows["x"], rows["y"], 1)
        for table in draw_slopes(60, groups=10, seed=2)
        for _, rows in table.groupby("group")
        if len(rows) > 20
    ]
    slope, intercept = np.array(slopes).T
    # The spread between groups, and the noise of a fit to 25 rows.
    assert slope.std() == pytest.approx(np.hypot(0.15, 0.45 / 5), rel=0.25)
    assert np.corrcoef(slope, intercept)[0, 1] > 0.15


def test_what_is_heard_is_noted_and_an_error_is_a_refusal():
    traps = draw_traps(3, seed=1)
    calls = iter(["quiet", "warns", "refuses"])

    def method(table):
        call = next(calls)
        if call == "refuses":
            raise ValueError("no")
        if call == "warns":
            warnings.warn("hm", stacklevel=1)
        return {"between_sd": (0.0, 1.0)}

    rows = ask(method, traps)
    assert rows["warned"].tolist() == [False, True, True]
    assert rows["refused"].tolist() == [False, False, True]
    assert rows["between_sd"].tolist()[:2] == [1.0, 1.0]
    assert rows["between_sd"].isna().tolist() == [False, False, True]
    assert rows["new_group"].isna().all()


def test_groups_are_matched_by_their_labels():
    truth = {"group": pd.Series({"a": 1.0, "b": 5.0})}
    ends = pd.Series({"b": 4.0, "a": 2.0}), pd.Series({"b": 6.0, "a": 3.0})
    assert judge({"group": ends}, truth)["group"] == 0.5


def test_only_what_fails_without_a_warning_is_silent():
    def rows(warned, held):
        return pd.DataFrame(
            {"warned": warned, "group": held, "between_sd": 1.0, "new_group": np.nan}
        )

    loud = count_silent(rows([True, False], [0.0, 1.0]))
    assert not loud["silent"].any()
    assert loud.loc["group", "coverage"] == 0.5
    quiet = count_silent(rows([False, True], [0.0, 1.0]))
    assert quiet.index[quiet["silent"]].tolist() == ["group"]
    assert quiet.loc["new_group", "answered"] == 0


def test_lines_are_counted_without_blanks_and_docstrings():
    def three(x):
        """Say nothing."""

        y = x

        return y

    assert count_lines(three) == 3
    assert count_lines(three, three) == 6

"""Tests of the sentences: each says what its figures say."""

import numpy as np
import pandas as pd
import pytest

import partialpool as pool
from partialpool.advice import number, ratio


def said(table, **options):
    asked = {"outcome": "y", "group": "group"} | options
    return pool.compare(table, **asked).sentences


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_names_complete_pooling_where_groups_do_not_differ(seed):
    table, _ = pool.simulate_groups(40, sizes=(3, 60), between_sd=0, seed=seed)
    (verdict,) = (s for s in said(table) if "pooling is" in s)
    assert verdict.startswith("Complete pooling is about as good here")
    assert "a finding and not a fault" in verdict


def test_names_no_pooling_where_every_group_is_large():
    table, _ = pool.simulate_groups(20, sizes=(2000, 4000), between_sd=0.3, seed=1)
    sentences = said(table)
    assert any("every group has enough data of its own" in s for s in sentences)
    # The weights are 100%, and nothing moves.
    assert not any("moves most" in s for s in sentences)


def test_names_partial_pooling_where_it_saves():
    table, _ = pool.simulate_groups(40, sizes=(3, 30), between_sd=0.2, seed=1)
    compared = pool.compare(table, outcome="y", group="group")
    (verdict,) = (s for s in compared.sentences if "worth it" in s)
    saved = compared.gain["saved"]
    assert f"{saved['none']:.0%} of the expected error of no pooling" in verdict
    leaning = (compared.table["weight"] < 0.5).sum()
    assert f"In {leaning} of 40 groups the others weigh more" in verdict
    worth = (compared.within_sd.median / compared.between_sd.median) ** 2
    assert f"worth {worth:.1f} rows" in compared.sentences[1]


def test_warns_of_few_groups():
    table, _ = pool.simulate_groups(4, sizes=(3, 30), seed=1)
    assert "With only 4 groups" in said(table)[-1]
    table, _ = pool.simulate_groups(9, sizes=(3, 30), seed=1)
    assert not any("With only" in s for s in said(table))


def test_eight_schools_are_not_told_apart():
    schools = pd.DataFrame(
        {
            "y": [28, 8, -3, 7, -1, 1, 18, 12.0],
            "se": [15, 10, 16, 11, 9, 11, 10, 18.0],
            "group": list("ABCDEFGH"),
        }
    )
    sentences = said(schools, se="se")
    assert any("Complete pooling is about as good" in s for s in sentences)
    assert not any("rows" in s for s in sentences)


def test_a_standard_deviation_of_logs_is_read_as_a_ratio():
    assert ratio(0.38) == "+46% / −32%"
    table, _ = pool.simulate_groups(30, sizes=(3, 30), seed=1)
    first = said(table.assign(y=np.exp(table["y"])), log=True)[0]
    plain = pool.compare(table, outcome="y", group="group")
    assert ratio(plain.between_sd.median) in first
    assert ratio(plain.within_sd.median) in first


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.01234, "0.0123"),
        (12.34, "12.3"),
        (12345.6, "12,300"),
        (0, "0"),
        (-2, "-2.00"),
    ],
)
def test_numbers_have_three_digits(value, text):
    assert number(value) == text

"""A Plan 5 cohort against the published deciles."""

import pytest

from partialpool.chapters.loan_cohort import PUBLISHED, repaid_by_decile


@pytest.fixture(scope="module")
def repaid():
    return {p: repaid_by_decile(p, people=6_000, seed=1) for p in (0.95, 1.0)}


def test_who_earns_more_repays_more(repaid):
    assert (repaid[1.0].diff().dropna().iloc[:7] > 0).all()


def test_frozen_ranks_leave_less_at_the_bottom(repaid):
    assert repaid[1.0].iloc[:3].sum() < repaid[0.95].iloc[:3].sum()


def test_nobody_repays_more_than_the_loan_is_worth(repaid):
    # 45,600 pounds of 2028, which bear no real interest, in pounds of 2024-25.
    assert max(max(by_decile) for by_decile in repaid.values()) <= 45_600 / 1.03**3.5


def test_the_published_mean_is_that_of_its_source():
    assert PUBLISHED.mean() == pytest.approx(28_000, rel=0.04)

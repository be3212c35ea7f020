"""Loans: hand-computed years, money that is conserved, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import partialpool as pool

# One year each, worked out by hand from the published rules:
# plan, tax year, earnings, balance, RPI, Bank Rate, paid, closing balance.
BY_HAND = {
    "plan 1, at the threshold": (
        *("plan 1", 2025, 26_065, 10_000, 0.03, 0.04),
        *(0, 10_300),
    ),
    "plan 1, Bank Rate and 1% is less": (
        *("plan 1", 2025, 36_065, 10_000, 0.03, 0.01),
        *(900, 9_300),
    ),
    "plan 2, just below": ("plan 2", 2024, 27_294, 40_000, 0.043, None, 0, 41_720),
    "plan 2, at the threshold": (
        *("plan 2", 2025, 28_470, 40_000, 0.032, None),
        *(0, 41_280),
    ),
    "plan 2, half way up the taper": (
        *("plan 2", 2025, 39_857.5, 40_000, 0.032, None),
        *(1_024.875, 40_855.125),
    ),
    "plan 2, at the end of the taper": (
        *("plan 2", 2025, 51_245, 40_000, 0.032, None),
        *(2_049.75, 40_430.25),
    ),
    "plan 2, far above it": (
        *("plan 2", 2025, 100_000, 40_000, 0.032, None),
        *(6_437.70, 36_042.30),
    ),
    "plan 2, a later threshold, of interest too": (
        *("plan 2", 2029, 29_385, 40_000, 0.032, None),
        *(0, 41_280),
    ),
    "plan 2, nothing owed": ("plan 2", 2025, 39_385, 0, 0.032, None, 0, 0),
    "plan 5, just below": ("plan 5", 2026, 24_999, 45_000, 0.03, None, 0, 46_350),
    "plan 5, above": ("plan 5", 2026, 35_000, 45_000, 0.03, None, 900, 45_450),
    "plan 5, a later threshold": (
        *("plan 5", 2027, 35_925, 45_000, 0.03, None),
        *(900, 45_450),
    ),
    "plan 5, the last pounds": ("plan 5", 2026, 40_000, 500, 0.02, None, 510, 0),
    "postgraduate, below": (
        *("postgraduate", 2025, 20_000, 12_000, 0.03, None),
        *(0, 12_720),
    ),
    "postgraduate, above": (
        *("postgraduate", 2025, 31_000, 12_000, 0.03, None),
        *(600, 12_120),
    ),
}


@pytest.mark.parametrize("case", BY_HAND.values(), ids=BY_HAND)
def test_a_year_is_as_worked_out_by_hand(case):
    plan, year, pay, balance, rpi, bank, paid, closing = case
    loan = pool.repay([pay], plan, balance, first_year=year, rpi=rpi, bank_rate=bank)
    assert float(loan.paid) == pytest.approx(paid)
    assert float(loan.outstanding) == pytest.approx(closing)
    assert loan.in_full == (closing == 0)


@pytest.mark.parametrize(
    ("balance", "paid", "written_off"),
    # 9% of 10,000, 9,075, 8,271 and 37 times 7,495 is 27,419.49.
    [(40_000, 27_419.49, 12_580.51), (27_000, 27_000, 0)],
    ids=["written off", "in full in the last year"],
)
def test_forty_years_of_plan_5_by_hand(balance, paid, written_off):
    steady = {"first_year": 2026, "rpi": 0, "threshold_growth": 0, "by_year": True}
    loan = pool.repay(np.full(40, 35_000), "plan 5", balance, **steady)
    assert float(loan.paid) == pytest.approx(paid)
    assert float(loan.written_off) == pytest.approx(written_off, abs=1e-9)
    assert loan.years_repaying == 40
    assert loan.in_full == (written_off == 0)
    if written_off == 0:
        # 39 years pay 26,744.94; the fortieth pays what is left.
        assert loan.by_year["paid"][-1] == pytest.approx(255.06)


@pytest.mark.parametrize(
    ("plan", "years", "margin"),
    [
        ("plan 1", 25, 0),
        ("plan 2", 30, 0),
        ("plan 5", 40, 0),
        ("postgraduate", 30, 0.03),
    ],
)
def test_what_nobody_repays_grows_and_is_written_off(plan, years, margin):
    options = {"rpi": 0.02, "bank_rate": 0.05, "threshold_growth": 0.02}
    loan = pool.repay(np.zeros((2, 45)), plan, 10_000, first_year=2026, **options)
    assert loan.written_off == pytest.approx(10_000 * (1.02 + margin) ** years)
    assert (loan.outstanding == 0).all()
    sooner = np.zeros((2, years - 1))
    loan = pool.repay(sooner, plan, 10_000, first_year=2026, **options)
    assert (loan.written_off == 0).all()
    assert loan.outstanding == pytest.approx(10_000 * (1.02 + margin) ** (years - 1))


def test_thresholds_grow_where_they_are_not_known():
    pay = np.array([0, 0, 0, 0, 38_330.15])  # 10,000 above 27,505 × 1.03, in 2030
    loan = pool.repay(
        pay, "plan 5", 9_000, first_year=2026, rpi=0, threshold_growth=0.03
    )
    assert float(loan.paid) == pytest.approx(900)
    assert loan.years_repaying == 1
    # From 27,505 in 2029 two years on: 27,505 × 1.03 × 1.1 is 31,163.165.
    late = {"first_year": 2031, "rpi": 0, "threshold_growth": [0.03, 0.1]}
    loan = pool.repay([41_163.165], "plan 5", 9_000, **late)
    assert float(loan.paid) == pytest.approx(900)


def test_repayments_are_discounted_from_the_end_of_their_year():
    loan = pool.repay(
        [35_000, 35_925], "plan 5", 9_000, first_year=2026, rpi=0, discount=0.05
    )
    assert float(loan.value) == pytest.approx(900 / 1.05 + 900 / 1.05**2)


def test_the_table_of_rules_is_what_is_applied():
    rules = pool.loan_rules()
    assert not rules.duplicated(["plan", "tax_year"]).any()
    for rule in rules.itertuples():
        loan = pool.repay(
            np.array([[rule.threshold], [rule.threshold + 1_000]]),
            rule.plan,
            50_000,
            first_year=rule.tax_year,
            rpi=0,
            bank_rate=0,
        )
        assert loan.paid == pytest.approx([0, 1_000 * rule.rate])


money = st.floats(0, 200_000)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["plan 1", "plan 2", "plan 5", "postgraduate"]),
    st.lists(money, min_size=1, max_size=45),
    money,
    st.floats(0, 0.1),
    st.floats(-0.02, 0.08),
)
def test_money_is_conserved_to_a_penny(plan, pay, balance, rpi, growth):
    loan = pool.repay(
        pay,
        plan,
        balance,
        first_year=2026,
        rpi=rpi,
        bank_rate=0.04,
        threshold_growth=growth,
        by_year=True,
    )
    out = loan.paid + loan.written_off + loan.outstanding
    assert abs(float(balance + loan.interest - out)) < 0.01
    opening = np.concatenate([[balance], loan.by_year["balance"][:-1]])
    step = opening + loan.by_year["interest"] - loan.by_year["paid"]
    assert np.abs(step - loan.by_year["balance"]).max() < 0.01
    assert (loan.by_year["balance"] >= 0).all()
    assert float(loan.by_year["paid"].sum()) == pytest.approx(float(loan.paid))


ONE = {"first_year": 2026, "rpi": 0.03}
REFUSED = {
    "an unknown plan": ((30_000, "plan 4"), {}, "no plan 'plan 4': the plans are"),
    "negative earnings": ((-1, "plan 5"), {}, "1 of 1 values of earnings are below 0"),
    "missing earnings": ((np.nan, "plan 5"), {}, "give 0 pounds for a year without"),
    "a year too early": (
        (30_000, "plan 5"),
        {"first_year": 2020},
        "'plan 5' has no threshold for 2020: the first known is that of 2024",
    ),
    "no Bank Rate": ((30_000, "plan 1"), {}, "give bank_rate"),
    "a negative balance": ((30_000, "plan 5"), {"balance": -5}, "of balance are below"),
    "too many balances": ((30_000, "plan 5"), {"balance": [1, 2]}, "one balance, or"),
    "rates too short": (
        (30_000, "plan 5"),
        {"rpi": []},
        "rpi has 0 values for 1 years",
    ),
    "a rate that is missing": ((30_000, "plan 5"), {"rpi": np.nan}, "rpi has missing"),
}


@pytest.mark.parametrize(("what", "change", "says"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_by_name(what, change, says):
    pay, plan = what
    options = ONE | {"balance": 40_000} | change
    with pytest.raises(ValueError, match=says) as caught:
        pool.repay([pay], plan, **options)
    assert "\n" not in str(caught.value)


def test_a_year_without_a_threshold_is_refused():
    with pytest.raises(ValueError, match="no threshold after 2029, and 5 years from"):
        pool.repay(np.zeros(5), "plan 2", 1, **ONE)
    with pytest.raises(ValueError, match="have no years"):
        pool.repay(3.0, "plan 2", 1, **ONE)


# A book ---------------------------------------------------------------------------


def steady(draw, rng):
    return np.full((4, 40), 35_000.0)


BOOK = {"first_year": 2026, "rpi": 0, "threshold_growth": 0}


def test_a_book_adds_up_its_loans():
    book = pool.value_book(steady, "plan 5", 40_000, draws=2, seed=1, **BOOK)
    assert book["outlay"].tolist() == [160_000] * 2
    assert book["paid"].to_numpy() == pytest.approx(4 * 27_419.49)
    assert book["cost"].to_numpy() == pytest.approx(12_580.51 / 40_000)
    assert (book["in_full"] == 0).all()


def test_a_draw_of_a_book_does_not_depend_on_the_others():
    def careers(draw, rng):
        return pool.simulate_careers(np.full(50, 10.3), years=40, growth=0.0, seed=rng)

    few, many = (
        pool.value_book(careers, "plan 5", 40_000, draws=n, seed=3, **BOOK)
        for n in (3, 8)
    )
    assert few.equals(many.head(3))
    assert many["paid"].nunique() == 8


def test_a_long_book_says_how_far_it_is(capsys, monkeypatch):
    monkeypatch.setattr("partialpool.progress.PATIENCE", 0.0)
    pool.value_book(steady, "plan 5", 40_000, draws=2, seed=1, **BOOK)
    assert "draws in" in capsys.readouterr().err
    pool.value_book(steady, "plan 5", 40_000, draws=2, seed=1, progress=False, **BOOK)
    assert capsys.readouterr().err == ""

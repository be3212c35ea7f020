"""Loans: repayment rules of English student loans, and what a book of loans costs."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd

from partialpool.progress import Progress


@dataclass(frozen=True)
class Plan:
    """The rules of one repayment plan; money in pounds, a tax year by its start."""

    rate: float  # of earnings above the threshold
    write_off: int  # years of repayment, after which the rest is written off
    threshold: dict  # of a year's earnings, by tax year
    forecast_from: int  # first year whose threshold is a forecast
    margin: float = 0.0  # of interest above RPI
    taper: tuple | None = None  # earnings where the margin begins and is whole, 2025-26
    bank_margin: float | None = None  # interest is at most Bank Rate and this


PLANS = {
    "plan 1": Plan(
        rate=0.09,
        write_off=25,
        threshold={
            2024: 24_990,
            2025: 26_065,
            2026: 26_900,
            2027: 27_950,
            2028: 28_817,
            2029: 29_653,
        },
        forecast_from=2027,
        bank_margin=0.01,
    ),
    "plan 2": Plan(
        rate=0.09,
        write_off=30,
        threshold=dict.fromkeys(range(2021, 2025), 27_295)
        | {2025: 28_470}
        | dict.fromkeys(range(2026, 2030), 29_385),
        forecast_from=2030,
        margin=0.03,
        taper=(28_470, 51_245),
    ),
    "plan 5": Plan(
        rate=0.09,
        write_off=40,
        threshold=dict.fromkeys(range(2024, 2027), 25_000)
        | {2027: 25_925, 2028: 26_729, 2029: 27_505},
        forecast_from=2027,
    ),
    "postgraduate": Plan(
        rate=0.06,
        write_off=30,
        threshold={
            2024: 21_000,
            2025: 21_000,
            2026: 21_605,
            2027: 22_275,
            2028: 23_015,
            2029: 23_870,
        },
        forecast_from=2026,
        margin=0.03,
    ),
}


def loan_rules():
    """Repayment rules by plan and tax year, as :func:`repay` applies them.

    Returns
    -------
    pandas.DataFrame
        One row per ``plan`` and ``tax_year`` (its first calendar year: 2025 is
        2025-26), with columns

        ``threshold`` : int
            Earnings in pounds a year above which a borrower repays.
        ``rate`` : float
            Share of the earnings above it that is repaid.
        ``margin`` : float
            What interest adds to RPI at most.
        ``write_off`` : int
            Years after which what is left is written off.
        ``status`` : str
            ``"published"``, ``"announced"``, or ``"forecast"`` of April 2025.

    Notes
    -----
    Plan 1: interest is RPI, or Bank Rate and 1% where that is less; write-off after
    25 years (starters from 2006). Plan 2: RPI up to the lower interest threshold
    (£28,470 in 2025-26), rising in a straight line to RPI and 3% at the upper
    (£51,245). Plan 5: RPI. Postgraduate (Plan 3): RPI and 3%. A cap at the prevailing
    market rate, which Plans 2 and 3 also have, is left out.

    Sources: Department for Education, *Student loan forecasts for England 2024-25*,
    table 6b, and its methodology, table 1.1; its announcement of 19 August 2025; House
    of Commons Library, *Student loans and interest rates: FAQs* (2025); answer to
    parliamentary question 110595 (16 February 2026); Budget 2025 for the freeze of Plan
    2 to April 2030. Contains public sector information licensed under the Open
    Government Licence v3.0.

    Examples
    --------
    >>> rules = loan_rules().set_index(["plan", "tax_year"])
    >>> int(rules.loc[("plan 2", 2025), "threshold"])
    28470
    """
    rows = [
        {
            "plan": name,
            "tax_year": year,
            "threshold": threshold,
            "rate": plan.rate,
            "margin": plan.margin,
            "write_off": plan.write_off,
            "status": _status(plan, year),
        }
        for name, plan in PLANS.items()
        for year, threshold in plan.threshold.items()
    ]
    return pd.DataFrame(rows)


def _status(plan, year):
    if year >= plan.forecast_from:
        return "forecast"
    return "published" if year <= 2025 else "announced"


@dataclass(frozen=True)
class Repayments:
    """What became of loans: arrays in pounds, one value a borrower.

    Attributes
    ----------
    paid, interest : numpy.ndarray
        All repayments and all interest.
    value : numpy.ndarray
        Repayments, each discounted to the start of the first year.
    written_off, outstanding : numpy.ndarray
        What is left after the last year: written off, if the plan ends there.
    years_repaying : numpy.ndarray of int
        Years with a repayment.
    in_full : numpy.ndarray of bool
        Whether the loan was paid back.
    by_year : dict of str to numpy.ndarray, or None
        ``paid``, ``interest`` and ``balance`` (at the end of the year), shape
        (…, years), if asked for.
    """

    paid: np.ndarray
    interest: np.ndarray
    value: np.ndarray
    written_off: np.ndarray
    outstanding: np.ndarray
    years_repaying: np.ndarray
    in_full: np.ndarray
    by_year: dict | None = None


def repay(
    earnings,
    plan,
    balance,
    *,
    first_year,
    rpi,
    bank_rate=None,
    threshold_growth=None,
    discount=0.0,
    by_year=False,
):
    """Repay loans out of earnings, year by year.

    Each year interest is charged on the opening balance, and at the end of the
    year the borrower repays the plan's share of earnings above the threshold, but
    never more than what is owed. So for every borrower, up to rounding,
    ``balance + interest = paid + written_off + outstanding``.

    Parameters
    ----------
    earnings : array_like, shape (…, years)
        Pounds a year, not adjusted for inflation; 0 for a year without work. The
        first year is that in which repayment can begin. Years after the write-off
        of the plan are not looked at.
    plan : str
        ``"plan 1"``, ``"plan 2"``, ``"plan 5"`` or ``"postgraduate"``.
    balance : float or array_like, shape (…)
        Pounds owed at the start of the first year.
    first_year : int
        Tax year of the first column: 2026 for 2026-27.
    rpi : float or array_like, shape (years,)
        Inflation by which interest goes, such as 0.03.
    bank_rate : float or array_like, shape (years,), optional
        Needed for Plan 1.
    threshold_growth : float or array_like, optional
        Growth of the threshold in each year after the last that is known.
    discount : float or array_like, shape (years,)
        Discount rate of `value`.
    by_year : bool
        Keep the three tables of ``by_year`` too.

    Returns
    -------
    Repayments

    Raises
    ------
    ValueError
        If there is no such plan, a year has no threshold, a rate is missing,
        earnings or balances are negative or missing, or lengths differ.

    See Also
    --------
    loan_rules : the rules, and where they come from.

    Examples
    --------
    >>> steady = np.full(40, 35_000.0)
    >>> loan = repay(
    ...     steady, "plan 5", 40_000, first_year=2026, rpi=0.0, threshold_growth=0.0
    ... )
    >>> float(loan.paid.round(2)), float(loan.written_off.round(2))
    (27419.49, 12580.51)
    """
    rules = _find(plan)
    earnings, balance = _check_money(earnings, balance)
    years = min(earnings.shape[-1], rules.write_off)
    threshold = _thresholds(plan, rules, first_year, years, threshold_growth)
    # Interest thresholds move with the one of repayment.
    scale = threshold / rules.threshold[2025]
    rpi, discount = _by_year("rpi", rpi, years), _by_year("discount", discount, years)
    lowest = _lowest_rate(plan, rules, rpi, bank_rate, years)
    factor = 1 / np.cumprod(1 + discount)

    owed = np.array(np.broadcast_to(balance, earnings.shape[:-1]), float)
    paid, interest, value = (np.zeros_like(owed) for _ in range(3))
    repaying = np.zeros(owed.shape, int)
    kept = {name: [] for name in ("paid", "interest", "balance")} if by_year else None
    for k in range(years):
        pay = earnings[..., k]
        charged = owed * (lowest[k] + _margin(rules, pay, scale[k]))
        due = rules.rate * np.maximum(pay - threshold[k], 0)
        back = np.minimum(due, owed + charged)
        owed = owed + charged - back
        paid += back
        interest += charged
        value += factor[k] * back
        repaying += back > 0
        if by_year:
            for name, array in zip(kept, (back, charged, owed), strict=True):
                kept[name].append(array)
    ended = years == rules.write_off
    tables = (
        {k: np.stack(arrays, -1) for k, arrays in kept.items()} if by_year else None
    )
    return Repayments(
        paid=paid,
        interest=interest,
        value=value,
        written_off=owed if ended else np.zeros_like(owed),
        outstanding=np.zeros_like(owed) if ended else owed,
        years_repaying=repaying,
        in_full=owed == 0,
        by_year=tables,
    )


def _margin(rules, pay, scale):
    """What interest adds to RPI: all of it, or the part that the taper gives."""
    if rules.taper is None:
        return rules.margin
    lower, upper = (end * scale for end in rules.taper)
    return rules.margin * np.clip((pay - lower) / (upper - lower), 0, 1)


def _lowest_rate(plan, rules, rpi, bank_rate, years):
    if rules.bank_margin is None:
        return rpi
    if bank_rate is None:
        raise ValueError(
            f"{plan!r} charges RPI, or Bank Rate and 1% where that is less: give "
            "bank_rate."
        )
    return np.minimum(rpi, _by_year("bank_rate", bank_rate, years) + rules.bank_margin)


# A book of loans -------------------------------------------------------------------


def value_book(
    careers, plan, balance, *, draws, first_year, rpi, seed, progress=True, **rules
):
    """Repay a whole book of loans once for each draw of what is not known.

    Parameters
    ----------
    careers : callable
        Takes the number of a draw and a random generator, and returns earnings in
        pounds, shape (borrowers, years), such as those of
        :func:`~partialpool.graduates.simulate_careers`. It is called from several
        threads.
    plan, balance, first_year, rpi
        As in :func:`repay`, whose other arguments may follow.
    draws : int
        How often.
    seed : int
        Each draw has a random generator of its own.
    progress : bool
        Say on the standard error stream how far it is, if it takes long.

    Returns
    -------
    pandas.DataFrame
        One row a ``draw``: ``outlay``, the sum of the balances; ``paid`` and
        ``value``, sums in pounds; ``cost``, the share of the outlay that is not
        expected back, ``1 − value / outlay``; ``in_full``, the share of borrowers
        who repay in full.

    Raises
    ------
    ValueError
        As :func:`repay`.

    Examples
    --------
    >>> import partialpool as pool
    >>> def careers(draw, rng):
    ...     return pool.simulate_careers(
    ...         np.full(500, 10.3), years=40, growth=0.03, seed=rng
    ...     )
    >>> book = value_book(
    ...     careers,
    ...     "plan 5",
    ...     45_000,
    ...     draws=3,
    ...     first_year=2026,
    ...     rpi=0.03,
    ...     threshold_growth=0.03,
    ...     discount=0.03,
    ...     seed=1,
    ... )
    >>> book["cost"].between(0.2, 0.6).all()
    np.True_
    """
    said, streams = (
        Progress("draws", wanted=progress),
        np.random.SeedSequence(seed).spawn(draws),
    )

    def once(draw):
        pay = careers(draw, np.random.default_rng(streams[draw]))
        loans = repay(pay, plan, balance, first_year=first_year, rpi=rpi, **rules)
        outlay = float(np.broadcast_to(balance, loans.paid.shape).sum())
        return {
            "outlay": outlay,
            "paid": loans.paid.sum(),
            "value": loans.value.sum(),
            "cost": 1 - loans.value.sum() / outlay,
            "in_full": loans.in_full.mean(),
        }

    rows = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for row in pool.map(once, range(draws)):
            rows.append(row)
            said.advance(1)
    return pd.DataFrame(rows).rename_axis("draw")


# Checks ------------------------------------------------------------------------


def _find(plan):
    if plan not in PLANS:
        names = ", ".join(map(repr, PLANS))
        raise ValueError(f"There is no plan {plan!r}: the plans are {names}.")
    return PLANS[plan]


def _check_money(earnings, balance):
    earnings, balance = np.asarray(earnings, float), np.asarray(balance, float)
    if earnings.ndim == 0 or earnings.shape[-1] == 0:
        raise ValueError("earnings have no years: give an array, its last axis years.")
    for name, money in {"earnings": earnings, "balance": balance}.items():
        if not np.isfinite(money).all():
            bad = np.count_nonzero(~np.isfinite(money))
            raise ValueError(
                f"{bad:,} of {money.size:,} values of {name} are missing or infinite: "
                "give 0 pounds for a year without work, and correct the others."
            )
        if (money < 0).any():
            bad = np.count_nonzero(money < 0)
            raise ValueError(
                f"{bad:,} of {money.size:,} values of {name} are below 0 pounds: "
                "correct them."
            )
    try:
        np.broadcast_to(balance, earnings.shape[:-1])
    except ValueError:
        raise ValueError(
            f"balance has shape {balance.shape} and there are borrowers of shape "
            f"{earnings.shape[:-1]}: give one balance, or one for each."
        ) from None
    return earnings, balance


def _by_year(name, rate, years):
    rate = np.asarray(rate, float)
    if rate.ndim and len(rate) < years:
        raise ValueError(f"{name} has {len(rate)} values for {years} years.")
    if not np.isfinite(rate).all():
        raise ValueError(f"{name} has missing values: give a rate for each year.")
    return np.broadcast_to(rate, years) if rate.ndim == 0 else rate[:years]


def _thresholds(plan, rules, first_year, years, growth):
    """Thresholds of each year: known, or grown from the last that is."""
    first, last = min(rules.threshold), max(rules.threshold)
    if first_year < first:
        raise ValueError(
            f"{plan!r} has no threshold for {first_year}: the first known is that of "
            f"{first}."
        )
    unknown = max(first_year + years - 1 - last, 0)
    if unknown and growth is None:
        raise ValueError(
            f"{plan!r} has no threshold after {last}, and {years} years from "
            f"{first_year} need one: give threshold_growth."
        )
    growth = _by_year("threshold_growth", growth if unknown else 0.0, unknown)
    grown = rules.threshold[last] * np.cumprod(1 + growth)
    return np.array(
        [
            rules.threshold[year] if year <= last else grown[year - last - 1]
            for year in range(first_year, first_year + years)
        ],
        float,
    )

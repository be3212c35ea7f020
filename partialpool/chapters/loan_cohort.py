"""A Plan 5 cohort, against what the Department for Education expects of one."""

import numpy as np
import pandas as pd

from partialpool.graduates import simulate_careers
from partialpool.loans import repay

DECILES = pd.RangeIndex(1, 11, name="decile of lifetime earnings")
# Pounds of 2024-25 that starters of 2024/25 are expected to repay. Department for
# Education, Student loan forecasts for England 2024-25 (June 2025), table 9; Open
# Government Licence v3.0.
PUBLISHED = pd.Series(
    [3_900, 8_900, 14_300, 21_600, 28_000, 34_400, 38_000, 40_000, 41_300, 42_200],
    DECILES,
    name="published",
)
BALANCE = 45_600  # when repayment falls due, in pounds of that year; the same table
FIRST_YEAR, INFLATION = 2028, 0.03
# Published medians one and ten years on, 2022-23 (LEO); growth after that assumed.
START, TENTH, LATER = 24_800, 36_100, 0.005
# Published too: the spread of log pay after ten years, and about the share of
# graduates with pay. How long gaps last is assumed.
SPREAD, LEAVE, BACK = 0.56, 0.04, 0.1


def repaid_by_decile(persistence, *, people=20_000, sd=SPREAD, seed):
    """Mean repayments by decile of lifetime earnings, in pounds of 2024-25.

    Parameters
    ----------
    persistence : float
        Of the shocks that last: at 1 ranks are frozen but for shocks of one year.
    people : int
        How many live.
    sd : float
        Of log pay in any year.
    seed : int

    Returns
    -------
    pandas.Series
        By decile, 1 to 10.
    """
    growth = np.full(39, INFLATION + LATER)
    growth[:9] = INFLATION + np.log(TENTH / START) / 9
    start = np.log(START) + INFLATION * (FIRST_YEAR - 2022)
    pay = simulate_careers(
        np.full(people, start),
        years=40,
        growth=growth,
        persistent_sd=np.sqrt(sd**2 - 0.2**2),
        persistence=persistence,
        transitory_sd=0.2,
        leave=LEAVE,
        back=BACK,
        seed=seed,
    )
    real = pay @ np.exp(-INFLATION * np.arange(40))
    loans = repay(
        pay,
        "plan 5",
        BALANCE,
        first_year=FIRST_YEAR,
        rpi=INFLATION,
        threshold_growth=INFLATION,
        discount=INFLATION,
    )
    value = loans.value / (1 + INFLATION) ** (FIRST_YEAR - 2024.5)
    decile = pd.qcut(real, 10, labels=DECILES).astype(int)
    return pd.Series(value).groupby(decile).mean().set_axis(DECILES)

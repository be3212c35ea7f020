"""Tests of the calibration: the published figures come out of the draws."""

import numpy as np
import pandas as pd
import pytest

import partialpool as pool

QUARTILES = {"lower_quartile": 0.25, "median": 0.5, "upper_quartile": 0.75}


def test_quartiles_of_every_subject_and_year_are_the_published_ones(table):
    compared = pool.compare_with_published(table)
    assert len(compared) == 34 * 4
    gaps = compared.filter(like="_gap")
    quartile_ratio = np.log(
        compared["upper_quartile_published"] / compared["lower_quartile_published"]
    )
    # A quartile's Monte Carlo error, per cent, where the density is normal.
    error = 100 * 1.36 * quartile_ratio / 1.349 / np.sqrt(compared["n"])
    beyond = gaps.abs().sub(4 * error, axis=0)
    largest = gaps.abs().stack().idxmax()
    assert (beyond < 4).all(axis=None), (
        f"largest gap {gaps.stack()[largest]:.1f} per cent, at {largest}; "
        f"beyond Monte Carlo error {beyond.max(axis=None):.1f} per cent"
    )
    assert gaps.abs().mean().max() < 1.3, gaps.abs().mean()
    # On average over subjects nothing is shifted.
    assert gaps.mean().abs().max() < 0.3, gaps.mean()


@pytest.mark.parametrize(
    ("by_sex", "most", "most_on_average"), [(False, 4, 0.4), (True, 7, 0.8)]
)
def test_true_quartiles_are_the_published_ones_to_a_few_per_cent(
    paid, truth, published, by_sex, most, most_on_average
):
    # The share of the true distributions below each published quartile: no
    # residual is drawn, so next to nothing of this is Monte Carlo error.
    keys = ["subject", "sex", "yag"] if by_sex else ["subject", "yag"]
    rows = paid.iloc[::3]
    wanted = published[(published["sex"] != "all") == by_sex].set_index(keys)
    at = pd.MultiIndex.from_frame(rows[keys])
    width = np.log(wanted["upper_quartile"] / wanted["lower_quartile"])
    for name, probability in QUARTILES.items():
        below = truth.share_below(rows, wanted[name].reindex(at).to_numpy())
        below = below.groupby([rows[key] for key in keys], observed=True).mean()
        gap = (100 * (below - probability) * width.reindex(below.index)).abs()
        largest = f"{name}: largest gap {gap.max():.1f} per cent, at {gap.idxmax()}"
        assert gap.max() < most, largest
        assert gap.mean() < most_on_average, f"{largest}; mean {gap.mean():.2f}"


def test_national_quartiles_come_out(paid):
    # Published for all subjects together; 1, 3, 5 and 10 years after graduation.
    quartiles = paid.groupby("yag")["earnings"].quantile([0.25, 0.5, 0.75]).unstack()
    national = [
        [19_300, 24_800, 31_400],
        [21_900, 28_100, 36_100],
        [23_700, 31_400, 42_300],
        [24_100, 36_100, 51_500],
    ]
    gap = quartiles / np.array(national) - 1
    # Subjects have one size here, and one for each year in the published table.
    assert gap.abs().max(axis=None) < 0.035, gap


def test_sex_gap_of_each_year(table):
    compared = pool.compare_with_published(table, by_sex=True)
    gap = np.log(compared[["median", "median_published"]]).unstack("sex")
    gap = gap.xs("female", axis=1, level=1) - gap.xs("male", axis=1, level=1)
    by_year = gap.groupby("yag").mean()
    expected = [-0.041, -0.040, -0.073, -0.195]
    np.testing.assert_allclose(by_year["median_published"], expected, atol=0.001)
    np.testing.assert_allclose(by_year["median"], expected, atol=0.012)
    for _, year in gap.groupby("yag"):
        assert year.corr().iloc[0, 1] > 0.8


def test_shares_employed_and_with_earnings(table, published, assert_share):
    shares = table.assign(paid=table["earnings"].notna()).groupby("yag")
    shares = shares[["employed", "paid"]].mean()
    np.testing.assert_allclose(
        shares["employed"], [0.896, 0.889, 0.886, 0.858], atol=0.004
    )
    np.testing.assert_allclose(shares["paid"], [0.595, 0.687, 0.720, 0.727], atol=0.006)
    wanted = published.query("sex != 'all'").set_index(["subject", "sex", "yag"])
    at = pd.MultiIndex.from_frame(table[["subject", "sex", "yag"]])
    wanted = (wanted["in_work_or_study"] / 100).reindex(at).to_numpy()
    by = [table["subject"], table["yag"]]
    assert_share(table["employed"], pd.Series(wanted, table.index), by=by)

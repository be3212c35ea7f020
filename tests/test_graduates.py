"""Tests of the synthetic graduates: against published figures and their own truth."""

import dataclasses
import os
import sys
import tracemalloc
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from scipy.special import ndtr, ndtri

from partialpool import graduates

N = 300_000
KEYS = ["subject", "yag"]
QUARTILES = {"lower_quartile": 0.25, "median": 0.5, "upper_quartile": 0.75}
BETWEEN_SD = {
    "Agriculture, food and related studies": 0.15,
    "Biosciences": 0.15,
    "Economics": 0.20,
    "Medicine and dentistry": 0.07,
    "Nursing and midwifery": 0.055,
}


@pytest.fixture(scope="module")
def cohort():
    return graduates.simulate_graduates(N, seed=1)


@pytest.fixture(scope="module")
def table(cohort):
    return cohort[0]


@pytest.fixture(scope="module")
def truth(cohort):
    return cohort[1]


@pytest.fixture(scope="module")
def paid(table):
    rows = table[table["earnings"].notna()].copy()
    rows["log_earnings"] = np.log(rows["earnings"].astype(float))
    return rows


@pytest.fixture(scope="module")
def small_truth():
    return graduates.simulate_graduates(10, n_providers=20, n_cohorts=2, seed=5)[1]


@pytest.fixture(scope="module")
def published():
    return graduates.load_published_earnings()


def assert_share(hits, share, by=None):
    """Shares are as expected, up to four and a half Monte Carlo errors."""
    rows = pd.DataFrame({"hit": hits.astype(float), "share": share})
    rows["variance"] = rows["share"] * (1 - rows["share"])
    by = np.zeros(len(rows)) if by is None else by
    total = rows.groupby(by, observed=True).sum()
    total = total[total["variance"] > 10]
    assert len(total)
    z = (total["hit"] - total["share"]) / np.sqrt(total["variance"])
    assert z.abs().max() < 4.5, z.abs().idxmax()


# The published figures --------------------------------------------------------


def test_published_figures_are_complete_and_in_order(published):
    assert list(published.columns) == [
        *("subject", "yag", "sex", "graduates", "in_earnings", "lower_quartile"),
        *("median", "upper_quartile", "in_work_or_study"),
    ]
    assert len(published) == 34 * 4 * 3
    assert not published.duplicated(["subject", "yag", "sex"]).any()
    assert not published.isna().any(axis=None)
    assert "Celtic studies" not in set(published["subject"])
    assert (published["lower_quartile"] < published["median"]).all()
    assert (published["median"] < published["upper_quartile"]).all()
    assert (published["in_earnings"] < published["graduates"]).all()


def test_published_figures_of_economics(published):
    row = published.query("subject == 'Economics' and yag == 5").set_index("sex")
    figures = ["graduates", "in_earnings", *QUARTILES, "in_work_or_study"]
    assert row.loc["all", figures].tolist()[:5] == [5480, 4220, 36100, 50400, 67500]
    assert row.loc[["female", "male"], "median"].tolist() == [50000, 50700]


def test_the_file_names_its_source_and_licence():
    text = Path(graduates.__file__).with_name("published_earnings.csv").read_text()
    assert "Department for Education" in text
    assert (
        "Contains public sector information licensed under the Open Government "
        "Licence v3.0" in text
    )


def test_published_figures_equal_the_official_file(published):
    folder = os.environ.get("LEO_DIR")
    if not folder:
        pytest.skip("LEO_DIR does not name a folder with the official files")
    official = pd.read_csv(
        Path(folder) / "leo_national_subject_sex_yag_2022_23.csv", na_values=["c"]
    )
    official["yag"] = official["YAG"].str.split().str[0].astype(int)
    official["sex"] = official["sex"].str.lower().replace("total", "all")
    official = official.set_index(["subject_name", "yag", "sex"])
    ours = published.set_index(["subject", "yag", "sex"])
    names = {
        "graduates": "grads",
        "in_earnings": "earnings_include",
        "lower_quartile": "earnings_LQ",
        "median": "earnings_median",
        "upper_quartile": "earnings_UQ",
        "in_work_or_study": "sust_emp_fs_or_both",
    }
    for our_name, name in names.items():
        assert (ours[our_name] == official[name].reindex(ours.index)).all(), name


# The table --------------------------------------------------------------------


def test_table_has_a_row_for_each_graduate_and_year(table):
    assert list(table.columns) == [
        *("graduate", "subject", "provider", "sex", "prior_attainment", "region"),
        *("cohort", "yag", "employed", "earnings"),
    ]
    assert len(table) == 4 * N
    assert (table["graduate"] == np.repeat(np.arange(N), 4)).all()
    assert (table["yag"] == np.tile([1, 3, 5, 10], N)).all()
    assert list(table.index[:3]) == [0, 1, 2]


def test_columns_are_small_and_labelled(table):
    assert table.memory_usage(index=False).sum() / len(table) < 18
    assert table["subject"].cat.categories.size == 34
    assert table["provider"].cat.categories[16] == "Provider 017"
    assert list(table["sex"].cat.categories) == ["female", "male"]
    assert table["prior_attainment"].cat.ordered
    assert table["prior_attainment"].cat.categories.size == 5
    assert table["region"].cat.categories.size == 11
    assert sorted(table["cohort"].unique()) == [1, 2, 3, 4, 5]
    assert table["employed"].dtype == bool
    assert table["earnings"].dtype == "float32"
    assert not table.drop(columns="earnings").isna().any(axis=None)


def test_a_graduate_keeps_who_they_are(table):
    who = ["subject", "provider", "sex", "prior_attainment", "region", "cohort"]
    rows = table[who].iloc[: 4 * 2000].assign(graduate=np.repeat(np.arange(2000), 4))
    assert (rows.groupby("graduate").nunique() == 1).all(axis=None)


def test_only_the_employed_have_earnings(table):
    assert table.loc[table["earnings"].notna(), "employed"].all()
    assert table.loc[table["employed"], "earnings"].isna().any()
    assert (table["earnings"].dropna() >= 1).all()
    assert (table["earnings"].dropna() % 1 == 0).all()


def test_a_choice_of_years(truth):
    one, _ = graduates.simulate_graduates(500, years=5, truth=truth, seed=1)
    two, _ = graduates.simulate_graduates(500, years=[10, 3], truth=truth, seed=1)
    assert one["yag"].unique().tolist() == [5]
    assert two["yag"].tolist() == [3, 10] * 500


# Against the published figures --------------------------------------------------


def test_quartiles_of_every_subject_and_year_are_the_published_ones(table):
    compared = graduates.compare_with_published(table)
    assert len(compared) == 34 * 4
    gaps = compared.filter(like="_gap")
    spread = np.log(
        compared["upper_quartile_published"] / compared["lower_quartile_published"]
    )
    # A quartile's Monte Carlo error, per cent, where the density is normal.
    error = 100 * 1.36 * spread / 1.349 / np.sqrt(compared["n"])
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
    keys = ["subject", "sex", "yag"] if by_sex else KEYS
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
    compared = graduates.compare_with_published(table, by_sex=True)
    gap = np.log(compared[["median", "median_published"]]).unstack("sex")
    gap = gap.xs("female", axis=1, level=1) - gap.xs("male", axis=1, level=1)
    by_year = gap.groupby("yag").mean()
    expected = [-0.041, -0.040, -0.073, -0.195]
    np.testing.assert_allclose(by_year["median_published"], expected, atol=0.001)
    np.testing.assert_allclose(by_year["median"], expected, atol=0.012)
    for _, year in gap.groupby("yag"):
        assert year.corr().iloc[0, 1] > 0.8


def test_shares_employed_and_with_earnings(table, published):
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


def test_sizes_of_subjects_and_their_women(table, published):
    size = published.pivot_table("graduates", "subject", "sex")
    expected = size["all"] / size["all"].sum()
    once = table.iloc[::4]
    share = once["subject"].value_counts(normalize=True)
    np.testing.assert_allclose(share[expected.index], expected, rtol=0.15)
    women = (once["sex"] == "female").groupby(once["subject"], observed=True).mean()
    expected = size["female"] / (size["female"] + size["male"])
    np.testing.assert_allclose(women[expected.index], expected, atol=0.06)


def test_cells_of_provider_and_subject_are_as_uneven_as_published_ones(truth):
    # In earnings at five years, scaled to the 299,490 graduates published.
    n = truth.provider_subject["share"] * 299_490 * 0.72
    assert (n.groupby("provider").sum().sort_values(ascending=False)).iloc[0] > 4000
    assert 0.3 < (n <= 30).mean() < 0.6
    assert 0.05 < (n < 10).mean() < 0.25
    # Published log sizes of the five subjects: standard deviation 1.0 to 1.2.
    five = np.log(n[n >= 5]).groupby("subject").std()[list(BETWEEN_SD)]
    assert five.between(0.7, 1.3).all(), five
    offered = n.groupby("subject").size()
    counts = {"Economics": 80, "Biosciences": 115, "Medicine and dentistry": 39}
    for subject, providers in counts.items():
        assert abs(offered[subject] - providers) <= 2
    assert (truth.subjects["providers"] == offered).all()


def test_region_effects_are_the_published_ones(paid, truth):
    assert truth.regions["London"] == 0.17
    assert truth.regions["North East"] == -0.11
    median = paid.query("yag == 5").groupby("region", observed=True)["log_earnings"]
    median = median.median()
    gap = median["London"] - median["North East"]
    assert 0.20 < gap < 0.30


# Between providers ------------------------------------------------------------


def between_sd_of(rows):
    """DerSimonian and Laird's estimate, from the medians of the providers."""
    cells = rows.groupby("provider", observed=True)["log_earnings"]
    cells = cells.agg(["median", "size"]).query("size >= 10")
    lower, upper = rows["log_earnings"].quantile([0.25, 0.75])
    weight = cells["size"] / (1.2533 * (upper - lower) / 1.349) ** 2
    mean = np.average(cells["median"], weights=weight)
    q = (weight * (cells["median"] - mean) ** 2).sum()
    scale = weight.sum() - (weight**2).sum() / weight.sum()
    return np.sqrt(max(0, (q - len(cells) + 1) / scale))


def test_between_provider_sd_is_the_published_one_in_the_truth(truth):
    cells = truth.provider_subject
    total = (cells["effect"] + cells["composition"]).groupby("subject").std()
    np.testing.assert_allclose(total, truth.subjects["between_sd"], rtol=1e-6)
    for subject, sd in BETWEEN_SD.items():
        assert truth.subjects.loc[subject, "between_sd"] == sd
    assert truth.subjects["published"].sum() == len(BETWEEN_SD)
    assert truth.subjects["between_sd"].between(0.055, 0.2).all()
    composition = cells["composition"].groupby("subject").std()
    assert (composition <= 0.6001 * total).all()
    assert (cells["effect"].groupby("subject").mean().abs() < 1e-9).all()


def test_between_provider_sd_can_be_recovered_from_the_table(paid):
    at_five = paid[paid["yag"] == 5]
    found = {
        subject: between_sd_of(at_five[at_five["subject"] == subject])
        for subject in BETWEEN_SD
    }
    found = pd.Series(found)
    ratio = found / pd.Series(BETWEEN_SD)
    assert ratio.between(0.75, 1.3).all(), found
    assert found["Economics"] > 2.5 * found["Nursing and midwifery"]


def test_effects_widen_with_the_years(paid, truth):
    assert truth.widening.tolist() == [0.85, 0.90, 1.0, 1.2]
    economics = paid[paid["subject"] == "Economics"]
    early, late = (between_sd_of(economics[economics["yag"] == y]) for y in (1, 10))
    assert 1.1 < late / early < 1.8


def test_providers_are_alike_in_most_subjects_but_not_in_nursing():
    _, truth = graduates.simulate_graduates(10, n_providers=300, seed=3)
    wide = truth.provider_subject["effect"].unstack("subject")
    agree = wide.corr(min_periods=60)
    assert 0.35 < agree.loc["Economics", "Biosciences"] < 0.65
    assert abs(agree.loc["Economics", "Nursing and midwifery"]) < 0.25


# The truth of a row -------------------------------------------------------------


@pytest.mark.parametrize("probability", [0.02, 0.25, 0.5, 0.9, 0.99])
def test_quantiles_are_true_for_every_subject_and_year(paid, truth, probability):
    rows = paid.iloc[::4]
    below = rows["earnings"] <= truth.quantile(rows, probability)
    assert_share(below, probability)
    assert_share(below, probability, by=[rows["subject"], rows["yag"]])


@pytest.mark.parametrize(
    "column", ["provider", "sex", "prior_attainment", "region", "cohort"]
)
def test_log_means_are_true_along_every_column(paid, truth, column):
    rows = paid.iloc[::3]
    error = rows["log_earnings"] - truth.log_mean(rows)
    groups = error.groupby(rows[column], observed=True)
    z = groups.mean() / (groups.std() / np.sqrt(groups.size()))
    assert z[groups.size() > 100].abs().max() < 4.5


def test_median_is_the_half_quantile_and_share_below_its_inverse(paid, truth):
    rows = paid.iloc[:50_000:50]
    assert truth.median(rows).index.equals(rows.index)
    np.testing.assert_allclose(truth.median(rows), truth.quantile(rows, 0.5))
    np.testing.assert_allclose(np.log(truth.median(rows)), truth.log_median(rows))
    for probability in (0.01, 0.4, 0.5, 0.95):
        amounts = truth.quantile(rows, probability)
        below = truth.share_below(rows, amounts)
        np.testing.assert_allclose(below, probability, rtol=1e-9)


def test_median_is_the_sum_that_the_docstring_states(truth):
    row = pd.DataFrame(
        {
            "subject": "Economics",
            "provider": [truth.provider_subject.xs("Economics", level=1).index[0]],
            "sex": "male",
            "prior_attainment": "360 points or more",
            "region": "London",
            "cohort": 2,
            "yag": 10,
        }
    )
    provider = row.loc[0, "provider"]
    reach = truth.subjects.loc["Economics", "reach"]
    effect = truth.provider_subject.loc[(provider, "Economics"), "effect"]
    expected = (
        truth.earnings.loc[("Economics", "male", 10), "location"]
        + truth.cohorts[2]
        + 1.2 * (effect + reach * (0.17 + 0.10))
    )
    assert truth.log_median(row).tolist() == [pytest.approx(expected)]


def test_log_mean_agrees_with_the_quantiles(paid, truth):
    rows = paid.iloc[[10, 200_000]]
    z = np.linspace(-5, 5, 101)
    logs = np.array([np.log(truth.quantile(rows, q)) for q in ndtr(z)])
    by_hand = np.average(logs, axis=0, weights=np.exp(-(z**2) / 2))
    np.testing.assert_allclose(truth.log_mean(rows), by_hand, atol=0.001)


def test_employed_share_is_true_for_every_provider(table, truth):
    rows = table.iloc[::7]
    share = truth.employed_share(rows)
    assert_share(rows["employed"], share, by=rows["provider"])
    assert share.groupby(rows["provider"], observed=True).mean().std() > 0.015


def test_residuals_persist_as_the_truth_says(paid, truth):
    some = paid.iloc[:: len(paid) // 200_000]
    some = paid[paid["graduate"].isin(some["graduate"].unique()[:60_000])]
    some = some.assign(z=ndtri(truth.share_below(some, some["earnings"])))
    found = some.pivot(index="graduate", columns="yag", values="z").corr()
    np.testing.assert_allclose(found, truth.persistence, atol=0.02)
    gap = np.abs(np.subtract.outer([1, 3, 5, 10], [1, 3, 5, 10]))
    apart = gap > 0
    # Between ranks frozen for life and a correlation of 0.9 a year.
    assert (truth.persistence.to_numpy() > 0.9**gap)[apart].all()
    assert (truth.persistence.to_numpy() < 1)[apart].all()
    assert truth.persistence.loc[1].is_monotonic_decreasing


def test_employment_persists(table):
    wide = table.pivot(index="graduate", columns="yag", values="employed").corr()
    assert 0.2 < wide.loc[1, 10] < wide.loc[1, 3] < 0.8


def test_tails_are_heavier_than_normal(paid, truth):
    z = (paid["log_earnings"] - truth.log_median(paid)).to_numpy()
    assert (z**4).mean() / (z**2).mean() ** 2 > 4


# Seeds and truths ---------------------------------------------------------------


def test_a_seed_gives_the_same_table_and_another_seed_another():
    first, again, other = (
        graduates.simulate_graduates(2_000, n_providers=20, seed=s) for s in (1, 1, 2)
    )
    assert_frame_equal(first[0], again[0], check_exact=True)
    for field in dataclasses.fields(first[1]):
        one, two = (getattr(each[1], field.name) for each in (first, again))
        assert one.equals(two) if hasattr(one, "equals") else one == two
    assert not first[0]["earnings"].equals(other[0]["earnings"])
    effects = [each[1].provider_subject["effect"] for each in (first, other)]
    assert not effects[0].equals(effects[1])


def test_the_truth_depends_on_neither_n_nor_years(truth):
    _, other = graduates.simulate_graduates(10, years=3, seed=1)
    assert_frame_equal(other.earnings, truth.earnings)
    assert_frame_equal(other.provider_subject, truth.provider_subject)


def test_a_generator_moves_on_and_the_global_one_is_left_alone(truth):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    rng = np.random.default_rng(1)
    first, second = (
        graduates.simulate_graduates(500, truth=truth, seed=rng)[0] for _ in range(2)
    )
    assert not first["earnings"].equals(second["earnings"])
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_new_graduates_of_the_same_truth(paid, truth):
    later, same = graduates.simulate_graduates(50_000, years=5, truth=truth, seed=9)
    assert same is truth
    assert len(later) == 50_000
    later = later[later["earnings"].notna()]
    assert_share(later["earnings"] < truth.median(later), 0.5)

    def cell_errors(rows):
        error = np.log(rows["earnings"].astype(float)) - truth.log_mean(rows)
        return error.groupby([rows["provider"], rows["subject"]], observed=True).mean()

    first, second = cell_errors(paid[paid["yag"] == 5]), cell_errors(later)
    both = pd.concat([first, second], axis=1, join="inner")
    # Given the truth, two cohorts have nothing in common.
    assert abs(both.corr().iloc[0, 1]) < 4 / np.sqrt(len(both))


def test_graduates_are_drawn_from_a_truth_that_was_changed(truth):
    raised = dataclasses.replace(truth, cohorts=truth.cohorts + 0.5)
    before, after = (
        graduates.simulate_graduates(2_000, years=1, truth=each, seed=4)[0]["earnings"]
        for each in (truth, raised)
    )
    ratio = (after / before).dropna()
    assert abs(ratio.median() / np.exp(0.5) - 1) < 0.001


def test_few_providers_and_one_cohort_will_do():
    table, truth = graduates.simulate_graduates(
        3_000, n_providers=20, n_cohorts=1, seed=2
    )
    assert len(truth.providers) == 20
    assert table["cohort"].unique().tolist() == [1]
    assert (truth.subjects["providers"] >= 3).all()
    assert np.isfinite(truth.earnings).all(axis=None)


# Errors -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n": 0}, "n is 0: give 1 or more"),
        ({"n": 10.5}, "n is 10.5: give a whole number"),
        ({"years": 2}, r"years is \[2\]: give one or more of 1, 3, 5 and 10"),
        ({"years": []}, r"years is \[\]: give one or more"),
        ({"years": [5, 5]}, "each once"),
        ({"n_providers": 5}, "n_providers is 5: give 20 or more"),
        ({"n_providers": 5000}, "n_providers is 5000: give 1000 or fewer"),
        ({"n_cohorts": 0}, "n_cohorts is 0: give 1 or more"),
        ({"n_cohorts": True}, "n_cohorts is True: give a whole number"),
        ({"truth": pd.DataFrame()}, "truth is a DataFrame: give the second thing"),
    ],
)
def test_what_makes_no_sense_is_refused_in_plain_words(options, words):
    with pytest.raises(ValueError, match=words):
        graduates.simulate_graduates(**options, seed=1)


def test_rows_that_the_truth_does_not_know_are_refused(table, truth):
    rows = table.head(3)
    with pytest.raises(ValueError, match="rows lacks the column 'region'"):
        truth.median(rows.drop(columns="region"))
    with pytest.raises(ValueError, match="Column 'provider' holds 'Elsewhere'"):
        truth.median(rows.assign(provider="Elsewhere"))
    with pytest.raises(ValueError, match="Column 'yag' holds 4, which this truth"):
        truth.median(rows.assign(yag=4))
    with pytest.raises(ValueError, match="Column 'sex' holds nan"):
        truth.median(rows.assign(sex=rows["sex"].where(rows.index > 0)))
    cells = truth.provider_subject["share"].unstack("subject")
    missing = cells.index[cells["Medicine and dentistry"].isna()][0]
    elsewhere = rows.assign(subject="Medicine and dentistry", provider=missing)
    with pytest.raises(ValueError, match=f"{missing} has no graduates in 'Medicine"):
        truth.median(elsewhere)


def test_probabilities_and_amounts_out_of_range_are_refused(table, truth):
    with pytest.raises(ValueError, match="probability is 1: give a number above 0"):
        truth.quantile(table.head(2), 1)
    with pytest.raises(ValueError, match="earnings must be above 0"):
        truth.share_below(table.head(2), [0, 10])


def test_compare_refuses_tables_it_cannot_use(table):
    with pytest.raises(ValueError, match="lacks the column 'yag'"):
        graduates.compare_with_published(table.head().drop(columns="yag"))
    nobody = table.head().assign(earnings=np.nan)
    with pytest.raises(ValueError, match="No row of the table has earnings"):
        graduates.compare_with_published(nobody)


# Many graduates -----------------------------------------------------------------


def read(folder, query="select * from rows order by graduate, yag"):
    with duckdb.connect() as connection:
        connection.execute(
            f"create view rows as from read_parquet('{folder}/*.parquet')"
        )
        return connection.execute(query).df()


def write(folder, n=3_000, **options):
    options = {"seed": 1, "batch_rows": 1_000, "progress": False, **options}
    return graduates.write_graduates(folder, n, **options)


def test_one_batch_holds_the_rows_of_simulate_graduates(tmp_path, truth):
    written = write(tmp_path, 2_000, years=[5, 10], batch_rows=5_000)
    table, simulated = graduates.simulate_graduates(2_000, years=[5, 10], seed=1)
    assert_frame_equal(written.earnings, simulated.earnings)
    back = read(tmp_path)
    assert back["earnings"].isna().sum() == table["earnings"].isna().sum()
    for column in table:
        ours = table[column]
        if isinstance(ours.dtype, pd.CategoricalDtype):
            ours = ours.astype(str)
        assert back[column].equals(ours.astype(back[column].dtype)), column


def test_batches_have_all_rows_one_schema_and_one_truth(tmp_path):
    truth = write(tmp_path / "new" / "folder", 2_500)
    parts = sorted((tmp_path / "new" / "folder").iterdir())
    assert [part.name for part in parts] == [f"part-000{i}.parquet" for i in (1, 2, 3)]
    schemas = {str(duckdb.sql(f"describe from '{part}'").fetchall()) for part in parts}
    assert len(schemas) == 1
    assert "VARCHAR" in schemas.pop()
    back = read(tmp_path / "new" / "folder")
    assert back["graduate"].tolist() == list(range(2_500))
    assert back["yag"].unique().tolist() == [5]
    # Every row, of every batch, has a median in the one truth.
    assert truth.median(back).notna().all()
    first, second = (back["earnings"][i : i + 1000].reset_index() for i in (0, 1000))
    assert not first["earnings"].equals(second["earnings"])


def test_the_files_follow_from_seed_n_and_batch_rows(tmp_path):
    for folder, seed in [("a", 3), ("b", 3), ("c", 4)]:
        write(tmp_path / folder, 1_500, n_providers=20, seed=seed)
    first, again, other = (read(tmp_path / folder) for folder in "abc")
    assert_frame_equal(first, again)
    assert not first["earnings"].equals(other["earnings"])


def test_marginals_of_the_files_are_those_of_the_table(tmp_path, table, truth):
    write(tmp_path, 60_000, batch_rows=20_000, truth=truth, seed=8)
    back = read(
        tmp_path,
        "select subject, count(*) as n, avg(employed::int) as employed, "
        "median(earnings) as median from rows group by subject",
    ).set_index("subject")
    back = back.sort_index()
    ours = table[table["yag"] == 5].groupby("subject", observed=True)
    share = ours.size() / N
    error = np.sqrt(share / 60_000)
    assert ((back["n"] / 60_000 - share).abs() < 4.5 * error).all()
    assert ((back["employed"] - ours["employed"].mean()).abs() < 0.1).all()
    ratio = np.log(back["median"] / ours["earnings"].median())
    assert (ratio.abs() < 4.5 * 1.25 * 0.45 / np.sqrt(0.7 * back["n"])).all()


def test_memory_holds_two_batches_however_many_there_are(tmp_path, small_truth):
    peaks = []
    for n in (120_000, 360_000):
        tracemalloc.start()
        write(tmp_path / str(n), n, truth=small_truth, batch_rows=60_000)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.25 * peaks[0]


def test_a_folder_with_parquet_files_is_refused(tmp_path, small_truth):
    write(tmp_path, 100, truth=small_truth)
    before = read(tmp_path)
    with pytest.raises(FileExistsError, match="already holds Parquet files: empty it"):
        write(tmp_path, 100, seed=2)
    assert_frame_equal(read(tmp_path), before)
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError, match="is a file: name a folder"):
        write(tmp_path / "file", 100)


def test_an_interrupted_run_leaves_nothing(tmp_path, monkeypatch, small_truth):
    genuine, calls = graduates._write_parquet, []

    def stop_at_the_third(duckdb, table, path):
        genuine(duckdb, table, path)
        calls.append(path)
        if len(calls) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(graduates, "_write_parquet", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, 5_000, truth=small_truth)
    assert len(calls) == 3
    assert not list(tmp_path.iterdir())


def test_no_file_has_its_name_before_all_are_written(
    tmp_path, monkeypatch, small_truth
):
    genuine = graduates._write_parquet

    def look(duckdb, table, path):
        assert not list(tmp_path.glob("*.parquet"))
        genuine(duckdb, table, path)

    monkeypatch.setattr(graduates, "_write_parquet", look)
    (tmp_path / "part-0009.parquet.partial").write_text("left by a run that died")
    write(tmp_path, 3_000, truth=small_truth)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_disk_too_small_is_refused_before_anything_is_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "shutil.disk_usage", lambda _: type("usage", (), {"free": 1_000_000})
    )
    with pytest.raises(OSError, match=r"1,000,000 rows need about .* write fewer rows"):
        write(tmp_path / "small", 1_000_000)


def test_without_duckdb_one_is_told_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(ImportError, match="needs DuckDB: install it with"):
        write(tmp_path, 100)


def test_odd_numbers_are_refused_by_the_writer_too(tmp_path):
    with pytest.raises(ValueError, match="n is 0: give 1 or more"):
        write(tmp_path, 0)
    with pytest.raises(ValueError, match="batch_rows is 0: give 1 or more"):
        write(tmp_path, 10, batch_rows=0)


def test_progress_is_said_on_standard_error_only_if_wanted(
    tmp_path, capsys, small_truth
):
    write(tmp_path / "loud", 30_000, truth=small_truth, batch_rows=2_000, progress=True)
    said = capsys.readouterr()
    lines = said.err.splitlines()
    assert said.out == ""
    assert 5 <= len(lines) <= 11
    assert lines[-1].startswith("30,000 of 30,000 rows, ")
    write(tmp_path / "quiet", 1_000, truth=small_truth)
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_one_line_updated_in_place(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    say = graduates._Progress(20, True)
    say.advance(10)
    say.advance(10)
    said = capsys.readouterr().err
    assert said.count("\r") == 2
    assert said.count("\n") == 1

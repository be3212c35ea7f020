"""Tests of the data sets: simulated groups against their truth, real tables.

The facts that the page book/data.md states about the fixed tables are asserted here.
"""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import partialpool as pool

MANY = 2000


@pytest.fixture(scope="module")
def many_groups():
    return pool.simulate_groups(
        MANY, sizes=(3, 200), mean=10, between_sd=0.2, within_sd=0.5, seed=1
    )


@pytest.fixture(scope="module")
def scorecard():
    return pool.load_scorecard()


@pytest.fixture(scope="module")
def reports(scorecard):
    return pool.distinct_reports(scorecard)


@pytest.fixture(scope="module")
def wages():
    return pool.load_wage_panel()


# Simulated groups -------------------------------------------------------------


def test_table_and_truth_have_the_shapes_they_promise(many_groups):
    table, truth = many_groups
    assert list(table.columns) == ["group", "y"]
    assert list(truth.columns) == ["n", "mean"]
    assert truth.index.name == "group"
    assert truth.index.is_unique
    assert len(truth) == MANY
    rows = table.groupby("group").size()
    pd.testing.assert_series_equal(rows, truth["n"], check_names=False)
    assert np.isfinite(table["y"]).all()


def test_group_means_lie_around_their_truth_as_the_standard_error_says(many_groups):
    table, truth = many_groups
    error = table.groupby("group")["y"].mean() - truth["mean"]
    z = error / (0.5 / np.sqrt(truth["n"]))
    # Monte Carlo error of mean, sd and share over MANY groups; four of each allowed.
    assert abs(z.mean()) < 4 / np.sqrt(MANY)
    assert abs(z.std() - 1) < 4 / np.sqrt(2 * MANY)
    share = (z.abs() < 1.645).mean()
    assert abs(share - 0.9) < 4 * np.sqrt(0.9 * 0.1 / MANY)


def test_true_means_have_the_mean_and_spread_asked_for(many_groups):
    _, truth = many_groups
    assert abs(truth["mean"].mean() - 10) < 4 * 0.2 / np.sqrt(MANY)
    assert abs(truth["mean"].std() / 0.2 - 1) < 4 / np.sqrt(2 * MANY)


def test_both_sds_can_be_recovered_from_the_table_alone(many_groups):
    table, truth = many_groups
    groups = table.groupby("group")["y"]
    # Analysis of variance with unequal sizes.
    within = np.sqrt((groups.var() * (truth["n"] - 1)).sum() / (len(table) - MANY))
    means, n = groups.mean(), truth["n"]
    between_squares = (n * (means - table["y"].mean()) ** 2).sum()
    average_n = (n.sum() - (n**2).sum() / n.sum()) / (MANY - 1)
    between = np.sqrt((between_squares / (MANY - 1) - within**2) / average_n)
    assert abs(within / 0.5 - 1) < 4 / np.sqrt(2 * len(table))
    # Unequal sizes make it about as uncertain as half as many groups.
    assert abs(between / 0.2 - 1) < 4 / np.sqrt(MANY)


def test_size_and_mean_are_unrelated_by_default(many_groups):
    _, truth = many_groups
    correlation = np.corrcoef(np.log(truth["n"]), truth["mean"])[0, 1]
    assert abs(correlation) < 4 / np.sqrt(MANY)


@pytest.mark.parametrize("size_effect", [0.1, -0.1])
def test_size_effect_is_the_slope_on_log_size_and_keeps_the_mean(size_effect):
    _, truth = pool.simulate_groups(
        MANY, size_effect=size_effect, between_sd=0.1, mean=3, seed=4
    )
    log_n = np.log(truth["n"])
    slope = np.polyfit(log_n, truth["mean"], 1)[0]
    assert abs(slope - size_effect) < 4 * 0.1 / log_n.std() / np.sqrt(MANY)
    assert abs(truth["mean"].mean() - 3) < 4 * 0.1 / np.sqrt(MANY)


def test_without_spread_outcomes_are_the_mean():
    table, truth = pool.simulate_groups(5, between_sd=0, within_sd=0, mean=7, seed=1)
    assert (truth["mean"] == 7).all()
    assert (table["y"] == 7).all()


def test_new_outcomes_for_the_same_truth(many_groups):
    table, truth = many_groups
    kept = truth.copy()
    later, later_truth = pool.simulate_groups(truth=truth, within_sd=0.5, seed=2)
    assert_frame_equal(later_truth, kept)
    assert (later["group"] == table["group"]).all()
    assert (later["y"] != table["y"]).all()
    # Given the truth, two years have nothing in common.
    first, second = (
        each.groupby("group")["y"].mean() - truth["mean"] for each in (table, later)
    )
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(MANY)
    assert abs((second / (0.5 / np.sqrt(truth["n"]))).std() - 1) < 4 / np.sqrt(2 * MANY)


def test_a_seed_gives_the_same_table_and_another_seed_another():
    first, again, other = (pool.simulate_groups(seed=seed) for seed in (1, 1, 2))
    assert_frame_equal(first[0], again[0], check_exact=True)
    assert_frame_equal(first[1], again[1], check_exact=True)
    assert not first[1]["mean"].equals(other[1]["mean"])


def test_a_generator_moves_on():
    rng = np.random.default_rng(1)
    first, second = (pool.simulate_groups(5, sizes=4, seed=rng)[0] for _ in range(2))
    assert not first["y"].equals(second["y"])
    start, _ = pool.simulate_groups(5, sizes=4, seed=1)
    assert_frame_equal(first, start, check_exact=True)


def test_simulating_leaves_numpys_global_generator_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    pool.simulate_groups(seed=1)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [(6, [6, 6, 6]), ([2, 5, 9], [2, 5, 9]), (np.array([1, 1, 4]), [1, 1, 4])],
)
def test_sizes_given_are_sizes_got(sizes, expected):
    _, truth = pool.simulate_groups(3, sizes=sizes, seed=1)
    assert truth["n"].tolist() == expected


def test_two_sizes_are_the_ends_of_a_range_drawn_evenly_on_the_log_scale(many_groups):
    n = many_groups[1]["n"]
    assert n.min() >= 3
    assert n.max() <= 200
    halfway = np.sqrt(3 * 200)
    assert abs((n < halfway).mean() - 0.5) < 4 * 0.5 / np.sqrt(MANY)


def test_the_ends_of_the_range_may_be_swapped():
    first, second = (
        pool.simulate_groups(30, sizes=sizes, seed=1)[1] for sizes in [(3, 9), (9, 3)]
    )
    assert_frame_equal(first, second)


def test_labels_sort_in_the_order_of_the_truth():
    _, truth = pool.simulate_groups(120, sizes=2, seed=1)
    assert truth.index.is_monotonic_increasing


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"between_sd": -0.1}, "between_sd is -0.1: give a standard deviation"),
        ({"within_sd": np.nan}, "within_sd is nan: give a standard deviation"),
        ({"within_sd": np.inf}, "within_sd is inf: give a standard deviation"),
        ({"mean": np.nan}, "mean is nan: give a finite number"),
        ({"size_effect": np.inf}, "size_effect is inf: give a finite number"),
        ({"sizes": 0}, "sizes holds 0: a group needs at least one row"),
        ({"sizes": [4, 4, 4]}, "sizes has 3 entries for 40 groups"),
        ({"sizes": 2.5}, "give whole numbers"),
        ({"sizes": np.nan}, "give whole numbers"),
        ({"sizes": "five"}, "give whole numbers"),
        ({"n_groups": 0}, "n_groups is 0: give one group or more"),
        ({"truth": pd.DataFrame({"n": [3]})}, "truth needs the columns 'n' and 'mean'"),
    ],
)
def test_what_makes_no_sense_is_refused_in_plain_words(options, words):
    with pytest.raises(ValueError, match=words):
        pool.simulate_groups(**options, seed=1)


# The College Scorecard --------------------------------------------------------


def test_scorecard_has_its_rows_and_columns(scorecard):
    assert scorecard.shape == (48_445, 12)
    assert list(scorecard.columns) == [
        *("institution", "state", "degree", "year", "earnings", "not_working"),
        *("working", "n", "published", "report", "campuses", "states_in_report"),
    ]
    assert not scorecard.duplicated(["institution", "year"]).any()
    by = scorecard[["institution", "year"]]
    assert_frame_equal(by, by.sort_values(["institution", "year"]))
    assert scorecard["institution"].nunique() == 7_424
    assert list(scorecard.index) == list(range(48_445))


def test_scorecard_holds_the_institutions_states_and_years_we_say(scorecard):
    with_earnings = scorecard[scorecard["earnings"].notna()]
    assert with_earnings["institution"].nunique() == 6_390
    assert scorecard["institution"][scorecard["published"]].nunique() == 6_249
    years = [2007, 2009, 2011, 2012, 2013, 2014]
    assert sorted(with_earnings["year"].unique()) == years
    assert sorted(scorecard["year"].unique()) == [*years, 2015, 2016]
    assert scorecard["state"].nunique() == 59
    assert with_earnings["state"].nunique() == 58
    assert with_earnings.query("year == 2014")["state"].nunique() == 57


def test_scorecard_degrees_are_ordered_and_complete(scorecard):
    assert scorecard["degree"].cat.ordered
    assert list(scorecard["degree"].cat.categories) == [
        "less than two years",
        "two years",
        "four years or more",
    ]
    assert scorecard["degree"].notna().all()
    earnings = scorecard.groupby("degree", observed=True)["earnings"].median()
    assert earnings.is_monotonic_increasing


def test_suppressed_rows_are_kept_and_marked(scorecard):
    assert scorecard["earnings"].isna().sum() == 15_706
    assert scorecard["working"].isna().sum() == 14_772
    assert scorecard["not_working"].isna().sum() == 15_801
    reported = scorecard[["earnings", "working", "not_working"]].notna().all(axis=1)
    assert (scorecard["published"] == reported).all()
    assert scorecard["published"].sum() == 31_190
    hidden = scorecard[~scorecard["published"]]
    assert (hidden["report"] == -1).all()
    assert (hidden[["campuses", "states_in_report"]] == 1).all(axis=None)
    assert (scorecard.loc[scorecard["published"], "report"] >= 0).all()


def test_published_sizes_and_earnings_are_what_we_say(scorecard):
    shown = scorecard[scorecard["published"]]
    assert (shown["n"] == shown["working"] + shown["not_working"]).all()
    assert shown["n"].min() == 53
    assert shown["n"].median() == 805
    assert (shown["earnings"] % 100 == 0).all()


def test_one_report_stands_on_many_rows(scorecard):
    shown = scorecard.query("year == 2014 and published")
    rows = shown.groupby("report").size()
    assert len(shown) == 5_105
    assert len(rows) == 3_614
    assert (rows > 1).sum() == 395
    assert rows[rows > 1].sum() == 1_886
    assert rows.max() == 142
    assert (shown["campuses"] == shown["report"].map(rows)).all()


def test_a_report_is_one_set_of_figures_in_one_year(scorecard):
    shown = scorecard[scorecard["published"]]
    figures = ["year", "earnings", "working", "not_working"]
    assert shown.groupby("report")[figures].nunique().eq(1).all(axis=None)
    assert shown.groupby(figures)["report"].nunique().eq(1).all()


def test_no_report_counts_twice(reports):
    assert len(reports) == 22_995
    assert not reports.duplicated(["year", "report"]).any()
    figures = ["year", "earnings", "working", "not_working"]
    assert not reports.duplicated(figures).any()
    assert reports["published"].all()
    assert list(reports.index) == list(range(len(reports)))


def test_the_row_kept_is_that_of_the_lowest_institution(scorecard, reports):
    shown = scorecard[scorecard["published"]]
    lowest = shown.groupby("report")["institution"].min()
    assert (reports["institution"] == reports["report"].map(lowest)).all()


def test_one_state_leaves_out_reports_that_cross_a_border(scorecard, reports):
    inside = pool.distinct_reports(scorecard, one_state=True)
    assert len(inside) == 21_900
    assert (inside["states_in_report"] == 1).all()
    crossing = reports[~reports["report"].isin(inside["report"])]
    assert (crossing["states_in_report"] > 1).all()
    assert (crossing["campuses"] > 1).all()


def test_distinct_reports_leaves_its_input_alone_and_may_be_repeated(scorecard):
    some = scorecard.query("year == 2014")
    before = some.copy()
    once = pool.distinct_reports(some)
    assert_frame_equal(some, before)
    assert_frame_equal(pool.distinct_reports(once), once)


def test_earnings_fall_from_2007_to_2012_in_the_same_institutions(scorecard):
    shown = scorecard[scorecard["published"]]
    table = shown.pivot(index="institution", columns="year", values="earnings")
    always = table.dropna()
    assert len(always) > 3_000
    assert always[2012].median() < 0.95 * always[2007].median()


def test_larger_institutions_pay_more_within_each_kind_of_degree(reports):
    # Trap 3 of the data page: size is informative.
    for _, kind in reports.query("year == 2014").groupby("degree", observed=True):
        correlation = np.corrcoef(np.log(kind["n"]), np.log(kind["earnings"]))[0, 1]
        assert 0.15 < correlation < 0.45


def test_loading_twice_gives_two_tables(scorecard):
    other = pool.load_scorecard()
    assert_frame_equal(other, scorecard)
    other["earnings"] = 0.0
    assert pool.load_scorecard()["earnings"].isna().any()


# The wage panel ---------------------------------------------------------------


def test_wage_panel_is_545_men_in_each_of_8_years(wages):
    assert wages.shape == (4_360, 11)
    assert wages["man"].nunique() == 545
    assert sorted(wages["year"].unique()) == list(range(1980, 1988))
    assert (wages.groupby("man")["year"].nunique() == 8).all()
    assert not wages.isna().any(axis=None)
    by = wages[["man", "year"]]
    assert_frame_equal(by, by.sort_values(["man", "year"], ignore_index=True))


def test_wage_panel_columns_are_what_they_are_called(wages):
    fixed = ["education", "black", "hispanic"]
    assert (wages.groupby("man")[fixed].nunique() == 1).all(axis=None)
    assert (wages.groupby("man")["experience"].diff().dropna() == 1).all()
    assert (wages[["union", "married", "black", "hispanic"]].dtypes == "bool").all()
    assert wages["occupation"].between(1, 9).all()
    # Dollars of the 1980s, in logs: the average hour earned about five.
    assert 4 < np.exp(wages["log_wage"].mean()) < 6


@pytest.mark.parametrize("load", [pool.load_scorecard, pool.load_wage_panel])
def test_real_tables_need_no_network(load, monkeypatch):
    def refuse(*_):
        raise AssertionError("a data set asked for the network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    assert len(load())

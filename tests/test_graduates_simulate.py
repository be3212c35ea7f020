"""Tests of the simulation: the table, the files, and their seeds."""

import dataclasses
import tracemalloc

import duckdb
import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from scipy.special import ndtri

import partialpool as pool

N = 300_000


# The table ---------------------------------------------------------------------


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
    one, _ = pool.simulate_graduates(500, years=5, truth=truth, seed=1)
    two, _ = pool.simulate_graduates(500, years=[10, 3], truth=truth, seed=1)
    assert one["yag"].unique().tolist() == [5]
    assert two["yag"].tolist() == [3, 10] * 500


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


# Seeds and truths --------------------------------------------------------------


def test_a_seed_gives_the_same_table_and_another_seed_another():
    first, again, other = (
        pool.simulate_graduates(2_000, n_providers=20, seed=s) for s in (1, 1, 2)
    )
    assert_frame_equal(first[0], again[0], check_exact=True)
    for field in dataclasses.fields(first[1]):
        one, two = (getattr(each[1], field.name) for each in (first, again))
        assert one.equals(two) if hasattr(one, "equals") else one == two
    assert not first[0]["earnings"].equals(other[0]["earnings"])
    effects = [each[1].provider_subject["effect"] for each in (first, other)]
    assert not effects[0].equals(effects[1])


def test_the_truth_depends_on_neither_n_nor_years(truth):
    _, other = pool.simulate_graduates(10, years=3, seed=1)
    assert_frame_equal(other.earnings, truth.earnings)
    assert_frame_equal(other.provider_subject, truth.provider_subject)


def test_a_generator_moves_on_and_the_global_one_is_left_alone(truth):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    rng = np.random.default_rng(1)
    first, second = (
        pool.simulate_graduates(500, truth=truth, seed=rng)[0] for _ in range(2)
    )
    assert not first["earnings"].equals(second["earnings"])
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_new_graduates_of_the_same_truth(paid, truth, assert_share):
    later, same = pool.simulate_graduates(50_000, years=5, truth=truth, seed=9)
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
        pool.simulate_graduates(2_000, years=1, truth=each, seed=4)[0]["earnings"]
        for each in (truth, raised)
    )
    ratio = (after / before).dropna()
    assert abs(ratio.median() / np.exp(0.5) - 1) < 0.001


def test_few_providers_and_one_cohort_will_do():
    table, truth = pool.simulate_graduates(3_000, n_providers=20, n_cohorts=1, seed=2)
    assert len(truth.providers) == 20
    assert table["cohort"].unique().tolist() == [1]
    assert (truth.subjects["providers"] >= 3).all()
    assert np.isfinite(truth.earnings).all(axis=None)


# Errors ------------------------------------------------------------------------


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
        pool.simulate_graduates(**options, seed=1)


# Many graduates ----------------------------------------------------------------


def read(folder, query="select * from rows order by graduate, yag"):
    with duckdb.connect() as connection:
        connection.execute(
            f"create view rows as from read_parquet('{folder}/*.parquet')"
        )
        return connection.execute(query).df()


def write(folder, n=3_000, **options):
    options = {"seed": 1, "batch_rows": 1_000, "progress": False, **options}
    return pool.write_graduates(folder, n, **options)


def test_one_batch_holds_the_rows_of_simulate_graduates(tmp_path, truth):
    written = write(tmp_path, 2_000, years=[5, 10], batch_rows=5_000)
    table, simulated = pool.simulate_graduates(2_000, years=[5, 10], seed=1)
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
    files = sorted((tmp_path / "new" / "folder").iterdir())
    assert [file.name for file in files] == [f"part-000{i}.parquet" for i in (1, 2, 3)]
    schemas = {str(duckdb.sql(f"describe from '{file}'").fetchall()) for file in files}
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


def test_odd_numbers_are_refused_by_the_writer_too(tmp_path):
    with pytest.raises(ValueError, match="n is 0: give 1 or more"):
        write(tmp_path, 0)
    with pytest.raises(ValueError, match="batch_rows is 0: give 1 or more"):
        write(tmp_path, 10, batch_rows=0)

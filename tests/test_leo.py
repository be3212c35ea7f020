"""Published tables: written, read back, measured, filled, and made to add up."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import partialpool as pool

HEAD = "subject_name,provider_name,earnings_include,earnings_median\n"


@pytest.fixture
def write(tmp_path):
    def write(text, name="leo.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write


@pytest.fixture
def official():
    folder = os.environ.get("LEO_DIR")
    if not folder:
        pytest.skip("LEO_DIR does not name a folder with the official files")
    return Path(folder)


@pytest.fixture(scope="module")
def graduates():
    return pool.simulate_graduates(6_000, years=5, n_providers=20, seed=3)[0]


# Reading ------------------------------------------------------------------------


def test_symbols_become_statuses_and_nothing_is_dropped(write):
    values = ["21300", "c", "z", "x", "low", "-10000", "", '"£20,400 to £42,000"']
    rows = "".join(f"Law,P{i},20,{value}\n" for i, value in enumerate(values))
    table = pool.read_leo(write(HEAD + rows))
    assert table["status"].tolist() == [
        *("published", "suppressed", "none", "none", "low", "suppressed"),
        *("blank", "range"),
    ]
    assert table["median"].notna().sum() == 1
    last = table.iloc[-1]
    assert (last["median_low"], last["median_high"]) == (20_400, 42_000)


def test_latin_1_and_sites_in_several_regions_are_read(write):
    head = HEAD.replace("provider_name", "provider_name,provider_region_name")
    rows = "Law,Collège,North,20,30000\nLaw,Collège,South,25,31000\n"
    table = pool.read_leo(write(head + rows, encoding="latin-1"))
    assert set(table["provider"]) == {"Collège (North)", "Collège (South)"}
    assert table["multi_site"].all()


def test_parquet_and_csv_give_the_same_table(write, tmp_path):
    text = HEAD + "Law,A,20,30000\nArt,A,c,c\n"
    table = pool.read_leo(write(text))
    raw = pd.read_csv(write(text), dtype=str)
    raw.to_parquet(tmp_path / "leo.parquet")
    pd.testing.assert_frame_equal(pool.read_leo(tmp_path / "leo.parquet"), table)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("leo.txt", HEAD, "ends neither in .csv nor in .parquet"),
        ("leo.csv", "", "no table"),
        ("leo.csv", "shop,sales\nA,3\n", "holds no table of earnings"),
        ("leo.csv", HEAD + "Law,A,20,plenty\n", "'plenty' in column 'median'"),
        ("leo.csv", HEAD + "Law,A,20,1\n" * 2, "shows 1 cells more than once"),
        ("leo.parquet", "no parquet", "is no Parquet file"),
    ],
)
def test_a_file_that_is_something_else_is_refused_in_words(write, name, text, says):
    with pytest.raises(pool.TableError, match=says):
        pool.read_leo(write(text, name))


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="correct the path"):
        pool.read_leo(tmp_path / "none.csv")
    with pytest.raises(pool.TableError, match="is a folder"):
        pool.read_leo(tmp_path)


def test_the_official_national_file_is_read_whole(official, published):
    table = pool.read_leo(official / "leo_national_subject_sex_yag_2022_23.csv")
    assert len(table) == 432
    assert set(table["sex"]) == {"female", "male", "all"}
    assert set(table["yag"]) == {1, 3, 5, 10}
    hidden = table[table["status"] == "suppressed"]
    assert set(hidden["subject"]) == {"Celtic studies"}
    keys = ["subject", "yag", "sex"]
    both = published.merge(table, on=keys, suffixes=("", "_read"))
    assert len(both) == len(published)
    assert (both["median"] == both["median_read"]).all()


def test_the_official_provider_file_has_a_row_for_each_year(official):
    table = pool.read_leo(official / "leo_provider_subject_2022_23_five_subjects.csv")
    assert len(table) == 3 * 448
    assert set(table["yag"]) == {1, 3, 5}
    assert (table["status"] == "published").equals(table["median"].notna())
    nursing = table.query("yag == 5 and subject == 'Nursing and midwifery'")
    measured = pool.measure(nursing, sd=0.35)
    filled = pool.fill(measured, groups="provider", points=32)
    assert filled.table["median"].between(20_000, 60_000).all()


# Publishing ---------------------------------------------------------------------


def test_what_is_published_is_read_back(graduates, tmp_path):
    path = tmp_path / "table.csv"
    published = pool.publish(graduates, path=path)
    read = pool.read_leo(path).drop(columns="multi_site")
    read = read.sort_values(["subject", "provider"], ignore_index=True)
    pd.testing.assert_frame_equal(read, published, check_dtype=False, check_like=True)


def test_counts_are_rounded_and_small_cells_suppressed(graduates):
    published = pool.publish(graduates).set_index(["subject", "provider"])
    paid = graduates.dropna(subset="earnings")
    pay = paid.groupby(["subject", "provider"], observed=True)["earnings"]
    exact = pay.size().reindex(published.index, fill_value=0)
    assert (published["in_earnings"] % 5 == 0).all()
    assert ((published["in_earnings"] - exact).abs() <= 2.5).all()
    shown = published["status"] == "published"
    assert shown.equals(exact >= 11)
    assert published.loc[~shown, "median"].isna().all()
    gap = published["median"] - pay.median().astype(float)
    assert gap[shown].abs().max() <= 50


def test_hidden_counts_keep_that_they_are_small(graduates):
    published = pool.publish(graduates, hide_counts=True)
    hidden = published["status"] == "suppressed"
    measured = pool.measure(published)[hidden]
    assert (measured["n_low"] == 1).all()
    assert (measured["n_high"] == 10).all()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"earnings": "pay"}, "'pay'"),
        ({"by": "school"}, "'school'"),
    ],
)
def test_a_column_that_is_not_there_is_named(graduates, change, says):
    with pytest.raises(pool.TableError, match=says):
        pool.publish(graduates, **change)


def test_earnings_of_nothing_are_refused(graduates):
    wrong = graduates.head(20).assign(earnings=0.0)
    with pytest.raises(pool.TableError, match="earnings"):
        pool.publish(wrong)


# Measuring and filling -----------------------------------------------------------


def test_a_median_has_the_standard_error_of_normal_theory():
    cell = {"in_earnings": 100.0, "median": 30_000.0, "status": "published"}
    cell |= {"lower_quartile": 30_000 * np.exp(-0.27), "count_status": "published"}
    cell |= {"upper_quartile": 30_000 * np.exp(0.27)}
    measured = pool.measure(pd.DataFrame([cell])).iloc[0]
    sd = 0.54 / 1.349
    assert measured["log_median"] == pytest.approx(np.log(30_000))
    assert measured["se"] == pytest.approx(np.sqrt(np.pi / 2) * sd / 10, rel=0.01)


def test_bands_give_back_the_median_and_spread():
    rng = np.random.default_rng(4)
    centre, edges = np.array([9.9, 10.3, 10.6]), [15_000, 25_000, 35_000, 50_000]
    pay = np.exp(centre[:, None] + 0.4 * rng.standard_normal((3, 4_000)))
    bands = [np.bincount(np.digitize(row, edges), minlength=5) for row in pay]
    found = pool.measure_bands(pd.DataFrame(bands), edges)
    assert found["sd"].iloc[0] == pytest.approx(0.4, rel=0.03)
    assert ((found["log_median"] - centre).abs() < 3.5 * found["se"]).all()


def draw_table(seed):
    """Crossed subjects and providers; a third of the cells has no measurement."""
    rng = np.random.default_rng(seed)
    cells = pd.MultiIndex.from_product([range(12), range(15)]).to_frame(index=False)
    cells.columns = ["subject", "provider"]
    effect = 0.2 * rng.standard_normal(12), 0.1 * rng.standard_normal(15)
    truth = 10.2 + effect[0][cells["subject"]] + effect[1][cells["provider"]]
    truth = truth + 0.07 * rng.standard_normal(len(cells))
    se = rng.uniform(0.03, 0.15, len(cells))
    seen = rng.random(len(cells)) > 1 / 3
    measured = cells.assign(
        log_median=np.where(seen, rng.normal(truth, se), np.nan),
        se=np.where(seen, se, np.nan),
    )
    return measured.astype({"subject": str, "provider": str}), truth, seen


@pytest.mark.parametrize("method", ["bayes", "reml"])
def test_filled_cells_hold_the_truth_as_often_as_promised(method):
    held = []
    for seed in range(12):
        measured, truth, seen = draw_table(seed)
        table = pool.fill(measured, method=method, points=32).table
        inside = np.abs(truth - table["log_mean"]) < 1.645 * table["log_sd"]
        held.append([inside[seen].mean(), inside[~seen].mean()])
        assert (table["weight"][~seen] == 0).all()
    for share in np.mean(held, axis=0):
        assert 0.86 < share < 0.94


def test_filling_agrees_with_dense_algebra():
    measured, _, seen = draw_table(5)
    filled = pool.fill(measured, method="reml")
    sd = filled.spread["estimate"]
    z = {
        g: pd.get_dummies(measured[g]).to_numpy(float) for g in ("subject", "provider")
    }
    prior = sum(sd[g] ** 2 * z[g] @ z[g].T for g in z)
    prior = prior + sd["cell"] ** 2 * np.eye(len(measured)) + 1e4  # a flat intercept
    y = measured["log_median"].to_numpy()[seen]
    noisy = prior[np.ix_(seen, seen)] + np.diag(measured["se"][seen] ** 2)
    mean = prior[:, seen] @ np.linalg.solve(noisy, y - 10) + 10
    np.testing.assert_allclose(filled.table["log_mean"], mean, atol=1e-4)


def test_estimates_add_up_to_the_published_total():
    cells = pd.DataFrame({"s": list("aabb"), "n": [10, 30, 20, 20], "pay": [20.0] * 4})
    cells["se"] = [0.0, 1.0, 1.0, 2.0]
    totals = pd.Series({"a": 880.0, "b": 700.0})
    for se in (None, "se"):
        found = pool.benchmark(cells, "pay", totals, by="s", weight="n", se=se)
        sums = (found * cells["n"]).groupby(cells["s"]).sum()
        np.testing.assert_allclose(sums, totals)
    assert found[0] == 20
    assert found[3] - 20 == pytest.approx(4 * (found[2] - 20))
    with pytest.raises(pool.TableError, match="no entry"):
        pool.benchmark(cells, "pay", totals.drop("b"), by="s")

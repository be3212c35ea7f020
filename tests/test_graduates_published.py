"""Tests of the published figures: complete, official, and compared in plain words."""

import os
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import partialpool as pool


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
    quartiles = ["lower_quartile", "median", "upper_quartile"]
    figures = ["graduates", "in_earnings", *quartiles, "in_work_or_study"]
    assert row.loc["all", figures].tolist()[:5] == [5480, 4220, 36100, 50400, 67500]
    assert row.loc[["female", "male"], "median"].tolist() == [50000, 50700]


def test_the_file_names_its_source_and_licence():
    text = (files(pool.graduates) / "published_earnings.csv").read_text()
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


def test_compare_refuses_tables_it_cannot_use(table):
    with pytest.raises(ValueError, match="lacks the column 'yag'"):
        pool.compare_with_published(table.head().drop(columns="yag"))
    nobody = table.head().assign(earnings=np.nan)
    with pytest.raises(ValueError, match="No row of the table has earnings"):
        pool.compare_with_published(nobody)

"""Tests of check_columns: each bad table gets one plain sentence for each fault."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from pandas.testing import assert_frame_equal

import partialpool as pool

ROLES = {"outcome": "pay", "group": "state"}


def good_table(**columns):
    table = {"pay": [1.0, 2, 3, 4, 5, 6], "state": list("AABBCC"), "age": range(6)}
    return pd.DataFrame(table | columns)


def objects(*values):
    return pd.Series(values, dtype=object)


def faults_of(table, **roles):
    """Return the sentences of the error, which must be ours and come from no other."""
    with pytest.raises(pool.TableError) as caught:
        pool.check_columns(table, **ROLES | roles)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    sentences = str(caught.value).split("\n")
    for sentence in sentences:
        assert sentence.endswith(".")
        assert "np." not in sentence
        assert "Timestamp" not in sentence
    return sentences


# Each entry: the table (or its faulty columns), and the sentence.
BAD_OUTCOMES = {
    "text": (
        [1, 2, "n/a", 4, 5, 6],
        "Column 'pay' holds text such as 'n/a' in 1 of 6 rows (row 2) where numbers "
        "are needed: correct or drop it, then use table['pay'] = "
        "table['pay'].astype(float).",
    ),
    "text all over": (
        list("abcdef"),
        "Column 'pay' holds text such as 'a', 'b', 'c' in all 6 rows (rows 0, 1, 2, 3, "
        "4 and 1 more) where numbers are needed: correct or drop them, then use "
        "table['pay'] = table['pay'].astype(float).",
    ),
    "numbers as text": (
        list("123456"),
        "Column 'pay' holds numbers stored as text: use "
        "table['pay'] = table['pay'].astype(float).",
    ),
    "numbers as objects": (
        objects(1, 2.5, 3, 4, 5, 6),
        "Column 'pay' holds numbers stored as objects: use "
        "table['pay'] = table['pay'].astype(float).",
    ),
    "numbers as a category": (
        pd.Categorical(list("123456")),
        "Column 'pay' holds numbers stored as a category: use "
        "table['pay'] = table['pay'].astype(float).",
    ),
    "decimals": (
        [Decimal("1.5"), Decimal(2)] * 3,
        "Column 'pay' holds numbers stored as objects: use "
        "table['pay'] = table['pay'].astype(float).",
    ),
    "missing": (
        [1, np.nan, 3, 4, 5, 6],
        "Column 'pay' is missing in 1 of 6 rows (row 1): drop it with "
        "table.dropna(subset=['pay']), or fill it in.",
    ),
    "pandas missing": (
        pd.array([1, None, 3, pd.NA, 5, 6], "Int64"),
        "Column 'pay' is missing in 2 of 6 rows (rows 1, 3): drop them with "
        "table.dropna(subset=['pay']), or fill them in.",
    ),
    "all missing": (
        [None] * 6,
        "Column 'pay' is missing in all 6 rows (rows 0, 1, 2, 3, 4 and 1 more): drop "
        "them with table.dropna(subset=['pay']), or fill them in.",
    ),
    "infinite": (
        [1, np.inf, -np.inf, 4, 5, 6],
        "Column 'pay' is infinite in 2 of 6 rows (rows 1, 2): it often comes from the "
        "log of 0 or a division by 0; correct or drop them.",
    ),
    "infinite, nullable": (
        pd.array([1, 2, 3, 4, 5, np.inf], "Float64"),
        "Column 'pay' is infinite in 1 of 6 rows (row 5): it often comes from the log "
        "of 0 or a division by 0; correct or drop it.",
    ),
    "true and false": (
        [True, False] * 3,
        "Column 'pay' holds true and false where numbers are needed: use "
        "table['pay'] = table['pay'].astype(int), which makes them 1 and 0.",
    ),
    "dates": (
        pd.date_range("2020-01-01", periods=6),
        "Column 'pay' holds dates in all 6 rows where numbers are needed: make numbers "
        "of them, such as years.",
    ),
    "periods": (
        pd.period_range("2020", periods=6, freq="Y"),
        "Column 'pay' holds dates in all 6 rows where numbers are needed: make numbers "
        "of them, such as years.",
    ),
    "durations": (
        pd.timedelta_range("1D", periods=6),
        "Column 'pay' holds durations in all 6 rows where numbers are needed: make "
        "numbers of them, for example with .dt.total_seconds().",
    ),
    "dates as objects": (
        [datetime.date(2020, 1, 1)] * 6,
        "Column 'pay' holds dates in all 6 rows where numbers are needed: make numbers "
        "of them, such as years.",
    ),
    "lists": (
        [[1], [2], [1], [1], [1], [1]],
        "Column 'pay' holds values such as '[1]', '[2]' in all 6 rows (rows 0, 1, 2, "
        "3, 4 and 1 more) where numbers are needed: correct or drop them, then use "
        "table['pay'] = table['pay'].astype(float).",
    ),
    "complex": (
        [1j] * 6,
        "Column 'pay' holds values such as '1j' in all 6 rows (rows 0, 1, 2, 3, 4 and "
        "1 more) where numbers are needed: correct or drop them, then use table['pay'] "
        "= table['pay'].astype(float).",
    ),
    "one value": (
        3.5,
        "Column 'pay' is 3.5 in all 6 rows, and a model explains differences: choose "
        "another column.",
    ),
}

BAD_GROUPS = {
    "one group": (
        "A",
        "Column 'state' has one group only (label 'A' in all 6 rows), and pooling "
        "needs several: choose another column.",
    ),
    "one group, a number": (
        3,
        "Column 'state' has one group only (label 3 in all 6 rows), and pooling needs "
        "several: choose another column.",
    ),
    "group of one row": (
        list("AABBBC"),
        "Column 'state' has group 'C' of 1 row (row 5): merge or drop it, or pass "
        "smallest_group=1, since partial pooling can use a group of one.",
    ),
    "groups of one row": (
        list("ABCDEE"),
        "Column 'state' has groups 'A', 'B', 'C' and 1 more of 1 row (rows 0, 1, 2, "
        "3): merge or drop them, or pass smallest_group=1, since partial pooling can "
        "use a group of one.",
    ),
    "a date of one row": (
        pd.to_datetime(["2020-01-01"] * 5 + ["2021-01-01"]),
        "Column 'state' has group 2021-01-01 00:00:00 of 1 row (row 5): merge or drop "
        "it, or pass smallest_group=1, since partial pooling can use a group of one.",
    ),
    "label missing": (
        ["A", "A", None, "B", "B", np.nan],
        "Column 'state' is missing in 2 of 6 rows (rows 2, 5): drop them with "
        "table.dropna(subset=['state']), or fill them in.",
    ),
    "text and numbers": (
        objects("A", "A", 1, 1, "B", "B"),
        "Column 'state' mixes text with whole numbers, the latter in 2 of 6 rows (rows "
        "2, 3): make them one kind with table['state'] = table['state'].astype(str).",
    ),
    "two kinds of number": (
        objects(1, 1, 2.5, 2.5, 3, 3),
        "Column 'state' mixes whole numbers with decimals, the latter in 2 of 6 rows "
        "(rows 2, 3): make them one kind with table['state'] = "
        "table['state'].astype(float).",
    ),
    "truth and text": (
        objects(True, "A", "A", "B", "B", "B"),
        "Column 'state' mixes text with true and false, the latter in 1 of 6 rows (row "
        "0): make them one kind with table['state'] = table['state'].astype(str).",
    ),
    "lists": (
        objects("A", ["A"], "A", "B", "B", "B"),
        "Column 'state' holds a list in 1 of 6 rows (row 1) where a label is needed: "
        "write one label in each row.",
    ),
}

BAD_PREDICTORS = {
    "missing": (
        [1, 2, 3, 4, None, 6],
        "Column 'age' is missing in 1 of 6 rows (row 4): drop it with "
        "table.dropna(subset=['age']), or fill it in.",
    ),
    "infinite": (
        [1, 2, 3, 4, 5, np.inf],
        "Column 'age' is infinite in 1 of 6 rows (row 5): it often comes from the log "
        "of 0 or a division by 0; correct or drop it.",
    ),
    "mixed": (
        objects(1, "x", 3, 4, 5, 6),
        "Column 'age' mixes whole numbers with text, the latter in 1 of 6 rows (row "
        "1): make them one kind with table['age'] = table['age'].astype(str).",
    ),
    "decimals": (
        [Decimal(1)] * 6,
        "Column 'age' holds numbers stored as objects: use "
        "table['age'] = table['age'].astype(float).",
    ),
    "dates": (
        pd.date_range("2020", periods=6),
        "Column 'age' holds dates in all 6 rows where numbers are needed: make numbers "
        "of them, such as years.",
    ),
    "complex": (
        [1j] * 6,
        "Column 'age' holds values such as '1j' in all 6 rows (rows 0, 1, 2, 3, 4 and "
        "1 more) where numbers are needed: correct or drop them, then use table['age'] "
        "= table['age'].astype(float).",
    ),
    "all missing": (
        [None] * 6,
        "Column 'age' is missing in all 6 rows (rows 0, 1, 2, 3, 4 and 1 more): drop "
        "them with table.dropna(subset=['age']), or fill them in.",
    ),
}


@pytest.mark.parametrize(
    ("values", "sentence"), BAD_OUTCOMES.values(), ids=BAD_OUTCOMES
)
def test_bad_outcome(values, sentence):
    assert faults_of(good_table(pay=values)) == [sentence]


@pytest.mark.parametrize(("values", "sentence"), BAD_GROUPS.values(), ids=BAD_GROUPS)
def test_bad_group(values, sentence):
    assert faults_of(good_table(state=values)) == [sentence]


@pytest.mark.parametrize(
    ("values", "sentence"), BAD_PREDICTORS.values(), ids=BAD_PREDICTORS
)
def test_bad_predictor(values, sentence):
    assert faults_of(good_table(age=values), predictors=["age"]) == [sentence]


def test_missing_column():
    assert faults_of(good_table(), group="region") == [
        "Column 'region' is not in the table, which has 'pay', 'state', 'age': correct "
        "the name or rename the column with table.rename(columns={…})."
    ]


@pytest.mark.parametrize("name", ["State", " state", "sate"])
def test_missing_column_with_a_name_like_another(name):
    (sentence,) = faults_of(good_table(), group=name)
    assert sentence.startswith(f"Column {name!r} is not in the table")
    assert "correct the name (did you mean 'state'?)" in sentence


def test_every_missing_column_is_named():
    wide = pd.DataFrame(np.zeros((2, 40)))
    sentences = faults_of(wide, predictors=["age"])
    assert [sentence.split("'")[1] for sentence in sentences] == ["pay", "state", "age"]
    assert "9, 10, 11 and 28 more" in sentences[0]


def test_table_without_columns():
    assert "which has no columns" in faults_of(pd.DataFrame(index=[1, 2]))[0]


def test_two_columns_of_one_name():
    table = pd.DataFrame(np.ones((4, 3)), columns=["pay", "pay", "state"])
    assert faults_of(table) == [
        "Column 'pay' is in the table 2 times: rename or drop all but one."
    ]


def test_duplicated_index():
    table = good_table().set_index(pd.Index([0, 0, 1, 1, 2, 3]))
    assert faults_of(table) == [
        "The index repeats labels 0, 1, so rows cannot be told apart: use"
        " table = table.reset_index(drop=True)."
    ]


@pytest.mark.parametrize(
    ("columns", "count"),
    [
        ({"pay": [1, "x", 3, 4, 5, 6]}, "1 of 6 rows (row 0)"),
        ({"pay": [1, np.nan, 3, 4, 5, 6]}, "1 of 6 rows (row 0)"),
        ({"state": objects(["A"], "A", "A", "B", "B", "B")}, "1 of 6 rows (row 0)"),
        ({"state": objects(1, "A", "A", "B", "B", "B")}, "1 of 6 rows (row 0)"),
    ],
)
def test_duplicated_index_does_not_confuse_the_count_of_rows(columns, count):
    table = good_table(**columns).set_index(pd.Index([0, 0, 1, 1, 2, 3]))
    first, second = faults_of(table)
    assert first.startswith("The index repeats labels 0, 1")
    assert count in second


def test_no_rows():
    assert faults_of(good_table().iloc[:0]) == [
        "The table has 0 rows, so column 'pay' holds nothing to learn from: check the "
        "filter or the file it came from."
    ]


def test_one_row():
    (sentence,) = faults_of(good_table().iloc[:1])
    assert sentence.startswith("Column 'state' has one group only (label 'A' in 1 row)")


def test_absurdly_many_groups():
    table = pd.DataFrame({"pay": np.arange(12_000.0), "state": np.arange(12_000) // 2})
    assert faults_of(table) == [
        "Column 'state' has 6,000 groups in 12,000 rows, more than 5,000: it looks "
        "like an identifier or a number; choose a coarser column, or pass "
        "most_groups=6000 if it is right."
    ]
    pool.check_columns(table, **ROLES, most_groups=6000)


def test_smallest_group_may_be_larger_or_one():
    table = good_table(state=list("AABBBC"))
    pool.check_columns(table, **ROLES, smallest_group=1)
    (sentence,) = faults_of(table, smallest_group=3)
    assert "has groups 'A', 'C' of fewer than 3 rows (rows 0, 1, 5)" in sentence


def test_each_fault_has_its_sentence():
    table = good_table(
        pay=objects(1, "x", 3, 4, 5, None),
        state=["A", "A", None, "B", "B", "B"],
        age=[1, 2, 3, 4, 5, np.inf],
    )
    sentences = faults_of(table, predictors=["age"])
    assert [sentence.split(" (")[0] for sentence in sentences] == [
        "Column 'pay' is missing in 1 of 6 rows",
        "Column 'pay' holds text such as 'x' in 1 of 6 rows",
        "Column 'age' is infinite in 1 of 6 rows",
        "Column 'state' is missing in 1 of 6 rows",
    ]


def test_a_fault_in_two_roles_is_said_once():
    table = good_table(state=["A", "A", None, "B", "B", "B"])
    assert len(faults_of(table, predictors=["state"])) == 1


def test_columns_in_levels():
    levels = pd.MultiIndex.from_product([["2014"], ["pay", "state", "age"]])
    (sentence,) = faults_of(good_table().set_axis(levels, axis=1))
    assert sentence.startswith(
        "The columns of this table have 2 levels, such as ('2014', 'pay'): give each "
        "column one name"
    )


def test_rows_are_named_by_the_index():
    table = good_table(pay=[1, np.nan, 3, 4, 5, 6])
    by_name = table.set_axis(["Ann", "Bo", "Cy", "Di", "Ed", "Flo"])
    assert "(row Bo)" in faults_of(by_name)[0]
    in_levels = table.set_index([list("xxyyzz"), [1, 2] * 3])
    assert "(row ('x', 2))" in faults_of(in_levels)[0]


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        ([1, 2], "a list"),
        (good_table()["pay"], "a pandas Series"),
        (pl.DataFrame({"pay": [1.0]}), "a polars DataFrame"),
        (None, "None"),
    ],
)
def test_not_a_table(table, kind):
    (sentence,) = faults_of(table)
    assert sentence.startswith(f"A pandas DataFrame is needed and this is {kind}: ")


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        ({"outcome": ["pay"]}, "['pay'] cannot name a column"),
        ({"outcome": None}, "None cannot name a column"),
        ({"group": None}, "None cannot name a column"),
        ({"group": {"state"}}, "{'state'} cannot name a column"),
        ({"group": []}, "No group column is named"),
        ({"group": "pay"}, "Column 'pay' is the outcome and also a group"),
        ({"predictors": ["pay"]}, "Column 'pay' is the outcome and also a group"),
    ],
)
def test_roles_that_make_no_sense(roles, words):
    (sentence,) = faults_of(good_table(), **roles)
    assert sentence.startswith(words)


def test_each_mend_mends():
    as_text = good_table(pay=list("123456"))
    as_text["pay"] = as_text["pay"].astype(float)
    pool.check_columns(as_text, **ROLES)
    decimals = good_table(pay=[Decimal("1.5"), Decimal(2)] * 3)
    decimals["pay"] = decimals["pay"].astype(float)
    pool.check_columns(decimals, **ROLES)
    category = good_table(pay=pd.Categorical(list("123456")))
    category["pay"] = category["pay"].astype(float)
    pool.check_columns(category, **ROLES)
    flags = good_table(pay=[True, False] * 3)
    flags["pay"] = flags["pay"].astype(int)
    pool.check_columns(flags, **ROLES)
    mixed = good_table(state=objects("A", "A", 1, 1, "B", "B"))
    mixed["state"] = mixed["state"].astype(str)
    pool.check_columns(mixed, **ROLES)
    gaps = good_table(pay=[1, 2, 3, 4, 5, np.nan], state=list("AABBBB"))
    pool.check_columns(gaps.dropna(subset=["pay"]), **ROLES)
    repeated = good_table().set_index(pd.Index([0, 0, 1, 1, 2, 3]))
    pool.check_columns(repeated.reset_index(drop=True), **ROLES)


GOOD_TABLES = {
    "plain": good_table(),
    "whole numbers": good_table(pay=[1, 2, 3, 4, 5, 6]),
    "nullable": good_table(pay=pd.array([1, 2, 3, 4, 5, 6], "Int64")),
    "float32": good_table(pay=np.arange(6, dtype="float32")),
    "sparse": good_table(pay=pd.arrays.SparseArray([0.0, 1, 0, 3, 0, 0])),
    "groups by number": good_table(state=[1, 1, 2, 2, 3, 3]),
    "groups by truth": good_table(state=[True] * 3 + [False] * 3),
    "groups by date": good_table(state=pd.to_datetime(["2020"] * 2 + ["2021"] * 4)),
    "unused category": good_table(state=pd.Categorical(list("AABBCC"), list("ABCD"))),
    "missing elsewhere": good_table(other=np.nan),
    "index of names": good_table().set_axis(list("uvwxyz")),
}


@pytest.mark.parametrize("table", GOOD_TABLES.values(), ids=GOOD_TABLES)
def test_good_tables_pass_and_come_back_unchanged(table):
    before = table.copy(deep=True)
    checked = pool.check_columns(table, **ROLES)
    assert_frame_equal(checked, before[["pay", "state"]])
    assert_frame_equal(table, before)


def test_a_bad_table_is_not_changed_either():
    table = good_table(pay=objects(1, "x", None, 4, 5, 6))
    before = table.copy(deep=True)
    faults_of(table)
    assert_frame_equal(table, before)


def test_columns_come_back_in_the_order_of_their_roles():
    table = good_table(region=list("XXXYYY"))[["age", "region", "state", "pay"]]
    checked = pool.check_columns(
        table, outcome="pay", group=["state", "region"], predictors=["age", "region"]
    )
    assert list(checked.columns) == ["pay", "state", "region", "age"]


@pytest.mark.parametrize("predictors", ["age", ["age"], ("age",), pd.Index(["age"])])
def test_one_predictor_or_a_list(predictors):
    checked = pool.check_columns(good_table(), **ROLES, predictors=predictors)
    assert list(checked.columns) == ["pay", "state", "age"]


def test_columns_may_be_named_by_numbers():
    table = good_table().set_axis([0, 1, 2], axis=1)
    checked = pool.check_columns(table, outcome=0, group=1, predictors=2)
    assert list(checked.columns) == [0, 1, 2]
    assert "Column 3 is not in the table" in faults_of(table, outcome=3, group=1)[0]


@pytest.mark.parametrize("kind", [list("MFMFMF"), [True, False] * 3, range(6)])
def test_predictors_may_be_labels_flags_or_numbers(kind):
    pool.check_columns(good_table(age=kind), **ROLES, predictors=["age"])


def test_the_books_own_tables_pass():
    table, _ = pool.simulate_groups(5, sizes=4, seed=1)
    pool.check_columns(table, outcome="y", group="group")
    reports = pool.distinct_reports(pool.load_scorecard().query("year == 2014"))
    pool.check_columns(
        reports, outcome="earnings", group=["degree"], predictors=["n", "state"]
    )
    wages = pool.load_wage_panel()
    pool.check_columns(
        wages, outcome="log_wage", group="man", predictors=["year", "union"]
    )


def test_labels_that_differ_in_blanks_or_capitals_only_are_named():
    table = pd.DataFrame(
        {
            "pay": range(6),
            "branch": ["Leeds", "leeds ", "York", "York", "LEEDS", "Hull"],
        }
    )
    with pytest.raises(pool.TableError, match="spells one group in several ways"):
        pool.check_columns(table, outcome="pay", group="branch", smallest_group=1)
    table["branch"] = table["branch"].str.strip().str.casefold()
    pool.check_columns(table, outcome="pay", group="branch", smallest_group=1)

"""Tests of the sentences on bad tables: plain, whole, and free of any library."""

import inspect

import numpy as np
import pandas as pd
import pytest

from partialpool import faults


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ("1 row", (1,)),
        ("3,000 rows", (3000,)),
        ("0 rows", (0,)),
        ("1 of 20 rows", (1, 20)),
        ("all 20 rows", (20, 20)),
        ("1 row", (1, 1)),
        ("1 of 20 rows (row Ann)", (1, 20, ["Ann"])),
        ("3 rows (rows 4, 7, 9)", (3, None, [4, 7, 9])),
        ("7 of 9 rows (rows 0, 1, 2, 3, 4 and 2 more)", (7, 9, [0, 1, 2, 3, 4, 5])),
        ("5,000 of 9,000 rows (rows 8 and 4,999 more)", (5000, 9000, [8])),
    ],
)
def test_rows_are_counted_in_words(words, arguments):
    assert faults.rows(*arguments) == words


def test_labels_are_listed():
    assert faults.some(["A"], "label") == "label 'A'"
    assert faults.some([1, 2.5], "group") == "groups 1, 2.5"
    assert faults.some(list("ABCDE"), "label") == "labels 'A', 'B', 'C' and 2 more"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("it's", '"it\'s"'),
        (np.str_("pay"), "'pay'"),
        (np.int64(3), "3"),
        (np.float64(2.5), "2.5"),
        (pd.Timestamp(2020, 1, 1), "2020-01-01 00:00:00"),
        (("2014", "pay"), "('2014', 'pay')"),
        (None, "None"),
    ],
)
def test_names_are_written_as_a_reader_writes_them(value, text):
    assert faults.quote(value) == text


def test_nothing_is_refused_without_a_fault():
    faults.refuse()
    faults.refuse(None, None)


def test_each_fault_is_said_once_a_line():
    with pytest.raises(faults.TableError) as caught:
        faults.refuse("One.", None, "Two.", "One.")
    assert str(caught.value) == "One.\nTwo."
    assert isinstance(caught.value, ValueError)


WHERE = {"count": 2, "of": 9, "labels": ["Ann", "Bo"]}
# Arguments of every sentence; each must name the column, the rows given, a mend.
SENTENCES = {
    "no_table": dict(value=[1]),
    "no_rows": dict(name="pay"),
    "absent": dict(name="pay", there=["Pay"]),
    "repeated": dict(name="pay", count=2),
    "no_name": dict(name=3),
    "names_in_levels": dict(levels=2, example=("a", "pay")),
    "two_roles": dict(name="pay"),
    "named_twice": dict(name="pay", count=2, where="by"),
    "index_repeats": dict(labels=[0, 1]),
    "missing": dict(name="pay", **WHERE),
    "infinite": dict(name="pay", **WHERE),
    "not_positive": dict(name="pay", because=", a log is", mend="use logs", **WHERE),
    "no_numbers": dict(name="pay", kind="text", examples=["x"], **WHERE),
    "stored_as": dict(name="pay", stored="text"),
    "true_and_false": dict(name="pay"),
    "wrong_kind": dict(name="pay", kind="text", mend="use numbers"),
    "times": dict(name="pay", kind="dates"),
    "no_labels": dict(name="pay", kind="durations"),
    "no_label": dict(name="pay", kind="list", **WHERE),
    "mixed": dict(name="pay", kinds=("text", "decimals"), **WHERE),
    "not_kept": dict(
        name="pay", example="1", found="1 row", because="which is long", mend="cut it"
    ),
    "none_left": dict(name="pay", dropped=9),
    "engine_stopped": dict(engine="duckdb", said="Conversion Error."),
    "unknown_markers": dict(name="pay", found={"c": 3, "z": 1}, markers=["x"]),
    "too_large": dict(name="pay"),
    "not_binary": dict(name="pay", examples=["2"], count=3),
    "binary_with_number": dict(name="pay"),
    "constant": dict(name="pay", value=3, of=9),
    "one_group": dict(name="pay", label="A", of=9),
    "many_groups": dict(name="pay", groups=7000, of=9000, most=5000),
    "small_groups": dict(
        name="pay", groups=["A"], smallest=2, count=2, labels=["Ann", "Bo"]
    ),
    "spellings": dict(name="pay", labels=["a", "A"]),
}
WORDS = {"it", "quote", "refuse", "row_labels", "rows", "some"}


def test_every_sentence_is_tried_here():
    own = inspect.getmembers(faults, inspect.isfunction)
    names = {name for name, function in own if function.__module__ == faults.__name__}
    assert {name for name in names if not name.startswith("_")} == {*SENTENCES, *WORDS}


@pytest.mark.parametrize("name", SENTENCES)
def test_sentences_name_the_column_the_rows_and_a_mend(name):
    arguments = SENTENCES[name]
    sentence = getattr(faults, name)(**arguments)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert sentence.count(": ") == 1
    if arguments.get("name") == "pay":
        assert "column 'pay'" in sentence.replace("Column", "column")
    if "labels" in arguments and "name" in arguments and name != "spellings":
        assert "rows Ann, Bo" in sentence
    if "of" in arguments:
        assert f"{arguments['of']:,}" in sentence


def test_the_likeliest_name_and_another_way_out():
    there = ["pay", "state", *map(str, range(20))]
    assert faults.absent(
        "State ", there, hint="add it to by=", table="table of cells"
    ) == (
        "Column 'State ' is not in the table of cells, which has 'pay', 'state', '0', "
        "'1', '2', '3', '4', '5', '6', '7', '8', '9' and 10 more: correct the name "
        "(did you mean 'state'?) or add it to by=."
    )
    assert "which has no columns: correct the name." in faults.absent("pay", [])


def test_a_table_given_as_a_name_is_not_printed():
    for value in (pd.DataFrame({"a": range(9)}), list(range(99))):
        assert len(faults.no_name(value)) < 120


def test_a_mend_of_ones_own():
    sentence = faults.missing("pay", 1, 9, mend=faults.DROP)
    assert sentence == (
        "Column 'pay' is missing in 1 of 9 rows: drop and count it with "
        "missing='drop', or fill it in."
    )
    assert "where the fit had numbers: correct" in faults.no_numbers(
        "pay", "text", 1, 9, examples=["x"], where="the fit had numbers"
    )

"""Tests of verdicts: kept on file for the book, shown as a box, refused if wrong."""

import json

import pytest
from IPython.core.formatters import DisplayFormatter

import partialpool as pool
from partialpool.chapters.verdicts import FOLDER_VARIABLE, MIME_TYPE, OUTCOMES

FINDING = {
    "outcome": "holds with conditions",
    "figure": "Error 0.12 ± 0.01 against 0.20.",
    "conditions": "Where groups have fewer than ten rows.",
    "opponent": "a GLM with predictors",
    "doubt": "One census, one year.",
    "short": "In small groups its error is 0.20, that of partial pooling 0.12.",
}


@pytest.fixture(autouse=True)
def nowhere_to_write(monkeypatch, tmp_path):
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def folder(monkeypatch, tmp_path):
    folder = tmp_path / "build" / "verdicts"
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    return folder


def record(claim="C2", **changes):
    return pool.record_verdict("no-pooling", claim, **FINDING | changes)


def read(folder):
    return json.loads((folder / "no-pooling.json").read_text("utf-8"))


def test_the_file_holds_what_was_found(folder):
    record()
    assert read(folder) == [{"chapter": "no-pooling", "claim": "C2", **FINDING}]
    assert [path.name for path in folder.iterdir()] == ["no-pooling.json"]


def test_the_file_is_readable_text(folder):
    record()
    text = (folder / "no-pooling.json").read_text("utf-8")
    assert "0.12 ± 0.01" in text
    assert text.endswith("]\n")


def test_a_second_verdict_of_a_chapter_is_added(folder):
    record("C2")
    record("C11", outcome="does not hold")
    assert [kept["claim"] for kept in read(folder)] == ["C2", "C11"]
    assert [kept["outcome"] for kept in read(folder)] == [
        "holds with conditions",
        "does not hold",
    ]


def test_each_chapter_has_its_file(folder):
    record()
    pool.record_verdict("small-groups", "C11", **FINDING)
    names = {path.name for path in folder.iterdir()}
    assert names == {"no-pooling.json", "small-groups.json"}


@pytest.mark.parametrize("value", [None, ""])
def test_nothing_is_written_without_the_variable(monkeypatch, tmp_path, value):
    if value is not None:
        monkeypatch.setenv(FOLDER_VARIABLE, value)
    record()
    assert list(tmp_path.rglob("*")) == []


def test_the_verdict_comes_back():
    verdict = record()
    assert isinstance(verdict, pool.Verdict)
    assert (verdict.chapter, verdict.claim) == ("no-pooling", "C2")
    assert {name: getattr(verdict, name) for name in FINDING} == FINDING


def test_a_notebook_gets_text_a_box_and_data():
    bundle, _ = DisplayFormatter().format(record())
    assert set(bundle) == {"text/plain", "text/html", MIME_TYPE}
    assert bundle["text/plain"] == f"C2 {FINDING['outcome']}: {FINDING['figure']}"
    assert bundle[MIME_TYPE] == {"chapter": "no-pooling", "claim": "C2", **FINDING}
    json.dumps(bundle)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_the_box_says_the_outcome_in_words_and_by_its_class(outcome):
    html = record(outcome=outcome)._repr_mimebundle_()["text/html"]
    kind, mark = OUTCOMES[outcome]
    assert f'class="verdict {kind}"' in html
    assert f"Claim C2 {outcome}." in html
    assert f'<span aria-hidden="true">{mark}</span>' in html
    assert FINDING["figure"] in html
    assert FINDING["conditions"] in html


def test_no_two_outcomes_look_alike():
    kinds, marks = zip(*OUTCOMES.values(), strict=True)
    assert len(set(kinds)) == len(set(marks)) == 3


def test_what_is_written_in_a_sentence_is_not_markup():
    verdict = record(figure="<b>RMSE</b> < 0.2 & falls", conditions='<script>"x"')
    html = verdict._repr_mimebundle_()["text/html"]
    assert "&lt;b&gt;RMSE&lt;/b&gt; &lt; 0.2 &amp; falls" in html
    assert "<script" not in html
    assert "<b>" not in html


@pytest.mark.parametrize("claim", ["C0", "C13", "c1", "1", "C01", "", None])
def test_a_claim_that_is_none_is_refused(folder, claim):
    with pytest.raises(ValueError, match="give C1 to C12"):
        record(claim)
    assert not folder.exists()


@pytest.mark.parametrize("claim", [f"C{k}" for k in range(1, 13)])
def test_all_twelve_claims_are_accepted(claim):
    assert record(claim).claim == claim


@pytest.mark.parametrize("outcome", ["Holds", "holds ", "wins", "", None])
def test_an_outcome_that_is_none_is_refused(folder, outcome):
    with pytest.raises(ValueError, match="give one of holds, holds with conditions"):
        record(outcome=outcome)
    assert not folder.exists()


@pytest.mark.parametrize("name", ["figure", "conditions", "opponent", "doubt"])
@pytest.mark.parametrize("sentence", ["", "  \n"])
def test_an_empty_sentence_is_refused(folder, name, sentence):
    with pytest.raises(ValueError, match=f"{name} is empty"):
        record(**{name: sentence})
    assert not folder.exists()


def test_the_sentence_of_the_front_page_may_be_left_out():
    assert record(short="").short == ""


@pytest.mark.parametrize(
    ("sentence", "words"),
    [("1 " * 26, "has 26 words: 25 are allowed"), ("It wins.", "has no number")],
)
def test_a_long_or_empty_sentence_for_the_front_page_is_refused(
    folder, sentence, words
):
    with pytest.raises(ValueError, match=f"short {words}"):
        record(short=sentence)
    assert not folder.exists()

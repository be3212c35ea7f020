"""The chapters still find what was reviewed, and README shows what they draw."""

import json
import re

import pytest

from book._ext.execution import cache_path, opened, unrun_chapters, verified_verdicts
from book.review import PICTURE, VERDICTS, alike, differences, near, picture

SENTENCE = "RMSE 0.112 against 0.158, in 1,000 sets; 90% held."


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (SENTENCE, True),
        (SENTENCE.replace("0.112", "0.115"), True),
        (SENTENCE.replace("0.112", "0.132"), False),
        (SENTENCE.replace("90%", "91%"), True),
        (SENTENCE.replace("90%", "80%"), False),
        (SENTENCE.replace("1,000", "2,000"), False),
        (SENTENCE.replace("against", "beats"), False),
    ],
)
def test_sentences_are_compared_by_words_and_numbers(other, same):
    assert alike(other, SENTENCE) is same


KEPT = json.loads(VERDICTS.read_text(encoding="utf-8"))
MOST_WORDS = 60
each_verdict = pytest.mark.parametrize(
    "verdict", KEPT, ids=lambda kept: f"{kept['chapter']}-{kept['claim']}"
)


@each_verdict
def test_a_verdict_is_told_in_few_words(verdict):
    words = f"{verdict['figure']} {verdict['conditions']}".split()
    assert len(words) <= MOST_WORDS, f"figure and conditions have {len(words)} words"


@each_verdict
def test_a_verdict_has_a_sentence_for_the_front_page(verdict):
    assert verdict.get("short"), "give record_verdict a short="


def test_a_verdict_that_is_gone_is_a_difference():
    verdict = {"chapter": "a", "claim": "C1", "outcome": "holds"}
    assert "were reviewed" in differences([], [verdict])[0]


def numbers(svg):
    """Give the coordinates of a picture, without what names its parts."""
    paths = re.findall(r' (?:d|x|y|x1|y1|transform)="([^"]*)"', svg)
    return [float(text) for text in re.findall(r"-?\d+\.?\d*", " ".join(paths))]


@pytest.fixture
def results():
    with opened(cache_path()) as cache:
        missing = unrun_chapters(cache)
    if missing:
        pytest.skip("the chapters have not run with the package as it is: `make book`")
    return cache_path()


def test_the_verdicts_are_the_reviewed_ones(results):
    kept = json.loads(VERDICTS.read_text(encoding="utf-8"))
    found = differences(verified_verdicts(results), kept)
    assert not found, "\n".join([*found, "If this is right: make review."])


def test_the_picture_of_the_readme_is_the_one_that_the_chapter_draws(results):
    drawn, kept = numbers(picture()), numbers(PICTURE.read_text(encoding="utf-8"))
    same = len(drawn) == len(kept) and all(map(near, drawn, kept))
    assert same, f"{PICTURE.name} is not what the chapter draws: make review."

"""README does what it says: its lines run as pasted and print what is shown."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.shops import SHOPS, draw_shops

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", README, re.DOTALL)
NUMBERS = re.compile(r"\d[\d,]*(?:\.\d+)?")
WORDS = "no one two three four five six seven eight nine ten eleven twelve".split()


def numbers(text):
    return [float(found.replace(",", "")) for found in NUMBERS.findall(text)]


def words(text):
    """Give a text with its numbers and its alignment left out."""
    return NUMBERS.sub("#", text).split()


def test_readme_shows_what_each_snippet_prints():
    assert len(SNIPPETS) == README.count("```python")


@pytest.mark.parametrize(("code", "shown"), SNIPPETS)
def test_a_snippet_prints_what_is_shown(code, shown):
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert words(done.stdout) == words(shown)
    # Another processor draws a little differently.
    np.testing.assert_allclose(numbers(done.stdout), numbers(shown), 0.03, 0.02)


def test_the_shops_are_the_ones_that_the_tests_draw():
    kept, drawn = pd.read_csv(SHOPS), draw_shops()
    pd.testing.assert_frame_equal(
        kept.drop(columns="sales"), drawn.drop(columns="sales"), check_dtype=False
    )
    # One pound: another processor may round the last digit the other way.
    assert (kept["sales"] - drawn["sales"]).abs().max() <= 1


def test_readme_says_which_claims_are_decided():
    claims = yaml.safe_load((ROOT / "book" / "claims.yml").read_text(encoding="utf-8"))
    kept = ROOT / "tests" / "reviewed_verdicts.json"
    verdicts = json.loads(kept.read_text(encoding="utf-8"))
    written = {verdict["chapter"] for verdict in verdicts}
    assert {claim["id"] for claim in claims} == {each["claim"] for each in verdicts}
    again = [
        claim["id"]
        for claim in claims
        if not written.issuperset(chapter["slug"] for chapter in claim["chapters"])
    ]
    sentence = (
        f"All {WORDS[len(claims)]} claims have a verdict; {' and '.join(again)} will "
        "be tested again in chapters still to be written."
    )
    assert sentence in README, f"README should say: {sentence}"

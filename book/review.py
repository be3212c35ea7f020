"""What authors have looked at and stand by: the verdicts, and the one picture.

A test compares what the chapters found with what is kept here. An edit of the
package that moves a result is then seen by whoever made it, not by a reader.
"""

import json
import re

from book._ext.execution import (
    ROOT,
    cache_path,
    chapters,
    executed,
    opened,
    verified_verdicts,
)
from book.chapters import say

VERDICTS = ROOT / "tests" / "reviewed_verdicts.json"
PICTURE = ROOT / "book" / "_static" / "shrinkage.svg"
PARTS = ("outcome", "figure", "conditions", "opponent", "doubt", "short")
PICTURE_OF = ("partial-pooling", "fig-partial-pooling-shrinkage")

# Draws differ a little on another processor, and so do figures made from them.
ABSOLUTE, RELATIVE = 0.012, 0.05
NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?%?")


def accept():
    """Keep the verdicts and the picture that the chapters have just computed."""
    verdicts = verified_verdicts(cache_path())
    text = json.dumps(verdicts, indent=2, ensure_ascii=False)
    VERDICTS.write_text(text + "\n", encoding="utf-8")
    PICTURE.write_text(picture(), encoding="utf-8")
    say(f"kept {len(verdicts)} verdicts and {PICTURE.name}: look at the difference")
    return 0


def picture():
    """Give the picture of README and landing page, as its chapter drew it."""
    slug, name = PICTURE_OF
    chapter = next(path for path in chapters() if path.stem == slug)
    with opened(cache_path()) as cache:
        cells = executed(chapter, cache).cells
    for cell in cells:
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        if figure.get("name") == name:
            return _svg_of(cell)
    raise KeyError(f"chapter {slug} has no figure {name}")


def _svg_of(cell):
    bundles = (output.get("data", {}) for output in cell.outputs)
    svg = next(
        bundle["image/svg+xml"] for bundle in bundles if "image/svg+xml" in bundle
    )
    return "".join(svg).rstrip() + "\n"


def differences(found, kept):
    """List in sentences how verdicts differ from those that were reviewed."""
    keys = [(verdict["chapter"], verdict["claim"]) for verdict in found]
    reviewed = [(verdict["chapter"], verdict["claim"]) for verdict in kept]
    if keys != reviewed:
        return [f"the chapters give verdicts {keys}, and {reviewed} were reviewed"]
    sentences = []
    for new, old in zip(found, kept, strict=True):
        for part in PARTS:
            says, said = new.get(part, ""), old.get(part, "")
            if not alike(says, said):
                sentences.append(
                    f"{new['chapter']} on {new['claim']}: {part} is {says!r}, "
                    f"and {said!r} was reviewed"
                )
    return sentences


def alike(one, other):
    """Say whether two sentences have the same words, and nearly the same numbers."""
    if NUMBER.sub("#", one) != NUMBER.sub("#", other):
        return False
    pairs = zip(NUMBER.findall(one), NUMBER.findall(other), strict=True)
    return all(near(value(a), value(b)) for a, b in pairs)


def value(text):
    """Read a number as it stands in a sentence; 12% is 0.12."""
    number = float(text.rstrip("%").replace(",", ""))
    return number / 100 if text.endswith("%") else number


def near(one, other):
    """Say whether two numbers differ by no more than another processor explains."""
    return abs(one - other) <= max(ABSOLUTE, RELATIVE * abs(other))

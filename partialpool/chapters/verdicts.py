"""Verdicts: what a chapter found about a claim, shown and kept on file."""

import json
import os
import re
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path

OUTCOMES = {
    "holds": ("verdict-holds", "✓"),
    "holds with conditions": ("verdict-conditions", "◐"),
    "does not hold": ("verdict-fails", "✗"),
}
MIME_TYPE = "application/vnd.partialpool.verdict+json"
FOLDER_VARIABLE = "PARTIALPOOL_VERDICTS"
MOST_WORDS = 25  # of the front page's sentence


@dataclass(frozen=True)
class Verdict:
    """A chapter's finding on one claim; a notebook shows it as a box."""

    chapter: str
    claim: str
    outcome: str
    figure: str
    conditions: str
    opponent: str
    doubt: str
    short: str = ""

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {
            "text/plain": f"{self.claim} {self.outcome}: {self.figure}",
            "text/html": self._html(),
            MIME_TYPE: asdict(self),
        }

    def _html(self):
        kind, mark = OUTCOMES[self.outcome]
        return (
            f'<div class="verdict {kind}">\n'
            f'<p class="verdict-outcome"><strong><span aria-hidden="true">{mark}'
            f"</span> Claim {escape(self.claim)} {escape(self.outcome)}.</strong></p>\n"
            f'<p class="verdict-figure">{escape(self.figure)}</p>\n'
            f'<p class="verdict-conditions">{escape(self.conditions)}</p>\n</div>'
        )


def record_verdict(
    chapter, claim, *, outcome, figure, conditions, opponent, doubt, short=""
):
    """Record what a chapter found about a claim, and show it.

    When the book is built, the environment variable ``PARTIALPOOL_VERDICTS``
    names a folder: the verdict is added to ``<chapter>.json`` there, for the
    pages that collect verdicts. Elsewhere it is only shown.

    Parameters
    ----------
    chapter : str
        The chapter's file name without ending, such as ``"no-pooling"``.
    claim : str
        ``"C1"`` to ``"C12"``.
    outcome : str
        ``"holds"``, ``"holds with conditions"`` or ``"does not hold"``.
    figure : str
        A sentence with the number that decides and its uncertainty, composed
        from computed values.
    conditions : str
        A sentence: where it holds, and where it does not.
    opponent : str
        The strongest rival that the claim was tested against. The box leaves this and
        the next out; the page that collects the verdicts shows them.
    doubt : str
        A sentence: how the verdict could be wrong.
    short : str, optional
        The sentence of the front page: at most 25 words, one number among them,
        which like all others is computed. Conditions stay in the chapter.

    Returns
    -------
    Verdict
        Leave it as the last line of a cell to show its box.

    Raises
    ------
    ValueError
        If the claim or the outcome is not one of those above, a sentence is
        empty, or the short one is too long or has no number.

    Examples
    --------
    >>> record_verdict(
    ...     "no-pooling",
    ...     "C2",
    ...     outcome="holds",
    ...     figure="Error 0.20 against 0.12.",
    ...     conditions="With groups of fewer than ten.",
    ...     opponent="a GLM with predictors",
    ...     doubt="One census, one year.",
    ... )  # doctest: +ELLIPSIS
    Verdict(chapter='no-pooling', claim='C2', outcome='holds', ...)
    """
    if claim not in {f"C{k}" for k in range(1, 13)}:
        raise ValueError(f"claim is {claim!r}: give C1 to C12.")
    if outcome not in OUTCOMES:
        raise ValueError(f"outcome is {outcome!r}: give one of {', '.join(OUTCOMES)}.")
    sentences = {"figure": figure, "conditions": conditions}
    sentences |= {"opponent": opponent, "doubt": doubt}
    for name, sentence in sentences.items():
        if not sentence.strip():
            raise ValueError(f"{name} is empty: give a sentence.")
    if short:
        _check_short(short)
    verdict = Verdict(chapter, claim, outcome, **sentences, short=short)
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder:
        _keep(verdict, Path(folder))
    return verdict


def _check_short(sentence):
    words = len(sentence.split())
    if words > MOST_WORDS:
        raise ValueError(f"short has {words} words: {MOST_WORDS} are allowed.")
    if not re.search(r"\d", sentence):
        raise ValueError("short has no number: give the one that decides.")


def _keep(verdict, folder):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{verdict.chapter}.json"
    kept = json.loads(path.read_text("utf-8")) if path.exists() else []
    kept.append(asdict(verdict))
    path.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", "utf-8")

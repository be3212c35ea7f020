"""Run every chapter three times, and find the first output that differs."""

import shutil

from jupyter_cache import get_cache

from book._ext.execution import ROOT, chapters, executed
from book.chapters import run_chapters, say

FOLDER = ROOT / "_build" / "reproduce"


def run_and_compare():
    """Compare two runs from nothing, and one of them with a run after it.

    A first run compiles every model, a later one finds it compiled: both must
    give the same numbers, or a reader's second look differs from the first.
    """
    shutil.rmtree(FOLDER, ignore_errors=True)
    for name, compiled in [("cold", "a"), ("cold again", "b"), ("warm", "b")]:
        say(f"\n{name}:")
        if not run_chapters(FOLDER / name, FOLDER / f"compiled-{compiled}"):
            return 1
    say("")
    same = [report("cold", "cold again"), report("cold", "warm")]
    return 0 if all(same) else 1


def report(one, other):
    """Print whether two runs agree; say so."""
    difference = first_difference(FOLDER / one, FOLDER / other)
    say(f"{one} and {other}: {difference or 'identical outputs'}")
    return difference is None


def first_difference(one, other):
    """Describe the first output that is not the same in two folders of results."""
    caches = get_cache(one), get_cache(other)
    for chapter in chapters():
        left, right = (executed(chapter, cache) for cache in caches)
        for number, cells in enumerate(zip(left.cells, right.cells, strict=True), 1):
            difference = _compare(*(_shown(cell) for cell in cells))
            if difference:
                name = f"cell {number} (id {cells[0].get('id')})"
                return f"chapter {chapter.stem}, {name}: {difference}"
    return None


def _shown(cell):
    """List the outputs of a cell that are on its page and must not change.

    The stream of messages is not on it: PyMC writes there how long it sampled. A
    cell tagged ``timing`` shows seconds, which differ from run to run.
    """
    if "timing" in cell.metadata.get("tags", []):
        return []
    outputs = cell.get("outputs", [])
    return [output for output in outputs if output.get("name") != "stderr"]


def _compare(one, other):
    """Describe the first difference between the outputs of one cell."""
    if len(one) != len(other):
        return f"{len(one)} outputs against {len(other)}"
    for left, right in zip(one, other, strict=True):
        left, right = _contents(left), _contents(right)
        for kind in sorted({*left, *right}):
            if left.get(kind) != right.get(kind):
                return _first_line(kind, left.get(kind), right.get(kind))
    return None


def _contents(output):
    """Give the contents of an output by kind: text, image, error."""
    return dict(output.get("data", {})) | {
        key: output[key] for key in ("text", "ename", "evalue") if key in output
    }


def _first_line(kind, left, right):
    """Show where two contents part; of pictures in bytes only that they do."""
    if not (isinstance(left, str) and isinstance(right, str)) or "png" in kind:
        return f"{kind} differs"
    lines = zip(left.splitlines(), right.splitlines(), strict=False)
    for number, (was, now) in enumerate(lines, 1):
        if was != now:
            return f"{kind}, line {number}:\n  {was[:200]}\n  {now[:200]}"
    return f"{kind} differs in length"

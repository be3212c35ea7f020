"""What make calls: book, test, lab, reproduce and review, one function each."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from book._ext.execution import ROOT, ChapterError, cache_path, verified_verdicts
from book.chapters import drop_old_caches, kernel_environment, run_chapters, say

BIN = Path(sys.executable).parent
HTML = ROOT / "_build" / "html"


def book():
    """Run what changed, build the site, print its address."""
    started = time.monotonic()
    if not (run_all_chapters() and build_site()):
        return 1
    say(f"done in {time.monotonic() - started:.0f} s: {(HTML / 'index.html').as_uri()}")
    return 0


def test():
    """Check everything; the parts that can still run do so after a failure."""
    parts = Parts()
    parts.check("style", lint)
    parts.check("code", test_code)
    if parts.check("chapters", run_all_chapters):
        # After a failed strict build the pages are there, and are worth checking.
        parts.check("site", lambda: build_site(strict=True))
        parts.check("pages", test_pages)
    return parts.summary()


def lab():
    """Open the chapters with the settings that the book runs them with."""
    command = [BIN / "jupyter", "lab", "--notebook-dir", ROOT / "notebooks"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        # In a container one is root, and there Jupyter starts only when told so.
        command.append("--allow-root")
    return subprocess.run(command, env=kernel_environment(), check=False).returncode


def reproduce():
    """Run every chapter three times and compare all outputs."""
    from book.reproduce import run_and_compare

    return run_and_compare()


def review():
    """Run what changed, and keep the verdicts and the picture as reviewed."""
    from book.review import accept

    return accept() if run_all_chapters() else 1


# The parts --------------------------------------------------------------------


class Parts:
    """The parts of make test: what each came to, and its seconds."""

    def __init__(self):
        self.results = []

    def check(self, name, part):
        """Run one part, remember how it went, and say whether it passed."""
        say(f"\n== {name} ==")
        started = time.monotonic()
        passed = part()
        self.results.append((name, passed, time.monotonic() - started))
        return passed

    def summary(self):
        """Print all parts; give the exit code."""
        say("\n== summary ==")
        for name, passed, seconds in self.results:
            say(f"{name:10} {'passed' if passed else 'FAILED'} {seconds:6.0f} s")
        total = sum(seconds for *_, seconds in self.results)
        passed = all(passed for _, passed, _ in self.results)
        say(f"{'all' if passed else 'NOT ALL'} passed in {total:.0f} s")
        return 0 if passed else 1


def run_all_chapters():
    """Run the chapters that have no result yet, and check all verdicts."""
    path = cache_path()
    ran = run_chapters(path)
    drop_old_caches(path.parent)
    if not ran:
        return False
    try:
        verified_verdicts(path)
    except ChapterError as error:
        say(f"FAILED: {error}")
        return False
    return True


def lint():
    """Check style and format of modules and notebooks."""
    good = call([BIN / "ruff", "check", "."])
    return call([BIN / "ruff", "format", "--check", "."]) and good


def test_code():
    """Test what needs no site: the package, its examples, the notebooks' rules."""
    return pytest(
        "--doctest-modules",
        "--ignore=tests/test_book.py",
        "--ignore=tests/test_review.py",
        "--ignore=tests/browser",
        "partialpool",
        "tests",
    )


def test_pages():
    """Test the built site, as files and in a browser."""
    parts = ["tests/test_review.py", "tests/test_book.py", "tests/browser"]
    return pytest(*(part for part in parts if (ROOT / part).exists()), BOOK_BUILT="1")


def pytest(*arguments, **settings):
    """Run pytest as the chapters' kernels are run; say why a test is skipped."""
    command = [sys.executable, "-m", "pytest", "-q", "-rs", *arguments]
    return call(command, env=kernel_environment() | settings)


def call(command, **options):
    """Run a program in the root of the book; say whether it succeeded."""
    return subprocess.run(command, cwd=ROOT, check=False, **options).returncode == 0


# The site ---------------------------------------------------------------------


def build_site(strict=False):
    """Turn the stored results into pages; a warning is a failure.

    With strict, every page is read again, and so are references into the package.
    """
    started = time.monotonic()
    key = ROOT / "_build" / "site.key"
    if strict or not key.exists() or key.read_text() != site_key():
        # Sphinx leaves pages behind whose source is gone, and an incremental
        # build is silent on warnings in pages that it does not read again.
        shutil.rmtree(HTML, ignore_errors=True)
        shutil.rmtree(ROOT / "_build" / ".doctrees", ignore_errors=True)
    key.unlink(missing_ok=True)
    # All pages are written, also after a warning, so that one can look at them.
    options = ["-W", "--keep-going", *(["-n", "--all"] if strict else [])]
    built = run_sphinx(options)
    if built:
        key.write_text(site_key())
    say(f"site: {'built' if built else 'FAILED'}, {time.monotonic() - started:.0f} s")
    return built


def run_sphinx(options):
    """Call Jupyter Book; show its warnings and errors, and no more."""
    command = [BIN / "jupyter-book", "build", "-q", *options, "."]
    # A session of its own: Ctrl-C comes to us, and we end it in silence.
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _, errors = process.communicate()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    if "There was an error in building your book" in errors:
        # Jupyter Book adds tracebacks to what Sphinx has said already.
        errors = errors.split("Traceback (most recent call last):")[0]
    say_if_any(errors)
    return process.returncode == 0 and not ran_by_itself()


def ran_by_itself():
    """Say whether MyST-NB ran chapters: only without our extension can it do so."""
    found = (ROOT / "_build" / ".jupyter_cache").exists()
    if found:
        say("FAILED: _config.yml does not load the extension book/_ext/execution.py")
        shutil.rmtree(ROOT / "_build" / ".jupyter_cache")
    return found


def say_if_any(text):
    """Print a text that is not blank, without colours: it may go into a log."""
    if text.strip():
        say(re.sub(r"\x1b\[[0-9;]*m", "", text).strip())


def site_key():
    """Hash what an incremental build would miss.

    That is the names of all pages, the configuration, the extensions and the
    versions installed. The contents of the pages Sphinx looks at itself.
    """
    digest = hashlib.sha256()
    for folder in ("book", "notebooks"):
        for path in sorted((ROOT / folder).rglob("*")):
            if "__pycache__" not in path.parts:
                digest.update(path.relative_to(ROOT).as_posix().encode())
    for path in [
        *sorted((ROOT / "book" / "_ext").glob("*.py")),
        *(ROOT / name for name in ("_config.yml", "_toc.yml", "requirements.txt")),
    ]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


COMMANDS = {
    "book": book,
    "test": test,
    "lab": lab,
    "reproduce": reproduce,
    "review": review,
}


def main(arguments):
    """Run the command named; Ctrl-C and a polite kill end it without a traceback."""
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        say(f"usage: python -m book.build {'|'.join(COMMANDS)}")
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return COMMANDS[arguments[0]]()
    except KeyboardInterrupt:
        say("\nstopped")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

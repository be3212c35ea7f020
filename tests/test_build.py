"""The build, tried on a book of two chapters that is made here."""

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import nbformat.v4
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parents[1]
# The fewest extensions that make a page: most of a build's seconds are imports.
CONFIG = """\
title: Tiny
only_build_toc_files: true
execute: {execute_notebooks: cache, stderr_output: remove}
sphinx:
  local_extensions: {book._ext.execution: .}
  config:
    extensions:
      [myst_nb, jupyter_book, sphinx_comments, sphinx_external_toc, book._ext.execution]
    html_theme: basic
    html_theme_options: {}
    suppress_warnings: [config, mystnb.unknown_mime_type]
"""
MODULES = [
    "__init__.py",
    "build.py",
    "chapters.py",
    "reproduce.py",
    "_ext/__init__.py",
    "_ext/execution.py",
]
TOC = """\
format: jb-book
root: index
chapters:
  - file: notebooks/one
  - file: notebooks/two
"""
PACKAGE = """\
ANSWER = 41


class Verdict(dict):
    def _repr_mimebundle_(self, include=None, exclude=None):
        kind = "application/vnd.partialpool.verdict+json"
        return {"text/plain": "a verdict", kind: dict(self)}


def record(**verdict):
    import json, os, pathlib

    path = pathlib.Path(os.environ["PARTIALPOOL_VERDICTS"], "one.json")
    path.write_text(json.dumps([verdict]))
    return Verdict(verdict)
"""
CHAPTER_ONE = [
    "import partialpool",
    "print('the answer is', partialpool.ANSWER)",
    "partialpool.record(claim='C1', outcome='holds')",
]
CHAPTER_TWO = ["import os", "print('seed', os.environ['PYTHONHASHSEED'])"]


class TinyBook:
    """A book of two chapters in a folder of its own."""

    def __init__(self, root):
        self.root = root

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def write_chapter(self, slug, sources, text="Prose.", **metadata):
        title = new_markdown_cell(f"(sec-{slug})=\n# Chapter {slug}\n\n{text}")
        code = [new_code_cell(source, metadata=metadata) for source in sources]
        for number, cell in enumerate([title, *code], start=1):
            cell.id = f"{slug}-{number}"
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = new_notebook(cells=[title, *code], metadata={"kernelspec": kernel})
        self.write(f"notebooks/{slug}.ipynb", nbformat.v4.writes(notebook) + "\n")

    def command(self, what):
        """Give the command and environment that run a function of build.py."""
        code = (
            "import sys; from book import build; "
            f"result = build.{what}; "
            "sys.exit(result if type(result) is int else not result)"
        )
        # The tiny package, not the installed one. Without bytecode: an edit within
        # the same second would not be seen.
        extra = {"PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1"}
        return [sys.executable, "-c", code], os.environ | extra

    def run(self, what="main(['book'])"):
        """Run a function of build.py; return its exit code and what it printed."""
        command, environment = self.command(what)
        done = subprocess.run(
            command,
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def page(self, slug):
        path = self.root / "_build" / "html" / "notebooks" / f"{slug}.html"
        return path.read_text(encoding="utf-8")

    def verdict_file(self, name="one"):
        (folder,) = (self.root / "_build" / "cache").glob("*/verdicts")
        return folder / f"{name}.json"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    book = TinyBook(tmp_path_factory.mktemp("built"))
    for name in MODULES:
        book.write(f"book/{name}", (ROOT / "book" / name).read_text(encoding="utf-8"))
    book.write("_config.yml", CONFIG)
    book.write("_toc.yml", TOC)
    book.write("index.md", "# Tiny\n\nSee [](#sec-one).\n")
    book.write("requirements.txt", "")
    book.write("partialpool/__init__.py", PACKAGE)
    # jsonschema can do without this package, whose import takes longer than a chapter.
    book.write("rfc3987_syntax.py", "raise ImportError")
    book.write_chapter("one", CHAPTER_ONE)
    book.write_chapter("two", CHAPTER_TWO)
    code, printed = book.run()
    assert code == 0, printed
    book.printed = printed
    return book


@pytest.fixture
def book(built, tmp_path):
    """Give each test a copy, results included."""
    shutil.copytree(built.root, tmp_path / "book copy")
    return TinyBook(tmp_path / "book copy")


def test_first_build_says_what_it_does(built):
    assert "2 to run" in built.printed
    assert re.search(r"chapter 1 of 2  one … \d+ s", built.printed)
    assert "2 run, 0 unchanged, 0 failed" in built.printed
    assert (built.root / "_build" / "html" / "index.html").as_uri() in built.printed
    assert "the answer is 41" in built.page("one")
    assert "seed 0" in built.page("two")


def test_edits_of_prose_and_captions_execute_nothing(book):
    caption = {"figure": {"caption": "New caption", "name": "fig-two-new"}}
    book.write_chapter("one", CHAPTER_ONE, text="Other prose.")
    book.write_chapter("two", CHAPTER_TWO, text="More prose.", mystnb=caption)
    code, printed = book.run()
    assert code == 0, printed
    assert "0 run, 2 unchanged" in printed
    assert "Other prose." in book.page("one")
    assert "the answer is 41" in book.page("one")
    assert "More prose." in book.page("two")
    assert "seed 0" in book.page("two")


def test_an_edit_of_the_package_runs_the_chapters_again(book):
    book.write("partialpool/__init__.py", PACKAGE.replace("41", "42"))
    code, printed = book.run()
    assert code == 0, printed
    assert "2 run, 0 unchanged" in printed
    assert "the answer is 42" in book.page("one")


def test_an_edit_of_one_chapter_runs_that_chapter(book):
    book.write_chapter("two", [*CHAPTER_TWO, "print('new cell')"])
    code, printed = book.run("run_all_chapters()")
    assert code == 0, printed
    assert "1 run, 1 unchanged" in printed


def test_a_cell_that_raises_stops_the_build_and_no_other_chapter(book):
    book.write_chapter("one", [*CHAPTER_ONE, "x = 1\nraise ValueError('no pay')"])
    book.write_chapter("two", ["print('other chapter')"])
    code, printed = book.run()
    assert code == 1
    assert "chapter one, cell 5 (id one-5)" in printed
    assert "| raise ValueError('no pay')" in printed
    assert "ValueError: no pay" in printed
    assert re.search(r"chapter 2 of 2  two … \d+ s", printed)
    assert "Traceback" not in printed
    # Once more: neither the failure nor what went before it is taken as done.
    code, printed = book.run()
    assert code == 1
    assert "0 run, 1 unchanged, 1 failed" in printed


@pytest.mark.parametrize("change", ["edit", "drop", "stray"])
def test_a_verdict_that_no_cell_computed_stops_the_build(book, change):
    path = book.verdict_file()
    verdicts = json.loads(path.read_text())
    if change == "edit":
        path.write_text(json.dumps([{**verdicts[0], "outcome": "does not hold"}]))
    elif change == "drop":
        path.unlink()
    else:
        book.verdict_file("ghost").write_text(json.dumps(verdicts))
    code, printed = book.run()
    assert code == 1
    assert "FAILED: " in printed
    assert (
        "no chapter" if change == "stray" else "chapter one: the verdicts"
    ) in printed


def test_sphinx_itself_refuses_results_that_are_not_in_order(book):
    book.verdict_file().write_text("[]")
    code, printed = book.run("build_site()")
    assert code == 1
    assert "chapter one: the verdicts" in printed
    shutil.rmtree(book.root / "_build" / "cache")
    code, printed = book.run("build_site()")
    assert code == 1
    assert "not run yet with the package as it is: one, two" in printed


@pytest.mark.parametrize("what", ["build_site(strict=True)", "main(['book'])"])
def test_a_broken_reference_fails_the_build(book, what):
    book.write("index.md", "# Tiny\n\nSee [](#sec-nowhere).\n")
    code, printed = book.run(what)
    assert code == 1
    assert "sec-nowhere" in printed
    assert "site: FAILED" in printed
    # The pages are there all the same, and the next build is not silent about them.
    assert "Tiny" in (book.root / "_build" / "html" / "index.html").read_text()
    assert book.run(what)[0] == 1


def test_pages_of_chapters_that_are_gone_do_not_stay(book):
    book.write("_toc.yml", TOC.replace("  - file: notebooks/two\n", ""))
    (book.root / "notebooks" / "two.ipynb").unlink()
    code, printed = book.run()
    assert code == 0, printed
    assert not (book.root / "_build" / "html" / "notebooks" / "two.html").exists()


def test_ctrl_c_ends_kernels_and_shows_no_traceback(book):
    marker = book.root / "started"
    sleep = f"import os, time\nopen({str(marker)!r}, 'w').write(str(os.getpid()))"
    book.write_chapter("two", [f"{sleep}\ntime.sleep(60)"])
    command, environment = book.command("main(['book'])")
    process = subprocess.Popen(
        command,
        cwd=book.root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    wait_until(lambda: marker.exists() and marker.read_text())
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "stopped" in printed
    assert "Traceback" not in printed
    kernel = int(marker.read_text())
    wait_until(lambda: not is_running(kernel))


def wait_until(true, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_reproduce_names_the_first_difference(book):
    book.write_chapter("two", ["print('same')", "import uuid", "print(uuid.uuid4())"])
    code, printed = book.run("main(['reproduce'])")
    assert code == 1
    assert "cold and warm: chapter two, cell 4 (id two-4): text, line 1" in printed


def test_reproduce_looks_away_from_cells_that_show_seconds():
    from nbformat.v4 import new_code_cell, new_output

    from book.reproduce import _shown

    outputs = [new_output("stream", text="0.1 s")]
    timing = new_code_cell("…", outputs=outputs, metadata={"tags": ["timing"]})
    assert _shown(timing) == []
    assert _shown(new_code_cell("…", outputs=outputs)) == outputs


def test_chapters_run_again_when_a_benchmark_was_measured_again(tmp_path):
    from book._ext.execution import fingerprint

    (tmp_path / "requirements.txt").write_text("")
    before = fingerprint(tmp_path)
    results = tmp_path / "benchmarks" / "results"
    results.mkdir(parents=True)
    (results / "race.json").write_text("{}")
    assert fingerprint(tmp_path) != before


def test_a_kernel_that_does_not_start_gets_a_second_try(monkeypatch, capsys):
    from book import chapters

    tries = []

    def fail_once(self, environment):
        tries.append(environment)
        if len(tries) == 1:
            raise RuntimeError("Kernel died before replying to kernel_info")

    monkeypatch.setattr(chapters.Run, "_execute", fail_once)
    monkeypatch.setattr(chapters.nbformat, "read", lambda *args, **options: None)
    chapters.Run(Path("slow.ipynb"), "chapter 1 of 1").execute({})
    assert len(tries) == 2
    assert "slow: the kernel did not start, trying again" in capsys.readouterr().out


# The environment --------------------------------------------------------------


def run_environment(folder, *, asked="", **programs):
    """Run environment.sh with programs that print what is given, and fail if None."""
    names = ["uv", "python3.13", "python3.12", "python3", "python"]
    (folder / "bin").mkdir()
    (folder / "book").mkdir()
    for name in names:
        said = programs.get(name.replace(".", ""))
        body = "exit 127" if said is None else f"echo {said}"
        path = folder / "bin" / name
        called = f"echo {name} $@ >>{folder}/calls"
        path.write_text(f"#!/bin/sh\n{called}\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    for name in ("requirements.txt", "pyproject.toml", "book/environment.sh"):
        shutil.copy(ROOT / name, folder / name)
    return subprocess.run(
        ["sh", folder / "book" / "environment.sh"],
        env={"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "PYTHON": asked},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("programs", "found"),
    [
        ({"python3": "3.11"}, "Found Python 3.11, but"),
        ({"python3": "3.14", "python": "2.7"}, "Found Python 3.14, but"),
        ({}, "Found no Python, but"),
    ],
)
def test_wrong_python_gets_one_sentence(programs, found, tmp_path):
    done = run_environment(tmp_path, **programs)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(found)
    assert "needs Python 3.12 or 3.13" in done.stderr
    assert "https://www.python.org/downloads/" in done.stderr


@pytest.mark.parametrize(
    ("asked", "found"),
    [("python3", "Python 3.11"), ("python9", "no Python that runs")],
)
def test_a_python_that_does_not_fit_is_refused_although_another_would(
    asked, found, tmp_path
):
    done = run_environment(tmp_path, asked=asked, python3="3.11", python313="3.13")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"PYTHON={asked} is {found}, but")
    assert "needs Python 3.12 or 3.13" in done.stderr


@pytest.mark.parametrize("asked", ["", "python3.12"])
def test_an_environment_of_another_python_is_made_anew(asked, tmp_path):
    own = tmp_path / ".venv" / "bin" / "python"
    own.parent.mkdir(parents=True)
    own.write_text("#!/bin/sh\necho 3.13\n")
    own.chmod(own.stat().st_mode | stat.S_IXUSR)
    run_environment(tmp_path, asked=asked, uv="1", python312="3.12", python313="3.13")
    calls = (tmp_path / "calls").read_text().splitlines()
    made = [call for call in calls if call.startswith("uv venv")]
    assert made == ["uv venv --quiet --python python3.12 .venv"] * bool(asked)


def test_a_skipped_test_gives_its_reason(monkeypatch):
    from book import build

    commands = []
    monkeypatch.setattr(build, "call", lambda command, **_: commands.append(command))
    build.test_code()
    assert "-rs" in commands[0]


@pytest.mark.parametrize(("user", "allowed"), [(0, True), (1000, False)])
def test_lab_starts_for_root_as_in_a_container(user, allowed, monkeypatch):
    from book import build

    commands = []
    monkeypatch.setattr(build.os, "geteuid", lambda: user)
    monkeypatch.setattr(
        build.subprocess,
        "run",
        lambda command, **settings: (
            commands.append(command) or subprocess.CompletedProcess(command, 0)
        ),
    )
    assert build.lab() == 0
    assert ("--allow-root" in commands[0]) is allowed

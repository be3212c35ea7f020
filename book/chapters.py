"""Run the chapters, as many at a time as there are cores, and store their outputs.

A chapter whose code, package and versions are the ones of a stored result is not
run again. What is stored here is what the Sphinx build shows: nothing runs twice.
"""

import os
import re
import shutil
import signal
import textwrap
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.cache.db import NbCacheRecord
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from book._ext.execution import KERNEL_SETTINGS, ROOT, chapters, executed

CELL_LIMIT = 300  # seconds
HEARTBEAT = 20  # seconds without a line before one says what is going on
MEMORY_EACH = 2 * 1024**3  # bytes; what a chapter that samples may take
KEPT_CACHES = 4


def say(text):
    """Print a line at once, so that a log shows it when it happens."""
    print(text, flush=True)


def kernel_environment(compile_dir=ROOT / "_build" / "pytensor"):
    """Give the settings of every kernel: those of the book on top of the user's."""
    flags = [os.environ.get("PYTENSOR_FLAGS"), f"base_compiledir={compile_dir}"]
    return {
        **os.environ,
        **KERNEL_SETTINGS,
        "PYTENSOR_FLAGS": ",".join(filter(None, flags)),
        "NUMBA_CACHE_DIR": str(compile_dir / "numba-cache"),
        # Not the start-up files that the user may keep for IPython.
        "IPYTHONDIR": str(ROOT / "_build" / "ipython"),
        # The python3 of this environment, not one that the user registered.
        "JUPYTER_PREFER_ENV_PATH": "1",
    }


class Run:
    """One chapter on its way through a kernel of its own."""

    def __init__(self, chapter, place):
        self.chapter = chapter
        self.place = place  # such as "chapter 2 of 4  no-pooling"
        self.notebook = nbformat.read(chapter, as_version=4)
        self.client = None
        self.started = None
        self.seconds = None
        self.cell = None

    def execute(self, environment):
        """Run the cells; an error in one of them is raised here."""
        self.started = time.monotonic()
        try:
            self._execute(environment)
        except RuntimeError:
            # Between choosing ports for a kernel and using them, another program
            # can take one. Once more, unless the kernel had started.
            if self.cell is not None:
                raise
            say(f"  {self.chapter.stem}: the kernel did not start, trying again")
            self._execute(environment)
        finally:
            self.seconds = time.monotonic() - self.started

    def _execute(self, environment):
        self.client = NotebookClient(
            self.notebook,
            kernel_name="python3",
            timeout=CELL_LIMIT,
            record_timing=False,  # it would change the metadata, and so the key
            # Not the kernel's warning that local connections are not encrypted.
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
            resources={"metadata": {"path": str(self.chapter.parent)}},
            on_cell_start=self._note_cell,
        )
        self.client.execute(env=environment)

    def _note_cell(self, cell, cell_index):
        self.cell = cell_index

    def state(self):
        """Say where the chapter is."""
        seconds = time.monotonic() - self.started
        cells = len(self.notebook.cells)
        number = 0 if self.cell is None else self.cell + 1
        return f"{self.chapter.stem} at cell {number} of {cells}, {seconds:.0f} s"

    def kill(self):
        """End the kernel and the sampling processes that it started."""
        provisioner = getattr(getattr(self.client, "km", None), "provisioner", None)
        if pid := getattr(provisioner, "pid", None):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)


# What is stored ---------------------------------------------------------------


def store(run, cache):
    """Put an executed chapter where MyST-NB will look for it."""
    bundle = CacheBundleIn(
        run.notebook, str(run.chapter), data={"execution_seconds": run.seconds}
    )
    cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


def forget(slug, cache):
    """Delete the stored results of a chapter together with its verdicts."""
    for record in _records(slug, cache):
        shutil.rmtree(cache.path / "executed" / record.hashkey, ignore_errors=True)
        NbCacheRecord.remove_record(record.pk, cache.db)
    (cache.path / "verdicts" / f"{slug}.json").unlink(missing_ok=True)


def _records(slug, cache):
    records = cache.list_cache_records()
    return [record for record in records if Path(record.uri).stem == slug]


def is_stored(chapter, cache):
    """Say whether a chapter need not run."""
    with suppress(KeyError):
        return bool(executed(chapter, cache))
    return _adopt(chapter, cache)


def _adopt(chapter, cache):
    """Keep the outputs of a chapter when only its captions or tags were edited.

    The cache's key takes in the metadata of the cells, where captions live.
    """
    notebook = nbformat.read(chapter, as_version=4)
    for record in _records(chapter.stem, cache):
        with suppress(KeyError):
            old = cache.get_cache_bundle(record.pk).nb
            if _what_runs(old) == _what_runs(notebook):
                _store_under_new_key(notebook, old, record, cache)
                return True
    return False


def _what_runs(notebook):
    """Give what the outputs depend on: the code, and the tags that steer a run."""
    steering = {"raises-exception", "skip-execution"}
    return [
        (cell.source, steering & set(cell.metadata.get("tags", [])))
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def _store_under_new_key(notebook, old, record, cache):
    new_cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for new, was in zip(new_cells, old.cells, strict=True):
        new.outputs, new.execution_count = was.outputs, was.execution_count
    for key in {"language_info", "widgets"} & set(old.metadata):
        notebook.metadata[key] = old.metadata[key]
    bundle = CacheBundleIn(notebook, record.uri, data=record.data)
    cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
    shutil.rmtree(cache.path / "executed" / record.hashkey)
    NbCacheRecord.remove_record(record.pk, cache.db)


def open_cache(path):
    """Open a folder of results, without what chapters that are gone left in it."""
    (path / "verdicts").mkdir(parents=True, exist_ok=True)
    os.utime(path)
    cache = get_cache(path)
    slugs = {chapter.stem for chapter in chapters()}
    for record in cache.list_cache_records():
        if Path(record.uri).stem not in slugs:
            forget(Path(record.uri).stem, cache)
    return cache


def drop_old_caches(folder):
    """Keep the results of the last few states of the package only."""
    by_age = sorted(folder.glob("*"), key=lambda path: path.stat().st_mtime)
    for path in by_age[:-KEPT_CACHES]:
        shutil.rmtree(path)


# Running them -----------------------------------------------------------------


def run_chapters(path, compile_dir=ROOT / "_build" / "pytensor"):
    """Bring the results in a folder up to date; say whether every chapter ran."""
    cache = open_cache(path)
    started = time.monotonic()
    runs = []
    paths = chapters()
    for number, chapter in enumerate(paths, start=1):
        place = f"chapter {number} of {len(paths)}  {chapter.stem}"
        if is_stored(chapter, cache):
            say(f"{place} … unchanged")
        else:
            forget(chapter.stem, cache)
            runs.append(Run(chapter, place))
    environment = kernel_environment(compile_dir)
    environment["PARTIALPOOL_VERDICTS"] = str((path / "verdicts").resolve())
    failed = _run_all(runs, cache, environment) if runs else 0
    seconds = time.monotonic() - started
    unchanged = len(paths) - len(runs)
    say(
        f"chapters: {len(runs) - failed} run, {unchanged} unchanged, "
        f"{failed} failed, {seconds:.0f} s"
    )
    return failed == 0


def _run_all(runs, cache, environment):
    jobs = min(len(runs), cores())
    say(f"{len(runs)} to run, {jobs} at a time")
    failed = 0
    with ThreadPoolExecutor(jobs) as pool:
        waiting = {pool.submit(run.execute, environment): run for run in runs}
        try:
            while waiting:
                done, _ = wait(waiting, HEARTBEAT, FIRST_COMPLETED)
                for future in done:
                    failed += not _finish(waiting.pop(future), future, cache)
                if not done:
                    _say_states(waiting)
        except BaseException:
            _stop(pool, waiting)
            raise
    return failed


def _finish(run, future, cache):
    """Store one chapter, or show why it stopped; say whether it ran."""
    error = future.exception()
    if error is None:
        store(run, cache)
        say(f"{run.place} … {run.seconds:.0f} s")
        return True
    say(f"{run.place} … FAILED after {run.seconds or 0:.0f} s\n{_report(run, error)}")
    return False


def _say_states(waiting):
    running = [run.state() for future, run in waiting.items() if future.running()]
    say(f"  still running: {'; '.join(running)}")


def _stop(pool, waiting):
    pool.shutdown(wait=False, cancel_futures=True)
    # Again and again: a kernel may have been about to start.
    while not all(future.done() for future in waiting):
        for run in waiting.values():
            run.kill()
        time.sleep(0.2)


def _report(run, error):
    """Show the cell that stopped a chapter and what stopped it."""
    number = run.cell or 0
    cell = run.notebook.cells[number]
    title = f"chapter {run.chapter.stem}, cell {number + 1} (id {cell.get('id')})"
    what, detail = _what_happened(error)
    log = ROOT / "_build" / "reports" / f"{run.chapter.stem}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(
        f"{title}\n\n{cell.source}\n\n{what}\n\n{detail}\n", encoding="utf-8"
    )
    source = textwrap.indent(cell.source, "    | ")
    return f"  {title}:\n{source}\n  {what}\n  (in full: {log.relative_to(ROOT)})"


def _what_happened(error):
    """Give an error in a sentence and in full."""
    if isinstance(error, CellExecutionError):
        colours = re.compile(r"\x1b\[[0-9;]*m")
        return f"{error.ename}: {error.evalue}", colours.sub("", error.traceback)
    if isinstance(error, CellTimeoutError):
        return f"The cell took more than {CELL_LIMIT} s.", str(error)
    if isinstance(error, DeadKernelError):
        return "The kernel died, perhaps for want of memory.", str(error)
    return f"{type(error).__name__}: {error}", str(error)


def cores():
    """Say how many chapters to run at a time: JOBS, or what cores and memory bear."""
    if os.environ.get("JOBS"):
        return max(1, int(os.environ["JOBS"]))
    has_affinity = hasattr(os, "sched_getaffinity")
    count = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(count, memory // MEMORY_EACH))

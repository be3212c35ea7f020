"""Parquet parts of one table: each is written while the next is drawn."""

import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

BYTES_PER_ROW = 8


def check_folder(folder, rows):
    """Make a folder for so many rows, and refuse where they could not be written."""
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file: name a folder.")
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.glob("*.parquet")):
        raise FileExistsError(
            f"{folder} already holds Parquet files: empty it, or name another folder."
        )
    free, needed = shutil.disk_usage(folder).free, rows * BYTES_PER_ROW
    if needed > free:
        raise OSError(
            f"{rows:,} rows need about {needed / 1e9:.1f} GB and the disk of {folder} "
            f"has {free / 1e9:.1f} GB free: write fewer rows, or elsewhere."
        )
    _import_duckdb()
    return folder


def write_parts(tables, folder, n_parts, rows, *, progress):
    """Write so many tables, of so many rows together, to a folder that was checked.

    Files get their names when all are written.
    """
    duckdb = _import_duckdb()
    width = max(4, len(str(n_parts)))
    parts = [folder / f"part-{i:0{width}}.parquet" for i in range(1, n_parts + 1)]
    drafts = [part.with_name(part.name + ".partial") for part in parts]
    say = _Progress(rows, progress)
    try:
        for written in _write_in_turn(duckdb, tables, drafts):
            say.advance(written)
        for draft, part in zip(drafts, parts, strict=True):
            draft.replace(part)
    finally:
        # Also those that an earlier run could not take away, because it was killed.
        for draft in folder.glob("part-*.parquet.partial"):
            draft.unlink()


def _import_duckdb():
    try:
        import duckdb
    except ImportError:
        raise ImportError(
            "write_graduates needs DuckDB: install it with 'pip install duckdb'."
        ) from None
    return duckdb


def _write_in_turn(duckdb, tables, drafts):
    """Write each table while the next is drawn, and yield how many rows it had."""
    with ThreadPoolExecutor(max_workers=1) as writer:
        writing, rows = None, 0
        for table, draft in zip(tables, drafts, strict=True):
            if writing:
                writing.result()
                yield rows
            writing, rows = (
                writer.submit(_write_parquet, duckdb, table, draft),
                len(table),
            )
        writing.result()
        yield rows


def _write_parquet(duckdb, table, path):
    quoted = str(path).replace("'", "''")
    with duckdb.connect() as connection:
        connection.register("graduates", table)
        connection.execute(
            f"copy (from graduates) to '{quoted}' (format parquet, compression zstd)"
        )


class _Progress:
    """One line on the standard error stream: updated there, repeated in a log."""

    def __init__(self, total, wanted):
        self.total, self.wanted = total, wanted
        self.done, self.said, self.start = 0, 0, time.monotonic()

    def advance(self, rows):
        self.done += rows
        seconds, last = time.monotonic() - self.start, self.done == self.total
        in_place = sys.stderr.isatty()
        # In a log, a line for every tenth of the rows is enough.
        if not self.wanted or not (
            in_place or last or self.done - self.said >= self.total / 10
        ):
            return
        self.said = self.done
        text = f"{self.done:,} of {self.total:,} rows, {seconds:.1f} s"
        end = "" if in_place and not last else "\n"
        print(("\r" if in_place else "") + text, end=end, file=sys.stderr, flush=True)

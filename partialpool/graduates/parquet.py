"""Parquet files of one table: all or none, each written while the next is drawn."""

import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from partialpool.graduates.truth import KEYS

BYTES_PER_ROW = 4
# Readers take row groups in parallel, and skip those whose range a query excludes.
ROWS_PER_GROUP = 122_880


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
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise ImportError(
            "write_graduates needs PyArrow: install it with 'pip install pyarrow'."
        ) from None
    return folder


def write_tables(tables, folder, n_files, rows, *, progress):
    """Write so many tables, of so many rows together, to a folder that was checked.

    Each table has a file of its own; files get their names when all are written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    width = max(4, len(str(n_files)))
    files = [folder / f"part-{i:0{width}}.parquet" for i in range(1, n_files + 1)]
    drafts = [file.with_name(file.name + ".partial") for file in files]
    say = _Progress(rows, progress)
    try:
        for table, draft in zip(_drawn_ahead(tables), drafts, strict=True):
            batch = pa.Table.from_pandas(table, preserve_index=False)
            pq.write_table(
                batch.replace_schema_metadata(),
                draft,
                row_group_size=ROWS_PER_GROUP,
                compression="zstd",
                use_dictionary=KEYS,
                column_encoding={"graduate": "DELTA_BINARY_PACKED"},
                # Stored, Arrow's schema would tell readers of categories, not text.
                store_schema=False,
            )
            say.advance(len(table))
        for draft, file in zip(drafts, files, strict=True):
            draft.replace(file)
    finally:
        # Also those that an earlier run could not take away, because it was killed.
        for draft in folder.glob("part-*.parquet.partial"):
            draft.unlink()


def _drawn_ahead(tables):
    """Draw each table while the one before is written: both take about as long."""
    with ThreadPoolExecutor(max_workers=1) as drawer:
        drawn = drawer.submit(next, tables, None)
        while (table := drawn.result()) is not None:
            drawn = drawer.submit(next, tables, None)
            yield table


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

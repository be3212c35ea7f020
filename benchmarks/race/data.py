"""The rows of the race, in every form that an entrant may want, and its formulas."""

import tempfile
from functools import cached_property
from itertools import accumulate, pairwise
from pathlib import Path

# Nothing large is imported up here, nor in the other files of the race: Linux counts
# the memory of a process into the peak of those that it starts.

OUTCOME = "log_earnings"
COMMON = ["sex", "prior_attainment", "region"]
GROUPS = ["subject", "provider"]
BY = [*GROUPS, *COMMON]
COMPLETE = f"{OUTCOME} ~ {' + '.join(COMMON)}"
NONE = f"{COMPLETE} + {' + '.join(GROUPS)}"
PARTIAL = f"{COMPLETE} + (1|subject) + (1|provider)"
# Subject within provider as groups too, and a gap between the sexes for each subject.
FULLER = f"{COMPLETE} + (sex|subject) + (1|provider) + (1|subject:provider)"
EMPLOYED = "employed ~ sex + (1|subject) + (1|provider)"
EMPLOYED_BY = ["sex", "subject", "provider"]
SEED = 2026
# More rows than this are these rows many times over.
MOST_WRITTEN = 100_000_000


class Data:
    """So many rows with earnings, or of graduates employed or not, in a folder."""

    def __init__(self, folder, rows, employed=False):
        self.rows = rows
        self.employed = employed
        self.outcome = "employed" if employed else OUTCOME
        self.labels = EMPLOYED_BY if employed else BY
        self.path = folder / f"{'employed' if employed else 'earnings'}-{rows}"
        self.path_for_r = folder / f"r-{'employed-' * employed}{rows}"

    @cached_property
    def frame(self):
        """The rows as pandas holds them best: text as categories."""
        import pyarrow.parquet as pq

        frame = pq.read_table(self.path, read_dictionary=self.labels).to_pandas()
        for name in self.labels:
            labels = sorted(frame[name].cat.categories)
            frame[name] = frame[name].cat.set_categories(labels)
        return frame

    @property
    def y(self):
        """The outcome as an array."""
        return self.frame[self.outcome].to_numpy()

    @cached_property
    def complete(self):
        """Intercept and the dummies of the common columns."""
        return dummies(self.frame, COMMON)

    @cached_property
    def no_pooling(self):
        """Those, and the dummies of subject and provider."""
        return dummies(self.frame, [*COMMON, *GROUPS])

    def cells(self, by=None):
        """Collapse the file to cells, of all labels unless it says otherwise."""
        import partialpool as pool

        return pool.collapse(self.path, self.outcome, by=by or self.labels)

    def write(self):
        """Write the Parquet files, unless they are there."""
        if self.path.exists():
            return
        if self.rows > MOST_WRITTEN:
            _repeat_rows(self)
            return
        names = ", ".join(self.labels)
        if self.employed:
            _write_rows(self, f"{names}, employed", "true")
        else:
            columns = f"{names}, ln(earnings::DOUBLE) AS {OUTCOME}"
            _write_rows(self, columns, "earnings IS NOT NULL")

    def write_for_r(self):
        """Write the rows, or the cells of yes and no, in the plainest binary form."""
        if self.path_for_r.exists():
            return
        table = self.cells() if self.employed else self.frame
        numbers = ["trials", "successes"] if self.employed else [self.outcome]
        self.path_for_r.mkdir()
        for name in numbers:
            table[name].to_numpy(float).tofile(self.path_for_r / name)
        for name in self.labels:
            column = table[name].cat
            (column.codes.to_numpy("int32") + 1).tofile(self.path_for_r / name)
            levels = "\n".join(column.categories) + "\n"
            path = self.path_for_r / f"{name}.levels"
            path.write_text(levels, encoding="utf-8")


def dummies(frame, names):
    """Write categories as an intercept and 0-1 columns, the first level left out."""
    import numpy as np

    codes = [frame[name].cat.codes.to_numpy() for name in names]
    levels = [len(frame[name].cat.categories) for name in names]
    # Column by column in memory, which LAPACK takes without a copy.
    matrix = np.zeros((len(frame), 1 + sum(levels) - len(levels)), order="F")
    matrix[:, 0] = 1
    column = 1
    for code, count in zip(codes, levels, strict=True):
        for level in range(1, count):
            matrix[:, column] = code == level
            column += 1
    return matrix


def connect():
    """Open a DuckDB in memory that draws no progress bars."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET enable_progress_bar = false")
    return connection


def _write_rows(data, columns, wanted):
    """Write exactly so many of the wanted rows, shuffled, whole or not at all."""
    with tempfile.TemporaryDirectory(dir=data.path.parent) as work:
        sources = _write_graduates(Path(work) / "graduates", data.rows)
        draft = Path(work) / "draft"
        draft.mkdir()
        connection = connect()
        quotas = _share_out(data.rows, _count(connection, sources, wanted))
        for i, (source, quota) in enumerate(zip(sources, quotas, strict=True), 1):
            connection.execute(
                f"COPY (SELECT {columns} FROM (FROM '{source}' WHERE {wanted} "
                f"ORDER BY hash(graduate) LIMIT {quota}) ORDER BY hash(graduate, 1)) "
                f"TO '{draft}/part-{i:04}.parquet' (FORMAT parquet, COMPRESSION zstd)"
            )
        draft.rename(data.path)


def _repeat_rows(data):
    """Link the files of the most rows that are written, until there are enough."""
    once = Data(data.path.parent, MOST_WRITTEN, data.employed)
    once.write()
    times, rest = divmod(data.rows, MOST_WRITTEN)
    if rest:
        raise ValueError(f"Beyond {MOST_WRITTEN:,} rows, ask for a multiple of it.")
    with tempfile.TemporaryDirectory(dir=data.path.parent) as work:
        draft = Path(work) / "draft"
        draft.mkdir()
        for source in once.path.glob("*.parquet"):
            for i in range(times):
                (draft / f"{source.stem}-{i:02}.parquet").hardlink_to(source)
        draft.rename(data.path)


def _write_graduates(folder, rows):
    """Write graduates, more than enough: 72 in 100 have earnings."""
    import partialpool as pool

    # The truth hangs on the seed alone, so that all sizes share it.
    pool.write_graduates(folder, int(rows / 0.7) + 1_000, seed=SEED, progress=False)
    return sorted(folder.glob("*.parquet"))


def _count(connection, sources, wanted):
    """Count the rows of each file that may be used."""
    queries = [f"SELECT count(*) FROM '{path}' WHERE {wanted}" for path in sources]
    return [connection.execute(query).fetchone()[0] for query in queries]


def _share_out(rows, counts):
    """Divide so many rows among files, in proportion to their counts."""
    ends = list(accumulate(counts, initial=0))
    quotas = pairwise(rows * end // ends[-1] for end in ends)
    return [end - start for start, end in quotas]

"""Time every way to fit one crossed model to the same rows, in one run.

The model is that of the book: log earnings of synthetic graduates by sex, prior
attainment and region, with effects of 34 subjects and 150 providers. The entrants
are the exact posterior of this package, generalised linear models with and without
dummies, lme4 and its kin, and NUTS. Each is timed at its best setting; the README of
the benchmarks says what is compared with what, and why that is fair.

Run it as ``python -m benchmarks.race [--rows 1e3 1e4 …] [--only name …]``; what has
a result is skipped without ``--again``, so a stopped run can go on.
"""

import argparse
import json
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.race.entrants import ENTRANTS, choose
from benchmarks.race.results import Results, print_ratios
from benchmarks.race.tasks import Task, run_process, run_r, run_task

RESULTS = Path(__file__).parents[1] / "results" / "race.json"
SIZES = [1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000]
QUICK_SIZES = [1_000]

# How often an entrant is repeated, and for about how many seconds in all.
PACE = {"fewest": 3, "most": 9, "seconds": 10}
QUICK_PACE = {"fewest": 2, "most": 2, "seconds": 1}

# Seconds that a process may take: with many entrants or rows to write, for the memory
# of one entrant, for one that runs alone, and for one in R.
LONG_LIMIT, PEAK_LIMIT, ALONE_LIMIT, R_LIMIT = 3_600, 600, 240, 480
IMPORT = """
import time
start = time.perf_counter()
import partialpool
print(time.perf_counter() - start)
"""


@dataclass
class Race:
    """All processes of a run, one after the other."""

    # Of the Parquet files.
    folder: Path
    results: Results
    # That of a `Task`.
    pace: dict
    # Whether to redo what has a result.
    again: bool

    def run(self, rows, entrants):
        """Run all entrants that are due for so many rows."""
        found = self.results.find
        due = [e for e in entrants if self.again or not found(e.name, rows)]
        for employed in (False, True):
            mine = [entrant for entrant in due if entrant.employed == employed]
            if mine:
                self._write(rows, mine)
                self._run_turns(rows, [e for e in mine if e.how == "turns"])
                self._run_each(rows, [e for e in mine if e.how != "turns"])

    def time_import(self):
        """Time the import of the package, each time in a fresh process."""
        if self.again or "import_seconds" not in self.results.content:
            command = [sys.executable, "-c", IMPORT]
            texts = [run_process(command, 60)[0] for _ in range(1 + self.pace["most"])]
            self.results.note("import_seconds", median(map(float, texts[1:])))

    def _task(self, do, rows, entrants, setting=""):
        names = [entrant.name for entrant in entrants]
        return Task(do, str(self.folder), rows, names, self.pace, setting)

    def _write(self, rows, entrants):
        _, _, fault = run_task(self._task("write_rows", rows, entrants), LONG_LIMIT)
        if fault:
            raise SystemExit(f"The rows could not be written: {fault}")

    def _run_turns(self, rows, entrants):
        if not entrants:
            return
        task = self._task("take_turns", rows, entrants)
        reports, _, fault = run_task(task, LONG_LIMIT)
        for entrant in entrants:
            report = (reports or {}).get(entrant.name, {"failed": fault})
            if not report.get("failed"):
                task = self._task("fit_once", rows, [entrant], report["setting"])
                report["peak_mb"] = run_task(task, PEAK_LIMIT)[1]
            self.results.add(entrant, rows, report)

    def _run_each(self, rows, entrants):
        for entrant in entrants:
            task = self._task("fit_alone", rows, [entrant])
            if entrant.how == "R":
                report, peak, fault = run_r(task, R_LIMIT)
            else:
                report, peak, fault = run_task(task, ALONE_LIMIT, threads=1)
            report = report or {"failed": fault}
            self.results.add(entrant, rows, report | {"peak_mb": peak})


def read_arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Time every way to fit one model.")
    add = parser.add_argument
    add("--rows", nargs="+", type=lambda text: int(float(text)), metavar="1e3")
    add("--only", nargs="+", default=[], metavar="NAME", help="entrants or families")
    add("--without", nargs="+", default=[], metavar="NAME", help="leave these out")
    add("--again", action="store_true", help="redo what has a result")
    add("--quick", action="store_true", help="try it out: results in the data folder")
    add("--data", type=Path, help="folder for the Parquet files")
    add("--list", action="store_true", help="list the entrants, no more")
    add("--ratios", action="store_true", help="print the ratios, no more")
    return parser.parse_args()


def main():
    """Run the race, or the part of it that the command line asks for."""
    chosen = read_arguments()
    if chosen.list:
        for each in ENTRANTS:
            print(f"{each.name:32} {each.family:10} {each.most:>11,}  {each.does}")
    elif chosen.ratios:
        print_ratios(json.loads(RESULTS.read_text(encoding="utf-8")))
    else:
        run_race(chosen)


def run_race(chosen):
    """Run the race, size by size, and print what it comes to."""
    folder = (
        chosen.data or Path(tempfile.gettempdir()) / "partialpool-race"
    ) / "shuffled"
    folder.mkdir(parents=True, exist_ok=True)
    sizes, pace, path = SIZES, PACE, RESULTS
    if chosen.quick:
        sizes, pace, path = QUICK_SIZES, QUICK_PACE, folder / "quick.json"
    path.parent.mkdir(exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped; run me to go on."))
    entrants = choose(chosen.only, chosen.without)
    race = Race(folder, Results(path), pace, chosen.again)
    for rows in chosen.rows or sizes:
        race.run(rows, [e for e in entrants if e.least <= rows <= e.most])
    race.time_import()
    print_ratios(race.results.content)


if __name__ == "__main__":
    main()

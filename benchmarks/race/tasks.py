"""The tasks of the race, each done in a process of its own, watched from outside."""

import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import median

from benchmarks.race.data import Data
from benchmarks.race.entrants import ENTRANTS, Entrant

# A first call that takes LONG is one of the repetitions, a shorter one only warms up;
# settings are compared by the best of three calls where a call is SHORT.
SHORT, LONG = 1, 10
# The name of this module, which is __main__ in a process of its own.
MODULE = "benchmarks.race.tasks"


@dataclass
class Task:
    """What a process has to do, in plain values that go into JSON."""

    # Name of one of TASKS.
    do: str
    # Folder of the rows.
    place: str
    rows: int
    # Of the entrants.
    names: list
    # How many repetitions ("fewest", "most"), and for about how many "seconds".
    pace: dict
    # The one that `fit_once` uses.
    setting: str = ""
    # File for what was found.
    answer: str = ""

    @property
    def entrants(self):
        """The entrants themselves, in the order of the list."""
        return [entrant for entrant in ENTRANTS if entrant.name in self.names]

    @cached_property
    def data(self):
        """The rows, for the kind of entrant that there is."""
        return Data(Path(self.place), self.rows, self.entrants[0].employed)


@dataclass
class Run:
    """An entrant on the starting line with one of its settings, and its times."""

    entrant: Entrant
    setting: str
    fit: Callable
    # How many repetitions.
    wanted: int = 0
    seconds: list = field(default_factory=list)
    parts: list = field(default_factory=list)
    result: object = None

    def go(self):
        """Fit once more, and note the time."""
        gc.collect()
        start = time.perf_counter()
        parts, self.result = self.fit()
        self.seconds.append(time.perf_counter() - start)
        self.parts.append(parts)

    def report(self):
        """Sum up: medians, and what the last result says."""
        names = self.parts[0]
        return {
            "setting": self.setting,
            "repetitions": self.seconds,
            "parts": {
                name: median(part[name] for part in self.parts) for name in names
            },
            **self.entrant.describe(self.result),
        }


def take_turns(task):
    """Warm each entrant up, then let all fit in turn, and report on each."""
    reports, runs = {}, []
    for entrant in task.entrants:
        try:
            runs.append(_warm_up(entrant, task))
        except Exception as error:
            reports[entrant.name] = {"failed": _describe_error(error)}
    while waiting := [run for run in runs if len(run.seconds) < run.wanted]:
        for run in waiting:
            run.go()
    return reports | {run.entrant.name: run.report() for run in runs}


def _warm_up(entrant, task):
    """Try every setting, and take the quickest; a call that takes long counts."""
    tried = [Run(entrant, *each) for each in entrant.make(task.data).items()]
    for run in tried:
        run.go()
        # The first call of all pays for what later ones find ready.
        while len(tried) > 1 and run.seconds[-1] < SHORT and len(run.seconds) < 3:
            run.go()
    run = min(tried, key=lambda run: min(run.seconds))
    one, pace = min(run.seconds), task.pace
    run.wanted = max(pace["fewest"], min(pace["most"], int(pace["seconds"] / one)))
    if one < LONG:
        run.seconds, run.parts = [], []
    return run


def _describe_error(error):
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first[:160]}"


def fit_once(task):
    """Fit once and say nothing: for the memory that it takes."""
    (entrant,) = task.entrants
    entrant.make(task.data)[task.setting]()
    return {}


def fit_alone(task):
    """Run an entrant that reports for itself."""
    (entrant,) = task.entrants
    try:
        return entrant.make(task.data)
    except Exception as error:
        return {"failed": _describe_error(error)}


def write_rows(task):
    """Write the rows that the entrants need, unless they are there."""
    task.data.write()
    if any(entrant.how == "R" for entrant in task.entrants):
        task.data.write_for_r()
    return {}


TASKS = {
    "take_turns": take_turns,
    "fit_once": fit_once,
    "fit_alone": fit_alone,
    "write_rows": write_rows,
}


def run_task(task, limit, threads=None):
    """Do a task in a fresh process: its report or None, peak in MB, and fault."""
    with tempfile.TemporaryDirectory() as work:
        task.answer = str(Path(work) / "answer.json")
        # A module, not a file: it then finds the package where this process found it.
        command = [sys.executable, "-m", MODULE, json.dumps(asdict(task))]
        _, peak, fault = run_process(command, limit, threads)
        if fault:
            return None, peak, fault.replace(task.place, "…")
        return json.loads(Path(task.answer).read_text(encoding="utf-8")), peak, ""


def run_r(task, limit):
    """Do the same in R, whose script prints ``seconds …`` and ``male …``."""
    script = Path(__file__).with_name("fits.R")
    command = ["Rscript", "--vanilla", str(script), *task.names]
    command.append(str(task.data.path_for_r))
    command += [str(task.pace["seconds"]), str(task.pace["most"])]
    text, peak, fault = run_process(command, limit)
    if fault:
        return None, peak, fault
    lines = [line.split() for line in text.splitlines()]
    times = [float(value) for key, value in lines if key == "seconds"]
    male = [float(value) for key, value in lines if key == "male"]
    return {"setting": "as R comes", "repetitions": times, "male": male[0]}, peak, ""


def run_process(command, limit, threads=None):
    """Run a command: what it printed, the most memory it held in MB, and its fault."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(
            command,
            stdout=out,
            stderr=errors,
            env=os.environ | _limit_threads(threads),
            start_new_session=True,
        )
        try:
            used, in_time = _wait(child, limit)
        except BaseException:
            # Stopped from outside: the child has a session of its own, and would go on.
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            raise
        out.seek(0)
        errors.seek(0)
        fault = _last_words(errors.read()) if child.returncode else ""
        text = out.read()
    # Linux counts in kilobytes, macOS in bytes.
    peak = round(used.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2))
    return text, peak, fault if in_time else f"stopped after {limit} s"


def _limit_threads(threads):
    names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"]
    return dict.fromkeys(names, str(threads)) if threads else {}


def _wait(child, limit):
    """Wait for a child as long as the limit says, and end it and its own after."""
    deadline, in_time = time.monotonic() + limit, True
    while True:
        done, status, used = os.wait4(child.pid, os.WNOHANG)
        if done:
            child.returncode = os.waitstatus_to_exitcode(status)
            return used, in_time
        if in_time and time.monotonic() > deadline:
            in_time = False
            os.killpg(child.pid, signal.SIGKILL)
        time.sleep(0.02)


def _last_words(errors):
    """What a process complained of last; R says on top that it stops."""
    lines = [line.strip() for line in errors.splitlines()]
    lines = [line for line in lines if line not in ("", "Execution halted")]
    return lines[-1][:160] if lines else "no message"


def main(text):
    """Do one task, written as JSON, and answer in the file that it names."""
    warnings.simplefilter("ignore")
    task = Task(**json.loads(text))
    report = TASKS[task.do](task)
    Path(task.answer).write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])

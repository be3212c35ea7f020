"""The benchmarks run by their names, also in the processes that they start."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.race.entrants import ENTRANTS
from benchmarks.race.tasks import Task, run_task
from benchmarks.shapes import SHAPES
from benchmarks.sums import solve_reml

ROOT = Path(__file__).resolve().parents[1]
LME4 = ROOT / "benchmarks" / "references" / "lme4.json"
PACE = {"fewest": 1, "most": 1, "seconds": 0}


@pytest.fixture(autouse=True)
def in_the_folder_of_the_book(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_the_race_runs_by_its_name():
    command = [sys.executable, "-m", "benchmarks.race", "--list"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert names == [entrant.name for entrant in ENTRANTS]


def test_a_task_is_done_in_a_process_of_its_own(tmp_path):
    names = ["gram_glm", "numpy_ols"]
    _, _, fault = run_task(Task("write_rows", str(tmp_path), 1_000, names, PACE), 120)
    assert not fault
    task = Task("take_turns", str(tmp_path), 1_000, names, PACE)
    reports, peak, fault = run_task(task, 120)
    assert not fault
    assert peak > 50
    # Two ways to the same least squares.
    first, second = (reports[name]["male"] for name in names)
    assert first == pytest.approx(second, rel=1e-6)


def test_what_goes_wrong_in_a_task_comes_back_as_a_sentence(tmp_path):
    task = Task("fit_once", str(tmp_path), 1_000, ["numpy_ols"], PACE)
    report, _, fault = run_task(task, 120)
    assert report is None
    assert "earnings-1000" in fault


def test_two_cells_say_as_much_of_a_yes_or_no_as_the_rows(tmp_path):
    names = ["binomial_glm_rows", "binomial_glm"]
    for do in ("write_rows", "take_turns"):
        task = Task(do, str(tmp_path), 2_000, names, PACE)
        reports, _, fault = run_task(task, 120)
        assert not fault
    rows, cells = (reports[name]["male"] for name in names)
    assert rows == pytest.approx(cells, rel=1e-6)


@pytest.mark.parametrize("name", ["crossed", "nested"])
def test_point_estimates_from_sums_are_those_of_lme4(name):
    shape = SHAPES[name]
    estimates, errors, sds = solve_reml(shape.formula, shape.make())
    lme4 = json.loads(LME4.read_text(encoding="utf-8"))["fits"][name]
    fixed = lme4["fixed"].values()
    wanted = [term["estimate"] for term in fixed]
    np.testing.assert_allclose(estimates, wanted, rtol=1e-4)
    np.testing.assert_allclose(errors, [term["se"] for term in fixed], rtol=1e-4)
    wanted = sorted([lme4["sigma"], *lme4["sds"].values()])
    np.testing.assert_allclose(np.sort(sds), wanted, rtol=1e-4)

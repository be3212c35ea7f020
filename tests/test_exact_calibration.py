"""Tests of calibration: true values have uniform ranks among the draws."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import partialpool as pool
from benchmarks import calibration


def test_true_values_have_uniform_ranks():
    found = calibration.calibrate("crossed", data_sets=80, draws=200)
    for name, tests in found["parameters"].items():
        assert tests["p"] > 0.05 / len(found["parameters"]), (name, tests)


@pytest.fixture(scope="module")
def calibrated():
    return json.loads(calibration.REFERENCE.read_text(encoding="utf-8"))["shapes"]


def test_the_stored_calibration_is_of_the_shapes_as_they_are(calibrated):
    assert set(calibrated) == set(calibration.SHAPES)
    for name, shape in calibration.SHAPES.items():
        stored = calibrated[name]
        assert stored["formula"] == shape.formula
        assert (stored["rows"], stored["correlated"]) == (shape.rows, shape.correlated)
        assert stored["data_sets"] >= 500


def test_the_stored_ranks_are_uniform(calibrated):
    values = {
        (name, parameter): tests["p"]
        for name, stored in calibrated.items()
        for parameter, tests in stored["parameters"].items()
    }
    worst = min(values, key=values.get)
    assert values[worst] > 0.05 / len(values), (worst, values[worst])
    # And the p-values themselves are as even as those of a right posterior.
    assert stats.kstest(list(values.values()), "uniform").pvalue > 0.01


def test_a_thousand_million_rows_are_as_easy_as_a_thousand():
    rng = np.random.default_rng(3)
    groups = 40
    n = rng.integers(10_000_000, 40_000_000, groups)
    effects = rng.normal(0, 0.2, groups)
    mean = 10 + effects + rng.normal(0, 0.4 / np.sqrt(n))
    ss = 0.4**2 * rng.chisquare(n - 1)
    labels = [f"g{i:02}" for i in range(groups)]
    cells = pd.DataFrame({"g": labels, "n": n, "mean": mean, "ss": ss})
    posterior = pool.fit("y ~ 1 + (1|g)", cells, draws=4_000, seed=1)["posterior"]
    expected = 0.4 / np.sqrt(2 * n.sum())
    assert float(posterior["sigma"].std()) == pytest.approx(expected, rel=0.1)
    assert float(posterior["1|g_sigma"].mean()) == pytest.approx(0.2, rel=0.3)

"""The race's results as two chapters read them."""

import json
from pathlib import Path

import pandas as pd
import pytest

from partialpool.chapters.race import COLUMNS, read_race

ROOT = Path(__file__).resolve().parents[1]
FIT = {
    "entrant": "exact",
    "does": "exact posterior from Parquet",
    "kind": "partial pooling, posterior",
    "rows": 1_000,
    "seconds": 0.1,
    "failed": "",
    "setting": "one thread",
    "repetitions": [0.1, 0.2, 0.1],
    "parts": {"collapse": 0.04, "fit": 0.06},
    "peak_mb": 200,
}


@pytest.fixture
def race(tmp_path):
    """Write records as the race does, and read them back."""

    def write_and_read(*records):
        path = tmp_path / "race.json"
        content = {"machine": {"cores": 2}, "records": [FIT | r for r in records]}
        path.write_text(json.dumps(content), encoding="utf-8")
        return read_race(path)

    return write_and_read


def test_a_fit_is_a_row_with_what_the_chapters_use(race):
    table = race({}, {"entrant": "group_by", "rows": 10_000})
    assert list(table.columns) == COLUMNS
    assert table["entrant"].tolist() == ["exact", "group_by"]
    assert table["rows"].tolist() == [1_000, 10_000]
    assert table.loc[0, "parts"] == FIT["parts"]
    assert table.loc[0, "repetitions"] == FIT["repetitions"]


def test_failures_are_left_out(race):
    failed = {"entrant": "nuts", "seconds": None, "failed": "it did not converge"}
    table = race(failed, {})
    assert table["entrant"].tolist() == ["exact"]
    assert table.index.tolist() == [0]
    assert table["seconds"].notna().all()


def test_a_race_that_was_not_run_says_how_to_run_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"run python -m benchmarks\.race in"):
        read_race(tmp_path / "race.json")


def test_the_stored_race_can_be_read():
    table = read_race(ROOT / "benchmarks" / "results" / "race.json")
    assert not table.duplicated(["entrant", "rows"]).any()
    assert pd.api.types.is_float_dtype(table["seconds"])
    assert {"exact", "group_by", "gram_glm"} <= set(table["entrant"])

"""Tests of the Parquet files: all or none, where there is room, and announced."""

import sys

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

import partialpool as pool
from partialpool.graduates import parquet


def write(folder, n=3_000, **options):
    options = {"seed": 1, "batch_rows": 1_000, "progress": False, **options}
    return pool.write_graduates(folder, n, **options)


def test_a_folder_with_parquet_files_is_refused(tmp_path, small_truth):
    write(tmp_path, 100, truth=small_truth)
    before = pd.read_parquet(tmp_path)
    with pytest.raises(FileExistsError, match="already holds Parquet files: empty it"):
        write(tmp_path, 100, seed=2)
    assert_frame_equal(pd.read_parquet(tmp_path), before)
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError, match="is a file: name a folder"):
        write(tmp_path / "file", 100)


def test_an_interrupted_run_leaves_nothing(tmp_path, monkeypatch, small_truth):
    genuine, calls = pq.write_table, []

    def stop_at_the_third(table, path, **options):
        genuine(table, path, **options)
        calls.append(path)
        if len(calls) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(pq, "write_table", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, 5_000, truth=small_truth)
    assert len(calls) == 3
    assert not list(tmp_path.iterdir())


def test_no_file_has_its_name_before_all_are_written(
    tmp_path, monkeypatch, small_truth
):
    genuine, calls = pq.write_table, []

    def look(table, path, **options):
        assert not list(tmp_path.glob("*.parquet"))
        genuine(table, path, **options)
        calls.append(path)

    monkeypatch.setattr(pq, "write_table", look)
    (tmp_path / "part-0009.parquet.partial").write_text("left by a run that died")
    write(tmp_path, 3_000, truth=small_truth)
    assert len(calls) == len(list(tmp_path.iterdir())) == 3


def test_readers_find_small_numbers_and_text(tmp_path, small_truth):
    write(tmp_path, 100, truth=small_truth)
    file = tmp_path / "part-0001.parquet"
    described = duckdb.sql(f"describe from '{file}'").fetchall()
    labels = ["subject", "provider", "sex", "prior_attainment", "region"]
    assert {column: kind for column, kind, *_ in described} == {
        "graduate": "INTEGER",
        **dict.fromkeys(labels, "VARCHAR"),
        **{"cohort": "TINYINT", "yag": "TINYINT"},
        **{"employed": "BOOLEAN", "earnings": "FLOAT"},
    }
    schema = pl.read_parquet_schema(file)
    assert {schema[label] for label in labels} == {pl.String}
    assert {str(pq.read_schema(file).field(label).type) for label in labels} == {
        "string"
    }


def test_missing_earnings_are_null_and_not_nan(tmp_path):
    write(tmp_path, 1_000, seed=1)
    table, _ = pool.simulate_graduates(1_000, years=5, seed=1)
    ((paid, nan),) = duckdb.sql(
        "select count(earnings), count(*) filter (isnan(earnings)) "
        f"from '{tmp_path}/*.parquet'"
    ).fetchall()
    assert paid == table["earnings"].notna().sum() < 1_000
    assert nan == 0


def test_files_are_compressed_and_labels_stored_once_a_row_group(tmp_path, small_truth):
    write(tmp_path, 300_000, truth=small_truth, batch_rows=300_000)
    (file,) = tmp_path.iterdir()
    stored = pq.read_metadata(file)
    assert stored.num_row_groups == 3
    group = stored.row_group(0)
    columns = [group.column(i) for i in range(stored.num_columns)]
    assert {column.compression for column in columns} == {"ZSTD"}
    encodings = {column.path_in_schema: column.encodings for column in columns}
    assert "DELTA_BINARY_PACKED" in encodings["graduate"]
    for label in ["subject", "provider", "sex", "prior_attainment", "region"]:
        assert "RLE_DICTIONARY" in encodings[label]
    assert file.stat().st_size < 3 * 300_000


def test_a_disk_too_small_is_refused_before_anything_is_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "shutil.disk_usage", lambda _: type("usage", (), {"free": 1_000_000})
    )
    with pytest.raises(OSError, match=r"1,000,000 rows need about .* write fewer rows"):
        write(tmp_path / "small", 1_000_000)


def test_without_pyarrow_one_is_told_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ImportError, match="needs PyArrow: install it with"):
        write(tmp_path, 100)


def test_progress_is_said_on_standard_error_only_if_wanted(
    tmp_path, capsys, small_truth
):
    write(tmp_path / "loud", 30_000, truth=small_truth, batch_rows=2_000, progress=True)
    said = capsys.readouterr()
    lines = said.err.splitlines()
    assert said.out == ""
    assert 5 <= len(lines) <= 11
    assert lines[-1].startswith("30,000 of 30,000 rows, ")
    write(tmp_path / "quiet", 1_000, truth=small_truth)
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_one_line_updated_in_place(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    say = parquet._Progress(20, True)
    say.advance(10)
    say.advance(10)
    said = capsys.readouterr().err
    assert said.count("\r") == 2
    assert said.count("\n") == 1

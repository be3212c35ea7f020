"""Tests of the Parquet parts: all or none, where there is room, and announced."""

import sys

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import partialpool as pool
from partialpool import parts


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
    genuine, calls = parts._write_parquet, []

    def stop_at_the_third(duckdb, table, path):
        genuine(duckdb, table, path)
        calls.append(path)
        if len(calls) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(parts, "_write_parquet", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, 5_000, truth=small_truth)
    assert len(calls) == 3
    assert not list(tmp_path.iterdir())


def test_no_file_has_its_name_before_all_are_written(
    tmp_path, monkeypatch, small_truth
):
    genuine = parts._write_parquet

    def look(duckdb, table, path):
        assert not list(tmp_path.glob("*.parquet"))
        genuine(duckdb, table, path)

    monkeypatch.setattr(parts, "_write_parquet", look)
    (tmp_path / "part-0009.parquet.partial").write_text("left by a run that died")
    write(tmp_path, 3_000, truth=small_truth)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_disk_too_small_is_refused_before_anything_is_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "shutil.disk_usage", lambda _: type("usage", (), {"free": 1_000_000})
    )
    with pytest.raises(OSError, match=r"1,000,000 rows need about .* write fewer rows"):
        write(tmp_path / "small", 1_000_000)


def test_without_duckdb_one_is_told_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(ImportError, match="needs DuckDB: install it with"):
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
    say = parts._Progress(20, True)
    say.advance(10)
    say.advance(10)
    said = capsys.readouterr().err
    assert said.count("\r") == 2
    assert said.count("\n") == 1

"""Runs on disk: the same runs back, and a folder that is one study's alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from btccxt.bars.segments import Range
from btccxt.errors import ConfigError
from btccxt.sweep.folder import StudyFolder
from btccxt.sweep.records import WORKER_DIED, Objective, StudyRun, StudyTrade, TradeList
from btccxt.sweep.result import StudyResult
from btccxt.sweep.table import result_tables, runs_of_table, table_of_runs
from btccxt.sweep.windows import Part, Window

WINDOWS = (Window(0, Range(0, 1000), Range(1000, 2000)),)
TRADE = StudyTrade("BTC/USDT", 1_000, 61_000, -0.1, 0.1 + 0.2, -3.3, 0.01, 7)
RUNS = (
    StudyRun(
        0, Part.TRAIN, {"fast": 5, "x": 0.1 + 0.2}, {"profit": 1 / 3, "sharpe": None}, TradeList.of([TRADE, TRADE])
    ),
    StudyRun(0, Part.TRAIN, {"fast": 6, "x": 1.0}, {"profit": 2.0, "sharpe": 1.5}),
    StudyRun(0, Part.TRAIN, {"fast": 7, "x": 2.5}, error="averages.py:3: ValueError: no"),
    StudyRun(0, Part.TEST, {"fast": 6, "x": 1.0}, {"profit": -2.0, "sharpe": 0.5}),
)
FACTS = {"strategy": "a", "windows_ms": [(0, 1000, 2000)]}


def test_runs_come_back_to_the_last_bit():
    assert tuple(runs_of_table(table_of_runs(RUNS))) == RUNS


def test_trades_are_packed_and_come_back_to_the_last_bit():
    trades = [TRADE, replace(TRADE, symbol="ETH/USDT", bars=9), replace(TRADE, profit=-1e-300)]
    packed = TradeList.of(trades)
    assert list(packed) == trades
    assert (packed[1], packed[-1], packed[1:]) == (trades[1], trades[2], tuple(trades[1:]))
    assert len(packed.packed) / len(trades) < 64
    assert packed == TradeList.of(iter(trades))
    with pytest.raises(IndexError):
        packed[3]


def test_many_runs_are_written_some_at_a_time():
    runs = [StudyRun(0, Part.TRAIN, {"fast": number}, {"profit": 1.0 * number}) for number in range(1_100)]
    tables = list(result_tables(runs, WINDOWS))
    assert [table.num_rows for table in tables] == [500, 500, 100]
    assert pyarrow.concat_tables(tables)["param_fast"].to_pylist() == list(range(1_100))


def test_the_result_is_one_row_a_run():
    (table,) = result_tables(RUNS, WINDOWS)
    assert table.column_names == [
        "window", "part", "from", "to", "param_fast", "param_x", "profit", "sharpe", "error", "trade_list",
    ]  # fmt: skip
    rows = table.to_pylist()
    assert rows[3]["part"] == "test"
    assert rows[3]["from"].timestamp() == 1
    assert rows[0]["trade_list"][1]["profit"] == -3.3
    assert rows[2]["profit"] is None
    assert rows[2]["error"].startswith("averages.py:3")


def test_values_of_several_kinds_share_a_column():
    mixed = [StudyRun(0, Part.TRAIN, {"a": 1, "b": 1}), StudyRun(0, Part.TRAIN, {"a": 1.5, "b": "x"})]
    rows = next(result_tables(mixed, WINDOWS)).to_pylist()
    assert [(row["param_a"], row["param_b"]) for row in rows] == [(1.0, "1"), (1.5, "x")]


def test_the_best_has_the_figure_and_did_not_fail():
    result = StudyResult(RUNS, WINDOWS, Objective("profit"), (), None)
    assert result.best is RUNS[1]
    assert StudyResult(RUNS, WINDOWS, Objective("profit", minimise=True), (), None).best is RUNS[0]
    assert StudyResult(RUNS, WINDOWS, Objective("other"), (), None).best is None
    assert result.failed == [RUNS[2]]


def test_a_folder_gives_back_what_was_appended(tmp_path: Path):
    folder = StudyFolder(tmp_path / "out", FACTS)
    folder.append(RUNS[:2])
    folder.append(RUNS[2:])
    folder.append([])
    folder.close()
    again = StudyFolder(tmp_path / "out", FACTS)
    assert tuple(again.done().values()) == RUNS
    again.append([StudyRun(0, Part.TRAIN, {"fast": 9}, {})])
    assert len(again.done()) == 5
    again.close()


def test_a_run_whose_worker_died_is_made_again(tmp_path: Path):
    folder = StudyFolder(tmp_path, FACTS)
    folder.append([StudyRun(0, Part.TRAIN, {"fast": 5}, error=f"{WORKER_DIED} 3 times")])
    assert folder.done() == {}
    folder.close()


def test_a_file_that_cannot_be_read_costs_its_own_runs_alone(tmp_path: Path):
    folder = StudyFolder(tmp_path, FACTS)
    folder.append(RUNS[:1])
    folder.append(RUNS[1:])
    (tmp_path / "runs" / "000001.parquet").write_bytes(b"PAR1 half a file")
    assert tuple(folder.done().values()) == RUNS[1:]
    folder.close()


def test_another_study_is_refused_by_what_differs(tmp_path: Path):
    StudyFolder(tmp_path, FACTS).close()
    with pytest.raises(ConfigError, match=r'holds another study \(strategy: "a" there, "b" now\)'):
        StudyFolder(tmp_path, {**FACTS, "strategy": "b"})
    StudyFolder(tmp_path, FACTS).close()


def test_somebody_elses_folder_is_refused(tmp_path: Path):
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(ConfigError, match=r"other files in it \(thesis.txt\)"):
        StudyFolder(tmp_path, FACTS)


def test_one_process_at_a_time(tmp_path: Path):
    folder = StudyFolder(tmp_path, FACTS)
    with pytest.raises(ConfigError, match="another process is making this study"):
        StudyFolder(tmp_path, FACTS)
    folder.close()


def test_a_half_written_manifest_is_said(tmp_path: Path):
    (tmp_path / "study.json").write_text("{")
    with pytest.raises(ConfigError, match="cannot be read"):
        StudyFolder(tmp_path, FACTS)


def test_others_read_the_result_without_btccxt(tmp_path: Path):
    folder = StudyFolder(tmp_path, FACTS)
    path = folder.publish(RUNS, WINDOWS)
    folder.close()
    import duckdb
    import pandas
    import polars

    assert pandas.read_parquet(path)["param_fast"].tolist() == [5, 6, 7, 6]
    assert polars.read_parquet(path)["trade_list"].list.len().to_list() == [2, 0, 0, 0]
    assert duckdb.sql(f"select sum(len(trade_list)) from '{path}'").fetchall() == [(2,)]
    assert pyarrow.parquet.read_schema(path).field("from").type == pyarrow.timestamp("ms", tz="UTC")

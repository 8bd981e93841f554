"""A run's record is on disk a moment later, holds up nobody, and stays of bounded size."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

import btccxt
from btccxt.bt.compat import bt
from btccxt.errors import ConfigError
from btccxt.runs.records import Tail, choose_run, find_runs
from btccxt.store import run_record
from btccxt.store.run_record import ENDING, RunRecord


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(run_record, "state_directory", lambda: tmp_path)
    monkeypatch.setattr(run_record, "_WRITE_EVERY_S", 0.01)
    return tmp_path / "runs"


def begun(name: str = "a", told: list[str] | None = None, **options: Any) -> RunRecord:
    heard = told if told is not None else []
    return RunRecord(name, {"wall_ms": 1, "store": "s"}, lambda what, error: heard.append(what), **options)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_it_begins_with_a_header_and_ends_with_an_end(folder: Path) -> None:
    record = begun()
    for number in range(1_000):
        record.add({"t": "bar", "n": number})
    record.end()
    record.end()
    found = lines(folder / f"a{ENDING}")
    assert (found[0]["t"], found[0]["schema"], found[0]["process"]) == ("start", run_record.SCHEMA, os.getpid())
    assert [each["n"] for each in found[1:-1]] == list(range(1_000))
    assert found[-1]["t"] == "end"
    if os.name == "posix":
        assert record.path.stat().st_mode & 0o777 == 0o600


def test_a_disk_that_cannot_keep_up_costs_records_not_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_record, "_WAITING", 10)
    monkeypatch.setattr(run_record, "_WRITE_EVERY_S", 0.3)
    record = begun()
    for number in range(100):
        record.add({"t": "bar", "n": number})
    record.end()
    found = lines(record.path)
    kept = sum(each["t"] == "bar" for each in found)
    lost = next(each["text"] for each in found if each["t"] == "told")
    assert 10 <= kept < 100
    assert lost == f"{100 - kept} records were left out"


def test_a_disk_that_fails_is_told_and_ends_the_record_only(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    record = begun(told=told)

    def full(records: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(record, "_write", full)
    record.add({"t": "bar"})
    record.end()
    record.add({"t": "bar"})
    assert told == ["run record"]


def test_a_run_of_years_keeps_its_newer_half_and_a_reader_begins_again() -> None:
    record = begun(largest_bytes=4_000)
    tail = Tail(record.path)
    assert [each["t"] for each in tail.read()] == ["start"]
    for number in range(400):
        record.add({"t": "bar", "n": number, "pad": "x" * 20})
    record.end()
    found = lines(record.path)
    assert (found[0]["t"], found[-1]["t"]) == ("start", "end")
    numbers = [each["n"] for each in found[1:-1]]
    assert 0 < len(numbers) < 400
    assert numbers == list(range(numbers[0], 400))
    assert [each["t"] for each in tail.read()][:2] == ["start", "bar"]


def test_a_line_that_is_being_written_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text('{"t":"bar","n":1}\n{"t":"ba')
    tail = Tail(path)
    assert [each["n"] for each in tail.read()] == [1]
    with path.open("a") as file:
        file.write('r","n":2}\nnonsense\n{"t":"bar","n":3}\n')
    assert [each["n"] for each in tail.read()] == [2, 3]
    assert list(tail.read()) == []


def test_the_oldest_beyond_a_hundred_go(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(run_record, "_KEPT", 3)
    for number in range(5):
        record = begun(f"run{number}")
        record.end()
        os.utime(record.path, (number, number))
    assert sorted(path.name for path in folder.iterdir()) == [f"run{number}{ENDING}" for number in (2, 3, 4)]


def test_a_run_is_found_by_the_beginning_of_its_name(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    with pytest.raises(ConfigError, match="there is no run yet"):
        choose_run()
    for name, wall_ms in (("binance-1", 5), ("okx-1", 9)):
        RunRecord(name, {"wall_ms": wall_ms, "store": "s"}, lambda what, error: None).end()
    (folder / f"junk{ENDING}").write_text("not a record\n")
    assert [run.run_id for run in find_runs()] == ["okx-1", "binance-1"]
    assert (choose_run().run_id, choose_run("bin").run_id) == ("okx-1", "binance-1")
    with pytest.raises(ConfigError, match="did you mean 'okx-1'"):
        choose_run("okx-2")
    assert choose_run().health() is None


def test_a_run_that_raised_leaves_no_thread_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fails(bt.Strategy):
        def next(self) -> None:
            raise ZeroDivisionError("the user's own")

    before = set(threading.enumerate())
    with pytest.raises(ZeroDivisionError):
        btccxt.run(Fails, "binance", mode="sim", sim={"speed": 240}, journal=":memory:", symbol="BTC/USDT", bars=1)
    assert [thread.name for thread in threading.enumerate() if thread not in before and thread.is_alive()] == []
    assert lines(choose_run().path)[-1]["t"] == "end"

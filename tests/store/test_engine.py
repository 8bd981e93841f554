"""``LiveEngine`` and ``btccxt.run`` on the embedded exchange: in this thread, beside it, and inside an event loop."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

import btccxt
from btccxt import LiveEngine
from btccxt.bt.compat import bt
from btccxt.errors import ConfigError
from btccxt.store import run_record
from btccxt.store.run_record import run_folder
from tests.e2e.kit import START

pytestmark = pytest.mark.usefixtures("patient_market")

SIM = {"speed": 300.0, "seed": 3, "start": START, "symbols": ("BTC/USDT",)}
OPTIONS = {"mode": "sim", "sim": SIM, "symbol": "BTC/USDT", "data_options": {"bars": 30}}


class Buys(bt.Strategy):
    params = (("at", 2), ("fails_at", 0))

    def __init__(self):
        self.live = 0
        self.filled = []
        self.stopped = False

    def next(self):
        self.live += self.data._laststatus == self.data.LIVE
        if self.live and self.live == self.p.fails_at:
            raise ValueError("the user's own")
        if self.live == self.p.at and not self.position:
            self.buy(size=0.01)

    def notify_order(self, order):
        if order.status == order.Completed:
            self.filled.append(order.executed.size)

    def stop(self):
        self.stopped = True


@pytest.fixture(autouse=True)
def own_state(tmp_path, monkeypatch):
    for name in ("XDG_STATE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))


def test_run_ends_after_its_bars_and_keeps_the_journal_of_a_run_with_simulated_money():
    strategy = btccxt.run(Buys, "binance", bars=6, params={"at": 1}, **OPTIONS)
    assert strategy is not None and strategy.stopped
    assert strategy.live >= 6
    assert strategy.filled == [0.01]
    (journal,) = run_folder().glob("*.sqlite3")
    from btccxt.orders.journal.reader import JournalReader

    with JournalReader(journal) as reader:
        assert [order.state.value for order in reader.orders()] == ["filled"]


def test_run_ends_after_a_time_of_the_exchange():
    strategy = btccxt.run(Buys, "binance", duration="20m", **OPTIONS)
    assert strategy is not None and strategy.stopped
    assert strategy.live < 60


def test_beside_this_thread_it_starts_waits_and_stops():
    engine = LiveEngine(Buys, "binance", **OPTIONS)
    assert engine.start() is engine
    assert engine.is_running and engine.strategy is not None
    assert engine.wait(bars=4) is True
    assert engine.live_bars >= 4
    engine.stop()
    engine.stop()
    assert engine.strategy.stopped and not engine.is_running
    assert engine.wait(bars=1) is False
    assert not any(thread.name.startswith("btccxt") for thread in threading.enumerate())


async def test_inside_a_running_loop_it_is_awaited():
    engine = LiveEngine(Buys, "binance", **OPTIONS)
    async with engine as running:
        assert running is engine
        assert await running.wait(bars=2) is True
        assert await running.wait(duration=0.5) is True
    assert engine.strategy is not None and engine.strategy.stopped


def test_what_the_strategy_raises_reaches_whoever_waits():
    engine = LiveEngine(Buys, "binance", params={"fails_at": 2}, **OPTIONS)
    engine.start()
    with pytest.raises(ValueError, match="the user's own"):
        engine.wait()
    assert engine.strategy.stopped


def test_what_the_start_raises_reaches_whoever_starts():
    engine = LiveEngine(Buys, "binance", **{**OPTIONS, "symbol": "BTC/USDX"})
    with pytest.raises(ConfigError, match="BTC/USDT"):
        engine.start()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"params": {"att": 1}}, "Buys has no parameter 'att'; did you mean 'at'"),
        ({"timeframe": "1x"}, "'1x' is not of the form"),
        ({"symbol": ()}, "at least one"),
        ({"symbol": ("BTC/USDT", "BTC/USDT")}, "twice"),
        ({"profile": "x"}, "config_file"),
        ({"sym": "BTC/USDT"}, "sym: unknown key"),
        ({"bars": 0}, "bars=0"),
        ({"duration": "soon"}, "no length of time"),
        ({"duration": 0}, "longer than nothing"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_starts(change, says):
    with pytest.raises(ConfigError, match=says):
        btccxt.run(Buys, "binance", **{**OPTIONS, **change})


def test_what_was_not_started_cannot_be_waited_for_and_nothing_runs_twice():
    engine = LiveEngine(Buys, "binance", **OPTIONS)
    with pytest.raises(ConfigError, match=r"call start\(\) first"):
        engine.wait()
    engine.stop()  # before any start: nothing to do
    engine = LiveEngine(Buys, "binance", **OPTIONS)
    engine.run(bars=1)
    assert engine.wait() is False
    for again in (engine.run, engine.start):
        with pytest.raises(ConfigError, match="started already"):
            again()


def test_a_strategy_may_be_named_by_its_file(tmp_path: Path):
    file = tmp_path / "json.py"  # not in the way of Python's own
    file.write_text("import backtrader as bt\nclass A(bt.Strategy):\n pass\nclass B(bt.Strategy):\n pass\n")
    assert type(btccxt.run(f"{file}:B", "binance", bars=1, **OPTIONS)).__name__ == "B"
    with pytest.raises(ConfigError, match="several strategies"):
        btccxt.run(str(file), "binance", **OPTIONS)
    with pytest.raises(ConfigError, match=r"did you mean 'json\.py'"):
        btccxt.run(str(tmp_path / "jso.py"), "binance", **OPTIONS)


def test_without_an_exchange_or_with_two_sources_it_is_refused():
    with pytest.raises(ConfigError, match="no exchange"):
        btccxt.run(Buys)
    with pytest.raises(ConfigError, match="belong to that store"):
        LiveEngine(Buys, "binance", store=btccxt.CCXTStore("binance", mode="sim"))


def test_every_record_of_the_run_reaches_whoever_follows_it_also_where_the_disk_fails(monkeypatch):
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    for fails in (False, True):
        if fails:
            monkeypatch.setattr(run_record, "RunRecord", full)
        engine = LiveEngine(Buys, "binance", params={"at": 1}, **OPTIONS)
        told = []
        engine.every_record.append(told.append)
        engine.run(bars=2)
        kinds = [each["t"] for each in told]
        assert kinds[0] == "start" and {"bar", "value", "order", "fill"} <= set(kinds)
        assert (told[0]["strategy"], told[0]["timeframe"]) == ("Buys", "1m")
        if not fails:
            (path,) = run_folder().glob(f"*{run_record.ENDING}")
            on_disk = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
            assert on_disk[:-1] == told and on_disk[-1]["t"] == "end"


def test_where_the_journal_of_a_run_has_no_place_it_says_so_in_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for name in ("XDG_STATE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "file"))
    with pytest.raises(ConfigError, match=r"cannot be written .*: give journal= \(--journal\)"):
        LiveEngine(Buys, "binance", **OPTIONS)

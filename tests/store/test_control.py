"""Commands to a running bot: what each does, who may give them, and what is kept of them."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import tempfile
import threading
import time
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client

import pytest
from typer.testing import CliRunner

from btccxt import LiveEngine
from btccxt.bt.compat import bt
from btccxt.cli import app
from btccxt.cli.ctl import status_lines
from btccxt.errors import BtccxtError, ConfigError
from btccxt.orders.journal.reader import JournalReader
from btccxt.resilience.files import state_directory
from btccxt.store.control import Command, bots, check, find_bot

SIM = {"speed": 60.0, "seed": 3, "symbols": ("BTC/USDT",)}


class Holds(bt.Strategy):
    """Buys once, and rests a limit order far away."""

    params = (("size", 0.01), ("name", "x"), ("on", True))
    hang = threading.Event()

    def __init__(self):
        self.sent = False
        self.refused = []

    def next(self):
        if self.data._laststatus != self.data.LIVE:
            return
        if Holds.hang.is_set():
            time.sleep(0.05)
            return
        if not self.sent:
            self.sent = True
            self.buy(size=self.p.size)
            self.resting = self.buy(size=self.p.size, exectype=bt.Order.Limit, price=30_000)

    def notify_order(self, order):
        if order.status == order.Rejected:
            self.refused.append(order.info.reasons)


@pytest.fixture(autouse=True)
def own_state(tmp_path, monkeypatch):
    for name in ("XDG_STATE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))


@pytest.fixture
def engine():
    running = LiveEngine(Holds, "binance", mode="sim", sim=SIM, symbol="BTC/USDT", data_options={"bars": 5})
    running.start()
    until(lambda: held(running) and len(open_orders(running)) == 1)
    yield running
    running.stop()


def held(engine):
    return engine.cerebro.broker.getposition(engine.cerebro.datas[0]).size


def open_orders(engine):
    return engine.cerebro.broker.get_orders_open()


def until(condition, patience_s=60.0):
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def tell(*words):
    (bot,) = bots()
    return bot.tell(Command(words[0], words[1:]))


def notes(engine):
    engine.store._journal.flush().result(60)
    with JournalReader(engine.store.journal_path) as reader:
        return [text for (text,) in reader._connection.execute("SELECT text FROM notes WHERE client_order_id IS NULL")]


def test_status_tells_of_connections_orders_and_parameters(engine):
    answer = tell("status")
    assert answer.good
    assert answer.facts["mode"] == "sim" and answer.facts["orders"]["open"] == 1
    account = answer.facts["account"]
    assert account["positions"] == {"BTC/USDT": pytest.approx(0.01, rel=0.01)}
    assert 9_900 < account["value"] < 10_100 and account["cash"] < 9_500
    assert [(order["order"], order["price"]) for order in account["open_orders"]] == [
        ("buy 0.01 BTC/USDT limit", 30_000)
    ]
    assert answer.facts["strategies"] == [{"name": "Holds", "params": {"size": 0.01, "name": "x", "on": True}}]


def test_the_status_is_short_and_json_has_the_rest(engine):
    shown = CliRunner().invoke(app, ["ctl", "-"]).output.splitlines()
    (bot,) = bots()
    assert shown[0] == f"{bot.id}: live, trading active"
    assert shown[1] == "Holds size=0.01 name='x' on=True"
    assert shown[2].startswith("value ") and shown[3].startswith("holds BTC/USDT 0.00999")
    assert shown[4].startswith("order ") and "buy 0.01 BTC/USDT limit at 30,000, accepted" in shown[4]
    assert shown[5].startswith("streams: ")
    assert json.loads(CliRunner().invoke(app, ["ctl", "-", "status", "--json"]).output)["breakers"]


def test_the_status_names_what_is_wrong():
    facts = {
        "state": "degraded", "trading": {"state": "halted", "why": "ctl pause by me"}, "strategies": [],
        "account": "the strategy's thread does not answer now",
        "orders": {
            "unknown": ["b1"],
            "protection": [{"symbol": "BTC/USDT", "open": "2", "protected": "1", "unprotected_s": 7.2}],
        },
        "streams": [{"stream": "orders", "state": "connecting", "last_error": "cut"}],
    }  # fmt: skip
    assert status_lines("bot", facts) == [
        "bot: degraded, trading halted (ctl pause by me)",
        "the strategy's thread does not answer now",
        "BTC/USDT: 2 open, 1 protected, for 7 s",
        "outcome not known yet: b1",
        "streams: 0 of 1 live",
        "  orders: connecting cut",
    ]


def test_cancel_by_any_of_its_names_and_all(engine):
    order = open_orders(engine)[0]
    with pytest.raises(ConfigError, match="write it as: cancel ORDER"):
        tell("cancel")
    assert "no open order 'b1'" in tell("cancel", "b1").text
    assert tell("cancel", order.info["client_order_id"]).good
    until(lambda: not open_orders(engine))
    assert tell("cancel", "all").text.startswith("0 orders")


def test_flatten_cancels_closes_and_leaves_the_bot_reducing(engine):
    answer = tell("flatten")
    assert answer.good and "REDUCING" in answer.text
    until(lambda: not open_orders(engine) and abs(held(engine)) < 0.0001)
    assert any(text.startswith("ctl flatten by ") for text in notes(engine))


def test_pause_reduce_resume_switch_the_trading_state(engine, monkeypatch):
    alerts = []
    monkeypatch.setattr(engine.store._notifier, "alert", lambda kind, text, key="": alerts.append((kind.value, text)))
    for name, state in (("pause", "HALTED"), ("reduce", "REDUCING"), ("resume", "ACTIVE")):
        answer = tell(name)
        assert answer.good and state in answer.text
    assert [text.split(" by ")[0] for text in notes(engine)] == ["ctl pause", "ctl reduce", "ctl resume"]
    assert [kind for kind, _ in alerts] == ["operator"] * 3 and "told it to pause: trading is HALTED" in alerts[0][1]


def test_set_changes_a_parameter_of_its_own_kind_only(engine):
    assert tell("set", "size=0.02").text == "size: 0.01 -> 0.02"
    assert engine.strategy.p.size == 0.02
    assert tell("set", "size=1").good and engine.strategy.p.size == 1.0
    for wrong in ("size=much", "on=3", "name=3"):
        assert "another kind" in tell("set", wrong).text
    assert "did you mean 'size'" in tell("set", "sise=3").text
    assert (engine.strategy.p.on, engine.strategy.p.name) == (True, "x")


def test_stop_ends_the_run_in_order(engine):
    assert tell("stop").good
    until(lambda: not engine.is_running)
    assert list(bots()) == []
    running = state_directory() / "running"
    assert list(running.iterdir()) == []


def test_a_strategy_that_hangs_can_still_be_looked_at_and_paused(engine, monkeypatch):
    monkeypatch.setattr("btccxt.store.control._ANSWER_S", 0.3)
    blocked, free = threading.Event(), threading.Event()

    def block():
        blocked.set()
        free.wait(60)

    engine.cerebro.broker.store.cerebro_loop.every_loop.append(block)
    assert blocked.wait(60)
    try:
        assert tell("status").good
        assert tell("pause").good
        answer = tell("cancel", "all")
        assert not answer.good and "was not done" in answer.text
    finally:
        engine.cerebro.broker.store.cerebro_loop.every_loop.remove(block)
        free.set()
    until(lambda: tell("status").facts["orders"]["open"] == 1)  # what was not done stays undone
    assert len(open_orders(engine)) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_only_the_user_may_reach_it(engine):
    folder = state_directory() / "running"
    assert folder.stat().st_mode & 0o077 == 0
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
    (bot,) = bots()
    with pytest.raises((AuthenticationError, EOFError, OSError)):
        Client(bot.address, authkey=b"wrong")
    with Client(bot.address, authkey=bot.key) as connection:
        connection.send_bytes(b"\x80 not json")
    assert tell("status").good  # neither ends the server


def test_a_state_folder_with_a_long_name_has_a_socket_all_the_same(tmp_path, monkeypatch):
    long = tmp_path / ("x" * 60) / ("y" * 60)
    monkeypatch.setenv("XDG_STATE_HOME", str(long))
    with LiveEngine(Holds, "binance", mode="sim", sim=SIM, data_options={"bars": 5}):
        (bot,) = bots()
        assert tell("status").good
    assert not os.path.exists(bot.address)


def test_the_command_line_finds_a_bot_by_name_beginning_or_process(engine):
    (bot,) = bots()
    for which in (bot.id, bot.name, str(bot.process), "binance-spot", "-"):
        answer = CliRunner().invoke(app, ["ctl", which, "status", "--json"])
        assert answer.exit_code == 0, answer.output
        assert json.loads(answer.output)["exchange"] == "binance"
    refused = CliRunner().invoke(app, ["ctl", "-", "set", "size=much"])
    assert refused.exit_code == 1 and "another kind" in refused.output
    assert "did you mean 'pause'" in str(CliRunner().invoke(app, ["ctl", "-", "pose"]).exception)
    with pytest.raises(ConfigError, match="no bot 'okx' runs here"):
        find_bot("okx")


def test_without_a_bot_it_says_so():
    with pytest.raises(ConfigError, match="no bot runs here"):
        find_bot("binance")


def test_a_bot_that_was_killed_does_not_answer(engine):
    (bot,) = bots()
    engine.stop()
    with pytest.raises(BtccxtError, match="has it ended"):
        bot.tell(Command("status"))


@pytest.mark.parametrize("words", [("status", "x"), ("set", "a"), ("set",), ("cancel", "a", "b"), ("go",)])
def test_commands_that_cannot_be_are_refused_before_anything_is_sent(words):
    with pytest.raises(ConfigError):
        check(Command(words[0], words[1:]))


@pytest.mark.skipif(sys.platform == "win32", reason="systemd is of Linux")
def test_systemd_hears_that_a_bot_is_ready_lives_and_stops(monkeypatch):
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(f"{folder}/notify")
        channel.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", f"{folder}/notify")
        monkeypatch.setenv("WATCHDOG_USEC", "600000")
        engine = LiveEngine(Holds, "binance", mode="sim", sim=SIM, data_options={"bars": 5})
        with engine:
            assert channel.recv(1000).decode().startswith("READY=1\nSTATUS=binance-spot-sim runs")
            assert [channel.recv(1000) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        channel.setblocking(False)  # the run is over: all of it has been said
        last = b""
        with contextlib.suppress(BlockingIOError):
            while True:
                last = channel.recv(1000)
        assert last == b"STOPPING=1"
        assert engine.cerebro.broker.store.cerebro_loop.every_loop == []

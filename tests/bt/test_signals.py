"""Signals inside a plain ``cerebro.run()``: the run ends in order, nothing is printed, the code after it goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

SIGNALS = [signal.SIGINT, signal.SIGTERM]
HEAD = """
import os, signal, sys, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)
import backtrader as bt
from btccxt import CCXTStore
class Quiet(bt.Strategy):
    def notify_data(self, data, status, *args, **kwargs):
        if status == data.LIVE:
            print("live", flush=True)
    def stop(self):
        print("stopped", flush=True)
def build(**options):
    store = CCXTStore("binance", mode="sim", journal=":memory:", sim={"speed": 60, "symbols": ("BTC/USDT",)}, **options)
    cerebro = bt.Cerebro()
    cerebro.adddata(store.getdata(dataname="BTC/USDT", timeframe=bt.TimeFrame.Minutes))
    cerebro.setbroker(store.getbroker())
    cerebro.addstrategy(Quiet)
    return store, cerebro
"""
TAIL = """
print("threads", threading.active_count(), flush=True)
"""
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


def start(program: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", HEAD + program + TAIL],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> tuple[list[str], str]:
    try:
        output, errors = process.communicate(timeout=280)
    finally:
        process.kill()
    return output.split(), errors


@pytest.mark.parametrize("number", SIGNALS)
def test_one_that_comes_before_the_first_bar_ends_the_start(number):
    process = start(
        """
store, cerebro = build()
connect = store._connect
def slow(session):
    print("connecting", flush=True)
    time.sleep(60)
store._connect = slow
print("ran", cerebro.run(), flush=True)
"""
    )
    assert process.stdout is not None and process.stdout.readline().strip() == "connecting"
    process.send_signal(number)
    output, errors = ended(process)
    assert output == ["ran", "[]", "threads", "1"]
    assert (errors, process.returncode) == ("", 0)


@pytest.mark.parametrize("number", SIGNALS)
def test_on_stop_is_done_and_the_strategy_returned(number):
    process = start(
        """
store, cerebro = build(on_stop="flatten")
def buys(self):
    if not self.position and self.data._laststatus == self.data.LIVE:
        self.buy(size=0.01)
def notify(self, order):
    if order.status == order.Completed:
        print("filled", order.executed.size, flush=True)
Quiet.next, Quiet.notify_order = buys, notify
with store.kept_open():
    strategy = cerebro.run()[0]
    store._holds -= 1
    engine = store.sim.engine
    store.stop()
    print("held", float(engine.balances("main")["BTC"].total) < 0.00001, type(strategy).__name__, flush=True)
    store._holds += 1
"""
    )
    assert process.stdout is not None
    assert [process.stdout.readline().split()[0] for _ in range(2)] == ["live", "filled"]
    process.send_signal(number)
    output, errors = ended(process)
    assert output == ["stopped", "held", "True", "Quiet", "threads", "1"]
    assert "Traceback" not in errors and process.returncode == 0


def test_handlers_of_the_program_stay_its_own():
    process = start(
        """
def mine(number, frame):
    print("mine", flush=True)
    cerebro.runstop()
signal.signal(signal.SIGTERM, mine)
store, cerebro = build()
cerebro.run()
print(signal.getsignal(signal.SIGTERM) is mine, signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""
    )
    assert process.stdout is not None and process.stdout.readline().strip() == "live"
    process.send_signal(signal.SIGTERM)
    output, errors = ended(process)
    assert output == ["mine", "stopped", "True", "True", "threads", "1"]
    assert "Traceback" not in errors


def test_a_second_ctrl_c_ends_a_strategy_that_does_not_return():
    process = start(
        """
store, cerebro = build()
def hangs(self):
    if self.data._laststatus == self.data.LIVE:
        print("hangs", flush=True)
        while True:
            time.sleep(0.01)
Quiet.next = hangs
try:
    cerebro.run()
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    )
    assert process.stdout is not None
    assert [process.stdout.readline().strip() for _ in range(2)] == ["live", "hangs"]
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    process.send_signal(signal.SIGINT)
    output, _ = ended(process)
    assert output == ["stopped", "interrupted", "threads", "1"]

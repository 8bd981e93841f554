"""The dead-man's switch: armed at start, renewed, disarmed at stop; refused where the exchange has none."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from btccxt import CCXTStore
from btccxt.errors import ConfigError, ConnectionLost, Unsupported
from btccxt.exchange.profile.profile import load_profile
from btccxt.resilience.supervised import TaskFailed, TaskRecovered, Tasks
from btccxt.session.dead_man import DeadMansSwitch, check_dead_mans_switch
from btccxt.sim.dialects.base import SeenRequest
from btccxt.sim.synthetic import DEFAULT_START_MS
from tests.exchange.capture import capture, make_exchange, profiles
from tests.exchange.ccxt.tiny_binance import until
from tests.fakes import FakeClock, FakeExchange
from tests.heal.kit import exchange as running_exchange
from tests.patient_market import HeldClock

WITH_SWITCH = [profile for profile in profiles() if profile.dead_mans_switch.available]


class Armed(FakeExchange):
    def __init__(self) -> None:
        super().__init__(FakeClock(1_772_323_200_000))
        self.told: list[int] = []
        self.lost = 0

    async def cancel_all_after(self, timeout_ms: int) -> None:
        self.told.append(timeout_ms)
        if self.lost:
            self.lost -= 1
            raise ConnectionLost("cut")


async def test_it_is_renewed_also_after_a_lost_request_and_disarmed_at_the_end():
    exchange, trouble = Armed(), []
    switch = DeadMansSwitch(exchange, 0.03, lambda what, error: trouble.append(error))
    await switch.arm()
    exchange.lost = 1
    async with Tasks(trouble.append) as tasks:
        switch.keep(tasks)
        await until(lambda: len(exchange.told) >= 4)
    await switch.disarm()
    await switch.disarm()
    assert set(exchange.told[:-1]) == {30}
    assert exchange.told.count(0) == 1
    assert exchange.told[-1] == 0
    assert [type(each) for each in trouble] == [TaskFailed, TaskRecovered]


def test_a_store_arms_it_with_its_account_and_disarms_it_when_it_stops():
    exchange = Armed()
    store = CCXTStore(exchange, mode="live", journal=":memory:", dead_mans_switch_s=30)
    store.getbroker()
    store.start()
    assert exchange.told == [30_000]
    store.stop()
    assert exchange.told == [30_000, 0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"exchange": "binance", "mode": "sim"}, "binance cannot cancel all orders by itself"),
        ({"exchange": "kraken", "mode": "paper"}, "paper account has no orders"),
        ({"exchange": FakeExchange(), "mode": "live"}, "does not implement cancel_all_after"),
        ({"exchange": "okx", "mode": "sim", "dead_mans_switch_s": 3}, "at least 10 s and at most 120"),
        ({"exchange": "okx", "mode": "sim", "dead_mans_switch_s": 500}, "at least 10 s and at most 120"),
        ({"exchange": "okx", "mode": "sim", "dead_mans_switch_s": -1}, "dead_mans_switch_s"),
    ],
)
def test_where_it_cannot_work_the_option_is_refused_before_anything_is_sent(arguments, words):
    with pytest.raises(ConfigError, match=words):
        CCXTStore(**{"dead_mans_switch_s": 30, **arguments})


async def test_an_exchange_api_without_it_says_so():
    with pytest.raises(Unsupported, match="dead-man"):
        await FakeExchange().cancel_all_after(1_000)


@pytest.mark.parametrize("profile", WITH_SWITCH, ids=lambda each: f"{each.exchange} {each.market_type.value}")
def test_ccxt_builds_one_request_with_the_time_for_every_exchange_of_the_table_that_has_it(profile):
    exchange, _ = make_exchange(profile.exchange, profile.market_type)
    found = capture(
        exchange, lambda: exchange.cancel_all_orders_after(60_000), is_wanted=lambda each: each.path != "/info"
    )
    assert found.method == "POST"
    text = found.text()
    assert "=60" in text or "scheduleCancel" in text, text  # hyperliquid wants the instant
    check_dead_mans_switch(30, load_profile(profile.exchange, profile.market_type))


# ------------------------------------------------------------------ end to end

SECONDS = 60  # of the exchange, whose clock runs twenty times faster here, and faster still when the order rests
BOT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
import backtrader as bt
from btccxt import CCXTStore, run

class Rests(bt.Strategy):
    order = None

    def next(self):
        if self.order is None or not self.order.alive():  # a busy machine may have been late with its bar
            self.order = self.buy(size=0.5, exectype=bt.Order.Limit, price=30_000)

exchange, address, seconds = sys.argv[1:]
store = CCXTStore(exchange, mode="sim", sim_address=address, currency="USDT", dead_mans_switch_s=float(seconds))
run(Rests, store=store, symbol="BTC/USDT", data_options={"backfill_start": False})
"""


@contextmanager
def resting_order(dialect: str) -> Iterator[tuple[subprocess.Popen, Callable[[], list], Callable[[float], None]]]:
    """A bot in a process of its own, whose order rests. With it: what the exchange has open, and its time passing.

    From now on time waits for the bot's renewals: a machine that has no time for it is no bot that died.
    """
    heard_ms, waited_for = [DEFAULT_START_MS], []

    def limit_ms() -> float:
        alive = any(bot.poll() is None for bot in waited_for)
        return heard_ms[-1] + 800 * SECONDS if alive else float("inf")

    def hear(seen: SeenRequest) -> None:
        if re.search("cancel.*after", seen.path, re.IGNORECASE):
            heard_ms.append(clock.now_ms())

    clock = HeldClock(DEFAULT_START_MS, 20, limit_ms)
    with running_exchange(dialect=dialect, symbols=("BTC/USDT",), clock=clock) as background:
        background.exchange.on_request(hear)
        address = str(background.address)
        bot = subprocess.Popen([sys.executable, "-c", BOT, dialect, address, str(SECONDS)])

        def open_orders() -> list:
            return background.call(lambda sim: sim.engine.orders("main", "BTC/USDT", open_only=True))

        def let_pass(exchange_s: float) -> None:
            until_ms = background.call(lambda sim: sim.clock.now_ms()) + exchange_s * 1000
            wait_for(lambda: background.call(lambda sim: sim.clock.now_ms()) >= until_ms)

        try:
            wait_for(lambda: open_orders() or bot.poll() is not None)
            assert open_orders(), "the bot ended before its order rested"
            waited_for.append(bot)
            clock.speed = 120
            yield bot, open_orders, let_pass
        finally:
            bot.kill()
            bot.wait(60)


def wait_for(condition: Callable[[], object], patience_s: float = 120.0) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["okx", "kraken"])
def test_orders_stay_while_the_bot_lives_and_are_gone_soon_after_it_was_killed(dialect):
    with resting_order(dialect) as (bot, open_orders, let_pass):
        let_pass(2.5 * SECONDS)
        assert len(open_orders()) == 1, "it was renewed in time"
        bot.send_signal(signal.SIGKILL)
        bot.wait(60)
        let_pass(SECONDS + 10)
        assert open_orders() == []


@pytest.mark.slow
def test_an_orderly_stop_that_leaves_the_orders_disarms_the_switch():
    with resting_order("okx") as (bot, open_orders, let_pass):
        bot.send_signal(signal.SIGINT)
        bot.wait(100)
        let_pass(1.5 * SECONDS)
        assert len(open_orders()) == 1

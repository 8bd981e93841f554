"""Each member of ``EventName`` is said by the product: by a store that runs, or by the part that says it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from btccxt import CCXTStore
from btccxt.account.explain import log_funding
from btccxt.bars.lake import DataVenue, Lake
from btccxt.bars.seam import Correction, Hole, HoleCause
from btccxt.bt.cerebro import CerebroLoop
from btccxt.bt.compat import bt
from btccxt.bt.signals import RunInterrupted, ended_by_signals
from btccxt.config import StoreConfig
from btccxt.errors import ClockSkew, ConnectionLost
from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
from btccxt.exchange.profile.profile import load_profile
from btccxt.exchange.reading import Reader
from btccxt.exchange.server_time import check_signing_clock, measure_clock
from btccxt.model import (
    BarUpdate,
    ConnectionState,
    FundingPayment,
    MarketType,
    OrderKind,
    OrderRequest,
    Side,
    StreamKey,
    StreamKind,
)
from btccxt.observe.alerts import Alert, AlertHub, AlertKind
from btccxt.observe.log import EventName
from btccxt.orders.trading_state import TradingControl
from btccxt.resilience.backoff import Backoff
from btccxt.resilience.breaker import BreakerPolicy
from btccxt.resilience.clock import ExchangeClock, WallTime
from btccxt.resilience.supervised import TaskPolicy, Tasks
from btccxt.session.bar_feed import BarFeed
from btccxt.session.dead_man import DeadMansSwitch
from btccxt.session.events import BarsClosed, FeedFailed, FeedState, TicksArrived
from btccxt.session.metrics import FeedMeter
from btccxt.session.stream_policy import StreamChanged
from btccxt.sim.faults import Fault, FaultKind
from btccxt.store import shutdown
from btccxt.store.control import Command
from btccxt.store.notifier import Notifier
from btccxt.timeframe import parse_timeframe
from tests.bt.harness import LIVE, MINUTE_MS, START_MS, FakeStore, Run, closed, make_bars
from tests.bt.test_data import one_feed, trade
from tests.fakes import SYMBOL, FakeClock, FakeExchange, bar
from tests.observe.test_events import Said, said, until  # noqa: F401 - the fixture

BARS = StreamKey(StreamKind.BARS, SYMBOL, "1m")


# ------------------------------------------------------------------ what a store says while it runs

OF_A_STORE = {
    EventName.STORE_STARTED, EventName.STORE_STOPPED, EventName.SESSION_STARTED, EventName.JOURNAL_OPENED,
    EventName.JOURNAL_RESTORED, EventName.ORDER_STATE_CHANGED, EventName.ORDER_REFUSED, EventName.RECONCILED,
    EventName.REQUEST_RETRIED, EventName.TRADING_STATE, EventName.CONTROL,
}  # fmt: skip


def test_a_store_that_runs_says_these(said: Said) -> None:  # noqa: F811
    store = CCXTStore("binance", mode="sim", journal=":memory:")
    store.getbroker()
    store.start()
    try:
        assert store.sim is not None
        store.sim.faults.add(Fault(FaultKind.ERROR_BEFORE, path="/api/v3/account", status=502))
        store._ask(store._open_session.reconcile())
        name = store.next_client_order_id()
        store._tracker.submit(
            OrderRequest(name, "BTC/USDT", Side.BUY, OrderKind.LIMIT, Decimal("0.01"), Decimal("1000"))
        )
        until(lambda: (order := store._tracker.order(name)) is not None and order.acknowledged, "the order")
        store.sim.faults.add(Fault(FaultKind.SILENCE, host="ws-api.*", reconnect_heals=False))
        order_id, now_ms = store._tracker.order(name).order_id, int(store.sim.clock.now_ms())
        store.sim.engine.cancel("main", symbol="BTC/USDT", order_id=order_id, now_ms=now_ms)
        store._ask(store._open_session.reconcile())
        store.order_refused("rules", "buy 1 BTC/USDT", ("too small",))
        control = store._operations._control
        assert control is not None and control.execute(Command("pause")).good
    finally:
        store.stop()
    assert {EventName(each["event"]) for each in said.events if each} >= OF_A_STORE


# ------------------------------------------------------------------ what the parts say

Emitter = Callable[[Path], Any]


def _notifier(act: Callable[[Notifier], object]) -> Emitter:
    return lambda _: act(Notifier(StoreConfig(exchange="binance"), lambda _: None))


async def _fails_once_then_works(told: Notifier) -> None:
    rounds = iter([True, False])
    done = asyncio.Event()

    async def work() -> None:
        if next(rounds, False):
            raise ConnectionLost("away")

    def hear(news: Any) -> None:
        told.task(news)
        if type(news).__name__ == "TaskRecovered":
            done.set()

    async with Tasks(hear) as tasks:
        tasks.every(0.0, work, "looking", TaskPolicy(Backoff(first_s=0.0, start_s=0.001, max_s=0.001)), at_once=True)
        await asyncio.wait_for(done.wait(), 60)


def _task(_: Path) -> None:
    asyncio.run(_fails_once_then_works(Notifier(StoreConfig(exchange="binance"), lambda _: None)))


def _data(*events: Any, **options: Any) -> Emitter:
    return lambda _: one_feed(*events, **options)


def _slow_strategy(_: Path) -> None:
    _run, data = one_feed(LIVE)
    data._lag.read(5.0, 3)


def _nothing_listed_then(_: Path) -> None:
    store = FakeStore()
    store.past["BTC/USDT"] = []
    run = Run(store)
    run.cerebro.adddata(store.getdata(historical=True))
    run.go()


def _damaged_lake(folder: Path) -> None:
    here = DataVenue("binance")
    series = Lake(folder).bars(here, SYMBOL, "1m")
    series.append(0, 5 * MINUTE_MS, [bar(at * MINUTE_MS) for at in range(5)])
    (segment,) = series.segments()
    segment.path.write_bytes(segment.path.read_bytes()[:100])
    Lake(folder).bars(here, SYMBOL, "1m").read(0, 5 * MINUTE_MS)


def _bar_of_the_future(_: Path) -> None:
    clock = FakeClock(START_MS)
    clock.uncertainty_ms = 100.0
    feed = BarFeed(
        FakeExchange(clock=clock), clock, BARS, sink=lambda _: None, start_ms=START_MS, page_limit=50, grace_ms=100,
        retry_ms=100,
    )  # fmt: skip
    feed.on_event(BARS, BarUpdate(SYMBOL, "1m", bar(START_MS + 500 * MINUTE_MS), True))


def _gap(_: Path) -> None:
    meter = FeedMeter("binance", parse_timeframe("1m"), FakeClock(), lambda _: None)
    for event in (
        FeedState(ConnectionState.LIVE), FeedState(ConnectionState.CONNECTING),
        BarsClosed((bar(0),), by_rest=1), FeedState(ConnectionState.LIVE),
    ):  # fmt: skip
        meter(event)


class _Time(FakeExchange):
    """Says these hours in turn."""

    def tells(self, *hours: int) -> _Time:
        self._hours = iter(hours)
        return self

    async def fetch_time(self) -> int:
        return int(WallTime().now_ms()) + next(self._hours) * 3_600_000


def _clock_steps(_: Path) -> None:
    clock = ExchangeClock(WallTime())
    asyncio.run(measure_clock(_Time().tells(0, 0, 0), clock))
    asyncio.run(measure_clock(_Time().tells(5, 5, 5), clock))


def _clock_is_outvoted(_: Path) -> None:
    asyncio.run(measure_clock(_Time().tells(0, 7, 0), ExchangeClock(WallTime())))


def _clock_is_not_known(_: Path) -> None:
    clock, now_ms = ExchangeClock(WallTime()), WallTime().now_ms()
    clock.add_sample(now_ms - 30_000, now_ms, now_ms)

    async def measure() -> None:
        """It does not get better."""

    with pytest.raises(ClockSkew):
        asyncio.run(check_signing_clock("binance", clock, 1_000.0, measure))


def _breaker(_: Path) -> None:
    exchange = CCXTExchange(load_profile("binance", MarketType.SPOT), breaker=BreakerPolicy(failures_to_open=1))
    group = next(iter(exchange.breakers.states))
    with contextlib.suppress(ConnectionLost), exchange.breakers.passing(group):
        raise ConnectionLost("away")


def _dead_man(_: Path) -> None:
    exchange = FakeExchange()
    exchange.cancel_all_after = _nothing  # type: ignore[method-assign,assignment]
    asyncio.run(DeadMansSwitch(exchange, 30.0, lambda *_: None).arm())


async def _nothing(*_: object) -> None:
    """The exchange agrees."""


def _signal(_: Path) -> None:
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    with contextlib.suppress(RunInterrupted), ended_by_signals(lambda: None):
        signal.raise_signal(signal.SIGTERM)


def _flatten(_: Path) -> None:
    sizes = iter([1.0, 0.0])
    data = SimpleNamespace(_dataname=SYMBOL)
    books = SimpleNamespace(
        names=[SYMBOL], position=lambda _: SimpleNamespace(size=next(sizes)), first_data=lambda _: data
    )
    broker: Any = SimpleNamespace(
        books=books, is_contract=lambda _: False, sell=lambda *_, **__: SimpleNamespace(ref=1, info={}),
        get_orders_open=list, next=lambda: None,
    )  # fmt: skip
    shutdown._flatten(broker, CerebroLoop(bt.Cerebro()), 0.0, lambda _: None)


def _sink_raises(_: Path) -> None:
    def sink(_: Alert) -> None:
        raise OSError("no line")

    AlertHub([sink]).raise_alert(Alert(AlertKind.INTERNAL, "hear me"))


OF_PARTS: dict[EventName, Emitter] = {
    EventName.SESSION_ERROR: _notifier(lambda told: told.trouble("polling", ConnectionLost("away"))),
    EventName.STATE_CHANGED: _notifier(
        lambda told: told.stream_changed(StreamChanged(BARS, None, ConnectionState.LIVE, "", 0))
    ),
    EventName.NOTIFICATION: _notifier(lambda told: told.say("look at it")),
    EventName.TASK_FAILED: _task,
    EventName.TASK_RECOVERED: _task,
    EventName.STREAM_FAILED: _data(closed(*make_bars(1)), LIVE, FeedFailed(ConnectionLost("delisted"))),
    EventName.HOLE_REPORTED: _data(LIVE, Hole(START_MS, START_MS + MINUTE_MS, HoleCause.EXCHANGE)),
    EventName.BAR_REVISED: _data(closed(*make_bars(1)), Correction(*make_bars(2))),
    EventName.BAR_LATE: _data(TicksArrived((trade(9, 1.0), trade(5, 2.0))), timeframe=1),
    EventName.HISTORY_FAILED: _nothing_listed_then,
    EventName.STRATEGY_SLOW: _slow_strategy,
    EventName.CACHE_DAMAGED: _damaged_lake,
    EventName.BAR_AHEAD: _bar_of_the_future,
    EventName.GAP_REPAIRED: _gap,
    EventName.CLOCK_STEPPED: _clock_steps,
    EventName.CLOCK_OUTVOTED: _clock_is_outvoted,
    EventName.CLOCK_BEYOND_WINDOW: _clock_is_not_known,
    EventName.BREAKER_CHANGED: _breaker,
    EventName.ANSWER_REJECTED: lambda _: Reader("binance").one("ticker", {"last": "?"}, lambda row: int(row["last"])),
    EventName.FUNDING: lambda _: log_funding("binance", [FundingPayment(SYMBOL, "USDT", Decimal(1), 0)]),
    EventName.DEAD_MAN_SET: _dead_man,
    EventName.RUN_STOPPED: _signal,
    EventName.ON_STOP: _flatten,
    EventName.TRADING_STATE: lambda _: TradingControl().set("halted", "enough"),
    EventName.ALERT_RAISED: lambda _: AlertHub().raise_alert(Alert(AlertKind.INTERNAL, "hear me")),
    EventName.ALERT_FAILED: _sink_raises,
}


def test_every_event_has_somebody_who_says_it() -> None:
    assert OF_A_STORE | set(OF_PARTS) == set(EventName)


@pytest.mark.parametrize("event", OF_PARTS)
def test_an_event_is_said(event: EventName, said: Said, tmp_path: Path) -> None:  # noqa: F811
    if event is EventName.RUN_STOPPED and os.name != "posix":
        pytest.skip("signals of POSIX")
    OF_PARTS[event](tmp_path)
    assert said.of(event)

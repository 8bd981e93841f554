"""(n) From the push of a fill to what follows from it: the stop of an entry's first partial fill, and the cancel of the
other order of a pair. Counted until the exchange is called; what ccxt and the network add is in ``orders_out``.

The peer is a callback that calls the exchange itself, and keeps nothing that a restart would find.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from benchmarks.clients.still_exchange import StillExchange
from benchmarks.processes import once
from benchmarks.report import Column, Report, Row, Target
from benchmarks.sizes import Size
from benchmarks.stats import percentile
from btccxt.model import (
    Fee,
    Fill,
    Market,
    MarketType,
    OrderKind,
    OrderReference,
    OrderRequest,
    OrderUpdate,
    Side,
)
from btccxt.orders.emulator import OrderEmulator
from btccxt.orders.journal.journal import Journal
from btccxt.orders.live_order import LifecycleState
from btccxt.orders.tracker import OrderEvent, OrderTracker
from btccxt.resilience.clock import ExchangeClock, WallTime
from btccxt.session.loop_thread import new_event_loop

NAME = "exits_follow"
TITLE = "a fill's push to the exit that follows from it"

_P50, _P99 = "p50 ms", "p99 ms"
_PEER, _MEMORY, _DISK = "a bare callback", "btccxt, journal in memory", "btccxt, journal on disk"
_PROTECT, _SIBLING = "stop of a first partial fill", "cancel of the other order"
_D = Decimal
_MARKET = Market(
    "BTC/USDT:USDT",
    "BTC",
    "USDT",
    "USDT",
    MarketType.LINEAR,
    active=True,
    price_step=_D("0.1"),
    amount_step=_D("0.001"),
)


class _Timed(StillExchange):
    """Writes down when it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.called_s: dict[str, float] = {}

    async def create_order(self, request: OrderRequest) -> OrderUpdate:
        self.called_s[f"create {request.client_order_id}"] = time.perf_counter()
        return await super().create_order(request)

    async def cancel_order(self, reference: OrderReference) -> OrderUpdate:
        self.called_s.setdefault(f"cancel {reference.client_order_id}", time.perf_counter())
        return await super().cancel_order(reference)


def run(size: Size) -> Report:
    brackets = size.pick(400, 100, 3)
    rows, reached = [], {}
    with tempfile.TemporaryDirectory(prefix="btccxt-bench-") as folder:
        found = {
            _MEMORY: once(_measure, brackets, ":memory:"),
            _DISK: once(_measure, brackets, str(Path(folder, "journal.sqlite3"))),
            _PEER: once(_bare, brackets),
        }
    for case, number in ((_PROTECT, 0), (_SIBLING, 1)):
        for who, both in found.items():
            late = both[number]
            rows.append(Row(case, who, {_P50: percentile(late, 50), _P99: percentile(late, 99)}))
            reached[case, who] = percentile(late, 50)
    targets = [Target(f"{case}, journal in memory (ms)", reached[case, _MEMORY], 2.0) for case in (_PROTECT, _SIBLING)]
    return Report(NAME, TITLE, (Column(_P50, 3), Column(_P99, 3)), _P50, tuple(rows), tuple(targets))


def _measure(brackets: int, path: str) -> tuple[list[float], list[float]]:
    return _in_loop(lambda: _play(brackets, path))


def _bare(brackets: int) -> tuple[list[float], list[float]]:
    return _in_loop(lambda: _play_bare(brackets))


def _in_loop(play: Callable[[], object]) -> tuple[list[float], list[float]]:
    loop = new_event_loop()
    try:
        return loop.run_until_complete(play())  # type: ignore[arg-type,return-value]
    finally:
        loop.close()


async def _play(brackets: int, path: str) -> tuple[list[float], list[float]]:
    exchange = _Timed()
    journal = Journal.open(path, exchange="still", mode="sim", account="benchmark")
    clock = ExchangeClock(WallTime())
    tracker = OrderTracker(exchange, journal, clock, lambda event: _hear(event))
    await tracker.start()
    emulator = OrderEmulator(
        tracker, {_MARKET.symbol: _MARKET}, lambda symbol, wanted: None, lambda alarm: None, lambda event: None,
        now_ms=clock.now_ms,
    )  # fmt: skip

    def _hear(event: OrderEvent) -> None:
        emulator.hear(event)

    protect, sibling = [], []
    for number in range(brackets):
        names = [tracker.next_client_order_id() for _ in range(3)]
        stop, target, entry = names
        tied = {"parent": entry, "oco": stop}
        emulator.submit(_request(stop, Side.SELL, OrderKind.STOP, trigger_price=_D(90), reduce_only=True), tied)
        emulator.submit(_request(target, Side.SELL, OrderKind.LIMIT, price=_D(110), reduce_only=True), tied)
        emulator.submit(_request(entry, Side.BUY, OrderKind.LIMIT, price=_D(100)), {})
        await _until(lambda entry=entry: _is_open(tracker, entry))
        began_s = time.perf_counter()
        tracker.on_fill(_fill(entry, Side.BUY, number, "0.4"))
        await _until(lambda stop=stop: f"create {stop}" in exchange.called_s)
        protect.append((exchange.called_s[f"create {stop}"] - began_s) * 1000)
        await _until(lambda target=target: _is_open(tracker, target))
        began_s = time.perf_counter()
        tracker.on_fill(_fill(entry, Side.BUY, number + brackets, "0.6"))
        await _until(lambda stop=stop: _carried(tracker, stop) == 1)
        began_s = time.perf_counter()
        for name, amount in _carriers(tracker, target):
            tracker.on_fill(_fill(name, Side.SELL, number, str(amount)))
        await _until(lambda stop=stop: f"cancel {stop}" in exchange.called_s)
        sibling.append((exchange.called_s[f"cancel {stop}"] - began_s) * 1000)
    emulator.close()
    await tracker.stop()
    journal.close()
    return protect, sibling


async def _play_bare(brackets: int) -> tuple[list[float], list[float]]:
    exchange = _Timed()
    protect, sibling = [], []
    for number in range(brackets):
        request = _request(f"stop-{number}", Side.SELL, OrderKind.STOP, trigger_price=_D(90), reduce_only=True)
        began_s = time.perf_counter()
        await asyncio.get_running_loop().create_task(exchange.create_order(request))
        protect.append((exchange.called_s[f"create {request.client_order_id}"] - began_s) * 1000)
        reference = OrderReference(request.symbol, request.client_order_id)
        began_s = time.perf_counter()
        await asyncio.gather(exchange.cancel_order(reference), return_exceptions=True)
        sibling.append((exchange.called_s[f"cancel {request.client_order_id}"] - began_s) * 1000)
    return protect, sibling


def _carriers(tracker: OrderTracker, name: str) -> list[tuple[str, Decimal]]:
    return [
        (order.client_order_id, order.remaining)
        for order in tracker.open_orders()
        if name in (order.client_order_id, order.context.get("primary"))
    ]


def _carried(tracker: OrderTracker, name: str) -> Decimal:
    return sum((amount for _, amount in _carriers(tracker, name)), _D(0))


def _is_open(tracker: OrderTracker, name: str) -> bool:
    order = tracker.order(name)
    return order is not None and order.state is LifecycleState.OPEN


async def _until(done: Callable[[], bool]) -> None:
    while not done():  # noqa: ASYNC110 - the orders change in this very loop
        await asyncio.sleep(0.0005)


def _request(name: str, side: Side, kind: OrderKind, **fields: object) -> OrderRequest:
    return OrderRequest(name, _MARKET.symbol, side, kind, _D(1), **fields)  # type: ignore[arg-type]


def _fill(name: str, side: Side, number: int, amount: str) -> Fill:
    return Fill(
        f"{name}-{number}", _MARKET.symbol, side, _D(100), _D(amount), 1_767_614_400_000 + number,
        client_order_id=name, fee=Fee("USDT", _D("0.1")), maker=True,
    )  # fmt: skip

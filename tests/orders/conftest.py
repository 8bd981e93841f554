"""A tracker with everything around it: fake exchange, real journal, quick policy, and what came out of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from btccxt.model import Fill, OrderKind, OrderRequest, Side
from btccxt.orders.events import Alarm, AlarmKind
from btccxt.orders.journal.journal import Journal
from btccxt.orders.live_order import LifecycleState, LiveOrder
from btccxt.orders.policy import TrackerPolicy
from btccxt.orders.tracker import OrderEvent, OrderTracker, RestoredState
from btccxt.resilience.clock import ExchangeClock, WallTime
from tests.orders.fake_exchange import FakeExchange, Placed

QUICK = TrackerPolicy(
    visibility_delay_s=0.05,
    send_backoff_s=0.01,
    max_backoff_s=0.05,
    resolve_first_s=0.01,
    resolve_total_s=2.0,
    cancel_push_wait_s=0.01,
    cancel_total_s=2.0,
    fills_wait_s=0.3,
    fills_first_wait_s=0.01,
    in_flight_check_s=0.02,
    open_orders_fast_s=1_000.0,
    open_orders_slow_s=2_000.0,
    ask_again_s=0.02,
    ask_again_most_s=0.05,
    held_news_s=0.3,
    stop_wait_s=0.5,
    start_total_s=3.0,
)


class StalledDisk:
    """Nothing is written from the beginning of the ``with`` block to ``release``."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._go_on = threading.Event()

    def __enter__(self) -> StalledDisk:
        self._journal._read(lambda _: self._go_on.wait(60))
        return self

    def release(self) -> None:
        self._go_on.set()

    def __exit__(self, *_: object) -> None:
        self.release()


@dataclass
class Desk:
    """One run of a tracker on a journal; ``restart()`` makes the next one on the same file."""

    exchange: FakeExchange
    journal: Journal
    clock: ExchangeClock
    policy: TrackerPolicy
    options: dict[str, Any] = field(default_factory=dict)
    events: list[OrderEvent] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    tracker: OrderTracker = field(init=False)
    restored: RestoredState = field(init=False)

    def __post_init__(self) -> None:
        self.exchange.now_ms = self.clock.now_ms
        self.tracker = OrderTracker(
            self.exchange,
            self.journal,
            self.clock,
            self.events.append,
            self.policy,
            alarm=self.alarms.append,
            **self.options,
        )

    async def start(self) -> Desk:
        self.restored = await self.tracker.start()
        return self

    def request(self, amount: str = "1", price: str | None = "100", **changes: Any) -> OrderRequest:
        request = OrderRequest(
            client_order_id=self.tracker.next_client_order_id(),
            symbol="BTC/USDT",
            side=Side.BUY,
            kind=OrderKind.LIMIT if price is not None else OrderKind.MARKET,
            amount=Decimal(amount),
            price=None if price is None else Decimal(price),
        )
        return replace(request, **changes)

    def submit(self, request: OrderRequest | None = None, context: Mapping[str, str] | None = None, **more: Any) -> str:
        request = request or self.request()
        self.tracker.submit(request, context, **more)
        return request.client_order_id

    async def opened(self, request: OrderRequest | None = None, context: Mapping[str, str] | None = None) -> str:
        """Submit and wait until it is open."""
        client_order_id = self.submit(request, context)
        await self.until(client_order_id, LifecycleState.OPEN)
        return client_order_id

    def order(self, client_order_id: str) -> LiveOrder:
        order = self.tracker.order(client_order_id)
        assert order is not None
        return order

    def placed(self, client_order_id: str) -> Placed:
        return next(one for one in self.exchange.book.values() if one.request.client_order_id == client_order_id)

    def fills(self, client_order_id: str) -> list[Fill]:
        """What the strategy was told to count."""
        return [fill for event in self.events if event.order.client_order_id == client_order_id for fill in event.fills]

    def states(self, client_order_id: str) -> list[LifecycleState]:
        """States as announced, repetitions removed."""
        states = [event.order.state for event in self.events if event.order.client_order_id == client_order_id]
        return [state for i, state in enumerate(states) if i == 0 or state is not states[i - 1]]

    def alarmed(self, kind: AlarmKind) -> list[str]:
        return [alarm.text for alarm in self.alarms if alarm.kind is kind]

    async def until(self, client_order_id: str, *states: LifecycleState) -> LiveOrder:
        await eventually(
            lambda: (order := self.tracker.order(client_order_id)) is not None and order.state in states,
            lambda: f"{self.tracker.order(client_order_id)} is not {states}; {self.alarms}",
        )
        return self.order(client_order_id)

    async def quiet(self) -> None:
        """Everything that was handed over has been worked on."""
        for _ in range(5):
            await asyncio.sleep(0)
        await asyncio.wrap_future(self.journal.flush())
        for _ in range(20):
            await asyncio.sleep(0)

    async def restart(self, **changes: Any) -> Desk:
        """A new process on the same journal and exchange."""
        desk = await self.stopped_and_reopened(**changes)
        return await desk.start()

    async def stopped_and_reopened(self, **changes: Any) -> Desk:
        await self.stop()
        journal = open_journal(Path(self.journal.path))
        desk = Desk(self.exchange, journal, self.clock, replace(self.policy, **changes), self.options)
        _desks.append(desk)
        return desk

    async def stop(self) -> None:
        await self.tracker.stop()
        self.journal.close()


_desks: list[Desk] = []


def open_journal(path: Path | str) -> Journal:
    return Journal.open(path, exchange="fake", mode="testnet", account="abc123")


async def eventually(condition: Callable[[], bool], otherwise: Callable[[], str] = str, bound_s: float = 60.0) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + bound_s
    while not condition():
        assert loop.time() < deadline, otherwise()
        await asyncio.sleep(0.002)


@pytest.fixture
async def make_desk(tmp_path: Path) -> AsyncIterator[Callable[..., Desk]]:
    """Desk factory; ``await make_desk().start()``. Policy fields as keywords."""
    _desks.clear()

    def make(exchange: FakeExchange | None = None, options: dict[str, Any] | None = None, **policy: Any) -> Desk:
        journal = open_journal(tmp_path / f"journal{len(_desks)}.sqlite3")
        desk = Desk(
            exchange or FakeExchange(), journal, ExchangeClock(WallTime()), replace(QUICK, **policy), options or {}
        )
        _desks.append(desk)
        return desk

    yield make
    for desk in _desks:
        await desk.stop()
        assert not desk.alarmed(AlarmKind.FAULT)


@pytest.fixture
async def desk(make_desk: Callable[..., Desk]) -> Desk:
    return await make_desk().start()

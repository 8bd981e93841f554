"""A request is prepared while the disk works, and leaves when the ticket is on it: the real client, a real file."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
from btccxt.model import OrderKind, OrderRequest, Side
from btccxt.orders.journal.journal import Journal
from btccxt.orders.journal.reader import JournalReader
from btccxt.orders.live_order import LifecycleState, LiveOrder
from btccxt.orders.tracker import OrderEvent, OrderTracker
from btccxt.sim.dialects.base import SeenRequest
from btccxt.sim.faults import Fault, FaultKind
from btccxt.sim.server import SimExchange
from tests.exchange.ccxt.sim_kit import opened, running_sim
from tests.orders.conftest import QUICK, StalledDisk, eventually, open_journal

ORDER_PATH = "/api/v3/order"
STALE = replace(QUICK, stale_request_s=0.3)


class Trading:
    """A tracker on an embedded exchange, with what arrived there and what the client has signed."""

    def __init__(self, sim: SimExchange, exchange: CCXTExchange, journal: Journal) -> None:
        self.sim, self.exchange, self.journal = sim, exchange, journal
        self.tracker = OrderTracker(exchange, journal, exchange.clock, lambda _: None, STALE)
        self.arrived: list[str] = []
        self.signed: list[str] = []
        sim.on_request(self._saw)
        sign = exchange._rest.sign

        def signing(path: str, api: str = "public", method: str = "GET", *rest: object) -> object:
            request = sign(path, api, method, *rest)
            self.signed += [request["url"]] if method == "POST" else []
            return request

        exchange._rest.sign = signing

    def _saw(self, request: SeenRequest) -> None:
        if request.method == "POST" and request.path == ORDER_PATH:
            self.arrived.append(request.params["newClientOrderId"])

    def buy(self, price: str = "1000") -> str:
        name = self.tracker.next_client_order_id()
        self.tracker.submit(
            OrderRequest(name, "BTC/USDT", Side.BUY, OrderKind.LIMIT, Decimal("0.01"), price=Decimal(price))
        )
        return name

    def order(self, name: str) -> LiveOrder:
        order = self.tracker.order(name)
        assert order is not None
        return order

    async def until_signed(self) -> None:
        await eventually(lambda: bool(self.signed))
        await asyncio.sleep(0.05)  # whatever would leave now has had the time to

    async def until(self, name: str, state: LifecycleState) -> LiveOrder:
        await eventually(
            lambda: (found := self.tracker.order(name)) is not None and found.state is state,
            lambda: f"{self.tracker.order(name)}",
        )
        return self.order(name)


def in_journal(journal: Journal, name: str) -> LifecycleState:
    with JournalReader(journal.path) as reader:
        return reader.story(name).order.state


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = open_journal(tmp_path / "journal.sqlite3")
    yield journal
    journal.close()


@pytest.fixture
async def trading(journal: Journal) -> AsyncIterator[Trading]:
    async with running_sim() as sim, opened(sim) as exchange:
        await exchange.load_markets()
        trading = Trading(sim, exchange, journal)
        await trading.tracker.start()
        yield trading
        await trading.tracker.stop()


async def test_a_request_is_signed_while_the_disk_works_and_leaves_when_the_ticket_is_on_it(trading: Trading) -> None:
    on_disk: list[bool] = []

    async def look(request: SeenRequest) -> None:
        if request.path == ORDER_PATH:
            with JournalReader(trading.journal.path) as reader:
                on_disk.append(name in [row.request.client_order_id for row in reader.orders()])

    trading.sim.hold_requests(look)
    with StalledDisk(trading.journal) as disk:
        name = trading.buy()
        await trading.until_signed()
        assert trading.arrived == []
        assert trading.order(name).attempts == 0
        disk.release()
        await trading.until(name, LifecycleState.OPEN)
    assert trading.arrived == [name]
    assert on_disk == [True]
    assert len(trading.signed) == 1


async def test_a_cancel_while_the_disk_works_is_told_when_it_is_on_it_and_nothing_leaves(trading: Trading) -> None:
    with StalledDisk(trading.journal) as disk:
        name = trading.buy()
        await trading.until_signed()
        trading.tracker.cancel(name)
        await eventually(lambda: trading.order(name).cancel_requested)
        await asyncio.sleep(0.05)
        assert not trading.order(name).is_final  # a kill now would leave no trace of the cancel
        disk.release()
        await trading.until(name, LifecycleState.CANCELED)
        await asyncio.wrap_future(trading.journal.flush())
        await asyncio.sleep(0.05)
    assert trading.arrived == []
    assert in_journal(trading.journal, name) is LifecycleState.CANCELED


async def test_a_cancel_that_was_told_is_known_to_the_next_life(trading: Trading, tmp_path: Path) -> None:
    """Also where that life sends what the former one did not come to send."""
    copies: list[Path] = []

    def kill(event: OrderEvent) -> None:
        if event.order.state is LifecycleState.CANCELED:  # what is on the disk the moment it is told
            copies.extend(
                shutil.copy(trading.journal.path + end, tmp_path / f"next.sqlite3{end}") for end in ("", "-wal")
            )

    trading.tracker._register.publish = kill
    with StalledDisk(trading.journal) as disk:
        name = trading.buy()
        await trading.until_signed()
        trading.tracker.cancel(name)
        disk.release()
        await trading.until(name, LifecycleState.CANCELED)
    assert len(copies) == 2
    journal = open_journal(tmp_path / "next.sqlite3")
    policy = replace(QUICK, unsent_after_restart="resend")
    tracker = OrderTracker(trading.exchange, journal, trading.exchange.clock, lambda _: None, policy)
    try:
        await tracker.start()
        await eventually(lambda: (found := tracker.order(name)) is not None and found.is_final)
    finally:
        await tracker.stop()
        journal.close()
    assert trading.arrived == []


async def test_a_request_that_waited_long_for_its_ticket_is_prepared_anew(trading: Trading) -> None:
    with StalledDisk(trading.journal) as disk:
        name = trading.buy()
        await trading.until_signed()
        await asyncio.sleep(STALE.stale_request_s)
        disk.release()
        order = await trading.until(name, LifecycleState.OPEN)
    assert (len(trading.signed), trading.arrived, order.attempts) == (2, [name], 1)


async def test_each_attempt_asks_whether_it_may_leave(trading: Trading) -> None:
    trading.sim.faults.add(Fault(FaultKind.RATE_LIMIT, method="POST", path=ORDER_PATH))
    name = trading.buy()
    order = await trading.until(name, LifecycleState.OPEN)
    assert order.attempts == 2


async def test_a_ticket_that_could_not_be_written_sends_nothing(trading: Trading) -> None:
    journal = trading.journal
    with StalledDisk(journal) as disk:
        journal._read(lambda connection: connection.execute("PRAGMA query_only=ON"))
        name = trading.buy()
        await trading.until_signed()
        disk.release()
        order = await trading.until(name, LifecycleState.REJECTED)
    assert "not sent" in order.reasons[0]
    assert trading.arrived == []


async def test_an_order_that_is_being_prepared_when_trading_is_halted_does_not_leave(trading: Trading) -> None:
    with StalledDisk(trading.journal) as disk:
        name = trading.buy()
        await trading.until_signed()
        trading.tracker.halt("both cannot be true")
        await eventually(lambda: trading.tracker.halted is not None)
        disk.release()
        order = await trading.until(name, LifecycleState.REJECTED)
    assert "trading is halted" in order.reasons[0]
    assert trading.arrived == []


async def test_a_tracker_that_stops_meanwhile_sends_nothing_and_the_journal_goes_on(
    trading: Trading,
) -> None:
    with StalledDisk(trading.journal) as disk:
        name = trading.buy()
        await trading.until_signed()
        await trading.tracker.stop()
        disk.release()
        await asyncio.wait_for(asyncio.wrap_future(trading.journal.flush()), 60)
    assert trading.arrived == []
    assert in_journal(trading.journal, name) is LifecycleState.JOURNALED

"""A request is prepared while the disk works, and leaves when the ticket is on it: the real client, a real file."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from btccxt.errors import Refused
from btccxt.exchange.ccxt_exchange import CCXTExchange
from btccxt.model import OrderKind, OrderRequest, OrderUpdate, Side
from btccxt.orders.journal import Journal
from btccxt.orders.journal_reader import JournalReader
from btccxt.orders.live_order import LifecycleState, LiveOrder
from btccxt.orders.tracker import OrderTracker
from btccxt.sim.dialects.base import SeenRequest
from btccxt.sim.server import SimExchange
from tests.exchange.sim_kit import SPOT, opened, running_sim
from tests.orders.conftest import QUICK, eventually, open_journal

ORDER_PATH = "/api/v3/order"


class StalledDisk:
    """Nothing is written from the beginning of the ``with`` block to ``release``."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._go_on = threading.Event()

    def __enter__(self) -> StalledDisk:
        self._journal._read(lambda _: self._go_on.wait(30))
        return self

    def release(self) -> None:
        self._go_on.set()

    def __exit__(self, *_: object) -> None:
        self.release()


class Trading:
    """A tracker on an embedded exchange, with what arrived there and what the client has signed."""

    def __init__(self, sim: SimExchange, exchange: CCXTExchange, journal: Journal) -> None:
        self.sim, self.exchange, self.journal = sim, exchange, journal
        self.tracker = OrderTracker(exchange, journal, exchange.clock, lambda _: None, QUICK)
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

    async def until_signed(self) -> None:
        await eventually(lambda: bool(self.signed))
        await asyncio.sleep(0.05)  # whatever would leave now has had the time to

    async def until(self, name: str, state: LifecycleState) -> LiveOrder:
        await eventually(
            lambda: (found := self.tracker.order(name)) is not None and found.state is state,
            lambda: f"{self.tracker.order(name)}",
        )
        order = self.tracker.order(name)
        assert order is not None
        return order


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
        assert trading.tracker.order(name).attempts == 0
        disk.release()
        await trading.until(name, LifecycleState.OPEN)
    assert trading.arrived == [name]
    assert on_disk == [True]
    assert len(trading.signed) == 1


async def test_a_cancel_while_the_disk_works_takes_effect_at_once_and_nothing_leaves(trading: Trading) -> None:
    with StalledDisk(trading.journal) as disk:
        name = trading.buy()
        await trading.until_signed()
        trading.tracker.cancel(name)
        await trading.until(name, LifecycleState.CANCELED)
        disk.release()
        await asyncio.wrap_future(trading.journal.flush())
        await asyncio.sleep(0.05)
    assert trading.arrived == []
    assert in_journal(trading.journal, name) is LifecycleState.CANCELED


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


async def test_a_tracker_that_stops_meanwhile_sends_nothing_and_the_journal_goes_on(
    trading: Trading,
) -> None:
    with StalledDisk(trading.journal) as disk:
        name = trading.buy()
        await trading.until_signed()
        await trading.tracker.stop()
        disk.release()
        await asyncio.wait_for(asyncio.wrap_future(trading.journal.flush()), 5)
    assert trading.arrived == []
    assert in_journal(trading.journal, name) is LifecycleState.JOURNALED


async def test_what_ready_refuses_is_raised_as_it_is_and_nothing_leaves(trading: Trading) -> None:
    class Withheld(Refused):
        pass

    async def not_now() -> None:
        raise Withheld("not now")

    request = OrderRequest("held1", "BTC/USDT", Side.BUY, OrderKind.LIMIT, Decimal("0.01"), price=Decimal(1000))
    with pytest.raises(Withheld, match="not now"):
        await trading.exchange.create_order_when(request, not_now)
    assert (len(trading.signed), trading.arrived) == (1, [])


async def test_an_exchange_with_its_own_way_of_sending_is_asked_only_when_the_order_may_leave() -> None:
    class Own(CCXTExchange):
        async def create_order(self, request: OrderRequest) -> OrderUpdate:
            steps.append("sent")
            return await super().create_order(request)

    steps: list[str] = []

    async def ready() -> None:
        steps.append("ready")

    async with running_sim() as sim:
        exchange = Own(SPOT, {"apiKey": "sim-key", "secret": "simsecretkey"}, connector=sim.connector)
        await exchange.open()
        try:
            request = OrderRequest("own1", "BTC/USDT", Side.BUY, OrderKind.LIMIT, Decimal("0.01"), price=Decimal(1000))
            await exchange.create_order_when(request, ready)
        finally:
            await exchange.close()
    assert steps == ["ready", "sent"]

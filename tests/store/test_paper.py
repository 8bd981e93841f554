"""Paper orders rest in this process and are filled by what the real exchange streams: best bid and ask, or trades."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal as D
from typing import Any

import pytest

from btccxt.errors import Refused
from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import (
    Fill,
    MarketType,
    OrderKind,
    OrderReference,
    OrderRequest,
    OrderStatus,
    Side,
    StreamKey,
    StreamKind,
)
from btccxt.resilience.clock import ExchangeClock, WallTime
from btccxt.sim.tls import connector_for
from btccxt.store.paper import PaperExchange
from tests.e2e.stage import BTC, Venue

BOUND_S = 60.0


class OnlyBest(CCXTExchange):
    """An exchange that streams no order books."""

    def can_stream(self, key: StreamKey) -> bool:
        return key.kind is not StreamKind.ORDER_BOOK and super().can_stream(key)


class OnlyTrades(OnlyBest):
    """... and no tickers."""

    def can_stream(self, key: StreamKey) -> bool:
        return key.kind is not StreamKind.TICKER and super().can_stream(key)


AGAINST = {CCXTExchange: "order_book", OnlyBest: "best", OnlyTrades: "trades"}


class Desk:
    def __init__(self, venue: Venue, public: CCXTExchange) -> None:
        self.venue = venue
        self.news: list[Any] = []
        self.troubles: list[str] = []
        self.paper = PaperExchange(
            public, {"USDT": D(10_000)}, public.clock.now_ms, lambda what, error: self.troubles.append(what)
        )

    async def open(self) -> None:
        await self.paper.open()
        await self.paper.load_markets()
        keys = [StreamKey(kind) for kind in (StreamKind.ORDERS, StreamKind.FILLS, StreamKind.BALANCE)]
        self._stream = asyncio.create_task(self.paper.stream(keys, lambda key, news: self.news.append(news)))

    async def close(self) -> None:
        self._stream.cancel()
        await asyncio.gather(self._stream, return_exceptions=True)
        await self.paper.close()

    async def limit_buy(self, price: str, amount: str = "0.02") -> OrderReference:
        request = OrderRequest(f"b{price}", BTC, Side.BUY, OrderKind.LIMIT, D(amount), D(price))
        update = await self.paper.create_order(request)
        assert (update.status, update.filled) == (OrderStatus.OPEN, D(0))
        return OrderReference(BTC, client_order_id=request.client_order_id)

    @property
    def fills(self) -> list[Fill]:
        return [each for each in self.news if isinstance(each, Fill)]


def make(kind: type[CCXTExchange], venue: Venue) -> CCXTExchange:
    return kind(
        load_profile("binance", MarketType.SPOT), {}, clock=ExchangeClock(WallTime()),
        connector=lambda: connector_for(venue.address),
    )  # fmt: skip


@pytest.fixture(params=AGAINST, ids=AGAINST.values())
async def desk(request) -> AsyncIterator[Desk]:
    with Venue() as venue:
        desk = Desk(venue, make(request.param, venue))
        await desk.open()
        yield desk
        await desk.close()


async def test_a_resting_order_is_filled_when_the_streamed_market_reaches_it(desk):
    order = await desk.limit_buy("59000")
    for price in ("59500", "59001"):
        desk.venue.move(D(price))
        await asyncio.sleep(0.2)
    assert desk.fills == []
    for _ in range(int(BOUND_S / 0.1)):  # a move that came before the stream stood was not heard
        desk.venue.move(D("58900"))
        await asyncio.sleep(0.1)
        if desk.fills:
            break
    assert desk.fills and desk.fills[0].price == D(59_000)
    assert (await desk.paper.fetch_order(order)).filled > 0
    assert (await desk.paper.fetch_balance()).by_currency["BTC"].total > 0
    assert desk.troubles == []
    assert desk.paper.facts()["match"] == {BTC: AGAINST[type(desk.paper.public)]}


async def test_nothing_of_an_order_reaches_the_real_exchange(desk):
    seen: list[str] = []
    desk.venue.call(
        lambda exchange: exchange.on_request(lambda request: seen.append(f"{request.method} {request.path}"))
    )
    order = await desk.limit_buy("59000")
    await desk.paper.cancel_order(order)
    with pytest.raises(Refused, match="USDT"):
        await desk.limit_buy("59000", amount="5")
    assert seen and all(each.startswith("GET") and "order" not in each.lower() for each in seen)
    assert desk.venue.fills() == []


async def test_a_stop_and_a_target_are_one_order_list(desk):
    """As live: the coins are bound once, a cancel of one takes both, and one whose price has come is refused."""

    async def ready() -> None:
        pass

    def exits(level: int) -> tuple[OrderRequest, OrderRequest]:
        stop = OrderRequest(f"s{level}", BTC, Side.BUY, OrderKind.STOP, D("0.1"), trigger_price=D(61_000))
        return stop, OrderRequest(f"t{level}", BTC, Side.BUY, OrderKind.LIMIT, D("0.1"), D(level))

    stop, target = await desk.paper.create_order_list(*exits(59_000), ready)
    assert (stop.status, target.status) == (OrderStatus.OPEN, OrderStatus.OPEN)
    assert (await desk.paper.fetch_balance()).by_currency["USDT"].free >= D(10_000) - D("6200")
    await desk.paper.cancel_order(OrderReference(BTC, client_order_id="s59000"))
    assert await desk.paper.fetch_open_orders(BTC) == []
    with pytest.raises(Refused):
        await desk.paper.create_order_list(*exits(60_500), ready)
    assert await desk.paper.fetch_open_orders(BTC) == []

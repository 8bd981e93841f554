"""Two positions a symbol, each by a name of its own, over an exchange that says symbol and side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal as D
from typing import Any

import pytest

from btccxt.errors import Unreadable
from btccxt.exchange.api import Deliver, ExchangeAPI
from btccxt.exchange.hedged import HedgedExchange
from btccxt.model import (
    Bar,
    Fill,
    Market,
    OrderKind,
    OrderReference,
    OrderRequest,
    OrderStatus,
    OrderUpdate,
    Origin,
    Position,
    Side,
    StreamEvent,
    StreamKey,
    StreamKind,
    Ticker,
    Trade,
)
from btccxt.sim.markets import linear_market, spot_market

PERP = "BTC/USDT:USDT"
LONG, SHORT = f"{PERP} long", f"{PERP} short"
FILL = Fill("1", PERP, Side.BUY, D(100), D(2), 5, order_id="7", position_side="short")
UPDATE = OrderUpdate(PERP, OrderStatus.OPEN, Origin.QUERY, "7", "b1", position_side="short", fills=(FILL,))


class Fake(ExchangeAPI):
    """Says what it is told to say, and keeps what it is asked."""

    id = "fake"

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.orders: list[OrderUpdate] = [UPDATE]
        self.fills: list[Fill] = [FILL]
        self.positions: list[Position] = []
        self.news: list[StreamEvent] = []

    async def load_markets(self) -> Mapping[str, Market]:
        return {"BTC/USDT": spot_market("BTC/USDT"), PERP: linear_market(PERP)}

    async def fetch_ticker(self, symbol: str) -> Ticker:
        return Ticker(symbol, 1, 99.0, 101.0)

    async def fetch_ohlcv(
        self, symbol: str, timeframe: str, since_ms: int | None = None, limit: int | None = None
    ) -> list[Bar]:
        return []

    async def fetch_positions(self, symbols: Sequence[str] | None = None) -> list[Position]:
        self.asked.append(symbols)
        return self.positions

    async def fetch_order(self, reference: OrderReference) -> OrderUpdate:
        self.asked.append(reference)
        return self.orders[0]

    async def fetch_open_orders(self, symbol: str | None = None) -> list[OrderUpdate]:
        self.asked.append(symbol)
        return self.orders

    async def fetch_my_trades(
        self, symbol: str | None = None, since_ms: int | None = None, limit: int | None = None
    ) -> list[Fill]:
        self.asked.append(symbol)
        return self.fills

    async def create_order(self, request: OrderRequest) -> OrderUpdate:
        self.asked.append(request)
        return OrderUpdate(request.symbol, OrderStatus.UNKNOWN, Origin.CREATE, "8", request.client_order_id)

    async def stream(self, keys: Sequence[StreamKey], deliver: Deliver) -> None:
        self.asked.append(tuple(keys))
        for key in keys:
            for event in self.news:
                deliver(key, event)


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
def hedged(fake: Fake) -> HedgedExchange:
    return HedgedExchange(fake)


async def test_each_contract_has_two_more_names_and_spot_has_none(hedged: HedgedExchange) -> None:
    markets = await hedged.load_markets()
    assert list(markets) == ["BTC/USDT", PERP, LONG, SHORT]
    assert markets[SHORT] == replace(markets[PERP], symbol=SHORT)


async def test_an_order_leaves_with_symbol_and_side_and_says_no_reduce_only(fake: Fake, hedged: HedgedExchange) -> None:
    request = OrderRequest("b2", SHORT, Side.BUY, OrderKind.MARKET, D(2), reduce_only=True)
    update = await hedged.create_order(request)
    (sent,) = fake.asked
    assert (sent.symbol, sent.position_side, sent.reduce_only) == (PERP, "short", False)
    assert update.symbol == SHORT  # the answer names no side


async def test_what_comes_back_has_the_name_of_its_position_and_one_may_be_asked_for(
    fake: Fake, hedged: HedgedExchange
) -> None:
    fake.orders.append(replace(UPDATE, order_id="9", client_order_id="b3", position_side="long", fills=()))
    fake.fills.append(replace(FILL, trade_id="2", position_side="long", order_id="9"))
    assert [each.symbol for each in await hedged.fetch_open_orders()] == [SHORT, LONG]
    assert [each.order_id for each in await hedged.fetch_open_orders(LONG)] == ["9"]
    assert [each.order_id for each in await hedged.fetch_open_orders(PERP)] == ["7", "9"]
    assert [each.trade_id for each in await hedged.fetch_my_trades(SHORT)] == ["1"]
    assert fake.asked == [None, PERP, PERP, PERP]
    (update,) = await hedged.fetch_open_orders(SHORT)
    assert update.fills[0].symbol == SHORT


async def test_what_names_no_side_is_known_by_its_order_or_not_believed(fake: Fake, hedged: HedgedExchange) -> None:
    fake.fills = [replace(FILL, position_side=None)]
    with pytest.raises(Unreadable, match="of which of two positions"):
        await hedged.fetch_my_trades(PERP)
    await hedged.fetch_order(OrderReference(SHORT, "b1", "7"))
    assert [each.symbol for each in await hedged.fetch_my_trades(PERP)] == [SHORT]
    assert fake.asked[1] == OrderReference(PERP, "b1", "7")


async def test_positions_have_their_names_and_one_without_a_side_that_of_its_sign(
    fake: Fake, hedged: HedgedExchange
) -> None:
    fake.positions = [Position(PERP, D(2), None, 1, hedge_side="long"), Position(PERP, D(-1), None, 1)]
    found = await hedged.fetch_positions([LONG, SHORT])
    assert [(each.symbol, each.amount, each.hedge_side) for each in found] == [(LONG, 2, "long"), (SHORT, -1, "short")]
    assert fake.asked == [[PERP]]


async def test_two_keys_of_one_market_are_one_subscription_and_private_news_have_names(
    fake: Fake, hedged: HedgedExchange
) -> None:
    keys = [StreamKey(StreamKind.TRADES, name) for name in (PERP, LONG)]
    heard: list[tuple[StreamKey, Any]] = []
    fake.news = [Trade("1", 5, 100.0, 1.0, None, PERP)]
    await hedged.stream(keys, lambda key, event: heard.append((key, event)))
    assert fake.asked == [(keys[0],)]
    assert [(key, event.symbol) for key, event in heard] == [(keys[0], PERP), (keys[1], LONG)]
    heard.clear()
    fake.news = [UPDATE, FILL, replace(FILL, position_side=None, order_id="none")]
    await hedged.stream([StreamKey(StreamKind.ORDERS)], lambda key, event: heard.append((key, event)))
    assert [event.symbol for _, event in heard] == [SHORT, SHORT]

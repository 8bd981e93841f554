"""What is said of a paper account holds: its latency, its fees, what its orders are matched against."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal as D
from typing import Any

import pytest

from btccxt import CCXTStore
from btccxt.errors import ConfigError
from btccxt.exchange.api import Deliver
from btccxt.matching.paper_options import PaperOptions
from btccxt.model import (
    Fee,
    OrderBook,
    OrderKind,
    OrderReference,
    OrderRequest,
    OrderStatus,
    Side,
    StreamEvent,
    StreamKey,
    StreamKind,
    StreamOpened,
    Trade,
)
from btccxt.store.paper import PaperExchange
from tests.store.paper_bot import START, SYMBOL, Walk


class Told(Walk):
    """It streams what the test tells, of these kinds."""

    def __init__(self, *kinds: StreamKind) -> None:
        super().__init__()
        self.kinds = kinds
        self.listens = asyncio.Event()

    def can_stream(self, key: StreamKey) -> bool:
        return key.kind in self.kinds

    async def stream(self, keys: Sequence[StreamKey], deliver: Deliver) -> None:
        self.keys, self.deliver = {key.kind: key for key in keys}, deliver
        for key in keys:
            deliver(key, StreamOpened("told"))
        self.listens.set()
        await asyncio.Event().wait()

    def tell(self, kind: StreamKind, event: StreamEvent) -> None:
        self.deliver(self.keys[kind], event)

    def tell_book(self, bids: dict[float, float], asks: dict[float, float]) -> None:
        sides = (tuple(side.items()) for side in (bids, asks))
        self.tell(StreamKind.ORDER_BOOK, OrderBook(SYMBOL, 1, *sides))

    def tell_trade(self, price: float, amount: float, side: Side) -> None:
        self.tell(StreamKind.TRADES, Trade(f"{price}-{amount}", 1, price, amount, side, SYMBOL))


async def paper_on(exchange: Walk, **options: Any) -> PaperExchange:
    paper = PaperExchange(exchange, START, lambda: 1_700_000_000_000, options=PaperOptions(**options))
    await paper.load_markets()
    return paper


def order(name: str, amount: str, side: Side = Side.BUY, price: str | None = None) -> OrderRequest:
    kind = OrderKind.MARKET if price is None else OrderKind.LIMIT
    return OrderRequest(name, SYMBOL, side, kind, D(amount), None if price is None else D(price))


async def test_orders_walk_the_streamed_book_and_wait_in_its_queue() -> None:
    exchange = Told(StreamKind.ORDER_BOOK, StreamKind.TICKER, StreamKind.TRADES)
    paper = await paper_on(exchange)
    await paper.create_order(order("probe", "0.001", price="1"))
    await exchange.listens.wait()
    assert set(exchange.keys) == {StreamKind.ORDER_BOOK, StreamKind.TRADES}
    exchange.tell_book({99.0: 2.0, 98.0: 3.0}, {100.0: 1.0, 101.0: 2.0})
    await paper.create_order(order("taker", "2"))
    assert [(fill.price, fill.amount) for fill in await paper.fetch_my_trades()] == [(D(100), D(1)), (D(101), D(1))]
    exchange.tell_book({99.0: 2.0, 98.0: 3.0}, {100.0: 1.0, 101.0: 2.0})
    await paper.create_order(order("maker", "1", price="99"))
    exchange.tell_trade(99.0, 2.0, Side.SELL)
    assert (await paper.fetch_order(OrderReference(SYMBOL, "maker"))).filled == 0
    exchange.tell_trade(99.0, 0.4, Side.SELL)
    assert (await paper.fetch_order(OrderReference(SYMBOL, "maker"))).filled == D("0.4")
    assert paper.facts()["match"] == {SYMBOL: "order_book"}
    await paper.close()


async def test_where_no_trades_are_streamed_stops_follow_the_book() -> None:
    exchange = Told(StreamKind.ORDER_BOOK)
    paper = await paper_on(exchange)
    stop = OrderRequest("s", SYMBOL, Side.BUY, OrderKind.STOP, D(1), trigger_price=D(105))
    await paper.create_order(stop)
    await exchange.listens.wait()
    exchange.tell_book({107.0: 2.0}, {108.0: 2.0})
    update = await paper.fetch_order(OrderReference(SYMBOL, "s"))
    assert (update.status, update.average) == (OrderStatus.FILLED, D(108))
    await paper.close()


async def test_one_that_streams_nothing_is_asked_and_what_was_wished_is_refused_where_it_is_not() -> None:
    paper = await paper_on(Told())
    await paper.create_order(order("a", "1"))
    assert paper.facts()["match"] == {SYMBOL: "asked ticker"}
    await paper.close()
    paper = await paper_on(Told(StreamKind.TICKER), match="order_book")
    with pytest.raises(ConfigError, match="walk streams none"):
        await paper.create_order(order("a", "1"))
    await paper.close()


async def test_the_price_moves_while_an_order_is_on_its_way() -> None:
    exchange = Told(StreamKind.ORDER_BOOK, StreamKind.TRADES)
    paper = await paper_on(exchange, latency_ms=50)
    await paper.create_order(order("probe", "0.001", price="1"))
    await exchange.listens.wait()
    sent = asyncio.create_task(paper.create_order(order("late", "1")))
    await asyncio.sleep(0)
    exchange.tell_book({119.0: 5.0}, {120.0: 5.0})
    assert (await sent).average == D(120)
    await paper.close()


async def test_nothing_overtakes_what_was_sent_before() -> None:
    paper = await paper_on(Told(), latency_ms=1, latency_p99_ms=50)
    await paper.create_order(order("probe", "0.001", price="1"))
    names = [f"o{number}" for number in range(40)]
    sends = [paper.create_order(order(name, "0.001", price="1")) for name in names]
    cancels = [paper.cancel_order(OrderReference(SYMBOL, name)) for name in names]
    calls = [call for pair in zip(sends, cancels, strict=True) for call in pair]
    updates = await asyncio.gather(*calls)  # a cancel that arrived first would not find its order
    assert [update.client_order_id for update in updates[1::2]] == names
    await paper.close()


async def test_fees_are_those_that_were_given_and_the_markets_say_so() -> None:
    paper = await paper_on(Told(), maker_fee_pct=0.02, taker_fee_pct="0.05")
    market = (await paper.load_markets())[SYMBOL]
    assert (market.maker_rate, market.taker_rate) == (D("0.0002"), D("0.0005"))
    await paper.create_order(order("a", "2"))
    (fill,) = await paper.fetch_my_trades()
    assert fill.fee == Fee("COIN", D("0.001"))
    await paper.close()


def test_the_options_are_for_paper_and_health_says_how_orders_are_filled(tmp_path: Any) -> None:
    with pytest.raises(ConfigError, match="paper is for mode 'paper'"):
        CCXTStore(Walk(), mode="live", paper={"latency_ms": 3})
    store = CCXTStore(Walk(), mode="paper", paper={"latency_ms": 3, "taker_fee_pct": 0.05}, journal=tmp_path / "j")
    store.getbroker()
    store.start()
    try:
        facts = store.health()["paper"]
    finally:
        store.stop()
    assert facts == {
        "account": str(tmp_path / "j"), "match": {}, "funding": False, "account_fees": False,
        "latency_ms": 3, "latency_p99_ms": None, "maker_fee_pct": None,
        "taker_fee_pct": "0.05",
    }  # fmt: skip

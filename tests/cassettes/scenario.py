"""The calls that every cassette holds, in the same order when it is recorded and when it is replayed."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from btccxt.errors import BtccxtError, OrderNotFound, Refused, Unsupported
from btccxt.exchange.ccxt.ccxt_exchange import CCXTExchange
from btccxt.model import (
    Balances,
    Bar,
    Fill,
    Market,
    OrderKind,
    OrderReference,
    OrderRequest,
    OrderUpdate,
    Position,
    Side,
    Ticker,
    Trade,
)
from btccxt.orders.client_ids import ClientIds

BARS = 5
AMOUNT = Decimal("0.01")
TOO_MUCH = Decimal(5)  # BTC: more than the account's money buys


@dataclass
class Answers:
    """What the product made of the answers."""

    market: Market
    ticker: Ticker
    bars: list[Bar]
    trades: list[Trade]
    time_ms: int | None = None
    balances: Balances | None = None
    resting: list[OrderUpdate] = field(default_factory=list)  # placed, asked by client id, cancelled, asked by id
    open_orders: list[OrderUpdate] = field(default_factory=list)
    market_order: OrderUpdate | None = None
    fills: list[Fill] = field(default_factory=list)
    closed_orders: list[OrderUpdate] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)
    unknown_order: BtccxtError | None = None
    too_much: BtccxtError | None = None


async def play_public(exchange: CCXTExchange, symbol: str) -> Answers:
    """Everything that needs no keys."""
    market = (await exchange.load_markets())[symbol]
    try:
        time_ms: int | None = await exchange.fetch_time()
    except Unsupported:
        time_ms = None
    return Answers(
        market,
        await exchange.fetch_ticker(symbol),
        await exchange.fetch_ohlcv(symbol, "1m", limit=BARS),
        await exchange.fetch_trades(symbol, limit=BARS),
        time_ms,
    )


async def play(exchange: CCXTExchange, symbol: str) -> Answers:
    """Public reads, an order that rests and is cancelled, one that fills, one that is refused."""
    answers = await play_public(exchange, symbol)
    rule = exchange.profile.client_id
    ids = ClientIds(4_711, 1)

    def request(kind: OrderKind, amount: Decimal, **more: Any) -> OrderRequest:
        return OrderRequest(ids.new(rule.form, rule.max_length), symbol, Side.BUY, kind, amount, **more)

    answers.balances = await exchange.fetch_balance()
    bid = Decimal(str(answers.ticker.bid or answers.ticker.last))
    step = answers.market.price_step or Decimal(1)
    far = bid * Decimal("0.9") // step * step
    limit = request(OrderKind.LIMIT, AMOUNT, price=far)
    placed = await exchange.create_order(limit)
    by_client_id = OrderReference(symbol, limit.client_order_id)
    by_id = OrderReference(symbol, limit.client_order_id, placed.order_id)
    answers.resting = [placed, await exchange.fetch_order(by_client_id)]
    answers.open_orders = await exchange.fetch_open_orders(symbol)
    answers.resting += [await exchange.cancel_order(by_id), await exchange.fetch_order(by_id)]
    bought = await exchange.create_order(request(OrderKind.MARKET, AMOUNT))
    answers.market_order = await exchange.fetch_order(OrderReference(symbol, bought.client_order_id, bought.order_id))
    answers.fills = await exchange.fetch_my_trades(symbol)
    answers.closed_orders = await exchange.fetch_closed_orders(symbol)
    answers.positions = await exchange.fetch_positions([symbol])
    try:
        await exchange.fetch_order(OrderReference(symbol, ids.new(rule.form, rule.max_length)))
    except OrderNotFound as error:
        answers.unknown_order = error
    try:
        await exchange.create_order(request(OrderKind.LIMIT, TOO_MUCH, price=far))
    except Refused as error:
        answers.too_much = error
    return answers

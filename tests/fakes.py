"""A small scripted exchange in memory, and clocks to stand in for the exchange's.

``FakeExchange`` behaves like the awkward part of real ones on request: pages cut three ways, a forming bar at the end,
REST that lags behind the stream, failures in a given order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal

from btccxt.errors import OrderNotFound, Unsupported
from btccxt.exchange.api import Deliver, ExchangeAPI
from btccxt.model import (
    Balance,
    Balances,
    Bar,
    Fill,
    Market,
    MarketType,
    OrderReference,
    OrderRequest,
    OrderStatus,
    OrderUpdate,
    Origin,
    StreamEvent,
    StreamKey,
    StreamOpened,
    Ticker,
    Trade,
)
from btccxt.timeframe import parse_timeframe

Paging = Literal["next", "window", "newest"]
SYMBOL = "BTC/USDT"


class FakeClock:
    """The exchange's clock, moved by hand. ``sleep_s``: how long whoever waits for it sleeps before looking again."""

    speed = 1.0
    sleep_s = 0.001
    uncertainty_ms: float | None = None

    def __init__(self, now_ms: int = 0) -> None:
        self.ms = now_ms

    @property
    def stamps_ahead_ms(self) -> float | None:
        return self.uncertainty_ms

    def now_ms(self) -> int:
        return self.ms

    def wall_s(self, exchange_ms: float) -> float:
        return self.sleep_s

    def advance(self, ms: int) -> None:
        self.ms += ms


def bar(open_ms: int, close: float = 100.0, volume: float = 1.0) -> Bar:
    """A plausible bar whose figures tell its open apart from every other."""
    return Bar(open_ms, close, close + 2, close - 2, close + 1, volume)


def bars(timeframe: str, start_ms: int, count: int, without: Sequence[int] = ()) -> list[Bar]:
    """``count`` bars in a row, leaving out the positions in ``without``."""
    parsed = parse_timeframe(timeframe)
    result, open_ms = [], start_ms
    for position in range(count):
        if position not in without:
            result.append(bar(open_ms, 100.0 + position % 1000, 1.0 + position % 7))
        open_ms = parsed.next_open(open_ms)
    return result


def spot_market(symbol: str = SYMBOL) -> Market:
    base, quote = symbol.split("/")
    return Market(
        symbol, base, quote, None, MarketType.SPOT, True, Decimal("0.01"), Decimal("0.00001"), min_cost=Decimal(5)
    )


@dataclass
class FakeExchange(ExchangeAPI):
    """``candles`` may reach into the future: an answer has what the clock allows.

    ``paging``: 'next' answers with the next rows from ``since`` on (Binance), 'window' with the rows between ``since``
    and ``since + limit`` bars (OKX, Bybit), 'newest' with the newest rows whatever ``since`` says (Kraken).
    ``lag_ms``: how far REST is behind. ``failures``: raised one per REST call, None lets a call through.
    """

    clock: FakeClock = field(default_factory=FakeClock)
    candles: dict[tuple[str, str], list[Bar]] = field(default_factory=dict)
    trades: dict[str, list[Trade]] = field(default_factory=dict)
    paging: Paging = "next"
    page_cap: int = 1_000
    sends_forming: bool = True
    lag_ms: int = 0
    failures: deque[BaseException | None] = field(default_factory=deque)
    delay: Callable[[], float] | None = None
    calls: list[tuple[str, str, int | None, int | None]] = field(default_factory=list)
    markets: dict[str, Market] = field(default_factory=lambda: {SYMBOL: spot_market()})
    orders: dict[str, OrderUpdate] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    balances: Balances = field(default_factory=lambda: Balances(0, {"USDT": Balance("USDT", Decimal(0), Decimal(0))}))
    unstreamable: set[StreamKey] = field(default_factory=set)
    opened: bool = False
    id: str = "fake"

    def __post_init__(self) -> None:
        self._streams: list[tuple[Sequence[StreamKey], Deliver, asyncio.Future[None]]] = []
        self._next_order = 1

    # ------------------------------------------------------------ script

    def push(self, key: StreamKey, event: StreamEvent) -> int:
        """Deliver one stream event to every running stream with that key; returns how many there were."""
        served = [deliver for keys, deliver, _ in self._streams if key in keys]
        for deliver in served:
            deliver(key, event)
        return len(served)

    def cut(self, error: Exception) -> None:
        """Break every running stream."""
        for _, _, broken in self._streams:
            if not broken.done():
                broken.set_exception(error)

    async def _answer(self, name: str, symbol: str, since_ms: int | None, limit: int | None) -> None:
        self.calls.append((name, symbol, since_ms, limit))
        await asyncio.sleep(self.delay() if self.delay is not None else 0)
        if self.failures:
            failure = self.failures.popleft()
            if failure is not None:
                raise failure

    # ------------------------------------------------------------ ExchangeAPI

    async def open(self) -> None:
        self.opened = True

    async def close(self) -> None:
        self.opened = False

    async def load_markets(self) -> Mapping[str, Market]:
        return self.markets

    async def fetch_time(self) -> int:
        return self.clock.now_ms()

    async def fetch_ticker(self, symbol: str) -> Ticker:
        raise Unsupported(f"{self.id} has no ticker")

    async def fetch_ohlcv(
        self, symbol: str, timeframe: str, since_ms: int | None = None, limit: int | None = None
    ) -> list[Bar]:
        known_ms = self.clock.now_ms() - self.lag_ms  # what the answer knows is what was when it was asked
        await self._answer("ohlcv " + timeframe, symbol, since_ms, limit)
        if (symbol, timeframe) not in self.candles:
            raise Unsupported(f"{self.id} has no {timeframe} candles of {symbol}")
        parsed = parse_timeframe(timeframe)
        known = [row for row in self.candles[symbol, timeframe] if row.open_ms <= known_ms]
        if known and parsed.next_open(known[-1].open_ms) > known_ms:
            # forming: totals so far
            known[-1] = replace(known[-1], close=known[-1].open, volume=known[-1].volume / 2)
            if not self.sends_forming:
                known.pop()
        count = min(limit or self.page_cap, self.page_cap)
        if self.paging == "newest" or since_ms is None:
            return known[-count:]
        rows = [row for row in known if row.open_ms >= since_ms]
        if self.paging == "window":
            end_ms = since_ms
            for _ in range(count):
                end_ms = parsed.next_open(end_ms)
            rows = [row for row in rows if row.open_ms < end_ms]
        return rows[:count]

    async def fetch_trades(self, symbol: str, since_ms: int | None = None, limit: int | None = None) -> list[Trade]:
        known_ms = self.clock.now_ms() - self.lag_ms
        await self._answer("trades", symbol, since_ms, limit)
        count = min(limit or self.page_cap, self.page_cap)
        known = [trade for trade in self.trades.get(symbol, []) if trade.time_ms <= known_ms]
        if self.paging == "newest" or since_ms is None:
            return [trade for trade in known[-count:] if since_ms is None or trade.time_ms >= since_ms]
        rows = [trade for trade in known if trade.time_ms >= since_ms]
        if self.paging == "window":
            rows = [trade for trade in rows if trade.time_ms < since_ms + 3_600_000]
        return rows[:count]

    async def fetch_balance(self) -> Balances:
        return self.balances

    async def fetch_order(self, reference: OrderReference) -> OrderUpdate:
        order = self.orders.get(reference.client_order_id or "")
        if order is None:
            raise OrderNotFound(f"{self.id} does not know {reference}")
        return replace(order, origin=Origin.QUERY)

    async def fetch_open_orders(self, symbol: str | None = None) -> list[OrderUpdate]:
        return [order for order in self.orders.values() if not order.status.is_final]

    async def fetch_closed_orders(
        self, symbol: str | None = None, since_ms: int | None = None, limit: int | None = None
    ) -> list[OrderUpdate]:
        return [order for order in self.orders.values() if order.status.is_final]

    async def fetch_my_trades(
        self, symbol: str | None = None, since_ms: int | None = None, limit: int | None = None
    ) -> list[Fill]:
        return list(self.fills)

    async def create_order(self, request: OrderRequest) -> OrderUpdate:
        await self._answer("create", request.symbol, None, None)
        update = OrderUpdate(
            request.symbol,
            OrderStatus.OPEN,
            Origin.CREATE,
            order_id=str(self._next_order),
            client_order_id=request.client_order_id,
            side=request.side,
            kind=request.kind,
            price=request.price,
            amount=request.amount,
            filled=Decimal(0),
            time_ms=self.clock.now_ms(),
        )
        self._next_order += 1
        self.orders[request.client_order_id] = update
        return update

    async def cancel_order(self, reference: OrderReference) -> OrderUpdate:
        order = await self.fetch_order(reference)
        canceled = replace(order, status=OrderStatus.CANCELED, origin=Origin.CANCEL)
        self.orders[reference.client_order_id or ""] = canceled
        return canceled

    async def stream(self, keys: Sequence[StreamKey], deliver: Deliver) -> None:
        broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (keys, deliver, broken)
        self._streams.append(entry)
        try:
            for key in keys:
                deliver(key, StreamOpened())
            await broken
        finally:
            self._streams.remove(entry)

    def can_stream(self, key: StreamKey) -> bool:
        return key not in self.unstreamable

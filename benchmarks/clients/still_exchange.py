"""An exchange that accepts every order at once, in memory, and says nothing more by itself."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Mapping, Sequence

from btccxt.errors import OrderNotFound, Unsupported
from btccxt.exchange.api import Deliver, ExchangeAPI
from btccxt.model import (
    Balances,
    Bar,
    Fill,
    Market,
    OrderReference,
    OrderRequest,
    OrderStatus,
    OrderUpdate,
    Origin,
    StreamKey,
    Ticker,
    Trade,
)


class StillExchange(ExchangeAPI):
    id = "still"

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    async def open(self) -> None:
        """Nothing to connect to."""

    async def close(self) -> None:
        """Nothing to release."""

    async def load_markets(self) -> Mapping[str, Market]:
        return {}

    async def fetch_time(self) -> int:
        return int(time.time() * 1000)

    async def fetch_ticker(self, symbol: str) -> Ticker:
        raise Unsupported("no prices here")

    async def fetch_ohlcv(
        self, symbol: str, timeframe: str, since_ms: int | None = None, limit: int | None = None
    ) -> list[Bar]:
        return []

    async def fetch_trades(self, symbol: str, since_ms: int | None = None, limit: int | None = None) -> list[Trade]:
        return []

    async def fetch_balance(self) -> Balances:
        return Balances(0, {})

    async def fetch_order(self, reference: OrderReference) -> OrderUpdate:
        raise OrderNotFound("nothing is kept here")

    async def fetch_open_orders(self, symbol: str | None = None) -> list[OrderUpdate]:
        return []

    async def fetch_closed_orders(
        self, symbol: str | None = None, since_ms: int | None = None, limit: int | None = None
    ) -> list[OrderUpdate]:
        return []

    async def fetch_my_trades(
        self, symbol: str | None = None, since_ms: int | None = None, limit: int | None = None
    ) -> list[Fill]:
        return []

    async def create_order(self, request: OrderRequest) -> OrderUpdate:
        return OrderUpdate(
            request.symbol, OrderStatus.OPEN, Origin.CREATE, str(next(self._numbers)), request.client_order_id,
            request.side, request.kind, request.price, amount=request.amount,
        )  # fmt: skip

    async def cancel_order(self, reference: OrderReference) -> OrderUpdate:
        raise OrderNotFound("nothing is kept here")

    async def stream(self, keys: Sequence[StreamKey], deliver: Deliver) -> None:
        await asyncio.Event().wait()

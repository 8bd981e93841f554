"""Another exchange, whose calls are passed on: the floor of those that check or rename what one says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from btccxt.exchange.api import Deliver, ExchangeAPI
from btccxt.model import (
    Balances,
    Bar,
    ContractTerms,
    Fill,
    FundingPayment,
    LeverageBracket,
    MarginMode,
    Market,
    OrderReference,
    OrderRequest,
    OrderUpdate,
    Position,
    PositionMode,
    StreamKey,
    Ticker,
    Trade,
    Transfer,
)


class WrappedExchange(ExchangeAPI):
    """``wrapped``: the account itself, which gets every call that a subclass does not override.

    Pages of history are made of the subclass's own reads. Not for an account that must never reach that of the
    exchange, as on paper.
    """

    def __init__(self, wrapped: ExchangeAPI) -> None:
        self.id = wrapped.id
        self.wrapped = wrapped

    def describe(self) -> Mapping[str, Any]:
        return self.wrapped.describe()

    @property
    def data_mode(self) -> str | None:
        return self.wrapped.data_mode

    def implements(self, method: str) -> bool:
        return self.wrapped.implements(method)

    async def open(self) -> None:
        await self.wrapped.open()

    async def close(self) -> None:
        await self.wrapped.close()

    # -------------------------------------------------------------- public reads

    async def load_markets(self) -> Mapping[str, Market]:
        return await self.wrapped.load_markets()

    async def fetch_time(self) -> int:
        return await self.wrapped.fetch_time()

    async def fetch_ticker(self, symbol: str) -> Ticker:
        return await self.wrapped.fetch_ticker(symbol)

    async def fetch_ohlcv(
        self, symbol: str, timeframe: str, since_ms: int | None = None, limit: int | None = None
    ) -> list[Bar]:
        return await self.wrapped.fetch_ohlcv(symbol, timeframe, since_ms, limit)

    async def fetch_trades(self, symbol: str, since_ms: int | None = None, limit: int | None = None) -> list[Trade]:
        return await self.wrapped.fetch_trades(symbol, since_ms, limit)

    async def fetch_funding_rates(self, symbol: str, since_ms: int) -> Mapping[int, Decimal]:
        return await self.wrapped.fetch_funding_rates(symbol, since_ms)

    # -------------------------------------------------------------- private reads

    async def fetch_balance(self) -> Balances:
        return await self.wrapped.fetch_balance()

    async def fetch_positions(self, symbols: Sequence[str] | None = None) -> list[Position]:
        return await self.wrapped.fetch_positions(symbols)

    async def fetch_order(self, reference: OrderReference) -> OrderUpdate:
        return await self.wrapped.fetch_order(reference)

    async def fetch_open_orders(self, symbol: str | None = None) -> list[OrderUpdate]:
        return await self.wrapped.fetch_open_orders(symbol)

    async def fetch_closed_orders(
        self, symbol: str | None = None, since_ms: int | None = None, limit: int | None = None
    ) -> list[OrderUpdate]:
        return await self.wrapped.fetch_closed_orders(symbol, since_ms, limit)

    async def fetch_my_trades(
        self, symbol: str | None = None, since_ms: int | None = None, limit: int | None = None
    ) -> list[Fill]:
        return await self.wrapped.fetch_my_trades(symbol, since_ms, limit)

    async def fetch_funding(self, symbol: str, since_ms: int) -> list[FundingPayment]:
        return await self.wrapped.fetch_funding(symbol, since_ms)

    async def fetch_fee_rates(self) -> Mapping[str, tuple[Decimal, Decimal]]:
        return await self.wrapped.fetch_fee_rates()

    async def fetch_transfers(self, since_ms: int) -> list[Transfer]:
        return await self.wrapped.fetch_transfers(since_ms)

    # -------------------------------------------------------------- how contracts are traded

    async def fetch_position_mode(self, symbol: str) -> PositionMode | None:
        return await self.wrapped.fetch_position_mode(symbol)

    async def fetch_contract_terms(self, symbol: str) -> ContractTerms:
        return await self.wrapped.fetch_contract_terms(symbol)

    async def fetch_leverage_brackets(self, symbol: str) -> list[LeverageBracket]:
        return await self.wrapped.fetch_leverage_brackets(symbol)

    async def set_position_mode(self, mode: PositionMode, symbol: str) -> None:
        await self.wrapped.set_position_mode(mode, symbol)

    async def set_margin_mode(self, mode: MarginMode, symbol: str, leverage: Decimal | None) -> None:
        await self.wrapped.set_margin_mode(mode, symbol, leverage)

    async def set_leverage(self, leverage: Decimal, symbol: str, mode: MarginMode | None) -> None:
        await self.wrapped.set_leverage(leverage, symbol, mode)

    # -------------------------------------------------------------- orders

    async def create_order(self, request: OrderRequest) -> OrderUpdate:
        return await self.wrapped.create_order(request)

    async def create_order_when(self, request: OrderRequest, ready: Callable[[], Awaitable[None]]) -> OrderUpdate:
        return await self.wrapped.create_order_when(request, ready)

    async def create_order_list(
        self, stop: OrderRequest, target: OrderRequest, ready: Callable[[], Awaitable[None]]
    ) -> tuple[OrderUpdate, OrderUpdate]:
        return await self.wrapped.create_order_list(stop, target, ready)

    async def cancel_order(self, reference: OrderReference) -> OrderUpdate:
        return await self.wrapped.cancel_order(reference)

    async def edit_order(self, reference: OrderReference, request: OrderRequest) -> OrderUpdate:
        return await self.wrapped.edit_order(reference, request)

    async def cancel_all_after(self, timeout_ms: int) -> None:
        await self.wrapped.cancel_all_after(timeout_ms)

    # -------------------------------------------------------------- streams

    async def stream(self, keys: Sequence[StreamKey], deliver: Deliver) -> None:
        await self.wrapped.stream(keys, deliver)

    def can_stream(self, key: StreamKey) -> bool:
        return self.wrapped.can_stream(key)

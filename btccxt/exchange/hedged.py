"""An exchange whose account is in hedge mode: each symbol's long and short position has a name of its own here.

Requests by such a name go out with symbol and side apart, and what the exchange says of a side comes back by its name.
Public data has no side. What an exchange says without a side, of an order that nobody here has placed, is not believed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import TypeVar

from btccxt.exchange.api import Deliver, DrivenExchange, ExchangeAPI
from btccxt.exchange.history_pages import HistoryPages
from btccxt.exchange.plausibility import Implausible
from btccxt.exchange.position_side import as_sent, named, split, symbol_of, with_both_sides
from btccxt.exchange.reading import Reader
from btccxt.exchange.wrapped import WrappedExchange
from btccxt.model import (
    Bar,
    BarUpdate,
    ContractTerms,
    Fill,
    FundingPayment,
    LeverageBracket,
    MarginMode,
    Market,
    OrderBook,
    OrderReference,
    OrderRequest,
    OrderUpdate,
    Position,
    PositionMode,
    StreamEvent,
    StreamKey,
    Ticker,
    Trade,
)

R = TypeVar("R", bound=Fill | OrderUpdate)

_ORDERS_KNOWN = 10_000
_DRIVEN = ("profile", "clock", "limiter", "breakers", "checked")


class HedgedExchange(WrappedExchange):
    """``exchange``: the account itself, in hedge mode."""

    def __init__(self, exchange: ExchangeAPI) -> None:
        super().__init__(exchange)
        self._reader = Reader(exchange.id)
        self._names: dict[str, str] = {}  # order id and client order id -> the position that the order is of
        if isinstance(exchange, DrivenExchange):
            for name in _DRIVEN:
                setattr(self, name, getattr(exchange, name))

    # -------------------------------------------------------------- names

    def _know(self, name: str, *ids: str | None) -> None:
        for each in ids:
            if each:
                self._names[each] = name
        while len(self._names) > _ORDERS_KNOWN:
            del self._names[next(iter(self._names))]

    def _name(self, record: Fill | OrderUpdate, asked: str | None = None) -> str:
        """Of the position that a record is of. ``asked``: by which it was asked for. Raises Implausible."""
        if asked is not None and split(asked)[1] is not None:
            name: str | None = asked
        elif record.position_side is not None:
            name = named(record.symbol, record.position_side)
        else:
            name = self._names.get(record.order_id or "") or self._names.get(record.client_order_id or "")
        if name is None:
            raise Implausible("it does not say of which of two positions it is")
        return name

    def _fill(self, fill: Fill) -> Fill:
        return replace(fill, symbol=self._name(fill))

    def _update(self, update: OrderUpdate, asked: str | None = None) -> OrderUpdate:
        name = self._name(update, asked)
        self._know(name, update.order_id, update.client_order_id, update.child_order_id)
        fills = tuple(replace(fill, symbol=name) for fill in update.fills)
        return replace(update, symbol=name, fills=fills)

    def _of(self, symbol: str | None, records: Sequence[R]) -> list[R]:
        """Those of one position, where one was asked for."""
        return [each for each in records if symbol is None or split(symbol)[1] is None or each.symbol == symbol]

    # -------------------------------------------------------------- public reads

    async def load_markets(self) -> Mapping[str, Market]:
        return with_both_sides(await self.wrapped.load_markets())

    async def fetch_ticker(self, symbol: str) -> Ticker:
        return replace(await self.wrapped.fetch_ticker(symbol_of(symbol)), symbol=symbol)

    async def fetch_ohlcv(
        self, symbol: str, timeframe: str, since_ms: int | None = None, limit: int | None = None
    ) -> list[Bar]:
        return await self.wrapped.fetch_ohlcv(symbol_of(symbol), timeframe, since_ms, limit)

    async def fetch_trades(self, symbol: str, since_ms: int | None = None, limit: int | None = None) -> list[Trade]:
        return await self.wrapped.fetch_trades(symbol_of(symbol), since_ms, limit)

    async def fetch_funding_rates(self, symbol: str, since_ms: int) -> Mapping[int, Decimal]:
        return await self.wrapped.fetch_funding_rates(symbol_of(symbol), since_ms)

    # -------------------------------------------------------------- private reads

    async def fetch_positions(self, symbols: Sequence[str] | None = None) -> list[Position]:
        asked = None if symbols is None else list(dict.fromkeys(map(symbol_of, symbols)))
        return [_position(each) for each in await self.wrapped.fetch_positions(asked)]

    async def fetch_order(self, reference: OrderReference) -> OrderUpdate:
        update = await self.wrapped.fetch_order(_plain(reference))
        return self._reader.whole("fetch_order", update, lambda update: self._update(update, reference.symbol))

    async def fetch_open_orders(self, symbol: str | None = None) -> list[OrderUpdate]:
        answer = await self.wrapped.fetch_open_orders(None if symbol is None else symbol_of(symbol))
        return self._of(symbol, self._reader.rows("open orders", answer, self._update))

    async def fetch_closed_orders(
        self, symbol: str | None = None, since_ms: int | None = None, limit: int | None = None
    ) -> list[OrderUpdate]:
        asked = None if symbol is None else symbol_of(symbol)
        answer = await self.wrapped.fetch_closed_orders(asked, since_ms, limit)
        return self._of(symbol, self._reader.rows("closed orders", answer, self._update))

    async def fetch_my_trades(
        self, symbol: str | None = None, since_ms: int | None = None, limit: int | None = None
    ) -> list[Fill]:
        asked = None if symbol is None else symbol_of(symbol)
        answer = await self.wrapped.fetch_my_trades(asked, since_ms, limit)
        return self._of(symbol, self._reader.rows("fetch_my_trades", answer, self._fill))

    def trade_pages(self, symbol: str | None, since_ms: int, until_ms: int | None = None) -> HistoryPages[Fill]:
        asked = None if symbol is None else symbol_of(symbol)
        return _NamedPages(self.wrapped.trade_pages(asked, since_ms, until_ms), self._reader, self._fill, symbol)

    def order_pages(self, symbol: str | None, since_ms: int, until_ms: int | None = None) -> HistoryPages[OrderUpdate]:
        asked = None if symbol is None else symbol_of(symbol)
        return _NamedPages(self.wrapped.order_pages(asked, since_ms, until_ms), self._reader, self._update, symbol)

    async def fetch_funding(self, symbol: str, since_ms: int) -> list[FundingPayment]:
        """Of both positions: exchanges list it by symbol."""
        return await self.wrapped.fetch_funding(symbol_of(symbol), since_ms)

    # -------------------------------------------------------------- how contracts are traded

    async def fetch_position_mode(self, symbol: str) -> PositionMode | None:
        return await self.wrapped.fetch_position_mode(symbol_of(symbol))

    async def fetch_contract_terms(self, symbol: str) -> ContractTerms:
        return await self.wrapped.fetch_contract_terms(symbol_of(symbol))

    async def fetch_leverage_brackets(self, symbol: str) -> list[LeverageBracket]:
        return await self.wrapped.fetch_leverage_brackets(symbol_of(symbol))

    async def set_position_mode(self, mode: PositionMode, symbol: str) -> None:
        await self.wrapped.set_position_mode(mode, symbol_of(symbol))

    async def set_margin_mode(self, mode: MarginMode, symbol: str, leverage: Decimal | None) -> None:
        await self.wrapped.set_margin_mode(mode, symbol_of(symbol), leverage)

    async def set_leverage(self, leverage: Decimal, symbol: str, mode: MarginMode | None) -> None:
        await self.wrapped.set_leverage(leverage, symbol_of(symbol), mode)

    # -------------------------------------------------------------- orders

    async def create_order(self, request: OrderRequest) -> OrderUpdate:
        self._know(request.symbol, request.client_order_id)
        return self._update(await self.wrapped.create_order(as_sent(request)), request.symbol)

    async def create_order_when(self, request: OrderRequest, ready: Callable[[], Awaitable[None]]) -> OrderUpdate:
        self._know(request.symbol, request.client_order_id)
        return self._update(await self.wrapped.create_order_when(as_sent(request), ready), request.symbol)

    async def create_order_list(
        self, stop: OrderRequest, target: OrderRequest, ready: Callable[[], Awaitable[None]]
    ) -> tuple[OrderUpdate, OrderUpdate]:
        for each in (stop, target):
            self._know(each.symbol, each.client_order_id)
        first, second = await self.wrapped.create_order_list(as_sent(stop), as_sent(target), ready)
        return self._update(first, stop.symbol), self._update(second, target.symbol)

    async def cancel_order(self, reference: OrderReference) -> OrderUpdate:
        return self._update(await self.wrapped.cancel_order(_plain(reference)), reference.symbol)

    async def edit_order(self, reference: OrderReference, request: OrderRequest) -> OrderUpdate:
        self._know(request.symbol, request.client_order_id)
        return self._update(await self.wrapped.edit_order(_plain(reference), as_sent(request)), request.symbol)

    # -------------------------------------------------------------- streams

    def can_stream(self, key: StreamKey) -> bool:
        return self.wrapped.can_stream(_plain_key(key))

    async def stream(self, keys: Sequence[StreamKey], deliver: Deliver) -> None:
        asked: dict[StreamKey, list[StreamKey]] = {}
        for key in keys:
            asked.setdefault(_plain_key(key), []).append(key)

        def deliver_named(key: StreamKey, event: StreamEvent) -> None:
            for each in asked[key]:
                named_event = self._reader.one(key.kind.value, event, partial(self._event, each))
                if named_event is not None:
                    deliver(each, named_event)

        await self.wrapped.stream(tuple(asked), deliver_named)

    def _event(self, key: StreamKey, event: StreamEvent) -> StreamEvent:
        if isinstance(event, OrderUpdate):
            return self._update(event)
        if isinstance(event, Fill):
            return self._fill(event)
        if isinstance(event, Position):
            return _position(event)
        if isinstance(event, (BarUpdate, Trade, Ticker, OrderBook)) and key.symbol not in (None, event.symbol):
            return replace(event, symbol=key.symbol)
        return event


class _NamedPages(HistoryPages[R]):
    """Pages of another, its records by the names of their positions."""

    def __init__(
        self, pages: HistoryPages[R], reader: Reader, understand: Callable[[R], R], symbol: str | None
    ) -> None:
        super().__init__((), symbol)
        self._pages, self._reader, self._understand = pages, reader, understand

    @property
    def is_done(self) -> bool:
        return self._pages.is_done

    @property
    def doubts(self) -> tuple[str, ...]:
        return self._pages.doubts

    @property
    def reached(self) -> float:
        return self._pages.reached

    async def next(self) -> list[R]:
        found = [self._reader.one("history", each, self._understand) for each in await self._pages.next()]
        wanted = self._symbol
        one_side = wanted is not None and split(wanted)[1] is not None
        return [each for each in found if each is not None and (not one_side or each.symbol == wanted)]


def _position(position: Position) -> Position:
    """A position that names no side, as of an exchange that tells none of a flat one, has that of its sign."""
    side = position.hedge_side or ("short" if position.amount < 0 else "long")
    return replace(position, symbol=named(position.symbol, side), hedge_side=side)


def _plain(reference: OrderReference) -> OrderReference:
    return replace(reference, symbol=symbol_of(reference.symbol))


def _plain_key(key: StreamKey) -> StreamKey:
    return key if key.symbol is None else replace(key, symbol=symbol_of(key.symbol))

"""An exchange of the user's own, of which every answer is checked before it is believed.

The checks are those that ``exchange/ccxt`` makes of each row of ccxt's (``plausibility``, ``reading``): a bad row of a
list costs itself, an answer of nonsense is an attempt that failed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from btccxt.errors import OrderOutcomeUnknown, Unreadable
from btccxt.exchange.api import Deliver, ExchangeAPI
from btccxt.exchange.market_checks import MarketChecks
from btccxt.exchange.plausibility import (
    Implausible,
    check_asked,
    check_balances,
    check_fill,
    check_leverage,
    check_money,
    check_order,
    check_order_book,
    check_position,
    check_server_time,
    check_ticker,
    check_time,
)
from btccxt.exchange.reading import Reader
from btccxt.exchange.server_time import measure_clock
from btccxt.exchange.wrapped import WrappedExchange
from btccxt.model import (
    Balances,
    Bar,
    BarUpdate,
    ContractTerms,
    Fill,
    FundingPayment,
    OrderBook,
    OrderReference,
    OrderRequest,
    OrderStatus,
    OrderUpdate,
    Position,
    StreamEvent,
    StreamKey,
    StreamOpened,
    Ticker,
    Trade,
    Transfer,
)
from btccxt.resilience.clock import ExchangeClock
from btccxt.resilience.supervised import Tasks

T = TypeVar("T")


class SensibleExchange(WrappedExchange):
    """``exchange`` as it is, but for what makes no sense: that raises Unreadable, or is left out of its list.

    ``clock``: by which a candle is one of the future.
    """

    def __init__(self, exchange: ExchangeAPI, clock: ExchangeClock) -> None:
        super().__init__(exchange)
        self._reader = Reader(exchange.id)
        self._tasks = Tasks()
        self._market_checks = MarketChecks(clock, lambda: measure_clock(self, clock), self._tasks)

    async def close(self) -> None:
        await self._tasks.close()
        await super().close()

    # -------------------------------------------------------------- public reads

    async def fetch_time(self) -> int:
        return self._reader.whole("fetch_time", await self.wrapped.fetch_time(), check_server_time)

    async def fetch_ticker(self, symbol: str) -> Ticker:
        answer = await self.wrapped.fetch_ticker(symbol)
        return self._reader.whole("fetch_ticker", answer, lambda ticker: check_ticker(_a(Ticker, ticker), symbol))

    async def fetch_ohlcv(
        self, symbol: str, timeframe: str, since_ms: int | None = None, limit: int | None = None
    ) -> list[Bar]:
        answer = await self.wrapped.fetch_ohlcv(symbol, timeframe, since_ms, limit)
        return self._reader.rows("fetch_ohlcv", answer, self._bar_check(timeframe))

    def _bar_check(self, timeframe: str) -> Callable[[Any], Bar]:
        check = self._market_checks.of(timeframe)
        return lambda bar: check(_a(Bar, bar))

    async def fetch_trades(self, symbol: str, since_ms: int | None = None, limit: int | None = None) -> list[Trade]:
        answer = await self.wrapped.fetch_trades(symbol, since_ms, limit)
        return self._reader.rows("fetch_trades", answer, self._trade)

    def _trade(self, answer: Any) -> Trade:
        return self._market_checks.trade(_a(Trade, answer))

    # -------------------------------------------------------------- private reads

    async def fetch_balance(self) -> Balances:
        return self._reader.whole("fetch_balance", await self.wrapped.fetch_balance(), _balances)

    async def fetch_positions(self, symbols: Sequence[str] | None = None) -> list[Position]:
        """One bad row spoils all: a position that is left out would count as closed."""
        return self._reader.whole("fetch_positions", await self.wrapped.fetch_positions(symbols), _each(_position))

    async def fetch_order(self, reference: OrderReference) -> OrderUpdate:
        def understand(answer: Any) -> OrderUpdate:
            update = check_order(_order(answer), reference.symbol)
            return check_asked(update, reference.order_id, reference.client_order_id)

        return self._reader.whole("fetch_order", await self.wrapped.fetch_order(reference), understand)

    async def fetch_open_orders(self, symbol: str | None = None) -> list[OrderUpdate]:
        return self._reader.rows("open orders", await self.wrapped.fetch_open_orders(symbol), _order)

    async def fetch_closed_orders(
        self, symbol: str | None = None, since_ms: int | None = None, limit: int | None = None
    ) -> list[OrderUpdate]:
        answer = await self.wrapped.fetch_closed_orders(symbol, since_ms, limit)
        return self._reader.rows("closed orders", answer, _order)

    async def fetch_my_trades(
        self, symbol: str | None = None, since_ms: int | None = None, limit: int | None = None
    ) -> list[Fill]:
        answer = await self.wrapped.fetch_my_trades(symbol, since_ms, limit)
        return self._reader.rows("fetch_my_trades", answer, _fill)

    async def fetch_funding(self, symbol: str, since_ms: int) -> list[FundingPayment]:
        answer = await self.wrapped.fetch_funding(symbol, since_ms)
        return self._reader.rows("fetch_funding", answer, _payment)

    async def fetch_transfers(self, since_ms: int) -> list[Transfer]:
        return self._reader.rows("fetch_transfers", await self.wrapped.fetch_transfers(since_ms), _transfer)

    # -------------------------------------------------------------- how contracts are traded

    async def fetch_contract_terms(self, symbol: str) -> ContractTerms:
        return self._reader.whole("fetch_contract_terms", await self.wrapped.fetch_contract_terms(symbol), _terms)

    # -------------------------------------------------------------- orders

    async def create_order(self, request: OrderRequest) -> OrderUpdate:
        return self._created(request, await self.wrapped.create_order(request))

    async def create_order_when(self, request: OrderRequest, ready: Callable[[], Awaitable[None]]) -> OrderUpdate:
        return self._created(request, await self.wrapped.create_order_when(request, ready))

    async def create_order_list(
        self, stop: OrderRequest, target: OrderRequest, ready: Callable[[], Awaitable[None]]
    ) -> tuple[OrderUpdate, OrderUpdate]:
        answer = await self.wrapped.create_order_list(stop, target, ready)
        first, second = self._placed(stop, answer, _pair)
        return self._created(stop, first), self._created(target, second)

    def _created(self, request: OrderRequest, answer: Any) -> OrderUpdate:
        def understand(answer: Any) -> OrderUpdate:
            update = check_order(_order(answer), request.symbol)
            if update.side is not None and update.side is not request.side:
                raise Implausible(f"an order to {update.side.value}")
            return check_asked(update, None, request.client_order_id)

        return self._placed(request, answer, understand)

    def _placed(self, request: OrderRequest, answer: Any, understand: Callable[[Any], T]) -> T:
        """Raises OrderOutcomeUnknown for an answer that makes no sense: something has been sent."""
        try:
            return self._reader.whole("create_order", answer, understand)
        except Unreadable as error:
            what = f"{error} (order {request.client_order_id} may have been placed)"
            raise OrderOutcomeUnknown(what, request.client_order_id) from None

    async def cancel_order(self, reference: OrderReference) -> OrderUpdate:
        return self._reader.whole("cancel_order", await self.wrapped.cancel_order(reference), _order)

    async def edit_order(self, reference: OrderReference, request: OrderRequest) -> OrderUpdate:
        return self._created(request, await self.wrapped.edit_order(reference, request))

    # -------------------------------------------------------------- streams

    async def stream(self, keys: Sequence[StreamKey], deliver: Deliver) -> None:
        """What makes no sense is not delivered."""
        bar_checks = {key: self._bar_check(key.timeframe) for key in keys if key.timeframe is not None}

        def check(key: StreamKey, event: Any) -> StreamEvent:
            if isinstance(event, BarUpdate) and key in bar_checks:
                bar_checks[key](event.bar)
                return event
            if isinstance(event, Trade):
                return self._trade(event)
            return _EVENTS[type(event)](event)

        def deliver_sensible(key: StreamKey, event: StreamEvent) -> None:
            if isinstance(event, StreamOpened):
                deliver(key, event)
            elif (sensible := self._reader.one(key.kind.value, event, lambda event: check(key, event))) is not None:
                deliver(key, sensible)

        await self.wrapped.stream(keys, deliver_sensible)


# ------------------------------------------------------------------ of answers that may be anything


def _a(record: type[T], answer: Any) -> T:
    if not isinstance(answer, record):
        raise Implausible(f"no {record.__name__}")
    return answer


def _each(check: Callable[[Any], T]) -> Callable[[Any], list[T]]:
    def understand(answer: Any) -> list[T]:
        if not isinstance(answer, Sequence) or isinstance(answer, str):
            raise Implausible("no list")
        return [check(row) for row in answer]

    return understand


def _ticker(answer: Any) -> Ticker:
    return check_ticker(_a(Ticker, answer))


def _order(answer: Any) -> OrderUpdate:
    update = check_order(_a(OrderUpdate, answer))
    _a(OrderStatus, update.status)
    return update


def _fill(answer: Any) -> Fill:
    return check_fill(_a(Fill, answer))


def _balances(answer: Any) -> Balances:
    return check_balances(_a(Balances, answer))


def _position(answer: Any) -> Position:
    return check_position(_a(Position, answer))


def _payment(answer: Any) -> FundingPayment:
    check_money(_a(FundingPayment, answer).amount)
    return answer  # type: ignore[no-any-return]


def _transfer(answer: Any) -> Transfer:
    transfer = _a(Transfer, answer)
    check_money(transfer.amount)
    check_time(transfer.time_ms)
    return transfer


def _terms(answer: Any) -> ContractTerms:
    terms = _a(ContractTerms, answer)
    if terms.leverage is not None:
        check_leverage(terms.leverage)
    return terms


def _pair(answer: Any) -> tuple[Any, Any]:
    first, second = answer
    return first, second


_EVENTS: Mapping[type, Callable[[Any], StreamEvent]] = {
    Ticker: _ticker,
    OrderBook: lambda book: check_order_book(book),
    OrderUpdate: _order,
    Fill: _fill,
    Balances: _balances,
    Position: _position,
}

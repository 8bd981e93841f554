"""Current prices of the symbols that a paper account trades, from the real exchange into its matching engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from functools import partial

from btccxt.errors import ConfigError, Unsupported
from btccxt.exchange.api import ExchangeAPI
from btccxt.matching.engine import Engine
from btccxt.matching.paper_options import MatchAgainst
from btccxt.model import (
    Market,
    OrderBook,
    StreamEvent,
    StreamKey,
    StreamKind,
    Ticker,
    Trade,
    decimal_of,
    round_amount,
    round_price,
)
from btccxt.resilience.backoff import Backoff
from btccxt.resilience.supervised import TaskPolicy, Tasks

_ASSUMED_DEPTH_COST = Decimal(100_000)  # quote units at the best price, where a stream shows no amounts
_RECONNECT_S = 1.0
_POLICY = TaskPolicy(Backoff(first_s=_RECONNECT_S, start_s=_RECONNECT_S, factor=1.5, max_s=10.0))


_STREAMS = {
    MatchAgainst.ORDER_BOOK: StreamKind.ORDER_BOOK,
    MatchAgainst.BEST: StreamKind.TICKER,
    MatchAgainst.TRADES: StreamKind.TRADES,
}


class PaperMarket:
    """A symbol is followed from its first order on. ``tasks`` are ended by their owner.

    ``match``: what orders are filled against; None: the best that the exchange streams.
    """

    def __init__(
        self,
        public: ExchangeAPI,
        engine: Engine,
        now_ms: Callable[[], int],
        tasks: Tasks,
        match: MatchAgainst | str | None = None,
    ) -> None:
        self._public, self._engine, self._now_ms, self._tasks = public, engine, now_ms, tasks
        self._match = None if match is None else MatchAgainst(match)
        self._followed: dict[str, asyncio.Task[None]] = {}

    def matched_against(self, symbol: str) -> MatchAgainst | None:
        """None: nothing that fills orders is streamed, the ticker is asked for once a second. Raises ConfigError."""
        for match, kind in _STREAMS.items():
            if self._match in (None, match) and self._public.can_stream(StreamKey(kind, symbol)):
                return match
        if self._match is None:
            return None
        raise ConfigError(f"paper.match={self._match.value!r}: {self._public.id} streams none for {symbol}")

    def followed(self) -> dict[str, str]:
        """By symbol what fills its orders, for people."""
        found = {symbol: self.matched_against(symbol) for symbol in sorted(self._followed)}
        return {symbol: "asked ticker" if match is None else match.value for symbol, match in found.items()}

    async def follow(self, symbol: str) -> None:
        """Have current prices of a symbol in the engine, and keep them current. Raises the exchange's errors."""
        has_depth = self.matched_against(symbol) in (MatchAgainst.ORDER_BOOK, MatchAgainst.BEST)
        if has_depth and self._is_followed(symbol):
            return
        self._take_ticker(await self._public.fetch_ticker(symbol))
        self.begin(symbol)

    def begin(self, symbol: str) -> None:
        """Follow it without waiting for its first price."""
        if self._is_followed(symbol):
            return
        match = self.matched_against(symbol)
        kinds = () if match is None else dict.fromkeys((_STREAMS[match], StreamKind.TRADES))
        keys = [key for kind in kinds if self._public.can_stream(key := StreamKey(kind, symbol))]
        name = f"paper prices of {symbol}"
        self._followed[symbol] = self._tasks.keep(partial(self._keep_prices, symbol, keys), name, _POLICY)

    def _is_followed(self, symbol: str) -> bool:
        return symbol in self._followed and not self._followed[symbol].done()

    async def _keep_prices(self, symbol: str, keys: list[StreamKey]) -> None:
        """While the stream does not serve, the ticker is asked for."""
        while True:
            self._take_ticker(await self._public.fetch_ticker(symbol))
            try:
                if keys:
                    await self._public.stream(keys, self._on_price)
            except Unsupported:
                keys.clear()
                raise
            await asyncio.sleep(_RECONNECT_S)

    def _on_price(self, key: StreamKey, event: StreamEvent) -> None:
        if isinstance(event, Ticker):
            self._take_ticker(event)
        elif isinstance(event, OrderBook):
            self._take_book(event)
        elif isinstance(event, Trade) and key.symbol is not None:
            self._engine.print_trade(
                key.symbol, decimal_of(event.price), decimal_of(event.amount), event.side, self._now_ms()
            )

    def _take_ticker(self, ticker: Ticker) -> None:
        bid, ask = ticker.bid or ticker.last, ticker.ask or ticker.last
        if bid is None or ask is None:
            return
        market = self._engine.markets[ticker.symbol]
        if ask <= bid:  # one price only (its last), or a quote caught between two updates; a book is never crossed
            ask = bid + float(market.price_step or decimal_of(bid) / 10_000)
        bids, asks = [_level(market, bid, ticker.bid_amount)], [_level(market, ask, ticker.ask_amount)]
        self._engine.set_depth(ticker.symbol, bids, asks, self._now_ms())
        self._tell_last(ticker.symbol, bid if ticker.last is None else ticker.last)

    def _take_book(self, book: OrderBook) -> None:
        bids, asks = ([_exact(level) for level in side] for side in (book.bids, book.asks))
        if not bids or not asks or bids[0][0] >= asks[0][0]:
            return  # caught between two updates
        self._engine.set_depth(book.symbol, bids, asks, self._now_ms())
        self._tell_last(book.symbol, (book.bids[0][0] + book.asks[0][0]) / 2)

    def _tell_last(self, symbol: str, price: float) -> None:
        """Where no trades are streamed, and before the first: what stops and liquidations look at."""
        if self._engine.last(symbol) is None or not self._public.can_stream(StreamKey(StreamKind.TRADES, symbol)):
            market = self._engine.markets[symbol]
            self._engine.tell_last(symbol, round_price(market, decimal_of(price)), self._now_ms())


def _exact(level: tuple[float, float]) -> tuple[Decimal, Decimal]:
    return decimal_of(level[0]), decimal_of(level[1])


def _level(market: Market, price: float, amount: float | None) -> tuple[Decimal, Decimal]:
    exact = round_price(market, decimal_of(price))
    return exact, decimal_of(amount) if amount else round_amount(market, _ASSUMED_DEPTH_COST / exact)

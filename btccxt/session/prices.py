"""The latest price of one symbol, for orders that wait on this machine: by stream, else by asking."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from decimal import Decimal

from btccxt.errors import BtccxtError, Unsupported
from btccxt.exchange.api import ExchangeAPI
from btccxt.model import StreamEvent, StreamKey, Ticker, Trade, decimal_of
from btccxt.resilience.backoff import Backoff
from btccxt.resilience.supervised import TaskPolicy, Tasks

_ASK_EVERY_S = 1.0
_POLICY = TaskPolicy(Backoff(first_s=1.0, start_s=1.0, factor=1.3, max_s=5.0))  # a stop may wait for it


class PriceWatch:
    """Consumer of a symbol's trade or ticker stream. While the stream is down it asks for the ticker once a second."""

    def __init__(
        self,
        exchange: ExchangeAPI,
        symbol: str,
        on_price: Callable[[str, Decimal], None],
        tasks: Tasks,
    ) -> None:
        self._exchange = exchange
        self._symbol = symbol
        self._on_price = on_price
        self._tasks = tasks
        self._asking: asyncio.Task[None] | None = None
        self._heard = 0

    def on_event(self, key: StreamKey, event: StreamEvent) -> None:
        if isinstance(event, Trade):
            self._heard += 1
            self._on_price(self._symbol, decimal_of(event.price))
        elif isinstance(event, Ticker) and (price := _price_of(event)) is not None:
            self._heard += 1
            self._on_price(self._symbol, price)

    def on_up(self, key: StreamKey) -> None:
        """What the price did until now the stream will not tell: asked for once more."""
        self.stop()
        self._asking = self._tasks.keep(self._ask, self._name, _POLICY)

    def on_down(self, key: StreamKey, reason: str) -> None:
        self.stop()
        self._asking = self._tasks.every(_ASK_EVERY_S, self._ask, self._name, _POLICY, at_once=True)

    def stop(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None

    @property
    def _name(self) -> str:
        return f"price of {self._symbol}"

    async def _ask(self) -> None:
        heard = self._heard
        ticker = await self._exchange.fetch_ticker(self._symbol)
        price = ticker.last or ticker.bid or ticker.ask
        if price and heard == self._heard:  # else news that came meanwhile is later than the answer
            self._on_price(self._symbol, decimal_of(price))


async def latest_prices(
    exchange: ExchangeAPI, symbols: Collection[str], trouble: Callable[[str, BaseException], None]
) -> dict[str, Decimal]:
    """By the exchange's tickers; a symbol whose ticker cannot be had is left out, and ``trouble`` told."""

    async def ask(symbol: str) -> Decimal | None:
        try:
            ticker = await exchange.fetch_ticker(symbol)
        except Unsupported:
            return None
        except BtccxtError as error:
            trouble(f"price of {symbol}", error)
            return None
        return _price_of(ticker)

    prices = await asyncio.gather(*(ask(symbol) for symbol in symbols))
    return {symbol: price for symbol, price in zip(symbols, prices, strict=True) if price is not None}


def _price_of(ticker: Ticker) -> Decimal | None:
    if ticker.last:
        return decimal_of(ticker.last)
    if ticker.bid and ticker.ask:
        return (decimal_of(ticker.bid) + decimal_of(ticker.ask)) / 2
    return None

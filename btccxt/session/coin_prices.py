"""Prices of coins that an account holds and none of its datas follows: for its value."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from decimal import Decimal

from btccxt.exchange.api import ExchangeAPI
from btccxt.model import StreamKey, StreamKind
from btccxt.resilience.supervised import Tasks
from btccxt.session.prices import PriceWatch, latest_prices
from btccxt.session.streams import StreamSupervisor

ASK_EVERY_S = 60.0


class CoinPrices:
    """Lives in the session's loop. ``latest`` is filled there and emptied in the strategy's thread."""

    def __init__(
        self,
        exchange: ExchangeAPI,
        supervisor: StreamSupervisor,
        tasks: Tasks,
        trouble: Callable[[str, BaseException], None],
    ) -> None:
        self.latest: dict[str, Decimal] = {}
        """News since the reader took the last: one whole assignment or removal each, so that no lock is needed."""
        self._exchange = exchange
        self._supervisor = supervisor
        self._tasks = tasks
        self._trouble = trouble
        self._watches: dict[str, tuple[StreamKey, PriceWatch]] = {}
        self._asked: frozenset[str] = frozenset()
        self._asking: asyncio.Task[None] | None = None

    def follow(self, streamed: Collection[str], asked: Collection[str]) -> None:
        """From now on these, and no others. ``asked``: once a minute is enough."""
        for symbol in set(self._watches) - set(streamed):
            key, watch = self._watches.pop(symbol)
            watch.stop()
            self._supervisor.remove(key, watch)
        for symbol in sorted(set(streamed) - set(self._watches)):
            key = StreamKey(StreamKind.TICKER, symbol)
            if not self._exchange.can_stream(key):
                key = StreamKey(StreamKind.TRADES, symbol)
            watch = PriceWatch(self._exchange, symbol, self._heard, self._tasks)
            self._watches[symbol] = key, watch
            self._supervisor.add(key, watch)
        self._asked = frozenset(asked)
        if self._asked and self._asking is None:
            self._asking = self._tasks.every(ASK_EVERY_S, self._ask, "prices of coins")
        elif not self._asked and self._asking is not None:
            self._asking.cancel()
            self._asking = None

    def _heard(self, symbol: str, price: Decimal) -> None:
        self.latest[symbol] = price

    async def _ask(self) -> None:
        for symbol, price in (await latest_prices(self._exchange, self._asked, self._trouble)).items():
            self._heard(symbol, price)

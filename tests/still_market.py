"""A market that stands still until it is told to move, and a data whose bars come when they are asked for."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from btccxt.bt.compat import bt
from btccxt.bt.time import num_of_ms
from btccxt.matching.records import Event
from btccxt.model import Bar, Market, MarketType
from btccxt.sim.source import Level, MarketStep, Print

D = Decimal
START_MS = 1_767_614_400_000  # 2026-01-05 12:00 UTC
_LEVELS = 6
LEVEL_AMOUNT = D("0.05")
_LEVEL_STEP = D("0.0002")


class QuietSource:
    """A market that stands still."""

    flat_bars_when_quiet = True
    end_ms = None
    start_ms = START_MS

    def __init__(self, markets: Iterable[Market], prices: Mapping[str, Decimal]) -> None:
        self._prices = prices
        self.symbols: Mapping[str, Market] = {market.symbol: market for market in markets}

    def history(self, *_: Any, **__: Any) -> list[Any]:
        return []

    trades = last_trades = history

    def last_bars(self, symbol: str, *_: Any, **__: Any) -> list[Bar]:
        """One: without it a ticker has no last price."""
        price = float(self._prices[symbol])
        return [Bar(START_MS, price, price, price, price, 1.0)]

    def seek(self, time_ms: int) -> Iterator[MarketStep]:
        for symbol, price in self._prices.items():
            market = self.symbols[symbol]
            amount = D(3_000) if market.type is MarketType.INVERSE else LEVEL_AMOUNT
            bids, asks = depth(price, market.price_step, amount)
            yield MarketStep(symbol, time_ms, (Print("0", price, D(1), None),), bids, asks)

    def advance(self, to_ms: int) -> Iterator[MarketStep]:
        return iter(())

    def made_by_accounts(self, symbol: str) -> bool:
        return False

    def on_event(self, event: Event) -> None:
        pass


def depth(price: Decimal, step: Decimal, amount: Decimal = LEVEL_AMOUNT) -> tuple[list[Level], list[Level]]:
    """A few thin levels on both sides: larger orders fill in parts, at several prices."""
    away = [price * _LEVEL_STEP * (n + 1) for n in range(_LEVELS)]
    bids = [((price - each).quantize(step), amount) for each in away]
    asks = [((price + each).quantize(step), amount) for each in away]
    return bids, asks


class PacedData(bt.feed.DataBase):
    """``next_price()`` gives the next bar's price, None for 'not yet', or raises StopIteration."""

    params = (("next_price", None), ("breath_s", 0.004))

    def start(self) -> None:
        super().start()
        self._count = 0

    def islive(self) -> bool:
        return True

    def haslivedata(self) -> bool:
        return True

    def _load(self) -> bool | None:
        try:
            price = self.p.next_price()
        except StopIteration:
            return False
        if price is None:
            time.sleep(self.p.breath_s)
            return None
        self._count += 1
        self.lines.datetime[0] = num_of_ms(START_MS + self._count * 60_000)
        for line in (self.lines.open, self.lines.high, self.lines.low, self.lines.close):
            line[0] = float(price)
        self.lines.volume[0] = self.lines.openinterest[0] = 0.0
        return True

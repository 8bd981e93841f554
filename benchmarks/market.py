"""A market that stands still: what moves in it is what a benchmark pushes.

Symbols come in groups, ``A000/USDT`` …, so that several clients can be connected and only one of them gets frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from btccxt.matching.records import Event
from btccxt.model import Bar, Market, Trade
from btccxt.sim.markets import spot_market
from btccxt.sim.source import MarketStep

TIMEFRAME = "1h"
HOUR_MS = 3_600_000
NOON_MS = 1_767_614_400_000  # 2026-01-05 12:00 UTC
START_MS = NOON_MS + 600_000  # ten past: no bar closes by itself while a benchmark runs
PRICE = Decimal(100)
_DEPTH = Decimal(1_000_000)


def symbols_of(group: str, count: int) -> list[str]:
    return [f"{group}{number:03d}/USDT" for number in range(count)]


class QuietMarket:
    """Flat history, a deep book around ``PRICE``, no trades."""

    start_ms = START_MS
    end_ms: int | None = None
    flat_bars_when_quiet = False

    def __init__(self, groups: Mapping[str, int]) -> None:
        names = [symbol for group, count in groups.items() for symbol in symbols_of(group, count)]
        self.symbols: Mapping[str, Market] = {name: spot_market(name, amount_step="0.001") for name in names}

    def history(
        self, symbol: str, timeframe: str, since_ms: int, until_ms: int, limit: int, now_ms: int | None = None
    ) -> list[Bar]:
        first_ms = -(-since_ms // HOUR_MS) * HOUR_MS
        last_ms = min(until_ms, NOON_MS - HOUR_MS)  # the forming bar is the benchmark's
        opens = range(first_ms, last_ms + 1, HOUR_MS)[:limit]
        return [_flat(open_ms) for open_ms in opens]

    def last_bars(self, symbol: str, timeframe: str, until_ms: int, limit: int, now_ms: int | None = None) -> list[Bar]:
        last_ms = min(until_ms // HOUR_MS * HOUR_MS, NOON_MS - HOUR_MS)
        return [_flat(last_ms - back * HOUR_MS) for back in reversed(range(limit))]

    def trades(self, symbol: str, since_ms: int, until_ms: int, limit: int) -> list[Trade]:
        return []

    def last_trades(self, symbol: str, until_ms: int, limit: int) -> list[Trade]:
        return []

    def seek(self, time_ms: int) -> Iterator[MarketStep]:
        bids, asks = ((PRICE - 1, _DEPTH),), ((PRICE + 1, _DEPTH),)
        for symbol in self.symbols:
            yield MarketStep(symbol, time_ms, (), bids, asks)

    def advance(self, to_ms: int) -> Iterator[MarketStep]:
        return iter(())

    def made_by_accounts(self, symbol: str) -> bool:
        return False

    def on_event(self, event: Event) -> None:
        """Nothing moves this market."""


def _flat(open_ms: int) -> Bar:
    price = float(PRICE)
    return Bar(open_ms, price, price, price, price, 1.0)

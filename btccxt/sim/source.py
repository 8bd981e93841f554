"""Where a market's prices come from: the interface of all sources, and several sources as one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from heapq import merge
from typing import Protocol

from btccxt.matching.records import Event
from btccxt.model import Bar, Market, Side, Trade

Level = tuple[Decimal, Decimal]  # price, amount


@dataclass(frozen=True, slots=True)
class Print:
    """One trade of the anonymous market, exact."""

    trade_id: str
    price: Decimal
    amount: Decimal
    side: Side | None  # the taker's


@dataclass(frozen=True, slots=True)
class MarketStep:
    """What happened to one symbol at one instant: trades, then the depth they left behind (None: unchanged)."""

    symbol: str
    time_ms: int
    prints: tuple[Print, ...]
    bids: Sequence[Level] | None = None
    asks: Sequence[Level] | None = None


class MarketSource(Protocol):
    """A deterministic story of prices. The same source tells the same story each time.

    ``now_ms`` is the instant from which the story is looked at: what happens later is not visible, and the bar that
    contains it is still forming. It defaults to ``until_ms``.
    """

    symbols: Mapping[str, Market]
    start_ms: int
    end_ms: int | None
    flat_bars_when_quiet: bool  # an interval without trades has a flat bar of volume zero; else it has none

    def history(
        self, symbol: str, timeframe: str, since_ms: int, until_ms: int, limit: int, now_ms: int | None = None
    ) -> list[Bar]:
        """The first ``limit`` bars that open within [since_ms, until_ms], oldest first, the forming one included."""

    def last_bars(self, symbol: str, timeframe: str, until_ms: int, limit: int, now_ms: int | None = None) -> list[Bar]:
        """The latest ``limit`` bars that open at or before ``until_ms``, oldest first, the forming one included."""

    def trades(self, symbol: str, since_ms: int, until_ms: int, limit: int) -> list[Trade]:
        """The first ``limit`` trades within [since_ms, until_ms], oldest first."""

    def last_trades(self, symbol: str, until_ms: int, limit: int) -> list[Trade]:
        """The latest ``limit`` trades at or before ``until_ms``, oldest first."""

    def seek(self, time_ms: int) -> Iterator[MarketStep]:
        """Start the story here: each symbol's latest trade and depth, where there are any."""

    def advance(self, to_ms: int) -> Iterator[MarketStep]:
        """Steps after the last ``seek`` or ``advance`` up to and including ``to_ms``, in time order."""

    def made_by_accounts(self, symbol: str) -> bool:
        """Whether the engine's own trades are this symbol's tape; else they leave the story alone."""

    def on_event(self, event: Event) -> None:
        """News of the engine, for symbols that are made by accounts."""


class CombinedSource:
    """Several sources with different symbols as one market."""

    def __init__(self, sources: Iterable[MarketSource]) -> None:
        self._sources = list(sources)
        self._of: dict[str, MarketSource] = {}
        for source in self._sources:
            for symbol in source.symbols:
                if symbol in self._of:
                    raise ValueError(f"two sources have {symbol}")
                self._of[symbol] = source
        if not self._of:
            raise ValueError("a market needs at least one symbol")
        self.symbols: Mapping[str, Market] = {s: m for source in self._sources for s, m in source.symbols.items()}
        self.start_ms = max(source.start_ms for source in self._sources)
        ends = [source.end_ms for source in self._sources if source.end_ms is not None]
        self.end_ms = max(ends) if len(ends) == len(self._sources) else None
        self.flat_bars_when_quiet = all(source.flat_bars_when_quiet for source in self._sources)

    def history(
        self, symbol: str, timeframe: str, since_ms: int, until_ms: int, limit: int, now_ms: int | None = None
    ) -> list[Bar]:
        return self._of[symbol].history(symbol, timeframe, since_ms, until_ms, limit, now_ms)

    def last_bars(self, symbol: str, timeframe: str, until_ms: int, limit: int, now_ms: int | None = None) -> list[Bar]:
        return self._of[symbol].last_bars(symbol, timeframe, until_ms, limit, now_ms)

    def trades(self, symbol: str, since_ms: int, until_ms: int, limit: int) -> list[Trade]:
        return self._of[symbol].trades(symbol, since_ms, until_ms, limit)

    def last_trades(self, symbol: str, until_ms: int, limit: int) -> list[Trade]:
        return self._of[symbol].last_trades(symbol, until_ms, limit)

    def seek(self, time_ms: int) -> Iterator[MarketStep]:
        for source in self._sources:
            yield from source.seek(time_ms)

    def advance(self, to_ms: int) -> Iterator[MarketStep]:
        return merge(*(source.advance(to_ms) for source in self._sources), key=lambda step: step.time_ms)

    def made_by_accounts(self, symbol: str) -> bool:
        return self._of[symbol].made_by_accounts(symbol)

    def on_event(self, event: Event) -> None:
        for source in self._sources:
            source.on_event(event)

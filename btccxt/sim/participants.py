"""A market made by its own participants: prices, trades and bars are what the accounts' orders make."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping

from btccxt.matching.records import Event, PublicTrade
from btccxt.model import Bar, Market, Trade, decimal_of
from btccxt.sim.candles import bars_from_trades
from btccxt.sim.source import MarketStep
from btccxt.timeframe import parse_timeframe


class ParticipantsSource:
    """No prices of its own: it remembers the engine's public trades (and what tests print into the engine).

    ``flat_bars_when_quiet``: whether an interval without trades has a flat bar (once a first trade was made).
    """

    def __init__(self, markets: Iterable[Market], start_ms: int, flat_bars_when_quiet: bool = True) -> None:
        self.symbols: Mapping[str, Market] = {market.symbol: market for market in markets}
        if not self.symbols:
            raise ValueError("a market needs at least one symbol")
        self.start_ms = start_ms
        self.end_ms: int | None = None
        self.flat_bars_when_quiet = flat_bars_when_quiet
        self._trades: dict[str, list[Trade]] = {symbol: [] for symbol in self.symbols}
        self._times: dict[str, list[int]] = {symbol: [] for symbol in self.symbols}

    def on_event(self, event: Event) -> None:
        if isinstance(event, PublicTrade) and event.symbol in self._trades:
            self._trades[event.symbol].append(event.trade)
            self._times[event.symbol].append(event.trade.time_ms)

    def history(
        self, symbol: str, timeframe: str, since_ms: int, until_ms: int, limit: int, now_ms: int | None = None
    ) -> list[Bar]:
        frame, trades, times = parse_timeframe(timeframe), self._trades[symbol], self._times[symbol]
        now_ms = until_ms if now_ms is None else now_ms
        if not trades:
            return []
        open_ms = frame.floor(max(since_ms, times[0]))
        if open_ms < since_ms:
            open_ms = frame.next_open(open_ms)
        found: list[Bar] = []
        while open_ms <= min(until_ms, now_ms) and len(found) < limit:
            close_ms = frame.next_open(open_ms)
            first, after = bisect_left(times, open_ms), bisect_right(times, min(close_ms - 1, now_ms))
            if first < after:
                found += bars_from_trades(
                    ((trade.time_ms, trade.price, decimal_of(trade.amount)) for trade in trades[first:after]), frame
                )
            elif self.flat_bars_when_quiet:
                price = trades[first - 1].price
                found.append(Bar(open_ms, price, price, price, price, 0.0))
            open_ms = close_ms
        return found

    def last_bars(self, symbol: str, timeframe: str, until_ms: int, limit: int, now_ms: int | None = None) -> list[Bar]:
        frame, times = parse_timeframe(timeframe), self._times[symbol]
        now_ms = until_ms if now_ms is None else now_ms
        since_ms = frame.floor(min(until_ms, now_ms))
        for _ in range(limit - 1):
            since_ms = frame.previous_open(since_ms)
        found = self.history(symbol, timeframe, since_ms, until_ms, limit, now_ms)
        if len(found) < limit and times and times[0] < since_ms:  # quiet intervals without bars: look further back
            found = self.history(symbol, timeframe, frame.floor(times[0]), until_ms, len(times), now_ms)[-limit:]
        return found

    def trades(self, symbol: str, since_ms: int, until_ms: int, limit: int) -> list[Trade]:
        first, after = bisect_left(self._times[symbol], since_ms), bisect_right(self._times[symbol], until_ms)
        return self._trades[symbol][first : min(after, first + limit)]

    def last_trades(self, symbol: str, until_ms: int, limit: int) -> list[Trade]:
        after = bisect_right(self._times[symbol], until_ms)
        return self._trades[symbol][max(0, after - limit) : after]

    def seek(self, time_ms: int) -> Iterator[MarketStep]:
        return iter(())

    def advance(self, to_ms: int) -> Iterator[MarketStep]:
        return iter(())

    def made_by_accounts(self, symbol: str) -> bool:
        return symbol in self.symbols

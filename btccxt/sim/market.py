"""The running market: plays a source into the engine, keeps the candles that somebody watches, closes them on time.

Everything that a user of the embedded exchange needs to set up a market can be imported from here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from heapq import heappop, heappush

from btccxt.matching.engine import Engine
from btccxt.matching.records import Event, PublicTrade
from btccxt.model import Bar, Trade, decimal_of
from btccxt.sim.candles import Candle
from btccxt.sim.clock import MarketClock
from btccxt.sim.markets import Listing, linear_market, spot_market
from btccxt.sim.participants import ParticipantsSource
from btccxt.sim.recorded import RecordedBars, RecordedTrades
from btccxt.sim.source import CombinedSource, MarketSource, MarketStep, Print
from btccxt.sim.synthetic import SyntheticSource, default_universe, many_symbols
from btccxt.timeframe import Timeframe, parse_timeframe

__all__ = [
    "CandleEvent",
    "CombinedSource",
    "Listing",
    "MarketRunner",
    "MarketSource",
    "MarketStep",
    "ParticipantsSource",
    "Print",
    "RecordedBars",
    "RecordedTrades",
    "SyntheticSource",
    "default_universe",
    "linear_market",
    "many_symbols",
    "spot_market",
]

CHUNK_MS = 60_000  # how much market time ``run`` plays before other tasks of the loop get their turn


@dataclass(frozen=True, slots=True)
class CandleEvent:
    """A forming bar that changed, or (``closed``) a bar whose time is over; ``time_ms`` is when that happened."""

    symbol: str
    timeframe: str
    bar: Bar
    closed: bool
    time_ms: int


class _Watched:
    """A candle that somebody subscribed to."""

    __slots__ = ("close_ms", "forming", "frame", "open_ms", "symbol", "told_ms")

    def __init__(self, symbol: str, frame: Timeframe, open_ms: int) -> None:
        self.symbol = symbol
        self.frame = frame
        self.open_ms = open_ms
        self.close_ms = frame.next_open(open_ms)
        self.forming: Candle | None = None
        self.told_ms: int | None = None  # when the last forming update went out


class MarketRunner:
    """Drives engine and candles from a source.

    Public trades are the engine's ``PublicTrade`` events. Candles are made of the source's own trades: executions of
    accounts move them only where the source says so (``ParticipantsSource``). A watched candle gives forming updates
    and exactly one closed event, at its close time, whether or not anything was traded; an interval that the source
    has no bar for gives none. A closed event carries the same numbers as ``history`` ever after.
    """

    def __init__(
        self, engine: Engine, source: MarketSource, clock: MarketClock, *, forming_every_ms: int = 500
    ) -> None:
        """``forming_every_ms``: market time between two forming updates of one candle, at least (0: every trade)."""
        self.engine = engine
        self.source = source
        self.clock = clock
        self.now_ms = source.start_ms
        self._watched: dict[tuple[str, str], _Watched] = {}
        self._by_symbol: dict[str, list[_Watched]] = {}
        self._closing: list[tuple[int, int, _Watched]] = []  # heap; entries of unwatched candles are skipped
        self._sequence = 0
        self._forming_every_ms = forming_every_ms
        self._candle_listeners: list[Callable[[CandleEvent], None]] = []
        self._step_listeners: list[Callable[[int], None]] = []
        engine.listen(self._on_engine_event)
        for step in source.seek(self.now_ms):
            self._play(step, self.now_ms)

    # -------------------------------------------------------------- listeners and subscriptions

    def on_candle(self, listener: Callable[[CandleEvent], None]) -> None:
        self._candle_listeners.append(listener)

    def on_step(self, listener: Callable[[int], None]) -> None:
        """Called with the market's time whenever it has moved on."""
        self._step_listeners.append(listener)

    def watch(self, symbol: str, timeframe: str) -> None:
        """Keep this candle and tell the listeners of it. Watching twice is watching once. Raises KeyError for an
        unknown symbol and ValueError for a timeframe that the source cannot make."""
        if symbol not in self.source.symbols:
            raise KeyError(symbol)
        if (symbol, timeframe) in self._watched:
            return
        frame = parse_timeframe(timeframe)
        watched = _Watched(symbol, frame, frame.floor(self.now_ms))
        so_far = self.source.history(symbol, timeframe, watched.open_ms, self.now_ms, 1, self.now_ms)
        if so_far and so_far[0].volume:
            watched.forming = Candle.of(so_far[0])
        self._watched[symbol, timeframe] = watched
        self._by_symbol.setdefault(symbol, []).append(watched)
        self._schedule(watched)

    def unwatch(self, symbol: str, timeframe: str) -> None:
        watched = self._watched.pop((symbol, timeframe), None)
        if watched is not None:
            self._by_symbol[symbol].remove(watched)

    @property
    def watching(self) -> Iterable[tuple[str, str]]:
        return tuple(self._watched)

    # -------------------------------------------------------------- what can be seen now

    def history(self, symbol: str, timeframe: str, since_ms: int, until_ms: int, limit: int) -> list[Bar]:
        """The first ``limit`` bars that open within [since_ms, until_ms], oldest first, the forming one included."""
        return self.source.history(symbol, timeframe, since_ms, until_ms, limit, self.now_ms)

    def last_bars(self, symbol: str, timeframe: str, until_ms: int, limit: int) -> list[Bar]:
        """The latest ``limit`` bars that open at or before ``until_ms``, oldest first, the forming one included."""
        return self.source.last_bars(symbol, timeframe, until_ms, limit, self.now_ms)

    def trades(self, symbol: str, since_ms: int, until_ms: int, limit: int) -> list[Trade]:
        return self.source.trades(symbol, since_ms, min(until_ms, self.now_ms), limit)

    def last_trades(self, symbol: str, limit: int) -> list[Trade]:
        return self.source.last_trades(symbol, self.now_ms, limit)

    # -------------------------------------------------------------- time passes

    def step(self, to_ms: int) -> None:
        """Play everything up to and including ``to_ms``. Going back does nothing."""
        if to_ms <= self.now_ms:
            return
        for step in self.source.advance(to_ms):
            self._close_due(step.time_ms)
            self.now_ms = max(self.now_ms, step.time_ms)
            self._play(step, step.time_ms)
        self._close_due(to_ms)
        self.now_ms = to_ms
        self.engine.expire_due(to_ms)
        for listener in self._step_listeners:
            listener(to_ms)

    async def run(self) -> None:
        """Follow the clock until cancelled (or until a recorded source has ended and nothing more can happen)."""
        while self.source.end_ms is None or self.now_ms < self.source.end_ms:
            wake_ms = self.now_ms + self.clock.step_ms
            if self._closing:
                wake_ms = min(wake_ms, max(self._closing[0][0], self.now_ms + 1))
            await self.clock.wait_until(wake_ms)
            target_ms = self.clock.now_ms()
            while self.now_ms < target_ms:
                self.step(min(target_ms, self.now_ms + CHUNK_MS))
                await asyncio.sleep(0)

    def _play(self, step: MarketStep, time_ms: int) -> None:
        for printed in step.prints:
            self.engine.print_trade(
                step.symbol, printed.price, printed.amount, printed.side, time_ms, trade_id=printed.trade_id
            )
            self._grow(step.symbol, time_ms, float(printed.price), printed.amount)
        if step.bids is not None and step.asks is not None:
            self.engine.set_depth(step.symbol, step.bids, step.asks, time_ms)

    def _on_engine_event(self, event: Event) -> None:
        if isinstance(event, PublicTrade) and self.source.made_by_accounts(event.symbol):
            trade = event.trade
            self.step(trade.time_ms)  # candles that ended before this trade close first
            self.source.on_event(event)
            self._grow(event.symbol, trade.time_ms, trade.price, decimal_of(trade.amount))

    # -------------------------------------------------------------- candles

    def _grow(self, symbol: str, time_ms: int, price: float, amount: Decimal) -> None:
        for watched in self._by_symbol.get(symbol, ()):
            if watched.forming is None:
                watched.forming = Candle(watched.open_ms, price, amount)
            else:
                watched.forming.add_trade(price, amount)
            if watched.told_ms is None or time_ms - watched.told_ms >= self._forming_every_ms:
                watched.told_ms = time_ms
                self._tell(CandleEvent(symbol, watched.frame.name, watched.forming.bar(), False, time_ms))

    def _close_due(self, time_ms: int) -> None:
        """Close every watched candle whose time is over, in the order of their closes."""
        while self._closing and self._closing[0][0] <= time_ms:
            close_ms, _, watched = heappop(self._closing)
            name = watched.frame.name
            if self._watched.get((watched.symbol, name)) is not watched:
                continue
            self.now_ms = max(self.now_ms, close_ms)
            closed = self.source.history(watched.symbol, name, watched.open_ms, watched.open_ms, 1, close_ms)
            watched.open_ms, watched.close_ms = close_ms, watched.frame.next_open(close_ms)
            watched.forming = watched.told_ms = None
            self._schedule(watched)
            for bar in closed:
                self._tell(CandleEvent(watched.symbol, name, bar, True, close_ms))

    def _schedule(self, watched: _Watched) -> None:
        self._sequence += 1
        heappush(self._closing, (watched.close_ms, self._sequence, watched))

    def _tell(self, event: CandleEvent) -> None:
        for listener in self._candle_listeners:
            listener(event)

"""All feeds of one store: opened from the strategy's thread, run in the session's loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from btccxt.bars.cache import BarCache
from btccxt.bars.history import (
    HistoryBeginsLater,
    HistorySource,
    bars_of,
    cached_pages,
    download_pages,
    download_trades,
)
from btccxt.bars.seam import first_open
from btccxt.errors import Unsupported
from btccxt.exchange.api import ExchangeAPI
from btccxt.exchange.profile.profile import Profile
from btccxt.model import Bar, StreamKey, StreamKind, Trade
from btccxt.resilience.clock import ExchangeClock
from btccxt.session.bar_feed import BarFeed
from btccxt.session.events import FeedEnded, FeedEvent, FeedFailed, FeedRequest
from btccxt.session.loop_thread import Session
from btccxt.session.metrics import FeedMeter
from btccxt.session.streams import StreamSupervisor
from btccxt.session.trade_feed import TradeFeed
from btccxt.timeframe import parse_timeframe

Sink = Callable[[FeedEvent], None]
_MOST_TRADES_OF_HISTORY = 1_000
_TRADES_BACK_MS = 3_600_000  # of historical ticks without a fromdate


class FeedTask:
    """One open feed. ``close`` from any thread."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.stop: Callable[[], None] | None = None
        """Set in the session thread once the feed runs."""

    def close(self) -> None:
        if self._session.is_running:
            self._session.post(self._end)

    def _end(self) -> None:
        stop, self.stop = self.stop, None
        if stop is not None:
            stop()


class FeedDesk:
    """Opens feeds and loads histories. ``cache``: folder of bars on disk, shared by all stores that are given it."""

    def __init__(
        self,
        session: Session,
        exchange: ExchangeAPI,
        clock: ExchangeClock,
        profile: Profile,
        supervisor: StreamSupervisor,
        spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[Any]],
        trouble: Callable[[str, BaseException], None],
        cache: Path | None = None,
    ) -> None:
        self._session = session
        self._exchange = exchange
        self._clock = clock
        self._profile = profile
        self._supervisor = supervisor
        self._spawn = spawn
        self._trouble = trouble
        self._cache_folder = cache

    # -------------------------------------------------------------- any thread

    def timeframes(self) -> tuple[str, ...]:
        """Candle timeframes that the profile lists; empty where it lists none."""
        return self._profile.bars.timeframes

    def open(self, request: FeedRequest, sink: Sink) -> FeedTask:
        """Start a feed; returns at once. ``sink`` is called in the session thread."""
        task = FeedTask(self._session)
        self._session.post(self._start, request, sink, task)
        return task

    # -------------------------------------------------------------- session loop

    def _start(self, request: FeedRequest, sink: Sink, task: FeedTask) -> None:
        frame = None if request.timeframe is None else parse_timeframe(request.timeframe)
        metered = FeedMeter(self._exchange.id, frame, self._clock, sink)
        feed = self._make(request, metered)
        running = self._spawn(self._run(feed, metered), f"feed {feed.key}")
        self._supervisor.add(feed.stream_key, feed)

        def stop() -> None:
            self._supervisor.remove(feed.stream_key, feed)
            running.cancel()

        task.stop = stop

    def _make(self, request: FeedRequest, sink: Sink) -> BarFeed | TradeFeed:
        start_ms = self._start_ms(request) if request.backfill_start else None
        if request.timeframe is None:
            key = StreamKey(StreamKind.TRADES, request.symbol)
            return TradeFeed(self._exchange, self._clock, key, sink=sink, start_ms=start_ms)
        return BarFeed(
            self._exchange,
            self._clock,
            StreamKey(StreamKind.BARS, request.symbol, request.timeframe),
            sink=sink,
            start_ms=start_ms,
            end_ms=request.to_ms,
            page_limit=self._profile.history.page_size,
            bars="trades" if request.bars == "trades" else "candles",
            history="candles" if self._offers(request.timeframe) else "trades",
            cache=self._cache(request.symbol, request.timeframe),
        )

    def _offers(self, timeframe: str) -> bool:
        offered = self.timeframes()
        return not offered or timeframe in offered

    def _cache(self, symbol: str, timeframe: str) -> BarCache | None:
        if self._cache_folder is None or not self._offers(timeframe):
            return None
        return BarCache(self._cache_folder, self._exchange.id, symbol, timeframe)

    def _start_ms(self, request: FeedRequest) -> int | None:
        if request.from_ms is not None:
            return request.from_ms
        if request.timeframe is None:
            return None
        frame = parse_timeframe(request.timeframe)
        return frame.floor(self._clock.now_ms() - self._profile.history.page_size * frame.approximate_ms)

    async def _run(self, feed: BarFeed | TradeFeed, sink: Sink) -> None:
        try:
            await feed.run()
        except Exception as error:
            # Whatever it is: the strategy must hear that this data has ended. The session says the rest.
            sink(FeedFailed(error))
            raise
        sink(FeedEnded())

    async def history(self, request: FeedRequest) -> list[Bar] | list[Trade]:
        """All of a past range, oldest first."""
        now_ms = self._clock.now_ms()
        end_ms = now_ms if request.to_ms is None else min(request.to_ms, now_ms)
        start_ms = self._start_ms(request)
        if request.timeframe is None:
            trades: list[Trade] = []
            from_ms = end_ms - _TRADES_BACK_MS if start_ms is None else start_ms
            async for page in download_trades(
                self._exchange, request.symbol, from_ms, end_ms, page_limit=_MOST_TRADES_OF_HISTORY
            ):
                trades += page
            return trades
        frame = parse_timeframe(request.timeframe)
        page_limit = self._profile.history.page_size
        source = HistorySource(self._exchange, request.symbol, frame, page_limit, self._clock.now_ms)
        asked_ms = first_open(frame, start_ms or 0)
        cache = self._cache(request.symbol, request.timeframe)
        if cache is None:
            pages = download_pages(source, asked_ms, end_ms)
        else:
            pages = cached_pages(cache, source, asked_ms, end_ms)
        bars: list[Bar] = []
        async for found in bars_of(pages, asked_ms, self._begins_later):
            bars += found
        return bars

    def _begins_later(self, fact: HistoryBeginsLater) -> None:
        self._trouble("history", Unsupported(f"history begins at {fact.first_ms}, not at {fact.asked_ms}"))

"""All feeds of one store: opened from the strategy's thread, run in the session's loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from btccxt.bars.lake import LakeView
from btccxt.bars.lake_pages import KeptBars
from btccxt.bars.live_tail import LiveTail
from btccxt.errors import Fatal
from btccxt.exchange.api import ExchangeAPI
from btccxt.exchange.profile.profile import Profile
from btccxt.model import OrderBook, StreamKey, StreamKind
from btccxt.resilience.clock import ExchangeClock
from btccxt.resilience.supervised import TaskPolicy, Tasks, Work
from btccxt.session.bar_feed import BarFeed
from btccxt.session.events import BarsClosed, Correction, FeedEnded, FeedEvent, FeedFailed, FeedRequest, Hole
from btccxt.session.history import History, HistoryLoader
from btccxt.session.loop_thread import Session
from btccxt.session.metrics import FeedMeter
from btccxt.session.quotes import BookWatch, QuotedSink
from btccxt.session.streams import StreamSupervisor
from btccxt.session.trade_feed import TradeFeed
from btccxt.timeframe import parse_timeframe

Sink = Callable[[FeedEvent], None]
_KEEP_TAILS_EVERY_S = 60.0
_POLICY = TaskPolicy(fatal=(Fatal,))
_BREATH_S = 0.005  # between two tails, so that a thousand do not hold up the loop


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
    """Opens feeds and loads histories. ``lake``: where closed bars are kept; what feeds bring is added to it."""

    def __init__(
        self,
        session: Session,
        exchange: ExchangeAPI,
        clock: ExchangeClock,
        profile: Profile,
        supervisor: StreamSupervisor,
        tasks: Tasks,
        trouble: Callable[[str, BaseException], None],
        lake: LakeView | None = None,
    ) -> None:
        self._session = session
        self._exchange = exchange
        self._clock = clock
        self._profile = profile
        self._supervisor = supervisor
        self._tasks = tasks
        self._history = HistoryLoader(exchange, clock.now_ms, profile, trouble, lake)
        self._tails: list[Tail] = []
        self._books: list[BookWatch] = []
        self._ended: set[Tail] = set()
        self._keeping: asyncio.Task[Any] | None = None

    # -------------------------------------------------------------- any thread

    def timeframes(self) -> tuple[str, ...]:
        """Candle timeframes that the profile lists; empty where it lists none."""
        return self._profile.bars.timeframes

    def order_book(self, symbol: str) -> OrderBook | None:
        """From memory; None while no open feed has one."""
        books = (book.newest for book in tuple(self._books) if book.stream_key.symbol == symbol)
        return next((book for book in books if book is not None), None)

    def open(self, request: FeedRequest, sink: Sink) -> FeedTask:
        """Start a feed; returns at once. ``sink`` is called in the session thread."""
        task = FeedTask(self._session)
        self._session.post(self._start, request, sink, task)
        return task

    # -------------------------------------------------------------- session loop

    def _start(self, request: FeedRequest, sink: Sink, task: FeedTask) -> None:
        frame = None if request.timeframe is None else parse_timeframe(request.timeframe)
        metered = FeedMeter(self._exchange.id, frame, self._clock, sink)
        if request.backfill_start and request.last_bars is not None:
            finding = self._tasks.start(self._start_at_last(request, metered, task), f"feed {request.symbol}")
            task.stop = lambda: _cancel(finding)
        else:
            self._begin(request, metered, task, self._history.start_ms(request) if request.backfill_start else None)

    async def _start_at_last(self, request: FeedRequest, sink: Sink, task: FeedTask) -> None:
        begins: list[int | None] = []

        async def find() -> None:
            begins.append(await self._history.begin_of_last(request))

        if await self._kept(find, f"last bars of {request.symbol}", sink) and task.stop is not None:
            self._begin(request, sink, task, begins[0])

    def _begin(self, request: FeedRequest, sink: Sink, task: FeedTask, start_ms: int | None) -> None:
        quoted = QuotedSink(request.symbol, sink) if request.quotes else None
        book = BookWatch(request.symbol) if request.order_book else None
        feed = self._make(request, quoted or sink, start_ms)
        running = self._tasks.start(self._run(feed, sink), f"feed {feed.key}")
        self._supervisor.add(feed.stream_key, feed)
        beside = [each for each in (quoted, book) if each is not None]
        for each in beside:
            self._supervisor.add(each.stream_key, each)
        if book is not None:
            self._books.append(book)

        def stop() -> None:
            self._supervisor.remove(feed.stream_key, feed)
            for each in beside:
                self._supervisor.remove(each.stream_key, each)
            if book is not None:
                self._books.remove(book)
            running.cancel()
            self._ended.update(each for each in self._tails if each.feed is feed)

        task.stop = stop

    def _make(self, request: FeedRequest, sink: Sink, start_ms: int | None) -> BarFeed | TradeFeed:
        if request.timeframe is None:
            key = StreamKey(StreamKind.TRADES, request.symbol)
            return TradeFeed(
                self._exchange, self._clock, key, sink=sink, start_ms=start_ms, end_ms=request.to_ms,
                trade_ids=self._profile.trade_ids, on_deaf=partial(self._supervisor.suspect, (key,)),
            )  # fmt: skip
        kept = self._history.kept(request.symbol, request.timeframe)
        has_candles = self._history.offers(request.timeframe)
        rule = self._profile.bars
        from_trades = request.bars == "trades" or (not rule.stream and rule.without_stream == "trades")
        tail = None if kept is None or from_trades else Tail(kept, LiveTail(parse_timeframe(request.timeframe)), sink)
        key = StreamKey(StreamKind.BARS, request.symbol, request.timeframe)
        stream_key = StreamKey(StreamKind.TRADES, request.symbol) if from_trades else key
        feed = BarFeed(
            self._exchange,
            self._clock,
            key,
            on_deaf=partial(self._supervisor.suspect, (stream_key,)),
            sink=sink if tail is None else tail.take,
            start_ms=start_ms,
            end_ms=request.to_ms,
            page_limit=self._profile.history.page_size,
            backfill=request.backfill,
            sends_empty_bars=rule.sends_empty_bars and has_candles,
            bars="trades" if from_trades else "candles",
            history="candles" if has_candles else "trades",
            kept=kept,
        )
        if tail is not None:
            tail.feed = feed
            self._tails.append(tail)
            if self._keeping is None:
                self._keeping = self._tasks.every(_KEEP_TAILS_EVERY_S, self._keep_tails, "lake")
        return feed

    async def _run(self, feed: BarFeed | TradeFeed, sink: Sink) -> None:
        if await self._kept(feed.run, f"feed {feed.key}", sink):
            sink(FeedEnded())

    async def _kept(self, work: Work, name: str, sink: Sink) -> bool:
        """Until it is done; False where it cannot be. The strategy then hears that this data has ended."""
        try:
            await self._tasks.keep(work, name, _POLICY)
        except Exception as error:  # noqa: BLE001 - the supervisor has said it
            sink(FeedFailed(error))
            return False
        return True

    async def history(self, request: FeedRequest) -> History:
        """All of a past range, oldest first."""
        return await self._history.load(request)

    # -------------------------------------------------------------- what feeds add to the lake

    async def _keep_tails(self) -> None:
        for tail in list(self._tails):
            await asyncio.to_thread(tail.keep, self._clock.now_ms())
            if tail in self._ended and tail.live.is_empty:
                self._tails.remove(tail)
                self._ended.discard(tail)
            await asyncio.sleep(_BREATH_S)

    async def close(self) -> None:
        """Keep what may be kept now: a minute of a thousand feeds takes two seconds."""
        await asyncio.to_thread(_keep_all, list(self._tails), self._clock.now_ms())


@dataclass(eq=False, slots=True)
class Tail:
    """Between a feed and its listener: notes what goes by, for the lake."""

    kept: KeptBars
    live: LiveTail
    sink: Sink
    feed: BarFeed | None = None

    def take(self, event: FeedEvent) -> None:
        if isinstance(event, BarsClosed):
            self.live.take_bars(event.bars)
        elif isinstance(event, Hole):
            self.live.take_hole(event)
        elif isinstance(event, Correction):
            self.live.take_correction(event)
        self.sink(event)

    def keep(self, now_ms: int) -> None:
        """Blocks; what the lake refuses has been told by ``kept``."""
        for stretch in self.live.ready(now_ms):
            self.kept.keep_stretch(stretch)


def _keep_all(tails: Sequence[Tail], now_ms: int) -> None:
    for tail in tails:
        tail.keep(now_ms)


def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()

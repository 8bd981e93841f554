"""All feeds of one store: opened from the strategy's thread, run in the session's loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from btccxt.bars.lake import LakeView
from btccxt.bars.lake_pages import KeptBars
from btccxt.bars.live_tail import LiveTail, Stretch
from btccxt.errors import Fatal
from btccxt.exchange.api import ExchangeAPI
from btccxt.exchange.profile.profile import Profile
from btccxt.model import StreamKey, StreamKind
from btccxt.resilience.clock import ExchangeClock
from btccxt.resilience.supervised import TaskPolicy, Tasks, Work
from btccxt.session.bar_feed import BarFeed
from btccxt.session.events import BarsClosed, Correction, FeedEnded, FeedEvent, FeedFailed, FeedRequest, Hole
from btccxt.session.history import History, HistoryLoader
from btccxt.session.loop_thread import Session
from btccxt.session.metrics import FeedMeter
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
        self._tails: list[tuple[LiveTail, KeptBars]] = []
        self._keeping: asyncio.Task[Any] | None = None

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
        feed = self._make(request, sink, start_ms)
        running = self._tasks.start(self._run(feed, sink), f"feed {feed.key}")
        self._supervisor.add(feed.stream_key, feed)

        def stop() -> None:
            self._supervisor.remove(feed.stream_key, feed)
            running.cancel()

        task.stop = stop

    def _make(self, request: FeedRequest, sink: Sink, start_ms: int | None) -> BarFeed | TradeFeed:
        if request.timeframe is None:
            key = StreamKey(StreamKind.TRADES, request.symbol)
            return TradeFeed(self._exchange, self._clock, key, sink=sink, start_ms=start_ms, end_ms=request.to_ms)
        kept = self._history.kept(request.symbol, request.timeframe)
        has_candles = self._history.offers(request.timeframe)
        rule = self._profile.bars
        from_trades = request.bars == "trades" or (not rule.stream and rule.without_stream == "trades")
        return BarFeed(
            self._exchange,
            self._clock,
            StreamKey(StreamKind.BARS, request.symbol, request.timeframe),
            sink=sink if kept is None or from_trades else self._with_tail(sink, kept, request.timeframe),
            start_ms=start_ms,
            end_ms=request.to_ms,
            page_limit=self._profile.history.page_size,
            sends_empty_bars=rule.sends_empty_bars and has_candles,
            bars="trades" if from_trades else "candles",
            history="candles" if has_candles else "trades",
            kept=kept,
        )

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

    def _with_tail(self, sink: Sink, kept: KeptBars, timeframe: str) -> Sink:
        tail = LiveTail(parse_timeframe(timeframe))
        self._tails.append((tail, kept))
        if self._keeping is None:
            self._keeping = self._tasks.keep(self._keep_tails, "lake")

        def take(event: FeedEvent) -> None:
            if isinstance(event, BarsClosed):
                tail.take_bars(event.bars)
            elif isinstance(event, Hole):
                tail.take_hole(event)
            elif isinstance(event, Correction):
                tail.take_correction(event)
            sink(event)

        return take

    async def _keep_tails(self) -> None:
        """Now and then, and once more at the end."""
        try:
            while True:
                await asyncio.sleep(_KEEP_TAILS_EVERY_S)
                for tail, kept in list(self._tails):
                    if stretches := tail.ready(self._clock.now_ms()):
                        await asyncio.to_thread(_keep, kept, stretches)
                        await asyncio.sleep(_BREATH_S)
        finally:
            rest = [(kept, tail.ready(self._clock.now_ms())) for tail, kept in self._tails]
            await asyncio.to_thread(_keep_all, rest)


def _keep(kept: KeptBars, stretches: Sequence[Stretch]) -> None:
    for stretch in stretches:
        kept.keep_stretch(stretch)


def _keep_all(rest: Sequence[tuple[KeptBars, Sequence[Stretch]]]) -> None:
    for kept, stretches in rest:
        _keep(kept, stretches)


def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()

"""One bar feed: a candle (or trade) stream, history and repair joined into closed bars, each once, in order.

The shell around ``bars/closing.py``, ``bars/aggregate.py`` and ``bars/seam.py``. It lives in the session's loop: the
stream supervisor calls ``on_up``, ``on_event`` and ``on_down``; ``run()`` asks the exchange for whatever is missing.
While the stream is down every bar is missing just after it closed, so that REST serves with the same guarantees.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Collection, Iterable
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from math import ceil
from typing import Literal, Protocol

from btccxt.bars.aggregate import TradeBars
from btccxt.bars.closing import BarCloser, Correction
from btccxt.bars.history import (
    REST_LAG_MS,
    CallPolicy,
    HistorySource,
    direct,
    download_pages,
    trade_bar_pages,
)
from btccxt.bars.lake_pages import KeptBars, lake_pages
from btccxt.bars.seam import Gap, Hole, Page, Seam, closed_until
from btccxt.errors import ConfigError, ExchangeUnavailable, RateLimited, Retryable
from btccxt.exchange.api import ExchangeAPI
from btccxt.model import Bar, BarUpdate, ConnectionState, StreamEvent, StreamKey, StreamKind, Trade
from btccxt.observe.log import EventName, get_logger
from btccxt.session.events import BarsClosed, FeedEvent, FeedState
from btccxt.timeframe import parse_timeframe

log = get_logger(__name__)

Sink = Callable[[FeedEvent], None]
_MOST_AHEAD_MS = 5_000
_DEAF_AFTER = 5
_POLLED_WITHIN = 5  # times the grace: by then a poll has brought a bar that closed
_LONGEST_SLEEP_S = 30.0  # so that a re-measured clock is noticed
_FIRST_RETRY_S, _LONGEST_RETRY_S = 0.5, 30.0


class FeedClock(Protocol):
    """The exchange's clock (``resilience.clock.ExchangeClock``)."""

    @property
    def uncertainty_ms(self) -> float | None: ...
    @property
    def stamps_ahead_ms(self) -> float | None: ...
    def now_ms(self) -> int: ...
    def wall_s(self, exchange_ms: float) -> float: ...


async def pause(wake: asyncio.Event, seconds: float) -> None:
    """Sleep, unless woken. ``wait_for`` would swallow a cancellation that comes with the wake (until Python 3.12)."""
    timer = asyncio.get_running_loop().call_later(seconds, wake.set)
    try:
        await wake.wait()
    finally:
        timer.cancel()


async def back_off(error: Retryable, failures: int, wake: asyncio.Event) -> None:
    """Wait after a failed read: what the exchange asked for, or longer and longer until woken by a reconnect."""
    asked_s = error.retry_after_s if isinstance(error, RateLimited | ExchangeUnavailable) else None
    if asked_s is not None:
        await asyncio.sleep(asked_s)
    else:
        longest_s = min(_FIRST_RETRY_S * 2.0 ** min(failures - 1, 16), _LONGEST_RETRY_S)
        await pause(wake, longest_s * random.uniform(0.5, 1.0))


class BarFeed:
    """Closed bars of one symbol and timeframe, from ``start_ms`` on (None: from the bar that is forming now), or after
    ``last_open_ms`` (restart), up to ``end_ms`` (None: until cancelled).

    ``sink`` is called synchronously in the session's loop. ``bars='trades'`` builds live bars from the trade stream;
    ``history='trades'`` builds the past from trades too, for timeframes without candles. ``call`` runs every REST read
    (limiter, retries). ``release_by_clock``: believe the last frame when the clock passes a bar's close plus
    ``grace_ms``; by default the exchange is asked, since a silent stream looks the same as a quiet market.
    ``backfill`` False: what neither stream nor polling told during a cut stays a hole. ``sends_empty_bars``: from the
    profile; False where a bar without trades does not exist. ``kept``: bars on disk.
    ``on_deaf``: called with the reason when REST has told several bars with trades of which the stream said nothing.
    """

    def __init__(
        self,
        exchange: ExchangeAPI,
        clock: FeedClock,
        key: StreamKey,
        *,
        sink: Sink,
        start_ms: int | None = None,
        last_open_ms: int | None = None,
        end_ms: int | None = None,
        page_limit: int = 500,
        grace_ms: int = 2_000,
        confirmations: int = 6,
        retry_ms: int = 1_000,
        sends_empty_bars: bool = True,
        backfill: bool = True,
        release_by_clock: bool = False,
        bars: Literal["candles", "trades"] = "candles",
        history: Literal["candles", "trades"] = "candles",
        parallel: int = 4,
        call: CallPolicy = direct,
        kept: KeptBars | None = None,
        on_deaf: Callable[[str], None] | None = None,
    ) -> None:
        if key.kind is not StreamKind.BARS or key.symbol is None or key.timeframe is None:
            raise ConfigError(f"a bar feed needs a bars key with symbol and timeframe, not {key}")
        self.key = key
        self.stream_key = StreamKey(StreamKind.TRADES, key.symbol) if bars == "trades" else key
        """The stream to subscribe for this feed."""
        self._clock = clock
        self._sink = sink
        self._grace_ms = grace_ms
        self._release_by_clock = release_by_clock
        self._sends_empty_bars = sends_empty_bars
        self._backfill = backfill
        self._timeframe = parse_timeframe(key.timeframe)
        if start_ms is None and last_open_ms is None:
            start_ms = self._timeframe.floor(clock.now_ms())
        self._seam = Seam(
            self._timeframe,
            start_ms=start_ms if last_open_ms is None else None,
            last_open_ms=last_open_ms,
            end_ms=end_ms,
            grace_ms=grace_ms,
            confirmations=confirmations,
            retry_ms=retry_ms,
            sends_empty_bars=sends_empty_bars,
        )
        self._closer = BarCloser(self._timeframe, grace_ms)
        self._builder = TradeBars(self._timeframe) if bars == "trades" else None
        self._history = HistorySource(
            exchange, key.symbol, self._timeframe, page_limit, clock.now_ms, parallel=parallel, call=call
        )
        self._pages: Callable[[HistorySource, int, int], AsyncGenerator[Page, None]] = download_pages
        if history == "trades":
            self._pages = trade_bar_pages
        elif kept is not None:
            self._pages = partial(lake_pages, kept)
        self._forget_forming(clock.now_ms())
        self._connected = False
        self._down_reason = ""
        self._troubled = False  # something is missing that did not come at the first asking
        self._was_caught_up = False
        self._said_future = False
        self._on_deaf = on_deaf
        self._connections = 0
        self._looking = False  # the stream is silent: ask whether it missed something
        self._stream_spoke = False
        self._unstreamed = 0  # bars in a row
        self._failures = 0
        self._wake = asyncio.Event()
        self._state: FeedState | None = None

    @property
    def state(self) -> FeedState | None:
        """The last state announced."""
        return self._state

    @property
    def last_open_ms(self) -> int | None:
        """Open of the last bar passed on: where a restart continues."""
        return self._seam.last_open_ms

    # -------------------------------------------------------------- the stream supervisor calls these

    def on_event(self, key: StreamKey, event: StreamEvent) -> None:
        """One frame of the stream. Never blocks; a forming frame costs almost nothing."""
        self._stream_spoke = True
        if event.__class__ is BarUpdate:
            if event.closed is not False or not self._sends_empty_bars:
                self._on_frame(event)
        elif event.__class__ is Trade and self._builder is not None:
            self._on_trade(self._builder, event)

    def on_up(self, key: StreamKey) -> None:
        """The subscription is active, again or for the first time."""
        # A bar that opened before the subscription is not whole, and our clock may be behind the exchange's.
        latest_ms = self._clock.now_ms() + self._clock_error_ms()
        self._connected = True
        self._connections += 1
        self._troubled = self._was_caught_up
        self._forget_forming(latest_ms)
        self._seam.on_reconnected(latest_ms)
        if self._was_caught_up and not self._backfill:
            # What polling was about to ask for is not missed yet.
            self._emit(self._seam.forgo(self._timeframe.floor(latest_ms - _POLLED_WITHIN * self._grace_ms)))
        self._wake.set()

    def on_down(self, key: StreamKey, reason: str) -> None:
        """The stream does not serve: until ``on_up`` every bar is asked for after it closed."""
        self._connected = False
        self._down_reason = reason
        self._forget_forming(self._clock.now_ms())
        self._seam.on_disconnected()
        self._announce(ConnectionState.DEGRADED, reason)
        self._wake.set()

    def look_at_silence(self, key: StreamKey) -> bool:
        """The stream is silent for longer than it is used to. True: the exchange is asked whether anything was traded,
        and the stream is doubted only if it was.
        """
        if self._on_deaf is None or not self._may_be_silence():
            return False
        self._looking = True
        self._wake.set()
        return True

    def _clock_error_ms(self) -> int:
        return ceil(self._clock.uncertainty_ms or 0.0)

    def _forget_forming(self, now_ms: int) -> None:
        self._closer.reset()
        if self._builder is not None:
            self._builder.restart(self._timeframe.next_open(self._timeframe.floor(now_ms)))

    def _on_frame(self, update: BarUpdate) -> None:
        if self._is_of_the_future(update):
            return
        closer = self._closer
        newest_ms = closer.newest_open_ms
        events = closer.on_update(update)
        if closer.newest_open_ms != newest_ms and not self._sends_empty_bars:
            self._seam.expect(closer.newest_open_ms)
            self._wake.set()
        if events:
            self._on_built(events)

    def _is_of_the_future(self, update: BarUpdate) -> bool:
        """It would close the bar that is forming, or be believed before it is over."""
        open_ms = update.bar.open_ms
        return self._lies_ahead(self._timeframe.next_open(open_ms) if update.closed else open_ms, update.bar)

    def _lies_ahead(self, time_ms: int, told: Bar | Trade) -> bool:
        ahead_ms = self._clock.stamps_ahead_ms
        if ahead_ms is None or time_ms <= self._clock.now_ms() + ahead_ms + _MOST_AHEAD_MS:
            return False
        if not self._said_future:
            self._said_future = True
            log.warning(EventName.BAR_AHEAD, feed=str(self.key), bar=str(told))
        return True

    def _on_trade(self, builder: TradeBars, trade: Trade) -> None:
        if self._lies_ahead(trade.time_ms, trade):
            return
        close_ms = builder.forming_close_ms
        events = builder.on_trade(trade)
        if builder.forming_close_ms != close_ms:
            if not self._sends_empty_bars:
                self._seam.expect(self._timeframe.floor(trade.time_ms))
            self._wake.set()
        if events:
            self._on_built(events)

    def _on_built(self, events: Iterable[Bar | Correction]) -> None:
        """Closed bars from the stream."""
        for event in events:
            if isinstance(event, Bar):
                self._emit(self._seam.on_live(event))
                if self._seam.held or self._troubled or self._seam.has_ended:
                    self._wake.set()
            else:
                self._sink(event)

    # -------------------------------------------------------------- the task

    async def run(self) -> None:
        """Backfill, then repair whatever is missing, until cancelled; returns when everything before ``end_ms`` came.

        Raises what repeating cannot help (Fatal).
        """
        if self._state is None:
            self._announce(ConnectionState.CONNECTING, f"history of {self.key}")
        while not self._seam.has_ended:
            self._wake.clear()
            now_ms = self._clock.now_ms()
            if self._release_by_clock:
                self._close_by_clock(now_ms)
            gap = self._seam.gap(now_ms)
            if gap is not None:
                await self._repair(gap)
                continue
            if self._looking:
                await self._look(now_ms)
                continue
            self._judge(now_ms)
            await self._sleep_until(self._next_deadline_ms(), now_ms)

    def _close_by_clock(self, now_ms: int) -> None:
        if self._builder is not None:
            bar = self._builder.due(now_ms, self._grace_ms)
            self._on_built([bar] if bar is not None else [])
        else:
            self._on_built(self._closer.due(now_ms))

    def _next_deadline_ms(self) -> int | None:
        deadlines = [self._seam.deadline_ms]
        if self._release_by_clock:
            deadlines.append(self._closer.deadline_ms)
            if self._builder is not None and self._builder.forming_close_ms is not None:
                deadlines.append(self._builder.forming_close_ms + self._grace_ms)
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    async def _sleep_until(self, deadline_ms: int | None, now_ms: int) -> None:
        seconds = _LONGEST_SLEEP_S if deadline_ms is None else self._clock.wall_s(deadline_ms - now_ms)
        await pause(self._wake, min(max(seconds, 0.001), _LONGEST_SLEEP_S))

    async def _repair(self, gap: Gap) -> None:
        if self._troubled and self._connected:
            self._announce(ConnectionState.CONNECTING, f"asking for bars since {gap.from_ms}")
        # One bar more than is missing: it shows whether the exchange changed what it gave us last.
        last_ms = self._seam.last_open_ms
        from_ms = gap.from_ms if last_ms is None or gap.from_ms > self._seam.next_open_ms else last_ms
        rest_lag_ms = REST_LAG_MS + self._clock_error_ms()  # a clock that is ahead makes an answer older than it looks
        history = replace(self._history, rest_lag_ms=rest_lag_ms, is_confirmed=self._closer.confirms)
        try:
            async with aclosing(self._pages(history, from_ms, gap.to_ms)) as pages:
                async for page in pages:
                    asked_for = {bar.open_ms for bar in page.bars}
                    events = self._seam.on_page(page, self._clock.now_ms())
                    self._doubt_stream(events)
                    self._emit(events, asked_for)
            self._failures = 0
        except Retryable as error:
            self._failures += 1
            if self._connected:
                self._announce(ConnectionState.CONNECTING, f"{type(error).__name__}: {error}")
            self._wake.clear()
            await back_off(error, self._failures, self._wake)

    async def _look(self, now_ms: int) -> None:
        self._looking = False
        next_ms, connections = self._seam.next_open_ms, self._connections
        to_ms = closed_until(self._timeframe, next_ms, now_ms - self._grace_ms)
        if to_ms <= next_ms:
            return
        await self._repair(Gap(next_ms, to_ms))
        same = self._connected and self._connections == connections  # of another connection it says nothing
        if same and self._seam.next_open_ms > next_ms and self._on_deaf is not None:
            self._on_deaf("nothing of a bar in which there was trade")

    def _doubt_stream(self, events: Iterable[Bar | Hole | Correction]) -> None:
        """A stream that serves, and is silent about bars in which there was trade, is deaf."""
        if self._stream_spoke or not self._connected or not self._was_caught_up or self._troubled:
            self._stream_spoke, self._unstreamed = False, 0
            return
        self._unstreamed += sum(isinstance(event, Bar) and event.volume > 0 for event in events)
        if self._unstreamed >= _DEAF_AFTER and self._on_deaf is not None:
            self._on_deaf(f"nothing of {self._unstreamed} bars in which there was trade")
            self._unstreamed = 0

    def _judge(self, now_ms: int) -> None:
        """Nothing to ask for at this moment: either all is here, or the exchange was asked and is given time."""
        missing = self._seam.missing(now_ms)
        if missing is not None and self._may_be_silence():
            return
        if missing is not None:
            self._troubled = True
            if self._connected:
                self._announce(ConnectionState.CONNECTING, f"the exchange has no bar for {missing.from_ms} yet")
            return
        self._troubled = False
        self._was_caught_up = True
        if self._connected:
            self._announce(ConnectionState.LIVE, "")
        elif self._down_reason:
            self._announce(ConnectionState.DEGRADED, self._down_reason)

    def _may_be_silence(self) -> bool:
        """Where bars without trades do not exist, a missing one is asked for, but it is no trouble of a live feed."""
        return not self._sends_empty_bars and self._connected and self._was_caught_up and not self._troubled

    def _announce(self, state: ConnectionState, reason: str) -> None:
        if self._state is None or self._state.state != state:
            self._state = FeedState(state, reason)
            self._sink(self._state)

    def _emit(self, events: list[Bar | Hole | Correction], asked_for: Collection[int] = ()) -> None:
        """Runs of bars go out together, so that a page costs one call. ``asked_for``: opens of what REST told."""
        run: list[Bar] = []
        for event in events:
            if isinstance(event, Bar):
                run.append(event)
                continue
            if run:
                self._sink(_closed(run, asked_for))
                run = []
            self._sink(event)
        if run:
            self._sink(_closed(run, asked_for))


def _closed(run: list[Bar], asked_for: Collection[int]) -> BarsClosed:
    return BarsClosed(tuple(run), sum(bar.open_ms in asked_for for bar in run) if asked_for else 0)

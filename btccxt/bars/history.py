"""Paged download of bars and trades: in order, pages in parallel, the forming bar dropped, holes survived.

What makes this harder than a loop (ccxt 4.5.90, per exchange): some answer with the next rows *after* ``since``, some
with the rows of a window, so that an answer is empty inside a long hole; some ignore a ``since`` beyond their depth
(Kraken keeps 720 rows); some cap a page lower than what was asked for. The forming bar comes with the rest.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeVar

from btccxt.bars.aggregate import RecentIds, TradeBars
from btccxt.bars.seam import Page, closed_until, first_open
from btccxt.errors import Fatal
from btccxt.exchange.api import ExchangeAPI
from btccxt.model import Bar, Trade
from btccxt.resilience.supervised import Tasks
from btccxt.timeframe import Timeframe, parse_timeframe

T = TypeVar("T")
_DAY = parse_timeframe("1d")
_HOUR_MS = 3_600_000
REST_LAG_MS = 30_000  # how far an exchange's REST may be behind its stream


class CallPolicy(Protocol):
    """Runs one idempotent read: the place for a limiter, retries and metrics. Receives a factory, to call it again."""

    def __call__(self, make: Callable[[], Awaitable[T]], /) -> Awaitable[T]: ...


def direct(make: Callable[[], Awaitable[T]], /) -> Awaitable[T]:
    """The plain policy: call once, at once."""
    return make()


@dataclass(frozen=True, slots=True)
class HistoryBeginsLater:
    """The exchange's depth limit, or the listing date: nothing was there between ``asked_ms`` and ``first_ms``."""

    asked_ms: int
    first_ms: int


@dataclass(frozen=True, slots=True)
class HistorySource:
    """Where bars of the past come from: one symbol and timeframe of an exchange, and how it is asked.

    ``page_limit`` must not be more than the exchange gives at once (the profile's page size): one that answers for a
    window of time would hide the rest of it. ``call`` runs every read; ``parallel``: so many at a time.
    """

    exchange: ExchangeAPI
    symbol: str
    timeframe: Timeframe
    page_limit: int
    now_ms: Callable[[], int]
    parallel: int = 4
    call: CallPolicy = direct
    rest_lag_ms: int = REST_LAG_MS
    is_confirmed: Callable[[Bar], bool] = lambda bar: False
    """Whether the newest row of an answer is known to be the bar's last state by other means than waiting."""


async def bars_of(
    pages: AsyncGenerator[Page, None], asked_ms: int, report: Callable[[HistoryBeginsLater], None] | None = None
) -> AsyncGenerator[list[Bar], None]:
    """The bars of pages that begin at ``asked_ms``. Holes inside are not reported here: ``Seam`` does that."""
    first = True
    async with aclosing(pages):
        async for page in pages:
            if not page.bars:
                continue
            if first and report is not None and page.bars[0].open_ms > asked_ms:
                report(HistoryBeginsLater(asked_ms, page.bars[0].open_ms))
            first = False
            yield list(page.bars)


async def download_pages(source: HistorySource, start_ms: int, end_ms: int) -> AsyncGenerator[Page, None]:
    """Closed bars with ``start_ms <= open_ms < end_ms``, oldest first, as pages for ``Seam.on_page``.

    Together they cover the range without a break. Raises what the exchange raises, after what came before was yielded.
    A bar counts as closed if it closed before it was asked for; the newest row of an answer only if ``rest_lag_ms``
    passed since, for it may be an old state of that bar. An empty stretch is joined to the page after it, whose rows
    prove that the exchange has nothing there.
    """
    asking = _Asking(source)
    parsed = source.timeframe
    position = first_open(parsed, start_ms)
    end_ms = min(end_ms, closed_until(parsed, position, source.now_ms()))
    covered = position
    seen = _Seen()

    # The first page alone: it tells where the exchange's history begins.
    if position < end_ms:
        window = await asking.window(position, asking.window_end(position, end_ms))
        if not window.rows and window.to_ms < end_ms:
            window = await asking.beginning(window, end_ms)
        seen.add(window)
        if window.rows:
            yield Page(covered, window.to_ms, window.rows, seen.to_ms(covered, window.to_ms))
            covered = window.to_ms
        position = window.to_ms

    running: deque[asyncio.Task[_Window]] = deque()
    async with Tasks() as tasks:
        while position < end_ms or running:
            while position < end_ms and len(running) < max(1, source.parallel):
                to_ms = asking.window_end(position, end_ms)
                running.append(tasks.start(asking.window(position, to_ms), "history"))
                position = to_ms
            window = await running[0]
            running.popleft()
            seen.add(window)
            if window.rows:
                yield Page(covered, window.to_ms, window.rows, seen.to_ms(covered, window.to_ms))
                covered = window.to_ms
        if covered < end_ms:
            yield Page(covered, end_ms, (), seen.to_ms(covered, end_ms))


@dataclass(frozen=True, slots=True)
class _Window:
    rows: tuple[Bar, ...]  # closed, from_ms <= open_ms < to_ms, ordered
    from_ms: int
    to_ms: int
    newest_ms: int  # open of the newest row of any answer; -1 without rows
    unsettled_ms: int | None  # open of the oldest row that was not surely closed
    later_ms: int | None  # open of the oldest row beyond the window


class _Seen:
    """How far the answers so far reached."""

    def __init__(self) -> None:
        self._newest_ms = -1
        self._unsettled_ms: int | None = None

    def add(self, window: _Window) -> None:
        self._newest_ms = max(self._newest_ms, window.newest_ms)
        self._unsettled_ms = _least(self._unsettled_ms, window.unsettled_ms)

    def to_ms(self, from_ms: int, to_ms: int) -> int:
        reached_ms = min(self._newest_ms, to_ms)
        if self._unsettled_ms is not None:
            reached_ms = min(reached_ms, self._unsettled_ms)
        return max(from_ms, reached_ms)


def _least(first: int | None, second: int | None) -> int | None:
    return min((value for value in (first, second) if value is not None), default=None)


class _Asking:
    """The questions behind one download."""

    def __init__(self, source: HistorySource) -> None:
        self._source = source
        self._timeframe = source.timeframe
        self._page_limit = source.page_limit

    def window_end(self, from_ms: int, end_ms: int) -> int:
        if self._timeframe.length_ms is not None:
            return min(end_ms, from_ms + self._page_limit * self._timeframe.length_ms)
        to_ms = from_ms
        for _ in range(self._page_limit):
            to_ms = self._timeframe.next_open(to_ms)
            if to_ms >= end_ms:
                return end_ms
        return to_ms

    async def answer(self, since_ms: int, to_ms: int) -> list[Bar]:
        # Two rows more than needed: a later row shows that the exchange is past the range.
        rows = (to_ms - since_ms) // self._timeframe.approximate_ms + 2
        limit = max(1, min(self._page_limit, rows))
        source = self._source
        fetch = source.exchange.fetch_ohlcv
        return await source.call(partial(fetch, source.symbol, source.timeframe.name, since_ms=since_ms, limit=limit))

    async def window(self, from_ms: int, to_ms: int) -> _Window:
        """Everything that the exchange has in a window, however its answers are cut."""
        found: dict[int, Bar] = {}
        newest_ms = -1
        unsettled_ms: int | None = None
        later_ms: int | None = None

        async def ask(since_ms: int, until_ms: int) -> tuple[bool, int]:
            """Adds what is new; tells whether there was anything, and until when bars counted as closed."""
            nonlocal newest_ms, unsettled_ms, later_ms
            asked_ms = self._source.now_ms()  # before the question: an answer is older than its arrival
            known = len(found)
            answer = await self.answer(since_ms, until_ms)
            last_ms = max((bar.open_ms for bar in answer), default=-1)
            for bar in answer:
                newest_ms = max(newest_ms, bar.open_ms)
                # A REST that lags gives an old state of the newest bar: it counts as closed once another follows it.
                is_proven = bar.open_ms != last_ms or self._source.is_confirmed(bar)
                proof_ms = 0 if is_proven else self._source.rest_lag_ms
                if self._timeframe.next_open(bar.open_ms) + proof_ms > asked_ms:
                    unsettled_ms = _least(unsettled_ms, bar.open_ms)
                elif from_ms <= bar.open_ms < to_ms:
                    found.setdefault(bar.open_ms, bar)
                if bar.open_ms >= to_ms:
                    later_ms = _least(later_ms, bar.open_ms)
            return len(found) > known, asked_ms

        since_ms = from_ms
        while since_ms < to_ms:
            progress, asked_ms = await ask(since_ms, to_ms)
            if not progress or newest_ms >= to_ms:
                break
            since_ms = self._timeframe.next_open(max(found))
            if self._timeframe.next_open(since_ms) > asked_ms:
                break  # what follows is not closed yet
        if newest_ms < 0:
            await ask(from_ms, to_ms)  # not one row: an empty answer is not believed the first time
        # Rows are missing at the front: a hole, or a page cut to its newest rows. Ask until nothing new comes.
        while found and min(found) >= self._timeframe.next_open(from_ms):
            progress, _ = await ask(from_ms, min(found))
            if not progress:
                break
        rows = tuple(found[open_ms] for open_ms in sorted(found))
        return _Window(rows, from_ms, to_ms, newest_ms, unsettled_ms, later_ms)

    async def beginning(self, empty: _Window, end_ms: int) -> _Window:
        """The first window that has bars, given that the first one asked for had none."""
        position = empty.to_ms
        if empty.later_ms is not None:  # the exchange answered with what it has later: that is where it begins
            position = max(position, self._timeframe.floor(empty.later_ms))
        elif self._timeframe.approximate_ms < _DAY.approximate_ms:
            position = max(position, await self._first_day(empty.from_ms, end_ms))
        if position >= end_ms:
            return _Window((), empty.from_ms, end_ms, empty.newest_ms, empty.unsettled_ms, None)
        return await self.window(position, self.window_end(position, end_ms))

    async def _first_day(self, from_ms: int, end_ms: int) -> int:
        """First day with trades: exact, since a day without a daily bar has no shorter bars either."""
        days = _Asking(replace(self._source, timeframe=_DAY))
        position = _DAY.floor(from_ms) - _DAY.approximate_ms  # days of some exchanges do not open at 00:00 UTC
        while position < end_ms:
            to_ms = position + self._page_limit * _DAY.approximate_ms
            try:
                answer = await days.answer(position, to_ms)
            except Fatal:
                return from_ms  # no daily bars on this exchange: page by page, then
            opens = [bar.open_ms for bar in answer if bar.open_ms >= position]
            if opens:
                return min(opens)
            position = to_ms
        return end_ms


async def download_trades(
    exchange: ExchangeAPI,
    symbol: str,
    start_ms: int,
    end_ms: int,
    *,
    page_limit: int,
    call: CallPolicy = direct,
    empty_step_ms: int = _HOUR_MS,
    report: Callable[[HistoryBeginsLater], None] | None = None,
) -> AsyncGenerator[list[Trade], None]:
    """Public trades with ``start_ms <= time_ms < end_ms``, oldest first, each once, page by page.

    ``empty_step_ms``: how far one question reaches where an exchange answers for a window of time (Binance: one hour,
    ccxt binance.py ``fetch_trades``), so that an empty answer in a quiet market does not end the download.
    """
    seen = RecentIds(max(10_000, 4 * page_limit))
    since_ms = start_ms
    first = True
    while since_ms < end_ms:
        answer = await call(partial(exchange.fetch_trades, symbol, since_ms=since_ms, limit=page_limit))
        fresh = [trade for trade in answer if start_ms <= trade.time_ms < end_ms and seen.add(trade.trade_id)]
        newest_ms = max((trade.time_ms for trade in answer), default=-1)
        if fresh:
            fresh.sort(key=lambda trade: trade.time_ms)  # stable: the exchange's order within a millisecond stays
            if first and report is not None and fresh[0].time_ms > start_ms + empty_step_ms:
                report(HistoryBeginsLater(start_ms, fresh[0].time_ms))
            first = False
            yield fresh
        if newest_ms >= end_ms:
            return
        if newest_ms > since_ms:
            since_ms = newest_ms  # inclusive: a millisecond may be split over two pages
        elif len(answer) >= page_limit:
            since_ms += 1  # a whole page of one millisecond
        else:
            since_ms += empty_step_ms


async def trade_bar_pages(
    source: HistorySource, start_ms: int, end_ms: int, *, look_back_ms: int = _HOUR_MS
) -> AsyncGenerator[Page, None]:
    """What ``download_pages`` gives, built from trades: for timeframes that the exchange has no candles of.

    The download begins ``look_back_ms`` earlier: without a trade before ``start_ms`` nobody knows whether the exchange
    still had the first bar's beginning, so that bar is left out. The last bar counts as whole once a trade follows it,
    or after ``rest_lag_ms``: trades may still be on their way to an exchange's REST.
    """
    parsed = source.timeframe
    covered = first_open(parsed, start_ms)
    asked_ms = source.now_ms()
    end_ms = min(end_ms, closed_until(parsed, covered, asked_ms))
    builder = TradeBars(parsed, start_ms=covered)
    whole = followed = False
    until_ms = max(end_ms, asked_ms) + 1
    trades = download_trades(
        source.exchange, source.symbol, covered - look_back_ms, until_ms, page_limit=source.page_limit, call=source.call
    )
    async with aclosing(trades):
        async for batch in trades:
            if not whole:
                if batch[0].time_ms >= covered:
                    builder.restart(parsed.next_open(parsed.floor(batch[0].time_ms)))
                whole = True
            followed = batch[-1].time_ms >= end_ms
            closed = [bar for trade in batch for bar in builder.on_trade(trade) if isinstance(bar, Bar)]
            bars = [bar for bar in closed if bar.open_ms < end_ms]
            if bars:
                to_ms = parsed.next_open(bars[-1].open_ms)
                yield Page(covered, to_ms, bars, to_ms)
                covered = to_ms
            if followed:
                break
    if covered >= end_ms:
        return
    if followed or asked_ms >= end_ms + source.rest_lag_ms:
        last = builder.due(end_ms, 0)
        yield Page(covered, end_ms, [last] if last is not None else (), end_ms)
    else:
        yield Page(covered, end_ms, (), covered)

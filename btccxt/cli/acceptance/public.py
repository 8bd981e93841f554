"""Checks that need no keys. Each is one promise; it returns the evidence, or raises NotProven or NotApplicable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

from btccxt.bars.closing import BarCloser
from btccxt.bars.history import HistorySource, bars_of, download_pages
from btccxt.cli.acceptance.subject import NotApplicable, NotProven, Subject
from btccxt.errors import Unsupported
from btccxt.model import Bar, BarUpdate, StreamKey, StreamKind, StreamOpened, Ticker, Trade
from btccxt.resilience.supervised import Tasks
from btccxt.session.bar_feed import BarFeed
from btccxt.session.events import BarsClosed, Hole
from btccxt.session.streams import StreamSupervisor
from btccxt.timeframe import Timeframe, parse_timeframe

_CLOCK_TOLERANCE_MS = 1_000
_FRESH_MS = 600_000
_PAGE = 20
_PAGES = 3
_LIVE_BARS = 2


async def the_exchanges_time_is_told_and_runs_with_our_clock(subject: Subject) -> str:
    clock = subject.clock
    try:
        first_ms = await subject.exchange.fetch_time()
    except Unsupported as error:
        raise NotApplicable(str(error)) from None
    await asyncio.sleep(0.2)
    server_ms = await subject.exchange.fetch_time()
    if server_ms <= first_ms:
        raise NotProven(f"its time stood still or went back: {first_ms}, then {server_ms}")
    off_ms = abs(clock.now_ms() - server_ms)
    allowed_ms = _CLOCK_TOLERANCE_MS * max(1.0, clock.speed)
    if off_ms > allowed_ms:
        raise NotProven(f"its time is {off_ms:.0f} ms from the clock that was measured when connecting")
    return f"{off_ms:.0f} ms from the measured clock"


async def the_market_is_listed_with_its_steps(subject: Subject) -> str:
    market = (await subject.exchange.load_markets())[subject.symbol]
    lacking = [name for name in ("price_step", "amount_step") if not getattr(market, name)]
    if lacking or not market.active:
        raise NotProven(f"{subject.symbol}: " + (f"no {', '.join(lacking)}" if lacking else "not active"))
    least = market.min_cost or market.min_amount
    return f"price step {market.price_step}, amount step {market.amount_step}, smallest order {least}"


async def the_ticker_has_a_bid_below_its_ask(subject: Subject) -> str:
    ticker = await subject.exchange.fetch_ticker(subject.symbol)
    if ticker.bid is None or ticker.ask is None:
        if ticker.last:
            return f"last {ticker.last} only"
        raise NotProven("neither bid and ask nor a last price")
    if not 0 < ticker.bid <= ticker.ask:
        raise NotProven(f"bid {ticker.bid}, ask {ticker.ask}")
    return f"bid {ticker.bid}, ask {ticker.ask}"


async def public_trades_are_told_in_order_and_fresh(subject: Subject) -> str:
    try:
        trades = await subject.exchange.fetch_trades(subject.symbol, limit=50)
    except Unsupported as error:
        raise NotApplicable(str(error)) from None
    if not trades:
        raise NotProven("no trades")
    if any(later.time_ms < earlier.time_ms for earlier, later in pairwise(trades)):
        raise NotProven("not in order of time")
    if len({trade.trade_id for trade in trades}) != len(trades):
        raise NotProven("a trade id came twice")
    age_ms = subject.clock.now_ms() - trades[-1].time_ms
    if age_ms > _FRESH_MS:
        raise NotProven(f"the newest is {age_ms / 1000:.0f} s old")
    return f"{len(trades)} trades, the newest {age_ms / 1000:.1f} s old"


async def every_timeframe_of_the_profile_is_served_on_its_grid(subject: Subject) -> str:
    names = subject.profile.bars.timeframes
    if not names:
        raise NotApplicable("the profile lists no timeframes")
    for name in names:
        frame = parse_timeframe(name)
        bars = await subject.exchange.fetch_ohlcv(subject.symbol, name, limit=3)
        if not bars:
            raise NotProven(f"{name}: no candles")
        _check_run(bars, frame, name, holes_allowed=True)
    return " ".join(names)


async def history_pages_join_without_hole_or_repetition(subject: Subject) -> str:
    frame = parse_timeframe(subject.timeframe)
    end_ms = frame.floor(subject.clock.now_ms())
    start_ms = frame.floor(end_ms - _PAGE * _PAGES * frame.approximate_ms)
    bars: list[Bar] = []
    pages = 0
    page_limit = min(_PAGE, subject.profile.history.page_size)
    source = HistorySource(subject.exchange, subject.symbol, frame, page_limit, subject.clock.now_ms)
    async for page in bars_of(download_pages(source, start_ms, end_ms), start_ms):
        bars += page
        pages += 1
    if not bars:
        raise NotProven("no history")
    _check_run(bars, frame, "pages")
    if bars[0].open_ms != start_ms:
        raise NotProven(f"begins {(bars[0].open_ms - start_ms) / 1000:.0f} s late")
    return f"{len(bars)} bars in {pages} pages"


async def closed_bars_come_by_stream_and_equal_history(subject: Subject) -> str:
    key = StreamKey(StreamKind.BARS, subject.symbol, subject.timeframe)
    if not subject.exchange.can_stream(key):
        raise NotApplicable("no candle stream; bars are polled, or built from trades")
    frame = parse_timeframe(subject.timeframe)
    closer = BarCloser(frame)
    began_ms: list[int] = []
    closed: list[Bar] = []

    def take(event: Any) -> None:
        if isinstance(event, BarUpdate):
            began_ms.append(event.bar.open_ms)
            closed.extend(bar for bar in closer.on_update(event) if isinstance(bar, Bar))

    def complete() -> list[Bar]:
        """Those that were watched from their beginning."""
        return [bar for bar in closed if bar.open_ms > began_ms[0]]

    async with streaming(subject, [key], take):
        await subject.until(
            lambda: began_ms and len(complete()) >= _LIVE_BARS, f"{_LIVE_BARS} closed bars by stream",
            (_LIVE_BARS + 2) * frame.approximate_ms,
        )  # fmt: skip
    bars = complete()[:_LIVE_BARS]
    _check_run(bars, frame, "stream")
    told = await subject.asking(
        lambda: subject.exchange.fetch_ohlcv(subject.symbol, subject.timeframe, bars[0].open_ms, _LIVE_BARS + 2),
        lambda found: {bar.open_ms for bar in bars} <= {bar.open_ms for bar in found},
        "history does not have the bars that the stream closed",
    )
    by_open = {bar.open_ms: bar for bar in told}
    for bar in bars:
        if by_open[bar.open_ms] != bar:
            raise NotProven(f"by stream {bar}, by history {by_open[bar.open_ms]}")
    return f"{len(bars)} bars, equal to history in every figure"


async def history_and_live_bars_meet_without_a_hole(subject: Subject) -> str:
    frame = parse_timeframe(subject.timeframe)
    start_ms = frame.floor(subject.clock.now_ms() - _PAGE * frame.approximate_ms)
    bars: list[Bar] = []
    holes: list[Hole] = []

    def sink(event: Any) -> None:
        if isinstance(event, BarsClosed):
            bars.extend(event.bars)
        elif isinstance(event, Hole):
            holes.append(event)

    key = StreamKey(StreamKind.BARS, subject.symbol, subject.timeframe)
    feed = BarFeed(
        subject.exchange, subject.clock, key, sink=sink, start_ms=start_ms, page_limit=subject.profile.history.page_size
    )
    supervisor = StreamSupervisor(subject.exchange, subject.clock)
    live_from_ms = frame.floor(subject.clock.now_ms())
    async with Tasks() as tasks:
        tasks.keep(feed.run, "feed")
        supervisor.add(feed.stream_key, feed)
        try:
            await subject.until(
                lambda: bars and bars[-1].open_ms > live_from_ms, "a bar that closed after the start",
                4 * frame.approximate_ms,
            )  # fmt: skip
        finally:
            await supervisor.stop()
    if holes:
        raise NotProven(f"a hole: {holes[0]}")
    if bars[0].open_ms != start_ms:
        raise NotProven(f"begins {(bars[0].open_ms - start_ms) / 1000:.0f} s late")
    _check_run(bars, frame, "seam")
    return f"{len(bars)} bars in a row, {sum(bar.open_ms >= live_from_ms for bar in bars)} of them live"


async def trades_come_by_stream(subject: Subject) -> str:
    trades = await _first_events(subject, StreamKind.TRADES, Trade, 3)
    if any(not trade.price > 0 or not trade.amount > 0 for trade in trades):
        raise NotProven(f"a trade without price or amount: {trades}")
    return f"{len(trades)} trades, the last at {trades[-1].price}"


async def tickers_come_by_stream(subject: Subject) -> str:
    ticker = (await _first_events(subject, StreamKind.TICKER, Ticker, 1))[-1]
    if ticker.bid is not None and ticker.ask is not None and not 0 < ticker.bid <= ticker.ask:
        raise NotProven(f"bid {ticker.bid}, ask {ticker.ask}")
    return f"bid {ticker.bid}, ask {ticker.ask}"


PUBLIC = (
    the_exchanges_time_is_told_and_runs_with_our_clock,
    the_market_is_listed_with_its_steps,
    the_ticker_has_a_bid_below_its_ask,
    public_trades_are_told_in_order_and_fresh,
    every_timeframe_of_the_profile_is_served_on_its_grid,
    history_pages_join_without_hole_or_repetition,
    trades_come_by_stream,
    tickers_come_by_stream,
    closed_bars_come_by_stream_and_equal_history,
    history_and_live_bars_meet_without_a_hole,
)


# ------------------------------------------------------------------ shared


def _check_run(bars: Sequence[Bar], frame: Timeframe, where: str, *, holes_allowed: bool = False) -> None:
    """On the grid, ascending, and (unless a quiet market may leave out bars) one after another. Raises NotProven."""
    for bar in bars:
        if frame.floor(bar.open_ms) != bar.open_ms:
            raise NotProven(f"{where}: a candle opens off the grid, at {bar.open_ms}")
        if not bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high:
            raise NotProven(f"{where}: open or close outside low and high: {bar}")
    for earlier, later in pairwise(bars):
        if later.open_ms <= earlier.open_ms:
            raise NotProven(f"{where}: {later.open_ms} comes after {earlier.open_ms}")
        if not holes_allowed and later.open_ms != frame.next_open(earlier.open_ms):
            raise NotProven(f"{where}: nothing between {earlier.open_ms} and {later.open_ms}")


async def _first_events(subject: Subject, kind: StreamKind, record: type, count: int) -> list[Any]:
    key = StreamKey(kind, subject.symbol)
    if not subject.exchange.can_stream(key):
        raise NotApplicable(f"no {kind.value} stream")
    events: list[Any] = []

    def take(event: Any) -> None:
        if isinstance(event, record):
            events.append(event)

    async with streaming(subject, [key], take):
        await subject.until(lambda: len(events) >= count, f"{count} of {kind.value} by stream", _FRESH_MS / 10)
    return events


@asynccontextmanager
async def streaming(subject: Subject, keys: Sequence[StreamKey], take: Any) -> AsyncIterator[None]:
    """One stream while the block runs. Raises what broke it, instead of waiting in vain."""
    opened: set[StreamKey] = set()

    def deliver(key: StreamKey, event: Any) -> None:
        if isinstance(event, StreamOpened):
            opened.add(key)
        else:
            take(event)

    async with Tasks() as tasks:
        task = tasks.start(subject.exchange.stream(keys, deliver), "stream")
        try:
            await subject.until(lambda: task.done() or opened == set(keys), "the subscription to be answered")
            if not task.done():
                yield
            if task.done():
                task.result()
        except NotProven as reason:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise NotProven(f"{reason}: the stream ended: {error}") from None
            raise

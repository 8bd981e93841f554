"""One bar feed on a fake exchange: start, live, cuts, polling, failures, the end."""

from __future__ import annotations

import asyncio
import csv
import gzip
from collections import deque
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from btccxt.bars.lake import DataVenue, Lake
from btccxt.bars.lake_pages import KeptBars
from btccxt.errors import (
    AuthenticationFailed,
    BtccxtError,
    ConfigError,
    ConnectionLost,
    ExchangeUnavailable,
    RateLimited,
    Refused,
    Unreadable,
)
from btccxt.model import Bar, BarUpdate, ConnectionState, StreamKey, StreamKind, Trade
from btccxt.resilience.backoff import Backoff
from btccxt.resilience.supervised import TaskPolicy, Tasks
from btccxt.session.bar_feed import BarFeed
from btccxt.session.events import BarsClosed, Correction, FeedState, HoleCause
from btccxt.timeframe import parse_timeframe
from tests.fakes import SYMBOL, FakeClock, FakeExchange, bar, bars
from tests.recorded import recorded_path
from tests.session.feed_bench import Heard, quiet, running, until

MINUTE = 60_000
START = 1_699_920_000_000
KEY = StreamKey(StreamKind.BARS, SYMBOL, "1m")
GRACE_MS = 2_000
CONNECTING, LIVE, DEGRADED = ConnectionState.CONNECTING, ConnectionState.LIVE, ConnectionState.DEGRADED


class Bench:
    """An exchange whose minute bars exist from ``START`` on, and a feed that began ``minutes`` later."""

    def __init__(self, minutes: float = 10.5, without: tuple[int, ...] = (), **settings: object) -> None:
        self.rows = bars("1m", START, 600, without)
        self.clock = FakeClock(START + int(minutes * MINUTE))
        self.exchange = FakeExchange(clock=self.clock, candles={(SYMBOL, "1m"): self.rows})
        self.heard = Heard()
        options = {"start_ms": START, "page_limit": 50, "grace_ms": GRACE_MS, "retry_ms": 100, **settings}
        self.feed = BarFeed(self.exchange, self.clock, KEY, sink=self.heard, **options)  # type: ignore[arg-type]

    def row(self, position: int) -> Bar:
        return next(row for row in self.rows if row.open_ms == START + position * MINUTE)

    def frame(self, row: Bar, closed: bool | None) -> None:
        self.feed.on_event(KEY, BarUpdate(SYMBOL, "1m", row, closed))

    def before(self, minutes: int) -> list[Bar]:
        return [row for row in self.rows if row.open_ms < START + minutes * MINUTE]

    def at(self, minutes: float, ms: int = 0) -> None:
        self.clock.ms = START + int(minutes * MINUTE) + ms

    async def until_bars(self, minutes: int) -> None:
        wanted = self.before(minutes)
        await until(lambda: self.heard.bars == wanted, f"bars of {minutes} minutes, got {len(self.heard.bars)}")


# ---------------------------------------------------------------- start


async def test_history_comes_first_then_the_stream_without_a_seam() -> None:
    bench = Bench()
    async with running(bench.feed):
        bench.feed.on_up(KEY)
        await bench.until_bars(10)
        await until(lambda: bench.heard.states == [CONNECTING, LIVE])
        bench.frame(replace(bench.row(10), volume=0.1), False)
        bench.at(11, 50)
        bench.frame(bench.row(10), True)
        assert bench.heard.bars == bench.before(11)
        assert isinstance(bench.heard.events[-1], BarsClosed)


async def test_live_bars_that_arrive_during_the_backfill_follow_it() -> None:
    bench = Bench(minutes=200.5)
    gate = asyncio.Event()
    bench.exchange.delay = lambda: 0.0
    original = bench.exchange._answer

    async def gated(*arguments: object) -> None:
        await gate.wait()
        await original(*arguments)  # type: ignore[arg-type]

    bench.exchange._answer = gated  # type: ignore[method-assign]
    async with running(bench.feed):
        bench.feed.on_up(KEY)
        await quiet()
        bench.at(201, 10)
        bench.frame(bench.row(200), True)
        assert bench.heard.bars == []
        gate.set()
        await bench.until_bars(201)
    assert LIVE not in bench.heard.states[:1]


async def test_without_a_start_the_first_bar_is_the_one_that_is_forming() -> None:
    bench = Bench(minutes=10.5, start_ms=None)
    async with running(bench.feed):
        bench.feed.on_up(KEY)
        await quiet()
        assert bench.heard.bars == []
        bench.at(11)
        bench.frame(bench.row(10), True)
        assert bench.heard.bars == [bench.row(10)]


async def test_a_restart_continues_after_the_last_bar_without_repeating_it() -> None:
    bench = Bench(start_ms=None, last_open_ms=START + 6 * MINUTE)
    async with running(bench.feed):
        await until(lambda: len(bench.heard.bars) == 3)
        await quiet()
        assert bench.heard.bars == bench.rows[7:10]


@pytest.mark.parametrize("key", [StreamKey(StreamKind.TRADES, SYMBOL), StreamKey(StreamKind.BARS, SYMBOL)])
def test_a_key_that_is_not_one_of_bars_is_refused(key: StreamKey) -> None:
    with pytest.raises(ConfigError, match="needs a bars key"):
        BarFeed(FakeExchange(), FakeClock(), key, sink=print)


# ---------------------------------------------------------------- cuts and repair


async def test_bars_missed_in_a_cut_come_in_order_once_and_coming_back_is_announced() -> None:
    bench = Bench()
    async with running(bench.feed):
        bench.feed.on_up(KEY)
        await bench.until_bars(10)
        await until(lambda: bench.heard.state is LIVE)
        bench.feed.on_down(KEY, "socket closed")
        assert bench.heard.state is DEGRADED
        bench.at(15.2)
        bench.feed.on_up(KEY)
        bench.at(16, 20)
        bench.frame(bench.row(15), True)
        await bench.until_bars(16)
        await until(lambda: bench.heard.states == [CONNECTING, LIVE, DEGRADED, CONNECTING, LIVE])
        bench.at(17, 20)
        bench.frame(bench.row(16), True)
        assert bench.heard.bars == bench.before(17)


async def test_a_closed_frame_that_was_lost_is_asked_for_after_its_grace() -> None:
    bench = Bench()
    async with running(bench.feed):
        bench.feed.on_up(KEY)
        await bench.until_bars(10)
        bench.at(11, GRACE_MS - 1)
        await quiet()
        assert bench.heard.bars == bench.before(10)
        bench.at(11, GRACE_MS)
        await bench.until_bars(11)


async def test_a_live_bar_beyond_a_gap_has_the_gap_asked_for_at_once() -> None:
    bench = Bench()
    async with running(bench.feed):
        bench.feed.on_up(KEY)
        await bench.until_bars(10)
        bench.clock.sleep_s = 3_600.0  # nobody looks at the clock any more
        await quiet()
        bench.at(12, 10)
        bench.frame(bench.row(11), True)  # the one before was lost
        await bench.until_bars(12)


async def test_while_something_is_missing_the_state_says_so_and_why() -> None:
    bench = Bench()
    async with running(bench.feed):
        bench.feed.on_up(KEY)
        await until(lambda: bench.heard.state is LIVE)
        bench.exchange.failures = deque([ConnectionLost("reset by peer")])
        bench.at(11, GRACE_MS)
        await until(lambda: bench.heard.states == [CONNECTING, LIVE, CONNECTING, LIVE])
    reasons = [event.reason for event in bench.heard.events if isinstance(event, FeedState)]
    assert "reset by peer" in reasons[-2]


async def test_a_forming_bar_from_before_a_cut_is_never_taken_for_a_closed_one() -> None:
    bench = Bench()
    async with running(bench.feed):
        bench.feed.on_up(KEY)
        await bench.until_bars(10)
        bench.frame(replace(bench.row(10), volume=0.01), None)
        bench.feed.on_down(KEY, "cut")
        bench.at(11, 500)
        bench.feed.on_up(KEY)
        bench.frame(replace(bench.row(11), volume=0.01), None)
        await quiet()
        bench.at(11, GRACE_MS)
        await bench.until_bars(11)
    assert not any(isinstance(event, Correction) for event in bench.heard.events)


async def test_without_closed_flags_the_next_bars_first_frame_releases_a_bar_at_once() -> None:
    bench = Bench()
    async with running(bench.feed):
        bench.feed.on_up(KEY)
        await bench.until_bars(10)
        bench.frame(bench.row(10), None)
        bench.at(11, 10)
        bench.frame(replace(bench.row(11), volume=0.01), None)
        assert bench.heard.bars == bench.before(11)


async def test_a_halt_of_the_exchange_is_one_hole_reported_when_trading_resumes() -> None:
    bench = Bench(minutes=10.7, without=tuple(range(10, 40)))
    async with running(bench.feed):
        bench.feed.on_up(KEY)
        await bench.until_bars(10)
        for minute in range(11, 40, 5):
            bench.at(minute, 30_000)
            await quiet(10)
        assert bench.heard.holes == []
        bench.at(41, 10)
        bench.frame(bench.row(40), True)
        bench.at(41, GRACE_MS + 10)
        await bench.until_bars(41)
    (hole,) = bench.heard.holes
    assert (hole.from_ms, hole.to_ms, hole.cause) == (START + 10 * MINUTE, START + 40 * MINUTE, HoleCause.EXCHANGE)


async def test_a_released_bar_that_the_exchange_changes_is_reported() -> None:
    bench = Bench()
    async with running(bench.feed):
        bench.feed.on_down(KEY, "no stream")
        await bench.until_bars(10)
        released = bench.row(9)
        changed = replace(released, volume=99.0)
        bench.rows[bench.rows.index(released)] = changed
        bench.at(11, GRACE_MS)
        await until(lambda: Correction(released, changed) in bench.heard.events)


# ---------------------------------------------------------------- REST serves


async def test_without_a_stream_every_bar_comes_by_rest_just_after_its_close() -> None:
    bench = Bench()
    async with running(bench.feed):
        bench.feed.on_down(KEY, "this exchange has no candle stream")
        await bench.until_bars(10)
        for minute in range(11, 16):
            bench.at(minute, GRACE_MS - 1)
            asked = len(bench.exchange.calls)
            await quiet(10)
            assert len(bench.exchange.calls) == asked  # nobody asks before the bar can be there
            bench.at(minute, GRACE_MS)
            await bench.until_bars(minute)
        assert bench.heard.state is DEGRADED
        bench.feed.on_up(KEY)
        await until(lambda: bench.heard.state is LIVE)


async def test_rest_that_lags_delays_a_bar_and_costs_none() -> None:
    bench = Bench()
    async with running(bench.feed):
        bench.feed.on_down(KEY, "no stream")
        await bench.until_bars(10)
        bench.exchange.lag_ms = 20_000
        for ms in range(0, 40_000, 500):
            bench.at(11, ms)
            await quiet(3)
        await bench.until_bars(11)
    assert bench.heard.holes == []


@pytest.mark.parametrize(
    "error",
    [ConnectionLost("reset"), RateLimited("slow down", retry_after_s=0.01), ExchangeUnavailable("maintenance")],
    ids=lambda error: type(error).__name__,
)
async def test_a_read_that_fails_is_repeated_and_costs_no_bar(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("btccxt.session.bar_feed._FIRST_RETRY_S", 0.001)
    bench = Bench(minutes=120.5)
    bench.exchange.failures = deque([None, error, None, error, error])
    async with running(bench.feed):
        bench.feed.on_up(KEY)
        await bench.until_bars(120)
        await until(lambda: bench.heard.state is LIVE)


async def test_what_repeating_cannot_help_is_raised() -> None:
    bench = Bench(start_ms=START)
    bench.exchange.failures = deque([AuthenticationFailed("wrong key")])
    with pytest.raises(AuthenticationFailed, match="wrong key"):
        await bench.feed.run()


async def test_a_feed_with_an_end_ends_there() -> None:
    bench = Bench(minutes=60, end_ms=START + 42 * MINUTE)
    async with running(bench.feed) as task:
        await until(task.done)
    assert bench.heard.bars == bench.before(42)


async def test_a_feed_whose_end_lies_ahead_goes_live_and_ends_with_its_last_bar() -> None:
    bench = Bench(end_ms=START + 12 * MINUTE)
    async with running(bench.feed) as task:
        bench.feed.on_up(KEY)
        await bench.until_bars(10)
        for minute in (11, 12):
            bench.at(minute)
            bench.frame(bench.row(minute - 1), True)
        await until(task.done)
    assert bench.heard.bars == bench.before(12)


async def test_cancelling_in_the_middle_of_a_download_leaves_nothing_running() -> None:
    bench = Bench(minutes=500)
    bench.exchange.delay = lambda: 0.01
    async with running(bench.feed):
        await until(lambda: len(bench.exchange.calls) > 3)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_every_read_goes_through_the_policy_it_was_given() -> None:
    calls = 0

    async def counted(make):  # type: ignore[no-untyped-def]
        nonlocal calls
        calls += 1
        return await make()

    bench = Bench(minutes=120, call=counted)
    async with running(bench.feed):
        await bench.until_bars(119)
    assert calls == len(bench.exchange.calls) > 0


async def test_bars_on_disk_are_not_asked_for_again(tmp_path: Path) -> None:
    first = Bench(minutes=120.5, kept=KeptBars(Lake(tmp_path).bars(DataVenue("fake"), SYMBOL, "1m")))
    async with running(first.feed):
        await first.until_bars(120)
    second = Bench(minutes=120.5, kept=KeptBars(Lake(tmp_path).bars(DataVenue("fake"), SYMBOL, "1m")))
    async with running(second.feed):
        await second.until_bars(120)
    assert len(second.exchange.calls) == 1  # the bar that was too young to be kept
    assert len(first.exchange.calls) >= 3


# ---------------------------------------------------------------- bars from trades


def trades_of(row: Bar, number: int) -> list[Trade]:
    """Four trades that make exactly this bar."""
    prices = (row.open, row.high, row.low, row.close)
    return [
        Trade(str(4 * number + part), row.open_ms + 1_000 + part * 10_000, price, row.volume / 4, None, SYMBOL)
        for part, price in enumerate(prices)
    ]


async def test_bars_built_from_trades_equal_the_exchanges_candles_and_join_them() -> None:
    bench = Bench(bars="trades")
    key = bench.feed.stream_key
    assert key == StreamKey(StreamKind.TRADES, SYMBOL)
    async with running(bench.feed):
        bench.feed.on_up(key)
        await bench.until_bars(10)
        for trade in trades_of(bench.row(10), 10)[2:]:  # the first half was before the stream
            bench.feed.on_event(key, trade)
        bench.at(11, GRACE_MS)
        await bench.until_bars(11)  # from REST, whole
        for position in (11, 12, 13):
            for trade in trades_of(bench.row(position), position):
                bench.at(0, trade.time_ms - START)
                bench.feed.on_event(key, trade)
        await bench.until_bars(13)
    assert not any(isinstance(event, Correction) for event in bench.heard.events)


async def test_a_bar_built_of_trades_is_whole_though_our_clock_is_behind_when_the_stream_opens() -> None:
    bench = Bench(bars="trades", minutes=10.999)  # the exchange has begun minute 11 already, and traded
    bench.clock.uncertainty_ms = 150.0
    async with running(bench.feed):
        bench.feed.on_up(KEY)
        await bench.until_bars(10)
        for trade in trades_of(bench.row(11), 11)[1:]:  # the first was before the stream
            bench.feed.on_event(KEY, trade)
        bench.at(12, 50)
        bench.feed.on_event(KEY, trades_of(bench.row(12), 12)[0])
        bench.at(12, GRACE_MS)
        await bench.until_bars(12)


async def test_a_clock_that_may_be_ahead_makes_no_finished_bar_of_an_unfinished_one() -> None:
    """The exchange's clock stands 20 s before the close, ours 31 s after it; the newest row counts after 30 s."""
    bench = Bench(minutes=11, sends_empty_bars=True)
    bench.clock.uncertainty_ms = 51_000.0
    unfinished = replace(bench.row(10), volume=0.1)
    bench.rows[10:] = [unfinished]
    bench.at(11, 31_000)
    async with running(bench.feed):
        bench.feed.on_down(KEY, "cut")
        await bench.until_bars(10)
        await quiet()
        assert unfinished not in bench.heard.bars


async def test_a_timeframe_without_candles_is_built_from_trades_past_and_live() -> None:
    rows = bars("5s", START, 200)
    tape = [trade for position, row in enumerate(rows) for trade in squeezed(trades_of(row, position), row)]
    clock = FakeClock(START + 300_000)
    exchange = FakeExchange(clock=clock, trades={SYMBOL: tape}, page_cap=50)
    heard = Heard()
    key = StreamKey(StreamKind.BARS, SYMBOL, "5s")
    feed = BarFeed(
        exchange, clock, key, sink=heard, start_ms=START + 100_000, page_limit=50, grace_ms=500,
        bars="trades", history="trades", release_by_clock=True, sends_empty_bars=False,
    )  # fmt: skip
    async with running(feed):
        feed.on_up(feed.stream_key)
        await until(lambda: len(heard.bars) >= 39)
        for trade in tape:
            if trade.time_ms > clock.ms and trade.time_ms < START + 330_000:
                clock.ms = trade.time_ms
                feed.on_event(feed.stream_key, trade)
                await asyncio.sleep(0)
        clock.ms = START + 331_000
        await until(lambda: len(heard.bars) >= 46)
    assert heard.bars == rows[20:66]


async def test_a_bar_built_of_its_last_trades_is_released_by_the_clock_though_no_trade_follows() -> None:
    bench = Bench(bars="trades", release_by_clock=True, sends_empty_bars=False)
    key = bench.feed.stream_key
    async with running(bench.feed):
        bench.feed.on_up(key)
        await bench.until_bars(10)
        bench.at(11, 100)
        await bench.until_bars(10)
        await quiet()  # the feed sleeps: silence is normal here
        for trade in trades_of(bench.row(11), 11):
            bench.at(0, trade.time_ms - START)
            bench.feed.on_event(key, trade)
        await quiet()
        bench.at(12, GRACE_MS)
        await bench.until_bars(12)


def squeezed(trades: list[Trade], row: Bar) -> list[Trade]:
    return [replace(trade, time_ms=row.open_ms + 1 + part) for part, trade in enumerate(trades)]


async def test_the_clock_may_release_bars_where_that_was_asked_for() -> None:
    bench = Bench(release_by_clock=True)
    async with running(bench.feed):
        bench.feed.on_up(KEY)
        await bench.until_bars(10)
        bench.frame(bench.row(10), None)
        asked = len(bench.exchange.calls)
        bench.at(11, GRACE_MS)
        await bench.until_bars(11)
        assert len(bench.exchange.calls) == asked


async def test_an_exchange_without_empty_bars_is_not_asked_about_silence() -> None:
    bench = Bench(sends_empty_bars=False, without=tuple(range(12, 30)))
    async with running(bench.feed):
        bench.feed.on_up(KEY)
        await bench.until_bars(10)
        bench.at(11, GRACE_MS)
        await bench.until_bars(11)
        bench.at(11, 30_000)
        bench.frame(bench.row(11), None)
        bench.at(12, 40_000)
        await bench.until_bars(12)  # a frame said that it exists, and no newer one comes
        await until(lambda: bench.heard.state is LIVE)
        asked = len(bench.exchange.calls)
        bench.at(29)
        await quiet()
        assert len(bench.exchange.calls) == asked
        bench.at(30, 20_000)
        bench.frame(bench.row(30), None)
        bench.at(31, 100)
        bench.frame(bench.row(31), None)
        bench.at(31, GRACE_MS)
        await bench.until_bars(31)
    (hole,) = bench.heard.holes
    assert (hole.from_ms, hole.to_ms, hole.cause) == (START + 12 * MINUTE, START + 30 * MINUTE, HoleCause.NO_TRADES)


async def test_in_a_quiet_market_bars_come_at_once_while_the_feed_stays_live_and_few_questions_are_asked() -> None:
    quiet_minutes = tuple(minute for minute in range(12, 60) if minute % 7)
    bench = Bench(sends_empty_bars=False, without=quiet_minutes)
    async with running(bench.feed):
        bench.feed.on_up(KEY)
        await bench.until_bars(10)
        for minute in (10, 11):
            bench.at(minute, 30_000)
            bench.frame(bench.row(minute), None)
        bench.at(12, GRACE_MS)  # REST's newest row is what the stream said last: nobody waits for another
        await bench.until_bars(12)
        await until(lambda: bench.heard.state is LIVE)
        asked = len(bench.exchange.calls)
        for minute in range(14, 60, 7):
            for second in range(-300, 0):
                bench.at(minute, second * 1000)
                bench.feed._wake.set()
                await asyncio.sleep(0)
            bench.exchange.lag_ms = 40_000  # REST knows nothing of this minute yet
            bench.at(minute, 30_000)
            bench.frame(bench.row(minute), None)
            await quiet(5)
            bench.exchange.lag_ms = 0
            bench.at(minute + 1, GRACE_MS)
            await bench.until_bars(minute + 1)
    assert bench.heard.states == [CONNECTING, LIVE]
    assert {hole.cause for hole in bench.heard.holes} == {HoleCause.NO_TRADES}
    assert len(bench.exchange.calls) - asked <= 4 * 7


async def test_an_exchange_without_empty_bars_is_asked_about_every_bar_while_the_stream_is_down() -> None:
    bench = Bench(sends_empty_bars=False)
    async with running(bench.feed):
        bench.feed.on_up(KEY)
        await bench.until_bars(10)
        bench.feed.on_down(KEY, "cut")
        for minute in (11, 12, 13):
            bench.at(minute, GRACE_MS)
            await bench.until_bars(minute)


# ---------------------------------------------------------------- everything at once


@pytest.mark.parametrize("flagged", [True, False], ids=["closed flag", "no flag"])
@pytest.mark.parametrize("seed", range(5))
async def test_through_cuts_lag_and_failures_exactly_the_exchanges_bars_come_out(
    seed: int, flagged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("btccxt.session.bar_feed._FIRST_RETRY_S", 0.001)
    random = Random(seed)
    absent = tuple(random.sample(range(5, 110), 30))
    bench = Bench(minutes=10.5, without=absent)
    connected = False
    parsed = parse_timeframe("1m")
    async with running(bench.feed):
        while bench.clock.ms < START + 100 * MINUTE:
            before = bench.clock.ms
            bench.clock.advance(random.choice([100, 1_000, 7_000, 20_000]))
            event = random.random()
            if event < 0.06:
                connected = False
                bench.feed.on_down(KEY, "cut")
            elif event < 0.16:
                connected = True
                bench.feed.on_up(KEY)
            elif event < 0.20:
                bench.exchange.lag_ms = random.choice([0, 0, 3_000, 10_000])
            elif event < 0.24:
                bench.exchange.failures.extend([ConnectionLost("chaos")] * random.randint(1, 3))
            if connected:
                for row in bench.rows:
                    for offset, share in ((20_000, 0.3), (59_900, 1.0)):
                        if before < row.open_ms + offset <= bench.clock.ms:
                            bench.frame(replace(row, volume=row.volume * share), False if flagged else None)
                    if flagged and before < parsed.next_open(row.open_ms) + 50 <= bench.clock.ms:
                        bench.frame(row, True)
            await quiet(random.choice([0, 1, 2]))
        bench.exchange.failures.clear()
        bench.exchange.lag_ms = 0
        bench.feed.on_up(KEY)
        wanted = bench.before(100)
        for _ in range(120):  # the exchange trades on; what was pending is asked for
            bench.clock.advance(1_000)
            await quiet(2)
            if len(bench.heard.bars) >= len(wanted):
                break
    assert bench.heard.bars[: len(wanted)] == wanted
    assert bench.heard.bars == bench.rows[: len(bench.heard.bars)]
    reported = {open_ms for hole in bench.heard.holes for open_ms in range(hole.from_ms, hole.to_ms, MINUTE)}
    last = bench.heard.bars[-1].open_ms
    assert reported == set(range(START, last, MINUTE)) - {row.open_ms for row in bench.heard.bars}
    assert sum((hole.to_ms - hole.from_ms) // MINUTE for hole in bench.heard.holes) == len(reported)


@pytest.mark.recorded
async def test_the_recorded_halt_of_binance_comes_out_bar_for_bar_with_its_one_hole() -> None:
    path = recorded_path("ohlcv/binance_ETH-USDT_1m_2023-03-16_2023-05-01_outage.csv.gz")
    with gzip.open(path, "rt") as file:
        lines = csv.reader(file)
        next(lines)
        rows = [Bar(int(line[0]), *map(float, line[1:])) for line in lines]
    halt, resumed = 1_679_661_600_000, 1_679_666_400_000  # 12:40 and 14:00
    candles = [row for row in rows if halt - 600 * MINUTE <= row.open_ms]
    rows = [row for row in candles if row.open_ms < resumed + 300 * MINUTE]
    clock = FakeClock(resumed + 300 * MINUTE + 10_000)
    exchange = FakeExchange(clock=clock, candles={(SYMBOL, "1m"): candles}, page_cap=50)
    heard = Heard()
    feed = BarFeed(exchange, clock, KEY, sink=heard, start_ms=rows[0].open_ms, page_limit=50)
    async with running(feed):
        await until(lambda: len(heard.bars) == len(rows))
    assert heard.bars == rows
    assert [(hole.from_ms, hole.to_ms) for hole in heard.holes] == [(halt, resumed)]


def test_bars_that_a_test_compares_tell_their_open() -> None:
    assert bar(0) != bar(MINUTE)


# ---------------------------------------------------------------- streams that serve and say nothing


@pytest.mark.parametrize("speaks", [False, True])
@pytest.mark.parametrize("volume", [1.0, 0.0])
async def test_a_stream_that_says_nothing_of_bars_with_trades_is_doubted(speaks: bool, volume: float) -> None:
    doubted: list[str] = []
    bench = Bench(on_deaf=doubted.append)
    bench.rows[:] = [replace(row, volume=volume) for row in bench.rows]
    async with running(bench.feed):
        bench.feed.on_up(KEY)
        await bench.until_bars(10)
        await until(lambda: bench.heard.state is LIVE)
        for minute in range(11, 20):
            if speaks:
                bench.frame(bench.row(minute - 1), False)
            bench.at(minute, GRACE_MS)
            bench.feed._wake.set()
            await bench.until_bars(minute - 1)
            bench.at(minute, 45_000)
            bench.feed._wake.set()
            await bench.until_bars(minute)
    assert bool(doubted) == (volume > 0 and not speaks)


@pytest.mark.parametrize("traded", [False, True])
async def test_silence_of_a_quiet_market_is_checked_with_few_questions(traded: bool) -> None:
    doubted: list[str] = []
    bench = Bench(sends_empty_bars=False, without=tuple(range(12, 15 if traded else 60)), on_deaf=doubted.append)
    async with running(bench.feed):
        assert not bench.feed.look_at_silence(KEY), "not before it is live"
        bench.feed.on_up(KEY)
        await bench.until_bars(10)
        for minute in (10, 11):
            bench.at(minute, 30_000)
            bench.frame(bench.row(minute), None)
        bench.at(12, GRACE_MS)
        await bench.until_bars(12)
        await until(lambda: bench.heard.state is LIVE)
        bench.at(20, 40_000)
        asked = len(bench.exchange.calls)
        assert bench.feed.look_at_silence(KEY)
        await until(lambda: len(bench.exchange.calls) > asked)
        await quiet()
        assert bool(doubted) == traded
        assert len(bench.exchange.calls) - asked <= (4 if traded else 2)
        assert bench.heard.states == [CONNECTING, LIVE]


# ---------------------------------------------------------------- frames and markets that are odd


@pytest.mark.parametrize("closed", [None, True])
async def test_a_frame_of_the_future_closes_nothing_and_is_not_delivered(closed: bool | None) -> None:
    bench = Bench(minutes=10.5)
    bench.clock.uncertainty_ms = 100.0
    async with running(bench.feed):
        bench.feed.on_up(KEY)
        await bench.until_bars(10)
        bench.frame(replace(bench.row(10), volume=0.1), None)
        bench.frame(bench.row(11), closed)
        bench.frame(bench.row(500), closed)
        await quiet()
        assert bench.heard.bars == bench.before(10)
        bench.at(11, 50)
        bench.frame(bench.row(10), True)
        assert bench.heard.bars == bench.before(11)


async def test_a_trade_of_the_future_closes_no_bar_and_makes_those_of_now_not_late() -> None:
    bench = Bench(bars="trades", release_by_clock=True, sends_empty_bars=False)
    bench.clock.uncertainty_ms = 100.0
    key = bench.feed.stream_key
    async with running(bench.feed):
        bench.feed.on_up(key)
        await bench.until_bars(10)
        bench.at(11, 100)
        await bench.until_bars(10)
        await quiet()
        trades = trades_of(bench.row(11), 11)
        bench.feed.on_event(key, replace(trades[0], trade_id="ahead", time_ms=START + 90 * 60_000))
        for trade in trades:
            bench.at(0, trade.time_ms - START)
            bench.feed.on_event(key, trade)
        await quiet()
        asked = len(bench.exchange.calls)
        bench.at(12, GRACE_MS)
        await bench.until_bars(12)
        assert len(bench.exchange.calls) == asked  # it is built of its trades


async def test_a_market_that_is_delisted_while_running_ends_its_feed_with_the_reason() -> None:
    bench = Bench()
    with pytest.raises(ConfigError, match="no market"):
        async with running(bench.feed) as task:
            bench.feed.on_up(KEY)
            await until(lambda: bench.heard.state is LIVE)
            bench.exchange.failures.append(ConfigError("fakex has no market BTC/USDT"))
            bench.feed.on_down(KEY, "fakex has no market BTC/USDT")
            bench.at(12, GRACE_MS)
            await until(task.done)
    assert bench.heard.bars == bench.before(10)


async def test_a_feed_that_is_closed_right_after_a_bar_woke_it_ends() -> None:
    """``asyncio.wait_for`` swallows a cancellation that comes with the wake, until Python 3.12."""
    it = Bench()
    task = asyncio.create_task(it.feed.run())
    it.feed.on_up(KEY)
    await it.until_bars(10)
    await quiet()
    it.feed._wake.set()
    await asyncio.sleep(0)
    task.cancel()
    await until(task.done)
    assert task.cancelled()


@pytest.mark.parametrize(
    "error", [Unreadable("a page"), Refused("EGeneral:Internal error"), BtccxtError("KeyError"), KeyError("symbol")]
)
async def test_no_answer_to_a_repair_ends_a_feed(error: Exception) -> None:
    it = Bench()
    async with Tasks() as tasks:
        task = tasks.keep(it.feed.run, "feed", TaskPolicy(Backoff(0.0, 0.001, 1.0, 0.001)))
        it.feed.on_up(KEY)
        await it.until_bars(10)
        it.exchange.failures.append(error)
        it.at(11, GRACE_MS)
        await it.until_bars(11)
        assert not task.done()
        assert not it.exchange.failures


@pytest.mark.parametrize("backfill", [True, False])
async def test_what_a_cut_hid_from_stream_and_polling_is_asked_for_unless_it_is_not_wanted(backfill: bool) -> None:
    it = Bench(backfill=backfill)
    async with running(it.feed):
        it.feed.on_up(KEY)
        await until(lambda: it.heard.state is LIVE)
        it.exchange.failures.extend([ConnectionLost("down")] * 50)
        it.feed.on_down(KEY, "cut")
        it.at(20, 30_000)
        await quiet()
        it.exchange.failures.clear()
        it.feed.on_up(KEY)
        it.frame(it.row(20), None)
        it.at(21, GRACE_MS)
        await until(lambda: it.heard.bars[-1:] == [it.row(20)])
        it.at(22, GRACE_MS)
        await until(lambda: it.heard.bars[-1:] == [it.row(21)])
    if backfill:
        assert it.heard.bars == it.before(22)
        assert it.heard.holes == []
    else:
        (hole,) = it.heard.holes
        assert hole.cause is HoleCause.NOT_ASKED
        assert it.heard.bars == [row for row in it.before(22) if not hole.from_ms <= row.open_ms < hole.to_ms]
        assert hole.to_ms - hole.from_ms >= 8 * MINUTE

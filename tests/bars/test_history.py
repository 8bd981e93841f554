"""Paged downloads against the ways in which exchanges cut their pages."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from btccxt.bars.history import (
    REST_LAG_MS,
    HistoryBeginsLater,
    HistorySource,
    bars_of,
    download_pages,
    download_trades,
    trade_bar_pages,
)
from btccxt.bars.lake import DataVenue, Lake
from btccxt.bars.lake_pages import KeptBars, lake_pages
from btccxt.bars.seam import Hole, Page, Seam
from btccxt.bars.segments import Range
from btccxt.errors import ConnectionLost
from btccxt.model import Bar, Trade
from btccxt.timeframe import parse_timeframe
from tests.fakes import SYMBOL, FakeClock, FakeExchange, Paging, bars

MINUTE = 60_000
DAY = 86_400_000
START = 1_699_920_000_000  # 2023-11-14 00:00 UTC
PAGINGS: list[Paging] = ["next", "window"]


def exchange(rows: list[Bar], now_ms: int, **settings: object) -> FakeExchange:
    days = [
        bar for bar in bars("1d", START - 400 * DAY, 800) if any(0 <= row.open_ms - bar.open_ms < DAY for row in rows)
    ]
    candles = {(SYMBOL, "1m"): rows, (SYMBOL, "1d"): days}
    return FakeExchange(clock=FakeClock(now_ms), candles=candles, **settings)  # type: ignore[arg-type]


def kept_in(folder: Path) -> KeptBars:
    return KeptBars(Lake(folder).bars(DataVenue("fake"), SYMBOL, "1m"))


def history_of(source: FakeExchange, page_limit: int = 10, timeframe: str = "1m", parallel: int = 4) -> HistorySource:
    return HistorySource(source, SYMBOL, parse_timeframe(timeframe), page_limit, source.clock.now_ms, parallel=parallel)


async def downloaded(source: FakeExchange, start_ms: int, end_ms: int, **settings: int) -> list[Bar]:
    pages = download_pages(history_of(source, **settings), start_ms, end_ms)
    return [row async for page in bars_of(pages, start_ms) for row in page]


@pytest.mark.parametrize("paging", PAGINGS)
@pytest.mark.parametrize("cap", [3, 10, 1000], ids=["pages cut short", "pages as asked", "no cap"])
async def test_a_download_gives_every_closed_bar_in_order_and_not_the_forming_one(paging: Paging, cap: int) -> None:
    rows = bars("1m", START, 107)
    source = exchange(rows, START + 105 * MINUTE + 30_000, paging=paging, page_cap=cap)
    assert await downloaded(source, START, START + 200 * MINUTE) == rows[:105]


@pytest.mark.parametrize("paging", PAGINGS)
async def test_a_download_gives_exactly_the_range_that_was_asked_for(paging: Paging) -> None:
    rows = bars("1m", START, 100)
    source = exchange(rows, START + 200 * MINUTE, paging=paging)
    assert await downloaded(source, START + 13 * MINUTE + 1, START + 47 * MINUTE) == rows[14:47]


@pytest.mark.parametrize("paging", PAGINGS)
async def test_holes_longer_than_a_page_neither_end_a_download_nor_stop_it(paging: Paging) -> None:
    rows = bars("1m", START, 200, without=[*range(25, 88), *range(120, 125)])
    source = exchange(rows, START + 300 * MINUTE, paging=paging)
    assert await downloaded(source, START, START + 200 * MINUTE) == rows
    assert len(source.calls) < 60


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("paging", PAGINGS)
async def test_pages_asked_in_parallel_come_in_order_and_join_to_the_whole_range(paging: Paging, seed: int) -> None:
    random = Random(seed)
    absent = random.sample(range(300), 60) + list(range(100, 100 + random.randint(0, 40)))
    rows = bars("1m", START, 300, without=absent)
    cap = random.choice([4, 9, 50]) if paging == "next" else 12  # a window cut short looks like a hole
    source = exchange(rows, START + 301 * MINUTE, paging=paging, page_cap=cap)
    source.delay = lambda: random.random() / 1000
    answers = download_pages(history_of(source, 12, parallel=5), START, START + 300 * MINUTE)
    pages = [page async for page in answers]
    assert [row for page in pages for row in page.bars] == rows
    assert pages[0].from_ms == START
    assert pages[-1].to_ms == START + 300 * MINUTE
    assert all(earlier.to_ms == later.from_ms for earlier, later in pairwise(pages))

    seam = Seam(parse_timeframe("1m"), start_ms=START, end_ms=START + 300 * MINUTE, confirmations=1)
    events = [event for page in pages for event in seam.on_page(page, source.clock.now_ms())]
    assert [event for event in events if isinstance(event, Bar)] == rows
    holes = [event for event in events if isinstance(event, Hole)]
    reported = {open_ms for hole in holes for open_ms in range(hole.from_ms, hole.to_ms, MINUTE)}
    assert reported == set(range(START, rows[-1].open_ms, MINUTE)) - {row.open_ms for row in rows}


async def test_a_page_cut_to_its_newest_rows_is_asked_for_again() -> None:
    """Some exchanges answer a window with its *last* rows where it holds more than they give at once."""

    class LastRows(FakeExchange):
        async def fetch_ohlcv(
            self, symbol: str, timeframe: str, since_ms: int | None = None, limit: int | None = None
        ) -> list[Bar]:
            assert since_ms is not None and limit is not None
            rows = [
                row for row in self.candles[symbol, timeframe] if since_ms <= row.open_ms < since_ms + limit * MINUTE
            ]
            return rows[-4:]

    rows = bars("1m", START, 60)
    source = LastRows(clock=FakeClock(START + DAY), candles={(SYMBOL, "1m"): rows})
    assert await downloaded(source, START, START + 60 * MINUTE) == rows


@pytest.mark.parametrize("cached", [False, True], ids=["", "with a cache"])
@pytest.mark.parametrize("paging", ["next", "window", "newest"])
async def test_a_history_that_begins_later_than_asked_is_found_quickly_and_reported(
    paging: Paging, cached: bool, tmp_path: Path
) -> None:
    listed = START + 500 * MINUTE
    rows = bars("1m", listed, 30)
    source = exchange(rows, listed + 31 * MINUTE, paging=paging, page_cap=30)
    notes: list[HistoryBeginsLater] = []
    asked = START - 300 * DAY
    history, end_ms = history_of(source, 30), listed + 30 * MINUTE
    cache = kept_in(tmp_path)
    pages = lake_pages(cache, history, asked, end_ms) if cached else download_pages(history, asked, end_ms)
    assert [row async for page in bars_of(pages, asked, notes.append) for row in page] == rows
    assert notes == [HistoryBeginsLater(asked, listed)]
    assert len(source.calls) < 60


async def test_an_exchange_that_keeps_few_candles_gives_those() -> None:
    """Kraken: 720 rows, whatever ``since`` says."""
    rows = bars("1m", START, 5_000)
    source = exchange(rows, START + 5_001 * MINUTE, paging="newest", page_cap=720)
    assert await downloaded(source, START, START + 5_000 * MINUTE, page_limit=720) == rows[-720:]


async def test_an_empty_answer_is_not_believed_the_first_time() -> None:
    rows = bars("1m", START, 40)

    class Moody(FakeExchange):
        async def fetch_ohlcv(
            self, symbol: str, timeframe: str, since_ms: int | None = None, limit: int | None = None
        ) -> list[Bar]:
            answer = await super().fetch_ohlcv(symbol, timeframe, since_ms, limit)
            return [] if len(self.calls) == 3 else answer

    source = Moody(clock=FakeClock(START + DAY), candles={(SYMBOL, "1m"): rows})
    assert await downloaded(source, START, START + 40 * MINUTE, parallel=1) == rows


async def test_a_bar_that_closes_while_the_question_is_on_its_way_is_not_taken_for_closed() -> None:
    rows = bars("1m", START, 5)
    source = exchange(rows, START + 2 * MINUTE - 100)
    source.delay = lambda: source.clock.advance(200) or 0.0
    assert await downloaded(source, START, START + 3 * MINUTE) == rows[:1]


async def test_a_bar_that_a_lagging_answer_showed_unfinished_is_not_taken_for_a_hole_by_a_later_answer() -> None:
    rows = bars("1s", START, 30)
    source = FakeExchange(clock=FakeClock(START + 10_000), candles={(SYMBOL, "1s"): rows}, lag_ms=2_500)

    def time_passes_after_the_answer_that_ends_with_an_unfinished_bar() -> float:
        if source.calls[-1][2] == START + 7_000:
            source.clock.advance(3_000)
        return 0.0

    source.delay = time_passes_after_the_answer_that_ends_with_an_unfinished_bar
    answers = download_pages(history_of(source, 2, "1s", parallel=1), START + 1_000, START + 10_000)
    pages = [page async for page in answers]
    seam = Seam(parse_timeframe("1s"), start_ms=START + 1_000)
    events = [event for page in pages for event in seam.on_page(page, source.clock.now_ms())]
    assert events == rows[1:7]
    assert pages[-1].bars == (rows[9],)


async def test_months_are_paged_by_the_calendar() -> None:
    january_2020 = 1_577_836_800_000
    rows = bars("1M", january_2020, 40)
    source = FakeExchange(clock=FakeClock(rows[-1].open_ms + DAY), candles={(SYMBOL, "1M"): rows})
    until_ms = source.clock.now_ms()
    assert await downloaded(source, january_2020, until_ms, page_limit=7, timeframe="1M") == rows[:39]


async def test_a_download_that_fails_does_not_wait_for_the_pages_asked_beside() -> None:
    rows = bars("1m", START, 100)
    source = exchange(rows, START + DAY)
    source.failures = deque([None, ConnectionLost("cut")])
    source.delay = lambda: 0.0 if len(source.calls) <= 2 else 3_600.0
    with pytest.raises(ConnectionLost):
        await asyncio.wait_for(downloaded(source, START, START + 100 * MINUTE), timeout=100)


async def test_an_error_ends_a_download_after_what_came_before_and_leaves_no_task_behind() -> None:
    rows = bars("1m", START, 100)
    source = exchange(rows, START + DAY)
    source.failures = deque([None, None, None, ConnectionLost("cut")])
    got: list[Bar] = []
    with pytest.raises(ConnectionLost):
        async for page in bars_of(download_pages(history_of(source), START, START + 100 * MINUTE), START):
            got += page
    assert got == rows[:30]
    assert asyncio.all_tasks() == {asyncio.current_task()}


# ---------------------------------------------------------------- cache


async def cached(cache: KeptBars, source: FakeExchange, start_ms: int, end_ms: int) -> list[Bar]:
    pages: list[Page] = [page async for page in lake_pages(cache, history_of(source), start_ms, end_ms)]
    assert all(earlier.to_ms == later.from_ms for earlier, later in pairwise(pages))
    return [row for page in pages for row in page.bars]


async def test_only_what_the_cache_does_not_have_is_asked_for(tmp_path: Path) -> None:
    rows = bars("1m", START, 120, without=range(50, 75))
    source = exchange(rows, START + DAY)
    cache = kept_in(tmp_path)
    assert await cached(cache, source, START + 30 * MINUTE, START + 90 * MINUTE) == rows[30:65]
    asked = len(source.calls)
    assert await cached(cache, source, START + 30 * MINUTE, START + 90 * MINUTE) == rows[30:65]
    assert len(source.calls) == asked

    assert await cached(cache, source, START, START + 120 * MINUTE) == rows
    again = [since for name, _, since, _ in source.calls[asked:] if since is not None]
    assert all(not START + 30 * MINUTE <= since < START + 90 * MINUTE for since in again)
    assert cache.series.covered() == [Range(START, START + 120 * MINUTE)]


async def test_a_file_that_turns_out_to_be_damaged_is_fetched_again_at_once(tmp_path: Path) -> None:
    rows = bars("1m", START, 120)
    source = exchange(rows, START + DAY)
    cache = kept_in(tmp_path)
    assert await cached(cache, source, START, START + 120 * MINUTE) == rows
    path = cache.series.segments()[3].path
    path.write_bytes(path.read_bytes()[:-1])
    assert await cached(cache, source, START, START + 120 * MINUTE) == rows
    assert cache.series.missing(START, START + 120 * MINUTE) == []


async def test_bars_that_closed_a_moment_ago_are_given_but_not_kept(tmp_path: Path) -> None:
    rows = bars("1m", START, 21)
    source = exchange(rows, START + 20 * MINUTE + 5_000)
    cache = kept_in(tmp_path)
    assert await cached(cache, source, START, START + DAY) == rows[:20]
    assert cache.series.covered() == [Range(START, START + 19 * MINUTE)]


async def test_a_range_that_the_exchange_has_not_caught_up_with_is_not_kept_as_empty(tmp_path: Path) -> None:
    rows = bars("1m", START, 20)
    source = exchange(rows, START + 20 * MINUTE, lag_ms=5 * MINUTE, sends_forming=False)
    cache = kept_in(tmp_path)
    assert await cached(cache, source, START, START + 20 * MINUTE) == rows[:15]
    assert cache.series.covered() == [Range(START, START + 15 * MINUTE)]


# ---------------------------------------------------------------- trades


def tape(count: int, step_ms: int = 700) -> list[Trade]:
    return [
        Trade(str(1000 + number), START + number // 3 * step_ms, 100.0 + number % 9, 0.1) for number in range(count)
    ]


@pytest.mark.parametrize("paging", PAGINGS)
async def test_trades_come_in_order_each_once_though_pages_split_a_millisecond(paging: Paging) -> None:
    trades = tape(500)
    source = FakeExchange(clock=FakeClock(START + DAY), trades={SYMBOL: trades}, paging=paging, page_cap=20)
    batches = download_trades(source, SYMBOL, START, START + DAY, page_limit=20)
    assert [trade async for batch in batches for trade in batch] == trades


async def test_a_quiet_stretch_longer_than_a_window_does_not_end_a_download_of_trades() -> None:
    hour = 3_600_000
    late = [Trade(f"l{number}", START + 5 * hour + number, 1.0, 1.0) for number in range(5)]
    trades = tape(10) + late
    source = FakeExchange(clock=FakeClock(START + DAY), trades={SYMBOL: trades}, paging="window")
    batches = download_trades(source, SYMBOL, START, START + 6 * hour, page_limit=100)
    assert [trade async for batch in batches for trade in batch] == trades


async def test_more_trades_in_one_millisecond_than_a_page_holds_do_not_stop_a_download() -> None:
    crowd = [Trade(f"c{number}", START + 5, 1.0, 1.0) for number in range(30)]
    after = [Trade("after", START + 6, 1.0, 1.0)]
    source = FakeExchange(clock=FakeClock(START + DAY), trades={SYMBOL: crowd + after}, page_cap=10)
    got = [
        trade async for batch in download_trades(source, SYMBOL, START, START + 10, page_limit=10) for trade in batch
    ]
    assert got[-1] == after[0]


async def test_bars_from_trades_leave_out_a_first_bar_whose_beginning_is_unknown() -> None:
    trades = tape(900, step_ms=1_000)  # 300 s
    source = FakeExchange(clock=FakeClock(START + 5 * MINUTE + REST_LAG_MS), trades={SYMBOL: trades}, page_cap=50)

    async def opens(start_ms: int) -> list[int]:
        pages = trade_bar_pages(history_of(source, 50), start_ms, START + DAY)
        return [row.open_ms for page in [page async for page in pages] for row in page.bars]

    everything = [START + position * MINUTE for position in range(5)]
    assert await opens(START) == everything[1:]  # nothing shows that the tape did not begin before
    assert await opens(START + MINUTE) == everything[1:]
    assert await opens(START + 2 * MINUTE) == everything[2:]


async def test_the_last_bar_from_trades_is_believed_once_a_trade_follows_it_or_time_has_passed() -> None:
    """The tape as a REST that lags tells it: the last minute's second half is still missing."""
    told = [trade for trade in tape(900, step_ms=1_000) if trade.time_ms < START + 4 * MINUTE + 30_000]
    follower = Trade("follower", START + 5 * MINUTE, 1.0, 1.0)

    async def last_open(trades: list[Trade], after_close_ms: int) -> int:
        source = FakeExchange(clock=FakeClock(START + 5 * MINUTE + after_close_ms), trades={SYMBOL: trades})
        pages = trade_bar_pages(history_of(source, 50), START, START + 5 * MINUTE)
        return [row.open_ms for page in [page async for page in pages] for row in page.bars][-1]

    assert await last_open(told, 2_000) == START + 3 * MINUTE
    assert await last_open([*told, follower], 2_000) == START + 4 * MINUTE
    assert await last_open(told, REST_LAG_MS) == START + 4 * MINUTE


async def test_the_newest_row_of_an_answer_is_believed_once_another_follows_it_or_time_has_passed() -> None:
    """A REST that lags gives the bar that just closed as it was seconds before its close."""
    rows = bars("1m", START, 10)
    source = exchange(rows, START + 5 * MINUTE + 2_000, lag_ms=5_000)

    async def got() -> list[Bar]:
        return await downloaded(source, START, START + DAY)

    assert await got() == rows[:4]
    source.clock.advance(3_000)  # now the answer has the next bar's first row
    assert await got() == rows[:5]
    source.sends_forming = False
    source.clock.ms = START + 6 * MINUTE + 29_999
    assert await got() == rows[:5]
    source.clock.advance(1)
    assert await got() == rows[:6]

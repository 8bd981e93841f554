"""Downloads into the lake: each bar once, whatever is interrupted, refused or down."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from pathlib import Path

import pytest

from btccxt.bars import archive_files
from btccxt.bars import download as module
from btccxt.bars.download import Downloader, DownloadJob, Outcome, Supply
from btccxt.bars.gaps import gaps_of
from btccxt.bars.lake import DataVenue, Lake, LakeView
from btccxt.bars.segments import Range
from btccxt.bars.series import GapCause, LakeGap, Series
from btccxt.errors import ConnectionLost, LakeError, RateLimited, Unsupported
from btccxt.model import Bar, Trade
from btccxt.timeframe import parse_timeframe
from tests.bars.test_archives import Shelf, minutes, rules, shelf
from tests.fakes import SYMBOL, FakeClock, FakeExchange, bars

__all__ = ["shelf"]
MINUTE, DAY = 60_000, 86_400_000
MARCH = 1_772_323_200_000  # 2026-03-01 00:00 UTC


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(archive_files, "_FIRST_PAUSE_S", 0.001)


def exchange(rows: list[Bar], **settings: object) -> FakeExchange:
    candles = {(SYMBOL, "1m"): rows, (SYMBOL, "1d"): bars("1d", MARCH - 400 * DAY, 800)}
    return FakeExchange(clock=FakeClock(MARCH + 300 * DAY), candles=candles, **settings)  # type: ignore[arg-type]


def supply(source: FakeExchange, **settings: object) -> Supply:
    return Supply(source, source.markets, 100, source.clock.now_ms, **settings)  # type: ignore[arg-type]


def view(folder: Path) -> LakeView:
    return LakeView(Lake(folder), DataVenue("fake"))


def job(first: int = 0, end: int = 500, timeframe: str | None = "1m") -> DownloadJob:
    return DownloadJob(SYMBOL, timeframe, Range(MARCH + first * MINUTE, MARCH + end * MINUTE))


async def run(folder: Path, given: Supply, *jobs: DownloadJob) -> list[Outcome]:
    return await Downloader(view(folder), given, lambda _: None).run(jobs)


def kept(folder: Path) -> list[Bar]:
    return view(folder).bars(SYMBOL, "1m").read(0, MARCH + 400 * DAY)


async def test_a_download_brings_all_once_and_again_brings_nothing(tmp_path: Path) -> None:
    rows = bars("1m", MARCH, 600)
    source = exchange(rows)
    (outcome,) = await run(tmp_path, supply(source), job())
    assert kept(tmp_path) == rows[:500]
    assert (outcome.rows, outcome.missing_ms, outcome.error) == (500, 0, None)
    asked = len(source.calls)
    (outcome,) = await run(tmp_path, supply(source), job())
    assert (outcome.rows, len(source.calls)) == (0, asked)
    await run(tmp_path, supply(source), job(400, 600))
    assert kept(tmp_path) == rows


async def test_an_interrupted_download_goes_on_where_it_stopped(tmp_path: Path) -> None:
    rows = bars("1m", MARCH, 2_000)
    source = exchange(rows, delay=lambda: 0.002)
    begun = asyncio.Event()

    def tell(outcome: Outcome) -> None:
        if outcome.rows >= 500:
            begun.set()

    running = asyncio.create_task(Downloader(view(tmp_path), supply(source), tell).run([job(0, 2_000)]))
    await begun.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    half = len(kept(tmp_path))
    assert 0 < half < 2_000
    (outcome,) = await run(tmp_path, supply(exchange(rows)), job(0, 2_000))
    # Pages that were being written, in threads of their own, when it was cancelled are kept as well.
    assert half <= 2_000 - outcome.rows < 2_000
    assert outcome.rows % 100 == half % 100 == 0
    assert kept(tmp_path) == rows


async def test_failures_in_between_are_survived_and_lasting_ones_cost_one_series_only(tmp_path: Path) -> None:
    rows = bars("1m", MARCH, 500)
    cut = ConnectionLost("cut")
    source = exchange(rows, failures=deque([None, None, None, cut, None, RateLimited("slow", 0.001), cut, None]))
    (outcome,) = await run(tmp_path, supply(source), job())
    assert outcome.error is None
    assert kept(tmp_path) == rows

    class Dead(FakeExchange):
        async def fetch_ohlcv(
            self, symbol: str, timeframe: str, since_ms: int | None = None, limit: int | None = None
        ) -> list[Bar]:
            if timeframe == "5m":
                raise Unsupported("no such candles")
            if timeframe == "3m":
                raise ConnectionLost("dead")
            return await super().fetch_ohlcv(symbol, timeframe, since_ms, limit)

    dead = Dead(clock=FakeClock(MARCH + 300 * DAY), candles=exchange(rows).candles)
    outcomes = await run(tmp_path / "b", supply(dead), job(timeframe="5m"), job(timeframe="3m"), job())
    assert [str(outcome.error) for outcome in outcomes] == ["no such candles", "dead", "None"]
    assert kept(tmp_path / "b") == rows


async def test_a_lake_that_cannot_be_written_ends_the_download_with_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = exchange(bars("1m", MARCH, 500))

    def full(*_: object) -> None:
        raise LakeError("no space left on device")

    monkeypatch.setattr(Series, "put", full)
    with pytest.raises(LakeError, match="no space"):
        await run(tmp_path, supply(source), job(), job(0, 500, None))
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_two_downloads_of_one_series_at_once_lose_nothing(tmp_path: Path) -> None:
    rows = bars("1m", MARCH, 1_000)
    await asyncio.gather(*(run(tmp_path, supply(exchange(rows, delay=lambda: 0.001)), job(0, 1_000)) for _ in range(2)))
    assert kept(tmp_path) == rows
    segments = view(tmp_path).bars(SYMBOL, "1m").segments()
    assert sum(segment.rows for segment in segments) == 1_000


async def test_the_archive_is_taken_first_and_its_holes_are_asked_of_the_exchange(
    tmp_path: Path, shelf: tuple[Shelf, str]
) -> None:
    files, base = shelf
    rows = bars("1m", MARCH, 3_000)
    source = exchange(rows)
    files.files["BTCUSDT-1m-2026-03-01.zip"] = minutes(MARCH, 1_000)  # 440 minutes too few
    (outcome,) = await run(tmp_path, supply(source, archives=rules(base)), job(0, 2_000))
    assert outcome.from_archive == 1_000
    assert outcome.rows == 2_000
    assert [row.open_ms for row in kept(tmp_path)] == [row.open_ms for row in rows[:2_000]]
    assert min(since for _, _, since, _ in source.calls if since) >= MARCH + 1_000 * MINUTE


@pytest.mark.parametrize("broken", ["bad", "away"])
async def test_an_archive_that_is_broken_or_away_costs_nothing_but_a_note(
    tmp_path: Path, shelf: tuple[Shelf, str], broken: str
) -> None:
    files, base = shelf
    rows = bars("1m", MARCH, 2_000)
    files.files["BTCUSDT-1m-2026-03-01.zip"] = b"<html>"
    files.fails = 99 if broken == "away" else 0
    (outcome,) = await run(tmp_path, supply(exchange(rows), archives=rules(base)), job(0, 2_000))
    assert kept(tmp_path) == rows
    assert len(outcome.notes) == 1
    assert ("cannot be reached" if broken == "away" else "cannot be read") in outcome.notes[0]


async def test_a_second_exchange_fills_only_what_the_first_was_down_for_and_is_named(tmp_path: Path) -> None:
    rows = bars("1m", MARCH, 500, without=range(100, 130))
    others = [Bar(row.open_ms, 7, 8, 6, 7, 1) for row in bars("1m", MARCH, 500, without=[110])]
    second = exchange(others)
    second.id = "other"
    (outcome,) = await run(tmp_path, supply(exchange(rows), second=supply(second)), job())
    assert outcome.filled == 29
    got = {row.open_ms: row for row in kept(tmp_path)}
    assert len(got) == 499
    assert all(got[row.open_ms] == row for row in rows)
    pieces = view(tmp_path).bars(SYMBOL, "1m").pieces(0, MARCH + DAY)
    assert [piece.facts.get("source") for piece in pieces] == [None, "other", None]
    second.markets = {}
    (outcome,) = await run(tmp_path / "b", supply(exchange(rows), second=supply(second)), job())
    assert outcome.notes == ["other has no BTC/USDT: holes stay"]


async def test_where_bars_without_trades_do_not_exist_holes_are_not_told_as_down_times(tmp_path: Path) -> None:
    rows = bars("1m", MARCH, 500, without=range(100, 130))
    given = supply(exchange(rows), missing=GapCause.NO_TRADES, second=supply(exchange(bars("1m", MARCH, 500))))
    (outcome,) = await run(tmp_path, given, job())
    assert outcome.filled == 0
    assert kept(tmp_path) == rows


async def test_what_an_exchange_had_forgotten_is_not_told_as_a_down_time_and_another_may_have_it(
    tmp_path: Path,
) -> None:
    """Kraken keeps 720 candles: who comes back after a week has a hole of its making."""
    rows = bars("1m", MARCH, 5_000)
    source = exchange(rows, paging="newest", page_cap=720)
    given = replace(supply(source, max_candles_back=720), page_limit=720)
    source.clock.ms = MARCH + 1_000 * MINUTE + 30_000
    await run(tmp_path, given, job(300, 999))
    source.clock.ms = MARCH + 4_000 * MINUTE + 30_000
    await run(tmp_path, given, job(300, 3_999))
    series = view(tmp_path).bars(SYMBOL, "1m")
    wanted = job(300, 3_999).range
    gaps = gaps_of(series.pieces(wanted.from_ms, wanted.to_ms), parse_timeframe("1m"), wanted)
    hole = LakeGap(MARCH + 999 * MINUTE, MARCH + 3_281 * MINUTE, GapCause.TOO_OLD)
    assert gaps == [hole]
    second = exchange(rows)
    (outcome,) = await run(tmp_path, replace(given, second=supply(second)), job(300, 3_999))
    assert outcome.filled == (hole.to_ms - hole.from_ms) // MINUTE
    assert kept(tmp_path) == rows[300:3_999]


async def test_trades_are_kept_once_across_interruptions(tmp_path: Path) -> None:
    tape = [Trade(f"t{n}", MARCH + n * 700, 100 + n % 5, 1.0, None, SYMBOL) for n in range(3_000)]
    source = exchange([], trades={SYMBOL: tape}, page_cap=200, failures=deque([None, None, ConnectionLost("cut")]))
    wanted = job(0, 30, None)
    (outcome,) = await run(tmp_path, supply(source), wanted)
    assert outcome.error is None
    assert outcome.missing_ms == 0
    series = view(tmp_path).trades(SYMBOL)
    assert series.read(0, MARCH + DAY) == [trade for trade in tape if trade.time_ms < wanted.range.to_ms]
    asked = len(source.calls)
    await run(tmp_path, supply(source), wanted)
    assert len(source.calls) == asked

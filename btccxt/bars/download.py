"""Filling the lake: one series after the other side by side, from the exchange's archive, its API, and a second one.

What is there is not asked for again, so that a download that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from btccxt.bars.archive_files import ArchiveUnreachable, fetch_archive
from btccxt.bars.archives import answers_of, files_for
from btccxt.bars.columns import Columns
from btccxt.bars.gaps import gaps_of
from btccxt.bars.history import HistorySource, download_pages
from btccxt.bars.lake import LakeView
from btccxt.bars.lake_pages import KeptBars, lake_parts
from btccxt.bars.lake_trades import TradeSource, lake_trades
from btccxt.bars.seam import Page
from btccxt.bars.segments import Range
from btccxt.bars.series import BarSeries, GapCause, LakeGap, Series, TradeSeries
from btccxt.errors import BtccxtError, LakeError, Retryable
from btccxt.exchange.api import ExchangeAPI
from btccxt.exchange.profile.archive_rule import ArchivesRule
from btccxt.model import Bar, Market
from btccxt.resilience.supervised import Tasks
from btccxt.timeframe import Timeframe, parse_timeframe

_SERIES_AT_ONCE = 4
_PAGES_AT_ONCE = 8
_TRADES_AT_ONCE = 1_000
_FOR_OTHERS = frozenset({GapCause.EXCHANGE_DOWN, GapCause.TOO_OLD})
_GIVE_UP_AFTER = 6  # failures in a row
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0


@dataclass(frozen=True, slots=True)
class DownloadJob:
    """One series and the range that is wanted of it. ``timeframe`` None: trades."""

    symbol: str
    timeframe: str | None
    range: Range

    def __str__(self) -> str:
        return f"{self.symbol} {self.timeframe or 'trades'}"


@dataclass(slots=True)
class Outcome:
    """How far a job came. ``missing_ms``: of its range, at the beginning and now."""

    job: DownloadJob
    at_first_ms: int = 0
    missing_ms: int = 0
    rows: int = 0
    from_archive: int = 0
    filled: int = 0
    error: BtccxtError | None = None
    done: bool = False
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Supply:
    """Where history is fetched. ``archives``: the exchange's files; ``second``: another exchange, for holes of this
    one, by name."""

    exchange: ExchangeAPI
    markets: Mapping[str, Market]
    page_limit: int
    now_ms: Callable[[], int]
    missing: GapCause = GapCause.EXCHANGE_DOWN
    max_candles_back: int | None = None
    archives: ArchivesRule | None = None
    second: Supply | None = None


class Downloader:
    """``tell`` hears of every step of every job."""

    def __init__(self, lake: LakeView, supply: Supply, tell: Callable[[Outcome], None]) -> None:
        self._lake = lake
        self._supply = supply
        self._tell = tell

    async def run(self, jobs: Sequence[DownloadJob]) -> list[Outcome]:
        """What a job could not get is in its outcome. Raises LakeError: then nobody can go on."""
        places = asyncio.Semaphore(_SERIES_AT_ONCE)

        async def one(job: DownloadJob) -> Outcome:
            async with places:
                return await self._one(job)

        async with Tasks() as tasks:
            running = [tasks.start(one(job), f"download {job.symbol}") for job in jobs]
            return [await task for task in running]

    async def _one(self, job: DownloadJob) -> Outcome:
        outcome = Outcome(job)
        series: BarSeries | TradeSeries = (
            self._lake.trades(job.symbol) if job.timeframe is None else self._lake.bars(job.symbol, job.timeframe)
        )
        outcome.at_first_ms = await self._missing_ms(series, outcome)
        self._tell(outcome)
        try:
            await self._from_archive(series, outcome)
            await self._from_exchange(series, outcome)
            if self._supply.second is not None and isinstance(series, BarSeries):
                await self._from_second(series, self._supply.second, outcome)
        except LakeError:
            raise
        except BtccxtError as error:
            outcome.error = error
        await asyncio.to_thread(series.tidy)
        await self._missing_ms(series, outcome)
        outcome.done = True
        self._tell(outcome)
        return outcome

    async def _missing_ms(self, series: Series, outcome: Outcome) -> int:
        absent = await asyncio.to_thread(series.missing, outcome.job.range.from_ms, outcome.job.range.to_ms)
        outcome.missing_ms = sum(part.to_ms - part.from_ms for part in absent)
        return outcome.missing_ms

    # -------------------------------------------------------------- the archive

    async def _from_archive(self, series: BarSeries | TradeSeries, outcome: Outcome) -> None:
        job, supply = outcome.job, self._supply
        if supply.archives is None:
            return
        market = supply.markets[job.symbol]
        frame = None if job.timeframe is None else parse_timeframe(job.timeframe)
        absent = await asyncio.to_thread(series.missing, job.range.from_ms, job.range.to_ms)
        files = files_for(supply.archives, market, frame, absent)
        try:
            async with aclosing(fetch_archive(files, outcome.notes)) as found:
                async for file, table in found:
                    parts = [(file.range, table)] if frame is None else answers_of(file, table, frame)
                    missing = GapCause.NO_TRADES if frame is None else supply.missing
                    for part, rows in parts:
                        await asyncio.to_thread(series.put, part, rows, {"missing": missing.value})
                        outcome.rows += rows.num_rows
                        outcome.from_archive += rows.num_rows
                        outcome.missing_ms -= part.to_ms - part.from_ms
                    self._tell(outcome)
        except ArchiveUnreachable as error:
            outcome.notes.append(f"the archive cannot be reached, the API is asked instead: {error}")

    # -------------------------------------------------------------- the API

    async def _from_exchange(self, series: BarSeries | TradeSeries, outcome: Outcome) -> None:
        failures = 0
        while True:
            rows = outcome.rows
            try:
                if isinstance(series, BarSeries):
                    await self._bars(series, outcome)
                else:
                    await self._trades(series, outcome)
                return
            except Retryable as error:
                failures = 1 if outcome.rows > rows else failures + 1
                if failures >= _GIVE_UP_AFTER:
                    raise
                pause_s = min(_FIRST_PAUSE_S * 2 ** (failures - 1), _LONGEST_PAUSE_S)
                await asyncio.sleep(max(pause_s, getattr(error, "retry_after_s", None) or 0.0))

    async def _bars(self, series: BarSeries, outcome: Outcome) -> None:
        job, supply = outcome.job, self._supply
        assert job.timeframe is not None
        kept = KeptBars(series, supply.missing, max_candles_back=supply.max_candles_back)
        source = _source(supply, job.symbol, parse_timeframe(job.timeframe))
        for absent in await asyncio.to_thread(series.missing, job.range.from_ms, job.range.to_ms):
            async with aclosing(lake_parts(kept, source, absent.from_ms, absent.to_ms)) as parts:
                async for part in parts:
                    if isinstance(part, Page):
                        outcome.rows += len(part.bars)
                        outcome.missing_ms -= part.to_ms - part.from_ms
                        self._tell(outcome)

    async def _trades(self, series: TradeSeries, outcome: Outcome) -> None:
        job, supply = outcome.job, self._supply
        source = TradeSource(supply.exchange, job.symbol, _TRADES_AT_ONCE, supply.now_ms)
        for absent in await asyncio.to_thread(series.missing, job.range.from_ms, job.range.to_ms):
            async with aclosing(lake_trades(series, source, absent.from_ms, absent.to_ms)) as parts:
                async for part, trades in parts:
                    outcome.rows += len(trades)
                    outcome.missing_ms -= part.to_ms - part.from_ms
                    self._tell(outcome)

    # -------------------------------------------------------------- another exchange, for holes

    async def _from_second(self, series: BarSeries, second: Supply, outcome: Outcome) -> None:
        job = outcome.job
        assert job.timeframe is not None
        if job.symbol not in second.markets:
            outcome.notes.append(f"{second.exchange.id} has no {job.symbol}: holes stay")
            return
        source = _source(second, job.symbol, parse_timeframe(job.timeframe))
        for gap in await asyncio.to_thread(holes_for_others, series, source.timeframe, job.range):
            bars: list[Bar] = []
            async with aclosing(download_pages(source, gap.from_ms, gap.to_ms)) as pages:
                async for page in pages:
                    bars += page.bars
            if bars:
                await asyncio.to_thread(
                    series.append, gap.from_ms, gap.to_ms, Columns.of(bars), missing=gap.cause,
                    source=second.exchange.id,
                )  # fmt: skip
                outcome.filled += len(bars)
                self._tell(outcome)


def holes_for_others(series: BarSeries, timeframe: Timeframe, wanted: Range) -> list[LakeGap]:
    """Where the exchange was down, and what it had forgotten when it was asked."""
    gaps = gaps_of(series.pieces(wanted.from_ms, wanted.to_ms), timeframe, wanted)
    return [gap for gap in gaps if gap.cause in _FOR_OTHERS]


def _source(supply: Supply, symbol: str, timeframe: Timeframe) -> HistorySource:
    plain = HistorySource(supply.exchange, symbol, timeframe, supply.page_limit, supply.now_ms)
    return replace(plain, parallel=_PAGES_AT_ONCE)

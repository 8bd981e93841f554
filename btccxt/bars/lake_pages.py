"""Bars of a range from the lake, and what it does not have from the exchange, which is then kept in the lake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from btccxt.bars.columns import Columns
from btccxt.bars.history import HistorySource, download_pages
from btccxt.bars.live_tail import KEEP_AFTER_MS, Stretch
from btccxt.bars.seam import Page, closed_until, first_open
from btccxt.bars.segments import Range, without
from btccxt.bars.series import BarSeries, GapCause
from btccxt.errors import LakeError

_READ_AT_ONCE = 50_000  # bars


@dataclass(frozen=True, slots=True)
class KeptBars:
    """A series of the lake as a running feed uses it.

    ``missing``: what it means when this exchange has no bar. ``on_trouble`` hears of a lake that cannot be used; the
    bars then come from the exchange. None: it is raised. ``max_candles_back``: how many the exchange keeps, if so.
    """

    series: BarSeries
    missing: GapCause = GapCause.EXCHANGE_DOWN
    on_trouble: Callable[[LakeError], None] | None = None
    max_candles_back: int | None = None

    def keep_stretch(self, stretch: Stretch) -> None:
        """Keep what a stream told, where nothing is known yet. Blocks."""
        try:
            bars = Columns.of(stretch.bars)
            whole = [Range(stretch.from_ms, stretch.to_ms)]
            for part in whole if stretch.corrects else self.series.missing(stretch.from_ms, stretch.to_ms):
                self.series.append(
                    part.from_ms, part.to_ms, bars.between(part.from_ms, part.to_ms), missing=self.missing
                )
        except LakeError as error:
            self._failed(error)

    def _failed(self, error: LakeError) -> None:
        if self.on_trouble is None:
            raise error
        self.on_trouble(error)

    def next_part(self, from_ms: int, to_ms: int) -> Range | tuple[Range, Columns]:
        """The beginning of a range: with its bars if they are here, without if they have to be fetched. Blocks."""
        wanted = Range(from_ms, to_ms)
        try:
            while True:
                absent = without(wanted, self.series.covered())
                if absent and absent[0].from_ms == from_ms:
                    return absent[0]
                known = Range(from_ms, absent[0].from_ms if absent else to_ms)
                columns = self.series.columns(known.from_ms, known.to_ms)
                if not without(known, self.series.covered()):  # else a damaged file was met
                    return known, columns
        except LakeError as error:
            self._failed(error)
            return wanted

    def keep(self, from_ms: int, to_ms: int, bars: Columns, oldest_ms: int) -> None:
        """Keep an answer of the exchange, which keeps nothing older than ``oldest_ms``. Blocks."""
        try:
            begins_ms = int(bars.open_ms[0]) if len(bars) else to_ms
            if begins_ms > from_ms:
                before = self.series.has_bars_before(from_ms)
                cause = self.missing if before else GapCause.HISTORY_BEGINS_LATER
                cause = GapCause.TOO_OLD if before and from_ms < oldest_ms else cause
                if cause is not self.missing:
                    self.series.append(from_ms, begins_ms, Columns.empty(), missing=cause)
                    from_ms = begins_ms
            if from_ms < to_ms:
                self.series.append(from_ms, to_ms, bars, missing=self.missing)
        except LakeError as error:
            self._failed(error)


async def lake_parts(
    kept: KeptBars, source: HistorySource, start_ms: int, end_ms: int
) -> AsyncGenerator[tuple[Range, Columns] | Page, None]:
    """The closed bars of ``start_ms <= open_ms < end_ms``, oldest first: parts from disk, pages from the exchange.

    Raises what the exchange raises, after what came before was yielded and kept.
    """
    parsed, now_ms = source.timeframe, source.now_ms
    position = first_open(parsed, start_ms)
    end_ms = min(end_ms, closed_until(parsed, position, now_ms()))
    while position < end_ms:
        read_to_ms = min(end_ms, position + _READ_AT_ONCE * parsed.approximate_ms)
        part = await asyncio.to_thread(kept.next_part, position, read_to_ms)
        if isinstance(part, tuple):
            yield part
            position = part[0].to_ms
            continue
        absent = part if part.to_ms < read_to_ms else await asyncio.to_thread(_whole_gap, kept, part, end_ms)
        async with aclosing(download_pages(source, absent.from_ms, absent.to_ms)) as pages:
            async for page in pages:
                # What is missing at the end of a page is kept as missing only if a later row proves it.
                proven_ms = max(page.seen_to_ms, parsed.next_open(page.bars[-1].open_ms) if page.bars else 0)
                keep_ms = min(page.to_ms, proven_ms, closed_until(parsed, page.from_ms, now_ms() - KEEP_AFTER_MS))
                if keep_ms > page.from_ms:
                    bars = Columns.of([bar for bar in page.bars if bar.open_ms < keep_ms])
                    back = kept.max_candles_back
                    oldest_ms = 0 if back is None else now_ms() - back * parsed.approximate_ms
                    await asyncio.to_thread(kept.keep, page.from_ms, keep_ms, bars, oldest_ms)
                yield page
        position = absent.to_ms


def _whole_gap(kept: KeptBars, begun: Range, end_ms: int) -> Range:
    """One download for a gap that is longer than what is read at once."""
    try:
        return kept.series.missing(begun.from_ms, end_ms)[0]
    except (LakeError, IndexError):
        return Range(begun.from_ms, max(begun.to_ms, end_ms))


async def lake_pages(kept: KeptBars, source: HistorySource, start_ms: int, end_ms: int) -> AsyncGenerator[Page, None]:
    """The same, as pages for ``Seam.on_page``: what ``download_pages`` gives."""
    async with aclosing(lake_parts(kept, source, start_ms, end_ms)) as parts:
        async for part in parts:
            if isinstance(part, Page):
                yield part
            else:
                known, columns = part
                yield Page(known.from_ms, known.to_ms, columns.bars(), known.to_ms)

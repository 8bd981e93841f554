"""Trades of a range from the lake, and what it does not have from the exchange, which is then kept in the lake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from btccxt.bars.history import CallPolicy, direct, download_trades
from btccxt.bars.live_tail import KEEP_AFTER_MS
from btccxt.bars.segments import Range
from btccxt.bars.series import TradeSeries
from btccxt.errors import LakeError
from btccxt.exchange.api import ExchangeAPI
from btccxt.model import Trade

_READ_AT_ONCE_MS = 6 * 3_600_000


@dataclass(frozen=True, slots=True)
class TradeSource:
    """Where trades come from, and how it is asked."""

    exchange: ExchangeAPI
    symbol: str
    page_limit: int
    now_ms: Callable[[], int]
    call: CallPolicy = direct


async def lake_trades(
    series: TradeSeries,
    source: TradeSource,
    start_ms: int,
    end_ms: int,
    on_trouble: Callable[[LakeError], None] | None = None,
) -> AsyncGenerator[tuple[Range, list[Trade]], None]:
    """Trades with ``start_ms <= time_ms < end_ms``, oldest first, and the ranges of which they are all.

    ``on_trouble`` hears of a lake that cannot be used (None: it is raised). Raises what the exchange raises.
    """
    position = start_ms
    while position < end_ms:
        read_to_ms = min(end_ms, position + _READ_AT_ONCE_MS)
        missing = await asyncio.to_thread(series.missing, position, end_ms)
        if not missing or missing[0].from_ms > position:
            to_ms = min(read_to_ms, missing[0].from_ms) if missing else read_to_ms
            trades = await asyncio.to_thread(series.read, position, to_ms)
            if not await asyncio.to_thread(series.missing, position, to_ms):  # else a damaged file was met
                yield Range(position, to_ms), trades
                position = to_ms
            continue
        async with aclosing(_fetched(source, missing[0])) as parts:
            async for part, trades in parts:
                keep_ms = min(part.to_ms, source.now_ms() - KEEP_AFTER_MS)
                if keep_ms > part.from_ms:
                    kept = [trade for trade in trades if trade.time_ms < keep_ms]
                    try:
                        await asyncio.to_thread(series.append, part.from_ms, keep_ms, kept)
                    except LakeError as error:
                        if on_trouble is None:
                            raise
                        on_trouble(error)
                yield part, trades
        position = missing[0].to_ms


async def _fetched(source: TradeSource, absent: Range) -> AsyncGenerator[tuple[Range, list[Trade]], None]:
    """The trades of a range, cut where a millisecond is surely over."""
    position = absent.from_ms
    waiting: list[Trade] = []
    batches = download_trades(
        source.exchange, source.symbol, absent.from_ms, absent.to_ms, page_limit=source.page_limit, call=source.call
    )
    async with aclosing(batches):
        async for batch in batches:
            waiting += batch
            to_ms = waiting[-1].time_ms
            if to_ms > position:
                done = [trade for trade in waiting if trade.time_ms < to_ms]
                waiting = waiting[len(done) :]
                yield Range(position, to_ms), done
                position = to_ms
    if position < absent.to_ms:
        yield Range(position, absent.to_ms), waiting

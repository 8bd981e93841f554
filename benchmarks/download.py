"""(n) A download beside what the rate limit itself allows, and beside the usual loop of one page after the other.

The exchange is one in memory that takes 80 ms for an answer; its limit is OKX's, 40 calls in any two seconds. The limit
alone needs a known time for so many pages; what is above it is ours.
"""

from __future__ import annotations

import asyncio
import math
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.report import Column, Report, Row, Target
from benchmarks.sizes import Size
from benchmarks.stats import median
from btccxt.exchange.api import ExchangeAPI
from btccxt.model import Bar, Market, MarketType
from btccxt.resilience.limiter import AsyncLimiter, Limiter, PoolRule, Priority

NAME = "download"
TITLE = "history into the lake, pages of 1,000 bars, 80 ms for an answer"

_WALL, _PAGES = "seconds", "pages"
_OURS, _LOOP, _LIMIT = "btccxt download", "one page after the other", "the rate limit alone"
_ANSWER_S = 0.08
_PAGE = 1_000
_MINUTE_MS = 60_000
_START_MS = 1_735_689_600_000  # 2025-01-01
_RULE = PoolRule("weight", capacity=40, window_ms=2_000, reserve_pct=0.0)  # as of a store without a broker


def run(size: Size) -> Report:
    symbols, pages, repeats = size.pick((4, 80, 3), (4, 50, 2), (1, 2, 1))
    asyncio.run(_measure(1, 2))  # imports
    found = [asyncio.run(_measure(symbols, pages)) for _ in range(repeats)]
    asked = found[0][2]
    windows = math.ceil(asked / _RULE.ceiling(Priority.HISTORY)) - 1
    limit_s = windows * _RULE.window_ms / 1_000 + _ANSWER_S
    ours_s, loop_s = median([each[0] for each in found]), median([each[1] for each in found])
    case = f"{symbols} symbols, {pages * _PAGE:,} bars each"
    rows = tuple(
        Row(case, who, {_WALL: seconds, _PAGES: float(asked)})
        for who, seconds in ((_OURS, ours_s), (_LOOP, loop_s), (_LIMIT, limit_s))
    )
    targets = (Target("download beside what the rate limit allows (ratio)", ours_s / limit_s, 1.2),)
    return Report(NAME, TITLE, (Column(_WALL, 2), Column(_PAGES, 0)), _WALL, rows, targets)


async def _measure(symbols: int, pages: int) -> tuple[float, float, int]:
    from btccxt import DataVenue, Lake
    from btccxt.bars.download import Downloader, DownloadJob, Supply
    from btccxt.bars.lake import LakeView
    from btccxt.bars.segments import Range

    names = [f"C{number}/USDT" for number in range(symbols)]
    span = Range(_START_MS, _START_MS + pages * _PAGE * _MINUTE_MS)
    exchange = _Limited()
    with tempfile.TemporaryDirectory(prefix="btccxt-bench-") as folder:
        supply = Supply(exchange, {name: _market(name) for name in names}, _PAGE, lambda: span.to_ms + 10**9)
        view = LakeView(Lake(Path(folder)), DataVenue("memory"))
        began_s = time.perf_counter()
        outcomes = await Downloader(view, supply, lambda _: None).run([DownloadJob(name, "1m", span) for name in names])
        ours_s = time.perf_counter() - began_s
        if any(outcome.missing_ms or outcome.error for outcome in outcomes):
            raise AssertionError("not everything was downloaded")
    asked = exchange.calls
    loop = _Limited()
    began_s = time.perf_counter()
    for number in range(asked):
        await loop.fetch_ohlcv(names[0], "1m", _START_MS + number * _PAGE * _MINUTE_MS, _PAGE)
    return ours_s, time.perf_counter() - began_s, asked


def _market(symbol: str) -> Market:
    base, _, quote = symbol.partition("/")
    return Market(symbol, base, quote, None, MarketType.SPOT, True, None, None)


@dataclass
class _Limited(ExchangeAPI):
    """Candles of any symbol, as fast as the limit lets."""

    id: str = "memory"
    calls: int = 0
    limiter: AsyncLimiter = field(default_factory=lambda: AsyncLimiter(Limiter([_RULE])))

    async def fetch_ohlcv(
        self, symbol: str, timeframe: str, since_ms: int | None = None, limit: int | None = None
    ) -> list[Bar]:
        await self.limiter.acquire({"weight": 1}, Priority.HISTORY)
        self.calls += 1
        await asyncio.sleep(_ANSWER_S)
        first_ms = since_ms or _START_MS
        return [
            Bar(first_ms + n * _MINUTE_MS, 100.0, 101.0, 99.0, 100.5, 1.0) for n in range(min(limit or _PAGE, _PAGE))
        ]

    async def _none(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    open = close = load_markets = fetch_time = fetch_ticker = fetch_trades = fetch_balance = fetch_order = _none
    fetch_open_orders = fetch_closed_orders = fetch_my_trades = create_order = cancel_order = stream = _none

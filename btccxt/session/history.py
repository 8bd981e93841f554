"""The past of one store's markets: from its lake if it has one, else and for the rest from the exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from btccxt.bars.columns import Columns, joined
from btccxt.bars.history import HistoryBeginsLater, HistorySource, bars_of, download_pages, download_trades
from btccxt.bars.lake import LakeView
from btccxt.bars.lake_pages import KeptBars, lake_parts
from btccxt.bars.lake_trades import TradeSource, lake_trades
from btccxt.bars.offline import iso
from btccxt.bars.seam import Page, first_open
from btccxt.bars.series import GapCause
from btccxt.errors import LakeError, Unsupported
from btccxt.exchange.api import ExchangeAPI
from btccxt.exchange.profile.profile import Profile
from btccxt.model import Bar, Trade
from btccxt.session.events import FeedRequest
from btccxt.timeframe import Timeframe, parse_timeframe

History = Columns | list[Bar] | list[Trade]
_TRADES_AT_ONCE = 1_000
_TRADES_BACK_MS = 3_600_000  # of historical ticks without a fromdate
_WIDENED_AT_MOST = 12  # doublings of a range that had too few bars
_IN_VAIN = 2  # doublings that brought nothing: the market begins there


def missing_means(profile: Profile) -> GapCause:
    """Why an exchange has no bar for a time that it answers for."""
    return GapCause.EXCHANGE_DOWN if profile.bars.sends_empty_bars else GapCause.NO_TRADES


class HistoryLoader:
    """Of one store; runs in the session's loop. ``lake``: where history is kept; None: nowhere."""

    def __init__(
        self,
        exchange: ExchangeAPI,
        now_ms: Callable[[], int],
        profile: Profile,
        trouble: Callable[[str, BaseException], None],
        lake: LakeView | None = None,
    ) -> None:
        self._exchange = exchange
        self._now_ms = now_ms
        self._profile = profile
        self._trouble = trouble
        self._lake = lake
        self._lake_fails = False

    def source(self, symbol: str, timeframe: Timeframe) -> HistorySource:
        """How candles of one symbol are asked for."""
        return HistorySource(self._exchange, symbol, timeframe, self._profile.history.page_size, self._now_ms)

    def kept(self, symbol: str, timeframe: str) -> KeptBars | None:
        """Its bars in the lake; None without a lake, or where the exchange has no such candles. Raises LakeError."""
        if self._lake is None or not self.offers(timeframe):
            return None
        series, back = self._lake.bars(symbol, timeframe), self._profile.history.max_candles_back
        return KeptBars(series, missing_means(self._profile), self._lake_failed, back)

    def offers(self, timeframe: str) -> bool:
        """Whether the exchange has candles of this length; an unknown exchange is believed to."""
        offered = self._profile.bars.timeframes
        return not offered or timeframe in offered

    def _lake_failed(self, error: LakeError) -> None:
        if not self._lake_fails:  # said once: bars go on coming from the exchange
            self._lake_fails = True
            self._trouble("the lake", error)

    def start_ms(self, request: FeedRequest) -> int | None:
        """Where a request begins; None: the exchange decides (trades)."""
        if request.from_ms is not None or request.timeframe is None:
            return request.from_ms
        frame = parse_timeframe(request.timeframe)
        return self._opens_back(frame, request.last_bars or self._profile.history.page_size, self._end_ms(request))

    @staticmethod
    def _opens_back(frame: Timeframe, count: int, end_ms: int) -> int:
        """Open of the first of the last ``count`` bars that are closed at ``end_ms``."""
        if frame.length_ms is not None:
            return frame.floor(end_ms) - count * frame.length_ms
        open_ms = frame.floor(end_ms)
        for _ in range(count):
            open_ms = frame.previous_open(open_ms)
        return open_ms

    async def begin_of_last(self, request: FeedRequest) -> int:
        """Open of the first of the ``last_bars`` newest closed bars: further back where minutes without trades have no
        bar. Downloads what it needs to know."""
        assert request.timeframe is not None and request.last_bars is not None
        frame = parse_timeframe(request.timeframe)
        end_ms = self._end_ms(request)
        bars = await self._last_bars(request, frame, end_ms)
        return int(bars[0].open_ms) if bars else self._opens_back(frame, request.last_bars, end_ms)

    def _end_ms(self, request: FeedRequest) -> int:
        now_ms = self._now_ms()
        return now_ms if request.to_ms is None else min(request.to_ms, now_ms)

    async def load(self, request: FeedRequest) -> History:
        """All of a past range, oldest first. Raises the exchange's errors."""
        end_ms = self._end_ms(request)
        if request.timeframe is None:
            return await self._trades(request, end_ms)
        frame = parse_timeframe(request.timeframe)
        if request.last_bars is not None:
            return await self._last_bars(request, frame, end_ms)
        return await self._bars(request.symbol, frame, self.start_ms(request) or 0, end_ms, self._begins_later)

    async def _bars(
        self,
        symbol: str,
        frame: Timeframe,
        start_ms: int,
        end_ms: int,
        report: Callable[[HistoryBeginsLater], None] | None,
    ) -> Columns | list[Bar]:
        asked_ms = first_open(frame, start_ms)
        source, kept = self.source(symbol, frame), self.kept(symbol, frame.name)
        if kept is None:
            bars: list[Bar] = []
            async for found in bars_of(download_pages(source, asked_ms, end_ms), asked_ms, report):
                bars += found
            return bars
        parts: list[Columns] = []
        async for part in lake_parts(kept, source, asked_ms, end_ms):
            columns = Columns.of(part.bars) if isinstance(part, Page) else part[1]
            if report is not None and not parts and len(columns) and columns.open_ms[0] > asked_ms:
                report(HistoryBeginsLater(asked_ms, int(columns.open_ms[0])))
            if len(columns):
                parts.append(columns)
        return joined(parts)

    async def _last_bars(self, request: FeedRequest, frame: Timeframe, end_ms: int) -> list[Bar]:
        wanted = request.last_bars or 0
        bars: list[Bar] = []
        back, asked_to_ms, in_vain = wanted, end_ms, 0
        for _ in range(_WIDENED_AT_MOST):
            start_ms = max(0, self._opens_back(frame, back, end_ms))
            found = await self._bars(request.symbol, frame, start_ms, asked_to_ms, report=None)
            older = found.bars() if isinstance(found, Columns) else found
            bars = [*older, *bars]
            in_vain = 0 if older else in_vain + 1
            if len(bars) >= wanted or start_ms == 0 or (bars and in_vain == _IN_VAIN):
                break
            back, asked_to_ms = back * 2, start_ms
        return bars[-wanted:]

    async def _trades(self, request: FeedRequest, end_ms: int) -> list[Trade]:
        from_ms = end_ms - _TRADES_BACK_MS if request.from_ms is None else request.from_ms
        trades: list[Trade] = []
        if self._lake is None:
            pages = download_trades(self._exchange, request.symbol, from_ms, end_ms, page_limit=_TRADES_AT_ONCE)
            async for page in pages:
                trades += page
            return trades
        series = await asyncio.to_thread(self._lake.trades, request.symbol)
        source = TradeSource(self._exchange, request.symbol, _TRADES_AT_ONCE, self._now_ms)
        async for _, found in lake_trades(series, source, from_ms, end_ms, self._lake_failed):
            trades += found
        return trades

    def _begins_later(self, fact: HistoryBeginsLater) -> None:
        text = f"history begins at {iso(fact.first_ms)}, not at {iso(fact.asked_ms)} as asked for"
        self._trouble("history", Unsupported(text))

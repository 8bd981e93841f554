"""The lake as the source of a data: no store, no network."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from pathlib import Path

from btccxt.bars.columns import Columns
from btccxt.bars.lake import LIVE, DataVenue, Lake, LakeView, SeriesKey
from btccxt.bars.mapped import map_file, open_mapped
from btccxt.bars.offline import find, not_fetched
from btccxt.bt.offline_source import OfflineSource
from btccxt.errors import ConfigError
from btccxt.model import Market, Trade
from btccxt.session.events import FeedRequest
from btccxt.timeframe import parse_timeframe

_SHOWN = 8


def find_venue(lake: Lake, symbol: str, exchange: str | None, market_type: str | None, mode: str | None) -> DataVenue:
    """Whose bars are meant by what was given; the exchange's own market goes first. Raises ConfigError."""
    found = {
        key.venue
        for key in lake.series()
        if key.symbol == symbol
        and exchange in (None, key.venue.exchange)
        and market_type in (None, key.venue.market_type)
        and mode in (None, key.venue.mode)
    }
    if mode is None and any(venue.mode == LIVE for venue in found):
        found = {venue for venue in found if venue.mode == LIVE}
    if len(found) == 1:
        return found.pop()
    if found:
        names = ", ".join(f"exchange={each.exchange!r}, mode={each.mode!r}" for each in sorted(found))
        raise ConfigError(f"several markets of the lake have {symbol}: give one of {names}")
    known = [str(key) for key in lake.series()]
    more = " ..." if len(known) > _SHOWN else ""
    shown = f"it has {', '.join(known[:_SHOWN])}{more}" if known else "it is empty"
    of = f" of {exchange}" if exchange is not None else ""
    raise ConfigError(f"the lake at {lake.path} has no {symbol}{of}; {shown}. btccxt data ls shows everything")


class LakeSource(OfflineSource):
    """A ``FeedSource`` of one venue's history."""

    def __init__(self, lake: Lake, venue: DataVenue) -> None:
        super().__init__(f"the lake of {venue.exchange}")
        self._venue = venue
        self._path = lake.path
        self._files: dict[FeedRequest, Path] = {}

    def _view(self) -> LakeView:
        return LakeView(Lake(self._path, create=False), self._venue)

    def markets(self) -> Mapping[str, Market]:
        """Steps, limits and fees, as the exchange told them last."""
        return self._view().markets()

    # -------------------------------------------------------------- FeedSource

    def timeframes(self) -> Collection[str]:
        """Those that are in the lake."""
        known = [key for key in self._view().lake.series() if key.venue == self._venue]
        return sorted({key.timeframe for key in known if key.timeframe is not None})

    def share(self, request: FeedRequest) -> None:
        """Have the bars in a file that other processes, to which this source is sent, map. Raises as ``history``."""
        found = self.history(request)
        if isinstance(found, Columns) and len(found) and request.timeframe is not None:
            series = self._view().bars(request.symbol, request.timeframe)
            self._files[request] = map_file(series, int(found.open_ms[0]), int(found.open_ms[-1]) + 1)

    def history(self, request: FeedRequest) -> Columns | list[Trade]:
        """Raises LakeError for what was never fetched."""
        if (file := self._files.get(request)) is not None and file.exists():
            return open_mapped(file)
        view = self._view()
        end_ms = request.to_ms if request.to_ms is not None else int(time.time() * 1000)
        self._check_symbol(view, request)
        if request.timeframe is None:
            return self._trades(view, request, end_ms)
        series = view.bars(request.symbol, request.timeframe)
        covered = series.covered()
        if request.to_ms is None and covered:
            end_ms = min(end_ms, covered[-1].to_ms)
        found = find(series, parse_timeframe(request.timeframe), request.from_ms, end_ms, request.last_bars)
        if found.missing or not covered:
            key = SeriesKey(self._venue, request.symbol, request.timeframe)
            raise not_fetched(key, found.missing or [found.asked])
        return found.columns

    def _trades(self, view: LakeView, request: FeedRequest, end_ms: int) -> list[Trade]:
        series = view.trades(request.symbol)
        covered = series.covered()
        from_ms = request.from_ms if request.from_ms is not None else covered[0].from_ms
        end_ms = end_ms if request.to_ms is not None else min(end_ms, covered[-1].to_ms)
        if missing := series.missing(from_ms, end_ms):
            raise not_fetched(SeriesKey(self._venue, request.symbol, None), missing)
        return series.read(from_ms, end_ms)

    def _check_symbol(self, view: LakeView, request: FeedRequest) -> None:
        known = [key for key in view.lake.series() if key.venue == self._venue]
        wanted = SeriesKey(self._venue, request.symbol, request.timeframe)
        if wanted in known:
            return
        beside = [str(key) for key in known if key.symbol == request.symbol] or [str(key) for key in known]
        more = " ..." if len(beside) > _SHOWN else ""
        shown = f"it has {', '.join(beside[:_SHOWN])}{more}" if beside else f"it has nothing of {self._venue}"
        raise ConfigError(f"the lake at {self._path} has no {wanted}; {shown}. btccxt data ls shows everything")

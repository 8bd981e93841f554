"""What a data's source is where nothing is connected: the lake, or bars that lie in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from btccxt.bars.columns import Columns
from btccxt.bars.seam import closed_until, first_open
from btccxt.bt.cerebro import CerebroLoop
from btccxt.bt.compat import bt
from btccxt.bt.ports import FeedHandle, History
from btccxt.errors import ConfigError
from btccxt.session.events import FeedEvent, FeedRequest
from btccxt.timeframe import Timeframe, parse_timeframe


class OfflineSource:
    """A ``FeedSource`` of history alone, and what cerebro asks of a store."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.cerebro_loop: CerebroLoop | None = None
        self._news: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = []

    # -------------------------------------------------------------- FeedSource

    def timeframes(self) -> Collection[str]:
        raise NotImplementedError

    def history(self, request: FeedRequest) -> History:
        raise NotImplementedError

    def open_feed(self, request: FeedRequest, sink: Callable[[FeedEvent], None]) -> FeedHandle:
        raise ConfigError(f"{self.name} has no live bars: give historical=True, or take the data from a store")

    def now_ms(self) -> float:
        return time.time() * 1000

    def wall_s(self, exchange_ms: float) -> float:
        return exchange_ms / 1000

    # -------------------------------------------------------------- what cerebro asks of a store

    def start(self, data: bt.AbstractDataBase | None = None, broker: Any = None) -> None:
        """Nothing is connected."""

    def stop(self) -> None:
        """Nothing is open."""

    def put_notification(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        self._news.append((msg, args, kwargs))

    def get_notifications(self) -> list[tuple[Any, tuple[Any, ...], dict[str, Any]]]:
        news, self._news = self._news, []
        return news

    @property
    def has_news(self) -> bool:
        return bool(self._news)


class ColumnsSource(OfflineSource):
    """Bars in memory, by symbol and timeframe: several processes may look at the same ones."""

    def __init__(self, columns: Mapping[tuple[str, str], Columns]) -> None:
        super().__init__("a study")
        self._columns = columns

    def timeframes(self) -> Collection[str]:
        return sorted({timeframe for _, timeframe in self._columns})

    def history(self, request: FeedRequest) -> Columns:
        """Raises ConfigError for bars that are not here."""
        found = self._columns.get((request.symbol, request.timeframe or ""))
        if found is None:
            raise ConfigError(f"there are no {request.timeframe or 'trades'} of {request.symbol} here")
        return found if not len(found) else _within(found, parse_timeframe(str(request.timeframe)), request)


def _within(columns: Columns, timeframe: Timeframe, request: FeedRequest) -> Columns:
    first_ms, last_ms = int(columns.open_ms[0]), int(columns.open_ms[-1])
    from_ms = first_ms if request.from_ms is None else first_open(timeframe, request.from_ms)
    end_ms = last_ms + 1 if request.to_ms is None else closed_until(timeframe, from_ms, request.to_ms)
    return columns.between(from_ms, max(from_ms, end_ms))

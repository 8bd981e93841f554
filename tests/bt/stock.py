"""Backtrader's own classes, used as they are: the fault tests show first what these do."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from btccxt.bt.compat import bt
from btccxt.bt.time import Stamper
from btccxt.model import Bar
from btccxt.timeframe import parse_timeframe

PAUSE = object()
"""In a script: nothing to deliver in one poll."""


class StockFeed(bt.feed.DataBase):
    """A live feed written as backtrader's documentation says, fed from a list of bars and pauses; ends after it."""

    params = (("bars", ()), ("frame", "1m"), ("live", True))

    def islive(self) -> bool:
        return self.p.live

    def start(self) -> None:
        super().start()
        self._script: deque[Any] = deque(self.p.bars)
        self._stamper = Stamper(parse_timeframe(self.p.frame), self.p.timeframe, at_open=False)

    def _load(self) -> bool | None:
        if not self._script:
            return False
        item = self._script.popleft()
        if item is PAUSE:
            return None
        values = (self._stamper.num(item.open_ms), item.open, item.high, item.low, item.close, item.volume, 0.0)
        lines = self.lines
        targets = (lines.datetime, lines.open, lines.high, lines.low, lines.close, lines.volume, lines.openinterest)
        for line, value in zip(targets, values, strict=True):
            line[0] = value
        return True


def stock_feed(bars: Iterable[Bar | object], clock_ms: float | None = None, **kwargs: Any) -> Any:
    """``clock_ms``: what backtrader shall take for the time of day (its own means for it: ``_tmoffset``)."""
    kwargs.setdefault("timeframe", bt.TimeFrame.Minutes)
    feed_class: Any = StockFeed
    feed = feed_class(bars=tuple(bars), **kwargs)
    if clock_ms is not None:
        feed._tmoffset = timedelta(milliseconds=clock_ms - time.time() * 1000)
    return feed

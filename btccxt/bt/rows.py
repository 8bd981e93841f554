"""Bars and trades as rows of a data's lines: each once, in order, within what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from btccxt.bt.time import Stamper
from btccxt.model import Bar, Trade
from btccxt.session.events import Hole
from btccxt.stamps import num_of_ms
from btccxt.timeframe import Timeframe

Row = tuple[float, float, float, float, float, float, float]  # stamp, open, high, low, close, volume, open interest
_NAN = float("nan")


class RowMaker:
    """Of one run. ``frame`` and ``stamper`` are None for trades; times in ms, None: no bound.

    ``newest_ms``: open of the newest bar, or time of the newest trade, that has become a row; -1: none has.
    ``close``: its price, NaN before. ``fillers``: stamps of bars that were invented.
    """

    def __init__(
        self,
        frame: Timeframe | None,
        stamper: Stamper | None,
        *,
        late_allowed: bool,
        on_late: Callable[[float], None],
    ) -> None:
        self.newest_ms = -1
        self.close = _NAN
        self.fillers: set[float] = set()
        self.from_ms: int | None = None
        self.to_ms: int | None = None
        self._frame = frame
        self._stamper = stamper
        self._late_allowed = late_allowed
        self._on_late = on_late

    def is_wanted(self, open_ms: int) -> bool:
        if self.from_ms is not None and open_ms < self.from_ms:
            return False
        if self.to_ms is None:
            return True
        end_ms = open_ms if self._frame is None else self._frame.next_open(open_ms)
        return end_ms <= self.to_ms

    def rows_of(self, items: Sequence[Bar] | Sequence[Trade]) -> Iterator[Row]:
        for item in items:
            if isinstance(item, Bar):
                if item.open_ms <= self.newest_ms or not self.is_wanted(item.open_ms):
                    continue
                self.newest_ms = item.open_ms
                self.close = item.close
                assert self._stamper is not None
                num = self._stamper.num(item.open_ms)
                yield (num, item.open, item.high, item.low, item.close, item.volume, 0.0)
            elif self.is_wanted(item.time_ms):
                if item.time_ms < self.newest_ms and not self._late_allowed:
                    self._on_late(num_of_ms(item.time_ms))
                    continue
                self.newest_ms = max(self.newest_ms, item.time_ms)
                price = item.price
                yield (num_of_ms(item.time_ms), price, price, price, price, item.amount, 0.0)

    def flat_rows(self, hole: Hole) -> Iterator[Row]:
        """Bars of volume 0 at the last price, in the place of those that the exchange has not."""
        assert self._frame is not None and self._stamper is not None
        price = self.close
        open_ms = hole.from_ms
        while open_ms < hole.to_ms:
            if open_ms > self.newest_ms and self.is_wanted(open_ms):
                self.newest_ms = open_ms
                num = self._stamper.num(open_ms)
                self.fillers.add(num)
                yield (num, price, price, price, price, 0.0, 0.0)
            open_ms = self._frame.next_open(open_ms)

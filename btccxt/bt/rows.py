"""Bars and trades as rows of a data's lines: each once, in order, within what was asked for."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence

from btccxt.bars.columns import PRICES, Columns
from btccxt.bt.time import Stamper, num_of_ms
from btccxt.model import Bar, Trade
from btccxt.notices import NoticeKind, StoreNotice, StrategyLag
from btccxt.observe.metrics import metrics
from btccxt.session.events import Hole
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

    def wanted_columns(self, history: Columns | Sequence[Bar]) -> tuple[array[float], ...]:
        """Stamp, prices and volume of the bars that are wanted, for lines that are filled at once."""
        assert self._stamper is not None
        if isinstance(history, Columns):
            while len(history) and not self.is_wanted(int(history.open_ms[-1])):
                history = history[:-1]
            if self.from_ms is not None and len(history):
                history = history.between(self.from_ms, int(history.open_ms[-1]) + 1)
            prices = [array("d", getattr(history, name).tobytes()) for name in PRICES]
            return (self._stamper.nums_of(history.open_ms), *prices)
        bars = [bar for bar in history if self.is_wanted(bar.open_ms)]
        prices = [array("d", [getattr(bar, name) for bar in bars]) for name in PRICES]
        return (array("d", self._stamper.nums([bar.open_ms for bar in bars])), *prices)

    def rows_of(self, items: Columns | Sequence[Bar] | Sequence[Trade]) -> Iterator[Row]:
        for item in items.bars() if isinstance(items, Columns) else items:
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


WORTH_SAYING_S = 1.0
_CAUGHT_UP_S = 0.25


class LagWatch:
    """One per feed. Said at ``worth_saying_s``, then at every doubling, then once when it is over."""

    def __init__(self, feed: str, tell: Callable[[StoreNotice], None], worth_saying_s: float = WORTH_SAYING_S) -> None:
        self._feed = feed
        self._tell = tell
        self._first_s = self._next_s = worth_saying_s

    def read(self, lag_s: float, waiting: int) -> None:
        """The strategy reads what arrived ``lag_s`` ago, while ``waiting`` more arrivals queue behind it."""
        metrics().strategy_lag(lag_s)
        if lag_s >= self._next_s:
            self._next_s = 2 * lag_s
            text = (
                f"{self._feed}: the strategy is {lag_s:.1f} s behind; {waiting} arrivals wait, nothing is lost. What "
                "next() does takes longer than the bars"
            )
            self._tell(StoreNotice(NoticeKind.STRATEGY_LAG, text, StrategyLag(self._feed, lag_s, waiting)))
        elif self._next_s > self._first_s and lag_s <= _CAUGHT_UP_S and not waiting:
            self._next_s = self._first_s
            lag = StrategyLag(self._feed, lag_s, 0, caught_up=True)
            self._tell(StoreNotice(NoticeKind.STRATEGY_LAG, f"{self._feed}: the strategy has caught up", lag))

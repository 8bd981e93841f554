"""Bars from trades, and longer bars from shorter ones (pure).

Sums are exact: amounts are added as decimals, so that a bar's volume equals the exchange's own to the last digit.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from btccxt.bars.closing import Correction
from btccxt.model import Bar, Trade, decimal_of
from btccxt.timeframe import Timeframe

_REMEMBERED = 16  # closed bars kept, to say what a late trade would have changed


class RecentIds:
    """The last ``capacity`` ids: duplicates come from reconnects and overlapping pages, never from long ago."""

    __slots__ = ("_capacity", "_ids")

    def __init__(self, capacity: int = 10_000) -> None:
        self._capacity = capacity
        self._ids: OrderedDict[str, None] = OrderedDict()

    def add(self, trade_id: str) -> bool:
        """True if the id is new. Trades without an id always are."""
        if not trade_id:
            return True
        if trade_id in self._ids:
            return False
        self._ids[trade_id] = None
        if len(self._ids) > self._capacity:
            self._ids.popitem(last=False)
        return True

    def __contains__(self, trade_id: str) -> bool:
        return trade_id in self._ids


class _FormingBar:
    __slots__ = ("close", "first", "high", "last", "low", "open", "open_ms", "volume")

    def __init__(self, open_ms: int, trade: Trade, order: tuple[int, int]) -> None:
        self.open_ms = open_ms
        self.open = self.high = self.low = self.close = trade.price
        self.volume = decimal_of(trade.amount)
        self.first = self.last = order

    def add(self, trade: Trade, order: tuple[int, int]) -> None:
        price = trade.price
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        if order >= self.last:
            self.last, self.close = order, price
        elif order < self.first:
            self.first, self.open = order, price
        self.volume += decimal_of(trade.amount)

    def bar(self) -> Bar:
        return Bar(self.open_ms, self.open, self.high, self.low, self.close, float(self.volume))


class TradeBars:
    """Trades of one symbol -> closed bars, each once, in order. Bars without trades do not appear.

    Trades may repeat (known by their id) and may come out of order inside the forming bar: where ids are numbers they
    order the trades of one millisecond, as exchanges number them. A trade of a bar that is closed already gives a
    Correction. Trades before ``start_ms`` are ignored: a bar whose beginning was not seen would be wrong.
    """

    def __init__(self, timeframe: Timeframe, *, start_ms: int = 0, remember_ids: int = 10_000) -> None:
        self._timeframe = timeframe
        self._start_ms = start_ms
        self._seen = RecentIds(remember_ids)
        self._forming: _FormingBar | None = None
        self._end_ms = 0  # close of the forming bar
        self._closed_ms = start_ms  # bars that open before this are closed
        self._closed: OrderedDict[int, _FormingBar] = OrderedDict()
        self._arrivals = 0
        self.late_trades = 0
        """Trades that came after their bar was closed."""

    @property
    def forming_close_ms(self) -> int | None:
        """Close of the forming bar, None before the first trade."""
        return self._end_ms if self._forming is not None else None

    def on_trade(self, trade: Trade) -> Sequence[Bar | Correction]:
        """The bar that this trade closed (usually none), or what it would have changed in a closed one."""
        time_ms = trade.time_ms
        if time_ms < self._start_ms or (trade.has_own_id and not self._seen.add(trade.trade_id)):
            return ()
        self._arrivals += 1
        order = (time_ms, int(trade.trade_id) if trade.trade_id.isdecimal() else self._arrivals)
        forming = self._forming
        if time_ms < self._closed_ms or (forming is not None and time_ms < forming.open_ms):
            return self._late(trade, order)
        if forming is not None and time_ms < self._end_ms:
            forming.add(trade, order)
            return ()
        closed = (self._take(),) if forming is not None else ()
        open_ms = self._timeframe.floor(time_ms)
        self._forming = _FormingBar(open_ms, trade, order)
        self._end_ms = self._timeframe.next_open(open_ms)
        return closed

    def due(self, now_ms: int, grace_ms: int) -> Bar | None:
        """The forming bar, if the exchange's clock has passed its close plus the grace."""
        if self._forming is None or now_ms < self._end_ms + grace_ms:
            return None
        return self._take()

    def restart(self, start_ms: int) -> None:
        """Trades were missed: drop the forming bar; only bars that open at ``start_ms`` or later are whole."""
        self._forming = None
        self._start_ms = max(self._start_ms, start_ms)
        self._closed_ms = max(self._closed_ms, start_ms)

    def _take(self) -> Bar:
        forming = self._forming
        assert forming is not None
        self._forming = None
        self._closed_ms = self._end_ms
        self._closed[forming.open_ms] = forming
        if len(self._closed) > _REMEMBERED:
            self._closed.popitem(last=False)
        return forming.bar()

    def _late(self, trade: Trade, order: tuple[int, int]) -> Sequence[Correction]:
        self.late_trades += 1
        closed = self._closed.get(self._timeframe.floor(trade.time_ms))
        if closed is None:
            return ()
        released = closed.bar()
        closed.add(trade, order)
        return (Correction(released, closed.bar()),)


class LongerBars:
    """Closed bars -> closed bars of a longer timeframe. Feed them in order, each once.

    A longer bar closes with the last shorter bar inside it, or with the first bar beyond it where that one is missing.
    The first longer bar is dropped if ``whole_only`` and its beginning was not seen.
    """

    def __init__(self, shorter: Timeframe, longer: Timeframe, *, whole_only: bool = True) -> None:
        if longer.approximate_ms <= shorter.approximate_ms:
            raise ValueError(f"{longer.name} bars cannot be made of {shorter.name} bars")
        self._shorter = shorter
        self._longer = longer
        self._whole_only = whole_only
        self._parts: list[Bar] = []
        self._open_ms = 0
        self._end_ms: int | None = None
        self._dropping = False

    def on_bar(self, bar: Bar) -> Sequence[Bar]:
        """Longer bars that this bar closed, oldest first: none, one, or two after a hole."""
        closed: list[Bar] = []
        if self._end_ms is not None and bar.open_ms >= self._end_ms:
            closed += self._take()
        if self._end_ms is None or not self._parts:
            first = self._end_ms is None
            self._open_ms = self._longer.floor(bar.open_ms)
            self._end_ms = self._longer.next_open(self._open_ms)
            self._dropping = first and self._whole_only and bar.open_ms > self._open_ms
        self._parts.append(bar)
        if self._shorter.next_open(bar.open_ms) >= self._end_ms:
            closed += self._take()
        return closed

    def _take(self) -> list[Bar]:
        parts, self._parts = self._parts, []
        if not parts or self._dropping:
            self._dropping = False
            return []
        return [
            Bar(
                self._open_ms,
                parts[0].open,
                max(bar.high for bar in parts),
                min(bar.low for bar in parts),
                parts[-1].close,
                float(sum((decimal_of(bar.volume) for bar in parts), Decimal(0))),
            )
        ]


def longer_bars(bars: Iterable[Bar], shorter: Timeframe, longer: Timeframe) -> Iterator[Bar]:
    """All longer bars that a run of closed shorter bars closes."""
    builder = LongerBars(shorter, longer)
    for bar in bars:
        yield from builder.on_bar(bar)

"""Which frames of a candle stream close a bar (pure; one instance per symbol and timeframe).

Every exchange streams the *forming* candle, each frame with the totals so far. Where the frame carries the exchange's
own closed flag (Binance ``k.x``, Bybit ``confirm``, OKX ``confirm``), the flag decides. Where it carries none
(``BarUpdate.closed is None``: Kraken, KuCoin, Bitget …), a bar is closed by the first frame with a newer open, or by
the exchange's clock passing its close plus a grace (``due``).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from btccxt.model import Bar, BarUpdate
from btccxt.timeframe import Timeframe

_REMEMBERED = 64  # closed bars kept to judge late frames; snapshots of Bitget and Bitfinex are not longer than that


@dataclass(frozen=True, slots=True)
class Correction:
    """The exchange changed its mind: ``late`` differs from ``released``, which was passed on and stays as it is."""

    released: Bar
    late: Bar


CloserEvent = Bar | Correction
_NOTHING: tuple[CloserEvent, ...] = ()


class BarCloser:
    """Frames of one candle stream -> closed bars, each once.

    ``reset()`` must be called when the connection breaks: the forming bar's last frame may then be an old one.
    """

    __slots__ = ("_closed", "_forming", "_grace_ms", "_last_closed_ms", "_timeframe", "newest_open_ms")

    def __init__(self, timeframe: Timeframe, grace_ms: int = 2_000) -> None:
        self._timeframe = timeframe
        self._grace_ms = grace_ms
        self._forming: Bar | None = None
        self._closed: OrderedDict[int, Bar] = OrderedDict()
        self._last_closed_ms = -1
        self.newest_open_ms = -1
        """Open of the newest bar that any frame spoke of."""

    def on_update(self, update: BarUpdate) -> Sequence[CloserEvent]:
        """Bars that this frame closed (usually none), or a Correction of one that is closed already."""
        bar = update.bar
        open_ms = bar.open_ms
        if open_ms > self.newest_open_ms:
            self.newest_open_ms = open_ms
        closed = update.closed
        if closed is False:  # the hot path: the exchange says it is still forming
            return _NOTHING
        if closed:
            return (self._close(bar),) if open_ms not in self._closed else self._late(bar)
        forming = self._forming
        if forming is None:
            if open_ms <= self._last_closed_ms:
                return self._late(bar)
            self._forming = bar
            return _NOTHING
        if open_ms == forming.open_ms:
            if bar.volume >= forming.volume:  # totals only grow: a smaller one is an older frame that came late
                self._forming = bar
            return _NOTHING
        if open_ms < forming.open_ms:
            return self._late(bar)
        self._forming = bar
        return (self._close(forming),)

    def due(self, now_ms: int) -> Sequence[CloserEvent]:
        """The forming bar, if the exchange's clock has passed its close plus the grace."""
        deadline = self.deadline_ms
        if deadline is None or now_ms < deadline or self._forming is None:
            return _NOTHING
        bar, self._forming = self._forming, None
        return (self._close(bar),)

    @property
    def deadline_ms(self) -> int | None:
        """When ``due`` would close the forming bar; None while none is known (or the exchange flags its bars)."""
        if self._forming is None:
            return None
        return self._timeframe.next_open(self._forming.open_ms) + self._grace_ms

    def confirms(self, bar: Bar) -> bool:
        """Whether the stream's last word on the forming bar is exactly this."""
        return bar == self._forming

    def reset(self) -> None:
        """Forget the forming bar: after a cut its last known frame may be incomplete."""
        self._forming = None

    def _close(self, bar: Bar) -> Bar:
        self._closed[bar.open_ms] = bar
        if len(self._closed) > _REMEMBERED:
            self._closed.popitem(last=False)
        if bar.open_ms > self._last_closed_ms:
            self._last_closed_ms = bar.open_ms
        return bar

    def _late(self, bar: Bar) -> Sequence[CloserEvent]:
        released = self._closed.get(bar.open_ms)
        if released is None or released == bar or bar.volume < released.volume:
            return _NOTHING  # too old to judge, the same again, or an earlier state of that bar
        return (Correction(released, bar),)

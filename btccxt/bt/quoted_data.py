"""A data with the best bid and ask beside its bars or trades: ``store.getdata(..., quotes=True)``."""

from __future__ import annotations

from btccxt.bt.compat import bt
from btccxt.bt.data import CCXTData
from btccxt.session.events import FeedEvent, QuoteSeen

_NAN = float("nan")


class CCXTQuotedData(CCXTData):
    """Lines ``bid``, ``ask`` and ``spread``: as the ticker stream told them last when the live bar or trade arrived.

    NaN in history, while the ticker stream is down, and where the exchange has no such stream.
    """

    lines = ("bid", "ask", "spread")  # type: ignore[assignment]  # backtrader makes the lines of it
    bid: bt.LineBuffer
    ask: bt.LineBuffer
    spread: bt.LineBuffer
    _quote = QuoteSeen(_NAN, _NAN)

    def start(self) -> None:
        self._quote = QuoteSeen(_NAN, _NAN)
        super().start()

    def _take(self, event: FeedEvent) -> None:
        if isinstance(event, QuoteSeen):
            self._quote = event
        else:
            super()._take(event)

    def _write(self, row: tuple[float, ...]) -> bool:
        quote = QuoteSeen(_NAN, _NAN)
        if self._rows_left == 0:  # what arrived together is older, but for the last
            quote, self._quote = self._quote, quote
        written = super()._write(row)
        if written:
            self.bid[0], self.ask[0], self.spread[0] = quote.bid, quote.ask, quote.ask - quote.bid
        return written

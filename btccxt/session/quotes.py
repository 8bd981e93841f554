"""What a feed asks for beside its bars: the best bid and ask told with each, and the order book in memory."""

from __future__ import annotations

from collections.abc import Callable

from btccxt.model import ConnectionState, OrderBook, StreamEvent, StreamKey, StreamKind, Ticker
from btccxt.session.events import BarsClosed, FeedEvent, FeedState, QuoteSeen, TicksArrived

Sink = Callable[[FeedEvent], None]
_NAN = float("nan")


class QuotedSink:
    """A feed's sink and a consumer of its symbol's ticker stream. While that is down there is no quote."""

    def __init__(self, symbol: str, sink: Sink) -> None:
        self.stream_key = StreamKey(StreamKind.TICKER, symbol)
        self._sink = sink
        self._quote: QuoteSeen | None = None
        self._is_live = False

    def __call__(self, event: FeedEvent) -> None:
        if isinstance(event, FeedState):
            self._is_live = event.state is ConnectionState.LIVE
        elif self._is_live and self._quote is not None and isinstance(event, BarsClosed | TicksArrived):
            self._sink(self._quote)  # of the past nobody knows it
        self._sink(event)

    def on_event(self, key: StreamKey, event: StreamEvent) -> None:
        if isinstance(event, Ticker):
            self._quote = QuoteSeen(event.bid or _NAN, event.ask or _NAN)

    def on_up(self, key: StreamKey) -> None:
        """The first ticker brings the quote."""

    def on_down(self, key: StreamKey, reason: str) -> None:
        if self._quote is not None:
            self._quote = QuoteSeen(_NAN, _NAN)


class BookWatch:
    """The newest order book of one symbol; None before the first and while its stream is down."""

    def __init__(self, symbol: str) -> None:
        self.stream_key = StreamKey(StreamKind.ORDER_BOOK, symbol)
        self.newest: OrderBook | None = None

    def on_event(self, key: StreamKey, event: StreamEvent) -> None:
        if isinstance(event, OrderBook):
            self.newest = event

    def on_up(self, key: StreamKey) -> None:
        """The first book follows."""

    def on_down(self, key: StreamKey, reason: str) -> None:
        self.newest = None

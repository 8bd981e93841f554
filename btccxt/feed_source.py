"""What a Data asks of its store: the request and the interface. The store implements it, tests fake it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from btccxt.model import Bar, Trade
from btccxt.session.events import FeedEvent


@dataclass(frozen=True, slots=True)
class FeedRequest:
    """What a Data wants of its store. Bars with ``from_ms <= open`` and ``close <= to_ms``; trades likewise by time."""

    symbol: str
    timeframe: str | None
    """ccxt's notation; None asks for single trades."""
    from_ms: int | None = None
    """None: the most recent page of history."""
    to_ms: int | None = None
    """None: for ever."""
    backfill_start: bool = True
    """History before the stream begins."""
    backfill: bool = True
    """Fetch what was missed after a disconnect."""
    bars: str = "candles"
    """'candles' (the exchange's) or 'trades' (built from trades)."""


class FeedHandle(Protocol):
    def close(self) -> None:
        """No more events. Idempotent, does not block."""


class FeedSource(Protocol):
    """What a Data needs of its store."""

    name: str
    """Of the exchange, for messages."""
    hub: Any
    """Set when a Data of this source joins a cerebro."""

    def timeframes(self) -> Collection[str]:
        """Candle timeframes on offer, in ccxt's notation. Does not ask the network."""

    def open_feed(self, request: FeedRequest, sink: Callable[[FeedEvent], None]) -> FeedHandle:
        """History, seam, stream. Does not block; ``sink`` may be called from any thread."""

    def history(self, request: FeedRequest) -> Sequence[Bar] | Sequence[Trade]:
        """All of it, oldest first. Blocks; called before the strategy starts."""

    def now_ms(self) -> float:
        """The exchange's clock."""

    def wall_s(self, exchange_ms: float) -> float:
        """Seconds on this computer that a span of the exchange's time takes."""

    def put_notification(self, msg: Any, *args: Any, **kwargs: Any) -> None: ...

"""What a feed tells its Data, in the order in which it happened. Made in the session thread, read in the strategy's."""

from __future__ import annotations

from dataclasses import dataclass

from btccxt.bars.closing import Correction
from btccxt.bars.seam import Hole, HoleCause
from btccxt.model import Bar, ConnectionState, Trade

__all__ = [
    "BarsClosed",
    "Correction",
    "FeedEnded",
    "FeedEvent",
    "FeedFailed",
    "FeedState",
    "Hole",
    "HoleCause",
    "QuoteSeen",
    "TicksArrived",
]


@dataclass(frozen=True, slots=True)
class BarsClosed:
    """Closed bars, oldest first, each newer than any sent before. ``by_rest``: how many of them REST told."""

    bars: tuple[Bar, ...]
    by_rest: int = 0


@dataclass(frozen=True, slots=True)
class TicksArrived:
    """Public trades, oldest first."""

    trades: tuple[Trade, ...]


@dataclass(frozen=True, slots=True)
class QuoteSeen:
    """The best bid and ask when the bars or trades told next arrived; NaN where there is none."""

    bid: float
    ask: float


@dataclass(frozen=True, slots=True)
class FeedState:
    """The feed's connection changed.

    CONNECTING: opening, history under way. LIVE: history is joined to the stream, every bar before this event is older
    than the stream's. STALE, RECONNECTING: no news from the exchange. DEGRADED: bars come, by polling. STOPPED: closed.
    """

    state: ConnectionState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FeedEnded:
    """Nothing more will come: ``to_ms`` is reached, or the market's data ends (a recorded market)."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class FeedFailed:
    """Nothing more will come, and this is why."""

    error: BaseException


FeedEvent = BarsClosed | TicksArrived | QuoteSeen | FeedState | Hole | Correction | FeedEnded | FeedFailed


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
    quotes: bool = False
    """Best bid and ask with every live bar or trade."""
    order_book: bool = False
    """Keep the symbol's order book in memory while this feed is open."""
    last_bars: int | None = None
    """So many of the newest closed bars, instead of ``from_ms``."""

"""What the stream supervisor is told and tells: its patience, whom it serves, its announcements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from btccxt.errors import ConfigError, Fatal
from btccxt.model import ConnectionState, StreamEvent, StreamKey, StreamKind
from btccxt.resilience.backoff import Backoff
from btccxt.resilience.checks import check_numbers, names_its_fields, waits_of
from btccxt.timeframe import parse_timeframe

_PAUSES_BELIEVED = 8  # so many times the longest pause so far
_HALF_FORGOTTEN_S = 300.0


class StreamConsumer(Protocol):
    """Whoever wants a stream. Called in the session's loop; none of these may block."""

    def on_event(self, key: StreamKey, event: StreamEvent) -> None: ...
    def on_up(self, key: StreamKey) -> None:
        """The subscription is active, again or for the first time: close the gap, then go on. May come repeatedly."""

    def on_down(self, key: StreamKey, reason: str) -> None:
        """Until ``on_up`` nothing comes; poll."""


@runtime_checkable
class SilenceJudge(Protocol):
    """A consumer that can find out whether silence is right, where nothing traded means nothing told."""

    def look_at_silence(self, key: StreamKey) -> bool:
        """True: it asks, and has the stream connected anew (``StreamSupervisor.suspect``) if that missed something."""


class StreamClock(Protocol):
    def wall_s(self, exchange_ms: float) -> float: ...


class Verdict(Enum):
    RETRY = "retry"
    GIVE_UP = "give up"


def default_verdict(error: BaseException, attempts: int) -> Verdict:
    """What repeating cannot help is not repeated; an error that nobody knows is, slowly."""
    return Verdict.GIVE_UP if isinstance(error, Fatal) else Verdict.RETRY


def _default_silence() -> Mapping[StreamKind, int]:
    quotes = {StreamKind.TICKER: 60_000, StreamKind.ORDER_BOOK: 60_000}
    return MappingProxyType({StreamKind.BARS: 90_000, StreamKind.TRADES: 120_000, **quotes})


@names_its_fields
@dataclass(frozen=True, slots=True)
class StreamPolicy:
    """How patient the supervisor is. ``silence_ms`` is exchange time; ``_s`` is wall time.

    ``silence_ms``: age of data after which a stream of that kind is taken for dead; kinds not listed may be silent for
    ever (private streams: nothing happens on most accounts most of the time). Candles of a few seconds are given 30
    bars' time. A stream that has been listened to for that long is given less if its pauses have been much shorter
    (``Rhythm``); nothing is given less than ``least_silence_s``.
    """

    keys_per_connection: int = 100
    silence_ms: Mapping[StreamKind, int] = field(default_factory=_default_silence)
    least_silence_s: float = 5.0
    most_silence_s: float = 600.0
    check_every_s: float = 1.0
    open_within_s: float = 30.0  # from dialling to the answer to the subscription
    proven_after_s: float = 10.0  # a connection that lasted this long has recovered
    degrade_after: int = 3  # failures in a row
    recover_after_s: float = 15.0  # a degraded stream must last this long before it counts as back
    told_within_s: float = 3.0  # a private stream that has not told of a fill this long after REST did is deaf
    backoff: Backoff = field(default_factory=Backoff)

    def __post_init__(self) -> None:
        may_be_zero = ("proven_after_s", "recover_after_s")
        above_zero = [name for name in waits_of(self) if name not in may_be_zero]
        check_numbers(
            self,
            at_least_one=("keys_per_connection", "degrade_after"), above_zero=above_zero, not_negative=may_be_zero,
        )  # fmt: skip
        for kind, silence_ms in self.silence_ms.items():
            if not isinstance(kind, StreamKind) or not silence_ms > 0:
                raise ConfigError(
                    f"StreamPolicy.silence_ms: {kind!r}: {silence_ms!r} is no StreamKind with time above 0"
                )

    def patience_s(self, key: StreamKey, clock: StreamClock) -> float | None:
        """Wall seconds of silence that are believed, at first."""
        silence_ms: float | None = self.silence_ms.get(key.kind)
        if silence_ms is None:
            return None
        if key.timeframe is not None:
            silence_ms = min(silence_ms, 30 * parse_timeframe(key.timeframe).approximate_ms)
        return max(self.least_silence_s, clock.wall_s(silence_ms))


class Rhythm:
    """How long one stream is used to be silent, in wall seconds: the longest pause, half forgotten every few minutes.

    Nothing is concluded before the stream has been listened to for as long as its first patience.
    """

    __slots__ = ("_heard_s", "_last_at", "_longest_s")

    def __init__(self) -> None:
        self._last_at: float | None = None
        self._longest_s = 0.0
        self._heard_s = 0.0

    def heard(self, now: float) -> None:
        """Data has come."""
        if self._last_at is not None:
            pause_s = now - self._last_at
            self._heard_s += pause_s
            self._longest_s = max(pause_s, self._longest_s * 0.5 ** (pause_s / _HALF_FORGOTTEN_S))
        self._last_at = now

    def interrupted(self) -> None:
        """A new connection: the pause until its first data says nothing."""
        self._last_at = None

    def doubted(self, silent_s: float) -> None:
        """This much silence was not believed. If it was a quiet market, it is believed from now on."""
        self._longest_s = max(self._longest_s, silent_s)

    def patience_s(self, first_s: float | None, least_s: float) -> float | None:
        """Silence to believe: never more than ``first_s``, never less than ``least_s``."""
        if first_s is None or self._heard_s < first_s:
            return first_s
        return min(first_s, max(least_s, _PAUSES_BELIEVED * self._longest_s))


@dataclass(frozen=True, slots=True)
class StreamChanged:
    """One transition, for log, metrics and the store's notifications."""

    key: StreamKey
    old: ConnectionState | None
    new: ConnectionState
    reason: str
    attempts: int

    def __str__(self) -> str:
        tries = f" (attempt {self.attempts})" if self.attempts else ""
        return f"{self.key}: {self.new.value}{tries}{': ' if self.reason else ''}{self.reason}"


@dataclass(frozen=True, slots=True)
class StreamHealth:
    """One stream at one instant. ``data_age_s`` is wall time; None: nothing has come yet."""

    key: StreamKey
    state: ConnectionState
    data_age_s: float | None
    attempts: int
    reconnects: int
    last_error: str
    patience_s: float | None  # silence that is believed at the moment; None: any


Listener = Callable[[StreamChanged], None]
Decide = Callable[[BaseException, int], Verdict]
OnTrouble = Callable[[str, BaseException], None]

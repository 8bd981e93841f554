"""What can go wrong between a client and an exchange, as data; and the switchboard that makes it go wrong.

A ``Fault`` says what happens (``kind``), to which requests or frames (patterns), and when (``nth``, ``times``,
``probability``, ``duration_s``). A ``FaultPlan`` is a list of them with a seed. ``Faults`` is live: faults are added
and cleared while the exchange runs, from any thread, and every strike is kept in ``log``.

Each fault draws from a random stream of its own, so a plan replays exactly for the same sequence of requests.
Durations and delays are wall seconds: they concern the network, not the market.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatchcase


class FaultKind(str, Enum):
    # Requests: REST calls, and calls over a WebSocket API (their ``method`` is 'WS', their ``path`` the call's name).
    DROP_REQUEST = "drop_request"  # cut before the exchange accepted anything
    IGNORE_REQUEST = "ignore_request"  # not accepted, and no answer either
    LOSE_ANSWER = "lose_answer"  # accepted; the connection is cut before the answer
    CUT_ANSWER = "cut_answer"  # accepted; the connection is cut in the middle of the answer
    HANG = "hang"  # accepted; the answer never comes
    ERROR_BEFORE = "error_before"  # HTTP ``status``; nothing was accepted
    ERROR_AFTER = "error_after"  # HTTP ``status`` although accepted
    HTML_ANSWER = "html_answer"  # accepted; 200 with a page of some proxy
    EMPTY_ANSWER = "empty_answer"  # accepted; 200 with no body
    TRUNCATED_ANSWER = "truncated_answer"  # accepted; 200 with half of the JSON
    ODD_ANSWER = "odd_answer"  # accepted; ``status`` with ``body``, or with what ``change`` makes of the true one
    DELAY_REQUEST = "delay_request"  # ``delay_s`` before it is accepted
    DELAY_ANSWER = "delay_answer"  # ``delay_s`` after it was accepted
    RATE_LIMIT = "rate_limit"  # 429 with Retry-After: ``retry_after_s``; nothing accepted
    BAN = "ban"  # 418 with Retry-After; nothing accepted
    MAINTENANCE = "maintenance"  # standing: 503 to every request, no new connection
    CLOCK_SKEW = "clock_skew"  # standing: the exchange's clock is off by ``skew_ms``
    # WebSocket connections and the frames that the exchange pushes.
    REFUSE_CONNECTION = "refuse_connection"  # standing: the handshake is answered with ``status``
    CUT = "cut"  # the connection breaks where this frame should come
    CLOSE = "close"  # a close frame with ``close_code`` comes in its place
    SILENCE = "silence"  # standing: pushed frames stop, pings are answered
    HALF_OPEN = "half_open"  # standing: nothing comes any more, no pong either, yet the socket stays open
    LOSE_FRAME = "lose_frame"
    DUPLICATE = "duplicate"
    REORDER = "reorder"  # this frame comes after the next one of its connection
    MALFORMED = "malformed"  # ``body`` in its place, or what ``change`` makes of it, or half of its JSON
    SLOW = "slow"  # standing: frames trickle, one every ``delay_s``


_STANDING = frozenset(
    {
        FaultKind.MAINTENANCE,
        FaultKind.CLOCK_SKEW,
        FaultKind.REFUSE_CONNECTION,
        FaultKind.SILENCE,
        FaultKind.HALF_OPEN,
        FaultKind.SLOW,
    }
)
_DELAYS = frozenset({FaultKind.DELAY_REQUEST, FaultKind.DELAY_ANSWER})
_FRAME_KINDS = frozenset(
    {
        FaultKind.CUT,
        FaultKind.CLOSE,
        FaultKind.SILENCE,
        FaultKind.HALF_OPEN,
        FaultKind.LOSE_FRAME,
        FaultKind.DUPLICATE,
        FaultKind.REORDER,
        FaultKind.MALFORMED,
        FaultKind.SLOW,
    }
)
_CONNECTION_KINDS = frozenset({FaultKind.REFUSE_CONNECTION, FaultKind.MAINTENANCE})
_REQUEST_KINDS = frozenset(FaultKind) - _FRAME_KINDS - {FaultKind.REFUSE_CONNECTION, FaultKind.CLOCK_SKEW}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong. Patterns are shell-style and case-sensitive (``'*kline_1m'``).

    Single faults strike ``times`` matches from the ``nth`` on (``times=None``: all of them), each with
    ``probability``. Standing faults (see ``FaultKind``) begin with the ``nth`` match and last ``duration_s``, or
    until they are cleared; those of connections spare connections opened after they began, unless
    ``reconnect_heals`` is False.
    """

    kind: FaultKind
    method: str = "*"
    path: str = "*"  # of the request, or of the connection
    stream: str = "*"  # topic of the frame: 'btcusdt@kline_1m'; private streams are called 'user'
    host: str = "*"
    nth: int = 1
    times: int | None = 1
    probability: float = 1.0
    duration_s: float | None = None
    reconnect_heals: bool = True
    delay_s: float = 0.1
    retry_after_s: int = 1
    status: int = 503
    body: str | None = None  # of an error answer or a malformed frame, in place of the usual one
    change: Callable[[bytes], bytes] | None = None
    close_code: int = 1001
    skew_ms: int = 0

    @property
    def is_standing(self) -> bool:
        return self.kind in _STANDING

    def body_for(self, true: bytes) -> bytes:
        """What comes in place of the true answer or frame."""
        if self.body is not None:
            return self.body.encode()
        return true[: len(true) // 2] if self.change is None else self.change(true)


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Faults that stand from the start, and the seed of their randomness."""

    faults: tuple[Fault, ...] = ()
    seed: int = 0


@dataclass(frozen=True, slots=True)
class AppliedFault:
    """One strike. ``match`` counts what the fault's patterns had matched by then."""

    fault: Fault
    target: str  # 'POST /api/v3/order', 'btcusdt@kline_1m'
    match: int
    time_ns: int = field(compare=False, default=0)


@dataclass(frozen=True, slots=True)
class RequestFaults:
    """What strikes one request: delays, and at most one fault that decides its fate."""

    delay_before_s: float = 0.0
    delay_after_s: float = 0.0
    fate: Fault | None = None


NO_FAULTS = RequestFaults()


class _Entry:
    __slots__ = ("began_s", "fault", "last_connection", "matches", "random", "strikes")

    def __init__(self, fault: Fault, seed: str) -> None:
        self.fault = fault
        self.random = random.Random(seed)
        self.matches = 0
        self.strikes = 0
        self.began_s: float | None = None  # standing faults only
        self.last_connection = 0

    def spares(self, connection: int) -> bool:
        """A standing fault of connections leaves those alone that were opened after it began."""
        return self.began_s is not None and self.fault.reconnect_heals and connection > self.last_connection


class Faults:
    """The live switchboard. Safe to use from any thread."""

    def __init__(
        self,
        plan: FaultPlan | Iterable[Fault] = (),
        *,
        seed: int = 0,
        wall_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """``seed`` counts where the plan brings none; ``wall_s`` is the time that durations are measured in."""
        if isinstance(plan, FaultPlan):
            seed = plan.seed
            plan = plan.faults
        self._seed = seed
        self._lock = threading.Lock()
        self._now = wall_s
        self._entries: dict[int, _Entry] = {}
        self._log: list[AppliedFault] = []
        self._added = 0
        self._frame_entries: tuple[_Entry, ...] = ()  # the push path looks here first: empty costs nothing
        self._newest_connection = 0
        for fault in plan:
            self.add(fault)

    # -------------------------------------------------------------- from outside

    def add(self, fault: Fault) -> int:
        """Let it stand from now on. The number returned takes it away again (``remove``)."""
        with self._lock:
            self._added += 1
            entry = _Entry(fault, f"{self._seed}:{self._added}")
            if fault.is_standing and fault.nth <= 1 and fault.probability >= 1:
                entry.began_s, entry.last_connection = self._now(), self._newest_connection
            self._entries[self._added] = entry
            self._refresh()
            return self._added

    def remove(self, number: int) -> None:
        with self._lock:
            self._entries.pop(number, None)
            self._refresh()

    def clear(self) -> None:
        """All is well again; ``log`` stays."""
        with self._lock:
            self._entries.clear()
            self._refresh()

    @property
    def log(self) -> tuple[AppliedFault, ...]:
        """Every strike so far, in order. A standing fault is logged once for each request or frame that it hit."""
        with self._lock:
            return tuple(self._log)

    @property
    def active(self) -> tuple[Fault, ...]:
        with self._lock:
            return tuple(entry.fault for entry in self._entries.values())

    def stands(self, kind: FaultKind) -> bool:
        """Whether a standing fault of this kind has begun and is not over."""
        with self._lock:
            return any(entry.fault.kind is kind and self._stands(entry) for entry in self._entries.values())

    # -------------------------------------------------------------- asked by the server

    def on_request(self, host: str, method: str, path: str) -> RequestFaults:
        if not self._entries:  # nothing to lock for
            return NO_FAULTS
        before = after = 0.0
        with self._lock:
            for entry in self._entries.values():
                fault = entry.fault
                if fault.kind not in _REQUEST_KINDS or not _matches(fault, host, method, path):
                    continue
                if not self._strikes(entry, f"{method} {path}"):
                    continue
                if fault.kind is FaultKind.DELAY_REQUEST:
                    before += fault.delay_s
                elif fault.kind is FaultKind.DELAY_ANSWER:
                    after += fault.delay_s
                else:
                    return RequestFaults(before, after, fault)
        return RequestFaults(before, after) if before or after else NO_FAULTS

    def on_connect(self, host: str, path: str, connection: int) -> Fault | None:
        """Asked at each WebSocket handshake; ``connection`` numbers connections upwards."""
        with self._lock:
            for entry in self._entries.values():
                fault = entry.fault
                if (
                    fault.kind in _CONNECTION_KINDS
                    and _matches(fault, host, "*", path)
                    and self._strikes(entry, f"connect {path}")
                ):
                    return fault
            self._newest_connection = max(self._newest_connection, connection)
        return None

    @property
    def touch_frames(self) -> bool:
        return bool(self._frame_entries)

    def on_frame(self, host: str, path: str, topic: str, connection: int) -> Fault | None:
        """The fault that strikes this pushed frame, if any. ``topic`` is '' for answers, which only HALF_OPEN holds."""
        entries = self._frame_entries
        if not entries:
            return None
        with self._lock:
            self._newest_connection = max(self._newest_connection, connection)
            for entry in entries:
                fault = entry.fault
                if not topic and fault.kind is not FaultKind.HALF_OPEN:
                    continue
                if not _matches(fault, host, "*", path) or (topic and not fnmatchcase(topic, fault.stream)):
                    continue
                if (
                    fault.is_standing
                    and fault.reconnect_heals
                    and entry.began_s is not None
                    and connection > entry.last_connection
                ):
                    continue
                if self._strikes(entry, topic or path):
                    return fault
        return None

    def is_half_open(self, host: str, path: str, connection: int) -> bool:
        """Whether pings of this connection stay unanswered."""
        with self._lock:
            for entry in self._frame_entries:
                fault = entry.fault
                if fault.kind is not FaultKind.HALF_OPEN or not self._stands(entry):
                    continue
                if entry.spares(connection):
                    continue
                if _matches(fault, host, "*", path):
                    return True
        return False

    @property
    def skew_ms(self) -> int:
        if not self._entries:
            return 0
        with self._lock:
            return sum(
                entry.fault.skew_ms
                for entry in self._entries.values()
                if entry.fault.kind is FaultKind.CLOCK_SKEW and self._stands(entry)
            )

    # -------------------------------------------------------------- inside, with the lock held

    def _refresh(self) -> None:
        self._frame_entries = tuple(entry for entry in self._entries.values() if entry.fault.kind in _FRAME_KINDS)

    def _stands(self, entry: _Entry) -> bool:
        fault = entry.fault
        if entry.began_s is None:
            return False
        return fault.duration_s is None or self._now() - entry.began_s < fault.duration_s

    def _strikes(self, entry: _Entry, target: str) -> bool:
        fault = entry.fault
        entry.matches += 1
        if fault.is_standing:
            if entry.began_s is None and entry.matches >= fault.nth and self._draws(entry):
                entry.began_s, entry.last_connection = self._now(), self._newest_connection
            struck = self._stands(entry)
        else:
            in_turn = entry.matches >= fault.nth and (fault.times is None or entry.strikes < fault.times)
            struck = in_turn and self._draws(entry)
        if struck:
            entry.strikes += 1
            self._log.append(AppliedFault(fault, target, entry.matches, time.time_ns()))
        return struck

    @staticmethod
    def _draws(entry: _Entry) -> bool:
        return entry.fault.probability >= 1 or entry.random.random() < entry.fault.probability


def _matches(fault: Fault, host: str, method: str, path: str) -> bool:
    return (
        (fault.path == "*" or fnmatchcase(path, fault.path))
        and (fault.method == "*" or method == "*" or fnmatchcase(method, fault.method))
        and (fault.host == "*" or fnmatchcase(host, fault.host))
    )

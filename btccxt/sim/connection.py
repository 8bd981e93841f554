"""WebSocket connections as the exchange sees them, and the fan-out of one event to all who subscribed.

An event is encoded once and framed once; each subscriber costs one ``transport.write``. That is what lets one
process push thousands of frames a second.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections import deque
from typing import Any

from btccxt.sim.faults import Fault, FaultKind, Faults

_GOODBYE_S = 1.0
_MAX_BACKLOG_BYTES = 16 * 2**20  # a client that reads this much too slowly is thrown out, as real exchanges do


def text_frame(payload: bytes) -> bytes:
    """A whole unmasked WebSocket text frame (RFC 6455, 5.2)."""
    return _frame(b"\x81", payload)


def binary_frame(payload: bytes) -> bytes:
    return _frame(b"\x82", payload)


def _frame(head: bytes, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return head + bytes((size,)) + payload
    if size < 65536:
        return head + b"\x7e" + struct.pack("!H", size) + payload
    return head + b"\x7f" + struct.pack("!Q", size) + payload


class Connection:
    """One client's socket. Belongs to the server's loop; ``topics`` is kept by the ``Hub``."""

    def __init__(
        self,
        serial: int,
        host: str,
        path: str,
        query: str,
        transport: Any,
        faults: Faults,
    ) -> None:
        self.serial = serial
        self.host = host
        self.path = path
        self.query = query
        self.opened_ns = time.time_ns()
        self.topics: set[str] = set()
        self.state: Any = None  # whatever the dialect keeps per connection
        self.frames_sent = 0
        self._closing = False
        self._transport = transport
        self._faults = faults
        self._loop = asyncio.get_running_loop()
        self._received: deque[float] = deque()
        self._held: bytes | None = None
        self._backlog: deque[bytes] = deque()
        self._deferred = False

    # -------------------------------------------------------------- out

    def send(self, payload: bytes, topic: str = "") -> None:
        """An answer (no topic), or a push on ``topic``."""
        self.send_frame(text_frame(payload), payload, topic)

    def send_frame(self, frame: bytes, payload: bytes, topic: str) -> None:
        if self._deferred or self._faults.touch_frames:
            self._send_troubled(frame, payload, topic)
        else:
            self._write(frame)

    def send_binary(self, payload: bytes) -> None:
        self._write(binary_frame(payload))

    def close(self, code: int, reason: str = "") -> None:
        """Say goodbye properly: a close frame with this code. A client that does not answer it is cut off.

        aiohttp's own ``close`` shuts the socket before the client has answered, who then sees 1006.
        """
        if not self._closing:
            self._closing = True
            payload = struct.pack("!H", code) + reason.encode()
            if not self._transport.is_closing():  # TLS that is gone cannot be written to
                self._transport.write(b"\x88" + bytes((len(payload),)) + payload)
            self._loop.call_later(_GOODBYE_S, self.abort)

    def abort(self) -> None:
        """Break the connection without a word."""
        self._transport.abort()

    @property
    def is_half_open(self) -> bool:
        return self._faults.is_half_open(self.host, self.path, self.serial)

    def received_too_fast(self, limit: int, window_s: float) -> bool:
        """Count one message from the client; True when more than ``limit`` came within ``window_s`` (wall time)."""
        now = self._loop.time()
        received = self._received
        received.append(now)
        while received[0] <= now - window_s:
            received.popleft()
        return len(received) > limit

    def _write(self, frame: bytes) -> None:
        transport = self._transport
        if self._closing or transport.is_closing():
            return
        self.frames_sent += 1
        transport.write(frame)
        if transport.get_write_buffer_size() > _MAX_BACKLOG_BYTES:
            transport.abort()

    def _send_troubled(self, frame: bytes, payload: bytes, topic: str) -> None:
        fault = self._faults.on_frame(self.host, self.path, topic, self.serial)
        if fault is None:
            self._write_in_order(frame)
        elif fault.kind is FaultKind.CUT:
            self.abort()
        elif fault.kind is FaultKind.CLOSE:
            self.close(fault.close_code, "going away")
        elif fault.kind is FaultKind.DUPLICATE:
            self._write_in_order(frame)
            self._write_in_order(frame)
        elif fault.kind is FaultKind.MALFORMED:
            self._write_in_order(text_frame(fault.body_for(payload)))
        elif fault.kind is FaultKind.REORDER:
            self._held, self._deferred = frame, True
        elif fault.kind is FaultKind.SLOW:
            self._backlog.append(frame)
            if len(self._backlog) == 1:
                self._deferred = True
                self._loop.call_later(fault.delay_s, self._trickle, fault)
        # SILENCE, HALF_OPEN and LOSE_FRAME: nothing is sent

    def _write_in_order(self, frame: bytes) -> None:
        if self._backlog:
            self._backlog.append(frame)
            return
        self._write(frame)
        if self._held is not None:
            held, self._held = self._held, None
            self._deferred = bool(self._backlog)
            self._write(held)

    def _trickle(self, fault: Fault) -> None:
        if not self._backlog:
            return
        self._write(self._backlog.popleft())
        if self._backlog and fault not in self._faults.active:  # the line is quick again
            while self._backlog:
                self._write(self._backlog.popleft())
        if self._backlog:
            self._loop.call_later(fault.delay_s, self._trickle, fault)
        else:
            self._deferred = self._held is not None


class Hub:
    """Who wants what. Topics are strings of the dialect's own choosing."""

    def __init__(self) -> None:
        self._subscribers: dict[str, dict[Connection, None]] = {}

    def subscribe(self, connection: Connection, topic: str) -> bool:
        """False when it was subscribed already."""
        if topic in connection.topics:
            return False
        connection.topics.add(topic)
        self._subscribers.setdefault(topic, {})[connection] = None
        return True

    def unsubscribe(self, connection: Connection, topic: str) -> bool:
        """False when it was not subscribed."""
        if topic not in connection.topics:
            return False
        connection.topics.discard(topic)
        subscribers = self._subscribers[topic]
        subscribers.pop(connection, None)
        if not subscribers:
            del self._subscribers[topic]
        return True

    def drop(self, connection: Connection) -> None:
        for topic in tuple(connection.topics):
            self.unsubscribe(connection, topic)

    def has(self, topic: str) -> bool:
        return topic in self._subscribers

    @property
    def topics(self) -> tuple[str, ...]:
        return tuple(self._subscribers)

    def subscribers(self, topic: str) -> tuple[Connection, ...]:
        return tuple(self._subscribers.get(topic, ()))

    def publish(self, topic: str, payload: bytes, name: str | None = None) -> None:
        """To every subscriber of ``topic``. ``name`` is what fault patterns see, where it differs from the topic."""
        subscribers = self._subscribers.get(topic)
        if not subscribers:
            return
        frame = text_frame(payload)
        name = topic if name is None else name
        for connection in tuple(subscribers):
            connection.send_frame(frame, payload, name)

"""The inbox through which everything from the session threads reaches the strategy's thread.

One inbox serves all feeds, brokers and stores of a cerebro, so that one wait covers them all: whatever rings, the
strategy's thread wakes once and finds every event at its target. Knows nothing of backtrader.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from typing import Any, Protocol

_PATIENCE_S = 0.001  # the other thread may be busy with something else: then nothing is gained by waiting


class ThreadHandover:
    """Givers call ``pass_on`` after they have rung; the one taker calls ``taken`` when it has woken."""

    __slots__ = ("_lock", "_offered")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self._offered = False

    def offer(self) -> None:
        """Before ringing. Any thread but the taker's."""
        self._offered = True

    def pass_on(self) -> bool:
        """After ringing: wait until the taker has begun, at most a millisecond; whether it has."""
        taken = self._lock.acquire(timeout=_PATIENCE_S)
        self._offered = False
        return taken

    def taken(self) -> None:
        """The taker's thread: the giver may go on. Costs nothing where nobody waits."""
        # With several givers a release may be lost or left over: one of them waits a millisecond, or not at all.
        if self._offered and self._lock.locked():
            self._lock.release()


class Target(Protocol):
    """Whoever gets events. ``arrivals`` is filled and emptied in the strategy's thread only."""

    arrivals: deque[Any]


class EventInbox:
    """Many writers, one reader. A ``put`` costs well under a microsecond and never blocks."""

    __slots__ = ("_handover", "_is_waiting", "_queue")

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[Target | None, Any]] = queue.SimpleQueue()
        self._handover = ThreadHandover()
        self._is_waiting = False

    def put(self, target: Target, event: Any) -> None:
        """Hand an event to ``target`` and ring. Any thread."""
        self._queue.put((target, event))

    def put_urgent(self, target: Target, event: Any) -> None:
        """The same for what is urgent: a reader that waits begins at once, before the writer goes on. Any other thread.

        Blocks for as long as it takes to wake the reader, at most a millisecond.
        """
        if not self._is_waiting:
            self._queue.put((target, event))
            return
        self._handover.offer()
        self._queue.put((target, event))
        self._handover.pass_on()

    def wake(self) -> None:
        """Ring without an event. Any thread."""
        self._queue.put((None, None))

    def deliver(self, patience_s: float = 0.0) -> bool:
        """Move what has arrived to the targets; True if somebody rang. Strategy thread only.

        Waits up to ``patience_s`` for the first ring. Takes only what is there at that moment: writers that never
        pause cannot keep the reader here.
        """
        inbox = self._queue
        waiting = inbox.qsize()
        if not waiting:
            if patience_s <= 0.0:
                return False
            self._is_waiting = True
            try:
                target, event = inbox.get(timeout=patience_s)
            except queue.Empty:
                return False
            finally:
                self._is_waiting = False
                self._handover.taken()
            if target is not None:
                target.arrivals.append(event)
            waiting = inbox.qsize()
        for _ in range(waiting):
            target, event = inbox.get_nowait()
            if target is not None:
                target.arrivals.append(event)
        return True

    def clear(self) -> None:
        """Forget what nobody will read any more (the run has ended)."""
        for _ in range(self._queue.qsize()):
            self._queue.get_nowait()

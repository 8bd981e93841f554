"""Handing the interpreter over: the thread that was just rung runs now, not when this one has nothing left to do.

A thread of Python keeps the interpreter for as long as it has work, up to ``sys.getswitchinterval()`` (5 ms), whoever
waits for it. Where the other thread's work is the urgent one (an order on its way out, a fill on its way in) that is
half a millisecond lost. So the giver rings, waits on the baton, which frees the interpreter, and goes on as soon as the
other has begun.
"""

from __future__ import annotations

import threading

_PATIENCE_S = 0.001  # the other thread may be busy with something else: then nothing is gained by waiting


class Baton:
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

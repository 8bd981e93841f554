"""Clocks of the embedded exchange: market time may run faster than the wall's, or stand still until told to move."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Protocol


class MarketClock(Protocol):
    """What the market runner and the server need of a clock. ``speed`` is market seconds per wall second."""

    speed: float
    step_ms: int  # the market moves on in steps of this length, unless something is due sooner

    def now_ms(self) -> int: ...

    def wall_s(self, market_ms: float) -> float:
        """A market duration as seconds on this machine."""

    async def wait_until(self, market_ms: int) -> None:
        """Return when ``now_ms()`` has reached ``market_ms``."""


class SimClock:
    """``speed`` market seconds per wall second, from ``start_ms`` on. Any thread may read it; it never jumps."""

    def __init__(self, start_ms: int, speed: float = 1.0) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be above zero, not {speed}")
        self.start_ms = start_ms
        self.speed = speed
        self.step_ms = max(1, round(20 * speed))
        self._anchor_s = time.monotonic()

    def now_ms(self) -> int:
        return self.start_ms + int((time.monotonic() - self._anchor_s) * 1000 * self.speed)

    def wall_s(self, market_ms: float) -> float:
        return market_ms / 1000 / self.speed

    async def wait_until(self, market_ms: int) -> None:
        while (left_ms := market_ms - self.now_ms()) > 0:  # noqa: ASYNC110 - nothing else could signal that time passed
            await asyncio.sleep(self.wall_s(left_ms))


class SteppedClock:
    """Moves only by ``advance``. Any thread may read and advance it; waiters in any loop wake up."""

    def __init__(self, start_ms: int, speed: float = 1.0) -> None:
        self.start_ms = start_ms
        self.speed = speed
        self.step_ms = 1  # every advance counts
        self._now_ms = start_ms
        self._lock = threading.Lock()
        self._waiting: list[tuple[int, asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    def now_ms(self) -> int:
        return self._now_ms

    def wall_s(self, market_ms: float) -> float:
        return market_ms / 1000 / self.speed

    def advance(self, ms: int) -> int:
        """Move on by ``ms``; returns the new time."""
        if ms < 0:
            raise ValueError(f"time does not go back (advance by {ms} ms)")
        with self._lock:
            self._now_ms += ms
            due = [waiter for waiter in self._waiting if waiter[0] <= self._now_ms]
            self._waiting = [waiter for waiter in self._waiting if waiter[0] > self._now_ms]
        for _, loop, future in due:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_wake, future)
        return self._now_ms

    async def wait_until(self, market_ms: int) -> None:
        loop = asyncio.get_running_loop()
        with self._lock:
            if self._now_ms >= market_ms:
                return
            future: asyncio.Future[None] = loop.create_future()
            self._waiting.append((market_ms, loop, future))
        await future


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)

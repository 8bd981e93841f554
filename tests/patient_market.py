"""An embedded exchange whose time waits for the program: for its strategies to look at each bar, and for their orders.

A market that runs three hundred times faster than the wall's clock closes a bar every fifth of a second. What a test
says of the first live bar, of the third, of an order's way in between, would hold on an idle machine only. Here market
time runs as fast as it is told to, but never gets farther than most of a bar ahead of the last bar that a strategy has
seen, and stands still while an order is on its way. So a test may ask for any speed and says the same on any machine.
"""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone, tzinfo
from typing import Any
from unittest.mock import patch

from btccxt.bt.cerebro import CerebroLoop
from btccxt.bt.data import CCXTData
from btccxt.bt.time import ms_of_num
from btccxt.orders.tracker import OrderTracker
from btccxt.sim.clock import SimClock

START = datetime(2026, 1, 5, 12, tzinfo=timezone.utc)
AHEAD_MS = 30_000  # less than a bar, or its orders were refused for its age; more than a late bar is waited for
GIVEN_UP_S = 60.0  # nobody comes any more: the strategy looks at nothing, or an order is to stay on its way
_MINUTE_MS = 60_000
_LOOK_S = 0.002


class Program:
    """How far it has come: the bars its datas have read, and the orders that are on their way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begin_ms = 0
        self._due_ms: dict[int, float] = {}  # by loop: when its next bar closes
        self._has_begun = False
        self._may_go_on: Callable[[], bool] = lambda: True
        self._trackers: weakref.WeakSet[OrderTracker] = weakref.WeakSet()

    def stands_still_until(self, condition: Callable[[], bool]) -> None:
        """The market, from now on: the strategy's order is to meet the book that it looks at."""
        self._may_go_on = condition

    def begins(self, start_ms: int) -> None:
        with self._lock:
            self._begin_ms = max(self._begin_ms, start_ms)

    def tracks(self, tracker: OrderTracker) -> None:
        with self._lock:
            self._trackers.add(tracker)

    def has_seen(self, loop: CerebroLoop) -> None:
        """Its strategies have looked at every bar that its datas have."""
        due_ms = [self._next_close_ms(feed) for feed in loop._alive.values() if isinstance(feed, CCXTData)]
        with self._lock:
            self._has_begun = True
            self._due_ms[id(loop)] = min(due_ms, default=float("inf"))

    def _next_close_ms(self, data: CCXTData) -> int:
        length_ms = _MINUTE_MS if data._frame is None else data._frame.length_ms or _MINUTE_MS
        if not len(data):
            return self._begin_ms + length_ms
        return ms_of_num(data.datetime[0]) + length_ms * (2 if data.p.stamp == "open" else 1)

    def ends(self, loop: CerebroLoop) -> None:
        with self._lock:
            self._due_ms.pop(id(loop), None)

    def limit_ms(self) -> float:
        """Market time that must not be passed yet."""
        with self._lock:
            if not self._may_go_on() or self._has_orders_on_their_way():
                return float("-inf")
            if not self._has_begun:  # a bar that closed before its feed is open would never come, and be waited for
                return self._begin_ms + AHEAD_MS
            return min(self._due_ms.values(), default=float("inf")) + AHEAD_MS

    def _has_orders_on_their_way(self) -> bool:
        try:
            return not all(tracker.is_at_rest for tracker in self._trackers)
        except RuntimeError:  # orders are being added in the session's thread
            return True


class HeldClock(SimClock):
    """Runs as ever, but does not pass ``limit_ms()``; somebody who never lets it go on is waited for so long only."""

    def __init__(self, start_ms: int, speed: float, limit_ms: Callable[[], float]) -> None:
        super().__init__(start_ms, speed)
        self._limit_ms = limit_ms
        self._turn = threading.Lock()
        self._ms = float(start_ms)
        self._looked_s = self._moved_s = time.monotonic()

    def now_ms(self) -> int:
        with self._turn:
            now_s = time.monotonic()
            passed_s, self._looked_s = now_s - self._looked_s, now_s
            limit_ms = self._limit_ms()
            if self._ms < limit_ms:
                self._moved_s = now_s
            elif now_s - self._moved_s > GIVEN_UP_S:
                limit_ms = float("inf")
            else:
                return int(self._ms)
            self._ms = min(self._ms + passed_s * 1000 * self.speed, limit_ms)
            return int(self._ms)

    async def wait_until(self, market_ms: int) -> None:
        while (left_ms := market_ms - self.now_ms()) > 0:  # noqa: ASYNC110 - as in SimClock
            await asyncio.sleep(max(self.wall_s(left_ms), _LOOK_S))


class _AlwaysTheSameDay(datetime):
    """When a market begins that is not told when: a market of each day's own would end each day in its own way."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return START.astimezone(tz)


@contextmanager
def patient_market() -> Iterator[Program]:
    """Embedded exchanges that stores of this process start meanwhile wait for their strategies and orders.

    They begin at one and the same time, unless they are told another.
    """
    program = Program()
    poll, end_run, make = CerebroLoop.poll, CerebroLoop.end_run, OrderTracker.__init__

    def polling(loop: CerebroLoop, store: Any) -> None:
        program.has_seen(loop)
        poll(loop, store)

    def ending(loop: CerebroLoop) -> None:
        program.ends(loop)
        end_run(loop)

    def made(tracker: OrderTracker, *args: Any, **kwargs: Any) -> None:
        make(tracker, *args, **kwargs)
        program.tracks(tracker)

    def clock(start_ms: int, speed: float = 1.0) -> HeldClock:
        program.begins(start_ms)
        return HeldClock(start_ms, speed, program.limit_ms)

    with (
        patch("btccxt.store.venues.datetime", _AlwaysTheSameDay),
        patch("btccxt.sim.venue.SimClock", clock),
        patch.object(CerebroLoop, "poll", polling),
        patch.object(CerebroLoop, "end_run", ending),
        patch.object(OrderTracker, "__init__", made),
    ):
        yield program

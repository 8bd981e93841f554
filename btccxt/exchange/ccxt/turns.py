"""Signed requests in the order of their signatures, for exchanges that refuse one which a later one has overtaken."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from btccxt.resilience.limiter import Priority

_ARRIVED_S = 1.0  # a request that is unanswered for so long has arrived, or is lost


class Turns:
    """One request at a time is signed and under way, orders first. Belongs to one loop."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Priority, int, asyncio.Future[None]]] = []
        self._count = 0
        self._taken = False

    @asynccontextmanager
    async def next(self, priority: Priority) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        await self._turn(priority, loop)
        over = False

        def end() -> None:
            nonlocal over
            if not over:
                over = True
                self._pass_on()

        timer = loop.call_later(_ARRIVED_S, end)
        try:
            yield
        finally:
            timer.cancel()
            end()

    async def _turn(self, priority: Priority, loop: asyncio.AbstractEventLoop) -> None:
        if not self._taken:
            self._taken = True
            return
        turn: asyncio.Future[None] = loop.create_future()
        self._count += 1
        heapq.heappush(self._waiting, (priority, self._count, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was given and nobody is there to use it
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        while self._waiting:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                turn.set_result(None)
                return
        self._taken = False

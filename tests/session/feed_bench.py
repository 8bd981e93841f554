"""A feed on a fake exchange, its task and everything it said: shared by the tests of both feeds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from btccxt.model import Bar, ConnectionState, Trade
from btccxt.session.events import BarsClosed, FeedEvent, FeedState, Hole, TicksArrived


class Runnable(Protocol):
    async def run(self) -> None: ...


class Heard:
    """Collects what a feed says."""

    def __init__(self) -> None:
        self.events: list[FeedEvent] = []

    def __call__(self, event: FeedEvent) -> None:
        self.events.append(event)

    @property
    def bars(self) -> list[Bar]:
        return [bar for event in self.events if isinstance(event, BarsClosed) for bar in event.bars]

    @property
    def trades(self) -> list[Trade]:
        return [trade for event in self.events if isinstance(event, TicksArrived) for trade in event.trades]

    @property
    def holes(self) -> list[Hole]:
        return [event for event in self.events if isinstance(event, Hole)]

    @property
    def state(self) -> ConnectionState | None:
        """The last one announced."""
        return self.states[-1] if self.states else None

    @property
    def states(self) -> list[ConnectionState]:
        return [event.state for event in self.events if isinstance(event, FeedState)]


async def until(condition: Callable[[], bool], what: str = "") -> None:
    """Let the loop run until something is true; fails after a generous bound."""
    for _ in range(5_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError(f"never came true: {what or condition}")


async def quiet(turns: int = 30) -> None:
    """Long enough for a feed that has something to do to have done it."""
    for _ in range(turns):
        await asyncio.sleep(0.001)


@asynccontextmanager
async def running(feed: Runnable) -> AsyncIterator[asyncio.Task[None]]:
    """The feed's task; cancelled at the end, and whatever it raised is raised here."""
    task = asyncio.create_task(feed.run())
    try:
        yield task
    finally:
        task.cancel()
        results = await asyncio.gather(task, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result

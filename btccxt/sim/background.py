"""An embedded exchange in a thread of its own, for programs that have no event loop to lend it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from btccxt.sim.faults import Faults
from btccxt.sim.server import SimExchange
from btccxt.sim.tls import SimAddress

Answer = TypeVar("Answer")
_PATIENCE_S = 10.0


class BackgroundExchange:
    """Starts and stops a ``SimExchange`` in a daemon thread. ``with`` works, too.

    ``make`` builds the exchange; it runs in the new thread, so that whatever it makes belongs there.
    """

    def __init__(self, make: Callable[[], SimExchange]) -> None:
        self._make = make
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._exchange: SimExchange | None = None
        self._address: SimAddress | None = None
        self._failure: BaseException | None = None
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None

    def start(self) -> SimAddress:
        """Blocks until the exchange listens. Raises what building or starting it raised."""
        if self._thread is None:
            self._ready.clear()
            self._failure = None
            self._thread = threading.Thread(target=self._run, name="sim-exchange", daemon=True)
            self._thread.start()
            self._ready.wait()
            if self._failure is not None:
                self._thread.join()
                self._thread = None
                raise self._failure
        return self.address

    def stop(self) -> None:
        """Blocks until the thread has ended: a few seconds at most. Idempotent."""
        thread, self._thread = self._thread, None
        if thread is None or self._loop is None or self._stop is None:
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        thread.join(_PATIENCE_S)
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    @property
    def address(self) -> SimAddress:
        if self._address is None:
            raise RuntimeError("the embedded exchange is not running; start() it first")
        return self._address

    @property
    def exchange(self) -> SimExchange:
        """The exchange itself. It belongs to its own thread: touch it through ``call``."""
        if self._exchange is None:
            raise RuntimeError("the embedded exchange is not running; start() it first")
        return self._exchange

    @property
    def faults(self) -> Faults:
        """The switchboard; it may be used from any thread."""
        return self.exchange.faults

    def call(self, function: Callable[[SimExchange], Answer]) -> Answer:
        """Run ``function(exchange)`` in the exchange's thread and wait for what it returns or raises."""
        if self._loop is None:
            raise RuntimeError("the embedded exchange is not running; start() it first")

        async def run() -> Answer:
            return function(self.exchange)

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(_PATIENCE_S)

    def __enter__(self) -> BackgroundExchange:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except BaseException as failure:  # noqa: BLE001 - handed to the thread that waits in start() or stop()
            self._failure = failure
        finally:
            self._ready.set()

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._exchange = self._make()
        self._address = await self._exchange.start()
        self._ready.set()
        try:
            await self._stop.wait()
        finally:
            self._address = None
            await self._exchange.stop()

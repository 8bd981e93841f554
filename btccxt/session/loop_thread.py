"""One background thread with one asyncio loop: everything that talks to the exchange lives here.

Other threads hand in work (``submit``, ``call``, ``post``) and never touch the loop's objects themselves.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import os
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from btccxt.errors import BtccxtError
from btccxt.resilience.supervised import TaskFailed, TaskNews, Tasks

T = TypeVar("T")
ErrorListener = Callable[[str, BaseException], None]
"""Called in the session thread with (what was running, what it raised); must not raise."""

_CLOSERS_SHARE = 0.7  # of the time a stop may take; the rest is for tasks that ignore their cancellation
_running: weakref.WeakSet[Session] = weakref.WeakSet()


class SessionClosed(BtccxtError):
    """Work was handed to a session that has not started, or has stopped."""


def new_event_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where it can be imported (10-20 % less CPU per frame), else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


class Session:
    """A thread and its loop, from ``start()`` to ``stop()``; cannot be started again."""

    def __init__(self, name: str, on_error: ErrorListener | None = None) -> None:
        self.name = name
        self._on_error = on_error
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pool = concurrent.futures.ThreadPoolExecutor(thread_name_prefix=f"btccxt-{name}")  # host names, files
        self._guard = threading.Lock()
        self._stopping = False
        self._stopped = threading.Event()
        self._why_closed = "is not running"
        self._closers: list[tuple[str, Callable[[], Awaitable[object]]]] = []
        self._tasks = Tasks(self._task_news)
        self._ending = Tasks()

    # -------------------------------------------------------------- life

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise SessionClosed(f"session {self.name} {self._why_closed}")
        return self._loop

    @property
    def is_running(self) -> bool:
        return self._loop is not None and not self._stopping

    def in_session_thread(self) -> bool:
        return self._thread is threading.current_thread()

    def start(self) -> Session:
        """Start the thread; idempotent. Returns when the loop runs."""
        with self._guard:
            if self._stopping:
                raise SessionClosed(f"session {self.name} was stopped; make a new one")
            if self._thread is not None:
                return self
            self._loop = new_event_loop()
            self._loop.set_default_executor(self._pool)
            self._loop.set_exception_handler(self._on_loop_exception)
            ready = threading.Event()
            self._loop.call_soon(ready.set)
            # A daemon, so that a strategy that dies without stop() does not keep the process alive.
            self._thread = threading.Thread(target=self._run, name=f"btccxt-{self.name}", daemon=True)
            _running.add(self)
        try:
            self._thread.start()
            ready.wait()
        except BaseException:  # Ctrl-C: nobody has this session yet who could stop it
            self.stop()
            raise
        return self

    def at_stop(self, name: str, closer: Callable[[], Awaitable[object]]) -> None:
        """``closer`` is awaited in the loop when the session stops; last registered, first closed."""
        self._closers.append((name, closer))

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Close what was registered, cancel every task, end the thread. Idempotent, any thread but the session's own.

        Blocks at most about ``timeout_s``; False says that something would not end (the thread is a daemon then).
        """
        if self.in_session_thread():
            raise RuntimeError("a session cannot be stopped from its own thread: it would wait for itself")
        with self._guard:
            first, self._stopping = not self._stopping, True
            loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return True
        deadline_s = time.monotonic() + timeout_s + 0.5
        if first:
            loop.call_soon_threadsafe(self._begin_shutdown, timeout_s)
        self._stopped.wait(timeout_s + 0.5)
        if not self._stopped.is_set():
            return False
        thread.join(max(0.5, deadline_s - time.monotonic()))
        _running.discard(self)
        return not thread.is_alive()

    # -------------------------------------------------------------- work from other threads

    def submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Run a coroutine in the session; the future is the caller's to watch. Does not block."""
        if not self.is_running:
            work.close()
            raise SessionClosed(f"session {self.name} {self._why_closed}")
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def call(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Run a coroutine in the session and wait for its result. Raises TimeoutError after ``timeout`` seconds."""
        if self.in_session_thread():
            work.close()
            raise RuntimeError("Session.call() would wait for itself here: await the coroutine instead")
        future = self.submit(work)
        try:
            return future.result(timeout)
        except concurrent.futures.TimeoutError as error:
            if future.done():  # the coroutine's own time-out
                raise
            future.cancel()
            raise TimeoutError(f"no answer from session {self.name} within {timeout} s") from error
        except BaseException:  # Ctrl-C while waiting: the work must not go on behind the caller's back
            future.cancel()
            raise

    def post(self, function: Callable[..., object], *arguments: object) -> None:
        """Call a plain function in the session thread soon; its exceptions go to ``on_error``. Does not block."""
        if not self.is_running:
            raise SessionClosed(f"session {self.name} {self._why_closed}")
        self.loop.call_soon_threadsafe(function, *arguments)

    def spawn(self, work: Coroutine[Any, Any, object], name: str) -> None:
        """Start a long-lived task from any thread. What it raises is reported to ``on_error``, never lost."""
        if not self.is_running:
            work.close()
            raise SessionClosed(f"session {self.name} {self._why_closed}")
        self.loop.call_soon_threadsafe(self._tasks.start, work, name)

    def forget_thread(self) -> None:
        """In a forked child: the thread is the parent's, and nobody here would ever answer."""
        self._guard = threading.Lock()
        self._stopping = True
        self._parents = (self._loop, self._thread)  # kept: closing that loop is the parent's business
        self._loop = self._thread = None
        self._why_closed = "runs in the process that was forked: make a store of its own in each process"

    # -------------------------------------------------------------- in the session thread

    def _run(self) -> None:
        loop = self.loop
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            asyncio.set_event_loop(None)
            try:
                loop.close()
            finally:  # whatever the loop says of it, nobody waits for this thread in vain
                self._stopped.set()
                self._pool.shutdown()  # whoever waits for this thread's end waits for the pool's

    def _task_news(self, news: TaskNews) -> None:
        if isinstance(news, TaskFailed):
            self._report(news.name, news.error)

    def _on_loop_exception(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        message = str(context.get("message", "event loop"))
        self._report(message, context.get("exception") or RuntimeError(message))

    def _report(self, what: str, error: BaseException) -> None:
        if self._on_error is not None:
            self._on_error(what, error)

    def _begin_shutdown(self, timeout_s: float) -> None:
        task = self._ending.start(self._shutdown(timeout_s), "session shutdown")
        task.add_done_callback(lambda _: self.loop.stop())

    async def _shutdown(self, timeout_s: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        closers_deadline = loop.time() + timeout_s * _CLOSERS_SHARE
        for name, closer in reversed(self._closers):
            try:
                await asyncio.wait_for(closer(), max(0.05, closers_deadline - loop.time()))
            except Exception as error:  # noqa: BLE001 - one that fails must not keep the others from closing
                self._report(f"closing {name}", error)
        while loop.time() < deadline:
            others = asyncio.all_tasks(loop) - {asyncio.current_task()}
            if not others:
                break
            known = self._tasks.all()
            for task in others:
                task.cancel()
            done, _ = await asyncio.wait(others, timeout=max(0.05, deadline - loop.time()))
            for task in done - known:
                failure = None if task.cancelled() else task.exception()
                if failure is not None:
                    self._report(task.get_name(), failure)
        await loop.shutdown_asyncgens()
        # Transports finish closing in later turns of the loop; ending it before them leaves "unclosed" warnings.
        await asyncio.sleep(0)


@atexit.register
def _stop_all() -> None:
    for session in list(_running):
        session.stop(timeout_s=2.0)


def _forget_threads() -> None:
    for session in list(_running):
        session.forget_thread()
    _running.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)

"""Fresh processes for whatever is measured, and a line to each: ask, and get an answer."""

from __future__ import annotations

import contextlib
import multiprocessing
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

_PRELOADED = ["ccxt.pro", "benchmarks.clients.ours", "benchmarks.clients.orders_peers", "benchmarks.exchange_process"]
_STOP = ("stop",)
_PATIENCE_S = 120.0


def _make_context() -> Any:
    """Forked from a server that has imported everything and done nothing else: fresh, and there in a moment."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


_context = _make_context()


class WorkerFailed(RuntimeError):
    """The other process raised, died or did not answer."""


class Worker:
    """``function(link, *arguments)`` in a process of its own.

    It sends 'ready' when it is, then answers each ``ask`` until it is asked to ``("stop",)``.
    """

    def __init__(self, function: Callable[..., None], *arguments: Any, patience_s: float = _PATIENCE_S) -> None:
        self.name = function.__module__
        self._link, theirs = _context.Pipe()
        self._process = _context.Process(target=_run, args=(theirs, function, arguments), daemon=True)
        self._process.start()
        theirs.close()
        self.ready = self._answer(patience_s)

    def ask(self, *question: Any, patience_s: float = _PATIENCE_S) -> Any:
        self._link.send(question)
        return self._answer(patience_s)

    def _answer(self, patience_s: float) -> Any:
        if not self._link.poll(patience_s):
            raise WorkerFailed(f"{self.name} did not answer within {patience_s:g} s")
        try:
            kind, answer = self._link.recv()
        except EOFError:
            raise WorkerFailed(f"{self.name} has died") from None
        if kind == "failed":
            raise WorkerFailed(f"{self.name} failed:\n{answer}")
        return answer

    def stop(self) -> None:
        with contextlib.suppress(OSError):  # it may have ended already
            self._link.send(_STOP)
        self._process.join(15.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def kill(self) -> None:
        """``kill -9``."""
        self._process.kill()
        self._process.join()


class Link:
    """The worker's end."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def ready(self, facts: Any = None) -> None:
        self._connection.send(("ready", facts))

    def answer(self, answer: Any = None) -> None:
        self._connection.send(("answer", answer))

    def question(self) -> tuple[Any, ...]:
        """Blocks."""
        try:
            question: tuple[Any, ...] = self._connection.recv()
        except EOFError:
            return _STOP
        return question

    def fileno(self) -> int:
        return self._connection.fileno()


def _run(connection: Connection, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    try:
        function(Link(connection), *arguments)
    except BaseException:  # noqa: BLE001 - told to whoever started this process
        connection.send(("failed", traceback.format_exc()))


@contextmanager
def worker(function: Callable[..., None], *arguments: Any) -> Iterator[Worker]:
    running = Worker(function, *arguments)
    try:
        yield running
    finally:
        running.stop()


def once(function: Callable[..., Any], *arguments: Any, patience_s: float = _PATIENCE_S) -> Any:
    """What ``function(*arguments)`` returns in a fresh process."""
    running = Worker(_answer_once, function, arguments, patience_s=patience_s)
    running.stop()
    return running.ready


def _answer_once(link: Link, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    link.ready(function(*arguments))

"""Ctrl-C, SIGTERM and Windows' CTRL_BREAK end a run in order, whoever called ``cerebro.run()``.

As ``cerebro.runstop()`` does: strategies, broker, feeds and stores are stopped, ``on_stop`` is done, and the code after
``run()`` goes on. A second Ctrl-C is Python's own KeyboardInterrupt.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from btccxt.observe.log import EventName, get_logger
from btccxt.orders.risk import TradingState

log = get_logger(__name__)

_LOOPS = frozenset({"_runnext", "_runonce", "_runnext_old", "_runonce_old"})
_ENDS = frozenset({"_stop", "stop"})


class RunInterrupted(KeyboardInterrupt):
    """A signal came before the run's first bar: what had been started is stopped, and ``cerebro.run()`` returns []."""


@contextmanager
def ended_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """While inside, signals that Python would handle in its own way call ``stop`` instead.

    Handlers that the program has installed stay; threads other than the main one get no signals. Raises RunInterrupted
    where ``stop`` could not be heard, because the run has not begun.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = ""

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked = signal.Signals(number).name
        stop()
        if not _is_heard(frame):
            raise RunInterrupted(asked)

    former = {number: signal.signal(number, handle) for number in _ours()}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        if asked:  # a handler must not log: it may interrupt whoever is writing
            log.info(EventName.RUN_STOPPED, signal=asked)


@contextmanager
def trading_set_by_signals(ask: Callable[[TradingState], None]) -> Iterator[None]:
    """While inside, SIGUSR1 asks for REDUCING and SIGUSR2 for HALTED; elsewhere they end a process.

    ``ask`` must neither log nor lock: the handler may interrupt whoever does. Windows has no such signals.
    """
    words = {"SIGUSR1": TradingState.REDUCING, "SIGUSR2": TradingState.HALTED}
    states = {getattr(signal, name): state for name, state in words.items() if hasattr(signal, name)}
    if threading.current_thread() is not threading.main_thread():
        states = {}

    def handle(number: int, _: FrameType | None) -> None:
        ask(states[signal.Signals(number)])

    ours = [number for number in states if signal.getsignal(number) == signal.SIG_DFL]
    for number in ours:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _ours() -> list[signal.Signals]:
    """Signals that nobody else handles."""
    pythons = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    if hasattr(signal, "SIGBREAK"):
        pythons[signal.SIGBREAK] = signal.SIG_DFL
    return [number for number, handler in pythons.items() if signal.getsignal(number) == handler]


def _is_heard(frame: FrameType | None) -> bool:
    """Whether cerebro's loop runs, or everything is being stopped already."""
    names = set()
    while frame is not None:
        names.add(frame.f_code.co_name)
        frame = frame.f_back
    return bool(names & (_LOOPS | _ENDS))

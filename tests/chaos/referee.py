"""Threads take turns, and time stands still while one of them works: a seed decides what a thread scheduler would.

``install()`` comes before all other imports: it puts clocks, locks, queues, selectors and randomness that know the
``referee`` in the place of Python's own. They behave as ever until ``referee.begin(seed)``. From then on one thread
runs at a time. It goes on until it would block, or its loop asks for events; then the seed chooses among those that
can go on. When nobody can, and nothing is under way between two sockets, the clock moves on to the next thing that is
due. So a run follows from its seed, whatever else the machine does; and waiting costs no time.
"""

from __future__ import annotations

import faulthandler
import os
import queue
import random
import selectors
import socket
import sys
import threading
import time
from _thread import allocate_lock
from collections.abc import Callable
from typing import Any, Protocol

from tests.chaos.wiretap import Wiretap

EPOCH_NS = 1_780_000_000 * 10**9  # what the clocks say when a run begins
_TICK_NS = 1_000  # each look at a clock
_TURN_NS = (100_000, 400_000, 3_000_000)  # at most, each time the turn goes on; the seed chooses one
_STALL_NS = 250_000_000  # at most, once in a while: the machine is busy with something else
_STALLS = (0.0, 0.0005, 0.003)  # of the turns; the seed chooses one
_MOODS = 0.02  # who is quick and who is slow changes so often
_HOME_SHARE = 0.3  # of its turns another process gives back although it could go on
_LOST_S = 60.0  # of real time for bytes to go from one socket to the other; then the run is given up
_STUCK_S = 300.0  # of real time for a whole run

real_clock_ns, real_sleep, real_urandom = time.monotonic_ns, time.sleep, os.urandom


class Remote(Protocol):
    """Another process that shares the referee."""

    def may_go_on(self, now_ns: int) -> bool: ...

    def go_on(self, now_ns: int) -> int:
        """Let it run until it waits; returns what time it is now."""

    def something_happened(self) -> None: ...

    deadline_ns: int | None
    weight: float


class Person:
    """A thread, and what it waits for."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.gate = allocate_lock()
        self.gate.acquire()
        self.ready: Callable[[], bool] = lambda: True
        self.deadline_ns: int | None = None
        self.weight = 1.0
        self.is_over = False


class Referee:
    def __init__(self) -> None:
        self.active = False
        self.now_ns = 0
        self.wires = Wiretap()
        self.remotes: list[Remote] = []
        self.home: Callable[[int | None], int] | None = None
        """In a process that shares another's referee: gives the turn back until it is this one's turn again."""
        self.selectors: list[Selector] = []
        self._people: list[Person] = []
        self._mine = threading.local()
        self._dice = _Random(0)
        self._turn_ns, self._stalls = _TURN_NS[0], _STALLS[0]
        self._entropy = _Random(0)

    def begin(self, seed: object) -> None:
        """The calling thread, so far the only one, has the referee."""
        self._dice, self._entropy = _Random(f"turns {seed}"), _Random(f"entropy {seed}")
        random.seed(f"random {seed}")
        self._turn_ns, self._stalls = self._dice.choice(_TURN_NS), self._dice.choice(_STALLS)
        me = Person("main")
        self._people = [me]
        self._mine.person = me
        self.now_ns = 0
        self.active = True
        faulthandler.dump_traceback_later(_STUCK_S, exit=True)

    def end(self) -> None:
        faulthandler.cancel_dump_traceback_later()
        self.active = False

    def bytes(self, count: int) -> bytes:
        return self._entropy.randbytes(count) if self.active else real_urandom(count)

    def tick_ns(self) -> int:
        self.now_ns += _TICK_NS
        return self.now_ns

    # -------------------------------------------------------------- taking turns

    def wait(self, ready: Callable[[], bool], timeout_s: float | None = None) -> bool:
        """Let others go on until ``ready()``, or until the time is over; says which."""
        me: Person = self._mine.person
        me.ready = ready
        me.deadline_ns = None if timeout_s is None else self.now_ns + max(0, int(timeout_s * 1e9))
        self._hand_over(me)
        return ready()

    def _hand_over(self, me: Person) -> None:
        chosen = self._choose()
        if chosen is not me:
            chosen.gate.release()
            if not me.is_over:
                me.gate.acquire()

    def announce(self, name: str) -> Person:
        """A thread that is about to begin."""
        person = Person(name)
        self._people.append(person)
        return person

    def enter(self, person: Person) -> None:
        self._mine.person = person
        person.gate.acquire()

    def leave(self, person: Person) -> None:
        person.is_over = True
        self._people.remove(person)
        self._hand_over(person)

    def _choose(self) -> Person:
        for remote in self.remotes:
            remote.something_happened()
        self.now_ns += self._dice.randrange(self._turn_ns)
        if self._dice.random() < self._stalls:
            self.now_ns += self._dice.randrange(_STALL_NS)
        if self.home is not None and self._dice.random() < _HOME_SHARE:
            self.now_ns = max(self.now_ns, self.home(self.now_ns))
        if self._dice.random() < _MOODS:
            for each in (*self._people, *self.remotes):
                each.weight = 10 ** self._dice.uniform(-3, 0)
        lost_ns = 0
        while True:
            able: list[Person | Remote] = [person for person in self._people if self._can_go_on(person)]
            able += [remote for remote in self.remotes if remote.may_go_on(self.now_ns)]
            if able:
                lost_ns = 0
                (chosen,) = self._dice.choices(able, [each.weight for each in able])
                if isinstance(chosen, Person):
                    return chosen
                self.now_ns = max(self.now_ns, chosen.go_on(self.now_ns))
                continue
            if self.home is not None:
                self.now_ns = max(self.now_ns, self.home(self._next_ns()))
                continue
            if self.wires.under_way(self.selectors):
                lost_ns = lost_ns or real_clock_ns()
                if real_clock_ns() - lost_ns > _LOST_S * 1e9:
                    self._give_up("bytes that were sent do not arrive")
                for remote in self.remotes:
                    remote.something_happened()
                continue
            next_ns = self._next_ns()
            if next_ns is None:
                self._give_up("everybody waits for ever")
            self.now_ns = max(self.now_ns, next_ns)

    def _can_go_on(self, person: Person) -> bool:
        return (person.deadline_ns is not None and person.deadline_ns <= self.now_ns) or person.ready()

    def _next_ns(self) -> int | None:
        waiting: list[Person | Remote] = [*self._people, *self.remotes]
        return min((each.deadline_ns for each in waiting if each.deadline_ns is not None), default=None)

    def _give_up(self, why: str) -> Any:
        print(f"the play is given up: {why}; {[person.name for person in self._people]}", file=sys.stderr, flush=True)
        faulthandler.dump_traceback(all_threads=True)
        os._exit(70)


# ------------------------------------------------------------------ what stands in the place of Python's own


class _Random(random.Random):
    """Without a seed of its own it takes one from the run's."""

    def __init__(self, seed: Any = None) -> None:
        super().__init__(int.from_bytes(referee.bytes(8), "big") if seed is None and referee.active else seed or 0)


class Lock:
    def __init__(self) -> None:
        self._lock = allocate_lock()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if not referee.active:
            return self._lock.acquire(blocking, timeout)
        if self._lock.acquire(False):
            return True
        if not blocking or not referee.wait(self._is_free, None if timeout < 0 else timeout):
            return False
        return self._lock.acquire(False)

    def _is_free(self) -> bool:
        return not self._lock.locked()

    def release(self) -> None:
        self._lock.release()

    def locked(self) -> bool:
        return self._lock.locked()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _at_fork_reinit(self) -> None:
        self._lock = allocate_lock()


class Selector(selectors.DefaultSelector):
    """Every question for events is a place where the turn may go to another thread."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers: dict[int, int] = {}
        self._count = 0
        if referee.active:
            referee.selectors.append(self)

    def register(self, fileobj: Any, events: int, data: Any = None) -> Any:
        key = super().register(fileobj, events, data)
        self._count += 1
        self._numbers[key.fd] = self._count
        return key

    def select(self, timeout: float | None = None) -> Any:
        if not referee.active:
            return super().select(timeout)
        referee.wait(self._has_events, timeout)
        events = super().select(0)
        return sorted(events, key=lambda event: self._numbers[event[0].fd])

    def _has_events(self) -> bool:
        return bool(super().select(0))

    def close(self) -> None:
        if self in referee.selectors:
            referee.selectors.remove(self)
        super().close()


def patience_s(usual_s: float) -> float:
    """The machine's own clock goes on while other programs have its cores."""
    return usual_s if referee.active else 3 * usual_s


def readable(file: Any, timeout_s: float) -> bool:
    """Whether there is something to read, or its end, within this time."""
    with selectors.SelectSelector() as selector:
        selector.register(file, selectors.EVENT_READ)
        if not referee.active or timeout_s <= 0:
            return bool(selector.select(timeout_s))
        return referee.wait(lambda: bool(selector.select(0)), timeout_s)


def install() -> None:
    """Before anything but the standard library is imported."""
    _replace(
        {
            time.time: lambda: (EPOCH_NS + referee.tick_ns()) / 1e9,
            time.time_ns: lambda: EPOCH_NS + referee.tick_ns(),
            time.monotonic: lambda: referee.tick_ns() / 1e9,
            time.monotonic_ns: referee.tick_ns,
            time.perf_counter: lambda: referee.tick_ns() / 1e9,
            time.perf_counter_ns: referee.tick_ns,
            time.sleep: lambda seconds: referee.wait(lambda: False, seconds),
        }
    )
    os.urandom = referee.bytes
    random._urandom = referee.bytes  # type: ignore[attr-defined]
    random.Random = _Random  # type: ignore[misc]
    threading.Lock = threading._allocate_lock = Lock  # type: ignore[misc,attr-defined,assignment]
    threading.RLock = threading._PyRLock  # type: ignore[attr-defined]
    queue.SimpleQueue = queue._PySimpleQueue  # type: ignore[misc,attr-defined]
    selectors.DefaultSelector = Selector  # type: ignore[misc]
    referee.wires.listen(socket.socket)
    _install_threads()


def _replace(clocks: dict[Callable[..., Any], Callable[..., Any]]) -> None:
    """Wherever a module of the standard library has taken one of them by name, too."""

    def either(real: Callable[..., Any], ours: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments: ours(*arguments) if referee.active else real(*arguments)

    new = {id(real): either(real, ours) for real, ours in clocks.items()}
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", __name__) == __name__:
            continue
        for name, value in list(vars(module).items()):
            if id(value) in new:
                setattr(module, name, new[id(value)])


def _install_threads() -> None:
    start, bootstrap, join = threading.Thread.start, threading.Thread._bootstrap, threading.Thread.join  # type: ignore[attr-defined]
    people: dict[threading.Thread, Person] = {}

    def governed_start(self: threading.Thread) -> None:
        if referee.active:
            people[self] = referee.announce(self.name)
        start(self)

    def governed_bootstrap(self: threading.Thread) -> None:
        person = people.get(self)
        if person is None:
            bootstrap(self)
            return
        referee.enter(person)
        try:
            bootstrap(self)
        finally:
            referee.leave(person)

    def governed_join(self: threading.Thread, timeout: float | None = None) -> None:
        person = people.get(self)
        if person is None or not referee.active:
            join(self, timeout)
        elif referee.wait(lambda: person.is_over, timeout):
            join(self)

    threading.Thread.start = governed_start  # type: ignore[method-assign]
    threading.Thread._bootstrap = governed_bootstrap  # type: ignore[attr-defined]
    threading.Thread.join = governed_join  # type: ignore[method-assign]


referee = Referee()

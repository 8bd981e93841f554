"""The only place where tasks are made: each has a name, an owner who ends it in bounded time, and a known end.

``start`` is for work that ends by itself. ``keep`` and ``every`` are for loops that must not end: whatever they raise
costs one attempt, is told to the listener, and after a growing, jittered pause they go on. Pure of logging and
metrics: the listener says, counts and raises alarms.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType, TracebackType
from typing import Any, TypeVar

from btccxt.resilience.backoff import Backoff
from btccxt.resilience.checks import check_numbers

T = TypeVar("T")
Work = Callable[[], Coroutine[Any, Any, object]]
_CANCEL_AGAIN_S = 2.0
_CLOSE_S = 5.0


@dataclass(frozen=True, slots=True)
class TaskPolicy:
    """How a loop that must not end is kept alive.

    ``alarm_after`` failures in a row are an alarm. A loop without rounds counts as well after ``well_after_s``.
    ``fatal``: errors that end it, believed when they came ``believe_fatal_after`` times in a row, because one odd
    answer may look like anything.
    """

    backoff: Backoff = field(default_factory=lambda: Backoff(first_s=0.5, start_s=1.0, max_s=30.0))
    alarm_after: int = 5
    well_after_s: float = 10.0
    fatal: tuple[type[Exception], ...] = ()
    believe_fatal_after: int = 3

    def __post_init__(self) -> None:
        check_numbers(self, at_least_one=("alarm_after", "believe_fatal_after"), not_negative=("well_after_s",))


@dataclass(frozen=True, slots=True)
class TaskFailed:
    """``failures`` in a row so far. ``again_in_s`` is None where the task has ended with this."""

    name: str
    error: BaseException
    failures: int
    again_in_s: float | None
    is_alarm: bool


@dataclass(frozen=True, slots=True)
class TaskRecovered:
    """It works again, after so many failures in a row; ``was_alarm``: an alarm had been raised."""

    name: str
    failures: int
    was_alarm: bool


TaskNews = TaskFailed | TaskRecovered
TaskListener = Callable[[TaskNews], None]


@dataclass(slots=True, eq=False)
class TaskHealth:
    """One kept loop, for ``health()``."""

    restarts: int = 0
    failures: int = 0  # in a row
    last_error: str = ""


class _Cancelled(Exception):
    """The work was cancelled by something that it awaited, not by its owner."""


class Tasks:
    """The tasks of one owner, in one loop. ``async with Tasks() as tasks`` ends them on leaving.

    ``listener`` is called in the loop and must not raise. Without one, whoever started a task looks at its result.
    """

    def __init__(self, listener: TaskListener | None = None, *, rng: random.Random | None = None) -> None:
        self._listener = listener
        self._rng = rng or random.Random()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._kept: dict[asyncio.Task[Any], TaskHealth] = {}

    async def __aenter__(self) -> Tasks:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # -------------------------------------------------------------- starting

    def start(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Work that ends by itself. What it raises is told to the listener, and is the task's result."""
        return self._run(work, name, told=self._listener is not None)

    def keep(self, work: Work, name: str, policy: TaskPolicy | None = None) -> asyncio.Task[None]:
        """Run ``work()`` until it returns or is cancelled; run it again whenever it raises."""
        return self._kept_task(name, policy or TaskPolicy(), lambda life: life.hold(work))

    def every(
        self,
        period_s: float | Callable[[], float],
        work: Work,
        name: str,
        policy: TaskPolicy | None = None,
        *,
        at_once: bool = False,
    ) -> asyncio.Task[None]:
        """Run ``work()`` again and again, ``period_s`` (wall) after each round. ``at_once``: the first without a wait.

        A round that returns is a success.
        """
        wait_s = period_s if callable(period_s) else lambda: period_s
        return self._kept_task(name, policy or TaskPolicy(), lambda life: life.rounds(work, wait_s, at_once))

    def _kept_task(
        self, name: str, policy: TaskPolicy, run: Callable[[_Life], Coroutine[Any, Any, None]]
    ) -> asyncio.Task[None]:
        life = _Life(name, policy, self._tell, self._rng)
        task = self._run(run(life), name, told=False)
        self._kept[task] = life.health
        return task

    def _run(self, work: Coroutine[Any, Any, T], name: str, *, told: bool) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._told_end if told else self._end)
        return task

    def _end(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self._kept.pop(task, None)
        if not task.cancelled():
            task.exception()  # looked at: whoever started it may have gone

    def _told_end(self, task: asyncio.Task[Any]) -> None:
        self._end(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._tell(TaskFailed(task.get_name(), error, 1, None, is_alarm=False))

    def _tell(self, news: TaskNews) -> None:
        if self._listener is not None:
            self._listener(news)

    # -------------------------------------------------------------- looking and ending

    def all(self) -> frozenset[asyncio.Task[Any]]:
        """Those that have not ended."""
        return frozenset(self._tasks)

    def health(self) -> Mapping[str, TaskHealth]:
        """Every kept loop that runs, by name."""
        return MappingProxyType({task.get_name(): health for task, health in self._kept.items()})

    async def close(self, within_s: float = _CLOSE_S) -> bool:
        """Cancel all and wait for their ends, at most ``within_s``; False if one would not end (told by name)."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        current = asyncio.current_task()
        while tasks := {task for task in self._tasks if task is not current}:
            left_s = deadline - loop.time()
            if left_s <= 0:
                for task in tasks:
                    stubborn = TimeoutError(f"did not end within {within_s:g} s of its cancellation")
                    self._tell(TaskFailed(task.get_name(), stubborn, 1, None, is_alarm=False))
                return False
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=min(left_s, _CANCEL_AGAIN_S))
        return True


class _Life:
    """One kept loop: what it runs, how often it failed in a row, when it goes on."""

    def __init__(self, name: str, policy: TaskPolicy, tell: Callable[[TaskNews], None], rng: random.Random) -> None:
        self.health = TaskHealth()
        self._name = name
        self._policy = policy
        self._tell = tell
        self._rng = rng
        self._delays: Iterator[float] = policy.backoff.delays(rng)

    async def hold(self, work: Work) -> None:
        loop = asyncio.get_running_loop()
        while True:
            timer = loop.call_later(self._policy.well_after_s, self._well) if self.health.failures else None
            try:
                await _shielded(work)
                return
            except Exception as error:  # noqa: BLE001 - a loop that must not end survives whatever comes
                if timer is not None:
                    timer.cancel()
                await asyncio.sleep(self._failed(error))
            finally:
                if timer is not None:
                    timer.cancel()

    async def rounds(self, work: Work, wait_s: Callable[[], float], at_once: bool) -> None:
        if not at_once:
            await asyncio.sleep(wait_s())
        while True:
            try:
                await _shielded(work)
                self._well()
                pause_s = wait_s()
            except Exception as error:  # noqa: BLE001 - see hold()
                pause_s = self._failed(error)
            await asyncio.sleep(pause_s)

    def _failed(self, error: Exception) -> float:
        """Seconds to wait. Raises a fatal error that is believed."""
        health, policy = self.health, self._policy
        health.failures += 1
        health.last_error = f"{type(error).__name__}: {error}"
        is_fatal = isinstance(error, policy.fatal) and health.failures >= policy.believe_fatal_after
        asked_s = getattr(error, "retry_after_s", None) or 0.0
        again_in_s = None if is_fatal else max(next(self._delays), asked_s)
        is_alarm = health.failures == policy.alarm_after
        self._tell(TaskFailed(self._name, error, health.failures, again_in_s, is_alarm))
        if again_in_s is None:
            raise error
        health.restarts += 1
        return again_in_s

    def _well(self) -> None:
        failures, self.health.failures = self.health.failures, 0
        if failures:
            self._delays = self._policy.backoff.delays(self._rng)
            self._tell(TaskRecovered(self._name, failures, failures >= self._policy.alarm_after))


async def _shielded(work: Work) -> None:
    """Await ``work()`` in a task of its own, so that a cancellation from inside is not taken for the owner's."""
    inner = asyncio.get_running_loop().create_task(_called(work), name=_current_name())
    try:
        await asyncio.wait((inner,))
    finally:
        if not inner.done():  # the owner cancels, perhaps several times: so does this
            inner.cancel()
            await _ended(inner)
    if inner.cancelled():
        raise _Cancelled("what it waited for was cancelled")
    inner.result()


async def _called(work: Work) -> None:
    await work()


def _current_name() -> str:
    task = asyncio.current_task()
    return task.get_name() if task is not None else "task"


async def _ended(task: asyncio.Task[Any]) -> None:
    """Waits for its end; each further cancellation of the waiter is passed on."""
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            task.cancel()

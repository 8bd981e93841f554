"""Tasks that must not end do not, whatever they meet; those that end do so in bounded time, and are heard of."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import btccxt
from btccxt.errors import BtccxtError, ConfigError, Fatal
from btccxt.resilience.backoff import Backoff
from btccxt.resilience.supervised import TaskFailed, TaskNews, TaskPolicy, TaskRecovered, Tasks

QUICK = Backoff(first_s=0.0, start_s=0.001, factor=1.0, max_s=0.001)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(2_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("never came true")


class Work:
    """Raises what is in ``faults``, one after the other; then ``then``."""

    def __init__(self, *faults: BaseException, then: Callable[[], Awaitable[object]] | None = None) -> None:
        self.faults = list(faults)
        self.runs = 0
        self.then = then

    async def __call__(self) -> None:
        self.runs += 1
        if self.faults:
            raise self.faults.pop(0)
        if self.then is not None:
            await self.then()


async def for_ever() -> None:
    await asyncio.get_running_loop().create_future()


async def test_whatever_it_raises_it_goes_on_and_is_well_again_after_a_while() -> None:
    news: list[TaskNews] = []
    odd = [KeyError("a"), TypeError("b"), BtccxtError("c"), ZeroDivisionError(), ValueError("e"), RuntimeError()]
    work = Work(*odd, then=for_ever)
    async with Tasks(news.append) as tasks:
        tasks.keep(work, "feed X", TaskPolicy(QUICK, alarm_after=3, well_after_s=0.02))
        await until(lambda: any(isinstance(each, TaskRecovered) for each in news))
        assert tasks.health()["feed X"].restarts == 6
        assert tasks.health()["feed X"].failures == 0
    failed = [each for each in news if isinstance(each, TaskFailed)]
    assert [each.error for each in failed] == odd
    assert [each.failures for each in failed if each.is_alarm] == [3]
    assert news[-1] == TaskRecovered("feed X", 6, was_alarm=True)
    assert work.runs == 7


async def test_a_round_that_fails_is_tried_again_and_the_next_that_does_not_is_the_recovery() -> None:
    news: list[TaskNews] = []
    work = Work(KeyError(), KeyError())
    async with Tasks(news.append) as tasks:
        tasks.every(0.001, work, "clock", TaskPolicy(QUICK))
        await until(lambda: work.runs >= 6)
    assert [type(each) for each in news] == [TaskFailed, TaskFailed, TaskRecovered]


async def test_a_cancellation_from_inside_is_a_failure_like_any_other() -> None:
    news: list[TaskNews] = []
    work = Work(asyncio.CancelledError(), then=for_ever)
    async with Tasks(news.append) as tasks:
        task = tasks.keep(work, "feed", TaskPolicy(QUICK))
        await until(lambda: work.runs == 2)
        assert not task.done()
    assert len(news) == 1


async def test_a_fatal_error_is_believed_when_it_comes_in_a_row() -> None:
    news: list[TaskNews] = []
    policy = TaskPolicy(QUICK, fatal=(Fatal,), believe_fatal_after=3)
    once = Work(ConfigError("odd"), then=for_ever)
    always = Work(*[ConfigError("really")] * 9)
    async with Tasks(news.append) as tasks:
        living = tasks.keep(once, "once", policy)
        dead = tasks.keep(always, "always", policy)
        with pytest.raises(ConfigError, match="really"):
            await dead
        assert not living.done()
    assert always.runs == 3
    assert [each.again_in_s for each in news if each.name == "always"][-1] is None


async def test_what_the_exchange_asks_for_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from btccxt.errors import RateLimited

    news: list[TaskNews] = []
    async with Tasks(news.append) as tasks:
        tasks.keep(Work(RateLimited("slowly", 77.0)), "feed", TaskPolicy(QUICK))
        await until(lambda: bool(news))
    assert isinstance(news[0], TaskFailed)
    assert news[0].again_in_s == 77.0


async def test_work_that_ends_badly_is_told_by_name() -> None:
    news: list[TaskNews] = []
    tasks = Tasks(news.append)
    task = tasks.start(Work(KeyError("x"))(), "send")
    await until(task.done)
    await until(lambda: bool(news))
    assert isinstance(news[0], TaskFailed)
    assert (news[0].name, news[0].again_in_s) == ("send", None)


async def test_the_end_is_bounded_even_if_a_task_ignores_it() -> None:
    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                if let_go.is_set():
                    raise

    let_go = asyncio.Event()
    news: list[TaskNews] = []
    tasks = Tasks(news.append)
    task = tasks.start(stubborn(), "stubborn")
    kept = tasks.keep(Work(then=for_ever), "kept")
    await asyncio.sleep(0.01)
    assert not await tasks.close(within_s=0.05)
    assert kept.done()
    assert [each.name for each in news] == ["stubborn"]
    let_go.set()
    assert await tasks.close(within_s=60.0)
    assert task.cancelled()


async def test_leaving_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    async with Tasks() as tasks:
        tasks.keep(Work(then=for_ever), "a")
        tasks.every(0.001, Work(KeyError()), "b")
        tasks.start(for_ever(), "c")
        await asyncio.sleep(0.02)
    assert asyncio.all_tasks() == before


_MAKERS = {"create_task", "ensure_future", "TaskGroup"}
_ALLOWED = {
    "resilience/supervised.py",
    "sim/server.py",  # the embedded exchange knows none of the rooms above it
    "sim/venue.py",
}


def test_no_task_is_made_anywhere_else() -> None:
    root = Path(btccxt.__file__).parent
    found = {
        f"{path.relative_to(root).as_posix()}"
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Attribute) and node.attr in _MAKERS)
        or (isinstance(node, ast.Name) and node.id in _MAKERS)
    }
    assert found == _ALLOWED

"""The session's thread: work goes in from any thread, nothing is lost, nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import warnings

import pytest

from btccxt.session import loop_thread
from btccxt.session.loop_thread import Session, SessionClosed


@pytest.fixture
def session():
    session = Session("test").start()
    yield session
    assert session.stop(timeout_s=5)


def test_work_runs_in_the_session_thread_and_its_result_comes_back(session):
    async def where() -> str:
        await asyncio.sleep(0)
        return threading.current_thread().name

    assert session.call(where(), timeout=100) == "btccxt-test"
    assert session.submit(where()).result(60) == "btccxt-test"


def test_an_exception_of_the_work_reaches_the_caller(session):
    async def fail() -> None:
        raise LookupError("no such order")

    with pytest.raises(LookupError, match="no such order"):
        session.call(fail(), timeout=100)


def test_a_call_that_takes_too_long_is_cancelled_and_said_so(session):
    ended = threading.Event()

    async def hang() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    with pytest.raises(TimeoutError, match=r"no answer from session test within 0\.05 s"):
        session.call(hang(), timeout=0.05)
    assert ended.wait(60)


def test_the_works_own_time_out_is_not_mistaken_for_the_callers(session):
    async def own() -> None:
        raise TimeoutError("the exchange's")

    with pytest.raises(TimeoutError, match="the exchange's"):
        session.call(own(), timeout=100)


def test_posted_functions_run_in_order(session):
    seen: list[int] = []
    done = threading.Event()
    for number in range(50):
        session.post(seen.append, number)
    session.post(done.set)
    assert done.wait(60)
    assert seen == list(range(50))


def test_what_a_task_or_a_posted_function_raises_is_reported_and_the_session_goes_on():
    reports: list[tuple[str, BaseException]] = []
    two = threading.Semaphore(0)

    def listen(what: str, error: BaseException) -> None:
        reports.append((what, error))
        two.release()

    session = Session("reports", on_error=listen).start()

    async def fail() -> None:
        raise ValueError("task broke")

    def post_fail() -> None:
        raise KeyError("post broke")

    session.spawn(fail(), name="order stream")
    session.post(post_fail)
    assert two.acquire(timeout=100)
    assert two.acquire(timeout=100)
    assert ("order stream", ValueError) in [(what, type(error)) for what, error in reports]
    assert KeyError in [type(error) for _, error in reports]
    assert session.call(asyncio.sleep(0, "alive"), timeout=100) == "alive"
    assert session.stop()


def test_waiting_for_itself_is_refused_instead_of_hanging(session):
    async def inside() -> str:
        with pytest.raises(RuntimeError, match="wait for itself"):
            session.call(asyncio.sleep(0))
        with pytest.raises(RuntimeError, match="own thread"):
            session.stop()
        return "refused"

    assert session.call(inside(), timeout=100) == "refused"


def test_stop_closes_in_reverse_order_cancels_tasks_and_ends_the_thread():
    session = Session("stop").start()
    log: list[str] = []
    started = threading.Event()

    async def forever() -> None:
        started.set()
        try:
            await asyncio.sleep(3600)
        finally:
            log.append("task cancelled")

    async def close(name: str) -> None:
        log.append(name)

    async def broken() -> None:
        log.append("broken")
        raise RuntimeError("cannot close")

    session.at_stop("exchange", lambda: close("exchange"))
    session.at_stop("broken", broken)
    session.at_stop("streams", lambda: close("streams"))
    session.spawn(forever(), name="forever")
    assert started.wait(60)
    assert session.stop()
    assert session.stop(), "stopping twice is no error"
    assert log == ["streams", "broken", "exchange", "task cancelled"]
    assert "btccxt-stop" not in [thread.name for thread in threading.enumerate()]


def test_no_thread_that_looked_something_up_outlives_the_stop():
    before = set(threading.enumerate())
    session = Session("pool").start()
    assert session.call(asyncio.to_thread(lambda: 5), timeout=100) == 5
    assert session.stop()
    assert set(threading.enumerate()) <= before


def test_stop_is_bounded_even_if_a_task_swallows_its_cancellation():
    session = Session("stubborn").start()
    started = threading.Event()

    async def stubborn() -> None:
        while True:
            try:
                started.set()
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                continue

    session.spawn(stubborn(), name="stubborn")
    assert started.wait(60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session.stop(timeout_s=0.3)
    assert "btccxt-stubborn" not in [thread.name for thread in threading.enumerate()]


def test_stop_returns_even_if_the_loop_cannot_be_closed(monkeypatch):
    class Unclosable(asyncio.SelectorEventLoop):
        def close(self) -> None:
            super().close()
            raise OSError("a handle is busy")

    said = []
    monkeypatch.setattr(loop_thread, "new_event_loop", Unclosable)
    monkeypatch.setattr(threading, "excepthook", lambda args: said.append(args.exc_type))
    session = Session("unclosable").start()
    assert session.stop(timeout_s=20)
    assert said == [OSError]


def test_a_session_that_does_not_run_refuses_work_and_leaves_no_coroutine_behind():
    session = Session("late")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(SessionClosed):
            session.call(asyncio.sleep(0))
        session.start()
        assert session.stop()
        for attempt in (session.call, session.submit):
            with pytest.raises(SessionClosed):
                attempt(asyncio.sleep(0))
        with pytest.raises(SessionClosed):
            session.spawn(asyncio.sleep(0), name="late")
        with pytest.raises(SessionClosed):
            session.post(print)
        with pytest.raises(SessionClosed):
            session.start()


def test_a_process_that_forgets_to_stop_ends_cleanly_and_in_silence():
    script = (
        "import asyncio\n"
        "from btccxt.session.loop_thread import Session\n"
        "session = Session('forgotten').start()\n"
        "session.spawn(asyncio.sleep(3600), name='sleeper')\n"
        "session.call(asyncio.sleep(0))\n"
    )
    result = subprocess.run([sys.executable, "-X", "dev", "-c", script], capture_output=True, text=True, timeout=100)
    assert result.returncode == 0
    assert result.stderr == ""


def test_ctrl_c_while_it_starts_leaves_no_thread(monkeypatch):
    before = set(threading.enumerate())

    class Interrupted(threading.Event):
        def wait(self, timeout=None):
            if timeout is None:
                monkeypatch.undo()
                raise KeyboardInterrupt
            return super().wait(timeout)

    session = Session("interrupted")
    monkeypatch.setattr(threading, "Event", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        session.start()
    assert set(threading.enumerate()) == before


_FORKS = """
import asyncio, os, sys
from btccxt.session.loop_thread import Session, SessionClosed
session = Session("parent").start()
child = os.fork()
if child == 0:
    try:
        session.call(asyncio.sleep(0), timeout=100)
    except SessionClosed as error:
        print("child:", error, session.stop(timeout_s=30), flush=True)
    own = Session("own").start()
    print("child:", own.call(asyncio.sleep(0, "has its own"), timeout=100), own.stop(), flush=True)
    sys.exit()
os.waitpid(child, 0)
print("parent:", session.call(asyncio.sleep(0, "goes on"), timeout=100), session.stop(), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_is_told_at_once_and_leaves_the_parents_session_alone():
    done = subprocess.run([sys.executable, "-c", _FORKS], capture_output=True, text=True, timeout=100, check=True)
    told, own, parent = done.stdout.splitlines()
    assert told.endswith("make a store of its own in each process True")
    assert own == "child: has its own True"
    assert parent == "parent: goes on True"

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from btccxt.errors import ConfigError
from btccxt.resilience.limiter import AsyncLimiter, Limiter, PoolRule, Priority
from btccxt.resilience.shared_budget import BudgetTrouble, Charge, FileBudget, SharedBudget, open_budget

WINDOW_MS = 60_000.0


def charge(weight: float = 1, ceiling: float = 10, pool: str = "weight", window_ms: float = WINDOW_MS) -> Charge:
    return Charge(pool, weight, ceiling, window_ms)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Redis server of our own on a free port."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server program on this machine: the Redis budget is not tested")
    port = free_port()
    folder = tmp_path_factory.mktemp("redis")
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        deadline = time.monotonic() + 60.0  # a refused connection costs no time, so tries must not be counted
        while not answers(port):
            assert server.poll() is None, "redis-server ended at once"
            assert time.monotonic() < deadline, "redis-server does not listen"
            time.sleep(0.01)
        yield f"redis://127.0.0.1:{port}/0"
        server.terminate()


@pytest.fixture(params=["file", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "file":
        return (tmp_path / "budget with space.db").as_uri()
    redis: str = request.getfixturevalue("redis_url")
    return redis


@pytest.fixture
def scope(request: pytest.FixtureRequest) -> str:
    return f"test {request.node.name}"  # the tests share one Redis server


@pytest.fixture
async def pair(url: str, scope: str) -> AsyncIterator[tuple[SharedBudget, SharedBudget]]:
    """Two processes' views of one budget."""
    one, other = await open_budget(url, scope), await open_budget(url, scope)
    yield one, other
    await one.close()
    await other.close()


async def test_what_one_process_takes_is_gone_for_the_other(pair: tuple[SharedBudget, SharedBudget]) -> None:
    one, other = pair
    assert [await one.take([charge(4)]), await other.take([charge(4)])] == [0, 0]
    wait_ms = await one.take([charge(4)])
    assert 0.9 * WINDOW_MS < wait_ms <= 1.01 * WINDOW_MS
    assert await other.take([charge(2)]) == 0


async def test_several_pools_are_charged_all_or_none(pair: tuple[SharedBudget, SharedBudget]) -> None:
    one, other = pair
    assert await one.take([charge(10, pool="orders")]) == 0
    assert await other.take([charge(10, pool="weight"), charge(1, pool="orders")]) > 0
    assert await one.take([charge(10, pool="weight")]) == 0, "the refused call left nothing in the other pool"


async def test_an_order_may_use_the_reserve_that_history_must_leave(pair: tuple[SharedBudget, SharedBudget]) -> None:
    one, other = pair
    assert await one.take([charge(8, ceiling=8)]) == 0
    assert await other.take([charge(1, ceiling=8)]) > 0
    assert await other.take([charge(2, ceiling=10)]) == 0


async def test_a_call_above_its_ceiling_goes_when_the_pool_is_empty(pair: tuple[SharedBudget, SharedBudget]) -> None:
    assert await pair[0].take([charge(1, ceiling=0.8)]) == 0
    assert await pair[1].take([charge(1, ceiling=0.8)]) > 0


async def test_a_stop_holds_for_every_process_and_a_shorter_one_does_not_undo_it(
    pair: tuple[SharedBudget, SharedBudget],
) -> None:
    one, other = pair
    await one.stop("weight", 30_000)
    await other.stop("weight", 10)
    assert 20_000 < await other.take([charge()]) <= 30_000
    assert await other.take([charge(pool="orders")]) == 0


async def test_scopes_do_not_touch_each_other(url: str, scope: str) -> None:
    one, other = await open_budget(url, scope + " a"), await open_budget(url, scope + " b")
    assert await one.take([charge(10)]) == 0
    assert await other.take([charge(10)]) == 0
    await one.close()
    await other.close()


async def test_room_comes_back_when_the_window_has_passed(pair: tuple[SharedBudget, SharedBudget]) -> None:
    one, other = pair
    short = charge(10, window_ms=40)
    assert await one.take([short]) == 0
    wait_ms = await other.take([short])
    waits = 0
    while wait_ms > 0:
        waits += 1
        assert waits < 50
        await asyncio.sleep(wait_ms / 1000)
        wait_ms = await other.take([short])
    assert waits >= 1


async def test_fractions_add_up(pair: tuple[SharedBudget, SharedBudget]) -> None:
    taken = [await pair[number % 2].take([charge(0.1, ceiling=0.3)]) for number in range(4)]
    assert taken[:3] == [0] * 3, "0.1 + 0.1 is more than 0.3 - 0.1 for a computer"
    assert taken[3] > 0


CHILD = """
import asyncio, sys
from btccxt.resilience.shared_budget import Charge, open_budget

async def main():
    budget = await open_budget(sys.argv[1], sys.argv[2])
    print('ready', flush=True)
    sys.stdin.readline()
    taken = 0
    for _ in range(200):
        taken += await budget.take([Charge('weight', 1, 300, 600_000)]) == 0
    await budget.close()
    print(taken)

asyncio.run(main())
"""


async def test_three_processes_at_once_take_exactly_the_capacity(url: str, scope: str) -> None:
    pipe = asyncio.subprocess.PIPE
    children = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, url, scope, stdin=pipe, stdout=pipe)
        for _ in range(3)
    ]
    for child in children:
        assert child.stdout is not None
        assert await child.stdout.readline() == b"ready\n"
    outputs = await asyncio.gather(*(child.communicate(b"go\n") for child in children))
    assert sum(int(output) for output, _ in outputs) == 300


# ------------------------------------------------------------------ the file


async def test_stamps_from_before_the_clock_was_set_back_do_not_count(tmp_path: Path) -> None:
    now_ms = 10_000_000.0
    budget = await FileBudget.open(tmp_path / "budget.db", "x", now_ms=lambda: now_ms)
    assert await budget.take([charge(10)]) == 0
    now_ms -= 3_600_000
    assert await budget.take([charge(10)]) == 0
    await budget.close()


async def test_old_spendings_are_removed_from_the_file(tmp_path: Path) -> None:
    now_ms = 0.0
    budget = await FileBudget.open(tmp_path / "budget.db", "x", now_ms=lambda: now_ms)
    for _ in range(300):
        assert await budget.take([charge(1)]) == 0
        now_ms += WINDOW_MS
    assert budget._database is not None
    (rows,) = await budget._run(lambda: budget._database.execute("SELECT count(*) FROM spent").fetchone())  # type: ignore[union-attr]
    assert rows <= 2
    await budget.close()


# ------------------------------------------------------------------ mistakes and trouble


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("http://localhost", "use file:///path or redis://"),
        ("budget.db", "use file:///path or redis://"),
        ("file://", "write file:///absolute/path"),
        ("file://elsewhere/path", "write file:///absolute/path"),
        ("redis://localhost:port/0", "rate_budget redis://localhost:port/0"),
    ],
)
async def test_a_url_that_means_nothing_is_refused_with_the_right_form(wrong: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        await open_budget(wrong, "x")


async def test_a_file_that_cannot_be_opened_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("")
    with pytest.raises(ConfigError, match="rate_budget: the file"):
        await open_budget((tmp_path / "occupied" / "budget.db").as_uri(), "x")


async def test_a_file_that_is_no_budget_is_refused_and_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "diary.txt"
    mine.write_text("Dear diary, " * 100)
    with pytest.raises(ConfigError, match="not a database"):
        await open_budget(mine.as_uri(), "x")
    assert mine.read_text() == "Dear diary, " * 100


async def test_a_redis_that_is_not_there_is_refused_at_start_without_showing_its_password() -> None:
    with pytest.raises(ConfigError, match="no Redis answers at") as caught:
        await open_budget(f"redis://user:hunter2secret@127.0.0.1:{free_port()}/0", "x")
    assert "hunter2secret" not in str(caught.value)
    assert "***@127.0.0.1" in str(caught.value)


async def test_without_the_redis_client_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ConfigError, match=r"btccxt\[redis\]"):
        await open_budget("redis://127.0.0.1/0", "x")


class BrokenBudget(SharedBudget):
    async def take(self, charges: object) -> float:
        raise BudgetTrouble("the counter is down")

    async def stop(self, pool: str, for_ms: float) -> None:
        raise BudgetTrouble("the counter is down")

    async def close(self) -> None:
        pass


async def test_when_the_shared_budget_fails_calls_go_by_the_local_limit_and_it_is_reported() -> None:
    troubles: list[BudgetTrouble] = []
    limiter = AsyncLimiter(Limiter([PoolRule("weight", 2, 1e9)]), shared=BrokenBudget(), on_trouble=troubles.append)
    await limiter.acquire({"weight": 1}, Priority.ORDER)
    await limiter.rate_limited(["weight"], 1.0)
    assert [str(each) for each in troubles] == ["the counter is down"] * 2
    assert limiter.usage()["weight"].used == 1


async def test_two_limiters_on_one_budget_share_its_capacity_and_its_stops(url: str, scope: str) -> None:
    rule = PoolRule("weight", 4, WINDOW_MS, reserve_pct=0)
    one = AsyncLimiter(Limiter([rule]), shared=await open_budget(url, scope))
    other = AsyncLimiter(Limiter([rule]), shared=await open_budget(url, scope))
    for limiter in (one, other, one, other):
        await asyncio.wait_for(limiter.acquire({"weight": 1}, Priority.ORDER), 60)
    fifth = asyncio.create_task(one.acquire({"weight": 1}, Priority.ORDER))
    free = asyncio.create_task(one.acquire({}, Priority.ORDER))
    await asyncio.wait_for(free, 60)
    probe = await open_budget(url, scope)
    assert await probe.take([charge(1, ceiling=4)]) > 0
    assert not fifth.done()
    fifth.cancel()
    await asyncio.gather(fifth, return_exceptions=True)
    assert one.usage()["weight"].used == 2, "the cancelled call gave its local weight back"
    await other.rate_limited(["weight"], 3_600)
    assert await probe.take([charge(1, ceiling=1_000)]) > 3_000_000
    for closable in (one, other, probe):
        await closable.close()


def test_a_closed_file_budget_leaves_no_thread_behind(tmp_path):
    async def go() -> None:
        budget = await FileBudget.open(tmp_path / "budget.sqlite3", "binance")
        await budget.close()
        await budget.close()  # again does no harm

    before = set(threading.enumerate())
    asyncio.run(go())
    assert {each for each in threading.enumerate() if each.name.startswith("btccxt-budget")} <= before

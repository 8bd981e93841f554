"""A bot that is recorded or not, the page beside it in a process of its own, and a browser that looks at the page."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any

import aiohttp

from benchmarks.clients import orders_ours, ours
from benchmarks.processes import Link
from btccxt.runs.page_server import PageServer
from btccxt.runs.records import find_runs
from btccxt.sim.tls import SimAddress
from btccxt.store import engine


def keep_state_in(folder: str) -> None:
    """Records of a benchmark do not belong among the user's."""
    for name in ("XDG_STATE_HOME", "LOCALAPPDATA", "HOME"):
        os.environ[name] = folder


def _without_record() -> None:
    engine.record_run = lambda *args, **facts: lambda: None


def watch(link: Link, address: SimAddress, group: str, count: int, folder: str, recorded: bool) -> None:
    """A worker: a bot that looks at ``count`` feeds."""
    keep_state_in(folder)
    if not recorded:
        _without_record()
    ours.watch(link, address, group, count, timed=False)


def send(link: Link, address: SimAddress, group: str, folder: str, recorded: bool) -> None:
    """A worker: a bot that sends an order with each bar."""
    keep_state_in(folder)
    if not recorded:
        _without_record()
    orders_ours.send(link, address, group, ":memory:")


def show(link: Link, folder: str) -> None:
    """A worker: ``btccxt dashboard``. Ready with the page's address; answers ``cpu``."""
    keep_state_in(folder)

    async def serve() -> None:
        page = PageServer()
        await page.start()
        link.ready(page.address)
        await _until_stopped(link, time.process_time)
        await page.stop()

    asyncio.run(serve())


def browse(link: Link, address: str, folder: str) -> None:
    """A worker: a browser that looks at each run there is. Ready when all have come; answers how many records came."""
    keep_state_in(folder)
    received = 0

    async def look(session: aiohttp.ClientSession, url: str, come: asyncio.Event) -> None:
        nonlocal received
        async with session.ws_connect(url) as socket:
            async for _ in socket:
                received += 1
                come.set()

    async def browse_all() -> None:
        base = address.partition("/?")[0]
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            async with session.get(address) as answer:
                assert answer.status == 200, answer.status
            shown = [(asyncio.Event(), f"{base}/runs/{run.run_id}") for run in find_runs()]
            looking = [asyncio.create_task(look(session, url, come)) for come, url in shown]
            await asyncio.gather(*(come.wait() for come, _ in shown))
            link.ready(len(shown))
            await _until_stopped(link, lambda: received)
            for each in looking:
                each.cancel()

    asyncio.run(browse_all())


async def _until_stopped(link: Link, answer: Callable[[], Any]) -> None:
    questions: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()
    asyncio.get_running_loop().add_reader(link.fileno(), lambda: questions.put_nowait(link.question()))
    while (await questions.get())[0] != "stop":
        link.answer(answer())

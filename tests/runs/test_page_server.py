"""The page is for its user on this machine; it follows a record, and a browser that does not read holds up nobody."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from btccxt.errors import ConfigError
from btccxt.runs import page_server
from btccxt.runs.page_server import PageServer
from btccxt.runs.records import Tail, find_runs
from btccxt.runs.report import html, read_run, write_report
from btccxt.store import run_record
from btccxt.store.control import Answer, Command
from btccxt.store.run_record import RunRecord

HEADER = {
    "wall_ms": 1, "store": "binance-spot-sim", "exchange": "binance", "mode": "sim", "market_type": "spot",
    "currency": "USDT", "symbols": ["BTC/USDT"], "strategy": "Averages", "params": {},
}  # fmt: skip


def bar(number: int) -> dict[str, Any]:
    close = 100.0 + number
    at = 1_767_614_400_000 + 60_000 * number
    return {"t": "bar", "s": "BTC/USDT", "at": at, "o": close, "h": close, "l": close, "c": close, "v": 1.0, "live": 1}


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunRecord]:
    monkeypatch.setattr(run_record, "state_directory", lambda: tmp_path)
    monkeypatch.setattr(run_record, "_WRITE_EVERY_S", 0.01)
    monkeypatch.setattr(page_server, "_POLL_S", 0.02)
    made = RunRecord("run-1", HEADER, lambda what, error: None)
    for number in range(3):
        made.add(bar(number))
    yield made
    made.end()


@pytest_asyncio.fixture
async def served(record: RunRecord) -> AsyncIterator[PageServer]:
    server = PageServer(control=True)
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture
async def browser(served: PageServer) -> AsyncIterator[aiohttp.ClientSession]:
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(served.address.partition("/?")[0], cookie_jar=jar) as session:
        yield session


async def enter(browser: aiohttp.ClientSession, served: PageServer) -> None:
    async with browser.get(served.address) as answer:
        assert answer.status == 200
        assert "page.js" in await answer.text()


async def test_without_the_token_there_is_nothing(served: PageServer, browser: aiohttp.ClientSession) -> None:
    for path in ("/", "/?token=wrong", "/runs", "/runs/run-1", "/page/page.js"):
        async with browser.get(path) as answer:
            assert (answer.status, "it holds the token" in await answer.text()) == (403, True)
    await enter(browser, served)
    async with browser.get("/page/page.js") as answer:
        assert answer.status == 200
    async with browser.get("/page/..%2Fstate.py") as answer:
        assert answer.status == 404


async def test_two_pages_in_one_browser_do_not_close_each_other(
    served: PageServer, browser: aiohttp.ClientSession
) -> None:
    other = PageServer()
    await other.start()
    try:
        await enter(browser, served)
        async with browser.get(other.address) as answer:  # a browser sends the cookies of one port to all ports
            assert answer.status == 200
        async with browser.get("/runs") as answer:
            assert answer.status == 200
    finally:
        await other.stop()


async def test_another_name_or_another_page_gets_nothing(served: PageServer, browser: aiohttp.ClientSession) -> None:
    await enter(browser, served)
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        async with browser.get("/runs", headers=headers) as answer:
            assert answer.status == 403
        async with browser.post("/runs/run-1/control", headers=headers, json={"command": ["stop"]}) as answer:
            assert answer.status == 403


async def test_a_browser_sees_what_was_and_then_what_comes(
    served: PageServer, browser: aiohttp.ClientSession, record: RunRecord
) -> None:
    await enter(browser, served)
    async with browser.get("/runs") as answer:
        told = await answer.json()
    assert [(run["run"], run["running"], run["strategy"]) for run in told["runs"]] == [("run-1", False, "Averages")]
    async with browser.ws_connect("/runs/run-1") as socket:
        first = await socket.receive_json(timeout=60)
        assert first["t"] == "snapshot"
        record.add(bar(3))
        record.end()
        seen = [*first["bars"].get("BTC/USDT", ())]
        while True:
            news = await socket.receive_json(timeout=60)
            if news["t"] == "bar":
                seen.append([news["at"]])
            if news["t"] == "end":
                break
        assert [each[0] for each in seen] == [bar(number)["at"] for number in range(4)]


async def test_a_record_is_read_while_somebody_looks_and_only_what_is_new_is_told(
    served: PageServer, browser: aiohttp.ClientSession, record: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_server, "_HEALTH_EVERY", 1_000_000)
    polls = 0
    read = Tail.read

    def counted(tail: Tail) -> Iterator[Any]:
        nonlocal polls
        polls += 1
        return read(tail)

    monkeypatch.setattr(Tail, "read", counted)
    await enter(browser, served)
    async with browser.ws_connect("/runs/run-1") as reader:
        assert (await reader.receive_json(timeout=60))["t"] == "snapshot"
        while polls < 5:  # noqa: ASYNC110 - the server tells nobody that it has looked
            await asyncio.sleep(0.01)
        record.add(bar(3))
        told: list[dict[str, Any]] = []
        while {"t": "changing"} not in told[-1:] or bar(3) not in told:
            heard = await reader.receive_json(timeout=60)
            told.append({"t": "changing"} if heard["t"] == "changing" else heard)
        assert all([one, other].count({"t": "changing"}) < 2 for one, other in pairwise(told))
    (channel,) = served._channels.values()
    while channel._browsers:  # noqa: ASYNC110 - the same
        await asyncio.sleep(0.01)
    await channel._poll()
    before = polls
    record.add(bar(4))
    record.end()
    for _ in range(3):
        await channel._poll()
    assert polls == before
    async with browser.ws_connect("/runs/run-1") as reader:  # who comes later finds all of it
        assert len((await reader.receive_json(timeout=60))["bars"]["BTC/USDT"]) == 5


async def test_a_browser_that_does_not_read_is_cut_off_and_the_others_go_on(
    served: PageServer, browser: aiohttp.ClientSession, record: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_server, "_WAITING", 50)
    await enter(browser, served)
    async with browser.ws_connect("/runs/run-1") as reader, browser.ws_connect("/runs/run-1") as sleeper:
        await reader.receive_json(timeout=60)
        await sleeper.receive_json(timeout=60)
        (channel,) = served._channels.values()
        assert len(channel._browsers) == 2
        sleeper._reader._protocol.pause_reading()  # type: ignore[attr-defined]  # its socket fills up
        count = 0
        while len(channel._browsers) == 2:
            for _ in range(25):
                record.add({**bar(count), "pad": "x" * 50_000})
                count += 1
            heard = 0
            while heard < 25:
                heard += (await reader.receive_json(timeout=60))["t"] == "bar"
        assert len(channel._browsers) == 1
        record.end()
        while (await reader.receive_json(timeout=60))["t"] != "end":
            pass


class Bot:
    process, name = 0, "binance-spot-sim"

    def __init__(self) -> None:
        self.heard: list[str] = []

    def tell(self, command: Command) -> Answer:
        self.heard.append(str(command))
        if command.name == "dance":
            raise ConfigError("no command 'dance'")
        return Answer(True, "trading is HALTED")


async def test_its_buttons_tell_the_bot_what_ctl_tells_it(
    served: PageServer, browser: aiohttp.ClientSession, record: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = Bot()
    bot.process = record.header["process"]
    monkeypatch.setattr(page_server, "bots", lambda: iter([bot]))
    await enter(browser, served)

    async def steer(body: object) -> tuple[bool, str]:
        async with browser.post("/runs/run-1/control", data=json.dumps(body)) as answer:
            told = await answer.json()
            return told["done"], told["text"]

    assert await steer({"command": ["pause"]}) == (True, "trading is HALTED")
    assert await steer({"command": ["dance"]}) == (False, "no command 'dance'")
    assert bot.heard == ["pause", "dance"]
    for odd in ({}, [], {"command": []}, {"command": "stop"}):
        assert (await steer(odd))[0] is False
    bot.name = "another"
    assert await steer({"command": ["stop"]}) == (False, "this run has ended")
    assert bot.heard == ["pause", "dance"]


async def test_it_is_read_only_unless_asked(record: RunRecord) -> None:
    server = PageServer(token="secret")
    await server.start()
    try:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
            await enter(browser, server)
            address = f"{server.address.partition('/?')[0]}/runs/run-1/control"
            async with browser.post(address, json={"command": ["stop"]}) as answer:
                assert answer.status == 403
                assert "--control" in (await answer.json())["text"]
    finally:
        await server.stop()


async def test_a_taken_port_is_an_error(served: PageServer) -> None:
    with pytest.raises(OSError):
        await PageServer(served._port).start()


async def test_a_report_is_one_file_that_asks_nobody(record: RunRecord, tmp_path: Path) -> None:
    record.add({"t": "told", "at": 0, "kind": "alarm", "text": "<!--<script></script><script>alert(1)</script>"})
    record.end()
    (run,) = find_runs()
    page = html(read_run(run))
    asked_for = re.findall(r"<(?:script|link|img)\b[^>]*\b(?:src|href)=\"([^\"]*)\"", page)
    assert asked_for == ["data:,"]
    assert "</script><script>alert" not in page and "<!--" not in page.partition("<body")[2]
    written = await asyncio.to_thread(write_report, read_run(run), tmp_path / "new" / "report.html")
    assert [path.suffix for path in written] == [".html", ".png"]
    assert all(path.stat().st_size > 10_000 for path in written)
    with pytest.raises(ConfigError, match="cannot be written"):
        write_report(read_run(run), tmp_path / "new" / "report.html" / "under-a-file.html")

"""aiohttp repeats GET, PUT and DELETE by itself when a reused connection drops; some exchanges place orders by GET."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from btccxt.exchange.ccxt.ccxt_instance import make_http_session


class Dropping:
    """Answers the first request and closes the connection upon every later one, unanswered, as after acceptance."""

    def __init__(self) -> None:
        self.requests: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.requests.append(head.split(b" ")[1].decode())
                if len(self.requests) > 1:
                    break
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n{}")
        except asyncio.IncompleteReadError:
            pass
        writer.close()


@pytest.fixture
async def place() -> AsyncIterator[tuple[Dropping, str]]:
    dropping = Dropping()
    server = await asyncio.start_server(dropping.serve, "127.0.0.1", 0)
    try:
        yield dropping, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def ask_twice(session: aiohttp.ClientSession, url: str) -> None:
    async with session.get(url + "/time") as answer:
        await answer.read()
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await session.get(url + "/private/buy?amount=1")


async def test_a_stock_session_sends_an_order_twice(place):
    dropping, url = place
    async with aiohttp.ClientSession() as session:
        await ask_twice(session, url)
    assert dropping.requests == ["/time", *["/private/buy?amount=1"] * 2]


async def test_ours_sends_it_once_and_tells_that_it_is_not_known(place):
    dropping, url = place
    wire = make_http_session(None, {})
    try:
        await ask_twice(wire.session, url)
    finally:
        await wire.close()
    assert dropping.requests == ["/time", "/private/buy?amount=1"]

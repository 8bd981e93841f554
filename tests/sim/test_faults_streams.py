"""Faults that strike WebSocket connections and frames, as clients get to feel them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import ccxt
import pytest

from btccxt.model import Bar
from btccxt.sim.faults import Fault, FaultKind, Faults
from btccxt.sim.server import SimExchange
from tests.sim.dialects.binance_kit import START_MS, SYMBOL, exchange, soon, subscribed, trade, until

NAME = "btcusdt@kline_1m"
STREAM = f"wss://stream.binance.com:9443/ws/{NAME}"
OTHER = "btcusdt@kline_5m"


@pytest.fixture
async def session(sim: SimExchange) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=sim.connector()) as opened:
        yield opened


def push(sim: SimExchange, *numbers: int, timeframe: str = "1m") -> None:
    for number in numbers:
        sim.push_candle(SYMBOL, timeframe, Bar(START_MS, 1.0, 1.0, 1.0, float(number), 1.0), False)


async def number(socket: aiohttp.ClientWebSocketResponse) -> int:
    return int(float((await soon(socket.receive_json()))["k"]["c"]))


async def silence(socket: aiohttp.ClientWebSocketResponse) -> bool:
    try:
        await asyncio.wait_for(socket.receive(), 0.05)
    except asyncio.TimeoutError:
        return True
    return False


async def answers_ping(sim: SimExchange, socket: aiohttp.ClientWebSocketResponse, within_s: float = 60.0) -> bool:
    """aiohttp swallows pongs unless told not to: look with ``autoping=False`` sockets only."""
    await socket.ping(b"there?")
    try:
        message = await asyncio.wait_for(socket.receive(), within_s)
    except asyncio.TimeoutError:
        return False
    return message.type is aiohttp.WSMsgType.PONG and bytes(message.data) == b"there?"


async def test_a_connection_breaks_where_a_frame_should_come(sim: SimExchange, session: aiohttp.ClientSession) -> None:
    sim.faults.add(Fault(FaultKind.CUT, stream=NAME, nth=3))
    async with session.ws_connect(STREAM) as socket:
        push(sim, 1, 2, 3, 4)
        assert [await number(socket), await number(socket)] == [1, 2]
        assert (await soon(socket.receive())).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)


async def test_a_close_frame_carries_its_code(sim: SimExchange, session: aiohttp.ClientSession) -> None:
    sim.faults.add(Fault(FaultKind.CLOSE, stream=NAME, close_code=1012))
    async with session.ws_connect(STREAM) as socket:
        (connection,) = sim.connections
        push(sim, 1, 2)
        assert connection.frames_sent == 0  # nothing follows a close frame
        message = await soon(socket.receive())
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1012)


async def test_ccxt_reports_the_broken_connection_and_dials_again(sim: SimExchange, client: Any) -> None:
    sim.faults.add(Fault(FaultKind.CUT, stream="btcusdt@trade"))
    watch = asyncio.ensure_future(client.watch_trades(SYMBOL))
    await subscribed(sim, "btcusdt@trade")
    trade(sim, "101")
    with pytest.raises(ccxt.NetworkError):
        await soon(watch)
    again = asyncio.ensure_future(client.watch_trades(SYMBOL))
    await subscribed(sim, "btcusdt@trade")
    trade(sim, "102")
    assert (await soon(again))[-1]["price"] == 102.0


async def test_a_silent_connection_still_answers_pings(sim: SimExchange, session: aiohttp.ClientSession) -> None:
    async with session.ws_connect(STREAM, autoping=False) as socket:
        await until(lambda: sim.connections)
        quiet = sim.faults.add(Fault(FaultKind.SILENCE, stream="*@kline_1m"))
        push(sim, 1, 2)
        assert await silence(socket)
        assert await answers_ping(sim, socket)
        async with session.ws_connect(STREAM) as later:  # a reconnect heals it
            await until(lambda: len(sim.connections) == 2 and all(c.topics for c in sim.connections))
            push(sim, 3)
            assert await number(later) == 3
        sim.faults.remove(quiet)
        push(sim, 4)
        assert await number(socket) == 4
    assert len(sim.faults.log) == 3


async def test_silence_may_outlast_reconnects_and_end_by_itself() -> None:
    time_s = 0.0
    async with (
        exchange(faults=Faults(wall_s=lambda: time_s)) as sim,
        aiohttp.ClientSession(connector=sim.connector()) as session,
    ):
        sim.faults.add(Fault(FaultKind.SILENCE, stream=NAME, reconnect_heals=False, duration_s=30))
        async with session.ws_connect(STREAM) as socket:
            push(sim, 1)
            time_s = 29.0
            push(sim, 2)
            assert await silence(socket)
            time_s = 31.0
            push(sim, 3)
            assert await number(socket) == 3


async def test_only_the_named_stream_falls_silent(sim: SimExchange, session: aiohttp.ClientSession) -> None:
    async with session.ws_connect(STREAM) as socket:
        await socket.send_json({"method": "SUBSCRIBE", "params": [OTHER], "id": 1})
        await soon(socket.receive_json())
        sim.faults.add(Fault(FaultKind.SILENCE, stream=NAME))
        push(sim, 1)
        push(sim, 2, timeframe="5m")
        assert await number(socket) == 2


async def test_a_half_open_connection_answers_nothing_at_all(sim: SimExchange, session: aiohttp.ClientSession) -> None:
    async with session.ws_connect(STREAM, autoping=False) as socket:
        await until(lambda: sim.connections)
        assert await answers_ping(sim, socket)
        sim.faults.add(Fault(FaultKind.HALF_OPEN))
        push(sim, 1)
        assert not await answers_ping(sim, socket, within_s=0.2)
        await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 1})
        assert await silence(socket)
        assert len(sim.connections) == 1
        async with session.ws_connect(STREAM, autoping=False) as later:
            assert await answers_ping(sim, later)


async def test_an_order_sent_into_a_half_open_connection_is_never_seen(sim: SimExchange, client: Any) -> None:
    await soon(client.create_order_ws(SYMBOL, "limit", "buy", 1, 90))
    sim.faults.add(Fault(FaultKind.HALF_OPEN, path="/ws-api/*"))
    request = asyncio.ensure_future(client.create_order_ws(SYMBOL, "limit", "buy", 1, 91))
    await asyncio.wait({request}, timeout=0.1)
    assert not request.done()
    assert len(sim.engine.orders("main")) == 1
    request.cancel()


async def test_frames_are_lost_doubled_and_swapped(sim: SimExchange, session: aiohttp.ClientSession) -> None:
    sim.faults.add(Fault(FaultKind.LOSE_FRAME, stream=NAME, nth=2))
    sim.faults.add(Fault(FaultKind.DUPLICATE, stream=NAME, nth=3))
    sim.faults.add(Fault(FaultKind.REORDER, stream=NAME, nth=3))
    async with session.ws_connect(STREAM) as socket:
        push(sim, 1, 2, 3, 4, 5, 6)
        assert [await number(socket) for _ in range(6)] == [1, 3, 4, 4, 6, 5]
    assert [applied.fault.kind for applied in sim.faults.log] == [
        FaultKind.LOSE_FRAME,
        FaultKind.DUPLICATE,
        FaultKind.REORDER,
    ]


async def test_a_frame_may_be_half_of_itself_or_something_else(
    sim: SimExchange, session: aiohttp.ClientSession
) -> None:
    sim.faults.add(Fault(FaultKind.MALFORMED, stream=NAME))
    sim.faults.add(Fault(FaultKind.MALFORMED, stream=NAME, body='{"e":"kline"}'))
    async with session.ws_connect(STREAM) as socket:
        push(sim, 1, 2, 3)
        half = (await soon(socket.receive_str())).rstrip()
        assert half.startswith('{"e":"kline"') and not half.endswith("}")
        assert await soon(socket.receive_str()) == '{"e":"kline"}'
        assert await number(socket) == 3


async def test_one_malformed_frame_kills_ccxts_receive_loop_in_silence(sim: SimExchange, client: Any) -> None:
    """Why streams need a watchdog of their own: the socket stays open, the client hears nothing ever after."""
    failures: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    watch = asyncio.ensure_future(client.watch_trades(SYMBOL))
    await subscribed(sim, "btcusdt@trade")
    sim.faults.add(Fault(FaultKind.MALFORMED, stream="btcusdt@trade", body='{"e":"trade","s":'))
    trade(sim, "101")
    trade(sim, "102")
    await until(lambda: failures)
    await asyncio.sleep(0.05)
    assert not watch.done()
    watch.cancel()


async def test_a_slow_line_delivers_late_but_in_order(sim: SimExchange, session: aiohttp.ClientSession) -> None:
    async with session.ws_connect(STREAM) as socket:
        await until(lambda: sim.connections)
        slow = sim.faults.add(Fault(FaultKind.SLOW, delay_s=0.03))
        push(sim, *range(20))
        assert [await number(socket) for _ in range(3)] == [0, 1, 2]
        assert sim.connections[0].frames_sent < 20
        sim.faults.remove(slow)
        push(sim, 20, 21)
        assert [await number(socket) for _ in range(19)] == list(range(3, 22))


async def test_connections_are_refused_for_a_while() -> None:
    time_s = 0.0
    async with (
        exchange(faults=Faults(wall_s=lambda: time_s)) as sim,
        aiohttp.ClientSession(connector=sim.connector()) as session,
    ):
        sim.faults.add(Fault(FaultKind.REFUSE_CONNECTION, path="/ws/*", status=429, retry_after_s=3, duration_s=10))
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(STREAM)
        assert refused.value.status == 429
        assert refused.value.headers is not None and refused.value.headers["Retry-After"] == "3"
        async with session.ws_connect("wss://ws-api.binance.com/ws-api/v3"):
            time_s = 11.0
        assert not sim.faults.stands(FaultKind.REFUSE_CONNECTION)
        async with session.ws_connect(STREAM) as socket:
            push(sim, 1)
            assert await number(socket) == 1


async def test_private_frames_go_by_the_name_user(sim: SimExchange, client: Any) -> None:
    watch = asyncio.ensure_future(client.watch_orders(SYMBOL))
    await subscribed(sim, "user:main")
    sim.faults.add(Fault(FaultKind.LOSE_FRAME, stream="user", times=None))
    await client.create_order(SYMBOL, "limit", "buy", 1, 90)
    await asyncio.wait({watch}, timeout=0.1)
    assert not watch.done()
    sim.faults.clear()
    await client.create_order(SYMBOL, "limit", "buy", 1, 91)
    assert (await soon(watch))[-1]["price"] == 91.0

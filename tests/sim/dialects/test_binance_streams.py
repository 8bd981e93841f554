"""Market streams of the Binance dialect, as the unmodified ccxt.pro client watches them, and as raw frames."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from itertools import pairwise
from typing import Any

import aiohttp
import pytest

from btccxt.model import Bar, Side
from btccxt.sim.server import SimExchange
from tests.sim.dialects.binance_kit import START_MS, SYMBOL, exchange, set_book, soon, trade, until, watching

MINUTE_MS = 60_000
STREAM = "wss://stream.binance.com:9443"


class Raw:
    """A bare WebSocket client."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def ask(self, method: str, *names: str, number: int = 1) -> Any:
        await self.socket.send_json({"method": method, "params": list(names), "id": number})
        return await self.next()

    async def next(self) -> Any:
        return await soon(self.socket.receive_json())


@pytest.fixture
async def session(sim: SimExchange) -> Any:
    async with aiohttp.ClientSession(connector=sim.connector()) as opened:
        yield opened


async def test_watch_ohlcv_sees_the_forming_candle_and_then_the_next(sim: SimExchange, client: Any) -> None:
    first = await watching(sim, client.watch_ohlcv(SYMBOL, "1m"), "btcusdt@kline_1m")
    trade(sim, "103", "2")
    assert await soon(first) == [[START_MS, 100.5, 103.0, 100.5, 103.0, 3.0]]
    second = asyncio.ensure_future(client.watch_ohlcv(SYMBOL, "1m"))
    await asyncio.sleep(0)
    sim.advance(MINUTE_MS)
    assert (await soon(second))[-1][0] == START_MS


async def test_a_candle_frame_has_every_field_and_the_closed_flag(sim: SimExchange, session: Any) -> None:
    async with session.ws_connect(f"{STREAM}/ws/0") as socket:
        raw = Raw(socket)
        assert await raw.ask("SUBSCRIBE", "btcusdt@kline_1m", number=7) == {"result": None, "id": 7}
        trade(sim, "102.25", "0.5")
        forming = await raw.next()
        sim.advance(MINUTE_MS)
        closed = await raw.next()
    assert forming["e"] == "kline" and forming["s"] == "BTCUSDT"
    assert set(forming["k"]) == {*"tTsifLochlvnxqVQB"}
    assert forming["k"]["x"] is False and closed["k"]["x"] is True
    assert closed["E"] == START_MS + MINUTE_MS
    kline = closed["k"]
    assert (kline["t"], kline["T"], kline["i"]) == (START_MS, START_MS + MINUTE_MS - 1, "1m")
    assert [kline[key] for key in "ohlcv"] == [
        "100.50000000",
        "102.25000000",
        "100.50000000",
        "102.25000000",
        "1.50000000",
    ]


async def test_pushed_candles_reach_subscribers_of_their_stream_only(sim: SimExchange, session: Any) -> None:
    bar = Bar(START_MS, 1.0, 2.0, 0.5, 1.5, 10.0)
    async with session.ws_connect(f"{STREAM}/ws/0") as socket:
        raw = Raw(socket)
        await raw.ask("SUBSCRIBE", "btcusdt@kline_5m")
        sim.push_candle(SYMBOL, "1m", bar, True)
        sim.push_candle(SYMBOL, "5m", bar, True)
        frame = await raw.next()
    assert (frame["k"]["i"], frame["k"]["x"], frame["k"]["v"]) == ("5m", True, "10.00000000")


async def test_watch_trades_and_bids_asks_and_ticker(sim: SimExchange, client: Any) -> None:
    trades = await watching(sim, client.watch_trades(SYMBOL), "btcusdt@trade")
    trade(sim, "99.5", "0.25", Side.SELL)
    seen = (await soon(trades))[-1]
    assert (seen["price"], seen["amount"], seen["side"]) == (99.5, 0.25, "sell")
    quotes = await watching(sim, client.watch_bids_asks([SYMBOL]), "btcusdt@bookTicker")
    set_book(sim, "98", "99", "2")
    quote = (await soon(quotes))[SYMBOL]
    assert (quote["bid"], quote["bidVolume"], quote["ask"]) == (98.0, 2.0, 99.0)
    ticker = await watching(sim, client.watch_ticker(SYMBOL), "btcusdt@miniTicker")
    sim.advance(1_000)
    assert (await soon(ticker))["last"] == 99.5
    full = await watching(sim, client.watch_ticker(SYMBOL, {"name": "ticker"}), "btcusdt@ticker")
    await asyncio.sleep(0.1)  # tickers come at most ten times a wall second
    sim.advance(1_000)
    assert (await soon(full))["bid"] == 98.0


async def test_executions_of_accounts_are_on_the_public_tape(sim: SimExchange, client: Any) -> None:
    trades = await watching(sim, client.watch_trades(SYMBOL), "btcusdt@trade")
    await client.create_order(SYMBOL, "market", "buy", 0.4)
    seen = (await soon(trades))[-1]
    assert (seen["price"], seen["amount"], seen["side"]) == (101.0, 0.4, "buy")


async def test_the_watched_order_book_equals_the_engines_after_many_changes(sim: SimExchange, client: Any) -> None:
    book = await soon(client.watch_order_book(SYMBOL))
    for n in range(1, 60):
        bids = [(Decimal(100 - n % 7 - level), Decimal(1 + n % 5)) for level in range(5)]
        asks = [(Decimal(101 + n % 3 + level), Decimal(2 + n % 4)) for level in range(5)]
        sim.engine.set_depth(SYMBOL, bids, asks, START_MS + n)
        sim.advance(10)
        await asyncio.sleep(0.005)  # some changes are sent alone, some together
    wanted = sim.engine.depth(SYMBOL, 100)

    async def follow() -> None:
        while True:
            await client.watch_order_book(SYMBOL)

    following = asyncio.ensure_future(follow())
    try:
        await until(lambda: _levels(book) == [[[float(p), float(a)] for p, a in side] for side in wanted])
    finally:
        following.cancel()


def _levels(book: Any) -> list[list[list[float]]]:
    return [[list(level) for level in book["bids"]], [list(level) for level in book["asks"]]]


async def test_a_rest_snapshot_and_the_next_change_fit_together(sim: SimExchange, client: Any, session: Any) -> None:
    async with session.ws_connect(f"{STREAM}/ws/0") as socket:
        raw = Raw(socket)
        await raw.ask("SUBSCRIBE", "btcusdt@depth@100ms")
        set_book(sim, "99", "100.5")
        snapshot = await client.publicGetDepth({"symbol": "BTCUSDT"})
        first = await raw.next()
        set_book(sim, "97", "98")
        second = await raw.next()
    assert first["U"] <= int(snapshot["lastUpdateId"]) + 1
    assert first["u"] >= int(snapshot["lastUpdateId"])
    assert second["U"] == first["u"] + 1
    assert ["99.00000000", "0.00000000"] in second["b"]


async def test_partial_books_and_combined_streams(sim: SimExchange, session: Any) -> None:
    names = "btcusdt@depth5@100ms/btcusdt@aggTrade"
    async with session.ws_connect(f"{STREAM}/stream?streams={names}") as socket:
        raw = Raw(socket)
        listed = await raw.ask("LIST_SUBSCRIPTIONS", number=3)
        assert listed == {"result": sorted(names.split("/")), "id": 3}
        trade(sim, "100.7", "0.5")
        wrapped = await raw.next()
        assert (wrapped["stream"], wrapped["data"]["p"]) == ("btcusdt@aggTrade", "100.70000000")
        set_book(sim, "98", "99")
        partial = await raw.next()
        assert partial["data"]["bids"] == [["98.00000000", "1.00000000"]]


async def test_unsubscribing_ends_a_stream_and_others_go_on(sim: SimExchange, session: Any) -> None:
    async with session.ws_connect(f"{STREAM}/ws/btcusdt@trade") as socket:
        raw = Raw(socket)
        await raw.ask("SUBSCRIBE", "btcusdt@aggTrade")
        await raw.ask("UNSUBSCRIBE", "btcusdt@trade")
        trade(sim, "100.7")
        assert (await raw.next())["e"] == "aggTrade"
        assert (await raw.ask("LIST_SUBSCRIPTIONS"))["result"] == ["btcusdt@aggTrade"]


async def test_un_watch_ohlcv_is_acknowledged(sim: SimExchange, client: Any) -> None:
    watch = await watching(sim, client.watch_ohlcv(SYMBOL, "1m"), "btcusdt@kline_1m")
    trade(sim, "103")
    await soon(watch)
    await soon(client.un_watch_ohlcv(SYMBOL, "1m"))
    assert all("btcusdt@kline_1m" not in connection.topics for connection in sim.connections)


async def test_nonsense_is_answered_with_an_error(session: Any, sim: SimExchange) -> None:
    async with session.ws_connect(f"{STREAM}/ws/0") as socket:
        raw = Raw(socket)
        await socket.send_str("{oops")
        assert (await raw.next())["error"]["code"] == 3
        assert (await raw.ask("SHOUT", number=4)) == {
            "error": {"code": 2, "msg": "Invalid request: unknown or malformed request 'SHOUT'"},
            "id": 4,
        }
        names = [f"btcusdt@kline_{n}x" for n in range(1025)]
        assert "more than 1024 streams" in (await raw.ask("SUBSCRIBE", *names))["error"]["msg"]


async def test_more_than_five_messages_a_second_close_the_connection(session: Any, sim: SimExchange) -> None:
    async with session.ws_connect(f"{STREAM}/ws/0") as socket:
        for n in range(6):
            await socket.send_str(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": n}))
        kinds = [(await soon(socket.receive())).type for _ in range(6)]
        assert kinds == [aiohttp.WSMsgType.TEXT] * 5 + [aiohttp.WSMsgType.CLOSE]
        assert socket.close_code == aiohttp.WSCloseCode.POLICY_VIOLATION


async def test_a_stream_of_the_other_clock_runs_with_it() -> None:
    """At six hundred times the wall clock a minute closes every 100 ms, and REST agrees with the frames."""
    async with exchange(clock=None, start_ms=START_MS, speed=600) as sim:
        trade(sim, "100")
        async with (
            aiohttp.ClientSession(connector=sim.connector()) as session,
            session.ws_connect(f"{STREAM}/ws/btcusdt@kline_1m") as socket,
        ):
            raw, closed = Raw(socket), []
            while len(closed) < 3:
                frame = await raw.next()
                if frame["k"]["x"]:
                    closed.append(frame["k"]["t"])
            assert [b - a for a, b in pairwise(closed)] == [MINUTE_MS, MINUTE_MS]

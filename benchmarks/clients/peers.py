"""Peers that receive candles: ccxt.pro as its manual shows it, and the least that can be done with a socket.

All run on the loop that btccxt uses (uvloop where there is one), against the same embedded exchange.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import aiohttp
import orjson

from benchmarks.clients.tally import Tally
from benchmarks.exchange_process import keys_of
from benchmarks.market import TIMEFRAME, symbols_of
from benchmarks.processes import Link
from btccxt.session.loop_thread import new_event_loop
from btccxt.sim.tls import SimAddress, connector_for

_STREAM_URL = "wss://stream.binance.com:9443/stream"
_PER_SUBSCRIPTION_S = 0.25  # Binance takes five messages a second; ccxt keeps to it
_LATE_START_S = 1.5


def run_in_loop(link: Link, work: Coroutine[Any, Any, None]) -> None:
    loop = new_event_loop()
    try:
        loop.run_until_complete(work)
    finally:
        loop.close()


async def answer_questions(
    link: Link, answer: Callable[[tuple[Any, ...]], Any], beside: Iterable[asyncio.Task[None]] = ()
) -> None:
    """Until asked to stop; costs nothing while nobody asks. Raises what ended one of the tasks ``beside``."""
    loop = asyncio.get_running_loop()
    questions: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()
    loop.add_reader(link.fileno(), lambda: questions.put_nowait(link.question()))
    while (question := await questions.get())[0] != "stop":
        for task in beside:
            if task.done():
                task.result()
        link.answer(answer(question))
    loop.remove_reader(link.fileno())


async def ccxt_pro(address: SimAddress, group: str, *, throttled: bool) -> Any:
    """ccxt.pro's own Binance client, unmodified. Its throttle paces subscriptions, but delays REST calls as well."""
    import ccxt.pro

    session = aiohttp.ClientSession(connector=connector_for(address))
    options = {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False}
    exchange = ccxt.pro.binance(
        {**keys_of(group), "session": session, "enableRateLimit": throttled, "options": options}
    )
    await exchange.load_time_difference()
    await exchange.load_markets()
    return exchange


async def close_ccxt(exchange: Any) -> None:
    session = exchange.session
    await exchange.close()
    await session.close()


# ------------------------------------------------------------------ ccxt.pro


def watch_each(link: Link, address: SimAddress, group: str, count: int) -> None:
    """A worker: one ``watch_ohlcv`` loop per symbol."""
    run_in_loop(link, _watch(link, address, group, count, together=False))


def watch_together(link: Link, address: SimAddress, group: str, count: int) -> None:
    """A worker: one ``watch_ohlcv_for_symbols`` loop for all."""
    run_in_loop(link, _watch(link, address, group, count, together=True))


async def _watch(link: Link, address: SimAddress, group: str, count: int, *, together: bool) -> None:
    symbols = symbols_of(group, count)
    exchange, tally = await ccxt_pro(address, group, throttled=True), Tally()
    if together:
        loops = [asyncio.create_task(_loop_for_all(exchange, symbols, tally))]
    else:
        loops = [asyncio.create_task(_loop_for_one(exchange, symbol, tally)) for symbol in symbols]
    await asyncio.sleep(_LATE_START_S + _PER_SUBSCRIPTION_S * len(loops))  # until every subscription has been sent
    link.ready()
    await answer_questions(link, tally.answer, loops)
    for each in loops:
        each.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
    await close_ccxt(exchange)


async def _loop_for_one(exchange: Any, symbol: str, tally: Tally) -> None:
    while True:
        candles = await exchange.watch_ohlcv(symbol, TIMEFRAME)
        tally.take(candles[-1][5])


async def _loop_for_all(exchange: Any, symbols: list[str], tally: Tally) -> None:
    pairs = [[symbol, TIMEFRAME] for symbol in symbols]
    while True:
        by_symbol = await exchange.watch_ohlcv_for_symbols(pairs)
        for by_timeframe in by_symbol.values():
            for candles in by_timeframe.values():
                tally.take(candles[-1][5])


# ------------------------------------------------------------------ raw


def raw_socket(link: Link, address: SimAddress, group: str, count: int) -> None:
    """A worker: aiohttp and orjson, no exchange library."""
    run_in_loop(link, _raw(link, address, symbols_of(group, count)))


async def _raw(link: Link, address: SimAddress, symbols: list[str]) -> None:
    tally = Tally()
    async with aiohttp.ClientSession(connector=connector_for(address)) as session:
        socket = await session.ws_connect(_STREAM_URL)
        names = [f"{symbol.replace('/', '').lower()}@kline_{TIMEFRAME}" for symbol in symbols]
        await socket.send_json({"method": "SUBSCRIBE", "params": names, "id": 1})
        await socket.receive()
        reading = asyncio.create_task(_read(socket, tally))
        link.ready()
        await answer_questions(link, tally.answer, [reading])
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _read(socket: Any, tally: Tally) -> None:
    async for message in socket:
        candle = orjson.loads(message.data)["data"]["k"]
        tally.take(float(candle["v"]))

"""Peers that send orders (ccxt's create_order, a signed POST by hand) and hear of fills (ccxt.pro's watch loops)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson

from benchmarks.clients.fill_frames import FillFrames
from benchmarks.clients.orders_ours import FAR_PRICE
from benchmarks.clients.peers import answer_questions, ccxt_pro, close_ccxt, run_in_loop
from benchmarks.exchange_process import keys_of
from benchmarks.market import symbols_of
from benchmarks.processes import Link
from btccxt.sim.tls import SimAddress, connector_for

_ORDER_URL = "https://api.binance.com/api/v3/order"
_TIME_URL = "https://api.binance.com/api/v3/time"
_STARTED_S = 1.0

Place = Callable[[str], Awaitable[object]]


class _Instants:
    def __init__(self, frames: FillFrames | None = None) -> None:
        self.by_id: dict[str, int] = {}
        self._frames = frames

    def answer(self, question: tuple[Any, ...]) -> Any:
        if question[0] == "instants":
            found, self.by_id = self.by_id, {}
            return found
        if question[0] == "received" and self._frames is not None:
            return self._frames.take()
        raise ValueError(f"no such question: {question}")


# ------------------------------------------------------------------ orders out


def send_by_ccxt(link: Link, address: SimAddress, group: str, per_s: float) -> None:
    """A worker: ``create_order`` of ccxt's async client, throttle off."""
    run_in_loop(link, _send_by_ccxt(link, address, group, per_s))


async def _send_by_ccxt(link: Link, address: SimAddress, group: str, per_s: float) -> None:
    exchange, symbol = await ccxt_pro(address, group, throttled=False), symbols_of(group, 1)[0]

    async def place(client_order_id: str) -> None:
        params = {"timeInForce": "IOC", "newClientOrderId": client_order_id}
        await exchange.create_order(symbol, "limit", "buy", 1.0, FAR_PRICE, params)

    await _send_at(link, place, "c", per_s)
    await close_ccxt(exchange)


def send_by_hand(link: Link, address: SimAddress, group: str, per_s: float) -> None:
    """A worker: aiohttp, HMAC and orjson."""
    run_in_loop(link, _send_by_hand(link, address, group, per_s))


async def _send_by_hand(link: Link, address: SimAddress, group: str, per_s: float) -> None:
    keys, symbol = keys_of(group), symbols_of(group, 1)[0]
    async with aiohttp.ClientSession(connector=connector_for(address)) as session:
        async with session.get(_TIME_URL) as answer:
            ahead_ms = int(time.time() * 1000) - orjson.loads(await answer.read())["serverTime"]
        headers = {"X-MBX-APIKEY": keys["apiKey"], "Content-Type": "application/x-www-form-urlencoded"}

        async def place(client_order_id: str) -> None:
            fields = {
                "symbol": symbol.replace("/", ""), "side": "BUY", "type": "LIMIT", "timeInForce": "IOC",
                "quantity": "1", "price": f"{FAR_PRICE}", "newClientOrderId": client_order_id,
                "timestamp": int(time.time() * 1000) - ahead_ms, "recvWindow": 10_000,
            }  # fmt: skip
            form = urlencode(fields)
            signature = hmac.new(keys["secret"].encode(), form.encode(), hashlib.sha256).hexdigest()
            async with session.post(_ORDER_URL, data=f"{form}&signature={signature}", headers=headers) as answer:
                found = orjson.loads(await answer.read())
            if "orderId" not in found:
                raise RuntimeError(f"the exchange refused: {found}")

        await _send_at(link, place, "h", per_s)


async def _send_at(link: Link, place: Place, prefix: str, per_s: float) -> None:
    """While asked to: ``("go", n)`` sends n orders, evenly paced."""
    instants, numbers = _Instants(), itertools.count()
    sending: list[asyncio.Task[None]] = []

    async def send(count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(1 / per_s)
            client_order_id = f"{prefix}{next(numbers)}"
            instants.by_id[client_order_id] = time.time_ns()
            await place(client_order_id)

    def answer(question: tuple[Any, ...]) -> Any:
        if question[0] != "go":
            return instants.answer(question)
        sending.append(asyncio.get_running_loop().create_task(send(question[1])))
        return None

    link.ready()
    await answer_questions(link, answer, sending)


# ------------------------------------------------------------------ fills back


def watch_orders(link: Link, address: SimAddress, group: str) -> None:
    """A worker: ccxt.pro's ``watch_orders`` loop."""
    run_in_loop(link, _rest(link, address, group, "watch_orders"))


def watch_trades(link: Link, address: SimAddress, group: str) -> None:
    """A worker: ccxt.pro's ``watch_my_trades`` loop."""
    run_in_loop(link, _rest(link, address, group, "watch_my_trades"))


async def _rest(link: Link, address: SimAddress, group: str, method: str) -> None:
    exchange, symbol = await ccxt_pro(address, group, throttled=False), symbols_of(group, 1)[0]
    instants = _Instants(FillFrames())
    filled = asyncio.Event()
    async with _beside(_hear(exchange, symbol, method, instants, filled)) as hearing:
        await asyncio.sleep(_STARTED_S)  # until the stream is subscribed
        async with _beside(_place_next(exchange, symbol, filled)) as placing:
            link.ready()
            await answer_questions(link, instants.answer, [hearing, placing])
    await close_ccxt(exchange)


@asynccontextmanager
async def _beside(work: Any) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _hear(exchange: Any, symbol: str, method: str, instants: _Instants, filled: asyncio.Event) -> None:
    while True:
        news = await getattr(exchange, method)(symbol)
        now_ns = time.time_ns()
        for item in news:
            info = item["info"]
            if info.get("x") == "TRADE" and info["c"] not in instants.by_id:
                instants.by_id[info["c"]] = now_ns
                filled.set()


async def _place_next(exchange: Any, symbol: str, filled: asyncio.Event) -> None:
    for number in itertools.count():
        await exchange.create_order(symbol, "limit", "buy", 1.0, FAR_PRICE, {"newClientOrderId": f"w{number}"})
        await filled.wait()
        filled.clear()

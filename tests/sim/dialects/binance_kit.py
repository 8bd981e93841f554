"""An embedded Binance whose market stands still until a test moves it, and unmodified ccxt clients of it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, TypeVar

import aiohttp
import ccxt.pro

from btccxt.model import Side
from btccxt.sim.clock import SteppedClock
from btccxt.sim.market import ParticipantsSource, spot_market
from btccxt.sim.server import SimExchange

_PUBLIC_TRUST = ssl.create_default_context()
START_MS = 1_700_000_040_000  # a whole minute
SYMBOL = "BTC/USDT"
D = Decimal
Answer = TypeVar("Answer")


def exchange(**options: Any) -> SimExchange:
    """BTC/USDT with a maker fee of 0.1 % and a taker fee of 0.2 %; 100,000 USDT and 10 BTC."""
    markets = [
        spot_market(SYMBOL, maker="0.001", taker="0.002"),
        spot_market("ETH/BTC", price_step="0.00001", amount_step="0.0001", min_cost="0.0001"),
    ]
    options.setdefault("clock", SteppedClock(START_MS))
    if "accounts" not in options:
        options.setdefault("balances", {"USDT": 100_000, "BTC": 10, "ETH": 0})
    return SimExchange(ParticipantsSource(markets, START_MS), **options)


def set_book(sim: SimExchange, bid: str = "100", ask: str = "101", amount: str = "1") -> None:
    """One ambient level a side."""
    sim.engine.set_depth(SYMBOL, [(D(bid), D(amount))], [(D(ask), D(amount))], sim.venue.now_ms())


def trade(sim: SimExchange, price: str, amount: str = "1", side: Side = Side.BUY) -> None:
    """Print a trade of the anonymous market."""
    sim.engine.print_trade(SYMBOL, D(price), D(amount), side, sim.venue.now_ms())


@asynccontextmanager
async def client_of(sim: SimExchange, **config: Any) -> AsyncIterator[Any]:
    """An unmodified ``ccxt.pro.binance`` with the keys of the default account."""
    session = aiohttp.ClientSession(connector=sim.connector())
    keys = {"apiKey": "sim-key", "secret": "simsecretkey"}
    quick = {"enableRateLimit": False, "timeout": 30_000, "timeout_on_exit": 1}
    client = ccxt.pro.binance({**keys, **quick, "session": session, **config})
    client.ssl_context = _PUBLIC_TRUST  # what ccxt would load itself, 80 ms each time; the session never uses it
    try:
        yield client
    finally:
        await client.close()
        await session.close()


async def until(condition: Callable[[], Any], bound_s: float = 60.0) -> None:
    """Poll until the condition holds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + bound_s
    while not condition():
        assert loop.time() < end, "it never happened"
        await asyncio.sleep(0.005)


async def soon(awaitable: Awaitable[Answer], bound_s: float = 60.0) -> Answer:
    """What it gives, within a generous bound."""
    return await asyncio.wait_for(awaitable, bound_s)


async def subscribed(sim: SimExchange, topic: str) -> None:
    """Until somebody has subscribed to this topic ('btcusdt@trade', 'user:main')."""
    await until(lambda: any(topic in connection.topics for connection in sim.connections))


async def watching(sim: SimExchange, watch: Awaitable[Answer], topic: str) -> asyncio.Task[Answer]:
    """Start a ``watch_*`` call and wait until the exchange has its subscription."""
    task = asyncio.ensure_future(watch)
    await subscribed(sim, topic)
    return task  # type: ignore[return-value]

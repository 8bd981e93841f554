"""An embedded exchange with a spot and two perpetual markets that stand still until a test moves them."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp
import ccxt.pro

from btccxt.model import Side
from btccxt.sim.clock import SteppedClock
from btccxt.sim.dialects import dialect_class
from btccxt.sim.dialects.base import SimAccount
from btccxt.sim.market import ParticipantsSource
from btccxt.sim.markets import inverse_market, linear_market, spot_market
from btccxt.sim.server import SimExchange

_PUBLIC_TRUST = ssl.create_default_context()
START_MS = 1_700_000_040_000  # a whole minute
SPOT, PERP, INVERSE = "BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC"
D = Decimal


@asynccontextmanager
async def exchange(dialect: str, **options: Any) -> AsyncIterator[SimExchange]:
    """All markets quoted 100 / 101, one unit a side, last trade 100.5; 100,000 USDT and 10 BTC."""
    markets = [
        spot_market(SPOT, maker="0.001", taker="0.002"),
        linear_market(PERP, price_step="0.1", maker="0.0002", taker="0.0005"),
        inverse_market(INVERSE, maker="0.0002", taker="0.0005", contract_size="10" if dialect == "okx" else "1"),
    ]
    options.setdefault("clock", SteppedClock(START_MS))
    options.setdefault("balances", {"USDT": 100_000, "BTC": 10})
    sim = SimExchange(ParticipantsSource(markets, START_MS), dialects=(dialect,), **options)
    async with sim:
        for symbol in (SPOT, PERP, INVERSE):
            book(sim, symbol)
            trade(sim, symbol, "100.5")
        yield sim


def book(sim: SimExchange, symbol: str, bid: str = "100", ask: str = "101", amount: str = "1") -> None:
    """One ambient level a side."""
    sim.engine.set_depth(symbol, [(D(bid), D(amount))], [(D(ask), D(amount))], sim.venue.now_ms())


def trade(sim: SimExchange, symbol: str, price: str, amount: str = "1", side: Side = Side.BUY) -> None:
    """Print a trade of the anonymous market."""
    sim.engine.print_trade(symbol, D(price), D(amount), side, sim.venue.now_ms())


@asynccontextmanager
async def client_of(sim: SimExchange, exchange_id: str, **config: Any) -> AsyncIterator[Any]:
    """An unmodified ccxt.pro client with the keys of the default account."""
    session = aiohttp.ClientSession(connector=sim.connector())
    quick = {"enableRateLimit": False, "timeout": 30_000, "timeout_on_exit": 1}
    keys = dialect_class(exchange_id).client_keys(SimAccount())
    client = getattr(ccxt.pro, exchange_id)({**keys, **quick, "session": session, **config})
    client.ssl_context = _PUBLIC_TRUST  # what ccxt would load itself, 80 ms each time; the session never uses it
    try:
        yield client
    finally:
        await client.close()
        await session.close()

"""A computer ahead of the exchange does not take a connection for dead whose pongs come."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import ccxt.pro
import pytest

from btccxt.exchange.ccxt.keep_alive import judge_pongs_here

AHEAD_MS = 60_000


@pytest.mark.parametrize("name", ["kraken", "okx", "bybit", "bitget", "kucoin", "mexc", "hyperliquid"])
async def test_a_pong_counts_from_when_it_came(name: str) -> None:
    exchange: Any = getattr(ccxt.pro, name)()
    exchange.milliseconds = lambda: int(time.time() * 1000) - AHEAD_MS  # the exchange's clock
    client = exchange.client("wss://nowhere.invalid")
    judge_pongs_here(client)
    assert client.lastPong is None
    before_ms = int(time.time() * 1000)
    exchange.handle_pong(client, {"pong": exchange.milliseconds(), "op": "pong", "method": "pong"})
    assert client.lastPong >= before_ms
    client.lastPong = None
    assert client.lastPong is None
    await asyncio.gather(exchange.close(), return_exceptions=True)

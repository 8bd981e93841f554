"""``python -m benchmarks.clients.first_bar ours|bare host:port``: says, as JSON, when the user's code had a bar."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def _tell() -> None:
    """Instant, CPU seconds of this process so far, memory in MB."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    print(json.dumps([time.monotonic(), time.process_time(), int(status.split("VmRSS:")[1].split()[0]) / 1024]))


def ours(address: str) -> None:
    import backtrader as bt

    from btccxt import CCXTStore, run

    class First(bt.Strategy):
        def next(self) -> None:
            _tell()
            self.env.runstop()

    store = CCXTStore("binance", mode="sim", config={"apiKey": "key-A", "secret": "secret-A"}, sim_address=address)
    run(First, store=store, symbol="A000/USDT", timeframe="1h")


def bare(address: str) -> None:
    """One page of candles by REST: what a user of ccxt writes first."""
    import asyncio

    import aiohttp
    import ccxt.pro

    from btccxt.sim.tls import connector_for, fetch_info

    async def run() -> None:
        info = await fetch_info(address)
        session = aiohttp.ClientSession(connector=connector_for(info.address))
        exchange = ccxt.pro.binance({"session": session, "options": {"fetchMarkets": {"types": ["spot"]}}})
        await exchange.load_markets()
        if not await exchange.fetch_ohlcv("A000/USDT", "1h", limit=1000):
            raise AssertionError("no candles")
        _tell()
        await exchange.close()
        await session.close()

    asyncio.run(run())


if __name__ == "__main__":
    {"ours": ours, "bare": bare}[sys.argv[1]](sys.argv[2])

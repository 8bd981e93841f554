"""A WebSocket server that speaks just enough Binance spot for unmodified ccxt.pro, and sends what a test says."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import ccxt.pro as ccxtpro
from aiohttp import WSMsgType, web

from btccxt.exchange.ccxt.subscriptions import StreamChecks
from btccxt.exchange.reading import Reader

ANYTHING_GOES = StreamChecks(Reader("tests"), lambda _timeframe: lambda bar: bar, lambda trade: trade)
"""For tests of what is handed on, whether it makes sense or not."""

SYMBOLS = {"BTCUSDT": "BTC/USDT", "ETHUSDT": "ETH/USDT", "LTCUSDT": "LTC/USDT"}


class TinyBinance:
    """``public`` is the market-data socket, ``private`` the user-data one (the last that connected)."""

    def __init__(self, *, acknowledge: bool = True) -> None:
        self.acknowledge = acknowledge
        self.may_log_in = asyncio.Event()
        self.may_log_in.set()
        self.subscribed: list[str] = []
        self.public: web.WebSocketResponse | None = None
        self.private: web.WebSocketResponse | None = None
        self.connections = 0
        self._transports: list[asyncio.Transport] = []
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self) -> TinyBinance:
        app = web.Application()
        app.router.add_get("/stream/{rest:.*}", self._public)
        app.router.add_get("/ws-api", self._private)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        self.abort()
        await self._runner.cleanup()

    def abort(self) -> None:
        """Cut every connection without a goodbye."""
        for transport in self._transports:
            transport.abort()
        self._transports.clear()

    async def _accept(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        self.connections += 1
        self._transports.append(request.transport)
        return socket

    async def _public(self, request: web.Request) -> web.WebSocketResponse:
        self.public = socket = await self._accept(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                asked = json.loads(message.data)
                self.subscribed += asked["params"]
                if self.acknowledge:
                    await socket.send_json({"result": None, "id": asked["id"]})
        return socket

    async def _private(self, request: web.Request) -> web.WebSocketResponse:
        self.private = socket = await self._accept(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                asked = json.loads(message.data)
                self.subscribed.append(asked["method"])
                await self.may_log_in.wait()
                await socket.send_json({"id": asked["id"], "status": 200, "result": {"subscriptionId": 0}})
        return socket

    def ccxt(self, **config: Any) -> Any:
        """Unmodified ccxt.pro, its WebSocket addresses pointing here, its markets given."""
        instance = ccxtpro.binance({"apiKey": "key", "secret": "secret", "enableRateLimit": True, **config})
        instance.timeout_on_exit = 0
        self.redirect(instance)
        instance.set_markets([_market(instance, *pair) for pair in SYMBOLS.items()])
        return instance

    def redirect(self, instance: Any) -> None:
        instance.urls["api"]["ws"]["spot"] = f"ws://127.0.0.1:{self.port}/stream"
        instance.urls["api"]["ws"]["ws-api"]["spot"] = f"ws://127.0.0.1:{self.port}/ws-api"


def _market(instance: Any, market_id: str, symbol: str) -> dict[str, Any]:
    base, quote = symbol.split("/")
    return instance.safe_market_structure(
        {
            "id": market_id, "lowercaseId": market_id.lower(), "symbol": symbol, "base": base, "quote": quote,
            "baseId": base, "quoteId": quote, "type": "spot", "spot": True, "contract": False, "active": True,
            "precision": {"price": 0.01, "amount": 0.00001},
            "limits": {"amount": {"min": 0.00001}, "cost": {"min": 5}},
        }
    )  # fmt: skip


def kline(market_id: str, open_ms: int, close: float, *, closed: bool = False, timeframe: str = "1m") -> dict[str, Any]:
    k = {
        "t": open_ms, "T": open_ms + 59_999, "s": market_id, "i": timeframe, "o": "1.0", "h": "9.0", "l": "0.5",
        "c": str(close), "v": "3.0", "x": closed,
    }  # fmt: skip
    return {"e": "kline", "E": open_ms, "s": market_id, "k": k}


def execution(
    order_id: int, *, status: str = "NEW", filled: str = "0", trade_id: int = -1, last: str = "0", client_id: str = ""
) -> dict[str, Any]:
    now_ms = int(time.time() * 1000)
    event = {
        "e": "executionReport", "E": now_ms, "s": "BTCUSDT", "c": client_id or f"c{order_id}", "S": "BUY",
        "o": "LIMIT", "f": "GTC", "q": "40", "p": "100", "P": "0", "F": "0", "g": -1, "C": "",
        "x": "TRADE" if trade_id >= 0 else "NEW", "X": status, "r": "NONE", "i": order_id, "l": last, "z": filled,
        "L": "100", "n": "0.001", "N": "BNB", "T": now_ms, "t": trade_id, "w": True, "m": False, "O": now_ms, "Z": "0",
        "Y": "0", "Q": "0",
    }  # fmt: skip
    return {"subscriptionId": 0, "event": event}


async def until(condition: Callable[[], object], bound_s: float = 60.0) -> None:
    """Poll for a condition, with a generous bound."""
    loop = asyncio.get_running_loop()
    end = loop.time() + bound_s
    while not condition():
        assert loop.time() < end, "this did not come about"
        await asyncio.sleep(0.005)

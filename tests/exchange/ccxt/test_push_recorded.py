"""Frames recorded from real exchanges, through unmodified ccxt.pro and the push: no network, no awaiter."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import ccxt.pro as ccxtpro
import pytest
from aiohttp import WSMessage, WSMsgType

from btccxt.exchange.ccxt.push import PushStream
from btccxt.exchange.ccxt.subscriptions import instance_groups, subscriptions_for
from btccxt.exchange.profile.profile import load_profile
from btccxt.model import BarUpdate, Fill, MarketType, OrderStatus, OrderUpdate, StreamKey, StreamKind, Trade
from tests.exchange.ccxt.tiny_binance import ANYTHING_GOES, until
from tests.recorded import recorded_path

pytestmark = pytest.mark.recorded


def sessions(exchange: str, method: str) -> list[dict[str, Any]]:
    recorded = json.loads(recorded_path(f"ws/{exchange}.json").read_text())
    return [case for case in recorded["methods"][method] if case.get("messages")]


class Player:
    """A PushStream whose sockets are never opened: frames are handed in as if they had been received."""

    def __init__(self, exchange: str, market_id: str, symbol: str) -> None:
        self.events: list[tuple[StreamKey, Any]] = []
        self.faults: list[tuple[str, BaseException]] = []
        self.profile = load_profile(exchange, MarketType.SPOT)
        self.instance = getattr(ccxtpro, exchange)({"apiKey": "k", "secret": "c2VjcmV0", "password": "p"})
        self.instance.timeout_on_exit = 0
        base, quote = symbol.split("/")
        market = self.instance.safe_market_structure(
            {
                "id": market_id, "lowercaseId": market_id.lower(), "symbol": symbol, "base": base, "quote": quote,
                "baseId": base, "quoteId": quote, "type": "spot", "spot": True, "contract": False, "active": True,
                "info": {"wsname": symbol},
            }
        )  # fmt: skip
        self.instance.set_markets([market])
        make_client = self.instance.client

        def offline(url: str) -> Any:
            client = make_client(url)
            if not client.connected.done():
                client.connected.resolve(url)
                client.isConnected = True
                client.send = self._answer
            return client

        self.instance.client = offline
        self.push = PushStream(
            self.instance,
            lambda key, event: self.events.append((key, event)),
            lambda what, error: self.faults.append((what, error)),
        )

    async def _answer(self, message: Any) -> None:
        """A login over the socket is answered at once; everything else is in the recording."""
        if isinstance(message, dict) and str(message.get("method", "")).startswith("userDataStream"):
            self.receive({"id": message["id"], "status": 200, "result": {"subscriptionId": 0}})

    async def play(self, keys: list[StreamKey], frames: list[Any], heard_by: Sequence[str] = ()) -> list[Any]:
        """``heard_by``: what ccxt waits for, where it first logs in."""
        plan = list(subscriptions_for(keys, self.profile, self.instance.has, self.instance.milliseconds, ANYTHING_GOES))
        task = asyncio.create_task(self.push.run(plan))
        await until(lambda: any(tap.routes and set(heard_by) <= set(tap.routes) for tap in self.push._hooks))
        await asyncio.sleep(0)
        for frame in frames:
            self.receive(frame)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await self.instance.close()
        assert self.faults == []
        return [event for _, event in self.events]

    def receive(self, frame: Any) -> None:
        for tap in self.push._hooks:
            tap.client.handle_message(WSMessage(WSMsgType.TEXT, json.dumps(frame), None))


async def test_okx_candles_with_their_own_closed_flag():
    key = StreamKey(StreamKind.BARS, "BTC/USDT", "1m")
    (session,) = sessions("okx", "watchOHLCV")
    last = json.loads(json.dumps(session["messages"][-1]))
    last["data"][0][8] = "1"
    events = await Player("okx", "BTC-USDT", "BTC/USDT").play([key], [*session["messages"], last])
    updates = [event for event in events if isinstance(event, BarUpdate)]
    assert [update.closed for update in updates] == [False] * (len(updates) - 1) + [True]
    assert len(updates) == len([frame for frame in session["messages"] if "data" in frame]) + 1
    row = session["messages"][-1]["data"][0]
    assert (updates[-2].bar.open_ms, updates[-2].bar.close) == (int(row[0]), float(row[4]))


async def test_okx_trades_one_by_one():
    key = StreamKey(StreamKind.TRADES, "BTC/USDT")
    session = next(case for case in sessions("okx", "watchTrades") if case["input"] == ["BTC/USDT"])
    rows = [row for frame in session["messages"] for row in frame.get("data") or ()]
    events = await Player("okx", "BTC-USDT", "BTC/USDT").play([key], session["messages"])
    assert [event.trade_id for event in events if isinstance(event, Trade)] == [row["tradeId"] for row in rows]


async def test_kraken_candles_snapshot_and_updates():
    key = StreamKey(StreamKind.BARS, "BTC/USD", "1m")
    (session,) = sessions("kraken", "watchOHLCV")
    rows = [row for frame in session["messages"] if frame.get("channel") == "ohlc" for row in frame["data"]]
    events = await Player("kraken", "BTC/USD", "BTC/USD").play([key], session["messages"])
    updates = [event for event in events if isinstance(event, BarUpdate)]
    assert [update.bar.close for update in updates] == [row["close"] for row in rows]
    assert {update.closed for update in updates} == {None}


async def test_binance_order_life_and_its_fills():
    session = sessions("binance", "watchOrders")[0]
    trades = sessions("binance", "watchMyTrades")[0]["messages"]
    keys = [StreamKey(StreamKind.ORDERS), StreamKey(StreamKind.FILLS)]
    events = await Player("binance", "BTCUSDT", "BTC/USDT").play(
        keys, session["messages"] + trades, heard_by=("orders", "myTrades")
    )
    updates = [event for event in events if isinstance(event, OrderUpdate)]
    assert updates[0].status is OrderStatus.OPEN
    assert updates[1].status is OrderStatus.FILLED
    pushed = {event.trade_id for event in events if isinstance(event, Fill)}
    said = [frame["event"] for frame in session["messages"] + trades if "event" in frame]
    assert pushed == {str(event["t"]) for event in said if event.get("x") == "TRADE"}


def test_symbols_whose_candle_streams_would_collide_get_connections_of_their_own():
    profile = load_profile("kraken", MarketType.SPOT)
    keys = [StreamKey(StreamKind.BARS, symbol, frame) for symbol in ("A/USD", "B/USD") for frame in ("1m", "5m", "1h")]
    split = instance_groups(keys, profile)
    assert [len(group) for group in split] == [2, 2, 2]
    assert all(len({key.symbol for key in group}) == len(group) for group in split)
    assert {key for group in split for key in group} == set(keys)

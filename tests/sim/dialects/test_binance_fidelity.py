"""The dialect's answers beside the exchange's own, as recorded and documented: same fields, same kinds of values."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from btccxt.sim.server import SimExchange
from tests.recorded import recorded_path
from tests.sim.dialects.binance_kit import SYMBOL, set_book, soon, subscribed, trade, until

pytestmark = pytest.mark.recorded


def documented(name: str) -> Any:
    """The answer in one of the transcripts ``method, path, signed, answer``."""
    text = recorded_path(f"payloads/documented/binance/Endpoints/Spot/{name}.txt").read_text()
    return json.loads(text.split("\n", 3)[3])


def event(name: str) -> Any:
    """The event in one of the transcripts ``> sent, < acknowledged, = event``."""
    text = recorded_path(f"payloads/documented/binance/Subscriptions/Spot/{name}.txt").read_text()
    found = json.loads(text[text.rindex("\n=") + 2 :])
    return found.get("event") or found.get("data")


def kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        try:
            Decimal(value)
        except ArithmeticError:
            return "text"
        return "number as text"
    return type(value).__name__


def differences(ours: Any, theirs: Any, ignoring: str = "", where: str = "") -> list[str]:
    """What the exchange sends and we do not, or in another form. Lists are compared by their first elements."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        found = [f"{where}.{key} is missing" for key in theirs if key not in ours and key not in ignoring.split()]
        for key in theirs.keys() & ours.keys():
            found += differences(ours[key], theirs[key], ignoring, f"{where}.{key}")
        return found
    if isinstance(theirs, list) and isinstance(ours, list):
        return differences(ours[0], theirs[0], ignoring, f"{where}[0]") if ours and theirs else []
    if kind(ours) != kind(theirs) and theirs is not None and ours is not None:
        return [f"{where}: {ours!r} ({kind(ours)}) instead of {theirs!r} ({kind(theirs)})"]
    return []


def raw(client: Any) -> Any:
    """The last answer as it came over the wire."""
    return json.loads(client.last_http_response)


async def test_market_data_answers(sim: SimExchange, client: Any) -> None:
    client.options["fetchTradesMethod"] = "publicGetTrades"
    await client.fetch_ticker(SYMBOL)
    assert differences(raw(client), documented("ExchangeData/GetTicker")) == []
    await client.fetch_trades(SYMBOL)
    assert differences(raw(client), documented("ExchangeData/GetRecentTrades")) == []
    await client.publicGetAggTrades({"symbol": "BTCUSDT"})
    assert differences(raw(client), documented("ExchangeData/GetAggregatedTradeHistory")) == []
    await client.fetch_ohlcv(SYMBOL, "1m")
    assert differences(raw(client), documented("ExchangeData/GetKlines")) == []
    assert len(raw(client)[0]) == len(documented("ExchangeData/GetKlines")[0])
    await client.publicGetTickerBookTicker({"symbol": "BTCUSDT"})
    assert differences(raw(client), documented("ExchangeData/GetBookPrice")) == []


async def test_the_market_list_has_what_the_recorded_one_has(client: Any) -> None:
    theirs = json.loads(recorded_path("markets/binance/api_v3_exchangeInfo.json").read_text())
    await client.publicGetExchangeInfo()
    ours = raw(client)
    assert differences(ours, {key: theirs[key] for key in theirs if key != "symbols"}) == []
    usdt = next(row for row in theirs["symbols"] if row["symbol"] == "BTCUSDT")
    own = next(row for row in ours["symbols"] if row["symbol"] == "BTCUSDT")
    assert differences(own, usdt) == []
    our_filters = {row["filterType"]: row for row in own["filters"]}
    for row in usdt["filters"]:
        if row["filterType"] not in ("PERCENT_PRICE", "MIN_NOTIONAL"):  # of its time: NOTIONAL has taken its place
            assert differences(our_filters[row["filterType"]], row) == [], row["filterType"]


async def test_private_answers(sim: SimExchange, client: Any) -> None:
    await client.fetch_balance()
    assert differences(raw(client), documented("Account/GetAccountInfo")) == []
    await client.sapiGetCapitalConfigGetall()
    assert differences(raw(client)[0], documented("Account/GetUserAssets")[0]) == []
    await client.sapiGetAssetTradeFee()
    assert differences(raw(client), documented("Account/GetTradeFee")) == []
    order = await client.create_order(SYMBOL, "limit", "buy", 1, 101)
    assert differences(raw(client), documented("Trading/PlaceOrder"), "strategyId strategyType") == []
    await client.fetch_order(order["id"], SYMBOL)
    assert differences(raw(client), documented("Trading/GetOrder")) == []
    await client.fetch_my_trades(SYMBOL)
    assert differences(raw(client), documented("Trading/GetUserTrades")) == []
    resting = await client.create_order(SYMBOL, "limit", "buy", 1, 90)
    await client.edit_order(resting["id"], SYMBOL, "limit", "buy", 1, 91)
    assert differences({"data": raw(client)}, documented("Trading/ReplaceOrder")) == []
    await client.cancel_all_orders(SYMBOL)
    assert differences(raw(client)[0], documented("Trading/CancelOrder")) == []


async def test_order_list_answers(sim: SimExchange, client: Any) -> None:
    request = {"symbol": "BTCUSDT", "side": "SELL", "quantity": "1", "aboveType": "LIMIT_MAKER", "abovePrice": "110"}
    below = {"belowType": "STOP_LOSS_LIMIT", "belowStopPrice": "95", "belowPrice": "94", "belowTimeInForce": "GTC"}
    listed = await client.privatePostOrderListOco({**request, **below})
    assert differences(raw(client), documented("Trading/PlaceOcoOrderList"), "icebergQty") == []
    await client.privateGetOrderList({"orderListId": listed["orderListId"]})
    assert differences(raw(client), documented("Trading/GetOcoOrder")) == []
    await client.privateDeleteOrderList({"symbol": "BTCUSDT", "orderListId": listed["orderListId"]})
    assert differences(raw(client), documented("Trading/CancelOcoOrder")) == []


async def test_market_stream_events(sim: SimExchange) -> None:
    streams = {
        "aggTrade": "AggregatedTrades",
        "trade": "Trades",
        "kline_1m": "Klines",
        "bookTicker": "BookTicker",
        "depth5@100ms": "PartialBook",
        "miniTicker": "MiniTicker",
        "ticker": "Ticker",
    }
    seen: dict[str, Any] = {}
    names = "/".join(f"btcusdt@{name}" for name in streams)
    async with (
        aiohttp.ClientSession(connector=sim.connector()) as session,
        session.ws_connect(f"wss://stream.binance.com:9443/stream?streams={names}") as socket,
    ):
        await until(lambda: sim.connections and sim.connections[0].topics)
        trade(sim, "101")
        set_book(sim, "99", "100")
        sim.advance(1_000)
        while len(seen) < len(streams):
            frame = await soon(socket.receive_json())
            seen[frame["stream"].partition("@")[2]] = frame["data"]
    for name, transcript in streams.items():
        # Ids of the two orders that met are no longer sent by the exchange.
        assert differences(seen[name], event(f"ExchangeData/{transcript}"), "a b" if name == "trade" else "") == [], (
            name
        )


async def test_user_events(sim: SimExchange, client: Any) -> None:
    recorded = json.loads(recorded_path("ws/binance.json").read_text())["methods"]["watchOrders"][0]["messages"]
    frames: list[Any] = []
    watch = asyncio.ensure_future(client.watch_orders())
    await subscribed(sim, "user:main")
    socket = next(c for url, c in client.clients.items() if "ws-api" in url)
    handle = socket.handle_message

    def tap(message: Any) -> None:
        if message.type is aiohttp.WSMsgType.TEXT and "event" in (frame := json.loads(message.data)):
            frames.append(frame)
        handle(message)

    socket.handle_message = tap
    await client.create_order(SYMBOL, "market", "buy", 0.1)
    sim.deposit("main", "USDT", Decimal(1))
    await until(lambda: len(frames) >= 5)
    new, filled = [frame for frame in frames if frame["event"]["e"] == "executionReport"]
    assert differences(new, recorded[1]) == []
    assert differences(filled, recorded[2]) == []
    others = {frame["event"]["e"]: frame["event"] for frame in frames}
    assert differences(others["outboundAccountPosition"], event("Account/AccountPosition")) == []
    assert differences(others["balanceUpdate"], event("Account/Balance")) == []
    watch.cancel()

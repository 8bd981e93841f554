"""The private side of the Binance dialect: user data over the WebSocket API, and orders sent through it."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import aiohttp
import ccxt
import pytest

from btccxt.model import Side
from btccxt.sim.server import SimExchange
from tests.sim.dialects.binance_kit import SYMBOL, client_of, set_book, soon, subscribed, trade, until, watching

USER = "user:main"
WS_API = "wss://ws-api.binance.com:443/ws-api/v3"


class Listener:
    """The raw events of the account, as they came."""

    def __init__(self, client: Any) -> None:
        self.events: list[dict[str, Any]] = []
        self._client = client

    async def start(self, sim: SimExchange) -> Listener:
        watch = asyncio.ensure_future(self._client.watch_orders())
        await subscribed(sim, USER)
        connected = next(c for url, c in self._client.clients.items() if "ws-api" in url)
        handle = connected.handle_message

        def tap(message: Any) -> None:
            if message.type is aiohttp.WSMsgType.TEXT:
                decoded = self._client.parse_json(message.data)
                if "event" in decoded:
                    self.events.append(decoded["event"])
            handle(message)

        connected.handle_message = tap
        self._watch = watch
        return self

    def reports(self) -> list[dict[str, Any]]:
        return [event for event in self.events if event["e"] == "executionReport"]


@pytest.fixture
async def heard(sim: SimExchange, client: Any) -> Any:
    listener = await Listener(client).start(sim)
    yield listener
    listener._watch.cancel()


async def test_watch_orders_sees_partial_fills_with_their_fees(sim: SimExchange, client: Any) -> None:
    opened = await watching(sim, client.watch_orders(SYMBOL), USER)
    placed = await client.create_order(SYMBOL, "limit", "buy", 2, 100.4, {"clientOrderId": "mine"})
    order = (await soon(opened))[-1]
    assert (order["id"], order["status"], order["clientOrderId"]) == (placed["id"], "open", "mine")
    partial = asyncio.ensure_future(client.watch_orders(SYMBOL))
    await asyncio.sleep(0)
    trade(sim, "100.4", "0.5", Side.SELL)
    order = (await soon(partial))[-1]
    assert (order["status"], order["filled"], order["remaining"]) == ("open", 0.5, 1.5)
    assert order["fee"] == {"currency": "BTC", "cost": 0.0005}
    whole = asyncio.ensure_future(client.watch_orders(SYMBOL))
    await asyncio.sleep(0)
    trade(sim, "100.4", "5", Side.SELL)
    order = (await soon(whole))[-1]
    assert (order["status"], order["filled"], order["average"]) == ("closed", 2.0, 100.4)
    assert order["fee"] == {"currency": "BTC", "cost": 0.002}  # ccxt adds the fills up


async def test_watch_my_trades_and_balance(sim: SimExchange, client: Any) -> None:
    trades = await watching(sim, client.watch_my_trades(SYMBOL), USER)
    balance = asyncio.ensure_future(client.watch_balance())
    await asyncio.sleep(0.05)
    await client.create_order(SYMBOL, "market", "buy", 0.5)
    fill = (await soon(trades))[-1]
    assert (fill["price"], fill["amount"], fill["takerOrMaker"]) == (101.0, 0.5, "taker")
    assert fill["fee"] == {"currency": "BTC", "cost": 0.001}
    money = await soon(balance)
    assert money["USDT"]["free"] == 100_000 - 50.5
    assert money["BTC"]["free"] == 10.499


async def test_an_order_is_reported_step_by_step(sim: SimExchange, client: Any, heard: Listener) -> None:
    order = await client.create_order(SYMBOL, "limit", "sell", 1, 102, {"clientOrderId": "c-1"})
    trade(sim, "102", "0.25")
    await client.cancel_order(order["id"], SYMBOL)
    await until(lambda: len(heard.events) == 6)
    new, part, canceled = heard.reports()
    assert set(new) >= {*"eEscSofqpPFgCxXrilzLnNTtIwmMOZYQWV"}
    assert (new["x"], new["X"], new["c"], new["C"], new["t"], new["w"]) == ("NEW", "NEW", "c-1", "", -1, True)
    assert (part["x"], part["X"], part["l"], part["z"], part["L"]) == (
        "TRADE",
        "PARTIALLY_FILLED",
        "0.25000000",
        "0.25000000",
        "102.00000000",
    )
    assert (part["n"], part["N"], part["m"], part["Y"]) == ("0.02550000", "USDT", True, "25.50000000")
    assert (canceled["x"], canceled["X"], canceled["C"], canceled["w"]) == ("CANCELED", "CANCELED", "c-1", False)
    assert canceled["c"] != "c-1"
    assert canceled["z"] == "0.25000000"
    assert [event["e"] for event in heard.events if event["e"] != "executionReport"] == ["outboundAccountPosition"] * 3


async def test_what_cannot_fill_expires(sim: SimExchange, client: Any, heard: Listener) -> None:
    await client.create_order(SYMBOL, "limit", "buy", 3, 101, {"timeInForce": "IOC"})
    await until(lambda: len(heard.reports()) == 3)
    assert [(r["x"], r["X"]) for r in heard.reports()] == [
        ("NEW", "NEW"),
        ("TRADE", "PARTIALLY_FILLED"),
        ("EXPIRED", "EXPIRED"),
    ]


async def test_a_trigger_is_new_again_when_it_starts_to_work(sim: SimExchange, client: Any, heard: Listener) -> None:
    await client.create_order(SYMBOL, "market", "sell", 1, None, {"stopLossPrice": 95})
    set_book(sim, "95", "96", "5")
    trade(sim, "95")
    await until(lambda: len(heard.reports()) == 3)
    assert [(r["x"], r["w"], r["o"], r["P"]) for r in heard.reports()[:2]] == [
        ("NEW", False, "STOP_LOSS", "95.00000000"),
        ("NEW", True, "STOP_LOSS", "95.00000000"),
    ]
    assert heard.reports()[2]["X"] == "FILLED"


async def test_an_order_list_says_when_it_starts_and_when_it_is_done(
    sim: SimExchange, client: Any, heard: Listener
) -> None:
    request = {"symbol": "BTCUSDT", "side": "SELL", "quantity": "1", "price": "110", "stopPrice": "95"}
    raw = await client.privatePostOrderOco(request)
    trade(sim, "110", "5")
    await until(lambda: len([e for e in heard.events if e["e"] == "listStatus"]) == 2)
    started, done = (e for e in heard.events if e["e"] == "listStatus")
    assert (started["l"], started["L"], done["l"], done["L"]) == ("EXEC_STARTED", "EXECUTING", "ALL_DONE", "ALL_DONE")
    assert {item["i"] for item in done["O"]} == {int(order["orderId"]) for order in raw["orders"]}
    assert {report["X"] for report in heard.reports()} == {"NEW", "FILLED", "EXPIRED"}
    assert {report["g"] for report in heard.reports()} == {int(raw["orderListId"])}


async def test_a_deposit_is_told_as_a_balance_update(sim: SimExchange, client: Any, heard: Listener) -> None:
    sim.deposit("main", "USDT", Decimal(500))
    await until(lambda: len(heard.events) == 2)
    assert [event["e"] for event in heard.events] == ["outboundAccountPosition", "balanceUpdate"]
    assert (heard.events[1]["a"], heard.events[1]["d"]) == ("USDT", "500.00000000")
    assert (await client.fetch_balance())["USDT"]["total"] == 100_500


async def test_wrong_keys_get_no_user_data(sim: SimExchange) -> None:
    async with (
        aiohttp.ClientSession(connector=sim.connector()) as session,
        session.ws_connect(WS_API) as socket,
    ):
        for params, code, status in (
            ({"apiKey": "sim-key", "timestamp": 1, "signature": "00"}, -1022, 400),
            ({"apiKey": "nobody", "timestamp": 1, "signature": "00"}, -2015, 401),
            ({"apiKey": "sim-key", "timestamp": 1}, -1102, 400),
        ):
            await socket.send_json({"id": 1, "method": "userDataStream.subscribe.signature", "params": params})
            answer = await soon(socket.receive_json())
            assert (answer["error"]["code"], answer["status"]) == (code, status)
        assert all(USER not in connection.topics for connection in sim.connections)


async def test_orders_go_in_over_the_websocket_api(sim: SimExchange, client: Any) -> None:
    placed = await soon(client.create_order_ws(SYMBOL, "limit", "buy", 1, 90, {"clientOrderId": "ws-1"}))
    assert (placed["status"], placed["clientOrderId"]) == ("open", "ws-1")
    assert (await soon(client.fetch_order_ws(placed["id"], SYMBOL)))["status"] == "open"
    edited = await soon(client.edit_order_ws(placed["id"], SYMBOL, "limit", "buy", 1, 91))
    assert (edited["status"], edited["price"]) == ("open", 91.0)
    assert [o["id"] for o in await soon(client.fetch_open_orders_ws(SYMBOL))] == [edited["id"]]
    assert (await soon(client.cancel_order_ws(edited["id"], SYMBOL)))["status"] == "canceled"
    await soon(client.create_order_ws(SYMBOL, "limit", "buy", 1, 90))
    assert [o["status"] for o in await soon(client.cancel_all_orders_ws(SYMBOL))] == ["canceled"]
    filled = await soon(client.create_order_ws(SYMBOL, "market", "buy", 0.5))
    assert filled["status"] == "closed"
    assert len(await soon(client.fetch_orders_ws(SYMBOL))) == 4
    assert [t["amount"] for t in await soon(client.fetch_my_trades_ws(SYMBOL))] == [0.5]
    raw = (await soon(client.fetch_balance_ws()))["info"]  # ccxt 4.5.90 parses spot balances over this way to nothing
    assert {"asset": "BTC", "free": "10.49900000", "locked": "0.00000000"} in raw["balances"]
    assert (await soon(client.fetch_ohlcv_ws(SYMBOL, "1m", limit=1)))[0][4] == 101.0


async def test_refusals_over_the_websocket_api_are_the_same_as_over_rest(sim: SimExchange, client: Any) -> None:
    with pytest.raises(ccxt.InsufficientFunds, match="insufficient balance"):
        await soon(client.create_order_ws(SYMBOL, "limit", "buy", 99_999, 90))
    with pytest.raises(ccxt.OrderNotFound, match="Unknown order sent"):
        await soon(client.cancel_order_ws("999", SYMBOL))
    with pytest.raises(ccxt.BadRequest, match="NOTIONAL"):
        await soon(client.create_order_ws(SYMBOL, "limit", "buy", 0.01, 90))


async def test_an_unknown_call_is_answered_and_unsubscribing_ends_the_user_stream(sim: SimExchange) -> None:
    async with (
        client_of(sim) as signer,
        aiohttp.ClientSession(connector=sim.connector()) as session,
        session.ws_connect(WS_API) as socket,
    ):

        async def ask(method: str, params: dict[str, Any]) -> Any:
            await socket.send_json({"id": "x", "method": method, "params": params})
            return await soon(socket.receive_json())

        assert (await ask("order.guess", {}))["status"] == 400
        assert (await ask("ping", {}))["result"] == {}
        first = await ask("userDataStream.subscribe.signature", signer.sign_params({}))
        second = await ask("userDataStream.subscribe.signature", signer.sign_params({}))
        assert (first["result"], second["result"]) == ({"subscriptionId": 0}, {"subscriptionId": 1})
        assert first["rateLimits"][0]["rateLimitType"] == "REQUEST_WEIGHT"
        await ask("userDataStream.unsubscribe", {"subscriptionId": 0})
        sim.deposit("main", "USDT", Decimal(1))
        assert (await soon(socket.receive_json()))["subscriptionId"] == 1
        await soon(socket.receive_json())
        await ask("userDataStream.unsubscribe", {})
        assert sim.connections[0].topics == set()


async def test_a_replacement_that_fails_is_reported_as_rejected(sim: SimExchange, client: Any, heard: Listener) -> None:
    order = await client.create_order(SYMBOL, "limit", "buy", 1, 90)
    with pytest.raises(ccxt.BadResponse, match="-2021"):
        await client.edit_order(order["id"], SYMBOL, "limit", "buy", 100_000, 90)
    await until(lambda: len(heard.reports()) == 3)
    assert [(r["x"], r["X"], r["r"]) for r in heard.reports()] == [
        ("NEW", "NEW", "NONE"),
        ("CANCELED", "CANCELED", "NONE"),
        ("REJECTED", "REJECTED", "INSUFFICIENT_BALANCES"),
    ]

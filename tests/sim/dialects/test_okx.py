"""Unmodified ccxt.pro.okx trades on the embedded exchange: markets, orders, algo orders, refusals, streams."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from tests.sim.dialects.binance_kit import soon, until, watching
from tests.sim.dialects.unified_kit import PERP, SPOT, START_MS, client_of, exchange, trade

TRIGGER = {"trigger": True}


@pytest.fixture
async def sim():
    async with exchange("okx") as running:
        yield running


@pytest.fixture
async def client(sim):
    async with client_of(sim, "okx") as connected:
        await connected.load_markets()
        yield connected


async def placed(client: Any, *order: Any, **params: Any) -> Any:
    """The order as the exchange tells of it; its create answer is an id and nothing more."""
    answer = await client.create_order(*order, params=params)
    return await client.fetch_order(answer["id"], order[0])


# ------------------------------------------------------------------ markets


async def test_spot_and_swap_have_ids_of_their_own(client):
    assert (client.markets[SPOT]["id"], client.markets[PERP]["id"]) == ("BTC-USDT", "BTC-USDT-SWAP")
    assert client.markets[PERP]["linear"] and client.markets[PERP]["contractSize"] == 1
    assert (client.markets[SPOT]["precision"]["amount"], client.markets[SPOT]["precision"]["price"]) == (0.00001, 0.01)
    assert set(client.currencies) >= {"BTC", "USDT"}


@pytest.mark.parametrize("symbol", [SPOT, PERP])
async def test_public_data(sim, client, symbol):
    sim.advance(120_000)
    trade(sim, symbol, "102", "2")
    assert await client.fetch_time() == START_MS + 120_000
    client.milliseconds = sim.venue.now_ms  # ccxt chooses the endpoint by the age of what is asked for
    bars = await client.fetch_ohlcv(symbol, "1m", START_MS, 10)
    assert bars[0][0] == START_MS and bars[-1][4:] == [102, 2]
    assert (await client.fetch_trades(symbol))[-1]["price"] == 102
    ticker = await client.fetch_ticker(symbol)
    assert (ticker["bid"], ticker["ask"], ticker["symbol"]) == (100, 101, symbol)
    assert (await client.fetch_order_book(symbol))["bids"][0][:2] == [100, 1]


async def test_the_candle_history_holds_closed_candles_only(sim, client):
    sim.advance(120_000)
    trade(sim, SPOT, "102")
    raw = await client.public_get_market_history_candles({"instId": "BTC-USDT", "bar": "1m"})
    assert [row[8] for row in raw["data"]] == ["1"] * len(raw["data"]) and raw["data"]
    recent = await client.public_get_market_candles({"instId": "BTC-USDT", "bar": "1m"})
    assert [row[8] for row in recent["data"]][:2] == ["0", "1"]


# ------------------------------------------------------------------ orders


async def test_a_partly_filled_limit_order_is_amended_and_cancelled(client):
    order = await placed(client, SPOT, "limit", "buy", 1.5, 101, clientOrderId="b1")
    assert (order["info"]["state"], order["filled"], order["clientOrderId"]) == ("partially_filled", 1.0, "b1")
    await client.edit_order(order["id"], SPOT, "limit", "buy", 1.2, 99)
    (found,) = await client.fetch_open_orders(SPOT)
    assert (found["amount"], found["price"]) == (1.2, 99)
    await client.cancel_order(None, SPOT, {"clientOrderId": "b1"})
    ended = await client.fetch_order(None, SPOT, {"clientOrderId": "b1"})
    assert (ended["info"]["state"], ended["info"]["cancelSource"]) == ("canceled", "1")
    (fill,) = await client.fetch_my_trades(SPOT)
    assert (fill["order"], fill["price"], fill["takerOrMaker"]) == (order["id"], 101, "taker")
    assert fill["fee"] == {"cost": 0.002, "currency": "BTC"}


@pytest.mark.parametrize(("params", "source"), [({"timeInForce": "IOC"}, "14"), ({"timeInForce": "FOK"}, "13")])
async def test_what_is_not_filled_at_once_is_cancelled(client, params, source):
    order = await placed(client, PERP, "limit", "buy", 1.5, 101, **params)
    assert (order["info"]["state"], order["info"]["cancelSource"]) == ("canceled", source)
    assert order["filled"] == (1.0 if source == "14" else 0)


async def test_a_market_order_by_cost(client):
    order = await placed(client, SPOT, "market", "buy", 50.5, None, tgtCcy="quote_ccy")
    assert (order["info"]["state"], order["filled"], order["cost"]) == ("filled", 0.5, 50.5)


async def test_a_post_only_order_that_would_take_is_accepted_and_cancelled(client):
    order = await placed(client, SPOT, "limit", "buy", 1, 101, postOnly=True)
    assert (order["info"]["state"], order["info"]["cancelSource"]) == ("canceled", "31")


@pytest.mark.parametrize("symbol", [SPOT, PERP])
async def test_a_fired_algo_order_makes_an_order_with_an_id_of_its_own(sim, client, symbol):
    link = {"algoClOrdId": "a1"}
    created = await client.create_order(symbol, "market", "buy", 0.5, None, {"triggerPrice": 110, **link})
    waiting = await client.fetch_order(created["id"], symbol, TRIGGER)
    assert (waiting["info"]["state"], waiting["info"]["algoClOrdId"]) == ("live", "a1")
    assert await client.fetch_open_orders(symbol) == []
    assert [order["id"] for order in await client.fetch_open_orders(symbol, params=TRIGGER)] == [created["id"]]
    trade(sim, symbol, "110")
    fired = (await client.fetch_order(None, symbol, {**TRIGGER, "clientOrderId": "a1"}))["info"]
    (child_id,) = fired["ordIdList"]
    assert fired["state"] == "effective" and child_id != created["id"]
    child = await client.fetch_order(child_id, symbol)
    assert (child["info"]["state"], child["filled"], child["info"]["algoId"]) == ("filled", 0.5, created["id"])
    assert (await client.fetch_closed_orders(symbol, params=TRIGGER))[0]["info"]["algoId"] == created["id"]
    with pytest.raises(ccxt.OrderNotFound):
        await client.cancel_order(created["id"], symbol, TRIGGER)


async def test_trailing_and_oco_orders(sim, client):
    trailing = await client.create_order(PERP, "market", "sell", 1, None, {"trailingPercent": 1})
    assert (await client.fetch_open_orders(PERP, params={"trailing": True}))[0]["id"] == trailing["id"]
    await client.cancel_order(trailing["id"], PERP, TRIGGER)
    assert (await client.fetch_order(trailing["id"], PERP, TRIGGER))["info"]["state"] == "canceled"
    await client.create_order(PERP, "market", "buy", 1)
    pair = {"takeProfitPrice": 120, "stopLossPrice": 90, "reduceOnly": True}
    await client.create_order(PERP, "oco", "sell", 1, None, pair)
    trade(sim, PERP, "90")
    assert await client.fetch_open_orders(PERP, params={"ordType": "oco"}) == []
    assert await client.fetch_positions([PERP]) == []


async def test_attached_exits_come_to_life_with_the_fill(sim, client):
    exits = {"takeProfit": {"triggerPrice": 120}, "stopLoss": {"triggerPrice": 90}}
    await client.create_order(PERP, "limit", "buy", 1, 101, exits)
    await until(lambda: len(sim.engine.orders("main", PERP, open_only=True)) == 2)
    trade(sim, PERP, "120")
    assert await client.fetch_positions([PERP]) == []
    assert sim.engine.orders("main", PERP, open_only=True) == []


async def test_positions_leverage_and_balance(client):
    await client.set_leverage(5, PERP)
    await client.create_order(PERP, "market", "sell", 1)
    (position,) = await client.fetch_positions([PERP])
    assert (position["side"], position["contracts"], position["entryPrice"], position["leverage"]) == (
        "short",
        1,
        100,
        5,
    )
    details = (await client.fetch_balance())["info"]["data"][0]["details"]
    (usdt,) = [row for row in details if row["ccy"] == "USDT"]
    assert float(usdt["cashBal"]) == 100_000 - 0.05
    assert float(usdt["frozenBal"]) == pytest.approx(20, rel=0.02)


# ------------------------------------------------------------------ refusals


async def test_unknown_orders_wrong_keys_and_wrong_signatures(sim, client):
    for params in ({}, TRIGGER):
        with pytest.raises(ccxt.OrderNotFound):
            await client.cancel_order("77", SPOT, params)
        with pytest.raises(ccxt.OrderNotFound):
            await client.fetch_order("77", SPOT, params)
    for wrong, text in (({"apiKey": "other"}, "50111"), ({"secret": "other"}, "50113"), ({"password": "x"}, "50105")):
        async with client_of(sim, "okx", **wrong) as stranger:
            with pytest.raises(ccxt.AuthenticationError, match=text):
                await stranger.private_get_account_config()


async def test_a_clock_that_is_off_is_refused():
    async with exchange("okx", clock=None) as sim, client_of(sim, "okx") as client:
        client.nonce = lambda: sim.venue.server_time_ms() - 31_000
        with pytest.raises(ccxt.InvalidNonce, match="50102"):
            await client.private_get_account_config()
        client.nonce = sim.venue.server_time_ms
        await client.private_get_account_config()


# ------------------------------------------------------------------ streams


async def test_private_streams_tell_orders_fills_balances_and_positions(sim, client):
    orders = await watching(sim, client.watch_orders(), "main/orders:ANY")
    balance = await soon(client.watch_balance())
    assert balance["USDT"]["total"] == 100_000
    order = await client.create_order(PERP, "market", "buy", 1, None, {"clientOrderId": "p1"})
    told = (await soon(orders))[-1]
    assert (told["id"], told["clientOrderId"], told["symbol"]) == (order["id"], "p1", PERP)
    await until(lambda: client.orders[-1]["status"] == "closed")
    (fill,) = client.myTrades
    assert (fill["order"], fill["price"], fill["takerOrMaker"]) == (order["id"], 101, "taker")
    assert float(fill["info"]["fillFee"]) == -0.0505  # paid; ccxt leaves the sign as it is
    await until(lambda: client.balance["USDT"]["total"] != 100_000)
    (position,) = await soon(client.watch_positions([PERP]))
    assert position["contracts"] == 1


async def test_algo_orders_are_told_on_the_business_channel(sim, client):
    await watching(sim, client.watch_orders(params=TRIGGER), "main/orders-algo:ANY")
    created = await client.create_order(SPOT, "market", "buy", 0.5, None, {"triggerPrice": 110})
    await until(lambda: client.triggerOrders and client.triggerOrders[-1]["info"]["state"] == "live")
    trade(sim, SPOT, "110")
    await until(lambda: client.triggerOrders[-1]["info"]["state"] == "effective")
    told = client.triggerOrders[-1]["info"]
    assert told["algoId"] == created["id"] and told["ordId"] == told["ordIdList"][0]


async def test_a_private_stream_needs_a_signature(client):
    client.secret = "other"
    with pytest.raises(ccxt.AuthenticationError):
        await soon(client.watch_orders())


async def test_a_channel_that_does_not_exist_is_refused_by_name(client):
    arg = {"channel": "candle7m", "instId": "BTC-USDT"}
    message = {"op": "subscribe", "args": [arg]}
    with pytest.raises(ccxt.ExchangeError, match="candle7m"):
        await soon(client.watch("wss://ws.okx.com:443/ws/v5/business", "never", message, "never"))

"""Unmodified ccxt.pro.bybit trades on the embedded exchange: markets, orders, statuses, refusals, streams."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from tests.sim.dialects.binance_kit import soon, until, watching
from tests.sim.dialects.unified_kit import PERP, SPOT, START_MS, client_of, exchange, trade

ACKNOWLEDGED = {"acknowledged": True}


@pytest.fixture
async def sim():
    async with exchange("bybit") as running:
        yield running


@pytest.fixture
async def client(sim):
    async with client_of(sim, "bybit") as connected:
        await connected.load_markets()
        yield connected


async def placed(client: Any, *order: Any, **params: Any) -> Any:
    """The order as the exchange tells of it; its create answer is an id and nothing more."""
    answer = await client.create_order(*order, params=params)
    return await client.fetch_order(answer["id"], order[0], ACKNOWLEDGED)


# ------------------------------------------------------------------ markets


async def test_spot_and_perpetual_share_an_id_and_are_two_markets(client):
    assert client.markets[SPOT]["id"] == client.markets[PERP]["id"] == "BTCUSDT"
    assert client.markets[PERP]["linear"] and client.markets[PERP]["contractSize"] == 1
    assert (client.markets[SPOT]["precision"]["amount"], client.markets[SPOT]["precision"]["price"]) == (0.00001, 0.01)
    assert client.markets[SPOT]["limits"]["cost"]["min"] == 5
    assert set(client.currencies) >= {"BTC", "USDT"}


async def test_public_data(sim, client):
    sim.advance(120_000)
    trade(sim, SPOT, "102")
    assert await client.fetch_time() == START_MS + 120_000
    bars = await client.fetch_ohlcv(SPOT, "1m", START_MS, 10)
    assert bars[0][0] == START_MS and bars[-1][4] == 102
    assert [bar[0] for bar in bars] == sorted(bar[0] for bar in bars)
    assert (await client.fetch_trades(SPOT))[-1]["price"] == 102
    ticker = await client.fetch_ticker(PERP)
    assert (ticker["bid"], ticker["ask"], ticker["symbol"]) == (100, 101, PERP)
    assert (await client.fetch_order_book(SPOT))["bids"] == [[100, 1]]


# ------------------------------------------------------------------ orders


async def test_a_partly_filled_limit_order_is_amended_and_cancelled(client):
    order = await placed(client, SPOT, "limit", "buy", 1.5, 101, clientOrderId="b1")
    assert (order["info"]["orderStatus"], order["filled"], order["clientOrderId"]) == ("PartiallyFilled", 1.0, "b1")
    await client.edit_order(order["id"], SPOT, "limit", "buy", 1.2, 99)
    (found,) = await client.fetch_open_orders(SPOT)
    assert (found["amount"], found["price"]) == (1.2, 99)
    await client.cancel_order(order["id"], SPOT)
    ended = await client.fetch_order(order["id"], SPOT, ACKNOWLEDGED)
    assert ended["info"]["orderStatus"] == "PartiallyFilledCanceled"
    (fill,) = await client.fetch_my_trades(SPOT)
    assert (fill["order"], fill["price"], fill["takerOrMaker"]) == (order["id"], 101, "taker")
    assert fill["fee"] == {"cost": 0.002, "currency": "BTC", "rate": pytest.approx(0.002 / 101, rel=1e-3)}


async def test_contracts_end_as_cancelled_even_if_partly_filled(client):
    order = await placed(client, PERP, "limit", "buy", 1.5, 101, timeInForce="IOC")
    assert (order["info"]["orderStatus"], order["filled"]) == ("Cancelled", 1.0)
    assert order["info"]["rejectReason"] == "EC_NoImmediateQtyToFill"


async def test_a_market_order_by_cost(client):
    order = await placed(client, SPOT, "market", "buy", None, None, cost=50.5, marketUnit="quoteCoin")
    assert (order["info"]["orderStatus"], order["filled"], order["cost"]) == ("Filled", 0.5, 50.5)


async def test_a_post_only_order_that_would_take_is_accepted_and_cancelled(client):
    order = await placed(client, SPOT, "limit", "buy", 1, 101, postOnly=True)
    assert order["info"]["orderStatus"] == "Cancelled"
    assert order["info"]["rejectReason"] == "EC_PostOnlyWillTakeLiquidity"
    assert await client.fetch_open_orders(SPOT) == []


@pytest.mark.parametrize("symbol", [SPOT, PERP])
async def test_a_trigger_order_keeps_its_id_when_it_fires(sim, client, symbol):
    direction = {} if symbol == SPOT else {"triggerDirection": "ascending"}
    waiting = await placed(client, symbol, "market", "buy", 0.5, None, triggerPrice=110, **direction)
    assert waiting["info"]["orderStatus"] == "Untriggered"
    assert [order["id"] for order in await client.fetch_open_orders(symbol, params={"trigger": True})] == [
        waiting["id"]
    ]
    trade(sim, symbol, "110")
    fired = await client.fetch_order(waiting["id"], symbol, ACKNOWLEDGED)
    assert (fired["info"]["orderStatus"], fired["filled"]) == ("Filled", 0.5)


async def test_a_waiting_spot_trigger_is_cancelled_in_its_own_book_only(client):
    order = await placed(client, SPOT, "market", "buy", 0.5, None, triggerPrice=110)
    with pytest.raises(ccxt.OrderNotFound):
        await client.cancel_order(order["id"], SPOT)
    await client.cancel_order(order["id"], SPOT, {"trigger": True})
    assert (await client.fetch_order(order["id"], SPOT, ACKNOWLEDGED))["info"]["orderStatus"] == "Deactivated"


async def test_attached_exits_come_to_life_with_the_fill_and_exclude_each_other(sim, client):
    exits = {"takeProfit": {"triggerPrice": 120}, "stopLoss": {"triggerPrice": 90}}
    await client.create_order(PERP, "limit", "buy", 1, 101, exits)
    await until(lambda: len(sim.engine.orders("main", PERP, open_only=True)) == 2)
    rows = await client.fetch_open_orders(PERP)
    assert {row["info"]["stopOrderType"] for row in rows} == {"TakeProfit", "StopLoss"}
    assert all(row["reduceOnly"] and row["side"] == "sell" for row in rows)
    trade(sim, PERP, "120")
    assert await client.fetch_open_orders(PERP) == []
    assert (await client.fetch_positions([PERP]))[0]["contracts"] == 0


async def test_cancel_all(client):
    for price in (90, 91):
        await client.create_order(SPOT, "limit", "buy", 1, price)
    assert len(await client.cancel_all_orders(SPOT)) == 2
    assert await client.fetch_open_orders(SPOT) == []
    history = await client.fetch_canceled_orders(SPOT)
    assert [order["info"]["orderStatus"] for order in history] == ["Cancelled", "Cancelled"]


async def test_positions_leverage_and_the_unified_wallet(client):
    await client.set_leverage(5, PERP)
    with pytest.raises(ccxt.BadRequest, match="leverage not modified"):
        await client.set_leverage(5, PERP)
    await client.create_order(PERP, "market", "sell", 1)
    (position,) = await client.fetch_positions([PERP])
    assert (position["side"], position["contracts"], position["entryPrice"], position["leverage"]) == (
        "short",
        1,
        100,
        5,
    )
    balance = await client.fetch_balance()
    assert balance["USDT"]["used"] == pytest.approx(20, rel=0.02)
    assert balance["USDT"]["total"] == 100_000 - 0.05
    await client.create_order(PERP, "market", "buy", 1, None, {"reduceOnly": True})
    assert (await client.fetch_positions([PERP]))[0]["side"] is None


# ------------------------------------------------------------------ refusals


async def test_unknown_orders_wrong_keys_and_wrong_signatures(sim, client):
    with pytest.raises(ccxt.OrderNotFound):
        await client.cancel_order("77", SPOT)
    with pytest.raises(ccxt.OrderNotFound):
        await client.fetch_order("77", SPOT, ACKNOWLEDGED)
    for wrong, text in (({"apiKey": "other"}, "10003"), ({"secret": "other"}, "10004")):
        async with client_of(sim, "bybit", **wrong) as stranger:
            with pytest.raises(ccxt.AuthenticationError, match=text):
                await stranger.private_get_v5_account_info()


async def test_a_clock_that_is_off_is_refused():
    async with exchange("bybit", clock=None) as sim, client_of(sim, "bybit") as client:
        now = sim.venue.server_time_ms()
        for off_ms in (-6_000, 2_000):
            client.nonce = lambda off_ms=off_ms: now + off_ms
            with pytest.raises(ccxt.InvalidNonce, match="recv_window"):
                await client.private_get_v5_account_info()
        client.nonce = lambda: sim.venue.server_time_ms()
        await client.private_get_v5_account_info()


# ------------------------------------------------------------------ streams


async def test_private_streams_tell_orders_fills_balances_and_positions(sim, client):
    orders = await watching(sim, client.watch_orders(), "main/order")
    fills = await watching(sim, client.watch_my_trades(), "main/execution")
    balance = await watching(sim, client.watch_balance(), "main/wallet")
    assert await soon(client.watch_positions()) == []  # the first answer is ccxt's snapshot by REST
    positions = await watching(sim, client.watch_positions(), "main/position")
    order = await client.create_order(PERP, "market", "buy", 1, None, {"clientOrderId": "p1"})
    told = (await soon(orders))[-1]
    assert (told["id"], told["clientOrderId"], told["symbol"]) == (order["id"], "p1", PERP)
    (fill,) = await soon(fills)
    assert (fill["order"], fill["price"], fill["fee"]["currency"]) == (order["id"], 101, "USDT")
    assert (await soon(balance))["USDT"]["total"] is not None
    assert (await soon(positions))[0]["contracts"] == 1
    await until(lambda: client.orders[-1]["status"] == "closed")


async def test_a_private_stream_needs_a_signature(client):
    client.options.update(enableUnifiedMargin=False, enableUnifiedAccount=True)  # else REST is asked before
    client.secret = "other"
    with pytest.raises(ccxt.AuthenticationError):
        await soon(client.watch_orders())


async def test_a_topic_that_does_not_exist_is_refused_by_name(sim, client):
    url = "wss://stream.bybit.com/v5/public/spot"
    message = {"op": "subscribe", "req_id": "9", "args": ["kline.7.BTCUSDT"]}
    with pytest.raises(ccxt.ExchangeError, match="handler not found"):
        await soon(client.watch(url, "never", message, "never", {"id": "9"}))

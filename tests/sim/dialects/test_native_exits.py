"""Exits that an order brings along, in the words of Bybit, OKX and Kraken: when they appear, as what, how they end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import ccxt
import pytest

from btccxt.sim.server import SimExchange
from tests.sim.dialects.binance_kit import soon, until, watching
from tests.sim.dialects.unified_kit import PERP, SPOT, D, book, client_of, exchange, trade

BRACKET = {"takeProfit": {"triggerPrice": 120}, "stopLoss": {"triggerPrice": 90}}
TRIGGER = {"trigger": True}


@pytest.fixture(params=["bybit", "okx"])
async def sim(request: Any) -> AsyncIterator[SimExchange]:
    async with exchange(request.param) as running:
        yield running


@pytest.fixture
async def client(sim: SimExchange) -> AsyncIterator[Any]:
    (name,) = sim.dialects
    async with client_of(sim, name) as connected:
        await connected.load_markets()
        yield connected


only_bybit = pytest.mark.parametrize("sim", ["bybit"], indirect=True)
only_okx = pytest.mark.parametrize("sim", ["okx"], indirect=True)


def standing(sim: SimExchange, symbol: str) -> list[tuple[str, Any, Any]]:
    """Open orders in the engine: kind, trigger, amount."""
    orders = sim.engine.orders("main", symbol, open_only=True)
    return [(order.request.kind.value, order.request.trigger_price, order.request.amount) for order in orders]


# ------------------------------------------------------------------ both


async def test_attached_exits_stand_when_the_answer_comes_and_exclude_each_other(sim: SimExchange, client: Any) -> None:
    await client.create_order(SPOT, "limit", "buy", 1, 101, BRACKET)
    kept = D("0.998")  # the fee was taken from the coin
    assert standing(sim, SPOT) == [("take_profit", D(120), kept), ("stop", D(90), kept)]
    trade(sim, SPOT, "90")
    assert standing(sim, SPOT) == []
    assert (await client.fetch_balance())["BTC"]["total"] == pytest.approx(10)


async def test_an_exit_whose_price_has_been_passed_goes_off_at_once(sim: SimExchange, client: Any) -> None:
    await client.create_order(PERP, "limit", "buy", 1, 95, {"stopLoss": {"triggerPrice": 90}})
    book(sim, PERP, "88", "89")  # fills the entry at its price
    trade(sim, PERP, "85")
    assert await client.fetch_positions([PERP]) == [] or (await client.fetch_positions([PERP]))[0]["contracts"] == 0
    assert standing(sim, PERP) == []


@pytest.mark.parametrize(
    ("side", "exits"),
    [
        ("buy", {"stopLoss": {"triggerPrice": 105}}),
        ("buy", {"takeProfit": {"triggerPrice": 95}}),
        ("sell", {"stopLoss": {"triggerPrice": 95}}),
        ("sell", {"takeProfit": {"triggerPrice": 105}}),
    ],
)
async def test_exits_on_the_wrong_side_are_refused_with_the_order(client: Any, side: str, exits: Any) -> None:
    with pytest.raises(ccxt.ExchangeError, match="should be"):
        await client.create_order(PERP, "limit", side, 1, 100, exits)
    assert await client.fetch_open_orders(PERP) == []


async def test_the_order_shows_what_it_brings_along(client: Any) -> None:
    for symbol in (SPOT, PERP):
        made = await client.create_order(symbol, "limit", "buy", 1, 95, BRACKET)
        (waiting,) = await client.fetch_open_orders(symbol)
        assert (waiting["takeProfitPrice"], waiting["stopLossPrice"]) == (120, 90)
        await client.cancel_order(made["id"], symbol)
        assert await client.fetch_open_orders(symbol) == []


# ------------------------------------------------------------------ Bybit


@only_bybit
async def test_the_exits_of_a_contract_stand_from_the_first_fill_for_all_of_the_position(
    sim: SimExchange, client: Any
) -> None:
    await client.create_order(PERP, "limit", "buy", 3, 101, BRACKET)  # a third is filled
    (position,) = await client.fetch_positions([PERP])
    assert (position["info"]["takeProfit"], position["info"]["stopLoss"]) == ("120", "90")
    rows = (await client.private_get_v5_order_realtime({"category": "linear", "symbol": "BTCUSDT"}))["result"]["list"]
    exits = [row for row in rows if row["stopOrderType"]]
    assert [(row["stopOrderType"], row["closeOnTrigger"], row["createType"]) for row in exits] == [
        ("StopLoss", True, "CreateByStopLoss"),
        ("TakeProfit", True, "CreateByTakeProfit"),
    ]
    book(sim, PERP, "100", "101", "5")  # the rest of the entry is filled
    trade(sim, PERP, "90")
    assert (await client.fetch_positions([PERP]))[0]["contracts"] == 0
    (fired,) = [order for order in sim.engine.orders("main", PERP) if order.triggered]
    assert (fired.request.label, fired.filled) == ("StopLoss", 3)
    assert standing(sim, PERP) == []


@only_bybit
async def test_a_position_gets_moves_and_loses_its_exits_by_trading_stop(sim: SimExchange, client: Any) -> None:
    await client.create_order(PERP, "market", "buy", 1)
    where = {"category": "linear", "symbol": "BTCUSDT", "tpslMode": "Full", "positionIdx": 0}
    await soon(client.watch_positions())  # ccxt begins with a snapshot by REST
    await watching(sim, client.watch_positions(), "main/position")
    await client.private_post_v5_position_trading_stop({**where, "stopLoss": "90", "trailingStop": "5"})
    assert standing(sim, PERP) == [("stop", D(90), None), ("trailing_amount", None, None)]
    await until(lambda: client.positions[-1]["info"]["stopLoss"] == "90")
    await client.private_post_v5_position_trading_stop({**where, "stopLoss": "95", "trailingStop": "0"})
    assert standing(sim, PERP) == [("stop", D(95), None)]
    with pytest.raises(ccxt.ExchangeError, match="not modified"):
        await client.private_post_v5_position_trading_stop({**where, "stopLoss": "95"})
    with pytest.raises(ccxt.ExchangeError, match="should be lower"):
        await client.private_post_v5_position_trading_stop({**where, "stopLoss": "105"})
    await client.create_order(PERP, "market", "sell", 1, None, {"reduceOnly": True})
    assert standing(sim, PERP) == []
    with pytest.raises(ccxt.ExchangeError, match="zero position"):
        await client.private_post_v5_position_trading_stop({**where, "stopLoss": "95"})


@only_bybit
async def test_a_pair_for_a_part_of_the_position_excludes_each_other(sim: SimExchange, client: Any) -> None:
    book(sim, PERP, "100", "101", "5")
    await client.create_order(PERP, "market", "buy", 2)
    pair = {"takeProfitPrice": 120, "stopLossPrice": 90, "takeProfitLimitPrice": 119, "stopLossLimitPrice": 89}
    await client.create_order(PERP, "market", "sell", 1, None, pair)
    kinds = {row["info"]["stopOrderType"] for row in await client.fetch_open_orders(PERP)}
    assert kinds == {"PartialTakeProfit", "PartialStopLoss"}
    book(sim, PERP, "120", "121", "5")
    trade(sim, PERP, "120")
    assert (await client.fetch_positions([PERP]))[0]["contracts"] == 1
    assert standing(sim, PERP) == []


@only_bybit
async def test_exits_with_limit_prices_are_for_what_the_order_got(sim: SimExchange, client: Any) -> None:
    exits = {"takeProfit": {"triggerPrice": 120, "price": 119}, "stopLoss": {"triggerPrice": 90, "price": 89}}
    made = await client.create_order(PERP, "limit", "buy", 3, 101, exits)
    assert standing(sim, PERP) == [("limit", None, D(3))]  # a third is filled, the rest may still come
    await client.cancel_order(made["id"], PERP)
    assert standing(sim, PERP) == [("take_profit_limit", D(120), D(1)), ("stop_limit", D(90), D(1))]


@only_bybit
async def test_funding_is_an_execution_of_its_own_type_and_no_trade(sim: SimExchange, client: Any) -> None:
    told = await watching(sim, client.watch_my_trades(), "main/execution")
    await client.create_order(PERP, "market", "buy", 1)
    await soon(told)
    sim.engine.apply_funding(PERP, D("0.0001"), sim.venue.now_ms())
    (paid,) = await client.fetch_funding_history(PERP)
    assert (paid["symbol"], paid["code"], paid["amount"], paid["rate"]) == (PERP, "USDT", 0.0101, 0.0001)
    (trade_row,) = await client.fetch_my_trades(PERP, params={"execType": "Trade"})
    assert trade_row["info"]["execType"] == "Trade"


# ------------------------------------------------------------------ OKX


@only_okx
async def test_a_pair_is_one_algo_order_with_two_triggers(sim: SimExchange, client: Any) -> None:
    await client.create_order(PERP, "market", "buy", 1)
    pair = {"takeProfitPrice": 120, "stopLossPrice": 90, "reduceOnly": True, "algoClOrdId": "pair1"}
    made = await client.create_order(PERP, "oco", "sell", 1, None, pair)
    (row,) = await client.fetch_open_orders(PERP, params={"ordType": "oco"})
    assert (row["id"], row["takeProfitPrice"], row["stopLossPrice"]) == (made["id"], 120, 90)
    assert (row["info"]["algoClOrdId"], row["info"]["sz"]) == ("pair1", "1")
    trade(sim, PERP, "90")
    fired = (await client.fetch_order(made["id"], PERP, TRIGGER))["info"]
    assert (fired["state"], fired["actualSide"], fired["actualSz"]) == ("effective", "sl", "1")
    child = await client.fetch_order(fired["ordId"], PERP)
    assert (child["status"], child["info"]["algoId"], child["info"]["algoClOrdId"]) == ("closed", made["id"], "pair1")
    with pytest.raises(ccxt.OrderNotFound):
        await client.cancel_order(made["id"], PERP, TRIGGER)


@only_okx
async def test_a_pair_is_told_once_for_each_thing_that_happens_and_cancelled_as_one(
    sim: SimExchange, client: Any
) -> None:
    await watching(sim, client.watch_orders(params=TRIGGER), "main/orders-algo:ANY")
    pair = {"takeProfitPrice": 120, "stopLossPrice": 90, "tdMode": "cash"}  # ccxt makes it 'cross' else
    made = await client.create_order(SPOT, "oco", "sell", 1, None, pair)
    await until(lambda: client.triggerOrders and len(client.triggerOrders) == 1)
    await client.cancel_order(made["id"], SPOT, TRIGGER)
    await until(lambda: client.triggerOrders[-1]["info"]["state"] == "canceled")
    assert [order["id"] for order in client.triggerOrders] == [made["id"]]
    assert standing(sim, SPOT) == []


@only_okx
async def test_attached_exits_become_an_algo_order_that_names_its_entry(sim: SimExchange, client: Any) -> None:
    attached = [
        {"attachAlgoClOrdId": "exit1", "tpTriggerPx": "120", "tpOrdPx": "-1", "slTriggerPx": "90", "slOrdPx": "-1"}
    ]
    made = await client.create_order(PERP, "limit", "buy", 3, 101, {"attachAlgoOrds": attached})
    entry = (await client.fetch_order(made["id"], PERP))["info"]
    assert entry["attachAlgoOrds"][0]["attachAlgoClOrdId"] == "exit1"
    assert standing(sim, PERP) == [("limit", None, D(3))]  # nothing before the order has ended
    await client.cancel_order(made["id"], PERP)
    (pair,) = await client.fetch_open_orders(PERP, params={"ordType": "oco"})
    assert (pair["info"]["algoClOrdId"], pair["info"]["sz"], pair["info"]["linkedOrd"]) == (
        "exit1",
        "1",
        {"ordId": made["id"]},
    )


@only_okx
async def test_a_take_profit_of_kind_limit_rests_as_a_plain_order_beside_its_stop(
    sim: SimExchange, client: Any
) -> None:
    exits = {"takeProfit": {"triggerPrice": 120, "price": 120, "type": "limit"}, "stopLoss": {"triggerPrice": 90}}
    await client.create_order(PERP, "limit", "buy", 1, 101, exits)
    (target,) = await client.fetch_open_orders(PERP)
    (stop,) = await client.fetch_open_orders(PERP, params={"ordType": "conditional"})
    assert (target["price"], target["side"], stop["stopLossPrice"]) == (120, "sell", 90)
    assert target["info"]["linkedAlgoOrd"] == {"algoId": stop["id"]}
    trade(sim, PERP, "121", "5")
    assert standing(sim, PERP) == []


# ------------------------------------------------------------------ Kraken


@pytest.fixture
async def kraken() -> AsyncIterator[tuple[SimExchange, Any]]:
    async with exchange("kraken") as sim, client_of(sim, "kraken") as client:
        await client.load_markets()
        yield sim, client


STOP = {"ordertype": "stop-loss-limit", "price": 90, "price2": 89}


async def test_each_execution_makes_a_closing_order_that_names_its_primary(kraken: Any) -> None:
    sim, client = kraken
    made = await client.create_order(SPOT, "limit", "buy", 3, 101, {"close": STOP, "userref": 7})
    assert made["info"]["descr"]["close"] == "close position @ stop loss 90.00 -> limit 89.00"
    assert standing(sim, SPOT) == [("limit", None, D(3)), ("stop_limit", D(90), D(1))]
    book(sim, SPOT, "100", "101", "5")
    assert standing(sim, SPOT) == [("stop_limit", D(90), D(1)), ("stop_limit", D(90), D(2))]
    rows = await client.fetch_open_orders(SPOT)
    assert {(row["info"]["refid"], row["info"]["userref"]) for row in rows} == {(made["id"], 7)}
    primary = await client.fetch_order(made["id"], SPOT)
    assert primary["info"]["descr"]["close"] == made["info"]["descr"]["close"]


async def test_closing_orders_are_on_their_own(kraken: Any) -> None:
    sim, client = kraken
    made = await client.create_order(SPOT, "limit", "buy", 3, 101, {"close": STOP})
    await client.cancel_order(made["id"], SPOT)
    assert standing(sim, SPOT) == [("stop_limit", D(90), D(1))]


async def test_what_is_too_small_for_a_closing_order_waits_for_more(kraken: Any) -> None:
    sim, client = kraken
    book(sim, SPOT, "100", "101", "0.01")  # 1.01 USDT, and 5 is the least
    await client.create_order(SPOT, "limit", "buy", 1, 101, {"close": STOP})
    assert standing(sim, SPOT) == [("limit", None, D(1))]
    book(sim, SPOT, "100", "101", "5")
    assert standing(sim, SPOT) == [("stop_limit", D(90), D(1))]


@pytest.mark.parametrize(
    "close", [{"ordertype": "market"}, {"ordertype": "stop-loss"}, {"ordertype": "none", "price": 1}]
)
async def test_a_close_that_cannot_be_meant_is_refused_with_the_order(kraken: Any, close: Any) -> None:
    sim, client = kraken
    with pytest.raises(ccxt.ExchangeError, match="EGeneral:Invalid arguments"):
        await client.create_order(SPOT, "limit", "buy", 1, 99, {"close": close})
    assert standing(sim, SPOT) == []


async def test_the_stream_tells_of_the_close_with_its_primary_and_of_closing_orders(kraken: Any) -> None:
    sim, client = kraken
    heard: list[Any] = []
    handle = client.handle_orders

    def listen(ws: Any, message: Any, *more: Any) -> None:
        heard.extend(message["data"])
        handle(ws, message, *more)

    client.handle_orders = listen
    orders = await watching(sim, client.watch_orders(), "executions:main")
    await client.create_order(SPOT, "limit", "buy", 1, 101, {"close": STOP})
    await soon(orders)
    await until(lambda: [row for row in heard if row.get("order_type") == "stop-loss-limit"])
    (primary,) = [row for row in heard if "contingent" in row]
    assert primary["contingent"]["trigger_price"] == 90 and primary["exec_type"] == "pending_new"

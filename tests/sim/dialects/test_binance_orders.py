"""Orders on the Binance dialect: placed, filled, changed, cancelled and found again by the unmodified ccxt client."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import ccxt
import pytest

from btccxt.model import Side
from btccxt.sim.dialects.base import SimAccount
from btccxt.sim.server import SimExchange
from tests.sim.dialects.binance_kit import SYMBOL, client_of, exchange, set_book, trade


async def test_a_market_order_fills_level_by_level_with_fees_in_the_coin_received(
    sim: SimExchange, client: Any
) -> None:
    sim.engine.set_depth(
        SYMBOL, [(Decimal(100), Decimal(1))], [(Decimal(101), Decimal(1)), (Decimal(102), Decimal(3))], 0
    )
    order = await client.create_order(SYMBOL, "market", "buy", 1.5)
    assert (order["status"], order["filled"], order["cost"]) == ("closed", 1.5, 152.0)
    assert [(t["price"], t["amount"], t["fee"]) for t in order["trades"]] == [
        (101.0, 1.0, {"currency": "BTC", "cost": 0.002}),
        (102.0, 0.5, {"currency": "BTC", "cost": 0.001}),
    ]
    balance = await client.fetch_balance()
    assert balance["BTC"]["free"] == 11.497
    assert balance["USDT"]["total"] == 100_000 - 152


async def test_a_market_order_may_go_by_cost(client: Any) -> None:
    order = await client.create_market_buy_order_with_cost(SYMBOL, 50.5)
    assert (order["status"], order["filled"], order["cost"]) == ("closed", 0.5, 50.5)


async def test_a_resting_order_reserves_money_and_fills_in_parts_as_maker(sim: SimExchange, client: Any) -> None:
    placed = await client.create_order(SYMBOL, "limit", "buy", 2, 100.4)
    assert (placed["status"], placed["filled"], placed["remaining"]) == ("open", 0.0, 2.0)
    assert (await client.fetch_balance())["USDT"]["used"] == 200.8
    trade(sim, "100.4", "0.5", Side.SELL)
    part = await client.fetch_order(placed["id"], SYMBOL)
    assert (part["status"], part["filled"], part["info"]["status"]) == ("open", 0.5, "PARTIALLY_FILLED")
    trade(sim, "100.3", "5", Side.SELL)
    done = await client.fetch_order(placed["id"], SYMBOL)
    assert (done["status"], done["filled"], done["average"]) == ("closed", 2.0, 100.4)
    fills = await client.fetch_my_trades(SYMBOL)
    assert [(f["amount"], f["takerOrMaker"], f["fee"]["cost"], f["order"]) for f in fills] == [
        (0.5, "maker", 0.0005, placed["id"]),
        (1.5, "maker", 0.0015, placed["id"]),
    ]


async def test_open_closed_and_all_orders_are_listed(sim: SimExchange, client: Any) -> None:
    filled = await client.create_order(SYMBOL, "market", "buy", 0.1)
    waiting = await client.create_order(SYMBOL, "limit", "buy", 0.1, 90)
    gone = await client.create_order(SYMBOL, "limit", "buy", 0.1, 91)
    await client.cancel_order(gone["id"], SYMBOL)
    assert [o["id"] for o in await client.fetch_open_orders(SYMBOL)] == [waiting["id"]]
    client.options["warnOnFetchOpenOrdersWithoutSymbol"] = False
    assert [o["id"] for o in await client.fetch_open_orders()] == [waiting["id"]]
    assert [o["id"] for o in await client.fetch_closed_orders(SYMBOL)] == [filled["id"]]
    assert [o["id"] for o in await client.fetch_canceled_orders(SYMBOL)] == [gone["id"]]
    assert [o["id"] for o in await client.fetch_orders(SYMBOL)] == [filled["id"], waiting["id"], gone["id"]]
    assert [o["id"] for o in await client.fetch_orders(SYMBOL, limit=2)] == [waiting["id"], gone["id"]]


async def test_orders_and_fills_are_paged_by_id(client: Any) -> None:
    orders = [await client.create_order(SYMBOL, "market", "buy", 0.1) for _ in range(4)]
    page = await client.privateGetAllOrders({"symbol": "BTCUSDT", "orderId": orders[1]["id"], "limit": 2})
    assert [str(order["orderId"]) for order in page] == [orders[1]["id"], orders[2]["id"]]
    first, second = (await client.fetch_my_trades(SYMBOL))[:2]
    page = await client.privateGetMyTrades({"symbol": "BTCUSDT", "fromId": second["id"]})
    assert first["id"] not in [str(fill["id"]) for fill in page] and len(page) == 3
    of_one = await client.fetch_order_trades(orders[3]["id"], SYMBOL)
    assert [fill["order"] for fill in of_one] == [orders[3]["id"]]


async def test_an_order_is_found_and_cancelled_by_its_client_id(client: Any) -> None:
    await client.create_order(SYMBOL, "limit", "buy", 0.1, 90, {"clientOrderId": "mine-1"})
    found = await client.fetch_order(None, SYMBOL, {"origClientOrderId": "mine-1"})
    assert (found["clientOrderId"], found["status"]) == ("mine-1", "open")
    canceled = await client.cancel_order(None, SYMBOL, {"origClientOrderId": "mine-1"})
    assert canceled["status"] == "canceled"
    assert canceled["info"]["origClientOrderId"] == "mine-1"
    assert canceled["info"]["clientOrderId"] != "mine-1"
    assert (await client.fetch_balance())["USDT"]["used"] == 0


async def test_cancel_all_takes_every_open_order_of_the_symbol(client: Any) -> None:
    for price in (90, 91, 92):
        await client.create_order(SYMBOL, "limit", "buy", 0.1, price)
    assert {o["status"] for o in await client.cancel_all_orders(SYMBOL)} == {"canceled"}
    assert await client.fetch_open_orders(SYMBOL) == []
    with pytest.raises(ccxt.OrderNotFound, match="-2011"):
        await client.cancel_all_orders(SYMBOL)


async def test_editing_cancels_the_order_and_places_a_new_one(client: Any) -> None:
    first = await client.create_order(SYMBOL, "limit", "buy", 1, 90)
    second = await client.edit_order(first["id"], SYMBOL, "limit", "buy", 2, 91)
    assert second["id"] != first["id"]
    assert (second["status"], second["amount"], second["price"]) == ("open", 2.0, 91.0)
    assert (await client.fetch_order(first["id"], SYMBOL))["status"] == "canceled"
    assert (await client.fetch_balance())["USDT"]["used"] == 182.0


async def test_an_edit_of_a_finished_order_places_nothing(client: Any) -> None:
    done = await client.create_order(SYMBOL, "market", "buy", 0.1)
    with pytest.raises(ccxt.BadResponse, match="-2022"):
        await client.edit_order(done["id"], SYMBOL, "limit", "buy", 1, 90)
    assert await client.fetch_open_orders(SYMBOL) == []


async def test_an_edit_that_breaks_a_rule_leaves_the_old_order_alone(client: Any) -> None:
    order = await client.create_order(SYMBOL, "limit", "buy", 1, 90)
    with pytest.raises(ccxt.BadRequest, match="-1013"):
        await client.edit_order(order["id"], SYMBOL, "limit", "buy", 0.01, 90)
    assert (await client.fetch_order(order["id"], SYMBOL))["status"] == "open"


async def test_an_edit_beyond_the_balance_has_cancelled_the_old_order(client: Any) -> None:
    order = await client.create_order(SYMBOL, "limit", "buy", 1, 90)
    with pytest.raises(ccxt.BadResponse, match="-2021"):
        await client.edit_order(order["id"], SYMBOL, "limit", "buy", 100_000, 90)
    assert (await client.fetch_order(order["id"], SYMBOL))["status"] == "canceled"


@pytest.mark.parametrize(
    ("params", "kind", "price", "raw_type"),
    [
        ({"stopLossPrice": 95}, "market", None, "STOP_LOSS"),
        ({"stopLossPrice": 95}, "limit", 94, "STOP_LOSS_LIMIT"),
        ({"triggerPrice": 95}, "market", None, "STOP_LOSS"),
        ({"takeProfitPrice": 110}, "market", None, "TAKE_PROFIT"),
        ({"takeProfitPrice": 110}, "limit", 109, "TAKE_PROFIT_LIMIT"),
    ],
)
async def test_triggers_wait_fire_and_keep_their_id(
    sim: SimExchange, client: Any, params: dict[str, Any], kind: str, price: float | None, raw_type: str
) -> None:
    order = await client.create_order(SYMBOL, kind, "sell", 1, price, params)
    raw = (await client.fetch_order(order["id"], SYMBOL))["info"]
    assert (raw["type"], raw["status"], raw["isWorking"]) == (raw_type, "NEW", False)
    trigger = params.get("takeProfitPrice", 95)
    set_book(sim, str(trigger), str(trigger + 1), "5")
    trade(sim, str(trigger), "1")
    done = await client.fetch_order(order["id"], SYMBOL)
    assert (done["status"], done["filled"], done["info"]["isWorking"]) == ("closed", 1.0, True)


async def test_a_trailing_stop_follows_the_price_up_and_fires_on_the_way_down(sim: SimExchange, client: Any) -> None:
    order = await client.create_order(
        SYMBOL, "market", "sell", 1, None, {"trailingPercent": 1, "stopLossOrTakeProfit": "stopLoss"}
    )
    assert order["info"]["trailingDelta"] == 100
    trade(sim, "120")
    trade(sim, "119")
    assert (await client.fetch_order(order["id"], SYMBOL))["status"] == "open"
    trade(sim, "118.8")
    assert (await client.fetch_order(order["id"], SYMBOL))["status"] == "closed"


async def test_post_only_ioc_fok_and_iceberg_orders_do_what_they_say(sim: SimExchange, client: Any) -> None:
    maker = await client.create_order(SYMBOL, "limit", "buy", 1, 99, {"postOnly": True})
    assert (maker["info"]["type"], maker["status"], maker["postOnly"]) == ("LIMIT_MAKER", "open", True)
    ioc = await client.create_order(SYMBOL, "limit", "buy", 3, 101, {"timeInForce": "IOC"})
    assert (ioc["status"], ioc["filled"]) == ("expired", 1.0)
    set_book(sim)
    fok = await client.create_order(SYMBOL, "limit", "buy", 3, 101, {"timeInForce": "FOK"})
    assert (fok["status"], fok["filled"]) == ("expired", 0.0)
    await client.create_order(SYMBOL, "limit", "sell", 5, 105, {"icebergAmount": 1})
    assert (await client.fetch_order_book(SYMBOL))["asks"] == [[101.0, 1.0], [105.0, 1.0]]


async def test_a_test_order_is_checked_but_not_placed(client: Any) -> None:
    await client.create_order(SYMBOL, "limit", "buy", 1, 90, {"test": True})
    with pytest.raises(ccxt.BadRequest, match="NOTIONAL"):
        await client.create_order(SYMBOL, "limit", "buy", 0.01, 90, {"test": True})
    assert await client.fetch_orders(SYMBOL) == []


async def test_an_oco_list_fills_one_leg_and_expires_the_other(sim: SimExchange, client: Any) -> None:
    raw = await client.privatePostOrderListOco(
        {
            "symbol": "BTCUSDT",
            "side": "SELL",
            "quantity": "1",
            "aboveType": "LIMIT_MAKER",
            "abovePrice": "110",
            "belowType": "STOP_LOSS_LIMIT",
            "belowStopPrice": "95",
            "belowPrice": "94",
            "belowTimeInForce": "GTC",
            "listClientOrderId": "exit-1",
        }
    )
    assert (raw["listClientOrderId"], raw["listOrderStatus"]) == ("exit-1", "EXECUTING")
    assert [report["type"] for report in raw["orderReports"]] == ["STOP_LOSS_LIMIT", "LIMIT_MAKER"]
    assert (await client.fetch_balance())["BTC"]["used"] == 1.0  # one reservation for both legs
    below, above = (order["orderId"] for order in raw["orders"])
    trade(sim, "110", "3")
    assert (await client.fetch_order(above, SYMBOL))["status"] == "closed"
    expired = await client.fetch_order(below, SYMBOL)
    assert (expired["status"], expired["info"]["orderListId"]) == ("expired", raw["orderListId"])
    done = await client.privateGetOrderList({"origClientOrderId": "exit-1"})
    assert done["listStatusType"] == "ALL_DONE"
    assert [fill["info"]["orderListId"] for fill in await client.fetch_my_trades(SYMBOL)] == [raw["orderListId"]]


async def test_cancelling_one_leg_cancels_the_whole_list(client: Any) -> None:
    request = {"symbol": "BTCUSDT", "side": "SELL", "quantity": "1", "price": "110", "stopPrice": "95"}
    raw = await client.privatePostOrderOco(request)
    assert len(await client.privateGetOpenOrderList()) == 1
    answer = await client.privateDeleteOrder({"symbol": "BTCUSDT", "orderId": raw["orders"][0]["orderId"]})
    assert [report["status"] for report in answer["orderReports"]] == ["CANCELED", "CANCELED"]
    assert await client.fetch_open_orders(SYMBOL) == []
    assert await client.privateGetOpenOrderList() == []
    assert len(await client.privateGetAllOrderList()) == 1
    with pytest.raises(ccxt.OrderNotFound, match="-2011"):
        await client.privateDeleteOrderList({"symbol": "BTCUSDT", "orderListId": raw["orderListId"]})


async def test_an_oco_list_on_the_wrong_side_of_the_price_is_refused(client: Any) -> None:
    request = {"symbol": "BTCUSDT", "side": "SELL", "quantity": "1", "price": "99", "stopPrice": "95"}
    with pytest.raises(ccxt.ExchangeError, match="relationship of the prices"):
        await client.privatePostOrderOco(request)


async def test_accounts_do_not_see_each_other() -> None:
    money = {"USDT": Decimal(1000)}
    accounts = [SimAccount("ann", "ann-key", "ann-secret", balances=money), SimAccount("bob", "bob-key", "bob-secret")]
    async with exchange(accounts=accounts) as sim:
        set_book(sim)
        keys = ({"apiKey": "ann-key", "secret": "ann-secret"}, {"apiKey": "bob-key", "secret": "bob-secret"})
        async with client_of(sim, **keys[0]) as ann, client_of(sim, **keys[1]) as bob:
            order = await ann.create_order(SYMBOL, "limit", "buy", 1, 99)
            assert await bob.fetch_open_orders(SYMBOL) == []
            with pytest.raises(ccxt.OrderNotFound):
                await bob.fetch_order(order["id"], SYMBOL)
            with pytest.raises(ccxt.InsufficientFunds):
                await bob.create_order(SYMBOL, "limit", "buy", 1, 99)


async def test_fees_may_be_paid_in_a_third_coin() -> None:
    from btccxt.sim.market import ParticipantsSource, spot_market

    source = ParticipantsSource([spot_market(SYMBOL), spot_market("BNB/USDT")], 0)
    rich = {coin: Decimal(1000) for coin in ("USDT", "BTC", "BNB")}
    async with SimExchange(source, accounts=[SimAccount(balances=rich, fee_currency="BNB")], start_ms=1) as sim:
        now_ms = sim.venue.now_ms()
        sim.engine.print_trade("BNB/USDT", Decimal(500), Decimal(1), None, now_ms)
        sim.engine.set_depth(SYMBOL, [], [(Decimal(100), Decimal(5))], now_ms)
        async with client_of(sim) as client:
            await client.load_time_difference()
            order = await client.create_order(SYMBOL, "market", "buy", 1)
            assert order["trades"][0]["fee"] == {"currency": "BNB", "cost": 0.00015}

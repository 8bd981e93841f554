"""Unmodified ccxt.pro.binance places OTO and OTOCO lists on the embedded exchange: waiting, activation and ends."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from btccxt.sim.server import SimExchange
from tests.sim.dialects.binance_kit import SYMBOL, set_book, soon, trade, until, watching

BRACKET = {
    "symbol": "BTCUSDT",
    "listClientOrderId": "bracket-1",
    "workingType": "LIMIT",
    "workingSide": "BUY",
    "workingPrice": "99",
    "workingQuantity": "2",
    "workingTimeInForce": "GTC",
    "workingClientOrderId": "entry-1",
    "pendingSide": "SELL",
    "pendingQuantity": "1.9",
    "pendingAboveType": "LIMIT_MAKER",
    "pendingAbovePrice": "110",
    "pendingAboveClientOrderId": "target-1",
    "pendingBelowType": "STOP_LOSS_LIMIT",
    "pendingBelowStopPrice": "95",
    "pendingBelowPrice": "94",
    "pendingBelowTimeInForce": "GTC",
    "pendingBelowClientOrderId": "stop-1",
}
SINGLE = {
    **{name: value for name, value in BRACKET.items() if not name.startswith("pending")},
    "pendingSide": "SELL",
    "pendingQuantity": "1.9",
    "pendingType": "STOP_LOSS",
    "pendingStopPrice": "95",
    "pendingClientOrderId": "stop-1",
}


async def states(client: Any, *names: str) -> list[str]:
    """Binance's own words for the orders with these client ids."""
    rows = [await client.privateGetOrder({"symbol": "BTCUSDT", "origClientOrderId": name}) for name in names]
    return [row["status"] for row in rows]


async def test_exits_wait_for_the_whole_entry_and_then_exclude_each_other(sim: SimExchange, client: Any) -> None:
    raw = await client.privatePostOrderListOtoco(BRACKET)
    assert (raw["contingencyType"], raw["listOrderStatus"]) == ("OTO", "EXECUTING")
    assert [report["status"] for report in raw["orderReports"]] == ["NEW", "PENDING_NEW", "PENDING_NEW"]
    used = {
        coin: amounts["used"] for coin, amounts in (await client.fetch_balance()).items() if coin in ("USDT", "BTC")
    }
    assert used == {"USDT": 198.0, "BTC": 0}  # what waits holds no money
    trade(sim, "98.99", "1")  # half of it
    assert await states(client, "entry-1", "stop-1", "target-1") == ["PARTIALLY_FILLED", "PENDING_NEW", "PENDING_NEW"]
    trade(sim, "98.99", "5")
    assert await states(client, "entry-1", "stop-1", "target-1") == ["FILLED", "NEW", "NEW"]
    assert (await client.fetch_balance())["BTC"]["used"] == 1.9  # one reservation for both
    assert [order["clientOrderId"] for order in await client.fetch_open_orders(SYMBOL)] == ["stop-1", "target-1"]
    set_book(sim, "93.9", "96", "5")
    trade(sim, "94.5")
    assert await states(client, "stop-1", "target-1") == ["NEW", "EXPIRED"]  # fired; its limit rests
    trade(sim, "94", "5")
    assert await states(client, "stop-1") == ["FILLED"]
    done = await client.privateGetOrderList({"origClientOrderId": "bracket-1"})
    assert done["listOrderStatus"] == "ALL_DONE"


async def test_an_entry_that_is_filled_at_once_is_answered_before_its_exits_go_to_work(client: Any) -> None:
    raw = await client.privatePostOrderListOto(
        {**SINGLE, "workingPrice": "101", "workingQuantity": "1", "pendingQuantity": "0.9"}
    )
    assert [report["status"] for report in raw["orderReports"]] == ["FILLED", "PENDING_NEW"]
    assert await states(client, "stop-1") == ["NEW"]


@pytest.mark.parametrize("name", ["entry-1", "stop-1"])
async def test_cancelling_one_order_of_the_list_cancels_all_even_a_partly_filled_entry(
    sim: SimExchange, client: Any, name: str
) -> None:
    await client.privatePostOrderListOtoco(BRACKET)
    trade(sim, "98.99", "1")
    answer = await client.privateDeleteOrder({"symbol": "BTCUSDT", "origClientOrderId": name})
    assert [report["status"] for report in answer["orderReports"]] == ["CANCELED"] * 3
    assert await client.fetch_open_orders(SYMBOL) == []
    assert (await client.fetch_balance())["USDT"]["used"] == 0


async def test_exits_for_more_than_fees_have_left_are_rejected_when_they_should_go_to_work(client: Any) -> None:
    account = await client.fetch_balance()
    spare = account["BTC"]["free"]
    await client.create_order(SYMBOL, "limit", "sell", spare, 200)  # nothing else to pay the fee from
    wanted = {"workingPrice": "101", "workingQuantity": "1", "pendingQuantity": "1"}
    await client.privatePostOrderListOtoco({**BRACKET, **wanted})
    assert await states(client, "entry-1", "stop-1", "target-1") == ["FILLED", "REJECTED", "REJECTED"]
    assert (await client.privateGetOrderList({"origClientOrderId": "bracket-1"}))["listOrderStatus"] == "ALL_DONE"


async def test_exits_are_rejected_when_the_price_has_run_past_them(sim: SimExchange, client: Any) -> None:
    await client.privatePostOrderListOtoco(BRACKET)
    trade(sim, "94", "5")  # fills the entry and lies below the stop
    assert await states(client, "entry-1", "stop-1", "target-1") == ["FILLED", "REJECTED", "REJECTED"]


async def test_pushes_tell_of_waiting_activation_and_the_end(sim: SimExchange, client: Any) -> None:
    await watching(sim, client.watch_orders(), "user:main")
    heard: list[tuple[str, str, str]] = []
    handle = client.handle_order

    def listen(ws: Any, message: Any) -> None:
        heard.append((message["c"], message["x"], message["X"]))
        handle(ws, message)

    client.handle_order = listen
    await soon(client.privatePostOrderListOto(SINGLE))
    trade(sim, "98.99", "5")
    await until(lambda: ("stop-1", "NEW", "NEW") in heard)
    assert heard == [
        ("entry-1", "NEW", "NEW"),
        ("stop-1", "NEW", "PENDING_NEW"),
        ("entry-1", "TRADE", "FILLED"),
        ("stop-1", "NEW", "NEW"),
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"workingType": "MARKET"}, "-1116"),
        ({"pendingQuantity": ""}, "-1105"),
        ({"pendingAbovePrice": "90"}, "relationship of the prices"),
        ({"pendingBelowClientOrderId": "entry-1"}, "Duplicate"),
        ({"workingQuantity": "5000"}, "insufficient balance"),
    ],
)
async def test_what_cannot_be_meant_is_refused_and_nothing_is_placed(client: Any, change: Any, says: str) -> None:
    with pytest.raises(ccxt.BaseError, match=says):
        await client.privatePostOrderListOtoco({**BRACKET, **change})
    assert await client.fetch_open_orders(SYMBOL) == []

"""A bot runs for years: what a broker keeps of orders that ended has an end, and open ones are never forgotten."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from btccxt.bt import orders as module
from btccxt.bt.compat import bt
from btccxt.bt.orders import OrderStore
from btccxt.model import OrderKind, OrderRequest, Side, decimal_of


def _order(ref: int, *, alive: bool) -> Any:
    return SimpleNamespace(ref=ref, alive=lambda: alive, exectype=bt.Order.Limit)


def _request(ref: int) -> OrderRequest:
    return OrderRequest(f"b{ref}", "BTC/USDT", Side.BUY, OrderKind.LIMIT, decimal_of(1), decimal_of(100))


def test_two_months_of_a_thousand_orders_a_day_keep_the_latest_and_every_open_one() -> None:
    own, most = OrderStore(), 0
    for ref in range(60_000):
        order = _order(ref, alive=ref % 10_000 == 7)  # six that rest all the time
        own.note(order)
        own.add(order, _request(ref))
        if not order.alive():
            own.end(order, f"b{ref}")
        most = max(most, len(own.orders), len(own.known))
    assert most <= 2 * module._KEPT
    assert {order.ref for order in own.orders if order.alive()} == {7, 10_007, 20_007, 30_007, 40_007, 50_007}
    assert {name for name in own.known if own.is_open(name)} == {f"b{ref}" for ref in range(7, 60_000, 10_000)}
    assert {f"b{ref}" for ref in range(60_000 - module._KEPT, 60_000)} <= set(own.known)

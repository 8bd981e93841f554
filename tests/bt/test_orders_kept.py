"""A bot runs for years: what a broker keeps of orders that ended has an end, and open ones are never forgotten."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from btccxt.bt.compat import bt
from btccxt.bt.kept import KEPT, bound_notifications, forget_trades
from btccxt.bt.orders import OrderStore
from btccxt.model import OrderKind, OrderRequest, Side, decimal_of


def _order(ref: int, *, alive: bool) -> Any:
    return SimpleNamespace(ref=ref, alive=lambda: alive, exectype=bt.Order.Limit, owner=None)


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
    assert most <= 2 * KEPT
    assert {order.ref for order in own.orders if order.alive()} == {7, 10_007, 20_007, 30_007, 40_007, 50_007}
    assert {name for name in own.known if own.is_open(name)} == {f"b{ref}" for ref in range(7, 60_000, 10_000)}
    assert {f"b{ref}" for ref in range(60_000 - KEPT, 60_000)} <= set(own.known)


def _trade(*, closed: bool) -> Any:
    return SimpleNamespace(isclosed=closed)


def test_what_backtrader_keeps_of_notifications_has_an_end() -> None:
    strategy: Any = SimpleNamespace(_orders=[1, 2])
    bound_notifications(strategy)
    kept = strategy._orders
    bound_notifications(strategy)
    assert strategy._orders is kept
    strategy._orders.extend(range(3, KEPT + 10))  # as ``Strategy.clear`` does
    assert (len(kept), kept[0], kept[-1]) == (KEPT, 10, KEPT + 9)


def test_old_closed_trades_are_forgotten_and_the_last_of_each_number_in_use_stays() -> None:
    same_number = [_trade(closed=True) for _ in range(KEPT + 5)]
    numbers = {0: list(same_number), 1: [_trade(closed=False)]}
    many: dict[int, list[Any]] = {7: [_trade(closed=False)]} | {n: [_trade(closed=True)] for n in range(10, KEPT + 12)}
    forget_trades(SimpleNamespace(_trades={"a": numbers, "b": many}))  # type: ignore[arg-type]
    assert numbers[0] == same_number[5:] and len(numbers[1]) == 1
    assert len(many) == KEPT and 7 in many and list(many)[1] == 13

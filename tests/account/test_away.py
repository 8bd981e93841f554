"""What a strategy is told of the time without it."""

from __future__ import annotations

from decimal import Decimal as D

from btccxt.account.away import told_of_absence
from btccxt.model import Fill, OrderKind, OrderRequest, OrderStatus, OrderUpdate, Origin, Side
from btccxt.orders.lifecycle import apply
from btccxt.orders.live_order import LiveOrder
from btccxt.orders.register import OrderEvent
from btccxt.orders.restart import RestoredState


def order(name: str, filled: str = "0", status: OrderStatus = OrderStatus.OPEN) -> OrderEvent:
    live = LiveOrder(OrderRequest(name, "BTC/USDT", Side.BUY, OrderKind.LIMIT, D("0.10"), D(60_000)), {}, created_ms=1)
    fills = (Fill(f"t{name}", "BTC/USDT", Side.BUY, D(59_990), D(filled), 2),) if D(filled) else ()
    update = OrderUpdate("BTC/USDT", status, Origin.QUERY, order_id="x", filled=D(filled))
    for event in (*fills, update):
        live, _ = apply(live, event, 3)
    return OrderEvent(live, fills)


def test_each_change_is_a_line_and_the_open_ones_are_counted():
    changes = (order("b1", "0.10", OrderStatus.FILLED), order("b2", "0.04"), order("b3", status=OrderStatus.CANCELED))
    told = told_of_absence(RestoredState(open_orders=(changes[1].order,), changes=changes))
    head = "while this program was away: buy 0.1 BTC/USDT limit at 60000: "
    assert told == [
        f"{head}filled, filled 0.1 at 59990 on average",
        f"{head}partially filled, filled 0.04 at 59990 on average",
        f"{head}canceled",
        "1 order is open from before",
    ]


def test_nothing_is_told_of_nothing_and_many_are_cut_short():
    assert told_of_absence(RestoredState()) == []
    told = told_of_absence(RestoredState(changes=tuple(order(f"b{n}") for n in range(30))))
    assert len(told) == 21 and told[-1].startswith("… and 10 more orders")

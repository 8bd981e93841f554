"""The desk: what follows from ties is done, or said to a person."""

from __future__ import annotations

from decimal import Decimal as D
from unittest.mock import Mock

from btccxt.model import OrderKind, OrderRequest, Side
from btccxt.orders.desk import OrderDesk
from btccxt.orders.events import Alarm, AlarmKind
from btccxt.orders.live_order import LifecycleState, LiveOrder
from btccxt.orders.register import OrderEvent


async def test_a_pair_of_which_both_orders_filled_raises_an_alarm() -> None:
    alarms: list[Alarm] = []
    tracker = Mock()
    tracker.submit = lambda request, context, *, hold, begins: begins(request, context)
    desk = OrderDesk(tracker, {}, lambda symbol, wanted: None, alarms.append)
    stop = OrderRequest("stop", "BTC/USDT:USDT", Side.SELL, OrderKind.STOP, D(1), trigger_price=D(90))
    limit = OrderRequest("limit", "BTC/USDT:USDT", Side.SELL, OrderKind.LIMIT, D(1), D(110))
    desk.submit(stop, {})
    desk.submit(limit, {"oco": "stop"})
    for request in (stop, limit):
        desk.hear(OrderEvent(LiveOrder(request, state=LifecycleState.FILLED, filled=D(1))))
    tracker.cancel.assert_called_once_with("limit")  # too late
    (alarm,) = alarms
    assert (alarm.kind, alarm.client_order_id) == (AlarmKind.OVERFILL, "limit")
    assert "stop 1, limit 1: together 2, at most 1 was wanted" in alarm.text

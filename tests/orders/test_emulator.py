"""The emulator: what follows from ties is done, or said to a person."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any
from unittest.mock import Mock, call

import pytest

from btccxt.model import Market, MarketType, OrderKind, OrderRequest, Side
from btccxt.orders.emulator import _FIRED, EMULATED, OrderEmulator
from btccxt.orders.events import Alarm, AlarmKind
from btccxt.orders.live_order import LifecycleState, LiveOrder
from btccxt.orders.register import OrderEvent
from btccxt.orders.restart import RestoredState

PERP = "BTC/USDT:USDT"
MARKET = Market(
    PERP, "BTC", "USDT", "USDT", MarketType.LINEAR, active=True, price_step=D("0.1"), amount_step=D("0.001")
)


async def test_a_pair_of_which_both_orders_filled_raises_an_alarm() -> None:
    alarms: list[Alarm] = []
    tracker = Mock()
    tracker.submit = lambda request, context, *, hold=False, begins: begins(request, context)
    emulator = OrderEmulator(tracker, {}, lambda symbol, wanted: None, alarms.append)
    stop = OrderRequest("stop", "BTC/USDT:USDT", Side.SELL, OrderKind.STOP, D(1), trigger_price=D(90))
    limit = OrderRequest("limit", "BTC/USDT:USDT", Side.SELL, OrderKind.LIMIT, D(1), D(110))
    emulator.submit(stop, {})
    emulator.submit(limit, {"oco": "stop"})
    for request in (stop, limit):
        emulator.hear(OrderEvent(LiveOrder(request, state=LifecycleState.FILLED, filled=D(1))))
    tracker.cancel.assert_called_once_with("limit")  # too late
    (alarm,) = alarms
    assert (alarm.kind, alarm.client_order_id) == (AlarmKind.OVERFILL, "limit")
    assert "stop 1, limit 1: together 2, at most 1 was wanted" in alarm.text


# ------------------------------------------------------------------ after a restart


def an_order(name: str, kind: OrderKind = OrderKind.LIMIT, filled: str = "0", **fields: Any) -> LiveOrder:
    trigger = {"trigger_price": D(90)} if kind is OrderKind.STOP else {}
    request = OrderRequest(name, PERP, Side.SELL, kind, D(1), D(110) if not trigger else None, **trigger)
    made = {"entry": 1, "stop": 2, "limit": 3}[name]
    return LiveOrder(request, filled=D(filled), created_ms=made, **fields)


def restored(*orders: LiveOrder, told: tuple[LiveOrder, ...] = ()) -> tuple[OrderEmulator, Mock, list[Alarm]]:
    """``orders``: open ones, and ends that were not told yet. ``told``: those that were, before the kill."""
    alarms: list[Alarm] = []
    tracker = Mock()
    tracker.order = {order.client_order_id: order for order in orders}.get
    emulator = OrderEmulator(tracker, {PERP: MARKET}, lambda symbol, wanted: None, alarms.append)
    parents = tuple(order for order in told if order.client_order_id == "entry")
    emulator.restore(
        RestoredState(
            open_orders=tuple(order for order in orders if not order.is_final),
            changes=tuple(OrderEvent(order) for order in orders if order.is_final),
            ended_ties=parents,
            ended_pairs=tuple(order for order in told if order not in parents),
        )
    )
    return emulator, tracker, alarms


FILLED, CANCELED = LifecycleState.FILLED, LifecycleState.CANCELED


@pytest.mark.parametrize("first", ["stop", "limit"])
async def test_the_second_fill_of_a_pair_is_said_though_the_first_was_told_before_the_restart(first: str) -> None:
    stop = an_order("stop", OrderKind.STOP, "1", state=FILLED)
    limit = an_order("limit", filled="1", state=FILLED, context={"oco": "stop"})
    told, second = (stop, limit) if first == "stop" else (limit, stop)
    _, _, (alarm,) = restored(second, told=(told,))
    assert (alarm.kind, alarm.once) == (AlarmKind.OVERFILL, "pair stop")


async def test_a_pair_whose_first_end_was_told_filled_once_says_nothing() -> None:
    stop = an_order("stop", OrderKind.STOP, "1", state=FILLED)
    assert restored(an_order("limit", state=CANCELED, context={"oco": "stop"}), told=(stop,))[2] == []


async def test_a_fill_that_comes_after_both_ends_is_said_too() -> None:
    stop = an_order("stop", OrderKind.STOP, "1", state=FILLED)
    limit = an_order("limit", state=CANCELED, context={"oco": "stop"})
    emulator, _, alarms = restored(limit, told=(stop,))
    emulator.hear(OrderEvent(an_order("limit", filled="0.2", state=CANCELED, context={"oco": "stop"})))
    assert [alarm.once for alarm in alarms] == ["pair stop"]


@pytest.mark.parametrize(("noted", "cancelled"), [((), True), ((_FIRED,), False)])
async def test_the_end_of_a_leg_told_just_before_a_kill_still_ends_the_other(
    noted: tuple[str, ...], cancelled: bool
) -> None:
    """Unless the leg ended because it made way for the other."""
    stop = an_order("stop", OrderKind.STOP, state=CANCELED)
    limit = an_order("limit", state=LifecycleState.OPEN, context={"oco": "stop"}, notes=noted)
    _, tracker, _ = restored(limit, told=(stop,))
    assert tracker.cancel.mock_calls == ([call("limit")] if cancelled else [])


async def test_what_a_leg_filled_before_it_made_way_is_not_sold_twice_after_a_restart() -> None:
    stop = an_order("stop", OrderKind.STOP, "0.3", state=CANCELED)
    context = {"oco": "stop", EMULATED: "the coins are bound"}
    limit = an_order("limit", state=LifecycleState.JOURNALED, pending_release=True, context=context, notes=(_FIRED,))
    _, tracker, _ = restored(limit, told=(stop,))
    ((name, request), _) = tracker.release.call_args
    assert (name, request.amount) == ("limit", D("0.7"))


async def test_an_exit_whose_entry_was_told_just_before_a_kill_is_sent_for_what_the_entry_filled() -> None:
    """Or its position would have no exits for ever."""
    entry = an_order("entry", filled="0.4", state=CANCELED)
    stop = an_order(
        "stop", OrderKind.STOP, state=LifecycleState.JOURNALED, pending_release=True, context={"parent": "entry"}
    )
    _, tracker, _ = restored(stop, told=(entry,))
    ((name, request), _) = tracker.release.call_args
    assert (name, request.amount) == ("stop", D("0.4"))


async def test_an_exit_that_waits_here_keeps_the_size_of_its_entrys_fills_through_a_restart() -> None:
    entry = an_order("entry", filled="0.4", state=CANCELED)
    context = {"parent": "entry", EMULATED: "the exchange has no such order"}
    stop = an_order("stop", OrderKind.STOP, state=LifecycleState.JOURNALED, pending_release=True, context=context)
    emulator, tracker, _ = restored(stop, told=(entry,))
    tracker.release.assert_not_called()
    emulator.on_price(PERP, D(89))
    ((name, request), _) = tracker.release.call_args
    assert (name, request.kind, request.amount) == ("stop", OrderKind.MARKET, D("0.4"))


async def test_an_exit_whose_entry_ended_without_a_fill_is_given_up_after_a_restart() -> None:
    stop = an_order(
        "stop", OrderKind.STOP, state=LifecycleState.JOURNALED, pending_release=True, context={"parent": "entry"}
    )
    _, tracker, _ = restored(stop, told=(an_order("entry", state=CANCELED),))
    assert (tracker.cancel.mock_calls, tracker.release.mock_calls) == ([call("stop")], [])

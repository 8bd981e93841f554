"""The emulator: what follows from ties is done, or said to a person."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal as D
from typing import Any
from unittest.mock import Mock, call

import pytest

from btccxt.model import Market, MarketType, OrderKind, OrderRequest, Side
from btccxt.orders.context import EMULATED
from btccxt.orders.contingency import FIRED
from btccxt.orders.emulator import OrderEmulator
from btccxt.orders.events import Alarm, AlarmKind
from btccxt.orders.leg import MADE_WAY
from btccxt.orders.live_order import LifecycleState, LiveOrder
from btccxt.orders.register import OrderEvent
from btccxt.orders.restart import RestoredState

PERP, BTC = "BTC/USDT:USDT", "BTC/USDT"
MARKET = Market(
    PERP, "BTC", "USDT", "USDT", MarketType.LINEAR, active=True, price_step=D("0.1"), amount_step=D("0.001")
)


def an_emulator(tracker: Mock, alarms: list[Alarm]) -> OrderEmulator:
    return OrderEmulator(
        tracker,
        {PERP: MARKET, BTC: replace(MARKET, symbol=BTC, type=MarketType.SPOT)},
        lambda symbol, wanted: None,
        alarms.append,
        lambda event: None,
        now_ms=lambda: 1_000,
    )


async def test_a_pair_of_which_both_orders_filled_raises_an_alarm() -> None:
    alarms: list[Alarm] = []
    tracker = Mock()
    orders: dict[str, LiveOrder] = {}
    tracker.order = orders.get

    def submit(request: OrderRequest, context: dict[str, str], *, hold: bool = False, begins: Any) -> None:
        if begins is not None:
            begins(request, context)
        orders[request.client_order_id] = LiveOrder(request, state=LifecycleState.OPEN, context=context)

    tracker.submit = submit
    emulator = an_emulator(tracker, alarms)
    stop = OrderRequest("stop", "BTC/USDT:USDT", Side.SELL, OrderKind.STOP, D(1), trigger_price=D(90))
    limit = OrderRequest("limit", "BTC/USDT:USDT", Side.SELL, OrderKind.LIMIT, D(1), D(110))
    emulator.submit(stop, {})
    emulator.submit(limit, {"oco": "stop"})
    for request in (stop, limit):
        filled = orders[request.client_order_id] = LiveOrder(request, state=LifecycleState.FILLED, filled=D(1))
        emulator.hear(OrderEvent(filled))
    await asyncio.sleep(0)
    tracker.cancel.assert_called_once_with("limit")  # too late
    (alarm,) = alarms
    assert (alarm.kind, alarm.client_order_id) == (AlarmKind.OVERFILL, "limit")
    assert "stop 1, limit 1: together 2, at most 1 was wanted" in alarm.text


# ------------------------------------------------------------------ after a restart


def an_order(
    name: str, kind: OrderKind = OrderKind.LIMIT, filled: str = "0", *, symbol: str = PERP, **fields: Any
) -> LiveOrder:
    trigger = {"trigger_price": D(90)} if kind is OrderKind.STOP else {}
    request = OrderRequest(name, symbol, Side.SELL, kind, D(1), D(110) if not trigger else None, **trigger)
    made = {"entry": 1, "stop": 2, "limit": 3}[name]
    return LiveOrder(request, filled=D(filled), created_ms=made, **fields)


async def restored(*orders: LiveOrder, told: tuple[LiveOrder, ...] = ()) -> tuple[OrderEmulator, Mock, list[Alarm]]:
    """``orders``: open ones, and ends that were not told yet. ``told``: those that were, before the kill."""
    alarms: list[Alarm] = []
    tracker = Mock()
    tracker.order = {order.client_order_id: order for order in orders}.get
    emulator = an_emulator(tracker, alarms)
    parents = tuple(order for order in told if order.client_order_id == "entry")
    emulator.restore(
        RestoredState(
            open_orders=tuple(order for order in orders if not order.is_final),
            changes=tuple(OrderEvent(order) for order in orders if order.is_final),
            ended_ties=parents,
            ended_pairs=tuple(order for order in told if order not in parents),
        )
    )
    await asyncio.sleep(0)
    return emulator, tracker, alarms


FILLED, CANCELED = LifecycleState.FILLED, LifecycleState.CANCELED


@pytest.mark.parametrize("first", ["stop", "limit"])
async def test_the_second_fill_of_a_pair_is_said_though_the_first_was_told_before_the_restart(first: str) -> None:
    stop = an_order("stop", OrderKind.STOP, "1", state=FILLED)
    limit = an_order("limit", filled="1", state=FILLED, context={"oco": "stop"})
    told, second = (stop, limit) if first == "stop" else (limit, stop)
    _, _, (alarm,) = await restored(second, told=(told,))
    assert (alarm.kind, alarm.once) == (AlarmKind.OVERFILL, "pair stop")


async def test_a_pair_whose_first_end_was_told_filled_once_says_nothing() -> None:
    stop = an_order("stop", OrderKind.STOP, "1", state=FILLED)
    assert (await restored(an_order("limit", state=CANCELED, context={"oco": "stop"}), told=(stop,)))[2] == []


async def test_a_fill_that_comes_after_both_ends_is_said_too() -> None:
    stop = an_order("stop", OrderKind.STOP, "1", state=FILLED)
    limit = an_order("limit", state=CANCELED, context={"oco": "stop"})
    emulator, _, alarms = await restored(limit, told=(stop,))
    emulator.hear(OrderEvent(an_order("limit", filled="0.2", state=CANCELED, context={"oco": "stop"})))
    await asyncio.sleep(0)
    assert [alarm.once for alarm in alarms] == ["pair stop"]


async def test_the_strategys_cancel_told_just_before_a_kill_still_ends_the_other() -> None:
    stop = an_order("stop", OrderKind.STOP, state=CANCELED, cancel_requested=True)
    limit = an_order("limit", state=LifecycleState.OPEN, context={"oco": "stop"})
    _, tracker, _ = await restored(limit, told=(stop,))
    assert tracker.cancel.mock_calls == [call("limit")]


async def test_a_leg_that_had_made_way_for_the_other_before_a_kill_does_not_end_it() -> None:
    stop = an_order(
        "stop", OrderKind.STOP, state=CANCELED, cancel_requested=True, notes=(MADE_WAY + "for the limit",), symbol=BTC
    )
    limit = an_order("limit", state=LifecycleState.OPEN, context={"oco": "stop"}, symbol=BTC, notes=(FIRED,))
    _, tracker, _ = await restored(stop, limit)
    assert tracker.cancel.mock_calls == []


async def test_what_a_leg_filled_before_it_made_way_is_not_sold_twice_after_a_restart() -> None:
    made_way = {"cancel_requested": True, "notes": (MADE_WAY + "for the stop",), "context": {"oco": "stop"}}
    limit = an_order("limit", OrderKind.LIMIT, "0.3", state=CANCELED, symbol=BTC, **made_way)
    waits = {"pending_release": True, "context": {EMULATED: "it has none"}, "notes": (FIRED,), "symbol": BTC}
    stop = an_order("stop", OrderKind.STOP, state=LifecycleState.JOURNALED, **waits)
    _, tracker, _ = await restored(stop, limit)
    ((name, request), _) = tracker.release.call_args
    assert (name, request.kind, request.amount) == ("stop", OrderKind.MARKET, D("0.7"))


async def test_an_exit_whose_entry_was_told_just_before_a_kill_is_sent_for_what_the_entry_filled() -> None:
    """Or its position would have no exits for ever."""
    entry = an_order("entry", filled="0.4", state=CANCELED)
    stop = an_order(
        "stop", OrderKind.STOP, state=LifecycleState.JOURNALED, pending_release=True, context={"parent": "entry"}
    )
    _, tracker, _ = await restored(stop, told=(entry,))
    ((name, request), _) = tracker.release.call_args
    assert (name, request.amount) == ("stop", D("0.4"))


async def test_an_exit_that_waits_here_keeps_the_size_of_its_entrys_fills_through_a_restart() -> None:
    entry = an_order("entry", filled="0.4", state=CANCELED)
    context = {"parent": "entry", EMULATED: "the exchange has no such order"}
    stop = an_order("stop", OrderKind.STOP, state=LifecycleState.JOURNALED, pending_release=True, context=context)
    emulator, tracker, _ = await restored(stop, told=(entry,))
    tracker.release.assert_not_called()
    emulator.on_price(PERP, D(89))
    await asyncio.sleep(0)
    ((name, request), _) = tracker.release.call_args
    assert (name, request.kind, request.amount) == ("stop", OrderKind.MARKET, D("0.4"))


async def test_an_exit_whose_entry_ended_without_a_fill_is_given_up_after_a_restart() -> None:
    stop = an_order(
        "stop", OrderKind.STOP, state=LifecycleState.JOURNALED, pending_release=True, context={"parent": "entry"}
    )
    _, tracker, _ = await restored(stop, told=(an_order("entry", state=CANCELED),))
    assert (tracker.cancel.mock_calls, tracker.release.mock_calls) == ([call("stop")], [])

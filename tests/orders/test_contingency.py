"""Triggers fire where they should, and orders that hang together follow each other."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btccxt.model import OrderKind, OrderRequest, Side
from btccxt.orders.contingency import BothFilled, Cancel, Release, Ties, Trigger, Unprotected
from btccxt.orders.lifecycle import LifecycleState, LiveOrder


def request(name: str, kind: OrderKind, side: Side = Side.SELL, **changes) -> OrderRequest:
    return OrderRequest(name, "BTC/USDT", side, kind, D(1), **changes)


@pytest.mark.parametrize(
    ("kind", "side", "prices", "fires_at"),
    [
        (OrderKind.STOP, Side.SELL, ["101", "100.5", "100", "99"], 2),
        (OrderKind.STOP, Side.BUY, ["99", "99.9", "100", "101"], 2),
        (OrderKind.TAKE_PROFIT, Side.SELL, ["99", "99.9", "100.1"], 2),
        (OrderKind.TAKE_PROFIT, Side.BUY, ["101", "100.1", "99.9"], 2),
        (OrderKind.STOP_LIMIT, Side.SELL, ["101", "99"], 1),
    ],
)
def test_a_trigger_fires_at_the_first_price_that_reaches_it(kind, side, prices, fires_at):
    trigger = Trigger(request("a", kind, side, trigger_price=D(100), price=D(98)))
    fired = []
    for price in prices:
        trigger, fires = trigger.on_price(D(price))
        fired.append(fires)
    assert fired.index(True) == fires_at


def test_a_limit_leg_waits_for_its_own_price():
    trigger = Trigger(request("a", OrderKind.LIMIT, price=D(110)))
    assert [trigger.on_price(D(price))[1] for price in (109, 110, 111)] == [False, True, True]


def test_what_fires_is_the_order_without_its_condition():
    fired = Trigger(request("a", OrderKind.STOP_LIMIT, trigger_price=D(100), price=D(98))).fired()
    assert (fired.kind, fired.trigger_price, fired.price, fired.client_order_id) == (OrderKind.LIMIT, None, D(98), "a")
    assert Trigger(request("a", OrderKind.TRAILING_PERCENT, trailing_percent=D(2))).fired().kind is OrderKind.MARKET


def test_a_trailing_stop_follows_the_best_price_and_never_goes_back():
    trigger = Trigger(request("a", OrderKind.TRAILING_PERCENT, trailing_percent=D(10)))
    seen = []
    for price in (100, 120, 115, 108.1, 108):
        trigger, fires = trigger.on_price(D(str(price)))
        seen.append((trigger.best, fires))
    assert seen == [(D(100), False), (D(120), False), (D(120), False), (D(120), False), (D(120), True)]


@given(st.lists(st.integers(1, 1000), min_size=1), st.integers(1, 50), st.sampled_from(list(Side)))
def test_a_trailing_amount_fires_exactly_when_the_price_is_that_far_from_the_best(prices, distance, side):
    trigger = Trigger(request("a", OrderKind.TRAILING_AMOUNT, side, trailing_amount=D(distance)))
    for count in range(1, len(prices) + 1):
        trigger, fires = trigger.on_price(D(prices[count - 1]))
        past = prices[:count]
        away = max(past) - past[-1] if side is Side.SELL else past[-1] - min(past)
        assert fires == (away >= distance)


def ended(name: str, state: LifecycleState, kind: OrderKind = OrderKind.LIMIT, filled: str = "0") -> LiveOrder:
    return LiveOrder(request(name, kind), state=state, filled=D(filled), cost=D(filled))


@pytest.fixture
def bracket() -> Ties:
    ties = Ties()
    ties.kinds["entry"] = OrderKind.LIMIT
    ties.add(request("stop", OrderKind.STOP), {"parent": "entry", "oco": "stop"})
    ties.add(request("profit", OrderKind.LIMIT), {"parent": "entry", "oco": "stop"})
    return ties


def test_children_come_alive_with_what_their_parent_filled_less_its_fee(bracket):
    assert bracket.waits_for_parent("stop")
    told = bracket.hear(ended("entry", LifecycleState.FILLED, filled="1"), D("0.999"))
    assert told == [Release("stop", D("0.999")), Release("profit", D("0.999"))]
    assert not bracket.waits_for_parent("stop")


def test_an_entry_cancelled_after_a_partial_fill_still_gets_its_exits(bracket):
    told = bracket.hear(ended("entry", LifecycleState.CANCELED, filled="0.4"), D("0.4"))
    assert told == [Release("stop", D("0.4")), Release("profit", D("0.4"))]


@pytest.mark.parametrize("state", [LifecycleState.CANCELED, LifecycleState.REJECTED, LifecycleState.EXPIRED])
def test_an_entry_without_a_fill_takes_its_exits_along(bracket, state):
    told = bracket.hear(ended("entry", state), D(0))
    assert [(type(each), each.client_order_id) for each in told] == [(Cancel, "stop"), (Cancel, "profit")]


def test_the_end_of_one_leg_ends_the_other_once(bracket):
    bracket.hear(ended("entry", LifecycleState.FILLED, filled="1"), D(1))
    first = bracket.hear(ended("profit", LifecycleState.FILLED, filled="1"), D(1))
    assert [(type(each), each.client_order_id) for each in first] == [(Cancel, "stop")]
    assert bracket.hear(ended("profit", LifecycleState.FILLED, filled="1"), D(1)) == []
    assert bracket.hear(ended("stop", LifecycleState.CANCELED, OrderKind.STOP), D(0)) == []


def test_a_refused_stop_is_told_and_leaves_the_other_leg(bracket):
    bracket.hear(ended("entry", LifecycleState.FILLED, filled="1"), D(1))
    refused = replace(ended("stop", LifecycleState.REJECTED, OrderKind.STOP), reasons=("would trigger at once",))
    assert bracket.hear(refused, D(0)) == [Unprotected("stop", "would trigger at once")]


@pytest.mark.parametrize(("second", "told"), [("0", False), ("0.3", False), ("0.4", True), ("1", True)])
def test_a_pair_that_filled_more_than_was_wanted_is_told_once(second, told):
    """Where both legs rest at the exchange the second may fill before its cancel arrives, or while nobody is there."""
    ties = Ties()
    ties.add(request("stop", OrderKind.STOP), {})
    ties.add(request("limit", OrderKind.LIMIT), {"oco": "stop"})
    assert ties.hear(ended("stop", LifecycleState.CANCELED, OrderKind.STOP, "0.7"), D("0.7"))
    state = LifecycleState.FILLED if second == "1" else LifecycleState.CANCELED
    consequences = ties.hear(ended("limit", state, filled=second), D(second))
    assert [type(each) for each in consequences] == ([BothFilled] if told else [])
    assert ties.hear(ended("limit", state, filled=second), D(second)) == []

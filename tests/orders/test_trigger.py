"""Triggers fire where they should."""

from __future__ import annotations

from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btccxt.model import OrderKind, OrderRequest, Side
from btccxt.orders.trigger import Trigger


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


def test_a_trailing_stop_with_an_offset_ends_as_a_limit_order_below_its_stop():
    trigger = Trigger(request("a", OrderKind.TRAILING_AMOUNT, trailing_amount=D(10), limit_offset=D(2)))
    for price in (100, 120, 110):
        trigger, fires = trigger.on_price(D(price))
    assert fires
    fired = trigger.fired()
    assert (fired.kind, fired.price, fired.limit_offset, fired.trailing_amount) == (OrderKind.LIMIT, D(108), None, None)

"""What cannot be news of an order is told, and changes nothing of it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as D

import pytest

from btccxt.model import OrderKind, OrderRequest, OrderStatus, OrderUpdate, Origin, Side
from btccxt.orders.lifecycle import apply
from btccxt.orders.live_order import LiveOrder
from btccxt.orders.register import contradiction

LIMIT = OrderRequest("a1", "BTC/USDT", Side.BUY, OrderKind.LIMIT, D("0.5"), D(100))


def told(filled: str | None, amount: str | None) -> OrderUpdate:
    return OrderUpdate(
        "BTC/USDT", OrderStatus.OPEN, Origin.QUERY, "1", "a1", Side.BUY,
        amount=None if amount is None else D(amount), filled=None if filled is None else D(filled),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("filled", "amount", "believed"),
    [
        ("0.5", "0.5", True),
        ("0.5000000001", None, True),  # rounded on the way
        (None, None, True),
        ("0.6", "0.8", True),  # made larger at the exchange
        ("0.6", None, False),
        ("0.6", "0", False),
        ("1000000000000", None, False),
    ],
)
def test_more_than_the_whole_order_is_not_filled(filled: str | None, amount: str | None, believed: bool) -> None:
    assert (contradiction(LiveOrder(LIMIT), told(filled, amount)) is None) is believed


def test_of_an_order_by_cost_the_amount_is_an_estimate() -> None:
    by_cost = OrderRequest("a1", "BTC/USDT", Side.BUY, OrderKind.MARKET, D("0.5"), cost_quote=D(50))
    assert contradiction(LiveOrder(by_cost), told("0.6", None)) is None


def test_the_answer_to_a_question_by_our_own_id_sets_a_wrong_order_id_right() -> None:
    order, _ = apply(LiveOrder(LIMIT), replace(told("0", "0.5"), origin=Origin.PUSH, order_id="wrong"), 1)
    assert order.order_id == "wrong"
    order, _ = apply(order, told("0", "0.5"), 2)
    assert order.order_id == "1"
    gone = replace(told("0", "0.5"), status=OrderStatus.CANCELED)
    order, _ = apply(order, replace(gone, order_id="wrong"), 3)
    assert not order.is_final, "the end of another order"
    order, _ = apply(order, gone, 4)
    assert order.is_final


def test_a_push_does_not_change_the_id_of_an_order() -> None:
    order, _ = apply(LiveOrder(LIMIT), told("0", "0.5"), 1)
    order, _ = apply(order, replace(told("0", "0.5"), origin=Origin.PUSH, order_id="wrong"), 2)
    assert order.order_id == "1"
